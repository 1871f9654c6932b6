/*
 * specs/rule.h - the checks that a row can name. Each speaks in Kubernetes' words.
 */
#ifndef LP_SPECS_RULE_H
#define LP_SPECS_RULE_H

#include "base/json.h"
#include "specs/status.h"

enum lp_rule {
	LP_RULE_NONE,
	/* one of a few words; the words stand in rule.c */
	LP_RULE_PROTOCOL,
	LP_RULE_PULL_POLICY,
	LP_RULE_RESTART_POLICY,
	LP_RULE_DNS_POLICY,
	LP_RULE_PREEMPTION,
	LP_RULE_MESSAGE_POLICY,
	LP_RULE_SERVICE_TYPE,
	LP_RULE_AFFINITY,
	LP_RULE_TRAFFIC_POLICY,
	LP_RULE_SPREAD,
	LP_RULE_TAINT_EFFECT,
	LP_RULE_TOLERATION_EFFECT,
	LP_RULE_TOLERATION_OPERATOR,
	LP_RULE_NODE_OPERATOR,
	LP_RULE_SELECTOR_OPERATOR,
	LP_RULE_HOST_PATH_TYPE,
	LP_RULE_MEDIUM,
	LP_RULE_SCHEME,
	LP_RULE_PROPAGATION,
	LP_RULE_SECCOMP,
	LP_RULE_PROC_MOUNT,
	LP_RULE_NODE_OS,
	LP_RULE_IP_FAMILY,
	LP_RULE_IP_FAMILY_POLICY,
	LP_RULE_ADDRESS_TYPE,
	LP_RULE_FS_GROUP_POLICY,
	LP_RULE_GROUPS_POLICY,
	LP_RULE_APP_ARMOR,
	LP_RULE_ACCESS_MODE,
	LP_RULE_RECLAIM,
	LP_RULE_VOLUME_MODE,
	LP_RULE_BINDING_MODE,
	LP_RULE_RRO,
	LP_RULE_RESIZE_RESOURCE,
	LP_RULE_RESIZE_POLICY,
	LP_RULE_WORDS_END,		/* up to here: tables of words */
	/* text */
	LP_RULE_LABEL,			/* RFC 1123 label */
	LP_RULE_SUBDOMAIN,
	LP_RULE_PORT_NAME,		/* IANA service name */
	LP_RULE_LABEL_KEY,
	LP_RULE_TOLERATION_KEY,
	LP_RULE_ENV_NAME,
	LP_RULE_ENV_PREFIX,
	LP_RULE_DATA_KEY,
	LP_RULE_RELATIVE_PATH,
	LP_RULE_MOUNT_PATH,
	LP_RULE_HOST_PATH,
	LP_RULE_IP,
	LP_RULE_HOSTNAMES,
	LP_RULE_EVENT_TYPE,
	LP_RULE_FINALIZER,
	LP_RULE_SYSCTL,
	/* numbers */
	LP_RULE_PORT,			/* 1-65535 */
	LP_RULE_HOST_PORT,		/* 0-65535 */
	LP_RULE_PORT_OR_NAME,
	LP_RULE_MODE,			/* 0-0777 */
	LP_RULE_NOT_NEGATIVE,
	LP_RULE_POSITIVE,
	LP_RULE_USER_ID,
	/* maps */
	LP_RULE_LABELS,
	LP_RULE_ANNOTATIONS,
	LP_RULE_DATA_KEYS,
};

/* `value` is the field's value (an element of it for lists, the whole object for maps). Adds faults at `path`. */
void lp_rule_check(enum lp_rule rule, const char *path, const struct lp_json *value, struct lp_faults *faults);

/* Object names by kind: subdomain, label or RFC 1035 label. NULL or why not. */
const char *lp_rule_bad_name(const struct lp_kind *kind, const char *name);

#endif

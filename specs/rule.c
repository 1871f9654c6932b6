#include "specs/rule.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/selector.h"

#define LABEL_WORDS                                                                                                             \
	"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " \
	"alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_WORDS                                                                                                    \
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " \
	"with an alphanumeric character (e.g. 'example.com', regex used for validation is "                                \
	"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL1035_WORDS                                                                                                       \
	"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end " \
	"with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define KEY_WORDS                                                                                                     \
	"a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or " \
	"'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
#define PORT_WORDS "must be between 1 and 65535, inclusive"
#define ANNOTATIONS_MAX (256 << 10)

/* Rules that are lists of words; "" among them is written as a leading comma. */
static const char words[][184] = {
	[LP_RULE_NONE] = "",
	[LP_RULE_PROTOCOL] = "SCTP,TCP,UDP",
	[LP_RULE_PULL_POLICY] = "Always,IfNotPresent,Never",
	[LP_RULE_RESTART_POLICY] = "Always,Never,OnFailure",
	[LP_RULE_DNS_POLICY] = "ClusterFirst,ClusterFirstWithHostNet,Default,None",
	[LP_RULE_PREEMPTION] = "Never,PreemptLowerPriority",
	[LP_RULE_MESSAGE_POLICY] = "FallbackToLogsOnError,File",
	[LP_RULE_SERVICE_TYPE] = "ClusterIP,ExternalName,LoadBalancer,NodePort",
	[LP_RULE_AFFINITY] = "ClientIP,None",
	[LP_RULE_TRAFFIC_POLICY] = "Cluster,Local",
	[LP_RULE_SPREAD] = "DoNotSchedule,ScheduleAnyway",
	[LP_RULE_TAINT_EFFECT] = "NoExecute,NoSchedule,PreferNoSchedule",
	[LP_RULE_TOLERATION_EFFECT] = ",NoExecute,NoSchedule,PreferNoSchedule",
	[LP_RULE_TOLERATION_OPERATOR] = ",Equal,Exists",
	[LP_RULE_NODE_OPERATOR] = "DoesNotExist,Exists,Gt,In,Lt,NotIn",
	[LP_RULE_SELECTOR_OPERATOR] = "DoesNotExist,Exists,In,NotIn",
	[LP_RULE_HOST_PATH_TYPE] = ",BlockDevice,CharDevice,Directory,DirectoryOrCreate,File,FileOrCreate,Socket",
	[LP_RULE_MEDIUM] = ",HugePages,HugePages-1Gi,HugePages-2Mi,Memory",
	[LP_RULE_SCHEME] = "HTTP,HTTPS",
	[LP_RULE_PROPAGATION] = "Bidirectional,HostToContainer,None",
	[LP_RULE_SECCOMP] = "Localhost,RuntimeDefault,Unconfined",
	[LP_RULE_PROC_MOUNT] = "Default,Unmasked",
	[LP_RULE_NODE_OS] = "linux,windows",
	[LP_RULE_IP_FAMILY] = "IPv4,IPv6",
	[LP_RULE_IP_FAMILY_POLICY] = "PreferDualStack,RequireDualStack,SingleStack",
	[LP_RULE_ADDRESS_TYPE] = "FQDN,IPv4,IPv6",
	[LP_RULE_FS_GROUP_POLICY] = "Always,OnRootMismatch",
	[LP_RULE_GROUPS_POLICY] = "Merge,Strict",
	[LP_RULE_APP_ARMOR] = "Localhost,RuntimeDefault,Unconfined",
	[LP_RULE_ACCESS_MODE] = "ReadOnlyMany,ReadWriteMany,ReadWriteOnce,ReadWriteOncePod",
	[LP_RULE_RECLAIM] = "Delete,Retain",
	[LP_RULE_VOLUME_MODE] = "Block,Filesystem",
	[LP_RULE_BINDING_MODE] = "Immediate,WaitForFirstConsumer",
	[LP_RULE_RESIZE_RESOURCE] = "cpu,memory",
	[LP_RULE_RESIZE_POLICY] = "NotRequired,RestartContainer",
	[LP_RULE_RRO] = "Disabled,Enabled,IfPossible",
};

static bool
is_among(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = list;; at++) {
		size_t here = strcspn(at, ",");

		if (here == len && strncmp(at, text, len) == 0)
			return true;
		at += here;
		if (!*at)
			return false;
	}
}

/* `supported values: "Always", "Never"` */
static void
not_supported(enum lp_rule rule, const char *path, const struct lp_json *value, struct lp_faults *faults)
{
	char detail[512] = "supported values: ";
	size_t used = strlen(detail);
	const char *at = words[rule];

	if (*at == ',')
		at++;
	while (*at && used < sizeof(detail)) {
		size_t here = strcspn(at, ",");

		used += (size_t)snprintf(
		    detail + used, sizeof(detail) - used, "\"%.*s\"%s", (int)here, at, at[here] ? ", " : "");
		at += here + (at[here] == ',');
	}
	lp_faults_add(faults, LP_FAULT_NOT_SUPPORTED, path, value, detail);
}

static const char *
bad_label(const char *text)
{
	if (strlen(text) > 63)
		return "must be no more than 63 characters";
	return lp_text_is_dns_label(text) ? NULL : LABEL_WORDS;
}

static const char *
bad_subdomain(const char *text)
{
	if (strlen(text) > 253)
		return "must be no more than 253 characters";
	return lp_text_is_dns_subdomain(text) ? NULL : SUBDOMAIN_WORDS;
}

static const char *
bad_port_name(const char *text)
{
	size_t len = strlen(text);

	if (len > 15)
		return "must be no more than 15 characters";
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || len == 0)
		return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
	if (!strpbrk(text, "abcdefghijklmnopqrstuvwxyz"))
		return "must contain at least one letter (a-z)";
	if (strstr(text, "--"))
		return "must not contain consecutive hyphens";
	return text[0] == '-' || text[len - 1] == '-' ? "must not begin or end with a hyphen" : NULL;
}

static const char *
bad_env_name(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '=')
			return "a valid environment variable name must consist only of printable ASCII characters "
			       "other than '='";
	return NULL;
}

static const char *
bad_data_key(const char *text)
{
	size_t len = strlen(text);

	if (len > 253)
		return "must be no more than 253 characters";
	if (len == 0 || strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != len)
		return KEY_WORDS;
	if (strcmp(text, ".") == 0)
		return "must not be '.'";
	return lp_text_starts(text, "..") ? "must not start with '..'" : NULL;
}

/* Is ".." one of the parts of the path? */
static bool
has_backstep(const char *path)
{
	for (const char *at = path;; at++) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return true;
		at += len;
		if (!*at)
			return false;
	}
}

static const char *
bad_relative_path(const char *text)
{
	if (text[0] == '/')
		return "must be a relative path";
	return has_backstep(text) ? "must not contain '..'" : NULL;
}

static const char *
bad_ip(const char *text)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
		return NULL;
	return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

static const char *
bad_text(enum lp_rule rule, const char *text)
{
	if (rule == LP_RULE_LABEL)
		return bad_label(text);
	if (rule == LP_RULE_SUBDOMAIN || rule == LP_RULE_HOSTNAMES)
		return bad_subdomain(text);
	if (rule == LP_RULE_PORT_NAME || rule == LP_RULE_PORT_OR_NAME)
		return bad_port_name(text);
	if (rule == LP_RULE_LABEL_KEY || rule == LP_RULE_TOLERATION_KEY || rule == LP_RULE_FINALIZER)
		return lp_selector_bad_key(text);
	if (rule == LP_RULE_ENV_NAME || rule == LP_RULE_ENV_PREFIX)
		return bad_env_name(text);
	if (rule == LP_RULE_DATA_KEY)
		return bad_data_key(text);
	if (rule == LP_RULE_RELATIVE_PATH)
		return bad_relative_path(text);
	if (rule == LP_RULE_HOST_PATH)
		return has_backstep(text) ? "must not contain '..'" : NULL;
	if (rule == LP_RULE_IP)
		return bad_ip(text);
	return NULL;
}

static const char *
bad_number(enum lp_rule rule, int64_t number)
{
	if ((rule == LP_RULE_PORT || rule == LP_RULE_PORT_OR_NAME) && (number < 1 || number > 65535))
		return PORT_WORDS;
	if (rule == LP_RULE_HOST_PORT && (number < 0 || number > 65535))
		return PORT_WORDS;
	if (rule == LP_RULE_MODE && (number < 0 || number > 0777))
		return "must be a number between 0 and 0777 (octal), both inclusive";
	if (rule == LP_RULE_NOT_NEGATIVE && number < 0)
		return "must be greater than or equal to 0";
	if (rule == LP_RULE_POSITIVE && (number < 1 || number > INT32_MAX))
		return "must be between 1 and 2147483647, inclusive";
	if (rule == LP_RULE_USER_ID && (number < 0 || number > INT32_MAX))
		return "must be between 0 and 2147483647, inclusive";
	return NULL;
}

static void
check_labels(const char *path, const struct lp_json *map, struct lp_faults *faults)
{
	lp_json_each(label, map) {
		const struct lp_json key = {
			.type = LP_JSON_STRING, .text = label->key, .len = (uint32_t)strlen(label->key)
		};
		const char *why = lp_selector_bad_key(label->key);

		if (why)
			lp_faults_add(faults, LP_FAULT_INVALID, path, &key, why);
		why = label->type == LP_JSON_STRING ? lp_selector_bad_value(label->text) : NULL;
		if (why)
			lp_faults_add(faults, LP_FAULT_INVALID, path, label, why);
	}
}

static void
check_annotations(const char *path, const struct lp_json *map, struct lp_faults *faults)
{
	size_t total = 0;

	lp_json_each(entry, map) {
		const struct lp_json key = {
			.type = LP_JSON_STRING, .text = entry->key, .len = (uint32_t)strlen(entry->key)
		};
		char lower[320];
		size_t at = 0;
		const char *why;

		for (; entry->key[at] && at + 1 < sizeof(lower); at++)
			lower[at] = (char)(entry->key[at] >= 'A' && entry->key[at] <= 'Z' ? entry->key[at] + 32
			                                                                  : entry->key[at]);
		lower[at] = '\0';
		why = lp_selector_bad_key(lower);
		if (why)
			lp_faults_add(faults, LP_FAULT_INVALID, path, &key, why);
		total += key.len + entry->len;
	}
	if (total > ANNOTATIONS_MAX)
		lp_faults_add(faults, LP_FAULT_TOO_LONG, path, NULL, "may not be more than 262144 bytes");
}

static void
check_data_keys(const char *path, const struct lp_json *map, struct lp_faults *faults)
{
	lp_json_each(entry, map) {
		const struct lp_json key = {
			.type = LP_JSON_STRING, .text = entry->key, .len = (uint32_t)strlen(entry->key)
		};
		const char *why = bad_data_key(entry->key);
		const char *where = why ? lp_arena_printf(faults->arena, "%s[%s]", path, entry->key) : NULL;

		if (why)
			lp_faults_add(faults, LP_FAULT_INVALID, where ? where : path, &key, why);
	}
}

void
lp_rule_check(enum lp_rule rule, const char *path, const struct lp_json *value, struct lp_faults *faults)
{
	const char *why = NULL;

	if (rule == LP_RULE_NONE)
		return;
	if (rule == LP_RULE_LABELS)
		check_labels(path, value, faults);
	else if (rule == LP_RULE_ANNOTATIONS)
		check_annotations(path, value, faults);
	else if (rule == LP_RULE_DATA_KEYS)
		check_data_keys(path, value, faults);
	else if (value->type == LP_JSON_STRING && rule < LP_RULE_WORDS_END && !is_among(words[rule], value->text))
		not_supported(rule, path, value, faults);
	else if (value->type == LP_JSON_STRING && rule > LP_RULE_WORDS_END && value->len > 0)
		why = bad_text(rule, value->text);
	else if (value->type == LP_JSON_INT)
		why = bad_number(rule, value->integer);
	if (why)
		lp_faults_add(faults, LP_FAULT_INVALID, path, value, why);
}

const char *
lp_rule_bad_name(const struct lp_kind *kind, const char *name)
{
	if (kind->schema == LP_SCHEMA_namespace)
		return bad_label(name);
	if (kind->schema == LP_SCHEMA_service) {
		if (strlen(name) > 63)
			return "must be no more than 63 characters";
		return lp_text_is_dns1035_label(name) ? NULL : LABEL1035_WORDS;
	}
	return bad_subdomain(name);
}

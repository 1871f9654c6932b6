/*
 * agent/agent.h - the agent as a program: its start-up order and shutdown.
 *
 * Start   directories, identity, node facts, images, revision from disk, living keepers adopted, network put in order,
 *         pods looked at; only then the link to the manager. Nothing before the link needs a network (DESIGN.md promise 1)
 * Writes  node/revision when it changes, pods/<uid>/final when a pod has ended, node/identity on renewal; nothing by a timer
 * Stop    SIGTERM: the pods stay, unless it runs with --keep-pods=false
 */
#ifndef LP_AGENT_AGENT_H
#define LP_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/node/allowance.h"
#include "agent/node/instance.h"
#include "base/err.h"

struct lp_agent;
struct lp_revision;

struct lp_agent_config {
	struct lp_instance_config instance;
	const char *manifests;		/* standalone: directory */
	const char *node_name;		/* standalone, or NULL: what was joined as */
	const char *pod_cidr, *service_cidr;	/* standalone; else the revision says */
	struct lp_allowance_words allowance;
	int64_t backoff_max_ms;		/* 0: not given */
	bool standalone, keep_pods;
	bool own_cgroup;		/* the agent lives in <instance>/system */
	bool down;			/* only to take the pods down: no revision is read */
};

/* Everything but the link; then lp_agent_start. On failure lp_agent_close gives back what was opened. */
int lp_agent_open(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err);
/* Dial the manager, or read the manifests. */
int lp_agent_start(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err);
/* The pods stay. */
void lp_agent_close(struct lp_agent *agent);

/* Replace the revision by one that was made here (standalone). Takes it over. */
void lp_agent_use(struct lp_agent *agent, struct lp_revision *revision);

/* The command `limpet agent`. Returns the exit status. */
int lp_agent_main(int argc, char **argv);

/* The command `limpet down`. */
int lp_agent_down_main(int argc, char **argv);

/* Take everything of an instance down: its pods with their grace period, network, cgroups, run directory. Works with no agent alive. */
int lp_agent_down(const struct lp_instance_config *config, struct lp_err *err);

#endif

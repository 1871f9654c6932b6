/*
 * agent/pod/agent_state.h - everything the agent knows, and what its rooms may ask of those above them.
 *
 * Owner   agent.c makes and ends it; each room keeps its own part of it
 * Upward  the calls at the end are the only ones that go up: they are carried out by agent.c, link/tell.c and link/console.c, most of
 *         them at the end of the turn
 */
#ifndef LP_AGENT_AGENT_STATE_H
#define LP_AGENT_AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/node/allowance.h"
#include "agent/node/identity.h"
#include "agent/node/instance.h"
#include "agent/node/node.h"
#include "agent/node/revision.h"
#include "agent/pod/ceiling_file.h"
#include "agent/pod/stats.h"
#include "agent/pod/unclean.h"
#include "base/child.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "images/images.h"
#include "keeper/control.h"
#include "netbridge/netbridge.h"
#include "wire/cert.h"

struct lp_uplink;
struct lp_console;
struct lp_guard;
struct lp_reclaim;
struct lp_hostnet;
struct lp_resolver;
struct lp_standalone;
struct lp_tell;
struct lp_pod;

/* An event of a pod or the node, until the manager has it. At most LP_AGENT_EVENTS wait; the oldest goes first. */
#define LP_AGENT_EVENTS 256
#define LP_AGENT_ADDRESSES 32		/* of the host, where Services of type LoadBalancer answer */

struct lp_agent {
	struct lp_instance instance;	/* names and directories */
	struct lp_loop *loop;
	struct lp_identity identity;	/* name "" fields NULL when standalone */
	const char *name;		/* of the node */
	bool standalone;
	bool keep_pods;
	bool leaving;			/* the pods are being taken down */
	int64_t started_ms;		/* wall time */

	int data_fd, node_fd, pods_fd;	/* DATA, DATA/node, DATA/pods */
	int run_fd, run_pods_fd, run_logs_fd;
	int cgroup_fd;			/* -1: no cgroup v2 here */
	int exe_fd;			/* for keepers */
	char *data_path, *layers_path;	/* absolute */

	struct lp_node node;
	struct lp_ceiling_file ceiling;	/* what the owner of this node allows at most */
	int64_t backoff_max_ms;		/* the longest CrashLoopBackOff; 0: five minutes */
	struct lp_allowance allowance;	/* what the operator keeps for the machine itself */
	struct lp_guard *guard;
	struct lp_reclaim *reclaim;	/* directories of volumes that go */
	struct lp_stats_sample sample;	/* of the whole node; stats.h */
	bool pooled;			/* containers were moved to a part of the cpus; pinning.h */
	size_t weighed_count;		/* hierarchy.h: what the classes weigh now */
	int64_t weighed_milli;
	int64_t weighed_guaranteed_milli;
	int64_t weighed_bytes;
	struct lp_images *images;
	struct lp_netbridge *net;	/* NULL until a pod range is known */
	struct lp_cert_key *fleet_key;	/* NULL when standalone */
	struct lp_revision revision;	/* what is applied */
	struct lp_revision incoming;	/* what is being stored */
	struct lp_revision pending;	/* the newest that came meanwhile: stored next */
	struct lp_child storing;
	struct lp_json *peers;		/* last `peers` line, in peers_arena; NULL none */
	struct lp_arena peers_arena;

	struct lp_map pods;		/* uid -> struct lp_pod */
	uint32_t dns_addr;
	char *host_resolv;		/* host's resolv.conf without loopback resolvers */

	struct lp_uplink *uplink;	/* NULL when standalone */
	struct lp_tell *tell;
	struct lp_standalone *standalone_watch;	/* NULL with a manager */
	struct lp_console *console;
	struct lp_resolver *resolver;
	struct lp_hostnet *hostnet;

	struct lp_defer network_defer;	/* services, DNS and peers again */
	bool host_known;		/* addresses and routes of the host are as below and as they should be */
	uint32_t host_addrs[LP_AGENT_ADDRESSES];
	size_t host_addr_count;
	struct lp_timer services_timer;	/* until adopted keepers need not be waited for any longer; later: after a failure */
	bool services_known;		/* every adopted keeper has answered, or was waited for long enough */
	struct lp_timer sweep_timer;	/* lp_netbridge_sweep, once */
	size_t found_count;		/* pods that ran before this agent did */
	bool taken_over;		/* they all have answered, by our program, and the network knows it */
	int64_t opened_ms;		/* boot-time */
	struct lp_defer report_defer;
	struct lp_watch images_watch;
	int inotify_fd;
	struct lp_timer collect_timer;	/* collect.h */
	struct lp_child collecting;
	struct lp_unclean unclean;
	struct lp_timer leave_timer;
};

/* ---- what goes up */

/* A revision was applied or a pod changed what services see: look again at the end of this turn. */
void lp_agent_network_changed(struct lp_agent *agent);
/* Something the manager should know changed. */
void lp_agent_report_changed(struct lp_agent *agent);
/* Forget what the manager took: everything is reported once more. */
void lp_agent_report_again(struct lp_agent *agent);

/* An event of a pod, or of the node (pod NULL): "Normal"/"Warning", reason, words. */
void lp_agent_event(struct lp_agent *agent, const struct lp_pod *pod, const char *type, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* A revision line of the link: verified, stored in a child, then applied. */
int lp_agent_take_revision(struct lp_agent *agent, const struct lp_json *line, struct lp_err *err);
void lp_agent_take_peers(struct lp_agent *agent, const struct lp_json *line);

/* Answers of a keeper to lp_control_exec and lp_control_attach, by the id the console gave them. The descriptor is the console's. */
void lp_agent_stream_begun(struct lp_agent *agent, uint64_t id, int fd, const struct lp_err *err);
void lp_agent_stream_ended(struct lp_agent *agent, uint64_t id, const struct lp_container_exit *status);
/* The keeper of this pod is gone, and with it whatever it would have answered. */
void lp_agent_streams_lost(struct lp_agent *agent, const char *uid);

#endif

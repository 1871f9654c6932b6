/*
 * keeper/control.h - how an agent and the keeper of a pod talk; the only header of keeper/ that agent/ includes.
 *
 * Theory  A keeper is started detached with the pod's record (struct lp_control_pod) in a sealed memfd and one end of a socket
 *         pair; later agents connect to <run>/pods/<uid>/keeper.sock (SOCK_SEQPACKET, uid 0 checked on both sides). The
 *         newest connection wins, the older one is closed. On every new connection the keeper says all it knows: LP_CONTROL_POD, then
 *         LP_CONTROL_READY with descriptors when the namespaces exist, then one LP_CONTROL_STATUS a container; afterwards
 *         only what changed. Statuses are levels, not edges: several changes may arrive as one, the counts in them never lie.
 *         Order: spawn -> ready(netns, directory) -> the agent sets the network up and fills the volumes -> lp_control_go
 *         -> statuses ... -> lp_control_stop -> pod(DONE) -> lp_control_forget -> gone.
 *         A keeper stays after its pod is done until it is told to forget, so that nothing it knows is lost.
 * Format  one packet = u32 magic "LPK1", then a flat record (keeper/flat.h) of struct lp_control_message. Unknown kinds and
 *         fields are ignored. Packets are at most LP_CONTROL_PACKET bytes, records LP_CONTROL_RECORD.
 * Places  In a container's config a place whose path does not begin with "/" lies in the pod's own directory (a tmpfs in the
 *         keeper's mount namespace): "etc/hosts" is one of `files`, "volumes/NAME" one of `volumes`; no link leads out of it.
 * Memory  everything decoded lives in an arena and is valid inside the callback only
 */
#ifndef LP_KEEPER_CONTROL_H
#define LP_KEEPER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "runtime/runtime.h"

#define LP_CONTROL_PACKET 131072
#define LP_CONTROL_RECORD 4194304
#define LP_CONTROL_FDS 4
#define LP_CONTROL_CONTAINERS 64

/* ---- the pod's record ---------------------------------------------------------------------------------------------- */

enum lp_control_policy { LP_CONTROL_ALWAYS, LP_CONTROL_ON_FAILURE, LP_CONTROL_NEVER };
enum lp_control_role { LP_CONTROL_MAIN, LP_CONTROL_INIT, LP_CONTROL_SIDECAR };

/* ---- what is asked of a container, and done to it ---- */

enum lp_control_deed {			/* numbers are the protocol: never reused */
	LP_CONTROL_DEED_NONE = 0,
	LP_CONTROL_DEED_EXEC = 1,	/* args, in the container, with its rights */
	LP_CONTROL_DEED_HTTP = 2,	/* GET; 200 to 399 is success */
	LP_CONTROL_DEED_TCP = 3,	/* a connection comes about */
	LP_CONTROL_DEED_GRPC = 4,	/* grpc.health.v1.Health/Check over HTTP/2 without TLS says SERVING */
	LP_CONTROL_DEED_SLEEP = 5,	/* hooks only */
};

struct lp_control_header {
	const char *name, *value;
};

/* One thing to do. HTTP, TCP and GRPC come from the pod's own network, by a process without rights (keeper/errand.h). */
struct lp_control_action {
	int32_t deed;			/* enum lp_control_deed */
	const char *const *args;	/* EXEC: NULL-terminated */
	const char *host;		/* address or name; the agent puts the pod's address here when the pod names none */
	uint16_t port;
	bool tls;			/* HTTP: whoever answers is believed */
	const char *path;		/* HTTP: with its query */
	const struct lp_control_header *headers;
	size_t header_count;
	const char *service;		/* GRPC; NULL: the server as a whole */
	int64_t sleep_ms;
};

enum lp_control_probe_kind { LP_CONTROL_STARTUP, LP_CONTROL_LIVENESS, LP_CONTROL_READINESS, LP_CONTROL_PROBES };

struct lp_control_probe {
	int32_t kind;			/* enum lp_control_probe_kind; at most one of each */
	struct lp_control_action action;
	int64_t initial_delay_ms, period_ms, timeout_ms;	/* 0: none, 10 s, 1 s */
	uint32_t success_threshold, failure_threshold;	/* 0: 1, 3 */
	bool grace_set;			/* grace_ms counts, not the pod's, when this probe ends the container */
	int64_t grace_ms;
};

/*
 * One container. In `config` the keeper itself fills id, ns, uids, gids, hostname (all of the pod), cgroup_parent_fd, cgroup_name and stdio; descriptors
 * do not travel, so places are paths. rootfs.writable.path is a directory that may be used by this pod alone: the keeper
 * makes "<name>.<attempt>" in it for every start and removes it after the run.
 */
struct lp_control_container {
	const char *name;
	enum lp_control_role role;
	uint64_t attempt;		/* number of the first start, its restart count; > 0 after the loss of a keeper */
	struct lp_container_config config;
	bool keep_stdin;		/* a pipe that lp_control_attach can write to; else /dev/null */
	bool stdin_once;		/* closed when the first attached writer is gone */
	int32_t stop_signal;		/* 0: SIGTERM */
	uint64_t log_bytes;		/* of one of its two log files; 0: 256 KiB */
	const char *message_path;	/* termination message: absolute path in the container; NULL: none */
	bool message_from_log;		/* FallbackToLogsOnError */
	const struct lp_control_probe *probes;
	size_t probe_count;
	struct lp_control_action post_start, pre_stop;
};

/* A file in the pod's directory. */
struct lp_control_file {
	const char *path;		/* "etc/hosts" */
	const void *data;
	size_t len;
	uint32_t mode;			/* 0: 0644 */
};

/* A tmpfs at volumes/<name> in the pod's directory, or what the host has at a path, with mounts going both ways. */
struct lp_control_volume {
	const char *name;
	uint64_t size_bytes;		/* 0: 64 MiB */
	uint32_t mode;			/* 0: 01777 */
	const char *shared_path;	/* absolute; NULL: a tmpfs */
};

struct lp_control_pod {
	const char *uid, *namespace, *name;
	bool host_network, host_pid, host_ipc;
	bool host_users;		/* the host's user namespace; else uids and gids below */
	const struct lp_idmap *uids, *gids;
	size_t uid_count, gid_count;
	const char *hostname, *domainname;
	const struct lp_sysctl *sysctls;
	size_t sysctl_count;
	enum lp_control_policy policy;
	int64_t grace_ms;		/* when lp_control_stop names none, and for sidecars of a finished pod; 0 kills at once, -1: 30 s */
	int64_t backoff_ms, backoff_max_ms;	/* 0: 10 s, 5 min */
	const char *cgroup;		/* below the root given to lp_control_spawn: "limpet/burstable/pod<uid>" */
	struct lp_cgroup_limits limits;	/* of the pod's cgroup */
	const struct lp_control_file *files;
	size_t file_count;
	const struct lp_control_volume *volumes;
	size_t volume_count;
	const struct lp_control_container *containers;	/* init containers and sidecars first, in order */
	size_t container_count;
	const char *note;		/* the agent's own words; comes back in struct lp_control_state */
	bool share_pids;		/* one pid namespace for all containers; not with host_pid */
	int64_t deadline_ms;		/* after lp_control_go the pod may live this long; 0: for ever */
};

/* As bytes and back. What the record points to is in the arena; descriptors are -1. */
int lp_control_pod_write(struct lp_buf *out, const struct lp_control_pod *pod, struct lp_err *err);
int lp_control_pod_read(struct lp_arena *arena, const void *data, size_t len, struct lp_control_pod *out, struct lp_err *err);

/* ---- what a keeper reports ----------------------------------------------------------------------------------------- */

enum lp_control_phase {
	LP_CONTROL_STARTING,		/* waits for lp_control_go */
	LP_CONTROL_RUNNING,
	LP_CONTROL_STOPPING,
	LP_CONTROL_DONE,		/* nothing runs, nothing will */
};

struct lp_control_state {
	const char *uid, *namespace, *name;
	int32_t phase;			/* enum lp_control_phase */
	int64_t started_ms;		/* wall time of lp_control_go; 0 before */
	int32_t pid;			/* of the keeper */
	const char *version;		/* of its program */
	const char *note;
	uint32_t missing;		/* LP_CGROUP_BIT of controllers that the pod's cgroup lacks */
	const char *boot_id;
	uint32_t uid_base;		/* first outside id of the pod's user namespace; 0: the host's */
	int32_t error;			/* negative errno: the pod's namespaces, cgroup or directory could not be made; phase is DONE */
	const char *error_text;
	const char *reason, *message;	/* why the keeper itself ended the pod: DeadlineExceeded; NULL */
	int32_t reaper;			/* first process of a shared pid namespace, where no cgroup holds it; else 0 */
	uint64_t reaper_ticks;		/* its start time, as in struct lp_control_status */
};

/* An answer that older keepers do not give. */
enum lp_control_word { LP_CONTROL_UNSAID, LP_CONTROL_NO, LP_CONTROL_YES };

/* What happened to a container that someone may want to read as an event. Counts never fall; `text` is of the newest. */
enum lp_control_news_kind {		/* numbers are the protocol: never reused */
	LP_CONTROL_NEWS_STARTUP = 1,	/* a probe failed: why */
	LP_CONTROL_NEWS_LIVENESS = 2,
	LP_CONTROL_NEWS_READINESS = 3,
	LP_CONTROL_NEWS_KILLING = 4,	/* the keeper ends the run: why */
	LP_CONTROL_NEWS_POST_START = 5,	/* a hook failed: why */
	LP_CONTROL_NEWS_PRE_STOP = 6,
};

struct lp_control_news {
	int32_t kind;			/* enum lp_control_news_kind */
	uint64_t count;
	const char *text;
};

enum lp_control_run { LP_CONTROL_RUN_WAITING, LP_CONTROL_RUN_RUNNING, LP_CONTROL_RUN_ENDED };

/* How one run ended. */
struct lp_control_end {
	bool set;
	uint64_t attempt;
	int32_t code, signal;		/* as struct lp_container_exit */
	const char *reason;		/* Completed, Error, OOMKilled, StartError */
	const char *message;		/* termination message or why it did not start; may be NULL */
	int64_t started_ms, ended_ms;	/* wall time */
};

struct lp_control_status {
	const char *name;
	int32_t role;			/* enum lp_control_role */
	int32_t run;			/* enum lp_control_run */
	uint64_t attempt;		/* of the present or latest run: the restart count; `starts` is 0 before the first */
	uint64_t starts;		/* runs begun since this keeper was made, over its upgrades too */
	int32_t pid;			/* RUNNING: of its first process, in the host's numbers */
	int64_t started_ms;		/* RUNNING: wall time */
	const char *reason, *message;	/* WAITING: PodInitializing, ContainerCreating, CrashLoopBackOff ... */
	struct lp_control_end end;	/* ENDED: of this run */
	struct lp_control_end last;	/* WAITING, RUNNING: of the run before, when there was one */
	uint32_t missing;		/* controllers without which limits were left out */
	const char *notes;		/* lp_container_notes; NULL none */
	uint64_t log_lost;		/* records that did not fit */
	int32_t ready;			/* enum lp_control_word; UNSAID: as `run` says */
	int32_t started;		/* likewise: postStart is done, the startup probe has succeeded */
	int64_t turned_ms;		/* wall time at which `ready` turned last in this run; 0: with its start */
	const struct lp_control_news *news;
	size_t news_count;
	bool resized;			/* `limits` are those that count, not the record's */
	struct lp_cgroup_limits limits;
	uint64_t start_ticks;		/* of pid, in clock ticks since boot, where no cgroup holds it; else 0 */
};

/* ---- the connection, agent's side ---------------------------------------------------------------------------------- */

struct lp_control;

/* What lp_control calls from the loop. Every member must be there. The object must outlive the call; gone() may close it. */
struct lp_control_ops {
	void (*pod)(struct lp_control *control, const struct lp_control_state *state);
	/* netns_fd is -1 with the host's network. Both descriptors are the callee's now. dir_fd: the pod's directory. */
	void (*ready)(struct lp_control *control, int netns_fd, int dir_fd);
	void (*status)(struct lp_control *control, const struct lp_control_status *status);
	/*
	 * The one answer to lp_control_exec and lp_control_attach. err->code 0: it runs; fd is the master of its terminal, for
	 * attach also the write end of stdin, or -1; it is the callee's now. Else it does not, and nothing follows.
	 */
	void (*begun)(struct lp_control *control, uint64_t id, int fd, const struct lp_err *err);
	/* The exec'd process `id` ended. */
	void (*ended)(struct lp_control *control, uint64_t id, const struct lp_container_exit *exit);
	void (*pong)(struct lp_control *control, uint64_t id);
	/* The one answer to lp_control_resize. */
	void (*resized)(struct lp_control *control, uint64_t id, const struct lp_err *err);
	/* The keeper is dead, forgot its pod, or prefers another agent. */
	void (*gone)(struct lp_control *control);
};

struct lp_control {
	struct lp_watch watch;
	struct lp_loop *loop;
	const struct lp_control_ops *ops;
	int fd;				/* -1 when closed */
	pid_t keeper_pid;		/* from the socket or the first LP_CONTROL_POD; 0 unknown */
	void *owner;			/* the agent's */
};

struct lp_control_spawn {
	int exe_fd;			/* lp_container_exe_open; -1: own executable */
	int run_pods_fd;		/* <run>/pods */
	int run_logs_fd;		/* <run>/logs */
	int cgroup_root_fd;		/* -1: no cgroups on this machine */
	const char *system_cgroup;	/* "limpet/system", made by the caller; NULL: the caller's own */
};

/*
 * Start a keeper for this pod and be its first agent. The pod's directory below run_pods_fd is made here; -EEXIST when there
 * is one already (adopt or clean up first).
 */
int lp_control_spawn(struct lp_loop *loop, struct lp_control *control, const struct lp_control_spawn *how, const struct lp_control_pod *pod,
    const struct lp_control_ops *ops, void *owner, struct lp_err *err);

/* Adopt. -ECONNREFUSED, -ENOENT: no keeper lives there, lp_control_cleanup. */
int lp_control_open(struct lp_loop *loop, struct lp_control *control, int run_pods_fd, const char *uid,
    const struct lp_control_ops *ops, void *owner, struct lp_err *err);

/* The parts of the two above: a connected socket to the keeper; watch one (control owns fd on success). */
int lp_control_connect(int run_pods_fd, const char *uid, int *out_fd, struct lp_err *err);
int lp_control_start(struct lp_loop *loop, struct lp_control *control, int fd, const struct lp_control_ops *ops, void *owner, struct lp_err *err);

/* Let go: the keeper goes on alone. Safe twice. */
void lp_control_close(struct lp_control *control);

/* ---- requests; -EAGAIN: the keeper does not read at the moment, try again later; -EPIPE: it is gone, ops->gone follows */

/* The network and the volumes are there: start. Files are written (again) first; note NULL: keep. Later calls only do that. */
int lp_control_go(struct lp_control *control, const struct lp_control_file *files, size_t file_count, const char *note, struct lp_err *err);

/* Stop for good; grace_ms -1: the pod's own. A later call may shorten it. */
int lp_control_stop(struct lp_control *control, int64_t grace_ms, struct lp_err *err);

/* Kill what is left, clean up, exit; ops->gone follows. Logs are removed too unless keep_logs. */
int lp_control_forget(struct lp_control *control, bool keep_logs, struct lp_err *err);

int lp_control_ping(struct lp_control *control, uint64_t id, struct lp_err *err);

/* Become this executable in place (-1: run the present one again). ops->gone does not follow; a new ops->pod does. */
int lp_control_upgrade(struct lp_control *control, int exe_fd, struct lp_err *err);

struct lp_control_exec {
	const char *container;
	const char *const *args;	/* NULL-terminated */
	bool terminal;
	uint16_t rows, cols;
};

/* One more process in a running container. stdio: descriptors handed over as copies, -1 = /dev/null; unused with a terminal. */
int lp_control_exec(struct lp_control *control, uint64_t id, const struct lp_control_exec *exec, const int stdio[3], struct lp_err *err);

/*
 * From now on a copy of what the container writes goes to out_fd and err_fd (pipes or sockets; made non-blocking; what a slow
 * reader misses is dropped; closed when the run ends). begun() brings the stdin's write end, or the terminal's master, or -1.
 */
int lp_control_attach(struct lp_control *control, uint64_t id, const char *container, int out_fd, int err_fd, struct lp_err *err);

/*
 * Other limits for a running container, and for its later runs; container NULL: for the pod's own cgroup. Only what differs is
 * written. Answered by ops->resized with the kernel's words; on failure the former limits stand.
 */
int lp_control_resize(struct lp_control *control, uint64_t id, const char *container, const struct lp_cgroup_limits *limits, struct lp_err *err);

/* End a running container in good order, whatever its restart policy says, and start it again. Nothing when it does not run. */
int lp_control_renew(struct lp_control *control, const char *container, struct lp_err *err);

/* The pod may live this long from its go (0: for ever); a time that has passed ends it. */
int lp_control_set_deadline(struct lp_control *control, int64_t deadline_ms, struct lp_err *err);

/* ---- without a connection ------------------------------------------------------------------------------------------ */

/* Every pod directory of this node: call(arg, uid) until non-zero, which is returned. */
int lp_control_each(int run_pods_fd, int (*call)(void *arg, const char *uid), void *arg, struct lp_err *err);

/* What the keeper last wrote down (it is a state file, kept in memory): also when it is dead. -ENOENT none. */
int lp_control_last(struct lp_arena *arena, int run_pods_fd, const char *uid, struct lp_control_state *out_state,
    struct lp_control_status **out_statuses, size_t *out_count, struct lp_err *err);

/*
 * After a keeper's death: kill what it left and remove cgroups, socket, state and directory; logs too unless keep_logs. What it left
 * is in the pod's cgroup; without one it is found by boot, number and start time, and no other process is ever signalled.
 * -EBUSY while processes are dying: call again. -EEXIST when the keeper lives. 0 when nothing is there.
 */
int lp_control_cleanup(const struct lp_control_spawn *how, const char *uid, bool keep_logs, struct lp_err *err);

/* Log files of a run, below <run>/logs/<uid>: "<container>.<attempt>.log", with rotated ".log.1" (older). CRI format. */
#define LP_CONTROL_LOG_NAME 96
void lp_control_log_name(const char *container, uint64_t attempt, bool rotated, char out[static LP_CONTROL_LOG_NAME]);

/* ---- packets, for the keeper and the tests ------------------------------------------------------------------------- */

enum lp_control_kind {			/* numbers are the protocol: never reused */
	LP_CONTROL_GO = 1,		/* agent: files, note */
	LP_CONTROL_STOP = 2,		/* agent: grace_ms */
	LP_CONTROL_FORGET = 3,		/* agent: keep_logs */
	LP_CONTROL_PING = 4,		/* agent: id */
	LP_CONTROL_UPGRADE = 5,		/* agent: [exe] */
	LP_CONTROL_EXEC = 6,		/* agent: id, container, args, terminal, stdio_mask, [stdio] */
	LP_CONTROL_ATTACH = 7,		/* agent: id, container, [out, err] */
	LP_CONTROL_RESIZE = 8,		/* agent: id, container, limits */
	LP_CONTROL_DEADLINE = 9,	/* agent: deadline_ms */
	LP_CONTROL_RENEW = 10,		/* agent: container */
	LP_CONTROL_POD = 32,		/* keeper: state */
	LP_CONTROL_READY = 33,		/* keeper: [dir, netns] */
	LP_CONTROL_STATUS = 34,		/* keeper: status */
	LP_CONTROL_BEGUN = 35,		/* keeper: id, error, [fd] */
	LP_CONTROL_ENDED = 36,		/* keeper: id, code, signal */
	LP_CONTROL_PONG = 37,		/* keeper: id */
	LP_CONTROL_RESIZED = 38,	/* keeper: id, error */
};

struct lp_control_message {
	uint32_t kind;
	uint64_t id;
	const char *container;
	int64_t grace_ms;
	bool keep_logs;
	const struct lp_control_file *files;
	size_t file_count;
	const char *note;
	const char *const *args;	/* NULL-terminated */
	bool terminal;
	uint16_t rows, cols;
	uint32_t stdio_mask;		/* bit n: stdio n travels, in order */
	struct lp_control_state state;
	struct lp_control_status status;
	int32_t code, signal;
	int32_t error;			/* negative errno, 0 none */
	const char *error_text;
	struct lp_cgroup_limits limits;
	int64_t deadline_ms;
	int fds[LP_CONTROL_FDS];	/* beside the record; not encoded */
	size_t fd_count;
};

void lp_control_message_init(struct lp_control_message *message);
int lp_control_message_write(struct lp_buf *out, const struct lp_control_message *message, struct lp_err *err);
int lp_control_message_read(struct lp_arena *arena, const void *data, size_t len, struct lp_control_message *out, struct lp_err *err);

/* A deep copy. */
int lp_control_limits_copy(struct lp_arena *arena, const struct lp_cgroup_limits *limits, struct lp_cgroup_limits *out, struct lp_err *err);

/* A struct lp_control_action as bytes and back, for the process that carries it out (`limpet prober`). */
int lp_control_action_write(struct lp_buf *out, const struct lp_control_action *action, struct lp_err *err);
int lp_control_action_read(struct lp_arena *arena, const void *data, size_t len, struct lp_control_action *out, struct lp_err *err);

/* One packet with its descriptors (not closed). -EAGAIN, -EPIPE. */
int lp_control_send(int fd, const struct lp_control_message *message, struct lp_err *err);
/* One packet; received descriptors are the caller's. -EAGAIN, -EPIPE at the end, -EBADMSG (descriptors closed). */
int lp_control_receive(int fd, struct lp_arena *arena, struct lp_control_message *out, struct lp_err *err);

/* The state file <run>/pods/<uid>/state: what lp_control_last reads. */
#define LP_CONTROL_STATE_FILE "state"
#define LP_CONTROL_STATE_SCHEMA 1
#define LP_CONTROL_SOCKET "keeper.sock"
int lp_control_last_parse(struct lp_arena *arena, const void *data, size_t len, struct lp_control_state *out_state,
    struct lp_control_status **out_statuses, size_t *out_count, const char **out_cgroup, struct lp_err *err);
int lp_control_last_write(struct lp_buf *out, const struct lp_control_state *state, const struct lp_control_status *statuses, size_t count,
    const char *cgroup, struct lp_err *err);

#endif

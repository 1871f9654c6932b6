/*
 * runtime/oci/oci_state.h - what the command line remembers of a container between two calls: <root>/<id>/.
 *
 * Files   state.json (replaced whole by rename), config.json (a copy: later changes of the bundle mean nothing), start (the socket
 *         behind which the created process waits), lock (record lock of whoever changes the container)
 * Theory  What is written is who it is: boot id, pid, start time, cgroup. What it does is asked of the kernel each time
 *         (lp_oci_state_status). The directory is made under another name and appears complete and locked; one
 *         that is "creating" while nobody holds its lock belongs to a creator that was killed, and is cleaned away.
 *         Record locks belong to processes, not to descriptors: no child of ours holds one by accident.
 * Rule    lives in memory (/run): no fsync. Gone with the machine, as its containers are
 * Errors  -ENOENT "does not exist", -EEXIST, -EINVAL no id, -ETIMEDOUT somebody else is at work for too long
 * Source  OCI runtime-spec 1.2 runtime.md "State"; the rules for ids are runc's
 */
#ifndef LP_RUNTIME_OCI_STATE_H
#define LP_RUNTIME_OCI_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "runtime/runtime.h"

enum lp_oci_status { LP_OCI_CREATING, LP_OCI_CREATED, LP_OCI_RUNNING, LP_OCI_PAUSED, LP_OCI_STOPPED };

struct lp_oci_state {
	const char *id;
	const char *version;		/* of the bundle */
	const char *bundle, *rootfs;	/* absolute */
	const char *created;		/* RFC 3339 */
	const char *owner;		/* the user that called us */
	const char *cgroup;		/* below the cgroup2 mount; "" without */
	const struct lp_json *annotations;	/* NULL: none */
	struct lp_container_record record;	/* pid 0 while creating */
	bool ready;			/* create came to its end */
	bool poststart, poststop;	/* config.json has such hooks */
	uint64_t root_mount;		/* shares its owner's mount namespace: the mount that its root was in before; 0: has one of its own */
	bool shared_pids;		/* no pid namespace of its own: its first process may end before the others */
};

/* A container's directory. */
struct lp_oci_home {
	int root, dir, lock;		/* -1 without */
	char id[128];
};

void lp_oci_home_init(struct lp_oci_home *home);
void lp_oci_home_fini(struct lp_oci_home *home);	/* unlocks */

/* 1 to 127 of letters, digits and _ + - . ; not "." and not "..". */
int lp_oci_id_check(const char *id, struct lp_err *err);

/* A new one, locked. Its parents are made. -EEXIST. */
int lp_oci_home_create(const char *root, const char *id, struct lp_oci_home *out, struct lp_err *err);

/* One that is there; `lock`: waits for whoever changes it. */
int lp_oci_home_open(const char *root, const char *id, bool lock, struct lp_oci_home *out, struct lp_err *err);

/* Take the directory away with all that is in it, in one step as others see it. */
int lp_oci_home_remove(struct lp_oci_home *home, struct lp_err *err);

/* Is somebody else changing it right now? Never asked by one who holds the lock: looking would drop it (fcntl(2)). */
bool lp_oci_home_busy(const struct lp_oci_home *home);

/* call(arg, id) for every container below root, sorted; none when root is not there. */
int lp_oci_home_each(const char *root, int (*call)(void *arg, const char *id), void *arg, struct lp_err *err);

/* Replace a file of the directory whole. */
int lp_oci_home_put(const struct lp_oci_home *home, const char *name, const void *data, size_t len, struct lp_err *err);

int lp_oci_state_write(const struct lp_oci_home *home, const struct lp_oci_state *state, struct lp_err *err);
/* Texts are the arena's. -ENOENT when none was written yet. */
int lp_oci_state_read(const struct lp_oci_home *home, struct lp_arena *arena, struct lp_oci_state *out, struct lp_err *err);

/* What the kernel says: boot, process, program executed or not, cgroup frozen or not. */
enum lp_oci_status lp_oci_state_status(const struct lp_oci_state *state);
const char *lp_oci_status_name(enum lp_oci_status status);

/* The container's cgroup: its parent and its own name (in the record). -ENOENT when there is none. */
int lp_oci_state_cgroup_parent(const struct lp_oci_state *state, int *out_fd, struct lp_err *err);
int lp_oci_state_cgroup(const struct lp_oci_state *state, int *out_fd, struct lp_err *err);

/* The state document. `pid`: what to say, 0 in a stopped one. `more`: also what runc and crun add (rootfs, created, owner). */
struct lp_json *lp_oci_state_document(struct lp_arena *arena, const struct lp_oci_state *state, const char *status, pid_t pid, bool more);

#endif

/*
 * runtime/runtime.h - one container on one kernel: create, start, signal, exec, stats, remove. The only header of this
 * folder that others include.
 *
 * Theory  lp_container_create prepares on the caller's side everything that needs the host (a fresh cgroup with limits and
 *         device filter, the root file system and every bind mount as detached mounts, /dev), then clone3()s a child
 *         straight into the cgroup. The child joins or makes namespaces, assembles its mount tree, pivots, drops rights
 *         in one fixed order, reads back what it dropped, and waits. lp_container_start lets it execve.
 *         lp_container_run is both without the stop. Whatever fails in the child comes back as its lp_err.
 * Rule    single-threaded callers only; calls block for about a millisecond and never on the container's program.
 *         The caller reaps: the pidfd becomes readable, then lp_container_wait.
 * Places  a struct lp_place is a directory or file of the owner's: `path` when not NULL (absolute, trusted, resolved by the
 *         caller's process), else `fd`, opened in the caller's present mount namespace (the kernel copies no mount of another).
 *         Descriptors in a config stay the caller's; they may be closed after create.
 * User ns the ids of a config are ids inside the container. Layers, upper directory and binds are stored in these ids and
 *         shifted by idmapped mounts; where a file system cannot be idmapped create fails with -EOPNOTSUPP and says
 *         which one, so that the caller can fall back to the host's user namespace.
 * Errors  -ENOENT/-EACCES/-ENOEXEC with "exec: ..." words when the program cannot be run (lp_container_exec_failed)
 * Source  OCI runtime-spec config.md, config-linux.md; TRUST.md rules 1 to 6
 */
#ifndef LP_RUNTIME_H
#define LP_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "runtime/cgroup.h"
#include "runtime/ns.h"
#include "runtime/seccomp_profile.h"

struct lp_place {
	const char *path;	/* NULL: fd */
	int fd;			/* used when path is NULL; -1 = none */
};

/* ---- namespaces ---------------------------------------------------------------------------------------------------- */

/*
 * MOUNT as JOIN or HOST: there is nothing to pivot. A copy of rootfs.ready (by path) is laid over that path in that namespace, the other
 * mounts go below it, and the process is chrooted to it. What was mounted stays: taking the one mount at rootfs.ready off takes all.
 * TIME as NEW takes the offsets of the config; user ids of a joined USER namespace are asked of lp_ns_maps_of.
 */
enum lp_ns_how {
	LP_NS_NEW,		/* made for this container */
	LP_NS_JOIN,		/* fd of another's, as lp_ns_make returns it or a file of /proc/<pid>/ns is */
	LP_NS_HOST		/* the caller's own */
};

struct lp_ns_choice {
	enum lp_ns_how how;
	int fd;			/* JOIN only */
};

/* How far a clock of a new time namespace is ahead; {0, 0}: not at all. */
struct lp_time_offset {
	int64_t s;
	int64_t ns;
};

enum lp_mount_propagation { LP_MOUNT_PRIVATE, LP_MOUNT_SLAVE, LP_MOUNT_SHARED, LP_MOUNT_UNBINDABLE };

/* ---- root file system ---------------------------------------------------------------------------------------------- */

struct lp_rootfs {
	struct lp_place ready;		/* a complete tree, used as it is; else layers */
	const struct lp_place *layers;	/* topmost first, as overlayfs has it */
	size_t layer_count;
	struct lp_place writable;	/* directory on a real file system; "upper" and "work" are made fresh in it; none: tmpfs */
	uint64_t tmpfs_bytes;		/* size of the tmpfs when there is no writable place; 0: half of memory */
	bool keep_upper;		/* do not empty "upper" first (OCI restart); default is fresh for every start */
	bool durable;			/* sync at unmount; the default is overlayfs "volatile" */
	bool readonly;
	bool keep_ids;			/* ready: no shift of ids: the tree is stored with the ids of the host (OCI bundles) */
	bool no_pivot;			/* move the root onto "/" and chroot (a root file system that cannot be pivoted from) */
	bool propagation_set;		/* else private */
	enum lp_mount_propagation propagation;	/* of the root in the container; SLAVE and SHARED also towards the tree at ready */
};

/* ---- mounts -------------------------------------------------------------------------------------------------------- */

enum lp_mount_kind {
	LP_MOUNT_BIND,		/* source: a file or directory of the owner's, with everything mounted below it when recursive */
	LP_MOUNT_TMPFS,
	LP_MOUNT_PROC,		/* of the container's pid namespace */
	LP_MOUNT_SYSFS,		/* of its network namespace */
	LP_MOUNT_MQUEUE,	/* of its ipc namespace */
	LP_MOUNT_DEV,		/* tmpfs with the usual nodes, config devices, links, pts and shm (unless another mount is at /dev/shm) */
	LP_MOUNT_CGROUP,	/* cgroup2, of its cgroup namespace */
	LP_MOUNT_FS,		/* any file system by name: fstype, device, options */
	LP_MOUNT_REMOUNT	/* nothing new: attributes, propagation and options of what is mounted at target */
};

#define LP_MOUNT_RO	  1u
#define LP_MOUNT_NOSUID	  2u
#define LP_MOUNT_NODEV	  4u
#define LP_MOUNT_NOEXEC	  8u
#define LP_MOUNT_RECURSIVE 16u	/* bind: submounts too; ro then holds for all of them */
#define LP_MOUNT_NO_IDMAP 32u	/* bind: leave ids as on the host (files that the owner wrote with shifted ids, tmpfs before 6.3) */
#define LP_MOUNT_OPTIONAL 64u	/* a kernel without this file system is no error (mqueue) */
#define LP_MOUNT_PROPAGATE 128u	/* `propagation` holds for kinds other than bind too (they are private by nature) */
#define LP_MOUNT_COPY_UP 256u	/* FS tmpfs: begins with a copy of what the image has at target */
#define LP_MOUNT_MAKE_SUB 512u	/* bind with sub: make it (a directory of the container's root, with the mode of source) when missing */
#define LP_MOUNT_IDMAP	1024u	/* bind: shift ids by uids and gids of this row, or without rows by the container's user namespace */
#define LP_MOUNT_IDMAP_ALL 2048u	/* likewise for what is mounted below (ridmap) */
#define LP_MOUNT_NOFOLLOW 4096u	/* bind: a source that is a symbolic link is itself what is bound */

struct lp_mount {
	enum lp_mount_kind kind;
	const char *target;		/* absolute, in the container; made when missing; links resolve inside the root */
	struct lp_place source;		/* bind */
	uint32_t flags;			/* LP_MOUNT_* */
	enum lp_mount_propagation propagation;	/* bind, and with PROPAGATE; for all that is mounted below too */
	uint64_t size_bytes;		/* tmpfs, dev; 0: kernel's default for tmpfs, 64 KiB for dev */
	uint32_t mode;			/* tmpfs; 0: 01777 (FS: see options) */
	/*
	 * MOUNT_ATTR_* of linux/mount.h, in addition to flags; cleared before set. `all`: also for what is mounted below (the words
	 * rro, rnosuid ...). One of the ATIME modes in a set mask stands for its field: MOUNT_ATTR__ATIME is cleared by the runtime.
	 */
	uint64_t attr_set, attr_clear, attr_set_all, attr_clear_all;
	const char *sub;		/* bind: what lies at this relative path below source, however source is raced with; NULL: source */
	const char *fstype;		/* FS */
	const char *device;		/* FS, proc, sysfs, mqueue: the source word it is listed with; NULL: none */
	/*
	 * FS, REMOUNT: data and superblock options as mount(8) has them, comma between ("size=64k,mode=755,sync,lazytime"); NULL: none.
	 * uid= and gid= are ids of the container.
	 */
	const char *options;
	const struct lp_idmap *uids, *gids;	/* with IDMAP; NULL: the container's */
	size_t uid_count, gid_count;
};

/* ---- devices ------------------------------------------------------------------------------------------------------- */

/* A node in /dev and the permission to use it. The six usual ones need no row. */
struct lp_device {
	const char *path;		/* "/dev/ttyUSB0"; NULL: permission only */
	char type;			/* 'c' (or 'u'), 'b', 'p' a pipe, or 'a' for all (path NULL) */
	int32_t major, minor;		/* -1: any (permission only) */
	bool read, write, mknod;
	uint32_t mode;			/* of the node, 0: 0666 */
	uint32_t uid, gid;
};

/* ---- rights -------------------------------------------------------------------------------------------------------- */

/* Bit n = capability n of linux/capability.h. */
struct lp_caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

#define LP_CAP_ALL (UINT64_MAX)	/* stands for every capability the kernel has */

enum lp_seccomp {
	LP_SECCOMP_DEFAULT,
	LP_SECCOMP_UNCONFINED,
	LP_SECCOMP_GIVEN	/* seccomp_program */
};

struct lp_rlimit {
	int resource;		/* RLIMIT_* */
	uint64_t soft, hard;	/* RLIM_INFINITY = no limit */
};

/* sched_setattr(2). */
struct lp_scheduler {
	uint32_t policy;	/* SCHED_* */
	int32_t nice;
	uint32_t priority;
	uint64_t flags;		/* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

/* ---- a process ----------------------------------------------------------------------------------------------------- */

/* What runs: the container's first process, or one more by lp_container_exec. */
struct lp_process_config {
	const char *const *args;	/* NULL-terminated, at least one */
	bool no_program;		/* none is known: it can be created and never started */
	const char *const *env;		/* NULL-terminated "K=V"; PATH in it finds args[0]; NULL: none */
	const char *cwd;		/* NULL: "/"; made when missing */
	uint32_t uid, gid;
	const uint32_t *groups;
	size_t group_count;
	bool keep_groups;		/* those of the caller stay; `groups` are none */
	uint32_t umask;			/* 0: 022 */
	bool terminal;			/* a pty of the container's own devpts; its master comes back */
	uint16_t rows, cols;		/* 0: not set */
	int stdio[3];			/* given to the process when no terminal; -1: /dev/null */
	uint32_t keep_fds;		/* so many of the caller's descriptors from 3 on, those that are not close-on-exec, stay open under their numbers */
	struct lp_caps caps;
	bool no_new_privs;
	enum lp_seccomp seccomp;
	const void *seccomp_program;	/* struct sock_filter array; with DEFAULT: NULL */
	size_t seccomp_bytes;
	uint32_t seccomp_flags;		/* of seccomp(2), with GIVEN: as lp_seccomp_compile gives them; NEW_LISTENER: there is a listener to fetch */
	const struct lp_rlimit *rlimits;
	size_t rlimit_count;
	bool oom_score_set;
	int32_t oom_score_adj;
	bool umask_set;			/* umask is as it stands, 0 too */
	bool keep_keyring;		/* stay in the caller's session keyring */
	const struct lp_scheduler *scheduler;	/* NULL: as the caller's */
	bool io_priority_set;
	int32_t io_class, io_priority;	/* IOPRIO_CLASS_* (1 real time, 2 best effort, 3 idle), 0 to 7 */
	bool personality_set;
	uint32_t personality;		/* personality(2): domain | flags */
	const char *cpus_initial;	/* CPU list "0-3,7" to begin with ...; NULL: as the caller's */
	const char *cpus_final;		/* ... and that of the program */
	const char *apparmor;		/* profile at execve; an error where the kernel has no AppArmor; NULL: none */
	const char *selinux;		/* label at execve, likewise */
	const char *sub_cgroup;		/* exec: a directory below the container's cgroup, with or without a leading slash; NULL: that itself, or where its first process is */
};

/* ---- hooks --------------------------------------------------------------------------------------------------------- */

/* A program of the caller's. */
struct lp_hook {
	const char *path;		/* absolute */
	const char *const *args;	/* NULL-terminated, args[0] first; NULL: path alone */
	const char *const *env;		/* NULL-terminated; NULL: empty */
	int64_t timeout_ms;		/* 0: none */
};

/* Hooks that the child runs; each reads `head`, the child's number in the caller's pid namespace, `tail` on its stdin. */
struct lp_hook_group {
	const struct lp_hook *rows;
	size_t count;
	const char *head, *tail;	/* the state JSON around the pid */
	const char *name;		/* "createContainer", for words; NULL: none */
};

struct lp_hooks {
	/* The owner's first turn, as soon as there is a process, which works on meanwhile. Less than 0 ends the create. NULL: none. */
	int (*cloned)(void *arg, pid_t pid, struct lp_err *err);
	/*
	 * The owner's turn, when namespaces and mounts are there and the child waits to pivot: prestart and createRuntime, network.
	 * Less than 0 ends the create. NULL: none.
	 */
	int (*before_pivot)(void *arg, pid_t pid, struct lp_err *err);
	void *arg;
	struct lp_hook_group create;	/* createContainer: paths of the host, namespaces of the container (user apart), before pivot */
	struct lp_hook_group start;	/* startContainer: inside, with the rights of the process, right before execve */
};

/* Run one from here: state on its stdin, killed at its timeout. -EIO when it failed, with its name and status in words. */
int lp_hook_run(const struct lp_hook *hook, const void *state, size_t state_len, struct lp_err *err);

/* ---- a container --------------------------------------------------------------------------------------------------- */

struct lp_container_config {
	const char *id;			/* for messages and records; at most 127 bytes */
	struct lp_process_config process;
	struct lp_rootfs rootfs;
	const struct lp_mount *mounts;	/* in order */
	size_t mount_count;
	const char *const *masked_paths;	/* NULL-terminated; NULL: none. lp_container_masked is the usual list */
	const char *const *readonly_paths;	/* likewise lp_container_readonly */
	struct lp_ns_choice ns[LP_NS_COUNT];
	const struct lp_idmap *uids, *gids;	/* of the user namespace, made or joined */
	size_t uid_count, gid_count;
	const char *hostname;		/* with a new or joined UTS namespace; NULL: as it is */
	const char *domainname;		/* likewise */
	struct lp_time_offset monotonic, boottime;	/* of a new time namespace */
	const struct lp_sysctl *sysctls;	/* of namespaces that are NEW here, lp_ns_sysctl_allowed */
	size_t sysctl_count;
	const struct lp_device *devices;
	size_t device_count;
	int cgroup_parent_fd;		/* directory in which the leaf is made fresh; -1: stay in the caller's cgroup (no kill, no stats) */
	const char *cgroup_name;	/* "web.0" */
	struct lp_cgroup_limits limits;
	bool strict;			/* a limit or device filter that cannot be set is an error */
	bool cgroup_delegate;		/* the cgroup goes to the process's user (lp_cgroup_delegate), who may then divide it; for a
					 * new cgroup namespace and a cgroup mount that may be written */
	const char *mount_label;	/* SELinux context of FS mounts (kernel file systems apart); an error where the kernel has no SELinux; NULL: none */
	const struct lp_hooks *hooks;	/* NULL: none */
	/*
	 * For create alone: a listening SOCK_SEQPACKET unix socket. After lp_container_leave the child waits for lp_container_start_at instead
	 * of its creator, which may end; with a creator that ends before, it ends too. -1: it waits for lp_container_start.
	 */
	int start_fd;
	/*
	 * What waits there may be looked at by its owner meanwhile: an ordinary user has no other way to its namespaces. Who is inside must have
	 * all its rights to do so (ptrace(2)), and it is hidden again before the program's start.
	 */
	bool show_waiting;
};

/*
 * Everything at "a container that asks for nothing" of TRUST.md: fds -1, usual mounts and masks, namespaces new but for the user
 * namespace (its id maps are the caller's to choose), the default capabilities, no_new_privs, seccomp.
 */
void lp_container_config_init(struct lp_container_config *config);
void lp_process_config_init(struct lp_process_config *process);

/* The usual mounts (/proc /dev /dev/mqueue /sys /sys/fs/cgroup), in order; count at out_count. */
const struct lp_mount *lp_container_mounts(size_t *out_count);
extern const char *const lp_container_masked[];		/* NULL-terminated */
extern const char *const lp_container_readonly[];	/* NULL-terminated */

struct lp_container;

struct lp_container_exit {
	int code;		/* 0 to 255; 128 + signal when killed */
	int signal;		/* 0: exited by itself */
	bool oom_killed;	/* the kernel's OOM killer struck in this cgroup */
};

/* Everything up to the execve. The child waits. */
int lp_container_create(const struct lp_container_config *config, struct lp_container **out, struct lp_err *err);

/* Let it execve; returns when it did. On failure the process is gone and reaped, the container may only be removed. */
int lp_container_start(struct lp_container *container, struct lp_err *err);

/* Of a container created with start_fd: the caller has written down what others need to find it, and lets it stay. */
int lp_container_leave(struct lp_container *container, struct lp_err *err);

/*
 * The same for a container that was created with start_fd, by whatever process: `name` below dir_fd is that socket. The container is an
 * adopted one. On failure its process has ended (and is its parent's to reap).
 */
int lp_container_start_at(struct lp_container *container, int dir_fd, const char *name, struct lp_err *err);

/* Does its first process still wait for start? What the kernel says, also of adopted containers. */
bool lp_container_waits(const struct lp_container *container);

/* create + start in one go. On failure nothing is left behind. */
int lp_container_run(const struct lp_container_config *config, struct lp_container **out, struct lp_err *err);

/* Did this failure mean "the program cannot be executed" (exit status 127 or 126 by convention)? 0 when not. */
int lp_container_exec_failed(const struct lp_err *err);

/* Owned by the container, valid until lp_container_free. The pidfd polls readable when the first process has ended. */
pid_t lp_container_pid(const struct lp_container *container);
int lp_container_pidfd(const struct lp_container *container);
int lp_container_cgroup(const struct lp_container *container);	/* -1 without */
/* LP_CGROUP_BIT of the controllers without which limits were left out. */
uint32_t lp_container_missing(const struct lp_container *container);
/* What could not be done but is no error ("pids limit not set: no controller"); "" when all was done. */
const char *lp_container_notes(const struct lp_container *container);
/* The master of its terminal, -1 without. Hand over: the caller closes it. */
int lp_container_take_terminal(struct lp_container *container);
/*
 * The notify descriptor of its seccomp filter, -1 when the filter has none (process.seccomp_flags). There after run, start and
 * start_at. Hand over: the caller closes it. A filter that stops or notifies sendmsg, prctl or close_range stops the start itself.
 */
int lp_container_take_listener(struct lp_container *container);

/* The end of the first process, without blocking: -EAGAIN while it lives. Afterwards answers the same again. */
int lp_container_wait(struct lp_container *container, struct lp_container_exit *out, struct lp_err *err);

/* A signal to the first process; 0 also when it is gone already. */
int lp_container_signal(struct lp_container *container, int signal, struct lp_err *err);
/* SIGKILL to everything in its cgroup (without a cgroup: to the first process, and with it to its pid namespace). */
int lp_container_kill(struct lp_container *container, struct lp_err *err);
int lp_container_freeze(struct lp_container *container, bool frozen, struct lp_err *err);

int lp_container_stats(struct lp_container *container, struct lp_cgroup_stats *out, struct lp_err *err);

/*
 * Other limits for a container that lives (OCI update, in-place resize): what is said is written where it differs (lp_cgroup_update);
 * device rules, when there are any, take the place of the present filter. *out_missing as lp_container_missing; may be NULL.
 */
int lp_container_update(struct lp_container *container, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err);

/* Remove its cgroup and its writable layer. -EBUSY while processes live: kill, wait for the pidfd, try again. */
int lp_container_remove(struct lp_container *container, struct lp_err *err);
/* Forget the handle (NULL is fine); the container itself goes on. */
void lp_container_free(struct lp_container *container);

/* ---- one more process inside --------------------------------------------------------------------------------------- */

struct lp_process {
	pid_t pid;		/* child of the caller */
	int pidfd;		/* the caller's, like the terminal */
	int terminal;		/* -1 without */
	int listener;		/* seccomp notify, -1 without */
};

void lp_process_init(struct lp_process *process);	/* all -1 */
void lp_process_fini(struct lp_process *process);	/* closes; kills nothing */

/*
 * Run `config` in the container: its namespaces, cgroup and root. Rights are those of `config`: the caller copies what the
 * container has (lp_process_config of its first process) and changes args, env, stdio.
 * Returns when execve succeeded or says why not.
 */
int lp_container_exec(struct lp_container *container, const struct lp_process_config *config, struct lp_process *out, struct lp_err *err);

/* The end of an exec'd process, without blocking: -EAGAIN while it lives. Reaps: ask once. */
int lp_process_wait(struct lp_process *process, struct lp_container_exit *out, struct lp_err *err);

/* ---- found again --------------------------------------------------------------------------------------------------- */

/* What a restarted owner needs; (boot id, cgroup id, pid, start time) is the identity. Plain bytes, fixed size. */
struct lp_container_record {
	char id[128];
	char boot_id[LP_CLOCK_BOOT_ID];
	uint64_t cgroup_id;		/* 0 without */
	uint64_t start_ticks;		/* /proc/<pid>/stat field 22 */
	int32_t pid;
	char cgroup_name[128];
	char writable[256];		/* path when the config had one, else "" */
};

int lp_container_record(const struct lp_container *container, struct lp_container_record *out, struct lp_err *err);

/* When a process was started, in clock ticks since boot: whose number it is. -ESRCH no such process. */
int lp_record_start_ticks(pid_t pid, uint64_t *out, struct lp_err *err);

/*
 * Take a container over again. cgroup_parent_fd as in its config (-1 without). The exit status is there only for
 * the parent of the process (the same process after a re-exec). -ESRCH the process is gone or is another one now, with
 * *out set all the same when its cgroup is still there, so that the caller can kill and remove.
 */
int lp_container_adopt(const struct lp_container_record *record, int cgroup_parent_fd, struct lp_container **out, struct lp_err *err);

/* ---- rights, as bytes and words ------------------------------------------------------------------------------------ */

/*
 * The default seccomp filter for a container with these capabilities, as struct sock_filter bytes. The runtime builds and keeps
 * it by itself (in tens of microseconds): this is for whoever wants to look at it or add to it.
 */
int lp_seccomp_build(uint64_t caps, struct lp_buf *out, struct lp_err *err);

/* The default capability set; `user_namespace`: SYS_CHROOT too. */
uint64_t lp_caps_default(bool user_namespace);
/* "CAP_NET_ADMIN" or "NET_ADMIN" or "ALL" (LP_CAP_ALL) -> bit mask; -EINVAL unknown name. */
int lp_caps_parse(const char *name, uint64_t *out);
/* The same set bounding, permitted and effective; nothing inheritable; ambient for a uid other than 0 when `ambient`. */
void lp_caps_fill(struct lp_caps *caps, uint64_t set, bool ambient);

/* ---- terminals ----------------------------------------------------------------------------------------------------- */

int lp_terminal_resize(int master_fd, uint16_t rows, uint16_t cols, struct lp_err *err);

/* ---- the executable ------------------------------------------------------------------------------------------------ */

/*
 * Our own executable through a read-only detached mount, for execveat(fd, "", ..., AT_EMPTY_PATH): whoever starts a keeper
 * uses it, so that nothing in a container can write to the program by way of /proc/<pid>/exe (CVE-2019-5736).
 */
int lp_container_exe_open(int *out_fd, struct lp_err *err);

/*
 * For a program that clones containers out of itself: start over from such a mount, with these arguments and our environment. Returns
 * 0 when we run from a read-only mount already, or may mount nothing (then the executable is not ours to write either).
 */
int lp_container_exe_seal(char *const argv[], struct lp_err *err);

#endif

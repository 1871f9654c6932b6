#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/assemble.h"
#include "runtime/handoff.h"
#include "runtime/hook.h"
#include "runtime/mount.h"
#include "runtime/process.h"
#include "runtime/start.h"
#include "runtime/traits.h"

/*
 * The child side of a new container. Until its last steps it is the owner's root in namespaces of the container, with the
 * owner's rights over its mounts; the user namespace comes last. So kernel file systems, device nodes and layers are mounted
 * by the same code with and without a user namespace, and what is mounted belongs to the owner, not to the container.
 */

/* ---- namespaces ---- */

static int
loopback_up(struct lp_err *err)
{
	lp_auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	if (sock < 0 && (errno == EAFNOSUPPORT || errno == ENOSYS))
		return 0;	/* a kernel without IPv4 */
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, "lo", 3);
	if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &request) < 0)
		return lp_err_set(err, -errno, "look at the loopback interface");
	request.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &request) < 0)
		return lp_err_set(err, -errno, "loopback interface up");
	return 0;
}

static int
write_offset(int proc_fd, const char *clock, const struct lp_time_offset *offset, struct lp_err *err)
{
	char text[64];

	if (offset->s == 0 && offset->ns == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%s %" PRId64 " %" PRId64, clock, offset->s, offset->ns);
	return lp_path_put(proc_fd, "self/timens_offsets", text, err) < 0 ? lp_err_wrap(err, "offset of clock %s", clock) : 0;
}

/* A new one is first for children only: offsets can be written as long as nobody is in it. Then we go in. */
static int
new_time(const struct lp_container_config *config, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int proc_fd, rc = lp_mount_proc(&proc_fd, err);

	if (rc < 0)
		return rc;
	if (unshare(CLONE_NEWTIME) < 0)
		return lp_err_set(err, -errno, "new time namespace");
	rc = write_offset(proc_fd, "monotonic", &config->monotonic, err);
	if (rc == 0)
		rc = write_offset(proc_fd, "boottime", &config->boottime, err);
	if (rc < 0)
		return rc;
	fd = openat(proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);	/* a magic link by nature, in a procfs of ours */
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return lp_err_set(err, -errno, "enter the time namespace");
	return 0;
}

static int
enter_namespaces(const struct lp_inside *inside, struct lp_err *err)
{
	static const enum lp_ns order[] = { LP_NS_NET, LP_NS_IPC, LP_NS_UTS, LP_NS_CGROUP, LP_NS_TIME, LP_NS_MOUNT };
	const struct lp_ns_choice *ns = inside->config->ns;

	for (size_t i = 0; i < lp_count(order); i++) {
		int fd = inside->join[order[i]];

		if (fd >= 0 && setns(fd, lp_ns_flag(order[i])) < 0)
			return lp_err_set(err, -errno, "enter the %s namespace", lp_ns_name(order[i]));
	}
	/* Its root is the cgroup that we were cloned into, which clone3 itself would not have taken. */
	if (ns[LP_NS_CGROUP].how == LP_NS_NEW && unshare(CLONE_NEWCGROUP) < 0)
		return lp_err_set(err, -errno, "new cgroup namespace");
	if (ns[LP_NS_TIME].how == LP_NS_NEW) {
		int rc = new_time(inside->config, err);

		if (rc < 0)
			return rc;
	}
	if (ns[LP_NS_NET].how == LP_NS_NEW)
		return loopback_up(err);
	return 0;
}

/* Where the container's user namespace owns the others, lp_ns_make has done this from inside. */
static int
settle_namespaces(const struct lp_inside *inside, int proc_fd, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	uint32_t made = 0;

	for (int i = 0; i < LP_NS_COUNT; i++)
		made |= config->ns[i].how == LP_NS_NEW ? LP_NS_BIT(i) : 0;
	if (!(inside->made & LP_NS_BIT(LP_NS_UTS))) {
		if ((config->hostname || config->domainname) && config->ns[LP_NS_UTS].how == LP_NS_HOST)
			return lp_err_say(err, -EINVAL, "a host name needs a UTS namespace of the container's");
		if (config->hostname && sethostname(config->hostname, strlen(config->hostname)) < 0)
			return lp_err_set(err, -errno, "host name %s", config->hostname);
		if (config->domainname && setdomainname(config->domainname, strlen(config->domainname)) < 0)
			return lp_err_set(err, -errno, "domain name %s", config->domainname);
	}
	return inside->made ? 0 : lp_ns_write_sysctls(proc_fd, config->sysctls, config->sysctl_count, made, err);
}

/* Our number in the owner's pid namespace. */
static int
own_number(int proc_fd, pid_t *out, struct lp_err *err)
{
	char text[16];
	ssize_t len = readlinkat(proc_fd, "self", text, sizeof(text) - 1);
	uint64_t pid;

	text[len > 0 ? len : 0] = '\0';
	if (lp_text_u64(text, INT32_MAX, &pid) < 0)
		return lp_err_say(err, -ESRCH, "no number in the owner's procfs");
	*out = (pid_t)pid;
	return 0;
}

/* ---- the root ---- */

static int
check_root(int root_fd, struct lp_err *err)
{
	struct stat ours, now;
	char cwd[16];	/* a longer one is wrong too; what we touch here is the container's memory */

	if (fstat(root_fd, &ours) < 0 || fstatat(AT_FDCWD, "/", &now, 0) < 0)
		return lp_err_set(err, -errno, "look at the new root");
	if (ours.st_dev != now.st_dev || ours.st_ino != now.st_ino)
		return lp_err_say(err, -EXDEV, "the root is not the container's");
	/* ".." of the root is the root, or what is mounted on it: a remainder of the old one, which setns would find. */
	if (fstatat(AT_FDCWD, "/..", &now, 0) < 0 || ours.st_dev != now.st_dev || ours.st_ino != now.st_ino)
		return lp_err_say(err, -EXDEV, "something lies on the container's root");
	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0 || strcmp(cwd, "/") != 0)
		return lp_err_say(err, -EXDEV, "the working directory is not the container's root");
	return 0;
}

/* Without a mount namespace to pivot in: the root of this process alone. */
static int
change_root(int root_fd, struct lp_err *err)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return lp_err_set(err, -errno, "chroot to the new root");
	return 0;
}

static int
pivot(const struct lp_inside *inside, int root_fd, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	lp_auto_fd int now = -1;

	if (config->ns[LP_NS_MOUNT].how != LP_NS_NEW)
		return change_root(root_fd, err);
	if (fchdir(root_fd) < 0)
		return lp_err_set(err, -errno, "go to the new root");
	/* The root lies on "/" already: a process whose root is "/" sees it from there only after chroot. */
	if (config->rootfs.no_pivot)
		return change_root(root_fd, err);
	/* The old root comes to lie on the new one, where "." finds it. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return lp_err_set(err, -errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return lp_err_set(err, -errno, "detach the old root");
	if (chdir("/") < 0)
		return lp_err_set(err, -errno, "go to /");
	if (config->rootfs.propagation_set && config->rootfs.propagation != LP_MOUNT_PRIVATE) {
		now = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (now < 0)
			return lp_err_set(err, -errno, "open /");
		if (lp_mount_set(now, 0, lp_mount_propagation(config->rootfs.propagation), true, err) < 0)
			return lp_err_wrap(err, "propagation of the root");
	}
	return check_root(root_fd, err);
}

/* The working directory of a config may be missing from an image; runc and crun make it, so programs count on it. */
static int
make_cwd(const struct lp_container_config *config, int root_fd, struct lp_err *err)
{
	const char *cwd = config->process.cwd;

	if (!cwd || strcmp(cwd, "/") == 0 || cwd[0] != '/')
		return 0;
	return lp_path_mkdirs_in_root(root_fd, cwd, 0755, NULL, err);
}

/* Nodes in an image's own /dev must be of use when nothing is mounted over it. */
static unsigned
root_attrs(const struct lp_container_config *config)
{
	bool dev = false;

	for (size_t i = 0; i < config->mount_count; i++)
		dev = dev || (config->mounts[i].target && strcmp(config->mounts[i].target, "/dev") == 0);
	return (dev ? MOUNT_ATTR_NODEV : 0u) | (config->process.no_new_privs ? MOUNT_ATTR_NOSUID : 0u);
}

/*
 * A ready root is laid over the tree it is a copy of: hooks that enter the namespace find it there, and where the namespace is not ours
 * alone nothing else is touched. Others, and those that take the place of "/", go onto "/".
 */
static int
attach_root(const struct lp_inside *inside, int host_fd, int root_fd, struct lp_err *err)
{
	const struct lp_rootfs *rootfs = &inside->config->rootfs;
	lp_auto_fd int at = -1;
	int rc;

	if (!rootfs->ready.path || (rootfs->no_pivot && inside->config->ns[LP_NS_MOUNT].how == LP_NS_NEW))
		return lp_mount_attach(root_fd, host_fd, err);
	rc = lp_mount_place(&rootfs->ready, &at, err);
	return rc < 0 ? rc : lp_mount_attach(root_fd, at, err);
}

/* What is left below "/" must not show a whole procfs or sysfs: whoever sees one may mount another without masks. */
static int
drop_kernel_trees(int host_fd, struct lp_err *err)
{
	static const char trees[][5] = { "proc", "sys" };

	for (size_t i = 0; i < lp_count(trees); i++) {
		int rc = 0;

		while (rc == 0) {
			lp_auto_fd int at = openat(host_fd, trees[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

			if (at < 0 || fchdir(at) < 0)
				return lp_err_set(err, -errno, "go to /%s", trees[i]);
			rc = umount2(".", MNT_DETACH) < 0 ? -errno : 0;
		}
		if (rc != -EINVAL)	/* the last: no mount is there any more */
			return lp_err_set(err, rc, "detach /%s", trees[i]);
	}
	return 0;
}

/* The owner's turn before we leave its file systems. */
static int
run_hooks(const struct lp_inside *inside, int host_fd, const struct lp_assembly *assembly, struct lp_err *err)
{
	const struct lp_hooks *hooks = inside->config->hooks;
	struct lp_handoff message;
	pid_t pid;
	int fd, rc;

	if (!hooks)
		return 0;
	if (hooks->before_pivot) {
		rc = lp_handoff_send(inside->sock, LP_HANDOFF_ASSEMBLED, NULL, -1, err);
		if (rc == 0)
			rc = lp_handoff_receive(inside->sock, &message, &fd, err);
		if (rc < 0)
			return rc;
		if (rc == 0 || message.kind != LP_HANDOFF_GO)
			return lp_err_say(err, -ECANCELED, "the owner gave up before the root was entered");
	}
	if (!hooks->create.count)
		return 0;
	rc = own_number(assembly->proc_fd, &pid, err);
	/* They stand in the new root, as runc's do; in "/" where that has no name. */
	if (rc == 0 && fchdir(inside->config->rootfs.ready.path ? assembly->root_fd : host_fd) < 0)
		rc = lp_err_set(err, -errno, "go to the new root");
	return rc < 0 ? rc : lp_hook_group(&hooks->create, pid, err);
}

/* Mount the root, everything in it, and move there. */
static int
build_root(const struct lp_inside *inside, struct lp_assembly *assembly, int *out_slave, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	const bool own = config->ns[LP_NS_MOUNT].how == LP_NS_NEW;
	lp_auto_fd int host = -1, place = -1, master = -1;
	int rc;

	/* Nothing of what follows shows outside, and nothing of outside comes in while we build. */
	host = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host < 0)
		return lp_err_set(err, -errno, "open /");
	place = openat(host, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);	/* a directory that every machine has */
	if (place < 0)
		return lp_err_set(err, -errno, "open /proc");
	assembly->host_fd = host;
	rc = own ? lp_mount_set(host, 0, MS_PRIVATE, true, err) : 0;
	if (rc == 0)
		rc = lp_rootfs_mount(&config->rootfs, &inside->rootfs, place, assembly->proc_fd, root_attrs(config), &assembly->root_fd, err);
	if (rc == 0)
		rc = attach_root(inside, host, assembly->root_fd, err);
	if (rc == 0)
		rc = lp_assemble(inside, assembly, err);
	if (rc == 0 && config->process.terminal) {
		rc = lp_assemble_terminal(inside, assembly, &master, out_slave, err);
		if (rc == 0)
			rc = lp_handoff_send(inside->sock, LP_HANDOFF_TERMINAL, NULL, master, err);
	}
	if (rc == 0)
		rc = make_cwd(config, assembly->root_fd, err);
	if (rc == 0)
		rc = lp_assemble_finish(inside, assembly, err);
	if (rc == 0 && config->rootfs.readonly)
		rc = lp_mount_set(assembly->root_fd, MOUNT_ATTR_RDONLY, 0, false, err);
	if (rc == 0)
		rc = run_hooks(inside, host, assembly, err);
	if (rc == 0 && own && config->rootfs.no_pivot)
		rc = drop_kernel_trees(host, err);
	return rc < 0 ? rc : pivot(inside, assembly->root_fd, err);
}

/* ---- the whole way ---- */

static int
wait_for_go(struct lp_inside *inside, struct lp_process_start *start, struct lp_err *err)
{
	struct lp_handoff message;
	int fd, rc;

	if (!inside->wait)
		return 0;
	if (inside->config->start_fd >= 0) {
		rc = lp_process_find(&inside->config->process, err);	/* the creator can still tell */
		if (rc == 0)
			rc = lp_start_wait(inside->config, &inside->sock, err);
		start->sock = inside->sock;
		return rc;
	}
	rc = lp_handoff_send(inside->sock, LP_HANDOFF_READY, NULL, -1, err);
	if (rc == 0)
		rc = lp_handoff_receive(inside->sock, &message, &fd, err);
	if (rc < 0)
		return rc;
	if (rc == 0 || message.kind != LP_HANDOFF_GO)
		return lp_err_say(err, -ECANCELED, "the owner gave up before start");
	return 0;
}

/* With hooks of start: what they are told. */
static int
prepare_hooks(const struct lp_inside *inside, int proc_fd, struct lp_process_start *start, struct lp_err *err)
{
	const struct lp_hooks *hooks = inside->config->hooks;

	if (!hooks || !hooks->start.count)
		return 0;
	start->hooks = &hooks->start;
	return own_number(proc_fd, &start->pid, err);
}

static int
prepare(struct lp_inside *inside, struct lp_assembly *assembly, struct lp_process_start *start, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	int rc = lp_process_reset(err);

	if (rc == 0)
		rc = lp_traits_begin(&config->process, err);
	if (rc == 0)
		rc = enter_namespaces(inside, err);
	if (rc == 0)
		rc = lp_mount_proc(&assembly->proc_fd, err);
	if (rc == 0)
		rc = settle_namespaces(inside, assembly->proc_fd, err);
	if (rc == 0)
		rc = lp_process_as_root(config->uids, config->uid_count, config->gids, config->gid_count, err);
	if (rc == 0)
		rc = build_root(inside, assembly, &start->slave, err);
	if (rc == 0)
		rc = prepare_hooks(inside, assembly->proc_fd, start, err);
	/* Last: a low limit on open files must not stop us. */
	if (rc == 0)
		rc = lp_process_limits(start, assembly->proc_fd, err);
	return rc;
}

void
lp_inside_main(struct lp_inside *inside)
{
	const struct lp_container_config *config = inside->config;
	struct lp_assembly assembly = { .root_fd = -1, .host_fd = -1, .proc_fd = -1, .null_fd = -1, .pts_fd = -1 };
	struct lp_process_start start = {
		.config = &config->process,
		.uids = config->uids, .uid_count = config->uid_count,
		.gids = config->gids, .gid_count = config->gid_count,
		.userns_fd = inside->join[LP_NS_USER],
		.own_mounts = true,
		.null_fd = -1,
		.slave = -1,
		.sock = inside->sock,
		.seccomp = inside->seccomp,
		.seccomp_bytes = inside->seccomp_bytes,
		.tell = inside->wait && config->start_fd >= 0,
	};
	struct lp_err err = { 0 };
	int rc = prepare(inside, &assembly, &start, &err);

	start.null_fd = assembly.null_fd;
	if (rc == 0)
		rc = lp_process_enter(&start, &err);
	if (rc == 0)
		rc = wait_for_go(inside, &start, &err);
	if (rc == 0)
		rc = lp_process_become(&start, &err);
	if (rc == 0)
		(void)lp_process_exec(&config->process, &err);	/* returns only to say why */
	(void)lp_handoff_send(inside->sock, LP_HANDOFF_FAILED, &err, -1, NULL);	/* the owner is gone: nobody to tell */
	_exit(127);
}

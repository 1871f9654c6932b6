/* keeper/sandbox.c - see sandbox.h. */
#include "keeper/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

#define DIRECTORY_BYTES "4m"		/* hosts, resolv.conf, termination messages; volumes are mounts of their own */
#define VOLUME_BYTES UINT64_C(67108864)

enum { SHARED_MAX = 16 };

/* What is taken from the host before its mounts and ours part. */
struct shared {
	int fds[SHARED_MAX];
	size_t count;
};

void
lp_sandbox_init(struct lp_sandbox *sandbox)
{
	memset(sandbox, 0, sizeof(*sandbox));
	lp_ns_set_init(&sandbox->ns);
	sandbox->run_fd = sandbox->inner_fd = sandbox->dir_fd = sandbox->logs_fd = -1;
	sandbox->cgroup_root_fd = sandbox->cgroup_fd = -1;
}

/* Copies of mounts that stay peers of the host's: what a container mounts there the host gets too. */
static int
take_shared(struct shared *shared, const struct lp_control_pod *pod, struct lp_err *err)
{
	for (size_t i = 0; i < pod->volume_count; i++) {
		int fd;

		if (!pod->volumes[i].shared_path)
			continue;
		if (shared->count == SHARED_MAX)
			return lp_err_say(err, -E2BIG, "more than %d volumes with Bidirectional mount propagation", SHARED_MAX);
		fd = open_tree(AT_FDCWD, pod->volumes[i].shared_path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (fd < 0)
			return lp_err_set(err, -errno, "volume %s: copy the mount at %s", pod->volumes[i].name, pod->volumes[i].shared_path);
		shared->fds[shared->count++] = fd;
	}
	return 0;
}

/*
 * A mount namespace of our own. Descriptors from before it belong to the host's; the working directory is the one thing
 * that moves along, so it carries the run directory over without a path.
 */
static int
enter_mount_namespace(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, struct shared *shared, struct lp_err *err)
{
	int rc;

	if (fchdir(sandbox->run_fd) < 0)
		return lp_err_set(err, -errno, "chdir to the run directory");
	if (unshare(CLONE_NEWNS) < 0)
		return lp_err_set(err, -errno, "unshare the mount namespace");
	rc = take_shared(shared, pod, err);
	if (rc < 0)
		return rc;
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return lp_err_set(err, -errno, "make mounts a slave of the host's");
	sandbox->inner_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sandbox->inner_fd < 0)
		return lp_err_set(err, -errno, "open the run directory");
	return 0;
}

/* A tmpfs at `name` below dir; *out_fd is its root. */
static int
mount_tmpfs(int dir_fd, const char *name, const char *options, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int at = -1;
	char path[64];
	int rc;

	rc = lp_path_mkdirs(dir_fd, name, 0755, &at, err);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return lp_err_set(err, -errno, "mount a tmpfs for %s", name);
	if (!out_fd)
		return 0;
	return lp_path_open(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, out_fd, err);
}

static int
attach_shared(int dir_fd, const char *name, int fd, struct lp_err *err)
{
	lp_auto_fd int at = -1;
	int rc = lp_path_mkdirs(dir_fd, name, 0755, &at, err);

	if (rc == 0 && move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		rc = lp_err_set(err, -errno, "mount %s", name);
	return rc;
}

static int
make_directory(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, const struct shared *shared, struct lp_err *err)
{
	char name[288], options[64];
	size_t taken = 0;
	int rc;

	rc = mount_tmpfs(sandbox->inner_fd, "mnt", "mode=0755,size=" DIRECTORY_BYTES, &sandbox->dir_fd, err);
	if (!rc)
		rc = lp_path_mkdirs(sandbox->dir_fd, "messages", 0755, NULL, err);
	for (size_t i = 0; !rc && i < pod->volume_count; i++) {
		const struct lp_control_volume *volume = &pod->volumes[i];

		(void)snprintf(name, sizeof(name), "volumes/%s", volume->name);
		if (volume->shared_path) {
			rc = attach_shared(sandbox->dir_fd, name, shared->fds[taken++], err);
			continue;
		}
		(void)snprintf(options, sizeof(options), "mode=%04o,size=%llu", volume->mode ? volume->mode & 07777u : 01777u,
		    (unsigned long long)(volume->size_bytes ? volume->size_bytes : VOLUME_BYTES));
		rc = mount_tmpfs(sandbox->dir_fd, name, options, NULL, err);
	}
	for (size_t i = 0; !rc && i < pod->file_count; i++)
		rc = lp_sandbox_write(sandbox, &pod->files[i], err);
	return rc;
}

int
lp_sandbox_write(struct lp_sandbox *sandbox, const struct lp_control_file *file, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	const char *slash = strrchr(file->path, '/');
	char parent[256];
	int rc = 0;

	if (slash && slash != file->path) {
		if ((size_t)(slash - file->path) >= sizeof(parent))
			return lp_err_set(err, -ENAMETOOLONG, "file %s", file->path);
		memcpy(parent, file->path, (size_t)(slash - file->path));
		parent[slash - file->path] = '\0';
		rc = lp_path_mkdirs(sandbox->dir_fd, parent, 0755, NULL, err);
	}
	/* In place, not by rename: containers have this very file mounted. */
	if (!rc)
		rc = lp_path_open(sandbox->dir_fd, file->path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644, &fd, err);
	if (rc < 0)
		return rc;
	if (ftruncate(fd, 0) < 0 || fchmod(fd, file->mode ? file->mode & 07777u : 0644u) < 0)
		return lp_err_set(err, -errno, "file %s", file->path);
	return file->len ? lp_path_write_all(fd, file->data, file->len, err) : 0;
}

static int
make_cgroup(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, struct lp_err *err)
{
	uint32_t left_out = 0, needs;
	int rc;

	if (sandbox->cgroup_root_fd < 0 || !pod->cgroup)
		return 0;
	needs = lp_cgroup_needs(&pod->limits);
	for (size_t i = 0; i < pod->container_count; i++)
		needs |= lp_cgroup_needs(&pod->containers[i].config.limits);
	rc = lp_cgroup_make_with(sandbox->cgroup_root_fd, pod->cgroup, needs, &sandbox->cgroup_fd, &sandbox->missing, err);
	if (!rc)
		rc = lp_cgroup_limit(sandbox->cgroup_fd, &pod->limits, &left_out, err);
	sandbox->missing |= left_out;
	return rc;
}

/* The first process of a shared pid namespace ends with the pod's cgroup, also when we are no longer there to see to it. */
static int
place_reaper(struct lp_sandbox *sandbox, struct lp_err *err)
{
	lp_auto_fd int leaf = -1;
	char text[16];
	int rc;

	if (sandbox->cgroup_fd < 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%d", (int)sandbox->ns.reaper);
	rc = lp_cgroup_fresh(sandbox->cgroup_fd, "reaper", &leaf, err);
	return rc < 0 ? rc : lp_path_put(leaf, "cgroup.procs", text, err);
}

static int
make_namespaces(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, struct lp_err *err)
{
	struct lp_ns_config config = {
		.uids = pod->uids,
		.gids = pod->gids,
		.uid_count = pod->uid_count,
		.gid_count = pod->gid_count,
		.sysctls = pod->sysctls,
		.sysctl_count = pod->sysctl_count,
	};
	int rc;

	if (!pod->host_users)
		config.make |= LP_NS_BIT(LP_NS_USER);
	else
		config.uids = config.gids = NULL, config.uid_count = config.gid_count = 0;
	if (!pod->host_network) {
		config.make |= LP_NS_BIT(LP_NS_NET) | LP_NS_BIT(LP_NS_UTS);
		config.hostname = pod->hostname;
		config.domainname = pod->domainname;
	}
	if (!pod->host_ipc)
		config.make |= LP_NS_BIT(LP_NS_IPC);
	if (pod->share_pids && !pod->host_pid)
		config.make |= LP_NS_BIT(LP_NS_PID);
	rc = config.make ? lp_ns_make(&config, &sandbox->ns, err) : 0;
	return rc < 0 || !sandbox->ns.reaper ? rc : place_reaper(sandbox, err);
}

int
lp_sandbox_make(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, struct lp_err *err)
{
	struct shared shared = { 0 };
	int rc;

	rc = enter_mount_namespace(sandbox, pod, &shared, err);
	if (!rc)
		rc = make_cgroup(sandbox, pod, err);
	if (!rc)
		rc = make_directory(sandbox, pod, &shared, err);
	if (!rc)
		rc = make_namespaces(sandbox, pod, err);
	for (size_t i = 0; i < shared.count; i++)
		lp_close(&shared.fds[i]);
	if (rc < 0)
		(void)lp_err_wrap(err, "make the pod");
	return rc;
}

int
lp_sandbox_kill(struct lp_sandbox *sandbox, struct lp_err *err)
{
	return sandbox->cgroup_fd < 0 ? 0 : lp_cgroup_kill(sandbox->cgroup_fd, err);
}

static int
remove_cgroup(struct lp_sandbox *sandbox, const char *path, struct lp_err *err)
{
	lp_auto_fd int parent = -1;
	const char *slash = strrchr(path, '/');
	char above[512];
	int rc;

	if (!slash)
		return lp_cgroup_remove(sandbox->cgroup_root_fd, path, err);
	if ((size_t)(slash - path) >= sizeof(above))
		return lp_err_set(err, -ENAMETOOLONG, "cgroup %s", path);
	memcpy(above, path, (size_t)(slash - path));
	above[slash - path] = '\0';
	rc = lp_cgroup_open(sandbox->cgroup_root_fd, above, &parent, err);
	return rc < 0 ? rc : lp_cgroup_remove(parent, slash + 1, err);
}

/* The directory `fd` itself, by the name it has above. */
static int
remove_directory(int fd, const char *name, struct lp_err *err)
{
	lp_auto_fd int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0)
		return lp_err_set(err, -errno, "open above %s", name);
	return lp_path_remove(parent, name, err);
}

/* Else unmounting ours would unmount what the host got from it. */
static void
part_from_host(const struct lp_control_pod *pod)
{
	char path[288];

	for (size_t i = 0; i < pod->volume_count; i++) {
		if (!pod->volumes[i].shared_path)
			continue;
		(void)snprintf(path, sizeof(path), "mnt/volumes/%s", pod->volumes[i].name);
		(void)mount(NULL, path, NULL, MS_PRIVATE | MS_REC, NULL);	/* not mounted: nothing to part */
	}
}

int
lp_sandbox_remove(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, bool keep_logs, struct lp_err *err)
{
	int rc = 0;

	if (sandbox->ns.reaper > 0) {
		(void)kill(sandbox->ns.reaper, SIGKILL);	/* our child until it is reaped here */
		if (waitpid(sandbox->ns.reaper, NULL, WNOHANG) == 0)
			return lp_err_say(err, -EBUSY, "the pod's first process is dying");
		sandbox->ns.reaper = 0;
	}
	if (sandbox->cgroup_fd >= 0) {
		rc = remove_cgroup(sandbox, pod->cgroup, err);
		if (rc < 0)
			return rc;
	}
	lp_ns_set_fini(&sandbox->ns);
	lp_close(&sandbox->dir_fd);
	if (sandbox->inner_fd >= 0 && fchdir(sandbox->inner_fd) == 0) {
		part_from_host(pod);
		(void)umount2("mnt", MNT_DETACH | UMOUNT_NOFOLLOW);	/* not mounted: nothing to do */
		(void)!chdir("/");
	}
	if (!keep_logs)
		rc = remove_directory(sandbox->logs_fd, pod->uid, err);
	if (!rc)
		rc = remove_directory(sandbox->run_fd, pod->uid, err);
	return rc;
}

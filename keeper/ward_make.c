/* keeper/ward_make.c - what a run begins with: pipes, mounts, a writable layer, the container itself. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "keeper/keeper.h"
#include "keeper/ward.h"

/* What lives only while a run is being made. */
struct making {
	struct lp_container_config config;
	struct lp_mount *mounts;
	int *fds;			/* sources of mounts that were opened here */
	size_t fd_count;
	int ends[3];			/* the container's ends of its pipes */
	char id[128], name[96], writable[PATH_MAX];
};

static void
making_fini(struct making *making)
{
	for (size_t i = 0; i < making->fd_count; i++)
		lp_close(&making->fds[i]);
	for (int i = 0; i < 3; i++)
		lp_close(&making->ends[i]);
	free(making->mounts);
	free(making->fds);
}

int
lp_ward_own_pipe(const struct lp_ward *ward, int fd, struct lp_err *err)
{
	const struct lp_control_pod *pod = &ward->keeper->pod;
	uint32_t uid = ward->spec->config.process.uid, gid = ward->spec->config.process.gid;
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "look at a pipe");
	if (!S_ISFIFO(st.st_mode))
		return 0;
	if (!pod->host_users) {
		rc = lp_ns_map(pod->uids, pod->uid_count, uid, &uid);
		if (!rc)
			rc = lp_ns_map(pod->gids, pod->gid_count, gid, &gid);
	}
	if (rc < 0)
		return lp_err_set(err, rc, "user %u:%u is not in the pod's user namespace", uid, gid);
	return fchown(fd, uid, gid) < 0 ? lp_err_set(err, -errno, "chown a pipe") : 0;
}

static int
make_pipe(struct lp_ward *ward, int index, int *out_ours, int *out_theirs, struct lp_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	*out_ours = index ? ends[0] : ends[1];
	*out_theirs = index ? ends[1] : ends[0];
	if (fcntl(*out_ours, F_SETFL, O_NONBLOCK | (index ? O_RDONLY : O_WRONLY)) < 0)
		return lp_err_set(err, -errno, "fcntl");
	return lp_ward_own_pipe(ward, *out_theirs, err);
}

static int
make_stdio(struct lp_ward *ward, struct making *making, struct lp_err *err)
{
	int rc = 0;

	if (ward->spec->config.process.terminal)
		return 0;
	if (ward->spec->keep_stdin)
		rc = make_pipe(ward, 0, &ward->stdin_fd, &making->ends[0], err);
	for (int i = 1; i < 3 && !rc; i++)
		rc = make_pipe(ward, i, &ward->pipes[i - 1].fd, &making->ends[i], err);
	for (int i = 0; i < 3; i++)
		making->config.process.stdio[i] = making->ends[i];
	return rc;
}

static int
make_message_file(struct lp_ward *ward, struct making *making, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char name[96];
	int rc;

	(void)snprintf(name, sizeof(name), "messages/%s", ward->spec->name);
	(void)unlinkat(ward->keeper->sandbox.dir_fd, name, 0);	/* of the run before; absent is fine */
	rc = lp_path_open(ward->keeper->sandbox.dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666, &fd, err);
	if (rc < 0)
		return rc;
	if (fchmod(fd, 0666) < 0)
		return lp_err_set(err, -errno, "termination message");
	making->mounts[making->config.mount_count++] = (struct lp_mount){
		.kind = LP_MOUNT_BIND,
		.target = ward->spec->message_path,
		.source = { .path = NULL, .fd = fd },
		.flags = LP_MOUNT_NOSUID | LP_MOUNT_NODEV | LP_MOUNT_NOEXEC | LP_MOUNT_NO_IDMAP,
	};
	making->fds[making->fd_count++] = lp_take_fd(&fd);
	return 0;
}

/* Sources that lie in the pod's directory become descriptors. */
static int
make_mounts(struct lp_ward *ward, struct making *making, struct lp_err *err)
{
	const struct lp_container_config *from = &ward->spec->config;
	int rc;

	making->mounts = lp_seam.alloc((from->mount_count + 1) * sizeof(*making->mounts));
	making->fds = lp_seam.alloc((from->mount_count + 1) * sizeof(*making->fds));
	if (!making->mounts || !making->fds)
		return lp_err_set(err, -ENOMEM, "mounts");
	making->config.mounts = making->mounts;
	making->config.mount_count = 0;
	for (size_t i = 0; i < from->mount_count; i++) {
		struct lp_mount *mount = &making->mounts[making->config.mount_count++];

		*mount = from->mounts[i];
		if (mount->kind != LP_MOUNT_BIND || !mount->source.path || mount->source.path[0] == '/')
			continue;
		rc = lp_path_open(ward->keeper->sandbox.dir_fd, mount->source.path, O_PATH, 0, &mount->source.fd, err);
		if (rc < 0)
			return lp_err_wrap(err, "mount %s", mount->target);
		making->fds[making->fd_count++] = mount->source.fd;
		mount->source.path = NULL;
	}
	return ward->spec->message_path ? make_message_file(ward, making, err) : 0;
}

static int
make_writable(struct lp_ward *ward, struct making *making, struct lp_err *err)
{
	const char *base = ward->spec->config.rootfs.writable.path;
	lp_auto_fd int dir = -1;
	int rc;

	if (!base)
		return 0;
	rc = lp_path_root(base, true, &dir, err);
	if (!rc)
		rc = lp_path_remove(dir, making->name, err);	/* left by a keeper that was lost */
	if (!rc)
		rc = lp_path_mkdirs(dir, making->name, 0700, NULL, err);
	if (rc < 0)
		return lp_err_wrap(err, "writable layer");
	(void)snprintf(making->writable, sizeof(making->writable), "%s/%s", base, making->name);
	making->config.rootfs.writable.path = making->writable;
	return 0;
}

static void
make_namespaces(const struct lp_keeper *keeper, struct lp_container_config *config)
{
	for (int i = 0; i < LP_NS_COUNT; i++)
		config->ns[i] = keeper->sandbox.ns.fds[i] >= 0 ?
		    (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = keeper->sandbox.ns.fds[i] } :
		    (struct lp_ns_choice){ .how = LP_NS_HOST, .fd = -1 };
	if (config->ns[LP_NS_PID].how != LP_NS_JOIN)
		config->ns[LP_NS_PID].how = keeper->pod.host_pid ? LP_NS_HOST : LP_NS_NEW;
	config->ns[LP_NS_MOUNT].how = LP_NS_NEW;
	config->ns[LP_NS_CGROUP].how = LP_NS_NEW;
	if (!keeper->pod.host_users) {
		config->uids = keeper->pod.uids;
		config->gids = keeper->pod.gids;
		config->uid_count = keeper->pod.uid_count;
		config->gid_count = keeper->pod.gid_count;
	}
}

static int
make_run(struct lp_ward *ward, struct making *making, struct lp_err *err)
{
	const struct lp_control_pod *pod = &ward->keeper->pod;
	int rc;

	making->config = ward->spec->config;
	if (ward->resized)
		making->config.limits = ward->limits;
	(void)snprintf(making->name, sizeof(making->name), "%.63s.%" PRIu64, ward->spec->name, ward->attempt);
	(void)snprintf(making->id, sizeof(making->id), "%.40s/%.80s", pod->uid, making->name);
	making->config.id = making->id;
	making->config.cgroup_parent_fd = ward->keeper->sandbox.cgroup_fd;
	making->config.cgroup_name = making->name;
	make_namespaces(ward->keeper, &making->config);
	/* No room for its log is no reason not to run: what it writes is counted as lost. */
	if (lp_logs_open(&ward->logs, ward->keeper->sandbox.logs_fd, ward->spec->name, ward->attempt, ward->spec->log_bytes, NULL) < 0)
		ward->logs = (struct lp_logs){ .fd = -1 };
	rc = make_stdio(ward, making, err);
	if (!rc)
		rc = make_mounts(ward, making, err);
	if (!rc)
		rc = make_writable(ward, making, err);
	if (!rc)
		rc = lp_container_run(&making->config, &ward->container, err);
	return rc;
}

int
lp_ward_make(struct lp_ward *ward, struct lp_err *err)
{
	struct making making = { .ends = { -1, -1, -1 } };
	int rc = make_run(ward, &making, err);

	making_fini(&making);
	return rc;
}

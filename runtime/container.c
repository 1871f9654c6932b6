#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "runtime/devices.h"
#include "runtime/record.h"
#include "runtime/rootfs.h"

enum { WAITID_PIDFD = 3 };

static const struct lp_state phases[] = {
	[LP_CONTAINER_NEW]     = { "new",     LP_TO(LP_CONTAINER_CREATED) | LP_TO(LP_CONTAINER_RUNNING) | LP_TO(LP_CONTAINER_ENDED) },
	[LP_CONTAINER_CREATED] = { "created", LP_TO(LP_CONTAINER_RUNNING) | LP_TO(LP_CONTAINER_ENDED) },
	[LP_CONTAINER_RUNNING] = { "running", LP_TO(LP_CONTAINER_ENDED) },
	[LP_CONTAINER_ENDED]   = { "ended",   LP_TO(LP_CONTAINER_REMOVED) },
	[LP_CONTAINER_REMOVED] = { "removed", 0 },
};

/* ---- the handle ---- */

static struct lp_container *
container_new(const char *id, struct lp_err *err)
{
	struct lp_container *container;

	if (!id || !id[0] || strlen(id) >= sizeof(container->id)) {
		(void)lp_err_say(err, -EINVAL, "a container id has 1 to %zu bytes", sizeof(container->id) - 1);
		return NULL;
	}
	container = lp_seam.alloc(sizeof(*container));
	if (!container) {
		(void)lp_err_set(err, -ENOMEM, "container %s", id);
		return NULL;
	}
	memcpy(container->id, id, strlen(id) + 1);
	lp_machine_init(&container->phase, phases, lp_count(phases), LP_CONTAINER_NEW, NULL, NULL);
	lp_launch_init(&container->launch);
	container->cgroup_parent = container->cgroup = container->writable.fd = -1;
	return container;
}

void
lp_container_free(struct lp_container *container)
{
	if (!container)
		return;
	lp_launch_fini(&container->launch);
	lp_close(&container->cgroup_parent);
	lp_close(&container->cgroup);
	lp_close(&container->writable.fd);
	free(container);
}

pid_t
lp_container_pid(const struct lp_container *container)
{
	return container->launch.pid;
}

int
lp_container_pidfd(const struct lp_container *container)
{
	return container->launch.pidfd;
}

int
lp_container_cgroup(const struct lp_container *container)
{
	return container->cgroup;
}

uint32_t
lp_container_missing(const struct lp_container *container)
{
	return container->missing;
}

const char *
lp_container_notes(const struct lp_container *container)
{
	return lp_buf_text(&container->launch.notes);
}

int
lp_container_take_terminal(struct lp_container *container)
{
	return lp_take_fd(&container->launch.terminal);
}

int
lp_container_take_listener(struct lp_container *container)
{
	return lp_take_fd(&container->launch.listener);
}

/* ---- making ---- */

static int
keep_cgroup(struct lp_container *container, int parent_fd, const char *name, struct lp_err *err)
{
	if (!name || !name[0] || strlen(name) >= sizeof(container->cgroup_name))
		return lp_err_say(err, -EINVAL, "a cgroup name has 1 to %zu bytes", sizeof(container->cgroup_name) - 1);
	memcpy(container->cgroup_name, name, strlen(name) + 1);
	container->cgroup_parent = fcntl(parent_fd, F_DUPFD_CLOEXEC, 3);
	if (container->cgroup_parent < 0)
		return lp_err_set(err, -errno, "duplicate the cgroup's parent");
	return 0;
}

static int
filter_devices(struct lp_container *container, const struct lp_container_config *config, struct lp_err *err)
{
	struct lp_err words = { 0 };
	const struct lp_cgroup_limits *limits = &config->limits;
	int rc = limits->device_rule_count ?
	    lp_devices_filter_rules(container->cgroup, limits->device_rules, limits->device_rule_count, config->devices,
		config->device_count, &words) :
	    lp_devices_filter(container->cgroup, config->devices, config->device_count, &words);

	/* An owner in a user namespace of its own may load none. */
	if ((rc == -EOPNOTSUPP || rc == -EPERM) && !config->strict) {
		(void)lp_buf_str(&container->launch.notes, words.text);	/* words; cut when full */
		return 0;
	}
	if (rc < 0 && err)
		*err = words;
	return rc;
}

/* Source: OCI runtime-spec config-linux.md "Cgroup ownership": the user of the process, the group stays. */
static int
delegate(struct lp_container *container, const struct lp_container_config *config, struct lp_err *err)
{
	uint32_t uid;

	if (lp_ns_map(config->uids, config->uid_count, config->process.uid, &uid) < 0)
		return lp_err_say(err, -ERANGE, "user %u is not mapped", config->process.uid);
	return lp_cgroup_delegate(container->cgroup, uid, (gid_t)-1, err);
}

static int
make_cgroup(struct lp_container *container, const struct lp_container_config *config, struct lp_err *err)
{
	int rc;

	if (config->cgroup_parent_fd < 0)
		return 0;
	rc = keep_cgroup(container, config->cgroup_parent_fd, config->cgroup_name, err);
	if (rc == 0)
		rc = lp_cgroup_fresh(container->cgroup_parent, container->cgroup_name, &container->cgroup, err);
	if (rc == 0)
		rc = lp_cgroup_limit(container->cgroup, &config->limits, &container->missing, err);
	if (rc < 0)
		return rc;
	if (container->missing && config->strict)
		return lp_err_say(err, -EOPNOTSUPP, "limits cannot be set: this node has no %s controller",
		    lp_cgroup_controller_name((enum lp_cgroup_controller)__builtin_ctz(container->missing)));
	return config->cgroup_delegate ? delegate(container, config, err) : 0;
}

/*
 * Loading the device filter takes as long as all mounts: where the child stops before it runs anything of others, it is done while the child
 * makes them.
 */
static int
launch(struct lp_container *container, const struct lp_container_config *config, bool wait, struct lp_err *err)
{
	const struct lp_hooks *hooks = config->hooks;
	const bool meanwhile = wait && !(hooks && hooks->create.count);
	int rc = meanwhile || container->cgroup < 0 ? 0 : filter_devices(container, config, err);

	if (rc == 0)
		rc = lp_launch_container(config, container->cgroup, wait, &container->launch, err);
	if (rc < 0)
		return rc;
	if (meanwhile && container->cgroup >= 0)
		rc = filter_devices(container, config, err);
	if (rc == 0 && hooks && hooks->cloned)
		rc = hooks->cloned(hooks->arg, container->launch.pid, err);
	if (rc < 0)
		lp_launch_kill(&container->launch);
	return rc < 0 ? rc : lp_launch_listen(&container->launch, wait, err);
}

static void
note_missing(struct lp_container *container)
{
	struct lp_buf *notes = &container->launch.notes;

	for (int i = 0; i < LP_CGROUP_CONTROLLERS; i++)
		if (container->missing & LP_CGROUP_BIT(i))
			(void)lp_buf_printf(notes, "%s%s limit not set: no controller", notes->len ? "; " : "",
			    lp_cgroup_controller_name((enum lp_cgroup_controller)i));	/* words; cut when full */
}

static int
keep_writable(struct lp_container *container, const struct lp_place *writable, struct lp_err *err)
{
	container->writable.fd = -1;
	if (writable->path) {
		if (strlen(writable->path) >= sizeof(container->writable_path))
			return lp_err_set(err, -ENAMETOOLONG, "writable layer %s", writable->path);
		memcpy(container->writable_path, writable->path, strlen(writable->path) + 1);
		container->writable.path = container->writable_path;
	} else if (writable->fd >= 0) {
		container->writable.fd = fcntl(writable->fd, F_DUPFD_CLOEXEC, 3);
		if (container->writable.fd < 0)
			return lp_err_set(err, -errno, "duplicate the writable layer");
	}
	return 0;
}

static int
make(const struct lp_container_config *config, bool wait, struct lp_container **out, struct lp_err *err)
{
	struct lp_container *container = container_new(config->id, err);
	int rc;

	if (!container)
		return err ? err->code : -ENOMEM;
	if (!config->process.args || !config->process.args[0])
		rc = lp_err_say(err, -EINVAL, "no command to run");
	else
		rc = keep_writable(container, &config->rootfs.writable, err);
	if (rc == 0)
		rc = make_cgroup(container, config, err);
	if (rc == 0)
		rc = launch(container, config, wait, err);
	if (rc < 0) {
		lp_machine_move(&container->phase, LP_CONTAINER_ENDED);
		(void)lp_container_remove(container, NULL);	/* best effort: the failure to report is the first one */
		lp_container_free(container);
		return rc;
	}
	note_missing(container);
	container->launch.hooks = NULL;		/* the config was the caller's */
	container->by_socket = wait && config->start_fd >= 0;
	lp_machine_move(&container->phase, wait ? LP_CONTAINER_CREATED : LP_CONTAINER_RUNNING);
	*out = container;
	return 0;
}

int
lp_container_create(const struct lp_container_config *config, struct lp_container **out, struct lp_err *err)
{
	return make(config, true, out, err);
}

int
lp_container_run(const struct lp_container_config *config, struct lp_container **out, struct lp_err *err)
{
	return make(config, false, out, err);
}

int
lp_container_start(struct lp_container *container, struct lp_err *err)
{
	int rc;

	if (container->phase.state != LP_CONTAINER_CREATED)
		return lp_err_say(err, -EINVAL, "container %s is %s, not created", container->id, lp_machine_name(&container->phase));
	if (container->launch.sock < 0 || container->by_socket)
		return lp_err_say(err, -EINVAL, "container %s waits at its start socket", container->id);
	rc = lp_launch_go(&container->launch, err);
	if (rc < 0)
		container->exit.code = 128;
	lp_machine_move(&container->phase, rc < 0 ? LP_CONTAINER_ENDED : LP_CONTAINER_RUNNING);
	return rc;
}

int
lp_container_exec_failed(const struct lp_err *err)
{
	if (strncmp(err->text, "exec: ", 6) != 0)
		return 0;
	return err->code == -ENOENT ? 127 : 126;
}

/* ---- its end ---- */

static void
read_exit(const siginfo_t *info, struct lp_container_exit *out)
{
	out->signal = info->si_code == CLD_EXITED ? 0 : info->si_status;
	out->code = info->si_code == CLD_EXITED ? info->si_status & 0xff : 128 + info->si_status;
}

static int
wait_pidfd(int pidfd, struct lp_container_exit *out, struct lp_err *err)
{
	siginfo_t info = { 0 };

	while (waitid((idtype_t)WAITID_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) {
		if (errno != EINTR)
			return lp_err_set(err, -errno, "wait for a process");
	}
	if (info.si_pid == 0)
		return -EAGAIN;
	read_exit(&info, out);
	return 0;
}

int
lp_container_wait(struct lp_container *container, struct lp_container_exit *out, struct lp_err *err)
{
	uint64_t kills = 0;
	int rc;

	if (container->phase.state < LP_CONTAINER_ENDED) {
		rc = wait_pidfd(container->launch.pidfd, &container->exit, err);
		if (rc == -EAGAIN)
			return lp_err_say(err, rc, "container %s still runs", container->id);
		if (rc < 0)
			return rc;
		if (container->cgroup >= 0 && lp_cgroup_oom_kills(container->cgroup, &kills, NULL) == 0)
			container->exit.oom_killed = kills > 0;
		lp_machine_move(&container->phase, LP_CONTAINER_ENDED);
	}
	*out = container->exit;
	return 0;
}

int
lp_container_signal(struct lp_container *container, int signal, struct lp_err *err)
{
	if (container->phase.state >= LP_CONTAINER_ENDED)
		return 0;
	if (syscall(SYS_pidfd_send_signal, container->launch.pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
		return lp_err_set(err, -errno, "signal %d to container %s", signal, container->id);
	return 0;
}

int
lp_container_kill(struct lp_container *container, struct lp_err *err)
{
	if (container->cgroup >= 0)
		return lp_cgroup_kill(container->cgroup, err);
	return lp_container_signal(container, SIGKILL, err);
}

int
lp_container_freeze(struct lp_container *container, bool frozen, struct lp_err *err)
{
	if (container->cgroup < 0)
		return lp_err_say(err, -EOPNOTSUPP, "container %s has no cgroup to freeze", container->id);
	return lp_cgroup_freeze(container->cgroup, frozen, err);
}

int
lp_container_stats(struct lp_container *container, struct lp_cgroup_stats *out, struct lp_err *err)
{
	if (container->cgroup < 0)
		return lp_err_say(err, -EOPNOTSUPP, "container %s has no cgroup to measure", container->id);
	return lp_cgroup_stats(container->cgroup, out, err);
}

int
lp_container_update(struct lp_container *container, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err)
{
	int rc;

	if (container->cgroup < 0)
		return lp_err_say(err, -EOPNOTSUPP, "container %s has no cgroup to limit", container->id);
	rc = lp_cgroup_update(container->cgroup, limits, out_missing, err);
	if (rc == 0 && limits->device_rule_count)
		rc = lp_devices_replace(container->cgroup, limits->device_rules, limits->device_rule_count, err);
	return rc;
}

int
lp_container_remove(struct lp_container *container, struct lp_err *err)
{
	struct lp_container_exit ignored;
	int rc = 0;

	if (container->phase.state == LP_CONTAINER_REMOVED)
		return 0;
	if (container->phase.state != LP_CONTAINER_ENDED && lp_container_wait(container, &ignored, err) < 0)
		return lp_err_say(err, -EBUSY, "container %s still runs", container->id);
	if (container->cgroup_parent >= 0)
		rc = lp_cgroup_remove(container->cgroup_parent, container->cgroup_name, err);
	if (rc == 0)
		rc = lp_rootfs_clear(&container->writable, err);
	if (rc == 0)
		lp_machine_move(&container->phase, LP_CONTAINER_REMOVED);
	return rc;
}

/* ---- found again ---- */

int
lp_container_record(const struct lp_container *container, struct lp_container_record *out, struct lp_err *err)
{
	struct lp_container_record record = { .pid = container->launch.pid };
	int rc = lp_clock_boot_id(record.boot_id, err);

	if (rc == 0)
		rc = lp_record_start_ticks(record.pid, &record.start_ticks, err);
	if (rc == 0 && container->cgroup >= 0)
		rc = lp_cgroup_id(container->cgroup, &record.cgroup_id, err);
	if (rc < 0)
		return rc;
	memcpy(record.id, container->id, sizeof(record.id));
	memcpy(record.cgroup_name, container->cgroup_name, sizeof(record.cgroup_name));
	memcpy(record.writable, container->writable_path, sizeof(record.writable));
	*out = record;
	return 0;
}

static bool
is_text(const char *field, size_t size)
{
	return memchr(field, '\0', size) != NULL;
}

/* The cgroup by name, and only if it is the same directory as then. */
static int
adopt_cgroup(struct lp_container *container, const struct lp_container_record *record, int parent_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	uint64_t id = 0;
	int rc;

	if (parent_fd < 0 || !record->cgroup_id)
		return 0;
	rc = keep_cgroup(container, parent_fd, record->cgroup_name, err);
	if (rc == 0)
		rc = lp_cgroup_open(parent_fd, record->cgroup_name, &fd, err);
	if (rc == 0)
		rc = lp_cgroup_id(fd, &id, err);
	if (rc == 0 && id != record->cgroup_id)
		rc = lp_err_say(err, -ESRCH, "cgroup %s is not that of container %s any more", record->cgroup_name, record->id);
	if (rc < 0)
		lp_close(&container->cgroup_parent);	/* so that remove leaves another's cgroup alone */
	else
		container->cgroup = lp_take_fd(&fd);
	return rc;
}

int
lp_container_adopt(const struct lp_container_record *record, int cgroup_parent_fd, struct lp_container **out, struct lp_err *err)
{
	struct lp_container *container;
	const struct lp_place writable = { .path = record->writable[0] ? record->writable : NULL, .fd = -1 };
	int found, rc;

	if (!is_text(record->id, sizeof(record->id)) || !is_text(record->boot_id, sizeof(record->boot_id)) ||
	    !is_text(record->cgroup_name, sizeof(record->cgroup_name)) || !is_text(record->writable, sizeof(record->writable)))
		return lp_err_say(err, -EINVAL, "a container record with unfinished text");
	container = container_new(record->id, err);
	if (!container)
		return err ? err->code : -ENOMEM;
	rc = keep_writable(container, &writable, err);
	if (rc == 0)
		rc = adopt_cgroup(container, record, cgroup_parent_fd, err);
	if (rc == -ENOENT)
		rc = lp_err_say(err, -ESRCH, "the cgroup of container %s is gone", record->id);
	if (rc < 0) {
		lp_container_free(container);
		return rc;
	}
	found = lp_record_find(record, &container->launch.pidfd, err);
	if (found < 0 && (found != -ESRCH || container->cgroup < 0)) {
		lp_container_free(container);
		return found;
	}
	container->launch.pid = found < 0 ? 0 : record->pid;
	container->exit.code = found < 0 ? 255 : 0;
	lp_machine_move(&container->phase, found < 0 ? LP_CONTAINER_ENDED : LP_CONTAINER_RUNNING);
	*out = container;
	return found;
}

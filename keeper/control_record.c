/* keeper/control_record.c - the tables of control.h: which member travels under which tag. */
#include <errno.h>
#include <string.h>

#include "keeper/control.h"
#include "keeper/flat.h"

#define MAGIC UINT32_C(0x4c504b31)	/* "LPK1" */

enum table {
	T_POD,
	T_CONTAINER,
	T_CONFIG,
	T_PROCESS,
	T_ROOTFS,
	T_PLACE,
	T_MOUNT,
	T_DEVICE,
	T_CAPS,
	T_RLIMIT,
	T_IDMAP,
	T_SYSCTL,
	T_LIMITS,
	T_IO,
	T_HUGE,
	T_CGROUP_FILE,
	T_FILE,
	T_VOLUME,
	T_STATE,
	T_STATUS,
	T_END,
	T_MESSAGE,
	T_LAST,
	T_ACTION,
	T_HEADER,
	T_PROBE,
	T_NEWS,
};

/* Tags are the format: a tag is never used again for something else. */
#define S struct lp_control_pod
static const struct lp_flat_field pod_fields[] = {
	LP_FLAT_STRING(1, S, uid),
	LP_FLAT_STRING(2, S, namespace),
	LP_FLAT_STRING(3, S, name),
	LP_FLAT_BOOLEAN(4, S, host_network),
	LP_FLAT_BOOLEAN(5, S, host_pid),
	LP_FLAT_BOOLEAN(6, S, host_ipc),
	LP_FLAT_BOOLEAN(7, S, host_users),
	LP_FLAT_MANY(8, S, uids, uid_count, T_IDMAP),
	LP_FLAT_MANY(9, S, gids, gid_count, T_IDMAP),
	LP_FLAT_STRING(10, S, hostname),
	LP_FLAT_STRING(11, S, domainname),
	LP_FLAT_MANY(12, S, sysctls, sysctl_count, T_SYSCTL),
	LP_FLAT_INTEGER(13, S, policy),
	LP_FLAT_INTEGER(14, S, grace_ms),
	LP_FLAT_INTEGER(15, S, backoff_ms),
	LP_FLAT_INTEGER(16, S, backoff_max_ms),
	LP_FLAT_STRING(17, S, cgroup),
	LP_FLAT_NESTED(18, S, limits, T_LIMITS),
	LP_FLAT_MANY(19, S, files, file_count, T_FILE),
	LP_FLAT_MANY(20, S, volumes, volume_count, T_VOLUME),
	LP_FLAT_MANY(21, S, containers, container_count, T_CONTAINER),
	LP_FLAT_STRING(22, S, note),
	LP_FLAT_BOOLEAN(23, S, share_pids),
	LP_FLAT_INTEGER(24, S, deadline_ms),
	LP_FLAT_END
};
#undef S

#define S struct lp_control_container
static const struct lp_flat_field container_fields[] = {
	LP_FLAT_STRING(1, S, name),
	LP_FLAT_INTEGER(2, S, role),
	LP_FLAT_INTEGER(3, S, attempt),
	LP_FLAT_NESTED(4, S, config, T_CONFIG),
	LP_FLAT_BOOLEAN(5, S, keep_stdin),
	LP_FLAT_BOOLEAN(6, S, stdin_once),
	LP_FLAT_INTEGER(7, S, stop_signal),
	LP_FLAT_INTEGER(8, S, log_bytes),
	LP_FLAT_STRING(9, S, message_path),
	LP_FLAT_BOOLEAN(10, S, message_from_log),
	LP_FLAT_MANY(11, S, probes, probe_count, T_PROBE),
	LP_FLAT_NESTED(12, S, post_start, T_ACTION),
	LP_FLAT_NESTED(13, S, pre_stop, T_ACTION),
	LP_FLAT_END
};
#undef S

#define S struct lp_control_action
static const struct lp_flat_field action_fields[] = {
	LP_FLAT_INTEGER(1, S, deed),
	LP_FLAT_WORDLIST(2, S, args),
	LP_FLAT_STRING(3, S, host),
	LP_FLAT_INTEGER(4, S, port),
	LP_FLAT_BOOLEAN(5, S, tls),
	LP_FLAT_STRING(6, S, path),
	LP_FLAT_MANY(7, S, headers, header_count, T_HEADER),
	LP_FLAT_STRING(8, S, service),
	LP_FLAT_INTEGER(9, S, sleep_ms),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field header_fields[] = {
	LP_FLAT_STRING(1, struct lp_control_header, name),
	LP_FLAT_STRING(2, struct lp_control_header, value),
	LP_FLAT_END
};

#define S struct lp_control_probe
static const struct lp_flat_field probe_fields[] = {
	LP_FLAT_INTEGER(1, S, kind),
	LP_FLAT_NESTED(2, S, action, T_ACTION),
	LP_FLAT_INTEGER(3, S, initial_delay_ms),
	LP_FLAT_INTEGER(4, S, period_ms),
	LP_FLAT_INTEGER(5, S, timeout_ms),
	LP_FLAT_INTEGER(6, S, success_threshold),
	LP_FLAT_INTEGER(7, S, failure_threshold),
	LP_FLAT_BOOLEAN(8, S, grace_set),
	LP_FLAT_INTEGER(9, S, grace_ms),
	LP_FLAT_END
};
#undef S

#define S struct lp_container_config
static const struct lp_flat_field config_fields[] = {
	LP_FLAT_NESTED(1, S, process, T_PROCESS),
	LP_FLAT_NESTED(2, S, rootfs, T_ROOTFS),
	LP_FLAT_MANY(3, S, mounts, mount_count, T_MOUNT),
	LP_FLAT_WORDLIST(4, S, masked_paths),
	LP_FLAT_WORDLIST(5, S, readonly_paths),
	LP_FLAT_MANY(6, S, devices, device_count, T_DEVICE),
	LP_FLAT_NESTED(7, S, limits, T_LIMITS),
	LP_FLAT_BOOLEAN(8, S, strict),
	LP_FLAT_END
};
#undef S

#define S struct lp_process_config
static const struct lp_flat_field process_fields[] = {
	LP_FLAT_WORDLIST(1, S, args),
	LP_FLAT_WORDLIST(2, S, env),
	LP_FLAT_STRING(3, S, cwd),
	LP_FLAT_INTEGER(4, S, uid),
	LP_FLAT_INTEGER(5, S, gid),
	LP_FLAT_INTEGERS(6, S, groups, group_count),
	LP_FLAT_INTEGER(7, S, umask),
	LP_FLAT_BOOLEAN(8, S, terminal),
	LP_FLAT_INTEGER(9, S, rows),
	LP_FLAT_INTEGER(10, S, cols),
	LP_FLAT_NESTED(11, S, caps, T_CAPS),
	LP_FLAT_BOOLEAN(12, S, no_new_privs),
	LP_FLAT_INTEGER(13, S, seccomp),
	LP_FLAT_BLOB(14, S, seccomp_program, seccomp_bytes),
	LP_FLAT_MANY(15, S, rlimits, rlimit_count, T_RLIMIT),
	LP_FLAT_BOOLEAN(16, S, oom_score_set),
	LP_FLAT_INTEGER(17, S, oom_score_adj),
	LP_FLAT_INTEGER(18, S, seccomp_flags),
	LP_FLAT_STRING(19, S, apparmor),
	LP_FLAT_STRING(20, S, selinux),
	LP_FLAT_END
};
#undef S

#define S struct lp_rootfs
static const struct lp_flat_field rootfs_fields[] = {
	LP_FLAT_NESTED(1, S, ready, T_PLACE),
	LP_FLAT_MANY(2, S, layers, layer_count, T_PLACE),
	LP_FLAT_NESTED(3, S, writable, T_PLACE),
	LP_FLAT_INTEGER(4, S, tmpfs_bytes),
	LP_FLAT_BOOLEAN(5, S, keep_upper),
	LP_FLAT_BOOLEAN(6, S, durable),
	LP_FLAT_BOOLEAN(7, S, readonly),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field place_fields[] = {
	LP_FLAT_STRING(1, struct lp_place, path),
	LP_FLAT_END
};

#define S struct lp_mount
static const struct lp_flat_field mount_fields[] = {
	LP_FLAT_INTEGER(1, S, kind),
	LP_FLAT_STRING(2, S, target),
	LP_FLAT_NESTED(3, S, source, T_PLACE),
	LP_FLAT_INTEGER(4, S, flags),
	LP_FLAT_INTEGER(5, S, propagation),
	LP_FLAT_INTEGER(6, S, size_bytes),
	LP_FLAT_INTEGER(7, S, mode),
	LP_FLAT_STRING(8, S, sub),
	LP_FLAT_END
};
#undef S

#define S struct lp_device
static const struct lp_flat_field device_fields[] = {
	LP_FLAT_STRING(1, S, path),
	LP_FLAT_INTEGER(2, S, type),
	LP_FLAT_INTEGER(3, S, major),
	LP_FLAT_INTEGER(4, S, minor),
	LP_FLAT_BOOLEAN(5, S, read),
	LP_FLAT_BOOLEAN(6, S, write),
	LP_FLAT_BOOLEAN(7, S, mknod),
	LP_FLAT_INTEGER(8, S, mode),
	LP_FLAT_INTEGER(9, S, uid),
	LP_FLAT_INTEGER(10, S, gid),
	LP_FLAT_END
};
#undef S

#define S struct lp_caps
static const struct lp_flat_field caps_fields[] = {
	LP_FLAT_INTEGER(1, S, bounding),
	LP_FLAT_INTEGER(2, S, effective),
	LP_FLAT_INTEGER(3, S, permitted),
	LP_FLAT_INTEGER(4, S, inheritable),
	LP_FLAT_INTEGER(5, S, ambient),
	LP_FLAT_END
};
#undef S

#define S struct lp_rlimit
static const struct lp_flat_field rlimit_fields[] = {
	LP_FLAT_INTEGER(1, S, resource),
	LP_FLAT_INTEGER(2, S, soft),
	LP_FLAT_INTEGER(3, S, hard),
	LP_FLAT_END
};
#undef S

#define S struct lp_idmap
static const struct lp_flat_field idmap_fields[] = {
	LP_FLAT_INTEGER(1, S, inside),
	LP_FLAT_INTEGER(2, S, outside),
	LP_FLAT_INTEGER(3, S, count),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field sysctl_fields[] = {
	LP_FLAT_STRING(1, struct lp_sysctl, name),
	LP_FLAT_STRING(2, struct lp_sysctl, value),
	LP_FLAT_END
};

#define S struct lp_cgroup_limits
static const struct lp_flat_field limits_fields[] = {
	LP_FLAT_INTEGER(1, S, memory_max_bytes),
	LP_FLAT_INTEGER(2, S, memory_low_bytes),
	LP_FLAT_INTEGER(3, S, swap_max_bytes),
	LP_FLAT_BOOLEAN(4, S, memory_oom_group),
	LP_FLAT_INTEGER(5, S, cpu_request_milli),
	LP_FLAT_INTEGER(6, S, cpu_max_milli),
	LP_FLAT_INTEGER(7, S, pids_max),
	LP_FLAT_STRING(8, S, cpuset_cpus),
	LP_FLAT_STRING(9, S, cpuset_mems),
	LP_FLAT_MANY(10, S, io, io_count, T_IO),
	LP_FLAT_INTEGER(11, S, memory_high_bytes),
	LP_FLAT_INTEGER(12, S, memory_min_bytes),
	LP_FLAT_BOOLEAN(13, S, memory_check_first),
	LP_FLAT_INTEGER(14, S, cpu_weight),
	LP_FLAT_INTEGER(15, S, cpu_quota_usec),
	LP_FLAT_INTEGER(16, S, cpu_period_usec),
	LP_FLAT_INTEGER(17, S, cpu_burst_usec),
	LP_FLAT_INTEGER(18, S, cpu_idle),
	LP_FLAT_STRING(19, S, cpuset_partition),
	LP_FLAT_INTEGER(20, S, io_weight),
	LP_FLAT_MANY(21, S, huge, huge_count, T_HUGE),
	LP_FLAT_MANY(22, S, unified, unified_count, T_CGROUP_FILE),
	LP_FLAT_END
};
#undef S

#define S struct lp_cgroup_io
static const struct lp_flat_field io_fields[] = {
	LP_FLAT_INTEGER(1, S, major),
	LP_FLAT_INTEGER(2, S, minor),
	LP_FLAT_INTEGER(3, S, read_bps),
	LP_FLAT_INTEGER(4, S, write_bps),
	LP_FLAT_INTEGER(5, S, read_iops),
	LP_FLAT_INTEGER(6, S, write_iops),
	LP_FLAT_INTEGER(7, S, weight),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field huge_fields[] = {
	LP_FLAT_STRING(1, struct lp_cgroup_huge, page),
	LP_FLAT_INTEGER(2, struct lp_cgroup_huge, bytes),
	LP_FLAT_END
};

static const struct lp_flat_field cgroup_file_fields[] = {
	LP_FLAT_STRING(1, struct lp_cgroup_file, file),
	LP_FLAT_STRING(2, struct lp_cgroup_file, value),
	LP_FLAT_END
};

static const struct lp_flat_field file_fields[] = {
	LP_FLAT_STRING(1, struct lp_control_file, path),
	LP_FLAT_BLOB(2, struct lp_control_file, data, len),
	LP_FLAT_INTEGER(3, struct lp_control_file, mode),
	LP_FLAT_END
};

static const struct lp_flat_field volume_fields[] = {
	LP_FLAT_STRING(1, struct lp_control_volume, name),
	LP_FLAT_INTEGER(2, struct lp_control_volume, size_bytes),
	LP_FLAT_INTEGER(3, struct lp_control_volume, mode),
	LP_FLAT_STRING(4, struct lp_control_volume, shared_path),
	LP_FLAT_END
};

#define S struct lp_control_state
static const struct lp_flat_field state_fields[] = {
	LP_FLAT_STRING(1, S, uid),
	LP_FLAT_STRING(2, S, namespace),
	LP_FLAT_STRING(3, S, name),
	LP_FLAT_INTEGER(4, S, phase),
	LP_FLAT_INTEGER(5, S, started_ms),
	LP_FLAT_INTEGER(6, S, pid),
	LP_FLAT_STRING(7, S, version),
	LP_FLAT_STRING(8, S, note),
	LP_FLAT_INTEGER(9, S, missing),
	LP_FLAT_STRING(10, S, boot_id),
	LP_FLAT_INTEGER(11, S, uid_base),
	LP_FLAT_INTEGER(12, S, error),
	LP_FLAT_STRING(13, S, error_text),
	LP_FLAT_STRING(14, S, reason),
	LP_FLAT_STRING(15, S, message),
	LP_FLAT_INTEGER(16, S, reaper),
	LP_FLAT_INTEGER(17, S, reaper_ticks),
	LP_FLAT_END
};
#undef S

#define S struct lp_control_status
static const struct lp_flat_field status_fields[] = {
	LP_FLAT_STRING(1, S, name),
	LP_FLAT_INTEGER(2, S, role),
	LP_FLAT_INTEGER(3, S, run),
	LP_FLAT_INTEGER(4, S, attempt),
	LP_FLAT_INTEGER(5, S, starts),
	LP_FLAT_INTEGER(6, S, pid),
	LP_FLAT_INTEGER(7, S, started_ms),
	LP_FLAT_STRING(8, S, reason),
	LP_FLAT_STRING(9, S, message),
	LP_FLAT_NESTED(10, S, end, T_END),
	LP_FLAT_NESTED(11, S, last, T_END),
	LP_FLAT_INTEGER(12, S, missing),
	LP_FLAT_STRING(13, S, notes),
	LP_FLAT_INTEGER(14, S, log_lost),
	LP_FLAT_INTEGER(15, S, ready),
	LP_FLAT_INTEGER(16, S, started),
	LP_FLAT_MANY(17, S, news, news_count, T_NEWS),
	LP_FLAT_BOOLEAN(18, S, resized),
	LP_FLAT_NESTED(19, S, limits, T_LIMITS),
	LP_FLAT_INTEGER(20, S, turned_ms),
	LP_FLAT_INTEGER(21, S, start_ticks),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field news_fields[] = {
	LP_FLAT_INTEGER(1, struct lp_control_news, kind),
	LP_FLAT_INTEGER(2, struct lp_control_news, count),
	LP_FLAT_STRING(3, struct lp_control_news, text),
	LP_FLAT_END
};

#define S struct lp_control_end
static const struct lp_flat_field end_fields[] = {
	LP_FLAT_BOOLEAN(1, S, set),
	LP_FLAT_INTEGER(2, S, attempt),
	LP_FLAT_INTEGER(3, S, code),
	LP_FLAT_INTEGER(4, S, signal),
	LP_FLAT_STRING(5, S, reason),
	LP_FLAT_STRING(6, S, message),
	LP_FLAT_INTEGER(7, S, started_ms),
	LP_FLAT_INTEGER(8, S, ended_ms),
	LP_FLAT_END
};
#undef S

#define S struct lp_control_message
static const struct lp_flat_field message_fields[] = {
	LP_FLAT_INTEGER(1, S, kind),
	LP_FLAT_INTEGER(2, S, id),
	LP_FLAT_STRING(3, S, container),
	LP_FLAT_INTEGER(4, S, grace_ms),
	LP_FLAT_BOOLEAN(5, S, keep_logs),
	LP_FLAT_MANY(6, S, files, file_count, T_FILE),
	LP_FLAT_STRING(7, S, note),
	LP_FLAT_WORDLIST(8, S, args),
	LP_FLAT_BOOLEAN(9, S, terminal),
	LP_FLAT_INTEGER(10, S, rows),
	LP_FLAT_INTEGER(11, S, cols),
	LP_FLAT_INTEGER(12, S, stdio_mask),
	LP_FLAT_NESTED(13, S, state, T_STATE),
	LP_FLAT_NESTED(14, S, status, T_STATUS),
	LP_FLAT_INTEGER(15, S, code),
	LP_FLAT_INTEGER(16, S, signal),
	LP_FLAT_INTEGER(17, S, error),
	LP_FLAT_STRING(18, S, error_text),
	LP_FLAT_NESTED(19, S, limits, T_LIMITS),
	LP_FLAT_INTEGER(20, S, deadline_ms),
	LP_FLAT_END
};
#undef S

/* The state file. */
struct last {
	struct lp_control_state state;
	const struct lp_control_status *statuses;
	size_t status_count;
	const char *cgroup;
};

static const struct lp_flat_field last_fields[] = {
	LP_FLAT_NESTED(1, struct last, state, T_STATE),
	LP_FLAT_MANY(2, struct last, statuses, status_count, T_STATUS),
	LP_FLAT_STRING(3, struct last, cgroup),
	LP_FLAT_END
};

static const struct lp_flat_field *
tables(unsigned table)
{
	switch ((enum table)table) {
	case T_POD:
		return pod_fields;
	case T_CONTAINER:
		return container_fields;
	case T_CONFIG:
		return config_fields;
	case T_PROCESS:
		return process_fields;
	case T_ROOTFS:
		return rootfs_fields;
	case T_PLACE:
		return place_fields;
	case T_MOUNT:
		return mount_fields;
	case T_DEVICE:
		return device_fields;
	case T_CAPS:
		return caps_fields;
	case T_RLIMIT:
		return rlimit_fields;
	case T_IDMAP:
		return idmap_fields;
	case T_SYSCTL:
		return sysctl_fields;
	case T_LIMITS:
		return limits_fields;
	case T_IO:
		return io_fields;
	case T_HUGE:
		return huge_fields;
	case T_CGROUP_FILE:
		return cgroup_file_fields;
	case T_FILE:
		return file_fields;
	case T_VOLUME:
		return volume_fields;
	case T_STATE:
		return state_fields;
	case T_STATUS:
		return status_fields;
	case T_END:
		return end_fields;
	case T_MESSAGE:
		return message_fields;
	case T_LAST:
		return last_fields;
	case T_ACTION:
		return action_fields;
	case T_HEADER:
		return header_fields;
	case T_PROBE:
		return probe_fields;
	case T_NEWS:
		return news_fields;
	}
	return NULL;
}

static int
write_record(struct lp_buf *out, enum table table, const void *object, const char *what, struct lp_err *err)
{
	lp_buf_u32(out, MAGIC);
	(void)lp_flat_write(out, tables, table, object);	/* sticky */
	return out->failed ? lp_err_set(err, out->failed, "write %s", what) : 0;
}

static int
read_record(struct lp_arena *arena, enum table table, const void *data, size_t len, void *out, const char *what, struct lp_err *err)
{
	const uint8_t *p = data;
	int rc;

	if (len < 4 || p[0] != 'L' || p[1] != 'P' || p[2] != 'K' || p[3] != '1')
		return lp_err_say(err, -EBADMSG, "%s: not one of ours", what);
	rc = lp_flat_read(arena, tables, table, p + 4, len - 4, out, err);
	if (rc < 0)
		(void)lp_err_wrap(err, "%s", what);
	return rc;
}

/* ---- the pod ---- */

int
lp_control_pod_write(struct lp_buf *out, const struct lp_control_pod *pod, struct lp_err *err)
{
	return write_record(out, T_POD, pod, "the pod's record", err);
}

static bool
is_whole(const struct lp_control_action *action)
{
	for (size_t i = 0; i < action->header_count; i++)
		if (!action->headers[i].name || !action->headers[i].value)
			return false;
	switch ((enum lp_control_deed)action->deed) {
	case LP_CONTROL_DEED_EXEC:
		return action->args && action->args[0];
	case LP_CONTROL_DEED_HTTP:
		return action->host && action->port && action->path;
	case LP_CONTROL_DEED_TCP:
	case LP_CONTROL_DEED_GRPC:
		return action->host && action->port;
	case LP_CONTROL_DEED_NONE:
	case LP_CONTROL_DEED_SLEEP:
		return true;
	}
	return true;		/* of a newer agent: it will fail by name when it is wanted */
}

static bool
are_whole(const struct lp_control_container *container)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < container->probe_count; i++) {
		const struct lp_control_probe *probe = &container->probes[i];

		if (probe->kind < 0 || probe->kind >= LP_CONTROL_PROBES || (seen & 1u << probe->kind) || !is_whole(&probe->action))
			return false;
		seen |= 1u << probe->kind;
	}
	return is_whole(&container->post_start) && is_whole(&container->pre_stop);
}

/* Descriptors do not travel: whatever has no path has no place. What a mapping needs is checked once, here. */
static int
fix_container(struct lp_control_container *container, struct lp_err *err)
{
	struct lp_container_config *config = &container->config;
	struct lp_mount *mounts = (struct lp_mount *)(uintptr_t)config->mounts;
	struct lp_place *layers = (struct lp_place *)(uintptr_t)config->rootfs.layers;

	if (!container->name || !container->name[0] || strlen(container->name) > 63 || strchr(container->name, '/'))
		return lp_err_say(err, -EBADMSG, "a container without a proper name");
	if (!config->process.args)
		return lp_err_say(err, -EBADMSG, "container %s: nothing to run", container->name);
	if (!are_whole(container))
		return lp_err_say(err, -EBADMSG, "container %s: a probe or hook that is not whole", container->name);
	config->rootfs.ready.fd = config->rootfs.writable.fd = -1;
	for (size_t i = 0; i < config->rootfs.layer_count; i++) {
		layers[i].fd = -1;
		if (!layers[i].path)
			return lp_err_say(err, -EBADMSG, "container %s: a layer without a path", container->name);
	}
	for (size_t i = 0; i < config->mount_count; i++) {
		mounts[i].source.fd = -1;
		if (!mounts[i].target)
			return lp_err_say(err, -EBADMSG, "container %s: a mount without a target", container->name);
	}
	for (int i = 0; i < 3; i++)
		config->process.stdio[i] = -1;
	for (int i = 0; i < LP_NS_COUNT; i++)
		config->ns[i].fd = -1;
	config->cgroup_parent_fd = config->start_fd = -1;
	return 0;
}

int
lp_control_pod_read(struct lp_arena *arena, const void *data, size_t len, struct lp_control_pod *out, struct lp_err *err)
{
	struct lp_control_pod pod;
	int rc;

	memset(&pod, 0, sizeof(pod));
	rc = read_record(arena, T_POD, data, len, &pod, "the pod's record", err);
	if (rc < 0)
		return rc;
	if (!pod.uid || !pod.uid[0] || strchr(pod.uid, '/') || pod.uid[0] == '.' || !pod.namespace || !pod.name)
		return lp_err_say(err, -EBADMSG, "the pod's record: no proper uid, namespace and name");
	if (!pod.container_count || pod.container_count > LP_CONTROL_CONTAINERS)
		return lp_err_say(err, -EBADMSG, "the pod's record: %zu containers", pod.container_count);
	for (size_t i = 0; i < pod.file_count; i++)
		if (!pod.files[i].path)
			return lp_err_say(err, -EBADMSG, "the pod's record: a file without a path");
	for (size_t i = 0; i < pod.volume_count; i++)
		if (!pod.volumes[i].name)
			return lp_err_say(err, -EBADMSG, "the pod's record: a volume without a name");
	for (size_t i = 0; i < pod.container_count; i++) {
		rc = fix_container((struct lp_control_container *)(uintptr_t)&pod.containers[i], err);
		if (rc < 0)
			return rc;
	}
	*out = pod;
	return 0;
}

/* ---- messages ---- */

void
lp_control_message_init(struct lp_control_message *message)
{
	memset(message, 0, sizeof(*message));
	for (size_t i = 0; i < LP_CONTROL_FDS; i++)
		message->fds[i] = -1;
}

int
lp_control_message_write(struct lp_buf *out, const struct lp_control_message *message, struct lp_err *err)
{
	return write_record(out, T_MESSAGE, message, "a message", err);
}

int
lp_control_message_read(struct lp_arena *arena, const void *data, size_t len, struct lp_control_message *out, struct lp_err *err)
{
	struct lp_control_message message;
	int rc;

	lp_control_message_init(&message);
	rc = read_record(arena, T_MESSAGE, data, len, &message, "a message", err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < message.file_count; i++)
		if (!message.files[i].path)
			return lp_err_say(err, -EBADMSG, "a message: a file without a path");
	*out = message;
	return 0;
}

int
lp_control_limits_copy(struct lp_arena *arena, const struct lp_cgroup_limits *limits, struct lp_cgroup_limits *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	int rc;

	lp_buf_init(&bytes, LP_CONTROL_PACKET);
	memset(out, 0, sizeof(*out));
	rc = write_record(&bytes, T_LIMITS, limits, "limits", err);
	return rc < 0 ? rc : read_record(arena, T_LIMITS, bytes.data, bytes.len, out, "limits", err);
}

int
lp_control_action_write(struct lp_buf *out, const struct lp_control_action *action, struct lp_err *err)
{
	return write_record(out, T_ACTION, action, "an action", err);
}

int
lp_control_action_read(struct lp_arena *arena, const void *data, size_t len, struct lp_control_action *out, struct lp_err *err)
{
	struct lp_control_action action;
	int rc;

	memset(&action, 0, sizeof(action));
	rc = read_record(arena, T_ACTION, data, len, &action, "an action", err);
	if (!rc && !is_whole(&action))
		rc = lp_err_say(err, -EBADMSG, "an action that is not whole");
	if (!rc)
		*out = action;
	return rc;
}

/* ---- the state file ---- */

int
lp_control_last_write(struct lp_buf *out, const struct lp_control_state *state, const struct lp_control_status *statuses, size_t count,
    const char *cgroup, struct lp_err *err)
{
	struct last last = { .state = *state, .statuses = statuses, .status_count = count, .cgroup = cgroup };

	return write_record(out, T_LAST, &last, "the pod's state", err);
}

int
lp_control_last_parse(struct lp_arena *arena, const void *data, size_t len, struct lp_control_state *out_state,
    struct lp_control_status **out_statuses, size_t *out_count, const char **out_cgroup, struct lp_err *err)
{
	struct last last;
	int rc;

	memset(&last, 0, sizeof(last));
	rc = read_record(arena, T_LAST, data, len, &last, "the pod's state", err);
	if (rc < 0)
		return rc;
	*out_state = last.state;
	*out_statuses = (struct lp_control_status *)(uintptr_t)last.statuses;
	*out_count = last.status_count;
	*out_cgroup = last.cgroup;
	return 0;
}

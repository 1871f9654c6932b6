#include "runtime/oci/oci_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/oci/oci_mount.h"
#include "runtime/oci/oci_process.h"
#include "runtime/oci/oci_resources.h"

enum { SECCOMP_MAX = 256 << 10, NOTES_MAX = 2048, HOOK_SECONDS_MAX = 86400 };

static int
no_memory(struct lp_err *err)
{
	return lp_err_set(err, -ENOMEM, "config");
}

/* ---- namespaces ---- */

static const struct ns_word {
	char type[8];
	uint8_t ns;
} ns_words[] = {
	{ "user", LP_NS_USER }, { "network", LP_NS_NET }, { "ipc", LP_NS_IPC }, { "uts", LP_NS_UTS }, { "pid", LP_NS_PID },
	{ "mount", LP_NS_MOUNT }, { "cgroup", LP_NS_CGROUP }, { "time", LP_NS_TIME },
};

/* Our own one of that kind? The kernel does not let us enter the user namespace that we are in. */
static bool
is_ours(int fd, enum lp_ns ns)
{
	lp_auto_fd int proc = -1, own = -1;
	struct stat a, b;
	char path[32];

	(void)snprintf(path, sizeof(path), "self/ns/%s", lp_ns_name(ns));
	if (lp_path_root("/proc", false, &proc, NULL) < 0)
		return false;
	own = openat(proc, path, O_RDONLY | O_CLOEXEC);	/* a magic link by nature */
	return own >= 0 && fstat(fd, &a) == 0 && fstat(own, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int
join_namespace(const struct lp_oci_namespace_ *wanted, enum lp_ns ns, struct lp_oci_config *out, struct lp_err *err)
{
	struct lp_ns_choice *choice = &out->container.ns[ns];
	lp_auto_fd int fd = -1;

	if (wanted->path[0] != '/')
		return lp_err_say(err, -EINVAL, "linux.namespaces: the path of %s is not absolute", wanted->type);
	fd = openat(AT_FDCWD, wanted->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);	/* the operator's word; a link of /proc by nature */
	if (fd < 0)
		return lp_err_set(err, -errno, "open the %s namespace %s", wanted->type, wanted->path);
	if (ioctl(fd, NS_GET_NSTYPE) != lp_ns_flag(ns))
		return lp_err_say(err, -EINVAL, "%s is no %s namespace", wanted->path, wanted->type);
	if (is_ours(fd, ns)) {
		choice->how = LP_NS_HOST;
		return 0;
	}
	*choice = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = fd };
	out->ns_fds[ns] = lp_take_fd(&fd);
	if (ns != LP_NS_USER)
		return 0;
	return lp_ns_maps_of(out->ns_fds[ns], &out->maps, err);
}

static int
make_namespaces(const struct lp_oci_linux_ *linux_, struct lp_oci_config *out, struct lp_err *err)
{
	uint32_t seen = 0;

	for (int i = 0; i < LP_NS_COUNT; i++)
		out->container.ns[i] = (struct lp_ns_choice){ .how = LP_NS_HOST, .fd = -1 };
	for (size_t i = 0; i < linux_->namespaces.count; i++) {
		const struct lp_oci_namespace_ *wanted = &linux_->namespaces.items[i];
		size_t word = 0;
		int rc = 0;

		while (word < lp_count(ns_words) && strcmp(ns_words[word].type, wanted->type) != 0)
			word++;
		if (word == lp_count(ns_words))
			return lp_err_say(err, -EINVAL, "linux.namespaces: unknown namespace type %.20s", wanted->type);
		if (seen & LP_NS_BIT(ns_words[word].ns))
			return lp_err_say(err, -EINVAL, "linux.namespaces: %s is there twice (duplicated)", wanted->type);
		seen |= LP_NS_BIT(ns_words[word].ns);
		if (wanted->path && wanted->path[0])
			rc = join_namespace(wanted, (enum lp_ns)ns_words[word].ns, out, err);
		else
			out->container.ns[ns_words[word].ns].how = LP_NS_NEW;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
make_maps(struct lp_arena *arena, const struct lp_oci_linux_ *linux_, struct lp_oci_config *out, struct lp_err *err)
{
	struct lp_container_config *config = &out->container;
	const enum lp_ns_how how = config->ns[LP_NS_USER].how;
	int rc;

	if (how == LP_NS_JOIN) {
		config->uids = out->maps.uids;
		config->uid_count = out->maps.uid_count;
		config->gids = out->maps.gids;
		config->gid_count = out->maps.gid_count;
		return 0;
	}
	if (how == LP_NS_HOST && (linux_->uids.count || linux_->gids.count))
		return lp_err_say(err, -EINVAL, "linux.uidMappings: id mappings without a user namespace");
	if (how == LP_NS_NEW && (linux_->uids.count == 0 || linux_->gids.count == 0))
		return lp_err_say(err, -EINVAL, "linux.%cidMappings: a user namespace without id mappings", linux_->uids.count ? 'g' : 'u');
	rc = lp_oci_mount_ids(arena, linux_->uids.items, linux_->uids.count, &config->uids, err);
	if (rc == 0)
		rc = lp_oci_mount_ids(arena, linux_->gids.items, linux_->gids.count, &config->gids, err);
	config->uid_count = linux_->uids.count;
	config->gid_count = linux_->gids.count;
	return rc;
}

static int
make_names(const struct lp_oci_spec *spec, struct lp_container_config *config, struct lp_err *err)
{
	if (config->ns[LP_NS_UTS].how == LP_NS_HOST && spec->hostname && spec->hostname[0])
		return lp_err_say(err, -EINVAL, "hostname: unable to set hostname without a private UTS namespace");
	if (config->ns[LP_NS_UTS].how == LP_NS_HOST && spec->domainname && spec->domainname[0])
		return lp_err_say(err, -EINVAL, "domainname: unable to set domainname without a private UTS namespace");
	config->hostname = spec->hostname && spec->hostname[0] ? spec->hostname : NULL;
	config->domainname = spec->domainname && spec->domainname[0] ? spec->domainname : NULL;
	return 0;
}

static int
make_times(const struct lp_oci_linux_ *linux_, struct lp_container_config *config, struct lp_err *err)
{
	if (linux_->time_offsets.count && config->ns[LP_NS_TIME].how != LP_NS_NEW)
		return lp_err_say(err, -EINVAL, "linux.timeOffsets: time offsets without a new time namespace");
	for (size_t i = 0; i < linux_->time_offsets.count; i++) {
		const struct lp_oci_time_offset *offset = &linux_->time_offsets.items[i];
		const struct lp_time_offset made = { .s = offset->secs.value, .ns = offset->nanosecs.value };

		if (strcmp(offset->key, "monotonic") == 0)
			config->monotonic = made;
		else if (strcmp(offset->key, "boottime") == 0)
			config->boottime = made;
		else
			return lp_err_say(err, -EINVAL, "linux.timeOffsets: there is no clock %.20s", offset->key);
	}
	return 0;
}

/* ---- root and mounts ---- */

static int
make_root(struct lp_arena *arena, const struct lp_oci_spec *spec, const char *bundle, struct lp_oci_config *out, struct lp_err *err)
{
	struct lp_rootfs *rootfs = &out->container.rootfs;
	const char *word = spec->linux_ ? spec->linux_->propagation : NULL;
	struct stat st;

	if (!spec->root || !spec->root->path[0])
		return lp_err_say(err, -EINVAL, "root.path: is missing");
	out->rootfs = spec->root->path[0] == '/' ? spec->root->path : lp_arena_printf(arena, "%s/%s", bundle, spec->root->path);
	if (!out->rootfs)
		return no_memory(err);
	if (fstatat(AT_FDCWD, out->rootfs, &st, 0) < 0)
		return lp_err_set(err, -errno, "rootfs %s does not exist or cannot be seen", out->rootfs);
	if (!S_ISDIR(st.st_mode))
		return lp_err_say(err, -ENOTDIR, "rootfs %s is not a directory", out->rootfs);
	rootfs->ready = (struct lp_place){ .path = out->rootfs, .fd = -1 };
	rootfs->keep_ids = true;
	rootfs->readonly = spec->root->readonly;
	if (!word || !word[0])
		return 0;
	rootfs->propagation_set = true;
	if (lp_oci_mount_propagation(word, &rootfs->propagation) < 0)
		return lp_err_say(err, -EINVAL, "linux.rootfsPropagation: %.20s is unknown", word);
	return 0;
}

static int
make_mounts(struct lp_arena *arena, const struct lp_oci_spec *spec, const char *bundle, struct lp_container_config *config, struct lp_err *err)
{
	struct lp_mount *mounts = lp_arena_alloc(arena, (spec->mounts.count + 1) * sizeof(*mounts));
	int rc = mounts ? 0 : no_memory(err);

	for (size_t i = 0; rc == 0 && i < spec->mounts.count; i++)
		rc = lp_oci_mount_make(arena, &spec->mounts.items[i], bundle, &mounts[i], err);
	config->mounts = mounts;
	config->mount_count = spec->mounts.count;
	return rc;
}

/* Every container has it already, as a link into its own devpts. */
static bool
is_ptmx(const struct lp_oci_device *device)
{
	return strcmp(device->path, "/dev/ptmx") == 0 && device->type[0] != 'b' && device->type[0] != 'p' && device->major.value == 5 && device->minor.value == 2;
}

static int
make_devices(struct lp_arena *arena, const struct lp_oci_linux_ *linux_, struct lp_container_config *config, struct lp_err *err)
{
	struct lp_device *devices = lp_arena_alloc(arena, (linux_->devices.count + 1) * sizeof(*devices));

	if (!devices)
		return no_memory(err);
	for (size_t i = 0; i < linux_->devices.count; i++) {
		const struct lp_oci_device *device = &linux_->devices.items[i];

		if (strlen(device->type) != 1 || !strchr("bcup", device->type[0]))
			return lp_err_say(err, -EINVAL, "linux.devices[%zu].type: %.20s is unknown", i, device->type);
		if (device->path[0] != '/')
			return lp_err_say(err, -EINVAL, "linux.devices[%zu].path: is not absolute", i);
		devices[i] = (struct lp_device){
			.path = is_ptmx(device) ? NULL : device->path, .type = device->type[0] == 'u' ? 'c' : device->type[0],
			.major = (int32_t)device->major.value, .minor = (int32_t)device->minor.value,
			.read = true, .write = true, .mknod = true,
			.mode = (uint32_t)device->mode.value & 07777, .uid = (uint32_t)device->uid.value, .gid = (uint32_t)device->gid.value,
		};
	}
	config->devices = devices;
	config->device_count = linux_->devices.count;
	return 0;
}

/* ---- the rest ---- */

static int
make_sysctls(struct lp_arena *arena, const struct lp_oci_linux_ *linux_, struct lp_container_config *config, struct lp_err *err)
{
	struct lp_sysctl *sysctls = lp_arena_alloc(arena, (linux_->sysctls.count + 1) * sizeof(*sysctls));

	if (!sysctls)
		return no_memory(err);
	for (size_t i = 0; i < linux_->sysctls.count; i++)
		sysctls[i] = (struct lp_sysctl){ linux_->sysctls.items[i].key, linux_->sysctls.items[i].value };
	config->sysctls = sysctls;
	config->sysctl_count = linux_->sysctls.count;
	return 0;
}

static int
make_personality(const struct lp_oci_personality *personality, struct lp_process_config *process, struct lp_err *err)
{
	if (personality->flags.count)
		return lp_err_say(err, -ENOTSUP, "linux.personality.flags: the spec knows none, %.20s neither", personality->flags.items[0]);
	process->personality_set = true;
	if (strcmp(personality->domain, "LINUX") == 0)
		process->personality = PER_LINUX;
	else if (strcmp(personality->domain, "LINUX32") == 0)
		process->personality = PER_LINUX32;
	else
		return lp_err_say(err, -EINVAL, "linux.personality.domain: %.20s is unknown", personality->domain);
	return 0;
}

int
lp_oci_config_seccomp(struct lp_arena *arena, const struct lp_oci_spec *spec, struct lp_oci_config *config,
    struct lp_process_config *process, struct lp_err *err)
{
	const struct lp_json *json = spec->linux_ ? spec->linux_->seccomp : NULL;
	struct lp_seccomp_profile profile;
	int rc;

	process->seccomp = LP_SECCOMP_UNCONFINED;
	if (!json)
		return 0;
	rc = lp_seccomp_profile_read(arena, json, process->caps.bounding, &profile, err);
	if (rc == 0)
		rc = lp_seccomp_compile(&profile, &config->seccomp, &process->seccomp_flags, err);
	if (rc < 0)
		return lp_err_wrap(err, "linux.seccomp");
	process->seccomp = LP_SECCOMP_GIVEN;
	process->seccomp_program = config->seccomp.data;
	process->seccomp_bytes = config->seccomp.len;
	config->listener_path = profile.listener_path;
	config->listener_metadata = profile.listener_metadata;
	return 0;
}

int
lp_oci_config_hooks(struct lp_arena *arena, const struct lp_oci_hook *hooks, size_t count, const struct lp_hook **out, struct lp_err *err)
{
	struct lp_hook *made = lp_arena_alloc(arena, (count + 1) * sizeof(*made));

	if (!made)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		const int64_t seconds = hooks[i].timeout.value;

		if (hooks[i].path[0] != '/')
			return lp_err_say(err, -EINVAL, "hooks: %.80s is not an absolute path", hooks[i].path);
		if (hooks[i].timeout.set && (seconds <= 0 || seconds > HOOK_SECONDS_MAX))
			return lp_err_say(err, -EINVAL, "hooks: the timeout of %.80s is not between 1 and %d s", hooks[i].path, HOOK_SECONDS_MAX);
		made[i] = (struct lp_hook){ .path = hooks[i].path, .args = hooks[i].args.count ? hooks[i].args.items : NULL,
			.env = hooks[i].env.set ? hooks[i].env.items : (const char *const *)environ, .timeout_ms = seconds * 1000 };
	}
	*out = made;
	return 0;
}

static int
make_linux(struct lp_arena *arena, const struct lp_oci_linux_ *linux_, struct lp_oci_config *out, struct lp_err *err)
{
	struct lp_container_config *config = &out->container;
	int rc = make_namespaces(linux_, out, err);

	if (rc == 0)
		rc = make_maps(arena, linux_, out, err);
	if (rc == 0)
		rc = make_times(linux_, config, err);
	if (rc == 0)
		rc = make_devices(arena, linux_, config, err);
	if (rc == 0)
		rc = make_sysctls(arena, linux_, config, err);
	if (rc == 0)
		rc = lp_oci_resources_make(arena, linux_->resources, &config->limits, err);
	config->masked_paths = linux_->masked.items;
	config->readonly_paths = linux_->readonly.items;
	config->mount_label = linux_->label && linux_->label[0] ? linux_->label : NULL;
	return rc;
}

/* Where the container will find its /etc/passwd: in its root, unless a mount lies over it. -1 when there is none to look into. */
static int
open_root(const struct lp_oci_config *config)
{
	int fd = -1;

	for (size_t i = 0; i < config->container.mount_count; i++)
		if (strcmp(config->container.mounts[i].target, "/etc") == 0)
			return -1;
	return lp_path_root(config->rootfs, false, &fd, NULL) < 0 ? -1 : fd;
}

void
lp_oci_config_groups(const struct lp_oci_spec *spec, struct lp_process_config *process, struct lp_buf *notes)
{
	static const char name[] = "run.oci.keep_original_groups";

	for (size_t i = 0; i < spec->annotations.count; i++)
		if (strcmp(spec->annotations.items[i].key, name) == 0 && strcmp(spec->annotations.items[i].value, "1") == 0)
			process->keep_groups = true;
	if (!process->keep_groups || process->group_count == 0)
		return;
	process->group_count = 0;
	(void)lp_buf_printf(notes, "%sthe caller's groups instead of additionalGids, as %s wants", notes->len ? "; " : "", name);	/* a note: cut, if need be */
}

static int
make_process(struct lp_arena *arena, const struct lp_oci_spec *spec, struct lp_oci_config *out, struct lp_err *err)
{
	/* Without a process there may be a create, but no start. */
	static const struct lp_oci_process none = { .cwd = "/" };
	const char **nothing = lp_arena_alloc(arena, 2 * sizeof(*nothing));
	struct lp_oci_process process = spec->process ? *spec->process : none;
	const bool owned = out->container.ns[LP_NS_USER].how != LP_NS_HOST;
	lp_auto_fd int root = open_root(out);
	int rc;

	if (!nothing)
		return no_memory(err);
	if (!spec->process) {
		nothing[0] = "";
		process.args = (struct lp_oci_words){ .items = nothing, .count = 1, .set = true };
	}
	rc = lp_oci_process_make(arena, &process, root, owned, &out->container.process, &out->notes, err);
	if (rc == 0 && spec->linux_ && spec->linux_->personality)
		rc = make_personality(spec->linux_->personality, &out->container.process, err);
	out->container.process.no_program = !spec->process;
	lp_oci_config_groups(spec, &out->container.process, &out->notes);
	return rc < 0 ? rc : lp_oci_config_seccomp(arena, spec, out, &out->container.process, err);
}

int
lp_oci_config_make(struct lp_arena *arena, const struct lp_oci_spec *spec, const char *bundle, struct lp_oci_config *out,
    struct lp_err *err)
{
	static const struct lp_oci_linux_ none = { 0 };
	int rc;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < LP_NS_COUNT; i++)
		out->ns_fds[i] = -1;
	lp_buf_init(&out->seccomp, SECCOMP_MAX);
	lp_buf_init(&out->notes, NOTES_MAX);
	lp_container_config_init(&out->container);
	out->container.masked_paths = out->container.readonly_paths = NULL;
	rc = make_linux(arena, spec->linux_ ? spec->linux_ : &none, out, err);
	if (rc == 0)
		rc = make_names(spec, &out->container, err);
	if (rc == 0)
		rc = make_root(arena, spec, bundle, out, err);
	if (rc == 0)
		rc = make_mounts(arena, spec, bundle, &out->container, err);
	return rc < 0 ? rc : make_process(arena, spec, out, err);
}

void
lp_oci_config_fini(struct lp_oci_config *config)
{
	for (int i = 0; i < LP_NS_COUNT; i++)
		lp_close(&config->ns_fds[i]);
	lp_ns_maps_fini(&config->maps);
	lp_buf_fini(&config->seccomp);
	lp_buf_fini(&config->notes);
}

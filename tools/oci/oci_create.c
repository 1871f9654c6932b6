#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/oci/oci_config.h"
#include "runtime/oci/oci_process.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_console.h"
#include "tools/oci/oci_rootless.h"
#include "tools/oci/oci_start.h"
#include "tools/oci/oci_verbs.h"

/*
 * create and run. The state is written before there is a process ("creating", with the place of its cgroup), again with the process's number
 * as soon as there is one, and once more when it waits: at any point what a killed creator leaves can be found and removed.
 */

static struct {
	const char *bundle, *config, *pid_file, *console_socket, *pidfd_socket;
	int64_t preserve_fds;
	bool no_pivot, no_new_keyring, no_subreaper, keep, detach;
} wanted = { .config = NULL };

#define COMMON_OPTIONS \
	{ "bundle", 'b', LP_OPT_STR, &wanted.bundle, "DIR", "where config.json and the root lie (default: here)" }, \
	{ "config", 'f', LP_OPT_STR, &wanted.config, "FILE", "another config.json than the bundle's" }, \
	{ "pid-file", 0, LP_OPT_STR, &wanted.pid_file, "FILE", "write the first process's pid there" }, \
	{ "console-socket", 0, LP_OPT_STR, &wanted.console_socket, "SOCKET", "send the terminal there" }, \
	{ "pidfd-socket", 0, LP_OPT_STR, &wanted.pidfd_socket, "SOCKET", "send a pidfd of the first process there" }, \
	{ "preserve-fds", 0, LP_OPT_INT, &wanted.preserve_fds, "N", "give descriptors 3 to 3+N-1 to the program" }, \
	{ "no-pivot", 0, LP_OPT_FLAG, &wanted.no_pivot, NULL, "for a root on a ram disk" }, \
	{ "no-new-keyring", 0, LP_OPT_FLAG, &wanted.no_new_keyring, NULL, "stay in the caller's session keyring" }, \
	{ "no-subreaper", 0, LP_OPT_FLAG, &wanted.no_subreaper, NULL, "run: orphans are not ours to reap" }

static const struct lp_opt create_options[] = {
	COMMON_OPTIONS,
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_opt run_options[] = {
	COMMON_OPTIONS,
	{ "detach", 'd', LP_OPT_FLAG, &wanted.detach, NULL, "return when the program runs" },
	{ "keep", 0, LP_OPT_FLAG, &wanted.keep, NULL, "do not delete it at its end" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

/* What is made. found.home and found.state are the container's directory and state. */
struct making {
	struct lp_oci_found found;
	struct lp_oci_spec *spec;
	struct lp_oci_config config;
	struct lp_hooks hooks;
	const struct lp_hook *prestart, *create_runtime;
	struct lp_buf text;		/* config.json */
	const char *owner;		/* who called us */
	int cgroup_parent, start;	/* -1 without */
	struct lp_container *container;
};

static void
making_init(struct making *making)
{
	memset(making, 0, sizeof(*making));
	lp_arena_init(&making->found.arena, LP_OCI_ARENA_MAX);
	lp_oci_home_init(&making->found.home);
	lp_buf_init(&making->text, LP_OCI_CONFIG_MAX);
	making->cgroup_parent = making->start = -1;
	for (int i = 0; i < LP_NS_COUNT; i++)
		making->config.ns_fds[i] = -1;
}

static void
making_fini(struct making *making)
{
	lp_container_free(making->container);
	lp_oci_config_fini(&making->config);
	lp_close(&making->cgroup_parent);
	lp_close(&making->start);
	lp_buf_fini(&making->text);
	lp_oci_found_fini(&making->found);
}

/* ---- the bundle ---- */

/* Absolute, as the caller named it: links are not resolved. */
static int
find_bundle(struct making *making, const char **out, struct lp_err *err)
{
	const char *bundle = wanted.bundle ? wanted.bundle : ".";
	char cwd[4096];
	struct stat st;

	if (stat(bundle, &st) < 0)
		return lp_err_set(err, -errno, "bundle %s", bundle);
	if (bundle[0] == '/') {
		*out = bundle;
		return 0;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		return lp_err_set(err, -errno, "the working directory");
	while (lp_text_starts(bundle, "./"))
		bundle += 2;
	*out = strcmp(bundle, ".") == 0 || !bundle[0] ? lp_arena_str(&making->found.arena, cwd) :
	    lp_arena_printf(&making->found.arena, "%s/%s", cwd, bundle);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "bundle");
}

static int
read_config(struct making *making, const char *bundle, struct lp_err *err)
{
	char path[4200];
	int rc;

	/* Another file than the bundle's is looked for here, then in the bundle. */
	if (wanted.config && (wanted.config[0] == '/' || access(wanted.config, F_OK) == 0))
		rc = lp_oci_read_file(wanted.config, &making->text, err);
	else if (snprintf(path, sizeof(path), "%s/%s", bundle, wanted.config ? wanted.config : "config.json") >= (int)sizeof(path))
		rc = lp_err_set(err, -ENAMETOOLONG, "bundle %s", bundle);
	else
		rc = lp_oci_read_file(path, &making->text, err);
	if (rc == 0)
		rc = lp_oci_spec_parse(&making->found.arena, lp_buf_text(&making->text), making->text.len, &making->spec, err);
	if (rc == 0)
		rc = lp_oci_rootless_amend(&making->found.arena, making->spec, err);
	return rc < 0 ? rc : lp_oci_config_make(&making->found.arena, making->spec, bundle, &making->config, err);
}

/* ---- descriptors, sockets, environment of our caller ---- */

static int
keep_descriptors(struct making *making, struct lp_err *err)
{
	struct lp_process_config *process = &making->config.container.process;
	const char *listen = getenv("LISTEN_FDS");
	uint64_t given = 0;
	int rc = 0;

	if (wanted.preserve_fds < 0 || wanted.preserve_fds > 4096)
		return lp_err_say(err, -EINVAL, "--preserve-fds: %lld is no number of descriptors", (long long)wanted.preserve_fds);
	if (listen && lp_text_u64(listen, 4096, &given) == 0 && given) {
		rc = lp_oci_process_setenv(&making->found.arena, process, "LISTEN_FDS", listen, err);
		if (rc == 0)
			rc = lp_oci_process_setenv(&making->found.arena, process, "LISTEN_PID", "1", err);
	}
	process->keep_fds = (uint32_t)(given + (uint64_t)wanted.preserve_fds);
	return rc;
}

/* Before we open anything ourselves. Who asks for more than there are gets those that are there; none at all is a mistake. */
static int
check_descriptors(struct lp_err *err)
{
	const char *listen = getenv("LISTEN_FDS");
	uint64_t given = 0;

	if (listen && lp_text_u64(listen, 4096, &given) < 0)
		given = 0;
	for (int64_t i = 0; i < wanted.preserve_fds; i++)
		if (fcntl(3 + (int)given + (int)i, F_GETFD) >= 0)
			return 0;
	return wanted.preserve_fds ? lp_err_set(err, -EBADF, "preserved-fd 0 (of %lld)", (long long)wanted.preserve_fds) : 0;
}

/* systemd's way to hear "ready": its socket is there in the container, under the same name. */
static int
pass_notify_socket(struct making *making, struct lp_err *err)
{
	struct lp_container_config *config = &making->config.container;
	const char *path = getenv("NOTIFY_SOCKET");
	struct lp_mount *mounts;
	struct stat st;

	if (!path || !path[0])
		return 0;
	if (path[0] == '/' && stat(path, &st) == 0) {
		mounts = lp_arena_alloc(&making->found.arena, (config->mount_count + 1) * sizeof(*mounts));
		if (!mounts)
			return lp_err_set(err, -ENOMEM, "mounts");
		memcpy(mounts, config->mounts, config->mount_count * sizeof(*mounts));
		mounts[config->mount_count++] = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = path, .source = { .path = path, .fd = -1 },
			.flags = LP_MOUNT_NO_IDMAP };
		config->mounts = mounts;
	}
	return lp_oci_process_setenv(&making->found.arena, &config->process, "NOTIFY_SOCKET", path, err);
}

/* A terminal needs somebody at its other end. */
static int
check_console(const struct making *making, bool detach, struct lp_err *err)
{
	const bool terminal = making->config.container.process.terminal;

	if (terminal && detach && !wanted.console_socket)
		return lp_err_say(err, -EINVAL, "cannot allocate tty if %s will detach without setting console socket", lp_oci_global.program);
	if (wanted.console_socket && (!terminal || !detach))
		return lp_err_say(err, -EINVAL, "cannot use console socket if %s will not detach or allocate tty", lp_oci_global.program);
	return 0;
}

/* ---- state ---- */

static const char *
now_text(struct lp_arena *arena)
{
	char text[LP_CLOCK_TEXT];
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return "";
	lp_clock_print_nano(now.tv_sec, (int32_t)now.tv_nsec, text);
	return lp_arena_str(arena, text);
}

static const char *
owner_text(struct lp_arena *arena)
{
	return geteuid() == 0 ? "root" : lp_arena_printf(arena, "%d", (int)geteuid());
}

static int
write_first_state(struct making *making, const char *bundle, struct lp_err *err)
{
	struct lp_oci_state *state = &making->found.state;
	struct lp_arena *arena = &making->found.arena;
	const struct lp_oci_hooks *hooks = making->spec->hooks;
	const char *leaf = strrchr(state->cgroup, '/');
	struct lp_json *annotations = lp_json_new(arena, LP_JSON_OBJECT);

	for (size_t i = 0; i < making->spec->annotations.count; i++)
		(void)lp_json_set_str(arena, annotations, making->spec->annotations.items[i].key, making->spec->annotations.items[i].value);
	state->id = making->found.home.id;
	state->version = making->spec->version;
	state->bundle = bundle;
	state->rootfs = making->config.rootfs;
	state->created = now_text(arena);
	state->owner = making->owner;
	state->annotations = making->spec->annotations.count ? annotations : NULL;
	state->poststart = hooks && hooks->poststart.count;
	state->poststop = hooks && hooks->poststop.count;
	state->shared_pids = making->config.container.ns[LP_NS_PID].how != LP_NS_NEW;
	if (making->config.container.ns[LP_NS_MOUNT].how == LP_NS_HOST)
		(void)lp_oci_root_mount(state->rootfs, &state->root_mount);	/* 0: not known, and then nothing is taken away */
	(void)snprintf(state->record.id, sizeof(state->record.id), "%s", state->id);
	if (leaf && strlen(leaf + 1) >= sizeof(state->record.cgroup_name))
		return lp_err_set(err, -ENAMETOOLONG, "cgroup %s", leaf + 1);
	(void)snprintf(state->record.cgroup_name, sizeof(state->record.cgroup_name), "%s", leaf ? leaf + 1 : "");
	if (arena->failed)
		return lp_err_set(err, -ENOMEM, "state");
	return lp_oci_state_write(&making->found.home, state, err);
}

/* ---- hooks ---- */

/* There is a process, which makes its mounts meanwhile. From here on a killed creator's process is found by its number. */
static int
cloned(void *arg, pid_t pid, struct lp_err *err)
{
	struct making *making = arg;
	struct lp_oci_state *state = &making->found.state;
	int rc = lp_oci_start_record(state, pid, err);

	if (rc == 0 && state->cgroup[0])
		rc = lp_oci_cgroup_claim(state, err);
	if (rc == 0)
		rc = lp_oci_state_write(&making->found.home, state, err);
	if (rc == 0)
		rc = lp_oci_home_put(&making->found.home, "config.json", making->text.data, making->text.len, err);
	return rc;
}

/*
 * The owner's turn, before the pivot. To a prestart hook the container is created: it was called by start once (specification 1.0.0, whose
 * hooks look for the word).
 */
static int
before_pivot(void *arg, pid_t pid, struct lp_err *err)
{
	struct making *making = arg;
	const struct lp_oci_hooks *hooks = making->spec->hooks;
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, LP_OCI_CONFIG_MAX);
	rc = lp_oci_print_state(&making->found.state, "created", pid, &text, err);
	if (rc == 0)
		rc = lp_oci_run_hooks(making->prestart, hooks->prestart.count, "prestart", &text, false, err);
	lp_buf_reset(&text);
	if (rc == 0)
		rc = lp_oci_print_state(&making->found.state, "creating", pid, &text, err);
	if (rc == 0)
		rc = lp_oci_run_hooks(making->create_runtime, hooks->create_runtime.count, "createRuntime", &text, false, err);
	return rc;
}

/* The state document, cut where the pid stands. */
static int
make_group(struct making *making, const char *name, const struct lp_oci_hook *hooks, size_t count, struct lp_hook_group *out, struct lp_err *err)
{
	static const char mark[] = "\"pid\":";
	struct lp_arena *arena = &making->found.arena;
	lp_auto_buf struct lp_buf text;
	const char *pid;
	int rc;

	if (count == 0)
		return 0;
	lp_buf_init(&text, LP_OCI_CONFIG_MAX);
	rc = lp_oci_config_hooks(arena, hooks, count, &out->rows, err);
	if (rc == 0)
		rc = lp_oci_print_state(&making->found.state, "created", 0, &text, err);
	if (rc < 0)
		return rc;
	pid = strstr(lp_buf_text(&text), mark) + strlen(mark);	/* an id has no quotes: the first is the member */
	out->count = count;
	out->name = name;
	out->head = lp_arena_mem(arena, text.data, (size_t)(pid - text.data));
	out->tail = lp_arena_str(arena, pid + 1);
	return out->head && out->tail ? 0 : lp_err_set(err, -ENOMEM, "hooks");
}

static int
make_hooks(struct making *making, struct lp_err *err)
{
	static const struct lp_oci_hooks none = { 0 };
	const struct lp_oci_hooks *hooks = making->spec->hooks ? making->spec->hooks : &none;
	struct lp_arena *arena = &making->found.arena;
	const struct lp_hook *ignored;
	int rc = lp_oci_config_hooks(arena, hooks->prestart.items, hooks->prestart.count, &making->prestart, err);

	if (rc == 0)
		rc = lp_oci_config_hooks(arena, hooks->create_runtime.items, hooks->create_runtime.count, &making->create_runtime, err);
	/* Those of later are looked at now: nothing may start that cannot go on. */
	if (rc == 0)
		rc = lp_oci_config_hooks(arena, hooks->poststart.items, hooks->poststart.count, &ignored, err);
	if (rc == 0)
		rc = lp_oci_config_hooks(arena, hooks->poststop.items, hooks->poststop.count, &ignored, err);
	if (rc == 0)
		rc = make_group(making, "createContainer", hooks->create_container.items, hooks->create_container.count, &making->hooks.create, err);
	if (rc == 0)
		rc = make_group(making, "startContainer", hooks->start_container.items, hooks->start_container.count, &making->hooks.start, err);
	making->hooks.cloned = cloned;
	making->hooks.before_pivot = hooks->prestart.count || hooks->create_runtime.count ? before_pivot : NULL;
	making->hooks.arg = making;
	making->config.container.hooks = &making->hooks;
	return rc;
}

/* ---- making ---- */

static int
open_start_socket(struct making *making, struct lp_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	making->start = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/start", making->found.home.dir);
	if (making->start < 0 || bind(making->start, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(making->start, 1) < 0)
		return lp_err_set(err, -errno, "the socket for start");
	making->config.container.start_fd = making->start;
	return 0;
}

/* A cgroup that the container sees as its own and may write to is its user's. */
static bool
owns_cgroup(const struct lp_container_config *config)
{
	if (config->ns[LP_NS_CGROUP].how != LP_NS_NEW || config->uid_count == 0)
		return false;
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct lp_mount *mount = &config->mounts[i];

		if (mount->kind == LP_MOUNT_CGROUP && strcmp(mount->target, "/sys/fs/cgroup") == 0 && !(mount->attr_set & 1))	/* RDONLY */
			return true;
	}
	return false;
}

/* Everything up to a process that waits; `detach`: for another command's start. */
static int
make(struct making *making, const char *id, bool detach, struct lp_err *err)
{
	struct lp_container_config *config = &making->config.container;
	struct lp_oci_state *state = &making->found.state;
	const char *bundle = NULL;
	int rc = check_descriptors(err);

	if (rc == 0)
		rc = find_bundle(making, &bundle, err);
	if (rc == 0)
		rc = read_config(making, bundle, err);
	if (rc == 0)
		rc = check_console(making, detach, err);
	making->owner = owner_text(&making->found.arena);
	if (rc == 0)
		rc = lp_oci_rootless_enter(&making->config, err);
	if (rc == 0)
		rc = keep_descriptors(making, err);
	if (rc == 0)
		rc = pass_notify_socket(making, err);
	if (rc == 0)
		rc = lp_oci_cgroup_path(&making->found.arena, making->spec->linux_ ? making->spec->linux_->cgroup : NULL, id, &state->cgroup, err);
	if (rc == 0)
		rc = lp_oci_home_create(lp_oci_global.root, id, &making->found.home, err);
	if (rc == 0)
		rc = lp_oci_cgroup_parent(state->cgroup, &config->limits, &making->cgroup_parent, err);
	if (rc == 0 && making->cgroup_parent < 0)
		state->cgroup = "";
	if (rc == 0)
		rc = lp_oci_cgroup_check(making->cgroup_parent, state->cgroup, err);
	if (rc == 0)
		rc = write_first_state(making, bundle, err);
	if (rc == 0)
		rc = make_hooks(making, err);
	if (rc < 0)
		return rc;
	config->id = state->id;
	config->rootfs.no_pivot = wanted.no_pivot;
	config->process.keep_keyring = wanted.no_new_keyring;
	config->cgroup_parent_fd = making->cgroup_parent;
	config->cgroup_delegate = owns_cgroup(config);
	config->cgroup_name = state->record.cgroup_name;
	lp_oci_debug("container %s: nsexec container setup, cgroup \"%s\", %zu mounts", id, state->cgroup, config->mount_count);
	return 0;
}

static int
finish(struct making *making, struct lp_err *err)
{
	struct lp_oci_state *state = &making->found.state;
	lp_auto_fd int master = -1;
	static const char name[] = "/dev/ptmx";
	int rc = lp_container_record(making->container, &state->record, err);

	if (rc == 0 && wanted.console_socket) {
		master = lp_container_take_terminal(making->container);
		rc = lp_oci_console_send(wanted.console_socket, name, sizeof(name) - 1, master, err);
	}
	if (rc == 0 && wanted.pidfd_socket)
		rc = lp_oci_console_send(wanted.pidfd_socket, LP_OCI_PIDFD_NAME, sizeof(LP_OCI_PIDFD_NAME) - 1, lp_container_pidfd(making->container), err);
	if (rc == 0 && wanted.pid_file)
		rc = lp_oci_write_pid(wanted.pid_file, lp_container_pid(making->container), err);
	if (making->config.notes.len)
		lp_oci_warn("container %s: %s", state->id, lp_buf_text(&making->config.notes));
	if (lp_container_notes(making->container)[0])
		lp_oci_warn("container %s: %s", state->id, lp_container_notes(making->container));
	lp_oci_debug("container %s: child process in init(), pid %d: everything is set up, it waits for start", state->id,
	    (int)lp_container_pid(making->container));
	return rc;
}

/* From here on it is a container; before, whoever finds it without its creator cleans up. */
static int
complete(struct making *making, struct lp_err *err)
{
	making->found.state.ready = true;
	return lp_oci_state_write(&making->found.home, &making->found.state, err);
}

/* Nothing of it stays. */
static void
undo(struct making *making)
{
	struct lp_err ignored;

	lp_oci_cgroup_settle(making->cgroup_parent);
	if (making->found.home.dir < 0)
		return;
	making->found.state.ready = making->found.state.record.pid > 0;	/* hooks ran: so do those of the end */
	if (!making->found.state.record.cgroup_id)
		making->found.state.cgroup = "";	/* it is not ours, or was taken back already */
	lp_container_free(making->container);
	making->container = NULL;
	if (lp_oci_destroy(&making->found, &ignored) < 0)	/* the failure to report is the first one */
		lp_oci_warn("%s", ignored.text);
}

int
lp_oci_create_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "Makes the container of a bundle: everything but its program, which waits for start.",
		"create --bundle /var/bundles/web web", 1, 1, false };
	struct lp_oci_line line = { 0 };
	struct making making;
	struct lp_err err = { 0 };
	int rc;

	if (!lp_oci_options(argc, argv, create_options, &usage, &line, &rc))
		return rc;
	making_init(&making);
	rc = make(&making, line.rest[0], true, &err);
	if (rc == 0)
		rc = open_start_socket(&making, &err);
	if (rc == 0)
		rc = lp_container_create(&making.config.container, &making.container, &err);
	lp_oci_cgroup_settle(making.cgroup_parent);
	if (rc == 0)
		rc = finish(&making, &err);
	if (rc == 0)
		rc = lp_container_leave(making.container, &err);
	if (rc == 0)
		rc = complete(&making, &err);
	if (rc < 0)
		undo(&making);
	making_fini(&making);
	return rc < 0 ? lp_oci_fail(&err) : 0;
}

/* ---- run ---- */

static int
attend(struct making *making, int signals, int *out_status, struct lp_err *err)
{
	struct lp_container_exit end = { 0 };
	lp_auto_fd int master = lp_container_take_terminal(making->container);
	int rc = lp_oci_console_attend(signals, lp_container_pid(making->container), lp_container_pidfd(making->container), master, err);

	if (rc == 0)
		rc = lp_container_wait(making->container, &end, err);
	*out_status = end.code;
	return rc;
}

static int
run(struct making *making, const char *id, int *out_status, struct lp_err *err)
{
	lp_auto_fd int signals = -1;
	int rc = make(making, id, wanted.detach, err);

	if (rc == 0 && !wanted.detach)
		rc = lp_oci_console_prepare(&signals, err);
	if (rc == 0 && !wanted.detach && !wanted.no_subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		rc = lp_err_set(err, -errno, "become the subreaper");
	if (rc == 0)
		rc = lp_container_create(&making->config.container, &making->container, err);
	lp_oci_cgroup_settle(making->cgroup_parent);
	if (rc == 0)
		rc = finish(making, err);
	if (rc == 0)
		rc = lp_container_start(making->container, err);
	if (rc == 0)
		lp_oci_debug("container %s: init: closing the pipe to signal completion", id);
	if (rc == 0)
		rc = complete(making, err);
	if (rc == 0)
		rc = lp_oci_start_after(&making->found, making->container, making->spec, err);
	if (rc < 0 || wanted.detach)
		return rc;
	/* Others may change it while it runs. */
	lp_close(&making->found.home.lock);
	rc = attend(making, signals, out_status, err);
	return rc;
}

/* At the end of `run`: as `delete` would. Somebody else may have been faster. */
static void
delete_after(const char *id)
{
	struct lp_oci_found found;
	struct lp_err err = { 0 };

	if (lp_oci_find(id, true, &found, &err) == 0 && lp_oci_destroy(&found, &err) < 0)
		lp_oci_warn("%s", err.text);
	lp_oci_found_fini(&found);
}

int
lp_oci_run_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "Makes the container of a bundle, runs its program, and ends with its status.",
		"run --bundle /var/bundles/web web", 1, 1, false };
	struct lp_oci_line line = { 0 };
	struct making making;
	struct lp_err err = { 0 };
	int rc, status = 0, failed;

	if (!lp_oci_options(argc, argv, run_options, &usage, &line, &rc))
		return rc;
	making_init(&making);
	rc = run(&making, line.rest[0], &status, &err);
	if (rc < 0)
		undo(&making);
	making_fini(&making);
	if (rc < 0) {
		(void)lp_oci_fail(&err);
		failed = lp_container_exec_failed(&err);
		return failed ? failed : 1;
	}
	if (!wanted.detach && !wanted.keep)
		delete_after(line.rest[0]);
	return status;
}

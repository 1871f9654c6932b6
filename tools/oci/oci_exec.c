#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
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

/* exec: one more process in a running container, described by options or by a file. */

static struct {
	const char *user, *cwd, *process, *apparmor, *label, *pid_file, *console_socket, *pidfd_socket, *cgroup;
	struct lp_opt_list env, caps, groups;
	int64_t preserve_fds;
	bool terminal, no_new_privs, detach, ignore_paused;
} wanted = { .user = NULL };

static const struct lp_opt options[] = {
	{ "env", 'e', LP_OPT_LIST, &wanted.env, "NAME=VALUE", "a variable of its environment; may be given again" },
	{ "tty", 't', LP_OPT_FLAG, &wanted.terminal, NULL, "with a terminal" },
	{ "user", 'u', LP_OPT_STR, &wanted.user, "UID[:GID]", "who it is" },
	{ "additional-gids", 'g', LP_OPT_LIST, &wanted.groups, "GID", "a group more; may be given again" },
	{ "cwd", 0, LP_OPT_STR, &wanted.cwd, "DIR", "where it begins" },
	{ "cap", 'c', LP_OPT_LIST, &wanted.caps, "CAPABILITY", "a capability more; may be given again" },
	{ "process", 'p', LP_OPT_STR, &wanted.process, "FILE", "all of it as JSON, instead of a command" },
	{ "no-new-privs", 0, LP_OPT_FLAG, &wanted.no_new_privs, NULL, "it cannot gain rights by execve" },
	{ "apparmor", 0, LP_OPT_STR, &wanted.apparmor, "PROFILE", "its AppArmor profile" },
	{ "process-label", 0, LP_OPT_STR, &wanted.label, "LABEL", "its SELinux label" },
	{ "preserve-fds", 0, LP_OPT_INT, &wanted.preserve_fds, "N", "give it descriptors 3 to 3+N-1" },
	{ "detach", 'd', LP_OPT_FLAG, &wanted.detach, NULL, "return when it runs" },
	{ "pid-file", 0, LP_OPT_STR, &wanted.pid_file, "FILE", "write its pid there" },
	{ "console-socket", 0, LP_OPT_STR, &wanted.console_socket, "SOCKET", "send its terminal there" },
	{ "pidfd-socket", 0, LP_OPT_STR, &wanted.pidfd_socket, "SOCKET", "send a pidfd of it there" },
	{ "cgroup", 0, LP_OPT_STR, &wanted.cgroup, "PATH", "a cgroup below the container's" },
	{ "ignore-paused", 0, LP_OPT_FLAG, &wanted.ignore_paused, NULL, "also in a paused container" },
	{ "no-subreaper", 0, LP_OPT_FLAG, &(bool){ false }, NULL, "accepted: exec never is one" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

struct making {
	struct lp_oci_found found;
	struct lp_oci_spec *spec;
	struct lp_oci_config config;	/* for the seccomp filter and notes */
	struct lp_process_config process;
	struct lp_container *container;
};

/* ---- options over the container's process ---- */

static int
parse_user(struct making *making, struct lp_oci_process *process, struct lp_err *err)
{
	struct lp_oci_user *user = lp_arena_alloc(&making->found.arena, sizeof(*user));
	const char *colon = strchr(wanted.user, ':');
	char uid_text[16];
	uint64_t uid, gid = 0;

	(void)snprintf(uid_text, sizeof(uid_text), "%.*s", colon ? (int)(colon - wanted.user < 15 ? colon - wanted.user : 15) : 15, wanted.user);
	if (!user || lp_text_u64(uid_text, UINT32_MAX - 1, &uid) < 0 || (colon && lp_text_u64(colon + 1, UINT32_MAX - 1, &gid) < 0))
		return lp_err_say(err, -EINVAL, "--user: \"%.40s\" is not UID[:GID]", wanted.user);
	if (process->user)
		*user = *process->user;
	user->uid = (struct lp_oci_number){ (int64_t)uid, true };
	if (colon)
		user->gid = (struct lp_oci_number){ (int64_t)gid, true };
	process->user = user;
	return 0;
}

static int
add_words(struct lp_arena *arena, struct lp_oci_words *words, const struct lp_opt_list *more, struct lp_err *err)
{
	const char **items = lp_arena_alloc(arena, (words->count + more->count + 1) * sizeof(*items));

	if (!items)
		return lp_err_set(err, -ENOMEM, "process");
	if (words->count)
		memcpy(items, words->items, words->count * sizeof(*items));
	memcpy(items + words->count, more->items, more->count * sizeof(*items));
	words->count += more->count;
	words->items = items;
	words->set = true;
	return 0;
}

/* --cap gives bounding, effective and permitted; inheritable and ambient only where the container's process has them, as runc. */
static int
add_caps(struct making *making, struct lp_oci_process *process, struct lp_err *err)
{
	struct lp_arena *arena = &making->found.arena;
	struct lp_oci_caps *caps = lp_arena_alloc(arena, sizeof(*caps));
	int rc;

	if (!caps)
		return lp_err_set(err, -ENOMEM, "process");
	if (process->caps)
		*caps = *process->caps;
	process->caps = caps;
	rc = add_words(arena, &caps->bounding, &wanted.caps, err);
	if (rc == 0)
		rc = add_words(arena, &caps->effective, &wanted.caps, err);
	if (rc == 0)
		rc = add_words(arena, &caps->permitted, &wanted.caps, err);
	if (rc == 0 && caps->ambient.count)
		rc = add_words(arena, &caps->inheritable, &wanted.caps, err);
	if (rc == 0 && caps->ambient.count)
		rc = add_words(arena, &caps->ambient, &wanted.caps, err);
	return rc;
}

static int
add_groups(struct making *making, struct lp_oci_process *process, struct lp_err *err)
{
	struct lp_arena *arena = &making->found.arena;
	struct lp_oci_user *user = lp_arena_alloc(arena, sizeof(*user));
	uint32_t *items;

	if (!user)
		return lp_err_set(err, -ENOMEM, "process");
	if (process->user)
		*user = *process->user;
	items = lp_arena_alloc(arena, (user->groups.count + wanted.groups.count + 1) * sizeof(*items));
	if (!items)
		return lp_err_set(err, -ENOMEM, "process");
	if (user->groups.count)
		memcpy(items, user->groups.items, user->groups.count * sizeof(*items));
	for (size_t i = 0; i < wanted.groups.count; i++) {
		uint64_t gid;

		if (lp_text_u64(wanted.groups.items[i], UINT32_MAX - 1, &gid) < 0)
			return lp_err_say(err, -EINVAL, "--additional-gids: \"%.40s\" is no group", wanted.groups.items[i]);
		items[user->groups.count++] = (uint32_t)gid;
	}
	user->groups.items = items;
	process->user = user;
	return 0;
}

static int
from_options(struct making *making, const struct lp_oci_line *line, struct lp_oci_process *process, struct lp_err *err)
{
	int rc = 0;

	if (line->count < 2)
		return lp_err_say(err, -EINVAL, "exec: a command or --process is needed");
	process->args = (struct lp_oci_words){ .items = line->rest + 1, .count = (size_t)line->count - 1, .set = true };
	process->terminal = wanted.terminal;
	process->console = NULL;
	if (wanted.cwd)
		process->cwd = wanted.cwd;
	if (wanted.no_new_privs)
		process->no_new_privs = true;
	if (wanted.apparmor)
		process->apparmor = wanted.apparmor;
	if (wanted.label)
		process->selinux = wanted.label;
	if (wanted.env.count)
		rc = add_words(&making->found.arena, &process->env, &wanted.env, err);
	if (rc == 0 && wanted.user)
		rc = parse_user(making, process, err);
	if (rc == 0 && wanted.groups.count)
		rc = add_groups(making, process, err);
	if (rc == 0 && wanted.caps.count)
		rc = add_caps(making, process, err);
	return rc;
}

static int
from_file(struct making *making, struct lp_oci_process *process, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	const struct lp_oci_process own = *process;
	struct lp_oci_process *read;
	int rc;

	lp_buf_init(&text, LP_OCI_CONFIG_MAX);
	rc = lp_oci_read_file(wanted.process, &text, err);
	if (rc == 0)
		rc = lp_oci_spec_parse_process(&making->found.arena, lp_buf_text(&text), text.len, &read, err);
	if (rc < 0)
		return rc;
	*process = *read;
	/* A file that names no label does not free it from the container's. */
	if (!process->apparmor)
		process->apparmor = own.apparmor;
	if (!process->selinux)
		process->selinux = own.selinux;
	if (wanted.terminal)
		process->terminal = true;
	return 0;
}

/* ---- the process ---- */

/* The container's own root, whatever lies in its place in the bundle by now. -1: not to be seen. */
static int
open_root(const struct making *making)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)lp_container_pid(making->container));
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);	/* a link of /proc by nature; everything below is resolved inside it */
}

static bool
has_user_namespace(const struct lp_oci_spec *spec)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->namespaces.count; i++)
		if (strcmp(spec->linux_->namespaces.items[i].type, "user") == 0)
			return true;
	return false;
}

static int
prepare(struct making *making, const struct lp_oci_line *line, struct lp_err *err)
{
	static const struct lp_oci_process none = { .cwd = "/" };
	struct lp_oci_process process;
	lp_auto_fd int root = -1;
	int rc = lp_oci_read_spec(&making->found.home, &making->found.arena, &making->spec, err);

	if (rc == 0)
		rc = lp_oci_rootless_amend(&making->found.arena, making->spec, err);
	if (rc < 0)
		return rc;
	process = making->spec->process ? *making->spec->process : none;
	rc = wanted.process ? from_file(making, &process, err) : from_options(making, line, &process, err);
	if (rc < 0)
		return rc;
	root = open_root(making);
	rc = lp_oci_process_make(&making->found.arena, &process, root, has_user_namespace(making->spec), &making->process, &making->config.notes, err);
	if (rc == 0)
		rc = lp_oci_config_seccomp(&making->found.arena, making->spec, &making->config, &making->process, err);
	if (rc < 0)
		return rc;
	if (wanted.groups.count == 0)
		lp_oci_config_groups(making->spec, &making->process, &making->config.notes);
	making->process.keep_fds = (uint32_t)wanted.preserve_fds;
	making->process.sub_cgroup = wanted.cgroup;
	if (making->config.notes.len)
		lp_oci_warn("container %s: %s", making->found.state.id, lp_buf_text(&making->config.notes));
	if (making->process.terminal && wanted.detach && !wanted.console_socket)
		return lp_err_say(err, -EINVAL, "cannot allocate tty if %s will detach without setting console socket", lp_oci_global.program);
	if (wanted.console_socket && !making->process.terminal)
		return lp_err_say(err, -EINVAL, "cannot use console socket if %s will not detach or allocate tty", lp_oci_global.program);
	return 0;
}

static int
check(const struct lp_oci_found *found, struct lp_err *err)
{
	if (wanted.preserve_fds < 0 || wanted.preserve_fds > 4096)
		return lp_err_say(err, -EINVAL, "--preserve-fds: %lld is no number of descriptors", (long long)wanted.preserve_fds);
	if (found->status == LP_OCI_STOPPED)
		return lp_err_say(err, -EINVAL, "cannot exec in a stopped container");
	if (found->status == LP_OCI_PAUSED && !wanted.ignore_paused)
		return lp_err_say(err, -EINVAL, "cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

static int
exec(struct making *making, const struct lp_oci_line *line, int *out_status, struct lp_err *err)
{
	static const char name[] = "/dev/ptmx";
	struct lp_process process;
	struct lp_container_exit end = { 0 };
	lp_auto_fd int signals = -1;
	int rc = lp_oci_find(line->rest[0], false, &making->found, err);

	if (rc == 0)
		rc = check(&making->found, err);
	if (rc == 0)
		rc = lp_oci_rootless_join(making->found.state.record.pid, err);
	if (rc == 0)
		rc = lp_oci_adopt(&making->found, &making->container, err);
	if (rc == 0)
		rc = prepare(making, line, err);
	if (rc == 0 && !wanted.detach)
		rc = lp_oci_console_prepare(&signals, err);
	if (rc < 0)
		return rc;
	lp_process_init(&process);
	lp_oci_debug("container %s: nsexec container setup, joining its namespaces", making->found.state.id);
	lp_oci_debug("container %s: setns_init: about to exec %s", making->found.state.id, making->process.args[0]);
	rc = lp_container_exec(making->container, &making->process, &process, err);
	if (rc == 0)
		lp_oci_debug("container %s: child process in init() was pid %d", making->found.state.id, (int)process.pid);
	if (rc == 0 && process.listener >= 0)
		rc = lp_oci_start_listener(&making->found, making->spec, process.pid, making->found.state.record.pid, process.listener, err);
	lp_close(&process.listener);
	if (rc == 0 && wanted.console_socket)
		rc = lp_oci_console_send(wanted.console_socket, name, sizeof(name) - 1, process.terminal, err);
	if (rc == 0 && wanted.pidfd_socket)
		rc = lp_oci_console_send(wanted.pidfd_socket, LP_OCI_PIDFD_NAME, sizeof(LP_OCI_PIDFD_NAME) - 1, process.pidfd, err);
	if (rc == 0 && wanted.pid_file)
		rc = lp_oci_write_pid(wanted.pid_file, process.pid, err);
	if (rc < 0 && process.pid > 0)
		(void)kill(process.pid, SIGKILL);	/* our child, not reaped yet */
	if (rc == 0 && !wanted.detach)
		rc = lp_oci_console_attend(signals, process.pid, process.pidfd, wanted.console_socket ? -1 : process.terminal, err);
	if (rc == 0 && !wanted.detach)
		rc = lp_process_wait(&process, &end, err);
	*out_status = end.code;
	lp_process_fini(&process);
	return rc;
}

int
lp_oci_exec_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER COMMAND [ARG...]", "Runs one more process inside a running container.",
		"exec -t --user 1000:1000 web sh", 1, -1, true };
	struct lp_oci_line line = { 0 };
	struct making making = { 0 };
	struct lp_err err = { 0 };
	int rc, status = 0;

	if (!lp_oci_options(argc, argv, options, &usage, &line, &rc))
		return rc;
	lp_buf_init(&making.config.seccomp, 256 << 10);
	lp_buf_init(&making.config.notes, 2048);
	lp_oci_home_init(&making.found.home);
	for (int i = 0; i < LP_NS_COUNT; i++)
		making.config.ns_fds[i] = -1;
	rc = exec(&making, &line, &status, &err);
	lp_container_free(making.container);
	lp_oci_config_fini(&making.config);
	lp_oci_found_fini(&making.found);
	if (rc < 0) {
		(void)lp_oci_fail(&err);
		return LP_OCI_EXIT_EXEC;
	}
	return status;
}

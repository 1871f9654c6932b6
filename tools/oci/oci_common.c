#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/oci/oci_config.h"
#include "runtime/oci/oci_spec.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_common.h"

enum { KILL_WAIT_MS = 10000, EMPTY_WAIT_MS = 10000, ORPHAN_WAIT_MS = 2000 };

/* ---- files ---- */

int
lp_oci_read_file(const char *path, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_fd int fd = strcmp(path, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return lp_err_set(err, -errno, "open %s", path);
	return lp_path_read_fd(fd, out, err) < 0 ? lp_err_wrap(err, "%s", path) : 0;
}

int
lp_oci_write_pid(const char *path, pid_t pid, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char fresh[4200], text[16];
	int rc, len = snprintf(text, sizeof(text), "%d", (int)pid);

	if (snprintf(fresh, sizeof(fresh), "%s.%d.new", path, (int)getpid()) >= (int)sizeof(fresh))
		return lp_err_set(err, -ENAMETOOLONG, "pid file %s", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return lp_err_set(err, -errno, "pid file %s", path);
	rc = lp_path_write_all(fd, text, (size_t)len, err);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = lp_err_set(err, -errno, "pid file %s", path);
	if (rc < 0)
		(void)unlink(fresh);	/* the failure to report is the first one */
	return rc;
}

/* ---- signals ---- */

static const struct signal_name {
	char name[8];
	uint8_t number;
} signals[] = {
	{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "BUS", SIGBUS }, { "CHLD", SIGCHLD }, { "CLD", SIGCHLD }, { "CONT", SIGCONT },
	{ "FPE", SIGFPE }, { "HUP", SIGHUP }, { "ILL", SIGILL }, { "INT", SIGINT }, { "IO", SIGIO }, { "IOT", SIGABRT },
	{ "KILL", SIGKILL }, { "PIPE", SIGPIPE }, { "POLL", SIGPOLL }, { "PROF", SIGPROF }, { "PWR", SIGPWR }, { "QUIT", SIGQUIT },
	{ "SEGV", SIGSEGV }, { "STKFLT", SIGSTKFLT }, { "STOP", SIGSTOP }, { "SYS", SIGSYS }, { "TERM", SIGTERM }, { "TRAP", SIGTRAP },
	{ "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
	{ "VTALRM", SIGVTALRM }, { "WINCH", SIGWINCH }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },
};

int
lp_oci_signal_parse(const char *text, int *out, struct lp_err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t number;

	if (lp_text_u64(text, 64, &number) == 0) {
		*out = (int)number;
		return 0;
	}
	for (size_t i = 0; i < lp_count(signals); i++) {
		if (strcasecmp(signals[i].name, name) == 0) {
			*out = signals[i].number;
			return 0;
		}
	}
	if (strncasecmp(name, "RTMIN+", 6) == 0 && lp_text_u64(name + 6, 30, &number) == 0) {
		*out = 34 + (int)number;	/* as glibc counts: the first two are its own */
		return 0;
	}
	if (strncasecmp(name, "RTMAX-", 6) == 0 && lp_text_u64(name + 6, 30, &number) == 0) {
		*out = 64 - (int)number;
		return 0;
	}
	return lp_err_say(err, -EINVAL, "unknown signal \"%.40s\"", text);
}

/* ---- finding ---- */

void
lp_oci_found_fini(struct lp_oci_found *found)
{
	lp_oci_home_fini(&found->home);
	lp_arena_fini(&found->arena);
}

/* What a creator that was killed has left. Its lock is ours. */
static int
clean_debris(struct lp_oci_found *found, bool has_state)
{
	struct lp_err ignored;

	lp_oci_debug("container %s was never complete, cleaning up", found->home.id);
	if (has_state)
		return lp_oci_destroy(found, &ignored);
	lp_oci_cgroup_tidy(NULL);
	return lp_oci_home_remove(&found->home, &ignored);
}

int
lp_oci_find(const char *id, bool lock, struct lp_oci_found *out, struct lp_err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	lp_arena_init(&out->arena, LP_OCI_ARENA_MAX);
	lp_oci_home_init(&out->home);
	rc = lp_oci_home_open(lp_oci_global.root, id, lock, &out->home, err);
	if (rc < 0)
		return rc;
	rc = lp_oci_state_read(&out->home, &out->arena, &out->state, err);
	if (rc == 0)
		out->status = lp_oci_state_status(&out->state);
	if ((rc == 0 && out->status != LP_OCI_CREATING) || (rc < 0 && rc != -ENOENT))
		return rc;
	if (lock) {
		/* Whoever makes a container holds its lock until it is complete. */
		(void)clean_debris(out, rc == 0);	/* what it could not remove is there the next time */
		return lp_err_say(err, -ENOENT, "container %s does not exist", id);
	}
	if (lp_oci_home_busy(&out->home))
		return rc;
	lp_oci_found_fini(out);
	return lp_oci_find(id, true, out, err);
}

int
lp_oci_verb(int argc, char **argv, const struct lp_opt *options, const struct lp_oci_usage *usage, bool lock, lp_oci_act_fn act)
{
	static const struct lp_opt none[] = { { NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL } };
	struct lp_oci_line line = { 0 };
	struct lp_oci_found found;
	struct lp_err err = { 0 };
	int rc;

	if (!lp_oci_options(argc, argv, options ? options : none, usage, &line, &rc))
		return rc;
	rc = lp_oci_find(line.rest[0], lock, &found, &err);
	if (rc == 0)
		rc = act(&found, &line, &err);
	lp_oci_found_fini(&found);
	return rc < 0 ? lp_oci_fail(&err) : 0;
}

int
lp_oci_adopt(const struct lp_oci_found *found, struct lp_container **out, struct lp_err *err)
{
	lp_auto_fd int parent = -1;

	/* Without its cgroup it is still found by its pid. */
	if (found->state.cgroup[0] && lp_oci_state_cgroup_parent(&found->state, &parent, NULL) < 0)
		lp_oci_debug("the cgroup of container %s is gone", found->state.id);
	return lp_container_adopt(&found->state.record, parent, out, err);
}

/* ---- hooks ---- */

int
lp_oci_print_state(const struct lp_oci_state *state, const char *status, pid_t pid, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *json;

	lp_arena_init(&arena, LP_OCI_ARENA_MAX);
	json = lp_oci_state_document(&arena, state, status, pid, false);
	if (arena.failed || lp_json_write(out, json) < 0)
		return lp_err_set(err, -ENOMEM, "state");
	return 0;
}

int
lp_oci_run_hooks(const struct lp_hook *hooks, size_t count, const char *kind, const struct lp_buf *state, bool go_on, struct lp_err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct lp_err words = { 0 };
		int rc = lp_hook_run(&hooks[i], state->data, state->len, &words);

		if (rc == 0)
			continue;
		(void)lp_err_wrap(&words, "error running %s hook #%zu", kind, i);
		if (!go_on) {
			if (err)
				*err = words;
			return rc;
		}
		lp_oci_warn("%s", words.text);
	}
	return 0;
}

int
lp_oci_read_spec(const struct lp_oci_home *home, struct lp_arena *arena, struct lp_oci_spec **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, LP_OCI_CONFIG_MAX);
	rc = lp_path_read(home->dir, "config.json", &text, err);
	return rc < 0 ? rc : lp_oci_spec_parse(arena, lp_buf_text(&text), text.len, out, err);
}

static int
run_poststop(struct lp_oci_found *found, struct lp_err *err)
{
	lp_auto_buf struct lp_buf state;
	const struct lp_hook *hooks;
	struct lp_oci_spec *spec;
	int rc = lp_oci_read_spec(&found->home, &found->arena, &spec, err);

	lp_buf_init(&state, LP_OCI_CONFIG_MAX);
	if (rc < 0 || !spec->hooks)
		return rc;
	rc = lp_oci_config_hooks(&found->arena, spec->hooks->poststop.items, spec->hooks->poststop.count, &hooks, err);
	if (rc == 0)
		rc = lp_oci_print_state(&found->state, "stopped", 0, &state, err);
	return rc < 0 ? rc : lp_oci_run_hooks(hooks, spec->hooks->poststop.count, "poststop", &state, true, err);
}

/* ---- the end of one ---- */

static int
wait_pidfd(int pidfd, int ms)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	int rc;

	do {
		rc = poll(&poll_fd, 1, ms);
	} while (rc < 0 && errno == EINTR);
	return rc > 0 ? 0 : -ETIMEDOUT;
}

static int
kill_process(struct lp_oci_found *found, struct lp_err *err)
{
	struct lp_container *container = NULL;
	int rc = lp_oci_adopt(found, &container, err);

	if (container && rc == 0) {
		rc = lp_container_kill(container, err);
		if (rc == 0 && wait_pidfd(lp_container_pidfd(container), KILL_WAIT_MS) < 0)
			rc = lp_err_say(err, -ETIMEDOUT, "container %s: its first process did not end", found->state.id);
	} else if (rc == -ESRCH) {
		rc = 0;
	}
	lp_container_free(container);
	return rc;
}

int
lp_oci_wait_cgroup(int cgroup, bool (*done)(int cgroup), int wait_ms)
{
	const int64_t end = lp_clock_boot_ms() + wait_ms;
	lp_auto_fd int events = -1;

	events = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (events < 0)
		return -errno;
	while (!done(cgroup)) {
		struct pollfd poll_fd = { .fd = events, .events = POLLPRI };
		const int64_t left = end - lp_clock_boot_ms();
		char ignored[256];

		if (left <= 0)
			return -ETIMEDOUT;
		/* Reading arms the next event; what it says is looked up by done. */
		if (pread(events, ignored, sizeof(ignored), 0) < 0)
			return -errno;
		if (done(cgroup))
			break;
		(void)poll(&poll_fd, 1, left < 200 ? (int)left : 200);	/* looked at again in any case */
	}
	return 0;
}

static bool
is_empty(int cgroup)
{
	bool populated = true;

	return lp_cgroup_populated(cgroup, &populated, NULL) < 0 || !populated;
}

/* The directory that was made for it, or another one under its name by now? */
static bool
is_claimed(const struct lp_oci_state *state, int cgroup)
{
	uint64_t id;

	return lp_cgroup_id(cgroup, &id, NULL) == 0 && id == state->record.cgroup_id;
}

static int
remove_cgroup(const struct lp_oci_found *found, struct lp_err *err)
{
	lp_auto_fd int parent = -1, cgroup = -1;
	int rc;

	if (!found->state.cgroup[0] || lp_oci_state_cgroup_parent(&found->state, &parent, NULL) < 0)
		return 0;
	if (lp_cgroup_open(parent, found->state.record.cgroup_name, &cgroup, NULL) < 0) {
		lp_oci_cgroup_tidy(found->state.cgroup);
		return 0;
	}
	if (!is_empty(cgroup)) {
		const bool ours = is_claimed(&found->state, cgroup);

		rc = ours ? lp_cgroup_kill(cgroup, err) : 0;
		if (rc < 0)
			return rc;
		/* A child of a killed creator ends by itself at once; else somebody else lives there. */
		if (!ours && lp_oci_wait_cgroup(cgroup, is_empty, ORPHAN_WAIT_MS) < 0)
			return 0;
		if (lp_oci_wait_cgroup(cgroup, is_empty, EMPTY_WAIT_MS) < 0)
			return lp_err_say(err, -EBUSY, "container %s: processes in its cgroup do not end", found->state.id);
	}
	rc = lp_cgroup_remove(parent, found->state.record.cgroup_name, err);
	if (rc == 0)
		lp_oci_cgroup_tidy(found->state.cgroup);
	return rc;
}

bool
lp_oci_root_mount(const char *path, uint64_t *out)
{
	struct statx st = { 0 };

	*out = 0;
	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return false;
	*out = st.stx_mnt_id;
	return st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* Without a mount namespace its tree lies on its root, for all to see: no other end of theirs takes it away. */
static void
remove_mounts(const struct lp_oci_state *state)
{
	uint64_t now;

	if (state->root_mount && lp_oci_root_mount(state->rootfs, &now) && now != state->root_mount &&
	    umount2(state->rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		lp_oci_warn("container %s: mounts on %s stay: %s", state->id, state->rootfs, lp_err_words(errno));
}

int
lp_oci_destroy(struct lp_oci_found *found, struct lp_err *err)
{
	struct lp_err words = { 0 };
	int rc = found->state.record.pid > 0 ? kill_process(found, err) : 0;

	if (rc == 0)
		rc = remove_cgroup(found, err);
	if (rc < 0)
		return rc;
	remove_mounts(&found->state);
	if (found->state.ready && found->state.poststop && run_poststop(found, &words) < 0)
		lp_oci_warn("%s", words.text);
	return lp_oci_home_remove(&found->home, err);
}

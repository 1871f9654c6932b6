#include "runtime/oci/oci_state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"

enum { STATE_MAX = 16 << 20, LOCK_WAIT_S = 60, PF_NOT_EXECUTED = 0x40 };

/* ---- the directory ---- */

void
lp_oci_home_init(struct lp_oci_home *home)
{
	home->root = home->dir = home->lock = -1;
	home->id[0] = '\0';
}

void
lp_oci_home_fini(struct lp_oci_home *home)
{
	lp_close(&home->root);
	lp_close(&home->dir);
	lp_close(&home->lock);
}

int
lp_oci_id_check(const char *id, struct lp_err *err)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_+-.", id[i]))
			return lp_err_say(err, -EINVAL, "invalid container ID format: %.64s has other characters than letters, digits and _+-.", id);
	if (len == 0 || len >= sizeof(((struct lp_oci_home *)0)->id) || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return lp_err_say(err, -EINVAL, "invalid container ID format: \"%.64s\"", id);
	return 0;
}

static void
waited_long_enough(int signal)
{
	(void)signal;	/* it is there to interrupt fcntl */
}

/* Wait for the lock, but not for ever. */
static int
take_lock(int fd, const char *id, struct lp_err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct sigaction wake = { .sa_handler = waited_long_enough };
	struct sigaction before;
	const struct itimerval limit = { .it_value.tv_sec = LOCK_WAIT_S };
	const struct itimerval off = { 0 };
	int rc;

	if (fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	if (sigaction(SIGALRM, &wake, &before) < 0 || setitimer(ITIMER_REAL, &limit, NULL) < 0)
		return lp_err_set(err, -errno, "wait for container %s", id);
	rc = fcntl(fd, F_SETLKW, &lock) < 0 ? -errno : 0;
	(void)setitimer(ITIMER_REAL, &off, NULL);	/* cannot fail with these arguments, nor can the next */
	(void)sigaction(SIGALRM, &before, NULL);
	if (rc == -EINTR)
		return lp_err_say(err, -ETIMEDOUT, "container %s: another command is at work on it for more than %d s", id, LOCK_WAIT_S);
	return rc < 0 ? lp_err_set(err, rc, "lock container %s", id) : 0;
}

bool
lp_oci_home_busy(const struct lp_oci_home *home)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	lp_auto_fd int fd = openat(home->dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int
open_lock(struct lp_oci_home *home, int flags, struct lp_err *err)
{
	home->lock = openat(home->dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return home->lock < 0 ? lp_err_set(err, -errno, "lock of container %s", home->id) : take_lock(home->lock, home->id, err);
}

/* Half-made and half-removed directories carry the number of their process; no id has a colon. */
static void
temporary_name(char *out, size_t size)
{
	(void)snprintf(out, size, "new:%d", (int)getpid());
}

static int
sweep_one(void *arg, const char *name)
{
	uint64_t pid;

	if (!lp_text_starts(name, "new:") || lp_text_u64(name + 4, INT32_MAX, &pid) < 0 || (pid_t)pid == getpid())
		return 0;
	if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		(void)lp_path_remove(*(int *)arg, name, NULL);	/* the next one tries again */
	return 0;
}

/* What processes that were killed have left. */
static void
sweep(int root)
{
	(void)lp_path_each(root, sweep_one, &root, NULL);	/* as above */
}

int
lp_oci_home_create(const char *root, const char *id, struct lp_oci_home *out, struct lp_err *err)
{
	struct lp_oci_home home;
	char fresh[40];
	int rc = lp_oci_id_check(id, err);

	lp_oci_home_init(&home);
	(void)snprintf(home.id, sizeof(home.id), "%s", id);
	temporary_name(fresh, sizeof(fresh));
	if (rc == 0)
		rc = lp_path_root(root, true, &home.root, err);
	if (rc == 0)
		sweep(home.root);
	if (rc == 0 && faccessat(home.root, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		rc = lp_err_say(err, -EEXIST, "container with given ID already exists: %s", id);
	if (rc == 0)
		rc = lp_path_remove(home.root, fresh, err);	/* of a process that had our number */
	if (rc == 0 && mkdirat(home.root, fresh, 0700) < 0)
		rc = lp_err_set(err, -errno, "make a directory in %s", root);
	if (rc == 0)
		rc = lp_path_open(home.root, fresh, O_RDONLY | O_DIRECTORY, 0, &home.dir, err);
	if (rc == 0)
		rc = open_lock(&home, O_CREAT | O_EXCL, err);
	/* A directory with a lock in it cannot be renamed over. */
	if (rc == 0 && renameat(home.root, fresh, home.root, id) < 0)
		rc = errno == ENOTEMPTY || errno == EEXIST ? lp_err_say(err, -EEXIST, "container with given ID already exists: %s", id) :
		    lp_err_set(err, -errno, "make the directory of container %s", id);
	if (rc < 0) {
		if (home.dir >= 0)
			(void)lp_path_remove(home.root, fresh, NULL);	/* the failure to report is the first one */
		lp_oci_home_fini(&home);
		return rc;
	}
	*out = home;
	return 0;
}

static int
missing(const char *id, struct lp_err *err)
{
	return lp_err_say(err, -ENOENT, "container %s does not exist", id);
}

int
lp_oci_home_open(const char *root, const char *id, bool lock, struct lp_oci_home *out, struct lp_err *err)
{
	struct lp_oci_home home;
	struct stat st;
	int rc = lp_oci_id_check(id, err);

	lp_oci_home_init(&home);
	(void)snprintf(home.id, sizeof(home.id), "%s", id);
	if (rc == 0)
		rc = lp_path_root(root, false, &home.root, err);
	if (rc == 0)
		rc = lp_path_open(home.root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &home.dir, err);
	if (rc == 0 && lock)
		rc = open_lock(&home, 0, err);
	/* Removed while we waited? */
	if (rc == 0 && lock && (fstat(home.lock, &st) < 0 || st.st_nlink == 0))
		rc = -ENOENT;
	if (rc == -ENOENT || rc == -ENOTDIR) {
		if (home.root >= 0)
			sweep(home.root);
		rc = missing(id, err);
	}
	if (rc < 0) {
		lp_oci_home_fini(&home);
		return rc;
	}
	*out = home;
	return 0;
}

int
lp_oci_home_remove(struct lp_oci_home *home, struct lp_err *err)
{
	char name[40];
	int rc;

	/* Gone in one step, wherever the rest is interrupted. */
	temporary_name(name, sizeof(name));
	rc = lp_path_remove(home->root, name, err);
	if (rc == 0 && renameat(home->root, home->id, home->root, name) < 0)
		rc = lp_err_set(err, -errno, "remove the state of container %s", home->id);
	return rc < 0 ? rc : lp_path_remove(home->root, name, err);
}

struct each {
	int (*call)(void *arg, const char *id);
	void *arg;
};

static int
each_name(void *arg, const char *name)
{
	const struct each *each = arg;

	return lp_oci_id_check(name, NULL) < 0 ? 0 : each->call(each->arg, name);
}

int
lp_oci_home_each(const char *root, int (*call)(void *arg, const char *id), void *arg, struct lp_err *err)
{
	struct each each = { .call = call, .arg = arg };
	lp_auto_fd int fd = -1;
	int rc = lp_path_root(root, false, &fd, err);

	if (rc == -ENOENT) {
		lp_err_clear(err);
		return 0;
	}
	if (rc == 0)
		sweep(fd);
	return rc < 0 ? rc : lp_path_each(fd, each_name, &each, err);
}

/*
 * In one step. What is there changes places with it and goes then: a file that is renamed over another is written out at once by
 * ext4 (auto_da_alloc, Documentation/admin-guide/ext4.rst), and nothing here has to outlive the boot.
 */
static int
take_place(int dir, const char *fresh, const char *name)
{
	if (renameat2(dir, fresh, dir, name, RENAME_EXCHANGE) == 0)
		return unlinkat(dir, fresh, 0);
	return renameat(dir, fresh, dir, name);	/* nothing is there, or the file system cannot exchange */
}

int
lp_oci_home_put(const struct lp_oci_home *home, const char *name, const void *data, size_t len, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char fresh[64];
	int rc;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(home->dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return lp_err_set(err, -errno, "write %s of container %s", name, home->id);
	rc = lp_path_write_all(fd, data, len, err);
	if (rc == 0 && take_place(home->dir, fresh, name) < 0)
		rc = lp_err_set(err, -errno, "write %s of container %s", name, home->id);
	return rc;
}

/* ---- state.json ---- */

static int
print(const struct lp_oci_home *home, const struct lp_oci_state *state, struct lp_arena *arena, struct lp_buf *out, struct lp_err *err)
{
	const struct lp_container_record *record = &state->record;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);
	char number[24];

	(void)lp_json_set_str(arena, json, "ociVersion", state->version);
	(void)lp_json_set_str(arena, json, "bundle", state->bundle);
	(void)lp_json_set_str(arena, json, "rootfs", state->rootfs);
	(void)lp_json_set_str(arena, json, "created", state->created);
	(void)lp_json_set_str(arena, json, "owner", state->owner);
	(void)lp_json_set_str(arena, json, "cgroup", state->cgroup);
	(void)lp_json_set_bool(arena, json, "ready", state->ready);
	(void)lp_json_set_bool(arena, json, "poststart", state->poststart);
	(void)lp_json_set_bool(arena, json, "poststop", state->poststop);
	(void)lp_json_set_bool(arena, json, "sharedPids", state->shared_pids);
	(void)lp_json_set_int(arena, json, "rootMount", (int64_t)state->root_mount);
	(void)lp_json_set_str(arena, json, "bootId", record->boot_id);
	(void)lp_json_set_int(arena, json, "pid", record->pid);
	(void)lp_json_set_int(arena, json, "startTicks", (int64_t)record->start_ticks);
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)record->cgroup_id);
	(void)lp_json_set_str(arena, json, "cgroupId", number);
	(void)lp_json_set_str(arena, json, "cgroupName", record->cgroup_name);
	if (state->annotations)
		(void)lp_json_set(arena, json, "annotations", lp_json_copy(arena, state->annotations));
	if (arena->failed || lp_json_write(out, json) < 0)
		return lp_err_set(err, -ENOMEM, "state of container %s", home->id);
	return 0;
}

int
lp_oci_state_write(const struct lp_oci_home *home, const struct lp_oci_state *state, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_arena_init(&arena, STATE_MAX);
	lp_buf_init(&text, STATE_MAX);
	rc = print(home, state, &arena, &text, err);
	return rc < 0 ? rc : lp_oci_home_put(home, "state.json", text.data, text.len, err);
}

static void
copy_text(char *out, size_t size, const struct lp_json *json, const char *key)
{
	const char *text = lp_json_str(json, key);

	(void)snprintf(out, size, "%s", text ? text : "");
}

static const char *
or_empty(const char *text)
{
	return text ? text : "";
}

int
lp_oci_state_read(const struct lp_oci_home *home, struct lp_arena *arena, struct lp_oci_state *out, struct lp_err *err)
{
	static const struct lp_json_limits limits = { .bytes = STATE_MAX };
	lp_auto_buf struct lp_buf text;
	struct lp_oci_state state = { 0 };
	struct lp_json *json;
	int rc;

	lp_buf_init(&text, STATE_MAX);
	rc = lp_path_read(home->dir, "state.json", &text, err);
	if (rc < 0)
		return rc == -ENOENT ? missing(home->id, err) : rc;
	if (lp_json_parse(arena, lp_buf_text(&text), text.len, &limits, &json, err) < 0)
		return lp_err_wrap(err, "state of container %s", home->id);
	state.id = home->id;
	state.version = or_empty(lp_json_str(json, "ociVersion"));
	state.bundle = or_empty(lp_json_str(json, "bundle"));
	state.rootfs = or_empty(lp_json_str(json, "rootfs"));
	state.created = or_empty(lp_json_str(json, "created"));
	state.owner = or_empty(lp_json_str(json, "owner"));
	state.cgroup = or_empty(lp_json_str(json, "cgroup"));
	state.annotations = lp_json_get(json, "annotations");
	state.ready = lp_json_bool(json, "ready", false);
	state.poststart = lp_json_bool(json, "poststart", false);
	state.poststop = lp_json_bool(json, "poststop", false);
	state.shared_pids = lp_json_bool(json, "sharedPids", false);
	state.root_mount = (uint64_t)lp_json_int(json, "rootMount", 0);
	(void)snprintf(state.record.id, sizeof(state.record.id), "%s", home->id);
	copy_text(state.record.boot_id, sizeof(state.record.boot_id), json, "bootId");
	copy_text(state.record.cgroup_name, sizeof(state.record.cgroup_name), json, "cgroupName");
	state.record.pid = (int32_t)lp_json_int(json, "pid", 0);
	state.record.start_ticks = (uint64_t)lp_json_int(json, "startTicks", 0);
	(void)lp_text_u64(or_empty(lp_json_str(json, "cgroupId")), UINT64_MAX, &state.record.cgroup_id);	/* else 0: none */
	*out = state;
	return 0;
}

/* ---- what the kernel says ---- */

/* Alive, and under the same number the same process? */
static bool
find_process(const struct lp_container_record *record, bool *out_executed)
{
	lp_auto_fd int proc = -1;
	lp_auto_buf struct lp_buf text;
	char path[32], boot[LP_CLOCK_BOOT_ID];
	const char *after, *word;
	uint64_t flags = 0, ticks = 0;
	size_t len;

	lp_buf_init(&text, 4096);
	(void)snprintf(path, sizeof(path), "%d/stat", (int)record->pid);
	if (record->pid <= 0 || lp_clock_boot_id(boot, NULL) < 0 || strcmp(boot, record->boot_id) != 0)
		return false;
	if (lp_path_root("/proc", false, &proc, NULL) < 0 || lp_path_read(proc, path, &text, NULL) < 0)
		return false;
	after = strrchr(lp_buf_text(&text), ')');	/* ends field 2: word 0 here */
	word = after ? lp_text_word(after, 1, &len) : NULL;
	if (!word || *word == 'Z' || *word == 'X' || lp_text_word_u64(after, 7, UINT32_MAX, &flags) < 0 ||
	    lp_text_word_u64(after, 20, UINT64_MAX, &ticks) < 0)
		return false;
	*out_executed = !(flags & PF_NOT_EXECUTED);
	return ticks == record->start_ticks;
}

int
lp_oci_state_cgroup_parent(const struct lp_oci_state *state, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int root = -1;
	char parent[1024];
	const char *slash = strrchr(state->cgroup, '/');
	int rc;

	if (!state->cgroup[0] || !slash || (size_t)(slash - state->cgroup) >= sizeof(parent))
		return lp_err_say(err, -ENOENT, "container %s has no cgroup", state->id);
	(void)snprintf(parent, sizeof(parent), ".%.*s", (int)(slash - state->cgroup), state->cgroup);
	rc = lp_cgroup_root_open(NULL, &root, err);
	return rc < 0 ? rc : lp_path_open(root, parent, O_RDONLY | O_DIRECTORY, 0, out_fd, err);
}

int
lp_oci_state_cgroup(const struct lp_oci_state *state, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int parent = -1;
	int rc = lp_oci_state_cgroup_parent(state, &parent, err);

	return rc < 0 ? rc : lp_cgroup_open(parent, state->record.cgroup_name, out_fd, err);
}

static bool
is_frozen(const struct lp_oci_state *state)
{
	lp_auto_fd int cgroup = -1;
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 64);
	return lp_oci_state_cgroup(state, &cgroup, NULL) == 0 && lp_path_read(cgroup, "cgroup.freeze", &text, NULL) == 0 &&
	    lp_buf_text(&text)[0] == '1';
}

enum lp_oci_status
lp_oci_state_status(const struct lp_oci_state *state)
{
	bool executed = false;

	if (!state->ready)
		return LP_OCI_CREATING;
	if (!find_process(&state->record, &executed))
		return LP_OCI_STOPPED;
	if (is_frozen(state))
		return LP_OCI_PAUSED;
	return executed ? LP_OCI_RUNNING : LP_OCI_CREATED;
}

const char *
lp_oci_status_name(enum lp_oci_status status)
{
	switch (status) {
	case LP_OCI_CREATING:
		return "creating";
	case LP_OCI_CREATED:
		return "created";
	case LP_OCI_RUNNING:
		return "running";
	case LP_OCI_PAUSED:
		return "paused";
	case LP_OCI_STOPPED:
		return "stopped";
	}
	return "unknown";
}

struct lp_json *
lp_oci_state_document(struct lp_arena *arena, const struct lp_oci_state *state, const char *status, pid_t pid, bool more)
{
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);

	(void)lp_json_set_str(arena, json, "ociVersion", state->version);
	(void)lp_json_set_str(arena, json, "id", state->id);
	(void)lp_json_set_int(arena, json, "pid", pid);
	(void)lp_json_set_str(arena, json, "status", status);
	(void)lp_json_set_str(arena, json, "bundle", state->bundle);
	if (more) {
		(void)lp_json_set_str(arena, json, "rootfs", state->rootfs);
		(void)lp_json_set_str(arena, json, "created", state->created);
	}
	if (state->annotations)
		(void)lp_json_set(arena, json, "annotations", lp_json_copy(arena, state->annotations));
	if (more)
		(void)lp_json_set_str(arena, json, "owner", state->owner);
	return json;
}

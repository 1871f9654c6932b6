/* keeper/control_spawn.c - starting a keeper, finding keepers, cleaning up behind a dead one; see control.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/child.h"
#include "base/path.h"
#include "base/state.h"
#include "keeper/control.h"
#include "keeper/keeper.h"

/* Descriptors of the keeper-to-be, in the order of enum lp_keeper_fd, its executable behind them. */
struct launch {
	int fds[LP_KEEPER_FD_COUNT - LP_KEEPER_FD_RECORD + 1];
	int report_fd;		/* its pid, then nothing or what failed */
	const char *title;
};

#define EXE_FD LP_KEEPER_FD_COUNT
#define REPORT_FD (LP_KEEPER_FD_COUNT + 1)
#define ABOVE 64		/* descriptors are moved up here before they are put in their places */

static int
memory_file(const struct lp_control_pod *pod, int *out_fd, struct lp_err *err)
{
	lp_auto_buf struct lp_buf record;
	lp_auto_fd int fd = -1;
	int rc;

	lp_buf_init(&record, LP_CONTROL_RECORD);
	rc = lp_control_pod_write(&record, pod, err);
	if (rc < 0)
		return rc;
	fd = memfd_create("pod", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return lp_err_set(err, -errno, "memfd_create");
	rc = lp_path_write_all(fd, record.data, record.len, err);
	if (rc < 0)
		return rc;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return lp_err_set(err, -errno, "seal the pod's record");
	*out_fd = lp_take_fd(&fd);
	return 0;
}

static __attribute__((noreturn)) void
fail(int report_fd, int code, const char *what)
{
	struct lp_err err;

	(void)lp_err_set(&err, code, "keeper: %s", what);
	(void)!write(report_fd, &err, sizeof(err));	/* the agent sees the end of the pipe anyway */
	_exit(127);
}

/* In the grandchild: descriptors in their places, everything else closed, then the keeper's program. */
static __attribute__((noreturn)) void
become_keeper(const struct launch *launch)
{
	char *const argv[] = { (char *)(uintptr_t)"limpet", (char *)(uintptr_t)"keeper", (char *)(uintptr_t)launch->title, NULL };
	char *const env[] = { NULL };
	sigset_t none;
	pid_t pid = getpid();
	int moved[lp_count(launch->fds)], report, null;

	report = fcntl(launch->report_fd, F_DUPFD_CLOEXEC, ABOVE);
	if (report < 0)
		_exit(127);
	for (size_t i = 0; i < lp_count(launch->fds); i++) {
		moved[i] = fcntl(launch->fds[i], F_DUPFD_CLOEXEC, ABOVE);
		if (moved[i] < 0)
			fail(report, -errno, "fcntl");
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		fail(report, -errno, "/dev/null");
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			fail(report, -errno, "dup2");
	for (size_t i = 0; i < lp_count(launch->fds); i++)
		if (dup2(moved[i], LP_KEEPER_FD_RECORD + (int)i) < 0)
			fail(report, -errno, "dup2");
	if (dup3(report, REPORT_FD, O_CLOEXEC) < 0 || fcntl(EXE_FD, F_SETFD, FD_CLOEXEC) < 0)
		fail(report, -errno, "dup3");
	if (syscall(SYS_close_range, REPORT_FD + 1, ~0u, 0) < 0)
		fail(REPORT_FD, -errno, "close_range");
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (chdir("/") < 0)
		fail(REPORT_FD, -errno, "chdir");
	if (write(REPORT_FD, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
		fail(REPORT_FD, -EIO, "report");
	(void)syscall(SYS_execveat, EXE_FD, "", argv, env, AT_EMPTY_PATH);
	fail(REPORT_FD, -errno, "execveat");
}

/* Two generations: the keeper is no child of the agent, it belongs to init. */
static int
launch_detached(const struct launch *launch, int cgroup_fd, struct lp_err *err)
{
	pid_t pid, done;
	int status;

	pid = lp_child_fork_into(cgroup_fd);
	if (pid < 0)
		return lp_err_set(err, -errno, "keeper: clone");
	if (pid == 0) {
		pid_t keeper;

		(void)setsid();
		keeper = lp_child_fork_into(-1);
		if (keeper == 0)
			become_keeper(launch);
		_exit(keeper < 0 ? 1 : 0);
	}
	do
		done = waitpid(pid, &status, 0);
	while (done < 0 && errno == EINTR);
	if (done < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return lp_err_say(err, -EAGAIN, "keeper: it could not be cloned");
	return 0;
}

static int
read_report(int fd, pid_t *out_pid, struct lp_err *err)
{
	struct lp_err failure;
	ssize_t n;

	do
		n = read(fd, out_pid, sizeof(*out_pid));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*out_pid))
		return lp_err_say(err, -EIO, "keeper: it died at once");
	do
		n = read(fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(failure) || failure.code >= 0)
		return lp_err_say(err, -EIO, "keeper: it died at once");
	return lp_err_say(err, failure.code, "%.*s", (int)sizeof(failure.text) - 1, failure.text);
}

static int
make_directory(int parent_fd, const char *name, bool fresh, int *out_fd, struct lp_err *err)
{
	if (mkdirat(parent_fd, name, 0700) < 0 && (fresh || errno != EEXIST))
		return lp_err_set(err, -errno, "directory of pod %s", name);
	return lp_path_open(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, out_fd, err);
}

/* Everything but the directories. On success *out_fd is the agent's end of the socket. */
static int
spawn(const struct lp_control_spawn *how, const struct lp_control_pod *pod, int run_fd, int logs_fd, int *out_fd, pid_t *out_pid,
    struct lp_err *err)
{
	lp_auto_fd int record = -1, agent = -1, keeper = -1, null = -1, exe = -1, in = -1, out = -1, cgroup = -1;
	char title[320];
	struct launch launch;
	int pair[2], rc;

	rc = memory_file(pod, &record, err);
	if (rc < 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return lp_err_set(err, -errno, "socketpair");
	agent = pair[0];
	keeper = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	in = pair[0];
	out = pair[1];
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return lp_err_set(err, -errno, "/dev/null");
	if (how->exe_fd < 0 && (rc = lp_container_exe_open(&exe, err)) < 0)
		return rc;
	if (how->system_cgroup && how->cgroup_root_fd >= 0) {
		rc = lp_cgroup_open(how->cgroup_root_fd, how->system_cgroup, &cgroup, err);
		if (rc < 0)
			return rc;
	}
	(void)snprintf(title, sizeof(title), "%s/%s", pod->namespace, pod->name);
	launch = (struct launch){
		.fds = { record, keeper, run_fd, logs_fd, how->cgroup_root_fd >= 0 ? how->cgroup_root_fd : null,
		    how->exe_fd >= 0 ? how->exe_fd : exe },
		.report_fd = out,
		.title = title,
	};
	rc = launch_detached(&launch, cgroup, err);
	if (rc < 0)
		return rc;
	lp_close(&out);
	rc = read_report(in, out_pid, err);
	if (!rc)
		*out_fd = lp_take_fd(&agent);
	return rc;
}

int
lp_control_spawn(struct lp_loop *loop, struct lp_control *control, const struct lp_control_spawn *how, const struct lp_control_pod *pod,
    const struct lp_control_ops *ops, void *owner, struct lp_err *err)
{
	lp_auto_fd int run = -1, logs = -1, fd = -1;
	pid_t pid;
	int rc;

	rc = make_directory(how->run_pods_fd, pod->uid, true, &run, err);
	if (rc < 0)
		return rc;
	rc = make_directory(how->run_logs_fd, pod->uid, false, &logs, err);
	if (!rc)
		rc = spawn(how, pod, run, logs, &fd, &pid, err);
	if (!rc)
		rc = lp_control_start(loop, control, fd, ops, owner, err);
	if (rc < 0) {
		struct lp_control half = { .fd = fd };

		(void)lp_control_forget(&half, false, NULL);	/* if it lives already */
		(void)lp_path_remove(how->run_pods_fd, pod->uid, NULL);		/* the failure that counts is the first */
		(void)lp_err_wrap(err, "pod %s/%s", pod->namespace, pod->name);
		return rc;
	}
	(void)lp_take_fd(&fd);
	control->keeper_pid = pid;
	return 0;
}

int
lp_control_each(int run_pods_fd, int (*call)(void *arg, const char *uid), void *arg, struct lp_err *err)
{
	return lp_path_each(run_pods_fd, call, arg, err);
}

static int
read_last(struct lp_arena *arena, int run_pods_fd, const char *uid, struct lp_control_state *out_state,
    struct lp_control_status **out_statuses, size_t *out_count, const char **out_cgroup, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	lp_auto_fd int dir = -1;
	int rc;

	lp_buf_init(&bytes, LP_CONTROL_RECORD);
	rc = lp_path_open(run_pods_fd, uid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &dir, err);
	if (!rc)
		rc = lp_state_read(dir, LP_CONTROL_STATE_FILE, LP_CONTROL_STATE_SCHEMA, &bytes, NULL, err);
	if (!rc)
		rc = lp_control_last_parse(arena, bytes.data, bytes.len, out_state, out_statuses, out_count, out_cgroup, err);
	if (rc < 0)
		(void)lp_err_wrap(err, "pod %s", uid);
	return rc;
}

int
lp_control_last(struct lp_arena *arena, int run_pods_fd, const char *uid, struct lp_control_state *out_state,
    struct lp_control_status **out_statuses, size_t *out_count, struct lp_err *err)
{
	const char *cgroup;

	return read_last(arena, run_pods_fd, uid, out_state, out_statuses, out_count, &cgroup, err);
}

/* Kill and remove the pod's cgroup. -EBUSY while something in it is still dying. */
static int
remove_cgroup(int root_fd, const char *path, struct lp_err *err)
{
	lp_auto_fd int fd = -1, parent = -1;
	lp_auto_free char *copy = strdup(path);
	bool lives;
	char *leaf;
	int rc;

	if (!copy)
		return lp_err_set(err, -ENOMEM, "cgroup %s", path);
	leaf = strrchr(copy, '/');
	if (leaf)
		*leaf++ = '\0';
	rc = lp_cgroup_open(root_fd, path, &fd, err);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	rc = lp_cgroup_kill(fd, err);
	if (!rc)
		rc = lp_cgroup_populated(fd, &lives, err);
	if (rc < 0)
		return rc;
	if (lives)
		return lp_err_set(err, -EBUSY, "cgroup %s", path);
	rc = leaf ? lp_cgroup_open(root_fd, copy, &parent, err) : 0;
	return rc < 0 ? rc : lp_cgroup_remove(leaf ? parent : root_fd, leaf ? leaf : copy, err);
}

/* One process of a pod without a cgroup: its pid namespace ends with it. Counts as *out_lives until it is gone. */
static int
end_process(const struct lp_control_state *state, int32_t pid, uint64_t start_ticks, bool *out_lives, struct lp_err *err)
{
	struct lp_container_record record = { .pid = pid, .start_ticks = start_ticks };
	struct lp_container *container = NULL;
	int rc;

	if (pid <= 0 || !start_ticks || !state->boot_id)
		return 0;
	(void)snprintf(record.id, sizeof(record.id), "%s", state->uid ? state->uid : "");
	(void)snprintf(record.boot_id, sizeof(record.boot_id), "%s", state->boot_id);
	rc = lp_container_adopt(&record, -1, &container, err);
	if (rc == 0)
		rc = lp_container_kill(container, err);
	lp_container_free(container);
	if (rc == -ESRCH)
		return 0;	/* gone, or another one by now */
	*out_lives = true;
	return rc;
}

static int
end_processes(const struct lp_control_state *state, const struct lp_control_status *statuses, size_t count, struct lp_err *err)
{
	bool lives = false;
	int rc = end_process(state, state->reaper, state->reaper_ticks, &lives, err);

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = end_process(state, statuses[i].pid, statuses[i].start_ticks, &lives, err);
	return rc < 0 || !lives ? rc : lp_err_set(err, -EBUSY, "processes of pod %s", state->uid);
}

int
lp_control_cleanup(const struct lp_control_spawn *how, const char *uid, bool keep_logs, struct lp_err *err)
{
	struct lp_control_state state;
	struct lp_control_status *statuses;
	const char *cgroup = NULL;
	lp_auto_arena struct lp_arena arena;
	lp_auto_fd int fd = -1;
	size_t count;
	int rc;

	lp_arena_init(&arena, LP_CONTROL_RECORD);
	rc = lp_control_connect(how->run_pods_fd, uid, &fd, err);
	if (rc == 0)
		return lp_err_say(err, -EEXIST, "pod %s: its keeper lives", uid);
	if (rc != -ECONNREFUSED && rc != -ENOENT)
		return rc;
	rc = read_last(&arena, how->run_pods_fd, uid, &state, &statuses, &count, &cgroup, err);
	if (!rc && cgroup && how->cgroup_root_fd >= 0)
		rc = remove_cgroup(how->cgroup_root_fd, cgroup, err);
	if (!rc)
		rc = end_processes(&state, statuses, count, err);
	if (rc < 0 && rc != -ENOENT) {		/* no state: it died before it made anything */
		(void)lp_err_wrap(err, "clean up behind the keeper");
		return rc;
	}
	rc = lp_path_remove(how->run_pods_fd, uid, err);
	if (!rc && !keep_logs && how->run_logs_fd >= 0)
		rc = lp_path_remove(how->run_logs_fd, uid, err);
	if (!rc)
		lp_err_clear(err);
	return rc;
}

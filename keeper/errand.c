/* keeper/errand.c - see errand.h. */
#include "keeper/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "keeper/keeper.h"

#define READS_A_TURN 4

/* ---- its end ---- */

static void
read_text(struct lp_errand *errand)
{
	char bytes[LP_ERRAND_TEXT];

	for (int i = 0; i < READS_A_TURN && errand->text_fd >= 0; i++) {
		ssize_t n = read(errand->text_fd, bytes, sizeof(bytes));
		size_t room = LP_ERRAND_TEXT - 1 - errand->len;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lp_watch_stop(&errand->text_watch);
			lp_close(&errand->text_fd);
			return;
		}
		if (!errand->text)
			errand->text = lp_seam.alloc(LP_ERRAND_TEXT);
		if (!errand->text)
			continue;	/* without memory its words are lost, its end is not */
		memcpy(errand->text + errand->len, bytes, (size_t)n < room ? (size_t)n : room);
		errand->len += (size_t)n < room ? (size_t)n : room;
	}
}

static void
text_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	(void)events;
	(void)now_ms;
	read_text(lp_of(watch, struct lp_errand, text_watch));
}

/* A process that was killed and whose end nobody waits for: it may take its time, we must not. */
struct orphan {
	struct lp_watch watch;
	struct lp_process process;
};

static void
orphan_ended(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct orphan *orphan = lp_of(watch, struct orphan, watch);
	struct lp_container_exit end;

	(void)events;
	(void)now_ms;
	if (lp_process_wait(&orphan->process, &end, NULL) == -EAGAIN)
		return;
	lp_watch_stop(&orphan->watch);
	lp_process_fini(&orphan->process);
	free(orphan);
}

static void
kill_process(struct lp_errand *errand)
{
	struct orphan *orphan;

	if (errand->process.pid <= 0)
		return;
	(void)kill(errand->process.pid, SIGKILL);	/* our child, not reaped yet */
	orphan = lp_seam.alloc(sizeof(*orphan));
	if (orphan && errand->process.pidfd >= 0) {
		orphan->process = errand->process;
		if (lp_watch_start(errand->ward->keeper->loop, &orphan->watch, orphan->process.pidfd, EPOLLIN | EPOLLET, orphan_ended, NULL) == 0)
			lp_process_init(&errand->process);	/* the orphan's now */
		else
			free(orphan);
	} else {
		free(orphan);		/* stays a zombie until we go */
	}
	errand->process.pid = 0;
}

static void
clean_up(struct lp_errand *errand)
{
	lp_watch_stop(&errand->exit_watch);
	lp_watch_stop(&errand->text_watch);
	lp_timer_stop(&errand->timer);
	lp_defer_cancel(&errand->broken);
	lp_close(&errand->text_fd);
	lp_process_fini(&errand->process);
	errand->process.pid = 0;
	errand->busy = false;
}

static void
finish(struct lp_errand *errand, enum lp_errand_result result, const char *text, int64_t now_ms)
{
	char *said = errand->text;

	errand->text = NULL;
	clean_up(errand);
	errand->done(errand, result, text, now_ms);
	free(said);		/* `text` may be in it, and done() may have begun anew */
}

void
lp_errand_cancel(struct lp_errand *errand)
{
	if (!errand->busy)
		return;
	lp_watch_stop(&errand->exit_watch);
	kill_process(errand);
	free(errand->text);
	errand->text = NULL;
	clean_up(errand);
}

static bool
is_question(const struct lp_control_action *action)
{
	return action->deed != LP_CONTROL_DEED_EXEC && action->deed != LP_CONTROL_DEED_SLEEP;
}

/* The words of the command, cleaned for an event: no control characters, no white space at the end. */
static const char *
words(struct lp_errand *errand)
{
	size_t len = errand->len;

	if (!errand->text)
		return "";
	while (len && (unsigned char)errand->text[len - 1] <= ' ')
		len--;
	errand->text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)errand->text[i] < ' ' && errand->text[i] != '\n' && errand->text[i] != '\t')
			errand->text[i] = '?';
	return errand->text;
}

static void
exited(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_errand *errand = lp_of(watch, struct lp_errand, exit_watch);
	struct lp_container_exit end = { 0 };
	enum lp_errand_result result;

	(void)events;
	if (lp_process_wait(&errand->process, &end, NULL) == -EAGAIN)
		return;
	errand->process.pid = 0;
	read_text(errand);
	result = end.code == 0 ? LP_ERRAND_DONE : is_question(errand->action) && end.code != 1 ? LP_ERRAND_BROKEN : LP_ERRAND_FAILED;
	finish(errand, result, words(errand), now_ms);
}

/* It has had its time, or it was a rest. */
static void
timed_out(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_errand *errand = lp_of(timer, struct lp_errand, timer);
	char late[192] = "no answer in time";

	if (errand->action->deed == LP_CONTROL_DEED_SLEEP) {
		finish(errand, LP_ERRAND_DONE, "", now_ms);
		return;
	}
	lp_watch_stop(&errand->exit_watch);
	kill_process(errand);
	if (!is_question(errand->action))
		(void)snprintf(late, sizeof(late), "command timed out: \"%.100s\" timed out after %" PRId64 "ms", errand->action->args[0],
		    errand->timeout_ms);
	finish(errand, LP_ERRAND_FAILED, late, now_ms);
}

static void
not_begun(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_errand *errand = lp_of(defer, struct lp_errand, broken);

	finish(errand, LP_ERRAND_BROKEN, words(errand), now_ms);
}

/* ---- its beginning ---- */

static int
run_command(struct lp_errand *errand, int out_fd, struct lp_err *err)
{
	struct lp_ward *ward = errand->ward;
	struct lp_process_config config = ward->spec->config.process;
	int rc;

	config.args = errand->action->args;
	config.terminal = false;
	config.stdio[0] = -1;
	config.stdio[1] = config.stdio[2] = out_fd;
	rc = lp_ward_own_pipe(ward, out_fd, err);
	return rc < 0 ? rc : lp_container_exec(ward->container, &config, &errand->process, err);
}

static _Noreturn void
become_prober(int exe_fd, int action_fd, int out_fd, int net_fd, uint32_t id, pid_t parent)
{
	char uid[16];
	char *const argv[] = { (char *)(uintptr_t)"limpet", (char *)(uintptr_t)"prober", uid, NULL };
	char *const env[] = { NULL };
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(uid, sizeof(uid), "%u", id);
	(void)sigemptyset(&none);
	if (getppid() == parent && sigprocmask(SIG_SETMASK, &none, NULL) == 0 && (net_fd < 0 || setns(net_fd, CLONE_NEWNET) == 0) &&
	    dup2(action_fd, 0) == 0 && dup2(out_fd, 1) == 1 && dup2(out_fd, 2) == 2)
		(void)syscall(SYS_execveat, exe_fd, "", argv, env, AT_EMPTY_PATH);
	_exit(2);
}

static int
make_action(const struct lp_control_action *action, int *out_fd, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	lp_auto_fd int fd = -1;
	int rc;

	lp_buf_init(&bytes, LP_CONTROL_PACKET);
	rc = lp_control_action_write(&bytes, action, err);
	if (rc < 0)
		return rc;
	fd = memfd_create("action", MFD_CLOEXEC);
	if (fd < 0)
		return lp_err_set(err, -errno, "memfd_create");
	rc = lp_path_write_all(fd, bytes.data, bytes.len, err);
	if (!rc && lseek(fd, 0, SEEK_SET) < 0)
		rc = lp_err_set(err, -errno, "lseek");
	if (!rc)
		*out_fd = lp_take_fd(&fd);
	return rc;
}

static int
run_question(struct lp_errand *errand, int out_fd, struct lp_err *err)
{
	const struct lp_keeper *keeper = errand->ward->keeper;
	lp_auto_fd int exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	lp_auto_fd int action = -1;
	uint32_t id = 65534;		/* nobody: of the pod where it has ids of its own */
	pid_t pid, self = getpid();
	int rc;

	if (exe < 0)
		return lp_err_set(err, -errno, "our executable");
	if (!keeper->pod.host_users)
		(void)lp_ns_map(keeper->pod.uids, keeper->pod.uid_count, id, &id);	/* not mapped: the host's nobody is as good */
	rc = make_action(errand->action, &action, err);
	if (rc < 0)
		return rc;
	pid = fork();
	if (pid < 0)
		return lp_err_set(err, -errno, "fork");
	if (pid == 0)
		become_prober(exe, action, out_fd, keeper->sandbox.ns.fds[LP_NS_NET], id, self);
	errand->process.pid = pid;
	errand->process.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return errand->process.pidfd < 0 ? lp_err_set(err, -errno, "pidfd_open") : 0;
}

static int
begin(struct lp_errand *errand, struct lp_err *err)
{
	lp_auto_fd int out = -1;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	errand->text_fd = ends[0];
	out = ends[1];
	if (fcntl(errand->text_fd, F_SETFL, O_RDONLY | O_NONBLOCK) < 0)
		return lp_err_set(err, -errno, "fcntl");
	rc = lp_err_say(err, -EOPNOTSUPP, "this keeper does not know how to do %d", (int)errand->action->deed);
	switch ((enum lp_control_deed)errand->action->deed) {
	case LP_CONTROL_DEED_EXEC:
		rc = run_command(errand, out, err);
		break;
	case LP_CONTROL_DEED_HTTP:
	case LP_CONTROL_DEED_TCP:
	case LP_CONTROL_DEED_GRPC:
		rc = run_question(errand, out, err);
		break;
	case LP_CONTROL_DEED_NONE:
	case LP_CONTROL_DEED_SLEEP:
		break;
	}
	return rc;
}

static int
watch(struct lp_errand *errand, struct lp_err *err)
{
	struct lp_loop *loop = errand->ward->keeper->loop;
	int rc = 0;

	if (errand->process.pidfd >= 0)
		rc = lp_watch_start(loop, &errand->exit_watch, errand->process.pidfd, EPOLLIN | EPOLLET, exited, err);
	if (!rc && errand->text_fd >= 0)
		rc = lp_watch_start(loop, &errand->text_watch, errand->text_fd, EPOLLIN, text_ready, err);
	if (!rc && errand->due_ms)
		rc = lp_timer_start(loop, &errand->timer, errand->due_ms, timed_out);
	return rc;
}

static void
break_off(struct lp_errand *errand, const struct lp_err *err)
{
	lp_errand_cancel(errand);
	errand->busy = true;
	errand->text = strdup(err->code < 0 ? err->text : "no memory");
	errand->len = errand->text ? strlen(errand->text) : 0;
	lp_loop_defer(errand->ward->keeper->loop, &errand->broken, not_begun);
}

void
lp_errand_start(struct lp_errand *errand, struct lp_ward *ward, const struct lp_control_action *action, int64_t timeout_ms,
    lp_errand_fn done)
{
	bool rest = action->deed == LP_CONTROL_DEED_SLEEP;
	int64_t due_ms = rest && (!timeout_ms || action->sleep_ms < timeout_ms) ? action->sleep_ms : timeout_ms;
	struct lp_err err = { 0 };
	int rc = 0;

	*errand = (struct lp_errand){ .ward = ward, .action = action, .text_fd = -1, .timeout_ms = timeout_ms, .busy = true, .done = done };
	lp_process_init(&errand->process);
	if (rest || timeout_ms)
		errand->due_ms = lp_loop_now(ward->keeper->loop) + due_ms;
	if (!rest)
		rc = begin(errand, &err);
	if (!rc)
		rc = watch(errand, &err);
	if (rc < 0)
		break_off(errand, &err);
}

void
lp_errand_resume(struct lp_errand *errand, struct lp_ward *ward, const struct lp_control_action *action, const struct lp_errand *from,
    lp_errand_fn done)
{
	struct lp_err err = { 0 };

	*errand = (struct lp_errand){ .ward = ward, .action = action, .text_fd = from->text_fd, .timeout_ms = from->timeout_ms,
		.due_ms = from->due_ms, .process = from->process, .busy = true, .done = done };
	if (watch(errand, &err) < 0)
		break_off(errand, &err);
}

/* keeper/ward.c - see ward.h. */
#include "keeper/ward.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/seam.h"
#include "keeper/keeper.h"

#define READ_BYTES 4096
#define READS_A_TURN 4		/* a flooding container gets its share, no more */
#define READS_AT_END 64		/* what a pipe may still hold */

void
lp_ward_init(struct lp_ward *ward, struct lp_keeper *keeper, const struct lp_control_container *spec)
{
	memset(ward, 0, sizeof(*ward));
	ward->keeper = keeper;
	ward->spec = spec;
	ward->facts.role = spec->role == LP_CONTROL_INIT ? LP_PLAN_INIT :
	    spec->role == LP_CONTROL_SIDECAR ? LP_PLAN_SIDECAR : LP_PLAN_MAIN;
	ward->terminal_fd = ward->stdin_fd = ward->logs.fd = -1;
	for (int i = 0; i < LP_LOGS_STREAMS; i++) {
		ward->pipes[i].fd = -1;
		ward->pipes[i].stream = (uint8_t)i;
	}
	for (int i = 0; i < LP_WARD_READERS; i++)
		ward->readers[i][0] = ward->readers[i][1] = -1;
	ward->attempt = spec->attempt;
	ward->delay_ms = -1;
	ward->dirty = true;
	lp_arena_init(&ward->limits_arena, LP_CONTROL_PACKET);
}

/* ---- output ---- */

static void
drop_reader(struct lp_ward *ward, int reader, int stream)
{
	lp_close(&ward->readers[reader][stream]);
}

static void
copy_to_readers(struct lp_ward *ward, int stream, const char *data, size_t len)
{
	for (int i = 0; i < LP_WARD_READERS; i++) {
		if (ward->readers[i][stream] < 0)
			continue;
		if (lp_seam.write(ward->readers[i][stream], data, len) < 0 && errno != EAGAIN && errno != EINTR)
			drop_reader(ward, i, stream);	/* its reader is gone; a slow one misses this piece */
	}
}

/* One read. False when there is nothing more: at the end of the stream *out_end is set. */
static bool
pump(struct lp_ward *ward, struct lp_ward_pipe *pipe, bool *out_end)
{
	char data[READ_BYTES];
	struct timespec wall;
	ssize_t n;

	do
		n = read(pipe->fd, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	*out_end = n == 0 || (n < 0 && errno != EAGAIN);	/* a terminal says EIO when its last user is gone */
	if (n <= 0)
		return false;
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	lp_logs_add(&ward->logs, pipe->stream, data, (size_t)n, wall.tv_sec, (int32_t)wall.tv_nsec);
	copy_to_readers(ward, pipe->stream, data, (size_t)n);
	return true;
}

static void
close_pipe(struct lp_ward *ward, struct lp_ward_pipe *pipe)
{
	lp_watch_stop(&pipe->watch);
	if (pipe->fd == ward->terminal_fd)
		ward->terminal_fd = -1;
	lp_close(&pipe->fd);
}

static void
output_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_ward_pipe *pipe = lp_of(watch, struct lp_ward_pipe, watch);
	struct lp_ward *ward = lp_of(pipe - pipe->stream, struct lp_ward, pipes);
	bool end = false;

	(void)events;
	(void)now_ms;
	for (int i = 0; i < READS_A_TURN; i++)
		if (!pump(ward, pipe, &end))
			break;
	if (end)
		close_pipe(ward, pipe);
}

/* The run is over: read what is left, close everything that belonged to it. */
static void
close_output(struct lp_ward *ward)
{
	struct timespec wall;
	bool end;

	for (int i = 0; i < LP_LOGS_STREAMS; i++) {
		if (ward->pipes[i].fd < 0)
			continue;
		for (int k = 0; k < READS_AT_END; k++)
			if (!pump(ward, &ward->pipes[i], &end))
				break;
		close_pipe(ward, &ward->pipes[i]);
	}
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	lp_logs_close(&ward->logs, wall.tv_sec, (int32_t)wall.tv_nsec);
	lp_close(&ward->stdin_fd);
	for (int i = 0; i < LP_WARD_READERS; i++) {
		drop_reader(ward, i, LP_LOGS_STDOUT);
		drop_reader(ward, i, LP_LOGS_STDERR);
	}
}

int
lp_ward_attach(struct lp_ward *ward, int out_fd, int err_fd, struct lp_err *err)
{
	for (int i = 0; i < LP_WARD_READERS; i++) {
		if (ward->readers[i][0] >= 0 || ward->readers[i][1] >= 0)
			continue;
		if (out_fd >= 0)
			(void)fcntl(out_fd, F_SETFL, fcntl(out_fd, F_GETFL) | O_NONBLOCK);	/* never wait for a reader */
		if (err_fd >= 0)
			(void)fcntl(err_fd, F_SETFL, fcntl(err_fd, F_GETFL) | O_NONBLOCK);
		ward->readers[i][0] = out_fd;
		ward->readers[i][1] = err_fd;
		return 0;
	}
	return lp_err_set(err, -EMFILE, "container %s has %d attached readers", ward->spec->name, LP_WARD_READERS);
}

/* ---- what is left of a run ---- */

static void start_burial(struct lp_ward_remains *remains, int64_t now_ms);

static void
burial_again(struct lp_timer *timer, int64_t now_ms)
{
	start_burial(lp_of(timer, struct lp_ward_remains, again), now_ms);
}

static void
forget_remains(struct lp_ward_remains *remains)
{
	lp_child_cancel(&remains->child);	/* gives back its buffer too */
	lp_timer_stop(&remains->again);
	lp_list_remove(&remains->link);
	lp_container_free(remains->container);
	free(remains);
}

static void
buried(struct lp_child *child, const struct lp_err *err, int64_t now_ms)
{
	struct lp_ward_remains *remains = lp_of(child, struct lp_ward_remains, child);
	struct lp_keeper *keeper = remains->keeper;

	/* Something in its cgroup is still dying, or the disk is in trouble: keep at it, ever more slowly, until told to forget. */
	if (err->code < 0 && !(keeper->forget && remains->tries > 50)) {
		int64_t pause = remains->tries < 20 ? 10 : 1000;

		remains->tries++;
		lp_child_cancel(child);
		if (lp_timer_start(keeper->loop, &remains->again, now_ms + pause, burial_again) == 0)
			return;
	}
	forget_remains(remains);
	lp_keeper_look(keeper);
}

static int
bury(void *arg, struct lp_buf *result, struct lp_err *err)
{
	(void)result;
	return lp_container_remove(arg, err);
}

static void
start_burial(struct lp_ward_remains *remains, int64_t now_ms)
{
	struct lp_err err = { 0 };

	(void)lp_container_kill(remains->container, NULL);	/* with the host's pid namespace others may live on */
	if (lp_child_start(remains->keeper->loop, &remains->child, bury, remains->container, buried, &err) < 0)
		buried(&remains->child, &err, now_ms);
}

void
lp_ward_bury(struct lp_keeper *keeper, struct lp_container *container)
{
	struct lp_ward_remains *remains = lp_seam.alloc(sizeof(*remains));

	if (!remains) {		/* no memory to remember it: do it now, once */
		(void)lp_container_kill(container, NULL);
		(void)lp_container_remove(container, NULL);
		lp_container_free(container);
		return;
	}
	remains->keeper = keeper;
	remains->container = container;
	lp_list_append(&keeper->remains, &remains->link);
	start_burial(remains, lp_loop_now(keeper->loop));
}

void
lp_ward_bury_now(struct lp_keeper *keeper)
{
	lp_list_each(link, &keeper->remains) {
		struct lp_ward_remains *remains = lp_of(link, struct lp_ward_remains, link);

		lp_child_cancel(&remains->child);
		(void)lp_container_remove(remains->container, NULL);
		forget_remains(remains);
	}
}

/* ---- the end of a run ---- */

static void
drop_end(struct lp_ward_end *end)
{
	free(end->message);
	*end = (struct lp_ward_end){ 0 };
}

static char *
read_message(struct lp_ward *ward)
{
	lp_auto_fd int fd = -1;
	char name[96], text[LP_WARD_MESSAGE_BYTES + 1];
	size_t all = LP_WARD_MESSAGES_BYTES / ward->keeper->pod.container_count;	/* each its share */
	ssize_t n;

	(void)snprintf(name, sizeof(name), "messages/%s", ward->spec->name);
	if (!ward->spec->message_path || lp_path_open(ward->keeper->sandbox.dir_fd, name, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL) < 0)
		return NULL;
	n = read(fd, text, all < LP_WARD_MESSAGE_BYTES ? all : LP_WARD_MESSAGE_BYTES);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	return strdup(text);		/* NULL without memory: the end counts more than its message */
}

/* The last lines of its log, as FallbackToLogsOnError wants: at most 2 KiB. */
static char *
read_log_tail(struct lp_ward *ward)
{
	lp_auto_fd int fd = -1;
	char name[LP_CONTROL_LOG_NAME], text[2049], *out;
	struct stat st;
	size_t used = 0;
	ssize_t n;

	lp_control_log_name(ward->spec->name, ward->attempt, false, name);
	if (lp_path_open(ward->keeper->sandbox.logs_fd, name, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL) < 0 || fstat(fd, &st) < 0)
		return NULL;
	n = pread(fd, text, sizeof(text) - 1, st.st_size > 2048 ? st.st_size - 2048 : 0);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	out = lp_seam.alloc((size_t)n + 1);
	for (char *line = text, *next; out && line && *line; line = next) {	/* without "time stream tag " */
		char *at = line;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (int i = 0; i < 3 && at; i++)
			at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
		if (at && !(line == text && st.st_size > 2048))
			used += (size_t)snprintf(out + used, (size_t)n + 1 - used, "%s\n", at);
	}
	return out;
}

static void
finish(struct lp_ward *ward, const struct lp_container_exit *exit, enum lp_ward_reason reason, char *message, int64_t now_ms)
{
	struct lp_restart_limits limits = { ward->keeper->pod.backoff_ms, ward->keeper->pod.backoff_max_ms };

	ward->end = (struct lp_ward_end){
		.set = true,
		.attempt = ward->attempt,
		.code = exit->code,
		.signal = exit->signal,
		.reason = (uint8_t)reason,
		.message = message,
		.started_ms = ward->started_ms,
		.ended_ms = lp_clock_wall_ms(),
	};
	ward->facts.state = LP_PLAN_EXITED;
	ward->facts.exit_code = exit->code;
	if (!ward->facts.anew)
		ward->delay_ms = lp_restart_delay_ms(&limits, ward->delay_ms, now_ms - ward->began_ms);
	ward->facts.again_ms = ward->facts.anew ? now_ms : now_ms + ward->delay_ms;
	ward->dirty = true;
	lp_keeper_changed(ward->keeper);
	lp_keeper_look(ward->keeper);
}

static void
exited(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_ward *ward = lp_of(watch, struct lp_ward, exit_watch);
	struct lp_container_exit end = { 0 };
	enum lp_ward_reason reason;
	struct lp_err err;
	char *message;
	int rc;

	(void)events;
	rc = lp_container_wait(ward->container, &end, &err);
	if (rc == -EAGAIN)
		return;
	if (rc < 0)			/* somebody else reaped it: all we know is that it is gone */
		end = (struct lp_container_exit){ .code = 137, .signal = SIGKILL };
	lp_watch_stop(&ward->exit_watch);
	lp_care_end(ward);
	close_output(ward);
	reason = end.oom_killed ? LP_WARD_OOM : end.code == 0 ? LP_WARD_COMPLETED : LP_WARD_ERROR;
	message = read_message(ward);
	if (!message && end.code != 0 && ward->spec->message_from_log)
		message = read_log_tail(ward);
	lp_ward_bury(ward->keeper, lp_take(&ward->container));
	finish(ward, &end, reason, message, now_ms);
}

/* ---- the beginning of a run ---- */

int
lp_ward_watch(struct lp_ward *ward, struct lp_err *err)
{
	struct lp_loop *loop = ward->keeper->loop;
	int rc;

	/* Edge: one whom the container traces stays readable and cannot be waited for until the tracer lets go, which is another edge. */
	rc = lp_watch_start(loop, &ward->exit_watch, lp_container_pidfd(ward->container), EPOLLIN | EPOLLET, exited, err);
	for (int i = 0; i < LP_LOGS_STREAMS && !rc; i++)
		if (ward->pipes[i].fd >= 0)
			rc = lp_watch_start(loop, &ward->pipes[i].watch, ward->pipes[i].fd, EPOLLIN, output_ready, err);
	return rc;
}

static int
started(struct lp_ward *ward, struct lp_err *err)
{
	const char *notes = lp_container_notes(ward->container);
	int rc;

	if (ward->spec->config.process.terminal) {
		ward->terminal_fd = ward->pipes[0].fd = lp_container_take_terminal(ward->container);
		if (ward->terminal_fd >= 0)
			(void)fcntl(ward->terminal_fd, F_SETFL, O_RDWR | O_NONBLOCK);	/* reads must not block the keeper */
	}
	ward->missing = lp_container_missing(ward->container);
	free(ward->notes);
	ward->notes = notes && notes[0] ? strdup(notes) : NULL;
	rc = lp_ward_watch(ward, err);
	if (rc < 0) {		/* no memory to watch it: better no run than one that nobody watches */
		(void)lp_container_kill(ward->container, NULL);
		lp_watch_stop(&ward->exit_watch);
		lp_ward_bury(ward->keeper, lp_take(&ward->container));
	}
	return rc;
}

void
lp_ward_start(struct lp_ward *ward, int64_t now_ms)
{
	struct lp_err err = { 0 };
	int rc;

	if (ward->starts)
		ward->attempt++;
	ward->starts++;
	if (ward->attempt >= 2)		/* the log of the run before stays for `logs -p` */
		lp_logs_remove(ward->keeper->sandbox.logs_fd, ward->spec->name, ward->attempt - 2);
	drop_end(&ward->last);
	ward->last = ward->end;
	ward->end = (struct lp_ward_end){ 0 };
	ward->facts = (struct lp_plan_container){ .role = ward->facts.role };
	ward->started_ms = lp_clock_wall_ms();
	ward->began_ms = now_ms;
	rc = lp_ward_make(ward, &err);
	if (!rc)
		rc = started(ward, &err);
	if (rc < 0) {
		struct lp_container_exit end = { .code = 128 };

		close_output(ward);
		finish(ward, &end, LP_WARD_START_ERROR, strdup(err.text), now_ms);
		return;
	}
	ward->facts.state = LP_PLAN_RUNNING;
	ward->dirty = true;
	lp_care_begin(ward, now_ms);
	lp_keeper_changed(ward->keeper);
}

void
lp_ward_signal(struct lp_ward *ward, int64_t now_ms)
{
	int signo = ward->spec->stop_signal > 0 ? ward->spec->stop_signal : SIGTERM;

	lp_care_leave_hook(ward);
	ward->facts.signalled = true;
	if (ward->care.hook_used || ward->facts.unwell || (ward->keeper->facts.kill_ms && now_ms >= ward->keeper->facts.kill_ms))
		ward->facts.mercy_ms = now_ms + LP_CARE_MERCY_MS;
	if (ward->container)
		(void)lp_container_signal(ward->container, signo, NULL);	/* cannot be asked: the grace period ends it */
}

void
lp_ward_ask(struct lp_ward *ward, bool hook, int64_t now_ms)
{
	ward->facts.asked = true;
	if (ward->facts.unwell)
		ward->facts.kill_ms = now_ms + ward->care.grace_ms;
	if (!hook || !lp_care_pre_stop(ward))
		lp_ward_signal(ward, now_ms);
}

void
lp_ward_kill(struct lp_ward *ward)
{
	ward->facts.killed = true;
	if (ward->container && lp_container_kill(ward->container, NULL) < 0)
		(void)lp_container_signal(ward->container, SIGKILL, NULL);	/* its pid namespace dies with it */
}

int
lp_ward_resize(struct lp_ward *ward, const struct lp_cgroup_limits *limits, struct lp_err *err)
{
	struct lp_arena arena;
	struct lp_cgroup_limits copy;
	uint32_t missing = 0;
	int rc;

	lp_arena_init(&arena, LP_CONTROL_PACKET);
	rc = lp_control_limits_copy(&arena, limits, &copy, err);
	if (!rc && ward->container)
		rc = lp_container_update(ward->container, limits, &missing, err);
	if (rc < 0) {
		lp_arena_fini(&arena);
		return rc;
	}
	lp_arena_fini(&ward->limits_arena);
	ward->limits_arena = arena;
	ward->limits = copy;
	ward->resized = ward->dirty = true;
	ward->missing |= missing;
	lp_keeper_changed(ward->keeper);
	return 0;
}

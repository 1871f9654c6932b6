#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/loop.h"
#include "base/seam.h"

static struct lp_err err;
static struct lp_loop *loop;
static struct lp_buf said;
static int64_t fake_ms = 1000;

static int64_t
fake_boot(void)
{
	return fake_ms;
}

static void
start(void)
{
	lp_buf_init(&said, 10000);
	CHECK_OK(lp_loop_new(&loop, &err), &err);
}

static void
end(void)
{
	lp_loop_free(loop);
	lp_buf_fini(&said);
}

static void
turn(int wait_ms)
{
	CHECK_OK(lp_loop_turn(loop, wait_ms, &err), &err);
}

struct named_timer {
	struct lp_timer timer;
	char name;
	int again_ms;		/* 0: once */
	struct lp_timer *stops;	/* another one that it stops, or NULL */
};

static void
timer_fired(struct lp_timer *timer, int64_t now_ms)
{
	struct named_timer *named = lp_of(timer, struct named_timer, timer);

	(void)lp_buf_char(&said, named->name);
	if (named->again_ms)
		CHECK_INT(lp_timer_start(loop, timer, now_ms + named->again_ms, timer_fired), 0);
	if (named->stops)
		lp_timer_stop(named->stops);
}

TEST(timers_fire_in_the_order_of_their_time)
{
	struct named_timer timers[6] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' }, { .name = 'e' },
		{ .name = 'f' } };
	static const int due[6] = { 50, 10, 40, 20, 60, 30 };

	lp_seam.boot_ms = fake_boot;
	start();
	for (int i = 0; i < 6; i++)
		CHECK_INT(lp_timer_start(loop, &timers[i].timer, 1000 + due[i], timer_fired), 0);
	lp_timer_stop(&timers[2].timer);
	turn(0);
	CHECK_STR(lp_buf_text(&said), "");
	fake_ms = 1030;
	turn(0);
	CHECK_STR(lp_buf_text(&said), "bdf");
	fake_ms = 2000;
	turn(0);
	CHECK_STR(lp_buf_text(&said), "bdfae");
	end();
}

TEST(a_timer_may_move_itself_and_stop_another_that_is_due)
{
	struct named_timer victim = { .name = 'v' };
	struct named_timer again = { .name = 'x', .again_ms = 10, .stops = &victim.timer };

	lp_seam.boot_ms = fake_boot;
	start();
	CHECK_INT(lp_timer_start(loop, &again.timer, 1000, timer_fired), 0);
	CHECK_INT(lp_timer_start(loop, &victim.timer, 1001, timer_fired), 0);
	fake_ms = 1005;
	turn(0);
	CHECK_STR(lp_buf_text(&said), "x");
	fake_ms = 1015;
	turn(0);
	CHECK_STR(lp_buf_text(&said), "xx");
	lp_timer_stop(&again.timer);
	end();
}

TEST(starting_a_running_timer_moves_it)
{
	struct named_timer timer = { .name = 't' };

	lp_seam.boot_ms = fake_boot;
	start();
	CHECK_INT(lp_timer_start(loop, &timer.timer, 1010, timer_fired), 0);
	CHECK_INT(lp_timer_start(loop, &timer.timer, 1050, timer_fired), 0);
	fake_ms = 1020;
	turn(0);
	CHECK_STR(lp_buf_text(&said), "");
	fake_ms = 1050;
	turn(0);
	CHECK_STR(lp_buf_text(&said), "t");
	end();
}

TEST(thousands_of_random_timers_keep_their_order)
{
	enum { MANY = 4000 };
	struct named_timer *timers = calloc(MANY, sizeof(*timers));
	unsigned int random = 1;
	int left = MANY;

	CHECK(timers != NULL);
	lp_seam.boot_ms = fake_boot;
	start();
	for (int i = 0; i < MANY; i++) {
		random = random * 1103515245 + 12345;
		timers[i].name = 'x';
		CHECK_INT(lp_timer_start(loop, &timers[i].timer, 1001 + random % 1000, timer_fired), 0);
	}
	for (int i = 0; i < MANY; i += 3, left--)
		lp_timer_stop(&timers[i].timer);
	for (fake_ms = 1000; fake_ms <= 2001; fake_ms += 7) {
		size_t want = 0;

		turn(0);
		for (int i = 0; i < MANY; i++)
			want += i % 3 != 0 && timers[i].timer.due_ms <= fake_ms;
		CHECK_INT(said.len, want);
	}
	fake_ms = 3000;
	turn(0);
	CHECK_INT(said.len, left);
	end();
	free(timers);
}

struct pipe_watch {
	struct lp_watch watch;
	int fds[2];
	struct pipe_watch *frees;	/* another one that is stopped, closed and freed from the callback */
};

static struct pipe_watch *survivor;

static struct pipe_watch *
pipe_new(void)
{
	struct pipe_watch *pipe = calloc(1, sizeof(*pipe));

	CHECK(pipe && pipe2(pipe->fds, O_CLOEXEC | O_NONBLOCK) == 0);
	return pipe;
}

static void
pipe_free(struct pipe_watch *pipe)
{
	lp_watch_stop(&pipe->watch);
	close(pipe->fds[0]);
	close(pipe->fds[1]);
	free(pipe);
}

static void
pipe_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct pipe_watch *pipe = lp_of(watch, struct pipe_watch, watch);
	char byte;

	(void)now_ms;
	CHECK(events & EPOLLIN);
	CHECK_INT(read(pipe->fds[0], &byte, 1), 1);
	(void)lp_buf_char(&said, byte);
	if (pipe->frees) {
		pipe_free(pipe->frees);
		pipe->frees = NULL;
		survivor = pipe;
	}
}

TEST(what_is_readable_is_told)
{
	struct pipe_watch *pipe = pipe_new();

	start();
	CHECK_OK(lp_watch_start(loop, &pipe->watch, pipe->fds[0], EPOLLIN, pipe_ready, &err), &err);
	turn(0);
	CHECK_INT(write(pipe->fds[1], "ab", 2), 2);
	turn(0);
	turn(0);
	turn(0);
	CHECK_STR(lp_buf_text(&said), "ab");
	lp_watch_stop(&pipe->watch);
	CHECK_INT(write(pipe->fds[1], "c", 1), 1);
	turn(0);
	CHECK_STR(lp_buf_text(&said), "ab");
	pipe_free(pipe);
	end();
}

TEST(a_callback_may_free_another_watch_that_is_ready_in_the_same_turn)
{
	struct pipe_watch *a = pipe_new(), *b = pipe_new();

	start();
	a->frees = b;
	b->frees = a;
	CHECK_OK(lp_watch_start(loop, &a->watch, a->fds[0], EPOLLIN, pipe_ready, &err), &err);
	CHECK_OK(lp_watch_start(loop, &b->watch, b->fds[0], EPOLLIN, pipe_ready, &err), &err);
	CHECK_INT(write(a->fds[1], "x", 1), 1);
	CHECK_INT(write(b->fds[1], "x", 1), 1);
	turn(0);
	turn(0);
	CHECK_INT(said.len, 1);
	pipe_free(survivor);
	end();
}

struct named_defer {
	struct lp_defer defer;
	int left;
};

static void
deferred(struct lp_defer *defer, int64_t now_ms)
{
	struct named_defer *named = lp_of(defer, struct named_defer, defer);

	(void)now_ms;
	(void)lp_buf_char(&said, 'd');
	if (--named->left > 0)
		lp_loop_defer(loop, defer, deferred);
}

TEST(asking_twice_to_look_again_is_asking_once)
{
	struct named_defer defer = { .left = 1 };

	start();
	lp_loop_defer(loop, &defer.defer, deferred);
	lp_loop_defer(loop, &defer.defer, deferred);
	turn(0);
	turn(0);
	CHECK_STR(lp_buf_text(&said), "d");
	defer.left = 1;
	lp_loop_defer(loop, &defer.defer, deferred);
	lp_defer_cancel(&defer.defer);
	lp_defer_cancel(&defer.defer);
	turn(0);
	CHECK_STR(lp_buf_text(&said), "d");
	end();
}

TEST(work_that_asks_for_itself_again_does_not_starve_the_loop)
{
	struct named_defer defer = { .left = 1000000 };
	struct pipe_watch *pipe = pipe_new();

	start();
	CHECK_OK(lp_watch_start(loop, &pipe->watch, pipe->fds[0], EPOLLIN, pipe_ready, &err), &err);
	CHECK_INT(write(pipe->fds[1], "p", 1), 1);
	lp_loop_defer(loop, &defer.defer, deferred);
	for (int i = 0; i < 3; i++)
		turn(0);
	CHECK(strchr(said.data, 'p') != NULL);
	lp_defer_cancel(&defer.defer);
	pipe_free(pipe);
	end();
}

static void
signalled(void *arg, int signo, int64_t now_ms)
{
	(void)now_ms;
	CHECK(arg == &said);
	(void)lp_buf_printf(&said, "%d ", signo);
	lp_loop_stop(loop);
}

TEST(signals_arrive_in_the_loop)
{
	lp_auto_buf struct lp_buf want;
	sigset_t set;

	lp_buf_init(&want, 100);
	start();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(lp_loop_signals(loop, &set, signalled, &said, &err), &err);
	CHECK_INT(kill(getpid(), SIGUSR1), 0);
	CHECK_OK(lp_loop_run(loop, &err), &err);
	(void)lp_buf_printf(&want, "%d ", SIGUSR1);
	CHECK_STR(lp_buf_text(&said), want.data);
	end();
}

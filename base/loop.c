#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/seam.h"

/*
 * Theory  epoll's data word carries the index of a slot and the slot's generation. A watch that is stopped during a turn
 *         raises the generation, so that an event which epoll already delivered for it finds nobody.
 *         Timers are a binary heap by due time; each knows its place.
 */
enum { EVENTS_PER_TURN = 64, SIGNALS_PER_READ = 8 };

struct slot {
	struct lp_watch *watch;		/* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct lp_loop {
	int epoll_fd;
	bool stopping;
	int64_t now_ms;
	struct slot *slots;
	uint32_t slot_count, free_slot;	/* free_slot UINT32_MAX: none */
	struct lp_timer **timers;
	uint32_t timer_count, timer_size;
	struct lp_list deferred;
	struct lp_watch signal_watch;
	int signal_fd;
	lp_signal_fn signal_fn;
	void *signal_arg;
};

int
lp_loop_new(struct lp_loop **out, struct lp_err *err)
{
	struct lp_loop *loop = lp_seam.alloc(sizeof(*loop));

	if (!loop)
		return lp_err_set(err, -ENOMEM, "make event loop");
	loop->signal_fd = -1;
	loop->free_slot = UINT32_MAX;
	lp_list_init(&loop->deferred);
	loop->now_ms = lp_clock_boot_ms();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int rc = lp_err_set(err, -errno, "make event loop");

		free(loop);
		return rc;
	}
	*out = loop;
	return 0;
}

void
lp_loop_free(struct lp_loop *loop)
{
	if (!loop)
		return;
	lp_watch_stop(&loop->signal_watch);
	if (loop->signal_fd >= 0)
		(void)close(loop->signal_fd);
	(void)close(loop->epoll_fd);
	free(loop->slots);
	free(loop->timers);
	free(loop);
}

int64_t
lp_loop_now(const struct lp_loop *loop)
{
	return loop->now_ms;
}

void
lp_loop_stop(struct lp_loop *loop)
{
	loop->stopping = true;
}

/* ---- watches */

static int
slot_take(struct lp_loop *loop, uint32_t *out)
{
	if (loop->free_slot == UINT32_MAX) {
		uint32_t count = loop->slot_count ? loop->slot_count * 2 : 16;
		struct slot *slots = lp_seam.grow(loop->slots, count * sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		for (uint32_t i = loop->slot_count; i < count; i++)
			slots[i] = (struct slot){ .next_free = i + 1 < count ? i + 1 : UINT32_MAX };
		loop->free_slot = loop->slot_count;
		loop->slots = slots;
		loop->slot_count = count;
	}
	*out = loop->free_slot;
	loop->free_slot = loop->slots[*out].next_free;
	return 0;
}

static void
slot_give_back(struct lp_loop *loop, uint32_t index)
{
	loop->slots[index].watch = NULL;
	loop->slots[index].generation++;
	loop->slots[index].next_free = loop->free_slot;
	loop->free_slot = index;
}

static struct epoll_event
event_of(const struct lp_watch *watch)
{
	uint64_t data = (uint64_t)watch->loop->slots[watch->slot].generation << 32 | watch->slot;

	return (struct epoll_event){ .events = watch->events, .data.u64 = data };
}

int
lp_watch_start(struct lp_loop *loop, struct lp_watch *watch, int fd, uint32_t events, lp_watch_fn fn, struct lp_err *err)
{
	struct epoll_event event;
	uint32_t index;

	assert(fd >= 0 && fn);
	lp_watch_stop(watch);
	if (slot_take(loop, &index) < 0)
		return lp_err_set(err, -ENOMEM, "watch descriptor %d", fd);
	*watch = (struct lp_watch){ .loop = loop, .fn = fn, .fd = fd, .events = events, .slot = index };
	loop->slots[index].watch = watch;
	event = event_of(watch);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int rc = lp_err_set(err, -errno, "watch descriptor %d", fd);

		slot_give_back(loop, index);
		*watch = (struct lp_watch){ .fd = -1 };
		return rc;
	}
	return 0;
}

int
lp_watch_change(struct lp_watch *watch, uint32_t events)
{
	struct epoll_event event;

	if (!watch->loop)
		return -EBADF;
	if (watch->events == events)
		return 0;
	watch->events = events;
	event = event_of(watch);
	return epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? -errno : 0;
}

void
lp_watch_stop(struct lp_watch *watch)
{
	if (!watch->loop)
		return;
	/* Fails when the owner closed the descriptor first: then the kernel has forgotten it already. */
	(void)epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	slot_give_back(watch->loop, watch->slot);
	watch->loop = NULL;
	watch->fd = -1;
}

/* ---- timers */

static void
heap_put(struct lp_loop *loop, uint32_t at, struct lp_timer *timer)
{
	loop->timers[at] = timer;
	timer->slot = at;
}

static void
heap_up(struct lp_loop *loop, uint32_t at)
{
	struct lp_timer *timer = loop->timers[at];

	for (; at > 0 && loop->timers[(at - 1) / 2]->due_ms > timer->due_ms; at = (at - 1) / 2)
		heap_put(loop, at, loop->timers[(at - 1) / 2]);
	heap_put(loop, at, timer);
}

static void
heap_down(struct lp_loop *loop, uint32_t at)
{
	struct lp_timer *timer = loop->timers[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < loop->timer_count && loop->timers[child + 1]->due_ms < loop->timers[child]->due_ms)
			child++;
		if (child >= loop->timer_count || loop->timers[child]->due_ms >= timer->due_ms)
			break;
		heap_put(loop, at, loop->timers[child]);
		at = child;
	}
	heap_put(loop, at, timer);
}

int
lp_timer_start(struct lp_loop *loop, struct lp_timer *timer, int64_t due_ms, lp_timer_fn fn)
{
	lp_timer_stop(timer);
	if (loop->timer_count == loop->timer_size) {
		uint32_t size = loop->timer_size ? loop->timer_size * 2 : 16;
		struct lp_timer **timers = lp_seam.grow(loop->timers, size * sizeof(struct lp_timer *));

		if (!timers)
			return -ENOMEM;
		loop->timers = timers;
		loop->timer_size = size;
	}
	*timer = (struct lp_timer){ .loop = loop, .fn = fn, .due_ms = due_ms };
	loop->timers[loop->timer_count] = timer;
	heap_up(loop, loop->timer_count++);
	return 0;
}

void
lp_timer_stop(struct lp_timer *timer)
{
	struct lp_loop *loop = timer->loop;
	uint32_t at = timer->slot;

	if (!loop)
		return;
	timer->loop = NULL;
	if (at != --loop->timer_count) {
		heap_put(loop, at, loop->timers[loop->timer_count]);
		heap_up(loop, at);
		heap_down(loop, loop->timers[at]->slot);
	}
}

static void
run_timers(struct lp_loop *loop)
{
	/* A timer restarted as already due waits for the next turn, so that descriptors get their share. */
	uint32_t most = loop->timer_count;

	while (most-- > 0 && loop->timer_count > 0 && loop->timers[0]->due_ms <= loop->now_ms) {
		struct lp_timer *timer = loop->timers[0];

		lp_timer_stop(timer);
		timer->fn(timer, loop->now_ms);
	}
}

static int
wait_time(const struct lp_loop *loop, int wait_ms)
{
	int64_t until;

	if (!lp_list_empty(&loop->deferred))
		return 0;
	if (loop->timer_count == 0)
		return wait_ms;
	until = loop->timers[0]->due_ms - lp_clock_boot_ms();
	if (until < 0)
		until = 0;
	if (until > INT32_MAX)
		until = INT32_MAX;
	return wait_ms < 0 || until < wait_ms ? (int)until : wait_ms;
}

/* ---- end of a turn */

void
lp_loop_defer(struct lp_loop *loop, struct lp_defer *defer, lp_defer_fn fn)
{
	if (defer->link.next && !lp_list_empty(&defer->link))
		return;
	defer->fn = fn;
	lp_list_append(&loop->deferred, &defer->link);
}

void
lp_defer_cancel(struct lp_defer *defer)
{
	lp_list_remove(&defer->link);
}

static void
run_deferred(struct lp_loop *loop)
{
	struct lp_list now, *link;

	/* What is deferred from here on belongs to the next turn. */
	lp_list_init(&now);
	while ((link = lp_list_first(&loop->deferred))) {
		lp_list_remove(link);
		lp_list_append(&now, link);
	}
	while ((link = lp_list_first(&now))) {
		struct lp_defer *defer = lp_of(link, struct lp_defer, link);

		lp_list_remove(link);
		defer->fn(defer, loop->now_ms);
	}
}

int
lp_loop_turn(struct lp_loop *loop, int wait_ms, struct lp_err *err)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_time(loop, wait_ms));

	if (count < 0 && errno != EINTR)
		return lp_err_set(err, -errno, "wait for events");
	loop->now_ms = lp_clock_boot_ms();
	for (int i = 0; i < count; i++) {
		struct slot *slot = &loop->slots[(uint32_t)events[i].data.u64];

		if (slot->watch && slot->generation == events[i].data.u64 >> 32)
			slot->watch->fn(slot->watch, events[i].events, loop->now_ms);
	}
	run_timers(loop);
	run_deferred(loop);
	return 0;
}

int
lp_loop_run(struct lp_loop *loop, struct lp_err *err)
{
	int rc = 0;

	loop->stopping = false;
	while (!loop->stopping && rc == 0)
		rc = lp_loop_turn(loop, -1, err);
	return rc;
}

/* ---- signals */

static void
signals_arrived(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_loop *loop = lp_of(watch, struct lp_loop, signal_watch);
	struct signalfd_siginfo info[SIGNALS_PER_READ];
	ssize_t got = read(loop->signal_fd, info, sizeof(info));

	(void)events;
	for (ssize_t i = 0; got > 0 && i < got / (ssize_t)sizeof(info[0]); i++)
		loop->signal_fn(loop->signal_arg, (int)info[i].ssi_signo, now_ms);
}

int
lp_loop_signals(struct lp_loop *loop, const sigset_t *signals, lp_signal_fn fn, void *arg, struct lp_err *err)
{
	assert(loop->signal_fd < 0);
	if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
		return lp_err_set(err, -errno, "block signals");
	loop->signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0)
		return lp_err_set(err, -errno, "open signalfd");
	loop->signal_fn = fn;
	loop->signal_arg = arg;
	return lp_watch_start(loop, &loop->signal_watch, loop->signal_fd, EPOLLIN, signals_arrived, err);
}

/*
 * base/loop.h - one epoll loop: descriptors, timers, signals, work at the end of a turn.
 *
 * Rule    whatever waits embeds a watch or timer; its callback finds the object with lp_of() and never blocks
 * Time    read once per turn and passed along; boot-time milliseconds
 * Safety  a callback may stop or restart any watch or timer, its own included, and free the object that embeds it
 *         after stopping it
 */
#ifndef LP_BASE_LOOP_H
#define LP_BASE_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/list.h"

struct lp_loop;
struct lp_watch;
struct lp_timer;
struct lp_defer;

typedef void (*lp_watch_fn)(struct lp_watch *watch, uint32_t events, int64_t now_ms);
typedef void (*lp_timer_fn)(struct lp_timer *timer, int64_t now_ms);
typedef void (*lp_defer_fn)(struct lp_defer *defer, int64_t now_ms);
typedef void (*lp_signal_fn)(void *arg, int signo, int64_t now_ms);

struct lp_watch {
	struct lp_loop *loop;	/* weak; NULL while stopped */
	lp_watch_fn fn;
	int fd;			/* not owned; -1 while stopped */
	uint32_t events;	/* EPOLLIN, EPOLLOUT ... level triggered */
	uint32_t slot;		/* index in the loop's table */
};

struct lp_timer {
	struct lp_loop *loop;	/* weak; NULL while stopped */
	lp_timer_fn fn;
	int64_t due_ms;
	uint32_t slot;		/* place in the heap */
};

struct lp_defer {
	struct lp_list link;	/* in no list while idle */
	lp_defer_fn fn;
};

int lp_loop_new(struct lp_loop **out, struct lp_err *err);
void lp_loop_free(struct lp_loop *loop);

/* Run until lp_loop_stop(). Returns 0, or a negative errno when epoll itself fails. */
int lp_loop_run(struct lp_loop *loop, struct lp_err *err);
/* One turn, waiting at most `wait_ms` (-1: as long as it takes). For tests and for callers with a loop of their own. */
int lp_loop_turn(struct lp_loop *loop, int wait_ms, struct lp_err *err);
void lp_loop_stop(struct lp_loop *loop);
int64_t lp_loop_now(const struct lp_loop *loop);

int lp_watch_start(struct lp_loop *loop, struct lp_watch *watch, int fd, uint32_t events, lp_watch_fn fn, struct lp_err *err);
int lp_watch_change(struct lp_watch *watch, uint32_t events);
void lp_watch_stop(struct lp_watch *watch);	/* safe on a zeroed or stopped watch; the descriptor stays open */

/* Start or move. A due time in the past fires in the next turn. -ENOMEM. */
int lp_timer_start(struct lp_loop *loop, struct lp_timer *timer, int64_t due_ms, lp_timer_fn fn);
void lp_timer_stop(struct lp_timer *timer);	/* safe on a zeroed or stopped timer */

/* Once, at the end of this turn (group commit, "look again"). Asking twice is asking once. */
void lp_loop_defer(struct lp_loop *loop, struct lp_defer *defer, lp_defer_fn fn);
void lp_defer_cancel(struct lp_defer *defer);

/* Block `signals` for the process and deliver them here (signalfd). Once per loop. */
int lp_loop_signals(struct lp_loop *loop, const sigset_t *signals, lp_signal_fn fn, void *arg, struct lp_err *err);

#endif

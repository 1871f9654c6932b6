/*
 * keeper/errand.h - one thing done for a probe or a hook: a command in the container, a question over the network, a rest.
 *
 * Theory  A command runs in the container with the container's rights. A question is asked by `limpet prober`, our own executable
 *         started in the pod's network, which drops every right before it speaks: what the pod answers is read there and never
 *         here. Of both we see an exit status and the beginning of what they print.
 * End     done() is called once from the loop, unless lp_errand_cancel came first; it may start the errand again or cancel it
 */
#ifndef LP_KEEPER_ERRAND_H
#define LP_KEEPER_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "keeper/control.h"

#define LP_ERRAND_TEXT 512	/* what is kept of the words */

struct lp_ward;
struct lp_errand;

enum lp_errand_result {
	LP_ERRAND_DONE,
	LP_ERRAND_FAILED,
	LP_ERRAND_BROKEN,	/* it could not be tried */
};

typedef void (*lp_errand_fn)(struct lp_errand *errand, enum lp_errand_result result, const char *text, int64_t now_ms);

struct lp_errand {
	struct lp_ward *ward;		/* weak */
	const struct lp_control_action *action;	/* weak */
	struct lp_watch exit_watch, text_watch;
	struct lp_timer timer;
	struct lp_process process;
	int text_fd;			/* -1 none */
	char *text;			/* owned; NULL while nothing was said */
	size_t len;
	int64_t timeout_ms;
	int64_t due_ms;			/* boot-time ms when its time is over, 0 never */
	struct lp_defer broken;
	bool busy;
	lp_errand_fn done;
};

/* Zeroed memory will do as well. timeout_ms 0: none. What cannot be started is BROKEN, through done() from the loop. */
void lp_errand_start(struct lp_errand *errand, struct lp_ward *ward, const struct lp_control_action *action, int64_t timeout_ms,
    lp_errand_fn done);

/* What another program has begun: its process, what it prints, the end of its time. The descriptors are the errand's. */
void lp_errand_resume(struct lp_errand *errand, struct lp_ward *ward, const struct lp_control_action *action, const struct lp_errand *from,
    lp_errand_fn done);

/* Kill and forget; done() does not come. Never waits for the dying. Safe when nothing is under way. */
void lp_errand_cancel(struct lp_errand *errand);

#endif

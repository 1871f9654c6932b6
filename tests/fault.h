/*
 * tests/fault.h - make the n-th allocation or system call fail, through base/seam.h.
 *
 * Use     LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
 *                 rc = thing_new(&thing, &err);
 *                 CHECK_INT(rc, lp_fault_hit() ? -ENOMEM : 0);
 *         }
 *         runs the body with the first call failing, then the second, and so on, until a round in which none failed
 * Leave   a body that is left early (break, return) leaves the fault armed: lp_fault_clear()
 */
#ifndef LP_TESTS_FAULT_H
#define LP_TESTS_FAULT_H

#include <stdbool.h>

enum lp_fault {
	LP_FAULT_ALLOC,		/* lp_seam.alloc and lp_seam.grow, counted together; they return NULL */
	LP_FAULT_WRITE,
	LP_FAULT_FSYNC,
	LP_FAULT_RENAME,
	LP_FAULT_RANDOM,
};

/* From now on the nth call (from 1) fails with this negative errno; 0 only counts. Replaces an earlier fault. */
void lp_fault_set(enum lp_fault what, int nth, int code);

/* Did the fault happen since it was set? */
bool lp_fault_hit(void);

/* Calls of that kind since lp_fault_set. */
int lp_fault_calls(void);

/* All seams as they were; lp_fault_hit() still tells of the last fault. */
void lp_fault_clear(void);

/* One round of LP_FAULT_EACH. */
bool lp_fault_round(enum lp_fault what, int nth, int code);

#define LP_FAULT_EACH(what, code) for (int lp_nth = 1; lp_fault_round((what), lp_nth, (code)); lp_nth++)

#endif

/*
 * keeper/resume.h - a keeper becomes another program in place: same PID, same children, same descriptors.
 *
 * Theory  What the keeper knows beyond the pod's record goes into a memfd as a flat record (descriptors by number), all its descriptors lose CLOEXEC, and
 *         it executes the new program. That one reads the record, adopts the containers, sets CLOEXEC again and goes on. Exits that
 *         happen between the two wait as zombies of the same parent: none is lost.
 * Rule    tags as everywhere: a newer program reads what an older one wrote, two releases back
 */
#ifndef LP_KEEPER_RESUME_H
#define LP_KEEPER_RESUME_H

#include "base/err.h"

struct lp_keeper;

/* Execute exe_fd (-1: our own program again). Returns only on failure, with everything as it was. */
int lp_resume_exec(struct lp_keeper *keeper, int exe_fd, struct lp_err *err);

/* Read memory_fd into a keeper whose pod record and wards are set up; closes it. */
int lp_resume_load(struct lp_keeper *keeper, int memory_fd, struct lp_err *err);

#endif

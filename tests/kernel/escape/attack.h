/*
 * tests/kernel/escape/attack.h - a hostile program inside a cage, and what it is allowed to report.
 *
 * Theory   The test program is static: bound into the container as /attack and told by LP_ATTACK what to try, it is its own attacker. A
 *          constructor runs the attack and ends, so the tests in it never start there. It prints a line for each try, with the kernel's
 *          word or SUCCEEDED, and at last "attack over": a container that did not even run it proves nothing.
 * Sealed   before its tests the program executes itself again through lp_container_exe_open, as whoever starts keepers does
 * Rounds   LIMPET_ROUNDS is how often races are run that start a container each time (5000 is the full count; default 200)
 */
#ifndef LP_TESTS_ATTACK_H
#define LP_TESTS_ATTACK_H

#include "tests/kernel/cage.h"

enum { ATTACK_ROUNDS = 5000 };	/* of races that start nothing */

/* A cage with /attack in it, and one more layer on top, empty and writable by the test through attack_layer(). */
struct cage *attack_cage(void);
int attack_layer(const struct cage *cage);
void attack_file(int dir_fd, const char *name, const char *text, unsigned mode);

/* Run this attack as the container's program; the result of cage_run, output in cage->out. */
int attack_run(struct cage *cage, const char *name);

/* The last output is that of an attack that ran to its end and got nothing. */
void attack_got_nothing(const struct cage *cage);

/* Both of it, first with the host's user ids, then with a user namespace. */
void attack_both_ways(struct cage *cage, const char *name);

/* How often to start a container in a race. */
int attack_rounds(void);

/* A process that exchanges two names in a directory as fast as it can, until attack_calm. */
int attack_race(int dir_fd, const char *a, const char *b);
void attack_calm(int pid);

/* Does this descriptor lie below that directory? */
bool attack_below(int fd, const char *dir);

#endif

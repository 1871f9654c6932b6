/*
 * tests/kernel/escape/tries.h - what the hostile program inside a container tries; one function for each attack, by name.
 */
#ifndef LP_TESTS_TRIES_H
#define LP_TESTS_TRIES_H

/* Prints what came of it, and ends the process. */
void tries_run(const char *name) __attribute__((noreturn));

#endif

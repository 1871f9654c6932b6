/*
 * tools/verbs.h - the operator's verbs, one row each. tools/limpet.c looks a word up here after the roles.
 *
 * Run     argv[0] is the verb; returns the exit status: 0 done, 1 failed (said on standard error), 2 wrong usage
 */
#ifndef LP_TOOLS_VERBS_H
#define LP_TOOLS_VERBS_H

struct lp_verb {
	const char *name;		/* NULL ends the table */
	const char *help;		/* one line for `limpet --help` */
	int (*run)(int argc, char **argv);
};

extern const struct lp_verb lp_verbs[];

#endif

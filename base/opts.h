/*
 * base/opts.h - a command line from one table.
 *
 * Use     static const struct lp_opt opts[] = { { "data-dir", 'd', LP_OPT_STR, &dir, "DIR", "where state lives" }, ... };
 * Forms   --name VALUE, --name=VALUE, -n VALUE, -nVALUE, flags together (-it), --no-name for flags; "--" ends options
 * Errors  -EINVAL in kubectl's words ("unknown flag: --x"): wrong usage, exit status 2
 */
#ifndef LP_BASE_OPTS_H
#define LP_BASE_OPTS_H

#include <stddef.h>

#include "base/err.h"

enum lp_opt_type {
	LP_OPT_FLAG,		/* bool; --name, --name=false */
	LP_OPT_STR,		/* const char *; weak pointer into argv */
	LP_OPT_INT,		/* int64_t */
	LP_OPT_DURATION,	/* int64_t milliseconds; "30s"; a bare number is seconds */
	LP_OPT_LIST,		/* struct lp_opt_list; may be given again and again */
	LP_OPT_STR_BARE,	/* const char *; --name alone means "", a value only as --name=VALUE (kubectl's -w=…, --dry-run) */
};

#define LP_OPT_LIST_MAX 64
struct lp_opt_list {
	const char *items[LP_OPT_LIST_MAX];
	size_t count;
};

struct lp_opt {
	const char *name;	/* long name; NULL ends the table */
	char letter;		/* 0 = none */
	enum lp_opt_type type;
	void *target;		/* of the type above; keeps its value when the option is absent */
	const char *value;	/* word for the value in the help; NULL for flags */
	const char *help;
};

/*
 * Options and words may be mixed. `rest` (room for argc pointers) gets the words in order, *out_rest their number,
 * *out_dash the index in rest of the first word behind "--", or -1.
 */
int lp_opts_parse(const struct lp_opt *opts, int argc, char **argv, const char **rest, int *out_rest, int *out_dash, struct lp_err *err);

/* usage line, text, table of options at 100 columns, example. Written to standard output. */
void lp_opts_help(const char *usage, const char *text, const struct lp_opt *opts, const char *example);

#endif

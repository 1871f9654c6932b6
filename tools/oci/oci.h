/*
 * tools/oci/oci.h - `limpet oci`, and the program called as limpet-oci: an OCI runtime on the command line.
 *
 * Theory  One table of verbs; each is a file (or shares one), parses its own options and calls runtime/oci. Nothing is done before
 *         the verb is known. Failures go to standard error in one line, and to the log that was asked for
 * Exit    0 done, 1 failed, 2 wrong usage; run and exec: the program's own; what could not be executed 127 or 126 (run), 255 (exec)
 * Source  OCI runtime-spec 1.2 runtime.md; the command lines of runc 1.1 and crun 1.8
 */
#ifndef LP_TOOLS_OCI_H
#define LP_TOOLS_OCI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/opts.h"
#include "runtime/oci/oci_state.h"
#include "runtime/runtime.h"

enum { LP_OCI_EXIT_USAGE = 2, LP_OCI_EXIT_EXEC = 255, LP_OCI_ARENA_MAX = 96 << 20 };

/* What stands in front of the verb. */
struct lp_oci_global {
	const char *program;		/* last part of argv[0] */
	const char *root;		/* where state lives */
	const char *log, *log_format;	/* NULL: standard error; "text" */
	const char *cgroup_manager;	/* "cgroupfs", "systemd", "disabled" */
	const char *rootless;		/* "auto", "true", "false" */
	bool debug, systemd, help, version;
	bool inside;			/* called as `limpet oci`: words as those of limpet's other commands */
};

extern struct lp_oci_global lp_oci_global;

/* Words of one verb's command line; `rest` are those that are no options. */
struct lp_oci_line {
	const char **rest;
	int count;
};

/* The whole of it: argv[0] is the program or "oci". */
int lp_oci_main(int argc, char **argv);
/* Is it a word of our table? */
bool lp_oci_is_verb(const char *name);

/* ---- for the verbs ---- */

struct lp_oci_usage {
	const char *synopsis;		/* "[options] CONTAINER" */
	const char *text, *example;
	int least, most;		/* words; most -1: any number */
	bool in_order;			/* options end at the first word (exec, ps) */
};

/*
 * Options of a verb (argv[0]) into their targets, words into *out. True: go on; false: help was printed or the usage is wrong, *status is the
 * exit status.
 */
bool lp_oci_options(int argc, char **argv, const struct lp_opt *opts, const struct lp_oci_usage *usage, struct lp_oci_line *out, int *status);

/* One line to standard error and to the log; returns 1. */
int lp_oci_fail(const struct lp_err *err);
/* To the log (and with --debug, when there is none, to standard error). */
void lp_oci_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void lp_oci_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A whole file of the caller's, "-": standard input. */
int lp_oci_read_file(const char *path, struct lp_buf *out, struct lp_err *err);
/* "123\n" whole or not at all. */
int lp_oci_write_pid(const char *path, pid_t pid, struct lp_err *err);
/* "KILL", "SIGKILL", "9" -> number. -EINVAL. */
int lp_oci_signal_parse(const char *text, int *out, struct lp_err *err);

/* Directory, lock and state of a container that exists. Debris of a killed creator is cleaned away: then it does not exist. */
struct lp_oci_found {
	struct lp_arena arena;
	struct lp_oci_home home;
	struct lp_oci_state state;
	enum lp_oci_status status;
};

int lp_oci_find(const char *id, bool lock, struct lp_oci_found *out, struct lp_err *err);
void lp_oci_found_fini(struct lp_oci_found *found);

/* What a verb does to the container that its first word names. */
typedef int (*lp_oci_act_fn)(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err);

/* The rest of such a verb: options (NULL: none), finding, failing. `lock`: nobody else changes it meanwhile. Returns the exit status. */
int lp_oci_verb(int argc, char **argv, const struct lp_opt *options, const struct lp_oci_usage *usage, bool lock, lp_oci_act_fn act);

/* Its handle; the caller frees it. -ESRCH as lp_container_adopt. */
int lp_oci_adopt(const struct lp_oci_found *found, struct lp_container **out, struct lp_err *err);

/* Kill what is left, take cgroup and directory away, run poststop hooks. */
int lp_oci_destroy(struct lp_oci_found *found, struct lp_err *err);

#endif

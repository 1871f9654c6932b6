/*
 * tools/verbs/context.h - what every verb has in common: its words, the server it talks to, its one error line.
 *
 * Server  --kubeconfig, else $KUBECONFIG, else ~/.kube/config if it exists, else the local node's admin.kubeconfig in
 *         --data-dir, $LIMPET_DATA_DIR or /var/lib/limpet
 * Errors  a verb returns a negative errno; what it said last goes to standard error as one line, in kubectl's words
 *         ("error: ...", "Error from server (NotFound): ..."), and becomes exit status 1, or 2 for wrong usage
 * Limits  64 MiB an answer
 */
#ifndef LP_TOOLS_VERBS_CONTEXT_H
#define LP_TOOLS_VERBS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "base/opts.h"
#include "wire/client.h"
#include "wire/http.h"
#include "wire/tls.h"

struct lp_context {
	struct lp_arena arena;		/* for as long as the verb runs */
	struct lp_err err;
	const char **words;		/* argv without options and without the verb */
	int count;
	int dash;			/* index in words of the first one behind "--"; -1 */
	const struct lp_help *help;

	/* options that all verbs take */
	const char *kubeconfig, *data_dir, *context;
	const char *namespace;		/* -n, else the kubeconfig's, else "default": never NULL after lp_context_connect */
	bool namespace_given;
	int64_t timeout_ms;		/* of one request; 0: 60 s */

	/* the server; lp_context_connect fills it */
	bool connected;
	struct lp_client_opts server;
	struct lp_tls_config *tls;
	const char *bearer;		/* "Bearer ..." or NULL */
	const char *url;		/* as written in the kubeconfig */
	const char *kubeconfig_path;	/* the file that was read */

	const char *waiting;		/* what a stream waits for, shown on a terminal after a second; NULL: nothing is shown */
	bool usage;			/* the failure is one of usage */
	char *message;			/* arena: replaces err.text when longer than it can hold; NULL */
};

struct lp_help {
	const char *usage;		/* "limpet get RESOURCE [NAME...]" */
	const char *text;
	const char *example;
};

/* Parse, run the body, print what failed. Returns the exit status. opts: the verb's own, ended by a NULL name. */
int lp_context_main(const struct lp_help *help, const struct lp_opt *opts, int argc, char **argv, int (*body)(struct lp_context *ctx));

/* "error: ..." with exit status 2. Returns -EINVAL. */
int lp_context_usage(struct lp_context *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "error: ..." of any length. Returns code. */
int lp_context_fail(struct lp_context *ctx, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Say in which work the server refused: "Error from server (X): <what>: ...". Returns rc. */
int lp_context_during(struct lp_context *ctx, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Tell a failure at once and go on: the verb ends with status 1 when it returns 1. Forgets it. */
void lp_context_tell(struct lp_context *ctx);

/* Find and read the kubeconfig; nothing is sent yet. Safe twice. */
int lp_context_connect(struct lp_context *ctx);

/* Where the node's own files are: --data-dir, $LIMPET_DATA_DIR, the folder of the kubeconfig when it holds images/, else the default. */
const char *lp_context_data_dir(struct lp_context *ctx);

/*
 * One request with a JSON answer. body may be NULL, type NULL = application/json; out may be NULL. Status below 400: 0.
 * Else -ENOENT (404), -EEXIST (409 AlreadyExists), -EAGAIN (409 Conflict), -EACCES (401, 403), -EINVAL (400, 422), -EIO, with the server's words.
 */
int lp_context_call(struct lp_context *ctx, const char *method, const char *path, const char *type, const struct lp_json *body,
    struct lp_json **out);
int lp_context_get(struct lp_context *ctx, const char *path, struct lp_json **out);
/* As a meta.k8s.io/v1 Table. */
int lp_context_get_table(struct lp_context *ctx, const char *path, struct lp_json **out);

/* The HTTP answer as it is (any status below 400). */
int lp_context_fetch(struct lp_context *ctx, const char *path, const char *accept, struct lp_client_answer *out);

/* Put a Status document into the context's message. Returns the errno above. */
int lp_context_status(struct lp_context *ctx, int status, const char *body, size_t len);

/*
 * An endless answer: data() gets its bytes until it returns non-zero (which is returned), the server ends it (0), or
 * deadline_ms (boot time; 0: never) passes (-ETIMEDOUT).
 */
typedef int (*lp_context_data_fn)(void *arg, const char *data, size_t len);
int lp_context_stream(struct lp_context *ctx, const char *path, const char *accept, int64_t deadline_ms, lp_context_data_fn data, void *arg);

/* The same, cut into lines and parsed: JSON lines of a watch. The arena is emptied after each call. */
typedef int (*lp_context_event_fn)(void *arg, struct lp_arena *arena, struct lp_json *event);
int lp_context_watch(struct lp_context *ctx, const char *path, const char *accept, int64_t deadline_ms, lp_context_event_fn event, void *arg);

#define LP_CONTEXT_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

#endif

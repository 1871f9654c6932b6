/*
 * tests/manager/api.h - a real manager core with a plain HTTP server, and a small client, in one process and on one loop.
 */
#ifndef LP_TESTS_MANAGER_API_H
#define LP_TESTS_MANAGER_API_H

#include "base/arena.h"
#include "base/json.h"
#include "manager/manager.h"
#include "tests/harness.h"

struct api {
	struct lp_loop *loop;
	struct lp_manager manager;
	struct lp_arena arena;		/* what was answered */
};

struct answer {
	int status;
	char *head;			/* header lines */
	char *text;			/* body */
	struct lp_json *json;		/* NULL when the body is no JSON */
};

/* A manager on the store in the test's directory; opening it twice in a row is a restart. */
void api_start(struct api *api);
void api_stop(struct api *api);
/* Until the controllers want nothing more. */
void api_settle(struct api *api);

/* One request as "user" ("admin" for everything); type NULL: none. Everything lives in api->arena. */
struct answer api_ask(struct api *api, const char *user, const char *method, const char *path, const char *headers, const char *body);
/* The same in two halves, so that several are under way at once. */
int api_begin(struct api *api, const char *user, const char *method, const char *path, const char *headers, const char *body);
struct answer api_end(struct api *api, int fd);
struct answer api_get(struct api *api, const char *path);
struct answer api_post(struct api *api, const char *path, const char *body);
struct answer api_put(struct api *api, const char *path, const char *body);
struct answer api_delete(struct api *api, const char *path, const char *body);
/* kind: "merge", "json", "strategic" */
struct answer api_patch(struct api *api, const char *path, const char *kind, const char *body);

/* An endless answer: open it, then read what has come so far (waits until `lines` lines are there, at most 2 s). */
struct stream {
	int fd;
	char *text;			/* everything so far, chunk framing taken away */
	size_t len;
	bool ended;
};
void api_watch(struct api *api, struct stream *stream, const char *path);
const char *api_lines(struct api *api, struct stream *stream, size_t lines);
void api_watch_end(struct api *api, struct stream *stream);

/* json path as text: "" when absent */
const char *at(const struct answer *answer, const char *path);

#endif

/*
 * agent/link/session.h - one stream of the console: its frames, its end. Shared by console.c, console_logs.c, console_exec.c.
 *
 * Frames  u8 channel, u32 big-endian length, payload; both ways. Down: 0 stdin, 4 resize JSON, 255 end of stdin. Up: 1 stdout,
 *         2 stderr, 3 Status JSON, once, the last frame. A Status that comes before any output says why there will be none
 * Room    at most LP_SESSION_QUEUE bytes wait for the manager and as many for the program: a slow side slows the other
 */
#ifndef LP_AGENT_SESSION_H
#define LP_AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/link/logread.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"
#include "base/loop.h"
#include "runtime/runtime.h"
#include "wire/client.h"

#define LP_SESSION_QUEUE 262144

enum lp_session_channel {
	LP_SESSION_STDIN = 0,
	LP_SESSION_STDOUT = 1,
	LP_SESSION_STDERR = 2,
	LP_SESSION_STATUS = 3,
	LP_SESSION_RESIZE = 4,
	LP_SESSION_END = 255,
};

struct lp_agent;
struct lp_console;
struct lp_pod;
struct lp_session;

/* What differs between logs, exec, attach and port-forward. Members may be NULL. */
struct lp_session_verb {
	const char *name;
	bool of_node;			/* about the node as a whole: begin() gets no pod */
	/* Begin. On failure the words go to the other end with this HTTP code. */
	int (*begin)(struct lp_session *session, struct lp_pod *pod, const struct lp_json *options, int *out_http, struct lp_err *err);
	/* The stream has room again, or is new. */
	void (*room)(struct lp_session *session, int64_t now_ms);
	/* The keeper's answer, and the end of an exec. */
	void (*begun)(struct lp_session *session, int fd, const struct lp_err *err, int64_t now_ms);
	void (*ended)(struct lp_session *session, const struct lp_container_exit *exit, int64_t now_ms);
	/* The keeper is gone: neither of them will come. */
	void (*lost)(struct lp_session *session);
};

/* A descriptor whose bytes become frames. */
struct lp_session_source {
	struct lp_watch watch;
	struct lp_session *session;	/* weak */
	int fd;				/* -1 none or at its end */
	uint8_t channel;
};

struct lp_session {
	struct lp_list link;
	struct lp_console *console;	/* weak */
	struct lp_agent *agent;		/* weak */
	const struct lp_session_verb *verb;
	uint64_t id;			/* towards the keeper */
	char *uid, *container;		/* of the pod */
	struct lp_client_call *call;	/* NULL when the stream is gone */
	bool finished;			/* the Status was sent */
	struct lp_timer timer;		/* followed logs: look again; finished: the manager should have closed */

	/* frames coming down */
	uint8_t head[5];
	size_t head_len;
	uint32_t left;			/* of the payload */
	struct lp_buf resize;		/* payload of a resize frame */

	/* towards the program */
	struct lp_watch sink_watch;
	int sink_fd;			/* -1 none (yet) */
	struct lp_buf sink_wait;	/* what it has not taken yet */
	bool sink_end;			/* then close it */
	int terminal_fd;		/* for resizing; -1 none */
	uint16_t rows, cols;		/* asked for before the terminal was there; 0 none */

	/* from the program */
	struct lp_session_source sources[2];
	bool exited;
	struct lp_container_exit exit;

	/* logs */
	struct lp_logread reader;	/* dir_fd is the session's */
	int logs_fd, inotify_fd;	/* -1 none */
	struct lp_watch inotify_watch;
	bool follow;
};

extern const struct lp_session_verb lp_session_logs, lp_session_exec, lp_session_attach, lp_session_forward, lp_session_stats;

/* Send a frame; a stream that is gone swallows it. */
void lp_session_send(struct lp_session *session, enum lp_session_channel channel, const void *data, size_t len);
bool lp_session_has_room(const struct lp_session *session);

/* The last word, and the end of our side. http 0: success; message may be NULL then. */
void lp_session_finish(struct lp_session *session, int http, const char *reason, const char *message);
/* The end of a command with this exit status. */
void lp_session_finish_exit(struct lp_session *session, int code);

/* Start, pause and go on reading from sources (by room), and write what waits for the sink. */
int lp_session_watch(struct lp_session *session, struct lp_err *err);
void lp_session_pump(struct lp_session *session, int64_t now_ms);

/* An id for the keeper. */
uint64_t lp_session_next_id(struct lp_session *session);

#endif

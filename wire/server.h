/*
 * wire/server.h - listeners, connections and limits; hands every request to one pair of functions.
 *
 * Limits  strangers (no certificate, not lp_http_trust()ed) are few, short-lived, and send small bodies; four handshake
 *         steps a turn; a plain HTTP request on the TLS port is told so. When the house is full, whoever comes next waits in
 *         the kernel's queue
 * Life    lp_server_free ends every connection; calls in progress get gone() from inside it
 */
#ifndef LP_WIRE_SERVER_H
#define LP_WIRE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "wire/http.h"
#include "wire/tls.h"

struct lp_server;

struct lp_server_opts {
	struct lp_tls_config *tls;	/* weak; NULL: plain HTTP/1.1, or HTTP/2 with prior knowledge */
	/* The head of a request is here. May be NULL: every body is collected. */
	enum lp_http_body (*head)(void *arg, struct lp_http_call *call, int64_t now_ms);
	/* The request is here (COLLECT) or begins (STREAM). */
	void (*handle)(void *arg, struct lp_http_call *call, int64_t now_ms);
	/* A handshake ended with a certificate: may it come in? (Revoked serials.) NULL: yes. */
	bool (*admit)(void *arg, const struct lp_cert_identity *peer);
	/* A request that does not get as far as handle(): answer it in the words of the API. NULL: as plain text. */
	void (*refuse)(void *arg, struct lp_http_call *call, int status, const char *why);
	void *arg;

	const char *expired_path;	/* the only path an expired certificate may ask for; NULL: none */
	size_t max_connections;		/* 0: 16,384 */
	size_t max_strangers;		/* 0: 512 connections without proof */
	size_t head_max;		/* 0: 64 KiB of request line and headers */
	size_t body_max;		/* 0: 3 MiB */
	size_t stranger_body_max;	/* 0: 64 KiB */
	int64_t stranger_ms;		/* 0: 30 s without proof and the connection is closed */
	int64_t head_ms;		/* 0: 10 s from the first byte of a request to the end of its head */
	int64_t body_ms;		/* 0: 60 s for a collected body */
	int64_t idle_ms;		/* 0: 180 s without a request, HTTP/1.1 and HTTP/2 without streams; links: 10 min without a byte */
	uint32_t max_streams;		/* 0: 100 at a time on one HTTP/2 connection */
};

int lp_server_new(struct lp_loop *loop, const struct lp_server_opts *opts, struct lp_server **out, struct lp_err *err);
void lp_server_free(struct lp_server *server);

/* "127.0.0.1:6443", ":6443", "[::]:6443"; port 0 takes a free one. *out_port may be NULL. */
int lp_server_listen(struct lp_server *server, const char *address, uint16_t *out_port, struct lp_err *err);
/* A UNIX socket that is already listening; takes fd. Its connections are plain and trusted. */
int lp_server_listen_fd(struct lp_server *server, int fd, struct lp_err *err);
/* One connected socket; takes fd. */
int lp_server_adopt(struct lp_server *server, int fd, struct lp_err *err);
/* Later connections use this one (a renewed server certificate). */
void lp_server_set_tls(struct lp_server *server, struct lp_tls_config *tls);

size_t lp_server_connections(const struct lp_server *server);

#endif

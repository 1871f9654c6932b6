/*
 * wire/channel.h - a byte channel on the loop: plain or TLS, TCP or UNIX, with a bounded queue.
 *
 * Flow    ready() once; then data() for each piece, drained() when the queue has become short again; closed() is last,
 *         called once, unless the owner frees the channel first
 * Safety  every callback may free the channel
 * Limits  the queue holds at most `queue_max` bytes: beyond it send fails with -EMSGSIZE and nothing is added
 */
#ifndef LP_WIRE_CHANNEL_H
#define LP_WIRE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "wire/tls.h"

struct lp_channel;

struct lp_channel_ops {
	void (*ready)(struct lp_channel *channel, int64_t now_ms);	/* connected, handshake done; may be NULL */
	void (*data)(struct lp_channel *channel, const void *data, size_t len, int64_t now_ms);
	void (*drained)(struct lp_channel *channel, int64_t now_ms);	/* may be NULL */
	/* why->code 0: the peer ended in good order. The channel must be freed here or later. */
	void (*closed)(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms);
};

/* How many steps of handshakes a turn of the loop may take (a turn being a millisecond at least). */
struct lp_channel_budget {
	int per_turn, left;
	int64_t turn_ms;
};

struct lp_channel_opts {
	struct lp_tls_config *tls;	/* NULL: plain */
	const char *name;		/* TLS client: expected name (copied) */
	bool server;			/* TLS: which side we are */
	bool connecting;		/* connect() is under way */
	size_t queue_max;		/* 0: 4 MiB */
	int64_t handshake_ms;		/* 0: 10 s, connecting included */
	struct lp_channel_budget *budget;	/* weak, shared by many; NULL: unlimited */
};

/* Takes fd (non-blocking, close-on-exec), also when it fails. Callbacks come from the loop, never from inside this call. */
int lp_channel_new(struct lp_loop *loop, int fd, const struct lp_channel_opts *opts, const struct lp_channel_ops *ops,
    void *arg, struct lp_channel **out, struct lp_err *err);
/* Close at once; what is queued is lost. */
void lp_channel_free(struct lp_channel *channel);

/* Hand the channel to another owner (after an upgrade). `early` are bytes that were read already: they come as data() from the loop. */
int lp_channel_adopt(struct lp_channel *channel, const struct lp_channel_ops *ops, void *arg, const void *early, size_t len);
void *lp_channel_arg(const struct lp_channel *channel);
struct lp_loop *lp_channel_loop(const struct lp_channel *channel);

/* Queue bytes; they leave at the end of the turn at the latest. */
int lp_channel_send(struct lp_channel *channel, const void *data, size_t len);
size_t lp_channel_queued(const struct lp_channel *channel);
/* When the queue is empty: say goodbye, close, then closed() with code 0. No data() comes any more. */
void lp_channel_finish(struct lp_channel *channel);
/* Stop reading from the peer, and go on. */
void lp_channel_pause(struct lp_channel *channel, bool pause);

bool lp_channel_is_ready(const struct lp_channel *channel);
/* NULL when plain. */
struct lp_tls *lp_channel_tls(const struct lp_channel *channel);
const struct lp_cert_identity *lp_channel_peer(const struct lp_channel *channel);
/* "192.168.1.7:51442", "unix". */
const char *lp_channel_remote(const struct lp_channel *channel);
/* Our own address, without the port. -ENOTCONN for a UNIX socket. */
int lp_channel_local(const struct lp_channel *channel, char *out, size_t size);
int64_t lp_channel_last_read_ms(const struct lp_channel *channel);

#endif

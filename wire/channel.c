/*
 * wire/channel.c - connecting, handshake, reading, writing and ending of one byte channel.
 *
 * Theory  CONNECTING -> HANDSHAKE -> OPEN -> LINGER -> DEAD. Bytes to send gather in a queue that is flushed at the end of
 *         the turn, so that many small pieces make one record. `kick` is the deferred look-again: flush, deliver early
 *         bytes, read on what TLS has decrypted already. After finish() the socket lingers: it is shut down for writing
 *         and read empty, because closing it with unread bytes would make the kernel throw our last words away.
 *         A callback may free the channel: `busy` counts the frames that still hold it, and the last one frees the memory.
 */
#include "wire/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/seam.h"

#define QUEUE_MAX    (4u << 20)
#define QUEUE_SHORT  (64u << 10)
#define READ_SIZE    16384
#define READS        8			/* a turn takes at most this many pieces from one channel */
#define HANDSHAKE_MS 10000
#define LINGER_MS    1000
#define FINISH_MS    30000

static const char plain_on_tls[] = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    "Client sent an HTTP request to an HTTPS server.\n";

enum state { CONNECTING, HANDSHAKE, OPEN, LINGER, DEAD };

struct lp_channel {
	struct lp_loop *loop;			/* weak */
	struct lp_watch watch;
	struct lp_timer timer;			/* handshake, then linger */
	struct lp_defer kick;
	const struct lp_channel_ops *ops;
	void *arg;
	int fd;
	struct lp_tls *tls;			/* NULL: plain */
	struct lp_channel_budget *budget;	/* weak; NULL: unlimited */

	enum state state;
	uint16_t busy;				/* frames that hold this channel */
	bool server, peeked, paused, finishing, was_long, asleep;	/* asleep: hung up while paused, not watched */
	size_t queue_max;
	struct lp_buf out;
	struct lp_buf early;			/* bytes for a new owner, delivered before anything is read */
	struct lp_err why;			/* a failure that is told at the next look */
	int64_t last_read_ms;
	char remote[56];
};

/* ---- ending */

void
lp_channel_free(struct lp_channel *channel)
{
	if (!channel)
		return;
	if (channel->state != DEAD) {
		channel->state = DEAD;
		lp_watch_stop(&channel->watch);
		lp_timer_stop(&channel->timer);
		lp_defer_cancel(&channel->kick);
		lp_tls_free(channel->tls);
		channel->tls = NULL;
		lp_close(&channel->fd);
		lp_buf_fini(&channel->out);
		lp_buf_fini(&channel->early);
	}
	if (channel->busy == 0)
		free(channel);
}

static void
leave(struct lp_channel *channel)
{
	channel->busy--;
	if (channel->state == DEAD && channel->busy == 0)
		free(channel);
}

/* Tell the owner that it is over. The caller holds the channel. */
static void
end(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms)
{
	struct lp_err copy = *why;

	if (channel->state == DEAD)
		return;
	lp_watch_stop(&channel->watch);
	lp_timer_stop(&channel->timer);
	lp_defer_cancel(&channel->kick);
	channel->state = LINGER;	/* nothing is sent or read any more; the owner frees it */
	channel->finishing = true;
	channel->ops->closed(channel, &copy, now_ms);
}

/* After a last word; when that was a refusal, with its reason. */
static void
end_well(struct lp_channel *channel, int64_t now_ms)
{
	end(channel, &channel->why, now_ms);
}

/* ---- watching */

static void kick_now(struct lp_defer *defer, int64_t now_ms);
static void too_late(struct lp_timer *timer, int64_t now_ms);

static void
kick(struct lp_channel *channel)
{
	lp_loop_defer(channel->loop, &channel->kick, kick_now);
}

static void
watch_again(struct lp_channel *channel)
{
	uint32_t events = 0;

	switch (channel->state) {
	case CONNECTING:
		events = EPOLLOUT;
		break;
	case HANDSHAKE:
		events = lp_tls_wants(channel->tls);
		break;
	case OPEN:
		events = (channel->paused || channel->finishing ? 0 : EPOLLIN) | (channel->out.len ? EPOLLOUT : 0);
		break;
	case LINGER:
		events = EPOLLIN;
		break;
	case DEAD:
		return;
	}
	if (channel->watch.loop && channel->watch.events != events)
		(void)lp_watch_change(&channel->watch, events);	/* fails only for a descriptor that is not watched */
}

/* ---- writing */

static ssize_t
put(struct lp_channel *channel, const void *data, size_t len, struct lp_err *err)
{
	ssize_t n;

	if (channel->tls)
		return lp_tls_write(channel->tls, data, len, err);
	n = send(channel->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EAGAIN)
		return -EAGAIN;
	return lp_err_set(err, -errno, "send");
}

static void
linger(struct lp_channel *channel, int64_t now_ms)
{
	if (channel->tls && !channel->why.code)
		lp_tls_finish(channel->tls);
	channel->state = LINGER;
	if (shutdown(channel->fd, SHUT_WR) < 0) {
		end_well(channel, now_ms);
		return;
	}
	(void)lp_timer_start(channel->loop, &channel->timer, now_ms + LINGER_MS, too_late);	/* it runs already: no memory is needed */
	watch_again(channel);
}

/* The peer has been told why not; what it still sends must not make the kernel take that back (a reset does). */
static void
refuse(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms)
{
	channel->why = *why;
	channel->finishing = true;
	linger(channel, now_ms);
}

/* The caller holds the channel. */
static void
flush(struct lp_channel *channel, int64_t now_ms)
{
	size_t sent = 0;
	ssize_t n = 0;
	struct lp_err err = { 0 };

	while (sent < channel->out.len) {
		n = put(channel, channel->out.data + sent, channel->out.len - sent, &err);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	lp_buf_consume(&channel->out, sent);
	if (n < 0 && n != -EAGAIN) {
		end(channel, &err, now_ms);
		return;
	}
	if (channel->out.len == 0 && channel->out.size > QUEUE_SHORT)
		lp_buf_fini(&channel->out), lp_buf_init(&channel->out, SIZE_MAX / 2);	/* idle channels keep little */
	if (channel->was_long && channel->out.len < QUEUE_SHORT / 2) {
		channel->was_long = false;
		if (channel->ops->drained && !channel->finishing)
			channel->ops->drained(channel, now_ms);
	}
	if (channel->state == OPEN && channel->finishing && channel->out.len == 0)
		linger(channel, now_ms);
	watch_again(channel);
}

int
lp_channel_send(struct lp_channel *channel, const void *data, size_t len)
{
	if (channel->state != OPEN || channel->finishing)
		return -EPIPE;
	if (len > channel->queue_max || channel->out.len > channel->queue_max - len)
		return -EMSGSIZE;
	if (lp_buf_add(&channel->out, data, len) < 0) {
		channel->out.failed = 0;	/* what was queued before stays whole */
		return -ENOMEM;
	}
	if (channel->out.len > QUEUE_SHORT)
		channel->was_long = true;
	kick(channel);
	return 0;
}

size_t
lp_channel_queued(const struct lp_channel *channel)
{
	return channel->out.len;
}

void
lp_channel_finish(struct lp_channel *channel)
{
	if (channel->finishing || channel->state == DEAD)
		return;
	channel->finishing = true;
	/* A peer that does not take our last words is not waited for without end. -ENOMEM: it is, then. */
	(void)lp_timer_start(channel->loop, &channel->timer, lp_loop_now(channel->loop) + FINISH_MS, too_late);
	kick(channel);
}

/* ---- reading */

static ssize_t
take(struct lp_channel *channel, void *data, size_t len, struct lp_err *err)
{
	ssize_t n;

	if (channel->tls)
		return lp_tls_read(channel->tls, data, len, err);
	n = recv(channel->fd, data, len, MSG_DONTWAIT);
	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EAGAIN)
		return -EAGAIN;
	return lp_err_set(err, -errno, "receive");
}

static bool
may_read(const struct lp_channel *channel)
{
	return channel->state == OPEN && !channel->paused && !channel->finishing && channel->early.len == 0;
}

/* The caller holds the channel. */
static void
pull(struct lp_channel *channel, int64_t now_ms)
{
	char data[READ_SIZE];
	struct lp_err err = { 0 };

	for (int i = 0; i < READS && may_read(channel); i++) {
		ssize_t n = take(channel, data, sizeof(data), &err);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			end(channel, &err, now_ms);	/* 0: err says nothing, a good end */
			return;
		}
		channel->last_read_ms = now_ms;
		channel->ops->data(channel, data, (size_t)n, now_ms);
	}
	if (may_read(channel) && channel->tls && lp_tls_pending(channel->tls))
		kick(channel);
}

/* Throw away what comes after our last word, until the peer ends too. */
static void
pull_lingering(struct lp_channel *channel, int64_t now_ms)
{
	char data[READ_SIZE];

	for (int i = 0; i < READS; i++) {
		ssize_t n = recv(channel->fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			end_well(channel, now_ms);
			return;
		}
	}
}

/* ---- steps */

static void
be_ready(struct lp_channel *channel, int64_t now_ms)
{
	channel->state = OPEN;
	channel->last_read_ms = now_ms;
	lp_timer_stop(&channel->timer);
	watch_again(channel);
	if (channel->ops->ready)
		channel->ops->ready(channel, now_ms);
	if (channel->state == OPEN)
		kick(channel);
}

/* Somebody speaks plain HTTP to a TLS port: say so, as Go does. True when that was the case. */
static bool
answer_plain(struct lp_channel *channel, int64_t now_ms)
{
	char first[5] = "";
	ssize_t n = recv(channel->fd, first, 4, MSG_PEEK | MSG_DONTWAIT);
	struct lp_err err;

	if (n < 3)
		return false;
	channel->peeked = true;
	if (strncmp(first, "GET", 3) != 0 && strncmp(first, "PUT", 3) != 0 && strncmp(first, "POS", 3) != 0 &&
	    strncmp(first, "DEL", 3) != 0 && strncmp(first, "PAT", 3) != 0 && strncmp(first, "HEA", 3) != 0 &&
	    strncmp(first, "PRI", 3) != 0 && strncmp(first, "OPT", 3) != 0)
		return false;
	(void)send(channel->fd, plain_on_tls, sizeof(plain_on_tls) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);	/* a courtesy */
	(void)lp_err_say(&err, -EPROTO, "the peer speaks plain HTTP to a TLS port");	/* the code is known */
	refuse(channel, &err, now_ms);
	return true;
}

static bool
may_work(struct lp_channel_budget *budget, int64_t now_ms)
{
	if (!budget)
		return true;
	if (budget->turn_ms != now_ms) {
		budget->turn_ms = now_ms;
		budget->left = budget->per_turn;
	}
	if (budget->left <= 0)
		return false;
	budget->left--;
	return true;
}

static void
step_handshake(struct lp_channel *channel, int64_t now_ms)
{
	struct lp_err err = { 0 };
	int rc;

	if (!may_work(channel->budget, now_ms))
		return;		/* level-triggered: the next turn asks again */
	if (channel->server && !channel->peeked && answer_plain(channel, now_ms))
		return;
	rc = lp_tls_handshake(channel->tls, &err);
	if (rc == 0)
		be_ready(channel, now_ms);
	else if (rc == -EAGAIN)
		watch_again(channel);
	else if (channel->server)
		refuse(channel, &err, now_ms);
	else
		end(channel, &err, now_ms);
}

static void
step_connect(struct lp_channel *channel, int64_t now_ms)
{
	int code = 0;
	socklen_t len = sizeof(code);
	struct lp_err err;

	if (getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	if (code) {
		(void)lp_err_set(&err, -code, "connect to %s", channel->remote);	/* told through end() */
		end(channel, &err, now_ms);
		return;
	}
	if (!channel->tls) {
		be_ready(channel, now_ms);
		return;
	}
	channel->state = HANDSHAKE;
	step_handshake(channel, now_ms);
}

static void
step_open(struct lp_channel *channel, uint32_t events, int64_t now_ms)
{
	if (events & EPOLLOUT)
		flush(channel, now_ms);
	if (channel->state == OPEN && may_read(channel))
		pull(channel, now_ms);
	else if (channel->state == OPEN && (events & (EPOLLHUP | EPOLLERR)) && channel->out.len == 0 && !channel->finishing) {
		/* Hung up while the owner does not want to read: these events cannot be masked, so look away. */
		channel->asleep = true;
		lp_watch_stop(&channel->watch);
	}
	if (channel->state == OPEN && channel->watch.loop)
		watch_again(channel);
}

static void
happened(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_channel *channel = lp_of(watch, struct lp_channel, watch);

	channel->busy++;
	switch (channel->state) {
	case CONNECTING:
		step_connect(channel, now_ms);
		break;
	case HANDSHAKE:
		step_handshake(channel, now_ms);
		break;
	case OPEN:
		step_open(channel, events, now_ms);
		break;
	case LINGER:
		pull_lingering(channel, now_ms);
		break;
	case DEAD:
		break;
	}
	leave(channel);
}

static void
kick_now(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_channel *channel = lp_of(defer, struct lp_channel, kick);

	channel->busy++;
	if (channel->why.code) {
		end(channel, &channel->why, now_ms);
	} else if (channel->state == CONNECTING || channel->state == HANDSHAKE) {
		if (channel->finishing)
			end_well(channel, now_ms);
	} else if (channel->state == OPEN) {
		if (channel->early.len && !channel->paused && !channel->finishing) {
			lp_auto_buf struct lp_buf early = channel->early;

			lp_buf_init(&channel->early, SIZE_MAX / 2);
			channel->ops->data(channel, early.data, early.len, now_ms);
		}
		if (channel->state == OPEN)
			flush(channel, now_ms);
		if (may_read(channel))
			pull(channel, now_ms);
		watch_again(channel);
	}
	leave(channel);
}

static void
too_late(struct lp_timer *timer, int64_t now_ms)
{
	static const char *const words[] = { "connecting", "the handshake", "taking the last bytes", "", "" };
	struct lp_channel *channel = lp_of(timer, struct lp_channel, timer);
	struct lp_err err;

	channel->busy++;
	if (channel->state == LINGER) {
		end_well(channel, now_ms);
	} else {
		(void)lp_err_say(&err, -ETIMEDOUT, "%s took too long", words[channel->state]);
		end(channel, &err, now_ms);
	}
	leave(channel);
}

/* ---- making one */

static void
name_remote(struct lp_channel *channel)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[INET6_ADDRSTRLEN] = "";

	(void)snprintf(channel->remote, sizeof(channel->remote), "unix");
	if (getpeername(channel->fd, (struct sockaddr *)&addr, &len) < 0)
		return;
	if (addr.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&addr;

		if (inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)))
			(void)snprintf(channel->remote, sizeof(channel->remote), "%s:%u", host, ntohs(in->sin_port));
	} else if (addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr;

		if (inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)))
			(void)snprintf(channel->remote, sizeof(channel->remote), "[%s]:%u", host, ntohs(in6->sin6_port));
	}
}

int
lp_channel_new(struct lp_loop *loop, int fd, const struct lp_channel_opts *opts, const struct lp_channel_ops *ops, void *arg,
    struct lp_channel **out, struct lp_err *err)
{
	struct lp_channel *channel = lp_seam.alloc(sizeof(*channel));
	int64_t now_ms = lp_loop_now(loop);
	int one = 1, rc;

	if (!channel) {
		lp_close(&fd);
		return lp_err_set(err, -ENOMEM, "channel");
	}
	channel->loop = loop;
	channel->fd = fd;
	channel->ops = ops;
	channel->arg = arg;
	channel->server = opts->server;
	channel->budget = opts->budget;
	channel->queue_max = opts->queue_max ? opts->queue_max : QUEUE_MAX;
	channel->last_read_ms = now_ms;
	lp_buf_init(&channel->out, SIZE_MAX / 2);	/* queue_max is the ceiling */
	lp_buf_init(&channel->early, SIZE_MAX / 2);	/* as large as what was read already */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));	/* a UNIX socket has no such thing */
	name_remote(channel);

	rc = opts->tls ? lp_tls_new(opts->tls, fd, opts->server ? NULL : opts->name, &channel->tls, err) : 0;
	channel->state = opts->connecting ? CONNECTING : opts->tls ? HANDSHAKE : OPEN;
	if (rc == 0 && channel->state == OPEN)
		channel->state = CONNECTING;	/* ready() comes from the loop: a connected socket is writable at once */
	if (rc == 0)
		rc = lp_watch_start(loop, &channel->watch, fd, EPOLLOUT, happened, err);
	if (rc == 0)
		rc = lp_timer_start(loop, &channel->timer, now_ms + (opts->handshake_ms ? opts->handshake_ms : HANDSHAKE_MS), too_late);
	if (rc < 0) {
		lp_channel_free(channel);
		return rc;
	}
	watch_again(channel);
	*out = channel;
	return 0;
}

int
lp_channel_adopt(struct lp_channel *channel, const struct lp_channel_ops *ops, void *arg, const void *early, size_t len)
{
	if (lp_buf_add(&channel->early, early, len) < 0)
		return -ENOMEM;
	channel->ops = ops;
	channel->arg = arg;
	channel->paused = false;
	kick(channel);
	return 0;
}

void
lp_channel_pause(struct lp_channel *channel, bool pause)
{
	if (channel->paused == pause || channel->state == DEAD)
		return;
	channel->paused = pause;
	if (pause) {
		watch_again(channel);
		return;
	}
	if (channel->asleep) {
		channel->asleep = false;
		if (lp_watch_start(channel->loop, &channel->watch, channel->fd, EPOLLIN, happened, &channel->why) < 0)
			channel->why.code = channel->why.code ? channel->why.code : -ENOMEM;
	}
	kick(channel);	/* what TLS has decrypted already makes no event */
}

/* ---- facts */

void *
lp_channel_arg(const struct lp_channel *channel)
{
	return channel->arg;
}

struct lp_loop *
lp_channel_loop(const struct lp_channel *channel)
{
	return channel->loop;
}

bool
lp_channel_is_ready(const struct lp_channel *channel)
{
	return channel->state == OPEN;
}

struct lp_tls *
lp_channel_tls(const struct lp_channel *channel)
{
	return channel->tls;
}

const struct lp_cert_identity *
lp_channel_peer(const struct lp_channel *channel)
{
	return channel->tls ? lp_tls_peer(channel->tls) : NULL;
}

const char *
lp_channel_remote(const struct lp_channel *channel)
{
	return channel->remote;
}

int64_t
lp_channel_last_read_ms(const struct lp_channel *channel)
{
	return channel->last_read_ms;
}

int
lp_channel_local(const struct lp_channel *channel, char *out, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	const void *host;

	if (channel->fd < 0 || getsockname(channel->fd, (struct sockaddr *)&addr, &len) < 0)
		return -ENOTCONN;
	if (addr.ss_family == AF_INET)
		host = &((const struct sockaddr_in *)&addr)->sin_addr;
	else if (addr.ss_family == AF_INET6)
		host = &((const struct sockaddr_in6 *)&addr)->sin6_addr;
	else
		return -ENOTCONN;
	return inet_ntop(addr.ss_family, host, out, (socklen_t)size) ? 0 : -errno;
}

#include "agent/net/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/seam.h"
#include "netbridge/netbridge.h"

#define RESOLVERS_MAX 8
#define TCP_PREFIX 2

struct lp_upstream {
	struct lp_loop *loop;
	uint32_t addrs[RESOLVERS_MAX];
	size_t count;
	uint16_t port;
	struct lp_list asks;
	size_t ask_count;
};

struct lp_upstream_ask {
	struct lp_list link;
	struct lp_upstream *upstream;
	struct lp_watch watch;
	struct lp_timer timer;
	int fd;				/* -1 between tries */
	bool tcp;
	unsigned tries;
	uint16_t id;			/* of the asker's question; ours has another */
	size_t sent;			/* TCP: bytes of the question that are out */
	struct lp_buf question;		/* with our id; TCP: with its length before it */
	struct lp_buf answer;		/* TCP: what came so far */
	lp_upstream_fn fn;
	void *arg;
};

static void next_try(struct lp_upstream_ask *ask);

void
lp_upstream_set(struct lp_upstream *upstream, const uint32_t *addrs, size_t count)
{
	upstream->count = count < RESOLVERS_MAX ? count : RESOLVERS_MAX;
	for (size_t i = 0; i < upstream->count; i++)
		upstream->addrs[i] = addrs[i];
}

int
lp_upstream_new(struct lp_loop *loop, const uint32_t *addrs, size_t count, uint16_t port, struct lp_upstream **out, struct lp_err *err)
{
	struct lp_upstream *upstream = calloc(1, sizeof(*upstream));

	if (!upstream)
		return lp_err_set(err, -ENOMEM, "upstream resolvers");
	upstream->loop = loop;
	upstream->port = port;
	lp_upstream_set(upstream, addrs, count);
	lp_list_init(&upstream->asks);
	*out = upstream;
	return 0;
}

static void
close_try(struct lp_upstream_ask *ask)
{
	lp_watch_stop(&ask->watch);
	lp_timer_stop(&ask->timer);
	lp_close(&ask->fd);
}

void
lp_upstream_cancel(struct lp_upstream_ask *ask)
{
	close_try(ask);
	lp_list_remove(&ask->link);
	ask->upstream->ask_count--;
	lp_buf_fini(&ask->question);
	lp_buf_fini(&ask->answer);
	free(ask);
}

void
lp_upstream_free(struct lp_upstream *upstream)
{
	if (!upstream)
		return;
	while (!lp_list_empty(&upstream->asks))
		lp_upstream_cancel(lp_of(lp_list_first(&upstream->asks), struct lp_upstream_ask, link));
	free(upstream);
}

/* The end of a question; `answer` has our id. */
static void
finish(struct lp_upstream_ask *ask, uint8_t *answer, size_t len)
{
	lp_upstream_fn fn = ask->fn;
	void *arg = ask->arg;

	if (answer) {
		answer[0] = (uint8_t)(ask->id >> 8);
		answer[1] = (uint8_t)ask->id;
	}
	close_try(ask);
	fn(arg, answer, len);
	lp_upstream_cancel(ask);
}

static bool
fits(const struct lp_upstream_ask *ask, const uint8_t *answer, size_t len)
{
	size_t skip = ask->tcp ? TCP_PREFIX : 0;

	return lp_dns_matches((const uint8_t *)ask->question.data + skip, ask->question.len - skip, answer, len);
}

static void
udp_ready(struct lp_upstream_ask *ask)
{
	uint8_t answer[4096];
	ssize_t got;

	while ((got = recv(ask->fd, answer, sizeof(answer), MSG_DONTWAIT)) >= 0) {
		if (fits(ask, answer, (size_t)got)) {
			finish(ask, answer, (size_t)got);
			return;
		}
	}
	if (errno != EAGAIN && errno != EINTR)
		next_try(ask);		/* refused: nobody is there */
}

static void
tcp_ready(struct lp_upstream_ask *ask, uint32_t events)
{
	char bytes[4096];
	ssize_t got;

	if ((events & EPOLLOUT) && ask->sent < ask->question.len) {
		got = send(ask->fd, ask->question.data + ask->sent, ask->question.len - ask->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (got > 0)
			ask->sent += (size_t)got;
		if (ask->sent == ask->question.len)
			(void)lp_watch_change(&ask->watch, EPOLLIN);	/* without it we are woken too often, no more */
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	while ((got = recv(ask->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		const uint8_t *head;
		size_t len;

		if (lp_buf_add(&ask->answer, bytes, (size_t)got) < 0)
			break;
		head = (const uint8_t *)ask->answer.data;
		if (ask->answer.len < TCP_PREFIX)
			continue;
		len = (size_t)head[0] << 8 | head[1];
		if (ask->answer.len >= TCP_PREFIX + len) {
			if (!fits(ask, head + TCP_PREFIX, len))
				break;
			finish(ask, (uint8_t *)ask->answer.data + TCP_PREFIX, len);
			return;
		}
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	next_try(ask);
}

static void
on_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_upstream_ask *ask = lp_of(watch, struct lp_upstream_ask, watch);

	(void)now_ms;
	if (ask->tcp)
		tcp_ready(ask, events);
	else
		udp_ready(ask);
}

static void
on_late(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	next_try(lp_of(timer, struct lp_upstream_ask, timer));
}

/* A new socket to the next resolver, and the question into it. */
static int
begin_try(struct lp_upstream_ask *ask)
{
	struct lp_upstream *upstream = ask->upstream;
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(upstream->port),
		.sin_addr.s_addr = htonl(upstream->addrs[ask->tries % upstream->count]),
	};

	ask->tries++;
	ask->sent = 0;
	lp_buf_reset(&ask->answer);
	ask->fd = socket(AF_INET, (ask->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ask->fd < 0)
		return -errno;
	if (connect(ask->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -errno;
	if (!ask->tcp && send(ask->fd, ask->question.data, ask->question.len, MSG_NOSIGNAL) < 0)
		return -errno;
	return lp_watch_start(upstream->loop, &ask->watch, ask->fd, ask->tcp ? EPOLLIN | EPOLLOUT : EPOLLIN, on_ready, NULL);
}

static void
next_try(struct lp_upstream_ask *ask)
{
	struct lp_loop *loop = ask->upstream->loop;

	for (;;) {
		close_try(ask);
		if (ask->tries == LP_UPSTREAM_TRIES || ask->upstream->count == 0) {
			finish(ask, NULL, 0);
			return;
		}
		if (begin_try(ask) == 0 && lp_timer_start(loop, &ask->timer, lp_loop_now(loop) + LP_UPSTREAM_WAIT_MS, on_late) == 0)
			return;
	}
}

int
lp_upstream_ask(struct lp_upstream *upstream, const void *question, size_t len, bool tcp, lp_upstream_fn fn, void *arg,
    struct lp_upstream_ask **out, struct lp_err *err)
{
	struct lp_upstream_ask *ask;
	uint16_t id;

	if (upstream->count == 0)
		return lp_err_say(err, -ENETUNREACH, "no resolver to ask");
	if (upstream->ask_count == LP_UPSTREAM_MAX || len < 2 || len > LP_DNS_TCP_MAX)
		return lp_err_say(err, -EBUSY, "%zu questions are under way", upstream->ask_count);
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return lp_err_set(err, -ENOMEM, "question");
	lp_buf_init(&ask->question, TCP_PREFIX + LP_DNS_TCP_MAX);
	lp_buf_init(&ask->answer, 2 * (TCP_PREFIX + LP_DNS_TCP_MAX));
	ask->upstream = upstream;
	ask->fd = -1;
	ask->tcp = tcp;
	ask->fn = fn;
	ask->arg = arg;
	ask->id = (uint16_t)(((const uint8_t *)question)[0] << 8 | ((const uint8_t *)question)[1]);
	lp_random(&id, sizeof(id));
	if (tcp)
		(void)lp_buf_u16(&ask->question, (uint16_t)len);	/* sticky: checked below */
	(void)lp_buf_u16(&ask->question, id);
	(void)lp_buf_add(&ask->question, (const char *)question + 2, len - 2);
	lp_list_append(&upstream->asks, &ask->link);
	upstream->ask_count++;
	/* The first try begins in the next turn, so that fn is never called from here. */
	if (ask->question.failed || lp_timer_start(upstream->loop, &ask->timer, lp_loop_now(upstream->loop), on_late) < 0) {
		lp_upstream_cancel(ask);
		return lp_err_set(err, -ENOMEM, "question");
	}
	*out = ask;
	return 0;
}

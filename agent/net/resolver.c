#include "agent/net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/net/hostnet.h"
#include "agent/net/upstream.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"

#define DNS_PORT 53
#define UDP_BURST 64		/* packets read in one turn */
#define QUESTION_MAX 1024	/* bytes of a question that we look at */
#define TCP_CLIENTS_MAX 64
#define TCP_IDLE_MS 10000
#define TCP_BACKLOG 64
#define REFRESH_MS 2000		/* between looks at who is upstream */

struct client;

struct lp_resolver {
	struct lp_loop *loop;
	struct lp_upstream *upstream;
	lp_resolver_upstreams_fn upstreams;
	int64_t refresh_ms;		/* when to ask it again */
	struct lp_dns_zone *zone;	/* NULL until the first one */
	struct lp_watch udp, tcp;
	int udp_fd, tcp_fd;
	struct lp_list waiting;		/* struct waiting: questions that upstream has */
	struct lp_list clients;		/* struct client */
	size_t client_count;
	struct lp_buf out;		/* the answer being made */
	struct lp_log_limit limit;
};

/* A question that upstream has been asked. */
struct waiting {
	struct lp_list link;
	struct lp_resolver *resolver;
	struct lp_upstream_ask *ask;
	struct sockaddr_in from;
	struct client *client;		/* weak; NULL: UDP */
	struct lp_buf question;		/* as it came */
	struct lp_buf alias;		/* our answer so far, when an alias is chased; else empty */
	size_t max;			/* bytes the asker takes */
};

/* A TCP connection: one question at a time. */
struct client {
	struct lp_list link;
	struct lp_resolver *resolver;
	struct lp_watch watch;
	struct lp_timer timer;
	int fd;
	struct lp_buf in, out;
	size_t sent;
	struct waiting *waiting;	/* the question upstream has; NULL none */
};

static void client_next(struct client *client);

static void
drop_waiting(struct waiting *waiting)
{
	lp_list_remove(&waiting->link);
	lp_buf_fini(&waiting->question);
	lp_buf_fini(&waiting->alias);
	free(waiting);
}

static void
drop_client(struct client *client)
{
	if (client->waiting) {
		lp_upstream_cancel(client->waiting->ask);
		drop_waiting(client->waiting);
	}
	lp_watch_stop(&client->watch);
	lp_timer_stop(&client->timer);
	lp_close(&client->fd);
	lp_list_remove(&client->link);
	client->resolver->client_count--;
	lp_buf_fini(&client->in);
	lp_buf_fini(&client->out);
	free(client);
}

/* ---- answers */

static void
client_say(struct client *client, const void *answer, size_t len)
{
	if (lp_buf_u16(&client->out, (uint16_t)len) < 0 || lp_buf_add(&client->out, answer, len) < 0)
		lp_buf_reset(&client->out);	/* no memory: the connection idles out */
}

static void
say(struct lp_resolver *resolver, struct client *client, const struct sockaddr_in *from, const void *answer, size_t len)
{
	if (len == 0)
		return;
	if (client)
		client_say(client, answer, len);
	else
		(void)sendto(resolver->udp_fd, answer, len, MSG_DONTWAIT, (const struct sockaddr *)from, sizeof(*from));	/* UDP may be lost */
}

static void
say_failure(struct lp_resolver *resolver, struct client *client, const struct sockaddr_in *from, const void *question, size_t len)
{
	if (lp_dns_refuse(question, len, LP_DNS_SERVFAIL, &resolver->out) == 0)
		say(resolver, client, from, resolver->out.data, resolver->out.len);
}

static void
upstream_said(void *arg, const uint8_t *answer, size_t len)
{
	struct waiting *waiting = arg;
	struct lp_resolver *resolver = waiting->resolver;
	struct client *client = waiting->client;
	bool good = answer != NULL;

	if (good && waiting->alias.len > 0) {
		good = lp_dns_merge(&waiting->alias, answer, len, waiting->max, &resolver->out) == 0;
		answer = (const uint8_t *)resolver->out.data;
		len = resolver->out.len;
	}
	if (good)
		say(resolver, client, &waiting->from, answer, len);
	else
		say_failure(resolver, client, &waiting->from, waiting->question.data, waiting->question.len);
	drop_waiting(waiting);
	if (client) {
		client->waiting = NULL;
		client_next(client);
	}
}

/* DHCP and people change resolv.conf; who asks nothing looks at nothing. */
static void
refresh_upstreams(struct lp_resolver *resolver)
{
	int64_t now_ms = lp_loop_now(resolver->loop);
	uint32_t addrs[LP_HOSTNET_RESOLVERS];

	if (now_ms < resolver->refresh_ms)
		return;
	resolver->refresh_ms = now_ms + REFRESH_MS;
	lp_upstream_set(resolver->upstream, addrs, resolver->upstreams(addrs));
}

/* Ask upstream for what was asked, or for where an alias leads. */
static int
ask_upstream(struct lp_resolver *resolver, struct client *client, const struct sockaddr_in *from, const uint8_t *question, size_t len,
    size_t max, const char *chase)
{
	lp_auto_buf struct lp_buf instead = { 0 };
	struct lp_dns_question parsed;
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	struct lp_err err;
	int rc = waiting ? 0 : -ENOMEM;

	lp_buf_init(&instead, QUESTION_MAX);
	if (rc < 0)
		return rc;
	refresh_upstreams(resolver);
	lp_buf_init(&waiting->question, LP_DNS_TCP_MAX);
	lp_buf_init(&waiting->alias, LP_DNS_TCP_MAX);
	lp_list_append(&resolver->waiting, &waiting->link);
	waiting->resolver = resolver;
	waiting->client = client;
	if (from)
		waiting->from = *from;
	rc = lp_buf_add(&waiting->question, question, len);
	if (rc == 0)
		rc = lp_dns_parse(question, len, &parsed);
	if (rc == 0)
		waiting->max = max == LP_DNS_UDP_MAX && parsed.udp_size < max ? parsed.udp_size : max;
	if (rc == 0 && chase) {
		rc = lp_buf_add(&waiting->alias, resolver->out.data, resolver->out.len);
		if (rc == 0)
			rc = lp_dns_query(&instead, parsed.id, chase, parsed.type);
		question = (const uint8_t *)instead.data;
		len = instead.len;
	}
	if (rc == 0)
		rc = lp_upstream_ask(resolver->upstream, question, len, client != NULL, upstream_said, waiting, &waiting->ask, &err);
	if (rc < 0)
		drop_waiting(waiting);
	else if (client)
		client->waiting = waiting;
	return rc;
}

/* One question, from either side. */
static void
take_question(struct lp_resolver *resolver, struct client *client, const struct sockaddr_in *from, const uint8_t *question, size_t len)
{
	size_t max = client ? LP_DNS_TCP_MAX : LP_DNS_UDP_MAX;
	enum lp_dns_verdict verdict = LP_DNS_IGNORE;
	char chase[LP_DNS_NAME];
	int rc = lp_dns_answer(resolver->zone, question, len, max, &resolver->out, &verdict, chase);

	if (rc == 0) {
		switch (verdict) {
		case LP_DNS_ANSWER:
			say(resolver, client, from, resolver->out.data, resolver->out.len);
			return;
		case LP_DNS_FORWARD:
			rc = ask_upstream(resolver, client, from, question, len, max, NULL);
			break;
		case LP_DNS_CHASE:
			rc = ask_upstream(resolver, client, from, question, len, max, chase);
			break;
		case LP_DNS_IGNORE:
			return;
		}
	}
	if (rc == 0)
		return;
	if (rc == -EBUSY && lp_log_allowed(&resolver->limit))
		lp_log(LP_LOG_WARN, "too many DNS questions wait for upstream, new ones are refused", "most=%d", LP_UPSTREAM_MAX);
	say_failure(resolver, client, from, question, len);
}

/* ---- UDP */

static void
udp_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_resolver *resolver = lp_of(watch, struct lp_resolver, udp);
	uint8_t question[QUESTION_MAX];

	(void)events;
	(void)now_ms;
	for (unsigned i = 0; i < UDP_BURST; i++) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(resolver->udp_fd, question, sizeof(question), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

		if (len < 0)
			return;
		take_question(resolver, NULL, &from, question, (size_t)len);
	}
}

/* ---- TCP */

/* Write what is there, then look at the next question. The client may be gone afterwards. */
static void
client_next(struct client *client)
{
	while (!client->waiting) {
		const uint8_t *in = (const uint8_t *)client->in.data;
		size_t len = client->in.len >= 2 ? (size_t)in[0] << 8 | in[1] : 0;

		if (client->sent < client->out.len) {
			ssize_t sent = send(client->fd, client->out.data + client->sent, client->out.len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (sent < 0 && errno != EAGAIN) {
				drop_client(client);
				return;
			}
			client->sent += sent > 0 ? (size_t)sent : 0;
			if (client->sent < client->out.len)
				break;
		}
		lp_buf_reset(&client->out);
		client->sent = 0;
		if (client->in.len < 2 || client->in.len < 2 + len)
			break;
		if (len > QUESTION_MAX) {
			drop_client(client);
			return;
		}
		take_question(client->resolver, client, NULL, in + 2, len);
		lp_buf_consume(&client->in, 2 + len);
	}
	/* While a question is under way or an answer goes out, no more is read: the asker waits. */
	if (lp_watch_change(&client->watch, client->sent < client->out.len ? EPOLLOUT : client->waiting ? 0 : EPOLLIN) < 0)
		drop_client(client);
}

static void
client_idle(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	drop_client(lp_of(timer, struct client, timer));
}

static void
client_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct client *client = lp_of(watch, struct client, watch);
	char bytes[QUESTION_MAX];
	ssize_t got;

	if (events & EPOLLIN) {
		got = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) || (got > 0 && lp_buf_add(&client->in, bytes, (size_t)got) < 0)) {
			drop_client(client);
			return;
		}
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		drop_client(client);
		return;
	}
	if (lp_timer_start(client->resolver->loop, &client->timer, now_ms + TCP_IDLE_MS, client_idle) < 0) {
		drop_client(client);
		return;
	}
	client_next(client);
}

static void
tcp_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_resolver *resolver = lp_of(watch, struct lp_resolver, tcp);
	lp_auto_fd int fd = accept4(resolver->tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;

	(void)events;
	if (fd < 0)
		return;
	/* Full: the connection that was opened first makes room. */
	if (resolver->client_count == TCP_CLIENTS_MAX)
		drop_client(lp_of(lp_list_first(&resolver->clients), struct client, link));
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->resolver = resolver;
	client->fd = lp_take_fd(&fd);
	lp_buf_init(&client->in, 4 * QUESTION_MAX);
	lp_buf_init(&client->out, 2 * (2 + LP_DNS_TCP_MAX));
	lp_list_append(&resolver->clients, &client->link);
	resolver->client_count++;
	if (lp_watch_start(resolver->loop, &client->watch, client->fd, EPOLLIN, client_ready, NULL) < 0 ||
	    lp_timer_start(resolver->loop, &client->timer, now_ms + TCP_IDLE_MS, client_idle) < 0)
		drop_client(client);
}

/* ---- */

static int
listen_on(uint32_t addr, int type, int *out_fd, struct lp_err *err)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr), .sin_port = htons(DNS_PORT) };
	lp_auto_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[LP_TEXT_IPV4];
	int one = 1;

	lp_text_ipv4_print(addr, text);
	if (fd < 0)
		return lp_err_set(err, -errno, "socket for DNS");
	/* For UDP, too: another server of the host may have port 53 of every address. Ours is the closer match. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return lp_err_set(err, -errno, "reuse the address %s", text);
	if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 || (type == SOCK_STREAM && listen(fd, TCP_BACKLOG) < 0))
		return lp_err_set(err, -errno, "answer DNS on %s port %d", text, DNS_PORT);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

int
lp_resolver_listen(uint32_t addr, int out_fds[static 2], struct lp_err *err)
{
	lp_auto_fd int udp = -1, tcp = -1;
	int rc = listen_on(addr, SOCK_DGRAM, &udp, err);

	if (rc == 0)
		rc = listen_on(addr, SOCK_STREAM, &tcp, err);
	if (rc < 0)
		return rc;
	out_fds[0] = lp_take_fd(&udp);
	out_fds[1] = lp_take_fd(&tcp);
	return 0;
}

int
lp_resolver_new(struct lp_loop *loop, const int fds[static 2], lp_resolver_upstreams_fn upstreams, struct lp_resolver **out,
    struct lp_err *err)
{
	struct lp_resolver *resolver = calloc(1, sizeof(*resolver));
	int rc;

	if (!resolver) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return lp_err_set(err, -ENOMEM, "resolver");
	}
	resolver->loop = loop;
	resolver->udp_fd = fds[0];
	resolver->tcp_fd = fds[1];
	resolver->upstreams = upstreams;
	lp_list_init(&resolver->waiting);
	lp_list_init(&resolver->clients);
	lp_buf_init(&resolver->out, LP_DNS_TCP_MAX);
	rc = lp_upstream_new(loop, NULL, 0, DNS_PORT, &resolver->upstream, err);
	if (rc < 0) {
		lp_resolver_free(resolver);
		return rc;
	}
	*out = resolver;
	return 0;
}

void
lp_resolver_free(struct lp_resolver *resolver)
{
	if (!resolver)
		return;
	while (!lp_list_empty(&resolver->clients))
		drop_client(lp_of(lp_list_first(&resolver->clients), struct client, link));
	lp_upstream_free(resolver->upstream);
	while (!lp_list_empty(&resolver->waiting))
		drop_waiting(lp_of(lp_list_first(&resolver->waiting), struct waiting, link));
	lp_watch_stop(&resolver->udp);
	lp_watch_stop(&resolver->tcp);
	lp_close(&resolver->udp_fd);
	lp_close(&resolver->tcp_fd);
	lp_buf_fini(&resolver->out);
	lp_dns_zone_free(resolver->zone);
	free(resolver);
}

int
lp_resolver_take_zone(struct lp_resolver *resolver, struct lp_dns_zone *zone, struct lp_err *err)
{
	int rc = 0;

	/* Until we know something, questions wait in the sockets: better late than wrong. */
	if (!resolver->udp.loop)
		rc = lp_watch_start(resolver->loop, &resolver->udp, resolver->udp_fd, EPOLLIN, udp_ready, err);
	if (rc == 0 && !resolver->tcp.loop)
		rc = lp_watch_start(resolver->loop, &resolver->tcp, resolver->tcp_fd, EPOLLIN, tcp_ready, err);
	lp_dns_zone_free(resolver->zone);
	resolver->zone = zone;
	return rc;
}

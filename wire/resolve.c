/*
 * wire/resolve.c - names to addresses without NSS: literals, /etc/hosts, DNS over UDP.
 *
 * Theory  One question at a time goes to one name server at a time, from a fresh socket with a random id: A, then AAAA when
 *         there was no A. A server that is silent for two seconds or refuses is followed by the next one, twice around.
 *         Only answers whose id, question and source fit are looked at.
 * Source  RFC 1035, RFC 3596, resolv.conf(5), hosts(5)
 */
#include "wire/resolve.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"

#define SERVERS    3
#define ROUNDS     2
#define WAIT_MS    2000
#define PACKET_MAX 512
#define FILE_MAX   (256u << 10)
#define TYPE_A     1
#define TYPE_AAAA  28

struct lp_resolve {
	struct lp_loop *loop;		/* weak */
	lp_resolve_fn done;
	void *arg;
	char host[256];
	uint16_t port;
	struct lp_resolve_address found[LP_RESOLVE_MAX];
	size_t found_count;
	struct lp_resolve_address servers[SERVERS];
	size_t server_count;
	unsigned tries;			/* of this question; the server is tries % server_count */
	uint16_t id, type;
	int fd;				/* -1 when none */
	struct lp_watch watch;
	struct lp_timer timer;
	struct lp_defer ready;		/* an answer without any question */
	struct lp_err why;
	bool negative;			/* a server said that there is no such name or record */
};

int
lp_resolve_literal(const char *host, uint16_t port, struct lp_resolve_address *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memcpy(&out->addr, &in, sizeof(in));
		out->len = sizeof(in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		memcpy(&out->addr, &in6, sizeof(in6));
		out->len = sizeof(in6);
		return 0;
	}
	return -EINVAL;
}

static void
add(struct lp_resolve *query, const char *literal)
{
	if (query->found_count < LP_RESOLVE_MAX && lp_resolve_literal(literal, query->port, &query->found[query->found_count]) == 0)
		query->found_count++;
}

/* ---- files */

/* Calls line(query, words) for each line of a file of words; '#' begins a comment. A file that is not there has no lines. */
static void
each_line(struct lp_resolve *query, const char *path, void (*line)(struct lp_resolve *query, char **words, size_t count))
{
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int etc = -1;
	char *save = NULL;

	lp_buf_init(&text, FILE_MAX);
	if (lp_path_root("/etc", false, &etc, NULL) < 0 || lp_path_read(etc, path, &text, NULL) < 0 || !text.data)
		return;
	for (char *at = strtok_r(text.data, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		char *words[16], *inner = NULL;
		size_t count = 0;

		at[strcspn(at, "#;")] = 0;
		for (char *w = strtok_r(at, " \t\r", &inner); w && count < lp_count(words); w = strtok_r(NULL, " \t\r", &inner))
			words[count++] = w;
		if (count > 1)
			line(query, words, count);
	}
}

static void
hosts_line(struct lp_resolve *query, char **words, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (strcasecmp(words[i], query->host) == 0) {
			add(query, words[0]);
			return;
		}
	}
}

static void
resolv_line(struct lp_resolve *query, char **words, size_t count)
{
	(void)count;
	if (strcmp(words[0], "nameserver") == 0 && query->server_count < SERVERS &&
	    lp_resolve_literal(words[1], 53, &query->servers[query->server_count]) == 0)
		query->server_count++;
}

/* ---- ending */

static void
query_stop(struct lp_resolve *query)
{
	lp_watch_stop(&query->watch);
	lp_timer_stop(&query->timer);
	lp_defer_cancel(&query->ready);
	lp_close(&query->fd);
}

void
lp_resolve_cancel(struct lp_resolve *query)
{
	if (!query)
		return;
	query_stop(query);
	free(query);
}

static void
finish(struct lp_resolve *query, int64_t now_ms)
{
	query_stop(query);
	if (query->found_count)
		lp_err_clear(&query->why);
	query->done(query->arg, query->found, query->found_count, &query->why, now_ms);
	free(query);
}

/* ---- questions and answers */

static int
name_write(struct lp_buf *out, const char *host)
{
	while (*host) {
		size_t len = strcspn(host, ".");

		if (len == 0 || len > 63)
			return -EINVAL;
		(void)lp_buf_u8(out, (uint8_t)len);	/* sticky, checked by the caller */
		(void)lp_buf_add(out, host, len);
		host += len;
		host += *host == '.';
	}
	return lp_buf_u8(out, 0);
}

static int
question_write(struct lp_buf *out, const struct lp_resolve *query)
{
	(void)lp_buf_u16(out, query->id);	/* sticky, checked at the end */
	(void)lp_buf_u16(out, 0x0100);		/* recursion desired */
	(void)lp_buf_u16(out, 1);
	(void)lp_buf_u16(out, 0);
	(void)lp_buf_u32(out, 0);
	if (name_write(out, query->host) < 0)
		return -EINVAL;
	(void)lp_buf_u16(out, query->type);
	return lp_buf_u16(out, 1);
}

static uint16_t
u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Past a name, without following it. 0: malformed. */
static size_t
name_skip(const uint8_t *packet, size_t len, size_t at)
{
	while (at < len) {
		if ((packet[at] & 0xc0) == 0xc0)
			return at + 2 <= len ? at + 2 : 0;
		if (packet[at] & 0xc0)
			return 0;
		if (packet[at] == 0)
			return at + 1;
		at += packet[at] + 1u;
	}
	return 0;
}

/* 0: it was the answer (perhaps a negative one); -EAGAIN: not ours, wait on; -EIO: this server cannot help. */
static int
answer_read(struct lp_resolve *query, const uint8_t *packet, size_t len)
{
	lp_auto_buf struct lp_buf asked;
	size_t at, count, question;

	lp_buf_init(&asked, PACKET_MAX);
	if (question_write(&asked, query) < 0)
		return -EIO;
	question = asked.len - 12;
	if (len < asked.len || u16(packet) != query->id || !(packet[2] & 0x80) || u16(packet + 4) != 1 ||
	    strncasecmp((const char *)packet + 12, asked.data + 12, question - 4) != 0 ||
	    memcmp(packet + asked.len - 4, asked.data + asked.len - 4, 4) != 0)
		return -EAGAIN;
	if ((packet[3] & 15) == 3) {
		query->negative = true;
		return 0;
	}
	if ((packet[3] & 15) != 0)
		return -EIO;
	at = asked.len;
	count = u16(packet + 6);
	while (count-- && at < len) {
		char text[INET6_ADDRSTRLEN];
		uint16_t type, size;

		at = name_skip(packet, len, at);
		if (at == 0 || len - at < 10)
			return -EIO;
		type = u16(packet + at);
		size = u16(packet + at + 8);
		at += 10;
		if (len - at < size)
			return -EIO;
		if (type == query->type && size == (type == TYPE_A ? 4 : 16) &&
		    inet_ntop(type == TYPE_A ? AF_INET : AF_INET6, packet + at, text, sizeof(text)))
			add(query, text);
		at += size;
	}
	query->negative = query->found_count == 0;
	return 0;
}

static void ask(struct lp_resolve *query, int64_t now_ms);

static void
next_question(struct lp_resolve *query, int64_t now_ms)
{
	if (query->found_count || query->type == TYPE_AAAA) {
		if (query->negative)
			(void)lp_err_say(&query->why, -ENOENT, "there is no host named %s", query->host);	/* told by finish */
		finish(query, now_ms);
		return;
	}
	query->type = TYPE_AAAA;
	query->tries = 0;
	ask(query, now_ms);
}

static void
got_packet(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_resolve *query = lp_of(watch, struct lp_resolve, watch);
	uint8_t packet[PACKET_MAX];
	ssize_t n = recv(query->fd, packet, sizeof(packet), MSG_DONTWAIT);
	int rc;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	rc = n < 12 ? -EIO : answer_read(query, packet, (size_t)n);
	if (rc == -EAGAIN)
		return;
	if (rc == 0) {
		next_question(query, now_ms);
		return;
	}
	query->tries++;
	ask(query, now_ms);
}

static void
silent(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_resolve *query = lp_of(timer, struct lp_resolve, timer);

	query->tries++;
	ask(query, now_ms);
}

static void
ask(struct lp_resolve *query, int64_t now_ms)
{
	lp_auto_buf struct lp_buf packet;

	lp_buf_init(&packet, PACKET_MAX);
	for (; query->tries < query->server_count * ROUNDS; query->tries++) {
		const struct lp_resolve_address *server = &query->servers[query->tries % query->server_count];

		lp_watch_stop(&query->watch);
		lp_close(&query->fd);
		lp_random(&query->id, sizeof(query->id));
		lp_buf_reset(&packet);
		if (question_write(&packet, query) < 0)
			break;
		query->fd = socket(server->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (query->fd >= 0 && connect(query->fd, (const struct sockaddr *)&server->addr, server->len) == 0 &&
		    send(query->fd, packet.data, packet.len, MSG_NOSIGNAL) == (ssize_t)packet.len &&
		    lp_watch_start(query->loop, &query->watch, query->fd, EPOLLIN, got_packet, NULL) == 0 &&
		    lp_timer_start(query->loop, &query->timer, now_ms + WAIT_MS, silent) == 0)
			return;
	}
	(void)lp_err_say(&query->why, -ETIMEDOUT, "no name server answers for %s", query->host);	/* told by finish */
	finish(query, now_ms);
}

static void
begin(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_resolve *query = lp_of(defer, struct lp_resolve, ready);

	if (query->found_count) {
		finish(query, now_ms);
		return;
	}
	each_line(query, "resolv.conf", resolv_line);
	if (query->server_count == 0) {
		(void)lp_err_say(&query->why, -ENOENT, "%s is not in /etc/hosts, and /etc/resolv.conf names no server", query->host);	/* told by finish */
		finish(query, now_ms);
		return;
	}
	query->type = TYPE_A;
	ask(query, now_ms);
}

int
lp_resolve_start(struct lp_loop *loop, const char *host, uint16_t port, lp_resolve_fn done, void *arg, struct lp_resolve **out,
    struct lp_err *err)
{
	struct lp_resolve *query;
	size_t len = strlen(host);

	if (len == 0 || len >= sizeof(query->host) || strpbrk(host, " /@:"))
		return lp_err_say(err, -EINVAL, "\"%.64s\" is not the name of a host", host);
	query = lp_seam.alloc(sizeof(*query));
	if (!query)
		return lp_err_set(err, -ENOMEM, "resolve %s", host);
	query->loop = loop;
	query->done = done;
	query->arg = arg;
	query->port = port;
	query->fd = -1;
	memcpy(query->host, host, len + 1);
	if (query->host[len - 1] == '.')
		query->host[len - 1] = 0;
	add(query, query->host);
	if (!query->found_count && strcasecmp(query->host, "localhost") == 0) {
		add(query, "127.0.0.1");
		add(query, "::1");
	}
	if (!query->found_count)
		each_line(query, "hosts", hosts_line);
	lp_loop_defer(loop, &query->ready, begin);
	*out = query;
	return 0;
}

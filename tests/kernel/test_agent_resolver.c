#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/resolver.h"
#include "agent/net/upstream.h"
#include "base/auto.h"
#include "base/buf.h"
#include "tests/harness.h"

/*
 * The resolver on 127.0.0.10:53 and an upstream on 127.0.0.20:53 of this test's own network namespace. The upstream is played
 * by the test: it reads what is forwarded and says what it likes.
 */

#define RESOLVER 0x7f00000au
#define UPSTREAM 0x7f000014u

struct bench {
	struct lp_loop *loop;
	struct lp_resolver *resolver;
	int up_udp, up_tcp;		/* the upstream's sockets */
};

static struct sockaddr_in
name_of(uint32_t addr)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr), .sin_port = htons(53) };
}

static struct lp_dns_zone *
new_zone(void)
{
	static const struct lp_dns_record records[] = {
		{ .name = "web.default.svc.cluster.local", .type = LP_DNS_A, .ttl = 5, .addr = 0x0a2b0005 },
		{ .name = "out.default.svc.cluster.local", .type = LP_DNS_CNAME, .ttl = 5, .target = "www.example.com" },
	};
	struct lp_dns_zone *zone;
	struct lp_err err;

	CHECK_OK(lp_dns_zone_new(&zone, "cluster.local", &err), &err);
	for (size_t i = 0; i < lp_count(records); i++)
		CHECK_OK(lp_dns_zone_add(zone, &records[i], &err), &err);
	for (uint32_t i = 0; i < 200; i++) {
		CHECK_OK(lp_dns_zone_add(zone, &(struct lp_dns_record){ .name = "big.default.svc.cluster.local", .type = LP_DNS_A,
		    .ttl = 5, .addr = i }, &err), &err);
	}
	return zone;
}

static int
upstream_socket(int type)
{
	struct sockaddr_in name = name_of(UPSTREAM);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	if (type == SOCK_STREAM)
		CHECK(listen(fd, 8) == 0);
	return fd;
}

static uint32_t upstream_addr = UPSTREAM;	/* 0 = none */

static size_t
upstreams(uint32_t *out)
{
	out[0] = upstream_addr;
	return upstream_addr != 0;
}

static void
start(struct bench *bench, bool upstream)
{
	struct lp_err err;
	int fds[2];

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNET);
	bench->up_udp = upstream ? upstream_socket(SOCK_DGRAM) : -1;
	bench->up_tcp = upstream ? upstream_socket(SOCK_STREAM) : -1;
	CHECK_OK(lp_loop_new(&bench->loop, &err), &err);
	CHECK_OK(lp_resolver_listen(RESOLVER, fds, &err), &err);
	CHECK_OK(lp_resolver_new(bench->loop, fds, upstreams, &bench->resolver, &err), &err);
	CHECK_OK(lp_resolver_take_zone(bench->resolver, new_zone(), &err), &err);
}

static void
stop(struct bench *bench)
{
	lp_resolver_free(bench->resolver);
	lp_loop_free(bench->loop);
}

static int
client_socket(int type)
{
	struct sockaddr_in name = name_of(RESOLVER);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 || errno == EINPROGRESS);
	return fd;
}

/* Turn the loop until there is something on fd. */
static bool
turn_until(struct bench *bench, int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int64_t deadline = 0;

	while (poll(&wait, 1, 0) == 0) {
		if (!lp_test_wait(&deadline, ms))
			return false;
		CHECK_OK(lp_loop_turn(bench->loop, 0, NULL), NULL);
	}
	return true;
}

static void
send_query(int fd, uint16_t id, const char *name, bool tcp)
{
	lp_auto_buf struct lp_buf query, framed;

	lp_buf_init(&query, 1024);
	lp_buf_init(&framed, 1024);
	CHECK_OK(lp_dns_query(&query, id, name, LP_DNS_A), NULL);
	if (tcp)
		CHECK_OK(lp_buf_u16(&framed, (uint16_t)query.len), NULL);
	CHECK_OK(lp_buf_add(&framed, query.data, query.len), NULL);
	CHECK_INT(send(fd, framed.data, framed.len, 0), framed.len);
}

/* A question by UDP that is answered at once; returns the length of the answer. */
static size_t
ask_udp(struct bench *bench, const char *name, uint8_t *answer, size_t size)
{
	int fd = client_socket(SOCK_DGRAM);
	ssize_t len;

	send_query(fd, 0x4242, name, false);
	CHECK(turn_until(bench, fd, 2000));
	len = recv(fd, answer, size, 0);
	CHECK(len >= 12);
	CHECK_INT(answer[0] << 8 | answer[1], 0x4242);
	close(fd);
	return (size_t)len;
}

/* What the upstream was asked, turned into an answer with one address. Returns its length. */
static size_t
make_answer(uint8_t *packet, size_t len)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34 };

	CHECK(len > 11);
	len -= 11;		/* its OPT record */
	packet[2] = 0x81;
	packet[3] = 0x80;
	packet[7] = 1;
	packet[11] = 0;
	memcpy(packet + len, record, sizeof(record));
	return len + sizeof(record);
}

/* Answer the one forwarded question. */
static void
play_upstream(struct bench *bench)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t packet[2048];
	ssize_t len;

	CHECK(turn_until(bench, bench->up_udp, 2000));
	len = recvfrom(bench->up_udp, packet, 1024, 0, (struct sockaddr *)&from, &from_len);
	CHECK(len > 12);
	CHECK(ntohs(from.sin_port) >= 1024);
	len = (ssize_t)make_answer(packet, (size_t)len);
	CHECK_INT(sendto(bench->up_udp, packet, (size_t)len, 0, (struct sockaddr *)&from, from_len), len);
}

TEST(cluster_names_are_answered_by_udp_and_tcp)
{
	struct bench bench;
	uint8_t answer[4096];
	size_t got = 0;
	ssize_t len;

	start(&bench, false);
	CHECK(ask_udp(&bench, "web.default.svc.cluster.local", answer, sizeof(answer)) > 16);
	CHECK_INT(answer[7], 1);
	(void)ask_udp(&bench, "nothing.default.svc.cluster.local", answer, sizeof(answer));
	CHECK_INT(answer[3] & 15, LP_DNS_NXDOMAIN);
	(void)ask_udp(&bench, "big.default.svc.cluster.local", answer, sizeof(answer));
	CHECK(answer[2] & 2);

	/* Truncated: once more by TCP, two questions in one segment. */
	int fd = client_socket(SOCK_STREAM);

	send_query(fd, 1, "big.default.svc.cluster.local", true);
	send_query(fd, 2, "web.default.svc.cluster.local", true);
	CHECK(turn_until(&bench, fd, 2000));
	while (got < 2 + 3300 && turn_until(&bench, fd, 200) && (len = recv(fd, answer + got, sizeof(answer) - got, 0)) > 0)
		got += (size_t)len;
	size_t first = (size_t)answer[0] << 8 | answer[1];

	CHECK(first > 3200);
	CHECK_INT(answer[2 + 6] << 8 | answer[2 + 7], 200);
	CHECK(!(answer[2 + 2] & 2));
	CHECK_INT(answer[2 + first + 2] << 8 | answer[2 + first + 3], 2);
	close(fd);
	stop(&bench);
}

TEST(other_names_go_upstream_with_another_id_and_come_back_with_theirs)
{
	struct bench bench;
	uint8_t answer[2048];

	start(&bench, true);
	int fd = client_socket(SOCK_DGRAM);

	send_query(fd, 0x4242, "www.example.com", false);
	play_upstream(&bench);
	CHECK(turn_until(&bench, fd, 2000));
	CHECK(recv(fd, answer, sizeof(answer), 0) > 30);
	CHECK_INT(answer[0] << 8 | answer[1], 0x4242);
	CHECK_INT(answer[7], 1);
	close(fd);
	stop(&bench);
}

TEST(an_alias_that_leaves_the_cluster_comes_with_the_address_behind_it)
{
	struct bench bench;
	uint8_t answer[2048];
	ssize_t len;

	start(&bench, true);
	int fd = client_socket(SOCK_DGRAM);

	send_query(fd, 7, "out.default.svc.cluster.local", false);
	play_upstream(&bench);
	CHECK(turn_until(&bench, fd, 2000));
	len = recv(fd, answer, sizeof(answer), 0);
	CHECK(len > 60);
	CHECK_INT(answer[7], 2);
	CHECK(memmem(answer, (size_t)len, "\x5d\xb8\xd8\x22", 4) != NULL);
	CHECK(memmem(answer, (size_t)len, "\3www\7example\3com", 16) != NULL);
	close(fd);
	stop(&bench);
}

TEST(a_forged_answer_is_not_believed)
{
	struct bench bench;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t packet[2048], answer[2048];
	ssize_t len;

	start(&bench, true);
	int fd = client_socket(SOCK_DGRAM);

	send_query(fd, 9, "www.example.com", false);
	CHECK(turn_until(&bench, bench.up_udp, 2000));
	len = recvfrom(bench.up_udp, packet, 1024, 0, (struct sockaddr *)&from, &from_len);
	len = (ssize_t)make_answer(packet, (size_t)len);
	packet[1] ^= 1;						/* another id */
	CHECK_INT(sendto(bench.up_udp, packet, (size_t)len, 0, (struct sockaddr *)&from, from_len), len);
	packet[1] ^= 1;
	packet[14] ^= 1;					/* another name */
	CHECK_INT(sendto(bench.up_udp, packet, (size_t)len, 0, (struct sockaddr *)&from, from_len), len);
	packet[14] ^= 1;
	packet[len - 1] = 99;
	CHECK_INT(sendto(bench.up_udp, packet, (size_t)len, 0, (struct sockaddr *)&from, from_len), len);
	CHECK(turn_until(&bench, fd, 2000));
	len = recv(fd, answer, sizeof(answer), 0);
	CHECK_INT(answer[len - 1], 99);
	close(fd);
	stop(&bench);
}

TEST(a_question_by_tcp_is_forwarded_by_tcp)
{
	struct bench bench;
	uint8_t packet[2048], answer[2048];
	ssize_t len;

	start(&bench, true);
	int fd = client_socket(SOCK_STREAM);

	send_query(fd, 5, "www.example.com", true);
	CHECK(turn_until(&bench, bench.up_tcp, 2000));
	int there = accept4(bench.up_tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	CHECK(there >= 0);
	CHECK(turn_until(&bench, there, 2000));
	len = recv(there, packet, 1024, 0);
	CHECK(len > 14);
	CHECK_INT(packet[0] << 8 | packet[1], len - 2);
	size_t total = make_answer(packet + 2, (size_t)len - 2);

	packet[0] = (uint8_t)(total >> 8);
	packet[1] = (uint8_t)total;
	CHECK_INT(send(there, packet, 10, 0), 10);		/* in two pieces */
	CHECK(!turn_until(&bench, fd, 50));
	CHECK_INT(send(there, packet + 10, total + 2 - 10, 0), total + 2 - 10);
	CHECK(turn_until(&bench, fd, 2000));
	len = recv(fd, answer, sizeof(answer), 0);
	CHECK_INT(len, total + 2);
	CHECK_INT(answer[2] << 8 | answer[3], 5);
	close(fd);
	close(there);
	stop(&bench);
}

TEST(without_an_upstream_that_answers_the_asker_hears_of_it_at_once)
{
	struct bench bench;
	uint8_t answer[2048];

	start(&bench, false);		/* the port is closed: every try is refused */
	(void)ask_udp(&bench, "www.example.com", answer, sizeof(answer));
	CHECK_INT(answer[3] & 15, LP_DNS_SERVFAIL);
	stop(&bench);
}

TEST(a_resolver_that_appears_later_is_asked_then)
{
	struct bench bench;
	uint8_t answer[2048];
	int64_t deadline = 0;

	upstream_addr = 0;
	start(&bench, true);
	(void)ask_udp(&bench, "www.example.com", answer, sizeof(answer));
	CHECK_INT(answer[3] & 15, LP_DNS_SERVFAIL);
	upstream_addr = UPSTREAM;
	int fd = client_socket(SOCK_DGRAM);

	while (lp_test_wait(&deadline, 4000) && !turn_until(&bench, bench.up_udp, 50))
		send_query(fd, 3, "www.example.com", false);
	play_upstream(&bench);
	close(fd);
	stop(&bench);
}

TEST(clients_that_leave_or_fill_up_do_no_harm)
{
	struct bench bench;
	uint8_t answer[2048];
	int fds[100];

	start(&bench, true);
	for (size_t i = 0; i < lp_count(fds); i++) {
		fds[i] = client_socket(SOCK_STREAM);
		send_query(fds[i], (uint16_t)i, "www.example.com", true);
		CHECK_OK(lp_loop_turn(bench.loop, 0, NULL), NULL);
		CHECK_OK(lp_loop_turn(bench.loop, 0, NULL), NULL);
		if (i % 3 == 0)
			close(fds[i]);
	}
	for (int i = 0; i < 50; i++)
		CHECK_OK(lp_loop_turn(bench.loop, 0, NULL), NULL);
	CHECK(ask_udp(&bench, "web.default.svc.cluster.local", answer, sizeof(answer)) > 16);
	CHECK_INT(answer[7], 1);
	stop(&bench);
}

static void
count_answer(void *arg, const uint8_t *answer, size_t len)
{
	(void)len;
	CHECK(answer == NULL);
	++*(unsigned *)arg;
}

TEST(only_so_many_questions_wait_for_upstream)
{
	const uint32_t addrs[] = { UPSTREAM };
	struct lp_upstream *upstream;
	struct lp_upstream_ask *ask, *last = NULL;
	struct lp_loop *loop;
	struct lp_err err;
	unsigned answered = 0;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNET);
	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_upstream_new(loop, addrs, 1, 53, &upstream, &err), &err);
	for (unsigned i = 0; i < LP_UPSTREAM_MAX; i++)
		CHECK_OK(lp_upstream_ask(upstream, "\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19, false, count_answer, &answered, i ? &ask : &last, &err), &err);
	CHECK_ERR(lp_upstream_ask(upstream, "\0\1", 2, false, count_answer, &answered, &ask, &err), -EBUSY);
	lp_upstream_cancel(last);
	for (int i = 0; i < 2000 && answered < LP_UPSTREAM_MAX - 1; i++)
		CHECK_OK(lp_loop_turn(loop, 10, NULL), NULL);
	CHECK_INT(answered, LP_UPSTREAM_MAX - 1);
	lp_upstream_free(upstream);
	lp_loop_free(loop);
}

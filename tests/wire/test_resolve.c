#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "tests/harness.h"
#include "wire/resolve.h"

static struct lp_loop *loop;
static int dones;
static size_t count;
static char first[INET6_ADDRSTRLEN];
static struct lp_err why;

static void
done(void *arg, const struct lp_resolve_address *list, size_t n, const struct lp_err *err, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	dones++;
	count = n;
	why = *err;
	first[0] = 0;
	if (n && list[0].addr.ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&list[0].addr)->sin_addr, first, sizeof(first));
	else if (n)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&list[0].addr)->sin6_addr, first, sizeof(first));
}

TEST(literals_are_addresses_and_names_are_not)
{
	struct lp_resolve_address at;

	CHECK_OK(lp_resolve_literal("10.1.2.3", 80, &at), NULL);
	CHECK_OK(lp_resolve_literal("::1", 80, &at), NULL);
	CHECK_ERR(lp_resolve_literal("localhost", 80, &at), -EINVAL);
	CHECK_ERR(lp_resolve_literal("10.1.2", 80, &at), -EINVAL);
	CHECK_ERR(lp_resolve_literal("", 80, &at), -EINVAL);
}

/* ---- a name server of our own, in namespaces of our own, where /etc is ours */

static int server;
static int asked;
static bool silent_first;

static void
etc(const char *name, const char *text)
{
	char path[64];
	lp_auto_file FILE *out = NULL;

	snprintf(path, sizeof(path), "/etc/%s", name);
	out = fopen(path, "we");
	CHECK(out != NULL);
	fputs(text, out);
}

static void
world(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct lp_err err = { 0 };

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS | CLONE_NEWNET);
	CHECK_INT(mount("none", "/etc", "tmpfs", 0, NULL), 0);
	etc("hosts", "# comment\n127.0.0.1 localhost\n10.9.8.7 board.lan board # the board\n");
	etc("resolv.conf", "search lan\nnameserver 127.0.0.1\noptions ndots:1\n");
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK_INT(bind(server, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_OK(lp_loop_new(&loop, &err), &err);
}

/* Answers what was asked: A for one.example, AAAA for six.example, an alias for alias.example, nothing else. */
static void
serve(void)
{
	unsigned char packet[512];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(server, packet, sizeof(packet) - 64, 0, (struct sockaddr *)&from, &len);
	static const unsigned char a[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1 };
	static const unsigned char cname[] = { 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 3, 1, 'x', 0 };
	unsigned char aaaa[28] = { 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 0x01, 0x0d, 0xb8 };
	bool is_a;

	if (n < 0)
		return;
	if (asked++ == 0 && silent_first)
		return;
	is_a = packet[n - 3] == 1;
	aaaa[27] = 9;
	packet[2] = 0x81;
	packet[3] = 0x80;
	if (packet[13] == 'o' && is_a) {
		packet[7] = 1;
		memcpy(packet + n, a, sizeof(a));
		n += sizeof(a);
	} else if (packet[13] == 's' && !is_a) {
		packet[7] = 1;
		memcpy(packet + n, aaaa, sizeof(aaaa));
		n += sizeof(aaaa);
	} else if (packet[13] == 'a' && is_a) {
		packet[7] = 2;
		memcpy(packet + n, cname, sizeof(cname));
		memcpy(packet + n + sizeof(cname), a, sizeof(a));
		n += sizeof(cname) + sizeof(a);
	} else if (packet[13] == 'b') {
		packet[7] = 3;		/* promises three answers and has none */
		packet[n++] = 0xc0;
	} else if (packet[13] != 's') {
		packet[3] |= 3;
	}
	/* First somebody who guesses wrong, then the answer. */
	packet[0] ^= 0xff;
	sendto(server, packet, (size_t)n, 0, (struct sockaddr *)&from, len);
	packet[0] ^= 0xff;
	sendto(server, packet, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void
ask(const char *host)
{
	struct lp_resolve *query = NULL;
	int64_t deadline = 0;
	struct lp_err err = { 0 };

	dones = asked = 0;
	CHECK_OK(lp_resolve_start(loop, host, 443, done, NULL, &query, &err), &err);
	CHECK_INT(dones, 0);
	while (!dones && lp_test_wait(&deadline, 20000)) {
		CHECK_OK(lp_loop_turn(loop, 5, &err), &err);
		serve();
	}
	CHECK_INT(dones, 1);
}

TEST(names_come_from_the_hosts_file_then_from_the_name_server)
{
	world();
	ask("board");
	CHECK_STR(first, "10.9.8.7");
	ask("BOARD.lan");
	CHECK_STR(first, "10.9.8.7");
	ask("localhost");
	CHECK_STR(first, "127.0.0.1");
	CHECK_INT(asked, 0);
	ask("one.example");
	CHECK_STR(first, "192.0.2.1");
	ask("one.example.");
	CHECK_STR(first, "192.0.2.1");
	ask("alias.example");
	CHECK_STR(first, "192.0.2.1");
	ask("six.example");
	CHECK_STR(first, "2001:db8::9");
	ask("none.example");
	CHECK_INT(count, 0);
	CHECK_INT(why.code, -ENOENT);
	ask("broken.example");
	CHECK_INT(count, 0);
	CHECK_INT(why.code, -ETIMEDOUT);
	lp_loop_free(loop);
	close(server);
}

TEST(a_silent_name_server_is_asked_again)
{
	world();
	silent_first = true;
	ask("one.example");
	CHECK_STR(first, "192.0.2.1");
	CHECK_INT(asked, 2);
	lp_loop_free(loop);
	close(server);
}

TEST(a_machine_without_name_servers_says_so)
{
	world();
	etc("resolv.conf", "");
	ask("one.example");
	CHECK_INT(count, 0);
	CHECK_INT(why.code, -ENOENT);
	struct lp_resolve *query = NULL;
	struct lp_err err;
	CHECK_ERR(lp_resolve_start(loop, "", 1, done, NULL, &query, &err), -EINVAL);
	CHECK_ERR(lp_resolve_start(loop, "a b", 1, done, NULL, &query, &err), -EINVAL);
	CHECK_OK(lp_resolve_start(loop, "one.example", 1, done, NULL, &query, &err), &err);
	lp_resolve_cancel(query);
	lp_loop_free(loop);
	close(server);
}

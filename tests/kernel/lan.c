#include "tests/kernel/lan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "netbridge/addr.h"
#include "netbridge/link.h"
#include "tests/harness.h"

const struct lp_netbridge_config lp_lan_config = {
	.bridge = "limpet0", .table = "limpet",
	.pods = { 0x0a2a0000, 24 }, .cluster = { 0x0a2a0000, 16 }, .services = { 0x0a2b0000, 16 }, .dns_addr = 0x0a2b000a,
};

int
lp_lan_own_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int
lp_lan_new_ns(void)
{
	lp_auto_fd int home = lp_lan_own_ns();
	int fd;

	CHECK(unshare(CLONE_NEWNET) == 0);
	fd = lp_lan_own_ns();
	CHECK(setns(home, CLONE_NEWNET) == 0);
	return fd;
}

/* eth-lan on the node, eth0 on the other machine, and a default route between them. */
static void
join_lan(struct lp_lan *node)
{
	uint8_t mac[LP_LINK_MAC] = { 2, 0, 0, 0, 0, 9 };
	struct lp_addr_route by_other = { .gateway = LP_LAN_OTHER, .metric = 100 };
	struct lp_netlink nl;
	struct lp_link link;
	struct lp_err err;

	node->lan = lp_lan_new_ns();
	CHECK_OK(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	lp_link_add_pair(&nl, "lan0", 0, node->lan, mac);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);
	CHECK_OK(lp_link_find(&nl, "lan0", &link, &err), &err);
	lp_addr_add(&nl, link.index, LP_LAN_NODE, 24);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);

	struct lp_netlink far;
	struct lp_link eth0;

	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node->lan, &err), &err);
	CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
	lp_addr_add(&far, eth0.index, LP_LAN_OTHER, 24);
	lp_link_set_up(&far, eth0.index);
	lp_link_set_up(&far, 1);
	CHECK_OK(lp_netlink_commit(&far, &err), &err);
	lp_netlink_close(&far);
	lp_addr_add_route(&nl, &by_other);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);
	lp_netlink_close(&nl);
}

void
lp_lan_start(struct lp_lan *node)
{
	struct lp_err err;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNET);
	node->home = lp_lan_own_ns();
	join_lan(node);
	CHECK_OK(lp_netbridge_open(&node->net, &lp_lan_config, &err), &err);
}

void
lp_lan_stop(struct lp_lan *node)
{
	lp_netbridge_close(node->net);
	close(node->lan);
	close(node->home);
}

static int
count_route(void *arg, const struct lp_addr_route *route)
{
	if (route->gateway == LP_LAN_OTHER || route->gateway == LP_LAN_OTHER + 1)
		++*(int *)arg;
	return 0;
}

/* Routes to peers that carry our mark. */
int
lp_lan_peer_routes(void)
{
	struct lp_netlink nl;
	struct lp_err err;
	int count = 0;

	CHECK_OK(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	CHECK_OK(lp_addr_each_route(&nl, LP_ADDR_PROTOCOL, count_route, &count, &err), &err);
	lp_netlink_close(&nl);
	return count;
}

int
lp_lan_pod(struct lp_lan *node, const char *key, uint32_t *addr)
{
	struct lp_err err;
	int ns = lp_lan_new_ns();

	CHECK_OK(lp_netbridge_attach(node->net, key, ns, lp_clock_boot_ms(), addr, &err), &err);
	return ns;
}

struct sockaddr_in
lp_lan_name(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr), .sin_port = htons(port) };
}

int
lp_lan_listen(int ns, int type, uint16_t port)
{
	struct sockaddr_in name = lp_lan_name(0, port);
	struct lp_err err;
	int fd, one = 1;

	CHECK_OK(lp_netbridge_socket(ns, AF_INET, type, 0, &fd, &err), &err);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	if (type == SOCK_STREAM)
		CHECK(listen(fd, 16) == 0);
	return fd;
}

bool
lp_lan_ready(int fd, short events, int ms)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, ms) == 1;
}

/* Connect from a namespace; 0, or the positive errno; ETIMEDOUT after `ms`. The connection goes to *out. */
int
lp_lan_dial(int ns, uint32_t addr, uint16_t port, int ms, int *out)
{
	struct sockaddr_in name = lp_lan_name(addr, port);
	socklen_t len = sizeof(int);
	struct lp_err err;
	int fd, failure = 0;

	*out = -1;
	CHECK_OK(lp_netbridge_socket(ns, AF_INET, SOCK_STREAM, 0, &fd, &err), &err);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		failure = errno;
	if (failure == EINPROGRESS) {
		failure = ETIMEDOUT;
		if (lp_lan_ready(fd, POLLOUT, ms))
			CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0);
	}
	if (failure)
		close(fd);
	else
		*out = fd;
	return failure;
}

/* Dial, accept at the server, carry one byte each way. Returns the client's address as the server saw it. */
uint32_t
lp_lan_talk(int ns, uint32_t addr, uint16_t port, int server)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int client, there;
	char byte = 0;

	CHECK_INT(lp_lan_dial(ns, addr, port, 2000, &client), 0);
	CHECK(lp_lan_ready(server, POLLIN, 2000));
	there = accept4(server, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
	CHECK(there >= 0);
	CHECK_INT(send(client, "q", 1, 0), 1);
	CHECK(lp_lan_ready(there, POLLIN, 2000));
	CHECK_INT(recv(there, &byte, 1, 0), 1);
	CHECK_INT(byte, 'q');
	CHECK_INT(send(there, "a", 1, 0), 1);
	CHECK(lp_lan_ready(client, POLLIN, 2000));
	CHECK_INT(recv(client, &byte, 1, 0), 1);
	CHECK_INT(byte, 'a');
	close(client);
	close(there);
	return ntohl(from.sin_addr.s_addr);
}

void
lp_lan_serve(struct lp_lan *node, const struct lp_service_port *ports, size_t count)
{
	struct lp_service_input input = { .ports = ports, .port_count = count };
	struct lp_err err;

	CHECK_OK(lp_netbridge_services(node->net, &input, false, &err), &err);
}

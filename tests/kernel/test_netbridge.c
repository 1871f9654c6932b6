#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "netbridge/addr.h"
#include "netbridge/link.h"
#include "netbridge/netbridge.h"
#include "netbridge/nft.h"
#include "netbridge/sysctl.h"
#include "tests/harness.h"

/*
 * A node, its pods and a machine on the LAN: network namespaces of this test's own. Sockets are made inside the pods and used
 * from here, so no process has to run there.
 */

#define NODE_LAN 0xc0a80101u	/* 192.168.1.1 */
#define OTHER_LAN 0xc0a80102u	/* 192.168.1.2 */
#define SERVICE 0x0a2b0005u	/* 10.43.0.5 */
#define POD_PORT 3000
#define NODE_PORT 30001

struct node {
	struct lp_netbridge *net;
	int lan;			/* the other machine */
	int home;
};

static const struct lp_netbridge_config config = {
	.bridge = "limpet0", .table = "limpet",
	.pods = { 0x0a2a0000, 24 }, .cluster = { 0x0a2a0000, 16 }, .services = { 0x0a2b0000, 16 }, .dns_addr = 0x0a2b000a,
};

static int
own_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int
new_ns(void)
{
	lp_auto_fd int home = own_ns();
	int fd;

	CHECK(unshare(CLONE_NEWNET) == 0);
	fd = own_ns();
	CHECK(setns(home, CLONE_NEWNET) == 0);
	return fd;
}

/* eth-lan on the node, eth0 on the other machine, and a default route between them. */
static void
join_lan(struct node *node)
{
	uint8_t mac[LP_LINK_MAC] = { 2, 0, 0, 0, 0, 9 };
	struct lp_addr_route by_other = { .gateway = OTHER_LAN, .metric = 100 };
	struct lp_netlink nl;
	struct lp_link link;
	struct lp_err err;

	node->lan = new_ns();
	CHECK_OK(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	lp_link_add_pair(&nl, "lan0", 0, node->lan, mac);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);
	CHECK_OK(lp_link_find(&nl, "lan0", &link, &err), &err);
	lp_addr_add(&nl, link.index, NODE_LAN, 24);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);

	struct lp_netlink far;
	struct lp_link eth0;

	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node->lan, &err), &err);
	CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
	lp_addr_add(&far, eth0.index, OTHER_LAN, 24);
	lp_link_set_up(&far, eth0.index);
	lp_link_set_up(&far, 1);
	CHECK_OK(lp_netlink_commit(&far, &err), &err);
	lp_netlink_close(&far);
	lp_addr_add_route(&nl, &by_other);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);
	lp_netlink_close(&nl);
}

static void
start_node(struct node *node)
{
	struct lp_err err;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNET);
	node->home = own_ns();
	join_lan(node);
	CHECK_OK(lp_netbridge_open(&node->net, &config, &err), &err);
}

static void
stop_node(struct node *node)
{
	lp_netbridge_close(node->net);
	close(node->lan);
	close(node->home);
}

static int
count_route(void *arg, const struct lp_addr_route *route)
{
	if (route->gateway == OTHER_LAN || route->gateway == OTHER_LAN + 1)
		++*(int *)arg;
	return 0;
}

/* Routes to peers that carry our mark. */
static int
peer_routes(void)
{
	struct lp_netlink nl;
	struct lp_err err;
	int count = 0;

	CHECK_OK(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	CHECK_OK(lp_addr_each_route(&nl, LP_ADDR_PROTOCOL, count_route, &count, &err), &err);
	lp_netlink_close(&nl);
	return count;
}

static int
new_pod(struct node *node, const char *key, uint32_t *addr)
{
	struct lp_err err;
	int ns = new_ns();

	CHECK_OK(lp_netbridge_attach(node->net, key, ns, lp_clock_boot_ms(), addr, &err), &err);
	return ns;
}

static struct sockaddr_in
name_of(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr), .sin_port = htons(port) };
}

static int
listen_in(int ns, int type, uint16_t port)
{
	struct sockaddr_in name = name_of(0, port);
	struct lp_err err;
	int fd, one = 1;

	CHECK_OK(lp_netbridge_socket(ns, AF_INET, type, 0, &fd, &err), &err);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	if (type == SOCK_STREAM)
		CHECK(listen(fd, 16) == 0);
	return fd;
}

static bool
ready(int fd, short events, int ms)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, ms) == 1;
}

/* Connect from a namespace; 0, or the positive errno; ETIMEDOUT after `ms`. The connection goes to *out. */
static int
dial(int ns, uint32_t addr, uint16_t port, int ms, int *out)
{
	struct sockaddr_in name = name_of(addr, port);
	socklen_t len = sizeof(int);
	struct lp_err err;
	int fd, failure = 0;

	*out = -1;
	CHECK_OK(lp_netbridge_socket(ns, AF_INET, SOCK_STREAM, 0, &fd, &err), &err);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		failure = errno;
	if (failure == EINPROGRESS) {
		failure = ETIMEDOUT;
		if (ready(fd, POLLOUT, ms))
			CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0);
	}
	if (failure)
		close(fd);
	else
		*out = fd;
	return failure;
}

/* Dial, accept at the server, carry one byte each way. Returns the client's address as the server saw it. */
static uint32_t
talk(int ns, uint32_t addr, uint16_t port, int server)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int client, there;
	char byte = 0;

	CHECK_INT(dial(ns, addr, port, 2000, &client), 0);
	CHECK(ready(server, POLLIN, 2000));
	there = accept4(server, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
	CHECK(there >= 0);
	CHECK_INT(send(client, "q", 1, 0), 1);
	CHECK(ready(there, POLLIN, 2000));
	CHECK_INT(recv(there, &byte, 1, 0), 1);
	CHECK_INT(byte, 'q');
	CHECK_INT(send(there, "a", 1, 0), 1);
	CHECK(ready(client, POLLIN, 2000));
	CHECK_INT(recv(client, &byte, 1, 0), 1);
	CHECK_INT(byte, 'a');
	close(client);
	close(there);
	return ntohl(from.sin_addr.s_addr);
}

static void
serve(struct node *node, const struct lp_service_port *ports, size_t count)
{
	struct lp_service_input input = { .ports = ports, .port_count = count };
	struct lp_err err;

	CHECK_OK(lp_netbridge_services(node->net, &input, false, &err), &err);
}

/* br_netfilter on or off for this namespace; off is what a kernel without it does. */
static bool
call_iptables(int value)
{
	return lp_sysctl_set("bridge/bridge-nf-call-iptables", value, NULL) == 0;
}

TEST(a_pod_gets_the_first_free_address_and_reaches_the_node_and_other_pods)
{
	struct node node;
	uint32_t a, b;

	start_node(&node);
	int pod_a = new_pod(&node, "a", &a), pod_b = new_pod(&node, "b", &b);
	int server = listen_in(pod_b, SOCK_STREAM, POD_PORT), on_node = listen_in(node.home, SOCK_STREAM, 8080);

	CHECK_INT(a, 0x0a2a0002);
	CHECK_INT(b, 0x0a2a0003);
	CHECK_INT(lp_netbridge_address(node.net, "b"), b);
	CHECK_INT(talk(node.home, b, POD_PORT, server), 0x0a2a0001);
	CHECK_INT(talk(pod_a, b, POD_PORT, server), a);
	CHECK_INT(talk(pod_a, NODE_LAN, 8080, on_node), a);
	CHECK_INT(talk(pod_b, b, POD_PORT, server), b);
	CHECK_INT(talk(pod_b, 0x7f000001, POD_PORT, server), 0x7f000001);
	stop_node(&node);
}

TEST(a_pod_reaches_the_world_with_the_nodes_address)
{
	struct node node;
	uint32_t a;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);
	int server = listen_in(node.lan, SOCK_STREAM, 80);

	CHECK_INT(talk(pod, OTHER_LAN, 80, server), NODE_LAN);
	stop_node(&node);
}

static void
check_services(struct node *node)
{
	uint32_t a, b;
	int pod_a = new_pod(node, "a", &a), pod_b = new_pod(node, "b", &b);
	int server = listen_in(pod_b, SOCK_STREAM, POD_PORT);
	struct lp_service_backend backend = { b, POD_PORT, true };
	uint32_t external = NODE_LAN;
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE,
		.external = &external, .external_count = 1, .backends = &backend, .backend_count = 1,
	};

	serve(node, &port, 1);
	CHECK_INT(talk(node->home, SERVICE, 80, server), 0x0a2a0001);
	CHECK_INT(talk(node->home, 0x7f000001, NODE_PORT, server), 0x0a2a0001);
	CHECK_INT(talk(node->home, 0x7f000101, NODE_PORT, server), 0x0a2a0001);
	CHECK_INT(talk(node->home, NODE_LAN, NODE_PORT, server), NODE_LAN);
	CHECK_INT(talk(node->lan, NODE_LAN, NODE_PORT, server), OTHER_LAN);
	CHECK_INT(talk(node->lan, NODE_LAN, 80, server), OTHER_LAN);
	CHECK_INT(talk(pod_a, SERVICE, 80, server), a);
	CHECK_INT(talk(pod_a, NODE_LAN, NODE_PORT, server), a);
	CHECK_INT(talk(pod_a, 0x0a2a0001, NODE_PORT, server), a);
	CHECK_INT(talk(pod_b, SERVICE, 80, server), 0x0a2a0001);	/* itself: masqueraded, or it would not know its own answer */
	stop_node(node);
}

TEST(a_service_answers_on_every_address_it_has_with_frames_kept_in_the_bridge)
{
	struct node node;

	start_node(&node);
	if (!call_iptables(1))
		SKIP("no br_netfilter in this kernel");
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &config, NULL), NULL);
	check_services(&node);
}

TEST(a_service_answers_on_every_address_it_has_with_frames_routed)
{
	struct node node;

	start_node(&node);
	(void)call_iptables(0);		/* absent is the same */
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &config, NULL), NULL);
	check_services(&node);
}

TEST(living_ports_follow_when_br_netfilter_comes_and_goes)
{
	struct node node;
	uint32_t a, b;

	start_node(&node);
	if (!call_iptables(0))
		SKIP("no br_netfilter in this kernel");
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &config, NULL), NULL);
	int pod_a = new_pod(&node, "a", &a), pod_b = new_pod(&node, "b", &b);
	int server = listen_in(pod_b, SOCK_STREAM, POD_PORT);
	struct lp_service_backend backend = { b, POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .cluster_addr = SERVICE, .backends = &backend, .backend_count = 1,
	};

	for (int turn = 0; turn < 4; turn++) {
		CHECK(call_iptables(turn & 1));
		serve(&node, &port, 1);
		CHECK_INT(talk(pod_a, SERVICE, 80, server), a);
		CHECK_INT(talk(pod_b, SERVICE, 80, server), 0x0a2a0001);
	}
	stop_node(&node);
}

TEST(a_service_without_a_ready_pod_refuses_at_once)
{
	struct node node;
	struct lp_service_port port = { .name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE };
	uint32_t a;
	int fd;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);

	serve(&node, &port, 1);
	CHECK_INT(dial(pod, SERVICE, 80, 2000, &fd), ECONNREFUSED);
	CHECK_INT(dial(node.home, SERVICE, 80, 2000, &fd), ECONNREFUSED);
	CHECK_INT(dial(node.home, 0x7f000001, NODE_PORT, 2000, &fd), ECONNREFUSED);
	CHECK_INT(dial(node.lan, NODE_LAN, NODE_PORT, 2000, &fd), ECONNREFUSED);
	CHECK_INT(dial(pod, SERVICE + 9, 80, 2000, &fd), ECONNREFUSED);		/* an address no service has */
	CHECK_INT(dial(node.home, SERVICE + 9, 80, 2000, &fd), ECONNREFUSED);
	stop_node(&node);
}

TEST(new_connections_spread_over_all_backends_and_affinity_keeps_a_client_at_one)
{
	struct node node;
	uint32_t addr[3];
	struct lp_service_backend backends[3];
	struct pollfd servers[3];
	int hits[3] = { 0 };

	start_node(&node);
	for (int i = 0; i < 3; i++) {
		int ns = new_pod(&node, (const char *[]){ "a", "b", "c" }[i], &addr[i]);

		backends[i] = (struct lp_service_backend){ addr[i], POD_PORT, true };
		servers[i] = (struct pollfd){ .fd = listen_in(ns, SOCK_STREAM, POD_PORT), .events = POLLIN };
	}
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .cluster_addr = SERVICE, .backends = backends, .backend_count = 3,
	};

	for (int sticky = 0; sticky < 2; sticky++) {
		int used = 0;

		memset(hits, 0, sizeof(hits));
		port.affinity = sticky;
		serve(&node, &port, 1);
		for (int n = 0; n < 60; n++) {
			int client;

			CHECK_INT(dial(node.home, SERVICE, 80, 2000, &client), 0);
			CHECK_INT(poll(servers, 3, 2000), 1);
			for (int i = 0; i < 3; i++) {
				if (servers[i].revents) {
					hits[i]++;
					close(accept4(servers[i].fd, NULL, NULL, SOCK_CLOEXEC));
				}
			}
			close(client);
		}
		for (int i = 0; i < 3; i++)
			used += hits[i] > 0;
		CHECK_INT(hits[0] + hits[1] + hits[2], 60);
		CHECK_INT(used, sticky ? 1 : 3);	/* all at random in two places: 3 * (2/3)^60, never */
	}
	stop_node(&node);
}

TEST(udp_services_and_host_ports_answer_from_the_address_that_was_asked)
{
	struct node node;
	uint32_t a;
	char byte;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);
	int server = listen_in(pod, SOCK_DGRAM, 5353);
	struct lp_service_host_port host_ports[] = {
		{ "default/dns", IPPROTO_UDP, 0, 5300, a, 5353 },
		{ "default/dns", IPPROTO_UDP, NODE_LAN, 5301, a, 5353 },
	};
	struct lp_service_input input = { .host_ports = host_ports, .host_port_count = 2 };
	struct { int from; uint32_t addr; uint16_t port; bool served; } tries[] = {
		{ node.lan, NODE_LAN, 5300, true }, { node.home, 0x7f000001, 5300, true }, { node.lan, NODE_LAN, 5301, true },
		{ node.home, 0x7f000001, 5301, false },
	};
	struct lp_err err;

	CHECK_OK(lp_netbridge_services(node.net, &input, false, &err), &err);
	for (size_t i = 0; i < lp_count(tries); i++) {
		struct sockaddr_in to = name_of(tries[i].addr, tries[i].port), from;
		socklen_t len = sizeof(from);
		int client;

		CHECK_OK(lp_netbridge_socket(tries[i].from, AF_INET, SOCK_DGRAM, 0, &client, &err), &err);
		CHECK(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
		CHECK_INT(send(client, "q", 1, 0), 1);
		CHECK_INT(ready(server, POLLIN, tries[i].served ? 2000 : 50), tries[i].served);
		if (tries[i].served) {
			CHECK_INT(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &len), 1);
			CHECK_INT(sendto(server, "a", 1, 0, (struct sockaddr *)&from, len), 1);
			CHECK(ready(client, POLLIN, 2000));
			CHECK_INT(recv(client, &byte, 1, 0), 1);
		}
		close(client);
	}
	stop_node(&node);
}

TEST(traffic_policy_local_serves_outsiders_only_by_local_pods_and_keeps_their_address)
{
	struct node node;
	uint32_t a, b;
	int fd;

	start_node(&node);
	int pod_a = new_pod(&node, "a", &a), pod_b = new_pod(&node, "b", &b);
	int server = listen_in(pod_a, SOCK_STREAM, POD_PORT), other = listen_in(pod_b, SOCK_STREAM, POD_PORT);
	/* b stands for a pod on another node: reachable, but not local. */
	struct lp_service_backend backends[] = { { a, POD_PORT, true }, { b, POD_PORT, false } };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE,
		.external_local = true, .backends = backends, .backend_count = 2,
	};

	serve(&node, &port, 1);
	for (int n = 0; n < 20; n++)
		CHECK_INT(talk(node.lan, NODE_LAN, NODE_PORT, server), OTHER_LAN);
	port.backends = &backends[1];
	port.backend_count = 1;
	serve(&node, &port, 1);
	CHECK_INT(dial(node.lan, NODE_LAN, NODE_PORT, 150, &fd), ETIMEDOUT);
	CHECK_INT(talk(pod_a, NODE_LAN, NODE_PORT, other), a);
	CHECK_INT(talk(node.home, NODE_LAN, NODE_PORT, other), NODE_LAN);
	stop_node(&node);
}

TEST(loopback_reaches_the_local_pod_of_a_service_that_has_others_too)
{
	struct node node;
	uint32_t a;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);
	int server = listen_in(pod, SOCK_STREAM, POD_PORT);
	struct lp_service_backend backends[] = { { a, POD_PORT, true }, { 0x0a2a0105, POD_PORT, false }, { 0x0a2a0106, POD_PORT, false } };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE,
		.backends = backends, .backend_count = 3,
	};

	serve(&node, &port, 1);
	for (int i = 0; i < 20; i++)
		CHECK_INT(talk(node.home, 0x7f000001, NODE_PORT, server), 0x0a2a0001);
	stop_node(&node);
}

TEST(a_question_waits_while_the_resolver_is_away)
{
	struct sockaddr_in to = name_of(0x0a2b000a, 53), elsewhere = name_of(NODE_LAN, 53);
	struct node node;
	struct lp_err err;
	uint32_t a;
	char byte;
	int fd;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);

	for (int i = 0; i < 2; i++) {
		CHECK_OK(lp_netbridge_socket(pod, AF_INET, SOCK_DGRAM, 0, &fd, &err), &err);
		CHECK(connect(fd, i ? (struct sockaddr *)&elsewhere : (struct sockaddr *)&to, sizeof(to)) == 0);
		CHECK_INT(send(fd, "q", 1, 0), 1);
		CHECK_INT(ready(fd, POLLIN | POLLERR, i ? 2000 : 100), i);
		if (i) {
			CHECK(recv(fd, &byte, 1, 0) < 0);
			CHECK_INT(errno, ECONNREFUSED);		/* what every other address says */
		}
		close(fd);
	}
	stop_node(&node);
}

TEST(the_resolver_does_not_hear_the_lan)
{
	struct sockaddr_in name = name_of(0x0a2b000a, 53);
	struct node node;
	struct lp_netlink far;
	struct lp_link eth0;
	struct lp_err err;
	uint32_t a;
	int fd;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);
	int server;

	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node.lan, &err), &err);
	CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
	lp_addr_add_route(&far, &(struct lp_addr_route){ .dst = 0x0a2b0000, .prefix = 16, .gateway = NODE_LAN, .index = eth0.index });
	CHECK_OK(lp_netlink_commit(&far, &err), &err);
	lp_netlink_close(&far);
	CHECK_OK(lp_netbridge_socket(node.home, AF_INET, SOCK_DGRAM, 0, &server, &err), &err);
	CHECK(bind(server, (struct sockaddr *)&name, sizeof(name)) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(lp_netbridge_socket(i ? pod : node.lan, AF_INET, SOCK_DGRAM, 0, &fd, &err), &err);
		CHECK_INT(sendto(fd, "q", 1, 0, (struct sockaddr *)&name, sizeof(name)), 1);
		CHECK_INT(ready(server, POLLIN, i ? 2000 : 100), i);
		close(fd);
	}
	stop_node(&node);
}

TEST(loopback_addresses_from_the_lan_are_dropped)
{
	struct node node;
	struct lp_netlink far;
	struct lp_link eth0;
	struct lp_err err;
	uint32_t a;
	int fd;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);

	/* The other machine and a pod both route 127.0.0.2 to us and hope. */
	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node.lan, &err), &err);
	CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
	lp_netlink_close(&far);
	int server = listen_in(node.home, SOCK_STREAM, 8080);

	for (int i = 0; i < 2; i++) {
		int ns = i ? pod : node.lan;
		struct lp_addr_route lo = { .dst = 0x7f000002, .prefix = 32, .gateway = i ? 0x0a2a0001 : NODE_LAN, .onlink = i };

		CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, ns, &err), &err);
		CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
		lo.index = eth0.index;
		CHECK(setns(ns, CLONE_NEWNET) == 0);
		CHECK_OK(lp_sysctl_set_link("ipv4", "eth0", "route_localnet", 1, &err), &err);
		CHECK(setns(node.home, CLONE_NEWNET) == 0);
		/* The local table has 127.0.0.0/8 and is asked first: take it away there. */
		lp_addr_remove(&far, 1, 0x7f000001, 8);
		lp_addr_add_route(&far, &lo);
		CHECK_OK(lp_netlink_commit(&far, &err), &err);
		lp_netlink_close(&far);
		CHECK_INT(dial(ns, 0x7f000002, 8080, 150, &fd), ETIMEDOUT);
	}
	CHECK(!ready(server, POLLIN, 0));
	stop_node(&node);
}

/* Does a datagram from the namespace reach the socket on the node? */
static bool
heard(int ns, int server, int ms)
{
	struct sockaddr_in to = name_of(NODE_LAN, 8080);
	struct lp_err err;
	bool came;
	char byte;
	int fd;

	CHECK_OK(lp_netbridge_socket(ns, AF_INET, SOCK_DGRAM, 0, &fd, &err), &err);
	CHECK_INT(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	came = ready(server, POLLIN, ms);
	if (came)
		CHECK_INT(recv(server, &byte, 1, 0), 1);
	close(fd);
	return came;
}

TEST(a_pod_with_a_foreign_address_is_not_heard)
{
	struct node node;
	struct lp_netlink inside;
	struct lp_link eth0;
	struct lp_err err;
	uint32_t a, b;

	start_node(&node);
	int pod_a = new_pod(&node, "a", &a), pod_b = new_pod(&node, "b", &b);
	int server = listen_in(node.home, SOCK_DGRAM, 8080);

	CHECK(heard(pod_a, server, 2000));
	CHECK(heard(pod_b, server, 2000));
	CHECK_OK(lp_netlink_open_in(&inside, NETLINK_ROUTE, pod_a, &err), &err);
	CHECK_OK(lp_link_find(&inside, "eth0", &eth0, &err), &err);
	struct lp_addr_route everything = { .gateway = 0x0a2a0001, .onlink = true, .index = eth0.index };

	lp_addr_remove(&inside, eth0.index, a, 32);
	lp_addr_add(&inside, eth0.index, b, 32);
	lp_addr_add_route(&inside, &everything);	/* went with the address */
	CHECK_OK(lp_netlink_commit(&inside, &err), &err);
	lp_netlink_close(&inside);
	CHECK(!heard(pod_a, server, 150));
	CHECK(heard(pod_b, server, 2000));
	stop_node(&node);
}

TEST(a_new_process_finds_everything_as_it_was_and_connections_go_on)
{
	struct node node;
	struct lp_err err;
	uint32_t a, b;
	int client, there;
	char byte;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);
	int server = listen_in(pod, SOCK_STREAM, POD_PORT);
	struct lp_service_backend backend = { a, POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE,
		.backends = &backend, .backend_count = 1,
	};

	serve(&node, &port, 1);
	CHECK_INT(dial(node.home, 0x7f000001, NODE_PORT, 2000, &client), 0);
	CHECK(ready(server, POLLIN, 2000));
	there = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	for (int restart = 0; restart < 5; restart++) {
		lp_netbridge_close(node.net);
		CHECK_OK(lp_netbridge_open(&node.net, &config, &err), &err);
		CHECK_INT(talk(node.home, 0x7f000001, NODE_PORT, server), 0x0a2a0001);
		CHECK_OK(lp_netbridge_adopt(node.net, "a", a, &err), &err);
		CHECK_INT(talk(node.home, 0x7f000001, NODE_PORT, server), 0x0a2a0001);
		serve(&node, &port, 1);
		CHECK_INT(talk(node.home, 0x7f000001, NODE_PORT, server), 0x0a2a0001);
		CHECK_INT(send(client, "q", 1, 0), 1);
		CHECK(ready(there, POLLIN, 2000));
		CHECK_INT(recv(there, &byte, 1, 0), 1);
	}
	int other = new_pod(&node, "b", &b);

	CHECK(b != a);
	CHECK_INT(talk(other, SERVICE, 80, server), b);
	stop_node(&node);
}

TEST(flushed_rules_come_back_with_the_next_change)
{
	struct node node;
	struct lp_err err;
	uint32_t a, b;

	start_node(&node);
	int pod_a = new_pod(&node, "a", &a);
	int server = listen_in(pod_a, SOCK_STREAM, POD_PORT);
	struct lp_service_backend backend = { a, POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE,
		.backends = &backend, .backend_count = 1,
	};

	serve(&node, &port, 1);
	for (int by_attach = 0; by_attach < 2; by_attach++) {
		struct lp_nft nft;

		CHECK_OK(lp_nft_open(&nft, &err), &err);
		lp_nft_begin(&nft, "limpet");
		lp_nft_remove_table(&nft);
		CHECK_OK(lp_nft_commit(&nft, &err), &err);
		lp_nft_close(&nft);
		if (by_attach)
			(void)new_pod(&node, "b", &b);
		else
			serve(&node, &port, 1);
		CHECK_INT(talk(node.home, 0x7f000001, NODE_PORT, server), 0x0a2a0001);
	}
	stop_node(&node);
}

TEST(an_instance_leaves_nothing_and_does_not_touch_another)
{
	struct lp_netbridge_config second = config;
	struct lp_netbridge_link *links;
	struct lp_netbridge *other;
	struct node node;
	struct lp_err err;
	uint32_t a, b;
	size_t count;
	int value;

	start_node(&node);
	second.bridge = "lp123456";
	second.table = "limpet-123456";
	second.pods = second.cluster = (struct lp_netbridge_range){ 0x0a2c0000, 24 };
	second.services = (struct lp_netbridge_range){ 0x0a2d0000, 16 };
	second.dns_addr = 0x0a2d000a;
	CHECK_OK(lp_netbridge_open(&other, &second, &err), &err);
	int pod_a = new_pod(&node, "a", &a), pod_b = new_ns();

	(void)pod_a;
	CHECK_OK(lp_netbridge_attach(other, "a", pod_b, 0, &b, &err), &err);
	int server = listen_in(pod_b, SOCK_STREAM, POD_PORT);

	CHECK_OK(lp_netbridge_links("limpet0", &links, &count, &err), &err);
	CHECK_INT(count, 1);
	CHECK_STR(links[0].key, "a");
	free(links);
	CHECK_OK(lp_netbridge_remove("limpet0", "limpet", &err), &err);
	CHECK_OK(lp_netbridge_remove("limpet0", "limpet", &err), &err);
	CHECK_INT(if_nametoindex("limpet0"), 0);
	CHECK_OK(lp_netbridge_links("limpet0", &links, &count, &err), &err);
	CHECK_INT(count, 0);
	free(links);
	CHECK_INT(talk(node.home, b, POD_PORT, server), 0x0a2c0001);
	CHECK_OK(lp_sysctl_get("ipv4/conf/lp123456/route_localnet", &value, &err), &err);
	CHECK_INT(value, 1);
	CHECK_OK(lp_sysctl_get("ipv4/conf/all/route_localnet", &value, &err), &err);
	CHECK_INT(value, 0);
	lp_netbridge_close(other);
	stop_node(&node);
}

TEST(a_range_that_another_interface_has_is_refused_with_its_address)
{
	struct lp_netbridge_config second = config;
	struct lp_netbridge *other;
	struct node node;
	struct lp_err err;

	start_node(&node);
	second.bridge = "lp123456";
	second.table = "limpet-123456";
	CHECK_ERR(lp_netbridge_open(&other, &second, &err), -EADDRINUSE);
	CHECK_HAS(err.text, "overlaps 10.42.0.1/24");
	CHECK_INT(if_nametoindex("lp123456"), 0);
	second.pods = second.cluster = (struct lp_netbridge_range){ 0x0a2c0000, 24 };
	CHECK_ERR(lp_netbridge_open(&other, &second, &err), -EADDRINUSE);
	CHECK_HAS(err.text, "overlaps 10.43.0.10/32");
	second.bridge = "lan0";
	CHECK_ERR(lp_netbridge_open(&other, &second, &err), -EEXIST);
	CHECK_HAS(err.text, "lan0 exists and is no bridge");
	stop_node(&node);
}

TEST(attaching_a_key_again_replaces_its_link_and_detaching_rests_its_address)
{
	struct node node;
	struct lp_err err;
	uint32_t a, again, b;

	start_node(&node);
	int first = new_pod(&node, "a", &a), second = new_pod(&node, "a", &again);
	int server = listen_in(second, SOCK_STREAM, POD_PORT);

	(void)first;
	CHECK_INT(a, again);
	CHECK_INT(talk(node.home, a, POD_PORT, server), 0x0a2a0001);
	CHECK_OK(lp_netbridge_detach(node.net, "a", lp_clock_boot_ms(), &err), &err);
	CHECK_OK(lp_netbridge_detach(node.net, "a", lp_clock_boot_ms(), &err), &err);
	CHECK_INT(lp_netbridge_address(node.net, "a"), 0);
	(void)new_pod(&node, "b", &b);
	CHECK(b != a);
	stop_node(&node);
}

TEST(peers_get_routes_and_lose_them)
{
	struct lp_netbridge_peer peers[] = {
		{ OTHER_LAN, { 0x0a2a0100, 24 } }, { OTHER_LAN + 1, { 0x0a2a0200, 24 } }, { NODE_LAN, { 0x0a2a0000, 24 } },
	};
	struct node node;
	struct lp_netlink far;
	struct lp_err err;
	uint32_t a;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);

	/* The other machine has the pod address 10.42.1.5 and routes ours back: no masquerade between nodes. */
	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node.lan, &err), &err);
	struct lp_addr_route back = { .dst = 0x0a2a0000, .prefix = 24, .gateway = NODE_LAN };

	lp_addr_add(&far, 1, 0x0a2a0105, 32);
	lp_addr_add_route(&far, &back);
	CHECK_OK(lp_netlink_commit(&far, &err), &err);
	lp_netlink_close(&far);
	int server = listen_in(node.lan, SOCK_STREAM, POD_PORT);

	CHECK_OK(lp_netbridge_peers(node.net, peers, 3, &err), &err);
	CHECK_OK(lp_netbridge_peers(node.net, peers, 3, &err), &err);
	CHECK_INT(talk(pod, 0x0a2a0105, POD_PORT, server), a);

	/* And a service whose only pod runs there: from the LAN the answer has to come back through us. */
	struct lp_service_backend backend = { 0x0a2a0105, POD_PORT, false };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = NODE_PORT, .cluster_addr = SERVICE,
		.backends = &backend, .backend_count = 1,
	};

	serve(&node, &port, 1);
	CHECK_INT(talk(node.lan, NODE_LAN, NODE_PORT, server), NODE_LAN);
	CHECK_INT(talk(pod, SERVICE, 80, server), a);
	CHECK_INT(talk(node.home, SERVICE, 80, server), 0x0a2a0001);
	CHECK_INT(peer_routes() - 1, 2);		/* the default route is ours, too */
	CHECK_OK(lp_netbridge_peers(node.net, peers + 1, 1, &err), &err);
	CHECK_INT(peer_routes() - 1, 1);
	CHECK_OK(lp_netbridge_remove("limpet0", "limpet", &err), &err);
	CHECK_INT(peer_routes() - 1, 0);
	stop_node(&node);
}

TEST(the_nodes_address_is_that_of_the_default_route)
{
	char name[LP_NETBRIDGE_NAME];
	uint32_t addr, all[8];
	struct node node;
	struct lp_err err;

	start_node(&node);
	CHECK_OK(lp_netbridge_node_address("limpet0", &addr, name, &err), &err);
	CHECK_INT(addr, NODE_LAN);
	CHECK_STR(name, "lan0");
	CHECK_INT(lp_netbridge_node_addresses("limpet0", all, 8, &err), 1);
	CHECK_INT(all[0], NODE_LAN);
	stop_node(&node);
}

TEST(many_services_are_one_transaction)
{
	enum { COUNT = 2000, EACH = 10 };
	struct lp_service_backend *backends = calloc(COUNT * EACH, sizeof(*backends));
	struct lp_service_port *ports = calloc(COUNT, sizeof(*ports));
	struct node node;
	uint32_t a;

	start_node(&node);
	int pod = new_pod(&node, "a", &a);
	int server = listen_in(pod, SOCK_STREAM, POD_PORT);

	CHECK(backends && ports);
	for (uint32_t i = 0; i < COUNT; i++) {
		for (uint32_t k = 0; k < EACH; k++)
			backends[i * EACH + k] = (struct lp_service_backend){ i == COUNT - 1 ? a : 0x0a2a0000 + i * EACH + k, POD_PORT, true };
		ports[i] = (struct lp_service_port){
			.name = "default/many", .protocol = IPPROTO_TCP, .port = 80, .node_port = (uint16_t)(30000 + i),
			.cluster_addr = 0x0a2b0100 + i, .backends = &backends[i * EACH], .backend_count = EACH,
		};
	}
	serve(&node, ports, COUNT);
	CHECK_INT(talk(node.home, 0x0a2b0100 + COUNT - 1, 80, server), 0x0a2a0001);
	CHECK_INT(talk(node.lan, NODE_LAN, 30000 + COUNT - 1, server), OTHER_LAN);
	free(backends);
	free(ports);
	stop_node(&node);
}

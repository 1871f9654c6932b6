#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
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
#include "tests/kernel/lan.h"

/* br_netfilter on or off for this namespace; off is what a kernel without it does. */
static bool
call_iptables(int value)
{
	return lp_sysctl_set("bridge/bridge-nf-call-iptables", value, NULL) == 0;
}

static void
check_services(struct lp_lan *node)
{
	uint32_t a, b;
	int pod_a = lp_lan_pod(node, "a", &a), pod_b = lp_lan_pod(node, "b", &b);
	int server = lp_lan_listen(pod_b, SOCK_STREAM, LP_LAN_POD_PORT);
	struct lp_service_backend backend = { b, LP_LAN_POD_PORT, true };
	uint32_t external = LP_LAN_NODE;
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.external = &external, .external_count = 1, .backends = &backend, .backend_count = 1,
	};

	lp_lan_serve(node, &port, 1);
	CHECK_INT(lp_lan_talk(node->home, LP_LAN_SERVICE, 80, server), 0x0a2a0001);
	CHECK_INT(lp_lan_talk(node->home, 0x7f000001, LP_LAN_NODE_PORT, server), 0x0a2a0001);
	CHECK_INT(lp_lan_talk(node->home, 0x7f000101, LP_LAN_NODE_PORT, server), 0x0a2a0001);
	CHECK_INT(lp_lan_talk(node->home, LP_LAN_NODE, LP_LAN_NODE_PORT, server), LP_LAN_NODE);
	CHECK_INT(lp_lan_talk(node->lan, LP_LAN_NODE, LP_LAN_NODE_PORT, server), LP_LAN_OTHER);
	CHECK_INT(lp_lan_talk(node->lan, LP_LAN_NODE, 80, server), LP_LAN_OTHER);
	CHECK_INT(lp_lan_talk(pod_a, LP_LAN_SERVICE, 80, server), a);
	CHECK_INT(lp_lan_talk(pod_a, LP_LAN_NODE, LP_LAN_NODE_PORT, server), a);
	CHECK_INT(lp_lan_talk(pod_a, 0x0a2a0001, LP_LAN_NODE_PORT, server), a);
	CHECK_INT(lp_lan_talk(pod_b, LP_LAN_SERVICE, 80, server), 0x0a2a0001);	/* itself: masqueraded, or it would not know its own answer */
	lp_lan_stop(node);
}

TEST(a_service_answers_on_every_address_it_has_with_frames_kept_in_the_bridge)
{
	struct lp_lan node;

	lp_lan_start(&node);
	if (!call_iptables(1))
		SKIP("no br_netfilter in this kernel");
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &lp_lan_config, NULL), NULL);
	check_services(&node);
}

TEST(a_service_answers_on_every_address_it_has_with_frames_routed)
{
	struct lp_lan node;

	lp_lan_start(&node);
	(void)call_iptables(0);		/* absent is the same */
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &lp_lan_config, NULL), NULL);
	check_services(&node);
}

TEST(living_ports_follow_when_br_netfilter_comes_and_goes)
{
	struct lp_lan node;
	uint32_t a, b;

	lp_lan_start(&node);
	if (!call_iptables(0))
		SKIP("no br_netfilter in this kernel");
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &lp_lan_config, NULL), NULL);
	int pod_a = lp_lan_pod(&node, "a", &a), pod_b = lp_lan_pod(&node, "b", &b);
	int server = lp_lan_listen(pod_b, SOCK_STREAM, LP_LAN_POD_PORT);
	struct lp_service_backend backend = { b, LP_LAN_POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .cluster_addr = LP_LAN_SERVICE, .backends = &backend, .backend_count = 1,
	};

	for (int turn = 0; turn < 4; turn++) {
		CHECK(call_iptables(turn & 1));
		lp_lan_serve(&node, &port, 1);
		CHECK_INT(lp_lan_talk(pod_a, LP_LAN_SERVICE, 80, server), a);
		CHECK_INT(lp_lan_talk(pod_b, LP_LAN_SERVICE, 80, server), 0x0a2a0001);
	}
	lp_lan_stop(&node);
}

TEST(a_service_without_a_ready_pod_refuses_at_once)
{
	struct lp_lan node;
	struct lp_service_port port = { .name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE };
	uint32_t a;
	int fd;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);

	lp_lan_serve(&node, &port, 1);
	CHECK_INT(lp_lan_dial(pod, LP_LAN_SERVICE, 80, 2000, &fd), ECONNREFUSED);
	CHECK_INT(lp_lan_dial(node.home, LP_LAN_SERVICE, 80, 2000, &fd), ECONNREFUSED);
	CHECK_INT(lp_lan_dial(node.home, 0x7f000001, LP_LAN_NODE_PORT, 2000, &fd), ECONNREFUSED);
	CHECK_INT(lp_lan_dial(node.lan, LP_LAN_NODE, LP_LAN_NODE_PORT, 2000, &fd), ECONNREFUSED);
	CHECK_INT(lp_lan_dial(pod, LP_LAN_SERVICE + 9, 80, 2000, &fd), ECONNREFUSED);		/* an address no service has */
	CHECK_INT(lp_lan_dial(node.home, LP_LAN_SERVICE + 9, 80, 2000, &fd), ECONNREFUSED);
	lp_lan_stop(&node);
}

TEST(new_connections_spread_over_all_backends_and_affinity_keeps_a_client_at_one)
{
	struct lp_lan node;
	uint32_t addr[3];
	struct lp_service_backend backends[3];
	struct pollfd servers[3];
	int hits[3] = { 0 };

	lp_lan_start(&node);
	for (int i = 0; i < 3; i++) {
		int ns = lp_lan_pod(&node, (const char *[]){ "a", "b", "c" }[i], &addr[i]);

		backends[i] = (struct lp_service_backend){ addr[i], LP_LAN_POD_PORT, true };
		servers[i] = (struct pollfd){ .fd = lp_lan_listen(ns, SOCK_STREAM, LP_LAN_POD_PORT), .events = POLLIN };
	}
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .cluster_addr = LP_LAN_SERVICE, .backends = backends, .backend_count = 3,
	};

	for (int sticky = 0; sticky < 2; sticky++) {
		int used = 0;

		memset(hits, 0, sizeof(hits));
		port.affinity = sticky;
		lp_lan_serve(&node, &port, 1);
		for (int n = 0; n < 60; n++) {
			int client;

			CHECK_INT(lp_lan_dial(node.home, LP_LAN_SERVICE, 80, 2000, &client), 0);
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
	lp_lan_stop(&node);
}

TEST(udp_services_and_host_ports_answer_from_the_address_that_was_asked)
{
	struct lp_lan node;
	uint32_t a;
	char byte;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(pod, SOCK_DGRAM, 5353);
	struct lp_service_host_port host_ports[] = {
		{ "default/dns", IPPROTO_UDP, 0, 5300, a, 5353 },
		{ "default/dns", IPPROTO_UDP, LP_LAN_NODE, 5301, a, 5353 },
	};
	struct lp_service_input input = { .host_ports = host_ports, .host_port_count = 2 };
	struct { int from; uint32_t addr; uint16_t port; bool served; } tries[] = {
		{ node.lan, LP_LAN_NODE, 5300, true }, { node.home, 0x7f000001, 5300, true }, { node.lan, LP_LAN_NODE, 5301, true },
		{ node.home, 0x7f000001, 5301, false },
	};
	struct lp_err err;

	CHECK_OK(lp_netbridge_services(node.net, &input, false, &err), &err);
	for (size_t i = 0; i < lp_count(tries); i++) {
		struct sockaddr_in to = lp_lan_name(tries[i].addr, tries[i].port), from;
		socklen_t len = sizeof(from);
		int client;

		CHECK_OK(lp_netbridge_socket(tries[i].from, AF_INET, SOCK_DGRAM, 0, &client, &err), &err);
		CHECK(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
		CHECK_INT(send(client, "q", 1, 0), 1);
		CHECK_INT(lp_lan_ready(server, POLLIN, tries[i].served ? 2000 : 50), tries[i].served);
		if (tries[i].served) {
			CHECK_INT(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &len), 1);
			CHECK_INT(sendto(server, "a", 1, 0, (struct sockaddr *)&from, len), 1);
			CHECK(lp_lan_ready(client, POLLIN, 2000));
			CHECK_INT(recv(client, &byte, 1, 0), 1);
		}
		close(client);
	}
	lp_lan_stop(&node);
}

TEST(a_udp_client_that_keeps_its_socket_reaches_the_pod_that_replaced_its_own)
{
	struct sockaddr_in to = lp_lan_name(LP_LAN_SERVICE, 5353);
	struct lp_service_backend backend = { .port = 5353, .local = true };
	struct lp_service_port port = {
		.name = "default/dns", .protocol = IPPROTO_UDP, .port = 5353, .cluster_addr = LP_LAN_SERVICE, .backends = &backend, .backend_count = 1,
	};
	struct lp_lan node;
	struct lp_err err;
	int servers[2], client, other;
	uint32_t addrs[2];
	char byte;

	lp_lan_start(&node);
	for (int i = 0; i < 2; i++)
		servers[i] = lp_lan_listen(lp_lan_pod(&node, i ? "b" : "a", &addrs[i]), SOCK_DGRAM, 5353);
	CHECK_OK(lp_netbridge_socket(node.home, AF_INET, SOCK_DGRAM, 0, &client, &err), &err);
	CHECK_OK(lp_netbridge_socket(node.home, AF_INET, SOCK_DGRAM, 0, &other, &err), &err);
	CHECK(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
	to = lp_lan_name(0x0a2a0002, 5353);
	CHECK(connect(other, (struct sockaddr *)&to, sizeof(to)) == 0);		/* not by the service: nobody's business */
	for (int i = 0; i < 2; i++) {
		backend.addr = addrs[i];
		lp_lan_serve(&node, &port, 1);
		for (int n = 0; n < 3; n++) {
			CHECK_INT(send(client, "q", 1, 0), 1);
			CHECK(lp_lan_ready(servers[i], POLLIN, 2000));
			CHECK_INT(recv(servers[i], &byte, 1, 0), 1);
		}
		CHECK_INT(send(other, "x", 1, 0), 1);
		CHECK(lp_lan_ready(servers[0], POLLIN, 2000));
		CHECK_INT(recv(servers[0], &byte, 1, 0), 1);
	}
	lp_lan_stop(&node);
}

TEST(a_udp_flow_of_before_our_time_is_forgotten_by_the_sweep)
{
	struct sockaddr_in to = lp_lan_name(LP_LAN_SERVICE, 5353);
	struct lp_service_backend backend = { .port = 5353, .local = true };
	struct lp_service_port port = {
		.name = "default/dns", .protocol = IPPROTO_UDP, .port = 5353, .cluster_addr = LP_LAN_SERVICE, .backends = &backend, .backend_count = 1,
	};
	struct lp_lan node;
	struct lp_err err;
	int server, client;
	char byte;

	lp_lan_start(&node);
	server = lp_lan_listen(lp_lan_pod(&node, "a", &backend.addr), SOCK_DGRAM, 5353);
	CHECK_OK(lp_netbridge_socket(node.home, AF_INET, SOCK_DGRAM, 0, &client, &err), &err);
	CHECK(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
	lp_lan_serve(&node, &port, 1);
	CHECK_INT(send(client, "q", 1, 0), 1);
	CHECK(lp_lan_ready(server, POLLIN, 2000));
	CHECK_INT(recv(server, &byte, 1, 0), 1);
	/* Whoever comes next finds no such service: the flow stands until it looks. */
	lp_netbridge_close(node.net);
	CHECK_OK(lp_netbridge_open(&node.net, &lp_lan_config, &err), &err);
	lp_lan_serve(&node, NULL, 0);
	CHECK_INT(send(client, "q", 1, 0), 1);
	CHECK(lp_lan_ready(server, POLLIN, 2000));
	CHECK_INT(recv(server, &byte, 1, 0), 1);
	for (int i = 0; i < 2; i++)
		CHECK_OK(lp_netbridge_sweep(node.net, &err), &err);
	(void)send(client, "q", 1, 0);		/* refused or lost */
	CHECK(!lp_lan_ready(server, POLLIN, 100));
	close(client);
	close(server);
	lp_lan_stop(&node);
}

TEST(traffic_policy_local_serves_outsiders_only_by_local_pods_and_keeps_their_address)
{
	struct lp_lan node;
	uint32_t a, b;
	int fd;

	lp_lan_start(&node);
	int pod_a = lp_lan_pod(&node, "a", &a), pod_b = lp_lan_pod(&node, "b", &b);
	int server = lp_lan_listen(pod_a, SOCK_STREAM, LP_LAN_POD_PORT), other = lp_lan_listen(pod_b, SOCK_STREAM, LP_LAN_POD_PORT);
	/* b stands for a pod on another node: reachable, but not local. */
	struct lp_service_backend backends[] = { { a, LP_LAN_POD_PORT, true }, { b, LP_LAN_POD_PORT, false } };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.external_local = true, .backends = backends, .backend_count = 2,
	};

	lp_lan_serve(&node, &port, 1);
	for (int n = 0; n < 20; n++)
		CHECK_INT(lp_lan_talk(node.lan, LP_LAN_NODE, LP_LAN_NODE_PORT, server), LP_LAN_OTHER);
	port.backends = &backends[1];
	port.backend_count = 1;
	lp_lan_serve(&node, &port, 1);
	CHECK_INT(lp_lan_dial(node.lan, LP_LAN_NODE, LP_LAN_NODE_PORT, 150, &fd), ETIMEDOUT);
	CHECK_INT(lp_lan_talk(pod_a, LP_LAN_NODE, LP_LAN_NODE_PORT, other), a);
	CHECK_INT(lp_lan_talk(node.home, LP_LAN_NODE, LP_LAN_NODE_PORT, other), LP_LAN_NODE);
	lp_lan_stop(&node);
}

TEST(loopback_reaches_the_local_pod_of_a_service_that_has_others_too)
{
	struct lp_lan node;
	uint32_t a;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(pod, SOCK_STREAM, LP_LAN_POD_PORT);
	struct lp_service_backend backends[] = { { a, LP_LAN_POD_PORT, true }, { 0x0a2a0105, LP_LAN_POD_PORT, false }, { 0x0a2a0106, LP_LAN_POD_PORT, false } };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.backends = backends, .backend_count = 3,
	};

	lp_lan_serve(&node, &port, 1);
	for (int i = 0; i < 20; i++)
		CHECK_INT(lp_lan_talk(node.home, 0x7f000001, LP_LAN_NODE_PORT, server), 0x0a2a0001);
	lp_lan_stop(&node);
}

struct traffic {
	atomic_bool enough;
	atomic_int tried, refused;
};

/* A process that ends with the test. */
static pid_t
helper(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static pid_t
busy_server(int server)
{
	pid_t pid = helper();

	while (pid == 0)
		if (lp_lan_ready(server, POLLIN, 1000))
			close(accept(server, NULL, NULL));
	return pid;
}

static pid_t
busy_client(struct traffic *traffic, uint32_t addr, uint16_t port)
{
	const struct linger reset = { .l_onoff = 1 };	/* no TIME_WAIT: ports do not run out */
	struct sockaddr_in name = lp_lan_name(addr, port);
	pid_t pid = helper();

	while (pid == 0 && !traffic->enough) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == ECONNREFUSED)
			traffic->refused++;
		traffic->tried++;
		close(fd);
	}
	if (pid == 0)
		_exit(0);
	return pid;
}

TEST(no_connection_is_refused_while_the_table_is_replaced)
{
	enum { REPLACEMENTS = 600 };
	struct traffic *traffic = mmap(NULL, sizeof(*traffic), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct lp_lan node;
	struct lp_err err;
	uint32_t a;

	CHECK(traffic != MAP_FAILED);
	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(pod, SOCK_STREAM, LP_LAN_POD_PORT);
	struct lp_service_backend backend = { a, LP_LAN_POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.backends = &backend, .backend_count = 1,
	};
	struct lp_service_input input = { .ports = &port, .port_count = 1 };

	CHECK(listen(server, 4096) == 0);	/* nobody waits for whoever accepts */
	lp_lan_serve(&node, &port, 1);
	pid_t serving = busy_server(server);
	pid_t asking[] = { busy_client(traffic, 0x7f000001, LP_LAN_NODE_PORT), busy_client(traffic, LP_LAN_SERVICE, 80) };
	for (int i = 0; i < REPLACEMENTS; i++)
		CHECK_OK(lp_netbridge_services(node.net, &input, true, &err), &err);
	traffic->enough = true;
	for (size_t i = 0; i < lp_count(asking); i++)
		CHECK(waitpid(asking[i], NULL, 0) == asking[i]);
	CHECK(kill(serving, SIGKILL) == 0 && waitpid(serving, NULL, 0) == serving);
	CHECK(traffic->tried > REPLACEMENTS);
	CHECK_INT(traffic->refused, 0);
	(void)munmap(traffic, sizeof(*traffic));
	lp_lan_stop(&node);
}

TEST(many_services_are_one_transaction)
{
	enum { COUNT = 2000, EACH = 10 };
	struct lp_service_backend *backends = calloc(COUNT * EACH, sizeof(*backends));
	struct lp_service_port *ports = calloc(COUNT, sizeof(*ports));
	struct lp_lan node;
	uint32_t a;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(pod, SOCK_STREAM, LP_LAN_POD_PORT);

	CHECK(backends && ports);
	for (uint32_t i = 0; i < COUNT; i++) {
		for (uint32_t k = 0; k < EACH; k++)
			backends[i * EACH + k] = (struct lp_service_backend){ i == COUNT - 1 ? a : 0x0a2a0000 + i * EACH + k, LP_LAN_POD_PORT, true };
		ports[i] = (struct lp_service_port){
			.name = "default/many", .protocol = IPPROTO_TCP, .port = 80, .node_port = (uint16_t)(30000 + i),
			.cluster_addr = 0x0a2b0100 + i, .backends = &backends[i * EACH], .backend_count = EACH,
		};
	}
	lp_lan_serve(&node, ports, COUNT);
	CHECK_INT(lp_lan_talk(node.home, 0x0a2b0100 + COUNT - 1, 80, server), 0x0a2a0001);
	CHECK_INT(lp_lan_talk(node.lan, LP_LAN_NODE, 30000 + COUNT - 1, server), LP_LAN_OTHER);
	free(backends);
	free(ports);
	lp_lan_stop(&node);
}

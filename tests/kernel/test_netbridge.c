#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "netbridge/addr.h"
#include "netbridge/link.h"
#include "netbridge/netbridge.h"
#include "netbridge/nft.h"
#include "netbridge/sysctl.h"
#include "netbridge/table.h"
#include "tests/harness.h"
#include "tests/kernel/lan.h"

TEST(a_pod_gets_the_first_free_address_and_reaches_the_node_and_other_pods)
{
	struct lp_lan node;
	uint32_t a, b;

	lp_lan_start(&node);
	int pod_a = lp_lan_pod(&node, "a", &a), pod_b = lp_lan_pod(&node, "b", &b);
	int server = lp_lan_listen(pod_b, SOCK_STREAM, LP_LAN_POD_PORT), on_node = lp_lan_listen(node.home, SOCK_STREAM, 8080);

	CHECK_INT(a, 0x0a2a0002);
	CHECK_INT(b, 0x0a2a0003);
	CHECK_INT(lp_netbridge_address(node.net, "b"), b);
	CHECK_INT(lp_lan_talk(node.home, b, LP_LAN_POD_PORT, server), 0x0a2a0001);
	CHECK_INT(lp_lan_talk(pod_a, b, LP_LAN_POD_PORT, server), a);
	CHECK_INT(lp_lan_talk(pod_a, LP_LAN_NODE, 8080, on_node), a);
	CHECK_INT(lp_lan_talk(pod_b, b, LP_LAN_POD_PORT, server), b);
	CHECK_INT(lp_lan_talk(pod_b, 0x7f000001, LP_LAN_POD_PORT, server), 0x7f000001);
	lp_lan_stop(&node);
}

TEST(a_pod_reaches_the_world_with_the_nodes_address)
{
	struct lp_lan node;
	uint32_t a;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(node.lan, SOCK_STREAM, 80);

	CHECK_INT(lp_lan_talk(pod, LP_LAN_OTHER, 80, server), LP_LAN_NODE);
	lp_lan_stop(&node);
}

TEST(a_question_waits_while_the_resolver_is_away)
{
	struct sockaddr_in to = lp_lan_name(0x0a2b000a, 53), elsewhere = lp_lan_name(LP_LAN_NODE, 53);
	struct lp_lan node;
	struct lp_err err;
	uint32_t a;
	char byte;
	int fd;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);

	for (int i = 0; i < 2; i++) {
		CHECK_OK(lp_netbridge_socket(pod, AF_INET, SOCK_DGRAM, 0, &fd, &err), &err);
		CHECK(connect(fd, i ? (struct sockaddr *)&elsewhere : (struct sockaddr *)&to, sizeof(to)) == 0);
		CHECK_INT(send(fd, "q", 1, 0), 1);
		CHECK_INT(lp_lan_ready(fd, POLLIN | POLLERR, i ? 2000 : 100), i);
		if (i) {
			CHECK(recv(fd, &byte, 1, 0) < 0);
			CHECK_INT(errno, ECONNREFUSED);		/* what every other address says */
		}
		close(fd);
	}
	lp_lan_stop(&node);
}

TEST(the_resolver_does_not_hear_the_lan)
{
	struct sockaddr_in name = lp_lan_name(0x0a2b000a, 53);
	struct lp_lan node;
	struct lp_netlink far;
	struct lp_link eth0;
	struct lp_err err;
	uint32_t a;
	int fd;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server;

	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node.lan, &err), &err);
	CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
	lp_addr_add_route(&far, &(struct lp_addr_route){ .dst = 0x0a2b0000, .prefix = 16, .gateway = LP_LAN_NODE, .index = eth0.index });
	CHECK_OK(lp_netlink_commit(&far, &err), &err);
	lp_netlink_close(&far);
	CHECK_OK(lp_netbridge_socket(node.home, AF_INET, SOCK_DGRAM, 0, &server, &err), &err);
	CHECK(bind(server, (struct sockaddr *)&name, sizeof(name)) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(lp_netbridge_socket(i ? pod : node.lan, AF_INET, SOCK_DGRAM, 0, &fd, &err), &err);
		CHECK_INT(sendto(fd, "q", 1, 0, (struct sockaddr *)&name, sizeof(name)), 1);
		CHECK_INT(lp_lan_ready(server, POLLIN, i ? 2000 : 100), i);
		close(fd);
	}
	lp_lan_stop(&node);
}

TEST(loopback_addresses_from_the_lan_are_dropped)
{
	struct lp_lan node;
	struct lp_netlink far;
	struct lp_link eth0;
	struct lp_err err;
	uint32_t a;
	int fd;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);

	/* The other machine and a pod both route 127.0.0.2 to us and hope. */
	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node.lan, &err), &err);
	CHECK_OK(lp_link_find(&far, "eth0", &eth0, &err), &err);
	lp_netlink_close(&far);
	int server = lp_lan_listen(node.home, SOCK_STREAM, 8080);

	for (int i = 0; i < 2; i++) {
		int ns = i ? pod : node.lan;
		struct lp_addr_route lo = { .dst = 0x7f000002, .prefix = 32, .gateway = i ? 0x0a2a0001 : LP_LAN_NODE, .onlink = i };

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
		CHECK_INT(lp_lan_dial(ns, 0x7f000002, 8080, 150, &fd), ETIMEDOUT);
	}
	CHECK(!lp_lan_ready(server, POLLIN, 0));
	lp_lan_stop(&node);
}

/* Does a datagram from the namespace reach the socket on the node? */
static bool
heard(int ns, int server, int ms)
{
	struct sockaddr_in to = lp_lan_name(LP_LAN_NODE, 8080);
	struct lp_err err;
	bool came;
	char byte;
	int fd;

	CHECK_OK(lp_netbridge_socket(ns, AF_INET, SOCK_DGRAM, 0, &fd, &err), &err);
	CHECK_INT(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	came = lp_lan_ready(server, POLLIN, ms);
	if (came)
		CHECK_INT(recv(server, &byte, 1, 0), 1);
	close(fd);
	return came;
}

TEST(a_pod_with_a_foreign_address_is_not_heard)
{
	struct lp_lan node;
	struct lp_netlink inside;
	struct lp_link eth0;
	struct lp_err err;
	uint32_t a, b;

	lp_lan_start(&node);
	int pod_a = lp_lan_pod(&node, "a", &a), pod_b = lp_lan_pod(&node, "b", &b);
	int server = lp_lan_listen(node.home, SOCK_DGRAM, 8080);

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
	lp_lan_stop(&node);
}

TEST(a_new_process_finds_everything_as_it_was_and_connections_go_on)
{
	struct lp_lan node;
	struct lp_err err;
	uint32_t a, b;
	int client, there;
	char byte;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(pod, SOCK_STREAM, LP_LAN_POD_PORT);
	struct lp_service_backend backend = { a, LP_LAN_POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.backends = &backend, .backend_count = 1,
	};

	lp_lan_serve(&node, &port, 1);
	CHECK_INT(lp_lan_dial(node.home, 0x7f000001, LP_LAN_NODE_PORT, 2000, &client), 0);
	CHECK(lp_lan_ready(server, POLLIN, 2000));
	there = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	for (int restart = 0; restart < 5; restart++) {
		lp_netbridge_close(node.net);
		CHECK_OK(lp_netbridge_open(&node.net, &lp_lan_config, &err), &err);
		CHECK_INT(lp_lan_talk(node.home, 0x7f000001, LP_LAN_NODE_PORT, server), 0x0a2a0001);
		CHECK_OK(lp_netbridge_adopt(node.net, "a", a, &err), &err);
		CHECK_INT(lp_lan_talk(node.home, 0x7f000001, LP_LAN_NODE_PORT, server), 0x0a2a0001);
		lp_lan_serve(&node, &port, 1);
		CHECK_INT(lp_lan_talk(node.home, 0x7f000001, LP_LAN_NODE_PORT, server), 0x0a2a0001);
		CHECK_INT(send(client, "q", 1, 0), 1);
		CHECK(lp_lan_ready(there, POLLIN, 2000));
		CHECK_INT(recv(there, &byte, 1, 0), 1);
	}
	int other = lp_lan_pod(&node, "b", &b);

	CHECK(b != a);
	CHECK_INT(lp_lan_talk(other, LP_LAN_SERVICE, 80, server), b);
	lp_lan_stop(&node);
}

TEST(flushed_rules_come_back_with_the_next_change)
{
	struct lp_lan node;
	struct lp_err err;
	uint32_t a, b;

	lp_lan_start(&node);
	int pod_a = lp_lan_pod(&node, "a", &a);
	int server = lp_lan_listen(pod_a, SOCK_STREAM, LP_LAN_POD_PORT);
	struct lp_service_backend backend = { a, LP_LAN_POD_PORT, true };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.backends = &backend, .backend_count = 1,
	};

	lp_lan_serve(&node, &port, 1);
	for (int by_attach = 0; by_attach < 2; by_attach++) {
		struct lp_nft nft;

		CHECK_OK(lp_nft_open(&nft, &err), &err);
		lp_nft_begin(&nft, "limpet");
		lp_nft_remove_table(&nft);
		CHECK_OK(lp_nft_commit(&nft, &err), &err);
		lp_nft_close(&nft);
		if (by_attach)
			(void)lp_lan_pod(&node, "b", &b);
		else
			lp_lan_serve(&node, &port, 1);
		CHECK_INT(lp_lan_talk(node.home, 0x7f000001, LP_LAN_NODE_PORT, server), 0x0a2a0001);
	}
	lp_lan_stop(&node);
}

TEST(an_instance_leaves_nothing_and_does_not_touch_another)
{
	struct lp_netbridge_config second = lp_lan_config;
	struct lp_netbridge_link *links;
	char stand_in[LP_TABLE_STAND_IN];
	struct lp_netbridge *other;
	struct lp_lan node;
	struct lp_nft nft;
	struct lp_err err;
	uint32_t a, b;
	size_t count;
	bool there;
	int value;

	lp_lan_start(&node);
	second.bridge = "lp123456";
	second.table = "limpet-123456";
	second.pods = second.cluster = (struct lp_netbridge_range){ 0x0a2c0000, 24 };
	second.services = (struct lp_netbridge_range){ 0x0a2d0000, 16 };
	second.dns_addr = 0x0a2d000a;
	CHECK_OK(lp_netbridge_open(&other, &second, &err), &err);
	int pod_a = lp_lan_pod(&node, "a", &a), pod_b = lp_lan_new_ns();

	(void)pod_a;
	CHECK_OK(lp_netbridge_attach(other, "a", pod_b, 0, &b, &err), &err);
	int server = lp_lan_listen(pod_b, SOCK_STREAM, LP_LAN_POD_PORT);

	CHECK_OK(lp_netbridge_links("limpet0", &links, &count, &err), &err);
	CHECK_INT(count, 1);
	CHECK_STR(links[0].key, "a");
	free(links);
	lp_table_stand_in("limpet", stand_in);	/* of an agent that was killed while it replaced the table */
	CHECK_OK(lp_nft_open(&nft, &err), &err);
	lp_nft_begin(&nft, stand_in);
	lp_nft_add_table(&nft);
	CHECK_OK(lp_nft_commit(&nft, &err), &err);
	CHECK_OK(lp_netbridge_remove("limpet0", "limpet", &err), &err);
	CHECK_OK(lp_netbridge_remove("limpet0", "limpet", &err), &err);
	CHECK_OK(lp_nft_has_table(&nft, stand_in, &there, &err), &err);
	CHECK(!there);
	lp_nft_close(&nft);
	CHECK_INT(if_nametoindex("limpet0"), 0);
	CHECK_OK(lp_netbridge_links("limpet0", &links, &count, &err), &err);
	CHECK_INT(count, 0);
	free(links);
	CHECK_INT(lp_lan_talk(node.home, b, LP_LAN_POD_PORT, server), 0x0a2c0001);
	CHECK_OK(lp_sysctl_get("ipv4/conf/lp123456/route_localnet", &value, &err), &err);
	CHECK_INT(value, 1);
	CHECK_OK(lp_sysctl_get("ipv4/conf/all/route_localnet", &value, &err), &err);
	CHECK_INT(value, 0);
	lp_netbridge_close(other);
	lp_lan_stop(&node);
}

TEST(an_attach_that_fails_leaves_no_link_no_address_and_no_rule)
{
	struct lp_netbridge_link *links;
	struct lp_lan node;
	struct lp_err err;
	uint32_t addr = 7;
	size_t count;

	lp_lan_start(&node);
	int ns[] = { open("/dev/null", O_RDONLY | O_CLOEXEC), node.lan, -1, 9999 };	/* the other machine has an eth0 already */

	for (size_t i = 0; i < lp_count(ns); i++) {
		CHECK(lp_netbridge_attach(node.net, "a", ns[i], lp_clock_boot_ms(), &addr, &err) < 0);
		CHECK_HAS(err.text, "attach a: ");
		CHECK_INT(addr, 7);
		CHECK_INT(lp_netbridge_address(node.net, "a"), 0);
		CHECK_OK(lp_netbridge_links("limpet0", &links, &count, &err), &err);
		CHECK_INT(count, 0);
		free(links);
	}
	CHECK_ERR(lp_netbridge_attach(node.net, "", node.lan, 0, &addr, &err), -EINVAL);
	close(ns[0]);
	(void)lp_lan_pod(&node, "a", &addr);
	CHECK_INT(addr, 0x0a2a0006);		/* the four before it rest */
	lp_lan_stop(&node);
}

TEST(a_refused_change_names_the_message_and_changes_nothing)
{
	struct lp_lan node;
	struct lp_nft nft;
	struct lp_err err;
	bool there;

	lp_lan_start(&node);
	CHECK_OK(lp_nft_open(&nft, &err), &err);
	lp_nft_begin(&nft, "other");
	lp_nft_add_table(&nft);
	lp_nft_add_chain(&nft, "one");
	lp_nft_rule(&nft, "two", "the house");
	lp_nft_masquerade(&nft);
	lp_nft_rule_end(&nft);
	lp_nft_add_chain(&nft, "three");
	CHECK_ERR(lp_nft_commit(&nft, &err), -ENOENT);
	CHECK_HAS(err.text, "add rule to two for the house");
	CHECK_OK(lp_nft_has_table(&nft, "other", &there, &err), &err);
	CHECK(!there);
	lp_nft_begin(&nft, "other");
	lp_nft_add_table(&nft);
	CHECK_OK(lp_nft_commit(&nft, &err), &err);	/* the socket is as good as before */
	CHECK_OK(lp_nft_has_table(&nft, "other", &there, &err), &err);
	CHECK(there);
	lp_nft_close(&nft);
	lp_lan_stop(&node);
}

TEST(a_foreign_chain_that_drops_what_is_forwarded_is_named)
{
	char text[LP_NETBRIDGE_OBSTACLE];
	struct lp_lan node;
	struct lp_nft nft;
	struct lp_err err;

	lp_lan_start(&node);
	CHECK_OK(lp_netbridge_obstacle(text, &err), &err);
	CHECK_STR(text, "");
	CHECK_OK(lp_nft_open(&nft, &err), &err);
	lp_nft_begin(&nft, "filter");
	lp_nft_add_table(&nft);
	lp_nft_add_hook(&nft, "FORWARD", "filter", NF_INET_FORWARD, 0, NF_DROP);
	lp_nft_add_hook(&nft, "INPUT", "filter", NF_INET_LOCAL_IN, 0, NF_ACCEPT);
	CHECK_OK(lp_nft_commit(&nft, &err), &err);
	lp_nft_close(&nft);
	CHECK_OK(lp_netbridge_obstacle(text, &err), &err);
	CHECK_STR(text, "table filter chain FORWARD");
	lp_lan_stop(&node);
}

TEST(a_range_that_another_interface_has_is_refused_with_its_address)
{
	struct lp_netbridge_config second = lp_lan_config;
	struct lp_netbridge *other;
	struct lp_lan node;
	struct lp_err err;

	lp_lan_start(&node);
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
	lp_lan_stop(&node);
}

TEST(attaching_a_key_again_replaces_its_link_and_detaching_rests_its_address)
{
	struct lp_lan node;
	struct lp_err err;
	uint32_t a, again, b;

	lp_lan_start(&node);
	int first = lp_lan_pod(&node, "a", &a), second = lp_lan_pod(&node, "a", &again);
	int server = lp_lan_listen(second, SOCK_STREAM, LP_LAN_POD_PORT);

	(void)first;
	CHECK_INT(a, again);
	CHECK_INT(lp_lan_talk(node.home, a, LP_LAN_POD_PORT, server), 0x0a2a0001);
	CHECK_OK(lp_netbridge_detach(node.net, "a", lp_clock_boot_ms(), &err), &err);
	CHECK_OK(lp_netbridge_detach(node.net, "a", lp_clock_boot_ms(), &err), &err);
	CHECK_INT(lp_netbridge_address(node.net, "a"), 0);
	(void)lp_lan_pod(&node, "b", &b);
	CHECK(b != a);
	lp_lan_stop(&node);
}

TEST(peers_get_routes_and_lose_them)
{
	struct lp_netbridge_peer peers[] = {
		{ LP_LAN_OTHER, { 0x0a2a0100, 24 } }, { LP_LAN_OTHER + 1, { 0x0a2a0200, 24 } }, { LP_LAN_NODE, { 0x0a2a0000, 24 } },
	};
	struct lp_lan node;
	struct lp_netlink far;
	struct lp_err err;
	uint32_t a;

	lp_lan_start(&node);
	int pod = lp_lan_pod(&node, "a", &a);

	/* The other machine has the pod address 10.42.1.5 and routes ours back: no masquerade between nodes. */
	CHECK_OK(lp_netlink_open_in(&far, NETLINK_ROUTE, node.lan, &err), &err);
	struct lp_addr_route back = { .dst = 0x0a2a0000, .prefix = 24, .gateway = LP_LAN_NODE };

	lp_addr_add(&far, 1, 0x0a2a0105, 32);
	lp_addr_add_route(&far, &back);
	CHECK_OK(lp_netlink_commit(&far, &err), &err);
	lp_netlink_close(&far);
	int server = lp_lan_listen(node.lan, SOCK_STREAM, LP_LAN_POD_PORT);

	CHECK_OK(lp_netbridge_peers(node.net, peers, 3, &err), &err);
	CHECK_OK(lp_netbridge_peers(node.net, peers, 3, &err), &err);
	CHECK_INT(lp_lan_talk(pod, 0x0a2a0105, LP_LAN_POD_PORT, server), a);

	/* And a service whose only pod runs there: from the LAN the answer has to come back through us. */
	struct lp_service_backend backend = { 0x0a2a0105, LP_LAN_POD_PORT, false };
	struct lp_service_port port = {
		.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = LP_LAN_NODE_PORT, .cluster_addr = LP_LAN_SERVICE,
		.backends = &backend, .backend_count = 1,
	};

	lp_lan_serve(&node, &port, 1);
	CHECK_INT(lp_lan_talk(node.lan, LP_LAN_NODE, LP_LAN_NODE_PORT, server), LP_LAN_NODE);
	CHECK_INT(lp_lan_talk(pod, LP_LAN_SERVICE, 80, server), a);
	CHECK_INT(lp_lan_talk(node.home, LP_LAN_SERVICE, 80, server), 0x0a2a0001);
	CHECK_INT(lp_lan_peer_routes() - 1, 2);		/* the default route is ours, too */
	CHECK_OK(lp_netbridge_peers(node.net, peers + 1, 1, &err), &err);
	CHECK_INT(lp_lan_peer_routes() - 1, 1);
	CHECK_OK(lp_netbridge_remove("limpet0", "limpet", &err), &err);
	CHECK_INT(lp_lan_peer_routes() - 1, 0);
	lp_lan_stop(&node);
}

TEST(the_nodes_address_is_that_of_the_default_route)
{
	char name[LP_NETBRIDGE_NAME];
	uint32_t addr, all[8];
	struct lp_lan node;
	struct lp_err err;

	lp_lan_start(&node);
	CHECK_OK(lp_netbridge_node_address("limpet0", &addr, name, &err), &err);
	CHECK_INT(addr, LP_LAN_NODE);
	CHECK_STR(name, "lan0");
	CHECK_INT(lp_netbridge_node_addresses("limpet0", all, 8, &err), 1);
	CHECK_INT(all[0], LP_LAN_NODE);
	lp_lan_stop(&node);
}


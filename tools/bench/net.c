/*
 * tools/bench/net.c - a pod's network, services and names: what netbridge needs, in a network namespace of its own.
 *
 * Use     net ROUNDS
 * Floor   a veth pair by one message and the four of its inner side, nothing else: no bridge port to lock, no rules, no waiting
 * Output  one line each: name, median and 90th percentile in microseconds, ratio to the floor where there is one
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "netbridge/addr.h"
#include "netbridge/netbridge.h"

#define ROUNDS_MAX 120		/* half of the addresses of a /24 */
#define SERVICES 1000
#define BACKENDS 10

static const struct lp_netbridge_config config = {
	.bridge = "limpet0", .table = "limpet",
	.pods = { 0x0a2a0000, 24 }, .cluster = { 0x0a2a0000, 16 }, .services = { 0x0a2b0000, 16 }, .dns_addr = 0x0a2b000a,
};

static double floor_us[ROUNDS_MAX], attach_us[ROUNDS_MAX], detach_us[ROUNDS_MAX];

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void
need(int rc, const struct lp_err *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "net: %s\n", err->text);
	exit(1);
}

static int
own_ns(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int
new_ns(int home)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0 || (fd = own_ns()) < 0 || setns(home, CLONE_NEWNET) < 0) {
		perror("net: network namespace");
		exit(1);
	}
	return fd;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
say(const char *name, double *values, unsigned count, double floor)
{
	qsort(values, count, sizeof(*values), compare);
	printf("%-28s %8.0f us  p90 %6.0f us", name, values[count / 2], values[count * 9 / 10]);
	if (floor > 0)
		printf("  %5.2f x the floor", values[count / 2] / floor);
	printf("\n");
	return values[count / 2];
}

/* The least that gives a namespace an address and a route. */
static void
bare(unsigned round, uint32_t bridge, int ns)
{
	struct lp_addr_route everything = { .gateway = 0x0a2a0001, .onlink = true };
	uint32_t addr = 0x0a2a0080 + round;
	struct lp_netlink nl, inside;
	uint8_t mac[LP_LINK_MAC];
	char name[LP_LINK_NAME];
	struct lp_link eth0;
	struct lp_err err;

	(void)snprintf(name, sizeof(name), "bare%u", round);
	lp_link_mac(addr, mac);
	need(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	lp_link_add_pair(&nl, name, bridge, ns, mac);
	need(lp_netlink_commit(&nl, &err), &err);
	need(lp_netlink_open_in(&inside, NETLINK_ROUTE, ns, &err), &err);
	need(lp_link_find(&inside, "eth0", &eth0, &err), &err);
	everything.index = eth0.index;
	lp_link_set_up(&inside, 1);
	lp_addr_add(&inside, eth0.index, addr, 32);
	lp_link_set_up(&inside, eth0.index);
	lp_addr_add_route(&inside, &everything);
	need(lp_netlink_commit(&inside, &err), &err);
	lp_netlink_close(&inside);
	lp_netlink_close(&nl);
}

static void
measure_pods(struct lp_netbridge *net, unsigned rounds)
{
	int home = own_ns();
	struct lp_netlink nl;
	struct lp_link bridge;
	struct lp_err err;
	uint32_t addr;
	char key[16];
	double floor;

	need(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	need(lp_link_find(&nl, config.bridge, &bridge, &err), &err);
	lp_netlink_close(&nl);
	for (unsigned i = 0; i < rounds; i++) {
		int plain = new_ns(home), ns = new_ns(home);
		double start = now_us();

		bare(i, bridge.index, plain);
		floor_us[i] = now_us() - start;
		(void)snprintf(key, sizeof(key), "%u", i);
		start = now_us();
		need(lp_netbridge_attach(net, key, ns, 0, &addr, &err), &err);
		attach_us[i] = now_us() - start;
		start = now_us();
		need(lp_netbridge_detach(net, key, 0, &err), &err);
		detach_us[i] = now_us() - start;
		close(plain);
		close(ns);
	}
	close(home);
	floor = say("bare veth and address", floor_us, rounds, 0);
	(void)say("pod network, rules included", attach_us, rounds, floor);
	(void)say("pod network given back", detach_us, rounds, floor);
	printf("budget: 2000 us a pod\n");
}

static void
measure_services(struct lp_netbridge *net, unsigned rounds)
{
	struct lp_service_port *ports = calloc(SERVICES, sizeof(*ports));
	struct lp_service_backend *backends = calloc(SERVICES * BACKENDS, sizeof(*backends));
	struct lp_service_input input = { .ports = ports, .port_count = SERVICES };
	struct lp_err err;

	if (!ports || !backends)
		exit(1);
	for (uint32_t i = 0; i < SERVICES; i++) {
		for (uint32_t k = 0; k < BACKENDS; k++)
			backends[i * BACKENDS + k] = (struct lp_service_backend){ 0x0a2a0100 + i * BACKENDS + k, 8080, true };
		ports[i] = (struct lp_service_port){ .name = "default/bench", .protocol = 6, .port = 80, .node_port = (uint16_t)(30000 + i),
			.cluster_addr = 0x0a2b0100 + i, .backends = &backends[i * BACKENDS], .backend_count = BACKENDS };
	}
	for (unsigned i = 0; i < rounds; i++) {
		double start = now_us();

		need(lp_netbridge_services(net, &input, true, &err), &err);
		floor_us[i] = now_us() - start;
		start = now_us();
		need(lp_netbridge_services(net, &input, false, &err), &err);
		attach_us[i] = now_us() - start;
		backends[SERVICES * BACKENDS / 2].addr ^= 0x10000;
		start = now_us();
		need(lp_netbridge_services(net, &input, false, &err), &err);
		detach_us[i] = now_us() - start;
	}
	(void)say("1,000 services, all replaced", floor_us, rounds, 0);
	(void)say("1,000 services, a pod moved", detach_us, rounds, 0);
	(void)say("1,000 services, unchanged", attach_us, rounds, 0);
	free(ports);
	free(backends);
}

static void
measure_names(void)
{
	enum { COUNT = 100000 };
	lp_auto_buf struct lp_buf query, out;
	enum lp_dns_verdict verdict;
	struct lp_dns_zone *zone;
	char name[LP_DNS_NAME], chase[LP_DNS_NAME];
	struct lp_err err;
	double start;

	need(lp_dns_zone_new(&zone, "cluster.local", &err), &err);
	for (uint32_t i = 0; i < SERVICES; i++) {
		(void)snprintf(name, sizeof(name), "web-%u.default.svc.cluster.local", i);
		need(lp_dns_zone_add(zone, &(struct lp_dns_record){ .name = name, .type = LP_DNS_A, .ttl = 5, .addr = i }, &err), &err);
	}
	lp_buf_init(&query, 1024);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	need(lp_dns_query(&query, 1, "web-500.default.svc.cluster.local", LP_DNS_A), &err);
	start = now_us();
	for (unsigned i = 0; i < COUNT; i++) {
		if (lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &out, &verdict, chase) < 0)
			exit(1);
	}
	printf("%-28s %8.2f us\n", "one DNS answer of 1,000", (now_us() - start) / COUNT);
	lp_dns_zone_free(zone);
}

int
main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 60;
	struct lp_netbridge *net;
	struct lp_err err;

	if (rounds == 0 || rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	if (unshare(CLONE_NEWNET) < 0) {
		perror("net: network namespace");
		return 1;
	}
	need(lp_netbridge_open(&net, &config, &err), &err);
	measure_pods(net, rounds);
	measure_services(net, rounds < 20 ? rounds : 20);
	measure_names();
	lp_netbridge_close(net);
	return 0;
}

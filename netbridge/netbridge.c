#include "netbridge/netbridge.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/text.h"
#include "netbridge/addr.h"
#include "netbridge/flows.h"
#include "netbridge/lease.h"
#include "netbridge/link.h"
#include "netbridge/nft.h"
#include "netbridge/overlay.h"
#include "netbridge/sysctl.h"
#include "netbridge/table.h"

#define ALIAS "limpet "		/* before the key in a link's alias */
#define CARRIER_MS 2000		/* a link comes up within microseconds; this is for a machine that swaps */
#define PLAN_MAX (64u << 20)	/* bytes of a service plan */

struct lp_netbridge {
	char bridge[LP_NETBRIDGE_NAME];
	char table_name[LP_NETBRIDGE_TABLE];
	char stand_in[LP_TABLE_STAND_IN];	/* the table that does its work while it is replaced */
	struct lp_netbridge_config config;	/* its strings point to bridge and table_name */
	struct lp_table table;
	struct lp_netlink route;
	struct lp_nft nft;
	struct lp_lease lease;
	uint32_t bridge_index;
	struct lp_link_port port;	/* what ports must be now */
	bool fresh;			/* the table was not there when we came: it does not know the living */

	struct lp_arena plans[2];	/* the current plan's memory and the next one's */
	unsigned current;
	struct lp_service_plan plan;	/* nothing in it until have_plan */
	bool have_plan;
	bool unswept;			/* flows from before our time were not looked at yet */
};

/* ---- the table */

/*
 * Commit is atomic, a packet is not: one that has passed the new table's chains before it and comes to the old one's after it meets
 * no rules at all, and a connection is refused (10 of a million while a table was replaced 1,925 times). So there is always a table
 * that is whole before and after: a stand-in comes, the table is replaced, the stand-in goes.
 */
static int
replace_table(struct lp_netbridge *net, const struct lp_service_plan *plan, struct lp_err *err)
{
	lp_auto_buf struct lp_buf addrs = { 0 };
	const char *names[] = { net->stand_in, net->table_name };
	uint32_t addr = 0;
	int rc = 0, gone;

	lp_buf_init(&addrs, net->lease.size * sizeof(addr));
	while (lp_lease_next(&net->lease, &addr))
		(void)lp_buf_add(&addrs, &addr, sizeof(addr));	/* sticky: checked below */
	if (addrs.failed)
		return lp_err_set(err, addrs.failed, "list of addresses");
	for (size_t i = 0; rc == 0 && i < lp_count(names); i++) {
		lp_nft_begin(&net->nft, names[i]);
		lp_table_replace(&net->nft, &net->table, (const uint32_t *)(void *)addrs.data, addrs.len / sizeof(addr), plan);
		rc = lp_nft_commit(&net->nft, err);
	}
	gone = lp_table_remove(&net->nft, net->stand_in, rc < 0 ? NULL : err);
	return rc < 0 ? rc : gone;
}

/* The least that leads from the present plan to this one. */
static int
change_plan(struct lp_netbridge *net, const struct lp_service_plan *plan, bool whole, struct lp_err *err)
{
	int rc;

	if (whole || !net->have_plan || !lp_service_same_shape(&net->plan, plan))
		return replace_table(net, plan, err);
	lp_nft_begin(&net->nft, net->table_name);
	lp_table_retarget(&net->nft, &net->table, &net->plan, plan);
	rc = lp_nft_commit(&net->nft, err);
	return rc == -ENOENT ? replace_table(net, plan, err) : rc;
}

static int
add_to_table(struct lp_netbridge *net, uint32_t addr, struct lp_err *err)
{
	int rc;

	lp_nft_begin(&net->nft, net->table_name);
	lp_table_add_pod(&net->nft, addr);
	rc = lp_nft_commit(&net->nft, err);
	/* Somebody flushed the rules, or an older limpet made them. */
	return rc == -ENOENT ? replace_table(net, &net->plan, err) : rc;
}

/* ---- open */

struct overlap {
	const struct lp_netbridge *net;
	struct lp_addr found;
};

static bool
overlaps(const struct lp_netbridge_range *range, const struct lp_addr *addr)
{
	uint8_t prefix = addr->prefix < range->prefix ? addr->prefix : range->prefix;
	uint32_t bits = prefix ? ~0u << (32 - prefix) : 0;

	return ((addr->addr ^ range->addr) & bits) == 0;
}

static int
check_overlap(void *arg, const struct lp_addr *addr)
{
	struct overlap *overlap = arg;
	const struct lp_netbridge_config *config = &overlap->net->config;

	if (overlap->found.addr || addr->index == overlap->net->bridge_index)
		return 0;
	if (overlaps(&config->pods, addr) || (config->services.addr && overlaps(&config->services, addr)))
		overlap->found = *addr;
	return 0;
}

static int
check_config(const struct lp_netbridge_config *config, struct lp_err *err)
{
	if (!config->bridge[0] || strlen(config->bridge) >= LP_NETBRIDGE_NAME || strchr(config->bridge, '/'))
		return lp_err_say(err, -EINVAL, "\"%s\" cannot be a bridge's name", config->bridge);
	if (!config->table[0] || strlen(config->table) >= LP_NETBRIDGE_TABLE)
		return lp_err_say(err, -EINVAL, "\"%s\" cannot be a table's name", config->table);
	if (config->cluster.prefix > config->pods.prefix ||
	    ((config->cluster.addr ^ config->pods.addr) & (config->cluster.prefix ? ~0u << (32 - config->cluster.prefix) : 0)))
		return lp_err_say(err, -EINVAL, "the node's pod range is outside the cluster's");
	return 0;
}

static int
open_bridge(struct lp_netbridge *net, struct lp_err *err)
{
	struct overlap overlap = { .net = net };
	uint8_t mac[LP_LINK_MAC];
	struct lp_link link;
	int rc = lp_link_find(&net->route, net->bridge, &link, err);

	if (rc == 0 && strcmp(link.kind, "bridge") != 0)
		return lp_err_say(err, -EEXIST, "interface %s exists and is no bridge", net->bridge);
	if (rc < 0 && rc != -ENODEV)
		return rc;
	net->bridge_index = rc == 0 ? link.index : 0;
	rc = lp_addr_each(&net->route, check_overlap, &overlap, err);
	if (rc < 0)
		return rc;
	if (overlap.found.addr) {
		char text[LP_TEXT_IPV4];

		lp_text_ipv4_print(overlap.found.addr, text);
		return lp_err_say(err, -EADDRINUSE, "the pod or service range overlaps %s/%u of another interface; choose another one", text,
		    overlap.found.prefix);
	}
	if (net->bridge_index)
		return 0;
	lp_link_mac(net->lease.gateway, mac);
	lp_link_add_bridge(&net->route, net->bridge, mac);
	rc = lp_netlink_commit(&net->route, err);
	if (rc < 0)
		return rc;
	rc = lp_link_find(&net->route, net->bridge, &link, err);
	if (rc == 0)
		net->bridge_index = link.index;
	return rc;
}

/* The guard rules must stand before this (TRUST rule 18). */
static int
set_kernel(struct lp_netbridge *net, struct lp_err *err)
{
	static const struct {
		const char *name;
		int value;
	} settings[] = {
		{ "send_redirects", 0 },	/* pods reach each other by us on purpose */
		{ "accept_redirects", 0 },
		{ "rp_filter", 1 },
		{ "route_localnet", 1 },	/* 127.0.0.1:nodePort -> pod */
	};
	int rc = lp_sysctl_set("ipv4/ip_forward", 1, err);

	for (size_t i = 0; rc == 0 && i < lp_count(settings); i++)
		rc = lp_sysctl_set_link("ipv4", net->bridge, settings[i].name, settings[i].value, err);
	if (rc < 0)
		return rc;
	rc = lp_sysctl_set_link("ipv6", net->bridge, "disable_ipv6", 1, err);
	return rc == -ENOENT ? 0 : rc;
}

/*
 * Frames between ports: with bridge-nf-call-iptables the kernel rewrites a service's frame inside the bridge and sends it
 * straight to the other port, maybe the same one; without it everything comes up to us and ports need not see each other.
 */
static void
read_port_mode(struct lp_link_port *out)
{
	int called = 0;

	if (lp_sysctl_get("bridge/bridge-nf-call-iptables", &called, NULL) < 0)
		called = 0;	/* no br_netfilter */
	out->isolated = !called;
	out->hairpin = called;
}

static int
set_addresses(struct lp_netbridge *net, struct lp_err *err)
{
	const struct lp_netbridge_config *config = &net->config;
	struct lp_addr_route services = {
		.dst = config->services.addr, .prefix = config->services.prefix, .source = net->lease.gateway, .index = net->bridge_index,
	};

	lp_link_set_quiet(&net->route, net->bridge_index);
	lp_link_set_up(&net->route, net->bridge_index);
	lp_addr_add(&net->route, net->bridge_index, net->lease.gateway, config->pods.prefix);
	if (config->dns_addr)
		lp_addr_add(&net->route, net->bridge_index, config->dns_addr, 32);
	/* So that a node without any other route can still begin to talk to a service. */
	if (config->services.addr)
		lp_addr_add_route(&net->route, &services);
	return lp_netlink_commit(&net->route, err);
}

static int
open_all(struct lp_netbridge *net, struct lp_err *err)
{
	bool there;
	int rc = lp_netlink_open(&net->route, NETLINK_ROUTE, err);

	if (rc == 0)
		rc = lp_nft_open(&net->nft, err);
	if (rc == 0)
		rc = lp_lease_init(&net->lease, net->config.pods.addr, net->config.pods.prefix, err);
	if (rc == 0)
		rc = open_bridge(net, err);
	if (rc == 0)
		rc = lp_nft_has_table(&net->nft, net->table_name, &there, err);
	if (rc == 0 && !there) {
		net->fresh = true;
		rc = replace_table(net, &net->plan, err);
	}
	if (rc == 0)
		rc = set_kernel(net, err);
	if (rc == 0)
		rc = set_addresses(net, err);
	read_port_mode(&net->port);
	return rc;
}

int
lp_netbridge_open(struct lp_netbridge **out, const struct lp_netbridge_config *config, struct lp_err *err)
{
	struct lp_netbridge *net;
	int rc = check_config(config, err);

	if (rc < 0)
		return rc;
	net = calloc(1, sizeof(*net));
	if (!net)
		return lp_err_set(err, -ENOMEM, "network");
	(void)snprintf(net->bridge, sizeof(net->bridge), "%s", config->bridge);
	(void)snprintf(net->table_name, sizeof(net->table_name), "%s", config->table);
	lp_table_stand_in(net->table_name, net->stand_in);
	net->config = *config;
	net->config.bridge = net->bridge;
	net->config.table = net->table_name;
	net->table = (struct lp_table){
		.name = net->table_name, .bridge = net->bridge,
		.pods = config->pods.addr, .pods_prefix = config->pods.prefix,
		.cluster = config->cluster.addr, .cluster_prefix = config->cluster.prefix,
		.services = config->services.addr, .services_prefix = config->services.prefix,
		.dns_addr = config->dns_addr,
	};
	lp_arena_init(&net->plans[0], PLAN_MAX);
	lp_arena_init(&net->plans[1], PLAN_MAX);
	rc = open_all(net, err);
	if (rc < 0) {
		lp_netbridge_close(net);
		return rc == -EOPNOTSUPP ? lp_err_wrap(err, "the kernel lacks something the network needs") :
		       lp_err_wrap(err, "network %s", config->bridge);
	}
	*out = net;
	return 0;
}

void
lp_netbridge_close(struct lp_netbridge *net)
{
	if (!net)
		return;
	lp_netlink_close(&net->route);
	lp_nft_close(&net->nft);
	lp_lease_fini(&net->lease);
	lp_arena_fini(&net->plans[0]);
	lp_arena_fini(&net->plans[1]);
	free(net);
}

/* ---- attach */

static void
link_name(const struct lp_netbridge *net, const char *key, char out[static LP_NETBRIDGE_NAME])
{
	uint8_t digest[LP_DIGEST_BYTES];
	struct lp_digest_state state;
	char hex[13];

	lp_digest_start(&state);
	lp_digest_add(&state, net->bridge, strlen(net->bridge) + 1);
	lp_digest_add(&state, key, strlen(key));
	lp_digest_end(&state, digest);
	lp_text_hex(digest, 6, hex);
	(void)snprintf(out, LP_NETBRIDGE_NAME, "lp%s", hex);
}

static int
make_pair(struct lp_netbridge *net, const char *name, const char *key, int netns_fd, uint32_t addr, struct lp_err *err)
{
	char alias[sizeof(ALIAS) + LP_NETBRIDGE_KEY];
	uint8_t mac[LP_LINK_MAC];
	struct lp_link link;
	int rc;

	(void)snprintf(alias, sizeof(alias), ALIAS "%s", key);
	lp_link_mac(addr, mac);
	for (int attempt = 0; attempt < 2; attempt++) {
		lp_link_add_pair(&net->route, name, net->bridge_index, netns_fd, mac);
		lp_link_set_port(&net->route, name, &net->port, alias);
		rc = lp_netlink_commit(&net->route, err);
		if (rc != -EEXIST)
			break;
		/* An earlier namespace of this key still lives: its link makes room. Slow, and rare. */
		lp_link_remove(&net->route, name);
		rc = lp_netlink_commit(&net->route, err);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = lp_link_find(&net->route, name, &link, err);
	if (rc < 0)
		return rc;
	lp_link_add_station(&net->route, link.index, mac);
	lp_addr_add_neighbour(&net->route, net->bridge_index, addr, mac);
	return lp_netlink_commit(&net->route, err);
}

static int
set_inside(struct lp_netbridge *net, int netns_fd, uint32_t addr, struct lp_err *err)
{
	struct lp_addr_route everything = { .gateway = net->lease.gateway, .onlink = true };
	uint8_t gateway_mac[LP_LINK_MAC];
	struct lp_netlink inside;
	struct lp_link link;
	int rc = lp_netlink_open_in(&inside, NETLINK_ROUTE, netns_fd, err);

	if (rc < 0)
		return rc;
	rc = lp_link_find(&inside, "eth0", &link, err);
	if (rc == 0) {
		lp_link_mac(net->lease.gateway, gateway_mac);
		everything.index = link.index;
		lp_link_set_up(&inside, 1);
		lp_link_set_quiet(&inside, link.index);
		lp_addr_add(&inside, link.index, addr, 32);
		lp_link_set_up(&inside, link.index);
		lp_addr_add_neighbour(&inside, link.index, net->lease.gateway, gateway_mac);
		lp_addr_add_route(&inside, &everything);
		rc = lp_netlink_commit(&inside, err);
	}
	lp_netlink_close(&inside);
	return rc;
}

/*
 * The kernel notices a carrier in a worker of its own; until then the outer end and, for the first pod, the bridge drop
 * what is sent through them: the first DNS question of a fast program would be lost and repeated after five seconds.
 */
static int
await_carrier(struct lp_netbridge *net, struct lp_netlink *watch, const char *name, struct lp_err *err)
{
	for (;;) {
		struct lp_link port, bridge;
		int rc = lp_link_find(&net->route, name, &port, err);

		if (rc == 0)
			rc = lp_link_find(&net->route, net->bridge, &bridge, err);
		if (rc < 0 || (port.running && bridge.running))
			return rc;
		rc = lp_netlink_wait(watch, CARRIER_MS, err);
		if (rc < 0)
			return lp_err_wrap(err, "link %s does not come up", port.running ? net->bridge : name);
	}
}

static int
bring_up(struct lp_netbridge *net, const char *name, int netns_fd, uint32_t addr, struct lp_err *err)
{
	struct lp_netlink watch;
	int rc = lp_netlink_open(&watch, NETLINK_ROUTE, err);

	if (rc < 0)
		return rc;
	rc = lp_netlink_join(&watch, RTNLGRP_LINK, err);
	if (rc == 0)
		rc = set_inside(net, netns_fd, addr, err);
	if (rc == 0)
		rc = await_carrier(net, &watch, name, err);
	lp_netlink_close(&watch);
	return rc;
}

/* Best effort after a failure that is already being reported. */
static void
undo_attach(struct lp_netbridge *net, const char *name, const char *key, int64_t now_ms, bool had_address)
{
	lp_link_remove(&net->route, name);
	(void)lp_netlink_commit(&net->route, NULL);
	if (!had_address)
		(void)lp_lease_release(&net->lease, key, now_ms);
}

int
lp_netbridge_reserve(struct lp_netbridge *net, const char *key, int64_t now_ms, uint32_t *out_addr, struct lp_err *err)
{
	if (!key[0] || strlen(key) >= LP_NETBRIDGE_KEY)
		return lp_err_say(err, -EINVAL, "\"%s\" cannot be the key of an attachment", key);
	return lp_lease_take(&net->lease, key, now_ms, out_addr, err);
}

int
lp_netbridge_attach(struct lp_netbridge *net, const char *key, int netns_fd, int64_t now_ms, uint32_t *out_addr, struct lp_err *err)
{
	bool had_address = lp_lease_find(&net->lease, key) != 0;
	char name[LP_NETBRIDGE_NAME];
	uint32_t addr;
	int rc;

	if (!key[0] || strlen(key) >= LP_NETBRIDGE_KEY)
		return lp_err_say(err, -EINVAL, "\"%s\" cannot be the key of an attachment", key);
	rc = lp_lease_take(&net->lease, key, now_ms, &addr, err);
	if (rc < 0)
		return rc;
	link_name(net, key, name);
	rc = make_pair(net, name, key, netns_fd, addr, err);
	if (rc == 0)
		rc = bring_up(net, name, netns_fd, addr, err);
	if (rc == 0)
		rc = add_to_table(net, addr, err);
	if (rc < 0) {
		undo_attach(net, name, key, now_ms, had_address);
		return lp_err_wrap(err, "attach %s", key);
	}
	*out_addr = addr;
	return 0;
}

int
lp_netbridge_adopt(struct lp_netbridge *net, const char *key, uint32_t addr, struct lp_err *err)
{
	int rc = lp_lease_claim(&net->lease, key, addr, err);

	if (rc == 0 && net->fresh)
		rc = add_to_table(net, addr, err);
	return rc;
}

int
lp_netbridge_detach(struct lp_netbridge *net, const char *key, int64_t now_ms, struct lp_err *err)
{
	uint32_t addr = lp_lease_release(&net->lease, key, now_ms);
	int rc, table_rc;

	if (!addr)
		return 0;
	lp_addr_remove_neighbour(&net->route, net->bridge_index, addr);
	rc = lp_netlink_commit(&net->route, err);
	lp_nft_begin(&net->nft, net->table_name);
	lp_table_remove_pod(&net->nft, addr);
	table_rc = lp_nft_commit(&net->nft, rc < 0 ? NULL : err);
	if (rc == 0 && table_rc != -ENOENT)	/* both elements come and go together: they were not there */
		rc = table_rc;
	return rc < 0 ? lp_err_wrap(err, "detach %s", key) : 0;
}

uint32_t
lp_netbridge_address(const struct lp_netbridge *net, const char *key)
{
	return lp_lease_find(&net->lease, key);
}

int
lp_netbridge_loopback(int netns_fd, struct lp_err *err)
{
	struct lp_netlink inside;
	int rc = lp_netlink_open_in(&inside, NETLINK_ROUTE, netns_fd, err);

	if (rc < 0)
		return rc;
	lp_link_set_up(&inside, 1);
	rc = lp_netlink_commit(&inside, err);
	lp_netlink_close(&inside);
	return rc;
}

/* ---- services and peers */

static int
set_port_of(void *arg, const struct lp_link *link)
{
	struct lp_buf *names = arg;

	return lp_buf_add(names, link->name, sizeof(link->name));
}

/* br_netfilter came or went: living ports follow. */
static int
follow_port_mode(struct lp_netbridge *net, struct lp_err *err)
{
	lp_auto_buf struct lp_buf names = { 0 };
	struct lp_link_port mode;
	int rc;

	read_port_mode(&mode);
	if (mode.isolated == net->port.isolated)
		return 0;
	lp_buf_init(&names, net->lease.size * LP_LINK_NAME);
	rc = lp_link_each(&net->route, net->bridge_index, set_port_of, &names, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.len; i += LP_LINK_NAME)
		lp_link_set_port(&net->route, names.data + i, &mode, NULL);
	rc = lp_netlink_commit(&net->route, err);
	if (rc == 0)
		net->port = mode;
	return rc;
}

int
lp_netbridge_services(struct lp_netbridge *net, const struct lp_service_input *input, bool force, struct lp_err *err)
{
	struct lp_arena *memory = &net->plans[!net->current];
	struct lp_service_plan plan;
	bool there = true, flows, same;
	int rc = follow_port_mode(net, err);

	if (rc < 0)
		return lp_err_wrap(err, "bridge ports of %s", net->bridge);
	lp_arena_fini(memory);
	lp_arena_init(memory, PLAN_MAX);
	rc = lp_service_plan(memory, input, &plan, err);
	if (rc < 0)
		return rc;
	same = net->have_plan && lp_service_same(&net->plan, &plan);
	if (same && !force) {
		rc = lp_nft_has_table(&net->nft, net->table_name, &there, err);
		if (rc < 0 || there)
			return rc;
	}
	rc = change_plan(net, &plan, force || same, err);
	if (rc < 0)
		return lp_err_wrap(err, "services");
	flows = lp_flows_matter(&net->plan) || lp_flows_matter(&plan);
	net->unswept = !flows && (net->unswept || !net->have_plan);
	net->plan = plan;
	net->current = !net->current;
	net->have_plan = true;
	net->fresh = false;
	lp_arena_fini(&net->plans[!net->current]);
	lp_arena_init(&net->plans[!net->current], PLAN_MAX);
	return flows ? lp_flows_forget(net->config.cluster.addr, net->config.cluster.prefix, &net->plan, NULL, err) : 0;
}

int
lp_netbridge_sweep(struct lp_netbridge *net, struct lp_err *err)
{
	int rc = net->unswept ? lp_flows_forget(net->config.cluster.addr, net->config.cluster.prefix, &net->plan, NULL, err) : 0;

	net->unswept = net->unswept && rc < 0;
	return rc;
}

size_t
lp_netbridge_clashes(const struct lp_netbridge *net)
{
	return net->plan.clashes;
}

int
lp_netbridge_peers(struct lp_netbridge *net, const struct lp_netbridge_peer *peers, size_t count, struct lp_err *err)
{
	lp_auto_free struct lp_netplan_route *routes = calloc(count + 1, sizeof(*routes));
	size_t kept = 0;

	if (!routes)
		return lp_err_set(err, -ENOMEM, "routes to %zu peers", count);
	for (size_t i = 0; i < count; i++) {
		if (peers[i].node_addr && peers[i].pods.addr && peers[i].pods.addr != net->lease.network)
			routes[kept++] = (struct lp_netplan_route){ peers[i].pods.addr, peers[i].pods.prefix, peers[i].node_addr };
	}
	return lp_overlay_apply(&net->route, net->bridge, routes, kept, err);
}

/* ---- the namespace's inside */

int
lp_netbridge_socket(int netns_fd, int domain, int type, int protocol, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd, failure;

	if (home < 0)
		return lp_err_set(err, -errno, "open own network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return lp_err_set(err, -errno, "enter network namespace");
	fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	failure = errno;
	if (setns(home, CLONE_NEWNET) < 0)
		abort();	/* as in lp_netlink_open_in */
	if (fd < 0)
		return lp_err_set(err, -failure, "socket in a network namespace");
	*out_fd = fd;
	return 0;
}

#include "netbridge/table.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "base/auto.h"
#include "netbridge/link.h"

#define CHAIN_NAME 24
#define ICMP_UNREACHABLE 3
#define SEED 0x6c696d70u		/* fixed: a client keeps its backend on every node and over restarts */

/* NF_CT_STATE_BIT of the kernel's private header, spelled out. */
#define STATE_ESTABLISHED (1u << 1)
#define STATE_RELATED (1u << 2)

struct refs {
	struct lp_nft_ref pods, hairpin, exact, local, refused_exact, refused_local;
};

/* Keys as they stand in registers: every part on a border of 4 bytes. */
struct pod_key {
	uint8_t mac[8];			/* 6, padded */
	uint32_t addr;
};

struct pair_key {
	uint32_t from, to;
};

struct exact_key {
	uint32_t addr;
	uint8_t protocol[4];
	uint16_t port, pad;
};

struct local_key {
	uint8_t protocol[4];
	uint16_t port, pad;
};

struct slot_data {
	uint32_t addr;
	uint16_t port, pad;
};

static void
chain_name(int target, char out[static CHAIN_NAME])
{
	(void)snprintf(out, CHAIN_NAME, "svc-%d", target);
}

static struct exact_key
exact_key(const struct lp_service_entry *entry)
{
	return (struct exact_key){ .addr = htonl(entry->addr), .protocol = { entry->protocol }, .port = htons(entry->port) };
}

static struct local_key
local_key(const struct lp_service_entry *entry)
{
	return (struct local_key){ .protocol = { entry->protocol }, .port = htons(entry->port) };
}

static struct pod_key
pod_key(uint32_t addr)
{
	struct pod_key key = { .addr = htonl(addr) };

	lp_link_mac(addr, key.mac);
	return key;
}

static void
add_sets(struct lp_nft *nft, struct refs *refs)
{
	const uint32_t exact = LP_NFT_PAIR(LP_NFT_PAIR(LP_NFT_IPV4, LP_NFT_PROTOCOL), LP_NFT_SERVICE);
	const uint32_t local = LP_NFT_PAIR(LP_NFT_PROTOCOL, LP_NFT_SERVICE);

	refs->pods = lp_nft_add_set(nft, &(struct lp_nft_set){ "pods", LP_NFT_PAIR(LP_NFT_ETHER, LP_NFT_IPV4), sizeof(struct pod_key), 0, 0 });
	refs->hairpin = lp_nft_add_set(nft, &(struct lp_nft_set){ "hairpin", LP_NFT_PAIR(LP_NFT_IPV4, LP_NFT_IPV4), sizeof(struct pair_key), 0, 0 });
	refs->exact = lp_nft_add_set(nft, &(struct lp_nft_set){ "exact", exact, sizeof(struct exact_key), LP_NFT_VERDICT, 0 });
	refs->local = lp_nft_add_set(nft, &(struct lp_nft_set){ "local", local, sizeof(struct local_key), LP_NFT_VERDICT, 0 });
	refs->refused_exact = lp_nft_add_set(nft, &(struct lp_nft_set){ "refused-exact", exact, sizeof(struct exact_key), 0, 0 });
	refs->refused_local = lp_nft_add_set(nft, &(struct lp_nft_set){ "refused-local", local, sizeof(struct local_key), 0, 0 });
}

static void
add_pods(struct lp_nft *nft, const struct refs *refs, const uint32_t *addrs, size_t count)
{
	if (count == 0)
		return;
	lp_nft_elements(nft, &refs->pods);
	for (size_t i = 0; i < count; i++) {
		struct pod_key key = pod_key(addrs[i]);

		lp_nft_element(nft, &refs->pods, &key, sizeof(key), NULL, 0);
	}
	lp_nft_elements_end(nft);
	lp_nft_elements(nft, &refs->hairpin);
	for (size_t i = 0; i < count; i++) {
		struct pair_key key = { htonl(addrs[i]), htonl(addrs[i]) };

		lp_nft_element(nft, &refs->hairpin, &key, sizeof(key), NULL, 0);
	}
	lp_nft_elements_end(nft);
}

/* One pass over the entries for the served (verdict map) or the refused (set). */
static void
add_entries(struct lp_nft *nft, const struct lp_nft_ref *set, const struct lp_service_entry *entries, size_t count, bool refused)
{
	bool open = false;

	for (size_t i = 0; i < count; i++) {
		const struct lp_service_entry *entry = &entries[i];
		struct exact_key exact = exact_key(entry);
		struct local_key local = local_key(entry);
		const void *key = entry->addr ? (const void *)&exact : (const void *)&local;
		size_t key_len = entry->addr ? sizeof(exact) : sizeof(local);
		char chain[CHAIN_NAME];

		if ((entry->target < 0) != refused)
			continue;
		if (!open)
			lp_nft_elements(nft, set);
		open = true;
		if (refused) {
			lp_nft_element(nft, set, key, key_len, NULL, 0);
		} else {
			chain_name(entry->target, chain);
			lp_nft_element_goto(nft, set, key, key_len, chain);
		}
	}
	if (open)
		lp_nft_elements_end(nft);
}

/* ip daddr . meta l4proto . th dport, from R0 on. */
static void
load_exact(struct lp_nft *nft)
{
	lp_nft_load_to(nft, LP_NFT_R0);
	lp_nft_load_protocol(nft, LP_NFT_R1);
	lp_nft_load_port(nft, LP_NFT_R2);
}

static void
load_local(struct lp_nft *nft)
{
	lp_nft_load_protocol(nft, LP_NFT_R0);
	lp_nft_load_port(nft, LP_NFT_R1);
}

static void
add_guard(struct lp_nft *nft, const struct lp_table *table, const struct refs *refs)
{
	lp_nft_add_hook(nft, "guard", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW, NF_ACCEPT);
	lp_nft_rule(nft, "guard", "loopback addresses stay on lo");
	lp_nft_in_link(nft, "lo", false);
	lp_nft_from(nft, 0x7f000000, 8, true);
	lp_nft_verdict(nft, NF_DROP, NULL);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "guard", NULL);
	lp_nft_in_link(nft, "lo", false);
	lp_nft_to(nft, 0x7f000000, 8, true);
	lp_nft_verdict(nft, NF_DROP, NULL);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "guard", "a pod speaks with its own address only");
	lp_nft_in_link(nft, table->bridge, true);
	lp_nft_load_mac(nft, LP_NFT_R0);
	lp_nft_load_from(nft, LP_NFT_R2);
	lp_nft_lookup(nft, &refs->pods, LP_NFT_R0, false);
	lp_nft_verdict(nft, NF_DROP, NULL);
	lp_nft_rule_end(nft);
}

static void
add_dispatch(struct lp_nft *nft, const char *chain, uint32_t hook, const struct refs *refs)
{
	lp_nft_add_hook(nft, chain, "nat", hook, NF_IP_PRI_NAT_DST, NF_ACCEPT);
	lp_nft_rule(nft, chain, NULL);
	load_exact(nft);
	lp_nft_lookup_verdict(nft, &refs->exact, LP_NFT_R0);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, chain, NULL);
	lp_nft_to_local(nft);
	load_local(nft);
	lp_nft_lookup_verdict(nft, &refs->local, LP_NFT_R0);
	lp_nft_rule_end(nft);
}

static void
add_postrouting(struct lp_nft *nft, const struct lp_table *table, const struct refs *refs)
{
	static const char chain[] = "postrouting";

	lp_nft_add_hook(nft, chain, "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT);
	lp_nft_rule(nft, chain, "a pod that reaches itself by a service");
	lp_nft_out_link(nft, table->bridge, true);
	lp_nft_load_from(nft, LP_NFT_R0);
	lp_nft_load_to(nft, LP_NFT_R1);
	lp_nft_lookup(nft, &refs->hairpin, LP_NFT_R0, true);
	lp_nft_masquerade(nft);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, chain, "the node reaches a pod by 127.0.0.1");
	lp_nft_out_link(nft, table->bridge, true);
	lp_nft_from(nft, 0x7f000000, 8, true);
	lp_nft_masquerade(nft);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, chain, "pods to the world");
	lp_nft_out_link(nft, table->bridge, false);
	lp_nft_from(nft, table->pods, table->pods_prefix, true);
	lp_nft_to(nft, table->cluster, table->cluster_prefix, false);
	lp_nft_masquerade(nft);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, chain, "from outside to a pod on another node: the answer must come back here");
	lp_nft_out_link(nft, table->bridge, false);
	lp_nft_ct_status(nft, IPS_DST_NAT);
	lp_nft_to(nft, table->cluster, table->cluster_prefix, true);
	lp_nft_from(nft, table->cluster, table->cluster_prefix, false);
	lp_nft_masquerade(nft);
	lp_nft_rule_end(nft);
}

static void
add_refusals(struct lp_nft *nft, const struct lp_table *table, const struct refs *refs)
{
	static const struct {
		const char *chain;
		uint32_t hook;
	} hooks[] = {
		{ "forward",   NF_INET_FORWARD },
		{ "local-in",  NF_INET_LOCAL_IN },
		{ "local-out", NF_INET_LOCAL_OUT },
	};

	lp_nft_add_chain(nft, "reject");
	lp_nft_rule(nft, "reject", NULL);
	lp_nft_protocol(nft, IPPROTO_TCP);
	lp_nft_reject_reset(nft);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "reject", NULL);
	lp_nft_reject_port(nft);
	lp_nft_rule_end(nft);

	lp_nft_add_chain(nft, "refuse");
	lp_nft_rule(nft, "refuse", "known connections are not asked again");
	lp_nft_ct_state(nft, STATE_ESTABLISHED | STATE_RELATED);
	lp_nft_verdict(nft, NFT_RETURN, NULL);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "refuse", "services without a ready pod");
	load_exact(nft);
	lp_nft_lookup(nft, &refs->refused_exact, LP_NFT_R0, true);
	lp_nft_verdict(nft, NFT_GOTO, "reject");
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "refuse", NULL);
	lp_nft_to_local(nft);
	load_local(nft);
	lp_nft_lookup(nft, &refs->refused_local, LP_NFT_R0, true);
	lp_nft_verdict(nft, NFT_GOTO, "reject");
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "refuse", "service addresses nobody has");
	lp_nft_to(nft, table->services, table->services_prefix, true);
	lp_nft_out_link(nft, table->bridge, true);
	lp_nft_verdict(nft, NFT_GOTO, "reject");
	lp_nft_rule_end(nft);

	for (size_t i = 0; i < lp_count(hooks); i++) {
		lp_nft_add_hook(nft, hooks[i].chain, "filter", hooks[i].hook, NF_IP_PRI_FILTER, NF_ACCEPT);
		lp_nft_rule(nft, hooks[i].chain, NULL);
		lp_nft_verdict(nft, NFT_JUMP, "refuse");
		lp_nft_rule_end(nft);
	}
	if (!table->dns_addr)
		return;
	/* While the resolver is away (its process is being replaced) a question waits and is repeated, instead of failing. */
	lp_nft_rule(nft, "local-out", "nobody is told that the resolver is away");
	lp_nft_from(nft, table->dns_addr, 32, true);
	lp_nft_icmp_type(nft, ICMP_UNREACHABLE);
	lp_nft_verdict(nft, NF_DROP, NULL);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, "local-in", "names are told to the node and its pods only");
	lp_nft_in_link(nft, table->bridge, false);
	lp_nft_in_link(nft, "lo", false);
	lp_nft_to(nft, table->dns_addr, 32, true);
	lp_nft_verdict(nft, NF_DROP, NULL);
	lp_nft_rule_end(nft);
}

static void
goto_inside(struct lp_nft *nft, const char *chain, const struct lp_table *table, int inside)
{
	char to[CHAIN_NAME];

	chain_name(inside, to);
	lp_nft_rule(nft, chain, "from inside the cluster");
	lp_nft_from(nft, table->cluster, table->cluster_prefix, true);
	lp_nft_verdict(nft, NFT_GOTO, to);
	lp_nft_rule_end(nft);
	lp_nft_rule(nft, chain, NULL);
	lp_nft_from_local(nft);
	lp_nft_verdict(nft, NFT_GOTO, to);
	lp_nft_rule_end(nft);
}

static void
add_target(struct lp_nft *nft, const struct lp_table *table, int index, const struct lp_service_target *target)
{
	struct lp_nft_ref map = { .id = 0 };
	char chain[CHAIN_NAME], to[CHAIN_NAME];

	chain_name(index, chain);
	if (target->inside >= 0)
		goto_inside(nft, chain, table, target->inside);
	if (target->loopback >= 0) {
		chain_name(target->loopback, to);
		lp_nft_rule(nft, chain, "127.0.0.1 cannot leave this node");
		lp_nft_from(nft, 0x7f000000, 8, true);
		lp_nft_verdict(nft, NFT_GOTO, to);
		lp_nft_rule_end(nft);
	}
	if (target->slot_count > 1) {
		map = lp_nft_add_set(nft, &(struct lp_nft_set){ NULL, LP_NFT_INTEGER, 4, LP_NFT_PAIR(LP_NFT_IPV4, LP_NFT_SERVICE),
		    sizeof(struct slot_data) });
		lp_nft_elements(nft, &map);
		for (uint32_t i = 0; i < target->slot_count; i++) {
			struct slot_data data = { .addr = htonl(target->slots[i].addr), .port = htons(target->slots[i].port) };

			lp_nft_element(nft, &map, &i, sizeof(i), &data, sizeof(data));
		}
		lp_nft_elements_end(nft);
	}
	lp_nft_rule(nft, chain, target->name);
	if (target->mode == LP_SERVICE_DROP) {
		lp_nft_verdict(nft, NF_DROP, NULL);
		lp_nft_rule_end(nft);
		return;
	}
	if (target->slot_count == 1) {
		uint32_t addr = htonl(target->slots[0].addr);
		uint16_t port = htons(target->slots[0].port);

		lp_nft_load_value(nft, LP_NFT_R0, &addr, sizeof(addr));
		lp_nft_load_value(nft, LP_NFT_R1, &port, sizeof(port));
	} else {
		if (target->mode == LP_SERVICE_HASHED) {
			lp_nft_load_from(nft, LP_NFT_R1);
			lp_nft_load_hash(nft, LP_NFT_R0, LP_NFT_R1, 4, (uint32_t)target->slot_count, SEED);
		} else {
			lp_nft_load_random(nft, LP_NFT_R0, (uint32_t)target->slot_count);
		}
		lp_nft_lookup_data(nft, &map, LP_NFT_R0, LP_NFT_R0);
	}
	lp_nft_dnat(nft, LP_NFT_R0, LP_NFT_R1);
	lp_nft_rule_end(nft);
}

void
lp_table_replace(struct lp_nft *nft, const struct lp_table *table, const uint32_t *addrs, size_t count, const struct lp_service_plan *plan)
{
	struct refs refs;
	char chain[CHAIN_NAME];

	/* Adding first makes removing possible whether or not the table was there. */
	lp_nft_add_table(nft);
	lp_nft_remove_table(nft);
	lp_nft_add_table(nft);
	add_sets(nft, &refs);
	add_pods(nft, &refs, addrs, count);
	add_guard(nft, table, &refs);
	for (int i = 0; i < (int)plan->target_count; i++) {
		chain_name(i, chain);
		lp_nft_add_chain(nft, chain);
	}
	for (int i = 0; i < (int)plan->target_count; i++)
		add_target(nft, table, i, &plan->targets[i]);
	add_entries(nft, &refs.exact, plan->exact, plan->exact_count, false);
	add_entries(nft, &refs.refused_exact, plan->exact, plan->exact_count, true);
	add_entries(nft, &refs.local, plan->local, plan->local_count, false);
	add_entries(nft, &refs.refused_local, plan->local, plan->local_count, true);
	add_dispatch(nft, "prerouting", NF_INET_PRE_ROUTING, &refs);
	add_dispatch(nft, "output", NF_INET_LOCAL_OUT, &refs);
	add_postrouting(nft, table, &refs);
	add_refusals(nft, table, &refs);
}

void
lp_table_retarget(struct lp_nft *nft, const struct lp_table *table, const struct lp_service_plan *from, const struct lp_service_plan *to)
{
	char chain[CHAIN_NAME];

	for (size_t i = 0; i < to->target_count; i++) {
		if (lp_service_same_target(from, to, i))
			continue;
		chain_name((int)i, chain);
		lp_nft_flush_chain(nft, chain);
		add_target(nft, table, (int)i, &to->targets[i]);
	}
}

void
lp_table_add_pod(struct lp_nft *nft, uint32_t addr)
{
	struct refs refs = { .pods = { .name = "pods" }, .hairpin = { .name = "hairpin" } };

	add_pods(nft, &refs, &addr, 1);
}

void
lp_table_remove_pod(struct lp_nft *nft, uint32_t addr)
{
	const struct lp_nft_ref pods = { .name = "pods" }, hairpin = { .name = "hairpin" };
	struct pod_key key = pod_key(addr);
	struct pair_key pair = { htonl(addr), htonl(addr) };

	lp_nft_remove_element(nft, &pods, &key, sizeof(key));
	lp_nft_remove_element(nft, &hairpin, &pair, sizeof(pair));
}

int
lp_table_remove(struct lp_nft *nft, const char *name, struct lp_err *err)
{
	bool there = false;
	int rc = lp_nft_has_table(nft, name, &there, err);

	if (rc < 0 || !there)
		return rc;
	lp_nft_begin(nft, name);
	lp_nft_remove_table(nft);
	return lp_nft_commit(nft, err);
}

void
lp_table_stand_in(const char *name, char out[static LP_TABLE_STAND_IN])
{
	(void)snprintf(out, LP_TABLE_STAND_IN, "%s/stand-in", name);
}

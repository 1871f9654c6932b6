#include "netbridge/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define MESSAGE(type) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (type)))
#define COMMENT_MAX 120		/* bytes of a rule's comment */

int
lp_nft_open(struct lp_nft *nft, struct lp_err *err)
{
	memset(nft, 0, sizeof(*nft));
	return lp_netlink_open(&nft->nl, NETLINK_NETFILTER, err);
}

void
lp_nft_close(struct lp_nft *nft)
{
	lp_netlink_close(&nft->nl);
}

static void
frame(struct lp_nft *nft, uint16_t type, const char *words)
{
	struct nfgenmsg head = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	lp_netlink_begin(&nft->nl, type, 0, &head, sizeof(head), "%s table %s", words, nft->table);
	lp_netlink_end(&nft->nl);
}

void
lp_nft_begin(struct lp_nft *nft, const char *table)
{
	lp_netlink_reset(&nft->nl);
	nft->table = table;
	nft->set_id = 0;
	frame(nft, NFNL_MSG_BATCH_BEGIN, "change");
}

int
lp_nft_commit(struct lp_nft *nft, struct lp_err *err)
{
	lp_netlink_ask(&nft->nl);
	frame(nft, NFNL_MSG_BATCH_END, "commit");
	return lp_netlink_commit(&nft->nl, err);
}

static const struct nfgenmsg ip_head = { .nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0 };

/* A macro: the words are a format that the compiler checks against its arguments. */
#define start(nft, type, flags, ...) \
	lp_netlink_begin(&(nft)->nl, MESSAGE(type), (flags), &ip_head, sizeof(ip_head), __VA_ARGS__)

static int
saw_table(void *arg, uint16_t type, const void *data, size_t len)
{
	(void)data;
	(void)len;
	if (type == MESSAGE(NFT_MSG_NEWTABLE))
		*(bool *)arg = true;
	return 0;
}

int
lp_nft_has_table(struct lp_nft *nft, const char *table, bool *out, struct lp_err *err)
{
	bool found = false;
	int rc;

	lp_netlink_reset(&nft->nl);
	start(nft, NFT_MSG_GETTABLE, 0, "find table %s", table);
	lp_netlink_put_str(&nft->nl, NFTA_TABLE_NAME, table);
	lp_netlink_end(&nft->nl);
	lp_netlink_tolerate(&nft->nl, ENOENT);
	rc = lp_netlink_query(&nft->nl, saw_table, &found, err);
	if (rc == 0)
		*out = found;
	return rc;
}

struct hook_reading {
	lp_nft_hook_fn fn;
	void *arg;
};

static int
read_hook(void *arg, uint16_t type, const void *data, size_t len)
{
	const struct hook_reading *reading = arg;
	struct lp_netlink_attr attrs[NFTA_CHAIN_POLICY + 1], where[NFTA_HOOK_HOOKNUM + 1];
	struct lp_nft_hook hook = { .policy = NF_ACCEPT };

	if (type != MESSAGE(NFT_MSG_NEWCHAIN) || len < sizeof(struct nfgenmsg))
		return 0;
	lp_netlink_attrs(data, len, sizeof(struct nfgenmsg), attrs, NFTA_CHAIN_POLICY);
	if (!attrs[NFTA_CHAIN_HOOK].data || !attrs[NFTA_CHAIN_TABLE].data || !attrs[NFTA_CHAIN_NAME].data)
		return 0;
	lp_netlink_attrs(attrs[NFTA_CHAIN_HOOK].data, attrs[NFTA_CHAIN_HOOK].len, 0, where, NFTA_HOOK_HOOKNUM);
	hook.family = ((const struct nfgenmsg *)data)->nfgen_family;
	hook.hook = ntohl(lp_netlink_u32(&where[NFTA_HOOK_HOOKNUM]));
	if (attrs[NFTA_CHAIN_POLICY].data)
		hook.policy = ntohl(lp_netlink_u32(&attrs[NFTA_CHAIN_POLICY]));
	(void)snprintf(hook.table, sizeof(hook.table), "%.*s", (int)attrs[NFTA_CHAIN_TABLE].len, (const char *)attrs[NFTA_CHAIN_TABLE].data);
	(void)snprintf(hook.chain, sizeof(hook.chain), "%.*s", (int)attrs[NFTA_CHAIN_NAME].len, (const char *)attrs[NFTA_CHAIN_NAME].data);
	return reading->fn(reading->arg, &hook);
}

int
lp_nft_each_hook(struct lp_nft *nft, lp_nft_hook_fn fn, void *arg, struct lp_err *err)
{
	const struct nfgenmsg all = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	struct hook_reading reading = { fn, arg };

	lp_netlink_reset(&nft->nl);
	lp_netlink_begin(&nft->nl, MESSAGE(NFT_MSG_GETCHAIN), NLM_F_DUMP, &all, sizeof(all), "list chains");
	lp_netlink_end(&nft->nl);
	return lp_netlink_query(&nft->nl, read_hook, &reading, err);
}

void
lp_nft_add_table(struct lp_nft *nft)
{
	start(nft, NFT_MSG_NEWTABLE, NLM_F_CREATE, "add table %s", nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_TABLE_NAME, nft->table);
	lp_netlink_end(&nft->nl);
}

void
lp_nft_remove_table(struct lp_nft *nft)
{
	start(nft, NFT_MSG_DELTABLE, 0, "remove table %s", nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_TABLE_NAME, nft->table);
	lp_netlink_end(&nft->nl);
}

void
lp_nft_add_chain(struct lp_nft *nft, const char *chain)
{
	start(nft, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "add chain %s", chain);
	lp_netlink_put_str(&nft->nl, NFTA_CHAIN_TABLE, nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_CHAIN_NAME, chain);
	lp_netlink_end(&nft->nl);
}

void
lp_nft_add_hook(struct lp_nft *nft, const char *chain, const char *type, uint32_t hook, int32_t priority, uint32_t policy)
{
	start(nft, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "add %s chain %s", type, chain);
	lp_netlink_put_str(&nft->nl, NFTA_CHAIN_TABLE, nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_CHAIN_NAME, chain);
	lp_netlink_put_str(&nft->nl, NFTA_CHAIN_TYPE, type);
	lp_netlink_put_be32(&nft->nl, NFTA_CHAIN_POLICY, policy);
	lp_netlink_nest(&nft->nl, NFTA_CHAIN_HOOK);
	lp_netlink_put_be32(&nft->nl, NFTA_HOOK_HOOKNUM, hook);
	lp_netlink_put_be32(&nft->nl, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	lp_netlink_nest_end(&nft->nl);
	lp_netlink_end(&nft->nl);
}

struct lp_nft_ref
lp_nft_add_set(struct lp_nft *nft, const struct lp_nft_set *set)
{
	/* For `nft list`: key byte order (type 0, 4 bytes) is the host's (1). */
	static const uint8_t host_order[] = { 0, 4, 1, 0, 0, 0 };
	struct lp_nft_ref ref = { .id = ++nft->set_id };
	uint32_t flags = set->data_type ? NFT_SET_MAP : 0;

	if (!set->name)
		flags |= NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
	(void)snprintf(ref.name, sizeof(ref.name), "%s", set->name ? set->name : set->data_type ? "__map%d" : "__set%d");
	start(nft, NFT_MSG_NEWSET, NLM_F_CREATE, "add set %s", ref.name);
	lp_netlink_put_str(&nft->nl, NFTA_SET_TABLE, nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_SET_NAME, ref.name);
	lp_netlink_put_be32(&nft->nl, NFTA_SET_FLAGS, flags);
	lp_netlink_put_be32(&nft->nl, NFTA_SET_KEY_TYPE, set->key_type);
	lp_netlink_put_be32(&nft->nl, NFTA_SET_KEY_LEN, set->key_len);
	if (set->data_type) {
		lp_netlink_put_be32(&nft->nl, NFTA_SET_DATA_TYPE, set->data_type);
		lp_netlink_put_be32(&nft->nl, NFTA_SET_DATA_LEN, set->data_len);
	}
	if (set->key_type == LP_NFT_INTEGER)
		lp_netlink_put(&nft->nl, NFTA_SET_USERDATA, host_order, sizeof(host_order));
	lp_netlink_put_be32(&nft->nl, NFTA_SET_ID, ref.id);
	lp_netlink_end(&nft->nl);
	return ref;
}

static void
put_set(struct lp_nft *nft, const struct lp_nft_ref *set)
{
	lp_netlink_put_str(&nft->nl, NFTA_SET_ELEM_LIST_TABLE, nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_SET_ELEM_LIST_SET, set->name);
	if (set->id)
		lp_netlink_put_be32(&nft->nl, NFTA_SET_ELEM_LIST_SET_ID, set->id);
	lp_netlink_nest(&nft->nl, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void
lp_nft_elements(struct lp_nft *nft, const struct lp_nft_ref *set)
{
	start(nft, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "add elements to %s", set->name);
	put_set(nft, set);
}

void
lp_nft_elements_end(struct lp_nft *nft)
{
	lp_netlink_nest_end(&nft->nl);
	lp_netlink_end(&nft->nl);
}

static void
put_value(struct lp_nft *nft, int attr, const void *data, size_t len)
{
	lp_netlink_nest(&nft->nl, attr);
	lp_netlink_put(&nft->nl, NFTA_DATA_VALUE, data, len);
	lp_netlink_nest_end(&nft->nl);
}

static void
put_verdict(struct lp_nft *nft, int attr, int code, const char *chain)
{
	lp_netlink_nest(&nft->nl, attr);
	lp_netlink_nest(&nft->nl, NFTA_DATA_VERDICT);
	lp_netlink_put_be32(&nft->nl, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		lp_netlink_put_str(&nft->nl, NFTA_VERDICT_CHAIN, chain);
	lp_netlink_nest_end(&nft->nl);
	lp_netlink_nest_end(&nft->nl);
}

static void
start_element(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len)
{
	if (lp_netlink_len(&nft->nl) > LP_NETLINK_ATTR_MAX - 512) {
		lp_nft_elements_end(nft);
		lp_nft_elements(nft, set);
	}
	lp_netlink_nest(&nft->nl, NFTA_LIST_ELEM);
	put_value(nft, NFTA_SET_ELEM_KEY, key, key_len);
}

void
lp_nft_element(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len, const void *data, size_t data_len)
{
	start_element(nft, set, key, key_len);
	if (data_len)
		put_value(nft, NFTA_SET_ELEM_DATA, data, data_len);
	lp_netlink_nest_end(&nft->nl);
}

void
lp_nft_element_goto(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len, const char *chain)
{
	start_element(nft, set, key, key_len);
	put_verdict(nft, NFTA_SET_ELEM_DATA, NFT_GOTO, chain);
	lp_netlink_nest_end(&nft->nl);
}

void
lp_nft_remove_element(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len)
{
	start(nft, NFT_MSG_DELSETELEM, 0, "remove element from %s", set->name);
	put_set(nft, set);
	lp_netlink_nest(&nft->nl, NFTA_LIST_ELEM);
	put_value(nft, NFTA_SET_ELEM_KEY, key, key_len);
	lp_netlink_nest_end(&nft->nl);
	lp_nft_elements_end(nft);
}

void
lp_nft_flush_chain(struct lp_nft *nft, const char *chain)
{
	start(nft, NFT_MSG_DELRULE, 0, "flush chain %s", chain);
	lp_netlink_put_str(&nft->nl, NFTA_RULE_TABLE, nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_RULE_CHAIN, chain);
	lp_netlink_end(&nft->nl);
}

void
lp_nft_rule(struct lp_nft *nft, const char *chain, const char *comment)
{
	uint8_t note[2 + COMMENT_MAX + 1];	/* type 0 = comment, length, text with its NUL */
	size_t len = comment ? strnlen(comment, COMMENT_MAX) : 0;

	start(nft, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "add rule to %s%s%s", chain, comment ? " for " : "", comment ? comment : "");
	lp_netlink_put_str(&nft->nl, NFTA_RULE_TABLE, nft->table);
	lp_netlink_put_str(&nft->nl, NFTA_RULE_CHAIN, chain);
	if (comment) {
		note[0] = 0;
		note[1] = (uint8_t)(len + 1);
		memcpy(note + 2, comment, len);
		note[2 + len] = '\0';
		lp_netlink_put(&nft->nl, NFTA_RULE_USERDATA, note, len + 3);
	}
	lp_netlink_nest(&nft->nl, NFTA_RULE_EXPRESSIONS);
}

void
lp_nft_rule_end(struct lp_nft *nft)
{
	lp_netlink_nest_end(&nft->nl);
	lp_netlink_end(&nft->nl);
}

/* ---- expressions */

static void
expr(struct lp_nft *nft, const char *name)
{
	lp_netlink_nest(&nft->nl, NFTA_LIST_ELEM);
	lp_netlink_put_str(&nft->nl, NFTA_EXPR_NAME, name);
	lp_netlink_nest(&nft->nl, NFTA_EXPR_DATA);
}

static void
expr_end(struct lp_nft *nft)
{
	lp_netlink_nest_end(&nft->nl);
	lp_netlink_nest_end(&nft->nl);
}

static void
put(struct lp_nft *nft, int attr, uint32_t v)
{
	lp_netlink_put_be32(&nft->nl, attr, v);
}

static void
compare(struct lp_nft *nft, int reg, uint32_t op, const void *data, size_t len)
{
	expr(nft, "cmp");
	put(nft, NFTA_CMP_SREG, (uint32_t)reg);
	put(nft, NFTA_CMP_OP, op);
	put_value(nft, NFTA_CMP_DATA, data, len);
	expr_end(nft);
}

static void
mask(struct lp_nft *nft, int reg, const void *bits, uint32_t len)
{
	static const uint8_t zero[4];

	expr(nft, "bitwise");
	put(nft, NFTA_BITWISE_SREG, (uint32_t)reg);
	put(nft, NFTA_BITWISE_DREG, (uint32_t)reg);
	put(nft, NFTA_BITWISE_LEN, len);
	put_value(nft, NFTA_BITWISE_MASK, bits, len);
	put_value(nft, NFTA_BITWISE_XOR, zero, len);
	expr_end(nft);
}

static void
meta(struct lp_nft *nft, int reg, uint32_t key)
{
	expr(nft, "meta");
	put(nft, NFTA_META_KEY, key);
	put(nft, NFTA_META_DREG, (uint32_t)reg);
	expr_end(nft);
}

static void
payload(struct lp_nft *nft, int reg, uint32_t base, uint32_t offset, uint32_t len)
{
	expr(nft, "payload");
	put(nft, NFTA_PAYLOAD_DREG, (uint32_t)reg);
	put(nft, NFTA_PAYLOAD_BASE, base);
	put(nft, NFTA_PAYLOAD_OFFSET, offset);
	put(nft, NFTA_PAYLOAD_LEN, len);
	expr_end(nft);
}

static void
link_is(struct lp_nft *nft, uint32_t key, const char *link, bool is)
{
	char name[IFNAMSIZ] = { 0 };

	(void)snprintf(name, sizeof(name), "%s", link);
	meta(nft, LP_NFT_R0, key);
	compare(nft, LP_NFT_R0, is ? NFT_CMP_EQ : NFT_CMP_NEQ, name, sizeof(name));
}

void
lp_nft_in_link(struct lp_nft *nft, const char *link, bool is)
{
	link_is(nft, NFT_META_IIFNAME, link, is);
}

void
lp_nft_out_link(struct lp_nft *nft, const char *link, bool is)
{
	link_is(nft, NFT_META_OIFNAME, link, is);
}

static void
in_range(struct lp_nft *nft, uint32_t addr, uint8_t prefix, bool is)
{
	uint32_t bits = htonl(prefix ? ~0u << (32 - prefix) : 0), want = htonl(addr) & bits;

	if (prefix < 32)
		mask(nft, LP_NFT_R0, &bits, sizeof(bits));
	compare(nft, LP_NFT_R0, is ? NFT_CMP_EQ : NFT_CMP_NEQ, &want, sizeof(want));
}

void
lp_nft_from(struct lp_nft *nft, uint32_t addr, uint8_t prefix, bool is)
{
	lp_nft_load_from(nft, LP_NFT_R0);
	in_range(nft, addr, prefix, is);
}

void
lp_nft_to(struct lp_nft *nft, uint32_t addr, uint8_t prefix, bool is)
{
	lp_nft_load_to(nft, LP_NFT_R0);
	in_range(nft, addr, prefix, is);
}

void
lp_nft_protocol(struct lp_nft *nft, uint8_t protocol)
{
	meta(nft, LP_NFT_R0, NFT_META_L4PROTO);
	compare(nft, LP_NFT_R0, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void
lp_nft_icmp_type(struct lp_nft *nft, uint8_t type)
{
	lp_nft_protocol(nft, IPPROTO_ICMP);
	payload(nft, LP_NFT_R0, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	compare(nft, LP_NFT_R0, NFT_CMP_EQ, &type, sizeof(type));
}

static void
fib_local(struct lp_nft *nft, uint32_t flag)
{
	uint32_t local = 2;	/* RTN_LOCAL, host order in the register */

	expr(nft, "fib");
	put(nft, NFTA_FIB_DREG, LP_NFT_R0);
	put(nft, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	put(nft, NFTA_FIB_FLAGS, flag);
	expr_end(nft);
	compare(nft, LP_NFT_R0, NFT_CMP_EQ, &local, sizeof(local));
}

void
lp_nft_from_local(struct lp_nft *nft)
{
	fib_local(nft, NFTA_FIB_F_SADDR);
}

void
lp_nft_to_local(struct lp_nft *nft)
{
	fib_local(nft, NFTA_FIB_F_DADDR);
}

static void
ct_bits(struct lp_nft *nft, uint32_t key, uint32_t bits)
{
	static const uint32_t zero;

	expr(nft, "ct");
	put(nft, NFTA_CT_KEY, key);
	put(nft, NFTA_CT_DREG, LP_NFT_R0);
	expr_end(nft);
	mask(nft, LP_NFT_R0, &bits, sizeof(bits));
	compare(nft, LP_NFT_R0, NFT_CMP_NEQ, &zero, sizeof(zero));
}

void
lp_nft_ct_status(struct lp_nft *nft, uint32_t bits)
{
	ct_bits(nft, NFT_CT_STATUS, bits);
}

void
lp_nft_ct_state(struct lp_nft *nft, uint32_t bits)
{
	ct_bits(nft, NFT_CT_STATE, bits);
}

void
lp_nft_load_from(struct lp_nft *nft, int reg)
{
	payload(nft, reg, NFT_PAYLOAD_NETWORK_HEADER, 12, 4);
}

void
lp_nft_load_to(struct lp_nft *nft, int reg)
{
	payload(nft, reg, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
}

void
lp_nft_load_protocol(struct lp_nft *nft, int reg)
{
	meta(nft, reg, NFT_META_L4PROTO);
}

void
lp_nft_load_port(struct lp_nft *nft, int reg)
{
	payload(nft, reg, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

void
lp_nft_load_mac(struct lp_nft *nft, int reg)
{
	payload(nft, reg, NFT_PAYLOAD_LL_HEADER, 6, 6);
}

void
lp_nft_load_value(struct lp_nft *nft, int reg, const void *data, size_t len)
{
	expr(nft, "immediate");
	put(nft, NFTA_IMMEDIATE_DREG, (uint32_t)reg);
	put_value(nft, NFTA_IMMEDIATE_DATA, data, len);
	expr_end(nft);
}

void
lp_nft_load_random(struct lp_nft *nft, int reg, uint32_t below)
{
	expr(nft, "numgen");
	put(nft, NFTA_NG_DREG, (uint32_t)reg);
	put(nft, NFTA_NG_TYPE, NFT_NG_RANDOM);
	put(nft, NFTA_NG_MODULUS, below);
	put(nft, NFTA_NG_OFFSET, 0);
	expr_end(nft);
}

void
lp_nft_load_hash(struct lp_nft *nft, int reg, int from_reg, uint32_t len, uint32_t below, uint32_t seed)
{
	expr(nft, "hash");
	put(nft, NFTA_HASH_SREG, (uint32_t)from_reg);
	put(nft, NFTA_HASH_DREG, (uint32_t)reg);
	put(nft, NFTA_HASH_LEN, len);
	put(nft, NFTA_HASH_MODULUS, below);
	put(nft, NFTA_HASH_SEED, seed);
	put(nft, NFTA_HASH_OFFSET, 0);
	put(nft, NFTA_HASH_TYPE, NFT_HASH_JENKINS);
	expr_end(nft);
}

/* out_reg -1: membership only; 0: the map's verdict. */
static void
lookup(struct lp_nft *nft, const struct lp_nft_ref *set, int reg, int out_reg, bool in)
{
	expr(nft, "lookup");
	lp_netlink_put_str(&nft->nl, NFTA_LOOKUP_SET, set->name);
	put(nft, NFTA_LOOKUP_SREG, (uint32_t)reg);
	if (out_reg >= 0)
		put(nft, NFTA_LOOKUP_DREG, (uint32_t)out_reg);
	if (set->id)
		put(nft, NFTA_LOOKUP_SET_ID, set->id);
	if (!in)
		put(nft, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(nft);
}

void
lp_nft_lookup(struct lp_nft *nft, const struct lp_nft_ref *set, int reg, bool in)
{
	lookup(nft, set, reg, -1, in);
}

void
lp_nft_lookup_verdict(struct lp_nft *nft, const struct lp_nft_ref *map, int reg)
{
	lookup(nft, map, reg, NFT_REG_VERDICT, true);
}

void
lp_nft_lookup_data(struct lp_nft *nft, const struct lp_nft_ref *map, int reg, int out_reg)
{
	lookup(nft, map, reg, out_reg, true);
}

void
lp_nft_verdict(struct lp_nft *nft, int code, const char *chain)
{
	expr(nft, "immediate");
	put(nft, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	put_verdict(nft, NFTA_IMMEDIATE_DATA, code, chain);
	expr_end(nft);
}

void
lp_nft_dnat(struct lp_nft *nft, int addr_reg, int port_reg)
{
	expr(nft, "nat");
	put(nft, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put(nft, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	put(nft, NFTA_NAT_REG_ADDR_MIN, (uint32_t)addr_reg);
	put(nft, NFTA_NAT_REG_PROTO_MIN, (uint32_t)port_reg);
	expr_end(nft);
}

void
lp_nft_masquerade(struct lp_nft *nft)
{
	expr(nft, "masq");
	expr_end(nft);
}

void
lp_nft_reject_reset(struct lp_nft *nft)
{
	expr(nft, "reject");
	put(nft, NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST);
	expr_end(nft);
}

void
lp_nft_reject_port(struct lp_nft *nft)
{
	uint8_t port_unreachable = 3;

	expr(nft, "reject");
	put(nft, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
	lp_netlink_put_u8(&nft->nl, NFTA_REJECT_ICMP_CODE, port_unreachable);
	expr_end(nft);
}

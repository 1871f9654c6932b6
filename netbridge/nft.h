/*
 * netbridge/nft.h - nf_tables messages: tables, chains, sets, maps and rules in one transaction.
 *
 * Use      lp_nft_begin(nft, "limpet"); lp_nft_add_table(nft); lp_nft_add_chain(nft, "svc-0");
 *          lp_nft_rule(nft, "svc-0", "default/web"); lp_nft_masquerade(nft); lp_nft_rule_end(nft); lp_nft_commit(nft, &err)
 * Family   ip only (NFPROTO_IPV4)
 * Keys     concatenated parts are padded to 4 bytes each, as the registers they are compared with
 * Errors   sticky while building; commit changes everything or nothing, and says which message was refused
 * Source   Linux include/uapi/linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c; nft --debug=netlink
 */
#ifndef LP_NETBRIDGE_NFT_H
#define LP_NETBRIDGE_NFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "netbridge/netlink.h"

#define LP_NFT_KEY_MAX 16

/* nft's own numbers for types, so that `nft list` prints what was meant; a concatenation is LP_NFT_PAIR(a, b). */
enum lp_nft_type { LP_NFT_INTEGER = 4, LP_NFT_IPV4 = 7, LP_NFT_ETHER = 9, LP_NFT_PROTOCOL = 12, LP_NFT_SERVICE = 13 };
#define LP_NFT_PAIR(a, b) ((uint32_t)(a) << 6 | (b))
#define LP_NFT_VERDICT 0xffffff00u

/* Registers of 4 bytes. */
enum { LP_NFT_R0 = 8, LP_NFT_R1, LP_NFT_R2, LP_NFT_R3 };

struct lp_nft {
	struct lp_netlink nl;
	const char *table;		/* weak; of the transaction being built */
	uint32_t set_id;		/* of the newest set */
};

struct lp_nft_set {
	const char *name;		/* NULL = anonymous: belongs to the rule that uses it */
	uint32_t key_type, key_len;
	uint32_t data_type, data_len;	/* 0, 0 = a set; LP_NFT_VERDICT = a verdict map */
};

/* A set in this transaction, for elements and lookups. */
struct lp_nft_ref {
	char name[32];
	uint32_t id;			/* 0 = not of this transaction: by name only */
};

int lp_nft_open(struct lp_nft *nft, struct lp_err *err);
void lp_nft_close(struct lp_nft *nft);

void lp_nft_begin(struct lp_nft *nft, const char *table);
int lp_nft_commit(struct lp_nft *nft, struct lp_err *err);

/* Does the table exist? */
int lp_nft_has_table(struct lp_nft *nft, const char *table, bool *out, struct lp_err *err);

/* Base chains of every table and family. */
struct lp_nft_hook {
	char table[64], chain[64];
	uint8_t family;			/* NFPROTO_* */
	uint32_t hook;			/* NF_INET_* */
	uint32_t policy;		/* NF_ACCEPT, NF_DROP */
};
typedef int (*lp_nft_hook_fn)(void *arg, const struct lp_nft_hook *hook);
int lp_nft_each_hook(struct lp_nft *nft, lp_nft_hook_fn fn, void *arg, struct lp_err *err);

void lp_nft_add_table(struct lp_nft *nft);
void lp_nft_remove_table(struct lp_nft *nft);	/* with everything in it */
void lp_nft_add_chain(struct lp_nft *nft, const char *chain);
/* type "filter" or "nat"; hook NF_INET_*; policy NF_ACCEPT or NF_DROP. */
void lp_nft_add_hook(struct lp_nft *nft, const char *chain, const char *type, uint32_t hook, int32_t priority, uint32_t policy);

struct lp_nft_ref lp_nft_add_set(struct lp_nft *nft, const struct lp_nft_set *set);

/* Elements: open the list, add any number, close it. The list becomes as many messages as it needs. */
void lp_nft_elements(struct lp_nft *nft, const struct lp_nft_ref *set);
void lp_nft_element(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len, const void *data, size_t data_len);
void lp_nft_element_goto(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len, const char *chain);
void lp_nft_elements_end(struct lp_nft *nft);
/* One element out of a set; that it is not there is an error (-ENOENT) of the transaction. */
void lp_nft_remove_element(struct lp_nft *nft, const struct lp_nft_ref *set, const void *key, size_t key_len);

/* All rules of a chain out. */
void lp_nft_flush_chain(struct lp_nft *nft, const char *chain);

/* A rule at the end of a chain; comment may be NULL. Expressions follow, then lp_nft_rule_end. */
void lp_nft_rule(struct lp_nft *nft, const char *chain, const char *comment);
void lp_nft_rule_end(struct lp_nft *nft);

/* ---- matches */
void lp_nft_in_link(struct lp_nft *nft, const char *link, bool is);	/* iifname [!]= link */
void lp_nft_out_link(struct lp_nft *nft, const char *link, bool is);
void lp_nft_from(struct lp_nft *nft, uint32_t addr, uint8_t prefix, bool is);	/* ip saddr */
void lp_nft_to(struct lp_nft *nft, uint32_t addr, uint8_t prefix, bool is);	/* ip daddr */
void lp_nft_protocol(struct lp_nft *nft, uint8_t protocol);
void lp_nft_icmp_type(struct lp_nft *nft, uint8_t type);	/* implies ICMP */
void lp_nft_from_local(struct lp_nft *nft);	/* fib saddr type local */
void lp_nft_to_local(struct lp_nft *nft);	/* fib daddr type local */
void lp_nft_ct_status(struct lp_nft *nft, uint32_t bits);	/* any of IPS_* */
void lp_nft_ct_state(struct lp_nft *nft, uint32_t bits);	/* any of NF_CT_STATE_BIT */

/* ---- load a register */
void lp_nft_load_from(struct lp_nft *nft, int reg);	/* source address */
void lp_nft_load_to(struct lp_nft *nft, int reg);	/* destination address */
void lp_nft_load_protocol(struct lp_nft *nft, int reg);
void lp_nft_load_port(struct lp_nft *nft, int reg);	/* destination port */
void lp_nft_load_mac(struct lp_nft *nft, int reg);	/* source MAC; takes two registers */
void lp_nft_load_value(struct lp_nft *nft, int reg, const void *data, size_t len);
void lp_nft_load_random(struct lp_nft *nft, int reg, uint32_t below);
void lp_nft_load_hash(struct lp_nft *nft, int reg, int from_reg, uint32_t len, uint32_t below, uint32_t seed);

/* ---- use registers */
void lp_nft_lookup(struct lp_nft *nft, const struct lp_nft_ref *set, int reg, bool in);	/* goes on when the key is [not] in the set */
void lp_nft_lookup_verdict(struct lp_nft *nft, const struct lp_nft_ref *map, int reg);
void lp_nft_lookup_data(struct lp_nft *nft, const struct lp_nft_ref *map, int reg, int out_reg);

/* ---- ends */
void lp_nft_verdict(struct lp_nft *nft, int code, const char *chain);	/* NF_DROP, NF_ACCEPT, NFT_GOTO, NFT_JUMP */
void lp_nft_dnat(struct lp_nft *nft, int addr_reg, int port_reg);
void lp_nft_masquerade(struct lp_nft *nft);
void lp_nft_reject_reset(struct lp_nft *nft);	/* TCP only */
void lp_nft_reject_port(struct lp_nft *nft);	/* ICMP port unreachable */

#endif

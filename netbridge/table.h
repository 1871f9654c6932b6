/*
 * netbridge/table.h - the instance's whole nf_tables table, from names, attached addresses and the service plan.
 *
 * Chains   guard        prerouting, raw      127.0.0.0/8 on lo only; nothing with a foreign source from the bridge
 *          prerouting   nat                  services for what arrives
 *          output       nat                  services for the node's own processes
 *          postrouting  nat                  masquerade: a pod talking to itself, 127.0.0.1, pods to the world, others' pods
 *          forward, local-in, local-out      filter: services without backends are refused
 *          refuse, reject, svc-N
 * Sets     pods (MAC . address), hairpin (address . address); maps exact, local; sets refused-exact, refused-local
 * Stand-in a second table like it, for the moment in which the first is replaced
 * Change   lp_table_replace puts everything into one transaction; a pod's two elements, and what backends a service has, also change alone
 */
#ifndef LP_NETBRIDGE_TABLE_H
#define LP_NETBRIDGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netbridge/nft.h"
#include "netbridge/service.h"

struct lp_table {
	const char *name, *bridge;	/* weak */
	uint32_t pods, cluster, services;	/* ranges */
	uint8_t pods_prefix, cluster_prefix, services_prefix;
	uint32_t dns_addr;		/* answers to the node and its pods only; 0 = none */
};

/* addrs: every attached address. Put into the transaction that lp_nft_begin started. */
void lp_table_replace(struct lp_nft *nft, const struct lp_table *table, const uint32_t *addrs, size_t count, const struct lp_service_plan *plan);

/* From one plan to another of the same shape: the chains of the targets that differ, nothing else. */
void lp_table_retarget(struct lp_nft *nft, const struct lp_table *table, const struct lp_service_plan *from, const struct lp_service_plan *to);

/* The table and everything in it, in a transaction of its own. Fine when it is not there. */
int lp_table_remove(struct lp_nft *nft, const char *name, struct lp_err *err);

#define LP_TABLE_STAND_IN 48
/* The name of a table's stand-in. */
void lp_table_stand_in(const char *name, char out[static LP_TABLE_STAND_IN]);

void lp_table_add_pod(struct lp_nft *nft, uint32_t addr);
void lp_table_remove_pod(struct lp_nft *nft, uint32_t addr);

#endif

/*
 * netbridge/lease.h - which address belongs to whom; pure, in memory only.
 *
 * Rebuilt  from the living after a restart (claim); nothing is on disk, so nothing can be stale
 * Order    addresses are handed out round and round, so that one is used again as late as possible; a released one rests for
 *          LP_LEASE_REST_MS, or LP_LEASE_LEAST_MS when no other is left: peers and connection tracking still remember its last owner
 * Errors   -EADDRNOTAVAIL all taken or resting, -EADDRINUSE another key has it, -ERANGE outside the range, -ENOMEM
 */
#ifndef LP_NETBRIDGE_LEASE_H
#define LP_NETBRIDGE_LEASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LP_LEASE_REST_MS 60000
#define LP_LEASE_LEAST_MS 5000

struct lp_lease_slot;

struct lp_lease {
	uint32_t network;		/* first address of the range: never handed out */
	uint32_t gateway;		/* the one after it: the bridge's */
	uint32_t size;			/* addresses in the range, network and broadcast included */
	uint32_t cursor;		/* where the search for the next one starts */
	struct lp_lease_slot *slots;	/* one per address */
};

/* prefix 16-29. -EINVAL */
int lp_lease_init(struct lp_lease *lease, uint32_t addr, uint8_t prefix, struct lp_err *err);
void lp_lease_fini(struct lp_lease *lease);

/* `key` has had `addr` since before. */
int lp_lease_claim(struct lp_lease *lease, const char *key, uint32_t addr, struct lp_err *err);

/* An address for `key`; the one it has, if it has one. */
int lp_lease_take(struct lp_lease *lease, const char *key, int64_t now_ms, uint32_t *out_addr, struct lp_err *err);

/* Returns the address, which rests from now on; 0 when the key has none. */
uint32_t lp_lease_release(struct lp_lease *lease, const char *key, int64_t now_ms);

/* 0 when the key has none. */
uint32_t lp_lease_find(const struct lp_lease *lease, const char *key);

/* Walk over what is taken, by address: uint32_t addr = 0; while ((key = lp_lease_next(lease, &addr))) ... */
const char *lp_lease_next(const struct lp_lease *lease, uint32_t *addr);

#endif

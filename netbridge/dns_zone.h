/*
 * netbridge/dns_zone.h - the inside of a zone, for dns.c only.
 */
#ifndef LP_NETBRIDGE_DNS_ZONE_H
#define LP_NETBRIDGE_DNS_ZONE_H

#include "base/map.h"
#include "netbridge/dns.h"

#define LP_DNS_ZONE_RANGES 8
#define LP_DNS_ZONE_DOMAIN 129		/* leaves room for what stands before it */

struct lp_dns_entry {
	struct lp_dns_entry *next;	/* more records of the same name; NULL at the end */
	struct lp_dns_record record;	/* its name is NULL; target owned */
};

struct lp_dns_node {
	struct lp_dns_entry *first, *last;	/* NULL: the name exists only because others lie below it */
};

struct lp_dns_zone {
	char domain[LP_DNS_ZONE_DOMAIN];
	struct lp_map names;		/* -> struct lp_dns_node */
	struct lp_map namespaces;	/* -> the zone itself: presence only */
	struct {
		uint32_t addr, bits;
	} ranges[LP_DNS_ZONE_RANGES];
	size_t range_count;
};

/* NULL when the name does not exist. */
const struct lp_dns_node *lp_dns_zone_find(const struct lp_dns_zone *zone, const char *name);

/* Does the address lie in a range that is ours? */
bool lp_dns_zone_holds(const struct lp_dns_zone *zone, uint32_t addr);

/* "10-42-0-5.<namespace>.pod.<domain>" of a known namespace and range. */
bool lp_dns_zone_pod(const struct lp_dns_zone *zone, const char *name, uint32_t *out_addr);

#endif

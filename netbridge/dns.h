/*
 * netbridge/dns.h - pure: question and records -> answer.
 *
 * Zone     records of the cluster domain and reverse ranges, built once per change, read by every question
 * Names    without the final dot, compared without case; stored in lower case; 1-63 bytes a label, 253 in all
 * Exists   a name that has records, or below which names exist, is never NXDOMAIN: other types get NODATA with the SOA
 * Pods     "10-42-0-5.<namespace>.pod.<domain>" is made from the question for any address in a reverse range whose
 *          namespace is known to the zone
 * Size     UDP: 512 bytes, or what EDNS offers up to LP_DNS_UDP_MAX, then truncated (TC); TCP: 65,535
 * Limits   one question; compression pointers only backwards, at most 126 labels; a packet that is not a query is dropped
 * Source   RFC 1035, 2308, 6891, 2782; Kubernetes DNS-Based Service Discovery 1.1.0
 */
#ifndef LP_NETBRIDGE_DNS_H
#define LP_NETBRIDGE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define LP_DNS_NAME 254			/* a name as text, with its NUL */
#define LP_DNS_UDP_MAX 1232
#define LP_DNS_TCP_MAX 65535

enum lp_dns_type {
	LP_DNS_A = 1, LP_DNS_NS = 2, LP_DNS_CNAME = 5, LP_DNS_SOA = 6, LP_DNS_PTR = 12, LP_DNS_TXT = 16, LP_DNS_AAAA = 28,
	LP_DNS_SRV = 33, LP_DNS_OPT = 41, LP_DNS_ANY = 255,
};

enum lp_dns_rcode {
	LP_DNS_NOERROR = 0, LP_DNS_FORMERR = 1, LP_DNS_SERVFAIL = 2, LP_DNS_NXDOMAIN = 3, LP_DNS_NOTIMP = 4, LP_DNS_REFUSED = 5,
	LP_DNS_BADVERS = 16,		/* its upper part travels in the OPT record */
};

struct lp_dns_record {
	const char *name;
	uint16_t type;			/* A, CNAME, PTR, SRV, TXT */
	uint32_t ttl;			/* seconds */
	uint32_t addr;			/* A: host byte order */
	const char *target;		/* CNAME, PTR, SRV: a name; TXT: at most 255 bytes; else NULL */
	uint16_t priority, weight, port;	/* SRV */
};

struct lp_dns_zone;

/* domain: "cluster.local". */
int lp_dns_zone_new(struct lp_dns_zone **out, const char *domain, struct lp_err *err);
void lp_dns_zone_free(struct lp_dns_zone *zone);

/* Copies the record. -EINVAL when a name is none or lies outside the domain (PTR: outside in-addr.arpa). */
int lp_dns_zone_add(struct lp_dns_zone *zone, const struct lp_dns_record *record, struct lp_err *err);

/* A PTR record for addr. */
int lp_dns_zone_add_pointer(struct lp_dns_zone *zone, uint32_t addr, const char *target, struct lp_err *err);

/* Reverse names of this range are ours: unknown ones are NXDOMAIN instead of being forwarded. At most 8 ranges. */
int lp_dns_zone_add_range(struct lp_dns_zone *zone, uint32_t addr, uint8_t prefix, struct lp_err *err);

/* A namespace that exists, so that "<ns>.svc.<domain>" does and pods' address names are answered. */
int lp_dns_zone_add_namespace(struct lp_dns_zone *zone, const char *name, struct lp_err *err);

struct lp_dns_question {
	uint16_t id;
	char name[LP_DNS_NAME];		/* lower case; "" is the root */
	uint16_t type, class;
	bool recursion;			/* RD */
	bool edns;			/* an OPT record was there */
	uint16_t udp_size;		/* what the client can take; at least 512 */
	size_t question_len;		/* bytes of the question section, which starts at offset 12 */
	enum lp_dns_rcode rcode;	/* what is wrong with it; NOERROR = nothing */
};

/* Strict parser. -EBADMSG: no query at all, say nothing. Otherwise 0, and question->rcode may ask for an error answer. */
int lp_dns_parse(const uint8_t *packet, size_t len, struct lp_dns_question *out);

enum lp_dns_verdict {
	LP_DNS_ANSWER,			/* the answer is in out */
	LP_DNS_FORWARD,			/* not ours: ask a resolver upstream; out is empty */
	LP_DNS_CHASE,			/* an alias leads out of the zone: out holds the CNAME answer, ask upstream for `chase` and merge */
	LP_DNS_IGNORE,			/* no query: say nothing */
};

/* Answer a packet. `max` is LP_DNS_UDP_MAX or LP_DNS_TCP_MAX. `chase` receives the alias' target. out is reset first. -ENOMEM. */
int lp_dns_answer(const struct lp_dns_zone *zone, const uint8_t *packet, size_t len, size_t max, struct lp_buf *out,
    enum lp_dns_verdict *out_verdict, char chase[static LP_DNS_NAME]);

/* An answer without records: SERVFAIL when nobody upstream answers, REFUSED, an empty truncated one. */
int lp_dns_refuse(const uint8_t *packet, size_t len, enum lp_dns_rcode rcode, struct lp_buf *out);

/* A query of our own for `name` (recursion desired, EDNS LP_DNS_UDP_MAX). */
int lp_dns_query(struct lp_buf *out, uint16_t id, const char *name, uint16_t type);

/* Does `packet` answer what `query` asked (id, question, QR)? */
bool lp_dns_matches(const uint8_t *query, size_t query_len, const uint8_t *packet, size_t len);

/* The alias answer `alias` (from CHASE) with the address records of the upstream answer put behind it. -EBADMSG, -EMSGSIZE, -ENOMEM. */
int lp_dns_merge(const struct lp_buf *alias, const uint8_t *upstream, size_t len, size_t max, struct lp_buf *out);

/* resolv.conf text -> the IPv4 upstream resolvers, loopback ones left out. Returns how many (at most `max`). */
size_t lp_dns_upstreams(const char *resolv_conf, uint32_t *out, size_t max);

/* And the loopback ones only: stubs that a process on the host can ask. */
size_t lp_dns_stubs(const char *resolv_conf, uint32_t *out, size_t max);

#endif

/*
 * netbridge/dns_name.h - names on the wire (RFC 1035 section 4.1.4) and as text.
 *
 * Text     lower case, labels joined by '.', no final dot, "" = root. A byte that our own names never have (a dot inside a label,
 *          anything but letters, digits, '-', '_') reads as '?', so that it cannot be mistaken for one of them
 */
#ifndef LP_NETBRIDGE_DNS_NAME_H
#define LP_NETBRIDGE_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "netbridge/dns.h"

/* Reads the name at *offset and moves behind it. Pointers only backwards, and only if allowed. -EBADMSG. */
int lp_dns_name_read(const uint8_t *packet, size_t len, size_t *offset, bool pointers, char out[static LP_DNS_NAME]);

/* Uncompressed. The name must be valid or "". */
int lp_dns_name_write(struct lp_buf *out, const char *name);

/* Lower-case copy of a name we could serve; -EINVAL for anything else. */
int lp_dns_name_clean(const char *name, char out[static LP_DNS_NAME]);

/* Is `name` the domain or below it? */
bool lp_dns_name_below(const char *name, const char *domain);

/* "5.0.42.10.in-addr.arpa" -> 10.42.0.5. */
bool lp_dns_name_reverse(const char *name, uint32_t *out_addr);
void lp_dns_name_print_reverse(uint32_t addr, char out[static LP_DNS_NAME]);

#endif

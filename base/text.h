/*
 * base/text.h - numbers, durations, names, encodings; strict, no locale.
 *
 * Errors  -EINVAL not of the form, -ERANGE out of range; results are written only on success
 */
#ifndef LP_BASE_TEXT_H
#define LP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Decimal digits only (i64: an optional leading '-'), no spaces, no '+', at most `max`. */
int lp_text_u64(const char *text, uint64_t max, uint64_t *out);
int lp_text_i64(const char *text, int64_t min, int64_t max, int64_t *out);

/* The n-th word (from 0) of a line whose words are parted by blanks, or NULL; the line ends at '\n' or the end of the text. */
const char *lp_text_word(const char *line, size_t n, size_t *out_len);

/* The same word as a decimal number at most `max`, as the kernel's files have them. */
int lp_text_word_u64(const char *line, size_t n, uint64_t max, uint64_t *out);

/* "90s", "1m30s", "500ms", "2h" -> milliseconds. Go's time.ParseDuration without us/ns and fractions. */
int lp_text_duration_ms(const char *text, int64_t *out_ms);

/* kubectl's age: "45s", "3m12s", "5h", "2d3h", "10d". Source: apimachinery util/duration HumanDuration. */
#define LP_TEXT_AGE 16
void lp_text_age(int64_t seconds, char out[static LP_TEXT_AGE]);

/* RFC 1123 label (at most 63) and subdomain (at most 253), RFC 1035 label for Service names. */
bool lp_text_is_dns_label(const char *text);
bool lp_text_is_dns_subdomain(const char *text);
bool lp_text_is_dns1035_label(const char *text);

/* NULL-safe equality: two NULLs are equal. */
bool lp_text_same(const char *a, const char *b);
bool lp_text_starts(const char *text, const char *prefix);
bool lp_text_ends(const char *text, const char *suffix);

/* Standard base64 with padding (RFC 4648). Decoding refuses anything else; newlines and spaces are skipped. */
int lp_text_base64_encode(struct lp_buf *out, const void *data, size_t len);
int lp_text_base64_decode(struct lp_buf *out, const char *text, size_t len);
/* base64url without padding. */
int lp_text_base64url_encode(struct lp_buf *out, const void *data, size_t len);
int lp_text_base64url_decode(struct lp_buf *out, const char *text, size_t len);

/* Lower-case hex; `out` holds 2 * len + 1. Decoding wants exactly 2 * len digits. */
void lp_text_hex(const void *data, size_t len, char *out);
int lp_text_unhex(const char *text, void *out, size_t len);

/* IPv4 "a.b.c.d" (host byte order) and "a.b.c.d/n". The network form refuses set host bits. */
int lp_text_ipv4(const char *text, uint32_t *out);
int lp_text_cidr4(const char *text, uint32_t *out_addr, uint8_t *out_prefix);
#define LP_TEXT_IPV4 16
void lp_text_ipv4_print(uint32_t addr, char out[static LP_TEXT_IPV4]);

/* "HOST:PORT", ":PORT" (host ""), "[v6]:PORT". `host` needs `size` bytes. */
int lp_text_host_port(const char *text, char *host, size_t size, uint16_t *out_port);

/* Is `len` bytes of text valid UTF-8 (RFC 3629, no surrogates, shortest forms)? */
bool lp_text_is_utf8(const char *text, size_t len);
/* Every byte that is no part of a character becomes '?': for words that a container or a program chose. */
void lp_text_make_utf8(char *text, size_t len);

#endif

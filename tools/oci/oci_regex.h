/*
 * tools/oci/oci_regex.h - the regular expressions that names of containers need (delete --regex).
 *
 * Words   . [a-z] [^a-z] \c * + ? ^ $ and | between whole expressions; no groups, no counts: they are refused
 * Instead of libc's, which costs 40 KB of the program
 * Limits  256 characters; names have at most 127
 */
#ifndef LP_TOOLS_OCI_REGEX_H
#define LP_TOOLS_OCI_REGEX_H

#include <stdbool.h>

#include "base/err.h"

int lp_oci_regex_check(const char *pattern, struct lp_err *err);

/* Does it fit a part of the text? The pattern has been checked. */
bool lp_oci_regex_match(const char *pattern, const char *text);

#endif

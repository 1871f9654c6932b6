#include "tools/oci/oci_regex.h"

#include <errno.h>
#include <string.h>

enum { PATTERN_MAX = 256 };

/* Characters of the one-character expression at `at`. */
static size_t
unit_len(const char *at)
{
	const char *close;

	if (*at == '\\')
		return at[1] ? 2 : 0;
	if (*at != '[')
		return 1;
	close = strchr(at + (at[1] == '^' ? 3 : 2), ']');	/* the first one may itself be meant */
	return close ? (size_t)(close - at) + 1 : 0;
}

int
lp_oci_regex_check(const char *pattern, struct lp_err *err)
{
	size_t len = strlen(pattern);

	if (len == 0 || len > PATTERN_MAX)
		return lp_err_say(err, -EINVAL, "a regular expression has 1 to %d characters", PATTERN_MAX);
	for (const char *at = pattern; *at; at += unit_len(at)) {
		if (strchr("(){}", *at))
			return lp_err_say(err, -EINVAL, "regular expression %.64s: no groups and counts", pattern);
		if ((*at == '[' && (!at[1] || (at[1] == '^' && !at[2]))) || unit_len(at) == 0)
			return lp_err_say(err, -EINVAL, "regular expression %.64s: something is missing at its end", pattern);
	}
	return 0;
}

static bool
unit_fits(const char *unit, size_t len, char c)
{
	const bool negated = unit[1] == '^';
	bool inside = false;

	if (!c)
		return false;
	if (unit[0] == '\\')
		return c == unit[1];
	if (unit[0] != '[')
		return unit[0] == '.' || unit[0] == c;
	for (size_t i = negated ? 2 : 1; i + 1 < len; i++) {
		if (i + 3 < len && unit[i + 1] == '-') {
			inside = inside || (c >= unit[i] && c <= unit[i + 2]);
			i += 2;
		} else {
			inside = inside || c == unit[i];
		}
	}
	return inside != negated;
}

/* Depth is bounded by the pattern: every call eats a unit of it. */
static bool
match_here(const char *at, const char *end, const char *text)
{
	size_t len, least, most;

	if (at == end)
		return true;
	if (*at == '$' && at + 1 == end)
		return !*text;
	len = unit_len(at);
	least = at + len < end && strchr("*?", at[len]) ? 0 : 1;
	most = at + len < end && strchr("*+", at[len]) ? strlen(text) : 1;
	for (size_t i = 0;; i++) {
		const char *rest = at + len + (at + len < end && strchr("*+?", at[len]) ? 1 : 0);

		if (i >= least && match_here(rest, end, text + i))
			return true;
		if (i >= most || !unit_fits(at, len, text[i]))
			return false;
	}
}

static bool
match_one(const char *pattern, const char *end, const char *text)
{
	if (pattern < end && *pattern == '^')
		return match_here(pattern + 1, end, text);
	do {
		if (match_here(pattern, end, text))
			return true;
	} while (*text++);
	return false;
}

bool
lp_oci_regex_match(const char *pattern, const char *text)
{
	const char *at = pattern;

	for (;; at += unit_len(at)) {
		if (*at && *at != '|')
			continue;
		if (match_one(pattern, at, text))
			return true;
		if (!*at)
			return false;
		pattern = at + 1;
	}
}

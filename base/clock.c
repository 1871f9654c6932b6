#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/seam.h"

#ifndef LP_BUILD_TIME
#define LP_BUILD_TIME 1767225600	/* 2026-01-01: the Makefile passes the time of the commit */
#endif

static int64_t floor_ms = INT64_C(1000) * LP_BUILD_TIME;

int64_t
lp_clock_boot_ms(void)
{
	return lp_seam.boot_ms();
}

int64_t
lp_clock_wall_ms(void)
{
	return lp_seam.wall_ms();
}

int
lp_clock_boot_id(char out[static LP_CLOCK_BOOT_ID], struct lp_err *err)
{
	static char kept[LP_CLOCK_BOOT_ID];
	lp_auto_fd int fd = kept[0] ? -1 : open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, kept, sizeof(kept) - 1);

	if (!kept[0] || len == 0)
		return lp_err_set(err, len < 0 ? -errno : -EBADMSG, "read the boot's id");
	kept[strcspn(kept, "\n")] = '\0';
	memcpy(out, kept, sizeof(kept));
	return 0;
}

int64_t
lp_clock_trusted_ms(void)
{
	int64_t wall = lp_seam.wall_ms();

	return wall > floor_ms ? wall : floor_ms;
}

void
lp_clock_raise_floor(int64_t wall_ms)
{
	if (wall_ms > floor_ms)
		floor_ms = wall_ms;
}

int64_t
lp_clock_floor_ms(void)
{
	return floor_ms;
}

/*
 * Seconds since 1970 -> "2026-11-20T08:00:00", in UTC. Returns its length. Not by gmtime_r, which reads /etc/localtime first. The calendar repeats
 * every 400 years (146,097 days); years are counted from March, so that February's end is the year's.
 */
static int
print_seconds(int64_t seconds, char *out, size_t size)
{
	const int64_t from_march = 719468;	/* 1 March 0000 to 1 January 1970 */
	int64_t of_day = (seconds % 86400 + 86400) % 86400;
	int64_t days = (seconds - of_day) / 86400 + from_march;
	int64_t of_era = (days % 146097 + 146097) % 146097, era = (days - of_era) / 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;

	year += era * 400 + (month >= 10);
	if (year < 0 || year > 9999)
		return snprintf(out, size, "1970-01-01T00:00:00");
	return snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)(month < 10 ? month + 3 : month - 9), (int)day,
	    (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
}

void
lp_clock_print(int64_t wall_ms, char out[static LP_CLOCK_TEXT])
{
	int len = print_seconds(wall_ms / 1000, out, LP_CLOCK_TEXT);

	(void)snprintf(out + len, LP_CLOCK_TEXT - (size_t)len, "Z");
}

void
lp_clock_print_micro(int64_t wall_ms, char out[static LP_CLOCK_TEXT])
{
	int len = print_seconds(wall_ms / 1000, out, LP_CLOCK_TEXT);

	(void)snprintf(out + len, LP_CLOCK_TEXT - (size_t)len, ".%03d000Z", (int)(wall_ms % 1000));
}

void
lp_clock_print_nano(int64_t seconds, int32_t nanos, char out[static LP_CLOCK_TEXT])
{
	int len = print_seconds(seconds, out, LP_CLOCK_TEXT);

	(void)snprintf(out + len, LP_CLOCK_TEXT - (size_t)len, ".%09dZ", (int)nanos);
}

/* Exactly `digits` decimal digits at *at within [min, max]; moves on. */
static bool
number(const char **at, int digits, int min, int max, int *out)
{
	int v = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		v = v * 10 + (**at - '0');
	}
	*out = v;
	return v >= min && v <= max;
}

static bool
literal(const char **at, const char *any_of)
{
	return **at && strchr(any_of, *(*at)++);
}

int
lp_clock_parse(const char *text, int64_t *out_ms)
{
	int y, mo, d, h, mi, s, ms = 0, scale = 100, oh = 0, om = 0, sign = 0;
	struct tm tm;
	const char *at = text;

	if (!text || !number(&at, 4, 0, 9999, &y) || !literal(&at, "-") || !number(&at, 2, 1, 12, &mo) || !literal(&at, "-") ||
	    !number(&at, 2, 1, 31, &d) || !literal(&at, "Tt ") || !number(&at, 2, 0, 23, &h) || !literal(&at, ":") ||
	    !number(&at, 2, 0, 59, &mi) || !literal(&at, ":") || !number(&at, 2, 0, 60, &s))
		return -EINVAL;
	if (*at == '.') {
		if (at[1] < '0' || at[1] > '9')
			return -EINVAL;
		for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10)
			ms += (*at - '0') * scale;
	}
	if (*at == '+' || *at == '-') {
		sign = *at++ == '+' ? 1 : -1;
		if (!number(&at, 2, 0, 23, &oh) || !literal(&at, ":") || !number(&at, 2, 0, 59, &om))
			return -EINVAL;
	} else if (!literal(&at, "Zz")) {
		return -EINVAL;
	}
	if (*at)
		return -EINVAL;
	tm = (struct tm){ .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h, .tm_min = mi, .tm_sec = s };

	int64_t seconds = timegm(&tm);

	if (tm.tm_mday != d && s < 60)
		return -EINVAL;		/* the 30th of February became a day in March */
	*out_ms = (seconds - sign * (oh * 3600 + om * 60)) * 1000 + ms;
	return 0;
}

int64_t
lp_clock_seconds_ms(int64_t seconds)
{
	const int64_t most = INT64_C(100) * 366 * 86400;

	return 1000 * (seconds > most ? most : seconds < -most ? -most : seconds);
}

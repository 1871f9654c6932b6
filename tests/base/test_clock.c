#include "tests/harness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/seam.h"

static int64_t wall_ms;

static int64_t
fake_wall(void)
{
	return wall_ms;
}

TEST(times_are_printed_as_rfc_3339)
{
	char out[LP_CLOCK_TEXT];

	lp_clock_print(INT64_C(1795161600123), out);
	CHECK_STR(out, "2026-11-20T08:00:00Z");
	lp_clock_print_micro(INT64_C(1795161600123), out);
	CHECK_STR(out, "2026-11-20T08:00:00.123000Z");
	lp_clock_print_nano(1795161600, 123456789, out);
	CHECK_STR(out, "2026-11-20T08:00:00.123456789Z");
	lp_clock_print(0, out);
	CHECK_STR(out, "1970-01-01T00:00:00Z");
}

TEST(days_of_ten_thousand_years_are_printed_as_by_libc)
{
	for (int64_t second = -INT64_C(62167219200); second < INT64_C(253402300800); second += 5 * 86400 - 7) {	/* years 0 to 9999 */
		time_t t = (time_t)second;
		struct tm tm;
		char out[LP_CLOCK_TEXT], want[LP_CLOCK_TEXT];

		CHECK(gmtime_r(&t, &tm) != NULL);
		(void)snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02d.000000000Z", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		lp_clock_print_nano(second, 0, out);
		CHECK_STR(out, want);
	}
}

TEST(times_are_read_with_offset_and_fraction)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "2026-11-20T08:00:00Z", INT64_C(1795161600000) },
		{ "2026-11-20T08:00:00.5Z", INT64_C(1795161600500) },
		{ "2026-11-20T08:00:00.123456789Z", INT64_C(1795161600123) },
		{ "2026-11-20T09:30:00+01:30", INT64_C(1795161600000) },
		{ "2026-11-20T03:00:00-05:00", INT64_C(1795161600000) },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000) },
		{ "1969-12-31T23:59:59Z", -1000 },
	};
	int64_t ms;

	for (size_t i = 0; i < lp_count(rows); i++) {
		CHECK_INT(lp_clock_parse(rows[i].text, &ms), 0);
		CHECK_INT(ms, rows[i].ms);
	}
}

TEST(what_is_no_time_is_refused)
{
	static const char *const bad[] = { "", "now", "2026-11-20", "2026-11-20T08:00:00", "2026-13-01T00:00:00Z",
		"2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T08:60:00Z", "2026-11-20T08:00:00Zx",
		"2026-11-20T08:00:00+1:00", "2026-1-20T08:00:00Z", "2026-11-20T08:00:00.Z" };
	int64_t ms = 7;

	for (size_t i = 0; i < lp_count(bad); i++)
		if (lp_clock_parse(bad[i], &ms) != -EINVAL)
			FAIL("accepted %s", bad[i]);
	CHECK_INT(ms, 7);
}

TEST(every_day_reads_back_as_it_was_printed)
{
	char out[LP_CLOCK_TEXT];
	int64_t ms;

	for (int64_t day = -1000; day < 60000; day++) {
		lp_clock_print(day * 86400000 + 3661000, out);
		CHECK_INT(lp_clock_parse(out, &ms), 0);
		CHECK_INT(ms, day * 86400000 + 3661000);
	}
}

TEST(the_floor_only_rises_and_holds_the_trusted_time_up)
{
	int64_t first = lp_clock_floor_ms();

	CHECK(first > INT64_C(1700000000000));	/* build time */
	lp_clock_raise_floor(first - 5000);
	CHECK_INT(lp_clock_floor_ms(), first);
	lp_clock_raise_floor(first + 5000);
	CHECK_INT(lp_clock_floor_ms(), first + 5000);
	lp_seam.wall_ms = fake_wall;
	wall_ms = 0;				/* a board without a battery */
	CHECK_INT(lp_clock_trusted_ms(), first + 5000);
	wall_ms = first + 9000;
	CHECK_INT(lp_clock_trusted_ms(), first + 9000);
}

TEST(boot_time_does_not_go_back)
{
	int64_t before = lp_clock_boot_ms();

	for (int i = 0; i < 1000; i++) {
		int64_t now = lp_clock_boot_ms();

		CHECK(now >= before);
		before = now;
	}
}

TEST(seconds_that_somebody_named_do_not_overflow)
{
	CHECK_INT(lp_clock_seconds_ms(30), 30000);
	CHECK_INT(lp_clock_seconds_ms(-1), -1000);
	CHECK(lp_clock_seconds_ms(INT64_MAX) + lp_clock_wall_ms() > lp_clock_wall_ms());
	CHECK(lp_clock_seconds_ms(INT64_MIN) + lp_clock_wall_ms() < lp_clock_wall_ms());
}

TEST(a_boot_has_the_kernels_name_for_it)
{
	lp_auto_buf struct lp_buf text;
	struct lp_err err;
	char id[LP_CLOCK_BOOT_ID], again[LP_CLOCK_BOOT_ID];
	lp_auto_fd int proc = -1;

	lp_buf_init(&text, 64);
	CHECK_OK(lp_path_root("/proc", false, &proc, &err), &err);
	CHECK_OK(lp_path_read(proc, "sys/kernel/random/boot_id", &text, &err), &err);
	for (int i = 0; i < 2; i++)
		CHECK_OK(lp_clock_boot_id(i == 0 ? id : again, &err), &err);
	CHECK_INT(strlen(id), 36);
	CHECK_INT(strncmp(id, lp_buf_text(&text), 36), 0);
	CHECK_STR(again, id);
}

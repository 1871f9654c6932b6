#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "specs/quantity.h"
#include "tests/harness.h"

static struct lp_quantity
quantity(const char *text)
{
	struct lp_quantity q = { 0 };

	CHECK_OK(lp_quantity_parse(text, &q), NULL);
	return q;
}

static void
prints(const char *text, const char *want)
{
	struct lp_quantity q = quantity(text);
	char out[LP_QUANTITY_TEXT];

	lp_quantity_print(&q, out);
	CHECK_STR(out, want);
}

TEST(quantities_are_printed_in_kubernetes_canonical_form)
{
	prints("1", "1");
	prints("0", "0");
	prints("-0", "0");
	prints("100m", "100m");
	prints("1000m", "1");
	prints("0.5", "500m");
	prints("1.5", "1500m");
	prints("2000", "2k");
	prints("1024Ki", "1Mi");
	prints("1.5Gi", "1536Mi");
	prints("1500Ki", "1500Ki");
	prints("0.1Ki", "102400m");
	prints("1e3", "1e3");
	prints("1E", "1E");
	prints("12E6", "12e6");
	prints("1.25e-3", "1250e-6");
	prints("0.000001", "1u");
	prints("1n", "1n");
	prints("-1.5", "-1500m");
	prints("+5", "5");
	prints("007", "7");
	prints(".5", "500m");
	prints("5.", "5");
}

TEST(what_is_below_a_nano_is_rounded_away_from_zero)
{
	prints("0.1n", "1n");
	prints("1.0000000001", "1000000001n");
	prints("-0.0000000001", "-1n");
}

TEST(what_does_not_fit_stays_at_the_limit)
{
	CHECK_INT(quantity("9223372036854775808").units, INT64_MAX);
	CHECK_INT(quantity("16Ei").units, INT64_MAX);
	CHECK_INT(quantity("-16Ei").units, -INT64_MAX);
	CHECK_INT(quantity("1e1000").units, INT64_MAX);
	CHECK_INT(quantity("9223372036854775807").units, INT64_MAX);
	CHECK_INT(quantity("9223372036854775807000m").units, INT64_MAX);
	prints("18446744073.709551616", "18446744073709551616n");
}

TEST(what_is_no_quantity_is_refused)
{
	static const char *const bad[] = { "", "-", ".", "m", "1x", "1mm", "1 ", " 1", "1KiB", "1K", "1i", "1.2.3", "--1", "1e", "1e+", "0x10",
		"1ki", "1mi" };
	struct lp_quantity q;
	char many[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(lp_quantity_parse(bad[i], &q), -EINVAL);
	memset(many, '9', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	CHECK_ERR(lp_quantity_parse(many, &q), -EINVAL);
	CHECK_ERR(lp_quantity_parse(NULL, &q), -EINVAL);
}

TEST(quantities_add_subtract_and_compare_exactly)
{
	struct lp_quantity a = quantity("1.5"), b = quantity("700m"), c = lp_quantity_add(&a, &b);
	char out[LP_QUANTITY_TEXT];

	lp_quantity_print(&c, out);
	CHECK_STR(out, "2200m");
	c = lp_quantity_sub(&b, &a);
	lp_quantity_print(&c, out);
	CHECK_STR(out, "-800m");
	CHECK_INT(lp_quantity_compare(&a, &b), 1);
	CHECK_INT(lp_quantity_compare(&b, &a), -1);
	a = quantity("1Gi");
	b = quantity("1073741824");
	CHECK_INT(lp_quantity_compare(&a, &b), 0);
	a = quantity("9223372036854775807");
	c = lp_quantity_add(&a, &b);
	CHECK_INT(c.units, INT64_MAX);
}

TEST(whole_and_thousandth_values_are_rounded_up)
{
	CHECK_INT(lp_quantity_text_value("1500m", -1), 2);
	CHECK_INT(lp_quantity_text_value("-1500m", -1), -1);
	CHECK_INT(lp_quantity_text_milli("1.0001", -1), 1001);
	CHECK_INT(lp_quantity_text_milli("250m", -1), 250);
	CHECK_INT(lp_quantity_text_value("64Mi", -1), 64 << 20);
	CHECK_INT(lp_quantity_text_value("much", 7), 7);
	CHECK_INT(lp_quantity_text_milli(NULL, 7), 7);
}

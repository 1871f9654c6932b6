#include "tools/verbs/tabs.h"

#include "tests/harness.h"

static void
check(const char *text, const char *want)
{
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, 1 << 16);
	CHECK_OK(lp_tabs_print(text, &out), NULL);
	CHECK_STR(lp_buf_text(&out), want);
}

TEST(neighbours_share_a_column_and_others_do_not)
{
	check("", "");
	check("a\tb\n", "a  b\n");
	check("Name:\tx\nLong title:\ty\n", "Name:        x\nLong title:  y\n");
	check("Name:\tx\nIPs:\n  IP:\ty\n", "Name:  x\nIPs:\n  IP:  y\n");
	check("a\tb\tc\naaa\tbbbb\tc\n", "a    b     c\naaa  bbbb  c\n");
	check("x\t\n\ty\n", "x\n   y\n");
	check("no end\tof line", "no end  of line\n");
}

TEST(letters_of_two_bytes_are_one_wide)
{
	check("\xc3\xa4\tb\nab\tc\n", "\xc3\xa4   b\nab  c\n");
}

TEST(control_characters_do_not_reach_the_terminal)
{
	check("a\x1b[31m\tb\n", "a?[31m  b\n");
}

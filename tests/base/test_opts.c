#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/opts.h"

static struct lp_err err;
static bool all, tty, in;
static const char *name, *watch, *output;
static int64_t tail, grace_ms;
static struct lp_opt_list files;

static const struct lp_opt table[] = {
	{ "all", 'A', LP_OPT_FLAG, &all, NULL, "all of them" },
	{ "tty", 't', LP_OPT_FLAG, &tty, NULL, "a terminal" },
	{ "stdin", 'i', LP_OPT_FLAG, &in, NULL, "input" },
	{ "name", 'n', LP_OPT_STR, &name, "NAME", "its name" },
	{ "output", 'o', LP_OPT_STR, &output, "FORM", "how" },
	{ "tail", 0, LP_OPT_INT, &tail, "LINES", "how many" },
	{ "grace", 0, LP_OPT_DURATION, &grace_ms, "TIME", "how long" },
	{ "filename", 'f', LP_OPT_LIST, &files, "FILE", "which" },
	{ "watch", 'w', LP_OPT_STR_BARE, &watch, "HOW", "go on" },
	{ 0 },
};

static const char *rest[32];
static int rest_count, dash;

static int
parse(const char *line)
{
	static char copy[500];
	char *argv[32], *save = NULL;
	int argc = 0;

	strncpy(copy, line, sizeof(copy) - 1);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return lp_opts_parse(table, argc, argv, rest, &rest_count, &dash, &err);
}

TEST(options_and_words_may_be_mixed)
{
	CHECK_OK(parse("get -n web --tail=5 pods -A --filename a -fb -f=c x"), &err);
	CHECK_INT(rest_count, 3);
	CHECK_STR(rest[0], "get");
	CHECK_STR(rest[1], "pods");
	CHECK_STR(rest[2], "x");
	CHECK_STR(name, "web");
	CHECK_INT(tail, 5);
	CHECK(all);
	CHECK_INT(files.count, 3);
	CHECK_STR(files.items[0], "a");
	CHECK_STR(files.items[1], "b");
	CHECK_STR(files.items[2], "c");
	CHECK_INT(dash, -1);
}

TEST(letters_stand_together)
{
	CHECK_OK(parse("-it -owide"), &err);
	CHECK(in && tty);
	CHECK_STR(output, "wide");
}

TEST(flags_can_be_switched_off)
{
	all = tty = true;
	CHECK_OK(parse("--all=false --no-tty"), &err);
	CHECK(!all && !tty);
	CHECK_OK(parse("--all=true"), &err);
	CHECK(all);
}

TEST(what_stands_behind_the_dashes_is_left_alone)
{
	CHECK_OK(parse("exec web -- ls -l --all"), &err);
	CHECK_INT(rest_count, 5);
	CHECK_INT(dash, 2);
	CHECK_STR(rest[3], "-l");
	CHECK_STR(rest[4], "--all");
	CHECK(!all);
}

TEST(durations_have_units_and_seconds_are_the_default)
{
	CHECK_OK(parse("--grace 90"), &err);
	CHECK_INT(grace_ms, 90000);
	CHECK_OK(parse("--grace=2m"), &err);
	CHECK_INT(grace_ms, 120000);
}

TEST(an_option_with_an_optional_value_takes_it_only_with_an_equals_sign)
{
	CHECK_OK(parse("--watch pods"), &err);
	CHECK_STR(watch, "");
	CHECK_INT(rest_count, 1);
	CHECK_OK(parse("--watch=json"), &err);
	CHECK_STR(watch, "json");
}

TEST(wrong_usage_is_named)
{
	CHECK_ERR(parse("--nonsense"), -EINVAL);
	CHECK_HAS(err.text, "unknown flag: --nonsense");
	CHECK_ERR(parse("-z"), -EINVAL);
	CHECK_HAS(err.text, "z");
	CHECK_ERR(parse("--name"), -EINVAL);
	CHECK_HAS(err.text, "name");
	CHECK_ERR(parse("--tail x"), -EINVAL);
	CHECK_ERR(parse("--tail 99999999999999999999"), -EINVAL);
	CHECK_ERR(parse("--grace 5x"), -EINVAL);
	CHECK_ERR(parse("--all=perhaps"), -EINVAL);
}

TEST(too_many_of_a_list_is_an_error)
{
	char *argv[2 * LP_OPT_LIST_MAX + 3];
	const char *words[2 * LP_OPT_LIST_MAX + 3];
	char dash_f[] = "-f", value[] = "x";
	int count, at;

	files.count = 0;
	for (int i = 0; i <= LP_OPT_LIST_MAX; i++) {
		argv[2 * i] = dash_f;
		argv[2 * i + 1] = value;
	}
	argv[2 * LP_OPT_LIST_MAX + 2] = NULL;
	CHECK_ERR(lp_opts_parse(table, 2 * LP_OPT_LIST_MAX + 2, argv, words, &count, &at, &err), -EINVAL);
}

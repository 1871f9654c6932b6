#include "base/opts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct lp_opt *
by_name(const struct lp_opt *opts, const char *name, size_t len)
{
	for (; opts->name; opts++)
		if (strlen(opts->name) == len && strncmp(opts->name, name, len) == 0)
			return opts;
	return NULL;
}

static const struct lp_opt *
by_letter(const struct lp_opt *opts, char letter)
{
	for (; opts->name; opts++)
		if (opts->letter == letter)
			return opts;
	return NULL;
}

static bool
wants_value(const struct lp_opt *opt)
{
	return opt->type != LP_OPT_FLAG && opt->type != LP_OPT_STR_BARE;
}

static int
store_flag(const struct lp_opt *opt, const char *value, struct lp_err *err)
{
	bool *target = opt->target;

	if (!value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*target = true;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*target = false;
	else
		return lp_err_say(err, -EINVAL, "invalid argument \"%s\" for \"--%s\" flag: true or false is expected", value, opt->name);
	return 0;
}

static int
store(const struct lp_opt *opt, const char *value, struct lp_err *err)
{
	struct lp_opt_list *list;
	int64_t number;

	switch (opt->type) {
	case LP_OPT_FLAG:
		return store_flag(opt, value, err);
	case LP_OPT_STR:
	case LP_OPT_STR_BARE:
		*(const char **)opt->target = value ? value : "";
		return 0;
	case LP_OPT_INT:
		if (lp_text_i64(value, INT64_MIN, INT64_MAX, &number) < 0)
			return lp_err_say(err, -EINVAL, "invalid argument \"%s\" for \"--%s\" flag: a number is expected", value, opt->name);
		*(int64_t *)opt->target = number;
		return 0;
	case LP_OPT_DURATION:
		if (lp_text_u64(value, INT32_MAX, (uint64_t *)&number) == 0)
			number *= 1000;
		else if (lp_text_duration_ms(value, &number) < 0)
			return lp_err_say(err, -EINVAL, "invalid argument \"%s\" for \"--%s\" flag: a duration such as 30s or 5m is expected",
			    value, opt->name);
		*(int64_t *)opt->target = number;
		return 0;
	case LP_OPT_LIST:
		list = opt->target;
		if (list->count == LP_OPT_LIST_MAX)
			return lp_err_say(err, -EINVAL, "\"--%s\" is given more than %d times", opt->name, LP_OPT_LIST_MAX);
		list->items[list->count++] = value;
		return 0;
	}
	return -EINVAL;
}

struct words {
	int argc, at;
	char **argv;
};

static int
parse_long(const struct lp_opt *opts, struct words *words, struct lp_err *err)
{
	const char *word = words->argv[words->at] + 2;
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;
	const struct lp_opt *opt = by_name(opts, word, len);

	if (!opt && lp_text_starts(word, "no-") && !value) {
		opt = by_name(opts, word + 3, len - 3);
		if (opt && opt->type == LP_OPT_FLAG) {
			*(bool *)opt->target = false;
			return 0;
		}
		opt = NULL;
	}
	if (!opt)
		return lp_err_say(err, -EINVAL, "unknown flag: --%.*s", (int)len, word);
	if (wants_value(opt) && !value) {
		if (words->at + 1 >= words->argc)
			return lp_err_say(err, -EINVAL, "flag needs an argument: --%s", opt->name);
		value = words->argv[++words->at];
	}
	return store(opt, value, err);
}

static int
parse_letters(const struct lp_opt *opts, struct words *words, struct lp_err *err)
{
	const char *word = words->argv[words->at] + 1;

	for (; *word; word++) {
		const struct lp_opt *opt = by_letter(opts, *word);

		if (!opt)
			return lp_err_say(err, -EINVAL, "unknown shorthand flag: '%c' in -%s", *word, words->argv[words->at] + 1);
		if (opt->type == LP_OPT_FLAG) {
			*(bool *)opt->target = true;
			continue;
		}
		if (word[1])
			return store(opt, word[1] == '=' ? word + 2 : word + 1, err);
		if (opt->type == LP_OPT_STR_BARE)
			return store(opt, NULL, err);
		if (words->at + 1 >= words->argc)
			return lp_err_say(err, -EINVAL, "flag needs an argument: '%c' in -%c", *word, *word);
		return store(opt, words->argv[++words->at], err);
	}
	return 0;
}

int
lp_opts_parse(const struct lp_opt *opts, int argc, char **argv, const char **rest, int *out_rest, int *out_dash,
    struct lp_err *err)
{
	struct words words = { .argc = argc, .argv = argv };
	int count = 0, dash = -1;

	for (; words.at < argc; words.at++) {
		const char *word = argv[words.at];
		int rc = 0;

		if (dash >= 0 || word[0] != '-' || word[1] == '\0')
			rest[count++] = word;
		else if (strcmp(word, "--") == 0)
			dash = count;
		else if (word[1] == '-')
			rc = parse_long(opts, &words, err);
		else
			rc = parse_letters(opts, &words, err);
		if (rc < 0)
			return rc;
	}
	*out_rest = count;
	if (out_dash)
		*out_dash = dash;
	return 0;
}

enum { HELP_WIDTH = 100, HELP_INDENT = 30, USAGE_INDENT = 7 };

/* Text from the current column on, broken at spaces and indented. */
static void
print_wrapped(const char *text, int column, int indent)
{
	bool first = true;	/* on its line */

	while (*text) {
		int len = (int)strcspn(text, " \n");
		bool line = text[len] == '\n';

		if (!first && column + 1 + len > HELP_WIDTH) {
			(void)printf("\n%*s", indent, "");
			column = indent;
			first = true;
		}
		column += printf("%s%.*s", first ? "" : " ", len, text);
		first = false;
		if (line) {
			(void)printf("\n%*s", indent, "");
			column = indent;
			first = true;
		}
		text += len + (text[len] != '\0');
	}
	(void)printf("\n");
}

void
lp_opts_help(const char *usage, const char *text, const struct lp_opt *opts, const char *example)
{
	print_wrapped(usage, printf("usage: "), USAGE_INDENT);
	(void)printf("\n");
	print_wrapped(text, 0, 0);
	if (opts && opts->name)
		(void)printf("\nOptions:\n");
	for (; opts && opts->name; opts++) {
		int column = opts->letter ? printf("  -%c, --%s", opts->letter, opts->name) : printf("      --%s", opts->name);

		if (opts->value)
			column += printf(opts->type == LP_OPT_STR_BARE ? "[=%s]" : " %s", opts->value);
		if (column >= HELP_INDENT)
			column = printf("\n") - 1;
		column += printf("%*s", HELP_INDENT - column, "");
		print_wrapped(opts->help, column, HELP_INDENT);
	}
	if (example)
		(void)printf("\nExample:\n  %s\n", example);
}

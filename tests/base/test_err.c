#include "tests/harness.h"

#include <errno.h>
#include <string.h>

TEST(an_error_says_what_failed_and_why)
{
	struct lp_err err;

	CHECK_INT(lp_err_set(&err, -ENOENT, "open %s", "a"), -ENOENT);
	CHECK_INT(err.code, -ENOENT);
	CHECK_STR(err.text, "open a: No such file or directory");
}

TEST(a_complete_sentence_stays_as_it_is)
{
	struct lp_err err;

	CHECK_INT(lp_err_say(&err, -EINVAL, "%d is not a port", 70000), -EINVAL);
	CHECK_STR(err.text, "70000 is not a port");
}

TEST(wrapping_puts_words_in_front_and_keeps_the_code)
{
	struct lp_err err;

	(void)lp_err_say(&err, -EIO, "cut");
	CHECK_INT(lp_err_wrap(&err, "pod %s", "web"), -EIO);
	CHECK_STR(err.text, "pod web: cut");
}

TEST(nobody_who_listens_is_no_problem)
{
	CHECK_INT(lp_err_set(NULL, -ENOENT, "x"), -ENOENT);
	CHECK_INT(lp_err_say(NULL, -ENOENT, "x"), -ENOENT);
	CHECK_INT(lp_err_wrap(NULL, "x"), -EIO);
	lp_err_clear(NULL);
}

TEST(long_words_are_cut_and_stay_terminated)
{
	struct lp_err err;
	char word[400];

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	(void)lp_err_set(&err, -ENOENT, "%s", word);
	CHECK(memchr(err.text, '\0', sizeof(err.text)) != NULL);
	CHECK_INT(lp_err_wrap(&err, "%s", word), -ENOENT);
	CHECK(memchr(err.text, '\0', sizeof(err.text)) != NULL);
}

TEST(clearing_forgets)
{
	struct lp_err err;

	(void)lp_err_say(&err, -EIO, "cut");
	lp_err_clear(&err);
	CHECK_INT(err.code, 0);
	CHECK_STR(err.text, "");
}

TEST(every_code_has_words)
{
	for (int code = -200; code <= 200; code++)
		CHECK(lp_err_words(code) && lp_err_words(code)[0]);
	CHECK_STR(lp_err_words(ENOSPC), lp_err_words(-ENOSPC));
}

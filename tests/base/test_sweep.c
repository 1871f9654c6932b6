#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/sweep.h"

static struct lp_buf said;

static void
changed(void *arg, const char *key, void *old_value, void *new_value)
{
	(void)arg;
	(void)lp_buf_printf(&said, "%s%s ", !old_value ? "+" : !new_value ? "-" : "~", key);
}

static bool
same_text(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static void
sweep(struct lp_sweep *set, const char *a, const char *b)
{
	lp_buf_reset(&said);
	lp_sweep_begin(set);
	if (a)
		CHECK_INT(lp_sweep_want(set, "a", (void *)a), 0);
	if (b)
		CHECK_INT(lp_sweep_want(set, "b", (void *)b), 0);
	CHECK_INT(lp_sweep_end(set), 0);
}

TEST(a_sweep_tells_what_came_what_changed_and_what_went)
{
	struct lp_sweep set;

	lp_buf_init(&said, 1000);
	lp_sweep_init(&set, same_text, changed, NULL);
	sweep(&set, "1", NULL);
	CHECK_STR(lp_buf_text(&said), "+a ");
	sweep(&set, "1", NULL);
	CHECK_STR(lp_buf_text(&said), "");
	sweep(&set, "2", NULL);
	CHECK_STR(lp_buf_text(&said), "~a ");
	sweep(&set, NULL, "1");
	CHECK_STR(lp_buf_text(&said), "-a +b ");
	sweep(&set, NULL, NULL);
	CHECK_STR(lp_buf_text(&said), "-b ");
	lp_sweep_fini(&set);
	lp_buf_fini(&said);
}

TEST(what_is_gone_comes_before_what_is_new)
{
	struct lp_sweep set;

	lp_buf_init(&said, 1000);
	lp_sweep_init(&set, same_text, changed, NULL);
	sweep(&set, NULL, "1");
	sweep(&set, "1", NULL);
	CHECK_STR(lp_buf_text(&said), "-b +a ");
	lp_sweep_fini(&set);
	lp_buf_fini(&said);
}

/* What a boot leaves behind for the next one, and who is in doubt then. */
#include "agent/pod/unclean.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"

static int data_fd, run_fd;

static void
directories(void)
{
	lp_auto_fd int root = -1;
	struct lp_err err;

	CHECK_OK(lp_path_root(lp_test_dir(), true, &root, &err), &err);
	CHECK_OK(lp_path_mkdirs(root, "data", 0700, &data_fd, &err), &err);
	CHECK_OK(lp_path_mkdirs(root, "run", 0700, &run_fd, &err), &err);
}

/* As an agent of this boot finds it. */
static bool
doubts(const char *boot)
{
	struct lp_unclean unclean;
	struct lp_err err;
	bool doubt;

	lp_unclean_init(&unclean);
	CHECK_OK(lp_unclean_begin(&unclean, data_fd, run_fd, boot, &err), &err);
	doubt = unclean.doubt;
	CHECK_INT(doubt, unclean.checked_fd >= 0);
	lp_unclean_stop(&unclean);
	return doubt;
}

TEST(the_first_boot_and_one_after_a_good_end_are_not_in_doubt)
{
	struct lp_err err;

	directories();
	CHECK(!doubts("one"));
	CHECK_OK(lp_unclean_end(data_fd, "one", &err), &err);
	CHECK(!doubts("two"));
}

TEST(a_boot_after_one_that_never_ended_is_in_doubt_for_every_agent_of_it)
{
	struct lp_err err;

	directories();
	CHECK(!doubts("one"));
	CHECK(!doubts("one"));		/* the agent was killed; the machine was not */
	CHECK(doubts("two"));
	CHECK(doubts("two"));
	CHECK_OK(lp_unclean_end(data_fd, "two", &err), &err);
	CHECK(doubts("two"));		/* upgraded: what was not checked is still not */
	CHECK_OK(lp_unclean_end(data_fd, "two", &err), &err);
	CHECK(!doubts("three"));
}

TEST(an_agent_killed_before_it_has_written_its_boot_leaves_the_doubt)
{
	struct stat st;

	directories();
	CHECK(!doubts("one"));
	CHECK(doubts("two"));
	/* what is in memory is gone with the boot, whatever name it has */
	CHECK_INT(fstatat(run_fd, "checked.two", &st, 0), 0);
	CHECK(doubts("three"));
	CHECK_INT(fstatat(run_fd, "checked.three", &st, 0), 0);
}

TEST(damaged_words_are_no_good_end)
{
	static const char *const names[] = { "boot", "boot.old" };

	directories();
	CHECK(!doubts("one"));
	for (size_t i = 0; i < 2; i++) {
		int fd = openat(data_fd, names[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		CHECK(fd >= 0 && write(fd, "junk", 4) == 4 && close(fd) == 0);
	}
	CHECK(doubts("two"));
	CHECK(doubts("two"));
}

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/node/measure.h"
#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"

static uint64_t bytes, inodes;

static int
open_dir(void)
{
	int fd;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, NULL), NULL);
	return fd;
}

TEST(a_tree_is_what_its_blocks_are_and_a_hard_link_counts_once)
{
	lp_auto_fd int dir = open_dir();
	static char block[65536];

	CHECK_OK(lp_path_mkdirs(dir, "tree/a", 0755, NULL, NULL), NULL);
	memset(block, 'x', sizeof(block));
	(void)lp_test_file("tree/a/f", block, sizeof(block));
	CHECK(linkat(dir, "tree/a/f", dir, "tree/g", 0) == 0);
	CHECK(symlinkat("/", dir, "tree/out") == 0);
	CHECK_OK(lp_measure_tree(dir, "tree", &bytes, &inodes, NULL), NULL);
	CHECK(bytes >= sizeof(block) && bytes < 2 * sizeof(block));
	CHECK_INT(inodes, 5);
	CHECK_OK(lp_measure_tree(dir, "nothing", &bytes, &inodes, NULL), NULL);
	CHECK_INT(bytes, 0);
}

TEST(what_is_hidden_in_the_depth_counts_as_more_than_any_limit)
{
	lp_auto_fd int dir = open_dir(), at = -1;

	CHECK_OK(lp_path_mkdirs(dir, "tree", 0755, &at, NULL), NULL);
	for (int i = 0; i < 400; i++) {
		int next;

		if (i == 150) {
			CHECK_OK(lp_measure_tree(dir, "tree", &bytes, &inodes, NULL), NULL);
			CHECK(bytes < 1 << 20);
			CHECK_INT(inodes, 151);
		}
		CHECK(mkdirat(at, "d", 0755) == 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(next >= 0);
		lp_close(&at);
		at = next;
	}
	CHECK_OK(lp_measure_tree(dir, "tree", &bytes, &inodes, NULL), NULL);
	CHECK(bytes == LP_MEASURE_TOO_DEEP);
	CHECK_OK(lp_path_remove(dir, "tree", NULL), NULL);
}

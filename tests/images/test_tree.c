#include "images/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "tests/harness.h"

static struct lp_err err;
static char last[LP_DIGEST_TEXT];

static int
root(void)
{
	int fd = open(lp_test_path("t"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

/* Has the digest changed since the last call? */
static bool
changed(void)
{
	lp_auto_fd int fd = root();
	char now[LP_DIGEST_TEXT];
	bool differs;

	CHECK_OK(lp_tree_digest(fd, now, NULL, &err), &err);
	differs = strcmp(now, last) != 0;
	memcpy(last, now, sizeof(last));
	return differs;
}

TEST(every_change_that_a_container_could_see_changes_the_digest)
{
	uint64_t bytes;

	CHECK_INT(mkdir(lp_test_path("t"), 0755), 0);
	CHECK_INT(mkdir(lp_test_path("t/d"), 0755), 0);
	(void)lp_test_file("t/d/f", "content", SIZE_MAX);
	(void)lp_test_file("t/g", "more", SIZE_MAX);
	CHECK_INT(symlink("f", lp_test_path("t/d/l")), 0);
	lp_auto_fd int fd = root(), file = open(lp_test_path("t/d/f"), O_RDWR | O_CLOEXEC);
	CHECK_OK(lp_tree_digest(fd, last, &bytes, &err), &err);
	CHECK_INT(bytes, 11);
	CHECK(!changed());

	struct timespec times[2] = { { 5, 5 }, { 5, 5 } };
	CHECK_INT(futimens(file, times), 0);
	CHECK(changed() && !changed());
	/* the same time, the same size, other bytes */
	CHECK_INT(pwrite(file, "C", 1, 0), 1);
	CHECK_INT(futimens(file, times), 0);
	CHECK(changed());
	CHECK_INT(fchmod(file, 0600), 0);
	CHECK(changed());
	CHECK_INT(rename(lp_test_path("t/g"), lp_test_path("t/d/g")), 0);
	CHECK(changed());
	CHECK_INT(unlink(lp_test_path("t/d/l")), 0);
	CHECK(changed());
	CHECK_INT(symlink("g", lp_test_path("t/d/l")), 0);
	CHECK(changed());
	CHECK_INT(mkdir(lp_test_path("t/e"), 0755), 0);
	CHECK(changed());
}

TEST(an_opaque_mark_counts)
{
	lp_test_need_root();
	CHECK_INT(mkdir(lp_test_path("t"), 0755), 0);
	CHECK(changed());
	CHECK_INT(setxattr(lp_test_path("t"), "trusted.overlay.opaque", "y", 1, 0), 0);
	CHECK(changed());
}

TEST(a_tree_that_is_too_deep_is_refused)
{
	char path[4096];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s", lp_test_path("t"));

	CHECK_INT(mkdir(path, 0755), 0);
	for (int i = 0; i < 310; i++) {
		used += (size_t)snprintf(path + used, sizeof(path) - used, "/d");
		CHECK_INT(mkdir(path, 0755), 0);
	}
	lp_auto_fd int fd = root();
	CHECK(lp_tree_digest(fd, last, NULL, &err) < 0);
	CHECK_HAS(err.text, "too deep");
}

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/rootfs.h"
#include "tests/harness.h"

static struct lp_err err;

TEST(a_root_needs_layers_or_a_ready_tree)
{
	const struct lp_rootfs rootfs = { .ready = { .fd = -1 }, .writable = { .fd = -1 } };
	struct lp_rootfs_parts parts;

	CHECK_ERR(lp_rootfs_prepare(&rootfs, -1, 0, 0, &parts, &err), -EINVAL);
}

TEST(more_layers_than_fit_are_refused)
{
	struct lp_place layers[LP_ROOTFS_LAYERS_MAX + 1] = { { .path = "/" } };
	const struct lp_rootfs rootfs = { .ready = { .fd = -1 }, .writable = { .fd = -1 }, .layers = layers,
		.layer_count = lp_count(layers) };
	struct lp_rootfs_parts parts;

	CHECK_ERR(lp_rootfs_prepare(&rootfs, -1, 0, 0, &parts, &err), -E2BIG);
}

TEST(a_missing_layer_is_named_and_nothing_stays_open)
{
	const struct lp_place layers[] = { { .path = lp_test_dir() }, { .path = lp_test_path("missing") } };
	const struct lp_rootfs rootfs = { .ready = { .fd = -1 }, .writable = { .fd = -1 }, .layers = layers, .layer_count = 2 };
	struct lp_rootfs_parts parts;
	int before, after;

	lp_test_need_root();
	before = dup(0);
	CHECK_ERR(lp_rootfs_prepare(&rootfs, -1, 0, 0, &parts, &err), -ENOENT);
	CHECK_HAS(err.text, "layer 1: open ");
	after = dup(0);
	CHECK_INT(after, before + 1);
	(void)close(before);
	(void)close(after);
}

TEST(the_writable_layer_is_made_anew_with_the_mode_of_the_image_root)
{
	lp_auto_fd int dir = -1;
	struct lp_place layer = { .path = NULL };
	struct lp_rootfs rootfs = { .ready = { .fd = -1 }, .layers = &layer, .layer_count = 1 };
	struct lp_rootfs_parts parts;
	struct stat st;

	lp_test_need_root();
	CHECK(mkdir(lp_test_path("layer"), 0700) == 0 && mkdir(lp_test_path("writable"), 0700) == 0);
	CHECK(chmod(lp_test_path("layer"), 01751) == 0);
	CHECK_OK(lp_path_root(lp_test_path("writable"), false, &dir, &err), &err);
	CHECK_OK(lp_path_mkdirs(dir, "upper/old", 0755, NULL, &err), &err);
	CHECK_OK(lp_path_mkdirs(dir, "work/incompat/volatile", 0755, NULL, &err), &err);
	layer.path = lp_test_path("layer");
	rootfs.writable = (struct lp_place){ .path = NULL, .fd = dir };
	CHECK_OK(lp_rootfs_prepare(&rootfs, -1, 0, 0, &parts, &err), &err);
	CHECK(fstatat(dir, "upper", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 01751);
	CHECK(faccessat(dir, "upper/old", F_OK, 0) < 0 && faccessat(dir, "work/incompat", F_OK, 0) < 0);
	lp_rootfs_parts_fini(&parts);

	CHECK_OK(lp_path_mkdirs(dir, "upper/kept", 0755, NULL, &err), &err);
	rootfs.keep_upper = true;
	CHECK_OK(lp_rootfs_prepare(&rootfs, -1, 0, 0, &parts, &err), &err);
	CHECK(faccessat(dir, "upper/kept", F_OK, 0) == 0);
	lp_rootfs_parts_fini(&parts);
	CHECK_OK(lp_rootfs_clear(&rootfs.writable, &err), &err);
	CHECK(faccessat(dir, "upper", F_OK, 0) < 0 && faccessat(dir, "work", F_OK, 0) < 0);
	CHECK_OK(lp_rootfs_clear(&rootfs.writable, &err), &err);
}

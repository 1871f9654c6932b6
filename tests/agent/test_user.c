#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/facts/user.h"
#include "base/path.h"
#include "tests/harness.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\nbroken line\nnode:x:1000:1001:Node:/home/node:/bin/sh\nevil:x:-1:0::\n";

static struct lp_arena arena;
static int layers[2];

static void
make_layers(void)
{
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 1 << 20);
	for (int i = 0; i < 2; i++) {
		int etc = -1;

		CHECK_OK(lp_path_root(lp_test_path(i ? "upper" : "lower"), true, &layers[i], &err), &err);
		CHECK_OK(lp_path_mkdirs(layers[i], "etc", 0755, &etc, &err), &err);
		(void)close(etc);
	}
	(void)lp_test_file("lower/etc/passwd", passwd, SIZE_MAX);
	(void)lp_test_file("lower/etc/group", "root:x:0:\naudio:x:29:pulse,node\nvideo:x:44:nodes\nnode:x:1001:\n", SIZE_MAX);
}

static int
resolve(const char *user, struct lp_user *out, struct lp_err *err)
{
	return lp_user_resolve(&arena, user, layers, 2, out, err);
}

TEST(a_name_is_found_with_its_group_and_memberships)
{
	struct lp_user user;
	struct lp_err err = { 0 };

	make_layers();
	CHECK_OK(resolve("node", &user, &err), &err);
	CHECK_INT(user.uid, 1000);
	CHECK_INT(user.gid, 1001);
	CHECK_INT(user.group_count, 1);
	CHECK_INT(user.groups[0], 29);
}

TEST(numbers_need_no_passwd_and_take_the_group_from_it_when_there)
{
	struct lp_user user;
	struct lp_err err = { 0 };

	make_layers();
	CHECK_OK(resolve("1000", &user, &err), &err);
	CHECK_INT(user.gid, 1001);
	CHECK_OK(resolve("4711", &user, &err), &err);
	CHECK_INT(user.uid, 4711);
	CHECK_INT(user.gid, 0);
	CHECK_OK(resolve("4711:audio", &user, &err), &err);
	CHECK_INT(user.gid, 29);
	CHECK_OK(resolve("", &user, &err), &err);
	CHECK_INT(user.uid, 0);
}

TEST(ids_that_are_no_ids_are_refused)
{
	static const char *const bad[] = { "4294967295", "-1", "0x0", "99999999999999999999", "nobody-here", "node:nogroup", "evil" };
	struct lp_user user;
	struct lp_err err = { 0 };

	make_layers();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(resolve(bad[i], &user, &err) < 0);
}

TEST(the_topmost_layer_wins_and_a_link_does_not_lead_out)
{
	struct lp_user user;
	struct lp_err err = { 0 };

	make_layers();
	(void)lp_test_file("upper/etc/passwd", "node:x:2000:2000::/:/bin/sh\n", SIZE_MAX);
	CHECK_OK(resolve("node", &user, &err), &err);
	CHECK_INT(user.uid, 2000);
	CHECK_INT(unlinkat(layers[1], "etc/passwd", 0), 0);
	CHECK_INT(symlinkat("../../../../../../etc/passwd", layers[1], "etc/passwd"), 0);
	CHECK_ERR(resolve("daemon", &user, &err), -ENOENT);
}

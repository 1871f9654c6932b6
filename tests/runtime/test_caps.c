#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "base/auto.h"
#include "runtime/caps.h"
#include "tests/harness.h"

#define BIT(cap) (UINT64_C(1) << (cap))

TEST(the_default_set_has_nine_members_and_one_more_in_a_user_namespace)
{
	CHECK_INT(__builtin_popcountll(lp_caps_default(false)), 9);
	CHECK_INT(lp_caps_default(true) ^ lp_caps_default(false), BIT(CAP_SYS_CHROOT));
	CHECK(!(lp_caps_default(true) & (BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_MKNOD) | BIT(CAP_NET_ADMIN))));
}

TEST(names_are_read_with_and_without_prefix_in_any_case)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} rows[] = {
		{ "CAP_NET_ADMIN", BIT(CAP_NET_ADMIN) }, { "NET_ADMIN", BIT(CAP_NET_ADMIN) }, { "net_admin", BIT(CAP_NET_ADMIN) },
		{ "CHOWN", BIT(CAP_CHOWN) }, { "ALL", LP_CAP_ALL }, { "CAP_ALL", LP_CAP_ALL },
		{ "CHECKPOINT_RESTORE", BIT(CAP_CHECKPOINT_RESTORE) },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		uint64_t got = 0;

		CHECK_INT(lp_caps_parse(rows[i].name, &got), 0);
		CHECK(got == rows[i].bit);
	}
}

TEST(what_is_no_capability_is_refused)
{
	static const char *const names[] = { "", "CAP_", "12", "CAP_12", "NET_ADMIN ", "FLY", "CAP_CAP_CHOWN",
		"A_NAME_THAT_IS_LONGER_THAN_ANY_CAPABILITY_EVER_WAS" };
	uint64_t got = 77;

	for (size_t i = 0; i < lp_count(names); i++)
		CHECK_INT(lp_caps_parse(names[i], &got), -EINVAL);
	CHECK(got == 77);
}

TEST(filled_sets_are_equal_and_ambient_only_when_asked)
{
	struct lp_caps caps;

	lp_caps_fill(&caps, 6, false);
	CHECK(caps.bounding == 6 && caps.permitted == 6 && caps.effective == 6 && caps.inheritable == 0 && caps.ambient == 0);
	lp_caps_fill(&caps, 6, true);
	CHECK(caps.inheritable == 6 && caps.ambient == 6);
}

TEST(dropped_is_dropped_and_verified)
{
	struct lp_caps caps;
	struct lp_err err;

	lp_test_need_root();
	lp_caps_fill(&caps, BIT(CAP_CHOWN) | BIT(CAP_KILL), false);
	CHECK_OK(lp_caps_bound(caps.bounding, &err), &err);
	CHECK_OK(lp_caps_apply(&caps, &err), &err);
	CHECK_OK(lp_caps_verify(&caps, &err), &err);
	caps.effective = caps.permitted = caps.bounding = BIT(CAP_CHOWN);
	CHECK_ERR(lp_caps_verify(&caps, &err), -EPERM);
	CHECK_HAS(err.text, "capabilities are not what was set");
	/* Nothing comes back. */
	lp_caps_fill(&caps, BIT(CAP_SYS_ADMIN), false);
	CHECK_ERR(lp_caps_apply(&caps, &err), -EPERM);
}

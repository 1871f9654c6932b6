#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/ns.h"
#include "tests/harness.h"

static struct lp_err err;

TEST(ids_map_by_range_and_an_empty_map_is_the_identity)
{
	const struct lp_idmap map[] = { { 0, 100000, 1000 }, { 1000, 5000, 1 }, { 4294967000u, 7, 10 } };
	uint32_t out = 1;

	CHECK_INT(lp_ns_map(NULL, 0, 42, &out), 0);
	CHECK_INT(out, 42);
	CHECK_INT(lp_ns_map(map, 3, 999, &out), 0);
	CHECK_INT(out, 100999);
	CHECK_INT(lp_ns_map(map, 3, 1000, &out), 0);
	CHECK_INT(out, 5000);
	CHECK_INT(lp_ns_map(map, 3, 4294967009u, &out), 0);
	CHECK_INT(out, 16);
	CHECK_INT(lp_ns_map(map, 3, 1001, &out), -ERANGE);
	CHECK_INT(lp_ns_map(map, 3, 4294967010u, &out), -ERANGE);
	CHECK_INT(out, 16);
}

TEST(sysctls_are_allowed_by_the_namespace_they_live_in)
{
	const uint32_t net = LP_NS_BIT(LP_NS_NET), ipc = LP_NS_BIT(LP_NS_IPC);
	static const struct {
		const char *name;
		enum lp_ns ns;
	} rows[] = {
		{ "net.ipv4.ip_forward", LP_NS_NET }, { "net/core/somaxconn", LP_NS_NET }, { "kernel.shmmax", LP_NS_IPC },
		{ "kernel.sem", LP_NS_IPC }, { "fs.mqueue.msg_max", LP_NS_IPC }, { "kernel.domainname", LP_NS_UTS },
	};
	static const char *const never[] = { "", "net", "kernel.panic", "vm.swappiness", "kernel.shmmaxx", "net..ipv4", "/net/x",
		"net/../kernel/panic", ".net.x", "kernel.sem.x", "fs.mqueue" };

	for (size_t i = 0; i < lp_count(rows); i++) {
		CHECK(lp_ns_sysctl_allowed(rows[i].name, LP_NS_BIT(rows[i].ns)));
		CHECK(!lp_ns_sysctl_allowed(rows[i].name, ~LP_NS_BIT(rows[i].ns)));
	}
	for (size_t i = 0; i < lp_count(never); i++)
		if (lp_ns_sysctl_allowed(never[i], ~0u))
			FAIL("%s was allowed", never[i]);
	CHECK(!lp_ns_sysctl_allowed("net.x", ipc));
	CHECK(lp_ns_sysctl_allowed("net.x", net | ipc));
}

TEST(only_the_namespaces_of_a_group_are_made_together)
{
	const struct lp_ns_config config = { .make = LP_NS_BIT(LP_NS_MOUNT) };
	struct lp_ns_set set;

	CHECK_ERR(lp_ns_make(&config, &set, &err), -EINVAL);
}

TEST(who_stands_for_root_outside_is_id_0_or_the_first_of_the_map)
{
	const struct lp_idmap usual[] = { { 5, 900, 5 }, { 0, 100000, 5 } }, without[] = { { 1000, 200000, 10 }, { 2000, 300000, 10 } };
	uint32_t uid, gid;

	lp_ns_root(NULL, 0, NULL, 0, &uid, &gid);
	CHECK(uid == 0 && gid == 0);
	lp_ns_root(usual, 2, without, 2, &uid, &gid);
	CHECK(uid == 100000 && gid == 200000);
}

TEST(a_user_namespace_without_a_map_is_refused)
{
	const struct lp_ns_config config = { .make = LP_NS_BIT(LP_NS_USER) };
	struct lp_ns_set set;

	lp_test_need_root();
	lp_test_need_kernel();
	CHECK_ERR(lp_ns_make(&config, &set, &err), -EINVAL);
	CHECK_HAS(err.text, "uid_map");
}

TEST(a_set_is_made_without_a_process_staying_behind)
{
	const struct lp_idmap map = { 0, 300000, 65536 };
	const struct lp_ns_config config = { .make = LP_NS_BIT(LP_NS_USER) | LP_NS_BIT(LP_NS_NET) | LP_NS_BIT(LP_NS_UTS),
		.uids = &map, .gids = &map, .uid_count = 1, .gid_count = 1, .hostname = "made" };
	struct lp_ns_set set;
	char name[64];

	lp_test_need_root();
	lp_test_need_kernel();
	CHECK_OK(lp_ns_make(&config, &set, &err), &err);
	CHECK(set.fds[LP_NS_USER] >= 0 && set.fds[LP_NS_NET] >= 0 && set.fds[LP_NS_UTS] >= 0);
	CHECK_INT(set.fds[LP_NS_IPC], -1);
	CHECK(setns(set.fds[LP_NS_UTS], CLONE_NEWUTS) == 0);
	CHECK(gethostname(name, sizeof(name)) == 0);
	CHECK_STR(name, "made");
	lp_ns_set_fini(&set);
	CHECK_INT(set.fds[LP_NS_USER], -1);
}

TEST(a_sysctl_of_the_host_fails_the_whole_set)
{
	const struct lp_sysctl sysctl = { "kernel.panic", "0" };
	const struct lp_ns_config config = { .make = LP_NS_BIT(LP_NS_NET), .sysctls = &sysctl, .sysctl_count = 1 };
	struct lp_ns_set set = { .fds = { 77 } };

	lp_test_need_root();
	lp_test_need_kernel();
	CHECK_ERR(lp_ns_make(&config, &set, &err), -EPERM);
	CHECK_INT(set.fds[0], 77);
}

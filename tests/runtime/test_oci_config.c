#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/oci/oci_config.h"
#include "runtime/oci/oci_features.h"
#include "runtime/oci/oci_resources.h"
#include "tests/harness.h"

struct fixture {
	struct lp_arena arena;
	struct lp_oci_spec *spec;
	struct lp_oci_config config;
	struct lp_err err;
};

/* A config with these members, in a bundle with an empty root. */
static int
make(struct fixture *f, const char *members)
{
	char text[4096];
	int rc;

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < LP_NS_COUNT; i++)
		f->config.ns_fds[i] = -1;
	lp_arena_init(&f->arena, 4 << 20);
	(void)mkdir(lp_test_path("rootfs"), 0755);
	(void)snprintf(text, sizeof(text), "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"}%s%s}", members[0] ? "," : "", members);
	rc = lp_oci_spec_parse(&f->arena, text, strlen(text), &f->spec, &f->err);
	return rc < 0 ? rc : lp_oci_config_make(&f->arena, f->spec, lp_test_dir(), &f->config, &f->err);
}

static void
done(struct fixture *f)
{
	lp_oci_config_fini(&f->config);
	lp_arena_fini(&f->arena);
}

static void
refuses(const char *members, const char *words)
{
	struct fixture f;

	CHECK(make(&f, members) < 0);
	CHECK_HAS(f.err.text, words);
	done(&f);
}

TEST(a_config_that_says_little_gives_little)
{
	struct fixture f;

	CHECK_OK(make(&f, "\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]}"), &f.err);
	for (int i = 0; i < LP_NS_COUNT; i++)
		CHECK_INT(f.config.container.ns[i].how, LP_NS_HOST);
	CHECK(f.config.container.process.caps.bounding == 0);
	CHECK_INT(f.config.container.process.seccomp, LP_SECCOMP_UNCONFINED);
	CHECK(!f.config.container.process.no_new_privs);
	CHECK(f.config.container.masked_paths == NULL && f.config.container.mount_count == 0);
	CHECK_STR(f.config.container.process.env[0], "HOME=/");
	CHECK(f.config.container.rootfs.keep_ids);
	done(&f);
}

TEST(namespaces_and_maps_belong_together)
{
	struct fixture f;

	CHECK_OK(make(&f, "\"linux\":{\"namespaces\":[{\"type\":\"user\"},{\"type\":\"pid\"}],"
	    "\"uidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1},{\"containerID\":1,\"hostID\":100,\"size\":9}],"
	    "\"gidMappings\":[{\"containerID\":0,\"hostID\":6,\"size\":1}]}"), &f.err);
	CHECK_INT(f.config.container.ns[LP_NS_USER].how, LP_NS_NEW);
	CHECK_INT(f.config.container.ns[LP_NS_NET].how, LP_NS_HOST);
	CHECK_INT(f.config.container.uid_count, 2);
	CHECK_INT(f.config.container.uids[1].outside, 100);
	CHECK_INT(f.config.container.gids[0].outside, 6);
	done(&f);
	refuses("\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}", "without id mappings");
	refuses("\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}]}", "without a user namespace");
	refuses("\"linux\":{\"namespaces\":[{\"type\":\"net\"}]}", "unknown namespace type net");
	refuses("\"linux\":{\"namespaces\":[{\"type\":\"ipc\"},{\"type\":\"ipc\"}]}", "twice");
	refuses("\"linux\":{\"namespaces\":[{\"type\":\"ipc\",\"path\":\"x\"}]}", "not absolute");
	refuses("\"linux\":{\"namespaces\":[{\"type\":\"ipc\",\"path\":\"/proc/self/ns/net\"}]}", "no ipc namespace");
	refuses("\"linux\":{\"namespaces\":[{\"type\":\"ipc\",\"path\":\"/nowhere\"}]}", "/nowhere");
	refuses("\"hostname\":\"x\"", "UTS");
	refuses("\"domainname\":\"x\"", "UTS");
}

TEST(our_own_namespace_by_its_path_is_the_hosts)
{
	struct fixture f;

	lp_test_need_kernel();
	CHECK_OK(make(&f, "\"linux\":{\"namespaces\":[{\"type\":\"user\",\"path\":\"/proc/self/ns/user\"},{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"}]}"),
	    &f.err);
	CHECK_INT(f.config.container.ns[LP_NS_USER].how, LP_NS_HOST);
	CHECK_INT(f.config.container.ns[LP_NS_NET].how, LP_NS_HOST);
	done(&f);
}

TEST(words_of_a_process_become_the_kernels_numbers)
{
	struct fixture f;
	const struct lp_process_config *process = &f.config.container.process;

	CHECK_OK(make(&f, "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":3,\"gid\":4,\"umask\":0},"
	    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":5,\"hard\":6}],\"oomScoreAdj\":0,"
	    "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":2,\"period\":3,\"flags\":[\"SCHED_FLAG_RECLAIM\",\"SCHED_FLAG_DL_OVERRUN\"]},"
	    "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":7},\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"0-1\"}},"
	    "\"linux\":{\"personality\":{\"domain\":\"LINUX32\"}}"), &f.err);
	CHECK_INT(process->uid, 3);
	CHECK(process->umask_set && process->umask == 0 && process->oom_score_set && process->oom_score_adj == 0);
	CHECK_INT(process->rlimits[0].resource, RLIMIT_NOFILE);
	CHECK(process->rlimits[0].soft == 5 && process->rlimits[0].hard == 6);
	CHECK(process->scheduler->policy == 6 && process->scheduler->flags == 6 && process->scheduler->period_ns == 3);
	CHECK(process->io_priority_set && process->io_class == 3 && process->io_priority == 7);
	CHECK(process->personality_set && process->personality == 8);
	CHECK_STR(process->cpus_final, "0-1");
	done(&f);
}

#define PROCESS(more) "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]," more "}"

TEST(what_a_process_cannot_be_is_refused)
{
	refuses("\"process\":{\"cwd\":\"/\",\"args\":[]}", "args must not be empty");
	refuses("\"process\":{\"cwd\":\"tmp\",\"args\":[\"a\"]}", "absolute");
	refuses(PROCESS("\"env\":[\"=x\"]"), "invalid environment");
	refuses(PROCESS("\"env\":[\"x\"]"), "invalid environment");
	refuses(PROCESS("\"rlimits\":[{\"type\":\"NOFILE\",\"soft\":5,\"hard\":6}]"), "NOFILE");
	refuses(PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":5,\"hard\":6},{\"type\":\"RLIMIT_CPU\",\"soft\":5,\"hard\":6}]"), "twice");
	refuses(PROCESS("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"), "0 to 7");
	refuses(PROCESS("\"scheduler\":{\"policy\":\"SCHED_RR\",\"flags\":[\"x\"]}"), "scheduler.flags");
	refuses("\"linux\":{\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"x\"]}}", "personality.flags");
	refuses("\"linux\":{\"timeOffsets\":{\"monotonic\":{\"secs\":1}}}", "time namespace");
	refuses("\"linux\":{\"rootfsPropagation\":\"ro\"}", "rootfsPropagation");
	refuses("\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"z\"}]}", "devices[0].type");
	refuses("\"linux\":{\"devices\":[{\"path\":\"x\",\"type\":\"c\"}]}", "devices[0].path");
}

TEST(unknown_capabilities_are_noted_and_left_out)
{
	struct fixture f;

	CHECK_OK(make(&f, PROCESS("\"capabilities\":{\"bounding\":[\"CAP_NOT_YET\",\"ALL\"],\"effective\":[]}")), &f.err);
	CHECK(f.config.container.process.caps.bounding == 0);
	CHECK_HAS(lp_buf_text(&f.config.notes), "CAP_NOT_YET is unknown");
	CHECK_HAS(lp_buf_text(&f.config.notes), "ALL is unknown");
	done(&f);
}

TEST(of_two_variables_the_last_holds_and_home_is_looked_up)
{
	struct fixture f;
	const char *const *env = NULL;

	(void)mkdir(lp_test_path("rootfs"), 0755);
	(void)mkdir(lp_test_path("rootfs/etc"), 0755);
	(void)lp_test_file("rootfs/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nshort:x:7\nseven:x:7:7::/home/seven:/bin/sh\nx:x:8:8:::\n", SIZE_MAX);
	CHECK_OK(make(&f, PROCESS("\"user\":{\"uid\":7,\"gid\":7},\"env\":[\"A=1\",\"B=2\",\"A=3\",\"HOME=\"]")), &f.err);
	env = f.config.container.process.env;
	CHECK_STR(env[0], "A=3");
	CHECK_STR(env[1], "B=2");
	CHECK_STR(env[2], "HOME=/home/seven");
	CHECK(env[3] == NULL);
	done(&f);
	CHECK_OK(make(&f, PROCESS("\"user\":{\"uid\":8,\"gid\":7}")), &f.err);
	CHECK_STR(f.config.container.process.env[0], "HOME=/");
	done(&f);
	CHECK_OK(make(&f, PROCESS("\"env\":[\"HOME=/mine\"]")), &f.err);
	CHECK_STR(f.config.container.process.env[0], "HOME=/mine");
	done(&f);
}

TEST(a_passwd_that_is_no_file_says_nothing)
{
	struct fixture f;

	(void)mkdir(lp_test_path("rootfs"), 0755);
	(void)mkdir(lp_test_path("rootfs/etc"), 0755);
	CHECK(mkfifo(lp_test_path("rootfs/etc/passwd"), 0600) == 0);
	CHECK_OK(make(&f, PROCESS("\"user\":{\"uid\":7,\"gid\":7}")), &f.err);
	CHECK_STR(f.config.container.process.env[0], "HOME=/");
	done(&f);
}

/* ---- resources ---- */

static int
limits_of(struct fixture *f, const char *json, struct lp_cgroup_limits *out)
{
	struct lp_oci_resources *resources;
	int rc;

	memset(f, 0, sizeof(*f));
	lp_arena_init(&f->arena, 1 << 20);
	rc = lp_oci_spec_parse_resources(&f->arena, json, strlen(json), &resources, &f->err);
	return rc < 0 ? rc : lp_oci_resources_make(&f->arena, resources, out, &f->err);
}

TEST(resources_become_limits)
{
	struct lp_cgroup_limits limits;
	struct fixture f;

	CHECK_OK(limits_of(&f, "{\"memory\":{\"limit\":1000,\"swap\":1500,\"reservation\":-1},\"cpu\":{\"shares\":1024,\"quota\":-1,\"period\":50000,"
	    "\"idle\":1,\"cpus\":\"0\"},\"pids\":{\"limit\":-1},\"blockIO\":{\"weight\":100,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":5}],"
	    "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":6}]},\"unified\":{\"memory.high\":\"3\"},"
	    "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":7}]}", &limits), &f.err);
	CHECK_INT(limits.memory_max_bytes, 1000);
	CHECK_INT(limits.swap_max_bytes, 500);
	CHECK(limits.memory_low_bytes == LP_CGROUP_MAX && limits.cpu_quota_usec == LP_CGROUP_MAX && limits.pids_max == LP_CGROUP_MAX);
	CHECK_INT(limits.cpu_weight, 100);
	CHECK_INT(limits.cpu_period_usec, 50000);
	CHECK_INT(limits.cpu_idle, 1);
	CHECK_STR(limits.cpuset_cpus, "0");
	CHECK_INT(limits.io_count, 1);
	CHECK(limits.io[0].read_bps == 5 && limits.io[0].write_iops == 6 && limits.io[0].write_bps == 0);
	CHECK_INT(limits.io_weight, 100);
	CHECK_STR(limits.unified[0].file, "memory.high");
	CHECK_INT(limits.huge[0].bytes, 7);
	lp_arena_fini(&f.arena);
	CHECK_OK(limits_of(&f, "{}", &limits), &f.err);
	CHECK(limits.memory_max_bytes == 0 && limits.swap_max_bytes == LP_CGROUP_SWAP_UNSET && limits.device_rule_count == 0);
	lp_arena_fini(&f.arena);
}

TEST(what_cgroup_v2_has_no_file_for_is_refused_by_name)
{
	static const struct { const char *json, *words; } bad[] = {
		{ "{\"memory\":{\"kernel\":5}}", "memory.kernel" }, { "{\"memory\":{\"kernelTCP\":5}}", "memory.kernelTCP" },
		{ "{\"memory\":{\"swappiness\":0}}", "memory.swappiness" }, { "{\"memory\":{\"disableOOMKiller\":true}}", "disableOOMKiller" },
		{ "{\"cpu\":{\"realtimePeriod\":5}}", "realtimePeriod" }, { "{\"cpu\":{\"idle\":2}}", "cpu.idle" },
		{ "{\"blockIO\":{\"leafWeight\":5}}", "leafWeight" }, { "{\"network\":{\"classID\":5}}", "network" },
		{ "{\"devices\":[{\"allow\":true,\"type\":\"x\"}]}", "type of device" }, { "{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}", "access" },
		{ "{\"memory\":{\"limit\":1000,\"swap\":10}}", "swap" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lp_cgroup_limits limits;
		struct fixture f;

		CHECK(limits_of(&f, bad[i].json, &limits) < 0);
		CHECK_HAS(f.err.text, bad[i].words);
		lp_arena_fini(&f.arena);
	}
}

TEST(device_rules_keep_their_order_and_wildcards)
{
	struct lp_cgroup_limits limits;
	struct fixture f;

	CHECK_OK(limits_of(&f, "{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\",\"major\":5,\"access\":\"rw\"}]}", &limits), &f.err);
	CHECK_INT(limits.device_rule_count, 2);
	CHECK(!limits.device_rules[0].allow && limits.device_rules[0].type == 'a' && limits.device_rules[0].mknod);
	CHECK(limits.device_rules[1].major == 5 && limits.device_rules[1].minor == -1 && !limits.device_rules[1].mknod);
	lp_arena_fini(&f.arena);
}

/* ---- documents ---- */

TEST(our_own_spec_is_one_that_we_take)
{
	for (int rootless = 0; rootless < 2; rootless++) {
		lp_auto_buf struct lp_buf text;
		struct fixture f = { 0 };

		lp_arena_init(&f.arena, 4 << 20);
		lp_buf_init(&text, 1 << 20);
		(void)mkdir(lp_test_path("rootfs"), 0755);
		CHECK_OK(lp_json_write(&text, lp_oci_features_spec(&f.arena, rootless, 1000, 1001)), NULL);
		CHECK_OK(lp_oci_spec_parse(&f.arena, text.data, text.len, &f.spec, &f.err), &f.err);
		CHECK_OK(lp_oci_config_make(&f.arena, f.spec, lp_test_dir(), &f.config, &f.err), &f.err);
		CHECK_INT(f.config.container.ns[LP_NS_USER].how, rootless ? LP_NS_NEW : LP_NS_HOST);
		if (rootless)
			CHECK_INT(f.config.container.uids[0].outside, 1000);
		done(&f);
	}
}

TEST(features_name_what_the_tables_have)
{
	lp_auto_arena struct lp_arena arena;
	const struct lp_json *json;

	lp_arena_init(&arena, 1 << 20);
	json = lp_oci_features_document(&arena);
	CHECK(!arena.failed);
	CHECK_INT(lp_json_count(lp_json_get(json, "hooks")), 6);
	CHECK_INT(lp_json_count(lp_json_path(json, "linux.namespaces")), 8);
	CHECK(lp_json_count(lp_json_get(json, "mountOptions")) > 50);
	CHECK(lp_json_count(lp_json_path(json, "linux.capabilities")) >= 40);
	CHECK(lp_json_count(lp_json_path(json, "linux.seccomp.actions")) >= 8);
	CHECK(lp_json_bool(json, "linux.mountExtensions.idmap.enabled", false));
}

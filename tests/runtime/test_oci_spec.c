#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/oci/oci_spec.h"
#include "tests/harness.h"

/* The example of the specification, shortened to what has a shape of its own. */
static const char example[] =
	"{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":true,\"user\":{\"uid\":1,\"gid\":1,\"umask\":18,\"additionalGids\":[5,6]},"
	"\"args\":[\"sh\",\"-c\"],\"env\":[\"A=b\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"ambient\":[]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":1024,\"soft\":18446744073709551615}],\"noNewPrivileges\":true,\"oomScoreAdj\":-5,"
	"\"consoleSize\":{\"height\":24,\"width\":80}},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"slartibartfast\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/d\",\"type\":\"none\",\"source\":\"/x\",\"options\":[\"rbind\",\"ro\"],\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}]}],"
	"\"hooks\":{\"prestart\":[{\"path\":\"/a\",\"args\":[\"a\"],\"env\":[\"k=v\"],\"timeout\":5},{\"path\":\"/b\"}]},"
	"\"annotations\":{\"k1\":\"v1\",\"k2\":\"v2\"},"
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"}],\"sysctl\":{\"net.core.somaxconn\":\"256\"},"
	"\"timeOffsets\":{\"monotonic\":{\"secs\":-3,\"nanosecs\":4},\"boottime\":{\"secs\":5}},"
	"\"resources\":{\"memory\":{\"limit\":536870912,\"swap\":-1,\"disableOOMKiller\":false},\"cpu\":{\"shares\":1024,\"cpus\":\"2-3\"},"
	"\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229}],"
	"\"blockIO\":{\"weight\":10,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":600}]},"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9223372036854772000}],\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}},"
	"\"unified\":{\"memory.high\":\"1\"}},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},\"maskedPaths\":[\"/proc/kcore\"]},"
	"\"unknown\":{\"more\":[1,2]}}";

static int
parse(struct lp_arena *arena, const char *text, struct lp_oci_spec **out, struct lp_err *err)
{
	return lp_oci_spec_parse(arena, text, strlen(text), out, err);
}

TEST(every_kind_of_field_of_the_example_is_read)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_err err = { 0 };
	struct lp_oci_spec *spec;

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(parse(&arena, example, &spec, &err), &err);
	CHECK_STR(spec->version, "1.2.0");
	CHECK_STR(spec->hostname, "slartibartfast");
	CHECK(spec->domainname == NULL);
	CHECK(spec->root->readonly && strcmp(spec->root->path, "rootfs") == 0);
	CHECK(spec->process->terminal && spec->process->no_new_privs);
	CHECK_INT(spec->process->user->uid.value, 1);
	CHECK_INT(spec->process->user->umask.value, 18);
	CHECK_INT(spec->process->user->groups.count, 2);
	CHECK_INT(spec->process->user->groups.items[1], 6);
	CHECK_INT(spec->process->args.count, 2);
	CHECK_STR(spec->process->args.items[1], "-c");
	CHECK(spec->process->args.items[2] == NULL);
	CHECK(spec->process->caps->ambient.set && !spec->process->caps->inheritable.set);
	CHECK_INT(spec->process->oom_score.value, -5);
	CHECK_INT(spec->process->console->width.value, 80);
	CHECK((uint64_t)spec->process->rlimits.items[0].soft.value == UINT64_MAX);
	CHECK_INT(spec->mounts.count, 2);
	CHECK_STR(spec->mounts.items[1].options.items[1], "ro");
	CHECK_INT(spec->mounts.items[1].uids.items[0].size.value, 2);
	CHECK_INT(spec->hooks->prestart.count, 2);
	CHECK_INT(spec->hooks->prestart.items[0].timeout.value, 5);
	CHECK(!spec->hooks->prestart.items[1].timeout.set && !spec->hooks->prestart.items[1].env.set);
	CHECK_INT(spec->annotations.count, 2);
	CHECK_STR(spec->annotations.items[1].key, "k2");
}

TEST(the_linux_section_of_the_example_is_read)
{
	lp_auto_arena struct lp_arena arena;
	const struct lp_oci_resources *resources;
	struct lp_err err = { 0 };
	struct lp_oci_spec *spec;

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(parse(&arena, example, &spec, &err), &err);
	CHECK_INT(spec->linux_->namespaces.count, 2);
	CHECK_STR(spec->linux_->namespaces.items[1].path, "/n");
	CHECK_STR(spec->linux_->sysctls.items[0].value, "256");
	CHECK_INT(spec->linux_->time_offsets.count, 2);
	CHECK_STR(spec->linux_->time_offsets.items[0].key, "monotonic");
	CHECK_INT(spec->linux_->time_offsets.items[0].secs.value, -3);
	CHECK_STR(lp_json_str(spec->linux_->seccomp, "defaultAction"), "SCMP_ACT_ALLOW");
	CHECK_STR(spec->linux_->masked.items[0], "/proc/kcore");
	resources = spec->linux_->resources;
	CHECK_INT(resources->memory->limit.value, 536870912);
	CHECK(resources->memory->swap.set && resources->memory->swap.value == -1 && !resources->memory->kernel.set);
	CHECK_STR(resources->cpu->cpus, "2-3");
	CHECK(!resources->devices.items[0].allow && !resources->devices.items[0].major.set);
	CHECK_INT(resources->devices.items[1].minor.value, 229);
	CHECK_INT(resources->block_io->read_bps.items[0].rate.value, 600);
	CHECK_INT(resources->huge.items[0].limit.value, 9223372036854772000);
	CHECK_STR(resources->rdma.items[0].key, "mlx5_1");
	CHECK_INT(resources->rdma.items[0].handles.value, 3);
	CHECK_STR(resources->unified.items[0].key, "memory.high");
}

TEST(what_is_wrong_is_named_with_its_path)
{
	static const struct { const char *json, *words; int code; } bad[] = {
		{ "[]", "an object is expected", -EINVAL },
		{ "{}", "ociVersion: is missing", -EINVAL },
		{ "{\"ociVersion\":1}", "ociVersion: a string is expected", -EINVAL },
		{ "{\"ociVersion\":\"0.9\"}", "ociVersion: 0.9 is not supported", -EINVAL },
		{ "{\"ociVersion\":\"1.x\"}", "is not supported", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"root\":{}}", "root.path: is missing", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"root\":\"x\"}", "root: an object is expected", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"mounts\":{}}", "mounts: a list is expected", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"destination\":\"/\"},{}]}", "mounts[1].destination: is missing", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[1]}}", "process.args: a list of strings", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"terminal\":1}}", "process.terminal: true or false", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":-1}}}", "process.user.uid: the number is out of range", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":4294967296}}}", "process.user.uid: the number is out of range", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":1.5}}}", "out of range", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"additionalGids\":[0,-1]}}}", "process.user.additionalGids: the number", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"cpu\":{\"shares\":-1}}}}", "linux.resources.cpu.shares: the number", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"timeOffsets\":{\"m\":3}}}", "linux.timeOffsets[0]: an object", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"sysctl\":{\"a\":1}}}", "linux.sysctl: an object with strings", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"annotations\":{\"a\":null}}", "annotations: an object with strings", -EINVAL },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"intelRdt\":{}}}", "linux.intelRdt: is not supported", -ENOTSUP },
		{ "{\"ociVersion\":\"1.0.0\",\"vm\":{}}", "vm: is not supported", -ENOTSUP },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		lp_auto_arena struct lp_arena arena;
		struct lp_err err = { 0 };
		struct lp_oci_spec *spec;

		lp_arena_init(&arena, 1 << 20);
		CHECK_ERR(parse(&arena, bad[i].json, &spec, &err), bad[i].code);
		CHECK_HAS(err.text, bad[i].words);
	}
}

TEST(null_is_the_same_as_absent)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_err err = { 0 };
	struct lp_oci_spec *spec;

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(parse(&arena, "{\"ociVersion\":\"1.0.2-dev\",\"process\":null,\"mounts\":null,\"linux\":{\"intelRdt\":null,\"sysctl\":null}}", &spec, &err), &err);
	CHECK(spec->process == NULL && spec->mounts.count == 0);
}

TEST(a_document_over_the_limit_is_refused)
{
	lp_auto_arena struct lp_arena arena;
	const size_t len = LP_OCI_CONFIG_MAX + 1;
	char *text = malloc(len + 1);
	struct lp_err err = { 0 };
	struct lp_oci_spec *spec;

	CHECK(text != NULL);
	memset(text, ' ', len);
	memcpy(text, "{}", 2);
	text[len] = '\0';
	lp_arena_init(&arena, 64 << 20);
	CHECK_ERR(lp_oci_spec_parse(&arena, text, len, &spec, &err), -E2BIG);
	free(text);
}

TEST(a_process_and_resources_are_documents_of_their_own)
{
	static const char process[] = "{\"cwd\":\"/tmp\",\"args\":[\"id\"]}", resources[] = "{\"pids\":{\"limit\":-1}}";
	lp_auto_arena struct lp_arena arena;
	struct lp_oci_resources *made_resources;
	struct lp_oci_process *made_process;
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(lp_oci_spec_parse_process(&arena, process, strlen(process), &made_process, &err), &err);
	CHECK_STR(made_process->cwd, "/tmp");
	CHECK_OK(lp_oci_spec_parse_resources(&arena, resources, strlen(resources), &made_resources, &err), &err);
	CHECK_INT(made_resources->pids->limit.value, -1);
	CHECK_ERR(lp_oci_spec_parse_process(&arena, "{}", 2, &made_process, &err), -EINVAL);
}

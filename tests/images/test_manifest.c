#include "images/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "tests/harness.h"

#define D1 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PIECE "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"" D1 "\",\"size\":7}"

static struct lp_arena arena;
static struct lp_err err;

static void
fresh(void)
{
	lp_arena_fini(&arena);
	lp_arena_init(&arena, (size_t)64 << 20);
}

TEST(a_config_is_read_whole)
{
	static const char text[] = "{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\",\"created\":\"2024\",\"config\":{"
	    "\"User\":\"node\",\"Entrypoint\":[\"a\",\"b\"],\"Cmd\":null,\"Env\":[\"X=1\"],\"WorkingDir\":\"/w\",\"StopSignal\":\"SIGINT\","
	    "\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":{\"/v\":{}},\"Labels\":{\"k\":\"v\"}},"
	    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}}";
	struct lp_manifest_config c;

	fresh();
	CHECK_OK(lp_manifest_parse_config(&arena, text, strlen(text), &c, &err), &err);
	CHECK_STR(c.architecture, "arm64");
	CHECK_STR(c.user, "node");
	CHECK_STR(c.entrypoint[0], "a");
	CHECK_STR(c.entrypoint[1], "b");
	CHECK(c.entrypoint[2] == NULL);
	CHECK(c.cmd[0] == NULL);
	CHECK_STR(c.env[0], "X=1");
	CHECK_STR(c.workdir, "/w");
	CHECK_STR(c.stop_signal, "SIGINT");
	CHECK_STR(c.ports[0], "80/tcp");
	CHECK_STR(c.volumes[0], "/v");
	CHECK_STR(c.labels[0], "k=v");
	CHECK_INT(c.diff_id_count, 1);
	lp_arena_fini(&arena);
}

TEST(a_config_without_a_config_asks_for_nothing)
{
	struct lp_manifest_config c;

	fresh();
	CHECK_OK(lp_manifest_parse_config(&arena, "{}", 2, &c, &err), &err);
	CHECK(c.entrypoint[0] == NULL && c.env[0] == NULL && c.diff_id_count == 0);
	CHECK_STR(c.user, "");
	lp_arena_fini(&arena);
}

TEST(what_is_wrong_in_a_config_is_refused)
{
	static const char *const wrong[] = { "", "[", "1", "{\"config\":{\"Env\":[1]}}", "{\"config\":{\"Cmd\":[null]}}",
		"{\"rootfs\":{\"diff_ids\":[\"sha256:../../x\"]}}", "{\"rootfs\":{\"diff_ids\":[\"\"]}}", "{\"a\":1} x" };
	struct lp_manifest_config c;

	for (size_t i = 0; i < lp_count(wrong); i++) {
		fresh();
		CHECK_ERR(lp_manifest_parse_config(&arena, wrong[i], strlen(wrong[i]), &c, &err), -EINVAL);
	}
	lp_arena_fini(&arena);
}

TEST(kinds_are_told_apart)
{
	const struct {
		const char *text;
		int rc, kind;
	} cases[] = {
		{ "{\"schemaVersion\":2,\"manifests\":[]}", 0, LP_MANIFEST_INDEX },
		{ "{\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\"}", 0, LP_MANIFEST_INDEX },
		{ "{\"schemaVersion\":2,\"layers\":[]}", 0, LP_MANIFEST_IMAGE },
		{ "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"}", 0, LP_MANIFEST_IMAGE },
		{ "{\"schemaVersion\":1}", -ENOTSUP, 0 },
		{ "{\"mediaType\":\"text/plain\",\"layers\":[]}", -ENOTSUP, 0 },
		{ "{}", -ENOTSUP, 0 },
		{ "[", -EINVAL, 0 },
	};

	for (size_t i = 0; i < lp_count(cases); i++) {
		enum lp_manifest_kind kind = LP_MANIFEST_INDEX;
		int rc = lp_manifest_kind(cases[i].text, strlen(cases[i].text), &kind, &err);

		CHECK_INT(rc, cases[i].rc);
		CHECK(rc < 0 || (int)kind == cases[i].kind);
	}
}

TEST(a_manifest_needs_digests_and_sizes)
{
	static const char good[] = "{\"config\":" PIECE ",\"layers\":[" PIECE "," PIECE "]}";
	static const char *const wrong[] = { "{}", "{\"config\":{\"digest\":\"" D1 "\"}}", "{\"config\":" PIECE ",\"layers\":[{}]}",
		"{\"config\":" PIECE ",\"layers\":[{\"digest\":\"" D1 "\",\"size\":-1}]}",
		"{\"config\":" PIECE ",\"layers\":[{\"digest\":\"" D1 "\",\"size\":\"7\"}]}",
		"{\"config\":" PIECE ",\"layers\":[{\"digest\":\"sha512:00\",\"size\":7}]}" };
	struct lp_manifest m;

	fresh();
	CHECK_OK(lp_manifest_parse(&arena, good, strlen(good), &m, &err), &err);
	CHECK_INT(m.layer_count, 2);
	CHECK_STR(m.layers[1].digest, D1);
	CHECK_INT(m.layers[1].size, 7);
	for (size_t i = 0; i < lp_count(wrong); i++) {
		fresh();
		CHECK_ERR(lp_manifest_parse(&arena, wrong[i], strlen(wrong[i]), &m, &err), -EINVAL);
	}
	lp_arena_fini(&arena);
}

TEST(a_layer_of_an_unknown_type_is_refused_by_name)
{
	static const char text[] = "{\"config\":" PIECE ",\"layers\":[" PIECE ",{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip+encrypted\","
	    "\"digest\":\"" D1 "\",\"size\":7}]}";
	struct lp_manifest m;

	fresh();
	CHECK_ERR(lp_manifest_parse(&arena, text, strlen(text), &m, &err), -ENOTSUP);
	CHECK(strstr(err.text, "layer 1: media type \"application/vnd.oci.image.layer.v1.tar+gzip+encrypted\"") != NULL);
	lp_arena_fini(&arena);
}

TEST(too_many_layers_are_refused)
{
	lp_auto_buf struct lp_buf text;
	struct lp_manifest m;

	fresh();
	lp_buf_init(&text, 1 << 20);
	CHECK_OK(lp_buf_str(&text, "{\"config\":" PIECE ",\"layers\":["), NULL);
	for (int i = 0; i < 128; i++)
		CHECK_OK(lp_buf_printf(&text, "%s" PIECE, i ? "," : ""), NULL);
	CHECK_OK(lp_buf_str(&text, "]}"), NULL);
	CHECK_ERR(lp_manifest_parse(&arena, text.data, text.len, &m, &err), -E2BIG);
	lp_arena_fini(&arena);
}

#define REF(arch, variant) \
	"{\"digest\":\"" D1 "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\",\"variant\":\"" variant "\"}}"

TEST(the_row_for_this_machine_is_picked)
{
	static const char text[] = "{\"manifests\":[" REF("arm", "v5") "," REF("arm", "v7") "," REF("arm64", "v8") "," REF("amd64", "v3") ","
	    REF("amd64", "") ",{\"digest\":\"" D1 "\",\"size\":1,\"platform\":{\"os\":\"windows\",\"architecture\":\"riscv64\"}}]}";
	struct lp_manifest_index index;
	const struct lp_manifest_ref *ref;

	fresh();
	CHECK_OK(lp_manifest_parse_index(&arena, text, strlen(text), &index, &err), &err);
	CHECK_INT(index.count, 6);
	CHECK_OK(lp_manifest_pick(&index, "arm", &ref, &err), &err);
	CHECK_STR(ref->variant, "v7");
	CHECK_OK(lp_manifest_pick(&index, "arm64", &ref, &err), &err);
	CHECK_STR(ref->architecture, "arm64");
	CHECK_OK(lp_manifest_pick(&index, "amd64", &ref, &err), &err);
	CHECK_STR(ref->variant, "");
	CHECK_ERR(lp_manifest_pick(&index, "riscv64", &ref, &err), -ENOENT);
	CHECK_HAS(err.text, "linux/arm64");
	lp_arena_fini(&arena);
}

TEST(an_archive_manifest_lists_images)
{
	static const char good[] = "[{\"Config\":\"c.json\",\"RepoTags\":[\"a:1\",\"b:2\"],\"Layers\":[\"l/layer.tar\"]},"
	    "{\"Config\":\"d.json\",\"RepoTags\":null,\"Layers\":null}]";
	static const char *const wrong[] = { "[]", "{}", "[1]", "[{\"Layers\":[]}]", "[{\"Config\":\"c\",\"Layers\":[1]}]" };
	struct lp_manifest_archive *rows;
	size_t count;

	fresh();
	CHECK_OK(lp_manifest_parse_archive(&arena, good, strlen(good), &rows, &count, &err), &err);
	CHECK_INT(count, 2);
	CHECK_STR(rows[0].tags[1], "b:2");
	CHECK_STR(rows[0].layers[0], "l/layer.tar");
	CHECK_INT(rows[1].layer_count, 0);
	for (size_t i = 0; i < lp_count(wrong); i++) {
		fresh();
		CHECK_ERR(lp_manifest_parse_archive(&arena, wrong[i], strlen(wrong[i]), &rows, &count, &err), -EINVAL);
	}
	lp_arena_fini(&arena);
}

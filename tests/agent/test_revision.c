#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/node/revision.h"
#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "tests/harness.h"
#include "wire/cert.h"

#define auto_revision __attribute__((cleanup(lp_revision_fini)))

static struct lp_arena arena;
static struct lp_cert_key *key;
static struct lp_revision_trust trust;
static int node_fd = -1;

static void
set_up(void)
{
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 16 << 20);
	CHECK_OK(lp_cert_key_generate(&key, &err), &err);
	trust = (struct lp_revision_trust){ .node = "n1", .verify = lp_cert_verify, .verify_arg = key };
	CHECK_OK(lp_path_root(lp_test_dir(), true, &node_fd, &err), &err);
}

/* What the signed index and the object itself say of its uid. */
static const char *row_uid = "", *body_uid = "";

/* A line of the link: one ConfigMap per value, signed by `signer`; `send` false leaves the objects out. */
static struct lp_json *
line_of(int number, const char *node, const char *const *values, size_t count, const struct lp_cert_key *signer, bool send)
{
	struct lp_json *line = lp_json_new(&arena, LP_JSON_OBJECT), *objects = lp_json_set_object(&arena, line, "objects");
	lp_auto_buf struct lp_buf index, der, base64;
	struct lp_err err = { 0 };

	lp_buf_init(&index, 1 << 20);
	lp_buf_init(&der, 4096);
	lp_buf_init(&base64, 8192);
	(void)lp_buf_printf(&index, "{\"kind\":\"NodeRevision\",\"node\":\"%s\",\"number\":%d,\"time\":\"2026-11-20T00:00:00Z\",\"podCIDR\":\"10.42.0.0/24\",\"objects\":[", node, number);
	for (size_t i = 0; i < count; i++) {
		char *text = lp_arena_printf(&arena, "{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c%zu\",\"namespace\":\"default\",\"uid\":\"%s\"},"
		    "\"data\":{\"v\":\"%s\"}}", i, body_uid, values[i]);
		char digest[LP_DIGEST_TEXT];

		lp_digest_print(text, strlen(text), digest);
		(void)lp_buf_printf(&index, "%s{\"kind\":\"ConfigMap\",\"namespace\":\"default\",\"name\":\"c%zu\",\"uid\":\"%s\",\"digest\":\"%s\"}", i ? "," : "", i, row_uid,
		    digest);
		if (send)
			(void)lp_json_set_str(&arena, objects, digest, text);
	}
	(void)lp_buf_str(&index, "]}");
	CHECK_OK(lp_cert_sign_bytes(signer, index.data, index.len, &der, &err), &err);
	CHECK_INT(lp_text_base64_encode(&base64, der.data, der.len), 0);
	(void)lp_json_set_str(&arena, line, "revision", index.data);
	(void)lp_json_set_str(&arena, line, "signature", base64.data);
	return line;
}

static const char *const two[] = { "x", "y" };

TEST(a_signed_revision_is_accepted_stored_and_read_back)
{
	auto_revision struct lp_revision revision, again;
	struct lp_err err = { 0 };

	set_up();
	lp_revision_init(&revision);
	lp_revision_init(&again);
	CHECK_OK(lp_revision_accept(&revision, NULL, line_of(1, "n1", two, 2, key, true), &trust, &err), &err);
	CHECK_INT(revision.count, 2);
	CHECK_STR(lp_revision_setting(&revision, "podCIDR"), "10.42.0.0/24");
	CHECK_OK(lp_revision_store(node_fd, &revision, NULL, &err), &err);
	CHECK_OK(lp_revision_load(node_fd, &again, &trust, &err), &err);
	CHECK_STR(again.digest, revision.digest);
	CHECK_STR(lp_json_str(lp_revision_find(&again, "ConfigMap", "default", "c1")->json, "data.v"), "y");
}

TEST(a_difference_takes_what_it_does_not_bring_from_the_current_one)
{
	static const char *const changed[] = { "x", "z" };
	auto_revision struct lp_revision first, second;
	struct lp_err err = { 0 };
	struct lp_json *line;

	set_up();
	lp_revision_init(&first);
	lp_revision_init(&second);
	CHECK_OK(lp_revision_accept(&first, NULL, line_of(1, "n1", two, 2, key, true), &trust, &err), &err);
	line = line_of(2, "n1", changed, 2, key, true);
	CHECK(lp_json_remove(lp_json_get(line, "objects"), first.objects[0].digest));
	CHECK_OK(lp_revision_accept(&second, &first, line, &trust, &err), &err);
	CHECK_STR(second.objects[0].text, first.objects[0].text);
	lp_revision_fini(&second);
	CHECK_ERR(lp_revision_accept(&second, NULL, line, &trust, &err), -EBADMSG);
}

TEST(doubtful_revisions_are_refused_and_the_current_one_stays)
{
	auto_revision struct lp_revision current, out;
	struct lp_cert_key *other;
	struct lp_err err = { 0 };
	struct lp_json *line;

	set_up();
	CHECK_OK(lp_cert_key_generate(&other, &err), &err);
	lp_revision_init(&current);
	lp_revision_init(&out);
	CHECK_OK(lp_revision_accept(&current, NULL, line_of(5, "n1", two, 2, key, true), &trust, &err), &err);
	CHECK_ERR(lp_revision_accept(&out, &current, line_of(6, "n1", two, 2, other, true), &trust, &err), -EKEYREJECTED);
	CHECK_ERR(lp_revision_accept(&out, &current, line_of(6, "n2", two, 2, key, true), &trust, &err), -EXDEV);
	CHECK_ERR(lp_revision_accept(&out, &current, line_of(4, "n1", two, 1, key, true), &trust, &err), -ESTALE);
	line = line_of(6, "n1", two, 2, key, true);
	(void)lp_json_set_str(&arena, lp_json_get(line, "objects"), current.objects[0].digest, "{}");
	CHECK_ERR(lp_revision_accept(&out, &current, line, &trust, &err), -EBADMSG);
	CHECK(!out.text);
	lp_cert_key_free(other);
}

TEST(a_uid_is_one_name_and_the_same_everywhere)
{
	static const struct {
		const char *row, *body;
		int want;
	} rows[] = { { "u1", "u1", 0 }, { "u1", "u2", -EBADMSG }, { "u1", "../u1", -EBADMSG }, { "../u1", "../u1", -EBADMSG }, { "..", "..", -EBADMSG } };

	set_up();
	for (size_t i = 0; i < lp_count(rows); i++) {
		auto_revision struct lp_revision revision;
		struct lp_err err = { 0 };

		lp_revision_init(&revision);
		row_uid = rows[i].row;
		body_uid = rows[i].body;
		CHECK_INT(lp_revision_accept(&revision, NULL, line_of(1, "n1", two, 2, key, true), &trust, &err), rows[i].want);
	}
}

TEST(the_same_content_under_another_number_is_the_same_revision)
{
	auto_revision struct lp_revision current, out;
	struct lp_err err = { 0 };

	set_up();
	lp_revision_init(&current);
	lp_revision_init(&out);
	CHECK_OK(lp_revision_accept(&current, NULL, line_of(5, "n1", two, 2, key, true), &trust, &err), &err);
	CHECK_OK(lp_revision_accept(&out, &current, line_of(3, "n1", two, 2, key, true), &trust, &err), &err);
	CHECK(lp_revision_same(&out, &current));
	lp_revision_fini(&out);
	CHECK_OK(lp_revision_accept(&out, &current, line_of(6, "n1", two, 1, key, true), &trust, &err), &err);
	CHECK(!lp_revision_same(&out, &current));
}

TEST(an_unreadable_revision_falls_back_to_the_former_one)
{
	static const char *const changed[] = { "x", "z" };
	auto_revision struct lp_revision first, second, again;
	struct lp_err err = { 0 };
	char path[128];

	set_up();
	lp_revision_init(&first);
	lp_revision_init(&second);
	lp_revision_init(&again);
	CHECK_OK(lp_revision_accept(&first, NULL, line_of(1, "n1", two, 2, key, true), &trust, &err), &err);
	CHECK_OK(lp_revision_store(node_fd, &first, NULL, &err), &err);
	CHECK_OK(lp_revision_accept(&second, &first, line_of(2, "n1", changed, 2, key, true), &trust, &err), &err);
	CHECK_OK(lp_revision_store(node_fd, &second, &first, &err), &err);
	(void)snprintf(path, sizeof(path), "objects/%s", second.objects[1].digest + 7);
	CHECK_INT(unlinkat(node_fd, path, 0), 0);
	CHECK_OK(lp_revision_load(node_fd, &again, &trust, &err), &err);
	CHECK_INT(again.number, 1);
}

static int
count_one(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

TEST(objects_that_nobody_names_are_removed)
{
	static const char *const b[] = { "p", "q" }, *const c[] = { "r", "s" };
	const char *const *const all[] = { two, b, c };
	struct lp_revision revisions[3];
	struct lp_err err = { 0 };
	lp_auto_fd int objects = -1;
	int count = 0;

	set_up();
	for (int i = 0; i < 3; i++) {
		lp_revision_init(&revisions[i]);
		CHECK_OK(lp_revision_accept(&revisions[i], i ? &revisions[i - 1] : NULL, line_of(i + 1, "n1", all[i], 2, key, true), &trust, &err), &err);
		CHECK_OK(lp_revision_store(node_fd, &revisions[i], i ? &revisions[i - 1] : NULL, &err), &err);
	}
	CHECK_OK(lp_path_open(node_fd, "objects", O_RDONLY | O_DIRECTORY, 0, &objects, &err), &err);
	CHECK_OK(lp_path_each(objects, count_one, &count, &err), &err);
	CHECK_INT(count, 4);
	for (int i = 0; i < 3; i++)
		lp_revision_fini(&revisions[i]);
}

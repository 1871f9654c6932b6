#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

static struct lp_drop
drop(struct lp_json *document)
{
	struct lp_drop out;

	CHECK_OK(lp_drop_object(lp_docs_arena(), lp_object_kind_of(document), document, &out, NULL), NULL);
	return out;
}

TEST(unknown_fields_go_and_are_named_by_path)
{
	struct lp_json *document = lp_docs_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: a, colour: red}\n"
						"spec: {containers: [{name: a, prots: []}], containerz: 1}\n");
	struct lp_drop out = drop(document);

	CHECK_INT(out.count, 3);
	CHECK_STR(lp_drop_strict(lp_docs_arena(), &out), "strict decoding error: unknown field \"metadata.colour\", "
							 "unknown field \"spec.containers[0].prots\", unknown field \"spec.containerz\"");
	CHECK_STR(lp_docs_text(lp_json_get(document, "spec")), "{\"containers\":[{\"name\":\"a\"}]}");
}

TEST(a_field_that_stands_twice_is_named_and_the_last_stays)
{
	struct lp_json *document = lp_docs_yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: one, k: two}\n");
	struct lp_drop out = drop(document);

	CHECK_STR(lp_drop_strict(lp_docs_arena(), &out), "strict decoding error: duplicate field \"data.k\"");
	CHECK_STR(lp_json_str(document, "data.k"), "two");
}

TEST(what_limpet_does_not_act_on_is_kept_with_a_warning)
{
	struct lp_json *document = lp_docs_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
						"spec: {containers: [{name: a, volumeDevices: [{name: d, devicePath: /dev/d}]}], runtimeClassName: x}\n");
	struct lp_drop out = drop(document);

	CHECK_INT(out.count, 2);
	CHECK(lp_drop_strict(lp_docs_arena(), &out) == NULL);
	CHECK_STR(out.first->text, "spec.containers[0].volumeDevices: accepted, but limpet does not act on it");
	CHECK(lp_json_path(document, "spec.runtimeClassName") != NULL);
}

TEST(an_ignored_field_that_asks_for_nothing_earns_no_warning)
{
	struct lp_json *document = lp_docs_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
						"spec: {hostPID: false, runtimeClassName: '', imagePullSecrets: [], containers: [{name: a}]}\n");

	CHECK_INT(drop(document).count, 0);
}

TEST(the_list_is_bounded_and_the_count_is_not)
{
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_drop out;
	size_t kept = 0;

	lp_buf_init(&text, 1 << 20);
	lp_buf_str(&text, "apiVersion: v1\nkind: Pod\n");
	for (int i = 0; i < 500; i++)
		lp_buf_printf(&text, "field%d: 1\n", i);
	out = drop(lp_docs_yaml(text.data));
	CHECK_INT(out.strict, 500);
	for (const struct lp_dropped *entry = out.first; entry; entry = entry->next)
		kept++;
	CHECK_INT(kept, LP_DROP_MAX);
}

#include <errno.h>
#include <string.h>

#include "specs/selector.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

static bool
labels_match(const char *selector, const char *labels)
{
	struct lp_selector parsed;
	struct lp_err err = { 0 };

	CHECK_OK(lp_selector_labels(lp_docs_arena(), selector, &parsed, &err), &err);
	return lp_selector_match_labels(&parsed, lp_docs_yaml(labels));
}

TEST(every_form_of_label_requirement_matches_what_it_should)
{
	static const char labels[] = "{a: b, c: '', num: '5'}";

	CHECK(labels_match("", labels));
	CHECK(labels_match("a=b", labels) && !labels_match("a=c", labels) && !labels_match("x=b", labels));
	CHECK(labels_match("a==b", labels));
	CHECK(!labels_match("a!=b", labels) && labels_match("a!=c", labels) && labels_match("x!=b", labels));
	CHECK(labels_match("a in (x, b)", labels) && !labels_match("a in (x)", labels) && !labels_match("x in (b)", labels));
	CHECK(!labels_match("a notin (x,b)", labels) && labels_match("x notin (b)", labels));
	CHECK(labels_match("a", labels) && labels_match("c", labels) && !labels_match("x", labels));
	CHECK(!labels_match("!a", labels) && labels_match("!x", labels));
	CHECK(labels_match("c=", labels) && labels_match("c in ()", labels));
	CHECK(labels_match("num>4", labels) && !labels_match("num<4", labels) && !labels_match("a>4", labels));
	CHECK(labels_match(" a = b , !x, c ", labels) && !labels_match("a=b,x", labels));
}

TEST(malformed_label_selectors_are_refused_with_a_reason)
{
	static const char *const bad[] = { "a=b,", ",", "a=b c", "a in", "a in (", "a in (b", "=b", "a!b", "a=b=c", "-a", "a=!", "a in b", "a/b/c=d",
		"a=way-too-long-0123456789012345678901234567890123456789012345678901234567890" };
	struct lp_selector parsed;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lp_err err = { 0 };

		CHECK_ERR(lp_selector_labels(lp_docs_arena(), bad[i], &parsed, &err), -EINVAL);
		CHECK_HAS(err.text, "unable to parse requirement");
	}
}

static bool
fields_match(const char *selector, const char *object)
{
	struct lp_selector parsed;
	struct lp_err err = { 0 };

	CHECK_OK(lp_selector_fields(lp_docs_arena(), lp_kind_by_word("pods"), selector, &parsed, &err), &err);
	return lp_selector_match_fields(&parsed, lp_docs_yaml(object));
}

TEST(field_selectors_compare_fields_of_the_object)
{
	static const char pod[] = "{metadata: {name: a}, spec: {nodeName: n1}, status: {phase: Running}}";

	CHECK(fields_match("metadata.name=a", pod) && !fields_match("metadata.name=b", pod));
	CHECK(fields_match("metadata.name==a,status.phase!=Failed", pod));
	CHECK(fields_match("spec.nodeName=", "{}") && !fields_match("spec.nodeName=", pod));
	CHECK(fields_match("spec.nodeName=a\\,b", "{spec: {nodeName: 'a,b'}}"));
	CHECK(fields_match("", pod));
}

TEST(unknown_fields_are_refused_by_name)
{
	struct lp_selector parsed;
	struct lp_err err = { 0 };

	CHECK_ERR(lp_selector_fields(lp_docs_arena(), lp_kind_by_word("pods"), "spec.foo=1", &parsed, &err), -EINVAL);
	CHECK_STR(err.text, "field label not supported: spec.foo");
	CHECK_ERR(lp_selector_fields(lp_docs_arena(), lp_kind_by_word("pods"), "nonsense", &parsed, &err), -EINVAL);
}

TEST(selector_objects_select_as_kubernetes_says)
{
	struct lp_selector parsed;
	const struct lp_json *labels = lp_docs_yaml("{a: b}");

	CHECK_OK(lp_selector_object(lp_docs_arena(), NULL, &parsed, NULL), NULL);
	CHECK(!lp_selector_match_labels(&parsed, labels));
	CHECK_OK(lp_selector_object(lp_docs_arena(), lp_docs_yaml("{}"), &parsed, NULL), NULL);
	CHECK(lp_selector_match_labels(&parsed, labels));
	CHECK_OK(lp_selector_object(lp_docs_arena(), lp_docs_yaml("{matchLabels: {a: b}, matchExpressions: [{key: c, operator: DoesNotExist}]}"),
	    &parsed, NULL), NULL);
	CHECK(lp_selector_match_labels(&parsed, labels));
	CHECK_ERR(lp_selector_object(lp_docs_arena(), lp_docs_yaml("{matchExpressions: [{key: c, operator: Is}]}"), &parsed, NULL), -EINVAL);
	CHECK_OK(lp_selector_map(lp_docs_arena(), NULL, &parsed, NULL), NULL);
	CHECK(!lp_selector_match_labels(&parsed, labels));
}

TEST(a_pinned_field_is_found_for_an_index)
{
	struct lp_selector parsed;

	CHECK_OK(lp_selector_fields(lp_docs_arena(), lp_kind_by_word("pods"), "spec.nodeName=n1,metadata.name!=x", &parsed, NULL), NULL);
	CHECK_STR(lp_selector_pinned(&parsed, "spec.nodeName"), "n1");
	CHECK(lp_selector_pinned(&parsed, "metadata.name") == NULL);
}

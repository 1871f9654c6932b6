#include <string.h>

#include "specs/kind.h"
#include "specs/schema.h"
#include "tests/harness.h"

TEST(a_kind_is_found_by_document_resource_and_word)
{
	const struct lp_kind *pod = lp_kind_find("v1", "Pod"), *slice = lp_kind_find("discovery.k8s.io/v1", "EndpointSlice");

	CHECK(pod != NULL && slice != NULL);
	CHECK(lp_kind_by_resource("", "v1", "pods") == pod);
	CHECK(lp_kind_by_resource("discovery.k8s.io", "v1", "endpointslices") == slice);
	CHECK(lp_kind_by_word("po") == pod);
	CHECK(lp_kind_by_word("pod") == pod);
	CHECK(lp_kind_by_word("Pods") == pod);
	CHECK(lp_kind_by_word("endpointslices.discovery.k8s.io") == slice);
	CHECK(lp_kind_by_word("p") == NULL);
	CHECK(lp_kind_by_word("") == NULL);
	CHECK(lp_kind_find("v2", "Pod") == NULL);
	CHECK(lp_kind_find("v1", "EndpointSlice") == NULL);
	CHECK(lp_kind_find(NULL, "Pod") == NULL);
}

TEST(every_kind_has_a_schema_with_metadata_and_words_of_its_own)
{
	const struct lp_kind *kind;
	char text[LP_KIND_TEXT];

	for (size_t i = 0; (kind = lp_kind_at(i)); i++) {
		struct lp_schema schema = lp_schema_get(kind->schema);

		CHECK(lp_schema_find(&schema, "metadata") != NULL);
		/* Metrics are of the same things as other kinds: the plain word means those. */
		if (kind->verbs & LP_KIND_METRICS) {
			CHECK(lp_kind_by_word(lp_kind_resource(kind, text)) == kind);
		} else {
			CHECK(lp_kind_by_word(kind->plural) == kind);
			CHECK(lp_kind_by_word(kind->singular) == kind);
		}
		CHECK(lp_kind_find(lp_kind_api_version(kind, text), kind->kind) == kind);
	}
}

TEST(field_selectors_know_their_fields)
{
	CHECK(lp_kind_selectable(lp_kind_by_word("pods"), "spec.nodeName"));
	CHECK(lp_kind_selectable(lp_kind_by_word("pods"), "metadata.namespace"));
	CHECK(lp_kind_selectable(lp_kind_by_word("nodes"), "metadata.name"));
	CHECK(!lp_kind_selectable(lp_kind_by_word("nodes"), "metadata.namespace"));
	CHECK(!lp_kind_selectable(lp_kind_by_word("pods"), "spec.containers"));
	CHECK(lp_kind_selectable(lp_kind_by_word("events"), "involvedObject.uid"));
}

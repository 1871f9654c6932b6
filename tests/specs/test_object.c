#include <string.h>

#include "specs/object.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

TEST(metadata_is_read_and_absence_is_empty)
{
	const struct lp_json *pod = lp_docs_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b, uid: u, resourceVersion: '7', "
						 "labels: {x/y: z}, creationTimestamp: '1970-01-01T00:00:10Z', finalizers: [f], "
						 "ownerReferences: [{uid: p}, {uid: q, controller: true}]}\n");

	CHECK_STR(lp_object_name(pod), "a");
	CHECK_STR(lp_object_namespace(pod), "b");
	CHECK_STR(lp_object_resource_version(pod), "7");
	CHECK_STR(lp_object_label(pod, "x/y"), "z");
	CHECK(lp_object_label(pod, "x") == NULL);
	CHECK_INT(lp_object_created_ms(pod), 10000);
	CHECK(lp_object_has_finalizer(pod, "f") && !lp_object_has_finalizer(pod, "g"));
	CHECK_STR(lp_json_str(lp_object_controller(pod), "uid"), "q");
	CHECK(lp_object_owned_by(pod, "p") && !lp_object_owned_by(pod, "r"));
	CHECK(!lp_object_deleting(pod));
	CHECK(lp_object_kind_of(pod) == lp_kind_by_word("pod"));
	CHECK_STR(lp_object_name(NULL), "");
	CHECK_STR(lp_object_uid(lp_docs_yaml("{}")), "");
}

TEST(a_generated_name_fits_and_uses_only_safe_letters)
{
	static const uint8_t random[5] = { 0, 26, 27, 255, 100 };
	char prefix[80];
	const char *name = lp_object_generate(lp_docs_arena(), "web-", random);

	CHECK_INT(strlen(name), 9);
	CHECK_INT(strspn(name + 4, "bcdfghjklmnpqrstvwxz2456789"), 5);
	memset(prefix, 'a', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	CHECK_INT(strlen(lp_object_generate(lp_docs_arena(), prefix, random)), 63);
}

TEST(a_uid_is_a_random_uuid)
{
	static const uint8_t random[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	char uid[LP_OBJECT_UID];

	lp_object_uid_print(random, uid);
	CHECK_STR(uid, "ffffffff-ffff-4fff-bf00-000000000000");
}

TEST(a_condition_keeps_its_time_until_its_status_changes)
{
	struct lp_json *pod = lp_docs_yaml("{}");

	CHECK(lp_object_set_condition(lp_docs_arena(), pod, "Ready", "False", "Starting", NULL, 1000));
	CHECK_STR(lp_docs_text(lp_object_condition(pod, "Ready")),
	    "{\"type\":\"Ready\",\"status\":\"False\",\"lastTransitionTime\":\"1970-01-01T00:00:01Z\",\"reason\":\"Starting\"}");
	CHECK(!lp_object_set_condition(lp_docs_arena(), pod, "Ready", "False", "Starting", NULL, 2000));
	CHECK(lp_object_set_condition(lp_docs_arena(), pod, "Ready", "False", "Slow", "still", 3000));
	CHECK_STR(lp_json_str(lp_object_condition(pod, "Ready"), "lastTransitionTime"), "1970-01-01T00:00:01Z");
	CHECK(lp_object_set_condition(lp_docs_arena(), pod, "Ready", "True", NULL, NULL, 4000));
	CHECK_STR(lp_json_str(lp_object_condition(pod, "Ready"), "lastTransitionTime"), "1970-01-01T00:00:04Z");
	CHECK(lp_json_get(lp_object_condition(pod, "Ready"), "reason") == NULL);
	CHECK(lp_object_condition_true(pod, "Ready") && !lp_object_condition_true(pod, "Other"));
}

TEST(a_new_object_and_references_to_it_carry_its_names)
{
	struct lp_json *object = lp_object_new(lp_docs_arena(), lp_kind_by_word("endpointslices"), "ns", "s");

	CHECK_STR(lp_docs_text(object), "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",\"metadata\":{\"name\":\"s\",\"namespace\":\"ns\"}}");
	CHECK_STR(lp_docs_text(lp_object_reference(lp_docs_arena(), object)),
	    "{\"kind\":\"EndpointSlice\",\"namespace\":\"ns\",\"name\":\"s\",\"apiVersion\":\"discovery.k8s.io/v1\"}");
	CHECK_HAS(lp_docs_text(lp_object_owner(lp_docs_arena(), object)), "\"controller\":true");
}

#include <errno.h>
#include <string.h>

#include "specs/openapi.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

static struct lp_json *
document(const char *group)
{
	struct lp_json_limits limits = { .bytes = 16 << 20, .nodes = 1 << 20 };
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_json *value = NULL;
	struct lp_err err = { 0 };

	lp_buf_init(&text, 16 << 20);
	CHECK_INT(lp_openapi_v3(&text, group, "v1"), 0);
	CHECK_OK(lp_json_parse(lp_docs_arena(), text.data, text.len, &limits, &value, &err), &err);
	return value;
}

/* Every $ref of the document leads to one of its schemas. */
static void
check_references(const struct lp_json *schemas, const struct lp_json *value)
{
	static const char prefix[] = "#/components/schemas/";

	lp_json_each(child, value) {
		if (child->key && strcmp(child->key, "$ref") == 0) {
			CHECK(strncmp(child->text, prefix, strlen(prefix)) == 0);
			CHECK(lp_json_get(schemas, child->text + strlen(prefix)) != NULL);
		}
		check_references(schemas, child);
	}
}

TEST(the_document_of_a_group_is_complete)
{
	const struct lp_json *core = document(""), *schemas = lp_json_path(core, "components.schemas"), *pod, *operation;

	check_references(schemas, schemas);
	pod = lp_json_get(schemas, "io.k8s.api.core.v1.Pod");
	CHECK(pod != NULL);
	CHECK_STR(lp_docs_text(lp_json_get(pod, "x-kubernetes-group-version-kind")), "[{\"group\":\"\",\"kind\":\"Pod\",\"version\":\"v1\"}]");
	CHECK_STR(lp_json_str(lp_json_path(lp_json_get(schemas, "io.k8s.api.core.v1.PodSpec"), "properties.containers"), "x-kubernetes-patch-merge-key"), "name");
	operation = lp_json_get(lp_json_get(lp_json_get(core, "paths"), "/api/v1/namespaces/{namespace}/pods/{name}"), "patch");
	CHECK_HAS(lp_docs_text(operation), "\"fieldValidation\"");
	CHECK(lp_json_get(lp_json_get(core, "paths"), "/api/v1/nodes/{name}") != NULL);
	CHECK(lp_json_get(schemas, "io.k8s.api.discovery.v1.EndpointSlice") == NULL);

	core = document("discovery.k8s.io");
	CHECK(lp_json_get(lp_json_get(core, "paths"), "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}") != NULL);
}

TEST(a_group_that_we_do_not_serve_has_no_document)
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, 1 << 20);
	CHECK_INT(lp_openapi_v3(&text, "apps", "v1"), -ENOENT);
}

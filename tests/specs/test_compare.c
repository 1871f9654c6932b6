#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

static enum lp_apply
compare(const char *from, const char *to, char *path)
{
	return lp_compare_objects(LP_SCHEMA_pod, lp_docs_yaml(from), lp_docs_yaml(to), path);
}

TEST(what_changed_decides_what_a_node_has_to_do)
{
	char path[LP_COMPARE_PATH];

	CHECK_INT(compare("{spec: {containers: [{name: a, image: i}]}}", "{spec: {containers: [{image: i, name: a}]}}", path), LP_APPLY_NONE);
	CHECK_STR(path, "");
	CHECK_INT(compare("{metadata: {labels: {a: b}}}", "{metadata: {labels: {a: c}}}", path), LP_APPLY_NONE);
	CHECK_INT(compare("{status: {phase: Running}}", "{status: {phase: Failed}}", path), LP_APPLY_NONE);
	CHECK_INT(compare("{spec: {containers: [{name: a, image: i}]}}", "{spec: {containers: [{name: a, image: j}]}}", path), LP_APPLY_RESTART);
	CHECK_STR(path, "spec.containers[0].image");
	CHECK_INT(compare("{spec: {containers: [{name: a, command: [x]}]}}", "{spec: {containers: [{name: a, command: [z]}]}}", path), LP_APPLY_RECREATE);
	CHECK_STR(path, "spec.containers[0].command");
	CHECK_INT(compare("{spec: {tolerations: []}}", "{spec: {tolerations: [{operator: Exists}]}}", path), LP_APPLY_LIVE);
	CHECK_INT(compare("{spec: {containers: [{name: a}]}}", "{spec: {containers: [{name: a}, {name: b}]}}", NULL), LP_APPLY_RECREATE);
	CHECK_INT(compare("{}", "{spec: {hostNetwork: true}}", path), LP_APPLY_RECREATE);
	CHECK_STR(path, "spec.hostNetwork");
}

TEST(the_gravest_change_is_told)
{
	char path[LP_COMPARE_PATH];

	CHECK_INT(compare("{spec: {containers: [{name: a, image: i}], hostname: x}}", "{spec: {containers: [{name: a, image: j}], hostname: z}}", path),
	    LP_APPLY_RECREATE);
	CHECK_STR(path, "spec.hostname");
}

TEST(a_written_object_has_its_members_in_the_order_of_the_rows)
{
	CHECK_STR(lp_docs_text(lp_write_object(lp_docs_arena(), LP_SCHEMA_pod,
	    lp_docs_yaml("{status: {phase: Running}, spec: {containers: [{image: i, name: a, env: []}], nodeSelector: {}}, odd: 1, metadata: {name: p}, kind: Pod, apiVersion: v1}"))),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]},"
	    "\"status\":{\"phase\":\"Running\"},\"odd\":1}");
}

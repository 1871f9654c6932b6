#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

static struct lp_objects objects;

TEST(the_default_namespaces_are_made_once)
{
	lp_objects_init(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_namespaces_control), 4);
	CHECK(lp_objects_write(&objects, LP_WRITE_CREATE, "default") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_CREATE, "kube-node-lease") != NULL);
	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_namespaces_control), 0);
}

TEST(a_dying_namespace_loses_its_contents_first_and_its_finalizer_last)
{
	const struct lp_write *write;

	lp_objects_init(&objects);
	lp_objects_run(&objects, lp_namespaces_control);
	lp_objects_apply(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Namespace\n"
				 "metadata: {name: old, deletionTimestamp: '2026-01-01T00:00:00Z'}\nspec: {finalizers: [kubernetes]}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: old}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: going, namespace: old, deletionTimestamp: '2026-01-01T00:00:00Z'}\n"
				 "spec: {nodeName: n1, containers: [{name: c, image: i}]}\n");
	CHECK_INT(lp_objects_run(&objects, lp_namespaces_control), 1);
	write = lp_objects_write(&objects, LP_WRITE_DELETE, "a");
	CHECK(write != NULL);
	CHECK_STR(write->namespace, "old");
	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_namespaces_control), 0);	/* the pod is still going */
	lp_objects_remove(&objects, "pod", "old", "going");
	CHECK_INT(lp_objects_run(&objects, lp_namespaces_control), 1);
	write = lp_objects_write(&objects, LP_WRITE_UPDATE, "old");
	CHECK(write != NULL);
	CHECK(lp_json_path(write->object, "spec.finalizers") == NULL);
}

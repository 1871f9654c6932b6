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

TEST(the_service_kubernetes_points_at_the_api)
{
	const struct lp_json *service, *endpoints;

	lp_objects_init(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_services_control), 0);	/* no namespace yet */
	lp_objects_add(&objects, "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n");
	CHECK_INT(lp_objects_run(&objects, lp_services_control), 2);
	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_services_control), 0);
	service = lp_objects_get(&objects, "svc", "default", "kubernetes");
	CHECK_STR(lp_json_str(service, "spec.clusterIP"), "10.43.0.1");
	endpoints = lp_json_index(lp_json_get(lp_objects_get(&objects, "ep", "default", "kubernetes"), "subsets"), 0);
	CHECK_STR(lp_json_str(lp_json_index(lp_json_get(endpoints, "addresses"), 0), "ip"), "192.168.1.2");
	CHECK_INT(lp_json_int(lp_json_index(lp_json_get(endpoints, "ports"), 0), "port", 0), 6443);

	objects.settings.api_address = "192.168.1.3";
	CHECK_INT(lp_objects_run(&objects, lp_services_control), 1);
}

TEST(a_manager_that_only_listens_on_the_loopback_names_no_endpoint)
{
	lp_objects_init(&objects);
	objects.settings.api_address = "127.0.0.1";
	lp_objects_add(&objects, "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n");
	lp_objects_run(&objects, lp_services_control);
	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_services_control), 0);
	CHECK(lp_cache_find(objects.cache, lp_kind_by_word("ep"), "default", "kubernetes") == NULL);
}

#define POD(name, more, spec) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name more "}\nspec: {" spec "containers: [{name: c, image: i}]}\n"

TEST(pods_that_nobody_will_finish_are_collected)
{
	lp_objects_init(&objects);
	objects.look.wall_ms = 1795169000000;	/* 2026-11-20T10:03:20Z */
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: here}\n");
	lp_objects_add(&objects, POD("old-orphan", ", creationTimestamp: '2026-11-20T10:00:00Z'", "nodeName: lost, "));
	lp_objects_add(&objects, POD("new-orphan", ", creationTimestamp: '2026-11-20T10:03:10Z'", "nodeName: lost, "));
	lp_objects_add(&objects, POD("dying-orphan", ", creationTimestamp: '2026-11-20T10:03:10Z', deletionTimestamp: '2026-11-20T10:03:15Z'",
	    "nodeName: lost, "));
	lp_objects_add(&objects, POD("dying-unplaced", ", deletionTimestamp: '2026-11-20T10:03:15Z'", ""));
	lp_objects_add(&objects, POD("dying", ", deletionTimestamp: '2026-11-20T10:03:15Z'", "nodeName: here, "));
	lp_objects_add(&objects, POD("fine", "", "nodeName: here, "));
	CHECK_INT(lp_objects_run(&objects, lp_podgc_control), 3);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "old-orphan") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "dying-orphan") != NULL);
	CHECK_INT(lp_objects_write(&objects, LP_WRITE_DELETE, "dying-unplaced")->grace_s, 0);
	CHECK_INT(objects.writes.due_ms, objects.look.now_ms + 30000);
}

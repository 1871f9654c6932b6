#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

static struct lp_objects objects;

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

#include <string.h>

#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

#define SERVICE(more) \
	"apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {team: red}}\nspec:\n  selector: {app: web}\n" \
	"  ports: [{name: http, port: 80, targetPort: main}]\n" more
#define POD(name, ip, ready, more) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name ", labels: {app: web}}\nspec:\n  nodeName: n1\n" \
	"  containers: [{name: c, image: i, ports: [{name: main, containerPort: 3000}]}]\n" more \
	"status: {phase: Running, podIP: " ip ", conditions: [{type: Ready, status: '" ready "'}]}\n"

static struct lp_objects objects;

/* Runs, applies and makes sure that a second look wants nothing. */
static size_t
settle(void)
{
	size_t count = lp_objects_run(&objects, lp_endpoints_control);

	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_endpoints_control), 0);
	return count;
}

static const struct lp_json *
only_slice(void)
{
	size_t count;
	struct lp_cached *const *list = lp_cache_list(objects.cache, lp_kind_by_word("endpointslices"), "default", &count);

	CHECK_INT(count, 1);
	return lp_cached_json(list[0]);
}

static const char *
text_at(const struct lp_json *list, size_t index, const char *path)
{
	return lp_json_str(lp_json_index(list, index), path);
}

TEST(ready_pods_are_addresses_and_the_rest_is_not)
{
	const struct lp_json *endpoints, *subset, *slice;

	lp_objects_init(&objects);
	lp_objects_add(&objects, SERVICE(""));
	lp_objects_add(&objects, POD("a", "10.42.0.5", "True", ""));
	lp_objects_add(&objects, POD("b", "10.42.0.6", "False", ""));
	CHECK_INT(settle(), 2);

	endpoints = lp_objects_get(&objects, "ep", "default", "web");
	CHECK_INT(lp_json_count(lp_json_get(endpoints, "subsets")), 1);
	subset = lp_json_index(lp_json_get(endpoints, "subsets"), 0);
	CHECK_STR(text_at(lp_json_get(subset, "addresses"), 0, "ip"), "10.42.0.5");
	CHECK_STR(text_at(lp_json_get(subset, "addresses"), 0, "nodeName"), "n1");
	CHECK_STR(text_at(lp_json_get(subset, "addresses"), 0, "targetRef.uid"), "uid-pod-a");
	CHECK_STR(text_at(lp_json_get(subset, "notReadyAddresses"), 0, "ip"), "10.42.0.6");
	CHECK_INT(lp_json_int(lp_json_index(lp_json_get(subset, "ports"), 0), "port", 0), 3000);
	CHECK_STR(lp_object_label(endpoints, "team"), "red");

	slice = only_slice();
	CHECK_STR(lp_object_label(slice, "kubernetes.io/service-name"), "web");
	CHECK_STR(text_at(lp_json_path(slice, "metadata.ownerReferences"), 0, "uid"), "uid-service-web");
	CHECK_INT(lp_json_count(lp_json_get(slice, "endpoints")), 2);
	CHECK(lp_json_bool(lp_json_index(lp_json_get(slice, "endpoints"), 0), "conditions.ready", false));
	CHECK(!lp_json_bool(lp_json_index(lp_json_get(slice, "endpoints"), 1), "conditions.ready", true));
}

TEST(a_service_that_finds_nobody_has_endpoints_without_subsets)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, SERVICE(""));
	CHECK_INT(settle(), 2);
	CHECK(lp_json_get(lp_objects_get(&objects, "ep", "default", "web"), "subsets") == NULL);
	CHECK_INT(lp_json_count(lp_json_get(only_slice(), "endpoints")), 0);
}

TEST(pods_that_are_over_elsewhere_or_without_address_do_not_count)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, SERVICE(""));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: done, labels: {app: web}}\n"
				 "spec: {nodeName: n1, containers: [{name: c, image: i}]}\nstatus: {phase: Succeeded, podIP: 10.42.0.7}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: new, labels: {app: web}}\n"
				 "spec: {nodeName: n1, containers: [{name: c, image: i}]}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: kube-system, labels: {app: web}}\n"
				 "spec: {nodeName: n1, containers: [{name: c, image: i}]}\n"
				 "status: {phase: Running, podIP: 10.42.0.8, conditions: [{type: Ready, status: 'True'}]}\n");
	settle();
	CHECK(lp_json_get(lp_objects_get(&objects, "ep", "default", "web"), "subsets") == NULL);
}

TEST(a_dying_pod_leaves_the_endpoints_and_is_terminating_in_the_slice)
{
	const struct lp_json *slice;

	lp_objects_init(&objects);
	lp_objects_add(&objects, SERVICE(""));
	lp_objects_add(&objects, POD("a", "10.42.0.5", "True", ""));
	settle();
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: web}, deletionTimestamp: '2026-11-20T00:00:00Z'}\n"
				 "spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: main, containerPort: 3000}]}]}\n"
				 "status: {phase: Running, podIP: 10.42.0.5, conditions: [{type: Ready, status: 'True'}]}\n");
	settle();
	CHECK(lp_json_get(lp_objects_get(&objects, "ep", "default", "web"), "subsets") == NULL);
	slice = lp_json_index(lp_json_get(only_slice(), "endpoints"), 0);
	CHECK(lp_json_bool(slice, "conditions.terminating", false));
	CHECK(!lp_json_bool(slice, "conditions.ready", true));
}

TEST(when_the_service_goes_its_endpoints_go)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, SERVICE(""));
	settle();
	lp_objects_remove(&objects, "service", "default", "web");
	CHECK_INT(settle(), 2);
	CHECK(lp_cache_find(objects.cache, lp_kind_by_word("ep"), "default", "web") == NULL);
}

TEST(endpoints_made_by_hand_stay_and_get_a_slice)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets:\n"
				 "- addresses: [{ip: 192.168.7.9}]\n  ports: [{port: 5432}]\n");
	CHECK_INT(settle(), 0);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {ports: [{port: 5432}]}\n");
	CHECK_INT(settle(), 1);
	CHECK_STR(lp_json_text(lp_json_index(lp_json_get(lp_json_index(lp_json_get(only_slice(), "endpoints"), 0), "addresses"), 0)), "192.168.7.9");
	lp_objects_remove(&objects, "service", "default", "db");
	CHECK_INT(settle(), 1);		/* the slice; the Endpoints are the user's */
	lp_objects_get(&objects, "ep", "default", "db");
}

TEST(pods_with_different_numbers_for_a_named_port_make_two_subsets)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, SERVICE(""));
	lp_objects_add(&objects, POD("a", "10.42.0.5", "True", ""));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: b, labels: {app: web}}\n"
				 "spec: {nodeName: n2, containers: [{name: c, image: i, ports: [{name: main, containerPort: 4000}]}]}\n"
				 "status: {phase: Running, podIP: 10.42.1.5, conditions: [{type: Ready, status: 'True'}]}\n");
	CHECK_INT(settle(), 3);
	CHECK_INT(lp_json_count(lp_json_get(lp_objects_get(&objects, "ep", "default", "web"), "subsets")), 2);
}

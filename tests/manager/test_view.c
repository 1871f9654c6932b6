#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "manager/fleet/fleet.h"
#include "manager/look/view.h"
#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

static struct lp_objects objects;

#define NODE(name, address, cidr) \
	"apiVersion: v1\nkind: Node\nmetadata: {name: " name "}\nspec: {podCIDR: " cidr "}\n" \
	"status: {addresses: [{type: InternalIP, address: " address "}]}\n"

static void
make_world(void)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "192.168.1.11", "10.42.0.0/24"));
	lp_objects_add(&objects, NODE("n2", "192.168.1.12", "10.42.1.0/24"));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}], selector: {app: web}}\n");
	lp_objects_add(&objects,
	    "apiVersion: v1\nkind: Pod\nmetadata: {name: mine}\nspec:\n  nodeName: n1\n"
	    "  imagePullSecrets: [{name: registry}]\n"
	    "  volumes: [{name: a, configMap: {name: files}}, {name: b, secret: {secretName: keys}},\n"
	    "    {name: d, projected: {sources: [{configMap: {name: projected}}]}}]\n"
	    "  containers:\n  - name: c\n    image: i\n    envFrom: [{configMapRef: {name: settings}}]\n"
	    "    env: [{name: P, valueFrom: {secretKeyRef: {name: keys, key: p}}}, {name: Q, valueFrom: {configMapKeyRef: {name: absent, key: q}}}]\n"
	    "status: {phase: Running}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: theirs}\nspec:\n  nodeName: n2\n"
				 "  containers: [{name: c, image: i, envFrom: [{secretRef: {name: foreign}}]}]\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: files}\n---\n"
				 "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n---\n"
				 "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: projected}\n---\n"
				 "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unused}\n---\n"
				 "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\n---\n"
				 "apiVersion: v1\nkind: Secret\nmetadata: {name: registry}\n---\n"
				 "apiVersion: v1\nkind: Secret\nmetadata: {name: foreign}\n---\n"
				 "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: kube-system}\n");
}

static struct lp_view
view_of(const char *node)
{
	struct lp_view view;
	struct lp_err err = { 0 };

	CHECK_OK(lp_view_node(objects.cache, node, &objects.arena, &view, &err), &err);
	return view;
}

TEST(a_node_gets_its_pods_what_they_mention_and_all_services)
{
	static const char *const want[] = { "ConfigMap/files", "ConfigMap/projected", "ConfigMap/settings", "Node/n1", "Pod/mine",
		"Secret/keys", "Secret/registry", "Service/web" };
	struct lp_view view;

	make_world();
	view = view_of("n1");
	CHECK_INT(view.count, 8);
	for (size_t i = 0; i < 8; i++)
		CHECK_STR(lp_arena_printf(&objects.arena, "%s/%s", view.objects[i]->kind, view.objects[i]->name), want[i]);
	CHECK_STR(view.objects[5]->namespace, "default");
	CHECK_STR(view.pod_cidr, "10.42.0.0/24");
}

TEST(an_object_in_the_view_is_the_text_that_its_digest_names)
{
	struct lp_view view;
	char digest[LP_DIGEST_TEXT];

	make_world();
	view = view_of("n1");
	for (size_t i = 0; i < view.count; i++) {
		lp_digest_print(view.objects[i]->text, view.objects[i]->len, digest);
		CHECK_STR(view.objects[i]->digest, digest);
		CHECK(!strstr(view.objects[i]->text, "\"status\""));
		CHECK(!strstr(view.objects[i]->text, "resourceVersion"));
	}
}

TEST(a_status_changes_nothing_and_a_label_does)
{
	struct lp_view before, after;

	make_world();
	before = view_of("n2");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: theirs}\nspec:\n  nodeName: n2\n"
				 "  containers: [{name: c, image: i, envFrom: [{secretRef: {name: foreign}}]}]\nstatus: {phase: Running, podIP: 10.42.1.2}\n");
	after = view_of("n2");
	CHECK(lp_view_same(&before, &after));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: theirs, labels: {a: b}}\nspec:\n  nodeName: n2\n"
				 "  containers: [{name: c, image: i, envFrom: [{secretRef: {name: foreign}}]}]\n");
	after = view_of("n2");
	CHECK(!lp_view_same(&before, &after));
}

TEST(a_pod_that_is_going_says_so_in_the_view)
{
	struct lp_view view;

	make_world();
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: theirs, deletionTimestamp: '2026-11-20T00:00:00Z', deletionGracePeriodSeconds: 5}\n"
				 "spec: {nodeName: n2, containers: [{name: c, image: i}]}\n");
	view = view_of("n2");
	CHECK_STR(view.objects[1]->name, "theirs");
	CHECK_HAS(view.objects[1]->text, "\"deletionTimestamp\":\"2026-11-20T00:00:00Z\"");
}

TEST(the_revision_lists_every_object_with_its_digest)
{
	struct lp_view view;
	lp_auto_buf struct lp_buf text;
	struct lp_json *revision = NULL, *first;
	struct lp_err err = { 0 };

	make_world();
	view = view_of("n1");
	lp_buf_init(&text, 1 << 20);
	CHECK_INT(lp_view_revision(&view, &objects.settings, 7, 0, &text), 0);
	CHECK_OK(lp_json_parse(&objects.arena, text.data, text.len, NULL, &revision, &err), &err);
	CHECK_STR(lp_json_str(revision, "kind"), "NodeRevision");
	CHECK_STR(lp_json_str(revision, "node"), "n1");
	CHECK_INT(lp_json_int(revision, "number", 0), 7);
	CHECK_STR(lp_json_str(revision, "time"), "1970-01-01T00:00:00Z");
	CHECK_STR(lp_json_str(revision, "podCIDR"), "10.42.0.0/24");
	CHECK_STR(lp_json_str(revision, "serviceCIDR"), "10.43.0.0/16");
	CHECK_INT(lp_json_count(lp_json_get(revision, "objects")), 8);
	first = lp_json_index(lp_json_get(revision, "objects"), 0);
	CHECK_STR(lp_json_str(first, "digest"), view.objects[0]->digest);
	CHECK_STR(lp_json_str(first, "uid"), "uid-configmap-files");
}

TEST(peers_are_the_other_nodes_and_their_endpoints)
{
	lp_auto_buf struct lp_buf text;
	struct lp_err err = { 0 };

	make_world();
	lp_objects_add(&objects, "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets:\n"
				 "- addresses: [{ip: 10.42.0.5, nodeName: n1}, {ip: 10.42.1.5, nodeName: n2, targetRef: {kind: Pod, name: theirs}}]\n"
				 "  notReadyAddresses: [{ip: 10.42.1.6, nodeName: n2}]\n  ports: [{name: http, port: 3000}]\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets: [{addresses: [{ip: 192.168.7.9}], ports: [{port: 5432}]}]\n");
	lp_buf_init(&text, 1 << 20);
	CHECK_OK(lp_view_peers(objects.cache, "n1", &objects.arena, &text, &err), &err);
	CHECK_STR(text.data,
	    "{\"type\":\"peers\",\"nodes\":[{\"name\":\"n2\",\"address\":\"192.168.1.12\",\"podCIDR\":\"10.42.1.0/24\"}],\"endpoints\":["
	    "{\"namespace\":\"default\",\"service\":\"db\",\"node\":\"\",\"addresses\":[{\"ip\":\"192.168.7.9\",\"pod\":\"\",\"hostname\":\"\","
	    "\"ready\":true,\"ports\":[{\"name\":\"\",\"port\":5432,\"protocol\":\"TCP\"}]}]},"
	    "{\"namespace\":\"default\",\"service\":\"web\",\"node\":\"n2\",\"addresses\":["
	    "{\"ip\":\"10.42.1.5\",\"pod\":\"theirs\",\"hostname\":\"\",\"ready\":true,\"ports\":[{\"name\":\"http\",\"port\":3000,\"protocol\":\"TCP\"}]},"
	    "{\"ip\":\"10.42.1.6\",\"pod\":\"\",\"hostname\":\"\",\"ready\":false,\"ports\":[{\"name\":\"http\",\"port\":3000,\"protocol\":\"TCP\"}]}]}]}");
}

TEST(a_node_that_does_not_exist_has_no_view)
{
	struct lp_view view;
	struct lp_err err = { 0 };

	make_world();
	CHECK_ERR(lp_view_node(objects.cache, "n9", &objects.arena, &view, &err), -ENOENT);
}

static bool
has(const struct lp_view *view, const char *kind, const char *name)
{
	for (size_t i = 0; i < view->count; i++)
		if (strcmp(view->objects[i]->kind, kind) == 0 && strcmp(view->objects[i]->name, name) == 0)
			return true;
	return false;
}

#define VOLUME(name, host, meta) \
	"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " name meta "}\nspec:\n  capacity: {storage: 1Gi}\n" \
	"  csi: {driver: local.limpet.dev, volumeHandle: x}\n" \
	"  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [" host "]}]}]}}\n"

TEST(a_node_gets_the_volumes_of_its_pods_and_those_it_has_to_remove)
{
	struct lp_view view;

	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {kubernetes.io/hostname: n1}}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {nodeName: n1, containers: [{name: c, image: i}], "
				 "volumes: [{name: v, persistentVolumeClaim: {claimName: mine}}]}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: mine}\nspec: {volumeName: used}\n---\n"
				 "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: other}\nspec: {volumeName: idle}\n");
	lp_objects_add(&objects, VOLUME("used", "n1", "") "---\n" VOLUME("idle", "n1", "") "---\n"
	    VOLUME("going", "n1", ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [limpet.dev/directory]") "---\n"
	    VOLUME("elsewhere", "n2", ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [limpet.dev/directory]"));
	view = view_of("n1");
	CHECK(has(&view, "PersistentVolumeClaim", "mine"));
	CHECK(has(&view, "PersistentVolume", "used"));
	CHECK(has(&view, "PersistentVolume", "going"));
	CHECK(!has(&view, "PersistentVolumeClaim", "other"));
	CHECK(!has(&view, "PersistentVolume", "idle"));
	CHECK(!has(&view, "PersistentVolume", "elsewhere"));
}

TEST(only_the_node_of_a_directory_can_say_that_it_is_gone)
{
	struct lp_json *body = NULL;
	static const char text[] = "{\"volumesGone\":[\"going\",\"staying\",\"elsewhere\"]}";
	struct lp_err err = { 0 };

	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {kubernetes.io/hostname: n1}}\n");
	lp_objects_add(&objects, VOLUME("going", "n1", ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [limpet.dev/directory]") "---\n"
	    VOLUME("staying", "n1", ", finalizers: [limpet.dev/directory]") "---\n"
	    VOLUME("elsewhere", "n2", ", deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [limpet.dev/directory]"));
	CHECK_OK(lp_json_parse(&objects.arena, text, strlen(text), NULL, &body, &err), &err);
	lp_writes_init(&objects.writes, &objects.arena);
	lp_fleet_take_report(objects.cache, "n1", body, &objects.writes);
	CHECK_INT(objects.writes.count, 1);
	CHECK_STR(objects.writes.first->name, "going");
	CHECK(!lp_object_has_finalizers(objects.writes.first->object));
}

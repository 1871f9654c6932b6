#include "tests/agent/facts.h"

#include <string.h>

#include "base/auto.h"
#include "specs/object.h"
#include "tests/harness.h"

static const struct lp_json *
object_of(void *arg, const char *kind, const char *namespace, const char *name)
{
	const struct lp_test_facts *facts = arg;

	lp_json_each(object, facts->objects)
		if (strcmp(lp_object_kind(object), kind) == 0 && strcmp(lp_object_namespace(object), namespace) == 0 &&
		    strcmp(lp_object_name(object), name) == 0)
			return object;
	return NULL;
}

static const struct lp_json *
service_of(void *arg, const char *namespace, size_t index)
{
	const struct lp_test_facts *facts = arg;

	lp_json_each(object, facts->objects)
		if (strcmp(lp_object_kind(object), "Service") == 0 && strcmp(lp_object_namespace(object), namespace) == 0 && index-- == 0)
			return object;
	return NULL;
}

void
lp_test_facts(struct lp_test_facts *out, const char *pod, const char *objects)
{
	static const char *const none[] = { NULL };
	static const char *const env[] = { "PATH=/bin:/app", "LANG=C", NULL };
	static const char *const cmd[] = { "/bin/server", "--image", NULL };
	static const struct lp_image_layer layers[] = { { .digest = "sha256:aa" }, { .digest = "sha256:bb" } };
	struct lp_err err = { 0 };

	lp_arena_fini(&out->arena);	/* the last pod of this test */
	*out = (struct lp_test_facts){ 0 };
	lp_arena_init(&out->arena, 16 << 20);
	CHECK_OK(lp_json_parse(&out->arena, pod, strlen(pod), NULL, &out->pod_json, &err), &err);
	CHECK_OK(lp_default_object(&out->arena, lp_kind_find("v1", "Pod"), out->pod_json, &err), &err);
	if (objects)
		CHECK_OK(lp_json_parse(&out->arena, objects, strlen(objects), NULL, &out->objects, &err), &err);
	out->pod = lp_parse(&out->arena, pod, out->pod_json);
	CHECK(out->pod && out->pod->spec);
	out->image = (struct lp_image){ .digest = "sha256:cc", .entrypoint = none, .cmd = cmd, .env = env, .ports = none, .volumes = none,
		.labels = none, .names = none, .user = "", .workdir = "/srv", .stop_signal = "SIGQUIT", .layers = layers, .layer_count = 2 };
	for (size_t i = 0; i < lp_count(out->images); i++)
		out->images[i] = (struct lp_facts_image){ .image = &out->image };
	out->facts = (struct lp_facts){ .layers_path = "/data/layers", .pod_path = "/data/pods/u1", .volumes_path = "/data/volumes", .instance = "limpet", .node_name = "n1",
		.node_ip = "192.168.1.7", .pod_ip = "10.42.0.5", .cluster_domain = "cluster.local", .dns_ip = "10.43.0.10",
		.host_resolv = "nameserver 9.9.9.9\n", .cpu_milli = 4000, .memory_bytes = INT64_C(8) << 30, .uid_base = 1048576,
		.tmpfs_idmap = true, .images = out->images, .object = object_of, .service = service_of, .arg = out };
}

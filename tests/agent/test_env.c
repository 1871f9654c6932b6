#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/facts/env.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_env env;

static int
build(const char *container, const char *objects, struct lp_err *err)
{
	static char pod[8192];

	(void)snprintf(pod, sizeof(pod),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u1\","
	    "\"labels\":{\"app\":\"x\",\"tier\":\"a\\\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",%s}]}}", container);
	lp_test_facts(&t, pod, objects);
	return lp_env_build(&env, &t.arena, t.pod, t.pod_json, t.pod->spec->containers.items[0], &t.image, &t.facts, err);
}

static const char *
value(const char *name)
{
	const char *const *list = lp_env_list(&env);
	size_t len = strlen(name);

	for (; *list; list++)
		if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
			return *list + len + 1;
	return NULL;
}

TEST(variables_see_those_before_them_and_dollars_can_be_escaped)
{
	struct lp_err err = { 0 };

	CHECK_OK(build("\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"$(A)-$(NONE)-$$(A)-$(A\"}]", NULL, &err), &err);
	CHECK_STR(value("B"), "1-$(NONE)-$(A)-$(A");
}

TEST(the_pod_hides_the_image_and_the_rest_of_the_image_stays)
{
	struct lp_err err = { 0 };

	CHECK_OK(build("\"env\":[{\"name\":\"LANG\",\"value\":\"de\"}]", NULL, &err), &err);
	CHECK_STR(value("LANG"), "de");
	CHECK_STR(value("PATH"), "/bin:/app");
}

TEST(a_command_does_not_see_the_variables_of_the_image)
{
	struct lp_err err = { 0 };

	CHECK_OK(build("\"env\":[{\"name\":\"A\",\"value\":\"1\"}]", NULL, &err), &err);
	CHECK_STR(lp_env_expand(&env, "$(LANG) $(A)"), "$(LANG) 1");
}

TEST(fields_of_the_pod_and_of_the_node_can_be_asked_for)
{
	static const char *const paths[][2] = { { "metadata.name", "web" }, { "metadata.namespace", "shop" }, { "metadata.uid", "u1" },
		{ "spec.nodeName", "n1" }, { "status.hostIP", "192.168.1.7" }, { "status.podIP", "10.42.0.5" },
		{ "metadata.labels['app']", "x" }, { "metadata.annotations['none']", "" },
		{ "metadata.labels", "app=\"x\"\ntier=\"a\\\"b\"" } };
	struct lp_err err = { 0 };
	const char *out;

	CHECK_OK(build("\"env\":[]", NULL, &err), &err);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		CHECK_OK(lp_env_field(&t.arena, t.pod_json, paths[i][0], &t.facts, &out, &err), &err);
		CHECK_STR(out, paths[i][1]);
	}
	CHECK_ERR(lp_env_field(&t.arena, t.pod_json, "spec.containers", &t.facts, &out, &err), -EINVAL);
}

TEST(a_resource_is_divided_and_rounded_up_and_defaults_to_the_node)
{
	struct lp_err err = { 0 };
	const char *out;

	CHECK_OK(build("\"resources\":{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"100Mi\"}}", NULL, &err), &err);
	CHECK_OK(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "limits.cpu", NULL, &t.facts, &out, &err), &err);
	CHECK_STR(out, "2");
	CHECK_OK(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "limits.cpu", "1m", &t.facts, &out, &err), &err);
	CHECK_STR(out, "1500");
	CHECK_OK(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "limits.memory", "1Mi", &t.facts, &out, &err), &err);
	CHECK_STR(out, "100");
	CHECK_OK(build("\"env\":[]", NULL, &err), &err);
	CHECK_OK(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "limits.cpu", NULL, &t.facts, &out, &err), &err);
	CHECK_STR(out, "4");
}

static const char objects[] = "[{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cfg\",\"namespace\":\"shop\"},\"data\":{\"k\":\"v\",\"b a d\":\"x\"}},"
			      "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"sec\",\"namespace\":\"shop\"},\"data\":{\"pw\":\"aGk=\"}},"
			      "{\"kind\":\"Service\",\"metadata\":{\"name\":\"my-db\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"10.43.0.9\","
			      "\"ports\":[{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}]}},"
			      "{\"kind\":\"Service\",\"metadata\":{\"name\":\"none\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[]}}]";

TEST(config_maps_and_secrets_become_variables)
{
	struct lp_err err = { 0 };

	CHECK_OK(build("\"envFrom\":[{\"prefix\":\"P_\",\"configMapRef\":{\"name\":\"cfg\"}},{\"secretRef\":{\"name\":\"sec\"}}],"
		       "\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"sec\",\"key\":\"pw\"}}},"
		       "{\"name\":\"Y\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"gone\",\"key\":\"k\",\"optional\":true}}}]",
		     objects, &err), &err);
	CHECK_STR(value("P_k"), "v");
	CHECK(!value("P_b a d"));
	CHECK_STR(value("pw"), "hi");
	CHECK_STR(value("X"), "hi");
	CHECK(!value("Y"));
}

TEST(what_is_missing_is_named_in_the_kubelets_words)
{
	struct lp_err err = { 0 };

	CHECK_ERR(build("\"envFrom\":[{\"configMapRef\":{\"name\":\"gone\"}}]", objects, &err), -ENOENT);
	CHECK_STR(err.text, "configmap \"gone\" not found");
	CHECK_ERR(build("\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"sec\",\"key\":\"nokey\"}}}]", objects, &err), -ENOENT);
	CHECK_STR(err.text, "couldn't find key nokey in Secret shop/sec");
}

TEST(services_of_the_namespace_are_announced_unless_switched_off)
{
	struct lp_err err = { 0 };

	CHECK_OK(build("\"env\":[]", objects, &err), &err);
	CHECK_STR(value("MY_DB_SERVICE_HOST"), "10.43.0.9");
	CHECK_STR(value("MY_DB_SERVICE_PORT"), "5432");
	CHECK_STR(value("MY_DB_SERVICE_PORT_SQL"), "5432");
	CHECK_STR(value("MY_DB_PORT_5432_TCP_ADDR"), "10.43.0.9");
	CHECK_STR(value("MY_DB_PORT"), "tcp://10.43.0.9:5432");
	CHECK(!value("NONE_SERVICE_HOST"));
}

static char told[512];

static void
hear(void *arg, const char *reason, const char *message)
{
	(void)arg;
	(void)snprintf(told, sizeof(told), "%s: %s", reason, message);
}

TEST(keys_that_cannot_be_variables_are_left_out_and_that_is_told)
{
	static const char objects[] = "[{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cfg\",\"namespace\":\"default\"},\"data\":{\"good\":\"1\",\"b=d\":\"2\"}}]";
	struct lp_err err = { 0 };

	lp_test_facts(&t, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"default\"},\"spec\":{\"containers\":[{\"name\":\"c\","
			  "\"image\":\"i\",\"envFrom\":[{\"configMapRef\":{\"name\":\"cfg\"}}]}]}}", objects);
	t.facts.tell = hear;
	CHECK_OK(lp_env_build(&env, &t.arena, t.pod, t.pod_json, t.pod->spec->containers.items[0], &t.image, &t.facts, &err), &err);
	CHECK_STR(lp_env_expand(&env, "$(good)"), "1");
	CHECK_HAS(told, "InvalidEnvironmentVariableNames: Keys [b=d] from the EnvFrom configMap default/cfg were skipped");
}

TEST(storage_and_huge_pages_are_resources_too)
{
	struct lp_err err = { 0 };
	const char *out;

	lp_test_facts(&t, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"default\"},\"spec\":{\"containers\":[{\"name\":\"c\","
			  "\"image\":\"i\",\"resources\":{\"limits\":{\"ephemeral-storage\":\"3Mi\",\"hugepages-2Mi\":\"4Mi\"}}}]}}", NULL);
	CHECK_OK(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "limits.ephemeral-storage", "1Mi", &t.facts, &out, &err), &err);
	CHECK_STR(out, "3");
	CHECK_OK(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "requests.hugepages-2Mi", "1Mi", &t.facts, &out, &err), &err);
	CHECK_STR(out, "4");
	CHECK_ERR(lp_env_resource(&t.arena, t.pod->spec->containers.items[0], "limits.gpus", NULL, &t.facts, &out, &err), -EINVAL);
}

#include <errno.h>
#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

TEST(a_pod_is_seen_as_structs)
{
	const struct lp_spec_pod *pod = lp_parse(lp_docs_arena(), pod, lp_docs_yaml(
	    "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec:\n  hostNetwork: false\n"
	    "  terminationGracePeriodSeconds: 5\n  nodeSelector: {os: linux}\n  securityContext: {supplementalGroups: [1, 2]}\n"
	    "  containers:\n  - name: a\n    image: i\n    command: [sh, -c, 'true']\n    ports: [{containerPort: 80}]\n"
	    "    livenessProbe: {httpGet: {port: main}}\n    readinessProbe: {tcpSocket: {port: 81}}\n"
	    "    resources: {limits: {cpu: 2, memory: 1Gi}}\n"));
	const struct lp_spec_container *container;

	CHECK(pod != NULL);
	CHECK_STR(pod->metadata->name, "web");
	CHECK_STR(lp_kinds_map_get(&pod->metadata->labels, "app"), "web");
	CHECK(lp_kinds_map_get(&pod->metadata->labels, "none") == NULL);
	CHECK(pod->spec->host_network.has && !pod->spec->host_network.value);
	CHECK(!pod->spec->host_pid.has);
	CHECK_INT(pod->spec->termination_grace_period_seconds.value, 5);
	CHECK_INT(pod->spec->security_context->supplemental_groups.count, 2);
	CHECK_INT(pod->spec->security_context->supplemental_groups.items[1], 2);
	CHECK_INT(pod->spec->containers.count, 1);
	CHECK_INT(pod->spec->init_containers.count, 0);
	container = pod->spec->containers.items[0];
	CHECK_STR(container->command.items[2], "true");
	CHECK_INT(container->ports.items[0]->container_port.value, 80);
	CHECK_STR(container->liveness_probe->http_get->port.text, "main");
	CHECK_INT(container->readiness_probe->tcp_socket->port.value, 81);
	CHECK(container->readiness_probe->tcp_socket->port.text == NULL);
	CHECK_STR(lp_kinds_map_get(&container->resources->limits, "cpu"), "2");
	CHECK(pod->status == NULL);
}

/* What the shape check says of this document. */
static const char *
shape(const char *yaml)
{
	static struct lp_err err;
	struct lp_json *document = lp_docs_yaml(yaml);

	err.text[0] = '\0';
	if (lp_parse_shape(lp_object_kind_of(document), document, &err) == 0)
		return "";
	CHECK_INT(err.code, -EINVAL);
	return err.text;
}

#define POD(spec) "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " spec "\n"
#define REFUSED "Pod in version \"v1\" cannot be handled as a Pod: "

TEST(wrong_types_are_refused_in_the_words_of_the_api_server)
{
	CHECK_STR(shape(POD("{hostNetwork: 'yes'}")), REFUSED "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool");
	CHECK_STR(shape(POD("{containers: {}}")), REFUSED "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container");
	CHECK_STR(shape(POD("{containers: [{name: a, ports: [{containerPort: x}]}]}")),
	    REFUSED "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32");
	CHECK_STR(shape(POD("{containers: [{ports: [{containerPort: 99999999999}]}]}")),
	    REFUSED "json: cannot unmarshal number 99999999999 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32");
	CHECK_STR(shape(POD("{nodeSelector: {a: 1}}")),
	    REFUSED "json: cannot unmarshal number 1 into Go struct field PodSpec.spec.nodeSelector of type string");
	CHECK_HAS(shape(POD("{containers: [{resources: {limits: {cpu: lots}}}]}")), "quantities must match the regular expression");
	CHECK_HAS(shape("apiVersion: v1\nkind: Pod\nmetadata: {creationTimestamp: yesterday}\n"), "parsing time \"yesterday\"");
	CHECK_HAS(shape("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: 'a*b='}\n"), "illegal base64 data at input byte 1");
	CHECK_HAS(shape("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: YQ}\n"), "illegal base64 data at input byte 2");
}

TEST(null_is_as_good_as_absent)
{
	struct lp_json *document = lp_docs_yaml(POD("{hostNetwork: null, containers: [{name: a, env: null}]}"));

	CHECK_OK(lp_parse_shape(lp_object_kind_of(document), document, NULL), NULL);
	CHECK_STR(lp_docs_text(lp_json_get(document, "spec")), "{\"containers\":[{\"name\":\"a\"}]}");
}

TEST(unknown_fields_are_not_the_business_of_the_shape)
{
	CHECK_STR(shape(POD("{nonsense: 1}")), "");
}

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_control_pod record;

static const struct lp_control_container *
convert(const char *spec, const char *container, struct lp_err *err)
{
	static char pod[8192];

	(void)snprintf(pod, sizeof(pod), "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u1\"},"
	    "\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"http\",\"containerPort\":8080}],%s}]}}", spec, container);
	lp_test_facts(&t, pod, NULL);
	return lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, err) < 0 ? NULL : &record.containers[0];
}

TEST(a_probe_goes_to_the_pods_address_and_a_named_port)
{
	struct lp_err err = { 0 };
	const struct lp_control_container *c = convert("", "\"readinessProbe\":{\"httpGet\":{\"path\":\"/ok?a=1\",\"port\":\"http\",\"scheme\":\"HTTPS\","
	    "\"httpHeaders\":[{\"name\":\"X-A\",\"value\":\"b\"}]},\"initialDelaySeconds\":3,\"periodSeconds\":4,\"timeoutSeconds\":5,"
	    "\"successThreshold\":6,\"failureThreshold\":7}", &err);

	CHECK(c != NULL);
	CHECK_INT(c->probe_count, 1);
	CHECK_INT(c->probes[0].kind, LP_CONTROL_READINESS);
	CHECK_INT(c->probes[0].action.deed, LP_CONTROL_DEED_HTTP);
	CHECK_STR(c->probes[0].action.host, t.facts.pod_ip);
	CHECK_INT(c->probes[0].action.port, 8080);
	CHECK(c->probes[0].action.tls);
	CHECK_STR(c->probes[0].action.path, "/ok?a=1");
	CHECK_STR(c->probes[0].action.headers[0].name, "X-A");
	CHECK_STR(c->probes[0].action.headers[0].value, "b");
	CHECK_INT(c->probes[0].initial_delay_ms, 3000);
	CHECK_INT(c->probes[0].period_ms, 4000);
	CHECK_INT(c->probes[0].timeout_ms, 5000);
	CHECK_INT(c->probes[0].success_threshold, 6);
	CHECK_INT(c->probes[0].failure_threshold, 7);
	CHECK(!c->probes[0].grace_set);
}

TEST(each_kind_of_probe_is_what_the_pod_says)
{
	struct lp_err err = { 0 };
	const struct lp_control_container *c = convert("", "\"startupProbe\":{\"tcpSocket\":{\"port\":81,\"host\":\"10.1.1.1\"}},"
	    "\"env\":[{\"name\":\"V\",\"value\":\"v\"}],\"livenessProbe\":{\"exec\":{\"command\":[\"a\",\"b$(V)\",\"$(NONE)\"]},\"terminationGracePeriodSeconds\":9},"
	    "\"readinessProbe\":{\"grpc\":{\"port\":5000,\"service\":\"s\"}}", &err);

	CHECK(c != NULL);
	CHECK_INT(c->probe_count, 3);
	CHECK_INT(c->probes[0].kind, LP_CONTROL_STARTUP);
	CHECK_INT(c->probes[0].action.deed, LP_CONTROL_DEED_TCP);
	CHECK_STR(c->probes[0].action.host, "10.1.1.1");
	CHECK_INT(c->probes[0].action.port, 81);
	CHECK_INT(c->probes[1].action.deed, LP_CONTROL_DEED_EXEC);
	CHECK_STR(c->probes[1].action.args[1], "bv");
	CHECK_STR(c->probes[1].action.args[2], "$(NONE)");
	CHECK(c->probes[1].action.args[3] == NULL);
	CHECK(c->probes[1].grace_set);
	CHECK_INT(c->probes[1].grace_ms, 9000);
	CHECK_INT(c->probes[2].action.deed, LP_CONTROL_DEED_GRPC);
	CHECK_STR(c->probes[2].action.service, "s");
}

TEST(hooks_and_the_stop_signal_travel)
{
	struct lp_err err = { 0 };
	const struct lp_control_container *c = convert("\"activeDeadlineSeconds\":60,\"shareProcessNamespace\":true,",
	    "\"lifecycle\":{\"postStart\":{\"sleep\":{\"seconds\":2}},\"preStop\":{\"httpGet\":{\"port\":80,\"path\":\"bye\"}},\"stopSignal\":\"SIGUSR1\"}", &err);

	CHECK(c != NULL);
	CHECK_INT(c->post_start.deed, LP_CONTROL_DEED_SLEEP);
	CHECK_INT(c->post_start.sleep_ms, 2000);
	CHECK_INT(c->pre_stop.deed, LP_CONTROL_DEED_HTTP);
	CHECK_STR(c->pre_stop.path, "/bye");
	CHECK(!c->pre_stop.tls);
	CHECK_INT(c->stop_signal, SIGUSR1);
	CHECK_INT(record.deadline_ms, 60000);
	CHECK(record.share_pids);
}

TEST(a_port_without_a_number_is_named)
{
	struct lp_err err = { 0 };

	CHECK(convert("", "\"livenessProbe\":{\"tcpSocket\":{\"port\":\"nope\"}}", &err) == NULL);
	CHECK_HAS(err.text, "couldn't find port: nope in container c");
}

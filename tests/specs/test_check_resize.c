#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define POD(containers) "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: d, uid: u}\nspec: {containers: [" containers "]}\n"
#define C(resources) "{name: c, image: i, resources: {" resources "}}"
#define BEFORE POD(C("requests: {cpu: 100m}, limits: {cpu: 200m, memory: 64Mi}"))

/* "<path>: <message>" of the first fault; "" when there is none. */
static const char *
fault(const char *old, const char *now)
{
	static char text[512];
	struct lp_faults faults;
	const struct lp_json *before = lp_docs_defaulted(old), *pod = lp_docs_defaulted(now);

	lp_faults_init(&faults, lp_docs_arena());
	CHECK_INT(lp_check_resize(pod, before, &faults), faults.count ? -EINVAL : 0);
	(void)snprintf(text, sizeof(text), "%s", faults.first ? faults.first->message : "");
	return text;
}

TEST(cpu_and_memory_may_change)
{
	CHECK_STR(fault(BEFORE, POD(C("requests: {cpu: 150m, memory: 32Mi}, limits: {cpu: 1, memory: 128Mi}"))), "");
	CHECK_STR(fault(BEFORE, BEFORE), "");
}

TEST(nothing_else_may)
{
	static const char words[] = "Forbidden: only cpu and memory resources are mutable";

	CHECK(strstr(fault(BEFORE, POD("{name: c, image: other, resources: {requests: {cpu: 100m}, limits: {cpu: 200m, memory: 64Mi}}}")), words));
	CHECK(strstr(fault(BEFORE, POD(C("requests: {cpu: 100m, ephemeral-storage: 1Gi}, limits: {cpu: 200m, memory: 64Mi}"))), words));
	CHECK(strstr(fault(BEFORE, POD(C("requests: {cpu: 100m}, limits: {cpu: 200m, memory: 64Mi}") ", {name: d, image: i}")), words));
}

TEST(what_was_limited_stays_limited)
{
	CHECK(strstr(fault(BEFORE, POD(C("requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}"))), "resource limits cannot be removed"));
}

TEST(the_class_of_a_pod_stays)
{
	CHECK(strstr(fault(BEFORE, POD(C("requests: {cpu: 200m, memory: 64Mi}, limits: {cpu: 200m, memory: 64Mi}"))),
	    "Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing"));
}

TEST(a_request_above_its_limit_is_refused_here_too)
{
	CHECK(strstr(fault(BEFORE, POD(C("requests: {cpu: 500m}, limits: {cpu: 200m, memory: 64Mi}"))), "must be less than or equal to cpu limit"));
}

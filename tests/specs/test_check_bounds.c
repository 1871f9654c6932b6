#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define POD(spec) "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {" spec "}\n"
#define SIZED(policies) POD("containers: [{name: c, image: i, resizePolicy: [" policies "]}]")
#define NEVER(policies) POD("restartPolicy: Never, containers: [{name: c, image: i, resizePolicy: [" policies "]}]")
#define DNS(config) POD("containers: [{name: c, image: i}], dnsConfig: {" config "}")
#define CPU(policy) "{resourceName: cpu, restartPolicy: " policy "}"

TEST(a_resize_policy_is_one_of_few_and_once_for_each_resource)
{
	CHECK_STR(lp_docs_faults(SIZED(CPU("NotRequired") ", {resourceName: memory, restartPolicy: RestartContainer}")), "");
	CHECK_STR(lp_docs_faults(SIZED("{resourceName: disk, restartPolicy: Sometimes}")),
	    "spec.containers[0].resizePolicy[0].resourceName: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"\n"
	    "spec.containers[0].resizePolicy[0].restartPolicy: Unsupported value: \"Sometimes\": supported values: \"NotRequired\", "
	    "\"RestartContainer\"\n");
	CHECK_STR(lp_docs_faults(SIZED("{resourceName: cpu}")), "spec.containers[0].resizePolicy[0].restartPolicy: Required value\n");
	CHECK_STR(lp_docs_faults(SIZED(CPU("NotRequired") ", " CPU("NotRequired"))),
	    "spec.containers[0].resizePolicy[1]: Duplicate value: \"cpu\"\n");
}

TEST(what_is_never_started_again_is_not_restarted_for_its_size)
{
	CHECK_STR(lp_docs_faults(NEVER(CPU("NotRequired"))), "");
	CHECK_STR(lp_docs_faults(NEVER(CPU("RestartContainer"))),
	    "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'\n");
	CHECK_HAS(lp_docs_faults(POD("initContainers: [{name: i, image: i, resizePolicy: [" CPU("NotRequired") "]}], containers: [{name: c, image: i}]")),
	    "spec.initContainers[0].resizePolicy: Invalid value: ");
	CHECK_STR(lp_docs_faults(POD("initContainers: [{name: i, image: i, restartPolicy: Always, resizePolicy: [" CPU("NotRequired")
	    "]}], containers: [{name: c, image: i}]")), "");
}

TEST(names_are_asked_of_addresses_and_below_domains)
{
	CHECK_STR(lp_docs_faults(DNS("nameservers: [10.0.0.1, \"fe80::1\"], searches: [a.example., _tcp.b, .], options: [{name: ndots, value: \"2\"}]")), "");
	CHECK_STR(lp_docs_faults(DNS("nameservers: [\"1.1.1.1\\nsearch evil\"]")),
	    "spec.dnsConfig.nameservers[0]: Invalid value: \"1.1.1.1\\nsearch evil\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)\n");
	CHECK_HAS(lp_docs_faults(DNS("nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]")), "must not have more than 3 nameservers");
	CHECK_STR(lp_docs_faults(DNS("searches: [\"a b\"]")),
	    "spec.dnsConfig.searches[0]: Invalid value: \"a b\": a lowercase RFC 1123 subdomain is expected\n");
	CHECK_STR(lp_docs_faults(DNS("options: [{value: \"2\"}]")), "spec.dnsConfig.options[0].name: Required value\n");
}

TEST(sizes_are_not_negative_and_storage_is_more_than_nothing)
{
	CHECK_STR(lp_docs_faults(POD("containers: [{name: c, image: i}], volumes: [{name: v, emptyDir: {sizeLimit: \"-1\"}}]")),
	    "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity\n");
	CHECK_STR(lp_docs_faults("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec: {capacity: {storage: 0}, accessModes: [ReadWriteOnce], "
	    "hostPath: {path: /x}}\n"), "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero\n");
	CHECK_STR(lp_docs_faults("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {accessModes: [ReadWriteOnce], resources: "
	    "{requests: {storage: -1Gi}}}\n"), "spec.resources.requests[storage]: Invalid value: \"-1Gi\": must be greater than zero\n");
}

TEST(a_sub_path_expression_does_not_lead_out)
{
	CHECK_HAS(lp_docs_faults(POD("volumes: [{name: v, emptyDir: {}}], containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v, "
	    "subPathExpr: ../$(A)}]}]")), "spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: \"../$(A)\": ");
}

/* Every fault of an update. */
static const char *
update(const char *from, const char *to)
{
	const struct lp_json *old = lp_docs_yaml(from), *object = lp_docs_yaml(to);
	struct lp_faults faults;

	lp_faults_init(&faults, lp_docs_arena());
	(void)lp_check_update(lp_object_kind_of(object), object, old, &faults);
	return faults.count == 0 ? "" : lp_docs_text(lp_status_invalid(lp_docs_arena(), lp_object_kind_of(object), "a", &faults));
}

TEST(a_pods_time_has_an_end_and_only_gets_shorter)
{
	CHECK_HAS(lp_docs_faults(POD("activeDeadlineSeconds: 9223372036854775807, containers: [{name: c, image: i}]")),
	    "must be between 1 and 2147483647, inclusive");
	CHECK_STR(lp_docs_faults(POD("activeDeadlineSeconds: 2147483647, containers: [{name: c, image: i}]")), "");
	CHECK_STR(update(POD("activeDeadlineSeconds: 10, containers: [{name: c, image: i}]"), POD("activeDeadlineSeconds: 9, containers: [{name: c, image: i}]")), "");
	CHECK_STR(update(POD("containers: [{name: c, image: i}]"), POD("activeDeadlineSeconds: 9, containers: [{name: c, image: i}]")), "");
	CHECK_HAS(update(POD("activeDeadlineSeconds: 10, containers: [{name: c, image: i}]"), POD("activeDeadlineSeconds: 11, containers: [{name: c, image: i}]")),
	    "must be less than or equal to previous value");
	CHECK_HAS(update(POD("activeDeadlineSeconds: 10, containers: [{name: c, image: i}]"), POD("containers: [{name: c, image: i}]")),
	    "must not update from a positive integer to nil value");
}

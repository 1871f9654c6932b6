#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define PV(spec) "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec: " spec "\n"
#define PVC(spec) "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: " spec "\n"
#define MOUNT(mount, context) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {volumes: [{name: v}], containers: [{name: c, image: i, securityContext: {" context \
	"}, volumeMounts: [{name: v, mountPath: /v, " mount "}]}]}\n"

TEST(a_volume_says_what_it_is_how_large_and_for_whom)
{
	CHECK_STR(lp_docs_faults(PV("{}")), "spec.capacity: Required value\nspec.accessModes: Required value\n"
					    "spec: Required value: must specify a volume type\n");
	CHECK_STR(lp_docs_faults(PV("{capacity: {storage: 1Gi}, accessModes: [Often], hostPath: {path: /x}, nfs: {server: s, path: /}}")),
	    "spec.accessModes[0]: Unsupported value: \"Often\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", "
	    "\"ReadWriteOncePod\"\nspec.nfs: Forbidden: may not specify more than 1 volume type\n");
	CHECK_STR(lp_docs_faults(PV("{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], local: {path: /x}}")),
	    "spec.nodeAffinity: Required value: Local volume requires node affinity\n");
	CHECK_STR(lp_docs_faults(PV("{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}, persistentVolumeReclaimPolicy: Recycle}")),
	    "spec.persistentVolumeReclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"\n");
}

TEST(a_claim_says_how_much_and_how)
{
	CHECK_STR(lp_docs_faults(PVC("{}")), "spec.accessModes: Required value: at least 1 access mode is required\n"
					     "spec.resources[storage]: Required value\n");
	CHECK_STR(lp_docs_faults(PVC("{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}")), "");
}

TEST(mounts_are_propagated_and_read_only_by_kubernetes_rules)
{
	CHECK_STR(lp_docs_faults(MOUNT("mountPropagation: Bidirectional", "")),
	    "spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers\n");
	CHECK_STR(lp_docs_faults(MOUNT("mountPropagation: Bidirectional", "privileged: true")), "");
	CHECK_STR(lp_docs_faults(MOUNT("subPath: a, subPathExpr: b", "")),
	    "spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: \"b\": subPathExpr and subPath are mutually exclusive\n");
	CHECK_STR(lp_docs_faults(MOUNT("recursiveReadOnly: Enabled", "")),
	    "spec.containers[0].volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when readOnly is true\n");
	CHECK_STR(lp_docs_faults(MOUNT("readOnly: true, recursiveReadOnly: Enabled", "")), "");
}

/* Every fault of an update, a line each. */
static const char *
update(const char *from, const char *to)
{
	const struct lp_json *old = lp_docs_yaml(from), *object = lp_docs_yaml(to);
	struct lp_faults faults;

	lp_faults_init(&faults, lp_docs_arena());
	(void)lp_check_update(lp_object_kind_of(object), object, old, &faults);
	return faults.count == 0 ? "" : lp_docs_text(lp_status_invalid(lp_docs_arena(), lp_object_kind_of(object), "a", &faults));
}

#define ASKS(more) PVC("{accessModes: [ReadWriteOnce], volumeMode: Filesystem, resources: {requests: {storage: 1Gi}}" more "}")

TEST(a_claim_may_be_given_a_volume_and_nothing_else)
{
	CHECK_STR(update(ASKS(""), ASKS(", volumeName: v")), "");
	CHECK_HAS(update(ASKS(", volumeName: v"), ASKS(", volumeName: w")), "spec is immutable after creation");
	CHECK_HAS(update(ASKS(""), ASKS(", storageClassName: x")), "spec is immutable after creation");
	CHECK_HAS(update(ASKS(", volumeName: v"),
	    PVC("{accessModes: [ReadWriteOnce], volumeMode: Filesystem, volumeName: v, resources: {requests: {storage: 2Gi}}}")),
	    "only dynamically provisioned pvc can be resized");
	CHECK_HAS(update(PV("{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}"),
	    PV("{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /etc}}")), "persistentvolumesource is immutable");
	CHECK_HAS(update("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: x\n",
	    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: y\n"), "updates to provisioner are forbidden.");
}

#include <string.h>

#include "base/text.h"
#include "manager/look/place.h"
#include "manager/look/provision.h"
#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

#define NODE(name) \
	"apiVersion: v1\nkind: Node\nmetadata:\n  name: " name "\n  labels: {kubernetes.io/hostname: " name "}\n" \
	"status:\n  allocatable: {cpu: '2', memory: 1Gi, pods: '10'}\n  conditions: [{type: Ready, status: 'True'}]\n"
#define CLAIM(name, class, size) \
	"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: " name ", finalizers: [kubernetes.io/pvc-protection]}\n" \
	"spec: {accessModes: [ReadWriteOnce], storageClassName: '" class "', resources: {requests: {storage: " size "}}}\n"
#define VOLUME(name, size, more) \
	"apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " name ", labels: {tier: " name "}}\n" \
	"spec:\n  capacity: {storage: " size "}\n  accessModes: [ReadWriteOnce]\n  hostPath: {path: /srv/" name "}\n" more
#define POD(name, claim) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name "}\nspec:\n  containers: [{name: c, image: i}]\n" \
	"  volumes: [{name: d, persistentVolumeClaim: {claimName: " claim "}}]\n"

static struct lp_objects objects;

/* Every controller that has a say, until none wants anything; true when that came to pass. */
static bool
settle(void)
{
	for (int i = 0; i < 12; i++) {
		static const lp_control_fn all[] = { lp_place_control, lp_claims_control, lp_volumes_control };
		size_t writes = 0;

		for (size_t c = 0; c < 3; c++) {
			lp_objects_run(&objects, all[c]);
			for (const struct lp_write *write = objects.writes.first; write; write = write->next)
				writes += write->verb != LP_WRITE_EVENT;
			lp_objects_apply(&objects);
		}
		if (writes == 0)
			return true;
	}
	return false;
}

static const char *
text(const char *kind, const char *name, const char *path)
{
	const char *namespace = strcmp(kind, "persistentvolume") == 0 ? "" : "default";

	return lp_json_str(lp_objects_get(&objects, kind, namespace, name), path);
}

#define PV(name, path) text("persistentvolume", name, path)
#define PVC(name, path) text("persistentvolumeclaim", name, path)

static const char *
event(lp_control_fn run, const char *name)
{
	const struct lp_write *write;

	lp_objects_run(&objects, run);
	write = lp_objects_write(&objects, LP_WRITE_EVENT, name);
	return write ? write->message : NULL;
}

TEST(the_two_classes_are_made_and_one_is_the_default)
{
	lp_objects_init(&objects);
	CHECK(settle());
	CHECK_STR(lp_json_str(lp_objects_get(&objects, "storageclass", "", "local-path"), "volumeBindingMode"), "WaitForFirstConsumer");
	CHECK_STR(lp_provision_default_class(objects.cache), "limpet-local");
}

TEST(a_claim_gets_the_smallest_volume_that_is_large_enough)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, VOLUME("small", "1Gi", ""));
	lp_objects_add(&objects, VOLUME("large", "10Gi", ""));
	lp_objects_add(&objects, VOLUME("right", "5Gi", ""));
	lp_objects_add(&objects, CLAIM("data", "", "2Gi"));
	CHECK(settle());
	CHECK_STR(PVC("data", "status.phase"), "Bound");
	CHECK_STR(PVC("data", "spec.volumeName"), "right");
	CHECK_STR(PVC("data", "status.capacity.storage"), "5Gi");
	CHECK_STR(PV("right", "status.phase"), "Bound");
	CHECK_STR(PV("right", "spec.claimRef.name"), "data");
	CHECK_STR(PV("small", "status.phase"), "Available");
}

TEST(two_claims_never_get_the_same_volume)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, VOLUME("only", "1Gi", ""));
	lp_objects_add(&objects, CLAIM("a", "", "1Gi"));
	lp_objects_add(&objects, CLAIM("b", "", "1Gi"));
	CHECK(settle());
	CHECK_STR(PVC("a", "status.phase"), "Bound");
	CHECK_STR(PVC("b", "status.phase"), "Pending");
	CHECK_STR(event(lp_claims_control, "b"), "no persistent volumes available for this claim and no storage class is set");
}

TEST(modes_class_selector_and_a_wish_by_name_are_respected)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, VOLUME("a", "1Gi", "  storageClassName: slow\n"));
	lp_objects_add(&objects, VOLUME("b", "1Gi", ""));
	lp_objects_add(&objects, VOLUME("c", "9Gi", ""));
	lp_objects_add(&objects, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: many}\n"
		"spec: {accessModes: [ReadWriteMany], storageClassName: '', resources: {requests: {storage: 1Gi}}}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: tier}\n"
		"spec: {accessModes: [ReadWriteOnce], storageClassName: '', selector: {matchLabels: {tier: c}}, resources: {requests: {storage: 1Gi}}}\n");
	lp_objects_add(&objects, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: named}\n"
		"spec: {accessModes: [ReadWriteOnce], storageClassName: slow, volumeName: a, resources: {requests: {storage: 1Gi}}}\n");
	CHECK(settle());
	CHECK_STR(PVC("many", "status.phase"), "Pending");
	CHECK_STR(PVC("tier", "spec.volumeName"), "c");
	CHECK_STR(PVC("named", "status.phase"), "Bound");
	CHECK_STR(PV("a", "spec.claimRef.name"), "named");
	CHECK_STR(PV("b", "status.phase"), "Available");
}

TEST(a_claim_of_the_local_class_waits_for_its_pod_and_gets_a_directory_on_its_node)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1"));
	lp_objects_add(&objects, NODE("n2"));
	lp_objects_add(&objects, CLAIM("data", "limpet-local", "1Gi"));
	CHECK(settle());
	CHECK_STR(PVC("data", "status.phase"), "Pending");
	CHECK_STR(event(lp_claims_control, "data"), "waiting for first consumer to be created before binding");
	lp_objects_add(&objects, POD("web", "data"));
	lp_objects_run(&objects, lp_place_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "web") == NULL);	/* its volume is not there yet */
	CHECK(settle());
	CHECK_STR(PVC("data", "status.phase"), "Bound");
	CHECK_STR(text("pod", "web", "spec.nodeName"), "n1");
	CHECK_STR(PV("pvc-uid-persistentvolumeclaim-data", "spec.csi.driver"), LP_PROVISION_DRIVER);
	CHECK_STR(PV("pvc-uid-persistentvolumeclaim-data", "spec.csi.volumeHandle"), "uid-persistentvolumeclaim-data");

	/* The next pod of this claim has to go where the directory is. */
	lp_objects_remove(&objects, "node", "", "n1");
	lp_objects_add(&objects, POD("next", "data"));
	CHECK_STR(event(lp_place_control, "next"), "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity. "
		"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
}

TEST(a_pod_whose_claim_is_missing_or_unbound_says_so)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1"));
	lp_objects_add(&objects, POD("web", "nowhere"));
	CHECK_STR(event(lp_place_control, "web"), "0/1 nodes are available: persistentvolumeclaim \"nowhere\" not found. "
		"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
	lp_objects_add(&objects, CLAIM("nowhere", "", "1Gi"));
	CHECK_STR(event(lp_place_control, "web"), "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. "
		"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
}

TEST(a_claim_in_use_stays_and_its_volume_goes_by_its_policy)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1"));
	lp_objects_add(&objects, CLAIM("data", "limpet-local", "1Gi"));
	lp_objects_add(&objects, POD("web", "data"));
	CHECK(settle());
	lp_objects_add(&objects, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, uid: uid-persistentvolumeclaim-data, "
		"deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [kubernetes.io/pvc-protection]}\n"
		"spec: {accessModes: [ReadWriteOnce], storageClassName: limpet-local, volumeName: pvc-uid-persistentvolumeclaim-data, "
		"resources: {requests: {storage: 1Gi}}}\nstatus: {phase: Bound}\n");
	CHECK_INT(lp_objects_run(&objects, lp_claims_control), 0);
	lp_objects_remove(&objects, "pod", "default", "web");
	CHECK_INT(lp_objects_run(&objects, lp_claims_control), 1);
	CHECK(lp_objects_write(&objects, LP_WRITE_UPDATE, "data") != NULL);
	lp_objects_remove(&objects, "persistentvolumeclaim", "default", "data");
	lp_objects_run(&objects, lp_volumes_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "pvc-uid-persistentvolumeclaim-data") != NULL);
}

TEST(a_released_volume_is_retained_or_failed_and_never_given_to_the_next)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, VOLUME("kept", "1Gi", "  claimRef: {namespace: default, name: gone, uid: u1}\n"));
	lp_objects_add(&objects, VOLUME("lost", "1Gi", "  claimRef: {namespace: default, name: gone, uid: u2}\n  persistentVolumeReclaimPolicy: Delete\n"));
	lp_objects_add(&objects, CLAIM("new", "", "1Gi"));
	CHECK(settle());
	CHECK_STR(PV("kept", "status.phase"), "Released");
	CHECK_STR(PV("lost", "status.phase"), "Failed");
	CHECK_STR(PVC("new", "status.phase"), "Pending");
}

TEST(a_claim_whose_volume_was_taken_away_is_lost)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, VOLUME("v", "1Gi", ""));
	lp_objects_add(&objects, CLAIM("data", "", "1Gi"));
	CHECK(settle());
	lp_objects_remove(&objects, "persistentvolume", "", "v");
	CHECK(settle());
	CHECK_STR(PVC("data", "status.phase"), "Lost");
}

TEST(an_ephemeral_volume_gets_a_claim_of_its_pods_own)
{
	const struct lp_json *claim;

	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1"));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: c, image: i}]\n"
		"  volumes: [{name: d, ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], "
		"storageClassName: limpet-local, resources: {requests: {storage: 1Mi}}}}}}]\n");
	CHECK(settle());
	claim = lp_objects_get(&objects, "persistentvolumeclaim", "default", "web-d");
	CHECK(lp_object_owned_by(claim, "uid-pod-web"));
	CHECK_STR(lp_object_label(claim, "a"), "b");
	CHECK_STR(PVC("web-d", "status.phase"), "Bound");
	CHECK_STR(text("pod", "web", "spec.nodeName"), "n1");
}

TEST(a_claim_for_one_pod_alone_keeps_the_second_pod_waiting)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1"));
	lp_objects_add(&objects, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: one}\n"
		"spec: {accessModes: [ReadWriteOncePod], storageClassName: limpet-local, resources: {requests: {storage: 1Gi}}}\n");
	lp_objects_add(&objects, POD("first", "one"));
	CHECK(settle());
	CHECK_STR(text("pod", "first", "spec.nodeName"), "n1");
	lp_objects_add(&objects, POD("second", "one"));
	CHECK_HAS(event(lp_place_control, "second"), "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode");
	lp_objects_remove(&objects, "pod", "default", "first");
	CHECK(settle());
	CHECK_STR(text("pod", "second", "spec.nodeName"), "n1");
}

TEST(a_volume_that_was_made_is_kept_when_its_node_goes_before_the_claim_is_told)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1"));
	lp_objects_add(&objects, CLAIM("data", "limpet-local", "1Gi"));
	lp_objects_add(&objects, POD("web", "data"));
	lp_objects_run(&objects, lp_claims_control);
	lp_objects_apply(&objects);
	lp_objects_run(&objects, lp_place_control);
	lp_objects_apply(&objects);
	lp_objects_run(&objects, lp_claims_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_CREATE, "pvc-uid-persistentvolumeclaim-data") != NULL);
	lp_objects_apply(&objects);
	/* The node goes before the claim was told: the volume is still the claim's. */
	lp_objects_remove(&objects, "node", "", "n1");
	lp_objects_add(&objects, NODE("n2"));
	CHECK_HAS(event(lp_place_control, "web"), "node(s) didn't find available persistent volumes to bind");
	lp_objects_add(&objects, NODE("n1"));
	CHECK(settle());
	CHECK_STR(PVC("data", "status.phase"), "Bound");
	CHECK_STR(text("pod", "web", "spec.nodeName"), "n1");
}

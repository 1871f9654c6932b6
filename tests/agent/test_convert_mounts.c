#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/convert/convert.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_control_pod record;

static const char objects[] =
    "[{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"data\",\"namespace\":\"shop\",\"uid\":\"c1\"},\"spec\":{\"volumeName\":\"made\"}},"
    "{\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"made\"},\"spec\":{\"claimRef\":{\"uid\":\"c1\"},\"csi\":{\"driver\":\"local.limpet.dev\",\"volumeHandle\":\"c1\"}}},"
    "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"disk\",\"namespace\":\"shop\",\"uid\":\"c2\"},\"spec\":{\"volumeName\":\"local\"}},"
    "{\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"local\"},\"spec\":{\"claimRef\":{\"uid\":\"c2\"},\"local\":{\"path\":\"/mnt/disk\"}}},"
    "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"waits\",\"namespace\":\"shop\",\"uid\":\"c3\"},\"spec\":{}},"
    "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"stolen\",\"namespace\":\"shop\",\"uid\":\"c4\"},\"spec\":{\"volumeName\":\"made\"}},"
    "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"evil\",\"namespace\":\"shop\",\"uid\":\"c5\"},\"spec\":{\"volumeName\":\"evil\"}},"
    "{\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"evil\"},\"spec\":{\"claimRef\":{\"uid\":\"c5\"},\"csi\":{\"driver\":\"local.limpet.dev\",\"volumeHandle\":\"../../etc\"}}},"
    "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"web-e\",\"namespace\":\"shop\",\"uid\":\"c6\"},\"spec\":{\"volumeName\":\"made\"}}]";

/* A pod with one volume, mounted once. */
static const struct lp_mount *
mount(const char *volume, const char *more, const char *context, struct lp_err *err)
{
	static char pod[8192];

	(void)snprintf(pod, sizeof(pod),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u1\"},\"spec\":{"
	    "\"volumes\":[{\"name\":\"e\",%s}],\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"env\":[{\"name\":\"WHO\",\"value\":\"me\"}],"
	    "\"securityContext\":{%s},\"volumeMounts\":[{\"name\":\"e\",\"mountPath\":\"/d\"%s}]}]}}", volume, context, more);
	lp_test_facts(&t, pod, objects);
	if (lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, err) < 0)
		return NULL;
	for (size_t i = 0; i < record.containers[0].config.mount_count; i++)
		if (strcmp(record.containers[0].config.mounts[i].target, "/d") == 0)
			return &record.containers[0].config.mounts[i];
	return NULL;
}

#define DISK "\"emptyDir\":{}"
#define CLAIM(name) "\"persistentVolumeClaim\":{\"claimName\":\"" name "\"}"

TEST(a_claim_leads_to_its_volume_wherever_that_is)
{
	struct lp_err err = { 0 };
	const struct lp_mount *m = mount(CLAIM("data"), "", "", &err);

	CHECK(m != NULL);
	CHECK_STR(m->source.path, "/data/volumes/c1");
	CHECK(m->flags & LP_MOUNT_NODEV);
	m = mount(CLAIM("disk"), ",\"readOnly\":true", "", &err);
	CHECK(m != NULL);
	CHECK_STR(m->source.path, "/mnt/disk");
	CHECK(m->flags & LP_MOUNT_RO);
}

TEST(a_standalone_node_is_its_own_provisioner)
{
	struct lp_err err = { 0 };
	const struct lp_mount *m;

	CHECK(!mount(CLAIM("waits"), "", "", &err));
	t.facts.standalone = true;
	CHECK_OK(lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, &err), &err);
	m = &record.containers[0].config.mounts[record.containers[0].config.mount_count - 1];
	CHECK_STR(m->target, "/d");
	CHECK_STR(m->source.path, "/data/volumes/c3");
}

TEST(a_claim_that_is_missing_unbound_or_not_its_volumes_is_refused)
{
	struct lp_err err = { 0 };

	CHECK(!mount(CLAIM("none"), "", "", &err));
	CHECK_HAS(err.text, "persistentvolumeclaim \"none\" not found");
	CHECK(!mount(CLAIM("waits"), "", "", &err));
	CHECK_INT(err.code, -EAGAIN);
	CHECK(!mount(CLAIM("stolen"), "", "", &err));
	CHECK_INT(err.code, -EAGAIN);
	CHECK(!mount(CLAIM("evil"), "", "", &err));	/* a handle is a name, never a path */
	CHECK_INT(err.code, -EINVAL);
	CHECK(!mount("\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{}}}", "", "", &err));
	CHECK_INT(err.code, -EPERM);		/* somebody else's claim of that name */
}

TEST(a_sub_path_is_made_below_the_volume_and_variables_are_replaced)
{
	struct lp_err err = { 0 };
	const struct lp_mount *m = mount(DISK, ",\"subPath\":\"a/b\"", "", &err);

	CHECK(m != NULL);
	CHECK_STR(m->source.path, "/data/pods/u1/volumes/e");
	CHECK_STR(m->sub, "a/b");
	CHECK(m->flags & LP_MOUNT_MAKE_SUB);
	m = mount(DISK, ",\"subPathExpr\":\"x/$(WHO)\"", "", &err);
	CHECK(m != NULL);
	CHECK_STR(m->sub, "x/me");
	CHECK(!mount(DISK, ",\"subPathExpr\":\"$(NOBODY)\"", "", &err));
	CHECK_HAS(err.text, "missing value for \"NOBODY\"");
	CHECK(!mount(DISK, ",\"subPath\":\"a/../../b\"", "", &err));
	CHECK(!mount(DISK, ",\"subPath\":\"/etc\"", "", &err));
	m = mount("\"configMap\":{\"name\":\"cfg\"}", ",\"subPath\":\"key\"", "", &err);
	CHECK(m != NULL);
	CHECK_STR(m->sub, "..data/key");
	CHECK(!(m->flags & LP_MOUNT_MAKE_SUB));
}

TEST(propagation_is_as_asked_and_both_ways_only_for_the_privileged)
{
	struct lp_err err = { 0 };
	const struct lp_mount *m = mount(DISK, ",\"mountPropagation\":\"HostToContainer\"", "", &err);

	CHECK(m != NULL);
	CHECK_INT(m->propagation, LP_MOUNT_SLAVE);
	m = mount(DISK, "", "", &err);
	CHECK(m != NULL);
	CHECK_INT(m->propagation, LP_MOUNT_PRIVATE);
	CHECK(!mount(DISK, ",\"mountPropagation\":\"Bidirectional\"", "", &err));
	m = mount(DISK, ",\"mountPropagation\":\"Bidirectional\"", "\"privileged\":true", &err);
	CHECK(m != NULL);
	CHECK_INT(m->propagation, LP_MOUNT_SHARED);
}

TEST(a_volume_of_the_image_can_be_written_also_when_the_root_cannot)
{
	static const char *const volumes[] = { "/var/lib/x", "/d", NULL };
	struct lp_err err = { 0 };
	size_t found = 0;

	CHECK(mount(DISK, "", "\"readOnlyRootFilesystem\":true", &err) != NULL);
	t.image.volumes = volumes;
	CHECK_OK(lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, &err), &err);
	for (size_t i = 0; i < record.containers[0].config.mount_count; i++) {
		const struct lp_mount *m = &record.containers[0].config.mounts[i];

		found += m->kind == LP_MOUNT_TMPFS && strcmp(m->target, "/var/lib/x") == 0 && (m->flags & LP_MOUNT_COPY_UP);
		CHECK(m->kind != LP_MOUNT_TMPFS || strcmp(m->target, "/d") != 0);	/* the pod's own volume is there */
	}
	CHECK_INT(found, 1);
}

TEST(the_ceiling_holds_for_paths_that_a_claim_leads_to)
{
	static struct lp_ceiling_path paths[] = { { .path = "/mnt" }, { .path = "/ro", .read_only = true } };
	static struct lp_ceiling ceiling;
	struct lp_err err = { 0 };
	struct lp_volume volume;

	(void)mount(CLAIM("disk"), "", "\"privileged\":true", &err);
	lp_ceiling_none(&ceiling);
	t.facts.ceiling = &ceiling;
	CHECK_OK(lp_volume_read(&t.arena, t.pod->spec->volumes.items[0], t.pod_json, &t.facts, &volume, &err), &err);
	CHECK(volume.group && !volume.root);
	ceiling.paths = paths;
	ceiling.path_count = 2;
	ceiling.paths_set = true;
	CHECK_OK(lp_volume_read(&t.arena, t.pod->spec->volumes.items[0], t.pod_json, &t.facts, &volume, &err), &err);
	CHECK_STR(volume.root, "/mnt");
	CHECK_STR(volume.below, "disk");
	paths[0].path = "/srv";
	CHECK_ERR(lp_volume_read(&t.arena, t.pod->spec->volumes.items[0], t.pod_json, &t.facts, &volume, &err), -EPERM);
	CHECK_HAS(err.text, "the ceiling of this node does not allow /mnt/disk");
}

TEST(a_link_below_a_listed_path_does_not_lead_out)
{
	struct lp_volume volume = { .name = "h", .kind = LP_VOLUME_HOST, .host_type = "Directory" };
	struct lp_err err = { 0 };

	CHECK_INT(mkdir(lp_test_path("listed"), 0755), 0);
	CHECK_INT(symlink("/etc", lp_test_path("listed/out")), 0);
	volume.path = lp_test_path("listed/out");
	CHECK_OK(lp_volume_prepare(-1, -1, &volume, &err), &err);	/* no ceiling: as the operator sees it */
	volume.root = lp_test_path("listed");
	volume.below = "out";
	CHECK(lp_volume_prepare(-1, -1, &volume, &err) < 0);
	volume.host_type = "DirectoryOrCreate";
	volume.below = "out/new";
	CHECK(lp_volume_prepare(-1, -1, &volume, &err) < 0);
}

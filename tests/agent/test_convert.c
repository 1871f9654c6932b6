#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_control_pod record;

static int
convert(const char *spec, struct lp_err *err)
{
	static char pod[8192];

	(void)snprintf(pod, sizeof(pod),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web.1\",\"namespace\":\"shop\",\"uid\":\"u1\"},\"spec\":{%s}}", spec);
	lp_test_facts(&t, pod, NULL);
	return lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, err);
}

static const struct lp_container_config *
first(void)
{
	return &record.containers[0].config;
}

static const struct lp_mount *
mount_at(const char *target)
{
	for (size_t i = 0; i < first()->mount_count; i++)
		if (strcmp(first()->mounts[i].target, target) == 0)
			return &first()->mounts[i];
	return NULL;
}

static const char *
file(const char *path)
{
	for (size_t i = 0; i < record.file_count; i++)
		if (strcmp(record.files[i].path, path) == 0)
			return record.files[i].data;
	return NULL;
}

TEST(a_pod_that_asks_for_nothing_gets_the_safe_defaults)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), &err);
	CHECK_INT(record.container_count, 1);
	CHECK(!record.host_users);
	CHECK_INT(record.uids[0].outside, 1048576);
	CHECK_INT(record.uids[0].count, 65536);
	CHECK(first()->process.no_new_privs);
	CHECK_INT(first()->process.seccomp, LP_SECCOMP_DEFAULT);
	CHECK_INT(first()->process.caps.bounding, lp_caps_default(true));
	CHECK_INT(first()->process.caps.ambient, 0);
	CHECK(first()->masked_paths == lp_container_masked);
	CHECK_INT(first()->limits.pids_max, 1024);
	CHECK_STR(first()->process.args[0], "/bin/server");
	CHECK_STR(first()->process.cwd, "/srv");
	CHECK_INT(record.containers[0].stop_signal, SIGQUIT);
	CHECK_STR(record.cgroup, "limpet/besteffort/podu1");
	CHECK_STR(record.hostname, "web-1");
	CHECK_INT(record.grace_ms, 30000);
	CHECK_STR(first()->rootfs.layers[0].path, "/data/layers/bb");
	CHECK_STR(first()->rootfs.layers[1].path, "/data/layers/aa");
}

TEST(a_read_only_root_has_no_writable_layer_on_disk)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{\"readOnlyRootFilesystem\":true}}]", &err), &err);
	CHECK(first()->rootfs.readonly);
	CHECK(!first()->rootfs.writable.path);
	CHECK_INT(first()->rootfs.tmpfs_bytes, 1 << 20);	/* mount points */
	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), &err);
	CHECK(first()->rootfs.writable.path);
	CHECK_INT(first()->rootfs.tmpfs_bytes, 0);
}

TEST(a_command_replaces_the_image_and_args_alone_keep_the_entry_point)
{
	static const char *const entry[] = { "/entry", NULL };
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"run\"]}]", &err), &err);
	CHECK_STR(first()->process.args[0], "run");
	CHECK(!first()->process.args[1]);
	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"args\":[\"x\"]}]", &err), &err);
	t.image.entrypoint = entry;
	CHECK_OK(lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, &err), &err);
	CHECK_STR(first()->process.args[0], "/entry");
	CHECK_STR(first()->process.args[1], "x");
	CHECK(!first()->process.args[2]);
}

TEST(a_container_without_any_program_is_refused)
{
	static const char *const none[] = { NULL };
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), &err);
	t.image.cmd = none;
	CHECK_ERR(lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, &err), -EINVAL);
	CHECK_HAS(err.text, "container c: no command specified");
}

TEST(capabilities_are_added_and_dropped_by_name)
{
	struct lp_err err = { 0 };
	uint64_t admin, chown;

	CHECK_INT(lp_caps_parse("NET_ADMIN", &admin), 0);
	CHECK_INT(lp_caps_parse("CHOWN", &chown), 0);
	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{\"capabilities\":{\"add\":[\"NET_ADMIN\"],\"drop\":[\"ALL\"]}}}]", &err), &err);
	CHECK_INT(first()->process.caps.bounding, admin);
	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{\"capabilities\":{\"drop\":[\"CHOWN\"]}}}]", &err), &err);
	CHECK_INT(first()->process.caps.bounding, lp_caps_default(true) & ~chown);
	CHECK_ERR(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{\"capabilities\":{\"add\":[\"NET_ADMINN\"]}}}]", &err), -EINVAL);
}

TEST(run_as_non_root_refuses_root)
{
	struct lp_err err = { 0 };

	CHECK_ERR(convert("\"securityContext\":{\"runAsNonRoot\":true},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), -EINVAL);
	CHECK_HAS(err.text, "runAsNonRoot and image will run as root");
}

TEST(only_a_privileged_container_loses_the_masks)
{
	struct lp_err err = { 0 };
	const char *why;

	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{\"privileged\":true}}]", &err), &err);
	CHECK(!first()->masked_paths);
	CHECK_INT(first()->process.seccomp, LP_SECCOMP_UNCONFINED);
	CHECK(!lp_convert_wants_users(t.pod, &why));
	CHECK_STR(why, "a container is privileged");
}

TEST(the_host_network_means_the_hosts_users_and_resolver)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"hostNetwork\":true,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), &err);
	CHECK(record.host_network && !record.hostname);
	CHECK(!lp_convert_wants_users(t.pod, NULL));
	CHECK_HAS(file("etc/resolv.conf"), "nameserver 9.9.9.9");
}

TEST(cluster_first_asks_the_nodes_resolver)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), &err);
	CHECK_STR(file("etc/resolv.conf"),
	    "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.43.0.10\noptions ndots:5\n");
	CHECK_HAS(file("etc/hosts"), "10.42.0.5\tweb-1\n");
	CHECK_OK(convert("\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.2.3.4\"],\"searches\":[\"a.b\"]},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", &err), &err);
	CHECK_STR(file("etc/resolv.conf"), "search a.b\nnameserver 1.2.3.4\n\n");
}

TEST(volumes_are_mounted_from_where_they_are)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"volumes\":[{\"name\":\"d\",\"emptyDir\":{}},{\"name\":\"m\",\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":\"1Mi\"}},"
			 "{\"name\":\"h\",\"hostPath\":{\"path\":\"/srv/x\"}},{\"name\":\"c\",\"configMap\":{\"name\":\"cfg\"}}],"
			 "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"d\",\"mountPath\":\"/d\"},"
			 "{\"name\":\"m\",\"mountPath\":\"/m\"},{\"name\":\"h\",\"mountPath\":\"/h\",\"readOnly\":true},{\"name\":\"c\",\"mountPath\":\"/c\"}]}]",
		     &err), &err);
	CHECK_STR(mount_at("/d")->source.path, "/data/pods/u1/volumes/d");
	CHECK_STR(mount_at("/m")->source.path, "volumes/m");
	CHECK_STR(mount_at("/h")->source.path, "/srv/x");
	CHECK(mount_at("/h")->flags & LP_MOUNT_RO);
	CHECK(mount_at("/c")->flags & LP_MOUNT_RO);
	CHECK_INT(record.volume_count, 2);
	CHECK_INT(record.volumes[0].size_bytes, 1 << 20);
	CHECK_ERR(convert("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"x\",\"mountPath\":\"/x\"}]}]", &err), -ENOENT);
}

TEST(init_containers_come_first_and_sidecars_are_told_apart)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert("\"initContainers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":\"b\",\"image\":\"i\",\"restartPolicy\":\"Always\"}],"
			 "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],\"restartPolicy\":\"OnFailure\"", &err), &err);
	CHECK_INT(record.containers[0].role, LP_CONTROL_INIT);
	CHECK_INT(record.containers[1].role, LP_CONTROL_SIDECAR);
	CHECK_INT(record.containers[2].role, LP_CONTROL_MAIN);
	CHECK_INT(record.policy, LP_CONTROL_ON_FAILURE);
}

TEST(quality_of_service_follows_requests_and_limits)
{
	static const struct {
		const char *resources;
		enum lp_convert_qos qos;
	} cases[] = {
		{ "{}", LP_CONVERT_BEST_EFFORT },
		{ "{\"requests\":{\"cpu\":\"100m\"}}", LP_CONVERT_BURSTABLE },
		{ "{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}", LP_CONVERT_GUARANTEED },
		{ "{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1000m\",\"memory\":\"1024Mi\"}}", LP_CONVERT_GUARANTEED },
		{ "{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"memory\":\"1Mi\"}}", LP_CONVERT_BURSTABLE },
		{ "{\"limits\":{\"memory\":\"1Gi\"}}", LP_CONVERT_BURSTABLE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char spec[512];
		struct lp_err err = { 0 };

		(void)snprintf(spec, sizeof(spec), "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":%s}]", cases[i].resources);
		CHECK_OK(convert(spec, &err), &err);
		CHECK_INT(lp_convert_qos(t.pod), cases[i].qos);
	}
	CHECK_INT(first()->limits.memory_max_bytes, INT64_C(1) << 30);
	CHECK_INT(first()->limits.swap_max_bytes, 0);
}

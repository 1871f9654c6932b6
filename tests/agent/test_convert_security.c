#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_control_pod record;
static struct lp_ceiling ceiling;

#define BIT(cap) (UINT64_C(1) << (cap))
#define CONTEXT(text) "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{" text "}}]"

/* A profile of the node: refuses mkdir, allows the rest. */
static int
profile(void *arg, struct lp_arena *arena, const char *name, struct lp_json **out, struct lp_err *err)
{
	static const char allow[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"}]}";
	static const char notify[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}";
	const char *text = strcmp(name, "a.json") == 0 ? allow : strcmp(name, "notify.json") == 0 ? notify : NULL;

	(void)arg;
	if (!text)
		return lp_err_set(err, -ENOENT, "seccomp profile %s", name);
	return lp_json_parse(arena, text, strlen(text), NULL, out, err);
}

static const char *note;		/* the old annotation of container c */

static int
convert_with(const char *spec, void (*change)(void), struct lp_err *err)
{
	static char pod[8192];

	(void)snprintf(pod, sizeof(pod),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u1\","
	    "\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/%s\":\"%s\"}},\"spec\":{%s}}",
	    note ? "c" : "other", note ? note : "", spec);
	lp_test_facts(&t, pod, NULL);
	lp_ceiling_none(&ceiling);
	t.facts.ceiling = &ceiling;
	t.facts.profile = profile;
	if (change)
		change();
	return lp_convert_pod(&t.arena, t.pod, t.pod_json, &t.facts, &record, err);
}

static const struct lp_process_config *
process(const char *spec)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert_with(spec, NULL, &err), &err);
	return &record.containers[0].config.process;
}

static const char *
refusal(const char *spec, void (*change)(void))
{
	static struct lp_err err;

	lp_err_clear(&err);
	return convert_with(spec, change, &err) < 0 ? err.text : "";
}

TEST(capabilities_are_added_and_dropped_in_the_order_that_kubernetes_users_know)
{
	uint64_t usual = lp_caps_default(true);

	CHECK_INT(process(CONTEXT("\"capabilities\":{\"add\":[\"NET_ADMIN\"],\"drop\":[\"CHOWN\"]}"))->caps.permitted,
	    (usual | BIT(CAP_NET_ADMIN)) & ~BIT(CAP_CHOWN));
	CHECK_INT(process(CONTEXT("\"capabilities\":{\"drop\":[\"ALL\"]}"))->caps.bounding, 0);
	CHECK_INT(process(CONTEXT("\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"CAP_NET_BIND_SERVICE\"]}"))->caps.bounding, BIT(CAP_NET_BIND_SERVICE));
	CHECK_INT(process(CONTEXT("\"capabilities\":{\"add\":[\"ALL\"],\"drop\":[\"SYS_ADMIN\"]}"))->caps.bounding, LP_CAP_ALL & ~BIT(CAP_SYS_ADMIN));
	CHECK_INT(process(CONTEXT("\"capabilities\":{\"add\":[\"CHOWN\"],\"drop\":[\"CHOWN\"]}"))->caps.bounding, usual & ~BIT(CAP_CHOWN));
	CHECK_STR(refusal(CONTEXT("\"capabilities\":{\"add\":[\"FLY\"]}"), NULL), "container c: unknown capability FLY");
}

TEST(nobody_gains_privileges_unless_the_manifest_says_so)
{
	CHECK(process("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]")->no_new_privs);
	CHECK(process(CONTEXT("\"runAsUser\":1"))->no_new_privs);
	CHECK(process(CONTEXT("\"allowPrivilegeEscalation\":false"))->no_new_privs);
	CHECK(!process(CONTEXT("\"allowPrivilegeEscalation\":true"))->no_new_privs);
	CHECK(!process(CONTEXT("\"privileged\":true"))->no_new_privs);
	CHECK(!process(CONTEXT("\"capabilities\":{\"add\":[\"SYS_ADMIN\"]}"))->no_new_privs);
	CHECK(process(CONTEXT("\"capabilities\":{\"add\":[\"NET_ADMIN\"]}"))->no_new_privs);
}

TEST(a_local_seccomp_profile_is_compiled_into_the_record)
{
	const struct lp_process_config *got = process(CONTEXT("\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"a.json\"}"));

	CHECK_INT(got->seccomp, LP_SECCOMP_GIVEN);
	CHECK(got->seccomp_bytes > 8 && got->seccomp_bytes % 8 == 0);
	CHECK(got->seccomp_program != NULL);
	/* the container's own word wins over the pod's */
	got = process("\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}}," CONTEXT("\"seccompProfile\":{\"type\":\"RuntimeDefault\"}"));
	CHECK_INT(got->seccomp, LP_SECCOMP_DEFAULT);
	got = process("\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]");
	CHECK_INT(got->seccomp, LP_SECCOMP_UNCONFINED);
	CHECK_HAS(refusal(CONTEXT("\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"b.json\"}"), NULL), "seccomp profile b.json");
	CHECK_HAS(refusal(CONTEXT("\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"notify.json\"}"), NULL), "nobody to listen");
}

static void
with_modules(void)
{
	t.facts.apparmor = t.facts.selinux = true;
}

TEST(a_security_module_that_the_kernel_lacks_is_refused_by_name)
{
	static const char apparmor[] = CONTEXT("\"appArmorProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"p\"}");
	static const char selinux[] = CONTEXT("\"seLinuxOptions\":{\"level\":\"s0:c1,c2\"}");
	struct lp_err err = { 0 };

	CHECK_STR(refusal(apparmor, NULL), "container c: Cannot enforce AppArmor: AppArmor is not enabled on the host");
	CHECK_STR(refusal(selinux, NULL), "container c: seLinuxOptions: SELinux is not enabled on this node");
	CHECK(!process(CONTEXT("\"appArmorProfile\":{\"type\":\"Unconfined\"}"))->apparmor);
	CHECK_STR(refusal(CONTEXT("\"appArmorProfile\":{\"type\":\"RuntimeDefault\"}"), NULL),
	    "container c: Cannot enforce AppArmor: AppArmor is not enabled on the host");
	CHECK(!process("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]")->apparmor);
	CHECK_OK(convert_with(apparmor, with_modules, &err), &err);
	CHECK_STR(record.containers[0].config.process.apparmor, "p");
	CHECK_OK(convert_with(selinux, with_modules, &err), &err);
	CHECK_STR(record.containers[0].config.process.selinux, "system_u:system_r:container_t:s0:c1,c2");
}

static void
with_default(void)
{
	t.facts.apparmor = t.facts.apparmor_default = true;
}

static const char *
apparmor_of(const char *spec, void (*change)(void))
{
	static const char none[] = "none";
	struct lp_err err = { 0 };

	if (convert_with(spec, change, &err) < 0)
		return lp_arena_printf(&t.arena, "%s", err.text);
	return record.containers[0].config.process.apparmor ? record.containers[0].config.process.apparmor : none;
}

#define PLAIN "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"
#define PROFILE(type) "\"appArmorProfile\":{\"type\":\"" type "\"}"
#define LOCAL(name) "\"appArmorProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"" name "\"}"

TEST(the_default_apparmor_profile_is_everybodys_where_it_is_loaded)
{
	CHECK_STR(apparmor_of(PLAIN, with_default), "limpet-default");
	CHECK_STR(apparmor_of(CONTEXT(PROFILE("RuntimeDefault")), with_default), "limpet-default");
	CHECK_STR(apparmor_of(CONTEXT(PROFILE("Unconfined")), with_default), "unconfined");
	CHECK_STR(apparmor_of(CONTEXT("\"privileged\":true"), with_default), "none");
	CHECK_STR(apparmor_of(CONTEXT("\"privileged\":true," PROFILE("RuntimeDefault")), with_default), "none");
	CHECK_STR(apparmor_of(CONTEXT("\"privileged\":true," LOCAL("p")), with_default), "p");
	/* not loaded: only who asks for it is told */
	CHECK_STR(apparmor_of(PLAIN, with_modules), "none");
	CHECK_STR(apparmor_of(CONTEXT(PROFILE("RuntimeDefault")), with_modules), "container c: Cannot enforce AppArmor: profile limpet-default is not loaded");
}

TEST(an_apparmor_profile_is_the_containers_then_its_annotations_then_the_pods)
{
	static const char of_pod[] = "\"securityContext\":{" LOCAL("pods") "}," PLAIN;

	CHECK_STR(apparmor_of(of_pod, with_default), "pods");
	note = "localhost/noted";
	CHECK_STR(apparmor_of(of_pod, with_default), "noted");
	CHECK_STR(apparmor_of(CONTEXT(LOCAL("own")), with_default), "own");
	note = "runtime/default";
	CHECK_STR(apparmor_of(of_pod, with_default), "limpet-default");
	note = "unconfined";
	CHECK_STR(apparmor_of(of_pod, with_default), "unconfined");
	note = "";
	CHECK_STR(apparmor_of(of_pod, with_default), "pods");
	note = NULL;
}

static void
with_groups(void)
{
	static const uint32_t groups[] = { 20, 21 };

	t.images[0].groups = groups;
	t.images[0].group_count = 2;
}

TEST(strict_groups_leave_out_what_the_image_says)
{
	struct lp_err err = { 0 };
	const struct lp_process_config *got;

	CHECK_OK(convert_with("\"securityContext\":{\"supplementalGroups\":[7],\"fsGroup\":8},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", with_groups, &err), &err);
	got = &record.containers[0].config.process;
	CHECK_INT(got->group_count, 5);
	CHECK_INT(got->groups[0], got->gid);
	CHECK_INT(got->groups[1], 20);
	CHECK_INT(got->groups[4], 8);
	CHECK_OK(convert_with("\"securityContext\":{\"supplementalGroups\":[7],\"fsGroup\":8,\"supplementalGroupsPolicy\":\"Strict\"},\"containers\":[{\"name\":\"c\","
			      "\"image\":\"i\"}]", with_groups, &err), &err);
	got = &record.containers[0].config.process;
	CHECK_INT(got->group_count, 3);
	CHECK_INT(got->groups[1], 7);
}

static void
with_a_first_group(void)
{
	t.images[0].gid = 3000;
}

TEST(the_first_group_is_never_one_that_can_be_given_up)
{
	const struct lp_process_config *got;
	struct lp_err err = { 0 };

	CHECK_OK(convert_with("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", with_a_first_group, &err), &err);
	got = &record.containers[0].config.process;
	CHECK_INT(got->gid, 3000);
	CHECK_INT(got->group_count, 1);
	CHECK_INT(got->groups[0], 3000);
}

TEST(root_is_refused_where_the_manifest_forbids_it_in_the_kubelets_words)
{
	CHECK_STR(refusal(CONTEXT("\"runAsNonRoot\":true"), NULL),
	    "container c: container has runAsNonRoot and image will run as root (pod: \"web_shop(u1)\", container: c)");
	CHECK_STR(refusal(CONTEXT("\"runAsNonRoot\":true,\"runAsUser\":0"), NULL),
	    "container c: container's runAsUser breaks non-root policy (pod: \"web_shop(u1)\", container: c)");
	CHECK_STR(refusal("\"securityContext\":{\"runAsNonRoot\":true}," CONTEXT("\"runAsNonRoot\":false"), NULL), "");
}

static void
without_users(void)
{
	t.facts.uid_base = 0;
}

TEST(an_own_user_namespace_that_is_asked_for_is_never_left_out)
{
	CHECK_STR(refusal("\"hostUsers\":false,\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", without_users),
	    "hostUsers is false, and no user namespace can be had here");
	CHECK_STR(refusal("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", without_users), "");
	CHECK_STR(refusal("\"hostUsers\":false," CONTEXT("\"procMount\":\"Unmasked\""), NULL), "");
	CHECK(!record.containers[0].config.masked_paths && !record.containers[0].config.readonly_paths);
	CHECK_HAS(refusal(CONTEXT("\"procMount\":\"Unmasked\""), without_users), "procMount Unmasked needs a user namespace");
}

TEST(what_is_for_windows_is_refused_on_this_node)
{
	CHECK_STR(refusal(CONTEXT("\"windowsOptions\":{\"runAsUserName\":\"x\"}"), NULL), "container c: windowsOptions: this is a Linux node");
}

static void
with_devices(void)
{
	static const struct lp_device devices[] = { { .path = "/dev/fuse", .type = 'c', .major = 10, .minor = 229, .read = true, .write = true } };

	t.facts.devices = devices;
	t.facts.device_count = 1;
}

TEST(a_privileged_container_has_the_hosts_devices_and_another_one_none)
{
	struct lp_err err = { 0 };
	const struct lp_container_config *config;

	CHECK_OK(convert_with(CONTEXT("\"privileged\":true"), with_devices, &err), &err);
	config = &record.containers[0].config;
	CHECK_INT(config->device_count, 2);
	CHECK_INT(config->devices[0].type, 'a');
	CHECK_STR(config->devices[1].path, "/dev/fuse");
	CHECK(!config->masked_paths);
	CHECK_OK(convert_with(CONTEXT("\"privileged\":false"), with_devices, &err), &err);
	CHECK_INT(record.containers[0].config.device_count, 0);
}

static void
with_low_ceiling(void)
{
	static struct lp_ceiling_path paths[] = { { .path = "/srv" } };

	ceiling.caps = BIT(CAP_CHOWN);
	ceiling.max_processes = 64;
	ceiling.paths = paths;
	ceiling.path_count = 1;
	ceiling.paths_set = true;
}

static void
with_listed_devices(void)
{
	static const char *words[] = { "/dev/ttyUSB*" };

	with_devices();
	ceiling.devices = (struct lp_ceiling_words){ .items = words, .count = 1, .set = true };
}

TEST(under_a_ceiling_a_privileged_container_has_the_listed_devices_only)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert_with(CONTEXT("\"privileged\":true"), with_listed_devices, &err), &err);
	CHECK_INT(record.containers[0].config.device_count, 0);
}

static void
with_pod_limits(void)
{
	ceiling.pod_cpu_milli = 500;
	ceiling.pod_memory_bytes = 64 << 20;
}

TEST(a_pod_without_limits_has_those_of_the_ceiling)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert_with("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", with_pod_limits, &err), &err);
	CHECK_INT(record.limits.cpu_max_milli, 500);
	CHECK_INT(record.limits.memory_max_bytes, 64 << 20);
	CHECK_OK(convert_with("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"100m\",\"memory\":\"1Mi\"}}}]", with_pod_limits, &err), &err);
	CHECK_INT(record.limits.cpu_max_milli, 100);
	CHECK_INT(record.limits.memory_max_bytes, 1 << 20);
}

TEST(the_ceiling_caps_what_every_container_has)
{
	struct lp_err err = { 0 };

	CHECK_OK(convert_with("\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]", with_low_ceiling, &err), &err);
	CHECK_INT(record.containers[0].config.process.caps.bounding, BIT(CAP_CHOWN));
	CHECK_INT(record.containers[0].config.limits.pids_max, 64);
	CHECK_OK(convert_with(CONTEXT("\"privileged\":true"), with_low_ceiling, &err), &err);
	CHECK_INT(record.containers[0].config.process.caps.bounding, BIT(CAP_CHOWN));
}

TEST(a_hostpath_below_a_ceilings_path_is_opened_beneath_it)
{
	static const char spec[] = "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/srv/a/b\"}}],\"containers\":[{\"name\":\"c\",\"image\":\"i\","
				   "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/m\",\"subPath\":\"x\"},{\"name\":\"v\",\"mountPath\":\"/n\"}]}]";
	const struct lp_container_config *config;
	struct lp_err err = { 0 };
	size_t found = 0;

	CHECK_OK(convert_with(spec, with_low_ceiling, &err), &err);
	config = &record.containers[0].config;
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct lp_mount *mount = &config->mounts[i];

		if (strcmp(mount->target, "/m") != 0 && strcmp(mount->target, "/n") != 0)
			continue;
		CHECK_STR(mount->source.path, "/srv");
		CHECK_STR(mount->sub, mount->target[1] == 'm' ? "a/b/x" : "a/b");
		found++;
	}
	CHECK_INT(found, 2);
	CHECK_HAS(refusal("\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/etc\"}}],\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":"
			  "[{\"name\":\"v\",\"mountPath\":\"/m\"}]}]", with_low_ceiling), "the ceiling of this node does not allow /etc");
}

static void
with_a_loud_image(void)
{
	static const char *const labels[] = { "io.kubernetes.pod.privileged=true", "dev.limpet.hostUsers=true", "seccomp=unconfined", "devices=/dev/mem", NULL };
	static const char *const env[] = { "LIMPET_PRIVILEGED=1", "LISTEN_FDS=64", "NOTIFY_SOCKET=/run/x", "GLIBC_TUNABLES=x", NULL };
	static const char *const volumes[] = { "/", "/proc", "/proc/sys", "/sys/fs/cgroup", "/dev", "/x/../proc", "//proc", "relative", NULL };

	t.image.labels = labels;
	t.image.env = env;
	t.image.volumes = volumes;
	t.image.user = "root";
}

/* TRUST.md rule 6: content gives no right. */
TEST(nothing_that_an_image_says_is_a_right)
{
	static const char spec[] = CONTEXT("\"readOnlyRootFilesystem\":true");
	struct lp_err err = { 0 };
	const struct lp_container_config *got;
	struct lp_container_config plain;

	CHECK_OK(convert_with(spec, NULL, &err), &err);
	plain = record.containers[0].config;
	CHECK_OK(convert_with(spec, with_a_loud_image, &err), &err);
	got = &record.containers[0].config;
	CHECK_MEM(&got->process.caps, &plain.process.caps, sizeof(plain.process.caps));
	CHECK_INT(got->process.seccomp, plain.process.seccomp);
	CHECK_INT(got->process.no_new_privs, true);
	CHECK_INT(got->process.keep_fds, 0);
	CHECK_INT(got->mount_count, plain.mount_count);
	CHECK_INT(got->device_count, plain.device_count);
	CHECK(got->masked_paths == plain.masked_paths && got->readonly_paths == plain.readonly_paths);
	CHECK(got->rootfs.readonly && !record.host_users && !record.host_pid && !record.host_network);
}

#include "runtime/oci/oci_features.h"

#include <ctype.h>
#include <string.h>
#include <sys/capability.h>

#include "base/auto.h"
#include "runtime/oci/oci_mount.h"
#include "runtime/oci/oci_spec.h"
#include "runtime/seccomp_profile.h"

/* ---- features ---- */

static void
add_words(struct lp_arena *arena, struct lp_json *json, const char *key, const char *(*word)(size_t index))
{
	struct lp_json *list = lp_json_set_array(arena, json, key);

	for (size_t i = 0; word(i); i++)
		(void)lp_json_append(arena, list, lp_json_new_str(arena, word(i)));
}

/* Words with one blank between. */
static void
add_list(struct lp_arena *arena, struct lp_json *json, const char *key, const char *words)
{
	struct lp_json *list = lp_json_set_array(arena, json, key);

	for (; *words; words += strcspn(words, " "), words += *words == ' ')
		(void)lp_json_append(arena, list, lp_json_new_str(arena, lp_arena_mem(arena, words, strcspn(words, " "))));
}

static void
add_caps(struct lp_arena *arena, struct lp_json *json)
{
	struct lp_json *list = lp_json_set_array(arena, json, "capabilities");

	for (int i = 0; i < cap_max_bits(); i++) {
		char *name = cap_to_name(i);
		char *copy = lp_arena_str(arena, name);

		for (char *c = copy; c && *c; c++)
			*c = (char)toupper((unsigned char)*c);
		(void)cap_free(name);
		(void)lp_json_append(arena, list, lp_json_new_str(arena, copy));
	}
}

static void
add_enabled(struct lp_arena *arena, struct lp_json *json, const char *key, bool enabled)
{
	(void)lp_json_set_bool(arena, lp_json_set_object(arena, json, key), "enabled", enabled);
}

struct lp_json *
lp_oci_features_document(struct lp_arena *arena)
{
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *linux_, *cgroup, *seccomp;

	(void)lp_json_set_str(arena, json, "ociVersionMin", "1.0.0");
	(void)lp_json_set_str(arena, json, "ociVersionMax", LP_OCI_VERSION);
	add_list(arena, json, "hooks", "prestart createRuntime createContainer startContainer poststart poststop");
	add_words(arena, json, "mountOptions", lp_oci_mount_word);
	linux_ = lp_json_set_object(arena, json, "linux");
	add_list(arena, linux_, "namespaces", "cgroup ipc mount network pid time user uts");
	add_caps(arena, linux_);
	cgroup = lp_json_set_object(arena, linux_, "cgroup");
	(void)lp_json_set_bool(arena, cgroup, "v1", false);
	(void)lp_json_set_bool(arena, cgroup, "v2", true);
	(void)lp_json_set_bool(arena, cgroup, "systemd", false);
	(void)lp_json_set_bool(arena, cgroup, "systemdUser", false);
	(void)lp_json_set_bool(arena, cgroup, "rdma", true);
	seccomp = lp_json_set_object(arena, linux_, "seccomp");
	(void)lp_json_set_bool(arena, seccomp, "enabled", true);
	add_words(arena, seccomp, "actions", lp_seccomp_action_name);
	add_words(arena, seccomp, "operators", lp_seccomp_op_name);
	add_words(arena, seccomp, "archs", lp_seccomp_arch_name);
	add_words(arena, seccomp, "knownFlags", lp_seccomp_flag_name);
	add_words(arena, seccomp, "supportedFlags", lp_seccomp_flag_name);
	add_enabled(arena, linux_, "apparmor", true);
	add_enabled(arena, linux_, "selinux", true);
	add_enabled(arena, linux_, "intelRdt", false);
	add_enabled(arena, lp_json_set_object(arena, linux_, "mountExtensions"), "idmap", true);
	add_enabled(arena, linux_, "netDevices", false);
	(void)lp_json_set_str(arena, lp_json_set_object(arena, json, "annotations"), "dev.limpet.oci.version", LP_VERSION);
	return json;
}

/* ---- spec ---- */

static const char example[] =
	"{\"ociVersion\":\"" LP_OCI_VERSION "\","
	"\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],\"cwd\":\"/\","
	"\"capabilities\":{\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"limpet\","
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/timer_list\","
	"\"/proc/timer_stats\",\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

static void
set_map(struct lp_arena *arena, struct lp_json *linux_, const char *key, uint32_t id)
{
	struct lp_json *row = lp_json_append(arena, lp_json_set_array(arena, linux_, key), lp_json_new(arena, LP_JSON_OBJECT));

	(void)lp_json_set_int(arena, row, "containerID", 0);
	(void)lp_json_set_int(arena, row, "hostID", id);
	(void)lp_json_set_int(arena, row, "size", 1);
}

/* No network of its own, no limits; what an ordinary user may mount. */
static void
make_rootless(struct lp_arena *arena, struct lp_json *json, uint32_t uid, uint32_t gid)
{
	static const char *const bind_options[] = { "rbind", "nosuid", "noexec", "nodev", "ro" };
	struct lp_json *linux_ = lp_json_get(json, "linux");
	struct lp_json *namespaces = lp_json_get(linux_, "namespaces");
	struct lp_json *options;

	lp_json_each(ns, namespaces) {
		if (strcmp(lp_json_str(ns, "type"), "network") == 0) {
			(void)lp_json_set_str(arena, ns, "type", "user");
			break;
		}
	}
	set_map(arena, linux_, "uidMappings", uid);
	set_map(arena, linux_, "gidMappings", gid);
	(void)lp_json_remove(linux_, "resources");
	lp_json_each(mount, lp_json_get(json, "mounts")) {
		if (strcmp(lp_json_str(mount, "type"), "sysfs") == 0) {
			(void)lp_json_set_str(arena, mount, "type", "none");
			(void)lp_json_set_str(arena, mount, "source", "/sys");
			options = lp_json_set_array(arena, mount, "options");
			for (size_t i = 0; i < lp_count(bind_options); i++)
				(void)lp_json_append(arena, options, lp_json_new_str(arena, bind_options[i]));
		} else if (strcmp(lp_json_str(mount, "type"), "devpts") == 0) {
			options = lp_json_get(mount, "options");
			(void)lp_json_remove_child(options, lp_json_index(options, lp_json_count(options) - 1));	/* gid=5 has no place in the map */
		}
	}
}

struct lp_json *
lp_oci_features_spec(struct lp_arena *arena, bool rootless, uint32_t uid, uint32_t gid)
{
	struct lp_json *json;

	if (lp_json_parse(arena, example, sizeof(example) - 1, NULL, &json, NULL) < 0)
		return NULL;
	if (rootless)
		make_rootless(arena, json, uid, gid);
	return json;
}

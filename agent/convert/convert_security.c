#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "agent/convert/convert_parts.h"
#include "agent/facts/profile.h"
#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/podsecurity.h"

/* Users, groups, capabilities, seccomp, labels, devices, sysctls: what a pod's securityContext says. */

enum { PROGRAM_MAX = 256 << 10 };

bool
lp_convert_privileged(const struct lp_spec_container *container)
{
	return container->security_context && container->security_context->privileged.value;
}

bool
lp_convert_wants_users(const struct lp_spec_pod *pod, const char **out_why)
{
	const struct lp_spec_pod_spec *spec = pod->spec;
	const char *why = NULL;

	if (spec->host_users.has && spec->host_users.value)
		why = "hostUsers is true";
	else if (spec->host_network.value)
		why = "hostNetwork is true";
	else if (spec->host_pid.value)
		why = "hostPID is true";
	else if (spec->host_ipc.value)
		why = "hostIPC is true";
	for (size_t i = 0; !why && i < spec->containers.count; i++)
		if (lp_convert_privileged(spec->containers.items[i]))
			why = "a container is privileged";
	for (size_t i = 0; !why && i < spec->init_containers.count; i++)
		if (lp_convert_privileged(spec->init_containers.items[i]))
			why = "a container is privileged";
	if (out_why)
		*out_why = why;
	return !why;
}

const char *
lp_convert_user(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_image *image)
{
	const struct lp_spec_security_context *own = container->security_context;
	const struct lp_spec_pod_security_context *all = pod->spec->security_context;
	struct lp_spec_int user = own && own->run_as_user.has ? own->run_as_user : all ? all->run_as_user : (struct lp_spec_int){ 0 };
	struct lp_spec_int group = own && own->run_as_group.has ? own->run_as_group : all ? all->run_as_group : (struct lp_spec_int){ 0 };

	if (user.has && group.has)
		return lp_arena_printf(arena, "%lld:%lld", (long long)user.value, (long long)group.value);
	if (user.has)
		return lp_arena_printf(arena, "%lld", (long long)user.value);
	if (group.has)
		return lp_arena_printf(arena, "%.*s:%lld", (int)strcspn(image->user, ":"), image->user, (long long)group.value);
	return image->user;
}

/* ---- capabilities */

/* The capabilities a list names; *out_all: it names all of them. */
static int
read_caps(const struct lp_spec_words *list, uint64_t *out, bool *out_all, struct lp_err *err)
{
	*out = 0;
	*out_all = false;
	for (size_t i = 0; i < list->count; i++) {
		uint64_t bits;

		if (lp_caps_parse(list->items[i], &bits) < 0)
			return lp_err_say(err, -EINVAL, "unknown capability %s", list->items[i]);
		if (bits == LP_CAP_ALL)
			*out_all = true;
		else
			*out |= bits;
	}
	return 0;
}

/* In the order of containerd's CRI: "ALL" first, then what is added, then what is dropped. */
static int
convert_caps(const struct lp_spec_container *container, const struct lp_facts *facts, struct lp_process_config *process, struct lp_err *err)
{
	const struct lp_spec_capabilities *wanted = container->security_context ? container->security_context->capabilities : NULL;
	uint64_t set = lp_convert_privileged(container) ? LP_CAP_ALL : lp_caps_default(facts->uid_base != 0), added, dropped;
	bool add_all, drop_all;

	if (wanted && !lp_convert_privileged(container)) {
		int rc = read_caps(&wanted->add, &added, &add_all, err);

		if (rc == 0)
			rc = read_caps(&wanted->drop, &dropped, &drop_all, err);
		if (rc < 0)
			return rc;
		set = ((drop_all ? 0 : add_all ? LP_CAP_ALL : set) | added) & ~dropped;
	}
	if (facts->ceiling)
		set &= facts->ceiling->caps;
	lp_caps_fill(&process->caps, set, false);
	return 0;
}

/* Kubernetes: who is privileged or administers the system may gain privileges anyway. Else limpet's default is that nobody may. */
static bool
may_escalate(const struct lp_spec_container *container)
{
	const struct lp_spec_security_context *own = container->security_context;
	uint64_t bits;

	if (!own || lp_convert_privileged(container) || own->allow_privilege_escalation.value)
		return own != NULL;
	for (size_t i = 0; own->capabilities && i < own->capabilities->add.count; i++)
		if (lp_caps_parse(own->capabilities->add.items[i], &bits) == 0 && bits == UINT64_C(1) << CAP_SYS_ADMIN)
			return true;
	return false;
}

/* ---- seccomp */

static int
convert_local_profile(struct lp_arena *arena, const char *name, const struct lp_facts *facts, struct lp_process_config *process,
    struct lp_err *err)
{
	lp_auto_buf struct lp_buf program;
	struct lp_seccomp_profile profile;
	struct lp_json *json;
	int rc;

	lp_buf_init(&program, PROGRAM_MAX);
	if (!facts->profile)
		return lp_err_say(err, -ENOENT, "seccomp profile %s: this node has none", name);
	rc = facts->profile(facts->arg, arena, name, &json, err);
	if (rc < 0)
		return rc;
	rc = lp_seccomp_profile_read(arena, json, process->caps.bounding, &profile, err);
	if (rc == 0)
		rc = lp_seccomp_compile(&profile, &program, &process->seccomp_flags, err);
	if (rc < 0)
		return lp_err_wrap(err, "seccomp profile %s", name);
	if (process->seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)
		return lp_err_say(err, -EOPNOTSUPP, "seccomp profile %s: SCMP_ACT_NOTIFY has nobody to listen here", name);
	process->seccomp = LP_SECCOMP_GIVEN;
	process->seccomp_bytes = program.len;
	process->seccomp_program = lp_arena_mem(arena, program.data, program.len);
	return process->seccomp_program ? 0 : lp_err_set(err, -ENOMEM, "seccomp profile %s", name);
}

static int
convert_seccomp(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, struct lp_process_config *process, struct lp_err *err)
{
	const struct lp_spec_seccomp_profile *profile = container->security_context ? container->security_context->seccomp_profile : NULL;

	if (!profile && pod->spec->security_context)
		profile = pod->spec->security_context->seccomp_profile;
	process->seccomp = LP_SECCOMP_DEFAULT;
	if (lp_convert_privileged(container) || (profile && lp_text_same(profile->type, "Unconfined")))
		process->seccomp = LP_SECCOMP_UNCONFINED;
	else if (profile && lp_text_same(profile->type, "Localhost"))
		return convert_local_profile(arena, profile->localhost_profile ? profile->localhost_profile : "", facts, process, err);
	return 0;
}

/* ---- labels of security modules */

struct apparmor {
	const char *type, *name;	/* NULL: nobody said */
};

/* The container's field, then its old annotation, then the pod's field. Source: Kubernetes pkg/security/apparmor, GetProfile. */
static struct apparmor
find_apparmor(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_spec_container *container)
{
	static const char local[] = "localhost/";
	const struct lp_spec_app_armor_profile *profile = container->security_context ? container->security_context->app_armor_profile : NULL;
	const char *key = lp_arena_printf(arena, LP_PODSECURITY_APPARMOR "%s", container->name);
	const char *note = profile || !key ? NULL : lp_json_text(lp_json_get(lp_json_path(pod_json, "metadata.annotations"), key));

	if (note && strcmp(note, "unconfined") == 0)
		return (struct apparmor){ .type = "Unconfined" };
	if (note && strcmp(note, "runtime/default") == 0)
		return (struct apparmor){ .type = "RuntimeDefault" };
	if (note && lp_text_starts(note, local))
		return (struct apparmor){ .type = "Localhost", .name = note + sizeof(local) - 1 };
	if (!profile && pod->spec->security_context)
		profile = pod->spec->security_context->app_armor_profile;
	return profile ? (struct apparmor){ .type = profile->type, .name = profile->localhost_profile } : (struct apparmor){ 0 };
}

/* As containerd has it, the default is for whoever says nothing, too, and never for privileged ones; it is refused by name only when asked for. */
static int
convert_apparmor(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_facts *facts, struct lp_process_config *process, struct lp_err *err)
{
	const struct apparmor wanted = find_apparmor(arena, pod, pod_json, container);
	bool usual = !wanted.type || lp_text_same(wanted.type, "RuntimeDefault");

	if (wanted.type && lp_text_same(wanted.type, "Unconfined")) {
		process->apparmor = facts->apparmor ? "unconfined" : NULL;
		return 0;
	}
	if (wanted.type && !facts->apparmor)
		return lp_err_say(err, -EOPNOTSUPP, "Cannot enforce AppArmor: AppArmor is not enabled on the host");
	if (usual && lp_convert_privileged(container))
		return 0;
	if (usual && wanted.type && !facts->apparmor_default)
		return lp_err_say(err, -ENOENT, "Cannot enforce AppArmor: profile %s is not loaded", LP_PROFILE_DEFAULT);
	process->apparmor = !usual ? wanted.name : facts->apparmor_default ? LP_PROFILE_DEFAULT : NULL;
	return 0;
}

static const char *
text_or(const char *text, const char *other)
{
	return text && *text ? text : other;
}

static int
convert_selinux(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, struct lp_process_config *process, struct lp_err *err)
{
	const struct lp_spec_selinux_options *options = container->security_context ? container->security_context->se_linux_options : NULL;

	if (!options && pod->spec->security_context)
		options = pod->spec->security_context->se_linux_options;
	if (!options)
		return 0;
	if (!facts->selinux)
		return lp_err_say(err, -EOPNOTSUPP, "seLinuxOptions: SELinux is not enabled on this node");
	process->selinux = lp_arena_printf(arena, "%s:%s:%s:%s", text_or(options->user, "system_u"), text_or(options->role, "system_r"),
	    text_or(options->type, "container_t"), text_or(options->level, "s0"));
	return process->selinux ? 0 : lp_err_set(err, -ENOMEM, "seLinuxOptions");
}

/* ---- users and groups */

static int
convert_user(const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_spec_container *container,
    const struct lp_facts_image *who, struct lp_process_config *out, struct lp_err *err)
{
	const struct lp_spec_security_context *own = container->security_context;
	const struct lp_spec_pod_security_context *all = pod->spec->security_context;
	bool non_root = own && own->run_as_non_root.has ? own->run_as_non_root.value : all && all->run_as_non_root.value;
	bool named = (own && own->run_as_user.has) || (all && all->run_as_user.has);

	out->uid = who->uid;
	out->gid = who->gid;
	if (non_root && out->uid == 0)
		return lp_err_say(err, -EINVAL, "%s (pod: \"%s_%s(%s)\", container: %s)",
		    named ? "container's runAsUser breaks non-root policy" : "container has runAsNonRoot and image will run as root",
		    lp_object_name(pod_json), lp_object_namespace(pod_json), lp_object_uid(pod_json), container->name);
	return 0;
}

/*
 * "Strict" leaves out what the image's /etc/group says of the user. The first group stands among the others too: one that could be
 * given up would let a process read what is denied to that group (CVE-2022-2995, CVE-2022-36109).
 */
static int
convert_groups(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts_image *who, struct lp_process_config *process,
    struct lp_err *err)
{
	const struct lp_spec_pod_security_context *all = pod->spec->security_context;
	size_t extra = all ? all->supplemental_groups.count + all->fs_group.has : 0, n = 0;
	uint32_t *groups = lp_arena_alloc(arena, (who->group_count + extra + 1) * sizeof(*groups));
	bool strict = all && lp_text_same(all->supplemental_groups_policy, "Strict");

	if (!groups)
		return lp_err_set(err, -ENOMEM, "groups");
	groups[n++] = process->gid;
	for (size_t i = 0; !strict && i < who->group_count; i++)
		groups[n++] = who->groups[i];
	for (size_t i = 0; all && i < all->supplemental_groups.count; i++)
		groups[n++] = (uint32_t)all->supplemental_groups.items[i];
	if (all && all->fs_group.has)
		groups[n++] = (uint32_t)all->fs_group.value;
	process->groups = groups;
	process->group_count = n;
	return 0;
}

/* ---- a container's rights */

int
lp_convert_process_rights(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_facts_image *who, const struct lp_facts *facts,
    struct lp_process_config *out, struct lp_err *err)
{
	int rc = convert_user(pod, pod_json, container, who, out, err);

	out->no_new_privs = !may_escalate(container);
	if (rc == 0)
		rc = convert_groups(arena, pod, who, out, err);
	if (rc == 0)
		rc = convert_caps(container, facts, out, err);
	if (rc == 0)
		rc = convert_seccomp(arena, pod, container, facts, out, err);
	if (rc == 0)
		rc = convert_apparmor(arena, pod, pod_json, container, facts, out, err);
	return rc == 0 ? convert_selinux(arena, pod, container, facts, out, err) : rc;
}

static const struct lp_device every_device = { .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true };

/* A privileged container sees the host's devices and may use all there will be; under a ceiling those that it lists. */
static int
convert_devices(struct lp_arena *arena, const struct lp_facts *facts, struct lp_container_config *config, struct lp_err *err)
{
	struct lp_device *devices = lp_arena_alloc(arena, (facts->device_count + 1) * sizeof(*devices));
	bool listed = facts->ceiling && facts->ceiling->devices.set;
	size_t n = 0;

	if (!devices)
		return lp_err_set(err, -ENOMEM, "devices");
	if (!listed)
		devices[n++] = every_device;
	for (size_t i = 0; i < facts->device_count; i++)
		if (!listed || lp_ceiling_allows_path(facts->ceiling, facts->devices[i].path, false))
			devices[n++] = facts->devices[i];
	config->devices = devices;
	config->device_count = n;
	return 0;
}

int
lp_convert_container_rights(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, struct lp_container_config *config, struct lp_err *err)
{
	const struct lp_spec_security_context *own = container->security_context;
	bool privileged = lp_convert_privileged(container), unmasked = own && lp_text_same(own->proc_mount, "Unmasked");

	if ((own && own->windows_options) || (pod->spec->security_context && pod->spec->security_context->windows_options))
		return lp_err_say(err, -EOPNOTSUPP, "windowsOptions: this is a Linux node");
	if (unmasked && !privileged && !facts->uid_base)
		return lp_err_say(err, -EOPNOTSUPP, "procMount Unmasked needs a user namespace, and the pod has the host's");
	config->masked_paths = privileged || unmasked ? NULL : lp_container_masked;
	config->readonly_paths = privileged || unmasked ? NULL : lp_container_readonly;
	return privileged ? convert_devices(arena, facts, config, err) : 0;
}

/* ---- the pod */

static const struct lp_sysctl pod_sysctls[] = {
	{ "net.ipv4.ping_group_range", "0 2147483647" },
	{ "net.ipv4.ip_unprivileged_port_start", "0" },
};

/* With a user namespace the kernel maps group ids: only those that exist inside may stand in the range. */
static const struct lp_sysctl pod_sysctls_users[] = {
	{ "net.ipv4.ping_group_range", "0 65535" },
	{ "net.ipv4.ip_unprivileged_port_start", "0" },
};

int
lp_convert_sysctls(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out,
    struct lp_err *err)
{
	const struct lp_spec_pod_security_context *security = pod->spec->security_context;
	size_t own = security ? security->sysctls.count : 0, n = 0;
	struct lp_sysctl *list = lp_arena_alloc(arena, (lp_count(pod_sysctls) + own) * sizeof(*list));

	if (!list)
		return lp_err_set(err, -ENOMEM, "sysctls");
	for (size_t i = 0; !out->host_network && i < lp_count(pod_sysctls); i++)
		list[n++] = facts->uid_base ? pod_sysctls_users[i] : pod_sysctls[i];
	for (size_t i = 0; i < own; i++)
		list[n++] = (struct lp_sysctl){ .name = security->sysctls.items[i]->name, .value = security->sysctls.items[i]->value };
	out->sysctls = list;
	out->sysctl_count = n;
	return 0;
}

int
lp_convert_users(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out, struct lp_err *err)
{
	struct lp_idmap *map;

	out->host_users = facts->uid_base == 0;
	if (out->host_users && pod->spec->host_users.has && !pod->spec->host_users.value)
		return lp_err_say(err, -EOPNOTSUPP, "hostUsers is false, and no user namespace can be had here");
	if (out->host_users)
		return 0;
	map = lp_arena_alloc(arena, sizeof(*map));
	if (!map)
		return lp_err_set(err, -ENOMEM, "user namespace");
	*map = (struct lp_idmap){ .inside = 0, .outside = facts->uid_base, .count = 65536 };
	out->uids = out->gids = map;
	out->uid_count = out->gid_count = 1;
	return 0;
}

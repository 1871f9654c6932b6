#include <errno.h>
#include <string.h>

#include "agent/convert.h"
#include "agent/convert_parts.h"
#include "base/auto.h"
#include "base/text.h"

/* Users, groups, capabilities, seccomp, sysctls: what a pod's securityContext says. */

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

int
lp_convert_caps(const struct lp_spec_container *container, bool own_users, struct lp_process_config *process, struct lp_err *err)
{
	const struct lp_spec_capabilities *wanted = container->security_context ? container->security_context->capabilities : NULL;
	uint64_t set = lp_caps_default(own_users), bits;

	if (lp_convert_privileged(container)) {
		lp_caps_fill(&process->caps, LP_CAP_ALL, false);
		return 0;
	}
	for (size_t i = 0; wanted && i < wanted->drop.count; i++) {
		if (lp_caps_parse(wanted->drop.items[i], &bits) < 0)
			return lp_err_say(err, -EINVAL, "unknown capability %s", wanted->drop.items[i]);
		set &= ~bits;
	}
	for (size_t i = 0; wanted && i < wanted->add.count; i++) {
		if (lp_caps_parse(wanted->add.items[i], &bits) < 0)
			return lp_err_say(err, -EINVAL, "unknown capability %s", wanted->add.items[i]);
		set |= bits;
	}
	lp_caps_fill(&process->caps, set, false);
	return 0;
}

int
lp_convert_seccomp(const struct lp_spec_pod *pod, const struct lp_spec_container *container, struct lp_process_config *process,
    struct lp_err *err)
{
	const struct lp_spec_seccomp_profile *profile = container->security_context ? container->security_context->seccomp_profile : NULL;

	if (!profile && pod->spec->security_context)
		profile = pod->spec->security_context->seccomp_profile;
	if (lp_convert_privileged(container) || (profile && lp_text_same(profile->type, "Unconfined"))) {
		process->seccomp = LP_SECCOMP_UNCONFINED;
		return 0;
	}
	if (profile && lp_text_same(profile->type, "Localhost"))
		return lp_err_say(err, -EOPNOTSUPP, "seccompProfile Localhost is not supported");
	process->seccomp = LP_SECCOMP_DEFAULT;
	return 0;
}

int
lp_convert_groups(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts_image *who, struct lp_process_config *process,
    struct lp_err *err)
{
	const struct lp_spec_pod_security_context *all = pod->spec->security_context;
	size_t extra = all ? all->supplemental_groups.count + all->fs_group.has : 0, n = 0;
	uint32_t *groups = lp_arena_alloc(arena, (who->group_count + extra + 1) * sizeof(*groups));

	if (!groups)
		return lp_err_set(err, -ENOMEM, "groups");
	for (size_t i = 0; i < who->group_count; i++)
		groups[n++] = who->groups[i];
	for (size_t i = 0; all && i < all->supplemental_groups.count; i++)
		groups[n++] = (uint32_t)all->supplemental_groups.items[i];
	if (all && all->fs_group.has)
		groups[n++] = (uint32_t)all->fs_group.value;
	process->groups = groups;
	process->group_count = n;
	return 0;
}

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
lp_convert_users(struct lp_arena *arena, const struct lp_facts *facts, struct lp_control_pod *out, struct lp_err *err)
{
	struct lp_idmap *map;

	out->host_users = facts->uid_base == 0;
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

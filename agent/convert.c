#include "agent/convert.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/env.h"
#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"

enum { PIDS_MAX = 1024, HOSTS_MAX = 1 << 16, HOSTNAME_MAX = 63, DEFAULT_GRACE_S = 30 };

/* ---- what the pod asks for */

enum lp_convert_qos
lp_convert_qos(const struct lp_spec_pod *pod)
{
	static const char *const names[] = { "cpu", "memory" };
	bool any = false, guaranteed = true;

	for (size_t i = 0; i < pod->spec->init_containers.count + pod->spec->containers.count; i++) {
		const struct lp_spec_container *container = i < pod->spec->init_containers.count
							       ? pod->spec->init_containers.items[i]
							       : pod->spec->containers.items[i - pod->spec->init_containers.count];
		const struct lp_spec_resource_requirements *resources = container->resources;

		for (size_t n = 0; n < lp_count(names); n++) {
			const char *limit = resources ? lp_kinds_map_get(&resources->limits, names[n]) : NULL;
			const char *request = resources ? lp_kinds_map_get(&resources->requests, names[n]) : NULL;

			any = any || limit || request;
			/* A request that is absent is the limit. */
			if (!limit || (request && lp_quantity_text_milli(limit, 0) != lp_quantity_text_milli(request, 0)))
				guaranteed = false;
		}
	}
	if (!any)
		return LP_CONVERT_BEST_EFFORT;
	return guaranteed ? LP_CONVERT_GUARANTEED : LP_CONVERT_BURSTABLE;
}

const char *
lp_convert_qos_name(enum lp_convert_qos qos)
{
	switch (qos) {
	case LP_CONVERT_GUARANTEED:
		return "Guaranteed";
	case LP_CONVERT_BURSTABLE:
		return "Burstable";
	case LP_CONVERT_BEST_EFFORT:
		return "BestEffort";
	}
	return "";
}

static const char *
qos_folder(enum lp_convert_qos qos)
{
	switch (qos) {
	case LP_CONVERT_GUARANTEED:
		return "guaranteed";
	case LP_CONVERT_BURSTABLE:
		return "burstable";
	case LP_CONVERT_BEST_EFFORT:
		return "besteffort";
	}
	return "";
}

static bool
is_privileged(const struct lp_spec_container *container)
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
		if (is_privileged(spec->containers.items[i]))
			why = "a container is privileged";
	for (size_t i = 0; !why && i < spec->init_containers.count; i++)
		if (is_privileged(spec->init_containers.items[i]))
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

/* ---- process */

static int
convert_args(const struct lp_spec_container *container, const struct lp_image *image, const struct lp_env *env, const char *const **out,
    struct lp_err *err)
{
	size_t size = container->command.count + container->args.count + 2, n = 0;
	const char **args;

	for (size_t i = 0; image->entrypoint[i]; i++)
		size++;
	for (size_t i = 0; image->cmd[i]; i++)
		size++;
	args = lp_arena_alloc(env->arena, size * sizeof(*args));
	if (!args)
		return lp_err_set(err, -ENOMEM, "container %s", container->name);
	/* The image's command goes only with the image's entry point. */
	for (size_t i = 0; i < container->command.count; i++)
		args[n++] = lp_env_expand(env, container->command.items[i]);
	for (size_t i = 0; container->command.count == 0 && image->entrypoint[i]; i++)
		args[n++] = image->entrypoint[i];
	for (size_t i = 0; i < container->args.count; i++)
		args[n++] = lp_env_expand(env, container->args.items[i]);
	for (size_t i = 0; container->command.count == 0 && container->args.count == 0 && image->cmd[i]; i++)
		args[n++] = image->cmd[i];
	for (size_t i = 0; i < n; i++)
		if (!args[i])
			return lp_err_set(err, -ENOMEM, "container %s", container->name);
	if (n == 0)
		return lp_err_say(err, -EINVAL, "no command specified: neither the pod nor image %s names a program", container->image);
	*out = args;
	return 0;
}

static int
convert_caps(const struct lp_spec_container *container, bool own_users, struct lp_process_config *process, struct lp_err *err)
{
	const struct lp_spec_capabilities *wanted = container->security_context ? container->security_context->capabilities : NULL;
	uint64_t set = lp_caps_default(own_users), bits;

	if (is_privileged(container)) {
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

static int
convert_seccomp(const struct lp_spec_pod *pod, const struct lp_spec_container *container, struct lp_process_config *process,
    struct lp_err *err)
{
	const struct lp_spec_seccomp_profile *profile = container->security_context ? container->security_context->seccomp_profile : NULL;

	if (!profile && pod->spec->security_context)
		profile = pod->spec->security_context->seccomp_profile;
	if (is_privileged(container) || (profile && lp_text_same(profile->type, "Unconfined"))) {
		process->seccomp = LP_SECCOMP_UNCONFINED;
		return 0;
	}
	if (profile && lp_text_same(profile->type, "Localhost"))
		return lp_err_say(err, -EOPNOTSUPP, "seccompProfile Localhost is not supported");
	process->seccomp = LP_SECCOMP_DEFAULT;
	return 0;
}

/* Memory share of the node decides how early the OOM killer looks here. Source: kubelet qos/policy.go. */
static int32_t
oom_score(enum lp_convert_qos qos, const struct lp_spec_container *container, const struct lp_facts *facts)
{
	const struct lp_spec_resource_requirements *resources = container->resources;
	const char *text = resources ? lp_kinds_map_get(&resources->requests, "memory") : NULL;
	int64_t request, score;

	if (qos == LP_CONVERT_GUARANTEED)
		return facts->may_protect ? -997 : 0;
	if (qos == LP_CONVERT_BEST_EFFORT || facts->memory_bytes <= 0)
		return 1000;
	if (!text && resources)
		text = lp_kinds_map_get(&resources->limits, "memory");
	request = lp_quantity_text_value(text, 0);
	score = 1000 - (int64_t)((double)request * 1000 / (double)facts->memory_bytes);
	return (int32_t)(score < 3 ? 3 : score > 999 ? 999 : score);
}

static int
convert_groups(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts_image *who, struct lp_process_config *process,
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

static int
convert_process(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_facts_image *who, const struct lp_facts *facts,
    struct lp_process_config *out, struct lp_err *err)
{
	const struct lp_spec_security_context *own = container->security_context;
	const struct lp_spec_pod_security_context *all = pod->spec->security_context;
	bool non_root = own && own->run_as_non_root.has ? own->run_as_non_root.value : all && all->run_as_non_root.value;
	struct lp_env env;
	int rc;

	out->uid = who->uid;
	out->gid = who->gid;
	if (non_root && out->uid == 0)
		return lp_err_say(err, -EINVAL, "container has runAsNonRoot and image will run as root (container: %s)", container->name);
	rc = convert_groups(arena, pod, who, out, err);
	if (rc == 0)
		rc = lp_env_build(&env, arena, pod, pod_json, container, who->image, facts, err);
	if (rc == 0)
		rc = convert_args(container, who->image, &env, &out->args, err);
	if (rc < 0)
		return rc;
	out->env = lp_env_list(&env);
	out->cwd = container->working_dir ? container->working_dir : *who->image->workdir ? who->image->workdir : "/";
	out->terminal = container->tty.value;
	out->no_new_privs = !(own && own->allow_privilege_escalation.value) && !is_privileged(container);
	rc = convert_caps(container, facts->uid_base != 0, out, err);
	if (rc == 0)
		rc = convert_seccomp(pod, container, out, err);
	out->oom_score_set = true;
	out->oom_score_adj = oom_score(lp_convert_qos(pod), container, facts);
	return rc;
}

/* ---- mounts */

int
lp_convert_volumes(struct lp_arena *arena, const struct lp_spec_pod *pod, const char *pod_path, struct lp_volume **out, size_t *out_count,
    struct lp_err *err)
{
	size_t count = pod->spec->volumes.count;
	struct lp_volume *volumes = count ? lp_arena_alloc(arena, count * sizeof(*volumes)) : NULL;

	if (count && !volumes)
		return lp_err_set(err, -ENOMEM, "volumes");
	for (size_t i = 0; i < count; i++) {
		int rc = lp_volume_read(arena, pod->spec->volumes.items[i], pod_path, &volumes[i], err);

		if (rc < 0)
			return rc;
	}
	*out = volumes;
	*out_count = count;
	return 0;
}

/* Is this volume on a file system that cannot shift ids, so that its files were written with shifted ones? */
static bool
is_unshifted(const struct lp_volume *volume, const struct lp_facts *facts)
{
	return (volume->kind == LP_VOLUME_MEMORY || volume->kind == LP_VOLUME_FILES) && !facts->tmpfs_idmap;
}

static int
convert_volume_mount(struct lp_arena *arena, const struct lp_spec_volume_mount *mount, const struct lp_volume *volumes, size_t count,
    const struct lp_facts *facts, struct lp_mount *out, struct lp_err *err)
{
	const struct lp_volume *volume = NULL;

	for (size_t i = 0; i < count; i++)
		if (lp_text_same(volumes[i].name, mount->name))
			volume = &volumes[i];
	if (!volume)
		return lp_err_say(err, -ENOENT, "volumeMounts: there is no volume %s", mount->name ? mount->name : "");
	if (mount->sub_path_expr && *mount->sub_path_expr)
		return lp_err_say(err, -EOPNOTSUPP, "volumeMounts: subPathExpr is not supported");
	if (mount->sub_path && *mount->sub_path && (volume->kind == LP_VOLUME_HOST || volume->kind == LP_VOLUME_DISK))
		return lp_err_say(err, -EOPNOTSUPP, "volumeMounts: subPath of volume %s is supported for configMap, secret and memory volumes only",
		    volume->name);
	*out = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = mount->mount_path, .source = { .path = volume->path, .fd = -1 } };
	/* Of files that are linked through ..data, the one below it is meant. */
	if (mount->sub_path && *mount->sub_path)
		out->source.path = lp_arena_printf(arena, volume->kind == LP_VOLUME_FILES ? "%s/..data/%s" : "%s/%s", volume->path,
		    mount->sub_path);
	out->flags = volume->kind == LP_VOLUME_HOST ? LP_MOUNT_RECURSIVE : LP_MOUNT_NODEV | LP_MOUNT_NOSUID;
	if (mount->read_only.value || volume->kind == LP_VOLUME_FILES)
		out->flags |= LP_MOUNT_RO;
	if (is_unshifted(volume, facts))
		out->flags |= LP_MOUNT_NO_IDMAP;
	return out->source.path ? 0 : lp_err_set(err, -ENOMEM, "volumeMounts");
}

static const struct lp_mount pod_files[] = {
	{ .kind = LP_MOUNT_BIND, .target = "/etc/hosts", .source = { "etc/hosts", -1 } },
	{ .kind = LP_MOUNT_BIND, .target = "/etc/hostname", .source = { "etc/hostname", -1 } },
	{ .kind = LP_MOUNT_BIND, .target = "/etc/resolv.conf", .source = { "etc/resolv.conf", -1 } },
};

static bool
is_mounted_at(const struct lp_spec_container *container, const char *target)
{
	for (size_t i = 0; i < container->volume_mounts.count; i++)
		if (lp_text_same(container->volume_mounts.items[i]->mount_path, target))
			return true;
	return false;
}

static int
convert_mounts(struct lp_arena *arena, const struct lp_spec_container *container, const struct lp_volume *volumes, size_t volume_count,
    const struct lp_facts *facts, struct lp_container_config *out, struct lp_err *err)
{
	size_t usual_count, n;
	const struct lp_mount *usual = lp_container_mounts(&usual_count);
	size_t size = usual_count + lp_count(pod_files) + container->volume_mounts.count;
	struct lp_mount *mounts = lp_arena_alloc(arena, size * sizeof(*mounts));

	if (!mounts)
		return lp_err_set(err, -ENOMEM, "mounts");
	memcpy(mounts, usual, usual_count * sizeof(*mounts));
	n = usual_count;
	for (size_t i = 0; i < n && is_privileged(container); i++)
		mounts[i].flags &= ~LP_MOUNT_RO;
	for (size_t i = 0; i < lp_count(pod_files); i++) {
		if (is_mounted_at(container, pod_files[i].target))
			continue;
		mounts[n] = pod_files[i];
		mounts[n++].flags = facts->tmpfs_idmap ? 0 : LP_MOUNT_NO_IDMAP;
	}
	for (size_t i = 0; i < container->volume_mounts.count; i++) {
		int rc = convert_volume_mount(arena, container->volume_mounts.items[i], volumes, volume_count, facts, &mounts[n++], err);

		if (rc < 0)
			return rc;
	}
	out->mounts = mounts;
	out->mount_count = n;
	return 0;
}

/* ---- a container */

static void
convert_limits(const struct lp_spec_container *container, struct lp_cgroup_limits *out)
{
	const struct lp_spec_resource_requirements *resources = container->resources;
	const char *cpu_limit, *memory_limit, *cpu_request;

	out->swap_max_bytes = LP_CGROUP_SWAP_UNSET;
	out->pids_max = PIDS_MAX;
	if (!resources)
		return;
	cpu_limit = lp_kinds_map_get(&resources->limits, "cpu");
	memory_limit = lp_kinds_map_get(&resources->limits, "memory");
	cpu_request = lp_kinds_map_get(&resources->requests, "cpu");
	out->cpu_max_milli = (uint64_t)lp_quantity_text_milli(cpu_limit, 0);
	out->cpu_request_milli = (uint64_t)lp_quantity_text_milli(cpu_request ? cpu_request : cpu_limit, 0);
	out->memory_max_bytes = (uint64_t)lp_quantity_text_value(memory_limit, 0);
	if (memory_limit) {
		out->swap_max_bytes = 0;
		out->memory_oom_group = true;
	}
}

static int
convert_rootfs(struct lp_arena *arena, const struct lp_spec_container *container, const struct lp_image *image, const struct lp_facts *facts,
    struct lp_rootfs *out, struct lp_err *err)
{
	struct lp_place *layers = lp_arena_alloc(arena, (image->layer_count + 1) * sizeof(*layers));

	if (!layers)
		return lp_err_set(err, -ENOMEM, "container %s", container->name);
	for (size_t i = 0; i < image->layer_count; i++)
		layers[i] = (struct lp_place){
			.fd = -1,
			.path = lp_arena_printf(arena, "%s/%s", facts->layers_path,
			    image->layers[image->layer_count - 1 - i].digest + strlen("sha256:")),
		};
	out->ready = (struct lp_place){ .fd = -1 };
	out->layers = layers;
	out->layer_count = image->layer_count;
	out->writable = (struct lp_place){ .fd = -1, .path = lp_arena_printf(arena, "%s/writable", facts->pod_path) };
	out->readonly = container->security_context && container->security_context->read_only_root_filesystem.value;
	return arena->failed ? lp_err_set(err, -ENOMEM, "container %s", container->name) : 0;
}

static int
stop_signal(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = { { "TERM", SIGTERM }, { "QUIT", SIGQUIT }, { "INT", SIGINT }, { "HUP", SIGHUP }, { "KILL", SIGKILL },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "WINCH", SIGWINCH } };
	uint64_t number;

	if (lp_text_starts(name, "SIG"))
		name += 3;
	if (lp_text_starts(name, "RTMIN+") && lp_text_u64(name + 6, 29, &number) == 0)
		return SIGRTMIN + (int)number;
	for (size_t i = 0; i < lp_count(signals); i++)
		if (strcmp(name, signals[i].name) == 0)
			return signals[i].number;
	return lp_text_u64(name, 64, &number) == 0 ? (int)number : 0;
}

static const struct lp_device every_device = { .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true };

static int
convert_container(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, enum lp_control_role role, const struct lp_facts_image *who, const struct lp_facts *facts,
    struct lp_control_container *out, struct lp_err *err)
{
	struct lp_container_config *config = &out->config;
	struct lp_volume *volumes = NULL;
	size_t volume_count = 0;
	int rc;

	lp_container_config_init(config);
	out->name = container->name;
	out->role = role;
	out->keep_stdin = container->stdin.value;
	out->stdin_once = container->stdin_once.value;
	out->stop_signal = stop_signal(who->image->stop_signal);
	out->message_path = container->termination_message_path;
	out->message_from_log = lp_text_same(container->termination_message_policy, "FallbackToLogsOnError");
	rc = convert_process(arena, pod, pod_json, container, who, facts, &config->process, err);
	if (rc == 0)
		rc = convert_rootfs(arena, container, who->image, facts, &config->rootfs, err);
	if (rc == 0)
		rc = lp_convert_volumes(arena, pod, facts->pod_path, &volumes, &volume_count, err);
	if (rc == 0)
		rc = convert_mounts(arena, container, volumes, volume_count, facts, config, err);
	if (rc < 0)
		return lp_err_wrap(err, "container %s", container->name);
	convert_limits(container, &config->limits);
	config->masked_paths = is_privileged(container) ? NULL : lp_container_masked;
	config->readonly_paths = is_privileged(container) ? NULL : lp_container_readonly;
	if (is_privileged(container)) {
		config->devices = &every_device;
		config->device_count = 1;
	}
	return 0;
}

/* ---- the pod's own files */

static const char *
host_name(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const char *name = pod->spec->hostname && *pod->spec->hostname ? pod->spec->hostname : lp_object_name(pod_json);
	char *cut;

	if (pod->spec->host_network.value)
		return facts->node_name;
	cut = lp_arena_printf(arena, "%.*s", HOSTNAME_MAX, name);
	/* A pod's name may have dots and be long; a host name is one label. */
	for (char *c = cut; c && *c; c++)
		if (*c == '.')
			*c = '-';
	for (size_t len = cut ? strlen(cut) : 0; len > 0 && cut[len - 1] == '-'; len--)
		cut[len - 1] = '\0';
	return cut;
}

static char *
hosts_text(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const char *ip = facts->pod_ip ? facts->pod_ip : facts->node_ip, *name = host_name(arena, pod, pod_json, facts);
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, HOSTS_MAX);
	(void)lp_buf_str(&out, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			       "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
	if (ip && pod->spec->subdomain && *pod->spec->subdomain)
		(void)lp_buf_printf(&out, "%s\t%s.%s.%s.svc.%s\t%s\n", ip, name, pod->spec->subdomain, lp_object_namespace(pod_json),
		    facts->cluster_domain, name);
	else if (ip)
		(void)lp_buf_printf(&out, "%s\t%s\n", ip, name);
	if (pod->spec->host_aliases.count > 0)
		(void)lp_buf_str(&out, "\n# Entries added by HostAliases.\n");
	for (size_t i = 0; i < pod->spec->host_aliases.count; i++) {
		const struct lp_spec_host_alias *alias = pod->spec->host_aliases.items[i];

		(void)lp_buf_str(&out, alias->ip);
		for (size_t k = 0; k < alias->hostnames.count; k++)
			(void)lp_buf_printf(&out, "\t%s", alias->hostnames.items[k]);
		(void)lp_buf_char(&out, '\n');
	}
	return out.failed ? NULL : lp_arena_str(arena, lp_buf_text(&out));
}

/* dnsPolicy: None takes only dnsConfig, Default the host's, ClusterFirst the node's resolver, which forwards the rest. */
static char *
resolv_text(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const struct lp_spec_pod_dns_config *config = pod->spec->dns_config;
	const char *policy = pod->spec->dns_policy ? pod->spec->dns_policy : "ClusterFirst", *namespace = lp_object_namespace(pod_json);
	bool none = strcmp(policy, "None") == 0;
	bool cluster = facts->dns_ip && (strcmp(policy, "ClusterFirstWithHostNet") == 0 ||
	    (strcmp(policy, "ClusterFirst") == 0 && !pod->spec->host_network.value));
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, HOSTS_MAX);
	if (cluster)
		(void)lp_buf_printf(&out, "search %s.svc.%s svc.%s %s", namespace, facts->cluster_domain, facts->cluster_domain,
		    facts->cluster_domain);
	else if (config && config->searches.count)
		(void)lp_buf_str(&out, "search");
	for (size_t i = 0; config && i < config->searches.count; i++)
		(void)lp_buf_printf(&out, " %s", config->searches.items[i]);
	if (out.len)
		(void)lp_buf_char(&out, '\n');
	if (cluster)
		(void)lp_buf_printf(&out, "nameserver %s\n", facts->dns_ip);
	for (size_t i = 0; config && i < config->nameservers.count; i++)
		(void)lp_buf_printf(&out, "nameserver %s\n", config->nameservers.items[i]);
	if (!cluster && !none)
		(void)lp_buf_str(&out, facts->host_resolv ? facts->host_resolv : "");
	if (cluster || (config && config->options.count))
		(void)lp_buf_printf(&out, "options%s", cluster ? " ndots:5" : "");
	for (size_t i = 0; config && i < config->options.count; i++)
		(void)lp_buf_printf(&out, config->options.items[i]->value ? " %s:%s" : " %s", config->options.items[i]->name,
		    config->options.items[i]->value);
	(void)lp_buf_char(&out, '\n');
	return out.failed ? NULL : lp_arena_str(arena, lp_buf_text(&out));
}

int
lp_convert_files(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_file **out, size_t *out_count, struct lp_err *err)
{
	const struct {
		const char *path, *text;
	} all[] = {
		{ "etc/hosts", hosts_text(arena, pod, pod_json, facts) },
		{ "etc/hostname", lp_arena_printf(arena, "%s\n", host_name(arena, pod, pod_json, facts)) },
		{ "etc/resolv.conf", resolv_text(arena, pod, pod_json, facts) },
	};
	struct lp_control_file *files = lp_arena_alloc(arena, lp_count(all) * sizeof(*files));

	for (size_t i = 0; files && i < lp_count(all); i++) {
		if (!all[i].text)
			return lp_err_set(err, -ENOMEM, "files of the pod");
		files[i] = (struct lp_control_file){ .path = all[i].path, .data = all[i].text, .len = strlen(all[i].text) };
	}
	if (!files)
		return lp_err_set(err, -ENOMEM, "files of the pod");
	*out = files;
	*out_count = lp_count(all);
	return 0;
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

static int
convert_sysctls(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out,
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

static int
convert_users(struct lp_arena *arena, const struct lp_facts *facts, struct lp_control_pod *out, struct lp_err *err)
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

static int
convert_tmpfs(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out,
    struct lp_err *err)
{
	struct lp_volume *volumes;
	struct lp_control_volume *list;
	size_t count, n = 0;
	int rc = lp_convert_volumes(arena, pod, facts->pod_path, &volumes, &count, err);

	if (rc < 0)
		return rc;
	list = lp_arena_alloc(arena, (count + 1) * sizeof(*list));
	if (!list)
		return lp_err_set(err, -ENOMEM, "volumes");
	for (size_t i = 0; i < count; i++)
		if (volumes[i].kind == LP_VOLUME_MEMORY || volumes[i].kind == LP_VOLUME_FILES)
			list[n++] = (struct lp_control_volume){
				.name = volumes[i].name,
				.size_bytes = volumes[i].size_bytes,
				.mode = volumes[i].kind == LP_VOLUME_FILES ? 0755 : 01777,
			};
	out->volumes = list;
	out->volume_count = n;
	return 0;
}

static enum lp_control_policy
restart_policy(const struct lp_spec_pod *pod)
{
	if (lp_text_same(pod->spec->restart_policy, "Never"))
		return LP_CONTROL_NEVER;
	return lp_text_same(pod->spec->restart_policy, "OnFailure") ? LP_CONTROL_ON_FAILURE : LP_CONTROL_ALWAYS;
}

static int
convert_containers(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_pod *out, struct lp_err *err)
{
	size_t inits = pod->spec->init_containers.count, count = inits + pod->spec->containers.count;
	struct lp_control_container *list;

	if (count > LP_CONTROL_CONTAINERS)
		return lp_err_say(err, -E2BIG, "more than %d containers in a pod", LP_CONTROL_CONTAINERS);
	list = lp_arena_alloc(arena, count * sizeof(*list));
	if (!list)
		return lp_err_set(err, -ENOMEM, "containers");
	for (size_t i = 0; i < count; i++) {
		const struct lp_spec_container *container =
		    i < inits ? pod->spec->init_containers.items[i] : pod->spec->containers.items[i - inits];
		enum lp_control_role role = i >= inits ? LP_CONTROL_MAIN
			: lp_text_same(container->restart_policy, "Always") ? LP_CONTROL_SIDECAR
									     : LP_CONTROL_INIT;
		int rc = convert_container(arena, pod, pod_json, container, role, &facts->images[i], facts, &list[i], err);

		if (rc < 0)
			return rc;
		list[i].attempt = facts->attempts ? facts->attempts[i] : 0;
	}
	out->containers = list;
	out->container_count = count;
	return 0;
}

int
lp_convert_pod(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_pod *out, struct lp_err *err)
{
	struct lp_control_file *files;
	struct lp_facts named = *facts;
	int rc;

	named.host_name = host_name(arena, pod, pod_json, facts);
	facts = &named;
	*out = (struct lp_control_pod){
		.uid = lp_object_uid(pod_json),
		.namespace = lp_object_namespace(pod_json),
		.name = lp_object_name(pod_json),
		.host_network = pod->spec->host_network.value,
		.host_pid = pod->spec->host_pid.value,
		.host_ipc = pod->spec->host_ipc.value,
		.hostname = pod->spec->host_network.value ? NULL : host_name(arena, pod, pod_json, facts),
		.policy = restart_policy(pod),
		.grace_ms = 1000 * (pod->spec->termination_grace_period_seconds.has ? pod->spec->termination_grace_period_seconds.value
										    : DEFAULT_GRACE_S),
		.cgroup = lp_arena_printf(arena, "%s/%s/pod%s", facts->instance, qos_folder(lp_convert_qos(pod)), lp_object_uid(pod_json)),
		.limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET },
	};
	rc = convert_users(arena, facts, out, err);
	if (rc == 0)
		rc = convert_sysctls(arena, pod, facts, out, err);
	if (rc == 0)
		rc = convert_tmpfs(arena, pod, facts, out, err);
	if (rc == 0)
		rc = lp_convert_files(arena, pod, pod_json, facts, &files, &out->file_count, err);
	if (rc == 0)
		rc = convert_containers(arena, pod, pod_json, facts, out, err);
	if (rc < 0)
		return rc;
	out->files = files;
	return arena->failed ? lp_err_set(err, -ENOMEM, "pod %s", out->name) : 0;
}

#include "agent/convert/convert.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert_parts.h"
#include "agent/facts/env.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"

enum { DEFAULT_GRACE_S = 30, MOUNT_POINTS_BYTES = 1 << 20 };

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
convert_process(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_facts_image *who, const struct lp_facts *facts,
    struct lp_env *env, struct lp_process_config *out, struct lp_err *err)
{
	int rc;

	rc = lp_convert_process_rights(arena, pod, pod_json, container, who, facts, out, err);
	if (rc == 0)
		rc = lp_env_build(env, arena, pod, pod_json, container, who->image, facts, err);
	if (rc == 0)
		rc = convert_args(container, who->image, env, &out->args, err);
	if (rc < 0)
		return rc;
	out->env = lp_env_list(env);
	out->cwd = container->working_dir ? container->working_dir : *who->image->workdir ? who->image->workdir : "/";
	out->terminal = container->tty.value;
	out->oom_score_set = true;
	out->oom_score_adj = lp_convert_oom_score(pod, container, facts);
	return 0;
}

/* ---- a container */

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
	out->writable = (struct lp_place){ .fd = -1 };
	out->readonly = container->security_context && container->security_context->read_only_root_filesystem.value;
	if (out->readonly)
		out->tmpfs_bytes = MOUNT_POINTS_BYTES;	/* nothing of it reaches the disk */
	else
		out->writable.path = lp_arena_printf(arena, "%s/writable", facts->pod_path);
	return arena->failed ? lp_err_set(err, -ENOMEM, "container %s", container->name) : 0;
}

static int
stop_signal(const char *name)
{
	const struct {
		const char *name;
		int number;
	} signals[] = { { "TERM", SIGTERM }, { "QUIT", SIGQUIT }, { "INT", SIGINT }, { "HUP", SIGHUP }, { "KILL", SIGKILL },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "WINCH", SIGWINCH }, { "ABRT", SIGABRT }, { "ALRM", SIGALRM },
		{ "CONT", SIGCONT }, { "PIPE", SIGPIPE }, { "PWR", SIGPWR }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "TRAP", SIGTRAP },
		{ "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG }, { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF }, { "IO", SIGIO },
		{ "CHLD", SIGCHLD }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "SYS", SIGSYS }, { "ILL", SIGILL }, { "BUS", SIGBUS },
		{ "FPE", SIGFPE }, { "SEGV", SIGSEGV }, { "RTMIN", SIGRTMIN }, { "RTMAX", SIGRTMAX } };
	uint64_t number;

	if (lp_text_starts(name, "SIG"))
		name += 3;
	if (lp_text_starts(name, "RTMAX-") && lp_text_u64(name + 6, 29, &number) == 0)
		return SIGRTMAX - (int)number;
	if (lp_text_starts(name, "RTMIN+") && lp_text_u64(name + 6, 29, &number) == 0)
		return SIGRTMIN + (int)number;
	for (size_t i = 0; i < lp_count(signals); i++)
		if (strcmp(name, signals[i].name) == 0)
			return signals[i].number;
	return lp_text_u64(name, 64, &number) == 0 ? (int)number : 0;
}

static int
convert_container(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, enum lp_control_role role, const struct lp_facts_image *who, const struct lp_facts *facts,
    struct lp_control_container *out, struct lp_err *err)
{
	struct lp_container_config *config = &out->config;
	struct lp_env env;
	struct lp_volume *volumes = NULL;
	size_t volume_count = 0;
	int rc;

	lp_container_config_init(config);
	out->name = container->name;
	out->role = role;
	out->keep_stdin = container->stdin.value;
	out->stdin_once = container->stdin_once.value;
	out->stop_signal = stop_signal(container->lifecycle && container->lifecycle->stop_signal ? container->lifecycle->stop_signal :
	    who->image->stop_signal);
	out->message_path = container->termination_message_path;
	out->message_from_log = lp_text_same(container->termination_message_policy, "FallbackToLogsOnError");
	rc = convert_process(arena, pod, pod_json, container, who, facts, &env, &config->process, err);
	if (rc == 0)
		rc = convert_rootfs(arena, container, who->image, facts, &config->rootfs, err);
	if (rc == 0)
		rc = lp_convert_volumes(arena, pod, pod_json, facts, &volumes, &volume_count, err);
	if (rc == 0)
		rc = lp_convert_mounts(arena, pod, pod_json, container, who->image, volumes, volume_count, facts, config, err);
	if (rc == 0)
		rc = lp_convert_probes(arena, container, &env, pod->spec->host_network.value || !facts->pod_ip ? facts->node_ip : facts->pod_ip, out, err);
	if (rc < 0)
		return lp_err_wrap(err, "container %s", container->name);
	if (lp_convert_limits(arena, pod, container, facts, &config->limits) < 0)
		return lp_err_set(err, -ENOMEM, "container %s", container->name);
	rc = lp_convert_container_rights(arena, pod, container, facts, config, err);
	return rc < 0 ? lp_err_wrap(err, "container %s", container->name) : 0;
}

/* ---- the pod */

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
		list[i].config.limits.cpuset_cpus = facts->cpusets ? facts->cpusets[i] : NULL;
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

	named.host_name = lp_convert_kernel_name(arena, pod, pod_json, facts);
	facts = &named;
	*out = (struct lp_control_pod){
		.uid = lp_object_uid(pod_json),
		.namespace = lp_object_namespace(pod_json),
		.name = lp_object_name(pod_json),
		.host_network = pod->spec->host_network.value,
		.host_pid = pod->spec->host_pid.value,
		.host_ipc = pod->spec->host_ipc.value,
		.hostname = pod->spec->host_network.value ? NULL : named.host_name,
		.policy = restart_policy(pod),
		.share_pids = pod->spec->share_process_namespace.value && !pod->spec->host_pid.value,
		.deadline_ms = lp_clock_seconds_ms(pod->spec->active_deadline_seconds.value),
		.backoff_max_ms = facts->backoff_max_ms,
		.grace_ms = lp_clock_seconds_ms(pod->spec->termination_grace_period_seconds.has
						? pod->spec->termination_grace_period_seconds.value : DEFAULT_GRACE_S),
		.cgroup = lp_arena_printf(arena, "%s/%s/pod%s", facts->instance, lp_convert_qos_folder(lp_convert_qos(pod)), lp_object_uid(pod_json)),
	};
	rc = lp_convert_pod_limits(arena, pod, facts, &out->limits) < 0 ? lp_err_set(err, -ENOMEM, "pod %s", out->name)
								  : lp_convert_users(arena, pod, facts, out, err);
	if (rc == 0)
		rc = lp_convert_sysctls(arena, pod, facts, out, err);
	if (rc == 0)
		rc = lp_convert_tmpfs(arena, pod, pod_json, facts, out, err);
	if (rc == 0)
		rc = lp_convert_files(arena, pod, pod_json, facts, &files, &out->file_count, err);
	if (rc == 0)
		rc = convert_containers(arena, pod, pod_json, facts, out, err);
	if (rc < 0)
		return rc;
	out->files = files;
	return arena->failed ? lp_err_set(err, -ENOMEM, "pod %s", out->name) : 0;
}

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/net/holder.h"
#include "agent/node/memory.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/path.h"

/* The commands `limpet agent` and, for whoever stops an instance, lp_agent_down. */

enum { WORDS_MAX = 64, LEAVE_LOOK_MS = 200, PID_TEXT = 16 };

/* ---- leaving: pods go down first */

static bool
all_down(const struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		if (((const struct lp_pod *)value)->keeper != LP_PODPLAN_NONE)
			return false;
	}
	return true;
}

static void
leave_look(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(timer, struct lp_agent, leave_timer);

	if (all_down(agent))
		lp_loop_stop(agent->loop);
	else
		(void)lp_timer_start(agent->loop, timer, now_ms + LEAVE_LOOK_MS, leave_look);
}

static void
begin_leaving(struct lp_agent *agent, int64_t now_ms)
{
	size_t pos = 0;
	void *value;

	agent->leaving = true;
	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		lp_pod_look(value);
	(void)lp_timer_start(agent->loop, &agent->leave_timer, now_ms + 1, leave_look);
}

static void
on_signal(void *arg, int signo, int64_t now_ms)
{
	struct lp_agent *agent = arg;

	lp_log(LP_LOG_INFO, agent->keep_pods ? "stopping, the pods stay" : "stopping, the pods too", "signal=%d", signo);
	if (agent->keep_pods || agent->leaving)
		lp_loop_stop(agent->loop);
	else
		begin_leaving(agent, now_ms);
}

/* ---- one agent per instance */

/*
 * Before anything is opened: a second agent would take the keepers over from the first. The lock is the process's own: one of the
 * open file (flock) would live on in children that a killed agent leaves for a moment, and the next agent would give up.
 */
static int
claim(const struct lp_instance *instance, int *out_fd, struct lp_err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[PID_TEXT];
	lp_auto_fd int run_fd = -1, fd = -1;
	int rc = lp_path_root(instance->run_dir, true, &run_fd, err);

	if (rc < 0)
		return rc;
	fd = openat(run_fd, "agent.pid", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return lp_err_set(err, -errno, "open %s/agent.pid", instance->run_dir);
	if (fcntl(fd, F_SETLK, &lock) < 0)
		return lp_err_say(err, -EBUSY, "another agent runs for %s (see %s/agent.pid)", instance->data_dir, instance->run_dir);
	(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0)
		return lp_err_set(err, -errno, "write agent.pid");
	rc = lp_path_write_all(fd, text, strlen(text), err);
	if (rc == 0)
		*out_fd = lp_take_fd(&fd);
	return rc;
}

static int
run(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err)
{
	lp_auto_fd int pid_fd = -1;
	struct lp_instance instance;
	sigset_t signals;
	int rc = lp_instance_init(&instance, &config->instance, true, err);

	(void)signal(SIGPIPE, SIG_IGN);		/* a program that does not read its input is an error of its stream only */
	if (rc == 0)
		rc = claim(&instance, &pid_fd, err);
	if (rc == 0)
		rc = lp_agent_open(agent, config, err);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	if (rc == 0)
		rc = lp_loop_signals(agent->loop, &signals, on_signal, agent, err);
	if (rc == 0)
		rc = lp_agent_start(agent, config, err);
	if (rc == 0) {
		lp_log(LP_LOG_INFO, "agent is ready", "node=%s data=%s", agent->name, agent->instance.data_dir);
		(void)printf("ready\n");
		(void)fflush(stdout);
		rc = lp_loop_run(agent->loop, err);
	}
	if (agent->loop && rc == 0 && lp_unclean_end(agent->data_fd, agent->node.boot_id, err) < 0)
		lp_log(LP_LOG_WARN, "that this was a good end could not be written down, layers will be checked", "why=\"%s\"", err->text);
	return rc;
}

int
lp_agent_main(int argc, char **argv)
{
	struct lp_agent_config config = { .pod_cidr = "10.42.0.0/24", .service_cidr = "10.43.0.0/16", .keep_pods = true };
	const char *rest[WORDS_MAX], *level_name = "info";
	bool help = false;
	const struct lp_opt opts[] = {
		{ "data-dir", 'd', LP_OPT_STR, &config.instance.data_dir, "DIR", "where this node keeps its state (default " LP_INSTANCE_DATA ")" },
		{ "run-dir", 0, LP_OPT_STR, &config.instance.run_dir, "DIR", "run-time state, in memory (default /run/<instance>)" },
		{ "instance", 0, LP_OPT_STR, &config.instance.instance, "NAME", "name of this instance, when several share a machine" },
		{ "bridge", 0, LP_OPT_STR, &config.instance.bridge, "NAME", "name of the bridge (default limpet0, or derived from the instance)" },
		{ "cgroup-root", 0, LP_OPT_STR, &config.instance.cgroup_root, "DIR", "cgroup v2 directory to work below (default: the cgroup v2 mount)" },
		{ "node-name", 0, LP_OPT_STR, &config.node_name, "NAME", "name of this node, when standalone (default: its host name)" },
		{ "own-cgroup", 0, LP_OPT_FLAG, &config.own_cgroup, NULL, "move to <instance>/system, where memory is not reclaimed (limpet up does)" },
		{ "standalone", 0, LP_OPT_FLAG, &config.standalone, NULL, "run without a manager, from the files in --manifests" },
		{ "manifests", 0, LP_OPT_STR, &config.manifests, "DIR", "folder of YAML and JSON files, watched for changes" },
		{ "pod-cidr", 0, LP_OPT_STR, &config.pod_cidr, "CIDR", "addresses of this node's pods, when standalone (default 10.42.0.0/24)" },
		{ "service-cidr", 0, LP_OPT_STR, &config.service_cidr, "CIDR", "addresses of Services, when standalone (default 10.43.0.0/16)" },
		{ "system-reserved", 0, LP_OPT_STR, &config.allowance.system_reserved, "LIST", "kept for the machine itself: cpu=100m,memory=64Mi,ephemeral-storage=1Gi,pid=100" },
		{ "eviction-hard", 0, LP_OPT_STR, &config.allowance.eviction_hard, "LIST", "a pod goes when this is met (default memory.available<100Mi,...)" },
		{ "eviction-soft", 0, LP_OPT_STR, &config.allowance.eviction_soft, "LIST", "a pod goes in good order when this was met for its grace period" },
		{ "eviction-soft-grace-period", 0, LP_OPT_STR, &config.allowance.soft_grace, "LIST", "memory.available=1m30s,..." },
		{ "eviction-minimum-reclaim", 0, LP_OPT_STR, &config.allowance.minimum_reclaim, "LIST", "more that is to be given back: memory.available=50Mi,..." },
		{ "eviction-pressure-transition-period", 0, LP_OPT_DURATION, &config.allowance.transition_ms, "TIME", "how long a pressure is told after it passed (default 5m)" },
		{ "eviction-max-pod-grace-period", 0, LP_OPT_INT, &config.allowance.max_grace_s, "SECONDS", "what a pod gets at most at a soft eviction" },
		{ "max-pods", 0, LP_OPT_INT, &config.allowance.max_pods, "N", "pods this node takes (default 110)" },
		{ "pod-max-pids", 0, LP_OPT_INT, &config.allowance.pod_max_pids, "N", "processes of one pod (default 1024 a container)" },
		{ "log-max-age", 0, LP_OPT_DURATION, &config.allowance.log_max_age_ms, "TIME", "containers' logs older than this go (default: only by size)" },
		{ "memory-qos", 0, LP_OPT_FLAG, &config.allowance.memory_qos, NULL, "requests of memory are never reclaimed, limits are approached slowly" },
		{ "cpu-manager-policy", 0, LP_OPT_STR, &config.allowance.cpu_manager, "NAME", "static: Guaranteed pods with whole cpus get their own (default none)" },
		{ "max-backoff", 0, LP_OPT_DURATION, &config.backoff_max_ms, "TIME", "longest pause before a crashed container starts again (default 5m)" },
		{ "keep-pods", 0, LP_OPT_FLAG, &config.keep_pods, NULL, "leave the pods running at the end (default true)" },
		{ "log-level", 0, LP_OPT_STR, &level_name, "LEVEL", "debug, info, warn or error (default info)" },
		{ "help", 'h', LP_OPT_FLAG, &help, NULL, "show this help" },
		{ 0 },
	};
	enum lp_log_level level;
	struct lp_agent agent = { 0 };
	struct lp_err err = { 0 };
	int words = 0, rc;

	rc = argc > WORDS_MAX ? lp_err_say(&err, -EINVAL, "too many words") : lp_opts_parse(opts, argc - 1, argv + 1, rest, &words, NULL, &err);
	if (rc == 0 && help) {
		lp_opts_help("limpet agent [options]", "Run the node agent: make this device match what the manager wants.", opts,
		    "limpet agent --standalone --manifests /etc/limpet/manifests");
		return 0;
	}
	if (rc == 0 && words > 0)
		rc = lp_err_say(&err, -EINVAL, "agent takes no words: %s", rest[0]);
	if (rc == 0 && config.standalone != (config.manifests != NULL))
		rc = lp_err_say(&err, -EINVAL, "--standalone and --manifests go together");
	if (rc == 0 && lp_log_level_parse(level_name, &level) < 0)
		rc = lp_err_say(&err, -EINVAL, "--log-level %s: debug, info, warn or error", level_name);
	if (rc < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		return 2;
	}
	lp_log_init(2, level);
	rc = run(&agent, &config, &err);
	lp_agent_close(&agent);
	if (rc < 0)
		(void)fprintf(stderr, "error: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}

/* ---- taking an instance down */

static int
end_holder(const struct lp_instance *instance, struct lp_err *err)
{
	lp_auto_fd int run_fd = -1;
	int rc = lp_path_root(instance->run_dir, false, &run_fd, err);

	return rc == -ENOENT ? 0 : rc < 0 ? rc : lp_holder_end(run_fd, err);
}

static int
remove_everything(const struct lp_instance *instance, struct lp_err *err)
{
	lp_auto_fd int cgroup_fd = -1;
	lp_auto_fd int run_fd = -1;
	int rc = end_holder(instance, err), cgroup_rc = 0, run_rc;

	if (rc == 0)
		rc = lp_netbridge_remove(instance->bridge, instance->table, err);
	if (lp_cgroup_root_open(*instance->cgroup_root ? instance->cgroup_root : NULL, &cgroup_fd, NULL) == 0)
		cgroup_rc = lp_cgroup_remove(cgroup_fd, instance->id, rc == 0 ? err : NULL);
	run_rc = lp_path_root(instance->run_dir, true, &run_fd, rc == 0 && cgroup_rc == 0 ? err : NULL);
	if (run_rc == 0)
		run_rc = lp_memory_unmount(run_fd, rc == 0 && cgroup_rc == 0 ? err : NULL);
	lp_close(&run_fd);
	if (run_rc == 0)
		run_rc = lp_path_root("/", false, &run_fd, rc == 0 && cgroup_rc == 0 ? err : NULL);
	if (run_rc == 0)
		run_rc = lp_path_remove(run_fd, instance->run_dir + 1, rc == 0 && cgroup_rc == 0 ? err : NULL);
	return rc < 0 ? rc : cgroup_rc < 0 ? cgroup_rc : run_rc;
}

int
lp_agent_down(const struct lp_instance_config *config, struct lp_err *err)
{
	const struct lp_agent_config how = { .instance = *config, .standalone = true, .node_name = "down", .down = true };
	struct lp_agent agent = { 0 };
	struct lp_instance instance;
	lp_auto_fd int pid_fd = -1;
	int rc = lp_instance_init(&instance, config, false, err);

	if (rc < 0)
		return rc;
	rc = claim(&instance, &pid_fd, err);
	if (rc == 0)
		rc = lp_agent_open(&agent, &how, err);
	if (rc == 0) {
		begin_leaving(&agent, lp_loop_now(agent.loop));
		rc = lp_loop_run(agent.loop, err);
	}
	lp_agent_close(&agent);
	return rc < 0 ? rc : remove_everything(&instance, err);
}

int
lp_agent_down_main(int argc, char **argv)
{
	struct lp_instance_config config = { 0 };
	const char *rest[WORDS_MAX];
	bool help = false;
	const struct lp_opt opts[] = {
		{ "data-dir", 'd', LP_OPT_STR, &config.data_dir, "DIR", "data directory of the instance (default " LP_INSTANCE_DATA ")" },
		{ "run-dir", 0, LP_OPT_STR, &config.run_dir, "DIR", "its run directory, when it was given one" },
		{ "instance", 0, LP_OPT_STR, &config.instance, "NAME", "its name, when it was given one" },
		{ "bridge", 0, LP_OPT_STR, &config.bridge, "NAME", "its bridge, when it was given one" },
		{ "cgroup-root", 0, LP_OPT_STR, &config.cgroup_root, "DIR", "its cgroup directory, when it was given one" },
		{ "help", 'h', LP_OPT_FLAG, &help, NULL, "show this help" },
		{ 0 },
	};
	struct lp_err err = { 0 };
	int words = 0, rc;

	rc = argc > WORDS_MAX ? lp_err_say(&err, -EINVAL, "too many words") : lp_opts_parse(opts, argc - 1, argv + 1, rest, &words, NULL, &err);
	if (rc == 0 && help) {
		lp_opts_help("limpet down [options]",
		    "Stop the pods of an instance whose agent does not run, and remove its network, cgroups and run directory. Its data stays.",
		    opts, "limpet down --data-dir /var/lib/limpet");
		return 0;
	}
	if (rc == 0 && words > 0)
		rc = lp_err_say(&err, -EINVAL, "down takes no words: %s", rest[0]);
	if (rc < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		return 2;
	}
	rc = lp_agent_down(&config, &err);
	if (rc < 0)
		(void)fprintf(stderr, "error: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}

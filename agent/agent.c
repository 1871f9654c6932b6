#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/guard/guard.h"
#include "agent/guard/reclaim.h"
#include "agent/link/console.h"
#include "agent/link/tell.h"
#include "agent/link/uplink.h"
#include "agent/net/holder.h"
#include "agent/net/hostnet.h"
#include "agent/net/resolver.h"
#include "agent/net/services.h"
#include "agent/node/memory.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/collect.h"
#include "agent/pod/hierarchy.h"
#include "agent/pod/pod.h"
#include "agent/standalone.h"
#include "agent/volume/volume.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "specs/object.h"

enum { PEERS_MAX = 64 << 20, DNS_OFFSET = 10, FILTER_MAX = 64 << 10 };

/* ---- network of the node */

/* "10.43.0.0/16" -> .10: where the node's resolver answers. */
static uint32_t
dns_address(const struct lp_agent *agent)
{
	const char *range = lp_revision_setting(&agent->revision, "serviceCIDR");
	uint32_t addr;
	uint8_t prefix;

	return range && lp_text_cidr4(range, &addr, &prefix) == 0 ? addr + DNS_OFFSET : 0;
}

static int
read_range(const struct lp_revision *revision, const char *setting, const char *fallback, struct lp_netbridge_range *out, struct lp_err *err)
{
	const char *text = lp_revision_setting(revision, setting);

	if (!text)
		text = fallback;
	if (!text || lp_text_cidr4(text, &out->addr, &out->prefix) < 0)
		return lp_err_say(err, -EINVAL, "node revision: %s \"%s\" is no range", setting, text ? text : "");
	return 0;
}

/* The sockets of the agent before us, or new ones and a holder that keeps them for the next. */
static int
open_resolver(struct lp_agent *agent, struct lp_err *err)
{
	lp_auto_fd int cgroup_fd = -1;
	char system_cgroup[64];
	int fds[LP_HOLDER_SOCKETS], rc = lp_holder_take(agent->run_fd, agent->dns_addr, fds, err);

	if (rc == 0)
		return lp_resolver_new(agent->loop, fds, lp_hostnet_upstreams, &agent->resolver, err);
	if (rc != -ENOENT && rc != -EADDRNOTAVAIL)
		lp_log(LP_LOG_WARN, "DNS sockets are made anew", "why=\"%s\"", err->text);
	rc = lp_resolver_listen(agent->dns_addr, fds, err);
	if (rc < 0)
		return rc;
	(void)snprintf(system_cgroup, sizeof(system_cgroup), "%s/system", agent->instance.id);
	if (agent->cgroup_fd >= 0)
		rc = lp_cgroup_open(agent->cgroup_fd, system_cgroup, &cgroup_fd, err);
	if (rc == 0)
		rc = lp_holder_start(agent->run_fd, agent->exe_fd, cgroup_fd, agent->dns_addr, fds, err);
	if (rc < 0)
		lp_log(LP_LOG_WARN, "DNS sockets end with this agent", "why=\"%s\"", err->text);
	return lp_resolver_new(agent->loop, fds, lp_hostnet_upstreams, &agent->resolver, err);
}

/* Once a revision says which range this node has. */
static int
open_network(struct lp_agent *agent, struct lp_err *err)
{
	struct lp_netbridge_config config = { .bridge = agent->instance.bridge, .table = agent->instance.table };
	char obstacle[LP_NETBRIDGE_OBSTACLE];
	size_t pos = 0;
	void *value;
	int rc;

	if (agent->net || !agent->revision.text)
		return 0;
	rc = read_range(&agent->revision, "podCIDR", NULL, &config.pods, err);
	if (rc == 0)
		rc = read_range(&agent->revision, "serviceCIDR", NULL, &config.services, err);
	if (rc == 0)
		rc = read_range(&agent->revision, "clusterCIDR", lp_revision_setting(&agent->revision, "podCIDR"), &config.cluster, err);
	if (rc < 0)
		return rc;
	agent->dns_addr = config.dns_addr = dns_address(agent);
	rc = lp_netbridge_open(&agent->net, &config, err);
	if (rc < 0)
		return rc;
	if (lp_netbridge_obstacle(obstacle, NULL) == 0 && *obstacle)
		lp_log(LP_LOG_WARN, "rules of this host drop what they do not know, maybe also what pods send and get",
		    "where=\"%s\"", obstacle);
	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		lp_pod_claim(value);
	return open_resolver(agent, err);
}

/* For whoever wants to know when this agent had everything in hand that ran before it did. Said once. */
static void
tell_takeover(struct lp_agent *agent, int64_t now_ms)
{
	size_t pos = 0;
	void *value;

	if (agent->taken_over || !agent->services_known)
		return;
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		if (lp_pod_is_being_adopted(pod) || (pod->connected && !pod->current))
			return;
	}
	agent->taken_over = true;
	lp_services_settle(agent);
	if (agent->found_count)
		lp_log(LP_LOG_INFO, "pods that ran before are taken over", "pods=%zu ms=%lld", agent->found_count,
		    (long long)(now_ms - agent->opened_ms));
}

static void
network_due(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(defer, struct lp_agent, network_defer);
	struct lp_err err = { 0 };
	int rc;

	if (!agent->net || agent->leaving)
		return;
	rc = lp_services_apply(agent, &err);
	if (rc == -EAGAIN)
		lp_agent_network_changed(agent);	/* the kernel's lists changed under our eyes: look again */
	else if (rc < 0)
		lp_log(LP_LOG_ERROR, "services are not as they should be", "why=\"%s\"", err.text);
	else
		tell_takeover(agent, now_ms);
}

void
lp_agent_network_changed(struct lp_agent *agent)
{
	lp_loop_defer(agent->loop, &agent->network_defer, network_due);
}

void
lp_agent_take_peers(struct lp_agent *agent, const struct lp_json *line)
{
	struct lp_err err = { 0 };

	lp_arena_fini(&agent->peers_arena);
	agent->peers = lp_json_copy(&agent->peers_arena, line);
	if (lp_services_keep_peers(agent, &err) < 0)
		lp_log(LP_LOG_WARN, "peers are not kept for the next agent", "why=\"%s\"", err.text);
	agent->host_known = false;	/* the routes to them */
	lp_agent_network_changed(agent);
}

/* ---- pods of the revision */

static bool
is_pod(const struct lp_revision_object *object)
{
	return strcmp(object->kind, "Pod") == 0 && *object->uid;
}

/* Every pod of the revision, and none of those that are no longer in it. */
static void
apply_revision(struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;
	struct lp_err err = { 0 };

	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		((struct lp_pod *)value)->object = NULL;
	for (size_t i = 0; i < agent->revision.count; i++) {
		const struct lp_revision_object *object = &agent->revision.objects[i];
		struct lp_pod *pod;

		if (!is_pod(object))
			continue;
		pod = lp_map_get(&agent->pods, object->uid);
		if (!pod && lp_pod_new(agent, object->uid, object->namespace, object->name, &pod, &err) < 0) {
			lp_log(LP_LOG_ERROR, "pod not taken over from the revision", "why=\"%s\"", err.text);
			continue;
		}
		if (!*pod->namespace && lp_pod_rename(pod, object->namespace, object->name) < 0)
			lp_log(LP_LOG_ERROR, "out of memory", "pod=%s", object->uid);
		lp_pod_want(pod, object);
	}
	for (pos = 0; lp_map_next(&agent->pods, &pos, NULL, &value);) {
		struct lp_pod *pod = value;

		if (!pod->object)
			lp_pod_want(pod, NULL);
		lp_pod_nudge(pod);
		lp_pod_refresh(pod);
	}
	lp_reclaim_look(agent->reclaim);
	lp_agent_network_changed(agent);
	lp_agent_report_changed(agent);
}

void
lp_agent_use(struct lp_agent *agent, struct lp_revision *revision)
{
	struct lp_revision former = agent->revision;
	struct lp_err err = { 0 };

	agent->revision = *revision;
	lp_revision_init(revision);
	lp_clock_raise_floor(agent->revision.signed_ms);
	if (open_network(agent, &err) < 0)
		lp_log(LP_LOG_ERROR, "network of this node cannot be made", "why=\"%s\"", err.text);
	apply_revision(agent);
	lp_revision_fini(&former);
}

static int
store_revision(void *arg, struct lp_buf *result, struct lp_err *err)
{
	const struct lp_agent *agent = arg;

	(void)result;
	return lp_revision_store(agent->node_fd, &agent->incoming, &agent->revision, err);
}

static void revision_stored(struct lp_child *child, const struct lp_err *why, int64_t now_ms);

static int
store_incoming(struct lp_agent *agent, struct lp_err *err)
{
	int rc = lp_child_start(agent->loop, &agent->storing, store_revision, agent, revision_stored, err);

	if (rc < 0)
		lp_revision_fini(&agent->incoming);
	return rc;
}

static void
revision_stored(struct lp_child *child, const struct lp_err *why, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(child, struct lp_agent, storing);
	struct lp_err err = { 0 };
	int rc = why->code;

	(void)now_ms;
	lp_child_cancel(child);		/* its result is empty */
	if (rc < 0) {
		err = *why;
		lp_revision_fini(&agent->incoming);
	} else {
		lp_log(LP_LOG_INFO, "node revision applied", "number=%lld objects=%zu", (long long)agent->incoming.number,
		    agent->incoming.count);
		lp_agent_use(agent, &agent->incoming);
		if (agent->pending.text) {
			agent->incoming = agent->pending;
			lp_revision_init(&agent->pending);
			rc = store_incoming(agent, &err);
		}
	}
	if (rc < 0) {
		lp_log(LP_LOG_ERROR, "node revision could not be stored, the former one stays", "why=\"%s\"", err.text);
		lp_revision_fini(&agent->pending);	/* it builds on what is not here */
		lp_uplink_again(agent->uplink);
	}
}

int
lp_agent_take_revision(struct lp_agent *agent, const struct lp_json *line, struct lp_err *err)
{
	const struct lp_revision_trust trust = { .node = agent->name, .verify = lp_cert_verify, .verify_arg = agent->fleet_key };
	const struct lp_revision *newest =
	    agent->pending.text ? &agent->pending : agent->incoming.text ? &agent->incoming : &agent->revision;
	struct lp_revision revision;
	int rc;

	lp_revision_init(&revision);
	rc = lp_revision_accept(&revision, newest, line, &trust, err);
	if (rc < 0)
		return rc;
	/* A manager that was restarted sends what is here already: nothing is written for that. */
	if (lp_revision_same(&revision, newest)) {
		lp_revision_fini(&revision);
		return 0;
	}
	/* One is on its way to the disk: it gets there, however slow the disk, and of those that come meanwhile the newest. */
	if (agent->incoming.text) {
		lp_revision_fini(&agent->pending);
		agent->pending = revision;
		return 0;
	}
	agent->incoming = revision;
	return store_incoming(agent, err);
}

/* ---- what is here already */

static int
adopt_one(void *arg, const char *uid)
{
	struct lp_agent *agent = arg;
	struct lp_pod *pod = lp_map_get(&agent->pods, uid);
	struct lp_err err = { 0 };

	if (!pod && lp_pod_new(agent, uid, "", uid, &pod, &err) < 0) {
		lp_log(LP_LOG_ERROR, "a running pod was not taken over", "uid=%s why=\"%s\"", uid, err.text);
		return 0;
	}
	lp_pod_adopt(pod);
	agent->found_count += pod->connected;
	return 0;
}

/* Directories of pods that nobody wants and that do not run: what a retirement did not finish. */
static int
drop_leftover(void *arg, const char *uid)
{
	struct lp_agent *agent = arg;
	struct lp_pod *pod;
	struct lp_err err = { 0 };

	if (!lp_map_get(&agent->pods, uid) && lp_pod_new(agent, uid, "", uid, &pod, &err) == 0)
		lp_pod_look(pod);
	return 0;
}

static int
find_running(struct lp_agent *agent, struct lp_err *err)
{
	int rc = lp_control_each(agent->run_pods_fd, adopt_one, agent, err);

	return rc < 0 ? rc : lp_path_each(agent->pods_fd, drop_leftover, agent, err);
}

/* ---- images */

static void
images_changed(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(watch, struct lp_agent, images_watch);
	char bytes[4096];
	size_t pos = 0;
	void *value;

	(void)events;
	(void)now_ms;
	while (read(agent->inotify_fd, bytes, sizeof(bytes)) > 0)
		;
	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		lp_pod_nudge(value);
	lp_agent_report_changed(agent);
	lp_collect_later(agent);
}

static int
watch_images(struct lp_agent *agent, struct lp_err *err)
{
	char path[64];

	agent->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", lp_images_watch_fd(agent->images));
	if (agent->inotify_fd < 0 || inotify_add_watch(agent->inotify_fd, path, IN_MOVED_TO) < 0)
		return lp_err_set(err, -errno, "watch the images");
	return lp_watch_start(agent->loop, &agent->images_watch, agent->inotify_fd, EPOLLIN, images_changed, err);
}

/* ---- start */

/* Keepers' state and containers' logs are in memory; who may not mount has them where the run directory is. */
static int
make_run_directories(struct lp_agent *agent, struct lp_err *err)
{
	int rc = lp_path_mkdirs(agent->run_fd, "pods", 0700, NULL, err);

	if (rc == 0)
		rc = lp_path_mkdirs(agent->run_fd, "logs", 0700, NULL, err);
	if (rc == 0 && lp_memory_mount(agent->run_fd, err) < 0)
		lp_log(LP_LOG_WARN, "logs and states are not kept in memory", "why=\"%s\"", err ? err->text : "");
	if (rc == 0)
		rc = lp_path_mkdirs(agent->run_fd, "pods", 0700, &agent->run_pods_fd, err);
	if (rc == 0)
		rc = lp_path_mkdirs(agent->run_fd, "logs", 0700, &agent->run_logs_fd, err);
	return rc;
}

static int
open_directories(struct lp_agent *agent, struct lp_err *err)
{
	const struct lp_instance *instance = &agent->instance;
	int rc = lp_path_root(instance->data_dir, true, &agent->data_fd, err), fd = -1;

	if (rc == 0)
		rc = lp_path_mkdirs(agent->data_fd, "node", 0700, &agent->node_fd, err);
	if (rc == 0)
		rc = lp_path_mkdirs(agent->data_fd, "pods", 0700, &agent->pods_fd, err);
	if (rc == 0)
		rc = lp_path_root(instance->run_dir, true, &agent->run_fd, err);
	if (rc == 0)
		rc = make_run_directories(agent, err);
	if (rc < 0)
		return rc;
	agent->data_path = strdup(instance->data_dir);
	if (!agent->data_path || asprintf(&agent->layers_path, "%s/layers", instance->data_dir) < 0)
		return lp_err_set(err, -ENOMEM, "start");
	/* A machine without cgroup v2 runs pods without limits and says so; it refuses nothing for that alone. */
	if (lp_cgroup_root_open(*instance->cgroup_root ? instance->cgroup_root : NULL, &agent->cgroup_fd, err) < 0) {
		lp_log(LP_LOG_WARN, "no cgroup v2 here, pods run without limits", "why=\"%s\"", err ? err->text : "");
		agent->cgroup_fd = -1;
		return 0;
	}
	rc = lp_cgroup_make(agent->cgroup_fd, instance->id, &fd, NULL, err);
	/* Keepers live in it, so it may give no controllers to children (the kernel's "no internal processes"): a bare mkdir. */
	if (rc == 0 && mkdirat(fd, "system", 0755) < 0 && errno != EEXIST)
		rc = lp_err_set(err, -errno, "create cgroup %s/system", instance->id);
	lp_close(&fd);
	return rc;
}

/* The host's resolvers for pods with dnsPolicy Default, never a loopback stub. */
static void
read_resolv(struct lp_agent *agent)
{
	uint32_t resolvers[LP_HOSTNET_RESOLVERS];
	size_t count = lp_hostnet_resolvers(resolvers);
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, LP_HOSTNET_RESOLVERS * 64);
	for (size_t i = 0; i < count; i++) {
		char ip[LP_TEXT_IPV4];

		lp_text_ipv4_print(resolvers[i], ip);
		(void)lp_buf_printf(&out, "nameserver %s\n", ip);
	}
	free(agent->host_resolv);
	agent->host_resolv = lp_buf_take(&out, NULL);
}

/* Addresses, routes or what comes with them: a board's DHCP was slow, its cable came back. */
static void
host_network_changed(void *arg)
{
	struct lp_agent *agent = arg;
	uint32_t former = agent->node.address;

	if (lp_netbridge_node_address(agent->instance.bridge, &agent->node.address, NULL, NULL) < 0)
		agent->node.address = 0;
	read_resolv(agent);
	agent->host_known = false;
	if (agent->node.address != former) {
		char ip[LP_TEXT_IPV4];

		lp_text_ipv4_print(agent->node.address, ip);
		lp_log(LP_LOG_INFO, "this node's address changed", "address=%s", agent->node.address ? ip : "none");
		lp_agent_report_changed(agent);
	}
	lp_agent_network_changed(agent);
}

static int
open_parts(struct lp_agent *agent, struct lp_err *err)
{
	int rc = lp_images_open(agent->data_fd, &agent->images, err);

	if (rc == 0)
		rc = lp_container_exe_open(&agent->exe_fd, err);
	if (rc == 0)
		rc = lp_console_new(agent, &agent->console, err);
	if (rc < 0)
		return rc;
	read_resolv(agent);
	rc = lp_hostnet_new(agent->loop, host_network_changed, agent, &agent->hostnet, err);
	if (rc < 0)
		return rc;
	lp_node_probe(&agent->node, agent->data_fd, agent->cgroup_fd);
	if (lp_netbridge_node_address(agent->instance.bridge, &agent->node.address, NULL, NULL) < 0)
		agent->node.address = 0;
	if (!lp_volume_may_shift(agent->layers_path, agent->node.tmpfs_idmap))
		(void)snprintf(agent->node.users_fault, sizeof(agent->node.users_fault), "the file system of %s cannot be idmapped", agent->layers_path);
	rc = lp_ceiling_file_open(&agent->ceiling, agent, err);
	return rc < 0 ? rc : watch_images(agent, err);
}

static int
open_identity(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err)
{
	int rc;

	if (config->standalone) {
		agent->standalone = true;
		agent->name = config->node_name ? config->node_name : agent->node.hostname;
		return 0;
	}
	rc = lp_identity_load(agent->node_fd, &agent->identity, err);
	if (rc == -ENOENT)
		return lp_err_say(err, -ENOENT, "this device has not joined a manager: run `limpet join` first, or use --standalone");
	if (rc == 0)
		rc = lp_cert_key_load(agent->identity.fleet_key, &agent->fleet_key, err);
	agent->name = agent->identity.name;
	return rc;
}

static int
open_guard(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err)
{
	int rc = lp_guard_new(agent, &agent->guard, err);

	if (rc == 0)
		lp_hierarchy_protect(agent, config->own_cgroup);
	return rc == 0 ? lp_reclaim_new(agent, &agent->reclaim, err) : rc;
}

static int
load_revision(struct lp_agent *agent, struct lp_err *err)
{
	const struct lp_revision_trust trust = { .node = agent->name, .verify = agent->fleet_key ? lp_cert_verify : NULL,
		.verify_arg = agent->fleet_key };
	int rc = lp_revision_load(agent->node_fd, &agent->revision, &trust, err);

	if (rc == -ENOENT) {
		lp_err_clear(err);
		return 0;
	}
	/* An unreadable revision is no reason to stop anything: what runs is kept, and the manager will send a new one. */
	if (rc < 0)
		lp_log(LP_LOG_ERROR, "node revision on disk cannot be used, what runs keeps running", "why=\"%s\"", err->text);
	else
		lp_clock_raise_floor(agent->revision.signed_ms);
	return 0;
}

int
lp_agent_open(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err)
{
	int rc;

	*agent = (struct lp_agent){ .keep_pods = config->keep_pods, .started_ms = lp_clock_wall_ms(), .opened_ms = lp_clock_boot_ms() };
	agent->data_fd = agent->node_fd = agent->pods_fd = agent->run_fd = agent->run_pods_fd = agent->run_logs_fd = -1;
	agent->cgroup_fd = agent->exe_fd = agent->inotify_fd = -1;
	lp_identity_init(&agent->identity);
	lp_revision_init(&agent->revision);
	lp_revision_init(&agent->incoming);
	lp_revision_init(&agent->pending);
	lp_arena_init(&agent->peers_arena, PEERS_MAX);
	lp_map_init(&agent->pods);
	agent->storing.pidfd = agent->storing.pipe_fd = -1;
	agent->collecting.pidfd = agent->collecting.pipe_fd = -1;
	lp_unclean_init(&agent->unclean);

	agent->backoff_max_ms = config->backoff_max_ms;
	rc = lp_instance_init(&agent->instance, &config->instance, true, err);
	if (rc == 0)
		rc = lp_loop_new(&agent->loop, err);
	if (rc == 0)
		rc = lp_tell_new(agent, &agent->tell, err);
	if (rc == 0)
		rc = open_directories(agent, err);
	if (rc == 0)
		rc = open_parts(agent, err);
	if (rc == 0 && !config->down && lp_unclean_begin(&agent->unclean, agent->data_fd, agent->run_fd, agent->node.boot_id, err) < 0)
		lp_log(LP_LOG_WARN, "whether the last boot ended well is not known, layers are not checked", "why=\"%s\"", err->text);
	if (rc == 0)
		rc = open_identity(agent, config, err);
	if (rc == 0)
		rc = lp_allowance_read(&config->allowance, agent->node.memory_bytes, &agent->allowance, err);
	if (rc == 0 && !config->down)
		rc = open_guard(agent, config, err);
	if (rc == 0 && !config->down)
		rc = load_revision(agent, err);
	if (rc == 0 && lp_services_load_peers(agent, err) < 0)
		lp_log(LP_LOG_WARN, "the other nodes' endpoints are unknown until the manager says them", "why=\"%s\"", err->text);
	if (rc == 0 && open_network(agent, err) < 0)
		lp_log(LP_LOG_ERROR, "network of this node cannot be made, will retry with the next revision", "why=\"%s\"", err->text);
	if (rc == 0) {
		if (agent->revision.text)
			apply_revision(agent);
		rc = find_running(agent, err);
	}
	if (rc == 0 && !config->down)
		lp_ceiling_file_apply(&agent->ceiling);
	return rc;
}

static void
close_all(struct lp_agent *agent)
{
	int *const fds[] = { &agent->inotify_fd, &agent->exe_fd, &agent->cgroup_fd, &agent->run_logs_fd, &agent->run_pods_fd, &agent->run_fd,
		&agent->pods_fd, &agent->node_fd, &agent->data_fd };

	for (size_t i = 0; i < lp_count(fds); i++)
		lp_close(fds[i]);
}

int
lp_agent_start(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err)
{
	if (config->standalone)
		return lp_standalone_start(agent, config, err);
	return lp_uplink_new(agent, &agent->uplink, err);
}

void
lp_agent_close(struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	if (!agent->loop)
		return;
	lp_standalone_stop(agent->standalone_watch);
	lp_uplink_free(agent->uplink);
	agent->uplink = NULL;
	lp_console_free(agent->console);
	lp_resolver_free(agent->resolver);
	lp_hostnet_free(agent->hostnet);
	lp_guard_free(agent->guard);
	lp_reclaim_free(agent->reclaim);
	lp_child_cancel(&agent->storing);
	lp_collect_stop(agent);
	lp_unclean_stop(&agent->unclean);
	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		lp_pod_free(value);
	lp_map_fini(&agent->pods);
	lp_watch_stop(&agent->images_watch);
	lp_ceiling_file_close(&agent->ceiling);
	lp_timer_stop(&agent->leave_timer);
	lp_timer_stop(&agent->services_timer);
	lp_timer_stop(&agent->sweep_timer);
	lp_defer_cancel(&agent->network_defer);
	lp_defer_cancel(&agent->report_defer);
	lp_tell_free(agent->tell);
	lp_netbridge_close(agent->net);
	lp_images_close(agent->images);
	lp_cert_key_free(agent->fleet_key);
	lp_revision_fini(&agent->revision);
	lp_revision_fini(&agent->incoming);
	lp_revision_fini(&agent->pending);
	lp_arena_fini(&agent->peers_arena);
	lp_identity_fini(&agent->identity);
	close_all(agent);
	free(agent->host_resolv);
	free(agent->data_path);
	free(agent->layers_path);
	lp_loop_free(agent->loop);
}

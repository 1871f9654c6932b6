#include "agent/net/services.h"

#include <errno.h>
#include <string.h>

#include "agent/net/netview.h"
#include "agent/net/resolver.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/state.h"
#include "base/text.h"
#include "specs/object.h"

#define VIEW_MAX (64u << 20)	/* bytes of all services, pods and peers as rows */
#define PEERS "peers"
#define PEERS_SCHEMA 1
#define PEERS_MAX (16u << 20)	/* bytes of a peers line */
#define RETRY_MS 2000		/* after a failure of the kernel's */
#define ADOPT_MS 3000		/* how long adopted keepers may keep everybody waiting */
#define SWEEP_MS 5000		/* after the start: what is slow and nobody waits for */

/* Everything lp_netview_make looks at, collected in the arena. */
struct gathering {
	struct lp_agent *agent;
	struct lp_arena arena;
	struct lp_netview_input in;
};

static int
gather_objects(struct gathering *g, struct lp_err *err)
{
	const struct lp_revision *revision = &g->agent->revision;
	const struct lp_json **services = lp_arena_alloc(&g->arena, (revision->count + 1) * sizeof(*services));
	const char **namespaces = lp_arena_alloc(&g->arena, (revision->count + 2) * sizeof(*namespaces));
	size_t names = 0;

	if (!services || !namespaces)
		return lp_err_set(err, -ENOMEM, "services of the revision");
	namespaces[names++] = "default";
	namespaces[names++] = "kube-system";
	for (size_t i = 0; i < revision->count; i++) {
		const struct lp_revision_object *object = &revision->objects[i];

		if (strcmp(object->kind, "Service") == 0)
			services[g->in.service_count++] = object->json;
		if (*object->namespace && strcmp(object->namespace, namespaces[names - 1]) != 0)
			namespaces[names++] = object->namespace;
	}
	g->in.services = services;
	g->in.namespaces = namespaces;
	g->in.namespace_count = names;
	return 0;
}

static int
gather_pods(struct gathering *g, struct lp_err *err)
{
	const struct lp_agent *agent = g->agent;
	struct lp_netview_pod *pods = lp_arena_alloc(&g->arena, (agent->pods.count + 1) * sizeof(*pods));
	size_t pos = 0;
	void *value;

	if (!pods)
		return lp_err_set(err, -ENOMEM, "%zu pods", agent->pods.count);
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;
		struct lp_netview_pod *row = &pods[g->in.pod_count];

		if (!pod->json)
			continue;	/* found running and not wanted: nobody's endpoint */
		row->object = pod->json;
		row->addr = lp_pod_is_host_network(pod) ? agent->node.address : pod->attached ? pod->addr : 0;
		row->running = pod->keeper == LP_PODPLAN_RUNNING && !pod->stop_asked;
		row->ready = lp_pod_is_ready(pod);
		g->in.pod_count++;
	}
	g->in.pods = pods;
	return 0;
}

/* The range in the revision, or `otherwise`. */
static struct lp_netbridge_range
range_of(const struct lp_agent *agent, const char *setting, const char *otherwise)
{
	const char *text = lp_revision_setting(&agent->revision, setting);
	struct lp_netbridge_range range = { 0, 32 };

	if (!text)
		text = lp_revision_setting(&agent->revision, otherwise);
	if (text && lp_text_cidr4(text, &range.addr, &range.prefix) < 0)
		range = (struct lp_netbridge_range){ 0, 32 };
	return range;
}

/* Three lists of the kernel's, one of them as long as there are pods: read again only when it said that something changed. */
static int
read_host(struct lp_agent *agent, struct lp_err *err)
{
	int count;

	if (agent->host_known)
		return 0;
	count = lp_netbridge_node_addresses(agent->instance.bridge, agent->host_addrs, LP_AGENT_ADDRESSES, err);
	if (count >= 0)
		agent->host_addr_count = (size_t)count;
	return count < 0 ? count : 0;
}

static int
gather(struct gathering *g, struct lp_err *err)
{
	const struct lp_agent *agent = g->agent;
	const char *domain = lp_revision_setting(&agent->revision, "clusterDomain");
	int rc = gather_objects(g, err);

	if (rc == 0)
		rc = gather_pods(g, err);
	if (rc == 0)
		rc = read_host(g->agent, err);
	if (rc < 0)
		return rc;
	g->in.peers = agent->peers;
	g->in.domain = domain ? domain : "cluster.local";
	g->in.cluster = range_of(agent, "clusterCIDR", "podCIDR");
	g->in.service_range = range_of(agent, "serviceCIDR", "serviceCIDR");
	g->in.node_addrs = agent->host_addrs;
	g->in.node_addr_count = agent->host_addr_count;
	return 0;
}

static void
adoption_late(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(timer, struct lp_agent, services_timer);

	(void)now_ms;
	lp_log(LP_LOG_WARN, "keepers found running do not answer, services go on without their pods", "waited_ms=%d", ADOPT_MS);
	agent->services_known = true;
	lp_agent_network_changed(agent);
}

/*
 * The rules in the kernel are those of the agent before us, and right. Until the keepers it left have said how their pods are,
 * ours would be poorer: nothing is touched before that.
 */
static bool
must_wait(struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	if (agent->services_known)
		return false;
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		if (!lp_pod_is_being_adopted(value))
			continue;
		if (!agent->services_timer.loop &&
		    lp_timer_start(agent->loop, &agent->services_timer, lp_loop_now(agent->loop) + ADOPT_MS, adoption_late) < 0)
			break;		/* without the timer we might wait for ever */
		return true;
	}
	agent->services_known = true;
	lp_timer_stop(&agent->services_timer);
	return false;
}

static int
make_true(struct lp_agent *agent, struct lp_netview *view, struct lp_err *err)
{
	struct lp_err peers_err;
	size_t before = lp_netbridge_clashes(agent->net), now;
	int rc = lp_netbridge_services(agent->net, &view->services, false, err);

	now = lp_netbridge_clashes(agent->net);
	if (rc == 0 && now != before && now > 0)
		lp_log(LP_LOG_WARN, "some ports are claimed twice, the first service keeps them", "ports=%zu", now);
	/* Each part is tried, whatever happened to the others. */
	if (!agent->host_known) {
		agent->host_known = !agent->peers || lp_netbridge_peers(agent->net, view->peers, view->peer_count, &peers_err) == 0;
		if (!agent->host_known)
			lp_log(LP_LOG_WARN, "not every node's pods can be reached", "why=\"%s\"", peers_err.text);
	}
	if (agent->resolver) {
		int zone_rc = lp_resolver_take_zone(agent->resolver, view->zone, rc == 0 ? err : NULL);

		view->zone = NULL;
		rc = rc == 0 ? zone_rc : rc;
	}
	return rc;
}

static void
try_again(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	lp_agent_network_changed(lp_of(timer, struct lp_agent, services_timer));
}

static void
sweep_due(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(timer, struct lp_agent, sweep_timer);
	struct lp_err err = { 0 };

	(void)now_ms;
	if (agent->net && lp_netbridge_sweep(agent->net, &err) < 0)
		lp_log(LP_LOG_WARN, "UDP flows of before this agent's time were not looked at", "why=\"%s\"", err.text);
}

void
lp_services_settle(struct lp_agent *agent)
{
	(void)lp_timer_start(agent->loop, &agent->sweep_timer, lp_loop_now(agent->loop) + SWEEP_MS, sweep_due);	/* without memory: they end by themselves */
}

int
lp_services_apply(struct lp_agent *agent, struct lp_err *err)
{
	struct gathering g = { .agent = agent };
	struct lp_netview view = { 0 };
	int rc;

	if (!agent->net || must_wait(agent))
		return 0;
	lp_arena_init(&g.arena, VIEW_MAX);
	rc = gather(&g, err);
	if (rc == 0)
		rc = lp_netview_make(&g.arena, &g.in, &view, err);
	if (rc == 0)
		rc = make_true(agent, &view, err);
	lp_dns_zone_free(view.zone);
	lp_arena_fini(&g.arena);
	if (rc < 0)
		(void)lp_timer_start(agent->loop, &agent->services_timer, lp_loop_now(agent->loop) + RETRY_MS, try_again);	/* or with the next event */
	return rc;
}

int
lp_services_keep_peers(struct lp_agent *agent, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, PEERS_MAX);
	if (lp_json_write(&text, agent->peers) < 0)
		return lp_err_set(err, text.failed, "peers line");
	return lp_state_write(agent->run_fd, PEERS, PEERS_SCHEMA, text.data, text.len, err);
}

int
lp_services_load_peers(struct lp_agent *agent, struct lp_err *err)
{
	const struct lp_json_limits limits = { .bytes = PEERS_MAX, .nodes = PEERS_MAX / 8 };
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, PEERS_MAX);
	rc = lp_state_read(agent->run_fd, PEERS, PEERS_SCHEMA, &text, NULL, err);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = lp_json_parse(&agent->peers_arena, lp_buf_text(&text), text.len, &limits, &agent->peers, err);
	return rc;
}

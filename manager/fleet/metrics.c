#include "manager/fleet/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/tunnel_inside.h"
#include "specs/object.h"
#include "specs/selector.h"

enum { ANSWER_MS = 8000, PIECE_MAX = 16 << 20 };

/* One node's answer. */
struct piece {
	struct ask *ask;
	const char *node;		/* whose it is */
	struct lp_tunnel *tunnel;	/* NULL once it is over */
	struct lp_buf text;
	bool whole;
};

/* One question to several nodes; in its request's memory. */
struct ask {
	struct lp_request *request;
	struct piece *pieces;
	size_t count, waiting;
	struct lp_timer timer;
	void (*answer)(struct ask *ask);
};

/* ---- from the nodes */

static void
give_up(struct ask *ask)
{
	lp_timer_stop(&ask->timer);
	for (size_t i = 0; i < ask->count; i++) {
		if (ask->pieces[i].tunnel)
			lp_tunnel_drop(ask->pieces[i].tunnel);
		ask->pieces[i].tunnel = NULL;
	}
	ask->waiting = 0;
}

static void
answer(struct ask *ask)
{
	give_up(ask);
	if (ask->request->call)
		ask->answer(ask);
}

static void
piece_got(struct lp_tunnel *tunnel, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	struct piece *piece = tunnel->own;

	(void)now_ms;
	if (channel == LP_STREAMS_STDOUT)
		(void)lp_buf_add(&piece->text, data, len);	/* one that is too long is not read below */
}

static size_t
piece_queued(const struct lp_tunnel *tunnel)
{
	(void)tunnel;
	return 0;		/* it is gathered here */
}

static void
piece_room(struct lp_tunnel *tunnel, int64_t now_ms)
{
	(void)tunnel;		/* nothing is sent towards the device */
	(void)now_ms;
}

static void
piece_over(struct lp_tunnel *tunnel, const struct lp_err *why, int64_t now_ms)
{
	struct piece *piece = tunnel->own;
	struct ask *ask = piece->ask;

	(void)now_ms;
	piece->tunnel = NULL;
	piece->whole = why->code == 0 && !piece->text.failed;
	if (--ask->waiting == 0)
		answer(ask);
}

static const struct lp_tunnel_ops piece_ops = { .got = piece_got, .queued = piece_queued, .room = piece_room, .over = piece_over };

/* ---- from the client */

static void
client_gone(struct lp_request *request, int64_t now_ms)
{
	struct ask *ask = request->own;

	(void)now_ms;
	give_up(ask);
	for (size_t i = 0; i < ask->count; i++)
		lp_buf_fini(&ask->pieces[i].text);
}

static const struct lp_request_hooks client_hooks = { .gone = client_gone };

static void
too_late(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	answer(lp_of(timer, struct ask, timer));
}

static bool
is_asked(struct lp_request *request, struct lp_cached *node, const char *only)
{
	return (!only || strcmp(node->name, only) == 0) && lp_fleet_has_link(request->manager->links, node->name);
}

/* Ask these nodes (NULL: all) that are connected. Answers by itself also when there are none. */
static void
ask_nodes(struct lp_request *request, const char *only, void (*reply)(struct ask *ask))
{
	struct lp_loop *loop = request->manager->loop;
	struct ask *ask = lp_arena_alloc(&request->arena, sizeof(*ask));
	struct lp_cached *const *nodes;
	size_t count;
	struct lp_err err;

	nodes = lp_cache_list(request->manager->cache, lp_kind_find("v1", "Node"), NULL, &count);
	if (ask)
		ask->pieces = lp_arena_alloc(&request->arena, (count + 1) * sizeof(*ask->pieces));
	if (!ask || !ask->pieces || lp_timer_start(loop, &ask->timer, lp_loop_now(loop) + ANSWER_MS, too_late) < 0) {
		lp_request_refuse(request, NULL);
		return;
	}
	ask->request = request;
	ask->answer = reply;
	for (size_t i = 0; i < count; i++) {
		struct piece *piece = &ask->pieces[ask->count];

		if (!is_asked(request, nodes[i], only))
			continue;
		*piece = (struct piece){ .ask = ask, .node = lp_arena_str(&request->arena, nodes[i]->name) };
		lp_buf_init(&piece->text, PIECE_MAX);
		if (lp_tunnel_open(request->manager->tunnels, nodes[i], "stats", "", &request->arena, NULL, &piece_ops, piece, &piece->tunnel, &err) < 0)
			continue;	/* its link has just gone: as one that does not answer */
		ask->count++;
		ask->waiting++;
	}
	request->own = ask;
	request->hooks = &client_hooks;
	if (ask->waiting == 0)
		answer(ask);
}

/* The document of a piece; NULL when the node said nothing useful, or spoke for another. */
static struct lp_json *
parse(struct ask *ask, const struct piece *piece)
{
	struct lp_json *document = NULL;

	if (!piece->whole || lp_json_parse(&ask->request->arena, lp_buf_text(&piece->text), piece->text.len, NULL, &document, NULL) < 0)
		return NULL;
	return piece->node && lp_text_same(lp_json_str(document, "node.nodeName"), piece->node) ? document : NULL;
}

/* ---- metrics.k8s.io */

static void
set_usage(struct lp_arena *arena, struct lp_json *row, const struct lp_json *use)
{
	struct lp_json *usage = lp_json_set_object(arena, row, "usage");

	lp_json_set_str(arena, usage, "cpu", lp_arena_printf(arena, "%" PRId64 "n", lp_json_int(use, "cpu.usageNanoCores", 0)));
	lp_json_set_str(arena, usage, "memory", lp_arena_printf(arena, "%" PRId64 "Ki", lp_json_int(use, "memory.workingSetBytes", 0) / 1024));
}

/* Kind, metadata of the object it is about, timestamp and window. */
static struct lp_json *
begin_metrics(struct ask *ask, const struct lp_json *document, struct lp_cached *about)
{
	struct lp_arena *arena = &ask->request->arena;
	struct lp_json *row = lp_json_new(arena, LP_JSON_OBJECT), *metadata;
	const struct lp_json *labels = lp_object_labels(lp_cached_json(about));
	const char *time = lp_json_str(document, "node.cpu.time");
	int64_t window_ms = lp_json_int(document, "windowMs", 0);

	lp_json_set_str(arena, row, "kind", ask->request->kind->kind);
	lp_json_set_str(arena, row, "apiVersion", "metrics.k8s.io/v1beta1");
	metadata = lp_json_set_object(arena, row, "metadata");
	lp_json_set_str(arena, metadata, "name", about->name);
	if (*about->namespace)
		lp_json_set_str(arena, metadata, "namespace", about->namespace);
	lp_json_set_str(arena, metadata, "creationTimestamp", time ? time : "");
	if (labels)
		lp_json_set(arena, metadata, "labels", lp_json_copy(arena, labels));
	lp_json_set_str(arena, row, "timestamp", time ? time : "");
	lp_json_set_str(arena, row, "window", lp_arena_printf(arena, "%" PRId64 ".%03" PRId64 "s", window_ms / 1000, window_ms % 1000));
	return row;
}

static void
add_node(struct ask *ask, struct lp_json *items, const struct lp_json *document, const struct lp_selector *selector)
{
	struct lp_request *request = ask->request;
	const char *name = lp_json_str(document, "node.nodeName");
	struct lp_cached *node = name ? lp_cache_find(request->manager->cache, lp_kind_find("v1", "Node"), NULL, name) : NULL;
	struct lp_json *row;

	if (!node || (request->asked.name && strcmp(node->name, request->asked.name) != 0) ||
	    !lp_selector_match_labels(selector, lp_object_labels(lp_cached_json(node))))
		return;
	row = begin_metrics(ask, document, node);
	set_usage(&request->arena, row, lp_json_get(document, "node"));
	lp_json_append(&request->arena, items, row);
}

/* A node may speak only of pods that are bound to it. */
static void
add_pods(struct ask *ask, struct lp_json *items, const struct lp_json *document, const struct lp_selector *selector)
{
	struct lp_request *request = ask->request;
	const struct lp_asked *asked = &request->asked;
	const char *node = lp_json_str(document, "node.nodeName");

	lp_json_each(entry, lp_json_get(document, "pods")) {
		const char *namespace = lp_json_str(entry, "podRef.namespace"), *name = lp_json_str(entry, "podRef.name");
		struct lp_cached *pod = namespace && name ? lp_cache_find(request->manager->cache, lp_kind_find("v1", "Pod"), namespace, name) : NULL;
		struct lp_json *row, *list;

		if (!pod || !lp_text_same(pod->uid, lp_json_str(entry, "podRef.uid")) || !lp_text_same(pod->node, node) ||
		    (asked->namespace && strcmp(asked->namespace, namespace) != 0) || (asked->name && strcmp(asked->name, name) != 0) ||
		    !lp_selector_match_labels(selector, lp_object_labels(lp_cached_json(pod))) || lp_json_count(lp_json_get(entry, "containers")) == 0)
			continue;
		row = begin_metrics(ask, document, pod);
		list = lp_json_set_array(&request->arena, row, "containers");
		lp_json_each(container, lp_json_get(entry, "containers")) {
			struct lp_json *one = lp_json_append(&request->arena, list, lp_json_new(&request->arena, LP_JSON_OBJECT));

			lp_json_set_str(&request->arena, one, "name", lp_json_str(container, "name"));
			set_usage(&request->arena, one, container);
		}
		lp_json_append(&request->arena, items, row);
	}
}

static bool
is_about_nodes(const struct lp_request *request)
{
	return strcmp(request->kind->plural, "nodes") == 0;
}

static void
answer_metrics(struct ask *ask)
{
	struct lp_request *request = ask->request;
	struct lp_arena *arena = &request->arena;
	struct lp_json *list = lp_json_new(arena, LP_JSON_OBJECT), *items;
	struct lp_selector selector;
	struct lp_err err = { 0 };

	if (lp_selector_labels(arena, lp_request_query(request, "labelSelector"), &selector, &err) < 0) {
		lp_request_fail(request, 400, &err);
		return;
	}
	lp_json_set_str(arena, list, "kind", lp_arena_printf(arena, "%sList", request->kind->kind));
	lp_json_set_str(arena, list, "apiVersion", "metrics.k8s.io/v1beta1");
	lp_json_set_object(arena, list, "metadata");
	items = lp_json_set_array(arena, list, "items");
	for (size_t i = 0; i < ask->count; i++) {
		const struct lp_json *document = parse(ask, &ask->pieces[i]);

		if (document && is_about_nodes(request))
			add_node(ask, items, document, &selector);
		else if (document)
			add_pods(ask, items, document, &selector);
	}
	if (!request->asked.name)
		lp_request_reply(request, 200, list);
	else if (lp_json_count(items) > 0)
		lp_request_reply(request, 200, lp_json_first(items));
	else
		lp_request_refuse(request, lp_status_not_found(arena, request->kind, request->asked.name));
}

/* One object: its node is enough. */
void
lp_metrics_get(struct lp_request *request)
{
	const struct lp_asked *asked = &request->asked;
	struct lp_cached *pod;

	if (is_about_nodes(request)) {
		ask_nodes(request, asked->name, answer_metrics);
		return;
	}
	pod = lp_cache_find(request->manager->cache, lp_kind_find("v1", "Pod"), asked->namespace, asked->name);
	if (pod && pod->node)
		ask_nodes(request, pod->node, answer_metrics);
	else
		lp_request_refuse(request, lp_status_not_found(&request->arena, request->kind, asked->name));
}

void
lp_metrics_list(struct lp_request *request)
{
	ask_nodes(request, NULL, answer_metrics);
}

/* ---- the node's own document */

static void
answer_summary(struct ask *ask)
{
	struct lp_request *request = ask->request;

	if (ask->count == 1 && parse(ask, &ask->pieces[0]))
		lp_request_reply_text(request, 200, ask->pieces[0].text.data, ask->pieces[0].text.len);
	else
		lp_request_refuse(request, lp_status_make(&request->arena, 503, NULL, "the node is not connected or did not answer in time"));
}

void
lp_metrics_summary(struct lp_request *request)
{
	const char *name = lp_arena_mem(&request->arena, request->tail, strcspn(request->tail, "/"));
	const struct lp_kind *kind = lp_kind_find("v1", "Node");

	if (!name)
		lp_request_refuse(request, NULL);
	else if (!lp_cache_find(request->manager->cache, kind, NULL, name))
		lp_request_refuse(request, lp_status_not_found(&request->arena, kind, name));
	else
		ask_nodes(request, name, answer_summary);
}

static void
answer_all(struct ask *ask)
{
	struct lp_request *request = ask->request;
	struct lp_json *list = lp_json_new(&request->arena, LP_JSON_OBJECT), *items = lp_json_set_array(&request->arena, list, "items");

	for (size_t i = 0; i < ask->count; i++) {
		struct lp_json *document = parse(ask, &ask->pieces[i]);

		if (document)
			lp_json_append(&request->arena, items, document);
	}
	lp_request_reply(request, 200, list);
}

void
lp_metrics_all(struct lp_request *request)
{
	ask_nodes(request, NULL, answer_all);
}

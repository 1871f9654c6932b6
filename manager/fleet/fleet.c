/*
 * manager/fleet/fleet.c - the devices' links: what each node must be, and who its peers are, sent when it changes.
 *
 * Theory  A device is remembered for as long as the manager runs: what it was sent last (digests, so that the next revision is
 *         a difference), and when it was heard last. Changes of objects mark devices; the marked ones are looked at 10 ms later,
 *         a few dozen in a turn. Looks are spent from an allowance of 32 that grows by one in 50 ms: a busy minute is looked at
 *         five times a second, a single command at once. Looking makes the node's view anew and sends it only if it asks for
 *         something else.
 *         The newest link of a node wins: the older one is told goodbye and ended.
 *         A device that says `have` with the digest of what it was sent last lacks nothing of that; any other lacks everything.
 */
#include "manager/fleet/fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/control/control.h"
#include "manager/fleet/tunnel.h"
#include "manager/look/view.h"
#include "manager/sign/sign.h"
#include "specs/object.h"

#define DEBOUNCE_MS 200			/* between two looks when the allowance is spent */
#define ALLOWANCE   32			/* looks without waiting */
#define REGAIN_MS   50			/* until one more look is allowed */
#define FIRST_MS    10			/* after quiet: what belongs together comes together */
#define LOOKS       32			/* devices in one turn */
#define LINE_MAX    (64u << 20)
#define GONE_MS     1000		/* until a deleted node asks again, and is refused */
#define QUEUE_LONG  (1u << 20)		/* a link that holds this much gets nothing new until it has drained */
#define ARENA_MAX   (256u << 20)
#define RETURN_MS   500			/* after goodbye, at the earliest */
#define RETURN_EACH_MS 3		/* what one full handshake costs the manager */

struct device {
	struct lp_list mark;		/* in links->marked */
	struct lp_request *link;	/* NULL while it is away */
	int64_t seen_ms;		/* of the link that ended last; -1 never */
	char *name;
	bool look_view, look_peers;
	/* what was sent last */
	char revision[LP_DIGEST_TEXT];	/* "" nothing yet */
	uint8_t view[LP_DIGEST_BYTES];	/* over the digests of its objects */
	char (*objects)[LP_VIEW_DIGEST];	/* sorted */
	size_t object_count;
	uint8_t peers[LP_DIGEST_BYTES];	/* over the line */
	bool whole;			/* the device lacks everything */
	bool sent;			/* on this link: the view, and with it the peers, were looked at */
};

struct lp_links {
	struct lp_manager *manager;	/* weak */
	struct lp_map devices;		/* name -> struct device */
	struct lp_list marked;
	struct lp_cache_observer observer;
	struct lp_timer timer;
	struct lp_defer more;
	bool waiting;			/* the timer runs */
	int64_t looked_ms;		/* boot time of the last look; 0 none yet */
	int64_t allowance;		/* looks that may follow at once, as of looked_ms */
	const struct lp_kind *pod, *node, *service, *endpoints, *config, *secret, *claim, *volume;
};

/* ---- devices */

static struct device *
device_find(const struct lp_links *links, const char *name)
{
	return lp_map_get(&links->devices, name);
}

static void
device_free(struct device *device)
{
	lp_list_remove(&device->mark);
	free(device->objects);
	free(device->name);
	free(device);
}

static struct device *
device_need(struct lp_links *links, const char *name)
{
	struct device *device = device_find(links, name);

	if (device)
		return device;
	device = lp_seam.alloc(sizeof(*device));
	if (!device)
		return NULL;
	lp_list_init(&device->mark);
	device->seen_ms = -1;
	device->whole = true;
	device->name = strdup(name);
	if (!device->name || lp_map_put(&links->devices, name, device, NULL) < 0) {
		device_free(device);
		return NULL;
	}
	return device;
}

static int64_t
seen_ms(void *arg, const char *node)
{
	const struct device *device = device_find(arg, node);

	if (!device)
		return -1;
	return device->link && device->link->call ? lp_http_last_read_ms(device->link->call) : device->seen_ms;
}

/* ---- marking */

static void look_some(struct lp_links *links, int64_t now_ms);

static int64_t
allowance(const struct lp_links *links, int64_t now_ms)
{
	int64_t regained = links->looked_ms ? (now_ms - links->looked_ms) / REGAIN_MS : ALLOWANCE;

	return links->allowance + regained < ALLOWANCE ? links->allowance + regained : ALLOWANCE;
}

static void
spend(struct lp_links *links, int64_t now_ms)
{
	int64_t left = allowance(links, now_ms);

	links->allowance = left > 0 ? left - 1 : 0;
	links->looked_ms = now_ms;
}

static void
look_due(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_links *links = lp_of(timer, struct lp_links, timer);

	links->waiting = false;
	spend(links, now_ms);
	look_some(links, now_ms);
}

static void
look_more(struct lp_defer *defer, int64_t now_ms)
{
	look_some(lp_of(defer, struct lp_links, more), now_ms);
}

static void
device_mark(struct lp_links *links, struct device *device, bool view)
{
	int64_t now_ms = lp_loop_now(links->manager->loop), due_ms = now_ms + FIRST_MS;

	if (!device || !device->link)
		return;
	if (view)
		device->look_view = true;
	else
		device->look_peers = true;
	if (lp_list_empty(&device->mark))
		lp_list_append(&links->marked, &device->mark);
	if (allowance(links, now_ms) == 0 && due_ms < links->looked_ms + DEBOUNCE_MS)
		due_ms = links->looked_ms + DEBOUNCE_MS;
	if (!links->waiting && lp_timer_start(links->manager->loop, &links->timer, due_ms, look_due) == 0)
		links->waiting = true;
}

static void
mark_all(struct lp_links *links, bool view)
{
	const char *name;
	void *device;
	size_t pos = 0;

	while (lp_map_next(&links->devices, &pos, &name, &device))
		device_mark(links, device, view);
}

/* Whoever runs a pod of this namespace may mention the object. */
static void
mark_namespace(struct lp_links *links, const char *namespace)
{
	size_t count;
	struct lp_cached *const *pods = lp_cache_list(links->manager->cache, links->pod, namespace, &count);

	for (size_t i = 0; i < count; i++) {
		if (pods[i]->node)
			device_mark(links, device_find(links, pods[i]->node), true);
	}
}

/*
 * A node that was called Unknown although its link is up (this process slept, or a report was lost) is asked to say
 * everything again; one whose link is down does so when it comes back.
 */
static void
ask_for_report(struct lp_links *links, const struct lp_cache_event *event)
{
	static const char line[] = "{\"type\":\"report\"}";
	const struct lp_json *node = event->new ? lp_cached_json(event->new) : NULL;

	if (lp_text_same(lp_json_str(lp_object_condition(node, "Ready"), "status"), "Unknown"))
		(void)lp_fleet_send(links, event->new->name, line, sizeof(line) - 1);	/* no link: it will come with one */
}

static void
object_changed(struct lp_cache_observer *observer, const struct lp_cache_event *event)
{
	struct lp_links *links = lp_of(observer, struct lp_links, observer);
	const struct lp_cached *object = event->new ? event->new : event->old;

	if (object->kind == links->pod) {
		if (event->old && event->old->node)
			device_mark(links, device_find(links, event->old->node), true);
		if (event->new && event->new->node)
			device_mark(links, device_find(links, event->new->node), true);
	} else if (object->kind == links->config || object->kind == links->secret || object->kind == links->claim) {
		mark_namespace(links, object->namespace);
	} else if (object->kind == links->service || object->kind == links->volume) {
		mark_all(links, true);
	} else if (object->kind == links->endpoints) {
		mark_all(links, false);
	} else if (object->kind == links->node) {
		device_mark(links, device_find(links, object->name), true);
		mark_all(links, false);
		ask_for_report(links, event);
	}
}

/* ---- the revision line */

static int
compare_digests(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool
device_has(const struct device *device, const char *digest)
{
	return !device->whole && device->object_count &&
	    bsearch(digest, device->objects, device->object_count, sizeof(device->objects[0]), compare_digests);
}

static void
view_digest(const struct lp_view *view, uint8_t out[static LP_DIGEST_BYTES])
{
	struct lp_digest_state state;

	lp_digest_start(&state);
	lp_digest_add(&state, view->pod_cidr, strlen(view->pod_cidr) + 1);
	for (size_t i = 0; i < view->count; i++) {
		const struct lp_view_object *object = view->objects[i];

		lp_digest_add(&state, object->kind, strlen(object->kind) + 1);
		lp_digest_add(&state, object->namespace, strlen(object->namespace) + 1);
		lp_digest_add(&state, object->name, strlen(object->name) + 1);
		lp_digest_add(&state, object->digest, strlen(object->digest) + 1);
	}
	lp_digest_end(&state, out);
}

static int
remember(struct device *device, const struct lp_view *view, const uint8_t *digest, const char *revision)
{
	char (*objects)[LP_VIEW_DIGEST] = lp_seam.alloc((view->count + 1) * sizeof(*objects));

	if (!objects)
		return -ENOMEM;
	for (size_t i = 0; i < view->count; i++)
		memcpy(objects[i], view->objects[i]->digest, sizeof(objects[i]));
	qsort(objects, view->count, sizeof(objects[0]), compare_digests);
	free(device->objects);
	device->objects = objects;
	device->object_count = view->count;
	device->whole = false;
	memcpy(device->view, digest, LP_DIGEST_BYTES);
	(void)snprintf(device->revision, sizeof(device->revision), "%s", revision);
	return 0;
}

/* Objects that the device lacks, each once. */
static void
write_objects(struct lp_buf *line, const struct device *device, const struct lp_view *view)
{
	struct lp_map told;
	size_t count = 0;

	lp_map_init(&told);
	for (size_t i = 0; i < view->count; i++) {
		const struct lp_view_object *object = view->objects[i];

		if (device_has(device, object->digest) || lp_map_get(&told, object->digest))
			continue;
		(void)lp_map_put(&told, object->digest, (void *)(uintptr_t)object, NULL);	/* without memory it is told twice */
		(void)lp_buf_printf(line, "%s\"%s\":", count++ ? "," : "", object->digest);	/* sticky, checked at the end */
		(void)lp_json_write_string(line, object->text, object->len);
	}
	lp_map_fini(&told);
}

static int
write_revision(struct lp_links *links, const struct device *device, const struct lp_view *view, char digest[static LP_DIGEST_TEXT],
    struct lp_buf *line, struct lp_err *err)
{
	struct lp_manager *manager = links->manager;
	lp_auto_buf struct lp_buf text = { 0 }, signature = { 0 };
	int rc;

	lp_buf_init(&text, LINE_MAX);
	lp_buf_init(&signature, 256);
	rc = lp_view_revision(view, &manager->settings, lp_cache_revision(manager->cache), lp_clock_trusted_ms(), &text);
	if (rc < 0)
		return lp_err_set(err, rc, "revision");
	rc = lp_sign_bytes(manager->sign, text.data, text.len, &signature, err);
	if (rc < 0)
		return rc;
	lp_digest_print(text.data, text.len, digest);
	(void)lp_buf_printf(line, "{\"type\":\"revision\",\"digest\":\"%s\",\"revision\":", digest);	/* sticky */
	(void)lp_json_write_string(line, text.data, text.len);
	(void)lp_buf_str(line, ",\"signature\":\"");
	(void)lp_text_base64_encode(line, signature.data, signature.len);
	(void)lp_buf_str(line, "\",\"objects\":{");
	write_objects(line, device, view);
	(void)lp_buf_str(line, "}}\n");
	return line->failed ? lp_err_set(err, line->failed, "revision") : 0;
}

static int
send_view(struct lp_links *links, struct device *device, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	lp_auto_buf struct lp_buf line = { 0 };
	uint8_t digest[LP_DIGEST_BYTES];
	char revision[LP_DIGEST_TEXT];
	struct lp_view view;
	int rc;

	lp_arena_init(&arena, ARENA_MAX);
	lp_buf_init(&line, LINE_MAX);
	rc = lp_view_node(links->manager->cache, device->name, &arena, &view, err);
	if (rc < 0)
		return rc;
	view_digest(&view, digest);
	if (!device->whole && *device->revision && lp_digest_same(digest, device->view, sizeof(digest)))
		return 0;
	rc = write_revision(links, device, &view, revision, &line, err);
	if (rc == 0)
		rc = lp_http_write(device->link->call, line.data, line.len);
	if (rc == 0)
		rc = remember(device, &view, digest, revision);
	return rc < 0 ? lp_err_set(err, rc, "revision") : 0;
}

/* ---- the peers line */

static int
send_peers(struct lp_links *links, struct device *device, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	lp_auto_buf struct lp_buf line = { 0 };
	uint8_t digest[LP_DIGEST_BYTES];
	int rc;

	lp_arena_init(&arena, ARENA_MAX);
	lp_buf_init(&line, LINE_MAX);
	rc = lp_view_peers(links->manager->cache, device->name, &arena, &line, err);
	if (rc < 0)
		return rc;
	lp_digest(line.data, line.len, digest);
	if (device->sent && lp_digest_same(digest, device->peers, sizeof(digest)))
		return 0;
	if (lp_buf_char(&line, '\n') < 0)
		return lp_err_set(err, -ENOMEM, "peers");
	rc = lp_http_write(device->link->call, line.data, line.len);
	if (rc < 0)
		return lp_err_set(err, rc, "peers");
	memcpy(device->peers, digest, sizeof(digest));
	return 0;
}

/* ---- looking */

static void
link_end(struct device *device)
{
	if (device->link && device->link->call)
		lp_http_abort(device->link->call);
}

/* Told and ended: a newer link has come, the node was deleted, or the manager goes. */
static void
link_goodbye(struct device *device, int retry_ms)
{
	struct lp_request *old = device->link;
	char line[64];
	int len;

	if (!old || !old->call)
		return;
	device->link = NULL;
	old->own = NULL;
	len = snprintf(line, sizeof(line), "{\"type\":\"goodbye\",\"retryAfterMs\":%d}\n", retry_ms);
	(void)lp_http_write(old->call, line, (size_t)len);	/* a courtesy */
	lp_http_finish(old->call);
}

static void
device_look(struct lp_links *links, struct device *device)
{
	struct lp_err err = { 0 };
	bool view = device->look_view, peers = device->look_peers || !device->sent;
	int rc = 0;

	device->look_view = device->look_peers = false;
	if (!device->link || !device->link->call)
		return;
	if (lp_http_queued(device->link->call) > QUEUE_LONG) {
		device->look_view = view;
		device->look_peers = peers;
		return;			/* link_room looks again */
	}
	if (view || !device->sent)
		rc = send_view(links, device, &err);
	if (rc == 0 && peers)
		rc = send_peers(links, device, &err);
	device->sent = true;
	if (rc == -ENOENT) {
		/* It keeps what it has, and is told at its next dial that it must join again. */
		lp_log(LP_LOG_INFO, "a node was deleted, its link is ended", "node=%s", device->name);
		link_goodbye(device, GONE_MS);
		return;
	}
	if (rc < 0) {
		lp_log(LP_LOG_ERROR, "a node's view was not sent, its link is ended", "node=%s why=\"%s\"", device->name, err.text);
		device->whole = true;
		link_end(device);
	}
}

static void
look_some(struct lp_links *links, int64_t now_ms)
{
	(void)now_ms;
	for (int i = 0; i < LOOKS && !lp_list_empty(&links->marked); i++) {
		struct device *device = lp_of(lp_list_first(&links->marked), struct device, mark);

		lp_list_remove(&device->mark);
		device_look(links, device);
	}
	if (!lp_list_empty(&links->marked))
		lp_loop_defer(links->manager->loop, &links->more, look_more);
}

/* ---- links */

static void
link_room(struct lp_request *request, int64_t now_ms)
{
	struct device *device = request->own;

	(void)now_ms;
	if (device && (device->look_view || device->look_peers))
		device_look(request->manager->links, device);
}

static void
link_gone(struct lp_request *request, int64_t now_ms)
{
	struct device *device = request->own;

	if (!device || device->link != request)
		return;
	device->link = NULL;
	device->seen_ms = now_ms;
	lp_list_remove(&device->mark);
	lp_log(LP_LOG_INFO, "a node's link ended", "node=%s", device->name);
	lp_tunnel_node_gone(request->manager->tunnels, device->name, now_ms);
	if (request->manager->control)
		lp_control_look(request->manager->control);
}

static const struct lp_request_hooks link_hooks = { .room = link_room, .gone = link_gone };

static int
send_time(struct lp_request *request)
{
	char line[96], time[LP_CLOCK_TEXT];
	int len;

	lp_clock_print(lp_clock_trusted_ms(), time);
	len = snprintf(line, sizeof(line), "{\"type\":\"time\",\"time\":\"%s\"}\n", time);
	return lp_http_write(request->call, line, (size_t)len);
}

void
lp_fleet_link(struct lp_request *request)
{
	struct lp_links *links = request->manager->links;
	const char *have = lp_request_query(request, "have");
	struct device *device;
	struct lp_err err = { 0 };

	if (lp_sign_check_node(request->manager, request->call->peer, &err) < 0) {
		lp_request_fail(request, 403, &err);
		return;
	}
	device = device_need(links, request->user.node);
	if (!device || lp_http_start(request->call, 200, "application/json") < 0 || send_time(request) < 0) {
		lp_request_refuse(request, NULL);
		return;
	}
	link_goodbye(device, 1000);
	device->link = request;
	device->sent = false;
	device->look_view = true;
	/* What it has is what it was sent last: then only what changed since is sent. */
	if (!have || !*have || strcmp(have, device->revision) != 0)
		device->whole = true;
	request->own = device;
	request->hooks = &link_hooks;
	lp_log(LP_LOG_INFO, "a node's link is up", "node=%s remote=%s", device->name, request->call->remote);
	device_look(links, device);
	if (request->manager->control)
		lp_control_look(request->manager->control);
}

int
lp_fleet_send(struct lp_links *links, const char *node, const char *line, size_t len)
{
	struct device *device = links ? device_find(links, node) : NULL;
	lp_auto_buf struct lp_buf text = { 0 };

	if (!device || !device->link || !device->link->call)
		return -ENOTCONN;
	lp_buf_init(&text, LINE_MAX);
	(void)lp_buf_add(&text, line, len);	/* sticky */
	if (lp_buf_char(&text, '\n') < 0)
		return -ENOMEM;
	return lp_http_write(device->link->call, text.data, text.len) == 0 ? 0 : -EAGAIN;
}

bool
lp_fleet_has_link(const struct lp_links *links, const char *node)
{
	const struct device *device = links ? device_find(links, node) : NULL;

	return device && device->link && device->link->call;
}

void
lp_fleet_goodbye(struct lp_links *links)
{
	const char *name;
	void *device;
	size_t pos = 0;
	uint32_t chance;

	while (links && lp_map_next(&links->devices, &pos, &name, &device)) {
		lp_random(&chance, sizeof(chance));
		link_goodbye(device, RETURN_MS + (int)(chance % (RETURN_EACH_MS * links->devices.count + 1)));
	}
}

/* ---- life */

int
lp_fleet_new(struct lp_manager *manager, struct lp_links **out, struct lp_err *err)
{
	struct lp_links *links = lp_seam.alloc(sizeof(*links));

	if (!links)
		return lp_err_set(err, -ENOMEM, "links");
	links->manager = manager;
	lp_map_init(&links->devices);
	lp_list_init(&links->marked);
	links->pod = lp_kind_find("v1", "Pod");
	links->node = lp_kind_find("v1", "Node");
	links->service = lp_kind_find("v1", "Service");
	links->endpoints = lp_kind_find("v1", "Endpoints");
	links->config = lp_kind_find("v1", "ConfigMap");
	links->secret = lp_kind_find("v1", "Secret");
	links->claim = lp_kind_find("v1", "PersistentVolumeClaim");
	links->volume = lp_kind_find("v1", "PersistentVolume");
	links->observer.changed = object_changed;
	lp_cache_observe(manager->cache, &links->observer);
	manager->links = *out = links;
	manager->seen_ms = seen_ms;
	manager->seen_arg = links;
	return 0;
}

void
lp_fleet_free(struct lp_links *links)
{
	const char *name;
	void *device;
	size_t pos = 0;

	if (!links)
		return;
	lp_cache_unobserve(&links->observer);
	lp_timer_stop(&links->timer);
	lp_defer_cancel(&links->more);
	while (lp_map_next(&links->devices, &pos, &name, &device)) {
		struct device *one = device;

		if (one->link)
			one->link->own = NULL;
		device_free(one);
	}
	lp_map_fini(&links->devices);
	if (links->manager->links == links) {
		links->manager->links = NULL;
		links->manager->seen_ms = NULL;
	}
	free(links);
}

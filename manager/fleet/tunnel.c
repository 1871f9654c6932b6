/*
 * manager/fleet/tunnel.c - tunnels: asking a device for a stream, taking its stream, frames both ways.
 */
#include "manager/fleet/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/tunnel_inside.h"
#include "manager/sign/sign.h"
#include "specs/object.h"

#define TUNNELS_MAX 4096
#define COME_MS     10000
#define EARLY_MAX   (2u << 20)	/* the client is paused long before */
#define FRAME_MAX   (1u << 20)

/* ---- ending */

static void
tunnel_release(struct lp_tunnel *tunnel)
{
	if (tunnel->busy) {
		tunnel->dead = true;
		return;
	}
	lp_buf_fini(&tunnel->early);
	free(tunnel);
}

void
lp_tunnel_drop(struct lp_tunnel *tunnel)
{
	struct lp_request *device = tunnel->device;

	lp_list_remove(&tunnel->link);
	lp_timer_stop(&tunnel->timer);
	tunnel->tunnels->count--;
	tunnel->device = NULL;
	if (device) {
		device->own = NULL;
		if (device->call) {
			lp_http_pause(device->call, false);
			lp_http_finish(device->call);
		}
		lp_request_release(device);
	}
	tunnel_release(tunnel);
}

static void
tunnel_over(struct lp_tunnel *tunnel, const struct lp_err *why, int64_t now_ms)
{
	tunnel->busy = true;
	tunnel->ops->over(tunnel, why, now_ms);
	tunnel->busy = false;
	if (tunnel->dead)
		tunnel_release(tunnel);
	else
		lp_tunnel_drop(tunnel);
}

static void
never_came(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_tunnel *tunnel = lp_of(timer, struct lp_tunnel, timer);
	struct lp_err err;

	(void)lp_err_say(&err, -ETIMEDOUT, "node %s did not answer in time", tunnel->node);	/* told */
	tunnel_over(tunnel, &err, now_ms);
}

static struct lp_tunnel *
first_waiting(const struct lp_tunnels *tunnels, const char *node)
{
	lp_list_each(link, &tunnels->list) {
		struct lp_tunnel *tunnel = lp_of(link, struct lp_tunnel, link);

		if (!tunnel->device && !tunnel->busy && strcmp(tunnel->node, node) == 0)
			return tunnel;
	}
	return NULL;
}

void
lp_tunnel_node_gone(struct lp_tunnels *tunnels, const char *node, int64_t now_ms)
{
	struct lp_tunnel *tunnel;
	struct lp_err err;

	/* From the beginning each time: the end of one may end others of the same client. */
	while (tunnels && (tunnel = first_waiting(tunnels, node))) {
		(void)lp_err_say(&err, -ECONNRESET, "the connection to node %s was lost", node);	/* told */
		tunnel_over(tunnel, &err, now_ms);
	}
}

/* ---- opening */

static struct lp_tunnel *
tunnel_new(struct lp_tunnels *tunnels, const char *node, const struct lp_tunnel_ops *ops, void *own)
{
	size_t len = strlen(node) + 1;
	struct lp_tunnel *tunnel = lp_seam.alloc(sizeof(*tunnel) + len);
	uint8_t random[(LP_TUNNEL_ID - 1) / 2];

	if (!tunnel)
		return NULL;
	tunnel->tunnels = tunnels;
	tunnel->ops = ops;
	tunnel->own = own;
	tunnel->node = memcpy(tunnel + 1, node, len);
	lp_random(random, sizeof(random));
	lp_text_hex(random, sizeof(random), tunnel->id);
	lp_buf_init(&tunnel->early, EARLY_MAX);
	return tunnel;
}

static int
tunnel_ask(struct lp_tunnel *tunnel, struct lp_cached *pod, const char *verb, const char *container, struct lp_arena *arena,
    struct lp_json *options, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	struct lp_json *line = lp_json_new(arena, LP_JSON_OBJECT);
	int rc;

	lp_buf_init(&text, 1u << 20);
	lp_json_set_str(arena, line, "type", "open");
	lp_json_set_str(arena, line, "stream", tunnel->id);
	lp_json_set_str(arena, line, "verb", verb);
	lp_json_set_str(arena, line, "namespace", pod->namespace);
	lp_json_set_str(arena, line, "pod", pod->name);
	lp_json_set_str(arena, line, "uid", pod->uid);
	lp_json_set_str(arena, line, "container", container ? container : "");
	lp_json_set(arena, line, "options", options ? options : lp_json_new(arena, LP_JSON_OBJECT));
	if (arena->failed || lp_json_write(&text, line) < 0)
		return lp_err_set(err, -ENOMEM, "open a stream");
	rc = lp_fleet_send(tunnel->tunnels->manager->links, tunnel->node, text.data, text.len);
	if (rc < 0)
		return lp_err_say(err, rc, "node %s is not connected", tunnel->node);
	return 0;
}

int
lp_tunnel_open(struct lp_tunnels *tunnels, struct lp_cached *pod, const char *verb, const char *container, struct lp_arena *arena,
    struct lp_json *options, const struct lp_tunnel_ops *ops, void *own, struct lp_tunnel **out, struct lp_err *err)
{
	struct lp_loop *loop = tunnels->manager->loop;
	struct lp_tunnel *tunnel;
	int rc;

	if (tunnels->count >= TUNNELS_MAX)
		return lp_err_say(err, -EBUSY, "too many streams are open");
	tunnel = tunnel_new(tunnels, pod->node ? pod->node : pod->name, ops, own);
	if (!tunnel)
		return lp_err_set(err, -ENOMEM, "open a stream");
	rc = tunnel_ask(tunnel, pod, verb, container, arena, options, err);
	if (rc == 0 && lp_timer_start(loop, &tunnel->timer, lp_loop_now(loop) + COME_MS, never_came) < 0)
		rc = lp_err_set(err, -ENOMEM, "open a stream");
	if (rc < 0) {
		tunnel_release(tunnel);
		return rc;
	}
	lp_list_append(&tunnels->list, &tunnel->link);
	tunnels->count++;
	*out = tunnel;
	return 0;
}

/* ---- frames */

int
lp_tunnel_send(struct lp_tunnel *tunnel, uint8_t channel, const void *data, size_t len)
{
	lp_auto_buf struct lp_buf frame;
	int rc;

	lp_buf_init(&frame, len + 5);
	(void)lp_buf_u8(&frame, channel);	/* sticky */
	(void)lp_buf_u32(&frame, (uint32_t)len);
	if (lp_buf_add(&frame, data, len) < 0)
		return frame.failed;
	if (tunnel->device && tunnel->device->call)
		return lp_http_write(tunnel->device->call, frame.data, frame.len);
	rc = lp_buf_add(&tunnel->early, frame.data, frame.len);
	tunnel->early.failed = 0;	/* what is in it stays whole */
	return rc;
}

size_t
lp_tunnel_queued(const struct lp_tunnel *tunnel)
{
	return tunnel->device && tunnel->device->call ? lp_http_queued(tunnel->device->call) : tunnel->early.len;
}

void
lp_tunnel_resume(struct lp_tunnel *tunnel)
{
	if (!tunnel->paused || !tunnel->device || !tunnel->device->call)
		return;
	tunnel->paused = false;
	lp_http_pause(tunnel->device->call, false);
}

/* Pieces of a frame go on as they come: only its head is gathered. Status frames are small, but may come in pieces too. */
static int
frames_read(struct lp_tunnel *tunnel, const uint8_t *data, size_t len, int64_t now_ms)
{
	while (len && !tunnel->dead) {
		size_t part;

		if (tunnel->head_len < sizeof(tunnel->head)) {
			tunnel->head[tunnel->head_len++] = *data++;
			len--;
			if (tunnel->head_len < sizeof(tunnel->head))
				continue;
			tunnel->left = (uint32_t)tunnel->head[1] << 24 | (uint32_t)tunnel->head[2] << 16 | (uint32_t)tunnel->head[3] << 8 |
			    tunnel->head[4];
			if (tunnel->left > FRAME_MAX)
				return -EPROTO;
			if (tunnel->left)
				continue;
		}
		part = len < tunnel->left ? len : tunnel->left;
		tunnel->left -= (uint32_t)part;
		if (tunnel->left == 0)
			tunnel->head_len = 0;
		tunnel->ops->got(tunnel, tunnel->head[0], data, part, now_ms);
		data += part;
		len -= part;
	}
	return 0;
}

static void
device_data(struct lp_request *request, const void *data, size_t len, int64_t now_ms)
{
	struct lp_tunnel *tunnel = request->own;
	struct lp_err err = { 0 };
	int rc = 0;

	if (!tunnel)
		return;
	if (len) {
		tunnel->busy = true;
		rc = frames_read(tunnel, data, len, now_ms);
		tunnel->busy = false;
		if (tunnel->dead) {
			tunnel_release(tunnel);
			return;
		}
		if (rc == 0) {
			if (!tunnel->paused && tunnel->ops->queued(tunnel) > LP_TUNNEL_QUEUE) {
				tunnel->paused = true;
				lp_http_pause(request->call, true);
			}
			return;
		}
		(void)lp_err_say(&err, rc, "node %s sent no frames", tunnel->node);	/* told */
	}
	tunnel_over(tunnel, &err, now_ms);
}

static void
device_room(struct lp_request *request, int64_t now_ms)
{
	struct lp_tunnel *tunnel = request->own;

	if (!tunnel)
		return;
	tunnel->busy = true;
	tunnel->ops->room(tunnel, now_ms);
	tunnel->busy = false;
	if (tunnel->dead)
		tunnel_release(tunnel);
}

static void
device_gone(struct lp_request *request, int64_t now_ms)
{
	struct lp_tunnel *tunnel = request->own;
	struct lp_err err;

	if (!tunnel)
		return;
	(void)lp_err_say(&err, -ECONNRESET, "the connection to node %s was lost", tunnel->node);	/* told */
	tunnel_over(tunnel, &err, now_ms);
}

static const struct lp_request_hooks device_hooks = { .data = device_data, .room = device_room, .gone = device_gone };

static struct lp_tunnel *
tunnel_find(const struct lp_tunnels *tunnels, const char *id, const char *node)
{
	lp_list_each(link, &tunnels->list) {
		struct lp_tunnel *tunnel = lp_of(link, struct lp_tunnel, link);

		if (strcmp(tunnel->id, id) == 0 && strcmp(tunnel->node, node) == 0 && !tunnel->device)
			return tunnel;
	}
	return NULL;
}

void
lp_fleet_stream(struct lp_request *request)
{
	struct lp_tunnels *tunnels = request->manager->tunnels;
	struct lp_tunnel *tunnel = tunnels ? tunnel_find(tunnels, request->tail, request->user.node) : NULL;
	struct lp_err err = { 0 };

	if (lp_sign_check_node(request->manager, request->call->peer, &err) < 0) {
		lp_request_fail(request, 403, &err);
		return;
	}
	if (!tunnel) {
		lp_request_refuse(request, lp_status_make(&request->arena, 404, NULL, "nobody waits for this stream"));
		return;
	}
	lp_timer_stop(&tunnel->timer);
	lp_request_hold(request);
	tunnel->device = request;
	request->own = tunnel;
	request->hooks = &device_hooks;
	if (lp_http_start(request->call, 200, "application/octet-stream") == 0 && tunnel->early.len)
		(void)lp_http_write(request->call, tunnel->early.data, tunnel->early.len);	/* a failure ends the call: gone() tells */
	lp_buf_reset(&tunnel->early);
	device_room(request, request->now_ms);	/* the client may have been paused until now */
}

/* ---- who is meant */

static const struct lp_json *
container_find(const struct lp_json *spec, const char *name)
{
	static const char *const lists[] = { "containers", "initContainers" };

	for (size_t i = 0; i < lp_count(lists); i++) {
		lp_json_each(container, lp_json_get(spec, lists[i])) {
			if (lp_text_same(lp_json_str(container, "name"), name))
				return container;
		}
	}
	return NULL;
}

static const char *
container_names(struct lp_arena *arena, const struct lp_json *spec)
{
	const char *text = "";

	lp_json_each(container, lp_json_get(spec, "containers"))
		text = lp_arena_printf(arena, "%s%s%s", text, *text ? " " : "", lp_json_str(container, "name"));
	return text;
}

struct lp_cached *
lp_tunnel_pod(struct lp_request *request, const char **out_container)
{
	struct lp_arena *arena = &request->arena;
	struct lp_cached *pod = lp_cache_find(request->manager->cache, request->kind, request->asked.namespace, request->asked.name);
	const char *wanted = lp_request_query(request, "container");
	bool any = lp_text_same(request->asked.subresource, "portforward");	/* a pod's ports are those of all its containers */
	const struct lp_json *spec, *container;
	const char *why = NULL;

	if (!pod) {
		lp_request_refuse(request, lp_status_not_found(arena, request->kind, request->asked.name));
		return NULL;
	}
	spec = lp_json_get(lp_cached_json(pod), "spec");
	container = wanted && *wanted ? container_find(spec, wanted) : lp_json_first(lp_json_get(spec, "containers"));
	if (wanted && *wanted && !container)
		why = lp_arena_printf(arena, "container %s is not valid for pod %s", wanted, pod->name);
	else if (!any && !(wanted && *wanted) && lp_json_count(lp_json_get(spec, "containers")) > 1)
		why = lp_arena_printf(arena, "a container name must be specified for pod %s, choose one of: [%s]", pod->name,
		    container_names(arena, spec));
	else if (!pod->node)
		why = lp_arena_printf(arena, "pod %s does not have a host assigned", pod->name);
	if (why || !container) {
		lp_request_refuse(request, lp_status_make(arena, 400, NULL, why ? why : "the pod has no container"));
		return NULL;
	}
	*out_container = lp_json_str(container, "name");
	return pod;
}

/* ---- life */

int
lp_tunnel_new(struct lp_manager *manager, struct lp_tunnels **out, struct lp_err *err)
{
	struct lp_tunnels *tunnels = lp_seam.alloc(sizeof(*tunnels));

	if (!tunnels)
		return lp_err_set(err, -ENOMEM, "tunnels");
	tunnels->manager = manager;
	lp_list_init(&tunnels->list);
	lp_list_init(&tunnels->sessions);
	manager->tunnels = *out = tunnels;
	return 0;
}

void
lp_tunnel_free(struct lp_tunnels *tunnels)
{
	struct lp_err err;

	if (!tunnels)
		return;
	lp_tunnel_sessions_end(tunnels);
	(void)lp_err_say(&err, -ECANCELED, "the manager ends");	/* told */
	while (!lp_list_empty(&tunnels->list))
		tunnel_over(lp_of(lp_list_first(&tunnels->list), struct lp_tunnel, link), &err, lp_loop_now(tunnels->manager->loop));
	if (tunnels->manager->tunnels == tunnels)
		tunnels->manager->tunnels = NULL;
	free(tunnels);
}

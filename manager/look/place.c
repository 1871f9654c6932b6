#include "manager/look/place.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "manager/look/provision.h"
#include "manager/look/taint.h"
#include "specs/object.h"

#define SCHEDULER "default-scheduler"
#define REASONS_MAX 64
#define PODS_DEFAULT 110

/* What is known of one node during a look. */
struct seat {
	struct lp_cached *cached;
	const struct lp_json *node;
	const struct lp_json *allocatable;	/* NULL: the node has not said what it has */
	struct lp_place_request used;		/* by the active pods on it, those of this look included */
	size_t pods;
	struct pod_list *placed;		/* in this look */
};

struct pod_list {
	struct pod_list *next;
	const struct lp_json *pod;
};

/* Why nodes were refused, and how often each. */
struct reasons {
	const char *text[REASONS_MAX];
	size_t nodes[REASONS_MAX], count;
	size_t hopeless;			/* nodes where no eviction of other pods would help */
	const char *everywhere;			/* why no node at all will do; NULL */
};

struct place {
	const struct lp_look *look;
	struct lp_writes *writes;
	struct seat *seats;
	size_t count;
};

/* ---- requests */

static void
request_set(struct lp_place_request *request, const char *name, const struct lp_quantity *amount, bool add)
{
	size_t i = 0;

	while (i < request->count && strcmp(request->name[i], name) != 0)
		i++;
	if (i == LP_PLACE_RESOURCES)
		return;			/* beyond what a node offers by name */
	if (i == request->count) {
		request->name[i] = name;
		request->amount[i] = *amount;
		request->count++;
	} else if (add) {
		request->amount[i] = lp_quantity_add(&request->amount[i], amount);
	} else if (lp_quantity_compare(&request->amount[i], amount) < 0) {
		request->amount[i] = *amount;
	}
}

static void
request_merge(struct lp_place_request *request, const struct lp_json *amounts, bool add)
{
	lp_json_each(entry, amounts) {
		struct lp_quantity amount;

		if (lp_quantity_parse(lp_json_text(entry), &amount) == 0)
			request_set(request, entry->key, &amount, add);
	}
}

static bool
is_sidecar(const struct lp_json *init)
{
	return lp_text_same(lp_json_str(init, "restartPolicy"), "Always");
}

void
lp_place_request(const struct lp_json *pod, struct lp_place_request *out)
{
	struct lp_place_request sidecars = { 0 };

	*out = (struct lp_place_request){ 0 };
	lp_json_each(container, lp_json_path(pod, "spec.containers"))
		request_merge(out, lp_json_path(container, "resources.requests"), true);
	lp_json_each(init, lp_json_path(pod, "spec.initContainers"))
		if (is_sidecar(init))
			request_merge(out, lp_json_path(init, "resources.requests"), true);
	/* An init container runs beside the sidecars before it, and before all others. */
	lp_json_each(init, lp_json_path(pod, "spec.initContainers")) {
		struct lp_place_request peak = sidecars;

		request_merge(is_sidecar(init) ? &sidecars : &peak, lp_json_path(init, "resources.requests"), true);
		for (size_t i = 0; i < peak.count; i++)
			request_set(out, peak.name[i], &peak.amount[i], false);
	}
	request_merge(out, lp_json_path(pod, "spec.overhead"), true);
}

/* ---- filters */

/* Do two host ports exclude each other? */
static bool
ports_clash(const struct lp_json *a, const struct lp_json *b)
{
	const char *ip_a = lp_json_str(a, "hostIP"), *ip_b = lp_json_str(b, "hostIP");
	bool any = !ip_a || !*ip_a || !ip_b || !*ip_b || strcmp(ip_a, "0.0.0.0") == 0 || strcmp(ip_b, "0.0.0.0") == 0;
	const char *protocol_a = lp_json_str(a, "protocol"), *protocol_b = lp_json_str(b, "protocol");

	return lp_json_int(a, "hostPort", 0) == lp_json_int(b, "hostPort", 0) &&
	    strcmp(protocol_a ? protocol_a : "TCP", protocol_b ? protocol_b : "TCP") == 0 &&
	    (any || strcmp(ip_a, ip_b) == 0);
}

static bool
pods_clash(const struct lp_json *pod, const struct lp_json *other)
{
	lp_json_each(container, lp_json_path(pod, "spec.containers"))
		lp_json_each(port, lp_json_get(container, "ports"))
			if (lp_json_int(port, "hostPort", 0) > 0)
				lp_json_each(theirs, lp_json_path(other, "spec.containers"))
					lp_json_each(taken, lp_json_get(theirs, "ports"))
						if (ports_clash(port, taken))
							return true;
	return false;
}

static bool
wants_host_port(const struct lp_json *pod)
{
	lp_json_each(container, lp_json_path(pod, "spec.containers"))
		lp_json_each(port, lp_json_get(container, "ports"))
			if (lp_json_int(port, "hostPort", 0) > 0)
				return true;
	return false;
}

static bool
ports_are_free(const struct place *place, const struct seat *seat, const struct lp_json *pod)
{
	size_t count;
	struct lp_cached *const *there;

	if (!wants_host_port(pod))
		return true;
	there = lp_cache_indexed(place->look->cache, LP_CACHE_BY_NODE, seat->cached->name, &count);
	for (size_t i = 0; i < count; i++) {
		const struct lp_json *other = lp_cached_json(there[i]);

		if (other && lp_place_active(other) && pods_clash(pod, other))
			return false;
	}
	for (const struct pod_list *entry = seat->placed; entry; entry = entry->next)
		if (pods_clash(pod, entry->pod))
			return false;
	return true;
}

static void
reason_add(struct reasons *reasons, const char *text)
{
	size_t i = 0;

	while (text && i < reasons->count && strcmp(reasons->text[i], text) != 0)
		i++;
	if (i == REASONS_MAX || !text)
		return;
	reasons->text[i] = text;
	reasons->nodes[i]++;
	if (i == reasons->count)
		reasons->count++;
}

static struct lp_quantity
used_of(const struct seat *seat, const char *name)
{
	for (size_t i = 0; i < seat->used.count; i++)
		if (strcmp(seat->used.name[i], name) == 0)
			return seat->used.amount[i];
	return (struct lp_quantity){ 0 };
}

static bool
resources_fit(
    const struct place *place, const struct seat *seat, const struct lp_place_request *request, struct reasons *reasons)
{
	bool fits = true;

	if (!seat->allocatable)
		return true;
	if ((int64_t)seat->pods >= lp_quantity_text_value(lp_json_str(seat->allocatable, "pods"), PODS_DEFAULT)) {
		reason_add(reasons, "Too many pods");
		fits = false;
	}
	for (size_t i = 0; i < request->count; i++) {
		struct lp_quantity has = { 0 }, used = used_of(seat, request->name[i]),
		                   sum = lp_quantity_add(&used, &request->amount[i]);

		if (request->amount[i].units == 0 && request->amount[i].nanos == 0)
			continue;
		(void)lp_quantity_parse(
		    lp_json_text(lp_json_get(seat->allocatable, request->name[i])), &has); /* absent: none */
		if (lp_quantity_compare(&sum, &has) > 0) {
			reason_add(reasons, lp_arena_printf(place->look->arena, "Insufficient %s", request->name[i]));
			fits = false;
		}
	}
	return fits;
}

/* Would the pod bear this taint with the effect NoSchedule? */
static bool
tolerates(struct lp_arena *arena, const struct lp_json *pod, const char *key)
{
	struct lp_json *taint = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set_str(arena, taint, "key", key);
	lp_json_set_str(arena, taint, "effect", "NoSchedule");
	return lp_taint_tolerated(pod, taint);
}

/* May the pod run on this node? Else the reasons say why not. */
static bool
admits(const struct place *place, const struct seat *seat, struct lp_cached *cached, const struct lp_json *pod,
    const struct lp_place_request *request, struct reasons *reasons)
{
	struct lp_arena *arena = place->look->arena;
	const struct lp_json *taint;
	const char *value;

	reasons->hopeless++;
	if (lp_json_bool(seat->node, "spec.unschedulable", false) &&
	    !tolerates(arena, pod, "node.kubernetes.io/unschedulable")) {
		reason_add(reasons, "node(s) were unschedulable");
		return false;
	}
	taint = lp_taint_first(seat->node, pod);
	if (!taint && !lp_object_condition_true(seat->node, "Ready") &&
	    !tolerates(arena, pod, "node.kubernetes.io/not-ready")) {
		/* the node controller has not put the taint there yet */
		reason_add(reasons, "node(s) had untolerated taint {node.kubernetes.io/not-ready: }");
		return false;
	}
	if (taint) {
		value = lp_json_str(taint, "value");
		reason_add(reasons,
		    lp_arena_printf(arena, "node(s) had untolerated taint {%s: %s}", lp_json_str(taint, "key"),
		        value ? value : ""));
		return false;
	}
	if (!lp_place_selects(arena, pod, seat->node)) {
		reason_add(reasons, "node(s) didn't match Pod's node affinity/selector");
		return false;
	}
	value = lp_provision_refuses(place->look, cached, seat->node);
	if (value) {
		reason_add(reasons, value);
		return false;
	}
	reasons->hopeless--;
	if (!ports_are_free(place, seat, pod)) {
		reason_add(reasons, "node(s) didn't have free ports for the requested pod ports");
		return false;
	}
	return resources_fit(place, seat, request, reasons);
}

/* ---- choice */

struct score {
	size_t avoided;			/* untolerated PreferNoSchedule taints */
	size_t alike;			/* pods of the same owner, or with the same labels */
	int64_t load;			/* largest requested share, in thousandths */
};

static bool
pods_alike(const struct lp_json *a, const struct lp_json *b)
{
	const struct lp_json *owner = lp_object_controller(a), *labels = lp_object_labels(a),
	                     *theirs = lp_object_labels(b);

	if (owner)
		return lp_object_owned_by(b, lp_json_str(owner, "uid"));
	return lp_json_count(labels) > 0 && theirs && lp_json_equal(labels, theirs);
}

static struct score
score(const struct place *place, const struct seat *seat, const struct lp_json *pod)
{
	struct score result = { 0 };
	size_t count;
	struct lp_cached *const *there =
	    lp_cache_indexed(place->look->cache, LP_CACHE_BY_NODE, seat->cached->name, &count);

	lp_json_each(taint, lp_json_path(seat->node, "spec.taints"))
		result.avoided +=
		    lp_text_same(lp_json_str(taint, "effect"), "PreferNoSchedule") && !lp_taint_tolerated(pod, taint);
	for (size_t i = 0; i < count; i++)
		result.alike += pods_alike(pod, lp_cached_json(there[i]));
	for (const struct pod_list *entry = seat->placed; entry; entry = entry->next)
		result.alike += pods_alike(pod, entry->pod);
	for (size_t i = 0; i < seat->used.count; i++) {
		int64_t has =
		    lp_quantity_text_milli(lp_json_text(lp_json_get(seat->allocatable, seat->used.name[i])), 0);
		int64_t share = has >= 1000 ? lp_quantity_milli(&seat->used.amount[i]) / (has / 1000) : 0;

		if (share > result.load)
			result.load = share;
	}
	return result;
}

static bool
better(const struct score *a, const struct seat *seat_a, const struct score *b, const struct seat *seat_b)
{
	if (a->avoided != b->avoided)
		return a->avoided < b->avoided;
	if (a->alike != b->alike)
		return a->alike < b->alike;
	if (a->load != b->load)
		return a->load < b->load;
	if (seat_a->pods != seat_b->pods)
		return seat_a->pods < seat_b->pods;
	return strcmp(seat_a->cached->name, seat_b->cached->name) < 0;
}

/* ---- outcome */

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `0/1 nodes are available: 1 Insufficient cpu. preemption: ...`, as Kubernetes has it. */
static const char *
explain(const struct place *place, const struct reasons *reasons)
{
	struct lp_arena *arena = place->look->arena;
	const char *lines[REASONS_MAX] = { 0 };
	lp_auto_buf struct lp_buf out = { 0 };
	size_t other = place->count - reasons->hopeless;

	if (place->count == 0)
		return "no nodes available to schedule pods";
	lp_buf_init(&out, 64 << 10);
	for (size_t i = 0; i < reasons->count; i++) {
		lines[i] = lp_arena_printf(arena, "%zu %s", reasons->nodes[i], reasons->text[i]);
		if (!lines[i])
			return "";
	}
	qsort(lines, reasons->count, sizeof(*lines), compare_texts);
	lp_buf_printf(&out, "0/%zu nodes are available: ", place->count);
	if (reasons->everywhere)
		lp_buf_str(&out, reasons->everywhere);
	for (size_t i = 0; i < reasons->count; i++)
		lp_buf_printf(&out, "%s%s", i > 0 ? ", " : "", lines[i]);
	lp_buf_printf(&out, ". preemption: 0/%zu nodes are available: ", place->count);
	if (other > 0)
		lp_buf_printf(&out, "%zu No preemption victims found for incoming pod%s", other,
		    reasons->hopeless > 0 ? ", " : ".");
	if (reasons->hopeless > 0)
		lp_buf_printf(&out, "%zu Preemption is not helpful for scheduling.", reasons->hopeless);
	return lp_arena_str(arena, lp_buf_text(&out));
}

static void
say_unschedulable(
    const struct place *place, struct lp_cached *cached, const struct lp_json *pod, const struct reasons *reasons)
{
	struct lp_arena *arena = place->look->arena;
	const char *why = explain(place, reasons);
	struct lp_json *copy = lp_json_new(arena, LP_JSON_OBJECT), *status = lp_json_set_object(arena, copy, "status");
	const struct lp_json *conditions = lp_json_path(pod, "status.conditions");

	if (!why || !status)
		return;
	if (conditions)
		lp_json_set(arena, status, "conditions", lp_json_copy(arena, conditions));
	if (!lp_object_set_condition(arena, copy, "PodScheduled", "False", "Unschedulable", why, place->look->wall_ms))
		return;			/* said already */
	lp_writes_merge(place->writes, cached->kind, cached->namespace, cached->name, cached->uid, copy, true);
	lp_writes_event(place->writes, cached, SCHEDULER, "Warning", "FailedScheduling", why);
}

static void
seat_pod(const struct place *place, struct seat *seat, struct lp_cached *cached, const struct lp_json *pod,
    const struct lp_place_request *request)
{
	struct lp_arena *arena = place->look->arena;
	struct pod_list *entry = lp_arena_alloc(arena, sizeof(*entry));
	const char *message = lp_arena_printf(
	    arena, "Successfully assigned %s/%s to %s", cached->namespace, cached->name, seat->cached->name);

	if (!entry || !message)
		return;
	entry->pod = pod;
	entry->next = seat->placed;
	seat->placed = entry;
	seat->pods++;
	for (size_t i = 0; i < request->count; i++)
		request_set(&seat->used, request->name[i], &request->amount[i], true);
	lp_writes_bind(place->writes, cached, seat->cached->name);
	lp_writes_event(place->writes, cached, SCHEDULER, "Normal", "Scheduled", message);
}

static void
place_pod(const struct place *place, struct lp_cached *cached, const struct lp_json *pod)
{
	struct lp_place_request request;
	struct reasons reasons = { 0 };
	struct seat *best = NULL;
	struct score best_score = { 0 };
	const char *chosen = lp_provision_chosen(place->look, cached);

	lp_place_request(pod, &request);
	reasons.everywhere = lp_provision_blocks(place->look, cached);
	if (reasons.everywhere)
		reasons.hopeless = place->count;
	for (size_t i = 0; i < place->count && !reasons.everywhere; i++) {
		struct score this;

		if (!admits(place, &place->seats[i], cached, pod, &request, &reasons))
			continue;
		/* Its volumes are being made there. */
		if (lp_text_same(chosen, place->seats[i].cached->name)) {
			best = &place->seats[i];
			break;
		}
		this = score(place, &place->seats[i], pod);
		if (best && !better(&this, &place->seats[i], &best_score, best))
			continue;
		best = &place->seats[i];
		best_score = this;
	}
	if (best && lp_provision_choose(place->look, place->writes, cached, best->cached->name))
		return;			/* bound when its volumes are */
	if (best)
		seat_pod(place, best, cached, pod, &request);
	else
		say_unschedulable(place, cached, pod, &reasons);
}

/* ---- what there is */

static bool
is_waiting(const struct lp_cached *cached, const struct lp_json *pod)
{
	const char *scheduler = lp_json_str(pod, "spec.schedulerName");

	return !cached->node && !cached->deleting && lp_place_active(pod) &&
	    (!scheduler || strcmp(scheduler, SCHEDULER) == 0) &&
	    lp_json_count(lp_json_path(pod, "spec.schedulingGates")) == 0;
}

static void
fill_seat(const struct place *place, struct seat *seat, struct lp_cached *cached)
{
	size_t count;
	struct lp_cached *const *there = lp_cache_indexed(place->look->cache, LP_CACHE_BY_NODE, cached->name, &count);

	seat->cached = cached;
	seat->node = lp_cached_json(cached);
	seat->allocatable = lp_json_path(seat->node, "status.allocatable");
	for (size_t i = 0; i < count; i++) {
		const struct lp_json *pod = lp_cached_json(there[i]);
		struct lp_place_request request;

		if (!pod || !lp_place_active(pod))
			continue;
		seat->pods++;
		lp_place_request(pod, &request);
		for (size_t r = 0; r < request.count; r++)
			request_set(&seat->used, request.name[r], &request.amount[r], true);
	}
}

static bool
gather_seats(struct place *place)
{
	struct lp_cached *const *nodes =
	    lp_cache_list(place->look->cache, lp_kind_find("v1", "Node"), NULL, &place->count);

	place->seats = lp_arena_alloc(place->look->arena, (place->count + 1) * sizeof(*place->seats));
	for (size_t i = 0; place->seats && i < place->count; i++)
		fill_seat(place, &place->seats[i], nodes[i]);
	return place->seats != NULL;
}

void
lp_place_control(const struct lp_look *look, struct lp_writes *writes)
{
	struct place place = { .look = look, .writes = writes };
	size_t count;
	struct lp_cached *const *pods = lp_cache_list(look->cache, lp_kind_find("v1", "Pod"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *pod = pods[i]->node ? NULL : lp_cached_json(pods[i]);

		if (!pod || !is_waiting(pods[i], pod))
			continue;
		if (!place.seats && !gather_seats(&place))
			return;
		place_pod(&place, pods[i], pod);
	}
}

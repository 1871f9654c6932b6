/*
 * specs/print.c - objects as table rows; the cells are those of kube-apiserver's printers, by kind.
 */
#include "specs/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"

enum { NAME = 1, WIDE = 2, NUMBER = 4 };	/* format "name", priority 1, type integer */

/* Rows of one kind stand together, in the order of their cells. */
static const struct {
	uint16_t schema;
	char name[22];
	uint8_t flags;
} columns[] = {
	{ LP_SCHEMA_pod, "Name", NAME },
	{ LP_SCHEMA_pod, "Ready", 0 },
	{ LP_SCHEMA_pod, "Status", 0 },
	{ LP_SCHEMA_pod, "Restarts", 0 },
	{ LP_SCHEMA_pod, "Age", 0 },
	{ LP_SCHEMA_pod, "IP", WIDE },
	{ LP_SCHEMA_pod, "Node", WIDE },
	{ LP_SCHEMA_pod, "Nominated Node", WIDE },
	{ LP_SCHEMA_pod, "Readiness Gates", WIDE },
	{ LP_SCHEMA_service, "Name", NAME },
	{ LP_SCHEMA_service, "Type", 0 },
	{ LP_SCHEMA_service, "Cluster-IP", 0 },
	{ LP_SCHEMA_service, "External-IP", 0 },
	{ LP_SCHEMA_service, "Port(s)", 0 },
	{ LP_SCHEMA_service, "Age", 0 },
	{ LP_SCHEMA_service, "Selector", WIDE },
	{ LP_SCHEMA_node, "Name", NAME },
	{ LP_SCHEMA_node, "Status", 0 },
	{ LP_SCHEMA_node, "Roles", 0 },
	{ LP_SCHEMA_node, "Age", 0 },
	{ LP_SCHEMA_node, "Version", 0 },
	{ LP_SCHEMA_node, "Internal-IP", WIDE },
	{ LP_SCHEMA_node, "External-IP", WIDE },
	{ LP_SCHEMA_node, "OS-Image", WIDE },
	{ LP_SCHEMA_node, "Kernel-Version", WIDE },
	{ LP_SCHEMA_node, "Container-Runtime", WIDE },
	{ LP_SCHEMA_namespace, "Name", NAME },
	{ LP_SCHEMA_namespace, "Status", 0 },
	{ LP_SCHEMA_namespace, "Age", 0 },
	{ LP_SCHEMA_configmap, "Name", NAME },
	{ LP_SCHEMA_configmap, "Data", NUMBER },
	{ LP_SCHEMA_configmap, "Age", 0 },
	{ LP_SCHEMA_secret, "Name", NAME },
	{ LP_SCHEMA_secret, "Type", 0 },
	{ LP_SCHEMA_secret, "Data", NUMBER },
	{ LP_SCHEMA_secret, "Age", 0 },
	{ LP_SCHEMA_service_account, "Name", NAME },
	{ LP_SCHEMA_service_account, "Secrets", NUMBER },
	{ LP_SCHEMA_service_account, "Age", 0 },
	{ LP_SCHEMA_event, "Last Seen", 0 },
	{ LP_SCHEMA_event, "Type", 0 },
	{ LP_SCHEMA_event, "Reason", 0 },
	{ LP_SCHEMA_event, "Object", 0 },
	{ LP_SCHEMA_event, "Subobject", WIDE },
	{ LP_SCHEMA_event, "Source", WIDE },
	{ LP_SCHEMA_event, "Message", 0 },
	{ LP_SCHEMA_event, "First Seen", WIDE },
	{ LP_SCHEMA_event, "Count", WIDE | NUMBER },
	{ LP_SCHEMA_event, "Name", WIDE | NAME },
	{ LP_SCHEMA_endpoints, "Name", NAME },
	{ LP_SCHEMA_endpoints, "Endpoints", 0 },
	{ LP_SCHEMA_endpoints, "Age", 0 },
	{ LP_SCHEMA_endpoint_slice, "Name", NAME },
	{ LP_SCHEMA_endpoint_slice, "AddressType", 0 },
	{ LP_SCHEMA_endpoint_slice, "Ports", 0 },
	{ LP_SCHEMA_endpoint_slice, "Endpoints", 0 },
	{ LP_SCHEMA_endpoint_slice, "Age", 0 },
	{ LP_SCHEMA_lease, "Name", NAME },
	{ LP_SCHEMA_lease, "Holder", 0 },
	{ LP_SCHEMA_lease, "Age", 0 },
	{ LP_SCHEMA_persistent_volume, "Name", NAME },
	{ LP_SCHEMA_persistent_volume, "Capacity", 0 },
	{ LP_SCHEMA_persistent_volume, "Access Modes", 0 },
	{ LP_SCHEMA_persistent_volume, "Reclaim Policy", 0 },
	{ LP_SCHEMA_persistent_volume, "Status", 0 },
	{ LP_SCHEMA_persistent_volume, "Claim", 0 },
	{ LP_SCHEMA_persistent_volume, "StorageClass", 0 },
	{ LP_SCHEMA_persistent_volume, "VolumeAttributesClass", 0 },
	{ LP_SCHEMA_persistent_volume, "Reason", 0 },
	{ LP_SCHEMA_persistent_volume, "Age", 0 },
	{ LP_SCHEMA_persistent_volume, "VolumeMode", WIDE },
	{ LP_SCHEMA_persistent_volume_claim, "Name", NAME },
	{ LP_SCHEMA_persistent_volume_claim, "Status", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "Volume", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "Capacity", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "Access Modes", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "StorageClass", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "VolumeAttributesClass", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "Age", 0 },
	{ LP_SCHEMA_persistent_volume_claim, "VolumeMode", WIDE },
	{ LP_SCHEMA_storage_class, "Name", NAME },
	{ LP_SCHEMA_storage_class, "Provisioner", 0 },
	{ LP_SCHEMA_storage_class, "ReclaimPolicy", 0 },
	{ LP_SCHEMA_storage_class, "VolumeBindingMode", 0 },
	{ LP_SCHEMA_storage_class, "AllowVolumeExpansion", 0 },
	{ LP_SCHEMA_storage_class, "Age", 0 },
	{ LP_SCHEMA_none, "Name", NAME },
	{ LP_SCHEMA_none, "Age", 0 },
};

struct row {
	struct lp_arena *arena;
	struct lp_json *cells;
	const struct lp_json *object;
	int64_t now_ms;
};

/* ---- cells */

static void
add(struct row *row, const char *text)
{
	lp_json_append(row->arena, row->cells, lp_json_new_str(row->arena, text ? text : ""));
}

static void
add_number(struct row *row, int64_t number)
{
	lp_json_append(row->arena, row->cells, lp_json_new_int(row->arena, number));
}

/* The text at a path, or what stands for its absence. */
static void
add_at(struct row *row, const char *path, const char *absent)
{
	const char *text = lp_json_str(row->object, path);

	add(row, text && *text ? text : absent);
}

/* What a buffer holds, or what stands for nothing. */
static void
add_buf(struct row *row, const struct lp_buf *text, const char *absent)
{
	add(row, text->len > 0 ? lp_buf_text(text) : absent);
}

const char *
lp_print_age(struct lp_arena *arena, const char *time, int64_t now_ms)
{
	char text[LP_TEXT_AGE];
	int64_t then_ms;

	if (!time || lp_clock_parse(time, &then_ms) < 0)
		return "<unknown>";
	lp_text_age((now_ms - then_ms) / 1000, text);
	return lp_arena_str(arena, text);
}

static void
add_age(struct row *row)
{
	add(row, lp_print_age(row->arena, lp_json_str(row->object, "metadata.creationTimestamp"), row->now_ms));
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp((*(struct lp_json *const *)a)->key, (*(struct lp_json *const *)b)->key);
}

/* "a=1,b=2", sorted; "<none>" when empty. */
static void
add_labels(struct row *row, const struct lp_json *labels)
{
	size_t count = lp_json_count(labels), at = 0;
	struct lp_json **sorted = lp_arena_alloc(row->arena, (count + 1) * sizeof(*sorted));
	lp_auto_buf struct lp_buf out = { 0 };

	lp_buf_init(&out, 64 << 10);
	if (!sorted)
		return;
	lp_json_each(label, labels)
		sorted[at++] = label;
	qsort(sorted, at, sizeof(*sorted), compare_keys);
	for (size_t i = 0; i < at; i++) {
		const char *value = lp_json_text(sorted[i]);

		lp_buf_printf(&out, "%s%s=%s", i > 0 ? "," : "", sorted[i]->key, value ? value : "");
	}
	add_buf(row, &out, "<none>");
}

/* Up to three entries, then how many more there are. */
struct few {
	struct lp_buf text;
	size_t count;
};

static void
few_add(struct few *few, const char *entry)
{
	if (few->count++ < 3)
		lp_buf_printf(&few->text, "%s%s", few->count > 1 ? "," : "", entry);
}

static void
add_few(struct row *row, struct few *few, const char *absent)
{
	if (few->count > 3)
		lp_buf_printf(&few->text, " + %zu more...", few->count - 3);
	add_buf(row, &few->text, absent);
	lp_buf_fini(&few->text);
}

/* ---- pod */

struct pod_facts {
	const char *reason;
	int64_t restarts, ready, total;
	const char *restarted;		/* when a container last ended; NULL = never */
};

static const char *
terminated_reason(struct lp_arena *arena, const char *prefix, const struct lp_json *terminated)
{
	const char *reason = lp_json_str(terminated, "reason");
	int64_t signal = lp_json_int(terminated, "signal", 0);

	if (reason && *reason)
		return *prefix ? lp_arena_printf(arena, "%s%s", prefix, reason) : reason;
	if (signal != 0)
		return lp_arena_printf(arena, "%sSignal:%" PRId64, prefix, signal);
	return lp_arena_printf(arena, "%sExitCode:%" PRId64, prefix, lp_json_int(terminated, "exitCode", 0));
}

static void
count_restarts(struct pod_facts *facts, const struct lp_json *status)
{
	const char *finished = lp_json_str(status, "lastState.terminated.finishedAt");
	int64_t newest = 0, this = 0;

	facts->restarts += lp_json_int(status, "restartCount", 0);
	if (!finished || lp_clock_parse(finished, &this) < 0)
		return;
	if (!facts->restarted || (lp_clock_parse(facts->restarted, &newest) == 0 && this > newest))
		facts->restarted = finished;
}

static const struct lp_json *
by_name(const struct lp_json *list, const char *name)
{
	lp_json_each(entry, list)
		if (lp_text_same(lp_json_str(entry, "name"), name))
			return entry;
	return NULL;
}

/* Is the pod still busy with its init containers? Then facts->reason says where. */
static bool
look_at_init(struct lp_arena *arena, const struct lp_json *pod, struct pod_facts *facts, int64_t *out_sidecar_restarts)
{
	const struct lp_json *specs = lp_json_path(pod, "spec.initContainers");
	size_t index = 0;

	lp_json_each(status, lp_json_path(pod, "status.initContainerStatuses")) {
		const struct lp_json *spec = by_name(specs, lp_json_str(status, "name"));
		const struct lp_json *terminated = lp_json_path(status, "state.terminated");
		const char *waiting = lp_json_str(status, "state.waiting.reason");
		bool sidecar = lp_text_same(lp_json_str(spec, "restartPolicy"), "Always");

		count_restarts(facts, status);
		if (sidecar)
			*out_sidecar_restarts += lp_json_int(status, "restartCount", 0);
		if (terminated && lp_json_int(terminated, "exitCode", 0) == 0) {
			index++;
			continue;
		}
		if (sidecar && lp_json_bool(status, "started", false)) {
			facts->ready += lp_json_bool(status, "ready", false);
			index++;
			continue;
		}
		if (terminated)
			facts->reason = terminated_reason(arena, "Init:", terminated);
		else if (waiting && *waiting && strcmp(waiting, "PodInitializing") != 0)
			facts->reason = lp_arena_printf(arena, "Init:%s", waiting);
		else
			facts->reason = lp_arena_printf(arena, "Init:%zu/%zu", index, lp_json_count(specs));
		return true;
	}
	return false;
}

static void
look_at_containers(struct lp_arena *arena, const struct lp_json *pod, struct pod_facts *facts)
{
	const struct lp_json *list = lp_json_path(pod, "status.containerStatuses");
	bool running = false;

	for (size_t i = lp_json_count(list); i-- > 0;) {
		const struct lp_json *status = lp_json_index(list, i);
		const struct lp_json *terminated = lp_json_path(status, "state.terminated");
		const char *waiting = lp_json_str(status, "state.waiting.reason");

		count_restarts(facts, status);
		if (waiting && *waiting) {
			facts->reason = waiting;
		} else if (terminated) {
			facts->reason = terminated_reason(arena, "", terminated);
		} else if (lp_json_bool(status, "ready", false) && lp_json_path(status, "state.running")) {
			running = true;
			facts->ready++;
		}
	}
	if (running && lp_text_same(facts->reason, "Completed"))
		facts->reason = lp_object_condition_true(pod, "Ready") ? "Running" : "NotReady";
}

static void
gather_pod(struct lp_arena *arena, const struct lp_json *pod, struct pod_facts *facts)
{
	const char *phase = lp_json_str(pod, "status.phase"), *reason = lp_json_str(pod, "status.reason");
	bool over = lp_text_same(phase, "Succeeded") || lp_text_same(phase, "Failed");
	int64_t sidecar_restarts = 0;

	facts->total = (int64_t)lp_json_count(lp_json_path(pod, "spec.containers"));
	lp_json_each(init, lp_json_path(pod, "spec.initContainers"))
		facts->total += lp_text_same(lp_json_str(init, "restartPolicy"), "Always");
	facts->reason = reason && *reason ? reason : phase ? phase : "";
	if (lp_text_same(lp_json_str(lp_object_condition(pod, "PodScheduled"), "reason"), "SchedulingGated"))
		facts->reason = "SchedulingGated";
	if (!look_at_init(arena, pod, facts, &sidecar_restarts) || lp_object_condition_true(pod, "Initialized")) {
		facts->restarts = sidecar_restarts;
		look_at_containers(arena, pod, facts);
	}
	if (lp_object_deleting(pod) && lp_text_same(reason, "NodeLost"))
		facts->reason = "Unknown";
	else if (lp_object_deleting(pod) && !over)
		facts->reason = "Terminating";
}

const char *
lp_print_pod_status(struct lp_arena *arena, const struct lp_json *pod)
{
	struct pod_facts facts = { 0 };

	gather_pod(arena, pod, &facts);
	return facts.reason ? facts.reason : "";
}

static void
pod_cells(struct row *row)
{
	struct pod_facts facts = { 0 };
	size_t gates = lp_json_count(lp_json_path(row->object, "spec.readinessGates")), passed = 0;

	gather_pod(row->arena, row->object, &facts);
	add(row, lp_object_name(row->object));
	add(row, lp_arena_printf(row->arena, "%" PRId64 "/%" PRId64, facts.ready, facts.total));
	add(row, facts.reason);
	if (facts.restarts != 0 && facts.restarted)
		add(row, lp_arena_printf(row->arena, "%" PRId64 " (%s ago)", facts.restarts,
		    lp_print_age(row->arena, facts.restarted, row->now_ms)));
	else
		add(row, lp_arena_printf(row->arena, "%" PRId64, facts.restarts));
	add_age(row);
	add_at(row, "status.podIP", "<none>");
	add_at(row, "spec.nodeName", "<none>");
	add_at(row, "status.nominatedNodeName", "<none>");
	lp_json_each(gate, lp_json_path(row->object, "spec.readinessGates"))
		passed += lp_object_condition_true(row->object, lp_json_str(gate, "conditionType"));
	add(row, gates ? lp_arena_printf(row->arena, "%zu/%zu", passed, gates) : "<none>");
}

/* ---- service */

static void
add_external(struct row *row, const char *type)
{
	lp_auto_buf struct lp_buf out = { 0 };

	lp_buf_init(&out, 64 << 10);
	if (lp_text_same(type, "ExternalName")) {
		add_at(row, "spec.externalName", "<none>");
		return;
	}
	if (lp_text_same(type, "LoadBalancer"))
		lp_json_each(ingress, lp_json_path(row->object, "status.loadBalancer.ingress")) {
			const char *ip = lp_json_str(ingress, "ip"), *host = lp_json_str(ingress, "hostname");

			lp_buf_printf(&out, "%s%s", out.len ? "," : "", ip && *ip ? ip : host ? host : "");
		}
	lp_json_each(ip, lp_json_path(row->object, "spec.externalIPs"))
		if (lp_json_text(ip))
			lp_buf_printf(&out, "%s%s", out.len ? "," : "", lp_json_text(ip));
	add_buf(row, &out, lp_text_same(type, "LoadBalancer") ? "<pending>" : "<none>");
}

static void
add_service_ports(struct row *row)
{
	lp_auto_buf struct lp_buf out = { 0 };

	lp_buf_init(&out, 64 << 10);
	lp_json_each(port, lp_json_path(row->object, "spec.ports")) {
		const char *protocol = lp_json_str(port, "protocol");
		int64_t node_port = lp_json_int(port, "nodePort", 0);

		lp_buf_printf(&out, "%s%" PRId64, out.len ? "," : "", lp_json_int(port, "port", 0));
		if (node_port > 0)
			lp_buf_printf(&out, ":%" PRId64, node_port);
		lp_buf_printf(&out, "/%s", protocol ? protocol : "TCP");
	}
	add_buf(row, &out, "<none>");
}

static void
service_cells(struct row *row)
{
	const char *type = lp_json_str(row->object, "spec.type");

	add(row, lp_object_name(row->object));
	add(row, type);
	add_at(row, "spec.clusterIP", "<none>");
	add_external(row, type);
	add_service_ports(row);
	add_age(row);
	add_labels(row, lp_json_path(row->object, "spec.selector"));
}

/* ---- node */

static void
add_roles(struct row *row)
{
	static const char prefix[] = "node-role.kubernetes.io/";
	const struct lp_json *labels = lp_object_labels(row->object);
	size_t count = 0;
	struct lp_json **sorted = lp_arena_alloc(row->arena, (lp_json_count(labels) + 1) * sizeof(*sorted));
	lp_auto_buf struct lp_buf out = { 0 };
	const char *role = lp_object_label(row->object, "kubernetes.io/role");

	lp_buf_init(&out, 64 << 10);
	if (!sorted)
		return;
	lp_json_each(label, labels)
		if (lp_text_starts(label->key, prefix) && label->key[sizeof(prefix) - 1])
			sorted[count++] = label;
	qsort(sorted, count, sizeof(*sorted), compare_keys);
	for (size_t i = 0; i < count; i++)
		lp_buf_printf(&out, "%s%s", i > 0 ? "," : "", sorted[i]->key + sizeof(prefix) - 1);
	if (role && *role)
		lp_buf_printf(&out, "%s%s", out.len ? "," : "", role);
	add_buf(row, &out, "<none>");
}

static void
add_address(struct row *row, const char *type)
{
	lp_json_each(address, lp_json_path(row->object, "status.addresses"))
		if (lp_text_same(lp_json_str(address, "type"), type)) {
			add(row, lp_json_str(address, "address"));
			return;
		}
	add(row, "<none>");
}

static void
node_cells(struct row *row)
{
	const struct lp_json *ready = lp_object_condition(row->object, "Ready");
	const char *state = !ready                               ? "Unknown"
	    : lp_text_same(lp_json_str(ready, "status"), "True") ? "Ready"
	                                                         : "NotReady";
	bool off = lp_json_bool(row->object, "spec.unschedulable", false);

	add(row, lp_object_name(row->object));
	add(row, off ? lp_arena_printf(row->arena, "%s,SchedulingDisabled", state) : state);
	add_roles(row);
	add_age(row);
	add_at(row, "status.nodeInfo.kubeletVersion", "");
	add_address(row, "InternalIP");
	add_address(row, "ExternalIP");
	add_at(row, "status.nodeInfo.osImage", "<unknown>");
	add_at(row, "status.nodeInfo.kernelVersion", "<unknown>");
	add_at(row, "status.nodeInfo.containerRuntimeVersion", "<unknown>");
}

/* ---- event */

static const char *
event_age(struct row *row, const char *path, const char *otherwise)
{
	const char *time = lp_json_str(row->object, path);

	return time ? lp_print_age(row->arena, time, row->now_ms) : otherwise;
}

static void
event_cells(struct row *row)
{
	const char *first = event_age(row, "firstTimestamp", event_age(row, "eventTime", "<unknown>"));
	const char *last = event_age(row, "series.lastObservedTime", event_age(row, "lastTimestamp", first));
	const char *kind = lp_json_str(row->object, "involvedObject.kind"),
	           *name = lp_json_str(row->object, "involvedObject.name");
	const char *component = lp_json_str(row->object, "source.component"),
	           *host = lp_json_str(row->object, "source.host");
	char *target =
	    lp_arena_printf(row->arena, "%s%s%s", kind ? kind : "", name && *name ? "/" : "", name ? name : "");
	int64_t count = lp_json_int(row->object, "series.count", lp_json_int(row->object, "count", 0));

	for (char *c = target; c && *c && *c != '/'; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	if (!component || !*component) {
		component = lp_json_str(row->object, "reportingComponent");
		host = lp_json_str(row->object, "reportingInstance");
	}
	add(row, last);
	add_at(row, "type", "");
	add_at(row, "reason", "");
	add(row, target);
	add_at(row, "involvedObject.fieldPath", "");
	add(row,
	    lp_arena_printf(
	        row->arena, "%s%s%s", component ? component : "", host && *host ? ", " : "", host ? host : ""));
	add_at(row, "message", "");
	add(row, first);
	add_number(row, count > 0 ? count : 1);
	add(row, lp_object_name(row->object));
}

/* ---- endpoints */

static void
endpoints_cells(struct row *row)
{
	struct few few = { 0 };

	lp_buf_init(&few.text, 64 << 10);
	lp_json_each(subset, lp_json_get(row->object, "subsets")) {
		const struct lp_json *ports = lp_json_get(subset, "ports"),
		                     *addresses = lp_json_get(subset, "addresses");

		if (lp_json_count(ports) == 0)
			lp_json_each(address, addresses)
				few_add(&few, lp_json_str(address, "ip") ? lp_json_str(address, "ip") : "");
		lp_json_each(port, ports)
			lp_json_each(address, addresses) {
				const char *ip = lp_json_str(address, "ip");

				few_add(&few,
				    lp_arena_printf(
				        row->arena, "%s:%" PRId64, ip ? ip : "", lp_json_int(port, "port", 0)));
			}
	}
	add(row, lp_object_name(row->object));
	add_few(row, &few, "<none>");
	add_age(row);
}

static void
slice_cells(struct row *row)
{
	struct few ports = { 0 }, addresses = { 0 };

	lp_buf_init(&ports.text, 64 << 10);
	lp_buf_init(&addresses.text, 64 << 10);
	lp_json_each(port, lp_json_get(row->object, "ports"))
		few_add(&ports, lp_json_get(port, "port") ?
		    lp_arena_printf(row->arena, "%" PRId64, lp_json_int(port, "port", 0)) : "*");
	lp_json_each(endpoint, lp_json_get(row->object, "endpoints"))
		lp_json_each(address, lp_json_get(endpoint, "addresses"))
			few_add(&addresses, lp_json_text(address) ? lp_json_text(address) : "");
	add(row, lp_object_name(row->object));
	add_at(row, "addressType", "");
	add_few(row, &ports, "<unset>");
	add_few(row, &addresses, "<unset>");
	add_age(row);
}

/* ---- storage */

/* "RWO,ROX", in the order that kubectl has. */
static void
add_modes(struct row *row, const char *path)
{
	static const struct {
		char mode[18], word[5];
	} modes[] = { { "ReadWriteOnce", "RWO" }, { "ReadOnlyMany", "ROX" }, { "ReadWriteMany", "RWX" }, { "ReadWriteOncePod", "RWOP" } };
	lp_auto_buf struct lp_buf out = { 0 };

	lp_buf_init(&out, 1024);
	for (size_t i = 0; i < lp_count(modes); i++) {
		bool has = false;

		lp_json_each(mode, lp_json_path(row->object, path))
			has |= lp_text_same(lp_json_text(mode), modes[i].mode);
		if (has)
			lp_buf_printf(&out, "%s%s", out.len ? "," : "", modes[i].word);
	}
	add_buf(row, &out, "");
}

static const char *
phase_or_terminating(const struct lp_json *object)
{
	const char *phase = lp_json_str(object, "status.phase");

	return lp_object_deleting(object) ? "Terminating" : phase;
}

static void
volume_cells(struct row *row)
{
	const char *namespace = lp_json_str(row->object, "spec.claimRef.namespace"), *name = lp_json_str(row->object, "spec.claimRef.name");

	add(row, lp_object_name(row->object));
	add_at(row, "spec.capacity.storage", "");
	add_modes(row, "spec.accessModes");
	add_at(row, "spec.persistentVolumeReclaimPolicy", "");
	add(row, phase_or_terminating(row->object));
	add(row, name ? lp_arena_printf(row->arena, "%s/%s", namespace ? namespace : "", name) : "");
	add_at(row, "spec.storageClassName", "");
	add_at(row, "spec.volumeAttributesClassName", "<unset>");
	add_at(row, "status.reason", "");
	add_age(row);
	add_at(row, "spec.volumeMode", "<unset>");
}

static void
claim_cells(struct row *row)
{
	bool bound = lp_json_str(row->object, "spec.volumeName") && *lp_json_str(row->object, "spec.volumeName");

	add(row, lp_object_name(row->object));
	add(row, phase_or_terminating(row->object));
	add_at(row, "spec.volumeName", "");
	add(row, bound ? lp_json_str(row->object, "status.capacity.storage") : "");
	add_modes(row, bound ? "status.accessModes" : "");
	add_at(row, "spec.storageClassName", "");
	add_at(row, "spec.volumeAttributesClassName", "<unset>");
	add_age(row);
	add_at(row, "spec.volumeMode", "<unset>");
}

static void
class_cells(struct row *row)
{
	bool preset = lp_text_same(lp_object_annotation(row->object, "storageclass.kubernetes.io/is-default-class"), "true");

	add(row, preset ? lp_arena_printf(row->arena, "%s (default)", lp_object_name(row->object)) : lp_object_name(row->object));
	add_at(row, "provisioner", "");
	add_at(row, "reclaimPolicy", "<unset>");
	add_at(row, "volumeBindingMode", "<unset>");
	add(row, lp_json_bool(row->object, "allowVolumeExpansion", false) ? "true" : "false");
	add_age(row);
}

/* ---- the rest */

static void
simple_cells(struct row *row, enum lp_schema_id schema)
{
	const struct lp_json *object = row->object;

	add(row, lp_object_name(object));
	if (schema == LP_SCHEMA_namespace)
		add_at(row, "status.phase", "");
	if (schema == LP_SCHEMA_configmap)
		add_number(row,
		    (int64_t)(lp_json_count(lp_json_get(object, "data")) +
		        lp_json_count(lp_json_get(object, "binaryData"))));
	if (schema == LP_SCHEMA_secret) {
		add_at(row, "type", "");
		add_number(row, (int64_t)lp_json_count(lp_json_get(object, "data")));
	}
	if (schema == LP_SCHEMA_service_account)
		add_number(row, (int64_t)lp_json_count(lp_json_get(object, "secrets")));
	if (schema == LP_SCHEMA_lease)
		add_at(row, "spec.holderIdentity", "");
	add_age(row);
}

struct lp_json *
lp_print_cells(struct lp_arena *arena, const struct lp_kind *kind, const struct lp_json *object, int64_t now_ms)
{
	struct row row = {
		.arena = arena, .cells = lp_json_new(arena, LP_JSON_ARRAY), .object = object, .now_ms = now_ms
	};

	if (kind->schema == LP_SCHEMA_pod)
		pod_cells(&row);
	else if (kind->schema == LP_SCHEMA_service)
		service_cells(&row);
	else if (kind->schema == LP_SCHEMA_node)
		node_cells(&row);
	else if (kind->schema == LP_SCHEMA_event)
		event_cells(&row);
	else if (kind->schema == LP_SCHEMA_endpoints)
		endpoints_cells(&row);
	else if (kind->schema == LP_SCHEMA_endpoint_slice)
		slice_cells(&row);
	else if (kind->schema == LP_SCHEMA_persistent_volume)
		volume_cells(&row);
	else if (kind->schema == LP_SCHEMA_persistent_volume_claim)
		claim_cells(&row);
	else if (kind->schema == LP_SCHEMA_storage_class)
		class_cells(&row);
	else
		simple_cells(&row, kind->schema);
	return arena->failed ? NULL : row.cells;
}

struct lp_json *
lp_print_columns(struct lp_arena *arena, const struct lp_kind *kind)
{
	struct lp_json *list = lp_json_new(arena, LP_JSON_ARRAY);
	uint16_t schema = LP_SCHEMA_none;

	for (size_t i = 0; i < lp_count(columns); i++)
		if (columns[i].schema == kind->schema)
			schema = kind->schema;
	for (size_t i = 0; i < lp_count(columns); i++) {
		struct lp_json *column;

		if (columns[i].schema != schema)
			continue;
		column = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, column, "name", columns[i].name);
		lp_json_set_str(arena, column, "type", columns[i].flags & NUMBER ? "integer" : "string");
		lp_json_set_str(arena, column, "format", columns[i].flags & NAME ? "name" : "");
		lp_json_set_str(arena, column, "description", "");
		lp_json_set_int(arena, column, "priority", columns[i].flags & WIDE ? 1 : 0);
	}
	return arena->failed ? NULL : list;
}

struct lp_json *
lp_print_partial(struct lp_arena *arena, const struct lp_json *object)
{
	struct lp_json *partial = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set_str(arena, partial, "kind", "PartialObjectMetadata");
	lp_json_set_str(arena, partial, "apiVersion", "meta.k8s.io/v1");
	lp_json_set(arena, partial, "metadata", lp_json_copy(arena, lp_json_get(object, "metadata")));
	return arena->failed ? NULL : partial;
}

struct lp_json *
lp_print_row(struct lp_arena *arena, const struct lp_kind *kind, const struct lp_json *object,
    enum lp_print_include include, int64_t now_ms)
{
	struct lp_json *row = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set(arena, row, "cells", lp_print_cells(arena, kind, object, now_ms));
	switch (include) {
	case LP_PRINT_NONE:
		break;
	case LP_PRINT_METADATA:
		lp_json_set(arena, row, "object", lp_print_partial(arena, object));
		break;
	case LP_PRINT_OBJECT:
		lp_json_set(arena, row, "object", lp_json_copy(arena, object));
		break;
	}
	return arena->failed ? NULL : row;
}

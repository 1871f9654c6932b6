#include "tools/verbs/toprows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"

int
lp_toprows_by(const char *text, enum lp_toprows_by *out)
{
	static const char *const words[] = { "name", "cpu", "memory", "io", "network", "pids" };

	for (size_t i = 0; i < lp_count(words); i++)
		if (strcmp(words[i], text) == 0) {
			*out = (enum lp_toprows_by)i;
			return 0;
		}
	return -EINVAL;
}

/* ---- reading */

struct reading {
	struct lp_arena *arena;
	struct lp_toprow *rows;
	size_t count, room;
};

static struct lp_toprow *
add_row(struct reading *reading, const struct lp_json *use)
{
	struct lp_toprow *row;

	if (reading->count == reading->room) {
		size_t room = reading->room ? reading->room * 2 : 64;
		struct lp_toprow *rows = lp_arena_alloc(reading->arena, room * sizeof(*rows));

		if (!rows)
			return NULL;
		if (reading->count)
			memcpy(rows, reading->rows, reading->count * sizeof(*rows));
		reading->rows = rows;
		reading->room = room;
	}
	row = &reading->rows[reading->count++];
	*row = (struct lp_toprow){
		.nanocores = lp_json_int(use, "cpu.usageNanoCores", 0),
		.memory_bytes = lp_json_int(use, "memory.workingSetBytes", 0),
		.read_bytes = lp_json_int(use, "io.readBytes", 0),
		.written_bytes = lp_json_int(use, "io.writeBytes", 0),
		.rx_bytes = lp_json_int(use, "network.rxBytes", 0),
		.tx_bytes = lp_json_int(use, "network.txBytes", 0),
		.net = lp_json_get(use, "network") != NULL,
		.pids = lp_json_int(use, "process_stats.process_count", 0),
	};
	return row;
}

static void
read_node(struct reading *reading, const struct lp_json *document, const struct lp_json *nodes)
{
	const struct lp_json *use = lp_json_get(document, "node");
	struct lp_toprow *row = add_row(reading, use);

	if (!row)
		return;
	row->node = lp_json_str(use, "nodeName");
	row->pids = lp_json_int(use, "rlimit.curproc", 0);
	row->disk_used = lp_json_int(use, "fs.usedBytes", 0);
	row->disk_most = lp_json_int(use, "fs.capacityBytes", 0);
	row->pods = (int64_t)lp_json_count(lp_json_get(document, "pods"));
	lp_json_each(node, nodes)
		if (lp_text_same(lp_object_name(node), row->node)) {
			row->cpu_milli = lp_quantity_text_milli(lp_json_str(node, "status.allocatable.cpu"), 0);
			row->memory_most = lp_quantity_text_value(lp_json_str(node, "status.allocatable.memory"), 0);
		}
}

static void
read_pod(struct reading *reading, enum lp_toprows_what what, const struct lp_json *document, const struct lp_json *pod)
{
	struct lp_toprow *row = what == LP_TOPROWS_PODS ? add_row(reading, pod) : NULL;

	if (row) {
		row->node = lp_json_str(document, "node.nodeName");
		row->namespace = lp_json_str(pod, "podRef.namespace");
		row->pod = lp_json_str(pod, "podRef.name");
	}
	if (what == LP_TOPROWS_PODS)
		return;
	lp_json_each(container, lp_json_get(pod, "containers")) {
		row = add_row(reading, container);
		if (!row)
			return;
		row->node = lp_json_str(document, "node.nodeName");
		row->namespace = lp_json_str(pod, "podRef.namespace");
		row->pod = lp_json_str(pod, "podRef.name");
		row->container = lp_json_str(container, "name");
	}
}

struct lp_toprow *
lp_toprows_read(struct lp_arena *arena, enum lp_toprows_what what, const struct lp_json *documents, const struct lp_json *nodes,
    const char *namespace, size_t *out_count)
{
	struct reading reading = { .arena = arena };

	lp_json_each(document, documents) {
		if (what == LP_TOPROWS_NODES)
			read_node(&reading, document, nodes);
		lp_json_each(pod, what == LP_TOPROWS_NODES ? NULL : lp_json_get(document, "pods"))
			if (!namespace || lp_text_same(lp_json_str(pod, "podRef.namespace"), namespace))
				read_pod(&reading, what, document, pod);
	}
	*out_count = reading.count;
	return arena->failed ? NULL : reading.rows ? reading.rows : lp_arena_alloc(arena, sizeof(*reading.rows));
}

/* ---- order */

static int
by_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int
by_name(const void *left, const void *right)
{
	const struct lp_toprow *a = left, *b = right;
	int order = by_text(a->namespace, b->namespace);

	if (order == 0)
		order = by_text(a->pod, b->pod);
	if (order == 0)
		order = by_text(a->container, b->container);
	return order ? order : by_text(a->node, b->node);
}

static int
by_amount(int64_t a, int64_t b, const void *left, const void *right)
{
	return a != b ? (a < b) - (a > b) : by_name(left, right);
}

static int
by_cpu(const void *a, const void *b)
{
	return by_amount(((const struct lp_toprow *)a)->nanocores, ((const struct lp_toprow *)b)->nanocores, a, b);
}

static int
by_memory(const void *a, const void *b)
{
	return by_amount(((const struct lp_toprow *)a)->memory_bytes, ((const struct lp_toprow *)b)->memory_bytes, a, b);
}

static int
by_io(const void *left, const void *right)
{
	const struct lp_toprow *a = left, *b = right;

	return by_amount(a->read_bytes + a->written_bytes, b->read_bytes + b->written_bytes, left, right);
}

static int
by_network(const void *left, const void *right)
{
	const struct lp_toprow *a = left, *b = right;

	return by_amount(a->rx_bytes + a->tx_bytes, b->rx_bytes + b->tx_bytes, left, right);
}

static int
by_pids(const void *a, const void *b)
{
	return by_amount(((const struct lp_toprow *)a)->pids, ((const struct lp_toprow *)b)->pids, a, b);
}

void
lp_toprows_sort(struct lp_toprow *rows, size_t count, enum lp_toprows_by by)
{
	static int (*const orders[])(const void *, const void *) = { by_name, by_cpu, by_memory, by_io, by_network, by_pids };

	qsort(rows, count, sizeof(*rows), orders[by]);
}

/* ---- words */

void
lp_toprows_cpu(int64_t nanocores, char out[static LP_TOPROWS_TEXT])
{
	(void)snprintf(out, LP_TOPROWS_TEXT, "%" PRId64 "m", (nanocores + 999999) / 1000000);
}

void
lp_toprows_bytes(int64_t bytes, char out[static LP_TOPROWS_TEXT])
{
	static const char units[] = "KMGTP";
	int64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
	size_t unit = 0;

	while (tenths >= 10240 && unit + 2 < sizeof(units)) {
		tenths /= 1024;
		unit++;
	}
	if (tenths < 100 && unit > 0)
		(void)snprintf(out, LP_TOPROWS_TEXT, "%d.%d%ci", (int)tenths / 10, (int)tenths % 10, units[unit]);
	else
		(void)snprintf(out, LP_TOPROWS_TEXT, "%d%ci", (int)((tenths + 5) / 10), units[unit]);
}

void
lp_toprows_share(int64_t part, int64_t whole, char out[static LP_TOPROWS_TEXT])
{
	if (whole > 0)
		(void)snprintf(out, LP_TOPROWS_TEXT, "%d%%", (int)(part * 100 / whole));
	else
		(void)snprintf(out, LP_TOPROWS_TEXT, "-");
}

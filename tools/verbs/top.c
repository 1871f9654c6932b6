/*
 * tools/verbs/top.c - `top [nodes|pods|containers]`: what is used right now, sorted, once or again and again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/output.h"
#include "tools/verbs/table.h"
#include "tools/verbs/toprows.h"

#define STATS "/fleet/v1/stats"

enum { ROUND_MAX = 64 << 20, INTERVAL_MS = 2000, COLUMNS = 10 };

static struct {
	const char *sort, *output;
	bool all, watch, bare;
	int64_t interval_ms;
} o = { .sort = "cpu", .interval_ms = INTERVAL_MS };

static const struct lp_opt opts[] = {
	{ "all-namespaces", 'A', LP_OPT_FLAG,     &o.all,         NULL,     "pods of all namespaces" },
	{ "sort-by",        0,   LP_OPT_STR,      &o.sort,        "WHAT",   "cpu, memory, io, network, pids or name (default cpu)" },
	{ "output",         'o', LP_OPT_STR,      &o.output,      "FORMAT", "json: what the nodes said, as it is" },
	{ "watch",          'w', LP_OPT_FLAG,     &o.watch,       NULL,     "again and again, until interrupted" },
	{ "interval",       0,   LP_OPT_DURATION, &o.interval_ms, "TIME",   "with --watch: how often (default 2s)" },
	{ "no-headers",     0,   LP_OPT_FLAG,     &o.bare,        NULL,     "rows only" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet top [nodes | pods | containers] [options]",
	"What nodes, pods and containers use: cpu, memory (working set), bytes read and written, received and sent, processes.",
	"limpet top pods -A --sort-by memory --watch",
};

/* One look: what was asked, where it goes. */
struct look {
	struct lp_context *ctx;
	struct lp_arena arena;
	struct lp_buf out;
	enum lp_toprows_by by;
	size_t lines;			/* rows that fit on the terminal; 0: all */
};

static const char *
word(struct look *look, void (*print)(int64_t, char *), int64_t value)
{
	char text[LP_TOPROWS_TEXT];

	print(value, text);
	return lp_arena_str(&look->arena, text);
}

static const char *
share(struct look *look, int64_t part, int64_t whole)
{
	char text[LP_TOPROWS_TEXT];

	lp_toprows_share(part, whole, text);
	return lp_arena_str(&look->arena, text);
}

static const char *
number(struct look *look, int64_t value)
{
	return lp_arena_printf(&look->arena, "%" PRId64, value);
}

static int
add_node(struct look *look, struct lp_table *table, const struct lp_toprow *row)
{
	const char *cells[] = {
		row->node,
		word(look, lp_toprows_cpu, row->nanocores),
		share(look, row->nanocores / 1000000, row->cpu_milli),
		word(look, lp_toprows_bytes, row->memory_bytes),
		share(look, row->memory_bytes, row->memory_most),
		share(look, row->disk_used, row->disk_most),
		word(look, lp_toprows_bytes, row->rx_bytes),
		word(look, lp_toprows_bytes, row->tx_bytes),
		number(look, row->pids),
		number(look, row->pods),
	};

	return lp_table_add(table, cells);
}

static int
add_pod(struct look *look, struct lp_table *table, enum lp_toprows_what what, const struct lp_toprow *row)
{
	const char *cells[COLUMNS];
	size_t n = 0;

	if (o.all)
		cells[n++] = row->namespace;
	cells[n++] = row->pod;
	if (what == LP_TOPROWS_CONTAINERS)
		cells[n++] = row->container;
	cells[n++] = word(look, lp_toprows_cpu, row->nanocores);
	cells[n++] = word(look, lp_toprows_bytes, row->memory_bytes);
	cells[n++] = word(look, lp_toprows_bytes, row->read_bytes);
	cells[n++] = word(look, lp_toprows_bytes, row->written_bytes);
	if (what == LP_TOPROWS_PODS) {
		cells[n++] = row->net ? word(look, lp_toprows_bytes, row->rx_bytes) : "-";
		cells[n++] = row->net ? word(look, lp_toprows_bytes, row->tx_bytes) : "-";
	}
	cells[n] = number(look, row->pids);
	return lp_table_add(table, cells);
}

static size_t
heads_of(enum lp_toprows_what what, const char *heads[static COLUMNS])
{
	static const char *const node[] = { "NAME", "CPU", "CPU%", "MEMORY", "MEMORY%", "DISK%", "RX", "TX", "PIDS", "PODS" };
	static const char *const used[] = { "CPU", "MEMORY", "READ", "WRITTEN" };
	size_t n = 0;

	if (what == LP_TOPROWS_NODES) {
		memcpy(heads, node, sizeof(node));
		return lp_count(node);
	}
	if (o.all)
		heads[n++] = "NAMESPACE";
	heads[n++] = "NAME";
	if (what == LP_TOPROWS_CONTAINERS)
		heads[n++] = "CONTAINER";
	memcpy(&heads[n], used, sizeof(used));
	n += lp_count(used);
	if (what == LP_TOPROWS_PODS) {
		heads[n++] = "RX";
		heads[n++] = "TX";
	}
	heads[n++] = "PIDS";
	return n;
}

static int
print_rows(struct look *look, enum lp_toprows_what what, const struct lp_json *documents, const struct lp_json *nodes)
{
	const char *heads[COLUMNS];
	size_t count, columns = heads_of(what, heads);
	struct lp_toprow *rows = lp_toprows_read(&look->arena, what, documents, nodes, o.all ? NULL : look->ctx->namespace, &count);
	struct lp_table table;
	int rc = 0;

	if (!rows)
		return -ENOMEM;
	lp_toprows_sort(rows, count, look->by);
	if (look->lines && count > look->lines)
		count = look->lines;
	lp_table_init(&table, &look->arena, columns);
	if (!o.bare)
		rc = lp_table_add(&table, heads);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = what == LP_TOPROWS_NODES ? add_node(look, &table, &rows[i]) : add_pod(look, &table, what, &rows[i]);
	if (look->lines)
		look->lines = look->lines > count + 2 ? look->lines - count - 2 : 1;
	return rc < 0 ? rc : lp_table_print(&table, &look->out);
}

/* Into the arena of this round: a watch goes on for hours. */
static int
fetch(struct look *look, const char *path, struct lp_json **out)
{
	struct lp_client_answer answer = { 0 };
	const struct lp_json_limits limits = { ROUND_MAX, 64, 4u << 20 };
	int rc = lp_context_fetch(look->ctx, path, "application/json", &answer);

	if (rc == 0)
		rc = lp_json_parse(&look->arena, lp_buf_text(&answer.body), answer.body.len, &limits, out, &look->ctx->err);
	lp_client_answer_fini(&answer);
	return rc;
}

/* Rows of the terminal that are left for ours; 0 when it is none. */
static size_t
terminal_lines(void)
{
	struct winsize size;

	return isatty(1) && ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? (size_t)size.ws_row - 2 : 0;
}

static int
print_all(struct look *look, const char *what, const struct lp_json *answer)
{
	const struct lp_json *documents = lp_json_get(answer, "items");
	struct lp_json *nodes = NULL;
	bool both = !*what;
	int rc = 0;

	if (both || *what == 'n')
		rc = fetch(look, "/api/v1/nodes", &nodes);
	if (rc < 0)
		return rc;
	if (both || *what == 'n')
		rc = print_rows(look, LP_TOPROWS_NODES, documents, lp_json_get(nodes, "items"));
	if (rc == 0 && both)
		rc = lp_buf_char(&look->out, '\n');
	if (rc == 0 && *what != 'n')
		rc = print_rows(look, *what == 'c' ? LP_TOPROWS_CONTAINERS : LP_TOPROWS_PODS, documents, NULL);
	return rc < 0 ? lp_err_set(&look->ctx->err, rc, "top") : 0;
}

static int
look_once(struct lp_context *ctx, const char *what, enum lp_toprows_by by, const struct lp_output *how)
{
	struct look look = { .ctx = ctx, .by = by, .lines = o.watch ? terminal_lines() : 0 };
	struct lp_json *answer = NULL;
	int rc;

	lp_arena_init(&look.arena, ROUND_MAX);
	lp_buf_init(&look.out, ROUND_MAX);
	rc = fetch(&look, STATS, &answer);
	if (rc == 0 && o.watch && isatty(1))
		rc = lp_buf_str(&look.out, "\033[H\033[2J");
	if (rc == 0)
		rc = how->mode == LP_OUTPUT_TABLE ? print_all(&look, what, answer) : lp_output_print(how, &look.arena, answer, &look.out, &ctx->err);
	if (rc == 0)
		rc = lp_output_flush(&look.out, &ctx->err);
	lp_buf_fini(&look.out);
	lp_arena_fini(&look.arena);
	return rc;
}

/* "node" and "no" mean nodes, as everywhere. */
static int
read_what(struct lp_context *ctx, const char **out)
{
	static const char *const words[][4] = { { "nodes", "node", "no", "nodes" }, { "pods", "pod", "po", "pods" },
		{ "containers", "container", "c", "containers" } };

	*out = "";
	if (ctx->count == 0)
		return 0;
	for (size_t i = 0; ctx->count == 1 && i < lp_count(words); i++)
		for (size_t k = 0; k < 4; k++)
			if (strcmp(words[i][k], ctx->words[0]) == 0) {
				*out = words[i][0];
				return 0;
			}
	return lp_context_usage(ctx, "top takes one of nodes, pods, containers");
}

static int
top(struct lp_context *ctx)
{
	enum lp_toprows_by by;
	struct lp_output how;
	const char *what;
	int rc = read_what(ctx, &what);

	if (rc == 0 && lp_toprows_by(o.sort, &by) < 0)
		rc = lp_context_usage(ctx, "--sort-by %s: cpu, memory, io, network, pids or name", o.sort);
	if (rc == 0 && lp_output_parse(o.output, &how, &ctx->err) < 0)
		rc = lp_context_usage(ctx, "%s", ctx->err.text);
	if (rc == 0)
		rc = lp_context_connect(ctx);
	o.all = o.all || !*what;
	while (rc == 0) {
		const struct timespec pause = { o.interval_ms / 1000, o.interval_ms % 1000 * 1000000 };

		rc = look_once(ctx, what, by, &how);
		if (!o.watch)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

int
lp_top_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, top);
}

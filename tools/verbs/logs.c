/*
 * tools/verbs/logs.c - `logs`: bytes as the container wrote them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/pods.h"
#include "tools/verbs/resource.h"

static struct {
	const char *container, *labels;
	bool follow, previous, timestamps, all_containers, prefix;
	int64_t tail, since_ms, limit_bytes;
	const char *since_time;
} o = { .tail = -1 };

static const struct lp_opt opts[] = {
	{ "follow",         'f', LP_OPT_FLAG,     &o.follow,         NULL,     "go on as it prints more" },
	{ "previous",       'p', LP_OPT_FLAG,     &o.previous,       NULL,     "of the container's life before this one" },
	{ "container",      'c', LP_OPT_STR,      &o.container,      "NAME",   "which container of the pod" },
	{ "all-containers", 0,   LP_OPT_FLAG,     &o.all_containers, NULL,     "all of them, one after the other" },
	{ "prefix",         0,   LP_OPT_FLAG,     &o.prefix,         NULL,     "the container's name before its output" },
	{ "tail",           0,   LP_OPT_INT,      &o.tail,           "LINES",  "the last lines only; -1: all" },
	{ "since",          0,   LP_OPT_DURATION, &o.since_ms,       "TIME",   "not older than this: 5s, 2m, 3h" },
	{ "since-time",     0,   LP_OPT_STR,      &o.since_time,     "RFC3339", "not older than that moment" },
	{ "timestamps",     0,   LP_OPT_FLAG,     &o.timestamps,     NULL,     "each line with its time" },
	{ "limit-bytes",    0,   LP_OPT_INT,      &o.limit_bytes,    "BYTES",  "no more than this" },
	{ "selector",       'l', LP_OPT_STR,      &o.labels,         "LABELS", "of all pods with these labels (the last 10 lines of each)" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet logs POD [CONTAINER] [options]",
	"Prints what a container wrote to its output.",
	"limpet logs -f --tail=20 nodejs-app",
};

struct printing {
	struct lp_context *ctx;
	const char *prefix;		/* NULL: none */
	bool in_line;
};

static int
print_data(void *arg, const char *data, size_t len)
{
	struct printing *p = arg;

	if (!p->prefix)
		return lp_path_write_all(STDOUT_FILENO, data, len, &p->ctx->err);
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t part = newline ? (size_t)(newline - data) + 1 : len;
		int rc = p->in_line ? 0 : lp_path_write_all(STDOUT_FILENO, p->prefix, strlen(p->prefix), &p->ctx->err);

		if (rc == 0)
			rc = lp_path_write_all(STDOUT_FILENO, data, part, &p->ctx->err);
		if (rc < 0)
			return rc;
		p->in_line = newline == NULL;
		data += part;
		len -= part;
	}
	return 0;
}

static const char *
make_query(struct lp_arena *arena, const char *container, int64_t tail)
{
	const char *query = lp_resource_query(arena, NULL, "container", container);

	if (o.follow)
		query = lp_resource_query(arena, query, "follow", "true");
	if (o.previous)
		query = lp_resource_query(arena, query, "previous", "true");
	if (o.timestamps)
		query = lp_resource_query(arena, query, "timestamps", "true");
	if (tail >= 0)
		query = lp_resource_query(arena, query, "tailLines", lp_arena_printf(arena, "%" PRId64, tail));
	if (o.since_ms > 0)
		query = lp_resource_query(arena, query, "sinceSeconds", lp_arena_printf(arena, "%" PRId64, (o.since_ms + 999) / 1000));
	if (o.since_time)
		query = lp_resource_query(arena, query, "sinceTime", o.since_time);
	if (o.limit_bytes > 0)
		query = lp_resource_query(arena, query, "limitBytes", lp_arena_printf(arena, "%" PRId64, o.limit_bytes));
	return query;
}

static int
print_container(struct lp_context *ctx, const struct lp_json *pod, const char *container, int64_t tail)
{
	struct lp_arena *arena = &ctx->arena;
	struct printing p = { .ctx = ctx };
	const char *path = lp_resource_path(arena, lp_kind_find("v1", "Pod"), lp_object_namespace(pod), lp_object_name(pod), "log",
	    make_query(arena, container, tail));

	if (!path)
		return lp_err_set(&ctx->err, -ENOMEM, "logs");
	if (o.prefix)
		p.prefix = lp_arena_printf(arena, "[pod/%s/%s] ", lp_object_name(pod), container);
	return lp_context_stream(ctx, path, "*/*", 0, print_data, &p);
}

static int
print_pod(struct lp_context *ctx, const struct lp_json *pod, const char *container, int64_t tail)
{
	int rc = 0;

	if (!o.all_containers) {
		rc = lp_pods_container(ctx, pod, container, &container);
		return rc < 0 ? rc : print_container(ctx, pod, container, tail);
	}
	lp_json_each(each, lp_json_path(pod, "spec.initContainers"))
		if (rc == 0)
			rc = print_container(ctx, pod, lp_json_str(each, "name") ?: "", tail);
	lp_json_each(each, lp_json_path(pod, "spec.containers"))
		if (rc == 0)
			rc = print_container(ctx, pod, lp_json_str(each, "name") ?: "", tail);
	return rc;
}

static int
print_selected(struct lp_context *ctx)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *list;
	int rc = lp_context_connect(ctx), failed = 0;

	if (rc < 0)
		return rc;
	rc = lp_context_get(ctx, lp_resource_path(arena, lp_kind_find("v1", "Pod"), ctx->namespace, NULL, NULL,
	    lp_resource_query(arena, NULL, "labelSelector", o.labels)), &list);
	if (rc < 0)
		return rc;
	if (!lp_json_first(lp_json_get(list, "items")))
		(void)fprintf(stderr, "No resources found in %s namespace.\n", ctx->namespace);
	lp_json_each(pod, lp_json_get(list, "items")) {
		if (print_pod(ctx, pod, o.container, o.tail >= 0 ? o.tail : 10) < 0) {
			lp_context_tell(ctx);
			failed = 1;
		}
	}
	return failed;
}

static int
logs(struct lp_context *ctx)
{
	struct lp_json *pod;
	int rc;

	if (o.labels && o.follow)
		return lp_context_usage(ctx, "-f follows one pod: name it");
	if (o.labels)
		return ctx->count ? lp_context_usage(ctx, "only a selector (-l) or a POD name is allowed") : print_selected(ctx);
	if (ctx->count < 1 || ctx->count > 2)
		return lp_context_usage(ctx, "expected 'logs POD [CONTAINER]'");
	if (o.all_containers && o.follow)
		return lp_context_usage(ctx, "-f follows one container: name it with -c");
	if (ctx->count == 2 && o.container)
		return lp_context_usage(ctx, "only one of -c or an inline [CONTAINER] arg is allowed");
	rc = lp_pods_find(ctx, ctx->words[0], &pod);
	return rc < 0 ? rc : print_pod(ctx, pod, ctx->count == 2 ? ctx->words[1] : o.container, o.tail);
}

int
lp_logs_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, logs);
}

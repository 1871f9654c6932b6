/*
 * tools/verbs/expose.c - `expose pod|service NAME`: a service in front of what is there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/output.h"
#include "tools/verbs/resource.h"

static struct {
	const char *name, *port, *target_port, *type, *protocol, *selector, *cluster_ip, *dry_run, *output, *labels, *affinity;
} o;

static const struct lp_opt opts[] = {
	{ "port",             0,   LP_OPT_STR,      &o.port,        "PORT",   "the service's port (default: the container's)" },
	{ "target-port",      0,   LP_OPT_STR,      &o.target_port, "PORT",   "the container's port, a number or a name (default: --port)" },
	{ "name",             0,   LP_OPT_STR,      &o.name,        "NAME",   "the service's name (default: the exposed object's)" },
	{ "type",             0,   LP_OPT_STR,      &o.type,        "TYPE",   "ClusterIP (default), NodePort or LoadBalancer" },
	{ "protocol",         0,   LP_OPT_STR,      &o.protocol,    "PROTO",  "TCP (default) or UDP" },
	{ "selector",         0,   LP_OPT_STR,      &o.selector,    "LABELS", "a=b,c=d (default: the exposed object's)" },
	{ "labels",           'l', LP_OPT_STR,      &o.labels,      "LABELS", "labels of the service" },
	{ "cluster-ip",       0,   LP_OPT_STR,      &o.cluster_ip,  "ADDRESS", "its address; None: headless" },
	{ "session-affinity", 0,   LP_OPT_STR,      &o.affinity,    "KIND",   "None or ClientIP" },
	{ "dry-run",          0,   LP_OPT_STR_BARE, &o.dry_run,     "none|server|client", "say what would be done" },
	{ "output",           'o', LP_OPT_STR,      &o.output,      "FORMAT", "yaml, json or name instead of a sentence" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet expose pod|service NAME [--port=PORT] [options]",
	"Makes a service for an object's pods.",
	"limpet expose pod nodejs-app --port=3000 --type=NodePort",
};

static int
add_pairs(struct lp_context *ctx, struct lp_json *into, const char *pairs)
{
	for (const char *p = pairs; *p;) {
		size_t len = strcspn(p, ",");
		const char *equals = memchr(p, '=', len);

		if (!equals || equals == p)
			return lp_context_usage(ctx, "a=b,c=d is expected, not \"%s\"", pairs);
		(void)lp_json_set_str(&ctx->arena, into, lp_arena_mem(&ctx->arena, p, (size_t)(equals - p)),
		    lp_arena_mem(&ctx->arena, equals + 1, len - (size_t)(equals + 1 - p)));
		p += len + (p[len] == ',');
	}
	return 0;
}

static void
set_port(struct lp_arena *arena, struct lp_json *port, const char *key, const char *text)
{
	uint64_t number;

	if (lp_text_u64(text, 65535, &number) == 0)
		(void)lp_json_set_int(arena, port, key, (int64_t)number);
	else
		(void)lp_json_set_str(arena, port, key, text);
}

static void
add_port(struct lp_arena *arena, struct lp_json *ports, const char *name, int64_t number, const char *target, const char *protocol)
{
	struct lp_json *port = lp_json_append(arena, ports, lp_json_new(arena, LP_JSON_OBJECT));

	if (name)
		(void)lp_json_set_str(arena, port, "name", name);
	(void)lp_json_set_str(arena, port, "protocol", protocol ? protocol : "TCP");
	(void)lp_json_set_int(arena, port, "port", number);
	if (target)
		set_port(arena, port, "targetPort", target);
	else
		(void)lp_json_set_int(arena, port, "targetPort", number);
}

/* --port, else every port that the object serves. */
static int
add_ports(struct lp_context *ctx, struct lp_json *spec, const struct lp_json *object)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *ports = lp_json_set_array(arena, spec, "ports");
	uint64_t number;
	size_t many = 0;

	if (o.port) {
		if (lp_text_u64(o.port, 65535, &number) < 0 || number == 0)
			return lp_context_usage(ctx, "--port %s is not a port", o.port);
		add_port(arena, ports, NULL, (int64_t)number, o.target_port, o.protocol);
		return 0;
	}
	lp_json_each(container, lp_json_path(object, "spec.containers"))
		many += lp_json_count(lp_json_get(container, "ports"));
	lp_json_each(container, lp_json_path(object, "spec.containers"))
		lp_json_each(port, lp_json_get(container, "ports"))
			add_port(arena, ports, many > 1 ? lp_arena_printf(arena, "port-%zu", lp_json_count(ports) + 1) : NULL,
			    lp_json_int(port, "containerPort", 0), o.target_port, lp_json_str(port, "protocol"));
	lp_json_each(port, lp_json_path(object, "spec.ports"))
		(void)lp_json_append(arena, ports, lp_json_copy(arena, port));
	lp_json_each(port, ports)
		(void)lp_json_remove(port, "nodePort");
	return lp_json_first(ports) ? 0 : lp_context_fail(ctx, -EINVAL, "couldn't find port via --port flag or introspection");
}

static int
make_service(struct lp_context *ctx, const struct lp_kind *kind, const struct lp_json *object, struct lp_json **out)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *service = lp_object_new(arena, lp_kind_find("v1", "Service"), ctx->namespace, o.name ? o.name : lp_object_name(object));
	const struct lp_json *labels = kind->schema == LP_SCHEMA_service ? lp_json_path(object, "spec.selector") : lp_object_labels(object);
	struct lp_json *spec = lp_json_set_object(arena, service, "spec");
	int rc = 0;

	if (!o.selector && !lp_json_first(labels))
		return lp_context_fail(ctx, -EINVAL, "couldn't retrieve selectors via --selector flag or introspection: the %s has no labels and cannot be "
		    "exposed", kind->singular);
	if (o.labels)
		rc = add_pairs(ctx, lp_json_set_object(arena, lp_json_get(service, "metadata"), "labels"), o.labels);
	else if (lp_object_labels(object))
		(void)lp_json_set(arena, lp_json_get(service, "metadata"), "labels", lp_json_copy(arena, lp_object_labels(object)));
	if (rc == 0)
		rc = add_ports(ctx, spec, object);
	if (rc == 0 && o.selector)
		rc = add_pairs(ctx, lp_json_set_object(arena, spec, "selector"), o.selector);
	else
		(void)lp_json_set(arena, spec, "selector", lp_json_copy(arena, labels));
	if (o.type)
		(void)lp_json_set_str(arena, spec, "type", o.type);
	if (o.cluster_ip)
		(void)lp_json_set_str(arena, spec, "clusterIP", o.cluster_ip);
	if (o.affinity)
		(void)lp_json_set_str(arena, spec, "sessionAffinity", o.affinity);
	*out = service;
	return rc < 0 ? rc : arena->failed ? lp_err_set(&ctx->err, -ENOMEM, "expose") : 0;
}

static int
post(struct lp_context *ctx, struct lp_json *service)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Service");
	bool here = o.dry_run && !strcmp(o.dry_run, "client"), there = o.dry_run && !strcmp(o.dry_run, "server");
	const char *query = there ? "fieldManager=kubectl-expose&dryRun=All" : "fieldManager=kubectl-expose";
	struct lp_json *result = service;
	lp_auto_buf struct lp_buf out = { 0 };
	struct lp_output how;
	int rc = lp_output_parse(o.output, &how, &ctx->err);

	if (rc == 0 && !here)
		rc = lp_context_call(ctx, "POST", lp_resource_path(&ctx->arena, kind, ctx->namespace, NULL, NULL, query), NULL, service, &result);
	if (rc < 0)
		return rc;
	lp_buf_init(&out, (size_t)16 << 20);
	if (how.mode == LP_OUTPUT_TABLE || how.mode == LP_OUTPUT_WIDE)
		rc = lp_buf_printf(&out, "%s exposed%s\n", lp_resource_title(&ctx->arena, kind, lp_object_name(result)),
		    here ? " (dry run)" : there ? " (server dry run)" : "");
	else
		rc = lp_output_print(&how, &ctx->arena, result, &out, &ctx->err);
	return rc < 0 ? rc : lp_output_flush(&out, &ctx->err);
}

static int
expose(struct lp_context *ctx)
{
	struct lp_resources found;
	struct lp_json *object, *service;
	const struct lp_resource *r;
	int rc = lp_resource_parse(&ctx->arena, ctx->words, ctx->count, NULL, &found, &ctx->err);

	if (rc < 0) {
		ctx->usage = ctx->count == 0;
		return rc;
	}
	r = &found.items[0];
	if (found.count != 1 || !r->name)
		return lp_context_usage(ctx, "one TYPE and one NAME are expected");
	if (r->kind->schema != LP_SCHEMA_pod && r->kind->schema != LP_SCHEMA_service)
		return lp_context_fail(ctx, -EINVAL, "cannot expose a %s", r->kind->kind);
	rc = lp_context_connect(ctx);
	if (rc == 0)
		rc = lp_context_get(ctx, lp_resource_path(&ctx->arena, r->kind, ctx->namespace, r->name, NULL, NULL), &object);
	if (rc == 0)
		rc = make_service(ctx, r->kind, object, &service);
	return rc < 0 ? rc : post(ctx, service);
}

int
lp_expose_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, expose);
}

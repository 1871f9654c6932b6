/*
 * tools/verbs/run.c - `run NAME --image=...`: a pod from the command line.
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
	const char *image, *port, *labels, *restart, *dry_run, *output, *pull;
	struct lp_opt_list env, annotations;
	bool command, expose;
} o;

static const struct lp_opt opts[] = {
	{ "image",             0,   LP_OPT_STR,      &o.image,       "REF",       "the image to run (required)" },
	{ "port",              0,   LP_OPT_STR,      &o.port,        "PORT",      "the port the container serves" },
	{ "expose",            0,   LP_OPT_FLAG,     &o.expose,      NULL,        "make a service for it too; needs --port" },
	{ "env",               0,   LP_OPT_LIST,     &o.env,         "NAME=VALUE", "a variable of its environment; may be given again" },
	{ "labels",            'l', LP_OPT_STR,      &o.labels,      "LABELS",    "a=b,c=d (default run=NAME)" },
	{ "annotations",       0,   LP_OPT_LIST,     &o.annotations, "KEY=VALUE", "an annotation; may be given again" },
	{ "restart",           0,   LP_OPT_STR,      &o.restart,     "POLICY",    "Always (default), OnFailure or Never" },
	{ "image-pull-policy", 0,   LP_OPT_STR,      &o.pull,        "POLICY",    "Always, IfNotPresent or Never" },
	{ "command",           0,   LP_OPT_FLAG,     &o.command,     NULL,        "what follows -- replaces the image's entrypoint, not its arguments" },
	{ "dry-run",           0,   LP_OPT_STR_BARE, &o.dry_run,     "none|server|client", "say what would be done" },
	{ "output",            'o', LP_OPT_STR,      &o.output,      "FORMAT",    "yaml, json or name instead of a sentence" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet run NAME --image=REF [options] [-- ARGUMENT...]",
	"Runs an image in a pod of its own.",
	"limpet run web --image=limpet.local/nodejs-app:latest --port=3000",
};

/* "a=b" into an object's member. */
static int
add_pair(struct lp_context *ctx, struct lp_json *into, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);

	if (!equals || equals == pair)
		return lp_context_usage(ctx, "NAME=VALUE is expected, not \"%.*s\"", (int)len, pair);
	(void)lp_json_set_str(&ctx->arena, into, lp_arena_mem(&ctx->arena, pair, (size_t)(equals - pair)),
	    lp_arena_mem(&ctx->arena, equals + 1, len - (size_t)(equals + 1 - pair)));
	return 0;
}

static int
add_labels(struct lp_context *ctx, struct lp_json *metadata, const char *name)
{
	struct lp_json *labels = lp_json_set_object(&ctx->arena, metadata, "labels");
	int rc = 0;

	if (!o.labels) {
		(void)lp_json_set_str(&ctx->arena, labels, "run", name);
		return 0;
	}
	for (const char *p = o.labels; *p && rc == 0;) {
		size_t len = strcspn(p, ",");

		rc = add_pair(ctx, labels, p, len);
		p += len + (p[len] == ',');
	}
	return rc;
}

static int
add_env(struct lp_context *ctx, struct lp_json *container)
{
	struct lp_json *env = o.env.count ? lp_json_set_array(&ctx->arena, container, "env") : NULL;

	for (size_t i = 0; i < o.env.count; i++) {
		const char *pair = o.env.items[i], *equals = strchr(pair, '=');
		struct lp_json *item = lp_json_append(&ctx->arena, env, lp_json_new(&ctx->arena, LP_JSON_OBJECT));

		if (!equals || equals == pair)
			return lp_context_usage(ctx, "invalid env: %s", pair);
		(void)lp_json_set_str(&ctx->arena, item, "name", lp_arena_mem(&ctx->arena, pair, (size_t)(equals - pair)));
		(void)lp_json_set_str(&ctx->arena, item, "value", equals + 1);
	}
	return 0;
}

static int
read_port(struct lp_context *ctx, int64_t *out)
{
	uint64_t port;

	if (lp_text_u64(o.port, 65535, &port) < 0 || port == 0)
		return lp_context_usage(ctx, "--port %s is not a port", o.port);
	*out = (int64_t)port;
	return 0;
}

static int
make_container(struct lp_context *ctx, struct lp_json *spec, const char *name)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *container = lp_json_append(arena, lp_json_set_array(arena, spec, "containers"), lp_json_new(arena, LP_JSON_OBJECT));
	int64_t port;
	int rc;

	(void)lp_json_set_str(arena, container, "name", name);
	(void)lp_json_set_str(arena, container, "image", o.image);
	if (o.pull)
		(void)lp_json_set_str(arena, container, "imagePullPolicy", o.pull);
	if (ctx->count > 1) {
		struct lp_json *list = lp_json_set_array(arena, container, o.command ? "command" : "args");

		for (int i = 1; i < ctx->count; i++)
			(void)lp_json_append(arena, list, lp_json_new_str(arena, ctx->words[i]));
	}
	if (o.port) {
		rc = read_port(ctx, &port);
		if (rc < 0)
			return rc;
		struct lp_json *ports = lp_json_set_array(arena, container, "ports");

		(void)lp_json_set_int(arena, lp_json_append(arena, ports, lp_json_new(arena, LP_JSON_OBJECT)), "containerPort", port);
	}
	return add_env(ctx, container);
}

static int
make_pod(struct lp_context *ctx, const char *name, struct lp_json **out)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *pod = lp_object_new(arena, lp_kind_find("v1", "Pod"), ctx->namespace, name), *metadata, *notes, *spec;
	int rc;

	if (!pod)
		return lp_err_set(&ctx->err, -ENOMEM, "run");
	metadata = lp_json_get(pod, "metadata");
	rc = add_labels(ctx, metadata, name);
	notes = rc == 0 && o.annotations.count ? lp_json_set_object(arena, metadata, "annotations") : NULL;
	for (size_t i = 0; i < o.annotations.count && rc == 0; i++)
		rc = add_pair(ctx, notes, o.annotations.items[i], strlen(o.annotations.items[i]));
	spec = lp_json_set_object(arena, pod, "spec");
	if (rc == 0)
		rc = make_container(ctx, spec, name);
	(void)lp_json_set_str(arena, spec, "restartPolicy", o.restart ? o.restart : "Always");
	*out = pod;
	return rc < 0 ? rc : arena->failed ? lp_err_set(&ctx->err, -ENOMEM, "run") : 0;
}

static int
make_service(struct lp_context *ctx, const char *name, const struct lp_json *pod, struct lp_json **out)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *service = lp_object_new(arena, lp_kind_find("v1", "Service"), ctx->namespace, name), *spec, *port;
	int64_t number;
	int rc = read_port(ctx, &number);

	if (rc < 0 || !service)
		return rc < 0 ? rc : lp_err_set(&ctx->err, -ENOMEM, "run");
	spec = lp_json_set_object(arena, service, "spec");
	port = lp_json_append(arena, lp_json_set_array(arena, spec, "ports"), lp_json_new(arena, LP_JSON_OBJECT));
	(void)lp_json_set_int(arena, port, "port", number);
	(void)lp_json_set_int(arena, port, "targetPort", number);
	(void)lp_json_set(arena, spec, "selector", lp_json_copy(arena, lp_object_labels(pod)));
	*out = service;
	return 0;
}

static int
post(struct lp_context *ctx, const char *kind_name, struct lp_json *object)
{
	const struct lp_kind *kind = lp_kind_find("v1", kind_name);
	const char *query = "fieldManager=kubectl-run", *dry = "";
	struct lp_json *result = object;
	lp_auto_buf struct lp_buf out = { 0 };
	struct lp_output how;
	int rc = lp_output_parse(o.output, &how, &ctx->err);

	if (o.dry_run && !strcmp(o.dry_run, "client"))
		dry = " (dry run)";
	else if (o.dry_run && !strcmp(o.dry_run, "server"))
		dry = " (server dry run)";
	if (*dry && dry[2] == 's')
		query = lp_resource_query(&ctx->arena, query, "dryRun", "All");
	if (rc == 0 && (!*dry || dry[2] == 's'))
		rc = lp_context_call(ctx, "POST", lp_resource_path(&ctx->arena, kind, ctx->namespace, NULL, NULL, query), NULL, object, &result);
	if (rc < 0)
		return rc;
	lp_buf_init(&out, (size_t)16 << 20);
	if (how.mode == LP_OUTPUT_TABLE || how.mode == LP_OUTPUT_WIDE)
		rc = lp_buf_printf(&out, "%s created%s\n", lp_resource_title(&ctx->arena, kind, lp_object_name(result)), dry);
	else
		rc = lp_output_print(&how, &ctx->arena, result, &out, &ctx->err);
	return rc < 0 ? rc : lp_output_flush(&out, &ctx->err);
}

static int
run(struct lp_context *ctx)
{
	struct lp_json *pod = NULL, *service = NULL;
	int rc;

	if (!ctx->count || ctx->dash == 0)
		return lp_context_usage(ctx, "NAME is required for run");
	if (ctx->count > 1 && ctx->dash != 1)
		return lp_context_usage(ctx, "arguments of the container stand behind \"--\": %s", ctx->words[1]);
	if (!o.image)
		return lp_context_usage(ctx, "required flag(s) \"image\" not set");
	if (o.expose && !o.port)
		return lp_context_usage(ctx, "--port must be set when exposing a service");
	if (o.dry_run && strcmp(o.dry_run, "none") != 0 && strcmp(o.dry_run, "client") != 0 && strcmp(o.dry_run, "server") != 0)
		return lp_context_usage(ctx, "Invalid dry-run value (%s). Must be \"none\", \"server\", or \"client\".", o.dry_run);
	rc = lp_context_connect(ctx);
	if (rc == 0)
		rc = make_pod(ctx, ctx->words[0], &pod);
	if (rc == 0 && o.expose)
		rc = make_service(ctx, ctx->words[0], pod, &service);
	if (rc == 0 && service)
		rc = post(ctx, "Service", service);
	return rc < 0 ? rc : post(ctx, "Pod", pod);
}

int
lp_run_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, run);
}

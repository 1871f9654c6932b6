/*
 * tools/verbs/delete.c - `delete`: by name, by label, by file, and waiting until it is gone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/files.h"
#include "tools/verbs/resource.h"
#include "tools/verbs/wait.h"

static struct {
	struct lp_opt_list files;
	const char *labels, *fields, *output, *cascade;
	bool all, all_namespaces, force, now, ignore_missing, wait;
	int64_t grace_s, timeout_ms;
} o = { .wait = true, .grace_s = -1 };

static const struct lp_opt opts[] = {
	{ "filename",         'f', LP_OPT_LIST,     &o.files,          "FILE",   "what a file, a folder, or - describes" },
	{ "selector",         'l', LP_OPT_STR,      &o.labels,         "LABELS", "all objects with these labels" },
	{ "field-selector",   0,   LP_OPT_STR,      &o.fields,         "FIELDS", "all objects with these fields" },
	{ "all",              0,   LP_OPT_FLAG,     &o.all,            NULL,     "all objects of the type" },
	{ "all-namespaces",   'A', LP_OPT_FLAG,     &o.all_namespaces, NULL,     "of every namespace" },
	{ "grace-period",     0,   LP_OPT_INT,      &o.grace_s,        "SECONDS", "time to end by itself; -1: what the pod says" },
	{ "force",            0,   LP_OPT_FLAG,     &o.force,          NULL,     "do not wait for the node's word" },
	{ "now",              0,   LP_OPT_FLAG,     &o.now,            NULL,     "the same as --grace-period=1" },
	{ "wait",             0,   LP_OPT_FLAG,     &o.wait,           NULL,     "until it is gone (default; --wait=false)" },
	{ "timeout",          0,   LP_OPT_DURATION, &o.timeout_ms,     "TIME",   "how long to wait; 0: as long as it takes" },
	{ "ignore-not-found", 0,   LP_OPT_FLAG,     &o.ignore_missing, NULL,     "what is not there is no error" },
	{ "cascade",          0,   LP_OPT_STR_BARE, &o.cascade,        "background|foreground|orphan", "what becomes of dependents" },
	{ "output",           'o', LP_OPT_STR,      &o.output,         "name",   "print kind/name only" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet delete TYPE NAME... | TYPE -l LABELS | -f FILE [options]",
	"Deletes objects and waits until they are gone.",
	"limpet delete pod nodejs-app",
};

struct victim {
	const struct lp_kind *kind;
	const char *namespace, *name, *uid;
};

struct deleting {
	struct lp_context *ctx;
	struct lp_json *options;
	struct victim *victims;
	size_t count, room;
	int failed;
};

static int
add_victim(struct deleting *d, const struct lp_kind *kind, const char *namespace, const char *name, const char *uid)
{
	if (d->count == d->room) {
		size_t room = d->room ? d->room * 2 : 64;
		struct victim *more = lp_arena_alloc(&d->ctx->arena, room * sizeof(*more));

		if (!more)
			return lp_err_set(&d->ctx->err, -ENOMEM, "delete");
		if (d->count)
			memcpy(more, d->victims, d->count * sizeof(*more));
		d->victims = more;
		d->room = room;
	}
	d->victims[d->count++] = (struct victim){ kind, namespace, name, uid };
	return 0;
}

/* DeleteOptions. */
static struct lp_json *
make_options(struct lp_arena *arena)
{
	struct lp_json *options = lp_json_new(arena, LP_JSON_OBJECT);
	int64_t grace_s = o.now ? 1 : o.force && o.grace_s < 0 ? 0 : o.grace_s;
	const char *how = !o.cascade || !*o.cascade || !strcmp(o.cascade, "true") ? "background" : o.cascade;

	(void)lp_json_set_str(arena, options, "kind", "DeleteOptions");
	(void)lp_json_set_str(arena, options, "apiVersion", "v1");
	(void)lp_json_set_str(arena, options, "propagationPolicy",
	    !strcmp(how, "orphan") || !strcmp(how, "false") ? "Orphan" : !strcmp(how, "foreground") ? "Foreground" : "Background");
	if (grace_s >= 0)
		(void)lp_json_set_int(arena, options, "gracePeriodSeconds", grace_s);
	return options;
}

static int
delete_one(struct deleting *d, const struct lp_kind *kind, const char *namespace, const char *name)
{
	struct lp_arena *arena = &d->ctx->arena;
	struct lp_json *answer = NULL;
	const char *uid;
	int rc = lp_context_call(d->ctx, "DELETE", lp_resource_path(arena, kind, namespace, name, NULL, NULL), NULL, d->options, &answer);

	if (rc == -ENOENT && o.ignore_missing) {
		d->ctx->message = NULL;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (o.output && !strcmp(o.output, "name"))
		(void)printf("%s\n", lp_resource_title(arena, kind, name));
	else
		(void)printf("%s%s%s \"%s\" %s\n", kind->singular, *kind->group ? "." : "", kind->group, name, o.force ? "force deleted" : "deleted");
	(void)fflush(stdout);		/* told before the wait; a closed pipe shows at the next write */
	uid = lp_json_str(answer, "details.uid") ?: lp_object_uid(answer);
	return add_victim(d, kind, namespace, name, *uid ? uid : NULL);
}

static int
delete_listed(struct deleting *d, const struct lp_kind *kind)
{
	struct lp_arena *arena = &d->ctx->arena;
	const char *namespace = kind->namespaced && !o.all_namespaces ? d->ctx->namespace : NULL, *query = NULL;
	struct lp_json *list;
	int rc;

	if (o.labels)
		query = lp_resource_query(arena, query, "labelSelector", o.labels);
	if (o.fields)
		query = lp_resource_query(arena, query, "fieldSelector", o.fields);
	rc = lp_context_get(d->ctx, lp_resource_path(arena, kind, namespace, NULL, NULL, query), &list);
	if (rc < 0)
		return rc;
	if (!lp_json_first(lp_json_get(list, "items")))
		(void)fprintf(stderr, "No resources found\n");
	lp_json_each(item, lp_json_get(list, "items")) {
		rc = delete_one(d, kind, kind->namespaced ? lp_object_namespace(item) : NULL, lp_object_name(item));
		if (rc == -ENOENT) {
			d->ctx->message = NULL;	/* somebody else was faster */
		} else if (rc < 0) {
			lp_context_tell(d->ctx);
			d->failed = 1;
		}
	}
	return 0;
}

static int
delete_words(struct deleting *d)
{
	struct lp_context *ctx = d->ctx;
	struct lp_resources resources;
	int rc = lp_resource_parse(&ctx->arena, ctx->words, ctx->count, NULL, &resources, &ctx->err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < resources.count; i++) {
		const struct lp_resource *r = &resources.items[i];

		if (!r->name && !o.all && !o.labels && !o.fields)
			return lp_context_usage(ctx, "resource(s) were provided, but no name was specified");
		rc = r->name ? delete_one(d, r->kind, r->kind->namespaced ? ctx->namespace : NULL, r->name) : delete_listed(d, r->kind);
		if (rc < 0) {
			lp_context_tell(ctx);
			d->failed = 1;
		}
	}
	return 0;
}

static int
delete_files(struct deleting *d)
{
	struct lp_files files;
	int rc = lp_files_read(d->ctx, &o.files, &files);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < files.count; i++) {
		const struct lp_file_object *item = &files.items[i];

		rc = delete_one(d, item->kind, item->namespace, item->name);
		if (rc < 0) {
			(void)lp_context_during(d->ctx, rc, "error when deleting \"%s\"", item->source);
			lp_context_tell(d->ctx);
			d->failed = 1;
		}
	}
	return 0;
}

static int
wait_for_all(struct deleting *d)
{
	int64_t deadline_ms = o.timeout_ms > 0 ? lp_clock_boot_ms() + o.timeout_ms : 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct victim *v = &d->victims[i];
		int rc = lp_wait_gone(d->ctx, v->kind, v->namespace, v->name, v->uid, deadline_ms);

		if (rc == -ETIMEDOUT)
			return lp_context_fail(d->ctx, rc, "timed out waiting for the condition on %s/%s", v->kind->plural, v->name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
delete(struct lp_context *ctx)
{
	struct deleting d = { .ctx = ctx };
	int rc;

	if (o.force && o.grace_s > 0)
		return lp_context_usage(ctx, "--force and --grace-period greater than 0 cannot be specified together");
	if (o.force && o.grace_s <= 0)
		(void)fprintf(stderr, "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The "
		    "resource may continue to run on the cluster indefinitely.\n");
	if (o.files.count && ctx->count)
		return lp_context_usage(ctx, "when files are given, no names may be");
	if (!o.files.count && !ctx->count)
		return lp_context_usage(ctx, "you must provide one or more resources by argument or filename");
	rc = lp_context_connect(ctx);
	if (rc < 0)
		return rc;
	d.options = make_options(&ctx->arena);
	rc = o.files.count ? delete_files(&d) : delete_words(&d);
	if (rc == 0 && o.wait && !o.force)
		rc = wait_for_all(&d);
	return rc < 0 ? rc : d.failed;
}

int
lp_delete_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, delete);
}

/*
 * tools/verbs/describe.c - `describe`: the frame, what all kinds share, and the kinds without a describer of their own.
 *
 * Source  kubectl pkg/describe/describe.go: its words and order
 */
#include "tools/verbs/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/output.h"
#include "tools/verbs/resource.h"
#include "tools/verbs/tabs.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define SORT_MAX 4096
#define TREE_DEPTH_MAX 32

static struct {
	const char *labels;
	bool all_namespaces, show_events;
} o = { .show_events = true };

static const struct lp_opt opts[] = {
	{ "selector",       'l', LP_OPT_STR,  &o.labels,         "LABELS", "all objects with these labels" },
	{ "all-namespaces", 'A', LP_OPT_FLAG, &o.all_namespaces, NULL,     "of every namespace" },
	{ "show-events",    0,   LP_OPT_FLAG, &o.show_events,    NULL,     "events too (default; --show-events=false)" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet describe TYPE [NAME...] [options]",
	"Shows everything about objects, in words, with their events.",
	"limpet describe pod nodejs-app",
};

void
lp_describe_line(struct lp_describe *d, int level, const char *fmt, ...)
{
	va_list args;

	for (int i = 0; i < level; i++)
		(void)lp_buf_str(&d->text, "  ");
	va_start(args, fmt);
	(void)lp_buf_vprintf(&d->text, fmt, args);
	va_end(args);
	(void)lp_buf_char(&d->text, '\n');
}

static int
by_key(const void *a, const void *b)
{
	const struct lp_json *const *x = a, *const *y = b;

	return strcmp((*x)->key ? (*x)->key : "", (*y)->key ? (*y)->key : "");
}

/* The members of a map sorted by key. */
static size_t
sorted(struct lp_describe *d, const struct lp_json *map, const struct lp_json ***out)
{
	size_t count = lp_json_count(map), used = 0;

	if (count > SORT_MAX)
		count = SORT_MAX;
	*out = lp_arena_alloc(&d->ctx->arena, (count + 1) * sizeof(**out));
	lp_json_each(member, map)
		if (*out && used < count && strcmp(member->key ? member->key : "", LAST_APPLIED) != 0)
			(*out)[used++] = member;
	if (used)
		qsort(*out, used, sizeof(**out), by_key);
	return used;
}

/* One line: the text up to its first newline, with what was left out marked. */
static const char *
first_line(struct lp_describe *d, const char *text)
{
	size_t len = strcspn(text, "\n\r\t");

	return text[len] ? lp_arena_printf(&d->ctx->arena, "%.*s...", (int)len, text) : text;
}

void
lp_describe_map(struct lp_describe *d, int level, const char *title, const char *between, const struct lp_json *map)
{
	const struct lp_json **members;
	size_t count = sorted(d, map, &members);

	if (!count)
		lp_describe_line(d, level, "%s\t<none>", title);
	for (size_t i = 0; i < count; i++) {
		const char *value = first_line(d, lp_json_text(members[i]) ?: "");

		lp_describe_line(d, level, "%s\t%s%s%s", i ? "" : title, members[i]->key, between, value);
	}
}

const char *
lp_describe_pairs(struct lp_describe *d, const struct lp_json *map)
{
	const struct lp_json **members;
	size_t count = sorted(d, map, &members);
	const char *text = "";

	for (size_t i = 0; i < count; i++)
		text = lp_arena_printf(&d->ctx->arena, "%s%s%s=%s", text, i ? "," : "", members[i]->key, lp_json_text(members[i]) ?: "");
	return count ? text : "<none>";
}

const char *
lp_describe_time(struct lp_describe *d, const char *rfc3339)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t wall_ms;
	struct tm tm;
	time_t t;

	if (!rfc3339 || lp_clock_parse(rfc3339, &wall_ms) < 0)
		return "";
	t = (time_t)(wall_ms / 1000);
	if (!gmtime_r(&t, &tm))
		return "";
	return lp_arena_printf(&d->ctx->arena, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void
lp_describe_head(struct lp_describe *d, const struct lp_json *object)
{
	lp_describe_line(d, 0, "Name:\t%s", lp_object_name(object));
	if (*lp_object_namespace(object))
		lp_describe_line(d, 0, "Namespace:\t%s", lp_object_namespace(object));
}

/* ---- events */

static int64_t
time_of(const struct lp_json *event, const char *first, const char *second)
{
	const char *text = lp_json_str(event, first);
	int64_t ms;

	if (text && lp_clock_parse(text, &ms) == 0)
		return ms;
	text = lp_json_str(event, second);
	return text && lp_clock_parse(text, &ms) == 0 ? ms : 0;
}

static int64_t
version_of(const struct lp_json *event)
{
	int64_t version = 0;

	(void)lp_text_i64(lp_object_resource_version(event), 0, INT64_MAX, &version);	/* 0 when it is no number */
	return version;
}

static int
by_time(const void *a, const void *b)
{
	int64_t x = time_of(*(const struct lp_json *const *)a, "lastTimestamp", "eventTime");
	int64_t y = time_of(*(const struct lp_json *const *)b, "lastTimestamp", "eventTime");

	if (x == y) {			/* times are whole seconds: what was written first came first */
		x = version_of(*(const struct lp_json *const *)a);
		y = version_of(*(const struct lp_json *const *)b);
	}
	return x < y ? -1 : x > y;
}

static const char *
age(struct lp_describe *d, int64_t when_ms)
{
	char text[LP_TEXT_AGE];

	if (!when_ms)
		return "<unknown>";
	lp_text_age((d->now_ms - when_ms) / 1000, text);
	return lp_arena_str(&d->ctx->arena, text) ?: "";
}

static void
add_event(struct lp_describe *d, const struct lp_json *event)
{
	int64_t count = lp_json_int(event, "count", 1);
	const char *last = age(d, time_of(event, "lastTimestamp", "eventTime"));
	const char *from = lp_json_str(event, "source.component") ?: lp_json_str(event, "reportingComponent") ?: "";
	const char *message = lp_json_str(event, "message") ?: "";

	if (count > 1)
		last = lp_arena_printf(&d->ctx->arena, "%s (x%" PRId64 " over %s)", last, count, age(d, time_of(event, "firstTimestamp", "eventTime")));
	lp_describe_line(d, 1, "%s\t%s\t%s\t%s\t%s", lp_json_str(event, "type") ?: "", lp_json_str(event, "reason") ?: "", last, from,
	    first_line(d, message));
}

int
lp_describe_events(struct lp_describe *d, const struct lp_json *object)
{
	struct lp_arena *arena = &d->ctx->arena;
	const struct lp_json **events;
	const char *fields, *namespace = lp_object_namespace(object);
	struct lp_json *list = NULL;
	size_t count, used = 0;
	int rc;

	if (!o.show_events)
		return 0;
	fields = lp_arena_printf(arena, "involvedObject.name=%s,involvedObject.uid=%s", lp_object_name(object), lp_object_uid(object));
	rc = lp_context_get(d->ctx, lp_resource_path(arena, lp_kind_find("v1", "Event"), *namespace ? namespace : NULL, NULL, NULL,
	    lp_resource_query(arena, NULL, "fieldSelector", fields)), &list);
	if (rc < 0)
		return rc;
	count = lp_json_count(lp_json_get(list, "items"));
	if (!count) {
		lp_describe_line(d, 0, "Events:\t<none>");
		return 0;
	}
	events = lp_arena_alloc(arena, count * sizeof(*events));
	if (!events)
		return lp_err_set(&d->ctx->err, -ENOMEM, "read events");
	lp_json_each(event, lp_json_get(list, "items"))
		events[used++] = event;
	qsort(events, used, sizeof(*events), by_time);
	lp_describe_line(d, 0, "Events:");
	lp_describe_line(d, 1, "Type\tReason\tAge\tFrom\tMessage");
	lp_describe_line(d, 1, "----\t------\t----\t----\t-------");
	for (size_t i = 0; i < used; i++)
		add_event(d, events[i]);
	return 0;
}

/* ---- kinds without a describer: their document as a tree */

/* "containerPort" -> "Container Port" */
static const char *
words_of(struct lp_describe *d, const char *key)
{
	char text[256];
	size_t n = 0;

	for (const char *p = key; *p && n < sizeof(text) - 2; p++) {
		bool upper = *p >= 'A' && *p <= 'Z';

		if (upper && p > key && p[-1] >= 'a' && p[-1] <= 'z')
			text[n++] = ' ';
		text[n++] = p == key && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
	}
	text[n] = '\0';
	return lp_arena_str(&d->ctx->arena, text) ?: "";
}

static void
add_tree(struct lp_describe *d, int level, const struct lp_json *value)
{
	lp_auto_buf struct lp_buf text = { 0 };
	const char *key = value->key ? words_of(d, value->key) : "";

	if (level > TREE_DEPTH_MAX)
		return;
	if (value->type == LP_JSON_OBJECT || value->type == LP_JSON_ARRAY) {
		if (value->key)
			lp_describe_line(d, level, "%s:", key);
		lp_json_each(child, value)
			add_tree(d, level + (value->key != NULL), child);
		return;
	}
	lp_buf_init(&text, (size_t)4 << 20);
	if (value->type == LP_JSON_STRING)
		(void)lp_buf_str(&text, first_line(d, value->text));
	else
		(void)lp_json_write(&text, value);
	if (value->key)
		lp_describe_line(d, level, "%s:\t%s", key, lp_buf_text(&text));
	else
		lp_describe_line(d, level, "%s", lp_buf_text(&text));
}

/* A secret shows how long its values are, never what they are. */
static void
add_secret(struct lp_describe *d, const struct lp_json *secret)
{
	lp_describe_line(d, 0, "Type:\t%s\n\nData\n====", lp_json_str(secret, "type") ?: "");
	lp_json_each(entry, lp_json_get(secret, "data")) {
		lp_auto_buf struct lp_buf text = { 0 };

		lp_buf_init(&text, (size_t)4 << 20);
		if (lp_text_base64_decode(&text, lp_json_text(entry) ?: "", strlen(lp_json_text(entry) ?: "")) < 0)
			lp_describe_line(d, 0, "%s:\t<unreadable>", entry->key);
		else
			lp_describe_line(d, 0, "%s:\t%zu bytes", entry->key, text.len);
	}
}

static void
add_configmap(struct lp_describe *d, const struct lp_json *configmap)
{
	lp_describe_line(d, 0, "\nData\n====");
	lp_json_each(entry, lp_json_get(configmap, "data"))
		lp_describe_line(d, 0, "%s:\n----\n%s\n", entry->key, lp_json_text(entry) ?: "");
	lp_describe_line(d, 0, "\nBinaryData\n====");
	lp_json_each(entry, lp_json_get(configmap, "binaryData"))
		lp_describe_line(d, 0, "%s: %zu characters of base64", entry->key, strlen(lp_json_text(entry) ?: ""));
	lp_describe_line(d, 0, "");
}

static int
describe_other(struct lp_describe *d, const struct lp_kind *kind, const struct lp_json *object)
{
	static const char *const shown[] = { "apiVersion", "kind", "metadata" };

	lp_describe_head(d, object);
	lp_describe_map(d, 0, "Labels:", "=", lp_object_labels(object));
	lp_describe_map(d, 0, "Annotations:", ": ", lp_json_path(object, "metadata.annotations"));
	if (kind->schema == LP_SCHEMA_secret) {
		add_secret(d, object);
		return 0;
	}
	if (kind->schema == LP_SCHEMA_configmap) {
		add_configmap(d, object);
		return lp_describe_events(d, object);
	}
	lp_describe_line(d, 0, "API Version:\t%s", lp_object_api_version(object));
	lp_describe_line(d, 0, "Kind:\t%s", lp_object_kind(object));
	lp_describe_line(d, 0, "Creation Timestamp:\t%s", lp_json_str(object, "metadata.creationTimestamp") ?: "");
	lp_json_each(member, object) {
		bool done = false;

		for (size_t i = 0; i < lp_count(shown); i++)
			done |= !strcmp(member->key, shown[i]);
		if (!done)
			add_tree(d, 0, member);
	}
	return lp_describe_events(d, object);
}

/* ---- the verb */

static int
describe_one(struct lp_context *ctx, const struct lp_kind *kind, const struct lp_json *object, bool first)
{
	struct lp_describe d = { .ctx = ctx, .now_ms = lp_clock_wall_ms() };
	lp_auto_buf struct lp_buf out = { 0 };
	int rc;

	lp_buf_init(&d.text, (size_t)16 << 20);
	lp_buf_init(&out, (size_t)64 << 20);
	if (kind->schema == LP_SCHEMA_pod)
		rc = lp_describe_pod(&d, object);
	else if (kind->schema == LP_SCHEMA_node)
		rc = lp_describe_node(&d, object);
	else if (kind->schema == LP_SCHEMA_service)
		rc = lp_describe_service(&d, object);
	else
		rc = describe_other(&d, kind, object);
	if (!first)
		(void)lp_buf_str(&out, "\n\n");
	if (rc == 0 && (d.text.failed || lp_tabs_print(lp_buf_text(&d.text), &out) < 0))
		rc = lp_err_set(&ctx->err, -ENOMEM, "describe");
	lp_buf_fini(&d.text);
	return rc < 0 ? rc : lp_output_flush(&out, &ctx->err);
}

static int
describe_listed(struct lp_context *ctx, const struct lp_resource *r, bool *first)
{
	struct lp_arena *arena = &ctx->arena;
	const char *query = o.labels ? lp_resource_query(arena, NULL, "labelSelector", o.labels) : NULL;
	const char *namespace = r->kind->namespaced && !o.all_namespaces ? ctx->namespace : NULL;
	struct lp_json *answer = NULL;
	int rc = lp_context_get(ctx, lp_resource_path(arena, r->kind, namespace, r->name, NULL, r->name ? NULL : query), &answer);

	if (rc == 0 && r->name) {
		rc = describe_one(ctx, r->kind, answer, *first);
		*first = false;
		return rc;
	}
	lp_json_each(item, lp_json_get(answer, "items")) {
		if (rc == 0)
			rc = describe_one(ctx, r->kind, item, *first);
		*first = false;
	}
	return rc;
}

static int
describe(struct lp_context *ctx)
{
	struct lp_resources found;
	bool first = true;
	int rc = lp_resource_parse(&ctx->arena, ctx->words, ctx->count, NULL, &found, &ctx->err), failed = 0;

	if (rc < 0) {
		ctx->usage = ctx->count == 0;
		return rc;
	}
	rc = lp_context_connect(ctx);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < found.count; i++) {
		if (describe_listed(ctx, &found.items[i], &first) < 0) {
			lp_context_tell(ctx);
			failed = 1;
		}
	}
	if (first && !failed)
		(void)fprintf(stderr, "No resources found%s%s%s\n", o.all_namespaces ? "" : " in ", o.all_namespaces ? "" : ctx->namespace,
		    o.all_namespaces ? "" : " namespace.");
	return failed;
}

int
lp_describe_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, describe);
}

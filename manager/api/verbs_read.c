/*
 * manager/api/verbs_read.c - get and list (verbs.h).
 *
 * Pages   a continue token names the revision of the first page and the last object told. Later pages show the present objects
 *         behind it under that first revision: whoever watches from there is told of every change in between
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "manager/api/filter.h"
#include "manager/api/verbs.h"
#include "specs/print.h"

struct page {
	int64_t revision;
	size_t from, to;		/* of the objects that belong */
	size_t remaining;
	const char *token;		/* NULL: the last page */
};

/* ---- continue tokens: base64url of {"v":"meta.k8s.io/v1","rv":N,"start":"ns/name"} */

static const char *
make_token(struct lp_arena *arena, int64_t revision, const struct lp_cached *last)
{
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);
	lp_auto_buf struct lp_buf text;
	lp_auto_buf struct lp_buf token;

	lp_buf_init(&text, 4096);
	lp_buf_init(&token, 8192);
	lp_json_set_str(arena, json, "v", "meta.k8s.io/v1");
	lp_json_set_int(arena, json, "rv", revision);
	lp_json_set_str(arena, json, "start", lp_arena_printf(arena, "%s/%s", last->namespace, last->name));
	if (arena->failed || lp_json_write(&text, json) < 0 || lp_text_base64url_encode(&token, text.data, text.len) < 0) {
		arena->failed = true;
		return NULL;
	}
	return lp_arena_str(arena, token.data);
}

/* The revision of the first page, and namespace and name of the last object told. */
static int
read_token(struct lp_arena *arena, const char *token, int64_t *out_revision, char **out_namespace, const char **out_name)
{
	lp_auto_buf struct lp_buf text;
	struct lp_json *json;
	char *start, *slash;

	lp_buf_init(&text, 4096);
	if (lp_text_base64url_decode(&text, token, strlen(token)) < 0 ||
	    lp_json_parse(arena, lp_buf_text(&text), text.len, NULL, &json, NULL) < 0)
		return -EINVAL;
	start = lp_arena_str(arena, lp_json_str(json, "start"));
	slash = start ? strchr(start, '/') : NULL;
	*out_revision = lp_json_int(json, "rv", 0);
	if (!slash || *out_revision <= 0 || !lp_text_same(lp_json_str(json, "v"), "meta.k8s.io/v1"))
		return -EINVAL;
	*slash = '\0';
	*out_namespace = start;
	*out_name = slash + 1;
	return 0;
}

static int
too_old(struct lp_request *request)
{
	lp_request_refuse(request, lp_status_make(&request->arena, 410, "Expired",
	    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
	    "continue parameter."));
	return -EINVAL;
}

/* Which of the objects this answer shows. */
static int
read_page(struct lp_request *request, struct lp_cached **list, size_t count, bool selected, struct page *out)
{
	const struct lp_cache *cache = request->manager->cache;
	const char *token = lp_request_query(request, "continue");
	int64_t limit = lp_request_query_int(request, "limit", 0);
	struct lp_err err;

	*out = (struct page){ .revision = lp_cache_revision(cache), .to = count };
	if (token && *token) {
		const char *name;
		char *namespace;

		if (read_token(&request->arena, token, &out->revision, &namespace, &name) < 0) {
			lp_err_say(&err, -EINVAL, "continue key is not valid: it is not a token of this server");
			lp_request_fail(request, 400, &err);
			return -EINVAL;
		}
		if (out->revision < lp_cache_history_floor(cache))
			return too_old(request);
		while (out->from < count) {
			int order = strcmp(list[out->from]->namespace, namespace);

			if (order > 0 || (order == 0 && strcmp(list[out->from]->name, name) > 0))
				break;
			out->from++;
		}
	}
	if (limit > 0 && count - out->from > (size_t)limit) {
		out->to = out->from + (size_t)limit;
		out->token = make_token(&request->arena, out->revision, list[out->to - 1]);
		out->remaining = selected ? 0 : count - out->to;
	}
	return 0;
}

/* ---- writing the answer */

static void
write_metadata(struct lp_buf *out, const struct page *page)
{
	lp_buf_printf(out, "\"metadata\":{\"resourceVersion\":\"%" PRId64 "\"", page->revision);
	if (page->token)
		lp_buf_printf(out, ",\"continue\":\"%s\"", page->token);
	if (page->token && page->remaining)
		lp_buf_printf(out, ",\"remainingItemCount\":%zu", page->remaining);
	lp_buf_char(out, '}');
}

static void
write_json(struct lp_buf *out, struct lp_arena *arena, const struct lp_json *value)
{
	if (!value || arena->failed)
		out->failed = -ENOMEM;
	else
		lp_json_write(out, value);
}

static void
write_rows(struct lp_buf *out, const struct lp_kind *kind, struct lp_cached *const *list, size_t count,
    enum lp_print_include include)
{
	int64_t now_ms = lp_clock_wall_ms();

	for (size_t i = 0; i < count; i++) {
		lp_auto_arena struct lp_arena arena;

		lp_arena_init(&arena, 64 << 20);
		if (i > 0)
			lp_buf_char(out, ',');
		write_json(out, &arena, lp_print_row(&arena, kind, lp_cached_json(list[i]), include, now_ms));
	}
}

static void
write_table(struct lp_buf *out, struct lp_request *request, struct lp_cached *const *list, const struct page *page)
{
	lp_buf_str(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",");
	write_metadata(out, page);
	lp_buf_str(out, ",\"columnDefinitions\":");
	write_json(out, &request->arena, lp_print_columns(&request->arena, request->kind));
	lp_buf_str(out, ",\"rows\":[");
	write_rows(out, request->kind, list + page->from, page->to - page->from, lp_filter_include(request));
	lp_buf_str(out, "]}\n");
}

static void
write_items(struct lp_buf *out, struct lp_request *request, struct lp_cached *const *list, const struct page *page,
    enum lp_filter_form form)
{
	const struct lp_kind *kind = request->kind;
	char version[LP_KIND_TEXT];

	if (form == LP_FILTER_PARTIAL)
		lp_buf_str(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",");
	else
		lp_buf_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",", kind->kind, lp_kind_api_version(kind, version));
	write_metadata(out, page);
	lp_buf_str(out, ",\"items\":[");
	for (size_t i = page->from; i < page->to; i++) {
		lp_auto_arena struct lp_arena arena;

		lp_arena_init(&arena, 64 << 20);
		if (i > page->from)
			lp_buf_char(out, ',');
		if (form == LP_FILTER_PARTIAL)
			write_json(out, &arena, lp_print_partial(&arena, lp_cached_json(list[i])));
		else
			lp_buf_add(out, list[i]->text, list[i]->len);
	}
	lp_buf_str(out, "]}\n");
}

static void
send(struct lp_request *request, const struct lp_buf *text)
{
	struct lp_err err;

	if (text->failed) {
		lp_err_say(&err, text->failed, "Internal error occurred: out of memory");
		lp_request_fail(request, 500, &err);
		return;
	}
	lp_request_reply_text(request, 200, text->data, text->len);
}

/* A list may ask for one that is not older than a version; a version from the future cannot be had. */
static int
check_version(struct lp_request *request)
{
	int64_t wanted = lp_request_query_int(request, "resourceVersion", 0), now = lp_cache_revision(request->manager->cache);
	struct lp_json *status;

	if (wanted <= now)
		return 0;
	status = lp_status_make(&request->arena, 504, "Timeout", lp_arena_printf(&request->arena,
	    "Timeout: Too large resource version: %" PRId64 ", current: %" PRId64, wanted, now));
	if (status) {
		struct lp_json *details = lp_json_need_object(&request->arena, status, "details");

		lp_json_set_int(&request->arena, details, "retryAfterSeconds", 1);
		lp_status_cause(&request->arena, status, "ResourceVersionTooLarge", "Too large resource version", "");
	}
	lp_request_refuse(request, status);
	return -EINVAL;
}

void
lp_verbs_list(struct lp_request *request)
{
	enum lp_filter_form form;
	struct lp_filter filter;
	struct lp_cached **list;
	struct page page;
	lp_auto_buf struct lp_buf text;
	size_t count;

	lp_buf_init(&text, SIZE_MAX / 4);
	if (lp_filter_accept(request, &form) < 0 || lp_filter_read(request, &filter) < 0 || check_version(request) < 0)
		return;
	list = lp_filter_list(&filter, request->manager->cache, &request->arena, &count);
	if (read_page(request, list, count, filter.labels.first || filter.fields.first, &page) < 0)
		return;
	if (request->arena.failed)
		text.failed = -ENOMEM;
	else if (form == LP_FILTER_TABLE)
		write_table(&text, request, list, &page);
	else
		write_items(&text, request, list, &page, form);
	send(request, &text);
}

void
lp_verbs_get(struct lp_request *request)
{
	struct lp_cached *object = lp_cache_find(request->manager->cache, request->kind, request->asked.namespace,
	    request->asked.name);
	struct page page = { .to = 1 };
	enum lp_filter_form form;
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, SIZE_MAX / 4);
	if (lp_filter_accept(request, &form) < 0)
		return;
	if (!object) {
		lp_request_refuse(request, lp_status_not_found(&request->arena, request->kind, request->asked.name));
		return;
	}
	page.revision = object->revision;
	switch (form) {
	case LP_FILTER_TABLE:
		write_table(&text, request, &object, &page);
		break;
	case LP_FILTER_PARTIAL:
		write_json(&text, &request->arena, lp_print_partial(&request->arena, lp_cached_json(object)));
		break;
	case LP_FILTER_PLAIN:
		lp_buf_add(&text, object->text, object->len);
		lp_buf_char(&text, '\n');
		break;
	}
	send(request, &text);
}

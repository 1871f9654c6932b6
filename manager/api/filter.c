#include "manager/api/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int
lp_filter_read(struct lp_request *request, struct lp_filter *out)
{
	struct lp_err err = { 0 };

	out->kind = request->kind;
	out->namespace = request->asked.namespace;
	if (lp_selector_labels(&request->arena, lp_request_query(request, "labelSelector"), &out->labels, &err) < 0 ||
	    lp_selector_fields(&request->arena, request->kind, lp_request_query(request, "fieldSelector"), &out->fields, &err) < 0) {
		lp_request_fail(request, 400, &err);
		return -EINVAL;
	}
	return 0;
}

static bool
fields_match(const struct lp_filter *filter, struct lp_cached *object)
{
	const char *name;

	if (!filter->fields.first)
		return !filter->fields.nothing;
	name = lp_selector_pinned(&filter->fields, "metadata.name");
	if (name && strcmp(name, object->name) != 0)
		return false;		/* the common case needs no parsed form */
	return lp_selector_match_fields(&filter->fields, lp_cached_json(object));
}

bool
lp_filter_match(const struct lp_filter *filter, struct lp_cached *object)
{
	if (object->kind != filter->kind || (filter->namespace && strcmp(filter->namespace, object->namespace) != 0))
		return false;
	if (!fields_match(filter, object))
		return false;
	if (!filter->labels.first)
		return !filter->labels.nothing;
	return lp_selector_match_labels(&filter->labels, lp_json_path(lp_cached_json(object), "metadata.labels"));
}

static int
compare(const void *a, const void *b)
{
	const struct lp_cached *left = *(struct lp_cached *const *)a, *right = *(struct lp_cached *const *)b;
	int order = strcmp(left->namespace, right->namespace);

	return order ? order : strcmp(left->name, right->name);
}

/* The fewest objects to look at. *out_sorted says whether they stand in order. */
static struct lp_cached *const *
candidates(const struct lp_filter *filter, const struct lp_cache *cache, size_t *out_count, bool *out_sorted)
{
	const char *node = lp_selector_pinned(&filter->fields, "spec.nodeName");
	const char *uid = lp_selector_pinned(&filter->fields, "involvedObject.uid");

	*out_sorted = false;
	if (node && *node && strcmp(filter->kind->kind, "Pod") == 0)
		return lp_cache_indexed(cache, LP_CACHE_BY_NODE, node, out_count);
	if (uid && *uid && strcmp(filter->kind->kind, "Event") == 0)
		return lp_cache_indexed(cache, LP_CACHE_BY_INVOLVED, uid, out_count);
	*out_sorted = true;
	return lp_cache_list(cache, filter->kind, filter->namespace, out_count);
}

struct lp_cached **
lp_filter_list(const struct lp_filter *filter, const struct lp_cache *cache, struct lp_arena *arena, size_t *out_count)
{
	const char *name = lp_selector_pinned(&filter->fields, "metadata.name");
	struct lp_cached *const *from, *one;
	struct lp_cached **list;
	size_t count;
	bool sorted;

	*out_count = 0;
	if (name && (filter->namespace || !filter->kind->namespaced)) {
		one = lp_cache_find(cache, filter->kind, filter->namespace, name);
		from = &one;
		count = one ? 1 : 0;
		sorted = true;
	} else {
		from = candidates(filter, cache, &count, &sorted);
	}
	list = count ? lp_arena_alloc(arena, count * sizeof(struct lp_cached *)) : NULL;
	for (size_t i = 0; list && i < count; i++)
		if (lp_filter_match(filter, from[i]))
			list[(*out_count)++] = from[i];
	if (!sorted && *out_count > 1)
		qsort(list, *out_count, sizeof(struct lp_cached *), compare);
	return list;
}

/* ---- the form of the answer */

static bool
has_parameter(const char *range, size_t len, const char *parameter)
{
	const char *at = memmem(range, len, parameter, strlen(parameter));
	size_t end = at ? (size_t)(at - range) + strlen(parameter) : 0;

	return at && (end == len || range[end] == ';' || range[end] == ' ');
}

int
lp_filter_accept(struct lp_request *request, enum lp_filter_form *out)
{
	const char *accept = lp_http_headers_get(&request->call->headers, "accept");
	struct lp_err err;

	*out = LP_FILTER_PLAIN;
	if (!accept || !*accept)
		return 0;
	for (const char *range = accept; *range;) {
		size_t len = strcspn(range, ",");

		while (len > 0 && *range == ' ') {
			range++;
			len--;
		}
		if (strncmp(range, "application/json", 16) == 0 && has_parameter(range, len, "as=Table")) {
			*out = LP_FILTER_TABLE;
			return 0;
		}
		if (strncmp(range, "application/json", 16) == 0 && (has_parameter(range, len, "as=PartialObjectMetadata") ||
		    has_parameter(range, len, "as=PartialObjectMetadataList"))) {
			*out = LP_FILTER_PARTIAL;
			return 0;
		}
		if (strncmp(range, "application/json", 16) == 0 || strncmp(range, "*/*", 3) == 0 ||
		    strncmp(range, "application/*", 13) == 0)
			return 0;
		range += len + (range[len] == ',');
	}
	lp_err_say(&err, -EINVAL, "only the following media types are accepted: application/json, "
	    "application/json;as=Table;v=v1;g=meta.k8s.io");
	lp_request_fail(request, 406, &err);
	return -EINVAL;
}

enum lp_print_include
lp_filter_include(struct lp_request *request)
{
	const char *include = lp_request_query(request, "includeObject");

	if (lp_text_same(include, "None"))
		return LP_PRINT_NONE;
	return lp_text_same(include, "Object") ? LP_PRINT_OBJECT : LP_PRINT_METADATA;
}

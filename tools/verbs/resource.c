#include "tools/verbs/resource.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/text.h"
#include "wire/http.h"

static int
add(struct lp_resources *out, const struct lp_kind *kind, const char *name, struct lp_err *err)
{
	if (out->count == LP_RESOURCE_MAX)
		return lp_err_say(err, -E2BIG, "more than %d resources in one command", LP_RESOURCE_MAX);
	if (out->count && out->items[0].kind != kind)
		out->several_kinds = true;
	out->items[out->count++] = (struct lp_resource){ kind, name };
	return 0;
}

static int
find_kind(const char *word, const struct lp_kind **out, struct lp_err *err)
{
	*out = lp_kind_by_word(word);
	if (!*out || ((*out)->verbs & LP_KIND_LOCAL))
		return lp_err_say(err, -EINVAL, "the server doesn't have a resource type \"%.100s\"", word);
	return 0;
}

/* "pods,svc" or "all". */
static int
add_kinds(struct lp_arena *arena, const char *words, struct lp_resources *out, struct lp_err *err)
{
	while (*words) {
		size_t len = strcspn(words, ",");
		const char *word = lp_arena_mem(arena, words, len);
		const struct lp_kind *kind;
		int rc = 0;

		if (!word)
			return lp_err_set(err, -ENOMEM, "read the command");
		if (!strcmp(word, "all")) {
			out->several_kinds = true;
			for (size_t i = 0; rc == 0 && (kind = lp_kind_at(i)); i++)
				if (!strcmp(kind->category, "all"))
					rc = add(out, kind, NULL, err);
		} else {
			rc = find_kind(word, &kind, err);
			if (rc == 0)
				rc = add(out, kind, NULL, err);
		}
		if (rc < 0)
			return rc;
		words += len + (words[len] == ',');
	}
	return 0;
}

static int
add_pair(struct lp_arena *arena, const char *word, struct lp_resources *out, struct lp_err *err)
{
	const char *slash = strchr(word, '/');
	const char *type;
	const struct lp_kind *kind;
	int rc;

	if (!slash)
		return lp_err_say(err, -EINVAL, "there is no need to specify a resource type as a separate argument when passing arguments in "
		    "resource/name form (e.g. 'limpet get resource/<resource_name>' instead of 'limpet get resource resource/<resource_name>'");
	if (!slash[1] || strchr(slash + 1, '/'))
		return lp_err_say(err, -EINVAL, "arguments in resource/name form may not have more than one slash, and need a name: %.100s", word);
	type = lp_arena_mem(arena, word, (size_t)(slash - word));
	if (!type)
		return lp_err_set(err, -ENOMEM, "read the command");
	rc = find_kind(type, &kind, err);
	return rc < 0 ? rc : add(out, kind, slash + 1, err);
}

int
lp_resource_parse(struct lp_arena *arena, const char *const *words, int count, const struct lp_kind *fallback, struct lp_resources *out,
    struct lp_err *err)
{
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (count == 0)
		return lp_err_say(err, -EINVAL, "You must specify the type of resource to work on");
	if (strchr(words[0], '/')) {
		for (int i = 0; i < count && rc == 0; i++)
			rc = add_pair(arena, words[i], out, err);
		return rc;
	}
	if (fallback) {
		for (int i = 0; i < count && rc == 0; i++)
			rc = add(out, fallback, words[i], err);
		return rc;
	}
	rc = add_kinds(arena, words[0], out, err);
	if (rc < 0 || count == 1)
		return rc;
	struct lp_resources kinds = *out;

	out->count = 0;
	for (size_t k = 0; k < kinds.count && rc == 0; k++)
		for (int i = 1; i < count && rc == 0; i++)
			rc = add(out, kinds.items[k].kind, words[i], err);
	return rc;
}

const char *
lp_resource_path(struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name, const char *sub,
    const char *query)
{
	lp_auto_buf struct lp_buf path;

	lp_buf_init(&path, 16384);
	if (*kind->group)
		(void)lp_buf_printf(&path, "/apis/%s/%s", kind->group, kind->version);
	else
		(void)lp_buf_printf(&path, "/api/%s", kind->version);
	if (kind->namespaced && namespace) {
		(void)lp_buf_str(&path, "/namespaces/");
		(void)lp_http_escape(&path, namespace);
	}
	(void)lp_buf_printf(&path, "/%s", kind->plural);
	if (name) {
		(void)lp_buf_char(&path, '/');
		(void)lp_http_escape(&path, name);
	}
	if (sub)
		(void)lp_buf_printf(&path, "/%s", sub);
	if (query && *query)
		(void)lp_buf_printf(&path, "?%s", query);
	return path.failed ? NULL : lp_arena_str(arena, path.data);
}

const char *
lp_resource_query(struct lp_arena *arena, const char *query, const char *key, const char *value)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 16384);
	(void)lp_buf_printf(&text, "%s%s%s=", query ? query : "", query && *query ? "&" : "", key);
	(void)lp_http_escape(&text, value);
	return text.failed ? NULL : lp_arena_str(arena, text.data);
}

const char *
lp_resource_title(struct lp_arena *arena, const struct lp_kind *kind, const char *name)
{
	if (*kind->group)
		return lp_arena_printf(arena, "%s.%s/%s", kind->singular, kind->group, name);
	return lp_arena_printf(arena, "%s/%s", kind->singular, name);
}

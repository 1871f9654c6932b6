#include "tools/verbs/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/yaml.h"

#define TEXT_MAX ((size_t)64 << 20)
#define PATH_MAX_BYTES 65536

struct reading {
	struct lp_context *ctx;
	struct lp_files *out;
	int dir_fd;
	const char *dir;
};

/* Keys that stand more than once: what was written first is lost, so its author hears of it. */
static void
warn_of_duplicates(const char *source, const struct lp_json *value, struct lp_buf *path)
{
	size_t len = path->len;
	size_t index = 0;

	lp_json_each(child, value) {
		if (child->key)
			(void)lp_buf_printf(path, "%s%s", len ? "." : "", child->key);	/* sticky: too long a path is told short */
		else
			(void)lp_buf_printf(path, "[%zu]", index++);
		if (child->duplicate)
			(void)fprintf(stderr, "Warning: %s: \"%s\" stands more than once, the last one counts\n", source, lp_buf_text(path));
		warn_of_duplicates(source, child, path);
		path->len = len;
		if (path->data)
			path->data[len] = '\0';
	}
}

static int
add(struct lp_context *ctx, struct lp_files *files, const char *source, struct lp_json *object)
{
	static const char *const texts[] = { "name", "generateName", "namespace" };
	struct lp_file_object *item;
	const struct lp_kind *kind = lp_object_kind_of(object);
	const char *namespace = lp_object_namespace(object);

	if (!kind || (kind->verbs & LP_KIND_LOCAL)) {
		if (!*lp_object_kind(object) || !*lp_object_api_version(object))
			return lp_context_fail(ctx, -EINVAL, "error validating \"%s\": %s not set", source,
			    *lp_object_kind(object) ? "apiVersion" : "kind");
		return lp_context_fail(ctx, -EINVAL, "unable to recognize \"%s\": no matches for kind \"%s\" in version \"%s\"", source,
		    lp_object_kind(object), lp_object_api_version(object));
	}
	if (lp_json_get(object, "metadata") && lp_json_get(object, "metadata")->type != LP_JSON_OBJECT)
		return lp_context_fail(ctx, -EINVAL, "error when reading \"%s\": %s: metadata must be an object (name: ...)", source,
		    lp_object_kind(object));
	for (size_t i = 0; i < lp_count(texts); i++) {
		const struct lp_json *value = lp_json_get(lp_json_get(object, "metadata"), texts[i]);

		if (value && value->type != LP_JSON_STRING && value->type != LP_JSON_NULL)
			return lp_context_fail(ctx, -EINVAL, "error when reading \"%s\": %s: metadata.%s must be text: put it in quotes", source,
			    lp_object_kind(object), texts[i]);
	}
	if (!*lp_object_name(object) && !*lp_object_generate_name(object))
		return lp_context_fail(ctx, -EINVAL, "error when reading \"%s\": resource name may not be empty", source);
	if (kind->namespaced && ctx->namespace_given && *namespace && strcmp(namespace, ctx->namespace) != 0)
		return lp_context_fail(ctx, -EINVAL, "the namespace from the provided object \"%s\" does not match the namespace \"%s\". You must pass "
		    "'--namespace=%s' to perform this operation.", namespace, ctx->namespace, namespace);
	if (files->count == files->room) {
		size_t room = files->room ? files->room * 2 : 64;
		struct lp_file_object *more = lp_arena_alloc(&ctx->arena, room * sizeof(*more));

		if (!more)
			return lp_err_set(&ctx->err, -ENOMEM, "read %.100s", source);
		if (files->count)
			memcpy(more, files->items, files->count * sizeof(*more));
		files->items = more;
		files->room = room;
	}
	item = &files->items[files->count++];
	item->source = source;
	item->kind = kind;
	item->object = object;
	item->namespace = !kind->namespaced ? NULL : *namespace ? namespace : ctx->namespace;
	item->name = lp_object_name(object);
	return 0;
}

static int
add_document(struct lp_context *ctx, struct lp_files *files, const char *source, struct lp_json *document)
{
	struct lp_json *items = lp_json_get(document, "items"), *next;
	int rc = 0;

	if (!lp_text_ends(lp_object_kind(document), "List") || !items)
		return add(ctx, files, source, document);
	for (struct lp_json *item = lp_json_first(items); item && rc == 0; item = next) {
		next = item->next;
		rc = add(ctx, files, source, lp_json_copy(&ctx->arena, item));
	}
	return rc;
}

static int
add_text(struct lp_context *ctx, struct lp_files *files, const char *source, int fd)
{
	static const struct lp_json_limits limits = { TEXT_MAX, 64, 4000000 };
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_json *documents = NULL, *next;
	int rc;

	lp_buf_init(&text, TEXT_MAX);
	rc = lp_path_read_fd(fd, &text, &ctx->err);
	if (rc == 0)
		rc = lp_yaml_parse(&ctx->arena, lp_buf_text(&text), text.len, &limits, &documents, &ctx->err);
	if (rc < 0)
		return lp_context_fail(ctx, rc, "error parsing %s: %s", source, ctx->err.text);
	for (struct lp_json *document = lp_json_first(documents); document && rc == 0; document = next) {
		next = document->next;
		lp_auto_buf struct lp_buf path = { 0 };

		lp_buf_init(&path, PATH_MAX_BYTES);
		warn_of_duplicates(source, document, &path);
		if (document->type != LP_JSON_OBJECT)
			return lp_context_fail(ctx, -EINVAL, "error parsing %s: a document in it is no object (kind, apiVersion, metadata ...)", source);
		rc = add_document(ctx, files, source, lp_json_copy(&ctx->arena, document));
	}
	return rc;
}

static int
add_file(struct lp_context *ctx, struct lp_files *files, int dir_fd, const char *name, const char *source)
{
	lp_auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return lp_context_fail(ctx, -errno, "the path \"%s\" %s", source, errno == ENOENT ? "does not exist" : lp_err_words(-errno));
	return add_text(ctx, files, source, fd);
}

static int
add_from_folder(void *arg, const char *name)
{
	struct reading *r = arg;

	if (!lp_text_ends(name, ".yaml") && !lp_text_ends(name, ".yml") && !lp_text_ends(name, ".json"))
		return 0;
	return add_file(r->ctx, r->out, r->dir_fd, name, lp_arena_printf(&r->ctx->arena, "%s/%s", r->dir, name));
}

static int
add_name(struct lp_context *ctx, struct lp_files *files, const char *name)
{
	lp_auto_fd int fd = -1;
	struct stat st;

	if (!strcmp(name, "-"))
		return add_text(ctx, files, "STDIN", STDIN_FILENO);
	if (lp_text_starts(name, "http://") || lp_text_starts(name, "https://"))
		return lp_context_fail(ctx, -ENOTSUP, "-f %s: addresses are not supported; fetch the file first", name);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return add_file(ctx, files, AT_FDCWD, name, name);
	struct reading reading = { ctx, files, fd, name };

	return lp_path_each(fd, add_from_folder, &reading, &ctx->err);
}

int
lp_files_read(struct lp_context *ctx, const struct lp_opt_list *names, struct lp_files *out)
{
	int rc = lp_context_connect(ctx);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < names->count && rc == 0; i++)
		rc = add_name(ctx, out, names->items[i]);
	if (rc == 0 && out->count == 0)
		return lp_context_fail(ctx, -EINVAL, "no objects passed to this command");
	return rc;
}

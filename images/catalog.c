#include "images/catalog.h"

#include <errno.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/state.h"
#include "base/text.h"

#define NAME "index"
#define SCHEMA 1
#define SIZE_MAX_BYTES ((size_t)8 << 20)
#define ARENA_MAX ((size_t)64 << 20)

int
lp_catalog_init(struct lp_catalog *catalog, struct lp_err *err)
{
	lp_arena_init(&catalog->arena, ARENA_MAX);
	catalog->images = lp_json_new(&catalog->arena, LP_JSON_ARRAY);
	catalog->layers = lp_json_new(&catalog->arena, LP_JSON_ARRAY);
	if (!catalog->arena.failed)
		return 0;
	lp_catalog_fini(catalog);
	return lp_err_set(err, -ENOMEM, "image index");
}

void
lp_catalog_fini(struct lp_catalog *catalog)
{
	lp_arena_fini(&catalog->arena);
	catalog->images = catalog->layers = NULL;
}

static int
check_image(const struct lp_catalog *catalog, const struct lp_json *image)
{
	if (lp_digest_parse(lp_json_str(image, "digest") ?: "", NULL) < 0 || lp_digest_parse(lp_json_str(image, "config") ?: "", NULL) < 0)
		return -EBADMSG;
	lp_json_each(layer, lp_json_get(image, "layers"))
		if (!lp_json_text(layer) || !lp_catalog_layer(catalog, lp_json_text(layer)))
			return -EBADMSG;
	lp_json_each(name, lp_json_get(image, "names"))
		if (!lp_json_text(name))
			return -EBADMSG;
	return 0;
}

static int
check(const struct lp_catalog *catalog)
{
	lp_json_each(layer, catalog->layers)
		if (lp_digest_parse(lp_json_str(layer, "digest") ?: "", NULL) < 0)
			return -EBADMSG;
	lp_json_each(image, catalog->images)
		if (check_image(catalog, image) < 0)
			return -EBADMSG;
	return 0;
}

int
lp_catalog_read(struct lp_catalog *catalog, int dir_fd, struct lp_err *err)
{
	static const struct lp_json_limits limits = { SIZE_MAX_BYTES, 8, 1000000 };
	lp_auto_buf struct lp_buf text;
	struct lp_json *root;
	int rc;

	lp_buf_init(&text, SIZE_MAX_BYTES);
	rc = lp_state_read(dir_fd, NAME, SCHEMA, &text, NULL, err);
	if (rc == -ENOENT) {
		lp_err_clear(err);
		return lp_catalog_init(catalog, err);
	}
	if (rc < 0)
		return lp_err_wrap(err, "image index");
	rc = lp_catalog_init(catalog, err);
	if (rc < 0)
		return rc;
	rc = lp_json_parse(&catalog->arena, lp_buf_text(&text), text.len, &limits, &root, err);
	if (rc == 0) {
		catalog->images = lp_json_need_array(&catalog->arena, root, "images");
		catalog->layers = lp_json_need_array(&catalog->arena, root, "layers");
		rc = catalog->arena.failed ? lp_err_set(err, -ENOMEM, "image index") : check(catalog);
		if (rc == -EBADMSG)
			(void)lp_err_say(err, rc, "image index: not of the form we write");
	}
	if (rc < 0)
		lp_catalog_fini(catalog);
	return rc;
}

int
lp_catalog_write(struct lp_catalog *catalog, int dir_fd, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, SIZE_MAX_BYTES);
	if (catalog->arena.failed)
		return lp_err_set(err, -ENOMEM, "image index");
	(void)lp_buf_str(&text, "{\"images\":");
	(void)lp_json_write(&text, catalog->images);
	(void)lp_buf_str(&text, ",\"layers\":");
	(void)lp_json_write(&text, catalog->layers);
	if (lp_buf_str(&text, "}") < 0)
		return lp_err_set(err, text.failed, "image index");
	return lp_state_write(dir_fd, NAME, SCHEMA, text.data, text.len, err);
}

struct lp_json *
lp_catalog_by_digest(const struct lp_catalog *catalog, const char *digest)
{
	lp_json_each(image, catalog->images)
		if (lp_text_same(lp_json_str(image, "digest"), digest) || lp_text_same(lp_json_str(image, "config"), digest))
			return image;
	return NULL;
}

static struct lp_json *
find_name(const struct lp_json *image, const char *name)
{
	lp_json_each(child, lp_json_get(image, "names"))
		if (lp_text_same(lp_json_text(child), name))
			return child;
	return NULL;
}

struct lp_json *
lp_catalog_by_name(const struct lp_catalog *catalog, const char *name)
{
	lp_json_each(image, catalog->images)
		if (find_name(image, name))
			return image;
	return NULL;
}

struct lp_json *
lp_catalog_layer(const struct lp_catalog *catalog, const char *diff_id)
{
	lp_json_each(layer, catalog->layers)
		if (lp_text_same(lp_json_str(layer, "digest"), diff_id))
			return layer;
	return NULL;
}

struct lp_json *
lp_catalog_add(struct lp_catalog *catalog, const char *digest, const char *config, const char *created, const char *loaded,
    const char *const *diff_ids, size_t count)
{
	struct lp_arena *arena = &catalog->arena;
	struct lp_json *image = lp_catalog_by_digest(catalog, digest), *layers;

	if (image && lp_text_same(lp_json_str(image, "digest"), digest))
		return image;
	image = lp_json_append(arena, catalog->images, lp_json_new(arena, LP_JSON_OBJECT));
	(void)lp_json_set_str(arena, image, "digest", digest);
	(void)lp_json_set_str(arena, image, "config", config);
	(void)lp_json_set_str(arena, image, "created", created);
	(void)lp_json_set_str(arena, image, "loaded", loaded);
	(void)lp_json_set_array(arena, image, "names");
	layers = lp_json_set_array(arena, image, "layers");
	for (size_t i = 0; i < count; i++)
		(void)lp_json_append(arena, layers, lp_json_new_str(arena, diff_ids[i]));
	return image;
}

void
lp_catalog_add_layer(struct lp_catalog *catalog, const char *diff_id, uint64_t size_bytes, const char *tree)
{
	struct lp_arena *arena = &catalog->arena;
	struct lp_json *layer = lp_catalog_layer(catalog, diff_id);

	if (layer)
		return;
	layer = lp_json_append(arena, catalog->layers, lp_json_new(arena, LP_JSON_OBJECT));
	(void)lp_json_set_str(arena, layer, "digest", diff_id);
	(void)lp_json_set_int(arena, layer, "size", (int64_t)size_bytes);
	(void)lp_json_set_str(arena, layer, "tree", tree);
}

bool
lp_catalog_unname(struct lp_catalog *catalog, const char *name)
{
	struct lp_json *image = lp_catalog_by_name(catalog, name);

	return image && lp_json_remove_child(lp_json_get(image, "names"), find_name(image, name));
}

void
lp_catalog_name(struct lp_catalog *catalog, struct lp_json *image, const char *name)
{
	if (find_name(image, name))
		return;
	(void)lp_catalog_unname(catalog, name);
	(void)lp_json_append(&catalog->arena, lp_json_get(image, "names"), lp_json_new_str(&catalog->arena, name));
}

void
lp_catalog_drop(struct lp_catalog *catalog, const struct lp_json *image)
{
	(void)lp_json_remove_child(catalog->images, image);
}

static bool
layer_used(const struct lp_catalog *catalog, const char *diff_id)
{
	lp_json_each(image, catalog->images)
		lp_json_each(layer, lp_json_get(image, "layers"))
			if (lp_text_same(lp_json_text(layer), diff_id))
				return true;
	return false;
}

void
lp_catalog_drop_layers(struct lp_catalog *catalog)
{
	struct lp_json *next;

	for (struct lp_json *layer = lp_json_first(catalog->layers); layer; layer = next) {
		next = layer->next;
		if (!layer_used(catalog, lp_json_str(layer, "digest")))
			(void)lp_json_remove_child(catalog->layers, layer);
	}
}

bool
lp_catalog_uses_blob(const struct lp_catalog *catalog, const char *digest)
{
	return lp_catalog_by_digest(catalog, digest) != NULL;
}

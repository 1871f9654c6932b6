#include "images/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "images/blob.h"
#include "images/manifest.h"
#include "images/name.h"
#include "images/room.h"
#include "images/tree.h"

#define IMAGE_ARENA_MAX ((size_t)64 << 20)

static int
open_directories(int data_fd, struct lp_images *images, struct lp_err *err)
{
	const struct {
		const char *name;
		int *to;
	} all[] = {
		{ "images", &images->images_fd },
		{ "blobs", &images->blobs_fd },
		{ "layers", &images->layers_fd },
		{ "layers/tmp", &images->tmp_fd },
	};

	for (size_t i = 0; i < lp_count(all); i++) {
		int rc = lp_path_mkdirs(data_fd, all[i].name, 0700, all[i].to, err);

		if (rc < 0)
			return rc;
	}
	return lp_blob_init(images->blobs_fd, err);
}

/* What a crash left behind goes now, unless somebody is at work. */
static int
recover(struct lp_images *images, struct lp_err *err)
{
	lp_auto_fd int lock = -1;
	int rc = lp_room_lock(images, false, &lock, err);

	if (rc == -EAGAIN || rc == -EBADMSG || rc == -EPROTONOSUPPORT) {
		lp_err_clear(err);	/* busy; or an index we cannot read: nothing is removed for that, finding will say it */
		return 0;
	}
	return rc < 0 ? rc : lp_room_sweep(images, NULL, err);
}

int
lp_images_open(int data_fd, struct lp_images **out, struct lp_err *err)
{
	struct lp_images *images = calloc(1, sizeof(*images));
	int rc;

	if (!images)
		return lp_err_set(err, -ENOMEM, "open images");
	images->images_fd = images->blobs_fd = images->layers_fd = images->tmp_fd = -1;
	rc = open_directories(data_fd, images, err);
	if (rc == 0)
		rc = recover(images, err);
	if (rc < 0) {
		lp_images_close(images);
		return rc;
	}
	*out = images;
	return 0;
}

void
lp_images_close(struct lp_images *images)
{
	if (!images)
		return;
	if (images->read)
		lp_catalog_fini(&images->catalog);
	lp_close(&images->images_fd);
	lp_close(&images->blobs_fd);
	lp_close(&images->layers_fd);
	lp_close(&images->tmp_fd);
	free(images);
}

int
lp_images_watch_fd(const struct lp_images *images)
{
	return images->images_fd;
}

/* ---- reading */

static int
copy_names(struct lp_image *out, const struct lp_json *names)
{
	const char **list = lp_arena_alloc(&out->arena, (lp_json_count(names) + 1) * sizeof(*list));
	size_t i = 0;

	if (!list)
		return -ENOMEM;
	lp_json_each(name, names)
		list[i++] = lp_arena_str(&out->arena, lp_json_text(name));
	out->names = list;
	return 0;
}

static int
copy_layers(const struct lp_catalog *catalog, struct lp_image *out, const struct lp_json *layers)
{
	struct lp_image_layer *list = lp_arena_alloc(&out->arena, (lp_json_count(layers) + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	lp_json_each(layer, layers) {
		const struct lp_json *record = lp_catalog_layer(catalog, lp_json_text(layer));
		struct lp_image_layer *to = &list[out->layer_count++];

		(void)snprintf(to->digest, sizeof(to->digest), "%s", lp_json_text(layer));
		to->size_bytes = (uint64_t)lp_json_int(record, "size", 0);
		out->size_bytes += to->size_bytes;
	}
	out->layers = list;
	return 0;
}

static void
copy_config(struct lp_image *out, const struct lp_manifest_config *config)
{
	out->entrypoint = config->entrypoint;
	out->cmd = config->cmd;
	out->env = config->env;
	out->ports = config->ports;
	out->volumes = config->volumes;
	out->labels = config->labels;
	out->user = config->user;
	out->workdir = config->workdir;
	out->stop_signal = config->stop_signal;
	out->architecture = config->architecture;
	out->os = config->os;
}

static int
fill_image(struct lp_images *images, const struct lp_json *record, struct lp_image *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	struct lp_manifest_config config;
	int rc;

	lp_buf_init(&text, LP_MANIFEST_JSON_MAX);
	out->digest = lp_arena_str(&out->arena, lp_json_str(record, "digest"));
	out->config_digest = lp_arena_str(&out->arena, lp_json_str(record, "config"));
	out->created = lp_arena_str(&out->arena, lp_json_str(record, "created") ?: "");
	out->loaded = lp_arena_str(&out->arena, lp_json_str(record, "loaded") ?: "");
	if (copy_names(out, lp_json_get(record, "names")) < 0 || copy_layers(&images->catalog, out, lp_json_get(record, "layers")) < 0 ||
	    out->arena.failed)
		return lp_err_set(err, -ENOMEM, "read image");
	rc = lp_blob_read(images->blobs_fd, out->config_digest, &text, err);
	if (rc == 0)
		rc = lp_manifest_parse_config(&out->arena, lp_buf_text(&text), text.len, &config, err);
	if (rc < 0)
		return rc;
	copy_config(out, &config);
	return 0;
}

static int
make_image(struct lp_images *images, const struct lp_json *record, struct lp_image *out, struct lp_err *err)
{
	struct lp_image image = { 0 };
	int rc;

	lp_arena_init(&image.arena, IMAGE_ARENA_MAX);
	rc = fill_image(images, record, &image, err);
	if (rc < 0)
		lp_arena_fini(&image.arena);
	else
		*out = image;
	return rc;
}

static struct lp_json *
by_reference(const struct lp_catalog *catalog, const struct lp_name *name)
{
	struct lp_name other = *name;
	char text[LP_NAME_MAX];

	if (*name->digest)
		return lp_catalog_by_digest(catalog, name->digest);
	for (unsigned n = 0; lp_name_local(name, n, other.repository, sizeof(other.repository)) == 0; n++) {
		struct lp_json *image;

		lp_name_print(&other, text);
		image = lp_catalog_by_name(catalog, text);
		if (image)
			return image;
	}
	return NULL;
}

/* The record a reference means, NULL when there is none; the catalog is fresh. */
static int
look_up(struct lp_images *images, const char *reference, struct lp_json **out, struct lp_err *err)
{
	struct lp_name name;
	int rc = lp_room_refresh(images, err);

	if (rc < 0)
		return rc;
	if (lp_digest_parse(reference, NULL) == 0) {
		*out = lp_catalog_by_digest(&images->catalog, reference);
	} else {
		rc = lp_name_parse(reference, &name, err);
		if (rc < 0)
			return rc;
		*out = by_reference(&images->catalog, &name);
	}
	return *out ? 0 : lp_err_say(err, -ENOENT, "image \"%.180s\" is not on this node", reference);
}

int
lp_images_find(struct lp_images *images, const char *reference, struct lp_image *out, struct lp_err *err)
{
	struct lp_json *record;
	int rc = look_up(images, reference, &record, err);

	return rc < 0 ? rc : make_image(images, record, out, err);
}

void
lp_images_release(struct lp_image *image)
{
	if (!image)
		return;
	lp_arena_fini(&image->arena);
	memset(image, 0, sizeof(*image));
}

int
lp_images_layer_fds(struct lp_images *images, const struct lp_image *image, int *out_fds, struct lp_err *err)
{
	for (size_t i = 0; i < image->layer_count; i++) {
		int rc = lp_path_open(images->layers_fd, lp_room_layer_name(image->layers[i].digest), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		    &out_fds[i], err);

		if (rc == 0)
			continue;
		while (i-- > 0)
			lp_close(&out_fds[i]);
		if (rc == -ENOENT)
			return lp_err_say(err, rc, "a layer of image %s is missing on disk", image->digest);
		return rc;
	}
	return 0;
}

int
lp_images_each(struct lp_images *images, bool all, lp_images_each_fn call, void *arg, struct lp_err *err)
{
	int rc = lp_room_refresh(images, err);

	if (rc < 0)
		return rc;
	lp_json_each(record, images->catalog.images) {
		struct lp_image image;

		if (!all && lp_json_count(lp_json_get(record, "names")) == 0)
			continue;
		rc = make_image(images, record, &image, err);
		if (rc < 0)
			return rc;
		rc = call(arg, &image);
		lp_images_release(&image);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- changing */

int
lp_images_tag(struct lp_images *images, const char *reference, const char *name, struct lp_err *err)
{
	lp_auto_fd int lock = -1;
	char text[LP_NAME_MAX];
	struct lp_json *record;
	struct lp_name parsed;
	int rc = lp_name_parse(name, &parsed, err);

	if (rc < 0)
		return rc;
	if (*parsed.digest)
		return lp_err_say(err, -EINVAL, "\"%.180s\" names a digest: that is not a name to give", name);
	rc = lp_room_lock(images, true, &lock, err);
	if (rc == 0)
		rc = look_up(images, reference, &record, err);
	if (rc < 0)
		return rc;
	lp_name_print(&parsed, text);
	lp_catalog_name(&images->catalog, record, text);
	return lp_room_write(images, err);
}

/* Of the names of a record, the one that the reference stands for. */
static void
unname(struct lp_catalog *catalog, const struct lp_name *name)
{
	struct lp_name other = *name;
	char text[LP_NAME_MAX];

	for (unsigned n = 0; lp_name_local(name, n, other.repository, sizeof(other.repository)) == 0; n++) {
		lp_name_print(&other, text);
		if (lp_catalog_unname(catalog, text))
			return;
	}
}

int
lp_images_remove(struct lp_images *images, const char *reference, struct lp_err *err)
{
	lp_auto_fd int lock = -1;
	struct lp_json *record, *names;
	struct lp_name name = { 0 };
	int rc = lp_room_lock(images, true, &lock, err);

	if (rc == 0)
		rc = look_up(images, reference, &record, err);
	if (rc < 0)
		return rc;
	names = lp_json_get(record, "names");
	if (lp_digest_parse(reference, NULL) == 0 || (lp_name_parse(reference, &name, NULL) == 0 && *name.digest)) {
		if (!lp_json_first(names))
			return lp_err_say(err, -ENOENT, "image \"%.180s\" is not on this node", reference);
		while (lp_json_first(names))
			(void)lp_json_remove_child(names, lp_json_first(names));
	} else {
		unname(&images->catalog, &name);
	}
	return lp_room_write(images, err);
}

int
lp_images_collect(struct lp_images *images, bool (*keep)(void *arg, const char *digest), void *arg, uint64_t *out_freed_bytes,
    struct lp_err *err)
{
	lp_auto_fd int lock = -1;
	struct lp_json *next;
	int rc = lp_room_lock(images, false, &lock, err);

	if (rc < 0)
		return rc;
	for (struct lp_json *record = lp_json_first(images->catalog.images); record; record = next) {
		next = record->next;
		if (!lp_json_first(lp_json_get(record, "names")) && !keep(arg, lp_json_str(record, "digest")))
			lp_catalog_drop(&images->catalog, record);
	}
	lp_catalog_drop_layers(&images->catalog);
	rc = lp_room_write(images, err);
	return rc < 0 ? rc : lp_room_sweep(images, out_freed_bytes, err);
}

static bool
has_layer(const struct lp_json *record, const char *diff_id)
{
	lp_json_each(layer, lp_json_get(record, "layers"))
		if (lp_text_same(lp_json_text(layer), diff_id))
			return true;
	return false;
}

int
lp_images_drop_layer(struct lp_images *images, const char *diff_id, uint64_t *out_freed_bytes, struct lp_err *err)
{
	lp_auto_fd int lock = -1;
	struct lp_json *next;
	int rc = lp_room_lock(images, true, &lock, err);

	if (rc < 0)
		return rc;
	for (struct lp_json *record = lp_json_first(images->catalog.images); record; record = next) {
		next = record->next;
		if (has_layer(record, diff_id))
			lp_catalog_drop(&images->catalog, record);
	}
	lp_catalog_drop_layers(&images->catalog);
	rc = lp_room_write(images, err);
	return rc < 0 ? rc : lp_room_sweep(images, out_freed_bytes, err);
}

int
lp_images_check_layer(struct lp_images *images, const char *diff_id, struct lp_err *err)
{
	const struct lp_json *record;
	lp_auto_fd int fd = -1;
	char found[LP_DIGEST_TEXT];
	int rc = lp_room_refresh(images, err);

	if (rc < 0)
		return rc;
	record = lp_catalog_layer(&images->catalog, diff_id);
	if (!record)
		return lp_err_say(err, -ENOENT, "no layer %.80s", diff_id);
	rc = lp_path_open(images->layers_fd, lp_room_layer_name(diff_id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err);
	if (rc == 0)
		rc = lp_tree_digest(fd, found, NULL, err);
	if (rc < 0)
		return rc;
	if (!lp_text_same(found, lp_json_str(record, "tree")))
		return lp_err_say(err, -EBADMSG, "layer %s is damaged on disk", diff_id);
	return 0;
}

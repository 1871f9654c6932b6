#include "images/import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/json.h"
#include "base/text.h"
#include "images/manifest.h"
#include "images/name.h"

#define NESTED_MAX 4			/* index in index */

struct import {
	struct lp_arena *arena;
	struct lp_archive *archive;
	const char *architecture;
	struct lp_import_image *images;
	size_t count;
};

static int
no_memory(struct lp_err *err)
{
	return lp_err_set(err, -ENOMEM, "read archive");
}

/* A text file of the archive, copied into the arena. */
static int
read_text(struct import *im, const char *name, const char **out, size_t *out_len, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, LP_MANIFEST_JSON_MAX);
	rc = lp_archive_read(im->archive, name, &text, err);
	if (rc < 0)
		return rc;
	*out = lp_arena_mem(im->arena, lp_buf_text(&text), text.len);
	*out_len = text.len;
	return *out ? 0 : no_memory(err);
}

static const char *
blob_name(struct import *im, const char *digest)
{
	return lp_arena_printf(im->arena, "blobs/sha256/%s", digest + strlen("sha256:"));
}

/* The same for a blob of the layout, its digest checked. */
static int
read_blob(struct import *im, const struct lp_manifest_piece *piece, const char **out, size_t *out_len, struct lp_err *err)
{
	char found[LP_DIGEST_TEXT];
	const char *name = blob_name(im, piece->digest);
	int rc = name ? read_text(im, name, out, out_len, err) : no_memory(err);

	if (rc < 0)
		return rc;
	lp_digest_print(*out, *out_len, found);
	if (strcmp(found, piece->digest) != 0)
		return lp_err_say(err, -EBADMSG, "%s in the archive is damaged: its content is %s", piece->digest, found);
	return 0;
}

/* Layers must be as many as diff ids, and for this machine. */
static int
check_config(const struct import *im, const struct lp_manifest_config *config, size_t layers, struct lp_err *err)
{
	if (config->diff_id_count != layers)
		return lp_err_say(err, -EINVAL, "the image has %zu layers, its config %zu", layers, config->diff_id_count);
	if (*config->os && strcmp(config->os, "linux") != 0)
		return lp_err_say(err, -ENOENT, "the image is for %s, not for linux", config->os);
	if (*config->architecture && strcmp(config->architecture, im->architecture) != 0)
		return lp_err_say(err, -ENOENT, "the image is for %s, this machine is %s", config->architecture, im->architecture);
	return 0;
}

/* Names as we compare them. */
static int
name_list(struct import *im, const char *const *raw, struct lp_import_image *out, struct lp_err *err)
{
	size_t count = 0, used = 0;
	const char **list;

	while (raw[count])
		count++;
	list = lp_arena_alloc(im->arena, (count + 1) * sizeof(*list));
	if (!list)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		char text[LP_NAME_MAX];
		struct lp_name name;
		int rc = lp_name_parse(raw[i], &name, err);

		if (rc < 0)
			return rc;
		name.digest[0] = '\0';
		if (!*name.tag)
			continue;	/* named by digest only: that is how it is found anyway */
		lp_name_print(&name, text);
		list[used] = lp_arena_str(im->arena, text);
		if (!list[used++])
			return no_memory(err);
	}
	out->names = list;
	return 0;
}

/* ---- OCI */

static int
oci_image(struct import *im, const struct lp_manifest_ref *ref, const char *text, size_t len, const char *name, struct lp_err *err)
{
	/* skopeo and others write a bare tag there: it does not name the image */
	const char *const names[] = { name && strpbrk(name, "/:") ? name : NULL, NULL };
	struct lp_import_image *image = &im->images[im->count];
	struct lp_manifest_config config;
	struct lp_import_layer *layers;
	struct lp_manifest manifest;
	int rc = lp_manifest_parse(im->arena, text, len, &manifest, err);

	if (rc == 0)
		rc = read_blob(im, &manifest.config, &image->config, &image->config_len, err);
	if (rc == 0)
		rc = lp_manifest_parse_config(im->arena, image->config, image->config_len, &config, err);
	if (rc == 0)
		rc = check_config(im, &config, manifest.layer_count, err);
	if (rc == 0)
		rc = name_list(im, names, image, err);
	if (rc < 0)
		return rc;
	layers = lp_arena_alloc(im->arena, (manifest.layer_count + 1) * sizeof(*layers));
	if (!layers)
		return no_memory(err);
	for (size_t i = 0; i < manifest.layer_count; i++) {
		layers[i].piece = blob_name(im, manifest.layers[i].digest);
		layers[i].packed = manifest.layers[i].digest;
		layers[i].packed_bytes = manifest.layers[i].size;
		layers[i].diff_id = config.diff_ids[i];
	}
	image->manifest = text;
	image->manifest_len = len;
	image->digest = ref->piece.digest;
	image->config_digest = manifest.config.digest;
	image->created = config.created;
	image->layers = layers;
	image->layer_count = manifest.layer_count;
	im->count++;
	return im->arena->failed ? no_memory(err) : 0;
}

/* A row of an index: an image, or an index of its own from which one image is picked. */
static int
oci_row(struct import *im, const struct lp_manifest_ref *ref, struct lp_err *err)
{
	const char *name = ref->name;

	for (int depth = 0; depth < NESTED_MAX; depth++) {
		struct lp_manifest_index index;
		enum lp_manifest_kind kind;
		const char *text;
		size_t len;
		int rc = read_blob(im, &ref->piece, &text, &len, err);

		if (rc == 0)
			rc = lp_manifest_kind(text, len, &kind, err);
		if (rc == 0 && kind == LP_MANIFEST_IMAGE)
			return oci_image(im, ref, text, len, name, err);
		if (rc == 0)
			rc = lp_manifest_parse_index(im->arena, text, len, &index, err);
		if (rc == 0)
			rc = lp_manifest_pick(&index, im->architecture, &ref, err);
		if (rc < 0)
			return rc;
	}
	return lp_err_say(err, -E2BIG, "index: nested more than %d deep", NESTED_MAX);
}

/* Do the rows differ only by platform? Then they are one image. */
static bool
is_one_image(const struct lp_manifest_index *index)
{
	size_t images = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct lp_manifest_ref *ref = &index->refs[i];

		if (ref->attestation)
			continue;
		if (!*ref->architecture || (ref->name && !lp_text_same(ref->name, index->refs[0].name)))
			return false;
		images++;
	}
	return images > 1;
}

static int
read_oci(struct import *im, struct lp_err *err)
{
	struct lp_manifest_index index;
	const struct lp_manifest_ref *ref;
	const char *text;
	size_t len;
	int rc = read_text(im, "index.json", &text, &len, err);

	if (rc == 0)
		rc = lp_manifest_parse_index(im->arena, text, len, &index, err);
	if (rc < 0)
		return rc;
	if (index.count == 0)
		return lp_err_say(err, -EINVAL, "index.json: no image in it");
	im->images = lp_arena_alloc(im->arena, index.count * sizeof(*im->images));
	if (!im->images)
		return no_memory(err);
	if (is_one_image(&index)) {
		rc = lp_manifest_pick(&index, im->architecture, &ref, err);
		return rc < 0 ? rc : oci_row(im, ref, err);
	}
	for (size_t i = 0; i < index.count && rc == 0; i++)
		if (!index.refs[i].attestation)
			rc = oci_row(im, &index.refs[i], err);
	return rc;
}

/* ---- docker-archive */

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

/* An OCI manifest over the uncompressed layers: the same for the same image, so that its digest names it. */
static int
docker_manifest(struct import *im, struct lp_import_image *image, struct lp_err *err)
{
	char digest[LP_DIGEST_TEXT];
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, LP_MANIFEST_JSON_MAX);
	(void)lp_buf_printf(&text,
	    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
	    "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
	    image->config_digest, image->config_len);
	for (size_t i = 0; i < image->layer_count; i++)
		(void)lp_buf_printf(&text, "%s{\"mediaType\":\"" LAYER_TYPE "\",\"digest\":\"%s\",\"size\":%llu}", i ? "," : "",
		    image->layers[i].diff_id, (unsigned long long)image->layers[i].packed_bytes);
	if (lp_buf_str(&text, "]}") < 0)
		return lp_err_set(err, text.failed, "describe image");
	lp_digest_print(text.data, text.len, digest);
	image->manifest = lp_arena_mem(im->arena, text.data, text.len);
	image->manifest_len = text.len;
	image->digest = lp_arena_str(im->arena, digest);
	return im->arena->failed ? no_memory(err) : 0;
}

static int
docker_layers(struct import *im, const struct lp_manifest_archive *row, const struct lp_manifest_config *config,
    struct lp_import_image *image, struct lp_err *err)
{
	struct lp_import_layer *layers = lp_arena_alloc(im->arena, (row->layer_count + 1) * sizeof(*layers));

	if (!layers)
		return no_memory(err);
	for (size_t i = 0; i < row->layer_count; i++) {
		struct lp_archive_piece piece;
		int rc = lp_archive_find(im->archive, row->layers[i], &piece, err);

		if (rc < 0)
			return rc;
		layers[i].piece = row->layers[i];
		layers[i].packed_bytes = piece.size;
		layers[i].diff_id = config->diff_ids[i];
	}
	image->layers = layers;
	image->layer_count = row->layer_count;
	return 0;
}

static int
docker_image(struct import *im, const struct lp_manifest_archive *row, struct lp_err *err)
{
	struct lp_import_image *image = &im->images[im->count];
	struct lp_manifest_config config;
	char digest[LP_DIGEST_TEXT];
	int rc = read_text(im, row->config, &image->config, &image->config_len, err);

	if (rc == 0)
		rc = lp_manifest_parse_config(im->arena, image->config, image->config_len, &config, err);
	if (rc == 0)
		rc = check_config(im, &config, row->layer_count, err);
	if (rc == 0)
		rc = docker_layers(im, row, &config, image, err);
	if (rc == 0)
		rc = name_list(im, row->tags, image, err);
	if (rc < 0)
		return rc;
	lp_digest_print(image->config, image->config_len, digest);
	image->config_digest = lp_arena_str(im->arena, digest);
	image->created = config.created;
	rc = image->config_digest ? docker_manifest(im, image, err) : no_memory(err);
	if (rc == 0)
		im->count++;
	return rc;
}

static int
read_docker(struct import *im, struct lp_err *err)
{
	struct lp_manifest_archive *rows;
	const char *text;
	size_t len, count = 0;
	int rc = read_text(im, "manifest.json", &text, &len, err);

	if (rc == 0)
		rc = lp_manifest_parse_archive(im->arena, text, len, &rows, &count, err);
	if (rc < 0)
		return rc;
	im->images = lp_arena_alloc(im->arena, count * sizeof(*im->images));
	if (!im->images)
		return no_memory(err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = docker_image(im, &rows[i], err);
	return rc;
}

int
lp_import_read(struct lp_arena *arena, struct lp_archive *archive, const char *architecture, struct lp_import_image **out,
    size_t *out_count, struct lp_err *err)
{
	struct import im = { .arena = arena, .archive = archive, .architecture = architecture };
	int rc;

	if (lp_archive_have(archive, "index.json"))
		rc = read_oci(&im, err);
	else if (lp_archive_have(archive, "manifest.json"))
		rc = read_docker(&im, err);
	else
		return lp_err_say(err, -EINVAL, "not an image, or truncated: neither index.json (OCI) nor manifest.json (docker-archive) is in it");
	if (rc < 0)
		return rc;
	*out = im.images;
	*out_count = im.count;
	return 0;
}

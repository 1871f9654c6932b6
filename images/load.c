/*
 * images/load.c - lp_images_load: two-phase commit of what import.c found (TRUST.md rule 9).
 *
 * Theory  Phase one fills layers/tmp/<n> and checks digests while it reads. One syncfs. Phase two renames the layers into
 *         place and fsyncs their directory, stores manifest and config as blobs, and writes the index: only that makes the
 *         image exist. Whatever fails, or is cut, before: a layer that no record mentions, swept at once or at next start.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"
#include "images/archive.h"
#include "images/blob.h"
#include "images/import.h"
#include "images/manifest.h"
#include "images/name.h"
#include "images/room.h"
#include "images/stream.h"
#include "images/tree.h"
#include "images/unpack.h"

#define ARENA_MAX ((size_t)256 << 20)
#define SPARE_BYTES ((uint64_t)4 << 20)	/* for blobs, the index, and the file system's own */

struct fresh {				/* a layer that was not here */
	const struct lp_import_layer *layer;
	char tree[LP_DIGEST_TEXT];
	uint64_t bytes;
};

struct load {
	struct lp_images *images;
	const struct lp_images_load *how;
	struct lp_arena arena;
	struct lp_archive *archive;
	struct lp_import_image *found;
	size_t found_count;
	struct fresh *fresh;
	size_t fresh_count;
	uint64_t done, total, scale_from, scale_to;	/* progress: source bytes, and where layer bytes begin and end in them */
	uint64_t layer_done, layer_total;
};

static void
report(struct load *l)
{
	if (l->how->progress)
		l->how->progress(l->how->arg, l->done, l->total);
}

static void
spool_progress(void *arg, uint64_t bytes)
{
	struct load *l = arg;

	l->done += bytes;
	if (l->total < 2 * l->done)
		l->total = 2 * l->done;	/* a pipe: the end is not known */
	report(l);
}

static void
layer_progress(void *arg, uint64_t bytes)
{
	struct load *l = arg;

	l->layer_done += bytes;
	if (l->layer_total)
		l->done = l->scale_from + (uint64_t)((double)(l->scale_to - l->scale_from) * (double)l->layer_done / (double)l->layer_total);
	if (l->done > l->scale_to)
		l->done = l->scale_to;
	report(l);
}

/* ---- what is to be done */

static bool
have_layer(const struct load *l, const char *diff_id)
{
	lp_auto_fd int fd = -1;

	if (!lp_catalog_layer(&l->images->catalog, diff_id))
		return false;
	return lp_path_open(l->images->layers_fd, lp_room_layer_name(diff_id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, NULL) == 0;
}

static bool
planned(const struct load *l, const char *diff_id)
{
	for (size_t i = 0; i < l->fresh_count; i++)
		if (!strcmp(l->fresh[i].layer->diff_id, diff_id))
			return true;
	return false;
}

static int
plan_layers(struct load *l, struct lp_err *err)
{
	size_t most = 0;

	for (size_t i = 0; i < l->found_count; i++)
		most += l->found[i].layer_count;
	l->fresh = lp_arena_alloc(&l->arena, (most + 1) * sizeof(*l->fresh));
	if (!l->fresh)
		return lp_err_set(err, -ENOMEM, "plan layers");
	for (size_t i = 0; i < l->found_count; i++) {
		for (size_t j = 0; j < l->found[i].layer_count; j++) {
			const struct lp_import_layer *layer = &l->found[i].layers[j];

			if (have_layer(l, layer->diff_id) || planned(l, layer->diff_id))
				continue;
			l->fresh[l->fresh_count++].layer = layer;
			l->layer_total += layer->packed_bytes;
		}
	}
	return 0;
}

/* At least this many bytes come out: gzip says it in its last four bytes (modulo 4 GiB), others not at all. */
static uint64_t
least_bytes(const struct lp_archive_piece *piece)
{
	unsigned char magic[2], tail[4];
	uint64_t size;

	if (piece->size < 18 || pread(piece->fd, magic, sizeof(magic), piece->offset) != sizeof(magic) || magic[0] != 0x1f || magic[1] != 0x8b)
		return piece->size;
	if (pread(piece->fd, tail, sizeof(tail), piece->offset + (off_t)piece->size - 4) != sizeof(tail))
		return piece->size;
	size = (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 | (uint64_t)tail[3] << 24;
	/* A false trailer must not refuse an image that would fit: no more than gzip's best ratio. */
	return size > piece->size && size / 1032 <= piece->size ? size : piece->size;
}

static int
check_space(struct load *l, struct lp_err *err)
{
	uint64_t need = l->fresh_count ? SPARE_BYTES : 0, room, inodes;
	int rc = lp_path_space(l->images->layers_fd, &room, &inodes, err);

	for (size_t i = 0; i < l->fresh_count && rc == 0; i++) {
		struct lp_archive_piece piece;

		rc = lp_archive_find(l->archive, l->fresh[i].layer->piece, &piece, err);
		if (rc == 0)
			need += least_bytes(&piece);
	}
	if (rc == 0 && need > room)
		return lp_err_say(err, -ENOSPC, "not enough space: the image needs about %llu MiB, %llu MiB are free",
		    (unsigned long long)((need + ((1 << 20) - 1)) >> 20), (unsigned long long)(room >> 20));
	return rc;
}

/* Names to give: the operator's, else the archive's own. */
static int
check_names(struct load *l, struct lp_err *err)
{
	const char **names;
	char text[LP_NAME_MAX];
	struct lp_name name;
	int rc;

	if (!l->how->name) {
		for (size_t i = 0; i < l->found_count; i++)
			if (!l->found[i].names[0])
				return lp_err_say(err, -EINVAL, "the archive does not say what its image is called: give it a name");
		return 0;
	}
	if (l->found_count != 1)
		return lp_err_say(err, -EINVAL, "%zu images in the archive: one name is not enough", l->found_count);
	rc = lp_name_parse(l->how->name, &name, err);
	if (rc < 0)
		return rc;
	if (*name.digest)
		return lp_err_say(err, -EINVAL, "\"%.180s\" names a digest: that is not a name to give", l->how->name);
	lp_name_print(&name, text);
	names = lp_arena_alloc(&l->arena, 2 * sizeof(*names));
	if (!names || !(names[0] = lp_arena_str(&l->arena, text)))
		return lp_err_set(err, -ENOMEM, "name image");
	l->found[0].names = names;
	return 0;
}

/* ---- phase one */

static int
unpack_stream(struct fresh *fresh, struct lp_stream *stream, int dir_fd, struct lp_err *err)
{
	char packed[LP_DIGEST_TEXT], plain[LP_DIGEST_TEXT];
	const struct lp_import_layer *layer = fresh->layer;
	int rc = lp_unpack(stream, dir_fd, NULL, NULL, err);

	if (rc == 0)
		rc = lp_stream_finish(stream, packed, plain, err);
	if (rc < 0)
		return rc;
	if (layer->packed && strcmp(packed, layer->packed) != 0)
		return lp_err_say(err, -EBADMSG, "its content is %s", packed);
	if (strcmp(plain, layer->diff_id) != 0)
		return lp_err_say(err, -EBADMSG, "unpacked it is %s instead of %s", plain, layer->diff_id);
	return lp_tree_digest(dir_fd, fresh->tree, &fresh->bytes, err);
}

static int
unpack_layer(struct load *l, size_t n, struct lp_err *err)
{
	struct fresh *fresh = &l->fresh[n];
	struct lp_stream_source source = { .hash = true, .progress = layer_progress, .arg = l };
	struct lp_archive_piece piece;
	struct lp_stream *stream;
	lp_auto_fd int fd = -1;
	char name[16];
	int rc = lp_archive_find(l->archive, fresh->layer->piece, &piece, err);

	if (rc < 0)
		return rc;
	if (fresh->layer->packed && piece.size != fresh->layer->packed_bytes)
		return lp_err_say(err, -EBADMSG, "it has %llu bytes instead of %llu", (unsigned long long)piece.size,
		    (unsigned long long)fresh->layer->packed_bytes);
	(void)snprintf(name, sizeof(name), "%zu", n);
	rc = lp_path_mkdirs(l->images->tmp_fd, name, 0755, &fd, err);
	if (rc < 0)
		return rc;
	source.fd = piece.fd;
	source.offset = piece.offset;
	source.size = piece.size;
	rc = lp_stream_open(&source, &stream, err);
	if (rc < 0)
		return rc;
	rc = unpack_stream(fresh, stream, fd, err);
	lp_stream_close(stream);
	return rc;
}

static int
phase_one(struct load *l, struct lp_err *err)
{
	for (size_t i = 0; i < l->fresh_count; i++) {
		int rc = unpack_layer(l, i, err);

		if (rc < 0) {
			(void)lp_err_wrap(err, "layer %.19s", l->fresh[i].layer->packed ?: l->fresh[i].layer->diff_id);
			return rc;
		}
	}
	if (l->fresh_count && syncfs(l->images->layers_fd) < 0)
		return lp_err_set(err, -errno, "sync layers");
	return 0;
}

/* ---- phase two */

static int
place_layer(struct load *l, size_t n, struct lp_err *err)
{
	const char *to = lp_room_layer_name(l->fresh[n].layer->diff_id);
	char from[16];
	int rc = lp_path_remove(l->images->layers_fd, to, err);	/* without a record it does not exist */

	if (rc < 0)
		return rc;
	(void)snprintf(from, sizeof(from), "%zu", n);
	if (lp_seam.rename(l->images->tmp_fd, from, l->images->layers_fd, to) < 0)
		return lp_err_set(err, -errno, "place layer");
	lp_catalog_add_layer(&l->images->catalog, l->fresh[n].layer->diff_id, l->fresh[n].bytes, l->fresh[n].tree);
	return 0;
}

static int
store_texts(struct load *l, const struct lp_import_image *image, struct lp_err *err)
{
	const struct {
		const char *digest, *text;
		size_t len;
	} texts[] = {
		{ image->digest, image->manifest, image->manifest_len },
		{ image->config_digest, image->config, image->config_len },
	};

	for (size_t i = 0; i < lp_count(texts); i++) {
		char digest[LP_DIGEST_TEXT];
		int rc;

		if (lp_blob_have(l->images->blobs_fd, texts[i].digest))
			continue;
		rc = lp_blob_put(l->images->blobs_fd, texts[i].text, texts[i].len, digest, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
record_image(struct load *l, const struct lp_import_image *image, struct lp_err *err)
{
	const char **diff_ids = lp_arena_alloc(&l->arena, (image->layer_count + 1) * sizeof(*diff_ids));
	char now[LP_CLOCK_TEXT];
	struct lp_json *record;

	if (!diff_ids)
		return lp_err_set(err, -ENOMEM, "record image");
	for (size_t i = 0; i < image->layer_count; i++)
		diff_ids[i] = image->layers[i].diff_id;
	lp_clock_print(lp_clock_wall_ms(), now);
	record = lp_catalog_add(&l->images->catalog, image->digest, image->config_digest, image->created, now, diff_ids, image->layer_count);
	for (size_t i = 0; image->names[i]; i++)
		lp_catalog_name(&l->images->catalog, record, image->names[i]);
	return 0;
}

static int
phase_two(struct load *l, struct lp_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < l->fresh_count && rc == 0; i++)
		rc = place_layer(l, i, err);
	if (rc == 0 && l->fresh_count && lp_seam.fsync(l->images->layers_fd) < 0)
		rc = lp_err_set(err, -errno, "sync layers");
	for (size_t i = 0; i < l->found_count && rc == 0; i++) {
		rc = store_texts(l, &l->found[i], err);
		if (rc == 0)
			rc = record_image(l, &l->found[i], err);
	}
	return rc < 0 ? rc : lp_room_write(l->images, err);
}

/* A failed load leaves what was there before it. */
static void
undo(struct load *l)
{
	if (l->images->read)
		lp_catalog_fini(&l->images->catalog);
	l->images->read = false;
	/* What cannot be removed now is removed by whoever holds the lock next. */
	(void)lp_room_clean(l->images, NULL);
	if (lp_room_refresh(l->images, NULL) == 0)
		(void)lp_room_sweep(l->images, NULL, NULL);
}

static int
load_archive(struct load *l, struct lp_err *err)
{
	const char *architecture = l->how->architecture ?: lp_manifest_machine();
	int rc = lp_import_read(&l->arena, l->archive, architecture, &l->found, &l->found_count, err);

	if (rc == 0)
		rc = check_names(l, err);
	if (rc == 0)
		rc = plan_layers(l, err);
	if (rc == 0)
		rc = check_space(l, err);
	if (rc < 0)
		return rc;
	l->scale_from = l->done;
	l->scale_to = lp_archive_spooled(l->archive) ? l->total : l->done + l->layer_total;
	l->total = l->scale_to;
	rc = phase_one(l, err);
	return rc < 0 ? rc : phase_two(l, err);
}

static void
tell(const struct load *l)
{
	for (size_t i = 0; i < l->found_count && l->how->loaded; i++)
		for (size_t j = 0; l->found[i].names[j]; j++)
			l->how->loaded(l->how->arg, l->found[i].names[j], l->found[i].digest);
}

int
lp_images_load(struct lp_images *images, int fd, const struct lp_images_load *how, struct lp_err *err)
{
	struct load l = { .images = images, .how = how };
	lp_auto_fd int lock = -1;
	struct stat st;
	int rc = lp_room_lock(images, how->wait, &lock, err);

	if (rc == 0 && fstat(fd, &st) < 0)
		rc = lp_err_set(err, -errno, "stat archive");
	if (rc < 0)
		return rc;
	lp_arena_init(&l.arena, ARENA_MAX);
	if (S_ISREG(st.st_mode))
		l.total = 2 * (uint64_t)st.st_size;	/* read once to unpack it, once to unpack its layers */
	rc = lp_archive_open(fd, images->tmp_fd, spool_progress, &l, &l.archive, err);
	if (rc == 0)
		rc = load_archive(&l, err);
	lp_archive_close(l.archive);
	if (rc == 0)
		tell(&l);
	else
		undo(&l);
	lp_arena_fini(&l.arena);
	return rc;
}

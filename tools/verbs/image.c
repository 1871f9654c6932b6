/*
 * tools/verbs/image.c - `image load|ls|rm`: the images of this node. Works on the node's files, with or without an agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "images/images.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/output.h"
#include "tools/verbs/table.h"

#define PROGRESS_EVERY_MS 100

static struct {
	const char *name, *platform;
	bool quiet, no_headers, digests;
} o;

static const struct lp_opt opts[] = {
	{ "name",       0,   LP_OPT_STR,  &o.name,       "REF",  "load: what to call the image (default: what the archive says)" },
	{ "platform",   0,   LP_OPT_STR,  &o.platform,   "ARCH", "load: amd64, arm64 or arm (default: this machine's)" },
	{ "quiet",      'q', LP_OPT_FLAG, &o.quiet,      NULL,   "load: no progress; ls: digests only" },
	{ "digests",    0,   LP_OPT_FLAG, &o.digests,    NULL,   "ls: whole digests" },
	{ "no-headers", 0,   LP_OPT_FLAG, &o.no_headers, NULL,   "ls: rows only" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet image load FILE | ls | rm REF... [options]",
	"The images of this node. FILE is an OCI or docker archive, an OCI layout folder, or - for standard input; gzip and zstd are fine.",
	"limpet image load nodejs-app.tar --name limpet.local/nodejs-app:latest",
};

static int
open_images(struct lp_context *ctx, bool create, struct lp_images **out)
{
	const char *path = lp_context_data_dir(ctx);
	lp_auto_fd int fd = -1;
	int rc = lp_path_root(path, create, &fd, &ctx->err);

	if (rc == -EACCES || rc == -EPERM)
		return lp_context_fail(ctx, rc, "%s: %s (are you root?)", path, lp_err_words(rc));
	if (rc == -ENOENT)
		return lp_context_fail(ctx, rc, "no node lives in %s: --data-dir DIR says where", path);
	if (rc == 0)
		rc = lp_images_open(fd, out, &ctx->err);
	if (rc == -EACCES || rc == -EPERM)
		return lp_context_fail(ctx, rc, "%s: %s (are you root?)", path, lp_err_words(rc));
	return rc;
}

/* ---- load */

struct showing {
	bool terminal;
	int64_t told_ms;
	int percent;			/* last shown; -1 none */
};

static void
show_progress(void *arg, uint64_t done, uint64_t total)
{
	struct showing *s = arg;
	int64_t now_ms = lp_clock_boot_ms();
	int percent = total ? (int)((double)done * 100.0 / (double)total) : 0;

	if (!s->terminal || percent == s->percent || now_ms - s->told_ms < PROGRESS_EVERY_MS)
		return;
	s->percent = percent;
	s->told_ms = now_ms;
	(void)fprintf(stderr, "\rloading %3d %%", percent);
	(void)fflush(stderr);		/* only a picture of what goes on */
}

static void
clear_progress(const struct showing *s)
{
	if (s->terminal && s->percent >= 0)
		(void)fprintf(stderr, "\r              \r");
}

static void
say_loaded(void *arg, const char *name, const char *digest)
{
	clear_progress(arg);
	(void)printf("%s loaded (%s)\n", name, digest);
}

static int
load(struct lp_context *ctx)
{
	struct showing showing = { .terminal = !o.quiet && isatty(STDERR_FILENO), .percent = -1 };
	struct lp_images_load how = {
		.name = o.name,
		.architecture = o.platform,
		.progress = show_progress,
		.loaded = say_loaded,
		.arg = &showing,
	};
	struct lp_images *images = NULL;
	lp_auto_fd int fd = -1;
	const char *file;
	int rc;

	if (ctx->count != 2)
		return lp_context_usage(ctx, "image load takes one FILE");
	file = ctx->words[1];
	fd = !strcmp(file, "-") ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return lp_err_set(&ctx->err, -errno, "%.200s", file);
	rc = open_images(ctx, true, &images);
	if (rc < 0)
		return rc;
	rc = lp_images_load(images, fd, &how, &ctx->err);
	if (rc == -EAGAIN) {
		(void)fprintf(stderr, "another process is changing the images: waiting for it\n");
		how.wait = true;
		rc = lp_images_load(images, fd, &how, &ctx->err);
	}
	lp_images_close(images);
	clear_progress(&showing);
	return rc < 0 ? lp_context_fail(ctx, rc, "%s: %s", file, ctx->err.text) : 0;
}

/* ---- ls */

struct listing {
	struct lp_context *ctx;
	struct lp_table table;
	int64_t now_ms;
};

static void
print_size(uint64_t bytes, char out[static 24])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1000 && unit + 1 < lp_count(units)) {
		value /= 1000;
		unit++;
	}
	(void)snprintf(out, 24, value < 10 && unit ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

/* "limpet.local/app:1" -> "limpet.local/app", "1" */
static void
split_name(struct lp_arena *arena, const char *name, const char **out_repository, const char **out_tag)
{
	const char *colon = strrchr(name, ':'), *slash = strrchr(name, '/');

	if (!colon || (slash && colon < slash)) {
		*out_repository = name;
		*out_tag = "<none>";
		return;
	}
	*out_repository = lp_arena_mem(arena, name, (size_t)(colon - name));
	*out_tag = colon + 1;
}

static int
list_one(void *arg, const struct lp_image *image)
{
	struct listing *l = arg;
	struct lp_arena *arena = &l->ctx->arena;
	char size[24], age[LP_TEXT_AGE];
	int64_t loaded_ms;

	if (o.quiet)
		return printf("%s\n", image->digest) < 0 ? -EIO : 0;
	print_size(image->size_bytes, size);
	(void)snprintf(age, sizeof(age), "<unknown>");
	if (lp_clock_parse(image->loaded, &loaded_ms) == 0)
		lp_text_age((l->now_ms - loaded_ms) / 1000, age);
	for (size_t i = 0; image->names[i]; i++) {
		const char *cells[5] = { NULL };

		split_name(arena, image->names[i], &cells[0], &cells[1]);
		cells[2] = o.digests ? image->digest : lp_arena_mem(arena, image->digest + strlen("sha256:"), 12);
		cells[3] = size;
		cells[4] = age;
		if (lp_table_add(&l->table, cells) < 0)
			return lp_err_set(&l->ctx->err, -ENOMEM, "list images");
	}
	return 0;
}

static int
list(struct lp_context *ctx)
{
	static const char *const heads[] = { "REPOSITORY", "TAG", "IMAGE ID", "SIZE", "LOADED" };
	struct listing l = { .ctx = ctx, .now_ms = lp_clock_wall_ms() };
	struct lp_images *images = NULL;
	lp_auto_buf struct lp_buf out = { 0 };
	int rc;

	if (ctx->count != 1)
		return lp_context_usage(ctx, "image ls takes no words");
	lp_table_init(&l.table, &ctx->arena, lp_count(heads));
	if (!o.no_headers && !o.quiet && lp_table_add(&l.table, heads) < 0)
		return lp_err_set(&ctx->err, -ENOMEM, "list images");
	rc = open_images(ctx, false, &images);
	if (rc < 0)
		return rc;
	rc = lp_images_each(images, false, list_one, &l, &ctx->err);
	lp_images_close(images);
	lp_buf_init(&out, (size_t)16 << 20);
	if (rc == 0)
		rc = lp_table_print(&l.table, &out);
	return rc < 0 ? rc : lp_output_flush(&out, &ctx->err);
}

/* ---- rm */

static int
remove_all(struct lp_context *ctx)
{
	struct lp_images *images = NULL;
	int rc, failed = 0;

	if (ctx->count < 2)
		return lp_context_usage(ctx, "image rm takes at least one REF");
	rc = open_images(ctx, false, &images);
	if (rc < 0)
		return rc;
	for (int i = 1; i < ctx->count; i++) {
		rc = lp_images_remove(images, ctx->words[i], &ctx->err);
		if (rc < 0) {
			lp_context_tell(ctx);
			failed = 1;
		} else {
			(void)printf("%s removed\n", ctx->words[i]);
		}
	}
	lp_images_close(images);
	return failed;
}

static int
image(struct lp_context *ctx)
{
	static const struct {
		const char *word;
		int (*run)(struct lp_context *ctx);
	} rows[] = {
		{ "load", load }, { "import", load }, { "ls", list }, { "list", list }, { "rm", remove_all }, { "remove", remove_all },
	};

	for (size_t i = 0; ctx->count && i < lp_count(rows); i++)
		if (!strcmp(ctx->words[0], rows[i].word))
			return rows[i].run(ctx);
	return lp_context_usage(ctx, ctx->count ? "unknown command \"image %s\": load, ls or rm" : "image needs a command: load, ls or rm%s",
	    ctx->count ? ctx->words[0] : "");
}

int
lp_image_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, image);
}

#include "images/room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "images/blob.h"
#include "images/tree.h"

#define TMP "tmp"

const char *
lp_room_layer_name(const char *diff_id)
{
	return diff_id + strlen("sha256:");
}

struct cleaning {
	struct lp_images *images;
	int dir_fd;			/* weak */
	bool layers;			/* layers/, not blobs/sha256/ */
	uint64_t freed;
	struct lp_err *err;
};

static int
remove_one(void *arg, const char *name)
{
	struct cleaning *c = arg;

	return lp_path_remove(c->dir_fd, name, c->err);
}

int
lp_room_clean(struct lp_images *images, struct lp_err *err)
{
	struct cleaning c = { .images = images, .dir_fd = images->tmp_fd, .err = err };
	lp_auto_fd int blobs = -1;
	int rc = lp_path_each(images->tmp_fd, remove_one, &c, err);

	if (rc == 0)
		rc = lp_path_open(images->blobs_fd, TMP, O_RDONLY | O_DIRECTORY, 0, &blobs, err);
	if (rc < 0)
		return rc;
	c.dir_fd = blobs;
	return lp_path_each(blobs, remove_one, &c, err);
}

static void
look_at_file(const struct lp_images *images, uint64_t *out_inode, int64_t *out_ns)
{
	struct stat st;

	*out_inode = 0;
	*out_ns = 0;
	if (fstatat(images->images_fd, "index", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;			/* no file: nothing was loaded yet */
	*out_inode = st.st_ino;
	*out_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

int
lp_room_refresh(struct lp_images *images, struct lp_err *err)
{
	struct lp_catalog fresh;
	uint64_t inode;
	int64_t ns;
	int rc;

	look_at_file(images, &inode, &ns);
	if (images->read && inode == images->seen_inode && ns == images->seen_ns)
		return 0;
	rc = lp_catalog_read(&fresh, images->images_fd, err);
	if (rc < 0)
		return rc;
	if (images->read)
		lp_catalog_fini(&images->catalog);
	images->catalog = fresh;
	images->read = true;
	images->seen_inode = inode;
	images->seen_ns = ns;
	return 0;
}

int
lp_room_write(struct lp_images *images, struct lp_err *err)
{
	int rc = lp_catalog_write(&images->catalog, images->images_fd, err);

	if (rc < 0) {
		/* Memory is ahead of the disk: forget it. */
		lp_catalog_fini(&images->catalog);
		images->read = false;
		return rc;
	}
	look_at_file(images, &images->seen_inode, &images->seen_ns);
	return 0;
}

int
lp_room_lock(struct lp_images *images, bool wait, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(images->images_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, err);

	if (rc < 0)
		return rc;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return lp_err_say(err, -EAGAIN, "another process is changing the images");
		return lp_err_set(err, -errno, "lock the images");
	}
	rc = lp_room_refresh(images, err);
	if (rc == 0)
		rc = lp_room_clean(images, err);
	if (rc < 0)
		return rc;
	*out_fd = lp_take_fd(&fd);
	return 0;
}

static uint64_t
layer_size(struct cleaning *c, const char *name)
{
	lp_auto_fd int fd = -1;
	char digest[LP_DIGEST_TEXT];
	uint64_t bytes = 0;

	if (lp_path_open(c->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, NULL) < 0 ||
	    lp_tree_digest(fd, digest, &bytes, NULL) < 0)
		return 0;		/* only a figure for the reader */
	return bytes;
}

static int
sweep_one(void *arg, const char *name)
{
	struct cleaning *c = arg;
	char digest[LP_DIGEST_TEXT];

	if (!strcmp(name, TMP))
		return 0;
	(void)snprintf(digest, sizeof(digest), "sha256:%.64s", name);
	if (c->layers ? lp_catalog_layer(&c->images->catalog, digest) != NULL : lp_catalog_uses_blob(&c->images->catalog, digest))
		return 0;
	if (c->layers)
		c->freed += layer_size(c, name);
	return lp_path_remove(c->dir_fd, name, c->err);
}

int
lp_room_sweep(struct lp_images *images, uint64_t *out_freed_bytes, struct lp_err *err)
{
	struct cleaning c = { .images = images, .dir_fd = images->layers_fd, .layers = true, .err = err };
	lp_auto_fd int blobs = -1;
	int rc = lp_path_each(images->layers_fd, sweep_one, &c, err);

	if (rc == 0)
		rc = lp_path_open(images->blobs_fd, "sha256", O_RDONLY | O_DIRECTORY, 0, &blobs, err);
	if (rc < 0)
		return rc;
	c.layers = false;
	c.dir_fd = blobs;
	rc = lp_path_each(blobs, sweep_one, &c, err);
	if (rc == 0 && out_freed_bytes)
		*out_freed_bytes = c.freed;
	return rc;
}

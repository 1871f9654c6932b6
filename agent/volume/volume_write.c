#include "agent/volume/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/digest.h"
#include "base/path.h"
#include "base/text.h"

/* Writing the files of a volume, all at once. */

static gid_t
group_id(const struct lp_volume_owner *owner)
{
	return owner->base + (owner->has_group ? owner->group : 0);
}

static int
write_one(int data_fd, const struct lp_volume_file *file, const struct lp_volume_owner *owner, struct lp_err *err)
{
	const char *slash = strrchr(file->path, '/');
	lp_auto_free char *parent = slash ? strndup(file->path, (size_t)(slash - file->path)) : strdup(".");
	lp_auto_fd int dir_fd = -1;
	lp_auto_fd int fd = -1;
	int rc;

	if (!parent)
		return lp_err_set(err, -ENOMEM, "write %s", file->path);
	rc = lp_path_mkdirs(data_fd, parent, 0755, &dir_fd, err);
	if (rc < 0)
		return rc;
	fd = openat(dir_fd, slash ? slash + 1 : file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return lp_err_set(err, -errno, "create %s", file->path);
	rc = lp_path_write_all(fd, file->data, file->len, err);
	if (rc == 0 && (fchown(fd, owner->base, group_id(owner)) < 0 || fchmod(fd, file->mode | (owner->has_group ? 0440 : 0)) < 0))
		rc = lp_err_set(err, -errno, "set owner and mode of %s", file->path);
	return rc;
}

/* What the directory of this content is called: the same files have the same name, so nothing is written twice. */
static void
name_of(const struct lp_volume_file *files, size_t count, char out[32])
{
	struct lp_digest_state state;
	uint8_t digest[LP_DIGEST_BYTES];

	lp_digest_start(&state);
	for (size_t i = 0; i < count; i++) {
		uint64_t facts[2] = { files[i].len, files[i].mode };

		lp_digest_add(&state, files[i].path, strlen(files[i].path) + 1);
		lp_digest_add(&state, facts, sizeof(facts));
		lp_digest_add(&state, files[i].data, files[i].len);
	}
	lp_digest_end(&state, digest);
	(void)snprintf(out, 32, "..");
	lp_text_hex(digest, 12, out + 2);
}

static int
replace_link(int fd, const char *target, const char *name, struct lp_err *err)
{
	if (unlinkat(fd, "..link_tmp", 0) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove an old link");
	if (symlinkat(target, fd, "..link_tmp") < 0 || renameat(fd, "..link_tmp", fd, name) < 0)
		return lp_err_set(err, -errno, "link %s", name);
	return 0;
}

static size_t
first_part(const char *path)
{
	return strcspn(path, "/");
}

static int
link_names(int fd, const struct lp_volume_file *files, size_t count, struct lp_err *err)
{
	for (size_t i = 0; i < count; i++) {
		char name[256], target[300], present[300];
		size_t len = first_part(files[i].path);
		ssize_t got;
		int rc;

		if (len >= sizeof(name))
			return lp_err_set(err, -ENAMETOOLONG, "link %s", files[i].path);
		memcpy(name, files[i].path, len);
		name[len] = '\0';
		(void)snprintf(target, sizeof(target), "..data/%s", name);
		got = readlinkat(fd, name, present, sizeof(present) - 1);
		if (got > 0 && (size_t)got == strlen(target) && memcmp(present, target, (size_t)got) == 0)
			continue;
		rc = replace_link(fd, target, name, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct stale {
	int fd;
	const char *keep;
	const struct lp_volume_file *files;
	size_t count;
	struct lp_err *err;
};

/* Old dated directories, and links of keys that are gone. */
static int
remove_stale(void *arg, const char *name)
{
	const struct stale *stale = arg;

	if (strcmp(name, stale->keep) == 0 || strcmp(name, "..data") == 0)
		return 0;
	for (size_t i = 0; i < stale->count; i++)
		if (strlen(name) == first_part(stale->files[i].path) && strncmp(name, stale->files[i].path, strlen(name)) == 0)
			return 0;
	return lp_path_remove(stale->fd, name, stale->err);
}

int
lp_volume_write(int dir_fd, const char *name, const struct lp_volume_file *files, size_t count, const struct lp_volume_owner *owner,
    struct lp_err *err)
{
	char path[128], dated[32], present[64];
	lp_auto_fd int fd = -1;
	lp_auto_fd int data_fd = -1;
	ssize_t got;
	int rc;

	(void)snprintf(path, sizeof(path), "volumes/%s", name);
	rc = lp_path_open(dir_fd, path, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (rc < 0)
		return lp_err_wrap(err, "volume %s", name);
	name_of(files, count, dated);
	got = readlinkat(fd, "..data", present, sizeof(present));
	if (got == (ssize_t)strlen(dated) && memcmp(present, dated, (size_t)got) == 0)
		return 0;
	/* A half-written directory of an agent that died is not trusted. */
	rc = lp_path_remove(fd, dated, err);
	if (rc == 0)
		rc = lp_path_mkdirs(fd, dated, 0755, &data_fd, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = write_one(data_fd, &files[i], owner, err);
	if (rc == 0)
		rc = replace_link(fd, dated, "..data", err);
	if (rc == 0)
		rc = link_names(fd, files, count, err);
	if (rc == 0) {
		struct stale stale = { .fd = fd, .keep = dated, .files = files, .count = count, .err = err };

		rc = lp_path_each(fd, remove_stale, &stale, err);
	}
	return rc < 0 ? lp_err_wrap(err, "volume %s", name) : 0;
}


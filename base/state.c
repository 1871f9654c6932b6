#include "base/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/digest.h"
#include "base/path.h"
#include "base/seam.h"

enum { HEADER_BYTES = 4 + 4 + 8 + 8 + 4, CRC_AT = 24, NAME_BYTES = 200, STATE_MAX = 64 << 20 };

struct names {
	char tmp[NAME_BYTES + 8], old[NAME_BYTES + 8];
};

static int
make_names(const char *name, struct names *out, struct lp_err *err)
{
	if (strlen(name) > NAME_BYTES)
		return lp_err_set(err, -ENAMETOOLONG, "state %s", name);
	(void)snprintf(out->tmp, sizeof(out->tmp), "%s.tmp", name);
	(void)snprintf(out->old, sizeof(out->old), "%s.old", name);
	return 0;
}

static uint64_t
big_endian(const char *at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | (uint8_t)at[i];
	return v;
}

static uint32_t
checksum(const char *file, size_t len)
{
	uint32_t crc = lp_digest_crc32c(0, file, CRC_AT);

	return lp_digest_crc32c(crc, file + HEADER_BYTES, len);
}

/* One file, checked from magic to checksum; on success `out` holds header and data. */
static int
read_one(int dir_fd, const char *file, uint32_t schema, struct lp_buf *out, struct lp_err *err)
{
	int rc = lp_path_read(dir_fd, file, out, err);
	uint64_t len;

	if (rc < 0)
		return rc;
	if (out->len < HEADER_BYTES || memcmp(out->data, "LPST", 4) != 0)
		return lp_err_say(err, -EBADMSG, "state %s is damaged: no header", file);
	len = big_endian(out->data + 16, 8);
	if (len != out->len - HEADER_BYTES)
		return lp_err_say(err, -EBADMSG, "state %s is damaged: wrong length", file);
	if (checksum(out->data, (size_t)len) != big_endian(out->data + CRC_AT, 4))
		return lp_err_say(err, -EBADMSG, "state %s is damaged: wrong checksum", file);
	if (big_endian(out->data + 4, 4) > schema)
		return lp_err_say(err, -EPROTONOSUPPORT, "state %s was written by a newer version (schema %u)", file,
		    (unsigned)big_endian(out->data + 4, 4));
	return 0;
}

static int
read_any(int dir_fd, const char *name, uint32_t schema, struct lp_buf *out, struct lp_err *err)
{
	struct names names;
	struct lp_err old_err = { 0 };
	int rc = make_names(name, &names, err), old_rc;

	if (rc < 0)
		return rc;
	rc = read_one(dir_fd, name, schema, out, err);
	if (rc != -ENOENT && rc != -EBADMSG)
		return rc;
	lp_buf_reset(out);
	old_rc = read_one(dir_fd, names.old, schema, out, &old_err);
	if (old_rc == -ENOENT)
		return rc;	/* what is wrong with the newer one matters */
	if (old_rc < 0 && err)
		*err = old_err;
	return old_rc;
}

int
lp_state_read(int dir_fd, const char *name, uint32_t schema, struct lp_buf *out, uint64_t *out_generation, struct lp_err *err)
{
	lp_auto_buf struct lp_buf file;
	int rc;

	lp_buf_init(&file, STATE_MAX);
	rc = read_any(dir_fd, name, schema, &file, err);
	if (rc < 0)
		return rc;
	rc = lp_buf_add(out, file.data + HEADER_BYTES, file.len - HEADER_BYTES);
	if (rc < 0)
		return lp_err_set(err, rc, "read state %s", name);
	if (out_generation)
		*out_generation = big_endian(file.data + 8, 8);
	return 0;
}

static int
write_file(int dir_fd, const char *tmp, const struct lp_buf *file, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc;

	if (unlinkat(dir_fd, tmp, 0) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove %s", tmp);
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return lp_err_set(err, -errno, "create %s", tmp);
	rc = lp_path_write_all(fd, file->data, file->len, err);
	if (rc < 0)
		return lp_err_wrap(err, "%s", tmp);
	if (lp_seam.fsync(fd) < 0)
		return lp_err_set(err, -errno, "sync %s", tmp);
	return 0;
}

static int
swap_in(int dir_fd, const char *name, const struct names *names, struct lp_err *err)
{
	if (lp_seam.rename(dir_fd, name, dir_fd, names->old) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "keep the older state %s", name);
	if (lp_seam.rename(dir_fd, names->tmp, dir_fd, name) < 0)
		return lp_err_set(err, -errno, "put state %s in place", name);
	if (lp_seam.fsync(dir_fd) < 0) {
		int rc = lp_err_set(err, -errno, "sync the directory of state %s", name);

		/* Whether it would survive is unknown: it is lost, or the next write of the same would find nothing to do. */
		(void)unlinkat(dir_fd, name, 0);
		return rc;
	}
	return 0;
}

int
lp_state_write(int dir_fd, const char *name, uint32_t schema, const void *data, size_t len, struct lp_err *err)
{
	lp_auto_buf struct lp_buf before, file;
	struct names names;
	uint64_t generation = 0;
	uint32_t crc;
	bool intact;
	int rc = make_names(name, &names, err);

	lp_buf_init(&before, STATE_MAX);
	lp_buf_init(&file, STATE_MAX);
	if (rc < 0)
		return rc;
	rc = read_one(dir_fd, name, UINT32_MAX, &before, err);
	/* Only what certainly is no state may be removed below: a lack of memory or descriptors says nothing about the file. */
	if (rc < 0 && rc != -ENOENT && rc != -EBADMSG && rc != -EMSGSIZE && rc != -EIO)
		return lp_err_wrap(err, "write state %s", name);
	intact = rc == 0;
	if (intact && big_endian(before.data + 4, 4) == schema && before.len - HEADER_BYTES == len &&
	    memcmp(before.data + HEADER_BYTES, data, len) == 0)
		return 0;
	/* A damaged file must not push the last good one out of <name>.old. */
	if (!intact) {
		if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
			return lp_err_set(err, -errno, "remove the damaged state %s", name);
		lp_buf_reset(&before);
		intact = read_one(dir_fd, names.old, UINT32_MAX, &before, NULL) == 0;
	}
	if (intact)
		generation = big_endian(before.data + 8, 8);

	(void)lp_buf_add(&file, "LPST", 4);
	(void)lp_buf_u32(&file, schema);
	(void)lp_buf_u64(&file, generation + 1);
	(void)lp_buf_u64(&file, len);
	(void)lp_buf_u32(&file, 0);
	if (lp_buf_add(&file, data, len) < 0)
		return lp_err_set(err, file.failed, "write state %s", name);
	crc = checksum(file.data, len);
	for (int i = 0; i < 4; i++)
		file.data[CRC_AT + i] = (char)(crc >> (24 - 8 * i));

	rc = write_file(dir_fd, names.tmp, &file, err);
	if (rc == 0)
		rc = swap_in(dir_fd, name, &names, err);
	if (rc < 0)
		(void)unlinkat(dir_fd, names.tmp, 0);	/* the old state stands; a leftover is removed by the next write */
	return rc < 0 ? lp_err_wrap(err, "write state %s", name) : 0;
}

int
lp_state_remove(int dir_fd, const char *name, struct lp_err *err)
{
	struct names names;
	const char *all[] = { names.tmp, names.old, name };
	int rc = make_names(name, &names, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < lp_count(all); i++)
		if (unlinkat(dir_fd, all[i], 0) < 0 && errno != ENOENT)
			return lp_err_set(err, -errno, "remove state %s", all[i]);
	if (lp_seam.fsync(dir_fd) < 0)
		return lp_err_set(err, -errno, "sync the directory of state %s", name);
	return 0;
}

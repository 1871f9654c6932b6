#include "images/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

#define PAX_MAX ((size_t)1 << 20)
#define COMPONENT_MAX 255

struct field {
	unsigned short at, len;
};
static const struct field f_name = { 0, 100 }, f_mode = { 100, 8 }, f_uid = { 108, 8 }, f_gid = { 116, 8 }, f_size = { 124, 12 },
			  f_mtime = { 136, 12 }, f_sum = { 148, 8 }, f_target = { 157, 100 }, f_prefix = { 345, 155 };
#define AT_TYPE 156
#define AT_MAGIC 257

void
lp_tar_init(struct lp_tar *tar, lp_tar_read_fn read, lp_tar_skip_fn skip, void *arg)
{
	memset(tar, 0, sizeof(*tar));
	tar->read = read;
	tar->skip = skip;
	tar->arg = arg;
	lp_buf_init(&tar->local, PAX_MAX);
	lp_buf_init(&tar->long_name, LP_TAR_PATH_MAX + 1);
	lp_buf_init(&tar->long_target, LP_TAR_PATH_MAX + 1);
}

void
lp_tar_fini(struct lp_tar *tar)
{
	lp_buf_fini(&tar->local);
	lp_buf_fini(&tar->long_name);
	lp_buf_fini(&tar->long_target);
}

static int
broken(struct lp_err *err, const char *what)
{
	return lp_err_say(err, -EBADMSG, "broken tar: %s", what);
}

/* Octal digits, or GNU base-256 when the first bit is set. */
static int
number(const unsigned char *block, struct field f, int64_t *out)
{
	const unsigned char *p = block + f.at;
	size_t i = 0;
	uint64_t v = 0;

	if (p[0] & 0x80) {
		bool negative = p[0] & 0x40;

		v = negative ? UINT64_MAX << 6 | (p[0] & 0x3f) : (uint64_t)(p[0] & 0x3f);
		for (i = 1; i < f.len; i++) {
			if (v >> 55 != (negative ? 0x1ffu : 0u))
				return -ERANGE;
			v = v << 8 | p[i];
		}
		*out = (int64_t)v;
		return 0;
	}
	while (i < f.len && p[i] == ' ')
		i++;
	for (; i < f.len && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 59)
			return -ERANGE;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	for (; i < f.len; i++)
		if (p[i] != '\0' && p[i] != ' ')
			return -EINVAL;
	*out = (int64_t)v;
	return 0;
}

static bool
checksum_fits(const unsigned char *block)
{
	int64_t want, plain = 0, with_sign = 0;

	if (number(block, f_sum, &want) < 0)
		return false;
	for (unsigned i = 0; i < LP_TAR_BLOCK; i++) {
		unsigned char c = i >= f_sum.at && i < (unsigned)f_sum.at + f_sum.len ? ' ' : block[i];

		plain += c;
		with_sign += (signed char)c;
	}
	return want == plain || want == with_sign;
}

static bool
all_zero(const unsigned char *block)
{
	for (size_t i = 0; i < LP_TAR_BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

/* Text of a fixed field; out has room for the field and a NUL. */
static size_t
text(const unsigned char *block, struct field f, char *out)
{
	size_t len = strnlen((const char *)block + f.at, f.len);

	memcpy(out, block + f.at, len);
	out[len] = '\0';
	return len;
}

/* The content of a pax or GNU name entry. */
static int
load(struct lp_tar *tar, struct lp_buf *into, int64_t size, struct lp_err *err)
{
	char *room;
	int rc;

	lp_buf_reset(into);
	if ((uint64_t)size > into->max)
		return lp_err_say(err, -E2BIG, "tar: a header of %lld bytes", (long long)size);
	room = lp_buf_room(into, (size_t)size);
	if (!room)
		return lp_err_set(err, into->failed, "tar header");
	rc = tar->read(tar->arg, room, (size_t)size, err);
	if (rc < 0)
		return rc == -ENODATA ? broken(err, "it ends inside an entry") : rc;
	lp_buf_added(into, (size_t)size);
	tar->offset += (uint64_t)size;
	tar->padding = (LP_TAR_BLOCK - (uint64_t)size % LP_TAR_BLOCK) % LP_TAR_BLOCK;
	return 0;
}

static int
digits(const char *value, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned d = (unsigned)(value[i] - '0');

		if (d > 9)
			return -EINVAL;
		if (v > (max - d) / 10)
			return -ERANGE;
		v = v * 10 + d;
	}
	*out = v;
	return 0;
}

/* Seconds with an optional fraction; before 1970 counts as 1970. */
static int
pax_time(const char *value, size_t len, struct timespec *out)
{
	const char *dot = memchr(value, '.', len);
	size_t whole = dot ? (size_t)(dot - value) : len;
	uint64_t seconds;
	long nanos = 0, scale = 100000000;

	if (len > 1 && value[0] == '-') {
		*out = (struct timespec){ 0, 0 };
		return 0;
	}
	if (digits(value, whole, INT64_MAX / 2, &seconds) < 0)
		return -EINVAL;
	for (size_t i = whole + 1; i < len; i++, scale /= 10) {
		if (value[i] < '0' || value[i] > '9')
			return -EINVAL;
		nanos += (value[i] - '0') * scale;
	}
	*out = (struct timespec){ (time_t)seconds, nanos };
	return 0;
}

static int
pax_id(const char *value, size_t len, uint32_t *out)
{
	uint64_t v;

	if (digits(value, len, UINT32_MAX - 1, &v) < 0)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

/* One record; key and value are NUL-terminated, the value may hold NULs of its own. */
static int
pax_record(struct lp_tar_entry *e, int64_t *size, const char *key, const char *value, size_t len, struct lp_err *err)
{
	static const char schily[] = "SCHILY.xattr.";
	uint64_t v;
	int rc = 0;

	if (!strcmp(key, "path") || !strcmp(key, "linkpath")) {
		if (memchr(value, '\0', len) || len > LP_TAR_PATH_MAX)
			return broken(err, "a pax path that is none");
		if (key[0] == 'p')
			e->name = value;
		else
			e->target = value;
	} else if (!strcmp(key, "size")) {
		rc = digits(value, len, INT64_MAX, &v);
		if (rc == 0)
			*size = (int64_t)v;
	} else if (!strcmp(key, "uid")) {
		rc = pax_id(value, len, &e->uid);
	} else if (!strcmp(key, "gid")) {
		rc = pax_id(value, len, &e->gid);
	} else if (!strcmp(key, "mtime")) {
		rc = pax_time(value, len, &e->mtime);
	} else if (!strncmp(key, schily, strlen(schily))) {
		if (e->xattr_count == LP_TAR_XATTRS_MAX)
			return lp_err_say(err, -E2BIG, "tar: more than %d attributes on one entry", LP_TAR_XATTRS_MAX);
		e->xattrs[e->xattr_count++] = (struct lp_tar_xattr){ key + strlen(schily), value, len };
	} else if (!strncmp(key, "GNU.sparse.", 11)) {
		return lp_err_say(err, -ENOTSUP, "tar: sparse entries are not supported");
	}
	return rc < 0 ? broken(err, "a pax record that is no number") : 0;
}

/* "<len> <key>=<value>\n" ...; separators become NULs in place. */
static int
pax_records(struct lp_tar *tar, struct lp_tar_entry *e, int64_t *size, struct lp_err *err)
{
	char *p = tar->local.data, *end = p + tar->local.len;

	while (p < end) {
		char *space = memchr(p, ' ', (size_t)(end - p));
		char *equals;
		uint64_t len;
		int rc;

		if (!space || digits(p, (size_t)(space - p), PAX_MAX, &len) < 0 || len > (uint64_t)(end - p) ||
		    len < (uint64_t)(space - p) + 3 || p[len - 1] != '\n')
			return broken(err, "a pax record of the wrong length");
		equals = memchr(space, '=', len - (size_t)(space - p));
		if (!equals || equals == space + 1)
			return broken(err, "a pax record without a key");
		*equals = '\0';
		p[len - 1] = '\0';
		rc = pax_record(e, size, space + 1, equals + 1, (size_t)(p + len - 1 - (equals + 1)), err);
		if (rc < 0)
			return rc;
		p += len;
	}
	return 0;
}

/* Names from the fixed fields: ustar's prefix, unless it is GNU's variant. */
static void
fixed_names(struct lp_tar *tar, const unsigned char *block, struct lp_tar_entry *e)
{
	size_t len = 0;

	if (!memcmp(block + AT_MAGIC, "ustar\0", 6)) {
		len = text(block, f_prefix, tar->short_name);
		if (len)
			tar->short_name[len++] = '/';
	}
	(void)text(block, f_name, tar->short_name + len);
	(void)text(block, f_target, tar->short_target);
	e->name = tar->short_name;
	e->target = tar->short_target;
}

static int
fixed_fields(const unsigned char *block, struct lp_tar_entry *e, int64_t *size, struct lp_err *err)
{
	int64_t mode, uid, gid, mtime;

	if (number(block, f_mode, &mode) < 0 || number(block, f_uid, &uid) < 0 || number(block, f_gid, &gid) < 0 ||
	    number(block, f_mtime, &mtime) < 0 || number(block, f_size, size) < 0)
		return broken(err, "a number that is none");
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return broken(err, "an owner out of range");
	e->mode = (uint32_t)mode & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->mtime = (struct timespec){ mtime < 0 ? 0 : (time_t)mtime, 0 };
	return 0;
}

static int
entry_type(char flag, const char *name, struct lp_tar_entry *e, struct lp_err *err)
{
	size_t len = strlen(name);

	switch (flag) {
	case '\0':
	case '0':
	case '7':
		e->type = len && name[len - 1] == '/' ? LP_TAR_DIRECTORY : LP_TAR_FILE;
		return 0;
	case '1':
		e->type = LP_TAR_HARDLINK;
		return 0;
	case '2':
		e->type = LP_TAR_SYMLINK;
		return 0;
	case '3':
		e->type = LP_TAR_CHAR;
		return 0;
	case '4':
		e->type = LP_TAR_BLOCK_DEVICE;
		return 0;
	case '5':
		e->type = LP_TAR_DIRECTORY;
		return 0;
	case '6':
		e->type = LP_TAR_FIFO;
		return 0;
	default:
		return lp_err_say(err, -ENOTSUP, "tar: entries of type '%c' are not supported", flag >= ' ' && flag <= '~' ? flag : '?');
	}
}

/* Everything known: put the entry together. */
static int
complete(struct lp_tar *tar, const unsigned char *block, struct lp_tar_entry *out, struct lp_err *err)
{
	int64_t size;
	int rc;

	memset(out, 0, sizeof(*out));
	fixed_names(tar, block, out);
	rc = fixed_fields(block, out, &size, err);
	if (rc < 0)
		return rc;
	if (tar->long_name.len)
		out->name = lp_buf_text(&tar->long_name);
	if (tar->long_target.len)
		out->target = lp_buf_text(&tar->long_target);
	if (tar->local.len) {
		rc = pax_records(tar, out, &size, err);
		if (rc < 0)
			return rc;
	}
	if (size < 0)
		return broken(err, "a negative size");
	rc = entry_type((char)block[AT_TYPE], out->name, out, err);
	if (rc < 0)
		return rc;
	if (out->type != LP_TAR_FILE)
		size = 0;
	if (out->type != LP_TAR_HARDLINK && out->type != LP_TAR_SYMLINK)
		out->target = "";
	if (!*out->name)
		return broken(err, "an entry without a name");
	out->size = (uint64_t)size;
	tar->left = (uint64_t)size;
	tar->padding = (LP_TAR_BLOCK - (uint64_t)size % LP_TAR_BLOCK) % LP_TAR_BLOCK;
	return 0;
}

static int
skip(struct lp_tar *tar, uint64_t len, struct lp_err *err)
{
	int rc = len ? tar->skip(tar->arg, len, err) : 0;

	if (rc < 0)
		return rc == -ENODATA ? broken(err, "it ends inside an entry") : rc;
	tar->offset += len;
	return 0;
}

/* The next header block: 1, 0 at the end. */
static int
header(struct lp_tar *tar, unsigned char *block, struct lp_err *err)
{
	int rc = skip(tar, tar->left + tar->padding, err);

	if (rc < 0)
		return rc;
	tar->left = tar->padding = 0;
	rc = tar->read(tar->arg, block, LP_TAR_BLOCK, err);
	if (rc == -ENODATA)
		return 0;
	if (rc < 0)
		return rc;
	tar->offset += LP_TAR_BLOCK;
	if (all_zero(block))
		return 0;
	if (!checksum_fits(block))
		return broken(err, "a header whose checksum is wrong");
	return 1;
}

int
lp_tar_next(struct lp_tar *tar, struct lp_tar_entry *out, struct lp_err *err)
{
	unsigned char block[LP_TAR_BLOCK];
	bool began = false;

	lp_buf_reset(&tar->local);
	lp_buf_reset(&tar->long_name);
	lp_buf_reset(&tar->long_target);
	for (;;) {
		int rc = header(tar, block, err);
		int64_t size;
		char flag;

		if (rc == 0 && began)
			return broken(err, "it ends inside an entry");
		if (rc <= 0)
			return rc;
		flag = (char)block[AT_TYPE];
		if (!strchr("xXgLKV", flag) || flag == '\0') {
			rc = complete(tar, block, out, err);
			return rc < 0 ? rc : 1;
		}
		if (number(block, f_size, &size) < 0 || size < 0)
			return broken(err, "a number that is none");
		began = flag != 'g' && flag != 'V';
		if (flag == 'g' || flag == 'V') {
			tar->left = (uint64_t)size;
			tar->padding = (LP_TAR_BLOCK - (uint64_t)size % LP_TAR_BLOCK) % LP_TAR_BLOCK;
			continue;
		}
		rc = load(tar, flag == 'L' ? &tar->long_name : flag == 'K' ? &tar->long_target : &tar->local, size, err);
		if (rc < 0)
			return rc;
	}
}

int64_t
lp_tar_read(struct lp_tar *tar, void *data, size_t len, struct lp_err *err)
{
	int rc;

	if (len > tar->left)
		len = (size_t)tar->left;
	if (len == 0)
		return 0;
	rc = tar->read(tar->arg, data, len, err);
	if (rc < 0)
		return rc == -ENODATA ? broken(err, "it ends inside an entry") : rc;
	tar->left -= len;
	tar->offset += len;
	return (int64_t)len;
}

static bool
is_dots(const char *p, size_t len, size_t dots)
{
	return len == dots && p[0] == '.' && p[dots - 1] == '.';
}

int
lp_tar_clean(const char *name, uint32_t depth, char out[static LP_TAR_PATH_MAX + 1], struct lp_err *err)
{
	size_t used = 0;
	uint32_t components = 0;

	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (is_dots(p, len, 2))
			return lp_err_say(err, -EXDEV, "leads out of the image");
		if (len > COMPONENT_MAX)
			return lp_err_say(err, -E2BIG, "a name longer than %d bytes", COMPONENT_MAX);
		if (len && !is_dots(p, len, 1)) {
			if (used + len + 2 > LP_TAR_PATH_MAX || ++components > depth)
				return lp_err_say(err, -E2BIG, "too deep");
			if (used)
				out[used++] = '/';
			memcpy(out + used, p, len);
			used += len;
		}
		p += len;
		p += strspn(p, "/");
	}
	out[used] = '\0';
	return 0;
}

bool
lp_tar_climbs(const char *path, const char *target)
{
	long depth = 0;

	if (*target == '/')
		return false;
	for (const char *p = path; *p; p++)
		depth += *p == '/';
	while (*target) {
		size_t len = strcspn(target, "/");

		if (is_dots(target, len, 2))
			depth--;
		else if (len && !is_dots(target, len, 1))
			depth++;
		if (depth < 0)
			return true;
		target += len;
		target += strspn(target, "/");
	}
	return false;
}

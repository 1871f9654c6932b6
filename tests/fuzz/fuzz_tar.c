/*
 * tests/fuzz/fuzz_tar.c - tar headers: whatever the bytes, entries are bounded, names are text, and cleaned names stay inside.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "images/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct source {
	const uint8_t *data;
	size_t len;
};

static int
source_read(void *arg, void *data, size_t len, struct lp_err *err)
{
	struct source *s = arg;

	if (!s->len)
		return -ENODATA;
	if (len > s->len)
		return lp_err_say(err, -EBADMSG, "truncated");
	memcpy(data, s->data, len);
	s->data += len;
	s->len -= len;
	return 0;
}

static int
source_skip(void *arg, uint64_t len, struct lp_err *err)
{
	struct source *s = arg;

	if (len > s->len)
		return lp_err_say(err, -EBADMSG, "truncated");
	s->data += len;
	s->len -= len;
	return 0;
}

static void
check(const struct lp_tar_entry *e)
{
	char name[LP_TAR_PATH_MAX + 1];

	assert(*e->name && strlen(e->name) <= LP_TAR_PATH_MAX + 1 && strlen(e->target) <= LP_TAR_PATH_MAX + 1);
	assert(e->mode <= 07777 && e->uid < UINT32_MAX && e->gid < UINT32_MAX && e->xattr_count <= LP_TAR_XATTRS_MAX);
	assert(e->type == LP_TAR_FILE || e->size == 0);
	assert(e->mtime.tv_sec >= 0 && e->mtime.tv_nsec >= 0 && e->mtime.tv_nsec < 1000000000);
	if (lp_tar_clean(e->name, 100, name, NULL) < 0)
		return;
	assert(*name != '/' && !strstr(name, "//"));
	assert(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
	(void)lp_tar_climbs(name, e->target);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct source source = { data, len };
	struct lp_tar_entry entry;
	struct lp_tar tar;
	uint8_t part[700];
	int entries = 0;

	lp_tar_init(&tar, source_read, source_skip, &source);
	while (lp_tar_next(&tar, &entry, NULL) > 0) {
		assert(++entries <= (int)(len / LP_TAR_BLOCK));
		check(&entry);
		if (entries % 2)
			while (lp_tar_read(&tar, part, sizeof(part), NULL) > 0)
				continue;
	}
	lp_tar_fini(&tar);
	return 0;
}

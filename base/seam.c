#include "base/seam.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t
clock_ms(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts);	/* cannot fail for these clocks */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
boot_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

static int64_t
wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static int
kernel_random(void *out, size_t len)
{
	char *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		at += got;
		len -= (size_t)got;
	}
	return 0;
}

static long
plain_write(int fd, const void *data, size_t len)
{
	return write(fd, data, len);
}

static void *
zeroed(size_t size)
{
	return calloc(1, size);
}

struct lp_seam lp_seam = {
	.boot_ms = boot_ms,
	.wall_ms = wall_ms,
	.random = kernel_random,
	.fsync = fsync,
	.rename = renameat,
	.write = plain_write,
	.alloc = zeroed,
	.grow = realloc,
};

void
lp_random(void *out, size_t len)
{
	if (lp_seam.random(out, len) < 0)
		abort();	/* without randomness no key, token or name is safe */
}

void
lp_random_uuid(char out[static LP_UUID_TEXT])
{
	uint8_t b[16];

	lp_random(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)snprintf(out, LP_UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
	    b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

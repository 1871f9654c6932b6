/*
 * base/seam.h - clock, disk, randomness and memory as seams that a test can bend.
 *
 * Rule    production code never assigns a seam; tests do, and put it back
 */
#ifndef LP_BASE_SEAM_H
#define LP_BASE_SEAM_H

#include <stddef.h>
#include <stdint.h>

struct lp_seam {
	int64_t (*boot_ms)(void);
	int64_t (*wall_ms)(void);
	int (*random)(void *out, size_t len);			/* 0 or negative errno */
	int (*fsync)(int fd);					/* as fsync(2) */
	int (*rename)(int from_dir, const char *from, int to_dir, const char *to);	/* as renameat(2) */
	long (*write)(int fd, const void *data, size_t len);	/* as write(2) */
	void *(*alloc)(size_t size);				/* zeroed, as calloc(1, size) */
	void *(*grow)(void *ptr, size_t size);			/* as realloc(3) */
};

extern struct lp_seam lp_seam;

/* Fill with random bytes through the seam; aborts when the kernel has none. */
void lp_random(void *out, size_t len);

/* RFC 4122 version 4, lower case. */
#define LP_UUID_TEXT 37
void lp_random_uuid(char out[static LP_UUID_TEXT]);

#endif

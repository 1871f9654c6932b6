/*
 * tests/vm/cutpower.c - what a disk may hold after the power was cut: prefixes of a write log, with random loss.
 *
 * Use     cutpower count LOG                          prints "entries flushes"
 *         cutpower cut INITIAL LOG FLUSH SEED OUT     OUT = INITIAL + every write up to the FLUSHth flush (0: none)
 *                                                     + a random part of the writes that came after it, up to a
 *                                                     random moment before the next flush; each of these is there
 *                                                     whole, torn at a sector, or not at all
 * Format  QEMU's blklogwrites (dm-log-writes): u64 magic, version, count, u32 sector size in the first sector; then per
 *         entry u64 sector, sectors, flags (1 flush, 2 FUA, 4 discard), length, padded to a sector, and the data
 * Rule    a FUA write before the moment of the cut is there whole; the others are unordered, as a real disk has them
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x6a736677736872)
#define SECTOR 512

enum { FLUSH = 1, FUA = 2, DISCARD = 4 };

struct log {
	const unsigned char *data;
	size_t size;
	uint64_t count;
};

struct entry {
	uint64_t sector, sectors, flags, len;	/* sector numbers count SECTOR bytes */
	const unsigned char *data;
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void
open_log(const char *path, struct log *log)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);	/* a block device has a size too */
	uint64_t head[3];

	if (fd < 0 || size < 0)
		die("%s: %s", path, strerror(errno));
	if (size < SECTOR)
		die("%s: no log", path);
	log->size = (size_t)size;
	log->data = mmap(NULL, log->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (log->data == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
	memcpy(head, log->data, sizeof(head));
	if (head[0] != MAGIC)
		die("%s: not a write log, or qemu was killed before it wrote the log's header", path);
	log->count = head[2];
}

/* The entry at *at, which moves on. Discards carry no data. */
static void
next_entry(const struct log *log, size_t *at, struct entry *out)
{
	uint64_t words[4];

	if (*at + SECTOR > log->size)
		die("the log ends early");
	memcpy(words, log->data + *at, sizeof(words));
	*out = (struct entry){ words[0], words[1], words[2], words[3], log->data + *at + SECTOR };
	*at += SECTOR;
	if (!(out->flags & DISCARD)) {
		size_t bytes = (size_t)out->sectors * SECTOR;

		if (out->sectors > log->size / SECTOR || bytes > log->size - *at)
			die("the log ends early");
		*at += bytes;
	}
}

static void
put(int fd, const void *data, size_t len, uint64_t sector)
{
	const char *bytes = data;
	off_t where = (off_t)(sector * SECTOR);

	while (len > 0) {
		ssize_t done = pwrite(fd, bytes, len, where);

		if (done < 0)
			die("write: %s", strerror(errno));
		bytes += done;
		where += done;
		len -= (size_t)done;
	}
}

static uint64_t
next_random(uint64_t *state)	/* xorshift64*: the same cut again from the same seed */
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* One write that was in flight: there, torn, or lost. */
static void
put_perhaps(int fd, const struct entry *entry, uint64_t *random)
{
	uint64_t dice = next_random(random) % 100;
	uint64_t sectors = entry->sectors;

	if (entry->flags & FUA)
		dice = 50;
	if (dice < 45)
		return;
	if (dice >= 90)
		sectors = next_random(random) % (entry->sectors + 1);
	put(fd, entry->data, (size_t)sectors * SECTOR, entry->sector);
}

static void
copy_file(const char *from, int to)
{
	static char buffer[1 << 20];
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t sector = 0;
	ssize_t got;

	if (fd < 0 || size < 0 || lseek(fd, 0, SEEK_SET) < 0 || ftruncate(to, size) < 0)
		die("%s: %s", from, strerror(errno));
	for (; (got = read(fd, buffer, sizeof(buffer))) > 0; sector += (uint64_t)got / SECTOR) {
		static const char zeros[sizeof(buffer)];

		if (memcmp(buffer, zeros, (size_t)got) != 0)
			put(to, buffer, (size_t)got, sector);
	}
	if (got < 0)
		die("%s: %s", from, strerror(errno));
	close(fd);
}

/* Entries from *at to behind the next flush or the end; *at does not move. */
static uint64_t
entries_to_flush(const struct log *log, size_t at, uint64_t left)
{
	uint64_t count = 0;
	struct entry entry = { 0 };

	while (count < left && !(entry.flags & FLUSH)) {
		next_entry(log, &at, &entry);
		count++;
	}
	return count;
}

static void
cut(const char *initial, const struct log *log, uint64_t flushes_kept, uint64_t seed, const char *out)
{
	int fd = open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint64_t flushes = 0, random = seed * 2 + 1, i = 0;
	struct entry entry;
	size_t at = SECTOR;

	if (fd < 0)
		die("%s: %s", out, strerror(errno));
	copy_file(initial, fd);
	for (; i < log->count && flushes < flushes_kept; i++) {
		next_entry(log, &at, &entry);
		if (!(entry.flags & DISCARD))
			put(fd, entry.data, (size_t)entry.sectors * SECTOR, entry.sector);
		flushes += entry.flags & FLUSH;
	}
	if (flushes < flushes_kept)
		die("the log has %" PRIu64 " flushes only", flushes);

	(void)next_random(&random);	/* the first draw of neighbouring seeds is alike */
	for (uint64_t n = next_random(&random) % (entries_to_flush(log, at, log->count - i) + 1); n > 0; n--) {
		next_entry(log, &at, &entry);
		if (!(entry.flags & DISCARD))
			put_perhaps(fd, &entry, &random);
	}
	if (close(fd) < 0)
		die("%s: %s", out, strerror(errno));
}

int
main(int argc, char **argv)
{
	struct log log;

	if (argc == 3 && strcmp(argv[1], "count") == 0) {
		uint64_t flushes = 0;
		size_t at = SECTOR;

		open_log(argv[2], &log);
		for (uint64_t i = 0; i < log.count; i++) {
			struct entry entry;

			next_entry(&log, &at, &entry);
			flushes += entry.flags & FLUSH;
		}
		printf("%" PRIu64 " %" PRIu64 "\n", log.count, flushes);
		return 0;
	}
	if (argc != 7 || strcmp(argv[1], "cut") != 0)
		die("usage: cutpower count LOG | cutpower cut INITIAL LOG FLUSH SEED OUT");
	open_log(argv[3], &log);
	cut(argv[2], &log, strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10), argv[6]);
	return 0;
}

/*
 * tests/vm/meter.c - runs inside a container and says what it is given; or takes all it can get.
 *
 * Use     meter memory            touches memory until it is killed; the last number said is what there was, in KiB
 *         meter cpu SECONDS       share of one processor that a busy loop got, in thousandths
 *         meter forks             processes that can be alive at once, this one too
 *         meter huge              huge pages of 2 MiB that can be had
 *         meter devices           which of some devices can be opened
 *         meter requests FILE     answers a request every 40 ms and says how long each took from the moment it was due, in
 *                                 microseconds, 25 at a time
 *         meter forkbomb | membomb | cachebomb DIR      never end by themselves
 * Request six times over: reads 64 KiB of FILE, takes and fills 256 KiB of memory, adds it all up; then asks a process beside it
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, PIECE = 64 << 10, BATCH = 25, EVERY_USEC = 40000 };

static void __attribute__((noreturn))
die(const char *what)
{
	(void)fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now_usec(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

static char *
take(size_t size, int flags)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* ---- what there is ---- */

static void
say_memory(bool quiet)
{
	for (long kib = 0;; kib += PIECE >> 10) {
		char *memory = take(PIECE, 0);

		if (!memory)
			die("mmap");
		memset(memory, 1, PIECE);
		if (!quiet && kib % 256 == 0)
			(void)printf("%ld\n", kib);
	}
}

static void
say_cpu(int seconds)
{
	const int64_t start = now_usec(CLOCK_MONOTONIC), used = now_usec(CLOCK_PROCESS_CPUTIME_ID);
	int64_t now = start;

	while (now < start + seconds * INT64_C(1000000))
		now = now_usec(CLOCK_MONOTONIC);
	(void)printf("%" PRId64 "\n", (now_usec(CLOCK_PROCESS_CPUTIME_ID) - used) * 1000 / (now - start));
}

static void
say_forks(void)
{
	int count = 1;
	pid_t pid;

	while (count < 5000 && (pid = fork()) >= 0) {
		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		count++;
	}
	if (errno != EAGAIN)
		die("fork");
	(void)printf("%d\n", count);
	(void)signal(SIGTERM, SIG_IGN);
	(void)kill(0, SIGTERM);
	while (wait(NULL) > 0)
		continue;
}

static void
say_huge(void)
{
	int count = 0;
	char *memory;

	/* Taken without a reservation nothing says no before the first touch, and then it kills. */
	while (count < 10000 && (memory = take(2 * MIB, MAP_HUGETLB))) {
		*memory = 1;
		count++;
	}
	(void)printf("%d\n", count);
}

static void
say_devices(void)
{
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/kmsg", "/dev/mem", "/dev/vda", "/dev/loop0",
		"/dev/fuse", "/dev/kvm" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_RDWR | O_CLOEXEC);

		(void)printf("%s %s\n", names[i], fd >= 0 ? "yes" : "no");
		if (fd >= 0)
			(void)close(fd);
	}
}

/* ---- requests ---- */

static void
start_neighbour(int *out_to, int *out_from)
{
	int to[2], from[2];
	pid_t pid;
	char byte;

	if (pipe(to) < 0 || pipe(from) < 0 || (pid = fork()) < 0)
		die("start a neighbour");
	if (pid == 0) {
		(void)close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	*out_to = to[1];
	*out_from = from[0];
}

static uint64_t
work(int file, unsigned turn)
{
	static unsigned char piece[PIECE];
	unsigned char *memory = (unsigned char *)take(4 * PIECE, 0);
	uint64_t sum = 0;

	if (!memory || pread(file, piece, sizeof(piece), (off_t)(turn % 16) * PIECE) != PIECE)
		die("a request");
	memset(memory, (int)turn, 4 * PIECE);
	for (size_t i = 0; i < PIECE; i++)
		sum = sum * 31 + piece[i] + memory[i * 4];
	(void)munmap(memory, 4 * PIECE);
	return sum;
}

static void
answer_requests(const char *path)
{
	int64_t due, took[BATCH];
	int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), to, from;
	uint64_t sum = 0;
	char byte = 'x';

	if (file < 0 || ftruncate(file, MIB) < 0)
		die(path);
	start_neighbour(&to, &from);
	due = now_usec(CLOCK_MONOTONIC);
	for (;;) {
		for (unsigned i = 0; i < BATCH; i++) {
			const int64_t wait_usec = due - now_usec(CLOCK_MONOTONIC);

			if (wait_usec > 0)
				(void)usleep((useconds_t)wait_usec);
			else
				due -= wait_usec;	/* too late: that is in the figures once, not for ever */
			for (unsigned turn = 0; turn < 6; turn++)
				sum += work(file, i + turn);
			byte = (char)sum;	/* so that the work is done */
			if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
				die("ask the neighbour");
			took[i] = now_usec(CLOCK_MONOTONIC) - due;
			due += EVERY_USEC;
		}
		for (unsigned i = 0; i < BATCH; i++)
			(void)printf("%" PRId64 "\n", took[i]);
	}
}

/* ---- bombs ---- */

static void
bomb_forks(void)
{
	for (;;)
		(void)fork();
}

static void
bomb_cache(const char *dir)
{
	static char piece[PIECE];
	char path[256];

	for (unsigned turn = 0;; turn++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/cache.%u", dir, turn % 2);
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0)
			die(path);
		for (int i = 0; i < 640 && write(fd, piece, sizeof(piece)) == PIECE; i++)
			continue;
		for (int i = 0; i < 640 && pread(fd, piece, sizeof(piece), (off_t)i * PIECE) == PIECE; i++)
			continue;
		(void)close(fd);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *with = argc > 2 ? argv[2] : "";

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(what, "memory") == 0)
		say_memory(false);
	else if (strcmp(what, "cpu") == 0)
		say_cpu((int)strtol(with, NULL, 10));
	else if (strcmp(what, "forks") == 0)
		say_forks();
	else if (strcmp(what, "huge") == 0)
		say_huge();
	else if (strcmp(what, "devices") == 0)
		say_devices();
	else if (strcmp(what, "requests") == 0)
		answer_requests(with);
	else if (strcmp(what, "forkbomb") == 0)
		bomb_forks();
	else if (strcmp(what, "membomb") == 0)
		say_memory(true);
	else if (strcmp(what, "cachebomb") == 0)
		bomb_cache(with);
	else
		return 2;
	return 0;
}

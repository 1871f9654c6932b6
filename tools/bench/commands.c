/*
 * tools/bench/commands.c - OCI runtimes as commands, measured in turns.
 *
 * Use     commands run|life ROW ROUNDS BUNDLE FLOOR PROGRAM ...
 *         FLOOR is a whole command line and the measure of the others; PROGRAM is "crun", "runc --option" ...
 *         run: PROGRAM run --bundle BUNDLE ID        life: create, start, its end, delete
 *         ROW of them one after the other are one measurement
 * Output  a line each: median and 90th percentile in microseconds, the median over the floor's, CPU time of all processes, peak RSS
 * Turns   every round measures each once, so that what else the machine does falls on all alike
 * Reaping a created container's process is nobody's child when its creator has ended: it comes to us, as it would to conmon
 */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WHO_MAX = 10, ROUNDS_MAX = 2000, ARGS_MAX = 12, FIRST = 5 };

static const char *bundle;
static int64_t took_us[WHO_MAX][ROUNDS_MAX], cpu_us[WHO_MAX];
static long rss_kib[WHO_MAX];
static unsigned int count;

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
micro(const struct timeval *tv)
{
	return (int64_t)tv->tv_sec * 1000000 + tv->tv_usec;
}

static int
reap(pid_t pid, int who)
{
	struct rusage usage;
	int status;

	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -1;
	cpu_us[who] += micro(&usage.ru_utime) + micro(&usage.ru_stime);
	if (usage.ru_maxrss > rss_kib[who])
		rss_kib[who] = usage.ru_maxrss;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* PROGRAM VERB [OPTION ...] ID; without a verb PROGRAM alone. */
static int
command(int who, const char *program, const char *verb, const char *const *options, const char *id)
{
	extern char **environ;
	char words[512];
	char *args[ARGS_MAX + 6] = { NULL }, *rest = NULL;
	size_t used = 0;
	pid_t pid;

	snprintf(words, sizeof(words), "%s", program);
	for (char *word = strtok_r(words, " ", &rest); word && used < ARGS_MAX; word = strtok_r(NULL, " ", &rest))
		args[used++] = word;
	if (verb) {
		args[used++] = (char *)verb;
		for (; options && *options; options++)
			args[used++] = (char *)*options;
		args[used++] = (char *)id;
	}
	if (posix_spawnp(&pid, args[0], NULL, NULL, args, environ) != 0)
		return -1;
	return reap(pid, who);
}

static int
once(int who, const char *program, int life)
{
	const char *const of_bundle[] = { "--bundle", bundle, NULL };
	char id[64];
	int rc;

	snprintf(id, sizeof(id), "lpbench-%d-%u", (int)getpid(), count++);
	if (who == 0)
		return command(who, program, NULL, NULL, NULL);
	if (!life)
		return command(who, program, "run", of_bundle, id);
	rc = command(who, program, "create", of_bundle, id);
	if (rc == 0)
		rc = command(who, program, "start", NULL, id);
	if (rc == 0)
		rc = reap(-1, who);	/* the container's own process */
	if (rc == 0)
		rc = command(who, program, "delete", NULL, id);
	return rc;
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	int row = argc > FIRST ? (int)strtol(argv[2], NULL, 10) : 0, rounds = argc > FIRST ? (int)strtol(argv[3], NULL, 10) : 0;
	int who_count = argc - FIRST;
	int life = argc > 1 && strcmp(argv[1], "life") == 0;

	if (row < 1 || rounds < 1 || rounds > ROUNDS_MAX || who_count > WHO_MAX) {
		fprintf(stderr, "usage: commands run|life ROW ROUNDS BUNDLE FLOOR PROGRAM ...\n");
		return 2;
	}
	bundle = argv[4];
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return 1;
	for (int round = -1; round < rounds; round++) {	/* one to warm up */
		for (int who = 0; who < who_count; who++) {
			int64_t start = now_us();

			for (int i = 0; i < row; i++) {
				int rc = once(who, argv[FIRST + who], life);

				if (rc != 0) {
					fprintf(stderr, "commands: %s ended with %d\n", argv[FIRST + who], rc);
					return 1;
				}
			}
			if (round >= 0)
				took_us[who][round] = now_us() - start;
			else
				cpu_us[who] = 0;
		}
	}
	for (int who = 0; who < who_count; who++)
		qsort(took_us[who], (size_t)rounds, sizeof(int64_t), by_value);
	for (int who = 0; who < who_count; who++)
		printf("%-46.46s %8lld us  p90 %8lld  %6.2f x  cpu %7lld us  RSS %6ld KiB\n", who == 0 ? "floor, as a command" : argv[FIRST + who],
		       (long long)took_us[who][rounds / 2], (long long)took_us[who][rounds * 9 / 10],
		       (double)took_us[who][rounds / 2] / (double)took_us[0][rounds / 2], (long long)(cpu_us[who] / rounds), rss_kib[who]);
	return 0;
}

#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_SKIPPED 77

static struct lp_test *first_test;
static struct lp_test **next_test = &first_test;
static char dir_path[256];		/* of the running test; not there before lp_test_dir() */
static int skip_pipe = -1;		/* the child writes the reason of a skip here */

void
lp_test_add(struct lp_test *test)
{
	*next_test = test;
	next_test = &test->next;
}

/* ---- checks ---- */

static void __attribute__((noreturn))
end_failed(void)
{
	fflush(NULL);
	_exit(1);
}

void
lp_test_check(const char *file, int line, const char *what, bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	end_failed();
}

void
lp_test_check_int(const char *file, int line, const char *what, long long got, long long want)
{
	if (got == want)
		return;
	fprintf(stderr, "%s:%d: %s is %lld, should be %lld\n", file, line, what, got, want);
	end_failed();
}

void
lp_test_check_str(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (got && want ? strcmp(got, want) == 0 : got == want)
		return;
	fprintf(stderr, "%s:%d: %s\n  is        \"%s\"\n  should be \"%s\"\n", file, line, what, got ? got : "(NULL)",
	        want ? want : "(NULL)");
	end_failed();
}

void
lp_test_check_mem(const char *file, int line, const char *what, const void *got, const void *want, size_t len)
{
	const unsigned char *a = got, *b = want;

	for (size_t i = 0; i < len; i++) {
		if (a[i] == b[i])
			continue;
		fprintf(stderr, "%s:%d: %s: byte %zu of %zu is 0x%02x, should be 0x%02x\n", file, line, what, i, len,
		        a[i], b[i]);
		end_failed();
	}
}

void
lp_test_check_ok(const char *file, int line, const char *what, long long rc, const struct lp_err *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s:%d: %s failed with %lld: %s\n", file, line, what, rc,
	        err && err->text[0] ? err->text : strerror(rc > -4096 ? (int)-rc : 0));
	end_failed();
}

void
lp_test_check_err(const char *file, int line, const char *what, long long rc, int code)
{
	if (rc == code)
		return;
	fprintf(stderr, "%s:%d: %s returned %lld, should fail with %d (%s)\n", file, line, what, rc, code,
	        strerror(-code));
	end_failed();
}

void
lp_test_check_has(const char *file, int line, const char *what, const char *text, const char *part)
{
	if (text && strstr(text, part))
		return;
	fprintf(stderr, "%s:%d: %s\n  is          \"%s\"\n  should have \"%s\"\n", file, line, what, text ? text : "(NULL)",
	        part);
	end_failed();
}

void
lp_test_skip(const char *fmt, ...)
{
	char why[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	fflush(NULL);
	if (write(skip_pipe, why, strlen(why)) < 0)
		end_failed();
	_exit(EXIT_SKIPPED);
}

void
lp_test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	end_failed();
}

/* ---- files ---- */

const char *
lp_test_dir(void)
{
	if (mkdir(dir_path, 0700) < 0 && errno != EEXIST)
		FAIL("mkdir %s: %s", dir_path, strerror(errno));
	return dir_path;
}

const char *
lp_test_path(const char *name)
{
	static char paths[8][512];
	static unsigned int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", lp_test_dir(), name);
	return path;
}

const char *
lp_test_file(const char *name, const void *data, size_t len)
{
	const char *path = lp_test_path(name);
	FILE *file = fopen(path, "we");

	if (len == SIZE_MAX)
		len = strlen(data);
	if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0)
		FAIL("write %s: %s", path, strerror(errno));
	return path;
}

char *
lp_test_read(const char *path, size_t *out_len)
{
	FILE *file = fopen(path, "re");
	char *data = NULL;
	size_t len = 0, room = 0;

	if (!file)
		FAIL("open %s: %s", path, strerror(errno));
	for (;;) {
		if (room - len < 2) {
			room = room ? room * 2 : 4096;
			data = realloc(data, room);
			if (!data)
				FAIL("no memory for %s", path);
		}
		size_t got = fread(data + len, 1, room - len - 1, file);

		if (got == 0)
			break;
		len += got;
	}
	if (ferror(file))
		FAIL("read %s: %s", path, strerror(errno));
	fclose(file);
	data[len] = '\0';
	if (out_len)
		*out_len = len;
	return data;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

/* ---- the kernel ---- */

void
lp_test_need_root(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
}

void
lp_test_need_kernel(void)
{
	const char *runner = getenv("LP_RUNNER");

	if (runner && *runner)
		SKIP("an emulator stands in front of the kernel");
}

static void
loopback_up(void)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(request.ifr_name, "lo");
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		FAIL("bring up lo: %s", strerror(errno));
	close(fd);
}

void
lp_test_new_namespaces(int flags)
{
	if (unshare(flags) < 0)
		SKIP("unshare(0x%x): %s", (unsigned int)flags, strerror(errno));
	if ((flags & CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		FAIL("make / private: %s", strerror(errno));
	if (flags & CLONE_NEWNET)
		loopback_up();
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
lp_test_wait(int64_t *deadline_ms, int ms)
{
	if (*deadline_ms == 0)
		*deadline_ms = now_ms() + ms;
	else
		poll(NULL, 0, 5);
	return now_ms() < *deadline_ms;
}

/* ---- running ---- */

static void
show_output(int fd)
{
	char line[1024];
	FILE *file = fdopen(fd, "r");

	if (!file)
		return;
	rewind(file);
	while (fgets(line, sizeof(line), file))
		printf("#   %s%s", line, strchr(line, '\n') ? "" : "\n");
	fclose(file);
}

static void __attribute__((noreturn))
run_child(const struct lp_test *test, int output)
{
	/* The harness' own pid may be a container's init: a group of our own is what the parent kills. */
	setpgid(0, 0);
	if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	test->run();
	exit(0);	/* not _exit: the leak checker runs at exit */
}

/* Waits for the child and kills it when its time is up. Returns its wait status; *out_late says it was killed. */
static int
reap(pid_t pid, int timeout_s, bool *out_late)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait_for = { .fd = pidfd, .events = POLLIN };
	int status = 0;

	*out_late = false;
	if (pidfd >= 0) {
		int64_t end_ms = now_ms() + (int64_t)timeout_s * 1000;
		int rc;

		do {
			int64_t left = end_ms - now_ms();

			rc = poll(&wait_for, 1, left > 0 ? (int)left : 0);
		} while (rc < 0 && errno == EINTR);
		*out_late = rc == 0;
		close(pidfd);
	}
	if (*out_late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	kill(-pid, SIGKILL);	/* whatever the test left running in its group */
	return status;
}

/* Removes what the test left in its directory. Returns false when something stays. */
static bool
clean_up(void)
{
	if (nftw(dir_path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0)
		return true;
	return errno == ENOENT && access(dir_path, F_OK) < 0;
}

enum result { PASSED, FAILED, SKIPPED };

static enum result
run_one(const struct lp_test *test, int number, int timeout_s)
{
	const char *tmp = getenv("TMPDIR");
	int output = memfd_create("output", MFD_CLOEXEC);
	int pipe_fds[2];
	char why[256] = "";
	bool late;

	snprintf(dir_path, sizeof(dir_path), "%s/limpet-test.%d.%d", tmp && tmp[0] ? tmp : "/tmp", (int)getpid(), number);
	if (output < 0 || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		perror("harness");
		exit(1);
	}
	skip_pipe = pipe_fds[1];
	fflush(NULL);

	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0)
		run_child(test, output);
	setpgid(pid, pid);	/* both sides, so that neither is too late */

	int status = reap(pid, timeout_s, &late);
	ssize_t len = read(pipe_fds[0], why, sizeof(why) - 1);

	close(pipe_fds[0]);
	close(pipe_fds[1]);
	bool clean = clean_up();
	bool exited = WIFEXITED(status) && !late;
	enum result result = !clean ? FAILED : exited && WEXITSTATUS(status) == 0 ? PASSED :
	                     exited && WEXITSTATUS(status) == EXIT_SKIPPED && len > 0 ? SKIPPED : FAILED;

	printf("%sok %d - %s%s%s\n", result == FAILED ? "not " : "", number, test->name,
	       result == SKIPPED ? " # SKIP " : "", result == SKIPPED ? why : "");
	if (late)
		printf("#   killed after %d s\n", timeout_s);
	else if (WIFSIGNALED(status))
		printf("#   ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (result == FAILED)
		printf("#   ended with %d\n", WEXITSTATUS(status));
	if (!clean)
		printf("#   could not remove %s\n", dir_path);
	if (result == FAILED || getenv("LP_TEST_VERBOSE"))
		show_output(output);
	else
		close(output);
	return result;
}

static bool
is_wanted(const struct lp_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strstr(test->name, *names))
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	const char *limit = getenv("LP_TEST_TIMEOUT");
	int timeout_s = limit ? atoi(limit) : 30;
	int count = 0, results[3] = { 0 };

	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		for (const struct lp_test *test = first_test; test; test = test->next)
			puts(test->name);
		return 0;
	}
	for (const struct lp_test *test = first_test; test; test = test->next)
		count += is_wanted(test, argv + 1);
	if (count == 0 || timeout_s <= 0) {
		fprintf(stderr, "%s: %s\n", argv[0], count ? "LP_TEST_TIMEOUT is not a number of seconds" : "no such test");
		return 2;
	}

	printf("1..%d\n", count);
	count = 0;
	for (const struct lp_test *test = first_test; test; test = test->next) {
		if (is_wanted(test, argv + 1))
			results[run_one(test, ++count, timeout_s)]++;
		fflush(stdout);
	}
	return results[FAILED] ? 1 : results[SKIPPED] == count ? EXIT_SKIPPED : 0;
}

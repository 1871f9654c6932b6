#include "tests/kernel/escape/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/escape/tries.h"

/* ---- who we are ---- */

/* As keepers are started. Without the rights for it the tests are skipped anyway. */
static void
seal(char **argv)
{
	char path[PATH_MAX];
	int fd;

	if (getenv("LP_ESCAPE_PROGRAM") || geteuid() != 0 || !realpath(argv[0], path) || lp_container_exe_open(&fd, NULL) < 0)
		return;
	if (setenv("LP_ESCAPE_PROGRAM", path, 1) < 0)
		return;
	(void)execveat(fd, "", argv, environ, AT_EMPTY_PATH);	/* attack_cage says that it is not */
}

static void __attribute__((constructor))
begin(int argc, char **argv)
{
	const char *name = getenv("LP_ATTACK");

	(void)argc;
	if (name)
		tries_run(name);
	seal(argv);
}

/* ---- the cage ---- */

struct cage *
attack_cage(void)
{
#ifdef LP_SANITIZED
	SKIP("the sanitizers' build is not static: it cannot run in a container");
#endif
	struct cage *cage = cage_new();
	const char *program = getenv("LP_ESCAPE_PROGRAM");
	struct lp_mount *bind = cage_mount(cage, LP_MOUNT_BIND, "/attack");
	int layer;

	CHECK(program != NULL);
	bind->source.path = program;
	bind->flags = LP_MOUNT_RO;
	CHECK_OK(lp_path_root(lp_test_path("layer"), true, &layer, &cage->err), &cage->err);
	cage->layers[1] = cage->layers[0];
	cage->layers[0] = (struct lp_place){ .fd = layer };
	cage->config.rootfs.layer_count = 2;
	cage->args[0] = "/attack";
	return cage;
}

int
attack_layer(const struct cage *cage)
{
	return cage->layers[0].fd;
}

void
attack_file(int dir_fd, const char *name, const char *text, unsigned mode)
{
	lp_auto_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	CHECK(fd >= 0);
	CHECK(fchmod(fd, mode) == 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
}

int
attack_run(struct cage *cage, const char *name)
{
	static char word[64];

	(void)snprintf(word, sizeof(word), "LP_ATTACK=%s", name);
	cage->env[2] = word;
	return cage_run(cage);
}

void
attack_got_nothing(const struct cage *cage)
{
	const char *at = strstr(cage->out, "SUCCEEDED");

	if (at)
		FAIL("an attack succeeded: %s", cage->out);
	CHECK_HAS(cage->out, "attack over\n");
}

void
attack_both_ways(struct cage *cage, const char *name)
{
	for (int own = 0; own < 2; own++) {
		CHECK_OK(attack_run(cage, name), &cage->err);
		attack_got_nothing(cage);
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* ---- races ---- */

int
attack_rounds(void)
{
	const char *text = getenv("LIMPET_ROUNDS");
	int rounds = text ? atoi(text) : 200;

	CHECK(rounds > 0);
	return rounds;
}

int
attack_race(int dir_fd, const char *a, const char *b)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		for (;;)
			if (renameat2(dir_fd, a, dir_fd, b, RENAME_EXCHANGE) < 0)
				_exit(errno);
	return pid;
}

void
attack_calm(int pid)
{
	int status;

	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (!WIFSIGNALED(status))
		FAIL("the race ended early: %s", strerrorname_np(WEXITSTATUS(status)));
}

bool
attack_below(int fd, const char *dir)
{
	char path[64], where[PATH_MAX];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, where, sizeof(where) - 1);
	CHECK(len > 0);
	where[len] = '\0';
	return strncmp(where, dir, strlen(dir)) == 0 && where[strlen(dir)] == '/';
}

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manager/manager.h"
#include "tests/harness.h"

/* The manager's exit status and what it said, in a child that ends by itself. */
static int
run(const char *const *words, char *said, size_t size)
{
	const char *path = lp_test_path("said");
	int status;
	char *text;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		const char *argv[16] = { "manager" };
		int argc = 1, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)dup2(fd, 2);
		while (words[argc - 1]) {
			argv[argc] = words[argc - 1];
			argc++;
		}
		_exit(lp_manager_main(argc, (char **)(void *)argv));
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	text = lp_test_read(path, NULL);
	(void)snprintf(said, size, "%s", text);
	free(text);
	return WEXITSTATUS(status);
}

TEST(wrong_usage_is_told_in_one_line_and_ends_with_2)
{
	static const struct {
		const char *words[6], *says;
	} rows[] = {
		{ { "--nonsense" }, "unknown flag: --nonsense" },
		{ { "more" }, "unexpected argument: more" },
		{ { "--pod-cidr", "10.42.0.1/16" }, "--pod-cidr: 10.42.0.1/16 is not an IPv4 network" },
		{ { "--service-cidr", "10.43.0.0/30" }, "--service-cidr: 10.43.0.0/30 is not" },
		{ { "--pod-cidr", "10.0.0.0/8" }, "overlap" },
		{ { "--node-port-range", "40000-30000" }, "is not a range like" },
		{ { "--node-cidr-prefix", "8" }, "--node-cidr-prefix: 8 must be between" },
		{ { "--listen", "nowhere" }, "--listen: nowhere is not HOST:PORT" },
		{ { "--cluster-domain", "Not a name" }, "is not a DNS name" },
		{ { "--log-level", "loud" }, "--log-level: loud is not" },
		{ { "--history", "-1" }, "--history" },
	};
	char said[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_INT(run(rows[i].words, said, sizeof(said)), 2);
		CHECK_HAS(said, rows[i].says);
		CHECK(strncmp(said, "error: ", 7) == 0);
		CHECK(strchr(said, '\n') == said + strlen(said) - 1);
	}
}

TEST(a_data_directory_that_cannot_be_is_told_and_ends_with_1)
{
	const char *file = lp_test_file("file", "x", 1);
	const char *words[] = { "--data-dir", file, "--listen", "127.0.0.1:0", NULL };
	char said[512];

	CHECK_INT(run(words, said, sizeof(said)), 1);
	CHECK_HAS(said, "--data-dir");
}

static pid_t
start(const char *dir, int *out_fd)
{
	int pipes[2];
	pid_t pid;

	CHECK_OK(pipe(pipes), NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		const char *argv[] = { "manager", "--data-dir", dir, "--run-dir", dir, "--listen", "127.0.0.1:0", NULL };

		(void)dup2(pipes[1], 1);
		exit(lp_manager_main(7, (char **)(void *)argv));
	}
	close(pipes[1]);
	*out_fd = pipes[0];
	return pid;
}

TEST(it_says_ready_writes_its_files_and_ends_with_0_when_told)
{
	const char *dir = lp_test_path("data");
	char line[64] = "", path[256];
	struct stat kubeconfig, store;
	int fd, status;
	pid_t pid;

	for (int round = 0; round < 2; round++) {
		pid = start(dir, &fd);
		CHECK(read(fd, line, sizeof(line) - 1) > 0);
		CHECK_STR(line, "ready\n");
		(void)snprintf(path, sizeof(path), "%s/manager.pid", dir);
		char *text = lp_test_read(path, NULL);

		CHECK_INT(atoi(text), pid);
		free(text);
		(void)snprintf(path, sizeof(path), "%s/admin.kubeconfig", dir);
		CHECK_OK(stat(path, &kubeconfig), NULL);
		CHECK_INT(kubeconfig.st_mode & 0777, 0600);
		(void)snprintf(path, sizeof(path), "%s/manager/store.db", dir);
		CHECK_OK(stat(path, &store), NULL);
		CHECK_INT(store.st_mode & 0777, 0600);
		CHECK_OK(kill(pid, SIGTERM), NULL);
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFEXITED(status));
		CHECK_INT(WEXITSTATUS(status), 0);
		close(fd);
	}
}

TEST(two_on_one_data_directory_are_refused)
{
	const char *dir = lp_test_path("data");
	const char *words[] = { "--data-dir", dir, "--listen", "127.0.0.1:0", NULL };
	char said[512], line[64] = "";
	int fd, status;
	pid_t pid = start(dir, &fd);

	CHECK(read(fd, line, sizeof(line) - 1) > 0);
	CHECK_INT(run(words, said, sizeof(said)), 1);
	CHECK_HAS(said, "in use by another manager");
	CHECK_OK(kill(pid, SIGTERM), NULL);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	close(fd);
}

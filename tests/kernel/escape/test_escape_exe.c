/*
 * tests/kernel/escape/test_escape_exe.c - the runtime's own executable, descriptors and working directory stay out of reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/escape/attack.h"

/* ---- CVE-2019-5736: the executable of who starts and joins ---- */

TEST(a_script_that_runs_our_executable_cannot_write_to_it)
{
	struct cage *cage = attack_cage();

	attack_file(attack_layer(cage), "evil", "#!/proc/self/exe\n", 0755);
	cage->args[0] = "/evil";
	for (int own = 0; own < 2; own++) {
		CHECK_OK(attack_run(cage, "overwrite"), &cage->err);
		attack_got_nothing(cage);
		CHECK_HAS(cage->out, "mode: EROFS\n");	/* its mount, whatever its mode */
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(a_shell_that_is_our_executable_cannot_write_to_it_when_we_join)
{
	struct cage *cage = attack_cage();
	struct lp_container_exit end;

	/* Whoever execs "sh" gets the script. */
	CHECK(mkdirat(attack_layer(cage), "bin", 0755) == 0);
	attack_file(attack_layer(cage), "bin/sh", "#!/proc/self/exe\n", 0755);
	for (int own = 0; own < 2; own++) {
		cage->args[0] = "sleep";
		cage->args[1] = "1000";
		cage->env[2] = NULL;
		CHECK_OK(cage_start(cage), &cage->err);
		cage->env[2] = "LP_ATTACK=overwrite";
		CHECK_OK(cage_exec(cage, "true", &end), &cage->err);
		attack_got_nothing(cage);
		CHECK_HAS(cage->out, "mode: EROFS\n");
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* ---- CVE-2016-9962, CVE-2019-5736: whoever joins is on view in the container's /proc ---- */

static void
join_many(struct cage *cage, int count)
{
	static const char *const args[] = { "true", NULL };
	struct lp_process_config config = cage->config.process;
	struct lp_container_exit end;

	config.args = args;
	config.stdio[1] = config.stdio[2] = -1;
	for (int i = 0; i < count; i++) {
		struct lp_process process;
		int64_t deadline = 0;
		int rc;

		lp_process_init(&process);
		CHECK_OK(lp_container_exec(cage->container, &config, &process, &cage->err), &cage->err);
		cage_wait_pidfd(process.pidfd);
		/* While the container holds it by ptrace it has ended and cannot be waited for. */
		while ((rc = lp_process_wait(&process, &end, &cage->err)) == -EAGAIN && lp_test_wait(&deadline, 10000))
			continue;
		CHECK_OK(rc, &cage->err);
		lp_process_fini(&process);
	}
}

TEST(a_process_inside_sees_nothing_of_one_that_joins)
{
	struct cage *cage = attack_cage();
	struct lp_mount *report = cage_mount(cage, LP_MOUNT_BIND, "/report");

	CHECK(mkdir(lp_test_path("report"), 0755) == 0);
	report->source.path = lp_test_path("report");
	for (int own = 0; own < 2; own++) {
		const char *seen;

		cage->env[2] = "LP_ATTACK=watch";
		CHECK_OK(cage_start(cage), &cage->err);
		cage->env[2] = NULL;
		cage_until(cage, "watching");
		join_many(cage, 300);
		(void)lp_test_file("report/stop", "", 0);
		cage_read(cage);
		cage_end(cage);
		attack_got_nothing(cage);
		seen = strstr(cage->out, "joiners seen: ");
		CHECK(seen != NULL && atoi(seen + 14) > 10);	/* it did look */
		CHECK(unlink(lp_test_path("report/stop")) == 0);
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* Whoever joins is waited for by a single-threaded owner: how long may the container keep that? */
TEST(one_that_is_stopped_while_it_joins_does_not_hold_its_owner_up)
{
	static const char *const args[] = { "true", NULL };
	struct cage *cage = attack_cage();
	struct lp_mount *report = cage_mount(cage, LP_MOUNT_BIND, "/report");

	CHECK(mkdir(lp_test_path("report"), 0755) == 0);
	report->source.path = lp_test_path("report");
	for (int own = 0; own < 2; own++) {
		struct lp_process_config config = cage->config.process;

		cage->env[2] = "LP_ATTACK=stop";
		CHECK_OK(cage_start(cage), &cage->err);
		cage->env[2] = NULL;
		cage_until(cage, "watching");
		config.args = args;
		config.stdio[1] = config.stdio[2] = -1;
		for (int i = 0; i < 40; i++) {
			int64_t before = lp_clock_boot_ms(), took;
			struct lp_process process;
			int rc;

			lp_process_init(&process);
			rc = lp_container_exec(cage->container, &config, &process, &cage->err);
			took = lp_clock_boot_ms() - before;
			CHECK(rc == 0 || rc == -EINTR);
			CHECK(took < 3000);	/* it was a minute */
			if (rc == 0) {
				CHECK(kill(process.pid, SIGKILL) == 0);
				CHECK(waitpid(process.pid, NULL, 0) == process.pid);
			}
			lp_process_fini(&process);
		}
		(void)lp_test_file("report/stop", "", 0);
		cage_read(cage);
		cage_end(cage);
		CHECK(unlink(lp_test_path("report/stop")) == 0);
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* ---- CVE-2024-21626: descriptors and the working directory ---- */

TEST(no_descriptor_of_ours_is_open_inside)
{
	struct cage *cage = attack_cage();
	int leaked[8];

	for (size_t i = 0; i < lp_count(leaked); i++) {
		leaked[i] = open("/", O_RDONLY | O_DIRECTORY);	/* without close-on-exec, on purpose */
		CHECK(leaked[i] >= 0);
	}
	for (int own = 0; own < 2; own++) {
		struct lp_container_exit end;

		CHECK_OK(attack_run(cage, "descriptors"), &cage->err);
		attack_got_nothing(cage);
		cage->args[0] = "sleep";
		cage->args[1] = "1000";
		CHECK_OK(cage_start(cage), &cage->err);
		CHECK_OK(cage_exec(cage, "exec /attack", &end), &cage->err);
		attack_got_nothing(cage);
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		cage->args[0] = "/attack";
		cage->args[1] = NULL;
		cage_own_users(cage);
	}
	for (size_t i = 0; i < lp_count(leaked); i++)
		lp_close(&leaked[i]);
	cage_free(cage);
}

TEST(a_closed_stream_is_the_containers_own_null)
{
	struct cage *cage = attack_cage();

	for (int own = 0; own < 2; own++) {
		struct lp_container_exit end;

		CHECK_OK(attack_run(cage, "streams"), &cage->err);
		attack_got_nothing(cage);
		CHECK_HAS(cage->out, "stream 0: ours\n");
		cage->args[0] = "sleep";
		cage->args[1] = "1000";
		CHECK_OK(cage_start(cage), &cage->err);
		CHECK_OK(cage_exec(cage, "exec /attack", &end), &cage->err);
		attack_got_nothing(cage);
		CHECK_HAS(cage->out, "stream 0: ours\n");
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		cage->args[0] = "/attack";
		cage->args[1] = NULL;
		cage_own_users(cage);
	}
	cage_free(cage);
}

static void
check_cwd(struct cage *cage, const char *cwd)
{
	static const char secret[] = "/limpet-secret";
	struct lp_container_exit end;

	cage->config.process.cwd = cwd;
	/* Refused, or it is a directory of the image. */
	if (cage_shell(cage, "cat limpet-secret ../limpet-secret ../../limpet-secret ../../../limpet-secret 2>/dev/null; ls") == 0)
		CHECK(!strstr(cage->out, "secret of the host"));
	cage->config.process.cwd = NULL;
	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	cage->args[2] = NULL;
	CHECK_OK(cage_start(cage), &cage->err);
	cage->config.process.cwd = cwd;
	if (cage_exec(cage, "cat limpet-secret ../limpet-secret ../../limpet-secret 2>/dev/null; ls", &end) == 0)
		CHECK(!strstr(cage->out, secret + 1));
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
}

TEST(the_working_directory_cannot_be_a_descriptor_of_ours)
{
	struct cage *cage = attack_cage();
	int host = -1;

	(void)lp_test_file("limpet-secret", "secret of the host\n", SIZE_MAX);
	CHECK_OK(lp_path_root(lp_test_dir(), false, &host, &cage->err), &cage->err);
	for (int own = 0; own < 2; own++) {
		for (int fd = 3; fd < 20; fd++) {
			char cwd[64], link[16], to[64];

			(void)snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
			check_cwd(cage, cwd);
			/* The same behind a link of the image. */
			(void)snprintf(link, sizeof(link), "wd%d%d", own, fd);
			(void)snprintf(to, sizeof(to), "/proc/self/fd/%d", fd);
			CHECK(symlinkat(to, attack_layer(cage), link) == 0);
			(void)snprintf(cwd, sizeof(cwd), "/%s", link);
			check_cwd(cage, cwd);
		}
		cage_own_users(cage);
	}
	lp_close(&host);
	cage_free(cage);
}

TEST(a_descriptor_that_may_only_be_read_cannot_be_opened_for_writing)
{
	attack_both_ways(attack_cage(), "reopen");
}

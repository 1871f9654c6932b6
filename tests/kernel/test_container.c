/*
 * tests/kernel/test_container.c - real containers from a real image: how they run and end, and one more process inside.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "tests/fault.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

TEST(a_program_runs_and_its_exit_code_comes_back)
{
	struct cage *cage = cage_new();

	CHECK_OK(cage_shell(cage, "echo hello; exit 7"), &cage->err);
	CHECK_STR(cage->out, "hello\n");
	CHECK_INT(cage->exit.code, 7);
	CHECK_INT(cage->exit.signal, 0);
	cage_free(cage);
}

TEST(the_same_in_a_user_namespace_of_its_own)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "id -u; cat /proc/self/uid_map; stat -c %u:%g /bin/busybox; touch /x && stat -c %u:%g /x; exit 7"),
	    &cage->err);
	CHECK_STR(cage->out, "0\n         0     200000      65536\n0:0\n0:0\n");
	CHECK_INT(cage->exit.code, 7);
	cage_free(cage);
}

/* ---- how it ends ---- */

TEST(a_program_that_is_not_there_is_named_in_the_words_of_kubernetes)
{
	struct cage *cage = cage_new();
	const struct {
		const char *name, *words;
		int code, status;
	} rows[] = {
		{ "nonesuch", "exec: \"nonesuch\": executable file not found in $PATH", -ENOENT, 127 },
		{ "/bin/nonesuch", "exec: \"/bin/nonesuch\": stat /bin/nonesuch: no such file or directory", -ENOENT, 127 },
		{ "/etc", "exec: \"/etc\": permission denied", -EACCES, 126 },
		{ "", "exec: \"\": executable file not found in $PATH", -ENOENT, 127 },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		cage->args[0] = rows[i].name;
		cage->args[1] = NULL;
		CHECK_ERR(cage_run(cage), rows[i].code);
		CHECK_STR(cage->err.text, rows[i].words);
		CHECK_INT(lp_container_exec_failed(&cage->err), rows[i].status);
	}
	cage_free(cage);
}

TEST(a_text_file_without_interpreter_is_an_exec_format_error)
{
	struct cage *cage = cage_new();
	struct lp_mount *mount = cage_mount(cage, LP_MOUNT_BIND, "/script");
	const char *path = lp_test_file("script", "nothing to run\n", SIZE_MAX);

	CHECK(chmod(path, 0755) == 0);
	mount->source.path = path;
	cage->args[0] = "/script";
	CHECK_ERR(cage_run(cage), -ENOEXEC);
	CHECK_STR(cage->err.text, "exec: \"/script\": exec format error");
	CHECK_INT(lp_container_exec_failed(&cage->err), 126);
	cage_free(cage);
}

TEST(a_lack_of_memory_is_an_error_like_any_other)
{
	struct cage *cage = cage_new();
	int fds;

	cage->args[0] = "true";
	CHECK_OK(cage_run(cage), &cage->err);
	fds = cage_count_fds();
	LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
		int rc = cage_start(cage);

		if (lp_fault_hit()) {
			CHECK_ERR(rc, -ENOMEM);
			continue;
		}
		CHECK_OK(rc, &cage->err);
		lp_fault_set(LP_FAULT_ALLOC, 0, -ENOMEM);	/* only counts from here on */
		cage_end(cage);
	}
	CHECK_INT(cage_count_fds(), fds);
	cage_free(cage);
}

TEST(other_failures_are_no_failures_of_the_program)
{
	struct lp_err err;

	(void)lp_err_set(&err, -ENOENT, "open layer");
	CHECK_INT(lp_container_exec_failed(&err), 0);
}

TEST(a_signal_ends_it_and_is_reported)
{
	struct cage *cage = cage_new();

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "trap 'exit 9' TERM; echo up; while :; do sleep 1; done";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_signal(cage->container, SIGTERM, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 9);

	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_signal(cage->container, SIGKILL, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.signal, SIGKILL);
	CHECK_INT(cage->exit.code, 137);
	cage_free(cage);
}

TEST(kill_takes_every_process_in_the_cgroup)
{
	struct cage *cage = cage_new();
	bool populated = true;

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "for i in 1 2 3; do sleep 1000 & done; echo up; wait";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_ERR(lp_container_remove(cage->container, &cage->err), -EBUSY);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	for (int64_t deadline = 0; populated && lp_test_wait(&deadline, 5000);)
		CHECK_OK(lp_cgroup_populated(lp_container_cgroup(cage->container), &populated, &cage->err), &cage->err);
	CHECK(!populated);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 137);
	cage_free(cage);
}

TEST(a_start_right_after_a_kill_is_not_killed_too)
{
	struct cage *cage = cage_new();

	/* Some kernels kill whatever is cloned into a cgroup that was killed once. */
	for (int i = 0; i < 5; i++) {
		cage->args[0] = "sleep";
		cage->args[1] = "1000";
		CHECK_OK(cage_start(cage), &cage->err);
		cage->attempt = 0;	/* the same name again */
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		CHECK_OK(cage_shell(cage, "echo alive"), &cage->err);
		cage->attempt = 0;
		CHECK_STR(cage->out, "alive\n");
	}
	cage_free(cage);
}

TEST(create_waits_for_start)
{
	struct cage *cage = cage_new();

	cage->args[0] = "true";
	cage->config.cgroup_name = "created";
	CHECK_OK(lp_container_create(&cage->config, &cage->container, &cage->err), &cage->err);
	CHECK_ERR(lp_container_wait(cage->container, &cage->exit, &cage->err), -EAGAIN);
	CHECK_OK(lp_container_start(cage->container, &cage->err), &cage->err);
	CHECK_ERR(lp_container_start(cage->container, &cage->err), -EINVAL);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 0);
	cage_free(cage);
}

TEST(a_created_container_can_be_killed_and_removed)
{
	struct cage *cage = cage_new();

	cage->args[0] = "true";
	cage->config.cgroup_name = "created";
	CHECK_OK(lp_container_create(&cage->config, &cage->container, &cage->err), &cage->err);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 137);
	cage_free(cage);
}

TEST(start_tells_when_the_program_is_missing)
{
	struct cage *cage = cage_new();

	cage->args[0] = "nonesuch";
	cage->config.cgroup_name = "created";
	CHECK_OK(lp_container_create(&cage->config, &cage->container, &cage->err), &cage->err);
	CHECK_ERR(lp_container_start(cage->container, &cage->err), -ENOENT);
	CHECK_OK(lp_container_wait(cage->container, &cage->exit, &cage->err), &cage->err);
	CHECK_OK(lp_container_remove(cage->container, &cage->err), &cage->err);
	lp_container_free(cage->container);
	cage->container = NULL;
	cage_free(cage);
}

/* ---- one more process ---- */

static void
check_exec(struct cage *cage)
{
	struct lp_container_exit end;

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo here > /mark; hostname inner 2>/dev/null; echo up; sleep 1000";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(cage_exec(cage, "cat /mark; hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo; id -u; cat /proc/self/cgroup | grep ^0; "
	    "grep -E 'CapEff|^Seccomp:|NoNewPrivs' /proc/self/status; for n in mnt pid net ipc uts user cgroup; do "
	    "[ \"$(readlink /proc/1/ns/$n)\" = \"$(readlink /proc/self/ns/$n)\" ] || echo other $n; done; exit 5", &end), &cage->err);
	CHECK_HAS(cage->out, "here\ncage\nsleep 1000 \n");
	CHECK_HAS(cage->out, "\n0\n0::/\nCapEff:\t00000000000005fb\nNoNewPrivs:\t1\nSeccomp:\t2\n");
	CHECK(!strstr(cage->out, "other"));
	CHECK_INT(end.code, 5);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
}

TEST(exec_runs_in_every_namespace_and_the_cgroup_of_the_container)
{
	struct cage *cage = cage_new();

	check_exec(cage);
	cage_own_users(cage);
	check_exec(cage);
	cage_free(cage);
}

TEST(exec_of_a_missing_program_says_so_and_the_container_goes_on)
{
	struct cage *cage = cage_new();
	struct lp_process_config config;
	struct lp_process process;
	const char *args[] = { "nonesuch", NULL };

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	CHECK_OK(cage_start(cage), &cage->err);
	config = cage->config.process;
	config.args = args;
	lp_process_init(&process);
	CHECK_ERR(lp_container_exec(cage->container, &config, &process, &cage->err), -ENOENT);
	CHECK_STR(cage->err.text, "exec: \"nonesuch\": executable file not found in $PATH");
	CHECK_ERR(lp_container_wait(cage->container, &cage->exit, &cage->err), -EAGAIN);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(a_terminal_is_the_containers_own)
{
	struct cage *cage = cage_new();
	int master;

	cage->config.process.terminal = true;
	cage->config.process.rows = 33;
	cage->config.process.cols = 99;
	for (int own = 0; own < 2; own++) {
		cage->args[0] = "sh";
		cage->args[1] = "-c";
		cage->args[2] = "tty; stty size; [ -t 0 ] && echo yes; read line; echo got $line; ls -l /dev/console | cut -c1";
		CHECK_OK(cage_start(cage), &cage->err);
		master = lp_container_take_terminal(cage->container);
		CHECK(master >= 0);
		CHECK_INT(lp_container_take_terminal(cage->container), -1);
		lp_close(&cage->out_fd);
		cage->out_fd = master;
		cage_until(cage, "yes");
		CHECK_HAS(cage->out, "/dev/pts/0\r\n33 99\r\n");
		CHECK(write(master, "abc\n", 4) == 4);
		cage_until(cage, "got abc");
		cage_read(cage);
		CHECK_HAS(cage->out, "\r\nc\r\n");
		cage_end(cage);
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(exec_gets_a_terminal_too)
{
	struct cage *cage = cage_new();
	struct lp_process_config config;
	struct lp_process process;
	const char *args[] = { "sh", "-c", "tty; stty size; exit 3", NULL };
	struct lp_container_exit end;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	cage_own_users(cage);
	CHECK_OK(cage_start(cage), &cage->err);
	config = cage->config.process;
	config.args = args;
	config.terminal = true;
	config.rows = 24;
	config.cols = 80;
	lp_process_init(&process);
	CHECK_OK(lp_container_exec(cage->container, &config, &process, &cage->err), &cage->err);
	lp_close(&cage->out_fd);
	cage->out_fd = lp_take_fd(&process.terminal);
	CHECK_OK(lp_terminal_resize(cage->out_fd, 30, 90, &cage->err), &cage->err);
	cage_read(cage);
	CHECK_HAS(cage->out, "/dev/pts/0\r\n");
	cage_wait_pidfd(process.pidfd);
	CHECK_OK(lp_process_wait(&process, &end, &cage->err), &cage->err);
	CHECK_INT(end.code, 3);
	lp_process_fini(&process);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

/* ---- the whole of it ---- */

TEST(freeze_stops_and_thaw_goes_on)
{
	struct cage *cage = cage_new();

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo up; read x; echo done";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_freeze(cage->container, true, &cage->err), &cage->err);
	CHECK_OK(lp_container_freeze(cage->container, false, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(namespaces_made_before_are_shared_by_two_containers)
{
	struct cage *cage = cage_new();
	const struct lp_sysctl port = { "net.ipv4.ip_unprivileged_port_start", "0" };
	struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_USER) | LP_NS_BIT(LP_NS_NET) | LP_NS_BIT(LP_NS_IPC) | LP_NS_BIT(LP_NS_UTS),
		.hostname = "pod", .sysctls = &port, .sysctl_count = 1 };
	struct lp_ns_set set;
	char first[256];

	cage_own_users(cage);
	wanted.uids = wanted.gids = &cage->map;
	wanted.uid_count = wanted.gid_count = 1;
	CHECK_OK(lp_ns_make(&wanted, &set, &cage->err), &cage->err);
	for (int i = 0; i <= LP_NS_UTS; i++)
		cage->config.ns[i] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[i] };
	cage->config.hostname = NULL;
	CHECK_OK(cage_shell(cage, "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; readlink /proc/self/ns/net; readlink /proc/self/ns/user; ls /sys/class/net"), &cage->err);
	CHECK_HAS(cage->out, "pod\n0\nnet:[");
	(void)snprintf(first, sizeof(first), "%s", cage->out);
	CHECK_OK(cage_shell(cage, "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; readlink /proc/self/ns/net; readlink /proc/self/ns/user; ls /sys/class/net"), &cage->err);
	CHECK_STR(cage->out, first);
	lp_ns_set_fini(&set);
	cage_free(cage);
}

TEST(a_record_finds_it_again_and_knows_when_it_is_another)
{
	struct cage *cage = cage_new();
	struct lp_container_record record;
	struct lp_container *again = NULL;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	CHECK_OK(cage_start(cage), &cage->err);
	CHECK_OK(lp_container_record(cage->container, &record, &cage->err), &cage->err);
	lp_container_free(cage->container);	/* the handle only */
	CHECK_OK(lp_container_adopt(&record, cage->cgroup, &again, &cage->err), &cage->err);
	CHECK_INT(lp_container_pid(again), record.pid);
	cage->container = again;
	CHECK_OK(lp_container_kill(again, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 137);

	again = NULL;
	CHECK_ERR(lp_container_adopt(&record, cage->cgroup, &again, &cage->err), -ESRCH);
	CHECK(again == NULL);
	record.pid = getpid();
	record.cgroup_id = 0;
	CHECK_ERR(lp_container_adopt(&record, -1, &again, &cage->err), -ESRCH);
	cage_free(cage);
}

TEST(many_in_a_row_leave_nothing_behind)
{
	struct cage *cage;
	int fds, mounts;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);	/* in the host's, others mount too */
	cage = cage_new();
	CHECK_OK(cage_shell(cage, "true"), &cage->err);	/* what is kept for good, is kept by now */
	fds = cage_count_fds();
	mounts = cage_count_mounts();
	for (int i = 0; i < 60; i++) {
		if (i == 30)
			cage_own_users(cage);
		CHECK_OK(cage_shell(cage, i % 3 ? "true" : "echo x; sleep 0"), &cage->err);
		cage->args[0] = "nonesuch";
		CHECK_ERR(cage_run(cage), -ENOENT);
	}
	CHECK_INT(cage_count_fds(), fds);
	CHECK_INT(cage_count_mounts(), mounts);
	cage_free(cage);
}

TEST(the_executable_can_be_opened_so_that_nobody_writes_to_it)
{
	struct lp_err err;
	int fd = -1;
	struct statvfs fs;

	lp_test_need_root();
	CHECK_OK(lp_container_exe_open(&fd, &err), &err);
	CHECK(fstatvfs(fd, &fs) == 0);
	CHECK(fs.f_flag & ST_RDONLY);
	CHECK(faccessat(fd, "", X_OK, AT_EMPTY_PATH) == 0);
	(void)close(fd);
}

TEST(nodejs_runs_under_the_default_rights)
{
	struct cage *cage = cage_new_from("build/images/nodejs-app.tar");
	static const char *const args[] = { "node", "-e",
		"const http = require('http'), os = require('os'); const s = http.createServer((q, r) => r.end('hello ' + process.getuid()));"
		"s.listen(80, '127.0.0.1', () => http.get('http://127.0.0.1/', r => r.on('data', d => { console.log(d + ' ' + "
		"Object.keys(os.networkInterfaces())); process.exit(3); })));", NULL };
	const struct lp_sysctl port = { "net.ipv4.ip_unprivileged_port_start", "0" };

	cage->config.sysctls = &port;
	cage->config.sysctl_count = 1;
	cage->config.process.uid = cage->config.process.gid = 1000;
	cage->config.process.args = args;
	cage->env[0] = "PATH=/usr/local/bin:/usr/bin:/bin";
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_run(cage), &cage->err);
		CHECK_STR(cage->out, "hello 1000 lo\n");
		CHECK_INT(cage->exit.code, 3);
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* tests/kernel/test_container_life.c - namespaces, hooks, processes and start from elsewhere, as an OCI runtime uses them. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

static void
sleeper(struct cage *cage)
{
	cage->args[0] = "sleep";
	cage->args[1] = "100";
	cage->args[2] = NULL;
	CHECK_OK(cage_start(cage), &cage->err);
}

static void
finish(struct cage *cage)
{
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
}

static int
open_ns(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

/* ---- namespaces ---- */

/* Kernels of 32-bit ARM have no namespaces for clocks. */
static void
need_time_namespaces(void)
{
	if (access("/proc/self/ns/time", F_OK) < 0)
		SKIP("this kernel has no time namespaces");
}

TEST(clocks_of_a_new_time_namespace_are_ahead)
{
	struct cage *cage;
	struct lp_container_exit end;
	long up = 0;

	need_time_namespaces();
	cage = cage_new();
	cage->config.ns[LP_NS_TIME].how = LP_NS_NEW;
	cage->config.boottime.s = 5000000;
	cage->config.monotonic.s = 3000000;
	cage->config.monotonic.ns = 7;
	CHECK_OK(cage_shell(cage, "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets"), &cage->err);
	CHECK(sscanf(cage->out, "%ld", &up) == 1);
	CHECK(up >= 5000000);
	CHECK_HAS(cage->out, "3000000");
	sleeper(cage);
	CHECK_OK(cage_exec(cage, "cut -d. -f1 /proc/uptime", &end), &cage->err);
	CHECK(sscanf(cage->out, "%ld", &up) == 1);
	CHECK(up >= 5000000);
	finish(cage);
	cage_free(cage);
}

TEST(a_time_namespace_can_be_joined)
{
	struct cage *first, *second = NULL;
	long up = 0;

	need_time_namespaces();
	first = cage_new();
	first->config.ns[LP_NS_TIME].how = LP_NS_NEW;
	first->config.boottime.s = 7000000;
	sleeper(first);
	second = calloc(1, sizeof(*second));
	CHECK(second != NULL);
	second->config = first->config;
	second->config.ns[LP_NS_TIME] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = open_ns(lp_container_pid(first->container), "time") };
	second->out_fd = -1;
	second->attempt = 50;
	second->config.process.args = second->args;
	CHECK_OK(cage_shell(second, "cut -d. -f1 /proc/uptime"), &second->err);
	CHECK(sscanf(second->out, "%ld", &up) == 1);
	CHECK(up >= 7000000);
	finish(first);
	lp_close(&second->config.ns[LP_NS_TIME].fd);
	lp_close(&second->out_fd);
	free(second);
	cage_free(first);
}

TEST(a_user_namespace_without_root_runs_its_own_user)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	cage->map = (struct lp_idmap){ .inside = 1000, .outside = 300000, .count = 10 };
	cage->config.process.uid = cage->config.process.gid = 1000;
	cage->config.rootfs.keep_ids = true;
	CHECK_OK(cage_shell(cage, "id -u; cat /proc/self/uid_map | tr -s ' '"), &cage->err);
	CHECK_STR(cage->out, "1000\n 1000 300000 10\n");
	cage->config.process.uid = 0;
	CHECK_ERR(cage_shell(cage, "true"), -ERANGE);
	CHECK_HAS(cage->err.text, "0 is not mapped");
	cage_free(cage);
}

TEST(a_map_of_many_rows_is_written_whole)
{
	struct cage *cage = cage_new();
	static struct lp_idmap rows[100];

	cage_own_users(cage);
	for (uint32_t i = 0; i < 100; i++)
		rows[i] = (struct lp_idmap){ .inside = i * 10, .outside = 400000 + i * 20, .count = 10 };
	cage->config.uids = cage->config.gids = rows;
	cage->config.uid_count = cage->config.gid_count = 100;
	CHECK_OK(cage_shell(cage, "wc -l < /proc/self/uid_map; id -u"), &cage->err);
	CHECK_STR(cage->out, "100\n0\n");
	cage_free(cage);
}

TEST(a_joined_user_namespace_tells_its_maps_and_owns_what_is_new)
{
	struct cage *cage = cage_new();
	const struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_USER), .uids = &cage->map, .gids = &cage->map, .uid_count = 1, .gid_count = 1 };
	struct lp_ns_set set;
	struct lp_ns_maps maps;

	cage_own_users(cage);
	CHECK_OK(lp_ns_make(&wanted, &set, &cage->err), &cage->err);
	CHECK_OK(lp_ns_maps_of(set.fds[LP_NS_USER], &maps, &cage->err), &cage->err);
	CHECK_INT(maps.uid_count, 1);
	CHECK_INT(maps.uids[0].outside, 200000);
	CHECK_INT(maps.gids[0].count, 65536);
	lp_ns_maps_fini(&maps);
	cage->config.uid_count = cage->config.gid_count = 0;
	cage->config.uids = cage->config.gids = NULL;
	cage->config.ns[LP_NS_USER] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[LP_NS_USER] };
	lp_caps_fill(&cage->config.process.caps, LP_CAP_ALL, false);
	cage->config.process.seccomp = LP_SECCOMP_UNCONFINED;
	cage->config.hostname = "joined";
	CHECK_OK(cage_shell(cage, "id -u; hostname; ip link add type veth 2>/dev/null || ip addr add 10.9.9.9/8 dev lo && echo owns"), &cage->err);
	CHECK_STR(cage->out, "0\njoined\nowns\n");
	lp_ns_set_fini(&set);
	cage_free(cage);
}

TEST(containers_of_a_shared_pid_namespace_see_each_other_and_nothing_of_the_first_process)
{
	struct cage *cage = cage_new();
	struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_USER) | LP_NS_BIT(LP_NS_PID) };
	struct lp_container_exit end;
	struct lp_ns_set set;

	cage_own_users(cage);
	wanted.uids = wanted.gids = &cage->map;
	wanted.uid_count = wanted.gid_count = 1;
	CHECK_OK(lp_ns_make(&wanted, &set, &cage->err), &cage->err);
	CHECK(set.reaper > 0 && set.reaper_fd >= 0 && set.fds[LP_NS_PID] >= 0);
	lp_ns_release(&set);
	cage->config.ns[LP_NS_USER] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[LP_NS_USER] };
	cage->config.ns[LP_NS_PID] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[LP_NS_PID] };
	lp_caps_fill(&cage->config.process.caps, LP_CAP_ALL, false);
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "(sleep 0.01 &) ; exec sleep 100";
	CHECK_OK(cage_start(cage), &cage->err);
	CHECK_OK(cage_exec(cage, "cat /proc/1/comm; ls /proc/1/root/ /proc/1/cwd/ /proc/1/fd 2>&1 | grep -v ^/proc | sort -u; kill -TERM 1; kill -KILL 1; "
				 "grep -E 'CapBnd|NoNewPrivs' /proc/1/status; ps -o args | grep -c '^sleep 100'; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.05; done; "
				 "ps -o stat,comm | grep -c '^Z'",
	    &end), &cage->err);
	CHECK_HAS(cage->out, "pause\n");
	CHECK_HAS(cage->out, "Permission denied");
	CHECK_HAS(cage->out, "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\n1\n0\n");
	CHECK(syscall(SYS_pidfd_send_signal, set.reaper_fd, 0, NULL, 0) == 0);
	finish(cage);
	CHECK(kill(set.reaper, SIGKILL) == 0);
	CHECK_INT(waitpid(set.reaper, NULL, 0), set.reaper);
	lp_ns_set_fini(&set);
	cage_free(cage);
}

TEST(the_first_process_of_a_shared_pid_namespace_ends_with_a_maker_that_did_not_release_it)
{
	const struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_PID) };
	struct lp_err err = { 0 };
	struct lp_ns_set set;
	int status = -1;

	CHECK_OK(lp_ns_make(&wanted, &set, &err), &err);
	CHECK(set.reaper > 0 && set.reaper_go >= 0);
	CHECK_INT(waitpid(set.reaper, NULL, WNOHANG), 0);
	CHECK(close(set.reaper_go) == 0);	/* as the kernel does when the maker dies */
	set.reaper_go = -1;
	CHECK_INT(waitpid(set.reaper, &status, 0), set.reaper);
	CHECK(WIFEXITED(status));
	lp_ns_set_fini(&set);
}

TEST(a_host_name_in_the_hosts_namespace_is_refused)
{
	struct cage *cage = cage_new();

	cage->config.ns[LP_NS_UTS].how = LP_NS_HOST;
	CHECK_ERR(cage_shell(cage, "true"), -EINVAL);
	CHECK_HAS(cage->err.text, "host name");
	cage->config.hostname = NULL;
	CHECK_OK(cage_shell(cage, "true"), &cage->err);
	cage->config.ns[LP_NS_UTS].how = LP_NS_NEW;
	cage->config.domainname = "example.org";
	CHECK_OK(cage_shell(cage, "cat /proc/sys/kernel/domainname"), &cage->err);
	CHECK_STR(cage->out, "example.org\n");
	cage_free(cage);
}

/* ---- a process ---- */

/* What uname tells under PER_LINUX32. */
#if defined(__x86_64__)
#define MACHINE_32 "i686"
#elif defined(__aarch64__)
#define MACHINE_32 "armv8l"
#elif defined(__arm__)
#define MACHINE_32 "armv7l"
#endif

TEST(a_process_runs_as_its_traits_say)
{
	struct cage *cage = cage_new();
	const struct lp_scheduler batch = { .policy = 3, .nice = 7 };
	struct lp_process_config *p = &cage->config.process;

	p->scheduler = &batch;
	p->io_priority_set = true;
	p->io_class = 2;
	p->io_priority = 6;
	p->personality_set = true;
	p->personality = PER_LINUX32;
	p->cpus_initial = "0";
	p->cpus_final = "0";
	p->umask_set = true;
	CHECK_OK(cage_shell(cage, "cut -d' ' -f19,41 /proc/self/stat; ionice -p $$; uname -m; grep Cpus_allowed_list /proc/self/status; umask"), &cage->err);
	CHECK_STR(cage->out, "7 3\nbest-effort: prio 6\n" MACHINE_32 "\nCpus_allowed_list:\t0\n0000\n");
	cage_free(cage);
}

TEST(what_a_process_cannot_get_is_an_error_by_name)
{
	struct cage *cage = cage_new();
	struct lp_process_config *p = &cage->config.process;
	const struct lp_scheduler wrong = { .policy = 99 };
	const struct lp_rlimit limit = { RLIMIT_NOFILE, UINT64_C(1) << 40, UINT64_C(1) << 40 };

	p->cpus_final = "0-9999";
	CHECK_ERR(cage_shell(cage, "true"), -ERANGE);
	CHECK_HAS(cage->err.text, "affinity");
	p->cpus_final = NULL;
	p->scheduler = &wrong;
	CHECK_ERR(cage_shell(cage, "true"), -EINVAL);
	CHECK_HAS(cage->err.text, "scheduler");
	p->scheduler = NULL;
	p->io_priority_set = true;
	p->io_class = 9;
	CHECK_ERR(cage_shell(cage, "true"), -EINVAL);
	CHECK_HAS(cage->err.text, "io priority");
	p->io_priority_set = false;
	p->rlimits = &limit;
	p->rlimit_count = 1;
	CHECK_ERR(cage_shell(cage, "true"), -EPERM);
	CHECK_HAS(cage->err.text, "RLIMIT_NOFILE");
	p->rlimit_count = 0;
	if (access("/sys/kernel/security/apparmor", F_OK) < 0 && access("/proc/self/attr/apparmor", F_OK) < 0) {
		p->apparmor = "some-profile";
		CHECK_ERR(cage_shell(cage, "true"), -EOPNOTSUPP);
		CHECK_HAS(cage->err.text, "some-profile");
		p->apparmor = NULL;
	}
	if (access("/sys/fs/selinux", F_OK) < 0) {
		p->selinux = "system_u:system_r:x_t:s0";
		CHECK_ERR(cage_shell(cage, "true"), -EOPNOTSUPP);
		CHECK_HAS(cage->err.text, "x_t");
	}
	cage_free(cage);
}

TEST(kept_descriptors_stay_and_no_other_does)
{
	struct cage *cage = cage_new();
	int ends[2], moved[2];

	/* Whatever is at 3 and 4 goes out of the way. */
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	for (int i = 0; i < 2; i++) {
		moved[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 20);
		CHECK(ends[i] == 3 + i || dup3(ends[i], 3 + i, O_CLOEXEC) == 3 + i);
		CHECK(fcntl(3 + i, F_SETFD, FD_CLOEXEC) == 0);
	}
	/* What is close-on-exec could be one of the runtime's own. */
	cage->config.process.keep_fds = 2;
	CHECK_OK(cage_shell(cage, "ls /proc/self/fd | tr '\\n' ' '"), &cage->err);
	CHECK_STR(cage->out, "0 1 2 3 ");
	CHECK(fcntl(3, F_SETFD, 0) == 0 && fcntl(4, F_SETFD, 0) == 0);
	cage->config.process.keep_fds = 2;
	CHECK_OK(cage_shell(cage, "ls /proc/self/fd | tr '\\n' ' '; echo through >&4; head -n1 <&3"), &cage->err);
	CHECK_STR(cage->out, "0 1 2 3 4 5 through\n");
	cage->config.process.keep_fds = 0;
	CHECK_OK(cage_shell(cage, "ls /proc/self/fd | tr '\\n' ' '"), &cage->err);
	CHECK_STR(cage->out, "0 1 2 3 ");
	for (int i = 0; i < 2; i++)
		if (moved[i] >= 0)
			CHECK(dup3(moved[i], 3 + i, O_CLOEXEC) == 3 + i);
	cage_free(cage);
}

/* ---- start from elsewhere ---- */

/* A listening socket "start" in a directory. */
static int
listen_at(const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK(mkdir(dir, 0700) == 0 || errno == EEXIST);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/start", dir);
	(void)unlink(address.sun_path);
	CHECK(sock >= 0);
	CHECK(bind(sock, (const struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(sock, 4) == 0);
	return sock;
}

/* Create in a process that ends (`killed`: without a last word), with the record on a pipe; what it said in *err. */
static int
create_elsewhere(struct cage *cage, bool killed, struct lp_container_record *record, int *out)
{
	struct { int rc; struct lp_err err; struct lp_container_record record; } result;
	int ends[2], output[2];
	pid_t pid;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	CHECK(pipe2(ends, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
	cage->config.process.stdio[1] = cage->config.process.stdio[2] = output[1];
	cage->config.cgroup_name = "elsewhere";
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct lp_container *container = NULL;

		memset(&result, 0, sizeof(result));
		result.rc = lp_container_create(&cage->config, &container, &result.err);
		if (result.rc == 0)
			result.rc = lp_container_record(container, &result.record, &result.err);
		if (result.rc == 0 && !killed)
			result.rc = lp_container_leave(container, &result.err);
		_exit(write(ends[1], &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 1);
	}
	(void)close(ends[1]);
	(void)close(output[1]);
	CHECK_INT(read(ends[0], &result, sizeof(result)), (ssize_t)sizeof(result));
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	(void)close(ends[0]);
	cage->err = result.err;
	*record = result.record;
	*out = output[0];
	return result.rc;
}

static void
starts_elsewhere(bool users)
{
	struct cage *cage = cage_new();
	struct lp_container_record record;
	struct lp_container *container;
	struct lp_container_exit end;
	lp_auto_fd int dir = -1;
	char text[256] = "", user_before[64], user_after[64];
	ssize_t n;
	int out;

	if (users)
		cage_own_users(cage);
	cage->config.start_fd = listen_at(lp_test_path("state"));
	dir = open(lp_test_path("state"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo started as $(id -u) with $(ls /proc/self/fd | wc -l)";
	cage->args[3] = NULL;
	CHECK_OK(create_elsewhere(cage, false, &record, &out), &cage->err);
	CHECK_OK(lp_container_adopt(&record, cage->cgroup, &container, &cage->err), &cage->err);
	CHECK(lp_container_waits(container));
	/* The user namespace is entered already: an exec before start is in it too. */
	(void)snprintf(text, sizeof(text), "/proc/%d/ns/user", (int)record.pid);
	n = readlink(text, user_before, sizeof(user_before) - 1);
	user_before[n > 0 ? n : 0] = '\0';
	n = readlink("/proc/self/ns/user", user_after, sizeof(user_after) - 1);
	user_after[n > 0 ? n : 0] = '\0';
	CHECK_INT(strcmp(user_before, user_after) != 0, users);
	CHECK_OK(lp_container_start_at(container, dir, "start", &cage->err), &cage->err);
	CHECK(!lp_container_waits(container));
	n = read(out, text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = '\0';
	CHECK_STR(text, "started as 0 with 4\n");
	cage_wait_pidfd(lp_container_pidfd(container));
	CHECK_OK(lp_container_wait(container, &end, &cage->err), &cage->err);
	CHECK_INT(end.code, 0);
	CHECK_ERR(lp_container_start_at(container, dir, "start", &cage->err), -EINVAL);
	CHECK_OK(lp_container_remove(container, &cage->err), &cage->err);
	lp_container_free(container);
	(void)close(out);
	lp_close(&cage->config.start_fd);
	cage_free(cage);
}

TEST(a_container_is_started_by_another_process_than_its_creator)
{
	starts_elsewhere(false);
}

TEST(a_container_with_a_user_namespace_is_started_by_another_process)
{
	starts_elsewhere(true);
}

TEST(create_says_that_a_program_is_missing_and_start_that_it_cannot_run)
{
	struct cage *cage = cage_new();
	struct lp_container_record record;
	struct lp_container *container;
	lp_auto_fd int dir = -1;
	bool populated = true;
	int64_t deadline = 0;
	int out;

	cage->config.start_fd = listen_at(lp_test_path("state"));
	dir = open(lp_test_path("state"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cage->args[0] = "nonesuch";
	CHECK_ERR(create_elsewhere(cage, false, &record, &out), -ENOENT);
	CHECK_HAS(cage->err.text, "executable file not found in $PATH");
	(void)close(out);
	cage->args[0] = "/etc/passwd";
	CHECK_ERR(create_elsewhere(cage, false, &record, &out), -EACCES);
	(void)close(out);
	/* Killed before anybody started it. */
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "true";
	CHECK_OK(create_elsewhere(cage, false, &record, &out), &cage->err);
	CHECK_OK(lp_container_adopt(&record, cage->cgroup, &container, &cage->err), &cage->err);
	CHECK_OK(lp_container_kill(container, &cage->err), &cage->err);
	cage_wait_pidfd(lp_container_pidfd(container));
	CHECK(!lp_container_waits(container));
	CHECK_ERR(lp_container_start_at(container, dir, "start", &cage->err), -EINVAL);
	while (populated && lp_test_wait(&deadline, 5000))
		CHECK_OK(lp_cgroup_populated(lp_container_cgroup(container), &populated, &cage->err), &cage->err);
	CHECK_OK(lp_container_remove(container, &cage->err), &cage->err);
	lp_container_free(container);
	(void)close(out);
	lp_close(&cage->config.start_fd);
	cage_free(cage);
}

TEST(a_created_container_ends_with_a_creator_that_did_not_leave_it)
{
	struct cage *cage = cage_new();
	struct lp_container_record record;
	struct lp_container *container = NULL;
	int64_t deadline = 0;
	int out, rc;

	cage->config.start_fd = listen_at(lp_test_path("state"));
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo never";
	CHECK_OK(create_elsewhere(cage, true, &record, &out), &cage->err);
	do {
		lp_container_free(container);
		container = NULL;
		rc = lp_container_adopt(&record, cage->cgroup, &container, &cage->err);
	} while (rc == 0 && lp_container_waits(container) && lp_test_wait(&deadline, 5000));
	CHECK(container == NULL || !lp_container_waits(container));
	if (container && rc == 0)
		cage_wait_pidfd(lp_container_pidfd(container));
	lp_container_free(container);
	(void)close(out);
	lp_close(&cage->config.start_fd);
	cage_free(cage);
}

/* ---- hooks ---- */

struct turn {
	char root[256], mounts[16];
	pid_t pid;
	int answer;
};

static int
look(void *arg, pid_t pid, struct lp_err *err)
{
	struct turn *turn = arg;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	n = readlink(path, turn->root, sizeof(turn->root) - 1);
	turn->root[n > 0 ? n : 0] = '\0';
	turn->pid = pid;
	return turn->answer < 0 ? lp_err_say(err, turn->answer, "the owner says no") : 0;
}

TEST(hooks_run_in_their_namespaces_with_the_state_on_stdin)
{
	struct cage *cage = cage_new();
	struct turn turn = { .answer = 0 };
	char script[512], text[256] = "", expect[300], ours[64];
	const char *const inside[] = { "sh", "-c", "cat > /tmp/h; id -u >> /tmp/h; echo $X >> /tmp/h; pwd >> /tmp/h", NULL };
	const char *const env[] = { "X=set", NULL };
	const char *outside[] = { "sh", "-c", script, NULL };
	const struct lp_hook create = { .path = "/bin/sh", .args = outside };
	const struct lp_hook start = { .path = "/bin/sh", .args = inside, .env = env };
	const struct lp_hooks hooks = { .before_pivot = look, .arg = &turn,
		.create = { &create, 1, "{\"pid\":", ",\"status\":\"creating\"}\n" }, .start = { &start, 1, "{\"pid\":", ",\"status\":\"created\"}\n" } };
	FILE *file;
	ssize_t n;

	(void)snprintf(script, sizeof(script), "cat > %s; readlink /proc/self/ns/uts >> %s", lp_test_path("state"), lp_test_path("state"));
	cage->config.hooks = &hooks;
	cage->config.rootfs.ready = cage->layers[0];
	cage->config.process.uid = 33;
	cage->config.process.cwd = "/tmp";
	lp_caps_fill(&cage->config.process.caps, lp_caps_default(false), true);
	/* the hook of start writes into the root: it has the rights of the process */
	CHECK_OK(cage_shell(cage, "readlink /proc/self/ns/mnt; readlink /proc/self/ns/uts; cat /tmp/h"), &cage->err);
	(void)snprintf(expect, sizeof(expect), "{\"pid\":%d,\"status\":\"created\"}\n33\nset\n/tmp\n", (int)turn.pid);
	CHECK_HAS(cage->out, expect);
	CHECK(turn.root[0] && strncmp(cage->out, turn.root, strlen(turn.root)) == 0);
	file = fopen(lp_test_path("state"), "re");
	CHECK(file != NULL);
	CHECK(fread(text, 1, sizeof(text) - 1, file) > 0);
	(void)fclose(file);
	(void)snprintf(expect, sizeof(expect), "{\"pid\":%d,\"status\":\"creating\"}\nuts:", (int)turn.pid);
	CHECK_HAS(text, expect);
	n = readlink("/proc/self/ns/uts", ours, sizeof(ours) - 1);
	ours[n > 0 ? n : 0] = '\0';
	CHECK(!strstr(text, ours));
	CHECK_HAS(cage->out, strstr(text, "uts:"));
	cage_free(cage);
}

TEST(a_hook_that_fails_ends_the_create_and_leaves_nothing)
{
	struct cage *cage = cage_new();
	struct turn turn = { .answer = -ECANCELED };
	const char *const args[] = { "sh", "-c", "echo no such luck; exit 3", NULL };
	const struct lp_hook bad = { .path = "/bin/sh", .args = args }, gone = { .path = "/nonesuch/hook" };
	struct lp_hooks hooks = { .before_pivot = look, .arg = &turn };
	int before;

	CHECK_OK(cage_shell(cage, "true"), &cage->err);	/* what is kept for a process's life is there now */
	lp_close(&cage->out_fd);
	before = cage_count_fds();
	cage->config.hooks = &hooks;
	CHECK_ERR(cage_shell(cage, "true"), -ECANCELED);
	CHECK_STR(cage->err.text, "the owner says no");
	hooks.before_pivot = NULL;
	hooks.create = (struct lp_hook_group){ &bad, 1, "", "" };
	CHECK_ERR(cage_shell(cage, "true"), -EIO);
	CHECK_STR(cage->err.text, "error running hook /bin/sh: exit status 3: no such luck");
	hooks.create = (struct lp_hook_group){ 0 };
	hooks.start = (struct lp_hook_group){ &bad, 1, "", "" };
	CHECK_ERR(cage_shell(cage, "true"), -EIO);
	hooks.start = (struct lp_hook_group){ &gone, 1, "", "" };
	CHECK_ERR(cage_shell(cage, "true"), -EIO);
	CHECK_HAS(cage->err.text, "No such file");
	lp_close(&cage->out_fd);
	CHECK_INT(cage_count_fds(), before);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), 0);	/* the janitor alone */
	cage_free(cage);
}

/* ---- seccomp ---- */

/* What libc's mkdir() calls. */
#ifdef SYS_mkdir
enum { MAKE_DIRECTORY = SYS_mkdir };
#else
enum { MAKE_DIRECTORY = SYS_mkdirat };
#endif

TEST(a_filter_that_notifies_gives_its_listener_to_the_owner)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAKE_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct cage *cage = cage_new();
	struct seccomp_notif request = { 0 };
	struct seccomp_notif_resp answer = { 0 };
	int listener;

	cage_own_users(cage);
	cage->config.process.seccomp = LP_SECCOMP_GIVEN;
	cage->config.process.seccomp_program = filter;
	cage->config.process.seccomp_bytes = sizeof(filter);
	cage->config.process.seccomp_flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "mkdir /tmp/asked 2>&1; test -d /tmp/asked || echo none";
	CHECK_OK(cage_start(cage), &cage->err);
	listener = lp_container_take_listener(cage->container);
	CHECK(listener >= 0);
	CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0);
	CHECK_INT(request.data.nr, MAKE_DIRECTORY);
	answer.id = request.id;
	answer.error = -EDQUOT;
	CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
	cage_read(cage);
	CHECK_HAS(cage->out, "Disk quota exceeded\nnone\n");
	(void)close(listener);
	cage_end(cage);
	cage_free(cage);
}

/* ---- exec ---- */

TEST(an_exec_goes_into_a_cgroup_below_and_nowhere_else)
{
	struct cage *cage = cage_new();
	struct lp_container_exit end;

	sleeper(cage);
	CHECK(mkdirat(lp_container_cgroup(cage->container), "part", 0755) == 0);
	cage->config.process.sub_cgroup = "part";
	CHECK_OK(cage_exec(cage, "cat /proc/self/cgroup | grep ^0", &end), &cage->err);
	CHECK_STR(cage->out, "0::/part\n");
	cage->config.process.sub_cgroup = "/part/";
	CHECK_OK(cage_exec(cage, "cat /proc/self/cgroup | grep ^0", &end), &cage->err);
	CHECK_STR(cage->out, "0::/part\n");
	cage->config.process.sub_cgroup = "/";
	CHECK_OK(cage_exec(cage, "cat /proc/self/cgroup | grep ^0", &end), &cage->err);
	CHECK_STR(cage->out, "0::/\n");
	cage->config.process.sub_cgroup = "../..";
	CHECK_ERR(cage_exec(cage, "true", &end), -EXDEV);
	CHECK_HAS(cage->err.text, "bad sub cgroup path: ../.. is not a sub cgroup path");
	cage->config.process.sub_cgroup = "nonesuch";
	CHECK_ERR(cage_exec(cage, "true", &end), -ENOENT);
	cage->config.process.sub_cgroup = NULL;
	cage->config.process.umask_set = true;
	cage->config.process.personality_set = true;
	cage->config.process.personality = PER_LINUX32;
	cage->config.process.cpus_initial = cage->config.process.cpus_final = "0";
	CHECK_OK(cage_exec(cage, "umask; uname -m; grep -c 'Cpus_allowed_list:.0$' /proc/self/status", &end), &cage->err);
	CHECK_STR(cage->out, "0000\n" MACHINE_32 "\n1\n");
	finish(cage);
	cage_free(cage);
}

/* ---- without root ---- */

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static int
give_away(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return lchown(path, 1000, 1000);
}

/* Uid 1000, and root of a user namespace in which there is nobody else. */
static void
become_ordinary(void)
{
	CHECK(setgroups(0, NULL) == 0 && setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", "0 1000 1");
	put("/proc/self/gid_map", "0 1000 1");
}

static void
as_ordinary_user(bool own_net)
{
	static const struct lp_mount mounts[] = {
		{ .kind = LP_MOUNT_FS, .target = "/proc", .fstype = "proc", .device = "proc", .source = { .fd = -1 } },
		{ .kind = LP_MOUNT_FS, .target = "/dev", .fstype = "tmpfs", .options = "mode=755", .source = { .fd = -1 } },
		{ .kind = LP_MOUNT_FS, .target = "/dev/pts", .fstype = "devpts", .options = "newinstance,ptmxmode=0666", .source = { .fd = -1 } },
		{ .kind = LP_MOUNT_FS, .target = "/dev/mqueue", .fstype = "mqueue", .source = { .fd = -1 } },
		{ .kind = LP_MOUNT_FS, .target = "/sys", .fstype = "sysfs", .source = { .fd = -1 } },
		{ .kind = LP_MOUNT_CGROUP, .target = "/sys/fs/cgroup", .source = { .fd = -1 } },
	};
	struct cage *cage = cage_new();
	char tree[64], root[256];
	int status = -1;
	ssize_t len;
	pid_t pid;

	(void)snprintf(tree, sizeof(tree), "/proc/self/fd/%d", cage->layers[0].fd);
	len = readlink(tree, root, sizeof(root) - 1);
	CHECK(len > 0);
	root[len] = '\0';
	cage->config.rootfs.ready.path = root;
	cage->config.mounts = mounts;
	cage->config.mount_count = sizeof(mounts) / sizeof(mounts[0]);
	cage->config.cgroup_parent_fd = -1;
	cage->config.ns[LP_NS_NET].how = own_net ? LP_NS_NEW : LP_NS_HOST;
	for (char *slash = strchr(root + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		struct stat st;

		*slash = '\0';
		CHECK(stat(root, &st) == 0 && chmod(root, (st.st_mode & 07777) | 0111) == 0);
		*slash = '/';
	}
	CHECK(nftw(root, give_away, 16, FTW_PHYS | FTW_MOUNT) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		become_ordinary();
		cage->args[0] = "sh";
		cage->args[1] = "-c";
		cage->args[2] = "id -u; touch /made; echo x > /dev/null && head -c 3 /dev/zero | wc -c; ls -d /proc/1 /sys/class /dev/pts/ptmx; "
				"touch /sys/x 2>/dev/null || echo sealed; grep Cap /proc/self/status | sort -u -k2 | wc -l";
		CHECK_OK(cage_start(cage), &cage->err);
		cage_read(cage);
		CHECK_STR(cage->out, "0\n3\n/dev/pts/ptmx\n/proc/1\n/sys/class\nsealed\n2\n");
		cage_wait_pidfd(lp_container_pidfd(cage->container));
		CHECK_OK(lp_container_wait(cage->container, &cage->exit, &cage->err), &cage->err);
		CHECK_INT(cage->exit.code, 0);
		CHECK_INT(strstr(lp_container_notes(cage->container), "/sys shows") != NULL, !own_net);
		lp_container_free(cage->container);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	cage_free(cage);
}

TEST(an_ordinary_user_runs_a_container_with_a_network_of_its_own)
{
	as_ordinary_user(true);
}

TEST(an_ordinary_user_runs_a_container_in_the_hosts_network)
{
	as_ordinary_user(false);
}

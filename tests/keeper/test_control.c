#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "keeper/control.h"
#include "tests/fault.h"
#include "tests/harness.h"

static const char *const args[] = { "/bin/sh", "-c", "echo $1", NULL };
static const char *const env[] = { "PATH=/bin", "EMPTY=", NULL };
static const uint32_t groups[] = { 0, 65534, UINT32_MAX };
static const struct lp_rlimit rlimits[] = { { .resource = 7, .soft = 1024, .hard = RLIM_INFINITY } };
static const struct lp_place layers[] = { { .path = "/var/lib/limpet/layers/b", .fd = 5 }, { .path = "/var/lib/limpet/layers/a", .fd = 6 } };
static const struct lp_mount mounts[] = {
	{ .kind = LP_MOUNT_PROC, .target = "/proc" },
	{ .kind = LP_MOUNT_BIND, .target = "/etc/hosts", .source = { .path = "etc/hosts", .fd = 9 }, .flags = LP_MOUNT_RO },
};
static const struct lp_device devices[] = { { .path = "/dev/ttyUSB0", .type = 'c', .major = 188, .minor = -1, .read = true } };
static const struct lp_idmap ids[] = { { .inside = 0, .outside = 4294901760u, .count = 65536 } };
static const struct lp_sysctl sysctls[] = { { "net.ipv4.ip_unprivileged_port_start", "0" } };
static const struct lp_control_file files[] = { { .path = "etc/hosts", .data = "127.0.0.1 localhost\n", .len = 20, .mode = 0644 } };
static const struct lp_control_volume volumes[] = { { .name = "secret", .size_bytes = 4096, .mode = 0755 } };
static const char *const masked[] = { "/proc/kcore", NULL };

static struct lp_control_container
container(void)
{
	struct lp_control_container c = {
		.name = "web", .role = LP_CONTROL_SIDECAR, .attempt = 4, .keep_stdin = true, .stop_signal = 3, .log_bytes = 99,
		.message_path = "/dev/termination-log",
	};

	lp_container_config_init(&c.config);
	c.config.process.args = args;
	c.config.process.env = env;
	c.config.process.cwd = "/srv";
	c.config.process.uid = 1000;
	c.config.process.gid = UINT32_MAX - 1;
	c.config.process.groups = groups;
	c.config.process.group_count = 3;
	c.config.process.caps.bounding = LP_CAP_ALL;
	c.config.process.seccomp = LP_SECCOMP_GIVEN;
	c.config.process.seccomp_program = "\0\1\2\3\4\5\6\7";
	c.config.process.seccomp_bytes = 8;
	c.config.process.rlimits = rlimits;
	c.config.process.rlimit_count = 1;
	c.config.process.oom_score_set = true;
	c.config.process.oom_score_adj = -997;
	c.config.rootfs.layers = layers;
	c.config.rootfs.layer_count = 2;
	c.config.rootfs.writable.path = "/var/lib/limpet/pods/u";
	c.config.mounts = mounts;
	c.config.mount_count = 2;
	c.config.masked_paths = masked;
	c.config.devices = devices;
	c.config.device_count = 1;
	c.config.limits.memory_max_bytes = UINT64_C(1) << 33;
	c.config.limits.swap_max_bytes = LP_CGROUP_SWAP_UNSET;
	return c;
}

static struct lp_control_pod
pod(const struct lp_control_container *containers, size_t count)
{
	return (struct lp_control_pod){
		.uid = "11111111-2222-3333-4444-555555555555", .namespace = "default", .name = "web-1", .host_pid = true,
		.uids = ids, .gids = ids, .uid_count = 1, .gid_count = 1, .hostname = "web-1", .sysctls = sysctls, .sysctl_count = 1,
		.policy = LP_CONTROL_ON_FAILURE, .grace_ms = 30000, .cgroup = "limpet/burstable/pod1", .files = files, .file_count = 1,
		.volumes = volumes, .volume_count = 1, .containers = containers, .container_count = count, .note = "a note",
	};
}

TEST(a_pod_record_comes_back_as_it_was)
{
	struct lp_control_container c = container();
	struct lp_control_pod in = pod(&c, 1), out;
	const struct lp_container_config *config;
	struct lp_arena arena;
	struct lp_buf buf;
	struct lp_err err;

	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&buf, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_pod_write(&buf, &in, &err), &err);
	CHECK_OK(lp_control_pod_read(&arena, buf.data, buf.len, &out, &err), &err);
	CHECK_STR(out.uid, in.uid);
	CHECK_STR(out.note, "a note");
	CHECK(out.host_pid && !out.host_network);
	CHECK_INT(out.policy, LP_CONTROL_ON_FAILURE);
	CHECK_INT(out.uids[0].outside, 4294901760u);
	CHECK_STR(out.sysctls[0].name, sysctls[0].name);
	CHECK_MEM(out.files[0].data, files[0].data, 20);
	CHECK_INT(out.volumes[0].size_bytes, 4096);
	CHECK_INT(out.containers[0].attempt, 4);
	CHECK_INT(out.containers[0].role, LP_CONTROL_SIDECAR);
	config = &out.containers[0].config;
	CHECK_STR(config->process.args[2], "echo $1");
	CHECK(!config->process.args[3]);
	CHECK_STR(config->process.env[1], "EMPTY=");
	CHECK_INT(config->process.gid, UINT32_MAX - 1);
	CHECK_INT(config->process.groups[2], UINT32_MAX);
	CHECK(config->process.caps.bounding == LP_CAP_ALL);
	CHECK_MEM(config->process.seccomp_program, "\0\1\2\3\4\5\6\7", 8);
	CHECK(config->process.rlimits[0].hard == RLIM_INFINITY);
	CHECK_INT(config->process.oom_score_adj, -997);
	CHECK_STR(config->rootfs.layers[1].path, layers[1].path);
	CHECK_STR(config->mounts[1].source.path, "etc/hosts");
	CHECK_INT(config->mounts[1].flags, LP_MOUNT_RO);
	CHECK_STR(config->masked_paths[0], "/proc/kcore");
	CHECK_INT(config->devices[0].minor, -1);
	CHECK_INT(config->limits.memory_max_bytes, INT64_C(1) << 33);
	CHECK_INT(config->limits.swap_max_bytes, LP_CGROUP_SWAP_UNSET);
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

TEST(descriptors_do_not_travel_in_a_record)
{
	struct lp_control_container c = container();
	struct lp_control_pod in = pod(&c, 1), out;
	struct lp_arena arena;
	struct lp_buf buf;

	c.config.process.stdio[1] = 7;
	c.config.cgroup_parent_fd = 8;
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&buf, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_pod_write(&buf, &in, NULL), NULL);
	CHECK_OK(lp_control_pod_read(&arena, buf.data, buf.len, &out, NULL), NULL);
	CHECK_INT(out.containers[0].config.process.stdio[0], -1);
	CHECK_INT(out.containers[0].config.process.stdio[1], -1);
	CHECK_INT(out.containers[0].config.cgroup_parent_fd, -1);
	CHECK_INT(out.containers[0].config.rootfs.layers[0].fd, -1);
	CHECK_INT(out.containers[0].config.rootfs.ready.fd, -1);
	CHECK_INT(out.containers[0].config.mounts[0].source.fd, -1);
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

TEST(records_that_name_nothing_to_run_are_refused)
{
	struct lp_control_container c = container();
	struct lp_control_pod in = pod(&c, 1), out;
	struct lp_arena arena;
	struct lp_buf buf;

	for (int i = 0; i < 6; i++) {
		c = container();
		in = pod(&c, 1);
		if (i == 0)
			in.uid = "../x";
		else if (i == 1)
			in.name = NULL;
		else if (i == 2)
			in.container_count = 0;
		else if (i == 3)
			c.config.process.args = NULL;
		else if (i == 4)
			c.name = "a/b";
		lp_arena_init(&arena, LP_CONTROL_RECORD);
		lp_buf_init(&buf, LP_CONTROL_RECORD);
		CHECK_OK(lp_control_pod_write(&buf, &in, NULL), NULL);
		if (i == 5)
			buf.data[0] = 'X';
		CHECK_ERR(lp_control_pod_read(&arena, buf.data, buf.len, &out, NULL), -EBADMSG);
		lp_buf_fini(&buf);
		lp_arena_fini(&arena);
	}
}

TEST(every_cut_of_a_record_is_refused_or_smaller_and_nothing_leaks_out)
{
	struct lp_control_container c = container();
	struct lp_control_pod in = pod(&c, 1), out;
	struct lp_arena arena;
	struct lp_buf buf;

	lp_buf_init(&buf, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_pod_write(&buf, &in, NULL), NULL);
	for (size_t len = 0; len < buf.len; len++) {
		int rc;

		lp_arena_init(&arena, LP_CONTROL_RECORD);
		rc = lp_control_pod_read(&arena, buf.data, len, &out, NULL);
		if (rc)
			CHECK_INT(rc, -EBADMSG);
		lp_arena_fini(&arena);
	}
	lp_buf_fini(&buf);
}

TEST(a_status_travels_with_its_two_ends)
{
	struct lp_control_message in, out;
	struct lp_arena arena;
	struct lp_buf buf;
	struct lp_err err;

	lp_control_message_init(&in);
	in.kind = LP_CONTROL_STATUS;
	in.status = (struct lp_control_status){
		.name = "web", .run = LP_CONTROL_RUN_WAITING, .attempt = 3, .starts = 4, .reason = "CrashLoopBackOff",
		.last = { .set = true, .attempt = 3, .code = 137, .signal = 9, .reason = "OOMKilled", .ended_ms = 1763625600000 },
	};
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&buf, LP_CONTROL_PACKET);
	CHECK_OK(lp_control_message_write(&buf, &in, &err), &err);
	CHECK_OK(lp_control_message_read(&arena, buf.data, buf.len, &out, &err), &err);
	CHECK_INT(out.kind, LP_CONTROL_STATUS);
	CHECK_INT(out.status.starts, 4);
	CHECK(!out.status.end.set && out.status.last.set);
	CHECK_INT(out.status.last.signal, 9);
	CHECK_INT(out.status.last.ended_ms, 1763625600000);
	CHECK_STR(out.status.last.reason, "OOMKilled");
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

static void
make_pair(int out[2])
{
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) == 0);
}

TEST(a_packet_brings_its_descriptors)
{
	struct lp_control_message in, out;
	struct lp_arena arena;
	struct stat want, got;
	int pair[2];

	make_pair(pair);
	lp_control_message_init(&in);
	in.kind = LP_CONTROL_READY;
	in.fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	in.fds[1] = open(lp_test_dir(), O_RDONLY | O_CLOEXEC);
	in.fd_count = 2;
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_send(pair[0], &in, NULL), NULL);
	CHECK_OK(lp_control_receive(pair[1], &arena, &out, NULL), NULL);
	CHECK_INT(out.fd_count, 2);
	CHECK(fstat(in.fds[1], &want) == 0 && fstat(out.fds[1], &got) == 0);
	CHECK(want.st_ino == got.st_ino && want.st_dev == got.st_dev);
	CHECK(fcntl(out.fds[0], F_GETFD) & FD_CLOEXEC);
	CHECK_ERR(lp_control_receive(pair[1], &arena, &out, NULL), -EAGAIN);
	CHECK(close(pair[0]) == 0);
	CHECK_ERR(lp_control_receive(pair[1], &arena, &out, NULL), -EPIPE);
	lp_arena_fini(&arena);
}

static int
count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

TEST(a_bad_packet_leaves_no_descriptor_behind)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (char[]){ "junk" }, .iov_len = 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *head = (memset(&control, 0, sizeof(control)), CMSG_FIRSTHDR(&msg));
	struct lp_control_message out;
	struct lp_arena arena;
	int pair[2], fd = 1, before;

	make_pair(pair);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	CHECK_INT(sendmsg(pair[0], &msg, 0), 4);
	before = count_fds();
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	CHECK_ERR(lp_control_receive(pair[1], &arena, &out, NULL), -EBADMSG);
	CHECK_INT(count_fds(), before);
	lp_arena_fini(&arena);
}

TEST(a_reader_that_does_not_read_makes_the_sender_wait_not_block)
{
	struct lp_control_message in;
	int pair[2], rc = 0;

	make_pair(pair);
	lp_control_message_init(&in);
	in.kind = LP_CONTROL_PING;
	for (int i = 0; i < 100000 && !rc; i++)
		rc = lp_control_send(pair[0], &in, NULL);
	CHECK_ERR(rc, -EAGAIN);
}

TEST(the_last_words_of_a_keeper_can_be_read_without_it)
{
	struct lp_control_state state = { .uid = "u", .namespace = "default", .name = "web", .phase = LP_CONTROL_RUNNING, .pid = 7 }, got;
	struct lp_control_status status[2] = { { .name = "a", .starts = 2 }, { .name = "b", .run = LP_CONTROL_RUN_ENDED } }, *statuses;
	const char *cgroup;
	struct lp_arena arena;
	struct lp_buf buf;
	size_t count;

	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&buf, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_last_write(&buf, &state, status, 2, "limpet/x/podu", NULL), NULL);
	CHECK_OK(lp_control_last_parse(&arena, buf.data, buf.len, &got, &statuses, &count, &cgroup, NULL), NULL);
	CHECK_INT(got.pid, 7);
	CHECK_INT(count, 2);
	CHECK_INT(statuses[0].starts, 2);
	CHECK_INT(statuses[1].run, LP_CONTROL_RUN_ENDED);
	CHECK_STR(cgroup, "limpet/x/podu");
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

TEST(probes_hooks_and_new_limits_come_back_as_they_were)
{
	static const struct lp_control_header headers[] = { { "Host", "example.org" }, { "X-Empty", "" } };
	static const struct lp_control_probe probes[] = {
		{ .kind = LP_CONTROL_LIVENESS, .action = { .deed = LP_CONTROL_DEED_HTTP, .host = "10.42.0.5", .port = 8080, .tls = true, .path = "/a?b",
		    .headers = headers, .header_count = 2 }, .initial_delay_ms = 1, .period_ms = 2, .timeout_ms = 3, .success_threshold = 4,
		    .failure_threshold = 5, .grace_set = true, .grace_ms = 6 },
		{ .kind = LP_CONTROL_READINESS, .action = { .deed = LP_CONTROL_DEED_GRPC, .host = "10.42.0.5", .port = 1, .service = "" } },
	};
	struct lp_control_container c = container();
	struct lp_control_pod in, out;
	struct lp_control_message message;
	const struct lp_control_probe *probe;
	struct lp_arena arena;
	struct lp_buf buf;
	struct lp_err err;

	c.probes = probes;
	c.probe_count = 2;
	c.post_start = (struct lp_control_action){ .deed = LP_CONTROL_DEED_EXEC, .args = args };
	c.pre_stop = (struct lp_control_action){ .deed = LP_CONTROL_DEED_SLEEP, .sleep_ms = 5000 };
	in = pod(&c, 1);
	in.deadline_ms = 60000;
	in.share_pids = true;
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&buf, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_pod_write(&buf, &in, &err), &err);
	CHECK_OK(lp_control_pod_read(&arena, buf.data, buf.len, &out, &err), &err);
	CHECK(out.share_pids);
	CHECK_INT(out.deadline_ms, 60000);
	CHECK_INT(out.containers[0].probe_count, 2);
	probe = out.containers[0].probes;
	CHECK_INT(probe[0].kind, LP_CONTROL_LIVENESS);
	CHECK(probe[0].action.tls && probe[0].grace_set);
	CHECK_STR(probe[0].action.path, "/a?b");
	CHECK_STR(probe[0].action.headers[1].name, "X-Empty");
	CHECK_STR(probe[0].action.headers[1].value, "");
	CHECK_INT(probe[0].failure_threshold, 5);
	CHECK_INT(probe[0].grace_ms, 6);
	CHECK_STR(probe[1].action.service, "");
	CHECK_STR(out.containers[0].post_start.args[2], "echo $1");
	CHECK_INT(out.containers[0].pre_stop.sleep_ms, 5000);

	lp_buf_reset(&buf);
	lp_control_message_init(&message);
	message.kind = LP_CONTROL_RESIZE;
	message.limits = c.config.limits;
	message.limits.cpuset_cpus = "0-1";
	CHECK_OK(lp_control_message_write(&buf, &message, &err), &err);
	CHECK_OK(lp_control_message_read(&arena, buf.data, buf.len, &message, &err), &err);
	CHECK(message.limits.memory_max_bytes == UINT64_C(1) << 33);
	CHECK_INT(message.limits.swap_max_bytes, LP_CGROUP_SWAP_UNSET);
	CHECK_STR(message.limits.cpuset_cpus, "0-1");
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

TEST(a_probe_that_is_not_whole_is_refused_with_its_container)
{
	static const struct lp_control_probe broken[][2] = {
		{ { .kind = LP_CONTROL_LIVENESS, .action = { .deed = LP_CONTROL_DEED_HTTP, .host = "h", .port = 1 } } },
		{ { .kind = LP_CONTROL_LIVENESS, .action = { .deed = LP_CONTROL_DEED_TCP, .host = "h" } } },
		{ { .kind = LP_CONTROL_LIVENESS, .action = { .deed = LP_CONTROL_DEED_EXEC } } },
		{ { .kind = LP_CONTROL_PROBES, .action = { .deed = LP_CONTROL_DEED_TCP, .host = "h", .port = 1 } } },
		{ { .kind = LP_CONTROL_STARTUP, .action = { .deed = LP_CONTROL_DEED_TCP, .host = "h", .port = 1 } },
		    { .kind = LP_CONTROL_STARTUP, .action = { .deed = LP_CONTROL_DEED_TCP, .host = "h", .port = 1 } } },
	};

	for (size_t i = 0; i < lp_count(broken); i++) {
		struct lp_control_container c = container();
		struct lp_control_pod in, out;
		struct lp_arena arena;
		struct lp_buf buf;
		struct lp_err err;

		c.probes = broken[i];
		c.probe_count = broken[i][1].action.deed ? 2 : 1;
		in = pod(&c, 1);
		lp_arena_init(&arena, LP_CONTROL_RECORD);
		lp_buf_init(&buf, LP_CONTROL_RECORD);
		CHECK_OK(lp_control_pod_write(&buf, &in, &err), &err);
		CHECK_ERR(lp_control_pod_read(&arena, buf.data, buf.len, &out, &err), -EBADMSG);
		CHECK_HAS(err.text, "container web");
		lp_buf_fini(&buf);
		lp_arena_fini(&arena);
	}
}

/* What a keeper of the release before said: no word about readiness, no news. */
TEST(what_an_older_keeper_does_not_say_is_unsaid)
{
	struct lp_control_message message, back;
	struct lp_arena arena;
	struct lp_buf buf;
	struct lp_err err;

	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&buf, LP_CONTROL_RECORD);
	lp_control_message_init(&message);
	message.kind = LP_CONTROL_STATUS;
	message.status.name = "web";
	message.status.run = LP_CONTROL_RUN_RUNNING;
	CHECK_OK(lp_control_message_write(&buf, &message, &err), &err);
	CHECK_OK(lp_control_message_read(&arena, buf.data, buf.len, &back, &err), &err);
	CHECK_INT(back.status.ready, LP_CONTROL_UNSAID);
	CHECK_INT(back.status.started, LP_CONTROL_UNSAID);
	CHECK_INT(back.status.news_count, 0);
	CHECK(!back.status.resized);
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

/* tests/kernel/solo.c - a node with nothing but one pod. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/pod/prober.h"
#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "keeper/control.h"
#include "keeper/keeper.h"
#include "tests/harness.h"
#include "tests/kernel/solo.h"

/* The keeper's executable is this program, and its prober's. */
__attribute__((constructor)) static void
maybe_keeper(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "keeper"))
		_exit(lp_keeper_main(argc - 1, argv + 1));
	if (argc > 1 && !strcmp(argv[1], "prober"))
		_exit(lp_prober_main(argc - 1, argv + 1));
}

struct solo solo;

static void
on_pod(struct lp_control *control, const struct lp_control_state *state)
{
	(void)control;
	solo.phase = state->phase;
	solo.error = state->error;
	(void)snprintf(solo.error_text, sizeof(solo.error_text), "%s", state->error_text ? state->error_text : "");
	(void)snprintf(solo.why, sizeof(solo.why), "%s", state->reason ? state->reason : "");
	(void)snprintf(solo.note, sizeof(solo.note), "%s", state->note ? state->note : "");
	solo.pods++;
}

static void
on_ready(struct lp_control *control, int netns_fd, int dir_fd)
{
	(void)control;
	lp_close(&solo.netns_fd);
	lp_close(&solo.dir_fd);
	solo.netns_fd = netns_fd;
	solo.dir_fd = dir_fd;
}

struct solo_seen *
solo_seen(const char *name)
{
	for (size_t i = 0; i < solo.seen_count; i++)
		if (!strcmp(solo.seen[i].name, name))
			return &solo.seen[i];
	return NULL;
}

static void
on_status(struct lp_control *control, const struct lp_control_status *status)
{
	struct solo_seen *s = solo_seen(status->name);

	(void)control;
	if (!s) {
		CHECK(solo.seen_count < SOLO_MAX);
		s = &solo.seen[solo.seen_count++];
	}
	s->status = *status;
	(void)snprintf(s->name, sizeof(s->name), "%s", status->name);
	(void)snprintf(s->reason, sizeof(s->reason), "%s", status->end.set ? status->end.reason : status->reason ? status->reason : "");
	(void)snprintf(s->message, sizeof(s->message), "%s",
	    status->end.message ? status->end.message : status->message ? status->message : "");
	for (size_t i = 0; i < status->news_count; i++) {
		const struct lp_control_news *news = &status->news[i];

		CHECK(news->kind > 0 && (size_t)news->kind < lp_count(s->news) && news->text);
		CHECK(news->count >= s->news[news->kind]);	/* it never falls */
		s->news[news->kind] = news->count;
		(void)snprintf(s->words[news->kind], sizeof(s->words[0]), "%s", news->text);
	}
	(void)snprintf(s->last_reason, sizeof(s->last_reason), "%s", status->last.set ? status->last.reason : "");
}

static void
on_begun(struct lp_control *control, uint64_t id, int fd, const struct lp_err *err)
{
	(void)control;
	solo.begun = id;
	solo.begun_fd = fd;
	solo.begun_code = err->code;
	(void)snprintf(solo.error_text, sizeof(solo.error_text), "%s", err->text);
}

static void
on_ended(struct lp_control *control, uint64_t id, const struct lp_container_exit *exit)
{
	(void)control;
	solo.ended = id;
	solo.end_count++;
	solo.end = *exit;
}

static void
on_pong(struct lp_control *control, uint64_t id)
{
	(void)control;
	(void)id;
	solo.pongs++;
}

static void
on_gone(struct lp_control *control)
{
	(void)control;
	solo.gone++;
}

static void
on_resized(struct lp_control *control, uint64_t id, const struct lp_err *err)
{
	(void)control;
	solo.resized = id;
	solo.resized_code = err->code;
	(void)snprintf(solo.error_text, sizeof(solo.error_text), "%s", err->text);
}

const struct lp_control_ops solo_ops = { on_pod, on_ready, on_status, on_begun, on_ended, on_pong, on_resized, on_gone };

static int
open_dir(const char *name)
{
	struct lp_err err;
	int fd;

	CHECK_OK(lp_path_root(lp_test_path(name), true, &fd, &err), &err);
	return fd;
}

static void
copy_file(const char *from, int dir, const char *to)
{
	lp_auto_fd int in = open(from, O_RDONLY | O_CLOEXEC), out = openat(dir, to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char bytes[65536];
	ssize_t n;

	if (in < 0)
		SKIP("no static busybox at %s", from);
	CHECK(out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		CHECK_OK(lp_path_write_all(out, bytes, (size_t)n, NULL), NULL);
	CHECK(n == 0);
}

static void
make_layer(void)
{
	static const char *const applets[] = { "sh", "sleep", "cat", "echo", "kill", "true", "id", "stty", "ls", "mkdir", "yes", "head", "dd", "od", "readlink" };
	lp_auto_fd int layer = open_dir("layer");
	lp_auto_fd int bin = -1;

	CHECK(mkdirat(layer, "bin", 0755) == 0 && mkdirat(layer, "tmp", 01777) == 0);
	bin = openat(layer, "bin", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(bin >= 0);
	copy_file("/bin/busybox", bin, "busybox");
	for (size_t i = 0; i < lp_count(applets); i++)
		CHECK(symlinkat("busybox", bin, applets[i]) == 0);
	(void)snprintf(solo.layer, sizeof(solo.layer), "%s", lp_test_path("layer"));
	lp_close(&layer);
	layer = open_dir("shared");
	CHECK(fchmod(layer, 01777) == 0);
	(void)snprintf(solo.shared, sizeof(solo.shared), "%s", lp_test_path("shared"));
}

/*
 * A test that fails leaves a keeper and its containers, which belong to no process group of ours. A guard outside of it sees
 * the test's end by the end of a pipe and kills what is in the test's cgroup.
 */
static void
guard(int root_fd)
{
	lp_auto_fd int cgroup = -1;
	int ends[2];
	char byte;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0) {
		CHECK(close(ends[0]) == 0);
		return;		/* ends[1] stays open for as long as this process lives, and nowhere else */
	}
	(void)setsid();
	(void)close(ends[1]);
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		continue;
	if (lp_cgroup_open(root_fd, solo.cgroup, &cgroup, NULL) == 0 && lp_cgroup_kill(cgroup, NULL) == 0)
		for (int64_t deadline = 0; lp_cgroup_remove(root_fd, solo.cgroup, NULL) < 0 && lp_test_wait(&deadline, 3000);)
			continue;
	_exit(0);
}

/* An empty node: run directories, a cgroup of its own. */
void
solo_init(void)
{
	lp_auto_fd int root = -1;
	struct lp_err err;

	lp_test_need_root();
	solo.begun_fd = solo.netns_fd = solo.dir_fd = -1;
	lp_arena_init(&solo.arena, LP_CONTROL_RECORD);
	make_layer();
	if (lp_cgroup_root_open(NULL, &root, &err) < 0)
		SKIP("%s", err.text);
	(void)snprintf(solo.cgroup, sizeof(solo.cgroup), "limpet-test-keeper-%d", (int)getpid());
	CHECK_OK(lp_loop_new(&solo.loop, &err), &err);
	solo.how.exe_fd = -1;
	solo.how.run_pods_fd = open_dir("pods");
	solo.how.run_logs_fd = open_dir("logs");
	solo.how.system_cgroup = "system";
	CHECK_OK(lp_cgroup_make(root, solo.cgroup, &solo.how.cgroup_root_fd, NULL, &err), &err);
	guard(root);
	/* as the agent makes it: keepers live in it, so it gives no controllers to children */
	CHECK_INT(mkdirat(solo.how.cgroup_root_fd, "system", 0755), 0);
	lp_random_uuid(solo.uid);
	solo.layers[0] = (struct lp_place){ .path = solo.layer, .fd = -1 };
	solo.ids[0] = (struct lp_idmap){ 0, 65536 * 40, 65536 };
	solo.pod = (struct lp_control_pod){
		.uid = solo.uid, .namespace = "default", .name = "web", .hostname = "web",
		.uids = solo.ids, .gids = solo.ids, .uid_count = 1, .gid_count = 1,
		.policy = LP_CONTROL_NEVER, .grace_ms = 5000, .backoff_ms = 1, .backoff_max_ms = 1,
		.cgroup = lp_arena_printf(&solo.arena, "burstable/pod%s", solo.uid), .containers = solo.containers, .note = "first",
	};
}

struct lp_control_container *
solo_add(const char *name, const char *script)
{
	static const char *const env[] = { "PATH=/bin", NULL };
	size_t i = solo.pod.container_count++, usual;
	struct lp_control_container *c = &solo.containers[i];
	const struct lp_mount *mounts = lp_container_mounts(&usual);

	CHECK(i < SOLO_MAX && usual + 1 < lp_count(solo.mounts[i]));
	memset(c, 0, sizeof(*c));
	c->name = name;
	lp_container_config_init(&c->config);
	solo.args[i][0] = "/bin/sh";
	solo.args[i][1] = "-c";
	solo.args[i][2] = script;
	c->config.process.args = solo.args[i];
	c->config.process.env = env;
	c->config.rootfs.layers = solo.layers;
	c->config.rootfs.layer_count = 1;
	c->config.rootfs.writable.path = lp_arena_str(&solo.arena, lp_test_path("writable"));
	memcpy(solo.mounts[i], mounts, usual * sizeof(*mounts));
	solo.mounts[i][usual] = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = "/shared", .source = { .path = solo.shared, .fd = -1 } };
	c->config.mounts = solo.mounts[i];
	c->config.mount_count = usual + 1;
	return c;
}

void
solo_spawn(void)
{
	struct lp_err err;

	CHECK_OK(lp_control_spawn(solo.loop, &solo.control, &solo.how, &solo.pod, &solo_ops, NULL, &err), &err);
	SOLO_UNTIL(solo.dir_fd >= 0 || solo.error);
	if (solo.error)
		FAIL("the keeper could not make the pod: %s", solo.error_text);
}

void
solo_go(void)
{
	struct lp_err err;

	CHECK_OK(lp_control_go(&solo.control, NULL, 0, NULL, &err), &err);
}

bool
solo_runs(const char *name)
{
	return solo_seen(name) && solo_seen(name)->status.run == LP_CONTROL_RUN_RUNNING;
}

bool
solo_ended(const char *name)
{
	return solo_seen(name) && solo_seen(name)->status.run == LP_CONTROL_RUN_ENDED;
}

/* The pod is forgotten, and nothing of it is left. */
void
solo_finish(void)
{
	struct lp_err err;
	lp_auto_fd int root = -1, cgroup = -1;

	CHECK_OK(lp_control_forget(&solo.control, false, &err), &err);
	SOLO_UNTIL(solo.gone);
	CHECK(access(lp_test_path("pods"), F_OK) == 0);
	CHECK_INT(faccessat(solo.how.run_pods_fd, solo.uid, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	CHECK_INT(faccessat(solo.how.run_logs_fd, solo.uid, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	CHECK_ERR(lp_cgroup_open(solo.how.cgroup_root_fd, solo.pod.cgroup, &cgroup, &err), -ENOENT);
	lp_close(&solo.netns_fd);
	lp_close(&solo.dir_fd);
	CHECK_OK(lp_cgroup_root_open(NULL, &root, &err), &err);
	for (int64_t deadline = 0; lp_cgroup_remove(root, solo.cgroup, &err) < 0;)	/* the keeper itself is just leaving */
		if (!lp_test_wait(&deadline, 5000))
			FAIL("%s", err.text);
}

char *
solo_read_shared(const char *name)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", solo.shared, name);
	return access(path, F_OK) == 0 ? lp_test_read(path, NULL) : strdup("");
}

char *
solo_read_log(const char *container, uint64_t attempt)
{
	char name[LP_CONTROL_LOG_NAME], path[200];

	lp_control_log_name(container, attempt, false, name);
	(void)snprintf(path, sizeof(path), "logs/%s/%s", solo.uid, name);
	return lp_test_read(lp_test_path(path), NULL);
}

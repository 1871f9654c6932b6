#include "tests/kernel/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"

enum { TEN_SECONDS_MS = 10000 };

static int
count_one(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

int
cage_count_fds(void)
{
	lp_auto_fd int fd = -1;
	int count = 0;

	CHECK_OK(lp_path_root("/proc/self/fd", false, &fd, NULL), NULL);
	CHECK_OK(lp_path_each(fd, count_one, &count, NULL), NULL);
	return count;
}

int
cage_count_mounts(void)
{
	lp_auto_free char *text = lp_test_read("/proc/self/mountinfo", NULL);
	int count = 0;

	for (const char *c = text; *c; c++)
		count += *c == '\n';
	return count;
}

/* ---- a test that fails half way ---- */

static int
sweep(void *arg, const char *name)
{
	const int *cgroup = arg;
	lp_auto_fd int fd = -1;
	bool populated = true;

	if (lp_cgroup_open(*cgroup, name, &fd, NULL) < 0)
		return 0;	/* a file of the cgroup's own */
	(void)lp_cgroup_kill(fd, NULL);
	for (int64_t deadline = 0; populated && lp_test_wait(&deadline, TEN_SECONDS_MS);)
		if (lp_cgroup_populated(fd, &populated, NULL) < 0)
			break;
	return 0;
}

/*
 * A failing CHECK ends the test at once, and containers have sessions of their own: a process outside of the test's group waits
 * for its end and then removes what is left.
 */
static void
start_janitor(struct cage *cage)
{
	int ends[2];
	pid_t pid;
	char byte;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid > 0) {
		(void)close(ends[0]);
		cage->janitor_fd = ends[1];
		CHECK(read(ends[1], &byte, 1) == 1);	/* it has left our group, with which it would die */
		return;
	}
	(void)setsid();
	(void)!write(ends[0], "", 1);
	(void)close_range(0, 2, 0);	/* the runner waits for the end of our output */
	(void)close(ends[1]);
	(void)!read(ends[0], &byte, 1);
	if (lp_cgroup_open(cage->cgroup_root, cage->cgroup_name, &cage->cgroup, NULL) == 0) {
		(void)lp_path_each(cage->cgroup, sweep, &cage->cgroup, NULL);
		(void)lp_cgroup_remove(cage->cgroup_root, cage->cgroup_name, NULL);
	}
	_exit(0);
}

/* ---- the image ---- */

static void
open_layers(struct cage *cage, const char *archive)
{
	struct lp_images *images = NULL;
	struct lp_image image;
	lp_auto_fd int data = -1, file = -1;
	const struct lp_images_load how = { .name = "limpet.local/cage:test", .wait = true };
	int fds[CAGE_LAYERS];

	file = open(archive, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		FAIL("%s: %s (tools/test-images makes it)", archive, lp_err_words(errno));
	CHECK_OK(lp_path_root(lp_test_path("data"), true, &data, &cage->err), &cage->err);
	CHECK_OK(lp_images_open(data, &images, &cage->err), &cage->err);
	CHECK_OK(lp_images_load(images, file, &how, &cage->err), &cage->err);
	CHECK_OK(lp_images_find(images, how.name, &image, &cage->err), &cage->err);
	CHECK(image.layer_count <= CAGE_LAYERS);
	CHECK_OK(lp_images_layer_fds(images, &image, fds, &cage->err), &cage->err);
	for (size_t i = 0; i < image.layer_count; i++)
		cage->layers[i] = (struct lp_place){ .fd = fds[image.layer_count - 1 - i] };
	cage->config.rootfs.layers = cage->layers;
	cage->config.rootfs.layer_count = image.layer_count;
	lp_images_release(&image);
	lp_images_close(images);
}

struct cage *
cage_new_from(const char *archive)
{
	static const char *const env[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", NULL };
	struct cage *cage = calloc(1, sizeof(*cage));
	size_t count;
	int rc;

	lp_test_need_root();
	CHECK(cage != NULL);
	cage->out_fd = cage->cgroup = cage->cgroup_root = cage->janitor_fd = -1;
	lp_container_config_init(&cage->config);
	rc = lp_cgroup_root_open(NULL, &cage->cgroup_root, &cage->err);
	if (rc == -EOPNOTSUPP)
		SKIP("%s", cage->err.text);
	CHECK_OK(rc, &cage->err);
	open_layers(cage, archive);

	(void)snprintf(cage->cgroup_name, sizeof(cage->cgroup_name), "limpet-test-%d", (int)getpid());
	start_janitor(cage);
	CHECK_OK(lp_cgroup_make(cage->cgroup_root, cage->cgroup_name, &cage->cgroup, NULL, &cage->err), &cage->err);
	for (size_t i = 0; lp_container_mounts(&count) && i < count; i++)
		cage->mounts[i] = lp_container_mounts(&count)[i];
	cage->config.mounts = cage->mounts;
	cage->config.mount_count = count;
	cage->config.id = "cage";
	cage->config.hostname = "cage";
	cage->config.cgroup_parent_fd = cage->cgroup;
	cage->config.process.args = cage->args;
	for (size_t i = 0; i < lp_count(env); i++)
		cage->env[i] = env[i];
	cage->config.process.env = cage->env;
	return cage;
}

struct cage *
cage_new(void)
{
	return cage_new_from("build/images/busybox.tar");
}

void
cage_free(struct cage *cage)
{
	if (cage->container)
		cage_end(cage);
	lp_close(&cage->out_fd);
	CHECK_OK(lp_cgroup_remove(cage->cgroup_root, cage->cgroup_name, &cage->err), &cage->err);
	lp_close(&cage->cgroup);
	lp_close(&cage->cgroup_root);
	lp_close(&cage->janitor_fd);
	for (size_t i = 0; i < cage->config.rootfs.layer_count && cage->config.rootfs.layers == cage->layers; i++)
		lp_close(&cage->layers[i].fd);
	free(cage);
}

void
cage_own_users(struct cage *cage)
{
	cage->map = (struct lp_idmap){ .inside = 0, .outside = 200000, .count = 65536 };
	cage->config.uids = cage->config.gids = &cage->map;
	cage->config.uid_count = cage->config.gid_count = 1;
	cage->config.ns[LP_NS_USER].how = LP_NS_NEW;
}

struct lp_mount *
cage_mount(struct cage *cage, enum lp_mount_kind kind, const char *target)
{
	struct lp_mount *mount = &cage->mounts[cage->config.mount_count++];

	CHECK(cage->config.mount_count <= lp_count(cage->mounts));
	*mount = (struct lp_mount){ .kind = kind, .target = target, .source = { .fd = -1 } };
	return mount;
}

/* ---- running ---- */

void
cage_wait_pidfd(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	CHECK_INT(poll(&poll_fd, 1, TEN_SECONDS_MS), 1);
}

int
cage_start(struct cage *cage)
{
	static char name[16];
	int ends[2], rc;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	lp_close(&cage->out_fd);
	cage->out_fd = ends[0];
	cage->out_len = 0;
	cage->out[0] = '\0';
	(void)snprintf(name, sizeof(name), "cage.%d", cage->attempt++);
	cage->config.cgroup_name = name;
	cage->config.process.stdio[1] = cage->config.process.stdio[2] = ends[1];
	lp_err_clear(&cage->err);
	rc = lp_container_run(&cage->config, &cage->container, &cage->err);
	(void)close(ends[1]);
	return rc;
}

/* One read; false at the end. */
static bool
read_some(struct cage *cage)
{
	struct pollfd poll_fd = { .fd = cage->out_fd, .events = POLLIN };
	ssize_t len;

	CHECK_INT(poll(&poll_fd, 1, TEN_SECONDS_MS), 1);
	len = read(cage->out_fd, cage->out + cage->out_len, CAGE_OUT - 1 - cage->out_len);
	if (len <= 0)
		return false;
	cage->out_len += (size_t)len;
	cage->out[cage->out_len] = '\0';
	return cage->out_len < CAGE_OUT - 1;
}

void
cage_read(struct cage *cage)
{
	while (read_some(cage))
		continue;
}

void
cage_until(struct cage *cage, const char *words)
{
	while (!strstr(cage->out, words))
		if (!read_some(cage))
			FAIL("the container ended without \"%s\"; it wrote: %s", words, cage->out);
}

void
cage_end(struct cage *cage)
{
	bool populated = true;

	cage_wait_pidfd(lp_container_pidfd(cage->container));
	CHECK_OK(lp_container_wait(cage->container, &cage->exit, &cage->err), &cage->err);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	for (int64_t deadline = 0; populated && lp_test_wait(&deadline, TEN_SECONDS_MS);)
		CHECK_OK(lp_cgroup_populated(lp_container_cgroup(cage->container), &populated, &cage->err), &cage->err);
	CHECK_OK(lp_container_remove(cage->container, &cage->err), &cage->err);
	lp_container_free(cage->container);
	cage->container = NULL;
}

int
cage_run(struct cage *cage)
{
	int rc = cage_start(cage);

	if (rc < 0)
		return rc;
	cage_read(cage);
	cage_end(cage);
	return 0;
}

int
cage_shell(struct cage *cage, const char *script)
{
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = script;
	cage->args[3] = NULL;
	return cage_run(cage);
}

int
cage_exec(struct cage *cage, const char *script, struct lp_container_exit *out_exit)
{
	struct lp_process_config config = cage->config.process;
	const char *args[] = { "sh", "-c", script, NULL };
	struct lp_process process;
	int ends[2], rc;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	lp_close(&cage->out_fd);
	cage->out_fd = ends[0];
	cage->out_len = 0;
	cage->out[0] = '\0';
	config.args = args;
	config.stdio[1] = config.stdio[2] = ends[1];
	lp_process_init(&process);
	lp_err_clear(&cage->err);
	rc = lp_container_exec(cage->container, &config, &process, &cage->err);
	(void)close(ends[1]);
	if (rc < 0)
		return rc;
	cage_read(cage);
	cage_wait_pidfd(process.pidfd);
	CHECK_OK(lp_process_wait(&process, out_exit, &cage->err), &cage->err);
	lp_process_fini(&process);
	return 0;
}

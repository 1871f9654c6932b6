#include "tools/oci/oci_rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

enum { NUMBER_BYTES = 12 };

bool
lp_oci_rootless(void)
{
	lp_auto_fd int proc = -1;
	lp_auto_buf struct lp_buf map;

	lp_buf_init(&map, 4096);
	if (geteuid() != 0 || lp_path_root("/proc", false, &proc, NULL) < 0 || lp_path_read(proc, "self/uid_map", &map, NULL) < 0)
		return true;
	return strstr(lp_buf_text(&map), "4294967295") == NULL;
}

/* Whoever has joined a user namespace is root there. */
static bool was_ordinary;

static struct lp_oci_idmap *
map_of_one(struct lp_arena *arena, uint32_t id)
{
	struct lp_oci_idmap *map = lp_arena_alloc(arena, sizeof(*map));

	if (map)
		*map = (struct lp_oci_idmap){ .inside = { .set = true }, .outside = { .value = id, .set = true }, .size = { .value = 1, .set = true } };
	return map;
}

int
lp_oci_rootless_amend(struct lp_arena *arena, struct lp_oci_spec *spec, struct lp_err *err)
{
	struct lp_oci_linux_ *linux_ = spec->linux_;
	struct lp_oci_namespace_ *more;
	size_t count = linux_ ? linux_->namespaces.count : 0;

	if (!linux_ || (geteuid() == 0 && !was_ordinary))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(linux_->namespaces.items[i].type, "user") == 0)
			return 0;
	more = lp_arena_alloc(arena, (count + 1) * sizeof(*more));
	if (!more)
		return lp_err_set(err, -ENOMEM, "namespaces");
	if (count)
		memcpy(more, linux_->namespaces.items, count * sizeof(*more));
	more[count] = (struct lp_oci_namespace_){ .type = "user" };
	linux_->namespaces.items = more;
	linux_->namespaces.count = count + 1;
	if (linux_->uids.count || linux_->gids.count)
		return 0;
	linux_->uids.items = map_of_one(arena, geteuid());
	linux_->gids.items = map_of_one(arena, getegid());
	linux_->uids.count = linux_->gids.count = 1;
	return linux_->uids.items && linux_->gids.items ? 0 : lp_err_set(err, -ENOMEM, "id mappings");
}

/* ---- maps ---- */

static bool
is_only(const struct lp_idmap *map, size_t count, uint32_t id)
{
	return count == 1 && map[0].outside == id && map[0].count == 1;
}

static int
write_own(const char *file, const struct lp_idmap *map, struct lp_err *err)
{
	lp_auto_fd int proc = -1;
	char text[48];
	int rc = lp_path_root("/proc", false, &proc, err);

	(void)snprintf(text, sizeof(text), "%u %u 1", map->inside, map->outside);
	return rc < 0 ? rc : lp_path_put(proc, file, text, err);
}

/* newuidmap PID inside outside count ...; runs where we were before. */
static int
run_helper(const char *program, pid_t target, const struct lp_idmap *map, size_t count)
{
	char **args = calloc(count * 3 + 3, sizeof(*args));
	char *numbers = calloc(count * 3 + 1, NUMBER_BYTES);
	int status = -1;
	pid_t child;

	if (!args || !numbers)
		return -1;
	args[0] = (char *)(uintptr_t)program;
	args[1] = numbers;
	(void)snprintf(args[1], NUMBER_BYTES, "%d", (int)target);
	for (size_t i = 0; i < count; i++) {
		const uint32_t row[] = { map[i].inside, map[i].outside, map[i].count };

		for (size_t j = 0; j < 3; j++) {
			args[2 + i * 3 + j] = numbers + (1 + i * 3 + j) * NUMBER_BYTES;
			(void)snprintf(args[2 + i * 3 + j], NUMBER_BYTES, "%u", row[j]);
		}
	}
	child = fork();
	if (child == 0) {
		(void)execvp(program, args);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		status = -1;
	free(numbers);
	free(args);
	return status;
}

/* In a child that stays outside: waits for our word, then lets both helpers write. */
static void __attribute__((noreturn))
mapper(int ready, pid_t target, const struct lp_container_config *config)
{
	char byte;

	if (read(ready, &byte, 1) != 1)
		_exit(3);
	if (run_helper("newuidmap", target, config->uids, config->uid_count) != 0)
		_exit(1);
	_exit(run_helper("newgidmap", target, config->gids, config->gid_count) != 0 ? 2 : 0);
}

static int
unshare_with_helpers(const struct lp_container_config *config, struct lp_err *err)
{
	const pid_t self = getpid();
	int pair[2], status = -1, rc = 0;
	pid_t child;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	child = fork();
	if (child == 0) {
		(void)close(pair[1]);
		mapper(pair[0], self, config);
	}
	(void)close(pair[0]);
	if (child < 0)
		rc = lp_err_set(err, -errno, "fork");
	else if (unshare(CLONE_NEWUSER) < 0)
		rc = lp_err_set(err, -errno, "new user namespace");
	else if (write(pair[1], "x", 1) != 1)
		rc = lp_err_set(err, -errno, "pipe");
	(void)close(pair[1]);	/* without the word it ends by itself */
	if (child > 0 && waitpid(child, &status, 0) == child && rc == 0 && status != 0)
		rc = lp_err_say(err, -EPERM, "%s refuses the id map: is the range in /etc/sub%cid ours?",
		    WEXITSTATUS(status) == 2 ? "newgidmap" : "newuidmap", WEXITSTATUS(status) == 2 ? 'g' : 'u');
	return rc;
}

static int
unshare_alone(const struct lp_container_config *config, struct lp_err *err)
{
	lp_auto_fd int proc = -1;
	int rc;

	if (unshare(CLONE_NEWUSER) < 0)
		return lp_err_set(err, -errno, "new user namespace");
	rc = lp_path_root("/proc", false, &proc, err);
	if (rc == 0)
		rc = lp_path_put(proc, "self/setgroups", "deny", err);
	if (rc == 0)
		rc = write_own("self/uid_map", config->uids, err);
	return rc < 0 ? rc : write_own("self/gid_map", config->gids, err);
}

/* Root inside, where the map lets us be: what we are already under another number, or one of the ids that are ours to take. */
static int
become_root(struct lp_err *err)
{
	if (geteuid() != 0 && geteuid() != 65534)
		return 0;
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return lp_err_set(err, -errno, "become the group of root");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return lp_err_set(err, -errno, "become root");
	return 0;
}

int
lp_oci_rootless_enter(struct lp_oci_config *config, struct lp_err *err)
{
	struct lp_container_config *container = &config->container;
	int rc;

	if (geteuid() == 0)
		return 0;
	if (container->ns[LP_NS_USER].how == LP_NS_JOIN) {
		if (setns(container->ns[LP_NS_USER].fd, CLONE_NEWUSER) < 0)
			return lp_err_set(err, -errno, "enter the user namespace");
		rc = 0;
	} else if (container->ns[LP_NS_USER].how == LP_NS_HOST) {
		return lp_err_say(err, -EPERM, "rootless containers require user namespaces: permission denied");
	} else if (is_only(container->uids, container->uid_count, geteuid()) && is_only(container->gids, container->gid_count, getegid())) {
		rc = unshare_alone(container, err);
	} else {
		rc = unshare_with_helpers(container, err);
	}
	if (rc == 0 && unshare(CLONE_NEWNS) < 0)
		rc = lp_err_set(err, -errno, "new mount namespace");
	if (rc == 0)
		rc = become_root(err);
	container->show_waiting = true;	/* or else lp_oci_rootless_join finds nothing before start */
	container->ns[LP_NS_USER] = (struct lp_ns_choice){ .how = LP_NS_HOST, .fd = -1 };
	container->uid_count = container->gid_count = 0;
	return rc;
}

int
lp_oci_rootless_join(pid_t pid, struct lp_err *err)
{
	lp_auto_fd int proc = -1, theirs = -1, ours = -1;
	struct stat a, b;
	char path[32];
	int rc;

	if (geteuid() == 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
	rc = lp_path_root("/proc", false, &proc, err);
	if (rc < 0)
		return rc;
	theirs = openat(proc, path, O_RDONLY | O_CLOEXEC);	/* magic links by nature */
	ours = openat(proc, "self/ns/user", O_RDONLY | O_CLOEXEC);
	if (theirs < 0 || ours < 0 || fstat(theirs, &a) < 0 || fstat(ours, &b) < 0)
		return lp_err_set(err, -errno, "the user namespace of process %d", (int)pid);
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return 0;
	was_ordinary = true;
	if (setns(theirs, CLONE_NEWUSER) < 0)
		return lp_err_set(err, -errno, "enter the user namespace of process %d", (int)pid);
	return become_root(err);
}

#include "agent/facts/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"

enum { PROFILE_MAX = 1 << 20, DEVICES_MAX = 1024, DEVICES_DEPTH = 4 };

int
lp_profile_load(struct lp_arena *arena, int data_fd, const char *name, struct lp_json **out, struct lp_err *err)
{
	lp_auto_fd int folder = -1;
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, PROFILE_MAX);
	rc = lp_path_open(data_fd, "seccomp", O_PATH | O_DIRECTORY, 0, &folder, NULL);
	if (rc == 0)
		rc = lp_path_read(folder, name, &text, NULL);
	if (rc < 0)
		return lp_err_set(err, rc, "seccomp profile %s", name);
	rc = lp_json_parse(arena, text.data, text.len, NULL, out, err);
	return rc < 0 ? lp_err_wrap(err, "seccomp profile %s", name) : 0;
}

bool
lp_profile_has_apparmor(void)
{
	lp_auto_fd int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char answer = 'N';

	return fd >= 0 && read(fd, &answer, 1) == 1 && answer == 'Y';
}

/* A line of the list is "name (mode)". */
bool
lp_profile_is_loaded(const char *name)
{
	lp_auto_fd int fd = open("/sys/kernel/security/apparmor/profiles", O_RDONLY | O_CLOEXEC);
	lp_auto_buf struct lp_buf text;
	size_t len = strlen(name);

	lp_buf_init(&text, PROFILE_MAX);
	if (fd < 0 || lp_path_read_fd(fd, &text, NULL) < 0)
		return false;
	for (const char *line = lp_buf_text(&text); *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, name, len) == 0 && strncmp(line + len, " (", 2) == 0)
			return true;
	return false;
}

bool
lp_profile_has_selinux(void)
{
	return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

/* ---- devices */

struct walk {
	struct lp_arena *arena;
	struct lp_device *devices;
	size_t count;
	int fd;				/* the present directory */
	const char *path;
	int depth;
	struct lp_err *err;
};

/* The container has its own of these. */
static bool
is_own(const char *path)
{
	static const char *const own[] = { "/dev/pts", "/dev/ptmx", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/fd", "/dev/null", "/dev/zero",
		"/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/hugepages", "/dev/log" };

	for (size_t i = 0; i < lp_count(own); i++)
		if (strcmp(path, own[i]) == 0)
			return true;
	return false;
}

static int walk_folder(struct walk *walk);

static int
walk_entry(void *arg, const char *name)
{
	struct walk *walk = arg;
	const char *path = lp_arena_printf(walk->arena, "%s/%s", walk->path, name);
	struct stat status;

	if (!path)
		return lp_err_set(walk->err, -ENOMEM, "devices");
	if (is_own(path) || fstatat(walk->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;		/* one that went away meanwhile is none */
	if (S_ISDIR(status.st_mode) && walk->depth < DEVICES_DEPTH) {
		lp_auto_fd int fd = openat(walk->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct walk below = *walk;
		int rc;

		if (fd < 0)
			return 0;	/* likewise */
		below.fd = fd;
		below.path = path;
		below.depth++;
		rc = walk_folder(&below);
		walk->count = below.count;
		return rc;
	}
	if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
		return 0;
	if (walk->count == DEVICES_MAX)
		return lp_err_say(walk->err, -E2BIG, "more than %d device nodes in /dev", DEVICES_MAX);
	walk->devices[walk->count++] = (struct lp_device){ .path = path, .type = S_ISBLK(status.st_mode) ? 'b' : 'c',
		.major = (int32_t)major(status.st_rdev), .minor = (int32_t)minor(status.st_rdev), .read = true, .write = true, .mknod = true,
		.mode = status.st_mode & 07777u, .uid = status.st_uid, .gid = status.st_gid };
	return 0;
}

static int
walk_folder(struct walk *walk)
{
	return lp_path_each(walk->fd, walk_entry, walk, walk->err);
}

int
lp_profile_devices(struct lp_arena *arena, const struct lp_device **out, size_t *out_count, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct walk walk = { .arena = arena, .path = "/dev", .err = err };
	int rc = lp_path_root("/dev", false, &fd, err);

	if (rc < 0)
		return rc;
	walk.fd = fd;
	walk.devices = lp_arena_alloc(arena, DEVICES_MAX * sizeof(*walk.devices));
	rc = walk.devices ? walk_folder(&walk) : lp_err_set(err, -ENOMEM, "devices");
	if (rc < 0)
		return rc;
	*out = walk.devices;
	*out_count = walk.count;
	return 0;
}

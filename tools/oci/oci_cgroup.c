#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_rootless.h"

static const char own_parent[] = "/limpet-oci";

enum { PARENT_TRIES = 20 };

/* "a-b.slice" lies in "a.slice": systemd's way to say a/b. "-" is the top. */
static char *
slice_path(struct lp_arena *arena, const char *slice, size_t len)
{
	char *path = lp_arena_printf(arena, "%s", "");
	const char *end = slice + len - strlen(".slice");

	if (len < 7 || strncmp(end, ".slice", 6) != 0)
		return NULL;
	if (len == 7 && slice[0] == '-')
		return path;
	for (const char *at = slice; path && at <= end; at++)
		if (at == end || *at == '-')
			path = lp_arena_printf(arena, "%s/%.*s.slice", path, (int)(at - slice), slice);
	return path;
}

/* SLICE:PREFIX:NAME -> /a.slice/a-b.slice/PREFIX-NAME.scope */
static int
systemd_path(struct lp_arena *arena, const char *wanted, const char **out, struct lp_err *err)
{
	const char *prefix = strchr(wanted, ':');
	const char *name = prefix ? strchr(prefix + 1, ':') : NULL;
	const char *slice = wanted;
	size_t slice_len = prefix ? (size_t)(prefix - wanted) : 0;
	char *path;

	if (!name || strchr(name + 1, ':') || strchr(wanted, '/'))
		return lp_err_say(err, -EINVAL, "linux.cgroupsPath: expected to be of format \"slice:prefix:name\", got \"%.100s\"", wanted);
	if (slice_len == 0) {
		slice = geteuid() == 0 ? "system.slice" : "user.slice";
		slice_len = strlen(slice);
	}
	path = slice_path(arena, slice, slice_len);
	if (!path)
		return lp_err_say(err, -EINVAL, "linux.cgroupsPath: \"%.*s\" is no slice", (int)slice_len, slice);
	if (lp_text_ends(name + 1, ".slice"))
		*out = lp_arena_printf(arena, "%s/%s", path, name + 1);
	else
		*out = lp_arena_printf(arena, "%s/%.*s%s%s.scope", path, (int)(name - prefix - 1), prefix + 1, name - prefix > 1 ? "-" : "", name + 1);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "cgroup");
}

/* No "..", no empty parts. */
static const char *
clean_path(struct lp_arena *arena, const char *path)
{
	char *out = lp_arena_alloc(arena, strlen(path) + 2);
	size_t used = 0;

	while (out && *(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0)
			return NULL;
		if (len != 1 || path[0] != '.') {
			out[used++] = '/';
			memcpy(out + used, path, len);
			used += len;
		}
		path += len;
	}
	return out;
}

int
lp_oci_cgroup_path(struct lp_arena *arena, const char *wanted, const char *id, const char **out, struct lp_err *err)
{
	*out = "";
	if (strcmp(lp_oci_global.cgroup_manager, "disabled") == 0)
		return 0;
	/* An ordinary user has no place of its own, as with runc. */
	if ((!wanted || !wanted[0]) && lp_oci_rootless())
		return 0;
	if (!wanted || !wanted[0]) {
		*out = lp_arena_printf(arena, "%s/%s", own_parent, id);
		return *out ? 0 : lp_err_set(err, -ENOMEM, "cgroup");
	}
	if ((lp_oci_global.systemd || strcmp(lp_oci_global.cgroup_manager, "systemd") == 0) && wanted[0] != '/')
		return systemd_path(arena, wanted, out, err);
	*out = clean_path(arena, wanted[0] == '/' ? wanted : lp_arena_printf(arena, "%s/%s", own_parent, wanted));
	if (!*out || !(*out)[0])
		return lp_err_say(err, -EINVAL, "linux.cgroupsPath: \"%.100s\" names no cgroup", wanted);
	return 0;
}

/* Is more asked for than being in a cgroup? */
static bool
any_limit(const struct lp_cgroup_limits *limits)
{
	return lp_cgroup_needs(limits) != 0 || limits->unified_count != 0;
}

/*
 * Another container's end takes an empty parent away (lp_oci_cgroup_tidy). Who makes something in it holds a shared lock meanwhile; -ESTALE when it
 * was gone before. Their lock is held for two system calls; one that stays is of somebody who has no business there: we go on without.
 */
static int
hold(int root, const char *parent, int fd)
{
	struct stat held, named;

	for (int i = 0; i < PARENT_TRIES && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK; i++)
		(void)poll(NULL, 0, 1);
	if (fstat(fd, &held) < 0)
		return -errno;
	return fstatat(root, parent, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == held.st_ino ? 0 : -ESTALE;
}

/* Gone before we were in it; an open file of one that is gone answers ENODEV. */
static bool
is_stale(int rc)
{
	return rc == -ESTALE || rc == -ENOENT || rc == -ENODEV;
}

static int
make_parent(int root, const char *parent, uint32_t controllers, int *out_fd, struct lp_err *err)
{
	int rc = -ESTALE;

	for (int i = 0; i < PARENT_TRIES && is_stale(rc); i++) {
		lp_auto_fd int fd = -1;

		rc = lp_cgroup_make_with(root, parent, controllers, &fd, NULL, err);
		if (rc == 0)
			rc = hold(root, parent, fd);
		if (rc == 0)
			*out_fd = lp_take_fd(&fd);
	}
	return rc == -ESTALE ? lp_err_say(err, rc, "cgroup %s: is taken away by others again and again", parent) : rc;
}

void
lp_oci_cgroup_settle(int parent_fd)
{
	if (parent_fd >= 0)
		(void)flock(parent_fd, LOCK_UN);
}

int
lp_oci_cgroup_parent(const char *path, const struct lp_cgroup_limits *limits, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int root = -1;
	const char *slash = strrchr(path, '/');
	/* Who limits one thing may update another later: then everything that there is. */
	const uint32_t controllers = any_limit(limits) ? LP_CGROUP_BIT(LP_CGROUP_CONTROLLERS) - 1 : 0;
	char parent[1024];
	struct lp_err words = { 0 };
	int rc;

	*out_fd = -1;
	if (!path[0])
		return 0;
	if (!slash || (size_t)(slash - path) >= sizeof(parent))
		return lp_err_set(err, -ENAMETOOLONG, "cgroup %s", path);
	(void)snprintf(parent, sizeof(parent), ".%.*s", (int)(slash - path), path);
	rc = lp_cgroup_root_open(NULL, &root, &words);
	if (rc == 0 && slash == path)
		rc = lp_path_open(root, ".", O_RDONLY | O_DIRECTORY, 0, out_fd, &words);
	else if (rc == 0)
		rc = make_parent(root, parent + 2, controllers, out_fd, &words);
	/* It may be there for others, and not for us to make anything in. */
	if (rc == 0 && lp_oci_rootless() && faccessat(*out_fd, ".", W_OK, AT_EACCESS) < 0) {
		rc = lp_err_set(&words, -errno, "cgroup %s", parent + 1);
		lp_close(out_fd);
	}
	if (rc == 0)
		return 0;
	if (rc == -EOPNOTSUPP || ((rc == -EACCES || rc == -EPERM || rc == -EROFS) && (lp_oci_rootless() || !any_limit(limits)))) {
		lp_oci_warn("running without a cgroup: %s", words.text);
		return 0;
	}
	if (err)
		*err = words;
	return rc;
}

int
lp_oci_cgroup_check(int parent_fd, const char *path, struct lp_err *err)
{
	lp_auto_fd int cgroup = -1;
	lp_auto_buf struct lp_buf frozen;
	bool populated = false;

	lp_buf_init(&frozen, 64);
	if (parent_fd < 0 || lp_cgroup_open(parent_fd, strrchr(path, '/') + 1, &cgroup, NULL) < 0)
		return 0;	/* the usual case: it is not there */
	if (lp_cgroup_populated(cgroup, &populated, NULL) == 0 && populated)
		return lp_err_say(err, -EBUSY, "container's cgroup is not empty: processes live in %s already", path);
	if (lp_path_read(cgroup, "cgroup.freeze", &frozen, NULL) == 0 && frozen.len && frozen.data[0] == '1')
		return lp_err_say(err, -EBUSY, "container's cgroup unexpectedly frozen: %s; remove it or write 0 to its cgroup.freeze", path);
	return 0;
}

int
lp_oci_cgroup_claim(struct lp_oci_state *state, struct lp_err *err)
{
	lp_auto_fd int cgroup = -1;
	int rc = lp_oci_state_cgroup(state, &cgroup, err);

	return rc < 0 ? rc : lp_cgroup_id(cgroup, &state->record.cgroup_id, err);
}

void
lp_oci_cgroup_tidy(const char *path)
{
	lp_auto_fd int root = -1, parent = -1;

	if (path && (strncmp(path, own_parent, sizeof(own_parent) - 1) != 0 || strchr(path + sizeof(own_parent), '/')))
		return;
	if (lp_cgroup_root_open(NULL, &root, NULL) < 0 || lp_cgroup_open(root, own_parent + 1, &parent, NULL) < 0)
		return;
	if (flock(parent, LOCK_EX | LOCK_NB) == 0)	/* else somebody is just making a container in it */
		(void)unlinkat(root, own_parent + 1, AT_REMOVEDIR);	/* others live there: it stays */
}

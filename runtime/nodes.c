#include "runtime/nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/devices.h"
#include "runtime/mount.h"

enum { PATH_BYTES = 4096 };

static const struct {
	const char path[16];
	unsigned major, minor;
} usual[] = {
	{ "/dev/null", 1, 3 }, { "/dev/zero", 1, 5 }, { "/dev/full", 1, 7 }, { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 },
	{ "/dev/tty", 5, 0 },
};

static const struct {
	const char to[16], name[8];
} links[] = {
	{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" },
};

struct node {
	const char *path;
	mode_t mode;		/* with its type */
	dev_t device;
	uint32_t uid, gid;	/* as the owner sees them; UINT32_MAX: as they come out */
};

/* Is this /dev somebody else's? */
static bool
is_bound(const struct lp_container_config *config)
{
	for (size_t i = 0; i < config->mount_count; i++)
		if (config->mounts[i].kind == LP_MOUNT_BIND && strcmp(config->mounts[i].target, "/dev") == 0)
			return true;
	return false;
}

static bool
is_same(const struct stat *st, const struct node *node)
{
	return (st->st_mode & S_IFMT) == (node->mode & S_IFMT) && (S_ISFIFO(node->mode) || st->st_rdev == node->device);
}

/* The owner's node of the same path over whatever is there. */
static int
bind_node(const struct lp_assembly *assembly, const struct node *node, struct lp_err *err)
{
	lp_auto_fd int from = -1, copy = -1, at = -1;
	struct stat st;
	int rc = lp_path_open(assembly->host_fd, node->path + 1, O_PATH, 0, &from, err);

	if (rc < 0)
		return rc;
	if (fstat(from, &st) < 0 || !is_same(&st, node))
		return lp_err_say(err, -ENODEV, "%s of the host is not that device, and no node may be made", node->path);
	rc = lp_mount_clone(from, false, &copy, err);
	if (rc == 0)
		rc = lp_mount_target(assembly->root_fd, node->path, false, false, &at, err);
	return rc < 0 ? rc : lp_mount_attach(copy, at, err);
}

/* The mode came with mknodat, under a umask of 0; a change of owner takes at most the set-id bits away, which no device has. */
static int
finish_node(int dir_fd, const char *name, const struct node *node, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	int rc = lp_path_open(dir_fd, name, O_PATH | O_NOFOLLOW, 0, &fd, err);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0 || !is_same(&st, node))
		return lp_err_say(err, -EEXIST, "%s is not the device that was made", node->path);
	if (fchownat(fd, "", node->uid, node->gid, AT_EMPTY_PATH) < 0)
		return lp_err_set(err, -errno, "owner of device %s", node->path);
	return 0;
}

/* In dir_fd, or not at all when something else is there. The umask of the child is 0. */
static int
make_in(const struct lp_assembly *assembly, int dir_fd, const char *name, const struct node *node, struct lp_err *err)
{
	struct stat st;

	if (mknodat(dir_fd, name, node->mode, node->device) == 0)
		return node->uid == UINT32_MAX ? 0 : finish_node(dir_fd, name, node, err);
	if (errno == EPERM)
		return bind_node(assembly, node, err);
	if (errno != EEXIST)
		return lp_err_set(err, -errno, "make device %s", node->path);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(err, -errno, "look at device %s", node->path);
	if (is_same(&st, node))
		return 0;
	return S_ISREG(st.st_mode) ? bind_node(assembly, node, err) :
				     lp_err_say(err, -EEXIST, "%s is there and is not the device of the config", node->path);
}

static int
make_node(const struct lp_assembly *assembly, const struct node *node, struct lp_err *err)
{
	lp_auto_fd int above = -1;
	char path[PATH_BYTES];
	char *name;
	int rc;

	if (node->path[0] != '/' || strlen(node->path) >= sizeof(path) || node->path[strlen(node->path) - 1] == '/')
		return lp_err_say(err, -EINVAL, "device %.200s has no absolute path", node->path);
	(void)snprintf(path, sizeof(path), "%s", node->path);
	name = strrchr(path, '/');
	*name++ = '\0';
	rc = lp_path_mkdirs_in_root(assembly->root_fd, path[0] ? path : "/", 0755, &above, err);
	return rc < 0 ? rc : make_in(assembly, above, name, node, err);
}

static int
make_device(const struct lp_container_config *config, const struct lp_assembly *assembly, const struct lp_device *device, struct lp_err *err)
{
	struct node node = { .path = device->path };

	if (device->type != 'c' && device->type != 'u' && device->type != 'b' && device->type != 'p')
		return lp_err_say(err, -EINVAL, "device %s: type '%c' is not c, b, u or p", device->path, device->type);
	if (device->type != 'p' && (device->major < 0 || device->minor < 0))
		return lp_err_say(err, -EINVAL, "device %s has no number", device->path);
	node.mode = (device->type == 'b' ? S_IFBLK : device->type == 'p' ? S_IFIFO : S_IFCHR) | (device->mode ? device->mode & 07777 : 0666);
	node.device = device->type == 'p' ? 0 : makedev((unsigned)device->major, (unsigned)device->minor);
	if (lp_ns_map(config->uids, config->uid_count, device->uid, &node.uid) < 0 ||
	    lp_ns_map(config->gids, config->gid_count, device->gid, &node.gid) < 0)
		return lp_err_say(err, -ERANGE, "device %s: owner %u:%u is not mapped", device->path, device->uid, device->gid);
	return make_node(assembly, &node, err);
}

static int
make_links(int dev_fd, struct lp_err *err)
{
	for (size_t i = 0; i < lp_count(links); i++)
		if (symlinkat(links[i].to, dev_fd, links[i].name) < 0 && errno != EEXIST)
			return lp_err_set(err, -errno, "link /dev/%s", links[i].name);
	return 0;
}

/* Ours for masks and closed streams: the container's, or else the owner's. */
static int
open_null(struct lp_assembly *assembly, int dev_fd, struct lp_err *err)
{
	lp_auto_fd int host = -1;
	int rc = dev_fd < 0 ? -ENOENT : lp_devices_null(dev_fd, &assembly->null_fd, err);

	if (rc == 0)
		return 0;
	lp_err_clear(err);
	rc = lp_path_open(assembly->host_fd, "dev", O_PATH | O_DIRECTORY, 0, &host, err);
	assembly->null_is_hosts = true;
	return rc < 0 ? rc : lp_devices_null(host, &assembly->null_fd, err);
}

int
lp_nodes_make(const struct lp_container_config *config, struct lp_assembly *assembly, struct lp_err *err)
{
	lp_auto_fd int dev = -1;
	int rc;

	if (is_bound(config)) {
		rc = lp_path_open_in_root(assembly->root_fd, "/dev", O_PATH | O_DIRECTORY, 0, &dev, err);
		return rc < 0 ? rc : open_null(assembly, dev, err);
	}
	rc = lp_path_mkdirs_in_root(assembly->root_fd, "/dev", 0755, &dev, err);
	for (size_t i = 0; rc == 0 && i < lp_count(usual); i++) {
		const struct node node = { .path = usual[i].path, .mode = S_IFCHR | 0666, .device = makedev(usual[i].major, usual[i].minor),
		    .uid = UINT32_MAX };

		rc = make_in(assembly, dev, usual[i].path + sizeof("/dev/") - 1, &node, err);
	}
	for (size_t i = 0; rc == 0 && i < config->device_count; i++)
		if (config->devices[i].path)
			rc = make_device(config, assembly, &config->devices[i], err);
	if (rc == 0)
		rc = make_links(dev, err);
	return rc < 0 ? rc : open_null(assembly, dev, err);
}

#include "agent/volume/volume.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

/* NFS by the kernel's own client, through fsopen and fsmount: no mount.nfs, no helper. Source: Linux fs/nfs/fs_context.c. */

/* One word of mountOptions: "soft" or "timeo=50". */
static int
set_option(int fs_fd, const char *option, struct lp_err *err)
{
	const char *equals = strchr(option, '=');
	char key[64];
	int rc;

	if (!equals) {
		rc = fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
	} else {
		if ((size_t)(equals - option) >= sizeof(key))
			return lp_err_say(err, -EINVAL, "mount option %s", option);
		memcpy(key, option, (size_t)(equals - option));
		key[equals - option] = '\0';
		rc = fsconfig(fs_fd, FSCONFIG_SET_STRING, key, equals + 1, 0);
	}
	return rc < 0 ? lp_err_set(err, -errno, "mount option %s", option) : 0;
}

static bool
is_address(const char *server)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, server, bytes) == 1 || inet_pton(AF_INET6, server, bytes) == 1;
}

static int
configure(int fs_fd, const struct lp_volume *volume, struct lp_err *err)
{
	bool six = strchr(volume->server, ':') != NULL, version = false;
	char source[1024];
	int rc = 0;

	if ((size_t)snprintf(source, sizeof(source), six ? "[%s]:%s" : "%s:%s", volume->server, volume->export) >= sizeof(source))
		return lp_err_set(err, -ENAMETOOLONG, "nfs %s", volume->server);
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "addr", volume->server, 0) < 0)
		return lp_err_set(err, -errno, "nfs %s", source);
	lp_json_each(option, volume->options) {
		const char *text = lp_json_text(option);

		/* "ro" and the like are attributes of each mount, which the container's has. */
		if (!text || strcmp(text, "ro") == 0 || strcmp(text, "rw") == 0)
			continue;
		version |= strncmp(text, "vers=", 5) == 0 || strncmp(text, "nfsvers=", 8) == 0;
		rc = rc == 0 ? set_option(fs_fd, text, err) : rc;
	}
	if (rc == 0 && !version && fsconfig(fs_fd, FSCONFIG_SET_STRING, "vers", "4.2", 0) < 0)
		rc = lp_err_set(err, -errno, "nfs %s", source);
	if (rc == 0 && fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		rc = lp_err_set(err, -errno, "mount nfs %s", source);
	return rc;
}

/* Is this the root of a mount? Told without asking the server. */
static bool
is_mounted(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &st) == 0 && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int
lp_volume_mount(int pod_fd, const struct lp_volume *volume, struct lp_err *err)
{
	lp_auto_fd int volumes_fd = -1;
	lp_auto_fd int target_fd = -1;
	lp_auto_fd int fs_fd = -1;
	lp_auto_fd int mount_fd = -1;
	int rc;

	if (!is_address(volume->server))
		return lp_err_say(err, -EINVAL, "volume %s: nfs server %s must be an IP address", volume->name, volume->server);
	rc = lp_path_open(pod_fd, "volumes", O_PATH | O_DIRECTORY, 0, &volumes_fd, err);
	if (rc == 0)
		rc = lp_path_open(volumes_fd, volume->name, O_PATH | O_DIRECTORY, 0, &target_fd, err);
	if (rc < 0 || is_mounted(target_fd))
		return rc;
	fs_fd = fsopen("nfs4", FSOPEN_CLOEXEC);
	if (fs_fd < 0)
		return errno == ENODEV
			? lp_err_say(err, -ENODEV, "volume %s: this node's kernel has no NFS client (nfsv4)", volume->name)
			: lp_err_set(err, -errno, "volume %s: nfs", volume->name);
	rc = configure(fs_fd, volume, err);
	if (rc < 0)
		return lp_err_wrap(err, "volume %s", volume->name);
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mount_fd < 0 ||
	    move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return lp_err_set(err, -errno, "volume %s: nfs %s", volume->name, volume->server);
	return 0;
}

struct unmount {
	int fd;
	struct lp_err *err;
};

/* A server that does not answer must not hold a pod's end up: umount2 alone never asks it, so nobody looks whether there is a mount. */
static int
unmount_one(void *arg, const char *name)
{
	const struct unmount *unmount = arg;
	char path[NAME_MAX + 32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", unmount->fd, name);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL)
		return 0;		/* EINVAL: no mount */
	return lp_err_set(unmount->err, -errno, "unmount volume %s", name);
}

int
lp_volume_unmount(int pod_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct unmount unmount = { .err = err };
	int rc = lp_path_open(pod_fd, "volumes", O_RDONLY | O_DIRECTORY, 0, &fd, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	unmount.fd = fd;
	return lp_path_each(fd, unmount_one, &unmount, err);
}

#include "agent/volume/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"

/* ---- what a volume is */

static int
read_host(const struct lp_json *source, const char *what, struct lp_volume *out, struct lp_err *err)
{
	const char *type = lp_json_str(source, "type");

	out->kind = LP_VOLUME_HOST;
	out->path = lp_json_str(source, "path");
	out->host_type = type ? type : "";
	if (!out->path || out->path[0] != '/')
		return lp_err_say(err, -EINVAL, "volume %s: %s must be absolute", out->name, what);
	return 0;
}

/* A directory that we make for a claim: the handle is a name, never a path. */
static int
read_directory(struct lp_arena *arena, const char *handle, const struct lp_facts *facts, struct lp_volume *out, struct lp_err *err)
{
	if (!handle || !lp_text_is_dns_subdomain(handle))
		return lp_err_say(err, -EINVAL, "volume %s: volumeHandle is no name", out->name);
	out->kind = LP_VOLUME_MADE;
	out->group = true;
	out->handle = handle;
	out->path = lp_arena_printf(arena, "%s/%s", facts->volumes_path, handle);
	return out->path ? 0 : lp_err_set(err, -ENOMEM, "volume %s", out->name);
}

static int
read_made(struct lp_arena *arena, const struct lp_json *csi, const struct lp_facts *facts, struct lp_volume *out, struct lp_err *err)
{
	const char *driver = lp_json_str(csi, "driver"), *handle = lp_json_str(csi, "volumeHandle");

	if (!lp_text_same(driver, LP_VOLUME_DRIVER))
		return lp_err_say(err, -EOPNOTSUPP, "volume %s: there is no CSI driver %s on this node", out->name, driver ? driver : "");
	return read_directory(arena, handle, facts, out, err);
}

static bool
is_local_class(const char *class)
{
	return !class || strcmp(class, "limpet-local") == 0 || strcmp(class, "local-path") == 0;
}

static int
read_nfs(struct lp_arena *arena, const struct lp_json *nfs, const struct lp_facts *facts, struct lp_volume *out, struct lp_err *err)
{
	out->kind = LP_VOLUME_NFS;
	out->server = lp_json_str(nfs, "server");
	out->export = lp_json_str(nfs, "path");
	out->read_only |= lp_json_bool(nfs, "readOnly", false);
	if (!out->server || !*out->server || !out->export || out->export[0] != '/')
		return lp_err_say(err, -EINVAL, "volume %s: nfs needs a server and an absolute path", out->name);
	out->path = lp_arena_printf(arena, "%s/volumes/%s", facts->pod_path, out->name);
	return out->path ? 0 : lp_err_set(err, -ENOMEM, "volume %s", out->name);
}

/* The PersistentVolume behind a claim. */
static int
read_claim(struct lp_arena *arena, const char *name, bool owned, const struct lp_json *pod, const struct lp_facts *facts,
    struct lp_volume *out, struct lp_err *err)
{
	const struct lp_json *claim = facts->object(facts->arg, "PersistentVolumeClaim", lp_object_namespace(pod), name), *volume, *spec;
	const char *volume_name = lp_json_str(claim, "spec.volumeName");

	if (!claim)
		return lp_err_say(err, -ENOENT, "persistentvolumeclaim \"%s\" not found", name);
	if (owned && !lp_object_owned_by(claim, lp_object_uid(pod)))
		return lp_err_say(err, -EPERM, "PVC %s/%s was not created for pod %s: it has another owner", lp_object_namespace(pod), name,
		    lp_object_name(pod));
	if ((!volume_name || !*volume_name) && facts->standalone && is_local_class(lp_json_str(claim, "spec.storageClassName")))
		return read_directory(arena, lp_object_uid(claim), facts, out, err);
	if (!volume_name || !*volume_name)
		return lp_err_say(err, -EAGAIN, "persistentvolumeclaim \"%s\" is not bound to a volume yet", name);
	volume = facts->object(facts->arg, "PersistentVolume", "", volume_name);
	spec = lp_json_get(volume, "spec");
	if (!spec)
		return lp_err_say(err, -ENOENT, "persistentvolume \"%s\" not found", volume_name);
	if (!lp_text_same(lp_json_str(spec, "claimRef.uid"), lp_object_uid(claim)))
		return lp_err_say(err, -EAGAIN, "persistentvolume \"%s\" is not bound to claim %s", volume_name, name);
	out->read_only |= lp_json_bool(spec, "csi.readOnly", false);
	out->options = lp_json_get(spec, "mountOptions");
	if (lp_json_get(spec, "local")) {
		out->group = true;
		out->must_exist = true;
		return read_host(lp_json_get(spec, "local"), "local path", out, err);
	}
	if (lp_json_get(spec, "hostPath"))
		return read_host(lp_json_get(spec, "hostPath"), "hostPath", out, err);
	if (lp_json_get(spec, "nfs"))
		return read_nfs(arena, lp_json_get(spec, "nfs"), facts, out, err);
	return read_made(arena, lp_json_get(spec, "csi"), facts, out, err);
}

static int
read_own(struct lp_arena *arena, const struct lp_spec_volume *spec, const char *pod_path, struct lp_volume *out, struct lp_err *err)
{
	const char *medium = spec->empty_dir && spec->empty_dir->medium ? spec->empty_dir->medium : "";
	int64_t size;

	if (lp_text_starts(medium, "HugePages"))
		return lp_err_say(err, -EOPNOTSUPP, "volume %s: medium %s is not supported", spec->name, medium);
	if (spec->secret || spec->config_map || spec->downward_api || spec->projected)
		out->kind = LP_VOLUME_FILES;
	else if (spec->empty_dir)
		out->kind = *medium ? LP_VOLUME_MEMORY : LP_VOLUME_DISK;
	else
		return lp_err_say(err, -EOPNOTSUPP, "volume %s: this kind of volume is not supported", spec->name);
	size = spec->empty_dir ? lp_quantity_text_value(spec->empty_dir->size_limit, 0) : 0;
	out->size_bytes = size > 0 ? (uint64_t)size : 0;
	out->group = true;
	out->path = out->kind == LP_VOLUME_DISK ? lp_arena_printf(arena, "%s/volumes/%s", pod_path, spec->name)
						: lp_arena_printf(arena, "volumes/%s", spec->name);
	return out->path ? 0 : lp_err_set(err, -ENOMEM, "volume %s", spec->name);
}

/* The owner of the node says which of its paths may be mounted, also by way of a PersistentVolume. */
static int
bound_host(const struct lp_ceiling *ceiling, struct lp_volume *out, struct lp_err *err)
{
	const struct lp_ceiling_path *row;

	if (!ceiling)
		return 0;
	if (!lp_ceiling_allows_path(ceiling, out->path, true))
		return lp_err_say(err, -EPERM, "volume %s: the ceiling of this node does not allow %s", out->name, out->path);
	row = ceiling->paths_set ? lp_ceiling_path_of(ceiling, out->path, &out->below) : NULL;
	if (row) {
		out->root = row->path;
		out->below = *out->below ? out->below : ".";
		out->group &= lp_ceiling_allows_path(ceiling, out->path, false);
	}
	return 0;
}

static int
read_any(struct lp_arena *arena, const struct lp_spec_volume *spec, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_volume *out, struct lp_err *err)
{
	const struct lp_spec_persistent_volume_claim_volume *claim = spec->persistent_volume_claim;

	*out = (struct lp_volume){ .name = spec->name, .spec = spec, .host_type = "" };
	if (!lp_text_is_dns_label(spec->name))
		return lp_err_say(err, -EINVAL, "volume name \"%s\" is no DNS label", spec->name ? spec->name : "");
	if (spec->host_path) {
		out->path = spec->host_path->path;
		out->host_type = spec->host_path->type ? spec->host_path->type : "";
		return out->path && out->path[0] == '/'
			? 0 : lp_err_say(err, -EINVAL, "volume %s: hostPath must be absolute", spec->name);
	}
	if (claim) {
		out->read_only = claim->read_only.value;
		return read_claim(arena, claim->claim_name ? claim->claim_name : "", false, pod_json, facts, out, err);
	}
	if (spec->ephemeral)
		return read_claim(arena, lp_arena_printf(arena, "%s-%s", lp_object_name(pod_json), spec->name), true, pod_json, facts, out, err);
	if (spec->nfs) {
		struct lp_json *nfs = lp_json_new(arena, LP_JSON_OBJECT);

		lp_json_set_str(arena, nfs, "server", spec->nfs->server);
		lp_json_set_str(arena, nfs, "path", spec->nfs->path);
		lp_json_set_bool(arena, nfs, "readOnly", spec->nfs->read_only.value);
		return read_nfs(arena, nfs, facts, out, err);
	}
	return read_own(arena, spec, facts->pod_path, out, err);
}

int
lp_volume_read(struct lp_arena *arena, const struct lp_spec_volume *spec, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_volume *out, struct lp_err *err)
{
	int rc = read_any(arena, spec, pod_json, facts, out, err);

	return rc == 0 && out->kind == LP_VOLUME_HOST ? bound_host(facts->ceiling, out, err) : rc;
}

/* ---- directories of the node */

struct host_type {
	const char *name;
	mode_t kind;
	mode_t make;		/* 0: must be there */
	const char *word;
};

static const struct host_type host_types[] = {
	{ "Directory",         S_IFDIR,  0,    "directory" },
	{ "DirectoryOrCreate", S_IFDIR,  0755, "directory" },
	{ "File",              S_IFREG,  0,    "file" },
	{ "FileOrCreate",      S_IFREG,  0644, "file" },
	{ "Socket",            S_IFSOCK, 0,    "socket file" },
	{ "CharDevice",        S_IFCHR,  0,    "character device" },
	{ "BlockDevice",       S_IFBLK,  0,    "block device" },
};

/*
 * What the operator named is resolved as the operator would see it; under a ceiling beneath the path that it lists, so that a link
 * somebody made there does not lead out.
 */
int
lp_volume_open_host(const struct lp_volume *volume, int flags, mode_t mode, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int root_fd = -1;
	int rc = lp_path_root(volume->root ? volume->root : "/", false, &root_fd, err);

	if (rc < 0)
		return rc;
	return volume->root ? lp_path_open(root_fd, volume->below, flags, mode, out_fd, err)
			    : lp_path_open_in_root(root_fd, volume->path, flags, mode, out_fd, err);
}

static int
make_host(const struct lp_volume *volume, const struct host_type *type, struct lp_err *err)
{
	lp_auto_fd int root_fd = -1;
	lp_auto_fd int fd = -1;
	int rc;

	if (type && type->kind != S_IFDIR)
		return lp_volume_open_host(volume, O_WRONLY | O_CREAT | O_NOFOLLOW, type->make, &fd, err);
	rc = lp_path_root(volume->root ? volume->root : "/", false, &root_fd, err);
	if (rc < 0)
		return rc;
	return volume->root ? lp_path_mkdirs(root_fd, volume->below, 0755, &fd, err)
			    : lp_path_mkdirs_in_root(root_fd, volume->path, 0755, &fd, err);
}

static int
prepare_host(const struct lp_volume *volume, struct lp_err *err)
{
	const struct host_type *type = NULL;
	lp_auto_fd int fd = -1;
	struct stat st;
	int rc;

	for (size_t i = 0; i < lp_count(host_types); i++)
		if (strcmp(volume->host_type, host_types[i].name) == 0)
			type = &host_types[i];
	rc = lp_volume_open_host(volume, O_PATH, 0, &fd, err);
	/* Without a type Kubernetes' runtimes make a missing directory. */
	if (rc == -ENOENT && (type ? type->make != 0 : !volume->must_exist)) {
		rc = make_host(volume, type, err);
		return rc < 0 ? lp_err_wrap(err, "volume %s: create %s", volume->name, volume->path) : 0;
	}
	if (rc < 0)
		return lp_err_wrap(err, "volume %s: hostPath %s", volume->name, volume->path);
	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "volume %s: hostPath %s", volume->name, volume->path);
	if (type && (st.st_mode & S_IFMT) != type->kind)
		return lp_err_say(err, -EINVAL, "volume %s: hostPath type check failed: %s is not a %s", volume->name, volume->path,
		    type->word);
	return 0;
}

static int
make_directory(int parent_fd, const char *name, const char *volume, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_path_mkdirs(parent_fd, name, 0777, &fd, err);

	/* The agent's umask does not count. */
	if (rc == 0 && fchmod(fd, 0777) < 0)
		rc = lp_err_set(err, -errno, "volume %s", volume);
	return rc;
}

/* One that is there belongs to whoever used it before: its mode is not touched. */
static int
prepare_made(int volumes_fd, const struct lp_volume *volume, struct lp_err *err)
{
	char fresh[272];
	struct stat st;
	int rc;

	if (fstatat(volumes_fd, volume->handle, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? 0 : lp_err_say(err, -ENOTDIR, "volume %s: %s is no directory", volume->name, volume->path);
	/* Under another name until its mode is right: a start that dies here is taken up by the next. */
	(void)snprintf(fresh, sizeof(fresh), ".new-%s", volume->handle);
	rc = make_directory(volumes_fd, fresh, volume->name, err);
	if (rc == 0 && renameat(volumes_fd, fresh, volumes_fd, volume->handle) < 0)
		rc = lp_err_set(err, -errno, "volume %s", volume->name);
	return rc;
}

int
lp_volume_prepare(int pod_fd, int volumes_fd, const struct lp_volume *volume, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc;

	switch (volume->kind) {
	case LP_VOLUME_HOST:
		return prepare_host(volume, err);
	case LP_VOLUME_MADE:
		return prepare_made(volumes_fd, volume, err);
	case LP_VOLUME_DISK:
	case LP_VOLUME_NFS:
		rc = lp_path_mkdirs(pod_fd, "volumes", 0700, &fd, err);
		if (rc < 0 || volume->kind == LP_VOLUME_DISK)
			return rc < 0 ? rc : make_directory(fd, volume->name, volume->name, err);
		/* It may be mounted already: what is there is the server's, mode and all, and the server may be gone. */
		return mkdirat(fd, volume->name, 0700) < 0 && errno != EEXIST ? lp_err_set(err, -errno, "volume %s", volume->name) : 0;
	case LP_VOLUME_MEMORY:
	case LP_VOLUME_FILES:
		return 0;
	}
	return -EINVAL;
}

/* ---- idmapped mounts */

/* File systems with FS_ALLOW_IDMAP in Linux 6.1. Source: fs/<name>/super.c. */
static const long shiftable[] = { EXT4_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, XFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC,
	SQUASHFS_MAGIC, EROFS_SUPER_MAGIC_V1 };

/* Is something mounted below this path? Such a mount may be of any kind. */
static bool
mounts_below(const char *path)
{
	lp_auto_file FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[8192];
	size_t len = strlen(path), size;

	if (!file)
		return true;
	while (fgets(line, sizeof(line), file)) {
		const char *point = lp_text_word(line, 4, &size);

		if (point && size > len && strncmp(point, path, len) == 0 && (point[len] == '/' || len == 1))
			return true;
	}
	return false;
}

bool
lp_volume_may_shift(const char *path, bool tmpfs_idmap)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0 || mounts_below(path) || lp_text_same(path, "/dev") || lp_text_starts(path, "/dev/"))
		return false;
	if (fs.f_type == TMPFS_MAGIC)
		return tmpfs_idmap;
	for (size_t i = 0; i < lp_count(shiftable); i++)
		if (fs.f_type == shiftable[i])
			return true;
	return false;
}

bool
lp_volume_is_shared(const char *path)
{
	lp_auto_file FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[8192];
	size_t best = 0, size;
	bool shared = false;

	/* The last of the longest mount points above the path is the one on top. Source: proc_pid_mountinfo(5). */
	while (file && fgets(line, sizeof(line), file)) {
		const char *point = lp_text_word(line, 4, &size), *field;

		if (!point || strncmp(path, point, size) != 0 || (size > 1 && path[size] != '/' && path[size] != '\0') || size < best)
			continue;
		best = size;
		shared = false;
		for (size_t n = 6; (field = lp_text_word(line, n, &size)) && field[0] != '-'; n++)
			shared |= strncmp(field, "shared:", 7) == 0;
	}
	return shared;
}

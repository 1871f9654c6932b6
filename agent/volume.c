#include "agent/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/env.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/path.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"

enum { FILES_MAX = 1024, VALUE_MAX = 4 << 20 };

int
lp_volume_read(struct lp_arena *arena, const struct lp_spec_volume *spec, const char *pod_path, struct lp_volume *out, struct lp_err *err)
{
	*out = (struct lp_volume){ .name = spec->name, .spec = spec, .host_type = "" };
	if (!lp_text_is_dns_label(spec->name))
		return lp_err_say(err, -EINVAL, "volume name \"%s\" is no DNS label", spec->name ? spec->name : "");
	if (spec->host_path) {
		out->kind = LP_VOLUME_HOST;
		out->path = spec->host_path->path;
		out->host_type = spec->host_path->type ? spec->host_path->type : "";
		if (!out->path || out->path[0] != '/')
			return lp_err_say(err, -EINVAL, "volume %s: hostPath must be absolute", spec->name);
		return 0;
	}
	if (spec->secret || spec->config_map || spec->downward_api || spec->projected)
		out->kind = LP_VOLUME_FILES;
	else if (spec->empty_dir && lp_text_same(spec->empty_dir->medium, "Memory"))
		out->kind = LP_VOLUME_MEMORY;
	else if (spec->empty_dir)
		out->kind = LP_VOLUME_DISK;
	else
		return lp_err_say(err, -EOPNOTSUPP, "volume %s: this kind of volume is not supported", spec->name);
	if (out->kind == LP_VOLUME_MEMORY)
		out->size_bytes = (uint64_t)lp_quantity_text_value(spec->empty_dir->size_limit, 0);
	out->path = out->kind == LP_VOLUME_DISK ? lp_arena_printf(arena, "%s/volumes/%s", pod_path, spec->name)
						: lp_arena_printf(arena, "volumes/%s", spec->name);
	return out->path ? 0 : lp_err_set(err, -ENOMEM, "volume %s", spec->name);
}

/* ---- the files of ConfigMaps, Secrets and the downward API */

struct files {
	struct lp_arena *arena;
	struct lp_volume_file *items;
	size_t count;
	const char *volume;
};

static int
add_file(struct files *files, const char *path, const void *data, size_t len, uint32_t mode, struct lp_err *err)
{
	if (files->count == FILES_MAX)
		return lp_err_say(err, -E2BIG, "volume %s: more than %d files", files->volume, FILES_MAX);
	if (!*path || path[0] == '/' || lp_text_starts(path, "..") || strstr(path, "/..") || strlen(path) > 512)
		return lp_err_say(err, -EINVAL, "volume %s: \"%.100s\" is no path inside the volume", files->volume, path);
	files->items[files->count++] = (struct lp_volume_file){ .path = path, .data = data, .len = len, .mode = mode };
	return 0;
}

/* One value: text of `data`, bytes of base64 in Secret `data` and ConfigMap `binaryData`. -ENOENT. */
static int
read_value(struct files *files, const struct lp_json *object, bool secret, const char *key, const void **out, size_t *out_len)
{
	const struct lp_json *text = lp_json_get(lp_json_get(object, "data"), key);
	const struct lp_json *coded = secret ? text : lp_json_get(lp_json_get(object, "binaryData"), key);
	lp_auto_buf struct lp_buf plain = { 0 };

	if (!secret && lp_json_text(text)) {
		*out = text->text;
		*out_len = text->len;
		return 0;
	}
	if (!lp_json_text(coded))
		return -ENOENT;
	lp_buf_init(&plain, VALUE_MAX);
	if (lp_text_base64_decode(&plain, coded->text, coded->len) < 0)
		return -ENOENT;
	*out = lp_arena_mem(files->arena, lp_buf_text(&plain), plain.len);
	*out_len = plain.len;
	return *out ? 0 : -ENOMEM;
}

/* A list of keyToPath, shaped alike in all four tables. */
struct items {
	const struct lp_spec_key_to_path *const *items;
	size_t count;
};

static int
add_source(struct files *files, bool secret, const char *name, struct items items, bool optional, uint32_t mode,
    const struct lp_json *pod, const struct lp_facts *facts, struct lp_err *err)
{
	const struct lp_json *object =
	    facts->object(facts->arg, secret ? "Secret" : "ConfigMap", lp_object_namespace(pod), name ? name : "");
	static const char *const maps[] = { "data", "binaryData" };
	const void *data;
	size_t len;
	int rc = 0;

	if (!object)
		return optional ? 0
				: lp_err_say(err, -ENOENT, "%s \"%s\" not found", secret ? "secret" : "configmap", name ? name : "");
	for (size_t i = 0; rc == 0 && i < items.count; i++) {
		const struct lp_spec_key_to_path *item = items.items[i];

		if (read_value(files, object, secret, item->key, &data, &len) == 0)
			rc = add_file(files, item->path, data, len, item->mode.has ? (uint32_t)item->mode.value : mode, err);
		else if (!optional)
			rc = lp_err_say(err, -ENOENT, "references non-existent %s key: %s", secret ? "secret" : "config", item->key);
	}
	for (size_t m = 0; items.count == 0 && m < lp_count(maps) - secret; m++)
		lp_json_each(pair, lp_json_get(object, maps[m]))
			if (rc == 0 && read_value(files, object, secret, pair->key, &data, &len) == 0)
				rc = add_file(files, pair->key, data, len, mode, err);
	return rc;
}

static int
add_downward(struct files *files, const struct lp_spec_downward_api_volume_file *const *items, size_t count, uint32_t mode,
    const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts, struct lp_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct lp_spec_downward_api_volume_file *item = items[i];
		const struct lp_spec_container *container = NULL;
		const char *value = "";

		for (size_t c = 0; item->resource_field_ref && c < pod->spec->containers.count; c++)
			if (lp_text_same(pod->spec->containers.items[c]->name, item->resource_field_ref->container_name))
				container = pod->spec->containers.items[c];
		if (item->field_ref)
			rc = lp_env_field(files->arena, pod_json, item->field_ref->field_path, facts, &value, err);
		else if (container)
			rc = lp_env_resource(files->arena, container, item->resource_field_ref->resource,
			    item->resource_field_ref->divisor, facts, &value, err);
		if (rc == 0)
			rc = add_file(files, item->path, value, strlen(value), item->mode.has ? (uint32_t)item->mode.value : mode, err);
	}
	return rc;
}

#define ITEMS_OF(source) ((struct items){ .items = (source)->items.items, .count = (source)->items.count })

static uint32_t
mode_of(struct lp_spec_int mode)
{
	return mode.has ? (uint32_t)mode.value & 0777 : 0644;
}

static int
add_projected(struct files *files, const struct lp_spec_projected_volume *volume, const struct lp_spec_pod *pod,
    const struct lp_json *pod_json, const struct lp_facts *facts, struct lp_err *err)
{
	uint32_t mode = mode_of(volume->default_mode);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < volume->sources.count; i++) {
		const struct lp_spec_volume_projection *source = volume->sources.items[i];

		if (source->secret)
			rc = add_source(files, true, source->secret->name, ITEMS_OF(source->secret), source->secret->optional.value, mode,
			    pod_json, facts, err);
		else if (source->config_map)
			rc = add_source(files, false, source->config_map->name, ITEMS_OF(source->config_map),
			    source->config_map->optional.value, mode, pod_json, facts, err);
		else if (source->downward_api)
			rc = add_downward(files, source->downward_api->items.items, source->downward_api->items.count, mode, pod, pod_json,
			    facts, err);
		else
			rc = lp_err_say(err, -EOPNOTSUPP, "volume %s: this projected source is not supported", files->volume);
	}
	return rc;
}

int
lp_volume_files(struct lp_arena *arena, const struct lp_volume *volume, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_facts *facts, struct lp_volume_file **out, size_t *out_count, struct lp_err *err)
{
	const struct lp_spec_volume *spec = volume->spec;
	struct files files = { .arena = arena, .volume = volume->name };
	int rc = 0;

	files.items = lp_arena_alloc(arena, FILES_MAX * sizeof(*files.items));
	if (!files.items)
		return lp_err_set(err, -ENOMEM, "volume %s", volume->name);
	if (spec->secret)
		rc = add_source(&files, true, spec->secret->secret_name, ITEMS_OF(spec->secret), spec->secret->optional.value,
		    mode_of(spec->secret->default_mode), pod_json, facts, err);
	else if (spec->config_map)
		rc = add_source(&files, false, spec->config_map->name, ITEMS_OF(spec->config_map), spec->config_map->optional.value,
		    mode_of(spec->config_map->default_mode), pod_json, facts, err);
	else if (spec->downward_api)
		rc = add_downward(&files, spec->downward_api->items.items, spec->downward_api->items.count,
		    mode_of(spec->downward_api->default_mode), pod, pod_json, facts, err);
	else if (spec->projected)
		rc = add_projected(&files, spec->projected, pod, pod_json, facts, err);
	*out = files.items;
	*out_count = files.count;
	return rc;
}

/* ---- directories of the node */

struct host_type {
	const char *name;
	mode_t kind;
	mode_t make;		/* 0: must be there */
};

static const struct host_type host_types[] = {
	{ "Directory", S_IFDIR, 0 },
	{ "DirectoryOrCreate", S_IFDIR, 0755 },
	{ "File", S_IFREG, 0 },
	{ "FileOrCreate", S_IFREG, 0644 },
	{ "Socket", S_IFSOCK, 0 },
	{ "CharDevice", S_IFCHR, 0 },
	{ "BlockDevice", S_IFBLK, 0 },
};

/* A hostPath is policy: the operator named a path of the node, and it is resolved as the operator would see it. */
static int
prepare_host(const struct lp_volume *volume, struct lp_err *err)
{
	const struct host_type *type = NULL;
	struct stat st;

	for (size_t i = 0; i < lp_count(host_types); i++)
		if (strcmp(volume->host_type, host_types[i].name) == 0)
			type = &host_types[i];
	if (type && type->make && stat(volume->path, &st) < 0 && errno == ENOENT) {
		lp_auto_fd int fd = -1;

		if (type->kind == S_IFDIR)
			return lp_path_root(volume->path, true, &fd, err);
		fd = open(volume->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, type->make);
		return fd < 0 ? lp_err_set(err, -errno, "volume %s: create %s", volume->name, volume->path) : 0;
	}
	if (stat(volume->path, &st) < 0) {
		lp_auto_fd int fd = -1;

		/* Without a type Kubernetes' runtimes make a missing directory. */
		if (errno == ENOENT && !*volume->host_type)
			return lp_path_root(volume->path, true, &fd, err);
		return lp_err_set(err, -errno, "volume %s: hostPath %s", volume->name, volume->path);
	}
	if (type && (st.st_mode & S_IFMT) != type->kind)
		return lp_err_say(err, -EINVAL, "volume %s: hostPath type check failed: %s is not a %s", volume->name, volume->path,
		    type->name);
	return 0;
}

int
lp_volume_prepare(int pod_fd, const struct lp_volume *volume, struct lp_err *err)
{
	lp_auto_fd int volumes_fd = -1;
	lp_auto_fd int fd = -1;
	int rc;

	switch (volume->kind) {
	case LP_VOLUME_HOST:
		return prepare_host(volume, err);
	case LP_VOLUME_DISK:
		rc = lp_path_mkdirs(pod_fd, "volumes", 0700, &volumes_fd, err);
		if (rc == 0)
			rc = lp_path_mkdirs(volumes_fd, volume->name, 0777, &fd, err);
		if (rc == 0 && fchmod(fd, 0777) < 0)
			rc = lp_err_set(err, -errno, "volume %s", volume->name);
		return rc;
	case LP_VOLUME_MEMORY:
	case LP_VOLUME_FILES:
		return 0;
	}
	return -EINVAL;
}

/* ---- writing files, all at once */

static int
write_one(int data_fd, const struct lp_volume_file *file, uint32_t owner, struct lp_err *err)
{
	const char *slash = strrchr(file->path, '/');
	lp_auto_free char *parent = slash ? strndup(file->path, (size_t)(slash - file->path)) : strdup(".");
	lp_auto_fd int dir_fd = -1;
	lp_auto_fd int fd = -1;
	int rc;

	if (!parent)
		return lp_err_set(err, -ENOMEM, "write %s", file->path);
	rc = lp_path_mkdirs(data_fd, parent, 0755, &dir_fd, err);
	if (rc < 0)
		return rc;
	fd = openat(dir_fd, slash ? slash + 1 : file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return lp_err_set(err, -errno, "create %s", file->path);
	rc = lp_path_write_all(fd, file->data, file->len, err);
	if (rc == 0 && (fchown(fd, owner, owner) < 0 || fchmod(fd, file->mode) < 0))
		rc = lp_err_set(err, -errno, "set owner and mode of %s", file->path);
	return rc;
}

/* What the directory of this content is called: the same files have the same name, so nothing is written twice. */
static void
name_of(const struct lp_volume_file *files, size_t count, char out[32])
{
	struct lp_digest_state state;
	uint8_t digest[LP_DIGEST_BYTES];

	lp_digest_start(&state);
	for (size_t i = 0; i < count; i++) {
		uint64_t facts[2] = { files[i].len, files[i].mode };

		lp_digest_add(&state, files[i].path, strlen(files[i].path) + 1);
		lp_digest_add(&state, facts, sizeof(facts));
		lp_digest_add(&state, files[i].data, files[i].len);
	}
	lp_digest_end(&state, digest);
	(void)snprintf(out, 32, "..");
	lp_text_hex(digest, 12, out + 2);
}

static int
replace_link(int fd, const char *target, const char *name, struct lp_err *err)
{
	if (unlinkat(fd, "..link_tmp", 0) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove an old link");
	if (symlinkat(target, fd, "..link_tmp") < 0 || renameat(fd, "..link_tmp", fd, name) < 0)
		return lp_err_set(err, -errno, "link %s", name);
	return 0;
}

static size_t
first_part(const char *path)
{
	return strcspn(path, "/");
}

static int
link_names(int fd, const struct lp_volume_file *files, size_t count, struct lp_err *err)
{
	for (size_t i = 0; i < count; i++) {
		char name[256], target[300], present[300];
		size_t len = first_part(files[i].path);
		ssize_t got;
		int rc;

		if (len >= sizeof(name))
			return lp_err_set(err, -ENAMETOOLONG, "link %s", files[i].path);
		memcpy(name, files[i].path, len);
		name[len] = '\0';
		(void)snprintf(target, sizeof(target), "..data/%s", name);
		got = readlinkat(fd, name, present, sizeof(present) - 1);
		if (got > 0 && (size_t)got == strlen(target) && memcmp(present, target, (size_t)got) == 0)
			continue;
		rc = replace_link(fd, target, name, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct stale {
	int fd;
	const char *keep;
	const struct lp_volume_file *files;
	size_t count;
	struct lp_err *err;
};

/* Old dated directories, and links of keys that are gone. */
static int
remove_stale(void *arg, const char *name)
{
	const struct stale *stale = arg;

	if (strcmp(name, stale->keep) == 0 || strcmp(name, "..data") == 0)
		return 0;
	for (size_t i = 0; i < stale->count; i++)
		if (strlen(name) == first_part(stale->files[i].path) && strncmp(name, stale->files[i].path, strlen(name)) == 0)
			return 0;
	return lp_path_remove(stale->fd, name, stale->err);
}

int
lp_volume_write(int dir_fd, const char *name, const struct lp_volume_file *files, size_t count, uint32_t owner, struct lp_err *err)
{
	char path[128], dated[32], present[64];
	lp_auto_fd int fd = -1;
	lp_auto_fd int data_fd = -1;
	ssize_t got;
	int rc;

	(void)snprintf(path, sizeof(path), "volumes/%s", name);
	rc = lp_path_open(dir_fd, path, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (rc < 0)
		return lp_err_wrap(err, "volume %s", name);
	name_of(files, count, dated);
	got = readlinkat(fd, "..data", present, sizeof(present));
	if (got == (ssize_t)strlen(dated) && memcmp(present, dated, (size_t)got) == 0)
		return 0;
	/* A half-written directory of an agent that died is not trusted. */
	rc = lp_path_remove(fd, dated, err);
	if (rc == 0)
		rc = lp_path_mkdirs(fd, dated, 0755, &data_fd, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = write_one(data_fd, &files[i], owner, err);
	if (rc == 0)
		rc = replace_link(fd, dated, "..data", err);
	if (rc == 0)
		rc = link_names(fd, files, count, err);
	if (rc == 0) {
		struct stale stale = { .fd = fd, .keep = dated, .files = files, .count = count, .err = err };

		rc = lp_path_each(fd, remove_stale, &stale, err);
	}
	return rc < 0 ? lp_err_wrap(err, "volume %s", name) : 0;
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

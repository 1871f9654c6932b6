#include <errno.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "agent/convert/convert_parts.h"
#include "agent/facts/env.h"
#include "base/auto.h"
#include "base/text.h"

/* Volumes and where they are mounted. */

int
lp_convert_volumes(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_volume **out, size_t *out_count, struct lp_err *err)
{
	size_t count = pod->spec->volumes.count;
	struct lp_volume *volumes = count ? lp_arena_alloc(arena, count * sizeof(*volumes)) : NULL;

	if (count && !volumes)
		return lp_err_set(err, -ENOMEM, "volumes");
	for (size_t i = 0; i < count; i++) {
		int rc = lp_volume_read(arena, pod->spec->volumes.items[i], pod_json, facts, &volumes[i], err);

		if (rc < 0)
			return rc;
	}
	*out = volumes;
	*out_count = count;
	return 0;
}

/* Is this volume on a file system that cannot shift ids, so that its files were written with shifted ones? */
static bool
is_unshifted(const struct lp_volume *volume, const struct lp_facts *facts)
{
	return (volume->kind == LP_VOLUME_MEMORY || volume->kind == LP_VOLUME_FILES) && !facts->tmpfs_idmap;
}

/* What every mount of one container needs. */
struct mounting {
	struct lp_arena *arena;
	const struct lp_spec_pod *pod;
	const struct lp_json *pod_json;
	const struct lp_spec_container *container;
	const struct lp_image *image;
	const struct lp_facts *facts;
};

/* The path below the volume; NULL: the whole volume. $(VAR) of subPathExpr is a variable of the container. */
static int
sub_path(const struct mounting *m, const struct lp_spec_volume_mount *mount, const char **out, struct lp_err *err)
{
	const char *path = mount->sub_path;
	struct lp_env env;
	int rc;

	*out = NULL;
	if (mount->sub_path_expr && *mount->sub_path_expr) {
		rc = lp_env_build(&env, m->arena, m->pod, m->pod_json, m->container, m->image, m->facts, err);
		if (rc == 0)
			rc = lp_env_expand_all(&env, mount->sub_path_expr, &path, err);
		if (rc < 0)
			return rc;
	}
	if (!path || !*path)
		return 0;
	if (path[0] == '/')
		return lp_err_say(err, -EINVAL, "subPath %s of volumeMount %s is absolute", path, mount->name);
	for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
			return lp_err_say(err, -EINVAL, "subPath %s of volumeMount %s must not contain \"..\"", path, mount->name);
	*out = path;
	return 0;
}

static int
propagation(const struct mounting *m, const struct lp_spec_volume_mount *mount, struct lp_mount *out, struct lp_err *err)
{
	const char *word = mount->mount_propagation ? mount->mount_propagation : "None";

	out->propagation = LP_MOUNT_PRIVATE;
	if (strcmp(word, "HostToContainer") == 0)
		out->propagation = LP_MOUNT_SLAVE;
	else if (strcmp(word, "Bidirectional") == 0)
		out->propagation = LP_MOUNT_SHARED;
	if (out->propagation == LP_MOUNT_SHARED && !lp_convert_privileged(m->container))
		return lp_err_say(err, -EINVAL, "volumeMount %s: Bidirectional mount propagation is available only to privileged containers",
		    mount->name);
	return 0;
}

/*
 * A path of the host within the owner's ceiling. What lies below the path that the ceiling names is opened from there, beneath it: a
 * symbolic link that somebody made in a directory he may write to does not lead out (no check that could be outrun).
 */
static int
within_ceiling(const struct mounting *m, const struct lp_volume *volume, struct lp_mount *out, struct lp_err *err)
{
	const struct lp_ceiling *ceiling = m->facts->ceiling;
	const struct lp_ceiling_path *row;
	const char *rest = "";

	if (volume->kind != LP_VOLUME_HOST || !ceiling)
		return 0;
	if (!lp_ceiling_allows_path(ceiling, volume->path, out->flags & LP_MOUNT_RO))
		return lp_err_say(err, -EPERM, "volume %s: the ceiling of this node does not allow %s%s", volume->name, volume->path,
		    out->flags & LP_MOUNT_RO ? "" : " to be written to");
	row = ceiling->paths_set ? lp_ceiling_path_of(ceiling, volume->path, &rest) : NULL;
	if (!row || !*rest)
		return 0;
	out->source.path = row->path;
	out->sub = out->sub ? lp_arena_printf(m->arena, "%s/%s", rest, out->sub) : rest;
	return 0;
}

static int
convert_volume_mount(const struct mounting *m, const struct lp_spec_volume_mount *mount, const struct lp_volume *volumes, size_t count,
    struct lp_mount *out, struct lp_err *err)
{
	const struct lp_volume *volume = NULL;
	int rc;

	for (size_t i = 0; i < count; i++)
		if (lp_text_same(volumes[i].name, mount->name))
			volume = &volumes[i];
	if (!volume)
		return lp_err_say(err, -ENOENT, "volumeMounts: there is no volume %s", mount->name ? mount->name : "");
	*out = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = mount->mount_path, .source = { .path = volume->path, .fd = -1 } };
	rc = sub_path(m, mount, &out->sub, err);
	if (rc == 0)
		rc = propagation(m, mount, out, err);
	if (rc < 0)
		return rc;
	/* Recursive and read-only holds for everything mounted below: recursiveReadOnly is always as good as Enabled. */
	out->flags = volume->kind == LP_VOLUME_HOST ? LP_MOUNT_RECURSIVE : LP_MOUNT_NODEV | LP_MOUNT_NOSUID;
	if (mount->read_only.value || volume->read_only || volume->kind == LP_VOLUME_FILES)
		out->flags |= LP_MOUNT_RO;
	if (is_unshifted(volume, m->facts))
		out->flags |= LP_MOUNT_NO_IDMAP;
	/* The keeper has a copy that is still tied to the host's. */
	if (out->propagation == LP_MOUNT_SHARED) {
		if (volume->root)
			return lp_err_say(err, -EPERM, "volumeMount %s: the ceiling of this node allows no Bidirectional mount propagation",
			    mount->name);
		if (volume->path[0] != '/')
			return lp_err_say(err, -EOPNOTSUPP, "volumeMount %s: Bidirectional mount propagation of memory is not supported", mount->name);
		out->source.path = lp_arena_printf(m->arena, "volumes/%s", volume->name);
		out->flags |= LP_MOUNT_RECURSIVE;
	}
	/* Of files that are linked through ..data, the one below it is meant; it is not updated, as in Kubernetes. */
	if (out->sub && volume->kind == LP_VOLUME_FILES)
		out->sub = lp_arena_printf(m->arena, "..data/%s", out->sub);
	else if (out->sub)
		out->flags |= LP_MOUNT_MAKE_SUB;
	rc = within_ceiling(m, volume, out, err);
	if (rc < 0)
		return rc;
	return m->arena->failed ? lp_err_set(err, -ENOMEM, "volumeMounts") : 0;
}

static bool
asks_both_ways(const struct lp_spec_container *container, const char *volume)
{
	for (size_t i = 0; i < container->volume_mounts.count; i++)
		if (lp_text_same(container->volume_mounts.items[i]->name, volume) &&
		    lp_text_same(container->volume_mounts.items[i]->mount_propagation, "Bidirectional"))
			return true;
	return false;
}

bool
lp_convert_both_ways(const struct lp_spec_pod *pod, const struct lp_volume *volume)
{
	bool any = false;

	for (size_t i = 0; i < pod->spec->init_containers.count; i++)
		any |= asks_both_ways(pod->spec->init_containers.items[i], volume->name);
	for (size_t i = 0; i < pod->spec->containers.count; i++)
		any |= asks_both_ways(pod->spec->containers.items[i], volume->name);
	return any && volume->path[0] == '/' && !volume->root;
}

static const struct lp_mount pod_files[] = {
	{ .kind = LP_MOUNT_BIND, .target = "/etc/hosts", .source = { "etc/hosts", -1 } },
	{ .kind = LP_MOUNT_BIND, .target = "/etc/hostname", .source = { "etc/hostname", -1 } },
	{ .kind = LP_MOUNT_BIND, .target = "/etc/resolv.conf", .source = { "etc/resolv.conf", -1 } },
};

static bool
is_mounted_at(const struct lp_spec_container *container, const char *target)
{
	for (size_t i = 0; i < container->volume_mounts.count; i++)
		if (lp_text_same(container->volume_mounts.items[i]->mount_path, target))
			return true;
	return false;
}

/* An image cannot say what lies over the kernel's files, over /dev or over all of it. */
static bool
is_the_images_own(const char *path)
{
	static const char *const places[] = { "/proc", "/sys", "/dev" };

	if (path[0] != '/' || path[strspn(path, "/")] == '\0' || strstr(path, "//") || strstr(path, "/./") || strstr(path, "/.."))
		return false;
	for (size_t i = 0; i < lp_count(places); i++) {
		size_t len = strlen(places[i]);

		if (strncmp(path, places[i], len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return false;
	}
	return true;
}

/*
 * VOLUME of the image: a place that can be written to, begins as the image has it and goes with the container. The writable layer
 * is all that; where there is none, memory is.
 */
static size_t
add_image_volumes(const struct mounting *m, struct lp_mount *mounts)
{
	const struct lp_spec_security_context *own = m->container->security_context;
	size_t n = 0;

	for (size_t i = 0; own && own->read_only_root_filesystem.value && m->image->volumes[i]; i++)
		if (is_the_images_own(m->image->volumes[i]) && !is_mounted_at(m->container, m->image->volumes[i]))
			mounts[n++] = (struct lp_mount){ .kind = LP_MOUNT_TMPFS, .target = m->image->volumes[i], .mode = 0755,
				.source = { .fd = -1 }, .flags = LP_MOUNT_COPY_UP | LP_MOUNT_NODEV | LP_MOUNT_NOSUID };
	return n;
}

static size_t
image_volumes(const struct lp_image *image)
{
	size_t n = 0;

	while (image->volumes && image->volumes[n])
		n++;
	return n;
}

int
lp_convert_mounts(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_image *image, const struct lp_volume *volumes, size_t volume_count,
    const struct lp_facts *facts, struct lp_container_config *out, struct lp_err *err)
{
	const struct mounting m = { arena, pod, pod_json, container, image, facts };
	size_t usual_count, n;
	const struct lp_mount *usual = lp_container_mounts(&usual_count);
	size_t size = usual_count + lp_count(pod_files) + container->volume_mounts.count + image_volumes(image);
	struct lp_mount *mounts = lp_arena_alloc(arena, size * sizeof(*mounts));

	if (!mounts)
		return lp_err_set(err, -ENOMEM, "mounts");
	memcpy(mounts, usual, usual_count * sizeof(*mounts));
	n = usual_count;
	for (size_t i = 0; i < n && lp_convert_privileged(container); i++)
		mounts[i].flags &= ~LP_MOUNT_RO;
	for (size_t i = 0; i < lp_count(pod_files); i++) {
		if (is_mounted_at(container, pod_files[i].target))
			continue;
		mounts[n] = pod_files[i];
		mounts[n++].flags = facts->tmpfs_idmap ? 0 : LP_MOUNT_NO_IDMAP;
	}
	n += add_image_volumes(&m, mounts + n);
	for (size_t i = 0; i < container->volume_mounts.count; i++) {
		int rc = convert_volume_mount(&m, container->volume_mounts.items[i], volumes, volume_count, &mounts[n++], err);

		if (rc < 0)
			return rc;
	}
	out->mounts = mounts;
	out->mount_count = n;
	return 0;
}

int
lp_convert_tmpfs(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_pod *out, struct lp_err *err)
{
	struct lp_volume *volumes;
	struct lp_control_volume *list;
	size_t count, n = 0;
	int rc = lp_convert_volumes(arena, pod, pod_json, facts, &volumes, &count, err);

	if (rc < 0)
		return rc;
	list = lp_arena_alloc(arena, (count + 1) * sizeof(*list));
	if (!list)
		return lp_err_set(err, -ENOMEM, "volumes");
	for (size_t i = 0; i < count; i++) {
		if (lp_convert_both_ways(pod, &volumes[i]))
			list[n++] = (struct lp_control_volume){ .name = volumes[i].name, .shared_path = volumes[i].path };
		if (volumes[i].kind == LP_VOLUME_MEMORY || volumes[i].kind == LP_VOLUME_FILES)
			list[n++] = (struct lp_control_volume){
				.name = volumes[i].name,
				.size_bytes = volumes[i].size_bytes,
				.mode = volumes[i].kind == LP_VOLUME_FILES ? 0755 : 0777,
			};
	}
	out->volumes = list;
	out->volume_count = n;
	return 0;
}

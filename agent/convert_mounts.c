#include <errno.h>
#include <string.h>

#include "agent/convert.h"
#include "agent/convert_parts.h"
#include "base/auto.h"
#include "base/text.h"

/* Volumes and where they are mounted. */

int
lp_convert_volumes(struct lp_arena *arena, const struct lp_spec_pod *pod, const char *pod_path, struct lp_volume **out, size_t *out_count,
    struct lp_err *err)
{
	size_t count = pod->spec->volumes.count;
	struct lp_volume *volumes = count ? lp_arena_alloc(arena, count * sizeof(*volumes)) : NULL;

	if (count && !volumes)
		return lp_err_set(err, -ENOMEM, "volumes");
	for (size_t i = 0; i < count; i++) {
		int rc = lp_volume_read(arena, pod->spec->volumes.items[i], pod_path, &volumes[i], err);

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

static int
convert_volume_mount(struct lp_arena *arena, const struct lp_spec_volume_mount *mount, const struct lp_volume *volumes, size_t count,
    const struct lp_facts *facts, struct lp_mount *out, struct lp_err *err)
{
	const struct lp_volume *volume = NULL;

	for (size_t i = 0; i < count; i++)
		if (lp_text_same(volumes[i].name, mount->name))
			volume = &volumes[i];
	if (!volume)
		return lp_err_say(err, -ENOENT, "volumeMounts: there is no volume %s", mount->name ? mount->name : "");
	if (mount->sub_path_expr && *mount->sub_path_expr)
		return lp_err_say(err, -EOPNOTSUPP, "volumeMounts: subPathExpr is not supported");
	if (mount->sub_path && *mount->sub_path && (volume->kind == LP_VOLUME_HOST || volume->kind == LP_VOLUME_DISK))
		return lp_err_say(err, -EOPNOTSUPP, "volumeMounts: subPath of volume %s is supported for configMap, secret and memory volumes only",
		    volume->name);
	*out = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = mount->mount_path, .source = { .path = volume->path, .fd = -1 } };
	/* Of files that are linked through ..data, the one below it is meant. */
	if (mount->sub_path && *mount->sub_path)
		out->source.path = lp_arena_printf(arena, volume->kind == LP_VOLUME_FILES ? "%s/..data/%s" : "%s/%s", volume->path,
		    mount->sub_path);
	out->flags = volume->kind == LP_VOLUME_HOST ? LP_MOUNT_RECURSIVE : LP_MOUNT_NODEV | LP_MOUNT_NOSUID;
	if (mount->read_only.value || volume->kind == LP_VOLUME_FILES)
		out->flags |= LP_MOUNT_RO;
	if (is_unshifted(volume, facts))
		out->flags |= LP_MOUNT_NO_IDMAP;
	return out->source.path ? 0 : lp_err_set(err, -ENOMEM, "volumeMounts");
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

int
lp_convert_mounts(struct lp_arena *arena, const struct lp_spec_container *container, const struct lp_volume *volumes, size_t volume_count,
    const struct lp_facts *facts, struct lp_container_config *out, struct lp_err *err)
{
	size_t usual_count, n;
	const struct lp_mount *usual = lp_container_mounts(&usual_count);
	size_t size = usual_count + lp_count(pod_files) + container->volume_mounts.count;
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
	for (size_t i = 0; i < container->volume_mounts.count; i++) {
		int rc = convert_volume_mount(arena, container->volume_mounts.items[i], volumes, volume_count, facts, &mounts[n++], err);

		if (rc < 0)
			return rc;
	}
	out->mounts = mounts;
	out->mount_count = n;
	return 0;
}

int
lp_convert_tmpfs(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out,
    struct lp_err *err)
{
	struct lp_volume *volumes;
	struct lp_control_volume *list;
	size_t count, n = 0;
	int rc = lp_convert_volumes(arena, pod, facts->pod_path, &volumes, &count, err);

	if (rc < 0)
		return rc;
	list = lp_arena_alloc(arena, (count + 1) * sizeof(*list));
	if (!list)
		return lp_err_set(err, -ENOMEM, "volumes");
	for (size_t i = 0; i < count; i++)
		if (volumes[i].kind == LP_VOLUME_MEMORY || volumes[i].kind == LP_VOLUME_FILES)
			list[n++] = (struct lp_control_volume){
				.name = volumes[i].name,
				.size_bytes = volumes[i].size_bytes,
				.mode = volumes[i].kind == LP_VOLUME_FILES ? 0755 : 01777,
			};
	out->volumes = list;
	out->volume_count = n;
	return 0;
}

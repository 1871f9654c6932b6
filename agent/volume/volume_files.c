#include "agent/volume/volume.h"

#include <errno.h>
#include <string.h>

#include "agent/facts/env.h"
#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"

/* What stands in a volume of ConfigMaps, Secrets and the downward API. */

enum { FILES_MAX = 1024, VALUE_MAX = 4 << 20 };

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
	/* Of two sources with one path the later wins, as in a projected volume of the kubelet. */
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->items[i].path, path) == 0) {
			files->items[i] = (struct lp_volume_file){ .path = path, .data = data, .len = len, .mode = mode & 0777 };
			return 0;
		}
	files->items[files->count++] = (struct lp_volume_file){ .path = path, .data = data, .len = len, .mode = mode & 0777 };
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

		for (size_t c = 0; item->resource_field_ref && c < pod->spec->init_containers.count; c++)
			if (lp_text_same(pod->spec->init_containers.items[c]->name, item->resource_field_ref->container_name))
				container = pod->spec->init_containers.items[c];
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
			rc = lp_err_say(err, -EOPNOTSUPP, "volume %s: projected source %s is not supported", files->volume,
			    source->service_account_token ? "serviceAccountToken"
				: source->cluster_trust_bundle ? "clusterTrustBundle"
				: source->pod_certificate ? "podCertificate" : "without a type");
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


#include "images/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/json.h"
#include "base/text.h"

#define LIST_MAX 1000
#define ARENA_MAX ((size_t)64 << 20)

static const struct lp_json_limits limits = { LP_MANIFEST_JSON_MAX, 32, 100000 };

static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
};
static const char *const image_types[] = {
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
};

/* Which of tar, gzip and zstd it really is, its first bytes say. */
static const char *const layer_types[] = {
	"",					/* not given */
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.zstd",
};

static bool
one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (lp_text_same(text, list[i]))
			return true;
	return false;
}

static const char *
text_or_empty(const struct lp_json *object, const char *key)
{
	const char *text = lp_json_text(lp_json_get(object, key));

	return text ? text : "";
}

static int
parse(struct lp_arena *arena, const char *text, size_t len, const char *what, struct lp_json **out, struct lp_err *err)
{
	int rc = lp_json_parse(arena, text, len, &limits, out, err);

	if (rc < 0)
		return lp_err_wrap(err, "%s", what);
	if ((*out)->type != LP_JSON_OBJECT && (*out)->type != LP_JSON_ARRAY)
		return lp_err_say(err, -EINVAL, "%s: neither an object nor a list", what);
	return 0;
}

static int
no_memory(struct lp_err *err)
{
	return lp_err_set(err, -ENOMEM, "read image description");
}

int
lp_manifest_kind(const char *text, size_t len, enum lp_manifest_kind *out, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *root;
	const char *type;
	int rc;

	lp_arena_init(&arena, ARENA_MAX);
	rc = parse(&arena, text, len, "manifest", &root, err);
	if (rc < 0)
		return rc;
	type = text_or_empty(root, "mediaType");
	if (one_of(type, index_types, lp_count(index_types)) || (!*type && lp_json_get(root, "manifests"))) {
		*out = LP_MANIFEST_INDEX;
		return 0;
	}
	if (one_of(type, image_types, lp_count(image_types)) || (!*type && lp_json_get(root, "layers"))) {
		*out = LP_MANIFEST_IMAGE;
		return 0;
	}
	if (lp_json_int(root, "schemaVersion", 0) == 1)
		return lp_err_say(err, -ENOTSUP, "manifest: schema version 1 is not supported");
	return lp_err_say(err, -ENOTSUP, "manifest: media type \"%.100s\" is not supported", type);
}

/* mediaType, digest and size of a descriptor. */
static int
parse_piece(const struct lp_json *json, struct lp_manifest_piece *out, struct lp_err *err)
{
	int64_t size = lp_json_int(json, "size", -1);

	out->media_type = text_or_empty(json, "mediaType");
	out->digest = text_or_empty(json, "digest");
	if (lp_digest_parse(out->digest, NULL) < 0)
		return lp_err_say(err, -EINVAL, "\"%.80s\" is not a digest", out->digest);
	if (size < 0)
		return lp_err_say(err, -EINVAL, "%s has no size", out->digest);
	out->size = (uint64_t)size;
	return 0;
}

static int
parse_ref(const struct lp_json *json, struct lp_manifest_ref *out, struct lp_err *err)
{
	const struct lp_json *notes = lp_json_get(json, "annotations");
	const struct lp_json *platform = lp_json_get(json, "platform");

	out->os = text_or_empty(platform, "os");
	out->architecture = text_or_empty(platform, "architecture");
	out->variant = text_or_empty(platform, "variant");
	out->attestation = !strcmp(text_or_empty(notes, "vnd.docker.reference.type"), "attestation-manifest");
	out->name = lp_json_text(lp_json_get(notes, "io.containerd.image.name"));
	if (!out->name)
		out->name = lp_json_text(lp_json_get(notes, "org.opencontainers.image.ref.name"));
	return parse_piece(json, &out->piece, err);
}

int
lp_manifest_parse_index(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest_index *out, struct lp_err *err)
{
	struct lp_manifest_ref *refs;
	struct lp_json *root;
	size_t count, i = 0;
	int rc = parse(arena, text, len, "index", &root, err);

	if (rc < 0)
		return rc;
	count = lp_json_count(lp_json_get(root, "manifests"));
	if (count > LP_MANIFEST_INDEX_MAX)
		return lp_err_say(err, -E2BIG, "index: %zu manifests, at most %d", count, LP_MANIFEST_INDEX_MAX);
	refs = lp_arena_alloc(arena, (count + 1) * sizeof(*refs));
	if (!refs)
		return no_memory(err);
	lp_json_each(child, lp_json_get(root, "manifests")) {
		rc = parse_ref(child, &refs[i++], err);
		if (rc < 0)
			return lp_err_wrap(err, "index");
	}
	*out = (struct lp_manifest_index){ refs, count };
	return 0;
}

int
lp_manifest_parse(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest *out, struct lp_err *err)
{
	struct lp_manifest_piece *layers;
	struct lp_manifest manifest = { 0 };
	struct lp_json *root;
	size_t i = 0;
	int rc = parse(arena, text, len, "manifest", &root, err);

	if (rc < 0)
		return rc;
	manifest.layer_count = lp_json_count(lp_json_get(root, "layers"));
	if (manifest.layer_count > LP_MANIFEST_LAYERS_MAX)
		return lp_err_say(err, -E2BIG, "manifest: %zu layers, at most %d", manifest.layer_count, LP_MANIFEST_LAYERS_MAX);
	layers = lp_arena_alloc(arena, (manifest.layer_count + 1) * sizeof(*layers));
	if (!layers)
		return no_memory(err);
	rc = parse_piece(lp_json_get(root, "config"), &manifest.config, err);
	if (rc < 0)
		return lp_err_wrap(err, "manifest: config");
	lp_json_each(child, lp_json_get(root, "layers")) {
		rc = parse_piece(child, &layers[i], err);
		if (rc < 0)
			return lp_err_wrap(err, "manifest: layer %zu", i);
		if (!one_of(layers[i].media_type, layer_types, lp_count(layer_types)))
			return lp_err_say(err, -ENOTSUP, "manifest: layer %zu: media type \"%.100s\" is not supported", i, layers[i].media_type);
		i++;
	}
	manifest.layers = layers;
	*out = manifest;
	return 0;
}

/* A list of strings, or of the names of an object's members ("name=value" with `values`). */
static int
parse_list(struct lp_arena *arena, const struct lp_json *json, bool values, const char *const **out, struct lp_err *err)
{
	size_t count = lp_json_count(json), i = 0;
	const char **list;

	if (count > LIST_MAX)
		return lp_err_say(err, -E2BIG, "a list of %zu, at most %d", count, LIST_MAX);
	list = lp_arena_alloc(arena, (count + 1) * sizeof(*list));
	if (!list)
		return no_memory(err);
	lp_json_each(child, json) {
		const char *text = lp_json_text(child);

		if (child->key && values)
			text = lp_arena_printf(arena, "%s=%s", child->key, text ? text : "");
		else if (child->key)
			text = child->key;
		if (!text)
			return arena->failed ? no_memory(err) : lp_err_say(err, -EINVAL, "a list with something else than text in it");
		list[i++] = text;
	}
	*out = list;
	return 0;
}

static int
parse_diff_ids(struct lp_arena *arena, const struct lp_json *root, struct lp_manifest_config *out, struct lp_err *err)
{
	int rc = parse_list(arena, lp_json_path(root, "rootfs.diff_ids"), false, &out->diff_ids, err);

	if (rc < 0)
		return rc;
	while (out->diff_ids[out->diff_id_count]) {
		if (lp_digest_parse(out->diff_ids[out->diff_id_count], NULL) < 0)
			return lp_err_say(err, -EINVAL, "\"%.80s\" is not a digest", out->diff_ids[out->diff_id_count]);
		if (++out->diff_id_count > LP_MANIFEST_LAYERS_MAX)
			return lp_err_say(err, -E2BIG, "more than %d layers", LP_MANIFEST_LAYERS_MAX);
	}
	return 0;
}

static int
parse_config(struct lp_arena *arena, const struct lp_json *root, struct lp_manifest_config *out, struct lp_err *err)
{
	const struct lp_json *config = lp_json_get(root, "config");
	const struct {
		const char *key;
		bool values;
		const char *const **to;
	} lists[] = {
		{ "Entrypoint",   false, &out->entrypoint },
		{ "Cmd",          false, &out->cmd },
		{ "Env",          false, &out->env },
		{ "ExposedPorts", false, &out->ports },
		{ "Volumes",      false, &out->volumes },
		{ "Labels",       true,  &out->labels },
	};

	out->architecture = text_or_empty(root, "architecture");
	out->os = text_or_empty(root, "os");
	out->variant = text_or_empty(root, "variant");
	out->created = text_or_empty(root, "created");
	out->user = text_or_empty(config, "User");
	out->workdir = text_or_empty(config, "WorkingDir");
	out->stop_signal = text_or_empty(config, "StopSignal");
	for (size_t i = 0; i < lp_count(lists); i++)
		if (parse_list(arena, lp_json_get(config, lists[i].key), lists[i].values, lists[i].to, err) < 0)
			return lp_err_wrap(err, "%s", lists[i].key);
	return parse_diff_ids(arena, root, out, err);
}

int
lp_manifest_parse_config(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest_config *out, struct lp_err *err)
{
	struct lp_manifest_config config = { 0 };
	struct lp_json *root;
	struct lp_err own;
	int rc = parse(arena, text, len, "image config", &root, &own);

	if (rc == 0) {
		rc = parse_config(arena, root, &config, &own);
		if (rc < 0)
			(void)lp_err_wrap(&own, "image config");
	}
	if (rc == 0)
		*out = config;
	else if (err)
		*err = own;
	return rc;
}

static int
parse_row(struct lp_arena *arena, const struct lp_json *json, struct lp_manifest_archive *out, struct lp_err *err)
{
	int rc;

	out->config = lp_json_text(lp_json_get(json, "Config"));
	if (!out->config || !*out->config)
		return lp_err_say(err, -EINVAL, "manifest.json: no Config");
	rc = parse_list(arena, lp_json_get(json, "RepoTags"), false, &out->tags, err);
	if (rc == 0)
		rc = parse_list(arena, lp_json_get(json, "Layers"), false, &out->layers, err);
	if (rc < 0)
		return rc;
	while (out->layers[out->layer_count])
		out->layer_count++;
	if (out->layer_count > LP_MANIFEST_LAYERS_MAX)
		return lp_err_say(err, -E2BIG, "manifest.json: more than %d layers", LP_MANIFEST_LAYERS_MAX);
	return 0;
}

int
lp_manifest_parse_archive(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest_archive **out, size_t *out_count,
    struct lp_err *err)
{
	struct lp_manifest_archive *rows;
	struct lp_json *root;
	size_t count, i = 0;
	int rc = parse(arena, text, len, "manifest.json", &root, err);

	if (rc < 0)
		return rc;
	count = root->type == LP_JSON_ARRAY ? lp_json_count(root) : 0;
	if (count == 0 || count > LP_MANIFEST_INDEX_MAX)
		return lp_err_say(err, count ? -E2BIG : -EINVAL, "manifest.json: %zu images", count);
	rows = lp_arena_alloc(arena, count * sizeof(*rows));
	if (!rows)
		return no_memory(err);
	lp_json_each(child, root) {
		rc = parse_row(arena, child, &rows[i++], err);
		if (rc < 0)
			return rc;
	}
	*out = rows;
	*out_count = count;
	return 0;
}

/* How well a row fits this machine: 0 not at all, more is better. */
static int
fitness(const struct lp_manifest_ref *ref, const char *architecture)
{
	if (ref->attestation || (*ref->os && strcmp(ref->os, "linux") != 0))
		return 0;
	if (!*ref->architecture)
		return 1;		/* an index of one image often does not say */
	if (strcmp(ref->architecture, architecture) != 0)
		return 0;
	if (!strcmp(architecture, "arm"))
		return !strcmp(ref->variant, "v7") ? 5 : !strcmp(ref->variant, "v6") ? 4 : !strcmp(ref->variant, "v5") ? 3 :
		    *ref->variant ? 0 : 2;
	/* amd64 v2 and later, arm64 v9 may use instructions this machine lacks */
	return !*ref->variant || !strcmp(ref->variant, "v8") || !strcmp(ref->variant, "v1") ? 3 : 0;
}

int
lp_manifest_pick(const struct lp_manifest_index *index, const char *architecture, const struct lp_manifest_ref **out, struct lp_err *err)
{
	const struct lp_manifest_ref *best = NULL;
	char there[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct lp_manifest_ref *ref = &index->refs[i];
		int n;

		if (fitness(ref, architecture) > (best ? fitness(best, architecture) : 0))
			best = ref;
		if (ref->attestation || used >= sizeof(there) - 1)
			continue;
		n = snprintf(there + used, sizeof(there) - used, "%s%s/%s", used ? ", " : "", ref->os, ref->architecture);
		used += n > 0 ? (size_t)n : 0;
	}
	if (!best)
		return lp_err_say(err, -ENOENT, "no image for linux/%s, only %s", architecture, *there ? there : "none at all");
	*out = best;
	return 0;
}

const char *
lp_manifest_machine(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__arm__)
	return "arm";
#else
#error "name this architecture as Go does"
#endif
}

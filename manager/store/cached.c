#include "manager/store/cached.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"

enum { JSON_MAX = 64 << 20 };		/* of one parsed object */
enum { VALUES_MAX = 64 };		/* index values of one object; the API allows fewer owners */

static const char before_revision[] = "\"metadata\":{";

/* The index values, as pointers into the parsed form. */
struct found {
	struct lp_cached_value values[VALUES_MAX];
	uint32_t count;
	char involved[600];
	char claims[4096];		/* the composed values */
	size_t claims_len;
};

static void
add_value(struct found *found, enum lp_cache_index index, const char *value)
{
	if (value && *value && found->count < VALUES_MAX)
		found->values[found->count++] = (struct lp_cached_value){ index, value };
}

/* More claims than fit are those of no real pod. */
static void
add_claim(struct found *found, const struct lp_json *pod, const struct lp_json *volume)
{
	const char *namespace = lp_json_str(pod, "metadata.namespace"), *name = lp_json_str(volume, "persistentVolumeClaim.claimName");
	bool own = !name && lp_json_get(volume, "ephemeral");
	char *at = found->claims + found->claims_len;
	size_t room = sizeof(found->claims) - found->claims_len;
	int len;

	if (own)
		name = lp_json_str(volume, "name");
	if (!name || !namespace)
		return;
	len = own ? snprintf(at, room, "%s/%s-%s", namespace, lp_json_str(pod, "metadata.name"), name) : snprintf(at, room, "%s/%s", namespace, name);
	for (uint32_t i = 0; i < found->count; i++)
		if (found->values[i].index == LP_CACHE_BY_CLAIM && strcmp(found->values[i].value, at) == 0)
			return;
	if (len < 0 || (size_t)len >= room)
		return;
	found->claims_len += (size_t)len + 1;
	add_value(found, LP_CACHE_BY_CLAIM, at);
}

static void
find_values(const struct lp_kind *kind, const struct lp_json *json, struct found *found)
{
	found->count = 0;
	found->claims_len = 0;
	if (strcmp(kind->kind, "Pod") == 0) {
		add_value(found, LP_CACHE_BY_NODE, lp_json_str(json, "spec.nodeName"));
		lp_json_each (volume, lp_json_path(json, "spec.volumes"))
			add_claim(found, json, volume);
	}
	if (strcmp(kind->kind, "Event") == 0) {
		const struct lp_json *involved = lp_json_get(json, "involvedObject");
		const char *namespace = lp_json_str(involved, "namespace"), *name = lp_json_str(involved, "name");

		add_value(found, LP_CACHE_BY_INVOLVED, lp_json_str(involved, "uid"));
		if (name && (size_t)snprintf(found->involved, sizeof(found->involved), "%s/%s", namespace ? namespace : "",
		    name) < sizeof(found->involved))
			add_value(found, LP_CACHE_BY_INVOLVED_NAME, found->involved);
	}
	lp_json_each (owner, lp_json_path(json, "metadata.ownerReferences"))
		add_value(found, LP_CACHE_BY_OWNER, lp_json_str(owner, "uid"));
}

/* Copy a string into the object's own memory at *at. */
static const char *
place(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *start = *at;

	memcpy(start, text, size);
	*at += size;
	return start;
}

static const char *
or_empty(const char *text)
{
	return text ? text : "";
}

/* Fill the one allocation: the struct, the values, the strings, the text. */
static struct lp_cached *
lay_out(const struct lp_json *json, const char *spliced, size_t len, const struct found *found)
{
	const char *node = found->count && found->values[0].index == LP_CACHE_BY_NODE ? found->values[0].value : NULL;
	const char *namespace = or_empty(lp_json_str(json, "metadata.namespace"));
	const char *name = or_empty(lp_json_str(json, "metadata.name")), *uid = or_empty(lp_json_str(json, "metadata.uid"));
	size_t size = sizeof(struct lp_cached) + found->count * sizeof(struct lp_cached_value) + len + 1 +
	    strlen(namespace) + strlen(name) + strlen(uid) + 3;
	struct lp_cached_value *values;
	struct lp_cached *object;
	char *at;

	for (uint32_t i = 0; i < found->count; i++)
		size += strlen(found->values[i].value) + 1;
	object = lp_seam.alloc(size);
	if (!object)
		return NULL;
	values = (struct lp_cached_value *)(object + 1);
	at = (char *)(values + found->count);
	for (uint32_t i = 0; i < found->count; i++)
		values[i] = (struct lp_cached_value){ found->values[i].index, place(&at, found->values[i].value) };
	object->values = values;
	object->value_count = found->count;
	object->node = node ? values[0].value : NULL;
	object->namespace = place(&at, namespace);
	object->name = place(&at, name);
	object->uid = place(&at, uid);
	object->deleting = lp_json_str(json, "metadata.deletionTimestamp") != NULL;
	memcpy(at, spliced, len);
	object->text = at;
	object->len = (uint32_t)len;
	return object;
}

/* Text with the revision put in; *out_at says where its digits stand. */
static int
splice(struct lp_buf *out, const char *text, size_t len, int64_t revision, size_t *out_at, struct lp_err *err)
{
	const char *metadata = memmem(text, len, before_revision, sizeof(before_revision) - 1);
	size_t head;

	if (!metadata)
		return lp_err_say(err, -EINVAL, "object without metadata");
	head = (size_t)(metadata - text) + sizeof(before_revision) - 1;
	lp_buf_add(out, text, head);
	lp_buf_str(out, "\"resourceVersion\":\"");
	*out_at = out->len;
	lp_buf_printf(out, "%" PRId64, revision);
	lp_buf_str(out, head < len && text[head] == '}' ? "\"" : "\",");
	if (lp_buf_add(out, text + head, len - head) < 0)
		return lp_err_set(err, out->failed, "keep object");
	return 0;
}

int
lp_cached_new(const struct lp_kind *kind, const char *text, size_t len, int64_t revision, struct lp_cached **out,
    struct lp_err *err)
{
	static const struct lp_json_limits limits = { .bytes = 8 << 20, .nodes = 1000000 };
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf spliced;
	struct found found;
	struct lp_json *json;
	struct lp_cached *object;
	size_t revision_at = 0;

	lp_arena_init(&arena, JSON_MAX);
	lp_buf_init(&spliced, 8 << 20);
	if (splice(&spliced, text, len, revision, &revision_at, err) < 0 ||
	    lp_json_parse(&arena, spliced.data, spliced.len, &limits, &json, err) < 0)
		return lp_err_wrap(err, "%s", kind->kind);
	if (!lp_json_str(json, "metadata.name"))
		return lp_err_say(err, -EINVAL, "%s without a name", kind->kind);
	find_values(kind, json, &found);
	object = lay_out(json, spliced.data, spliced.len, &found);
	if (!object)
		return lp_err_set(err, -ENOMEM, "keep %s", kind->kind);
	object->refs = 1;
	object->kind = kind;
	object->revision = revision;
	object->revision_at = (uint32_t)revision_at;
	object->revision_len = (uint32_t)snprintf(NULL, 0, "%" PRId64, revision);
	/* the parsed form is not kept: its memory is the next object's, and whoever needs it parses again in microseconds */
	*out = object;
	return 0;
}

struct lp_cached *
lp_cached_ref(struct lp_cached *object)
{
	if (object)
		object->refs++;
	return object;
}

void
lp_cached_unref(struct lp_cached *object)
{
	if (!object || --object->refs > 0)
		return;
	lp_arena_fini(&object->arena);
	free(object);
}

const struct lp_json *
lp_cached_json(struct lp_cached *object)
{
	static const struct lp_json_limits limits = { .bytes = 8 << 20, .nodes = 1000000 };

	if (!object->parsed) {
		lp_arena_init(&object->arena, JSON_MAX);
		if (lp_json_parse(&object->arena, object->text, object->len, &limits, &object->parsed, NULL) < 0) {
			lp_arena_fini(&object->arena);	/* it was parsed before: only memory can be missing */
			object->parsed = NULL;
		}
	}
	return object->parsed;
}

void
lp_cached_forget_json(struct lp_cached *object)
{
	lp_arena_fini(&object->arena);
	object->parsed = NULL;
}

void
lp_cached_print_as(const struct lp_cached *object, int64_t revision, struct lp_buf *out)
{
	size_t tail = object->revision_at + object->revision_len;

	lp_buf_add(out, object->text, object->revision_at);
	lp_buf_printf(out, "%" PRId64, revision);
	lp_buf_add(out, object->text + tail, object->len - tail);
}

int
lp_cached_print(struct lp_arena *arena, struct lp_json *object, struct lp_buf *out, struct lp_err *err)
{
	static const char *const first[] = { "kind", "apiVersion", "metadata" };
	struct lp_json *ordered = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_remove(lp_json_get(object, "metadata"), "resourceVersion");
	for (size_t i = 0; i < lp_count(first); i++) {
		struct lp_json *member = lp_json_get(object, first[i]);

		if (!member)
			return lp_err_say(err, -EINVAL, "object without %s", first[i]);
		(void)lp_json_remove(object, first[i]);	/* it is there */
		lp_json_set(arena, ordered, first[i], member);
	}
	for (struct lp_json *member; (member = lp_json_first(object)) != NULL;) {
		const char *key = member->key;

		(void)lp_json_remove_child(object, member);	/* it is the first one */
		lp_json_set(arena, ordered, key, member);
	}
	if (arena->failed)
		return lp_err_set(err, -ENOMEM, "print object");
	if (lp_json_write(out, ordered) < 0)
		return lp_err_set(err, out->failed, "print object");
	*object = *ordered;
	return 0;
}

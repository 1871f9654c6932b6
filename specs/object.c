#include "specs/object.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static const char *
text_or_empty(const struct lp_json *object, const char *path)
{
	const char *text = lp_json_str(object, path);

	return text ? text : "";
}

const char *
lp_object_api_version(const struct lp_json *object)
{
	return text_or_empty(object, "apiVersion");
}

const char *
lp_object_kind(const struct lp_json *object)
{
	return text_or_empty(object, "kind");
}

const char *
lp_object_name(const struct lp_json *object)
{
	return text_or_empty(object, "metadata.name");
}

const char *
lp_object_namespace(const struct lp_json *object)
{
	return text_or_empty(object, "metadata.namespace");
}

const char *
lp_object_uid(const struct lp_json *object)
{
	return text_or_empty(object, "metadata.uid");
}

const char *
lp_object_resource_version(const struct lp_json *object)
{
	return text_or_empty(object, "metadata.resourceVersion");
}

const char *
lp_object_generate_name(const struct lp_json *object)
{
	return text_or_empty(object, "metadata.generateName");
}

struct lp_json *
lp_object_labels(const struct lp_json *object)
{
	return lp_json_path(object, "metadata.labels");
}

const char *
lp_object_label(const struct lp_json *object, const char *key)
{
	return lp_json_text(lp_json_get(lp_object_labels(object), key));
}

const char *
lp_object_annotation(const struct lp_json *object, const char *key)
{
	return lp_json_text(lp_json_get(lp_json_path(object, "metadata.annotations"), key));
}

bool
lp_object_deleting(const struct lp_json *object)
{
	return lp_json_str(object, "metadata.deletionTimestamp") != NULL;
}

int64_t
lp_object_created_ms(const struct lp_json *object)
{
	const char *text = lp_json_str(object, "metadata.creationTimestamp");
	int64_t ms;

	return text && lp_clock_parse(text, &ms) == 0 ? ms : 0;
}

bool
lp_object_has_finalizers(const struct lp_json *object)
{
	return lp_json_count(lp_json_path(object, "metadata.finalizers")) > 0;
}

bool
lp_object_has_finalizer(const struct lp_json *object, const char *name)
{
	lp_json_each(entry, lp_json_path(object, "metadata.finalizers"))
		if (lp_text_same(lp_json_text(entry), name))
			return true;
	return false;
}

struct lp_json *
lp_object_without_finalizer(struct lp_arena *arena, const struct lp_json *object, const char *name)
{
	struct lp_json *copy = lp_json_copy(arena, object), *metadata = lp_json_get(copy, "metadata");
	struct lp_json *list = lp_json_get(metadata, "finalizers");

	for (struct lp_json *entry = lp_json_first(list), *next; entry; entry = next) {
		next = entry->next;
		if (lp_text_same(lp_json_text(entry), name))
			(void)lp_json_remove_child(list, entry);	/* it is one */
	}
	if (lp_json_count(list) == 0)
		(void)lp_json_remove(metadata, "finalizers");	/* usually it is there */
	return copy;
}

struct lp_json *
lp_object_controller(const struct lp_json *object)
{
	lp_json_each(owner, lp_json_path(object, "metadata.ownerReferences"))
		if (lp_json_bool(owner, "controller", false))
			return owner;
	return NULL;
}

bool
lp_object_owned_by(const struct lp_json *object, const char *uid)
{
	lp_json_each(owner, lp_json_path(object, "metadata.ownerReferences"))
		if (lp_text_same(lp_json_str(owner, "uid"), uid))
			return true;
	return false;
}

const struct lp_kind *
lp_object_kind_of(const struct lp_json *object)
{
	return lp_kind_find(lp_object_api_version(object), lp_object_kind(object));
}

struct lp_json *
lp_object_new(struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name)
{
	struct lp_json *object = lp_json_new(arena, LP_JSON_OBJECT);
	struct lp_json *metadata;
	char text[LP_KIND_TEXT];

	lp_json_set_str(arena, object, "kind", kind->kind);
	lp_json_set_str(arena, object, "apiVersion", lp_kind_api_version(kind, text));
	metadata = lp_json_set_object(arena, object, "metadata");
	lp_json_set_str(arena, metadata, "name", name);
	if (namespace && *namespace)
		lp_json_set_str(arena, metadata, "namespace", namespace);
	return arena->failed ? NULL : object;
}

const char *
lp_object_generate(struct lp_arena *arena, const char *prefix, const uint8_t random[static 5])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	int len = (int)strlen(prefix);
	char tail[6];

	if (len > 58)
		len = 58;
	for (size_t i = 0; i < 5; i++)
		tail[i] = letters[random[i] % (sizeof(letters) - 1)];
	tail[5] = '\0';
	return lp_arena_printf(arena, "%.*s%s", len, prefix, tail);
}

void
lp_object_uid_print(const uint8_t random[static 16], char out[static LP_OBJECT_UID])
{
	uint8_t uid[16];
	char hex[33];

	memcpy(uid, random, sizeof(uid));
	uid[6] = (uint8_t)((uid[6] & 0x0f) | 0x40);
	uid[8] = (uint8_t)((uid[8] & 0x3f) | 0x80);
	lp_text_hex(uid, sizeof(uid), hex);
	(void)snprintf(out, LP_OBJECT_UID, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

struct lp_json *
lp_object_condition(const struct lp_json *object, const char *type)
{
	lp_json_each(condition, lp_json_path(object, "status.conditions"))
		if (lp_text_same(lp_json_str(condition, "type"), type))
			return condition;
	return NULL;
}

bool
lp_object_condition_true(const struct lp_json *object, const char *type)
{
	return lp_text_same(lp_json_str(lp_object_condition(object, type), "status"), "True");
}

/* Set or, when empty, remove a text member. True when it changed. */
static bool
put_text(struct lp_arena *arena, struct lp_json *object, const char *key, const char *text)
{
	const char *old = lp_json_str(object, key);

	if (!text || !*text)
		return lp_json_remove(object, key);
	if (lp_text_same(old, text))
		return false;
	lp_json_set_str(arena, object, key, text);
	return true;
}

bool
lp_object_set_condition(struct lp_arena *arena, struct lp_json *object, const char *type, const char *status,
    const char *reason, const char *message, int64_t now_wall_ms)
{
	struct lp_json *condition = lp_object_condition(object, type);
	char now[LP_CLOCK_TEXT];
	bool changed = false;

	if (!condition) {
		struct lp_json *list =
		    lp_json_need_array(arena, lp_json_need_object(arena, object, "status"), "conditions");

		condition = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, condition, "type", type);
	}
	if (!lp_text_same(lp_json_str(condition, "status"), status)) {
		lp_json_set_str(arena, condition, "status", status);
		lp_clock_print(now_wall_ms, now);
		lp_json_set_str(arena, condition, "lastTransitionTime", now);
		changed = true;
	}
	changed |= put_text(arena, condition, "reason", reason);
	changed |= put_text(arena, condition, "message", message);
	return changed;
}

struct lp_json *
lp_object_reference(struct lp_arena *arena, const struct lp_json *object)
{
	struct lp_json *ref = lp_json_new(arena, LP_JSON_OBJECT);

	put_text(arena, ref, "kind", lp_object_kind(object));
	put_text(arena, ref, "namespace", lp_object_namespace(object));
	put_text(arena, ref, "name", lp_object_name(object));
	put_text(arena, ref, "uid", lp_object_uid(object));
	put_text(arena, ref, "apiVersion", lp_object_api_version(object));
	put_text(arena, ref, "resourceVersion", lp_object_resource_version(object));
	return ref;
}

struct lp_json *
lp_object_owner(struct lp_arena *arena, const struct lp_json *object)
{
	struct lp_json *ref = lp_json_new(arena, LP_JSON_OBJECT);

	put_text(arena, ref, "apiVersion", lp_object_api_version(object));
	put_text(arena, ref, "kind", lp_object_kind(object));
	put_text(arena, ref, "name", lp_object_name(object));
	put_text(arena, ref, "uid", lp_object_uid(object));
	lp_json_set_bool(arena, ref, "controller", true);
	lp_json_set_bool(arena, ref, "blockOwnerDeletion", true);
	return ref;
}

#include "manager/look/writes.h"

#include "specs/object.h"

void
lp_writes_init(struct lp_writes *writes, struct lp_arena *arena)
{
	*writes = (struct lp_writes){ .arena = arena, .due_ms = INT64_MAX };
}

static struct lp_write *
add(struct lp_writes *writes, enum lp_write_verb verb, const struct lp_kind *kind)
{
	struct lp_write *write = lp_arena_alloc(writes->arena, sizeof(*write));
	static struct lp_write lost;	/* the arena is marked as failed: nobody reads what is written here */

	if (!write)
		return &lost;
	write->verb = verb;
	write->kind = kind;
	write->namespace = write->name = "";
	write->grace_s = -1;
	if (writes->last)
		writes->last->next = write;
	else
		writes->first = write;
	writes->last = write;
	writes->count++;
	return write;
}

static void
add_object(struct lp_writes *writes, enum lp_write_verb verb, const struct lp_kind *kind, const struct lp_json *object)
{
	struct lp_write *write = add(writes, verb, kind);

	write->object = object;
	write->namespace = lp_object_namespace(object);
	write->name = lp_object_name(object);
}

static struct lp_write *
add_cached(struct lp_writes *writes, enum lp_write_verb verb, struct lp_cached *object)
{
	struct lp_write *write = add(writes, verb, object->kind);

	write->namespace = object->namespace;
	write->name = object->name;
	write->uid = object->uid;
	return write;
}

void
lp_writes_create(struct lp_writes *writes, const struct lp_kind *kind, const struct lp_json *object)
{
	add_object(writes, LP_WRITE_CREATE, kind, object);
}

void
lp_writes_update(struct lp_writes *writes, const struct lp_kind *kind, const struct lp_json *object)
{
	add_object(writes, LP_WRITE_UPDATE, kind, object);
}

void
lp_writes_status(struct lp_writes *writes, const struct lp_kind *kind, const struct lp_json *object)
{
	add_object(writes, LP_WRITE_STATUS, kind, object);
}

void
lp_writes_merge(struct lp_writes *writes, const struct lp_kind *kind, const char *namespace, const char *name,
    const char *uid, const struct lp_json *patch, bool status)
{
	struct lp_write *write = add(writes, status ? LP_WRITE_PATCH_STATUS : LP_WRITE_PATCH, kind);

	write->namespace = namespace ? namespace : "";
	write->name = name;
	write->uid = uid;
	write->object = patch;
}

void
lp_writes_delete(struct lp_writes *writes, struct lp_cached *object, int64_t grace_s)
{
	add_cached(writes, LP_WRITE_DELETE, object)->grace_s = grace_s;
}

void
lp_writes_bind(struct lp_writes *writes, struct lp_cached *pod, const char *node)
{
	add_cached(writes, LP_WRITE_BIND, pod)->node = node;
}

void
lp_writes_event(struct lp_writes *writes, struct lp_cached *regarding, const char *component, const char *type,
    const char *reason, const char *message)
{
	struct lp_write *write = add_cached(writes, LP_WRITE_EVENT, regarding);

	write->object = lp_cached_json(regarding);
	write->component = component;
	write->type = type;
	write->reason = reason;
	write->message = message;
}

void
lp_writes_look_again(struct lp_writes *writes, int64_t due_ms)
{
	if (due_ms < writes->due_ms)
		writes->due_ms = due_ms;
}

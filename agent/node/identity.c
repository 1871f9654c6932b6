#include "agent/node/identity.h"

#include <errno.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/state.h"

enum { SCHEMA = 1, TEXT_MAX = 256 << 10 };

void
lp_identity_init(struct lp_identity *identity)
{
	*identity = (struct lp_identity){ .name = NULL };
	lp_arena_init(&identity->arena, TEXT_MAX * 4);
}

void
lp_identity_fini(struct lp_identity *identity)
{
	lp_arena_fini(&identity->arena);
	lp_identity_init(identity);
}

struct member {
	const char *name;
	size_t offset;
};

static const struct member members[] = {
	{ "name", offsetof(struct lp_identity, name) },
	{ "url", offsetof(struct lp_identity, url) },
	{ "key", offsetof(struct lp_identity, key) },
	{ "certificate", offsetof(struct lp_identity, certificate) },
	{ "ca", offsetof(struct lp_identity, ca) },
	{ "fleetKey", offsetof(struct lp_identity, fleet_key) },
};

static const char **
at(const struct lp_identity *identity, const struct member *member)
{
	return (const char **)(void *)((char *)(uintptr_t)identity + member->offset);
}

int
lp_identity_load(int node_fd, struct lp_identity *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	struct lp_json *doc;
	int rc;

	lp_buf_init(&text, TEXT_MAX);
	rc = lp_state_read(node_fd, "identity", SCHEMA, &text, NULL, err);
	if (rc < 0)
		return rc;
	rc = lp_json_parse(&out->arena, lp_buf_text(&text), text.len, NULL, &doc, err);
	for (size_t i = 0; rc == 0 && i < lp_count(members); i++) {
		*at(out, &members[i]) = lp_json_str(doc, members[i].name);
		if (!*at(out, &members[i]))
			rc = lp_err_say(err, -EBADMSG, "the identity of this node lacks \"%s\": join again", members[i].name);
	}
	return rc;
}

int
lp_identity_store(int node_fd, const struct lp_identity *identity, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *doc;

	lp_arena_init(&arena, TEXT_MAX);
	lp_buf_init(&text, TEXT_MAX);
	doc = lp_json_new(&arena, LP_JSON_OBJECT);
	for (size_t i = 0; i < lp_count(members); i++)
		(void)lp_json_set_str(&arena, doc, members[i].name, *at(identity, &members[i]));
	if (arena.failed || lp_json_write(&text, doc) < 0)
		return lp_err_set(err, -ENOMEM, "store the identity of this node");
	return lp_state_write(node_fd, "identity", SCHEMA, text.data, text.len, err);
}

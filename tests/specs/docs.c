#include "tests/specs/docs.h"

#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "specs/yaml.h"
#include "tests/harness.h"

struct lp_arena *
lp_docs_arena(void)
{
	static struct lp_arena arena;

	if (arena.max == 0)
		lp_arena_init(&arena, 256 << 20);
	return &arena;
}

struct lp_json *
lp_docs_yaml(const char *yaml)
{
	struct lp_json *documents = NULL;
	struct lp_err err = { 0 };

	CHECK_OK(lp_yaml_parse(lp_docs_arena(), yaml, strlen(yaml), NULL, &documents, &err), &err);
	CHECK(lp_json_first(documents) != NULL);
	return lp_json_first(documents);
}

struct lp_json *
lp_docs_defaulted(const char *yaml)
{
	struct lp_json *document = lp_docs_yaml(yaml);
	const struct lp_kind *kind = lp_object_kind_of(document);
	struct lp_err err = { 0 };

	CHECK(kind != NULL);
	CHECK_OK(lp_parse_shape(kind, document, &err), &err);
	CHECK_OK(lp_default_object(lp_docs_arena(), kind, document, &err), &err);
	return document;
}

const char *
lp_docs_text(const struct lp_json *value)
{
	lp_auto_buf struct lp_buf text = { 0 };

	if (!value)
		return "(absent)";
	lp_buf_init(&text, 16 << 20);
	CHECK_INT(lp_json_write(&text, value), 0);
	return lp_arena_str(lp_docs_arena(), lp_buf_text(&text));
}

const char *
lp_docs_faults(const char *yaml)
{
	struct lp_json *document = lp_docs_defaulted(yaml);
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_faults faults;
	int rc;

	lp_faults_init(&faults, lp_docs_arena());
	rc = lp_check_create(lp_object_kind_of(document), document, &faults);
	CHECK((rc == 0) == (faults.count == 0));
	lp_buf_init(&text, 1 << 20);
	for (const struct lp_fault *fault = faults.first; fault; fault = fault->next)
		lp_buf_printf(&text, "%s: %s\n", fault->path, fault->message);
	return lp_arena_str(lp_docs_arena(), lp_buf_text(&text));
}

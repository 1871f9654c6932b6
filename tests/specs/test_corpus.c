/*
 * Documents of the collection whose kinds we serve get the answer that a Kubernetes API server gave; all files are read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/schema.h"
#include "specs/yaml.h"
#include "tests/harness.h"
#include "tests/specs/corpus.h"

enum { FILE_NAME, REPO, COMMIT, KINDS, VERSIONS, TIER, EXPECT, DETAIL, COLUMNS };

struct outcome {
	unsigned documents, ours;
	unsigned strict;		/* unknown or duplicate fields */
	unsigned faults;
	bool refused;			/* wrong types, or not YAML */
	char text[8192];		/* everything that was said */
};

static void
say(struct outcome *outcome, const char *what, const char *path, const char *message)
{
	size_t used = strlen(outcome->text);

	(void)snprintf(outcome->text + used, sizeof(outcome->text) - used, "%s %s: %s\n", what, path, message);
}

static void
judge(struct lp_arena *arena, struct lp_json *document, struct outcome *outcome)
{
	const struct lp_kind *kind = lp_object_kind_of(document);
	struct lp_faults faults;
	struct lp_drop drop;
	struct lp_err err = { 0 };

	outcome->documents++;
	if (!kind)
		return;			/* a kind that we do not serve (yet) */
	outcome->ours++;
	if (lp_parse_shape(kind, document, &err) < 0) {
		outcome->refused = true;
		say(outcome, "refused", "", err.text);
		return;
	}
	CHECK_OK(lp_drop_object(arena, kind, document, &drop, &err), &err);
	outcome->strict += (unsigned)drop.strict;
	for (const struct lp_dropped *entry = drop.first; entry; entry = entry->next)
		if (entry->kind != LP_DROP_IGNORED)
			say(outcome, "strict", "", entry->text);
	CHECK_OK(lp_default_object(arena, kind, document, &err), &err);
	lp_faults_init(&faults, arena);
	(void)lp_check_create(kind, document, &faults);
	outcome->faults += (unsigned)faults.count;
	for (const struct lp_fault *fault = faults.first; fault; fault = fault->next)
		say(outcome, "fault", fault->path, fault->message);
}

static void
judge_file(const char *name, struct outcome *outcome)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *documents = NULL;
	lp_auto_free char *text = NULL;
	struct lp_err err = { 0 };
	size_t len;

	lp_arena_init(&arena, 64 << 20);
	text = lp_test_read(lp_corpus_path(name), &len);
	if (lp_yaml_parse(&arena, text, len, NULL, &documents, &err) < 0) {
		outcome->refused = true;
		say(outcome, "refused", "", err.text);
		return;
	}
	lp_json_each(document, documents) {
		lp_json_each(item, lp_text_same(lp_json_str(document, "kind"), "List") ? lp_json_get(document, "items") : NULL)
			judge(&arena, item, outcome);
		if (!lp_text_same(lp_json_str(document, "kind"), "List"))
			judge(&arena, document, outcome);
	}
}

/* The paths that the API server named are among those we name. */
static bool
names_paths(const char *detail, const char *said)
{
	for (const char *at = strchr(detail, '#'); at; at = strchr(at + 1, '#')) {
		char path[256] = "";

		if (sscanf(at, "#%*d %*s %255[^:;]", path) == 1 && !strstr(said, path)) {
			printf("missing path: %s\n", path);
			return false;
		}
	}
	return true;
}

static bool
as_expected(const char *expect, const char *detail, const struct outcome *outcome)
{
	if (strcmp(expect, "accept") == 0)
		return !outcome->refused && outcome->faults == 0 && outcome->strict == 0;
	if (strcmp(expect, "strict-only") == 0)
		return !outcome->refused && outcome->faults == 0 && outcome->strict > 0;
	return (outcome->refused || outcome->faults > 0) && names_paths(detail, outcome->text);
}

TEST(real_manifests_get_the_answer_that_kubernetes_gave)
{
	lp_auto_free char *index = lp_test_read(lp_corpus_path("index.tsv"), NULL);
	unsigned judged = 0, wrong = 0;

	for (char *save = NULL, *line = strtok_r(index, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *column[COLUMNS] = { 0 }, *at = line;
		struct outcome outcome = { 0 };

		for (int i = 0; i < COLUMNS && at; i++)
			column[i] = strsep(&at, "\t");
		if (!column[DETAIL] || strcmp(column[FILE_NAME], "file") == 0)
			continue;
		if (strcmp(column[EXPECT], "accept") != 0 && strcmp(column[EXPECT], "strict-only") != 0 && strcmp(column[EXPECT], "reject") != 0)
			continue;
		judge_file(column[FILE_NAME], &outcome);
		judged += outcome.ours;
		if (outcome.ours < outcome.documents && strcmp(column[EXPECT], "accept") != 0 && !outcome.refused)
			continue;	/* what is wrong may be in a document of another kind */
		if (as_expected(column[EXPECT], column[DETAIL], &outcome))
			continue;
		wrong++;
		printf("%s: expected %s (%s), got:\n%s\n", column[FILE_NAME], column[EXPECT], column[DETAIL], outcome.text);
	}
	CHECK(judged >= 200);
	CHECK_INT(wrong, 0);
}

/*
 * tests/fuzz/fuzz_manifest.c - the JSON of images, read as each of its four forms, and image references.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "images/manifest.h"
#include "images/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
read_name(const uint8_t *data, size_t len)
{
	char text[600], again[LP_NAME_MAX];
	struct lp_name name;

	if (len >= sizeof(text))
		return;
	memcpy(text, data, len);
	text[len] = '\0';
	if (lp_name_parse(text, &name, NULL) < 0)
		return;
	lp_name_print(&name, again);
	assert(!strstr(name.repository, "..") && name.repository[0] != '/');
	int rc = lp_name_parse(again, &name, NULL);

	assert(rc == 0);
	lp_name_print(&name, text);
	assert(!strcmp(text, again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	const struct lp_manifest_ref *ref;
	struct lp_manifest_archive *rows;
	struct lp_manifest_config config;
	lp_auto_arena struct lp_arena arena;
	struct lp_manifest_index index;
	struct lp_manifest manifest;
	enum lp_manifest_kind kind;
	size_t count;

	lp_arena_init(&arena, (size_t)64 << 20);
	(void)lp_manifest_kind(text, len, &kind, NULL);
	if (lp_manifest_parse_index(&arena, text, len, &index, NULL) == 0)
		(void)lp_manifest_pick(&index, "arm", &ref, NULL);
	if (lp_manifest_parse(&arena, text, len, &manifest, NULL) == 0)
		assert(manifest.layer_count <= LP_MANIFEST_LAYERS_MAX && strlen(manifest.config.digest) == 71);
	if (lp_manifest_parse_config(&arena, text, len, &config, NULL) == 0)
		assert(config.diff_id_count <= LP_MANIFEST_LAYERS_MAX && config.entrypoint && config.user);
	(void)lp_manifest_parse_archive(&arena, text, len, &rows, &count, NULL);
	read_name(data, len);
	return 0;
}

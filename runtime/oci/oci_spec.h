/*
 * runtime/oci/oci_spec.h - config.json as structs, spelled by one table (oci_fields.def).
 *
 * Theory  A row of the table is a member here and a line of the reader's table; the reader knows kinds, no names. Tables hold no
 *         addresses: every start of the program would pay for their relocation.
 * Shape   texts NULL, numbers `set` false, parts NULL, lists empty when absent; JSON null is absent
 * Memory  everything lives in the caller's arena
 * Limits  16 MiB of text; depth and nodes as base/json.h
 * Errors  -EINVAL with the member's path ("linux.resources.memory.limit: ..."); -ENOTSUP a section that we refuse by name
 * Source  OCI runtime-spec 1.2
 */
#ifndef LP_RUNTIME_OCI_SPEC_H
#define LP_RUNTIME_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

#define LP_OCI_CONFIG_MAX (16u << 20)
#define LP_OCI_VERSION "1.2.0"

struct lp_oci_number {
	int64_t value;		/* U64: the same bits */
	bool set;
};

struct lp_oci_words {
	const char **items;	/* NULL-terminated when not NULL */
	size_t count;
	bool set;		/* an empty list was there */
};

struct lp_oci_pair {
	const char *key, *value;
};

#define OBJECT(object) struct lp_oci_##object {
#define END(object) };
#define KEY(object) const char *key;
#define FLAG(object, member, name) bool member;
#define TEXT(object, member, name, need) const char *member;
#define NUMBER(object, member, name, range, need) struct lp_oci_number member;
#define WORDS(object, member, name) struct lp_oci_words member;
#define NUMBERS(object, member, name) struct { uint32_t *items; size_t count; } member;
#define PART(object, member, name, part, need) struct lp_oci_##part *member;
#define LIST(object, member, name, part) struct { struct lp_oci_##part *items; size_t count; } member;
#define MAP(object, member, name, part) struct { struct lp_oci_##part *items; size_t count; } member;
#define PAIRS(object, member, name) struct { struct lp_oci_pair *items; size_t count; } member;
#define RAW(object, member, name) const struct lp_json *member;
#include "runtime/oci/oci_fields.def"

/* The whole of config.json, its version checked (1.x). */
int lp_oci_spec_parse(struct lp_arena *arena, const char *text, size_t len, struct lp_oci_spec **out, struct lp_err *err);

/* A process object alone (exec --process), and a resources object (update --resources). */
int lp_oci_spec_parse_process(struct lp_arena *arena, const char *text, size_t len, struct lp_oci_process **out, struct lp_err *err);
int lp_oci_spec_parse_resources(struct lp_arena *arena, const char *text, size_t len, struct lp_oci_resources **out, struct lp_err *err);

#endif

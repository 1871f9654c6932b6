/*
 * keeper/flat.h - structs <-> flat tagged bytes, by table.
 *
 * Theory  A record is a run of fields: u16 tag, u32 length, that many bytes; all integers big-endian. An integer is its
 *         shortest two's complement form of 1, 2, 4 or 8 bytes. A nested struct is a field whose bytes are a record; a list repeats
 *         the tag. Fields that are zero, NULL or empty are not written. A tag that the reader does not know is skipped,
 *         one that it misses stays zero: either side may be older.
 * Tables  hold no pointers (a relocation costs every exec): nested tables are named by number and found by a function
 * Limits  the arena's ceiling, LP_FLAT_DEPTH levels; text holds no NUL
 * Errors  -EBADMSG malformed, -ENOMEM arena or memory
 */
#ifndef LP_KEEPER_FLAT_H
#define LP_KEEPER_FLAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define LP_FLAT_DEPTH 8

enum lp_flat_type {
	LP_FLAT_BOOL,		/* bool */
	LP_FLAT_INT,		/* any integer or enum of `size` 1, 2, 4 or 8 bytes, signed or not */
	LP_FLAT_TEXT,		/* const char *; NULL and "" differ: "" is written with length 0 */
	LP_FLAT_BYTES,		/* const void *, count in bytes at `count` (size_t) */
	LP_FLAT_TEXTS,		/* const char **, count at `count` (size_t); read back with a NULL behind the last */
	LP_FLAT_WORDS,		/* const char *const *, ended by NULL, no count */
	LP_FLAT_INTS,		/* array of integers of `size` bytes, count at `count` (size_t) */
	LP_FLAT_STRUCT,		/* struct, embedded */
	LP_FLAT_LIST,		/* pointer to an array of structs, count at `count` (size_t) */
};

struct lp_flat_field {
	uint16_t tag;		/* never reused for another meaning; 0 ends a table */
	uint8_t type;		/* enum lp_flat_type */
	uint8_t table;		/* STRUCT, LIST: number of the nested table */
	uint16_t size;		/* INT, INTS: bytes of the integer; STRUCT, LIST: of the struct */
	uint16_t offset;	/* of the member */
	uint16_t count;		/* of the size_t member that counts; 0 when the type needs none */
};

/* The table with this number; NULL when there is none (a mistake of ours). */
typedef const struct lp_flat_field *(*lp_flat_tables_fn)(unsigned table);

#define LP_FLAT_1(tag_, type_, s, m) { (tag_), LP_FLAT_##type_, 0, sizeof(((s *)0)->m), offsetof(s, m), 0 }
#define LP_FLAT_BOOLEAN(tag_, s, m) LP_FLAT_1(tag_, BOOL, s, m)
#define LP_FLAT_INTEGER(tag_, s, m) LP_FLAT_1(tag_, INT, s, m)
#define LP_FLAT_STRING(tag_, s, m) LP_FLAT_1(tag_, TEXT, s, m)
#define LP_FLAT_BLOB(tag_, s, m, c) { (tag_), LP_FLAT_BYTES, 0, 0, offsetof(s, m), offsetof(s, c) }
#define LP_FLAT_STRINGS(tag_, s, m, c) { (tag_), LP_FLAT_TEXTS, 0, 0, offsetof(s, m), offsetof(s, c) }
#define LP_FLAT_WORDLIST(tag_, s, m) { (tag_), LP_FLAT_WORDS, 0, 0, offsetof(s, m), 0 }
#define LP_FLAT_INTEGERS(tag_, s, m, c) { (tag_), LP_FLAT_INTS, 0, sizeof(*((s *)0)->m), offsetof(s, m), offsetof(s, c) }
#define LP_FLAT_NESTED(tag_, s, m, t) { (tag_), LP_FLAT_STRUCT, (t), sizeof(((s *)0)->m), offsetof(s, m), 0 }
#define LP_FLAT_MANY(tag_, s, m, c, t) { (tag_), LP_FLAT_LIST, (t), sizeof(*((s *)0)->m), offsetof(s, m), offsetof(s, c) }
#define LP_FLAT_END { 0, 0, 0, 0, 0, 0 }

/* Append the record of `object` to out. Failures are sticky in out->failed. */
int lp_flat_write(struct lp_buf *out, lp_flat_tables_fn tables, unsigned table, const void *object);

/* Fill `object` (zeroed by the caller); what it points to is allocated in the arena. */
int lp_flat_read(struct lp_arena *arena, lp_flat_tables_fn tables, unsigned table, const void *data, size_t len, void *object,
    struct lp_err *err);

#endif

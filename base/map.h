/*
 * base/map.h - name -> object.
 *
 * Shape   open addressing, keys are copied NUL-terminated strings, values are pointers the caller owns
 * Errors  -ENOMEM
 */
#ifndef LP_BASE_MAP_H
#define LP_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct lp_map_slot;

struct lp_map {
	struct lp_map_slot *slots;	/* NULL while empty */
	size_t count, size, used;	/* living entries, slots, slots that are or were in use */
};

void lp_map_init(struct lp_map *map);

/* Frees the keys and slots, not the values. */
void lp_map_fini(struct lp_map *map);

/* NULL when absent. */
void *lp_map_get(const struct lp_map *map, const char *key);

/* Adds or replaces; the former value goes to *out_old (may be NULL). `value` must not be NULL. */
int lp_map_put(struct lp_map *map, const char *key, void *value, void **out_old);

/* Returns the value that was there, or NULL. */
void *lp_map_remove(struct lp_map *map, const char *key);

/* Walk: size_t pos = 0; while (lp_map_next(map, &pos, &key, &value)) ... The body may remove the entry it was given. Order is that of the hash. */
int lp_map_next(const struct lp_map *map, size_t *pos, const char **out_key, void **out_value);

/* FNV-1a with a per-process seed, for the caller's own tables. */
uint32_t lp_map_hash(const void *data, size_t len);

#endif

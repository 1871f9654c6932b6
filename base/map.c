#include "base/map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/seam.h"

enum { FIRST_SIZE = 8 };

struct lp_map_slot {
	char *key;	/* owned; NULL: never used, or removed when `value` is the tombstone */
	void *value;
	uint32_t hash;
};

static char tombstone;
static uint32_t seed;

uint32_t
lp_map_hash(const void *data, size_t len)
{
	const unsigned char *at = data;
	uint32_t h;

	while (seed == 0)
		lp_random(&seed, sizeof(seed));
	h = 2166136261u ^ seed;
	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * 16777619u;
	return h ^ (h >> 15);
}

void
lp_map_init(struct lp_map *map)
{
	*map = (struct lp_map){ 0 };
}

void
lp_map_fini(struct lp_map *map)
{
	for (size_t i = 0; i < map->size; i++)
		free(map->slots[i].key);
	free(map->slots);
	lp_map_init(map);
}

static struct lp_map_slot *
find(const struct lp_map *map, const char *key, uint32_t hash)
{
	if (map->size == 0)
		return NULL;
	for (size_t i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
		struct lp_map_slot *slot = &map->slots[i];

		if (!slot->key && !slot->value)
			return NULL;
		if (slot->key && slot->hash == hash && strcmp(slot->key, key) == 0)
			return slot;
	}
}

static struct lp_map_slot *
vacant(struct lp_map_slot *slots, size_t size, uint32_t hash)
{
	size_t i = hash & (size - 1);

	while (slots[i].key)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static int
rehash(struct lp_map *map)
{
	size_t size = FIRST_SIZE;
	struct lp_map_slot *slots;

	while (size < (map->count + 1) * 2)
		size *= 2;
	slots = lp_seam.alloc(size * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->size; i++)
		if (map->slots[i].key)
			*vacant(slots, size, map->slots[i].hash) = map->slots[i];
	free(map->slots);
	map->slots = slots;
	map->size = size;
	map->used = map->count;
	return 0;
}

void *
lp_map_get(const struct lp_map *map, const char *key)
{
	struct lp_map_slot *slot = find(map, key, lp_map_hash(key, strlen(key)));

	return slot ? slot->value : NULL;
}

int
lp_map_put(struct lp_map *map, const char *key, void *value, void **out_old)
{
	size_t len = strlen(key);
	uint32_t hash = lp_map_hash(key, len);
	struct lp_map_slot *slot = find(map, key, hash);
	char *copy;

	if (out_old)
		*out_old = slot ? slot->value : NULL;
	if (slot) {
		slot->value = value;
		return 0;
	}
	if ((map->used + 1) * 4 > map->size * 3 && rehash(map) < 0)
		return -ENOMEM;
	copy = lp_seam.alloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, key, len);
	slot = vacant(map->slots, map->size, hash);
	if (!slot->value)
		map->used++;
	*slot = (struct lp_map_slot){ .key = copy, .value = value, .hash = hash };
	map->count++;
	return 0;
}

void *
lp_map_remove(struct lp_map *map, const char *key)
{
	struct lp_map_slot *slot = find(map, key, lp_map_hash(key, strlen(key)));
	void *value;

	if (!slot)
		return NULL;
	value = slot->value;
	free(slot->key);
	*slot = (struct lp_map_slot){ .value = &tombstone };
	map->count--;
	return value;
}

int
lp_map_next(const struct lp_map *map, size_t *pos, const char **out_key, void **out_value)
{
	while (*pos < map->size) {
		struct lp_map_slot *slot = &map->slots[(*pos)++];

		if (!slot->key)
			continue;
		if (out_key)
			*out_key = slot->key;
		if (out_value)
			*out_value = slot->value;
		return 1;
	}
	return 0;
}

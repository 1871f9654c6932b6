#include "tests/harness.h"

#include <errno.h>
#include <stdio.h>

#include "base/map.h"
#include "tests/fault.h"

#define MANY 3000

static int values[MANY];

static const char *
key_of(int i)
{
	static char key[32];

	snprintf(key, sizeof(key), "key/%d", i);
	return key;
}

TEST(what_is_put_is_found_until_it_is_removed)
{
	struct lp_map map;

	lp_map_init(&map);
	for (int i = 0; i < MANY; i++)
		CHECK_INT(lp_map_put(&map, key_of(i), &values[i], NULL), 0);
	CHECK_INT(map.count, MANY);
	for (int i = 0; i < MANY; i += 2)
		CHECK(lp_map_remove(&map, key_of(i)) == &values[i]);
	for (int i = 0; i < MANY; i++)
		CHECK(lp_map_get(&map, key_of(i)) == (i % 2 ? &values[i] : NULL));
	CHECK_INT(map.count, MANY / 2);
	CHECK(lp_map_remove(&map, "absent") == NULL);
	lp_map_fini(&map);
}

TEST(replacing_gives_the_former_value_back)
{
	struct lp_map map;
	void *old = &map;

	lp_map_init(&map);
	CHECK_INT(lp_map_put(&map, "a", &values[0], &old), 0);
	CHECK(old == NULL);
	CHECK_INT(lp_map_put(&map, "a", &values[1], &old), 0);
	CHECK(old == &values[0]);
	CHECK_INT(map.count, 1);
	lp_map_fini(&map);
}

TEST(a_walk_meets_everything_once_and_may_remove_what_it_meets)
{
	struct lp_map map;
	bool met[MANY] = { false };
	const char *key;
	void *value;
	size_t pos = 0;
	int count = 0;

	lp_map_init(&map);
	for (int i = 0; i < MANY; i++)
		CHECK_INT(lp_map_put(&map, key_of(i), &values[i], NULL), 0);
	while (lp_map_next(&map, &pos, &key, &value)) {
		int i = (int)((int *)value - values);

		CHECK(!met[i]);
		met[i] = true;
		count++;
		if (i % 3 == 0)
			CHECK(lp_map_remove(&map, key) == value);
	}
	CHECK_INT(count, MANY);
	CHECK_INT(map.count, MANY - MANY / 3);
	lp_map_fini(&map);
}

TEST(adding_and_removing_for_ever_does_not_grow_the_table)
{
	struct lp_map map;

	lp_map_init(&map);
	for (int i = 0; i < 200000; i++) {
		CHECK_INT(lp_map_put(&map, key_of(i), &values[0], NULL), 0);
		CHECK(lp_map_remove(&map, key_of(i)) == &values[0]);
	}
	CHECK_INT(map.count, 0);
	CHECK(map.size <= 64);
	lp_map_fini(&map);
}

TEST(an_empty_map_answers)
{
	struct lp_map map;
	size_t pos = 0;
	const char *key;
	void *value;

	lp_map_init(&map);
	CHECK(lp_map_get(&map, "a") == NULL);
	CHECK(lp_map_remove(&map, "a") == NULL);
	CHECK_INT(lp_map_next(&map, &pos, &key, &value), 0);
	lp_map_fini(&map);
}

TEST(without_memory_a_put_fails_and_the_map_is_as_it_was)
{
	LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
		struct lp_map map;
		int put = 0;

		lp_map_init(&map);
		while (put < 100) {
			int rc = lp_map_put(&map, key_of(put), &values[put], NULL);

			if (rc < 0) {
				CHECK_ERR(rc, -ENOMEM);
				break;
			}
			put++;
		}
		CHECK_INT(map.count, put);
		for (int i = 0; i < put; i++)
			CHECK(lp_map_get(&map, key_of(i)) == &values[i]);
		CHECK(lp_map_get(&map, key_of(put)) == NULL);
		lp_map_fini(&map);
	}
}

#include "tests/harness.h"

#include "base/auto.h"
#include "base/list.h"

struct item {
	int value;
	struct lp_list link;
};

static int
digits(struct lp_list *list)
{
	int number = 0;

	lp_list_each(link, list)
		number = number * 10 + lp_of(link, struct item, link)->value;
	return number;
}

TEST(items_keep_their_order)
{
	struct item one = { .value = 1 }, two = { .value = 2 }, three = { .value = 3 };
	struct lp_list list;

	lp_list_init(&list);
	CHECK(lp_list_empty(&list));
	CHECK(lp_list_first(&list) == NULL);
	lp_list_append(&list, &two.link);
	lp_list_append(&list, &three.link);
	lp_list_prepend(&list, &one.link);
	CHECK_INT(digits(&list), 123);
	CHECK(lp_list_first(&list) == &one.link);
	lp_list_remove(&two.link);
	lp_list_remove(&two.link);
	CHECK_INT(digits(&list), 13);
}

TEST(the_body_of_a_walk_may_remove_its_item)
{
	struct item items[4] = { { .value = 1 }, { .value = 2 }, { .value = 3 }, { .value = 4 } };
	struct lp_list list;

	lp_list_init(&list);
	for (int i = 0; i < 4; i++)
		lp_list_append(&list, &items[i].link);
	lp_list_each(link, &list)
		if (lp_of(link, struct item, link)->value % 2 == 0)
			lp_list_remove(link);
	CHECK_INT(digits(&list), 13);
}

TEST(removing_what_was_never_in_a_list_is_safe)
{
	struct item zeroed = { 0 };

	lp_list_remove(&zeroed.link);
	CHECK(lp_list_empty(&zeroed.link));
}

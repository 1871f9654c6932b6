/*
 * base/list.h - circular doubly linked list whose links live in the objects.
 *
 * Use     struct lp_list pods; lp_list_init(&pods); lp_list_append(&pods, &pod->link);
 *         lp_list_each(link, &pods) { struct lp_pod *pod = lp_of(link, struct lp_pod, link); ... }
 * Rule    lp_list_each lets the body remove the current link, no other
 */
#ifndef LP_BASE_LIST_H
#define LP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct lp_list {
	struct lp_list *next, *prev;	/* both NULL before init */
};

static inline void
lp_list_init(struct lp_list *list)
{
	list->next = list->prev = list;
}

static inline bool
lp_list_empty(const struct lp_list *list)
{
	return list->next == list || !list->next;
}

static inline void
lp_list_insert_before(struct lp_list *where, struct lp_list *link)
{
	link->next = where;
	link->prev = where->prev;
	where->prev->next = link;
	where->prev = link;
}

static inline void
lp_list_append(struct lp_list *list, struct lp_list *link)
{
	lp_list_insert_before(list, link);
}

static inline void
lp_list_prepend(struct lp_list *list, struct lp_list *link)
{
	lp_list_insert_before(list->next, link);
}

/* Safe on a link that is in no list (initialised or zeroed). */
static inline void
lp_list_remove(struct lp_list *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	lp_list_init(link);
}

static inline struct lp_list *
lp_list_first(const struct lp_list *list)
{
	return lp_list_empty(list) ? NULL : list->next;
}

#define lp_list_each(link, list)                                                                    \
	for (struct lp_list *link = (list)->next, *lp_next_##link = link->next; link != (list); \
	     link = lp_next_##link, lp_next_##link = link->next)

#endif

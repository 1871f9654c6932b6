/*
 * manager/store/store.c - one call each, to whichever store was opened.
 */
#include "manager/store/store.h"

int
lp_store_load(struct lp_store *store, const struct lp_store_reader *reader, int64_t *out_revision, struct lp_err *err)
{
	return store->ops->load(store, reader, out_revision, err);
}

void
lp_store_submit(struct lp_store *store, struct lp_store_write *write)
{
	store->ops->submit(store, write);
}

void
lp_store_close(struct lp_store *store)
{
	if (store)
		store->ops->close(store);
}

#include "tests/world/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "tests/harness.h"

struct row {
	char *text;
	size_t len;
	int64_t revision;
};

struct front {
	struct lp_store store;
	struct lp_ledger *ledger;
	struct lp_loop *loop;
	struct lp_defer commit;
	struct lp_list queue;		/* struct lp_store_write */
};

void
lp_ledger_init(struct lp_ledger *ledger)
{
	*ledger = (struct lp_ledger){ .revision = 0 };
	lp_map_init(&ledger->rows);
}

static void
row_free(struct row *row)
{
	if (row)
		free(row->text);
	free(row);
}

void
lp_ledger_fini(struct lp_ledger *ledger)
{
	size_t pos = 0;
	void *row;

	while (lp_map_next(&ledger->rows, &pos, NULL, &row))
		row_free(row);
	lp_map_fini(&ledger->rows);
}

static int
load(struct lp_store *store, const struct lp_store_reader *reader, int64_t *out_revision, struct lp_err *err)
{
	struct lp_ledger *ledger = lp_of(store, struct front, store)->ledger;
	const char *key;
	size_t pos = 0;
	void *value;

	while (lp_map_next(&ledger->rows, &pos, &key, &value)) {
		struct row *row = value;
		int rc = reader->object(reader->arg, key, row->text, row->len, row->revision, err);

		if (rc < 0)
			return rc;
	}
	*out_revision = ledger->revision;
	return 0;
}

static int
judge(const struct lp_store_write *write, const struct row *row)
{
	if (!row)
		return write->expect > 0 || write->verb == LP_STORE_DELETE ? -ENOENT : 0;
	if (write->expect == LP_STORE_EXPECT_NONE)
		return -EEXIST;
	return write->expect > 0 && write->expect != row->revision ? -ESTALE : 0;
}

static void
commit_one(struct lp_ledger *ledger, struct lp_store_write *write)
{
	struct row *row = lp_map_get(&ledger->rows, write->key);
	void *old = NULL;

	write->rc = judge(write, row);
	if (write->rc < 0) {
		lp_err_set(&write->err, write->rc, "%s", write->key);
		return;
	}
	write->revision = ++ledger->revision;
	ledger->commits++;
	if (write->verb == LP_STORE_DELETE) {
		row_free(lp_map_remove(&ledger->rows, write->key));
		return;
	}
	row = calloc(1, sizeof(*row));
	CHECK(row != NULL);
	row->text = malloc(write->len + 1);
	CHECK(row->text != NULL);
	memcpy(row->text, write->text, write->len);
	row->text[write->len] = '\0';
	row->len = write->len;
	row->revision = write->revision;
	CHECK_INT(lp_map_put(&ledger->rows, write->key, row, &old), 0);
	row_free(old);
}

static void
commit(struct lp_defer *defer, int64_t now_ms)
{
	struct front *front = lp_of(defer, struct front, commit);
	struct lp_list *link;

	while ((link = lp_list_first(&front->queue))) {
		struct lp_store_write *write = lp_of(link, struct lp_store_write, link);

		lp_list_remove(link);
		commit_one(front->ledger, write);
		write->done(write, now_ms);
	}
}

static void
submit(struct lp_store *store, struct lp_store_write *write)
{
	struct front *front = lp_of(store, struct front, store);

	lp_list_append(&front->queue, &write->link);
	lp_loop_defer(front->loop, &front->commit, commit);
}

static void
close_front(struct lp_store *store)
{
	struct front *front = lp_of(store, struct front, store);

	commit(&front->commit, lp_loop_now(front->loop));
	lp_defer_cancel(&front->commit);
	free(front);
}

struct lp_store *
lp_ledger_open(struct lp_ledger *ledger, struct lp_loop *loop)
{
	static const struct lp_store_ops ops = { load, submit, close_front };
	struct front *front = calloc(1, sizeof(*front));

	CHECK(front != NULL);
	front->store.ops = &ops;
	front->ledger = ledger;
	front->loop = loop;
	lp_list_init(&front->queue);
	lp_list_init(&front->commit.link);
	return &front->store;
}

bool
lp_ledger_busy(const struct lp_store *store)
{
	return !lp_list_empty(&lp_of(store, struct front, store)->queue);
}

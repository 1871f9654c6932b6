/*
 * manager/store/store.h - where objects survive: the interface, and the choice of an implementation.
 *
 * Shape   one text per key; keys are "<group or core>/<plural>/<namespace or empty>/<name>"; one counter of revisions for
 *         everything. The text has no resourceVersion: it is the revision, known only after the write
 * Rule    every write gets its own revision; what a turn of the loop submits is committed together; done() is called from
 *         the loop, in the order of revisions, only after the commit is durable. Only done() may change the cache or reply
 * Safety  each write is a compare-and-set on its own key (`expect`), so that SQLite and etcd mean the same
 * Errors  -EEXIST something is there, -ENOENT nothing is there, -ESTALE another revision is there, -ENOSPC disk full,
 *         -EIO the store is broken: the manager must stop and start again, because it cannot know what was written
 */
#ifndef LP_MANAGER_STORE_H
#define LP_MANAGER_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"

struct lp_store;
struct lp_store_write;

enum lp_store_verb { LP_STORE_PUT, LP_STORE_DELETE };

#define LP_STORE_EXPECT_ANY (-1)	/* PUT: replace or create; DELETE: must exist */
#define LP_STORE_EXPECT_NONE 0		/* PUT: create only */

typedef void (*lp_store_done_fn)(struct lp_store_write *write, int64_t now_ms);

/* One write; the caller's memory, untouched by the caller from submit to done. */
struct lp_store_write {
	struct lp_list link;
	enum lp_store_verb verb;
	const char *key;
	const char *text;		/* PUT; NULL for DELETE */
	size_t len;
	int64_t expect;			/* revision that must be there, or LP_STORE_EXPECT_* */
	lp_store_done_fn done;
	/* results, valid in done() */
	int64_t revision;		/* the new revision; deletions have one too */
	int rc;				/* 0 or one of the errors above */
	struct lp_err err;
};

/* What a start reads back. A callback that returns a negative errno ends the loading with it. */
struct lp_store_reader {
	void *arg;
	/* every living object, by key */
	int (*object)(void *arg, const char *key, const char *text, size_t len, int64_t revision, struct lp_err *err);
	/* then recent history, newest first: what stood there before the change (old_text NULL: it was created);
	 * may be NULL */
	int (*event)(void *arg, int64_t revision, const char *key, const char *old_text, size_t old_len,
	    int64_t old_revision, struct lp_err *err);
};

/* What an implementation provides. */
struct lp_store_ops {
	int (*load)(struct lp_store *store, const struct lp_store_reader *reader, int64_t *out_revision, struct lp_err *err);
	void (*submit)(struct lp_store *store, struct lp_store_write *write);
	void (*close)(struct lp_store *store);
};

struct lp_store {
	const struct lp_store_ops *ops;
};

/* Read everything; once, before the first write. *out_revision is the last revision given out. */
int lp_store_load(struct lp_store *store, const struct lp_store_reader *reader, int64_t *out_revision, struct lp_err *err);

/* Queue one write. It never fails here: what goes wrong is told in done(). */
void lp_store_submit(struct lp_store *store, struct lp_store_write *write);

/* Finish what is queued, call the remaining done(), close and free. NULL is allowed. */
void lp_store_close(struct lp_store *store);

/*
 * SQLite in the file `name` below the directory dir_fd (WAL, synchronous=FULL, one writer thread). history: how many of the
 * last changes are kept for watchers that come back after a restart; 0 = none.
 * -EBADMSG the file is damaged; -EPROTONOSUPPORT made by a newer version.
 */
int lp_store_sqlite_open(struct lp_loop *loop, int dir_fd, const char *name, int64_t history, struct lp_store **out,
    struct lp_err *err);

#endif

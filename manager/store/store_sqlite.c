/*
 * manager/store/store_sqlite.c - the embedded store: one SQLite file, one writer thread.
 *
 * Theory  submit() queues; the thread takes everything that is queued into one transaction (BEGIN IMMEDIATE … COMMIT, WAL,
 *         synchronous=FULL), so a burst costs one fsync. Each write finds its own row, compares the revision, and either
 *         fails alone or takes the next revision. What stood there before goes to `history` under the new revision, so a
 *         restarted manager can rebuild its recent changes: the newest state is in `objects`, older ones are one step back.
 *         Results go back through an eventfd; done() runs on the loop, in order.
 * Lock    locking_mode=EXCLUSIVE: a second manager on the same file is refused, and there is no shared-memory file
 * Broken  a COMMIT that fails otherwise than by a full disk leaves unknown what is on the disk (a failed fsync may still
 *         reach it): nothing is written any more, every write fails with -EIO, and only a new start reads the truth
 * Source  sqlite.org/wal.html, sqlite.org/atomiccommit.html; TRUST.md rule 10
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/auto.h"
#include "base/seam.h"
#include "manager/store/store.h"

#define SCHEMA 1

enum statement {
	BEGIN, COMMIT, ROLLBACK, FIND, INSERT, UPDATE, REMOVE, REMEMBER, FORGET, SET_META, GET_META, ALL, EVENTS,
	STATEMENTS
};

static const char *const statement_text[STATEMENTS] = {
	[BEGIN]    = "BEGIN IMMEDIATE",
	[COMMIT]   = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[FIND]     = "SELECT revision, body FROM objects WHERE key = ?1",
	[INSERT]   = "INSERT INTO objects (key, revision, body) VALUES (?1, ?2, ?3)",
	[UPDATE]   = "UPDATE objects SET revision = ?2, body = ?3 WHERE key = ?1",
	[REMOVE]   = "DELETE FROM objects WHERE key = ?1",
	[REMEMBER] = "INSERT INTO history (revision, key, old_revision, old_body) VALUES (?1, ?2, ?3, ?4)",
	[FORGET]   = "DELETE FROM history WHERE revision <= ?1",
	[SET_META] = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
	[GET_META] = "SELECT value FROM meta WHERE name = ?1",
	[ALL]      = "SELECT key, body, revision FROM objects ORDER BY key",
	[EVENTS]   = "SELECT revision, key, old_revision, old_body FROM history ORDER BY revision DESC",
};

static const char schema_text[] =
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS history (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, old_revision INTEGER,"
    " old_body TEXT) STRICT;";

struct sqlite_store {
	struct lp_store store;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	int64_t revision;		/* last one given out; the thread's, after load */
	int64_t history;		/* changes kept; 0 none */
	bool loaded;
	bool broken;			/* the thread's: a commit failed in an unknown way */

	struct lp_watch done_watch;
	int done_fd;			/* eventfd */
	pthread_t thread;
	bool started;			/* the thread runs */
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t wake;
	struct lp_list queue, finished;
	bool stopping;			/* the thread ends when the queue is empty */
	bool closed;			/* the thread has ended: what is submitted now is refused */
};

static struct sqlite_store *
sqlite_of(struct lp_store *store)
{
	return lp_of(store, struct sqlite_store, store);
}

/* SQLite's result as our errno. */
static int
code_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		return -EIO;
	}
}

static int
fail(struct sqlite_store *store, int result, const char *what, struct lp_err *err)
{
	return lp_err_say(err, code_of(result), "store: %s: %s", what,
	    store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(result));
}

/* Run a statement that returns nothing. Its bindings are forgotten. */
static int
run(struct sqlite_store *store, enum statement which)
{
	sqlite3_stmt *statement = store->statements[which];
	int result = sqlite3_step(statement);

	(void)sqlite3_reset(statement);		/* repeats the step's failure, which is returned */
	(void)sqlite3_clear_bindings(statement);
	return result;
}

static int
set_meta(struct sqlite_store *store, const char *name, int64_t value)
{
	sqlite3_bind_text(store->statements[SET_META], 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(store->statements[SET_META], 2, value);
	return run(store, SET_META);
}

static int64_t
get_meta(struct sqlite_store *store, const char *name, int64_t fallback)
{
	sqlite3_stmt *statement = store->statements[GET_META];
	int64_t value = fallback;

	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement);		/* a lookup that failed is the fallback */
	(void)sqlite3_clear_bindings(statement);
	return value;
}

/* ---- one write, in the thread, inside the transaction */

/* Does what is there agree with the expectation? */
static int
compare(const struct lp_store_write *write, bool there, int64_t revision)
{
	if (write->expect > 0)
		return !there ? -ENOENT : revision != write->expect ? -ESTALE : 0;
	if (write->expect == LP_STORE_EXPECT_NONE && there)
		return -EEXIST;
	if (write->verb == LP_STORE_DELETE && !there)
		return -ENOENT;
	return 0;
}

static int
remember(struct sqlite_store *store, const struct lp_store_write *write, int64_t revision, bool there, sqlite3_stmt *found)
{
	sqlite3_stmt *statement = store->statements[REMEMBER];

	sqlite3_bind_int64(statement, 1, revision);
	sqlite3_bind_text(statement, 2, write->key, -1, SQLITE_STATIC);
	if (there) {
		sqlite3_bind_int64(statement, 3, sqlite3_column_int64(found, 0));
		sqlite3_bind_value(statement, 4, sqlite3_column_value(found, 1));
	}
	return run(store, REMEMBER);
}

static int
change(struct sqlite_store *store, const struct lp_store_write *write, int64_t revision, bool there)
{
	enum statement which = write->verb == LP_STORE_DELETE ? REMOVE : there ? UPDATE : INSERT;
	sqlite3_stmt *statement = store->statements[which];

	sqlite3_bind_text(statement, 1, write->key, -1, SQLITE_STATIC);
	if (which != REMOVE) {
		sqlite3_bind_int64(statement, 2, revision);
		sqlite3_bind_text64(statement, 3, write->text, write->len, SQLITE_STATIC, SQLITE_UTF8);
	}
	return run(store, which);
}

/* Returns SQLite's result; a lost compare is a result of the write, not of SQLite. */
static int
apply(struct sqlite_store *store, struct lp_store_write *write)
{
	sqlite3_stmt *find = store->statements[FIND];
	int64_t revision = store->revision + 1;
	int result;

	sqlite3_bind_text(find, 1, write->key, -1, SQLITE_STATIC);
	result = sqlite3_step(find);
	if (result == SQLITE_ROW || result == SQLITE_DONE) {
		bool there = result == SQLITE_ROW;

		write->rc = compare(write, there, there ? sqlite3_column_int64(find, 0) : 0);
		result = SQLITE_DONE;
		if (write->rc == 0 && store->history > 0)
			result = remember(store, write, revision, there, find);
		(void)sqlite3_reset(find);
		if (write->rc == 0 && result == SQLITE_DONE)
			result = change(store, write, revision, there);
	} else {
		(void)sqlite3_reset(find);	/* the failure is in result */
	}
	if (write->rc < 0) {
		lp_err_set(&write->err, write->rc, "store %s", write->key);
		return result;
	}
	if (result == SQLITE_DONE)
		store->revision = write->revision = revision;
	return result;
}

static int
apply_all(struct sqlite_store *store, struct lp_list *batch)
{
	int result = run(store, BEGIN);

	if (result != SQLITE_DONE)
		return result;
	lp_list_each(link, batch) {
		result = apply(store, lp_of(link, struct lp_store_write, link));
		if (result != SQLITE_DONE)
			return result;
	}
	if (store->history > 0 && store->revision > store->history) {
		sqlite3_bind_int64(store->statements[FORGET], 1, store->revision - store->history);
		result = run(store, FORGET);
		if (result != SQLITE_DONE)
			return result;
	}
	result = set_meta(store, "revision", store->revision);
	return result;
}

/* Everything in the batch is refused for one reason. */
static void
refuse_all(struct lp_list *batch, const struct lp_err *why)
{
	lp_list_each(link, batch) {
		struct lp_store_write *write = lp_of(link, struct lp_store_write, link);

		write->rc = why->code;
		write->revision = 0;
		write->err = *why;
	}
}

static void
commit(struct sqlite_store *store, struct lp_list *batch)
{
	int64_t before = store->revision;
	struct lp_err err = { 0 };
	int result;

	if (store->broken) {
		lp_err_say(&err, -EIO, "store: broken by an earlier failure");
		refuse_all(batch, &err);
		return;
	}
	result = apply_all(store, batch);
	if (result == SQLITE_DONE) {
		result = run(store, COMMIT);
		/* a full disk stopped it before the commit mark; whatever else failed may or may not be on the disk */
		if (result != SQLITE_DONE && code_of(result) != -ENOSPC)
			store->broken = true;
	}
	if (result == SQLITE_DONE)
		return;
	fail(store, result, "commit", &err);
	if (store->broken)
		err.code = -EIO;
	if (!sqlite3_get_autocommit(store->db) && run(store, ROLLBACK) != SQLITE_DONE)
		store->broken = true;
	store->revision = before;
	refuse_all(batch, &err);
}

/* ---- the thread and its queue */

static void
move_all(struct lp_list *from, struct lp_list *to)
{
	lp_list_each(link, from) {
		lp_list_remove(link);
		lp_list_append(to, link);
	}
}

static void
ring(struct sqlite_store *store)
{
	uint64_t one = 1;

	/* an eventfd refuses only when it is full, and then it is readable anyway */
	(void)!write(store->done_fd, &one, sizeof(one));
}

static void *
thread_main(void *arg)
{
	struct sqlite_store *store = arg;
	struct lp_list batch;

	lp_list_init(&batch);
	pthread_mutex_lock(&store->lock);
	for (;;) {
		while (lp_list_empty(&store->queue) && !store->stopping)
			pthread_cond_wait(&store->wake, &store->lock);
		if (lp_list_empty(&store->queue))
			break;
		move_all(&store->queue, &batch);
		pthread_mutex_unlock(&store->lock);
		commit(store, &batch);
		pthread_mutex_lock(&store->lock);
		move_all(&batch, &store->finished);
		ring(store);
	}
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

static void
deliver(struct sqlite_store *store, int64_t now_ms)
{
	for (;;) {
		struct lp_list *link;

		pthread_mutex_lock(&store->lock);
		link = lp_list_first(&store->finished);
		if (link)
			lp_list_remove(link);
		pthread_mutex_unlock(&store->lock);
		if (!link)
			return;
		lp_of(link, struct lp_store_write, link)->done(lp_of(link, struct lp_store_write, link), now_ms);
	}
}

static void
rung(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct sqlite_store *store = lp_of(watch, struct sqlite_store, done_watch);
	uint64_t count;

	(void)events;
	(void)!read(store->done_fd, &count, sizeof(count));	/* only empties it; the list says what is done */
	deliver(store, now_ms);
}

static int
start_thread(struct sqlite_store *store, struct lp_err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);	/* signals are the loop's */
	rc = pthread_create(&store->thread, NULL, thread_main, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return lp_err_set(err, -rc, "start the store's thread");
	store->started = true;
	return 0;
}

static void
submit(struct lp_store *base, struct lp_store_write *write)
{
	struct sqlite_store *store = sqlite_of(base);

	write->rc = 0;
	write->revision = 0;
	lp_err_clear(&write->err);
	pthread_mutex_lock(&store->lock);
	if (store->closed) {
		write->rc = lp_err_say(&write->err, -ECANCELED, "store: closing");
		lp_list_append(&store->finished, &write->link);
	} else {
		lp_list_append(&store->queue, &write->link);
		pthread_cond_signal(&store->wake);
	}
	pthread_mutex_unlock(&store->lock);
}

/* ---- load */

static int
load_objects(struct sqlite_store *store, const struct lp_store_reader *reader, struct lp_err *err)
{
	sqlite3_stmt *all = store->statements[ALL];
	int rc = 0, result;

	while ((result = sqlite3_step(all)) == SQLITE_ROW && rc == 0)
		rc = reader->object(reader->arg, (const char *)sqlite3_column_text(all, 0),
		    (const char *)sqlite3_column_text(all, 1), (size_t)sqlite3_column_bytes(all, 1),
		    sqlite3_column_int64(all, 2), err);
	(void)sqlite3_reset(all);		/* the failure is in result */
	if (rc < 0)
		return rc;
	return result == SQLITE_DONE ? 0 : fail(store, result, "read objects", err);
}

/* Newest first, and only as far as no revision is missing. */
static int
load_events(struct sqlite_store *store, const struct lp_store_reader *reader, struct lp_err *err)
{
	sqlite3_stmt *events = store->statements[EVENTS];
	int64_t expected = store->revision;
	int rc = 0, result = SQLITE_DONE;

	while (rc == 0 && (result = sqlite3_step(events)) == SQLITE_ROW) {
		if (sqlite3_column_int64(events, 0) != expected--) {
			result = SQLITE_DONE;
			break;
		}
		rc = reader->event(reader->arg, expected + 1, (const char *)sqlite3_column_text(events, 1),
		    (const char *)sqlite3_column_text(events, 3), (size_t)sqlite3_column_bytes(events, 3),
		    sqlite3_column_int64(events, 2), err);
	}
	(void)sqlite3_reset(events);		/* the failure is in result */
	if (rc < 0)
		return rc;
	return result == SQLITE_DONE ? 0 : fail(store, result, "read history", err);
}

static int
load(struct lp_store *base, const struct lp_store_reader *reader, int64_t *out_revision, struct lp_err *err)
{
	struct sqlite_store *store = sqlite_of(base);
	int rc;

	if (store->loaded)
		return lp_err_say(err, -EBUSY, "store: loaded already");
	store->revision = get_meta(store, "revision", 0);
	rc = load_objects(store, reader, err);
	if (rc == 0 && reader->event && store->history > 0)
		rc = load_events(store, reader, err);
	if (rc == 0)
		rc = start_thread(store, err);
	if (rc < 0)
		return rc;
	store->loaded = true;
	*out_revision = store->revision;
	return 0;
}

/* ---- open and close */

static void
sqlite_free(struct sqlite_store *store)
{
	lp_watch_stop(&store->done_watch);
	lp_close(&store->done_fd);
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	(void)sqlite3_close(store->db);		/* what was acknowledged is in the log already */
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

static void
close_store(struct lp_store *base)
{
	struct sqlite_store *store = sqlite_of(base);

	if (store->started) {
		pthread_mutex_lock(&store->lock);
		store->stopping = true;
		pthread_cond_signal(&store->wake);
		pthread_mutex_unlock(&store->lock);
		pthread_join(store->thread, NULL);
		store->closed = true;
		deliver(store, lp_seam.boot_ms());
		if (!store->broken)
			(void)set_meta(store, "clean", 1);	/* else the next start checks, which is safe */
	}
	sqlite_free(store);
}

/* The pragma must now have this value: SQLite ignores what it cannot do. */
static int
pragma(struct sqlite_store *store, const char *name, const char *value, const char *want, struct lp_err *err)
{
	sqlite3_stmt *statement = NULL;
	char text[96];
	const char *got = NULL;
	int result, rc = 0;

	(void)snprintf(text, sizeof(text), "PRAGMA %s = %s", name, value);
	result = sqlite3_exec(store->db, text, NULL, NULL, NULL);
	if (result != SQLITE_OK)
		return fail(store, result, name, err);
	(void)snprintf(text, sizeof(text), "PRAGMA %s", name);
	result = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
	if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		got = (const char *)sqlite3_column_text(statement, 0);
	if (!got || strcmp(got, want) != 0)
		rc = lp_err_say(err, -EIO, "store: %s is %s, not %s", name, got ? got : "unknown", want);
	sqlite3_finalize(statement);
	return rc;
}

static int
check_integrity(struct sqlite_store *store, struct lp_err *err)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(1)", -1, &statement, NULL);
	const char *said = NULL;
	int rc = 0;

	if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(statement, 0);
	if (!said || strcmp(said, "ok") != 0)
		rc = lp_err_say(err, -EBADMSG, "store: the file is damaged: %s", said ? said : sqlite3_errmsg(store->db));
	sqlite3_finalize(statement);
	return rc;
}

static int
open_pragmas(struct sqlite_store *store, struct lp_err *err)
{
	static const struct {
		const char *name, *value, *want;
	} rows[] = {
		{ "locking_mode",       "EXCLUSIVE", "exclusive" },
		{ "journal_mode",       "WAL",       "wal" },
		{ "synchronous",        "FULL",      "2" },
		{ "foreign_keys",       "ON",        "1" },
		{ "trusted_schema",     "OFF",       "0" },
		{ "wal_autocheckpoint", "500",       "500" },
		{ "journal_size_limit", "4194304",   "4194304" },
		{ "cache_size",         "-1024",     "-1024" },
		{ "temp_store",         "MEMORY",    "2" },
	};

	for (size_t i = 0; i < lp_count(rows); i++)
		if (pragma(store, rows[i].name, rows[i].value, rows[i].want, err) < 0)
			return lp_err_wrap(err, "open");
	return 0;
}

static int
open_schema(struct sqlite_store *store, struct lp_err *err)
{
	int result = sqlite3_exec(store->db, schema_text, NULL, NULL, NULL);
	int64_t schema, clean;

	if (result != SQLITE_OK)
		return fail(store, result, "make tables", err);
	for (size_t i = 0; i < STATEMENTS; i++) {
		result = sqlite3_prepare_v3(store->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
		    &store->statements[i], NULL);
		if (result != SQLITE_OK)
			return fail(store, result, "prepare", err);
	}
	schema = get_meta(store, "schema", 0);
	if (schema > SCHEMA)
		return lp_err_say(err, -EPROTONOSUPPORT, "store: made by a newer version (schema %" PRId64 ")", schema);
	clean = get_meta(store, "clean", 1);
	if (!clean && check_integrity(store, err) < 0)
		return err ? err->code : -EBADMSG;
	if (schema != SCHEMA && (result = set_meta(store, "schema", SCHEMA)) != SQLITE_DONE)
		return fail(store, result, "write schema", err);
	if (clean && (result = set_meta(store, "clean", 0)) != SQLITE_DONE)
		return fail(store, result, "mark as in use", err);
	if (store->history == 0) {
		sqlite3_bind_int64(store->statements[FORGET], 1, INT64_MAX);
		result = run(store, FORGET);
		if (result != SQLITE_DONE)
			return fail(store, result, "forget history", err);
	}
	return 0;
}

static int
open_file(struct sqlite_store *store, int dir_fd, const char *name, struct lp_err *err)
{
	char path[PATH_MAX];
	int result;

	if ((size_t)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name) >= sizeof(path))
		return lp_err_say(err, -ENAMETOOLONG, "store: file name is too long");
	result = sqlite3_open_v2(path, &store->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (result != SQLITE_OK)
		return fail(store, result, "open", err);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);	/* an extra guard, not needed */
	if (open_pragmas(store, err) < 0)
		return err && err->code == -EBUSY ? lp_err_say(err, -EBUSY, "store: %s is in use by another manager", name) :
		    err ? err->code : -EIO;
	return open_schema(store, err);
}

static const struct lp_store_ops sqlite_ops = { .load = load, .submit = submit, .close = close_store };

int
lp_store_sqlite_open(struct lp_loop *loop, int dir_fd, const char *name, int64_t history, struct lp_store **out,
    struct lp_err *err)
{
	struct sqlite_store *store = lp_seam.alloc(sizeof(*store));
	struct lp_err why = { 0 };
	int rc;

	if (!store)
		return lp_err_set(err, -ENOMEM, "open store");
	store->store.ops = &sqlite_ops;
	store->history = history;
	lp_list_init(&store->queue);
	lp_list_init(&store->finished);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->wake, NULL);
	store->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = store->done_fd < 0 ? lp_err_set(&why, -errno, "open store: eventfd") : 0;
	if (rc == 0)
		rc = open_file(store, dir_fd, name, &why);
	if (rc == 0)
		rc = lp_watch_start(loop, &store->done_watch, store->done_fd, EPOLLIN, rung, &why);
	if (rc < 0) {
		sqlite_free(store);
		if (err)
			*err = why;
		return rc;
	}
	*out = &store->store;
	return 0;
}

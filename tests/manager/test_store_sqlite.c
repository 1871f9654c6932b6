#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "manager/store/store.h"
#include "tests/harness.h"

#define TURNS_MAX 2000

struct rig {
	struct lp_loop *loop;
	struct lp_store *store;
	int dir;
	int64_t revision;
	int objects, events;
	char last_key[64], last_text[64], event_old[64];
};

static int done_count;
static int64_t done_order[64];

static void
done(struct lp_store_write *write, int64_t now_ms)
{
	(void)now_ms;
	done_order[done_count++ % 64] = write->revision;
}

static int
read_object(void *arg, const char *key, const char *text, size_t len, int64_t revision, struct lp_err *err)
{
	struct rig *rig = arg;

	(void)err;
	(void)revision;
	rig->objects++;
	(void)snprintf(rig->last_key, sizeof(rig->last_key), "%s", key);
	(void)snprintf(rig->last_text, sizeof(rig->last_text), "%.*s", (int)len, text);
	return 0;
}

static int
read_event(void *arg, int64_t revision, const char *key, const char *old_text, size_t old_len, int64_t old_revision,
    struct lp_err *err)
{
	struct rig *rig = arg;

	(void)err;
	(void)key;
	(void)old_revision;
	CHECK_INT(revision, rig->revision ? rig->revision - rig->events : revision);
	if (rig->events++ == 0)
		(void)snprintf(rig->event_old, sizeof(rig->event_old), "%.*s", (int)old_len, old_text ? old_text : "none");
	return 0;
}

static void
rig_open(struct rig *rig, int64_t history)
{
	struct lp_store_reader reader = { rig, read_object, read_event };
	struct lp_err err;

	*rig = (struct rig){ .dir = -1 };
	done_count = 0;
	CHECK_OK(lp_loop_new(&rig->loop, &err), &err);
	CHECK_OK(lp_path_root(lp_test_dir(), true, &rig->dir, &err), &err);
	CHECK_OK(lp_store_sqlite_open(rig->loop, rig->dir, "store.db", history, &rig->store, &err), &err);
	CHECK_OK(lp_store_load(rig->store, &reader, &rig->revision, &err), &err);
}

static void
rig_close(struct rig *rig)
{
	lp_store_close(rig->store);
	lp_loop_free(rig->loop);
	close(rig->dir);
}

static void
wait_done(struct rig *rig, int count)
{
	for (int i = 0; done_count < count; i++) {
		CHECK(i < TURNS_MAX);
		CHECK_OK(lp_loop_turn(rig->loop, 100, NULL), NULL);
	}
}

static struct lp_store_write
put(const char *key, const char *text, int64_t expect)
{
	return (struct lp_store_write){ .verb = LP_STORE_PUT, .key = key, .text = text, .len = strlen(text), .expect = expect,
		.done = done };
}

TEST(what_was_written_is_there_after_a_restart)
{
	struct lp_store_write write = put("core/pods/default/a", "{\"a\":1}", 0);
	struct rig rig;

	rig_open(&rig, 10);
	CHECK_INT(rig.revision, 0);
	lp_store_submit(rig.store, &write);
	wait_done(&rig, 1);
	CHECK_OK(write.rc, &write.err);
	CHECK_INT(write.revision, 1);
	rig_close(&rig);
	rig_open(&rig, 10);
	CHECK_INT(rig.objects, 1);
	CHECK_STR(rig.last_key, "core/pods/default/a");
	CHECK_STR(rig.last_text, "{\"a\":1}");
	rig_close(&rig);
}

TEST(every_write_has_its_own_revision_and_done_comes_in_that_order)
{
	struct lp_store_write writes[20];
	char keys[20][32];
	struct rig rig;

	rig_open(&rig, 0);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "core/pods/default/%d", i);
		writes[i] = put(keys[i], "{}", 0);
		lp_store_submit(rig.store, &writes[i]);
	}
	wait_done(&rig, 20);
	for (int i = 0; i < 20; i++)
		CHECK_INT(done_order[i], i + 1);
	rig_close(&rig);
}

TEST(a_write_whose_expectation_is_wrong_fails_alone)
{
	struct lp_store_write first = put("k", "1", 0), again = put("k", "2", 0), stale = put("k", "3", 7),
	    gone = { .verb = LP_STORE_DELETE, .key = "x", .expect = -1, .done = done }, good = put("k", "4", 1);
	struct rig rig;

	rig_open(&rig, 10);
	lp_store_submit(rig.store, &first);
	lp_store_submit(rig.store, &again);
	lp_store_submit(rig.store, &stale);
	lp_store_submit(rig.store, &gone);
	lp_store_submit(rig.store, &good);
	wait_done(&rig, 5);
	CHECK_OK(first.rc, &first.err);
	CHECK_ERR(again.rc, -EEXIST);
	CHECK_ERR(stale.rc, -ESTALE);
	CHECK_ERR(gone.rc, -ENOENT);
	CHECK_OK(good.rc, &good.err);
	CHECK_INT(good.revision, 2);
	rig_close(&rig);
}

TEST(history_says_what_stood_there_before_and_is_as_long_as_asked)
{
	struct lp_store_write first = put("k", "one", 0), second = put("k", "two", 1), third = put("k", "three", 2);
	struct rig rig;

	rig_open(&rig, 2);
	lp_store_submit(rig.store, &first);
	lp_store_submit(rig.store, &second);
	lp_store_submit(rig.store, &third);
	wait_done(&rig, 3);
	rig_close(&rig);
	rig_open(&rig, 2);
	CHECK_INT(rig.events, 2);
	CHECK_STR(rig.event_old, "two");
	CHECK_STR(rig.last_text, "three");
	rig_close(&rig);
}

TEST(a_deletion_has_a_revision_that_is_never_given_again)
{
	struct lp_store_write write = put("k", "one", 0), gone = { .verb = LP_STORE_DELETE, .key = "k", .expect = 1, .done = done };
	struct rig rig;

	rig_open(&rig, 2);
	lp_store_submit(rig.store, &write);
	lp_store_submit(rig.store, &gone);
	wait_done(&rig, 2);
	CHECK_INT(gone.revision, 2);
	rig_close(&rig);
	rig_open(&rig, 2);
	CHECK_INT(rig.revision, 2);
	CHECK_INT(rig.objects, 0);
	rig_close(&rig);
}

TEST(a_second_manager_on_the_same_file_is_refused)
{
	struct lp_store *other;
	struct lp_err err;
	struct rig rig;

	rig_open(&rig, 2);
	if (fork() == 0) {
		struct lp_loop *loop;
		int rc = lp_loop_new(&loop, &err);

		if (rc == 0)
			rc = lp_store_sqlite_open(loop, rig.dir, "store.db", 2, &other, &err);
		_exit(rc == -EBUSY ? 42 : 1);
	}
	int status;

	CHECK(wait(&status) > 0);
	CHECK_INT(WEXITSTATUS(status), 42);
	rig_close(&rig);
}

TEST(a_damaged_file_is_refused_with_words)
{
	struct lp_store *store;
	struct lp_loop *loop;
	struct lp_err err;
	int dir;

	(void)lp_test_file("store.db", "this is no database, not even nearly one, but it is long enough to be read as a header of it",
	    SIZE_MAX);
	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_path_root(lp_test_dir(), true, &dir, &err), &err);
	CHECK_ERR(lp_store_sqlite_open(loop, dir, "store.db", 2, &store, &err), -EBADMSG);
	CHECK_HAS(err.text, "store");
	close(dir);
	lp_loop_free(loop);
}

TEST(acknowledged_writes_survive_the_death_of_the_process)
{
	struct rig rig;
	int pipes[2], acknowledged = 0, status;
	char byte;

	CHECK_OK(pipe(pipes), NULL);
	if (fork() == 0) {
		struct lp_store_write one;
		char key[32];

		rig_open(&rig, 10);
		for (int i = 0; i < 50; i++) {
			(void)snprintf(key, sizeof(key), "k%03d", i);
			one = put(key, "x", 0);
			lp_store_submit(rig.store, &one);
			wait_done(&rig, i + 1);
			if (one.rc < 0 || write(pipes[1], "a", 1) != 1)
				_exit(1);
			if (i == 37)
				raise(SIGKILL);
		}
		_exit(1);
	}
	close(pipes[1]);
	while (read(pipes[0], &byte, 1) == 1)
		acknowledged++;
	CHECK(wait(&status) > 0);
	CHECK_INT(acknowledged, 38);
	rig_open(&rig, 10);
	CHECK_INT(rig.objects, 38);
	CHECK_INT(rig.revision, 38);
	rig_close(&rig);
}

TEST(a_full_disk_refuses_and_loses_nothing_and_room_heals_it)
{
	static char big[40000];
	struct lp_store_write write;
	char keys[200][16];
	const char *where = lp_test_dir();
	int accepted = 0, first_refused = -1;
	struct rig rig;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	CHECK_OK(mount("full", where, "tmpfs", 0, "size=2m"), NULL);
	memset(big, 'x', sizeof(big) - 1);
	rig_open(&rig, 0);
	for (int i = 0; i < 200 && first_refused < 0; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%03d", i);
		write = put(keys[i], big, 0);
		lp_store_submit(rig.store, &write);
		wait_done(&rig, i + 1);
		if (write.rc == 0)
			accepted++;
		else
			first_refused = i;
	}
	CHECK(accepted > 5);
	CHECK_ERR(write.rc, -ENOSPC);
	CHECK_HAS(write.err.text, "full");
	CHECK_OK(mount(NULL, where, NULL, MS_REMOUNT, "size=8m"), NULL);
	write = put(keys[first_refused], big, 0);
	lp_store_submit(rig.store, &write);
	wait_done(&rig, first_refused + 2);
	CHECK_OK(write.rc, &write.err);
	CHECK_INT(write.revision, accepted + 1);
	rig_close(&rig);
	rig_open(&rig, 0);
	CHECK_INT(rig.objects, accepted + 1);
	CHECK_INT(rig.revision, accepted + 1);
	rig_close(&rig);
	CHECK_OK(umount(where), NULL);
}

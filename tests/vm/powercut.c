/*
 * tests/vm/powercut.c - writes what must survive a power cut, and judges what is left after one.
 *
 * Use     powercut write DIR ROUNDS IMAGE...      one node revision, some store writes, one image import per round
 *         powercut check DIR                      0: a state that may be there; 1: says which promise was broken
 * Promise node revision  the acknowledged number or a later one, complete
 *         store          what a prefix of the writes leaves, at least up to the acknowledged one
 *         images         every image that is there is whole, the acknowledged one is there
 * Ack     the file `ack`, one sector overwritten in place with O_DSYNC after the promise was made
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/node/revision.h"
#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "images/images.h"
#include "manager/store/store.h"

#define KEYS 40			/* of the store; later writes replace earlier ones */
#define WRITES 7		/* of the store per round */
#define SECTOR 512

struct ack {
	long long revision, store, image;
};

static void __attribute__((noreturn, format(printf, 2, 3)))
die(const struct lp_err *err, const char *fmt, ...)
{
	va_list args;

	printf("BROKEN ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("%s%s\n", err ? ": " : "", err ? err->text : "");
	exit(1);
}

static int
open_dir(int dir_fd, const char *name)
{
	struct lp_err err;
	int fd;

	if (lp_path_mkdirs(dir_fd, name, 0700, &fd, &err) < 0)
		die(&err, "open %s", name);
	return fd;
}

/* ---- acknowledgements ---- */

static void
write_ack(int fd, const struct ack *ack)
{
	char sector[SECTOR] = "";

	snprintf(sector, sizeof(sector), "%lld %lld %lld\n", ack->revision, ack->store, ack->image);
	if (pwrite(fd, sector, sizeof(sector), 0) != sizeof(sector))
		die(NULL, "ack: %s", strerror(errno));
}

/* Returns false when not even the first one is there. */
static bool
read_ack(int dir_fd, struct ack *out)
{
	char sector[SECTOR] = "";
	int fd = openat(dir_fd, "ack", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, sector, sizeof(sector) - 1);

	if (fd >= 0)
		close(fd);
	return len > 0 && sscanf(sector, "%lld %lld %lld", &out->revision, &out->store, &out->image) == 3;
}

/* ---- node revision: number n names one object that carries n, and one that never changes ---- */

static const struct lp_revision_trust trust = { .node = "n1" };

static struct lp_json *
add_object(struct lp_arena *arena, struct lp_json *rows, struct lp_json *objects, const char *name, long long number)
{
	char digest[LP_DIGEST_TEXT];
	char *text = lp_arena_printf(arena,
	    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"%s\"},"
	    "\"data\":{\"number\":\"%lld\"}}", name, name, number);
	struct lp_json *row = lp_json_append(arena, rows, lp_json_new(arena, LP_JSON_OBJECT));

	lp_digest_print(text, strlen(text), digest);
	(void)lp_json_set_str(arena, row, "kind", "ConfigMap");
	(void)lp_json_set_str(arena, row, "namespace", "default");
	(void)lp_json_set_str(arena, row, "name", name);
	(void)lp_json_set_str(arena, row, "uid", name);
	(void)lp_json_set_str(arena, row, "digest", digest);
	return lp_json_set_str(arena, objects, digest, text);
}

static void
make_line(struct lp_arena *arena, long long number, struct lp_json **out)
{
	struct lp_json *index = lp_json_new(arena, LP_JSON_OBJECT), *line = lp_json_new(arena, LP_JSON_OBJECT);
	struct lp_json *objects = lp_json_set_object(arena, line, "objects"), *rows;
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 1 << 20);
	(void)lp_json_set_str(arena, index, "kind", "NodeRevision");
	(void)lp_json_set_str(arena, index, "node", "n1");
	(void)lp_json_set_int(arena, index, "number", number);
	(void)lp_json_set_str(arena, index, "time", "2026-01-01T00:00:00Z");
	rows = lp_json_set_array(arena, index, "objects");
	(void)add_object(arena, rows, objects, "steady", 0);
	(void)add_object(arena, rows, objects, "changing", number);
	if (arena->failed || lp_json_write(&text, index) < 0)
		die(NULL, "no memory for a revision");
	(void)lp_json_set_str(arena, line, "revision", text.data);
	*out = line;
}

static void
write_revision(int node_fd, long long number, struct lp_revision *former)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_revision next;
	struct lp_json *line;
	struct lp_err err;

	lp_arena_init(&arena, 1 << 20);
	lp_revision_init(&next);
	make_line(&arena, number, &line);
	if (lp_revision_accept(&next, former, line, &trust, &err) < 0)
		die(&err, "revision %lld was not accepted", number);
	if (lp_revision_store(node_fd, &next, former->text ? former : NULL, &err) < 0)
		die(&err, "revision %lld was not stored", number);
	lp_revision_fini(former);
	*former = next;
}

static void
check_revision(int dir_fd, long long acked)
{
	lp_auto_fd int node_fd = open_dir(dir_fd, "node");
	struct lp_revision revision;
	struct lp_err err;
	const struct lp_revision_object *object;
	char number[32];
	int rc;

	lp_revision_init(&revision);
	rc = lp_revision_load(node_fd, &revision, &trust, &err);
	if (rc == -ENOENT && acked == 0)
		return;
	if (rc < 0)
		die(&err, "node revision, acknowledged up to %lld", acked);
	if (revision.number < acked)
		die(NULL, "node revision %" PRId64 " is there, %lld was acknowledged", revision.number, acked);
	object = lp_revision_find(&revision, "ConfigMap", "default", "changing");
	snprintf(number, sizeof(number), "%" PRId64, revision.number);
	if (!object || !lp_text_same(lp_json_str(object->json, "data.number"), number))
		die(NULL, "node revision %s holds another one's object", number);
	lp_revision_fini(&revision);
}

/* ---- store: write n puts the text n under key n % KEYS ---- */

struct batch {
	struct lp_store_write writes[WRITES];
	char keys[WRITES][64], texts[WRITES][128];
	int left;
	struct lp_loop *loop;
};

static struct batch batch;

static void
store_done(struct lp_store_write *write, int64_t now_ms)
{
	(void)now_ms;
	if (write->rc < 0)
		die(&write->err, "store write %s", write->key);
	if (--batch.left == 0)
		lp_loop_stop(batch.loop);
}

static void
write_store(struct lp_loop *loop, struct lp_store *store, long long first)
{
	struct lp_err err;

	batch.loop = loop;
	batch.left = WRITES;
	for (int i = 0; i < WRITES; i++) {
		struct lp_store_write *write = &batch.writes[i];

		snprintf(batch.keys[i], sizeof(batch.keys[i]), "core/configmaps/default/k%lld", (first + i) % KEYS);
		snprintf(batch.texts[i], sizeof(batch.texts[i]), "{\"n\":%lld,\"again\":%lld}", first + i, first + i);
		*write = (struct lp_store_write){ .verb = LP_STORE_PUT, .key = batch.keys[i], .text = batch.texts[i],
			.len = strlen(batch.texts[i]), .expect = LP_STORE_EXPECT_ANY, .done = store_done };
		lp_store_submit(store, write);
	}
	if (lp_loop_run(loop, &err) < 0)
		die(&err, "loop");
}

static int
seen_object(void *arg, const char *key, const char *text, size_t len, int64_t revision, struct lp_err *err)
{
	long long *values = arg, number, again, slot;

	(void)len;
	(void)revision;
	(void)err;
	if (sscanf(key, "core/configmaps/default/k%lld", &slot) != 1 || slot < 0 || slot >= KEYS ||
	    sscanf(text, "{\"n\":%lld,\"again\":%lld}", &number, &again) != 2 || number != again || number % KEYS != slot)
		die(NULL, "the store holds %s = %s", key, text);
	values[slot] = number;
	return 0;
}

/* What is there must be exactly what the first `last` writes leave. */
static void
check_store(int dir_fd, long long acked)
{
	lp_auto_fd int db_fd = open_dir(dir_fd, "db");
	long long values[KEYS] = { 0 }, last = 0;
	struct lp_store_reader reader = { .arg = values, .object = seen_object };
	struct lp_loop *loop;
	struct lp_store *store;
	struct lp_err err;
	int64_t revision = 0;

	if (lp_loop_new(&loop, &err) < 0)
		die(&err, "loop");
	if (lp_store_sqlite_open(loop, db_fd, "db", 100, &store, &err) < 0)
		die(&err, "store, acknowledged up to %lld", acked);
	if (lp_store_load(store, &reader, &revision, &err) < 0)
		die(&err, "store, acknowledged up to %lld", acked);
	for (int i = 0; i < KEYS; i++)
		last = values[i] > last ? values[i] : last;
	if (last < acked)
		die(NULL, "the store ends with write %lld, %lld was acknowledged", last, acked);
	if (revision < last)
		die(NULL, "the store's revision is %" PRId64 " after %lld writes", revision, last);
	for (int i = 0; i < KEYS; i++) {
		long long want = last - ((last - i) % KEYS + KEYS) % KEYS;

		if (want > 0 && values[i] != want)
			die(NULL, "key k%d holds write %lld, should hold %lld of %lld", i, values[i], want, last);
	}
	lp_store_close(store);
	lp_loop_free(loop);
}

/* ---- images: import n is named limpet.local/x:n, the one before the last goes ---- */

static bool
keep_none(void *arg, const char *digest)
{
	(void)arg;
	(void)digest;
	return false;
}

static void
write_image(struct lp_images *images, long long number, const char *archive)
{
	lp_auto_fd int fd = open(archive, O_RDONLY | O_CLOEXEC);
	char name[64];
	struct lp_images_load how = { .name = name, .wait = true };
	uint64_t freed_bytes;
	struct lp_err err;

	if (fd < 0)
		die(NULL, "%s: %s", archive, strerror(errno));
	snprintf(name, sizeof(name), "limpet.local/x:%lld", number);
	if (lp_images_load(images, fd, &how, &err) < 0)
		die(&err, "load %s", archive);
	if (number <= 2)
		return;
	snprintf(name, sizeof(name), "limpet.local/x:%lld", number - 2);
	if (lp_images_remove(images, name, &err) < 0)
		die(&err, "remove %s", name);
	if (lp_images_collect(images, keep_none, NULL, &freed_bytes, &err) < 0)
		die(&err, "collect");
}

static int
check_image(void *arg, const struct lp_image *image)
{
	struct lp_images *images = arg;
	struct lp_err err;

	for (size_t i = 0; i < image->layer_count; i++)
		if (lp_images_check_layer(images, image->layers[i].digest, &err) < 0)
			die(&err, "image %s, layer %zu", image->names[0] ? image->names[0] : image->digest, i);
	return 0;
}

static void
check_images(int dir_fd, long long acked)
{
	lp_auto_fd int data_fd = open_dir(dir_fd, "data");
	struct lp_images *images;
	struct lp_image image;
	struct lp_err err;
	char name[64];

	if (lp_images_open(data_fd, &images, &err) < 0)
		die(&err, "images, acknowledged up to %lld", acked);
	if (lp_images_each(images, true, check_image, images, &err) < 0)
		die(&err, "images, acknowledged up to %lld", acked);
	if (acked > 0) {
		snprintf(name, sizeof(name), "limpet.local/x:%lld", acked);
		if (lp_images_find(images, name, &image, &err) < 0)
			die(&err, "image %s was acknowledged", name);
		lp_images_release(&image);
	}
	lp_images_close(images);
}

/* ---- both sides ---- */

static void
write_all(const char *path, long long rounds, char **archives, int archive_count)
{
	lp_auto_fd int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lp_auto_fd int ack_fd = openat(dir_fd, "ack", O_WRONLY | O_CREAT | O_DSYNC | O_CLOEXEC, 0600);
	lp_auto_fd int node_fd = open_dir(dir_fd, "node"), db_fd = open_dir(dir_fd, "db"), data_fd = open_dir(dir_fd, "data");
	struct ack ack = { 0 };
	struct lp_store_reader nothing = { .arg = (long long[KEYS]){ 0 }, .object = seen_object };
	struct lp_revision former;
	struct lp_images *images;
	struct lp_store *store;
	struct lp_loop *loop;
	struct lp_err err;
	int64_t revision;

	if (lp_loop_new(&loop, &err) < 0 || lp_store_sqlite_open(loop, db_fd, "db", 100, &store, &err) < 0 ||
	    lp_store_load(store, &nothing, &revision, &err) < 0 || lp_images_open(data_fd, &images, &err) < 0)
		die(&err, "start");
	lp_revision_init(&former);
	write_ack(ack_fd, &ack);
	if (fsync(ack_fd) < 0 || fsync(dir_fd) < 0)
		die(NULL, "fsync: %s", strerror(errno));
	for (long long round = 1; round <= rounds; round++) {
		write_revision(node_fd, round, &former);
		ack.revision = round;
		write_ack(ack_fd, &ack);
		write_store(loop, store, ack.store + 1);
		ack.store += WRITES;
		write_ack(ack_fd, &ack);
		write_image(images, round, archives[round % archive_count]);
		ack.image = round;
		write_ack(ack_fd, &ack);
	}
	lp_revision_fini(&former);
	lp_store_close(store);
	lp_images_close(images);
	lp_loop_free(loop);
	printf("WRITTEN %lld rounds\n", rounds);
}

static void
check_all(const char *path)
{
	lp_auto_fd int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ack ack = { 0 };

	if (dir_fd < 0)
		die(NULL, "%s: %s", path, strerror(errno));
	bool begun = read_ack(dir_fd, &ack);

	check_revision(dir_fd, ack.revision);
	check_store(dir_fd, ack.store);
	check_images(dir_fd, ack.image);
	printf("GOOD %s %lld %lld %lld\n", begun ? "acknowledged" : "nothing", ack.revision, ack.store, ack.image);
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 4 && strcmp(argv[1], "write") == 0) {
		write_all(argv[2], strtoll(argv[3], NULL, 10), argv + 4, argc - 4);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "check") == 0) {
		check_all(argv[2]);
		return 0;
	}
	fprintf(stderr, "usage: powercut write DIR ROUNDS IMAGE... | powercut check DIR\n");
	return 2;
}

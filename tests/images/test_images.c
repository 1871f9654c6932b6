#include "images/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "images/room.h"
#include "tests/harness.h"
#include "tests/images/ball.h"

static struct lp_err err;
static int data_fd = -1;
static char told[1024];

static void
note(void *arg, const char *name, const char *digest)
{
	(void)arg;
	CHECK_INT(strlen(digest), 71);
	(void)snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s ", name);
}

static struct lp_images *
open_images(void)
{
	struct lp_images *images = NULL;

	lp_test_need_root();
	if (data_fd < 0)
		CHECK_OK(lp_path_root(lp_test_path("data"), true, &data_fd, &err), &err);
	CHECK_OK(lp_images_open(data_fd, &images, &err), &err);
	return images;
}

static int
load(struct lp_images *images, const struct lp_buf *archive, const char *name)
{
	struct lp_images_load how = { .name = name, .loaded = note };
	lp_auto_fd int fd = lp_ball_open("archive", archive);

	told[0] = '\0';
	return lp_images_load(images, fd, &how, &err);
}

/* Entries of a directory below the data directory, without tmp. */
static int
entries(const char *name)
{
	lp_auto_fd int fd = -1;
	lp_auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int n = 0;

	CHECK_OK(lp_path_open(data_fd, name, O_RDONLY | O_DIRECTORY, 0, &fd, &err), &err);
	dir = fdopendir(lp_take_fd(&fd));
	CHECK(dir != NULL);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.' && strcmp(e->d_name, "tmp") != 0;
	return n;
}

static void
check_nothing_here(void)
{
	CHECK_INT(entries("layers"), 0);
	CHECK_INT(entries("layers/tmp"), 0);
	CHECK_INT(entries("blobs/sha256"), 0);
	CHECK_INT(entries("blobs/tmp"), 0);
	CHECK_INT(faccessat(data_fd, "images/index", F_OK, 0), -1);
}

static void
make_layer(struct lp_buf *layer, const char *content)
{
	lp_buf_init(layer, (size_t)32 << 20);
	lp_ball_dir(layer, "bin/");
	lp_ball_file(layer, "bin/app", content);
	lp_ball_end(layer);
}

#define BUF(b)                       \
	lp_auto_buf struct lp_buf b; \
	lp_buf_init(&b, (size_t)64 << 20)

static void
check_image(struct lp_images *images, const char *reference, const char *name)
{
	struct lp_image image;
	int fds[LP_IMAGES_LAYERS_MAX];
	BUF(text);

	CHECK_OK(lp_images_find(images, reference, &image, &err), &err);
	CHECK_STR(image.names[0], name);
	CHECK_STR(image.entrypoint[0], "/bin/app");
	CHECK_STR(image.cmd[0], "--serve");
	CHECK_STR(image.env[1], "A=b");
	CHECK_STR(image.user, "1000:1000");
	CHECK_STR(image.workdir, "/srv");
	CHECK_STR(image.stop_signal, "SIGINT");
	CHECK_STR(image.ports[0], "3000/tcp");
	CHECK_STR(image.volumes[0], "/data");
	CHECK_STR(image.labels[0], "a.b/c=d");
	CHECK_STR(image.created, "2024-01-02T03:04:05Z");
	CHECK_INT(image.layer_count, 1);
	CHECK_INT(image.size_bytes, 4);
	CHECK_OK(lp_images_layer_fds(images, &image, fds, &err), &err);
	CHECK_OK(lp_path_read(fds[0], "bin/app", &text, &err), &err);
	CHECK_STR(text.data, "code");
	CHECK_INT(close(fds[0]), 0);
	CHECK_OK(lp_images_check_layer(images, image.layers[0].digest, &err), &err);
	lp_images_release(&image);
}

TEST(every_form_of_archive_becomes_the_same_image)
{
	const struct {
		char form, packed, outer;
	} forms[] = { { 'd', 0, 0 }, { 'd', 0, 'g' }, { 'o', 0, 0 }, { 'o', 'g', 0 }, { 'o', 'z', 0 }, { 'o', 'g', 'z' } };
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;

	make_layer(&layer, "code");
	for (size_t i = 0; i < lp_count(forms); i++) {
		BUF(inner);
		BUF(outer);

		if (forms[i].form == 'd')
			lp_ball_docker(&inner, "nodejs-app:latest", &layer);
		else
			lp_ball_oci(&inner, "docker.io/library/nodejs-app:latest", &layer, forms[i].packed);
		if (forms[i].outer == 'g')
			lp_ball_gzip(&inner, &outer);
		else if (forms[i].outer == 'z')
			lp_ball_zstd(&inner, &outer);
		CHECK_OK(load(images, forms[i].outer ? &outer : &inner, NULL), &err);
		CHECK_STR(told, "docker.io/library/nodejs-app:latest ");
		check_image(images, "nodejs-app", "docker.io/library/nodejs-app:latest");
		CHECK_INT(entries("layers"), 1);
		CHECK_INT(entries("layers/tmp") + entries("blobs/tmp"), 0);
	}
	check_image(images, "limpet.local/nodejs-app:latest", "docker.io/library/nodejs-app:latest");
	lp_images_close(images);
}

TEST(a_second_process_sees_what_was_loaded_and_nothing_is_written_while_idle)
{
	struct lp_images *images = open_images(), *other = open_images();
	lp_auto_buf struct lp_buf layer;
	struct lp_image image;
	struct stat before, after;
	BUF(archive);

	make_layer(&layer, "code");
	lp_ball_docker(&archive, "app", &layer);
	CHECK_ERR(lp_images_find(other, "app", &image, &err), -ENOENT);
	CHECK_HAS(err.text, "\"app\"");
	CHECK_OK(load(images, &archive, NULL), &err);
	check_image(other, "app", "docker.io/library/app:latest");
	CHECK_OK(lp_images_find(other, "app", &image, &err), &err);
	CHECK_INT(fstatat(data_fd, "images/index", &before, 0), 0);
	CHECK_OK(load(other, &archive, NULL), &err);
	lp_images_close(open_images());
	CHECK_INT(fstatat(data_fd, "images/index", &after, 0), 0);
	CHECK_INT(before.st_ino, after.st_ino);
	lp_images_release(&image);
	lp_images_close(images);
	lp_images_close(other);
}

TEST(a_name_can_be_given_and_must_be_when_the_archive_has_none)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;
	BUF(bare);
	BUF(tagged);

	make_layer(&layer, "code");
	lp_ball_docker(&bare, NULL, &layer);
	CHECK_ERR(load(images, &bare, NULL), -EINVAL);
	CHECK_HAS(err.text, "name");
	check_nothing_here();
	lp_ball_oci(&tagged, "latest", &layer, 0);
	CHECK_ERR(load(images, &tagged, NULL), -EINVAL);
	CHECK_ERR(load(images, &tagged, "Not A Name"), -EINVAL);
	CHECK_OK(load(images, &tagged, "limpet.local/nodejs-app:latest"), &err);
	check_image(images, "limpet.local/nodejs-app", "limpet.local/nodejs-app:latest");
	CHECK_OK(load(images, &bare, "other"), &err);
	check_image(images, "other", "docker.io/library/other:latest");
	CHECK_OK(lp_images_tag(images, "other", "third:3", &err), &err);
	check_image(images, "third:3", "docker.io/library/other:latest");
	lp_images_close(images);
}

static bool
keep_all(void *arg, const char *digest)
{
	(void)arg;
	(void)digest;
	return true;
}

static bool
keep_none(void *arg, const char *digest)
{
	(void)arg;
	(void)digest;
	return false;
}

TEST(removed_images_stay_while_they_are_used_and_go_when_they_are_not)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;
	struct lp_image image, gone;
	uint64_t freed = 0;
	BUF(archive);

	make_layer(&layer, "code");
	lp_ball_docker(&archive, "app", &layer);
	CHECK_OK(load(images, &archive, NULL), &err);
	CHECK_OK(lp_images_find(images, "app", &image, &err), &err);
	CHECK_OK(lp_images_remove(images, "app", &err), &err);
	CHECK_ERR(lp_images_remove(images, "app", &err), -ENOENT);
	CHECK_ERR(lp_images_find(images, "app", &gone, &err), -ENOENT);
	CHECK_OK(lp_images_collect(images, keep_all, NULL, &freed, &err), &err);
	CHECK_INT(freed, 0);
	CHECK_OK(lp_images_find(images, image.digest, &gone, &err), &err);
	lp_images_release(&gone);
	CHECK_INT(entries("layers"), 1);
	CHECK_OK(lp_images_collect(images, keep_none, NULL, &freed, &err), &err);
	CHECK_INT(freed, 4);
	CHECK_ERR(lp_images_find(images, image.digest, &gone, &err), -ENOENT);
	CHECK_INT(entries("layers") + entries("blobs/sha256"), 0);
	lp_images_release(&image);
	lp_images_close(images);
}

TEST(a_shared_layer_stays_with_its_last_image)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer, other;
	BUF(a);
	BUF(b);
	BUF(c);

	make_layer(&layer, "code");
	make_layer(&other, "more code");
	lp_ball_docker(&a, "a", &layer);
	lp_ball_oci(&b, "x/b:1", &layer, 'g');
	lp_ball_docker(&c, "a", &other);
	CHECK_OK(load(images, &a, NULL), &err);
	CHECK_OK(load(images, &b, NULL), &err);
	CHECK_INT(entries("layers"), 1);
	CHECK_OK(load(images, &c, NULL), &err);	/* "a" now means another image */
	CHECK_INT(entries("layers"), 2);
	CHECK_OK(lp_images_collect(images, keep_none, NULL, NULL, &err), &err);
	CHECK_INT(entries("layers"), 2);
	check_image(images, "x/b:1", "docker.io/x/b:1");
	CHECK_OK(lp_images_remove(images, "x/b:1", &err), &err);
	CHECK_OK(lp_images_collect(images, keep_none, NULL, NULL, &err), &err);
	CHECK_INT(entries("layers"), 1);
	lp_images_close(images);
}

/* A failure leaves nothing, and an image that was there before is still there. */
static void
check_refused(struct lp_images *images, const struct lp_buf *archive, int code, const char *says)
{
	CHECK_ERR(load(images, archive, NULL), code);
	CHECK_HAS(err.text, says);
	CHECK_STR(told, "");
	check_nothing_here();
}

TEST(wrong_archives_are_refused_in_one_line_and_leave_nothing)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer, evil;
	BUF(b);

	make_layer(&layer, "code");
	lp_buf_init(&evil, 1 << 20);
	lp_ball_file(&evil, "good", "good");
	lp_ball_file(&evil, "../../../../etc/limpet-evil", "evil");
	lp_ball_end(&evil);
	lp_ball_docker(&b, "x", &evil);
	check_refused(images, &b, -EXDEV, "../../../../etc/limpet-evil");
	lp_buf_reset(&b);
	lp_ball_file(&b, "README", "no image");
	lp_ball_end(&b);
	check_refused(images, &b, -EINVAL, "index.json");
	lp_buf_reset(&b);
	lp_ball_docker(&b, "x", &layer);
	char *code = memmem(b.data, b.len, "code", 4);
	CHECK(code != NULL);
	*code = 'C';
	check_refused(images, &b, -EBADMSG, "instead of sha256:");
	lp_buf_reset(&b);
	lp_ball_oci(&b, "x/y:1", &layer, 0);
	code = memmem(b.data, b.len, "code", 4);
	CHECK(code != NULL);
	*code = 'C';
	check_refused(images, &b, -EBADMSG, "sha256:");
	lp_buf_reset(&b);
	lp_ball_oci(&b, "x/y:1", &layer, 0);
	code = memmem(b.data, b.len, "schemaVersion", 4);
	CHECK(code != NULL);
	*code = 'S';
	check_refused(images, &b, -EBADMSG, "damaged");
	lp_images_close(images);
}

TEST(every_truncation_of_an_image_archive_is_refused_and_leaves_nothing)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;
	BUF(oci);
	BUF(docker);
	BUF(gz);

	make_layer(&layer, "code");
	lp_ball_oci(&oci, "x/y:1", &layer, 'g');
	lp_ball_docker(&docker, "x", &layer);
	lp_ball_gzip(&oci, &gz);
	struct lp_buf *all[] = { &oci, &docker, &gz };
	for (size_t i = 0; i < lp_count(all); i++) {
		size_t whole = all[i]->len;

		/* the last 1,024 bytes of a tar are its end mark: an archive without it is whole */
		for (size_t len = 1; len < whole - (i < 2 ? 1024 : 1); len += i < 2 ? 211 : 13) {
			all[i]->len = len;
			CHECK(load(images, all[i], NULL) < 0);
			CHECK(*err.text && !strchr(err.text, '\n'));
			check_nothing_here();
		}
		all[i]->len = whole;
	}
	lp_images_close(images);
}

static int fail_at, fsyncs;

static int
failing_fsync(int fd)
{
	if (++fsyncs == fail_at) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static int
failing_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	if (++fsyncs == fail_at) {
		errno = EIO;
		return -1;
	}
	return renameat(from_dir, from, to_dir, to);
}

TEST(a_failing_disk_at_any_point_leaves_nothing)
{
	struct lp_seam saved = lp_seam;
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;
	BUF(archive);
	int failures = 0;

	make_layer(&layer, "code");
	lp_ball_docker(&archive, "app", &layer);
	lp_seam.fsync = failing_fsync;
	lp_seam.rename = failing_rename;
	for (fail_at = 1;; fail_at++) {
		fsyncs = 0;
		if (load(images, &archive, NULL) == 0)
			break;
		failures++;
		CHECK_INT(entries("layers/tmp") + entries("blobs/tmp"), 0);
		struct lp_image image;
		lp_seam = saved;
		struct lp_images *fresh = open_images();
		int rc = lp_images_find(fresh, "app", &image, &err);
		/* Either it is whole or it is not there: the last syncs come after the rename that makes it exist. */
		CHECK(rc == 0 || rc == -ENOENT);
		if (rc == 0) {
			CHECK_OK(lp_images_check_layer(fresh, image.layers[0].digest, &err), &err);
			lp_images_release(&image);
			CHECK_OK(lp_images_remove(fresh, "app", &err), &err);
			CHECK_OK(lp_images_collect(fresh, keep_none, NULL, NULL, &err), &err);
		} else {
			CHECK_INT(entries("layers") + entries("blobs/sha256"), 0);
		}
		lp_images_close(fresh);
		lp_seam.fsync = failing_fsync;
		lp_seam.rename = failing_rename;
	}
	lp_seam = saved;
	CHECK(failures >= 5);
	lp_images_close(images);
}

TEST(a_writer_killed_half_way_leaves_what_the_next_one_removes)
{
	struct lp_images *images = open_images();
	lp_auto_fd int fd = -1;

	CHECK_INT(mkdirat(data_fd, "layers/tmp/0", 0755), 0);
	CHECK_INT(mkdirat(data_fd, "layers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 0755), 0);
	fd = openat(data_fd, "blobs/tmp/half", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	lp_images_close(images);
	lp_images_close(open_images());
	check_nothing_here();
}

TEST(a_load_that_is_killed_at_any_moment_leaves_the_old_or_the_new_state)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf small, big;
	int whole = 0, absent = 0;
	BUF(first);
	BUF(second);

	make_layer(&small, "code");
	lp_buf_init(&big, (size_t)32 << 20);
	for (int i = 0; i < 800; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "d%d/f%d", i % 7, i);
		lp_ball_file(&big, name, name);
	}
	lp_ball_end(&big);
	lp_ball_docker(&first, "first", &small);
	lp_ball_docker(&second, "second", &big);
	CHECK_OK(load(images, &first, NULL), &err);
	(void)lp_ball_open("archive", &second);
	for (int round = 0; round < 60; round++) {
		struct timespec pause = { 0, round * 600000L };	/* 0 to 36 ms: before, within, and after a load */
		struct lp_image image;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			struct lp_images *own = open_images();
			struct lp_images_load how = { .wait = true };
			int rc = lp_images_load(own, open(lp_test_path("archive"), O_RDONLY | O_CLOEXEC), &how, &err);

			_exit(rc < 0);
		}
		CHECK_INT(nanosleep(&pause, NULL), 0);
		CHECK_INT(kill(pid, SIGKILL), 0);
		CHECK_INT(waitpid(pid, NULL, 0), pid);
		lp_images_close(images);
		images = open_images();
		CHECK_INT(entries("layers/tmp") + entries("blobs/tmp"), 0);
		check_image(images, "first", "docker.io/library/first:latest");
		int rc = lp_images_find(images, "second", &image, &err);

		CHECK(rc == 0 || rc == -ENOENT);
		CHECK_INT(entries("layers"), rc == 0 ? 2 : 1);
		CHECK_INT(entries("blobs/sha256"), rc == 0 ? 4 : 2);
		whole += rc == 0;
		absent += rc < 0;
		if (rc < 0)
			continue;
		CHECK_OK(lp_images_check_layer(images, image.layers[0].digest, &err), &err);
		lp_images_release(&image);
		CHECK_OK(lp_images_remove(images, "second", &err), &err);
		CHECK_OK(lp_images_collect(images, keep_none, NULL, NULL, &err), &err);
	}
	CHECK(absent > 0 && whole + absent == 60);
	lp_images_close(images);
}

TEST(two_writers_do_not_meet)
{
	struct lp_images *images = open_images(), *other;
	lp_auto_buf struct lp_buf layer;
	lp_auto_fd int lock = -1;
	BUF(archive);

	make_layer(&layer, "code");
	lp_ball_docker(&archive, "app", &layer);
	CHECK_OK(lp_room_lock(images, false, &lock, &err), &err);
	CHECK_INT(mkdirat(data_fd, "layers/tmp/0", 0755), 0);
	other = open_images();
	CHECK_ERR(load(other, &archive, NULL), -EAGAIN);
	CHECK_INT(entries("layers/tmp"), 1);
	lp_close(&lock);
	CHECK_OK(load(other, &archive, NULL), &err);
	lp_images_close(images);
	lp_images_close(other);
}

TEST(an_image_for_another_machine_is_refused_by_name)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;
	struct lp_images_load how = { .architecture = "riscv64" };
	BUF(archive);

	make_layer(&layer, "code");
	lp_ball_docker(&archive, "app", &layer);
	lp_auto_fd int fd = lp_ball_open("archive", &archive);
	CHECK_ERR(lp_images_load(images, fd, &how, &err), -ENOENT);
	CHECK_HAS(err.text, "riscv64");
	lp_images_close(images);
}

TEST(a_changed_layer_is_found_out)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer;
	struct lp_image image;
	int fds[LP_IMAGES_LAYERS_MAX];
	BUF(archive);

	make_layer(&layer, "code");
	lp_ball_docker(&archive, "app", &layer);
	CHECK_OK(load(images, &archive, NULL), &err);
	CHECK_OK(lp_images_find(images, "app", &image, &err), &err);
	CHECK_OK(lp_images_layer_fds(images, &image, fds, &err), &err);
	lp_auto_fd int fd = openat(fds[0], "bin/app", O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "x", 1, 0), 1);
	CHECK_ERR(lp_images_check_layer(images, image.layers[0].digest, &err), -EBADMSG);
	CHECK_INT(close(fds[0]), 0);
	lp_images_release(&image);
	lp_images_close(images);
}

TEST(a_damaged_layer_goes_with_its_images_and_comes_back_whole)
{
	struct lp_images *images = open_images();
	lp_auto_buf struct lp_buf layer, sound;
	struct lp_image image, other;
	int fds[LP_IMAGES_LAYERS_MAX];
	uint64_t freed = 0;
	BUF(archive);
	BUF(second);

	make_layer(&layer, "code");
	make_layer(&sound, "other code");
	lp_ball_docker(&archive, "app", &layer);
	lp_ball_docker(&second, "other", &sound);
	CHECK_OK(load(images, &archive, NULL), &err);
	CHECK_OK(load(images, &archive, "app-too"), &err);
	CHECK_OK(load(images, &second, NULL), &err);
	CHECK_OK(lp_images_find(images, "app", &image, &err), &err);
	CHECK_OK(lp_images_layer_fds(images, &image, fds, &err), &err);
	lp_auto_fd int fd = openat(fds[0], "bin/app", O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "x", 1, 0), 1);
	CHECK_INT(close(fds[0]), 0);

	CHECK_OK(lp_images_drop_layer(images, image.layers[0].digest, &freed, &err), &err);
	CHECK(freed > 0);
	CHECK_ERR(lp_images_find(images, "app", &other, &err), -ENOENT);
	CHECK_ERR(lp_images_find(images, "app-too", &other, &err), -ENOENT);
	CHECK_OK(lp_images_find(images, "other", &other, &err), &err);
	CHECK_OK(lp_images_check_layer(images, other.layers[0].digest, &err), &err);
	lp_images_release(&other);

	CHECK_OK(load(images, &archive, NULL), &err);
	CHECK_OK(lp_images_check_layer(images, image.layers[0].digest, &err), &err);
	CHECK_OK(lp_images_drop_layer(images, "sha256:0000000000000000000000000000000000000000000000000000000000000000", &freed, &err), &err);
	lp_images_release(&image);
	lp_images_close(images);
}

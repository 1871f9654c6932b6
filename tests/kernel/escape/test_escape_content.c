/*
 * tests/kernel/escape/test_escape_content.c - what an image says about users, names, places and itself gives no right and leads nowhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/facts/user.h"
#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/escape/attack.h"

/* ---- users: CVE-2016-3697, CVE-2024-40635 and everything that is taken for root ---- */

struct people {
	struct lp_arena arena;
	int layer, etc;
};

static struct people
people_new(void)
{
	struct people people;

	lp_arena_init(&people.arena, 1 << 20);
	CHECK_OK(lp_path_root(lp_test_path("image"), true, &people.layer, NULL), NULL);
	CHECK_OK(lp_path_mkdirs(people.layer, "etc", 0755, &people.etc, NULL), NULL);
	return people;
}

static void
people_free(struct people *people)
{
	lp_close(&people->layer);
	lp_close(&people->etc);
	lp_arena_fini(&people->arena);
}

static int
ask(struct people *people, const char *user, struct lp_user *out)
{
	return lp_user_resolve(&people->arena, user, &people->layer, 1, out, NULL);
}

TEST(a_number_out_of_range_or_badly_written_is_no_user)
{
	static const char *const users[] = { "4294967295", "4294967296", "4294967296:4294967296", "18446744073709551616", "-1", "+0", " 0", "0 ", "0x0",
		"1e3", "0\n", "1000:4294967296", "1000:-1", "1000:+5", "root ", "ROOT", "\xef\xbc\x90", "0/../0", "1000;0", "1000,0", "%s%n" };
	struct people people = people_new();
	struct lp_user user;

	attack_file(people.etc, "passwd", "root:x:0:0::/:/bin/sh\n", 0644);
	attack_file(people.etc, "group", "root:x:0:\n", 0644);
	for (size_t i = 0; i < lp_count(users); i++)
		CHECK(ask(&people, users[i], &user) < 0);
	CHECK_OK(ask(&people, "2147483648:2147483649", &user), NULL);
	CHECK_INT(user.uid, 2147483648u);
	CHECK_INT(user.gid, 2147483649u);
	people_free(&people);
}

TEST(a_numeric_name_in_passwd_does_not_make_its_number_root)
{
	struct people people = people_new();
	struct lp_user user;

	attack_file(people.etc, "passwd", "1000:x:0:0::/:/bin/sh\n2000:x:4294967296:0::/:\n3000:x:-1:0::/:\nx:x::0::/:\n", 0644);
	CHECK_OK(ask(&people, "1000", &user), NULL);
	CHECK_INT(user.uid, 1000);
	CHECK_OK(ask(&people, "2000", &user), NULL);
	CHECK_INT(user.uid, 2000);
	CHECK_OK(ask(&people, "3000", &user), NULL);
	CHECK_INT(user.uid, 3000);
	CHECK(ask(&people, "x", &user) < 0);
	people_free(&people);
}

TEST(the_id_that_stands_for_no_change_does_not_start_as_root)
{
	struct cage *cage = attack_cage();

	for (int own = 0; own < 2; own++) {
		cage->config.process.uid = UINT32_MAX;
		CHECK(cage_shell(cage, "id -u") < 0 || !strstr(cage->out, "0\n"));
		cage->config.process.uid = 1000;
		cage->config.process.gid = UINT32_MAX;
		CHECK(cage_shell(cage, "id -g") < 0 || !strstr(cage->out, "0\n"));
		cage->config.process.gid = 1000;
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* A passwd of a gigabyte, a pipe, a device, a link to somewhere: an answer within a second and without the memory. */
TEST(a_hostile_passwd_costs_neither_memory_nor_time)
{
	static const char *const kinds[] = { "huge", "pipe", "zero", "link", "directory", "loop" };
	struct people people = people_new();
	struct rusage before, after;
	struct lp_user user;

	lp_test_need_root();
	CHECK(getrusage(RUSAGE_SELF, &before) == 0);
	(void)alarm(5);
	for (size_t i = 0; i < lp_count(kinds); i++) {
		const char *kind = kinds[i];

		(void)unlinkat(people.etc, "passwd", 0);
		(void)unlinkat(people.etc, "passwd", AT_REMOVEDIR);
		if (strcmp(kind, "huge") == 0) {
			lp_auto_fd int fd = openat(people.etc, "passwd", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

			CHECK(ftruncate(fd, INT64_C(1) << 30) == 0);
		} else if (strcmp(kind, "pipe") == 0) {
			CHECK(mkfifoat(people.etc, "passwd", 0644) == 0);
		} else if (strcmp(kind, "zero") == 0) {
			CHECK(mknodat(people.etc, "passwd", S_IFCHR | 0644, makedev(1, 5)) == 0);
		} else if (strcmp(kind, "link") == 0) {
			CHECK(symlinkat("../../../../../../../../../../etc/passwd", people.etc, "passwd") == 0);
		} else if (strcmp(kind, "directory") == 0) {
			CHECK(mkdirat(people.etc, "passwd", 0755) == 0);
		} else {
			CHECK(symlinkat("passwd", people.etc, "passwd") == 0);
		}
		CHECK(ask(&people, "node", &user) < 0);
		CHECK(ask(&people, "daemon", &user) < 0);	/* which the host's has */
		CHECK_OK(ask(&people, "1000", &user), NULL);
		CHECK_INT(user.uid, 1000);
	}
	(void)alarm(0);
	CHECK(getrusage(RUSAGE_SELF, &after) == 0);
	CHECK(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
	people_free(&people);
}

TEST(a_user_of_too_many_groups_gets_a_bounded_number)
{
	struct people people = people_new();
	FILE *file = fopen(lp_test_path("image/etc/group"), "we");
	struct lp_user user;

	attack_file(people.etc, "passwd", "node:x:1000:1000::/:\n", 0644);
	CHECK(file != NULL);
	for (int i = 0; i < 20000; i++)
		(void)fprintf(file, "g%d:x:%d:node\n", i, i + 1);
	CHECK(fclose(file) == 0);
	CHECK_OK(ask(&people, "node", &user), NULL);
	CHECK(user.group_count <= 64);
	people_free(&people);
}

/* Starting and joining read nothing of it. */
TEST(a_container_with_a_hostile_passwd_starts_and_is_joined)
{
	struct cage *cage = attack_cage();
	struct lp_container_exit end;
	int etc;

	CHECK_OK(lp_path_mkdirs(attack_layer(cage), "etc", 0755, &etc, NULL), NULL);
	CHECK(mkfifoat(etc, "passwd", 0644) == 0);
	CHECK(mkfifoat(etc, "group", 0644) == 0);
	CHECK(mkfifoat(etc, "nsswitch.conf", 0644) == 0);
	CHECK(mkfifoat(etc, "ld.so.preload", 0644) == 0);
	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_start(cage), &cage->err);
		CHECK_OK(cage_exec(cage, "echo joined", &end), &cage->err);
		CHECK_STR(cage->out, "joined\n");
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		cage_own_users(cage);
	}
	lp_close(&etc);
	cage_free(cage);
}

/* ---- names and places in an archive ---- */

#define EMPTY_TAR "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"	/* 1024 zeros */

static struct lp_images *
store_open(void)
{
	lp_auto_fd int data = -1;
	struct lp_images *images;

	CHECK_OK(lp_path_root(lp_test_path("data"), true, &data, NULL), NULL);
	CHECK_OK(lp_images_open(data, &images, NULL), NULL);
	return images;
}

/* Images say what they are made for. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__arm__)
#define ARCHITECTURE "arm"
#endif

/* An archive as a directory: its list of images, one config, one empty layer. */
static int
load(struct lp_images *images, const char *name, const char *config_at, const char *tag, const char *layer, const char *diff_id,
    const char *config, struct lp_err *err)
{
	const struct lp_images_load how = { .wait = true };
	lp_auto_fd int dir = -1;
	char text[8192];
	static const char zeros[1024];
	lp_auto_fd int file = -1;

	CHECK_OK(lp_path_root(lp_test_path(name), true, &dir, NULL), NULL);
	(void)snprintf(text, sizeof(text), "[{\"Config\":\"%s\",\"RepoTags\":[\"%s\"],\"Layers\":[\"%s\"]}]", config_at, tag, layer);
	attack_file(dir, "manifest.json", text, 0644);
	(void)snprintf(text, sizeof(text), "{\"architecture\":\"" ARCHITECTURE "\",\"os\":\"linux\",\"config\":{%s},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
	    config, diff_id);
	attack_file(dir, "config.json", text, 0644);
	file = openat(dir, "layer.tar", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	CHECK_INT(write(file, zeros, sizeof(zeros)), sizeof(zeros));
	CHECK(symlinkat("/etc/passwd", dir, "leads-out") == 0);
	return lp_images_load(images, dir, &how, err);
}

static int
refuse_any(void *arg, const struct lp_image *image)
{
	(void)arg;
	FAIL("there is an image %s", image->names[0] ? image->names[0] : image->digest);
	return 0;
}

TEST(an_archive_that_names_files_of_the_host_is_refused_and_leaves_nothing)
{
	static const char good[] = "sha256:" EMPTY_TAR;
	static const struct {
		const char *config, *tag, *layer, *diff_id;
	} rows[] = {
		{ "../../../../etc/passwd", "x:1", "layer.tar", good },
		{ "/etc/passwd", "x:1", "layer.tar", good },
		{ "leads-out", "x:1", "layer.tar", good },
		{ "config.json", "x:1", "../../../../../etc/passwd", good },
		{ "config.json", "x:1", "/etc/passwd", good },
		{ "config.json", "x:1", "leads-out", good },
		{ "config.json", "x:1", "/dev/zero", good },
		{ "config.json", "x:1", "layer.tar", "sha256:../../../../etc" },
		{ "config.json", "x:1", "layer.tar", "sha256:" },
		{ "config.json", "x:1", "layer.tar", "../" EMPTY_TAR },
		{ "config.json", "x:1", "layer.tar", "sha512:" EMPTY_TAR },
		{ "config.json", "../../../x:1", "layer.tar", good },
		{ "config.json", "/etc/x:1", "layer.tar", good },
		{ "config.json", "x:../../y", "layer.tar", good },
		{ "config.json", "x y:1", "layer.tar", good },
		{ "config.json", "x:1\\u0000y", "layer.tar", good },
		{ "config.json", "x:1\\ny:2", "layer.tar", good },
		{ "config.json", "--name:1", "layer.tar", good },
		{ "config.json", "-rf", "layer.tar", good },
		{ "config.json", "x:$(reboot)", "layer.tar", good },
	};
	struct lp_images *images = store_open();

	for (size_t i = 0; i < lp_count(rows); i++) {
		struct lp_err err = { 0 };
		char name[16];

		(void)snprintf(name, sizeof(name), "archive%zu", i);
		if (load(images, name, rows[i].config, rows[i].tag, rows[i].layer, rows[i].diff_id, "", &err) == 0)
			FAIL("row %zu was taken: %s %s %s %s", i, rows[i].config, rows[i].tag, rows[i].layer, rows[i].diff_id);
	}
	CHECK_OK(lp_images_each(images, true, refuse_any, NULL, NULL), NULL);
	lp_images_close(images);
}

/* The store takes what an image says of itself as words: nothing of it is acted on. */
TEST(labels_and_made_up_members_of_an_image_are_words_only)
{
	static const char config[] = "\"User\":\"0\",\"Labels\":{\"io.kubernetes.pod.privileged\":\"true\",\"dev.limpet.hostUsers\":\"true\",\"devices\":\"/dev/mem\"},"
				     "\"Privileged\":true,\"HostConfig\":{\"Binds\":[\"/:/host\"],\"Privileged\":true,\"PidMode\":\"host\"},"
				     "\"CapAdd\":[\"ALL\"],\"Hooks\":{\"prestart\":[{\"path\":\"/bin/sh\"}]},\"Volumes\":{\"/:/host\":{},\"../../x\":{}},"
				     "\"WorkingDir\":\"../../../..\",\"StopSignal\":\"SIGKILL\"";
	struct lp_images *images = store_open();
	struct lp_err err = { 0 };
	struct lp_image image;

	CHECK_OK(load(images, "archive", "config.json", "limpet.local/words:1", "layer.tar", "sha256:" EMPTY_TAR, config, &err), &err);
	CHECK_OK(lp_images_find(images, "limpet.local/words:1", &image, &err), &err);
	CHECK_STR(image.user, "0");
	CHECK_INT(image.layer_count, 1);
	lp_images_release(&image);
	lp_images_close(images);
}

/* ---- what is left behind ---- */

/* Directories nested so deeply that no path and no set of descriptors reaches their end would stay on the node's disk for good. */
TEST(a_layer_that_is_nested_without_end_is_removed_with_its_container)
{
	struct cage *cage = attack_cage();
	lp_auto_fd int writable = -1;

	CHECK_OK(lp_path_root(lp_test_path("writable"), true, &writable, &cage->err), &cage->err);
	cage->config.rootfs.writable.fd = writable;
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "i=0; mkdir /n; cd /n; while [ $i -lt 60 ]; do mkdir -p d/d/d/d/d/d/d/d/d/d; cd -P d/d/d/d/d/d/d/d/d/d; i=$((i+1)); done; : >f; echo $i"),
		    &cage->err);
		CHECK_HAS(cage->out, "60\n");
		CHECK(faccessat(writable, "upper", F_OK, 0) < 0);
		cage_own_users(cage);
	}
	cage_free(cage);
}

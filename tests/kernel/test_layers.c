/*
 * tests/kernel/test_layers.c - images made by other people's tools, mounted by the kernel: what tar, umoci and skopeo wrote is
 * what a container sees; and what happens when the disk is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "images/images.h"
#include "tests/harness.h"

static struct lp_err err;

/* A shell in the test's directory. Its words are ours alone. */
static int
shell(const char *script)
{
	lp_auto_free char *text = NULL;

	CHECK(asprintf(&text, "cd '%s' && exec >>sh.log 2>&1 && set -e\n%s", lp_test_dir(), script) > 0);
	return system(text);
}

static void
need(const char *program)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "command -v %s", program);
	if (shell(text) != 0)
		SKIP("%s is not installed", program);
}

static void
must(const char *script)
{
	if (shell(script) != 0) {
		lp_auto_free char *log = lp_test_read(lp_test_path("sh.log"), NULL);

		FAIL("%s: %s", script, log);
	}
}

static struct lp_images *
open_images(const char *name)
{
	struct lp_images *images = NULL;
	lp_auto_fd int fd = -1;

	CHECK_OK(lp_path_root(lp_test_path(name), true, &fd, &err), &err);
	CHECK_OK(lp_images_open(fd, &images, &err), &err);
	return images;
}

static int
load(struct lp_images *images, const char *file, const char *name)
{
	struct lp_images_load how = { .name = name };
	lp_auto_fd int fd = open(lp_test_path(file), O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return lp_images_load(images, fd, &how, &err);
}

/* Two layers by umoci: files, links, capabilities, then removals of a file and of a directory that comes back. */
static void
make_layout(void)
{
	must("umoci init --layout L && umoci new --image L:x && umoci unpack --image L:x B\n"
	     "cd B/rootfs && mkdir -p bin etc/app/sub var/run tmp && chmod 1777 tmp\n"
	     "head -c 300000 /dev/urandom >bin/blob && chmod 4711 bin/blob && ln bin/blob bin/hard && ln -s /bin/blob bin/soft\n"
	     "echo one >etc/app/one && echo two >etc/app/sub/two && echo gone >etc/gone && chown 1000:2000 etc/app/one\n"
	     "touch -d 2001-02-03T04:05:06Z etc/app/one && mkfifo var/run/pipe && echo spaced >'etc/a b'\n"
	     "setfattr -n user.colour -v blue etc/app/one || true\n"
	     "cd ../.. && umoci repack --image L:x B && rm -rf B && umoci unpack --image L:x B\n"
	     "cd B/rootfs && rm etc/gone && rm -r etc/app && mkdir etc/app && echo new >etc/app/new && echo more >>bin/blob\n"
	     "cd ../.. && umoci repack --image L:x B");
}

static void
mount_image(struct lp_images *images, const char *reference, const char *where)
{
	int fds[LP_IMAGES_LAYERS_MAX];
	struct lp_image image;
	char options[8192];
	size_t used;

	CHECK_OK(lp_images_find(images, reference, &image, &err), &err);
	CHECK_OK(lp_images_layer_fds(images, &image, fds, &err), &err);
	CHECK(image.layer_count >= 2);
	used = (size_t)snprintf(options, sizeof(options), "lowerdir=");
	for (size_t i = image.layer_count; i-- > 0;)
		used += (size_t)snprintf(options + used, sizeof(options) - used, "/proc/self/fd/%d%s", fds[i], i ? ":" : "");
	CHECK_INT(mkdir(lp_test_path(where), 0755), 0);
	CHECK_INT(mount("overlay", lp_test_path(where), "overlay", MS_RDONLY, options), 0);
	for (size_t i = 0; i < image.layer_count; i++)
		CHECK_INT(close(fds[i]), 0);
	lp_images_release(&image);
}

/* Names, kinds, modes, owners, link counts, times of files, targets, and every byte. */
#define LISTING "find . -mindepth 1 -printf '%%P %%M %%U %%G %%l\\n' | sort; find . -type f -printf '%%P %%Ts %%n\\n' | sort;"
static void
check_same_tree(const char *a, const char *b)
{
	lp_auto_free char *text = NULL;

	CHECK(asprintf(&text,
		  "(cd %s; " LISTING " find . -type f -print0 | sort -z | xargs -0 sha256sum) >a.list\n"
		  "(cd %s; " LISTING " find . -type f -print0 | sort -z | xargs -0 sha256sum) >b.list\n"
		  "test -s a.list && diff a.list b.list", a, b) > 0);
	must(text);
}

TEST(an_image_of_umoci_mounts_as_what_umoci_unpacks)
{
	struct lp_images *images;

	lp_test_need_root();
	need("umoci");
	lp_test_new_namespaces(CLONE_NEWNS);
	make_layout();
	images = open_images("data");
	CHECK_OK(load(images, "L", "limpet.local/x:1"), &err);
	mount_image(images, "limpet.local/x:1", "mnt");
	must("rm -rf B && umoci unpack --image L:x B");
	check_same_tree("B/rootfs", "mnt");
	must("test ! -e mnt/etc/gone && test ! -e mnt/etc/app/one && test -e mnt/etc/app/new && test \"$(stat -c %a mnt/bin/blob)\" = 4711");
	lp_images_close(images);
	CHECK_INT(umount2(lp_test_path("mnt"), MNT_DETACH), 0);
}

TEST(what_skopeo_converts_is_the_same_image)
{
	static const char *const forms[] = {
		"skopeo copy oci:L:x oci-archive:f.tar:limpet.local/x:1",
		"skopeo copy oci:L:x docker-archive:f.tar:limpet.local/x:1",
		"skopeo copy --dest-compress-format zstd --dest-compress oci:L:x dir:D && skopeo copy dir:D oci-archive:f.tar:limpet.local/x:1 && rm -r D",
		"skopeo copy oci:L:x docker-archive:g.tar:limpet.local/x:1 && gzip -c g.tar >f.tar && rm g.tar",
	};

	lp_test_need_root();
	need("umoci");
	need("skopeo");
	lp_test_new_namespaces(CLONE_NEWNS);
	make_layout();
	must("rm -rf B && umoci unpack --image L:x B && mkdir -p /var/tmp /run/containers");
	for (size_t i = 0; i < lp_count(forms); i++) {
		struct lp_images *images;
		char data[16], mnt[16];

		must(forms[i]);
		(void)snprintf(data, sizeof(data), "data%zu", i);
		(void)snprintf(mnt, sizeof(mnt), "mnt%zu", i);
		images = open_images(data);
		CHECK_OK(load(images, "f.tar", NULL), &err);
		mount_image(images, "limpet.local/x:1", mnt);
		check_same_tree("B/rootfs", mnt);
		CHECK_INT(umount2(lp_test_path(mnt), MNT_DETACH), 0);
		lp_images_close(images);
		must("rm -f f.tar");
	}
}

TEST(every_tar_format_of_gnu_tar_unpacks_alike)
{
	static const char *const formats[] = { "gnu", "pax", "oldgnu", "posix" };
	static const char config[] = "printf '{\"architecture\":\"%s\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"sha256:%s\",\"sha256:%s\"]}}'";

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	must("mkdir -p T E && cd T && n=$(printf 'n%.0s' $(seq 200)) && mkdir -p $n/$n && echo deep >$n/$n/$n && ln -s $n/$n/$n long-link\n"
	     "ln $n/$n/$n hard-link && echo x >plain && chown 123456:3000000 plain && mkdir empty && chmod 500 empty && touch -d @1234567890.5 plain");
	for (size_t i = 0; i < lp_count(formats); i++) {
		lp_auto_free char *script = NULL;
		struct lp_images *images;
		char data[16], mnt[16];

		CHECK(asprintf(&script,
			  "rm -rf A && mkdir A && tar -C T --format=%s -cf A/l.tar . && tar -C E -cf A/e.tar .\n"
			  "h=$(sha256sum <A/l.tar) && e=$(sha256sum <A/e.tar) && arch=$(uname -m | sed s/x86_64/amd64/)\n"
			  "%s $arch ${e%%%% *} ${h%%%% *} >A/c.json\n"
			  "printf '[{\"Config\":\"c.json\",\"RepoTags\":[\"t:1\"],\"Layers\":[\"e.tar\",\"l.tar\"]}]' >A/manifest.json\n"
			  "tar -C A -cf f.tar c.json manifest.json e.tar l.tar", formats[i], config) > 0);
		must(script);
		(void)snprintf(data, sizeof(data), "data%zu", i);
		(void)snprintf(mnt, sizeof(mnt), "mnt%zu", i);
		images = open_images(data);
		CHECK_OK(load(images, "f.tar", NULL), &err);
		mount_image(images, "t:1", mnt);
		check_same_tree("T", mnt);
		CHECK_INT(umount2(lp_test_path(mnt), MNT_DETACH), 0);
		lp_images_close(images);
	}
}

/* What is in the store: nothing but its own directories and the lock. */
#define EMPTY "test -z \"$(find small -type f ! -path small/images/lock)\" && test -z \"$(find small/layers -mindepth 1 ! -name tmp)\""

TEST(a_full_disk_is_told_before_the_first_byte_and_when_it_fills_up_under_us)
{
	struct lp_images *images;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	CHECK_INT(mkdir(lp_test_path("small"), 0755), 0);
	CHECK_INT(mount("tmpfs", lp_test_path("small"), "tmpfs", 0, "size=16m"), 0);
	must("mkdir T && head -c 20000000 /dev/urandom >T/big && tar -C T -cf l.tar . && h=$(sha256sum <l.tar)\n"
	     "arch=$(uname -m | sed s/x86_64/amd64/)\n"
	     "printf '{\"architecture\":\"%s\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"sha256:%s\"]}}' $arch ${h%% *} >c.json\n"
	     "printf '[{\"Config\":\"c.json\",\"RepoTags\":[\"t:1\"],\"Layers\":[\"l.tar\"]}]' >manifest.json\n"
	     "tar -cf f.tar c.json manifest.json l.tar && gzip -1 -c f.tar >f.tar.gz\n"
	     /* compresses so well that nobody can see its size beforehand */
	     "head -c 40000000 /dev/zero >T/big && tar -C T -cf l.tar . && h=$(sha256sum <l.tar) && zstd -q -f l.tar\n"
	     "printf '{\"architecture\":\"%s\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"sha256:%s\"]}}' $arch ${h%% *} >c.json\n"
	     "printf '[{\"Config\":\"c.json\",\"RepoTags\":[\"t:1\"],\"Layers\":[\"l.tar.zst\"]}]' >manifest.json\n"
	     "tar -cf zeros.tar c.json manifest.json l.tar.zst");
	images = open_images("small");
	CHECK_ERR(load(images, "f.tar", NULL), -ENOSPC);
	CHECK_HAS(err.text, "not enough space");
	must(EMPTY);
	CHECK_ERR(load(images, "f.tar.gz", NULL), -ENOSPC);
	must(EMPTY);
	CHECK_ERR(load(images, "zeros.tar", NULL), -ENOSPC);
	CHECK_HAS(err.text, "No space left");
	must(EMPTY);
	lp_images_close(images);
	CHECK_INT(umount2(lp_test_path("small"), MNT_DETACH), 0);
}

#include <errno.h>
#include <linux/mount.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/oci/oci_mount.h"
#include "tests/harness.h"

struct fixture {
	struct lp_arena arena;
	struct lp_oci_mount mount;
	const char *words[16];
	struct lp_mount made;
	struct lp_err err;
};

/* Words with one blank between. */
static int
make(struct fixture *fixture, const char *type, const char *source, const char *options)
{
	size_t count = 0;

	memset(fixture, 0, sizeof(*fixture));
	lp_arena_init(&fixture->arena, 1 << 20);
	for (const char *at = options; *at; at += strcspn(at, " "), at += *at == ' ')
		fixture->words[count++] = lp_arena_mem(&fixture->arena, at, strcspn(at, " "));
	fixture->mount = (struct lp_oci_mount){ .destination = "/t", .type = type, .source = source,
		.options = { .items = fixture->words, .count = count, .set = true } };
	return lp_oci_mount_make(&fixture->arena, &fixture->mount, "/bundle", &fixture->made, &fixture->err);
}

static void
done(struct fixture *fixture)
{
	lp_arena_fini(&fixture->arena);
}

TEST(kernel_file_systems_have_kinds_of_their_own_and_others_are_named)
{
	static const struct { const char *type; int kind; } rows[] = {
		{ "proc", LP_MOUNT_PROC }, { "sysfs", LP_MOUNT_SYSFS }, { "mqueue", LP_MOUNT_MQUEUE }, { "cgroup", LP_MOUNT_CGROUP },
		{ "cgroup2", LP_MOUNT_CGROUP }, { "tmpfs", LP_MOUNT_FS }, { "devpts", LP_MOUNT_FS }, { "ext4", LP_MOUNT_FS },
	};
	struct fixture f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_OK(make(&f, rows[i].type, "x", "nosuid"), &f.err);
		CHECK_INT(f.made.kind, rows[i].kind);
		CHECK(f.made.attr_set == MOUNT_ATTR_NOSUID);
		done(&f);
	}
	CHECK_OK(make(&f, "proc", "proc", "hidepid=2"), &f.err);
	CHECK_INT(f.made.kind, LP_MOUNT_FS);
	CHECK_STR(f.made.options, "hidepid=2");
	done(&f);
}

TEST(words_that_are_not_ours_are_data_of_the_file_system)
{
	struct fixture f;

	CHECK_OK(make(&f, "tmpfs", "shm", "nosuid noexec mode=1777 size=64k sync"), &f.err);
	CHECK_STR(f.made.options, "mode=1777,size=64k,sync");
	CHECK(f.made.attr_set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
	CHECK_STR(f.made.device, "shm");
	done(&f);
}

TEST(a_bind_takes_no_data_and_needs_a_source)
{
	struct fixture f;

	CHECK_ERR(make(&f, "none", "/src", "rbind size=3"), -EINVAL);
	CHECK_HAS(f.err.text, "size=3");
	done(&f);
	CHECK_ERR(make(&f, "none", NULL, "rbind"), -EINVAL);
	done(&f);
	CHECK_ERR(make(&f, "none", "/src", "ro"), -EINVAL);
	done(&f);
	CHECK_OK(make(&f, "bind", "/src", "ro"), &f.err);
	CHECK_INT(f.made.kind, LP_MOUNT_BIND);
	CHECK(!(f.made.flags & LP_MOUNT_RECURSIVE) && (f.made.flags & LP_MOUNT_NO_IDMAP));
	done(&f);
	CHECK_OK(make(&f, "none", "sub/dir", "rbind"), &f.err);
	CHECK(f.made.flags & LP_MOUNT_RECURSIVE);
	CHECK_STR(f.made.source.path, "/bundle/sub/dir");
	done(&f);
}

TEST(of_two_words_that_contradict_each_other_the_last_holds)
{
	struct fixture f;

	CHECK_OK(make(&f, "none", "/s", "bind ro rw"), &f.err);
	CHECK(f.made.attr_set == 0 && f.made.attr_clear == MOUNT_ATTR_RDONLY);
	done(&f);
	CHECK_OK(make(&f, "none", "/s", "bind rw ro"), &f.err);
	CHECK(f.made.attr_set == MOUNT_ATTR_RDONLY && f.made.attr_clear == 0);
	done(&f);
	CHECK_OK(make(&f, "none", "/s", "bind noatime strictatime"), &f.err);
	CHECK((f.made.attr_set & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME);
	done(&f);
	CHECK_OK(make(&f, "none", "/s", "bind noatime relatime"), &f.err);
	CHECK((f.made.attr_set & MOUNT_ATTR__ATIME) == 0 && (f.made.attr_clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
	done(&f);
	CHECK_OK(make(&f, "none", "/s", "bind private rshared"), &f.err);
	CHECK_INT(f.made.propagation, LP_MOUNT_SHARED);
	CHECK(f.made.flags & LP_MOUNT_PROPAGATE);
	done(&f);
}

TEST(recursive_words_hold_for_what_is_mounted_below)
{
	struct fixture f;

	CHECK_OK(make(&f, "none", "/s", "rbind rro rnosuid rdev nodev"), &f.err);
	CHECK(f.made.attr_set_all == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
	CHECK(f.made.attr_clear_all == MOUNT_ATTR_NODEV);
	CHECK(f.made.attr_set == MOUNT_ATTR_NODEV);
	done(&f);
}

TEST(idmap_remount_and_tmpcopyup_are_known)
{
	struct fixture f;

	CHECK_OK(make(&f, "none", "/s", "rbind ridmap"), &f.err);
	CHECK(f.made.flags & LP_MOUNT_IDMAP_ALL);
	CHECK(!(f.made.flags & LP_MOUNT_NO_IDMAP));
	done(&f);
	CHECK_OK(make(&f, "none", "/s", "bind remount ro"), &f.err);
	CHECK_INT(f.made.kind, LP_MOUNT_REMOUNT);
	done(&f);
	CHECK_OK(make(&f, "tmpfs", "tmpfs", "tmpcopyup"), &f.err);
	CHECK(f.made.flags & LP_MOUNT_COPY_UP);
	done(&f);
}

TEST(every_word_of_the_table_is_found_and_none_stands_twice)
{
	for (size_t i = 0; lp_oci_mount_word(i); i++) {
		struct fixture f;

		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(lp_oci_mount_word(i), lp_oci_mount_word(j)) != 0);
		CHECK_OK(make(&f, "tmpfs", "x", lp_oci_mount_word(i)), &f.err);
		CHECK(f.made.options == NULL || strcmp(f.made.options, lp_oci_mount_word(i)) == 0);
		done(&f);
	}
}

TEST(propagation_words_are_told_from_others)
{
	enum lp_mount_propagation propagation;

	CHECK_OK(lp_oci_mount_propagation("rslave", &propagation), NULL);
	CHECK_INT(propagation, LP_MOUNT_SLAVE);
	CHECK_ERR(lp_oci_mount_propagation("ro", &propagation), -EINVAL);
	CHECK_ERR(lp_oci_mount_propagation("sideways", &propagation), -EINVAL);
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/volume/volume.h"
#include "base/path.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_volume volume;
static const struct lp_volume_owner nobody;
static struct lp_volume_file *files;
static size_t count;

static const char objects[] = "[{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cfg\",\"namespace\":\"default\"},\"data\":{\"a\":\"1\",\"b\":\"2\"},\"binaryData\":{\"z\":\"AAE=\"}},"
			      "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"sec\",\"namespace\":\"default\"},\"data\":{\"pw\":\"aGk=\"}}]";

static int
collect(const char *source, struct lp_err *err)
{
	static char pod[4096];
	int rc;

	(void)snprintf(pod, sizeof(pod),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"default\",\"labels\":{\"x\":\"y\"}},"
	    "\"spec\":{\"volumes\":[{\"name\":\"v\",%s}],\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}", source);
	lp_test_facts(&t, pod, objects);
	rc = lp_volume_read(&t.arena, t.pod->spec->volumes.items[0], t.pod_json, &t.facts, &volume, err);
	return rc < 0 ? rc : lp_volume_files(&t.arena, &volume, t.pod, t.pod_json, &t.facts, &files, &count, err);
}

TEST(every_key_becomes_a_file_unless_items_choose)
{
	struct lp_err err = { 0 };

	CHECK_OK(collect("\"configMap\":{\"name\":\"cfg\",\"defaultMode\":256}", &err), &err);
	CHECK_INT(count, 3);
	CHECK_INT(files[0].mode, 0400);
	CHECK_INT(files[2].len, 2);
	CHECK_OK(collect("\"configMap\":{\"name\":\"cfg\",\"items\":[{\"key\":\"b\",\"path\":\"dir/bee\",\"mode\":292}]}", &err), &err);
	CHECK_INT(count, 1);
	CHECK_STR(files[0].path, "dir/bee");
	CHECK_INT(files[0].mode, 0444);
	CHECK_OK(collect("\"secret\":{\"secretName\":\"sec\"}", &err), &err);
	CHECK_MEM(files[0].data, "hi", 2);
}

TEST(missing_sources_are_named_and_optional_ones_are_empty)
{
	struct lp_err err = { 0 };

	CHECK_ERR(collect("\"configMap\":{\"name\":\"gone\"}", &err), -ENOENT);
	CHECK_STR(err.text, "configmap \"gone\" not found");
	CHECK_ERR(collect("\"secret\":{\"secretName\":\"sec\",\"items\":[{\"key\":\"no\",\"path\":\"x\"}]}", &err), -ENOENT);
	CHECK_STR(err.text, "references non-existent secret key: no");
	CHECK_OK(collect("\"configMap\":{\"name\":\"gone\",\"optional\":true}", &err), &err);
	CHECK_INT(count, 0);
}

TEST(a_path_cannot_leave_the_volume)
{
	static const char *const bad[] = { "../x", "/x", "a/../../x", "..data" };
	struct lp_err err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char source[256];

		(void)snprintf(source, sizeof(source), "\"configMap\":{\"name\":\"cfg\",\"items\":[{\"key\":\"a\",\"path\":\"%s\"}]}", bad[i]);
		CHECK_ERR(collect(source, &err), -EINVAL);
	}
}

TEST(sources_can_be_projected_together)
{
	struct lp_err err = { 0 };

	CHECK_OK(collect("\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"cfg\",\"items\":[{\"key\":\"a\",\"path\":\"a\"}]}},{\"secret\":{\"name\":\"sec\"}},"
			 "{\"downwardAPI\":{\"items\":[{\"path\":\"labels\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}}]}", &err), &err);
	CHECK_INT(count, 3);
	CHECK_MEM(files[2].data, "x=\"y\"", 5);
}

TEST(a_kind_of_volume_that_is_not_here_is_refused_by_name)
{
	struct lp_err err = { 0 };

	CHECK_ERR(collect("\"iscsi\":{\"targetPortal\":\"s\"}", &err), -EOPNOTSUPP);
	CHECK_HAS(err.text, "volume v:");
}

/* Good until the next call. */
static const char *
content(const char *name)
{
	static char *last;

	free(last);
	last = lp_test_read(lp_test_path(name), NULL);
	return last;
}

TEST(files_change_all_at_once_and_unchanged_ones_are_left_alone)
{
	struct lp_volume_file first[] = { { "a", "1", 1, 0644 }, { "d/b", "2", 1, 0600 } }, second[] = { { "a", "3", 1, 0644 } };
	struct lp_err err = { 0 };
	struct stat before, after;
	int dir = -1, made = -1;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &dir, &err), &err);
	CHECK_OK(lp_path_mkdirs(dir, "volumes/v", 0755, &made, &err), &err);
	CHECK_OK(lp_volume_write(dir, "v", first, 2, &nobody, &err), &err);
	CHECK_STR(content("volumes/v/a"), "1");
	CHECK_STR(content("volumes/v/d/b"), "2");
	CHECK_INT(fstatat(dir, "volumes/v/..data", &before, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_OK(lp_volume_write(dir, "v", first, 2, &nobody, &err), &err);
	CHECK_INT(fstatat(dir, "volumes/v/..data", &after, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_INT(before.st_ino, after.st_ino);
	CHECK_OK(lp_volume_write(dir, "v", second, 1, &nobody, &err), &err);
	CHECK_STR(content("volumes/v/a"), "3");
	CHECK_INT(faccessat(dir, "volumes/v/d", F_OK, 0), -1);
}

TEST(a_host_path_is_made_or_checked_as_its_type_says)
{
	struct lp_err err = { 0 };
	struct lp_volume v = { .name = "h", .kind = LP_VOLUME_HOST, .path = lp_test_path("new/dir"), .host_type = "DirectoryOrCreate" };
	struct stat st;

	CHECK_OK(lp_volume_prepare(-1, -1, &v, &err), &err);
	CHECK_INT(stat(v.path, &st), 0);
	v.host_type = "File";
	CHECK_ERR(lp_volume_prepare(-1, -1, &v, &err), -EINVAL);
	v.path = lp_test_path("nothing");
	v.host_type = "Directory";
	CHECK_ERR(lp_volume_prepare(-1, -1, &v, &err), -ENOENT);
}

TEST(of_two_sources_with_one_path_the_later_wins_and_unknown_sources_are_named)
{
	struct lp_err err = { 0 };

	CHECK_OK(collect("\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"cfg\",\"items\":[{\"key\":\"a\",\"path\":\"x\"}]}},"
			 "{\"secret\":{\"name\":\"sec\",\"items\":[{\"key\":\"pw\",\"path\":\"x\"}]}}]}", &err), &err);
	CHECK_INT(count, 1);
	CHECK_MEM(files[0].data, "hi", 2);
	CHECK_ERR(collect("\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"t\"}}]}", &err), -EOPNOTSUPP);
	CHECK_HAS(err.text, "serviceAccountToken");
	CHECK_ERR(collect("\"projected\":{\"sources\":[{\"clusterTrustBundle\":{\"path\":\"t\"}}]}", &err), -EOPNOTSUPP);
	CHECK_HAS(err.text, "clusterTrustBundle");
}

TEST(a_volume_is_given_to_its_group_and_no_link_is_followed)
{
	static const struct lp_volume_owner owner = { .has_group = true, .group = 2000 }, lazy = { .has_group = true, .group = 2000, .on_mismatch = true };
	struct lp_err err = { 0 };
	struct stat st;
	int dir = -1;

	if (geteuid() != 0)
		SKIP("needs root to give files away");
	CHECK_OK(lp_path_root(lp_test_dir(), false, &dir, &err), &err);
	CHECK_OK(lp_path_mkdirs(dir, "v/deep", 0700, NULL, &err), &err);
	close(openat(dir, "v/deep/file", O_CREAT | O_WRONLY, 0600));
	close(openat(dir, "outside", O_CREAT | O_WRONLY, 0600));
	CHECK_INT(chmod(lp_test_path("v/deep/file"), 0600), 0);
	CHECK_INT(chmod(lp_test_path("outside"), 0600), 0);
	CHECK_INT(symlinkat("../outside", dir, "v/link"), 0);
	CHECK_OK(lp_volume_own(dir, "v", &owner, &err), &err);
	CHECK_INT(fstatat(dir, "v/deep/file", &st, 0), 0);
	CHECK_INT(st.st_gid, 2000);
	CHECK_INT(st.st_mode & 07777, 0660);
	CHECK_INT(fstatat(dir, "v/deep", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 02770);
	CHECK_INT(fstatat(dir, "outside", &st, 0), 0);
	CHECK_INT(st.st_gid, 0);
	CHECK_INT(st.st_mode & 07777, 0600);

	/* OnRootMismatch: the root is right, what is below is left alone. */
	CHECK_INT(fchmodat(dir, "v/deep/file", 0600, 0), 0);
	CHECK_OK(lp_volume_own(dir, "v", &lazy, &err), &err);
	CHECK_INT(fstatat(dir, "v/deep/file", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
}

TEST(files_of_a_group_may_be_read_by_it)
{
	static const struct lp_volume_owner owner = { .base = 65536, .has_group = true, .group = 7 };
	struct lp_volume_file file[] = { { "pw", "x", 1, 0400 } };
	struct lp_err err = { 0 };
	struct stat st;
	int dir = -1;

	if (geteuid() != 0)
		SKIP("needs root to give files away");
	CHECK_OK(lp_path_root(lp_test_dir(), false, &dir, &err), &err);
	CHECK_OK(lp_path_mkdirs(dir, "volumes/s", 0755, NULL, &err), &err);
	CHECK_OK(lp_volume_write(dir, "s", file, 1, &owner, &err), &err);
	CHECK_INT(fstatat(dir, "volumes/s/pw", &st, 0), 0);
	CHECK_INT(st.st_uid, 65536);
	CHECK_INT(st.st_gid, 65543);
	CHECK_INT(st.st_mode & 07777, 0440);
}

TEST(a_directory_for_a_claim_is_made_once_and_then_left_as_it_is)
{
	struct lp_volume v = { .name = "d", .kind = LP_VOLUME_MADE, .handle = "u-1", .path = "/unused" };
	struct lp_err err = { 0 };
	struct stat st;
	int dir = -1;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &dir, &err), &err);
	CHECK_OK(lp_volume_prepare(-1, dir, &v, &err), &err);
	CHECK_INT(fstatat(dir, "u-1", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0777);
	CHECK_INT(fchmodat(dir, "u-1", 0700, 0), 0);
	CHECK_OK(lp_volume_prepare(-1, dir, &v, &err), &err);
	CHECK_INT(fstatat(dir, "u-1", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK_INT(faccessat(dir, ".new-u-1", F_OK, 0), -1);
}

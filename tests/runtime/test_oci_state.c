#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "runtime/oci/oci_state.h"
#include "tests/harness.h"

static const char *
root(void)
{
	return lp_test_path("state");
}

TEST(ids_are_those_of_runc)
{
	static const char *const good[] = { "a", "A.b-c_d+9", ".x", "..x", "-" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a:b", "a\n", "\xc3\xa4" };
	char long_id[200];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_OK(lp_oci_id_check(good[i], NULL), NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(lp_oci_id_check(bad[i], NULL), -EINVAL);
	memset(long_id, 'a', sizeof(long_id));
	long_id[127] = '\0';
	CHECK_OK(lp_oci_id_check(long_id, NULL), NULL);
	long_id[127] = 'a';
	long_id[128] = '\0';
	CHECK_ERR(lp_oci_id_check(long_id, NULL), -EINVAL);
}

TEST(a_home_is_made_once_and_gone_when_removed)
{
	struct lp_oci_home home, again;
	struct lp_err err = { 0 };

	CHECK_OK(lp_oci_home_create(root(), "a", &home, &err), &err);
	CHECK_ERR(lp_oci_home_create(root(), "a", &again, &err), -EEXIST);
	CHECK_HAS(err.text, "already exists");
	CHECK_OK(lp_oci_home_remove(&home, &err), &err);
	lp_oci_home_fini(&home);
	CHECK_ERR(lp_oci_home_open(root(), "a", false, &again, &err), -ENOENT);
	CHECK_HAS(err.text, "container a does not exist");
	CHECK_OK(lp_oci_home_create(root(), "a", &home, &err), &err);
	lp_oci_home_fini(&home);
}

TEST(state_comes_back_as_it_was_written)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_oci_home home;
	struct lp_err err = { 0 };
	struct lp_oci_state state = { .version = "1.0.2", .bundle = "/b", .rootfs = "/b/r", .created = "2026-01-01T00:00:00Z", .owner = "root",
		.cgroup = "/x/a", .ready = true, .poststop = true, .shared_pids = true }, read;

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(lp_oci_home_create(root(), "a", &home, &err), &err);
	CHECK_ERR(lp_oci_state_read(&home, &arena, &read, &err), -ENOENT);
	state.record.pid = 42;
	state.record.start_ticks = UINT64_C(1) << 40;
	state.record.cgroup_id = UINT64_MAX - 5;
	(void)snprintf(state.record.boot_id, sizeof(state.record.boot_id), "boot");
	(void)snprintf(state.record.cgroup_name, sizeof(state.record.cgroup_name), "a");
	state.annotations = lp_json_new(&arena, LP_JSON_OBJECT);
	(void)lp_json_set_str(&arena, (struct lp_json *)(uintptr_t)state.annotations, "k", "v \" w");
	CHECK_OK(lp_oci_state_write(&home, &state, &err), &err);
	CHECK_OK(lp_oci_state_read(&home, &arena, &read, &err), &err);
	CHECK_STR(read.id, "a");
	CHECK_STR(read.version, "1.0.2");
	CHECK_STR(read.bundle, "/b");
	CHECK_STR(read.rootfs, "/b/r");
	CHECK_STR(read.cgroup, "/x/a");
	CHECK_STR(read.record.boot_id, "boot");
	CHECK_STR(read.record.cgroup_name, "a");
	CHECK_INT(read.record.pid, 42);
	CHECK(read.record.start_ticks == state.record.start_ticks && read.record.cgroup_id == state.record.cgroup_id);
	CHECK(read.ready && read.poststop && !read.poststart && read.shared_pids);
	CHECK_STR(lp_json_str(read.annotations, "k"), "v \" w");
	lp_oci_home_fini(&home);
}

TEST(damaged_state_is_said_to_be_so)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_oci_home home;
	struct lp_oci_state read;
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(lp_oci_home_create(root(), "a", &home, &err), &err);
	CHECK_OK(lp_oci_home_put(&home, "state.json", "{\"pid\":", 7, &err), &err);
	CHECK_ERR(lp_oci_state_read(&home, &arena, &read, &err), -EINVAL);
	CHECK_HAS(err.text, "state of container a");
	lp_oci_home_fini(&home);
}

TEST(a_lock_belongs_to_its_process_alone)
{
	struct lp_oci_home home, other;
	struct lp_err err = { 0 };
	int status = 0;
	pid_t child;

	CHECK_OK(lp_oci_home_create(root(), "a", &home, &err), &err);
	child = fork();
	if (child == 0) {
		/* The descriptor came with us, the lock did not. */
		if (lp_oci_home_open(root(), "a", false, &other, NULL) < 0)
			_exit(2);
		_exit(lp_oci_home_busy(&other) ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_INT(WEXITSTATUS(status), 0);
	lp_oci_home_fini(&home);
	CHECK_OK(lp_oci_home_open(root(), "a", false, &other, &err), &err);
	CHECK(!lp_oci_home_busy(&other));
	lp_oci_home_fini(&other);
}

TEST(what_the_kernel_says_is_the_status)
{
	struct lp_oci_state state = { .id = "a", .cgroup = "" };
	char boot[64] = "", stat[1024] = "", *word;
	FILE *file;

	lp_test_need_kernel();	/* which file it runs, and since when */
	CHECK_INT(lp_oci_state_status(&state), LP_OCI_CREATING);
	state.ready = true;
	CHECK_INT(lp_oci_state_status(&state), LP_OCI_STOPPED);	/* no pid at all */
	file = fopen("/proc/sys/kernel/random/boot_id", "r");
	CHECK(file && fgets(boot, sizeof(boot), file));
	(void)fclose(file);
	boot[strcspn(boot, "\n")] = '\0';
	(void)snprintf(state.record.boot_id, sizeof(state.record.boot_id), "%.39s", boot);
	state.record.pid = getpid();
	CHECK_INT(lp_oci_state_status(&state), LP_OCI_STOPPED);	/* another process has our number */
	file = fopen("/proc/self/stat", "r");
	CHECK(file && fgets(stat, sizeof(stat), file));
	(void)fclose(file);
	word = strrchr(stat, ')');
	for (int i = 0; i < 20; i++)
		word = strchr(word + 1, ' ');
	state.record.start_ticks = strtoull(word, NULL, 10);
	/* A test runs in a child that was forked and has executed nothing: what a created container is. */
	CHECK_INT(lp_oci_state_status(&state), LP_OCI_CREATED);
	state.record.boot_id[0] ^= 1;
	CHECK_INT(lp_oci_state_status(&state), LP_OCI_STOPPED);
}

static int
collect(void *arg, const char *id)
{
	(void)strncat(arg, id, 32);
	(void)strncat(arg, " ", 2);
	return 0;
}

TEST(only_containers_are_listed)
{
	char names[128] = "";
	struct lp_oci_home home;
	struct lp_err err = { 0 };

	CHECK_OK(lp_oci_home_each(root(), collect, names, &err), &err);	/* not there yet */
	CHECK_STR(names, "");
	CHECK_OK(lp_oci_home_create(root(), "b", &home, &err), &err);
	CHECK(mkdirat(home.root, "new:77", 0700) == 0);
	lp_oci_home_fini(&home);
	CHECK_OK(lp_oci_home_create(root(), "a", &home, &err), &err);
	lp_oci_home_fini(&home);
	CHECK_OK(lp_oci_home_each(root(), collect, names, &err), &err);
	CHECK_STR(names, "a b ");
}

TEST(the_document_says_what_the_specification_asks_for)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	const struct lp_oci_state state = { .id = "a", .version = "1.2.0", .bundle = "/b", .rootfs = "/b/r", .created = "now", .owner = "root" };

	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&text, 4096);
	CHECK_OK(lp_json_write(&text, lp_oci_state_document(&arena, &state, "created", 5, false)), NULL);
	CHECK_STR(text.data, "{\"ociVersion\":\"1.2.0\",\"id\":\"a\",\"pid\":5,\"status\":\"created\",\"bundle\":\"/b\"}");
	lp_buf_reset(&text);
	CHECK_OK(lp_json_write(&text, lp_oci_state_document(&arena, &state, "stopped", 0, true)), NULL);
	CHECK_STR(text.data, "{\"ociVersion\":\"1.2.0\",\"id\":\"a\",\"pid\":0,\"status\":\"stopped\",\"bundle\":\"/b\",\"rootfs\":\"/b/r\","
	    "\"created\":\"now\",\"owner\":\"root\"}");
}

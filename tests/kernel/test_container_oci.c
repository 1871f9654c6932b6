/* tests/kernel/test_container_oci.c - what an OCI config can say about mounts, /dev and the root, in real containers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

/* The mounts that `spec` of an OCI runtime writes, and the image as a plain directory. */
static struct cage *
oci_cage(bool users)
{
	static const struct lp_mount usual[] = {
		{ .kind = LP_MOUNT_FS, .target = "/proc", .fstype = "proc", .device = "proc" },
		{ .kind = LP_MOUNT_FS, .target = "/dev", .fstype = "tmpfs", .device = "tmpfs", .options = "mode=755,size=65536k",
		    .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME },
		{ .kind = LP_MOUNT_FS, .target = "/dev/pts", .fstype = "devpts", .device = "devpts",
		    .options = "newinstance,ptmxmode=0666,mode=0620,gid=5", .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC },
		{ .kind = LP_MOUNT_FS, .target = "/dev/shm", .fstype = "tmpfs", .device = "shm", .options = "mode=1777,size=65536k",
		    .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV },
		{ .kind = LP_MOUNT_FS, .target = "/sys", .fstype = "sysfs", .device = "sysfs",
		    .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY },
	};
	struct cage *cage = cage_new();

	if (users)
		cage_own_users(cage);
	for (size_t i = 0; i < lp_count(usual); i++) {
		cage->mounts[i] = usual[i];
		cage->mounts[i].source.fd = -1;
	}
	cage->config.mount_count = lp_count(usual);
	CHECK_INT(cage->config.rootfs.layer_count, 1);
	cage->config.rootfs.ready = cage->layers[0];
	return cage;
}

static struct lp_mount *
fs(struct cage *cage, const char *fstype, const char *target, const char *options)
{
	struct lp_mount *mount = cage_mount(cage, LP_MOUNT_FS, target);

	mount->fstype = mount->device = fstype;
	mount->options = options;
	return mount;
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	CHECK(file != NULL);
	CHECK(fputs(text, file) >= 0);
	CHECK(fclose(file) == 0);
}

static const char *
under(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", lp_test_path("tree"), name);
	return path;
}

static void
own_mounts(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mkdir(lp_test_path("tree"), 0755) == 0);
}

/* The same in a mount namespace of the test's own: before the image is opened in it. */
static struct cage *
mounts_cage(bool users)
{
	lp_test_need_root();
	own_mounts();
	return oci_cage(users);
}

/* A directory with another file system mounted below it. */
static struct cage *
tree_cage(bool users)
{
	struct cage *cage = mounts_cage(users);

	CHECK(mkdir(under("a"), 0755) == 0);
	CHECK(mkdir(under("a/sub"), 0755) == 0);
	CHECK(mount("tmpfs", under("a/sub"), "tmpfs", 0, "size=64k") == 0);
	return cage;
}

/* ---- /dev ---- */

static void
dev_is_filled(bool users)
{
	struct cage *cage = oci_cage(users);

	CHECK_OK(cage_shell(cage, "cd /dev && ls -1 && echo gone > null && head -c 4 zero | wc -c && test -c tty && test -c urandom && "
				  "for l in fd stdin stdout stderr ptmx; do readlink $l; done && stat -c %a:%u null && stat -c %a shm"),
	    &cage->err);
	CHECK_STR(cage->out, "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n4\n"
			     "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n666:0\n1777\n");
	CHECK_INT(cage->exit.code, 0);
	cage_free(cage);
}

TEST(a_dev_that_the_config_mounts_gets_nodes_and_links)
{
	dev_is_filled(false);
}

TEST(a_dev_that_the_config_mounts_gets_nodes_and_links_in_a_user_namespace)
{
	dev_is_filled(true);
}

TEST(a_terminal_comes_from_the_devpts_of_the_config)
{
	struct cage *cage = oci_cage(true);
	char text[256] = "";
	int master;

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "tty; test -c /dev/console && stat -c %g /dev/pts/0; sleep 1";
	cage->config.process.terminal = true;
	CHECK_OK(cage_start(cage), &cage->err);
	master = lp_container_take_terminal(cage->container);
	CHECK(master >= 0);
	for (size_t len = 0; !strstr(text, "5\r\n") && len < sizeof(text) - 1;) {
		ssize_t n = read(master, text + len, sizeof(text) - 1 - len);

		CHECK(n > 0);
		len += (size_t)n;
	}
	CHECK_HAS(text, "/dev/pts/0\r\n5\r\n");
	cage_end(cage);
	(void)close(master);
	cage_free(cage);
}

TEST(devices_of_the_config_are_made_wherever_they_are_said_to_be)
{
	struct cage *cage = oci_cage(false);
	const struct lp_device devices[] = {
		{ .path = "/dev/sub/mem0", .type = 'c', .major = 1, .minor = 3, .read = true, .mode = 0640, .uid = 7, .gid = 8 },
		{ .path = "/srv/pipe", .type = 'p', .mode = 0600 },
		{ .path = "/dev/null", .type = 'c', .major = 1, .minor = 3, .read = true },
	};

	cage->config.devices = devices;
	cage->config.device_count = lp_count(devices);
	CHECK_OK(cage_shell(cage, "stat -c '%F %a %u:%g %t:%T' /dev/sub/mem0; stat -c %F /srv/pipe"), &cage->err);
	CHECK_STR(cage->out, "character special file 640 7:8 1:3\nfifo\n");
	cage_free(cage);
}

TEST(another_device_in_the_place_of_one_is_an_error_by_name)
{
	struct cage *cage = oci_cage(false);
	const struct lp_device devices[] = { { .path = "/dev/null", .type = 'b', .major = 7, .minor = 0, .read = true } };

	cage->config.devices = devices;
	cage->config.device_count = lp_count(devices);
	CHECK_ERR(cage_shell(cage, "true"), -EEXIST);
	CHECK_HAS(cage->err.text, "/dev/null");
	cage_free(cage);
}

/* ---- options ---- */

TEST(attributes_and_options_are_those_of_the_config)
{
	struct cage *cage = oci_cage(true);
	struct lp_mount *m = fs(cage, "tmpfs", "/a", "size=64k,mode=711,uid=3,gid=4,sync");

	m->attr_set = MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_NOEXEC;
	fs(cage, "tmpfs", "/b", "dirsync,nr_inodes=9")->attr_set = MOUNT_ATTR_RDONLY;
	CHECK_OK(cage_shell(cage, "grep -E ' /(a|b) ' /proc/self/mountinfo | cut -d' ' -f5-6; stat -c %a:%u:%g /a; df -k /a | tail -1 | "
				  "awk '{print $2}'; ln -s /etc/passwd /a/l; cat /a/l 2>&1; grep -c dirsync /proc/self/mountinfo; "
				  "grep ' /a ' /proc/self/mountinfo | grep -c sync"),
	    &cage->err);
	CHECK_STR(cage->out, "/a rw,noexec,noatime,nodiratime,nosymfollow\n/b ro,relatime\n711:3:4\n64\ncat: can't open '/a/l': Too many "
			     "levels of symbolic links\n1\n1\n");
	cage_free(cage);
}

TEST(an_id_in_the_options_that_no_map_has_is_an_error_by_name)
{
	struct cage *cage = oci_cage(true);

	fs(cage, "tmpfs", "/a", "uid=70000");
	CHECK_ERR(cage_shell(cage, "true"), -ERANGE);
	CHECK_HAS(cage->err.text, "uid=70000");
	cage_free(cage);
}

TEST(an_option_that_a_file_system_does_not_know_is_an_error_by_name)
{
	struct cage *cage = oci_cage(false);

	fs(cage, "tmpfs", "/a", "colour=red");
	CHECK_ERR(cage_shell(cage, "true"), -EINVAL);
	CHECK_HAS(cage->err.text, "colour");
	cage_free(cage);
}

TEST(a_file_system_that_the_kernel_lacks_is_an_error_unless_it_is_optional)
{
	struct cage *cage = oci_cage(false);
	struct lp_mount *m = fs(cage, "nonesuchfs", "/a", NULL);

	CHECK_ERR(cage_shell(cage, "true"), -ENODEV);
	CHECK_HAS(cage->err.text, "nonesuchfs");
	m->flags = LP_MOUNT_OPTIONAL;
	CHECK_OK(cage_shell(cage, "true"), &cage->err);
	cage_free(cage);
}

TEST(words_of_old_kernels_and_long_values_go_by_mount_call)
{
	struct cage *cage = mounts_cage(false);
	char lower[600];

	CHECK(mkdir(under("one"), 0755) == 0);
	write_file(under("one/x"), "deep\n");
	(void)snprintf(lower, sizeof(lower), "lowerdir=%s/", under("one"));
	while (strlen(lower) < 300)
		strcat(lower, "./././././");
	CHECK(mkdir(under("two"), 0755) == 0);
	(void)snprintf(lower + strlen(lower), sizeof(lower) - strlen(lower), ":%s", under("two"));
	fs(cage, "overlay", "/ov", lower)->attr_set = MOUNT_ATTR_NODEV;
	fs(cage, "tmpfs", "/tm", "silent,iversion,size=8k");
	CHECK_OK(cage_shell(cage, "cat /ov/x; grep -c ' /tm ' /proc/self/mountinfo; grep ' /ov ' /proc/self/mountinfo | grep -c nodev"), &cage->err);
	CHECK_STR(cage->out, "deep\n1\n1\n");
	cage_free(cage);
}

TEST(a_tmpfs_with_copy_up_begins_with_what_the_image_has)
{
	struct cage *cage = oci_cage(true);

	CHECK_OK(cage_shell(cage, "mkdir -p /cu/d/e && echo inner > /cu/d/e/f && chmod 640 /cu/d/e/f && chown 5:6 /cu/d/e/f && ln -s d /cu/l && "
				  "mkfifo /cu/p && chmod 2750 /cu"),
	    &cage->err);
	CHECK_INT(cage->exit.code, 0);
	fs(cage, "tmpfs", "/cu", "size=1m")->flags = LP_MOUNT_COPY_UP;
	CHECK_OK(cage_shell(cage, "grep -c ' /cu ' /proc/self/mountinfo; cat /cu/l/e/f; stat -c %a:%u:%g /cu/d/e/f; stat -c %a /cu; test -p /cu/p && "
				  "echo changed > /cu/d/e/f"),
	    &cage->err);
	CHECK_STR(cage->out, "1\ninner\n640:5:6\n2750\n");
	cage->config.mount_count--;
	CHECK_OK(cage_shell(cage, "cat /cu/d/e/f"), &cage->err);
	CHECK_STR(cage->out, "inner\n");
	cage_free(cage);
}

TEST(a_remount_changes_what_is_there)
{
	struct cage *cage = mounts_cage(false);

	fs(cage, "tmpfs", "/a", "size=8k");
	cage_mount(cage, LP_MOUNT_REMOUNT, "/a")->attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
	cage->mounts[cage->config.mount_count - 1].options = "size=16k";
	CHECK_OK(cage_shell(cage, "grep ' /a ' /proc/self/mountinfo | cut -d' ' -f6; df -k /a | tail -1 | awk '{print $2}'"), &cage->err);
	CHECK_STR(cage->out, "ro,nosuid,relatime\n16\n");
	cage_free(cage);
}

/* ---- binds ---- */

TEST(ro_is_for_the_mount_alone_and_rro_for_all_below_it)
{
	struct cage *cage = tree_cage(false);
	struct lp_mount *m = cage_mount(cage, LP_MOUNT_BIND, "/a");

	m->source.path = under("a");
	m->flags = LP_MOUNT_RECURSIVE;
	m->attr_set = MOUNT_ATTR_RDONLY;
	CHECK_OK(cage_shell(cage, "touch /a/x 2>/dev/null || echo top; touch /a/sub/x 2>/dev/null || echo below"), &cage->err);
	CHECK_STR(cage->out, "top\n");
	m->attr_set = 0;
	m->attr_set_all = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME;
	CHECK_OK(cage_shell(cage, "touch /a/x 2>/dev/null || echo top; touch /a/sub/x 2>/dev/null || echo below; grep -c noatime /proc/self/mountinfo"),
	    &cage->err);
	CHECK_STR(cage->out, "top\nbelow\n2\n");
	m->attr_clear = MOUNT_ATTR_RDONLY;
	CHECK_OK(cage_shell(cage, "touch /a/x 2>/dev/null || echo top; touch /a/sub/x 2>/dev/null || echo below"), &cage->err);
	CHECK_STR(cage->out, "below\n");
	cage_free(cage);
}

TEST(a_bind_with_rows_of_its_own_shows_other_owners)
{
	struct cage *cage = mounts_cage(false);
	const struct lp_idmap rows[] = { { 0, 1000, 1 }, { 5, 2000, 10 } };
	struct lp_mount *m = cage_mount(cage, LP_MOUNT_BIND, "/a");

	CHECK(mkdir(under("a"), 0755) == 0);
	write_file(under("a/zero"), "");
	write_file(under("a/seven"), "");
	CHECK(chown(under("a/seven"), 7, 7) == 0);
	m->source.path = under("a");
	m->flags = LP_MOUNT_IDMAP;
	m->uids = m->gids = rows;
	m->uid_count = m->gid_count = 2;
	CHECK_OK(cage_shell(cage, "stat -c %u:%g /a/zero /a/seven"), &cage->err);
	CHECK_STR(cage->out, "1000:1000\n2002:2002\n");
	cage_free(cage);
}

TEST(a_sub_is_made_when_asked_and_belongs_to_the_containers_root)
{
	struct cage *cage = mounts_cage(true);
	struct lp_mount *m = cage_mount(cage, LP_MOUNT_BIND, "/a");

	CHECK(mkdir(under("v"), 0755) == 0);
	m->source.path = under("v");
	m->sub = "data/deep";
	CHECK_ERR(cage_shell(cage, "true"), -ENOENT);
	m->flags = LP_MOUNT_MAKE_SUB;
	CHECK_OK(cage_shell(cage, "stat -c %u:%a /a; echo mine > /a/file"), &cage->err);
	CHECK_STR(cage->out, "0:755\n");
	CHECK_INT(access(under("v/data/deep/file"), F_OK), 0);
	m->sub = "data/deep/file";
	m->target = "/one";
	CHECK_OK(cage_shell(cage, "cat /one"), &cage->err);
	CHECK_STR(cage->out, "mine\n");
	cage_free(cage);
}

TEST(a_sub_never_leads_out_of_its_source)
{
	static const char *const ways[] = { "out", "out/etc", "up", "../v2", "in/../../v2", "/etc", "magic/cwd" };
	struct cage *cage = mounts_cage(false);
	struct lp_mount *m = cage_mount(cage, LP_MOUNT_BIND, "/a");

	CHECK(mkdir(under("v"), 0755) == 0 && mkdir(under("v2"), 0755) == 0 && mkdir(under("v/in"), 0755) == 0);
	CHECK(symlink("/", under("v/out")) == 0 && symlink("../v2", under("v/up")) == 0 && symlink("/proc/self", under("v/magic")) == 0);
	CHECK(symlink("in", under("v/near")) == 0);
	m->source.path = under("v");
	for (size_t i = 0; i < lp_count(ways); i++) {
		m->sub = ways[i];
		m->flags = i % 2 ? LP_MOUNT_MAKE_SUB : 0;
		if (cage_shell(cage, "true") == 0)
			FAIL("sub %s was mounted", ways[i]);
	}
	m->sub = "near";
	CHECK_OK(cage_shell(cage, "true"), &cage->err);
	cage_free(cage);
}

TEST(a_slave_bind_shows_what_is_mounted_outside_later_and_a_shared_one_gives_it_back)
{
	struct cage *cage = mounts_cage(false);
	struct lp_mount *m = cage_mount(cage, LP_MOUNT_BIND, "/a");

	CHECK(mount("tmpfs", lp_test_path("tree"), "tmpfs", 0, NULL) == 0);
	CHECK(mount(NULL, lp_test_path("tree"), NULL, MS_SHARED, NULL) == 0);
	CHECK(mkdir(under("late"), 0755) == 0 && mkdir(under("given"), 0755) == 0);
	m->source.path = lp_test_path("tree");
	m->flags = LP_MOUNT_RECURSIVE;
	m->propagation = LP_MOUNT_SHARED;
	cage->config.process.seccomp = LP_SECCOMP_UNCONFINED;
	lp_caps_fill(&cage->config.process.caps, LP_CAP_ALL, false);
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "mount -t tmpfs given /a/given; echo ready; while ! grep -q ' /a/late ' /proc/self/mountinfo; do sleep 0.05; done; echo seen";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "ready");
	CHECK(umount2(under("given"), MNT_DETACH) == 0);
	CHECK(mount("tmpfs", under("late"), "tmpfs", 0, NULL) == 0);
	cage_until(cage, "seen");
	cage_end(cage);
	m->propagation = LP_MOUNT_SLAVE;
	CHECK(umount2(under("late"), MNT_DETACH) == 0);
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "ready");
	CHECK(umount2(under("given"), MNT_DETACH) < 0);
	CHECK(mount("tmpfs", under("late"), "tmpfs", 0, NULL) == 0);
	cage_until(cage, "seen");
	cage_end(cage);
	cage_free(cage);
}

/* ---- the root ---- */

TEST(a_ready_root_leaves_no_mount_in_the_tree_it_comes_from)
{
	struct cage *cage = mounts_cage(false);
	char tree[64], root[256];
	ssize_t len;
	int before;

	CHECK(mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) == 0);
	(void)snprintf(tree, sizeof(tree), "/proc/self/fd/%d", cage->layers[0].fd);
	len = readlink(tree, root, sizeof(root) - 1);
	CHECK(len > 0);
	root[len] = '\0';
	cage->config.rootfs.ready.path = root;
	before = cage_count_mounts();
	cage->args[0] = "sleep";
	cage->args[1] = "100";
	cage->args[2] = NULL;
	CHECK_OK(cage_start(cage), &cage->err);
	CHECK_INT(cage_count_mounts(), before);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(the_root_has_the_propagation_of_the_config)
{
	static const struct {
		enum lp_mount_propagation propagation;
		const char *shows;
	} rows[] = { { LP_MOUNT_SHARED, "shared:" }, { LP_MOUNT_UNBINDABLE, "unbindable" } };
	struct cage *cage = oci_cage(false);

	for (size_t i = 0; i < lp_count(rows); i++) {
		cage->config.rootfs.propagation_set = true;
		cage->config.rootfs.propagation = rows[i].propagation;
		CHECK_OK(cage_shell(cage, "grep ' / / ' /proc/self/mountinfo || grep -m1 ' / ' /proc/self/mountinfo"), &cage->err);
		CHECK_HAS(cage->out, rows[i].shows);
	}
	cage->config.rootfs.propagation_set = false;
	CHECK_OK(cage_shell(cage, "grep -cE 'shared:|master:|unbindable' /proc/self/mountinfo"), &cage->err);
	CHECK_STR(cage->out, "0\n");
	cage_free(cage);
}

TEST(a_container_without_pivot_sees_its_root_only)
{
	struct cage *cage = oci_cage(true);

	cage->config.rootfs.no_pivot = true;
	CHECK_OK(cage_shell(cage, "ls -d /bin /proc/1; ls / | grep -c work; pwd"), &cage->err);
	CHECK_STR(cage->out, "/bin\n/proc/1\n0\n/\n");
	cage->args[0] = "sleep";
	cage->args[1] = "100";
	cage->args[2] = NULL;
	CHECK_OK(cage_start(cage), &cage->err);
	{
		struct lp_container_exit end;

		CHECK_OK(cage_exec(cage, "ls -d /bin; ls / | grep -c work", &end), &cage->err);
		CHECK_STR(cage->out, "/bin\n0\n");
	}
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(a_container_in_the_hosts_mount_namespace_is_chrooted_and_its_mounts_go_with_one)
{
	struct cage *cage = mounts_cage(false);
	struct lp_container_exit end;
	char tree[64], root[256], line[400];
	ssize_t len;
	int before;

	(void)snprintf(tree, sizeof(tree), "/proc/self/fd/%d", cage->layers[0].fd);
	len = readlink(tree, root, sizeof(root) - 1);
	CHECK(len > 0);
	root[len] = '\0';
	cage->config.rootfs.ready.path = root;
	cage->config.ns[LP_NS_MOUNT].how = LP_NS_HOST;
	cage->config.masked_paths = cage->config.readonly_paths = NULL;
	before = cage_count_mounts();
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "ls -d /bin /proc/1 /dev/null && echo up; sleep 100";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	(void)snprintf(line, sizeof(line), "ls -d /bin; test -e %s || echo inside", root);
	CHECK_OK(cage_exec(cage, line, &end), &cage->err);
	CHECK_STR(cage->out, "/bin\ninside\n");
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	CHECK(umount2(root, MNT_DETACH) == 0);
	CHECK_INT(cage_count_mounts(), before);
	cage_free(cage);
}

TEST(a_container_in_a_joined_mount_namespace_is_chrooted_there)
{
	struct cage *cage = mounts_cage(false);
	char tree[64], root[256], line[400];
	int ends[2], before;
	ssize_t len;
	pid_t pid;
	char byte;

	(void)snprintf(tree, sizeof(tree), "/proc/self/fd/%d", cage->layers[0].fd);
	len = readlink(tree, root, sizeof(root) - 1);
	CHECK(len > 0);
	root[len] = '\0';
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		byte = unshare(CLONE_NEWNS) == 0 ? 'y' : 'n';
		(void)!write(ends[1], &byte, 1);
		(void)pause();
		_exit(0);
	}
	CHECK_INT(read(ends[0], &byte, 1), 1);
	CHECK_INT(byte, 'y');
	(void)snprintf(tree, sizeof(tree), "/proc/%d/ns/mnt", (int)pid);
	cage->config.ns[LP_NS_MOUNT] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = open(tree, O_RDONLY | O_CLOEXEC) };
	CHECK(cage->config.ns[LP_NS_MOUNT].fd >= 0);
	cage->config.rootfs.ready.path = root;
	before = cage_count_mounts();
	(void)snprintf(line, sizeof(line), "ls -d /bin /proc/1 /dev/null /sys/class; test -e %s || echo inside; readlink /proc/self/ns/mnt", root);
	CHECK_OK(cage_shell(cage, line), &cage->err);
	len = readlink(tree, root, sizeof(root) - 1);
	CHECK(len > 0);
	root[len] = '\0';
	CHECK_HAS(cage->out, "/bin\n/dev/null\n/proc/1\n/sys/class\ninside\n");
	CHECK_HAS(cage->out, root);
	CHECK_INT(cage_count_mounts(), before);
	cage->config.rootfs.ready.path = NULL;
	CHECK_ERR(cage_shell(cage, "true"), -EINVAL);
	lp_close(&cage->config.ns[LP_NS_MOUNT].fd);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	cage_free(cage);
}

#include "runtime/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

enum { RULES_MAX = 256, INSNS_PER_RULE = 8, BEGIN_INSNS = 32, INSNS_MAX = BEGIN_INSNS + 2 + RULES_MAX * INSNS_PER_RULE, FILTERS_MAX = 16 };

/* What every container may use, by major; the node of one without a name comes from devpts. */
static const struct {
	const char name[8];
	uint32_t major, minor;
} usual[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 },
	{ "tty", 5, 0 }, { "", 5, 2 },
};

static const struct lp_device terminals = { .type = 'c', .major = 136, .minor = -1, .read = true, .write = true, .mknod = true };

/* ---- the program ---- */

static struct bpf_insn
insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	return (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm };
}

static uint32_t
access_bits(bool read, bool write, bool mknod)
{
	return (mknod ? BPF_DEVCG_ACC_MKNOD : 0u) | (read ? BPF_DEVCG_ACC_READ : 0u) | (write ? BPF_DEVCG_ACC_WRITE : 0u);
}

/* What the rows compare: r2 type, r3 access, r4 major, r5 minor. Each comparison that fails jumps behind the row's end (see end_row). */
static size_t
compare_device(struct bpf_insn *out, char type, int64_t major, int64_t minor)
{
	size_t n = 0;

	if (type != 'a')
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0, type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (major >= 0)
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, (int32_t)major);
	if (minor >= 0)
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, (int32_t)minor);
	return n;
}

static size_t
answer(struct bpf_insn *out, int32_t value)
{
	out[0] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value);
	out[1] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return 2;
}

/* Conditional jumps that lead nowhere yet lead behind the row. */
static size_t
end_row(struct bpf_insn *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t op = BPF_OP(out[i].code);

		if (BPF_CLASS(out[i].code) == BPF_JMP && (op == BPF_JNE || op == BPF_JEQ || op == BPF_JGT))
			out[i].off = (int16_t)(n - i - 1);
	}
	return n;
}

static const uint32_t all_access = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

/* A node that is made for the container may be made: its own first process does so. That gives no right to open it. */
static size_t
add_row(struct bpf_insn *out, const struct lp_device *device)
{
	const uint32_t access = access_bits(device->read, device->write, device->mknod || device->path);
	size_t n = compare_device(out, device->type, device->major, device->minor);

	if (access != all_access) {
		out[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int32_t)(~access & all_access));
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 0, 0);	/* asks for more than the row gives */
	}
	n += answer(out + n, 1);
	return end_row(out, n);
}

/* All the usual devices of one major at once, as bits: what loading a program costs is its branches (kernel/bpf/verifier.c). */
static size_t
add_usual(struct bpf_insn *out, uint32_t major)
{
	uint32_t minors = 0;
	size_t n;

	for (size_t i = 0; i < lp_count(usual); i++)
		minors |= usual[i].major == major ? UINT32_C(1) << usual[i].minor : 0;
	n = compare_device(out, 'c', major, -1);
	out[n++] = insn(BPF_JMP | BPF_JGT | BPF_K, 5, 0, 0, 31);
	out[n++] = insn(BPF_ALU | BPF_MOV | BPF_K, 1, 0, 0, (int32_t)minors);
	out[n++] = insn(BPF_ALU | BPF_RSH | BPF_X, 1, 5, 0, 0);
	out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, 1);
	out[n++] = insn(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0);
	n += answer(out + n, 1);
	return end_row(out, n);
}

/* Everything that every program begins with: the context in registers, the usual devices and terminals. */
static size_t
begin(struct bpf_insn *out)
{
	size_t n = 0;

	out[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	out[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
	out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	out[n++] = insn(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	out[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	out[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = 0; i < lp_count(usual); i++)
		if (i == 0 || usual[i].major != usual[i - 1].major)
			n += add_usual(out + n, usual[i].major);
	return n + add_row(out + n, &terminals);
}

static bool
fits_program(size_t rows, size_t max)
{
	return rows <= RULES_MAX && max >= INSNS_PER_RULE * rows + BEGIN_INSNS + 2;
}

int
lp_devices_program(const struct lp_device *devices, size_t count, struct bpf_insn *out, size_t max)
{
	size_t n;

	if (!fits_program(count, max))
		return -E2BIG;
	n = begin(out);
	for (size_t i = 0; i < count; i++)
		n += devices[i].type == 'p' ? 0 : add_row(out + n, &devices[i]);	/* a pipe is no device */
	n += answer(out + n, 0);
	return (int)n;
}

/* ---- OCI's rules ---- */

static bool
is_everything(const struct lp_device_rule *rule)
{
	return rule->type == 'a' && rule->major < 0 && rule->minor < 0 && rule->read && rule->write && rule->mknod;
}

/*
 * Backwards, so that the first fit decides: r3 holds the accesses that no later rule has decided on. An allowing rule takes its own away,
 * and nothing left means yes; a forbidding one that names any of them means no.
 */
static size_t
add_rule(struct bpf_insn *out, const struct lp_device_rule *rule)
{
	const uint32_t access = access_bits(rule->read, rule->write, rule->mknod);
	size_t n;

	if (access == 0 || rule->type == 'p')
		return 0;
	n = compare_device(out, rule->type, rule->major, rule->minor);
	if (rule->allow) {
		out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 3, 0, 0, (int32_t)(~access & all_access));
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 3, 0, 0, 0);
		n += answer(out + n, 1);
	} else {
		out[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int32_t)access);
		out[n++] = insn(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0);
		n += answer(out + n, 0);
	}
	return end_row(out, n);
}

int
lp_devices_rules_program(const struct lp_device_rule *rules, size_t count, const struct lp_device *nodes, size_t node_count,
    struct bpf_insn *out, size_t max)
{
	size_t n;

	if (node_count > RULES_MAX || !fits_program(count + node_count, max))
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		if (!rules[i].type || !strchr("abcup", rules[i].type) || rules[i].major > INT32_MAX || rules[i].minor > INT32_MAX)
			return -EINVAL;
	if (count > 0 && is_everything(&rules[count - 1]) && rules[count - 1].allow)
		return 0;
	n = begin(out);
	for (size_t i = 0; i < node_count; i++) {
		const struct lp_device node = { .path = nodes[i].path, .type = nodes[i].type, .major = nodes[i].major, .minor = nodes[i].minor };

		if (node.path)
			n += add_row(out + n, &node);
	}
	while (count > 0 && !is_everything(&rules[count - 1]))
		n += add_rule(out + n, &rules[--count]);
	/* What stands before a rule for everything does not count. */
	n += answer(out + n, count > 0 && rules[count - 1].allow);
	return (int)n;
}

/* ---- into the kernel ---- */

static long
bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* Most containers of a keeper ask for the same: the last program loaded is kept. */
static struct {
	struct bpf_insn insns[2][INSNS_MAX];	/* on no stack: a start touches only what it fills */
	unsigned now;				/* which of the two is loaded */
	int count;				/* 0: none is loaded yet (a program has at least its last answer) */
	int fd;
} kept;

static struct bpf_insn *
scratch(void)
{
	return kept.insns[!kept.now];
}

/* The program of n instructions in scratch(): its descriptor, which stays ours. */
static int
load(int n, struct lp_err *err)
{
	const struct bpf_insn *insns = scratch();
	union bpf_attr attr;
	int fd;

	if (n == kept.count && memcmp(insns, kept.insns[kept.now], (size_t)n * sizeof(*insns)) == 0)
		return kept.fd;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = (int)bpf(BPF_PROG_LOAD, &attr);
	/* EINVAL for a program that every kernel with the feature takes: the type is unknown. */
	if (fd < 0 && (errno == ENOSYS || errno == EINVAL))
		return lp_err_say(err, -EOPNOTSUPP, "no device filter: the kernel lacks CONFIG_CGROUP_BPF");
	if (fd < 0)
		return lp_err_set(err, -errno, "load the device filter");
	if (kept.count)
		lp_close(&kept.fd);
	kept.now = !kept.now;
	kept.count = n;
	kept.fd = fd;
	return fd;
}

static int
attach(int cgroup_fd, int fd, int replaced_fd, struct lp_err *err)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replaced_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replaced_fd;
	}
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return lp_err_set(err, -errno, "attach the device filter");
	return 0;
}

int
lp_devices_filter(int cgroup_fd, const struct lp_device *devices, size_t count, struct lp_err *err)
{
	int n, fd;

	for (size_t i = 0; i < count; i++) {
		if (devices[i].type == 'a')
			return 0;
		if (devices[i].type != 'c' && devices[i].type != 'b' && devices[i].type != 'u' && devices[i].type != 'p')
			return lp_err_say(err, -EINVAL, "device type '%c' is not c, b, u, p or a", devices[i].type);
	}
	n = lp_devices_program(devices, count, scratch(), INSNS_MAX);
	if (n < 0)
		return lp_err_set(err, n, "%zu device rules", count);
	fd = load(n, err);
	return fd < 0 ? fd : attach(cgroup_fd, fd, -1, err);
}

static int
rules_program(const struct lp_device_rule *rules, size_t count, const struct lp_device *nodes, size_t node_count, struct lp_err *err)
{
	int n = lp_devices_rules_program(rules, count, nodes, node_count, scratch(), INSNS_MAX);

	if (n == -EINVAL)
		return lp_err_say(err, n, "a device rule has a type that is not a, b or c, or a number that no device has");
	return n < 0 ? lp_err_set(err, n, "%zu device rules", count) : n;
}

int
lp_devices_filter_rules(int cgroup_fd, const struct lp_device_rule *rules, size_t count, const struct lp_device *nodes, size_t node_count,
    struct lp_err *err)
{
	int n = rules_program(rules, count, nodes, node_count, err), fd;

	if (n <= 0)
		return n;
	fd = load(n, err);
	return fd < 0 ? fd : attach(cgroup_fd, fd, -1, err);
}

/* The filters that lie on this cgroup itself, as descriptors. */
static int
attached(int cgroup_fd, int fds[static FILTERS_MAX], struct lp_err *err)
{
	uint32_t ids[FILTERS_MAX];
	union bpf_attr attr;
	int count = 0, wanted;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = FILTERS_MAX;
	if (bpf(BPF_PROG_QUERY, &attr) < 0) {
		if (errno == EINVAL || errno == ENOSYS)
			return lp_err_say(err, -EOPNOTSUPP, "no device filter: the kernel lacks CONFIG_CGROUP_BPF");
		return lp_err_set(err, -errno, "look for the device filter");
	}
	wanted = (int)attr.query.prog_cnt;
	for (; count < wanted; count++) {
		memset(&attr, 0, sizeof(attr));
		attr.prog_id = ids[count];
		fds[count] = (int)bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		if (fds[count] < 0) {
			int rc = lp_err_set(err, -errno, "open the device filter");

			while (count > 0)
				lp_close(&fds[--count]);
			return rc;
		}
	}
	return count;
}

static int
detach(int cgroup_fd, int fd, struct lp_err *err)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	if (bpf(BPF_PROG_DETACH, &attr) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "take the device filter away");
	return 0;
}

int
lp_devices_replace(int cgroup_fd, const struct lp_device_rule *rules, size_t count, struct lp_err *err)
{
	int old[FILTERS_MAX], old_count, n = rules_program(rules, count, NULL, 0, err), fd = -1, rc = 0;

	if (n < 0)
		return n;
	if (n > 0) {
		fd = load(n, err);
		if (fd < 0)
			return fd;
	}
	old_count = attached(cgroup_fd, old, err);
	if (old_count < 0)
		return old_count;
	/* One is replaced in one step. Of several (not ours alone) the new one comes first: for a moment both must agree. */
	if (fd >= 0)
		rc = attach(cgroup_fd, fd, old_count == 1 ? old[0] : -1, err);
	for (int i = 0; rc == 0 && i < old_count; i++)
		if (fd < 0 || old_count > 1)
			rc = detach(cgroup_fd, old[i], err);
	while (old_count > 0)
		lp_close(&old[--old_count]);
	return rc;
}

/* ---- the nodes ---- */

static int
add_node(int dev_fd, const struct lp_container_config *config, const struct lp_device *device, struct lp_err *err)
{
	lp_auto_fd int above = -1, fd = -1;
	char path[256];
	const char *name;
	size_t len = strlen(device->path);
	uint32_t uid, gid;
	int rc;

	if (strncmp(device->path, "/dev/", 5) != 0 || len < 6 || len >= sizeof(path) || device->path[len - 1] == '/')
		return lp_err_say(err, -EINVAL, "device %s is not below /dev", device->path);
	if (device->major < 0 || device->minor < 0)
		return lp_err_say(err, -EINVAL, "device %s has no number", device->path);
	memcpy(path, device->path + 5, len - 4);
	name = strrchr(path, '/');
	if (name) {
		path[name - path] = '\0';
		rc = lp_path_mkdirs(dev_fd, path, 0755, &above, err);
		if (rc < 0)
			return rc;
		name++;
	} else {
		name = path;
	}
	if (mknodat(above >= 0 ? above : dev_fd, name, (device->type == 'b' ? S_IFBLK : S_IFCHR) | 0600,
		makedev((unsigned)device->major, (unsigned)device->minor)) < 0)
		return lp_err_set(err, -errno, "make device %s", device->path);
	rc = lp_path_open(above >= 0 ? above : dev_fd, name, O_PATH | O_NOFOLLOW, 0, &fd, err);
	if (rc < 0)
		return rc;
	if (lp_ns_map(config->uids, config->uid_count, device->uid, &uid) < 0 ||
	    lp_ns_map(config->gids, config->gid_count, device->gid, &gid) < 0)
		return lp_err_say(err, -ERANGE, "device %s: owner %u:%u is not mapped", device->path, device->uid, device->gid);
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ||
	    fchmodat(above >= 0 ? above : dev_fd, name, device->mode ? device->mode & 07777 : 0666, 0) < 0)
		return lp_err_set(err, -errno, "owner and mode of device %s", device->path);
	return 0;
}

int
lp_devices_populate(int dev_fd, const struct lp_container_config *config, struct lp_err *err)
{
	static const struct {
		const char to[16], name[8];
	} links[] = {
		{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" },
	};
	static const char directories[][8] = { "pts", "shm", "mqueue" };	/* mount points */

	for (size_t i = 0; i < lp_count(directories); i++)
		if (mkdirat(dev_fd, directories[i], 0755) < 0)
			return lp_err_set(err, -errno, "make /dev/%s", directories[i]);
	for (size_t i = 0; i < lp_count(usual); i++)
		if (usual[i].name[0] && mknodat(dev_fd, usual[i].name, S_IFCHR | 0666, makedev(usual[i].major, usual[i].minor)) < 0)
			return lp_err_set(err, -errno, "make device %s", usual[i].name);
	for (size_t i = 0; i < lp_count(links); i++)
		if (symlinkat(links[i].to, dev_fd, links[i].name) < 0)
			return lp_err_set(err, -errno, "link /dev/%s", links[i].name);
	for (size_t i = 0; i < config->device_count; i++) {
		int rc = config->devices[i].path ? add_node(dev_fd, config, &config->devices[i], err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

int
lp_devices_null(int dev_fd, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	int rc = lp_path_open(dev_fd, "null", O_RDWR | O_NOFOLLOW, 0, &fd, err);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return lp_err_say(err, -EBADF, "null is not the null device");
	*out_fd = lp_take_fd(&fd);
	return 0;
}

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

enum { RULES_MAX = 256, INSNS_PER_RULE = 8, INSNS_MAX = 8 + RULES_MAX * INSNS_PER_RULE };

/* Nodes that every container has. */
static const struct {
	const char name[8];
	uint32_t major, minor;
} usual[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

/* Used by terminals; their nodes come from devpts. */
static const struct lp_device terminals[] = {
	{ .type = 'c', .major = 5, .minor = 2, .read = true, .write = true, .mknod = true },	/* ptmx */
	{ .type = 'c', .major = 136, .minor = -1, .read = true, .write = true, .mknod = true },	/* pts */
};

/* ---- the program ---- */

static struct bpf_insn
insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	return (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm };
}

static uint32_t
access_bits(const struct lp_device *device)
{
	return (device->mknod ? BPF_DEVCG_ACC_MKNOD : 0u) | (device->read ? BPF_DEVCG_ACC_READ : 0u) |
	    (device->write ? BPF_DEVCG_ACC_WRITE : 0u);
}

/*
 * One row: r2 type, r3 access, r4 major, r5 minor. Each comparison that fails jumps to the next row.
 */
static size_t
add_rule(struct bpf_insn *out, const struct lp_device *device)
{
	const uint32_t access = access_bits(device);
	const uint32_t all = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
	size_t n = 0;

	out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0, device->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (access != all) {
		out[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int32_t)(~access & all));
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 0, 0);	/* asks for more than the row gives */
	}
	if (device->major >= 0)
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, device->major);
	if (device->minor >= 0)
		out[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, device->minor);
	out[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
	out[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++) {
		if (BPF_OP(out[i].code) == BPF_JNE && BPF_CLASS(out[i].code) == BPF_JMP)
			out[i].off = (int16_t)(n - i - 1);
	}
	return n;
}

int
lp_devices_program(const struct lp_device *devices, size_t count, struct bpf_insn *out, size_t max)
{
	size_t n = 0;

	if (max < INSNS_PER_RULE * (count + lp_count(usual) + lp_count(terminals)) + 8)
		return -E2BIG;
	out[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	out[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
	out[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	out[n++] = insn(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	out[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	out[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = 0; i < lp_count(usual); i++) {
		const struct lp_device device = { .type = 'c', .major = (int32_t)usual[i].major, .minor = (int32_t)usual[i].minor,
		    .read = true, .write = true, .mknod = true };

		n += add_rule(out + n, &device);
	}
	for (size_t i = 0; i < lp_count(terminals); i++)
		n += add_rule(out + n, &terminals[i]);
	for (size_t i = 0; i < count; i++)
		n += add_rule(out + n, &devices[i]);
	out[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	out[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return (int)n;
}

static int
load(const struct bpf_insn *insns, size_t count)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

/* Most containers of a keeper ask for the same: the last program loaded is kept. */
static int
kept_program(const struct lp_device *devices, size_t count, struct lp_err *err)
{
	static struct bpf_insn insns[2][INSNS_MAX];	/* on no stack: a start touches only what it fills */
	static unsigned kept;			/* which of the two is loaded */
	static int kept_count, kept_fd = -1;
	struct bpf_insn *now = insns[!kept];
	int n = lp_devices_program(devices, count, now, INSNS_MAX), fd;

	if (n < 0)
		return lp_err_set(err, n, "%zu device rules", count);
	if (kept_fd >= 0 && n == kept_count && memcmp(now, insns[kept], (size_t)n * sizeof(*now)) == 0)
		return kept_fd;
	fd = load(now, (size_t)n);
	/* EINVAL for a program that every kernel with the feature takes: the type is unknown. */
	if (fd == -ENOSYS || fd == -EINVAL)
		return lp_err_say(err, -EOPNOTSUPP, "no device filter: the kernel lacks CONFIG_CGROUP_BPF");
	if (fd < 0)
		return lp_err_set(err, fd, "load the device filter");
	lp_close(&kept_fd);
	kept = !kept;
	kept_count = n;
	kept_fd = fd;
	return fd;
}

int
lp_devices_filter(int cgroup_fd, const struct lp_device *devices, size_t count, struct lp_err *err)
{
	union bpf_attr attr;
	int fd;

	for (size_t i = 0; i < count; i++) {
		if (devices[i].type == 'a')
			return 0;
		if (devices[i].type != 'c' && devices[i].type != 'b')
			return lp_err_say(err, -EINVAL, "device type '%c' is not c, b or a", devices[i].type);
	}
	fd = kept_program(devices, count, err);
	if (fd < 0)
		return fd;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return lp_err_set(err, -errno, "attach the device filter");
	return 0;
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
		if (mknodat(dev_fd, usual[i].name, S_IFCHR | 0666, makedev(usual[i].major, usual[i].minor)) < 0)
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

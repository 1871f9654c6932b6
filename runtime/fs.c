#include "runtime/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/copyup.h"
#include "runtime/mount.h"

enum { OPTIONS_MAX = 4096, WORDS_MAX = 64, VALUE_MAX = 255 };

/* File systems of the kernel: only onto ordinary directories. `host`: where the owner has the same. */
static const struct {
	const char fstype[12], host[16];
} kernels[] = {
	{ "proc", "/proc" }, { "sysfs", "/sys" }, { "mqueue", "/dev/mqueue" }, { "cgroup2", "/sys/fs/cgroup" },
	{ "cgroup", "/sys/fs/cgroup" }, { "devpts", "" }, { "binfmt_misc", "" }, { "debugfs", "" }, { "tracefs", "" }, { "securityfs", "" },
};

/* Words that fsconfig does not take as the superblock's: mount(2) flags. */
static const struct {
	const char word[12];
	unsigned long set, clear;
} old_words[] = {
	{ "iversion", MS_I_VERSION, 0 }, { "noiversion", 0, MS_I_VERSION }, { "silent", MS_SILENT, 0 }, { "loud", 0, MS_SILENT },
};

/* Words that are flags of the superblock for mount(2) too. */
static const struct {
	const char word[12];
	unsigned long set, clear;
} super_words[] = {
	{ "sync", MS_SYNCHRONOUS, 0 }, { "async", 0, MS_SYNCHRONOUS }, { "dirsync", MS_DIRSYNC, 0 }, { "mand", MS_MANDLOCK, 0 },
	{ "nomand", 0, MS_MANDLOCK }, { "lazytime", MS_LAZYTIME, 0 }, { "nolazytime", 0, MS_LAZYTIME }, { "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
};

/* ---- options ---- */

/* "uid=0" of the container is another number for the owner, who mounts. */
static int
add_id(const struct lp_idmap *map, size_t count, const char *word, size_t len, struct lp_buf *out, struct lp_err *err)
{
	uint64_t id;
	uint32_t outside;
	char text[24];

	if (len < 5 || len - 4 >= sizeof(text))
		return lp_err_say(err, -EINVAL, "mount option %.*s", (int)len, word);
	memcpy(text, word + 4, len - 4);
	text[len - 4] = '\0';
	if (lp_text_u64(text, UINT32_MAX, &id) < 0)
		return lp_err_say(err, -EINVAL, "mount option %.*s", (int)len, word);
	if (lp_ns_map(map, count, (uint32_t)id, &outside) < 0)
		return lp_err_say(err, -ERANGE, "mount option %.*s: not mapped in the container's user namespace", (int)len, word);
	(void)lp_buf_printf(out, "%.4s%" PRIu32, word, outside);	/* sticky */
	return 0;
}

int
lp_fs_options(const struct lp_container_config *config, const char *options, struct lp_buf *out, struct lp_err *err)
{
	for (const char *word = options ? options : ""; *word;) {
		size_t len = strcspn(word, ",");
		int rc = 0;

		if (len > 0 && out->len > 0)
			(void)lp_buf_str(out, ",");	/* sticky */
		if (strncmp(word, "uid=", 4) == 0)
			rc = add_id(config->uids, config->uid_count, word, len, out, err);
		else if (strncmp(word, "gid=", 4) == 0)
			rc = add_id(config->gids, config->gid_count, word, len, out, err);
		else
			(void)lp_buf_add(out, word, len);	/* sticky */
		if (rc < 0)
			return rc;
		word += len + (word[len] == ',');
	}
	return out->failed ? lp_err_set(err, out->failed, "mount options") : 0;
}

/* Cut "a=b,c" into words; the text is changed. -E2BIG when fsconfig cannot take one of them. */
static int
cut(char *text, struct lp_mount_option *out, size_t *out_count)
{
	size_t count = 0;

	while (text && *text) {
		char *next = strchr(text, ','), *value;

		if (next)
			*next++ = '\0';
		for (size_t i = 0; i < lp_count(old_words); i++)
			if (strcmp(text, old_words[i].word) == 0)
				return -E2BIG;
		value = strchr(text, '=');
		if (value)
			*value++ = '\0';
		if (count == WORDS_MAX || (value && strlen(value) > VALUE_MAX))
			return -E2BIG;
		out[count++] = (struct lp_mount_option){ .key = text, .value = value };
		text = next;
	}
	*out_count = count;
	return 0;
}

/* ---- the old way ---- */

static bool
take_word(const char *word, size_t len, unsigned long *flags)
{
	for (size_t i = 0; i < lp_count(old_words); i++) {
		if (strlen(old_words[i].word) == len && strncmp(word, old_words[i].word, len) == 0) {
			*flags = (*flags | old_words[i].set) & ~old_words[i].clear;
			return true;
		}
	}
	for (size_t i = 0; i < lp_count(super_words); i++) {
		if (strlen(super_words[i].word) == len && strncmp(word, super_words[i].word, len) == 0) {
			*flags = (*flags | super_words[i].set) & ~super_words[i].clear;
			return true;
		}
	}
	return false;
}

/* mount(2) onto at_fd. */
static int
mount_by_call(int at_fd, const struct lp_mount *row, const char *options, unsigned long flags, struct lp_err *err)
{
	lp_auto_buf struct lp_buf data;

	lp_buf_init(&data, OPTIONS_MAX);
	for (const char *word = options; *word;) {
		size_t len = strcspn(word, ",");

		if (!take_word(word, len, &flags))
			(void)lp_buf_printf(&data, "%s%.*s", data.len ? "," : "", (int)len, word);	/* sticky */
		word += len + (word[len] == ',');
	}
	if (data.failed)
		return lp_err_set(err, data.failed, "mount options");
	if (fchdir(at_fd) < 0)
		return lp_err_set(err, -errno, "go to the mount target");
	if (mount(row->device ? row->device : "none", ".", row->fstype, flags, lp_buf_text(&data)) < 0)
		return lp_err_set(err, -errno, "mount %s", row->fstype ? row->fstype : "anew");
	return 0;
}

/* ---- a new one ---- */

static bool
is_kernel(const char *fstype, const char **out_host)
{
	for (size_t i = 0; i < lp_count(kernels); i++) {
		if (strcmp(fstype, kernels[i].fstype) == 0) {
			*out_host = kernels[i].host[0] ? kernels[i].host : NULL;
			return true;
		}
	}
	*out_host = NULL;
	return false;
}

static unsigned
attrs_of(const struct lp_mount *mount)
{
	return lp_mount_attrs(mount->flags) | (unsigned)(mount->attr_set | mount->attr_set_all);
}

bool
lp_fs_is_late(const struct lp_mount *mount)
{
	return mount->kind == LP_MOUNT_FS && (attrs_of(mount) & MOUNT_ATTR_RDONLY) && mount->fstype && strcmp(mount->fstype, "tmpfs") == 0;
}

static void
note(const struct lp_inside *inside, const char *target, const char *host)
{
	struct lp_err words;

	(void)lp_err_say(&words, -EPERM, "%.100s shows %.100s of the host, read-only where it may be: no right to mount a new one", target, host);
	(void)lp_handoff_send(inside->sock, LP_HANDOFF_NOTE, &words, -1, NULL);	/* the owner is gone: nobody to tell */
}

bool
lp_fs_may_borrow(const struct lp_container_config *config, const char *fstype)
{
	return strcmp(fstype, "proc") != 0 || config->ns[LP_NS_PID].how == LP_NS_HOST;
}

int
lp_fs_borrow(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, const char *path,
    struct lp_err *err)
{
	const bool readonly = strncmp(path, "/sys", 4) == 0;
	lp_auto_fd int from = -1, copy = -1, at = -1;
	int rc = lp_path_open(assembly->host_fd, path + 1, O_PATH | O_DIRECTORY, 0, &from, err);

	/* With everything below: a part of a locked tree cannot be copied alone. */
	if (rc == 0)
		rc = lp_mount_clone(from, true, &copy, err);
	if (rc == 0)
		rc = lp_mount_target(assembly->root_fd, mount->target, true, true, &at, err);
	if (rc == 0)
		rc = lp_mount_attach(copy, at, err);
	if (rc == 0)
		rc = lp_mount_set(copy, LP_MOUNT_KERNEL_ATTRS | (readonly ? MOUNT_ATTR_RDONLY : 0u) | (attrs_of(mount) & MOUNT_ATTR_RDONLY), MS_SLAVE,
		    true, err);
	if (rc == 0)
		note(inside, mount->target, path);
	return rc;
}

/*
 * A tmpfs begins with what it is going to hide, as far as that is the image's: we may read files of /proc and /sys that the container
 * may not, and they are not covered yet.
 */
static int
copy_up(const struct lp_assembly *assembly, const char *target, int fd, struct lp_err *err)
{
	lp_auto_fd int from = -1;
	uint64_t root, here;
	int rc = lp_path_open_in_root(assembly->root_fd, target, O_RDONLY | O_DIRECTORY, 0, &from, err);

	if (rc == -ENOENT) {
		lp_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = lp_copyup_mount(assembly->root_fd, "", &root, err);
	if (rc == 0)
		rc = lp_copyup_mount(from, "", &here, err);
	if (rc == 0 && root != here)
		rc = lp_err_say(err, -EXDEV, "%s is not a directory of the image: it cannot be copied up", target);
	return rc < 0 ? rc : lp_copyup_tree(from, fd, err);
}

/* The options of a row, the label included, and "ro" for a device, which may not be writable at all. */
static int
write_options(const struct lp_inside *inside, const struct lp_mount *mount, bool kernel, struct lp_buf *out, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;

	if (mount->device && mount->device[0] == '/' && (attrs_of(mount) & MOUNT_ATTR_RDONLY))
		(void)lp_buf_str(out, "ro");	/* sticky, looked at there */
	if (config->mount_label && config->mount_label[0] && !kernel)
		(void)lp_buf_printf(out, "%scontext=%s", out->len ? "," : "", config->mount_label);	/* sticky */
	return lp_fs_options(config, mount->options, out, err);
}

static bool
says_mode(const char *text)
{
	const char *at = strstr(text, "mode=");

	while (at && at != text && at[-1] != ',')
		at = strstr(at + 1, "mode=");
	return at != NULL;
}

/* A tmpfs that says no mode is open to whom the directory is that it covers, as runc's and crun's. */
static int
take_mode(const struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_buf *text, struct lp_err *err)
{
	lp_auto_fd int at = -1;
	struct stat st;

	if (strcmp(mount->fstype, "tmpfs") != 0 || says_mode(lp_buf_text(text)))
		return 0;
	if (lp_path_open_in_root(assembly->root_fd, mount->target, O_PATH | O_DIRECTORY, 0, &at, err) < 0) {
		lp_err_clear(err);	/* nothing to cover; what is wrong with a target is said where it is made */
		return 0;
	}
	if (fstat(at, &st) < 0)
		return lp_err_set(err, -errno, "look at %s", mount->target);
	(void)lp_buf_printf(text, "%smode=%o", text->len ? "," : "", st.st_mode & 07777u);
	return text->failed ? lp_err_set(err, text->failed, "options of %s", mount->target) : 0;
}

static int
mount_new(const struct lp_assembly *assembly, const struct lp_mount *mount, char *text, bool plain, int *out_fd, struct lp_err *err)
{
	struct lp_mount_option options[WORDS_MAX + 1];
	lp_auto_free char *words = strdup(text);
	lp_auto_fd int fd = -1, at = -1;
	size_t count = 0;
	int rc;

	if (!words)
		return lp_err_set(err, -ENOMEM, "mount options");
	if (cut(words, options, &count) < 0) {
		rc = lp_mount_target(assembly->root_fd, mount->target, true, plain, &at, err);
		if (rc == 0)
			rc = mount_by_call(at, mount, text, 0, err);
		/* Once more: now it is the root of the new one. */
		if (rc == 0)
			rc = lp_mount_target(assembly->root_fd, mount->target, true, plain, out_fd, err);
		return rc < 0 ? rc : lp_mount_set(*out_fd, attrs_of(mount), 0, false, err);
	}
	if (mount->device)
		options[count++] = (struct lp_mount_option){ .key = "source", .value = mount->device };
	rc = lp_mount_new(mount->fstype, options, count, attrs_of(mount) & ~(lp_fs_is_late(mount) ? MOUNT_ATTR_RDONLY : 0u), &fd, err);
	if (rc == 0 && (mount->flags & LP_MOUNT_COPY_UP))
		rc = copy_up(assembly, mount->target, fd, err);
	if (rc == 0)
		rc = lp_mount_target(assembly->root_fd, mount->target, true, plain, &at, err);
	if (rc == 0)
		rc = lp_mount_attach(fd, at, err);
	if (rc == 0)
		*out_fd = lp_take_fd(&fd);
	return rc;
}

int
lp_fs_mount(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int fd = -1;
	const char *host;
	bool kernel;
	int rc;

	if (!mount->fstype || !mount->fstype[0])
		return lp_err_say(err, -EINVAL, "a mount without a file system type");
	kernel = is_kernel(mount->fstype, &host);
	lp_buf_init(&text, OPTIONS_MAX);
	rc = write_options(inside, mount, kernel, &text, err);
	if (rc == 0)
		rc = take_mode(assembly, mount, &text, err);
	if (rc == 0)
		rc = mount_new(assembly, mount, text.len ? text.data : (char[]){ "" }, kernel, &fd, err);
	if (rc == -ENODEV && (mount->flags & LP_MOUNT_OPTIONAL)) {
		lp_err_clear(err);
		return 0;
	}
	if ((rc == -EPERM || rc == -EACCES) && host && lp_fs_may_borrow(inside->config, mount->fstype)) {
		lp_err_clear(err);
		return lp_fs_borrow(inside, assembly, mount, host, err);
	}
	if (rc == 0 && !lp_fs_is_late(mount))
		rc = lp_mount_shape(fd, mount, true, err);
	if (rc == 0 && strcmp(mount->fstype, "devpts") == 0 && strcmp(mount->target, "/dev/pts") == 0) {
		lp_close(&assembly->pts_fd);
		assembly->pts_fd = lp_take_fd(&fd);
	}
	return rc;
}

/* ---- one that is there ---- */

static int
reconfigure(int at_fd, char *text, struct lp_err *err)
{
	struct lp_mount_option options[WORDS_MAX + 1];
	lp_auto_fd int fs = -1;
	size_t count = 0;

	if (cut(text, options, &count) < 0)
		return lp_err_say(err, -EINVAL, "options that a remount cannot take");
	fs = fspick(at_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0)
		return lp_err_set(err, -errno, "look for the file system");
	for (size_t i = 0; i < count; i++)
		if (fsconfig(fs, options[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[i].key, options[i].value, 0) < 0)
			return lp_err_set(err, -errno, "option %s", options[i].key);
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? lp_err_set(err, -errno, "remount") : 0;
}

int
lp_fs_remount(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err)
{
	const bool recursive = (mount->flags & LP_MOUNT_RECURSIVE) != 0;
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int at = -1;
	int rc = lp_path_open_in_root(assembly->root_fd, mount->target, O_PATH, 0, &at, err);

	lp_buf_init(&text, OPTIONS_MAX);
	if (rc == 0)
		rc = lp_fs_options(inside->config, mount->options, &text, err);
	if (rc == 0 && text.len > 0)
		rc = reconfigure(at, text.data, err);
	if (rc == 0)
		rc = lp_mount_set(at, lp_mount_attrs(mount->flags), 0, recursive, err);
	return rc < 0 ? rc : lp_mount_shape(at, mount, false, err);
}

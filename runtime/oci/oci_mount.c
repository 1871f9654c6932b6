#include "runtime/oci/oci_mount.h"

#include <errno.h>
#include <linux/mount.h>
#include <string.h>

#include "base/auto.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

enum effect {
	SET, CLEAR,		/* an attribute of this mount */
	SET_ALL, CLEAR_ALL,	/* and of what is mounted below */
	PROPAGATION,		/* enum lp_mount_propagation in value */
	FLAGS,			/* LP_MOUNT_* in value */
	BIND,			/* likewise, and it is a bind mount */
	REMOUNT,
	DATA,			/* of the file system, which knows the word */
	NOTHING			/* what would be anyway */
};

/* No addresses in it: oci_spec.h. */
static const struct word {
	char text[17];
	uint8_t effect;
	uint32_t value;
} words[] = {
	{ "async",          NOTHING,     0 },
	{ "atime",          CLEAR,       MOUNT_ATTR_NOATIME },
	{ "bind",           BIND,        0 },
	{ "defaults",       NOTHING,     0 },
	{ "dev",            CLEAR,       MOUNT_ATTR_NODEV },
	{ "diratime",       CLEAR,       MOUNT_ATTR_NODIRATIME },
	{ "dirsync",        DATA,        0 },
	{ "exec",           CLEAR,       MOUNT_ATTR_NOEXEC },
	{ "idmap",          FLAGS,       LP_MOUNT_IDMAP },
	{ "iversion",       DATA,        0 },
	{ "lazytime",       DATA,        0 },
	{ "loud",           NOTHING,     0 },
	{ "mand",           NOTHING,     0 },	/* no kernel since 5.15 has such locks */
	{ "noatime",        SET,         MOUNT_ATTR_NOATIME },
	{ "nodev",          SET,         MOUNT_ATTR_NODEV },
	{ "nodiratime",     SET,         MOUNT_ATTR_NODIRATIME },
	{ "noexec",         SET,         MOUNT_ATTR_NOEXEC },
	{ "noiversion",     NOTHING,     0 },
	{ "nolazytime",     NOTHING,     0 },
	{ "nomand",         NOTHING,     0 },
	{ "norelatime",     NOTHING,     0 },	/* relatime is what the kernel does without a word */
	{ "nostrictatime",  CLEAR,       MOUNT_ATTR_STRICTATIME },
	{ "nosuid",         SET,         MOUNT_ATTR_NOSUID },
	{ "nosymfollow",    SET,         MOUNT_ATTR_NOSYMFOLLOW },
	{ "private",        PROPAGATION, LP_MOUNT_PRIVATE },
	{ "ratime",         CLEAR_ALL,   MOUNT_ATTR_NOATIME },
	{ "rbind",          BIND,        LP_MOUNT_RECURSIVE },
	{ "rdev",           CLEAR_ALL,   MOUNT_ATTR_NODEV },
	{ "rdiratime",      CLEAR_ALL,   MOUNT_ATTR_NODIRATIME },
	{ "relatime",       CLEAR,       MOUNT_ATTR__ATIME },
	{ "remount",        REMOUNT,     0 },
	{ "rexec",          CLEAR_ALL,   MOUNT_ATTR_NOEXEC },
	{ "ridmap",         FLAGS,       LP_MOUNT_IDMAP_ALL },
	{ "rnoatime",       SET_ALL,     MOUNT_ATTR_NOATIME },
	{ "rnodev",         SET_ALL,     MOUNT_ATTR_NODEV },
	{ "rnodiratime",    SET_ALL,     MOUNT_ATTR_NODIRATIME },
	{ "rnoexec",        SET_ALL,     MOUNT_ATTR_NOEXEC },
	{ "rnorelatime",    NOTHING,     0 },
	{ "rnostrictatime", CLEAR_ALL,   MOUNT_ATTR_STRICTATIME },
	{ "rnosuid",        SET_ALL,     MOUNT_ATTR_NOSUID },
	{ "rnosymfollow",   SET_ALL,     MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro",             SET,         MOUNT_ATTR_RDONLY },
	{ "rprivate",       PROPAGATION, LP_MOUNT_PRIVATE },
	{ "rrelatime",      CLEAR_ALL,   MOUNT_ATTR__ATIME },
	{ "rro",            SET_ALL,     MOUNT_ATTR_RDONLY },
	{ "rrw",            CLEAR_ALL,   MOUNT_ATTR_RDONLY },
	{ "rshared",        PROPAGATION, LP_MOUNT_SHARED },
	{ "rslave",         PROPAGATION, LP_MOUNT_SLAVE },
	{ "rstrictatime",   SET_ALL,     MOUNT_ATTR_STRICTATIME },
	{ "rsuid",          CLEAR_ALL,   MOUNT_ATTR_NOSUID },
	{ "rsymfollow",     CLEAR_ALL,   MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable",    PROPAGATION, LP_MOUNT_UNBINDABLE },
	{ "rw",             CLEAR,       MOUNT_ATTR_RDONLY },
	{ "shared",         PROPAGATION, LP_MOUNT_SHARED },
	{ "silent",         NOTHING,     0 },
	{ "slave",          PROPAGATION, LP_MOUNT_SLAVE },
	{ "src-nofollow",   FLAGS,       LP_MOUNT_NOFOLLOW },
	{ "strictatime",    SET,         MOUNT_ATTR_STRICTATIME },
	{ "suid",           CLEAR,       MOUNT_ATTR_NOSUID },
	{ "symfollow",      CLEAR,       MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync",           DATA,        0 },
	{ "tmpcopyup",      FLAGS,       LP_MOUNT_COPY_UP },
	{ "unbindable",     PROPAGATION, LP_MOUNT_UNBINDABLE },
};

static const struct word *
find_word(const char *text)
{
	for (size_t i = 0; i < lp_count(words); i++)
		if (strcmp(words[i].text, text) == 0)
			return &words[i];
	return NULL;
}

const char *
lp_oci_mount_word(size_t index)
{
	return index < lp_count(words) ? words[index].text : NULL;
}

int
lp_oci_mount_propagation(const char *text, enum lp_mount_propagation *out)
{
	const struct word *word = find_word(text);

	if (!word || word->effect != PROPAGATION)
		return -EINVAL;
	*out = (enum lp_mount_propagation)word->value;
	return 0;
}

int
lp_oci_mount_ids(struct lp_arena *arena, const struct lp_oci_idmap *rows, size_t count, const struct lp_idmap **out, struct lp_err *err)
{
	struct lp_idmap *map = lp_arena_alloc(arena, (count + 1) * sizeof(*map));

	if (!map)
		return lp_err_set(err, -ENOMEM, "id map");
	for (size_t i = 0; i < count; i++)
		map[i] = (struct lp_idmap){ (uint32_t)rows[i].inside.value, (uint32_t)rows[i].outside.value, (uint32_t)rows[i].size.value };
	*out = map;
	return 0;
}

/* ---- words ---- */

struct options {
	bool bind, remount;
	size_t data_len;	/* characters of data, commas included */
	char *data;
};

/* One of the modes of access time takes the place of the other. */
static uint64_t
field_of(uint64_t attr)
{
	return attr & MOUNT_ATTR__ATIME ? attr | MOUNT_ATTR__ATIME : attr;
}

static void
change(uint64_t *on, uint64_t *off, uint64_t attr)
{
	*on = (*on & ~field_of(attr)) | attr;
	*off = (*off & ~field_of(attr));
}

/* Of an access time that another word has set since, nothing is cleared. */
static void
change_back(uint64_t *on, uint64_t *off, uint64_t attr)
{
	*on &= ~attr;
	*off |= attr & MOUNT_ATTR__ATIME ? (*on & MOUNT_ATTR__ATIME ? 0 : (uint64_t)MOUNT_ATTR__ATIME) : attr;
}

static void
add_data(struct options *options, const char *text)
{
	size_t len = strlen(text);

	if (options->data_len)
		options->data[options->data_len++] = ',';
	memcpy(options->data + options->data_len, text, len + 1);
	options->data_len += len;
}

/* "idmap=uids=0-1000-10#..." of crun is no word of the spec and is not read. */
static void
apply(const struct word *word, struct options *options, struct lp_mount *out)
{
	switch ((enum effect)word->effect) {
	case SET:
		change(&out->attr_set, &out->attr_clear, word->value);
		break;
	case CLEAR:
		change_back(&out->attr_set, &out->attr_clear, word->value);
		break;
	case SET_ALL:
		change(&out->attr_set_all, &out->attr_clear_all, word->value);
		break;
	case CLEAR_ALL:
		change_back(&out->attr_set_all, &out->attr_clear_all, word->value);
		break;
	case PROPAGATION:
		out->propagation = (enum lp_mount_propagation)word->value;
		out->flags |= LP_MOUNT_PROPAGATE;
		break;
	case BIND:
		options->bind = true;
		out->flags |= word->value;
		break;
	case FLAGS:
		out->flags |= word->value;
		break;
	case REMOUNT:
		options->remount = true;
		break;
	case DATA:
		add_data(options, word->text);
		break;
	case NOTHING:
		break;
	}
}

static int
read_options(struct lp_arena *arena, const struct lp_oci_mount *mount, struct options *options, struct lp_mount *out, struct lp_err *err)
{
	size_t room = 1;

	for (size_t i = 0; i < mount->options.count; i++)
		room += strlen(mount->options.items[i]) + 1;
	options->data = lp_arena_alloc(arena, room);
	if (!options->data)
		return lp_err_set(err, -ENOMEM, "mount options");
	for (size_t i = 0; i < mount->options.count; i++) {
		const char *text = mount->options.items[i];
		const struct word *word = find_word(text);

		if (word)
			apply(word, options, out);
		else if (text[0])
			add_data(options, text);
	}
	return 0;
}

/* ---- kinds ---- */

static const struct kind_name {
	char type[8];
	uint8_t kind;
} kinds[] = {
	{ "proc", LP_MOUNT_PROC }, { "sysfs", LP_MOUNT_SYSFS }, { "mqueue", LP_MOUNT_MQUEUE },
	{ "cgroup", LP_MOUNT_CGROUP }, { "cgroup2", LP_MOUNT_CGROUP },
};

/* Our own kinds where they do all that is asked for, else the file system by its name. */
static void
choose_kind(const struct lp_oci_mount *mount, const struct options *options, struct lp_mount *out)
{
	out->kind = LP_MOUNT_FS;
	out->fstype = mount->type;
	out->device = mount->source;
	out->options = options->data_len ? options->data : NULL;
	for (size_t i = 0; i < lp_count(kinds); i++)
		if (strcmp(kinds[i].type, mount->type) == 0 && (!options->data_len || kinds[i].kind == LP_MOUNT_CGROUP))
			out->kind = (enum lp_mount_kind)kinds[i].kind;
	if (out->kind == LP_MOUNT_CGROUP)
		out->options = NULL;	/* options of a v1 hierarchy, which we never mount */
}

static int
make_bind(struct lp_arena *arena, const struct lp_oci_mount *mount, const char *bundle, const struct options *options,
    struct lp_mount *out, struct lp_err *err)
{
	if (!mount->source || !mount->source[0])
		return lp_err_say(err, -EINVAL, "mount at %s: source is missing", mount->destination);
	if (options->data_len)
		return lp_err_say(err, -EINVAL, "mount at %s: option %.60s means nothing to a bind mount", mount->destination, options->data);
	out->kind = LP_MOUNT_BIND;
	out->source.path = mount->source[0] == '/' ? mount->source : lp_arena_printf(arena, "%s/%s", bundle, mount->source);
	if (!out->source.path)
		return lp_err_set(err, -ENOMEM, "mount at %s", mount->destination);
	if (out->flags & (LP_MOUNT_IDMAP | LP_MOUNT_IDMAP_ALL) || mount->uids.count || mount->gids.count) {
		out->flags |= out->flags & LP_MOUNT_IDMAP_ALL ? LP_MOUNT_IDMAP_ALL : LP_MOUNT_IDMAP;
		if (lp_oci_mount_ids(arena, mount->uids.items, mount->uids.count, &out->uids, err) < 0 ||
		    lp_oci_mount_ids(arena, mount->gids.items, mount->gids.count, &out->gids, err) < 0)
			return -ENOMEM;
		out->uid_count = mount->uids.count;
		out->gid_count = mount->gids.count;
	} else {
		out->flags |= LP_MOUNT_NO_IDMAP;	/* a bundle's files have the ids of the host */
	}
	return 0;
}

int
lp_oci_mount_make(struct lp_arena *arena, const struct lp_oci_mount *mount, const char *bundle, struct lp_mount *out, struct lp_err *err)
{
	struct options options = { 0 };
	int rc;

	memset(out, 0, sizeof(*out));
	out->source.fd = -1;
	/* Before 1.0 a relative destination was one below "/"; runc and crun still take it so. */
	out->target = mount->destination[0] == '/' ? mount->destination : lp_arena_printf(arena, "/%s", mount->destination);
	if (!out->target)
		return lp_err_set(err, -ENOMEM, "mount at %s", mount->destination);
	rc = read_options(arena, mount, &options, out, err);
	if (rc < 0)
		return rc;
	if (options.remount) {
		out->kind = LP_MOUNT_REMOUNT;
		out->options = options.data_len ? options.data : NULL;
		return 0;
	}
	if (options.bind || (mount->type && strcmp(mount->type, "bind") == 0))
		return make_bind(arena, mount, bundle, &options, out, err);
	if (!mount->type || !mount->type[0] || strcmp(mount->type, "none") == 0)
		return lp_err_say(err, -EINVAL, "mount at %s: type is missing", mount->destination);
	choose_kind(mount, &options, out);
	return 0;
}

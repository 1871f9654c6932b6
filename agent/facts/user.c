#include "agent/facts/user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"

enum { FILE_MAX = 1 << 20, LINE_MAX_BYTES = 1024, GROUPS_MAX = 64, FIELDS = 4, NAME_MAX_BYTES = 128 };
#define ID_MAX (UINT32_MAX - 1)

/* One line "a:b:c:d..." into its first four fields; false at the end of the text. Lines that are too long are skipped. */
static bool
next_line(const char **text, char line[LINE_MAX_BYTES], const char *fields[FIELDS])
{
	while (**text) {
		size_t len = strcspn(*text, "\n");
		const char *start = *text;
		char *at = line;

		*text += len + (start[len] == '\n');
		if (len == 0 || len >= LINE_MAX_BYTES)
			continue;
		memcpy(line, start, len);
		line[len] = '\0';
		for (int i = 0; i < FIELDS; i++) {
			char *colon = strchr(at, ':');

			fields[i] = at;
			if (!colon) {
				at += strlen(at);
				continue;
			}
			*colon = '\0';
			at = colon + 1;
		}
		return true;
	}
	return false;
}

static int
parse_id(const char *text, uint32_t *out)
{
	uint64_t v;

	if (lp_text_u64(text, ID_MAX, &v) < 0)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

int
lp_user_passwd(const char *text, const char *name, struct lp_user *out)
{
	char line[LINE_MAX_BYTES];
	const char *fields[FIELDS];
	uint32_t wanted, uid, gid;
	bool number = parse_id(name, &wanted) == 0;

	while (next_line(&text, line, fields)) {
		if (parse_id(fields[2], &uid) < 0 || parse_id(fields[3], &gid) < 0)
			continue;
		if (number ? uid == wanted : strcmp(fields[0], name) == 0) {
			out->uid = uid;
			out->gid = gid;
			return 0;
		}
	}
	return -ENOENT;
}

/* The file in the topmost layer that has it. A whiteout (device 0:0) hides those below. -ENOENT. */
static int
read_file(const char *path, const int *layer_fds, size_t count, struct lp_buf *out, struct lp_err *err)
{
	for (size_t i = count; i-- > 0;) {
		lp_auto_fd int fd = -1;
		struct stat st;
		int rc = lp_path_open_in_root(layer_fds[i], path, O_PATH, 0, &fd, NULL);

		if (rc < 0)
			continue;
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return -ENOENT;
		lp_close(&fd);
		rc = lp_path_open_in_root(layer_fds[i], path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
		return rc < 0 ? rc : lp_path_read_fd(fd, out, err);
	}
	return -ENOENT;
}

static int
group_by_name(const char *text, const char *name, uint32_t *out)
{
	char line[LINE_MAX_BYTES];
	const char *fields[FIELDS];

	while (next_line(&text, line, fields))
		if (strcmp(fields[0], name) == 0)
			return parse_id(fields[2], out);
	return -ENOENT;
}

static bool
is_member(const char *members, const char *user)
{
	size_t len = strlen(user);

	while (*members) {
		size_t word = strcspn(members, ",");

		if (word == len && strncmp(members, user, len) == 0)
			return true;
		members += word + (members[word] == ',');
	}
	return false;
}

static int
add_memberships(struct lp_arena *arena, const char *text, const char *user, struct lp_user *out)
{
	char line[LINE_MAX_BYTES];
	const char *fields[FIELDS];
	uint32_t gid;

	out->groups = lp_arena_alloc(arena, GROUPS_MAX * sizeof(*out->groups));
	if (!out->groups)
		return -ENOMEM;
	while (out->group_count < GROUPS_MAX && next_line(&text, line, fields))
		if (is_member(fields[3], user) && parse_id(fields[2], &gid) == 0 && gid != out->gid)
			out->groups[out->group_count++] = gid;
	return 0;
}

int
lp_user_resolve(struct lp_arena *arena, const char *user, const int *layer_fds, size_t count, struct lp_user *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf passwd, groups;
	char name[NAME_MAX_BYTES];
	const char *colon = strchr(user, ':'), *group = colon ? colon + 1 : NULL;
	size_t len = colon ? (size_t)(colon - user) : strlen(user);

	*out = (struct lp_user){ 0 };
	lp_buf_init(&passwd, FILE_MAX);
	lp_buf_init(&groups, FILE_MAX);
	if (len == 0 && !group)
		return 0;
	if (len >= sizeof(name))
		return lp_err_say(err, -EINVAL, "the image's user name is too long");
	memcpy(name, user, len);
	name[len] = '\0';

	/* A file that cannot be read is one without entries: numbers still work. */
	(void)read_file("etc/passwd", layer_fds, count, &passwd, NULL);
	(void)read_file("etc/group", layer_fds, count, &groups, NULL);
	if (len > 0 && lp_user_passwd(lp_buf_text(&passwd), name, out) < 0 && parse_id(name, &out->uid) < 0)
		return lp_err_say(err, -ENOENT, "unable to find user %s: no matching entries in passwd file", name);
	if (group && *group && parse_id(group, &out->gid) < 0 && group_by_name(lp_buf_text(&groups), group, &out->gid) < 0)
		return lp_err_say(err, -ENOENT, "unable to find group %.64s: no matching entries in group file", group);
	if (!group && len > 0 && add_memberships(arena, lp_buf_text(&groups), name, out) < 0)
		return lp_err_set(err, -ENOMEM, "user %s", name);
	return 0;
}

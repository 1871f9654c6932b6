#include "agent/link/logread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"

enum { STEP = 16384, TRIES = 8 };

/* ---- records ---- */

struct record {
	const char *time, *text;
	size_t time_len, len;
	bool whole;			/* F: the line ends here */
};

/* False for what is no record. */
static bool
parse_record(const char *line, size_t len, struct record *out)
{
	const char *end = line + len, *stream, *tag;

	stream = memchr(line, ' ', len);
	if (!stream)
		return false;
	tag = memchr(stream + 1, ' ', (size_t)(end - stream - 1));
	if (!tag || end - tag < 3 || tag[2] != ' ' || (tag[1] != 'F' && tag[1] != 'P'))
		return false;
	*out = (struct record){ .time = line, .time_len = (size_t)(stream - line), .text = tag + 3, .len = (size_t)(end - tag - 3),
		.whole = tag[1] == 'F' };
	return true;
}

/* Times of our logs are all in UTC and of one form: they compare as text. */
static bool
is_old(const struct lp_logread *reader, const struct record *record)
{
	size_t len = strlen(reader->since);

	return len && (record->time_len < len || memcmp(record->time, reader->since, len) < 0);
}

static void
add_text(struct lp_logread *reader, struct lp_buf *out, const char *text, size_t len)
{
	int64_t room = reader->opts.limit_bytes - reader->sent;

	if (reader->opts.limit_bytes > 0 && (int64_t)len >= room) {
		len = (size_t)room;
		reader->full = true;
	}
	lp_buf_add(out, text, len);
	reader->sent += (int64_t)len;
}

static void
take_record(struct lp_logread *reader, const struct record *record, struct lp_buf *out)
{
	if (is_old(reader, record))
		return;
	if (reader->skip) {
		reader->skip -= record->whole;
		return;
	}
	if (reader->opts.timestamps && !reader->middle) {
		add_text(reader, out, record->time, record->time_len);
		if (!reader->full)
			add_text(reader, out, " ", 1);
	}
	if (!reader->full)
		add_text(reader, out, record->text, record->len);
	if (!reader->full && record->whole)
		add_text(reader, out, "\n", 1);
	reader->middle = !record->whole;
}

/* Every whole record in the carry. */
static void
take_carry(struct lp_logread *reader, struct lp_buf *out)
{
	const char *at = lp_buf_text(&reader->carry), *end = at + reader->carry.len, *newline;
	struct record record;

	while (!reader->full && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		if (parse_record(at, (size_t)(newline - at), &record))
			take_record(reader, &record, out);
		at = newline + 1;
	}
	lp_buf_consume(&reader->carry, reader->carry.len - (size_t)(end - at));
	if (reader->carry.len >= LP_LOGREAD_RECORD - STEP)
		lp_buf_reset(&reader->carry);	/* no record of ours is that long */
}

/* ---- files ---- */

/* How many lines would be shown if all were? */
static int
count_lines(const struct lp_logread *reader, uint64_t *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf all;
	struct record record;
	uint64_t count = 0;

	lp_buf_init(&all, 64 << 20);
	for (int i = 0; i < 2; i++) {
		if (reader->fds[i] < 0)
			continue;
		lp_buf_reset(&all);
		int rc = lp_path_read_fd(reader->fds[i], &all, err);

		if (rc < 0)
			return rc;
		if (lseek(reader->fds[i], 0, SEEK_SET) < 0)
			return lp_err_set(err, -errno, "log");
		for (const char *at = lp_buf_text(&all), *newline; (newline = strchr(at, '\n')); at = newline + 1)
			if (parse_record(at, (size_t)(newline - at), &record) && record.whole && !is_old(reader, &record))
				count++;
	}
	*out = count;
	return 0;
}

/* "<container>.<attempt>.log" -> attempt. */
struct runs {
	const char *container;
	uint64_t newest, before;	/* + 1; 0 none */
};

static int
note_run(void *arg, const char *name)
{
	struct runs *runs = arg;
	size_t len = strlen(runs->container), digits;
	char number[24];
	uint64_t attempt;

	if (strncmp(name, runs->container, len) != 0 || name[len] != '.')
		return 0;
	name += len + 1;
	digits = strspn(name, "0123456789");
	if (!digits || digits >= sizeof(number) || strcmp(name + digits, ".log") != 0)
		return 0;
	memcpy(number, name, digits);
	number[digits] = '\0';
	if (lp_text_u64(number, UINT64_MAX - 1, &attempt) < 0)
		return 0;
	if (attempt + 1 > runs->newest) {
		runs->before = runs->newest;
		runs->newest = attempt + 1;
	} else if (attempt + 1 > runs->before) {
		runs->before = attempt + 1;
	}
	return 0;
}

static int
find_run(int dir_fd, const char *container, bool previous, uint64_t *out, struct lp_err *err)
{
	struct runs runs = { .container = container };
	uint64_t found;
	int rc = lp_path_each(dir_fd, note_run, &runs, err);

	if (rc < 0)
		return rc;
	found = previous ? runs.before : runs.newest;
	if (!found)
		return lp_err_say(err, -ENOENT, previous ? "previous terminated container \"%s\" not found" : "container \"%s\" has no log yet",
		    container);
	*out = found - 1;
	return 0;
}

/* Both files of the run, as they belong together: a rotation between the two opens is seen and tried again. */
static int
open_files(struct lp_logread *reader, const char *container, struct lp_err *err)
{
	char older[LP_CONTROL_LOG_NAME];
	struct stat a, b;
	int rc = -ENOENT;

	lp_control_log_name(container, reader->attempt, true, older);
	for (int i = 0; i < TRIES; i++) {
		lp_close(&reader->fds[0]);
		lp_close(&reader->fds[1]);
		rc = lp_path_open(reader->dir_fd, reader->name, O_RDONLY | O_NOFOLLOW, 0, &reader->fds[1], err);
		if (rc == -ENOENT)
			continue;
		if (rc < 0 || lp_path_open(reader->dir_fd, older, O_RDONLY | O_NOFOLLOW, 0, &reader->fds[0], NULL) < 0)
			return rc;
		if (fstat(reader->fds[0], &a) < 0 || fstat(reader->fds[1], &b) < 0)
			return lp_err_set(err, -errno, "log");
		if (a.st_ino != b.st_ino)
			return 0;
	}
	return rc < 0 ? rc : lp_err_say(err, -EAGAIN, "the log of container \"%s\" is rotated too fast", container);
}

int
lp_logread_open(struct lp_logread *reader, int dir_fd, const char *container, const struct lp_logread_opts *opts, struct lp_err *err)
{
	uint64_t lines;
	int rc;

	*reader = (struct lp_logread){ .opts = *opts, .dir_fd = dir_fd, .fds = { -1, -1 } };
	lp_buf_init(&reader->carry, LP_LOGREAD_RECORD);
	if (opts->since_ms > 0) {
		char time[LP_CLOCK_TEXT];

		lp_clock_print(opts->since_ms, time);
		memcpy(reader->since, time, strcspn(time, "Z.") < sizeof(reader->since) ? strcspn(time, "Z.") : 0);
	}
	rc = find_run(dir_fd, container, opts->previous, &reader->attempt, err);
	if (!rc) {
		lp_control_log_name(container, reader->attempt, false, reader->name);
		rc = open_files(reader, container, err);
	}
	if (!rc && opts->tail >= 0) {
		rc = count_lines(reader, &lines, err);
		if (!rc)
			reader->skip = lines > (uint64_t)opts->tail ? lines - (uint64_t)opts->tail : 0;
	}
	if (rc < 0)
		lp_logread_close(reader);
	return rc;
}

void
lp_logread_close(struct lp_logread *reader)
{
	lp_close(&reader->fds[0]);
	lp_close(&reader->fds[1]);
	lp_buf_fini(&reader->carry);
}

/* At the end of the newer file: has another one taken its name? 1 go on reading, 0 no. */
static int
look_for_rotation(struct lp_logread *reader)
{
	struct stat ours, named;

	if (reader->rotated) {
		lp_auto_fd int fd = -1;

		if (lp_path_open(reader->dir_fd, reader->name, O_RDONLY | O_NOFOLLOW, 0, &fd, NULL) < 0)
			return 0;	/* renamed, and the new one is not there yet */
		lp_close(&reader->fds[1]);
		reader->fds[1] = lp_take_fd(&fd);
		reader->rotated = false;
		lp_buf_reset(&reader->carry);
		return 1;
	}
	if (fstat(reader->fds[1], &ours) < 0 || fstatat(reader->dir_fd, reader->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev) {
		reader->rotated = true;	/* what was written before the renaming is read first */
		return 1;
	}
	if (lseek(reader->fds[1], 0, SEEK_CUR) > ours.st_size)
		return lseek(reader->fds[1], 0, SEEK_SET) == 0;		/* it was cut, for want of room */
	return 0;
}

int
lp_logread_next(struct lp_logread *reader, struct lp_buf *out, struct lp_err *err)
{
	int which = reader->fds[0] >= 0 ? 0 : 1;
	ssize_t n;
	char *room;

	if (reader->full || reader->fds[1] < 0)
		return 0;
	room = lp_buf_room(&reader->carry, STEP);
	if (!room)
		return lp_err_set(err, reader->carry.failed, "log");
	do
		n = read(reader->fds[which], room, STEP);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return lp_err_set(err, -errno, "log");
	if (n == 0 && which == 0) {
		lp_close(&reader->fds[0]);
		lp_buf_reset(&reader->carry);
		return 1;
	}
	if (n == 0)
		return look_for_rotation(reader);
	lp_buf_added(&reader->carry, (size_t)n);
	take_carry(reader, out);
	return out->failed ? lp_err_set(err, out->failed, "log") : !reader->full;
}

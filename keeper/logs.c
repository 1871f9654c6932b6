/* keeper/logs.c - see logs.h. */
#include "keeper/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/seam.h"

#define HEAD (LP_CLOCK_TEXT + 16)	/* time, stream, tag, blanks */

/* Records on their way to the file: one write() for many lines. */
struct batch {
	struct lp_logs *logs;
	uint64_t records;
	size_t len;
	char bytes[LP_LOGS_LINE + HEAD + 1];
};

int
lp_logs_open(struct lp_logs *logs, int dir_fd, const char *container, uint64_t attempt, uint64_t max_bytes, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	char name[LP_CONTROL_LOG_NAME];
	int rc;

	lp_control_log_name(container, attempt, false, name);
	rc = lp_path_open(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0640, &fd, err);
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "log %s", name);
	*logs = (struct lp_logs){
		.dir_fd = dir_fd,
		.fd = lp_take_fd(&fd),
		.size = (uint64_t)st.st_size,
		.max_bytes = max_bytes ? max_bytes : LP_LOGS_MAX_BYTES,
	};
	memcpy(logs->name, name, sizeof(name));
	return 0;
}

static void
rotate(struct lp_logs *logs)
{
	char older[LP_CONTROL_LOG_NAME + 2];
	lp_auto_fd int fd = -1;

	(void)snprintf(older, sizeof(older), "%s.1", logs->name);
	if (renameat(logs->dir_fd, logs->name, logs->dir_fd, older) == 0 &&
	    lp_path_open(logs->dir_fd, logs->name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0640, &fd, NULL) == 0) {
		lp_close(&logs->fd);
		logs->fd = lp_take_fd(&fd);
		logs->size = 0;
	} else if (ftruncate(logs->fd, 0) == 0) {
		logs->size = 0;		/* better a short log than an endless one */
	}
}

static void
batch_write(struct batch *batch)
{
	struct lp_logs *logs = batch->logs;
	long n;

	if (!batch->len)
		return;
	if (logs->fd >= 0 && logs->size && logs->size + batch->len > logs->max_bytes)
		rotate(logs);
	do
		n = lp_seam.write(logs->fd, batch->bytes, batch->len);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		logs->size += (uint64_t)n;
	if (n != (long)batch->len) {
		logs->lost += batch->records;
		/* A torn record must not run into the next one. */
		if (n > 0 && ftruncate(logs->fd, (off_t)(logs->size - (uint64_t)n)) == 0)
			logs->size -= (uint64_t)n;
	}
	batch->len = 0;
	batch->records = 0;
}

static void
batch_add(struct batch *batch, const char *head, char tag, const struct lp_logs_partial *partial, const char *text, size_t len)
{
	size_t head_len = strlen(head), total = head_len + 2 + partial->len + len + 1;

	if (batch->len + total > sizeof(batch->bytes))
		batch_write(batch);
	memcpy(batch->bytes + batch->len, head, head_len);
	batch->len += head_len;
	batch->bytes[batch->len++] = tag;
	batch->bytes[batch->len++] = ' ';
	if (partial->len)
		memcpy(batch->bytes + batch->len, partial->text, partial->len);
	batch->len += partial->len;
	memcpy(batch->bytes + batch->len, text, len);
	batch->len += len;
	batch->bytes[batch->len++] = '\n';
	batch->records++;
}

static void
partial_drop(struct lp_logs_partial *partial)
{
	free(partial->text);
	*partial = (struct lp_logs_partial){ 0 };
}

/* Keep the beginning of a line until its end comes. Without memory it goes out as a piece of its own. */
static bool
partial_keep(struct lp_logs_partial *partial, const char *data, size_t len)
{
	if (!partial->text)
		partial->text = lp_seam.alloc(LP_LOGS_LINE);
	if (!partial->text)
		return false;
	memcpy(partial->text + partial->len, data, len);
	partial->len += len;
	return true;
}

static void
make_head(enum lp_logs_stream stream, int64_t seconds, int32_t nanos, char out[static HEAD])
{
	char time[LP_CLOCK_TEXT];

	lp_clock_print_nano(seconds, nanos, time);
	(void)snprintf(out, HEAD, "%s %s ", time, stream == LP_LOGS_STDOUT ? "stdout" : "stderr");
}

void
lp_logs_add(struct lp_logs *logs, enum lp_logs_stream stream, const char *data, size_t len, int64_t seconds, int32_t nanos)
{
	struct lp_logs_partial *partial = &logs->partial[stream];
	struct batch batch;
	char head[HEAD];

	batch.logs = logs;
	batch.len = 0;
	batch.records = 0;
	make_head(stream, seconds, nanos, head);
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t line = end ? (size_t)(end - data) : len, room = LP_LOGS_LINE - partial->len;

		if (line > room || (!end && line == room)) {	/* too long: cut it here */
			batch_add(&batch, head, 'P', partial, data, room);
			partial_drop(partial);
			data += room;
			len -= room;
		} else if (end) {
			batch_add(&batch, head, 'F', partial, data, line);
			partial_drop(partial);
			data += line + 1;
			len -= line + 1;
		} else {
			if (!partial_keep(partial, data, line))
				batch_add(&batch, head, 'P', partial, data, line);
			break;
		}
	}
	batch_write(&batch);
}

void
lp_logs_close(struct lp_logs *logs, int64_t seconds, int32_t nanos)
{
	for (enum lp_logs_stream stream = LP_LOGS_STDOUT; stream < LP_LOGS_STREAMS; stream++)
		if (logs->fd >= 0 && logs->partial[stream].len) {
			struct batch batch;
			char head[HEAD];

			batch.logs = logs;
			batch.len = 0;
			batch.records = 0;
			make_head(stream, seconds, nanos, head);
			batch_add(&batch, head, 'P', &logs->partial[stream], "", 0);
			batch_write(&batch);
		}
	for (int stream = 0; stream < LP_LOGS_STREAMS; stream++)
		partial_drop(&logs->partial[stream]);
	lp_close(&logs->fd);
}

void
lp_logs_remove(int dir_fd, const char *container, uint64_t attempt)
{
	char name[LP_CONTROL_LOG_NAME];

	for (int rotated = 0; rotated < 2; rotated++) {
		lp_control_log_name(container, attempt, rotated, name);
		(void)unlinkat(dir_fd, name, 0);	/* absent is as good as removed */
	}
}

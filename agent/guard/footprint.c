#include "agent/guard/footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/node/measure.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"

enum { ROWS_MAX = 4 << 20, NAME_MAX_BYTES = 256 };

struct lp_footprint_row {
	struct lp_footprint_row *next;
	char uid[64], name[NAME_MAX_BYTES];
	struct lp_storage_use use;
};

/* ---- in the child */

struct walk {
	struct lp_buf *result;
	const char *uid;
	enum lp_storage_kind kind;
	int dir_fd;
};

/* "web.2" and "web.2.log.1" are of the container web. */
static size_t
container_name(enum lp_storage_kind kind, const char *name)
{
	const char *dot = kind == LP_STORAGE_VOLUME ? NULL : strchr(name, '.');

	return dot ? (size_t)(dot - name) : strlen(name);
}

static int
measure_one(void *arg, const char *name)
{
	const struct walk *walk = arg;
	uint64_t bytes = 0, inodes = 0;
	struct statx st;
	struct lp_err err;

	if (statx(walk->dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0)
		return 0;	/* it has just gone */
	/* What is mounted there is a server's: no storage of this node, and maybe nobody who answers. */
	if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return 0;
	if (S_ISDIR(st.stx_mode)) {
		if (lp_measure_tree(walk->dir_fd, name, &bytes, &inodes, &err) < 0)
			return 0;
	} else {
		bytes = (uint64_t)st.stx_blocks * 512;
		inodes = 1;
	}
	return lp_buf_printf(walk->result, "%s %d %.*s %" PRIu64 " %" PRIu64 "\n", walk->uid, (int)walk->kind,
	    (int)container_name(walk->kind, name), name, bytes, inodes);
}

static int
measure_below(struct lp_buf *result, int root_fd, const char *uid, const char *folder, enum lp_storage_kind kind)
{
	lp_auto_fd int fd = -1;
	struct walk walk = { .result = result, .uid = uid, .kind = kind };
	char path[NAME_MAX_BYTES];

	(void)snprintf(path, sizeof(path), "%s%s", uid, folder);
	if (lp_path_open(root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, NULL) < 0)
		return 0;	/* a pod without any */
	walk.dir_fd = fd;
	return lp_path_each(fd, measure_one, &walk, NULL);
}

static int
measure_all(void *arg, struct lp_buf *result, struct lp_err *err)
{
	const struct lp_footprint *footprint = arg;
	struct lp_agent *agent = footprint->agent;
	size_t pos = 0;
	void *value;
	int rc = 0;

	while (rc >= 0 && lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		if (pod->keeper == LP_PODPLAN_NONE || (footprint->only_limited && !pod->wants.limited_storage && !agent->ceiling.ceiling.writable_bytes))
			continue;
		rc = measure_below(result, agent->pods_fd, pod->uid, "/writable", LP_STORAGE_LAYER);
		if (rc >= 0)
			rc = measure_below(result, agent->pods_fd, pod->uid, "/volumes", LP_STORAGE_VOLUME);
		if (rc >= 0)
			rc = measure_below(result, agent->run_logs_fd, pod->uid, "", LP_STORAGE_LOG);
	}
	return rc < 0 ? lp_err_set(err, rc, "measure pods") : 0;
}

/* ---- its answer */

static bool
copy_word(const char *line, size_t n, char *out, size_t size)
{
	size_t len;
	const char *word = lp_text_word(line, n, &len);

	if (!word || len >= size)
		return false;
	memcpy(out, word, len);
	out[len] = '\0';
	return true;
}

static void
take_line(struct lp_footprint *footprint, const char *line)
{
	struct lp_footprint_row *row = lp_arena_alloc(&footprint->arena, sizeof(*row));
	uint64_t kind;

	if (!row || !copy_word(line, 0, row->uid, sizeof(row->uid)) || lp_text_word_u64(line, 1, LP_STORAGE_VOLUME, &kind) < 0 ||
	    !copy_word(line, 2, row->name, sizeof(row->name)) || lp_text_word_u64(line, 3, UINT64_MAX, &row->use.bytes) < 0 ||
	    lp_text_word_u64(line, 4, UINT64_MAX, &row->use.inodes) < 0)
		return;
	row->use.kind = (enum lp_storage_kind)kind;
	row->use.name = row->name;
	row->next = footprint->rows;
	footprint->rows = row;
}

static void
measured(struct lp_child *child, const struct lp_err *err, int64_t now_ms)
{
	struct lp_footprint *footprint = lp_of(child, struct lp_footprint, child);

	lp_arena_fini(&footprint->arena);
	footprint->rows = NULL;
	if (err->code < 0)
		lp_log(LP_LOG_WARN, "disk use of pods could not be measured", "why=\"%s\"", err->text);
	for (const char *at = lp_buf_text(&child->result); *at; at += strcspn(at, "\n"), at += *at == '\n')
		take_line(footprint, at);
	lp_child_cancel(child);
	footprint->done(footprint, now_ms);
}

struct lp_storage_use *
lp_footprint_pod(struct lp_footprint *footprint, struct lp_arena *arena, const char *uid, size_t *out_count)
{
	struct lp_storage_use *list;
	size_t count = 0;

	for (const struct lp_footprint_row *row = footprint->rows; row; row = row->next)
		count += strcmp(row->uid, uid) == 0;
	*out_count = 0;
	list = count ? lp_arena_alloc(arena, count * sizeof(*list)) : NULL;
	for (const struct lp_footprint_row *row = footprint->rows; list && row; row = row->next)
		if (strcmp(row->uid, uid) == 0)
			list[(*out_count)++] = row->use;
	return list;
}

int
lp_footprint_start(struct lp_footprint *footprint, bool only_limited, lp_footprint_fn done, struct lp_err *err)
{
	footprint->only_limited = only_limited;
	footprint->done = done;
	return lp_child_start(footprint->agent->loop, &footprint->child, measure_all, footprint, measured, err);
}

bool
lp_footprint_busy(const struct lp_footprint *footprint)
{
	return lp_child_busy(&footprint->child);
}

void
lp_footprint_init(struct lp_footprint *footprint, struct lp_agent *agent)
{
	*footprint = (struct lp_footprint){ .agent = agent };
	footprint->child.pidfd = footprint->child.pipe_fd = -1;
	lp_arena_init(&footprint->arena, ROWS_MAX);
}

void
lp_footprint_fini(struct lp_footprint *footprint)
{
	lp_child_cancel(&footprint->child);
	lp_arena_fini(&footprint->arena);
}

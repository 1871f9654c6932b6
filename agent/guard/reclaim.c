#include "agent/guard/reclaim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/pod/agent_state.h"
#include "agent/volume/volume.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"
#include "specs/object.h"

enum { AGAIN_MS = 10000 };

struct lp_reclaim {
	struct lp_agent *agent;		/* weak */
	struct lp_child child;
	struct lp_timer again;
	size_t told, sending;		/* how many are gone, in the revision of the report; SIZE_MAX: never told */
	char told_of[LP_DIGEST_TEXT], sending_of[LP_DIGEST_TEXT];
	char name[256];			/* what the child removes */
};

/* The handle of a volume that is going; NULL: it is not, or not ours. */
static const char *
handle_of(const struct lp_revision_object *object)
{
	const struct lp_json *csi = lp_json_path(object->json, "spec.csi");
	const char *handle = lp_json_str(csi, "volumeHandle");

	if (strcmp(object->kind, "PersistentVolume") != 0 || !lp_object_deleting(object->json) ||
	    !lp_text_same(lp_json_str(csi, "driver"), LP_VOLUME_DRIVER) || !handle || !lp_text_is_dns_subdomain(handle))
		return NULL;
	return handle;
}

static bool
is_there(const struct lp_agent *agent, const char *handle)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	int rc = lp_path_open(agent->data_fd, "volumes", O_PATH | O_DIRECTORY, 0, &fd, NULL);

	/* What cannot be looked at counts as there. */
	if (rc < 0)
		return rc != -ENOENT;
	return fstatat(fd, handle, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int
remove_one(void *arg, struct lp_buf *result, struct lp_err *err)
{
	const struct lp_reclaim *reclaim = arg;
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(reclaim->agent->data_fd, "volumes", O_RDONLY | O_DIRECTORY, 0, &fd, err);

	(void)result;
	return rc < 0 ? rc : lp_path_remove(fd, reclaim->name, err);
}

static void
look_due(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	lp_reclaim_look(lp_of(timer, struct lp_reclaim, again));
}

static void
removed(struct lp_child *child, const struct lp_err *why, int64_t now_ms)
{
	struct lp_reclaim *reclaim = lp_of(child, struct lp_reclaim, child);

	lp_child_cancel(child);		/* its result is empty */
	if (why->code < 0) {
		lp_log(LP_LOG_WARN, "directory of a deleted volume stays, will retry", "volume=%s why=\"%s\"", reclaim->name, why->text);
		(void)lp_timer_start(reclaim->agent->loop, &reclaim->again, now_ms + AGAIN_MS, look_due);	/* else the next revision */
		return;
	}
	lp_log(LP_LOG_INFO, "directory of a deleted volume is removed", "volume=%s", reclaim->name);
	lp_agent_report_changed(reclaim->agent);
	lp_reclaim_look(reclaim);
}

void
lp_reclaim_look(struct lp_reclaim *reclaim)
{
	struct lp_agent *agent = reclaim ? reclaim->agent : NULL;
	struct lp_err err = { 0 };

	if (!agent || agent->leaving || lp_child_busy(&reclaim->child))
		return;
	for (size_t i = 0; i < agent->revision.count; i++) {
		const char *handle = handle_of(&agent->revision.objects[i]);

		if (!handle || !is_there(agent, handle))
			continue;
		(void)snprintf(reclaim->name, sizeof(reclaim->name), "%s", handle);
		if (lp_child_start(agent->loop, &reclaim->child, remove_one, reclaim, removed, &err) < 0)
			lp_log(LP_LOG_WARN, "directory of a deleted volume stays until the next revision", "volume=%s why=\"%s\"", handle,
			    err.text);
		return;
	}
}

bool
lp_reclaim_report(struct lp_reclaim *reclaim, struct lp_arena *arena, struct lp_json *report)
{
	const struct lp_agent *agent = reclaim->agent;
	struct lp_json *list = NULL;

	reclaim->sending = 0;
	memcpy(reclaim->sending_of, agent->revision.digest, sizeof(reclaim->sending_of));
	for (size_t i = 0; i < agent->revision.count; i++) {
		const char *handle = handle_of(&agent->revision.objects[i]);

		if (!handle || is_there(agent, handle))
			continue;
		list = lp_json_need_array(arena, report, "volumesGone");
		lp_json_append(arena, list, lp_json_new_str(arena, agent->revision.objects[i].name));
		reclaim->sending++;
	}
	return reclaim->sending > 0 && (reclaim->sending != reclaim->told || strcmp(reclaim->sending_of, reclaim->told_of) != 0);
}

void
lp_reclaim_told(struct lp_reclaim *reclaim)
{
	reclaim->told = reclaim->sending;
	memcpy(reclaim->told_of, reclaim->sending_of, sizeof(reclaim->told_of));
}

int
lp_reclaim_new(struct lp_agent *agent, struct lp_reclaim **out, struct lp_err *err)
{
	struct lp_reclaim *reclaim = lp_seam.alloc(sizeof(*reclaim));

	if (!reclaim)
		return lp_err_set(err, -ENOMEM, "volumes");
	reclaim->agent = agent;
	reclaim->told = SIZE_MAX;
	reclaim->child.pidfd = reclaim->child.pipe_fd = -1;
	*out = reclaim;
	return 0;
}

void
lp_reclaim_free(struct lp_reclaim *reclaim)
{
	if (!reclaim)
		return;
	lp_timer_stop(&reclaim->again);
	lp_child_cancel(&reclaim->child);
	free(reclaim);
}

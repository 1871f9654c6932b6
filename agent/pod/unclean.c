#include "agent/pod/unclean.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/path.h"
#include "base/state.h"
#include "base/text.h"
#include "images/images.h"

#define FILE_NAME "boot"
#define SCHEMA 1

enum { NAME = 64, WORDS_MAX = 64, PREFIX = sizeof("sha256:") - 1 };

void
lp_unclean_init(struct lp_unclean *unclean)
{
	*unclean = (struct lp_unclean){ .checked_fd = -1 };
	unclean->child.pidfd = unclean->child.pipe_fd = -1;
}

static int
write_word(int data_fd, const char *boot_id, const char *word, struct lp_err *err)
{
	char text[WORDS_MAX];

	(void)snprintf(text, sizeof(text), "%s %s", boot_id, word);
	return lp_state_write(data_fd, FILE_NAME, SCHEMA, text, strlen(text), err);
}

/* Did another boot than this one end while an agent ran in it? Damaged words are no good end. */
static int
ended_badly(int data_fd, const char *boot_id, bool *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, WORDS_MAX * 2);
	rc = lp_state_read(data_fd, FILE_NAME, SCHEMA, &text, NULL, err);
	if (rc == -EBADMSG) {
		*out = true;
		return 0;
	}
	if (rc < 0 && rc != -ENOENT)
		return rc;
	*out = rc == 0 && !lp_text_starts(lp_buf_text(&text), boot_id) && !strstr(lp_buf_text(&text), " stopped");
	return 0;
}

int
lp_unclean_begin(struct lp_unclean *unclean, int data_fd, int run_fd, const char *boot_id, struct lp_err *err)
{
	char name[NAME];
	bool bad = false;
	int rc = ended_badly(data_fd, boot_id, &bad, err);

	/* Said in memory first: whoever is killed in between finds the words of the former boot again. */
	(void)snprintf(name, sizeof(name), "checked.%s", boot_id);
	if (rc == 0 && bad)
		rc = lp_path_mkdirs(run_fd, name, 0700, NULL, err);
	if (rc == 0)
		rc = write_word(data_fd, boot_id, "running", err);
	if (rc < 0)
		return rc;
	rc = lp_path_open(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &unclean->checked_fd, err);
	unclean->doubt = rc == 0;
	return rc == -ENOENT ? 0 : rc;
}

int
lp_unclean_end(int data_fd, const char *boot_id, struct lp_err *err)
{
	return write_word(data_fd, boot_id, "stopped", err);
}

/* ---- one layer ---- */

static int
read_layer(void *arg, struct lp_buf *result, struct lp_err *err)
{
	struct lp_agent *agent = arg;
	uint64_t freed = 0;
	int rc = lp_images_check_layer(agent->images, agent->unclean.layer, err);

	/* Its directory is gone, or something in it cannot be read: as bad as another content. */
	if (rc == 0 || rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE)
		return rc;
	rc = lp_images_drop_layer(agent->images, agent->unclean.layer, &freed, NULL);
	return rc < 0 ? rc : lp_buf_printf(result, "%" PRIu64, freed);
}

static void
layer_read(struct lp_child *child, const struct lp_err *why, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(child, struct lp_agent, unclean.child);
	struct lp_unclean *unclean = &agent->unclean;
	size_t pos = 0;
	void *pod;

	(void)now_ms;
	if (why->code < 0) {
		lp_log(LP_LOG_WARN, "a layer could not be checked, will retry", "layer=%s why=\"%s\"", unclean->layer, why->text);
	} else if (child->result.len) {
		lp_log(LP_LOG_ERROR, "a layer is damaged on disk, it was removed with its images", "layer=%s bytes=%s", unclean->layer,
		    lp_buf_text(&child->result));
		lp_agent_event(agent, NULL, "Warning", "ImageDamaged", "layer %s is damaged on disk: its images were removed and must be loaded again",
		    unclean->layer);
	} else {
		int fd = openat(unclean->checked_fd, unclean->layer + PREFIX, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			lp_log(LP_LOG_WARN, "a checked layer cannot be remembered", "layer=%s errno=%d", unclean->layer, errno);
		lp_close(&fd);
	}
	lp_child_cancel(child);
	while (lp_map_next(&agent->pods, &pos, NULL, &pod))
		lp_pod_nudge(pod);
}

int
lp_unclean_check(struct lp_agent *agent, const struct lp_image *image, struct lp_err *err)
{
	struct lp_unclean *unclean = &agent->unclean;

	for (size_t i = 0; unclean->doubt && i < image->layer_count; i++) {
		const char *layer = image->layers[i].digest;
		int rc = 0;

		if (faccessat(unclean->checked_fd, layer + PREFIX, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (!lp_child_busy(&unclean->child)) {
			(void)snprintf(unclean->layer, sizeof(unclean->layer), "%s", layer);
			rc = lp_child_start(agent->loop, &unclean->child, read_layer, agent, layer_read, err);
		}
		return rc < 0 ? rc : lp_err_say(err, -EAGAIN, "its layers are read once more, because the device did not end in good order");
	}
	return 0;
}

void
lp_unclean_stop(struct lp_unclean *unclean)
{
	lp_child_cancel(&unclean->child);
	lp_close(&unclean->checked_fd);
}

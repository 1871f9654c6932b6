#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_pids.h"
#include "tools/oci/oci_regex.h"
#include "tools/oci/oci_verbs.h"

/* kill, pause, resume and delete. */

enum { FREEZE_WAIT_MS = 10000 };

/* ---- kill ---- */

static int
signal_one(void *arg, pid_t pid)
{
	/* One that ended meanwhile is no failure. */
	(void)kill(pid, *(int *)arg);
	return 0;
}

/* Without a cgroup: everything in its pid namespace. The end of the first process is that of all. */
static int
signal_namespace(const struct lp_oci_found *found, int number, struct lp_err *err)
{
	struct lp_oci_pids pids;
	int rc = lp_oci_pids_of(found, &pids, err);

	for (size_t i = 0; rc == 0 && i < pids.count; i++)
		(void)signal_one(&number, pids.items[i]);
	lp_oci_pids_fini(&pids);
	return rc;
}

/* Everything in its cgroup, or in its pid namespace. */
static int
signal_all(const struct lp_oci_found *found, int number, struct lp_err *err)
{
	struct lp_container *container = NULL;
	lp_auto_fd int cgroup = -1;
	int rc;

	if (found->state.cgroup[0] && lp_oci_state_cgroup(&found->state, &cgroup, NULL) == 0)
		return number == SIGKILL ? lp_cgroup_kill(cgroup, err) : lp_cgroup_each_pid(cgroup, signal_one, &number, err);
	if (number != SIGKILL && !found->state.shared_pids)
		return signal_namespace(found, number, err);
	rc = lp_oci_adopt(found, &container, err);
	if (rc == 0)
		rc = lp_container_signal(container, number, err);
	else if (rc == -ESRCH)
		rc = 0;
	lp_container_free(container);
	return rc;
}

static int
signal_first(const struct lp_oci_found *found, int number, struct lp_err *err)
{
	struct lp_container *container = NULL;
	int rc = lp_oci_adopt(found, &container, err);

	if (rc == 0)
		rc = lp_container_signal(container, number, err);
	else if (rc == -ESRCH)
		rc = lp_err_say(err, -ESRCH, "container not running");
	lp_container_free(container);
	return rc;
}

static bool kill_all;

static int
send_signal(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	int number = SIGTERM, rc = line->count == 2 ? lp_oci_signal_parse(line->rest[1], &number, err) : 0;

	if (rc < 0)
		return rc;
	/* Without a pid namespace of its own the others outlive the first: SIGKILL is meant for all of them. */
	if (kill_all || (number == SIGKILL && found->state.shared_pids && found->state.cgroup[0]))
		return signal_all(found, number, err);
	if (found->status == LP_OCI_STOPPED || found->status == LP_OCI_CREATING)
		return lp_err_say(err, -ESRCH, "container not running");
	return signal_first(found, number, err);
}

int
lp_oci_kill_main(int argc, char **argv)
{
	static const struct lp_opt options[] = {
		{ "all", 'a', LP_OPT_FLAG, &kill_all, NULL, "to all of its processes" },
		{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
	};
	static const struct lp_oci_usage usage = { "CONTAINER [SIGNAL]", "Sends a signal, SIGTERM unless another is named.", "kill web HUP",
		1, 2, false };

	return lp_oci_verb(argc, argv, options, &usage, false, send_signal);
}

/* ---- pause and resume ---- */

static bool
cgroup_says(int cgroup, const char *line)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 256);
	return lp_path_read(cgroup, "cgroup.events", &text, NULL) < 0 || strstr(lp_buf_text(&text), line) != NULL;
}

static bool
is_frozen(int cgroup)
{
	return cgroup_says(cgroup, "frozen 1");
}

static bool
is_thawed(int cgroup)
{
	return cgroup_says(cgroup, "frozen 0");
}

static int
freeze(const struct lp_oci_found *found, bool frozen, struct lp_err *err)
{
	lp_auto_fd int cgroup = -1;
	int rc;

	if (!found->state.cgroup[0])
		return lp_err_say(err, -ENOTSUP, "container %s has no cgroup, without which it cannot be paused", found->state.id);
	rc = lp_oci_state_cgroup(&found->state, &cgroup, err);
	if (rc == 0)
		rc = lp_cgroup_freeze(cgroup, frozen, err);
	if (rc == 0 && lp_oci_wait_cgroup(cgroup, frozen ? is_frozen : is_thawed, FREEZE_WAIT_MS) < 0)
		rc = lp_err_say(err, -ETIMEDOUT, "container %s does not %s", found->state.id, frozen ? "stand still" : "go on");
	return rc;
}

static int
pause_it(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	(void)line;
	if (found->status != LP_OCI_RUNNING && found->status != LP_OCI_CREATED)
		return lp_err_say(err, -EINVAL, "container not running or created: %s", lp_oci_status_name(found->status));
	return freeze(found, true, err);
}

int
lp_oci_pause_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "Every process of the container stands still until resume.", "pause web", 1, 1, false };

	return lp_oci_verb(argc, argv, NULL, &usage, true, pause_it);
}

static int
resume_it(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	(void)line;
	if (found->status != LP_OCI_PAUSED)
		return lp_err_say(err, -EINVAL, "container not paused");
	return freeze(found, false, err);
}

int
lp_oci_resume_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "The processes of a paused container go on.", "resume web", 1, 1, false };

	return lp_oci_verb(argc, argv, NULL, &usage, true, resume_it);
}

/* ---- delete ---- */

static int
delete_one(const char *id, bool force, struct lp_err *err)
{
	struct lp_oci_found found;
	int rc = lp_oci_find(id, true, &found, err);

	if (rc == -ENOENT && force) {
		lp_err_clear(err);
		rc = 0;
	} else if (rc == 0 && !force && found.status != LP_OCI_STOPPED && found.status != LP_OCI_CREATED) {
		rc = lp_err_say(err, -EBUSY, "cannot delete container %s that is not stopped: %s", id, lp_oci_status_name(found.status));
	} else if (rc == 0) {
		rc = lp_oci_destroy(&found, err);
	}
	lp_oci_found_fini(&found);
	return rc;
}

struct matching {
	const char *pattern;
	bool force;
	int rc;
	struct lp_err *err;
};

static int
delete_matching(void *arg, const char *id)
{
	struct matching *matching = arg;

	if (lp_oci_regex_match(matching->pattern, id) && delete_one(id, matching->force, matching->err) < 0)
		matching->rc = matching->err->code;
	return 0;
}

int
lp_oci_delete_main(int argc, char **argv)
{
	static bool force, regex;
	static const struct lp_opt options[] = {
		{ "force", 'f', LP_OPT_FLAG, &force, NULL, "also one that runs: it is killed; one that is not there is no error" },
		{ "regex", 'r', LP_OPT_FLAG, &regex, NULL, "every container whose name has a part that the expression fits" },
		{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
	};
	static const struct lp_oci_usage usage = { "CONTAINER", "Takes away the cgroup and the state of a stopped container.", "delete --force web",
		1, 1, false };
	struct lp_oci_line line = { 0 };
	struct lp_err err = { 0 };
	struct matching matching = { .err = &err };
	int rc;

	if (!lp_oci_options(argc, argv, options, &usage, &line, &rc))
		return rc;
	if (regex) {
		matching.pattern = line.rest[0];
		matching.force = force;
		rc = lp_oci_regex_check(matching.pattern, &err);
		if (rc == 0)
			rc = lp_oci_home_each(lp_oci_global.root, delete_matching, &matching, &err);
		if (rc == 0)
			rc = matching.rc;
	} else {
		rc = delete_one(line.rest[0], force, &err);
	}
	return rc < 0 ? lp_oci_fail(&err) : 0;
}

#include "tools/oci/oci_start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "runtime/oci/oci_config.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_console.h"
#include "tools/oci/oci_verbs.h"

int
lp_oci_start_record(struct lp_oci_state *state, pid_t pid, struct lp_err *err)
{
	int rc = lp_clock_boot_id(state->record.boot_id, err);

	if (rc == 0)
		rc = lp_record_start_ticks(pid, &state->record.start_ticks, err);
	if (rc == 0)
		state->record.pid = pid;
	return rc;
}

int
lp_oci_start_listener(struct lp_oci_found *found, const struct lp_oci_spec *spec, pid_t pid, pid_t first, int listener, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	struct lp_arena *arena = &found->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);
	const char *path = lp_json_str(spec->linux_->seccomp, "listenerPath");
	const char *metadata = lp_json_str(spec->linux_->seccomp, "listenerMetadata");

	lp_buf_init(&text, LP_OCI_CONFIG_MAX);
	if (!path)
		return lp_err_say(err, -EINVAL, "linux.seccomp.listenerPath: is missing");
	(void)lp_json_set_str(arena, json, "ociVersion", found->state.version);
	(void)lp_json_append(arena, lp_json_set_array(arena, json, "fds"), lp_json_new_str(arena, "seccompFd"));
	(void)lp_json_set_int(arena, json, "pid", pid);
	if (metadata)
		(void)lp_json_set_str(arena, json, "metadata", metadata);
	(void)lp_json_set(arena, json, "state", lp_oci_state_document(arena, &found->state, "running", first, false));
	if (arena->failed || lp_json_write(&text, json) < 0)
		return lp_err_set(err, -ENOMEM, "seccomp listener");
	return lp_oci_console_send(path, text.data, text.len, listener, err);
}

static int
run_poststart(struct lp_oci_found *found, struct lp_container *container, const struct lp_oci_spec *spec, struct lp_err *err)
{
	lp_auto_buf struct lp_buf state;
	const struct lp_hook *hooks;
	int rc = lp_oci_config_hooks(&found->arena, spec->hooks->poststart.items, spec->hooks->poststart.count, &hooks, err);

	lp_buf_init(&state, LP_OCI_CONFIG_MAX);
	if (rc == 0)
		rc = lp_oci_print_state(&found->state, "running", lp_container_pid(container), &state, err);
	if (rc == 0)
		rc = lp_oci_run_hooks(hooks, spec->hooks->poststart.count, "poststart", &state, false, err);
	return rc;
}

int
lp_oci_start_after(struct lp_oci_found *found, struct lp_container *container, struct lp_oci_spec *spec, struct lp_err *err)
{
	lp_auto_fd int listener = lp_container_take_listener(container);
	int rc = 0;

	if (listener < 0 && !found->state.poststart)
		return 0;
	if (!spec)
		rc = lp_oci_read_spec(&found->home, &found->arena, &spec, err);
	if (rc == 0 && listener >= 0)
		rc = lp_oci_start_listener(found, spec, lp_container_pid(container), lp_container_pid(container), listener, err);
	if (rc == 0 && found->state.poststart)
		rc = run_poststart(found, container, spec, err);
	if (rc < 0)
		(void)lp_container_kill(container, NULL);	/* the failure to report is the first one */
	return rc;
}

/* ---- the verb ---- */

static int
check(const struct lp_oci_found *found, struct lp_err *err)
{
	switch (found->status) {
	case LP_OCI_CREATED:
		return 0;
	case LP_OCI_STOPPED:
		return lp_err_say(err, -EINVAL, "cannot start a container that has stopped");
	case LP_OCI_RUNNING:
		return lp_err_say(err, -EINVAL, "cannot start an already running container");
	case LP_OCI_PAUSED:
	case LP_OCI_CREATING:
		break;
	}
	return lp_err_say(err, -EINVAL, "cannot start a container in the %s state", lp_oci_status_name(found->status));
}

static int
start(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	struct lp_container *container = NULL;
	int rc = check(found, err);

	(void)line;
	if (rc == 0)
		rc = lp_oci_adopt(found, &container, err);
	if (rc == 0)
		rc = lp_container_start_at(container, found->home.dir, "start", err);
	if (rc == 0)
		rc = lp_oci_start_after(found, container, NULL, err);
	lp_container_free(container);
	return rc;
}

int
lp_oci_start_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "Lets the program of a created container run.", "start web", 1, 1, false };

	return lp_oci_verb(argc, argv, NULL, &usage, true, start);
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_pids.h"
#include "tools/oci/oci_verbs.h"

/* state, list and ps. */

static int
print_json(const struct lp_arena *arena, const struct lp_json *json, bool pretty, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, LP_OCI_ARENA_MAX);
	rc = arena->failed ? -ENOMEM : pretty ? lp_json_write_pretty(&text, json, 2) : lp_json_write(&text, json);
	if (rc < 0)
		return lp_err_set(err, -ENOMEM, "print");
	(void)lp_buf_char(&text, '\n');
	return lp_path_write_all(1, text.data, text.len, err);
}

/* A container that has stopped has no process to name. */
static pid_t
shown_pid(const struct lp_oci_found *found)
{
	return found->status == LP_OCI_STOPPED ? 0 : found->state.record.pid;
}

static int
show_state(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	(void)line;
	return print_json(&found->arena, lp_oci_state_document(&found->arena, &found->state, lp_oci_status_name(found->status),
	    shown_pid(found), true), true, err);
}

int
lp_oci_state_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "Prints the state document of the specification.", "state web", 1, 1, false };

	return lp_oci_verb(argc, argv, NULL, &usage, false, show_state);
}

/* ---- list ---- */

struct row {
	char *id, *status, *bundle, *created, *owner;
	pid_t pid;
};

struct list {
	struct lp_arena arena;
	struct lp_json *json;
	struct row rows[4096];
	size_t count;
};

static int
add_row(void *arg, const char *id)
{
	struct list *list = arg;
	struct lp_oci_found found;
	struct lp_err err = { 0 };
	struct row *row = &list->rows[list->count];
	struct lp_arena *arena = &list->arena;

	if (lp_oci_find(id, false, &found, &err) == 0 && list->count < lp_count(list->rows)) {
		const char *status = lp_oci_status_name(found.status);

		row->id = lp_arena_str(arena, found.state.id);
		row->status = lp_arena_str(arena, status);
		row->bundle = lp_arena_str(arena, found.state.bundle);
		row->created = lp_arena_str(arena, found.state.created);
		row->owner = lp_arena_str(arena, found.state.owner);
		row->pid = shown_pid(&found);
		(void)lp_json_append(arena, list->json, lp_oci_state_document(arena, &found.state, row->status, row->pid, true));
		list->count++;
	}
	lp_oci_found_fini(&found);
	return 0;
}

static int
width_of(const struct list *list, size_t member, int least)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *text = *(char *const *)(const void *)((const char *)&list->rows[i] + member);
		const int len = (int)strlen(text);

		least = len > least ? len : least;
	}
	return least + 2;
}

static void
print_table(const struct list *list)
{
	const int id = width_of(list, offsetof(struct row, id), 10), status = width_of(list, offsetof(struct row, status), 9);
	const int bundle = width_of(list, offsetof(struct row, bundle), 9), created = width_of(list, offsetof(struct row, created), 9);

	(void)printf("%-*s%-12s%-*s%-*s%-*s%s\n", id, "ID", "PID", status, "STATUS", bundle, "BUNDLE", created, "CREATED", "OWNER");
	for (size_t i = 0; i < list->count; i++) {
		const struct row *row = &list->rows[i];

		(void)printf("%-*s%-12d%-*s%-*s%-*s%s\n", id, row->id, (int)row->pid, status, row->status, bundle, row->bundle, created,
		    row->created, row->owner);
	}
}

int
lp_oci_list_main(int argc, char **argv)
{
	static bool quiet;
	static const char *format = "table";
	static const struct lp_opt options[] = {
		{ "format", 'f', LP_OPT_STR, &format, "table|json", "how it is printed" },
		{ "quiet", 'q', LP_OPT_FLAG, &quiet, NULL, "names only" },
		{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
	};
	static const struct lp_oci_usage usage = { "", "Lists the containers below --root.", "list --format json", 0, 0, false };
	struct lp_oci_line line = { 0 };
	struct list *list;
	struct lp_err err = { 0 };
	int rc;

	if (!lp_oci_options(argc, argv, options, &usage, &line, &rc))
		return rc;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
		(void)lp_err_say(&err, -EINVAL, "invalid format option: %.20s", format);
		return lp_oci_fail(&err);
	}
	list = calloc(1, sizeof(*list));
	if (!list)
		return 1;
	lp_arena_init(&list->arena, LP_OCI_ARENA_MAX);
	list->json = lp_json_new(&list->arena, LP_JSON_ARRAY);
	rc = lp_oci_home_each(lp_oci_global.root, add_row, list, &err);
	for (size_t i = 0; rc == 0 && quiet && i < list->count; i++)
		(void)printf("%s\n", list->rows[i].id);
	if (rc == 0 && !quiet && strcmp(format, "json") == 0)
		rc = print_json(&list->arena, list->json, false, &err);
	else if (rc == 0 && !quiet)
		print_table(list);
	lp_arena_fini(&list->arena);
	free(list);
	return rc < 0 ? lp_oci_fail(&err) : 0;
}

/* ---- ps ---- */

static int
print_pids(struct lp_oci_found *found, const struct lp_oci_pids *pids, struct lp_err *err)
{
	struct lp_json *json = lp_json_new(&found->arena, LP_JSON_ARRAY);

	for (size_t i = 0; i < pids->count; i++)
		(void)lp_json_append(&found->arena, json, lp_json_new_int(&found->arena, pids->items[i]));
	return print_json(&found->arena, json, false, err);
}

/* ps of the host with the caller's options: its head line, and the lines whose PID column names one of ours. */
static int
filter_ps(FILE *in, const struct lp_oci_pids *pids, struct lp_err *err)
{
	char line[4096];
	int column = -1;

	while (fgets(line, sizeof(line), in)) {
		const char *word;
		uint64_t pid;
		size_t len;

		for (size_t i = 0; column < 0 && (word = lp_text_word(line, i, &len)); i++)
			if (len == 3 && strncmp(word, "PID", 3) == 0) {
				column = (int)i;
				(void)fputs(line, stdout);
			}
		if (column >= 0 && lp_text_word_u64(line, (size_t)column, INT32_MAX, &pid) == 0 && lp_oci_pids_has(pids, (pid_t)pid))
			(void)fputs(line, stdout);
	}
	return column < 0 ? lp_err_say(err, -EINVAL, "ps: couldn't find PID field in its output") : 0;
}

static int
foreign_ps(const char *const *words, int count, const struct lp_oci_pids *pids, struct lp_err *err)
{
	const char **args = calloc((size_t)count + 2, sizeof(*args));
	int pair[2], status = 0, rc;
	FILE *in;
	pid_t child;

	if (!args || pipe2(pair, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "ps");
	args[0] = "ps";
	memcpy(args + 1, words, (size_t)count * sizeof(*args));
	child = fork();
	if (child == 0) {
		if (dup2(pair[1], 1) >= 0)
			(void)execvp("ps", (char *const *)(uintptr_t)args);
		_exit(127);
	}
	(void)close(pair[1]);
	in = fdopen(pair[0], "r");
	rc = child < 0 || !in ? lp_err_set(err, -errno, "ps") : filter_ps(in, pids, err);
	if (in)
		(void)fclose(in);
	if (child > 0 && waitpid(child, &status, 0) == child && rc == 0 && status != 0)
		rc = lp_err_say(err, -EIO, "ps: failed");
	free(args);
	return rc;
}

static const char *ps_format = "table";

static int
ps(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	const bool json = strcmp(ps_format, "json") == 0;
	struct lp_oci_pids pids = { 0 };
	int rc;

	if (!json && strcmp(ps_format, "table") != 0)
		return lp_err_say(err, -EINVAL, "invalid format option: %.20s", ps_format);
	rc = lp_oci_pids_of(found, &pids, err);
	if (rc == 0 && json)
		rc = print_pids(found, &pids, err);
	else if (rc == 0 && line->count > 1)
		rc = foreign_ps(line->rest + 1, line->count - 1, &pids, err);
	else if (rc == 0)
		rc = lp_oci_pids_print(&pids, err);
	lp_oci_pids_fini(&pids);
	return rc;
}

int
lp_oci_ps_main(int argc, char **argv)
{
	static const struct lp_opt options[] = {
		{ "format", 'f', LP_OPT_STR, &ps_format, "table|json", "how they are printed" },
		{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
	};
	static const struct lp_oci_usage usage = { "CONTAINER [ps options]",
		"Lists the processes of a container by their numbers on the host. With options of ps(1), the host's ps is asked.", "ps -f json web",
		1, -1, true };

	return lp_oci_verb(argc, argv, options, &usage, false, ps);
}

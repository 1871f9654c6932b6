#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/oci/oci_features.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_verbs.h"

/* features and spec. */

static int
write_json(int fd, const struct lp_arena *arena, const struct lp_json *json, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 1 << 20);
	if (arena->failed || lp_json_write_pretty(&text, json, 4) < 0 || lp_buf_char(&text, '\n') < 0)
		return lp_err_set(err, -ENOMEM, "document");
	return lp_path_write_all(fd, text.data, text.len, err);
}

int
lp_oci_features_main(int argc, char **argv)
{
	static const struct lp_opt options[] = { { NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL } };
	static const struct lp_oci_usage usage = { "", "Prints the features document of the specification.", "features", 0, 0, false };
	lp_auto_arena struct lp_arena arena;
	struct lp_oci_line line = { 0 };
	struct lp_err err = { 0 };
	int rc;

	lp_arena_init(&arena, LP_OCI_ARENA_MAX);
	if (!lp_oci_options(argc, argv, options, &usage, &line, &rc))
		return rc;
	rc = write_json(1, &arena, lp_oci_features_document(&arena), &err);
	return rc < 0 ? lp_oci_fail(&err) : 0;
}

int
lp_oci_spec_main(int argc, char **argv)
{
	static bool rootless;
	static const char *bundle;
	static const struct lp_opt options[] = {
		{ "bundle", 'b', LP_OPT_STR, &bundle, "DIR", "where config.json is written (default: here)" },
		{ "rootless", 0, LP_OPT_FLAG, &rootless, NULL, "for the user that we are" },
		{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
	};
	static const struct lp_oci_usage usage = { "", "Writes a config.json that runs a shell from the directory rootfs.", "spec --rootless", 0, 0, false };
	lp_auto_arena struct lp_arena arena;
	struct lp_oci_line line = { 0 };
	lp_auto_fd int dir = -1, fd = -1;
	struct lp_err err = { 0 };
	int rc;

	lp_arena_init(&arena, LP_OCI_ARENA_MAX);
	if (!lp_oci_options(argc, argv, options, &usage, &line, &rc))
		return rc;
	rc = lp_path_root(bundle ? bundle : ".", false, &dir, &err);
	if (rc == 0) {
		fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			rc = errno == EEXIST ? lp_err_say(&err, -EEXIST, "File config.json exists. Remove it first") :
			    lp_err_set(&err, -errno, "write config.json");
	}
	if (rc == 0)
		rc = write_json(fd, &arena, lp_oci_features_spec(&arena, rootless, geteuid(), getegid()), &err);
	return rc < 0 ? lp_oci_fail(&err) : 0;
}

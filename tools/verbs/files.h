/*
 * tools/verbs/files.h - what -f names: a file, a folder of *.yaml *.yml *.json (in order of name), or - for standard input.
 *
 * Shape   every document becomes one object; a List becomes its items. Kind and apiVersion must be known, a name (or
 *         generateName) must be there
 * Errors  -EINVAL with the file's name in front
 */
#ifndef LP_TOOLS_VERBS_FILES_H
#define LP_TOOLS_VERBS_FILES_H

#include <stdbool.h>

#include "base/opts.h"
#include "specs/kind.h"
#include "tools/verbs/context.h"

struct lp_file_object {
	const char *source;		/* for messages */
	const struct lp_kind *kind;
	struct lp_json *object;
	const char *namespace;		/* where it goes; NULL for kinds without */
	const char *name;		/* "" with generateName */
};

struct lp_files {
	struct lp_file_object *items;	/* in the context's arena */
	size_t count, room;
};

/* Everything is read before anything is returned. Connects first: the default namespace is the kubeconfig's. */
int lp_files_read(struct lp_context *ctx, const struct lp_opt_list *names, struct lp_files *out);

#endif

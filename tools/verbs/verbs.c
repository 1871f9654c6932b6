#include "tools/verbs.h"

#include <stddef.h>

#include "tools/verbs/all.h"

const struct lp_verb lp_verbs[] = {
	{ "get",           "show objects",                                       lp_get_run },
	{ "apply",         "make the cluster hold what files say",               lp_apply_run },
	{ "create",        "make objects from files",                            lp_create_run },
	{ "delete",        "delete objects",                                     lp_delete_run },
	{ "wait",          "wait until objects are as they should be",           lp_wait_run },
	{ "image",         "images of this node: load, ls, rm",                  lp_image_run },
	{ NULL, NULL, NULL },
};

#include "tools/verbs.h"

#include <stddef.h>

#include "tools/verbs/all.h"

const struct lp_verb lp_verbs[] = {
	{ "get",           "show objects",                                       lp_get_run },
	{ "describe",      "show everything about an object, its events too",    lp_describe_run },
	{ "apply",         "make the cluster hold what files say",               lp_apply_run },
	{ "create",        "make objects from files",                            lp_create_run },
	{ "delete",        "delete objects",                                     lp_delete_run },
	{ "logs",          "what a container printed",                           lp_logs_run },
	{ "exec",          "run a command in a container",                       lp_command_exec },
	{ "run",           "run an image in a pod",                              lp_run_run },
	{ "expose",        "make a service for a pod or another service",        lp_expose_run },
	{ "label",         "set and remove labels",                              lp_label_run },
	{ "annotate",      "set and remove annotations",                         lp_label_annotate },
	{ "taint",         "set and remove taints of nodes",                     lp_taint_run },
	{ "cordon",        "let no new pods onto a node",                        lp_taint_cordon },
	{ "uncordon",      "let pods onto a node again",                         lp_taint_uncordon },
	{ "wait",          "wait until objects are as they should be",           lp_wait_run },
	{ "cluster-info",  "where the manager answers",                          lp_info_cluster },
	{ "version",       "this program's version and the manager's",           lp_info_version },
	{ "api-resources", "the kinds of objects there are",                     lp_info_resources },
	{ "token",         "join tokens: create, list, delete",                  lp_token_run },
	{ "image",         "images of this node: load, ls, rm",                  lp_image_run },
	{ "top",           "what nodes, pods and containers use right now",      lp_top_run },
	{ "node",          "the devices of the fleet: list, show",               lp_node_run },
	{ NULL, NULL, NULL },
};

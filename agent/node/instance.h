/*
 * agent/node/instance.h - the names and directories that keep several instances on one machine apart.
 *
 * Names   id: --instance, else "limpet" for the default data directory, else "limpet-" and 6 hex digits of the SHA-256 of its
 *         absolute path. Bridge "limpet0" or "lp<hex>", table = id, cgroup = id, run directory /run/<id>
 * Source  DESIGN.md section 12 "Processes"
 */
#ifndef LP_AGENT_INSTANCE_H
#define LP_AGENT_INSTANCE_H

#include <stdbool.h>

#include "base/err.h"

#define LP_INSTANCE_DATA "/var/lib/limpet"

struct lp_instance_config {
	const char *data_dir;		/* NULL: LP_INSTANCE_DATA */
	const char *run_dir;		/* NULL: derived */
	const char *instance;		/* NULL: derived */
	const char *bridge;		/* NULL: derived */
	const char *cgroup_root;	/* NULL: the cgroup v2 mount */
};

struct lp_instance {
	char id[24];
	char bridge[16];
	char table[32];
	char data_dir[512];		/* absolute */
	char run_dir[128];
	char cgroup_root[512];		/* "" = find it */
};

/* Makes the data directory when `create`. -ENOENT when it is not there. */
int lp_instance_init(struct lp_instance *out, const struct lp_instance_config *config, bool create, struct lp_err *err);

#endif

#include "agent/node/instance.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/digest.h"
#include "base/path.h"
#include "base/text.h"

static int
resolve(const char *dir, bool create, char *out, size_t size, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	lp_auto_free char *real = NULL;
	int rc = lp_path_root(dir, create, &fd, err);

	if (rc < 0)
		return rc;
	real = realpath(dir, NULL);
	if (!real)
		return lp_err_set(err, -errno, "resolve %s", dir);
	if (strlen(real) >= size)
		return lp_err_set(err, -ENAMETOOLONG, "data directory %s", real);
	memcpy(out, real, strlen(real) + 1);
	return 0;
}

int
lp_instance_init(struct lp_instance *out, const struct lp_instance_config *config, bool create, struct lp_err *err)
{
	const char *dir = config->data_dir ? config->data_dir : LP_INSTANCE_DATA;
	char hex[2 * LP_DIGEST_BYTES + 1];
	uint8_t digest[LP_DIGEST_BYTES];
	int rc;

	*out = (struct lp_instance){ .id = "limpet" };
	rc = resolve(dir, create, out->data_dir, sizeof(out->data_dir), err);
	if (rc < 0)
		return rc;
	lp_digest(out->data_dir, strlen(out->data_dir), digest);
	lp_text_hex(digest, sizeof(digest), hex);
	if (config->instance && (!lp_text_is_dns_label(config->instance) || strlen(config->instance) > 12))
		return lp_err_say(err, -EINVAL, "--instance %s: at most 12 lower case letters, digits and '-'", config->instance);
	if (config->instance)
		(void)snprintf(out->id, sizeof(out->id), "%s", config->instance);
	else if (strcmp(out->data_dir, LP_INSTANCE_DATA) != 0)
		(void)snprintf(out->id, sizeof(out->id), "limpet-%.6s", hex);

	if (config->bridge)
		(void)snprintf(out->bridge, sizeof(out->bridge), "%s", config->bridge);
	else if (strcmp(out->id, "limpet") == 0)
		(void)snprintf(out->bridge, sizeof(out->bridge), "limpet0");
	else if (config->instance)
		(void)snprintf(out->bridge, sizeof(out->bridge), "lp-%.12s", config->instance);
	else
		(void)snprintf(out->bridge, sizeof(out->bridge), "lp%.6s", hex);
	(void)snprintf(out->table, sizeof(out->table), "%s", out->id);
	if (config->run_dir)
		(void)snprintf(out->run_dir, sizeof(out->run_dir), "%s", config->run_dir);
	else
		(void)snprintf(out->run_dir, sizeof(out->run_dir), "/run/%s", out->id);
	if (config->cgroup_root)
		(void)snprintf(out->cgroup_root, sizeof(out->cgroup_root), "%s", config->cgroup_root);
	return 0;
}

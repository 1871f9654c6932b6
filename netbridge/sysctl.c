#include "netbridge/sysctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"

#define VALUE_MAX 64

static int
get(int root_fd, const char *path, int *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int64_t value;
	int rc;

	lp_buf_init(&text, VALUE_MAX);
	rc = lp_path_read(root_fd, path, &text, err);
	if (rc < 0)
		return rc;
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	rc = lp_text_i64(lp_buf_text(&text), INT_MIN, INT_MAX, &value);
	if (rc < 0)
		return lp_err_set(err, rc, "kernel setting net/%s", path);
	*out = (int)value;
	return 0;
}

int
lp_sysctl_get(const char *path, int *out, struct lp_err *err)
{
	lp_auto_fd int root = -1;
	int rc = lp_path_root("/proc/sys/net", false, &root, err);

	return rc < 0 ? rc : get(root, path, out, err);
}

int
lp_sysctl_set(const char *path, int value, struct lp_err *err)
{
	lp_auto_fd int root = -1;
	char text[16];
	int now, rc;

	rc = lp_path_root("/proc/sys/net", false, &root, err);
	if (rc < 0)
		return rc;
	rc = get(root, path, &now, err);
	if (rc < 0 || now == value)
		return rc;
	(void)snprintf(text, sizeof(text), "%d", value);
	rc = lp_path_put(root, path, text, err);
	return rc < 0 ? lp_err_wrap(err, "set kernel setting net/%s to %d", path, value) : 0;
}

int
lp_sysctl_set_link(const char *family, const char *link, const char *name, int value, struct lp_err *err)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/conf/%s/%s", family, link, name);
	return lp_sysctl_set(path, value, err);
}

#include "manager/request/access.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

/* What anybody may ask, proven or not. */
static const struct {
	const char *verb, *path;
} open_paths[] = {
	{ "get",  "/version" },
	{ "get",  "/healthz" },
	{ "get",  "/livez" },
	{ "get",  "/readyz" },
	{ "post", "/fleet/v1/join" },
};

/* What a node may ask; * is one more segment. */
static const struct {
	const char *verb, *path;
} node_paths[] = {
	{ "get",  "/fleet/v1/link" },
	{ "post", "/fleet/v1/report" },
	{ "post", "/fleet/v1/renew" },
	{ "post", "/fleet/v1/stream/*" },
};

bool
lp_access_in_group(const struct lp_user *user, const char *group)
{
	for (size_t i = 0; i < user->group_count; i++)
		if (strcmp(user->groups[i], group) == 0)
			return true;
	return false;
}

static bool
path_matches(const char *pattern, const char *path)
{
	size_t len = strlen(pattern);

	if (len > 1 && pattern[len - 1] == '*')
		return strncmp(path, pattern, len - 1) == 0 && path[len - 1] && !strchr(path + len - 1, '/');
	return strcmp(pattern, path) == 0;
}

static bool
is_open(const struct lp_asked *asked)
{
	for (size_t i = 0; i < lp_count(open_paths); i++)
		if (asked->path && strcmp(asked->verb, open_paths[i].verb) == 0 && path_matches(open_paths[i].path, asked->path))
			return true;
	return false;
}

/* A node reads itself and the pods bound to it; the rest comes down its link. */
static bool
node_may(const struct lp_user *user, const struct lp_asked *asked)
{
	for (size_t i = 0; i < lp_count(node_paths); i++)
		if (asked->path && strcmp(asked->verb, node_paths[i].verb) == 0 && path_matches(node_paths[i].path, asked->path))
			return true;
	if (!asked->resource || strcmp(asked->verb, "get") != 0 || (asked->group && *asked->group) || !asked->name)
		return false;
	if (strcmp(asked->resource, "nodes") == 0)
		return strcmp(asked->name, user->node) == 0;
	return strcmp(asked->resource, "pods") == 0 && (!asked->subresource || !*asked->subresource ||
	    strcmp(asked->subresource, "status") == 0) && asked->object_node && strcmp(asked->object_node, user->node) == 0;
}

static int
refuse(const struct lp_user *user, const struct lp_asked *asked, struct lp_err *err)
{
	bool group = asked->group && *asked->group;

	if (asked->path)
		return lp_err_say(err, -EPERM, "forbidden: User \"%s\" cannot %s path \"%s\"", user->name, asked->verb, asked->path);
	return lp_err_say(err, -EPERM, "%s%s%s%s%s%s is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\"%s%s%s",
	    asked->resource, group ? "." : "", group ? asked->group : "", asked->name ? " \"" : "", asked->name ? asked->name : "",
	    asked->name ? "\"" : "", user->name, asked->verb, asked->resource,
	    asked->subresource && *asked->subresource ? "/" : "", asked->subresource ? asked->subresource : "",
	    group ? asked->group : "", asked->namespace ? " in the namespace \"" : " at the cluster scope",
	    asked->namespace ? asked->namespace : "", asked->namespace ? "\"" : "");
}

int
lp_access_check(const struct lp_user *user, const struct lp_asked *asked, struct lp_err *err)
{
	if (is_open(asked) || lp_access_in_group(user, "system:masters"))
		return 0;
	if (strcmp(user->name, "system:anonymous") == 0)
		return lp_err_say(err, -EACCES, "Unauthorized");
	if (user->node && node_may(user, asked))
		return 0;
	return refuse(user, asked, err);
}

#include <errno.h>
#include <string.h>

#include "manager/request/access.h"
#include "tests/harness.h"

static const struct lp_user admin = { .name = "admin", .groups = { "system:masters" }, .group_count = 1 };
static const struct lp_user jane = { .name = "jane", .groups = { "dev" }, .group_count = 1 };
static const struct lp_user nobody = { .name = "system:anonymous" };
static const struct lp_user node = { .name = "system:node:n1", .groups = { "system:nodes" }, .group_count = 1, .node = "n1" };

static int
path(const struct lp_user *user, const char *verb, const char *what)
{
	struct lp_asked asked = { .verb = verb, .path = what };

	return lp_access_check(user, &asked, NULL);
}

static int
resource(const struct lp_user *user, const char *verb, const char *what, const char *name, const char *sub, const char *on)
{
	struct lp_asked asked = { .verb = verb, .group = "", .resource = what, .namespace = "default", .name = name, .subresource = sub,
		.object_node = on };

	return lp_access_check(user, &asked, NULL);
}

TEST(masters_may_everything)
{
	CHECK_INT(resource(&admin, "delete", "pods", "a", NULL, NULL), 0);
	CHECK_INT(path(&admin, "get", "/fleet/v1/tokens"), 0);
}

TEST(anybody_may_ask_how_we_are_and_join)
{
	CHECK_INT(path(&nobody, "get", "/version"), 0);
	CHECK_INT(path(&nobody, "get", "/healthz"), 0);
	CHECK_INT(path(&nobody, "get", "/livez"), 0);
	CHECK_INT(path(&nobody, "get", "/readyz"), 0);
	CHECK_INT(path(&nobody, "post", "/fleet/v1/join"), 0);
	CHECK_ERR(path(&nobody, "get", "/fleet/v1/join"), -EACCES);
	CHECK_ERR(path(&nobody, "get", "/versions"), -EACCES);
	CHECK_ERR(path(&nobody, "get", "/api"), -EACCES);
	CHECK_ERR(path(&nobody, "get", "/fleet/v1/link"), -EACCES);
	CHECK_ERR(resource(&nobody, "list", "pods", NULL, NULL, NULL), -EACCES);
}

TEST(a_node_has_its_own_doors_and_no_other)
{
	CHECK_INT(path(&node, "get", "/fleet/v1/link"), 0);
	CHECK_INT(path(&node, "post", "/fleet/v1/report"), 0);
	CHECK_INT(path(&node, "post", "/fleet/v1/renew"), 0);
	CHECK_INT(path(&node, "post", "/fleet/v1/stream/abc"), 0);
	CHECK_ERR(path(&node, "post", "/fleet/v1/stream/"), -EPERM);
	CHECK_ERR(path(&node, "post", "/fleet/v1/stream/a/b"), -EPERM);
	CHECK_ERR(path(&node, "post", "/fleet/v1/tokens"), -EPERM);
	CHECK_ERR(path(&node, "get", "/apis"), -EPERM);
}

TEST(a_node_reads_itself_and_the_pods_on_it)
{
	CHECK_INT(resource(&node, "get", "nodes", "n1", NULL, NULL), 0);
	CHECK_ERR(resource(&node, "get", "nodes", "n2", NULL, NULL), -EPERM);
	CHECK_ERR(resource(&node, "update", "nodes", "n1", NULL, NULL), -EPERM);
	CHECK_ERR(resource(&node, "list", "nodes", NULL, NULL, NULL), -EPERM);
	CHECK_INT(resource(&node, "get", "pods", "a", NULL, "n1"), 0);
	CHECK_INT(resource(&node, "get", "pods", "a", "status", "n1"), 0);
	CHECK_ERR(resource(&node, "get", "pods", "a", "log", "n1"), -EPERM);
	CHECK_ERR(resource(&node, "get", "pods", "a", NULL, "n2"), -EPERM);
	CHECK_ERR(resource(&node, "get", "pods", "a", NULL, NULL), -EPERM);
	CHECK_ERR(resource(&node, "patch", "pods", "a", "status", "n1"), -EPERM);
	CHECK_ERR(resource(&node, "get", "secrets", "n1", NULL, NULL), -EPERM);
}

TEST(a_refusal_names_who_what_and_where)
{
	struct lp_asked cluster = { .verb = "list", .group = "", .resource = "nodes" };
	struct lp_asked sub = { .verb = "create", .group = "apps", .resource = "deployments", .subresource = "scale", .namespace = "x",
		.name = "web" };
	struct lp_asked other = { .verb = "get", .path = "/metrics" };
	struct lp_err err;

	CHECK_ERR(lp_access_check(&jane, &cluster, &err), -EPERM);
	CHECK_STR(err.text, "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope");
	CHECK_ERR(lp_access_check(&jane, &sub, &err), -EPERM);
	CHECK_STR(err.text, "deployments.apps \"web\" is forbidden: User \"jane\" cannot create resource \"deployments/scale\" in API group "
	    "\"apps\" in the namespace \"x\"");
	CHECK_ERR(lp_access_check(&jane, &other, &err), -EPERM);
	CHECK_STR(err.text, "forbidden: User \"jane\" cannot get path \"/metrics\"");
}

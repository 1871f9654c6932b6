#include "tools/verbs/resource.h"

#include <errno.h>
#include <string.h>

#include "tests/harness.h"

static struct lp_arena arena;
static struct lp_err err;
static struct lp_resources found;

static int
parse(const char *const *words, int count, const struct lp_kind *fallback)
{
	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 20);
	return lp_resource_parse(&arena, words, count, fallback, &found, &err);
}

TEST(words_become_kinds_and_names)
{
	CHECK_OK(parse((const char *[]){ "po" }, 1, NULL), &err);
	CHECK_INT(found.count, 1);
	CHECK_STR(found.items[0].kind->plural, "pods");
	CHECK(found.items[0].name == NULL && !found.several_kinds);
	CHECK_OK(parse((const char *[]){ "pod", "a", "b" }, 3, NULL), &err);
	CHECK_INT(found.count, 2);
	CHECK_STR(found.items[1].name, "b");
	CHECK_OK(parse((const char *[]){ "pods,svc" }, 1, NULL), &err);
	CHECK(found.several_kinds && found.count == 2);
	CHECK_OK(parse((const char *[]){ "pod/a", "service/b" }, 2, NULL), &err);
	CHECK_STR(found.items[1].kind->kind, "Service");
	CHECK_STR(found.items[1].name, "b");
	CHECK_OK(parse((const char *[]){ "all" }, 1, NULL), &err);
	CHECK(found.count >= 2 && found.several_kinds);
	CHECK_OK(parse((const char *[]){ "web" }, 1, lp_kind_find("v1", "Pod")), &err);
	CHECK_STR(found.items[0].name, "web");
	lp_arena_fini(&arena);
}

TEST(wrong_words_are_refused_in_kubectls_words)
{
	CHECK_ERR(parse((const char *[]){ "pods", "x" }, 0, NULL), -EINVAL);
	CHECK_ERR(parse((const char *[]){ "nopes" }, 1, NULL), -EINVAL);
	CHECK_STR(err.text, "the server doesn't have a resource type \"nopes\"");
	CHECK_ERR(parse((const char *[]){ "pod/a", "b" }, 2, NULL), -EINVAL);
	CHECK_ERR(parse((const char *[]){ "pod/" }, 1, NULL), -EINVAL);
	CHECK_ERR(parse((const char *[]){ "pod/a/b" }, 1, NULL), -EINVAL);
	lp_arena_fini(&arena);
}

TEST(paths_are_escaped)
{
	const struct lp_kind *pods = lp_kind_find("v1", "Pod"), *slices = lp_kind_find("discovery.k8s.io/v1", "EndpointSlice");

	lp_arena_init(&arena, 1 << 20);
	CHECK_STR(lp_resource_path(&arena, pods, "default", "a", "log", "x=1"), "/api/v1/namespaces/default/pods/a/log?x=1");
	CHECK_STR(lp_resource_path(&arena, pods, NULL, NULL, NULL, NULL), "/api/v1/pods");
	CHECK_STR(lp_resource_path(&arena, slices, "n", NULL, NULL, NULL), "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices");
	CHECK_STR(lp_resource_path(&arena, pods, "..", "a/../b?c", NULL, NULL), "/api/v1/namespaces/../pods/a%2F..%2Fb%3Fc");
	CHECK_STR(lp_resource_query(&arena, "a=b", "labelSelector", "x=y,z in (a)"), "a=b&labelSelector=x%3Dy%2Cz%20in%20%28a%29");
	CHECK_STR(lp_resource_title(&arena, pods, "a"), "pod/a");
	CHECK_STR(lp_resource_title(&arena, slices, "a"), "endpointslice.discovery.k8s.io/a");
	lp_arena_fini(&arena);
}

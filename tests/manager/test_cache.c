#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manager/store/cache.h"
#include "specs/object.h"
#include "tests/harness.h"

static const struct lp_kind *
pods(void)
{
	return lp_kind_find("v1", "Pod");
}

static struct lp_cached *
pod(const char *namespace, const char *name, const char *node, const char *owner, int64_t revision)
{
	struct lp_cached *object;
	struct lp_err err;
	char text[512];
	int len = snprintf(text, sizeof(text), "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\","
	    "\"uid\":\"u-%s\"%s%s%s},\"spec\":{%s%s%s}}", name, namespace, name, owner ? ",\"ownerReferences\":[{\"uid\":\"" : "",
	    owner ? owner : "", owner ? "\"}]" : "", node ? "\"nodeName\":\"" : "", node ? node : "", node ? "\"" : "");

	CHECK_OK(lp_cached_new(pods(), text, (size_t)len, revision, &object, &err), &err);
	return object;
}

static struct lp_cache *
cache_with(size_t bytes, size_t count)
{
	struct lp_cache *cache;
	struct lp_err err;

	CHECK_OK(lp_cache_new(bytes, count, &cache, &err), &err);
	return cache;
}

static void
put(struct lp_cache *cache, struct lp_cached *object)
{
	struct lp_err err;

	CHECK_OK(lp_cache_put(cache, object, &err), &err);
	lp_cached_unref(object);
}

TEST(the_text_carries_the_version_it_was_stored_under)
{
	struct lp_cached *object = pod("default", "a", "n1", NULL, 42);
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 4096);
	CHECK_STR(lp_object_resource_version(lp_cached_json(object)), "42");
	CHECK_HAS(object->text, "\"metadata\":{\"resourceVersion\":\"42\",\"name\":\"a\"");
	CHECK_STR(object->node, "n1");
	CHECK_STR(object->uid, "u-a");
	lp_cached_print_as(object, 1000, &text);
	CHECK_HAS(text.data, "\"resourceVersion\":\"1000\",\"name\":\"a\"");
	CHECK_INT(text.len, object->len + 2);
	lp_cached_forget_json(object);
	CHECK_STR(lp_object_name(lp_cached_json(object)), "a");
	lp_cached_unref(object);
}

TEST(metadata_that_only_looks_like_it_is_not_taken_for_it)
{
	static const char tricky[] = "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"m\"},"
	    "\"data\":{\"x\":\"\\\"metadata\\\":{\",\"metadata\":\"{\"}}";
	struct lp_cached *object;
	struct lp_err err;

	CHECK_OK(lp_cached_new(lp_kind_find("v1", "ConfigMap"), tricky, sizeof(tricky) - 1, 7, &object, &err), &err);
	CHECK_STR(lp_object_resource_version(lp_cached_json(object)), "7");
	CHECK_STR(lp_json_str(lp_cached_json(object), "data.metadata"), "{");
	lp_cached_unref(object);
	CHECK_ERR(lp_cached_new(pods(), "{\"kind\":\"Pod\"}", 14, 7, &object, &err), -EINVAL);
}

TEST(printing_puts_kind_first_and_leaves_the_version_out)
{
	static const char text[] = "{\"spec\":{},\"metadata\":{\"resourceVersion\":\"3\",\"name\":\"a\"},\"apiVersion\":\"v1\",\"kind\":\"Pod\"}";
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf out;
	struct lp_json *json;
	struct lp_err err;

	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&out, 4096);
	CHECK_OK(lp_json_parse(&arena, text, sizeof(text) - 1, NULL, &json, &err), &err);
	CHECK_OK(lp_cached_print(&arena, json, &out, &err), &err);
	CHECK_STR(out.data, "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"},\"spec\":{}}");
	CHECK_STR(lp_json_str(json, "kind"), "Pod");
}

TEST(objects_stand_in_order_and_namespaces_are_ranges)
{
	struct lp_cache *cache = cache_with(1 << 20, 100);
	struct lp_cached *const *list;
	size_t count;

	put(cache, pod("b", "x", NULL, NULL, 1));
	put(cache, pod("a", "z", NULL, NULL, 2));
	put(cache, pod("b", "a", NULL, NULL, 3));
	put(cache, pod("ab", "m", NULL, NULL, 4));
	list = lp_cache_list(cache, pods(), NULL, &count);
	CHECK_INT(count, 4);
	CHECK_STR(list[0]->name, "z");
	CHECK_STR(list[1]->name, "m");
	CHECK_STR(list[2]->name, "a");
	CHECK_STR(list[3]->name, "x");
	list = lp_cache_list(cache, pods(), "b", &count);
	CHECK_INT(count, 2);
	CHECK_STR(list[0]->name, "a");
	CHECK(lp_cache_find(cache, pods(), "ab", "m") != NULL);
	CHECK(lp_cache_find(cache, pods(), "a", "m") == NULL);
	(void)lp_cache_list(cache, pods(), "none", &count);
	CHECK_INT(count, 0);
	CHECK_INT(lp_cache_revision(cache), 4);
	lp_cache_free(cache);
}

TEST(indexes_follow_every_change)
{
	struct lp_cache *cache = cache_with(1 << 20, 100);
	size_t count;

	put(cache, pod("a", "x", NULL, "owner", 1));
	(void)lp_cache_indexed(cache, LP_CACHE_BY_NODE, "n1", &count);
	CHECK_INT(count, 0);
	put(cache, pod("a", "x", "n1", "owner", 2));
	put(cache, pod("a", "y", "n1", NULL, 3));
	CHECK_STR(lp_cache_indexed(cache, LP_CACHE_BY_NODE, "n1", &count)[0]->name, "x");
	CHECK_INT(count, 2);
	(void)lp_cache_indexed(cache, LP_CACHE_BY_OWNER, "owner", &count);
	CHECK_INT(count, 1);
	lp_cache_remove(cache, pods(), "a", "x", 4);
	(void)lp_cache_indexed(cache, LP_CACHE_BY_NODE, "n1", &count);
	CHECK_INT(count, 1);
	(void)lp_cache_indexed(cache, LP_CACHE_BY_OWNER, "owner", &count);
	CHECK_INT(count, 0);
	lp_cache_free(cache);
}

TEST(history_tells_what_came_after_until_it_is_too_long)
{
	struct lp_cache *cache = cache_with(1 << 20, 3);
	const struct lp_cache_event *event;

	for (int i = 1; i <= 5; i++)
		put(cache, pod("a", "x", NULL, NULL, i));
	CHECK_INT(lp_cache_history_floor(cache), 2);
	event = lp_cache_after(cache, 2);
	CHECK_INT(event->revision, 3);
	CHECK_INT(event->old->revision, 2);
	CHECK_INT(event->new->revision, 3);
	CHECK_INT(lp_cache_after(cache, 4)->revision, 5);
	CHECK(lp_cache_after(cache, 5) == NULL);
	lp_cache_remove(cache, pods(), "a", "x", 6);
	event = lp_cache_after(cache, 5);
	CHECK(event->new == NULL);
	CHECK_INT(event->old->revision, 5);
	lp_cache_free(cache);
}

TEST(history_is_bounded_in_bytes_too)
{
	struct lp_cache *cache = cache_with(300, 100);

	for (int i = 1; i <= 20; i++)
		put(cache, pod("a", "x", NULL, NULL, i));
	CHECK(lp_cache_history_floor(cache) >= 16);
	CHECK(lp_cache_after(cache, 19) != NULL);
	lp_cache_free(cache);
}

struct watcher {
	struct lp_cache_observer observer;
	int64_t last;
	int count;
};

static void
noted(struct lp_cache_observer *observer, const struct lp_cache_event *event)
{
	struct watcher *watcher = (struct watcher *)(void *)observer;

	CHECK(event->revision > watcher->last);
	watcher->last = event->revision;
	watcher->count++;
}

TEST(observers_hear_each_change_once_and_in_order)
{
	struct lp_cache *cache = cache_with(1 << 20, 10);
	struct watcher watcher = { .observer = { .changed = noted } };

	lp_cache_observe(cache, &watcher.observer);
	put(cache, pod("a", "x", NULL, NULL, 1));
	put(cache, pod("a", "x", NULL, NULL, 2));
	lp_cache_remove(cache, pods(), "a", "x", 3);
	lp_cache_remove(cache, pods(), "a", "x", 4);
	CHECK_INT(watcher.count, 3);
	lp_cache_unobserve(&watcher.observer);
	put(cache, pod("a", "x", NULL, NULL, 5));
	CHECK_INT(watcher.count, 3);
	lp_cache_free(cache);
}

TEST(keys_go_there_and_back)
{
	lp_auto_arena struct lp_arena arena;
	const char *namespace, *name;

	lp_arena_init(&arena, 4096);
	CHECK_STR(lp_cache_key(&arena, pods(), "default", "a"), "core/pods/default/a");
	CHECK_STR(lp_cache_key(&arena, lp_kind_find("v1", "Node"), "", "n1"), "core/nodes//n1");
	CHECK(lp_cache_key_kind(&arena, "core/nodes//n1", &namespace, &name) == lp_kind_find("v1", "Node"));
	CHECK_STR(namespace, "");
	CHECK_STR(name, "n1");
	CHECK(lp_cache_key_kind(&arena, "discovery.k8s.io/endpointslices/d/x", &namespace, &name) ==
	    lp_kind_find("discovery.k8s.io/v1", "EndpointSlice"));
	CHECK(lp_cache_key_kind(&arena, "nonsense", &namespace, &name) == NULL);
	CHECK(lp_cache_key_kind(&arena, "core/nonsense/a/b", &namespace, &name) == NULL);
}

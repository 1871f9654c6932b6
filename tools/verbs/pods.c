#include "tools/verbs/pods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/resource.h"

#define DEFAULT_CONTAINER "kubectl.kubernetes.io/default-container"

int
lp_pods_find(struct lp_context *ctx, const char *word, struct lp_json **out)
{
	const struct lp_kind *pods = lp_kind_find("v1", "Pod");
	struct lp_resources found;
	int rc = lp_resource_parse(&ctx->arena, &word, 1, pods, &found, &ctx->err);

	if (rc < 0)
		return rc;
	if (found.items[0].kind != pods)
		return lp_context_fail(ctx, -EINVAL, "%s is not a pod", word);
	rc = lp_context_connect(ctx);
	if (rc < 0)
		return rc;
	return lp_context_get(ctx, lp_resource_path(&ctx->arena, pods, ctx->namespace, found.items[0].name, NULL, NULL), out);
}

static const char *const lists[] = { "spec.containers", "spec.initContainers", "spec.ephemeralContainers" };

static bool
has_container(const struct lp_json *pod, const char *name)
{
	for (size_t i = 0; i < lp_count(lists); i++)
		lp_json_each(container, lp_json_path(pod, lists[i]))
			if (lp_text_same(lp_json_str(container, "name"), name))
				return true;
	return false;
}

static const char *
all_names(struct lp_arena *arena, const struct lp_json *pod)
{
	const char *text = "";

	for (size_t i = 0; i < lp_count(lists); i++)
		lp_json_each(container, lp_json_path(pod, lists[i]))
			text = lp_arena_printf(arena, "%s%s%s%s", text, *text ? ", " : "", lp_json_str(container, "name") ?: "",
			    i == 1 ? " (init)" : i == 2 ? " (ephem)" : "");
	return text;
}

int
lp_pods_container(struct lp_context *ctx, const struct lp_json *pod, const char *name, const char **out)
{
	const char *preset = lp_object_annotation(pod, DEFAULT_CONTAINER);

	if (!name && preset && has_container(pod, preset))
		name = preset;
	if (!name) {
		name = lp_json_str(lp_json_index(lp_json_path(pod, "spec.containers"), 0), "name");
		if (lp_json_count(lp_json_path(pod, "spec.containers")) > 1 || lp_json_first(lp_json_path(pod, "spec.initContainers")))
			(void)fprintf(stderr, "Defaulted container \"%s\" out of: %s\n", name ? name : "", all_names(&ctx->arena, pod));
	}
	if (!name || !has_container(pod, name))
		return lp_context_fail(ctx, -EINVAL, "container %s not found in pod %s (there are: %s)", name ? name : "", lp_object_name(pod),
		    all_names(&ctx->arena, pod));
	*out = name;
	return 0;
}

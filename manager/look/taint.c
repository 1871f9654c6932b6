#include "manager/look/taint.h"

#include <string.h>

#include "base/text.h"

static bool
is_set(const char *text)
{
	return text && *text;
}

static bool
matches(const struct lp_json *toleration, const struct lp_json *taint)
{
	const char *key = lp_json_str(toleration, "key"), *effect = lp_json_str(toleration, "effect");
	const char *value = lp_json_str(toleration, "value"), *of = lp_json_str(taint, "value");

	if (is_set(effect) && !lp_text_same(effect, lp_json_str(taint, "effect")))
		return false;
	if (is_set(key) && !lp_text_same(key, lp_json_str(taint, "key")))
		return false;
	if (lp_text_same(lp_json_str(toleration, "operator"), "Exists"))
		return true;
	return is_set(key) && strcmp(value ? value : "", of ? of : "") == 0;
}

int64_t
lp_taint_borne_s(const struct lp_json *pod, const struct lp_json *taint)
{
	int64_t borne = 0, seconds;
	bool any = false;

	lp_json_each(toleration, lp_json_path(pod, "spec.tolerations")) {
		if (!matches(toleration, taint))
			continue;
		seconds = lp_json_int(toleration, "tolerationSeconds", INT64_MAX);
		if (seconds < 0)
			seconds = 0;
		borne = any && borne < seconds ? borne : seconds;
		any = true;
	}
	return borne;
}

bool
lp_taint_tolerated(const struct lp_json *pod, const struct lp_json *taint)
{
	lp_json_each(toleration, lp_json_path(pod, "spec.tolerations"))
		if (matches(toleration, taint))
			return true;
	return false;
}

const struct lp_json *
lp_taint_first(const struct lp_json *node, const struct lp_json *pod)
{
	lp_json_each(taint, lp_json_path(node, "spec.taints")) {
		const char *effect = lp_json_str(taint, "effect");

		if ((lp_text_same(effect, "NoSchedule") || lp_text_same(effect, "NoExecute")) &&
		    !lp_taint_tolerated(pod, taint))
			return taint;
	}
	return NULL;
}

bool
lp_taint_has(const struct lp_json *node, const char *key, const char *effect)
{
	lp_json_each(taint, lp_json_path(node, "spec.taints"))
		if (lp_text_same(lp_json_str(taint, "key"), key) && lp_text_same(lp_json_str(taint, "effect"), effect))
			return true;
	return false;
}

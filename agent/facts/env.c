#include "agent/facts/env.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"

enum { EXPANDED_MAX = 1 << 20, VARS_MAX = 4096, SKIPPED_MAX = 8192 };

static const char *
get(const struct lp_env *env, size_t from, const char *name, size_t len)
{
	for (size_t i = env->count; i > from; i--)
		if (strlen(env->vars[i - 1].name) == len && strncmp(env->vars[i - 1].name, name, len) == 0)
			return env->vars[i - 1].value;
	return NULL;
}

static int
set(struct lp_env *env, const char *name, const char *value, struct lp_err *err)
{
	if (!name || !value)
		return lp_err_set(err, -ENOMEM, "environment");
	for (size_t i = env->spec_from; i < env->count; i++) {
		if (strcmp(env->vars[i].name, name) == 0) {
			env->vars[i].value = value;
			return 0;
		}
	}
	if (env->count == VARS_MAX)
		return lp_err_say(err, -E2BIG, "environment: more than %d variables", VARS_MAX);
	if (env->count == env->size) {
		size_t size = env->size ? env->size * 2 : 32;
		struct lp_env_var *vars = lp_arena_alloc(env->arena, size * sizeof(*vars));

		if (!vars)
			return lp_err_set(err, -ENOMEM, "environment");
		if (env->count)
			memcpy(vars, env->vars, env->count * sizeof(*vars));
		env->vars = vars;
		env->size = size;
	}
	env->vars[env->count++] = (struct lp_env_var){ .name = name, .value = value };
	return 0;
}

const char *
lp_env_expand(const struct lp_env *env, const char *text)
{
	lp_auto_buf struct lp_buf out = { 0 };

	lp_buf_init(&out, EXPANDED_MAX);
	for (; *text; text++) {
		const char *close = text[0] == '$' && text[1] == '(' ? strchr(text, ')') : NULL;
		const char *value = close ? get(env, env->spec_from, text + 2, (size_t)(close - text) - 2) : NULL;

		if (text[0] == '$' && text[1] == '$') {
			(void)lp_buf_char(&out, '$');	/* failure is sticky and read at the end */
			text++;
		} else if (value) {
			(void)lp_buf_str(&out, value);
			text = close;
		} else {
			(void)lp_buf_char(&out, *text);
		}
	}
	return out.failed ? NULL : lp_arena_str(env->arena, lp_buf_text(&out));
}

int
lp_env_expand_all(const struct lp_env *env, const char *text, const char **out, struct lp_err *err)
{
	for (const char *at = strchr(text, '$'); at; at = strchr(at, '$')) {
		const char *close = at[1] == '(' ? strchr(at, ')') : NULL;

		if (close && !get(env, env->spec_from, at + 2, (size_t)(close - at) - 2))
			return lp_err_say(err, -EINVAL, "missing value for \"%.*s\"", (int)(close - at) - 2, at + 2);
		at += at[1] == '$' ? 2 : 1;
	}
	*out = lp_env_expand(env, text);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "environment");
}

/* ---- fieldRef and resourceFieldRef */

/* "metadata.labels['app']" -> the key, when `path` is of that form for `map`. */
static bool
subscript(const char *path, const char *map, char *key, size_t size)
{
	size_t len = strlen(map);
	const char *end;

	if (strncmp(path, map, len) != 0 || path[len] != '[' || (path[len + 1] != '\'' && path[len + 1] != '"'))
		return false;
	end = strchr(path + len + 2, path[len + 1]);
	if (!end || strcmp(end + 1, "]") != 0 || (size_t)(end - path) - len - 2 >= size)
		return false;
	memcpy(key, path + len + 2, (size_t)(end - path) - len - 2);
	key[(size_t)(end - path) - len - 2] = '\0';
	return true;
}

/* labels or annotations as a file: key="escaped value", a line each. */
static const char *
map_lines(struct lp_arena *arena, const struct lp_json *map)
{
	lp_auto_buf struct lp_buf out = { 0 };

	lp_buf_init(&out, EXPANDED_MAX);
	lp_json_each(pair, map) {
		(void)lp_buf_printf(&out, "%s%s=", out.len ? "\n" : "", pair->key);
		(void)lp_json_write_string(&out, lp_json_text(pair) ? lp_json_text(pair) : "", pair->len);
	}
	return out.failed ? NULL : lp_arena_str(arena, lp_buf_text(&out));
}

int
lp_env_field(struct lp_arena *arena, const struct lp_json *pod, const char *path, const struct lp_facts *facts, const char **out,
    struct lp_err *err)
{
	char key[320];
	const char *value = NULL;

	if (strcmp(path, "metadata.name") == 0 || strcmp(path, "metadata.namespace") == 0 || strcmp(path, "metadata.uid") == 0 ||
	    strcmp(path, "spec.serviceAccountName") == 0)
		value = lp_json_str(pod, path);
	else if (strcmp(path, "spec.nodeName") == 0)
		value = facts->node_name;
	else if (strcmp(path, "status.hostIP") == 0 || strcmp(path, "status.hostIPs") == 0)
		value = facts->node_ip;
	else if (strcmp(path, "status.podIP") == 0 || strcmp(path, "status.podIPs") == 0)
		value = facts->pod_ip ? facts->pod_ip : facts->node_ip;
	else if (strcmp(path, "metadata.labels") == 0 || strcmp(path, "metadata.annotations") == 0)
		value = map_lines(arena, lp_json_path(pod, path));
	else if (subscript(path, "metadata.labels", key, sizeof(key)))
		value = lp_object_label(pod, key);
	else if (subscript(path, "metadata.annotations", key, sizeof(key)))
		value = lp_object_annotation(pod, key);
	else
		return lp_err_say(err, -EINVAL, "unsupported fieldPath: %s", path);
	*out = value ? value : "";
	return 0;
}

int
lp_env_resource(struct lp_arena *arena, const struct lp_spec_container *container, const char *resource, const char *divisor,
    const struct lp_facts *facts, const char **out, struct lp_err *err)
{
	const char *dot = resource ? strchr(resource, '.') : NULL, *name = dot ? dot + 1 : "";
	const struct lp_spec_resource_requirements *resources = container->resources;
	bool cpu = strcmp(name, "cpu") == 0, limits = lp_text_starts(resource, "limits."), requests = lp_text_starts(resource, "requests.");
	const char *text = NULL;
	int64_t value, unit = 1, whole = 0;
	bool known = true;

	if (strcmp(name, "memory") == 0)
		whole = facts->memory_bytes;
	else if (strcmp(name, "ephemeral-storage") == 0)
		whole = facts->storage_bytes;
	else if (!lp_text_starts(name, "hugepages-"))
		known = cpu;
	if ((!limits && !requests) || !known)
		return lp_err_say(err, -EINVAL, "unsupported container resource: %s", resource ? resource : "");
	if (resources)
		text = lp_kinds_map_get(limits ? &resources->limits : &resources->requests, name);
	/* Without a limit it is what the node has, as the kubelet does. */
	if (cpu) {
		int64_t milli = lp_quantity_text_milli(text, limits ? facts->cpu_milli : 0);
		int64_t per = divisor && strcmp(divisor, "0") != 0 ? lp_quantity_text_milli(divisor, 1000) : 1000;

		value = per > 0 ? (milli + per - 1) / per : milli;
	} else {
		value = lp_quantity_text_value(text, limits ? whole : 0);
		if (divisor && strcmp(divisor, "0") != 0)
			unit = lp_quantity_text_value(divisor, 1);
		value = unit > 0 ? (value + unit - 1) / unit : value;
	}
	*out = lp_arena_printf(arena, "%lld", (long long)value);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "environment");
}

/* ---- ConfigMaps and Secrets */

/* The value of a key as text: ConfigMap data as it is, Secret data decoded. NULL when the key is missing. */
static const char *
data_value(struct lp_arena *arena, const struct lp_json *object, bool secret, const char *key)
{
	const char *text = lp_json_text(lp_json_get(lp_json_get(object, "data"), key));
	lp_auto_buf struct lp_buf plain = { 0 };

	if (!text || !secret)
		return text;
	lp_buf_init(&plain, EXPANDED_MAX);
	if (lp_text_base64_decode(&plain, text, strlen(text)) < 0)
		return NULL;
	return lp_arena_mem(arena, lp_buf_text(&plain), plain.len);
}

static int
from_key(struct lp_env *env, const struct lp_json *pod, bool secret, const char *name, const char *key, bool optional,
    const char **out, const struct lp_facts *facts, struct lp_err *err)
{
	const char *kind = secret ? "Secret" : "ConfigMap", *namespace = lp_object_namespace(pod);
	const struct lp_json *object = facts->object(facts->arg, kind, namespace, name ? name : "");

	*out = object ? data_value(env->arena, object, secret, key ? key : "") : NULL;
	if (*out || optional)
		return 0;
	if (!object)
		return lp_err_say(err, -ENOENT, "%s \"%s\" not found", secret ? "secret" : "configmap", name ? name : "");
	return lp_err_say(err, -ENOENT, "couldn't find key %s in %s %s/%s", key ? key : "", kind, namespace, name);
}

static bool
valid_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (*c == '=' || (unsigned char)*c <= ' ' || *c == 127)
			return false;
	return *name != '\0';
}

static int
add_all(struct lp_env *env, const struct lp_json *pod, bool secret, const char *name, bool optional, const char *prefix,
    const struct lp_facts *facts, struct lp_err *err)
{
	const struct lp_json *object =
	    facts->object(facts->arg, secret ? "Secret" : "ConfigMap", lp_object_namespace(pod), name ? name : "");
	lp_auto_buf struct lp_buf skipped = { 0 };

	lp_buf_init(&skipped, SKIPPED_MAX);
	if (!object)
		return optional ? 0
				: lp_err_say(err, -ENOENT, "%s \"%s\" not found", secret ? "secret" : "configmap", name ? name : "");
	lp_json_each(pair, lp_json_get(object, "data")) {
		const char *variable = lp_arena_printf(env->arena, "%s%s", prefix ? prefix : "", pair->key);
		const char *value = data_value(env->arena, object, secret, pair->key);
		int rc;

		if (variable && !valid_name(variable)) {
			(void)lp_buf_printf(&skipped, "%s%s", skipped.len ? ", " : "", variable);
			continue;
		}
		rc = set(env, variable, value ? value : "", err);
		if (rc < 0)
			return rc;
	}
	if (skipped.len && facts->tell)
		facts->tell(facts->arg, "InvalidEnvironmentVariableNames",
		    lp_arena_printf(env->arena, "Keys [%s] from the EnvFrom %s %s/%s were skipped since they are considered invalid "
		    "environment variable names.", lp_buf_text(&skipped), secret ? "secret" : "configMap", lp_object_namespace(pod), name));
	return 0;
}

/* ---- the steps */

static int
add_image(struct lp_env *env, const struct lp_image *image, struct lp_err *err)
{
	int rc = set(env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", err);

	for (size_t i = 0; rc == 0 && image && image->env[i]; i++) {
		const char *equals = strchr(image->env[i], '=');

		if (equals)
			rc = set(env, lp_arena_mem(env->arena, image->env[i], (size_t)(equals - image->env[i])), equals + 1, err);
	}
	return rc;
}

/* "nodejs-app-service" -> "NODEJS_APP_SERVICE" */
static char *
link_name(struct lp_arena *arena, const char *service)
{
	char *name = lp_arena_str(arena, service);

	for (char *c = name; c && *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

static int
add_link(struct lp_env *env, const struct lp_json *service, struct lp_err *err)
{
	char *name = link_name(env->arena, lp_object_name(service));
	const char *ip = lp_json_str(service, "spec.clusterIP");
	bool first = true;
	int rc;

	if (!ip || strcmp(ip, "None") == 0 || !*ip)
		return 0;
	rc = set(env, lp_arena_printf(env->arena, "%s_SERVICE_HOST", name), ip, err);
	lp_json_each(port, lp_json_path(service, "spec.ports")) {
		const char *port_name = lp_json_str(port, "name"), *protocol = lp_json_str(port, "protocol");
		const char *lower = !protocol || strcmp(protocol, "TCP") == 0 ? "tcp" : strcmp(protocol, "UDP") == 0 ? "udp" : "sctp";
		int number = (int)lp_json_int(port, "port", 0);
		char *text = lp_arena_printf(env->arena, "%d", number);
		char *url = lp_arena_printf(env->arena, "%s://%s:%d", lower, ip, number);
		char *base = lp_arena_printf(env->arena, "%s_PORT_%d_%s", name, number, protocol ? protocol : "TCP");

		if (rc == 0 && first)
			rc = set(env, lp_arena_printf(env->arena, "%s_SERVICE_PORT", name), text, err);
		if (rc == 0 && port_name)
			rc = set(env, lp_arena_printf(env->arena, "%s_SERVICE_PORT_%s", name, link_name(env->arena, port_name)), text, err);
		if (rc == 0 && first)
			rc = set(env, lp_arena_printf(env->arena, "%s_PORT", name), url, err);
		if (rc == 0)
			rc = set(env, base, url, err);
		if (rc == 0)
			rc = set(env, lp_arena_printf(env->arena, "%s_PROTO", base), lower, err);
		if (rc == 0)
			rc = set(env, lp_arena_printf(env->arena, "%s_PORT", base), text, err);
		if (rc == 0)
			rc = set(env, lp_arena_printf(env->arena, "%s_ADDR", base), ip, err);
		first = false;
	}
	return rc;
}

static int
add_links(struct lp_env *env, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_err *err)
{
	const struct lp_json *service = facts->object(facts->arg, "Service", "default", "kubernetes");
	bool all = !pod->spec->enable_service_links.has || pod->spec->enable_service_links.value;
	int rc = service ? add_link(env, service, err) : 0;

	for (size_t i = 0; all && rc == 0; i++) {
		service = facts->service(facts->arg, lp_object_namespace(pod_json), i);
		if (!service)
			break;
		rc = add_link(env, service, err);
	}
	return rc;
}

static int
value_of(struct lp_env *env, const struct lp_spec_env_var *var, const struct lp_json *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, const char **out, struct lp_err *err)
{
	const struct lp_spec_env_var_source *from = var->value_from;

	if (!from) {
		*out = lp_env_expand(env, var->value ? var->value : "");
		return *out ? 0 : lp_err_set(err, -ENOMEM, "environment");
	}
	if (from->field_ref)
		return lp_env_field(env->arena, pod, from->field_ref->field_path, facts, out, err);
	if (from->resource_field_ref)
		return lp_env_resource(env->arena, container, from->resource_field_ref->resource, from->resource_field_ref->divisor, facts,
		    out, err);
	if (from->config_map_key_ref)
		return from_key(env, pod, false, from->config_map_key_ref->name, from->config_map_key_ref->key,
		    from->config_map_key_ref->optional.value, out, facts, err);
	if (from->secret_key_ref)
		return from_key(env, pod, true, from->secret_key_ref->name, from->secret_key_ref->key,
		    from->secret_key_ref->optional.value, out, facts, err);
	return lp_err_say(err, -EINVAL, "environment variable %s: this valueFrom is not supported", var->name);
}

int
lp_env_build(struct lp_env *out, struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_image *image, const struct lp_facts *facts, struct lp_err *err)
{
	int rc;

	*out = (struct lp_env){ .arena = arena };
	rc = add_image(out, image, err);
	if (rc == 0 && facts->host_name)
		rc = set(out, "HOSTNAME", facts->host_name, err);
	out->spec_from = out->count;
	if (rc == 0)
		rc = add_links(out, pod, pod_json, facts, err);
	for (size_t i = 0; rc == 0 && i < container->env_from.count; i++) {
		const struct lp_spec_env_from_source *from = container->env_from.items[i];

		if (from->config_map_ref)
			rc = add_all(out, pod_json, false, from->config_map_ref->name, from->config_map_ref->optional.value, from->prefix,
			    facts, err);
		if (rc == 0 && from->secret_ref)
			rc = add_all(out, pod_json, true, from->secret_ref->name, from->secret_ref->optional.value, from->prefix, facts, err);
	}
	for (size_t i = 0; rc == 0 && i < container->env.count; i++) {
		const struct lp_spec_env_var *var = container->env.items[i];
		const char *value = NULL;

		rc = value_of(out, var, pod_json, container, facts, &value, err);
		if (rc == 0 && value)
			rc = set(out, var->name, value, err);
	}
	return rc;
}

const char *const *
lp_env_list(const struct lp_env *env)
{
	const char **list = lp_arena_alloc(env->arena, (env->count + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list && i < env->count; i++) {
		/* A variable of the pod hides the image's. */
		if (i < env->spec_from && get(env, env->spec_from, env->vars[i].name, strlen(env->vars[i].name)))
			continue;
		list[n++] = lp_arena_printf(env->arena, "%s=%s", env->vars[i].name, env->vars[i].value);
	}
	return (const char *const *)list;
}

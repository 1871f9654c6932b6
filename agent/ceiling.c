#include "agent/ceiling.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert.h"
#include "base/auto.h"
#include "base/text.h"
#include "images/images.h"
#include "images/name.h"
#include "runtime/runtime.h"
#include "specs/quantity.h"

#define REASON "NodeCeiling"

void
lp_ceiling_none(struct lp_ceiling *out)
{
	*out = (struct lp_ceiling){ .privileged = true, .host_users = true, .host_network = true, .host_pid = true, .host_ipc = true,
		.seccomp_unconfined = true, .proc_unmasked = true, .caps = UINT64_MAX, .sysctls = { .set = true } };
}

void
lp_ceiling_strictest(struct lp_ceiling *out)
{
	*out = (struct lp_ceiling){ .paths_set = true, .ports_set = true, .devices = { .set = true }, .sysctls = { .set = true },
		.caps = lp_caps_default(true) };
}

/* ---- the file */

enum kind { FLAG, WORDS, PATHS, PORTS, CAPS, COUNT, MILLI, BYTES, FIXED };

static const struct row {
	char key[20];
	uint8_t kind;
	uint16_t offset;
	const char *word;		/* FIXED: what must stand there */
} rows[] = {
	{ "apiVersion", FIXED, 0, "node.limpet.dev/v1" },
	{ "kind", FIXED, 0, "NodeCeiling" },
	{ "privileged", FLAG, offsetof(struct lp_ceiling, privileged), NULL },
	{ "hostUsers", FLAG, offsetof(struct lp_ceiling, host_users), NULL },
	{ "hostNetwork", FLAG, offsetof(struct lp_ceiling, host_network), NULL },
	{ "hostPID", FLAG, offsetof(struct lp_ceiling, host_pid), NULL },
	{ "hostIPC", FLAG, offsetof(struct lp_ceiling, host_ipc), NULL },
	{ "seccompUnconfined", FLAG, offsetof(struct lp_ceiling, seccomp_unconfined), NULL },
	{ "procUnmasked", FLAG, offsetof(struct lp_ceiling, proc_unmasked), NULL },
	{ "signedImages", FLAG, offsetof(struct lp_ceiling, signed_images), NULL },
	{ "hostPaths", PATHS, 0, NULL },
	{ "hostPorts", PORTS, 0, NULL },
	{ "capabilities", CAPS, offsetof(struct lp_ceiling, caps), NULL },
	{ "devices", WORDS, offsetof(struct lp_ceiling, devices), NULL },
	{ "unsafeSysctls", WORDS, offsetof(struct lp_ceiling, sysctls), NULL },
	{ "images", WORDS, offsetof(struct lp_ceiling, images), NULL },
	{ "maxPods", COUNT, offsetof(struct lp_ceiling, max_pods), NULL },
	{ "maxProcesses", COUNT, offsetof(struct lp_ceiling, max_processes), NULL },
	{ "podCPU", MILLI, offsetof(struct lp_ceiling, pod_cpu_milli), NULL },
	{ "podMemory", BYTES, offsetof(struct lp_ceiling, pod_memory_bytes), NULL },
	{ "writableLayer", BYTES, offsetof(struct lp_ceiling, writable_bytes), NULL },
};

static int
bad(struct lp_err *err, const struct lp_json *value, const char *wanted)
{
	return lp_err_say(err, -EINVAL, "%s: %s", value->key ? value->key : "a value", wanted);
}

/* Absolute, and no step of it is empty, "." or "..". */
static bool
is_plain_path(const char *path)
{
	if (!path || path[0] != '/')
		return false;
	for (const char *at = path + 1; *at; at += strcspn(at, "/"), at += *at == '/') {
		size_t len = strcspn(at, "/");

		if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.') || (at[len] == '/' && !at[len + 1]))
			return false;
	}
	return true;
}

static int
read_words(struct lp_arena *arena, const struct lp_json *list, struct lp_ceiling_words *out, struct lp_err *err)
{
	const char **items = lp_arena_alloc(arena, (lp_json_count(list) + 1) * sizeof(*items));
	size_t n = 0;

	if (!items)
		return lp_err_set(err, -ENOMEM, "%s", list->key);
	lp_json_each (item, list) {
		const char *text = lp_json_text(item);

		if (!text || !*text)
			return bad(err, list, "must be a list of words");
		items[n++] = text;
	}
	*out = (struct lp_ceiling_words){ .items = items, .count = n, .set = true };
	return 0;
}

static int
read_paths(struct lp_arena *arena, const struct lp_json *list, struct lp_ceiling *out, struct lp_err *err)
{
	struct lp_ceiling_path *paths = lp_arena_alloc(arena, (lp_json_count(list) + 1) * sizeof(*paths));
	size_t n = 0;

	if (!paths)
		return lp_err_set(err, -ENOMEM, "%s", list->key);
	lp_json_each (item, list) {
		const char *path = lp_json_str(item, "path");
		const struct lp_json *flag = lp_json_get(item, "readOnly");

		if (!is_plain_path(path) || (flag && flag->type != LP_JSON_BOOL) || lp_json_count(item) != 1u + (flag != NULL))
			return bad(err, list, "must be a list of {path: /absolute/path, readOnly: true}");
		paths[n++] = (struct lp_ceiling_path){ .path = path, .read_only = lp_json_bool(item, "readOnly", false) };
	}
	out->paths = paths;
	out->path_count = n;
	out->paths_set = true;
	return 0;
}

static int
read_ports(struct lp_arena *arena, const struct lp_json *list, struct lp_ceiling *out, struct lp_err *err)
{
	struct lp_ceiling_ports *ports = lp_arena_alloc(arena, (lp_json_count(list) + 1) * sizeof(*ports));
	size_t n = 0;

	if (!ports)
		return lp_err_set(err, -ENOMEM, "%s", list->key);
	lp_json_each (item, list) {
		char text[16] = "", *dash;
		uint64_t first, last;

		if (item->type == LP_JSON_INT)
			(void)snprintf(text, sizeof(text), "%lld", (long long)item->integer);
		else if (lp_json_text(item))
			(void)snprintf(text, sizeof(text), "%s", lp_json_text(item));
		dash = strchr(text, '-');
		if (dash)
			*dash++ = '\0';
		if (lp_text_u64(text, 65535, &first) < 0 || lp_text_u64(dash ? dash : text, 65535, &last) < 0 || first == 0 || first > last)
			return bad(err, list, "must be a list of ports and ranges like 8000-8999");
		ports[n++] = (struct lp_ceiling_ports){ .first = (uint16_t)first, .last = (uint16_t)last };
	}
	out->ports = ports;
	out->port_count = n;
	out->ports_set = true;
	return 0;
}

static int
read_caps(const struct lp_json *list, uint64_t *out, struct lp_err *err)
{
	uint64_t set = 0, bits;

	lp_json_each (item, list) {
		if (!lp_json_text(item) || lp_caps_parse(lp_json_text(item), &bits) < 0)
			return bad(err, list, "must be a list of names of capabilities");
		set |= bits;
	}
	*out = set;
	return 0;
}

static int
read_amount(const struct lp_json *value, enum kind kind, int64_t *out, struct lp_err *err)
{
	struct lp_quantity quantity;
	char text[64] = "";

	if (value->type == LP_JSON_INT)
		(void)snprintf(text, sizeof(text), "%lld", (long long)value->integer);
	else if ((value->type == LP_JSON_STRING || value->type == LP_JSON_DOUBLE) && value->len < sizeof(text))
		memcpy(text, value->text, value->len + 1);
	if (lp_quantity_parse(text, &quantity) < 0)
		return bad(err, value, "must be a quantity like 500m or 64Mi");
	*out = kind == MILLI ? lp_quantity_text_milli(text, 0) : lp_quantity_text_value(text, 0);
	return *out > 0 ? 0 : bad(err, value, "must be greater than 0");
}

static int
read_member(struct lp_arena *arena, const struct row *row, const struct lp_json *value, struct lp_ceiling *out, struct lp_err *err)
{
	void *member = (char *)out + row->offset;

	switch ((enum kind)row->kind) {
	case FIXED:
		return lp_text_same(lp_json_text(value), row->word) ? 0 : lp_err_say(err, -EINVAL, "%s: must be %s", row->key, row->word);
	case FLAG:
		if (value->type != LP_JSON_BOOL)
			return bad(err, value, "must be true or false");
		*(bool *)member = value->boolean;
		return 0;
	case COUNT:
	case MILLI:
	case BYTES:
		return read_amount(value, (enum kind)row->kind, member, err);
	case WORDS:
	case PATHS:
	case PORTS:
	case CAPS:
		break;
	}
	if (value->type != LP_JSON_ARRAY)
		return bad(err, value, "must be a list");
	if (row->kind == WORDS)
		return read_words(arena, value, member, err);
	if (row->kind == PATHS)
		return read_paths(arena, value, out, err);
	return row->kind == PORTS ? read_ports(arena, value, out, err) : read_caps(value, member, err);
}

int
lp_ceiling_read(struct lp_arena *arena, const struct lp_json *document, struct lp_ceiling *out, struct lp_err *err)
{
	struct lp_ceiling ceiling;

	lp_ceiling_none(&ceiling);
	if (!document || document->type != LP_JSON_OBJECT)
		return lp_err_say(err, -EINVAL, "must be one YAML document with keys and values");
	lp_json_each (value, document) {
		const struct row *row = NULL;
		int rc;

		for (size_t i = 0; !row && i < lp_count(rows); i++)
			row = strcmp(rows[i].key, value->key) == 0 ? &rows[i] : NULL;
		if (!row)
			return lp_err_say(err, -EINVAL, "%s: unknown key", value->key);
		if (value->duplicate)
			return bad(err, value, "stands more than once");
		rc = read_member(arena, row, value, &ceiling, err);
		if (rc < 0)
			return rc;
	}
	*out = ceiling;
	return 0;
}

/* ---- single limits */

static bool
is_listed(const struct lp_ceiling_words *words, const char *text, bool prefixes)
{
	for (size_t i = 0; i < words->count; i++) {
		size_t len = strlen(words->items[i]);
		bool open = prefixes || words->items[i][len - 1] == '*';

		len -= !prefixes && open;
		if (open ? strncmp(text, words->items[i], len) == 0 : strcmp(text, words->items[i]) == 0)
			return true;
	}
	return !words->set;
}

bool
lp_ceiling_is_safe_sysctl(const char *name)
{
	static const char *const safe[] = { "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
		"net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports",
		"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem" };

	for (size_t i = 0; i < lp_count(safe); i++)
		if (strcmp(safe[i], name) == 0)
			return true;
	return false;
}

const struct lp_ceiling_path *
lp_ceiling_path_of(const struct lp_ceiling *ceiling, const char *path, const char **out_rest)
{
	const struct lp_ceiling_path *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < ceiling->path_count; i++) {
		size_t len = strlen(ceiling->paths[i].path);

		if (len == 1)
			len = 0;	/* "/" covers everything */
		if (strncmp(path, ceiling->paths[i].path, len) != 0 || (path[len] && path[len] != '/') || (best && len < best_len))
			continue;
		best = &ceiling->paths[i];
		best_len = len;
	}
	if (best && out_rest)
		*out_rest = path + best_len + strspn(path + best_len, "/");
	return best;
}

bool
lp_ceiling_allows_path(const struct lp_ceiling *ceiling, const char *path, bool read_only)
{
	const struct lp_ceiling_path *row;

	if ((lp_text_starts(path, "/dev/") || strcmp(path, "/dev") == 0) && ceiling->devices.set)
		return is_plain_path(path) && is_listed(&ceiling->devices, path, false);
	if (!ceiling->paths_set)
		return true;
	row = is_plain_path(path) ? lp_ceiling_path_of(ceiling, path, NULL) : NULL;
	return row && (read_only || !row->read_only);
}

/* ---- a pod */

static const char *
refuse(struct lp_err *err, const char *where, const char *what, const char *key)
{
	(void)lp_err_say(err, -EPERM, "%s%s%s: the ceiling of this node does not allow it (%s)", where, *where ? "." : "", what, key);
	return REASON;
}

static const char *
refuse_hosts(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, struct lp_err *err)
{
	const struct lp_spec_pod_spec *spec = pod->spec;
	const char *why;

	if (spec->host_network.value && !ceiling->host_network)
		return refuse(err, "spec", "hostNetwork", "hostNetwork: false");
	if (spec->host_pid.value && !ceiling->host_pid)
		return refuse(err, "spec", "hostPID", "hostPID: false");
	if (spec->host_ipc.value && !ceiling->host_ipc)
		return refuse(err, "spec", "hostIPC", "hostIPC: false");
	if (ceiling->host_users || lp_convert_wants_users(pod, &why))
		return NULL;
	(void)lp_err_say(err, -EPERM, "%s: the ceiling of this node wants every pod in a user namespace of its own (hostUsers: false)", why);
	return REASON;
}

static const char *
refuse_sysctls(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, struct lp_err *err)
{
	const struct lp_spec_pod_security_context *context = pod->spec->security_context;

	for (size_t i = 0; context && i < context->sysctls.count; i++) {
		const char *name = context->sysctls.items[i]->name;

		if (name && (lp_ceiling_is_safe_sysctl(name) || is_listed(&ceiling->sysctls, name, false)))
			continue;
		/* the kubelet's words */
		(void)lp_err_say(err, -EPERM, "forbidden sysctl: \"%s\" not allowlisted", name ? name : "");
		return "SysctlForbidden";
	}
	return NULL;
}

/* Is every mount of the volume read-only? One that is not mounted counts as such. */
static bool
is_read_only(const struct lp_spec_pod *pod, const char *volume)
{
	size_t inits = pod->spec->init_containers.count;

	for (size_t i = 0; i < inits + pod->spec->containers.count; i++) {
		const struct lp_spec_container *container = i < inits ? pod->spec->init_containers.items[i] : pod->spec->containers.items[i - inits];

		for (size_t n = 0; n < container->volume_mounts.count; n++)
			if (lp_text_same(container->volume_mounts.items[n]->name, volume) && !container->volume_mounts.items[n]->read_only.value)
				return false;
	}
	return true;
}

static const char *
refuse_volumes(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, struct lp_err *err)
{
	for (size_t i = 0; i < pod->spec->volumes.count; i++) {
		const struct lp_spec_volume *volume = pod->spec->volumes.items[i];
		const char *path = volume->host_path && volume->host_path->path ? volume->host_path->path : "";
		char where[96], what[128];

		if (!volume->host_path || lp_ceiling_allows_path(ceiling, path, is_read_only(pod, volume->name)))
			continue;
		(void)snprintf(where, sizeof(where), "spec.volumes[%s]", volume->name);
		(void)snprintf(what, sizeof(what), "hostPath %s", path);
		return refuse(err, where, what, lp_text_starts(path, "/dev") && ceiling->devices.set ? "devices" : "hostPaths");
	}
	return NULL;
}

static const char *
refuse_ports(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, const struct lp_spec_container *container, const char *where,
    struct lp_err *err)
{
	for (size_t i = 0; ceiling->ports_set && i < container->ports.count; i++) {
		const struct lp_spec_container_port *port = container->ports.items[i];
		int64_t number = port->host_port.has ? port->host_port.value : pod->spec->host_network.value ? port->container_port.value : 0;
		bool listed = number == 0;
		char what[32];

		for (size_t n = 0; n < ceiling->port_count; n++)
			listed |= number >= ceiling->ports[n].first && number <= ceiling->ports[n].last;
		(void)snprintf(what, sizeof(what), "hostPort %lld", (long long)number);
		if (!listed)
			return refuse(err, where, what, "hostPorts");
	}
	return NULL;
}

static const char *
refuse_image(const struct lp_ceiling *ceiling, const char *image, const char *where, struct lp_err *err)
{
	struct lp_name name;
	char full[LP_NAME_MAX];

	if (ceiling->signed_images)
		return refuse(err, where, "image is not known to be signed", "signedImages: true");
	if (!ceiling->images.set)
		return NULL;
	if (!image || lp_name_parse(image, &name, NULL) < 0)
		return refuse(err, where, "image", "images");
	lp_name_print(&name, full);
	return is_listed(&ceiling->images, full, true) ? NULL : refuse(err, where, full, "images");
}

/* What is asked for; what a container has by default is taken away without a word (convert_security.c). */
static const char *
refuse_caps(const struct lp_ceiling *ceiling, const struct lp_spec_security_context *own, const char *where, struct lp_err *err)
{
	uint64_t bits;

	for (size_t i = 0; own && own->capabilities && i < own->capabilities->add.count; i++) {
		const char *name = own->capabilities->add.items[i];
		char what[96];

		(void)snprintf(what, sizeof(what), "securityContext.capabilities.add %s", name);
		if (lp_caps_parse(name, &bits) < 0 || (bits & ~ceiling->caps))
			return refuse(err, where, what, "capabilities");
	}
	return NULL;
}

static const char *
refuse_container(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, const struct lp_spec_container *container, struct lp_err *err)
{
	const struct lp_spec_security_context *own = container->security_context;
	const struct lp_spec_seccomp_profile *profile = own && own->seccomp_profile ? own->seccomp_profile
		: pod->spec->security_context				       ? pod->spec->security_context->seccomp_profile
									       : NULL;
	const char *reason;
	char where[96];

	(void)snprintf(where, sizeof(where), "spec.containers[%s]", container->name);
	if (own && own->privileged.value && !ceiling->privileged)
		return refuse(err, where, "securityContext.privileged", "privileged: false");
	if (profile && lp_text_same(profile->type, "Unconfined") && !ceiling->seccomp_unconfined)
		return refuse(err, where, "securityContext.seccompProfile Unconfined", "seccompUnconfined: false");
	if (own && lp_text_same(own->proc_mount, "Unmasked") && !ceiling->proc_unmasked)
		return refuse(err, where, "securityContext.procMount Unmasked", "procUnmasked: false");
	reason = refuse_caps(ceiling, own, where, err);
	if (!reason)
		reason = refuse_ports(ceiling, pod, container, where, err);
	return reason ? reason : refuse_image(ceiling, container->image, where, err);
}

static const char *
refuse_amounts(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, size_t others, struct lp_err *err)
{
	const int64_t most[] = { ceiling->pod_cpu_milli, ceiling->pod_memory_bytes };
	static const char *const names[] = { "cpu", "memory" }, *const keys[] = { "podCPU", "podMemory" };
	char what[64];

	if (ceiling->max_pods && (int64_t)others >= ceiling->max_pods)
		return refuse(err, "", "one more pod", "maxPods");
	for (size_t i = 0; i < lp_count(names); i++) {
		int64_t limit = lp_convert_sum(pod, true, names[i], NULL), request = lp_convert_sum(pod, false, names[i], NULL);

		(void)snprintf(what, sizeof(what), "%s of the pod", names[i]);
		if (most[i] && (limit > most[i] || request > most[i]))
			return refuse(err, "resources", what, keys[i]);
	}
	return NULL;
}

const char *
lp_ceiling_refuses(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, size_t others, struct lp_err *err)
{
	size_t inits = pod->spec->init_containers.count;
	const char *reason = refuse_hosts(ceiling, pod, err);

	if (!reason)
		reason = refuse_sysctls(ceiling, pod, err);
	if (!reason)
		reason = refuse_volumes(ceiling, pod, err);
	for (size_t i = 0; !reason && i < inits + pod->spec->containers.count; i++)
		reason = refuse_container(ceiling, pod, i < inits ? pod->spec->init_containers.items[i] : pod->spec->containers.items[i - inits], err);
	return reason ? reason : refuse_amounts(ceiling, pod, others, err);
}

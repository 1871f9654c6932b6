#include "agent/facts/ceiling.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "images/images.h"
#include "images/name.h"
#include "runtime/runtime.h"
#include "specs/quantity.h"

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

bool
lp_ceiling_lists(const struct lp_ceiling_words *words, const char *text, bool prefixes)
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
		return is_plain_path(path) && lp_ceiling_lists(&ceiling->devices, path, false);
	if (!ceiling->paths_set)
		return true;
	row = is_plain_path(path) ? lp_ceiling_path_of(ceiling, path, NULL) : NULL;
	return row && (read_only || !row->read_only);
}

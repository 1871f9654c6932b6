/*
 * specs/check_security.c - what hangs together in a pod's and its containers' securityContext (check_hooks.h).
 *
 * Words   those of Kubernetes' pkg/apis/core/validation
 */
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/podsecurity.h"

/* ---- profiles */

/* Relative, and no step of it leads up. */
static const char *
bad_profile_path(const char *path)
{
	if (*path == '/')
		return "must be a relative path";
	for (const char *at = path; *at; at += strcspn(at, "/"), at += *at == '/')
		if (strcspn(at, "/") == 2 && strncmp(at, "..", 2) == 0)
			return "must not contain '..'";
	return NULL;
}

static void
check_seccomp(const struct lp_json *profile, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *file = lp_json_get(profile, "localhostProfile");
	const char *text = lp_json_text(file), *why;

	if (!lp_text_same(lp_json_str(profile, "type"), "Localhost")) {
		if (file)
			lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_INVALID, file,
			    "can only be set when seccomp type is Localhost");
		return;
	}
	if (!text || !*text) {
		lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_REQUIRED, NULL, "must be set when seccomp type is Localhost");
		return;
	}
	why = bad_profile_path(text);
	if (why)
		lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_INVALID, file, why);
}

static void
check_apparmor(const struct lp_json *profile, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *name = lp_json_get(profile, "localhostProfile");
	const char *text = lp_json_text(name);

	if (!lp_text_same(lp_json_str(profile, "type"), "Localhost")) {
		if (name)
			lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_INVALID, name,
			    "can only be set when AppArmor type is Localhost");
		return;
	}
	if (!text || !*text)
		lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_REQUIRED, NULL, "must be set when AppArmor type is Localhost");
	else if (strchr(" \t\n", text[0]) || strchr(" \t\n", text[name->len - 1]))
		lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_INVALID, name, "must not be padded with whitespace");
	else if (name->len > 4095)
		lp_check_fault(faults, trail, "localhostProfile", LP_FAULT_TOO_LONG, NULL, "may not be more than 4095 bytes");
}

static bool
has_container(const struct lp_json *spec, const char *name)
{
	static const char *const lists[] = { "containers", "initContainers", "ephemeralContainers" };

	for (size_t i = 0; i < lp_count(lists); i++)
		lp_json_each(container, lp_json_get(spec, lists[i]))
			if (lp_text_same(lp_json_str(container, "name"), name))
				return true;
	return false;
}

/* What said it before there was a field. */
static void
check_apparmor_notes(const struct lp_json *pod, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_trail metadata = { .up = trail, .name = "metadata" }, notes = { .up = &metadata, .name = "annotations" };

	lp_json_each(note, lp_json_path(pod, "metadata.annotations")) {
		const char *text = lp_json_text(note), *name;
		const struct lp_trail here = { .up = &notes, .key = note->key };

		if (!text || !lp_text_starts(note->key, LP_PODSECURITY_APPARMOR))
			continue;
		name = note->key + strlen(LP_PODSECURITY_APPARMOR);
		if (!has_container(lp_json_get(pod, "spec"), name))
			lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, lp_json_new_str(faults->arena, name), "container not found");
		if (*text && strcmp(text, "runtime/default") != 0 && strcmp(text, "unconfined") != 0 && !lp_text_starts(text, "localhost/"))
			lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, note,
			    lp_arena_printf(faults->arena, "invalid AppArmor profile name: \"%s\"", text));
	}
}

/* ---- a container */

static void
check_container_context(const struct lp_json *context, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (lp_json_bool(context, "allowPrivilegeEscalation", true))
		return;
	if (lp_json_bool(context, "privileged", false))
		lp_check_fault(faults, trail, NULL, LP_FAULT_INVALID, context,
		    "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
	lp_json_each(added, lp_json_path(context, "capabilities.add"))
		if (lp_text_same(lp_json_text(added), "CAP_SYS_ADMIN") || lp_text_same(lp_json_text(added), "SYS_ADMIN"))
			lp_check_fault(faults, trail, NULL, LP_FAULT_INVALID, context,
			    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
}

/* ---- the pod */

/* What a container may ask for depends on what the pod says. */
static void
check_containers(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const lists[] = { "initContainers", "containers" };
	bool linux_pod = lp_text_same(lp_json_str(spec, "os.name"), "linux");	/* a node refuses what does not say it */

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct lp_trail list = { .up = trail, .name = lists[i] }, element = { .up = &list };
		struct lp_trail context = { .up = &element, .name = "securityContext" };

		lp_json_each(container, lp_json_get(spec, lists[i])) {
			const struct lp_json *type = lp_json_path(container, "securityContext.procMount");

			if (lp_text_same(lp_json_text(type), "Unmasked") && lp_json_bool(spec, "hostUsers", true))
				lp_check_fault(faults, &context, "procMount", LP_FAULT_INVALID, type,
				    "`hostUsers` must be false to use `Unmasked`");
			if (linux_pod && lp_json_path(container, "securityContext.windowsOptions"))
				lp_check_fault(faults, &context, "windowsOptions", LP_FAULT_FORBIDDEN, NULL,
				    "windows options cannot be set for a linux pod");
			element.index++;
		}
	}
}

static void
check_namespaces(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const fields[] = { "hostNetwork", "hostPID", "hostIPC" };
	const struct lp_json *share = lp_json_get(spec, "shareProcessNamespace");

	if (lp_json_bool(spec, "shareProcessNamespace", false) && lp_json_bool(spec, "hostPID", false))
		lp_check_fault(faults, trail, "shareProcessNamespace", LP_FAULT_INVALID, share,
		    "ShareProcessNamespace and HostPID cannot both be enabled");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!lp_json_bool(spec, "hostUsers", true) && lp_json_bool(spec, fields[i], false))
			lp_check_fault(faults, trail, fields[i], LP_FAULT_FORBIDDEN, NULL, "when `hostUsers` is false");
}

/* The namespace a sysctl belongs to is the host's. */
static const char *
bad_sysctl(const struct lp_json *spec, const char *name)
{
	bool ipc = lp_text_starts(name, "kernel.shm") || lp_text_starts(name, "kernel.msg") || strcmp(name, "kernel.sem") == 0 ||
	    lp_text_starts(name, "fs.mqueue.");

	if (ipc && lp_json_bool(spec, "hostIPC", false))
		return "may not be specified when 'hostIPC' is true";
	if (lp_text_starts(name, "net.") && lp_json_bool(spec, "hostNetwork", false))
		return "may not be specified when 'hostNetwork' is true";
	return NULL;
}

static void
check_sysctls(const struct lp_json *spec, const struct lp_trail *context, struct lp_faults *faults)
{
	const struct lp_json *sysctls = lp_json_path(spec, "securityContext.sysctls");
	struct lp_trail list = { .up = context, .name = "sysctls" }, element = { .up = &list };

	lp_json_each(sysctl, sysctls) {
		const struct lp_json *name = lp_json_get(sysctl, "name");
		const char *text = lp_json_text(name), *why = text ? bad_sysctl(spec, text) : NULL;
		bool twice = false;

		for (const struct lp_json *other = lp_json_first(sysctls); text && *text && other != sysctl; other = other->next)
			twice |= lp_text_same(lp_json_str(other, "name"), text);
		if (twice)
			lp_check_fault(faults, &element, "name", LP_FAULT_DUPLICATE, name, NULL);
		if (why)
			lp_check_fault(faults, &element, "name", LP_FAULT_INVALID, name, why);
		element.index++;
	}
}

static void
check_pod_context(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_trail context = { .up = trail, .name = "securityContext" };

	check_namespaces(spec, trail, faults);
	check_sysctls(spec, &context, faults);
	if (lp_json_path(spec, "securityContext.windowsOptions") && lp_text_same(lp_json_str(spec, "os.name"), "linux"))
		lp_check_fault(faults, &context, "windowsOptions", LP_FAULT_FORBIDDEN, NULL, "windows options cannot be set for a linux pod");
	check_containers(spec, trail, faults);
}

void
lp_check_security_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (schema == LP_SCHEMA_pod_spec)
		check_pod_context(object, trail, faults);
	else if (schema == LP_SCHEMA_security_context)
		check_container_context(object, trail, faults);
	else if (schema == LP_SCHEMA_seccomp_profile)
		check_seccomp(object, trail, faults);
	else if (schema == LP_SCHEMA_app_armor_profile)
		check_apparmor(object, trail, faults);
	else if (schema == LP_SCHEMA_pod)
		check_apparmor_notes(object, trail, faults);
}

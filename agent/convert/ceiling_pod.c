#include "agent/convert/ceiling_pod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "base/auto.h"
#include "base/text.h"
#include "images/name.h"
#include "runtime/runtime.h"

#define REASON "NodeCeiling"

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

		if (name && (lp_ceiling_is_safe_sysctl(name) || lp_ceiling_lists(&ceiling->sysctls, name, false)))
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
	return lp_ceiling_lists(&ceiling->images, full, true) ? NULL : refuse(err, where, full, "images");
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
lp_ceiling_pod_refuses(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, size_t others, struct lp_err *err)
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

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "specs/print.h"
#include "tools/verbs/describe.h"

static const char *
scalar(struct lp_describe *d, const struct lp_json *value)
{
	lp_auto_buf struct lp_buf text = { 0 };

	if (!value)
		return "";
	if (value->type == LP_JSON_STRING)
		return value->text;
	lp_buf_init(&text, 4096);
	(void)lp_json_write(&text, value);
	return lp_arena_str(&d->ctx->arena, lp_buf_text(&text)) ?: "";
}

static void
add_terminated(struct lp_describe *d, const struct lp_json *t)
{
	const char *reason = lp_json_str(t, "reason"), *message = lp_json_str(t, "message");
	int64_t signal = lp_json_int(t, "signal", 0);

	if (reason && *reason)
		lp_describe_line(d, 3, "Reason:\t%s", reason);
	if (message && *message)
		lp_describe_line(d, 3, "Message:\t%s", message);
	lp_describe_line(d, 3, "Exit Code:\t%" PRId64, lp_json_int(t, "exitCode", 0));
	if (signal)
		lp_describe_line(d, 3, "Signal:\t%" PRId64, signal);
	lp_describe_line(d, 3, "Started:\t%s", lp_describe_time(d, lp_json_str(t, "startedAt")));
	lp_describe_line(d, 3, "Finished:\t%s", lp_describe_time(d, lp_json_str(t, "finishedAt")));
}

static void
add_state(struct lp_describe *d, const char *title, const struct lp_json *state, bool always)
{
	const struct lp_json *part;

	if ((part = lp_json_get(state, "running"))) {
		lp_describe_line(d, 2, "%s:\tRunning", title);
		lp_describe_line(d, 3, "Started:\t%s", lp_describe_time(d, lp_json_str(part, "startedAt")));
	} else if ((part = lp_json_get(state, "terminated"))) {
		lp_describe_line(d, 2, "%s:\tTerminated", title);
		add_terminated(d, part);
	} else if ((part = lp_json_get(state, "waiting")) || always) {
		const char *reason = lp_json_str(part, "reason"), *message = lp_json_str(part, "message");

		lp_describe_line(d, 2, "%s:\tWaiting", title);
		if (reason && *reason)
			lp_describe_line(d, 3, "Reason:\t%s", reason);
		if (message && *message)
			lp_describe_line(d, 3, "Message:\t%s", message);
	}
}

static void
add_ports(struct lp_describe *d, const struct lp_json *container)
{
	const struct lp_json *ports = lp_json_get(container, "ports");
	const char *inside = "", *outside = "";
	bool several = lp_json_count(ports) > 1;

	lp_json_each(port, ports) {
		const char *protocol = lp_json_str(port, "protocol") ?: "TCP";
		const char *comma = *inside ? ", " : "";

		inside = lp_arena_printf(&d->ctx->arena, "%s%s%" PRId64 "/%s", inside, comma, lp_json_int(port, "containerPort", 0), protocol) ?: "";
		outside = lp_arena_printf(&d->ctx->arena, "%s%s%" PRId64 "/%s", outside, comma, lp_json_int(port, "hostPort", 0), protocol) ?: "";
	}
	lp_describe_line(d, 2, "%s:\t%s", several ? "Ports" : "Port", *inside ? inside : "<none>");
	lp_describe_line(d, 2, "%s:\t%s", several ? "Host Ports" : "Host Port", *outside ? outside : "<none>");
}

static void
add_words(struct lp_describe *d, const char *title, const struct lp_json *list)
{
	if (!lp_json_first(list))
		return;
	lp_describe_line(d, 2, "%s:", title);
	lp_json_each(word, list)
		lp_describe_line(d, 3, "%s", lp_json_text(word) ?: "");
}

static void
add_amounts(struct lp_describe *d, const char *title, const struct lp_json *amounts)
{
	if (!lp_json_first(amounts))
		return;
	lp_describe_line(d, 2, "%s:", title);
	lp_json_each(amount, amounts)
		lp_describe_line(d, 3, "%s:\t%s", amount->key, scalar(d, amount));
}

static const char *
env_value(struct lp_describe *d, const struct lp_json *env)
{
	const struct lp_json *from = lp_json_get(env, "valueFrom"), *ref;
	struct lp_arena *arena = &d->ctx->arena;

	if (!from)
		return lp_json_str(env, "value") ?: "";
	if ((ref = lp_json_get(from, "configMapKeyRef")))
		return lp_arena_printf(arena, "<set to the key '%s' of config map '%s'>", lp_json_str(ref, "key") ?: "", lp_json_str(ref, "name") ?: "");
	if ((ref = lp_json_get(from, "secretKeyRef")))
		return lp_arena_printf(arena, "<set to the key '%s' in secret '%s'>", lp_json_str(ref, "key") ?: "", lp_json_str(ref, "name") ?: "");
	if ((ref = lp_json_get(from, "fieldRef")))
		return lp_arena_printf(arena, " (%s:%s)", lp_json_str(ref, "apiVersion") ?: "v1", lp_json_str(ref, "fieldPath") ?: "");
	ref = lp_json_get(from, "resourceFieldRef");
	return lp_arena_printf(arena, " (%s)", lp_json_str(ref, "resource") ?: "");
}

static void
add_env(struct lp_describe *d, const struct lp_json *container)
{
	const struct lp_json *from = lp_json_get(container, "envFrom"), *env = lp_json_get(container, "env");

	if (lp_json_first(from)) {
		lp_describe_line(d, 2, "Environment Variables from:");
		lp_json_each(source, from) {
			const char *map = lp_json_str(source, "configMapRef.name"), *secret = lp_json_str(source, "secretRef.name");

			lp_describe_line(d, 3, "%s\t%s\tOptional: %s", map ? map : secret ? secret : "", map ? "ConfigMap" : "Secret",
			    lp_json_bool(source, map ? "configMapRef.optional" : "secretRef.optional", false) ? "true" : "false");
		}
	}
	lp_describe_line(d, 2, lp_json_first(env) ? "Environment:" : "Environment:\t<none>");
	lp_json_each(variable, env)
		lp_describe_line(d, 3, "%s:\t%s", lp_json_str(variable, "name") ?: "", env_value(d, variable) ?: "");
}

static void
add_mounts(struct lp_describe *d, const struct lp_json *container)
{
	const struct lp_json *mounts = lp_json_get(container, "volumeMounts");

	lp_describe_line(d, 2, lp_json_first(mounts) ? "Mounts:" : "Mounts:\t<none>");
	lp_json_each(mount, mounts) {
		const char *sub = lp_json_str(mount, "subPath");

		lp_describe_line(d, 3, "%s from %s (%s%s%s)", lp_json_str(mount, "mountPath") ?: "", lp_json_str(mount, "name") ?: "",
		    lp_json_bool(mount, "readOnly", false) ? "ro" : "rw", sub ? ",path=" : "", sub ? sub : "");
	}
}

static const struct lp_json *
status_of(const struct lp_json *statuses, const char *name)
{
	lp_json_each(status, statuses)
		if (lp_text_same(lp_json_str(status, "name"), name))
			return status;
	return NULL;
}

static void
add_container(struct lp_describe *d, const struct lp_json *container, const struct lp_json *status)
{
	lp_describe_line(d, 1, "%s:", lp_json_str(container, "name") ?: "");
	lp_describe_line(d, 2, "Container ID:\t%s", lp_json_str(status, "containerID") ?: "");
	lp_describe_line(d, 2, "Image:\t%s", lp_json_str(container, "image") ?: "");
	lp_describe_line(d, 2, "Image ID:\t%s", lp_json_str(status, "imageID") ?: "");
	add_ports(d, container);
	add_words(d, "Command", lp_json_get(container, "command"));
	add_words(d, "Args", lp_json_get(container, "args"));
	if (status) {
		add_state(d, "State", lp_json_get(status, "state"), true);
		add_state(d, "Last State", lp_json_get(status, "lastState"), false);
		lp_describe_line(d, 2, "Ready:\t%s", lp_json_bool(status, "ready", false) ? "True" : "False");
		lp_describe_line(d, 2, "Restart Count:\t%" PRId64, lp_json_int(status, "restartCount", 0));
	}
	add_amounts(d, "Limits", lp_json_path(container, "resources.limits"));
	add_amounts(d, "Requests", lp_json_path(container, "resources.requests"));
	add_env(d, container);
	add_mounts(d, container);
}

static void
add_containers(struct lp_describe *d, const char *title, const struct lp_json *containers, const struct lp_json *statuses)
{
	if (!lp_json_first(containers))
		return;
	lp_describe_line(d, 0, "%s:", title);
	lp_json_each(container, containers)
		add_container(d, container, status_of(statuses, lp_json_str(container, "name")));
}

static void
add_volume(struct lp_describe *d, const struct lp_json *volume)
{
	const struct lp_json *kind = NULL;

	lp_describe_line(d, 1, "%s:", lp_json_str(volume, "name") ?: "");
	lp_json_each(member, volume)
		if (strcmp(member->key, "name") != 0)
			kind = member;
	if (!kind)
		return;
	lp_describe_line(d, 2, "Type:\t%s", kind->key);
	lp_json_each(member, kind)
		if (member->type != LP_JSON_ARRAY && member->type != LP_JSON_OBJECT)
			lp_describe_line(d, 2, "%s:\t%s", member->key, scalar(d, member));
}

static void
add_tolerations(struct lp_describe *d, const struct lp_json *tolerations)
{
	const char *title = "Tolerations:";

	if (!lp_json_first(tolerations))
		lp_describe_line(d, 0, "Tolerations:\t<none>");
	lp_json_each(t, tolerations) {
		const char *key = lp_json_str(t, "key") ?: "", *value = lp_json_str(t, "value"), *effect = lp_json_str(t, "effect");
		bool exists = lp_text_same(lp_json_str(t, "operator"), "Exists");
		int64_t seconds = lp_json_int(t, "tolerationSeconds", -1);

		lp_describe_line(d, 0, "%s\t%s%s%s%s%s%s%s", title, key, value && *value ? "=" : "", value ? value : "", effect ? ":" : "",
		    effect ? effect : "", exists ? " op=Exists" : "",
		    seconds >= 0 ? lp_arena_printf(&d->ctx->arena, " for %" PRId64 "s", seconds) : "");
		title = "";
	}
}

static void
add_summary(struct lp_describe *d, const struct lp_json *pod)
{
	const char *node = lp_json_str(pod, "spec.nodeName"), *host = lp_json_str(pod, "status.hostIP"), *ip = lp_json_str(pod, "status.podIP");
	const char *reason = lp_json_str(pod, "status.reason"), *message = lp_json_str(pod, "status.message");

	lp_describe_head(d, pod);
	lp_describe_line(d, 0, "Priority:\t%" PRId64, lp_json_int(pod, "spec.priority", 0));
	lp_describe_line(d, 0, "Service Account:\t%s", lp_json_str(pod, "spec.serviceAccountName") ?: "");
	lp_describe_line(d, 0, "Node:\t%s%s%s", node && *node ? node : "<none>", node && host ? "/" : "", node && host ? host : "");
	if (lp_json_str(pod, "status.startTime"))
		lp_describe_line(d, 0, "Start Time:\t%s", lp_describe_time(d, lp_json_str(pod, "status.startTime")));
	lp_describe_map(d, 0, "Labels:", "=", lp_object_labels(pod));
	lp_describe_map(d, 0, "Annotations:", ": ", lp_json_path(pod, "metadata.annotations"));
	if (lp_object_deleting(pod)) {
		lp_describe_line(d, 0, "Status:\tTerminating (lasts %s)",
		    lp_print_age(&d->ctx->arena, lp_json_str(pod, "metadata.deletionTimestamp"), d->now_ms));
		lp_describe_line(d, 0, "Termination Grace Period:\t%" PRId64 "s", lp_json_int(pod, "metadata.deletionGracePeriodSeconds", 0));
	} else {
		lp_describe_line(d, 0, "Status:\t%s", lp_json_str(pod, "status.phase") ?: "");
	}
	if (reason && *reason)
		lp_describe_line(d, 0, "Reason:\t%s", reason);
	if (message && *message)
		lp_describe_line(d, 0, "Message:\t%s", message);
	lp_describe_line(d, 0, "IP:\t%s", ip ? ip : "");
	lp_describe_line(d, 0, lp_json_first(lp_json_path(pod, "status.podIPs")) ? "IPs:" : "IPs:\t<none>");
	lp_json_each(each, lp_json_path(pod, "status.podIPs"))
		lp_describe_line(d, 1, "IP:\t%s", lp_json_str(each, "ip") ?: "");
	const struct lp_json *owner = lp_object_controller(pod);

	if (owner)
		lp_describe_line(d, 0, "Controlled By:\t%s/%s", lp_json_str(owner, "kind") ?: "", lp_json_str(owner, "name") ?: "");
}

int
lp_describe_pod(struct lp_describe *d, const struct lp_json *pod)
{
	const struct lp_json *conditions = lp_json_path(pod, "status.conditions"), *volumes = lp_json_path(pod, "spec.volumes");

	add_summary(d, pod);
	add_containers(d, "Init Containers", lp_json_path(pod, "spec.initContainers"), lp_json_path(pod, "status.initContainerStatuses"));
	add_containers(d, "Containers", lp_json_path(pod, "spec.containers"), lp_json_path(pod, "status.containerStatuses"));
	if (lp_json_first(conditions)) {
		lp_describe_line(d, 0, "Conditions:");
		lp_describe_line(d, 1, "Type\tStatus");
	}
	lp_json_each(condition, conditions)
		lp_describe_line(d, 1, "%s\t%s", lp_json_str(condition, "type") ?: "", lp_json_str(condition, "status") ?: "");
	lp_describe_line(d, 0, lp_json_first(volumes) ? "Volumes:" : "Volumes:\t<none>");
	lp_json_each(volume, volumes)
		add_volume(d, volume);
	if (lp_json_str(pod, "status.qosClass"))
		lp_describe_line(d, 0, "QoS Class:\t%s", lp_json_str(pod, "status.qosClass"));
	lp_describe_map(d, 0, "Node-Selectors:", "=", lp_json_path(pod, "spec.nodeSelector"));
	add_tolerations(d, lp_json_path(pod, "spec.tolerations"));
	return lp_describe_events(d, pod);
}

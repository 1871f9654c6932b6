#include <errno.h>
#include <string.h>

#include "agent/convert/convert_parts.h"
#include "agent/facts/env.h"
#include "base/clock.h"
#include "base/text.h"

/* Probes and hooks of a container -> the keeper's record. */

/* A port by its number or by the name that the container gives it. */
static int
convert_port(const struct lp_spec_container *container, const struct lp_spec_intstr *port, uint16_t *out, struct lp_err *err)
{
	uint64_t number = (uint64_t)port->value;

	if (port->text && lp_text_u64(port->text, UINT16_MAX, &number) < 0) {
		number = 0;
		for (size_t i = 0; i < container->ports.count; i++)
			if (lp_text_same(container->ports.items[i]->name, port->text))
				number = (uint64_t)container->ports.items[i]->container_port.value;
	}
	if (number < 1 || number > UINT16_MAX)
		return lp_err_say(err, -EINVAL, "couldn't find port: %s in container %s", port->text ? port->text : "0", container->name);
	*out = (uint16_t)number;
	return 0;
}

static int
convert_http(struct lp_arena *arena, const struct lp_spec_container *container, const struct lp_spec_http_get *from, const char *address,
    struct lp_control_action *out, struct lp_err *err)
{
	struct lp_control_header *headers = lp_arena_alloc(arena, (from->http_headers.count + 1) * sizeof(*headers));

	if (!headers)
		return lp_err_set(err, -ENOMEM, "container %s", container->name);
	out->deed = LP_CONTROL_DEED_HTTP;
	out->host = from->host && *from->host ? from->host : address;
	out->tls = lp_text_same(from->scheme, "HTTPS");
	out->path = from->path && *from->path == '/' ? from->path : lp_arena_printf(arena, "/%s", from->path ? from->path : "");
	out->headers = headers;
	out->header_count = from->http_headers.count;
	for (size_t i = 0; i < out->header_count; i++) {
		const struct lp_spec_http_header *header = from->http_headers.items[i];

		headers[i] = (struct lp_control_header){ header->name, header->value ? header->value : "" };
	}
	return convert_port(container, &from->port, &out->port, err);
}

static int
convert_tcp(const struct lp_spec_container *container, const struct lp_spec_tcp_socket *from, const char *address,
    struct lp_control_action *out, struct lp_err *err)
{
	out->deed = LP_CONTROL_DEED_TCP;
	out->host = from->host && *from->host ? from->host : address;
	return convert_port(container, &from->port, &out->port, err);
}

static int
convert_exec(const struct lp_env *env, const struct lp_spec_exec_action *from, struct lp_control_action *out, struct lp_err *err)
{
	const struct lp_spec_words *words = &from->command;
	const char **args = lp_arena_alloc(env->arena, (words->count + 1) * sizeof(*args));

	if (!args)
		return lp_err_set(err, -ENOMEM, "command");
	for (size_t i = 0; i < words->count; i++)
		if (!(args[i] = lp_env_expand(env, words->items[i])))
			return lp_err_set(err, -ENOMEM, "command");
	args[words->count] = NULL;
	out->deed = LP_CONTROL_DEED_EXEC;
	out->args = args;
	return words->count ? 0 : lp_err_say(err, -EINVAL, "exec: no command was given");
}

static int
convert_probe(const struct lp_env *env, const struct lp_spec_container *container, const struct lp_spec_probe *from, const char *address,
    struct lp_control_probe *out, struct lp_err *err)
{
	struct lp_control_action *action = &out->action;

	out->initial_delay_ms = 1000 * (int64_t)from->initial_delay_seconds.value;
	out->period_ms = 1000 * (int64_t)from->period_seconds.value;
	out->timeout_ms = 1000 * (int64_t)from->timeout_seconds.value;
	out->success_threshold = (uint32_t)from->success_threshold.value;
	out->failure_threshold = (uint32_t)from->failure_threshold.value;
	out->grace_set = from->termination_grace_period_seconds.has;
	out->grace_ms = lp_clock_seconds_ms(from->termination_grace_period_seconds.value);
	if (from->http_get)
		return convert_http(env->arena, container, from->http_get, address, action, err);
	if (from->tcp_socket)
		return convert_tcp(container, from->tcp_socket, address, action, err);
	if (from->exec)
		return convert_exec(env, from->exec, action, err);
	if (from->grpc) {
		action->deed = LP_CONTROL_DEED_GRPC;
		action->host = address;
		action->port = (uint16_t)from->grpc->port.value;
		action->service = from->grpc->service;
		return 0;
	}
	return lp_err_say(err, -EINVAL, "missing probe handler for container %s", container->name);
}

static int
convert_hook(const struct lp_env *env, const struct lp_spec_container *container, const struct lp_spec_lifecycle_handler *from,
    const char *address, struct lp_control_action *out, struct lp_err *err)
{
	if (!from)
		return 0;
	if (from->exec)
		return convert_exec(env, from->exec, out, err);
	if (from->http_get)
		return convert_http(env->arena, container, from->http_get, address, out, err);
	if (from->sleep) {
		out->deed = LP_CONTROL_DEED_SLEEP;
		out->sleep_ms = lp_clock_seconds_ms(from->sleep->seconds.value);
		return 0;
	}
	return lp_err_say(err, -EINVAL, "invalid handler: container %s", container->name);
}

int
lp_convert_probes(struct lp_arena *arena, const struct lp_spec_container *container, const struct lp_env *env, const char *address,
    struct lp_control_container *out, struct lp_err *err)
{
	const struct lp_spec_probe *const probes[LP_CONTROL_PROBES] = {
		[LP_CONTROL_STARTUP] = container->startup_probe,
		[LP_CONTROL_LIVENESS] = container->liveness_probe,
		[LP_CONTROL_READINESS] = container->readiness_probe,
	};
	struct lp_control_probe *list = lp_arena_alloc(arena, LP_CONTROL_PROBES * sizeof(*list));
	int rc = 0;

	if (!list)
		return lp_err_set(err, -ENOMEM, "container %s", container->name);
	if (!address || !*address)
		address = "127.0.0.1";		/* the host's network, and no address of its own is known */
	for (int32_t kind = 0; kind < LP_CONTROL_PROBES && !rc; kind++) {
		if (!probes[kind])
			continue;
		list[out->probe_count].kind = kind;
		rc = convert_probe(env, container, probes[kind], address, &list[out->probe_count++], err);
	}
	out->probes = list;
	if (!rc && container->lifecycle)
		rc = convert_hook(env, container, container->lifecycle->post_start, address, &out->post_start, err);
	if (!rc && container->lifecycle)
		rc = convert_hook(env, container, container->lifecycle->pre_stop, address, &out->pre_stop, err);
	return rc;
}

#include "tests/manager/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "manager/api/routes.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/tunnel.h"
#include "manager/sign/sign.h"

void
fleet_start(struct fleet *fleet)
{
	static const char *const names[] = { "127.0.0.1", NULL };
	struct lp_sign_opts opts = { .names = names };
	struct lp_server_opts server = { .head = lp_routes_head, .handle = lp_routes_handle, .admit = lp_sign_admit,
		.expired_path = "/fleet/v1/renew" };
	struct lp_manager *manager = &fleet->api.manager;
	struct lp_server *plain;
	struct lp_err err = { 0 };

	memset(fleet, 0, sizeof(*fleet));
	api_start(&fleet->api);
	plain = manager->server;
	int (*bearer)(struct lp_sign *, const char *, struct lp_arena *, struct lp_user *) = manager->bearer;

	/* The plain server of api.h stays plain, and its users are still those of api.h. */
	manager->server = NULL;
	CHECK_OK(lp_sign_new(manager, &opts, &manager->sign, &err), &err);
	CHECK_OK(lp_fleet_new(manager, &manager->links, &err), &err);
	CHECK_OK(lp_tunnel_new(manager, &manager->tunnels, &err), &err);
	manager->server = plain;
	manager->bearer = bearer;
	server.arg = manager;
	server.tls = lp_sign_tls(manager->sign);
	CHECK_OK(lp_server_new(fleet->api.loop, &server, &fleet->server, &err), &err);
	CHECK_OK(lp_server_listen(fleet->server, "127.0.0.1:0", &fleet->port, &err), &err);
}

void
fleet_down(struct fleet *fleet)
{
	struct lp_manager *manager = &fleet->api.manager;

	lp_server_free(fleet->server);
	lp_server_free(manager->server);
	manager->server = fleet->server = NULL;
	lp_tunnel_free(manager->tunnels);
	lp_fleet_free(manager->links);
	lp_sign_free(manager->sign);
	manager->sign = NULL;
}

void
fleet_stop(struct fleet *fleet)
{
	fleet_down(fleet);
	api_stop(&fleet->api);
}

const char *
fleet_token(struct fleet *fleet, const char *body)
{
	struct answer answer = api_post(&fleet->api, "/fleet/v1/tokens", body);

	CHECK_INT(answer.status, 201);
	return at(&answer, "token");
}

/* ---- one answer */

static void
got_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct reply *reply = lp_client_call_arg(call);

	(void)headers;
	(void)now_ms;
	reply->status = status;
}

static void
got_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct reply *reply = lp_client_call_arg(call);

	(void)now_ms;
	CHECK_OK(lp_buf_add(&reply->text, data, len), NULL);
}

static void
got_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct reply *reply = lp_client_call_arg(call);

	(void)now_ms;
	reply->err = *why;
	reply->over = true;
}

static const struct lp_client_call_ops ops = { .head = got_head, .data = got_data, .done = got_done };

static void
reply_init(struct reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	lp_buf_init(&reply->text, 64u << 20);
}

void
reply_free(struct reply *reply)
{
	lp_buf_fini(&reply->text);
}

static void
ask(struct fleet *fleet, struct lp_client *client, struct reply *reply, const char *method, const char *path, const char *body)
{
	struct lp_client_request request = { .method = method, .path = path, .body = body, .len = body ? strlen(body) : 0,
		.type = body ? "application/json" : NULL, .timeout_ms = 5000 };
	struct lp_err err = { 0 };

	reply_init(reply);
	CHECK_OK(lp_client_start(client, &request, &ops, reply, NULL, &err), &err);
	FLEET_UNTIL(fleet, reply->over);
	(void)lp_json_parse(&fleet->api.arena, lp_buf_text(&reply->text), reply->text.len, NULL, &reply->json, NULL);
}

/* ---- devices */

void
device_init(struct device *device, struct fleet *fleet, const char *name)
{
	struct lp_err err = { 0 };

	memset(device, 0, sizeof(*device));
	device->fleet = fleet;
	device->name = name;
	CHECK_OK(lp_cert_key_generate(&device->key, &err), &err);
}

void
device_drop(struct device *device)
{
	lp_client_free(device->client);
	device->client = NULL;
	device->link_call = NULL;
	reply_free(&device->link);
	memset(&device->link, 0, sizeof(device->link));
}

void
device_free(struct device *device)
{
	device_drop(device);
	lp_tls_config_free(device->tls);
	lp_cert_key_free(device->key);
	free(device->certificate);
	free(device->key_text);
	free(device->ca);
	free(device->fleet_key);
}

static struct lp_client *
dial(struct fleet *fleet, struct lp_tls_config *tls)
{
	struct lp_client_opts opts = { .host = "127.0.0.1", .port = fleet->port, .tls = tls, .name = LP_TLS_MANAGER_NAME };
	struct lp_client *client = NULL;
	struct lp_err err = { 0 };

	CHECK_OK(lp_client_new(fleet->api.loop, &opts, &client, &err), &err);
	return client;
}

static char *
request_text(struct device *device)
{
	struct lp_buf pem;
	struct lp_err err = { 0 };
	char name[128];

	snprintf(name, sizeof(name), "system:node:%s", device->name);
	lp_buf_init(&pem, 16384);
	CHECK_OK(lp_cert_request(device->key, name, NULL, &pem, &err), &err);
	return lp_buf_take(&pem, NULL);
}

int
device_join(struct device *device, const char *token)
{
	struct fleet *fleet = device->fleet;
	lp_auto_free char *csr = request_text(device);
	struct lp_json *body = lp_json_new(&fleet->api.arena, LP_JSON_OBJECT);
	struct lp_tls_config *tls = NULL;
	struct lp_client *client;
	uint8_t pin[LP_DIGEST_BYTES];
	struct lp_buf text;
	struct reply reply;
	struct lp_err err = { 0 };

	if (!token)
		token = fleet_token(fleet, "{}");
	CHECK_OK(lp_text_unhex(strrchr(token, '.') + 1, pin, sizeof(pin)), NULL);
	lp_json_set_str(&fleet->api.arena, body, "token", token);
	lp_json_set_str(&fleet->api.arena, body, "nodeName", device->name);
	lp_json_set_str(&fleet->api.arena, body, "csr", csr);
	lp_buf_init(&text, 65536);
	CHECK_OK(lp_json_write(&text, body), NULL);
	CHECK_OK(lp_tls_config_client(&tls, &(struct lp_tls_client_opts){ .pin = pin }, &err), &err);
	client = dial(fleet, tls);
	ask(fleet, client, &reply, "POST", "/fleet/v1/join", text.data);
	CHECK_INT(reply.err.code, 0);
	lp_client_free(client);
	lp_tls_config_free(tls);
	lp_buf_fini(&text);
	if (reply.status == 200) {
		device->certificate = strdup(lp_json_str(reply.json, "certificate"));
		device->ca = strdup(lp_json_str(reply.json, "ca"));
		device->fleet_key = strdup(lp_json_str(reply.json, "fleetKey"));
		CHECK_STR(lp_json_str(reply.json, "nodeName"), device->name);
	}
	reply_free(&reply);
	return reply.status;
}

void
device_connect(struct device *device)
{
	static const char *const alpn[] = { "h2", NULL };
	struct lp_tls_client_opts opts = { .ca_pem = device->ca, .chain_pem = device->certificate, .alpn = alpn };
	struct lp_buf pem;
	struct lp_err err = { 0 };

	lp_buf_init(&pem, 4096);
	CHECK_OK(lp_cert_key_private_pem(device->key, &pem, &err), &err);
	opts.key_pem = pem.data;
	lp_tls_config_free(device->tls);
	device->tls = NULL;
	CHECK_OK(lp_tls_config_client(&device->tls, &opts, &err), &err);
	lp_buf_fini(&pem);
	device->client = dial(device->fleet, device->tls);
}

void
device_ask(struct device *device, struct reply *reply, const char *method, const char *path, const char *body)
{
	ask(device->fleet, device->client, reply, method, path, body);
}

int
device_report(struct device *device, const char *body)
{
	struct reply reply;

	device_ask(device, &reply, "POST", "/fleet/v1/report", body);
	CHECK_INT(reply.err.code, 0);
	reply_free(&reply);
	return reply.status;
}

void
device_link(struct device *device, const char *have)
{
	char path[256];
	struct lp_client_request request = { .method = "GET", .path = path };
	struct lp_err err = { 0 };

	reply_free(&device->link);
	reply_init(&device->link);
	snprintf(path, sizeof(path), "/fleet/v1/link?have=%s&boot=b", have ? have : "");
	CHECK_OK(lp_client_start(device->client, &request, &ops, &device->link, &device->link_call, &err), &err);
	FLEET_UNTIL(device->fleet, device->link.status);
}

struct lp_json *
device_line(struct device *device, const char *type, size_t nth, int ms)
{
	int64_t deadline = 0;

	do {
		size_t count = 0;

		CHECK_OK(lp_loop_turn(device->fleet->api.loop, 5, NULL), NULL);
		for (const char *text = lp_buf_text(&device->link.text), *end; (end = strchr(text, '\n')); text = end + 1) {
			struct lp_json *line = NULL;
			struct lp_err err = { 0 };

			CHECK_OK(lp_json_parse(&device->fleet->api.arena, text, (size_t)(end - text), NULL, &line, &err), &err);
			if (lp_text_same(lp_json_str(line, "type"), type) && count++ == nth)
				return line;
		}
	} while (lp_test_wait(&deadline, ms));
	return NULL;
}

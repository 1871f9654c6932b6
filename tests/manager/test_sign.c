#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/state.h"
#include "base/text.h"
#include "manager/request/access.h"
#include "manager/sign/sign.h"
#include "manager/sign/sign_inside.h"
#include "tests/manager/device.h"

#define YEAR_MS (INT64_C(365) * 86400 * 1000)

TEST(a_token_admits_as_many_devices_as_it_says)
{
	struct fleet fleet;
	struct device one, two, three;
	struct lp_cert_identity id;
	const char *token;
	struct lp_err err = { 0 };

	fleet_start(&fleet);
	token = fleet_token(&fleet, "{\"uses\":2}");
	device_init(&one, &fleet, "n1");
	device_init(&two, &fleet, "n2");
	device_init(&three, &fleet, "n3");
	CHECK_INT(device_join(&one, token), 200);
	CHECK_OK(lp_cert_read(one.certificate, &id, &err), &err);
	CHECK_STR(id.name, "system:node:n1");
	CHECK_STR(id.groups[0], "system:nodes");
	CHECK_INT(id.uses, LP_CERT_CLIENT);
	CHECK(id.not_after_ms > lp_clock_trusted_ms() + YEAR_MS / 2);
	CHECK_INT(device_join(&two, token), 200);
	CHECK_INT(device_join(&three, token), 403);
	CHECK_INT(api_get(&fleet.api, "/api/v1/nodes/n2").status, 200);
	CHECK_INT(api_get(&fleet.api, "/api/v1/nodes/n3").status, 404);
	device_free(&one);
	device_free(&two);
	device_free(&three);
	fleet_stop(&fleet);
}

TEST(a_token_with_one_letter_changed_admits_nobody)
{
	struct fleet fleet;
	struct device device;
	char token[256];

	fleet_start(&fleet);
	device_init(&device, &fleet, "n1");
	for (int where = 0; where < 2; where++) {
		snprintf(token, sizeof(token), "%s", fleet_token(&fleet, "{}"));
		char *letter = where ? strchr(token + 4, '.') + 5 : token + 5;
		*letter = *letter == '0' ? '1' : '0';
		CHECK_INT(device_join(&device, token), 403);
	}
	device_free(&device);
	fleet_stop(&fleet);
}

TEST(what_is_wrong_with_a_token_is_told_to_who_knows_its_secret)
{
	struct fleet fleet;
	char token[256], wrong[256], id[LP_SIGN_ID];
	struct lp_err err = { 0 };

	fleet_start(&fleet);
	struct lp_sign *sign = fleet.api.manager.sign;

	snprintf(token, sizeof(token), "%s", fleet_token(&fleet, "{}"));
	CHECK_OK(lp_sign_token_use(sign, token, id, &err), &err);
	CHECK_INT(lp_sign_token_use(sign, token, id, &err), -EACCES);
	CHECK(strstr(err.text, "was used already") != NULL);

	snprintf(token, sizeof(token), "%s", fleet_token(&fleet, "{\"ttlSeconds\":60}"));
	lp_clock_raise_floor(lp_clock_trusted_ms() + 61000);
	CHECK_INT(lp_sign_token_use(sign, token, id, &err), -EACCES);
	CHECK(strstr(err.text, "expired at 20") != NULL);
	snprintf(wrong, sizeof(wrong), "%s", token);
	wrong[20] = wrong[20] == '0' ? '1' : '0';
	CHECK_INT(lp_sign_token_use(sign, wrong, id, &err), -EACCES);
	CHECK(strstr(err.text, "is unknown here") != NULL);

	/* Making others does not forget it for a week, and then does. */
	(void)fleet_token(&fleet, "{}");
	CHECK_INT(lp_sign_token_use(sign, token, id, &err), -EACCES);
	CHECK(strstr(err.text, "expired at 20") != NULL);
	lp_clock_raise_floor(lp_clock_trusted_ms() + INT64_C(8) * 86400 * 1000);
	(void)fleet_token(&fleet, "{}");
	CHECK_INT(lp_sign_token_use(sign, token, id, &err), -EACCES);
	CHECK(strstr(err.text, "is unknown here") != NULL);
	fleet_stop(&fleet);
}

TEST(tokens_survive_a_restart_hashed_and_can_be_deleted)
{
	struct fleet fleet;
	struct device device;
	struct answer answer;
	char token[256], path[128], id[16], secret[64];

	fleet_start(&fleet);
	snprintf(token, sizeof(token), "%s", fleet_token(&fleet, "{\"ttlSeconds\":60}"));
	CHECK_INT(sscanf(token, "lp1.%15[^.].%63[^.]", id, secret), 2);
	fleet_stop(&fleet);
	snprintf(path, sizeof(path), "tokens/%s", id);
	size_t len;
	char *file = lp_test_read(lp_test_path(path), &len);
	CHECK(memmem(file, len, secret, strlen(secret)) == NULL);
	free(file);

	fleet_start(&fleet);
	answer = api_get(&fleet.api, "/fleet/v1/tokens");
	CHECK_INT(lp_json_count(lp_json_get(answer.json, "items")), 1);
	CHECK(strstr(answer.text, secret) == NULL);
	device_init(&device, &fleet, "n1");
	snprintf(path, sizeof(path), "/fleet/v1/tokens/%s", id);
	CHECK_INT(api_delete(&fleet.api, path, NULL).status, 200);
	CHECK_INT(api_delete(&fleet.api, path, NULL).status, 404);
	CHECK_INT(device_join(&device, token), 403);
	device_free(&device);
	fleet_stop(&fleet);
}

TEST(bad_tokens_are_not_made)
{
	struct fleet fleet;

	fleet_start(&fleet);
	CHECK_INT(api_post(&fleet.api, "/fleet/v1/tokens", "{\"ttlSeconds\":0}").status, 400);
	CHECK_INT(api_post(&fleet.api, "/fleet/v1/tokens", "{\"uses\":0}").status, 400);
	CHECK_INT(api_post(&fleet.api, "/fleet/v1/tokens", "{\"user\":\"system:node:n1\"}").status, 400);
	CHECK_INT(api_ask(&fleet.api, "nobody", "POST", "/fleet/v1/tokens", NULL, "{}").status, 403);
	fleet_stop(&fleet);
}

TEST(a_bearer_token_is_its_user_until_it_is_deleted)
{
	struct fleet fleet;
	struct lp_user user = { .name = NULL };
	struct lp_arena arena;
	const char *token;
	char path[128];

	fleet_start(&fleet);
	token = fleet_token(&fleet, "{\"user\":\"ci\",\"groups\":[\"system:masters\",\"builders\"]}");
	lp_arena_init(&arena, 1 << 16);
	struct lp_manager *manager = &fleet.api.manager;
	lp_sign_free(manager->sign);
	struct lp_server *plain = manager->server;
	manager->server = NULL;
	struct lp_err err = { 0 };
	CHECK_OK(lp_sign_new(manager, &(struct lp_sign_opts){ .names = NULL }, &manager->sign, &err), &err);
	manager->server = plain;
	CHECK_OK(manager->bearer(manager->sign, token, &arena, &user), NULL);
	CHECK_STR(user.name, "ci");
	CHECK(lp_access_in_group(&user, "builders"));
	snprintf(path, sizeof(path), "%sx", token);
	CHECK_ERR(manager->bearer(manager->sign, path, &arena, &user), -EACCES);
	CHECK_ERR(manager->bearer(manager->sign, "", &arena, &user), -EACCES);
	CHECK_ERR(manager->bearer(manager->sign, "lpu.", &arena, &user), -EACCES);
	struct answer answer = api_ask(&fleet.api, token, "GET", "/api/v1/nodes", NULL, NULL);
	CHECK_INT(answer.status, 200);
	lp_arena_fini(&arena);
	fleet_stop(&fleet);
}

TEST(a_name_belongs_to_its_key_until_the_node_is_deleted)
{
	struct fleet fleet;
	struct device first, second;

	fleet_start(&fleet);
	device_init(&first, &fleet, "n1");
	device_init(&second, &fleet, "n1");
	CHECK_INT(device_join(&first, NULL), 200);
	const char *token = fleet_token(&fleet, "{}");
	CHECK_INT(device_join(&second, token), 409);
	device_connect(&first);
	device_link(&first, NULL);
	CHECK_INT(first.link.status, 200);
	CHECK_INT(api_delete(&fleet.api, "/api/v1/nodes/n1", NULL).status, 200);

	/* The refused try gave its use back. */
	CHECK_INT(device_join(&second, token), 200);
	CHECK_INT(device_report(&first, "{}"), 403);
	device_drop(&first);
	device_connect(&first);
	struct reply reply;
	device_ask(&first, &reply, "POST", "/fleet/v1/report", "{}");
	CHECK(reply.status != 200);
	reply_free(&reply);
	device_connect(&second);
	CHECK_INT(device_report(&second, "{}"), 200);
	device_free(&first);
	device_free(&second);
	fleet_stop(&fleet);
}

TEST(a_deleted_node_has_no_rights_left)
{
	struct fleet fleet;
	struct device device;

	fleet_start(&fleet);
	device_init(&device, &fleet, "n1");
	CHECK_INT(device_join(&device, NULL), 200);
	device_connect(&device);
	CHECK_INT(device_report(&device, "{}"), 200);
	CHECK_INT(api_delete(&fleet.api, "/api/v1/nodes/n1", NULL).status, 200);
	CHECK_INT(device_report(&device, "{}"), 403);
	device_link(&device, NULL);
	CHECK_INT(device.link.status, 403);
	device_free(&device);
	fleet_stop(&fleet);
}

static char *
request_by(const struct lp_cert_key *key, struct fleet *fleet)
{
	struct lp_json *body = lp_json_new(&fleet->api.arena, LP_JSON_OBJECT);
	struct lp_buf pem, text;
	struct lp_err err = { 0 };

	lp_buf_init(&pem, 8192);
	lp_buf_init(&text, 16384);
	CHECK_OK(lp_cert_request(key, "system:node:n1", NULL, &pem, &err), &err);
	lp_json_set_str(&fleet->api.arena, body, "csr", pem.data);
	CHECK_OK(lp_json_write(&text, body), NULL);
	lp_buf_fini(&pem);
	return lp_buf_take(&text, NULL);
}

TEST(a_device_renews_for_its_own_key_only)
{
	struct fleet fleet;
	struct device device;
	struct lp_cert_key *other = NULL;
	struct lp_cert_identity before, after;
	struct reply reply;
	struct lp_err err = { 0 };
	char *body;

	fleet_start(&fleet);
	device_init(&device, &fleet, "n1");
	CHECK_INT(device_join(&device, NULL), 200);
	device_connect(&device);
	body = request_by(device.key, &fleet);
	device_ask(&device, &reply, "POST", "/fleet/v1/renew", body);
	CHECK_INT(reply.status, 200);
	CHECK_OK(lp_cert_read(device.certificate, &before, &err), &err);
	CHECK_OK(lp_cert_read(lp_json_str(reply.json, "certificate"), &after, &err), &err);
	CHECK_STR(after.name, before.name);
	CHECK_MEM(after.spki, before.spki, LP_DIGEST_BYTES);
	CHECK(strcmp(after.serial, before.serial) != 0);
	free(body);
	reply_free(&reply);

	CHECK_OK(lp_cert_key_generate(&other, &err), &err);
	body = request_by(other, &fleet);
	device_ask(&device, &reply, "POST", "/fleet/v1/renew", body);
	CHECK_INT(reply.status, 400);
	free(body);
	reply_free(&reply);
	lp_cert_key_free(other);
	device_free(&device);
	fleet_stop(&fleet);
}

TEST(the_authority_is_made_once_and_never_replaced)
{
	struct fleet fleet;
	struct lp_buf one, two;
	struct lp_err err = { 0 };

	lp_buf_init(&one, 65536);
	lp_buf_init(&two, 65536);
	fleet_start(&fleet);
	CHECK_OK(lp_sign_kubeconfig(fleet.api.manager.sign, "https://a:1", &one, &err), &err);
	fleet_stop(&fleet);
	fleet_start(&fleet);
	CHECK_OK(lp_sign_kubeconfig(fleet.api.manager.sign, "https://a:1", &two, &err), &err);
	fleet_stop(&fleet);
	CHECK_STR(one.data, two.data);
	CHECK_HAS(one.data, "server: https://a:1\n");
	lp_buf_fini(&one);
	lp_buf_fini(&two);

	/* A damaged authority stops the start: a new one would lock every device out. */
	const char *path = lp_test_path("ca/authority");
	CHECK_INT(truncate(path, 40), 0);
	(void)unlink(lp_test_path("ca/authority.old"));
	struct api api;
	struct lp_sign *sign = NULL;
	api_start(&api);
	CHECK(lp_sign_new(&api.manager, &(struct lp_sign_opts){ .names = NULL }, &sign, &err) < 0);
	CHECK_HAS(err.text, "certificate authority");
	api_stop(&api);
}

#include "tools/verbs/kubeconfig.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "tests/harness.h"
#include "wire/cert.h"

static struct lp_arena arena;
static struct lp_err err;
static struct lp_kubeconfig got;

/* Read this text as a kubeconfig. */
static int
parse(const char *text, const char *context)
{
	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 22);
	lp_tls_config_free(got.tls);
	memset(&got, 0, sizeof(got));
	return lp_kubeconfig_read(&arena, lp_test_file("config", text, SIZE_MAX), context, &got, &err);
}

#define HEAD "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
#define CONTEXTS "contexts:\n- {name: a, context: {cluster: c, user: u}}\n- {name: b, context: {cluster: c, user: u, namespace: other}}\n"
#define USERS "users:\n- {name: u, user: {token: secret}}\n"

TEST(server_token_and_namespace_are_found_by_context)
{
	static const char text[] = HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {server: 'http://example.org:8080'}}\n";

	CHECK_OK(parse(text, NULL), &err);
	CHECK_STR(got.host, "example.org");
	CHECK_INT(got.port, 8080);
	CHECK_STR(got.bearer, "Bearer secret");
	CHECK_STR(got.namespace, "default");
	CHECK(got.tls == NULL);
	CHECK_OK(parse(text, "b"), &err);
	CHECK_STR(got.namespace, "other");
	CHECK_ERR(parse(text, "nope"), -EINVAL);
	CHECK_HAS(err.text, "no context \"nope\"");
	lp_arena_fini(&arena);
}

TEST(certificates_come_from_data_and_from_files_beside_it)
{
	lp_auto_buf struct lp_buf pem, base64, text;
	struct lp_cert_key *key = NULL;

	lp_buf_init(&pem, 65536);
	lp_buf_init(&base64, 65536);
	lp_buf_init(&text, 65536);
	CHECK_OK(lp_cert_key_generate(&key, &err), &err);
	CHECK_OK(lp_cert_ca(key, "test", lp_clock_wall_ms() + 3600000, &pem, &err), &err);
	CHECK_OK(lp_text_base64_encode(&base64, pem.data, pem.len), NULL);
	CHECK_OK(lp_buf_printf(&text, HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {server: 'https://10.0.0.1', certificate-authority-data: '%s'}}\n",
	    base64.data), NULL);
	CHECK_OK(parse(text.data, NULL), &err);
	CHECK(got.tls != NULL);
	CHECK_INT(got.port, 443);
	(void)lp_test_file("ca.pem", pem.data, pem.len);
	CHECK_OK(parse(HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {server: 'https://10.0.0.1', certificate-authority: ca.pem}}\n", NULL), &err);
	CHECK(got.tls != NULL);
	lp_tls_config_free(got.tls);
	got.tls = NULL;
	lp_cert_key_free(key);
	lp_arena_fini(&arena);
}

TEST(what_we_cannot_or_will_not_do_is_refused_by_name)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {server: 'https://x', insecure-skip-tls-verify: true}}\n", "insecure-skip-tls-verify" },
		{ HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {server: 'https://x'}}\n", "certificate-authority-data" },
		{ HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {}}\n", "no server" },
		{ HEAD CONTEXTS USERS, "cluster is not in it" },
		{ HEAD, "no context" },
		{ "a: [", "yaml" },
		{ HEAD CONTEXTS USERS "clusters:\n- {name: c, cluster: {server: 'https://x', certificate-authority-data: '!!'}}\n", "not base64" },
	};

	for (size_t i = 0; i < lp_count(cases); i++) {
		CHECK(parse(cases[i].text, NULL) < 0);
		CHECK_HAS(err.text, cases[i].says);
	}
	CHECK_ERR(lp_kubeconfig_read(&arena, "/nonexistent/config", NULL, &got, &err), -ENOENT);
	CHECK_HAS(err.text, "no kubeconfig at");
	lp_arena_fini(&arena);
}

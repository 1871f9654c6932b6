#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/link/enroll.h"
#include "agent/node/identity.h"
#include "agent/node/instance.h"
#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "tests/harness.h"

TEST(an_identity_is_read_back_as_it_was_stored_and_nobody_else_may_read_it)
{
	struct lp_identity identity, again;
	struct lp_err err = { 0 };
	struct stat st;
	int fd = -1;

	CHECK_OK(lp_path_root(lp_test_dir(), true, &fd, &err), &err);
	lp_identity_init(&again);
	CHECK_ERR(lp_identity_load(fd, &again, &err), -ENOENT);
	identity = (struct lp_identity){ .name = "n1", .url = "https://m:6443", .key = "K", .certificate = "C\n", .ca = "A", .fleet_key = "F" };
	CHECK_OK(lp_identity_store(fd, &identity, &err), &err);
	CHECK_OK(lp_identity_load(fd, &again, &err), &err);
	CHECK_STR(again.name, "n1");
	CHECK_STR(again.certificate, "C\n");
	CHECK_INT(fstatat(fd, "identity", &st, 0), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	lp_identity_fini(&again);
}

static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(a_join_token_carries_id_and_authority)
{
	struct lp_enroll_token token;
	struct lp_err err = { 0 };
	char text[256];

	(void)snprintf(text, sizeof(text), "lp1.abc.0123456789abcdef.%s", hash);
	CHECK_OK(lp_enroll_token(text, &token, &err), &err);
	CHECK_STR(token.id, "abc");
	CHECK_INT(token.pin[1], 0x11);
	(void)snprintf(text, sizeof(text), "sha256:%s", hash);
	CHECK_OK(lp_enroll_hash(text, &token, &err), &err);
	text[20] ^= 1;
	CHECK_ERR(lp_enroll_hash(text, &token, &err), -EKEYREJECTED);
	CHECK_ERR(lp_enroll_hash("sha256:12", &token, &err), -EINVAL);
}

TEST(what_is_no_token_is_refused)
{
	static const char *const bad[] = { "", "lp1.", "lp1.a.b", "lp2.a.b.00", "lp1..b.00", "lp1.a..00", "lp1.a.b.00" };
	struct lp_enroll_token token;
	struct lp_err err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(lp_enroll_token(bad[i], &token, &err), -EINVAL);
}

TEST(instances_on_one_machine_do_not_share_a_name)
{
	struct lp_instance a, b, named;
	struct lp_err err = { 0 };

	CHECK_OK(lp_instance_init(&a, &(struct lp_instance_config){ .data_dir = lp_test_path("a") }, true, &err), &err);
	CHECK_OK(lp_instance_init(&b, &(struct lp_instance_config){ .data_dir = lp_test_path("b") }, true, &err), &err);
	CHECK(strcmp(a.id, b.id) != 0 && strcmp(a.bridge, b.bridge) != 0 && strcmp(a.run_dir, b.run_dir) != 0);
	CHECK(lp_text_starts(a.id, "limpet-") && strlen(a.bridge) < 16);
	CHECK_OK(lp_instance_init(&named, &(struct lp_instance_config){ .data_dir = lp_test_path("a"), .instance = "edge" }, true, &err), &err);
	CHECK_STR(named.run_dir, "/run/edge");
	CHECK_STR(named.bridge, "lp-edge");
	CHECK_ERR(lp_instance_init(&named, &(struct lp_instance_config){ .data_dir = lp_test_path("a"), .instance = "../x" }, true, &err), -EINVAL);
	CHECK_ERR(lp_instance_init(&named, &(struct lp_instance_config){ .data_dir = lp_test_path("gone") }, false, &err), -ENOENT);
}

/* A manager whose link breaks: every connection is closed at once. The port, as it was given. */
static int
hang_up_always(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_INT(listen(fd, 8), 0);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	if (fork() == 0)
		for (int i = 0; i < 16; i++)
			(void)close(accept(fd, NULL, NULL));
	return ntohs(addr.sin_port);
}

TEST(a_join_whose_answer_is_lost_keeps_its_key_for_the_next_try)
{
	struct lp_enroll_join how = { .name = "n1" };
	struct lp_err err = { 0 };
	lp_auto_free char *first = NULL, *second = NULL;
	char token[256], url[64];
	int fd = -1;

	(void)snprintf(token, sizeof(token), "lp1.abc.0123456789abcdef.%s", hash);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", hang_up_always());
	how.token = token;
	how.url = url;
	CHECK_OK(lp_path_root(lp_test_dir(), true, &fd, &err), &err);
	CHECK(lp_enroll_join(fd, &how, &err) < 0);
	first = lp_test_read(lp_test_path("joining"), NULL);
	CHECK(lp_enroll_join(fd, &how, &err) < 0);
	second = lp_test_read(lp_test_path("joining"), NULL);
	CHECK_STR(first, second);
}

TEST(a_join_that_reaches_nobody_leaves_nothing)
{
	struct lp_enroll_join how = { .url = "https://127.0.0.1:1", .name = "n1" };
	struct lp_err err = { 0 };
	char token[256];
	int fd = -1;

	(void)snprintf(token, sizeof(token), "lp1.abc.0123456789abcdef.%s", hash);
	how.token = token;
	CHECK_OK(lp_path_root(lp_test_dir(), true, &fd, &err), &err);
	CHECK(lp_enroll_join(fd, &how, &err) < 0);
	CHECK_INT(faccessat(fd, "joining", F_OK, 0), -1);
}

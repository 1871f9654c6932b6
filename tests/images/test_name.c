#include "images/name.h"

#include <errno.h>
#include <string.h>

#include "tests/harness.h"

static const char *
normal(const char *reference)
{
	static char text[LP_NAME_MAX];
	struct lp_name name;
	struct lp_err err;

	if (lp_name_parse(reference, &name, &err) < 0)
		return "refused";
	lp_name_print(&name, text);
	return text;
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(references_become_what_docker_makes_of_them)
{
	CHECK_STR(normal("nginx"), "docker.io/library/nginx:latest");
	CHECK_STR(normal("nginx:1.25"), "docker.io/library/nginx:1.25");
	CHECK_STR(normal("bitnami/redis"), "docker.io/bitnami/redis:latest");
	CHECK_STR(normal("docker.io/nginx"), "docker.io/library/nginx:latest");
	CHECK_STR(normal("index.docker.io/library/nginx"), "docker.io/library/nginx:latest");
	CHECK_STR(normal("localhost/app"), "localhost/app:latest");
	CHECK_STR(normal("localhost:5000/app:x"), "localhost:5000/app:x");
	CHECK_STR(normal("registry.k8s.io/pause:3.9"), "registry.k8s.io/pause:3.9");
	CHECK_STR(normal("limpet.local/nodejs-app:latest"), "limpet.local/nodejs-app:latest");
	CHECK_STR(normal("a/b/c_d__e-f--g.h"), "docker.io/a/b/c_d__e-f--g.h:latest");
	CHECK_STR(normal("nginx@sha256:" HEX), "docker.io/library/nginx@sha256:" HEX);
	CHECK_STR(normal("nginx:1@sha256:" HEX), "docker.io/library/nginx:1@sha256:" HEX);
}

TEST(what_is_no_reference_is_refused)
{
	static const char *const wrong[] = { "", "Nginx", "nginx:", "nginx:a b", "/nginx", "nginx/", "a//b", "a..b", "a___b", "-a", "a-",
		"nginx@sha256:12", "nginx@md5:" HEX, "nginx:-x", ":x", "@sha256:" HEX, "http://x/y", "a\nb", "../x", "x/../y", "a..b/c", "a./c", "a.:1/c" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_STR(normal(wrong[i]), "refused");
}

TEST(a_reference_longer_than_its_room_is_refused)
{
	char text[1200];

	memset(text, 'a', sizeof(text) - 1);
	for (size_t len = 200; len < sizeof(text); len++) {
		text[len] = '\0';
		CHECK(len < 238 || !strcmp(normal(text), "refused") || strlen(normal(text)) < LP_NAME_MAX);
		text[len] = 'a';
	}
}

TEST(only_names_of_this_machine_stand_for_each_other)
{
	struct lp_name name;
	char other[256];

	CHECK_OK(lp_name_parse("limpet.local/app", &name, NULL), NULL);
	CHECK_OK(lp_name_local(&name, 0, other, sizeof(other)), NULL);
	CHECK_STR(other, "limpet.local/app");
	CHECK_OK(lp_name_local(&name, 1, other, sizeof(other)), NULL);
	CHECK_STR(other, "localhost/app");
	CHECK_OK(lp_name_local(&name, 2, other, sizeof(other)), NULL);
	CHECK_STR(other, "docker.io/library/app");
	CHECK_ERR(lp_name_local(&name, 3, other, sizeof(other)), -ENOENT);
	CHECK_OK(lp_name_parse("app", &name, NULL), NULL);
	CHECK_OK(lp_name_local(&name, 1, other, sizeof(other)), NULL);
	CHECK_STR(other, "limpet.local/app");
	CHECK_OK(lp_name_local(&name, 2, other, sizeof(other)), NULL);
	CHECK_STR(other, "localhost/app");
	CHECK_OK(lp_name_parse("quay.io/x/app", &name, NULL), NULL);
	CHECK_ERR(lp_name_local(&name, 1, other, sizeof(other)), -ENOENT);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "manager/request/audit.h"
#include "tests/manager/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static struct lp_audit *audit;

static void
begin(struct api *api)
{
	struct lp_err err;

	api_start(api);
	CHECK_OK(lp_audit_new(&api->manager, api->manager.data_fd, &audit, &err), &err);
}

static void
end(struct api *api)
{
	lp_audit_free(audit);
	api_stop(api);
}

static char *
trail(void)
{
	return lp_test_read(lp_test_path("audit.log"), NULL);
}

TEST(changes_are_told_with_who_what_and_how_it_ended)
{
	struct api api;
	char *text;

	begin(&api);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"generateName\":\"m-\"}}").status, 201);
	CHECK_INT(api_delete(&api, MAPS "/none", NULL).status, 404);
	CHECK_INT(api_ask(&api, "jane", "DELETE", MAPS "/x", NULL, NULL).status, 403);
	text = trail();
	CHECK_HAS(text, "\"user\":\"admin\",\"verb\":\"create\",\"resource\":\"configmaps\",\"namespace\":\"default\",\"name\":\"m-");
	CHECK_HAS(text, "\"code\":201}\n");
	CHECK_HAS(text, "\"verb\":\"delete\",\"resource\":\"configmaps\",\"namespace\":\"default\",\"name\":\"none\"");
	CHECK_HAS(text, "\"code\":404}\n");
	CHECK_HAS(text, "\"user\":\"jane\",\"verb\":\"delete\"");
	CHECK_HAS(text, "\"code\":403}\n");
	free(text);
	end(&api);
}

TEST(reading_and_strangers_leave_no_trace)
{
	struct stat status;
	struct api api;

	begin(&api);
	CHECK_INT(api_get(&api, MAPS).status, 200);
	CHECK_INT(api_get(&api, "/version").status, 200);
	CHECK_INT(api_ask(&api, NULL, "GET", MAPS, NULL, NULL).status, 401);
	CHECK_INT(api_ask(&api, "wrong", "GET", MAPS, NULL, NULL).status, 401);
	CHECK(stat(lp_test_path("audit.log"), &status) < 0);
	end(&api);
}

TEST(what_was_forbidden_to_somebody_known_is_told_even_if_it_was_reading)
{
	struct api api;
	char *text;

	begin(&api);
	CHECK_INT(api_ask(&api, "jane", "GET", "/api/v1/namespaces/default/secrets", NULL, NULL).status, 403);
	text = trail();
	CHECK_HAS(text, "\"user\":\"jane\",\"verb\":\"list\",\"resource\":\"secrets\"");
	free(text);
	end(&api);
}

TEST(a_full_file_is_put_aside_and_no_more_than_two_are_kept)
{
	struct stat now, former;
	struct api api;
	char *fill = malloc(LP_AUDIT_BYTES);

	memset(fill, 'x', LP_AUDIT_BYTES);
	fill[LP_AUDIT_BYTES - 1] = '\n';
	(void)lp_test_file("audit.log", fill, LP_AUDIT_BYTES - 50);
	free(fill);
	begin(&api);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	CHECK_OK(stat(lp_test_path("audit.log"), &now), NULL);
	CHECK_OK(stat(lp_test_path("audit.log.1"), &former), NULL);
	CHECK(now.st_size < 1000);
	CHECK_INT(former.st_size, LP_AUDIT_BYTES - 50);
	CHECK_INT(now.st_mode & 0777, 0600);
	end(&api);
}

TEST(what_the_audit_level_of_a_namespace_would_refuse_stands_in_the_line)
{
	struct api api;
	char *text;

	begin(&api);
	CHECK_INT(api_post(&api, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"shop\",\"labels\":{\"pod-security.kubernetes.io/audit\":\"baseline\"}}}").status, 201);
	CHECK_INT(api_post(&api, "/api/v1/namespaces/shop/pods", "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"hostPID\":true,\"containers\":[{\"name\":\"c\","
								"\"image\":\"i\"}]}}").status, 201);
	text = trail();
	CHECK_HAS(text, "\"podSecurity\":\"would violate PodSecurity \\\"baseline:latest\\\": host namespaces (hostPID=true)\",\"code\":201}");
	free(text);
	end(&api);
}

#include "tests/manager/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/path.h"
#include "manager/api/routes.h"
#include "manager/control/control.h"
#include "manager/request/access.h"
#include "wire/server.h"

#define TURNS_MAX 20000

static int
bearer(struct lp_sign *sign, const char *token, struct lp_arena *arena, struct lp_user *out)
{
	(void)sign;
	out->name = lp_arena_str(arena, token);
	if (strcmp(token, "admin") == 0)
		out->groups[out->group_count++] = "system:masters";
	if (strncmp(token, "system:node:", 12) == 0)
		out->node = out->name + 12;
	return strcmp(token, "wrong") == 0 ? -EACCES : 0;
}

void
api_start(struct api *api)
{
	struct lp_settings settings;
	struct lp_store *store;
	struct lp_server_opts opts = { .head = lp_routes_head, .handle = lp_routes_handle, .arg = &api->manager };
	struct lp_err err;

	memset(api, 0, sizeof(*api));
	lp_arena_init(&api->arena, 512 << 20);
	lp_manager_defaults(&settings);
	settings.api_address = "192.0.2.1";
	CHECK_OK(lp_path_root(lp_test_dir(), true, &api->manager.data_fd, &err), &err);
	CHECK_OK(lp_loop_new(&api->loop, &err), &err);
	CHECK_OK(lp_store_sqlite_open(api->loop, api->manager.data_fd, "store.db", 1000, &store, &err), &err);
	CHECK_OK(lp_manager_start(&api->manager, api->loop, store, &settings, &err), &err);
	api->manager.bearer = bearer;
	CHECK_OK(lp_server_new(api->loop, &opts, &api->manager.server, &err), &err);
	api_settle(api);
}

void
api_stop(struct api *api)
{
	lp_server_free(api->manager.server);
	lp_manager_stop(&api->manager);
	lp_loop_free(api->loop);
	close(api->manager.data_fd);
	lp_arena_fini(&api->arena);
}

static void
turn(struct api *api)
{
	struct lp_err err;

	CHECK_OK(lp_loop_turn(api->loop, 10, &err), &err);
}

void
api_settle(struct api *api)
{
	for (int i = 0; lp_control_busy(api->manager.control); i++) {
		CHECK(i < TURNS_MAX);
		turn(api);
	}
}

static int
dial(struct api *api)
{
	struct lp_err err;
	int pair[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), NULL);
	CHECK_OK(lp_server_adopt(api->manager.server, pair[0], &err), &err);
	return pair[1];
}

static void
put(struct api *api, int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0) {
			CHECK(errno == EAGAIN);
			turn(api);
			continue;
		}
		data += sent;
		len -= (size_t)sent;
	}
}

static void
put_request(struct api *api, int fd, const char *user, const char *method, const char *path, const char *headers, const char *body)
{
	char *text;
	int len = asprintf(&text, "%s %s HTTP/1.1\r\nHost: test\r\n%s%s%s%sContent-Length: %zu\r\n%s\r\n", method, path,
	    user ? "Authorization: Bearer " : "", user ? user : "", user ? "\r\n" : "", headers ? headers : "", body ? strlen(body) : 0, "");

	CHECK(len > 0);
	put(api, fd, text, (size_t)len);
	free(text);
	if (body)
		put(api, fd, body, strlen(body));
}

/* Read what is there; false at the end. */
static bool
get_more(struct lp_buf *in, int fd)
{
	char data[65536];
	ssize_t got = recv(fd, data, sizeof(data), 0);

	if (got > 0)
		CHECK_OK(lp_buf_add(in, data, (size_t)got), NULL);
	return got != 0;
}

static bool
complete(const struct lp_buf *in, const char **out_body, size_t *out_len)
{
	const char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;
	const char *length = end ? strcasestr(in->data, "\r\ncontent-length:") : NULL;

	if (!end)
		return false;
	*out_body = end + 4;
	*out_len = length && length < end ? (size_t)strtoul(length + 17, NULL, 10) : 0;
	return (size_t)(in->data + in->len - *out_body) >= *out_len;
}

int
api_begin(struct api *api, const char *user, const char *method, const char *path, const char *headers, const char *body)
{
	int fd = dial(api);

	put_request(api, fd, user, method, path, headers, body);
	return fd;
}

struct answer
api_end(struct api *api, int fd)
{
	struct answer answer = { 0 };
	lp_auto_buf struct lp_buf in;
	const char *text = NULL;
	size_t len = 0;

	lp_buf_init(&in, 256 << 20);
	for (int i = 0; !complete(&in, &text, &len); i++) {
		CHECK(i < TURNS_MAX);
		turn(api);
		CHECK(get_more(&in, fd) || complete(&in, &text, &len));
	}
	answer.status = atoi(in.data + 9);
	answer.head = lp_arena_mem(&api->arena, in.data, (size_t)(text - in.data));
	answer.text = lp_arena_mem(&api->arena, text, len);
	if (lp_json_parse(&api->arena, text, len, NULL, &answer.json, NULL) < 0)
		answer.json = NULL;
	close(fd);
	turn(api);
	return answer;
}

struct answer
api_ask(struct api *api, const char *user, const char *method, const char *path, const char *headers, const char *body)
{
	return api_end(api, api_begin(api, user, method, path, headers, body));
}

struct answer
api_get(struct api *api, const char *path)
{
	return api_ask(api, "admin", "GET", path, NULL, NULL);
}

struct answer
api_post(struct api *api, const char *path, const char *body)
{
	return api_ask(api, "admin", "POST", path, "Content-Type: application/json\r\n", body);
}

struct answer
api_put(struct api *api, const char *path, const char *body)
{
	return api_ask(api, "admin", "PUT", path, "Content-Type: application/json\r\n", body);
}

struct answer
api_delete(struct api *api, const char *path, const char *body)
{
	return api_ask(api, "admin", "DELETE", path, body ? "Content-Type: application/json\r\n" : NULL, body);
}

struct answer
api_patch(struct api *api, const char *path, const char *kind, const char *body)
{
	char type[96];

	(void)snprintf(type, sizeof(type), "Content-Type: application/%s%s-patch+json\r\n", kind,
	    strcmp(kind, "strategic") == 0 ? "-merge" : "");
	return api_ask(api, "admin", "PATCH", path, type, body);
}

const char *
at(const struct answer *answer, const char *path)
{
	const struct lp_json *value = lp_json_path(answer->json, path);
	static char text[8][32];
	static unsigned turn_of;

	if (!value)
		return "";
	if (value->type == LP_JSON_INT) {
		char *out = text[turn_of++ % 8];

		(void)snprintf(out, 32, "%lld", (long long)value->integer);
		return out;
	}
	if (value->type == LP_JSON_BOOL)
		return value->boolean ? "true" : "false";
	return lp_json_text(value) ? lp_json_text(value) : "?";
}

/* ---- streams */

void
api_watch(struct api *api, struct stream *stream, const char *path)
{
	*stream = (struct stream){ .fd = dial(api) };
	put_request(api, stream->fd, "admin", "GET", path, NULL, NULL);
}

/* The chunks of a chunked answer put together. */
static void
dechunk(struct stream *stream, const struct lp_buf *raw)
{
	const char *data = raw->data ? strstr(raw->data, "\r\n\r\n") : NULL;

	stream->len = 0;
	free(stream->text);
	stream->text = calloc(1, raw->len + 1);
	if (!data)
		return;
	data += 4;
	for (;;) {
		char *end;
		size_t size = strtoul(data, &end, 16);

		if (end == data || end[0] != '\r' || (size_t)(raw->data + raw->len - end) < size + 4)
			return;
		if (size == 0) {
			stream->ended = true;
			return;
		}
		memcpy(stream->text + stream->len, end + 2, size);
		stream->len += size;
		data = end + 2 + size + 2;
	}
}

static size_t
count_lines(const struct stream *stream)
{
	size_t lines = 0;

	for (const char *from = stream->text; from && (from = strchr(from, '\n')) != NULL; from++)
		lines++;
	return lines;
}

static struct lp_buf raw[64];		/* by descriptor: what came, framing and all */

const char *
api_lines(struct api *api, struct stream *stream, size_t lines)
{
	struct lp_buf *in = &raw[stream->fd];
	int64_t deadline = 0;

	if (!in->max)
		lp_buf_init(in, 64 << 20);
	do {
		turn(api);
		(void)get_more(in, stream->fd);
		dechunk(stream, in);
	} while (count_lines(stream) < lines && !stream->ended && lp_test_wait(&deadline, 2000));
	return stream->text;
}

void
api_watch_end(struct api *api, struct stream *stream)
{
	lp_buf_fini(&raw[stream->fd]);
	raw[stream->fd] = (struct lp_buf){ 0 };
	close(stream->fd);
	free(stream->text);
	turn(api);
	turn(api);
}

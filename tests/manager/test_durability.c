/*
 * tests/manager/test_durability.c - the manager is killed again and again while clients create and a watcher follows.
 *
 * Shape   one server process on a UNIX socket that outlives it, 8 client processes, one watcher process; each writes what it
 *         was told into a file of its own, and the test compares the files with what the store says at the end
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "base/path.h"
#include "manager/api/routes.h"
#include "manager/request/access.h"
#include "tests/manager/api.h"
#include "wire/server.h"

#define CLIENTS 8
#define EACH 125
#define MAPS "/api/v1/namespaces/default/configmaps"

static int listener;

/* ---- the server process */

static int
bearer(struct lp_sign *sign, const char *token, struct lp_arena *arena, struct lp_user *out)
{
	(void)sign;
	out->name = lp_arena_str(arena, token);
	out->groups[out->group_count++] = "system:masters";
	return 0;
}

static void
serve(void)
{
	struct lp_manager manager = { 0 };
	struct lp_server_opts opts = { .head = lp_routes_head, .handle = lp_routes_handle, .arg = &manager };
	struct lp_settings settings;
	struct lp_store *store;
	struct lp_loop *loop;
	struct lp_err err = { 0 };

	lp_manager_defaults(&settings);
	if (lp_path_root(lp_test_dir(), true, &manager.data_fd, &err) < 0 || lp_loop_new(&loop, &err) < 0 ||
	    lp_store_sqlite_open(loop, manager.data_fd, "store.db", 4000, &store, &err) < 0 ||
	    lp_manager_start(&manager, loop, store, &settings, &err) < 0 || lp_server_new(loop, &opts, &manager.server, &err) < 0 ||
	    lp_server_listen_fd(manager.server, listener, &err) < 0) {
		(void)fprintf(stderr, "server: %s\n", err.text);
		_exit(1);
	}
	manager.bearer = bearer;
	(void)lp_loop_run(loop, &err);
	_exit(1);
}

static pid_t
start_server(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		serve();
	return pid;
}

/* ---- clients: blocking, one request a connection */

static int
dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", lp_test_path("sock"));
	if (connect(fd, (const void *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static int
send_request(int fd, const char *method, const char *path, const char *body)
{
	char text[2048];
	int len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer admin\r\nConnection: close\r\n"
	    "Content-Length: %zu\r\n\r\n%s", method, path, strlen(body), body);

	return send(fd, text, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

/* The status of a whole answer; 0 when the server died on the way. The text goes to `out`. */
static int
ask(const char *method, const char *path, const char *body, struct lp_buf *out)
{
	int fd = dial();
	char data[65536];
	const char *end;
	ssize_t got;

	lp_buf_reset(out);
	if (fd < 0 || send_request(fd, method, path, body) < 0) {
		close(fd);
		return 0;
	}
	while ((got = recv(fd, data, sizeof(data), 0)) > 0)
		lp_buf_add(out, data, (size_t)got);
	close(fd);
	end = out->data ? strstr(out->data, "\r\n\r\n") : NULL;
	if (!end || strlen(end + 4) < strtoul(strcasestr(out->data, "content-length:") ? strcasestr(out->data, "content-length:") + 15 : "0",
	    NULL, 10))
		return 0;
	return atoi(out->data + 9);
}

static void
nap_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

static void
client(int number)
{
	lp_auto_buf struct lp_buf answer;
	char name[32], body[512];
	FILE *file;

	(void)snprintf(name, sizeof(name), "client%d", number);
	file = fopen(lp_test_path(name), "w");
	lp_buf_init(&answer, 1 << 20);
	for (int i = 0; i < EACH; i++) {
		int status;

		(void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"c%d-%03d\"},\"data\":{\"k\":\"%d\"}}", number, i, i);
		do {
			status = ask("POST", MAPS, body, &answer);
		} while (status == 0);
		nap_ms(1);		/* so that the story lasts long enough for many deaths */
		if (status != 201 && status != 409)
			_exit(1);
		(void)fprintf(file, "c%d-%03d\n", number, i);
	}
	_exit(fclose(file) == 0 ? 0 : 1);
}

/* ---- the watcher: from its last version on, again and again, until the object named "end" comes */

static int64_t
version_of(const char *line)
{
	const char *at = strstr(line, "\"resourceVersion\":\"");

	return at ? strtoll(at + 19, NULL, 10) : 0;
}

/* One connection. True when the end has come. */
static bool
follow(FILE *file, int64_t *version)
{
	char path[128], line[8192], name[64];
	int fd = dial();
	FILE *in;
	bool over = false;

	(void)snprintf(path, sizeof(path), MAPS "?watch=true&resourceVersion=%" PRId64, *version);
	if (fd < 0 || send_request(fd, "GET", path, "") < 0) {
		close(fd);
		return false;
	}
	in = fdopen(fd, "r");
	while (!over && fgets(line, sizeof(line), in)) {
		const char *at;

		if (line[0] != '{' || line[strlen(line) - 1] != '\n')
			continue;		/* heads, chunk sizes, a line that was cut */
		if (strstr(line, "\"ERROR\""))
			_exit(3);
		*version = version_of(line);
		at = strstr(line, "\"name\":\"");
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 8, "\""), at + 8);
		(void)fprintf(file, "%s %" PRId64 "\n", name, *version);
		over = strcmp(name, "end") == 0;
	}
	fclose(in);
	return over;
}

static void
watcher(int64_t version)
{
	FILE *file = fopen(lp_test_path("watched"), "w");

	while (!follow(file, &version))
		continue;
	_exit(fclose(file) == 0 ? 0 : 1);
}

/* ---- the story */

static void
listen_on_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", lp_test_path("sock"));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_OK(bind(listener, (const void *)&address, sizeof(address)), NULL);
	CHECK_OK(listen(listener, 64), NULL);
}

static void
check_clients(const struct lp_json *items)
{
	struct lp_map stored = { 0 };
	char name[64];

	lp_json_each (one, items)
		CHECK_OK(lp_map_put(&stored, lp_json_str(one, "metadata.name"), one, NULL), NULL);
	for (int i = 0; i < CLIENTS; i++) {
		char file_name[32];
		FILE *file;

		(void)snprintf(file_name, sizeof(file_name), "client%d", i);
		file = fopen(lp_test_path(file_name), "r");
		while (fscanf(file, "%63s", name) == 1)
			CHECK(lp_map_get(&stored, name) != NULL);
		fclose(file);
	}
	CHECK_INT(stored.count, CLIENTS * EACH + 1);
	lp_map_fini(&stored);
}

/* Every object once, versions rising: no gap, no repeat, none reused. */
static void
check_watcher(void)
{
	FILE *file = fopen(lp_test_path("watched"), "r");
	struct lp_map seen = { 0 };
	int64_t version, last = 0;
	char name[64];

	while (fscanf(file, "%63s %" SCNd64, name, &version) == 2) {
		CHECK(version > last);
		last = version;
		CHECK(lp_map_get(&seen, name) == NULL);
		CHECK_OK(lp_map_put(&seen, name, file, NULL), NULL);
	}
	CHECK_INT(seen.count, CLIENTS * EACH + 1);
	fclose(file);
	lp_map_fini(&seen);
}

TEST(nothing_acknowledged_is_lost_however_often_the_manager_is_killed)
{
	pid_t server, clients[CLIENTS], watching;
	lp_auto_buf struct lp_buf answer;
	lp_auto_arena struct lp_arena arena;
	struct lp_json *list;
	struct lp_err err;
	unsigned seed = (unsigned)time(NULL);
	int running = CLIENTS, status, kills = 0;

	lp_test_need_kernel();
	(void)printf("seed %u\n", seed);
	lp_buf_init(&answer, 16 << 20);
	lp_arena_init(&arena, 64 << 20);
	listen_on_socket();
	server = start_server();
	status = ask("POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"default\"}}", &answer);
	CHECK(status == 201 || status == 409);
	CHECK_INT(ask("GET", MAPS, "", &answer), 200);
	watching = fork();
	if (watching == 0)
		watcher(version_of(answer.data));
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0)
			client(i);
	}
	while (running > 0) {
		nap_ms(4 + (int)((unsigned)rand_r(&seed) % 24));
		CHECK_OK(kill(server, SIGKILL), NULL);
		CHECK(waitpid(server, &status, 0) == server);
		CHECK(WIFSIGNALED(status));
		kills++;
		server = start_server();
		for (int i = 0; i < CLIENTS; i++)
			if (clients[i] && waitpid(clients[i], &status, WNOHANG) == clients[i]) {
				CHECK_INT(status, 0);
				clients[i] = 0;
				running--;
			}
	}
	CHECK(kills > 3);
	CHECK_INT(ask("POST", MAPS, "{\"metadata\":{\"name\":\"end\"}}", &answer), 201);
	CHECK(waitpid(watching, &status, 0) == watching);
	CHECK_INT(status, 0);
	CHECK_INT(ask("GET", MAPS, "", &answer), 200);
	CHECK_OK(lp_json_parse(&arena, strstr(answer.data, "\r\n\r\n") + 4, strlen(strstr(answer.data, "\r\n\r\n") + 4), NULL, &list, &err), &err);
	check_clients(lp_json_get(list, "items"));
	check_watcher();
	(void)printf("killed %d times\n", kills);
	(void)kill(server, SIGKILL);
	(void)waitpid(server, &status, 0);
	close(listener);
}

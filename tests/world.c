#include "tests/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/change/change.h"
#include "manager/control/control.h"
#include "manager/fleet/fleet.h"
#include "manager/look/view.h"
#include "manager/manager.h"
#include "specs/object.h"
#include "specs/yaml.h"
#include "tests/harness.h"
#include "tests/world/board.h"
#include "tests/world/ledger.h"

enum {
	STEP_MS = 50,			/* of simulated time while something happens */
	IDLE_MS = 1000,			/* while nothing does */
	DELAY_MS = 40,			/* a message takes up to so long */
	LIVENESS_MS = 15000,		/* until a device sees that its link is dead */
	TURNS_MAX = 100000,
	START_MS = 100000,		/* boot time at which the world begins */
};

#define START_WALL INT64_C(1795160000000)	/* 2026-11-20T07:33:20Z */

/* Something on its way over one link. */
struct message {
	struct lp_list link;
	struct device *device;
	unsigned generation;		/* of the link; another one: it is lost */
	int64_t due_ms;
	enum { DOWN_REVISION, DOWN_ASK, DOWN_TAKEN, UP_REPORT } what;
	char *text;			/* JSON; NULL for DOWN_ASK and DOWN_TAKEN */
};

/* A device and the manager's side of its link. */
struct device {
	struct lp_world *world;
	struct lp_board board;
	char name[16];
	struct lp_retry retry;
	int64_t retry_ms;
	bool up;			/* as the device thinks */
	bool cut, broken;		/* nothing passes; what was sent is lost */
	int64_t broken_ms, seen_ms;
	unsigned generation;
	bool all, reporting;		/* report everything; one is under way */
	struct lp_arena arena;		/* of the view that was sent over this link */
	struct lp_view sent;
	bool has_sent;
	int64_t viewed;			/* revision of the cache that was looked at last; -1 none */
};

struct lp_world {
	uint64_t chance;
	int64_t now_ms;
	struct device *devices;
	size_t count;
	unsigned losses;
	struct lp_list messages;
	struct lp_ledger ledger;
	struct lp_store *store;
	struct lp_loop *loop;
	struct lp_manager manager;
	bool running;			/* the manager */
	unsigned waiting;		/* reports being stored */
};

static struct lp_world *the_world;	/* the clock asks it */

/* ---- time and chance */

static int64_t
world_boot(void)
{
	return the_world->now_ms;
}

static int64_t
world_wall(void)
{
	return the_world->now_ms - START_MS + START_WALL;
}

uint32_t
lp_world_chance(struct lp_world *world, uint32_t below)
{
	world->chance ^= world->chance << 13;
	world->chance ^= world->chance >> 7;
	world->chance ^= world->chance << 17;
	return below ? (uint32_t)(world->chance >> 32) % below : 0;
}

static uint32_t
board_chance(void *arg, uint32_t below)
{
	return lp_world_chance(arg, below);
}

static int
world_random(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)lp_world_chance(the_world, 256);
	return 0;
}

int64_t
lp_world_now(const struct lp_world *world)
{
	return world->now_ms;
}

/* ---- the manager */

static int64_t
seen(void *arg, const char *node)
{
	struct lp_world *world = arg;

	for (size_t i = 0; i < world->count; i++)
		if (strcmp(world->devices[i].name, node) == 0)
			return world->devices[i].seen_ms;
	return -1;
}

/* Until everything is stored and no controller wants more. */
static void
settle(struct lp_world *world)
{
	struct lp_err err;

	for (int turn = 0; world->running; turn++) {
		CHECK(turn < TURNS_MAX);
		CHECK_OK(lp_loop_turn(world->loop, 0, &err), &err);
		if (lp_ledger_busy(world->store) || world->waiting > 0)
			continue;
		if (!lp_control_busy(world->manager.control))
			return;
		world->now_ms += 5;	/* controllers pause between two looks */
	}
}

void
lp_world_start_manager(struct lp_world *world)
{
	struct lp_settings settings;
	struct lp_err err;

	CHECK(!world->running);
	lp_manager_defaults(&settings);
	settings.api_address = "192.0.2.1";
	memset(&world->manager, 0, sizeof(world->manager));
	world->manager.data_fd = -1;
	CHECK_OK(lp_loop_new(&world->loop, &err), &err);
	world->store = lp_ledger_open(&world->ledger, world->loop);
	CHECK_OK(lp_manager_start(&world->manager, world->loop, world->store, &settings, &err), &err);
	world->manager.seen_ms = seen;
	world->manager.seen_arg = world;
	world->running = true;
	for (size_t i = 0; i < world->count; i++)
		world->devices[i].seen_ms = -1;
	settle(world);
}

/* ---- links */

static void
link_down(struct device *device, bool at_once)
{
	struct lp_world *world = device->world;

	if (!device->up)
		return;
	if (at_once) {
		device->up = false;
		device->retry_ms = lp_retry_down(&device->retry, world->now_ms, lp_world_chance(world, UINT32_MAX), 0);
	} else if (!device->broken) {
		device->broken_ms = world->now_ms;
	}
	device->broken = true;
	device->generation++;		/* what is on its way is lost */
	device->reporting = false;
}

void
lp_world_stop_manager(struct lp_world *world)
{
	CHECK(world->running);
	settle(world);
	world->running = false;
	for (size_t i = 0; i < world->count; i++)
		link_down(&world->devices[i], true);
	lp_manager_stop(&world->manager);
	lp_loop_free(world->loop);
}

static void
link_up(struct device *device)
{
	device->up = true;
	device->broken = false;
	device->generation++;
	device->all = true;
	device->reporting = false;
	device->has_sent = false;
	device->viewed = -1;
	lp_arena_fini(&device->arena);
	lp_arena_init(&device->arena, 64 << 20);
	lp_retry_up(&device->retry, device->world->now_ms);
}

static void
link_step(struct device *device)
{
	struct lp_world *world = device->world;

	if (!device->board.power || !device->board.agent) {
		link_down(device, true);
		return;
	}
	if (device->up && device->broken && world->now_ms >= device->broken_ms + LIVENESS_MS)
		link_down(device, true);
	if (device->up && !device->broken)
		device->seen_ms = world->now_ms;
	if (device->up || world->now_ms < device->retry_ms)
		return;
	if (device->cut || !world->running)
		device->retry_ms = lp_retry_down(&device->retry, world->now_ms, lp_world_chance(world, UINT32_MAX), 0);
	else
		link_up(device);
}

static void
post(struct device *device, int what, const struct lp_buf *text)
{
	struct lp_world *world = device->world;
	struct message *message;

	if (!device->up || device->broken)
		return;
	if (lp_world_chance(world, 1000) < world->losses) {
		link_down(device, false);
		return;
	}
	message = calloc(1, sizeof(*message));
	CHECK(message != NULL);
	message->device = device;
	message->generation = device->generation;
	message->due_ms = world->now_ms + 1 + lp_world_chance(world, DELAY_MS);
	message->what = what;
	message->text = text ? strdup(lp_buf_text(text)) : NULL;
	lp_list_append(&world->messages, &message->link);
}

/* ---- what arrives */

static struct lp_json *
parse(struct lp_arena *arena, const char *text)
{
	struct lp_json_limits limits = { .bytes = 64 << 20, .nodes = 1 << 22 };
	struct lp_json *value = NULL;
	struct lp_err err;

	CHECK_OK(lp_json_parse(arena, text, strlen(text), &limits, &value, &err), &err);
	return value;
}

/* A report is stored: say so over the link that brought it. */
struct taken {
	struct device *device;
	unsigned generation;
};

static void
report_stored(void *arg, size_t failed, const struct lp_err *err, int64_t now_ms)
{
	struct taken *taken = arg;

	(void)now_ms;
	CHECK_OK(failed ? err->code : 0, err);
	taken->device->world->waiting--;
	if (taken->generation == taken->device->generation)
		post(taken->device, DOWN_TAKEN, NULL);
	free(taken);
}

static void
take_report(struct device *device, const char *text)
{
	struct lp_world *world = device->world;
	lp_auto_arena struct lp_arena arena = { 0 };
	struct taken *taken = calloc(1, sizeof(*taken));
	struct lp_writes writes;
	struct lp_err err;

	CHECK(taken != NULL);
	*taken = (struct taken){ device, device->generation };
	lp_arena_init(&arena, 64 << 20);
	lp_writes_init(&writes, &arena);
	lp_fleet_take_report(world->manager.cache, device->name, parse(&arena, text), &writes);
	world->waiting++;
	CHECK_OK(lp_writes_submit(&world->manager, &writes, report_stored, taken, &err), &err);
	settle(world);
}

static void
take_revision(struct device *device, const char *text)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 64 << 20);
	CHECK_OK(lp_board_take(&device->board, parse(&arena, text), &err), &err);
}

static void
deliver(struct message *message)
{
	struct device *device = message->device;

	if (message->generation == device->generation && device->up && !device->broken) {
		switch (message->what) {
		case DOWN_REVISION:
			take_revision(device, message->text);
			break;
		case DOWN_ASK:
			device->all = true;
			break;
		case DOWN_TAKEN:
			device->reporting = false;
			lp_board_reported(&device->board);
			break;
		case UP_REPORT:
			take_report(device, message->text);
			break;
		}
	}
	free(message->text);
	free(message);
}

/* True when something arrived. */
static bool
deliver_due(struct lp_world *world)
{
	bool any = false;

	lp_list_each(link, &world->messages) {
		struct message *message = lp_of(link, struct message, link);

		if (message->due_ms > world->now_ms)
			continue;
		lp_list_remove(link);
		deliver(message);
		any = true;
		break;			/* the list may have changed */
	}
	return any;
}

/* ---- what is sent */

static void
send_report(struct device *device)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_json *report;

	if (!device->up || device->reporting)
		return;
	lp_arena_init(&arena, 64 << 20);
	lp_buf_init(&text, 64 << 20);
	report = lp_board_report(&device->board, &arena, device->all);
	if (!report)
		return;
	CHECK_INT(lp_json_write(&text, report), 0);
	device->all = false;
	device->reporting = true;
	post(device, UP_REPORT, &text);
}

static void
write_revision(struct lp_world *world, const struct lp_view *view, struct lp_buf *line)
{
	lp_auto_buf struct lp_buf text = { 0 };
	char digest[LP_DIGEST_TEXT];

	lp_buf_init(&text, 64 << 20);
	CHECK_INT(lp_view_revision(
	              view, &world->manager.settings, lp_cache_revision(world->manager.cache), world_wall(), &text),
	    0);
	lp_digest_print(text.data, text.len, digest);
	lp_buf_printf(line, "{\"type\":\"revision\",\"digest\":\"%s\",\"revision\":", digest);
	lp_json_write_string(line, text.data, text.len);
	lp_buf_str(line, ",\"signature\":\"\",\"objects\":{");
	for (size_t i = 0; i < view->count; i++) {
		lp_buf_printf(line, "%s\"%s\":", i > 0 ? "," : "", view->objects[i]->digest);
		lp_json_write_string(line, view->objects[i]->text, view->objects[i]->len);
	}
	lp_buf_str(line, "}}");
	CHECK_INT(line->failed, 0);
}

static void
send_view(struct device *device)
{
	struct lp_world *world = device->world;
	struct lp_arena arena;
	struct lp_view view;
	lp_auto_buf struct lp_buf line = { 0 };
	struct lp_err err;

	if (!world->running || !device->up || device->broken ||
	    device->viewed == lp_cache_revision(world->manager.cache))
		return;
	device->viewed = lp_cache_revision(world->manager.cache);
	lp_arena_init(&arena, 64 << 20);
	CHECK_OK(lp_view_node(world->manager.cache, device->name, &arena, &view, &err), &err);
	if (device->has_sent && lp_view_same(&view, &device->sent)) {
		lp_arena_fini(&arena);
		return;
	}
	lp_buf_init(&line, 64 << 20);
	write_revision(world, &view, &line);
	lp_arena_fini(&device->arena);
	device->arena = arena;
	device->sent = view;
	device->has_sent = true;
	post(device, DOWN_REVISION, &line);
}

/* As fleet.c does: a node that is called Unknown over a living link is asked. */
static void
ask_unknown(struct device *device)
{
	struct lp_world *world = device->world;
	struct lp_cached *node =
	    world->running ? lp_cache_find(world->manager.cache, lp_kind_by_word("node"), "", device->name) : NULL;
	const struct lp_json *ready = node ? lp_object_condition(lp_cached_json(node), "Ready") : NULL;

	if (lp_text_same(lp_json_str(ready, "status"), "Unknown") && device->up && !device->broken && !device->all &&
	    !device->reporting)
		post(device, DOWN_ASK, NULL);
}

/* One moment. Returns whether something is going on. */
static bool
step(struct lp_world *world)
{
	bool any = !lp_list_empty(&world->messages);

	for (size_t i = 0; i < world->count; i++)
		link_step(&world->devices[i]);
	while (deliver_due(world))
		continue;
	settle(world);
	for (size_t i = 0; i < world->count; i++) {
		lp_board_step(&world->devices[i].board, world->now_ms, world_wall());
		send_view(&world->devices[i]);
		ask_unknown(&world->devices[i]);
		send_report(&world->devices[i]);
	}
	return any || !lp_list_empty(&world->messages);
}

void
lp_world_pass(struct lp_world *world, int64_t ms)
{
	int64_t until = world->now_ms + ms;

	while (world->now_ms < until) {
		int64_t left = until - world->now_ms, next = step(world) ? STEP_MS : IDLE_MS;

		world->now_ms += next < left ? next : left;
	}
	(void)step(world);		/* what is due at the very end */
}

/* ---- what an operator does */

struct outcome {
	bool done;
	int64_t code;			/* 0 accepted */
	char message[512];
};

static void
changed(struct lp_change *change, int64_t now_ms)
{
	struct outcome *outcome = change->arg;
	const char *message = lp_json_str(change->status, "message");

	(void)now_ms;
	outcome->done = true;
	outcome->code = change->status ? lp_json_int(change->status, "code", 500) : 0;
	(void)snprintf(outcome->message, sizeof(outcome->message), "%s", message ? message : "");
}

static struct outcome
carry_out(struct lp_world *world, struct lp_change *change)
{
	struct outcome outcome = { 0 };
	struct lp_err err;

	change->done = changed;
	change->arg = &outcome;
	lp_change_start(change, world->now_ms);
	for (int turn = 0; !outcome.done; turn++) {
		CHECK(turn < TURNS_MAX);
		CHECK_OK(lp_loop_turn(world->loop, 0, &err), &err);
	}
	settle(world);
	return outcome;
}

static struct lp_change *
change_of(struct lp_world *world, enum lp_change_verb verb, const struct lp_kind *kind, const char *name,
    const struct lp_json *body)
{
	struct lp_change *change = lp_change_new(&world->manager, verb, kind);

	CHECK(change != NULL);
	change->namespace = kind->namespaced ? "default" : "";
	change->name = lp_arena_str(&change->arena, name);
	change->subresource = "";
	change->grace_s = -1;
	change->body = body ? lp_json_copy(&change->arena, body) : NULL;
	return change;
}

void
lp_world_apply(struct lp_world *world, const char *yaml)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *documents = NULL;
	struct lp_err err;

	lp_arena_init(&arena, 64 << 20);
	CHECK_OK(lp_yaml_parse(&arena, yaml, strlen(yaml), NULL, &documents, &err), &err);
	lp_json_each(document, documents) {
		const struct lp_kind *kind = lp_object_kind_of(document);
		struct outcome outcome;

		CHECK(kind != NULL);
		outcome =
		    carry_out(world, change_of(world, LP_CHANGE_CREATE, kind, lp_object_name(document), document));
		if (outcome.code == 409) {
			struct lp_change *change =
			    change_of(world, LP_CHANGE_PATCH, kind, lp_object_name(document), document);

			change->patch = LP_CHANGE_MERGE;
			outcome = carry_out(world, change);
		}
		CHECK_STR(outcome.message, "");
	}
}

void
lp_world_delete(struct lp_world *world, const char *kind, const char *name)
{
	struct outcome outcome =
	    carry_out(world, change_of(world, LP_CHANGE_DELETE, lp_kind_by_word(kind), name, NULL));

	CHECK_STR(outcome.message, "");
}

const struct lp_json *
lp_world_get(struct lp_world *world, const char *kind_name, const char *name)
{
	const struct lp_kind *kind = lp_kind_by_word(kind_name);
	struct lp_cached *cached =
	    world->running ? lp_cache_find(world->manager.cache, kind, kind->namespaced ? "default" : "", name) : NULL;

	return cached ? lp_cached_json(cached) : NULL;
}

const char *
lp_world_text(struct lp_world *world, const char *kind, const char *name, const char *path)
{
	const char *text = lp_json_str(lp_world_get(world, kind, name), path);

	return text ? text : "";
}

bool
lp_world_is(struct lp_world *world, const char *kind, const char *name, const char *condition)
{
	return lp_object_condition_true(lp_world_get(world, kind, name), condition);
}

/* ---- what happens */

static struct device *
device_of(const struct lp_world *world, const char *name)
{
	for (size_t i = 0; i < world->count; i++)
		if (strcmp(world->devices[i].name, name) == 0)
			return &world->devices[i];
	FAIL("there is no device %s", name);
}

void
lp_world_wires(struct lp_world *world, unsigned losses)
{
	world->losses = losses;
}

void
lp_world_cut(struct lp_world *world, const char *name, bool cut)
{
	struct device *device = device_of(world, name);

	device->cut = cut;
	if (cut)
		link_down(device, false);
}

void
lp_world_agent(struct lp_world *world, const char *name, bool alive)
{
	struct device *device = device_of(world, name);

	lp_board_agent(&device->board, alive);
	link_down(device, true);
	if (alive)
		device->retry_ms = world->now_ms;
}

void
lp_world_power(struct lp_world *world, const char *name, bool on)
{
	struct device *device = device_of(world, name);

	lp_board_power(&device->board, on);
	link_down(device, true);
	if (on)
		device->retry_ms = world->now_ms;
}

void
lp_world_exit(struct lp_world *world, const char *name, int code)
{
	for (size_t i = 0; i < world->count; i++) {
		struct lp_board_pod *pod = lp_board_find(&world->devices[i].board, name);

		if (pod)
			lp_board_exit(&world->devices[i].board, pod, code, world->now_ms, world_wall());
	}
}

/* ---- what is true */

bool
lp_world_runs(const struct lp_world *world, const char *device, const char *name)
{
	const struct lp_board_pod *pod = lp_board_find(&device_of(world, device)->board, name);

	return pod && lp_board_runs(pod);
}

unsigned
lp_world_starts(const struct lp_world *world, const char *pod)
{
	unsigned total = 0;

	for (size_t i = 0; i < world->count; i++)
		lp_list_each(link, &world->devices[i].board.starts) {
			const struct lp_board_starts *starts = lp_of(link, struct lp_board_starts, link);

			total += strcmp(starts->name, pod) == 0 ? starts->count : 0;
		}
	return total;
}

unsigned
lp_world_stored(const struct lp_world *world)
{
	unsigned total = 0;

	for (size_t i = 0; i < world->count; i++)
		total += world->devices[i].board.stored;
	return total;
}

void
lp_world_check_agreement(struct lp_world *world)
{
	size_t count;
	struct lp_cached *const *pods = lp_cache_list(world->manager.cache, lp_kind_by_word("pod"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *pod = lp_cached_json(pods[i]);
		bool over = !lp_text_same(lp_json_str(pod, "status.phase"), "Running");

		if (!pods[i]->node || over)
			continue;
		CHECK(!pods[i]->deleting);
		CHECK(lp_world_runs(world, pods[i]->node, pods[i]->name));
		CHECK(lp_object_condition_true(pod, "Ready"));
	}
	for (size_t d = 0; d < world->count; d++)
		lp_list_each(link, &world->devices[d].board.pods) {
			const struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);
			struct lp_cached *cached =
			    lp_cache_find(world->manager.cache, lp_kind_by_word("pod"), pod->namespace, pod->name);

			CHECK(cached && strcmp(cached->uid, pod->uid) == 0);
			CHECK_STR(cached->node, world->devices[d].name);
		}
}

/* ---- beginning and end */

struct lp_world *
lp_world_new(uint64_t seed, size_t devices)
{
	struct lp_world *world = calloc(1, sizeof(*world));

	CHECK(world != NULL);
	world->devices = calloc(devices + 1, sizeof(*world->devices));
	CHECK(world->devices != NULL);
	world->chance = seed * UINT64_C(2654435761) + 88172645463325252u;
	world->now_ms = START_MS;
	world->count = devices;
	lp_list_init(&world->messages);
	the_world = world;
	lp_seam.boot_ms = world_boot;
	lp_seam.wall_ms = world_wall;
	lp_seam.random = world_random;
	lp_ledger_init(&world->ledger);
	lp_world_start_manager(world);
	for (size_t i = 0; i < devices; i++) {
		struct device *device = &world->devices[i];
		char yaml[128];

		(void)snprintf(device->name, sizeof(device->name), "n%zu", i + 1);
		device->world = world;
		device->seen_ms = -1;
		lp_retry_init(&device->retry, 0, 0, 0);
		lp_arena_init(&device->arena, 64 << 20);
		lp_board_init(&device->board, device->name, (unsigned)i + 1);
		device->board.chance = board_chance;
		device->board.chance_arg = world;
		(void)snprintf(yaml, sizeof(yaml), "apiVersion: v1\nkind: Node\nmetadata: {name: %s}\n", device->name);
		lp_world_apply(world, yaml);
	}
	lp_world_pass(world, 2000);
	return world;
}

void
lp_world_free(struct lp_world *world)
{
	if (world->running)
		lp_world_stop_manager(world);
	lp_list_each(link, &world->messages) {
		struct message *message = lp_of(link, struct message, link);

		free(message->text);
		free(message);
	}
	for (size_t i = 0; i < world->count; i++) {
		lp_board_fini(&world->devices[i].board);
		lp_arena_fini(&world->devices[i].arena);
	}
	lp_ledger_fini(&world->ledger);
	free(world->devices);
	free(world);
}

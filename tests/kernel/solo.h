/*
 * tests/kernel/solo.h - a node with nothing but one pod: a real keeper, real containers, and what the keeper said.
 *
 * Use      solo_init();  solo_add("main", "echo hello");  solo_spawn();  solo_go();
 *          SOLO_UNTIL(solo_ended("main"));  CHECK_INT(solo_seen("main")->status.end.code, 0);  solo_finish();
 * Keeper   its executable is the test program itself, called again with "keeper"
 * Leave    solo_finish fails when anything stays behind; a test that fails earlier is cleaned up after all the same
 */
#ifndef LP_TESTS_SOLO_H
#define LP_TESTS_SOLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/seam.h"
#include "keeper/control.h"
#include "tests/harness.h"

#define SOLO_MAX 8

struct solo_seen {
	struct lp_control_status status;	/* texts are copies */
	char name[64], reason[64], message[512], last_reason[64];
	uint64_t news[8];			/* by enum lp_control_news_kind */
	char words[8][512];
};

struct solo {
	struct lp_loop *loop;
	struct lp_control control;
	struct lp_control_spawn how;
	char cgroup[64], layer[512], shared[512], uid[LP_UUID_TEXT];
	struct lp_arena arena;
	struct lp_control_container containers[SOLO_MAX];
	struct lp_mount mounts[SOLO_MAX][12];
	const char *args[SOLO_MAX][4];
	struct lp_place layers[1];
	struct lp_idmap ids[1];
	struct lp_control_pod pod;
	/* what the keeper said */
	struct solo_seen seen[SOLO_MAX];
	size_t seen_count;
	int32_t phase, error;
	int pods, pongs, gone, begun_fd, begun_code, netns_fd, dir_fd;
	uint64_t begun, ended, end_count, resized;
	int resized_code;
	struct lp_container_exit end;
	char note[64], error_text[256], why[64];
};

extern struct solo solo;
extern const struct lp_control_ops solo_ops;

#define SOLO_UNTIL(condition)                                                     \
	do {                                                                      \
		int64_t deadline_ = 0;                                            \
		while (!(condition)) {                                            \
			CHECK_OK(lp_loop_turn(solo.loop, 20, NULL), NULL);        \
			if (!(condition) && !lp_test_wait(&deadline_, 15000))     \
				FAIL("never came true: %s", #condition);          \
		}                                                                 \
	} while (0)

/* An empty node: run directories, a cgroup of its own. */
void solo_init(void);

/* A container of the pod that runs `script` in a shell; to be changed at will before solo_spawn. */
struct lp_control_container *solo_add(const char *name, const char *script);

/* The keeper makes the pod and waits; then its containers start. */
void solo_spawn(void);
void solo_go(void);

/* What the keeper said last of that container; NULL = nothing. */
struct solo_seen *solo_seen(const char *name);
bool solo_runs(const char *name);
bool solo_ended(const char *name);

/* The pod is forgotten, and nothing of it is left. */
void solo_finish(void);

/* The caller frees; a shared file that is not there is empty. */
char *solo_read_shared(const char *name);
char *solo_read_log(const char *container, uint64_t attempt);

#endif

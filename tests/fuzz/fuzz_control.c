/*
 * tests/fuzz/fuzz_control.c - records between agent and keeper: what is accepted, is written so that it reads back the same.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "keeper/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
message(const uint8_t *data, size_t len)
{
	struct lp_control_message first, second;
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf one, two;

	lp_arena_init(&arena, 8 << 20);
	lp_buf_init(&one, 1 << 20);
	lp_buf_init(&two, 1 << 20);
	if (lp_control_message_read(&arena, data, len, &first, NULL) < 0 || lp_control_message_write(&one, &first, NULL) < 0)
		return;
	int rc = lp_control_message_read(&arena, one.data, one.len, &second, NULL);

	if (rc == -ENOMEM)
		return;
	assert(rc == 0);
	rc = lp_control_message_write(&two, &second, NULL);
	assert(rc == 0 && one.len == two.len && !memcmp(one.data, two.data, one.len));
}

static void
pod(const uint8_t *data, size_t len)
{
	struct lp_control_pod first, second;
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf one;

	lp_arena_init(&arena, 8 << 20);
	lp_buf_init(&one, 1 << 20);
	if (lp_control_pod_read(&arena, data, len, &first, NULL) < 0 || lp_control_pod_write(&one, &first, NULL) < 0)
		return;
	int rc = lp_control_pod_read(&arena, one.data, one.len, &second, NULL);

	assert(rc == 0 || rc == -ENOMEM);
	assert(rc < 0 || second.container_count == first.container_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_control_state state;
	struct lp_control_status *statuses;
	lp_auto_arena struct lp_arena arena;
	const char *cgroup;
	size_t count;

	message(data, len);
	pod(data, len);
	lp_arena_init(&arena, 8 << 20);
	(void)lp_control_last_parse(&arena, data, len, &state, &statuses, &count, &cgroup, NULL);
	return 0;
}

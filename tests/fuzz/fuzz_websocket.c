/*
 * tests/fuzz/fuzz_websocket.c - WebSocket frames: no message is longer than allowed, and how the bytes are cut does not matter.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MESSAGE_MAX 4096

struct seen {
	uint64_t sum;
	size_t count;
};

static int
got(void *arg, enum lp_websocket_op op, const void *data, size_t len)
{
	struct seen *seen = arg;
	const uint8_t *bytes = data;

	assert(op == LP_WEBSOCKET_BINARY ? len <= MESSAGE_MAX : len <= 125);
	seen->count++;
	for (size_t i = 0; i < len; i++)
		seen->sum = seen->sum * 31 + bytes[i];
	return 0;
}

static int
run(const uint8_t *data, size_t len, size_t step, struct seen *seen)
{
	struct lp_websocket ws;
	int rc = 0;

	memset(seen, 0, sizeof(*seen));
	lp_websocket_init(&ws, false, MESSAGE_MAX, got, seen);
	for (size_t at = 0; at < len && rc == 0; at += step)
		rc = lp_websocket_feed(&ws, data + at, len - at < step ? len - at : step, NULL);
	lp_websocket_fini(&ws);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen whole, cut;
	int a = run(data, len, len ? len : 1, &whole), b = run(data, len, 1, &cut);

	assert(a == b && whole.count == cut.count && whole.sum == cut.sum);
	return 0;
}

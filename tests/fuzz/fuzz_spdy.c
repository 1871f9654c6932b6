/*
 * tests/fuzz/fuzz_spdy.c - SPDY frames: streams are odd and rise, and how the bytes are cut does not matter.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
	uint32_t last;
	size_t opened, bytes, resets;
};

static bool
opened(void *arg, uint32_t stream, const struct lp_spdy_headers *headers, bool fin)
{
	struct seen *seen = arg;

	(void)fin;
	assert((stream & 1) && stream > seen->last);
	seen->last = stream;
	seen->opened += 1 + strlen(headers->stream_type) + strlen(headers->port) + strlen(headers->request_id);
	return stream % 3 != 0;
}

static void
data_come(void *arg, uint32_t stream, const void *data, size_t len, bool fin)
{
	(void)stream;
	(void)data;
	(void)fin;
	((struct seen *)arg)->bytes += len;
}

static void
reset(void *arg, uint32_t stream)
{
	(void)stream;
	((struct seen *)arg)->resets++;
}

static void
goaway(void *arg)
{
	(void)arg;
}

static const struct lp_spdy_ops ops = { .opened = opened, .data = data_come, .reset = reset, .goaway = goaway };

static int
run(const uint8_t *data, size_t len, size_t step, struct seen *seen)
{
	lp_auto_buf struct lp_buf answer;
	struct lp_spdy *spdy = NULL;
	int rc = 0;

	memset(seen, 0, sizeof(*seen));
	lp_buf_init(&answer, 1 << 24);
	if (lp_spdy_new(&spdy, &ops, seen, NULL) < 0)
		return -1;
	for (size_t at = 0; at < len && rc == 0; at += step)
		rc = lp_spdy_feed(spdy, data + at, len - at < step ? len - at : step, &answer, NULL);
	lp_spdy_free(spdy);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen whole, cut;
	int a = run(data, len, len ? len : 1, &whole), b = run(data, len, 1, &cut);

	assert(a == b && memcmp(&whole, &cut, sizeof(whole)) == 0);
	return 0;
}

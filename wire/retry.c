#include "wire/retry.h"

void
lp_retry_init(struct lp_retry *retry, int64_t first_ms, int64_t most_ms, int64_t steady_ms)
{
	retry->first_ms = first_ms ? first_ms : 500;
	retry->most_ms = most_ms ? most_ms : 60000;
	retry->steady_ms = steady_ms ? steady_ms : 30000;
	retry->failures = 0;
	retry->up_since_ms = -1;
}

void
lp_retry_up(struct lp_retry *retry, int64_t now_ms)
{
	retry->up_since_ms = now_ms;
}

int64_t
lp_retry_down(struct lp_retry *retry, int64_t now_ms, uint32_t chance, int64_t hint_ms)
{
	int64_t wait = retry->first_ms;

	if (retry->up_since_ms >= 0 && now_ms - retry->up_since_ms >= retry->steady_ms)
		retry->failures = 0;
	retry->up_since_ms = -1;
	for (uint32_t i = 0; i < retry->failures && wait < retry->most_ms; i++)
		wait *= 2;
	if (wait > retry->most_ms)
		wait = retry->most_ms;
	retry->failures++;
	if (hint_ms > 0)
		return now_ms + hint_ms + (int64_t)(chance % (uint64_t)(hint_ms / 4 + 1));
	return now_ms + wait / 2 + (int64_t)(chance % (uint64_t)(wait - wait / 2 + 1));
}

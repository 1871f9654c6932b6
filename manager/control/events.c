/*
 * manager/control/events.c - pure: events are forgotten an hour after they last happened.
 */
#include "base/clock.h"
#include "manager/control/control.h"
#include "specs/object.h"

#define EVENT_LIFE_MS 3600000

void
lp_events_control(const struct lp_look *look, struct lp_writes *writes)
{
	size_t count;
	struct lp_cached *const *events = lp_cache_list(look->cache, lp_kind_find("v1", "Event"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *event = lp_cached_json(events[i]);
		const char *last = lp_json_str(event, "lastTimestamp");
		int64_t last_ms = lp_object_created_ms(event), left_ms;

		if (last)
			(void)lp_clock_parse(last, &last_ms);	/* unreadable: its creation counts */
		left_ms = last_ms + EVENT_LIFE_MS - look->wall_ms;
		if (left_ms <= 0)
			lp_writes_delete(writes, events[i], 0);
		else
			lp_writes_look_again(writes, look->now_ms + left_ms);
	}
}

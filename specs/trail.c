#include "specs/trail.h"

#include <stdbool.h>

static void
print(const struct lp_trail *trail, struct lp_buf *out, bool plain)
{
	if (!trail)
		return;
	print(trail->up, out, plain);
	if (trail->key)
		lp_buf_printf(out, "[%s]", trail->key);
	else if (trail->name)
		lp_buf_printf(out, "%s%s", out->len > 0 ? "." : "", trail->name);
	else if (!plain)
		lp_buf_printf(out, "[%zu]", trail->index);
}

void
lp_trail_print(const struct lp_trail *trail, struct lp_buf *out)
{
	print(trail, out, false);
}

void
lp_trail_print_plain(const struct lp_trail *trail, struct lp_buf *out)
{
	print(trail, out, true);
}

const char *
lp_trail_text(struct lp_arena *arena, const struct lp_trail *trail)
{
	lp_auto_buf struct lp_buf out = { 0 };
	const char *text;

	lp_buf_init(&out, 64 << 10);
	lp_trail_print(trail, &out);
	text = lp_arena_str(arena, lp_buf_text(&out));
	return text ? text : "";
}

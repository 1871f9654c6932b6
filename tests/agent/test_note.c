#include "agent/pod/note.h"

#include <string.h>

#include "base/text.h"
#include "tests/harness.h"

#define D1 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D2 "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char web[] = "web", side[] = "side";
static struct lp_pod_container rows[2];

static struct lp_pod
make_pod(void)
{
	memset(rows, 0, sizeof(rows));
	rows[0].name = web;
	rows[1].name = side;
	return (struct lp_pod){ .containers = rows, .container_count = 2 };
}

TEST(what_is_noted_comes_back)
{
	struct lp_pod pod = make_pod();
	lp_auto_arena struct lp_arena arena;
	const char *note;

	lp_arena_init(&arena, 1 << 20);
	memcpy(rows[0].image_id, D1, sizeof(D1));
	memcpy(rows[1].image_id, D2, sizeof(D2));
	note = lp_note_write(&arena, &pod, "10.42.0.5");
	CHECK_STR(note, "10.42.0.5 web=" D1 " side=" D2);
	pod = make_pod();
	lp_note_read(&pod, note);
	CHECK_INT(pod.addr, 0x0a2a0005);
	CHECK_STR(rows[0].image_id, D1);
	CHECK_STR(rows[1].image_id, D2);
	rows[0].image_id[0] = '\0';
	note = lp_note_write(&arena, &pod, "");
	CHECK_STR(note, "- side=" D2);
	pod = make_pod();
	lp_note_read(&pod, note);
	CHECK_INT(pod.addr, 0);
	CHECK_STR(rows[0].image_id, "");
	CHECK_STR(rows[1].image_id, D2);
}

TEST(an_address_alone_and_nonsense_are_read_as_far_as_they_go)
{
	static const char *const odd[] = { "10.42.0.5", "10.42.0.5 ", "10.42.0.5 web", "10.42.0.5 web=", "10.42.0.5 web=sha256:00",
		"10.42.0.5 =" D1, "10.42.0.5 other=" D1, "10.42.0.5 web=" D1 "0" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct lp_pod pod = make_pod();

		lp_note_read(&pod, odd[i]);
		CHECK_INT(pod.addr, 0x0a2a0005);
		CHECK_STR(rows[0].image_id, "");
	}
	struct lp_pod pod = make_pod();

	lp_note_read(&pod, NULL);
	lp_note_read(&pod, "");
	lp_note_read(&pod, "a.very.long.word.that.is.no.address web=" D1);
	CHECK_INT(pod.addr, 0);
	CHECK_STR(rows[0].image_id, D1);
}

TEST(cpus_of_ones_own_are_remembered)
{
	struct lp_pod pod = make_pod();
	lp_auto_arena struct lp_arena arena;
	const char *note;
	char text[LP_PINNING_TEXT];

	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(lp_pinning_parse("2-3,7", &rows[1].cpus), 0);
	note = lp_note_write(&arena, &pod, "");
	CHECK_STR(note, "- side@2-3,7");
	pod = make_pod();
	lp_note_containers(&pod, note);
	lp_pinning_print(&rows[1].cpus, text);
	CHECK_STR(text, "2-3,7");
	CHECK_INT(lp_pinning_count(&rows[0].cpus), 0);
}

TEST(when_a_pod_began_is_remembered)
{
	struct lp_pod pod = make_pod();
	lp_auto_arena struct lp_arena arena;
	const char *note;

	lp_arena_init(&arena, 1 << 20);
	pod.began_ms = INT64_C(1763640000000);
	note = lp_note_write(&arena, &pod, "");
	CHECK_STR(note, "- since:1763640000000");
	pod.began_ms = 0;
	lp_note_read(&pod, "- since:99999999999999999999999999999999999 since: since:-1 since:1x");
	CHECK_INT(pod.began_ms, 0);
	lp_note_read(&pod, note);
	CHECK_INT(pod.began_ms, INT64_C(1763640000000));
}

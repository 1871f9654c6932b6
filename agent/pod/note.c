#include "agent/pod/note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/text.h"

#define NOTE_MAX 65536
#define SINCE "since:"

const char *
lp_note_write(struct lp_arena *arena, const struct lp_pod *pod, const char *ip)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, NOTE_MAX);
	(void)lp_buf_str(&text, *ip ? ip : "-");
	for (size_t i = 0; i < pod->container_count; i++)
		if (*pod->containers[i].image_id)
			(void)lp_buf_printf(&text, " %s=%s", pod->containers[i].name, pod->containers[i].image_id);
	if (pod->began_ms)
		(void)lp_buf_printf(&text, " " SINCE "%" PRId64, pod->began_ms);
	for (size_t i = 0; i < pod->container_count; i++) {
		char cpus[LP_PINNING_TEXT];

		lp_pinning_print(&pod->containers[i].cpus, cpus);
		if (*cpus)
			(void)lp_buf_printf(&text, " %s@%s", pod->containers[i].name, cpus);
	}
	return text.failed ? NULL : lp_arena_str(arena, text.data);
}

static void
read_image(struct lp_pod *pod, const char *word, size_t len)
{
	const char *equals = memchr(word, '=', len);
	char digest[LP_DIGEST_TEXT];

	if (!equals || len - (size_t)(equals - word) - 1 != sizeof(digest) - 1)
		return;
	memcpy(digest, equals + 1, sizeof(digest) - 1);
	digest[sizeof(digest) - 1] = '\0';
	if (lp_digest_parse(digest, NULL) < 0)
		return;
	for (size_t i = 0; i < pod->container_count; i++) {
		struct lp_pod_container *container = &pod->containers[i];

		if (strlen(container->name) == (size_t)(equals - word) && !memcmp(container->name, word, (size_t)(equals - word)))
			memcpy(container->image_id, digest, sizeof(digest));
	}
}

/* "web@2-3": the container's own cpus. */
static void
read_cpus(struct lp_pod *pod, const char *word, size_t len)
{
	const char *sign = memchr(word, '@', len);
	char text[LP_PINNING_TEXT];
	struct lp_cpus cpus;
	size_t rest = sign ? len - (size_t)(sign - word) - 1 : 0;

	if (!sign || rest >= sizeof(text))
		return;
	memcpy(text, sign + 1, rest);
	text[rest] = '\0';
	if (lp_pinning_parse(text, &cpus) < 0)
		return;
	for (size_t i = 0; i < pod->container_count; i++)
		if (strlen(pod->containers[i].name) == (size_t)(sign - word) && !memcmp(pod->containers[i].name, word, (size_t)(sign - word)))
			pod->containers[i].cpus = cpus;
}

static void
read_since(struct lp_pod *pod, const char *word, size_t len)
{
	char text[32];
	uint64_t ms;

	if (!lp_text_starts(word, SINCE) || len >= sizeof(text))
		return;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(len - strlen(SINCE)), word + strlen(SINCE));
	if (lp_text_u64(text, INT64_MAX, &ms) == 0)
		pod->began_ms = (int64_t)ms;
}

void
lp_note_read(struct lp_pod *pod, const char *note)
{
	char ip[LP_TEXT_IPV4];
	size_t len = note ? strcspn(note, " ") : 0;
	uint32_t addr;

	if (!note)
		return;
	(void)snprintf(ip, sizeof(ip), "%.*s", (int)len, note);
	if (len < sizeof(ip) && lp_text_ipv4(ip, &addr) == 0)
		pod->addr = addr;
	lp_note_containers(pod, note);
}

void
lp_note_containers(struct lp_pod *pod, const char *note)
{
	size_t len;

	for (const char *p = note ? note + strcspn(note, " ") : ""; *p;) {
		p += strspn(p, " ");
		len = strcspn(p, " ");
		read_image(pod, p, len);
		read_cpus(pod, p, len);
		read_since(pod, p, len);
		p += len;
	}
}

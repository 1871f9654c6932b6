/* keeper/care.c - see care.h. */
#include "keeper/care.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/seam.h"
#include "keeper/keeper.h"

#define TIMEOUT_MS 1000
#define NEWS_BYTES 640
#define TELL_MOST 25			/* failed probes in a row that are news; source: client-go EventSpamFilter */
#define FORGIVE_MS 300000

/* ---- words ---- */

static struct lp_control_news *
find_news(struct lp_care *care, enum lp_control_news_kind kind)
{
	struct lp_control_news *more;

	for (size_t i = 0; i < care->news_count; i++)
		if (care->news[i].kind == (int32_t)kind)
			return &care->news[i];
	more = realloc(care->news, (care->news_count + 1) * sizeof(*more));
	if (!more)
		return NULL;
	care->news = more;
	care->news[care->news_count] = (struct lp_control_news){ .kind = (int32_t)kind };
	return &care->news[care->news_count++];
}

void
lp_care_tell(struct lp_ward *ward, enum lp_control_news_kind kind, const char *fmt, ...)
{
	struct lp_control_news *news = find_news(&ward->care, kind);
	char text[NEWS_BYTES];
	va_list args;

	if (!news)
		return;		/* words for people; what happened is in the status */
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	free((char *)(uintptr_t)news->text);
	news->text = strdup(text);
	news->count++;
	ward->dirty = true;
	lp_keeper_changed(ward->keeper);
}

/* ---- the end of a run that is not well ---- */

static void
give_up(struct lp_ward *ward, const struct lp_control_probe *probe)
{
	const struct lp_control_pod *pod = &ward->keeper->pod;

	ward->facts.unwell = true;
	ward->care.grace_ms = probe && probe->grace_set ? probe->grace_ms : pod->grace_ms >= 0 ? pod->grace_ms : LP_KEEPER_GRACE_MS;
	lp_keeper_look(ward->keeper);
}

void
lp_care_renew(struct lp_ward *ward)
{
	if (ward->facts.state != LP_PLAN_RUNNING || ward->facts.unwell || ward->keeper->facts.stopping)
		return;		/* it ends anyway */
	ward->facts.anew = true;
	give_up(ward, NULL);
}

/* ---- probes ---- */

static void look_after(struct lp_ward *ward, int64_t now_ms);

static bool
has_probe(const struct lp_ward *ward, enum lp_control_probe_kind kind)
{
	for (size_t i = 0; i < ward->spec->probe_count; i++)
		if (ward->spec->probes[i].kind == (int32_t)kind)
			return true;
	return false;
}

bool
lp_care_ready(const struct lp_ward *ward)
{
	if (ward->facts.state != LP_PLAN_RUNNING || !ward->facts.started)
		return false;
	for (size_t i = 0; ward->care.probes && i < ward->spec->probe_count; i++)
		if (ward->care.probes[i].spec->kind == LP_CONTROL_READINESS)
			return ward->care.probes[i].probe.result == LP_PROBE_SUCCESS;
	return !has_probe(ward, LP_CONTROL_READINESS);
}

static void
has_started(struct lp_ward *ward)
{
	ward->facts.started = true;
	ward->care.turned_ms = has_probe(ward, LP_CONTROL_STARTUP) ? lp_clock_wall_ms() : 0;
	ward->dirty = true;
}

static void
turned(struct lp_ward *ward, const struct lp_care_probe *care)
{
	switch ((enum lp_control_probe_kind)care->spec->kind) {
	case LP_CONTROL_STARTUP:
		if (care->probe.result == LP_PROBE_SUCCESS) {
			has_started(ward);
			lp_keeper_changed(ward->keeper);
			return;		/* answered() looks again: others may have waited for it */
		}
		lp_care_tell(ward, LP_CONTROL_NEWS_KILLING, "Container %s failed startup probe, will be restarted", ward->spec->name);
		give_up(ward, care->spec);
		return;
	case LP_CONTROL_LIVENESS:
		if (care->probe.result != LP_PROBE_FAILURE)
			return;
		lp_care_tell(ward, LP_CONTROL_NEWS_KILLING, "Container %s failed liveness probe, will be restarted", ward->spec->name);
		give_up(ward, care->spec);
		return;
	case LP_CONTROL_READINESS:
	case LP_CONTROL_PROBES:
		ward->care.turned_ms = lp_clock_wall_ms();
		ward->dirty = true;
		lp_keeper_changed(ward->keeper);
		return;
	}
}

/* A probe that fails for ever is no news for ever: each word costs a write on the manager's disk. */
static bool
may_tell(struct lp_care *care, int64_t now_ms)
{
	while (care->told > 0 && now_ms >= care->forgive_ms) {
		care->told--;
		care->forgive_ms += FORGIVE_MS;
	}
	if (care->told >= TELL_MOST)
		return false;
	if (care->told++ == 0)
		care->forgive_ms = now_ms + FORGIVE_MS;
	return true;
}

static void
answered(struct lp_errand *errand, enum lp_errand_result result, const char *text, int64_t now_ms)
{
	static const enum lp_probe_answer answers[] = {
		[LP_ERRAND_DONE] = LP_PROBE_SUCCESS,
		[LP_ERRAND_FAILED] = LP_PROBE_FAILURE,
		[LP_ERRAND_BROKEN] = LP_PROBE_UNKNOWN,
	};
	struct lp_care_probe *care = lp_of(errand, struct lp_care_probe, errand);
	struct lp_ward *ward = errand->ward;

	if (result != LP_ERRAND_DONE && may_tell(&ward->care, now_ms))
		lp_care_tell(ward, (enum lp_control_news_kind)(LP_CONTROL_NEWS_STARTUP + care->spec->kind), "%s probe %s: %s",
		    lp_probe_name(care->spec->kind), result == LP_ERRAND_BROKEN ? "errored" : "failed", text);
	if (lp_probe_answer(&care->probe, care->spec, answers[result]))
		turned(ward, care);
	look_after(ward, now_ms);
	lp_keeper_look(ward->keeper);	/* memory that this took goes back */
}

static void
due(struct lp_timer *timer, int64_t now_ms)
{
	look_after(lp_of(timer, struct lp_ward, care.due), now_ms);
}

/* Ask what is to be asked, and come back when the next one is. */
static void
look_after(struct lp_ward *ward, int64_t now_ms)
{
	struct lp_care *care = &ward->care;
	int64_t next_ms = INT64_MAX;

	for (size_t i = 0; care->probes && i < ward->spec->probe_count; i++) {
		struct lp_care_probe *probe = &care->probes[i];
		int64_t at_ms = lp_probe_due_ms(&probe->probe);

		if (!ward->container || !lp_probe_wanted(probe->spec, ward->facts.begun, ward->facts.started, ward->facts.asked))
			continue;
		if (at_ms > now_ms) {
			next_ms = at_ms < next_ms ? at_ms : next_ms;
			continue;
		}
		lp_probe_ask(&probe->probe, probe->spec, now_ms);
		lp_errand_start(&probe->errand, ward, &probe->spec->action, probe->spec->timeout_ms > 0 ? probe->spec->timeout_ms : TIMEOUT_MS,
		    answered);
	}
	if (next_ms != INT64_MAX)
		(void)lp_timer_start(ward->keeper->loop, &care->due, next_ms, due);	/* without memory: after the next answer */
	else
		lp_timer_stop(&care->due);
}

/* ---- hooks ---- */

static void
has_begun(struct lp_ward *ward, int64_t now_ms)
{
	ward->facts.begun = true;
	if (!has_probe(ward, LP_CONTROL_STARTUP))
		has_started(ward);
	look_after(ward, now_ms);
}

static void
post_start_done(struct lp_errand *hook, enum lp_errand_result result, const char *text, int64_t now_ms)
{
	struct lp_ward *ward = hook->ward;

	if (result == LP_ERRAND_DONE) {
		ward->dirty = true;
		has_begun(ward, now_ms);
		lp_keeper_changed(ward->keeper);
		lp_keeper_look(ward->keeper);
		return;
	}
	lp_care_tell(ward, LP_CONTROL_NEWS_POST_START, "PostStartHook failed%s%s", *text ? ": " : "", text);
	lp_care_tell(ward, LP_CONTROL_NEWS_KILLING, "FailedPostStartHook");
	give_up(ward, NULL);
}

static void
pre_stop_done(struct lp_errand *hook, enum lp_errand_result result, const char *text, int64_t now_ms)
{
	struct lp_ward *ward = hook->ward;

	(void)now_ms;
	ward->facts.hooked = false;
	if (result != LP_ERRAND_DONE)
		lp_care_tell(ward, LP_CONTROL_NEWS_PRE_STOP, "PreStopHook failed%s%s", *text ? ": " : "", text);
	lp_keeper_look(ward->keeper);
}

bool
lp_care_pre_stop(struct lp_ward *ward)
{
	const struct lp_control_action *action = &ward->spec->pre_stop;

	lp_care_leave_hook(ward);
	if (action->deed == LP_CONTROL_DEED_NONE || !ward->care.hook || !ward->container)
		return false;
	ward->care.hook_used = ward->facts.hooked = true;
	lp_errand_start(ward->care.hook, ward, action, 0, pre_stop_done);
	return true;
}

void
lp_care_leave_hook(struct lp_ward *ward)
{
	if (ward->care.hook)
		lp_errand_cancel(ward->care.hook);
	ward->facts.hooked = false;
}

/* ---- a run ---- */

void
lp_care_init(struct lp_ward *ward)
{
	const struct lp_control_container *spec = ward->spec;
	struct lp_care *care = &ward->care;

	if (!care->hook && (spec->post_start.deed != LP_CONTROL_DEED_NONE || spec->pre_stop.deed != LP_CONTROL_DEED_NONE))
		care->hook = lp_seam.alloc(sizeof(*care->hook));
	if (!care->probes && spec->probe_count)
		care->probes = lp_seam.alloc(spec->probe_count * sizeof(*care->probes));
	for (size_t i = 0; care->probes && i < spec->probe_count; i++)
		care->probes[i].spec = &spec->probes[i];
}

void
lp_care_begin(struct lp_ward *ward, int64_t now_ms)
{
	struct lp_care *care = &ward->care;

	lp_care_init(ward);
	care->hook_used = false;
	care->turned_ms = 0;
	for (size_t i = 0; care->probes && i < ward->spec->probe_count; i++)
		lp_probe_begin(&care->probes[i].probe, care->probes[i].spec, now_ms);
	if (ward->spec->post_start.deed == LP_CONTROL_DEED_NONE || !care->hook)
		has_begun(ward, now_ms);
	else
		lp_errand_start(care->hook, ward, &ward->spec->post_start, 0, post_start_done);
}

void
lp_care_end(struct lp_ward *ward)
{
	struct lp_care *care = &ward->care;

	lp_timer_stop(&care->due);
	lp_care_leave_hook(ward);
	for (size_t i = 0; care->probes && i < ward->spec->probe_count; i++) {
		lp_errand_cancel(&care->probes[i].errand);
		care->probes[i].probe.asking = false;
	}
}

struct lp_errand *
lp_care_errand(const struct lp_ward *ward, size_t which)
{
	if (which == 0)
		return ward->care.hook;
	return ward->care.probes && which <= ward->spec->probe_count ? &ward->care.probes[which - 1].errand : NULL;
}

void
lp_care_resume_errand(struct lp_ward *ward, size_t which, const struct lp_errand *from)
{
	bool ending = ward->facts.asked;

	if (which == 0)
		lp_errand_resume(ward->care.hook, ward, ending ? &ward->spec->pre_stop : &ward->spec->post_start, from,
		    ending ? pre_stop_done : post_start_done);
	else
		lp_errand_resume(lp_care_errand(ward, which), ward, &ward->spec->probes[which - 1].action, from, answered);
}

void
lp_care_resume(struct lp_ward *ward, int64_t now_ms)
{
	bool hook = ward->care.hook && ward->care.hook->busy;

	if (!hook)
		ward->facts.hooked = false;
	if (!ward->facts.begun && !ward->facts.unwell && !hook)
		has_begun(ward, now_ms);	/* of a program that knew no hooks */
	else
		look_after(ward, now_ms);
}

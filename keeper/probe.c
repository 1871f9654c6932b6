/* keeper/probe.c - see probe.h. */
#include "keeper/probe.h"

#include "base/auto.h"

#define PERIOD_MS 10000

static const char names[LP_CONTROL_PROBES][10] = {
	[LP_CONTROL_STARTUP] = "Startup",
	[LP_CONTROL_LIVENESS] = "Liveness",
	[LP_CONTROL_READINESS] = "Readiness",
};

void
lp_probe_begin(struct lp_probe *probe, const struct lp_control_probe *spec, int64_t began_ms)
{
	*probe = (struct lp_probe){ .due_ms = began_ms + spec->initial_delay_ms };
	switch ((enum lp_control_probe_kind)spec->kind) {
	case LP_CONTROL_STARTUP:
		probe->result = LP_PROBE_UNKNOWN;
		return;
	case LP_CONTROL_LIVENESS:
		probe->result = LP_PROBE_SUCCESS;
		return;
	case LP_CONTROL_READINESS:
	case LP_CONTROL_PROBES:
		probe->result = LP_PROBE_FAILURE;
		return;
	}
}

bool
lp_probe_wanted(const struct lp_control_probe *spec, bool begun, bool started, bool ending)
{
	if (!begun || started == (spec->kind == LP_CONTROL_STARTUP))
		return false;
	return !ending || spec->kind == LP_CONTROL_READINESS;	/* who is asked to end need not be well, but may say that it is busy */
}

int64_t
lp_probe_due_ms(const struct lp_probe *probe)
{
	return probe->asking || probe->held ? INT64_MAX : probe->due_ms;
}

void
lp_probe_ask(struct lp_probe *probe, const struct lp_control_probe *spec, int64_t now_ms)
{
	probe->asking = true;
	probe->due_ms = now_ms + (spec->period_ms > 0 ? spec->period_ms : PERIOD_MS);
}

bool
lp_probe_answer(struct lp_probe *probe, const struct lp_control_probe *spec, enum lp_probe_answer answer)
{
	uint32_t wanted = answer == LP_PROBE_SUCCESS ? spec->success_threshold ? spec->success_threshold : 1 :
	    spec->failure_threshold ? spec->failure_threshold : 3;

	probe->asking = false;
	if (answer == LP_PROBE_UNKNOWN)
		return false;
	if (answer != probe->newest)
		probe->row = 0;
	probe->newest = (uint8_t)answer;
	if (probe->row < wanted)
		probe->row++;
	if (probe->row < wanted)
		return false;
	if (answer == LP_PROBE_FAILURE && spec->kind != LP_CONTROL_READINESS)
		probe->held = true;
	if (probe->result == answer)
		return false;
	probe->result = (uint8_t)answer;
	return true;
}

const char *
lp_probe_name(int32_t kind)
{
	return kind >= 0 && (size_t)kind < lp_count(names) ? names[kind] : "";
}

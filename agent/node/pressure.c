#include "agent/node/pressure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/quantity.h"

enum { WORD_MAX = 64, PPM = 1000000, PPM_OF_PERCENT = 10000 };

static const struct {
	const char *name, *resource;
	enum lp_pressure_kind kind;
} signals[LP_PRESSURE_SIGNALS] = {
	[LP_PRESSURE_MEMORY] = { "memory.available", "memory", LP_PRESSURE_OF_MEMORY },
	[LP_PRESSURE_NODEFS] = { "nodefs.available", "ephemeral-storage", LP_PRESSURE_OF_DISK },
	[LP_PRESSURE_NODEFS_INODES] = { "nodefs.inodesFree", "inodes", LP_PRESSURE_OF_DISK },
	[LP_PRESSURE_IMAGEFS] = { "imagefs.available", "ephemeral-storage", LP_PRESSURE_OF_DISK },
	[LP_PRESSURE_IMAGEFS_INODES] = { "imagefs.inodesFree", "inodes", LP_PRESSURE_OF_DISK },
	[LP_PRESSURE_PIDS] = { "pid.available", "pids", LP_PRESSURE_OF_PIDS },
};

enum lp_pressure_kind
lp_pressure_kind_of(enum lp_pressure_signal signal)
{
	return signals[signal].kind;
}

const char *
lp_pressure_signal_name(enum lp_pressure_signal signal)
{
	return signals[signal].name;
}

const char *
lp_pressure_resource(enum lp_pressure_signal signal)
{
	return signals[signal].resource;
}

int64_t
lp_pressure_amount(const struct lp_pressure_amount *amount, int64_t capacity)
{
	return amount->share_ppm > 0 ? capacity / PPM * amount->share_ppm + capacity % PPM * amount->share_ppm / PPM : amount->value;
}

void
lp_pressure_defaults(struct lp_pressure_config *config, int64_t memory_bytes)
{
	const int64_t usual = INT64_C(100) << 20, small = memory_bytes / 10;

	*config = (struct lp_pressure_config){
		.hard = {
			[LP_PRESSURE_MEMORY] = { .set = true, .value = memory_bytes > 0 && small < usual ? small : usual },
			[LP_PRESSURE_NODEFS] = { .set = true, .share_ppm = 10 * PPM_OF_PERCENT },
			[LP_PRESSURE_NODEFS_INODES] = { .set = true, .share_ppm = 5 * PPM_OF_PERCENT },
			[LP_PRESSURE_IMAGEFS] = { .set = true, .share_ppm = 15 * PPM_OF_PERCENT },
			[LP_PRESSURE_IMAGEFS_INODES] = { .set = true, .share_ppm = 5 * PPM_OF_PERCENT },
		},
		.transition_ms = 300000,
	};
}

/* ---- options */

/* "7.5%" -> 75000; -EINVAL beyond 0 to 100. */
static int
parse_share(const char *text, int64_t *out_ppm)
{
	size_t len = strlen(text) - 1;
	struct lp_quantity quantity;
	char number[WORD_MAX];

	memcpy(number, text, len);	/* callers bound it, and there is a percent sign */
	number[len] = '\0';
	if (text[len] != '%' || strspn(number, "0123456789.") != len || lp_quantity_parse(number, &quantity) < 0)
		return -EINVAL;
	*out_ppm = lp_quantity_milli(&quantity) * (PPM_OF_PERCENT / 1000);
	return *out_ppm > 0 && *out_ppm < PPM ? 0 : -EINVAL;
}

static int
parse_amount(const char *text, struct lp_pressure_amount *out)
{
	struct lp_quantity quantity;

	*out = (struct lp_pressure_amount){ .set = true };
	if (strchr(text, '%'))
		return parse_share(text, &out->share_ppm);
	if (lp_quantity_parse(text, &quantity) < 0 || quantity.units < 0)
		return -EINVAL;
	out->value = lp_quantity_value(&quantity);
	return 0;
}

static int
find_signal(const char *name, enum lp_pressure_signal *out)
{
	for (int i = 0; i < LP_PRESSURE_SIGNALS; i++)
		if (strcmp(signals[i].name, name) == 0) {
			*out = (enum lp_pressure_signal)i;
			return 0;
		}
	return -ENOENT;
}

/* The next "name<value" of the list; 1, 0 at its end, or -EINVAL. */
static int
next_pair(const char **at, char with, enum lp_pressure_signal *out_signal, char value[static WORD_MAX], struct lp_err *err)
{
	size_t len = strcspn(*at, ",");
	char word[WORD_MAX], *sign;

	if (!**at)
		return 0;
	if (len >= sizeof(word))
		return lp_err_say(err, -EINVAL, "\"%.20s...\" is no threshold", *at);
	memcpy(word, *at, len);
	word[len] = '\0';
	*at += len + ((*at)[len] == ',');
	sign = strchr(word, with);
	if (!sign)
		return lp_err_say(err, -EINVAL, "\"%s\" is not of the form signal%cvalue", word, with);
	*sign = '\0';
	if (find_signal(word, out_signal) < 0)
		return lp_err_say(err, -EINVAL, "unknown eviction signal \"%s\"", word);
	memcpy(value, sign + 1, strlen(sign + 1) + 1);
	return 1;
}

int
lp_pressure_parse(const char *text, char with, struct lp_pressure_amount out[LP_PRESSURE_SIGNALS], struct lp_err *err)
{
	struct lp_pressure_amount list[LP_PRESSURE_SIGNALS] = { { 0 } };
	enum lp_pressure_signal signal;
	char value[WORD_MAX];
	int rc;

	while ((rc = next_pair(&text, with, &signal, value, err)) > 0) {
		if (list[signal].set)
			return lp_err_say(err, -EINVAL, "eviction signal \"%s\" is there twice", signals[signal].name);
		if (parse_amount(value, &list[signal]) < 0)
			return lp_err_say(err, -EINVAL, "%s: \"%s\" is neither a quantity nor a share like 10%%", signals[signal].name, value);
	}
	if (rc == 0)
		memcpy(out, list, sizeof(list));
	return rc;
}

int
lp_pressure_parse_grace(const char *text, int64_t out_ms[LP_PRESSURE_SIGNALS], struct lp_err *err)
{
	int64_t list[LP_PRESSURE_SIGNALS] = { 0 };
	enum lp_pressure_signal signal;
	char value[WORD_MAX];
	int rc;

	while ((rc = next_pair(&text, '=', &signal, value, err)) > 0)
		if (lp_text_duration_ms(value, &list[signal]) < 0 || list[signal] <= 0)
			return lp_err_say(err, -EINVAL, "%s: \"%s\" is no time", signals[signal].name, value);
	if (rc == 0)
		memcpy(out_ms, list, sizeof(list));
	return rc;
}

int
lp_pressure_check(const struct lp_pressure_config *config, struct lp_err *err)
{
	for (int i = 0; i < LP_PRESSURE_SIGNALS; i++)
		if (config->soft[i].set && config->grace_ms[i] <= 0)
			return lp_err_say(err, -EINVAL, "--eviction-soft-grace-period must be set for %s", signals[i].name);
	return 0;
}

/* ---- judgement */

static void
note_met(struct lp_pressure_state *state, enum lp_pressure_signal signal, int64_t now_ms, struct lp_pressure_verdict *out)
{
	enum lp_pressure_kind kind = signals[signal].kind;

	out->changed = out->changed || !state->kind[kind];
	state->kind[kind] = true;
	state->last_met_ms[kind] = now_ms;
}

/* The first signal in the table's order decides: memory before disk, as the kubelet sorts them. */
static void
demand(struct lp_pressure_verdict *out, enum lp_pressure_signal signal, int64_t threshold, int64_t available, int64_t grace_s)
{
	bool firmer = out->evict && out->grace_s > 0 && grace_s == 0;

	if (out->evict && !firmer)
		return;
	out->evict = true;
	out->signal = signal;
	out->threshold = threshold;
	out->available = available;
	out->grace_s = grace_s;
}

static void
sooner(struct lp_pressure_verdict *out, int64_t due_ms)
{
	out->due_ms = due_ms < out->due_ms ? due_ms : out->due_ms;
}

static void
judge_signal(const struct lp_pressure_config *config, const struct lp_pressure_facts *facts, struct lp_pressure_state *state,
    enum lp_pressure_signal signal, int64_t now_ms, struct lp_pressure_verdict *out)
{
	int64_t available = facts->available[signal], capacity = facts->capacity[signal];
	int64_t hard = lp_pressure_amount(&config->hard[signal], capacity), soft = lp_pressure_amount(&config->soft[signal], capacity);
	int64_t more = lp_pressure_amount(&config->reclaim[signal], capacity), grace_s = config->max_grace_s > 0 ? config->max_grace_s : 1;
	bool hard_met = config->hard[signal].set && available < hard + (state->reclaiming[signal] ? more : 0);
	bool soft_met = config->soft[signal].set && available < soft;

	state->reclaiming[signal] = hard_met;
	if (!soft_met)
		state->soft_since_ms[signal] = 0;
	else if (!state->soft_since_ms[signal])
		state->soft_since_ms[signal] = now_ms;
	if (hard_met) {
		note_met(state, signal, now_ms, out);
		demand(out, signal, hard, available, 0);
	} else if (soft_met && now_ms - state->soft_since_ms[signal] >= config->grace_ms[signal]) {
		note_met(state, signal, now_ms, out);
		demand(out, signal, soft, available, grace_s);
	} else if (soft_met) {
		sooner(out, state->soft_since_ms[signal] + config->grace_ms[signal]);
	}
}

void
lp_pressure_judge(const struct lp_pressure_config *config, const struct lp_pressure_facts *facts, struct lp_pressure_state *state,
    int64_t now_ms, struct lp_pressure_verdict *out)
{
	*out = (struct lp_pressure_verdict){ .due_ms = INT64_MAX };
	for (int i = 0; i < LP_PRESSURE_SIGNALS; i++)
		if (facts->known[i])
			judge_signal(config, facts, state, (enum lp_pressure_signal)i, now_ms, out);
	for (int kind = 0; kind < LP_PRESSURE_KINDS; kind++) {
		if (!state->kind[kind] || state->last_met_ms[kind] == now_ms)
			continue;
		if (now_ms - state->last_met_ms[kind] >= config->transition_ms) {
			state->kind[kind] = false;
			out->changed = true;
		} else {
			sooner(out, state->last_met_ms[kind] + config->transition_ms);
		}
	}
}

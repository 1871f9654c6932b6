#include "agent/node/allowance.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/quantity.h"

enum { WORD_MAX = 64, MAX_PODS = 110 };

/* "cpu=100m" */
static int
take_pair(const char *word, struct lp_allowance *out, struct lp_err *err)
{
	const struct {
		const char *name;
		int64_t *target;
		bool milli;
	} rows[] = {
		{ "cpu=", &out->cpu_milli, true },
		{ "memory=", &out->memory_bytes, false },
		{ "ephemeral-storage=", &out->disk_bytes, false },
		{ "pid=", &out->pids, false },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		const char *value = word + strlen(rows[i].name);

		if (!lp_text_starts(word, rows[i].name))
			continue;
		*rows[i].target = rows[i].milli ? lp_quantity_text_milli(value, -1) : lp_quantity_text_value(value, -1);
		return *rows[i].target < 0 ? lp_err_say(err, -EINVAL, "--system-reserved: \"%s\" is no quantity", value) : 0;
	}
	return lp_err_say(err, -EINVAL, "--system-reserved: \"%s\" is none of cpu=, memory=, ephemeral-storage=, pid=", word);
}

static int
read_reserved(const char *text, struct lp_allowance *out, struct lp_err *err)
{
	int rc = 0;

	while (rc == 0 && *text) {
		size_t len = strcspn(text, ",");
		char word[WORD_MAX];

		if (len >= sizeof(word))
			return lp_err_say(err, -EINVAL, "--system-reserved: \"%.20s...\" is too long", text);
		memcpy(word, text, len);
		word[len] = '\0';
		rc = take_pair(word, out, err);
		text += len + (text[len] == ',');
	}
	return rc;
}

static int
read_thresholds(const struct lp_allowance_words *words, struct lp_pressure_config *out, struct lp_err *err)
{
	int rc = 0;

	if (words->eviction_hard && lp_pressure_parse(words->eviction_hard, '<', out->hard, err) < 0)
		return lp_err_wrap(err, "--eviction-hard");
	if (words->eviction_soft && lp_pressure_parse(words->eviction_soft, '<', out->soft, err) < 0)
		return lp_err_wrap(err, "--eviction-soft");
	if (words->soft_grace && lp_pressure_parse_grace(words->soft_grace, out->grace_ms, err) < 0)
		return lp_err_wrap(err, "--eviction-soft-grace-period");
	if (words->minimum_reclaim && lp_pressure_parse(words->minimum_reclaim, '=', out->reclaim, err) < 0)
		return lp_err_wrap(err, "--eviction-minimum-reclaim");
	rc = lp_pressure_check(out, err);
	if (words->transition_ms > 0)
		out->transition_ms = words->transition_ms;
	out->max_grace_s = words->max_grace_s;
	return rc;
}

int
lp_allowance_read(const struct lp_allowance_words *words, int64_t memory_bytes, struct lp_allowance *out, struct lp_err *err)
{
	int rc = 0;

	*out = (struct lp_allowance){
		.max_pods = words->max_pods > 0 ? words->max_pods : MAX_PODS,
		.pod_pids_max = words->pod_max_pids > 0 ? (uint64_t)words->pod_max_pids : 0,
		.memory_qos = words->memory_qos,
		.log_max_age_ms = words->log_max_age_ms,
		.cpu_static = lp_text_same(words->cpu_manager, "static"),
	};
	if (words->cpu_manager && !out->cpu_static && strcmp(words->cpu_manager, "none") != 0)
		return lp_err_say(err, -EINVAL, "--cpu-manager-policy %s: none or static", words->cpu_manager);
	lp_pressure_defaults(&out->pressure, memory_bytes);
	if (words->system_reserved)
		rc = read_reserved(words->system_reserved, out, err);
	return rc < 0 ? rc : read_thresholds(words, &out->pressure, err);
}

static int64_t
left(int64_t capacity, int64_t reserved, const struct lp_pressure_amount *kept)
{
	int64_t rest = capacity - reserved - (kept && kept->set ? lp_pressure_amount(kept, capacity) : 0);

	return rest > 0 ? rest : 0;
}

int64_t
lp_allowance_cpu(const struct lp_allowance *allowance, int64_t capacity_milli)
{
	return left(capacity_milli, allowance->cpu_milli, NULL);
}

int64_t
lp_allowance_memory(const struct lp_allowance *allowance, int64_t capacity_bytes)
{
	return left(capacity_bytes, allowance->memory_bytes, &allowance->pressure.hard[LP_PRESSURE_MEMORY]);
}

int64_t
lp_allowance_disk(const struct lp_allowance *allowance, int64_t capacity_bytes)
{
	return left(capacity_bytes, allowance->disk_bytes, &allowance->pressure.hard[LP_PRESSURE_NODEFS]);
}

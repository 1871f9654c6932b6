#include "agent/node/allowance.h"

#include <errno.h>

#include "tests/harness.h"

#define MI (INT64_C(1) << 20)

TEST(what_is_reserved_and_what_evicts_is_not_for_pods)
{
	const struct lp_allowance_words words = { .system_reserved = "cpu=100m,memory=64Mi,ephemeral-storage=1Gi,pid=100" };
	struct lp_allowance allowance;
	struct lp_err err;

	CHECK_OK(lp_allowance_read(&words, 2048 * MI, &allowance, &err), &err);
	CHECK_INT(lp_allowance_cpu(&allowance, 4000), 3900);
	CHECK_INT(lp_allowance_memory(&allowance, 2048 * MI), (2048 - 64 - 100) * MI);
	CHECK_INT(lp_allowance_disk(&allowance, 10240 * MI), (10240 - 1024 - 1024) * MI);
	CHECK_INT(allowance.pids, 100);
	CHECK_INT(allowance.max_pods, 110);
	CHECK_INT(lp_allowance_cpu(&allowance, 50), 0);
}

TEST(options_that_make_no_sense_are_refused_by_name)
{
	static const struct {
		struct lp_allowance_words words;
		const char *text;
	} rows[] = {
		{ { .system_reserved = "cpu=x" }, "--system-reserved: \"x\" is no quantity" },
		{ { .system_reserved = "disk=1Gi" }, "--system-reserved: \"disk=1Gi\" is none of cpu=, memory=, ephemeral-storage=, pid=" },
		{ { .eviction_hard = "memory<1Gi" }, "--eviction-hard: unknown eviction signal \"memory\"" },
		{ { .eviction_soft = "memory.available<1Gi" }, "--eviction-soft-grace-period must be set for memory.available" },
		{ { .cpu_manager = "best" }, "--cpu-manager-policy best: none or static" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lp_allowance allowance;
		struct lp_err err = { 0 };

		CHECK_INT(lp_allowance_read(&rows[i].words, 2048 * MI, &allowance, &err), -EINVAL);
		CHECK_STR(err.text, rows[i].text);
	}
}

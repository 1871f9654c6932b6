/*
 * tests/fuzz/fuzz_oci.c - config.json of anybody: read, made into a configuration, never more than words when it is wrong.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/oci/oci_config.h"
#include "runtime/oci/oci_resources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lp_arena arena;
	struct lp_oci_config config;
	struct lp_oci_spec *spec;
	struct lp_oci_process *process;
	struct lp_oci_resources *resources;
	struct lp_cgroup_limits limits;
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 16 << 20);
	if (lp_oci_spec_parse(&arena, (const char *)data, size, &spec, &err) == 0) {
		(void)lp_oci_config_make(&arena, spec, "/nonexistent", &config, &err);
		lp_oci_config_fini(&config);
	}
	(void)lp_oci_spec_parse_process(&arena, (const char *)data, size, &process, &err);
	if (lp_oci_spec_parse_resources(&arena, (const char *)data, size, &resources, &err) == 0)
		(void)lp_oci_resources_make(&arena, resources, &limits, &err);
	lp_arena_fini(&arena);
	return 0;
}

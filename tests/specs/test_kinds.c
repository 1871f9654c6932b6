#include <string.h>

#include "specs/rule.h"
#include "specs/schema.h"
#include "tests/harness.h"

TEST(every_row_has_a_name_of_its_own_and_a_place_in_its_struct)
{
	for (int id = LP_SCHEMA_none + 1; id < LP_SCHEMA_count; id++) {
		struct lp_schema schema = lp_schema_get((enum lp_schema_id)id);

		CHECK_INT(schema.id, id);
		CHECK(schema.name[0] != '\0');
		for (size_t i = 0; i < schema.count; i++) {
			const char *name = lp_schema_field_name(&schema, &schema.fields[i]);

			CHECK(name[0] != '\0');
			CHECK(lp_schema_find(&schema, name) == &schema.fields[i]);
			CHECK(schema.fields[i].offset < schema.size);
			if (schema.fields[i].type == LP_TYPE_OBJECT)
				CHECK(schema.fields[i].schema > LP_SCHEMA_none && schema.fields[i].schema < LP_SCHEMA_count);
		}
	}
}

TEST(a_merge_key_is_a_field_of_the_elements)
{
	unsigned keyed = 0;

	for (int id = LP_SCHEMA_none + 1; id < LP_SCHEMA_count; id++) {
		struct lp_schema schema = lp_schema_get((enum lp_schema_id)id);

		for (size_t i = 0; i < schema.count; i++) {
			const struct lp_field *field = &schema.fields[i];
			const char *key = lp_schema_field_key(&schema, field);
			struct lp_schema nested = lp_schema_get(field->schema);

			if (!*key)
				continue;
			CHECK(lp_schema_find(&nested, key) != NULL);
			CHECK(field->flags & LP_MERGE);
			keyed++;
		}
	}
	CHECK(keyed >= 20);
}

TEST(a_default_has_the_type_of_its_row_and_passes_its_rule)
{
	struct lp_arena arena;

	lp_arena_init(&arena, 1 << 20);
	for (int id = LP_SCHEMA_none + 1; id < LP_SCHEMA_count; id++) {
		struct lp_schema schema = lp_schema_get((enum lp_schema_id)id);

		for (size_t i = 0; i < schema.count; i++) {
			const char *preset = lp_schema_field_preset(&schema, &schema.fields[i]);
			struct lp_faults faults;

			if (!*preset || schema.fields[i].type != LP_TYPE_STRING)
				continue;
			lp_faults_init(&faults, &arena);
			lp_rule_check(schema.fields[i].rule, "x", lp_json_new_str(&arena, preset), &faults);
			CHECK_INT(faults.count, 0);
		}
	}
	lp_arena_fini(&arena);
}

TEST(rows_know_their_texts)
{
	struct lp_schema schema = lp_schema_get(LP_SCHEMA_container);
	const struct lp_field *field = lp_schema_find(&schema, "terminationMessagePath");

	CHECK_STR(schema.name, "io.k8s.api.core.v1.Container");
	CHECK_STR(lp_schema_field_preset(&schema, field), "/dev/termination-log");
	CHECK_STR(lp_schema_field_key(&schema, field), "");
	CHECK_STR(lp_schema_field_key(&schema, lp_schema_find(&schema, "ports")), "containerPort");
	CHECK_HAS(lp_schema_field_doc(&schema, lp_schema_find(&schema, "ports")), "List of ports");
	CHECK(lp_schema_find(&schema, "nonsense") == NULL);
	CHECK(lp_schema_find(&schema, NULL) == NULL);
}

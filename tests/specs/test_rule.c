#include <string.h>

#include "specs/rule.h"
#include "specs/trail.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

/* The first message of a rule about a value; "" when it is content. */
static const char *
says(enum lp_rule rule, const char *yaml)
{
	struct lp_faults faults;
	const struct lp_json *value = lp_json_get(lp_docs_yaml(lp_arena_printf(lp_docs_arena(), "{v: %s}", yaml)), "v");

	lp_faults_init(&faults, lp_docs_arena());
	lp_rule_check(rule, "v", value, &faults);
	CHECK(faults.count <= 1);
	return faults.first ? faults.first->message : "";
}

TEST(lists_of_words_take_their_words_only)
{
	CHECK_STR(says(LP_RULE_PROTOCOL, "TCP"), "");
	CHECK_STR(says(LP_RULE_PROTOCOL, "tcp"), "Unsupported value: \"tcp\": supported values: \"SCTP\", \"TCP\", \"UDP\"");
	CHECK_STR(says(LP_RULE_PROTOCOL, "''"), "Unsupported value: \"\": supported values: \"SCTP\", \"TCP\", \"UDP\"");
	CHECK_STR(says(LP_RULE_HOST_PATH_TYPE, "''"), "");
	CHECK_HAS(says(LP_RULE_HOST_PATH_TYPE, "Door"), "supported values: \"BlockDevice\", \"CharDevice\"");
}

TEST(port_names_follow_iana)
{
	CHECK_STR(says(LP_RULE_PORT_NAME, "http-2"), "");
	CHECK_STR(says(LP_RULE_PORT_NAME, "a-name-too-long-x"), "Invalid value: \"a-name-too-long-x\": must be no more than 15 characters");
	CHECK_STR(says(LP_RULE_PORT_NAME, "'80'"), "Invalid value: \"80\": must contain at least one letter (a-z)");
	CHECK_STR(says(LP_RULE_PORT_NAME, "a--b"), "Invalid value: \"a--b\": must not contain consecutive hyphens");
	CHECK_STR(says(LP_RULE_PORT_NAME, "a-"), "Invalid value: \"a-\": must not begin or end with a hyphen");
	CHECK_HAS(says(LP_RULE_PORT_NAME, "Http"), "must contain only alpha-numeric characters");
}

TEST(numbers_stay_in_their_ranges)
{
	CHECK_STR(says(LP_RULE_PORT, "65535"), "");
	CHECK_STR(says(LP_RULE_PORT, "65536"), "Invalid value: 65536: must be between 1 and 65535, inclusive");
	CHECK_STR(says(LP_RULE_HOST_PORT, "0"), "");
	CHECK_STR(says(LP_RULE_MODE, "0777"), "");
	CHECK_STR(says(LP_RULE_MODE, "01000"), "Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive");
	CHECK_STR(says(LP_RULE_NOT_NEGATIVE, "-1"), "Invalid value: -1: must be greater than or equal to 0");
	CHECK_STR(says(LP_RULE_USER_ID, "4294967295"), "Invalid value: 4294967295: must be between 0 and 2147483647, inclusive");
}

TEST(paths_do_not_climb)
{
	CHECK_STR(says(LP_RULE_RELATIVE_PATH, "a/b..c"), "");
	CHECK_STR(says(LP_RULE_RELATIVE_PATH, "/a"), "Invalid value: \"/a\": must be a relative path");
	CHECK_STR(says(LP_RULE_RELATIVE_PATH, "a/.."), "Invalid value: \"a/..\": must not contain '..'");
	CHECK_STR(says(LP_RULE_HOST_PATH, "/a/../b"), "Invalid value: \"/a/../b\": must not contain '..'");
	CHECK_STR(says(LP_RULE_DATA_KEY, "..x"), "Invalid value: \"..x\": must not start with '..'");
}

TEST(addresses_are_addresses)
{
	CHECK_STR(says(LP_RULE_IP, "10.0.0.1"), "");
	CHECK_STR(says(LP_RULE_IP, "'fe80::1'"), "");
	CHECK_HAS(says(LP_RULE_IP, "10.0.0"), "must be a valid IP address");
	CHECK_HAS(says(LP_RULE_IP, "10.0.0.256"), "must be a valid IP address");
}

TEST(names_follow_the_rule_of_their_kind)
{
	CHECK(lp_rule_bad_name(lp_kind_by_word("pods"), "a.b-c") == NULL);
	CHECK(lp_rule_bad_name(lp_kind_by_word("pods"), "1a") == NULL);
	CHECK(lp_rule_bad_name(lp_kind_by_word("svc"), "1a") != NULL);
	CHECK(lp_rule_bad_name(lp_kind_by_word("svc"), "a.b") != NULL);
	CHECK(lp_rule_bad_name(lp_kind_by_word("ns"), "a.b") != NULL);
	CHECK(lp_rule_bad_name(lp_kind_by_word("pods"), "A") != NULL);
	CHECK(lp_rule_bad_name(lp_kind_by_word("pods"), "../x") != NULL);
}

TEST(a_trail_prints_members_elements_and_keys)
{
	struct lp_trail spec = { .name = "spec" }, list = { .up = &spec, .name = "containers" }, element = { .up = &list, .index = 3 };
	struct lp_trail limits = { .up = &element, .name = "limits" }, key = { .up = &limits, .key = "cpu" };
	lp_auto_buf struct lp_buf plain = { 0 };

	CHECK_STR(lp_trail_text(lp_docs_arena(), &key), "spec.containers[3].limits[cpu]");
	CHECK_STR(lp_trail_text(lp_docs_arena(), NULL), "");
	lp_buf_init(&plain, 100);
	lp_trail_print_plain(&limits, &plain);
	CHECK_STR(plain.data, "spec.containers.limits");
}

/*
 * tests/agent/facts.h - a pod, an image and the facts around them, for tests of what is pure in agent/.
 */
#ifndef LP_TESTS_AGENT_FACTS_H
#define LP_TESTS_AGENT_FACTS_H

#include "agent/facts/facts.h"
#include "base/arena.h"
#include "specs/schema.h"

struct lp_test_facts {
	struct lp_arena arena;
	struct lp_json *pod_json;
	const struct lp_spec_pod *pod;
	struct lp_image image;
	struct lp_facts_image images[8];
	struct lp_facts facts;
	struct lp_json *objects;	/* array of ConfigMaps, Secrets, Services */
};

/* `pod` is JSON, defaulted as the manager would; `objects` a JSON array or NULL. */
void lp_test_facts(struct lp_test_facts *out, const char *pod, const char *objects);

#endif

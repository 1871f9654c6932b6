#include <errno.h>
#include <stdio.h>

#include "netbridge/lease.h"
#include "tests/harness.h"

#define RANGE 0x0a2a0000u

static uint32_t
take(struct lp_lease *lease, const char *key, int64_t now_ms)
{
	struct lp_err err;
	uint32_t addr = 0;

	CHECK_OK(lp_lease_take(lease, key, now_ms, &addr, &err), &err);
	return addr;
}

TEST(addresses_start_behind_the_gateway_and_a_key_keeps_its_own)
{
	struct lp_lease lease;

	CHECK_OK(lp_lease_init(&lease, RANGE + 77, 24, NULL), NULL);
	CHECK_INT(lease.gateway, RANGE + 1);
	CHECK_INT(take(&lease, "a", 0), RANGE + 2);
	CHECK_INT(take(&lease, "b", 0), RANGE + 3);
	CHECK_INT(take(&lease, "a", 0), RANGE + 2);
	CHECK_INT(lp_lease_find(&lease, "b"), RANGE + 3);
	CHECK_INT(lp_lease_find(&lease, "c"), 0);
	lp_lease_fini(&lease);
}

TEST(a_released_address_is_the_last_to_be_used_again)
{
	struct lp_lease lease;
	char key[16];

	CHECK_OK(lp_lease_init(&lease, RANGE, 29, NULL), NULL);	/* five usable */
	CHECK_INT(take(&lease, "a", 0), RANGE + 2);
	CHECK_INT(lp_lease_release(&lease, "a", 0), RANGE + 2);
	CHECK_INT(lp_lease_release(&lease, "a", 0), 0);
	for (uint32_t i = 0; i < 4; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		CHECK_INT(take(&lease, key, 1000000), RANGE + 3 + i);
	}
	CHECK_INT(take(&lease, "b", 1000000), RANGE + 2);
	lp_lease_fini(&lease);
}

TEST(an_address_rests_before_it_has_a_new_owner)
{
	struct lp_lease lease;
	struct lp_err err;
	uint32_t addr;
	char key[16];

	CHECK_OK(lp_lease_init(&lease, RANGE, 29, NULL), NULL);
	for (uint32_t i = 0; i < 5; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		(void)take(&lease, key, 0);
	}
	CHECK_ERR(lp_lease_take(&lease, "x", 0, &addr, &err), -EADDRNOTAVAIL);
	CHECK_HAS(err.text, "no free address among the 5");
	(void)lp_lease_release(&lease, "k3", 1000);
	(void)lp_lease_release(&lease, "k1", 2000);
	CHECK_ERR(lp_lease_take(&lease, "x", 1000 + LP_LEASE_LEAST_MS - 1, &addr, &err), -EADDRNOTAVAIL);
	CHECK_INT(take(&lease, "x", 2000 + LP_LEASE_LEAST_MS), RANGE + 5);	/* k3's rested longer */
	CHECK_INT(take(&lease, "y", 2000 + LP_LEASE_LEAST_MS), RANGE + 3);
	lp_lease_fini(&lease);
}

TEST(the_living_claim_what_they_have_and_nothing_else)
{
	struct lp_lease lease;
	struct lp_err err;
	uint32_t addr = 0;

	CHECK_OK(lp_lease_init(&lease, RANGE, 24, NULL), NULL);
	CHECK_OK(lp_lease_claim(&lease, "a", RANGE + 9, &err), &err);
	CHECK_OK(lp_lease_claim(&lease, "a", RANGE + 9, &err), &err);
	CHECK_ERR(lp_lease_claim(&lease, "b", RANGE + 9, &err), -EADDRINUSE);
	CHECK_ERR(lp_lease_claim(&lease, "a", RANGE + 10, &err), -EADDRINUSE);
	CHECK_ERR(lp_lease_claim(&lease, "c", RANGE + 1, &err), -ERANGE);
	CHECK_ERR(lp_lease_claim(&lease, "c", RANGE, &err), -ERANGE);
	CHECK_ERR(lp_lease_claim(&lease, "c", RANGE - 1, &err), -ERANGE);
	CHECK_ERR(lp_lease_claim(&lease, "c", RANGE + 255, &err), -ERANGE);
	CHECK_ERR(lp_lease_claim(&lease, "c", RANGE + 256, &err), -ERANGE);
	CHECK_INT(take(&lease, "b", 0), RANGE + 10);
	CHECK_STR(lp_lease_next(&lease, &addr), "a");
	CHECK_INT(addr, RANGE + 9);
	CHECK_STR(lp_lease_next(&lease, &addr), "b");
	CHECK(lp_lease_next(&lease, &addr) == NULL);
	lp_lease_fini(&lease);
}

TEST(a_whole_range_is_handed_out_once_and_comes_round)
{
	struct lp_lease lease;
	uint32_t seen = 0;
	char key[16];

	CHECK_OK(lp_lease_init(&lease, RANGE, 24, NULL), NULL);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 253; i++) {
			uint32_t addr;

			(void)snprintf(key, sizeof(key), "%u", i);
			addr = take(&lease, key, round * 100000);
			CHECK(addr >= RANGE + 2 && addr <= RANGE + 254);
			seen++;
		}
		for (uint32_t i = 0; i < 253; i++) {
			(void)snprintf(key, sizeof(key), "%u", i);
			CHECK(lp_lease_release(&lease, key, round * 100000) != 0);
		}
	}
	CHECK_INT(seen, 3 * 253);
	lp_lease_fini(&lease);
}

TEST(ranges_that_are_too_small_or_too_large_are_refused)
{
	struct lp_lease lease;
	struct lp_err err;

	CHECK_ERR(lp_lease_init(&lease, RANGE, 30, &err), -EINVAL);
	CHECK_ERR(lp_lease_init(&lease, RANGE, 15, &err), -EINVAL);
	CHECK_HAS(err.text, "/16 to /29, not a /15");
	CHECK_OK(lp_lease_init(&lease, RANGE, 16, &err), &err);
	lp_lease_fini(&lease);
}

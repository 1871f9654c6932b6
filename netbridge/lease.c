#include "netbridge/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NEVER INT64_MIN

struct lp_lease_slot {
	char *key;			/* owned; NULL = free */
	int64_t released_ms;		/* NEVER = not since this process started */
};

int
lp_lease_init(struct lp_lease *lease, uint32_t addr, uint8_t prefix, struct lp_err *err)
{
	memset(lease, 0, sizeof(*lease));
	if (prefix < 16 || prefix > 29)
		return lp_err_say(err, -EINVAL, "a node's pod range is a /16 to /29, not a /%u", prefix);
	lease->size = 1u << (32 - prefix);
	lease->network = addr & ~(lease->size - 1);
	lease->gateway = lease->network + 1;
	lease->cursor = 2;
	lease->slots = calloc(lease->size, sizeof(*lease->slots));
	if (!lease->slots)
		return lp_err_set(err, -ENOMEM, "address table");
	for (uint32_t i = 0; i < lease->size; i++)
		lease->slots[i].released_ms = NEVER;
	return 0;
}

void
lp_lease_fini(struct lp_lease *lease)
{
	for (uint32_t i = 0; lease->slots && i < lease->size; i++)
		free(lease->slots[i].key);
	free(lease->slots);
	lease->slots = NULL;
	lease->size = 0;
}

static uint32_t
slot_of(const struct lp_lease *lease, const char *key)
{
	for (uint32_t i = 2; i + 1 < lease->size; i++) {
		if (lease->slots[i].key && strcmp(lease->slots[i].key, key) == 0)
			return i;
	}
	return 0;
}

static int
occupy(struct lp_lease *lease, uint32_t slot, const char *key, struct lp_err *err)
{
	char *copy = strdup(key);

	if (!copy)
		return lp_err_set(err, -ENOMEM, "address of %s", key);
	lease->slots[slot].key = copy;
	lease->cursor = slot + 1;
	return 0;
}

int
lp_lease_claim(struct lp_lease *lease, const char *key, uint32_t addr, struct lp_err *err)
{
	uint32_t slot = addr - lease->network, had = slot_of(lease, key);
	char text[LP_TEXT_IPV4];

	lp_text_ipv4_print(addr, text);
	if (addr < lease->network || slot < 2 || slot + 1 >= lease->size)
		return lp_err_say(err, -ERANGE, "%s is not in this node's pod range", text);
	if (had == slot)
		return 0;
	if (had || lease->slots[slot].key)
		return lp_err_say(err, -EADDRINUSE, "%s cannot have %s: %s", key, text,
		    had ? "it has another address" : lease->slots[slot].key);
	return occupy(lease, slot, key, err);
}

/* The free slot that rested longest, if at least `rest_ms`; the search starts at the cursor. 0 = none. */
static uint32_t
find_free(const struct lp_lease *lease, int64_t now_ms, int64_t rest_ms)
{
	uint32_t usable = lease->size - 3, best = 0;

	for (uint32_t n = 0; n < usable; n++) {
		uint32_t i = 2 + (lease->cursor - 2 + n) % usable;
		const struct lp_lease_slot *slot = &lease->slots[i];

		if (slot->key)
			continue;
		if (slot->released_ms == NEVER || now_ms - slot->released_ms >= LP_LEASE_REST_MS)
			return i;
		if (now_ms - slot->released_ms >= rest_ms && (!best || slot->released_ms < lease->slots[best].released_ms))
			best = i;
	}
	return best;
}

int
lp_lease_take(struct lp_lease *lease, const char *key, int64_t now_ms, uint32_t *out_addr, struct lp_err *err)
{
	uint32_t slot = slot_of(lease, key);
	int rc;

	if (!slot) {
		slot = find_free(lease, now_ms, LP_LEASE_LEAST_MS);
		if (!slot)
			return lp_err_say(err, -EADDRNOTAVAIL, "no free address among the %" PRIu32 " of this node's pod range",
			    lease->size - 3);
		rc = occupy(lease, slot, key, err);
		if (rc < 0)
			return rc;
	}
	*out_addr = lease->network + slot;
	return 0;
}

uint32_t
lp_lease_release(struct lp_lease *lease, const char *key, int64_t now_ms)
{
	uint32_t slot = slot_of(lease, key);

	if (!slot)
		return 0;
	free(lease->slots[slot].key);
	lease->slots[slot].key = NULL;
	lease->slots[slot].released_ms = now_ms;
	return lease->network + slot;
}

uint32_t
lp_lease_find(const struct lp_lease *lease, const char *key)
{
	uint32_t slot = slot_of(lease, key);

	return slot ? lease->network + slot : 0;
}

const char *
lp_lease_next(const struct lp_lease *lease, uint32_t *addr)
{
	for (uint32_t i = *addr ? *addr - lease->network + 1 : 2; i + 1 < lease->size; i++) {
		if (lease->slots[i].key) {
			*addr = lease->network + i;
			return lease->slots[i].key;
		}
	}
	return NULL;
}

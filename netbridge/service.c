#include "netbridge/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

/* An entry while entries still compete: the row that came first wins. */
struct claim {
	struct lp_service_entry entry;
	size_t order;
};

struct building {
	struct lp_arena *arena;
	struct lp_service_plan *plan;
	struct claim *exact, *local;	/* exact_count and local_count of the plan */
};

static int
compare_slots(const void *a, const void *b)
{
	const struct lp_service_slot *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return (x->port > y->port) - (x->port < y->port);
}

static uint64_t
mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;	/* splitmix64 */
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

/* Highest weight wins (rendezvous): a backend that leaves moves only the slots it had. */
static void
stick(const struct lp_service_slot *from, size_t count, struct lp_service_slot *out)
{
	for (uint32_t i = 0; i < LP_SERVICE_STICKY; i++) {
		uint64_t best = 0;

		out[i] = from[0];
		for (size_t k = 0; k < count; k++) {
			uint64_t weight = mix(mix((uint64_t)from[k].addr << 16 | from[k].port) + i);

			if (k == 0 || weight > best) {
				best = weight;
				out[i] = from[k];
			}
		}
	}
}

/* A new target for the row's backends, or for the local ones among them. Returns its index. */
static int
add_target(struct building *b, const struct lp_service_port *row, bool local_only, int inside, int loopback)
{
	struct lp_service_target *target = &b->plan->targets[b->plan->target_count];
	struct lp_service_slot *slots = lp_arena_alloc(b->arena, (row->backend_count + 1) * sizeof(*slots));
	size_t count = 0, kept = 0;

	if (!slots)
		return -1;
	for (size_t i = 0; i < row->backend_count; i++) {
		if (row->backends[i].local || !local_only)
			slots[count++] = (struct lp_service_slot){ row->backends[i].addr, row->backends[i].port };
	}
	qsort(slots, count, sizeof(*slots), compare_slots);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_slots(&slots[i], &slots[kept - 1]) != 0)
			slots[kept++] = slots[i];
	}
	*target = (struct lp_service_target){ .name = lp_arena_str(b->arena, row->name), .protocol = row->protocol, .slots = slots, .slot_count = kept, .inside = inside,
		.loopback = loopback };
	target->mode = kept == 0 ? LP_SERVICE_DROP : LP_SERVICE_RANDOM;
	if (kept > 1 && row->affinity) {
		target->slots = lp_arena_alloc(b->arena, LP_SERVICE_STICKY * sizeof(*slots));
		if (!target->slots)
			return -1;
		target->mode = LP_SERVICE_HASHED;
		target->slot_count = LP_SERVICE_STICKY;
		stick(slots, kept, target->slots);
	}
	return (int)b->plan->target_count++;
}

static void
claim(struct building *b, uint32_t addr, uint8_t protocol, uint16_t port, int target)
{
	size_t *count = addr ? &b->plan->exact_count : &b->plan->local_count;
	struct claim *to = addr ? b->exact : b->local;

	to[*count] = (struct claim){ { addr, port, protocol, target }, *count };
	(*count)++;
}

/* Some backends are here, and some elsewhere. */
static bool
is_mixed(const struct lp_service_port *row)
{
	size_t local = 0;

	for (size_t i = 0; i < row->backend_count; i++)
		local += row->backends[i].local;
	return local > 0 && local < row->backend_count;
}

static void
add_port(struct building *b, const struct lp_service_port *row)
{
	int all = -1, inside = -1, outside = -1, loopback = -1;
	bool reachable = row->node_port || row->external_count > 0;

	if (row->backend_count > 0) {
		if (row->node_port && is_mixed(row))
			loopback = add_target(b, row, true, -1, -1);
		if ((row->cluster_addr && !row->internal_local) || reachable)
			all = add_target(b, row, false, -1, loopback);
		inside = row->cluster_addr && row->internal_local ? add_target(b, row, true, -1, -1) : all;
		outside = reachable && row->external_local ? add_target(b, row, true, all, -1) : all;
	}
	if (row->cluster_addr)
		claim(b, row->cluster_addr, row->protocol, row->port, inside);
	for (size_t i = 0; i < row->external_count; i++) {
		if (row->external[i])
			claim(b, row->external[i], row->protocol, row->port, outside);
	}
	if (row->node_port)
		claim(b, 0, row->protocol, row->node_port, outside);
}

static void
add_host_port(struct building *b, const struct lp_service_host_port *row)
{
	struct lp_service_backend backend = { row->addr, row->port, true };
	struct lp_service_port port = { .name = row->name, .protocol = row->protocol, .backends = &backend, .backend_count = 1 };

	claim(b, row->host_addr, row->protocol, row->host_port, add_target(b, &port, false, -1, -1));
}

static int
compare_keys(const struct lp_service_entry *a, const struct lp_service_entry *b)
{
	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return (a->port > b->port) - (a->port < b->port);
}

static int
compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int by_key = compare_keys(&x->entry, &y->entry);

	return by_key ? by_key : (x->order > y->order) - (x->order < y->order);
}

static struct lp_service_entry *
settle(struct building *b, struct claim *claims, size_t *count)
{
	struct lp_service_entry *out = lp_arena_alloc(b->arena, (*count + 1) * sizeof(*out));
	size_t kept = 0;

	if (!out)
		return NULL;
	qsort(claims, *count, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < *count; i++) {
		if (kept && compare_keys(&claims[i].entry, &out[kept - 1]) == 0)
			b->plan->clashes++;
		else
			out[kept++] = claims[i].entry;
	}
	*count = kept;
	return out;
}

int
lp_service_plan(struct lp_arena *arena, const struct lp_service_input *input, struct lp_service_plan *out, struct lp_err *err)
{
	struct lp_service_plan plan = { 0 };
	struct building b = { .arena = arena, .plan = &plan };
	size_t claims = input->port_count * 2 + input->host_port_count + 1;

	for (size_t i = 0; i < input->port_count; i++)
		claims += input->ports[i].external_count;
	plan.targets = lp_arena_alloc(arena, (input->port_count * 4 + input->host_port_count + 1) * sizeof(*plan.targets));
	b.exact = lp_arena_alloc(arena, claims * sizeof(*b.exact));
	b.local = lp_arena_alloc(arena, claims * sizeof(*b.local));
	if (plan.targets && b.exact && b.local) {
		for (size_t i = 0; i < input->port_count; i++)
			add_port(&b, &input->ports[i]);
		for (size_t i = 0; i < input->host_port_count; i++)
			add_host_port(&b, &input->host_ports[i]);
		plan.exact = settle(&b, b.exact, &plan.exact_count);
		plan.local = settle(&b, b.local, &plan.local_count);
	}
	if (arena->failed)
		return lp_err_set(err, -ENOMEM, "plan of %zu service ports", input->port_count);
	*out = plan;
	return 0;
}

static bool
same_entries(const struct lp_service_entry *a, const struct lp_service_entry *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (compare_keys(&a[i], &b[i]) != 0 || a[i].target != b[i].target)
			return false;
	}
	return true;
}

bool
lp_service_same_target(const struct lp_service_plan *a, const struct lp_service_plan *b, size_t index)
{
	const struct lp_service_target *x = &a->targets[index], *y = &b->targets[index];

	if (strcmp(x->name, y->name) != 0 || x->mode != y->mode || x->inside != y->inside || x->loopback != y->loopback ||
	    x->slot_count != y->slot_count)
		return false;
	for (size_t i = 0; i < x->slot_count; i++) {
		if (compare_slots(&x->slots[i], &y->slots[i]) != 0)
			return false;
	}
	return true;
}

bool
lp_service_same_shape(const struct lp_service_plan *a, const struct lp_service_plan *b)
{
	return a->target_count == b->target_count && a->exact_count == b->exact_count && a->local_count == b->local_count &&
	       same_entries(a->exact, b->exact, a->exact_count) && same_entries(a->local, b->local, a->local_count);
}

bool
lp_service_same(const struct lp_service_plan *a, const struct lp_service_plan *b)
{
	if (!lp_service_same_shape(a, b))
		return false;
	for (size_t i = 0; i < a->target_count; i++) {
		if (!lp_service_same_target(a, b, i))
			return false;
	}
	return true;
}

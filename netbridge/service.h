/*
 * netbridge/service.h - pure: services and their backends -> what the packet filter must hold.
 *
 * Input    flat rows: one per service port and protocol, one per published host port; addresses in host byte order
 * Output   struct lp_service_plan: three maps (exact address, any local address, refused) and one list of slots for
 *          each balanced target; netbridge/table.c turns it into messages, nothing here makes a system call
 * Order    rows that claim what another row has are dropped and counted; the first wins, service ports before host
 *          ports, so that the caller's order (oldest first) decides
 * Balance  random over the ready backends; with affinity a fixed table of LP_SERVICE_STICKY slots, filled by rendezvous
 *          hashing: a client keeps its backend for as long as that one is ready, over restarts of the agent and on
 *          every node alike
 * Errors   -ENOMEM
 */
#ifndef LP_NETBRIDGE_SERVICE_H
#define LP_NETBRIDGE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define LP_SERVICE_STICKY 128	/* slots of a service with session affinity */

struct lp_service_backend {
	uint32_t addr;			/* of the pod */
	uint16_t port;			/* the target port, resolved to a number */
	bool local;			/* the pod runs on this node */
};

struct lp_service_port {
	const char *name;		/* "default/web:http", for people who read the rules; not NULL */
	uint8_t protocol;		/* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	uint16_t port;
	uint16_t node_port;		/* 0 = none */
	uint32_t cluster_addr;		/* 0 = headless */
	const uint32_t *external;	/* external, load balancer's and (type LoadBalancer) the node's own addresses; `port` answers on them */
	size_t external_count;
	bool external_local;		/* externalTrafficPolicy: Local */
	bool internal_local;		/* internalTrafficPolicy: Local */
	bool affinity;			/* sessionAffinity: ClientIP */
	const struct lp_service_backend *backends;	/* the ready ones */
	size_t backend_count;
};

struct lp_service_host_port {
	const char *name;		/* "default/web" */
	uint8_t protocol;
	uint32_t host_addr;		/* 0 = every address of the node */
	uint16_t host_port;
	uint32_t addr;			/* of the pod */
	uint16_t port;
};

struct lp_service_input {
	const struct lp_service_port *ports;
	size_t port_count;
	const struct lp_service_host_port *host_ports;
	size_t host_port_count;
};

enum lp_service_mode {
	LP_SERVICE_RANDOM,		/* each new connection anywhere */
	LP_SERVICE_HASHED,		/* by the client's address */
	LP_SERVICE_DROP,		/* no backend here, and policy Local forbids others */
};

struct lp_service_slot {
	uint32_t addr;
	uint16_t port;
};

/* What a service's chain does with a new connection. */
struct lp_service_target {
	const char *name;
	uint8_t protocol;
	enum lp_service_mode mode;
	struct lp_service_slot *slots;	/* at least one unless DROP */
	size_t slot_count;
	int inside;			/* index of the target for clients inside the cluster; -1: this one serves all */
	int loopback;			/* index of the target for 127.0.0.0/8, which reaches local backends only; -1: no other */
};

struct lp_service_entry {
	uint32_t addr;			/* 0 in the map of local addresses */
	uint16_t port;
	uint8_t protocol;
	int target;			/* index into targets; -1 = refuse */
};

struct lp_service_plan {
	struct lp_service_target *targets;
	struct lp_service_entry *exact;		/* sorted by addr, protocol, port */
	struct lp_service_entry *local;		/* sorted by protocol, port: any address of this node */
	size_t target_count, exact_count, local_count;
	size_t clashes;			/* rows dropped because another one has the port */
};

/* Everything in `out` lives in the arena. */
int lp_service_plan(struct lp_arena *arena, const struct lp_service_input *input, struct lp_service_plan *out, struct lp_err *err);

/* Does a client see a difference in target `index`? Both plans have it. */
bool lp_service_same_target(const struct lp_service_plan *a, const struct lp_service_plan *b, size_t index);

/* Same services with the same ways in, so that only targets' backends differ? */
bool lp_service_same_shape(const struct lp_service_plan *a, const struct lp_service_plan *b);

/* Same rules? Used to leave the kernel alone when nothing changed. */
bool lp_service_same(const struct lp_service_plan *a, const struct lp_service_plan *b);

#endif

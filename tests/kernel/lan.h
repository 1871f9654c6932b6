/*
 * tests/kernel/lan.h - a node with pods and another machine on its LAN: network namespaces of the test's own.
 *
 * Shape   the test's process is on the node; sockets are made inside pods and the other machine and used from there, so that no
 *         process has to run in them
 */
#ifndef LP_TESTS_KERNEL_LAN_H
#define LP_TESTS_KERNEL_LAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netbridge/netbridge.h"

#define LP_LAN_NODE 0xc0a80101u		/* 192.168.1.1 */
#define LP_LAN_OTHER 0xc0a80102u	/* 192.168.1.2, the node's default route */
#define LP_LAN_SERVICE 0x0a2b0005u	/* 10.43.0.5 */
#define LP_LAN_POD_PORT 3000
#define LP_LAN_NODE_PORT 30001

struct lp_lan {
	struct lp_netbridge *net;
	int lan;			/* namespace of the other machine */
	int home;			/* and of the node */
};

extern const struct lp_netbridge_config lp_lan_config;	/* limpet0, pods 10.42.0.0/24, services 10.43.0.0/16, DNS .10 */

/* New namespaces, the LAN and an open network. Skips without root. */
void lp_lan_start(struct lp_lan *node);
void lp_lan_stop(struct lp_lan *node);

int lp_lan_own_ns(void);
int lp_lan_new_ns(void);

/* A namespace, attached. */
int lp_lan_pod(struct lp_lan *node, const char *key, uint32_t *addr);

/* Replace all services. */
void lp_lan_serve(struct lp_lan *node, const struct lp_service_port *ports, size_t count);

/* Routes of ours to the other machine or the one after it. */
int lp_lan_peer_routes(void);

struct sockaddr_in lp_lan_name(uint32_t addr, uint16_t port);
int lp_lan_listen(int ns, int type, uint16_t port);
bool lp_lan_ready(int fd, short events, int ms);

/* Connect from a namespace; 0, or the positive errno; ETIMEDOUT after `ms`. The connection goes to *out. */
int lp_lan_dial(int ns, uint32_t addr, uint16_t port, int ms, int *out);

/* Dial, accept at the server, carry one byte each way. Returns the client's address as the server saw it. */
uint32_t lp_lan_talk(int ns, uint32_t addr, uint16_t port, int server);

#endif

/*
 * manager/fleet/tunnel_inside.h - what tunnel.c, tunnel_log.c and tunnel_exec.c share: one client's stream joined to one device's.
 *
 * Frames  u8 channel, u32 big-endian length, payload; both ways on the device's stream; channels as in wire/streams.h
 * Life    lp_tunnel_open -> the device is asked -> it opens its stream within 10 s -> frames -> its end. The tunnel calls
 *         over() exactly once, unless the client's side drops it first
 */
#ifndef LP_MANAGER_TUNNEL_INSIDE_H
#define LP_MANAGER_TUNNEL_INSIDE_H

#include "base/list.h"
#include "manager/fleet/tunnel.h"
#include "wire/streams.h"

#define LP_TUNNEL_ID    33
#define LP_TUNNEL_QUEUE (256u << 10)	/* bytes on one side before the other is paused */

struct lp_tunnel;

/* The client's side. */
struct lp_tunnel_ops {
	void (*got)(struct lp_tunnel *tunnel, uint8_t channel, const void *data, size_t len, int64_t now_ms);
	/* Bytes that wait for the client. */
	size_t (*queued)(const struct lp_tunnel *tunnel);
	/* The device takes more again. */
	void (*room)(struct lp_tunnel *tunnel, int64_t now_ms);
	/* The device has ended, or never came; why->code 0: in good order. The tunnel is freed after this returns. */
	void (*over)(struct lp_tunnel *tunnel, const struct lp_err *why, int64_t now_ms);
};

struct lp_tunnel {
	struct lp_list link;
	struct lp_tunnels *tunnels;	/* weak */
	const struct lp_tunnel_ops *ops;
	void *own;			/* the client's side's */
	char id[LP_TUNNEL_ID];
	const char *node;		/* in memory of the tunnel */
	struct lp_request *device;	/* NULL until it came; held */
	struct lp_timer timer;		/* for its coming */
	struct lp_buf early;		/* frames for the device from before it came */
	uint8_t head[5];		/* of the frame that is being read */
	uint8_t head_len;
	uint32_t left;			/* payload bytes of it to come */
	bool paused;			/* the device is */
	bool dead, busy;		/* dropped while a callback of it runs */
};

struct lp_tunnels {
	struct lp_manager *manager;	/* weak */
	struct lp_list list;
	struct lp_list sessions;	/* tunnel_exec.c's */
	size_t count;
};

/* tunnel_exec.c: close every upgraded connection. */
void lp_tunnel_sessions_end(struct lp_tunnels *tunnels);

/*
 * Ask the pod's node, or a node about itself, for a stream. `options` may be NULL; it must be of the arena. -ENOTCONN the node is not connected, -ENOMEM.
 */
int lp_tunnel_open(struct lp_tunnels *tunnels, struct lp_cached *pod, const char *verb, const char *container,
    struct lp_arena *arena, struct lp_json *options, const struct lp_tunnel_ops *ops, void *own, struct lp_tunnel **out,
    struct lp_err *err);
/* A frame to the device. -EMSGSIZE it reads too slowly. */
int lp_tunnel_send(struct lp_tunnel *tunnel, uint8_t channel, const void *data, size_t len);
size_t lp_tunnel_queued(const struct lp_tunnel *tunnel);
/* The client takes more again. */
void lp_tunnel_resume(struct lp_tunnel *tunnel);
/* The client's side has ended: no callback comes any more. */
void lp_tunnel_drop(struct lp_tunnel *tunnel);

/* The pod and container of a request; NULL: it was answered. *out_container is in the pod's memory. */
struct lp_cached *lp_tunnel_pod(struct lp_request *request, const char **out_container);

#endif

/*
 * netbridge/netlink.h - messages to the kernel in one batch, and what it says back; the only user of libnl.
 *
 * Use      lp_netlink_begin(nl, RTM_NEWADDR, flags, &header, sizeof(header), "address %s on %s", ...);
 *          lp_netlink_put(...), lp_netlink_nest(...), lp_netlink_nest_end(nl); lp_netlink_end(nl); ... lp_netlink_commit(nl, &err)
 * Words    each message carries what it is for; a failure reads "<words>: <the kernel's words>"
 * Errors   building is sticky: a batch that grew too large or ran out of memory fails in commit; commit goes through every answer and
 *          reports the first failure
 * Limits   4 MiB a batch, 12 KiB an attribute; an answer is awaited for 10 seconds, then -ETIMEDOUT
 */
#ifndef LP_NETBRIDGE_NETLINK_H
#define LP_NETBRIDGE_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "base/buf.h"
#include "base/err.h"

#define LP_NETLINK_DEPTH 8		/* nested attributes in a message */
#define LP_NETLINK_ATTR_MAX 12288	/* bytes of one attribute; longer lists take several messages */

struct nl_sock;
struct nl_msg;

struct lp_netlink {
	struct nl_sock *sock;		/* NULL while closed */
	struct nl_msg *msg;		/* the message being built; NULL between messages */
	struct nlattr *nests[LP_NETLINK_DEPTH];
	unsigned depth;
	struct lp_buf batch;		/* finished messages */
	struct lp_buf notes;		/* struct lp_netlink_note for each */
	struct lp_buf words;		/* their words, NUL-terminated */
	uint32_t seq;			/* of the newest message */
	size_t last;			/* offset of the newest message in batch */
	int failed;			/* sticky, for this batch */
	bool transaction;		/* NETLINK_NETFILTER: the first and last message only frame the others */
};

/* protocol: NETLINK_ROUTE or NETLINK_NETFILTER, in the caller's network namespace. */
int lp_netlink_open(struct lp_netlink *nl, int protocol, struct lp_err *err);

/* The same inside another namespace: goes there and comes back; aborts the process when it cannot come back. */
int lp_netlink_open_in(struct lp_netlink *nl, int protocol, int netns_fd, struct lp_err *err);

/* Safe on a zeroed struct. */
void lp_netlink_close(struct lp_netlink *nl);

/* NLM_F_REQUEST is added; NLM_F_ACK is the caller's choice. */
void lp_netlink_begin(struct lp_netlink *nl, uint16_t type, uint16_t flags, const void *header, size_t len, const char *words, ...)
    __attribute__((format(printf, 6, 7)));
void lp_netlink_put(struct lp_netlink *nl, int attr, const void *data, size_t len);
void lp_netlink_put_u8(struct lp_netlink *nl, int attr, uint8_t v);
void lp_netlink_put_u16(struct lp_netlink *nl, int attr, uint16_t v);
void lp_netlink_put_u32(struct lp_netlink *nl, int attr, uint32_t v);
void lp_netlink_put_be32(struct lp_netlink *nl, int attr, uint32_t v);
void lp_netlink_put_be64(struct lp_netlink *nl, int attr, uint64_t v);
void lp_netlink_put_str(struct lp_netlink *nl, int attr, const char *text);
void lp_netlink_nest(struct lp_netlink *nl, int attr);
void lp_netlink_nest_end(struct lp_netlink *nl);
void lp_netlink_add(struct lp_netlink *nl, const void *data, size_t len);	/* bytes between attributes, padded to 4 */
void lp_netlink_end(struct lp_netlink *nl);

/* The message just ended may fail with this errno. */
void lp_netlink_tolerate(struct lp_netlink *nl, int code);

/* The message just ended wants an answer. */
void lp_netlink_ask(struct lp_netlink *nl);

/* Bytes in the message being built. */
size_t lp_netlink_len(const struct lp_netlink *nl);

/* Send the batch and wait for the answer to its last message, which is made to ask for one. 0 or the first failure; the batch is empty afterwards. */
int lp_netlink_commit(struct lp_netlink *nl, struct lp_err *err);

/* Forget what was built. */
void lp_netlink_reset(struct lp_netlink *nl);

/*
 * Send the one message built (a get or a dump) and call back for each answer, with the bytes behind the netlink header.
 * A callback's negative result ends the call after the rest was read. -EAGAIN when the kernel says the dump was interrupted.
 */
typedef int (*lp_netlink_fn)(void *arg, uint16_t type, const void *data, size_t len);
int lp_netlink_query(struct lp_netlink *nl, lp_netlink_fn fn, void *arg, struct lp_err *err);

/* Hear what happens to others, too (RTNLGRP_*). Such a socket is for lp_netlink_wait only. */
int lp_netlink_join(struct lp_netlink *nl, int group, struct lp_err *err);

/* A descriptor of the caller's own for this socket, which outlives lp_netlink_close. */
int lp_netlink_descriptor(const struct lp_netlink *nl, int *out_fd, struct lp_err *err);

/* Until something happened (whatever was heard is thrown away: look again), at most `wait_ms`: -ETIMEDOUT. */
int lp_netlink_wait(struct lp_netlink *nl, int wait_ms, struct lp_err *err);

/* Attributes behind a fixed header of `skip` bytes; out[type] is NULL when absent; types above `max` are left out. */
struct lp_netlink_attr {
	const void *data;
	size_t len;
};
void lp_netlink_attrs(const void *data, size_t len, size_t skip, struct lp_netlink_attr *out, size_t max);

/* The number in an attribute, or 0 when it is absent or of another size. */
uint32_t lp_netlink_u32(const struct lp_netlink_attr *attr);

#endif

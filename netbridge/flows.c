#include "netbridge/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/buf.h"
#include "netbridge/netlink.h"

#define MESSAGE(type) ((uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | (type)))
#define STALE_MAX (1u << 20)	/* bytes of flows forgotten at a time; the next change takes the rest */
#define TUPLE_MAX 128		/* bytes of the attribute that names a flow */

static const struct nfgenmsg head = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

struct looking {
	uint32_t range, bits;
	struct lp_service_slot *slots;	/* the UDP backends, sorted */
	size_t count;
	struct lp_buf stale;		/* struct flow */
};

struct flow {
	size_t len;
	uint8_t tuple[TUPLE_MAX];	/* CTA_TUPLE_ORIG as the kernel wrote it */
};

static int
compare_slots(const void *a, const void *b)
{
	const struct lp_service_slot *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return (x->port > y->port) - (x->port < y->port);
}

static bool
is_udp(const struct lp_service_target *target)
{
	return target->protocol == IPPROTO_UDP;
}

bool
lp_flows_matter(const struct lp_service_plan *plan)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		if (is_udp(&plan->targets[i]))
			return true;
	}
	return false;
}

static int
collect_backends(struct looking *looking, const struct lp_service_plan *plan)
{
	size_t most = 0;

	for (size_t i = 0; i < plan->target_count; i++)
		most += is_udp(&plan->targets[i]) ? plan->targets[i].slot_count : 0;
	looking->slots = calloc(most + 1, sizeof(*looking->slots));
	if (!looking->slots)
		return -ENOMEM;
	for (size_t i = 0; i < plan->target_count; i++) {
		for (size_t k = 0; is_udp(&plan->targets[i]) && k < plan->targets[i].slot_count; k++)
			looking->slots[looking->count++] = plan->targets[i].slots[k];
	}
	qsort(looking->slots, looking->count, sizeof(*looking->slots), compare_slots);
	return 0;
}

/* Protocol, source address and source port of a tuple. */
static bool
read_tuple(const struct lp_netlink_attr *tuple, uint8_t *protocol, struct lp_service_slot *source)
{
	struct lp_netlink_attr parts[CTA_TUPLE_PROTO + 1], ip[CTA_IP_V4_SRC + 1], proto[CTA_PROTO_SRC_PORT + 1];
	uint16_t port;

	lp_netlink_attrs(tuple->data, tuple->len, 0, parts, CTA_TUPLE_PROTO);
	lp_netlink_attrs(parts[CTA_TUPLE_IP].data, parts[CTA_TUPLE_IP].len, 0, ip, CTA_IP_V4_SRC);
	lp_netlink_attrs(parts[CTA_TUPLE_PROTO].data, parts[CTA_TUPLE_PROTO].len, 0, proto, CTA_PROTO_SRC_PORT);
	if (proto[CTA_PROTO_NUM].len != 1 || proto[CTA_PROTO_SRC_PORT].len != sizeof(port) || ip[CTA_IP_V4_SRC].len != sizeof(source->addr))
		return false;
	*protocol = *(const uint8_t *)proto[CTA_PROTO_NUM].data;
	memcpy(&port, proto[CTA_PROTO_SRC_PORT].data, sizeof(port));
	source->addr = ntohl(lp_netlink_u32(&ip[CTA_IP_V4_SRC]));
	source->port = ntohs(port);
	return true;
}

static int
look_at(void *arg, uint16_t type, const void *data, size_t len)
{
	struct looking *looking = arg;
	struct lp_netlink_attr attrs[CTA_STATUS + 1];
	struct lp_service_slot pod;
	struct flow flow = { 0 };
	uint8_t protocol;

	if (type != MESSAGE(IPCTNL_MSG_CT_NEW))
		return 0;
	lp_netlink_attrs(data, len, sizeof(head), attrs, CTA_STATUS);
	if (!(ntohl(lp_netlink_u32(&attrs[CTA_STATUS])) & IPS_DST_NAT) || !read_tuple(&attrs[CTA_TUPLE_REPLY], &protocol, &pod))
		return 0;
	if (protocol != IPPROTO_UDP || (pod.addr & looking->bits) != looking->range || attrs[CTA_TUPLE_ORIG].len > TUPLE_MAX ||
	    bsearch(&pod, looking->slots, looking->count, sizeof(pod), compare_slots))
		return 0;
	flow.len = attrs[CTA_TUPLE_ORIG].len;
	memcpy(flow.tuple, attrs[CTA_TUPLE_ORIG].data, flow.len);
	if (looking->stale.len + sizeof(flow) > STALE_MAX)
		return 0;
	return lp_buf_add(&looking->stale, &flow, sizeof(flow));
}

static int
forget(struct lp_netlink *nl, struct looking *looking, struct lp_err *err)
{
	const struct flow *flows = (const struct flow *)(void *)looking->stale.data;
	int rc = 0;

	for (size_t i = 0; i < looking->stale.len / sizeof(*flows) && rc == 0; i++) {
		lp_netlink_begin(nl, MESSAGE(IPCTNL_MSG_CT_DELETE), NLM_F_ACK, &head, sizeof(head), "forget a UDP flow");
		lp_netlink_put(nl, CTA_TUPLE_ORIG | NLA_F_NESTED, flows[i].tuple, flows[i].len);
		lp_netlink_end(nl);
		lp_netlink_tolerate(nl, ENOENT);	/* it ended by itself */
		rc = lp_netlink_commit(nl, err);
	}
	return rc;
}

int
lp_flows_forget(uint32_t range, uint8_t prefix, const struct lp_service_plan *plan, size_t *out_count, struct lp_err *err)
{
	struct looking looking = { .bits = prefix ? ~0u << (32 - prefix) : 0 };
	struct lp_netlink nl;
	int rc = lp_netlink_open(&nl, NETLINK_NETFILTER, err);

	if (rc < 0)
		return rc;
	nl.transaction = false;		/* connection tracking has none */
	looking.range = range & looking.bits;
	lp_buf_init(&looking.stale, STALE_MAX);
	rc = collect_backends(&looking, plan);
	if (rc < 0)
		(void)lp_err_set(err, rc, "list of UDP backends");
	if (rc == 0) {
		lp_netlink_begin(&nl, MESSAGE(IPCTNL_MSG_CT_GET), NLM_F_DUMP, &head, sizeof(head), "list flows");
		lp_netlink_end(&nl);
		rc = lp_netlink_query(&nl, look_at, &looking, err);
	}
	if (rc == 0)
		rc = forget(&nl, &looking, err);
	if (rc == 0 && out_count)
		*out_count = looking.stale.len / sizeof(struct flow);
	lp_buf_fini(&looking.stale);
	free(looking.slots);
	lp_netlink_close(&nl);
	return rc;
}

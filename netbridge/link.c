#include "netbridge/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>


void
lp_link_mac(uint32_t addr, uint8_t out[static LP_LINK_MAC])
{
	out[0] = 0x02;		/* locally administered, unicast */
	out[1] = 0x4c;
	out[2] = (uint8_t)(addr >> 24);
	out[3] = (uint8_t)(addr >> 16);
	out[4] = (uint8_t)(addr >> 8);
	out[5] = (uint8_t)addr;
}

static void
copy_text(char *out, size_t size, const struct lp_netlink_attr *attr)
{
	(void)snprintf(out, size, "%.*s", attr->data ? (int)attr->len : 0, attr->data ? (const char *)attr->data : "");
}

/* RFC 2863 states: unknown is what a link without carrier detection, or a new bridge, has for ever. */
static bool
runs(uint8_t state)
{
	return state == IF_OPER_UP || state == IF_OPER_UNKNOWN;
}

struct reading {
	lp_link_fn fn;
	void *arg;
	uint32_t master;
};

static int
read_link(void *arg, uint16_t type, const void *data, size_t len)
{
	const struct reading *reading = arg;
	struct lp_netlink_attr attrs[IFLA_LINKINFO + 1], alias[IFLA_IFALIAS + 1], info[IFLA_INFO_KIND + 1];
	struct ifinfomsg head;
	struct lp_link link = { 0 };

	if (type != RTM_NEWLINK || len < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	lp_netlink_attrs(data, len, sizeof(head), attrs, IFLA_LINKINFO);
	lp_netlink_attrs(data, len, sizeof(head), alias, IFLA_IFALIAS);
	lp_netlink_attrs(attrs[IFLA_LINKINFO].data, attrs[IFLA_LINKINFO].len, 0, info, IFLA_INFO_KIND);
	link.index = (uint32_t)head.ifi_index;
	link.master = lp_netlink_u32(&attrs[IFLA_MASTER]);
	link.mtu = lp_netlink_u32(&attrs[IFLA_MTU]);
	link.up = head.ifi_flags & IFF_UP;
	link.running = link.up && attrs[IFLA_OPERSTATE].len == 1 && runs(*(const uint8_t *)attrs[IFLA_OPERSTATE].data);
	link.loopback = head.ifi_flags & IFF_LOOPBACK;
	if (attrs[IFLA_ADDRESS].len == LP_LINK_MAC)
		memcpy(link.mac, attrs[IFLA_ADDRESS].data, LP_LINK_MAC);
	copy_text(link.name, sizeof(link.name), &attrs[IFLA_IFNAME]);
	copy_text(link.kind, sizeof(link.kind), &info[IFLA_INFO_KIND]);
	copy_text(link.alias, sizeof(link.alias), &alias[IFLA_IFALIAS]);
	if (reading->master && link.master != reading->master)
		return 0;
	return reading->fn(reading->arg, &link);
}

static int
keep_link(void *arg, const struct lp_link *link)
{
	*(struct lp_link *)arg = *link;
	return 0;
}

int
lp_link_find(struct lp_netlink *nl, const char *name, struct lp_link *out, struct lp_err *err)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct lp_link found = { 0 };
	struct reading reading = { .fn = keep_link, .arg = &found };
	int rc;

	lp_netlink_begin(nl, RTM_GETLINK, 0, &head, sizeof(head), "find link %s", name);
	lp_netlink_put_str(nl, IFLA_IFNAME, name);
	lp_netlink_end(nl);
	rc = lp_netlink_query(nl, read_link, &reading, err);
	if (rc < 0)
		return rc;
	if (!found.index)
		return lp_err_set(err, -ENODEV, "find link %s", name);
	*out = found;
	return 0;
}

int
lp_link_each(struct lp_netlink *nl, uint32_t master, lp_link_fn fn, void *arg, struct lp_err *err)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct reading reading = { .fn = fn, .arg = arg, .master = master };

	lp_netlink_begin(nl, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head), "list links");
	if (master)
		lp_netlink_put_u32(nl, IFLA_MASTER, master);
	lp_netlink_end(nl);
	return lp_netlink_query(nl, read_link, &reading, err);
}

void
lp_link_add_bridge(struct lp_netlink *nl, const char *name, const uint8_t mac[static LP_LINK_MAC])
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	lp_netlink_begin(nl, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head), "make bridge %s", name);
	lp_netlink_put_str(nl, IFLA_IFNAME, name);
	lp_netlink_put(nl, IFLA_ADDRESS, mac, LP_LINK_MAC);
	lp_netlink_nest(nl, IFLA_LINKINFO);
	lp_netlink_put_str(nl, IFLA_INFO_KIND, "bridge");
	lp_netlink_nest_end(nl);
	lp_netlink_end(nl);
}

void
lp_link_add_pair(struct lp_netlink *nl, const char *name, uint32_t bridge, int netns_fd, const uint8_t inner_mac[static LP_LINK_MAC])
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct ifinfomsg inner = { .ifi_family = AF_UNSPEC };

	lp_netlink_begin(nl, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head), "make link %s", name);
	lp_netlink_put_str(nl, IFLA_IFNAME, name);
	lp_netlink_put_u32(nl, IFLA_MASTER, bridge);
	lp_netlink_nest(nl, IFLA_LINKINFO);
	lp_netlink_put_str(nl, IFLA_INFO_KIND, "veth");
	lp_netlink_nest(nl, IFLA_INFO_DATA);
	lp_netlink_nest(nl, VETH_INFO_PEER);
	lp_netlink_add(nl, &inner, sizeof(inner));
	lp_netlink_put_str(nl, IFLA_IFNAME, "eth0");
	lp_netlink_put(nl, IFLA_ADDRESS, inner_mac, LP_LINK_MAC);
	lp_netlink_put_u32(nl, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	lp_netlink_nest_end(nl);
	lp_netlink_nest_end(nl);
	lp_netlink_nest_end(nl);
	lp_netlink_end(nl);
}

static void
put_quiet(struct lp_netlink *nl)
{
	lp_netlink_nest(nl, IFLA_AF_SPEC);
	lp_netlink_nest(nl, AF_INET6);
	lp_netlink_put_u8(nl, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	lp_netlink_nest_end(nl);
	lp_netlink_nest_end(nl);
}

void
lp_link_set_port(struct lp_netlink *nl, const char *name, const struct lp_link_port *port, const char *alias)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };

	lp_netlink_begin(nl, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head), "lock bridge port %s", name);
	lp_netlink_put_str(nl, IFLA_IFNAME, name);
	if (alias)
		lp_netlink_put(nl, IFLA_IFALIAS, alias, strlen(alias));
	lp_netlink_nest(nl, IFLA_LINKINFO);
	lp_netlink_put_str(nl, IFLA_INFO_SLAVE_KIND, "bridge");
	lp_netlink_nest(nl, IFLA_INFO_SLAVE_DATA);
	lp_netlink_put_u8(nl, IFLA_BRPORT_LEARNING, 0);
	lp_netlink_put_u8(nl, IFLA_BRPORT_UNICAST_FLOOD, 0);
	lp_netlink_put_u8(nl, IFLA_BRPORT_MODE, port->hairpin);
	lp_netlink_put_u8(nl, IFLA_BRPORT_ISOLATED, port->isolated);	/* 4.18; older kernels ignore it, */
	lp_netlink_put_u8(nl, IFLA_BRPORT_LOCKED, 1);		/* and this before 5.18 */
	lp_netlink_nest_end(nl);
	lp_netlink_nest_end(nl);
	lp_netlink_end(nl);
}

void
lp_link_set_quiet(struct lp_netlink *nl, uint32_t index)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };

	lp_netlink_begin(nl, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head), "link %u without IPv6 address", index);
	put_quiet(nl);
	lp_netlink_end(nl);
	lp_netlink_tolerate(nl, EAFNOSUPPORT);		/* a kernel without IPv6 is as quiet as can be */
}

void
lp_link_set_up(struct lp_netlink *nl, uint32_t index)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	lp_netlink_begin(nl, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head), "link %u up", index);
	lp_netlink_end(nl);
}

void
lp_link_remove(struct lp_netlink *nl, const char *name)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };

	lp_netlink_begin(nl, RTM_DELLINK, NLM_F_ACK, &head, sizeof(head), "remove link %s", name);
	lp_netlink_put_str(nl, IFLA_IFNAME, name);
	lp_netlink_end(nl);
	lp_netlink_tolerate(nl, ENODEV);
}

void
lp_link_add_station(struct lp_netlink *nl, uint32_t port, const uint8_t mac[static LP_LINK_MAC])
{
	struct ndmsg head = { .ndm_family = AF_BRIDGE, .ndm_ifindex = (int)port, .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER };

	lp_netlink_begin(nl, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head), "bridge entry of port %u", port);
	lp_netlink_put(nl, NDA_LLADDR, mac, LP_LINK_MAC);
	lp_netlink_end(nl);
}

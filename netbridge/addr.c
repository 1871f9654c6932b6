#include "netbridge/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "base/text.h"

static void
address(struct lp_netlink *nl, uint16_t type, uint16_t flags, uint32_t index, uint32_t addr, uint8_t prefix, const char *verb)
{
	struct ifaddrmsg head = { .ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = index };
	char text[LP_TEXT_IPV4];

	lp_text_ipv4_print(addr, text);
	lp_netlink_begin(nl, type, NLM_F_ACK | flags, &head, sizeof(head), "%s address %s/%u", verb, text, prefix);
	lp_netlink_put_be32(nl, IFA_LOCAL, addr);
	lp_netlink_put_be32(nl, IFA_ADDRESS, addr);
	lp_netlink_end(nl);
}

void
lp_addr_add(struct lp_netlink *nl, uint32_t index, uint32_t addr, uint8_t prefix)
{
	address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, addr, prefix, "add");
	lp_netlink_tolerate(nl, EEXIST);
}

void
lp_addr_remove(struct lp_netlink *nl, uint32_t index, uint32_t addr, uint8_t prefix)
{
	address(nl, RTM_DELADDR, 0, index, addr, prefix, "remove");
	lp_netlink_tolerate(nl, EADDRNOTAVAIL);
}

struct addr_reading {
	lp_addr_fn fn;
	void *arg;
};

static int
read_addr(void *arg, uint16_t type, const void *data, size_t len)
{
	const struct addr_reading *reading = arg;
	struct lp_netlink_attr attrs[IFA_LOCAL + 1];
	struct ifaddrmsg head;
	struct lp_addr addr;

	if (type != RTM_NEWADDR || len < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	if (head.ifa_family != AF_INET)
		return 0;
	lp_netlink_attrs(data, len, sizeof(head), attrs, IFA_LOCAL);
	addr.addr = ntohl(lp_netlink_u32(&attrs[IFA_LOCAL]));
	addr.index = head.ifa_index;
	addr.prefix = head.ifa_prefixlen;
	addr.scope = head.ifa_scope;
	return addr.addr ? reading->fn(reading->arg, &addr) : 0;
}

int
lp_addr_each(struct lp_netlink *nl, lp_addr_fn fn, void *arg, struct lp_err *err)
{
	struct ifaddrmsg head = { .ifa_family = AF_INET };
	struct addr_reading reading = { fn, arg };

	lp_netlink_begin(nl, RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head), "list addresses");
	lp_netlink_end(nl);
	return lp_netlink_query(nl, read_addr, &reading, err);
}

static void
route_message(struct lp_netlink *nl, uint16_t type, uint16_t flags, const struct lp_addr_route *route, const char *verb)
{
	struct rtmsg head = {
		.rtm_family = AF_INET, .rtm_dst_len = route->prefix, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = LP_ADDR_PROTOCOL,
		.rtm_scope = route->gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK, .rtm_type = RTN_UNICAST,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0,
	};
	char dst[LP_TEXT_IPV4], gateway[LP_TEXT_IPV4];

	lp_text_ipv4_print(route->dst, dst);
	lp_text_ipv4_print(route->gateway, gateway);
	lp_netlink_begin(nl, type, NLM_F_ACK | flags, &head, sizeof(head), "%s route %s/%u%s%s", verb, dst, route->prefix,
	    route->gateway ? " by " : "", route->gateway ? gateway : "");
	if (route->prefix)
		lp_netlink_put_be32(nl, RTA_DST, route->dst);
	if (route->gateway)
		lp_netlink_put_be32(nl, RTA_GATEWAY, route->gateway);
	if (route->source)
		lp_netlink_put_be32(nl, RTA_PREFSRC, route->source);
	if (route->index)
		lp_netlink_put_u32(nl, RTA_OIF, route->index);
	if (route->metric)
		lp_netlink_put_u32(nl, RTA_PRIORITY, route->metric);
	lp_netlink_end(nl);
}

void
lp_addr_add_route(struct lp_netlink *nl, const struct lp_addr_route *route)
{
	route_message(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, "add");
}

void
lp_addr_remove_route(struct lp_netlink *nl, const struct lp_addr_route *route)
{
	route_message(nl, RTM_DELROUTE, 0, route, "remove");
	lp_netlink_tolerate(nl, ESRCH);
}

struct route_reading {
	lp_addr_route_fn fn;
	void *arg;
	uint8_t protocol;
};

static int
read_route(void *arg, uint16_t type, const void *data, size_t len)
{
	const struct route_reading *reading = arg;
	struct lp_netlink_attr attrs[RTA_TABLE + 1];
	struct lp_addr_route route = { 0 };
	struct rtmsg head;

	if (type != RTM_NEWROUTE || len < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	lp_netlink_attrs(data, len, sizeof(head), attrs, RTA_TABLE);
	if (head.rtm_family != AF_INET || lp_netlink_u32(&attrs[RTA_TABLE]) != RT_TABLE_MAIN ||
	    (reading->protocol && head.rtm_protocol != reading->protocol))
		return 0;
	route.dst = ntohl(lp_netlink_u32(&attrs[RTA_DST]));
	route.prefix = head.rtm_dst_len;
	route.gateway = ntohl(lp_netlink_u32(&attrs[RTA_GATEWAY]));
	route.source = ntohl(lp_netlink_u32(&attrs[RTA_PREFSRC]));
	route.index = lp_netlink_u32(&attrs[RTA_OIF]);
	route.metric = lp_netlink_u32(&attrs[RTA_PRIORITY]);
	route.onlink = head.rtm_flags & RTNH_F_ONLINK;
	route.protocol = head.rtm_protocol;
	route.type = head.rtm_type;
	return reading->fn(reading->arg, &route);
}

int
lp_addr_each_route(struct lp_netlink *nl, uint8_t protocol, lp_addr_route_fn fn, void *arg, struct lp_err *err)
{
	struct rtmsg head = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = protocol };
	struct route_reading reading = { fn, arg, protocol };

	lp_netlink_begin(nl, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof(head), "list routes");
	lp_netlink_end(nl);
	return lp_netlink_query(nl, read_route, &reading, err);
}

static void
neighbour(struct lp_netlink *nl, uint16_t type, uint16_t flags, uint32_t index, uint32_t addr, const uint8_t *mac, const char *verb)
{
	struct ndmsg head = { .ndm_family = AF_INET, .ndm_ifindex = (int)index, .ndm_state = NUD_PERMANENT };
	char text[LP_TEXT_IPV4];

	lp_text_ipv4_print(addr, text);
	lp_netlink_begin(nl, type, NLM_F_ACK | flags, &head, sizeof(head), "%s neighbour %s", verb, text);
	lp_netlink_put_be32(nl, NDA_DST, addr);
	if (mac)
		lp_netlink_put(nl, NDA_LLADDR, mac, LP_LINK_MAC);
	lp_netlink_end(nl);
}

void
lp_addr_add_neighbour(struct lp_netlink *nl, uint32_t index, uint32_t addr, const uint8_t mac[static LP_LINK_MAC])
{
	neighbour(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, addr, mac, "add");
}

void
lp_addr_remove_neighbour(struct lp_netlink *nl, uint32_t index, uint32_t addr)
{
	neighbour(nl, RTM_DELNEIGH, 0, index, addr, NULL, "remove");
	lp_netlink_tolerate(nl, ENOENT);
}

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/rtnetlink.h>

#include "base/auto.h"
#include "base/buf.h"
#include "netbridge/addr.h"
#include "netbridge/link.h"
#include "netbridge/netbridge.h"
#include "netbridge/nft.h"
#include "netbridge/overlay.h"
#include "netbridge/table.h"

/*
 * What is there, and taking all of it away: the parts of netbridge.h that need no open network.
 */

#define LIST_MAX (1u << 20)
#define ALIAS "limpet "

/* ---- links */

static int
keep_link(void *arg, const struct lp_link *link)
{
	struct lp_netbridge_link kept = { .index = link->index, .up = link->up };

	memcpy(kept.name, link->name, sizeof(kept.name));
	if (strncmp(link->alias, ALIAS, sizeof(ALIAS) - 1) == 0)
		(void)snprintf(kept.key, sizeof(kept.key), "%s", link->alias + sizeof(ALIAS) - 1);
	return lp_buf_add(arg, &kept, sizeof(kept));
}

static int
list_links(struct lp_netlink *nl, const char *bridge, struct lp_buf *out, struct lp_err *err)
{
	struct lp_link link;
	int rc = lp_link_find(nl, bridge, &link, err);

	if (rc == -ENODEV)
		return 0;
	return rc < 0 ? rc : lp_link_each(nl, link.index, keep_link, out, err);
}

int
lp_netbridge_links(const char *bridge, struct lp_netbridge_link **out, size_t *out_count, struct lp_err *err)
{
	lp_auto_buf struct lp_buf found;
	struct lp_netlink nl;
	size_t len;
	int rc = lp_netlink_open(&nl, NETLINK_ROUTE, err);

	lp_buf_init(&found, LIST_MAX);
	if (rc < 0)
		return rc;
	rc = list_links(&nl, bridge, &found, err);
	lp_netlink_close(&nl);
	if (rc < 0)
		return rc;
	*out = (struct lp_netbridge_link *)(void *)lp_buf_take(&found, &len);
	if (!*out)
		return lp_err_set(err, -ENOMEM, "list of links");
	*out_count = len / sizeof(**out);
	return 0;
}

/* ---- remove */

static int
remove_links(struct lp_netlink *nl, const char *bridge, struct lp_err *err)
{
	lp_auto_buf struct lp_buf found;
	const struct lp_netbridge_link *links;
	int rc;

	lp_buf_init(&found, LIST_MAX);
	rc = list_links(nl, bridge, &found, err);
	if (rc < 0)
		return rc;
	links = (const struct lp_netbridge_link *)(void *)found.data;
	for (size_t i = 0; i < found.len / sizeof(*links); i++)
		lp_link_remove(nl, links[i].name);
	lp_link_remove(nl, bridge);
	rc = lp_netlink_commit(nl, err);
	return rc < 0 ? rc : lp_overlay_apply(nl, bridge, NULL, 0, err);
}

static int
remove_tables(const char *table, struct lp_err *err)
{
	char stand_in[LP_TABLE_STAND_IN];
	struct lp_nft nft;
	int rc = lp_nft_open(&nft, err);

	if (rc < 0)
		return rc;
	lp_table_stand_in(table, stand_in);
	rc = lp_table_remove(&nft, stand_in, err);	/* of one that was killed between two transactions */
	if (rc == 0)
		rc = lp_table_remove(&nft, table, err);
	lp_nft_close(&nft);
	return rc;
}

int
lp_netbridge_remove(const char *bridge, const char *table, struct lp_err *err)
{
	struct lp_netlink nl;
	int rc = lp_netlink_open(&nl, NETLINK_ROUTE, err);

	if (rc < 0)
		return rc;
	rc = remove_links(&nl, bridge, err);
	lp_netlink_close(&nl);
	/* The guard goes last: until the bridge is gone, it is what keeps 127.0.0.0/8 at home. */
	return rc < 0 ? rc : remove_tables(table, err);
}

/* ---- the node's own addresses */

struct survey {
	const char *bridge;		/* left out */
	struct lp_buf links;		/* struct lp_link */
	struct lp_buf addrs;		/* struct lp_addr */
	struct lp_addr_route best;	/* default route with the least metric; index 0 = none */
};

static int
survey_link(void *arg, const struct lp_link *link)
{
	struct survey *survey = arg;

	return lp_buf_add(&survey->links, link, sizeof(*link));
}

static int
survey_addr(void *arg, const struct lp_addr *addr)
{
	struct survey *survey = arg;

	return addr->scope == RT_SCOPE_UNIVERSE ? lp_buf_add(&survey->addrs, addr, sizeof(*addr)) : 0;
}

static int
survey_route(void *arg, const struct lp_addr_route *route)
{
	struct survey *survey = arg;

	if (route->prefix == 0 && route->type == RTN_UNICAST && route->index && (!survey->best.index || route->metric < survey->best.metric))
		survey->best = *route;
	return 0;
}

static int
look(struct survey *survey, struct lp_err *err)
{
	struct lp_netlink nl;
	int rc = lp_netlink_open(&nl, NETLINK_ROUTE, err);

	lp_buf_init(&survey->links, LIST_MAX);
	lp_buf_init(&survey->addrs, LIST_MAX);
	if (rc < 0)
		return rc;
	rc = lp_link_each(&nl, 0, survey_link, survey, err);
	if (rc == 0)
		rc = lp_addr_each(&nl, survey_addr, survey, err);
	if (rc == 0)
		rc = lp_addr_each_route(&nl, 0, survey_route, survey, err);
	lp_netlink_close(&nl);
	return rc;
}

static void
survey_fini(struct survey *survey)
{
	lp_buf_fini(&survey->links);
	lp_buf_fini(&survey->addrs);
}

static const struct lp_link *
link_of(const struct survey *survey, uint32_t index)
{
	const struct lp_link *links = (const struct lp_link *)(void *)survey->links.data;

	for (size_t i = 0; i < survey->links.len / sizeof(*links); i++) {
		if (links[i].index == index)
			return &links[i];
	}
	return NULL;
}

/* How likely it is that others reach the node by this address; 0 = never. */
static int
worth(const struct survey *survey, const struct lp_addr *addr)
{
	const struct lp_link *link = link_of(survey, addr->index);

	if (!link || !link->up || strcmp(link->name, survey->bridge) == 0)
		return 0;
	if (addr->index == survey->best.index)
		return survey->best.source == addr->addr ? 6 : 5;
	if (link->loopback)
		return 1;
	if (link->kind[0] == '\0')
		return 4;
	return strcmp(link->kind, "bridge") == 0 ? 2 : 3;
}

int
lp_netbridge_node_address(const char *bridge, uint32_t *out, char ifname[LP_NETBRIDGE_NAME], struct lp_err *err)
{
	struct survey survey = { .bridge = bridge };
	const struct lp_addr *addrs, *best = NULL;
	int rc = look(&survey, err);

	addrs = (const struct lp_addr *)(void *)survey.addrs.data;
	for (size_t i = 0; rc == 0 && i < survey.addrs.len / sizeof(*addrs); i++) {
		if (worth(&survey, &addrs[i]) > (best ? worth(&survey, best) : 0))
			best = &addrs[i];
	}
	if (rc == 0 && !best)
		rc = lp_err_say(err, -ENOENT, "no interface has an IPv4 address that others could use");
	if (rc == 0) {
		*out = best->addr;
		if (ifname)
			(void)snprintf(ifname, LP_NETBRIDGE_NAME, "%s", link_of(&survey, best->index)->name);
	}
	survey_fini(&survey);
	return rc;
}

int
lp_netbridge_node_addresses(const char *bridge, uint32_t *out, size_t max, struct lp_err *err)
{
	struct survey survey = { .bridge = bridge };
	const struct lp_addr *addrs;
	size_t count = 0;
	int rc = look(&survey, err);

	addrs = (const struct lp_addr *)(void *)survey.addrs.data;
	for (size_t i = 0; rc == 0 && i < survey.addrs.len / sizeof(*addrs) && count < max; i++) {
		if (worth(&survey, &addrs[i]) > 0)
			out[count++] = addrs[i].addr;
	}
	survey_fini(&survey);
	return rc < 0 ? rc : (int)count;
}

int
lp_netbridge_watch(int *out_fd, struct lp_err *err)
{
	struct lp_netlink nl;
	int rc = lp_netlink_open(&nl, NETLINK_ROUTE, err);

	if (rc < 0)
		return rc;
	/* A link that comes up shows in the routes of its addresses; pods' links have none here. */
	rc = lp_netlink_join(&nl, RTNLGRP_IPV4_IFADDR, err);
	if (rc == 0)
		rc = lp_netlink_join(&nl, RTNLGRP_IPV4_ROUTE, err);
	if (rc == 0)
		rc = lp_netlink_descriptor(&nl, out_fd, err);
	lp_netlink_close(&nl);
	return rc;
}

static int
find_obstacle(void *arg, const struct lp_nft_hook *hook)
{
	char *found = arg;
	size_t len = strlen(found);

	if ((hook->hook == NF_INET_FORWARD || hook->hook == NF_INET_LOCAL_IN) && hook->policy == NF_DROP &&
	    (hook->family == NFPROTO_IPV4 || hook->family == NFPROTO_INET))
		(void)snprintf(found + len, LP_NETBRIDGE_OBSTACLE - len, "%stable %s chain %s", len ? ", " : "", hook->table, hook->chain);
	return 0;
}

int
lp_netbridge_obstacle(char out[static LP_NETBRIDGE_OBSTACLE], struct lp_err *err)
{
	char found[LP_NETBRIDGE_OBSTACLE] = "";
	struct lp_nft nft;
	int rc = lp_nft_open(&nft, err);

	if (rc < 0)
		return rc;
	rc = lp_nft_each_hook(&nft, find_obstacle, found, err);
	lp_nft_close(&nft);
	if (rc == 0)
		memcpy(out, found, sizeof(found));
	return rc;
}

#include "netbridge/dns_zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "netbridge/dns_name.h"

int
lp_dns_zone_new(struct lp_dns_zone **out, const char *domain, struct lp_err *err)
{
	struct lp_dns_zone *zone = calloc(1, sizeof(*zone));
	char name[LP_DNS_NAME];
	int rc;

	if (!zone)
		return lp_err_set(err, -ENOMEM, "DNS zone");
	lp_map_init(&zone->names);
	lp_map_init(&zone->namespaces);
	rc = lp_dns_name_clean(domain, name);
	if (rc < 0 || strlen(name) >= sizeof(zone->domain)) {
		lp_dns_zone_free(zone);
		return lp_err_say(err, -EINVAL, "\"%s\" cannot be a cluster domain", domain);
	}
	memcpy(zone->domain, name, strlen(name) + 1);
	/* What the specification wants every cluster to answer. */
	(void)snprintf(name, sizeof(name), "dns-version.%s", zone->domain);
	rc = lp_dns_zone_add(zone, &(struct lp_dns_record){ .name = name, .type = LP_DNS_TXT, .ttl = 5, .target = "1.1.0" }, err);
	if (rc < 0) {
		lp_dns_zone_free(zone);
		return rc;
	}
	*out = zone;
	return 0;
}

static void
free_node(struct lp_dns_node *node)
{
	struct lp_dns_entry *next;

	for (struct lp_dns_entry *entry = node->first; entry; entry = next) {
		next = entry->next;
		free((void *)(uintptr_t)entry->record.target);
		free(entry);
	}
	free(node);
}

void
lp_dns_zone_free(struct lp_dns_zone *zone)
{
	size_t pos = 0;
	const char *key;
	void *value;

	if (!zone)
		return;
	while (lp_map_next(&zone->names, &pos, &key, &value))
		free_node(value);
	lp_map_fini(&zone->names);
	lp_map_fini(&zone->namespaces);
	free(zone);
}

static struct lp_dns_node *
need_node(struct lp_dns_zone *zone, const char *name)
{
	struct lp_dns_node *node = lp_map_get(&zone->names, name);

	if (node)
		return node;
	node = calloc(1, sizeof(*node));
	if (node && lp_map_put(&zone->names, name, node, NULL) < 0) {
		free(node);
		return NULL;
	}
	return node;
}

/* The name and, inside the domain, everything between it and the domain. */
static struct lp_dns_node *
need_path(struct lp_dns_zone *zone, const char *name)
{
	if (lp_dns_name_below(name, zone->domain)) {
		for (const char *up = strchr(name, '.'); up && lp_dns_name_below(up + 1, zone->domain); up = strchr(up + 1, '.')) {
			if (!need_node(zone, up + 1))
				return NULL;
		}
	}
	return need_node(zone, name);
}

static int
check_target(const struct lp_dns_record *record, char target[static LP_DNS_NAME], struct lp_err *err)
{
	int rc;

	target[0] = '\0';
	switch (record->type) {
	case LP_DNS_A:
		return 0;
	case LP_DNS_TXT:
		if (!record->target || strlen(record->target) >= LP_DNS_NAME)
			return lp_err_say(err, -EINVAL, "DNS text of %s is missing or too long", record->name);
		(void)snprintf(target, LP_DNS_NAME, "%s", record->target);
		return 0;
	case LP_DNS_CNAME:
	case LP_DNS_PTR:
	case LP_DNS_SRV:
		rc = record->target ? lp_dns_name_clean(record->target, target) : -EINVAL;
		return rc < 0 ? lp_err_say(err, rc, "\"%s\" is no name that %s can point to", record->target ? record->target : "", record->name) : 0;
	default:
		return lp_err_say(err, -EINVAL, "DNS type %u cannot be served", record->type);
	}
}

int
lp_dns_zone_add(struct lp_dns_zone *zone, const struct lp_dns_record *record, struct lp_err *err)
{
	char name[LP_DNS_NAME], target[LP_DNS_NAME];
	struct lp_dns_entry *entry;
	struct lp_dns_node *node;
	uint32_t addr;
	int rc = lp_dns_name_clean(record->name, name);

	if (rc < 0)
		return lp_err_say(err, rc, "\"%s\" is no DNS name", record->name);
	if (record->type == LP_DNS_PTR ? !lp_dns_name_reverse(name, &addr) : !lp_dns_name_below(name, zone->domain))
		return lp_err_say(err, -EINVAL, "DNS name %s is outside %s", name, record->type == LP_DNS_PTR ? "in-addr.arpa" : zone->domain);
	rc = check_target(record, target, err);
	if (rc < 0)
		return rc;
	node = need_path(zone, name);
	entry = node ? calloc(1, sizeof(*entry)) : NULL;
	if (entry) {
		entry->record = *record;
		entry->record.name = NULL;
		entry->record.target = target[0] || record->type == LP_DNS_TXT ? strdup(target) : NULL;
	}
	if (!entry || (!entry->record.target && record->type != LP_DNS_A)) {
		free(entry);
		return lp_err_set(err, -ENOMEM, "DNS record %s", name);
	}
	if (node->last)
		node->last->next = entry;
	else
		node->first = entry;
	node->last = entry;
	return 0;
}

int
lp_dns_zone_add_pointer(struct lp_dns_zone *zone, uint32_t addr, const char *target, struct lp_err *err)
{
	char name[LP_DNS_NAME];

	lp_dns_name_print_reverse(addr, name);
	return lp_dns_zone_add(zone, &(struct lp_dns_record){ .name = name, .type = LP_DNS_PTR, .ttl = 5, .target = target }, err);
}

int
lp_dns_zone_add_range(struct lp_dns_zone *zone, uint32_t addr, uint8_t prefix, struct lp_err *err)
{
	uint32_t bits = prefix ? ~0u << (32 - prefix) : 0;

	if (prefix > 32 || zone->range_count == LP_DNS_ZONE_RANGES)
		return lp_err_say(err, -EINVAL, "too many reverse ranges, or a prefix of %u", prefix);
	zone->ranges[zone->range_count].bits = bits;
	zone->ranges[zone->range_count++].addr = addr & bits;
	return 0;
}

int
lp_dns_zone_add_namespace(struct lp_dns_zone *zone, const char *name, struct lp_err *err)
{
	static const char *const kinds[] = { "svc", "pod" };
	char full[LP_DNS_NAME];

	if (!lp_text_is_dns_label(name))
		return lp_err_say(err, -EINVAL, "\"%s\" is no namespace", name);
	if (lp_map_put(&zone->namespaces, name, zone, NULL) < 0)
		return lp_err_set(err, -ENOMEM, "namespace %s", name);
	for (size_t i = 0; i < lp_count(kinds); i++) {
		(void)snprintf(full, sizeof(full), "%s.%s.%s", name, kinds[i], zone->domain);
		if (!need_path(zone, full))
			return lp_err_set(err, -ENOMEM, "namespace %s", name);
	}
	return 0;
}

const struct lp_dns_node *
lp_dns_zone_find(const struct lp_dns_zone *zone, const char *name)
{
	return lp_map_get(&zone->names, name);
}

bool
lp_dns_zone_holds(const struct lp_dns_zone *zone, uint32_t addr)
{
	for (size_t i = 0; i < zone->range_count; i++) {
		if ((addr & zone->ranges[i].bits) == zone->ranges[i].addr)
			return true;
	}
	return false;
}

bool
lp_dns_zone_pod(const struct lp_dns_zone *zone, const char *name, uint32_t *out_addr)
{
	char dotted[LP_TEXT_IPV4] = { 0 }, space[64] = { 0 };
	const char *dot = strchr(name, '.'), *pod = dot ? strchr(dot + 1, '.') : NULL;
	size_t len = dot ? (size_t)(dot - name) : 0;
	uint32_t addr;

	if (!pod || len >= sizeof(dotted) || (size_t)(pod - dot - 1) >= sizeof(space))
		return false;
	if (strncmp(pod + 1, "pod.", 4) != 0 || strcmp(pod + 5, zone->domain) != 0)
		return false;
	memcpy(space, dot + 1, (size_t)(pod - dot - 1));
	for (size_t i = 0; i < len; i++)
		dotted[i] = name[i] == '-' ? '.' : name[i];
	if (!lp_map_get(&zone->namespaces, space) || lp_text_ipv4(dotted, &addr) < 0 || !lp_dns_zone_holds(zone, addr))
		return false;
	*out_addr = addr;
	return true;
}

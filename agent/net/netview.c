#include "agent/net/netview.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/selector.h"

#define TTL 5			/* seconds: what CoreDNS gives cluster names */

struct endpoint {
	uint32_t addr;
	bool local;
	const char *hostname;		/* "" = named by its address */
	const struct lp_json *pod;	/* local: its containers' ports have names; else NULL */
	const struct lp_json *ports;	/* of a peer: already numbers */
};

struct service {
	const struct lp_json *object, *spec;
	const char *name, *namespace;
	int64_t created_ms;
	uint32_t cluster_addr;		/* 0 = headless or ExternalName */
	struct endpoint *endpoints;	/* the ready ones */
	size_t endpoint_count;
};

struct making {
	struct lp_arena *arena;
	const struct lp_netview_input *in;
	struct lp_netview *out;
	struct service *services;
	size_t count;
};

static const char *
word(const struct lp_json *object, const char *path, const char *otherwise)
{
	const char *text = lp_json_str(object, path);

	return text && *text ? text : otherwise;
}

static uint8_t
protocol_of(const struct lp_json *port)
{
	const char *name = word(port, "protocol", "TCP");

	return strcmp(name, "UDP") == 0 ? IPPROTO_UDP : strcmp(name, "SCTP") == 0 ? IPPROTO_SCTP : IPPROTO_TCP;
}

static uint16_t
port_number(const struct lp_json *object, const char *key)
{
	int64_t number = lp_json_int(object, key, 0);

	return number > 0 && number < 65536 ? (uint16_t)number : 0;
}

/* ---- endpoints */

static bool
is_headless(const struct lp_json *spec)
{
	return strcmp(word(spec, "clusterIP", "None"), "None") == 0;
}

static void
add_local(struct service *service, const struct lp_netview_pod *pod, const struct lp_selector *selector)
{
	const struct lp_json *spec = lp_json_get(pod->object, "spec");
	bool subdomain = strcmp(word(spec, "subdomain", ""), service->name) == 0;

	if (!pod->addr || !(pod->ready || (pod->running && lp_json_bool(service->spec, "publishNotReadyAddresses", false))) ||
	    strcmp(lp_object_namespace(pod->object), service->namespace) != 0 ||
	    !lp_selector_match_labels(selector, lp_object_labels(pod->object)))
		return;
	service->endpoints[service->endpoint_count++] = (struct endpoint){
		.addr = pod->addr, .local = true, .pod = pod->object, .hostname = subdomain ? word(spec, "hostname", "") : "",
	};
}

static void
add_remote(struct service *service, const struct lp_json *address)
{
	uint32_t addr;

	if ((!lp_json_bool(address, "ready", true) && !lp_json_bool(service->spec, "publishNotReadyAddresses", false)) ||
	    lp_text_ipv4(word(address, "ip", ""), &addr) < 0)
		return;
	service->endpoints[service->endpoint_count++] = (struct endpoint){
		.addr = addr, .hostname = word(address, "hostname", ""), .ports = lp_json_get(address, "ports"),
	};
}

static const struct lp_json *
remote_addresses(const struct lp_json *group, const struct service *service)
{
	if (strcmp(word(group, "namespace", ""), service->namespace) != 0 || strcmp(word(group, "service", ""), service->name) != 0)
		return NULL;
	return lp_json_get(group, "addresses");
}

static int
find_endpoints(struct making *m, struct service *service, struct lp_err *err)
{
	const struct lp_json *groups = lp_json_get(m->in->peers, "endpoints");
	struct lp_selector selector;
	size_t most = m->in->pod_count;
	int rc = lp_selector_map(m->arena, lp_json_get(service->spec, "selector"), &selector, err);

	if (rc < 0)
		return rc;
	lp_json_each(group, groups)
		most += lp_json_count(remote_addresses(group, service));
	service->endpoints = lp_arena_alloc(m->arena, (most + 1) * sizeof(*service->endpoints));
	if (!service->endpoints)
		return lp_err_set(err, -ENOMEM, "endpoints of %s/%s", service->namespace, service->name);
	for (size_t i = 0; i < m->in->pod_count; i++)
		add_local(service, &m->in->pods[i], &selector);
	lp_json_each(group, groups)
		lp_json_each(address, remote_addresses(group, service))
			add_remote(service, address);
	return 0;
}

/* The number behind a service's port at one endpoint; 0 = it has none. */
static uint16_t
target_port(const struct endpoint *endpoint, const struct lp_json *port)
{
	const struct lp_json *target = lp_json_get(port, "targetPort");
	const char *name = lp_json_text(target);

	if (!endpoint->pod) {
		lp_json_each(there, endpoint->ports) {
			if (protocol_of(there) == protocol_of(port) && strcmp(word(there, "name", ""), word(port, "name", "")) == 0)
				return port_number(there, "port");
		}
		return 0;
	}
	if (!name) {
		uint16_t number = port_number(port, "targetPort");

		return number ? number : port_number(port, "port");
	}
	lp_json_each(container, lp_json_path(endpoint->pod, "spec.containers")) {
		lp_json_each(there, lp_json_get(container, "ports")) {
			if (protocol_of(there) == protocol_of(port) && strcmp(word(there, "name", ""), name) == 0)
				return port_number(there, "containerPort");
		}
	}
	return 0;
}

/* ---- services */

static int
compare_services(const void *a, const void *b)
{
	const struct service *x = a, *y = b;
	int by_namespace;

	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? -1 : 1;
	by_namespace = strcmp(x->namespace, y->namespace);
	return by_namespace ? by_namespace : strcmp(x->name, y->name);
}

static int
read_services(struct making *m, struct lp_err *err)
{
	m->services = lp_arena_alloc(m->arena, (m->in->service_count + 1) * sizeof(*m->services));
	if (!m->services)
		return lp_err_set(err, -ENOMEM, "%zu services", m->in->service_count);
	for (size_t i = 0; i < m->in->service_count; i++) {
		struct service *service = &m->services[m->count++];
		int rc;

		service->object = m->in->services[i];
		service->spec = lp_json_get(service->object, "spec");
		service->name = lp_object_name(service->object);
		service->namespace = lp_object_namespace(service->object);
		service->created_ms = lp_object_created_ms(service->object);
		if (lp_text_ipv4(word(service->spec, "clusterIP", ""), &service->cluster_addr) < 0)
			service->cluster_addr = 0;
		rc = find_endpoints(m, service, err);
		if (rc < 0)
			return rc;
	}
	qsort(m->services, m->count, sizeof(*m->services), compare_services);
	return 0;
}

/* The load balancer's addresses, and for that type the node's own. */
static void
set_external(struct making *m, const struct service *service, struct lp_service_port *row)
{
	const struct lp_json *ingress = lp_json_path(service->object, "status.loadBalancer.ingress");
	bool balanced = strcmp(word(service->spec, "type", "ClusterIP"), "LoadBalancer") == 0;
	uint32_t *addrs;

	if (!balanced)
		return;
	addrs = lp_arena_alloc(m->arena, (lp_json_count(ingress) + m->in->node_addr_count + 1) * sizeof(*addrs));
	if (!addrs)
		return;		/* the arena remembers */
	for (size_t i = 0; i < m->in->node_addr_count; i++)
		addrs[row->external_count++] = m->in->node_addrs[i];
	lp_json_each(address, ingress) {
		uint32_t addr;
		bool known = false;

		if (lp_text_ipv4(word(address, "ip", ""), &addr) < 0)
			continue;
		for (size_t i = 0; i < row->external_count; i++)
			known |= addrs[i] == addr;
		if (!known)
			addrs[row->external_count++] = addr;
	}
	row->external = addrs;
}

static void
make_row(struct making *m, const struct service *service, const struct lp_json *port, struct lp_service_port *row)
{
	struct lp_service_backend *backends = lp_arena_alloc(m->arena, (service->endpoint_count + 1) * sizeof(*backends));
	const char *type = word(service->spec, "type", "ClusterIP"), *name = word(port, "name", NULL);

	*row = (struct lp_service_port){
		.name = lp_arena_printf(m->arena, "%s/%s%s%s", service->namespace, service->name, name ? ":" : "", name ? name : ""),
		.protocol = protocol_of(port),
		.port = port_number(port, "port"),
		.cluster_addr = service->cluster_addr,
		.external_local = strcmp(word(service->spec, "externalTrafficPolicy", "Cluster"), "Local") == 0,
		.internal_local = strcmp(word(service->spec, "internalTrafficPolicy", "Cluster"), "Local") == 0,
		.affinity = strcmp(word(service->spec, "sessionAffinity", "None"), "ClientIP") == 0,
		.backends = backends,
	};
	if (strcmp(type, "NodePort") == 0 || strcmp(type, "LoadBalancer") == 0)
		row->node_port = port_number(port, "nodePort");
	set_external(m, service, row);
	for (size_t i = 0; backends && i < service->endpoint_count; i++) {
		uint16_t number = target_port(&service->endpoints[i], port);

		if (number)
			backends[row->backend_count++] = (struct lp_service_backend){ service->endpoints[i].addr, number, service->endpoints[i].local };
	}
}

static int
make_rows(struct making *m, struct lp_err *err)
{
	struct lp_service_port *rows;
	size_t most = 0, count = 0;

	for (size_t i = 0; i < m->count; i++)
		most += lp_json_count(lp_json_get(m->services[i].spec, "ports"));
	rows = lp_arena_alloc(m->arena, (most + 1) * sizeof(*rows));
	if (!rows)
		return lp_err_set(err, -ENOMEM, "%zu service ports", most);
	for (size_t i = 0; i < m->count; i++) {
		const struct service *service = &m->services[i];

		if (!service->cluster_addr || strcmp(word(service->spec, "type", "ClusterIP"), "ExternalName") == 0)
			continue;
		lp_json_each(port, lp_json_get(service->spec, "ports"))
			make_row(m, service, port, &rows[count++]);
	}
	m->out->services.ports = rows;
	m->out->services.port_count = count;
	return 0;
}

static int
make_host_ports(struct making *m, struct lp_err *err)
{
	struct lp_service_host_port *rows;
	size_t most = 0, count = 0;

	for (size_t i = 0; i < m->in->pod_count; i++) {
		lp_json_each(container, lp_json_path(m->in->pods[i].object, "spec.containers"))
			most += lp_json_count(lp_json_get(container, "ports"));
	}
	rows = lp_arena_alloc(m->arena, (most + 1) * sizeof(*rows));
	if (!rows)
		return lp_err_set(err, -ENOMEM, "%zu host ports", most);
	for (size_t i = 0; i < m->in->pod_count; i++) {
		const struct lp_netview_pod *pod = &m->in->pods[i];

		if (!pod->running || !pod->addr || lp_json_bool(pod->object, "spec.hostNetwork", false))
			continue;
		lp_json_each(container, lp_json_path(pod->object, "spec.containers")) {
			lp_json_each(port, lp_json_get(container, "ports")) {
				struct lp_service_host_port row = {
					.name = lp_arena_printf(m->arena, "%s/%s", lp_object_namespace(pod->object), lp_object_name(pod->object)),
					.protocol = protocol_of(port), .host_port = port_number(port, "hostPort"),
					.addr = pod->addr, .port = port_number(port, "containerPort"),
				};

				if (lp_text_ipv4(word(port, "hostIP", "0.0.0.0"), &row.host_addr) == 0 && row.host_port && row.port)
					rows[count++] = row;
			}
		}
	}
	m->out->services.host_ports = rows;
	m->out->services.host_port_count = count;
	return 0;
}

/* ---- names */

static int
say(struct making *m, const struct lp_dns_record *record, struct lp_err *err)
{
	int rc;

	if (!record->name)
		return lp_err_set(err, -ENOMEM, "DNS names");
	rc = lp_dns_zone_add(m->out->zone, record, err);
	if (rc != -EINVAL)
		return rc;
	m->out->unnamed++;
	return 0;
}

static int
say_srv(struct making *m, const char *full, const char *target, const struct lp_json *port, uint16_t number, struct lp_err *err)
{
	static const char *const names[] = { [IPPROTO_TCP] = "tcp", [IPPROTO_UDP] = "udp", [IPPROTO_SCTP] = "sctp" };
	const char *name = word(port, "name", NULL);

	if (!name || !number)
		return 0;	/* a port without a name has no record */
	return say(m, &(struct lp_dns_record){ .name = lp_arena_printf(m->arena, "_%s._%s.%s", name, names[protocol_of(port)], full),
	    .type = LP_DNS_SRV, .ttl = TTL, .target = target, .weight = 100, .port = number }, err);
}

/* What the endpoint is called below a headless service. */
static const char *
endpoint_name(struct making *m, const struct endpoint *endpoint, const char *full)
{
	char text[LP_TEXT_IPV4];

	if (*endpoint->hostname)
		return lp_arena_printf(m->arena, "%s.%s", endpoint->hostname, full);
	lp_text_ipv4_print(endpoint->addr, text);
	for (char *c = text; *c; c++)
		*c = *c == '.' ? '-' : *c;
	return lp_arena_printf(m->arena, "%s.%s", text, full);
}

static int
name_headless(struct making *m, const struct service *service, const char *full, struct lp_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < service->endpoint_count; i++) {
		const struct endpoint *endpoint = &service->endpoints[i];
		const char *name = endpoint_name(m, endpoint, full);

		rc = say(m, &(struct lp_dns_record){ .name = full, .type = LP_DNS_A, .ttl = TTL, .addr = endpoint->addr }, err);
		if (rc == 0)
			rc = say(m, &(struct lp_dns_record){ .name = name, .type = LP_DNS_A, .ttl = TTL, .addr = endpoint->addr }, err);
		if (rc == 0 && lp_dns_zone_add_pointer(m->out->zone, endpoint->addr, name, err) == -ENOMEM)
			rc = -ENOMEM;
		lp_json_each(port, lp_json_get(service->spec, "ports")) {
			if (rc == 0)
				rc = say_srv(m, full, name, port, target_port(endpoint, port), err);
		}
	}
	return rc;
}

static int
name_alias(struct making *m, const char *full, const char *target, struct lp_err *err)
{
	size_t len = strlen(target);

	if (len && target[len - 1] == '.')
		len--;
	return say(m, &(struct lp_dns_record){ .name = full, .type = LP_DNS_CNAME, .ttl = TTL, .target = lp_arena_mem(m->arena, target, len) }, err);
}

static int
name_service(struct making *m, const struct service *service, struct lp_err *err)
{
	const char *full = lp_arena_printf(m->arena, "%s.%s.svc.%s", service->name, service->namespace, m->in->domain);
	int rc;

	if (!full)
		return lp_err_set(err, -ENOMEM, "DNS names");
	if (strcmp(word(service->spec, "type", "ClusterIP"), "ExternalName") == 0)
		return name_alias(m, full, word(service->spec, "externalName", ""), err);
	if (!service->cluster_addr)
		return is_headless(service->spec) ? name_headless(m, service, full, err) : 0;
	rc = say(m, &(struct lp_dns_record){ .name = full, .type = LP_DNS_A, .ttl = TTL, .addr = service->cluster_addr }, err);
	if (rc == 0 && lp_dns_zone_add_pointer(m->out->zone, service->cluster_addr, full, err) == -ENOMEM)
		rc = -ENOMEM;
	lp_json_each(port, lp_json_get(service->spec, "ports")) {
		if (rc == 0)
			rc = say_srv(m, full, full, port, port_number(port, "port"), err);
	}
	return rc;
}

static int
make_zone(struct making *m, struct lp_err *err)
{
	const struct lp_netview_input *in = m->in;
	int rc = lp_dns_zone_new(&m->out->zone, in->domain, err);

	if (rc == 0)
		rc = lp_dns_zone_add_range(m->out->zone, in->cluster.addr, in->cluster.prefix, err);
	if (rc == 0)
		rc = lp_dns_zone_add_range(m->out->zone, in->service_range.addr, in->service_range.prefix, err);
	for (size_t i = 0; rc == 0 && i < in->namespace_count; i++)
		rc = lp_dns_zone_add_namespace(m->out->zone, in->namespaces[i], err);
	for (size_t i = 0; rc == 0 && i < m->count; i++)
		rc = name_service(m, &m->services[i], err);
	return rc;
}

/* ---- peers */

static int
make_peers(struct making *m, struct lp_err *err)
{
	const struct lp_json *nodes = lp_json_get(m->in->peers, "nodes");
	struct lp_netbridge_peer *rows = lp_arena_alloc(m->arena, (lp_json_count(nodes) + 1) * sizeof(*rows));
	size_t count = 0;

	if (!rows)
		return lp_err_set(err, -ENOMEM, "%zu peers", lp_json_count(nodes));
	lp_json_each(node, nodes) {
		struct lp_netbridge_peer *row = &rows[count];

		if (lp_text_ipv4(word(node, "address", ""), &row->node_addr) == 0 &&
		    lp_text_cidr4(word(node, "podCIDR", ""), &row->pods.addr, &row->pods.prefix) == 0)
			count++;
	}
	m->out->peers = rows;
	m->out->peer_count = count;
	return 0;
}

int
lp_netview_make(struct lp_arena *arena, const struct lp_netview_input *input, struct lp_netview *out, struct lp_err *err)
{
	struct lp_netview made = { 0 };
	struct making m = { .arena = arena, .in = input, .out = &made };
	int rc = read_services(&m, err);

	if (rc == 0)
		rc = make_rows(&m, err);
	if (rc == 0)
		rc = make_host_ports(&m, err);
	if (rc == 0)
		rc = make_peers(&m, err);
	if (rc == 0)
		rc = make_zone(&m, err);
	if (rc == 0 && arena->failed)
		rc = lp_err_set(err, -ENOMEM, "network of %zu services", input->service_count);
	if (rc < 0) {
		lp_dns_zone_free(made.zone);
		return rc;
	}
	*out = made;
	return 0;
}

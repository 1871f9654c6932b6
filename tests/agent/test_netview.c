#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/net/netview.h"
#include "base/auto.h"
#include "tests/harness.h"

/* Objects and peers as text; the view of them. */
struct bench {
	struct lp_arena arena;
	const struct lp_json *services[16];
	struct lp_netview_pod pods[16];
	struct lp_netview_input in;
	struct lp_netview view;
};

static const uint32_t node_addrs[] = { 0xc0a80101 };
static const char *const namespaces[] = { "default", "kube-system", "default" };

static struct lp_json *
parse(struct bench *bench, const char *text)
{
	struct lp_json *json;
	struct lp_err err;

	CHECK_OK(lp_json_parse(&bench->arena, text, strlen(text), NULL, &json, &err), &err);
	return json;
}

static void
start(struct bench *bench)
{
	*bench = (struct bench){ .in = {
		.services = bench->services, .pods = bench->pods, .domain = "cluster.local",
		.namespaces = namespaces, .namespace_count = lp_count(namespaces), .node_addrs = node_addrs, .node_addr_count = 1,
		.cluster = { 0x0a2a0000, 16 }, .service_range = { 0x0a2b0000, 16 },
	} };
	lp_arena_init(&bench->arena, 16 << 20);
}

static void
add_service(struct bench *bench, const char *text)
{
	bench->services[bench->in.service_count++] = parse(bench, text);
}

static struct lp_netview_pod *
add_pod(struct bench *bench, uint32_t addr, const char *text)
{
	bench->pods[bench->in.pod_count] = (struct lp_netview_pod){ parse(bench, text), addr, true, true };
	return &bench->pods[bench->in.pod_count++];
}

static const struct lp_netview *
make(struct bench *bench)
{
	struct lp_err err;

	lp_dns_zone_free(bench->view.zone);
	CHECK_OK(lp_netview_make(&bench->arena, &bench->in, &bench->view, &err), &err);
	return &bench->view;
}

static void
stop(struct bench *bench)
{
	lp_dns_zone_free(bench->view.zone);
	lp_arena_fini(&bench->arena);
}

/* The answer's code, how many records it has, and the last four bytes of it (an A record's address). */
static unsigned
ask(struct bench *bench, const char *name, uint16_t type, unsigned *out_count, uint32_t *out_addr)
{
	lp_auto_buf struct lp_buf query, out;
	enum lp_dns_verdict verdict;
	char chase[LP_DNS_NAME];
	const uint8_t *answer;

	lp_buf_init(&query, 1024);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	CHECK_OK(lp_dns_query(&query, 0, name, type), NULL);
	query.len -= 11;
	query.data[11] = 0;
	CHECK_OK(lp_dns_answer(bench->view.zone, (uint8_t *)query.data, query.len, LP_DNS_TCP_MAX, &out, &verdict, chase), NULL);
	CHECK(verdict == LP_DNS_ANSWER || verdict == LP_DNS_CHASE);
	answer = (const uint8_t *)out.data;
	*out_count = (unsigned)(answer[6] << 8 | answer[7]);
	if (out_addr)
		*out_addr = (uint32_t)answer[out.len - 4] << 24 | (uint32_t)answer[out.len - 3] << 16 | (uint32_t)answer[out.len - 2] << 8 | answer[out.len - 1];
	return answer[3] & 15;
}

static const char nodejs_service[] = "{\"metadata\":{\"name\":\"nodejs-app-service\",\"namespace\":\"default\",\"creationTimestamp\":\"2026-11-20T08:00:00Z\"},"
	"\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.43.0.7\",\"selector\":{\"app\":\"nodejs-app\"},"
	"\"ports\":[{\"port\":3000,\"targetPort\":3000,\"nodePort\":30001,\"protocol\":\"TCP\"}]}}";
static const char nodejs_pod[] = "{\"metadata\":{\"name\":\"nodejs-app\",\"namespace\":\"default\",\"labels\":{\"app\":\"nodejs-app\",\"version\":\"v1.0.0\"}},"
	"\"spec\":{\"containers\":[{\"name\":\"nodejs-app\",\"ports\":[{\"containerPort\":3000}]}]}}";

TEST(the_tutorials_service_leads_to_its_pod)
{
	struct bench bench;
	const struct lp_netview *view;
	const struct lp_service_port *row;
	unsigned count;
	uint32_t addr;

	start(&bench);
	add_service(&bench, nodejs_service);
	add_pod(&bench, 0x0a2a0005, nodejs_pod);
	view = make(&bench);
	CHECK_INT(view->services.port_count, 1);
	row = &view->services.ports[0];
	CHECK_STR(row->name, "default/nodejs-app-service");
	CHECK_INT(row->cluster_addr, 0x0a2b0007);
	CHECK_INT(row->port, 3000);
	CHECK_INT(row->node_port, 30001);
	CHECK_INT(row->backend_count, 1);
	CHECK_INT(row->backends[0].addr, 0x0a2a0005);
	CHECK_INT(row->backends[0].port, 3000);
	CHECK(row->backends[0].local);
	CHECK_INT(ask(&bench, "nodejs-app-service.default.svc.cluster.local", LP_DNS_A, &count, &addr), LP_DNS_NOERROR);
	CHECK_INT(addr, 0x0a2b0007);
	CHECK_INT(ask(&bench, "7.0.43.10.in-addr.arpa", LP_DNS_PTR, &count, NULL), LP_DNS_NOERROR);
	CHECK_INT(count, 1);
	stop(&bench);
}

TEST(only_ready_pods_of_the_namespace_with_the_labels_are_endpoints)
{
	struct bench bench;
	struct lp_netview_pod *pod;

	start(&bench);
	add_service(&bench, nodejs_service);
	add_pod(&bench, 0x0a2a0006, "{\"metadata\":{\"name\":\"b\",\"namespace\":\"default\",\"labels\":{\"app\":\"other\"}},\"spec\":{}}");
	add_pod(&bench, 0x0a2a0007, "{\"metadata\":{\"name\":\"c\",\"namespace\":\"other\",\"labels\":{\"app\":\"nodejs-app\"}},\"spec\":{}}");
	add_pod(&bench, 0x0a2a0008, "{\"metadata\":{\"name\":\"d\",\"namespace\":\"default\"},\"spec\":{}}");
	add_pod(&bench, 0, nodejs_pod);
	CHECK_INT(make(&bench)->services.ports[0].backend_count, 0);
	pod = add_pod(&bench, 0x0a2a0009, nodejs_pod);
	pod->ready = false;
	CHECK_INT(make(&bench)->services.ports[0].backend_count, 0);
	pod->ready = true;
	CHECK_INT(make(&bench)->services.ports[0].backend_count, 1);
	stop(&bench);
}

TEST(a_service_without_a_selector_has_only_what_the_manager_says)
{
	struct bench bench;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"10.43.0.1\","
	    "\"ports\":[{\"name\":\"https\",\"port\":443,\"targetPort\":6443}]}}");
	add_pod(&bench, 0x0a2a0005, nodejs_pod);
	CHECK_INT(make(&bench)->services.ports[0].backend_count, 0);
	bench.in.peers = parse(&bench, "{\"endpoints\":[{\"namespace\":\"default\",\"service\":\"kubernetes\",\"node\":\"\",\"addresses\":["
	    "{\"ip\":\"192.168.1.1\",\"ready\":true,\"ports\":[{\"name\":\"https\",\"port\":6443,\"protocol\":\"TCP\"}]}]}]}");
	CHECK_INT(make(&bench)->services.ports[0].backend_count, 1);
	CHECK_INT(bench.view.services.ports[0].backends[0].port, 6443);
	CHECK(!bench.view.services.ports[0].backends[0].local);
	stop(&bench);
}

TEST(named_target_ports_are_looked_up_in_each_pod)
{
	struct bench bench;
	const struct lp_service_port *row;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"10.43.0.8\",\"selector\":{\"a\":\"b\"},"
	    "\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":\"web\"},{\"name\":\"plain\",\"port\":81}]}}");
	add_pod(&bench, 0x0a2a0005, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"default\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":["
	    "{\"ports\":[{\"name\":\"web\",\"containerPort\":9,\"protocol\":\"UDP\"}]},{\"ports\":[{\"name\":\"web\",\"containerPort\":8080}]}]}}");
	add_pod(&bench, 0x0a2a0006, "{\"metadata\":{\"name\":\"q\",\"namespace\":\"default\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{}]}}");
	row = make(&bench)->services.ports;
	CHECK_INT(bench.view.services.port_count, 2);
	CHECK_INT(row[0].backend_count, 1);
	CHECK_INT(row[0].backends[0].port, 8080);
	CHECK_INT(row[1].backend_count, 2);
	CHECK_INT(row[1].backends[0].port, 81);
	stop(&bench);
}

TEST(a_headless_service_names_its_pods_here_and_elsewhere)
{
	struct bench bench;
	unsigned count;
	uint32_t addr;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"db\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"a\":\"b\"},"
	    "\"ports\":[{\"name\":\"sql\",\"port\":5432}]}}");
	add_pod(&bench, 0x0a2a0005, "{\"metadata\":{\"name\":\"db-0\",\"namespace\":\"default\",\"labels\":{\"a\":\"b\"}},"
	    "\"spec\":{\"hostname\":\"db-0\",\"subdomain\":\"db\"}}");
	add_pod(&bench, 0x0a2a0006, "{\"metadata\":{\"name\":\"x\",\"namespace\":\"default\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"hostname\":\"x\"}}");
	bench.in.peers = parse(&bench, "{\"endpoints\":[{\"namespace\":\"default\",\"service\":\"db\",\"node\":\"n2\",\"addresses\":["
	    "{\"ip\":\"10.42.1.5\",\"hostname\":\"db-1\",\"ready\":true,\"ports\":[{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}]},"
	    "{\"ip\":\"10.42.1.6\",\"ready\":false,\"ports\":[]}]}]}");
	CHECK_INT(make(&bench)->services.port_count, 0);
	(void)ask(&bench, "db.default.svc.cluster.local", LP_DNS_A, &count, NULL);
	CHECK_INT(count, 3);
	(void)ask(&bench, "db-0.db.default.svc.cluster.local", LP_DNS_A, &count, &addr);
	CHECK_INT(addr, 0x0a2a0005);
	(void)ask(&bench, "db-1.db.default.svc.cluster.local", LP_DNS_A, &count, &addr);
	CHECK_INT(addr, 0x0a2a0105);
	(void)ask(&bench, "10-42-0-6.db.default.svc.cluster.local", LP_DNS_A, &count, &addr);
	CHECK_INT(addr, 0x0a2a0006);
	CHECK_INT(ask(&bench, "x.db.default.svc.cluster.local", LP_DNS_A, &count, NULL), LP_DNS_NXDOMAIN);
	(void)ask(&bench, "_sql._tcp.db.default.svc.cluster.local", LP_DNS_SRV, &count, NULL);
	CHECK_INT(count, 3);
	CHECK_INT(ask(&bench, "5.0.42.10.in-addr.arpa", LP_DNS_PTR, &count, NULL), LP_DNS_NOERROR);
	stop(&bench);
}

TEST(pods_that_are_not_ready_are_published_when_the_service_says_so)
{
	struct bench bench;
	unsigned count;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"db\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"app\":\"nodejs-app\"},"
	    "\"publishNotReadyAddresses\":true}}");
	add_pod(&bench, 0x0a2a0005, nodejs_pod)->ready = false;
	make(&bench);
	(void)ask(&bench, "db.default.svc.cluster.local", LP_DNS_A, &count, NULL);
	CHECK_INT(count, 1);
	bench.pods[0].running = false;
	make(&bench);
	CHECK_INT(ask(&bench, "db.default.svc.cluster.local", LP_DNS_A, &count, NULL), LP_DNS_NXDOMAIN);
	stop(&bench);
}

TEST(an_external_name_is_an_alias_and_has_no_rules)
{
	struct bench bench;
	unsigned count;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"out\",\"namespace\":\"default\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"www.example.com.\"}}");
	add_service(&bench, "{\"metadata\":{\"name\":\"bad\",\"namespace\":\"default\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"not a name\"}}");
	CHECK_INT(make(&bench)->services.port_count, 0);
	CHECK_INT(bench.view.unnamed, 1);
	(void)ask(&bench, "out.default.svc.cluster.local", LP_DNS_CNAME, &count, NULL);
	CHECK_INT(count, 1);
	stop(&bench);
}

TEST(a_load_balancer_answers_on_the_nodes_addresses_and_its_own)
{
	struct bench bench;
	const struct lp_service_port *row;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"lb\",\"namespace\":\"default\"},\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"10.43.0.9\","
	    "\"externalTrafficPolicy\":\"Local\",\"sessionAffinity\":\"ClientIP\",\"ports\":[{\"port\":80,\"nodePort\":30080}]},"
	    "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.168.1.1\"},{\"ip\":\"192.168.1.200\"},{\"hostname\":\"x\"}]}}}");
	row = make(&bench)->services.ports;
	CHECK_INT(row->external_count, 2);
	CHECK_INT(row->external[0], 0xc0a80101);
	CHECK_INT(row->external[1], 0xc0a801c8);
	CHECK_INT(row->node_port, 30080);
	CHECK(row->external_local);
	CHECK(row->affinity);
	CHECK(!row->internal_local);
	stop(&bench);
}

TEST(host_ports_are_published_while_the_pod_runs)
{
	static const char text[] = "{\"metadata\":{\"name\":\"p\",\"namespace\":\"default\"},\"spec\":{\"containers\":[{\"ports\":["
		"{\"containerPort\":53,\"hostPort\":5300,\"protocol\":\"UDP\"},{\"containerPort\":80},"
		"{\"containerPort\":81,\"hostPort\":8081,\"hostIP\":\"192.168.1.1\"}]}]}}";
	struct bench bench;
	const struct lp_service_host_port *rows;

	start(&bench);
	add_pod(&bench, 0x0a2a0005, text)->ready = false;
	rows = make(&bench)->services.host_ports;
	CHECK_INT(bench.view.services.host_port_count, 2);
	CHECK_INT(rows[0].protocol, IPPROTO_UDP);
	CHECK_INT(rows[0].host_port, 5300);
	CHECK_INT(rows[0].host_addr, 0);
	CHECK_INT(rows[1].host_addr, 0xc0a80101);
	bench.pods[0].running = false;
	CHECK_INT(make(&bench)->services.host_port_count, 0);
	stop(&bench);
}

TEST(the_older_service_comes_first)
{
	struct bench bench;

	start(&bench);
	add_service(&bench, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"creationTimestamp\":\"2026-11-20T09:00:00Z\"},"
	    "\"spec\":{\"clusterIP\":\"10.43.0.9\",\"ports\":[{\"port\":1}]}}");
	add_service(&bench, nodejs_service);
	CHECK_STR(make(&bench)->services.ports[0].name, "default/nodejs-app-service");
	stop(&bench);
}

TEST(peers_become_routes_when_they_have_an_address_and_a_range)
{
	struct bench bench;

	start(&bench);
	bench.in.peers = parse(&bench, "{\"nodes\":[{\"name\":\"n2\",\"address\":\"192.168.1.12\",\"podCIDR\":\"10.42.1.0/24\"},"
	    "{\"name\":\"n3\",\"address\":\"\",\"podCIDR\":\"10.42.2.0/24\"},{\"name\":\"n4\",\"address\":\"192.168.1.14\",\"podCIDR\":\"10.42.3.1/24\"}]}");
	CHECK_INT(make(&bench)->peer_count, 1);
	CHECK_INT(bench.view.peers[0].node_addr, 0xc0a8010c);
	CHECK_INT(bench.view.peers[0].pods.addr, 0x0a2a0100);
	stop(&bench);
}

TEST(memory_that_runs_out_is_an_error_and_leaks_no_zone)
{
	struct bench bench;
	struct lp_netview view;
	struct lp_err err;
	int rc = -ENOMEM;

	start(&bench);
	add_service(&bench, nodejs_service);
	add_pod(&bench, 0x0a2a0005, nodejs_pod);
	for (size_t max = 64; rc < 0 && max < 65536; max += 64) {
		lp_auto_arena struct lp_arena small;

		lp_arena_init(&small, max);
		rc = lp_netview_make(&small, &bench.in, &view, &err);
		if (rc < 0)
			CHECK_ERR(rc, -ENOMEM);
		else
			lp_dns_zone_free(view.zone);
	}
	CHECK_INT(rc, 0);
	stop(&bench);
}

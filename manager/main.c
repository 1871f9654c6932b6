/*
 * manager/main.c - `limpet manager`: its options, its start-up order, its end (manager.h).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/api/routes.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/tunnel.h"
#include "manager/manager.h"
#include "manager/request/audit.h"
#include "manager/sign/sign.h"
#include "specs/podsecurity.h"
#include "wire/server.h"

enum {
	NAMES_MAX = 48,		/* of the server certificate */
	FIRST_TURN_MS = 100,
	FIRST_TURNS_MAX = 300,	/* 30 s for the first objects */
	LAST_TURNS = 4,
};

struct options {
	const char *data_dir, *run_dir, *pid_file, *listen, *advertise, *pod_cidr, *service_cidr, *ports, *domain, *pod_security, *level;
	int64_t node_prefix, node_grace_ms, history;
	struct lp_opt_list names;
};

struct command {
	struct options options;
	struct lp_manager manager;
	struct lp_settings settings;
	struct lp_audit *audit;
	struct lp_loop *loop;
	char host[256];			/* of --listen; "" for every address */
	uint16_t port;
	char advertise[256];		/* where others reach us; "" unknown */
	char own_name[256];		/* of the machine */
	char service_address[LP_TEXT_IPV4];	/* of the API inside the service range */
	char own[NAMES_MAX][INET6_ADDRSTRLEN];	/* the machine's addresses */
	size_t own_count;
};

/* ---- options */

static int
read_cidr(const char *name, const char *text, uint32_t *out_net, uint8_t *out_prefix, struct lp_err *err)
{
	if (lp_text_cidr4(text, out_net, out_prefix) < 0 || *out_prefix < 8 || *out_prefix > 28)
		return lp_err_say(err, -EINVAL, "--%s: %s is not an IPv4 network like 10.42.0.0/16 (of 8 to 28 bits)", name, text);
	return 0;
}

static int
read_ports(const char *text, struct lp_settings *settings, struct lp_err *err)
{
	lp_auto_free char *copy = strdup(text);
	char *dash = copy ? strchr(copy, '-') : NULL;
	uint64_t first = 0, last = 0;

	if (dash)
		*dash = '\0';
	if (!dash || lp_text_u64(copy, 65535, &first) < 0 || lp_text_u64(dash + 1, 65535, &last) < 0 || first == 0 || first > last)
		return lp_err_say(err, -EINVAL, "--node-port-range: %s is not a range like 30000-32767", text);
	settings->port_first = (uint16_t)first;
	settings->port_last = (uint16_t)last;
	return 0;
}

static bool
overlap(uint32_t net, uint8_t prefix, uint32_t other_net, uint8_t other_prefix)
{
	uint32_t mask = ~UINT32_C(0) << (32 - (prefix < other_prefix ? prefix : other_prefix));

	return (net & mask) == (other_net & mask);
}

static int
read_ranges(struct command *command, struct lp_err *err)
{
	struct options *options = &command->options;
	struct lp_settings *settings = &command->settings;
	enum lp_podsecurity_level level;

	if (read_cidr("pod-cidr", options->pod_cidr, &settings->pod_net, &settings->pod_prefix, err) < 0 ||
	    read_cidr("service-cidr", options->service_cidr, &settings->service_net, &settings->service_prefix, err) < 0 ||
	    read_ports(options->ports, settings, err) < 0)
		return -EINVAL;
	if (overlap(settings->pod_net, settings->pod_prefix, settings->service_net, settings->service_prefix))
		return lp_err_say(err, -EINVAL, "--pod-cidr %s and --service-cidr %s overlap", options->pod_cidr, options->service_cidr);
	if (options->node_prefix < settings->pod_prefix || options->node_prefix > 30)
		return lp_err_say(err, -EINVAL, "--node-cidr-prefix: %" PRId64 " must be between the pod range's %u and 30",
		    options->node_prefix, settings->pod_prefix);
	settings->node_prefix = (uint8_t)options->node_prefix;
	settings->node_grace_ms = options->node_grace_ms;
	settings->cluster_domain = options->domain;
	if (!lp_text_is_dns_subdomain(options->domain))
		return lp_err_say(err, -EINVAL, "--cluster-domain: %s is not a DNS name", options->domain);
	if (lp_podsecurity_level(options->pod_security, &level) < 0)
		return lp_err_say(err, -EINVAL, "--pod-security: %s is not privileged, baseline or restricted", options->pod_security);
	settings->pod_security = (uint8_t)level;
	return 0;
}

/* ---- names and addresses */

static void
read_own_addresses(struct command *command)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0) {
		lp_log(LP_LOG_WARN, "the machine's addresses cannot be read, the certificate will not have them", "why=\"%s\"",
		    lp_err_words(errno));
		return;
	}
	for (const struct ifaddrs *one = list; one && command->own_count < NAMES_MAX / 2; one = one->ifa_next) {
		const struct sockaddr_in *address = (const void *)one->ifa_addr;

		if (!address || address->sin_family != AF_INET || ntohl(address->sin_addr.s_addr) >> 24 == 127)
			continue;
		if (inet_ntop(AF_INET, &address->sin_addr, command->own[command->own_count], INET6_ADDRSTRLEN))
			command->own_count++;
	}
	freeifaddrs(list);
}

static bool
is_wildcard(const char *host)
{
	return !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Where others find us, as far as it is known: the operator's word, the listening address, the first address of the machine. */
static int
read_addresses(struct command *command, struct lp_err *err)
{
	struct options *options = &command->options;
	const char *advertise = options->advertise;

	if (lp_text_host_port(options->listen, command->host, sizeof(command->host), &command->port) < 0)
		return lp_err_say(err, -EINVAL, "--listen: %s is not HOST:PORT", options->listen);
	if (is_wildcard(command->host))
		read_own_addresses(command);
	if (!advertise && !is_wildcard(command->host) && !lp_text_starts(command->host, "127."))
		advertise = command->host;
	if (!advertise && command->own_count > 0)
		advertise = command->own[0];
	(void)snprintf(command->advertise, sizeof(command->advertise), "%s", advertise ? advertise : "");
	command->settings.api_address = command->advertise;
	lp_text_ipv4_print(command->settings.service_net + 1, command->service_address);
	if (gethostname(command->own_name, sizeof(command->own_name) - 1) < 0 || !lp_text_is_dns_subdomain(command->own_name))
		command->own_name[0] = '\0';		/* a machine without a usable name: its addresses do */
	return 0;
}

static void
collect_names(const struct command *command, const char *out[static NAMES_MAX + 16])
{
	const char *const fixed[] = { "localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		command->service_address, command->own_name, command->advertise, is_wildcard(command->host) ? "" : command->host };
	size_t count = 0;

	for (size_t i = 0; i < lp_count(fixed); i++)
		if (*fixed[i])
			out[count++] = fixed[i];
	for (size_t i = 0; i < command->own_count; i++)
		out[count++] = command->own[i];
	for (size_t i = 0; i < command->options.names.count && count < NAMES_MAX; i++)
		out[count++] = command->options.names.items[i];
	out[count] = NULL;
}

/* ---- files that others read: written whole or not at all, and only when they change */

static int
write_file(int dir_fd, const char *name, const char *text, struct lp_err *err)
{
	lp_auto_buf struct lp_buf old;
	char temp[64];
	lp_auto_fd int fd = -1;

	lp_buf_init(&old, 1 << 20);
	if (lp_path_read(dir_fd, name, &old, NULL) == 0 && strcmp(lp_buf_text(&old), text) == 0)
		return 0;
	(void)snprintf(temp, sizeof(temp), "%s.tmp", name);
	if (lp_path_remove(dir_fd, temp, err) < 0 ||
	    lp_path_open(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd, err) < 0 ||
	    lp_path_write_all(fd, text, strlen(text), err) < 0)
		return lp_err_wrap(err, "write %s", name);
	if (lp_seam.fsync(fd) < 0 || lp_seam.rename(dir_fd, temp, dir_fd, name) < 0 || lp_seam.fsync(dir_fd) < 0)
		return lp_err_set(err, -errno, "write %s", name);
	return 0;
}

static int
write_kubeconfig(struct command *command, int data_fd, struct lp_err *err)
{
	const char *host = is_wildcard(command->host) ? "127.0.0.1" : command->host;
	lp_auto_buf struct lp_buf text;
	char url[300];

	lp_buf_init(&text, 1 << 20);
	(void)snprintf(url, sizeof(url), strchr(host, ':') ? "https://[%s]:%u" : "https://%s:%u", host, command->port);
	if (lp_sign_kubeconfig(command->manager.sign, url, &text, err) < 0)
		return lp_err_wrap(err, "admin.kubeconfig");
	return write_file(data_fd, "admin.kubeconfig", lp_buf_text(&text), err);
}

static int
write_pid(const struct command *command, struct lp_err *err)
{
	lp_auto_fd int dir = -1;
	char text[24];

	if (!command->options.run_dir)
		return 0;
	if (lp_path_root(command->options.run_dir, true, &dir, err) < 0)
		return lp_err_wrap(err, "--run-dir");
	(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
	return write_file(dir, "manager.pid", text, err);
}

/* ---- start and end */

static void
stop_signal(void *arg, int signo, int64_t now_ms)
{
	struct command *command = arg;

	(void)now_ms;			/* it ends now */
	lp_log(LP_LOG_INFO, "the manager ends", "signal=%d", signo);
	lp_loop_stop(command->loop);
}

/* The first look of the controllers makes what a cluster stands on; nobody is served before. */
static int
wait_for_namespaces(struct command *command, struct lp_err *err)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Namespace");

	for (int i = 0; i < FIRST_TURNS_MAX && command->manager.exit_code == 0; i++) {
		if (lp_cache_find(command->manager.cache, kind, NULL, "default"))
			return 0;
		if (lp_loop_turn(command->loop, FIRST_TURN_MS, err) < 0)
			return err->code;
	}
	return lp_err_say(err, -ETIMEDOUT, "the first namespaces could not be made");
}

static int
start_core(struct command *command, int data_fd, struct lp_err *err)
{
	struct lp_manager *manager = &command->manager;
	struct lp_store *store;

	if (lp_path_mkdirs(data_fd, "manager", 0700, &manager->data_fd, err) < 0)
		return lp_err_wrap(err, "%s", command->options.data_dir);
	if (lp_store_sqlite_open(command->loop, manager->data_fd, "store.db", command->options.history, &store, err) < 0)
		return err->code;
	return lp_manager_start(manager, command->loop, store, &command->settings, err);
}

static int
start_server(struct command *command, struct lp_err *err)
{
	struct lp_manager *manager = &command->manager;
	const char *names[NAMES_MAX + 16];
	struct lp_sign_opts sign_opts = { .names = names };
	struct lp_server_opts opts = { .head = lp_routes_head, .handle = lp_routes_handle, .refuse = lp_routes_refuse, .admit = lp_sign_admit, .arg = manager,
		.expired_path = "/fleet/v1/renew" };

	collect_names(command, names);
	if (lp_audit_new(manager, manager->data_fd, &command->audit, err) < 0)
		return err->code;
	if (lp_sign_new(manager, &sign_opts, &manager->sign, err) < 0 || lp_fleet_new(manager, &manager->links, err) < 0 ||
	    lp_tunnel_new(manager, &manager->tunnels, err) < 0 || wait_for_namespaces(command, err) < 0)
		return err->code;
	opts.tls = lp_sign_tls(manager->sign);
	if (lp_server_new(command->loop, &opts, &manager->server, err) < 0)
		return err->code;
	if (lp_server_listen(manager->server, command->options.listen, &command->port, err) < 0)
		return lp_err_wrap(err, "--listen %s", command->options.listen);
	manager->settings.api_port = command->port;
	return 0;
}

static int
start(struct command *command, struct lp_err *err)
{
	lp_auto_fd int data_fd = -1;
	sigset_t signals;

	if (lp_path_root(command->options.data_dir, true, &data_fd, err) < 0)
		return lp_err_wrap(err, "--data-dir");
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	/* what is kept here is for root alone, also in a file that SQLite makes and in a core dump */
	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });		/* less is always allowed */
	(void)signal(SIGPIPE, SIG_IGN);		/* writing to a peer that has gone is an error like any other */
	if (lp_loop_new(&command->loop, err) < 0 ||
	    lp_loop_signals(command->loop, &signals, stop_signal, command, err) < 0 || start_core(command, data_fd, err) < 0 ||
	    start_server(command, err) < 0 || write_kubeconfig(command, data_fd, err) < 0 || write_pid(command, err) < 0)
		return err->code;
	return 0;
}

static void
stop(struct command *command)
{
	struct lp_manager *manager = &command->manager;

	lp_fleet_goodbye(manager->links);
	for (int i = 0; manager->server && i < LAST_TURNS && lp_loop_turn(command->loop, 0, NULL) == 0; i++)
		continue;		/* goodbyes leave, as far as the sockets take them at once */
	lp_server_free(manager->server);
	manager->server = NULL;
	lp_tunnel_free(manager->tunnels);
	lp_fleet_free(manager->links);
	manager->links = NULL;
	manager->seen_ms = NULL;
	if (manager->loop)
		lp_manager_stop(manager);
	lp_sign_free(manager->sign);
	lp_audit_free(command->audit);
	if (manager->data_fd > 0)
		lp_close(&manager->data_fd);
	lp_loop_free(command->loop);
}

static int
parse(struct command *command, int argc, char **argv, struct lp_err *err)
{
	struct options *options = &command->options;
	struct lp_opt_list *names = &options->names;
	const struct lp_opt opts[] = {
		{ "data-dir",         0, LP_OPT_STR,      &options->data_dir,      "DIR",       "where state lives (/var/lib/limpet)" },
		{ "run-dir",          0, LP_OPT_STR,      &options->run_dir,       "DIR",       "where manager.pid is written" },
		{ "listen",           0, LP_OPT_STR,      &options->listen,        "HOST:PORT", "where to serve (:6443)" },
		{ "advertise",        0, LP_OPT_STR,      &options->advertise,     "HOST",      "where devices and pods reach it" },
		{ "tls-name",         0, LP_OPT_LIST,     names,                   "NAME",      "one more name of the certificate" },
		{ "pod-cidr",         0, LP_OPT_STR,      &options->pod_cidr,      "NET",       "addresses of pods (10.42.0.0/16)" },
		{ "node-cidr-prefix", 0, LP_OPT_INT,      &options->node_prefix,   "BITS",      "length of a node's part of it (24)" },
		{ "service-cidr",     0, LP_OPT_STR,      &options->service_cidr,  "NET",       "addresses of services (10.43.0.0/16)" },
		{ "node-port-range",  0, LP_OPT_STR,      &options->ports,         "A-B",       "ports of NodePort services (30000-32767)" },
		{ "cluster-domain",   0, LP_OPT_STR,      &options->domain,        "NAME",      "DNS domain of services (cluster.local)" },
		{ "node-grace",       0, LP_OPT_DURATION, &options->node_grace_ms, "TIME",      "silence until a node is Unknown (40s)" },
		{ "pod-security",     0, LP_OPT_STR,      &options->pod_security,  "LEVEL",     "Pod Security level where no label says one (privileged)" },
		{ "history",          0, LP_OPT_INT,      &options->history,       "N",         "changes kept on disk for watches (1000)" },
		{ "log-level",        0, LP_OPT_STR,      &options->level,         "LEVEL",     "debug, info, warn or error (info)" },
		{ 0 },
	};
	const char **rest = calloc((size_t)argc + 1, sizeof(*rest));
	int count = 0, dash, rc;
	enum lp_log_level level = LP_LOG_INFO;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			lp_opts_help("limpet manager [flags]", "The central manager: API server, store, controllers, scheduler, certificates.",
			    opts, "limpet manager --data-dir /var/lib/limpet --listen :6443");
			free(rest);
			return 1;
		}
	if (!rest)
		return lp_err_set(err, -ENOMEM, "read options");
	rc = lp_opts_parse(opts, argc - 1, argv + 1, rest, &count, &dash, err);
	if (rc == 0 && count > 0)
		rc = lp_err_say(err, -EINVAL, "unexpected argument: %s", rest[0]);
	free(rest);
	if (rc == 0 && lp_log_level_parse(options->level, &level) < 0)
		rc = lp_err_say(err, -EINVAL, "--log-level: %s is not debug, info, warn or error", options->level);
	if (rc == 0 && (options->history < 0 || options->history > 1000000))
		rc = lp_err_say(err, -EINVAL, "--history: must be between 0 and 1000000");
	lp_log_init(2, level);
	return rc;
}

int
lp_manager_main(int argc, char **argv)
{
	struct command command = { .options = { .data_dir = "/var/lib/limpet", .listen = ":6443", .pod_cidr = "10.42.0.0/16",
		.service_cidr = "10.43.0.0/16", .ports = "30000-32767", .domain = "cluster.local", .pod_security = "privileged", .level = "info", .node_prefix = 24,
		.node_grace_ms = 40000, .history = 1000 } };
	struct lp_err err = { 0 };
	int rc;

	command.manager.data_fd = -1;
	lp_manager_defaults(&command.settings);
	rc = parse(&command, argc, argv, &err);
	if (rc > 0)
		return 0;
	if (rc < 0 || read_ranges(&command, &err) < 0 || read_addresses(&command, &err) < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		return 2;
	}
	if (start(&command, &err) < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		stop(&command);
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	rc = lp_loop_run(command.loop, &err);
	if (rc < 0)
		lp_log(LP_LOG_ERROR, "the loop failed", "why=\"%s\"", err.text);
	stop(&command);
	return rc < 0 ? 1 : command.manager.exit_code;
}

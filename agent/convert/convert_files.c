#include <errno.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "agent/convert/convert_parts.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/text.h"
#include "specs/object.h"

/* The pod's own /etc/hosts, /etc/hostname, /etc/resolv.conf. */

enum { HOSTS_MAX = 1 << 16, HOSTNAME_MAX = 63, FQDN_MAX = 64, NAMESERVERS_MAX = 3 };

const char *
lp_convert_host_name(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const char *name = pod->spec->hostname && *pod->spec->hostname ? pod->spec->hostname : lp_object_name(pod_json);
	char *cut;

	if (pod->spec->host_network.value)
		return facts->node_name;
	cut = lp_arena_printf(arena, "%.*s", HOSTNAME_MAX, name);
	/* A pod's name may have dots and be long; a host name is one label. */
	for (char *c = cut; c && *c; c++)
		if (*c == '.')
			*c = '-';
	for (size_t len = cut ? strlen(cut) : 0; len > 0 && cut[len - 1] == '-'; len--)
		cut[len - 1] = '\0';
	return cut;
}

const char *
lp_convert_kernel_name(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const char *name = lp_convert_host_name(arena, pod, pod_json, facts), *subdomain = pod->spec->subdomain;

	if (!pod->spec->set_hostname_as_fqdn.value || pod->spec->host_network.value || !subdomain || !*subdomain)
		return name;
	return lp_arena_printf(arena, "%s.%s.%s.svc.%s", name, subdomain, lp_object_namespace(pod_json), facts->cluster_domain);
}

static char *
hosts_text(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const char *ip = facts->pod_ip ? facts->pod_ip : facts->node_ip, *name = lp_convert_host_name(arena, pod, pod_json, facts);
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, HOSTS_MAX);
	(void)lp_buf_str(&out, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			       "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
	if (ip && pod->spec->subdomain && *pod->spec->subdomain)
		(void)lp_buf_printf(&out, "%s\t%s.%s.%s.svc.%s\t%s\n", ip, name, pod->spec->subdomain, lp_object_namespace(pod_json),
		    facts->cluster_domain, name);
	else if (ip)
		(void)lp_buf_printf(&out, "%s\t%s\n", ip, name);
	if (pod->spec->host_aliases.count > 0)
		(void)lp_buf_str(&out, "\n# Entries added by HostAliases.\n");
	for (size_t i = 0; i < pod->spec->host_aliases.count; i++) {
		const struct lp_spec_host_alias *alias = pod->spec->host_aliases.items[i];

		(void)lp_buf_str(&out, alias->ip);
		for (size_t k = 0; k < alias->hostnames.count; k++)
			(void)lp_buf_printf(&out, "\t%s", alias->hostnames.items[k]);
		(void)lp_buf_char(&out, '\n');
	}
	return out.failed ? NULL : lp_arena_str(arena, lp_buf_text(&out));
}

/* dnsPolicy: None takes only dnsConfig, Default the host's, ClusterFirst the node's resolver, which forwards the rest. */
static char *
resolv_text(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts)
{
	const struct lp_spec_pod_dns_config *config = pod->spec->dns_config;
	const char *policy = pod->spec->dns_policy ? pod->spec->dns_policy : "ClusterFirst", *namespace = lp_object_namespace(pod_json);
	bool none = strcmp(policy, "None") == 0, own_ndots = false;
	bool cluster = facts->dns_ip && (strcmp(policy, "ClusterFirstWithHostNet") == 0 ||
	    (strcmp(policy, "ClusterFirst") == 0 && !pod->spec->host_network.value));
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, HOSTS_MAX);
	if (cluster)
		(void)lp_buf_printf(&out, "search %s.svc.%s svc.%s %s", namespace, facts->cluster_domain, facts->cluster_domain,
		    facts->cluster_domain);
	else if (config && config->searches.count)
		(void)lp_buf_str(&out, "search");
	for (size_t i = 0; config && i < config->searches.count; i++)
		(void)lp_buf_printf(&out, " %s", config->searches.items[i]);
	if (out.len)
		(void)lp_buf_char(&out, '\n');
	if (cluster)
		(void)lp_buf_printf(&out, "nameserver %s\n", facts->dns_ip);
	/* Resolvers read three. */
	for (size_t i = 0; config && i < config->nameservers.count && i + cluster < NAMESERVERS_MAX; i++)
		(void)lp_buf_printf(&out, "nameserver %s\n", config->nameservers.items[i]);
	if (!cluster && !none)
		(void)lp_buf_str(&out, facts->host_resolv ? facts->host_resolv : "");
	for (size_t i = 0; config && i < config->options.count; i++)
		own_ndots |= lp_text_same(config->options.items[i]->name, "ndots");
	if (cluster || (config && config->options.count))
		(void)lp_buf_printf(&out, "options%s", cluster && !own_ndots ? " ndots:5" : "");
	for (size_t i = 0; config && i < config->options.count; i++)
		(void)lp_buf_printf(&out, config->options.items[i]->value ? " %s:%s" : " %s", config->options.items[i]->name,
		    config->options.items[i]->value);
	(void)lp_buf_char(&out, '\n');
	return out.failed ? NULL : lp_arena_str(arena, lp_buf_text(&out));
}

int
lp_convert_files(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_file **out, size_t *out_count, struct lp_err *err)
{
	const char *name = lp_convert_kernel_name(arena, pod, pod_json, facts);
	const struct {
		const char *path, *text;
	} all[] = {
		{ "etc/hosts", hosts_text(arena, pod, pod_json, facts) },
		{ "etc/hostname", lp_arena_printf(arena, "%s\n", name) },
		{ "etc/resolv.conf", resolv_text(arena, pod, pod_json, facts) },
	};
	struct lp_control_file *files = lp_arena_alloc(arena, lp_count(all) * sizeof(*files));

	if (name && strlen(name) > FQDN_MAX)
		return lp_err_say(err, -EINVAL, "failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long "
		    "(%d characters is the max, %zu characters requested)", name, FQDN_MAX, strlen(name));
	for (size_t i = 0; files && i < lp_count(all); i++) {
		if (!all[i].text)
			return lp_err_set(err, -ENOMEM, "files of the pod");
		files[i] = (struct lp_control_file){ .path = all[i].path, .data = all[i].text, .len = strlen(all[i].text) };
	}
	if (!files)
		return lp_err_set(err, -ENOMEM, "files of the pod");
	*out = files;
	*out_count = lp_count(all);
	return 0;
}

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_control_file *files;
static size_t count;

static int
make(const char *spec, struct lp_err *err)
{
	static char pod[4096];

	(void)snprintf(pod, sizeof(pod),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u1\"},\"spec\":{%s,"
	    "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}", spec);
	lp_test_facts(&t, pod, NULL);
	return lp_convert_files(&t.arena, t.pod, t.pod_json, &t.facts, &files, &count, err);
}

static const char *
file(const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(files[i].path, path) == 0)
			return files[i].data;
	return "";
}

TEST(the_host_name_is_the_whole_name_when_that_is_asked_for)
{
	struct lp_err err = { 0 };

	CHECK_OK(make("\"hostname\":\"h\",\"subdomain\":\"sub\"", &err), &err);
	CHECK_STR(file("etc/hostname"), "h\n");
	CHECK_HAS(file("etc/hosts"), "10.42.0.5\th.sub.shop.svc.cluster.local\th\n");
	CHECK_OK(make("\"hostname\":\"h\",\"subdomain\":\"sub\",\"setHostnameAsFQDN\":true", &err), &err);
	CHECK_STR(file("etc/hostname"), "h.sub.shop.svc.cluster.local\n");
	CHECK_HAS(file("etc/hosts"), "10.42.0.5\th.sub.shop.svc.cluster.local\th\n");
	CHECK_OK(make("\"hostname\":\"h\",\"setHostnameAsFQDN\":true", &err), &err);
	CHECK_STR(file("etc/hostname"), "h\n");	/* there is no domain without a subdomain */
	CHECK_ERR(make("\"hostname\":\"h123456789012345678901234567890123456789012345678\",\"subdomain\":\"sub\",\"setHostnameAsFQDN\":true", &err), -EINVAL);
	CHECK_HAS(err.text, "is too long (64 characters is the max");
}

TEST(aliases_stand_at_the_end_of_the_hosts_file)
{
	struct lp_err err = { 0 };

	CHECK_OK(make("\"hostAliases\":[{\"ip\":\"1.2.3.4\",\"hostnames\":[\"a\",\"b\"]}]", &err), &err);
	CHECK_HAS(file("etc/hosts"), "# Entries added by HostAliases.\n1.2.3.4\ta\tb\n");
}

TEST(options_of_the_pod_replace_ours_and_three_resolvers_are_enough)
{
	struct lp_err err = { 0 };

	CHECK_OK(make("\"dnsConfig\":{\"options\":[{\"name\":\"ndots\",\"value\":\"2\"},{\"name\":\"edns0\"}],"
		      "\"nameservers\":[\"1.1.1.1\",\"2.2.2.2\",\"3.3.3.3\"],\"searches\":[\"x.y\"]}", &err), &err);
	CHECK_STR(file("etc/resolv.conf"), "search shop.svc.cluster.local svc.cluster.local cluster.local x.y\nnameserver 10.43.0.10\n"
		"nameserver 1.1.1.1\nnameserver 2.2.2.2\noptions ndots:2 edns0\n");
}

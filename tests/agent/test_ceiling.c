#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/convert/ceiling_pod.h"
#include "agent/facts/ceiling.h"
#include "agent/pod/ceiling_file.h"
#include "base/path.h"
#include "runtime/runtime.h"
#include "specs/yaml.h"
#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_test_facts t;
static struct lp_arena arena;

static int
read_yaml(const char *yaml, struct lp_ceiling *out, struct lp_err *err)
{
	struct lp_json *documents;

	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(lp_yaml_parse(&arena, yaml, strlen(yaml), NULL, &documents, err), err);
	return lp_ceiling_read(&arena, lp_json_first(documents), out, err);
}

/* "REASON: words" of a pod under a ceiling; "" when it may run. */
static const char *
verdict(const char *yaml, const char *spec, size_t others)
{
	struct lp_ceiling ceiling;
	struct lp_err err = { 0 };
	const char *reason;

	CHECK_OK(read_yaml(yaml ? yaml : "maxPods: 1", &ceiling, &err), &err);
	if (!yaml)
		lp_ceiling_strictest(&ceiling);
	lp_test_facts(&t, lp_arena_printf(&arena, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\"},"
						 "\"spec\":{%s}}", spec), NULL);
	reason = lp_ceiling_pod_refuses(&ceiling, t.pod, others, &err);
	return reason ? lp_arena_printf(&arena, "%s: %s", reason, err.text) : "";
}

#define C "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"
#define CONTEXT(text) "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{" text "}}]"
#define MOUNT(path, more) "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"" path "\"}}],\"containers\":[{\"name\":\"c\",\"image\":\"i\"," \
			  "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/m\"" more "}]}]"
#define USERS(why) "NodeCeiling: " why ": the ceiling of this node wants every pod in a user namespace of its own (hostUsers: false)"
#define SAYS(what, key) "NodeCeiling: " what ": the ceiling of this node does not allow it (" key ")"

TEST(a_pod_that_asks_for_nothing_may_run_under_the_strictest_ceiling)
{
	CHECK_STR(verdict(NULL, C, 100), "");
}

TEST(each_limit_is_named_with_the_field_that_breaks_it)
{
	static const struct {
		const char *yaml, *spec, *says;
	} cases[] = {
		{ "privileged: false", CONTEXT("\"privileged\":true"), SAYS("spec.containers[c].securityContext.privileged", "privileged: false") },
		{ "privileged: false", CONTEXT("\"privileged\":false"), "" },
		{ "privileged: true", CONTEXT("\"privileged\":true"), "" },
		{ "hostNetwork: false", "\"hostNetwork\":true," C, SAYS("spec.hostNetwork", "hostNetwork: false") },
		{ "hostPID: false", "\"hostPID\":true," C, SAYS("spec.hostPID", "hostPID: false") },
		{ "hostIPC: false", "\"hostIPC\":true," C, SAYS("spec.hostIPC", "hostIPC: false") },
		{ "hostUsers: false", "\"hostUsers\":true," C, USERS("hostUsers is true") },
		{ "hostUsers: false", CONTEXT("\"privileged\":true"), USERS("a container is privileged") },
		{ "hostUsers: false", C, "" },
		{ "seccompUnconfined: false", CONTEXT("\"seccompProfile\":{\"type\":\"Unconfined\"}"),
		    SAYS("spec.containers[c].securityContext.seccompProfile Unconfined", "seccompUnconfined: false") },
		{ "seccompUnconfined: false", "\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}}," CONTEXT("\"seccompProfile\":{\"type\":\"RuntimeDefault\"}"), "" },
		{ "procUnmasked: false", CONTEXT("\"procMount\":\"Unmasked\""), SAYS("spec.containers[c].securityContext.procMount Unmasked", "procUnmasked: false") },
		{ "capabilities: [CHOWN, NET_ADMIN]", CONTEXT("\"capabilities\":{\"add\":[\"CAP_NET_ADMIN\"]}"), "" },
		{ "capabilities: [CHOWN]", CONTEXT("\"capabilities\":{\"add\":[\"NET_ADMIN\"]}"),
		    SAYS("spec.containers[c].securityContext.capabilities.add NET_ADMIN", "capabilities") },
		{ "capabilities: [CHOWN]", CONTEXT("\"capabilities\":{\"add\":[\"ALL\"]}"), SAYS("spec.containers[c].securityContext.capabilities.add ALL", "capabilities") },
		{ "hostPaths: []", MOUNT("/srv", ""), SAYS("spec.volumes[v].hostPath /srv", "hostPaths") },
		{ "hostPaths: [{path: /srv}]", MOUNT("/srv", ""), "" },
		{ "hostPaths: [{path: /srv}]", MOUNT("/srv/a", ""), "" },
		{ "hostPaths: [{path: /srv}]", MOUNT("/srvx", ""), SAYS("spec.volumes[v].hostPath /srvx", "hostPaths") },
		{ "hostPaths: [{path: /srv}]", MOUNT("/srv/../etc", ""), SAYS("spec.volumes[v].hostPath /srv/../etc", "hostPaths") },
		{ "hostPaths: [{path: /srv, readOnly: true}]", MOUNT("/srv", ""), SAYS("spec.volumes[v].hostPath /srv", "hostPaths") },
		{ "hostPaths: [{path: /srv, readOnly: true}]", MOUNT("/srv", ",\"readOnly\":true"), "" },
		{ "hostPaths: [{path: /, readOnly: true}, {path: /srv}]", MOUNT("/srv/x", ""), "" },
		{ "devices: ['/dev/ttyUSB*']", MOUNT("/dev/ttyUSB0", ""), "" },
		{ "devices: ['/dev/ttyUSB*']", MOUNT("/dev/sda", ""), SAYS("spec.volumes[v].hostPath /dev/sda", "devices") },
		{ "hostPaths: []\ndevices: [/dev/rtc0]", MOUNT("/dev/rtc0", ""), "" },
		{ "hostPorts: ['8000-8999', 80]", "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":1,\"hostPort\":80},{\"containerPort\":2,\"hostPort\":8999}]}]", "" },
		{ "hostPorts: [80]", "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":1,\"hostPort\":81}]}]", SAYS("spec.containers[c].hostPort 81", "hostPorts") },
		{ "hostPorts: []", "\"hostNetwork\":true,\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":9}]}]", SAYS("spec.containers[c].hostPort 9", "hostPorts") },
		{ "images: [registry.local/]", C, SAYS("spec.containers[c].docker.io/library/i:latest", "images") },
		{ "images: [docker.io/library/]", C, "" },
		{ "signedImages: true", C, SAYS("spec.containers[c].image is not known to be signed", "signedImages: true") },
		{ "podMemory: 64Mi", "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{\"memory\":\"65Mi\"}}}]", SAYS("resources.memory of the pod", "podMemory") },
		{ "podCPU: 500m", "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]", SAYS("resources.cpu of the pod", "podCPU") },
		{ "podCPU: 1\npodMemory: 64Mi", "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}}}]", "" },
		{ "maxPods: 3", C, SAYS("one more pod", "maxPods") },
		{ "maxPods: 4", C, "" },
		{ "privileged: false", "\"initContainers\":[{\"name\":\"j\",\"image\":\"i\",\"securityContext\":{\"privileged\":true}}]," C,
		    SAYS("spec.containers[j].securityContext.privileged", "privileged: false") },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(verdict(cases[i].yaml, cases[i].spec, 3), cases[i].says);
}

TEST(an_unsafe_sysctl_needs_the_owners_word_even_without_a_ceiling)
{
	static const char unsafe[] = "\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_syncookies\",\"value\":\"1\"},{\"name\":\"kernel.msgmax\",\"value\":\"1\"}]}," C;

	CHECK_STR(verdict("maxPods: 9", unsafe, 0), "SysctlForbidden: forbidden sysctl: \"kernel.msgmax\" not allowlisted");
	CHECK_STR(verdict("unsafeSysctls: ['kernel.msg*']", unsafe, 0), "");
	CHECK_STR(verdict("unsafeSysctls: [kernel.msgmn]", unsafe, 0), "SysctlForbidden: forbidden sysctl: \"kernel.msgmax\" not allowlisted");
}

TEST(a_key_or_value_that_cannot_be_read_makes_the_file_invalid)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{ "priviledged: false", "priviledged: unknown key" },
		{ "privileged: 'no'", "privileged: must be true or false" },
		{ "hostPaths: /srv", "hostPaths: must be a list" },
		{ "hostPaths: [/srv]", "hostPaths: must be a list of {path: /absolute/path, readOnly: true}" },
		{ "hostPaths: [{path: srv}]", "hostPaths: must be a list of {path: /absolute/path, readOnly: true}" },
		{ "hostPaths: [{path: /a/../b}]", "hostPaths: must be a list of {path: /absolute/path, readOnly: true}" },
		{ "hostPaths: [{path: /a, readonly: true}]", "hostPaths: must be a list of {path: /absolute/path, readOnly: true}" },
		{ "hostPorts: [0]", "hostPorts: must be a list of ports and ranges like 8000-8999" },
		{ "hostPorts: ['9-8']", "hostPorts: must be a list of ports and ranges like 8000-8999" },
		{ "capabilities: [FLY]", "capabilities: must be a list of names of capabilities" },
		{ "maxPods: -1", "maxPods: must be greater than 0" },
		{ "podMemory: much", "podMemory: must be a quantity like 500m or 64Mi" },
		{ "apiVersion: v2", "apiVersion: must be node.limpet.dev/v1" },
		{ "privileged: false\nprivileged: true", "privileged: stands more than once" },
		{ "[privileged]", "must be one YAML document with keys and values" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lp_ceiling ceiling;
		struct lp_err err = { 0 };

		CHECK_INT(read_yaml(cases[i].yaml, &ceiling, &err), -EINVAL);
		CHECK_STR(err.text, cases[i].why);
	}
}

TEST(a_path_below_a_row_is_split_into_row_and_rest)
{
	struct lp_ceiling ceiling;
	struct lp_err err = { 0 };
	const char *rest = NULL;

	CHECK_OK(read_yaml("hostPaths: [{path: /srv}, {path: /srv/a/b}, {path: /}]", &ceiling, &err), &err);
	CHECK_STR(lp_ceiling_path_of(&ceiling, "/srv/a/b/c/d", &rest)->path, "/srv/a/b");
	CHECK_STR(rest, "c/d");
	CHECK_STR(lp_ceiling_path_of(&ceiling, "/srv", &rest)->path, "/srv");
	CHECK_STR(rest, "");
	CHECK_STR(lp_ceiling_path_of(&ceiling, "/etc/x", &rest)->path, "/");
	CHECK_STR(rest, "etc/x");
}

static void
put(int dir_fd, const char *text, mode_t mode)
{
	int fd = openat(dir_fd, LP_CEILING_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	CHECK_INT(fchmod(fd, mode), 0);
	(void)close(fd);
}

TEST(only_a_plain_file_that_nobody_else_may_write_is_read)
{
	struct lp_ceiling ceiling;
	struct lp_err err = { 0 };
	int dir_fd = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(lp_ceiling_file_read(dir_fd, &arena, &ceiling, &err), -ENOENT);
	put(dir_fd, "privileged: false\n", 0644);
	CHECK_OK(lp_ceiling_file_read(dir_fd, &arena, &ceiling, &err), &err);
	CHECK(!ceiling.privileged);
	put(dir_fd, "privileged: false\n", 0664);
	CHECK_INT(lp_ceiling_file_read(dir_fd, &arena, &ceiling, &err), -EPERM);
	CHECK_STR(err.text, "must be a plain file of root's that nobody else may write");
	put(dir_fd, "", 0600);
	CHECK_INT(lp_ceiling_file_read(dir_fd, &arena, &ceiling, &err), -EINVAL);
	put(dir_fd, "a: [", 0600);
	CHECK_INT(lp_ceiling_file_read(dir_fd, &arena, &ceiling, &err), -EINVAL);
	CHECK_INT(renameat(dir_fd, LP_CEILING_FILE, dir_fd, "other"), 0);
	CHECK_INT(symlinkat("other", dir_fd, LP_CEILING_FILE), 0);
	CHECK_INT(lp_ceiling_file_read(dir_fd, &arena, &ceiling, &err), -EPERM);
	(void)close(dir_fd);
}

TEST(without_a_file_there_is_no_limit)
{
	struct lp_ceiling ceiling;
	struct lp_err err = { 0 };

	lp_ceiling_none(&ceiling);
	lp_test_facts(&t, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\"},\"spec\":{\"hostPID\":true,"
			  "\"hostNetwork\":true," CONTEXT("\"privileged\":true,\"capabilities\":{\"add\":[\"ALL\"]}") "}}", NULL);
	CHECK(!lp_ceiling_pod_refuses(&ceiling, t.pod, 1000, &err));
	CHECK(lp_ceiling_allows_path(&ceiling, "/", false));
	CHECK(lp_ceiling_allows_path(&ceiling, "/dev/sda", false));
}

#include <stdlib.h>
#include <string.h>

#include "specs/podsecurity.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define LATEST LP_PODSECURITY_LATEST
#define GOOD "securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"
#define C(text) "{containers: [{name: c, image: i, " text "}]}"

/* Why a pod with this metadata and spec does not keep to the level; "" when it does. */
static const char *
why_of(enum lp_podsecurity_level level, int minor, const char *metadata, const char *spec)
{
	struct lp_arena *arena = lp_docs_arena();
	struct lp_podsecurity standard = { .level = level, .minor = minor };
	const struct lp_json *pod = lp_docs_yaml(lp_arena_printf(arena, "metadata: %s\nspec: %s\n", metadata, spec));
	const char *why = lp_podsecurity_check(arena, &standard, lp_json_get(pod, "metadata"), lp_json_get(pod, "spec"), true);

	CHECK(!arena->failed);
	return why ? why : "";
}

static const char *
baseline(const char *spec)
{
	return why_of(LP_PODSECURITY_BASELINE, LATEST, "{name: p}", spec);
}

static const char *
restricted(const char *spec)
{
	return why_of(LP_PODSECURITY_RESTRICTED, LATEST, "{name: p}", spec);
}

TEST(a_pod_that_asks_for_nothing_is_baseline_and_not_restricted)
{
	CHECK_STR(baseline("{containers: [{name: c, image: i}]}"), "");
	CHECK_STR(restricted("{containers: [{name: c, image: i}]}"),
	    "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), "
	    "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), "
	    "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), "
	    "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")");
	CHECK_STR(restricted(C(GOOD)), "");
}

TEST(a_privileged_namespace_takes_everything)
{
	CHECK_STR(why_of(LP_PODSECURITY_PRIVILEGED, LATEST, "{}", "{hostPID: true, containers: [{name: c, securityContext: {privileged: true}}]}"), "");
}

TEST(what_the_pod_says_holds_for_its_containers)
{
	CHECK_STR(restricted("{securityContext: {runAsNonRoot: true, seccompProfile: {type: Localhost, localhostProfile: a.json}}, containers: "
			     "[{name: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}}]}"), "");
	CHECK_STR(restricted("{securityContext: {runAsNonRoot: false, runAsUser: 0}, containers: [{name: c, " GOOD "}]}"),
	    "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod must not set runAsUser=0)");
	CHECK_STR(restricted("{securityContext: {seccompProfile: {type: Unconfined}}, containers: [{name: c, " GOOD "}]}"),
	    "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")");
}

TEST(each_baseline_control_is_told_in_kubernetes_words)
{
	static const struct {
		const char *spec, *why;
	} cases[] = {
		{ "{hostNetwork: true, hostPID: true, hostIPC: true, containers: [{name: c}]}",
		    "host namespaces (hostIPC=true, hostNetwork=true, hostPID=true)" },
		{ C("securityContext: {privileged: true}"), "privileged (container \"c\" must not set securityContext.privileged=true)" },
		{ C("securityContext: {capabilities: {add: [NET_RAW, CHOWN, SYS_ADMIN]}}"),
		    "non-default capabilities (container \"c\" must not include \"NET_RAW\", \"SYS_ADMIN\" in securityContext.capabilities.add)" },
		{ "{containers: [{name: c}], volumes: [{name: a, hostPath: {path: /}}, {name: b, emptyDir: {}}, {name: d, hostPath: {path: /x}}]}",
		    "hostPath volumes (volumes \"a\", \"d\")" },
		{ C("ports: [{hostPort: 80}, {containerPort: 1}]"), "hostPort (container \"c\" uses hostPort 80)" },
		{ "{initContainers: [{name: i, ports: [{hostPort: 8080}]}], containers: [{name: c, ports: [{hostPort: 9090}]}]}",
		    "hostPort (containers \"i\", \"c\" use hostPorts 8080, 9090)" },
		{ C("securityContext: {procMount: Unmasked}"), "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")" },
		{ C("securityContext: {procMount: Default}"), "" },
		{ "{securityContext: {seLinuxOptions: {type: foo, user: u, role: r}}, containers: [{name: c}]}",
		    "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"foo\"; user may not be set; role may not be set)" },
		{ C("securityContext: {seLinuxOptions: {user: u}}"),
		    "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: user may not be set)" },
		{ C("securityContext: {seLinuxOptions: {type: container_engine_t, level: s0}}"), "" },
		{ C("securityContext: {seccompProfile: {type: Unconfined}}"),
		    "seccompProfile (container \"c\" must not set securityContext.seccompProfile.type to \"Unconfined\")" },
		{ "{securityContext: {appArmorProfile: {type: Unconfined}}, containers: [{name: c, securityContext: {appArmorProfile: {type: Unconfined}}}]}",
		    "forbidden AppArmor profile (pod and container \"c\" must not set AppArmor profile type to \"Unconfined\")" },
		{ "{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}, {name: net.ipv4.tcp_wmem, value: '1'}, {name: net.core.somaxconn}]}, containers: [{name: c}]}",
		    "forbidden sysctls (kernel.msgmax, net.core.somaxconn)" },
		{ "{securityContext: {windowsOptions: {hostProcess: true}}, containers: [{name: c, securityContext: {windowsOptions: {hostProcess: true}}}]}",
		    "hostProcess (pod and container \"c\" must not set securityContext.windowsOptions.hostProcess=true)" },
		{ C("livenessProbe: {httpGet: {host: 10.0.0.1}}, lifecycle: {preStop: {tcpSocket: {host: a}}}"),
		    "probe or lifecycle host (container \"c\" uses probe or lifecycle hosts \"10.0.0.1\", \"a\")" },
		{ "{containers: [{name: c}], ephemeralContainers: [{name: e, securityContext: {privileged: true}}]}",
		    "privileged (container \"e\" must not set securityContext.privileged=true)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(baseline(cases[i].spec), cases[i].why);
}

TEST(each_restricted_control_is_told_in_kubernetes_words)
{
	static const struct {
		const char *spec, *why;
	} cases[] = {
		{ "{volumes: [{name: a, hostPath: {path: /}}, {name: b, nfs: {server: s}}, {name: t, emptyDir: {}}], containers: [{name: c, " GOOD "}]}",
		    "restricted volume types (volumes \"a\", \"b\" use restricted volume types \"hostPath\", \"nfs\")" },
		{ "{volumes: [{name: a, hostPath: {path: /}}], containers: [{name: c, " GOOD "}]}",
		    "restricted volume types (volume \"a\" uses restricted volume type \"hostPath\")" },
		{ C("securityContext: {allowPrivilegeEscalation: true, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"),
		    "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false)" },
		{ C("securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [NET_RAW], add: [CHOWN]}, seccompProfile: {type: RuntimeDefault}}"),
		    "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]; container \"c\" must not include "
		    "\"CHOWN\" in securityContext.capabilities.add)" },
		{ C("securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 0, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"),
		    "runAsUser=0 (container \"c\" must not set runAsUser=0)" },
		{ "{os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: c}]}", "" },
		{ "{hostUsers: false, containers: [{name: c, securityContext: {runAsUser: 0, procMount: Unmasked, allowPrivilegeEscalation: false, "
		  "capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}}]}", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(restricted(cases[i].spec), cases[i].why);
}

TEST(an_older_version_asks_what_it_asked_then)
{
	CHECK_STR(why_of(LP_PODSECURITY_BASELINE, 26, "{}", "{securityContext: {sysctls: [{name: net.ipv4.tcp_rmem}, {name: net.ipv4.ip_local_reserved_ports}]}, "
	    "containers: [{name: c}]}"), "forbidden sysctls (net.ipv4.tcp_rmem, net.ipv4.ip_local_reserved_ports)");
	CHECK_STR(why_of(LP_PODSECURITY_BASELINE, 33, "{}", C("livenessProbe: {httpGet: {host: h}}")), "");
	CHECK_STR(why_of(LP_PODSECURITY_BASELINE, 18, "{annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined, "
	    "container.seccomp.security.alpha.kubernetes.io/c: docker/default}}", C("securityContext: {seccompProfile: {type: Unconfined}}")),
	    "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")");
	CHECK_STR(why_of(LP_PODSECURITY_RESTRICTED, 21, "{}", C("securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: "
	    "{add: [SYS_TIME]}, seccompProfile: {type: RuntimeDefault}}")),
	    "non-default capabilities (container \"c\" must not include \"SYS_TIME\" in securityContext.capabilities.add)");
	CHECK_STR(why_of(LP_PODSECURITY_RESTRICTED, 22, "{}", C("securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 0, "
	    "capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}")), "");
	CHECK_STR(why_of(LP_PODSECURITY_RESTRICTED, 34, "{}", "{hostUsers: false, containers: [{name: c, securityContext: {allowPrivilegeEscalation: false, "
	    "capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}}]}"),
	    "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)");
}

TEST(the_old_annotation_of_apparmor_is_heard_too)
{
	CHECK_STR(why_of(LP_PODSECURITY_BASELINE, LATEST, "{annotations: {container.apparmor.security.beta.kubernetes.io/c: unconfined, "
	    "container.apparmor.security.beta.kubernetes.io/d: localhost/x}}", "{containers: [{name: c}]}"),
	    "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
	    "\"container.apparmor.security.beta.kubernetes.io/c=\"unconfined\"\")");
}

TEST(without_detail_only_the_reasons_are_told)
{
	struct lp_arena *arena = lp_docs_arena();
	struct lp_podsecurity standard = { LP_PODSECURITY_RESTRICTED, LATEST };

	CHECK_STR(lp_podsecurity_check(arena, &standard, NULL, lp_docs_yaml("{hostPID: true, containers: [{name: c}]}"), false),
	    "host namespaces, allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile");
}

TEST(labels_say_level_and_version_for_each_mode)
{
	struct lp_arena *arena = lp_docs_arena();
	struct lp_podsecurity got[LP_PODSECURITY_MODES];
	struct lp_faults faults;

	lp_faults_init(&faults, arena);
	lp_podsecurity_read(lp_docs_yaml("{pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/enforce-version: v1.30, "
					 "pod-security.kubernetes.io/audit: restricted}"), LP_PODSECURITY_PRIVILEGED, got, &faults);
	CHECK_INT(faults.count, 0);
	CHECK_STR(lp_podsecurity_name(arena, &got[LP_PODSECURITY_ENFORCE]), "baseline:v1.30");
	CHECK_STR(lp_podsecurity_name(arena, &got[LP_PODSECURITY_AUDIT]), "restricted:latest");
	CHECK_STR(lp_podsecurity_name(arena, &got[LP_PODSECURITY_WARN]), "baseline:v1.30");
	lp_podsecurity_read(NULL, LP_PODSECURITY_BASELINE, got, NULL);
	CHECK_STR(lp_podsecurity_name(arena, &got[LP_PODSECURITY_ENFORCE]), "baseline:latest");
}

TEST(a_label_that_cannot_be_read_is_a_fault_and_counts_as_the_strictest)
{
	struct lp_arena *arena = lp_docs_arena();
	struct lp_podsecurity got[LP_PODSECURITY_MODES];
	struct lp_faults faults;

	lp_faults_init(&faults, arena);
	lp_podsecurity_read(lp_docs_yaml("{pod-security.kubernetes.io/enforce: strict, pod-security.kubernetes.io/warn: '', "
					 "pod-security.kubernetes.io/warn-version: v1.01}"), LP_PODSECURITY_PRIVILEGED, got, &faults);
	CHECK_INT(faults.count, 3);
	CHECK_STR(faults.first->path, "metadata.labels[pod-security.kubernetes.io/enforce]");
	CHECK_STR(faults.first->message, "Invalid value: \"strict\": must be one of privileged, baseline, restricted");
	CHECK_STR(faults.last->message, "Invalid value: \"v1.01\": must be \"latest\" or \"v1.x\"");
	CHECK_INT(got[LP_PODSECURITY_ENFORCE].level, LP_PODSECURITY_RESTRICTED);
	CHECK_INT(got[LP_PODSECURITY_WARN].level, LP_PODSECURITY_PRIVILEGED);
}

/* Oddly typed documents, as a patch may bring them before the check of types: no crash, and nothing slips through as fine. */
TEST(a_pod_with_nothing_in_it_is_no_way_around)
{
	CHECK_STR(restricted("{}"), "");
	CHECK(strstr(restricted("{containers: [{}, {}]}"), "containers \"\", \"\" must set"));
}

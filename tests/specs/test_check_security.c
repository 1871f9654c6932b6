#include "tests/harness.h"
#include "tests/specs/docs.h"

#define POD(spec) "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " spec "\n"
#define CONTEXT(text) POD("{containers: [{name: c, image: i, securityContext: " text "}]}")
#define OF_POD(text) POD("{containers: [{name: c, image: i}], securityContext: " text "}")
#define WITH(fields) POD("{containers: [{name: c, image: i}], " fields "}")

static void
check_each(const char *const cases[][2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		CHECK_STR(lp_docs_faults(cases[i][0]), cases[i][1]);
}

TEST(privilege_escalation_cannot_be_off_for_who_has_it_already)
{
	static const char *const cases[][2] = {
		{ CONTEXT("{privileged: true, allowPrivilegeEscalation: true}"), "" },
		{ CONTEXT("{privileged: true}"), "" },
		{ CONTEXT("{capabilities: {add: [CAP_SYS_ADMIN]}}"), "" },
		{ CONTEXT("{allowPrivilegeEscalation: false, privileged: true}"),
		    "spec.containers[0].securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set "
		    "`allowPrivilegeEscalation` to false and `privileged` to true\n" },
		{ CONTEXT("{allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}"),
		    "spec.containers[0].securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"capabilities\":{\"add\":[\"CAP_SYS_ADMIN\"]}}: "
		    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

TEST(a_seccomp_profile_names_a_file_only_when_it_is_one)
{
	static const char *const cases[][2] = {
		{ OF_POD("{seccompProfile: {type: RuntimeDefault}}"), "" },
		{ OF_POD("{seccompProfile: {type: Localhost, localhostProfile: a/b.json}}"), "" },
		{ OF_POD("{seccompProfile: {type: Localhost}}"),
		    "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost\n" },
		{ OF_POD("{seccompProfile: {type: Unconfined, localhostProfile: a}}"),
		    "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \"a\": can only be set when seccomp type is Localhost\n" },
		{ CONTEXT("{seccompProfile: {type: Localhost, localhostProfile: /etc/a}}"),
		    "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: \"/etc/a\": must be a relative path\n" },
		{ CONTEXT("{seccompProfile: {type: Localhost, localhostProfile: a/../../b}}"),
		    "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: \"a/../../b\": must not contain '..'\n" },
		{ CONTEXT("{seccompProfile: {type: Localhost, localhostProfile: a..b}}"), "" },
		{ CONTEXT("{seccompProfile: {type: Docker}}"),
		    "spec.containers[0].securityContext.seccompProfile.type: Unsupported value: \"Docker\": supported values: \"Localhost\", "
		    "\"RuntimeDefault\", \"Unconfined\"\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

TEST(an_apparmor_profile_names_one_only_when_it_is_local)
{
	static const char *const cases[][2] = {
		{ OF_POD("{appArmorProfile: {type: Localhost, localhostProfile: a}}"), "" },
		{ OF_POD("{appArmorProfile: {}}"), "spec.securityContext.appArmorProfile.type: Required value\n" },
		{ OF_POD("{appArmorProfile: {type: Localhost}}"),
		    "spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost\n" },
		{ OF_POD("{appArmorProfile: {type: Localhost, localhostProfile: 'a '}}"),
		    "spec.securityContext.appArmorProfile.localhostProfile: Invalid value: \"a \": must not be padded with whitespace\n" },
		{ CONTEXT("{appArmorProfile: {type: RuntimeDefault, localhostProfile: a}}"),
		    "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: \"a\": can only be set when AppArmor type is Localhost\n" },
		{ CONTEXT("{appArmorProfile: {type: x}}"),
		    "spec.containers[0].securityContext.appArmorProfile.type: Unsupported value: \"x\": supported values: \"Localhost\", \"RuntimeDefault\", "
		    "\"Unconfined\"\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

#define NOTES(notes) "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {" notes "}}\nspec: {containers: [{name: c, image: i}]}\n"
#define AA "container.apparmor.security.beta.kubernetes.io/"

TEST(the_old_annotation_of_apparmor_names_a_container_and_a_profile)
{
	static const char *const cases[][2] = {
		{ NOTES(AA "c: runtime/default"), "" },
		{ NOTES(AA "c: unconfined"), "" },
		{ NOTES(AA "c: localhost/x"), "" },
		{ NOTES(AA "d: localhost/x"), "metadata.annotations[" AA "d]: Invalid value: \"d\": container not found\n" },
		{ NOTES(AA "c: x"), "metadata.annotations[" AA "c]: Invalid value: \"x\": invalid AppArmor profile name: \"x\"\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

TEST(namespaces_of_the_host_and_own_ones_exclude_each_other)
{
	static const char *const cases[][2] = {
		{ WITH("shareProcessNamespace: true"), "" },
		{ WITH("shareProcessNamespace: true, hostPID: true"),
		    "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled\n" },
		{ WITH("hostUsers: false"), "" },
		{ WITH("hostUsers: false, hostNetwork: true, hostPID: true, hostIPC: true"),
		    "spec.hostNetwork: Forbidden: when `hostUsers` is false\nspec.hostPID: Forbidden: when `hostUsers` is false\n"
		    "spec.hostIPC: Forbidden: when `hostUsers` is false\n" },
		{ POD("{hostUsers: false, containers: [{name: c, image: i, securityContext: {procMount: Unmasked}}]}"), "" },
		{ CONTEXT("{procMount: Unmasked}"),
		    "spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`\n" },
		{ CONTEXT("{procMount: Default}"), "" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

TEST(a_sysctl_stands_once_and_never_for_the_host)
{
	static const char *const cases[][2] = {
		{ OF_POD("{sysctls: [{name: kernel.shm_rmid_forced, value: '1'}, {name: net.core.somaxconn, value: '9'}]}"), "" },
		{ OF_POD("{sysctls: [{name: kernel.sem, value: '1'}, {name: kernel.sem, value: '2'}]}"),
		    "spec.securityContext.sysctls[1].name: Duplicate value: \"kernel.sem\"\n" },
		{ POD("{hostNetwork: true, hostIPC: true, containers: [{name: c, image: i}], securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, "
		      "value: '1'}, {name: kernel.shmmax, value: '1'}]}}"),
		    "spec.securityContext.sysctls[0].name: Invalid value: \"net.ipv4.tcp_syncookies\": may not be specified when 'hostNetwork' is true\n"
		    "spec.securityContext.sysctls[1].name: Invalid value: \"kernel.shmmax\": may not be specified when 'hostIPC' is true\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

TEST(what_is_for_windows_is_refused_for_a_linux_pod)
{
	static const char *const cases[][2] = {
		{ OF_POD("{windowsOptions: {runAsUserName: x}}"), "" },
		{ WITH("os: {name: linux}, securityContext: {windowsOptions: {runAsUserName: x}}"), "spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod\n" },
		{ POD("{os: {name: linux}, containers: [{name: c, image: i, securityContext: {windowsOptions: {hostProcess: true}}}]}"),
		    "spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

TEST(groups_are_merged_or_strict)
{
	static const char *const cases[][2] = {
		{ OF_POD("{supplementalGroupsPolicy: Strict}"), "" },
		{ OF_POD("{supplementalGroupsPolicy: Some}"),
		    "spec.securityContext.supplementalGroupsPolicy: Unsupported value: \"Some\": supported values: \"Merge\", \"Strict\"\n" },
	};

	check_each(cases, sizeof(cases) / sizeof(cases[0]));
}

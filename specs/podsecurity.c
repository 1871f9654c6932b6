#include "specs/podsecurity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

#define LABEL "pod-security.kubernetes.io/"
#define SECCOMP_POD "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_CONTAINER "container.seccomp.security.alpha.kubernetes.io/"

/* ---- levels and labels */

static const char *const levels[] = { "privileged", "baseline", "restricted" };
static const char *const modes[] = { "enforce", "audit", "warn" };

int
lp_podsecurity_level(const char *word, enum lp_podsecurity_level *out)
{
	for (size_t i = 0; i < lp_count(levels); i++)
		if (lp_text_same(word, levels[i])) {
			*out = (enum lp_podsecurity_level)i;
			return 0;
		}
	return -EINVAL;
}

static int
read_version(const char *word, int *out)
{
	uint64_t minor;

	if (lp_text_same(word, "latest")) {
		*out = LP_PODSECURITY_LATEST;
		return 0;
	}
	if (!word || !lp_text_starts(word, "v1.") || (word[3] == '0' && word[4]) ||
	    lp_text_u64(word + 3, LP_PODSECURITY_LATEST - 1, &minor) < 0)
		return -EINVAL;
	*out = (int)minor;
	return 0;
}

static void
fault(struct lp_faults *faults, const struct lp_json *label, const char *why)
{
	if (faults)
		lp_faults_add(faults, LP_FAULT_INVALID, lp_arena_printf(faults->arena, "metadata.labels[%s]", label->key), label, why);
}

void
lp_podsecurity_read(const struct lp_json *labels, enum lp_podsecurity_level preset, struct lp_podsecurity out[static LP_PODSECURITY_MODES],
    struct lp_faults *faults)
{
	bool said[LP_PODSECURITY_MODES] = { false };
	char key[64];

	for (size_t i = 0; i < LP_PODSECURITY_MODES; i++) {
		const struct lp_json *label;

		out[i] = (struct lp_podsecurity){ .level = preset, .minor = LP_PODSECURITY_LATEST };
		(void)snprintf(key, sizeof(key), LABEL "%s", modes[i]);
		label = lp_json_get(labels, key);
		said[i] = label;
		if (label && lp_podsecurity_level(lp_json_text(label), &out[i].level) < 0) {
			out[i].level = i == LP_PODSECURITY_ENFORCE ? LP_PODSECURITY_RESTRICTED : LP_PODSECURITY_PRIVILEGED;
			fault(faults, label, "must be one of privileged, baseline, restricted");
		}
		(void)snprintf(key, sizeof(key), LABEL "%s-version", modes[i]);
		label = lp_json_get(labels, key);
		if (label && read_version(lp_json_text(label), &out[i].minor) < 0)
			fault(faults, label, "must be \"latest\" or \"v1.x\"");
	}
	/* Who enforces and says nothing of warnings wants to be warned of what will be refused. */
	if (!said[LP_PODSECURITY_WARN] && out[LP_PODSECURITY_ENFORCE].level > out[LP_PODSECURITY_WARN].level)
		out[LP_PODSECURITY_WARN] = out[LP_PODSECURITY_ENFORCE];
}

const char *
lp_podsecurity_name(struct lp_arena *arena, const struct lp_podsecurity *standard)
{
	return standard->minor == LP_PODSECURITY_LATEST ? lp_arena_printf(arena, "%s:latest", levels[standard->level]) :
	    lp_arena_printf(arena, "%s:v1.%d", levels[standard->level], standard->minor);
}

/* ---- what a check looks at, and what it collects */

struct words {
	const char **items;
	size_t count, size;
};

struct look {
	struct lp_arena *arena;
	const struct lp_json *metadata, *spec;
	int minor;
	struct words bad;		/* containers */
	struct words unset;		/* containers that say nothing, nor does the pod */
	struct words values;		/* sorted, each once */
	bool pod_bad, pod_good;
	const char *reason;		/* overrides the row's */
};

static void
add(struct look *look, struct words *words, const char *word)
{
	if (words->count == words->size) {
		size_t size = words->size ? words->size * 2 : 8;
		const char **items = lp_arena_alloc(look->arena, size * sizeof(*items));

		if (!items)
			return;		/* the arena says it */
		if (words->count)
			memcpy(items, words->items, words->count * sizeof(*items));
		words->items = items;
		words->size = size;
	}
	words->items[words->count++] = word ? word : "";
}

static void
add_sorted(struct look *look, struct words *words, const char *word)
{
	size_t at = 0;
	const char *last;

	word = word ? word : "";
	while (at < words->count && strcmp(words->items[at], word) < 0)
		at++;
	if (at < words->count && strcmp(words->items[at], word) == 0)
		return;
	last = word;
	for (; at < words->count; at++) {
		const char *moved = words->items[at];

		words->items[at] = last;
		last = moved;
	}
	add(look, words, last);
}

static const char *
join(struct look *look, const struct words *words, const char *quote, const char *between)
{
	const char *text = "";

	for (size_t i = 0; text && i < words->count; i++)
		text = lp_arena_printf(look->arena, "%s%s%s%s%s", text, i ? between : "", quote, words->items[i], quote);
	return text ? text : "";
}

static const char *
quoted(struct look *look, const struct words *words)
{
	return join(look, words, "\"", ", ");
}

static const char *
few(const struct words *words, const char *one, const char *many)
{
	return words->count == 1 ? one : many;
}

/* `containers "a", "b"` */
static const char *
containers(struct look *look, const struct words *words)
{
	return lp_arena_printf(look->arena, "%s %s", few(words, "container", "containers"), quoted(look, words));
}

/* `pod and container "a"`: who said something bad. */
static const char *
setters(struct look *look)
{
	if (look->bad.count == 0)
		return "pod";
	return lp_arena_printf(look->arena, "%s%s", look->pod_bad ? "pod and " : "", containers(look, &look->bad));
}

static bool
anybody(const struct look *look)
{
	return look->pod_bad || look->bad.count > 0;
}

static const char *
name_of(const struct lp_json *container)
{
	return lp_json_str(container, "name");
}

/* Every container of the pod, in Kubernetes' order: init containers, containers, ephemeral ones. */
static const struct lp_json *
next_container(const struct look *look, const struct lp_json *before, size_t *list)
{
	static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };
	const struct lp_json *next = before ? before->next : NULL;

	if (!before)
		*list = 0;
	else if (!next)
		++*list;
	for (; !next && *list < lp_count(lists); next ? 0 : ++*list)
		next = lp_json_first(lp_json_get(look->spec, lists[*list]));
	return next;
}

#define each_container(container, look)                                                                       \
	for (size_t list_ = 0, once_ = 1; once_; once_ = 0)                                                   \
		for (const struct lp_json *container = next_container((look), NULL, &list_); container;         \
		     container = next_container((look), container, &list_))

static bool
is_word(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (lp_text_same(word, *words))
			return true;
	return false;
}

/* From version 1.25 on what only Linux knows is not asked of Windows pods. */
static bool
is_windows(const struct look *look)
{
	return look->minor >= 25 && lp_text_same(lp_json_str(look->spec, "os.name"), "windows");
}

/* From version 1.35 on a user namespace of its own makes up for root inside it. */
static bool
is_relaxed(const struct look *look)
{
	const struct lp_json *users = lp_json_get(look->spec, "hostUsers");

	return look->minor >= 35 && users && !lp_json_bool(look->spec, "hostUsers", true);
}

/* ---- the checks: NULL is fine, else the detail */

static const char *
check_escalation(struct look *look)
{
	if (is_windows(look))
		return NULL;
	each_container (container, look)
		if (lp_json_bool(container, "securityContext.allowPrivilegeEscalation", true))
			add(look, &look->bad, name_of(container));
	return anybody(look) ? lp_arena_printf(look->arena, "%s must set securityContext.allowPrivilegeEscalation=false",
	    containers(look, &look->bad)) : NULL;
}

static const char *const profile_types[] = { "RuntimeDefault", "Localhost", NULL };

/* A profile (seccomp, AppArmor) of the pod, then those of its containers. */
static void
look_at_profiles(struct look *look, const char *path)
{
	const struct lp_json *pod = lp_json_path(look->spec, path);

	if (pod && !is_word(lp_json_str(pod, "type"), profile_types)) {
		look->pod_bad = true;
		add_sorted(look, &look->values, lp_json_str(pod, "type"));
	} else {
		look->pod_good = pod;
	}
	each_container (container, look) {
		const struct lp_json *own = lp_json_path(container, path);

		if (own && !is_word(lp_json_str(own, "type"), profile_types)) {
			add(look, &look->bad, name_of(container));
			add_sorted(look, &look->values, lp_json_str(own, "type"));
		} else if (!own && !look->pod_good) {
			add(look, &look->unset, name_of(container));
		}
	}
}

static const char *
check_apparmor(struct look *look)
{
	struct words notes = { 0 };
	const char *who;

	look_at_profiles(look, "securityContext.appArmorProfile");
	lp_json_each (note, lp_json_get(look->metadata, "annotations")) {
		const char *text = lp_json_text(note);

		if (text && *text && lp_text_starts(note->key, LP_PODSECURITY_APPARMOR) && strcmp(text, "runtime/default") != 0 &&
		    !lp_text_starts(text, "localhost/"))
			add_sorted(look, &notes, lp_arena_printf(look->arena, "%s=\"%s\"", note->key, text));
	}
	if (!anybody(look) && notes.count == 0)
		return NULL;
	who = anybody(look) ? setters(look) : "";
	if (notes.count > 0)
		who = lp_arena_printf(look->arena, "%s%s%s", who, *who ? " and " : "", few(&notes, "annotation", "annotations"));
	for (size_t i = 0; i < notes.count; i++)
		add(look, &look->values, notes.items[i]);
	look->reason = few(&look->values, "forbidden AppArmor profile", "forbidden AppArmor profiles");
	return lp_arena_printf(look->arena, "%s must not set AppArmor profile type to %s", who, quoted(look, &look->values));
}

/* Added capabilities that are none of `fine`. */
static void
look_at_added(struct look *look, const struct lp_json *container, const char *const *fine)
{
	bool bad = false;

	lp_json_each (added, lp_json_path(container, "securityContext.capabilities.add"))
		if (!is_word(lp_json_text(added), fine)) {
			bad = true;
			add_sorted(look, &look->values, lp_json_text(added));
		}
	if (bad)
		add(look, &look->bad, name_of(container));
}

static const char *
check_caps_baseline(struct look *look)
{
	static const char *const fine[] = { "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", NULL };

	each_container (container, look)
		look_at_added(look, container, fine);
	return anybody(look) ? lp_arena_printf(look->arena, "%s must not include %s in securityContext.capabilities.add",
	    containers(look, &look->bad), quoted(look, &look->values)) : NULL;
}

static const char *
check_caps_restricted(struct look *look)
{
	static const char *const fine[] = { "NET_BIND_SERVICE", NULL };
	const char *drop = "", *added = "";

	if (is_windows(look))
		return NULL;
	each_container (container, look) {
		bool all = false;

		lp_json_each (dropped, lp_json_path(container, "securityContext.capabilities.drop"))
			all |= lp_text_same(lp_json_text(dropped), "ALL");
		if (!all)
			add(look, &look->unset, name_of(container));
		look_at_added(look, container, fine);
	}
	if (look->unset.count > 0)
		drop = lp_arena_printf(look->arena, "%s must set securityContext.capabilities.drop=[\"ALL\"]", containers(look, &look->unset));
	if (look->bad.count > 0)
		added = lp_arena_printf(look->arena, "%s%s must not include %s in securityContext.capabilities.add", look->unset.count ? "; " : "",
		    containers(look, &look->bad), quoted(look, &look->values));
	return look->unset.count + look->bad.count > 0 ? lp_arena_printf(look->arena, "%s%s", drop, added) : NULL;
}

static const char *
check_host_namespaces(struct look *look)
{
	static const char *const fields[] = { "hostIPC", "hostNetwork", "hostPID" };

	for (size_t i = 0; i < lp_count(fields); i++)
		if (lp_json_bool(look->spec, fields[i], false))
			add(look, &look->values, lp_arena_printf(look->arena, "%s=true", fields[i]));
	return look->values.count > 0 ? join(look, &look->values, "", ", ") : NULL;
}

static const char *
check_host_paths(struct look *look)
{
	lp_json_each (volume, lp_json_get(look->spec, "volumes"))
		if (lp_json_get(volume, "hostPath"))
			add(look, &look->values, name_of(volume));
	return look->values.count > 0 ? lp_arena_printf(look->arena, "%s %s", few(&look->values, "volume", "volumes"),
	    quoted(look, &look->values)) : NULL;
}

static const char *
check_host_ports(struct look *look)
{
	each_container (container, look) {
		bool bad = false;

		lp_json_each (port, lp_json_get(container, "ports"))
			if (lp_json_int(port, "hostPort", 0) != 0) {
				bad = true;
				add_sorted(look, &look->values, lp_arena_printf(look->arena, "%lld", (long long)lp_json_int(port, "hostPort", 0)));
			}
		if (bad)
			add(look, &look->bad, name_of(container));
	}
	return anybody(look) ? lp_arena_printf(look->arena, "%s %s %s %s", containers(look, &look->bad), few(&look->bad, "uses", "use"),
	    few(&look->values, "hostPort", "hostPorts"), join(look, &look->values, "", ", ")) : NULL;
}

static const char *
check_probe_hosts(struct look *look)
{
	static const char *const paths[] = { "livenessProbe.httpGet.host", "livenessProbe.tcpSocket.host", "readinessProbe.httpGet.host",
		"readinessProbe.tcpSocket.host", "startupProbe.httpGet.host", "startupProbe.tcpSocket.host", "lifecycle.postStart.httpGet.host",
		"lifecycle.postStart.tcpSocket.host", "lifecycle.preStop.httpGet.host", "lifecycle.preStop.tcpSocket.host" };

	each_container (container, look)
		for (size_t i = 0; i < lp_count(paths); i++) {
			const char *host = lp_json_str(container, paths[i]);

			if (!host || !*host)
				continue;
			add_sorted(look, &look->bad, name_of(container));
			add_sorted(look, &look->values, host);
		}
	return anybody(look) ? lp_arena_printf(look->arena, "%s %s %s %s", containers(look, &look->bad), few(&look->bad, "uses", "use"),
	    few(&look->values, "probe or lifecycle host", "probe or lifecycle hosts"), quoted(look, &look->values)) : NULL;
}

static const char *
check_privileged(struct look *look)
{
	each_container (container, look)
		if (lp_json_bool(container, "securityContext.privileged", false))
			add(look, &look->bad, name_of(container));
	return anybody(look) ? lp_arena_printf(look->arena, "%s must not set securityContext.privileged=true",
	    containers(look, &look->bad)) : NULL;
}

static const char *
check_proc_mount(struct look *look)
{
	if (is_relaxed(look))
		return NULL;
	each_container (container, look) {
		const char *type = lp_json_str(container, "securityContext.procMount");

		if (!type || strcmp(type, "Default") == 0)
			continue;
		add(look, &look->bad, name_of(container));
		add_sorted(look, &look->values, type);
	}
	return anybody(look) ? lp_arena_printf(look->arena, "%s must not set securityContext.procMount to %s", containers(look, &look->bad),
	    quoted(look, &look->values)) : NULL;
}

static const char *
check_volumes(struct look *look)
{
	static const char *const fine[] = { "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
		"secret", NULL };

	lp_json_each (volume, lp_json_get(look->spec, "volumes"))
		lp_json_each (member, volume)
			if (strcmp(member->key, "name") != 0 && !is_word(member->key, fine)) {
				add_sorted(look, &look->bad, name_of(volume));
				add_sorted(look, &look->values, member->key);
			}
	return anybody(look) ? lp_arena_printf(look->arena, "%s %s %s %s %s", few(&look->bad, "volume", "volumes"), quoted(look, &look->bad),
	    few(&look->bad, "uses", "use"), few(&look->values, "restricted volume type", "restricted volume types"),
	    quoted(look, &look->values)) : NULL;
}

static const char *
check_non_root(struct look *look)
{
	const struct lp_json *pod = lp_json_path(look->spec, "securityContext.runAsNonRoot");

	if (is_relaxed(look))
		return NULL;
	look->pod_bad = pod && !lp_json_bool(look->spec, "securityContext.runAsNonRoot", true);
	look->pod_good = pod && !look->pod_bad;
	each_container (container, look) {
		if (!lp_json_path(container, "securityContext.runAsNonRoot")) {
			if (!look->pod_good)
				add(look, &look->unset, name_of(container));
		} else if (!lp_json_bool(container, "securityContext.runAsNonRoot", true)) {
			add(look, &look->bad, name_of(container));
		}
	}
	if (anybody(look))
		return lp_arena_printf(look->arena, "%s must not set securityContext.runAsNonRoot=false", setters(look));
	return look->unset.count > 0 ? lp_arena_printf(look->arena, "pod or %s must set securityContext.runAsNonRoot=true",
	    containers(look, &look->unset)) : NULL;
}

static const char *
check_user(struct look *look)
{
	if (is_relaxed(look))
		return NULL;
	look->pod_bad = lp_json_int(look->spec, "securityContext.runAsUser", 1) == 0;
	each_container (container, look)
		if (lp_json_int(container, "securityContext.runAsUser", 1) == 0)
			add(look, &look->bad, name_of(container));
	return anybody(look) ? lp_arena_printf(look->arena, "%s must not set runAsUser=0", setters(look)) : NULL;
}

static bool
has_text(const struct lp_json *object, const char *key)
{
	const char *text = lp_json_str(object, key);

	return text && *text;
}

/* One seLinuxOptions; the words about it gather in `values`, users and roles are told behind the types. */
static bool
is_bad_selinux(struct look *look, const struct lp_json *options, bool *user, bool *role)
{
	static const char *const fine[] = { "", "container_t", "container_init_t", "container_kvm_t", NULL };
	const char *type = lp_json_str(options, "type");
	bool known = !type || is_word(type, fine) || (look->minor >= 31 && strcmp(type, "container_engine_t") == 0);

	if (!known)
		add_sorted(look, &look->values, type);
	*user |= has_text(options, "user");
	*role |= has_text(options, "role");
	return !known || has_text(options, "user") || has_text(options, "role");
}

static const char *
check_selinux(struct look *look)
{
	bool user = false, role = false;
	const char *types = "";

	look->pod_bad = is_bad_selinux(look, lp_json_path(look->spec, "securityContext.seLinuxOptions"), &user, &role);
	each_container (container, look)
		if (is_bad_selinux(look, lp_json_path(container, "securityContext.seLinuxOptions"), &user, &role))
			add(look, &look->bad, name_of(container));
	if (!anybody(look))
		return NULL;
	if (look->values.count > 0)
		types = lp_arena_printf(look->arena, "%s %s", few(&look->values, "type", "types"), quoted(look, &look->values));
	return lp_arena_printf(look->arena, "%s set forbidden securityContext.seLinuxOptions: %s%s%s%s%s", setters(look), types ? types : "",
	    types && *types && user ? "; " : "", user ? "user may not be set" : "", role && (user || (types && *types)) ? "; " : "",
	    role ? "role may not be set" : "");
}

static bool
is_fine_note(const char *text)
{
	return !text || strcmp(text, "runtime/default") == 0 || strcmp(text, "docker/default") == 0 || lp_text_starts(text, "localhost/");
}

/* Before 1.19 a profile was an annotation. */
static const char *
check_seccomp_notes(struct look *look)
{
	const struct lp_json *notes = lp_json_get(look->metadata, "annotations");

	lp_json_each (note, notes) {
		bool ours = strcmp(note->key, SECCOMP_POD) == 0;

		each_container (container, look)
			ours |= lp_text_starts(note->key, SECCOMP_CONTAINER) &&
			    lp_text_same(note->key + strlen(SECCOMP_CONTAINER), name_of(container));
		if (ours && !is_fine_note(lp_json_text(note)))
			add_sorted(look, &look->values, lp_arena_printf(look->arena, "%s=\"%s\"", note->key, lp_json_text(note)));
	}
	return look->values.count > 0 ? lp_arena_printf(look->arena, "forbidden %s %s", few(&look->values, "annotation", "annotations"),
	    join(look, &look->values, "", ", ")) : NULL;
}

static const char *
check_seccomp_baseline(struct look *look)
{
	look_at_profiles(look, "securityContext.seccompProfile");
	return anybody(look) ? lp_arena_printf(look->arena, "%s must not set securityContext.seccompProfile.type to %s", setters(look),
	    quoted(look, &look->values)) : NULL;
}

static const char *
check_seccomp_restricted(struct look *look)
{
	const char *why;

	if (is_windows(look))
		return NULL;
	why = check_seccomp_baseline(look);
	if (why)
		return why;
	return look->unset.count > 0 ? lp_arena_printf(look->arena,
	    "pod or %s must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"", containers(look, &look->unset)) : NULL;
}

static const char *
check_sysctls(struct look *look)
{
	static const struct {
		char name[36];
		int since;
	} fine[] = {
		{ "kernel.shm_rmid_forced", 0 }, { "net.ipv4.ip_local_port_range", 0 }, { "net.ipv4.tcp_syncookies", 0 },
		{ "net.ipv4.ping_group_range", 0 }, { "net.ipv4.ip_unprivileged_port_start", 0 }, { "net.ipv4.ip_local_reserved_ports", 27 },
		{ "net.ipv4.tcp_keepalive_time", 29 }, { "net.ipv4.tcp_fin_timeout", 29 }, { "net.ipv4.tcp_keepalive_intvl", 29 },
		{ "net.ipv4.tcp_keepalive_probes", 29 }, { "net.ipv4.tcp_rmem", 32 }, { "net.ipv4.tcp_wmem", 32 },
	};

	lp_json_each (sysctl, lp_json_path(look->spec, "securityContext.sysctls")) {
		bool known = false;

		for (size_t i = 0; i < lp_count(fine); i++)
			known |= look->minor >= fine[i].since && lp_text_same(name_of(sysctl), fine[i].name);
		if (!known)
			add(look, &look->values, name_of(sysctl));
	}
	return look->values.count > 0 ? join(look, &look->values, "", ", ") : NULL;
}

static const char *
check_host_process(struct look *look)
{
	static const char path[] = "securityContext.windowsOptions.hostProcess";

	look->pod_bad = lp_json_bool(look->spec, path, false);
	each_container (container, look)
		if (lp_json_bool(container, path, false))
			add(look, &look->bad, name_of(container));
	return anybody(look) ? lp_arena_printf(look->arena, "%s must not set securityContext.windowsOptions.hostProcess=true",
	    setters(look)) : NULL;
}

/* ---- the table */

/* In the order in which Kubernetes tells them: the baseline's, then what restricted asks beyond it. */
static const struct {
	const char *(*check)(struct look *look);
	char reason[36];
	bool baseline, restricted;	/* asked at this level */
	int since, until;		/* versions 1.since to 1.until */
} checks[] = {
	{ check_apparmor, "forbidden AppArmor profile", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_caps_baseline, "non-default capabilities", true, false, 0, LP_PODSECURITY_LATEST },
	{ check_caps_baseline, "non-default capabilities", false, true, 0, 21 },
	{ check_host_namespaces, "host namespaces", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_host_paths, "hostPath volumes", true, false, 0, LP_PODSECURITY_LATEST },
	{ check_host_ports, "hostPort", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_probe_hosts, "probe or lifecycle host", true, true, 34, LP_PODSECURITY_LATEST },
	{ check_privileged, "privileged", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_proc_mount, "procMount", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_selinux, "seLinuxOptions", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_seccomp_notes, "seccompProfile", true, true, 0, 18 },
	{ check_seccomp_baseline, "seccompProfile", true, false, 19, LP_PODSECURITY_LATEST },
	{ check_sysctls, "forbidden sysctls", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_host_process, "hostProcess", true, true, 0, LP_PODSECURITY_LATEST },
	{ check_escalation, "allowPrivilegeEscalation != false", false, true, 8, LP_PODSECURITY_LATEST },
	{ check_caps_restricted, "unrestricted capabilities", false, true, 22, LP_PODSECURITY_LATEST },
	{ check_volumes, "restricted volume types", false, true, 0, LP_PODSECURITY_LATEST },
	{ check_non_root, "runAsNonRoot != true", false, true, 0, LP_PODSECURITY_LATEST },
	{ check_user, "runAsUser=0", false, true, 23, LP_PODSECURITY_LATEST },
	{ check_seccomp_restricted, "seccompProfile", false, true, 19, LP_PODSECURITY_LATEST },
};

const char *
lp_podsecurity_check(struct lp_arena *arena, const struct lp_podsecurity *standard, const struct lp_json *metadata,
    const struct lp_json *spec, bool detail)
{
	const char *text = NULL;

	for (size_t i = 0; standard->level != LP_PODSECURITY_PRIVILEGED && i < lp_count(checks); i++) {
		struct look look = { .arena = arena, .metadata = metadata, .spec = spec, .minor = standard->minor };
		const char *why;

		if (!(standard->level == LP_PODSECURITY_BASELINE ? checks[i].baseline : checks[i].restricted) ||
		    standard->minor < checks[i].since || standard->minor > checks[i].until)
			continue;
		why = checks[i].check(&look);
		if (why)
			text = lp_arena_printf(arena, "%s%s%s%s%s%s", text ? text : "", text ? ", " : "",
			    look.reason ? look.reason : checks[i].reason, detail ? " (" : "", detail ? why : "", detail ? ")" : "");
	}
	return text;
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/convert/ceiling_pod.h"
#include "agent/convert/convert.h"
#include "agent/convert/storage.h"
#include "agent/facts/profile.h"
#include "agent/facts/user.h"
#include "agent/node/quota.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/note.h"
#include "agent/pod/pod.h"
#include "agent/volume/volume.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/log.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/schema.h"

/* Making a pod: from its spec to a spawned keeper, and from a keeper with namespaces to running containers. */

enum { START_MAX = 32 << 20, FIRST_RANGE = 16, LAST_RANGE = 65000, RANGE_IDS = 65536 };

/* Everything that one start needs and gives back. */
struct start {
	struct lp_pod *pod;
	struct lp_arena arena;
	const struct lp_spec_pod *view;
	struct lp_facts facts;
	struct lp_facts_image *images;
	struct lp_image *found;
	size_t found_count;
	uint64_t *attempts;
	char pod_path[640], volumes_path[640], pod_ip[LP_TEXT_IPV4], node_ip[LP_TEXT_IPV4], dns_ip[LP_TEXT_IPV4];
};

static const struct lp_json *
mentioned(void *arg, const char *kind, const char *namespace, const char *name)
{
	const struct lp_agent *agent = ((const struct start *)arg)->pod->agent;
	const struct lp_revision_object *object = lp_revision_find(&agent->revision, kind, namespace, name);

	return object ? object->json : NULL;
}

static const struct lp_json *
nth_service(void *arg, const char *namespace, size_t index)
{
	const struct lp_agent *agent = ((const struct start *)arg)->pod->agent;

	for (size_t i = 0; i < agent->revision.count; i++) {
		const struct lp_revision_object *object = &agent->revision.objects[i];

		if (strcmp(object->kind, "Service") == 0 && strcmp(object->namespace, namespace) == 0 && index-- == 0)
			return object->json;
	}
	return NULL;
}

static int
load_profile(void *arg, struct lp_arena *arena, const char *name, struct lp_json **out, struct lp_err *err)
{
	const struct lp_agent *agent = ((const struct start *)arg)->pod->agent;

	return lp_profile_load(arena, agent->data_fd, name, out, err);
}

static void
say(void *arg, const char *reason, const char *message)
{
	const struct start *start = arg;

	if (message)
		lp_agent_event(start->pod->agent, start->pod, "Warning", reason, "%s", message);
}

static const struct lp_spec_container *
container_at(const struct lp_spec_pod *view, size_t i)
{
	size_t inits = view->spec->init_containers.count;

	return i < inits ? view->spec->init_containers.items[i] : view->spec->containers.items[i - inits];
}

/* ---- images */

static int
resolve_user(struct start *start, const struct lp_spec_container *container, const struct lp_image *image, struct lp_facts_image *out,
    struct lp_err *err)
{
	int fds[LP_IMAGES_LAYERS_MAX];
	const char *user = lp_convert_user(&start->arena, start->view, container, image);
	struct lp_user who;
	int rc = lp_images_layer_fds(start->pod->agent->images, image, fds, err);

	if (rc < 0)
		return rc;
	rc = lp_user_resolve(&start->arena, user ? user : "", fds, image->layer_count, &who, err);
	for (size_t i = 0; i < image->layer_count; i++)
		(void)close(fds[i]);
	if (rc < 0)
		return rc;
	*out = (struct lp_facts_image){ .image = image, .uid = who.uid, .gid = who.gid, .groups = who.groups, .group_count = who.group_count };
	return 0;
}

static int
find_images(struct start *start, struct lp_err *err)
{
	struct lp_pod *pod = start->pod;

	for (size_t i = 0; i < pod->container_count; i++) {
		const struct lp_spec_container *container = container_at(start->view, i);
		struct lp_image *image = &start->found[i];
		int rc = lp_images_find(pod->agent->images, container->image, image, err);

		if (rc < 0) {
			bool never = lp_text_same(container->image_pull_policy, "Never");

			if (rc == -ENOENT)
				lp_pod_wait(pod, never ? "ErrImageNeverPull" : "ImagePullBackOff",
				    "image \"%s\" is not on this node: load it with `limpet image load`", container->image);
			else
				lp_pod_wait(pod, "ImageInspectError", "image \"%s\": %s", container->image, err ? err->text : "");
			return rc;
		}
		start->found_count = i + 1;
		rc = lp_unclean_check(pod->agent, image, err);
		if (rc < 0) {
			lp_pod_wait(pod, "ContainerCreating", "image \"%s\": %s", container->image, err ? err->text : "");
			return rc;
		}
		(void)snprintf(pod->containers[i].image_id, sizeof(pod->containers[i].image_id), "%s", image->digest);
		rc = resolve_user(start, container, image, &start->images[i], err);
		if (rc < 0) {
			lp_pod_wait(pod, "CreateContainerConfigError", "%s", err ? err->text : "");
			return rc;
		}
	}
	return 0;
}

/* ---- the ceiling */

/* Above what the owner of this node allows: it has failed; where we are not certain of the ceiling it waits. */
static int
check_ceiling(struct start *start, struct lp_err *err)
{
	struct lp_pod *pod = start->pod;
	struct lp_agent *agent = pod->agent;
	size_t pos = 0, others = 0;
	const char *reason;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		others += value != pod && ((const struct lp_pod *)value)->keeper != LP_PODPLAN_NONE;
	reason = lp_ceiling_pod_refuses(&agent->ceiling.ceiling, start->view, others, err);
	if (!reason)
		return 0;
	if (agent->ceiling.certain)
		lp_pod_fail(pod, reason, err->text, -1);
	else
		lp_pod_wait(pod, reason, "%s", err->text);
	return -EPERM;
}

/* The host's devices are for who may use all of them. */
static int
find_devices(struct start *start, struct lp_err *err)
{
	for (size_t i = 0; i < start->pod->container_count; i++) {
		const struct lp_spec_security_context *own = container_at(start->view, i)->security_context;

		if (own && own->privileged.value)
			return lp_profile_devices(&start->arena, &start->facts.devices, &start->facts.device_count, err);
	}
	return 0;
}

/* ---- user namespace */

static bool
range_is_taken(const struct lp_agent *agent, uint32_t base)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *other = value;

		if (other->uid_base == base && other->keeper != LP_PODPLAN_NONE)
			return true;
	}
	return false;
}

/* The first free range of ids, or 0: why the host's user namespace is used. */
static uint32_t
choose_range(struct start *start, const struct lp_volume *volumes, size_t count)
{
	struct lp_pod *pod = start->pod;
	struct lp_agent *agent = pod->agent;
	const char *why;

	if (!lp_convert_wants_users(start->view, &why) || pod->no_users)
		return 0;
	why = lp_volume_may_shift(agent->layers_path, agent->node.tmpfs_idmap) ? NULL : agent->layers_path;
	/* A server is not asked: one that is gone would hold up everybody. */
	for (size_t i = 0; !why && i < count; i++)
		if (volumes[i].kind == LP_VOLUME_NFS || (volumes[i].kind != LP_VOLUME_MEMORY && volumes[i].kind != LP_VOLUME_FILES &&
		    !lp_volume_may_shift(volumes[i].path, agent->node.tmpfs_idmap)))
			why = volumes[i].path;
	if (why) {
		lp_agent_event(agent, pod, "Warning", "HostUsers",
		    "the pod runs in the host's user namespace: the file system of %s cannot be idmapped", why);
		return 0;
	}
	for (uint32_t n = FIRST_RANGE; n < LAST_RANGE; n++)
		if (!range_is_taken(agent, n * RANGE_IDS))
			return n * RANGE_IDS;
	return 0;
}

/* ---- facts */

static void
fill_facts(struct start *start)
{
	struct lp_agent *agent = start->pod->agent;
	const char *domain = lp_revision_setting(&agent->revision, "clusterDomain");

	if (agent->node.address)
		lp_text_ipv4_print(agent->node.address, start->node_ip);
	if (agent->dns_addr)
		lp_text_ipv4_print(agent->dns_addr, start->dns_ip);
	(void)snprintf(start->volumes_path, sizeof(start->volumes_path), "%s/volumes", agent->data_path);
	(void)snprintf(start->pod_path, sizeof(start->pod_path), "%s/pods/%s", agent->data_path, start->pod->uid);
	start->facts = (struct lp_facts){
		.layers_path = agent->layers_path,
		.pod_path = start->pod_path,
		.volumes_path = start->volumes_path,
		.standalone = agent->standalone,
		.instance = agent->instance.id,
		.node_name = agent->name,
		.node_ip = start->node_ip,
		.pod_ip = start->pod_ip[0] ? start->pod_ip : NULL,
		.cluster_domain = domain ? domain : "cluster.local",
		.dns_ip = start->dns_ip[0] ? start->dns_ip : NULL,
		.host_resolv = agent->host_resolv,
		.cpu_milli = lp_allowance_cpu(&agent->allowance, agent->node.cpu_milli),
		.memory_bytes = agent->node.memory_bytes,
		.storage_bytes = agent->node.disk_bytes,
		.uid_base = start->pod->uid_base,
		.tmpfs_idmap = agent->node.tmpfs_idmap,
		.may_protect = agent->node.may_protect,
		.backoff_max_ms = agent->backoff_max_ms,
		.memory_qos = agent->allowance.memory_qos,
		.pod_pids_max = agent->allowance.pod_pids_max,
		.images = start->images,
		.attempts = start->attempts,
		.ceiling = &agent->ceiling.ceiling,
		.apparmor = lp_profile_has_apparmor(),
		.apparmor_default = lp_profile_is_loaded(LP_PROFILE_DEFAULT),
		.selinux = lp_profile_has_selinux(),
		.profile = load_profile,
		.object = mentioned,
		.service = nth_service,
		.tell = say,
		.arg = start,
	};
}

static int
begin(struct start *start, struct lp_pod *pod, struct lp_err *err)
{
	*start = (struct start){ .pod = pod };
	lp_arena_init(&start->arena, START_MAX);
	start->view = lp_parse(&start->arena, pod, pod->json);
	start->images = lp_arena_alloc(&start->arena, (pod->container_count + 1) * sizeof(*start->images));
	start->found = lp_arena_alloc(&start->arena, (pod->container_count + 1) * sizeof(*start->found));
	start->attempts = lp_arena_alloc(&start->arena, (pod->container_count + 1) * sizeof(*start->attempts));
	if (!start->view || !start->view->spec || !start->attempts)
		return lp_err_set(err, -ENOMEM, "pod %s/%s", pod->namespace, pod->name);
	for (size_t i = 0; i < pod->container_count; i++)
		start->attempts[i] = pod->containers[i].attempt;
	if (pod->addr)
		lp_text_ipv4_print(pod->addr, start->pod_ip);
	return 0;
}

static void
end(struct start *start)
{
	for (size_t i = 0; i < start->found_count; i++)
		lp_images_release(&start->found[i]);
	lp_arena_fini(&start->arena);
}

/* ---- start */

/* Whose the files of a volume are. Where tmpfs cannot shift ids those in memory belong to the ids that the container has outside. */
static struct lp_volume_owner
owner_of(const struct start *start, const struct lp_volume *volume)
{
	const struct lp_spec_pod_security_context *context = start->view->spec->security_context;
	bool memory = volume->kind == LP_VOLUME_MEMORY || volume->kind == LP_VOLUME_FILES;
	struct lp_volume_owner owner = { .base = memory && !start->facts.tmpfs_idmap ? start->pod->uid_base : 0 };

	if (!context || !context->fs_group.has || !volume->group)
		return owner;
	owner.has_group = true;
	owner.group = (uint32_t)context->fs_group.value;
	/* An emptyDir was given to the group when it was made. */
	owner.on_mismatch = memory || volume->kind == LP_VOLUME_DISK || lp_text_same(context->fs_group_change_policy, "OnRootMismatch");
	return owner;
}

/* What may take long: a server that must answer, a tree that must change hands. */
static bool
is_slow(const struct start *start, const struct lp_volume *volume)
{
	return volume->kind == LP_VOLUME_NFS || (owner_of(start, volume).has_group &&
	    (volume->kind == LP_VOLUME_MADE || volume->kind == LP_VOLUME_HOST));
}

struct slow {
	const struct start *start;
	const struct lp_volume *volumes;
	size_t count;
	int pod_fd, volumes_fd;
};

static int
own_host(const struct lp_volume *volume, const struct lp_volume_owner *owner, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_volume_open_host(volume, O_PATH | O_DIRECTORY, 0, &fd, err);

	return rc < 0 ? rc : lp_volume_own(fd, ".", owner, err);
}

/* In a child. */
static int
prepare_slow(void *arg, struct lp_buf *result, struct lp_err *err)
{
	const struct slow *slow = arg;
	int rc = 0;

	(void)result;
	for (size_t i = 0; rc == 0 && i < slow->count; i++) {
		const struct lp_volume *volume = &slow->volumes[i];
		struct lp_volume_owner owner = owner_of(slow->start, volume);

		if (volume->kind == LP_VOLUME_NFS)
			rc = lp_volume_mount(slow->pod_fd, volume, err);
		else if (volume->kind == LP_VOLUME_MADE)
			rc = lp_volume_own(slow->volumes_fd, volume->handle, &owner, err);
		else if (volume->kind == LP_VOLUME_HOST && owner.has_group)
			rc = own_host(volume, &owner, err);
	}
	return rc;
}

static void
slow_done(struct lp_child *child, const struct lp_err *why, int64_t now_ms)
{
	struct lp_pod *pod = lp_of(child, struct lp_pod, preparing);

	(void)now_ms;
	lp_child_cancel(child);		/* its result is empty */
	if (why->code < 0) {
		lp_agent_event(pod->agent, pod, "Warning", "FailedMount", "MountVolume.SetUp failed: %s", why->text);
		lp_pod_wait(pod, "CreateContainerConfigError", "%s", why->text);
		return;			/* the pod's own timer tries again */
	}
	pod->prepared = true;
	lp_pod_nudge(pod);
}

static int
prepare_volumes(struct start *start, const struct lp_volume *volumes, size_t count, int pod_fd, int volumes_fd, struct lp_err *err)
{
	struct slow slow = { start, volumes, count, pod_fd, volumes_fd };
	bool any_slow = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = lp_volume_prepare(pod_fd, volumes_fd, &volumes[i], err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct lp_volume_owner owner = owner_of(start, &volumes[i]);
		struct lp_volume_file *files;
		size_t file_count;

		any_slow |= is_slow(start, &volumes[i]);
		if (lp_convert_both_ways(start->view, &volumes[i]) && !lp_volume_is_shared(volumes[i].path))
			return lp_err_say(err, -EINVAL, "path \"%s\" is not on a shared mount, as Bidirectional mount propagation needs",
			    volumes[i].path);
		/* A ConfigMap that is not there yet is found out before anything is made. */
		if (volumes[i].kind == LP_VOLUME_FILES)
			rc = lp_volume_files(&start->arena, &volumes[i], start->view, start->pod->json, &start->facts, &files, &file_count, err);
		else if (volumes[i].kind == LP_VOLUME_DISK)
			rc = lp_volume_own(pod_fd, lp_arena_printf(&start->arena, "volumes/%s", volumes[i].name), &owner, err);
	}
	if (rc < 0 || !any_slow || start->pod->prepared)
		return rc;
	if (!lp_child_busy(&start->pod->preparing))
		rc = lp_child_start(start->pod->agent->loop, &start->pod->preparing, prepare_slow, &slow, slow_done, err);
	return rc < 0 ? rc : -EINPROGRESS;
}

/*
 * The size of writable layers is the file system's to keep where it can: the owner's, or half of the disk for a pod. Where it cannot,
 * they are measured (guard.c).
 */
static void
cap_writable(const struct lp_pod *pod, int writable_fd)
{
	const struct lp_agent *agent = pod->agent;
	int64_t each = agent->ceiling.ceiling.writable_bytes;
	uint64_t bytes = each ? (uint64_t)each * pod->container_count : lp_storage_default_most((uint64_t)agent->node.disk_bytes);
	struct lp_err err = { 0 };

	if (bytes && lp_quota_limit(writable_fd, lp_quota_id(pod->uid), bytes, &err) < 0 && err.code != -EOPNOTSUPP)
		lp_log(LP_LOG_WARN, "no quota for a pod's writable layers, they are measured", "pod=%s/%s why=\"%s\"", pod->namespace, pod->name,
		    err.text);
}

/* The directories of a pod, and everything its volumes need. */
static int
prepare(struct start *start, struct lp_err *err)
{
	struct lp_agent *agent = start->pod->agent;
	lp_auto_fd int pod_fd = -1;
	lp_auto_fd int writable_fd = -1;
	lp_auto_fd int volumes_fd = -1;
	struct lp_volume *volumes = NULL;
	size_t count = 0;
	int rc = lp_convert_volumes(&start->arena, start->view, start->pod->json, &start->facts, &volumes, &count, err);

	if (rc == 0)
		rc = lp_path_mkdirs(agent->pods_fd, start->pod->uid, 0700, &pod_fd, err);
	if (rc == 0)
		rc = lp_path_mkdirs(pod_fd, "writable", 0700, &writable_fd, err);
	if (rc == 0)
		cap_writable(start->pod, writable_fd);
	if (rc == 0)
		rc = lp_path_mkdirs(agent->data_fd, "volumes", 0700, &volumes_fd, err);
	if (rc == 0)
		rc = prepare_volumes(start, volumes, count, pod_fd, volumes_fd, err);
	if (rc < 0 && rc != -EINPROGRESS)
		lp_pod_wait(start->pod, "CreateContainerConfigError", "%s", err->text);
	/* Once it is known what is where: can it all be shifted? */
	if (rc == 0)
		start->facts.uid_base = start->pod->uid_base = choose_range(start, volumes, count);
	if (rc == 0 && !start->pod->uid_base && !agent->ceiling.ceiling.host_users) {
		rc = lp_err_say(err, -EPERM, "no user namespace can be had here, and the ceiling of this node wants one (hostUsers: false)");
		lp_pod_wait(start->pod, "NodeCeiling", "%s", err->text);
	}
	return rc;
}

static int
reserve_address(struct start *start, int64_t now_ms, struct lp_err *err)
{
	struct lp_pod *pod = start->pod;
	int rc;

	if (start->view->spec->host_network.value)
		return 0;
	if (!pod->agent->net)
		return lp_err_say(err, -ENETDOWN, "network is not ready: this node has no pod range yet");
	rc = lp_netbridge_reserve(pod->agent->net, pod->uid, now_ms, &pod->addr, err);
	if (rc == 0)
		lp_text_ipv4_print(pod->addr, start->pod_ip);
	return rc;
}

/* Cpus of their own for those who ask, and the rest for the others. */
static int
reserve_cpus(struct start *start, struct lp_err *err)
{
	struct lp_pod *pod = start->pod;
	const char **cpusets = lp_arena_alloc(&start->arena, (pod->container_count + 1) * sizeof(*cpusets));
	int rc = cpusets ? lp_pinning_reserve(pod, start->view, err) : lp_err_set(err, -ENOMEM, "cpus");

	pod->keeper = LP_PODPLAN_SPAWNED;	/* what it took counts for the pool already */
	for (size_t i = 0; rc == 0 && i < pod->container_count; i++) {
		char text[LP_PINNING_TEXT];
		const char *cpus = lp_pinning_cpuset(pod, i, text);

		cpusets[i] = cpus ? lp_arena_str(&start->arena, cpus) : NULL;
	}
	pod->keeper = LP_PODPLAN_NONE;
	start->facts.cpusets = cpusets;
	return rc;
}

static int
spawn(struct start *start, struct lp_err *err)
{
	struct lp_pod *pod = start->pod;
	struct lp_agent *agent = pod->agent;
	char system_cgroup[64];
	const struct lp_control_spawn how = {
		.exe_fd = agent->exe_fd,
		.run_pods_fd = agent->run_pods_fd,
		.run_logs_fd = agent->run_logs_fd,
		.cgroup_root_fd = agent->cgroup_fd,
		.system_cgroup = agent->cgroup_fd >= 0 ? system_cgroup : NULL,
	};
	struct lp_control_pod record;
	int rc = reserve_cpus(start, err);

	if (rc < 0) {
		lp_pod_wait(pod, "UnexpectedAdmissionError", "%s", err->text);
		return rc;
	}
	rc = lp_convert_pod(&start->arena, start->view, pod->json, &start->facts, &record, err);
	if (rc < 0) {
		lp_pod_wait(pod, "CreateContainerConfigError", "%s", err->text);
		return rc;
	}
	(void)snprintf(system_cgroup, sizeof(system_cgroup), "%s/system", agent->instance.id);
	record.deadline_ms = lp_podplan_time_left(record.deadline_ms, pod->began_ms, lp_clock_wall_ms());
	record.note = lp_note_write(&start->arena, pod, start->pod_ip);
	rc = lp_control_spawn(agent->loop, &pod->control, &how, &record, &lp_pod_control_ops, pod, err);
	if (rc < 0)
		lp_pod_wait(pod, "CreatePodSandboxError", "%s", err->text);
	return rc;
}

int
lp_pod_start(struct lp_pod *pod, int64_t now_ms, struct lp_err *err)
{
	struct start start;
	int rc = begin(&start, pod, err);

	if (rc == 0)
		rc = check_ceiling(&start, err);
	if (rc == 0)
		rc = find_images(&start, err);
	if (rc < 0)
		goto out;
	rc = reserve_address(&start, now_ms, err);
	if (rc < 0) {
		lp_pod_wait(pod, "NetworkNotReady", "%s", err->text);
		goto out;
	}
	fill_facts(&start);
	rc = find_devices(&start, err);
	if (rc < 0) {
		lp_pod_wait(pod, "CreateContainerConfigError", "%s", err->text);
		goto out;
	}
	rc = prepare(&start, err);
	if (rc < 0)
		goto out;
	rc = spawn(&start, err);
	if (rc == 0)
		pod->prepared = false;		/* the next start looks at its volumes again */
	for (size_t i = 0; rc == 0 && i < pod->container_count; i++)
		lp_agent_event(pod->agent, pod, "Normal", "Pulled", "Container image \"%s\" already present on machine",
		    container_at(start.view, i)->image);
out:
	end(&start);
	return rc;
}

/* ---- connect */

static int
write_volumes(struct start *start, struct lp_err *err)
{
	struct lp_pod *pod = start->pod;
	struct lp_volume *volumes;
	size_t count;
	int rc = lp_convert_volumes(&start->arena, start->view, pod->json, &start->facts, &volumes, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct lp_volume_owner owner = owner_of(start, &volumes[i]);
		struct lp_volume_file *files;
		size_t file_count;

		if (volumes[i].kind == LP_VOLUME_MEMORY)
			rc = lp_volume_own(pod->dir_fd, volumes[i].path, &owner, err);
		if (volumes[i].kind != LP_VOLUME_FILES)
			continue;
		rc = lp_volume_files(&start->arena, &volumes[i], start->view, pod->json, &start->facts, &files, &file_count, err);
		if (rc == 0)
			rc = lp_volume_write(pod->dir_fd, volumes[i].name, files, file_count, &owner, err);
	}
	return rc;
}

int
lp_pod_connect(struct lp_pod *pod, int64_t now_ms, struct lp_err *err)
{
	struct lp_agent *agent = pod->agent;
	struct lp_control_file *files;
	size_t file_count;
	struct start start;
	int rc = begin(&start, pod, err);

	if (rc == 0 && !pod->attached && pod->netns_fd >= 0) {
		rc = agent->net ? lp_netbridge_attach(agent->net, pod->uid, pod->netns_fd, now_ms, &pod->addr, err)
				: lp_err_say(err, -ENETDOWN, "this node has no pod range yet");
		if (rc < 0)
			lp_pod_wait(pod, "NetworkNotReady", "%s", err->text);
		else
			pod->attached = true;
	}
	if (rc == 0 && pod->addr)
		lp_text_ipv4_print(pod->addr, start.pod_ip);
	if (rc == 0) {
		fill_facts(&start);
		rc = write_volumes(&start, err);
		if (rc == 0)
			rc = lp_convert_files(&start.arena, start.view, pod->json, &start.facts, &files, &file_count, err);
		if (rc == 0)
			rc = lp_control_go(&pod->control, files, file_count, lp_note_write(&start.arena, pod, start.pod_ip), err);
		if (rc < 0)
			lp_pod_wait(pod, "CreateContainerConfigError", "%s", err->text);
	}
	if (rc == 0)
		pod->go_ms = lp_clock_wall_ms();	/* the keeper's own figure follows */
	end(&start);
	return rc;
}

void
lp_pod_refresh(struct lp_pod *pod)
{
	struct lp_err err = { 0 };
	struct start start;
	int rc;

	if (!pod->json || pod->keeper != LP_PODPLAN_RUNNING || pod->dir_fd < 0)
		return;
	rc = begin(&start, pod, &err);
	if (rc == 0) {
		fill_facts(&start);
		rc = write_volumes(&start, &err);
	}
	end(&start);
	if (rc < 0)
		lp_agent_event(pod->agent, pod, "Warning", "FailedMount", "volumes keep their former content: %s", err.text);
}

void
lp_pod_keep_version(struct lp_pod *pod, const struct lp_err *why)
{
	pod->current = true;
	lp_log(LP_LOG_WARN, "keeper of another version goes on as it is", "pod=%s/%s why=\"%s\"", pod->namespace, pod->name, why->text);
	lp_agent_network_changed(pod->agent);
}

void
lp_pod_renew(struct lp_pod *pod, const char *version)
{
	struct lp_err err = { 0 };

	if (pod->renewed || pod->forgetting || lp_text_same(version, LP_VERSION))
		return;
	pod->renewed = true;
	if (lp_control_upgrade(&pod->control, pod->agent->exe_fd, &err) < 0)
		lp_pod_keep_version(pod, &err);
	else
		lp_log(LP_LOG_INFO, "keeper of another version becomes this one in place", "pod=%s/%s version=%s", pod->namespace, pod->name,
		    version ? version : "?");
}

#include "agent/node/node.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "runtime/runtime.h"
#include "specs/quantity.h"

#ifndef LP_VERSION
#define LP_VERSION "0.0.0"
#endif

enum { IMAGES_MAX = 50 };

static void
read_line(const char *path, char *out, size_t size)
{
	lp_auto_file FILE *file = fopen(path, "re");

	if (!file || !fgets(out, (int)size, file))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

/* PRETTY_NAME of os-release(5). */
static void
read_os(char *out, size_t size)
{
	lp_auto_file FILE *file = fopen("/etc/os-release", "re");
	char line[256];

	(void)snprintf(out, size, "Linux");
	while (file && fgets(line, sizeof(line), file))
		if (lp_text_starts(line, "PRETTY_NAME=\"")) {
			const char *name = strchr(line, '"') + 1;

			(void)snprintf(out, size, "%.*s", (int)strcspn(name, "\"\n"), name);
			return;
		}
}

void
lp_node_probe(struct lp_node *node, int data_fd, int cgroup_fd)
{
	struct sysinfo info;
	struct utsname name;
	struct statvfs disk;
	unsigned long major = 0, minor = 0;
	char *dot;

	*node = (struct lp_node){ .cgroups = cgroup_fd >= 0 };
	node->cpu_milli = 1000 * sysconf(_SC_NPROCESSORS_ONLN);
	if (sysinfo(&info) == 0)
		node->memory_bytes = (int64_t)info.totalram * info.mem_unit;
	if (fstatvfs(data_fd, &disk) == 0)
		node->disk_bytes = (int64_t)(disk.f_blocks * disk.f_frsize);
	if (uname(&name) == 0) {
		(void)snprintf(node->kernel, sizeof(node->kernel), "%s", name.release);
		(void)snprintf(node->machine, sizeof(node->machine), "%.32s", name.machine);
		(void)snprintf(node->hostname, sizeof(node->hostname), "%.64s", name.nodename);
		major = strtoul(name.release, &dot, 10);
		minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
	}
	node->tmpfs_idmap = major > 6 || (major == 6 && minor >= 3);
	node->may_protect = prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1;
	(void)lp_clock_boot_id(node->boot_id, NULL);		/* told as empty then */
	read_line("/etc/machine-id", node->machine_id, sizeof(node->machine_id));
	read_os(node->os_image, sizeof(node->os_image));
	if (cgroup_fd >= 0)
		(void)lp_cgroup_controllers(cgroup_fd, &node->controllers, NULL);	/* none then, and the condition says so */
}

const char *
lp_node_arch(const struct lp_node *node)
{
	static const struct {
		const char *machine, *go;
	} words[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" }, { "armv6l", "arm" }, { "i686", "386" },
		{ "riscv64", "riscv64" } };

	for (size_t i = 0; i < lp_count(words); i++)
		if (strcmp(words[i].machine, node->machine) == 0)
			return words[i].go;
	return node->machine;
}

/* ---- the report */

/* Pools that hold pages; an empty one is not worth a row on every node. */
static void
add_huge_pages(struct lp_arena *arena, struct lp_json *list)
{
	static const struct {
		const char *path, *name;
		int64_t page_mib;
	} sizes[] = {
		{ "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "hugepages-2Mi", 2 },
		{ "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "hugepages-1Gi", 1024 },
	};
	char line[32];
	uint64_t count;

	for (size_t i = 0; i < lp_count(sizes); i++) {
		read_line(sizes[i].path, line, sizeof(line));
		if (lp_text_u64(line, INT32_MAX, &count) == 0 && count > 0)
			(void)lp_json_set_str(arena, list, sizes[i].name, lp_arena_printf(arena, "%lldMi", (long long)count * sizes[i].page_mib));
	}
}

static void
add_resources(struct lp_arena *arena, struct lp_json *status, const char *key, int64_t cpu_milli, int64_t memory_bytes, int64_t disk_bytes,
    int64_t pods)
{
	struct lp_json *list = lp_json_set_object(arena, status, key);
	const struct lp_quantity cpu = { .units = cpu_milli / 1000, .nanos = (int32_t)(cpu_milli % 1000) * 1000000 };
	char text[LP_QUANTITY_TEXT];

	lp_quantity_print(&cpu, text);
	(void)lp_json_set_str(arena, list, "cpu", text);
	(void)lp_json_set_str(arena, list, "ephemeral-storage", lp_arena_printf(arena, "%lldKi", (long long)disk_bytes / 1024));
	add_huge_pages(arena, list);
	(void)lp_json_set_str(arena, list, "memory", lp_arena_printf(arena, "%lldKi", (long long)memory_bytes / 1024));
	(void)lp_json_set_str(arena, list, "pods", lp_arena_printf(arena, "%lld", (long long)pods));
}

static void
add_condition(struct lp_arena *arena, struct lp_json *conditions, const char *type, bool truth, const char *reason, const char *message,
    const char *since)
{
	struct lp_json *condition = lp_json_append(arena, conditions, lp_json_new(arena, LP_JSON_OBJECT));

	(void)lp_json_set_str(arena, condition, "type", type);
	(void)lp_json_set_str(arena, condition, "status", truth ? "True" : "False");
	(void)lp_json_set_str(arena, condition, "lastTransitionTime", since);
	(void)lp_json_set_str(arena, condition, "reason", reason);
	(void)lp_json_set_str(arena, condition, "message", message);
}

/* Which limits cannot be enforced here, by name; NULL when all can. */
static const char *
missing_controllers(struct lp_arena *arena, const struct lp_node *node)
{
	static const enum lp_cgroup_controller ours[] = { LP_CGROUP_CPU, LP_CGROUP_MEMORY, LP_CGROUP_PIDS };
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, 256);
	for (size_t i = 0; i < lp_count(ours); i++)
		if (!(node->controllers & LP_CGROUP_BIT(ours[i])))
			(void)lp_buf_printf(&out, "%s%s", out.len ? ", " : "", lp_cgroup_controller_name(ours[i]));
	return out.len ? lp_arena_printf(arena, "cgroup v2 lacks %s: such limits of pods are not enforced", lp_buf_text(&out)) : NULL;
}

/* Source: kubelet pkg/kubelet/nodestatus/setters.go, its words. */
static void
add_pressures(struct lp_arena *arena, struct lp_json *list, const struct lp_node *node, int64_t since_ms)
{
	static const struct {
		const char *type, *good, *good_words, *bad, *bad_words;
	} rows[LP_PRESSURE_KINDS] = {
		[LP_PRESSURE_OF_MEMORY] = { "MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available",
		    "KubeletHasInsufficientMemory", "kubelet has insufficient memory available" },
		[LP_PRESSURE_OF_DISK] = { "DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure",
		    "KubeletHasDiskPressure", "kubelet has disk pressure" },
		[LP_PRESSURE_OF_PIDS] = { "PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available",
		    "KubeletHasInsufficientPID", "kubelet has insufficient PID available" },
	};

	for (int i = 0; i < LP_PRESSURE_KINDS; i++) {
		const struct lp_node_pressure *pressure = &node->pressure[i];
		char since[LP_CLOCK_TEXT];

		lp_clock_print(pressure->since_ms ? pressure->since_ms : since_ms, since);
		add_condition(arena, list, rows[i].type, pressure->on, pressure->on ? rows[i].bad : rows[i].good,
		    pressure->on ? rows[i].bad_words : rows[i].good_words, since);
	}
}

static void
add_conditions(struct lp_arena *arena, struct lp_json *status, const struct lp_node *node, int64_t since_ms)
{
	struct lp_json *list = lp_json_set_array(arena, status, "conditions");
	const char *missing = missing_controllers(arena, node);
	char since[LP_CLOCK_TEXT];

	lp_clock_print(since_ms, since);
	add_pressures(arena, list, node, since_ms);
	add_condition(arena, list, "LimitsUnavailable", missing != NULL, missing ? "ControllersMissing" : "ControllersPresent",
	    missing ? missing : "every limit of a pod is enforced", since);
	if (node->ceiling_fault[0])
		add_condition(arena, list, "CeilingInvalid", true, "CeilingUnreadable", node->ceiling_fault, since);
	if (node->users_fault[0])
		add_condition(arena, list, "UserNamespacesUnavailable", true, "NoIdmappedLayers", node->users_fault, since);
	add_condition(arena, list, "Ready", true, "KubeletReady", "limpet agent is posting ready status", since);
}

struct listing {
	struct lp_arena *arena;
	struct lp_json *images;
	int left;
};

static int
add_image(void *arg, const struct lp_image *image)
{
	struct listing *listing = arg;
	struct lp_json *row = lp_json_append(listing->arena, listing->images, lp_json_new(listing->arena, LP_JSON_OBJECT));
	struct lp_json *names = lp_json_set_array(listing->arena, row, "names");

	for (size_t i = 0; image->names[i]; i++)
		(void)lp_json_append(listing->arena, names, lp_json_new_str(listing->arena, image->names[i]));
	(void)lp_json_set_int(listing->arena, row, "sizeBytes", (int64_t)image->size_bytes);
	return --listing->left == 0;
}

static void
add_info(struct lp_arena *arena, struct lp_json *status, const struct lp_node *node)
{
	struct lp_json *info = lp_json_set_object(arena, status, "nodeInfo");

	(void)lp_json_set_str(arena, info, "architecture", lp_node_arch(node));
	(void)lp_json_set_str(arena, info, "bootID", node->boot_id);
	(void)lp_json_set_str(arena, info, "containerRuntimeVersion", "limpet://" LP_VERSION);
	(void)lp_json_set_str(arena, info, "kernelVersion", node->kernel);
	(void)lp_json_set_str(arena, info, "kubeProxyVersion", "v" LP_VERSION "+limpet");
	(void)lp_json_set_str(arena, info, "kubeletVersion", "v" LP_VERSION "+limpet");
	(void)lp_json_set_str(arena, info, "machineID", node->machine_id);
	(void)lp_json_set_str(arena, info, "operatingSystem", "linux");
	(void)lp_json_set_str(arena, info, "osImage", node->os_image);
	(void)lp_json_set_str(arena, info, "systemUUID", node->machine_id);
}

static void
add_address(struct lp_arena *arena, struct lp_json *list, const char *type, const char *address)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));

	(void)lp_json_set_str(arena, row, "address", address);
	(void)lp_json_set_str(arena, row, "type", type);
}

struct lp_json *
lp_node_report(struct lp_arena *arena, const struct lp_node *node, const struct lp_allowance *allowance, const char *name,
    struct lp_images *images, int64_t since_ms)
{
	struct lp_json *report = lp_json_new(arena, LP_JSON_OBJECT), *labels, *status, *addresses;
	struct listing listing = { .arena = arena, .left = IMAGES_MAX };
	char ip[LP_TEXT_IPV4];

	labels = lp_json_set_object(arena, report, "labels");
	(void)lp_json_set_str(arena, labels, "beta.kubernetes.io/arch", lp_node_arch(node));
	(void)lp_json_set_str(arena, labels, "beta.kubernetes.io/os", "linux");
	(void)lp_json_set_str(arena, labels, "kubernetes.io/arch", lp_node_arch(node));
	(void)lp_json_set_str(arena, labels, "kubernetes.io/hostname", name);
	(void)lp_json_set_str(arena, labels, "kubernetes.io/os", "linux");

	status = lp_json_set_object(arena, report, "status");
	add_resources(arena, status, "capacity", node->cpu_milli, node->memory_bytes, node->disk_bytes, allowance->max_pods);
	add_resources(arena, status, "allocatable", lp_allowance_cpu(allowance, node->cpu_milli),
	    lp_allowance_memory(allowance, node->memory_bytes), lp_allowance_disk(allowance, node->disk_bytes), allowance->max_pods);
	add_conditions(arena, status, node, since_ms);
	addresses = lp_json_set_array(arena, status, "addresses");
	if (node->address) {
		lp_text_ipv4_print(node->address, ip);
		add_address(arena, addresses, "InternalIP", ip);
	}
	add_address(arena, addresses, "Hostname", name);
	add_info(arena, status, node);
	listing.images = lp_json_set_array(arena, status, "images");
	(void)lp_images_each(images, false, add_image, &listing, NULL);	/* a list that cannot be read is reported empty */
	return arena->failed ? NULL : report;
}

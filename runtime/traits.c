#include "runtime/traits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_SHIFT = 13, IOPRIO_LEVELS = 8, IOPRIO_CLASSES = 3, FILE_SYSTEMS_MAX = 16384, LABEL_BYTES = 4096 };

/* What sched_setattr(2) takes, version 0: all that OCI knows. */
struct sched_words {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* ---- CPUs ---- */

int
lp_traits_cpus(const char *text, cpu_set_t *out)
{
	CPU_ZERO(out);
	if (!text[0])
		return -EINVAL;
	for (const char *at = text;;) {
		unsigned long first, last;
		char *end;

		if (*at < '0' || *at > '9')
			return -EINVAL;
		first = last = strtoul(at, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || (*end && *end != ','))
			return -EINVAL;
		if (last >= CPU_SETSIZE)
			return -ERANGE;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, out);
		if (!*end)
			return 0;
		at = end + 1;
	}
}

static int
set_cpus(const char *text, const char *field, struct lp_err *err)
{
	cpu_set_t set;
	int rc = lp_traits_cpus(text, &set);

	if (rc < 0)
		return lp_err_set(err, rc, "%s CPU affinity \"%s\"", field, text);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? lp_err_set(err, -errno, "%s CPU affinity \"%s\"", field, text) : 0;
}

int
lp_traits_begin(const struct lp_process_config *config, struct lp_err *err)
{
	return config->cpus_initial ? set_cpus(config->cpus_initial, "initial", err) : 0;
}

/* ---- scheduling ---- */

static int
set_scheduler(const struct lp_scheduler *scheduler, struct lp_err *err)
{
	struct sched_words words = {
		.size = sizeof(words),
		.policy = scheduler->policy,
		.flags = scheduler->flags,
		.nice = scheduler->nice,
		.priority = scheduler->priority,
		.runtime = scheduler->runtime_ns,
		.deadline = scheduler->deadline_ns,
		.period = scheduler->period_ns,
	};

	if (syscall(SYS_sched_setattr, 0, &words, 0) < 0)
		return lp_err_set(err, -errno, "scheduler policy %u", scheduler->policy);
	return 0;
}

static int
set_io_priority(const struct lp_process_config *config, struct lp_err *err)
{
	if (config->io_class < 0 || config->io_class > IOPRIO_CLASSES || config->io_priority < 0 || config->io_priority >= IOPRIO_LEVELS)
		return lp_err_set(err, -EINVAL, "io priority class %d, priority %d", config->io_class, config->io_priority);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, config->io_class << IOPRIO_SHIFT | config->io_priority) < 0)
		return lp_err_set(err, -errno, "io priority class %d, priority %d", config->io_class, config->io_priority);
	return 0;
}

/* ---- limits ---- */

const char *
lp_traits_rlimit_name(int resource)
{
	static const char *const names[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = "RLIMIT_CPU", [RLIMIT_FSIZE] = "RLIMIT_FSIZE", [RLIMIT_DATA] = "RLIMIT_DATA", [RLIMIT_STACK] = "RLIMIT_STACK",
		[RLIMIT_CORE] = "RLIMIT_CORE", [RLIMIT_RSS] = "RLIMIT_RSS", [RLIMIT_NPROC] = "RLIMIT_NPROC", [RLIMIT_NOFILE] = "RLIMIT_NOFILE",
		[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK", [RLIMIT_AS] = "RLIMIT_AS", [RLIMIT_LOCKS] = "RLIMIT_LOCKS",
		[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING", [RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE", [RLIMIT_NICE] = "RLIMIT_NICE",
		[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO", [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
	};

	return resource >= 0 && resource < RLIM_NLIMITS && names[resource] ? names[resource] : "rlimit";
}

static int
set_rlimits(const struct lp_process_config *config, struct lp_err *err)
{
	for (size_t i = 0; i < config->rlimit_count; i++) {
		const struct lp_rlimit *limit = &config->rlimits[i];
		struct rlimit value = { .rlim_cur = (rlim_t)limit->soft, .rlim_max = (rlim_t)limit->hard };

		if (setrlimit((unsigned)limit->resource, &value) < 0)
			return lp_err_set(err, -errno, "set %s", lp_traits_rlimit_name(limit->resource));
	}
	return 0;
}

/* ---- labels ---- */

bool
lp_traits_has_selinux(int proc_fd)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, FILE_SYSTEMS_MAX);
	return lp_path_read(proc_fd, "filesystems", &text, NULL) == 0 && strstr(lp_buf_text(&text), "\tselinuxfs\n");
}

/*
 * One file says both that AppArmor is compiled in and which profile the next execve takes, so each failure has its own words. Kernels from
 * 5.8 on have it beside attr/exec, which is the module's that came first. Source: aa_change_profile and apparmor_setprocattr of the kernel.
 */
static int
set_apparmor(const char *profile, int proc_fd, struct lp_err *err)
{
	char text[LABEL_BYTES];
	lp_auto_fd int fd = -1;
	int rc;

	if (snprintf(text, sizeof(text), "exec %s", profile) >= (int)sizeof(text))
		return lp_err_set(err, -ENAMETOOLONG, "AppArmor profile");
	rc = lp_path_open(proc_fd, "self/attr/apparmor/exec", O_WRONLY, 0, &fd, err);
	if (rc == -ENOENT)
		return lp_err_say(err, -EOPNOTSUPP, "AppArmor profile %.150s: this kernel has no AppArmor", profile);
	if (rc < 0)
		return lp_err_wrap(err, "AppArmor profile %.100s", profile);
	if (write(fd, text, strlen(text)) >= 0)
		return 0;
	switch (errno) {
	case ENOENT:
		return lp_err_say(err, -ENOENT, "AppArmor profile %.150s is not loaded", profile);
	case EINVAL:
		return lp_err_say(err, -EOPNOTSUPP, "AppArmor profile %.150s: AppArmor is off in this kernel, or this is no name of one", profile);
	default:
		return lp_err_set(err, -errno, "AppArmor profile %.150s", profile);
	}
}

static int
set_selinux(const char *label, int proc_fd, struct lp_err *err)
{
	lp_auto_buf struct lp_buf taken = { 0 };
	int rc;

	if (!lp_traits_has_selinux(proc_fd))
		return lp_err_say(err, -EOPNOTSUPP, "SELinux label %.150s: this kernel has no SELinux", label);
	rc = lp_path_put(proc_fd, "self/attr/exec", label, err);
	if (rc < 0)
		return lp_err_wrap(err, "SELinux label %.100s", label);
	/* Before it has a policy the kernel takes every label for its own, which is a name without colons. */
	lp_buf_init(&taken, LABEL_BYTES);
	rc = lp_path_read(proc_fd, "self/attr/exec", &taken, err);
	if (rc == 0 && strchr(label, ':') && !strchr(lp_buf_text(&taken), ':'))
		return lp_err_say(err, -EOPNOTSUPP, "SELinux label %.150s: SELinux has no policy yet", label);
	return rc;
}

static int
set_labels(const struct lp_process_config *config, int proc_fd, struct lp_err *err)
{
	int rc = config->apparmor && config->apparmor[0] ? set_apparmor(config->apparmor, proc_fd, err) : 0;

	return rc == 0 && config->selinux && config->selinux[0] ? set_selinux(config->selinux, proc_fd, err) : rc;
}

/* ---- all ---- */

int
lp_traits_apply(const struct lp_process_config *config, int proc_fd, struct lp_err *err)
{
	int rc = config->cpus_final ? set_cpus(config->cpus_final, "final", err) : 0;

	if (rc == 0 && config->scheduler)
		rc = set_scheduler(config->scheduler, err);
	if (rc == 0 && config->io_priority_set)
		rc = set_io_priority(config, err);
	if (rc == 0 && config->personality_set && personality(config->personality) < 0)
		rc = lp_err_set(err, -errno, "personality %#x", config->personality);
	if (rc == 0)
		rc = set_labels(config, proc_fd, err);
	/* Last: a low limit on open files must not stop us. */
	return rc < 0 ? rc : set_rlimits(config, err);
}

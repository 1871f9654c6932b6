#include "runtime/oci/oci_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"

enum { PASSWD_MAX = 1 << 20 };

/* Words and what they are for the kernel; no addresses in the tables (oci_spec.h). */
struct word {
	char text[28];
	int32_t value;
};

static const struct word rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU }, { "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE }, { "RLIMIT_LOCKS", RLIMIT_LOCKS }, { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE }, { "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC }, { "RLIMIT_RSS", RLIMIT_RSS }, { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME }, { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK }, { "", 0 },
};

static const struct word policies[] = {
	{ "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 }, { "SCHED_BATCH", 3 }, { "SCHED_ISO", 4 }, { "SCHED_IDLE", 5 },
	{ "SCHED_DEADLINE", 6 }, { "", 0 },
};

static const struct word policy_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 }, { "SCHED_FLAG_RECLAIM", 0x02 }, { "SCHED_FLAG_DL_OVERRUN", 0x04 },
	{ "SCHED_FLAG_KEEP_POLICY", 0x08 }, { "SCHED_FLAG_KEEP_PARAMS", 0x10 }, { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 }, { "", 0 },
};

static const struct word io_classes[] = {
	{ "IOPRIO_CLASS_RT", 1 }, { "IOPRIO_CLASS_BE", 2 }, { "IOPRIO_CLASS_IDLE", 3 }, { "", 0 },
};

static int
find(const struct word *words, const char *text, const char *member, int32_t *out, struct lp_err *err)
{
	for (; words->text[0]; words++) {
		if (strcmp(words->text, text) == 0) {
			*out = words->value;
			return 0;
		}
	}
	return lp_err_say(err, -EINVAL, "process.%s: %.40s is unknown", member, text);
}

static int
no_memory(struct lp_err *err)
{
	return lp_err_set(err, -ENOMEM, "process");
}

/* ---- capabilities ---- */

static void
note_cap(struct lp_buf *notes, const char *name, const char *why)
{
	/* A full buffer cuts words for a person. */
	(void)lp_buf_printf(notes, "%scapability %.40s is %s and left out", notes->len ? "; " : "", name, why);
}

static uint64_t
make_set(const struct lp_oci_words *names, bool owned, struct lp_buf *notes)
{
	uint64_t set = 0;

	for (size_t i = 0; i < names->count; i++) {
		uint64_t cap;

		if (lp_caps_parse(names->items[i], &cap) < 0 || cap == LP_CAP_ALL)
			note_cap(notes, names->items[i], "unknown");
		else if (!owned && prctl(PR_CAPBSET_READ, __builtin_ctzll(cap), 0, 0, 0) != 1)
			note_cap(notes, names->items[i], "not ours to give");
		else
			set |= cap;
	}
	return set;
}

static void
make_caps(const struct lp_oci_caps *caps, bool owned, struct lp_caps *out, struct lp_buf *notes)
{
	memset(out, 0, sizeof(*out));
	if (!caps)
		return;
	out->bounding = make_set(&caps->bounding, owned, notes);
	out->effective = make_set(&caps->effective, owned, notes);
	out->permitted = make_set(&caps->permitted, owned, notes);
	out->inheritable = make_set(&caps->inheritable, owned, notes);
	out->ambient = make_set(&caps->ambient, owned, notes);
	/* The kernel raises none that would not be inherited; what `crun spec` writes asks for that, and crun and runc go on. */
	if (out->ambient & ~(out->permitted & out->inheritable))
		(void)lp_buf_printf(notes, "%sambient capabilities that are not permitted and inheritable are left out", notes->len ? "; " : "");
	out->ambient &= out->permitted & out->inheritable;
}

/* ---- environment ---- */

static size_t
name_len(const char *variable)
{
	return strcspn(variable, "=");
}

static const char **
find_variable(const char **env, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (name_len(env[i]) == len && strncmp(env[i], name, len) == 0)
			return &env[i];
	return NULL;
}

/* The sixth field of the line whose third is uid; NULL when there is none. */
static const char *
find_home(struct lp_arena *arena, const char *passwd, uint32_t uid)
{
	for (const char *line = passwd; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *field[6];
		const size_t line_len = strcspn(line, "\n");
		const char *at = line;
		char number[16];
		uint64_t value;
		size_t count = 0, len;

		for (field[count++] = at; count < lp_count(field); field[count++] = at) {
			at += strcspn(at, ":\n");
			if (*at != ':')
				break;
			at++;
		}
		if (count < lp_count(field))
			continue;
		len = strcspn(field[2], ":\n");
		(void)snprintf(number, sizeof(number), "%.*s", (int)(len < 15 ? len : 15), field[2]);
		if (lp_text_u64(number, UINT32_MAX, &value) < 0 || value != uid)
			continue;
		len = strcspn(field[5], ":\n");
		return len && field[5] + len <= line + line_len ? lp_arena_mem(arena, field[5], len) : NULL;
	}
	return NULL;
}

/* What a container's file says; anything strange about it means that it says nothing. */
static const char *
read_home(struct lp_arena *arena, int root_fd, uint32_t uid)
{
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int fd = -1;
	struct stat st;

	lp_buf_init(&text, PASSWD_MAX);
	if (root_fd < 0 || lp_path_open_in_root(root_fd, "/etc/passwd", O_RDONLY | O_NONBLOCK, 0, &fd, NULL) < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || lp_path_read_fd(fd, &text, NULL) < 0)
		return NULL;
	return find_home(arena, lp_buf_text(&text), uid);
}

int
lp_oci_process_setenv(struct lp_arena *arena, struct lp_process_config *process, const char *name, const char *value, struct lp_err *err)
{
	const char *variable = lp_arena_printf(arena, "%s=%s", name, value);
	const char **env, **there;
	size_t count = 0;

	while (process->env && process->env[count])
		count++;
	env = lp_arena_alloc(arena, (count + 2) * sizeof(*env));
	if (!env || !variable)
		return no_memory(err);
	if (count)
		memcpy(env, process->env, count * sizeof(*env));
	there = find_variable(env, count, name, strlen(name));
	if (there)
		*there = variable;
	else
		env[count] = variable;
	process->env = env;
	return 0;
}

static int
make_env(struct lp_arena *arena, const struct lp_oci_process *process, int root_fd, struct lp_process_config *out, struct lp_err *err)
{
	const char **env = lp_arena_alloc(arena, (process->env.count + 1) * sizeof(*env));
	const char **home;
	const char *found;
	size_t count = 0;

	if (!env)
		return no_memory(err);
	for (size_t i = 0; i < process->env.count; i++) {
		const char *variable = process->env.items[i];
		const char **there = find_variable(env, count, variable, name_len(variable));

		if (name_len(variable) == 0 || !variable[name_len(variable)])
			return lp_err_say(err, -EINVAL, "process.env: invalid environment variable: %.60s", variable);
		if (there)
			*there = variable;
		else
			env[count++] = variable;
	}
	out->env = env;
	home = find_variable(env, count, "HOME", 4);
	if (home && (*home)[5])
		return 0;
	found = read_home(arena, root_fd, out->uid);
	return lp_oci_process_setenv(arena, out, "HOME", found ? found : "/", err);
}

/* ---- the rest ---- */

static int
make_rlimits(struct lp_arena *arena, const struct lp_oci_process *process, struct lp_process_config *out, struct lp_err *err)
{
	struct lp_rlimit *made = lp_arena_alloc(arena, (process->rlimits.count + 1) * sizeof(*made));

	if (!made)
		return no_memory(err);
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct lp_oci_rlimit *rlimit = &process->rlimits.items[i];
		int32_t resource;
		int rc = find(rlimits, rlimit->type, "rlimits", &resource, err);

		if (rc < 0)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (made[j].resource == resource)
				return lp_err_say(err, -EINVAL, "process.rlimits: %s is there twice", rlimit->type);
		made[i] = (struct lp_rlimit){ resource, (uint64_t)rlimit->soft.value, (uint64_t)rlimit->hard.value };
	}
	out->rlimits = made;
	out->rlimit_count = process->rlimits.count;
	return 0;
}

static int
make_scheduler(struct lp_arena *arena, const struct lp_oci_scheduler *scheduler, struct lp_process_config *out, struct lp_err *err)
{
	struct lp_scheduler *made = lp_arena_alloc(arena, sizeof(*made));
	int32_t value;
	int rc = made ? find(policies, scheduler->policy, "scheduler.policy", &value, err) : no_memory(err);

	if (rc < 0)
		return rc;
	*made = (struct lp_scheduler){
		.policy = (uint32_t)value, .nice = (int32_t)scheduler->nice.value, .priority = (uint32_t)scheduler->priority.value,
		.runtime_ns = (uint64_t)scheduler->runtime.value, .deadline_ns = (uint64_t)scheduler->deadline.value,
		.period_ns = (uint64_t)scheduler->period.value,
	};
	for (size_t i = 0; i < scheduler->flags.count; i++) {
		rc = find(policy_flags, scheduler->flags.items[i], "scheduler.flags", &value, err);
		if (rc < 0)
			return rc;
		made->flags |= (uint64_t)value;
	}
	out->scheduler = made;
	return 0;
}

static int
make_io(const struct lp_oci_io_priority *io, struct lp_process_config *out, struct lp_err *err)
{
	if (io->priority.value < 0 || io->priority.value > 7)
		return lp_err_say(err, -EINVAL, "process.ioPriority.priority: 0 to 7 is expected");
	out->io_priority_set = true;
	out->io_priority = (int32_t)io->priority.value;
	return find(io_classes, io->class, "ioPriority.class", &out->io_class, err);
}

static void
make_user(const struct lp_oci_user *user, struct lp_process_config *out)
{
	if (!user)
		return;
	out->uid = (uint32_t)user->uid.value;
	out->gid = (uint32_t)user->gid.value;
	out->groups = user->groups.items;
	out->group_count = user->groups.count;
	out->umask = (uint32_t)user->umask.value;
	out->umask_set = user->umask.set;
}

static int
check(const struct lp_oci_process *process, struct lp_err *err)
{
	if (process->args.count == 0)
		return lp_err_say(err, -EINVAL, "process.args: args must not be empty");
	if (process->cwd[0] != '/')
		return lp_err_say(err, -EINVAL, "process.cwd: cwd must be an absolute path");
	if (process->user && ((uint32_t)process->user->uid.value == UINT32_MAX || (uint32_t)process->user->gid.value == UINT32_MAX))
		return lp_err_say(err, -EINVAL, "process.user: 4294967295 is nobody's id");
	if (process->oom_score.set && (process->oom_score.value < -1000 || process->oom_score.value > 1000))
		return lp_err_say(err, -EINVAL, "process.oomScoreAdj: -1000 to 1000 are expected");
	return 0;
}

int
lp_oci_process_make(struct lp_arena *arena, const struct lp_oci_process *process, int root_fd, bool owned,
    struct lp_process_config *out, struct lp_buf *notes, struct lp_err *err)
{
	int rc = check(process, err);

	if (rc < 0)
		return rc;
	lp_process_config_init(out);
	out->args = process->args.items;
	out->cwd = process->cwd;
	make_user(process->user, out);
	out->terminal = process->terminal;
	if (process->console) {
		out->rows = (uint16_t)process->console->height.value;
		out->cols = (uint16_t)process->console->width.value;
	}
	for (int i = 0; i < 3; i++)
		out->stdio[i] = i;
	make_caps(process->caps, owned, &out->caps, notes);
	out->no_new_privs = process->no_new_privs;
	out->seccomp = LP_SECCOMP_UNCONFINED;
	out->oom_score_set = process->oom_score.set;
	out->oom_score_adj = (int32_t)process->oom_score.value;
	out->apparmor = process->apparmor && process->apparmor[0] ? process->apparmor : NULL;
	out->selinux = process->selinux && process->selinux[0] ? process->selinux : NULL;
	if (process->affinity) {
		out->cpus_initial = process->affinity->initial;
		out->cpus_final = process->affinity->final;
	}
	rc = make_env(arena, process, root_fd, out, err);
	if (rc == 0)
		rc = make_rlimits(arena, process, out, err);
	if (rc == 0 && process->scheduler)
		rc = make_scheduler(arena, process->scheduler, out, err);
	if (rc == 0 && process->io)
		rc = make_io(process->io, out, err);
	return rc;
}

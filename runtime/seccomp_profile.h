/*
 * runtime/seccomp_profile.h - somebody else's seccomp profile: linux.seccomp of an OCI config, or the docker-style file of a
 * Kubernetes Localhost profile; read from JSON, made into the bytes that the kernel loads.
 *
 * Rule    of the rules for one call, one without arguments decides alone (the first of them); else the first whose arguments
 *         fit; else the default. Rules that say what the default says count for nothing. Two conditions on one
 *         argument in one rule are alternatives. All of this as runc and libseccomp have it
 * Names   a call that we do not know is passed over, as runc and crun do; an unknown action, operator, architecture or flag is
 *         an error. A call newer than every call that the profile names answers ENOSYS instead of a refusing default
 *         (programs then fall back), as runc does
 * ABIs    native always, and those that the profile lists; calls of another one kill the thread, as libseccomp has it.
 *         Architectures that this kernel cannot run are accepted and make no code
 * Source  OCI runtime-spec 1.2 config-linux.md "Seccomp"; seccomp(2); runc libcontainer/seccomp; moby profiles/seccomp
 */
#ifndef LP_RUNTIME_SECCOMP_PROFILE_H
#define LP_RUNTIME_SECCOMP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

enum lp_seccomp_action {
	LP_SECCOMP_KILL_THREAD,		/* SCMP_ACT_KILL, SCMP_ACT_KILL_THREAD */
	LP_SECCOMP_KILL_PROCESS,
	LP_SECCOMP_TRAP,
	LP_SECCOMP_ERRNO,
	LP_SECCOMP_TRACE,
	LP_SECCOMP_NOTIFY,
	LP_SECCOMP_LOG,
	LP_SECCOMP_ALLOW,
	LP_SECCOMP_ACTIONS
};

enum lp_seccomp_op {
	LP_SECCOMP_NE,
	LP_SECCOMP_LT,
	LP_SECCOMP_LE,
	LP_SECCOMP_EQ,
	LP_SECCOMP_GE,
	LP_SECCOMP_GT,
	LP_SECCOMP_MASKED_EQ,		/* (argument & value) == value_two */
	LP_SECCOMP_OPS
};

struct lp_seccomp_arg {
	uint32_t index;			/* 0 to 5 */
	enum lp_seccomp_op op;
	uint64_t value, value_two;
};

#define LP_SECCOMP_ERRNO_UNSET (-1)	/* EPERM */

struct lp_seccomp_rule {
	const char *const *names;
	size_t name_count;
	enum lp_seccomp_action action;
	int32_t errno_ret;		/* of ERRNO and TRACE: 0 to 4095; LP_SECCOMP_ERRNO_UNSET */
	const struct lp_seccomp_arg *args;	/* all must fit */
	size_t arg_count;
};

struct lp_seccomp_profile {
	enum lp_seccomp_action default_action;
	int32_t default_errno;		/* as errno_ret */
	const char *const *archs;	/* "SCMP_ARCH_X86_64" */
	size_t arch_count;
	uint32_t flags;			/* SECCOMP_FILTER_FLAG_TSYNC, LOG, SPEC_ALLOW, WAIT_KILLABLE_RECV */
	const struct lp_seccomp_rule *rules;
	size_t rule_count;
	const char *listener_path;	/* of NOTIFY: where the listener goes; NULL none */
	const char *listener_metadata;
};

/*
 * From JSON; strings stay in `arena`. `caps`: the container's bounding set, for "includes" and "excludes" of docker-style files.
 * -EINVAL names the member.
 */
int lp_seccomp_profile_read(struct lp_arena *arena, const struct lp_json *json, uint64_t caps, struct lp_seccomp_profile *out,
    struct lp_err *err);

/*
 * struct sock_filter bytes, and the flags for seccomp(2): those of the profile (without TSYNC, which means nothing to the one thread that
 * executes), and SECCOMP_FILTER_FLAG_NEW_LISTENER when some rule notifies. -E2BIG for more than the kernel takes.
 */
int lp_seccomp_compile(const struct lp_seccomp_profile *profile, struct lp_buf *out, uint32_t *out_flags, struct lp_err *err);

/* The words of OCI, for `features`: "SCMP_ACT_ALLOW", "SCMP_CMP_EQ", "SECCOMP_FILTER_FLAG_LOG", "SCMP_ARCH_X86_64"; NULL behind the last. */
const char *lp_seccomp_action_name(size_t index);
const char *lp_seccomp_op_name(size_t index);
const char *lp_seccomp_flag_name(size_t index);
const char *lp_seccomp_arch_name(size_t index);

#endif

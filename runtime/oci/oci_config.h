/*
 * runtime/oci/oci_config.h - config.json as a struct lp_container_config.
 *
 * Rule    a field that we cannot honour is an error that names it; what the spec lets us leave out is noted
 * Paths   of the bundle's owner, resolved in our own mount namespace; the root relative to the bundle, everything else absolute
 * Memory  texts are the arena's or the document's: both must live as long as what was made
 * Source  OCI runtime-spec 1.2 config.md, config-linux.md
 */
#ifndef LP_RUNTIME_OCI_CONFIG_H
#define LP_RUNTIME_OCI_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "runtime/oci/oci_spec.h"
#include "runtime/runtime.h"

struct lp_oci_config {
	struct lp_container_config container;	/* id, cgroup, start_fd and hooks are left to the caller */
	const char *rootfs;			/* absolute */
	struct lp_ns_maps maps;			/* of a joined user namespace */
	int ns_fds[LP_NS_COUNT];		/* joined ones, -1 none */
	struct lp_buf seccomp;			/* bytes of the filter */
	const char *listener_path, *listener_metadata;	/* seccomp notify; NULL none */
	struct lp_buf notes;			/* what was left out, joined by "; " */
};

/* bundle: absolute. lp_oci_config_fini afterwards, also after a failure. */
int lp_oci_config_make(struct lp_arena *arena, const struct lp_oci_spec *spec, const char *bundle, struct lp_oci_config *out,
    struct lp_err *err);
void lp_oci_config_fini(struct lp_oci_config *config);

/* The filter of linux.seccomp for a process, also for one more inside: into seccomp, listener_* and `process`. */
int lp_oci_config_seccomp(struct lp_arena *arena, const struct lp_oci_spec *spec, struct lp_oci_config *config,
    struct lp_process_config *process, struct lp_err *err);

/*
 * crun's annotation for a program that stays in its caller's groups (podman --group-add keep-groups). podman names the image's groups as well:
 * they are left out with a note.
 */
void lp_oci_config_groups(const struct lp_oci_spec *spec, struct lp_process_config *process, struct lp_buf *notes);

/* A list of hooks as the runtime has them; without an environment of its own a hook gets ours, as with runc and crun. */
int lp_oci_config_hooks(struct lp_arena *arena, const struct lp_oci_hook *hooks, size_t count, const struct lp_hook **out, struct lp_err *err);

#endif

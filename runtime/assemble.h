/*
 * runtime/assemble.h - the mount tree of a container, put together by its child before it pivots.
 *
 * Rule    everything is attached below the new root's descriptor; kernel file systems only onto ordinary directories, so
 *         that no link in an image moves /proc or /sys from under their masks (CVE-2019-19921, CVE-2023-27561)
 * Source  OCI runtime-spec config-linux.md "Default Filesystems", "Masked Paths", "Readonly Paths"
 */
#ifndef LP_RUNTIME_ASSEMBLE_H
#define LP_RUNTIME_ASSEMBLE_H

#include "base/err.h"
#include "runtime/handoff.h"

/* What the child keeps at hand while it builds. -1 where there is none. */
struct lp_assembly {
	int root_fd;	/* the new root */
	int host_fd;	/* the owner's root, weak */
	int proc_fd;	/* a procfs of ours, never the container's; weak */
	int null_fd;	/* our own /dev/null */
	bool null_is_hosts;	/* null_fd is the owner's: the container has none */
	int pts_fd;	/* the container's devpts */
};

/* Mounts in order, masked and read-only paths. */
int lp_assemble(const struct lp_inside *inside, struct lp_assembly *assembly, struct lp_err *err);

/* The last step: what is read-only from here on. */
int lp_assemble_finish(const struct lp_inside *inside, const struct lp_assembly *assembly, struct lp_err *err);

/* A terminal of the container's own, also bound onto /dev/console. */
int lp_assemble_terminal(const struct lp_inside *inside, struct lp_assembly *assembly, int *out_master, int *out_slave, struct lp_err *err);

#endif

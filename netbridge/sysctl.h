/*
 * netbridge/sysctl.h - the kernel's network settings of the caller's namespace, below /proc/sys/net.
 *
 * Errors   -ENOENT when the kernel has no such setting
 */
#ifndef LP_NETBRIDGE_SYSCTL_H
#define LP_NETBRIDGE_SYSCTL_H

#include "base/err.h"

/* path: "ipv4/ip_forward". Only whole numbers. */
int lp_sysctl_get(const char *path, int *out, struct lp_err *err);

/* Writes only when it differs: some settings reset others. */
int lp_sysctl_set(const char *path, int value, struct lp_err *err);

/* For the setting `name` of a link: "ipv4/conf/<link>/<name>". */
int lp_sysctl_set_link(const char *family, const char *link, const char *name, int value, struct lp_err *err);

#endif

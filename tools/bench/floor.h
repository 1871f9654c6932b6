/*
 * tools/bench/floor.h - the least work that makes a container: what limpet's own is compared with.
 *
 * Shape   a fresh cgroup, clone3 into it with pid, net, ipc, uts, mount namespaces, overlay with its upper on a tmpfs, proc,
 *         /dev with six nodes, pts, shm, mqueue, sysfs, masked paths, pivot_root, no capabilities, a small seccomp filter,
 *         execve, reap, rmdir. No messages, no checks beyond "did it work".
 */
#ifndef LP_BENCH_FLOOR_H
#define LP_BENCH_FLOOR_H

#include <stdbool.h>

/* One container from nothing to gone: runs /bin/true of `rootfs`. cgroup_fd is where its cgroup is made, -1: none; net: a network of its own.
 * Returns its exit status, or -1 with a message on standard error. */
int lp_floor_run(const char *rootfs, int cgroup_fd, bool net);

#endif

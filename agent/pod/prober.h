/*
 * agent/pod/prober.h - the role `limpet prober`: one question to a pod over its own network, asked by a process without rights.
 *
 * Theory  A keeper starts it in the pod's network (keeper/errand.h) with a struct lp_control_action as bytes on standard input. It
 *         gives up its ids, its capabilities and nearly every system call before it reads the first byte of what the pod
 *         answers, and keeps no more of it than a status.
 * End     exit status 0 yes, 1 no, 2 could not be asked; standard output: why, in the kubelet's words where it has some
 * Source  kubelet pkg/probe/{http,tcp,grpc}; github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
#ifndef LP_AGENT_PROBER_H
#define LP_AGENT_PROBER_H

/* The role's main; argv[0] is "prober", argv[1] the id to become. */
int lp_prober_main(int argc, char **argv);

#endif

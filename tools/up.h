/*
 * tools/up.h - `limpet up`: manager and agent on this machine, a whole cluster on one board.
 *
 * Theory  A small supervisor with two children, both this executable: the manager, and an agent that joins over loopback TLS like
 *         any device. Each is started again with back-off when it ends. SIGTERM: the agent goes (its pods stay for the moment),
 *         then `limpet down` stops the pods and removes what is in memory, unless --keep-pods; then the manager goes
 * Source  DESIGN.md section 12 "Processes"
 */
#ifndef LP_TOOLS_UP_H
#define LP_TOOLS_UP_H

int lp_up_main(int argc, char **argv);

#endif

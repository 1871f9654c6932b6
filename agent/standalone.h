/*
 * agent/standalone.h - a node without a manager: a folder of manifests is what it must be.
 *
 * Rule    every .yaml, .yml and .json file of the folder; defaulted and checked as the manager would; a file with a fault is left
 *         out by name and the pods it described before stay as they were. A pod's uid derives from its namespace and name,
 *         so that a reboot or a restart recognises it. Changes of the folder are seen by inotify
 * Network Services get their addresses from a fixed place in the range, in the order of their names
 */
#ifndef LP_AGENT_STANDALONE_H
#define LP_AGENT_STANDALONE_H

#include "base/err.h"

struct lp_agent;
struct lp_agent_config;
struct lp_standalone;

int lp_standalone_start(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err);
void lp_standalone_stop(struct lp_standalone *standalone);

#endif

/*
 * agent/pod/collect.h - give back the disk of images that nobody names and no pod runs on.
 *
 * When    a while after the images changed or a pod went; in a child, because it removes whole trees
 * Rule    an image stays while a pod has it; while some living pod's image is not known, all of them stay (TRUST.md rule 14)
 * Memory  what the agent needed for pods that went is given back at the same time
 * Idle    nothing is written when there is nothing to give back
 */
#ifndef LP_AGENT_COLLECT_H
#define LP_AGENT_COLLECT_H

struct lp_agent;

/* Look again in a few seconds. Asking twice is asking once. */
void lp_collect_later(struct lp_agent *agent);

/* Without the delay: the disk is short. */
void lp_collect_now(struct lp_agent *agent);

/* Give up what goes on. */
void lp_collect_stop(struct lp_agent *agent);

#endif

/*
 * agent/pod/note.h - what a keeper remembers of a pod for the next agent: its address and which images it runs, since when. Pure.
 *
 * Format  "10.42.0.5 web=sha256:<hex> side=sha256:<hex> since:<ms> web@2-3"; "-" instead of an address with the host's network. Words that are
 *         not understood are skipped
 */
#ifndef LP_AGENT_NOTE_H
#define LP_AGENT_NOTE_H

#include "agent/pod/pod.h"
#include "base/arena.h"

/* From pod->containers. ip "" = none. NULL: no memory. */
const char *lp_note_write(struct lp_arena *arena, const struct lp_pod *pod, const char *ip);

/* Into pod->addr, and what its containers have: image_id and cpus; pod->began_ms. note may be NULL. */
void lp_note_read(struct lp_pod *pod, const char *note);
/* The containers alone: their names may not have been known when the pod was found. */
void lp_note_containers(struct lp_pod *pod, const char *note);

#endif

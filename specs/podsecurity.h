/*
 * specs/podsecurity.h - the Pod Security Standards: is this pod privileged, baseline or restricted enough?
 *
 * Shape   a namespace's labels say a standard (level and version) for each of three modes; a pod keeps to a standard or the
 *         words say why not, all reasons at once. Pure
 * Words   Kubernetes': `allowPrivilegeEscalation != false (container "c" must set ...), unrestricted capabilities (...)`
 * Source  kubernetes.io/docs/concepts/security/pod-security-standards; checks and versions as k8s.io/pod-security-admission has them
 */
#ifndef LP_SPECS_PODSECURITY_H
#define LP_SPECS_PODSECURITY_H

#include <stdbool.h>

#include "base/json.h"
#include "specs/status.h"

enum lp_podsecurity_level { LP_PODSECURITY_PRIVILEGED, LP_PODSECURITY_BASELINE, LP_PODSECURITY_RESTRICTED };

enum lp_podsecurity_mode { LP_PODSECURITY_ENFORCE, LP_PODSECURITY_AUDIT, LP_PODSECURITY_WARN, LP_PODSECURITY_MODES };

/* Annotation of a pod, before there was a field; the container's name follows. */
#define LP_PODSECURITY_APPARMOR "container.apparmor.security.beta.kubernetes.io/"

#define LP_PODSECURITY_LATEST 1000	/* newer than every version */

struct lp_podsecurity {
	enum lp_podsecurity_level level;
	int minor;			/* of version 1.x, or LP_PODSECURITY_LATEST */
};

/* "baseline" -> level; -EINVAL: another word. */
int lp_podsecurity_level(const char *word, enum lp_podsecurity_level *out);

/*
 * What the labels of a namespace ask for; `preset` where they say nothing. A label that cannot be read is a fault (faults may be
 * NULL) and counts as the strictest for enforce, as nothing for audit and warn.
 */
void lp_podsecurity_read(const struct lp_json *labels, enum lp_podsecurity_level preset, struct lp_podsecurity out[static LP_PODSECURITY_MODES],
    struct lp_faults *faults);

/* NULL: the pod keeps to the standard (or the arena is full: look at arena->failed). Else why not, with or without names. */
const char *lp_podsecurity_check(struct lp_arena *arena, const struct lp_podsecurity *standard, const struct lp_json *metadata,
    const struct lp_json *spec, bool detail);

/* "restricted:latest", "baseline:v1.30" */
const char *lp_podsecurity_name(struct lp_arena *arena, const struct lp_podsecurity *standard);

#endif

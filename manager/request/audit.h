/*
 * manager/request/audit.h - who changed what, when, and with what result: lines that are only ever added.
 *
 * Shape   <data dir>/manager/audit.log, one JSON object a line: time, user, verb, resource (or path), namespace, name, code, from,
 *         podSecurity (what the namespace's audit level would refuse)
 * What    everything that is asked for but reading: changes, streams into pods, tokens, joins; and what was forbidden to
 *         somebody known. Links and reports of devices are not people's doing and are not told
 * Limits  the file is put aside as audit.log.1 at LP_AUDIT_BYTES, the former one goes; a line is at most 2 KiB. Lines are
 *         written, not synced; a failure is logged and does not stop the request
 */
#ifndef LP_MANAGER_AUDIT_H
#define LP_MANAGER_AUDIT_H

#include "base/err.h"
#include "manager/request/request.h"

#define LP_AUDIT_BYTES (4u << 20)

struct lp_audit;

/* Also sets manager->audit. The file is made when the first line is due. */
int lp_audit_new(struct lp_manager *manager, int dir_fd, struct lp_audit **out, struct lp_err *err);
void lp_audit_free(struct lp_audit *audit);

/* The request ended with this code; name may be NULL (then what the path said). Does nothing without manager->audit. */
void lp_audit_write(const struct lp_request *request, const char *remote, int code);

#endif

/*
 * tools/verbs/tabs.h - elastic tab stops, as Go's text/tabwriter with padding 2: how `describe` aligns. Pure.
 *
 * Rule    a cell ends with a tab; a column is as wide as the widest of the adjacent lines that have it
 */
#ifndef LP_TOOLS_VERBS_TABS_H
#define LP_TOOLS_VERBS_TABS_H

#include "base/buf.h"

/* Lines of `text` with their tabs replaced by spaces are added to out. 0 or -ENOMEM. */
int lp_tabs_print(const char *text, struct lp_buf *out);

#endif

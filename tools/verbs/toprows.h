/*
 * tools/verbs/toprows.h - pure: stats of nodes -> the rows that `limpet top` shows, sorted.
 */
#ifndef LP_TOOLS_VERBS_TOPROWS_H
#define LP_TOOLS_VERBS_TOPROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"

enum lp_toprows_what { LP_TOPROWS_NODES, LP_TOPROWS_PODS, LP_TOPROWS_CONTAINERS };

enum lp_toprows_by { LP_TOPROWS_BY_NAME, LP_TOPROWS_BY_CPU, LP_TOPROWS_BY_MEMORY, LP_TOPROWS_BY_IO, LP_TOPROWS_BY_NETWORK, LP_TOPROWS_BY_PIDS };

struct lp_toprow {
	const char *node, *namespace, *pod, *container;	/* NULL where it does not apply */
	int64_t nanocores, memory_bytes, read_bytes, written_bytes, rx_bytes, tx_bytes, pids;
	int64_t cpu_milli, memory_most, disk_used, disk_most, pods;	/* nodes; 0 unknown */
	bool net;			/* rx and tx are known */
};

/* "cpu" ...; -EINVAL. */
int lp_toprows_by(const char *text, enum lp_toprows_by *out);

/* `documents` is an array of stats/summary; `nodes` an array of Node objects or NULL; namespace NULL: all. In the arena; NULL without memory. */
struct lp_toprow *lp_toprows_read(struct lp_arena *arena, enum lp_toprows_what what, const struct lp_json *documents,
    const struct lp_json *nodes, const char *namespace, size_t *out_count);
void lp_toprows_sort(struct lp_toprow *rows, size_t count, enum lp_toprows_by by);

/* "12m" or "1.25"; "512Ki", "12Mi", "1.5Gi"; "37%". */
#define LP_TOPROWS_TEXT 24
void lp_toprows_cpu(int64_t nanocores, char out[static LP_TOPROWS_TEXT]);
void lp_toprows_bytes(int64_t bytes, char out[static LP_TOPROWS_TEXT]);
void lp_toprows_share(int64_t part, int64_t whole, char out[static LP_TOPROWS_TEXT]);

#endif

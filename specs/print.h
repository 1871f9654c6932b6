/*
 * specs/print.h - objects as the rows that `kubectl get` shows.
 *
 * Shape   columnDefinitions and cells of meta.k8s.io/v1 Table; reference/kubectl-wire.md has where each cell comes from
 */
#ifndef LP_SPECS_PRINT_H
#define LP_SPECS_PRINT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "specs/kind.h"

/* Array of columnDefinitions. NULL when the arena is full. */
struct lp_json *lp_print_columns(struct lp_arena *arena, const struct lp_kind *kind);

/* Array of cells, one per column. `now_ms` is wall time, for ages. */
struct lp_json *lp_print_cells(
    struct lp_arena *arena, const struct lp_kind *kind, const struct lp_json *object, int64_t now_ms);

/* {"cells": [...], "object": {kind PartialObjectMetadata, apiVersion meta.k8s.io/v1, metadata}} (object by the caller's wish) */
enum lp_print_include { LP_PRINT_NONE, LP_PRINT_METADATA, LP_PRINT_OBJECT };
struct lp_json *lp_print_row(struct lp_arena *arena, const struct lp_kind *kind, const struct lp_json *object,
    enum lp_print_include include, int64_t now_ms);

/* The object reduced to kind PartialObjectMetadata, apiVersion and metadata. */
struct lp_json *lp_print_partial(struct lp_arena *arena, const struct lp_json *object);

/* What the STATUS column of a pod says: "Running", "CrashLoopBackOff", "Init:0/1", "Terminating" ... */
const char *lp_print_pod_status(struct lp_arena *arena, const struct lp_json *pod);

/* Age of an RFC 3339 time: "5m", "<unknown>" when NULL or unreadable. */
const char *lp_print_age(struct lp_arena *arena, const char *time, int64_t now_ms);

#endif

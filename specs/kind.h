/*
 * specs/kind.h - the kinds: how a URL, a word on the command line and a document find their schema.
 *
 * Shape   one static table; a kind is a pointer into it and lives forever
 */
#ifndef LP_SPECS_KIND_H
#define LP_SPECS_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "specs/kinds.h"

enum lp_kind_verbs {
	LP_KIND_GET = 1 << 0,		/* and list and watch */
	LP_KIND_WRITE = 1 << 1,		/* create update patch delete deletecollection */
	LP_KIND_STATUS = 1 << 2,	/* /status */
	LP_KIND_BINDING = 1 << 3,	/* /binding */
	LP_KIND_EVICTION = 1 << 4,	/* /eviction */
	LP_KIND_STREAMS = 1 << 5,	/* /log /exec /attach /portforward */
	LP_KIND_FINALIZE = 1 << 6,	/* /finalize */
	LP_KIND_RESIZE = 1 << 9,	/* /resize */
	LP_KIND_METRICS = 1 << 8,	/* get and list, made on request, never stored */
	LP_KIND_LOCAL = 1 << 7,		/* a document of ours that the API does not serve */
};

struct lp_kind {
	char group[28];			/* "" = core */
	char version[12];
	char kind[24];
	char plural[24];
	char singular[24];
	char shorts[16];		/* comma-separated, "" = none */
	char category[4];		/* "all" or "" */
	bool namespaced;
	bool generation;		/* metadata.generation counts changes outside metadata and status */
	uint16_t verbs;			/* enum lp_kind_verbs */
	uint16_t schema;		/* enum lp_schema_id */
};

/* `api_version` is "v1" or "group/version". NULL when there is none. */
const struct lp_kind *lp_kind_find(const char *api_version, const char *kind);
const struct lp_kind *lp_kind_by_resource(const char *group, const char *version, const char *plural);
/* "po", "pods", "pod", "Pod", "endpointslices.discovery.k8s.io" */
const struct lp_kind *lp_kind_by_word(const char *word);
/* NULL at the end. */
const struct lp_kind *lp_kind_at(size_t index);

/* "v1", "discovery.k8s.io/v1"; "pods", "endpointslices.discovery.k8s.io". `out` holds LP_KIND_TEXT. */
#define LP_KIND_TEXT 48
const char *lp_kind_api_version(const struct lp_kind *kind, char out[static LP_KIND_TEXT]);
const char *lp_kind_resource(const struct lp_kind *kind, char out[static LP_KIND_TEXT]);

/* May a field selector name this field? (metadata.name and metadata.namespace always) */
bool lp_kind_selectable(const struct lp_kind *kind, const char *field);

#endif

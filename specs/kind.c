#include "specs/kind.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"

#define ALL (LP_KIND_GET | LP_KIND_WRITE)
#define PODS (ALL | LP_KIND_STATUS | LP_KIND_BINDING | LP_KIND_EVICTION | LP_KIND_STREAMS | LP_KIND_RESIZE)
#define DISCOVERY "discovery.k8s.io"
#define COORDINATION "coordination.k8s.io"
#define STORAGE "storage.k8s.io"
#define METRICS "metrics.k8s.io"

/* clang-format off */
static const struct lp_kind kinds[] = {
	/* group        version  kind              plural            singular          short    category ns     generation verbs  schema */
	{ "",           "v1", "Pod",             "pods",            "pod",            "po",    "all",  true,  true,  PODS,                                      LP_SCHEMA_pod },
	{ "",           "v1", "Service",         "services",        "service",        "svc",   "all",  true,  false, ALL | LP_KIND_STATUS,                      LP_SCHEMA_service },
	{ "",           "v1", "Node",            "nodes",           "node",           "no",    "",     false, false, ALL | LP_KIND_STATUS,                      LP_SCHEMA_node },
	{ "",           "v1", "Namespace",       "namespaces",      "namespace",      "ns",    "",     false, false, ALL | LP_KIND_STATUS | LP_KIND_FINALIZE,   LP_SCHEMA_namespace },
	{ "",           "v1", "ConfigMap",       "configmaps",      "configmap",      "cm",    "",     true,  false, ALL,                                       LP_SCHEMA_configmap },
	{ "",           "v1", "Secret",          "secrets",         "secret",         "",      "",     true,  false, ALL,                                       LP_SCHEMA_secret },
	{ "",           "v1", "ServiceAccount",  "serviceaccounts", "serviceaccount", "sa",    "",     true,  false, ALL,                                       LP_SCHEMA_service_account },
	{ "",           "v1", "Event",           "events",          "event",          "ev",    "",     true,  false, ALL,                                       LP_SCHEMA_event },
	{ "",           "v1", "Endpoints",       "endpoints",       "endpoints",      "ep",    "",     true,  false, ALL,                                       LP_SCHEMA_endpoints },
	{ DISCOVERY,    "v1", "EndpointSlice",   "endpointslices",  "endpointslice",  "",      "",     true,  true,  ALL,                                       LP_SCHEMA_endpoint_slice },
	{ COORDINATION, "v1", "Lease",           "leases",          "lease",          "",      "",     true,  false, ALL,                                       LP_SCHEMA_lease },
	{ "",           "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", "pv", "",    false, false, ALL | LP_KIND_STATUS,                     LP_SCHEMA_persistent_volume },
	{ "",           "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", "pvc", "", true, false, ALL | LP_KIND_STATUS,         LP_SCHEMA_persistent_volume_claim },
	{ STORAGE,      "v1", "StorageClass",    "storageclasses",  "storageclass",   "sc",    "",     false, false, ALL,                                       LP_SCHEMA_storage_class },
	{ METRICS,      "v1beta1", "NodeMetrics", "nodes",          "",               "",      "",     false, false, LP_KIND_METRICS,                           LP_SCHEMA_node_metrics },
	{ METRICS,      "v1beta1", "PodMetrics",  "pods",           "",               "",      "",     true,  false, LP_KIND_METRICS,                           LP_SCHEMA_pod_metrics },
};
/* clang-format on */

static const struct {
	char kind[20];
	char field[32];
} selectable[] = {
	{ "Pod", "spec.nodeName" },
	{ "Pod", "spec.restartPolicy" },
	{ "Pod", "spec.schedulerName" },
	{ "Pod", "spec.serviceAccountName" },
	{ "Pod", "spec.hostNetwork" },
	{ "Pod", "status.phase" },
	{ "Pod", "status.podIP" },
	{ "Pod", "status.podIPs" },
	{ "Pod", "status.nominatedNodeName" },
	{ "Node", "spec.unschedulable" },
	{ "Namespace", "status.phase" },
	{ "Service", "spec.clusterIP" },
	{ "Service", "spec.type" },
	{ "Secret", "type" },
	{ "Event", "involvedObject.kind" },
	{ "Event", "involvedObject.namespace" },
	{ "Event", "involvedObject.name" },
	{ "Event", "involvedObject.uid" },
	{ "Event", "involvedObject.apiVersion" },
	{ "Event", "involvedObject.resourceVersion" },
	{ "Event", "involvedObject.fieldPath" },
	{ "Event", "reason" },
	{ "Event", "reportingComponent" },
	{ "Event", "source" },
	{ "Event", "type" },
};

const struct lp_kind *
lp_kind_at(size_t index)
{
	return index < lp_count(kinds) ? &kinds[index] : NULL;
}

const char *
lp_kind_api_version(const struct lp_kind *kind, char out[static LP_KIND_TEXT])
{
	(void)snprintf(out, LP_KIND_TEXT, "%s%s%s", kind->group, kind->group[0] ? "/" : "", kind->version);
	return out;
}

const char *
lp_kind_resource(const struct lp_kind *kind, char out[static LP_KIND_TEXT])
{
	(void)snprintf(out, LP_KIND_TEXT, "%s%s%s", kind->plural, kind->group[0] ? "." : "", kind->group);
	return out;
}

const struct lp_kind *
lp_kind_find(const char *api_version, const char *kind)
{
	char text[LP_KIND_TEXT];

	if (!api_version || !kind)
		return NULL;
	for (size_t i = 0; i < lp_count(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0 && strcmp(lp_kind_api_version(&kinds[i], text), api_version) == 0)
			return &kinds[i];
	return NULL;
}

const struct lp_kind *
lp_kind_by_resource(const char *group, const char *version, const char *plural)
{
	for (size_t i = 0; i < lp_count(kinds); i++)
		if (strcmp(kinds[i].plural, plural) == 0 && strcmp(kinds[i].group, group) == 0 &&
		    strcmp(kinds[i].version, version) == 0)
			return &kinds[i];
	return NULL;
}

/* Is `word` one of the comma-separated words? */
static bool
among(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; *at;) {
		size_t here = strcspn(at, ",");

		if (here == len && strncmp(at, word, len) == 0)
			return true;
		at += here + (at[here] == ',');
	}
	return false;
}

const struct lp_kind *
lp_kind_by_word(const char *word)
{
	char text[LP_KIND_TEXT];

	if (!word || !*word)
		return NULL;
	for (size_t i = 0; i < lp_count(kinds); i++) {
		const struct lp_kind *kind = &kinds[i];

		if (strcasecmp(kind->plural, word) == 0 || strcasecmp(kind->singular, word) == 0 ||
		    among(kind->shorts, word) || strcasecmp(lp_kind_resource(kind, text), word) == 0)
			return kind;
	}
	return NULL;
}

bool
lp_kind_selectable(const struct lp_kind *kind, const char *field)
{
	if (strcmp(field, "metadata.name") == 0 || (kind->namespaced && strcmp(field, "metadata.namespace") == 0))
		return true;
	for (size_t i = 0; i < lp_count(selectable); i++)
		if (strcmp(selectable[i].kind, kind->kind) == 0 && strcmp(selectable[i].field, field) == 0)
			return true;
	return false;
}

/*
 * specs/check_bounds.c - how much and how many: bounds of a pod and its storage that a row cannot say (check_hooks.h).
 *
 * Source  kubernetes pkg/apis/core/validation: validateResizePolicy, validatePodDNSConfig, ValidatePodSpec, ValidatePersistentVolumeSpec
 */
#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/quantity.h"

enum { NAMESERVERS_MAX = 3, SEARCHES_MAX = 32, SEARCHES_CHARS = 2048 };

/* ---- sizes */

/* -1, 0 or 1; a quantity that cannot be read has its own fault. */
static int
sign_of(const struct lp_json *amount)
{
	const struct lp_quantity none = { 0 };
	struct lp_quantity quantity;

	return lp_quantity_parse(lp_json_text(amount), &quantity) < 0 ? 1 : lp_quantity_compare(&quantity, &none);
}

static void
check_empty_dir(const struct lp_json *volume, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_trail here = { .up = trail, .name = "emptyDir" };

	if (sign_of(lp_json_path(volume, "emptyDir.sizeLimit")) < 0)
		lp_check_fault(faults, &here, "sizeLimit", LP_FAULT_FORBIDDEN, NULL, "SizeLimit field must be a valid resource quantity");
}

/* Storage of nothing is none. `amounts` is what stands at the trail. */
static void
check_storage(const struct lp_json *amounts, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *amount = lp_json_get(amounts, "storage");
	struct lp_trail here = { .up = trail, .key = "storage" };

	if (amount && sign_of(amount) <= 0)
		lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, amount, "must be greater than zero");
}

static void
check_claim(const struct lp_json *claim, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_trail resources = { .up = trail, .name = "resources" }, requests = { .up = &resources, .name = "requests" };

	check_storage(lp_json_path(claim, "resources.requests"), &requests, faults);
}

/* ---- names */

static void
check_searches(const struct lp_json *config, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *list = lp_json_get(config, "searches");
	struct lp_trail here = { .up = trail, .name = "searches" }, element = { .up = &here };
	size_t chars = 0;

	if (lp_json_count(list) > SEARCHES_MAX)
		lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, list, "must not have more than 32 search paths");
	lp_json_each(search, list) {
		char name[254];
		size_t len = search->len - (search->len > 1 && lp_text_ends(lp_json_text(search), "."));

		chars += search->len + 1;
		if (search->len == 1 && search->text[0] == '.') {
			element.index++;
			continue;
		}
		/* As a subdomain, but labels may also have underscores. */
		for (size_t i = 0; i <= len && len < sizeof(name); i++)
			name[i] = i == len ? '\0' : search->text[i] == '_' ? 'x' : search->text[i];
		if (len >= sizeof(name) || !lp_text_is_dns_subdomain(name))
			lp_check_fault(faults, &element, NULL, LP_FAULT_INVALID, search, "a lowercase RFC 1123 subdomain is expected");
		element.index++;
	}
	if (chars > SEARCHES_CHARS + 1)
		lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, list, "must not have more than 2048 characters (including spaces) in the search list");
}

static void
check_dns(const struct lp_json *config, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *servers = lp_json_get(config, "nameservers");

	if (lp_json_count(servers) > NAMESERVERS_MAX)
		lp_check_fault(faults, trail, "nameservers", LP_FAULT_INVALID, servers, "must not have more than 3 nameservers");
	check_searches(config, trail, faults);
}

/* ---- sizes that change */

static void
check_policies(const struct lp_json *container, bool init, bool never, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *list = lp_json_get(container, "resizePolicy");
	struct lp_trail here = { .up = trail, .name = "resizePolicy" }, element = { .up = &here };

	if (lp_json_count(list) > 0 && init && !lp_json_get(container, "restartPolicy"))
		lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, list, "must not be set for init containers");
	lp_json_each(policy, list) {
		const struct lp_json *name = lp_json_get(policy, "resourceName"), *restart = lp_json_get(policy, "restartPolicy");
		bool twice = false;

		for (const struct lp_json *other = lp_json_first(list); other != policy; other = other->next)
			twice |= lp_text_same(lp_json_str(other, "resourceName"), lp_json_text(name));
		if (twice)
			lp_check_fault(faults, &element, NULL, LP_FAULT_DUPLICATE, name, NULL);
		if (never && lp_text_same(lp_json_text(restart), "RestartContainer"))
			lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
		element.index++;
	}
}

static void
check_pod(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const lists[] = { "initContainers", "containers" };
	bool never = lp_text_same(lp_json_str(spec, "restartPolicy"), "Never");

	if (lp_json_int(spec, "activeDeadlineSeconds", 1) > INT32_MAX)
		lp_check_fault(faults, trail, "activeDeadlineSeconds", LP_FAULT_INVALID, lp_json_get(spec, "activeDeadlineSeconds"),
		    "must be between 1 and 2147483647, inclusive");
	for (size_t i = 0; i < 2; i++) {
		struct lp_trail list = { .up = trail, .name = lists[i] }, element = { .up = &list };

		lp_json_each(container, lp_json_get(spec, lists[i])) {
			check_policies(container, i == 0, never, &element, faults);
			element.index++;
		}
	}
}

void
lp_check_bounds_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_trail capacity = { .up = trail, .name = "capacity" };

	if (schema == LP_SCHEMA_pod_spec)
		check_pod(object, trail, faults);
	else if (schema == LP_SCHEMA_pod_dns_config)
		check_dns(object, trail, faults);
	else if (schema == LP_SCHEMA_volume)
		check_empty_dir(object, trail, faults);
	else if (schema == LP_SCHEMA_persistent_volume_spec)
		check_storage(lp_json_get(object, "capacity"), &capacity, faults);
	else if (schema == LP_SCHEMA_persistent_volume_claim_spec)
		check_claim(object, trail, faults);
}

void
lp_check_deadline_update(const struct lp_json *spec, const struct lp_json *before, struct lp_faults *faults)
{
	const struct lp_json *now = lp_json_get(spec, "activeDeadlineSeconds"), *old = lp_json_get(before, "activeDeadlineSeconds");

	if (old && !now)
		lp_faults_add(faults, LP_FAULT_INVALID, "spec.activeDeadlineSeconds", NULL,
		    "must not update from a positive integer to nil value");
	else if (old && lp_json_int(spec, "activeDeadlineSeconds", 0) > lp_json_int(before, "activeDeadlineSeconds", 0))
		lp_faults_add(faults, LP_FAULT_INVALID, "spec.activeDeadlineSeconds", now, "must be less than or equal to previous value");
}

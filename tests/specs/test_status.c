#include <string.h>

#include "specs/status.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

TEST(not_found_says_it_as_kubernetes_does)
{
	CHECK_STR(lp_docs_text(lp_status_not_found(lp_docs_arena(), lp_kind_by_word("cm"), "x")),
	    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"configmaps \\\"x\\\" not found\","
	    "\"reason\":\"NotFound\",\"details\":{\"name\":\"x\",\"kind\":\"configmaps\"},\"code\":404}");
	CHECK_HAS(lp_docs_text(lp_status_not_found(lp_docs_arena(), lp_kind_by_word("leases"), "x")),
	    "\"message\":\"leases.coordination.k8s.io \\\"x\\\" not found\"");
	CHECK_HAS(lp_docs_text(lp_status_not_found(lp_docs_arena(), lp_kind_by_word("leases"), "x")), "\"group\":\"coordination.k8s.io\"");
}

TEST(conflicts_and_duplicates_have_their_own_reasons)
{
	CHECK_HAS(lp_docs_text(lp_status_conflict(lp_docs_arena(), lp_kind_by_word("cm"), "x", NULL)),
	    "Operation cannot be fulfilled on configmaps \\\"x\\\": the object has been modified; please apply your changes to the latest version and try again");
	CHECK_HAS(lp_docs_text(lp_status_already_exists(lp_docs_arena(), lp_kind_by_word("cm"), "x")), "\"reason\":\"AlreadyExists\"");
	CHECK_HAS(lp_docs_text(lp_status_forbidden(lp_docs_arena(), lp_kind_by_word("pods"), "x", "no")), "pods \\\"x\\\" is forbidden: no");
}

TEST(all_faults_become_causes)
{
	struct lp_faults faults;
	const struct lp_json *status, *causes;

	lp_faults_init(&faults, lp_docs_arena());
	lp_faults_add(&faults, LP_FAULT_REQUIRED, "spec.a", NULL, NULL);
	lp_faults_add(&faults, LP_FAULT_INVALID, "spec.b", lp_json_new_int(lp_docs_arena(), 7), "too odd");
	status = lp_status_invalid(lp_docs_arena(), lp_kind_by_word("pod"), "p", &faults);
	CHECK_STR(lp_json_str(status, "message"), "Pod \"p\" is invalid: [spec.a: Required value, spec.b: Invalid value: 7: too odd]");
	CHECK_STR(lp_json_str(status, "details.kind"), "Pod");
	causes = lp_json_path(status, "details.causes");
	CHECK_STR(lp_docs_text(causes), "[{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\",\"field\":\"spec.a\"},"
					"{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: 7: too odd\",\"field\":\"spec.b\"}]");
	CHECK_INT(lp_json_int(status, "code", 0), 422);
}

TEST(one_fault_stands_without_brackets)
{
	struct lp_faults faults;

	lp_faults_init(&faults, lp_docs_arena());
	lp_faults_add(&faults, LP_FAULT_FORBIDDEN, "spec", NULL, "no");
	CHECK_STR(lp_json_str(lp_status_invalid(lp_docs_arena(), lp_kind_by_word("pod"), "p", &faults), "message"),
	    "Pod \"p\" is invalid: spec: Forbidden: no");
}

TEST(the_list_of_faults_is_bounded_and_the_count_is_not)
{
	struct lp_faults faults;
	size_t kept = 0;

	lp_faults_init(&faults, lp_docs_arena());
	for (int i = 0; i < 1000; i++)
		lp_faults_add(&faults, LP_FAULT_REQUIRED, "x", NULL, NULL);
	for (const struct lp_fault *fault = faults.first; fault; fault = fault->next)
		kept++;
	CHECK_INT(kept, LP_FAULTS_MAX);
	CHECK_INT(faults.count, 1000);
}

TEST(success_has_no_reason)
{
	const char *text = lp_docs_text(lp_status_deleted(lp_docs_arena(), lp_kind_by_word("cm"), "c2", "u1"));

	CHECK_STR(text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
			"\"details\":{\"name\":\"c2\",\"kind\":\"configmaps\",\"uid\":\"u1\"},\"code\":200}");
}

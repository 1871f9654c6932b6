#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/traits.h"
#include "tests/harness.h"

static int
count_of(const char *text)
{
	cpu_set_t set;
	int rc = lp_traits_cpus(text, &set);

	return rc < 0 ? rc : CPU_COUNT(&set);
}

TEST(a_cpu_list_is_numbers_and_ranges)
{
	cpu_set_t set;

	CHECK_INT(count_of("0"), 1);
	CHECK_INT(count_of("0-3"), 4);
	CHECK_INT(count_of("0-3,7,9-10"), 7);
	CHECK_INT(count_of("1,1,1-1"), 1);
	CHECK_INT(count_of("1023"), 1);
	CHECK_INT(lp_traits_cpus("2,5-6", &set), 0);
	CHECK(CPU_ISSET(2, &set) && CPU_ISSET(5, &set) && CPU_ISSET(6, &set) && !CPU_ISSET(3, &set));
}

TEST(anything_else_is_no_cpu_list)
{
	static const char *const wrong[] = { "", ",", "1,", ",1", "-", "1-", "-1", "3-1", "a", "1a", "1 2", " 1", "1--2", "0x1", "+1", "1-2-3" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (count_of(wrong[i]) != -EINVAL)
			FAIL("\"%s\" was taken", wrong[i]);
	CHECK_INT(count_of("1024"), -ERANGE);
	CHECK_INT(count_of("0-99999999999999999999"), -ERANGE);
}

TEST(a_limit_is_called_by_its_name)
{
	CHECK_STR(lp_traits_rlimit_name(RLIMIT_NOFILE), "RLIMIT_NOFILE");
	CHECK_STR(lp_traits_rlimit_name(RLIMIT_CPU), "RLIMIT_CPU");
	CHECK_STR(lp_traits_rlimit_name(-1), "rlimit");
	CHECK_STR(lp_traits_rlimit_name(10000), "rlimit");
	for (int i = 0; i < RLIM_NLIMITS; i++)
		CHECK(strncmp(lp_traits_rlimit_name(i), "RLIMIT_", 7) == 0);
}

/* tools/static/tables.c - see tables.h. */
#include "tools/static/tables.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static void
drop(const void *begin, const void *end)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)begin + page - 1) & ~(page - 1), to = (uintptr_t)end & ~(page - 1);

	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);	/* only memory is at stake */
}

void
lp_tables_forget(void)
{
	drop(&lp_tables_constants_begin, &lp_tables_constants_end);
	drop(&lp_tables_data_begin, &lp_tables_data_end);
}

/* tools/static/tables_end.c - see tables.h; the linker puts this where its place in the command line says. */
#include "tools/static/tables.h"

const void *const lp_tables_constants_end = &lp_tables_constants_end;
const void *lp_tables_data_end = &lp_tables_data_end;

/* tools/static/tables_begin.c - see tables.h; the linker puts this where its place in the command line says. */
#include "tools/static/tables.h"

const void *const lp_tables_constants_begin = &lp_tables_constants_begin;
const void *lp_tables_data_begin = &lp_tables_data_begin;

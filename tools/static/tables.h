/*
 * tools/static/tables.h - a keeper gives back the tables of libraries that it never enters.
 *
 * Why     a position-independent program relocates its constant tables at start, and so each process has its own 92 KiB of
 *         them; most are of SQLite, mbedTLS, nghttp2 and the verbs, of which a keeper has no use. There is a keeper for every pod.
 * How     the Makefile links what a keeper needs behind tables_end.o and everything else in front of it. The pages
 *         between tables_begin.o and tables_end.o are dropped: what they become is the file's bytes, not relocated.
 * Check   tools/static/check-tables, run after every link: nothing that a keeper linked alone would have may lie between
 * Instead of a keeper linked by itself and embedded: 0.9 MB of executable, and as much of a memfd that cannot be evicted
 */
#ifndef LP_TOOLS_STATIC_TABLES_H
#define LP_TOOLS_STATIC_TABLES_H

/* The ends of the two ranges: .data.rel.ro (constants with addresses in them) and .data. */
extern const void *const lp_tables_constants_begin;
extern const void *const lp_tables_constants_end;
extern const void *lp_tables_data_begin;
extern const void *lp_tables_data_end;

/* Weak, for only the program that clang and lld link has it. Nothing but a keeper may run afterwards. */
__attribute__((weak)) void lp_tables_forget(void);

#endif

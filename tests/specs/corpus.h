/*
 * tests/specs/corpus.h - the collection of real manifests, when it lies beside the repository.
 *
 * Found   $LP_CORPUS, else ../shared/corpus; a test that needs it is skipped by name where it is absent
 */
#ifndef LP_TESTS_SPECS_CORPUS_H
#define LP_TESTS_SPECS_CORPUS_H

#include <stddef.h>

/* Skips the test when there is no collection. Never NULL. */
const char *lp_corpus_dir(void);

/* "<corpus>/<name>" in a static buffer. */
const char *lp_corpus_path(const char *name);

#endif

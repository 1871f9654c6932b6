#include "tests/specs/corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness.h"

const char *
lp_corpus_dir(void)
{
	const char *dir = getenv("LP_CORPUS");

	if (!dir || !*dir)
		dir = "../shared/corpus";
	if (access(dir, R_OK) < 0)
		SKIP("the collection of manifests is not here (%s; LP_CORPUS names another place)", dir);
	return dir;
}

const char *
lp_corpus_path(const char *name)
{
	static char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", lp_corpus_dir(), name);
	return path;
}

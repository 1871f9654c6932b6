/*
 * tests/fuzz/replay.c - run a fuzzer's corpus once, as a test: main for fuzzers that are not built with libFuzzer.
 *
 * Use     build/tests/fuzz/fuzz_x [file ...]    without files: the folder tests/fuzz/corpus/x, which must exist
 * Output  TAP, one line per file; besides the corpus an empty input is always tried
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Runs one file and prints its line. Returns false when it cannot be read; what the fuzzer finds ends the process. */
static bool
replay(int number, const char *path)
{
	lp_auto_file FILE *file = fopen(path, "re");
	lp_auto_free uint8_t *data = NULL;
	size_t len = 0, room = 0;

	while (file && !feof(file)) {
		if (len == room) {
			uint8_t *more = realloc(data, room += 65536);

			if (!more)
				break;
			data = more;
		}
		size_t got = fread(data + len, 1, room - len, file);

		if (got == 0 && ferror(file))
			break;
		len += got;
	}
	if (!file || !feof(file)) {
		printf("not ok %d - %s could not be read\n", number, path);
		return false;
	}

	/* Exactly as much memory as there is input: a read beyond it is seen by the sanitizer. */
	lp_auto_free uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	if (len)
		memcpy(exact, data, len);
	(void)LLVMFuzzerTestOneInput(exact, len);	/* its value means nothing */
	printf("ok %d - %s\n", number, path);
	fflush(stdout);
	return true;
}

static int
list_corpus(const char *program, char ***out_paths)
{
	const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	const char *name = strncmp(base, "fuzz_", 5) == 0 ? base + 5 : base;
	lp_auto_free char *where = NULL;
	int count = 0;

	if (asprintf(&where, "tests/fuzz/corpus/%s", name) < 0)
		abort();
	lp_auto_dir DIR *dir = opendir(where);
	char **paths = NULL;

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		paths = reallocarray(paths, (size_t)count + 1, sizeof(*paths));
		if (!paths || asprintf(&paths[count], "%s/%s", where, entry->d_name) < 0)
			abort();
		count++;
	}
	if (count > 0)
		qsort(paths, (size_t)count, sizeof(*paths), by_name);
	*out_paths = paths;
	return count;
}

int
main(int argc, char **argv)
{
	char **paths = argv + 1;
	int count = argc - 1;
	bool own = count == 0, all_read = true;

	if (own)
		count = list_corpus(argv[0], &paths);
	printf("1..%d\n", count + 1);
	if (own && count == 0) {
		printf("not ok 1 - there is no corpus for %s\n", argv[0]);
		return 1;
	}
	for (int i = 0; i < count; i++)
		all_read = replay(i + 1, paths[i]) && all_read;
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok %d - nothing at all\n", count + 1);
	for (int i = 0; own && i < count; i++)
		free(paths[i]);
	if (own)
		free(paths);
	return all_read ? 0 : 1;
}

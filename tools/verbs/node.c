/*
 * tools/verbs/node.c - `node list|show`: the devices of the fleet, in the words of `get nodes -o wide` and `describe node`.
 */
#include <stdio.h>
#include <string.h>

#include "tools/verbs/all.h"

/* Pass the rest on to another verb: "node list X" -> "get nodes X". */
static int
pass(int argc, char **argv, char *const *first, int count, int (*run)(int argc, char **argv))
{
	char *words[64];
	int n = 0;

	if (argc - 2 + count > 62) {
		(void)fprintf(stderr, "error: too many words\n");
		return 2;
	}
	for (int i = 0; i < count; i++)
		words[n++] = first[i];
	for (int i = 2; i < argc; i++)
		words[n++] = argv[i];
	words[n] = NULL;
	return run(n, words);
}

int
lp_node_run(int argc, char **argv)
{
	static char get[] = "get", describe[] = "describe", nodes[] = "nodes", output[] = "--output=wide";
	char *const list[] = { get, nodes, output }, *const show[] = { describe, nodes };
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "list") || !strcmp(word, "ls"))
		return pass(argc, argv, list, 3, lp_get_run);
	if (!strcmp(word, "show"))
		return pass(argc, argv, show, 2, lp_describe_run);
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		(void)printf("usage: limpet node list | show [NAME...] [options]\n\nThe devices of the fleet: what `get nodes -o wide` and "
		    "`describe nodes` say.\n\nExample:\n  limpet node show n1\n");
		return 0;
	}
	(void)fprintf(stderr, "error: node needs a command: list or show (see 'limpet node --help')\n");
	return 2;
}

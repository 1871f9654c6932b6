/*
 * tools/limpet.c - the executable's main: one table of roles, and the operator's verbs (tools/verbs.h).
 *
 * The word after the program's name chooses.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/link/enroll.h"
#include "agent/net/holder.h"
#include "agent/pod/prober.h"
#include "keeper/keeper.h"
#include "manager/manager.h"
#include "tools/oci/oci.h"
#include "tools/static/tables.h"
#include "tools/up.h"
#include "tools/verbs.h"

static int
keeper_main(int argc, char **argv)
{
	if (lp_tables_forget)
		lp_tables_forget();
	return lp_keeper_main(argc, argv);
}

static const struct lp_verb roles[] = {
	{ "up", "run manager and agent on this machine: a whole cluster on one board", lp_up_main },
	{ "manager", "run the central manager: API server, store, controllers, scheduler, CA", lp_manager_main },
	{ "join", "enrol this device with a manager", lp_enroll_main },
	{ "agent", "run the node agent, with or without a manager", lp_agent_main },
	{ "oci", "be an OCI runtime: create, start, exec, delete ...", lp_oci_main },
	{ "down", "take an instance down whose agent does not run", lp_agent_down_main },
	{ "keeper", NULL, keeper_main },	/* internal: started by an agent */
	{ "holder", NULL, lp_holder_main },	/* internal: started by an agent */
	{ "prober", NULL, lp_prober_main },	/* internal: started by a keeper */
	{ NULL, NULL, NULL },
};

static const struct lp_verb *
find(const struct lp_verb *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static void
print_table(const char *title, const struct lp_verb *table)
{
	(void)printf("\n%s\n", title);
	for (; table->name; table++)
		if (table->help)
			(void)printf("  %-14s %s\n", table->name, table->help);
}

static int
help(void)
{
	(void)printf("limpet turns small devices into one machine that is described in Kubernetes YAML.\n\nusage: limpet COMMAND [options]\n");
	print_table("Roles:", roles);
	print_table("Verbs:", lp_verbs);
	(void)printf("\n`limpet COMMAND --help` tells more of each.\n");
	return 0;
}

static const struct lp_verb *
find_any(const char *name)
{
	const struct lp_verb *verb = find(roles, name);

	return verb ? verb : find(lp_verbs, name);
}

/* kubectl takes `--kubeconfig FILE get pods`: options in front of the verb are moved behind it. */
static void
verb_first(int argc, char **argv)
{
	int at = 1;
	char *verb;

	while (at < argc && !find_any(argv[at]))
		at++;
	if (argv[1][0] != '-' || at == argc)
		return;
	verb = argv[at];
	memmove(&argv[2], &argv[1], (size_t)(at - 1) * sizeof(*argv));
	argv[1] = verb;
}

/*
 * By one of these names we are an OCI runtime. Engines' users also copy a runtime to names of their own: by a name that is nothing of ours
 * the verbs that both have (create, exec, delete) are the runtime's.
 */
static bool
is_oci(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];

	if (strcmp(name, "limpet-oci") == 0 || strcmp(name, "runc") == 0 || strcmp(name, "crun") == 0)
		return true;
	return !strstr(name, "limpet") && argc > 1 && (lp_oci_is_verb(argv[1]) || (argv[1][0] == '-' && argc > 2));
}

int
main(int argc, char **argv)
{
	const struct lp_verb *verb;

	if (argc > 0 && is_oci(argc, argv))
		return lp_oci_main(argc, argv);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return help();
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("limpet %s\n", LP_VERSION);
		return 0;
	}
	verb_first(argc, argv);
	verb = find_any(argv[1]);
	if (!verb) {
		(void)fprintf(stderr, "error: unknown command \"%s\"; `limpet --help` lists them\n", argv[1]);
		return 2;
	}
	return verb->run(argc - 1, argv + 1);
}

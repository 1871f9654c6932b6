#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/oci/oci_spec.h"
#include "runtime/runtime.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_rootless.h"
#include "tools/oci/oci_verbs.h"

struct lp_oci_global lp_oci_global = { .log_format = "text", .cgroup_manager = "cgroupfs", .rootless = "auto" };

static const struct verb {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "create",   "create a container; its program waits for start", lp_oci_create_main },
	{ "delete",   "delete what a container has left behind", lp_oci_delete_main },
	{ "events",   "show figures and out-of-memory events of a container", lp_oci_events_main },
	{ "exec",     "run one more process inside a container", lp_oci_exec_main },
	{ "features", "say what this runtime can do, as JSON", lp_oci_features_main },
	{ "kill",     "send a signal to a container's first process", lp_oci_kill_main },
	{ "list",     "list the containers", lp_oci_list_main },
	{ "pause",    "let every process of a container stand still", lp_oci_pause_main },
	{ "ps",       "list the processes of a container", lp_oci_ps_main },
	{ "resume",   "let a paused container go on", lp_oci_resume_main },
	{ "run",      "create and start a container, and wait for it", lp_oci_run_main },
	{ "spec",     "write a config.json to begin with", lp_oci_spec_main },
	{ "start",    "let the program of a created container run", lp_oci_start_main },
	{ "state",    "show the state of a container, as JSON", lp_oci_state_main },
	{ "update",   "change the limits of a container", lp_oci_update_main },
};

/* ---- words for people and logs ---- */

static void
write_log(const char *level, const char *words)
{
	lp_auto_fd int fd = -1;
	lp_auto_buf struct lp_buf line;
	const char *path = lp_oci_global.log;
	char now[LP_CLOCK_TEXT];

	lp_buf_init(&line, 16384);
	lp_clock_print(lp_clock_wall_ms(), now);
	if (strcmp(lp_oci_global.log_format, "json") == 0) {
		(void)lp_buf_printf(&line, "{\"level\":\"%s\",\"msg\":", level);
		(void)lp_json_write_string(&line, words, strlen(words));
		(void)lp_buf_printf(&line, ",\"time\":\"%s\"}\n", now);
	} else {
		(void)lp_buf_printf(&line, "time=\"%s\" level=%s msg=", now, level);
		(void)lp_json_write_string(&line, words, strlen(words));
		(void)lp_buf_char(&line, '\n');
	}
	if (path && lp_text_starts(path, "file:"))
		path += 5;
	fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : dup(2);
	/* A log that cannot be written has nowhere to complain to. */
	if (fd >= 0 && line.failed == 0)
		(void)lp_path_write_all(fd, line.data, line.len, NULL);
}

int
lp_oci_fail(const struct lp_err *err)
{
	if (lp_oci_global.log)
		write_log("error", err->text);
	if (!lp_oci_global.log && strcmp(lp_oci_global.log_format, "json") == 0)
		write_log("error", err->text);
	else
		(void)fprintf(stderr, "%s: %s\n", lp_oci_global.inside ? "error" : lp_oci_global.program, err->text);
	return 1;
}

static void
say(const char *level, const char *fmt, va_list args)
{
	char words[2048];

	if (!lp_oci_global.log && !lp_oci_global.debug)
		return;
	(void)vsnprintf(words, sizeof(words), fmt, args);
	write_log(level, words);
}

void
lp_oci_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("warning", fmt, args);
	va_end(args);
}

void
lp_oci_debug(const char *fmt, ...)
{
	va_list args;

	if (!lp_oci_global.debug)
		return;
	va_start(args, fmt);
	say("debug", fmt, args);
	va_end(args);
}

/* ---- options ---- */

static const struct lp_opt *
find_option(const struct lp_opt *opts, const char *word)
{
	const size_t len = strcspn(word + 2, "=");

	for (; opts->name; opts++) {
		if (word[1] == '-' ? strlen(opts->name) == len && strncmp(opts->name, word + 2, len) == 0 : opts->letter == word[1])
			return opts;
	}
	return NULL;
}

/* Where the words begin when options end at the first of them. */
static int
first_word(const struct lp_opt *opts, int argc, char **argv)
{
	int at = 1;

	for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
		const struct lp_opt *opt;

		if (strcmp(argv[at], "--") == 0)
			break;
		opt = find_option(opts, argv[at]);
		if (!opt || opt->type == LP_OPT_FLAG || opt->type == LP_OPT_STR_BARE)
			continue;
		if (argv[at][1] == '-' ? !strchr(argv[at], '=') : !argv[at][2])
			at++;
	}
	return at < argc ? at : argc;
}

static void
print_help(const char *verb, const struct lp_opt *opts, const struct lp_oci_usage *usage, const char *line)
{
	if (lp_oci_global.inside) {
		char synopsis[160], example[160];

		(void)snprintf(synopsis, sizeof(synopsis), "limpet oci %s [OPTION...] %s", verb, usage->synopsis);
		(void)snprintf(example, sizeof(example), "limpet oci %s", usage->example);
		lp_opts_help(synopsis, usage->text, opts, example);
		return;
	}
	(void)printf("NAME:\n   %s %s - %s\n\nUsage: %s [OPTION...] %s %s\n\n%s\n\n", lp_oci_global.program, verb, line,
	    lp_oci_global.program, verb, usage->synopsis, usage->text);
	for (const struct lp_opt *opt = opts; opt->name; opt++) {
		char left[64];
		int len = opt->letter ? snprintf(left, sizeof(left), "-%c, --%s", opt->letter, opt->name) :
		    snprintf(left, sizeof(left), "    --%s", opt->name);

		if (opt->value)
			(void)snprintf(left + len, sizeof(left) - (size_t)len, " %s", opt->value);
		(void)printf("   %-34s %s\n", left, opt->help);
	}
	(void)printf("\nExample:\n   %s %s\n", lp_oci_global.program, usage->example);
}

bool
lp_oci_options(int argc, char **argv, const struct lp_opt *opts, const struct lp_oci_usage *usage, struct lp_oci_line *out, int *status)
{
	struct lp_err err = { 0 };
	const int words = usage->in_order ? first_word(opts, argc, argv) : argc;
	int dash, rc;

	for (int i = 1; i < words; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			size_t verb = 0;

			while (verb + 1 < lp_count(verbs) && strcmp(verbs[verb].name, argv[0]) != 0)
				verb++;
			print_help(argv[0], opts, usage, verbs[verb].help);
			*status = 0;
			return false;
		}
	}
	out->rest = calloc((size_t)argc + 1, sizeof(*out->rest));	/* the process ends with its verb */
	rc = out->rest ? lp_opts_parse(opts, words - 1, argv + 1, out->rest, &out->count, &dash, &err) : -ENOMEM;
	if (rc == 0) {
		int from = words < argc && strcmp(argv[words], "--") == 0 ? words + 1 : words;

		for (; from < argc; from++)
			out->rest[out->count++] = argv[from];
	}
	if (rc == 0 && (out->count < usage->least || (usage->most >= 0 && out->count > usage->most)))
		rc = lp_err_say(&err, -EINVAL, "%s: wrong number of arguments; usage: %s %s %s", argv[0], lp_oci_global.program, argv[0],
		    usage->synopsis);
	if (rc == 0)
		return true;
	(void)lp_oci_fail(&err);
	*status = strcmp(argv[0], "exec") == 0 ? LP_OCI_EXIT_EXEC : LP_OCI_EXIT_USAGE;
	return false;
}

/* ---- the program ---- */

static const struct lp_opt options[] = {
	{ "root", 0, LP_OPT_STR, &lp_oci_global.root, "DIR", "where the state of containers lives" },
	{ "log", 0, LP_OPT_STR, &lp_oci_global.log, "FILE", "where failures and warnings go, besides standard error" },
	{ "log-format", 0, LP_OPT_STR, &lp_oci_global.log_format, "text|json", "how they are written" },
	{ "debug", 0, LP_OPT_FLAG, &lp_oci_global.debug, NULL, "say more" },
	{ "cgroup-manager", 0, LP_OPT_STR, &lp_oci_global.cgroup_manager, "cgroupfs|systemd|disabled", "who makes cgroups (always ourselves)" },
	{ "systemd-cgroup", 0, LP_OPT_FLAG, &lp_oci_global.systemd, NULL, "cgroupsPath is SLICE:PREFIX:NAME" },
	{ "rootless", 0, LP_OPT_STR, &lp_oci_global.rootless, "auto|true|false", "whether the caller is no root" },
	{ "criu", 0, LP_OPT_STR, &(const char *){ NULL }, "PATH", "accepted, not used: there is no checkpoint" },
	{ "help", 'h', LP_OPT_FLAG, &lp_oci_global.help, NULL, "this text" },
	{ "version", 'v', LP_OPT_FLAG, &lp_oci_global.version, NULL, "versions of the runtime and of the specification" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static int
help(void)
{
	char text[1600];
	int len = snprintf(text, sizeof(text), "An OCI runtime, also when called as limpet-oci. Commands:\n");

	for (size_t i = 0; lp_oci_global.inside && i < lp_count(verbs); i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "  %s: %s\n", verbs[i].name, verbs[i].help);
	if (lp_oci_global.inside) {
		text[len - 1] = '\0';
		lp_opts_help("limpet oci [OPTION...] COMMAND [options]", text, options, "limpet oci run --bundle /var/bundles/web web");
		return 0;
	}
	(void)printf("NAME:\n   %s - Open Container Initiative runtime\n\nUsage: %s [OPTION...] COMMAND [options]\n\nCommands:\n",
	    lp_oci_global.program, lp_oci_global.program);
	for (size_t i = 0; i < lp_count(verbs); i++)
		(void)printf("   %-10s %s\n", verbs[i].name, verbs[i].help);
	(void)printf("\nOptions:\n");
	for (const struct lp_opt *opt = options; opt->name; opt++)
		(void)printf("   --%s%s%s\n          %s\n", opt->name, opt->value ? " " : "", opt->value ? opt->value : "", opt->help);
	return 0;
}

static int
version(void)
{
	/* Callers read the lines of runc: a release is built from the commit that bears its name. */
	(void)printf("%s version %s\ncommit: v%s\nspec: %s\nfeatures: +SECCOMP +CAP +CGROUP2 +IDMAP\n", lp_oci_global.program, LP_VERSION, LP_VERSION,
	    LP_OCI_VERSION);
	return 0;
}

static int
check_globals(struct lp_err *err)
{
	const struct lp_oci_global *global = &lp_oci_global;
	const char *colon = global->log ? strchr(global->log, ':') : NULL;

	if (strcmp(global->log_format, "text") != 0 && strcmp(global->log_format, "json") != 0)
		return lp_err_say(err, -EINVAL, "invalid log format: %.40s", global->log_format);
	if (colon && !memchr(global->log, '/', (size_t)(colon - global->log)) && !lp_text_starts(global->log, "file:"))
		return lp_err_say(err, -EINVAL, "unknown log type: %.40s", global->log);
	if (strcmp(global->cgroup_manager, "cgroupfs") != 0 && strcmp(global->cgroup_manager, "systemd") != 0 &&
	    strcmp(global->cgroup_manager, "disabled") != 0)
		return lp_err_say(err, -EINVAL, "unknown cgroup manager: %.40s", global->cgroup_manager);
	return 0;
}

/* /run for root; an ordinary user's own directory else, also when it is root in a user namespace of its own. */
static const char *
default_root(void)
{
	static char path[512];
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && runtime[0] != '/')
		runtime = NULL;
	if (geteuid() == 0 && !(runtime && lp_oci_rootless()))
		return "/run/limpet-oci";
	if (runtime)
		(void)snprintf(path, sizeof(path), "%s/limpet-oci", runtime);
	else
		(void)snprintf(path, sizeof(path), "/tmp/limpet-oci-%d", (int)geteuid());
	return path;
}

/* A relative root would mean another place for a hook that has another working directory. */
static const char *
absolute(const char *path)
{
	static char whole[4200];
	char cwd[2048];

	if (path[0] == '/' || !getcwd(cwd, sizeof(cwd)))
		return path;
	(void)snprintf(whole, sizeof(whole), "%s/%.2048s", cwd, path);
	return whole;
}

/* Is a process of a container cloned out of this one? */
static bool
clones(const char *verb)
{
	return strcmp(verb, "create") == 0 || strcmp(verb, "run") == 0 || strcmp(verb, "exec") == 0;
}

bool
lp_oci_is_verb(const char *name)
{
	for (size_t i = 0; i < lp_count(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return true;
	return false;
}

int
lp_oci_main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char **rest = calloc((size_t)argc + 1, sizeof(*rest));
	struct lp_err err = { 0 };
	int words, count, dash, rc;

	lp_oci_global.inside = strcmp(argv[0], "oci") == 0;
	lp_oci_global.program = lp_oci_global.inside ? "limpet-oci" : slash ? slash + 1 : argv[0];
	words = first_word(options, argc, argv);
	rc = rest ? lp_opts_parse(options, words - 1, argv + 1, rest, &count, &dash, &err) : lp_err_set(&err, -ENOMEM, "options");
	if (rc == 0 && lp_oci_global.version)
		return version();
	if (rc == 0 && (lp_oci_global.help || words == argc || strcmp(argv[words], "help") == 0))
		return help();
	if (rc == 0 && strcmp(argv[words], "version") == 0)
		return version();
	if (rc == 0)
		rc = check_globals(&err);
	if (rc < 0) {
		(void)lp_oci_fail(&err);
		return LP_OCI_EXIT_USAGE;
	}
	free(rest);
	/* Nothing in a container may reach a program that can be written (CVE-2019-5736). */
	if (clones(argv[words]) && lp_container_exe_seal(lp_oci_global.inside ? argv - 1 : argv, &err) < 0) {
		(void)lp_oci_fail(&err);
		return LP_OCI_EXIT_USAGE;
	}
	lp_oci_global.root = lp_oci_global.root ? absolute(lp_oci_global.root) : default_root();
	for (size_t i = 0; i < lp_count(verbs); i++)
		if (strcmp(verbs[i].name, argv[words]) == 0)
			return verbs[i].run(argc - words, argv + words);
	(void)lp_err_say(&err, -EINVAL, "No help topic for '%.40s': there is no such command; --help lists them", argv[words]);
	(void)lp_oci_fail(&err);
	return LP_OCI_EXIT_USAGE;
}

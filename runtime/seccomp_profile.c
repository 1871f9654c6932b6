#include "runtime/seccomp_profile.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/auto.h"
#include "base/text.h"
#include "runtime/runtime.h"

enum { RULES_MAX = 4096, NAMES_MAX = 4096, ARGS_MAX = 12, WORD = 40 };

/* ---- words ---- */

static const char actions[][WORD] = {
	[LP_SECCOMP_KILL_THREAD]  = "SCMP_ACT_KILL_THREAD",
	[LP_SECCOMP_KILL_PROCESS] = "SCMP_ACT_KILL_PROCESS",
	[LP_SECCOMP_TRAP]         = "SCMP_ACT_TRAP",
	[LP_SECCOMP_ERRNO]        = "SCMP_ACT_ERRNO",
	[LP_SECCOMP_TRACE]        = "SCMP_ACT_TRACE",
	[LP_SECCOMP_NOTIFY]       = "SCMP_ACT_NOTIFY",
	[LP_SECCOMP_LOG]          = "SCMP_ACT_LOG",
	[LP_SECCOMP_ALLOW]        = "SCMP_ACT_ALLOW",
	[LP_SECCOMP_ACTIONS]      = "SCMP_ACT_KILL",	/* the old name of the first */
};

static const char ops[][WORD] = {
	[LP_SECCOMP_NE]        = "SCMP_CMP_NE",
	[LP_SECCOMP_LT]        = "SCMP_CMP_LT",
	[LP_SECCOMP_LE]        = "SCMP_CMP_LE",
	[LP_SECCOMP_EQ]        = "SCMP_CMP_EQ",
	[LP_SECCOMP_GE]        = "SCMP_CMP_GE",
	[LP_SECCOMP_GT]        = "SCMP_CMP_GT",
	[LP_SECCOMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

/* In the order of their bits; the one between is not a profile's to say. */
static const char flags[][WORD] = {
	"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};
static const uint8_t flag_values[] = {
	SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

/* All that OCI knows, and Go's word for each, as docker-style files use it. */
static const struct {
	char name[24], go[12];
} archs[] = {
	{ "SCMP_ARCH_X86_64", "amd64" }, { "SCMP_ARCH_X86", "x86" }, { "SCMP_ARCH_X32", "x32" }, { "SCMP_ARCH_ARM", "arm" },
	{ "SCMP_ARCH_AARCH64", "arm64" }, { "SCMP_ARCH_MIPS", "mips" }, { "SCMP_ARCH_MIPS64", "mips64" },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32" }, { "SCMP_ARCH_MIPSEL", "mipsel" }, { "SCMP_ARCH_MIPSEL64", "mipsel64" },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32" }, { "SCMP_ARCH_PPC", "ppc" }, { "SCMP_ARCH_PPC64", "ppc64" },
	{ "SCMP_ARCH_PPC64LE", "ppc64le" }, { "SCMP_ARCH_S390", "s390" }, { "SCMP_ARCH_S390X", "s390x" },
	{ "SCMP_ARCH_PARISC", "parisc" }, { "SCMP_ARCH_PARISC64", "parisc64" }, { "SCMP_ARCH_RISCV64", "riscv64" },
	{ "SCMP_ARCH_LOONGARCH64", "loongarch64" }, { "SCMP_ARCH_M68K", "m68k" }, { "SCMP_ARCH_SH", "sh" }, { "SCMP_ARCH_SHEB", "sheb" },
};

#if defined(__x86_64__)
static const char native[] = "SCMP_ARCH_X86_64", native_go[] = "amd64";
#elif defined(__aarch64__)
static const char native[] = "SCMP_ARCH_AARCH64", native_go[] = "arm64";
#else
static const char native[] = "SCMP_ARCH_ARM", native_go[] = "arm";
#endif

const char *
lp_seccomp_action_name(size_t index)
{
	return index < lp_count(actions) ? actions[index] : NULL;
}

const char *
lp_seccomp_op_name(size_t index)
{
	return index < lp_count(ops) ? ops[index] : NULL;
}

const char *
lp_seccomp_flag_name(size_t index)
{
	return index < lp_count(flags) ? flags[index] : NULL;
}

const char *
lp_seccomp_arch_name(size_t index)
{
	return index < lp_count(archs) ? archs[index].name : NULL;
}

/* ---- reading ---- */

struct reader {
	struct lp_arena *arena;
	uint64_t caps;
	struct lp_err *err;
};

static int
find_word(const char (*words)[WORD], size_t count, const char *word)
{
	for (size_t i = 0; word && i < count; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

/* A member as text; "" when it is not there. */
static const char *
shown(const char *text)
{
	return text ? text : "";
}

static void *
room(struct reader *reader, size_t count, size_t size)
{
	void *found = lp_arena_alloc(reader->arena, (count + 1) * size);

	if (!found)
		(void)lp_err_set(reader->err, -ENOMEM, "seccomp profile");
	return found;
}

static int
read_action(struct reader *reader, const struct lp_json *object, const char *member, enum lp_seccomp_action *out)
{
	const char *word = lp_json_str(object, member);
	int found = find_word(actions, lp_count(actions), word);

	if (found < 0)
		return lp_err_say(reader->err, -EINVAL, "%s: \"%.40s\" is not an action", member, shown(word));
	*out = found == LP_SECCOMP_ACTIONS ? LP_SECCOMP_KILL_THREAD : (enum lp_seccomp_action)found;
	return 0;
}

static int
read_errno(struct reader *reader, const struct lp_json *object, const char *member, int32_t *out)
{
	const struct lp_json *value = lp_json_get(object, member);

	*out = LP_SECCOMP_ERRNO_UNSET;
	if (!value || value->type == LP_JSON_NULL)
		return 0;
	if (value->type != LP_JSON_INT || value->integer < 0 || value->integer > 4095)
		return lp_err_say(reader->err, -EINVAL, "%s: 0 to 4095 is expected", member);
	*out = (int32_t)value->integer;
	return 0;
}

/* Strings of an array, NULL and 0 when it is not there. */
static int
read_strings(struct reader *reader, const struct lp_json *array, const char *member, const char *const **out, size_t *out_count)
{
	size_t count = lp_json_count(array), n = 0;
	const char **texts;

	*out = NULL;
	*out_count = 0;
	if (count == 0)
		return 0;
	if (array->type != LP_JSON_ARRAY || count > NAMES_MAX)
		return lp_err_say(reader->err, -EINVAL, "%s: a list of at most %d is expected", member, NAMES_MAX);
	texts = room(reader, count, sizeof(*texts));
	if (!texts)
		return -ENOMEM;
	lp_json_each(item, array) {
		const char *text = lp_json_text(item);

		if (!text)
			return lp_err_say(reader->err, -EINVAL, "%s: text is expected", member);
		texts[n++] = lp_arena_str(reader->arena, text);
	}
	if (reader->arena->failed)
		return lp_err_set(reader->err, -ENOMEM, "seccomp profile");
	*out = texts;
	*out_count = n;
	return 0;
}

/* Up to 2^64 - 1: what does not fit an int64 is kept as it was written. */
static int
read_u64(struct reader *reader, const struct lp_json *object, const char *member, uint64_t *out)
{
	const struct lp_json *value = lp_json_get(object, member);

	*out = 0;
	if (!value || value->type == LP_JSON_NULL)
		return 0;
	if (value->type == LP_JSON_INT && value->integer >= 0)
		*out = (uint64_t)value->integer;
	else if (value->type != LP_JSON_DOUBLE || lp_text_u64(value->text, UINT64_MAX, out) < 0)
		return lp_err_say(reader->err, -EINVAL, "args.%s: a whole number below 2^64 is expected", member);
	return 0;
}

static int
read_args(struct reader *reader, const struct lp_json *array, struct lp_seccomp_rule *out)
{
	size_t count = lp_json_count(array), n = 0;
	struct lp_seccomp_arg *args;

	if (count == 0)
		return 0;
	if (array->type != LP_JSON_ARRAY || count > ARGS_MAX)
		return lp_err_say(reader->err, -EINVAL, "args: a list of at most %d is expected", ARGS_MAX);
	args = room(reader, count, sizeof(*args));
	if (!args)
		return -ENOMEM;
	lp_json_each(item, array) {
		struct lp_seccomp_arg *arg = &args[n++];
		int op = find_word(ops, lp_count(ops), lp_json_str(item, "op"));
		int64_t index = lp_json_int(item, "index", 0);
		int rc = read_u64(reader, item, "value", &arg->value);

		if (rc == 0)
			rc = read_u64(reader, item, "valueTwo", &arg->value_two);
		if (rc < 0)
			return rc;
		if (op < 0)
			return lp_err_say(reader->err, -EINVAL, "args.op: \"%.40s\" is not an operator", shown(lp_json_str(item, "op")));
		if (index < 0 || index > 5)
			return lp_err_say(reader->err, -EINVAL, "args.index: %" PRId64 " is not 0 to 5", index);
		arg->op = (enum lp_seccomp_op)op;
		arg->index = (uint32_t)index;
	}
	out->args = args;
	out->arg_count = n;
	return 0;
}

/* ---- docker-style conditions ---- */

static bool
has_capability(const struct reader *reader, const struct lp_json *name)
{
	uint64_t bit;

	return lp_json_text(name) && lp_caps_parse(lp_json_text(name), &bit) == 0 && (reader->caps & bit) == bit;
}

/* Is the running kernel at least "4.8"? */
static bool
kernel_is(const char *least)
{
	struct utsname name;
	unsigned long have[2] = { 0, 0 }, want[2] = { 0, 0 };
	char *end;

	if (uname(&name) < 0)
		return false;
	have[0] = strtoul(name.release, &end, 10);
	have[1] = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	want[0] = strtoul(least, &end, 10);
	want[1] = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return have[0] != want[0] ? have[0] > want[0] : have[1] >= want[1];
}

static bool
is_native(const struct lp_json *array)
{
	lp_json_each(item, array)
		if (lp_text_same(lp_json_text(item), native_go))
			return true;
	return false;
}

/* "includes" must all be true; of "excludes" any one is enough. Source: moby profiles/seccomp. */
static bool
applies(const struct reader *reader, const struct lp_json *rule)
{
	const struct lp_json *wanted = lp_json_get(rule, "includes"), *unwanted = lp_json_get(rule, "excludes");
	const char *least = lp_json_str(wanted, "minKernel"), *not_from = lp_json_str(unwanted, "minKernel");

	lp_json_each(name, lp_json_get(wanted, "caps"))
		if (!has_capability(reader, name))
			return false;
	lp_json_each(name, lp_json_get(unwanted, "caps"))
		if (has_capability(reader, name))
			return false;
	if (lp_json_count(lp_json_get(wanted, "arches")) && !is_native(lp_json_get(wanted, "arches")))
		return false;
	if (is_native(lp_json_get(unwanted, "arches")))
		return false;
	return (!least || kernel_is(least)) && (!not_from || !kernel_is(not_from));
}

/* ---- rules, architectures, flags ---- */

static int
read_rule(struct reader *reader, const struct lp_json *object, struct lp_seccomp_rule *out)
{
	const char *single = lp_json_str(object, "name");
	int rc = read_strings(reader, lp_json_get(object, "names"), "names", &out->names, &out->name_count);

	if (rc == 0 && out->name_count == 0) {
		const char **one = single ? room(reader, 1, sizeof(*one)) : NULL;

		if (!single)
			return lp_err_say(reader->err, -EINVAL, "names: a rule names at least one call");
		if (!one)
			return -ENOMEM;
		one[0] = lp_arena_str(reader->arena, single);
		if (!one[0])
			return lp_err_set(reader->err, -ENOMEM, "seccomp profile");
		out->names = one;
		out->name_count = 1;
	}
	if (rc == 0)
		rc = read_action(reader, object, "action", &out->action);
	if (rc == 0)
		rc = read_errno(reader, object, "errnoRet", &out->errno_ret);
	return rc < 0 ? rc : read_args(reader, lp_json_get(object, "args"), out);
}

static int
read_rules(struct reader *reader, const struct lp_json *array, struct lp_seccomp_profile *out)
{
	size_t count = lp_json_count(array), n = 0, at = 0;
	struct lp_seccomp_rule *rules;

	if (count == 0)
		return 0;
	if (array->type != LP_JSON_ARRAY || count > RULES_MAX)
		return lp_err_say(reader->err, -EINVAL, "syscalls: a list of at most %d is expected", RULES_MAX);
	rules = room(reader, count, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	lp_json_each(item, array) {
		int rc = applies(reader, item) ? read_rule(reader, item, &rules[n++]) : 0;

		if (rc < 0)
			return lp_err_wrap(reader->err, "syscalls[%zu]", at);
		at++;
	}
	out->rules = rules;
	out->rule_count = n;
	return 0;
}

static int
check_archs(struct reader *reader, const struct lp_seccomp_profile *profile)
{
	for (size_t i = 0; i < profile->arch_count; i++) {
		size_t a = 0;

		while (a < lp_count(archs) && strcmp(archs[a].name, profile->archs[i]) != 0 && strcmp(archs[a].go, profile->archs[i]) != 0)
			a++;
		if (a == lp_count(archs))
			return lp_err_say(reader->err, -EINVAL, "architectures: \"%.40s\" is none", profile->archs[i]);
		((const char **)(uintptr_t)profile->archs)[i] = archs[a].name;	/* our own list; one spelling from here on */
	}
	return 0;
}

/* "architectures", or of "archMap" the row of this machine. */
static int
read_archs(struct reader *reader, const struct lp_json *json, struct lp_seccomp_profile *out)
{
	int rc = read_strings(reader, lp_json_get(json, "architectures"), "architectures", &out->archs, &out->arch_count);

	lp_json_each(row, lp_json_get(json, "archMap"))
		if (rc == 0 && out->arch_count == 0 && lp_text_same(lp_json_str(row, "architecture"), native))
			rc = read_strings(reader, lp_json_get(row, "subArchitectures"), "archMap", &out->archs, &out->arch_count);
	return rc < 0 ? rc : check_archs(reader, out);
}

static int
read_flags(struct reader *reader, const struct lp_json *array, uint32_t *out)
{
	*out = 0;
	lp_json_each(item, array) {
		int found = find_word(flags, lp_count(flags), lp_json_text(item));

		if (found < 0)
			return lp_err_say(reader->err, -EINVAL, "flags: \"%.60s\" is none", shown(lp_json_text(item)));
		*out |= flag_values[found];
	}
	return 0;
}

static const char *
keep_text(struct reader *reader, const char *text)
{
	return text && text[0] ? lp_arena_str(reader->arena, text) : NULL;
}

int
lp_seccomp_profile_read(struct lp_arena *arena, const struct lp_json *json, uint64_t caps, struct lp_seccomp_profile *out,
    struct lp_err *err)
{
	struct reader reader = { arena, caps, err };
	struct lp_seccomp_profile profile;
	int rc;

	memset(&profile, 0, sizeof(profile));
	if (!json || json->type != LP_JSON_OBJECT)
		return lp_err_say(err, -EINVAL, "a seccomp profile is an object");
	rc = read_action(&reader, json, "defaultAction", &profile.default_action);
	if (rc == 0)
		rc = read_errno(&reader, json, "defaultErrnoRet", &profile.default_errno);
	if (rc == 0)
		rc = read_archs(&reader, json, &profile);
	if (rc == 0)
		rc = read_flags(&reader, lp_json_get(json, "flags"), &profile.flags);
	if (rc == 0)
		rc = read_rules(&reader, lp_json_get(json, "syscalls"), &profile);
	if (rc < 0)
		return rc;
	profile.listener_path = keep_text(&reader, lp_json_str(json, "listenerPath"));
	profile.listener_metadata = keep_text(&reader, lp_json_str(json, "listenerMetadata"));
	if (arena->failed)
		return lp_err_set(err, -ENOMEM, "seccomp profile");
	*out = profile;
	return 0;
}

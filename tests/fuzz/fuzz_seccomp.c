/*
 * tests/fuzz/fuzz_seccomp.c - seccomp profiles: whatever is read becomes a filter that the kernel would take, or is refused in words.
 */
#include <assert.h>
#include <linux/filter.h>
#include <stdint.h>

#include "base/json.h"
#include "runtime/seccomp_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Every jump leads forward and inside, and the last instruction returns: what the kernel checks first. */
static void
check_filter(const struct sock_filter *insns, size_t count)
{
	assert(count > 0 && count <= BPF_MAXINSNS);
	assert(BPF_CLASS(insns[count - 1].code) == BPF_RET);
	for (size_t i = 0; i < count; i++) {
		if (BPF_CLASS(insns[i].code) != BPF_JMP)
			continue;
		if (BPF_OP(insns[i].code) == BPF_JA)
			assert(i + 1 + insns[i].k < count);
		else
			assert(i + 1 + insns[i].jt < count && i + 1 + insns[i].jf < count);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf out;
	struct lp_seccomp_profile profile;
	struct lp_json *json;
	struct lp_err err = { 0 };
	uint32_t flags;

	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&out, 64 * 1024);
	if (len > 64 * 1024 || lp_json_parse(&arena, (const char *)data, len, NULL, &json, &err) < 0)
		return 0;
	if (lp_seccomp_profile_read(&arena, json, 0xa80425fb, &profile, &err) < 0) {
		assert(err.text[0]);
		return 0;
	}
	if (lp_seccomp_compile(&profile, &out, &flags, &err) < 0) {
		assert(err.text[0]);
		return 0;
	}
	check_filter((const struct sock_filter *)(const void *)out.data, out.len / sizeof(struct sock_filter));
	return 0;
}

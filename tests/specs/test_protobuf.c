#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/protobuf.h"
#include "tests/harness.h"

/* What kubectl 1.32 sent for: create configmap pb1 --from-literal=a=b --from-literal=e= */
static const char configmap[] =
    "6b3873000a0f0a0276311209436f6e6669674d617012240a130a0370623112001a0022002a0032003800420012060a016112016212050a016512001a002200";
/* ... create service nodeport pb5 --tcp=80:8080 */
static const char service[] =
    "6b3873000a0d0a02763112075365727669636512680a1f0a0370623512001a0022002a003200380042005a0a0a03617070120370623512410a1b0a0738302d"
    "38303830120354435018502207080010903f1a002800120a0a0361707012037062351a0022084e6f6465506f72743a00420052005a00600068001a020a001a"
    "002200";

static struct lp_arena arena;

static struct lp_json *
decode_hex(const char *hex)
{
	size_t len = strlen(hex) / 2;
	unsigned char *bytes = lp_arena_alloc(&arena, len);
	struct lp_json *out;
	struct lp_err err;

	CHECK_OK(lp_text_unhex(hex, bytes, len), NULL);
	CHECK_OK(lp_protobuf_decode(&arena, bytes, len, &out, &err), &err);
	return out;
}

static const char *
print(const struct lp_json *json)
{
	static struct lp_buf text;

	lp_buf_fini(&text);
	lp_buf_init(&text, 1 << 20);
	CHECK_OK(lp_json_write(&text, json), NULL);
	return text.data;
}

/* ---- a small encoder */

static void
put_varint(struct lp_buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		lp_buf_u8(out, (uint8_t)(value | 0x80));
	lp_buf_u8(out, (uint8_t)value);
}

static void
put_number(struct lp_buf *out, unsigned field, uint64_t value)
{
	put_varint(out, field << 3);
	put_varint(out, value);
}

static void
put_text(struct lp_buf *out, unsigned field, const char *text)
{
	put_varint(out, field << 3 | 2);
	put_varint(out, strlen(text));
	lp_buf_str(out, text);
}

/* Puts `inner` as field of out and empties it. */
static void
put_message(struct lp_buf *out, unsigned field, struct lp_buf *inner)
{
	put_varint(out, field << 3 | 2);
	put_varint(out, inner->len);
	lp_buf_add(out, lp_buf_text(inner), inner->len);
	lp_buf_reset(inner);
}

static int
decode_object(const char *kind, struct lp_buf *object, struct lp_json **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf all = { 0 };
	lp_auto_buf struct lp_buf type = { 0 };

	lp_buf_init(&all, 1 << 20);
	lp_buf_init(&type, 1 << 20);
	lp_buf_add(&all, "k8s", 4);
	put_text(&type, 1, "v1");
	put_text(&type, 2, kind);
	put_message(&all, 1, &type);
	put_message(&all, 2, object);
	return lp_protobuf_decode(&arena, all.data, all.len, out, err);
}

TEST(what_kubectl_sends_for_a_configmap_is_read)
{
	lp_arena_init(&arena, 1 << 20);
	CHECK_STR(print(decode_hex(configmap)),
	    "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"pb1\"},\"data\":{\"a\":\"b\",\"e\":\"\"}}");
}

TEST(what_kubectl_sends_for_a_service_is_read)
{
	struct lp_json *json;

	lp_arena_init(&arena, 1 << 20);
	json = decode_hex(service);
	CHECK_STR(lp_json_str(json, "spec.type"), "NodePort");
	CHECK_STR(lp_json_str(json, "spec.selector.app"), "pb5");
	CHECK_STR(print(lp_json_path(json, "spec.ports")), "[{\"name\":\"80-8080\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":8080}]");
}

TEST(inlined_messages_quantities_and_pointers_take_their_json_forms)
{
	lp_auto_buf struct lp_buf pod = { .max = 1 << 20 };
	lp_auto_buf struct lp_buf spec = { .max = 1 << 20 };
	lp_auto_buf struct lp_buf one = { .max = 1 << 20 };
	lp_auto_buf struct lp_buf two = { .max = 1 << 20 };
	lp_auto_buf struct lp_buf three = { .max = 1 << 20 };
	struct lp_json *json;
	struct lp_err err;

	lp_arena_init(&arena, 1 << 20);
	/* volume {1 name, 2 inlined {2 emptyDir {1 medium}}} */
	put_text(&three, 1, "Memory");
	put_message(&two, 2, &three);
	put_text(&one, 1, "v");
	put_message(&one, 2, &two);
	put_message(&spec, 1, &one);
	/* container {1 name, 2 image, 8 resources {1 limits {1 key, 2 quantity {1 text}}}} */
	put_text(&three, 1, "64Mi");
	put_text(&two, 1, "memory");
	put_message(&two, 2, &three);
	put_message(&three, 1, &two);
	put_text(&one, 1, "c");
	put_text(&one, 2, "i:1");
	put_message(&one, 8, &three);
	put_message(&spec, 2, &one);
	put_number(&spec, 4, 0);		/* terminationGracePeriodSeconds: a pointer */
	put_number(&spec, 11, 0);		/* hostNetwork: none */
	put_message(&pod, 2, &spec);
	CHECK_OK(decode_object("Pod", &pod, &json, &err), &err);
	CHECK_STR(print(lp_json_get(json, "spec")), "{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"Memory\"}}],"
	    "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"resources\":{\"limits\":{\"memory\":\"64Mi\"}}}],"
	    "\"terminationGracePeriodSeconds\":0}");
}

TEST(unknown_numbers_are_skipped_and_unknown_kinds_named)
{
	lp_auto_buf struct lp_buf object = { .max = 1 << 20 };
	struct lp_json *json;
	struct lp_err err;

	lp_arena_init(&arena, 1 << 20);
	put_text(&object, 900, "later");
	put_number(&object, 901, 7);
	CHECK_OK(decode_object("ConfigMap", &object, &json, &err), &err);
	CHECK_STR(print(json), "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"}");
	CHECK_ERR(decode_object("Nonsense", &object, &json, &err), -ENOENT);
	CHECK_HAS(err.text, "no kind \"Nonsense\"");
}

TEST(damaged_documents_are_refused)
{
	unsigned char bytes[sizeof(configmap) / 2];
	struct lp_json *json;
	struct lp_err err;
	size_t len = strlen(configmap) / 2;

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(lp_text_unhex(configmap, bytes, len), NULL);
	for (size_t cut = 0; cut < 21; cut++)
		CHECK(lp_protobuf_decode(&arena, bytes, cut, &json, &err) < 0);
	bytes[0x1a] = 0x7f;		/* a name longer than its message */
	CHECK_ERR(lp_protobuf_decode(&arena, bytes, len, &json, &err), -EINVAL);
	CHECK_ERR(lp_protobuf_decode(&arena, "{\"a\":1}", 7, &json, &err), -EINVAL);
}

TEST(a_text_that_json_cannot_hold_is_refused)
{
	lp_auto_buf struct lp_buf object = { .max = 1 << 20 };
	lp_auto_buf struct lp_buf meta = { .max = 1 << 20 };
	struct lp_json *json;
	struct lp_err err;

	lp_arena_init(&arena, 1 << 20);
	put_text(&meta, 1, "\xff\xfe");
	put_message(&object, 1, &meta);
	CHECK_ERR(decode_object("ConfigMap", &object, &json, &err), -EINVAL);
	CHECK_HAS(err.text, "UTF-8");
}

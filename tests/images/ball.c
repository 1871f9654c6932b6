#include "tests/images/ball.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "images/manifest.h"
#include "tests/harness.h"

static void
pad(struct lp_buf *tar)
{
	static const char zeros[512];

	if (tar->len % 512)
		CHECK_OK(lp_buf_add(tar, zeros, 512 - tar->len % 512), NULL);
}

void
lp_ball_entry(struct lp_buf *tar, char flag, const char *name, const char *target, uint32_t mode, const void *content, size_t len)
{
	char block[512] = { 0 };
	unsigned sum = 0;

	CHECK(strlen(name) <= 100);
	memcpy(block, name, strlen(name));
	(void)snprintf(block + 100, 8, "%07o", mode);
	(void)snprintf(block + 108, 8, "%07o", 0);
	(void)snprintf(block + 116, 8, "%07o", 0);
	(void)snprintf(block + 124, 12, "%011llo", (unsigned long long)len);
	(void)snprintf(block + 136, 12, "%011o", 1700000000);
	block[156] = flag;
	if (target)
		memcpy(block + 157, target, strlen(target) < 100 ? strlen(target) : 100);
	memcpy(block + 257, "ustar\0" "00", 8);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	(void)snprintf(block + 148, 8, "%06o", sum);
	CHECK_OK(lp_buf_add(tar, block, sizeof(block)), NULL);
	if (len)
		CHECK_OK(lp_buf_add(tar, content, len), NULL);
	pad(tar);
}

void
lp_ball_file(struct lp_buf *tar, const char *name, const char *content)
{
	lp_ball_entry(tar, '0', name, NULL, 0644, content, strlen(content));
}

void
lp_ball_dir(struct lp_buf *tar, const char *name)
{
	lp_ball_entry(tar, '5', name, NULL, 0755, NULL, 0);
}

void
lp_ball_pax(struct lp_buf *tar, const char *key, const char *value, ...)
{
	lp_auto_buf struct lp_buf records;
	va_list args;

	lp_buf_init(&records, 1 << 20);
	va_start(args, value);
	while (key) {
		size_t body = strlen(key) + strlen(value) + 3, len = body + 1;
		char digits[24];

		while (len != body + (size_t)snprintf(digits, sizeof(digits), "%zu", len))
			len++;
		CHECK_OK(lp_buf_printf(&records, "%zu %s=%s\n", len, key, value), NULL);
		key = va_arg(args, const char *);
		value = key ? va_arg(args, const char *) : NULL;
	}
	va_end(args);
	lp_ball_entry(tar, 'x', "PaxHeaders/x", NULL, 0644, records.data, records.len);
}

void
lp_ball_end(struct lp_buf *tar)
{
	static const char zeros[1024];

	CHECK_OK(lp_buf_add(tar, zeros, sizeof(zeros)), NULL);
}

void
lp_ball_gzip(const struct lp_buf *from, struct lp_buf *to)
{
	z_stream z = { 0 };
	uLong most;

	CHECK_INT(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	most = deflateBound(&z, from->len);
	z.next_in = (unsigned char *)from->data;
	z.avail_in = (uInt)from->len;
	z.next_out = (unsigned char *)lp_buf_room(to, most);
	z.avail_out = (uInt)most;
	CHECK(z.next_out != NULL);
	CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
	lp_buf_added(to, z.total_out);
	CHECK_INT(deflateEnd(&z), Z_OK);
}

void
lp_ball_zstd(const struct lp_buf *from, struct lp_buf *to)
{
	size_t most = ZSTD_compressBound(from->len), len;
	char *room = lp_buf_room(to, most);

	CHECK(room != NULL);
	len = ZSTD_compress(room, most, from->data, from->len, 1);
	CHECK(!ZSTD_isError(len));
	lp_buf_added(to, len);
}

void
lp_ball_config(struct lp_buf *out, const char *diff_id)
{
	CHECK_OK(lp_buf_printf(out,
	    "{\"architecture\":\"%s\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05Z\",\"config\":{\"User\":\"1000:1000\","
	    "\"Env\":[\"PATH=/bin\",\"A=b\"],\"Entrypoint\":[\"/bin/app\"],\"Cmd\":[\"--serve\"],\"WorkingDir\":\"/srv\","
	    "\"StopSignal\":\"SIGINT\",\"ExposedPorts\":{\"3000/tcp\":{}},\"Volumes\":{\"/data\":{}},\"Labels\":{\"a.b/c\":\"d\"}},"
	    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
	    lp_manifest_machine(), diff_id), NULL);
}

void
lp_ball_docker(struct lp_buf *out, const char *name, const struct lp_buf *layer)
{
	lp_auto_buf struct lp_buf config, manifest;
	char diff_id[LP_DIGEST_TEXT];

	lp_buf_init(&config, 1 << 20);
	lp_buf_init(&manifest, 1 << 20);
	lp_digest_print(layer->data, layer->len, diff_id);
	lp_ball_config(&config, diff_id);
	lp_ball_entry(out, '0', "0123/layer.tar", NULL, 0644, layer->data, layer->len);
	lp_ball_file(out, "config.json", config.data);
	CHECK_OK(lp_buf_printf(&manifest, "[{\"Config\":\"config.json\",\"RepoTags\":%s%s%s,\"Layers\":[\"0123/layer.tar\"]}]", name ? "[\"" : "",
	    name ? name : "null", name ? "\"]" : ""), NULL);
	lp_ball_file(out, "manifest.json", manifest.data);
	lp_ball_end(out);
}

/* Add a blob to the layout; out_digest is its digest. */
static void
add_blob(struct lp_buf *out, const struct lp_buf *bytes, char out_digest[static LP_DIGEST_TEXT])
{
	char name[100];

	lp_digest_print(bytes->data, bytes->len, out_digest);
	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", out_digest + 7);
	lp_ball_entry(out, '0', name, NULL, 0644, bytes->data, bytes->len);
}

void
lp_ball_oci(struct lp_buf *out, const char *name, const struct lp_buf *layer, char packed)
{
	lp_auto_buf struct lp_buf config, manifest, index, body;
	char diff_id[LP_DIGEST_TEXT], digest[LP_DIGEST_TEXT], config_digest[LP_DIGEST_TEXT];

	lp_buf_init(&config, 1 << 20);
	lp_buf_init(&manifest, 1 << 20);
	lp_buf_init(&index, 1 << 20);
	lp_buf_init(&body, (size_t)64 << 20);
	lp_digest_print(layer->data, layer->len, diff_id);
	if (packed == 'g')
		lp_ball_gzip(layer, &body);
	else if (packed == 'z')
		lp_ball_zstd(layer, &body);
	else
		CHECK_OK(lp_buf_add(&body, layer->data, layer->len), NULL);
	lp_ball_file(out, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	add_blob(out, &body, digest);
	lp_ball_config(&config, diff_id);
	add_blob(out, &config, config_digest);
	CHECK_OK(lp_buf_printf(&manifest,
	    "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"digest\":\"%s\",\"size\":%zu}]}", config_digest,
	    config.len, digest, body.len), NULL);
	add_blob(out, &manifest, digest);
	CHECK_OK(lp_buf_printf(&index,
	    "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\",\"size\":%zu,\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}]}",
	    digest, manifest.len, name), NULL);
	lp_ball_file(out, "index.json", index.data);
	lp_ball_end(out);
}

int
lp_ball_open(const char *name, const struct lp_buf *bytes)
{
	int fd = open(lp_test_file(name, bytes->data, bytes->len), O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/seam.h"

enum { FIRST_BYTES = 64 };

void
lp_buf_init(struct lp_buf *buf, size_t max)
{
	/* "No ceiling" must leave room for the sums below. */
	*buf = (struct lp_buf){ .max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2 };
}

void
lp_buf_fini(struct lp_buf *buf)
{
	free(buf->data);
	lp_buf_init(buf, buf->max);
}

void
lp_buf_reset(struct lp_buf *buf)
{
	buf->len = 0;
	buf->failed = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

char *
lp_buf_room(struct lp_buf *buf, size_t len)
{
	size_t size = buf->size ? buf->size : FIRST_BYTES;
	char *data;

	if (buf->failed)
		return NULL;
	if (len > buf->max || buf->len > buf->max - len) {
		buf->failed = -EMSGSIZE;
		return NULL;
	}
	if (buf->len + len < buf->size)
		return buf->data + buf->len;
	while (size <= buf->len + len)
		size = size < 65536 ? size * 2 : size + size / 2;
	if (size > buf->max + 1)
		size = buf->max + 1;
	data = lp_seam.grow(buf->data, size);
	if (!data) {
		buf->failed = -ENOMEM;
		return NULL;
	}
	buf->data = data;
	buf->size = size;
	data[buf->len] = '\0';	/* also when nothing gets added */
	return data + buf->len;
}

void
lp_buf_added(struct lp_buf *buf, size_t len)
{
	buf->len += len;
	buf->data[buf->len] = '\0';
}

int
lp_buf_add(struct lp_buf *buf, const void *data, size_t len)
{
	char *at = lp_buf_room(buf, len);

	if (!at)
		return buf->failed;
	if (len > 0)
		memcpy(at, data, len);
	lp_buf_added(buf, len);
	return 0;
}

int
lp_buf_str(struct lp_buf *buf, const char *text)
{
	return lp_buf_add(buf, text, strlen(text));
}

int
lp_buf_char(struct lp_buf *buf, char c)
{
	return lp_buf_add(buf, &c, 1);
}

int
lp_buf_vprintf(struct lp_buf *buf, const char *fmt, va_list args)
{
	va_list again;
	char *at;
	int len;

	if (buf->failed)
		return buf->failed;
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return buf->failed = -EINVAL;
	at = lp_buf_room(buf, (size_t)len);
	if (!at)
		return buf->failed;
	(void)vsnprintf(at, (size_t)len + 1, fmt, args);
	lp_buf_added(buf, (size_t)len);
	return 0;
}

int
lp_buf_printf(struct lp_buf *buf, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = lp_buf_vprintf(buf, fmt, args);
	va_end(args);
	return rc;
}

static int
add_big_endian(struct lp_buf *buf, uint64_t v, unsigned bytes)
{
	uint8_t out[8];

	for (unsigned i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	return lp_buf_add(buf, out, bytes);
}

int
lp_buf_u8(struct lp_buf *buf, uint8_t v)
{
	return add_big_endian(buf, v, 1);
}

int
lp_buf_u16(struct lp_buf *buf, uint16_t v)
{
	return add_big_endian(buf, v, 2);
}

int
lp_buf_u32(struct lp_buf *buf, uint32_t v)
{
	return add_big_endian(buf, v, 4);
}

int
lp_buf_u64(struct lp_buf *buf, uint64_t v)
{
	return add_big_endian(buf, v, 8);
}

void
lp_buf_consume(struct lp_buf *buf, size_t len)
{
	if (len > buf->len)
		len = buf->len;
	if (len == 0)
		return;
	memmove(buf->data, buf->data + len, buf->len - len + 1);
	buf->len -= len;
}

char *
lp_buf_take(struct lp_buf *buf, size_t *out_len)
{
	char *data;

	if (!buf->data && !lp_buf_room(buf, 0))
		return NULL;
	data = buf->data;
	data[buf->len] = '\0';
	if (out_len)
		*out_len = buf->len;
	lp_buf_init(buf, buf->max);
	return data;
}

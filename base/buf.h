/*
 * base/buf.h - growing bytes with a ceiling that the owner chose.
 *
 * Shape   data is NUL-terminated whenever it is not NULL; len does not count the NUL
 * Errors  sticky: once -ENOMEM or -EMSGSIZE (ceiling) is set in `failed`, later additions do nothing and return it,
 *         so a writer checks once at its end
 */
#ifndef LP_BASE_BUF_H
#define LP_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct lp_buf {
	char *data;		/* NULL while nothing was added */
	size_t len, size, max;	/* bytes used, allocated, allowed */
	int failed;		/* 0, -ENOMEM, -EMSGSIZE */
};

void lp_buf_init(struct lp_buf *buf, size_t max);
void lp_buf_fini(struct lp_buf *buf);

/* Empty, memory kept, failure forgotten. */
void lp_buf_reset(struct lp_buf *buf);

int lp_buf_add(struct lp_buf *buf, const void *data, size_t len);
int lp_buf_str(struct lp_buf *buf, const char *text);
int lp_buf_char(struct lp_buf *buf, char c);
int lp_buf_printf(struct lp_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int lp_buf_vprintf(struct lp_buf *buf, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

/* Big-endian integers, for wire formats. */
int lp_buf_u8(struct lp_buf *buf, uint8_t v);
int lp_buf_u16(struct lp_buf *buf, uint16_t v);
int lp_buf_u32(struct lp_buf *buf, uint32_t v);
int lp_buf_u64(struct lp_buf *buf, uint64_t v);

/* Room for `len` more bytes; returns where to write them, NULL on failure. Follow with lp_buf_added. */
char *lp_buf_room(struct lp_buf *buf, size_t len);
void lp_buf_added(struct lp_buf *buf, size_t len);

/* Drop `len` bytes from the front. */
void lp_buf_consume(struct lp_buf *buf, size_t len);

/* Hand the bytes over (malloc'ed, NUL-terminated, never NULL unless out of memory); the buffer is empty afterwards. */
char *lp_buf_take(struct lp_buf *buf, size_t *out_len);

/* "" instead of NULL. */
static inline const char *
lp_buf_text(const struct lp_buf *buf)
{
	return buf->data ? buf->data : "";
}

#define lp_auto_buf __attribute__((cleanup(lp_buf_fini)))

#endif

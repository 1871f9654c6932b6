#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *
lp_err_words(int code)
{
	const char *words = strerrordesc_np(code < 0 ? -code : code);

	return words ? words : "unknown error";
}

/* A message is one line: what came from outside may hold control bytes. */
static void
flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

static int
set(struct lp_err *err, int code, bool add_words, const char *fmt, va_list args)
{
	size_t len;

	if (code > 0)
		code = -code;
	if (code == 0)
		code = -EIO;	/* a failure without a number is still a failure */
	if (!err)
		return code;

	err->code = code;
	(void)vsnprintf(err->text, sizeof(err->text), fmt, args);	/* cutting a long text is fine */
	len = strlen(err->text);
	if (add_words && len + 3 < sizeof(err->text))
		(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", lp_err_words(code));
	flatten(err->text);
	return code;
}

int
lp_err_set(struct lp_err *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	code = set(err, code, true, fmt, args);
	va_end(args);
	return code;
}

int
lp_err_say(struct lp_err *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	code = set(err, code, false, fmt, args);
	va_end(args);
	return code;
}

int
lp_err_wrap(struct lp_err *err, const char *fmt, ...)
{
	char old[LP_ERR_TEXT];
	size_t len;
	va_list args;

	if (!err)
		return -EIO;
	memcpy(old, err->text, sizeof(old));
	va_start(args, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	flatten(err->text);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return err->code ? err->code : -EIO;
}

void
lp_err_clear(struct lp_err *err)
{
	if (err)
		*err = (struct lp_err){ 0 };
}

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"

enum { LINE_MAX_BYTES = 1000, LIMIT_LINES = 10, LIMIT_WINDOW_MS = 10000 };

static const char *const names[] = {
	[LP_LOG_DEBUG] = "DEBUG",
	[LP_LOG_INFO] = "INFO",
	[LP_LOG_WARN] = "WARN",
	[LP_LOG_ERROR] = "ERROR",
};

static int log_fd = 2;
static enum lp_log_level log_least = LP_LOG_INFO;

void
lp_log_init(int fd, enum lp_log_level least)
{
	log_fd = fd;
	log_least = least;
}

int
lp_log_level_parse(const char *name, enum lp_log_level *out)
{
	for (size_t i = 0; i < lp_count(names); i++) {
		if (strcasecmp(names[i], name) == 0) {
			*out = (enum lp_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void
lp_log(enum lp_log_level level, const char *sentence, const char *facts, ...)
{
	char line[LINE_MAX_BYTES + 2], when[LP_CLOCK_TEXT];
	size_t len;
	va_list args;

	if (level < log_least)
		return;
	lp_clock_print(lp_clock_wall_ms(), when);
	(void)snprintf(line, LINE_MAX_BYTES, "%s %s %s ", when, names[level], sentence);
	len = strlen(line);
	va_start(args, facts);
	(void)vsnprintf(line + len, LINE_MAX_BYTES - len, facts, args);
	va_end(args);

	len = strlen(line);
	while (len > 0 && line[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20)
			line[i] = ' ';
	line[len++] = '\n';
	(void)!write(log_fd, line, len);	/* there is nowhere to complain about a failed log line */
}

int
lp_log_allowed(struct lp_log_limit *limit)
{
	int64_t now_ms = lp_clock_boot_ms();

	if (now_ms - limit->window_ms >= LIMIT_WINDOW_MS) {
		if (limit->held > 0)
			lp_log(LP_LOG_WARN, "log lines were held back", "lines=%u", limit->held);
		*limit = (struct lp_log_limit){ .window_ms = now_ms };
	}
	if (limit->said >= LIMIT_LINES) {
		limit->held++;
		return 0;
	}
	limit->said++;
	return 1;
}

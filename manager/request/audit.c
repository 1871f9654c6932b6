#include "manager/request/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"

enum { LINE_MAX = 2048 };

#define NAME "audit.log"
#define FORMER "audit.log.1"

struct lp_audit {
	struct lp_manager *manager;	/* weak */
	int dir_fd;			/* not owned */
	int fd;				/* -1 until the first line */
	size_t size;
};

int
lp_audit_new(struct lp_manager *manager, int dir_fd, struct lp_audit **out, struct lp_err *err)
{
	struct lp_audit *audit = lp_seam.alloc(sizeof(*audit));

	if (!audit)
		return lp_err_set(err, -ENOMEM, "open the audit trail");
	*audit = (struct lp_audit){ .manager = manager, .dir_fd = dir_fd, .fd = -1 };
	manager->audit = *out = audit;
	return 0;
}

void
lp_audit_free(struct lp_audit *audit)
{
	if (!audit)
		return;
	audit->manager->audit = NULL;
	lp_close(&audit->fd);
	free(audit);
}

static int
open_file(struct lp_audit *audit, struct lp_err *err)
{
	struct stat status;

	if (audit->fd >= 0)
		return 0;
	if (lp_path_open(audit->dir_fd, NAME, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600, &audit->fd, err) < 0)
		return lp_err_wrap(err, NAME);
	if (fstat(audit->fd, &status) < 0)
		return lp_err_set(err, -errno, NAME);
	audit->size = (size_t)status.st_size;
	return 0;
}

/* Room for one more line: the full file is put aside. */
static int
make_room(struct lp_audit *audit, size_t len, struct lp_err *err)
{
	if (audit->size + len <= LP_AUDIT_BYTES)
		return 0;
	lp_close(&audit->fd);
	if (lp_seam.rename(audit->dir_fd, NAME, audit->dir_fd, FORMER) < 0)
		return lp_err_set(err, -errno, "put %s aside", NAME);
	return open_file(audit, err);
}

static void
add_member(struct lp_buf *line, const char *key, const char *value)
{
	size_t len = value ? strnlen(value, 256) : 0;

	if (len == 0)
		return;
	/* what was cut inside a character is no JSON text */
	while (len > 0 && !lp_text_is_utf8(value, len))
		len--;
	lp_buf_printf(line, ",\"%s\":", key);
	lp_json_write_string(line, value, len);
}

static void
write_line(struct lp_buf *line, const struct lp_request *request, const char *remote, int code)
{
	const struct lp_asked *asked = &request->asked;
	char time[LP_CLOCK_TEXT], resource[LP_KIND_TEXT];

	lp_clock_print(lp_clock_trusted_ms() / 1000 * 1000, time);
	lp_buf_printf(line, "{\"time\":\"%s\"", time);
	add_member(line, "user", request->user.name);
	add_member(line, "verb", asked->verb);
	if (request->kind)
		add_member(line, "resource", lp_kind_resource(request->kind, resource));
	else
		add_member(line, "path", asked->path);
	add_member(line, "subresource", asked->subresource);
	add_member(line, "namespace", asked->namespace);
	add_member(line, "name", asked->name ? asked->name : request->made);
	add_member(line, "from", remote);
	add_member(line, "podSecurity", request->remark);
	lp_buf_printf(line, ",\"code\":%d}\n", code);
}

/* Reading is not told, nor what devices say all day; what was forbidden is, whatever it was. */
static bool
is_told(const struct lp_request *request, int code)
{
	static const char *const silent[] = { "/fleet/v1/link", "/fleet/v1/report", "/fleet/v1/stream/" };
	static const char *const streams[] = { "exec", "attach", "portforward" };
	const struct lp_asked *asked = &request->asked;
	bool stranger = strcmp(request->user.name, "system:anonymous") == 0;

	/* strangers must not push out what the trail is for */
	if (stranger && code >= 400)
		return false;
	if (code == 403)
		return true;
	for (size_t i = 0; asked->path && i < lp_count(silent); i++)
		if (lp_text_starts(asked->path, silent[i]))
			return false;
	for (size_t i = 0; asked->subresource && i < lp_count(streams); i++)
		if (strcmp(asked->subresource, streams[i]) == 0)
			return true;
	return strcmp(asked->verb, "get") != 0 && strcmp(asked->verb, "list") != 0 && strcmp(asked->verb, "watch") != 0;
}

void
lp_audit_write(const struct lp_request *request, const char *remote, int code)
{
	struct lp_audit *audit = request->manager->audit;
	static struct lp_log_limit limit;
	lp_auto_buf struct lp_buf line;
	struct lp_err err = { 0 };

	if (!audit || !is_told(request, code))
		return;
	lp_buf_init(&line, LINE_MAX);
	write_line(&line, request, remote, code);
	if (line.failed)
		lp_err_set(&err, line.failed, "write a line");
	else if (open_file(audit, &err) == 0 && make_room(audit, line.len, &err) == 0 &&
	    lp_path_write_all(audit->fd, line.data, line.len, &err) == 0)
		audit->size += line.len;
	if (err.code < 0 && lp_log_allowed(&limit))
		lp_log(LP_LOG_WARN, "a change is missing in the audit trail", "user=%s verb=%s code=%d why=\"%s\"", request->user.name,
		    request->asked.verb, code, err.text);
}

#include "images/name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

#define DEFAULT_HOST "docker.io"
#define LIBRARY "library/"

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The first part is a registry if it could not be a path component: a dot, a port, "localhost", an upper-case letter. */
static bool
is_host(const char *text, size_t len)
{
	if (len == 9 && !memcmp(text, "localhost", 9))
		return true;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '.' || text[i] == ':' || (text[i] >= 'A' && text[i] <= 'Z'))
			return true;
	return false;
}

static bool
check_host(const char *text, size_t len)
{
	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!is_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '-' && c != ':' && c != '[' && c != ']')
			return false;
		if (c == '.' && (i + 1 == len || text[i + 1] == '.' || text[i + 1] == ':'))
			return false;
	}
	return text[0] != '.' && text[0] != '-' && text[0] != ':' && text[len - 1] != ':';
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* between slashes */
static bool
check_path(const char *text)
{
	char before = '/';

	if (!*text)
		return false;
	for (const char *p = text; *p; p++) {
		bool separator = *p == '.' || *p == '_' || *p == '-';

		if (!is_alnum(*p) && !separator && *p != '/')
			return false;
		if (separator && before != *p && !is_alnum(before))
			return false;
		if (separator && before == *p && (*p == '.' || (*p == '_' && p - text >= 2 && p[-2] == '_')))
			return false;
		if (*p == '/' && !is_alnum(before))
			return false;
		before = *p;
	}
	return is_alnum(before);
}

static bool
check_tag(const char *tag)
{
	size_t len = strlen(tag);

	if (!len || len > 128 || tag[0] == '.' || tag[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(tag[i]) && !(tag[i] >= 'A' && tag[i] <= 'Z') && !strchr("._-", tag[i]))
			return false;
	return true;
}

static int
refuse(struct lp_err *err, const char *reference)
{
	return lp_err_say(err, -EINVAL, "\"%.180s\" is not an image reference", reference);
}

/* "host/path" from what stands before tag and digest. */
static int
fill_repository(const char *rest, struct lp_name *out)
{
	const char *slash = strchr(rest, '/');
	const char *path = rest;
	const char *host = DEFAULT_HOST;
	size_t host_len = strlen(DEFAULT_HOST);
	int len;

	if (slash && is_host(rest, (size_t)(slash - rest))) {
		host = rest;
		host_len = (size_t)(slash - rest);
		path = slash + 1;
	}
	if (!check_host(host, host_len) || !check_path(path))
		return -EINVAL;
	if (host_len == strlen("index.docker.io") && !memcmp(host, "index.docker.io", host_len)) {
		host = DEFAULT_HOST;
		host_len = strlen(DEFAULT_HOST);
	}
	bool library = host_len == strlen(DEFAULT_HOST) && !memcmp(host, DEFAULT_HOST, host_len) && !strchr(path, '/');
	len = snprintf(out->repository, sizeof(out->repository), "%.*s/%s%s", (int)host_len, host, library ? LIBRARY : "", path);
	return len < 0 || (size_t)len >= sizeof(out->repository) ? -EINVAL : 0;
}

int
lp_name_parse(const char *reference, struct lp_name *out, struct lp_err *err)
{
	struct lp_name name = { 0 };
	char rest[LP_NAME_MAX];
	char *at, *colon, *slash;

	if (!reference || !*reference || strlen(reference) >= sizeof(rest))
		return refuse(err, reference ? reference : "");
	(void)snprintf(rest, sizeof(rest), "%s", reference);
	at = strchr(rest, '@');
	if (at) {
		*at = '\0';
		if (lp_digest_parse(at + 1, NULL) < 0)
			return refuse(err, reference);
		memcpy(name.digest, at + 1, strlen(at + 1) + 1);
	}
	slash = strrchr(rest, '/');
	colon = strrchr(rest, ':');
	if (colon && (!slash || colon > slash)) {
		*colon = '\0';
		if (!check_tag(colon + 1))
			return refuse(err, reference);
		memcpy(name.tag, colon + 1, strlen(colon + 1) + 1);
	} else if (!at) {
		memcpy(name.tag, "latest", sizeof("latest"));
	}
	if (fill_repository(rest, &name) < 0)
		return refuse(err, reference);
	*out = name;
	return 0;
}

void
lp_name_print(const struct lp_name *name, char out[static LP_NAME_MAX])
{
	(void)snprintf(out, LP_NAME_MAX, "%s%s%s%s%s", name->repository, *name->tag ? ":" : "", name->tag, *name->digest ? "@" : "",
	    name->digest);
}

int
lp_name_local(const struct lp_name *name, unsigned n, char *out, size_t size)
{
	static const char *const hosts[] = { "limpet.local/", "localhost/", DEFAULT_HOST "/" LIBRARY };
	const char *path = NULL;
	unsigned own = 0;
	int len;

	if (n == 0) {
		len = snprintf(out, size, "%s", name->repository);
		return len < 0 || (size_t)len >= size ? -ENOENT : 0;
	}
	for (unsigned i = 0; i < lp_count(hosts); i++) {
		if (lp_text_starts(name->repository, hosts[i])) {
			own = i;
			path = name->repository + strlen(hosts[i]);
		}
	}
	if (!path || n >= lp_count(hosts))
		return -ENOENT;
	/* the n-th host that is not its own */
	unsigned other = n - 1 < own ? n - 1 : n;
	len = snprintf(out, size, "%s%s", hosts[other], path);
	return len < 0 || (size_t)len >= size ? -ENOENT : 0;
}

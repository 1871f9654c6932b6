#include "tools/verbs/kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "specs/yaml.h"
#include "wire/http.h"

#define FILE_MAX ((size_t)4 << 20)

bool
lp_kubeconfig_is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static int
read_file(struct lp_arena *arena, const char *path, const char **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text = { 0 };
	lp_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	lp_buf_init(&text, FILE_MAX);
	if (fd < 0)
		return lp_err_set(err, -errno, "%.150s", path);
	rc = lp_path_read_fd(fd, &text, err);
	if (rc < 0)
		return rc;
	*out = lp_arena_mem(arena, lp_buf_text(&text), text.len);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "%.150s", path);
}

/* "name-data" in base64, else the file that "name" means, else NULL. */
static int
read_either(struct lp_arena *arena, const char *path, const struct lp_json *object, const char *name, const char **out, struct lp_err *err)
{
	const char *data = lp_json_text(lp_json_get(object, lp_arena_printf(arena, "%s-data", name)));
	const char *file = lp_json_text(lp_json_get(object, name));
	lp_auto_buf struct lp_buf text = { 0 };
	const char *slash = strrchr(path, '/');

	lp_buf_init(&text, FILE_MAX);
	if (data && *data) {
		if (lp_text_base64_decode(&text, data, strlen(data)) < 0)
			return lp_err_say(err, -EINVAL, "%.100s: %s-data is not base64", path, name);
		*out = lp_arena_mem(arena, lp_buf_text(&text), text.len);
		return *out ? 0 : lp_err_set(err, -ENOMEM, "kubeconfig");
	}
	if (!file || !*file)
		return 0;
	if (*file != '/' && slash)
		file = lp_arena_printf(arena, "%.*s/%s", (int)(slash - path), path, file);
	return file ? read_file(arena, file, out, err) : lp_err_set(err, -ENOMEM, "kubeconfig");
}

/* Of a list of {name, <key>: {...}}: the inner object of that name. */
static const struct lp_json *
named(const struct lp_json *root, const char *list, const char *key, const char *name)
{
	lp_json_each(item, lp_json_get(root, list))
		if (lp_text_same(lp_json_text(lp_json_get(item, "name")), name))
			return lp_json_get(item, key);
	return NULL;
}

static int
read_server(struct lp_arena *arena, const char *path, const struct lp_json *cluster, struct lp_kubeconfig *out, bool *out_tls, struct lp_err *err)
{
	struct lp_http_url url;
	int rc;

	out->url = lp_json_text(lp_json_get(cluster, "server"));
	if (!out->url || !*out->url)
		return lp_err_say(err, -EINVAL, "%.150s: the cluster has no server", path);
	rc = lp_http_url(out->url, &url, err);
	if (rc < 0)
		return rc;
	if (url.path[0])
		return lp_err_say(err, -EINVAL, "%.150s: a server with a path is not supported", out->url);
	if (lp_json_bool(cluster, "insecure-skip-tls-verify", false))
		return lp_err_say(err, -EINVAL, "%.150s: insecure-skip-tls-verify is refused: give certificate-authority-data", path);
	out->host = lp_arena_str(arena, url.host);
	out->port = url.port;
	out->tls_name = lp_json_text(lp_json_get(cluster, "tls-server-name"));
	*out_tls = url.tls;
	return out->host ? 0 : lp_err_set(err, -ENOMEM, "kubeconfig");
}

static int
read_token(struct lp_arena *arena, const struct lp_json *user, struct lp_kubeconfig *out, struct lp_err *err)
{
	const char *token = lp_json_text(lp_json_get(user, "token")), *file = lp_json_text(lp_json_get(user, "tokenFile"));
	int rc = 0;

	if (!token && file)
		rc = read_file(arena, file, &token, err);
	if (rc < 0 || !token || !*token)
		return rc;
	out->bearer = lp_arena_printf(arena, "Bearer %.*s", (int)strcspn(token, "\r\n"), token);
	return out->bearer ? 0 : lp_err_set(err, -ENOMEM, "kubeconfig");
}

static int
read_identity(struct lp_arena *arena, const char *path, const struct lp_json *cluster, const struct lp_json *user, struct lp_kubeconfig *out,
    struct lp_err *err)
{
	static const char *const alpn[] = { "http/1.1", NULL };
	struct lp_tls_client_opts opts = { .alpn = alpn };
	int rc = read_either(arena, path, cluster, "certificate-authority", &opts.ca_pem, err);

	if (rc == 0)
		rc = read_either(arena, path, user, "client-certificate", &opts.chain_pem, err);
	if (rc == 0)
		rc = read_either(arena, path, user, "client-key", &opts.key_pem, err);
	if (rc < 0)
		return rc;
	if (!opts.ca_pem)
		return lp_err_say(err, -EINVAL, "%.150s: the cluster has no certificate-authority-data", path);
	if (!opts.chain_pem != !opts.key_pem)
		return lp_err_say(err, -EINVAL, "%.150s: a client certificate needs its key, and the other way round", path);
	if (lp_json_get(user, "exec") || lp_json_get(user, "auth-provider"))
		return lp_err_say(err, -ENOTSUP, "%.150s: authentication plugins are not supported", path);
	return lp_tls_config_client(&out->tls, &opts, err);
}

int
lp_kubeconfig_read(struct lp_arena *arena, const char *path, const char *context, struct lp_kubeconfig *out, struct lp_err *err)
{
	const struct lp_json *chosen, *cluster, *user;
	struct lp_json *documents = NULL, *root;
	const char *text;
	bool tls = false;
	int rc = read_file(arena, path, &text, err);

	if (rc == -ENOENT)
		return lp_err_say(err, rc, "no kubeconfig at %.120s: is limpet running here? (--kubeconfig FILE or --data-dir DIR)", path);
	if (rc == 0)
		rc = lp_yaml_parse(arena, text, strlen(text), NULL, &documents, err);
	if (rc < 0) {
		(void)lp_err_wrap(err, "kubeconfig");
		return rc;
	}
	root = lp_json_index(documents, 0);
	if (!context)
		context = lp_json_text(lp_json_get(root, "current-context"));
	chosen = named(root, "contexts", "context", context);
	if (!chosen)
		return lp_err_say(err, -EINVAL, "%.120s: no context \"%.60s\"", path, context ? context : "");
	cluster = named(root, "clusters", "cluster", lp_json_text(lp_json_get(chosen, "cluster")));
	user = named(root, "users", "user", lp_json_text(lp_json_get(chosen, "user")));
	if (!cluster)
		return lp_err_say(err, -EINVAL, "%.120s: the context's cluster is not in it", path);
	out->namespace = lp_json_text(lp_json_get(chosen, "namespace"));
	if (!out->namespace || !*out->namespace)
		out->namespace = "default";
	rc = read_server(arena, path, cluster, out, &tls, err);
	if (rc == 0)
		rc = read_token(arena, user, out, err);
	return rc < 0 || !tls ? rc : read_identity(arena, path, cluster, user, out, err);
}

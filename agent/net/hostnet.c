#include "agent/net/hostnet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"
#include "netbridge/netbridge.h"

#define RESOLV_MAX 65536

struct lp_hostnet {
	struct lp_loop *loop;
	struct lp_watch watch;
	struct lp_timer timer;
	int fd;
	lp_hostnet_fn fn;
	void *arg;
};

static void
settled(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_hostnet *hostnet = lp_of(timer, struct lp_hostnet, timer);

	(void)now_ms;
	hostnet->fn(hostnet->arg);
}

static void
changed(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_hostnet *hostnet = lp_of(watch, struct lp_hostnet, watch);
	char heard[8192];

	(void)events;
	/* What it was does not matter, nor that some of it was lost: we look again. */
	while (recv(hostnet->fd, heard, sizeof(heard), MSG_DONTWAIT | MSG_TRUNC) > 0 || errno == ENOBUFS)
		continue;
	if (!hostnet->timer.loop)
		(void)lp_timer_start(hostnet->loop, &hostnet->timer, now_ms + LP_HOSTNET_SETTLE_MS, settled);	/* no memory: the next event */
}

int
lp_hostnet_new(struct lp_loop *loop, lp_hostnet_fn fn, void *arg, struct lp_hostnet **out, struct lp_err *err)
{
	struct lp_hostnet *hostnet = calloc(1, sizeof(*hostnet));
	int rc;

	if (!hostnet)
		return lp_err_set(err, -ENOMEM, "watch the host's network");
	hostnet->loop = loop;
	hostnet->fn = fn;
	hostnet->arg = arg;
	hostnet->fd = -1;
	rc = lp_netbridge_watch(&hostnet->fd, err);
	if (rc == 0)
		rc = lp_watch_start(loop, &hostnet->watch, hostnet->fd, EPOLLIN, changed, err);
	if (rc < 0) {
		lp_hostnet_free(hostnet);
		return rc;
	}
	*out = hostnet;
	return 0;
}

void
lp_hostnet_free(struct lp_hostnet *hostnet)
{
	if (!hostnet)
		return;
	lp_watch_stop(&hostnet->watch);
	lp_timer_stop(&hostnet->timer);
	lp_close(&hostnet->fd);
	free(hostnet);
}

/* The resolvers a file names; none when it is not there or cannot be read. */
static size_t
read_resolvers(const char *path, bool stubs, uint32_t *out)
{
	lp_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, RESOLV_MAX);
	if (fd < 0 || lp_path_read_fd(fd, &text, NULL) < 0)
		return 0;
	return stubs ? lp_dns_stubs(lp_buf_text(&text), out, LP_HOSTNET_RESOLVERS) : lp_dns_upstreams(lp_buf_text(&text), out, LP_HOSTNET_RESOLVERS);
}

size_t
lp_hostnet_resolvers(uint32_t out[static LP_HOSTNET_RESOLVERS])
{
	size_t count = read_resolvers("/etc/resolv.conf", false, out);

	return count ? count : read_resolvers("/run/systemd/resolve/resolv.conf", false, out);
}

size_t
lp_hostnet_upstreams(uint32_t out[static LP_HOSTNET_RESOLVERS])
{
	size_t count = lp_hostnet_resolvers(out);

	return count ? count : read_resolvers("/etc/resolv.conf", true, out);
}

#include "runtime/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/container.h"
#include "runtime/handoff.h"
#include "runtime/record.h"

enum { FIRST_SPARE_FD = 3 };

/* ---- the child ---- */

/* Everything from `first` on is closed but these two. */
static int
close_others(int first, int a, int b, struct lp_err *err)
{
	const int low = a < b ? a : b, high = a < b ? b : a;
	int rc = 0;

	if (low > first)
		rc = close_range((unsigned)first, (unsigned)low - 1, 0);
	if (rc == 0 && high > low + 1 && high > first)
		rc = close_range((unsigned)(low + 1 > first ? low + 1 : first), (unsigned)high - 1, 0);
	if (rc == 0)
		rc = close_range((unsigned)(high + 1 > first ? high + 1 : first), ~0u, 0);
	return rc < 0 ? lp_err_set(err, -errno, "close what is the creator's") : 0;
}

int
lp_start_wait(const struct lp_container_config *config, int *sock, struct lp_err *err)
{
	struct lp_handoff message;
	int rc = close_others((int)(FIRST_SPARE_FD + config->process.keep_fds), *sock, config->start_fd, err);

	int given = -1;

	/* Before the creator is told: who comes right after it must not find the door closed. */
	if (rc == 0 && config->show_waiting && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		rc = lp_err_set(err, -errno, "become visible");
	if (rc == 0)
		rc = lp_handoff_send(*sock, LP_HANDOFF_READY, NULL, -1, err);
	if (rc == 0)
		rc = lp_handoff_receive(*sock, &message, &given, err);
	lp_close(&given);
	if (rc < 0)
		return rc;
	if (rc == 0 || message.kind != LP_HANDOFF_GO)
		return lp_err_say(err, -ECANCELED, "the creator ended before it was done");
	lp_close(sock);
	for (;;) {
		lp_auto_fd int conn = accept4(config->start_fd, NULL, NULL, SOCK_CLOEXEC);
		int fd = -1;

		if (conn < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (conn < 0)
			return lp_err_set(err, -errno, "wait for start");
		rc = lp_handoff_receive(conn, &message, &fd, NULL);
		lp_close(&fd);
		if (rc != 1 || message.kind != LP_HANDOFF_GO)
			continue;	/* who came had nothing to say */
		if (config->show_waiting && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
			return lp_err_set(err, -errno, "become undumpable");
		*sock = lp_take_fd(&conn);
		(void)close(config->start_fd);	/* nobody else is waited for */
		return 0;
	}
}

/* ---- whoever starts it ---- */

/* By a name alone, from the directory itself: the path of a socket holds 108 bytes. */
static int
connect_at(int dir_fd, const char *name, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	lp_auto_fd int here = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int rc;

	if (sock < 0 || here < 0)
		return lp_err_set(err, -errno, "socket to start a container");
	if (!name[0] || strchr(name, '/') || strlen(name) >= sizeof(address.sun_path))
		return lp_err_set(err, -EINVAL, "start socket %s", name);
	memcpy(address.sun_path, name, strlen(name) + 1);
	if (fchdir(dir_fd) < 0)
		return lp_err_set(err, -errno, "go to the state directory");
	rc = connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	if (fchdir(here) < 0)
		return lp_err_set(err, -errno, "come back from the state directory");
	if (rc < 0)
		return lp_err_set(err, rc, "start socket %s", name);
	*out_fd = lp_take_fd(&sock);
	return 0;
}

int
lp_container_leave(struct lp_container *container, struct lp_err *err)
{
	int rc;

	if (container->phase.state != LP_CONTAINER_CREATED || container->launch.sock < 0)
		return lp_err_say(err, -EINVAL, "container %s is not one that waits for its creator", container->id);
	rc = lp_handoff_send(container->launch.sock, LP_HANDOFF_GO, NULL, -1, err);
	lp_close(&container->launch.sock);
	return rc < 0 ? lp_err_wrap(err, "container %s", container->id) : 0;
}

int
lp_container_start_at(struct lp_container *container, int dir_fd, const char *name, struct lp_err *err)
{
	int rc;

	if (container->phase.state != LP_CONTAINER_RUNNING || !lp_container_waits(container))
		return lp_err_say(err, -EINVAL, "container %s is not in the state created", container->id);
	rc = connect_at(dir_fd, name, &container->launch.sock, err);
	if (rc < 0)
		return lp_err_wrap(err, "container %s", container->id);
	container->launch.foreign = true;
	rc = lp_launch_go(&container->launch, err);
	if (rc < 0)
		lp_machine_move(&container->phase, LP_CONTAINER_ENDED);
	return rc;
}

bool
lp_container_waits(const struct lp_container *container)
{
	struct pollfd end = { .fd = container->launch.pidfd, .events = POLLIN };
	bool executed = true;

	return poll(&end, 1, 0) == 0 && container->phase.state < LP_CONTAINER_ENDED && container->launch.pid > 0 &&
	    lp_record_executed(container->launch.pid, &executed, NULL) == 0 && !executed;
}

/* keeper/control.c - the connection of control.h: packets, the agent's watch, the requests. */
#include "keeper/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"

/* ---- packets ---- */

int
lp_control_send(int fd, const struct lp_control_message *message, struct lp_err *err)
{
	lp_auto_buf struct lp_buf buf;
	union {
		char bytes[CMSG_SPACE(sizeof(int) * LP_CONTROL_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int rc;

	lp_buf_init(&buf, LP_CONTROL_PACKET);
	rc = lp_control_message_write(&buf, message, err);
	if (rc < 0)
		return rc;
	iov = (struct iovec){ .iov_base = buf.data, .iov_len = buf.len };
	if (message->fd_count) {
		struct cmsghdr *head;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * message->fd_count);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * message->fd_count);
		memcpy(CMSG_DATA(head), message->fds, sizeof(int) * message->fd_count);
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return lp_err_set(err, errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno, "send to the other side of the pod");
	return 0;
}

static void
take_descriptors(struct msghdr *msg, struct lp_control_message *out)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head)) {
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
			if (out->fd_count < LP_CONTROL_FDS)
				out->fds[out->fd_count++] = fd;
			else
				(void)close(fd);	/* more than the protocol knows */
		}
	}
}

static int
receive_failed(int code, struct lp_err *err)
{
	if (code == EAGAIN || code == EWOULDBLOCK)
		return lp_err_set(err, -EAGAIN, "nothing to receive");
	if (code == 0 || code == ECONNRESET || code == ENOTCONN)
		return lp_err_say(err, -EPIPE, "the other side of the pod is gone");
	return lp_err_set(err, -code, "receive");
}

int
lp_control_receive(int fd, struct lp_arena *arena, struct lp_control_message *out, struct lp_err *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control;
	lp_auto_free char *packet = NULL;
	struct lp_control_message fds, message;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	int rc;

	n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	if (n <= 0)
		return receive_failed(n < 0 ? errno : 0, err);
	if (n > LP_CONTROL_PACKET)
		n = LP_CONTROL_PACKET;
	packet = lp_seam.alloc((size_t)n);
	if (!packet)
		return lp_err_set(err, -ENOMEM, "receive %zd bytes", n);
	iov = (struct iovec){ .iov_base = packet, .iov_len = (size_t)n };
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return receive_failed(n < 0 ? errno : 0, err);

	lp_control_message_init(&fds);
	take_descriptors(&msg, &fds);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		rc = lp_err_say(err, -EBADMSG, "a packet that is too long");
	else
		rc = lp_control_message_read(arena, packet, (size_t)n, &message, err);
	if (rc < 0) {
		for (size_t i = 0; i < fds.fd_count; i++)
			(void)close(fds.fds[i]);	/* nobody will ask for them */
		return rc;
	}
	memcpy(message.fds, fds.fds, sizeof(message.fds));
	message.fd_count = fds.fd_count;
	*out = message;
	return 0;
}

/* ---- the agent's side ---- */

static int
take_message_fd(struct lp_control_message *message, size_t index)
{
	return index < message->fd_count ? lp_take_fd(&message->fds[index]) : -1;
}

static void
dispatch(struct lp_control *control, struct lp_control_message *message)
{
	struct lp_container_exit end = { .code = message->code, .signal = message->signal };
	struct lp_err err = { 0 };
	int dir_fd;

	if (message->error < 0)
		(void)lp_err_say(&err, message->error, "%s", message->error_text ? message->error_text : lp_err_words(message->error));
	switch ((enum lp_control_kind)message->kind) {
	case LP_CONTROL_POD:
		control->keeper_pid = message->state.pid;
		control->ops->pod(control, &message->state);
		return;
	case LP_CONTROL_READY:
		dir_fd = take_message_fd(message, 0);
		if (dir_fd >= 0)
			control->ops->ready(control, take_message_fd(message, 1), dir_fd);
		return;
	case LP_CONTROL_STATUS:
		if (message->status.name)
			control->ops->status(control, &message->status);
		return;
	case LP_CONTROL_BEGUN:
		control->ops->begun(control, message->id, take_message_fd(message, 0), &err);
		return;
	case LP_CONTROL_ENDED:
		control->ops->ended(control, message->id, &end);
		return;
	case LP_CONTROL_PONG:
		control->ops->pong(control, message->id);
		return;
	case LP_CONTROL_RESIZED:
		control->ops->resized(control, message->id, &err);
		return;
	case LP_CONTROL_GO:
	case LP_CONTROL_STOP:
	case LP_CONTROL_FORGET:
	case LP_CONTROL_PING:
	case LP_CONTROL_UPGRADE:
	case LP_CONTROL_EXEC:
	case LP_CONTROL_ATTACH:
	case LP_CONTROL_RESIZE:
	case LP_CONTROL_DEADLINE:
	case LP_CONTROL_RENEW:
		return;		/* not for us */
	}
}

/* One packet a turn: the callee may close and free the connection. */
static void
readable(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_control *control = lp_of(watch, struct lp_control, watch);
	struct lp_control_message message;
	lp_auto_arena struct lp_arena arena;
	int rc;

	(void)events;
	(void)now_ms;
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	rc = lp_control_receive(control->fd, &arena, &message, NULL);
	if (rc == 0) {
		dispatch(control, &message);
		for (size_t i = 0; i < message.fd_count; i++)
			lp_close(&message.fds[i]);
	} else if (rc != -EAGAIN && rc != -EBADMSG && rc != -ENOMEM) {
		lp_control_close(control);
		control->ops->gone(control);
	}
}

int
lp_control_start(struct lp_loop *loop, struct lp_control *control, int fd, const struct lp_control_ops *ops, void *owner, struct lp_err *err)
{
	int size = LP_CONTROL_PACKET * 2, rc;

	/* The default is enough on most machines; a smaller limit of the system only means -EMSGSIZE for giant requests. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*control = (struct lp_control){ .loop = loop, .ops = ops, .fd = fd, .owner = owner };
	rc = lp_watch_start(loop, &control->watch, fd, EPOLLIN, readable, err);
	if (rc < 0)
		control->fd = -1;
	return rc;
}

int
lp_control_connect(int run_pods_fd, const char *uid, int *out_fd, struct lp_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	lp_auto_fd int dir = -1, fd = -1;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int rc;

	rc = lp_path_open(run_pods_fd, uid, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &dir, err);
	if (rc < 0)
		return rc;
	/* A socket has no *at() call: its name goes through our own descriptor. */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" LP_CONTROL_SOCKET, dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return lp_err_set(err, -errno, "socket");
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return lp_err_set(err, -errno, "keeper of pod %s", uid);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != 0)
		return lp_err_say(err, -EPERM, "keeper of pod %s: the socket is not root's", uid);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

int
lp_control_open(struct lp_loop *loop, struct lp_control *control, int run_pods_fd, const char *uid,
    const struct lp_control_ops *ops, void *owner, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc;

	rc = lp_control_connect(run_pods_fd, uid, &fd, err);
	if (rc < 0)
		return rc;
	rc = lp_control_start(loop, control, fd, ops, owner, err);
	if (!rc)
		(void)lp_take_fd(&fd);
	return rc;
}

void
lp_control_close(struct lp_control *control)
{
	lp_watch_stop(&control->watch);
	lp_close(&control->fd);
}

/* ---- requests ---- */

static int
request(struct lp_control *control, struct lp_control_message *message, struct lp_err *err)
{
	if (control->fd < 0)
		return lp_err_say(err, -EPIPE, "the keeper is gone");
	return lp_control_send(control->fd, message, err);
}

int
lp_control_go(struct lp_control *control, const struct lp_control_file *files, size_t file_count, const char *note, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_GO;
	message.files = files;
	message.file_count = file_count;
	message.note = note;
	return request(control, &message, err);
}

int
lp_control_stop(struct lp_control *control, int64_t grace_ms, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_STOP;
	message.grace_ms = grace_ms;
	return request(control, &message, err);
}

int
lp_control_forget(struct lp_control *control, bool keep_logs, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_FORGET;
	message.keep_logs = keep_logs;
	return request(control, &message, err);
}

int
lp_control_ping(struct lp_control *control, uint64_t id, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_PING;
	message.id = id;
	return request(control, &message, err);
}

int
lp_control_upgrade(struct lp_control *control, int exe_fd, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_UPGRADE;
	if (exe_fd >= 0)
		message.fds[message.fd_count++] = exe_fd;
	return request(control, &message, err);
}

int
lp_control_exec(struct lp_control *control, uint64_t id, const struct lp_control_exec *exec, const int stdio[3], struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_EXEC;
	message.id = id;
	message.container = exec->container;
	message.args = exec->args;
	message.terminal = exec->terminal;
	message.rows = exec->rows;
	message.cols = exec->cols;
	for (int i = 0; i < 3 && !exec->terminal; i++)
		if (stdio[i] >= 0) {
			message.stdio_mask |= 1u << i;
			message.fds[message.fd_count++] = stdio[i];
		}
	return request(control, &message, err);
}

int
lp_control_attach(struct lp_control *control, uint64_t id, const char *container, int out_fd, int err_fd, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_ATTACH;
	message.id = id;
	message.container = container;
	if (out_fd >= 0) {
		message.stdio_mask |= 2u;
		message.fds[message.fd_count++] = out_fd;
	}
	if (err_fd >= 0) {
		message.stdio_mask |= 4u;
		message.fds[message.fd_count++] = err_fd;
	}
	return request(control, &message, err);
}

int
lp_control_resize(struct lp_control *control, uint64_t id, const char *container, const struct lp_cgroup_limits *limits, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_RESIZE;
	message.id = id;
	message.container = container;
	message.limits = *limits;
	return request(control, &message, err);
}

int
lp_control_set_deadline(struct lp_control *control, int64_t deadline_ms, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_DEADLINE;
	message.deadline_ms = deadline_ms;
	return request(control, &message, err);
}

int
lp_control_renew(struct lp_control *control, const char *container, struct lp_err *err)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_RENEW;
	message.container = container;
	return request(control, &message, err);
}

/* ---- names ---- */

void
lp_control_log_name(const char *container, uint64_t attempt, bool rotated, char out[static LP_CONTROL_LOG_NAME])
{
	(void)snprintf(out, LP_CONTROL_LOG_NAME, "%.63s.%" PRIu64 ".log%s", container, attempt, rotated ? ".1" : "");
}

#include "runtime/handoff.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int
lp_handoff_send(int sock, enum lp_handoff_kind kind, const struct lp_err *words, int fd, struct lp_err *err)
{
	struct lp_handoff message = { .kind = kind };
	struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (words)
		message.err = *words;
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	while (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return lp_err_set(err, -errno, "message across clone");
	}
	return 0;
}

int
lp_handoff_receive(int sock, struct lp_handoff *out, int *out_fd, struct lp_err *err)
{
	struct iovec iov = { .iov_base = out, .iov_len = sizeof(*out) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	ssize_t len;

	*out_fd = -1;
	do {
		len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0 && errno == ECONNRESET)
		return 0;
	if (len < 0)
		return lp_err_set(err, -errno, "message across clone");
	if (len == 0)
		return 0;
	header = CMSG_FIRSTHDR(&msg);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(out_fd, CMSG_DATA(header), sizeof(*out_fd));
	if (len != (ssize_t)sizeof(*out))
		return lp_err_say(err, -EBADMSG, "a message of %zd bytes across clone", len);
	out->err.text[sizeof(out->err.text) - 1] = '\0';
	return 1;
}

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/handoff.h"
#include "tests/harness.h"

static struct lp_err err;

static void
make_pair(int pair[2])
{
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
}

TEST(words_and_a_descriptor_cross)
{
	struct lp_err words;
	struct lp_handoff got;
	int pair[2], fd;
	struct stat a, b;

	make_pair(pair);
	(void)lp_err_say(&words, -EPERM, "no");
	CHECK_OK(lp_handoff_send(pair[0], LP_HANDOFF_FAILED, &words, 0, &err), &err);
	CHECK_INT(lp_handoff_receive(pair[1], &got, &fd, &err), 1);
	CHECK_INT(got.kind, LP_HANDOFF_FAILED);
	CHECK_INT(got.err.code, -EPERM);
	CHECK_STR(got.err.text, "no");
	CHECK(fd >= 3 && fstat(fd, &a) == 0 && fstat(0, &b) == 0 && a.st_ino == b.st_ino);
	(void)close(fd);
	(void)close(pair[0]);
	CHECK_INT(lp_handoff_receive(pair[1], &got, &fd, &err), 0);
	CHECK_INT(fd, -1);
	(void)close(pair[1]);
}

TEST(a_message_of_another_size_is_refused)
{
	struct lp_handoff got;
	int pair[2], fd;

	make_pair(pair);
	CHECK(send(pair[0], "x", 1, 0) == 1);
	CHECK_ERR(lp_handoff_receive(pair[1], &got, &fd, &err), -EBADMSG);
	(void)close(pair[0]);
	CHECK_ERR(lp_handoff_send(pair[1], LP_HANDOFF_GO, NULL, -1, &err), -EPIPE);
	(void)close(pair[1]);
}

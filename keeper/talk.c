/* keeper/talk.c - see talk.h. */
#include "keeper/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/seam.h"
#include "keeper/keeper.h"
#include "keeper/resume.h"

#define BACKLOG 8

void
lp_talk_init(struct lp_talk *talk)
{
	memset(talk, 0, sizeof(*talk));
	talk->listen_fd = talk->agent_fd = -1;
	lp_list_init(&talk->execs);
}

/* ---- telling ---- */

static int
tell_pod(struct lp_keeper *keeper)
{
	struct lp_control_message message;
	struct lp_err err;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_POD;
	lp_keeper_state(keeper, &message.state);
	return lp_control_send(keeper->talk.agent_fd, &message, &err);
}

static int
tell_ready(struct lp_keeper *keeper)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_READY;
	message.fds[message.fd_count++] = keeper->sandbox.dir_fd;
	if (keeper->sandbox.ns.fds[LP_NS_NET] >= 0)
		message.fds[message.fd_count++] = keeper->sandbox.ns.fds[LP_NS_NET];
	return lp_control_send(keeper->talk.agent_fd, &message, NULL);
}

static int
tell_ward(struct lp_keeper *keeper, struct lp_ward *ward)
{
	struct lp_control_message message;
	char scratch[LP_WARD_SCRATCH];

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_STATUS;
	lp_ward_status(ward, lp_loop_now(keeper->loop), scratch, &message.status);
	return lp_control_send(keeper->talk.agent_fd, &message, NULL);
}

static void
exec_free(struct lp_talk_exec *exec)
{
	lp_watch_stop(&exec->watch);
	lp_list_remove(&exec->link);
	lp_process_fini(&exec->process);
	free(exec);
}

static int
tell_exec(struct lp_keeper *keeper, struct lp_talk_exec *exec)
{
	struct lp_control_message message;

	lp_control_message_init(&message);
	message.kind = LP_CONTROL_ENDED;
	message.id = exec->id;
	message.code = exec->exit.code;
	message.signal = exec->exit.signal;
	return lp_control_send(keeper->talk.agent_fd, &message, NULL);
}

static int
tell_all(struct lp_keeper *keeper)
{
	struct lp_talk *talk = &keeper->talk;
	int rc = 0;

	if (talk->pod_dirty) {
		rc = tell_pod(keeper);
		talk->pod_dirty = rc < 0;
	}
	if (!rc && talk->ready_dirty && keeper->sandbox.dir_fd >= 0 && !keeper->broken.code) {
		rc = tell_ready(keeper);
		talk->ready_dirty = rc < 0;
	}
	for (size_t i = 0; i < keeper->pod.container_count && !rc; i++)
		if (keeper->wards[i].dirty) {
			rc = tell_ward(keeper, &keeper->wards[i]);
			keeper->wards[i].dirty = rc < 0;
		}
	lp_list_each(link, &talk->execs) {
		struct lp_talk_exec *exec = lp_of(link, struct lp_talk_exec, link);

		if (rc || !exec->ended)
			continue;
		rc = tell_exec(keeper, exec);
		if (!rc)
			exec_free(exec);
	}
	return rc;
}

static void
hang_up(struct lp_talk *talk)
{
	lp_watch_stop(&talk->agent_watch);
	lp_close(&talk->agent_fd);
	lp_list_each(link, &talk->execs) {	/* nobody waits for these any more */
		struct lp_talk_exec *exec = lp_of(link, struct lp_talk_exec, link);

		if (exec->ended)
			exec_free(exec);
	}
}

void
lp_talk_tell(struct lp_keeper *keeper)
{
	struct lp_talk *talk = &keeper->talk;
	int rc;

	if (talk->agent_fd < 0)
		return;
	rc = tell_all(keeper);
	if (rc < 0 && rc != -EAGAIN && rc != -ENOMEM && rc != -ENOBUFS)
		hang_up(talk);
	else if (!rc != (talk->agent_watch.events == EPOLLIN))	/* told again when there is room; cannot fail, it is watched */
		(void)lp_watch_change(&talk->agent_watch, rc ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- being asked ---- */

static void
answer(struct lp_keeper *keeper, enum lp_control_kind kind, uint64_t id, int fd, const struct lp_err *err)
{
	struct lp_control_message message;

	if (keeper->talk.agent_fd < 0)
		return;
	lp_control_message_init(&message);
	message.kind = kind;
	message.id = id;
	if (fd >= 0)
		message.fds[message.fd_count++] = fd;
	if (err && err->code < 0) {
		message.error = err->code;
		message.error_text = err->text;
	}
	/* An agent that does not read its answers is no agent: it will come back and ask again. */
	if (lp_control_send(keeper->talk.agent_fd, &message, NULL) < 0)
		hang_up(&keeper->talk);
}

static void
exec_ended(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_talk_exec *exec = lp_of(watch, struct lp_talk_exec, watch);
	struct lp_keeper *keeper = exec->keeper;
	struct lp_err err;
	int rc;

	(void)events;
	(void)now_ms;
	rc = lp_process_wait(&exec->process, &exec->exit, &err);
	if (rc == -EAGAIN)
		return;
	if (rc < 0)
		exec->exit = (struct lp_container_exit){ .code = 137, .signal = 9 };
	lp_watch_stop(&exec->watch);
	exec->ended = true;
	if (exec->agent != keeper->talk.agent || keeper->talk.agent_fd < 0)
		exec_free(exec);
	else
		lp_talk_tell(keeper);
}

static int
run_exec(struct lp_keeper *keeper, struct lp_control_message *message, struct lp_talk_exec *exec, struct lp_err *err)
{
	struct lp_ward *ward = lp_keeper_find(keeper, message->container);
	struct lp_process_config config;
	size_t next = 0;
	int rc = 0;

	if (!ward)
		return lp_err_say(err, -ENOENT, "container %s not found in pod %s", message->container ? message->container : "?",
		    keeper->pod.name);
	if (!ward->container)
		return lp_err_say(err, -ESRCH, "container %s is not running", ward->spec->name);
	if (!message->args)
		return lp_err_say(err, -EINVAL, "no command was given");
	config = ward->spec->config.process;
	config.args = message->args;
	config.terminal = message->terminal;
	config.rows = message->rows;
	config.cols = message->cols;
	for (int i = 0; i < 3; i++)
		config.stdio[i] = (message->stdio_mask & 1u << i) && next < message->fd_count ? message->fds[next++] : -1;
	for (int i = 0; i < 3 && !rc; i++)
		rc = config.stdio[i] < 0 ? 0 : lp_ward_own_pipe(ward, config.stdio[i], err);
	if (rc < 0)
		return rc;
	rc = lp_container_exec(ward->container, &config, &exec->process, err);
	if (!rc)
		rc = lp_watch_start(keeper->loop, &exec->watch, exec->process.pidfd, EPOLLIN | EPOLLET, exec_ended, err);
	return rc;
}

static void
begin_exec(struct lp_keeper *keeper, struct lp_control_message *message)
{
	struct lp_talk_exec *exec = lp_seam.alloc(sizeof(*exec));
	struct lp_err err = { 0 };
	int rc;

	if (!exec) {
		(void)lp_err_set(&err, -ENOMEM, "exec");
		answer(keeper, LP_CONTROL_BEGUN, message->id, -1, &err);
		return;
	}
	exec->keeper = keeper;
	exec->id = message->id;
	exec->agent = keeper->talk.agent;
	lp_process_init(&exec->process);
	rc = run_exec(keeper, message, exec, &err);
	if (rc < 0) {
		lp_process_fini(&exec->process);
		free(exec);
		answer(keeper, LP_CONTROL_BEGUN, message->id, -1, &err);
		return;
	}
	lp_list_append(&keeper->talk.execs, &exec->link);
	answer(keeper, LP_CONTROL_BEGUN, message->id, exec->process.terminal, NULL);
	lp_close(&exec->process.terminal);	/* the agent's now */
}

static void
begin_attach(struct lp_keeper *keeper, struct lp_control_message *message)
{
	struct lp_ward *ward = lp_keeper_find(keeper, message->container);
	struct lp_err err = { 0 };
	size_t next = 0;
	int fds[2], rc;

	for (int i = 0; i < 2; i++)
		fds[i] = (message->stdio_mask & 2u << i) && next < message->fd_count ? message->fds[next++] : -1;
	if (!ward || !ward->container)
		rc = lp_err_say(&err, -ESRCH, "container %s is not running", message->container ? message->container : "?");
	else
		rc = next ? lp_ward_attach(ward, fds[0], fds[1], &err) : 0;
	if (rc < 0) {
		answer(keeper, LP_CONTROL_BEGUN, message->id, -1, &err);
		return;
	}
	for (size_t i = 0; i < next; i++)
		message->fds[i] = -1;		/* the ward's now */
	answer(keeper, LP_CONTROL_BEGUN, message->id, ward->terminal_fd >= 0 ? ward->terminal_fd : ward->stdin_fd, NULL);
	if (ward->spec->stdin_once)
		lp_close(&ward->stdin_fd);	/* the program sees the end when this writer is gone */
}

static void
heard(struct lp_keeper *keeper, struct lp_control_message *message)
{
	struct lp_err err = { 0 };
	struct lp_ward *ward;

	switch ((enum lp_control_kind)message->kind) {
	case LP_CONTROL_GO:
		lp_keeper_go(keeper, message);
		return;
	case LP_CONTROL_STOP:
		lp_keeper_stop(keeper, message->grace_ms);
		return;
	case LP_CONTROL_FORGET:
		lp_keeper_forget(keeper, message->keep_logs);
		return;
	case LP_CONTROL_PING:
		answer(keeper, LP_CONTROL_PONG, message->id, -1, NULL);
		return;
	case LP_CONTROL_UPGRADE:
		/* Returns only when it did not work: then the present program simply goes on. */
		(void)lp_resume_exec(keeper, message->fd_count ? message->fds[0] : -1, &err);
		answer(keeper, LP_CONTROL_BEGUN, message->id, -1, &err);
		return;
	case LP_CONTROL_EXEC:
		begin_exec(keeper, message);
		return;
	case LP_CONTROL_ATTACH:
		begin_attach(keeper, message);
		return;
	case LP_CONTROL_RESIZE:
		(void)lp_keeper_resize(keeper, message->container, &message->limits, &err);
		answer(keeper, LP_CONTROL_RESIZED, message->id, -1, &err);
		return;
	case LP_CONTROL_DEADLINE:
		lp_keeper_set_deadline(keeper, message->deadline_ms);
		return;
	case LP_CONTROL_RENEW:
		ward = lp_keeper_find(keeper, message->container);
		if (ward)
			lp_care_renew(ward);
		return;
	case LP_CONTROL_POD:
	case LP_CONTROL_READY:
	case LP_CONTROL_STATUS:
	case LP_CONTROL_BEGUN:
	case LP_CONTROL_ENDED:
	case LP_CONTROL_PONG:
	case LP_CONTROL_RESIZED:
		return;		/* not for us */
	}
}

static void
agent_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_keeper *keeper = lp_of(watch, struct lp_keeper, talk.agent_watch);
	struct lp_control_message message;
	lp_auto_arena struct lp_arena arena = { 0 };
	int rc;

	(void)now_ms;
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	rc = lp_control_receive(keeper->talk.agent_fd, &arena, &message, NULL);
	if (rc == 0) {
		heard(keeper, &message);
		for (size_t i = 0; i < message.fd_count; i++)
			lp_close(&message.fds[i]);
	} else if (rc != -EAGAIN && rc != -EBADMSG && rc != -ENOMEM) {
		hang_up(&keeper->talk);
		return;
	}
	if (events & EPOLLOUT)
		lp_talk_tell(keeper);
}

void
lp_talk_adopt(struct lp_keeper *keeper, int fd)
{
	struct lp_talk *talk = &keeper->talk;
	int size = LP_CONTROL_PACKET * 2;

	if (talk->agent_fd >= 0)
		hang_up(talk);
	talk->agent++;
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));	/* more room is welcome, not needed */
	talk->agent_fd = fd;
	talk->pod_dirty = talk->ready_dirty = true;
	for (size_t i = 0; i < keeper->pod.container_count; i++)
		keeper->wards[i].dirty = true;
	if (lp_watch_start(keeper->loop, &talk->agent_watch, fd, EPOLLIN, agent_ready, NULL) < 0)
		hang_up(talk);
	else
		lp_talk_tell(keeper);
}

static void
called(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_keeper *keeper = lp_of(watch, struct lp_keeper, talk.listen_watch);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	lp_auto_fd int fd = accept4(keeper->talk.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)now_ms;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != 0)
		return;
	lp_talk_adopt(keeper, lp_take_fd(&fd));
}

int
lp_talk_listen(struct lp_keeper *keeper, struct lp_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	lp_auto_fd int fd = -1;

	/* A socket has no *at() call: its name goes through our own descriptor. */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" LP_CONTROL_SOCKET, keeper->sandbox.run_fd);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return lp_err_set(err, -errno, "socket");
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return lp_err_set(err, -errno, "bind " LP_CONTROL_SOCKET);
	if (listen(fd, BACKLOG) < 0)
		return lp_err_set(err, -errno, "listen");
	keeper->talk.listen_fd = lp_take_fd(&fd);
	return lp_watch_start(keeper->loop, &keeper->talk.listen_watch, keeper->talk.listen_fd, EPOLLIN, called, err);
}

int
lp_talk_resume(struct lp_keeper *keeper, struct lp_err *err)
{
	struct lp_talk *talk = &keeper->talk;
	int rc;

	rc = lp_watch_start(keeper->loop, &talk->listen_watch, talk->listen_fd, EPOLLIN, called, err);
	lp_list_each(link, &talk->execs) {
		struct lp_talk_exec *exec = lp_of(link, struct lp_talk_exec, link);

		if (!rc && !exec->ended)
			rc = lp_watch_start(keeper->loop, &exec->watch, exec->process.pidfd, EPOLLIN | EPOLLET, exec_ended, err);
	}
	return rc;
}

void
lp_talk_fini(struct lp_keeper *keeper)
{
	hang_up(&keeper->talk);
	lp_watch_stop(&keeper->talk.listen_watch);
	lp_close(&keeper->talk.listen_fd);
}

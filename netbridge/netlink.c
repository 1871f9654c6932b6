#include "netbridge/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "base/auto.h"

#define BATCH_MAX (4u << 20)
#define ANSWER_SECONDS 10
#define ANSWER_BYTES 65536
#define MESSAGE_BYTES (LP_NETLINK_ATTR_MAX + 1024)

struct lp_netlink_note {
	uint32_t words;			/* offset in nl->words */
	int tolerated;			/* errno that is no failure; 0 = none */
};

int
lp_netlink_open(struct lp_netlink *nl, int protocol, struct lp_err *err)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int one = 1, room = BATCH_MAX + 65536, rc;

	memset(nl, 0, sizeof(*nl));
	nl->transaction = protocol == NETLINK_NETFILTER;
	lp_buf_init(&nl->batch, BATCH_MAX);
	lp_buf_init(&nl->notes, BATCH_MAX);
	lp_buf_init(&nl->words, BATCH_MAX);
	nl->sock = nl_socket_alloc();
	if (!nl->sock)
		return lp_err_set(err, -ENOMEM, "netlink socket");
	rc = nl_connect(nl->sock, protocol);
	if (rc < 0) {
		rc = -errno;
		lp_netlink_close(nl);
		return lp_err_set(err, rc ? rc : -EIO, "open netlink protocol %d", protocol);
	}
	if (setsockopt(nl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		rc = -errno;
		lp_netlink_close(nl);
		return lp_err_set(err, rc, "set netlink timeout");
	}
	/* Niceties: words from the kernel, filtered dumps (4.20), room for large batches. Without them it works, less well. */
	(void)setsockopt(nl_socket_get_fd(nl->sock), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(nl_socket_get_fd(nl->sock), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(nl_socket_get_fd(nl->sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	(void)setsockopt(nl_socket_get_fd(nl->sock), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return 0;
}

int
lp_netlink_open_in(struct lp_netlink *nl, int protocol, int netns_fd, struct lp_err *err)
{
	lp_auto_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int rc;

	memset(nl, 0, sizeof(*nl));
	if (home < 0)
		return lp_err_set(err, -errno, "open own network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return lp_err_set(err, -errno, "enter network namespace");
	rc = lp_netlink_open(nl, protocol, err);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();	/* every later call would act on the container's network instead of the node's */
	return rc;
}

void
lp_netlink_close(struct lp_netlink *nl)
{
	if (nl->msg)
		nlmsg_free(nl->msg);
	nl->msg = NULL;
	if (nl->sock)
		nl_socket_free(nl->sock);
	nl->sock = NULL;
	lp_buf_fini(&nl->batch);
	lp_buf_fini(&nl->notes);
	lp_buf_fini(&nl->words);
}

static void
fail(struct lp_netlink *nl, int rc)
{
	if (rc < 0 && !nl->failed)
		nl->failed = rc == -NLE_NOMEM ? -EMSGSIZE : rc;
}

void
lp_netlink_begin(struct lp_netlink *nl, uint16_t type, uint16_t flags, const void *header, size_t len, const char *words, ...)
{
	struct lp_netlink_note note = { .words = (uint32_t)nl->words.len };
	struct nlmsghdr *head;
	va_list args;

	va_start(args, words);
	fail(nl, lp_buf_vprintf(&nl->words, words, args));
	va_end(args);
	fail(nl, lp_buf_char(&nl->words, '\0'));
	fail(nl, lp_buf_add(&nl->notes, &note, sizeof(note)));

	nl->depth = 0;
	nl->msg = nlmsg_alloc_size(MESSAGE_BYTES);
	if (!nl->msg) {
		fail(nl, -ENOMEM);
		return;
	}
	head = nlmsg_put(nl->msg, nl_socket_get_local_port(nl->sock), ++nl->seq, type, 0, NLM_F_REQUEST | flags);
	if (!head || nlmsg_append(nl->msg, (void *)(uintptr_t)header, len, NLMSG_ALIGNTO) < 0)
		fail(nl, -ENOMEM);
}

void
lp_netlink_put(struct lp_netlink *nl, int attr, const void *data, size_t len)
{
	if (nl->msg)
		fail(nl, nla_put(nl->msg, attr, (int)len, data));
}

void
lp_netlink_put_u8(struct lp_netlink *nl, int attr, uint8_t v)
{
	lp_netlink_put(nl, attr, &v, sizeof(v));
}

void
lp_netlink_put_u16(struct lp_netlink *nl, int attr, uint16_t v)
{
	lp_netlink_put(nl, attr, &v, sizeof(v));
}

void
lp_netlink_put_u32(struct lp_netlink *nl, int attr, uint32_t v)
{
	lp_netlink_put(nl, attr, &v, sizeof(v));
}

void
lp_netlink_put_be32(struct lp_netlink *nl, int attr, uint32_t v)
{
	lp_netlink_put_u32(nl, attr, __builtin_bswap32(v));
}

void
lp_netlink_put_be64(struct lp_netlink *nl, int attr, uint64_t v)
{
	v = __builtin_bswap64(v);
	lp_netlink_put(nl, attr, &v, sizeof(v));
}

void
lp_netlink_put_str(struct lp_netlink *nl, int attr, const char *text)
{
	lp_netlink_put(nl, attr, text, strlen(text) + 1);
}

void
lp_netlink_nest(struct lp_netlink *nl, int attr)
{
	struct nlattr *nest;

	if (!nl->msg)
		return;
	if (nl->depth == LP_NETLINK_DEPTH) {
		fail(nl, -E2BIG);
		return;
	}
	nest = nla_nest_start(nl->msg, attr);
	if (!nest)
		fail(nl, -EMSGSIZE);
	nl->nests[nl->depth++] = nest;
}

void
lp_netlink_nest_end(struct lp_netlink *nl)
{
	struct nlattr *nest;

	if (!nl->msg || nl->depth == 0)
		return;
	nest = nl->nests[--nl->depth];
	if (nest)
		fail(nl, nla_nest_end_keep_empty(nl->msg, nest));
}

void
lp_netlink_add(struct lp_netlink *nl, const void *data, size_t len)
{
	if (nl->msg)
		fail(nl, nlmsg_append(nl->msg, (void *)(uintptr_t)data, len, NLMSG_ALIGNTO));
}

void
lp_netlink_end(struct lp_netlink *nl)
{
	static const char zero[NLMSG_ALIGNTO];
	struct nlmsghdr *head;

	if (!nl->msg)
		return;
	head = nlmsg_hdr(nl->msg);
	nl->last = nl->batch.len;
	fail(nl, lp_buf_add(&nl->batch, head, head->nlmsg_len));
	fail(nl, lp_buf_add(&nl->batch, zero, NLMSG_ALIGN(head->nlmsg_len) - head->nlmsg_len));
	nlmsg_free(nl->msg);
	nl->msg = NULL;
}

size_t
lp_netlink_len(const struct lp_netlink *nl)
{
	return nl->msg ? nlmsg_hdr(nl->msg)->nlmsg_len : 0;
}

/* The newest message may be sent: its header, else NULL. */
static struct nlmsghdr *
newest(const struct lp_netlink *nl)
{
	return nl->failed || nl->batch.len == 0 ? NULL : (struct nlmsghdr *)(void *)(nl->batch.data + nl->last);
}

void
lp_netlink_ask(struct lp_netlink *nl)
{
	struct nlmsghdr *last = newest(nl);

	if (last)
		last->nlmsg_flags |= NLM_F_ACK;
}

void
lp_netlink_tolerate(struct lp_netlink *nl, int code)
{
	struct lp_netlink_note *notes = (struct lp_netlink_note *)(void *)nl->notes.data;
	size_t count = nl->notes.len / sizeof(*notes);

	if (count > 0 && !nl->failed)
		notes[count - 1].tolerated = code;
}

void
lp_netlink_reset(struct lp_netlink *nl)
{
	if (nl->msg)
		nlmsg_free(nl->msg);
	nl->msg = NULL;
	lp_buf_reset(&nl->batch);
	lp_buf_reset(&nl->notes);
	lp_buf_reset(&nl->words);
	nl->failed = 0;
	nl->last = 0;
}

/* What the message with this sequence number was for; NULL when it is none of this batch. */
static const struct lp_netlink_note *
note_of(const struct lp_netlink *nl, uint32_t seq, const char **out_words)
{
	const struct lp_netlink_note *notes = (const struct lp_netlink_note *)(void *)nl->notes.data;
	uint32_t count = (uint32_t)(nl->notes.len / sizeof(*notes));
	uint32_t back = nl->seq - seq;		/* 0 = the newest */

	if (back >= count)
		return NULL;
	*out_words = nl->words.data + notes[count - 1 - back].words;
	return &notes[count - 1 - back];
}

/* The sentence the kernel adds to a refusal (NLMSGERR_ATTR_MSG), or "". */
static void
kernel_words(const struct nlmsghdr *head, const struct nlmsgerr *answer, char *out, size_t size)
{
	struct lp_netlink_attr attrs[NLMSGERR_ATTR_MSG + 1];
	size_t skip = sizeof(*answer);

	out[0] = '\0';
	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(answer->msg.nlmsg_len) - sizeof(answer->msg);
	if (skip > head->nlmsg_len - NLMSG_HDRLEN)
		return;
	lp_netlink_attrs(answer, head->nlmsg_len - NLMSG_HDRLEN, skip, attrs, NLMSGERR_ATTR_MSG);
	if (attrs[NLMSGERR_ATTR_MSG].data)
		(void)snprintf(out, size, " (%.*s)", (int)attrs[NLMSGERR_ATTR_MSG].len, (const char *)attrs[NLMSGERR_ATTR_MSG].data);
}

struct answer {
	int rc;				/* first failure */
	bool done;
	uint32_t first, last;		/* sequence numbers of the batch */
	lp_netlink_fn fn;		/* NULL for a commit */
	void *arg;
};

static void
take_error(struct lp_netlink *nl, const struct nlmsghdr *head, struct answer *answer, struct lp_err *err)
{
	const struct nlmsgerr *body = nlmsg_data((struct nlmsghdr *)(uintptr_t)head);
	const struct lp_netlink_note *note;
	const char *words = "netlink";
	char more[160];

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
		return;
	note = note_of(nl, head->nlmsg_seq, &words);
	if (!note)
		return;		/* belongs to a batch whose answers we gave up */
	if (body->error && body->error != -note->tolerated && !answer->rc) {
		kernel_words(head, body, more, sizeof(more));
		answer->rc = lp_err_set(err, body->error, "%s%s", words, more);
	}
	/* A transaction that is refused as a whole answers to its first message only. */
	if (head->nlmsg_seq == answer->last || (nl->transaction && head->nlmsg_seq == answer->first && body->error))
		answer->done = true;
}

static void
take_message(struct lp_netlink *nl, const struct nlmsghdr *head, struct answer *answer, struct lp_err *err)
{
	const char *words = "netlink";
	int rc;

	if (head->nlmsg_type == NLMSG_ERROR) {
		take_error(nl, head, answer, err);
		return;
	}
	if (head->nlmsg_seq != answer->last || !answer->fn)
		return;
	if ((head->nlmsg_flags & NLM_F_DUMP_INTR) && !answer->rc)
		answer->rc = lp_err_say(err, -EAGAIN, "the kernel's list changed while it was read");
	if (head->nlmsg_type == NLMSG_DONE) {
		answer->done = true;
		if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(int)))
			memcpy(&rc, nlmsg_data((struct nlmsghdr *)(uintptr_t)head), sizeof(rc));
		else
			rc = 0;
		if (rc < 0 && !answer->rc) {
			(void)note_of(nl, head->nlmsg_seq, &words);
			answer->rc = lp_err_set(err, rc, "%s", words);
		}
		return;
	}
	rc = answer->fn(answer->arg, head->nlmsg_type, nlmsg_data((struct nlmsghdr *)(uintptr_t)head), head->nlmsg_len - NLMSG_HDRLEN);
	if (rc < 0 && !answer->rc)
		answer->rc = lp_err_set(err, rc, "netlink answer");
}

static int
read_answers(struct lp_netlink *nl, struct answer *answer, struct lp_err *err)
{
	lp_auto_free char *buf = malloc(ANSWER_BYTES);

	if (!buf)
		return lp_err_set(err, -ENOMEM, "netlink answer");
	while (!answer->done) {
		ssize_t got = recv(nl_socket_get_fd(nl->sock), buf, ANSWER_BYTES, 0);
		struct nlmsghdr *head = (struct nlmsghdr *)(void *)buf;
		int left;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return lp_err_set(err, errno == EAGAIN ? -ETIMEDOUT : -errno, "the kernel's answer");
		for (left = (int)got; nlmsg_ok(head, left); head = nlmsg_next(head, &left))
			take_message(nl, head, answer, err);
	}
	return answer->rc;
}

static int
exchange(struct lp_netlink *nl, struct answer *answer, struct lp_err *err)
{
	uint32_t count = (uint32_t)(nl->notes.len / sizeof(struct lp_netlink_note));
	const char *words = "netlink";
	int rc = nl->failed;

	if (rc) {
		(void)note_of(nl, nl->seq, &words);
		rc = lp_err_set(err, rc, "build netlink batch (%u messages, up to \"%s\")", count, words);
	} else if (count > 0) {
		answer->first = nl->seq - count + 1;
		if (nl_sendto(nl->sock, nl->batch.data, nl->batch.len) < 0)
			rc = lp_err_set(err, -errno, "send %zu bytes to the kernel", nl->batch.len);
		else
			rc = read_answers(nl, answer, err);
	}
	lp_netlink_reset(nl);
	return rc;
}

int
lp_netlink_commit(struct lp_netlink *nl, struct lp_err *err)
{
	struct answer answer = { .last = nl->seq };

	/* The end of a transaction is never answered: its caller asks for the answer to the message before it. */
	if (nl->transaction)
		answer.last = nl->seq - 1;
	else
		lp_netlink_ask(nl);
	return exchange(nl, &answer, err);
}

int
lp_netlink_query(struct lp_netlink *nl, lp_netlink_fn fn, void *arg, struct lp_err *err)
{
	struct nlmsghdr *last = newest(nl);
	struct answer answer = { .last = nl->seq, .fn = fn, .arg = arg };

	/* A get that is no dump has no end mark: its acknowledgement is one. */
	if (last && (last->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		last->nlmsg_flags |= NLM_F_ACK;
	return exchange(nl, &answer, err);
}

int
lp_netlink_join(struct lp_netlink *nl, int group, struct lp_err *err)
{
	if (nl_socket_add_membership(nl->sock, group) < 0)
		return lp_err_set(err, -errno, "listen to netlink group %d", group);
	return 0;
}

int
lp_netlink_descriptor(const struct lp_netlink *nl, int *out_fd, struct lp_err *err)
{
	int fd = fcntl(nl_socket_get_fd(nl->sock), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return lp_err_set(err, -errno, "netlink descriptor");
	*out_fd = fd;
	return 0;
}

int
lp_netlink_wait(struct lp_netlink *nl, int wait_ms, struct lp_err *err)
{
	struct pollfd wait = { .fd = nl_socket_get_fd(nl->sock), .events = POLLIN };
	char heard[4096];
	int rc = poll(&wait, 1, wait_ms);

	if (rc < 0 && errno != EINTR)
		return lp_err_set(err, -errno, "wait for the kernel");
	if (rc == 0)
		return lp_err_set(err, -ETIMEDOUT, "wait for the kernel");
	/* Cut off or overrun does not matter: only that there was something. */
	while (recv(wait.fd, heard, sizeof(heard), MSG_DONTWAIT | MSG_TRUNC) > 0 || errno == ENOBUFS)
		continue;
	return 0;
}

void
lp_netlink_attrs(const void *data, size_t len, size_t skip, struct lp_netlink_attr *out, size_t max)
{
	const struct nlattr *attr;
	int left;

	memset(out, 0, (max + 1) * sizeof(*out));
	skip = NLMSG_ALIGN(skip);
	if (!data || len < skip)
		return;
	attr = (const struct nlattr *)(const void *)((const char *)data + skip);
	for (left = (int)(len - skip); nla_ok(attr, left); attr = nla_next(attr, &left)) {
		int type = nla_type(attr);

		if (type >= 0 && (size_t)type <= max)
			out[type] = (struct lp_netlink_attr){ nla_data(attr), (size_t)nla_len(attr) };
	}
}

uint32_t
lp_netlink_u32(const struct lp_netlink_attr *attr)
{
	uint32_t v;

	if (!attr->data || attr->len != sizeof(v))
		return 0;
	memcpy(&v, attr->data, sizeof(v));
	return v;
}

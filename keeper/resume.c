/* keeper/resume.c - see resume.h. */
#include "keeper/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "keeper/keeper.h"
#include "keeper/resume_record.h"

/* ---- saving ---- */

static struct saved_end
save_end(const struct lp_ward_end *end)
{
	return (struct saved_end){ end->set, end->attempt, end->code, end->signal, end->reason, end->message, end->started_ms, end->ended_ms };
}

static int
save_container(struct lp_arena *arena, const struct lp_container *container, const void **out, size_t *out_len, struct lp_err *err)
{
	struct lp_container_record *record = lp_arena_alloc(arena, sizeof(*record));
	int rc;

	if (!record)
		return lp_err_set(err, -ENOMEM, "container record");
	rc = lp_container_record(container, record, err);
	if (rc < 0)
		return rc;
	*out = record;
	*out_len = sizeof(*record);
	return 0;
}

static int
save_care(struct lp_arena *arena, const struct lp_ward *ward, struct saved_ward *out, struct lp_err *err)
{
	const struct lp_care *care = &ward->care;
	size_t count = care->probes ? ward->spec->probe_count : 0;
	struct saved_errand *errands = lp_arena_alloc(arena, (count + 1) * sizeof(*errands));
	struct saved_probe *probes = lp_arena_alloc(arena, (count + 1) * sizeof(*probes));

	if (!errands || !probes)
		return lp_err_set(err, -ENOMEM, "probes");
	for (size_t i = 0; i <= ward->spec->probe_count; i++) {
		const struct lp_errand *errand = lp_care_errand(ward, i);

		if (errand && errand->busy && (errand->process.pid > 0 || errand->action->deed == LP_CONTROL_DEED_SLEEP))
			errands[out->errand_count++] = (struct saved_errand){ (uint32_t)i, errand->process.pid, errand->process.pidfd + 1,
			    errand->text_fd + 1, errand->timeout_ms, errand->due_ms };
	}
	for (size_t i = 0; i < count; i++) {
		const struct lp_probe *probe = &care->probes[i].probe;

		probes[i] = (struct saved_probe){ probe->result, probe->newest, probe->held, probe->row, probe->due_ms };
	}
	out->errands = errands;
	out->probes = probes;
	out->probe_count = count;
	out->grace_ms = care->grace_ms;
	out->turned_ms = care->turned_ms;
	out->hook_used = care->hook_used;
	out->news = care->news;
	out->news_count = care->news_count;
	return 0;
}

static int
save_limits(struct lp_arena *arena, const struct lp_ward *ward, struct saved_ward *out, struct lp_err *err)
{
	struct lp_control_message message;
	lp_auto_buf struct lp_buf bytes;
	char *copy;
	int rc;

	if (!ward->resized)
		return 0;
	lp_buf_init(&bytes, LP_CONTROL_PACKET);
	lp_control_message_init(&message);
	message.limits = ward->limits;
	rc = lp_control_message_write(&bytes, &message, err);
	if (rc < 0)
		return rc;
	copy = lp_arena_alloc(arena, bytes.len);
	if (!copy)
		return lp_err_set(err, -ENOMEM, "limits");
	memcpy(copy, bytes.data, bytes.len);
	out->limits = copy;
	out->limits_len = bytes.len;
	return 0;
}

static int
save_ward(struct lp_arena *arena, const struct lp_ward *ward, struct saved_ward *out, struct lp_err *err)
{
	int32_t *readers = lp_arena_alloc(arena, sizeof(ward->readers));
	int rc;

	if (!readers)
		return lp_err_set(err, -ENOMEM, "readers");
	for (int i = 0; i < LP_WARD_READERS; i++)
		for (int k = 0; k < LP_LOGS_STREAMS; k++)
			readers[i * LP_LOGS_STREAMS + k] = ward->readers[i][k] + 1;
	*out = (struct saved_ward){
		.state = (int32_t)ward->facts.state,
		.exit_code = ward->facts.exit_code,
		.asked = ward->facts.asked,
		.killed = ward->facts.killed,
		.again_ms = ward->facts.again_ms,
		.delay_ms = ward->delay_ms,
		.started_ms = ward->started_ms,
		.began_ms = ward->began_ms,
		.attempt = ward->attempt,
		.starts = ward->starts,
		.out = ward->pipes[0].fd + 1,
		.err = ward->pipes[1].fd + 1,
		.in = ward->stdin_fd + 1,
		.readers = readers,
		.reader_count = LP_WARD_READERS * LP_LOGS_STREAMS,
		.end = save_end(&ward->end),
		.last = save_end(&ward->last),
		.missing = ward->missing,
		.notes = ward->notes,
		.log_lost = ward->logs.lost,
		.begun = ward->facts.begun,
		.started = ward->facts.started,
		.unwell = ward->facts.unwell,
		.anew = ward->facts.anew,
		.hooked = ward->facts.hooked,
		.signalled = ward->facts.signalled,
		.kill_ms = ward->facts.kill_ms,
		.mercy_ms = ward->facts.mercy_ms,
	};
	for (int i = 0; i < LP_LOGS_STREAMS; i++) {
		out->partial[i] = ward->logs.partial[i].text;
		out->partial_len[i] = ward->logs.partial[i].len;
	}
	rc = save_care(arena, ward, out, err);
	if (!rc)
		rc = save_limits(arena, ward, out, err);
	if (!rc && ward->container)
		rc = save_container(arena, ward->container, &out->container, &out->container_len, err);
	return rc;
}

static size_t
list_count(const struct lp_list *list)
{
	size_t count = 0;

	for (const struct lp_list *link = list->next; link != list; link = link->next)
		count++;
	return count;
}

static int
save_execs(struct lp_arena *arena, struct lp_keeper *keeper, struct saved *out, struct lp_err *err)
{
	struct saved_exec *execs = lp_arena_alloc(arena, (list_count(&keeper->talk.execs) + 1) * sizeof(*execs));

	if (!execs)
		return lp_err_set(err, -ENOMEM, "execs");
	lp_list_each(link, &keeper->talk.execs) {
		const struct lp_talk_exec *exec = lp_of(link, struct lp_talk_exec, link);

		if (exec->agent != keeper->talk.agent)
			continue;	/* nobody waits for it; as a zombie it goes with us */
		execs[out->exec_count++] = (struct saved_exec){ exec->id, exec->process.pid, exec->process.pidfd + 1, exec->ended,
		    exec->exit.code, exec->exit.signal };
	}
	out->execs = execs;
	return 0;
}

static int
save(struct lp_arena *arena, struct lp_keeper *keeper, struct lp_buf *out, struct lp_err *err)
{
	struct saved_ward *wards = lp_arena_alloc(arena, keeper->pod.container_count * sizeof(*wards));
	int32_t *ns = lp_arena_alloc(arena, LP_NS_COUNT * sizeof(*ns));
	struct saved saved = {
		.note = keeper->note,
		.inner = keeper->sandbox.inner_fd + 1,
		.dir = keeper->sandbox.dir_fd + 1,
		.cgroup = keeper->sandbox.cgroup_fd + 1,
		.listen = keeper->talk.listen_fd + 1,
		.agent = keeper->talk.agent_fd + 1,
		.ns = ns,
		.ns_count = LP_NS_COUNT,
		.missing = keeper->sandbox.missing,
		.go = keeper->facts.go,
		.stopping = keeper->facts.stopping,
		.done = keeper->done,
		.forget = keeper->forget,
		.keep_logs = keeper->keep_logs,
		.leave = keeper->leave,
		.kill_ms = keeper->facts.kill_ms,
		.started_ms = keeper->started_ms,
		.error = keeper->broken.code,
		.error_text = keeper->broken.code ? keeper->broken.text : NULL,
		.wards = wards,
		.ward_count = keeper->pod.container_count,
		.at_once = keeper->facts.at_once,
		.expired = keeper->expired,
		.deadline_ms = keeper->facts.deadline_ms,
		.went_ms = keeper->went_ms,
		.pod_deadline_ms = keeper->pod.deadline_ms,
		.reaper = keeper->sandbox.ns.reaper,
		.reaper_fd = keeper->sandbox.ns.reaper_fd + 1,
	};
	int rc = 0;

	if (!wards || !ns)
		return lp_err_set(err, -ENOMEM, "memory for the next program");
	for (int i = 0; i < LP_NS_COUNT; i++)
		ns[i] = keeper->sandbox.ns.fds[i] + 1;
	for (size_t i = 0; i < keeper->pod.container_count && !rc; i++)
		rc = save_ward(arena, &keeper->wards[i], &wards[i], err);
	if (!rc)
		rc = save_execs(arena, keeper, &saved, err);
	if (rc < 0)
		return rc;
	(void)lp_flat_write(out, lp_resume_tables, LP_RESUME_SAVED, &saved);	/* sticky */
	return out->failed ? lp_err_set(err, out->failed, "memory for the next program") : 0;
}

/* ---- the descriptors that go along ---- */

typedef int (*fd_fn)(int fd, int flags);

static int
set_flags(int fd, int flags)
{
	return fd < 0 || fcntl(fd, F_SETFD, flags) >= 0 ? 0 : -errno;
}

/* 0 lets them through the execve, FD_CLOEXEC takes that back. */
static int
flag_all(struct lp_keeper *keeper, int memory_fd, int flags)
{
	int rc = set_flags(memory_fd, flags);

	for (int fd = LP_KEEPER_FD_RECORD; fd < LP_KEEPER_FD_COUNT; fd++)
		if (fd != LP_KEEPER_FD_AGENT)
			rc |= set_flags(fd, flags);
	rc |= set_flags(keeper->sandbox.inner_fd, flags) | set_flags(keeper->sandbox.dir_fd, flags) |
	    set_flags(keeper->sandbox.cgroup_fd, flags) | set_flags(keeper->talk.listen_fd, flags) |
	    set_flags(keeper->talk.agent_fd, flags) | set_flags(keeper->sandbox.ns.reaper_fd, flags);
	for (int i = 0; i < LP_NS_COUNT; i++)
		rc |= set_flags(keeper->sandbox.ns.fds[i], flags);
	for (size_t i = 0; i < keeper->pod.container_count; i++) {
		struct lp_ward *ward = &keeper->wards[i];

		rc |= set_flags(ward->pipes[0].fd, flags) | set_flags(ward->pipes[1].fd, flags) | set_flags(ward->stdin_fd, flags);
		for (int k = 0; k < LP_WARD_READERS; k++)
			rc |= set_flags(ward->readers[k][0], flags) | set_flags(ward->readers[k][1], flags);
		for (size_t k = 0; k <= ward->spec->probe_count; k++) {
			const struct lp_errand *errand = lp_care_errand(ward, k);

			if (errand && errand->busy)
				rc |= set_flags(errand->process.pidfd, flags) | set_flags(errand->text_fd, flags);
		}
	}
	lp_list_each(link, &keeper->talk.execs)
		rc |= set_flags(lp_of(link, struct lp_talk_exec, link)->process.pidfd, flags);
	return rc ? -EBADF : 0;
}

static int
make_memory(struct lp_keeper *keeper, int *out_fd, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf bytes;
	lp_auto_fd int fd = -1;
	int rc;

	lp_arena_init(&arena, LP_CONTROL_RECORD);
	lp_buf_init(&bytes, LP_CONTROL_RECORD);
	rc = save(&arena, keeper, &bytes, err);
	if (rc < 0)
		return rc;
	fd = memfd_create("keeper", MFD_CLOEXEC);
	if (fd < 0)
		return lp_err_set(err, -errno, "memfd_create");
	rc = lp_path_write_all(fd, bytes.data, bytes.len, err);
	if (!rc)
		*out_fd = lp_take_fd(&fd);
	return rc;
}

int
lp_resume_exec(struct lp_keeper *keeper, int exe_fd, struct lp_err *err)
{
	lp_auto_fd int memory = -1, own = -1;
	char resume[32], title[320];
	char *const argv[] = { (char *)(uintptr_t)"limpet", (char *)(uintptr_t)"keeper", resume, title, NULL };
	char *const env[] = { NULL };
	int rc, code;

	lp_ward_bury_now(keeper);
	/* Our own program was started from a read-only mount of its own already (lp_container_exe_open). */
	own = exe_fd < 0 ? open("/proc/self/exe", O_PATH | O_CLOEXEC) : -1;
	rc = exe_fd < 0 && own < 0 ? lp_err_set(err, -errno, "our executable") : 0;
	if (!rc)
		rc = make_memory(keeper, &memory, err);
	if (!rc && flag_all(keeper, memory, 0) < 0)
		rc = lp_err_set(err, -EBADF, "descriptors for the next program");
	if (!rc) {
		(void)snprintf(resume, sizeof(resume), "--resume=%d", memory);
		(void)snprintf(title, sizeof(title), "%s/%s", keeper->pod.namespace, keeper->pod.name);
		(void)syscall(SYS_execveat, exe_fd < 0 ? own : exe_fd, "", argv, env, AT_EMPTY_PATH);
		code = -errno;
		rc = lp_err_set(err, code, "execute the next program");
		(void)flag_all(keeper, memory, FD_CLOEXEC);	/* they are open: it cannot fail */
	}
	return rc;
}

/* ---- loading ---- */

static int
load_end(const struct saved_end *from, struct lp_ward_end *out)
{
	*out = (struct lp_ward_end){
		.set = from->set,
		.attempt = from->attempt,
		.code = from->code,
		.signal = from->signal,
		.reason = from->reason,
		.message = from->message ? strdup(from->message) : NULL,
		.started_ms = from->started_ms,
		.ended_ms = from->ended_ms,
	};
	return 0;
}

static int
load_container(struct lp_keeper *keeper, const void *bytes, size_t len, struct lp_container **out, struct lp_err *err)
{
	struct lp_container_record record = { 0 };
	int rc;

	memcpy(&record, bytes, len < sizeof(record) ? len : sizeof(record));	/* it only ever grows */
	rc = lp_container_adopt(&record, keeper->sandbox.cgroup_fd, out, err);
	return rc == -ESRCH && *out ? 0 : rc;
}

static int
load_log(struct lp_ward *ward, const struct saved_ward *from)
{
	struct lp_logs *logs = &ward->logs;

	if (lp_logs_open(logs, ward->keeper->sandbox.logs_fd, ward->spec->name, ward->attempt, ward->spec->log_bytes, NULL) < 0)
		*logs = (struct lp_logs){ .fd = -1 };
	logs->lost = from->log_lost;
	for (int i = 0; i < LP_LOGS_STREAMS; i++) {
		size_t len = from->partial_len[i];

		if (!len || len >= LP_LOGS_LINE)
			continue;
		logs->partial[i].text = lp_seam.alloc(LP_LOGS_LINE);
		if (!logs->partial[i].text)
			return -ENOMEM;
		memcpy(logs->partial[i].text, from->partial[i], len);
		logs->partial[i].len = len;
	}
	return 0;
}

static int
load_limits(struct lp_ward *ward, const struct saved_ward *from, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_control_message message;
	int rc;

	if (!from->limits_len)
		return 0;
	lp_arena_init(&arena, LP_CONTROL_PACKET);
	rc = lp_control_message_read(&arena, from->limits, from->limits_len, &message, err);
	if (!rc)
		rc = lp_control_limits_copy(&ward->limits_arena, &message.limits, &ward->limits, err);
	ward->resized = !rc;
	return rc;
}

static int
load_news(struct lp_care *care, const struct saved_ward *from)
{
	if (!from->news_count)
		return 0;
	care->news = lp_seam.alloc(from->news_count * sizeof(*care->news));
	if (!care->news)
		return -ENOMEM;
	for (; care->news_count < from->news_count; care->news_count++) {
		care->news[care->news_count] = from->news[care->news_count];
		care->news[care->news_count].text = from->news[care->news_count].text ? strdup(from->news[care->news_count].text) : NULL;
	}
	return 0;
}

/* Facts of a run, its hooks and its probes. */
static int
load_care(struct lp_ward *ward, const struct saved_ward *from, struct lp_err *err)
{
	struct lp_care *care = &ward->care;

	ward->facts.begun = from->begun;
	ward->facts.started = from->started;
	ward->facts.unwell = from->unwell;
	ward->facts.anew = from->anew;
	ward->facts.hooked = from->hooked;
	ward->facts.signalled = from->signalled;
	ward->facts.kill_ms = from->kill_ms;
	ward->facts.mercy_ms = from->mercy_ms;
	care->grace_ms = from->grace_ms;
	care->turned_ms = from->turned_ms;
	care->hook_used = from->hook_used;
	lp_care_init(ward);
	for (size_t i = 0; care->probes && i < ward->spec->probe_count && i < from->probe_count; i++)
		care->probes[i].probe = (struct lp_probe){ .result = from->probes[i].result, .newest = from->probes[i].newest,
			.held = from->probes[i].held, .row = from->probes[i].row, .due_ms = from->probes[i].due_ms };
	if (load_news(care, from) < 0)
		return lp_err_set(err, -ENOMEM, "words");
	return load_limits(ward, from, err);
}

static void
load_errands(struct lp_ward *ward, const struct saved_ward *from)
{
	for (size_t i = 0; i < from->errand_count; i++) {
		const struct saved_errand *saved = &from->errands[i];
		struct lp_errand errand = { .text_fd = saved->text - 1, .timeout_ms = saved->timeout_ms, .due_ms = saved->due_ms };

		lp_process_init(&errand.process);
		errand.process.pid = saved->pid;
		errand.process.pidfd = saved->pidfd - 1;
		if (!lp_care_errand(ward, saved->which))
			continue;
		if (saved->which)
			ward->care.probes[saved->which - 1].probe.asking = true;
		lp_care_resume_errand(ward, saved->which, &errand);
	}
	lp_care_resume(ward, lp_loop_now(ward->keeper->loop));
}

static int
load_ward(struct lp_keeper *keeper, const struct saved_ward *from, struct lp_ward *ward, struct lp_err *err)
{
	int rc;

	ward->facts.state = (enum lp_plan_state)from->state;
	ward->facts.exit_code = from->exit_code;
	ward->facts.asked = from->asked;
	ward->facts.killed = from->killed;
	ward->facts.again_ms = from->again_ms;
	ward->delay_ms = from->delay_ms;
	ward->started_ms = from->started_ms;
	ward->began_ms = from->began_ms;
	ward->attempt = from->attempt;
	ward->starts = from->starts;
	ward->missing = from->missing;
	ward->notes = from->notes ? strdup(from->notes) : NULL;
	(void)load_end(&from->end, &ward->end);
	(void)load_end(&from->last, &ward->last);
	ward->pipes[0].fd = from->out - 1;
	ward->pipes[1].fd = from->err - 1;
	ward->stdin_fd = from->in - 1;
	for (size_t i = 0; i < from->reader_count && i < LP_WARD_READERS * LP_LOGS_STREAMS; i++)
		ward->readers[i / LP_LOGS_STREAMS][i % LP_LOGS_STREAMS] = from->readers[i] - 1;
	rc = load_care(ward, from, err);
	if (rc < 0 || ward->facts.state != LP_PLAN_RUNNING)
		return rc;
	if (ward->spec->config.process.terminal)
		ward->terminal_fd = ward->pipes[0].fd;
	rc = load_container(keeper, from->container, from->container_len, &ward->container, err);
	if (!rc)
		rc = load_log(ward, from);
	if (!rc)
		rc = lp_ward_watch(ward, err);
	if (!rc)
		load_errands(ward, from);
	return rc;
}

static int
load_execs(struct lp_keeper *keeper, const struct saved *saved, struct lp_err *err)
{
	for (size_t i = 0; i < saved->exec_count; i++) {
		const struct saved_exec *from = &saved->execs[i];
		struct lp_talk_exec *exec = lp_seam.alloc(sizeof(*exec));

		if (!exec)
			return lp_err_set(err, -ENOMEM, "exec");
		exec->keeper = keeper;
		exec->id = from->id;
		exec->agent = keeper->talk.agent + 1;	/* the connection that lp_talk_adopt is about to count */
		lp_process_init(&exec->process);
		exec->process.pid = from->pid;
		exec->process.pidfd = from->pidfd - 1;
		exec->ended = from->ended;
		exec->exit.code = from->code;
		exec->exit.signal = from->signal;
		lp_list_append(&keeper->talk.execs, &exec->link);
	}
	return 0;
}

static int
load(struct lp_keeper *keeper, const struct saved *saved, struct lp_err *err)
{
	int rc;

	keeper->note = saved->note ? strdup(saved->note) : NULL;
	keeper->sandbox.inner_fd = saved->inner - 1;
	keeper->sandbox.dir_fd = saved->dir - 1;
	keeper->sandbox.cgroup_fd = saved->cgroup - 1;
	keeper->talk.listen_fd = saved->listen - 1;
	keeper->sandbox.missing = saved->missing;
	for (size_t i = 0; i < saved->ns_count && i < LP_NS_COUNT; i++)
		keeper->sandbox.ns.fds[i] = saved->ns[i] - 1;
	keeper->facts.go = saved->go;
	keeper->facts.stopping = saved->stopping;
	keeper->facts.kill_ms = saved->kill_ms;
	keeper->done = saved->done;
	keeper->forget = saved->forget;
	keeper->keep_logs = saved->keep_logs;
	keeper->leave = saved->leave;
	keeper->started_ms = saved->started_ms;
	keeper->facts.at_once = saved->at_once;
	keeper->facts.deadline_ms = saved->deadline_ms;
	keeper->expired = saved->expired;
	keeper->went_ms = saved->went_ms;
	keeper->pod.deadline_ms = saved->pod_deadline_ms;
	keeper->sandbox.ns.reaper = saved->reaper;
	keeper->sandbox.ns.reaper_fd = saved->reaper_fd - 1;
	if (saved->error < 0)
		(void)lp_err_say(&keeper->broken, saved->error, "%s", saved->error_text ? saved->error_text : "");
	if (saved->ward_count != keeper->pod.container_count)
		return lp_err_say(err, -EBADMSG, "the memory of %zu containers for %zu", saved->ward_count, keeper->pod.container_count);
	for (size_t i = 0; i < saved->ward_count; i++) {
		rc = load_ward(keeper, &saved->wards[i], &keeper->wards[i], err);
		if (rc < 0)
			return lp_err_wrap(err, "container %s", keeper->wards[i].spec->name);
	}
	rc = load_execs(keeper, saved, err);
	if (!rc)
		rc = lp_talk_resume(keeper, err);
	if (!rc)
		rc = lp_keeper_watch_reaper(keeper, err);
	return rc;
}

int
lp_resume_load(struct lp_keeper *keeper, int memory_fd, struct lp_err *err)
{
	lp_auto_fd int fd = memory_fd;
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf bytes;
	struct saved saved;
	int rc;

	lp_arena_init(&arena, LP_CONTROL_RECORD * 4);
	lp_buf_init(&bytes, LP_CONTROL_RECORD);
	memset(&saved, 0, sizeof(saved));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return lp_err_set(err, -errno, "the keeper's memory");
	rc = lp_path_read_fd(fd, &bytes, err);
	if (!rc)
		rc = lp_flat_read(&arena, lp_resume_tables, LP_RESUME_SAVED, bytes.data, bytes.len, &saved, err);
	if (!rc)
		rc = load(keeper, &saved, err);
	if (rc < 0)
		return lp_err_wrap(err, "go on after an upgrade");
	lp_close(&fd);
	(void)flag_all(keeper, -1, FD_CLOEXEC);		/* they are open: it cannot fail */
	lp_talk_adopt(keeper, saved.agent - 1);
	lp_keeper_changed(keeper);
	lp_keeper_look(keeper);
	return 0;
}

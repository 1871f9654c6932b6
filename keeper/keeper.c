/* keeper/keeper.c - see keeper.h. */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/state.h"
#include "base/text.h"
#include "keeper/resume.h"

#define STEPS_A_TURN 256
#define AGAIN_MS 10		/* while something is dying */
#define STACK_BYTES 131072	/* as much as we may have used */

/* ---- what is known ---- */

struct lp_ward *
lp_keeper_find(struct lp_keeper *keeper, const char *container)
{
	for (size_t i = 0; container && i < keeper->pod.container_count; i++)
		if (!strcmp(keeper->wards[i].spec->name, container))
			return &keeper->wards[i];
	return NULL;
}

void
lp_keeper_state(const struct lp_keeper *keeper, struct lp_control_state *out)
{
	*out = (struct lp_control_state){
		.uid = keeper->pod.uid,
		.namespace = keeper->pod.namespace,
		.name = keeper->pod.name,
		.phase = keeper->done || keeper->broken.code ? LP_CONTROL_DONE : keeper->facts.stopping ? LP_CONTROL_STOPPING :
		    keeper->facts.go ? LP_CONTROL_RUNNING : LP_CONTROL_STARTING,
		.started_ms = keeper->started_ms,
		.pid = (int32_t)getpid(),
		.version = LP_VERSION,
		.note = keeper->note ? keeper->note : keeper->pod.note,
		.missing = keeper->sandbox.missing,
		.boot_id = keeper->boot_id,
		.uid_base = keeper->pod.host_users || !keeper->pod.uid_count ? 0 : keeper->pod.uids[0].outside,
		.error = keeper->broken.code,
		.error_text = keeper->broken.code ? keeper->broken.text : NULL,
		.reason = keeper->expired ? "DeadlineExceeded" : NULL,
		.message = keeper->expired ? "Pod was active on the node longer than the specified deadline" : NULL,
	};
	if (keeper->sandbox.cgroup_fd < 0 && keeper->sandbox.ns.reaper > 0) {
		out->reaper = (int32_t)keeper->sandbox.ns.reaper;
		(void)lp_record_start_ticks(out->reaper, &out->reaper_ticks, NULL);	/* 0: nobody will look for it */
	}
}

/* The state file: what the next agent learns even if this keeper is dead by then. */
static int
write_state(struct lp_keeper *keeper, struct lp_err *err)
{
	size_t count = keeper->pod.container_count;
	lp_auto_free struct lp_control_status *statuses = lp_seam.alloc(count * sizeof(*statuses));
	lp_auto_free char *scratch = lp_seam.alloc(count * LP_WARD_SCRATCH);
	lp_auto_buf struct lp_buf bytes;
	struct lp_control_state state;
	int rc;

	lp_buf_init(&bytes, LP_CONTROL_RECORD);
	if (!statuses || !scratch)
		return lp_err_set(err, -ENOMEM, "state");
	for (size_t i = 0; i < count; i++)
		lp_ward_status(&keeper->wards[i], lp_loop_now(keeper->loop), scratch + i * LP_WARD_SCRATCH, &statuses[i]);
	lp_keeper_state(keeper, &state);
	rc = lp_control_last_write(&bytes, &state, statuses, count, keeper->pod.cgroup, err);
	if (!rc)
		rc = lp_state_write(keeper->sandbox.run_fd, LP_CONTROL_STATE_FILE, LP_CONTROL_STATE_SCHEMA, bytes.data, bytes.len, err);
	return rc;
}

void
lp_keeper_changed(struct lp_keeper *keeper)
{
	(void)write_state(keeper, NULL);	/* it is the copy for a keeper's death; the agent is told all the same */
	lp_talk_tell(keeper);
}

static void
pod_changed(struct lp_keeper *keeper)
{
	keeper->talk.pod_dirty = true;
	lp_keeper_changed(keeper);
}

/* ---- looking ---- */

static void
look_later(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	lp_keeper_look(lp_of(timer, struct lp_keeper, due));
}

static bool
anything_runs(const struct lp_keeper *keeper)
{
	for (size_t i = 0; i < keeper->pod.container_count; i++)
		if (keeper->wards[i].facts.state == LP_PLAN_RUNNING)
			return true;
	return false;
}

/* Told to forget: once nothing runs and nothing is being removed, everything goes, and so do we. */
static void
forget(struct lp_keeper *keeper, int64_t now_ms)
{
	struct lp_err err = { 0 };

	for (size_t i = 0; i < keeper->pod.container_count; i++)
		if (keeper->wards[i].facts.state == LP_PLAN_RUNNING && !keeper->wards[i].facts.killed)
			lp_ward_kill(&keeper->wards[i]);
	if (anything_runs(keeper) || !lp_list_empty(&keeper->remains))
		return;			/* their ends make us look again */
	lp_watch_stop(&keeper->reaper_watch);
	(void)lp_sandbox_kill(&keeper->sandbox, NULL);		/* what an exec left behind, with the host's pid namespace */
	if (lp_sandbox_remove(&keeper->sandbox, &keeper->pod, keeper->keep_logs, &err) == -EBUSY) {
		(void)lp_timer_start(keeper->loop, &keeper->due, now_ms + AGAIN_MS, look_later);
		return;
	}
	lp_talk_fini(keeper);
	lp_loop_stop(keeper->loop);
}

static int64_t
grace_of(const struct lp_keeper *keeper)
{
	return keeper->pod.grace_ms >= 0 ? keeper->pod.grace_ms : LP_KEEPER_GRACE_MS;
}

/* A step is carried out, and then everything is looked at again. False: nothing to do now. */
static bool
carry_out(struct lp_keeper *keeper, enum lp_plan_step step, struct lp_ward *ward, int64_t now_ms)
{
	switch (step) {
	case LP_STEP_START:
		lp_ward_start(ward, now_ms);
		return true;
	case LP_STEP_ASK:
		if (!keeper->facts.kill_ms && !ward->facts.unwell)
			keeper->facts.kill_ms = now_ms + grace_of(keeper);
		lp_ward_ask(ward, !keeper->facts.kill_ms || now_ms < keeper->facts.kill_ms, now_ms);
		return true;
	case LP_STEP_SIGNAL:
		lp_ward_signal(ward, now_ms);
		return true;
	case LP_STEP_KILL:
		lp_ward_kill(ward);
		return true;
	case LP_STEP_EXPIRE:
		keeper->expired = true;
		lp_keeper_stop(keeper, -1);
		return true;
	case LP_STEP_DONE:
		if (!keeper->done) {
			keeper->done = true;
			for (size_t i = 0; i < keeper->pod.container_count; i++)
				keeper->wards[i].dirty = true;	/* none will start again: that is news */
			pod_changed(keeper);
		}
		return false;
	case LP_STEP_NONE:
		return false;
	}
	return false;
}

/*
 * Nothing to do for a while: memory that a start needed for a moment goes back, of the heap and of the stack below here. There
 * is a keeper for every pod, and most of them wait most of the time.
 */
static void
rest(void)
{
	(void)malloc_trim(0);
#ifndef LP_SANITIZED
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), here = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);

	/* Below the page in use; unmapped parts of the range are no harm (ENOMEM). */
	(void)madvise((void *)(here - STACK_BYTES), STACK_BYTES - page, MADV_DONTNEED);
#endif
}

static void
look(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_keeper *keeper = lp_of(defer, struct lp_keeper, look);
	size_t count = keeper->pod.container_count, index;
	struct lp_plan_container facts[LP_CONTROL_CONTAINERS];
	enum lp_plan_step step;
	int64_t due_ms = INT64_MAX;
	int steps = 0;

	if (keeper->forget) {
		forget(keeper, now_ms);
		return;
	}
	if (keeper->broken.code)
		return;
	do {
		for (size_t i = 0; i < count; i++)
			facts[i] = keeper->wards[i].facts;
		step = lp_plan_next(&keeper->facts, facts, count, now_ms, &index, &due_ms);
	} while (carry_out(keeper, step, &keeper->wards[index], now_ms) && ++steps < STEPS_A_TURN);
	if (steps == STEPS_A_TURN)
		due_ms = now_ms + 1;
	if (due_ms != INT64_MAX)
		(void)lp_timer_start(keeper->loop, &keeper->due, due_ms, look_later);
	else
		lp_timer_stop(&keeper->due);
	if (keeper->leave && keeper->done)
		lp_loop_stop(keeper->loop);
	rest();
}

void
lp_keeper_look(struct lp_keeper *keeper)
{
	lp_loop_defer(keeper->loop, &keeper->look, look);
}

/* ---- being told ---- */

void
lp_keeper_go(struct lp_keeper *keeper, const struct lp_control_message *message)
{
	char *note;

	for (size_t i = 0; i < message->file_count; i++)
		(void)lp_sandbox_write(&keeper->sandbox, &message->files[i], NULL);	/* the file as it was is still there */
	if (message->note && (note = strdup(message->note))) {
		free(keeper->note);
		keeper->note = note;
	}
	if (!keeper->facts.go) {
		keeper->facts.go = true;
		keeper->started_ms = lp_clock_wall_ms();
		keeper->went_ms = lp_loop_now(keeper->loop);
		keeper->facts.deadline_ms = keeper->pod.deadline_ms ? keeper->went_ms + keeper->pod.deadline_ms : 0;
	}
	pod_changed(keeper);
	lp_keeper_look(keeper);
}

void
lp_keeper_stop(struct lp_keeper *keeper, int64_t grace_ms)
{
	int64_t now_ms = lp_loop_now(keeper->loop), kill_ms;

	if (grace_ms < 0)
		grace_ms = grace_of(keeper);
	if (grace_ms == 0)
		keeper->facts.at_once = true;
	kill_ms = now_ms + grace_ms;
	if (!keeper->facts.stopping || kill_ms < keeper->facts.kill_ms)
		keeper->facts.kill_ms = kill_ms;
	keeper->facts.stopping = true;
	pod_changed(keeper);
	lp_keeper_look(keeper);
}

void
lp_keeper_forget(struct lp_keeper *keeper, bool keep_logs)
{
	keeper->forget = true;
	keeper->keep_logs = keep_logs;
	lp_keeper_look(keeper);
}

void
lp_keeper_set_deadline(struct lp_keeper *keeper, int64_t deadline_ms)
{
	keeper->pod.deadline_ms = deadline_ms;
	if (keeper->facts.go)
		keeper->facts.deadline_ms = deadline_ms ? keeper->went_ms + deadline_ms : 0;
	lp_keeper_look(keeper);
}

int
lp_keeper_resize(struct lp_keeper *keeper, const char *container, const struct lp_cgroup_limits *limits, struct lp_err *err)
{
	struct lp_ward *ward = lp_keeper_find(keeper, container);

	if (container)
		return ward ? lp_ward_resize(ward, limits, err) :
		    lp_err_say(err, -ENOENT, "container %s not found in pod %s", container, keeper->pod.name);
	if (keeper->sandbox.cgroup_fd < 0)
		return lp_err_say(err, -EOPNOTSUPP, "the pod has no cgroup");
	return lp_cgroup_update(keeper->sandbox.cgroup_fd, limits, NULL, err);
}

/* Only a new namespace helps, and who makes a pod anew behind a keeper that is gone is the agent. */
static void
reaper_ended(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_keeper *keeper = lp_of(watch, struct lp_keeper, reaper_watch);

	(void)events;
	(void)now_ms;
	lp_watch_stop(watch);
	if (!keeper->facts.stopping && !keeper->done && !keeper->forget)
		lp_loop_stop(keeper->loop);
}

int
lp_keeper_watch_reaper(struct lp_keeper *keeper, struct lp_err *err)
{
	if (keeper->sandbox.ns.reaper_fd < 0)
		return 0;
	return lp_watch_start(keeper->loop, &keeper->reaper_watch, keeper->sandbox.ns.reaper_fd, EPOLLIN, reaper_ended, err);
}

/* The machine goes down: end the pod in good order and leave its state behind. */
static void
signalled(void *arg, int signo, int64_t now_ms)
{
	struct lp_keeper *keeper = arg;

	(void)signo;
	(void)now_ms;
	keeper->leave = true;
	lp_keeper_stop(keeper, -1);
}

/* ---- beginning ---- */

static int
read_record(struct lp_keeper *keeper, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	int rc;

	lp_buf_init(&bytes, LP_CONTROL_RECORD);
	if (lseek(LP_KEEPER_FD_RECORD, 0, SEEK_SET) < 0)
		return lp_err_set(err, -errno, "the pod's record");
	rc = lp_path_read_fd(LP_KEEPER_FD_RECORD, &bytes, err);
	if (!rc)
		rc = lp_control_pod_read(&keeper->arena, bytes.data, bytes.len, &keeper->pod, err);
	return rc;
}

static void
close_on_exec(void)
{
	for (int fd = LP_KEEPER_FD_RECORD; fd < LP_KEEPER_FD_COUNT; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);	/* one that is not open is no harm */
}

/* The kernel takes containers first, whatever they hold; where it does not let us say so, all are equal. */
static void
be_last_to_die(void)
{
	lp_auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "-998", 4);
}

static int
prepare(struct lp_keeper *keeper, struct lp_err *err)
{
	struct stat st;
	sigset_t signals;
	int rc;

	rc = lp_loop_new(&keeper->loop, err);
	if (!rc)
		rc = read_record(keeper, err);
	if (rc < 0)
		return rc;
	keeper->facts.policy = (enum lp_restart_policy)keeper->pod.policy;
	keeper->wards = lp_seam.alloc(keeper->pod.container_count * sizeof(*keeper->wards));
	if (!keeper->wards)
		return lp_err_set(err, -ENOMEM, "containers");
	for (size_t i = 0; i < keeper->pod.container_count; i++)
		lp_ward_init(&keeper->wards[i], keeper, &keeper->pod.containers[i]);
	keeper->sandbox.run_fd = LP_KEEPER_FD_RUN;
	keeper->sandbox.logs_fd = LP_KEEPER_FD_LOGS;
	if (fstat(LP_KEEPER_FD_CGROUP, &st) == 0 && S_ISDIR(st.st_mode))
		keeper->sandbox.cgroup_root_fd = LP_KEEPER_FD_CGROUP;
	(void)lp_clock_boot_id(keeper->boot_id, NULL);	/* none then: nobody will look for our processes */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	return lp_loop_signals(keeper->loop, &signals, signalled, keeper, err);
}

/* A new pod. That it cannot be made is told to the agent, who may fix the cause or forget the pod. */
static int
begin(struct lp_keeper *keeper, struct lp_err *err)
{
	int rc;

	(void)write_state(keeper, NULL);	/* names the cgroup before it exists, so that it can always be cleaned up */
	(void)lp_sandbox_make(&keeper->sandbox, &keeper->pod, &keeper->broken);
	rc = lp_talk_listen(keeper, err);
	if (!rc)
		rc = lp_keeper_watch_reaper(keeper, err);
	if (rc < 0)
		return rc;
	lp_talk_adopt(keeper, LP_KEEPER_FD_AGENT);
	rc = write_state(keeper, err);
	if (!rc)
		lp_ns_release(&keeper->sandbox.ns);	/* in the pod's cgroup, or named in the state: it will be found */
	return rc;
}

static int
usage(void)
{
	(void)fprintf(stderr, "limpet keeper is started by limpet agent\n");
	return 2;
}

static int
parse(int argc, char **argv, int *out_memory_fd)
{
	uint64_t fd;

	*out_memory_fd = -1;
	if (argc == 3 && !strncmp(argv[1], "--resume=", 9) && lp_text_u64(argv[1] + 9, 1 << 20, &fd) == 0) {
		*out_memory_fd = (int)fd;
		return 0;
	}
	return argc == 2 && fcntl(LP_KEEPER_FD_AGENT, F_GETFD) >= 0 && fcntl(LP_KEEPER_FD_CGROUP, F_GETFD) >= 0 ? 0 : -EINVAL;
}

int
lp_keeper_main(int argc, char **argv)
{
	static struct lp_keeper keeper;
	struct lp_err err = { 0 };
	int memory_fd, rc;

	if (parse(argc, argv, &memory_fd) < 0)
		return usage();
	close_on_exec();
	(void)prctl(PR_SET_NAME, "limpet-keeper");
	(void)umask(022);
	be_last_to_die();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)mallopt(M_MMAP_THRESHOLD, 65536);		/* what was needed for a moment goes back */
	(void)mallopt(M_TRIM_THRESHOLD, 4096);
	lp_arena_init(&keeper.arena, LP_CONTROL_RECORD * 4);
	lp_sandbox_init(&keeper.sandbox);
	lp_talk_init(&keeper.talk);
	lp_list_init(&keeper.remains);
	rc = prepare(&keeper, &err);
	if (!rc)
		rc = memory_fd >= 0 ? lp_resume_load(&keeper, memory_fd, &err) : begin(&keeper, &err);
	if (!rc)
		rc = lp_loop_run(keeper.loop, &err);
	if (rc < 0)
		(void)fprintf(stderr, "limpet keeper: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}

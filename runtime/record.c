#include "runtime/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/mount.h"

enum { PF_NOT_EXECUTED = 0x40 };	/* PF_FORKNOEXEC of linux/sched.h */

/* Word n of /proc/<pid>/stat after the command, which may hold anything: count from its last parenthesis, word 0. */
static int
stat_word(pid_t pid, size_t n, uint64_t *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	char path[32];
	const char *after;
	int proc_fd, rc;

	lp_buf_init(&text, 4096);
	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	rc = lp_mount_proc(&proc_fd, err);
	if (rc == 0)
		rc = lp_path_read(proc_fd, path, &text, err);
	if (rc == -ENOENT || rc == -ESRCH)
		return lp_err_say(err, -ESRCH, "process %d is gone", (int)pid);
	if (rc < 0)
		return rc;
	after = strrchr(lp_buf_text(&text), ')');
	if (!after || lp_text_word_u64(after, n, UINT64_MAX, out) < 0)
		return lp_err_say(err, -EBADMSG, "/proc/%s is not of the known form", path);
	return 0;
}

int
lp_record_start_ticks(pid_t pid, uint64_t *out, struct lp_err *err)
{
	return stat_word(pid, 20, out, err);	/* field 22 of proc_pid_stat(5); ')' ends field 2 */
}

int
lp_record_executed(pid_t pid, bool *out, struct lp_err *err)
{
	uint64_t flags = 0;
	int rc = stat_word(pid, 7, &flags, err);	/* field 9 */

	if (rc == 0)
		*out = !(flags & PF_NOT_EXECUTED);
	return rc;
}

int
lp_record_find(const struct lp_container_record *record, int *out_pidfd, struct lp_err *err)
{
	lp_auto_fd int pidfd = -1;
	char boot[LP_CLOCK_BOOT_ID];
	uint64_t ticks;
	int rc = lp_clock_boot_id(boot, err);

	if (rc < 0)
		return rc;
	if (record->pid <= 0 || strcmp(boot, record->boot_id) != 0)
		return lp_err_say(err, -ESRCH, "the process of container %s belonged to an earlier boot", record->id);
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)record->pid, 0);
	/* Reaped while the kernel looked, or now the number of a thread: EINVAL, newer kernels say ENOENT (pidfd_prepare). */
	if (pidfd < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT))
		return lp_err_say(err, -ESRCH, "process %d of container %s is gone", (int)record->pid, record->id);
	if (pidfd < 0)
		return lp_err_set(err, -errno, "process %d of container %s", (int)record->pid, record->id);
	/* The pidfd pins the number: what stat says now is about the same process. */
	rc = lp_record_start_ticks(record->pid, &ticks, err);
	if (rc < 0)
		return rc;
	if (ticks != record->start_ticks)
		return lp_err_say(err, -ESRCH, "process %d is not container %s any more", (int)record->pid, record->id);
	*out_pidfd = lp_take_fd(&pidfd);
	return 0;
}

#include "tools/oci/oci_pids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "tools/oci/oci_common.h"

void
lp_oci_pids_fini(struct lp_oci_pids *pids)
{
	free(pids->items);
	memset(pids, 0, sizeof(*pids));
}

bool
lp_oci_pids_has(const struct lp_oci_pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->count; i++)
		if (pids->items[i] == pid)
			return true;
	return false;
}

static int
add(void *arg, pid_t pid)
{
	struct lp_oci_pids *pids = arg;

	if (pids->count == pids->size) {
		const size_t size = pids->size ? pids->size * 2 : 64;
		pid_t *items = realloc(pids->items, size * sizeof(*items));

		if (!items)
			return -ENOMEM;
		pids->items = items;
		pids->size = size;
	}
	pids->items[pids->count++] = pid;
	return 0;
}

/* ---- without a cgroup ---- */

struct search {
	struct lp_oci_pids *pids;
	int proc;
	struct stat ns;		/* the pid namespace that is looked for */
};

static int
add_if_inside(void *arg, const char *name)
{
	struct search *search = arg;
	char path[64];
	struct stat st;
	uint64_t pid;

	if (lp_text_u64(name, INT32_MAX, &pid) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/ns/pid", name);
	if (fstatat(search->proc, path, &st, 0) < 0 || st.st_dev != search->ns.st_dev || st.st_ino != search->ns.st_ino)
		return 0;
	return add(search->pids, (pid_t)pid);
}

static int
search_namespace(const struct lp_oci_found *found, struct lp_oci_pids *out, struct lp_err *err)
{
	struct search search = { .pids = out };
	lp_auto_fd int proc = -1;
	char path[64];
	int rc;

	if (found->state.shared_pids)
		return add(out, found->state.record.pid);
	rc = lp_path_root("/proc", false, &proc, err);
	if (rc < 0)
		return rc;
	search.proc = proc;
	(void)snprintf(path, sizeof(path), "%d/ns/pid", (int)found->state.record.pid);
	if (fstatat(proc, path, &search.ns, 0) < 0)
		return lp_err_set(err, -errno, "the pid namespace of container %s", found->state.id);
	return lp_path_each(proc, add_if_inside, &search, err);
}

int
lp_oci_pids_of(const struct lp_oci_found *found, struct lp_oci_pids *out, struct lp_err *err)
{
	lp_auto_fd int cgroup = -1;

	memset(out, 0, sizeof(*out));
	if (found->state.cgroup[0] && lp_oci_state_cgroup(&found->state, &cgroup, NULL) == 0)
		return lp_cgroup_each_pid(cgroup, add, out, err);
	return found->status == LP_OCI_STOPPED ? 0 : search_namespace(found, out, err);
}

/* ---- the table ---- */

static void
print_tty(uint64_t device, char *out, size_t size)
{
	const unsigned major = (unsigned)(device >> 8 & 0xfff), minor = (unsigned)((device & 0xff) | (device >> 12 & 0xfff00));

	if (major >= 136 && major <= 143)
		(void)snprintf(out, size, "pts/%u", (major - 136) * 256 + minor);
	else if (device)
		(void)snprintf(out, size, "%u:%u", major, minor);
	else
		(void)snprintf(out, size, "?");
}

/* The command line, or the name in brackets. */
static void
print_command(int proc, pid_t pid, const char *stat, char *out, size_t size)
{
	lp_auto_buf struct lp_buf text;
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
	char path[32];

	lp_buf_init(&text, 65536);
	(void)snprintf(path, sizeof(path), "%d/cmdline", (int)pid);
	if (lp_path_read(proc, path, &text, NULL) < 0 || text.len == 0) {
		(void)snprintf(out, size, "[%.*s]", open && close ? (int)(close - open - 1) : 0, open ? open + 1 : "");
		return;
	}
	for (size_t i = 0; i + 1 < text.len; i++)
		if (!text.data[i] || (unsigned char)text.data[i] < ' ')
			text.data[i] = text.data[i] ? '?' : ' ';
	(void)snprintf(out, size, "%s", text.data);
}

static int
print_one(int proc, pid_t pid)
{
	lp_auto_buf struct lp_buf text;
	const long hz = sysconf(_SC_CLK_TCK);
	char path[32], tty[16], command[512], start[8];
	uint64_t parent = 0, device = 0, user = 0, system = 0, ticks = 0, seconds;
	struct stat st;
	struct tm tm;
	const char *after;
	time_t began;

	lp_buf_init(&text, 4096);
	(void)snprintf(path, sizeof(path), "%d", (int)pid);
	if (fstatat(proc, path, &st, 0) < 0)
		return 0;	/* it has ended */
	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (lp_path_read(proc, path, &text, NULL) < 0)
		return 0;
	after = strrchr(lp_buf_text(&text), ')');
	if (!after || lp_text_word_u64(after, 2, UINT32_MAX, &parent) < 0 || lp_text_word_u64(after, 5, UINT32_MAX, &device) < 0 ||
	    lp_text_word_u64(after, 12, UINT64_MAX, &user) < 0 || lp_text_word_u64(after, 13, UINT64_MAX, &system) < 0 ||
	    lp_text_word_u64(after, 20, UINT64_MAX, &ticks) < 0)
		return -EBADMSG;
	began = (time_t)((lp_clock_wall_ms() - lp_clock_boot_ms()) / 1000 + (int64_t)(ticks / (uint64_t)hz));
	if (!localtime_r(&began, &tm))
		return -EBADMSG;
	(void)snprintf(start, sizeof(start), "%02d:%02d", tm.tm_hour % 24, tm.tm_min % 60);
	print_tty(device, tty, sizeof(tty));
	print_command(proc, pid, lp_buf_text(&text), command, sizeof(command));
	seconds = (user + system) / (uint64_t)hz;
	if (st.st_uid == 0)
		(void)snprintf(path, sizeof(path), "root");
	else
		(void)snprintf(path, sizeof(path), "%u", (unsigned)st.st_uid);
	(void)printf("%-8s %7d %7d  0 %s %-8s %02u:%02u:%02u %s\n", path, (int)pid, (int)parent, start, tty, (unsigned)(seconds / 3600),
	    (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60), command);
	return 0;
}

int
lp_oci_pids_print(const struct lp_oci_pids *pids, struct lp_err *err)
{
	lp_auto_fd int proc = -1;
	int rc = lp_path_root("/proc", false, &proc, err);

	if (rc < 0)
		return rc;
	(void)printf("%-8s %7s %7s  C STIME TTY          TIME CMD\n", "UID", "PID", "PPID");
	for (size_t i = 0; i < pids->count; i++)
		if (print_one(proc, pids->items[i]) < 0)
			return lp_err_say(err, -EBADMSG, "/proc/%d/stat is not of the known form", (int)pids->items[i]);
	return 0;
}

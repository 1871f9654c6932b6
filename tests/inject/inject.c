/*
 * tests/inject/inject.c - SIGKILL at one exact system call of one exact process.
 *
 * Use      inject -o FILE [-m WORDS] command...           how many calls each process makes, as lines "process call name"
 *          inject -k PROCESS:CALL [-m WORDS] command...   kill that process at the entry of that call (from 0); the call is not made
 *          inject ... -p PID                              instead of a command: a process that runs, followed until the kill
 *          inject -k ... -t FILE ...                      makes FILE when it has killed: a command may live on without its child
 * Numbers  process 0 is the command, its children and theirs count up in the order of their making. With -m, process 0 is the
 *          first that executes a command line with these words in it, counted from there on, and its children follow
 * Like     strace -f -e inject=NAME:signal=KILL:when=N, but for one process: there a count is every process's own
 * Exit     that of the command, 128 + signal; 125 when ours; 124 when the point was not reached
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 512, OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC };

static struct {
	pid_t pid;		/* 0: not there */
	int number;		/* -1: not counted */
	long calls;
} processes[PROCESSES_MAX];
static int next_number;
static const char *words;
static const char *told;	/* NULL: nobody wants to know */
static FILE *list;
static int kill_process = -1;
static long kill_call = -1;
static bool killed;

static int
find(pid_t pid)
{
	int free = -1;

	for (int i = 0; i < PROCESSES_MAX; i++) {
		if (processes[i].pid == pid)
			return i;
		if (!processes[i].pid && free < 0)
			free = i;
	}
	if (free < 0) {
		(void)fprintf(stderr, "inject: too many processes\n");
		exit(125);
	}
	processes[free].pid = pid;
	processes[free].number = -1;
	processes[free].calls = 0;
	return free;
}

static void
resume(pid_t pid, int signal)
{
	/* After the kill nobody needs to be looked at any more, but whoever is made must not stay stopped. */
	(void)ptrace(killed ? PTRACE_CONT : PTRACE_SYSCALL, pid, NULL, (void *)(long)signal);	/* gone: its end comes by wait */
}

static void
made(int parent, pid_t child)
{
	int i = find(child);

	if (processes[i].number < 0 && processes[parent].number >= 0)
		processes[i].number = next_number++;
}

static void
executed(int i)
{
	char path[64], line[1024];
	ssize_t n;
	int fd;

	if (!words || next_number > 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)processes[i].pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (fd >= 0)
		(void)close(fd);
	for (ssize_t at = 0; at < n; at++)
		if (!line[at])
			line[at] = ' ';
	line[n > 0 ? n : 0] = '\0';
	if (strstr(line, words))
		processes[i].number = next_number++;
}

static void
called(int i)
{
	struct __ptrace_syscall_info info;
	pid_t pid = processes[i].pid;

	if (processes[i].number < 0 || killed || ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (list) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)info.entry.nr);

		(void)fprintf(list, "%d %ld %s\n", processes[i].number, processes[i].calls, name ? name : "?");
		free(name);
	}
	if (processes[i].number == kill_process && processes[i].calls == kill_call) {
		(void)kill(pid, SIGKILL);
		killed = true;
		if (told)
			(void)close(open(told, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));	/* who waits for it sees that it did not come */
	}
	processes[i].calls++;
}

/* A stop of process i. */
static void
stopped(int i, int status)
{
	const int event = status >> 16, signal = WSTOPSIG(status);
	pid_t pid = processes[i].pid;
	unsigned long child = 0;
	int pass = 0;

	switch (event) {
	case 0:
		if (signal == (SIGTRAP | 0x80))
			called(i);
		else
			pass = signal;
		break;
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child) == 0)
			made(i, (pid_t)child);
		break;
	case PTRACE_EVENT_EXEC:
		executed(i);
		break;
	case PTRACE_EVENT_STOP:
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
			(void)ptrace(PTRACE_LISTEN, pid, NULL, NULL);	/* a group stop lasts */
			return;
		}
		break;
	}
	resume(pid, pass);
}

static int
follow(pid_t command, bool attached)
{
	for (;;) {
		int status, i;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return errno == ECHILD && attached && killed ? 0 : 125;
		if (WIFSTOPPED(status)) {
			stopped(find(pid), status);
			continue;
		}
		i = find(pid);
		/* Tracees go on by themselves when we end. */
		if (attached && killed && processes[i].number == kill_process)
			return 0;
		if (pid == command)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		processes[i].pid = 0;
	}
}

static pid_t
start(char **argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)raise(SIGSTOP);
		(void)execvp(argv[0], argv);
		_exit(125);
	}
	if (pid < 0 || waitpid(pid, NULL, WUNTRACED) != pid || ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)OPTIONS) < 0 || kill(pid, SIGCONT) < 0) {
		perror("inject: start");
		exit(125);
	}
	return pid;
}

int
main(int argc, char **argv)
{
	pid_t pid = 0;
	int option, rc;

	while ((option = getopt(argc, argv, "+k:m:o:p:t:")) >= 0) {
		if (option == 'k' && sscanf(optarg, "%d:%ld", &kill_process, &kill_call) == 2)
			continue;
		if (option == 'o' && (list = fopen(optarg, "we"))) {
			(void)setvbuf(list, NULL, _IOLBF, 0);	/* with -p somebody ends us */
			continue;
		}
		if (option == 'm' && (words = optarg))
			continue;
		if (option == 't' && (told = optarg))
			continue;
		if (option == 'p' && (pid = (pid_t)atoi(optarg)) > 0)
			continue;
		(void)fprintf(stderr, "usage: inject -o FILE | -k PROCESS:CALL [-m WORDS] [-t FILE] -p PID | command...\n");
		return 125;
	}
	if (pid) {
		if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)OPTIONS) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0) {
			perror("inject: attach");
			return 125;
		}
		option = find(pid);
	} else {
		pid = start(argv + optind);
		option = find(pid);
	}
	if (!words)
		processes[option].number = next_number++;
	rc = follow(pid, optind == argc);
	if (list)
		(void)fclose(list);
	return kill_process >= 0 && !killed ? 124 : rc;
}

/*
 * tests/kernel/escape/test_escape_shared.c - containers of one pod in one pid namespace: what is ours among them gives nothing away.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/escape/attack.h"

static const struct lp_idmap ids = { .inside = 0, .outside = 200000, .count = 65536 };

/* A pid namespace with its first process, and with a user namespace when wanted; the cage's containers live in it. */
static struct lp_ns_set
share(struct cage *cage, bool users)
{
	struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_PID) | (users ? LP_NS_BIT(LP_NS_USER) : 0), .uids = &ids, .gids = &ids,
		.uid_count = 1, .gid_count = 1 };
	struct lp_ns_set set;
	lp_auto_fd int leaf = -1;
	char text[16];

	lp_ns_set_init(&set);
	CHECK_OK(lp_ns_make(&wanted, &set, &cage->err), &cage->err);
	/* Where the janitor finds it when a test ends half way. */
	CHECK_OK(lp_cgroup_fresh(cage->cgroup, "reaper", &leaf, &cage->err), &cage->err);
	(void)snprintf(text, sizeof(text), "%d", (int)set.reaper);
	CHECK_OK(lp_path_put(leaf, "cgroup.procs", text, &cage->err), &cage->err);
	lp_ns_release(&set);
	cage->config.ns[LP_NS_PID] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[LP_NS_PID] };
	if (users) {
		cage->config.ns[LP_NS_USER] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[LP_NS_USER] };
		cage->config.uids = cage->config.gids = &ids;
		cage->config.uid_count = cage->config.gid_count = 1;
	}
	return set;
}

static void
end_share(struct cage *cage, struct lp_ns_set *set)
{
	CHECK(kill(set->reaper, SIGKILL) == 0);
	CHECK(waitpid(set->reaper, NULL, 0) == set->reaper);
	lp_ns_set_fini(set);
	CHECK_OK(lp_cgroup_remove(cage->cgroup, "reaper", &cage->err), &cage->err);
}

TEST(the_first_process_of_a_shared_pid_namespace_gives_nothing_away)
{
	struct cage *cage = attack_cage();

	/* Also to a container that may trace what is not its own (CAP_SYS_PTRACE), as far as its user namespace reaches. */
	for (int users = 0; users < 2; users++)
		for (int tracer = 0; tracer <= users; tracer++) {
			struct lp_ns_set set = share(cage, users);

			lp_caps_fill(&cage->config.process.caps, lp_caps_default(users) | (tracer ? UINT64_C(1) << 19 : 0), false);
			CHECK_OK(attack_run(cage, "first"), &cage->err);
			attack_got_nothing(cage);
			CHECK_HAS(cage->out, "first process: lives\n");
			end_share(cage, &set);
		}
	cage_free(cage);
}

/* As with joiners: our child of a neighbour that starts has our memory and descriptors until its program runs. */
TEST(a_neighbour_sees_nothing_of_a_container_that_starts)
{
	struct cage *cage = attack_cage();
	struct lp_mount *report = cage_mount(cage, LP_MOUNT_BIND, "/report");

	CHECK(mkdir(lp_test_path("report"), 0755) == 0);
	report->source.path = lp_test_path("report");
	for (int users = 0; users < 2; users++) {
		struct lp_ns_set set = share(cage, users);
		struct lp_container_config neighbour;
		const char *seen;

		cage->env[2] = "LP_ATTACK=watch";
		CHECK_OK(cage_start(cage), &cage->err);
		cage->env[2] = NULL;
		cage_until(cage, "watching");
		neighbour = cage->config;
		neighbour.cgroup_name = "neighbour";
		neighbour.process.args = (const char *const[]){ "true", NULL };
		neighbour.process.stdio[1] = neighbour.process.stdio[2] = -1;
		for (int i = 0; i < 100; i++) {
			struct lp_container *container;
			struct lp_container_exit end;
			int64_t deadline = 0;
			int rc;

			CHECK_OK(lp_container_run(&neighbour, &container, &cage->err), &cage->err);
			while ((rc = lp_container_wait(container, &end, &cage->err)) == -EAGAIN && lp_test_wait(&deadline, 10000))
				continue;
			CHECK_OK(rc, &cage->err);
			for (deadline = 0; (rc = lp_container_remove(container, &cage->err)) == -EBUSY && lp_test_wait(&deadline, 10000);)
				continue;
			CHECK_OK(rc, &cage->err);
			lp_container_free(container);
		}
		(void)lp_test_file("report/stop", "", 0);
		cage_read(cage);
		cage_end(cage);
		attack_got_nothing(cage);
		seen = strstr(cage->out, "joiners seen: ");
		CHECK(seen != NULL && atoi(seen + 14) > 10);
		CHECK(unlink(lp_test_path("report/stop")) == 0);
		end_share(cage, &set);
	}
	cage_free(cage);
}

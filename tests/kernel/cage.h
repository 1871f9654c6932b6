/*
 * tests/kernel/cage.h - a busybox container for the tests of runtime/: image, cgroup, streams, clean-up.
 *
 * Use      struct cage *cage = cage_new();  cage->config.process.args = ...;  cage_shell(cage, "id -u");
 *          CHECK_STR(cage->out, "0\n");  cage_free(cage);
 * Leave    cage_free fails when a cgroup stays behind; a test that fails earlier is cleaned up after all the same
 */
#ifndef LP_TESTS_CAGE_H
#define LP_TESTS_CAGE_H

#include <stdbool.h>

#include "images/images.h"
#include "runtime/runtime.h"

#define CAGE_LAYERS 8
#define CAGE_OUT 65536

struct cage {
	struct lp_container_config config;	/* changed at will before cage_run */
	struct lp_place layers[CAGE_LAYERS];
	struct lp_idmap map;			/* of cage_own_users */
	struct lp_mount mounts[16];		/* config.mounts, with room for more */
	struct lp_device devices[4];
	const char *args[8];
	const char *env[8];

	struct lp_container *container;		/* after cage_start */
	struct lp_container_exit exit;		/* after cage_end */
	char out[CAGE_OUT];			/* what it wrote to stdout and stderr */
	size_t out_len;
	struct lp_err err;

	int cgroup_root, cgroup;		/* the directory that holds the containers' cgroups */
	char cgroup_name[48];
	int out_fd;				/* our end of the pipe */
	int janitor_fd;				/* closed when the test ends: what it left is removed */
	int attempt;
};

/* Skips without root or cgroup v2. The image is tests' busybox, made by tools/test-images. */
struct cage *cage_new(void);
/* The same from another image archive. */
struct cage *cage_new_from(const char *archive);
void cage_free(struct cage *cage);

/* Give the container a user namespace of its own: 65536 ids from 200000 on. */
void cage_own_users(struct cage *cage);

/* One more mount. */
struct lp_mount *cage_mount(struct cage *cage, enum lp_mount_kind kind, const char *target);

/* Run "sh -c script" until its end; the result of lp_container_run, output in cage->out. */
int cage_shell(struct cage *cage, const char *script);
/* The same with config.process.args as they are. */
int cage_run(struct cage *cage);

/* The three steps of it: start, read everything, wait for the end and remove. */
int cage_start(struct cage *cage);
void cage_read(struct cage *cage);
void cage_end(struct cage *cage);

/* Read until the output holds these words; fails the test after five seconds. */
void cage_until(struct cage *cage, const char *words);

/* One more process inside, with the rights of the first; its output replaces cage->out. */
int cage_exec(struct cage *cage, const char *script, struct lp_container_exit *out_exit);

/* Wait for a pidfd, at most ten seconds. */
void cage_wait_pidfd(int pidfd);

/* Open descriptors of this process; mounts it sees. */
int cage_count_fds(void);
int cage_count_mounts(void);

#endif

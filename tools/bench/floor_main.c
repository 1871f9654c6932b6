/*
 * tools/bench/floor_main.c - the floor as a command of its own: what a runtime without any comfort costs, its process start included.
 *
 * Use     floor ROOTFS CGROUP-DIR|- net|host
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/floor.h"

int
main(int argc, char **argv)
{
	int cgroup = -1;

	if (argc != 4) {
		fprintf(stderr, "usage: floor ROOTFS CGROUP-DIR|- net|host\n");
		return 2;
	}
	if (strcmp(argv[2], "-") != 0) {
		cgroup = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup < 0) {
			fprintf(stderr, "floor: %s: %s\n", argv[2], strerror(errno));
			return 1;
		}
	}
	return lp_floor_run(argv[1], cgroup, strcmp(argv[3], "net") == 0) == 0 ? 0 : 1;
}

#include "tests/fault.h"

#include <errno.h>

#include "base/seam.h"
#include "tests/harness.h"

#define ROUNDS_MAX 100000

static struct lp_seam real;
static bool armed;
static int nth_call, call_count, fault_code;
static bool hit;

/* Counts a call and says whether it is the one that fails; errno is set then. */
static bool
fails(void)
{
	call_count++;
	if (nth_call == 0 || call_count != nth_call)
		return false;
	hit = true;
	errno = -fault_code;
	return true;
}

static void *
fault_alloc(size_t size)
{
	return fails() ? NULL : real.alloc(size);
}

static void *
fault_grow(void *ptr, size_t size)
{
	return fails() ? NULL : real.grow(ptr, size);
}

static long
fault_write(int fd, const void *data, size_t len)
{
	return fails() ? -1 : real.write(fd, data, len);
}

static int
fault_fsync(int fd)
{
	return fails() ? -1 : real.fsync(fd);
}

static int
fault_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails() ? -1 : real.rename(from_dir, from, to_dir, to);
}

static int
fault_random(void *out, size_t len)
{
	return fails() ? fault_code : real.random(out, len);
}

void
lp_fault_clear(void)
{
	if (armed)
		lp_seam = real;
	armed = false;
}

void
lp_fault_set(enum lp_fault what, int nth, int code)
{
	lp_fault_clear();
	real = lp_seam;
	armed = true;
	nth_call = nth;
	call_count = 0;
	fault_code = code;
	hit = false;
	switch (what) {
	case LP_FAULT_ALLOC:
		lp_seam.alloc = fault_alloc;
		lp_seam.grow = fault_grow;
		break;
	case LP_FAULT_WRITE:
		lp_seam.write = fault_write;
		break;
	case LP_FAULT_FSYNC:
		lp_seam.fsync = fault_fsync;
		break;
	case LP_FAULT_RENAME:
		lp_seam.rename = fault_rename;
		break;
	case LP_FAULT_RANDOM:
		lp_seam.random = fault_random;
		break;
	}
}

bool
lp_fault_hit(void)
{
	return hit;
}

int
lp_fault_calls(void)
{
	return call_count;
}

bool
lp_fault_round(enum lp_fault what, int nth, int code)
{
	if (nth > 1 && !hit) {
		lp_fault_clear();
		return false;
	}
	if (nth > ROUNDS_MAX)
		FAIL("still failing after %d rounds: the body does not end", ROUNDS_MAX);
	lp_fault_set(what, nth, code);
	return true;
}

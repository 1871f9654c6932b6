#include "runtime/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"

#define BIT(cap) (UINT64_C(1) << (cap))

enum { NAME_BYTES = 40 };

uint64_t
lp_caps_default(bool user_namespace)
{
	static const int usual[] = {
		CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_NET_BIND_SERVICE, CAP_SETGID, CAP_SETUID, CAP_SETPCAP,
	};
	uint64_t set = user_namespace ? BIT(CAP_SYS_CHROOT) : 0;

	for (size_t i = 0; i < lp_count(usual); i++)
		set |= BIT(usual[i]);
	return set;
}

int
lp_caps_parse(const char *name, uint64_t *out)
{
	char full[NAME_BYTES], *whole;
	cap_value_t value;
	bool same;

	if (strncasecmp(name, "cap_", 4) == 0)
		name += 4;
	if (strcasecmp(name, "all") == 0) {
		*out = LP_CAP_ALL;
		return 0;
	}
	/* cap_from_name also takes numbers; a manifest may not. */
	if (name[0] < 'A' || (name[0] > 'Z' && name[0] < 'a') || name[0] > 'z' || strlen(name) > sizeof(full) - 5)
		return -EINVAL;
	(void)snprintf(full, sizeof(full), "cap_%s", name);
	if (cap_from_name(full, &value) < 0)
		return -EINVAL;
	/* It stops at the first character that no name has: ask for the name back. */
	whole = cap_to_name(value);
	same = whole && strcasecmp(whole, full) == 0;
	(void)cap_free(whole);
	if (!same)
		return -EINVAL;
	*out = BIT(value);
	return 0;
}

void
lp_caps_fill(struct lp_caps *caps, uint64_t set, bool ambient)
{
	caps->bounding = caps->permitted = caps->effective = set;
	caps->inheritable = caps->ambient = ambient ? set : 0;
}

uint64_t
lp_caps_known(void)
{
	unsigned cap = 0;

	while (cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0)
		cap++;
	return cap >= 64 ? UINT64_MAX : BIT(cap) - 1;
}

uint64_t
lp_caps_ceiling(void)
{
	uint64_t set = 0;
	int has;

	for (unsigned cap = 0; cap < 64 && (has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++)
		set |= has ? BIT(cap) : 0;
	return set;
}

/* Of these alone: the kernel keeps the ambient set within the permitted and the inheritable one (capabilities(7)). */
static uint64_t
ambient_set(uint64_t of)
{
	uint64_t set = 0;

	for (unsigned cap = 0; cap < 64; cap++)
		if (of & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
			set |= BIT(cap);
	return set;
}

int
lp_caps_bound(uint64_t set, struct lp_err *err)
{
	/* Dropping what is not there is no error; EINVAL is the end of what this kernel knows. */
	for (unsigned cap = 0; cap < 64; cap++) {
		if (set & BIT(cap) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			break;
		return lp_err_set(err, -errno, "drop capability %u", cap);
	}
	return 0;
}

static int
set_three(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int
get_three(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*effective = data[0].effective | (uint64_t)data[1].effective << 32;
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	*inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

int
lp_caps_raise(struct lp_err *err)
{
	uint64_t effective, permitted, inheritable;
	int rc = get_three(&effective, &permitted, &inheritable);

	if (rc == 0 && effective != permitted)
		rc = set_three(permitted, permitted, inheritable);
	return rc < 0 ? lp_err_set(err, rc, "raise capabilities") : 0;
}

int
lp_caps_apply(const struct lp_caps *caps, struct lp_err *err)
{
	int rc;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return lp_err_set(err, -errno, "clear ambient capabilities");
	rc = set_three(caps->effective, caps->permitted, caps->inheritable);
	if (rc < 0)
		return lp_err_set(err, rc, "set capabilities %#llx", (unsigned long long)caps->permitted);
	for (unsigned cap = 0; cap < 64; cap++) {
		if (caps->ambient & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return lp_err_set(err, -errno, "raise ambient capability %u", cap);
	}
	return 0;
}

int
lp_caps_verify(const struct lp_caps *caps, struct lp_err *err)
{
	uint64_t effective, permitted, inheritable, bounding = lp_caps_ceiling();
	int rc = get_three(&effective, &permitted, &inheritable);

	if (rc < 0)
		return lp_err_set(err, rc, "read capabilities back");
	if (effective != caps->effective || permitted != caps->permitted || inheritable != caps->inheritable ||
	    ambient_set(permitted & inheritable) != caps->ambient || bounding != caps->bounding)
		return lp_err_say(err, -EPERM, "capabilities are not what was set: bounding %#llx permitted %#llx effective %#llx",
		    (unsigned long long)bounding, (unsigned long long)permitted, (unsigned long long)effective);
	return 0;
}

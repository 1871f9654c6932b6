#include <errno.h>
#include <string.h>

#include "runtime/fs.h"
#include "tests/harness.h"

static const struct lp_idmap map[] = { { 0, 100000, 1000 } };
static struct lp_err err;

static const char *
told(const char *options, bool users)
{
	const struct lp_container_config config = { .uids = map, .gids = map, .uid_count = users, .gid_count = users };
	static struct lp_buf out;

	lp_buf_fini(&out);
	lp_buf_init(&out, 4096);
	err.code = 0;
	return lp_fs_options(&config, options, &out, &err) < 0 ? "refused" : lp_buf_text(&out);
}

TEST(options_travel_as_they_are)
{
	CHECK_STR(told(NULL, true), "");
	CHECK_STR(told("", true), "");
	CHECK_STR(told("size=64k,mode=755", true), "size=64k,mode=755");
	CHECK_STR(told("a,,b", true), "a,b");
	CHECK_STR(told("myuid=5,uidx=7", true), "myuid=5,uidx=7");
}

TEST(ids_are_those_of_the_container)
{
	CHECK_STR(told("uid=5,gid=7,size=1", true), "uid=100005,gid=100007,size=1");
	CHECK_STR(told("size=1,gid=999", true), "size=1,gid=100999");
	CHECK_STR(told("uid=5,gid=4294967294", false), "uid=5,gid=4294967294");
}

TEST(an_id_that_is_none_is_refused)
{
	static const char *const wrong[] = { "uid=", "uid=x", "uid=-1", "gid=1000", "gid=99999999999", "uid=0x5", "uid= 5", "gid=5 " };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (strcmp(told(wrong[i], true), "refused") != 0)
			FAIL("%s became %s", wrong[i], told(wrong[i], true));
		CHECK(err.code == -EINVAL || err.code == -ERANGE);
	}
}

#include "images/catalog.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/state.h"
#include "tests/harness.h"

#define D(x) "sha256:" x "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct lp_err err;

static int
directory(void)
{
	int fd = -1;

	CHECK_OK(lp_path_root(lp_test_path("images"), true, &fd, &err), &err);
	return fd;
}

TEST(what_is_written_is_read)
{
	const char *const layers[] = { D("1"), D("2") };
	lp_auto_fd int dir = directory();
	struct lp_catalog a, b;
	struct lp_json *image;

	CHECK_OK(lp_catalog_read(&a, dir, &err), &err);
	CHECK(lp_json_first(a.images) == NULL);
	lp_catalog_add_layer(&a, D("1"), 10, D("a"));
	lp_catalog_add_layer(&a, D("2"), 20, D("b"));
	lp_catalog_add_layer(&a, D("2"), 99, D("c"));
	image = lp_catalog_add(&a, D("d"), D("e"), "then", "now", layers, 2);
	lp_catalog_name(&a, image, "docker.io/library/x:1");
	CHECK_OK(lp_catalog_write(&a, dir, &err), &err);
	lp_catalog_fini(&a);
	CHECK_OK(lp_catalog_read(&b, dir, &err), &err);
	image = lp_catalog_by_name(&b, "docker.io/library/x:1");
	CHECK(image != NULL);
	CHECK(image == lp_catalog_by_digest(&b, D("d")) && image == lp_catalog_by_digest(&b, D("e")));
	CHECK_INT(lp_json_int(lp_catalog_layer(&b, D("2")), "size", 0), 20);
	CHECK(lp_catalog_uses_blob(&b, D("e")) && !lp_catalog_uses_blob(&b, D("1")));
	lp_catalog_fini(&b);
}

TEST(a_name_moves_and_layers_go_with_their_last_image)
{
	const char *const one[] = { D("1"), D("2") };
	const char *const two[] = { D("2"), D("3") };
	struct lp_catalog c;
	struct lp_json *a, *b;

	CHECK_OK(lp_catalog_init(&c, &err), &err);
	for (int i = 1; i <= 3; i++)
		lp_catalog_add_layer(&c, i == 1 ? D("1") : i == 2 ? D("2") : D("3"), 1, D("f"));
	a = lp_catalog_add(&c, D("a"), D("0"), "", "", one, 2);
	b = lp_catalog_add(&c, D("b"), D("0"), "", "", two, 2);
	CHECK(a != b);
	CHECK(lp_catalog_add(&c, D("b"), D("0"), "", "", two, 2) == b);
	lp_catalog_name(&c, a, "n");
	lp_catalog_name(&c, b, "n");
	lp_catalog_name(&c, b, "n");
	CHECK(lp_catalog_by_name(&c, "n") == b);
	CHECK_INT(lp_json_count(lp_json_get(a, "names")), 0);
	CHECK_INT(lp_json_count(lp_json_get(b, "names")), 1);
	lp_catalog_drop(&c, a);
	lp_catalog_drop_layers(&c);
	CHECK(!lp_catalog_layer(&c, D("1")) && lp_catalog_layer(&c, D("2")) && lp_catalog_layer(&c, D("3")));
	CHECK(lp_catalog_unname(&c, "n") && !lp_catalog_unname(&c, "n"));
	lp_catalog_fini(&c);
}

TEST(a_record_that_is_not_ours_is_refused)
{
	static const char *const wrong[] = { "[]", "{\"layers\":[{\"digest\":\"../../etc\"}]}", "{\"images\":[{}]}", "nonsense",
		"{\"images\":[{\"digest\":\"" D("a") "\",\"config\":\"" D("b") "\",\"layers\":[\"" D("c") "\"]}]}",
		"{\"images\":[{\"digest\":\"" D("a") "\",\"config\":\"" D("b") "\",\"names\":[7]}]}" };
	lp_auto_fd int dir = directory();

	for (size_t i = 1; i < lp_count(wrong); i++) {
		struct lp_catalog c;

		CHECK_OK(lp_state_write(dir, "index", 1, wrong[i], strlen(wrong[i]), &err), &err);
		CHECK(lp_catalog_read(&c, dir, &err) < 0);
	}
}

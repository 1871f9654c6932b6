#include "tests/harness.h"
#include "tests/manager/objects.h"

static struct lp_objects objects;

#define POD(name, more, spec) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name more "}\nspec: {" spec "containers: [{name: c, image: i}]}\n"

TEST(pods_that_nobody_will_finish_are_collected)
{
	lp_objects_init(&objects);
	objects.look.wall_ms = 1795169000000;	/* 2026-11-20T10:03:20Z */
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: here}\n");
	lp_objects_add(&objects, POD("old-orphan", ", creationTimestamp: '2026-11-20T10:00:00Z'", "nodeName: lost, "));
	lp_objects_add(&objects, POD("new-orphan", ", creationTimestamp: '2026-11-20T10:03:10Z'", "nodeName: lost, "));
	lp_objects_add(&objects, POD("dying-orphan", ", creationTimestamp: '2026-11-20T10:03:10Z', deletionTimestamp: '2026-11-20T10:03:15Z'",
	    "nodeName: lost, "));
	lp_objects_add(&objects, POD("dying-unplaced", ", deletionTimestamp: '2026-11-20T10:03:15Z'", ""));
	lp_objects_add(&objects, POD("dying", ", deletionTimestamp: '2026-11-20T10:03:15Z'", "nodeName: here, "));
	lp_objects_add(&objects, POD("fine", "", "nodeName: here, "));
	CHECK_INT(lp_objects_run(&objects, lp_podgc_control), 3);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "old-orphan") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "dying-orphan") != NULL);
	CHECK_INT(lp_objects_write(&objects, LP_WRITE_DELETE, "dying-unplaced")->grace_s, 0);
	CHECK_INT(objects.writes.due_ms, objects.look.now_ms + 30000);
}

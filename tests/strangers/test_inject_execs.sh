#!/bin/sh
# tests/strangers/test_inject_execs.sh - SIGKILL at the entry of system calls of an exec into a pod: of its keeper, of the process that enters
# the container, of the agent. Who asked hears of it, the pod is as before or made anew, nothing is left. A chosen few; all with LIMPET_INJECT=all.
#
# Env     LIMPET_INJECT=all|COUNT  LIMPET_SEED=N repeats a choice  LIMPET_INJECT_VERB=exec-keeper|... only that one; more in tests/inject/trial.py
. "$(dirname "$0")/lib.sh"
enter "$@"
[ -x build/limpet ] || skip "build/limpet is not built"
[ -x build/tests/inject/inject ] || make -s build/tests/inject/inject || exit 1
[ -e build/images/busybox.tar ] || tools/test-images || skip "no busybox image"
root=$(cgroup_root)
[ -n "$root" ] || skip "no cgroup v2"
mkdir -p "$root/$LP_STORY_CGROUP" "$dir/data"
cp build/limpet "$dir/limpet"	# a build meanwhile changes nothing
cp build/tests/inject/inject "$dir/inject"
check "the image is loaded" "$dir/limpet" image load build/images/busybox.tar --data-dir "$dir/data"
python3 -B tests/inject/execs.py "$dir/inject" "$dir/limpet" "$dir" "$root/$LP_STORY_CGROUP" || failures=$((failures + 1))
check "the instance is taken down" "$dir/limpet" down --data-dir "$dir/data" --cgroup-root "$root/$LP_STORY_CGROUP" --instance story
finish

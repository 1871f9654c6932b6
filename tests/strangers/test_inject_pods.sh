#!/bin/sh
# tests/strangers/test_inject_pods.sh - SIGKILL at the entry of system calls of a keeper and of an agent while a pod comes and goes: afterwards
# the pod runs or is gone, as its manifest says, and nothing else is left. A chosen few of each; all with LIMPET_INJECT=all.
#
# Env     LIMPET_INJECT=all|COUNT  LIMPET_SEED=N repeats a choice  LIMPET_INJECT_VERB=keeper|agent|keeper-child|agent-child|upgrade; more in tests/inject/trial.py
. "$(dirname "$0")/lib.sh"
enter "$@"
[ -x build/limpet ] || skip "build/limpet is not built"
[ -x build/tests/inject/inject ] || make -s build/tests/inject/inject || exit 1
[ -e build/images/busybox.tar ] || tools/test-images || skip "no busybox image"
root=$(cgroup_root)
[ -n "$root" ] || skip "no cgroup v2"
mkdir -p "$root/$LP_STORY_CGROUP" "$dir/data" "$dir/manifests"
cp build/limpet "$dir/limpet"	# a build meanwhile changes nothing
cp build/limpet "$dir/limpet-other"
cp build/tests/inject/inject "$dir/inject"
check "the image is loaded" "$dir/limpet" image load build/images/busybox.tar --data-dir "$dir/data"
python3 -B tests/inject/pods.py "$dir/inject" "$dir/limpet" "$dir" "$root/$LP_STORY_CGROUP" || failures=1
check "the instance is taken down" "$dir/limpet" down --data-dir "$dir/data" --cgroup-root "$root/$LP_STORY_CGROUP" --instance story
finish

#!/bin/sh
# tests/strangers/test_inject.sh - SIGKILL at the entry of system calls of create, start, run, exec, kill and delete, of the command and
# of the processes it makes. The calls are those of an undisturbed run. A chosen few of each verb; all with LIMPET_INJECT=all.
#
# Env     LIMPET_INJECT=all|COUNT  LIMPET_SEED=N repeats a choice  LIMPET_INJECT_VERB=start only that verb
. "$(dirname "$0")/lib.sh"
enter "$@"
[ -x build/limpet-oci ] || skip "build/limpet-oci is not built"
[ -x build/tests/inject/inject ] || make -s build/tests/inject/inject || exit 1
[ -e build/images/busybox.tar ] || tools/test-images || skip "no busybox image"
bundle=$dir/bundle
here=$PWD
cp build/limpet "$dir/limpet-oci"	# a build meanwhile changes nothing
mkdir -p "$bundle/rootfs" "$dir/image" "$dir/state"
tar -C "$dir/image" -xf build/images/busybox.tar
for blob in "$dir"/image/blobs/sha256/*; do
	tar -tf "$blob" >/dev/null 2>&1 && tar -C "$bundle/rootfs" -xf "$blob" && break
done
[ -x "$bundle/rootfs/bin/busybox" ] || { echo "no busybox in the image"; exit 1; }
root=$(cgroup_root)
[ -z "$root" ] || mkdir -p "$root/$LP_STORY_CGROUP"
(
	cd "$bundle" && "$dir/limpet-oci" spec && python3 - "/$LP_STORY_CGROUP/case" <<'PY'
import json, sys
c = json.load(open("config.json"))
c["process"]["terminal"] = False
c["process"]["args"] = ["sleep", "100"]
c["root"]["readonly"] = False
c["linux"]["cgroupsPath"] = sys.argv[1]
json.dump(c, open("config.json", "w"))
PY
) || exit 1
python3 tests/inject/points.py "$here/build/tests/inject/inject" "$dir/limpet-oci" "$bundle" "$dir/state" "${root:+$root/$LP_STORY_CGROUP}" || failures=1
checks=1
finish

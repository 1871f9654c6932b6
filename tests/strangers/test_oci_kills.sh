#!/bin/sh
# tests/strangers/test_oci_kills.sh - SIGKILL at system calls of create, start, run, exec and delete: then the state before or after, and no residue.
#
# Env     LIMPET_OCI_KILLS  every so manieth call is one kill: 1 is all of them (some 900, one minute), 5 unless told otherwise
. "$(dirname "$0")/lib.sh"
enter "$@"
command -v strace >/dev/null || skip "needs strace"
. tests/strangers/oci_bundle.sh

config "l['cgroupsPath'] = ''" sleep 100
mkdir -p "$state"
check "before or after, and nothing left" python3 "$here/tests/strangers/oci_kills.py" "$oci" "$state" "$(cgroup_root)" "${LIMPET_OCI_KILLS:-5}"
tail -n 1 "$dir/check"
check "no process lives on" test -z "$(pgrep -x sleep)"
cd "$here" && finish

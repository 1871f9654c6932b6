#!/bin/sh
# tests/strangers/test_demo.sh - make demo ends with the answer of the app; make demo-stop leaves nothing behind, also
# after kill -9 of limpet up.
. "$(dirname "$0")/lib.sh"
enter "$@"
[ -x build/limpet ] || skip "build/limpet is not built"
[ ! -d build/demo ] || skip "a demo is set up in build/demo: make demo-stop first"
export LP_DEMO_LISTEN=127.0.0.1:6443
root=$(cgroup_root)
if [ -n "$root" ]; then
	mkdir -p "$root/$LP_STORY_CGROUP"
	export LP_DEMO_CGROUP="$root/$LP_STORY_CGROUP"
fi

tests/leftovers >"$dir/before"
check "the demo" tools/demo
shows "Hello from nodejs-app" curl -sS --max-time 10 http://127.0.0.1:30001/
shows "is running already" tools/demo
check "the demo is stopped" tools/demo-stop
tests/leftovers >"$dir/after"
check "nothing is left behind" diff "$dir/before" "$dir/after"

check "the demo again" tools/demo
kill -9 "$(cat build/demo/pid)"
shows "Hello from nodejs-app" curl -sS --max-time 10 http://127.0.0.1:30001/
check "the demo is stopped after kill -9" tools/demo-stop
tests/leftovers >"$dir/after"
check "nothing is left behind after kill -9" diff "$dir/before" "$dir/after"
check "build/demo is removed" test ! -d build/demo
finish

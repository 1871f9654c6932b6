# tests/strangers/engine.sh - for stories in which somebody else's engine calls limpet-oci. Source it after lib.sh and enter().
#
# Use     step_* functions, check, status, typed; a story ends with run_steps
# Env     LIMPET_STEPS  names of steps to run alone;  LIMPET_RUNTIME  another runtime, to compare
runtime=${LIMPET_RUNTIME:-$PWD/build/limpet-oci}
here=$PWD
busybox=limpet.local/busybox
export LC_ALL=C

[ -x build/limpet-oci ] || skip "build/limpet-oci is not built"
tools/test-images || skip "no busybox image"

# status N command...: that exit status; the output stays in $dir/status
status() {
	wanted=$1
	shift
	"$@" >"$dir/status" 2>&1
	got=$?
	[ "$got" = "$wanted" ] || { echo "status $got"; cat "$dir/status"; return 1; }
}
# prints TEXT command...: exactly that on standard output, and success
prints() {
	wanted=$1
	shift
	got=$("$@" 2>"$dir/prints") || { echo "status $?"; cat "$dir/prints"; echo "$got"; return 1; }
	[ "$got" = "$wanted" ] || { printf 'got      %s\nand not  %s\n' "$got" "$wanted"; return 1; }
}
# numbered PID...: the first has ended with 1, the second with 2 ...; what the n-th said is in $dir/many.n
numbered() {
	number=0
	for pid in "$@"; do
		number=$((number + 1))
		wait "$pid"
		got=$?
		check "number $number" test $got = $number
		[ $got = $number ] || cat "$dir/many.$number"
	done
}
# typed [WAIT TYPE]... -- command...
typed() {
	timeout 30 python3 "$here/tests/strangers/typist.py" "$@"
}

# Every function of the story named step_*, in order.
run_steps() {
	steps=${LIMPET_STEPS:-$(grep -o '^step_[a-z_0-9]*' "$story")}
	for step in $steps; do
		failed_before=$failures
		began=$(date +%s%N)
		"$step"
		[ -z "${LP_TEST_VERBOSE:-}" ] || echo "$step $((($(date +%s%N) - began) / 1000000)) ms"
		[ "$failures" = "$failed_before" ] || echo "^^^ $step"
	done
	echo "$(echo "$steps" | wc -w) steps"
}

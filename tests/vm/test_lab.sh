#!/bin/sh
# tests/vm/test_lab.sh - the virtual machine itself: a case that passes, fails, hangs, panics; a disk whose power is cut.
set -u
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

case_of() {	# name, script
	mkdir -p "$work/$1"
	printf '#!/bin/sh\n%s\n' "$2" >"$work/$1/run"
	chmod +x "$work/$1/run"
}
expect() {	# what, got, wanted
	if [ "$2" != "$3" ]; then
		echo "$1: got $2, wanted $3"
		failed=1
	fi
}

case_of pass 'cat /sys/fs/cgroup/cgroup.controllers; echo made >out/file'
tests/vm/run "$work/pass" "$work/out"
expect "a case that passes" $? 0
expect "its file" "$(cat "$work/out/file")" made
for controller in cpu memory pids io; do
	grep -qw $controller "$work/out/console" || { echo "the machine has no $controller controller"; failed=1; }
done

case_of fail 'exit 7'
tests/vm/run "$work/fail" "$work/out"
expect "a case that fails with 7" $? 7

case_of hang 'echo HANGING; sleep 1000'
tests/vm/run --timeout 5 "$work/hang" "$work/out" 2>/dev/null
expect "a case that hangs" $? 124

case_of panic 'echo c >/proc/sysrq-trigger; sleep 1000'
tests/vm/run "$work/panic" "$work/out" 2>/dev/null
expect "a machine that panics" $? 125

# A file that was synced before the cut is there after every cut that follows it; one that was not may be either.
truncate -s 32M "$work/disk"
mkfs.ext4 -q -F "$work/disk"
cp "$work/disk" "$work/initial"
case_of write 'mount -t ext4 /dev/vda /mnt && cd /mnt || exit 1
for i in 1 2 3 4 5; do echo value$i >new; sync new; mv new current; sync .; echo "ACK$i"; done
echo DONE; sleep 1000'
tests/vm/run --disk "$work/disk" --log "$work/log" --end-at DONE "$work/write" "$work/out"
expect "the writer" $? 0
# shellcheck disable=SC2046
set -- $(build/tests/vm/cutpower count "$work/log")
[ "${2:-0}" -ge 10 ] || { echo "the log has ${2:-no} flushes, ten acknowledged syncs must have made more"; failed=1; }
seen=""
flush=0
while [ "$flush" -le "$2" ]; do
	build/tests/vm/cutpower cut "$work/initial" "$work/log" "$flush" "$flush" "$work/after" || failed=1
	e2fsck -fy "$work/after" >"$work/fsck" 2>&1
	if [ $? -gt 1 ]; then
		echo "cut after flush $flush: e2fsck could not repair"
		cat "$work/fsck"
		failed=1
	fi
	value=$(debugfs -R 'cat current' "$work/after" 2>/dev/null)
	case $value in
	value[1-5] | "") seen="$seen $value" ;;
	*) echo "cut after flush $flush: current holds \"$value\""; failed=1 ;;
	esac
	flush=$((flush + 1))
done
expect "after the last flush" "$value" value5
[ "$(echo "$seen" | tr ' ' '\n' | sort -u | grep -c value)" -ge 3 ] || { echo "too few states were seen:$seen"; failed=1; }
exit $failed

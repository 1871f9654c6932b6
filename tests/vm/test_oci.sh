#!/bin/sh
# tests/vm/test_oci.sh - limpet-oci where cgroup v2 is whole: every resource of config.json in its file, every option of update, out-of-memory events,
# processes at their limit, exec into divided cgroups, cgroups that are given away.
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet-oci ] || { echo "build/limpet-oci is not built"; exit 1; }
tools/test-images || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/vm/bundle.sh
cp tests/vm/guest.sh "$work/case/"

every_bundle='l["namespaces"] = [n for n in l["namespaces"] if n["type"] != "cgroup"] + [{"type": "cgroup"}]
if not any(x["destination"] == "/sys/fs/cgroup" for x in m):
    m.append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]})
r = l["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
def writable():
    for x in m:
        if x["destination"] == "/sys/fs/cgroup":
            x["options"] = ["nosuid", "noexec", "nodev"]'
bundle plain "" sleep 1000
bundle limits "
r['memory'] = {'limit': 64 << 20, 'swap': 96 << 20, 'reservation': 32 << 20}
r['cpu'] = {'shares': 1024, 'quota': 25000, 'period': 50000, 'burst': 10000, 'cpus': '0', 'mems': '0'}
r['pids'] = {'limit': 40}
r['hugepageLimits'] = [{'pageSize': '2MB', 'limit': 4 << 20}]
r['unified'] = {'memory.high': '60000000', 'memory.oom.group': '1', 'pids.max': '41', 'memory.min': '1048576'}
" sleep 1000
bundle idle "r['cpu'] = {'idle': 1}" sleep 1000
bundle bomb "r['memory'] = {'limit': 32 << 20, 'swap': 32 << 20}" sh -c 'sleep 2; head -c 90000000 /dev/zero | tail -c 80000000 >/dev/null; echo tail $?; sleep 2'
bundle hog "r['memory'] = {'limit': 32 << 20, 'swap': 32 << 20}" tail -c 80000000 /dev/zero
bundle forks "r['pids'] = {'limit': 9}" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done; wait'
bundle divided "writable()" sleep 1000
bundle given "
writable()
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 100000, 'size': 65536}]
r['pids'] = {'limit': 30}
" sh -c 'cd /sys/fs/cgroup && mkdir part && echo $$ >part/cgroup.procs && echo +pids >cgroup.subtree_control && echo 7 >part/pids.max && cat part/pids.max; echo 1000 >pids.max; grep ^0:: /proc/self/cgroup'
bundle nosuch "r['unified'] = {'memory.DOESNTEXIST': 'baz'}" true
bundle badvalue "r['unified'] = {'memory.max': 'plenty'}" true
bundle nodevice "r['blockIO'] = {'throttleReadBpsDevice': [{'major': 250, 'minor': 250, 'rate': 1}]}" true
bundle tiny "r['memory'] = {'limit': 40960}" true
bundle nocpu "r['cpu'] = {'cpus': '99'}" true

cat >"$work/case/run" <<'END'
#!/bin/sh
. /lab/guest.sh
ln -s "$(command -v limpet)" /tmp/limpet-oci
o() {
	/tmp/limpet-oci --root /tmp/state "$@"
}
run_d() {
	o run -d --bundle "/lab/bundles/$1" "$1" >/tmp/out-$1 2>&1 </dev/null || { echo "FAILED: run $1"; cat /tmp/out-$1; failures=$((failures + 1)); }
}
# file WANTED NAME CONTAINER
file() {
	check "$3: $2" test "$(cat "/sys/fs/cgroup/oci/$3/$2")" = "$1"
}
refused() {
	words=$1 name=$2
	if o run --bundle "/lab/bundles/$name" "$name" >/tmp/refused 2>&1; then
		echo "FAILED: $name should be refused"
		failures=$((failures + 1))
	fi
	check "$name: its words ($(cat /tmp/refused))" grep -qE "$words" /tmp/refused
	check "$name: nothing is left" test ! -e "/sys/fs/cgroup/oci/$name" -a ! -e "/tmp/state/$name"
}
is() {
	o state "$2" 2>/dev/null | grep -q "\"status\": \"$1\""
}

# ---- each limit in its file
run_d limits
file 67108864 memory.max limits
file 33554432 memory.swap.max limits
file 33554432 memory.low limits
file 1048576 memory.min limits
file 1 memory.oom.group limits
file 59998208 memory.high limits
file "25000 50000" cpu.max limits
file 10000 cpu.max.burst limits
file 100 cpu.weight limits
file 0 cpuset.cpus limits
file 0 cpuset.mems limits
file 41 pids.max limits
file 4194304 hugetlb.2MB.max limits
run_d idle
file 1 cpu.idle idle

# ---- each option of update
o update --memory 128M --memory-swap 160M --memory-reservation 16M --cpu-quota 30000 --cpu-period 60000 --cpuset-cpus 1 --cpuset-mems 0 --pids-limit 50 limits
check "update" test $? = 0
file 134217728 memory.max limits
file 33554432 memory.swap.max limits
file 16777216 memory.low limits
file "30000 60000" cpu.max limits
file 1 cpuset.cpus limits
file 50 pids.max limits
check "no memory limit" o update --memory -1 --memory-swap -1 limits
file max memory.max limits
file max memory.swap.max limits
check "no other limit" o update --cpu-quota -1 --pids-limit -1 limits
file "max 60000" cpu.max limits
file max pids.max limits
echo '{"memory":{"limit":50331648,"swap":50331648},"cpu":{"shares":2048},"unified":{"memory.high":"40000000"}}' | o update --resources - limits
check "a document" test $? = 0
file 50331648 memory.max limits
file 0 memory.swap.max limits
file 39997440 memory.high limits
check "another period: the quota stays" o update --cpu-quota 20000 limits
check "alone" o update --cpu-period 40000 limits
file "20000 40000" cpu.max limits
shows "invalid|expected" o update --cpu-period 10 limits
check "a paused one is updated, too" o pause limits
check "update" o update --pids-limit 33 limits
check "still paused" is paused limits
file 33 pids.max limits
check "resume" o resume limits
shows '"limit":33' o events --stats limits
o delete -f limits
o delete -f idle

# ---- limits that hold
run_d forks
sleep 1
check "no process too many" test "$(cat /sys/fs/cgroup/oci/forks/pids.current)" -le 9
check "others were refused" grep -qE "max [1-9]" /sys/fs/cgroup/oci/forks/pids.events
o delete -f forks
o run --bundle /lab/bundles/hog hog >/dev/null 2>&1
check "killed: 137" test $? = 137
run_d bomb
o events --interval 500ms bomb >/tmp/events 2>&1 &
wait_until 30 "an oom event" grep -q '{"type":"oom","id":"bomb"}' /tmp/events
o delete -f bomb
check "events end with it" wait $!

# ---- cgroups that are divided, or given away
run_d divided
check "below" o exec divided sh -c 'mkdir /sys/fs/cgroup/part && echo 1 >/sys/fs/cgroup/part/cgroup.procs && echo $$ >/sys/fs/cgroup/part/cgroup.procs && echo +memory >/sys/fs/cgroup/cgroup.subtree_control'
shows "^0::/part$" o exec divided cat /proc/self/cgroup
shows "^0::/part$" o exec --cgroup part divided cat /proc/self/cgroup
shows "adding pid .* to cgroups.*/cgroup.procs: device or resource busy" o exec --cgroup / divided true
o delete -f divided
check "deleted with all below" test ! -e /sys/fs/cgroup/oci/divided
o run --bundle /lab/bundles/given given >/tmp/given 2>&1
check "its own part ($(cat /tmp/given))" grep -qx 7 /tmp/given
check "moved" grep -qx "0::/part" /tmp/given
check "the limit of the whole is not its own" grep -q "ermission denied" /tmp/given
check "nothing is left" test ! -e /sys/fs/cgroup/oci/given

# ---- what cannot be
refused "memory.DOESNTEXIST.*[Nn]o such file or directory" nosuch
refused "memory.max.*plenty.*[Ii]nvalid argument" badvalue
refused "io.max.*250:250.*[Nn]o such device|250:250" nodevice
refused "cpuset" nocpu
refused "memory|killed" tiny

# ---- all the same for the next one
run_d plain
check "a plain one" is running plain
o delete -f plain
check "no state is left" test -z "$(ls -A /tmp/state)"
rmdir /sys/fs/cgroup/oci
finish
END
chmod +x "$work/case/run"
tests/vm/run --memory 400 --timeout 120 "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

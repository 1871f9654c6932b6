#!/bin/sh
# tests/vm/test_podman.sh - podman and containerd with limpet-oci where cgroup v2 is whole and AppArmor is on: limits, updates, pause, figures, devices,
# podman's own profile.
#
# Env     LIMPET_RUNTIME=crun  the same with crun, to compare; its version 1.8 makes another weight of 1024 shares
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
tools/test-images && tests/vm/engines || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 400M "$work/disk"
mkfs.ext4 -q -F -d build/vm/engines "$work/disk" || exit 1
mkdir "$work/case"
cp tests/vm/guest.sh build/images/busybox.tar build/images/busybox-docker.tar "$work/case/"
echo "${LIMPET_RUNTIME:-/usr/bin/limpet-oci}" >"$work/case/runtime"

cat >"$work/case/run" <<'END'
#!/bin/busybox sh
. /lab/guest.sh
runtime=$(cat /lab/runtime)
busybox=limpet.local/busybox:latest
mount -t ext4 -o noatime /dev/vda /mnt || exit 1
mkdir -p /lib64 /etc/containers /usr/share/containers /usr/libexec/podman /var/tmp /root
ln -s /mnt/lib/ld-linux-x86-64.so.2 /lib64/
ln -s /mnt/lib /lib/x86_64-linux-gnu
ln -s limpet /usr/bin/limpet-oci
ln -s /mnt/bin/catatonit /usr/libexec/podman/catatonit
ln -s /mnt/bin/crun /mnt/bin/conmon /mnt/bin/containerd-shim-runc-v2 /usr/bin/
ln -s /mnt/bin/apparmor_parser /sbin/
mount -t securityfs securityfs /sys/kernel/security
cp /mnt/seccomp.json /usr/share/containers/
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
export PATH=$PATH:/mnt/bin CONTAINERS_CONF=/etc/containers/containers.conf
cat >$CONTAINERS_CONF <<CONF
[containers]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
p() {
	podman --root /mnt/data/root --runroot /run/podman --storage-driver overlay --runtime "$runtime" "$@"
}
run() {
	p run --rm "$@"
}
step() {
	echo "$(cut -d' ' -f1 /proc/uptime) $1"
}
prints() {
	wanted=$1
	shift
	got=$("$@" 2>/tmp/prints) || { echo "status $?"; cat /tmp/prints; echo "$got"; return 1; }
	[ "$got" = "$wanted" ] || { printf 'got      %s\nand not  %s\n' "$got" "$wanted"; return 1; }
}
status() {
	wanted=$1
	shift
	"$@" >/tmp/status 2>&1
	got=$?
	[ $got = "$wanted" ] || { echo "status $got"; cat /tmp/status; return 1; }
}
file=/sys/fs/cgroup

# ---- podman ----------------------------------------------------------------------------------------------------------
step "podman: load"
check "load" p load -q -i /lab/busybox-docker.tar
step "podman: run with limits, seen from inside"
shows '^67108864 33554432 134217728 50000.100000 0 100 64$' run --memory 64m --memory-reservation 32m --memory-swap 192m --cpus 0.5 --cpuset-cpus 0 \
	--cpu-shares 1024 --pids-limit 64 $busybox sh -c "cd $file; echo \$(cat memory.max memory.low memory.swap.max) \$(tr ' ' . <cpu.max) \$(cat cpuset.cpus cpu.weight pids.max)"
step "podman: limits of io and of ones own"
shows '^254:0 rbps=1048576 wbps=2097152 .* 50331648$' run --device-read-bps /dev/vda:1mb --device-write-bps /dev/vda:2mb --cgroup-conf=memory.high=50331648 \
	$busybox sh -c "cd $file; echo \$(cat io.max memory.high)"
step "podman: raised limits"
check "files" prints "4096 100000" run --ulimit nofile=4096:100000 $busybox sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)'
step "podman: killed for its memory"
check "its status" status 137 run --memory 16m --memory-swap 16m $busybox sh -c 'x=x; while :; do x=$x$x; done'
# the file by which conmon 2.1 says so lands where podman 4.3 was called, and not where that looks for it: with crun, too
check "one of its processes" status 4 p run --name oom --memory 16m --memory-swap 16m $busybox sh -c '(x=x; while :; do x=$x$x; done); sleep 1; exit 4'
check "conmon has seen it" test -e oom
p rm oom >/dev/null
step "podman: a fork bomb ends at its limit"
shows 'can.t fork' run --pids-limit 16 $busybox sh -c 'i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i + 1)); done; wait'
step "podman: AppArmor"
label="cat /proc/self/attr/current"
shows '^containers-default-[0-9.]+ .enforce.$' run $busybox $label
check "not where it is not wanted" prints unconfined run --security-opt apparmor=unconfined $busybox $label
check "nor privileged" prints unconfined run --privileged $busybox $label
shows 'ermission denied' run --cap-add sys_admin $busybox mount -t tmpfs t /tmp
shows 'mounted' run --cap-add sys_admin --security-opt apparmor=unconfined $busybox sh -c 'mount -t tmpfs t /tmp && echo mounted'
shows 'no-such' run --security-opt apparmor=no-such $busybox true
step "podman: start, exec"
check "start" p run -d --name a --memory 64m --health-cmd 'test -e /bin/sh' --health-interval disable $busybox sh -c 'trap "exit 5" TERM; i=0; while :; do i=$((i + 1)); done'
check "exec is in it" prints "0::/" p exec a cat /proc/self/cgroup
shows '^containers-default-[0-9.]+ .enforce.$' p exec a $label
leaf=/sys/fs/cgroup$(sed 's/^0:://' /proc/$(p inspect --format '{{.State.Pid}}' a)/cgroup)
check "its cgroup" test -d "$leaf"
step "podman: update"
check "update" p update --memory 96m --cpus 0.25 --cpu-shares 1024 a
check "memory" prints 100663296 cat "$leaf/memory.max"
check "cpu" prints "25000 100000" cat "$leaf/cpu.max"
check "weight" prints 100 cat "$leaf/cpu.weight"
step "podman: pause"
usage() {
	awk '$1 == "usage_usec" { print $2 }' "$leaf/cpu.stat"
}
check "pause" p pause a
check "paused" prints paused p inspect --format '{{.State.Status}}' a
before=$(usage)
sleep 1
check "nothing runs" test "$(usage)" = "$before"
check "unpause" p unpause a
sleep 1
check "it runs" test "$(usage)" -gt "$before"
step "podman: figures"
shows '^a [1-9][0-9.]*% [1-9].*B / .*MB [1-9]' p stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' a
step "podman: health"
check "well" p healthcheck run a
step "podman: stop"
check "stop" p stop -t 20 a
check "its status" prints 5 p inspect --format '{{.State.ExitCode}}' a
check "removed" p rm a
check "its cgroup is gone" test ! -d "$leaf"
step "podman: devices"
shows 'not permitted' run --cap-add mknod $busybox sh -c 'mknod /tmp/d b 254 0; cat /tmp/d'
check "given" run --device /dev/vda:/dev/disk:r $busybox sh -c 'dd if=/dev/disk of=/dev/null bs=4096 count=1'
shows 'not permitted' run --device /dev/vda:/dev/disk:r $busybox sh -c ': >/dev/disk'
step "podman: user namespace"
check "a map" prints "0 100000 65536 0" run --uidmap 0:100000:65536 --memory 32m $busybox sh -c 'echo $(cat /proc/self/uid_map) $(stat -c %u /bin/busybox)'
step "podman: privileged, init, read-only"
check "privileged" prints "$(sed -n 's/^CapBnd:\t//p' /proc/self/status)" run --privileged --init $busybox sed -n 's/^CapBnd:\t//p' /proc/self/status
check "read-only" status 1 run --read-only $busybox touch /no
step "podman: nothing is left"
check "no container" prints "" p ps -aq
check "no cgroup" test -z "$(find /sys/fs/cgroup -type d -name 'libpod-*')"

# ---- containerd ------------------------------------------------------------------------------------------------------
step "containerd: start"
cat >/etc/containerd.toml <<CONF
version = 2
root = "/mnt/data/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper",
	"io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs"]
CONF
containerd --config /etc/containerd.toml >/lab/out/containerd.log 2>&1 &
containerd=$!
wait_until 60 "containerd answers" ctr version
check "import" ctr image import /lab/busybox.tar
step "containerd: events of memory"
ctr events >/lab/out/events 2>&1 &
events_flow() {
	ctr namespace label default asked=$((asked + 1))
	grep -q /namespaces/update /lab/out/events
}
asked=0
wait_until 30 "ctr is told of events" events_flow
check "killed" status 137 ctr run --rm --runc-binary "$runtime" --memory-limit 16777216 $busybox oom sh -c 'x=x; while :; do x=$x$x; done'
# the shim reads the counts of a cgroup when they change: one that goes with its only process may be gone before
check "one of its processes" ctr run -d --runc-binary "$runtime" --memory-limit 16777216 $busybox oom2 sh -c '(x=x; while :; do x=$x$x; done); sleep 1000'
wait_until 20 "containerd is told" grep -q '/tasks/oom.*oom2' /lab/out/events
check "killed" ctr task kill -s KILL oom2
wait_until 20 "stopped" sh -c 'ctr task ls | grep -q "oom2 .*STOPPED"'
check "its task goes" ctr task rm oom2
check "it goes" ctr container rm oom2
step "containerd: limits and pause"
check "start" ctr run -d --runc-binary "$runtime" --memory-limit 67108864 --cpus 0.4 $busybox b sh -c 'while :; do :; done'
leaf=/sys/fs/cgroup/default/b
check "its memory" prints 67108864 cat $leaf/memory.max
check "its time" prints "40000 100000" cat $leaf/cpu.max
check "pause" ctr task pause b
shows 'b .*PAUSED' ctr task ls
before=$(usage)
sleep 1
check "nothing runs" test "$(usage)" = "$before"
check "resume" ctr task resume b
sleep 1
check "it runs" test "$(usage)" -gt "$before"
step "containerd: figures"
shows 'memory.usage_limit +67108864' ctr task metrics b
shows 'cpu.usage_usec +[1-9]' ctr task metrics b
step "containerd: end"
check "kill" ctr task kill -s KILL b
wait_until 20 "stopped" sh -c 'ctr task ls | grep -q STOPPED'
shows 'exit code 137' ctr task delete b
check "removed" ctr container delete b
check "its cgroup is gone" test ! -d "$leaf"
kill $containerd
wait $containerd
check "nothing runs" sh -c '! pidof sleep conmon containerd-shim-runc-v2'
check "no mount" sh -c '! grep -E "/mnt/data/|/run/containerd" /proc/self/mountinfo'
step "end"
finish
END
chmod +x "$work/case/run"
tests/vm/run --cpus 1 --memory 768 --timeout 300 --disk "$work/disk" "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

#!/bin/sh
# tests/vm/test_pressure.sh - where cgroup v2 is whole: a node short of memory says so and lets the right pod go; what is reserved, how
# classes weigh, what is protected; figures from the controllers; and limits that change under a running container.
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
tools/test-images || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 300M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
mkdir "$work/case"
cp tests/vm/guest.sh build/images/busybox.tar "$work/case/"

# name, MiB that it holds in memory, its resources
holder() {
	cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 600Mi}}]
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "dd if=/dev/zero of=/v/x bs=1M count=$2; sleep 100000"]
    resources: $3
    volumeMounts: [{name: v, mountPath: /v}]
---
END
}
holder keep 48 '{requests: {cpu: 200m, memory: 64Mi}}' >"$work/case/keep.yaml"
holder greedy COUNT '{}' >"$work/case/greedy.yaml"
holder late 1 '{}' >"$work/case/late.yaml"
holder sized 8 '{requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 250m, memory: 64Mi}}' >"$work/case/sized.yaml"
cat >"$work/case/run" <<'END'
#!/bin/sh
. /lab/guest.sh
disk_up
start_up --agent-option "eviction-hard=memory.available<220Mi" --agent-option eviction-pressure-transition-period=12s \
	--agent-option system-reserved=cpu=200m,memory=64Mi,pid=500
check "the image loads" limpet image load --data-dir $data /lab/busybox.tar
group=$(find /sys/fs/cgroup -maxdepth 2 -type d -name system -path '*limpet*' | head -n 1)
group=${group%/system}

# ---- what is reserved and protected
total=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
check "pods together get what is not reserved" test "$(cat "$group/memory.max")" = $((total * 1024 - 64 * 1024 * 1024))
shows '^33554432$' cat "$group/memory.min"
shows '^33554432$' cat "$group/system/memory.min"
agent=$(cat /run/limpet*/agent.pid)
shows '^-999$' cat "/proc/$agent/oom_score_adj"
shows '/system$' cat "/proc/$agent/cgroup"
check "64Mi and the threshold are not allocatable" sh -c "limpet get node lab -o json | grep -q '\"memory\": \"$((total - 64 * 1024 - 220 * 1024))Ki\"'"

# ---- classes and figures
check "the modest pod is applied" limpet apply -f /lab/keep.yaml
wait_until 60 "it runs" sh -c "limpet get pod keep | grep -q Running"
wait_until 30 "and holds its memory" sh -c 'limpet top containers --no-headers | grep -qE "keep +c +[0-9]+m +(4[89]|5[0-9])Mi"'
shows '"exact": true' limpet top -o json
wait_until 20 "burstable weighs what it requests" sh -c "[ \$(cat $group/burstable/cpu.weight) -gt 5 -a \$(cat $group/burstable/cpu.weight) -lt 50 ]"
for pid in $(pidof limpet); do
	case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
	*keeper*) shows '^-998$' cat "/proc/$pid/oom_score_adj" ;;
	esac
done

# ---- short of memory
free=$(awk '$1 == "MemFree:" || $1 == "Inactive(file):" { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo)
sed "s/COUNT/$((free - 150))/" /lab/greedy.yaml >/lab/eager.yaml
check "the greedy pod is applied" limpet apply -f /lab/eager.yaml
wait_until 60 "the node has memory pressure" sh -c "limpet get node lab -o json | tr -d ' \n' | grep -q '\"type\":\"MemoryPressure\",\"status\":\"True\"'"
wait_until 30 "the greedy pod is evicted" sh -c "limpet get pod greedy -o json | grep -q '\"reason\": \"Evicted\"'"
shows 'The node was low on resource: memory. Threshold quantity: 220Mi, available: .* Container c was using [0-9]+[KM]i, request is 0, has larger consumption of memory' \
	limpet get pod greedy -o json
shows 'keep +1/1 +Running +0' limpet get pods
shows 'node.kubernetes.io/memory-pressure' limpet get node lab -o json
check "another pod is applied" limpet apply -f /lab/late.yaml
wait_until 60 "the pressure passes" sh -c "limpet get node lab -o json | tr -d ' \n' | grep -q '\"type\":\"MemoryPressure\",\"status\":\"False\"'"
wait_until 60 "and the other pod is taken" sh -c "limpet get pod late | grep -q Running"
check "besteffort weighs the least" sh -c "[ \$(cat $group/besteffort/cpu.weight) = 1 ]"
check "the node answers" limpet get nodes
check "all is removed" limpet delete pod keep greedy late --timeout=60s
kill $up
wait $up

# ---- a size that changes, without a manager: the manifest says so
mkdir /lab/manifests
cp /lab/sized.yaml /lab/manifests/
limpet agent --data-dir /mnt/alone --instance alone --standalone --manifests /lab/manifests --keep-pods=false >/lab/out/agent.log 2>&1 &
alone=$!
wait_until 30 "the agent is ready" grep -qx ready /lab/out/agent.log
check "the image loads here too" limpet image load --data-dir /mnt/alone /lab/busybox.tar
leaf() {
	find /sys/fs/cgroup -type d -path '*alone*' -name 'c.*' | head -n 1
}
wait_until 60 "the container has a cgroup" sh -c "find /sys/fs/cgroup -type d -path '*alone*' -name 'c.*' | grep -q ."
leaf=$(leaf)
wait_until 20 "with its limit" sh -c "[ \$(cat $leaf/memory.max) = 67108864 ]"
shows '^25000 100000$' cat "$leaf/cpu.max"
pid=$(head -n 1 "$leaf/cgroup.procs")
wait_until 60 "it holds its memory" sh -c "[ \$(cat $leaf/memory.current) -gt 8388608 ]"
sed 's/cpu: 250m, memory: 64Mi/cpu: 500m, memory: 128Mi/' /lab/sized.yaml >/lab/manifests/.new && mv /lab/manifests/.new /lab/manifests/sized.yaml
wait_until 20 "memory grows in place" sh -c "[ \$(cat $leaf/memory.max) = 134217728 ]"
shows '^50000 100000$' cat "$leaf/cpu.max"
shows '^134217728$' cat "${leaf%/*}/memory.max"
sed 's/cpu: 250m, memory: 64Mi/cpu: 100m, memory: 40Mi/' /lab/sized.yaml >/lab/manifests/.new && mv /lab/manifests/.new /lab/manifests/sized.yaml
wait_until 20 "and shrinks in place" sh -c "[ \$(cat $leaf/memory.max) = 41943040 ]"
shows '^41943040$' cat "${leaf%/*}/memory.max"
check "it is the same process" test "$(head -n 1 "$leaf/cgroup.procs")" = "$pid"
sed 's/cpu: 250m, memory: 64Mi/cpu: 100m, memory: 6Mi/; s/memory: 32Mi/memory: 4Mi/' /lab/sized.yaml >/lab/manifests/.new && mv /lab/manifests/.new /lab/manifests/sized.yaml
wait_until 20 "less than it holds is refused" grep -q "limits of a running container stay as they were" /lab/out/agent.log
shows '^41943040$' cat "$leaf/memory.max"
check "and nobody was killed for it" test "$(head -n 1 "$leaf/cgroup.procs")" = "$pid"

# ---- a ceiling that is made, and made lower, while a pod without limits runs
cp /lab/late.yaml /lab/manifests/late.yaml
wait_until 60 "a pod without limits runs" sh -c "find /sys/fs/cgroup -type d -path '*alone*/besteffort/pod*/c.0' | grep -q ."
free=$(find /sys/fs/cgroup -type d -path '*alone*/besteffort/pod*' -name 'pod*' | head -n 1)
shows '^max$' cat "$free/memory.max"
shows '^1024$' cat "$free/c.0/pids.max"
echo "{podMemory: 200Mi, podCPU: 600m, maxProcesses: 90}" >/mnt/alone/ceiling.yaml
wait_until 20 "it has the ceiling's memory" sh -c "[ \$(cat $free/memory.max) = 209715200 ]"
wait_until 20 "its processes" sh -c "[ \$(cat $free/c.0/pids.max) = 90 ]"
shows '^60000 100000$' cat "$free/cpu.max"
echo "{podMemory: 100Mi}" >/mnt/alone/ceiling.yaml
wait_until 20 "and less when that is less" sh -c "[ \$(cat $free/memory.max) = 104857600 ]"
wait_until 20 "and all that is no longer said" sh -c "[ \$(cat $free/c.0/pids.max) = 1024 ]"
shows '^max 100000$' cat "$free/cpu.max"
shows '^41943040$' cat "$leaf/memory.max"
rm /lab/manifests/late.yaml
wait_until 30 "it goes" sh -c "! find /sys/fs/cgroup -type d -path '*alone*/besteffort/pod*' | grep -q ."
rm /mnt/alone/ceiling.yaml

# ---- a cpu of its own
sed 's/name: sized/name: own\n  annotations: {limpet.dev\/cpu-pinning: "static"}/; s/metadata: {/metadata:\n  /; s/"static"}}/"static"}/; s/cpu: 100m/cpu: 1/; s/cpu: 250m/cpu: 1/' \
	/lab/sized.yaml >/lab/manifests/own.yaml
own() {
	grep -l '^1$' $(find /sys/fs/cgroup -path '*alone*/c.*/cpuset.cpus') 2>/dev/null | head -n 1
}
wait_until 30 "the pinned container has the second cpu" sh -c "grep -lx 1 \$(find /sys/fs/cgroup -path '*alone*/c.*/cpuset.cpus')"
wait_until 20 "and the other one the first" sh -c "[ \$(cat $leaf/cpuset.cpus) = 0 ]"
kill -9 $alone
wait $alone 2>/dev/null
limpet agent --data-dir /mnt/alone --instance alone --standalone --manifests /lab/manifests --keep-pods=false >/lab/out/again.log 2>&1 &
alone=$!
wait_until 30 "an agent after it is ready" grep -qx ready /lab/out/again.log
sed 's/name: own/name: second/' /lab/manifests/own.yaml >/lab/manifests/second.yaml
wait_until 20 "a second one finds no cpu" grep -q "not enough cpus available to satisfy request: requested=1, available=1" /lab/out/again.log
rm /lab/manifests/own.yaml /lab/manifests/second.yaml
wait_until 30 "what is given back is everybody's again" sh -c "[ \$(cat $leaf/cpuset.cpus) = 0-1 ]"
kill $alone
wait $alone
check "no cgroup of a pod is left" test -z "$(find /sys/fs/cgroup -type d -name 'pod*')"
finish
END
chmod +x "$work/case/run"
tests/vm/run --memory 768 --timeout 240 --disk "$work/disk" "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

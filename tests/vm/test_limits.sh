#!/bin/sh
# tests/vm/test_limits.sh - limits hold where cgroup v2 is whole: memory, processes, CPU; and Kubernetes' words for it.
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
tools/test-images || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 200M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
mkdir "$work/case"
cp tests/vm/guest.sh build/images/busybox.tar "$work/case/"
cat >"$work/case/pods.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "x=a; while true; do x=$x$x; done"]
    resources: {limits: {memory: 32Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: limited}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sleep, "100000"]
    resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 250m, memory: 64Mi}}
END
cat >"$work/case/bomb.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: bomb}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "trap : TERM; i=0; while [ $i -lt 3000 ]; do sleep 1000 & i=$((i+1)); done; wait"]
END
cat >"$work/case/run" <<'END'
#!/bin/sh
. /lab/guest.sh
disk_up
start_up
check "the image loads" limpet image load --data-dir $data /lab/busybox.tar
check "the pods are applied" limpet apply -f /lab/pods.yaml
wait_until 60 "the hungry pod has failed" sh -c "limpet get pod hungry -o json | grep -q OOMKilled"
shows '"exitCode": 137' limpet get pod hungry -o json
shows '"reason": "OOMKilled"' limpet get pod hungry -o json
wait_until 30 "the limited pod runs" sh -c "limpet get pod limited | grep -q Running"
leaf=$(find /sys/fs/cgroup -name cgroup.procs -exec grep -l . {} + | while read -r f; do
	for pid in $(cat "$f"); do
		[ "$(tr '\0' ' ' 2>/dev/null </proc/$pid/cmdline)" = "sleep 100000 " ] && dirname "$f"
	done
done | head -n 1)
check "the limited container has a cgroup" test -n "$leaf"
shows '^67108864$' cat "$leaf/memory.max"
shows '^25000 100000$' cat "$leaf/cpu.max"
shows '^[0-9]+$' cat "$leaf/pids.max"
check "a pod may not have 1500 processes" test "$(cat "$leaf/pids.max")" -le 1500
check "the bomb is applied" limpet apply -f /lab/bomb.yaml
wait_until 60 "the bomb has been stopped by its limit" sh -c "limpet logs bomb 2>&1 | grep -qi fork"
check "the node answers while the bomb is at its limit" limpet get nodes
check "the machine has room for processes" test "$(ls -d /proc/[0-9]* | wc -l)" -lt 1500
check "the bomb is removed" limpet delete pod bomb --timeout=60s
check "and the others" limpet delete pod limited hungry --timeout=60s
kill $up
wait $up
check "no cgroup is left" test -z "$(find /sys/fs/cgroup -type d -name 'pod*')"
finish
END
chmod +x "$work/case/run"
tests/vm/run --memory 768 --timeout 120 --disk "$work/disk" "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

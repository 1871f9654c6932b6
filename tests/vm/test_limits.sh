#!/bin/sh
# tests/vm/test_limits.sh - limits hold where cgroup v2 is whole: measured from inside of pods within 5 %, in Kubernetes' words;
# and a pod full of bombs leaves its neighbour's answers within 1.5 times of what they took before.
#
# The machine's clock counts instructions (tests/vm/run --clock), so that figures do not tell how busy the host is; its disk
# lies in its memory, because waiting for the host would let the clock run.
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
[ -x build/tests/vm/meter ] || { echo "build/tests/vm/meter is not built"; exit 1; }
tools/test-images || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 160M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
mkdir "$work/case"
cp tests/vm/guest.sh build/images/busybox.tar "$work/case/"
strip -o "$work/case/meter" build/tests/vm/meter || exit 1

# A pod of one container of the meter: name, what it measures, its resources
meter() {
	cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  volumes: [{name: lab, hostPath: {path: /mnt/lab}}]
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: $2
    resources: $3
    volumeMounts: [{name: lab, mountPath: /lab}]
---
END
}
meter cpu '[/lab/meter, cpu, "8"]' '{limits: {cpu: 250m}}' >"$work/case/cpu.yaml"
{
	meter memory '[/lab/meter, memory]' '{limits: {memory: 128Mi}}'
	meter forks '[/lab/meter, forks]' '{limits: {memory: 256Mi}}'
	meter huge '[/lab/meter, huge]' '{limits: {memory: 64Mi, hugepages-2Mi: 20Mi}}'
	meter devices '[/lab/meter, devices]' '{}'
	meter limited '[sleep, "100000"]' '{requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 250m, memory: 64Mi}}'
} >"$work/case/meters.yaml"
meter calm '[/lab/meter, requests, /requests]' '{requests: {cpu: 500m, memory: 32Mi}, limits: {memory: 64Mi}}' >"$work/case/calm.yaml"
cat >"$work/case/bombs.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: bombs}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: lab, hostPath: {path: /mnt/lab}}, {name: scratch, emptyDir: {}}]
  containers:
  - name: forks
    image: limpet.local/busybox:latest
    command: [/lab/meter, forkbomb]
    resources: {requests: {cpu: 10m}, limits: {cpu: 500m, memory: 256Mi}}
    volumeMounts: [{name: lab, mountPath: /lab}]
  - name: memory
    image: limpet.local/busybox:latest
    command: [/lab/meter, membomb]
    resources: {requests: {cpu: 10m}, limits: {cpu: 500m, memory: 64Mi}}
    volumeMounts: [{name: lab, mountPath: /lab}]
  - name: cache
    image: limpet.local/busybox:latest
    command: [/lab/meter, cachebomb, /scratch]
    resources: {requests: {cpu: 10m}, limits: {cpu: 500m, memory: 64Mi}}
    volumeMounts: [{name: lab, mountPath: /lab}, {name: scratch, mountPath: /scratch}]
END
cat >"$work/case/run" <<'END'
#!/bin/sh
. /lab/guest.sh
cp /dev/vda /tmp/disk && mount -o loop,noatime /tmp/disk /mnt || { echo "no disk"; exit 1; }
mkdir -p $data
link_up
mkdir /mnt/lab && cp /lab/meter /mnt/lab/
echo 24 >/proc/sys/vm/nr_hugepages
start_up
check "the image loads" limpet image load --data-dir $data /lab/busybox.tar

# ---- measured from inside
ended() {
	wait_until 60 "pod $1 has ended" sh -c "limpet get pod $1 -o json | grep -qE '\"phase\": \"(Succeeded|Failed)\"'"
}
near() {	# what, measured, wanted: within five percent
	echo "measured: $1 $2, limit $3"
	check "$1 is $2, wanted $3" test "$(($2 * 100))" -ge "$(($3 * 95))" -a "$(($2 * 100))" -le "$(($3 * 105))"
}
check "the meter of processor time is applied" limpet apply -f /lab/cpu.yaml
ended cpu
near "processor share in thousandths" "$(limpet logs cpu)" 250
check "the other meters are applied" limpet apply -f /lab/meters.yaml
for pod in memory forks huge devices; do ended $pod; done
near "memory in KiB" "$(limpet logs memory | tail -n 1)" 131072
shows '"exitCode": 137' limpet get pod memory -o json
shows '"reason": "OOMKilled"' limpet get pod memory -o json
near "processes" "$(limpet logs forks)" 1024
near "huge pages" "$(limpet logs huge)" 10
shows '^/dev/null yes$' limpet logs devices
for device in kmsg mem vda loop0 kvm; do shows "^/dev/$device no$" limpet logs devices; done
wait_until 30 "the limited pod runs" sh -c "limpet get pod limited | grep -q Running"
leaf=$(find /sys/fs/cgroup -name cgroup.procs -exec grep -l . {} + | while read -r f; do
	for pid in $(cat "$f"); do
		[ "$(tr '\0' ' ' 2>/dev/null </proc/$pid/cmdline)" = "sleep 100000 " ] && dirname "$f"
	done
done | head -n 1)
check "the limited container has a cgroup" test -n "$leaf"
shows '^67108864$' cat "$leaf/memory.max"
shows '^25000 100000$' cat "$leaf/cpu.max"
check "the meters are removed" limpet delete pod cpu memory forks huge devices limited --timeout=60s

# ---- a neighbour full of bombs
lines() {
	limpet logs calm | wc -l
}
percentile() {	# which one, of the 200 requests from this line on
	limpet logs calm | tail -n "+$2" | head -n 200 | sort -n | awk -v p="$1" '{ v[NR] = $1 } END { print v[int((NR * p + 99) / 100)] }'
}
check "the calm pod is applied" limpet apply -f /lab/calm.yaml
wait_until 60 "the calm pod answers for a while" sh -c '[ $(limpet logs calm | wc -l) -ge 250 ]'
quiet=$(percentile 99 51)
echo "measured: requests of the neighbour take $(percentile 50 51) us, p99 $quiet us"
check "the bombs are applied" limpet apply -f /lab/bombs.yaml
wait_until 60 "the memory bomb is killed" sh -c "limpet get pod bombs -o json | grep -q OOMKilled"
first=$(($(lines) + 26))
export last=$((first + 199))
wait_until 60 "the calm pod answers beside them" sh -c '[ $(limpet logs calm | wc -l) -ge $last ]'
loud=$(percentile 99 $first)
limpet logs calm >/lab/out/calm
echo "measured: beside the bombs $(percentile 50 $first) us, p99 $loud us"
check "the neighbour's p99 is within 1.5 times" test $((loud * 2)) -le $((quiet * 3))
check "the fork bomb is at its limit" sh -c '[ $(ls -d /proc/[0-9]* | wc -l) -ge 900 ]'
check "and the machine has room for processes" sh -c '[ $(ls -d /proc/[0-9]* | wc -l) -lt 1500 ]'
check "the node answers" limpet get nodes
check "the agent lives" kill -0 $up
shows '"restartCount": 0' limpet get pod calm -o json
check "the bombs are removed" limpet delete pod bombs calm --timeout=60s
check "no process of theirs is left" sh -c '! pidof meter'
kill $up
wait $up
check "no cgroup is left" test -z "$(find /sys/fs/cgroup -type d -name 'pod*')"
finish
END
chmod +x "$work/case/run"
tests/vm/run --clock 1 --memory 1024 --timeout 580 --disk "$work/disk" "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

#!/bin/sh
# tests/vm/test_cold_boot.sh - the power is cut under a running node; it boots to full service without its manager, and when
# the manager comes back no container is restarted.
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
tools/test-images || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 200M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
mkdir "$work/first" "$work/second"
cp tests/vm/guest.sh build/images/busybox.tar "$work/first/"
cp tests/vm/guest.sh "$work/second/"
n=1
while [ $n -le 3 ]; do
	cat <<END
apiVersion: v1
kind: Pod
metadata: {name: web$n, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [httpd, -f, -p, "8080", -h, /var/www]
    ports: [{containerPort: 8080}]
---
END
	n=$((n + 1))
done >"$work/first/pods.yaml"
cat >>"$work/first/pods.yaml" <<'END'
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
END
cat >"$work/first/run" <<'END'
#!/bin/sh
. /lab/guest.sh
disk_up
start_up
check "the image loads" limpet image load --data-dir $data /lab/busybox.tar
check "the manifests are applied" limpet apply -f /lab/pods.yaml
wait_until 60 "three pods run" sh -c '[ "$(limpet get pods --no-headers | grep -c "1/1 *Running")" = 3 ]'
wait_until 10 "the service answers" sh -c 'wget -q -O - http://127.0.0.1:30080/ | grep -q hello'
[ $failures = 0 ] || finish
echo CUT-THE-POWER
sleep 1000
END
cat >"$work/second/run" <<'END'
#!/bin/sh
. /lab/guest.sh
disk_up
start agent
web_pids() {
	for proc in /proc/[0-9]*; do
		case $(tr '\0' ' ' <$proc/cmdline 2>/dev/null) in
		"httpd -f -p 8080"*) echo "${proc#/proc/}" ;;
		esac
	done | sort -n | tr '\n' ' '
}
wait_until 30 "three pods run without the manager" sh -c '[ "$(cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -o "httpd -f -p 8080" | wc -l)" -ge 3 ]'
wait_until 10 "the service answers on the loopback" sh -c 'wget -q -O - http://127.0.0.1:30080/ | grep -q hello'
wait_until 10 "the service answers on the node's address" sh -c 'wget -q -O - http://10.99.0.1:30080/ | grep -q hello'
service_ip() {	# as the node's own resolver knows it
	nslookup web.default.svc.cluster.local 10.43.0.10 | awk '/^Name:/ { found = 1 } found && /^Address/ { print $NF; exit }'
}
wait_until 10 "the node's DNS knows the service" sh -c 'nslookup web.default.svc.cluster.local 10.43.0.10 | grep -q "^Name:"'
check "with an address of the service range" sh -c 'case $1 in 10.43.*) ;; *) exit 1 ;; esac' - "$(service_ip)"
check "at which the service answers" sh -c 'wget -q -O - "http://$1/" | grep -q hello' - "$(service_ip)"
before=$(web_pids)
echo "pids without the manager: $before, $(cut -d' ' -f1 /proc/uptime) s after power on"
start manager --listen 127.0.0.1:6443
wait_until 30 "the manager answers" limpet get nodes
wait_until 60 "the node is Ready again" sh -c 'limpet get nodes | grep -q " Ready "'
wait_until 30 "the manager sees three running pods" sh -c '[ "$(limpet get pods --no-headers | grep -c "1/1 *Running")" = 3 ]'
sleep 3
check "no container was restarted by the manager's return" test "$(web_pids)" = "$before"
shows hello wget -q -O - http://127.0.0.1:30080/
finish
END
chmod +x "$work/first/run" "$work/second/run"
tests/vm/run --memory 768 --timeout 200 --disk "$work/disk" --kill-at 'CUT-THE-POWER|LAB-END' "$work/first" "$work/out" || exit 1
grep -q CUT-THE-POWER "$work/out/serial" || { cat "$work/out/serial"; exit 1; }
tests/vm/run --memory 768 --timeout 200 --disk "$work/disk" "$work/second" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

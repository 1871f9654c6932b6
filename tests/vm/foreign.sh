# tests/vm/foreign.sh - limpet of another architecture on a kernel of that architecture: audits in every profile against their golden
# files, a container's life by limpet-oci, pods under a manager and on a node without one.
#
# Use     arch=arm64; . tests/vm/foreign.sh        (vm/test_arm64.sh, vm/test_armhf.sh; AUDIT_UPDATE=1 writes the golden files anew)
[ -x build/tests/audit/audit ] || { echo "build/tests/audit/audit is not built"; exit 1; }
. tests/audit/profiles.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
built() {	# architecture, what of it
	it=$1
	shift
	make -s -j2 CC=clang ARCH="$it" "$@" >"$work/make" 2>&1 || { tail -n 40 "$work/make"; exit 1; }
}
here=build/$arch
built "$arch" "$here/limpet" "$here/tests/audit/audit"
# An arm64 kernel also runs programs of armhf, by system calls of their own: a door that is closed unless a profile opens it.
[ "$arch" != arm64 ] || built armhf build/armhf/tests/audit/audit
tools/test-images "$arch" || exit 1
truncate -s 200M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
mkdir -p "$work/case/bundle/rootfs" "$work/image" "$work/layer/tmp" "$work/layer/etc"
cp tests/vm/guest.sh tests/audit/profiles.sh "$work/case/"

# The audit's image, busybox' image, and the latter unpacked as the bundle of an OCI runtime
chmod 1777 "$work/layer/tmp"
llvm-strip -o "$work/layer/audit" "$here/tests/audit/audit" || exit 1
[ "$arch" != arm64 ] || llvm-strip -o "$work/layer/audit32" build/armhf/tests/audit/audit || exit 1
echo 'root:x:0:0::/:/audit' >"$work/layer/etc/passwd"
tools/oci-image --name limpet.local/audit:latest --arch "$arch" --config '"Cmd":["/audit"]' --out "$work/case/audit.tar" "$work/layer" || exit 1
cp "build/images/busybox-$arch.tar" "$work/case/busybox.tar"
tar -C "$work/image" -xf "$work/case/busybox.tar" || exit 1
for blob in "$work"/image/blobs/sha256/*; do
	tar -tf "$blob" >/dev/null 2>&1 && tar -C "$work/case/bundle/rootfs" -xf "$blob" && break
done
cp "$work"/layer/audit* "$work/case/"

cat >"$work/case/run" <<'END'
#!/bin/sh
. /lab/guest.sh
. /lab/profiles.sh
disk_up
took() {
	now=$(cut -d' ' -f1 /proc/uptime)
	echo "-- $1: done $now s after the machine's start"
}

# ---- a container by its life
ln -s "$(command -v limpet)" /tmp/limpet-oci
o() {
	/tmp/limpet-oci --root /tmp/state "$@"
}
status() {
	o state one | grep -q "\"status\": \"$1\""
}
check "config.json is written" o spec --bundle /lab/bundle
sed -i 's/"terminal": true/"terminal": false/; s/"readonly": true/"readonly": false/' /lab/bundle/config.json
sed 's/"sh"/"sh", "-c", "trap : TERM; uname -m; sleep 1000 \& wait; exit 7"/' /lab/bundle/config.json >/tmp/long
sed -i 's/"sh"/"sh", "-c", "uname -m; exit 7"/' /lab/bundle/config.json
o run --bundle /lab/bundle once >/tmp/once 2>&1
check "its status ($(cat /tmp/once))" test $? = 7
shows "^$(uname -m)$" cat /tmp/once
cp /tmp/long /lab/bundle/config.json
o create --bundle /lab/bundle one >/tmp/one 2>&1 </dev/null
check "created ($(cat /tmp/one))" status created
check "start" o start one
wait_until 30 "it runs" grep -q "$(uname -m)" /tmp/one
shows '^PID' o exec one ps
check "pause" o pause one
check "paused" status paused
check "resume" o resume one
check "kill" o kill one TERM
wait_until 30 "it ends" status stopped
check "delete" o delete one
check "no state is left" test -z "$(ls -A /tmp/state)"
took "limpet-oci"

# ---- audits
/lab/audit 2>/dev/null | grep '^blocked .* ENOSYS$' >/lab/out/lacking
start_up
check "the image loads" limpet image load --data-dir $data /lab/audit.tar
audit_host self
for name in $audit_profiles; do
	audit_profile $name >/tmp/$name.yaml
	check "applied" limpet apply -f /tmp/$name.yaml
done
for name in $audit_profiles; do
	check "the audit of $name ends" limpet wait --for=jsonpath='{.status.phase}'=Succeeded pod/$name --timeout=60s
	limpet logs $name >/lab/out/$name.raw
done
if [ -e /lab/audit32 ]; then
	audit32() {	# pod, its fields
		audit_pod "$1" "$2" '' | sed 's|{name: audit,|{name: audit, command: [/audit32],|' >"/tmp/$1.yaml"
		check "applied" limpet apply -f "/tmp/$1.yaml"
	}
	check "the kernel runs a program of armhf" sh -c '/lab/audit32 >/tmp/narrow && grep -q "^seccomp none" /tmp/narrow'
	mkdir -p $data/seccomp
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
		"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}]}' >$data/seccomp/no-mkdir.json
	audit32 foreign ''
	audit32 listed 'securityContext: {seccompProfile: {type: Localhost, localhostProfile: no-mkdir.json}}'
	check "not where no profile lists its calls" limpet wait --for=jsonpath='{.status.phase}'=Failed pod/foreign --timeout=60s
	check "not at all" test -z "$(limpet logs foreign)"
	check "where one does it runs" limpet wait --for=jsonpath='{.status.phase}'=Succeeded pod/listed --timeout=60s
	shows "^seccomp filter" limpet logs listed
	shows "^root is written EROFS" limpet logs listed
fi
kill $up
check "limpet up ends with status 0" wait $up
took "audits"

# ---- a node without a manager
mkdir /tmp/manifests
cat >/tmp/manifests/web.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [httpd, -f, -p, "8080", -h, /var/www]
    readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
    livenessProbe: {exec: {command: [test, -e, /var/www]}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
YAML
data=/mnt/alone
start agent --standalone --manifests /tmp/manifests --node-name alone
alone=$started
wait_until 60 "the agent is ready" grep -qx ready /lab/out/agent.log
check "the image loads" limpet image load --data-dir $data /lab/busybox.tar
wait_until 60 "a pod answers" sh -c 'wget -q -O - http://127.0.0.1:30080/ | grep -q hello'
rm /tmp/manifests/web.yaml
wait_until 30 "and goes with its manifest" sh -c '! pidof httpd'
kill $alone
check "the agent ends with status 0" wait $alone
took "a node without a manager"
finish
END
chmod +x "$work/case/run"
tests/vm/run --arch "$arch" --memory 512 --timeout 400 --disk "$work/disk" "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
keep() {	# all that came back, for a look
	[ -z "${AUDIT_KEEP:-}" ] || cp -r "$work/out" "$AUDIT_KEEP"
}
[ $rc = 0 ] || { keep; exit $rc; }

failed=0
check() {
	what=$1
	shift
	"$@" >"$work/check" 2>&1 && return
	echo "FAILED: $what"
	sed 's/^/    /' "$work/check"
	failed=1
}
build/tests/audit/audit --table "$arch" >"$work/out/table.$arch"
for name in $audit_profiles; do
	check "the audit of $name is as its golden file says" audit_compare "$name" "$arch" "$work/out" 1024
done
check "what was measured is what the table means" audit_means "$arch" "$work/out"
keep
exit $failed

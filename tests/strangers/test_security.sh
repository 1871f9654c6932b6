#!/bin/sh
# tests/strangers/test_security.sh - what containers may do and see, measured from inside by tests/audit/audit and compared with
# golden files (tests/audit/<profile>.<architecture>); Pod Security labels and the node's ceiling as kubectl's users meet them.
# AUDIT_UPDATE=1 writes the golden files anew.
. "$(dirname "$0")/lib.sh"
enter "$@"
. tests/audit/profiles.sh
tools/kubectl || skip "no kubectl could be fetched"
[ -x build/tests/audit/audit ] || skip "build/tests/audit/audit is not built"
kubectl() {
	build/kubectl/kubectl-1.32 --request-timeout=20s "$@"
}
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) skip "no golden files for $(uname -m)" ;;
esac

# ---- what the table of system calls means elsewhere
for other in amd64 arm64 armhf; do
	build/tests/audit/audit --table $other >"$dir/table.$other"
	check "the blocked calls of $other are those of its golden file" diff "tests/audit/table.$other" "$dir/table.$other"
done
check "at least 90 calls are blocked on x86-64" test "$(wc -l <"$dir/table.amd64")" -ge 90

# ---- the audit's image: the program and a place to write
mkdir -p "$dir/layer/tmp" "$dir/layer/etc"
chmod 1777 "$dir/layer/tmp"
cp build/tests/audit/audit "$dir/layer/audit"
echo 'root:x:0:0::/:/audit' >"$dir/layer/etc/passwd"
tools/oci-image --name limpet.local/audit:latest --arch $arch --config '"Cmd":["/audit"]' --out "$dir/audit.tar" "$dir/layer" || exit 1
start_up
check "the image is loaded" build/limpet image load "$dir/audit.tar"

# The host's own answers: what this kernel lacks is no achievement of a profile.
audit_host "$up"
build/tests/audit/audit 2>/dev/null | grep '^blocked .* ENOSYS$' >"$dir/lacking"

pod() {	# as audit_pod
	audit_pod "$@" | kubectl apply -f -
}
limits=none
grep -qw pids "$(cgroup_root)/cgroup.controllers" 2>/dev/null && limits=1024
status() {
	kubectl get pod "$1" -o "jsonpath={.status.phase} {.status.reason} {.status.message} {.status.containerStatuses[0].state}"
}
says() {
	status "$1" 2>&1 | grep -qE -- "$2"
}

echo "-- audits"
mkdir -p "$dir/up/seccomp"
cat >"$dir/up/seccomp/no-mkdir.json" <<'JSON'
{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}]}
JSON
for name in $audit_profiles; do
	audit_profile "$name" | kubectl apply -f -
done
pod local '' 'seccompProfile: {type: Localhost, localhostProfile: no-mkdir.json}'
pod unmasked 'hostUsers: false' 'procMount: Unmasked, allowPrivilegeEscalation: true'
for name in $audit_profiles; do
	check "the audit of $name ends" kubectl wait --for=jsonpath='{.status.phase}'=Succeeded "pod/$name" --timeout=30s
	kubectl logs "$name" >"$dir/$name.raw"
	check "the audit of $name is as its golden file says" audit_compare "$name" $arch "$dir" $limits
done
check "what was measured is what the table means" audit_means $arch "$dir"
check "at least 90 calls are blocked from inside" test "$(grep -c ^blocked "$dir/default.raw")" -ge 90
check "the audit of local ends" kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/local --timeout=30s
shows "^root is written EROFS" kubectl logs local
shows "^seccomp filter" kubectl logs local
check "the audit of unmasked ends" kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/unmasked --timeout=30s
shows "^masked /proc/interrupts SHOWN" kubectl logs unmasked
shows "^no_new_privs 0" kubectl logs unmasked
shows "^namespace user own" kubectl logs unmasked

echo "-- refused by name"
pod root '' 'runAsNonRoot: true'
wait_until 10 "a container that may not be root" says root 'container has runAsNonRoot and image will run as root'
pod missing '' 'seccompProfile: {type: Localhost, localhostProfile: missing.json}'
wait_until 10 "a profile that is not there" says missing 'seccomp profile missing.json'
pod sysctl 'securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}' ''
wait_until 10 "an unsafe sysctl" says sysctl '^Failed SysctlForbidden forbidden sysctl: "kernel.msgmax" not allowlisted'
refuses "procMount: Invalid value: \"Unmasked\": .hostUsers. must be false" pod bad '' 'procMount: Unmasked'

echo "-- Pod Security labels"
shows "created" kubectl create namespace shop
shows "labeled" kubectl label namespace shop pod-security.kubernetes.io/enforce=baseline pod-security.kubernetes.io/warn=restricted
refuses 'pods "bad" is forbidden: violates PodSecurity "baseline:latest": privileged .container "audit" must not set securityContext.privileged=true' \
	pod bad '' 'privileged: true' shop
shows 'Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false .container "audit" must set securityContext.allowPrivilegeEscalation=false' \
	pod good '' '' shop
shows 'Warning: existing pods in namespace "shop" violate the new PodSecurity enforce level "restricted:latest"' \
	kubectl label --overwrite namespace shop pod-security.kubernetes.io/enforce=restricted
refuses "must be one of privileged, baseline, restricted" kubectl label --overwrite namespace shop pod-security.kubernetes.io/enforce=strict

echo "-- the ceiling of the node"
kubectl delete pods --all --wait=false >/dev/null
stay() {
	kubectl apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec: {restartPolicy: Always, terminationGracePeriodSeconds: 1, containers: [{name: audit, image: "limpet.local/audit:latest", command: [/audit, --stay],
  securityContext: {privileged: $2}}]}
YAML
}
ceiling() {
	printf '%s\n' "$@" >"$dir/up/new" && mv "$dir/up/new" "$dir/up/ceiling.yaml"
}
node_condition() {
	kubectl get node story -o 'jsonpath={.status.conditions[?(@.type=="CeilingInvalid")].message}'
}
stay high true
stay low false
check "both run" kubectl wait --for=condition=Ready pod/high pod/low --timeout=30s
mkdir -p "$dir/allowed/data"
ln -s /etc "$dir/allowed/out"
ceiling 'privileged: false' "hostPaths: [{path: $dir/allowed}]" 'unsafeSysctls: [kernel.msgmax]'
wait_until 10 "what is above the ceiling is stopped" says high '^Failed NodeCeiling spec.containers.audit..securityContext.privileged: the ceiling of this node does not allow it .privileged: false'
shows "^Running" status low
pod sysctl-allowed 'securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}' ''
check "a sysctl that the owner allows" kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/sysctl-allowed --timeout=30s
pod above '' 'privileged: true'
wait_until 10 "and is not started" says above '^Failed NodeCeiling'
mounting() {
	kubectl apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: audit, image: "limpet.local/audit:latest", volumeMounts: [{name: v, mountPath: /v}]}],
  volumes: [{name: v, hostPath: {path: $2}}]}
YAML
}
mounting inside "$dir/allowed/data"
mounting outside /etc
mounting linked "$dir/allowed/out"
check "a path below the ceiling's is mounted" kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/inside --timeout=30s
wait_until 10 "another one is not" says outside '^Failed NodeCeiling spec.volumes.v..hostPath /etc: '
wait_until 10 "nor one that a symbolic link leads to" says linked 'Invalid cross-device link'
ceiling 'privileged: false' 'podMemory: 64Mi'
kubectl apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: growing}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: audit, image: "limpet.local/audit:latest", command: [/audit, --stay],
  resources: {requests: {memory: 32Mi}, limits: {memory: 32Mi}}}]}
YAML
check "a pod within the size of pods runs" kubectl wait --for=condition=Ready pod/growing --timeout=30s
shows "patched" kubectl patch pod growing --subresource resize --type strategic \
	-p '{"spec": {"containers": [{"name": "audit", "resources": {"requests": {"memory": "128Mi"}, "limits": {"memory": "128Mi"}}}]}}'
wait_until 10 "and may not grow beyond it" sh -c "build/kubectl/kubectl-1.32 get pod growing -o yaml | grep -q 'reason: Infeasible'"
shows '^resources.memory of the pod: .*podMemory' kubectl get pod growing -o 'jsonpath={.status.conditions[?(@.type=="PodResizePending")].message}'
shows '^Running 32Mi$' kubectl get pod growing -o 'jsonpath={.status.phase} {.status.containerStatuses[0].resources.limits.memory}'
ceiling 'privileged: maybe'
wait_until 10 "a file that cannot be read is a condition" sh -c "build/kubectl/kubectl-1.32 get node story -o yaml | grep -q 'privileged: must be true or false'"
pod still '' 'privileged: true'
wait_until 10 "and the former ceiling holds" says still 'NodeCeiling'
shows "^Running" status low
ceiling 'privileged: true'
wait_until 10 "the condition goes with the fault" sh -c "! build/kubectl/kubectl-1.32 get node story -o yaml | grep -q CeilingInvalid"
pod again '' 'privileged: true'
check "and a new ceiling holds" kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/again --timeout=30s
stop_up
finish

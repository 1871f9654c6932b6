#!/bin/sh
# tests/vm/test_labels.sh - what a distribution's kernel has and a board's may not: AppArmor confines containers of limpet-oci and pods, SELinux those
# of limpet-oci (and without a policy a label is refused by name), io.weight shares a disk, and a volume of an NFS server is mounted, written, lost and given back.
#
# Env     LIMPET_LABELS  parts to run alone, e.g. "apparmor" or "up nfs"; LIMPET_LABELS_KERNEL words for their kernel
# Makes   profiles compiled here by AppArmor's own parser (tests/vm/engines) and loaded in the guest by writing them to securityfs
set -u
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
tools/test-images && tests/vm/engines || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/vm/bundle.sh
echo hidden >"$work/case/rootfs/secret"
echo hidden >"$work/case/rootfs/other"
cp tests/vm/guest.sh build/images/busybox.tar "$work/case/"

# ---- profiles
compiler() {	# one of the engines' programs
	program=$1
	shift
	build/vm/engines/lib/ld-linux-x86-64.so.2 --library-path build/vm/engines/lib build/vm/engines/bin/$program "$@"
}
compile() {	# name; the profile from stdin
	abi=build/vm/engines/apparmor-abi
	cat >"$work/profile"
	compiler apparmor_parser -q --config-file /dev/null --base "$work" --policy-features $abi/3.0 --kernel-features $abi/3.0 -QKS "$work/profile" >"$work/case/$1" 2>"$work/parser" &&
		[ -s "$work/case/$1" ] || { cat "$work/parser"; exit 1; }
}
ln -s "$PWD/build/vm/engines/apparmor-abi" "$work/abi"
compile lab.profile <<'END'
profile lab-strict flags=(attach_disconnected,mediate_deleted) {
	file, network, unix, capability, signal, umount,
	deny mount,
	deny /secret rwklx,
}
profile lab-other flags=(attach_disconnected,mediate_deleted) {
	file, network, unix, capability, signal, mount, umount,
	deny /other rwklx,
}
END
compile default <agent/limpet-default.apparmor

# A policy of SELinux: who is container_t does not read what is hidden_t; classes that it does not name are free
cat >"$work/policy.cil" <<'END'
(mls false)
(policycap nnp_nosuid_transition)
(class process (transition dyntransition)) (class file (read))
(classorder (process file))
(sid kernel) (sid security) (sid unlabeled)
(sidorder (kernel security unlabeled))
(user u) (role r) (role object_r) (userrole u r) (userrole u object_r)
(category c0) (categoryorder (c0)) (sensitivity s0) (sensitivityorder (s0)) (sensitivitycategory s0 (c0))
(userlevel u (s0)) (userrange u ((s0) (s0 (c0))))
(type kernel_t) (type container_t) (type hidden_t)
(roletype r kernel_t) (roletype r container_t) (roletype object_r kernel_t) (roletype object_r hidden_t)
(sidcontext kernel (u r kernel_t ((s0) (s0))))
(sidcontext security (u object_r kernel_t ((s0) (s0))))
(sidcontext unlabeled (u object_r kernel_t ((s0) (s0))))
(genfscon proc "/" (u object_r kernel_t ((s0) (s0))))
(genfscon proc "/version" (u object_r hidden_t ((s0) (s0))))
(allow kernel_t kernel_t (process (transition))) (allow kernel_t container_t (process (transition)))
(allow kernel_t kernel_t (file (read))) (allow kernel_t container_t (file (read))) (allow kernel_t hidden_t (file (read)))
(allow container_t kernel_t (file (read))) (allow container_t container_t (file (read)))
END
compiler secilc -U allow -c 33 -o "$work/case/policy" -f /dev/null "$work/policy.cil" || exit 1

# ---- bundles
every_bundle='def user():
    l["namespaces"].append({"type": "user"})
    l["uidMappings"] = l["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
def caps(*names):
    for which in "bounding", "effective", "permitted":
        p["capabilities"][which] = p["capabilities"][which] + list(names)
def seccomp():
    l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}'
tells='cat /proc/self/attr/current /other /secret; mount -t tmpfs tmpfs /tmp && echo mounted'
bundle free "caps('CAP_SYS_ADMIN')" sh -c "$tells"
bundle said "p['apparmorProfile'] = 'unconfined'; caps('CAP_SYS_ADMIN')" sh -c "$tells"
bundle strict "p['apparmorProfile'] = 'lab-strict'; caps('CAP_SYS_ADMIN')" sh -c "$tells"
bundle gains "p['apparmorProfile'] = 'lab-strict'; p['noNewPrivileges'] = False" sh -c "$tells"
bundle filtered "p['apparmorProfile'] = 'lab-strict'; seccomp()" sh -c "$tells"
bundle mapped "p['apparmorProfile'] = 'lab-strict'; seccomp(); user()" sh -c "$tells"
bundle nobody "p['apparmorProfile'] = 'lab-strict'; p['user'] = {'uid': 65534, 'gid': 65534}" sh -c "$tells"
bundle missing "p['apparmorProfile'] = 'no-such'" sh -c 'echo ran >/ran'
bundle long "p['apparmorProfile'] = 'lab-strict'" sleep 1000
bundle plain "" sleep 1000
bundle hooked "p['apparmorProfile'] = 'lab-strict'
c['hooks'] = {'createContainer': [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat /proc/self/attr/current >/tmp/hook-create']}]}" true
bundle labelled "p['selinuxLabel'] = 'system_u:system_r:container_t:s0'" true
bundle initial "p['selinuxLabel'] = 'kernel'" cat /proc/self/attr/current
hidden='cat /proc/self/attr/current; echo; cat /proc/version'
bundle contained "p['selinuxLabel'] = 'u:r:container_t'" sh -c "$hidden; sleep 1000"
bundle gaining "p['selinuxLabel'] = 'u:r:container_t'; p['noNewPrivileges'] = False; seccomp(); user()" sh -c "$hidden"
bundle kernels "" sh -c "$hidden"
bundle mounts "l['mountLabel'] = 'u:object_r:hidden_t'" sh -c 'grep hidden_t /proc/self/mountinfo; echo x >/dev/shm/x && cat /dev/shm/x'
bundle hidden "l['mountLabel'] = 'u:object_r:hidden_t'; p['selinuxLabel'] = 'u:r:container_t'" sh -c 'echo x >/dev/shm/x; cat /dev/shm/x'
bundle mount "l['mountLabel'] = 'system_u:object_r:container_file_t:s0'" true
# the container's own process, in JSON: with a profile, and without one
python3 - "$work/case/bundles/long/config.json" "$work/case" "$tells" <<'PY' || exit 1
import json, sys
p = json.load(open(sys.argv[1]))["process"]
p["args"] = ["sh", "-c", sys.argv[3]]
for name in "lab-other", "no-such", None:
    p.pop("apparmorProfile")
    if name:
        p["apparmorProfile"] = name
    json.dump(p, open("%s/process-%s.json" % (sys.argv[2], name), "w"))
    p["apparmorProfile"] = None
PY

cat >"$work/case/oci.sh" <<'END'
ln -s "$(command -v limpet)" /tmp/limpet-oci
o() {
	/tmp/limpet-oci --root /tmp/state "$@"
}
prints() {	# what, then the command
	wanted=$1
	shift
	got=$("$@" 2>&1)
	[ "$got" = "$wanted" ] || { printf 'got      %s\nand not  %s\n' "$got" "$wanted"; return 1; }
}
tells() {	# what it should say of itself, and then lines of /other, /secret and the mount; bundle
	label=$1 other=$2 secret=$3 mount=$4
	shift 4
	"$@" >/tmp/told 2>/tmp/denied
	check "$*: its label ($(head -n 1 /tmp/told))" grep -qx "$label" /tmp/told
	check "$*: /other" test "$(grep -c hidden /tmp/told)" = $((other + secret))
	check "$*: which one" test "$(grep -c "/other.*ermission denied" /tmp/denied)$(grep -c "/secret.*ermission denied" /tmp/denied)" = $((1 - other))$((1 - secret))
	check "$*: mount ($(cat /tmp/denied))" test "$(grep -c mounted /tmp/told)" = "$mount"
}
runs() {
	label=$1 other=$2 secret=$3 mount=$4 name=$5
	tells "$label" "$other" "$secret" "$mount" o run --bundle "/lab/bundles/$name" "$name"
	check "$name: nothing is left" test ! -e "/tmp/state/$name" -a ! -e "/sys/fs/cgroup/oci/$name"
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
END

cat >"$work/case/apparmor.sh" <<'END'
check "AppArmor is on" test "$(cat /sys/module/apparmor/parameters/enabled)" = Y

profiles
# ---- a container is in its profile
runs unconfined 1 1 1 free
runs unconfined 1 1 1 said
runs "lab-strict (enforce)" 1 0 0 strict
runs "lab-strict (enforce)" 1 0 0 gains
runs "lab-strict (enforce)" 1 0 0 filtered
runs "lab-strict (enforce)" 1 0 0 mapped
runs "lab-strict (enforce)" 1 0 0 nobody
refused "AppArmor profile no-such is not loaded" missing
check "nothing of it ran" test ! -e /lab/rootfs/ran
check "a hook is the owner's" o run --bundle /lab/bundles/hooked hooked
check "and not confined" grep -qx unconfined /tmp/hook-create

# ---- and so is what joins it
check "start" o run -d --bundle /lab/bundles/long long </dev/null >/dev/null 2>&1
check "its first process" prints "lab-strict (enforce)" cat /proc/$(o state long | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')/attr/current
tells "lab-strict (enforce)" 1 0 0 o exec long sh -c 'cat /proc/self/attr/current /other /secret; mount -t tmpfs tmpfs /tmp && echo mounted'
tells "lab-other (enforce)" 0 1 0 o exec --apparmor lab-other long sh -c 'cat /proc/self/attr/current /other /secret'
tells unconfined 1 1 0 o exec --apparmor unconfined long sh -c 'cat /proc/self/attr/current /other /secret'
tells "lab-other (enforce)" 0 1 0 o exec --process /lab/process-lab-other.json long
tells "lab-strict (enforce)" 1 0 0 o exec --process /lab/process-None.json long
shows "AppArmor profile no-such is not loaded" o exec --apparmor no-such long true
shows "AppArmor profile no-such is not loaded" o exec --process /lab/process-no-such.json long
shows "SELinux label a:b:c:d: this kernel has no SELinux" o exec --process-label a:b:c:d long true
check "delete" o delete -f long
check "start" o run -d --bundle /lab/bundles/plain plain </dev/null >/dev/null 2>&1
tells "lab-strict (enforce)" 1 0 0 o exec --apparmor lab-strict plain sh -c 'cat /proc/self/attr/current /other /secret'
tells unconfined 1 1 0 o exec plain sh -c 'cat /proc/self/attr/current /other /secret'
check "delete" o delete -f plain
refused "SELinux label system_u:.*: this kernel has no SELinux" labelled
refused "mount label system_u:.*: this kernel has no SELinux" mount
step "limpet-oci"
END

# ---- pods: name, annotations, securityContext of pod and container
pod() {
	cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: ${5:-default}, annotations: {$2}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {$3}
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "cat /proc/self/attr/current; echo x >/secret; echo x >/other; exec sleep 100000"]
    securityContext: {$4}
---
END
}
note=container.apparmor.security.beta.kubernetes.io/c
{
	pod own "" "appArmorProfile: {type: Localhost, localhostProfile: lab-other}" "appArmorProfile: {type: Localhost, localhostProfile: lab-strict}"
	pod of-pod "" "appArmorProfile: {type: Localhost, localhostProfile: lab-other}" ""
	pod noted "$note: localhost/lab-strict" "" ""
	pod free "" "" "appArmorProfile: {type: Unconfined}"
	pod big "" "" "privileged: true, appArmorProfile: {type: Localhost, localhostProfile: lab-strict}"
	pod unsaid "" "" ""
	pod missing "" "" "appArmorProfile: {type: Localhost, localhostProfile: no-such}"
	pod default "" "" "appArmorProfile: {type: RuntimeDefault}"
} >"$work/case/pods.yaml"
pod later "" "" "" >"$work/case/later.yaml"
pod admin "" "" "capabilities: {add: [SYS_ADMIN]}" >>"$work/case/later.yaml"
pod admin-free "" "" "capabilities: {add: [SYS_ADMIN]}, appArmorProfile: {type: Unconfined}" >>"$work/case/later.yaml"
pod big-later "" "" "privileged: true" >>"$work/case/later.yaml"
cat >"$work/case/guarded.yaml" <<'END'
apiVersion: v1
kind: Namespace
metadata: {name: guarded, labels: {pod-security.kubernetes.io/enforce: baseline}}
END
pod a "" "" "appArmorProfile: {type: Unconfined}" guarded >"$work/case/forbidden.yaml"
pod a "$note: unconfined" "" "" guarded >"$work/case/noted.yaml"
pod a "$note: localhost/lab-strict" "" "" guarded >"$work/case/allowed.yaml"

cat >"$work/case/up.sh" <<'END'
disk_up
start_up
check "the image loads" limpet image load --data-dir $data /lab/busybox.tar
END
cat >"$work/case/pods.sh" <<'END'
profiles
is_in() {	# label, what it may not make, pod
	wait_until 60 "$3 runs" sh -c "limpet get pod $3 | grep -q Running"
	limpet logs $3 >/tmp/told
	check "$3: its label is told" prints "$1" head -n 1 /tmp/told
	check "$3: what it may not" prints "$2" sh -c "sed -n 's/.*create \\/*\\([a-z]*\\):.*ermission denied/\\1/p' /tmp/told"
	check "$3: exec is there too" prints "$1" limpet exec $3 -- cat /proc/self/attr/current
}
check "pods are applied" limpet apply -f /lab/pods.yaml
is_in "lab-strict (enforce)" secret own
is_in "lab-other (enforce)" other of-pod
is_in "lab-strict (enforce)" secret noted
is_in unconfined "" free
is_in "lab-strict (enforce)" secret big
is_in unconfined "" unsaid
wait_until 30 "the missing profile is told" sh -c "limpet get pod missing -o json | grep -q 'AppArmor profile no-such is not loaded'"
wait_until 30 "the missing default is told" sh -c "limpet get pod default -o json | grep -q 'Cannot enforce AppArmor: profile limpet-default is not loaded'"
limpet get pod missing default -o json >/lab/out/missing.json
check "a namespace" limpet apply -f /lab/guarded.yaml
shows 'forbidden AppArmor profile .container "c" must not set AppArmor profile type to "Unconfined".' limpet apply -f /lab/forbidden.yaml
shows 'forbidden AppArmor profile .annotation must not set AppArmor profile type to' limpet apply -f /lab/noted.yaml
check "a local one is allowed" limpet apply -f /lab/allowed.yaml
load /lab/default
check "pods are applied" limpet apply -f /lab/later.yaml
is_in "limpet-default (enforce)" "" default
is_in "limpet-default (enforce)" "" later
is_in unconfined "" big-later
shows signalled limpet exec later -- sh -c 'kill -0 1 && cat /proc/1/environ >/dev/null && echo signalled'
is_in "limpet-default (enforce)" "" admin
shows "denied" limpet exec admin -- mount -t tmpfs t /tmp
is_in unconfined "" admin-free
shows mounted limpet exec admin-free -- sh -c 'mount -t tmpfs t /tmp && echo mounted'
check "the allowed one is removed" limpet delete pod a -n guarded --timeout=60s
check "pods are removed" limpet delete pod own of-pod noted free big unsaid missing default later admin admin-free big-later --timeout=60s
step "pods"
END

# ---- a volume of a server: this machine's kernel, told what it exports by its own files instead of mountd
cp -r build/vm/modules "$work/case/modules"
[ -n "$(ls "$work/case/modules/nfsd")" ] || { echo "the kernel has no nfsd"; exit 1; }
cat >"$work/case/claim.yaml" <<'END'
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  mountOptions: [vers=4.2, soft, timeo=20, retrans=1]
  nfs: {server: 127.0.0.1, path: /}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared, namespace: default}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: ""
  volumeName: shared
  resources: {requests: {storage: 1Gi}}
END
served() {	# name, command
	cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: shared, $3}]
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "$2"]
    volumeMounts: [{name: shared, mountPath: /shared}]
---
END
}
claim="persistentVolumeClaim: {claimName: shared}"
{
	served writer "echo written >/shared/file && cat /shared/file /shared/first; exec sleep 100000" "$claim"
	served reader "until grep written /shared/file; do sleep 1; done; echo no >/shared/no; exec sleep 100000" "nfs: {server: 127.0.0.1, path: /, readOnly: true}"
	served stuck "while :; do echo stuck >/shared/stuck; sleep 1; done" "nfs: {server: 127.0.0.1, path: /}"
	served hard "echo hard >/shared/hard; exec sleep 100000" "nfs: {server: 127.0.0.1, path: /}"
} >"$work/case/served.yaml"
{
	served late "cat /shared/file; exec sleep 100000" "$claim"
	served bystander "exec sleep 100000" "emptyDir: {}"
} >"$work/case/late.yaml"
served small "exec sleep 100000" "$claim" | sed 's/volumeMounts/resources: {limits: {ephemeral-storage: 8Mi}}\n    volumeMounts/' >"$work/case/small.yaml"

cat >"$work/case/nfs.sh" <<'END'
# Source of the words: Linux net/sunrpc/svcauth_unix.c, fs/nfsd/export.c; flags: insecure port, no subtree check, a file system id (0)
serve() {
	echo "-3 +4 +4.1 +4.2" >/proc/fs/nfsd/versions || echo versions
	echo "tcp 2049" >/proc/fs/nfsd/portlist
	echo 2 >/proc/fs/nfsd/threads
	echo "nfsd 127.0.0.1 4000000000 lab" >/proc/net/rpc/auth.unix.ip/channel
	echo "lab /mnt/served 4000000000 $((0x2402)) 65534 65534 0" >/proc/net/rpc/nfsd.export/channel
	echo "lab 1 \\x00000000 4000000000 /mnt/served" >/proc/net/rpc/nfsd.fh/channel
}
mounts() {
	grep -c ' - nfs4 127.0.0.1' /proc/self/mountinfo
}
for folder in nfsd nfsv4; do
	for module in /lab/modules/$folder/*; do
		insmod $module 2>/dev/null
	done
done
check "the modules are in" test -d /proc/net/rpc/nfsd.export -o -d /proc/net/rpc
mount -t nfsd nfsd /proc/fs/nfsd
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/fs/nfsd/nfsv4gracetime
mkdir -p /mnt/served && echo first >/mnt/served/first && chmod 1777 /mnt/served
serve
check "the server listens" sh -c "netstat -ltn | grep -q :2049"
check "a claim is applied" limpet apply -f /lab/claim.yaml
check "pods are applied" limpet apply -f /lab/served.yaml
for pod in writer reader stuck hard; do
	wait_until 60 "$pod runs" sh -c "limpet get pod $pod | grep -q Running" || limpet get pod $pod -o json
done
# a server that has just begun waits for what its clients of before have open
wait_until 40 "the server's grace is over" test -e /mnt/served/file
wait_until 20 "it is read" sh -c "limpet logs writer | grep -q first"
wait_until 20 "and by the other" sh -c "limpet logs reader | grep -q Read-only"
check "it is written and read ($(limpet logs writer 2>&1))" prints "$(printf 'written\nfirst')" limpet logs writer
check "the server has it" prints written cat /mnt/served/file
check "another reads it" sh -c "limpet logs reader | grep -qx written"
shows "Read-only file system" limpet logs reader
check "nothing slipped through" test ! -e /mnt/served/no
check "the root is the server's to keep ($(stat -c %a /mnt/served))" test "$(stat -c %a /mnt/served)" = 1777
check "each has its mount ($(mounts))" test "$(mounts)" = 4
shows "HostUsers.*cannot be idmapped" limpet describe pod writer
# what is the server's is nobody's local storage
dd if=/dev/zero of=/mnt/served/large bs=1M count=24 2>/dev/null
check "a pod with little storage" limpet apply -f /lab/small.yaml
wait_until 30 "it runs" sh -c "limpet get pod small | grep -q Running"
sleep 12
check "and is not evicted" sh -c "limpet get pod small | grep -q Running"
check "small" limpet delete pod small --timeout=30s
check "a mount less ($(mounts))" test "$(mounts)" = 4
step "nfs: written and read"

# ---- the server is gone
echo 0 >/proc/fs/nfsd/threads
check "nobody listens" sh -c "! netstat -ltn | grep -q :2049"
limpet exec hard -- sh -c 'echo more >>/shared/hard' >/tmp/hard 2>&1 &
hard=$!
check "the node answers" timeout 10 limpet get nodes
check "other pods start" limpet apply -f /lab/late.yaml
wait_until 30 "one without the volume runs" sh -c "limpet get pod bystander | grep -q Running"
check "exec answers" timeout 10 limpet exec bystander -- true
wait_until 40 "one with it is told" sh -c "limpet describe pod late | grep -q FailedMount"
check "exec beside the volume answers" timeout 10 limpet exec writer -- true
check "exec beside the hard volume answers" timeout 10 limpet exec hard -- true
check "and its log" timeout 10 limpet logs writer
for f in /proc/[0-9]*; do	# a container's own process, or a child of the agent whose mount waits: never the agent, never a keeper
	grep -q '^State:.*D (' $f/status 2>/dev/null && tr '\0' ' ' <$f/cmdline && grep -H PPid $f/status
done >/lab/out/waiting
check "neither the agent nor a keeper waits ($(cat /lab/out/waiting))" sh -c "! grep -qE 'keeper|PPid:[[:space:]]*$up\$' /lab/out/waiting"
check "a pod is deleted" timeout 60 limpet delete pod writer --timeout=50s
check "and one that waits for the server" timeout 60 limpet delete pod stuck --timeout=50s
check "their mounts are gone ($(mounts))" test "$(mounts)" = 2
check "and their directories" test "$(ls $data/pods | wc -l)" = 4
check "the agent lives" timeout 10 limpet exec bystander -- true
step "nfs: without the server"
# ---- and comes back
serve
wait_until 60 "what waited is written" grep -q more /mnt/served/hard
wait_until 40 "the late one runs" sh -c "limpet get pod late | grep -q Running"
check "pods are removed" limpet delete pod reader hard late bystander --timeout=60s
check "no mount is left" test "$(mounts)" = 0
check "no directory" test -z "$(ls $data/pods)"
check "the server keeps what was written" grep -q written /mnt/served/file
step "nfs"
END

# ---- weights of io, as a scheduler has them that knows any
for weight in 100 800; do
	bundle weight-$weight "
l['resources'] = {'blockIO': {'weight': $weight}, 'devices': [{'allow': False, 'access': 'rwm'}, {'allow': True, 'type': 'b', 'major': 254, 'minor': 16, 'access': 'r'}]}
l['devices'] = [{'path': '/dev/disk', 'type': 'b', 'major': 254, 'minor': 16, 'fileMode': 0o600, 'uid': 0, 'gid': 0}]
" sh -c 'for at in 0 200 400 600; do while dd if=/dev/disk of=/dev/null bs=64k skip=$at iflag=direct 2>/dev/null; do :; done & done; wait'
done
cat >"$work/case/weights.sh" <<'END'
insmod /lab/modules/bfq/*
check "the scheduler" sh -c "echo bfq >/sys/block/vdb/queue/scheduler"
# one request after the other, short turns, and no favour for whoever has just begun
echo 0 >/sys/block/vdb/queue/iosched/low_latency
echo 1 >/sys/block/vdb/queue/iosched/strict_guarantees
echo 40 >/sys/block/vdb/queue/iosched/timeout_sync
for weight in 100 800; do
	o run -d --bundle /lab/bundles/weight-$weight weight-$weight </dev/null >/dev/null 2>&1 || { echo "FAILED: run weight-$weight"; failures=$((failures + 1)); }
	check "its file" prints "default $weight" head -n 1 /sys/fs/cgroup/oci/weight-$weight/io.bfq.weight
done
reads() {
	sed -n 's/^254:16 .*rbytes=\([0-9]*\).*/\1/p' /sys/fs/cgroup/oci/weight-$1/io.stat
}
sleep 2
few=$(reads 100) many=$(reads 800)
sleep 10
few=$(($(reads 100) - few)) many=$(($(reads 800) - many))
echo "measured: read by weight 100 $few, by weight 800 $many bytes, $((many * 100 / few)) hundredths"
check "eight times as much within 30 percent" test $((many * 10)) -ge $((few * 56)) -a $((many * 10)) -le $((few * 104))
o delete -f weight-100
o delete -f weight-800
step "weights"
END

# ---- the same kernel with SELinux, first without a policy
cat >"$work/case/selinux.sh" <<'END'
check "SELinux is on" grep -q selinuxfs /proc/filesystems
refused "AppArmor profile lab-strict: AppArmor is off in this kernel" strict
refused "SELinux label system_u:system_r:container_t:s0: SELinux has no policy yet" labelled
refused "mount at .*Invalid argument" mount
check "a label that is known" prints kernel o run --bundle /lab/bundles/initial initial
check "start" o run -d --bundle /lab/bundles/plain plain </dev/null >/dev/null 2>&1
check "exec with it" prints kernel o exec --process-label kernel plain cat /proc/self/attr/current
shows "SELinux label a:b:c:d: SELinux has no policy yet" o exec --process-label a:b:c:d plain true
check "delete" o delete -f plain

# ---- and with one
mount -t selinuxfs selinuxfs /sys/fs/selinux
check "the policy is loaded" dd if=/lab/policy of=/sys/fs/selinux/load bs=1M count=1
echo 1 >/sys/fs/selinux/enforce
check "its own label" prints u:r:kernel_t cat /proc/self/attr/current
o run --bundle /lab/bundles/kernels kernels >/tmp/told 2>&1
check "without one ($(cat /tmp/told))" grep -q "Linux version" /tmp/told
o run --bundle /lab/bundles/gaining gaining >/tmp/told 2>&1
check "with one ($(cat /tmp/told))" grep -qx u:r:container_t /tmp/told
check "it is denied" grep -q "/proc/version.*ermission denied" /tmp/told
o run -d --bundle /lab/bundles/contained contained </dev/null >/tmp/told 2>&1
wait_until 10 "with no_new_privs, too" grep -q "/proc/version.*ermission denied" /tmp/told
shows "/proc/version.*ermission denied" o exec contained cat /proc/version
shows "Linux version" o exec --process-label u:r:kernel_t contained cat /proc/version
shows "SELinux label u:r:nobody_t.*Invalid argument" o exec --process-label u:r:nobody_t contained true
check "delete" o delete -f contained
refused "SELinux label system_u:system_r:container_t:s0.*Invalid argument" labelled
shows "tmpfs .*context=u:object_r:hidden_t" o run --bundle /lab/bundles/mounts mounts
shows "/dev/shm/x.*ermission denied" o run --bundle /lab/bundles/hidden hidden
refused "mount at .*Invalid argument" mount
step "selinux"
END

cat >"$work/case/run" <<'END'
#!/bin/busybox sh
. /lab/guest.sh
step() {
	echo "$(cut -d' ' -f1 /proc/uptime) $1"
}
load() {
	check "load $1" dd if=$1 of=/sys/kernel/security/apparmor/.load bs=1M count=1
}
profiles() {	# once
	[ ! -d /sys/kernel/security/apparmor ] || return 0
	mount -t securityfs securityfs /sys/kernel/security
	load /lab/lab.profile
}
. /lab/oci.sh
for part in $(cat /lab/parts); do
	. /lab/$part.sh
done
finish
END
chmod +x "$work/case/run"

# ---- two machines
status=0
machine() {	# its parts, words for the kernel
	echo "$1" >"$work/case/parts"
	tests/vm/run --memory 600 --timeout 500 --disk "$work/disk" --disk "$work/slow,throttling.iops-total=150" --append "$2" "$work/case" "$work/out" || status=1
	cat "$work/out/console" 2>/dev/null
	[ -z "${LIMPET_KEEP:-}" ] || cp -r "$work/out" "$LIMPET_KEEP"
}
truncate -s 128M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
truncate -s 64M "$work/slow"
[ -n "${LIMPET_LABELS:-}" ] && { machine "$LIMPET_LABELS" "${LIMPET_LABELS_KERNEL:-}"; exit $status; }
machine "weights selinux" security=selinux
machine "apparmor up pods nfs" ""
exit $status

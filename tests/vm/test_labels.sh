#!/bin/sh
# tests/vm/test_labels.sh - what a distribution's kernel has and a board's may not: AppArmor confines containers of limpet-oci and pods, SELinux without
# a policy is told by name, and a volume of an NFS server is mounted, written, lost and given back.
#
# Makes   profiles compiled here by AppArmor's own parser (tests/vm/engines) and loaded in the guest by writing them to securityfs
set -u
cd "$(dirname "$0")/../.."
[ -x build/limpet ] || { echo "build/limpet is not built"; exit 1; }
tools/test-images && tests/vm/engines || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/case/rootfs" "$work/image" "$work/case/bundles"
tar -C "$work/image" -xf build/images/busybox.tar || exit 1
for blob in "$work"/image/blobs/sha256/*; do
	tar -tf "$blob" >/dev/null 2>&1 && tar -C "$work/case/rootfs" -xf "$blob" && break
done
echo hidden >"$work/case/rootfs/secret"
echo hidden >"$work/case/rootfs/other"
cp tests/vm/guest.sh build/images/busybox.tar "$work/case/"

# ---- profiles
compile() {	# name; its rules from stdin
	{
		echo "profile $1 flags=(attach_disconnected,mediate_deleted) {"
		cat
		echo "}"
	} >"$work/profile"
	abi=build/vm/engines/apparmor-abi/3.0
	build/vm/engines/lib/ld-linux-x86-64.so.2 --library-path build/vm/engines/lib build/vm/engines/bin/apparmor_parser -q --config-file /dev/null \
		--base "$work" --policy-features $abi --kernel-features $abi -QKS "$work/profile" >"$work/case/$1.profile" 2>"$work/parser" &&
		[ -s "$work/case/$1.profile" ] || { cat "$work/parser"; exit 1; }
}
compile lab-strict <<'END'
	file, network, unix, capability, signal, umount,
	deny mount,
	deny /secret rwklx,
END
compile lab-other <<'END'
	file, network, unix, capability, signal, mount, umount,
	deny /other rwklx,
END

# ---- bundles: name, python about c, p, l; command
bundle() {
	name=$1 statements=$2
	shift 2
	mkdir -p "$work/case/bundles/$name"
	[ -e "$work/config.json" ] || build/limpet-oci spec --bundle "$work" || exit 1
	python3 - "$work/config.json" "$work/case/bundles/$name" "$statements" "$@" <<'PY' || exit 1
import json, os, sys
c = json.load(open(sys.argv[1]))
p, l = c["process"], c["linux"]
p["terminal"] = False
p["args"] = sys.argv[4:]
c["root"] = {"path": "/lab/rootfs", "readonly": False}
l["cgroupsPath"] = "/oci/" + os.path.basename(sys.argv[2])
def user():
    l["namespaces"].append({"type": "user"})
    l["uidMappings"] = l["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
def caps(*names):
    for which in "bounding", "effective", "permitted":
        p["capabilities"][which] = p["capabilities"][which] + list(names)
def seccomp():
    l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}
exec(sys.argv[3])
json.dump(c, open(sys.argv[2] + "/config.json", "w"))
PY
}
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

cat >"$work/case/apparmor" <<'END'
#!/bin/busybox sh
. /lab/guest.sh
. /lab/oci.sh
check "AppArmor is on" test "$(cat /sys/module/apparmor/parameters/enabled)" = Y
refused "AppArmor profile no-such is not loaded" missing
mount -t securityfs securityfs /sys/kernel/security
for profile in /lab/*.profile; do
	check "load $profile" dd if=$profile of=/sys/kernel/security/apparmor/.load bs=1M count=1
done

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
finish
END
cp "$work/case/apparmor" "$work/case/run"
chmod +x "$work/case/run"
tests/vm/run --memory 400 --timeout 120 "$work/case" "$work/out"
rc=$?
cat "$work/out/console" 2>/dev/null
exit $rc

#!/bin/sh
# tests/strangers/test_oci_config.sh - what config.json asks for is there inside: names, users, namespaces, mounts, devices, seccomp, limits; also
# for ordinary users.
. "$(dirname "$0")/lib.sh"
enter "$@"
enosys=$(python3 -c "import errno, os; print(os.strerror(errno.ENOSYS))")	# what no call answers
. tests/strangers/oci_bundle.sh

# ---- what a config asks for ------------------------------------------------------------------------------------------
case_names_of_the_machine() {
	config "c['hostname'] = 'web'; c['domainname'] = 'example'" sh -c 'hostname; cat /proc/sys/kernel/domainname'
	o run a >"$dir/out" 2>&1
	check "both" test "$(tr '\n' ' ' <"$dir/out")" = "web example "
}
case_user_and_limits() {
	config "p['user'] = {'uid': 1000, 'gid': 1001, 'umask': 0o27, 'additionalGids': [5]}; p['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'soft': 77, 'hard': 99}]; p['oomScoreAdj'] = 500" \
		sh -c 'id -u; id -G; umask; ulimit -n; cat /proc/self/oom_score_adj; echo $HOME; grep NoNewPrivs /proc/self/status'
	o run a >"$dir/out" 2>&1
	check "all of it" test "$(tr '\n\t' '  ' <"$dir/out")" = "1000 1001 5 0027 77 500 /home/user NoNewPrivs: 1 "
}
case_environment() {
	config "p['env'] = ['PATH=/bin', 'ONE=two', 'ONE=three', 'HOME=']" env
	o run a >"$dir/out" 2>&1
	check "the last one holds" grep -qx ONE=three "$dir/out"
	check "HOME is root's" grep -qx HOME=/root "$dir/out"
	check "three words" test "$(wc -l <"$dir/out")" = 3
}
case_namespaces() {
	config "" sh -c 'for n in net pid uts ipc mnt; do readlink /proc/self/ns/$n; done; echo $$'
	o run a >"$dir/out" 2>&1
	for ns in net pid uts ipc mnt; do
		check "an own $ns" test "$(grep -c "$(readlink /proc/self/ns/$ns)" "$dir/out")" = 0
	done
	check "the first process" grep -qx 1 "$dir/out"
	config "" sleep 100
	o run -d first
	pid=$(field pid first)
	config "
for n in l['namespaces']:
    if n['type'] in ('network', 'pid', 'ipc', 'uts'):
        n['path'] = '/proc/$pid/ns/' + {'network': 'net'}.get(n['type'], n['type'])
del c['hostname']
l['cgroupsPath'] += '2'
" sh -c 'for n in net pid uts ipc; do readlink /proc/self/ns/$n; done'
	o run second >"$dir/out" 2>&1
	for ns in net pid ipc uts; do
		check "joined $ns" grep -qF "$(readlink "/proc/$pid/ns/$ns")" "$dir/out"
	done
	config "
for n in l['namespaces']:
    if n['type'] == 'network':
        n['path'] = '/proc/$pid/ns/uts'
l['cgroupsPath'] += '2'
" true
	refuses "no network namespace" o run third
	o delete -f first
}
case_user_namespace() {
	chown -R 100000:100000 rootfs
	config "l['namespaces'].append({'type': 'user'}); l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 100000, 'size': 65536}]" \
		sh -c 'id -u; cat /proc/self/uid_map | tr -s " "; touch /tmp/made; stat -c %u /tmp/made; sleep 100'
	o run -d a >"$dir/out" 2>&1
	wait_until 5 "it ran" grep -qx 0 "$dir/out"
	wait_until 5 "to the end" sh -c "test \$(wc -l <'$dir/out') -ge 3"
	check "the map" grep -q "^ 0 100000 65536" "$dir/out"
	check "files are the host id's" test "$(stat -c %u rootfs/tmp/made)" = 100000
	check "the process, too" test "$(awk '/^Uid/ { print $2 }' "/proc/$(field pid a)/status")" = 100000
	shows "^0$" o exec a id -u
	shows "^1000$" o exec -u 1000 a id -u
	o delete -f a
	rm -f rootfs/tmp/made
	chown -R 0:0 rootfs
}
case_mounts() {
	mkdir -p "$dir/volume"
	echo inside >"$dir/volume/file"
	config "
m.append({'destination': '/data', 'type': 'bind', 'source': '$dir/volume', 'options': ['rbind', 'ro', 'nosuid']})
m.append({'destination': '/etc/one', 'type': 'bind', 'source': '$dir/volume/file', 'options': ['bind']})
m.append({'destination': '/scratch/deep', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['size=64k', 'mode=0710', 'noexec', 'nodev']})
m.append({'destination': '/etc/copy', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['tmpcopyup']})
" sh -c 'cat /data/file /etc/one; touch /data/x 2>&1; stat -c %a /scratch/deep; grep -E " /(data|scratch/deep) " /proc/self/mountinfo; ls -d /dev/pts /dev/shm /dev/mqueue; ls /etc/copy; echo x >/dev/null && echo null'
	mkdir -p rootfs/etc/copy
	echo up >rootfs/etc/copy/here
	o run a >"$dir/out" 2>&1
	check "a directory and a file" test "$(grep -c '^inside' "$dir/out")" = 2
	check "read-only" grep -q "Read-only file system" "$dir/out"
	check "its mode" grep -qx 710 "$dir/out"
	check "its options" grep -qE '/data ro,nosuid' "$dir/out"
	check "more options" grep -qE '/scratch/deep rw,nodev,noexec' "$dir/out"
	check "copied up" grep -qx here "$dir/out"
	check "devices" grep -qx null "$dir/out"
	rm -rf rootfs/data rootfs/scratch rootfs/etc/one rootfs/etc/copy
}
case_read_only_root_and_masks() {
	config "c['root']['readonly'] = True; l['maskedPaths'] += ['/etc/passwd', '/var/www']; l['readonlyPaths'] += ['/home']" \
		sh -c 'touch /x 2>&1; cat /etc/passwd | wc -c; ls /var/www | wc -l; echo 1 >/proc/sys/kernel/domainname'
	o run a >"$dir/out" 2>&1
	check "the root" grep -q "touch: /x: Read-only" "$dir/out"
	check "masked" test "$(grep -cx 0 "$dir/out")" = 2
	check "sysctls" grep -q "/proc/sys/kernel/domainname" "$dir/out"
}
case_devices() {
	config "l['devices'] = [{'path': '/dev/mine', 'type': 'c', 'major': 1, 'minor': 3, 'fileMode': 0o640, 'uid': 3, 'gid': 4}, {'path': '/dev/pipe', 'type': 'p', 'fileMode': 0o600}]" \
		stat -c '%n %F %a %u %g' /dev/mine /dev/pipe /dev/null
	o run a >"$dir/out" 2>&1
	check "a node" grep -q "/dev/mine character special file 640 3 4" "$dir/out"
	check "a fifo" grep -q "/dev/pipe fifo 600" "$dir/out"
	check "the usual ones" grep -q "/dev/null character special file 666" "$dir/out"
	config "l['devices'] = [{'path': '/dev/ptmx', 'type': 'c', 'major': 5, 'minor': 2}]" sh -c 'stat -L -c "%F %a %u %g %t:%T" /dev/ptmx; readlink /dev/ptmx'
	o run a >"$dir/out" 2>&1
	check "the terminals' own, named once more" grep -q "^character special file 666 0 0 5:2" "$dir/out"
	check "is the container's" grep -qx "pts/ptmx" "$dir/out"
}
case_seccomp() {
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir', 'mkdirat', 'nosuchcall'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 95}]}" \
		sh -c 'mkdir /tmp/no; grep Seccomp: /proc/self/status'
	o run a >"$dir/out" 2>&1
	check "the error that was asked for" grep -qi "not supported" "$dir/out"
	check "a filter" grep -q "Seccomp:.2" "$dir/out"
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 95}]}" sleep 100
	o run -d a
	refuses "not supported" o exec a mkdir /tmp/no
	o delete -f a
}
case_seccomp_listener() {
	cat >"$dir/listener.py" <<'PY'
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind(sys.argv[1])
server.listen(1)
server.settimeout(20)
print("ready", flush=True)
peer, _ = server.accept()
data, control, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(4))
fd = array.array("i")
fd.frombytes(control[0][2])
message = json.loads(data)
assert message["fds"] == ["seccompFd"] and message["metadata"] == "more" and message["state"]["id"] == "a", message
assert os.path.isdir("/proc/%d" % message["pid"]), message
print("listener", os.readlink("/proc/self/fd/%d" % fd[0]), flush=True)
PY
	rm -f "$dir/listener"
	python3 "$dir/listener.py" "$dir/listener.sock" >"$dir/listener" 2>&1 &
	wait_until 10 "listening" grep -q ready "$dir/listener"
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '$dir/listener.sock', 'listenerMetadata': 'more', 'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_NOTIFY'}]}" \
		sh -c 'sleep 0.3; mkdir /tmp/x'
	o run a >"$dir/out" 2>&1
	check "it got there" grep -q "^listener anon_inode:seccomp notify" "$dir/listener"
	check "nobody answers any more" grep -qiF "$enosys" "$dir/out"
	for turn in run exec; do
		rm -f "$dir/listener.sock" "$dir/listener"
		python3 "$dir/listener.py" "$dir/listener.sock" >"$dir/listener" 2>&1 &
		wait_until 10 "listening again" grep -q ready "$dir/listener"
		if [ $turn = run ]; then
			sed -i 's,"sleep 0.3; mkdir /tmp/x","sleep 100",' config.json
			check "run" o run -d a
		else
			o exec a sh -c 'sleep 0.3; mkdir /tmp/x' >"$dir/out" 2>&1
			check "that of an exec, too" grep -qiF "$enosys" "$dir/out"
		fi
		wait_until 5 "it got there" grep -q "^listener anon_inode:seccomp notify" "$dir/listener"
	done
	rm -f "$dir/listener.sock"
	refuses "listener.sock" o exec a true
	check "the container lives on" is running a
	o delete -f a
	refuses "listener.sock" o run a
	check "nothing is left" no_residue
}
case_capabilities() {
	config "p['capabilities'] = {k: ['CAP_KILL', 'CAP_NOT_YET', 'CAP_CHOWN'] for k in ('bounding', 'effective', 'permitted', 'inheritable', 'ambient')}; p['user'] = {'uid': 7, 'gid': 7}" \
		grep Cap /proc/self/status
	check "run" o --log "$dir/log" run a
	o run a >"$dir/out" 2>&1
	check "five sets" test "$(grep -c '0000000000000021$' "$dir/out")" = 5
	check "unknown ones are noted" grep -q CAP_NOT_YET "$dir/log"
	config "p['capabilities'] = {k: ['CAP_KILL'] for k in ('bounding', 'effective', 'permitted', 'ambient')}" grep CapAmb /proc/self/status
	check "ambient without inheritable" o --log "$dir/log" run a
	o run a >"$dir/out" 2>&1
	check "is none" grep -q '0000000000000000$' "$dir/out"
	check "and noted" grep -q 'ambient capabilities that are not' "$dir/log"
}
case_time_and_personality() {
	config "l['namespaces'].append({'type': 'time'}); l['timeOffsets'] = {'boottime': {'secs': 864000}}; l['personality'] = {'domain': 'LINUX32'}" \
		sh -c 'cut -d. -f1 /proc/uptime; uname -m'
	o run a >"$dir/out" 2>&1
	check "another uptime" test "$(head -n 1 "$dir/out")" -gt 864000
	check "another machine" grep -qx "i[3-6]86" "$dir/out"
}
case_sysctls() {
	config "l['sysctl'] = {'net.ipv4.ip_unprivileged_port_start': '77', 'kernel.msgmax': '9000'}" cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax
	o run a >"$dir/out" 2>&1
	check "both" test "$(tr '\n' ' ' <"$dir/out")" = "77 9000 "
}
case_cgroups() {
	root=$(cgroup_root)
	[ -n "$root" ] || return 0
	config "" sleep 100
	o run -d a
	check "the path that was asked for" grep -q "^0::/.*$LP_STORY_CGROUP/case$" "/proc/$(field pid a)/cgroup"
	o delete -f a
	config "l['cgroupsPath'] = '$LP_STORY_CGROUP.slice:pre:name'" sleep 100
	check "systemd's form" o --systemd-cgroup run -d a
	check "becomes directories" grep -q "pre-name.scope$" "/proc/$(field pid a)/cgroup"
	o delete -f a
	find "$root/${LP_STORY_CGROUP%%-*}.slice" -depth -type d -exec rmdir {} + 2>/dev/null
	config "" sleep 100
	check "none" o --cgroup-manager=disabled run -d a
	check "stays in ours" test "$(cat "/proc/$(field pid a)/cgroup")" = "$(cat /proc/self/cgroup)"
	refuses "cgroup" o pause a
	check "is found without" test "$(o ps -f json a)" = "[$(field pid a)]"
	check "and killed" o delete -f a
	config "" sleep 100
	o run -d a
	config "" true
	refuses "busy|processes" o run b	# the same cgroup
	check "the first lives" is running a
	o delete -f a
}
case_update() {
	[ -n "$(cgroup_root)" ] || return 0
	config "" sleep 100
	o run -d a
	check "single options" o update --memory 64M --memory-swap 128M --memory-reservation 1G --cpu-quota 5000 --cpu-period 100000 --cpu-shares 512 \
		--pids-limit 50 --blkio-weight 100 a
	echo '{"pids":{"limit":40},"cpu":{"shares":100}}' >"$dir/resources.json"
	check "a file" o update --resources="$dir/resources.json" a
	o update --resources - a <"$dir/resources.json"
	check "standard input" test $? = 0
	cgroup=$(cgroup_root)/$LP_STORY_CGROUP/case
	[ ! -e "$cgroup/pids.max" ] || check "is there" test "$(cat "$cgroup/pids.max")" = 40
	refuses "no number" o update --memory lots a
	refuses "no number" o update --pids-limit 5K a
	refuses "realtimePeriod" o update --cpu-rt-period 5 a
	echo '{"memory":{"limit":"x"}}' >"$dir/resources.json"
	refuses "memory.limit" o update -r "$dir/resources.json" a
	o delete -f a
}
case_a_config_without_a_process() {
	config "del c['process']"
	check "can be created" o create a
	check "waits" is created a
	refuses "no process" o start a
	wait_until 5 "and is at its end" is stopped a
	o delete a
	refuses "no process" o run a
	check "nothing is left" no_residue
}
case_exec_with_descriptors() {
	config "" sleep 100
	o run -d a
	echo through >"$dir/file"
	o exec --preserve-fds 2 a sh -c 'cat <&4' 3</dev/null 4<"$dir/file" >"$dir/out" 2>&1
	check "they are there" grep -qx through "$dir/out"
	o delete -f a
}
case_events() {
	[ -n "$(cgroup_root)" ] || return 0
	config "" sleep 100
	o run -d a
	shows '^\{"type":"stats","id":"a","data":\{' o events --stats a
	o events --interval 50ms a >"$dir/out" 2>&1 &
	wait_until 5 "three" sh -c "test \$(grep -c stats '$dir/out') -ge 3"
	o delete -f a
	wait_until 5 "it ends with the container" gone $!
}

# ---- an ordinary user ------------------------------------------------------------------------------------------------
# user OPTIONS...: limpet-oci as uid 1000
user() {
	(cd "$dir/home" && exec setpriv --reuid 1000 --regid 1000 --clear-groups env -u XDG_RUNTIME_DIR "$dir/home/limpet-oci" --root "$dir/home/state" "$@")
}
case_an_ordinary_user() {
	chmod 755 "$dir"
	mkdir -p "$dir/home"
	cp "$here/build/limpet" "$dir/home/limpet-oci"
	cp -a rootfs "$dir/home/rootfs"
	chown -R 1000:1000 "$dir/home"
	check "spec" user spec --rootless
	sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "100"/' "$dir/home/config.json"
	setpriv --reuid 1000 --regid 1000 --clear-groups unshare -U true 2>/dev/null || return 0	# a kernel that lets nobody
	config "l['cgroupsPath'] = ''" sleep 100
	o run -d beside	# what root has made for its own is not the user's to use
	check "run" user run -d a
	check "running" sh -c "'$oci' --root '$dir/home/state' state a | grep -q '\"running\"'"
	shows '"owner": "1000"' user state a
	shows "^uid=0.*gid=0" user exec a id
	shows "^ +0 +1000 +1$" user exec a cat /proc/self/uid_map
	check "its status" status 9 user exec a sh -c 'exit 9'
	check "kill" user kill a KILL
	wait_until 5 "stopped" sh -c "'$oci' --root '$dir/home/state' state a | grep -q '\"stopped\"'"
	check "delete" user delete a
	check "create" user create a
	shows "^uid=0.*gid=0" user exec a id
	check "what waits is hidden from who has less" user exec a sh -c 'for of in exe root fd/0 ns/net; do ! readlink /proc/1/$of || exit 1; done; ! cat /proc/1/environ /proc/1/mem'
	check "still created" sh -c "'$oci' --root '$dir/home/state' state a | grep -q '\"created\"'"
	check "start" user start a
	check "delete by force" user delete --force a
	check "nothing is left" test -z "$(ls -A "$dir/home/state")"
	check "root's lives on" is running beside
	o delete -f beside
	rm "$dir/home/config.json"
	check "root's spec" user spec
	python3 - "$dir/home/config.json" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"]["terminal"] = False
c["process"]["args"] = ["sleep", "100"]
for m in c["mounts"]:
    m["options"] = [o for o in m.get("options", []) if o != "gid=5"]
json.dump(c, open(sys.argv[1], "w"))
PY
	check "gets a user namespace all the same" user run -d a
	shows "^ +0 +1000 +1$" user exec a cat /proc/self/uid_map
	shows "^CapPrm:.*00000020000420" user exec a cat /proc/1/status
	shows "^CapPrm:.*00000020000420" user exec a cat /proc/self/status
	check "delete" user delete -f a
	sed -i 's/"uid": 0/"uid": 7/' "$dir/home/config.json"
	refuses "user 7|id 7|uid 7" user run a
	rm -rf "$dir/home"
}
case_an_ordinary_user_with_more_ids() {
	command -v newuidmap >/dev/null || return 0
	setpriv --reuid 1000 --regid 1000 --clear-groups unshare -U true 2>/dev/null || return 0
	chmod 755 "$dir"
	mkdir -p "$dir/home"
	cp "$here/build/limpet" "$dir/home/limpet-oci"
	cp -a rootfs "$dir/home/rootfs"
	chown -R 1000:1000 "$dir/home"
	user spec --rootless
	python3 - "$dir/home/config.json" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"]["terminal"] = False
c["process"]["args"] = ["sleep", "100"]
c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 200000, "size": 65535}]
json.dump(c, open(sys.argv[1], "w"))
PY
	grep -v '^story-user:' /etc/passwd >"$dir/passwd"
	echo 'story-user:x:1000:1000::/:/bin/sh' >>"$dir/passwd"
	echo 'story-user:100:10' >"$dir/subids"
	[ -e /etc/subuid ] && [ -e /etc/subgid ] || return 0
	mount --bind "$dir/passwd" /etc/passwd && mount --bind "$dir/subids" /etc/subuid && mount --bind "$dir/subids" /etc/subgid || return 0
	refuses "newuidmap refuses" user run -d a
	echo 'story-user:200000:65536' >"$dir/subids"
	check "run" user run -d a
	shows "^uid=5.*gid=6" user exec -u 5:6 a id
	shows "^5$" user exec -u 5:6 a id -u
	check "delete" user delete -f a
	umount /etc/subgid /etc/subuid /etc/passwd
	rm -rf "$dir/home"
}

run_cases

#!/bin/sh
# tests/strangers/test_oci_fields.sh - the rest of what config.json can ask for, looked at from inside: namespaces that are shared, propagation, every
# option of a mount, every rlimit, schedulers, seccomp's actions and comparisons, device rules, cgroups of others.
. "$(dirname "$0")/lib.sh"
enter "$@"
enosys=$(python3 -c "import errno, os; print(os.strerror(errno.ENOSYS))")	# what no call answers
. tests/strangers/oci_bundle.sh
out=$dir/out

# ---- versions and places ---------------------------------------------------------------------------------------------
case_versions() {
	for version in 1.0.0-rc5 1.0.2-dev 1.2.1; do
		config "c['ociVersion'] = '$version'" echo ran
		shows "^ran$" o run a
	done
	for version in invalid 0.9.0 2.0.0 ''; do
		config "c['ociVersion'] = '$version'" true
		refuses "ociVersion" o run a
	done
}
case_where_the_root_is() {
	for path in "rootfs" "./rootfs" "$bundle/rootfs" "../bundle/rootfs"; do
		config "c['root']['path'] = '$path'" sh -c 'test -x /bin/busybox && echo here'
		shows "^here$" o run a
	done
	cp config.json rootfs/config.json
	sed -i 's,"path": "[^"]*",XX,; s,XX,"path": ".",' rootfs/config.json
	shows "^here$" o run --bundle "$bundle/rootfs" a
	rm rootfs/config.json
}
case_the_working_directory() {
	config "p['cwd'] = '/made/for/it'" pwd
	shows "^/made/for/it$" o run a
	rm -rf rootfs/made
	config "p['cwd'] = '/bin/busybox'" true
	refuses "not a directory|Not a directory" o run a
}
case_a_umask_of_zero() {
	config "p['user']['umask'] = 0" sh -c 'umask'
	shows "^0000$" o run a
}
case_debug_says_what_happens() {
	config "" sleep 100
	o --debug --log "$dir/log" run -d a >"$out" 2>&1
	check "nothing of it on our streams" test ! -s "$out"
	for words in 'nsexec container setup' 'child process in init' 'closing the pipe'; do
		check "$words" grep -q "level=debug msg=.*$words" "$dir/log"
	done
	o --debug exec a true >"$out" 2>&1
	check "exec" grep -q "level=debug msg=.*about to exec true" "$out"
	o delete -f a
}

# ---- namespaces ------------------------------------------------------------------------------------------------------
case_no_namespace_at_all() {
	config "l['namespaces'] = []; del c['hostname']; l['maskedPaths'] = []; l['readonlyPaths'] = []" \
		sh -c 'for n in cgroup ipc mnt net pid user uts time; do readlink /proc/self/ns/$n; done; ls -d /bin'
	cut -d' ' -f1-6 /proc/self/mountinfo >"$dir/before"
	o run a >"$out" 2>&1
	for ns in cgroup ipc mnt net pid user uts time; do
		check "our $ns" grep -qF "$(readlink /proc/self/ns/$ns)" "$out"
	done
	check "in its root" grep -qx /bin "$out"
	cut -d' ' -f1-6 /proc/self/mountinfo >"$dir/after"
	check "none of its mounts stays with us" cmp "$dir/before" "$dir/after"
	config "l['namespaces'] = []; del c['hostname']; l['maskedPaths'] = []; l['readonlyPaths'] = []" nosuchprogram
	refuses "executable file not found" o create a
	cut -d' ' -f1-6 /proc/self/mountinfo >"$dir/after"
	check "nor of one that was never made" cmp "$dir/before" "$dir/after"
}
case_one_namespace_at_a_time() {
	for pair in pid:pid network:net ipc:ipc uts:uts cgroup:cgroup time:time; do
		kind=${pair%:*} file=${pair#*:}
		config "l['namespaces'] = [{'type': 'mount'}, {'type': '$kind'}]; del c['hostname']; l['sysctl'] = {}" \
			sh -c 'for n in cgroup ipc net pid uts time; do readlink /proc/self/ns/$n; done'
		o run a >"$out" 2>&1
		for ns in cgroup ipc net pid uts time; do
			count=$(grep -cF "$(readlink "/proc/self/ns/$ns")" "$out")
			if [ "$ns" = "$file" ]; then
				check "$kind alone: an own $ns" test "$count" = 0
			else
				check "$kind alone: our $ns" test "$count" = 1
			fi
		done
	done
}
case_every_namespace_by_its_path() {
	config "l['namespaces'] = [{'type': t} for t in ('mount', 'pid', 'network', 'ipc', 'uts', 'user', 'cgroup', 'time')]
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 65536}]" sleep 100
	o run -d first
	pid=$(field pid first)
	config "
l['namespaces'] = [{'type': t, 'path': '/proc/$pid/ns/' + f} for t, f in (('user', 'user'), ('pid', 'pid'), ('network', 'net'), ('ipc', 'ipc'), ('uts', 'uts'),
    ('cgroup', 'cgroup'), ('time', 'time'))] + [{'type': 'mount'}]
del c['hostname']
l['cgroupsPath'] += '2'
" sh -c 'for n in cgroup ipc net pid user uts time; do readlink /proc/self/ns/$n; done'
	o run second >"$out" 2>&1
	for ns in cgroup ipc net pid user uts time; do
		check "joined $ns" grep -qF "$(readlink "/proc/$pid/ns/$ns")" "$out"
	done
	for pair in pid:net network:ipc ipc:uts uts:pid cgroup:net time:uts user:net mount:net; do
		config "
l['namespaces'] = [n for n in l['namespaces'] if n['type'] != '${pair%:*}'] + [{'type': '${pair%:*}', 'path': '/proc/$pid/ns/${pair#*:}'}]
c.pop('hostname', 0)
l['cgroupsPath'] += '2'
" true
		refuses "no ${pair%:*} namespace" o run third
	done
	o delete -f first
}
prints_groups() {
	wanted=$1
	shift
	got=$("$@" 2>&1 | sed 's/^Groups:[[:space:]]*//; s/ *$//')
	[ "$got" = "$wanted" ] || { echo "got $got and not $wanted"; return 1; }
}
case_groups_of_the_caller() {
	config "c['annotations'] = {'run.oci.keep_original_groups': '1'}" grep Groups: /proc/self/status
	setpriv --groups 11,12,13 "$oci" --root "$state" run a >"$out" 2>&1
	check "stay when they are asked to" grep -q "^Groups:.11 12 13" "$out"
	config "" grep Groups: /proc/self/status
	setpriv --groups 11,12,13 "$oci" --root "$state" run a >"$out" 2>&1
	check "and else go" grep -qE "^Groups:.? *$" "$out"
	config "c['annotations'] = {'run.oci.keep_original_groups': '1'}; p['user']['additionalGids'] = [5]" grep Groups: /proc/self/status
	setpriv --groups 11,12 "$oci" --root "$state" --log "$dir/log" run a >"$out" 2>&1
	check "those of the image are left out" grep -q "^Groups:.11 12 *$" "$out"
	check "and the log tells" grep -q "instead of additionalGids" "$dir/log"
	config "c['annotations'] = {'run.oci.keep_original_groups': '1'}; p['user']['additionalGids'] = [5]" sleep 100
	o run -d a
	check "exec is in its caller's" prints_groups "11 12" setpriv --groups 11,12 "$oci" --root "$state" exec a grep Groups: /proc/self/status
	check "or in those it names" prints_groups "5 7" o exec -g 7 a grep Groups: /proc/self/status
	o delete -f a
}
case_several_rows_of_ids() {
	rows="[{'containerID': 0, 'hostID': 300000, 'size': 1}, {'containerID': 1, 'hostID': 310000, 'size': 99}, {'containerID': 1000, 'hostID': 320000, 'size': 1}]"
	chown -R 300000:300000 rootfs
	chmod 1777 rootfs/tmp
	config "l['namespaces'].append({'type': 'user'}); l['uidMappings'] = l['gidMappings'] = $rows" sleep 100
	o run -d a
	shows "^ +1 +310000 +99$" o exec a cat /proc/self/uid_map
	for pair in 0:300000 7:310006 1000:320000; do
		o exec -u "${pair%:*}:${pair%:*}" a touch "/tmp/by-${pair%:*}"
		check "${pair%:*} is ${pair#*:}" test "$(stat -c %u:%g "rootfs/tmp/by-${pair%:*}")" = "${pair#*:}:${pair#*:}"
	done
	refuses "500" o exec -u 500 a true
	o delete -f a
	rm -f rootfs/tmp/by-*
	chown -R 0:0 rootfs
}
case_a_mount_with_ids_of_its_own() {
	mkdir -p "$dir/volume"
	touch "$dir/volume/zero"
	mount -t tmpfs tmpfs "$dir/volume" && touch "$dir/volume/zero"
	config "
l['namespaces'].append({'type': 'user'})
l['uidMappings'] = l['gidMappings'] = [{'containerID': 0, 'hostID': 100000, 'size': 65536}]
m.append({'destination': '/shifted', 'type': 'bind', 'source': '$dir/volume', 'options': ['rbind', 'idmap']})
m.append({'destination': '/as-it-is', 'type': 'bind', 'source': '$dir/volume', 'options': ['rbind']})
m.append({'destination': '/by-rows', 'type': 'bind', 'source': '$dir/volume', 'options': ['bind'],
    'uidMappings': [{'containerID': 0, 'hostID': 100005, 'size': 9}], 'gidMappings': [{'containerID': 0, 'hostID': 100006, 'size': 9}]})
" stat -c '%n %u %g' /shifted/zero /as-it-is/zero /by-rows/zero
	chown -R 100000:100000 rootfs
	o run a >"$out" 2>&1
	chown -R 0:0 rootfs
	check "the container's" grep -qx "/shifted/zero 0 0" "$out"
	check "the host's" grep -qx "/as-it-is/zero 65534 65534" "$out"
	check "the mount's" grep -qx "/by-rows/zero 5 6" "$out"
	umount "$dir/volume"
	rm -rf rootfs/shifted rootfs/as-it-is rootfs/by-rows
}

# ---- mounts ----------------------------------------------------------------------------------------------------------
case_propagation_of_the_root() {
	for pair in "shared:shared:" "rshared:shared:" "private:^$" "rprivate:^$" "slave:^$" "rslave:^$" "unbindable:unbindable" "runbindable:unbindable"; do
		config "l['rootfsPropagation'] = '${pair%%:*}'" sh -c "awk '\$5 == \"/\" { print \$7 == \"-\" ? \"\" : \$7 }' /proc/self/mountinfo"
		shows "${pair#*:}" o run a
	done
}
# A tmpfs without a mode is as open as the directory that it covers; one with a mode, or over nothing, is not asked.
case_a_tmpfs_takes_the_mode_of_what_it_covers() {
	mkdir -p rootfs/m/odd rootfs/m/own
	chmod 7751 rootfs/m/odd
	chmod 700 rootfs/m/own
	config "
for name, options in ('odd', []), ('own', ['size=64k', 'mode=0410']), ('new', ['size=64k']):
    m.append({'destination': '/m/' + name, 'type': 'tmpfs', 'source': 'tmpfs', 'options': options})
" stat -c '%n %a' /m/odd /m/own /m/new
	for run in first second; do
		o run a >"$out" 2>&1
		check "$run: the directory's" grep -qx "/m/odd 7751" "$out"
		check "$run: its own" grep -qx "/m/own 410" "$out"
		[ $run = second ] || check "over nothing: the kernel's" grep -qx "/m/new 1777" "$out"
	done
	check "the directory is as before" test "$(stat -c %a rootfs/m/odd)" = 7751
	rm -rf rootfs/m
}
# An image's /etc/resolv.conf is often a link to what only a running system has.
case_a_mount_over_a_link_to_nothing() {
	rm -rf rootfs/etc/resolv.conf rootfs/run/resolve
	ln -s ../run/resolve/stub.conf rootfs/etc/resolv.conf
	echo "nameserver 192.0.2.1" >"$dir/resolv"
	config "
m.append({'destination': '/etc/resolv.conf', 'type': 'bind', 'source': '$dir/resolv', 'options': ['bind', 'ro']})
" cat /etc/resolv.conf
	for run in first second; do
		shows "^nameserver 192.0.2.1" o run a
	done
	check "it lies where the link leads" test -f rootfs/run/resolve/stub.conf -a ! -s rootfs/run/resolve/stub.conf
	check "the link is as before" test "$(readlink rootfs/etc/resolv.conf)" = ../run/resolve/stub.conf
	rm -rf rootfs/etc/resolv.conf rootfs/run/resolve
}
case_options_of_mounts() {
	options="ro:ro nosuid:nosuid nodev:nodev noexec:noexec noatime:noatime nodiratime:nodiratime relatime:relatime nosymfollow:nosymfollow sync:sync dirsync:dirsync"
	config "
for o in '$options'.split():
    m.append({'destination': '/m/' + o.split(':')[0], 'type': 'tmpfs', 'source': 'tmpfs', 'options': [o.split(':')[0]]})
m.append({'destination': '/m/plain', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['ro', 'rw', 'noexec', 'exec', 'nosuid', 'suid', 'nodev', 'dev', 'strictatime']})
m.append({'destination': '/m/data', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['size=1m', 'mode=0751', 'nr_inodes=77', 'uid=3', 'gid=4']})
" sh -c "awk '{ sub(/.* - /, \"\", \$0); print }' /proc/self/mountinfo >/dev/null; grep ' /m/' /proc/self/mounts; stat -c '%a %u %g' /m/data"
	o run a >"$out" 2>&1
	for pair in $options; do
		check "${pair%:*}" grep -qE "^tmpfs /m/${pair%:*} tmpfs [^ ]*\b${pair#*:}\b" "$out"
	done
	check "taken back" grep -qE "^tmpfs /m/plain tmpfs rw( |,inode64)" "$out"
	check "size and inodes" grep -qE "/m/data .*size=1024k,nr_inodes=77,mode=751,uid=3,gid=4" "$out"
	check "mode and owner" grep -qx "751 3 4" "$out"
	rm -rf rootfs/m
	config "m.append({'destination': '/m', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['nosuchoption']})" true
	refuses "nosuchoption" o run a
	config "m.append({'destination': '/m', 'type': 'nosuchfs', 'source': 'x'})" true
	refuses "nosuchfs" o run a
	rm -rf rootfs/m
}
case_recursive_options() {
	mkdir -p "$dir/tree"
	mount -t tmpfs tmpfs "$dir/tree"
	mkdir "$dir/tree/sub"
	mount -t tmpfs tmpfs "$dir/tree/sub"
	config "
for o in ('rro', 'rnosuid', 'rnodev', 'rnoexec', 'rnoatime', 'ro'):
    m.append({'destination': '/t/' + o, 'type': 'bind', 'source': '$dir/tree', 'options': ['rbind', o]})
" grep " /t/" /proc/self/mounts
	o run a >"$out" 2>&1
	for option in ro nosuid nodev noexec noatime; do
		check "r$option above" grep -qE "^tmpfs /t/r$option tmpfs [^ ]*\b$option\b" "$out"
		check "r$option below" grep -qE "^tmpfs /t/r$option/sub tmpfs [^ ]*\b$option\b" "$out"
	done
	check "ro alone stays above" grep -qE "^tmpfs /t/ro/sub tmpfs rw" "$out"
	umount -R "$dir/tree"
	rm -rf rootfs/t
}
case_propagation_of_mounts() {
	mkdir -p "$dir/tree"
	mount -t tmpfs tmpfs "$dir/tree"
	mount --make-shared "$dir/tree"
	config "
for o in ('shared', 'slave', 'private', 'unbindable', 'rshared', 'rslave', 'rprivate', 'runbindable'):
    m.append({'destination': '/t/' + o, 'type': 'bind', 'source': '$dir/tree', 'options': ['rbind', o]})
" sh -c "awk '\$5 ~ \"^/t/\" { print \$5, \$7 }' /proc/self/mountinfo"
	o run a >"$out" 2>&1
	for pair in "shared shared:" "rshared shared:" "slave master:" "rslave master:" "private -" "rprivate -" "unbindable unbindable" "runbindable unbindable"; do
		check "${pair% *}" grep -q "^/t/$pair" "$out"
	done
	umount "$dir/tree"
	rm -rf rootfs/t
}
case_the_cgroup_file_system() {
	[ -n "$(cgroup_root)" ] || return 0
	config "
l['namespaces'] = [{'type': t} for t in ('mount', 'pid', 'cgroup')]
del c['hostname']
m[:] = [x for x in m if x['destination'] != '/sys/fs/cgroup'] + [{'destination': '/sys/fs/cgroup', 'type': 'cgroup', 'source': 'cgroup', 'options': ['ro', 'nosuid', 'noexec', 'nodev']}]
" sh -c 'grep ^0:: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x'
	o run a >"$out" 2>&1
	check "its own is the root" grep -qx "0::/" "$out"
	check "it is in it" grep -qx 1 "$out"
	check "and cannot write" grep -q "Read-only" "$out"
}
case_the_socket_of_systemd() {
	python3 -c "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('$dir/notify')"
	config "" sh -c 'test -S "$NOTIFY_SOCKET" && echo there'
	NOTIFY_SOCKET=$dir/notify "$oci" --root "$state" run a >"$out" 2>&1
	check "is there" grep -qx there "$out"
	rm -rf "$dir/notify" "rootfs/${dir#/}"
}

# ---- the process -----------------------------------------------------------------------------------------------------
case_every_rlimit() {
	config "p['rlimits'] = [{'type': 'RLIMIT_' + t, 'soft': s, 'hard': h} for t, s, h in (('AS', 1 << 30, 1 << 31), ('CORE', 0, 1), ('CPU', 100, 200), ('DATA', 1 << 28, 1 << 29),
    ('FSIZE', 1 << 20, 1 << 21), ('LOCKS', 5, 6), ('MEMLOCK', 4096, 8192), ('MSGQUEUE', 100, 200), ('NICE', 0, 0), ('NOFILE', 77, 99), ('NPROC', 300, 400), ('RSS', 1 << 20, 1 << 21),
    ('RTPRIO', 0, 0), ('RTTIME', 1000000, 2000000), ('SIGPENDING', 50, 60), ('STACK', 1 << 21, 1 << 22))]" sh -c 'cat /proc/self/limits'
	o run a >"$out" 2>&1
	while read -r row; do
		check "$row" grep -qE "^$row" "$out"
	done <<'END'
Max cpu time +100 +200
Max file size +1048576 +2097152
Max data size +268435456 +536870912
Max stack size +2097152 +4194304
Max core file size +0 +1
Max resident set +1048576 +2097152
Max processes +300 +400
Max open files +77 +99
Max locked memory +4096 +8192
Max address space +1073741824 +2147483648
Max file locks +5 +6
Max pending signals +50 +60
Max msgqueue size +100 +200
Max nice priority +0 +0
Max realtime priority +0 +0
Max realtime timeout +1000000 +2000000
END
	config "p['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'soft': 9, 'hard': 5}]" true
	refuses "RLIMIT_NOFILE" o run a
	config "p['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'soft': 5, 'hard': 9}] * 2" true
	refuses "RLIMIT_NOFILE" o run a
}
case_schedulers() {
	config "p['scheduler'] = {'policy': 'SCHED_BATCH', 'nice': 5}; p['ioPriority'] = {'class': 'IOPRIO_CLASS_BE', 'priority': 6}; p['execCPUAffinity'] = {'initial': '0', 'final': '0'}" \
		sh -c 'cut -d" " -f19,41 /proc/self/stat; ionice -p $$; grep Cpus_allowed_list /proc/self/status'
	o run a >"$out" 2>&1
	check "nice and batch" grep -qx "5 3" "$out"
	check "io" grep -q "best-effort: prio 6" "$out"
	check "cpus" grep -q "Cpus_allowed_list:.0$" "$out"
	config "p['scheduler'] = {'policy': 'SCHED_IDLE'}" cut -d' ' -f41 /proc/self/stat
	shows "^5$" o run a
	config "p['execCPUAffinity'] = {'final': '0-'}" true
	refuses "0-" o run a
	config "p['ioPriority'] = {'class': 'IOPRIO_CLASS_BE', 'priority': 8}" true
	refuses "ioPriority" o run a
}
case_labels_that_no_module_knows() {
	[ ! -d /sys/kernel/security/apparmor ] || return 0
	config "p['apparmorProfile'] = 'some-profile'" true
	refuses "AppArmor profile some-profile" o run a
	config "p['selinuxLabel'] = 'a:b:c:d'" true
	refuses "SELinux" o run a
	config "l['mountLabel'] = 'a:b:c:d'" true
	refuses "SELinux" o run a
	config "" sleep 100
	o run -d a
	refuses "AppArmor" o exec --apparmor some-profile a true
	refuses "SELinux" o exec --process-label a:b:c:d a true
	o delete -f a
}
case_options_that_change_little() {
	config "" sh -c 'cat /proc/keys 2>/dev/null | wc -l; ls -d /bin'
	for option in --no-pivot --no-new-keyring --no-subreaper; do
		shows "^/bin$" o run $option a
	done
	config "" sleep 100
	check "no-pivot waits like others" o create --no-pivot a
	check "and starts" o start a
	shows "^sleep$" o exec --no-subreaper a cat /proc/1/comm
	o delete -f a
}
case_an_exec_in_a_cgroup_below() {
	[ -n "$(cgroup_root)" ] || return 0
	config "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'cgroup']" sleep 100
	o run -d a
	mkdir "$(cgroup_root)/$LP_STORY_CGROUP/case/below"
	shows "/case/below$" o exec --cgroup below a cat /proc/self/cgroup
	shows "/case$" o exec --cgroup / a grep ^0:: /proc/self/cgroup
	refuses "bad sub cgroup path: .. is not a sub cgroup path" o exec --cgroup .. a true
	refuses "adding pid .*nonesuch.*no such file" o exec --cgroup nonesuch a true
	o pause a
	refuses "paused" o exec a true
	o exec --ignore-paused a echo resumed >"$out" 2>&1 &
	waiting=$!
	wait_until 5 "in a paused one it is there" sh -c "'$oci' --root '$state' ps -f json a | grep -q ,"
	check "and waits" test ! -s "$out"
	o resume a
	wait $waiting
	check "until that goes on" grep -qx resumed "$out"
	o delete -f a
	check "nothing is left" no_residue
}

# ---- seccomp ---------------------------------------------------------------------------------------------------------
# filtered ACTION MORE COMMAND...: getppid does that; MORE: python, more members of its rule
filtered() {
	action=$1 more=$2
	shift 2
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [dict({'names': ['kill'], 'action': '$action'}, **$more)]}" "$@"
}
case_what_seccomp_does() {
	filtered SCMP_ACT_ERRNO "{}" sh -c 'kill -0 $$; echo after'
	shows "not permitted" o run a
	filtered SCMP_ACT_ERRNO "{'errnoRet': 11}" sh -c 'kill -0 $$'
	shows "temporarily unavailable|Try again" o run a
	for action in SCMP_ACT_KILL SCMP_ACT_KILL_THREAD SCMP_ACT_KILL_PROCESS SCMP_ACT_TRAP; do
		filtered $action "{}" sh -c '(kill -0 $$; echo no); echo status $?'
		shows "status 159" o run a
		check "$action: it does not go on" test "$(grep -cx no "$dir/shows")" = 0
	done
	filtered SCMP_ACT_TRACE "{}" sh -c 'kill -0 $$'
	shows "$enosys" o run a
	filtered SCMP_ACT_LOG "{}" sh -c 'kill -0 $$ && echo logged'
	shows "^logged$" o run a
	filtered SCMP_ACT_ALLOW "{}" sh -c 'kill -0 $$ && echo allowed'
	shows "^allowed$" o run a
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_TSYNC'],
    'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']}" grep Seccomp: /proc/self/status
	shows "Seccomp:.2" o run a
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_MAGIC']}" true
	refuses "FLAG_MAGIC" o run a
	config "l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_PDP11']}" true
	refuses "PDP11" o run a
}
# The second argument of kill(2) is the signal; busybox's `kill -N` passes it on. 18: CONT, 28: WINCH, both harmless.
case_what_seccomp_compares() {
	for row in "EQ:18:0:18:28" "NE:18:0:28:18" "LT:20:0:18:28" "LE:18:0:18:28" "GE:28:0:28:18" "GT:20:0:28:18" "MASKED_EQ:24:24:28:18"; do
		op=${row%%:*} rest=${row#*:}
		value=${rest%%:*} rest=${rest#*:}
		two=${rest%%:*} rest=${rest#*:}
		stopped=${rest%:*} passes=${rest#*:}
		args="{'index': 1, 'value': $value, 'valueTwo': $two, 'op': 'SCMP_CMP_$op'}"
		[ $op != MASKED_EQ ] || args="{'index': 1, 'value': 12, 'valueTwo': 12, 'op': 'SCMP_CMP_MASKED_EQ'}"	# 28 & 12 is 12, 18 & 12 is 0
		filtered SCMP_ACT_ERRNO "{'args': [$args]}" sh -c "kill -$stopped \$\$ 2>/dev/null || echo stopped; kill -$passes \$\$ && echo passes"
		o run a >"$out" 2>&1
		check "$op stops $stopped and passes $passes" test "$(tr '\n' ' ' <"$out")" = "stopped passes "
	done
	filtered SCMP_ACT_ERRNO "{'args': [{'index': 6, 'value': 1, 'op': 'SCMP_CMP_EQ'}]}" true
	refuses "index" o run a
	filtered SCMP_ACT_ERRNO "{'args': [{'index': 1, 'value': 1, 'op': 'SCMP_CMP_LIKE'}]}" true
	refuses "SCMP_CMP_LIKE" o run a
}

# ---- devices and cgroups ---------------------------------------------------------------------------------------------
# A number that is nobody's: "no such device" says that the rules let us pass.
case_device_rules() {
	[ -n "$(cgroup_root)" ] || return 0
	for major in 120 121 122 123 124 125 126 127; do
		grep -q "^ *$major " /proc/devices || break
	done
	for row in "[]|permitted|permitted" "[{'allow': True, 'type': 'c', 'major': $major, 'minor': 5, 'access': 'r'}]|such device|permitted" \
		"[{'allow': True, 'type': 'c', 'major': $major, 'access': 'rw'}]|such device|such device" "[{'allow': True, 'type': 'b', 'major': $major, 'access': 'rw'}]|permitted|permitted" \
		"[{'allow': True, 'access': 'rwm'}, {'allow': False, 'type': 'c', 'major': $major, 'minor': 5, 'access': 'w'}]|such device|permitted" \
		"[{'allow': True, 'access': 'rwm'}, {'allow': False, 'type': 'c', 'minor': 5, 'access': 'r'}]|permitted|such device"; do
		rules=${row%%|*} rest=${row#*|}
		config "l['devices'] = [{'path': '/dev/nobody', 'type': 'c', 'major': $major, 'minor': 5}]; l['resources'] = {'devices': [{'allow': False, 'access': 'rwm'}] + $rules}" \
			sh -c 'cat /dev/nobody 2>&1 | sed "s/^/read /"; (echo x >/dev/nobody) 2>&1 | sed "s/^/write /"; echo >/dev/null && echo null'
		o run a >"$out" 2>&1
		check "reading with $rules" grep -q "^read .*${rest%|*}" "$out"
		check "writing with $rules" grep -q "^write .*${rest#*|}" "$out"
		check "the usual ones are there" grep -qx null "$out"
	done
}
case_cgroups_of_others() {
	root=$(cgroup_root)
	[ -n "$root" ] || return 0
	config "" sleep 100
	o run -d a
	refuses "cgroup is not empty" o run -d b
	refuses "cgroup is not empty" o create b
	check "the first one lives" is running a
	o delete -f a
	mkdir -p "$root/$LP_STORY_CGROUP/case"
	echo 1 >"$root/$LP_STORY_CGROUP/case/cgroup.freeze"
	refuses "unexpectedly frozen" o run -d b
	rmdir "$root/$LP_STORY_CGROUP/case"
	check "nothing is left" no_residue
}
# What one takes away at its end, another needs at its beginning.
case_many_come_and_go_at_once() {
	config "l['cgroupsPath'] = ''" true
	for worker in 1 2 3; do
		(for i in $(seq 20); do "$oci" --root "$state" run "many-$$-$worker-$i" || echo "run $i of $worker: $?"; done) >"$dir/worker-$worker" 2>&1 &
	done
	wait
	check "each of them ran" test -z "$(cat "$dir"/worker-?)"
	check "no state is left" test -z "$(ls -A "$state")"
}
case_limits_out_of_bounds() {
	for pair in "'cpu': {'period': 100}|cpu.period" "'cpu': {'quota': 500}|cpu.quota" "'unified': {'nodot': '1'}|CONTROLLER.VALUE" "'unified': {'magic.max': '1'}|controller .magic. is not available" \
		"'unified': {'memory/max': '1'}|memory/max" "'cpu': {'idle': 5}|cpu.idle" "'memory': {'limit': 1000000, 'swap': 5}|swap" "'pids': {'limit': 'x'}|pids.limit"; do
		config "l['resources'] = {${pair%%|*}}" true
		[ -n "$(cgroup_root)" ] || case $pair in *unified*) continue ;; esac
		refuses "${pair#*|}" o run a
	done
	check "nothing is left" no_residue
}

run_cases

#!/bin/sh
# tests/strangers/test_oci.sh - limpet-oci on the command line, as conmon, containerd's shim and people call it: every verb, every wrong
# state, the options, hooks, terminals, descriptors, and what is left when it is killed.
. "$(dirname "$0")/lib.sh"
enter "$@"
. tests/strangers/oci_bundle.sh

# ---- life ------------------------------------------------------------------------------------------------------------
case_run_ends_with_the_programs_status() {
	config "" sh -c 'echo out; echo err >&2; exit 7'
	check "run" status 7 o run a
	check "streams are inherited" grep -qx out "$dir/status"
	check "both" grep -qx err "$dir/status"
	check "nothing is left" no_residue
}
case_a_life_in_five_calls() {
	config "" sh -c 'echo started; sleep 100'
	check "create" sh -c "'$oci' --root '$state' create --pid-file '$dir/pid' a >'$dir/out' 2>&1"
	check "created" is created a
	check "the pid file is whole" test "$(cat "$dir/pid")" = "$(field pid a)"
	check "nothing runs yet" test ! -s "$dir/out"
	check "its parent is the nearest subreaper" test "$(awk '/^PPid/ { print $2 }' "/proc/$(cat "$dir/pid")/status")" = 1
	check "start" o start a
	check "running" is running a
	wait_until 5 "it printed" grep -q started "$dir/out"
	check "kill" o kill a 9
	wait_until 5 "stopped" is stopped a
	check "the pid of a stopped one is 0" test "$(field pid a)" = 0
	check "delete" o delete a
	check "nothing is left" no_residue
}
case_a_created_container_can_be_deleted() {
	config "" true
	check "create" o create a
	check "delete" o delete a
	check "nothing is left" no_residue
}
case_run_detached_returns_while_it_runs() {
	config "" sleep 100
	check "run" o run -d --pid-file "$dir/pid" a
	check "running" is running a
	check "the process is there" test -d "/proc/$(cat "$dir/pid")"
	check "delete by force" o delete --force a
	check "the process is gone" gone "$(cat "$dir/pid")"
	check "nothing is left" no_residue
}
case_run_keep_leaves_a_stopped_container() {
	config "" true
	check "run" o run --keep a
	check "stopped" is stopped a
	refuses "already exists" o run a
	check "delete" o delete a
}
case_run_twice_with_one_name() {
	config "" echo hi
	shows hi o run a
	shows hi o run a
}

# ---- wrong states ----------------------------------------------------------------------------------------------------
case_nothing_works_on_a_container_that_is_not_there() {
	for verb in state start kill delete pause resume ps update events; do
		refuses "does not exist" o "$verb" nobody
		check "$verb: status 1" status 1 o "$verb" nobody
	done
	check "exec: status 255" status 255 o exec nobody true
	check "delete --force is content" o delete --force nobody
	check "and says nothing" test -z "$(o delete --force nobody 2>&1)"
}
case_a_second_create_with_the_same_name() {
	config "" sleep 100
	check "create" o create a
	refuses "already exists" o create a
	check "the first is as it was" is created a
	o delete a
}
case_a_second_start() {
	config "" sleep 100
	o run -d a
	refuses "already running" o start a
	check "still running" is running a
	o delete -f a
}
case_start_of_a_stopped_container() {
	config "" true
	o run --keep a
	refuses "has stopped" o start a
	refuses "container not running" o kill a
	refuses "container not running" o kill a 0
	refuses "stopped" o exec a true
	refuses "not running" o pause a
	refuses "not running" o update --pids-limit 5 a
	refuses "not running" o events a
	check "ps shows nobody" test "$(o ps -f json a)" = "[]"
	o delete a
}
case_delete_of_a_running_container() {
	config "" sleep 100
	o run -d a
	refuses "not stopped" o delete a
	check "still running" is running a
	o delete -f a
}
case_pause_and_resume() {
	config "" sh -c 'while :; do echo x; usleep 20000; done'
	o run -d a >"$dir/out"
	if [ -z "$(cgroup_root)" ]; then
		refuses "cgroup" o pause a
	else
		check "pause" o pause a
		check "paused" is paused a
		check "it stands still" test "$(wc -c <"$dir/out")" = "$(sleep 0.2; wc -c <"$dir/out")"
		refuses "not running or created" o pause a
		refuses "paused" o exec a true
		refuses "paused" o start a
		refuses "not stopped" o delete a
		check "resume" o resume a
		check "running" is running a
		refuses "not paused" o resume a
		o pause a
	fi
	check "a paused one can be deleted by force" o delete -f a
	check "nothing is left" no_residue
}
case_names() {
	config "" true
	long=$(printf '%0200d' 0)
	for name in . .. a/b "a b" "" "$long" 'ä' 'a:b'; do
		refuses "invalid container ID" o create "$name"
		refuses "invalid container ID" o state "$name"
	done
	for name in .a a.b-c_d+e A9 -- ; do
		[ "$name" = -- ] && continue
		check "$name" o run "$name"
	done
}
case_signals() {
	config "" sh -c 'trap "echo got usr1" USR1; trap "echo got hup" HUP; trap "echo got term; exit 3" TERM; echo ready; while :; do sleep 0.05; done'
	o run -d a >"$dir/out" 2>&1
	wait_until 5 "ready" grep -q ready "$dir/out"
	check "kill 0 finds it" o kill a 0
	check "by name" o kill a SIGUSR1
	wait_until 5 "usr1" grep -q "got usr1" "$dir/out"
	check "by short name" o kill a HUP
	wait_until 5 "hup" grep -q "got hup" "$dir/out"
	check "lower case, too" o kill a sighup
	check "by number" o kill a 10
	refuses "unknown signal" o kill a NOSUCH
	refuses "unknown signal" o kill a 65
	check "TERM unless told otherwise" o kill a
	wait_until 5 "term" grep -q "got term" "$dir/out"
	wait_until 5 "stopped" is stopped a
	o delete a
}
case_kill_all_reaches_every_process() {
	config "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'pid']" sh -c 'sleep 100 & sleep 100 & echo up; wait'
	o run -d a >"$dir/out"
	wait_until 5 "up" grep -q up "$dir/out"
	wait_until 5 "three" sh -c "'$oci' --root '$state' ps -f json a | grep -q ',.*,'"
	pids=$(o ps -f json a | tr -d '[]' | tr , ' ')
	check "kill --all" o kill --all a KILL
	for pid in $pids; do
		wait_until 5 "$pid is gone" gone "$pid"
	done
	check "delete" o delete a
	check "nothing is left" no_residue
}
case_kill_all_without_a_cgroup() {
	config "" sh -c 'trap "echo first heard" USR1; (trap "echo second heard" USR1; echo up; while :; do sleep 0.05; done) & while :; do sleep 0.05; done'
	o --cgroup-manager=disabled run -d a >"$dir/out"
	wait_until 5 "up" grep -q up "$dir/out"
	check "kill --all" o kill --all a USR1
	for who in first second; do
		wait_until 5 "the $who" grep -q "$who heard" "$dir/out"
	done
	o delete -f a
}
case_what_outlives_the_first_process_is_deleted() {
	config "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'pid']" sh -c 'sleep 100 & echo $!; exit 0'
	o run -d a >"$dir/out"
	wait_until 5 "stopped" is stopped a
	check "delete" o delete a
	check "the other is gone, too" gone "$(cat "$dir/out")"
	check "nothing is left" no_residue
}
case_delete_by_expression() {
	config "l['cgroupsPath'] = ''" sleep 100
	for i in 1 2 3; do
		o run -d "web-$i"
	done
	o run -d other
	check "delete" o delete -f --regex 'web-[12]$'
	check "two are left" test "$(o list -q | tr '\n' ' ')" = "other web-3 "
	refuses "expression" o delete -f --regex 'web-('
	o delete -f --regex '.*'
	check "none are left" test -z "$(o list -q)"
}

# ---- what is shown ---------------------------------------------------------------------------------------------------
case_state_is_the_document_of_the_specification() {
	config "c['annotations'] = {'dev.limpet/a': 'b \"c\"'}" sleep 100
	o create a
	o state a >"$dir/state.json"
	check "its members" python3 - "$dir/state.json" "$bundle" <<'PY'
import json, sys, os
s = json.load(open(sys.argv[1]))
assert s["ociVersion"].startswith("1."), s
assert s["id"] == "a" and s["status"] == "created" and s["bundle"] == sys.argv[2], s
assert os.path.isdir("/proc/%d" % s["pid"]), s
assert s["annotations"] == {"dev.limpet/a": 'b "c"'}, s
assert s["rootfs"] == sys.argv[2] + "/rootfs" and s["owner"] == "root", s
PY
	o delete a
}
case_list() {
	config "" sleep 100
	shows "^ID +PID +STATUS +BUNDLE +CREATED +OWNER" o list
	check "an empty list" test "$(o list -f json)" = "[]"
	o run -d one
	shows "^one +[0-9]+ +running +$bundle +20" o list
	check "names only" test "$(o list -q)" = one
	shows '^\[\{"ociVersion":"1.2.0","id":"one","pid":[0-9]+,"status":"running","bundle":' o list --format json
	refuses "invalid format" o list -f yaml
	o delete -f one
}
case_ps() {
	config "" sleep 100
	o run -d a
	shows "^UID +PID +PPID +C +STIME +TTY +TIME +CMD" o ps a
	shows "root +$(field pid a) .* sleep 100" o ps a
	check "as JSON" test "$(o ps -f json a)" = "[$(field pid a)]"
	o exec -d a sleep 50
	wait_until 5 "two" sh -c "'$oci' --root '$state' ps -f json a | grep -q ,"
	o delete -f a
}
case_features_and_version() {
	o features >"$dir/features.json"
	check "its members" python3 - "$dir/features.json" <<'PY'
import json, sys
f = json.load(open(sys.argv[1]))
assert f["ociVersionMin"] == "1.0.0" and f["ociVersionMax"] == "1.2.0"
assert len(f["hooks"]) == 6 and "rro" in f["mountOptions"]
assert "time" in f["linux"]["namespaces"] and "CAP_SYS_ADMIN" in f["linux"]["capabilities"]
assert "SCMP_ACT_NOTIFY" in f["linux"]["seccomp"]["actions"]
PY
	shows "^limpet-oci version [0-9]" o --version
	shows "^spec: 1.2.0" o --version
}
case_spec_is_not_written_over() {
	config "" true
	refuses "exists" o spec
	mkdir -p "$dir/other"
	check "elsewhere" o spec --bundle "$dir/other" --rootless
	check "with a user namespace" grep -q '"user"' "$dir/other/config.json"
}
case_help() {
	for verb in create start state kill delete run exec list ps pause resume update events features spec; do
		shows "^Usage: limpet-oci \[OPTION...\] $verb" o "$verb" --help
		shows "^Example:" o "$verb" --help
	done
	check "an unknown command" status 2 o dance
	refuses "No help topic for 'dance'" o dance -h
	check "an unknown option" status 2 o create --nonsense a
	check "a missing name" status 2 o create
	check "one name too many" status 2 o create a b
}
case_called_by_other_names() {
	ln -sf "$here/build/limpet" "$dir/runc"
	shows "^runc version" "$dir/runc" --version
	shows "Open Container Initiative runtime" "$dir/runc" -h
	shows "^limpet-oci version" "$here/build/limpet" oci --version
	ln -sf "$here/build/limpet" "$dir/myruntime"
	config "" true
	check "by a name of the user's own" "$dir/myruntime" --root "$state" create --bundle "$bundle" a
	check "it is there" is created a
	shows "^Usage: myruntime .* delete" "$dir/myruntime" delete --help
	check "deleted" "$dir/myruntime" --root "$state" delete --force a
	check "where a word is only limpet's, it is limpet" status 0 "$dir/myruntime" get --help
}

# ---- bundles ---------------------------------------------------------------------------------------------------------
case_bad_bundles() {
	config "" true
	refuses "[Nn]o such file" o create --bundle "$dir/nowhere" a
	mkdir -p "$dir/empty"
	refuses "config.json" o create --bundle "$dir/empty" a
	echo '{ not json' >"$dir/empty/config.json"
	refuses "line 1" o create --bundle "$dir/empty" a
	echo '{"ociVersion":"2.0.0"}' >"$dir/empty/config.json"
	refuses "2.0.0" o create --bundle "$dir/empty" a
	echo '{"ociVersion":"1.0.0"}' >"$dir/empty/config.json"
	refuses "root" o create --bundle "$dir/empty" a
	check "nothing is left" no_residue
}
case_bad_fields_are_named() {
	for pair in "p['args'] = []|args" "p['cwd'] = 'tmp'|absolute path" "p['rlimits'] = [{'type': 'RLIMIT_MAGIC', 'soft': 1, 'hard': 1}]|RLIMIT_MAGIC" \
		"c['root']['path'] = 'nowhere'|rootfs" "l['namespaces'].append({'type': 'pid'})|twice" "l['namespaces'].append({'type': 'soul'})|soul" \
		"l['namespaces'].append({'type': 'user'})|linux.uidMappings" "p['oomScoreAdj'] = 5000|oomScoreAdj" \
		"l['namespaces'].append({'type': 'user'}); l['uidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 1}]|linux.gidMappings" "l['uidMappings'] = [{'containerID': 0, 'hostID': 0, 'size': 1}]|user namespace" \
		"l['uidMappings'] = [{'containerID': 0, 'hostID': -1, 'size': 1}]|hostID" "l['intelRdt'] = {'closID': 'x'}|intelRdt" \
		"l['resources'] = {'memory': {'swappiness': 10}}|swappiness" "l['resources'] = {'memory': {'limit': 'lots'}}|memory.limit" \
		"l['resources'] = {'cpu': {'realtimeRuntime': 5}}|realtimeRuntime" "l['rootfsPropagation'] = 'sideways'|sideways" \
		"l['namespaces'] = [{'type': 'mount'}]|hostname" "p['env'] = ['NOVALUE']|NOVALUE" "p['user'] = {'uid': 4294967295, 'gid': 0}|4294967295" \
		"p['user'] = {'uid': 4294967296, 'gid': 0}|uid" "m.append({'destination': '/x', 'type': 'bind', 'options': ['rbind']})|source" \
		"l['personality'] = {'domain': 'VMS'}|VMS" "l['timeOffsets'] = {'monotonic': {'secs': 1}}|time" "l['seccomp'] = {'defaultAction': 'SCMP_ACT_DANCE'}|DANCE" \
		"c['vm'] = {}|vm" "p['scheduler'] = {'policy': 'SCHED_LUCK'}|SCHED_LUCK" "p['ioPriority'] = {'class': 'IOPRIO_CLASS_X'}|IOPRIO_CLASS_X" \
		"c['hooks'] = {'poststop': [{'path': 'relative'}]}|absolute" "l['cgroupsPath'] = '/../x'|cgroupsPath" "l['sysctl'] = {'kernel.panic': '1'}|kernel.panic" \
		"l['sysctl'] = {'net/../kernel/panic': '1'}|contains an invalid path"; do
		config "${pair%%|*}" true
		refuses "${pair#*|}" o create a
	done
	check "nothing is left" no_residue
}
case_unknown_fields_are_ignored() {
	config "c['x-more'] = {'a': 1}; p['later'] = True; l['sometime'] = []" true
	check "run" o run a
}
case_another_config_file() {
	config "" echo first
	mv config.json other.json
	shows first o run --config other.json a
	shows first o run --bundle "$bundle" --config "$bundle/other.json" a
	(cd / && "$oci" --root "$state" run --config other.json --bundle "$bundle" a) >"$dir/out" 2>&1
	check "in the bundle" grep -q first "$dir/out"
	rm other.json
}
case_a_bundle_that_changes_afterwards() {
	config "" echo before
	o create a >"$dir/out" 2>&1
	config "" echo after
	o start a
	wait_until 5 "stopped" is stopped a
	check "does not matter" grep -qx before "$dir/out"
	o delete a
}
case_programs_that_cannot_run() {
	config "" nosuchprogram
	refuses 'executable file not found in \$PATH' o run a
	check "not found: 127" status 127 o run a
	config "" /etc/passwd
	refuses "[Pp]ermission denied" o run a
	check "not executable: 126" status 126 o run a
	check "nothing is left" no_residue
	config "" /nosuch
	refuses "no such file" o create a
	printf '#!/no/such/interpreter\n' >rootfs/bin/broken
	chmod +x rootfs/bin/broken
	config "" /bin/broken
	check "create works" o create a
	refuses "exec .*broken.*[Nn]o such file" o start a
	wait_until 5 "stopped" is stopped a
	check "delete" o delete a
	rm rootfs/bin/broken
}

# ---- exec ------------------------------------------------------------------------------------------------------------
case_exec() {
	config "p['env'].append('FROM=config')" sleep 100
	o run -d a
	shows "^hello$" o exec a echo hello
	check "its status" status 42 o exec a sh -c 'exit 42'
	check "killed by a signal" status 137 o exec a sh -c 'kill -9 $$'
	shows "^config$" o exec a sh -c 'echo $FROM'
	shows "^new$" o exec -e FROM=new a sh -c 'echo $FROM'
	shows "^two$" o exec --env A=one --env=A=two a sh -c 'echo $A'
	shows "^/tmp$" o exec --cwd /tmp a pwd
	shows "^uid=1000.* gid=1000" o exec --user 1000:1000 a id
	shows "^/home/user$" o exec -u 1000 a sh -c 'echo $HOME'
	shows "^/$" o exec -u 4242 a sh -c 'echo $HOME'
	shows "^1000 100 65534$" o exec --user 1000:1000 --additional-gids 100 --additional-gids 65534 a id -G
	shows "^arg with blanks -x --y$" o exec a echo "arg with blanks" -x --y
	check "not found" status 255 o exec a nosuchprogram
	refuses 'executable file not found in \$PATH' o exec a nosuchprogram
	refuses "\-\-user" o exec -u root a true
	refuses "invalid environment" o exec -e NOVALUE a true
	echo in | o exec a cat >"$dir/out"
	check "standard input" grep -qx in "$dir/out"
	o delete -f a
}
case_exec_detached() {
	config "" sleep 100
	o run -d a
	check "exec" o exec --detach --pid-file "$dir/pid" a sleep 60
	check "its pid" grep -q "sleep" "/proc/$(cat "$dir/pid")/comm"
	check "is not the first one's" test "$(cat "$dir/pid")" != "$(field pid a)"
	o delete -f a
	check "ends with the container" gone "$(cat "$dir/pid")"
}
case_exec_by_file() {
	config "" sleep 100
	o run -d a
	echo '{"cwd":"/tmp","args":["sh","-c","pwd; id -u; id -G; echo $V"],"env":["PATH=/bin","V=w"],"user":{"uid":5,"gid":6,"additionalGids":[7]}}' >"$dir/process.json"
	o exec --process "$dir/process.json" a >"$dir/out" 2>&1
	check "all of it" test "$(tr '\n' ' ' <"$dir/out")" = "/tmp 5 6 7 w "
	echo '{"cwd":"/"}' >"$dir/process.json"
	refuses "args" o exec -p "$dir/process.json" a
	o delete -f a
}
case_exec_rights() {
	config "p['capabilities'] = {}; p['noNewPrivileges'] = False" sleep 100
	o run -d a
	shows "^CapEff:.0000000000000000" o exec a cat /proc/self/status
	shows "^CapEff:.0000000000000020" o exec --cap CAP_KILL a cat /proc/self/status
	shows "^CapEff:.0000000000000000" o exec --cap CAP_UNKNOWN a cat /proc/self/status
	shows "^NoNewPrivs:.0" o exec a cat /proc/self/status
	shows "^NoNewPrivs:.1" o exec --no-new-privs a cat /proc/self/status
	o delete -f a
}

# ---- terminals and descriptors ---------------------------------------------------------------------------------------
case_console_socket() {
	config "p['terminal'] = True; p['consoleSize'] = {'height': 11, 'width': 77}" sh -c 'tty; stty size; read line; echo "read $line"'
	refuses "console socket" o create a
	rm -f "$dir/tty"
	python3 "$here/tests/strangers/oci_tty.py" "$dir/tty.sock" word >"$dir/tty" 2>&1 &
	wait_until 10 "listening" grep -q ready "$dir/tty"
	check "create" o create --console-socket "$dir/tty.sock" a
	wait_until 5 "its size" grep -q "rows 11 cols 77 tty True" "$dir/tty"
	check "start" o start a
	wait_until 5 "the end" grep -q "^end" "$dir/tty"
	check "a terminal of the container's own" grep -q "^/dev/pts/0\|^/dev/console" "$dir/tty"
	check "inside, the same size" grep -q "^11 77" "$dir/tty"
	check "what was typed" grep -q "^read word" "$dir/tty"
	wait_until 5 "stopped" is stopped a
	o delete a
	config "" true
	refuses "console socket" o create --console-socket "$dir/tty.sock" a
	rm -f "$dir/tty.sock"
}
# What listens for a pidfd says what came with it, whose it is, and ends that process when its maker is done.
pidfd_receiver() {
	rm -f "$dir/pidfd.sock" "$dir/pidfd" "$dir/pidfd.sock.done"
	python3 - "$dir/pidfd.sock" >"$dir/pidfd" 2>&1 <<'PY' &
import array, os, re, signal, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
s.settimeout(20)
print("ready", flush=True)
data, extra, _, _ = s.accept()[0].recvmsg(100, socket.CMSG_SPACE(16))
fds = array.array("i", extra[0][2][:4])
print("pid", re.search(r"Pid:\s*(\d+)", open("/proc/self/fdinfo/%d" % fds[0]).read()).group(1), data.decode(), flush=True)
end = time.monotonic() + 20
while not os.path.exists(sys.argv[1] + ".done") and time.monotonic() < end:
    time.sleep(0.01)
signal.pidfd_send_signal(fds[0], signal.SIGKILL)
PY
	wait_until 10 "listening" grep -q ready "$dir/pidfd"
}
case_a_pidfd_is_sent_where_it_is_asked_for() {
	config "" sleep 100
	pidfd_receiver
	check "create" o create --pidfd-socket "$dir/pidfd.sock" --pid-file "$dir/pid" a
	wait_until 5 "the first process's" grep -qx "pid $(cat "$dir/pid") pidfd" "$dir/pidfd"
	: >"$dir/pidfd.sock.done"
	wait_until 5 "and ended by it" is stopped a
	o delete a
	o run -d a
	pidfd_receiver
	check "exec" o exec -d --pidfd-socket "$dir/pidfd.sock" --pid-file "$dir/pid" a sleep 100
	wait_until 5 "the new process's" grep -qx "pid $(cat "$dir/pid") pidfd" "$dir/pidfd"
	: >"$dir/pidfd.sock.done"
	check "the first one lives on" is running a
	o delete -f a
	refuses "nowhere.sock" o run -d --pidfd-socket "$dir/nowhere.sock" a
	check "nothing is left" no_residue
	rm -f "$dir/pidfd.sock" "$dir/pidfd.sock.done"
}
case_exec_with_a_terminal() {
	config "" sleep 100
	o run -d a
	rm -f "$dir/tty"
	python3 "$here/tests/strangers/oci_tty.py" "$dir/tty.sock" >"$dir/tty" 2>&1 &
	wait_until 10 "listening" grep -q ready "$dir/tty"
	check "exec" o exec --tty --console-socket "$dir/tty.sock" --detach a tty
	wait_until 5 "the end" grep -q "^end" "$dir/tty"
	check "a terminal" grep -q "^/dev/pts/0" "$dir/tty"
	refuses "console socket" o exec -t -d a tty
	o exec -t a tty </dev/null >"$dir/out" 2>&1
	check "attended by us" grep -q "^/dev/pts/" "$dir/out"
	o delete -f a
	rm -f "$dir/tty.sock"
}
case_run_with_a_terminal() {
	config "p['terminal'] = True" sh -c 'tty; for i in 1 2 3; do readlink /proc/self/fd/1; done; exit 5'
	o run a </dev/null >"$dir/out" 2>&1
	check "the status" test $? = 5
	check "its terminal" grep -q "^/dev/pts/0" "$dir/out"
}
case_preserved_descriptors() {
	config "" sh -c 'cat <&4; ls /proc/self/fd | tr "\n" " "'
	echo through >"$dir/file"
	o run --preserve-fds 2 a 3</dev/null 4<"$dir/file" 5</dev/null >"$dir/out" 2>&1
	check "are there" grep -q through "$dir/out"
	check "and no others" grep -q "^0 1 2 3 4 5 $" "$dir/out"	# 5 is ls's own
	refuses "preserved-fd 0" sh -c "exec 3>&-; '$oci' --root '$state' run --preserve-fds=1 a"
	config "" sh -c 'echo $LISTEN_FDS; echo $LISTEN_PID'
	LISTEN_FDS=1 "$oci" --root "$state" run a 3</dev/null >"$dir/out" 2>&1
	check "LISTEN_FDS" test "$(tr '\n' ' ' <"$dir/out")" = "1 1 "
	config "" sh -c 'ls /proc/self/fd | tr "\n" " "'
	o run a 3</dev/null 9</dev/null >"$dir/out" 2>&1
	check "none unless asked for" grep -q "^0 1 2 3 $" "$dir/out"
}
case_logs() {
	config "" nosuchprogram
	o --log "$dir/log" --log-format json run a >/dev/null 2>&1
	check "JSON with level, msg and time" python3 - "$dir/log" <<'PY'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert lines[-1]["level"] == "error" and "executable file not found" in lines[-1]["msg"] and lines[-1]["time"], lines
PY
	rm "$dir/log"
	o --log="$dir/log" run a >/dev/null 2>&1
	check "text" grep -q 'level=error msg=' "$dir/log"
	o --debug --log="$dir/log" run a >/dev/null 2>&1
	check "more of it" grep -q 'level=debug' "$dir/log"
	refuses "log format" o --log-format xml list
	refuses "unknown log type" o --log=magic:here list
}

# ---- hooks -----------------------------------------------------------------------------------------------------------
case_hooks_run_in_order_with_the_state() {
	config "
def hook(name):
    return [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat >$dir/hook-%s; echo %s >>$dir/order' % (name, name)]}]
c['hooks'] = {n: hook(n) for n in ('prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop')}
c['hooks']['startContainer'] = [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat >/tmp/state; echo startContainer >/tmp/order']}]
" true
	rm -f "$dir/order"
	check "run" o run a
	check "the order" test "$(tr '\n' ' ' <"$dir/order")" = "prestart createRuntime createContainer poststart poststop "
	check "inside" grep -q startContainer rootfs/tmp/order
	check "the states" python3 - "$dir" "$bundle" <<'PY'
import json, sys
want = {"prestart": "created", "createRuntime": "creating", "createContainer": "created", "poststart": "running", "poststop": "stopped"}
for name, status in want.items():
    s = json.load(open(sys.argv[1] + "/hook-" + name))
    assert s["id"] == "a" and s["status"] == status and s["bundle"] == sys.argv[2], (name, s)
    assert name == "poststop" or s["pid"] > 0, (name, s)
assert json.load(open(sys.argv[2] + "/rootfs/tmp/state"))["pid"] > 0
PY
	rm -f rootfs/tmp/order rootfs/tmp/state
}
case_hooks_that_fail() {
	for kind in prestart createRuntime createContainer; do
		config "c['hooks'] = {'$kind': [{'path': '/bin/true'}, {'path': '/bin/false'}]}" true
		refuses "error running $kind hook #1" o create a
		check "$kind: nothing is left" no_residue
	done
	config "c['hooks'] = {'startContainer': [{'path': '/bin/true'}, {'path': '/bin/false'}]}" echo ran
	o run a >"$dir/out" 2>&1
	check "startContainer: status" test $? != 0
	check "startContainer: its words" grep -q "error running startContainer hook #1" "$dir/out"
	check "startContainer: nothing ran" test "$(grep -c '^ran' "$dir/out")" = 0
	config "c['hooks'] = {'poststart': [{'path': '/bin/false'}]}" sleep 100
	refuses "error running poststart hook #0" o run -d a
	check "poststart: nothing is left" no_residue
	config "c['hooks'] = {'poststop': [{'path': '/bin/false'}]}" true
	check "poststop: a warning" o --log "$dir/log" run a
	check "in the log" grep -q "poststop hook #0" "$dir/log"
	config "c['hooks'] = {'createRuntime': [{'path': '/bin/sleep', 'args': ['sleep', '10'], 'timeout': 1}]}" true
	refuses "createRuntime hook #0" o create a
	check "nothing is left" no_residue
}
case_hooks_have_their_own_environment() {
	config "c['hooks'] = {'createRuntime': [{'path': '/bin/sh', 'args': ['sh', '-c', 'env >$dir/env'], 'env': ['ONLY=this']}]}" true
	check "run" o run a
	check "what was named" grep -qx ONLY=this "$dir/env"
	check "and not ours" test "$(grep -c LP_STORY "$dir/env")" = 0
	config "c['hooks'] = {'createRuntime': [{'path': '/bin/sh', 'args': ['sh', '-c', 'env >$dir/env']}]}" true
	check "run" o run a
	check "or ours when nothing is named" grep -q LP_STORY "$dir/env"
}

# ---- what is killed half way ------------------------------------------------------------------------------------------
case_a_killed_creator_leaves_nothing() {
	config "c['hooks'] = {'createRuntime': [{'path': '/bin/sleep', 'args': ['sleep', '1']}]}" sleep 100
	"$oci" --root "$state" create a >/dev/null 2>&1 &
	creator=$!
	wait_until 5 "it is at work" is creating a
	kill -9 $creator
	wait "$creator" 2>/dev/null
	wait_until 5 "then there is no container" sh -c "! '$oci' --root '$state' state a 2>/dev/null"
	check "nothing is left" no_residue
	config "" true
	check "and its name is free" o run a
}
case_run_passes_signals_on() {
	config "" sh -c 'trap "echo got term; exit 9" TERM; echo ready; while :; do sleep 0.05; done'
	"$oci" --root "$state" run a >"$dir/out" 2>&1 &
	runner=$!
	wait_until 5 "ready" grep -q ready "$dir/out"
	kill -TERM $runner
	wait $runner
	check "the program's status" test $? = 9
	check "it heard" grep -q "got term" "$dir/out"
	check "nothing is left" no_residue
}

run_cases

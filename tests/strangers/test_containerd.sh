#!/bin/sh
# tests/strangers/test_containerd.sh - containerd of its own, whose shim calls limpet-oci; ctr asks.
#
# Env     LIMPET_STEPS, LIMPET_RUNTIME: see engine.sh
. "$(dirname "$0")/lib.sh"
own_cgroups=yes
enter "$@"
. tests/strangers/engine.sh
command -v containerd >/dev/null && command -v ctr >/dev/null || skip "containerd is not installed"

busybox=$busybox:latest
socket=$dir/containerd.sock
mkdir -p "$dir/volume" "$dir/bin"
ln -s "$runtime" "$dir/bin/runc"	# what the shim calls when nobody names a runtime
# no plugins that look for disks, devices or registries
cat >"$dir/containerd.toml" <<CONF
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper",
	"io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "$socket"
[ttrpc]
address = "$dir/ttrpc.sock"
CONF
start_containerd() {
	PATH=$dir/bin:$PATH containerd --config "$dir/containerd.toml" >>"$dir/up.log" 2>&1 </dev/null &
	containerd=$!
	wait_until 20 "containerd answers" c version
}
c() {
	timeout 20 ctr --address "$socket" "$@"
}
# ctr forgets to close a standard input that ended before the task began: words come when the program is there
cat >"$dir/feed" <<SH
#!/bin/sh
tries=0
until [ -e "$dir/volume/up" ] || [ \$tries = 100 ]; do sleep 0.1; tries=\$((tries + 1)); done
rm -f "$dir/volume/up"
echo "\$*"
SH
cat >"$dir/run" <<SH
#!/bin/sh
exec timeout 20 ctr --address "$socket" run --rm --snapshotter native --runc-binary "$runtime" --mount "type=bind,src=$dir/volume,dst=/v,options=rbind:rw" "\$@"
SH
chmod +x "$dir/feed" "$dir/run"
run() {
	c run --rm --snapshotter native --runc-binary "$runtime" "$@"
}
# start NAME [option...] -- command...: in the background
start() {
	task=$1
	shift
	options=""
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	# shellcheck disable=SC2086	# a list of words
	c run -d --snapshotter native --runc-binary "$runtime" $options $busybox "$task" "$@"
}
task_is() {
	c task ls | grep -qE "^$1 +[0-9]+ +$2"
}
# kills, waits, removes
end() {
	c task kill -s KILL "$1"
	tries=0
	until task_is "$1" STOPPED || [ $tries = 50 ]; do sleep 0.1; tries=$((tries + 1)); done
	c task delete "$1" >/dev/null 2>&1
	c container delete "$1"
}
x() {
	task=$1
	shift
	number=$((${number:-0} + 1))
	c task exec --exec-id "x$number" "$task" "$@"
}
heard() {
	x a test -e "/tmp/$1"
}
loop='trap "exit 5" TERM; trap "touch /tmp/usr1" USR1; touch /tmp/ready; while :; do sleep 0.05; done'

# ---- images and first runs -------------------------------------------------------------------------------------------
step_import() {
	check "imported" c image import --snapshotter native build/images/busybox.tar
	shows "^$busybox " c image ls
}
step_run_rm() {
	check "its output" prints hello run $busybox a echo hello
	check "no container" prints "" c container ls -q
	check "no task" prints "" c task ls -q
}
step_streams() {
	check "standard input" prints "from stdin" sh -c "'$dir/feed' from stdin | '$dir/run' $busybox a sh -c 'touch /v/up; cat'"
	run $busybox a sh -c 'echo out; echo err >&2' >"$dir/out" 2>"$dir/err"
	check "standard output" test "$(cat "$dir/out")" = out
	check "standard error" test "$(cat "$dir/err")" = err
}
step_exit_status() {
	check "the program's" status 42 run $busybox a sh -c 'exit 42'
	check "a signal's" status 137 run $busybox a sh -c 'sh -c "kill -9 \$\$"; exit $?'
	refuses 'exec: "no-such": executable file not found in \$PATH' run $busybox a no-such
	refuses 'permission denied' run $busybox a /etc/passwd
	check "no container" prints "" c container ls -q
}
step_called_runc() {
	check "without a name" prints named c run --rm --snapshotter native $busybox a echo named
}
# ---- life ------------------------------------------------------------------------------------------------------------
step_run_detached() {
	check "started" start a --pid-file "$dir/pid" --mount "type=bind,src=$dir/volume,dst=/v,options=rbind:rw" --label color=blue -- sh -c "$loop"
	check "runs" task_is a RUNNING
	check "its process" kill -0 "$(cat "$dir/pid")"
	check "the pid that ctr knows" test "$(c task ls | awk '$1 == "a" { print $2 }')" = "$(cat "$dir/pid")"
	wait_until 5 "it is ready" heard ready
}
step_labels() {
	shows '"color": "blue"' c container info a
	check "one more" c container label a shape=round
	shows '^a ' c container ls 'labels.shape==round'
}
step_exec() {
	check "output" prints inside x a echo inside
	check "status" status 9 x a sh -c 'exit 9'
	check "user" prints 1000:1000 c task exec --exec-id u --user 1000:1000 a sh -c 'echo $(id -u):$(id -g)'
	check "directory" prints /tmp c task exec --exec-id d --cwd /tmp a pwd
	refuses "not found" x a no-such-program
	check "standard input" prints typed sh -c "'$dir/feed' typed | timeout 20 ctr --address '$socket' task exec --exec-id stdin a sh -c 'touch /v/up; cat'"
}
step_exec_detached() {
	check "exec" c task exec -d --exec-id later a touch /tmp/later
	wait_until 5 "it ran" heard later
}
step_many_execs() {
	pids=""
	for i in 1 2 3 4 5 6; do
		c task exec --exec-id "m$i" a sh -c "exit $i" >"$dir/many.$i" 2>&1 &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086	# a list of numbers
	numbered $pids
}
step_ps() {
	c task ps a >"$dir/ps"
	check "its first process" grep -q "^$(cat "$dir/pid") " "$dir/ps"
}
step_metrics() {
	shows '^pids.current' c task metrics a
	c task metrics --format json a >"$dir/metrics"
	check "JSON" python3 -c "import json, sys; json.load(open('$dir/metrics'))"
}
step_kill_with_a_signal() {
	check "kill" c task kill -s USR1 a
	wait_until 5 "it heard" heard usr1
	check "still runs" task_is a RUNNING
}
step_pause() {
	check "pause" c task pause a
	check "paused" task_is a PAUSED
	refuses "paused" x a true
	check "resume" c task resume a
	check "runs" task_is a RUNNING
	check "and works" x a true
}
step_no_second_of_that_name() {
	refuses "already exists" start a -- true
	check "the first runs on" task_is a RUNNING
}
step_checkpoint_is_refused() {
	refuses "checkpoint" c task checkpoint --image-path "$dir/checkpoint" a
	check "still runs" task_is a RUNNING
}
step_a_new_containerd_finds_it() {
	kill "$containerd"
	wait "$containerd" 2>/dev/null
	check "it runs on" kill -0 "$(cat "$dir/pid")"
	start_containerd
	check "known" task_is a RUNNING
	check "and works" prints inside x a echo inside
}
step_delete_is_refused_while_it_runs() {
	refuses "must be stopped|cannot delete|running" c task delete a
	refuses "running task|cannot delete" c container delete a
}
step_stop_by_signal() {
	check "kill" c task kill -s TERM a
	wait_until 5 "stopped" task_is a STOPPED
	shows "exit code 5" c task delete a
	check "its process is gone" sh -c "! kill -0 $(cat "$dir/pid") 2>/dev/null"
	refuses "not found|no running task" c task kill a
}
step_start_again() {
	check "start" c task start -d a
	check "runs" task_is a RUNNING
	check "the layer is kept" x a test -e /tmp/usr1
	check "end" end a
}
step_create_then_start() {
	check "create" c container create --snapshotter native -- $busybox made sh -c 'echo made; exit 8'
	check "no task yet" prints "" c task ls -q
	check "start and attach" status 8 c task start made
	check "its output" grep -qx made "$dir/status"
	check "removed" c container delete made
}
step_run_with_a_terminal() {
	# ctr tells the size when the program runs already
	typed '# ' 'tty; until stty size | grep "33 91"; do sleep 0.05; done; exit 4\n' -- ctr --address "$socket" run --rm -t --snapshotter native --runc-binary "$runtime" \
		$busybox tt sh >"$dir/typed" 2>&1
	check "its status" test $? = 4
	check "a terminal" grep -q '^/dev/pts/0' "$dir/typed"
	check "of that size" grep -q '^33 91' "$dir/typed"
}
step_exec_with_a_terminal() {
	check "start" start te -- sleep 100
	typed '# ' 'tty; exit 6\n' -- ctr --address "$socket" task exec -t --exec-id t1 te sh >"$dir/typed" 2>&1
	check "its status" test $? = 6
	check "a terminal" grep -q '^/dev/pts/0' "$dir/typed"
	check "end" end te
}
step_attach() {
	# ctr wants a terminal, even to start what runs in the background
	check "start" typed -- ctr --address "$socket" run -d -t --snapshotter native --runc-binary "$runtime" $busybox at \
		sh -c 'trap "echo interrupted; exit 9" INT; while :; do echo tick; sleep 0.1; done'
	typed tick '\x03' -- ctr --address "$socket" task attach at >"$dir/typed" 2>&1
	check "its status" test $? = 9
	check "it was interrupted" grep -q interrupted "$dir/typed"
	c task delete at >/dev/null 2>&1
	check "removed" c container delete at
}
# ---- what a process is given -----------------------------------------------------------------------------------------
step_environment() {
	check "one" prints blue run --env SKY=blue $busybox a sh -c 'echo $SKY'
	echo SEA=green >"$dir/env"
	check "a file" prints green run --env-file "$dir/env" $busybox a sh -c 'echo $SEA'
}
step_directory() {
	check "there" prints /var/www run --cwd /var/www $busybox a pwd
	check "made when missing" prints /made/here run --cwd /made/here $busybox a pwd
}
step_capabilities() {
	check "one less" prints 00000000a80405fb run --cap-drop CAP_NET_RAW $busybox a sed -n 's/^CapBnd:\t//p' /proc/self/status
	check "one more" run --cap-add CAP_SYS_ADMIN $busybox a mount -t tmpfs t /tmp
	refuses "not permitted|denied" run $busybox a mount -t tmpfs t /tmp
}
step_no_new_privileges() {
	check "set" prints 1 run $busybox a sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
	check "unless asked" prints 0 run --allow-new-privs $busybox a sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
}
step_seccomp() {
	check "the default filter" prints 2 run --seccomp $busybox a sed -n 's/^Seccomp:\t//p' /proc/self/status
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}' >"$dir/seccomp.json"
	refuses "not supported|Not supported" run --seccomp --seccomp-profile "$dir/seccomp.json" $busybox a mkdir /x
}
step_privileged() {
	check "mounts and devices" run --privileged $busybox a sh -c 'mount -t tmpfs t /tmp && test "$(sed -n "s/^CapBnd:\t//p" /proc/self/status)" = '"$(sed -n 's/^CapBnd:\t//p' /proc/self/status)"
}
# ---- files -----------------------------------------------------------------------------------------------------------
step_mounts() {
	echo outside >"$dir/volume/file"
	check "read" prints outside run --mount "type=bind,src=$dir/volume,dst=/v,options=rbind:ro" $busybox a cat /v/file
	refuses "Read-only" run --mount "type=bind,src=$dir/volume,dst=/v,options=rbind:ro" $busybox a touch /v/no
	check "written" run --mount "type=bind,src=$dir/volume,dst=/v,options=rbind:rw" $busybox a sh -c 'echo inside >/v/new'
	check "and seen outside" test "$(cat "$dir/volume/new")" = inside
	shows ' /t tmpfs .*size=1024k' run --mount type=tmpfs,src=tmpfs,dst=/t,options=size=1m:mode=700 $busybox a grep ' /t ' /proc/mounts
}
step_read_only() {
	refuses "Read-only" run --read-only $busybox a touch /no
	check "reads" prints "hello from busybox" run --read-only $busybox a cat /var/www/index.html
}
step_rootfs_of_ones_own() {
	mkdir -p "$dir/rootfs"
	for blob in $(tar -tf build/images/busybox.tar | grep 'sha256/.'); do
		tar -xOf build/images/busybox.tar "$blob" | tar -C "$dir/rootfs" -xz 2>/dev/null && break
	done
	check "runs" prints own run --rootfs "$dir/rootfs" a /bin/echo own
}
step_device() {
	check "one more" prints "1 b" run --device /dev/kmsg $busybox a stat -c '%t %T' /dev/kmsg
	refuses "No such file" run $busybox a stat /dev/kmsg
}
step_masked_paths() {
	check "hidden" prints 0 run $busybox a sh -c 'cat /proc/kcore 2>/dev/null | head -c 9 | wc -c'
	refuses "Read-only" run $busybox a sh -c 'echo 1 >/proc/sys/kernel/panic'
}
step_propagation() {
	shows ' / / .*master:| / .*shared:' run --rootfs-propagation shared $busybox a cat /proc/self/mountinfo
}
# ---- namespaces ------------------------------------------------------------------------------------------------------
step_network() {
	check "its own" prints "lo:" run $busybox a sh -c 'sed -n "s/ *\([a-z0-9]*:\).*/\1/p" /proc/net/dev'
	check "the host's" prints "$(readlink /proc/self/ns/net)" run --net-host $busybox a readlink /proc/self/ns/net
}
step_namespace_by_path() {
	check "start" start first -- sleep 100
	pid=$(c task ls | awk '$1 == "first" { print $2 }')
	for kind in network ipc uts; do
		file=$(echo $kind | sed 's/network/net/')
		check "$kind" prints "$(readlink "/proc/$pid/ns/$file")" run --with-ns "$kind:/proc/$pid/ns/$file" $busybox a readlink "/proc/self/ns/$file"
	done
	check "processes" prints "sleep 100 " run --with-ns "pid:/proc/$pid/ns/pid" $busybox a sh -c 'tr "\0" " " </proc/1/cmdline'
	check "end" end first
}
step_user_namespace() {
	# the snapshot's files are given away by a copy of them
	check "a map" prints "0 100000 65536 0:0" run --uidmap 0:100000:65536 --gidmap 0:100000:65536 $busybox a sh -c \
		'echo $(cat /proc/self/uid_map) $(stat -c %u:%g /bin/busybox)'
}
step_cgroup() {
	check "start" start cg --cgroup /of-its-own -- sleep 100
	check "there" test -d /sys/fs/cgroup/of-its-own
	check "its process" sh -c "grep -q . /sys/fs/cgroup/of-its-own/cgroup.procs"
	check "end" end cg
	check "gone" test ! -d /sys/fs/cgroup/of-its-own
}
step_own_configuration() {
	(cd "$dir" && "$here/build/limpet-oci" spec) || echo "no spec"
	python3 - "$dir/config.json" "$dir/rootfs" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"].update(terminal=False, args=["sh", "-c", "hostname; id -u; ulimit -n"], user={"uid": 77, "gid": 78},
                    rlimits=[{"type": "RLIMIT_NOFILE", "soft": 123, "hard": 123}])
c["hostname"] = "from-a-file"
c["root"]["path"] = sys.argv[2]
c["annotations"] = {"org.test": "1"}
json.dump(c, open(sys.argv[1], "w"))
PY
	run --config "$dir/config.json" a >"$dir/own" 2>&1
	check "status" test $? = 0
	check "its words" test "$(tr '\n' ' ' <"$dir/own")" = "from-a-file 77 123 "
}
# ---- many, and what is told of them ----------------------------------------------------------------------------------
step_many_at_once() {
	pids=""
	for i in 1 2 3 4 5 6 7 8; do
		run $busybox "many$i" sh -c "exit $i" >"$dir/many.$i" 2>&1 &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086	# a list of numbers
	numbered $pids
}
step_events() {
	c events >"$dir/events" 2>&1 &
	watcher=$!
	number=0
	until grep -q /tasks/delete "$dir/events" || [ $number = 20 ]; do
		number=$((number + 1))
		run $busybox "ev$number" sh -c 'exit 3' >/dev/null 2>&1
	done
	kill $watcher
	wait $watcher 2>/dev/null
	for kind in create start exit delete; do
		check "$kind is told" grep -q "/tasks/$kind" "$dir/events"
	done
	check "with its status" grep -q '"exit_status":3' "$dir/events"
}
step_killed_from_outside() {
	check "start" start out -- sleep 100
	kill -9 "$(c task ls | awk '$1 == "out" { print $2 }')"
	wait_until 5 "seen" task_is out STOPPED
	shows "exit code 137" c task delete out
	check "removed" c container delete out
}
step_killed_shim() {
	check "start" start sh -- sleep 100
	pid=$(c task ls | awk '$1 == "sh" { print $2 }')
	kill -9 "$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")"
	wait_until 10 "containerd ends what it left" gone "$pid"
	c task delete sh >/dev/null 2>&1
	check "removed" c container delete sh
}
step_nothing_is_left() {
	check "no task" prints "" c task ls -q
	check "no container" prints "" c container ls -q
	kill "$containerd"
	wait "$containerd" 2>/dev/null
	wait_until 10 "no shim" sh -c "! pidof containerd-shim-runc-v2"
	check "no process" sh -c "! pidof sleep"
	check "no cgroup" test -z "$(find /sys/fs/cgroup -mindepth 1 -type d ! -name story ! -name default)"
	check "no mount" sh -c "! grep '$dir/' /proc/self/mountinfo"
	check "no state of ours" test -z "$(find /run/containerd/runc -mindepth 2 2>/dev/null)"
}
start_containerd
run_steps
finish

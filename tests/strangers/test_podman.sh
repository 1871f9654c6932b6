#!/bin/sh
# tests/strangers/test_podman.sh - podman with limpet-oci as its runtime, a storage of its own, no network and no registry.
#
# Env     LIMPET_STEPS, LIMPET_RUNTIME: see engine.sh
. "$(dirname "$0")/lib.sh"
own_cgroups=yes
enter "$@"
. tests/strangers/engine.sh
command -v podman >/dev/null && command -v conmon >/dev/null || skip "podman and conmon are not installed"

mkdir -p "$dir/home" "$dir/volume"
export HOME="$dir/home" CONTAINERS_CONF="$dir/containers.conf"
unset XDG_RUNTIME_DIR
# limits that may not be raised everywhere are not asked for
cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
p=$dir/podman
cat >"$p" <<SH
#!/bin/sh
exec timeout 60 podman --root "$dir/root" --runroot "$dir/runroot" --tmpdir "$dir/tmp" --storage-driver vfs --runtime "$runtime" "\$@"
SH
chmod +x "$p"
p() {
	"$p" "$@"
}
run() {
	p run --rm "$@"
}
state() {
	p inspect --format "{{.State.$2}}" "$1"
}
is() {
	test "$(state "$1" Status)" = "$2"
}
logged() {
	p logs "$1" 2>&1 | grep -q -- "$2"
}
loop='trap "echo got TERM; exit 5" TERM; trap "echo got USR1" USR1; echo ready; while :; do sleep 0.05; done'

# ---- images and first runs -------------------------------------------------------------------------------------------
step_load() {
	check "an archive is loaded" p load -q -i build/images/busybox-docker.tar
	check "and there" p image exists $busybox
}
step_info() {
	shows '^limpet-oci version [0-9.]+' p info --format '{{.Host.OCIRuntime.Version}}'
}
step_run_rm() {
	check "its output" prints hello run $busybox echo hello
	check "nothing is left" prints "" p ps -aq
}
step_streams() {
	echo from stdin >"$dir/in"
	check "standard input" prints "from stdin" run -i $busybox cat <"$dir/in"
	run $busybox sh -c 'echo out; echo err >&2' >"$dir/out" 2>"$dir/err"
	check "standard output" test "$(cat "$dir/out")" = out
	check "standard error" test "$(cat "$dir/err")" = err
}
step_exit_status() {
	check "the program's" status 42 run $busybox sh -c 'exit 42'
	check "a signal's" status 143 run $busybox sh -c 'sh -c "kill -15 \$\$"; exit $?'
	check "podman's own" status 125 run --no-such-option $busybox true
	check "not executable" status 126 run $busybox /etc/passwd
	check "not found" status 127 run $busybox no-such-program
	check "no such directory" status 127 run -v "$dir/volume:/v" $busybox /v/nothing
}
# ---- life ------------------------------------------------------------------------------------------------------------
step_run_detached() {
	check "started" p run -d --name a $busybox sh -c "$loop"
	check "runs" is a running
	wait_until 10 "it is ready" logged a ready
	check "its process is alive" kill -0 "$(state a Pid)"
}
step_exec() {
	check "output" prints inside p exec a echo inside
	check "status" status 9 p exec a sh -c 'exit 9'
	check "not found" status 127 p exec a no-such-program
	check "not executable" status 126 p exec a /etc/passwd
	check "user, directory, environment" prints "1000:1000 /tmp blue" p exec -u user -w /tmp -e SKY=blue a sh -c 'echo $(id -u):$(id -g) $(pwd) $SKY'
	check "standard input" prints typed sh -c "echo typed | '$p' exec -i a cat"
	check "detached" p exec -d a touch /tmp/detached
	wait_until 5 "it ran" p exec a test -e /tmp/detached
	check "with every right that we have" prints "$(sed -n 's/^CapBnd:\t//p' /proc/self/status)" p exec --privileged a sed -n 's/^CapBnd:\t//p' /proc/self/status
}
step_top_and_ps() {
	shows '^1 +.*sleep|^1 +.*sh' p top a pid comm
	shows '^a Up' p ps --format '{{.Names}} {{.Status}}'
}
step_inspect() {
	check "its runtime" prints "$runtime" p inspect --format '{{.OCIRuntime}}' a
	check "running" prints "true 0" p inspect --format '{{.State.Running}} {{.State.ExitCode}}' a
	check "the pid file" test "$(cat "$(p inspect --format '{{.PidFile}}' a)")" = "$(state a Pid)"
}
step_kill_with_a_signal() {
	check "kill" p kill -s USR1 a
	wait_until 5 "it heard" logged a "got USR1"
	check "still runs" is a running
}
step_pause() {
	check "pause" p pause a
	check "paused" is a paused
	refuses "state improper|paused" p exec a true
	check "unpause" p unpause a
	check "runs" is a running
	check "and works" p exec a true
}
step_attach() {
	# ^P ^Q leaves it running; podman takes each only when it comes alone
	check "start" p run -dit --name att $busybox sh -c '(while :; do echo tick; sleep 0.1; done) & exec sh'
	typed tick 'echo "rows $(stty size)"\n' 'rows 33 91' '\x10' tick '\x11' -- "$p" attach att >"$dir/typed" 2>&1
	check "attached and detached" test $? = 0
	check "it has the terminal's size" grep -q 'rows 33 91' "$dir/typed"
	check "still runs" is att running
	check "removed" p rm -f -t 0 att
}
step_stop_by_signal() {
	check "stop" p stop -t 10 a
	check "it heard" logged a "got TERM"
	check "its status" prints "exited 5" p inspect --format '{{.State.Status}} {{.State.ExitCode}}' a
}
step_start_again() {
	check "start" p start a
	wait_until 10 "ready twice" sh -c "[ \$('$p' logs a 2>&1 | grep -c ready) = 2 ]"
	first=$(state a Pid)
	check "restart" p restart -t 5 a
	check "another process" test "$(state a Pid)" != "$first"
	check "a writable layer is kept" p exec a test -e /tmp/detached
}
step_stop_by_force() {
	check "start" p run -d --name deaf $busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	check "stop" p stop -t 1 deaf
	check "killed" prints 137 state deaf ExitCode
	check "removed" p rm deaf
}
step_wait() {
	check "start" p run -d --name w $busybox sh -c 'sleep 0.3; exit 17'
	check "its status" prints 17 p wait w
	check "removed" p rm w
}
step_remove_by_force() {
	refuses "running|state improper" p rm a
	check "by force" p rm -f -t 0 a
	refuses "no such|no container" p inspect a
}
step_restart_policy() {
	check "start" p run -d --name again --restart on-failure:2 $busybox sh -c 'echo run >>/tmp/runs; exit 3'
	wait_until 15 "restarted twice" test_restarts again 2
	check "ends with its status" prints "exited 3" p inspect --format '{{.State.Status}} {{.State.ExitCode}}' again
	check "three runs" prints 3 sh -c "wc -l <\"\$0\"/tmp/runs" "$(p mount again)"
	p umount again >/dev/null
	check "removed" p rm again
}
test_restarts() {
	test "$(p inspect --format '{{.RestartCount}} {{.State.Status}}' "$1")" = "$2 exited"
}
step_logs() {
	check "start" p run --name l $busybox sh -c 'for i in 1 2 3 4; do echo line $i; done'
	check "the last" prints "line 4" p logs --tail 1 l
	shows '^20..-..-..T.* line 1$' p logs -t l
	check "removed" p rm l
}
step_create_then_start() {
	check "create" p create --name c $busybox sh -c 'exit 8'
	check "created" is c created
	check "started and attached" status 8 p start -a c
	check "init" p init c
	check "initialized" is c initialized
	check "removed" p rm c
}
# ---- terminals -------------------------------------------------------------------------------------------------------
step_run_with_a_terminal() {
	typed '# ' 'tty; stty size; exit 4\n' -- "$p" run --rm -it $busybox sh >"$dir/typed" 2>&1
	check "its status" test $? = 4
	check "a terminal" grep -q '^/dev/pts/0' "$dir/typed"
	check "of that size" grep -q '^33 91' "$dir/typed"
	check "and output only" prints "a terminal" run -t $busybox sh -c 'test -t 1 && printf "a terminal"'
}
step_exec_with_a_terminal() {
	check "start" p run -d --name t $busybox sleep 100
	typed '# ' 'tty; echo $TERM; id -u; exit 6\n' -- "$p" exec -it -u user t sh -c "PS1='# ' exec sh" >"$dir/typed" 2>&1
	check "its status" test $? = 6
	check "a terminal" grep -q '^/dev/pts/0' "$dir/typed"
	check "its user" grep -q '^1000' "$dir/typed"
	check "removed" p rm -f -t 0 t
}
# ---- what a process is given -----------------------------------------------------------------------------------------
step_user_directory_environment_hostname() {
	check "by name" prints "1000:1000" run --user user $busybox sh -c 'echo $(id -u):$(id -g)'
	check "by number" prints "7:8 Groups: 8 9" run --user 7:8 --group-add 9 $busybox sh -c 'echo $(id -u):$(id -g) $(grep Groups /proc/self/status)'
	check "directory" prints /var/www run --workdir /var/www $busybox pwd
	check "environment" prints "b c" run --env A=b -e D=c $busybox sh -c 'echo $A $D'
	check "host name" prints "box box" run --hostname box $busybox sh -c 'echo $(hostname) $HOSTNAME'
	refuses "no-such" run --user no-such $busybox true
}
step_init() {
	shows 'podman-init|catatonit' run --init $busybox sh -c 'tr "\0" " " </proc/1/cmdline'
}
step_ulimit() {
	check "files" prints "100 200" run --ulimit nofile=100:200 --ulimit nproc=64:64 $busybox sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)'
}
step_oom_score() {
	check "higher" prints 500 run --oom-score-adj 500 $busybox cat /proc/self/oom_score_adj
}
step_capabilities() {
	check "none" prints 0000000000000000 run --cap-drop all $busybox sed -n 's/^CapEff:\t//p' /proc/self/status
	check "one" prints 0000000000001000 run --cap-drop all --cap-add net_admin $busybox sed -n 's/^CapBnd:\t//p' /proc/self/status
	check "a user has none" prints 0000000000000000 run --user 1000 $busybox sed -n 's/^CapEff:\t//p' /proc/self/status
}
step_no_new_privileges() {
	check "unless asked for" prints 0 run $busybox sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
	check "set" prints 1 run --security-opt no-new-privileges $busybox sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
}
step_seccomp() {
	check "a filter" prints 2 run $busybox sed -n 's/^Seccomp:\t//p' /proc/self/status
	check "none" prints 0 run --security-opt seccomp=unconfined $busybox sed -n 's/^Seccomp:\t//p' /proc/self/status
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}' >"$dir/seccomp.json"
	refuses "Not supported|not supported" run --security-opt seccomp="$dir/seccomp.json" $busybox mkdir /x
}
step_privileged() {
	check "every capability we have" prints yes run --privileged $busybox sh -c 'mount -t tmpfs t /tmp && test -e /dev/kmsg -o -e /dev/null && echo yes'
}
# ---- files -----------------------------------------------------------------------------------------------------------
step_volumes() {
	echo outside >"$dir/volume/file"
	check "read" prints outside run -v "$dir/volume:/v" $busybox cat /v/file
	check "written" run -v "$dir/volume:/v" $busybox sh -c 'echo inside >/v/new'
	check "and seen outside" test "$(cat "$dir/volume/new")" = inside
	refuses "Read-only" run -v "$dir/volume:/v:ro" $busybox touch /v/no
	check "named" p volume create vol
	check "filled" run -v vol:/v $busybox sh -c 'echo kept >/v/f'
	check "kept" prints kept run -v vol:/v $busybox cat /v/f
	check "removed" p volume rm vol
}
step_tmpfs_and_mount() {
	shows ' /t tmpfs rw,.*size=1024k.*' run --tmpfs /t:rw,size=1m,mode=1777 $busybox grep ' /t ' /proc/mounts
	check "bind by --mount" prints outside run --mount "type=bind,src=$dir/volume,dst=/v,ro=true" $busybox cat /v/file
	check "a single file" prints outside run -v "$dir/volume/file:/etc/one:ro" $busybox cat /etc/one
}
step_propagation() {
	mkdir "$dir/shared"
	mount -t tmpfs shared "$dir/shared" && mount --make-shared "$dir/shared"
	shows ' /v .*master:' run -v "$dir/shared:/v:rslave" $busybox grep ' /v ' /proc/self/mountinfo
	check "what is mounted later is seen" p run -d --name prop -v "$dir/shared:/v:rslave" $busybox sleep 100
	mkdir "$dir/shared/late" && mount -t tmpfs late "$dir/shared/late" && touch "$dir/shared/late/file"
	check "it is" p exec prop test -e /v/late/file
	check "removed" p rm -f -t 0 prop
	umount -R "$dir/shared"
}
step_read_only() {
	refuses "Read-only" run --read-only $busybox touch /no
	check "but there is room" run --read-only --tmpfs /tmp $busybox touch /tmp/yes
	check "root is kept" prints ro run --read-only $busybox sh -c 'awk "\$2 == \"/\" { print substr(\$4, 1, 2) }" /proc/mounts'
}
step_devices() {
	check "one more" prints "1 b" run --device /dev/kmsg:/dev/book:w $busybox stat -c '%t %T' /dev/book
	check "for writing" run --cap-add syslog --device /dev/kmsg:/dev/book:w $busybox sh -c ': >/dev/book'
	refuses "not permitted" run --cap-add syslog --device /dev/kmsg:/dev/book:w $busybox sh -c ': </dev/book'
	check "for reading" run --cap-add syslog --device /dev/kmsg:/dev/book:rw $busybox sh -c ': </dev/book'
	refuses "not permitted|denied" run --cap-add mknod $busybox sh -c 'mknod /tmp/k b 7 0 && cat /tmp/k'
}
step_shm_size() {
	shows ' /dev/shm tmpfs .*size=2048k' run --shm-size 2m $busybox grep /dev/shm /proc/mounts
}
step_masked_paths() {
	check "hidden" prints 0 run $busybox sh -c 'cat /proc/kcore 2>/dev/null | head -c 9 | wc -c'
	refuses "Read-only" run $busybox sh -c 'echo 1 >/proc/sys/kernel/panic'
}
step_copy_and_diff() {
	check "start" p run -d --name cp $busybox sleep 100
	check "in" p cp "$dir/volume/file" cp:/tmp/copied
	check "seen" prints outside p exec cp cat /tmp/copied
	check "out" p cp cp:/tmp/copied "$dir/back"
	check "same" cmp "$dir/volume/file" "$dir/back"
	shows '^A /tmp/copied' p diff cp
	check "commit" p commit -q cp limpet.local/copied
	check "its image" prints outside run limpet.local/copied cat /tmp/copied
	check "removed" p rm -f -t 0 cp
}
# ---- namespaces ------------------------------------------------------------------------------------------------------
step_user_namespace() {
	check "a map" prints "0 100000 65536" run --uidmap 0:100000:65536 --gidmap 0:100000:65536 $busybox sh -c 'echo $(cat /proc/self/uid_map)'
	check "its files are its own" prints "0 0" run --uidmap 0:100000:65536 --gidmap 0:100000:65536 $busybox stat -c '%u %g' /bin/busybox
	check "a volume too" run --uidmap 0:100000:65536 --gidmap 0:100000:65536 --tmpfs /t -v vol2:/v $busybox touch /v/f /t/f
	check "removed" p volume rm vol2
}
step_user_namespace_auto() {
	echo 'containers:200000:200000' >"$dir/subid"
	mount --bind "$dir/subid" /etc/subuid && mount --bind "$dir/subid" /etc/subgid || echo "no mount"
	shows '^0 2[0-9]{5} [0-9]+$' run --userns=auto $busybox sh -c 'echo $(cat /proc/self/uid_map)'
	umount /etc/subuid /etc/subgid
}
step_namespaces_of_the_host() {
	check "pid" prints "$(readlink /proc/self/ns/pid)" run --pid=host $busybox readlink /proc/self/ns/pid
	check "uts" prints story run --uts=host $busybox hostname
	check "ipc" prints "$(readlink /proc/self/ns/ipc)" run --ipc=host $busybox readlink /proc/self/ns/ipc
	check "net" prints "$(readlink /proc/self/ns/net)" run --net=host $busybox readlink /proc/self/ns/net
	check "cgroup" prints "$(readlink /proc/self/ns/cgroup)" run --cgroupns=host $busybox readlink /proc/self/ns/cgroup
}
step_namespaces_of_another() {
	check "start" p run -d --name first $busybox sleep 100
	for kind in net ipc pid; do
		check "$kind" prints "$(p exec first readlink /proc/self/ns/$kind)" run --$kind=container:first $busybox readlink /proc/self/ns/$kind
	done
	check "it sees the other's processes" run --pid=container:first $busybox sh -c 'tr "\0" " " </proc/1/cmdline | grep -q "sleep 100"'
	check "removed" p rm -f -t 0 first
}
step_sysctl() {
	check "net" prints 17 run --sysctl net.ipv4.ip_default_ttl=17 $busybox cat /proc/sys/net/ipv4/ip_default_ttl
	check "ipc" prints 1234 run --sysctl kernel.msgmax=1234 $busybox cat /proc/sys/kernel/msgmax
}
# ---- health, pods, events --------------------------------------------------------------------------------------------
step_health() {
	check "start" p run -d --name h --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 $busybox sleep 100
	check "not yet" status 1 p healthcheck run h
	check "it says so" prints unhealthy p inspect --format '{{.State.Healthcheck.Status}}' h
	check "made well" p exec h touch /tmp/well
	check "now" status 0 p healthcheck run h
	check "it says so" prints healthy p inspect --format '{{.State.Healthcheck.Status}}' h
	check "removed" p rm -f -t 0 h
}
step_pod() {
	# without a cgroup of its own: podman 4.3 makes one in which no device may be opened, whatever the runtime
	check "create" p pod create --name pod --share-parent=false --infra-image $busybox --infra-command "sleep 1000" --share net,ipc,uts,pid
	check "one" p run -d --pod pod --name one $busybox sleep 100
	check "two" p run -d --pod pod --name two $busybox sh -c "$loop"
	for kind in net ipc uts pid; do
		check "they share $kind" prints "$(p exec one readlink /proc/self/ns/$kind)" p exec two readlink /proc/self/ns/$kind
	done
	check "host name" prints pod p exec one hostname
	check "stop" p pod stop -t 1 pod
	check "exited" is two exited
	check "start" p pod start pod
	check "runs" is one running
	check "removed" p pod rm -f -t 0 pod
}
step_many_at_once() {
	pids="" number=0
	while [ $number -lt 5 ]; do
		number=$((number + 1))
		p run --rm $busybox sh -c "exit $number" >"$dir/many.$number" 2>&1 &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086	# a list of numbers
	numbered $pids
}
step_preserved_descriptors() {
	check "a descriptor more" prints through sh -c "'$p' run --rm --preserve-fds 1 $busybox sh -c 'cat <&3' 3<<X
through
X"
}
step_events() {
	p events --stream=false --filter event=died >"$dir/events" 2>&1
	shows 'container died' cat "$dir/events"
}
step_named_in_the_configuration() {
	# what podman then passes: --log-format json, and --cgroup-manager disabled
	sed "s|^\[engine\]|&\nruntime_supports_json = [\"limpet-oci\"]\nruntime_supports_nocgroup = [\"limpet-oci\"]|" "$CONTAINERS_CONF" >"$dir/named.conf"
	printf '[engine.runtimes]\nlimpet-oci = ["%s"]\n' "$runtime" >>"$dir/named.conf"
	before_it=$CONTAINERS_CONF
	CONTAINERS_CONF=$dir/named.conf
	check "run" prints named p --runtime limpet-oci run --rm $busybox echo named
	check "not found" status 127 p --runtime limpet-oci run --rm $busybox no-such-program
	check "in words, not JSON" grep -q 'executable file not found in $PATH: OCI runtime' "$dir/status"
	check "without cgroups" prints "$(sed -n 's/^0:://p' /proc/self/cgroup)" p --runtime limpet-oci run --rm --cgroups disabled --cgroupns host \
		$busybox sed -n 's/^0:://p' /proc/self/cgroup
	CONTAINERS_CONF=$before_it
}
# ---- without root ----------------------------------------------------------------------------------------------------
step_ordinary_user() {
	command -v newuidmap >/dev/null || { echo "newuidmap is not installed"; failures=$((failures + 1)); return; }
	mkdir -p "$dir/user/run"
	cp -L "$runtime" "$dir/user/limpet-oci"
	cp "$CONTAINERS_CONF" build/images/busybox-docker.tar "$dir/user/"
	chmod 755 "$dir" "$dir/user/limpet-oci"
	chown -R 1234:1234 "$dir/user"
	chmod 700 "$dir/user/run"
	printf 'root:x:0:0:root:/root:/bin/sh\nstory:x:1234:1234::/:/bin/sh\n' >"$dir/passwd"
	echo story:300000:65536 >"$dir/subid"
	for file in passwd subuid subgid; do
		mount --bind "$dir/$(echo $file | sed 's/[ug]id/id/')" "/etc/$file" || echo "no mount"
	done
	cat >"$dir/user/podman" <<SH
#!/bin/sh
cd "$dir/user"
exec setpriv --reuid 1234 --regid 1234 --clear-groups env -i PATH=$PATH HOME=$dir/user XDG_RUNTIME_DIR=$dir/user/run CONTAINERS_CONF=$dir/user/containers.conf \\
	timeout 60 podman --root $dir/user/root --runroot $dir/user/run/root --tmpdir $dir/user/run/tmp --storage-driver vfs --runtime $dir/user/limpet-oci "\$@"
SH
	chmod 755 "$dir/user/podman"
	u=$dir/user/podman
	check "load" "$u" load -q -i "$dir/user/busybox-docker.tar"
	check "run" prints "0 0 1234 1 1 300000 65536" "$u" run --rm $busybox sh -c 'echo $(id -u) $(cat /proc/self/uid_map)'
	check "its status" status 7 "$u" run --rm $busybox sh -c 'exit 7'
	check "start" "$u" run -d --name a $busybox sleep 100
	check "exec" prints 0 "$u" exec a id -u
	check "its state is its own" test -n "$(ls "$dir/user/run/limpet-oci")"
	check "stop" "$u" stop -t 0 a
	check "removed" "$u" rm a
	check "reset" "$u" system reset -f
	umount /etc/passwd /etc/subuid /etc/subgid
}
# ---- the end ---------------------------------------------------------------------------------------------------------
step_nothing_is_left() {
	p rm -fa -t 0 >/dev/null 2>&1
	check "no container" prints "" p ps -aq
	check "no process" sh -c "! pidof conmon sleep"
	check "no cgroup" test -z "$(find /sys/fs/cgroup -type d -name 'libpod-*')"
	check "reset" p system reset -f
	check "no mount" sh -c "! grep '$dir/r' /proc/self/mountinfo"
	check "no state of ours" test -z "$(ls -A /run/limpet-oci 2>/dev/null)"
	check "no container in the storage" sh -c "! find '$dir/root' -name config.json 2>/dev/null | grep ."
}
run_steps
finish

# tests/strangers/lib.sh - for stories in which other people's programs meet a real `limpet up`. Source it first.
#
# Use     . "$(dirname "$0")/lib.sh"; enter "$@"; start_up; ...; check "what" command...; finish
# Never   check, shows, refuses or wait_until behind a pipe or in ( ): the subshell takes what it counted with it
# Inside  enter() runs the story again in mount, network, UTS, IPC and PID namespaces of its own: a /run of its own, one
#         link `lan0` with 10.99.0.1/24 and a default route. Whatever it starts dies with it. With own_cgroups=yes also a
#         cgroup namespace: /sys/fs/cgroup is cgroup v2, and the story's own.
# Ends    finish() says what failed; exit status 0, 1, or 77 with the reason as last line

enter() {
	story=$(readlink -f "$0")
	cd "$(dirname "$0")/../.." || exit 1
	if [ -z "${LP_STORY_INSIDE:-}" ]; then
		[ "$(id -u)" = 0 ] || skip "needs root"
		unshare -m -n -u -i -p --fork true 2>/dev/null || skip "may not make namespaces"
		LP_STORY_DIR=$(mktemp -d) || exit 1
		export LP_STORY_DIR LP_STORY_INSIDE=1
		LP_STORY_CGROUP=limpet-story-$$
		export LP_STORY_CGROUP
		set -- -m -n -u -i -p --fork --kill-child --mount-proc --propagation private sh "$story" "$@"
		if [ -n "${own_cgroups:-}" ]; then
			with_own_cgroup unshare "$@"
		else
			unshare "$@"
		fi
		rc=$?
		clean_cgroup
		rm -rf --one-file-system "$LP_STORY_DIR"
		exit $rc
	fi
	dir=$LP_STORY_DIR
	failures=0 checks=0
	mount -t tmpfs run /run || exit 1
	mkdir -p /run/netns
	[ -z "${own_cgroups:-}" ] || mount_own_cgroups
	hostname story
	ip link set lo up
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad	# addresses are there at once, or before and after differ
	ip link add lan0 type veth peer name lan1	# not every kernel has dummy links
	ip addr add 10.99.0.1/24 dev lan0
	ip link set lan0 up
	ip link set lan1 up
	ip route add default via 10.99.0.254
}

skip() {
	echo "$*"
	exit 77
}

# The first cgroup v2 mount of the machine, and our own directory there, which is removed with all below it.
cgroup_root() {
	awk '$(NF-2) == "cgroup2" { print $5; exit }' /proc/self/mountinfo
}
# For programs that want /sys/fs/cgroup to be cgroup v2 and theirs: own_cgroups=yes before enter().
with_own_cgroup() {
	root=$(cgroup_root)
	[ -n "$root" ] || skip "needs cgroup v2"
	mkdir -p "$root/$LP_STORY_CGROUP/story" || exit 1
	sh -c 'echo 0 >"$0/cgroup.procs" && exec unshare -C sh -c "echo 0 >\"\$0/story/cgroup.procs\" && exec \"\$@\"" "$0" "$@"' \
		"$root/$LP_STORY_CGROUP" "$@"
}
mount_own_cgroups() {
	umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1
}
clean_cgroup() {
	root=$(cgroup_root)
	[ -n "$root" ] && [ -d "$root/$LP_STORY_CGROUP" ] || return 0
	echo 1 2>/dev/null >"$root/$LP_STORY_CGROUP/cgroup.kill"
	tries=0
	while [ -d "$root/$LP_STORY_CGROUP" ] && [ $tries -lt 50 ]; do
		find "$root/$LP_STORY_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
		tries=$((tries + 1))
		[ ! -d "$root/$LP_STORY_CGROUP" ] || sleep 0.1
	done
	[ ! -d "$root/$LP_STORY_CGROUP" ] || echo "cgroup $root/$LP_STORY_CGROUP could not be removed"
}

# Starts `limpet up` with more options if wanted and waits until it is ready; the pid is in $up.
start_up() {
	limpet=$PWD/build/limpet
	[ -x "$limpet" ] || skip "build/limpet is not built"
	root=$(cgroup_root)
	mkdir -p "$dir/up"
	: >"$dir/up.log"
	[ -z "$root" ] || mkdir -p "$root/$LP_STORY_CGROUP"
	"$limpet" up --data-dir "$dir/up" --listen 127.0.0.1:6443 --node-name story \
		${root:+--cgroup-root "$root/$LP_STORY_CGROUP"} "$@" >"$dir/up.log" 2>&1 </dev/null &
	up=$!
	export KUBECONFIG=$dir/up/admin.kubeconfig
	wait_until 30 "limpet up is ready" grep -qx ready "$dir/up.log" || { cat "$dir/up.log"; exit 1; }
}
# For an agent without a manager: its cgroup and folders; then, as often as wanted, the agent. Instance "story", pid in $agent, words in $dir/up.log.
place_standalone() {
	limpet=$PWD/build/limpet
	[ -x "$limpet" ] || skip "build/limpet is not built"
	root=$(cgroup_root)
	[ -n "$root" ] || skip "no cgroup v2"
	mkdir -p "$root/$LP_STORY_CGROUP" "$dir/data" "$dir/manifests"
}
start_standalone() {
	"$limpet" agent --standalone --manifests "$dir/manifests" --data-dir "$dir/data" --instance story --node-name alone \
		--cgroup-root "$root/$LP_STORY_CGROUP" >>"$dir/up.log" 2>&1 </dev/null &
	agent=$!
}
stop_up() {
	kill "$up" 2>/dev/null
	wait_until 30 "limpet up has ended" gone "$up"
	wait "$up"
	check "limpet up ends with status 0" test $? = 0
}
gone() {
	! kill -0 "$1" 2>/dev/null || [ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)" = Z ]
}

# wait_until SECONDS WHAT command...   bounded; a failure is reported and counted
wait_until() {
	left=$(($1 * 10)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		if [ $left -le 0 ]; then
			echo "NOT WITHIN ITS TIME: $what"
			failures=$((failures + 1))
			return 1
		fi
		sleep 0.1
	done
	checks=$((checks + 1))
}

# check WHAT command...   the command must succeed; its output is shown when it does not
check() {
	what=$1
	shift
	if "$@" >"$dir/check" 2>&1; then
		checks=$((checks + 1))
	else
		echo "FAILED: $what: $*"
		sed 's/^/    /' "$dir/check"
		failures=$((failures + 1))
	fi
}

# shows PATTERN command...   its output must match the extended regular expression
shows() {
	pattern=$1
	shift
	"$@" >"$dir/shows" 2>&1
	if grep -qE -- "$pattern" "$dir/shows"; then
		checks=$((checks + 1))
	else
		echo "FAILED: no /$pattern/ in the output of: $*"
		sed 's/^/    /' "$dir/shows"
		failures=$((failures + 1))
	fi
}

# refuses PATTERN command...   it must fail, with these words
refuses() {
	pattern=$1
	shift
	if "$@" >"$dir/refuses" 2>&1; then
		echo "FAILED: succeeded but should be refused: $*"
		failures=$((failures + 1))
	elif ! grep -qE -- "$pattern" "$dir/refuses"; then
		echo "FAILED: refused without /$pattern/: $*"
		sed 's/^/    /' "$dir/refuses"
		failures=$((failures + 1))
	else
		checks=$((checks + 1))
	fi
}

finish() {
	if [ "$failures" != 0 ]; then
		echo "--- the end of limpet up's log"
		tail -n 30 "$dir/up.log" 2>/dev/null
		echo "$failures of $((failures + checks)) checks failed"
		exit 1
	fi
	echo "$checks checks"
	exit 0
}

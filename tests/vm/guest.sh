# tests/vm/guest.sh - for cases that run limpet in the virtual machine; part of the case, sourced by its `run`.
#
# Use     . /lab/guest.sh; disk_up; start_up; check "what" command...; wait_until 30 "what" command...; finish

failures=0
data=/mnt/data
export KUBECONFIG=$data/admin.kubeconfig

# The first disk, with a file system made by the host, at /mnt; the node's data is on it.
disk_up() {
	mount -t ext4 -o noatime /dev/vda /mnt || { echo "no disk"; exit 1; }
	mkdir -p $data
	link_up
}
link_up() {
	ip link add lan0 type dummy && ip addr add 10.99.0.1/24 dev lan0 && ip link set lan0 up && ip route add default via 10.99.0.254
}

# role and its options; the log is kept as a result
start() {
	log=/lab/out/$1.log
	limpet "$@" --data-dir $data >$log 2>&1 &
	started=$!
}
start_up() {
	start up --listen 127.0.0.1:6443 --node-name lab "$@"
	up=$started
	wait_until 60 "limpet up is ready" grep -qx ready /lab/out/up.log || { tail -n 30 /lab/out/up.log; exit 1; }
}

wait_until() {
	left=$(($1 * 5)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		if [ $left -le 0 ]; then
			echo "NOT WITHIN ITS TIME: $what"
			failures=$((failures + 1))
			return 1
		fi
		sleep 0.2
	done
}
check() {
	what=$1
	shift
	if ! "$@" >/tmp/check 2>&1; then
		echo "FAILED: $what: $*"
		sed 's/^/    /' /tmp/check
		failures=$((failures + 1))
	fi
}
shows() {	# pattern, command...
	pattern=$1
	shift
	"$@" >/tmp/shows 2>&1
	if ! grep -qE -- "$pattern" /tmp/shows; then
		echo "FAILED: no /$pattern/ in the output of: $*"
		sed 's/^/    /' /tmp/shows
		failures=$((failures + 1))
	fi
}
finish() {
	[ $failures = 0 ] || { echo "$failures checks failed"; tail -n 20 /lab/out/*.log; exit 1; }
	exit 0
}

#!/bin/sh
# tests/strangers/test_three_nodes.sh - three nodes on one LAN: pods reach each other and every kind of service from everywhere, names
# are what dig and busybox expect, and a node that lost the manager restarts its agent without losing a request.
. "$(dirname "$0")/lib.sh"
enter "$@"
limpet=$PWD/build/limpet
[ -x "$limpet" ] || skip "build/limpet is not built"
for program in curl dig dnsmasq nsenter; do
	command -v "$program" >/dev/null || skip "needs $program"
done
root=$(cgroup_root)
[ -z "$root" ] || mkdir -p "$root/$LP_STORY_CGROUP"

on() {	# on NODE command...
	node=$1
	shift
	nsenter --net="/run/netns/n$node" "$@"
}
cgroup_of() {
	[ -z "$root" ] || { mkdir -p "$root/$LP_STORY_CGROUP/n$1" && echo "--cgroup-root $root/$LP_STORY_CGROUP/n$1"; }
}
start_agent() {	# without on(): $! must be the agent
	nsenter --net="/run/netns/n$1" "$limpet" agent --data-dir "$dir/n$1" --run-dir "/run/n$1" $(cgroup_of "$1") >>"$dir/n$1.log" 2>&1 </dev/null &
	eval "agent$1=$!"
}

# ---- the LAN, with a resolver that knows a name of its own
ip link add lanbr type bridge
ip addr add 192.168.77.1/24 dev lanbr
ip link set lanbr up
for n in 1 2 3; do
	ip netns add n$n
	ip link add port$n type veth peer name eth0 netns n$n
	ip link set port$n master lanbr up
	ip -n n$n link set lo up
	ip -n n$n link set eth0 up
	ip -n n$n addr add 192.168.77.1$n/24 dev eth0
	ip -n n$n route add default via 192.168.77.1
done
echo "nameserver 192.168.77.1" >"$dir/resolv.conf"
mount --bind "$dir/resolv.conf" /etc/resolv.conf
dnsmasq --no-daemon --no-hosts --no-resolv --bind-interfaces --listen-address=192.168.77.1 --user=root --pid-file= \
	--address=/far.test/192.0.2.7 >"$dir/dnsmasq.log" 2>&1 &

# ---- the cluster
for n in 1 2 3; do
	for image in nodejs-app busybox; do
		check "image $image on n$n" "$limpet" image load --data-dir "$dir/n$n" build/images/$image.tar
	done
done
: >"$dir/up.log"
on 1 "$limpet" up --data-dir "$dir/n1" --run-dir /run/n1 --node-name n1 --listen 192.168.77.11:6443 $(cgroup_of 1) >"$dir/up.log" 2>&1 </dev/null &
wait_until 30 "limpet up is ready" grep -qx ready "$dir/up.log" || { cat "$dir/up.log"; exit 1; }
export KUBECONFIG=$dir/n1/admin.kubeconfig
for n in 2 3; do
	token=$(on 1 "$limpet" token create | grep -o 'lp1\.[^ ]*' | head -1)
	check "n$n joins" on $n "$limpet" join https://192.168.77.11:6443 --data-dir "$dir/n$n" --token "$token" --node-name n$n
	start_agent $n
done
{
	cat <<YAML
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 3000, nodePort: 30001}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: edge}, spec: {type: NodePort, selector: {edge: "yes"}, ports: [{port: 80, targetPort: 3000, nodePort: 30002}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: only3}, spec: {type: NodePort, externalTrafficPolicy: Local, selector: {name: w3}, ports: [{port: 80, targetPort: 3000, nodePort: 30003}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: all}, spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 3000}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: alias}, spec: {type: ExternalName, externalName: www.far.test}}
---
{apiVersion: v1, kind: Service, metadata: {name: nobody}, spec: {type: NodePort, selector: {app: nobody}, ports: [{port: 80, nodePort: 30004}]}}
YAML
	for n in 1 2 3; do
		[ $n = 1 ] && edge=no || edge=yes
		cat <<YAML
---
{apiVersion: v1, kind: Pod, metadata: {name: w$n, labels: {app: web, name: w$n, edge: "$edge"}}, spec: {nodeName: n$n, hostname: w$n, subdomain: all, terminationGracePeriodSeconds: 1,
  containers: [{name: c, image: "limpet.local/nodejs-app:latest"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c$n}, spec: {nodeName: n$n, terminationGracePeriodSeconds: 1,
  containers: [{name: c, image: "limpet.local/busybox:latest", command: [sleep, "10000$n"]}]}}
YAML
	done
} >"$dir/app.yaml"
check "objects are made" on 1 "$limpet" apply -f "$dir/app.yaml"
all_run() {
	[ "$(on 1 "$limpet" get pods --no-headers | grep -c ' Running ')" = 6 ]
}
wait_until 60 "six pods run" all_run
all_listen() {
	for pod in 1 2 3; do
		curl -sS --max-time 1 "http://$(on 1 "$limpet" get pod w$pod -o 'jsonpath={.status.podIP}'):3000/" || return 1
	done
}
for n in 1 2 3; do
	ip route add 10.42.$((n - 1)).0/24 via 192.168.77.1$n	# the LAN machine goes to the pods directly, this once
done
wait_until 20 "their programs listen" all_listen
for n in 1 2 3; do
	ip route del 10.42.$((n - 1)).0/24
done
inside() {	# inside N command...: in the network (and files) of client pod N
	pid=$(pgrep -f "^sleep 10000$1\$" | head -1)
	shift
	nsenter -t "$pid" -n -m -p -C /bin/busybox "$@"
}

# ---- everybody reaches every pod through every node
answers() {	# answers COUNT command...: how many different pods answer in 40 tries, and none fails
	want=$1
	shift
	for try in $(seq 40); do
		"$@" || { echo "no answer"; return 1; }
		echo
	done >"$dir/answers"
	got=$(grep -c . "$dir/answers") kinds=$(sort -u "$dir/answers" | grep -c .)
	[ "$got" = 40 ] && [ "$kinds" = "$want" ] || { sort "$dir/answers" | uniq -c; return 1; }
}
get="curl -sS --max-time 5"
for n in 1 2 3; do
	wait_until 10 "all endpoints are known on n$n" sh -c "[ \$(nsenter --net=/run/netns/n$n dig +short @10.43.0.10 all.default.svc.cluster.local | wc -l) = 3 ]"
	check "NodePort of n$n from the LAN" answers 3 $get http://192.168.77.1$n:30001/
	check "NodePort of n$n from itself" answers 3 on $n $get http://192.168.77.1$n:30001/
	check "NodePort of n$n on 127.0.0.1" answers 1 on $n $get http://127.0.0.1:30001/
	check "cluster address from the pod on n$n" answers 3 inside $n wget -q -T 5 -O - http://web/
	check "a pod of another node by its name, from n$n" inside $n wget -q -T 5 -O - http://w$((n % 3 + 1)).all:3000/
	refuses "Connection refused|Failed to connect" on $n $get http://127.0.0.1:30004/
	refuses "refused" inside $n wget -T 5 -O - http://nobody/
done
check "policy Local serves the LAN on the node with the pod" $get http://192.168.77.13:30003/
refuses "timed out" curl -sS --max-time 1 http://192.168.77.11:30003/
check "policy Local serves the node's own processes anyway" on 1 $get http://192.168.77.11:30003/

# ---- names, as strangers read them
ask() {
	on 2 dig +tries=1 +time=3 @10.43.0.10 "$@"
}
shows '^10\.43\.' ask +short web.default.svc.cluster.local
shows '^10\.43\.' ask +short +tcp web.default.svc.cluster.local
shows '0 100 80 web\.default\.svc\.cluster\.local\.' ask +short SRV _http._tcp.web.default.svc.cluster.local
shows '0 100 3000 w3\.all\.default\.svc\.cluster\.local\.' ask +short SRV _http._tcp.all.default.svc.cluster.local
shows '^10\.42\.' ask +short w1.all.default.svc.cluster.local
shows 'w3\.all\.default\.svc\.cluster\.local\.' ask +short -x "$(ask +short w3.all.default.svc.cluster.local)"
shows 'status: NXDOMAIN' ask missing.default.svc.cluster.local
shows 'status: NOERROR.*' ask AAAA web.default.svc.cluster.local
shows 'ANSWER: 0' ask AAAA web.default.svc.cluster.local
shows '^192\.0\.2\.7$' ask +short www.far.test
shows '^192\.0\.2\.7$' ask +short alias.default.svc.cluster.local
shows '^192\.0\.2\.7$' ask +short +tcp alias.default.svc.cluster.local
shows '192\.0\.2\.7' inside 3 nslookup www.far.test
shows 'Address: 10\.43\.' inside 3 nslookup web.default.svc.cluster.local

# ---- n2 loses the manager, and its agent is killed again and again while requests come in
ip link set port1 down
( failed=0 count=0
while [ ! -e "$dir/enough" ]; do
	count=$((count + 1))
	$get -o "$dir/answer" http://192.168.77.12:30002/ 2>>"$dir/lost" || failed=$((failed + 1))
done
echo "$failed of $count" >"$dir/traffic" ) &
traffic=$!
for try in $(seq 10); do
	kill -9 "$agent2"
	wait "$agent2" 2>/dev/null
	start_agent 2
	sleep 0.$((3 + try % 5))
done
: >"$dir/enough"
wait $traffic
shows '^0 of [1-9][0-9]' cat "$dir/traffic" "$dir/lost"
check "both pods still answer through n2" answers 2 $get http://192.168.77.12:30002/

# ---- the link comes back, and n3 has another address: everybody finds its pods again
ip link set port1 up
ip -n n3 addr del 192.168.77.13/24 dev eth0
ip -n n3 addr add 192.168.77.23/24 dev eth0
ip -n n3 route replace default via 192.168.77.1
moved() {
	on 1 "$limpet" get node n3 -o wide | grep -q '192\.168\.77\.23'
}
wait_until 60 "the manager knows n3's new address" moved
wait_until 20 "n1 reaches the pod on n3 again" on 1 curl -sSf --max-time 1 "http://$(ask +short w3.all.default.svc.cluster.local):3000/"
check "NodePort of n1 from the LAN, again" answers 3 $get http://192.168.77.11:30001/

# ---- nothing is left
processes() {	# of the nodes' own: keepers and holders; n1's stay
	pgrep -fa '^limpet (keeper|holder) ' | wc -l
}
shows '^9$' processes	# two pods and a holder on each
kill "$agent2" "$agent3"
wait "$agent2" "$agent3"
shows '^9$' processes
for n in 3 2; do
	check "n$n is taken down" on $n "$limpet" down --data-dir "$dir/n$n" --run-dir "/run/n$n" $(cgroup_of $n)
	shows '^lo eth0 $' sh -c "ip -n n$n -o link | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/' | tr '\\n' ' '"
	shows '^0$' sh -c "nsenter --net=/run/netns/n$n nft list ruleset | wc -l"
	shows '^0$' sh -c "ip -n n$n route show proto 76 | wc -l"
	shows "^$((n * 3 - 3))\$" processes
done
finish

#!/bin/sh
# tests/strangers/test_join.sh - nodes join by token and run pods; whoever should not join is refused, each with its own message, and
# what was on the wire holds no part of the token's secret; a node may act only as itself.
. "$(dirname "$0")/lib.sh"
enter "$@"
limpet=$PWD/build/limpet
[ -x "$limpet" ] || skip "build/limpet is not built"
for program in curl dig nsenter openssl python3 tcpdump; do
	command -v "$program" >/dev/null || skip "needs $program"
done
[ -e build/images/busybox.tar ] || tools/test-images || skip "the busybox image could not be made"
root=$(cgroup_root)
[ -z "$root" ] || mkdir -p "$root/$LP_STORY_CGROUP"
url=https://192.168.77.11:6443

on() {	# on NODE command...
	node=$1
	shift
	nsenter --net="/run/netns/n$node" "$@"
}
cgroup_of() {
	[ -z "$root" ] || { mkdir -p "$root/$LP_STORY_CGROUP/n$1" && echo "--cgroup-root $root/$LP_STORY_CGROUP/n$1"; }
}
start_agent() {
	nsenter --net="/run/netns/n$1" "$limpet" agent --data-dir "$dir/n$1" --run-dir "/run/n$1" $(cgroup_of "$1") >>"$dir/n$1.log" 2>&1 </dev/null &
	eval "agent$1=$!"
}

# ---- the LAN: n1 has the manager, n2 and n3 join, n4 is whoever should not get in
ip link add lanbr type bridge
ip addr add 192.168.77.1/24 dev lanbr
ip link set lanbr up
for n in 1 2 3 4; do
	ip netns add n$n
	ip link add port$n type veth peer name eth0 netns n$n
	ip link set port$n master lanbr up
	ip -n n$n link set lo up
	ip -n n$n link set eth0 up
	ip -n n$n addr add 192.168.77.1$n/24 dev eth0
	ip -n n$n route add default via 192.168.77.1
done
nsenter --net=/run/netns/n1 "$limpet" up --data-dir "$dir/n1" --run-dir /run/n1 --node-name n1 --listen 192.168.77.11:6443 $(cgroup_of 1) >"$dir/up.log" 2>&1 </dev/null &
up=$!
wait_until 30 "limpet up is ready" grep -qx ready "$dir/up.log" || { cat "$dir/up.log"; exit 1; }
export KUBECONFIG=$dir/n1/admin.kubeconfig
# another authority: a second manager, whose tokens are worth nothing here
nsenter --net=/run/netns/n1 "$limpet" manager --data-dir "$dir/other" --run-dir /run/other --listen 192.168.77.11:7443 >"$dir/other.log" 2>&1 </dev/null &
other=$!
wait_until 30 "the other manager is ready" test -e "$dir/other/admin.kubeconfig"
token() {	# token [option...]: the bare token
	on 1 "$limpet" token create --token-only "$@"
}
wait_until 30 "the other manager makes tokens" on 1 "$limpet" token list --kubeconfig "$dir/other/admin.kubeconfig"

# ---- a second and a third node, by the line that `token create` prints, and by a token from a file
for n in 2 3; do
	check "the image on n$n" "$limpet" image load --data-dir "$dir/n$n" build/images/busybox.tar
done
line=$(on 1 "$limpet" token create)
shows "^limpet join $url --token lp1\\.[0-9a-f]{8}\\.[0-9a-f]{32}\\.[0-9a-f]{64}\$" echo "$line"
used=${line##* }
shows "^joined $url as node n2; start it with: limpet agent --data-dir $dir/n2$" \
	on 2 "$limpet" ${line#limpet } --data-dir "$dir/n2" --node-name n2
third=$(token)
ca_hash=${third##*.}
echo "$third" >"$dir/third"
shows "as node n3;" on 3 "$limpet" join $url --data-dir "$dir/n3" --token-file "$dir/third" --ca-hash "sha256:$ca_hash" --node-name n3
start_agent 2
start_agent 3
for n in 2 3; do
	cat <<YAML
{apiVersion: v1, kind: Pod, metadata: {name: p$n}, spec: {nodeName: n$n, terminationGracePeriodSeconds: 0,
  containers: [{name: c, image: "limpet.local/busybox:latest", command: [sleep, "100000"]}]}}
---
YAML
done >"$dir/pods.yaml"
check "pods are made" on 1 "$limpet" apply -f "$dir/pods.yaml"
for n in 2 3; do
	check "the pod on n$n runs" on 1 "$limpet" wait --for=condition=Ready pod/p$n --timeout=60s
done
shows "p2 +1/1 +Running .* n2" on 1 "$limpet" get pods -o wide
shows "p3 +1/1 +Running .* n3" on 1 "$limpet" get pods -o wide

# ---- a program that leaves its input unread ends its own stream, not the agent
for i in 1 2 3 4 5; do
	head -c 4000000 /dev/zero | on 1 "$limpet" exec -i p2 -- true
done
shows "^again$" on 1 "$limpet" exec p2 -- echo again
check "the agent is the one that was started" kill -0 "$agent2"

# ---- refusals: the words, status 1, one line, no file left behind, and what was on every wire of the stranger
record() {	# record NAME: everything on n4's interfaces, from now on
	nsenter --net=/run/netns/n4 tcpdump -Z root -i any -s 0 -U --immediate-mode -w "$dir/$1.pcap" 2>"$dir/$1.tcpdump" &
	recorder=$!
	wait_until 10 "tcpdump listens" grep -q "listening on" "$dir/$1.tcpdump"
}
marked() {
	on 4 dig +tries=1 +time=1 -p 9 @127.0.0.1 "the-end-of-$1"
	grep -qa "the-end-of-$1" "$dir/$1.pcap"
}
recorded() {	# until a packet that we know has been written
	wait_until 20 "the capture is complete" marked "$1"
	kill "$recorder"
	wait "$recorder"
}
# refused NAME sends|silent TOKEN PATTERN limpet's words...
refused() {
	name=$1 way=$2 secret=$(echo "$3" | cut -d. -f3) pattern=$4
	shift 4
	record "$name"
	on 4 "$limpet" join --data-dir "$dir/n4" --node-name n4 "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	recorded "$name"
	check "$name: status 1" test $status = 1
	check "$name: one line" test "$(wc -l <"$dir/err") $(wc -c <"$dir/out")" = "1 0"
	shows "$pattern" cat "$dir/err"
	check "$name: nothing is kept" test -z "$(find "$dir/n4" -type f 2>/dev/null)"
	check "$name: nothing of the secret on the wire" python3 tests/strangers/capture.py "$dir/$name.pcap" "$secret" 6443
	if [ "$way" = sends ]; then
		shows "^sent [1-9]" python3 tests/strangers/capture.py "$dir/$name.pcap" "$secret" 6443
	else
		shows "^sent 0 bytes" python3 tests/strangers/capture.py "$dir/$name.pcap" "$secret" 6443
	fi
	cat "$dir/err" >>"$dir/messages"
}
token=$(token)
secret=$(echo "$token" | cut -d. -f3)
zeros=0000000000000000000000000000000000000000000000000000000000000000

# the recorder can see: the same secret, sent in the clear
record control
shows "^HTTP/1.[01] 400 " on 4 curl -sS --max-time 10 -i -d "{\"token\":\"$token\"}" http://192.168.77.11:6443/fleet/v1/join
shows "Client sent an HTTP request to an HTTPS server" on 4 curl -sS --max-time 10 http://192.168.77.11:6443/version
recorded control
refuses "FOUND in a stream to port 6443" python3 tests/strangers/capture.py "$dir/control.pcap" "$secret" 6443
token=$(token)

refused wrong_hash silent "$token" "--ca-hash and the token name different certificate authorities: nothing was sent" \
	$url --token "$token" --ca-hash sha256:$zeros
refused bad_hash silent "$token" "is no SHA-256" $url --token "$token" --ca-hash sha256:12
refused no_token silent "$token" "this is no join token" $url --token "${token%.*}"
refused plain_http silent "$token" "is not an https:// address: a device joins over TLS only" http://192.168.77.11:6443 --token "$token"
foreign=$(on 1 "$limpet" token create --token-only --kubeconfig "$dir/other/admin.kubeconfig")
refused other_authority sends "$foreign" "not the manager of the token, so nothing of the token was sent: .* authority is not the one" $url --token "$foreign"
refused other_hash sends "$token" "not the manager of the token, so nothing of the token was sent: .* authority is not the one" $url --token "${token%.*}.$zeros"
refused reused sends "$used" "the token was used already" $url --token "$used"
unknown=$(echo "$token" | sed 's/\.[0-9a-f]\([0-9a-f]*\.[0-9a-f]*\)$/.f\1/;t')
[ "$unknown" != "$token" ] || unknown=$(echo "$token" | sed 's/\.f\([0-9a-f]*\.[0-9a-f]*\)$/.0\1/')
refused wrong_secret sends "$unknown" "the token is unknown here" $url --token "$unknown"
short=$(token --ttl 1s)
expired() {
	on 1 "$limpet" token list | grep -q "^$(echo "$short" | cut -d. -f2) .*expired"
}
wait_until 10 "the token's time is over" expired
refused expired sends "$short" "the token expired at 20..-..-..T..:..:..Z" $url --token "$short"
deleted=$(token)
check "a token is deleted" on 1 "$limpet" token delete "$deleted"
refused deleted sends "$deleted" "the token is unknown here" $url --token "$deleted"
refused name_taken sends "$token" "node n2 belongs to another device: delete the node object first" $url --token "$token" --node-name n2
refused nobody silent "$token" "refused" https://192.168.77.11:6444 --token "$token"
check "every refusal has words of its own" test "$(sort "$dir/messages" | uniq -d | grep -vc -e 'token is unknown' -e authority)" = 0

# ---- servers that only look like ours: the handshake ends before the token is told, and the decrypted side hears nothing
identity() {	# identity NODE MEMBER: of the state file, as PEM
	LC_ALL=C sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$dir/n$1/node/identity" | sed 's/\\n/\n/g'
}
identity 2 key >"$dir/node.key"
identity 2 certificate >"$dir/node.crt"
identity 2 ca >"$dir/ca.crt"
certificate() {	# certificate NAME SUBJECT [option...]: a new key with a certificate
	name=$1 subject=$2
	shift 2
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "$subject" -keyout "$dir/$name.key" -out "$dir/$name.crt" \
		"$@" 2>"$dir/openssl.err" || { cat "$dir/openssl.err"; exit 1; }
}
certificate foreign "/CN=limpet" -addext "subjectAltName=DNS:manager.limpet.internal,IP:192.168.77.1"
mkfifo "$dir/silence"
exec 9<>"$dir/silence"		# the rogue server answers nothing, and its input does not end
rogue() {	# rogue NAME option...: a TLS server on 192.168.77.1 that keeps what it hears
	name=$1
	shift
	openssl s_server -accept 192.168.77.1:6443 -quiet "$@" >"$dir/$name.heard" 2>"$dir/$name.server" <"$dir/silence" &
	rogue=$!
	wait_until 10 "the rogue server listens" sh -c "ss -ltn 'sport = :6443' | grep -q 192.168.77.1"
}
rogue_ends() {
	kill "$rogue"
	wait "$rogue" 2>/dev/null
}
rogue hearing -cert "$dir/foreign.crt" -key "$dir/foreign.key"
on 4 curl -sk --max-time 2 -d "{\"token\":\"$token\"}" https://192.168.77.1:6443/fleet/v1/join
wait_until 10 "the rogue server can hear" grep -q "$(echo "$token" | cut -d. -f3)" "$dir/hearing.heard"
rogue_ends
for kind in foreign_authority borrowed_authority node_as_manager; do
	case $kind in
	foreign_authority) rogue $kind -cert "$dir/foreign.crt" -key "$dir/foreign.key" ;;
	# the right authority lies in the chain, but did not sign
	borrowed_authority) rogue $kind -cert "$dir/foreign.crt" -key "$dir/foreign.key" -cert_chain "$dir/ca.crt" ;;
	# the right authority did sign, for a node
	node_as_manager) rogue $kind -cert "$dir/node.crt" -key "$dir/node.key" -cert_chain "$dir/ca.crt" ;;
	esac
	refused $kind sends "$token" "not the manager of the token, so nothing of the token was sent" https://192.168.77.1:6443 --token "$token"
	rogue_ends
	check "$kind: nothing was heard" test ! -s "$dir/$kind.heard"
	check "$kind: the handshake was tried" test -s "$dir/$kind.server"
done

python3 -c 'import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("192.168.77.1", 6443))
server.listen()
while True:
    peer = server.accept()[0]
    peer.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" if peer.recv(4096) else b"")
    peer.close()' &
plain=$!
wait_until 10 "a plain server listens" sh -c "ss -ltn 'sport = :6443' | grep -q 192.168.77.1"
refused plain_server sends "$token" "handshake: the peer does not speak TLS" https://192.168.77.1:6443 --token "$token"
kill "$plain"

# ---- certificates: a foreign one is no one, a node's speaks for this node alone
api() {	# api CERTIFICATE curl's words...: the body, then the status
	name=$1
	shift
	on 4 curl -sS --max-time 10 -w '\n%{http_code}\n' --cacert "$dir/ca.crt" --cert "$dir/$name.crt" --key "$dir/$name.key" "$@"
}
says() {	# says STATUS PATTERN CERTIFICATE curl's words...
	status=$1 pattern=$2
	shift 2
	shows "$pattern" api "$@"
	check "status $status: $*" test "$(tail -n 1 "$dir/shows")" = "$status"
}
certificate stranger "/O=system:masters/CN=admin"
for path in /api/v1/nodes /fleet/v1/link; do
	refuses "alert unknown ca" api stranger "$url$path"
done
certificate name_thief "/O=system:nodes/CN=system:node:n2"
refuses "alert unknown ca" api name_thief -X POST -d '{}' $url/fleet/v1/report

pods=$url/api/v1/namespaces/default/pods
says 200 '"name": ?"n2"' node $url/api/v1/nodes/n2
says 200 '"name": ?"p2"' node $pods/p2
json='Content-Type: application/json'
for request in "/api/v1/nodes/n3" "/api/v1/nodes" "/api/v1/namespaces/default/pods" "/api/v1/namespaces/default/pods/p3" "/api/v1/pods" \
	"/api/v1/namespaces/default/secrets" "/api/v1/namespaces/default/pods/p3/log" "/api/v1/namespaces/default/pods/p2/log" "/fleet/v1/tokens" \
	"/api/v1/nodes?watch=1" "/api/v1/namespaces/default/pods/p2/exec?command=id&stdout=1"; do
	says 403 'system:node:n2.* cannot ' node "$url$request"
done
before=$(on 1 "$limpet" get pods,nodes -o yaml | grep -v -i -e time -e resourceVersion | sha256sum)
for object in node/n2 node/n3 pod/p3; do
	on 1 "$limpet" get "$object" -o json >"$dir/${object#*/}.json"
done
says 403 'cannot update' node -X PUT -H "$json" -d "@$dir/n3.json" $url/api/v1/nodes/n3
says 403 'cannot update' node -X PUT -H "$json" -d "@$dir/n2.json" $url/api/v1/nodes/n2/status
says 403 'cannot update' node -X PUT -H "$json" -d "@$dir/p3.json" $pods/p3/status
says 403 'cannot patch' node -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{"metadata":{"labels":{"role":"manager"}}}' $url/api/v1/nodes/n2
says 403 'cannot delete' node -X DELETE $pods/p3
says 403 'cannot create' node -X POST -H "$json" -d '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"containers":[{"name":"x","image":"x"}]}}' $pods
says 403 'cannot' node -X POST -H "$json" -d '{"ttlSeconds":60}' $url/fleet/v1/tokens
uid=$(on 1 "$limpet" get pod p3 -o 'jsonpath={.metadata.uid}')
about="\"namespace\":\"default\",\"name\":\"p3\",\"uid\":\"$uid\""
for part in "\"pods\":[{$about,\"status\":{\"phase\":\"Failed\"}}]" "\"gone\":[{$about}]" \
	"\"events\":[{\"namespace\":\"default\",\"involvedObject\":{\"kind\":\"Pod\",$about},\"type\":\"Warning\",\"reason\":\"Forged\",\"message\":\"forged\"}]"; do
	says 403 'node n2 reported on pod default/p3, which is not its own' node -X POST -H "$json" \
		-d "{\"kind\":\"NodeReport\",\"apiVersion\":\"fleet.limpet.dev/v1\",$part}" $url/fleet/v1/report
done
says 200 '' node -X POST -H "$json" -d '{"kind":"NodeReport","apiVersion":"fleet.limpet.dev/v1","node":{"labels":{"role":"manager","node-role.kubernetes.io/master":""}}}' \
	$url/fleet/v1/report
openssl req -new -key "$dir/node.key" -subj "/O=system:masters/CN=system:node:n3" -out "$dir/n3.csr" 2>/dev/null
api node -X POST -H "$json" -d "{\"csr\":\"$(sed 's/$/\\n/' "$dir/n3.csr" | tr -d '\n')\"}" $url/fleet/v1/renew >"$dir/renewed"
sed -n 's/.*"certificate":"\([^"]*\)".*/\1/p' "$dir/renewed" | sed 's/\\n/\n/g' >"$dir/renewed.crt"
shows "subject=CN ?= ?system:node:n2, O ?= ?system:nodes$" openssl x509 -in "$dir/renewed.crt" -noout -subject
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/fresh.key" -subj "/CN=system:node:n2" -out "$dir/fresh.csr" 2>/dev/null
says 400 'for another key' node -X POST -H "$json" -d "{\"csr\":\"$(sed 's/$/\\n/' "$dir/fresh.csr" | tr -d '\n')\"}" $url/fleet/v1/renew
check "nothing of that changed anything" test "$before" = "$(on 1 "$limpet" get pods,nodes -o yaml | grep -v -i -e time -e resourceVersion | sha256sum)"
refuses "No resources" on 1 sh -c "$limpet get events | grep Forged || { echo No resources; exit 1; }"

# ---- a device that was sent away stays away until it joins anew
check "n2 is deleted" on 1 "$limpet" delete node n2 --timeout=20s
says 403 'node n2 is not known here' node $url/fleet/v1/link
says 403 'node n2 is not known here' node -X POST -H "$json" -d '{}' $url/fleet/v1/report
says 404 'not found' node $url/api/v1/nodes/n2
wait_until 20 "its agent is told why" grep -q "it was deleted" "$dir/n2.log"

# ---- what is wrong usage ends with 2; the token that was refused for another's fault still admits one
for words in "" "$url" "$url --token" "$url extra --token $token" "$url --nope"; do
	on 4 "$limpet" join $words --data-dir "$dir/n4" >"$dir/out" 2>&1
	check "wrong usage ends with 2: $words" test $? = 2
done
shows "joined $url as node n4" sh -c "echo $token | nsenter --net=/run/netns/n4 $limpet join $url --data-dir $dir/n4 --token-file - --node-name n4"
refuses "already node n4" on 4 "$limpet" join $url --data-dir "$dir/n4" --token "$token" --node-name n4

kill "$agent2" "$agent3" "$other"
wait "$agent2" "$agent3" "$other"
for n in 2 3; do
	check "n$n is taken down" on $n "$limpet" down --data-dir "$dir/n$n" --run-dir "/run/n$n" $(cgroup_of $n)
done
stop_up
finish

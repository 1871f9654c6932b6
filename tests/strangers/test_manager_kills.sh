#!/bin/sh
# tests/strangers/test_manager_kills.sh - kill -9 of the manager, again and again, under eight clients that create over TLS and
# a watcher that resumes: everything acknowledged is there, nothing is told twice or left out.
. "$(dirname "$0")/lib.sh"
enter "$@"
command -v curl >/dev/null || skip "needs curl"
[ -x build/limpet ] || skip "build/limpet is not built"
each=${LP_STORY_EACH:-125} clients="1 2 3 4 5 6 7 8"
mkdir "$dir/done"

# The manager, started again as soon as it has died.
(
	while [ ! -e "$dir/over" ]; do
		build/limpet manager --data-dir "$dir/up" --run-dir "$dir" --listen 127.0.0.1:6443 >>"$dir/up.log" 2>&1 </dev/null
	done
) &
export KUBECONFIG=$dir/up/admin.kubeconfig
wait_until 20 "the manager is ready" grep -qx ready "$dir/up.log" || { cat "$dir/up.log"; exit 1; }

# the administrator's certificate for curl
for name in certificate-authority client-certificate client-key; do
	sed -n "s/^ *$name-data: //p" "$KUBECONFIG" | base64 -d >"$dir/$name"
done
ask() {
	curl -sS --max-time 20 --cacert "$dir/certificate-authority" --cert "$dir/client-certificate" --key "$dir/client-key" "$@"
}
maps=https://127.0.0.1:6443/api/v1/namespaces/default/configmaps

client() {
	for i in $(seq "$each"); do
		code=000
		until [ "$code" = 201 ] || [ "$code" = 409 ]; do
			code=$(ask -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
				-d "{\"metadata\":{\"name\":\"c$1-$i\"},\"data\":{\"k\":\"$i\"}}" "$maps" 2>/dev/null)
		done
		echo "c$1-$i" >>"$dir/client$1"
	done
	: >"$dir/done/$1"
}
# From its last version on, over and over; a line that was cut by a death is dropped.
watcher() {
	version=$1
	while ! grep -q '"name":"the-end"' "$dir/watched" 2>/dev/null; do
		ask -N "$maps?watch=1&resourceVersion=$version" >"$dir/part" 2>/dev/null
		[ ! -s "$dir/part" ] || [ -z "$(tail -c 1 "$dir/part")" ] || sed -i '$d' "$dir/part"
		cat "$dir/part" >>"$dir/watched"
		last=$(sed -n '$s/.*"resourceVersion":"\([0-9]*\)".*/\1/p' "$dir/part")
		version=${last:-$version}
	done
}
version=$(ask "$maps" | sed -n 's/.*"metadata":{"resourceVersion":"\([0-9]*\)"}.*/\1/p')
check "a list has a version" test -n "$version"
watcher "$version" &
for number in $clients; do
	client "$number" &
done
kills=0 rounds=0
while [ "$(ls "$dir/done" | wc -l)" -lt 8 ] && [ $rounds -lt 300 ]; do
	sleep "0.$(((rounds * 37 + 23) % 60 + 20))"
	kill -9 "$(cat "$dir/manager.pid")" 2>/dev/null && kills=$((kills + 1))
	rounds=$((rounds + 1))
done
echo "the manager was killed $kills times"
check "it was killed often enough" test $kills -ge 5
check "the clients came to their end" test "$(ls "$dir/done" | wc -l)" = 8

answers() {
	[ "$(ask -o "$dir/made" -w '%{http_code}' -H 'Content-Type: application/json' -d '{"metadata":{"name":"the-end"}}' "$maps")" = 201 ]
}
wait_until 20 "the manager answers again" answers
wait_until 20 "the watcher sees the end" grep -q '"name":"the-end"' "$dir/part"
: >"$dir/over"
ask "$maps" | tr '{' '\n' | sed -n 's/.*"resourceVersion":"[0-9]*","name":"\([^"]*\)".*/\1/p' | sort >"$dir/stored"
kill "$(cat "$dir/manager.pid")"
wait_until 20 "the watcher wrote down what it was told" grep -q '"name":"the-end"' "$dir/watched"
cat "$dir"/client[1-8] | sort >"$dir/acknowledged"
check "everything acknowledged is there" test -z "$(comm -23 "$dir/acknowledged" "$dir/stored")"
check "and nothing else" test "$(wc -l <"$dir/stored")" = $((8 * each + 1))
sed -n 's/.*"resourceVersion":"\([0-9]*\)","name":"\([^"]*\)".*/\1 \2/p' "$dir/watched" >"$dir/told"
check "the watcher was told no error" test "$(grep -c '"ERROR"' "$dir/watched")" = 0
check "the watcher missed nothing" test -z "$(cut -d' ' -f2 "$dir/told" | sort | comm -13 - "$dir/stored")"
check "the watcher was told nothing twice" test "$(wc -l <"$dir/told")" = "$(sort -u -k2,2 "$dir/told" | wc -l)"
check "versions only rise" sort -c -n "$dir/told"
finish

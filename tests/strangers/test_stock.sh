#!/bin/sh
# tests/strangers/test_stock.sh - programs of the distribution as pods that ask for nothing: each has its own container, is started as
# its stock image starts it (tools/stock/programs), and is then asked something, over its protocol or by its own client.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/stock-images || exit 1
start_up
PATH=$PWD/build:$PATH
export PATH
check "the images are loaded" limpet image load --quiet build/images/stock.tar
names=$(grep -v '^#' tools/stock/programs | cut -f1)
for name in $names; do
	cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: $name}
spec:
  terminationGracePeriodSeconds: 5
  containers: [{name: c, image: "limpet.local/stock-$name:latest"}]
YAML
done >"$dir/pods.yaml"
check "all pods are created" limpet apply -f "$dir/pods.yaml"

ip() {
	limpet get pod "$1" -o 'jsonpath={.status.podIP}'
}
# One attempt: inside NAME PATTERN SCRIPT runs it in the pod's own container; the last answer is kept for the report.
inside() {
	timeout 5 limpet exec "$1" -- sh -c "$3" >"$dir/answer" 2>&1
	grep -qE -- "$2" "$dir/answer"
}
# From python3's pod over the network: across NAME PORT TEXT PATTERN
across() {
	timeout 5 limpet exec python3 -- say "$(ip "$1")" "$2" "$3" >"$dir/answer" 2>&1
	grep -qE -- "$4" "$dir/answer"
}
web() {
	curl -sS --max-time 2 "http://$(ip "$1"):$2" >"$dir/answer" 2>&1
	grep -qE -- "$3" "$dir/answer"
}
name() {
	dig +time=1 +tries=1 +short "@$(ip "$1")" "$2" >"$dir/answer" 2>&1
	grep -qx -- "$3" "$dir/answer"
}
# All start at once and share two minutes; what does not answer then is not waited for again.
answers() {
	asked="$asked $2"
	left=$((deadline - $(date +%s)))
	wait_until $((left > 0 ? left : 1)) "$2 answers right" "$@" && return
	echo "--- its last answer"
	cat "$dir/answer"
	echo "--- its log"
	limpet logs "$2" --tail=15 2>&1
	limpet get pod "$2"
}
asked="" deadline=$(($(date +%s) + 120))

answers web nginx 80/ 'hello from stock'
answers web nodejs 3000/ 'hello from stock'
answers web python3 8000/ 'hello from stock'
answers web gunicorn 8000/ 'hello from stock'
answers web haproxy 8404/metrics '^haproxy_process_nbthread'
answers web busybox 80/ 'hello from stock'
answers web lighttpd 80/ 'hello from stock'
answers web apache2 80/ 'hello from stock'
answers web caddy 80/ 'hello from stock'
answers web php 8000/ 'hello from stock, 6'
answers web node-exporter 9100/metrics '^node_cpu_seconds_total'
answers inside redis '^43$' 'redis-cli set n 42 && redis-cli incr n'
answers inside valkey '^43$' 'valkey-cli set n 42 && valkey-cli incr n'
answers inside postgres '^ *42$' "psql -U postgres -tc 'create table if not exists t (n int); insert into t values (42); select max(n) from t'"
answers inside mariadb '^42$' "mariadb -N -e 'create database if not exists d; create or replace table d.t (n int); insert into d.t values (42); select n from d.t'"
answers inside mosquitto '^hello from stock$' 'mosquitto_pub -r -t a -m "hello from stock" && mosquitto_sub -t a -C 1 -W 2'
answers across memcached 11211 'set k 0 0 2\r\n42\r\nget k\r\nquit\r\n' '^42'
answers inside sqlite3 '^42$' "sqlite3 /tmp/db 'create table if not exists t (n); insert into t values (42); select max(n) from t'"
answers name dnsmasq www.stock.test 192.0.2.9
answers name bind9 www.stock.test 192.0.2.7
answers name unbound www.stock.test 192.0.2.8
answers name nsd www.stock.test 192.0.2.7
answers inside influxdb '42' "influx -execute 'create database d' && influx -database d -execute 'insert m v=42' && influx -database d -execute 'select v from m'"
answers inside collectd '^[0-9.]+,[0-9.]+' 'cat /var/lib/collectd/csv/stock/load/load-*'
answers inside rrdcached '1\.0000000000e\+00' 'R="--daemon 127.0.0.1:42217"; rrdtool create $R a.rrd --step 1 -b 1000000000 DS:a:COUNTER:9:0:U RRA:AVERAGE:0.5:1:9 &&
	rrdtool update $R a.rrd 1000000001:1 1000000002:2 1000000003:3 && rrdtool fetch $R a.rrd AVERAGE -s 1000000001 -e 1000000003'
answers inside squid 'hello from stock' "curl -sS -x http://127.0.0.1:3128 http://$(ip nginx)/"
answers inside tinyproxy 'hello from stock' "curl -sS -x http://127.0.0.1:8888 http://$(ip nginx)/"
answers inside sshd '^guest hello from stock$' 'ssh -i /root/key -o StrictHostKeyChecking=no guest@127.0.0.1 "echo \$(id -un) \$(cat /srv/www/index.html)"'
answers inside rsync 'hello from stock' "rsync -q rsync://127.0.0.1/files/index.html /tmp/got && cat /tmp/got"
answers inside vsftpd 'hello from stock' 'curl -sS ftp://127.0.0.1/index.html'
answers across perl 5678 '21\n' 'hello from stock, 42'
answers across ruby 4567 '21\n' 'hello from stock, 42'
answers inside lua '^42$' "lua5.4 -e 'local t = {} for i = 1, 42 do t[i] = i end print(#t)'"
answers inside stunnel 'hello from stock' '(echo hello from stock; sleep 0.5) | openssl s_client -connect 127.0.0.1:995 -quiet -no_ign_eof -verify_quiet'
answers inside syslog-ng 'hello from stock' 'say 127.0.0.1 514 "<13>hello from stock\n"; cat /var/log/stock.log'
answers across beanstalkd 11300 'put 1 0 60 2\r\n42\r\nreserve\r\nquit\r\n' '^42'
answers inside etcd '^42$' 'etcdctl put n 42 && etcdctl get n --print-value-only'
answers across nats 4222 'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 2\r\n42\r\nPING\r\n' '^42'
answers across tor 9050 '\x05\x01\x00' "$(printf '^\005')"
answers inside cron '^nobody$' 'cat /tmp/by'
answers inside chrony 'Stratum *: 8' 'chronyc -h /run/chrony/chronyd.sock tracking'
answers inside slapd '^o: hello from stock$' 'ldapsearch -x -LLL -H ldap://127.0.0.1 -b dc=stock,dc=test o'
answers inside exim 'hello from stock' 'say 127.0.0.1 25 "EHLO a\r\nMAIL FROM:<a@stock.test>\r\nRCPT TO:<guest@stock.test>\r\nDATA\r\nhello from stock\r\n.\r\nQUIT\r\n"; cat /var/mail/guest'
answers inside dovecot '^b OK' 'curl -sSv -u guest:secret imap://127.0.0.1/ -X "NOOP" 2>&1; say 127.0.0.1 143 "a LOGIN guest secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n"'
answers across ngircd 6667 'NICK a\r\nUSER a a a :a\r\nQUIT\r\n' 'hello from stock'

# The profile they ran under, read from each container's first process: nine capabilities and SYS_CHROOT.
caps=00000000000405fb
profile='s/^NoNewPrivs:\t1$/n/p; s/^Seccomp:\t2$/s/p; s/^CapBnd:\t[0-9a-f]*$/&/p'
for name in $names; do
	limpet exec "$name" -- sed -n "$profile" /proc/1/status >"$dir/status" 2>&1
	limpet exec "$name" -- cat /proc/1/uid_map >"$dir/map" 2>&1
	check "$name: no new privileges, a filter, at most ten capabilities" test "$(tr '\n' ' ' <"$dir/status")" = "CapBnd:	$caps n s "
	check "$name: ids of its own" awk '$1 == 0 && $2 >= 1048576 && $3 == 65536 { good = 1 } END { exit !good }' "$dir/map"
done
# What the table names and nobody asked is a hole in this story.
for name in $names; do
	case "$asked " in
	*" $name "*) ;;
	*) check "$name is asked something" false ;;
	esac
done
limpet get pods --no-headers >"$dir/pods"
check "all run, and none was started twice" test "$(awk '$3 == "Running" && $4 == 0' "$dir/pods" | wc -l)" = "$(echo "$names" | wc -l)"
awk '$3 != "Running" || $4 != 0' "$dir/pods"
check "all end in time" limpet delete -f "$dir/pods.yaml" --timeout=30s
stop_up
finish

#!/bin/sh
# tests/strangers/test_streams.sh - logs, exec, attach and port-forward by unmodified kubectl 1.20 (SPDY) and 1.32 (WebSocket), and by
# our own verbs.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/kubectl || skip "no kubectl could be fetched"
start_up
check "the image is loaded" build/limpet image load build/images/busybox.tar
cat >"$dir/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: talk}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "limpet.local/busybox:latest", command: [sh, -c, "i=0; while :; do i=$((i+1)); echo line $i; [ $i -lt 5 ] || sleep 1; done"]}
  - {name: crash, image: "limpet.local/busybox:latest", command: [sh, -c, "echo last words of run one; exit 3"]}
  - {name: reader, image: "limpet.local/busybox:latest", stdin: true, command: [sh, -c, "while read x; do echo got $x; done; sleep 1000"]}
  - {name: tty, image: "limpet.local/busybox:latest", stdin: true, tty: true, command: [sh]}
  - {name: web, image: "limpet.local/busybox:latest", command: [sh, -c, "mkdir /tmp/w; dd if=/dev/zero of=/tmp/w/big bs=1M count=5; exec httpd -f -p 127.0.0.1:8080 -h /tmp/w"]}
  - {name: ends, image: "limpet.local/busybox:latest", command: [sh, -c, "while [ ! -e /tmp/end ]; do echo waiting; sleep 0.1; done; echo over; exit 1"]}
YAML
head -c 8000000 /dev/urandom >"$dir/data"
sum=$(md5sum <"$dir/data")

for version in 1.20 1.32 limpet; do
	kubectl() {
		case $version in
		limpet) build/limpet "$@" ;;
		*) "build/kubectl/kubectl-$version" --request-timeout=60s "$@" ;;
		esac
	}
	echo "-- $version"
	check "the pod is made" kubectl apply -f "$dir/pod.yaml"
	crashed() { kubectl get pod talk -o 'jsonpath={.status.containerStatuses[?(@.name=="crash")].restartCount}' | grep -q '[1-9]'; }
	wait_until 30 "crash was restarted" crashed
	wait_until 10 "main has said five lines" sh -c "KUBECONFIG=$KUBECONFIG build/limpet logs talk -c main | grep -q 'line 5'"

	# logs
	check "logs from the beginning" sh -c "[ \"\$(build/limpet logs talk -c main | head -n 2 | tr '\n' ,)\" = 'line 1,line 2,' ]"
	shows "^line 1$" kubectl logs talk -c main
	check "the last two lines only" test "$(kubectl logs talk -c main --tail=2 | wc -l)" = 2
	shows "^20[0-9-]+T[0-9:.]+Z line [0-9]+" kubectl logs talk -c main --tail=1 --timestamps
	shows "^last words of run one" kubectl logs talk -c crash -p
	refuses "nonesuch" kubectl logs talk -c nonesuch
	timeout 3 sh -c "$(case $version in limpet) echo build/limpet ;; *) echo build/kubectl/kubectl-$version ;; esac) logs -f talk -c main --tail=1" >"$dir/followed"
	check "a followed log goes on" test "$(wc -l <"$dir/followed")" -ge 3

	# exec
	shows "^out$" kubectl exec talk -c main -- sh -c "echo out"
	check "stderr is kept apart" test "$(kubectl exec talk -c main -- sh -c 'echo out; echo err >&2' 2>/dev/null)" = out
	kubectl exec talk -c main -- sh -c "exit 42" >/dev/null 2>&1
	check "the exit status comes back" test $? = 42
	refuses "nonesuch" kubectl exec talk -c main -- nonesuch
	check "8 MB go in unharmed" test "$(kubectl exec -i talk -c main -- md5sum <"$dir/data")" = "$sum"
	check "and come out unharmed" test "$(kubectl exec -i talk -c main -- cat <"$dir/data" | md5sum)" = "$sum"
	check "a program that reads late gets everything" test "$(kubectl exec -i talk -c main -- sh -c 'sleep 1; md5sum' <"$dir/data")" = "$sum"
	pids=
	for i in 1 2 3 4 5 6 7 8; do
		kubectl exec talk -c main -- sh -c "sleep 0.2; echo $i" >"$dir/many.$i" 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid"
	done
	check "eight at once" test "$(cat "$dir"/many.* | sort | tr -d '\n')" = 12345678

	# port-forward: the server listens on the pod's own loopback
	if [ $version != limpet ]; then
		"build/kubectl/kubectl-$version" port-forward pod/talk 9090:8080 >"$dir/forward" 2>&1 &
		forward=$!
		wait_until 10 "the forward listens" grep -q Forwarding "$dir/forward"
		for i in 1 2 3; do
			check "5 MB come through" test "$(curl -sSf --max-time 20 http://127.0.0.1:9090/big | wc -c)" = 5242880
		done
		kill $forward
		wait $forward 2>/dev/null

		# attach
		(sleep 1; echo hello; sleep 1) | timeout 4 "build/kubectl/kubectl-$version" attach -i talk -c reader >"$dir/attached" 2>&1
		shows "got hello" cat "$dir/attached"
		(sleep 1; echo 'echo $((6*7)); exit'; sleep 1) | timeout 10 "build/kubectl/kubectl-$version" attach -i talk -c tty >"$dir/attached" 2>&1
		shows "^42" cat "$dir/attached"
	fi

	# a followed log ends with its run
	(sleep 1; build/limpet exec talk -c ends -- sh -c "echo >/tmp/end") &
	check "the log ends" timeout 20 sh -c "$(case $version in limpet) echo build/limpet ;; *) echo build/kubectl/kubectl-$version ;; esac) logs -f talk -c ends >'$dir/followed'"
	shows "^over$" tail -n 1 "$dir/followed"
	wait $!
	check "the pod is deleted" kubectl delete -f "$dir/pod.yaml" --timeout=30s
done
stop_up
finish

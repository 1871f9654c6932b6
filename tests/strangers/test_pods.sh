#!/bin/sh
# tests/strangers/test_pods.sh - probes, hooks, sidecars, deadlines and back-off of pods, told by kubectl.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/kubectl || skip "no kubectl could be fetched"
[ -e build/images/busybox.tar ] || tools/test-images || skip "the busybox image could not be made"
start_up
check "the image is loaded" build/limpet image load build/images/busybox.tar
kubectl() {
	build/kubectl/kubectl-1.32 --request-timeout=20s "$@"
}
k=build/kubectl/kubectl-1.32
image='image: limpet.local/busybox:latest, imagePullPolicy: IfNotPresent'
mkdir -m 1777 "$dir/shared"

# All at once: each takes its time while the others are looked at.
cat >"$dir/pods.yaml" <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: web, $image, command: [sh, -c, "mkdir -p /tmp/www; exec busybox httpd -f -p 8080 -h /tmp/www"],
     ports: [{name: http, containerPort: 8080}],
     readinessProbe: {httpGet: {path: /ok, port: http}, periodSeconds: 1},
     startupProbe: {tcpSocket: {port: http}, periodSeconds: 1, failureThreshold: 30}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: dying}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, $image, command: [sh, -c, "trap 'exit 0' TERM; touch /tmp/alive; sleep 2 & wait; rm /tmp/alive; sleep 1000 & wait"],
     livenessProbe: {exec: {command: [sh, -c, "echo not alive; test -e /tmp/alive"]}, periodSeconds: 1, failureThreshold: 2}}
---
apiVersion: v1
kind: Pod
metadata: {name: order}
spec:
  restartPolicy: Never
  volumes: [{name: s, emptyDir: {}}]
  initContainers:
  - {name: first, $image, command: [sh, -c, "echo first >>/s/order"], volumeMounts: [{name: s, mountPath: /s}]}
  - {name: side, $image, restartPolicy: Always, command: [sh, -c, "trap 'echo side ends; exit 0' TERM; sleep 1; echo side >>/s/order; touch /tmp/up; while :; do sleep 0.1; done"],
     startupProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, failureThreshold: 30}, volumeMounts: [{name: s, mountPath: /s}]}
  containers:
  - {name: main, $image, command: [sh, -c, "echo main >>/s/order; cat /s/order; echo -n all is well >/dev/termination-log"], volumeMounts: [{name: s, mountPath: /s}]}
---
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  activeDeadlineSeconds: 2
  terminationGracePeriodSeconds: 1
  containers: [{name: c, $image, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: bereft}
spec:
  activeDeadlineSeconds: 3600
  terminationGracePeriodSeconds: 1
  containers: [{name: c, $image, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec:
  containers: [{name: c, $image, command: [sh, -c, "echo going down; exit 7"], terminationMessagePolicy: FallbackToLogsOnError}]
---
apiVersion: v1
kind: Pod
metadata: {name: hooked}
spec:
  terminationGracePeriodSeconds: 20
  volumes: [{name: s, hostPath: {path: $dir/shared}}]
  containers:
  - {name: c, $image, command: [sh, -c, "trap 'echo signal >>/s/hooks; exit 0' TERM; while :; do sleep 0.1; done"],
     lifecycle: {postStart: {exec: {command: [sh, -c, "sleep 1; echo started >>/s/hooks"]}},
                 preStop: {exec: {command: [sh, -c, "sleep 1; echo stopping >>/s/hooks"]}}}, volumeMounts: [{name: s, mountPath: /s}]}
---
apiVersion: v1
kind: Pod
metadata: {name: badhook}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, $image, command: [sleep, "1000"], lifecycle: {postStart: {exec: {command: [sh, -c, "echo no way; exit 3"]}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: together}
spec:
  shareProcessNamespace: true
  terminationGracePeriodSeconds: 1
  containers:
  - {name: a, $image, command: [sleep, "4711"]}
  - {name: b, $image, command: [sleep, "1000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: missing}
spec:
  restartPolicy: Never
  containers: [{name: c, $image, command: [/bin/nonesuch]}]
---
apiVersion: v1
kind: Pod
metadata: {name: noise}
spec:
  restartPolicy: Never
  containers: [{name: c, $image, command: [sh, -c, 'printf "caf\\303\\251 \\377\\200" >/dev/termination-log; exit 1']}]
YAML
check "the pods are made" kubectl apply -f "$dir/pods.yaml"
if grep -i warning "$dir/check"; then check "nothing of them earns a warning" false; fi

echo "-- a container is ready, and serves, when its page is there"
wait_until 20 "web has started" sh -c "$k get pod web -o 'jsonpath={.status.containerStatuses[0].started}' | grep -qx true"
wait_until 10 "the failure is told" sh -c "$k describe pod web | grep -q 'Warning *Unhealthy .*Readiness probe failed: HTTP probe failed with statuscode: 404'"
shows "web +0/1 +Running" kubectl get pod web
shows "False" kubectl get pod web -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
shows "containers with unready status: \[web\]" kubectl get pod web -o 'jsonpath={.status.conditions[?(@.type=="Ready")].message}'
check "web is no endpoint yet" sh -c "! $k get endpoints web -o 'jsonpath={.subsets[0].addresses[0].ip}' | grep ."
check "the page is written" kubectl exec web -- sh -c "echo fine >/tmp/www/ok"
check "web becomes ready" kubectl wait --for=condition=Ready pod/web --timeout=20s
wait_until 10 "web is an endpoint" sh -c "$k get endpoints web -o 'jsonpath={.subsets[0].addresses[0].ip}' | grep -q ."
shows "^fine" curl -sS --max-time 5 "http://$(kubectl get service web -o 'jsonpath={.spec.clusterIP}')/ok"

echo "-- one that is no longer alive is stopped and starts again"
wait_until 20 "dying starts again" sh -c "$k get pod dying -o 'jsonpath={.status.containerStatuses[0].restartCount}' | grep -q '[1-9]'"
shows "Unhealthy .*Liveness probe failed: not alive" kubectl describe pod dying
shows "Killing .*Container c failed liveness probe, will be restarted" kubectl describe pod dying
shows "\"exitCode\":0,.*\"reason\":\"Completed\"" kubectl get pod dying -o 'jsonpath={.status.containerStatuses[0].lastState.terminated}'

echo "-- init containers, sidecars and the main one in their order, and the sidecar does not keep the pod"
wait_until 20 "order has succeeded" sh -c "$k get pod order -o 'jsonpath={.status.phase}' | grep -qx Succeeded"
shows "first" kubectl logs order -c main
check "the order is right" sh -c "test \"\$($k logs order -c main | tr '\n' ' ')\" = 'first side main '"
shows "side ends" kubectl logs order -c side
shows "^all is well$" kubectl get pod order -o 'jsonpath={.status.containerStatuses[0].state.terminated.message}'
shows "Completed" kubectl get pod order

echo "-- a pod that has had its time"
wait_until 20 "late has failed" sh -c "$k get pod late -o 'jsonpath={.status.phase}' | grep -qx Failed"
shows "^DeadlineExceeded Pod was active on the node longer than the specified deadline$" kubectl get pod late -o 'jsonpath={.status.reason} {.status.message}'

echo "-- one that crashes waits longer each time, and says so"
wait_until 20 "crash backs off" sh -c "$k get pod crash -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}' | grep -qx CrashLoopBackOff"
shows "back-off [12]0s restarting failed container=c pod=crash_default" kubectl get pod crash -o 'jsonpath={.status.containerStatuses[0].state.waiting.message}'
shows "^7 Error going down" kubectl get pod crash -o 'jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode} {.status.containerStatuses[0].lastState.terminated.reason} {.status.containerStatuses[0].lastState.terminated.message}'
shows "BackOff .*Back-off restarting failed container c in pod crash_default" kubectl describe pod crash
wait_until 25 "the second pause is longer" sh -c "$k get pod crash -o 'jsonpath={.status.containerStatuses[0].state.waiting.message}' | grep -q 'back-off 20s'"

echo "-- one whose keeper was lost: its time runs on"
wait_until 20 "bereft runs" sh -c "$k get pod bereft -o 'jsonpath={.status.phase}' | grep -qx Running"
began=$(kubectl get pod bereft -o 'jsonpath={.status.startTime}')
keeper=$(pgrep -f "^limpet keeper .*bereft")
check "bereft has one keeper" test "$(echo "$keeper" | wc -w)" = 1
kill -KILL $keeper
wait_until 20 "bereft runs again" sh -c "$k get pod bereft -o 'jsonpath={.status.containerStatuses[0].restartCount}{.status.phase}' | grep -qx 1Running"
check "it began when it did" test "$(kubectl get pod bereft -o 'jsonpath={.status.startTime}')" = "$began"
check "its time gets shorter" kubectl patch pod bereft -p '{"spec":{"activeDeadlineSeconds":10}}'
wait_until 6 "and is counted from then" sh -c "$k get pod bereft -o 'jsonpath={.status.reason}' | grep -qx DeadlineExceeded"
refuses "must be less than or equal to previous value" kubectl patch pod bereft -p '{"spec":{"activeDeadlineSeconds":11}}'

echo "-- hooks"
check "hooked is ready" kubectl wait --for=condition=Ready pod/hooked --timeout=20s
shows "^started$" cat "$dir/shared/hooks"
check "hooked is deleted" kubectl delete pod hooked --timeout=20s
check "the hook came before the signal" sh -c "test \"\$(tr '\n' ' ' <'$dir/shared/hooks')\" = 'started stopping signal '"
wait_until 10 "badhook has failed" sh -c "$k get pod badhook -o 'jsonpath={.status.phase}' | grep -qx Failed"
shows "FailedPostStartHook .*PostStartHook failed: no way" kubectl describe pod badhook
shows "Killing .*FailedPostStartHook" kubectl describe pod badhook

echo "-- processes that are shared, and a program that is not there"
check "together runs" kubectl wait --for=condition=Ready pod/together --timeout=20s
shows "sleep 4711" kubectl exec together -c b -- sh -c "cat /proc/[0-9]*/cmdline | tr '\0' ' '"
shows "StartError 128 .*/bin/nonesuch" kubectl get pod missing -o 'jsonpath={.status.containerStatuses[0].state.terminated.reason} {.status.containerStatuses[0].state.terminated.exitCode} {.status.containerStatuses[0].state.terminated.message}'

echo "-- bytes that are no text keep nobody from being told"
wait_until 10 "noise has failed" sh -c "$k get pod noise -o 'jsonpath={.status.phase}' | grep -qx Failed"
shows "^café \?\?$" kubectl get pod noise -o 'jsonpath={.status.containerStatuses[0].state.terminated.message}'

echo "-- an agent that is replaced tells the same"
kubectl get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].ready} {.status.phase}{"\n"}{end}' | grep -v -e '^dying' -e '^crash' >"$dir/before"
kill -9 "$(cat "$(dirname "$(find /run -name agent.pid | head -n 1)")/agent.pid")"
wait_until 20 "another agent is there" sh -c "sleep 1; $k exec web -- true"
check "ready as before" sh -c "$k get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].ready} {.status.phase}{\"\\n\"}{end}' | grep -v -e '^dying' -e '^crash' | diff $dir/before -"
check "the page is taken away" kubectl exec web -- rm /tmp/www/ok
wait_until 20 "web is no longer ready" sh -c "$k get pod web -o 'jsonpath={.status.containerStatuses[0].ready}' | grep -qx false"
check "everything goes" kubectl delete pods --all --grace-period=1 --timeout=30s
stop_up
finish

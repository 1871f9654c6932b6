#!/bin/sh
# tests/strangers/test_standalone.sh - a node without a manager: a folder of manifests is what it must be. A fault in a file
# changes nothing that runs, an agent that is killed changes nothing either, and a restart finds everything again.
. "$(dirname "$0")/lib.sh"
enter "$@"
place_standalone

server() {
	pgrep -f '^httpd -f -p 8080'
}
no_server() {
	! server
}
answers() {
	curl -sSf --max-time 2 "http://127.0.0.1:30080/"
}

cat >"$dir/manifests/web.yaml" <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, ports: [{port: 80, targetPort: 8080, nodePort: 30080}], selector: {app: web}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: words}
data: {greeting: hello}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: limpet.local/busybox:latest
    command: [sh, -c, "mkdir -p /tmp/www && cp /words/greeting /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"]
    volumeMounts: [{name: words, mountPath: /words}]
  volumes: [{name: words, configMap: {name: words}}]
YAML
cat >"$dir/manifests/once.yaml" <<YAML
apiVersion: v1
kind: Pod
metadata: {name: once}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "echo ran >>/count/once"]
    volumeMounts: [{name: count, mountPath: /count}]
  volumes: [{name: count, hostPath: {path: $dir, type: Directory}}]
YAML
chmod 1777 "$dir"

start_standalone
wait_until 10 "the agent is ready" grep -qx ready "$dir/up.log"
check "nothing runs without its image" no_server
check "the image is loaded" "$limpet" image load build/images/busybox.tar --data-dir "$dir/data"
wait_until 10 "the service answers by itself once the image is there" answers
check "with what the ConfigMap says" test "$(answers)" = hello
wait_until 10 "the pod that runs once has run" test -s "$dir/once"
before=$(server)

sed -i 's/30080/70000/' "$dir/manifests/web.yaml"
wait_until 10 "a fault is named with its file and path" grep -q 'web.yaml.*spec.ports\[0\].nodePort' "$dir/up.log"
check "and what runs keeps running" test "$(server)" = "$before"
sed -i 's/70000/30080/' "$dir/manifests/web.yaml"

kill -9 "$agent"
wait "$agent" 2>/dev/null
check "the app answers without its agent" answers
: >"$dir/up.log"
start_standalone
wait_until 10 "the next agent is ready" grep -qx ready "$dir/up.log"
check "and has started nothing again" test "$(server)" = "$before"
wait_until 5 "the service answers" answers

mv "$dir/manifests/web.yaml" "$dir/web.yaml"
wait_until 10 "a manifest that goes takes its pod along" no_server
mv "$dir/web.yaml" "$dir/manifests/web.yaml"
wait_until 10 "and brings it back" answers

kill "$agent"
wait "$agent" 2>/dev/null
check "an orderly end leaves the pods" answers
check "down takes them" "$limpet" down --data-dir "$dir/data" --instance story --cgroup-root "$root/$LP_STORY_CGROUP"
check "nothing answers any more" sh -c "! curl -s --max-time 2 http://127.0.0.1:30080/"
check "no keeper is left" sh -c "! pgrep -f '^limpet keeper'"
: >"$dir/up.log"
start_standalone
wait_until 10 "after a cold start everything runs again" answers
check "but for what had run to its end" test "$(wc -l <"$dir/once")" = 1
kill "$agent"
wait "$agent" 2>/dev/null
check "down takes them again" "$limpet" down --data-dir "$dir/data" --instance story --cgroup-root "$root/$LP_STORY_CGROUP"
finish

#!/bin/sh
# tests/strangers/test_verbs.sh - the tutorial's story, and what surrounds it, told by limpet's own verbs.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/nodejs-app || exit 1
tools/test-images || exit 1
start_up
PATH=$PWD/build:$PATH
export PATH

# images: what is wrong is said in one line and leaves nothing
shows "limpet.local/nodejs-app:latest loaded \(sha256:" limpet image load build/images/nodejs-app.tar
shows "limpet.local/busybox:latest loaded" limpet image load build/images/busybox.tar
shows "^limpet.local/nodejs-app +latest +[0-9a-f]{12} +[0-9]+MB" limpet image ls
head -c 1000000 build/images/nodejs-app.tar >"$dir/short.tar"
refuses "short.tar: .*truncated" limpet image load "$dir/short.tar"
echo "no image" >"$dir/text"
refuses "too short for an image archive" limpet image load "$dir/text"
refuses "No such file" limpet image load "$dir/missing.tar"
mkdir "$dir/evil" && echo x >"$dir/evil/f" && tar -C "$dir/evil" -cPf "$dir/evil.tar" --transform 's,^f,../../f,' f
refuses "leads out" limpet image load "$dir/evil.tar"
before=$(find "$dir/up/layers" "$dir/up/blobs" | sort | sha256sum)
refuses "truncated" limpet image load "$dir/short.tar"
check "a refused image leaves nothing" test "$before" = "$(find "$dir/up/layers" "$dir/up/blobs" | sort | sha256sum)"

# apply, again, and what it refuses
shows "pod/nodejs-app created" limpet apply -f specs/examples/nodejs-app.yaml
shows "pod/nodejs-app unchanged" limpet apply -f specs/examples/nodejs-app.yaml
shows "pod/nodejs-app condition met" limpet wait --for=condition=Ready pod/nodejs-app --timeout=60s
wait_until 5 "the app answers on its node port" curl -sSf --max-time 10 http://127.0.0.1:30001/
sed 's/version: v1.0.0/version: v1.0.1/' specs/examples/nodejs-app.yaml >"$dir/changed.yaml"
shows "pod/nodejs-app configured" limpet apply -f "$dir/changed.yaml"
shows "^v1.0.1$" limpet get pod nodejs-app -o 'jsonpath={.metadata.labels.version}{"\n"}'
refuses "no matches for kind \"Pud\"" sh -c "echo '{\"apiVersion\":\"v1\",\"kind\":\"Pud\",\"metadata\":{\"name\":\"x\"}}' | limpet apply -f -"
refuses "yaml: line" sh -c "echo 'a: [' | limpet apply -f -"
refuses "unknown field \"spec.containers\[0\].imag\"" \
	sh -c "echo '{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"containers\":[{\"name\":\"x\",\"imag\":\"y\"}]}}' | limpet apply -f -"
refuses "Invalid.*spec.containers\[0\].image: Required value" \
	sh -c "echo '{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"containers\":[{\"name\":\"x\"}]}}' | limpet apply -f -"

# looking
shows "nodejs-app +1/1 +Running +0 .* story" limpet get pods -o wide
shows "^default +nodejs-app" limpet get pods -A
shows "^pod/nodejs-app +1/1" limpet get all
shows "app=nodejs-app" limpet get pods --show-labels
shows "No resources found in default namespace" limpet get pods -l app=other
shows "^nodejs-app +limpet.local/nodejs-app:latest" limpet get pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image
shows "image: limpet.local/nodejs-app:latest" limpet get pod nodejs-app -o yaml
shows "Started +.*Started container nodejs-app" limpet describe pod nodejs-app
shows "Endpoints: +[0-9.]+:3000" limpet describe svc nodejs-app-service
shows "Non-terminated Pods: +\(1 in total\)" limpet describe node story
shows "^story +Ready" limpet node list
shows "Server Version: v1" limpet version
shows "is running at https://127.0.0.1:6443" limpet cluster-info
shows "^pods +po +v1 +true +Pod" limpet api-resources

# the tutorial's taint
check "the pod is deleted" limpet delete pod nodejs-app --timeout=60s
shows "node/story tainted" limpet taint node story node-role.kubernetes.io/master=:NoSchedule
shows "pod/nodejs-app created" limpet apply -f specs/examples/nodejs-app.yaml
wait_until 10 "the event FailedScheduling" sh -c "limpet describe pod nodejs-app | grep FailedScheduling"
shows "untolerated taint.*node-role.kubernetes.io/master" limpet describe pod nodejs-app
shows "node/story untainted" limpet taint node story node-role.kubernetes.io/master-
shows "condition met" limpet wait --for=condition=Ready pod/nodejs-app --timeout=60s
shows "node/story cordoned" limpet cordon story
shows "SchedulingDisabled" limpet get nodes
shows "node/story uncordoned" limpet uncordon story

# inside
shows "pod/box created" limpet run box --image=limpet.local/busybox --restart=Never --command -- sh -c 'echo one; echo two; sleep 1000'
shows "condition met" limpet wait --for=condition=Ready pod/box
shows "^two$" limpet logs box --tail=1
shows "^20..-.*Z one$" limpet logs box --timestamps
timeout 10 limpet logs -f box >"$dir/followed" &
wait_until 5 "logs -f shows what is there" grep -q two "$dir/followed"
shows "^inside$" limpet exec box -- echo inside
shows "^piped$" sh -c "echo piped | limpet exec -i box -- cat"
limpet exec box -- sh -c 'exit 7' 2>/dev/null
check "exec ends with the command's status" test $? = 7
refuses "container nope not found in pod box" limpet exec box -c nope -- true
shows "pod/box labeled" limpet label pod box a=b
refuses "already has a value" limpet label pod box a=c
shows "pod/box unlabeled" limpet label pod box a-
shows "pod/box annotated" limpet annotate pod box a=b
shows "service/box exposed" limpet expose pod box --port=80 --target-port=8080 --name=box
timeout 20 limpet get pods -w >"$dir/watched" &
wait_until 5 "a watch shows what is there" grep -q box "$dir/watched"
shows "pod \"box\" deleted" limpet delete pod box --grace-period=1
wait_until 5 "a watch shows the end" grep -q "box .*Terminating" "$dir/watched"

# tokens, and what is refused
shows "^limpet join https://127.0.0.1:6443 --token lp1\." limpet token create --ttl 5m
shows "^[0-9a-f]+ +1 " limpet token list
refuses "pods \"nope\" not found" limpet get pod nope
refuses "doesn't have a resource type \"nopes\"" limpet get nopes
refuses "unknown flag: --nope" limpet get pods --nope
limpet get pods --nope >/dev/null 2>&1
check "wrong usage ends with status 2" test $? = 2
refuses "timed out waiting" limpet wait --for=condition=Nope pod/nodejs-app --timeout=1s
for verb in get describe apply create delete logs exec run expose label annotate taint cordon uncordon wait cluster-info version \
	api-resources token image node; do
	shows "^Example:" limpet $verb --help
done
check "everything is deleted" limpet delete -f specs/examples/nodejs-app.yaml --timeout=60s
shows "No resources found" limpet get pods
layers() {
	find "$dir/up/layers" -mindepth 1 -maxdepth 1 ! -name tmp | wc -l
}
shows "removed" limpet image rm limpet.local/nodejs-app:latest
refuses "is not on this node" limpet image rm limpet.local/nodejs-app:latest
wait_until 20 "the files of an unused image are removed" sh -c "grep -q 'unused images were removed' $dir/up.log"
check "the layer of the other image stays" test "$(layers)" = 1
stop_up
refuses "cannot be reached" limpet get pods
finish

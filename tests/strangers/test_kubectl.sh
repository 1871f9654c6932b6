#!/bin/sh
# tests/strangers/test_kubectl.sh - the tutorial's story told by unmodified kubectl 1.20 and 1.32.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/kubectl || skip "no kubectl could be fetched"
tools/nodejs-app || exit 1
start_up
check "the image is loaded" build/limpet image load build/images/nodejs-app.tar

for version in 1.20 1.32; do
	kubectl() {
		"build/kubectl/kubectl-$version" --request-timeout=20s "$@"
	}
	echo "-- kubectl $version"
	shows "Server Version" kubectl version
	shows "^story +Ready" kubectl get nodes
	shows "^default +Active" kubectl get namespaces

	# a taint that the pod does not tolerate, and its removal
	shows "tainted" kubectl taint node story node-role.kubernetes.io/master=:NoSchedule
	shows "pod/nodejs-app created" kubectl apply -f specs/examples/nodejs-app.yaml
	wait_until 10 "the event FailedScheduling" sh -c "build/kubectl/kubectl-$version describe pod nodejs-app | grep FailedScheduling"
	shows "untolerated taint.*node-role.kubernetes.io/master" kubectl describe pod nodejs-app
	shows "nodejs-app +0/1 +Pending" kubectl get pods
	shows "untainted" kubectl taint node story node-role.kubernetes.io/master-
	check "the pod becomes ready" kubectl wait --for=condition=Ready pod/nodejs-app --timeout=60s
	shows "nodejs-app +1/1 +Running +0 .* story" kubectl get pods -o wide
	shows "nodejs-app-service +NodePort +[0-9.]+ +<none> +3000:30001/TCP" kubectl get svc
	wait_until 10 "the app listens" curl -sS --max-time 2 http://127.0.0.1:30001/
	shows "Hello from nodejs-app on nodejs-app" curl -sS --max-time 10 http://127.0.0.1:30001/
	shows "Hello from nodejs-app on nodejs-app" curl -sS --max-time 10 http://10.99.0.1:30001/
	cluster_ip=$(kubectl get svc nodejs-app-service -o 'jsonpath={.spec.clusterIP}')
	shows "Hello from nodejs-app" curl -sS --max-time 10 "http://$cluster_ip:3000/"

	# looking
	shows "unchanged" kubectl apply -f specs/examples/nodejs-app.yaml
	shows "^Name: +nodejs-app" kubectl describe pod nodejs-app
	shows "Started +.*Started container" kubectl describe pod nodejs-app
	shows "Endpoints: +[0-9.]+:3000" kubectl describe svc nodejs-app-service
	shows "image: limpet.local/nodejs-app:latest" kubectl get pod nodejs-app -o yaml
	shows "pod/nodejs-app" kubectl get pods -l app=nodejs-app -o name
	shows "No resources found" kubectl get pods -l app=other
	shows "ClusterIP|NodePort" kubectl get all

	# changing
	shows "labeled" kubectl label pod nodejs-app tier=web
	shows "annotated" kubectl annotate pod nodejs-app note=hello
	shows "hello" kubectl get pod nodejs-app -o 'jsonpath={.metadata.annotations.note}'
	shows "cordoned" kubectl cordon story
	shows "SchedulingDisabled" kubectl get nodes
	shows "uncordoned" kubectl uncordon story
	refuses "NotFound.*\"missing\" not found" kubectl get pod missing
	refuses "spec.containers" sh -c "echo '{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"bad\"},\"spec\":{\"containers\":[]}}' | build/kubectl/kubectl-$version create -f -"
	check "both objects are deleted" kubectl delete -f specs/examples/nodejs-app.yaml --timeout=60s
	shows "No resources found" kubectl get pods
done
stop_up
finish

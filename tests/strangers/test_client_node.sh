#!/bin/sh
# tests/strangers/test_client_node.sh - the official JavaScript client against a real limpet: objects, watches, informers,
# logs, exec.
. "$(dirname "$0")/lib.sh"
if [ -z "${LP_STORY_INSIDE:-}" ]; then	# there is no network inside
	node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null || skip "needs Node.js 20 or later"
	"$(dirname "$0")/../../tools/client-node" || skip "client-node could not be fetched"
fi
enter "$@"
[ -e build/images/busybox.tar ] || tools/test-images || skip "the busybox image could not be made"
start_up
check "the image is loaded" build/limpet image load build/images/busybox.tar
cp tests/strangers/client_node.mjs build/client-node/story.mjs
timeout 120 node build/client-node/story.mjs >"$dir/story" 2>&1
code=$?
sed 's/^/    /' "$dir/story"
check "client-node's story ended" test $code = 0
checks=$((checks + $(grep -c '^ok ' "$dir/story")))
failures=$((failures + $(grep -c '^NOT OK ' "$dir/story")))
stop_up
finish

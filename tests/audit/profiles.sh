# tests/audit/profiles.sh - the pods that are audited, and what of their facts is compared with the golden files.
#
# Use     . tests/audit/profiles.sh; audit_host PID; audit_pod ... | kubectl apply -f -; audit_compare ...
# Sourced by strangers/test_security.sh, vm/foreign.sh and, inside the machine, the latter's case
audit_profiles="default restricted host-users privileged host"

# AUDIT_HOST for the pods: the namespaces of a process of the host.
audit_host() {
	host=
	for name in cgroup ipc mnt net pid time user uts; do
		link=$(readlink "/proc/$1/ns/$name") && link=${link#*\[} && host="$host$name=${link%]} "
	done
}

# audit_pod NAME POD-FIELDS CONTAINER-FIELDS [NAMESPACE]: an audit in a pod, as YAML
audit_pod() {
	fields=${2:+, $2} context=
	[ -z "$3" ] || context=", securityContext: {$3}"
	cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: ${4:-default}}
spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1$fields, containers: [{name: audit, image: "limpet.local/audit:latest",
  env: [{name: AUDIT_HOST, value: "$host"}]$context}]}
YAML
}
# audit_profile NAME: the pod of a profile that has golden files
audit_profile() {
	case $1 in
	default) audit_pod default '' '' ;;
	restricted) audit_pod restricted 'securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, supplementalGroups: [77], fsGroup: 88, seccompProfile: {type: RuntimeDefault}}' \
		'allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}' ;;
	host-users) audit_pod host-users 'hostUsers: true' '' ;;
	privileged) audit_pod privileged '' 'privileged: true' ;;
	host) audit_pod host 'hostPID: true, hostIPC: true, hostNetwork: true' '' ;;
	*) return 1 ;;
	esac
}

# audit_facts PROFILE FILE LACKING LIMITS: without what differs from machine to machine: mounts over files that only some kernels have,
# calls that this one lacks (lines of LACKING), limits without their controller (LIMITS is 1024 or none), resource limits that limpet was
# started with; and of a privileged pod what is the host's own.
audit_facts() {
	grep -vxFf "$3" "$2" | grep -Ev '^(meter|rlimit) ' | sed "s/,idmapped//; s/^limit pids .*/limit pids $4/
		/^mount \/proc\/./d; /^mount \/sys\/\(firmware\|devices\)/d" | case $1 in
	host) grep -v '^setting ' ;;
	privileged) grep -E '^(no_new_privs|seccomp|user|map|namespace|blocked|keyring|escape unshare|masked /proc/keys)' ;;
	*) cat ;;
	esac
}
# audit_compare PROFILE ARCH DIR LIMITS: DIR/PROFILE.raw and DIR/lacking against the golden file. AUDIT_UPDATE=1 writes it anew, with the
# calls that this kernel lacks and others have, as DIR/table.ARCH knows them.
audit_compare() {
	golden=tests/audit/$1.$2
	audit_facts "$1" "$3/$1.raw" "$3/lacking" "$4" >"$3/$1.facts"
	grep '^meter ' "$3/$1.raw" >"$3/$1.meters"
	if [ -n "${AUDIT_UPDATE:-}" ] && [ "$1" = privileged ]; then
		cp "$3/$1.facts" "$golden"
	elif [ -n "${AUDIT_UPDATE:-}" ]; then
		grep -vxFf "$3/table.$2" "$3/lacking" >"$3/unknown"
		{ audit_facts "$1" "$3/$1.raw" "$3/unknown" 1024; cat "$3/$1.meters"; } >"$golden"
	fi
	audit_facts "$1" "$golden" "$3/lacking" "$4" >"$3/$1.wanted"
	diff "$3/$1.wanted" "$3/$1.facts" || return 1
	[ "$1" = privileged ] && return 0
	# fewer of the kernel's meters is well, more is not
	grep '^meter ' "$golden" >"$3/$1.allowed"
	! grep -vxFf "$3/$1.allowed" "$3/$1.meters"
}
# audit_means ARCH DIR: what was measured in the default pod is what DIR/table.ARCH means, and at least 90 calls on x86-64.
audit_means() {
	grep '^blocked ' "$2/default.raw" | grep -vxFf "$2/lacking" | sort >"$2/measured"
	grep -vxFf "$2/lacking" "$2/table.$1" | sort | diff - "$2/measured"
}

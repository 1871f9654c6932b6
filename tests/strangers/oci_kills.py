# tests/strangers/oci_kills.py - SIGKILL at system calls of limpet-oci; afterwards the state before or after, and nothing left over.
#
# Usage   oci_kills.py OCI ROOT CGROUP-ROOT STEP     run in a bundle; every STEPth call of each verb is one kill (strace injection by
#         name and count). Prints what is wrong and a last line with the number of kills; exit 1 when anything was wrong
import collections
import json
import os
import re
import subprocess
import sys

oci, root, cgroups, step = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
name = "killed-%d" % os.getpid()
verbs = {
    "create": (["create", name], (None, "created")),
    "start": (["start", name], ("created", "running")),
    "run": (["run", "-d", name], (None, "running")),
    "exec": (["exec", name, "true"], ("running",)),
    "delete": (["delete", "-f", name], (None, "created", "stopped")),
}
null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
wrong = 0


def call(*words):
    return subprocess.run([oci, "--root", root, *words], timeout=30, **null).returncode


def status():
    done = subprocess.run([oci, "--root", root, "state", name], timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)["status"] if done.returncode == 0 else None


def prepare(verb):
    call("delete", "-f", name)
    if verb in ("start", "delete", "exec") and call("create", name) != 0:
        sys.exit("cannot create")
    if verb == "exec" and call("start", name) != 0:
        sys.exit("cannot start")


def report(*words):
    global wrong
    wrong += 1
    print(*words)


kills = 0
for verb, (words, good) in verbs.items():
    prepare(verb)
    trace = os.path.join(root + ".trace")
    subprocess.run(["strace", "-o", trace, oci, "--root", root, *words], timeout=60, **null)
    counts = collections.Counter(m.group(1) for m in (re.match(r"(\w+)\(", line) for line in open(trace)) if m)
    points = [(call_name, i) for call_name, n in sorted(counts.items()) if call_name not in ("execve", "exit_group") for i in range(1, n + 1)]
    for call_name, i in points[kills % step::step]:
        prepare(verb)
        subprocess.run(["strace", "-o", "/dev/null", "-e", "trace=" + call_name, "-e", "inject=%s:signal=KILL:when=%d" % (call_name, i),
                        oci, "--root", root, *words], timeout=60, **null)
        kills += 1
        now = status()
        if now not in good:
            report(verb, "killed at", call_name, i, "leaves", now)
        if verb == "start" and now == "created" and call("start", name) != 0:
            report(verb, "killed at", call_name, i, "cannot be repeated")
        if call("delete", "-f", name) != 0:
            report(verb, "killed at", call_name, i, "cannot be deleted")
        left = os.listdir(root)
        if left:
            report(verb, "killed at", call_name, i, "leaves", left)
        if cgroups and os.path.isdir(os.path.join(cgroups, "limpet-oci", name)):
            report(verb, "killed at", call_name, i, "leaves its cgroup")
    os.unlink(trace)
print("%d kills, %d wrong" % (kills, wrong))
sys.exit(1 if wrong else 0)

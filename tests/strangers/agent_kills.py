# tests/strangers/agent_kills.py - agents are killed and replaced, keepers become another build in place; how long until all is well again.
#
# Usage   agent_kills.py DIR KILLS REPLACES UPGRADES LIMIT_MS PROGRAM OTHER agent-words...     run where the keepers are, with no agent
# Time    of each start: from before the fork until the agent has said that it took over what ran before it (each keeper has answered, by
#         this program, and the network knows it) and that the manager has stored its report. Of each upgrade: until the agent, which has
#         lost its connection to the upgraded keeper, has called it and made it its own program again
# Moments random; every fourth kill is followed by another one during the start that it caused. Upgrades wait for a container that is
#         about to exit: its last line is written, its exit is not seen yet
# Ends    prints the figures and what is wrong; exit 1 when anything was. No agent is left
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time

dir, kills, replaces, upgrades, limit_ms = sys.argv[1], *map(int, sys.argv[2:6])
programs, words = sys.argv[6:8], sys.argv[8:]
EARLY_S = 0.04  # about as long as a start takes
GIVE_UP_S = 15
APART_S = 1.2  # a keeper is called again once a second: another upgrade of it would have to wait for that
UPGRADE = b"LPK1" + bytes([0, 1, 0, 0, 0, 1, 5])  # keeper/control.h: kind 5
MARKS = {"ready": b"\nready\n", "taken over": b"pods that ran before are taken over", "link": b"link to the manager is up", "linked": b"\nlinked\n"}
wrong = []


def keepers():
    """pod name -> pid. Keepers belong to init; what one is just making has its words, too, but another parent."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
            parent = open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if line[:2] == [b"limpet", b"keeper"] and parent == "1":
            found[line[-2].decode().split("/")[1]] = int(pid)  # behind --resume=N in one that was upgraded
    return found


def runs(pid, program):
    return os.stat("/proc/%d/exe" % pid).st_ino == os.stat(program).st_ino


class Agent:
    """At most one at a time. What it says goes to agent.log."""

    def __init__(self):
        self.which = 0
        self.log = open(os.path.join(dir, "agent.log"), "ab", buffering=0)
        self.process = None

    def start(self):
        self.began = time.monotonic()
        self.marks = {}
        self.text = b""
        self.process = subprocess.Popen([programs[self.which], "agent", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.listen(0)
        self.process.stdout.close()

    def listen(self, seconds):
        """Takes what it says for as long as that, or until it ends."""
        until = time.monotonic() + seconds
        while True:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                return
            said = os.read(self.process.stdout.fileno(), 65536)
            now = time.monotonic()
            if not said:
                return
            self.log.write(said)
            self.text += said
            for mark in MARKS:
                if mark not in self.marks and MARKS[mark] in self.text:
                    self.marks[mark] = round((now - self.began) * 1000)

    def settle(self):
        """Until it has everything in hand: the milliseconds since its start."""
        while not self.settled() and time.monotonic() < self.began + GIVE_UP_S and self.process.poll() is None:
            self.listen(0.002)
        if not self.settled():
            wrong.append("an agent did not settle: %s, ended with %s" % (self.marks, self.process.poll()))
            return GIVE_UP_S * 1000
        took = max(self.marks.values())
        if took > limit_ms:
            print("-- slow:", self.marks, self.text.decode(errors="replace"), flush=True)
        return took

    def settled(self):
        return "taken over" in self.marks and "linked" in self.marks


agent = Agent()
pods = keepers()
uids = dict(line.split() for line in subprocess.run(
    [programs[0], "get", "pods", "-o", 'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\\n"}{end}'],
    stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines())
used = {}  # pod -> when it was upgraded last


def next_exit(alive):
    """Waits for a container that has just written its last line; the name of its pod."""
    def sizes():
        return {pod: os.stat("%s/count/%s.codes" % (dir, pod)).st_size for pod in uids if os.path.exists("%s/count/%s.codes" % (dir, pod))}

    before, until = sizes(), time.monotonic() + GIVE_UP_S
    while time.monotonic() < until:
        if alive:
            agent.listen(0.001)
        else:
            time.sleep(0.001)
        now = sizes()
        for pod in now:
            if now[pod] != before.get(pod) and time.monotonic() > used.get(pod, 0) + APART_S:
                return pod
        before = now
    wrong.append("no container exits any more")
    return random.choice(list(uids))


def become(pod, program):
    """As an agent, asks one keeper to become this program in place."""
    used[pod] = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, open(program, "rb") as file:
        connection.connect("/run/story/pods/%s/keeper.sock" % uids[pod])
        socket.send_fds(connection, [UPGRADE], [file.fileno()])
        while not runs(pods[pod], program):
            if time.monotonic() > used[pod] + GIVE_UP_S:
                wrong.append("%s did not become the other program" % pod)
                return
            time.sleep(0.0005)


def upgrade(alive, pod=None):
    """An agent that is there is held meanwhile, or it would call again before the keeper has heard us."""
    pod, other = pod or next_exit(alive), programs[1 - agent.which]
    began = time.monotonic()
    if alive:
        agent.process.send_signal(signal.SIGSTOP)
    become(pod, other)
    if alive:
        agent.process.send_signal(signal.SIGCONT)
    while alive and not runs(pods[pod], programs[agent.which]):
        if time.monotonic() > began + GIVE_UP_S:
            wrong.append("%s was not taken back" % pod)
            break
        agent.listen(0.001)
    return round((time.monotonic() - began) * 1000)


def twice():
    """One that hangs up again and again is not called again and again: once a second."""
    agent.listen(APART_S)
    pod = random.choice(list(pods))
    used.clear()
    took = [upgrade(True, pod) for _ in range(2)]
    print("-- a keeper upgraded twice at once was taken back within %d and %d ms" % tuple(took), flush=True)
    if took[1] > limit_ms + 1000:
        wrong.append("a keeper that hung up twice was called again too late")


def tell(what, took):
    took = sorted(took)
    if took:
        print("-- %d %s: median %d ms, 99 of 100 within %d ms, all within %d ms" %
              (len(took), what, took[len(took) // 2], took[(len(took) * 99 - 1) // 100], took[-1]), flush=True)
    if took and took[-1] > limit_ms:
        wrong.append("%s: more than %d ms: %s" % (what, limit_ms, [ms for ms in took if ms > limit_ms]))


def due(i, count):
    """True `count` times in `kills`."""
    return (i + 1) * count // kills > i * count // kills


killed, replaced, upgraded, early, away = [], [], [], 0, 0
agent.start()
agent.settle()
for i in range(kills):
    agent.listen(random.random() * 0.6)
    if due(i, upgrades):  # one with an agent, the next without
        if away < len(upgraded):
            away += 1
            agent.kill()
            upgrade(False)
            agent.start()
        else:
            upgraded.append(upgrade(True))
    if i % 4 == 3:
        early += 1
        agent.kill()
        agent.start()
        agent.listen(random.random() * EARLY_S)
    agent.kill()
    agent.start()
    killed.append(agent.settle())
    if due(i, replaces):
        agent.kill()
        agent.which = 1 - agent.which
        agent.start()
        replaced.append(agent.settle())
    late = [pod for pod in pods if not runs(pods[pod], programs[agent.which])]
    if late:
        wrong.append("after %d kills keepers are not the agent's program: %s" % (i + 1, late))
    if (i + 1) % 50 == 0:
        print("-- %d kills, all within %d ms" % (i + 1, max(killed + replaced)), flush=True)
twice()
agent.kill()
if keepers() != pods:
    wrong.append("keepers changed: %s, then %s" % (pods, keepers()))
tell("kills, and %d more during the starts they caused" % early, killed)
tell("replacements with %d keepers renewed in each" % len(pods), replaced)
tell("keepers renewed one by one and taken back, and %d more that no agent saw" % away, upgraded)
for line in wrong:
    print("WRONG:", line)
sys.exit(bool(wrong))

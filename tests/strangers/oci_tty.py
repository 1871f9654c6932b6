# tests/strangers/oci_tty.py - the other end of --console-socket: takes a terminal, prints what comes out of it.
#
# Usage   oci_tty.py SOCKET [WORDS]     prints "ready", then name and size of the terminal, types WORDS and a newline, prints until its end
import array
import fcntl
import os
import socket
import struct
import sys
import termios

path = sys.argv[1]
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind(path)
server.listen(1)
server.settimeout(20)
print("ready", flush=True)
peer, _ = server.accept()
fds = array.array("i")
name, control, _, _ = peer.recvmsg(256, socket.CMSG_SPACE(4))
for level, kind, data in control:
    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
        fds.frombytes(data)
master = fds[0]
rows, cols, _, _ = struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, b"\0" * 8))
print("name", name.decode(), "rows", rows, "cols", cols, "tty", os.isatty(master), flush=True)
if len(sys.argv) > 2:
    os.write(master, (sys.argv[2] + "\n").encode())
while True:
    try:
        data = os.read(master, 4096)
    except OSError:
        break
    if not data:
        break
    sys.stdout.write(data.decode(errors="replace"))
    sys.stdout.flush()
print("end")

#!/usr/bin/env python3
"""tests/strangers/capture.py - does a capture hold any part of a secret?

Use     capture.py FILE.pcap SECRET PORT
Looks   for every 8 bytes in a row of SECRET (hex digits: as text in either case, and as the bytes they mean) in the file as it
        is, and in what was said in each TCP direction, put together again
Prints  "sent N bytes" (payload towards PORT) and "clean", or what was found and where; exit status 0 clean, 1 found, 2 unusable
Needs   nothing but python3-minimal
"""
import struct
import sys

WINDOW = 8
LINK_HEADERS = {1: (14, 12), 113: (16, 14), 276: (20, 0)}  # link type: header length, place of the protocol


def unusable(why):
    print(why)
    sys.exit(2)


def packets(data):
    magic = data[:4]
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}.get(magic)
    if not order or len(data) < 24:
        unusable("not a capture")
    link = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF
    if link not in LINK_HEADERS:
        unusable("link type %d is not known" % link)
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        yield link, data[at + 16:at + 16 + size]
        at += 16 + size


def segment(link, frame):
    """(direction, sequence number, payload, destination port) of a TCP packet, or None."""
    length, place = LINK_HEADERS[link]
    protocol, packet = frame[place:place + 2], frame[length:]
    if protocol == b"\x08\x00" and packet[9:10] == b"\x06":
        head, ends = (packet[0] & 15) * 4, packet[12:20]
        packet = packet[:struct.unpack(">H", packet[2:4])[0] or None]
    elif protocol == b"\x86\xdd" and packet[6:7] == b"\x06":
        head, ends = 40, packet[8:40]
    else:
        return None
    tcp = packet[head:]
    if len(tcp) < 20:
        return None
    port = struct.unpack(">H", tcp[2:4])[0]
    return ends + tcp[:4], struct.unpack(">I", tcp[4:8])[0], tcp[(tcp[12] >> 4) * 4:], port


def streams(data):
    found = {}
    for link, frame in packets(data):
        part = segment(link, frame)
        if part and part[2]:
            found.setdefault((part[0], part[3]), {}).setdefault(part[1], part[2])
    for (_, port), parts in found.items():
        text, due = b"", None
        for number in sorted(parts):
            skip = 0 if due is None else max(0, due - number)
            text += parts[number][skip:]
            due = max(due or 0, number + len(parts[number]))
        yield port, text


def windows(secret):
    for form in (secret.lower().encode(), secret.upper().encode(), bytes.fromhex(secret)):
        for at in range(len(form) - WINDOW + 1):
            yield form[at:at + WINDOW]


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    places, sent = [("the raw capture", data)], 0
    for port, text in streams(data):
        places.append(("a stream to port %d" % port, text))
        sent += len(text) if port == int(sys.argv[3]) else 0
    print("sent %d bytes" % sent)
    found = sorted({name for window in windows(sys.argv[2]) for name, text in places if window in text})
    print("\n".join("FOUND in " + name for name in found) or "clean")
    return 1 if found else 0


sys.exit(main())

"""A DNS question, for conditions to wait for. Peers and the suite ask in their own ways."""

import os
import socket
import struct

A, NS, CNAME, SOA, MX, TXT, AAAA, TLSA = 1, 2, 5, 6, 15, 16, 28, 52


def ask(server, name, kind, port=53, timeout=2.0, dnssec=False):
    """Asks over UDP. Returns (rcode, authenticated, list of the answers' rdata as octets of that kind).

    Raises TimeoutError, or OSError when nobody listens there.
    """
    number = os.urandom(2)
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + struct.pack("!HH", kind, 1)
    edns = b"\0" + struct.pack("!HHIH", 41, 4096, 0x8000 if dnssec else 0, 0)
    packet = number + struct.pack("!HHHHH", 0x0120, 1, 0, 0, 1) + question + edns
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((server, port))
        sock.send(packet)
        answer = sock.recv(65535)
    if answer[:2] != number:
        raise OSError("an answer to another question")
    flags, _, count = struct.unpack("!HHH", answer[2:8])
    return flags & 15, bool(flags & 0x20), _answers(answer, 12 + len(question), count, kind)


def _answers(packet, at, count, kind):
    found = []
    for _ in range(count):
        at = _after_name(packet, at)
        this, _, _, length = struct.unpack("!HHIH", packet[at:at + 10])
        if this == kind:
            found.append(packet[at + 10:at + 10 + length])
        at += 10 + length
    return found


def _after_name(packet, at):
    while packet[at]:
        if packet[at] >= 0xC0:
            return at + 2
        at += 1 + packet[at]
    return at + 1


def serial(server, zone, port=53):
    """The serial number of a zone as served there, or None."""
    try:
        _, _, answers = ask(server, zone, SOA, port)
    except OSError:
        return None
    return struct.unpack("!I", answers[0][-20:-16])[0] if answers else None

"""What went over the link, for tests on what must not be seen there.

    with capture.Capture() as link:
        ...
    text = link.stream(to_port=25)          # every octet sent to a port 25, connection by connection
    assert b"MAIL FROM" not in text
    link.sent(25)["192.0.2.7"]              # the same by the address it was sent to

Only inside sandbox.enter(), with a net.Net made before. TCP without options that matter, IPv4 and
IPv6 without extension headers: enough for hosts of this network.
"""

import socket
import struct
import threading

from . import net, wait

_ETH_P_ALL = 3
_SOL_PACKET, _ADD_MEMBERSHIP, _STATISTICS = 263, 1, 6
_SO_RCVBUFFORCE = 33
_SYN, _FIN, _RST = 2, 1, 4


class Segment:
    """source, target: (address, port). flags, sequence: of the TCP header. data: octets."""

    def __init__(self, source, target, flags, sequence, data):
        self.source, self.target, self.flags = source, target, flags
        self.sequence, self.data = sequence, data


class Capture:
    """Listens on the bridge from the start of the with statement to its end; then segments is complete, but for so
    many frames as `lost` says."""

    def __init__(self, device=net.BRIDGE):
        self.segments, self.lost = [], None
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        self._sock.bind((device, 0))
        _promiscuous(self._sock, device)
        self._sock.settimeout(wait.STEP)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stopping.set()
        self._thread.join()
        self.lost = struct.unpack("II", self._sock.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1]
        self._sock.close()

    def _listen(self):
        """Goes on until asked to stop and nothing is left to read."""
        while True:
            try:
                segment = parse(self._sock.recv(1 << 17))
            except TimeoutError:
                if self._stopping.is_set():
                    return
                continue
            if segment:
                self.segments.append(segment)

    def openings(self, to_port=None):
        """The first segments of connections (to this port), a retried one once: a list."""
        first = {(one.source, one.target, one.sequence): one for one in reversed(self.segments)
                 if to_port in (None, one.target[1]) and one.flags & 0x12 == _SYN}
        return list(reversed(first.values()))

    def connections(self, to_port):
        """Number of connections that somebody began to open to this port."""
        return len(self.openings(to_port))

    def stream(self, to_port=None, from_port=None):
        """The octets of all segments to (or from) a port, in order of each connection's sequence numbers."""
        return b"\n".join(_joined(way["parts"]) for way in self._ways(to_port, from_port).values())

    def sent(self, to_port):
        """address -> the octets of all that was sent to this port there. Whoever was only knocked at has none: b""."""
        found = {}
        for (_, target), way in self._ways(to_port, None).items():
            found[target[0]] = found.get(target[0], b"") + _joined(way["parts"])
        return found

    def _ways(self, to_port, from_port):
        """(source, target) -> the first sequence number, and data by their offset from it."""
        ways = {}
        for one in self.segments:
            if to_port in (None, one.target[1]) and from_port in (None, one.source[1]):
                way = ways.setdefault((one.source, one.target), {"first": None, "parts": {}})
                if way["first"] is None or one.flags & _SYN:
                    way["first"] = one.sequence
                if one.data:
                    way["parts"][(one.sequence - way["first"]) & 0xFFFFFFFF] = one.data
        return ways


def _joined(parts):
    """Octets at offsets put together; what was sent again counts once."""
    out, end = [], None
    for at in sorted(parts):
        data = parts[at]
        if end is not None and at < end:
            data = data[end - at:]
        out.append(data)
        end = max(end or 0, at + len(parts[at]))
    return b"".join(out)


def _promiscuous(sock, device):
    request = struct.pack("iHH8s", socket.if_nametoindex(device), 1, 0, b"")
    sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, request)  # PACKET_MR_PROMISC


def parse(frame):
    """An Ethernet frame as a Segment, or None when it carries no TCP."""
    kind = struct.unpack("!H", frame[12:14])[0]
    packet = frame[14:]
    if kind == 0x0800 and packet[9] == 6:
        family, addresses = socket.AF_INET, (packet[12:16], packet[16:20])
        tcp = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
    elif kind == 0x86DD and packet[6] == 6:
        family, addresses = socket.AF_INET6, (packet[8:24], packet[24:40])
        tcp = packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
    else:
        return None
    source, target, sequence = struct.unpack("!HHI", tcp[:8])
    texts = [socket.inet_ntop(family, address) for address in addresses]
    return Segment((texts[0], source), (texts[1], target), tcp[13], sequence, tcp[(tcp[12] >> 4) * 4:])

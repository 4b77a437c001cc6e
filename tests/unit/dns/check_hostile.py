"""The resolver against a server that does everything wrong. Usage: check_hostile.py PROGRAM"""

import random
import socket
import struct
import sys
import threading
import time

import servers
from servers import encode_name, expect

A, CNAME, SOA, MX, TXT, AAAA, OPT, TSIG = 1, 5, 6, 15, 16, 28, 41, 250


class Query:
    """A query as it came, and ways to answer it."""

    def __init__(self, packet):
        self.packet = packet
        self.id, self.flags, _, _, _, self.arcount = struct.unpack(">6H", packet[:12])
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        self.name = ".".join(labels)
        self.type = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.question = packet[12:at + 5]

    def answer(self, *records, authority=(), additional=(), rcode=0, flags=0x8180, id=None, question=None, counts=None):
        header = struct.pack(">HH", self.id if id is None else id, flags | rcode)
        header += struct.pack(">4H", *(counts or (1, len(records), len(authority), len(additional))))
        return header + (self.question if question is None else question) + b"".join((*records, *authority, *additional))


def record(owner, type, data, ttl=60, klass=1):
    owner = encode_name(owner) if isinstance(owner, str) else owner
    return owner + struct.pack(">HHIH", type, klass, ttl, len(data)) + data


def soa(zone, minimum=60):
    return record(zone, SOA, encode_name("ns." + zone) + encode_name("h." + zone) + struct.pack(">5I", 1, 2, 3, 4, minimum))


def address(name, last=1, ttl=60):
    return record(name, A, bytes([192, 0, 2, last]), ttl)


def opt(data=b"", ext=0):
    return b"\0" + struct.pack(">HHIH", OPT, 1232, ext << 24, len(data)) + data


class Hostile:
    """Hands each query to a function that gives the packets to send back; a TCP query to another, which gives the octets
    to send before the connection is closed."""

    def __init__(self, udp, tcp=None, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host, self.udp, self.tcp, self.queries = host, udp, tcp, []
        self.port = servers.free_port()
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((host, self.port))
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind((host, self.port))
        if tcp:
            self.listener.listen(10)
        self.address = ("[%s]:%d" if ":" in host else "%s:%d") % (host, self.port)

    def __enter__(self):
        self.stopping, self.broken = False, None
        self.threads = [threading.Thread(target=f) for f in (self._serve_udp, self._serve_tcp)]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as s:
            s.sendto(b"", (self.host, self.port))
        if self.tcp:
            self.listener.shutdown(socket.SHUT_RDWR)
        for t in self.threads:
            t.join()
        self.socket.close()
        self.listener.close()
        if self.broken:
            raise self.broken

    def _serve_udp(self):
        while True:
            packet, peer = self.socket.recvfrom(4096)
            if self.stopping:
                return
            query = Query(packet)
            self.queries.append(query)
            try:
                for reply in self.udp(query):
                    self.socket.sendto(reply, peer)
            except Exception as e:  # told by __exit__: a thread has nobody to tell
                self.broken = e

    def _serve_tcp(self):
        while self.tcp:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream:
                length = struct.unpack(">H", stream.recv(2, socket.MSG_WAITALL))[0]
                query = Query(stream.recv(length, socket.MSG_WAITALL))
                try:
                    for piece in self.tcp(query):
                        stream.sendall(piece)
                except OSError:
                    pass  # the other side had enough


def framed(packet):
    return struct.pack(">H", len(packet)) + packet


def truncated(q):
    return [q.answer(flags=0x8380)]


QUICK = ("-t", 150, "-n", 1)


def ask(t, udp, *arguments, tcp=None):
    with Hostile(udp, tcp) as h:
        lines, end = t.run("-s", h.address, *arguments)
        return lines, end, h


def check_the_query_is_as_it_should_be(t):
    lines, end, h = ask(t, lambda q: [q.answer(address(q.name))], "A:Host.Example.Test.")
    q = h.queries[0]
    assert q.name == "host.example.test" and q.type == A
    assert q.flags == 0x0120, "RD and AD: %04x" % q.flags
    assert q.packet[len(q.question) + 12:] == b"\0" + struct.pack(">HHIH", OPT, 1232, 0, 0), "EDNS, no DO"
    expect(lines[0], status="OK", records=["192.0.2.1"])


def check_ids_and_ports_vary(t):
    peers = set()

    class Seen(Hostile):
        def _serve_udp(self):
            while True:
                packet, peer = self.socket.recvfrom(4096)
                if self.stopping:
                    return
                peers.add((Query(packet).id, peer[1]))
                self.socket.sendto(Query(packet).answer(address("n")), peer)
    with Seen(None) as h:
        t.run("-s", h.address, "-q", "-R", 100, "-c", 0, "A:x%d.test")
    assert len({i for i, _ in peers}) > 95 and len({p for _, p in peers}) > 50, len(peers)


def check_a_wrong_id_is_passed_over(t):
    lines, end, _ = ask(t, lambda q: [q.answer(address(q.name, 66), id=q.id ^ 1), q.answer(address(q.name))], "A:a.test")
    expect(lines[0], status="OK", records=["192.0.2.1"])
    expect(end, strays=1, queries=1)


def check_a_wrong_question_is_passed_over(t):
    def udp(q):
        other = encode_name("b.test") + struct.pack(">2H", A, 1)
        yield q.answer(address(q.name, 66), question=other)
        yield q.answer(address(q.name, 66), question=encode_name(q.name) + struct.pack(">2H", MX, 1))
        yield q.answer(address(q.name, 66), question=encode_name(q.name) + struct.pack(">2H", A, 3))
        yield q.answer(address(q.name, 66), question=b"", counts=(0, 1, 0, 0))
        yield q.answer(address(q.name, 66), question=q.question * 2, counts=(2, 1, 0, 0))
        yield q.answer(address(q.name, 66), flags=0x0180)  # a query
        yield q.answer(address(q.name, 66), flags=0x8980)  # another opcode
        yield q.answer(address(q.name), question=encode_name(q.name.upper()) + struct.pack(">2H", A, 1))
    lines, end, _ = ask(t, udp, "A:a.test")
    expect(lines[0], status="OK", records=["192.0.2.1"])
    expect(end, strays=7, queries=1)


def check_another_sender_is_not_heard(t):
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    class Elsewhere(Hostile):
        def _serve_udp(self):
            while True:
                packet, peer = self.socket.recvfrom(4096)
                if self.stopping:
                    return
                other.sendto(Query(packet).answer(address("a.test")), peer)
    with Elsewhere(None) as h:
        lines, end = t.run("-s", h.address, *QUICK, "A:a.test")
    other.close()
    expect(lines[0], status="TEMPORARY")
    expect(end, strays=0, timeouts=1)


def check_a_flood_of_strays_is_given_up(t):
    lines, end, _ = ask(t, lambda q: [q.answer(id=q.id ^ (i + 1)) for i in range(300)], "-t", 60000, "-n", 1, "A:a.test")
    expect(lines[0], status="TEMPORARY")
    assert "answers other questions" in lines[0]["text"]
    expect(end, timeouts=0)


def whole(q):
    return q.answer(record(q.name, CNAME, encode_name("alias.test")), address("alias.test"), authority=[soa("test")],
                    additional=[record("x.test", AAAA, bytes(16)), opt(struct.pack(">3H", 15, 4, 22) + b"ab")])


def check_every_cut_of_an_answer_is_malformed(t):
    lengths = {}

    def udp(q):  # n5.test is answered with the first 5 octets
        answer = whole(q)
        lengths[q.name] = (12 + len(q.question), len(answer))
        return [answer[:int(q.name[1:-len(".test")])]]
    lines, end, h = ask(t, udp, "-t", 500, "-n", 1, "-p", 50, "-R", 200, "A:n%d.test")
    seen = set()
    for line in lines:
        name = line["ask"][2:]
        cut, (question, length) = int(name[1:-len(".test")]), lengths[name]
        # without a question it is a stray
        wanted = "TEMPORARY" if cut < question else "BAD" if cut < length else "OK"
        assert line["status"] == wanted, (cut, line)
        seen.add(wanted)
        if wanted == "OK":
            expect(line, name="alias.test", ede=22)
    assert len(seen) == 3 and len(lines) == 200


def pointer(at):
    return struct.pack(">H", 0xc000 | at)


def check_bad_packets_are_not_read(t):
    def bad(q):
        here = 12 + len(q.question)
        a = bytes([192, 0, 2, 1])
        many = [record(q.name, A, a)] * 40
        data = here + len(encode_name("a.test")) + 10
        hops = b"".join(pointer(data + 2 * i - 2 if i else 12) for i in range(80))
        return {
            "pointer to itself": q.answer(record(pointer(here), A, a)),
            "pointer forward": q.answer(record(pointer(here + 20), A, a), record("a.test", A, a)),
            "pointers in a circle": q.answer(record(b"\1x" + pointer(here), A, a)),
            "pointer into the header": q.answer(record(pointer(2), A, a)),
            "pointer beyond": q.answer(record(pointer(0x3fff), A, a)),
            "label type 01": q.answer(record(b"\x41" + b"x" * 65 + b"\0", A, a)),
            "name of 256 octets": q.answer(record((b"\x3f" + b"x" * 63) * 4 + b"\0", A, a)),
            "many hops": q.answer(record("a.test", 10, hops), record(pointer(data + 158), A, a)),
            "short address": q.answer(record(q.name, A, b"\1\2\3")),
            "long address": q.answer(record(q.name, A, b"\1\2\3\4\5")),
            "no room for a record": q.answer(address(q.name), counts=(1, 2, 0, 0)),
            "octets left": q.answer(address(q.name)) + b"x",
            "many records": q.answer(*many, counts=(1, 40, 0, 500)),
            "all records": q.answer(address(q.name), counts=(1, 65535, 65535, 65535)),
            "a TSIG": q.answer(address(q.name), additional=[record("k", TSIG, b"\0" * 17, 0, 255)]),
            "two OPT": q.answer(address(q.name), additional=[opt(), opt()]),
            "OPT as answer": q.answer(opt(), address(q.name)),
            "broken option": q.answer(address(q.name), additional=[opt(b"\0\x0f\0\x09\0\6")]),
            "record length beyond": q.answer(address(q.name)[:-6] + b"\xff\xff\1\2\3\4"),
            "text beyond its record": q.answer(record(q.name, TXT, b"\5ab"), address(q.name)),
            "name beyond its record": q.answer(record(q.name, CNAME, encode_name("long.name.test")[:-3]), address(q.name)),
        }
    names = list(bad(Query(b"\0" * 12 + encode_name("a.test") + b"\0\1\0\1")))
    at = iter(names)
    with Hostile(lambda q: [bad(q)[next(at)]]) as h:
        lines, end = t.run("-s", h.address, "-c", 0, "-R", len(names), "A:a.test")
    for name, line in zip(names, lines):
        assert line["status"] == "BAD", (name, line)
        assert line["text"].startswith("malformed answer from "), line
    expect(end, malformed=len(names))


def check_ten_thousand_mutations_of_an_answer(t):
    rng = random.Random(20)
    kept = []

    def udp(q):
        good = q.answer(record(q.name, CNAME, encode_name("alias.test")), record(pointer(12), MX, b"\0\5\4mail" + pointer(12)),
                        record("alias.test", MX, b"\0\x0a" + encode_name("mx.test")),
                        record("alias.test", MX, b"\0\x14\3mx2" + pointer(12)), authority=[soa("test")],
                        additional=[address("mx.test"), opt(struct.pack(">3H", 15, 2, 3))])
        p = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            at = rng.randrange(2 if rng.random() < 0.9 else 0, len(p))
            way = rng.randrange(6)
            if way == 0:
                p[at] ^= 1 << rng.randrange(8)
            elif way == 1:
                p[at] = rng.choice((0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff))
            elif way == 2:
                p[at] = rng.randrange(256)
            elif way == 3:
                del p[at:at + rng.randrange(1, 8)]
            elif way == 4:
                p[at:at] = rng.randbytes(rng.randrange(1, 8))
            else:
                p[at:at + 2] = pointer(rng.randrange(len(p)))
            if len(p) < 3:
                break
        return [bytes(p)]
    with Hostile(udp, lambda q: [framed(udp(q)[0])]) as h:
        _, end = t.run("-q", "-s", h.address, "-t", 50, "-n", 1, "-p", 50, "-c", 0, "-R", 10000, "MX:m%d.test", timeout=120)
    total = sum(end[s] for s in ("OK", "NODATA", "NXDOMAIN", "TEMPORARY", "BAD"))
    assert total == 10000, end
    assert end["OK"] > 500 and end["BAD"] > 500, end
    assert end["malformed"] > 500 and end["dropped"] > 20, end


def check_a_truncated_answer_is_asked_for_over_tcp(t):
    def tcp(q):
        for octet in framed(q.answer(address(q.name, 7))):
            yield bytes([octet])
    lines, end, _ = ask(t, truncated, "A:a.test", tcp=tcp)
    expect(lines[0], status="OK", records=["192.0.2.7"])
    expect(end, tcp=1)


def check_a_server_may_have_an_ipv6_address(t):
    with Hostile(lambda q: [q.answer(address(q.name), flags=0x81a0)] if q.name == "a.test" else truncated(q),
                 lambda q: [framed(q.answer(rcode=2))], host="::1") as h:
        lines, end = t.run("-s", h.address, "A:a.test", "A:b.test")
    expect(lines[0], status="OK", authentic=True)  # loopback too
    expect(lines[1], status="TEMPORARY", text="SERVFAIL from [::1]:%d" % h.port)
    expect(end, trusted=True, tcp=1)


def check_tcp_that_fails(t):
    cases = {
        "closed at once": lambda q: [],
        "half a length": lambda q: [b"\0"],
        "half an answer": lambda q: [framed(q.answer(address(q.name)))[:-3]],
        "longer than it is": lambda q: [b"\xff\xff", q.answer(address(q.name))],
        "empty": lambda q: [b"\0\0"],
        "another id": lambda q: [framed(q.answer(address(q.name), id=q.id ^ 1))],
        "another question": lambda q: [framed(q.answer(question=encode_name("b") + b"\0\1\0\1"))],
        "malformed": lambda q: [framed(q.answer(address(q.name)) + b"x")],
    }
    for name, tcp in cases.items():
        lines, end, _ = ask(t, truncated, "-t", 2000, "-n", 1, "A:a.test", tcp=tcp)
        wanted = "BAD" if name in ("empty", "another id", "another question", "malformed") else "TEMPORARY"
        assert lines[0]["status"] == wanted, (name, lines)
        if wanted == "TEMPORARY":
            assert "over TCP: closed before the answer" in lines[0]["text"], lines
        expect(end, timeouts=0)
    lines, end, _ = ask(t, truncated, "-t", 2000, "-n", 1, "A:a.test")  # nobody listens
    expect(lines[0], status="TEMPORARY")


def check_tcp_has_an_end_too(t):
    stop = threading.Event()

    def tcp(q):
        packet = framed(q.answer(address(q.name)))
        yield packet[:4]
        stop.wait(20)
    with Hostile(truncated, tcp) as h:
        lines, end = t.run("-s", h.address, "-t", 200, "-n", 1, "A:a.test")
        stop.set()
    expect(lines[0], status="TEMPORARY")
    expect(end, timeouts=1)
    assert end["us"] < 3_000_000, end


def check_tcp_that_does_not_even_connect(t):
    with Hostile(truncated) as h:
        h.listener.listen(0)  # and nobody accepts: once its queue is full, it answers no more
        waiting = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(4)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", h.port))
        lines, end = t.run("-s", h.address, "-t", 400, "-n", 1, "A:a.test", timeout=20)
        for s in waiting:
            s.close()
    expect(lines[0], status="TEMPORARY", text=h.address + ": no answer in time")
    expect(end, timeouts=1, tcp=1)


def check_a_large_record_of_nothing_is_cheap(t):
    def tcp(q):
        # 60 000 empty strings: one allocation of 60 000 octets each, were they read
        return [framed(q.answer(record(q.name, TXT, b"\0" * 60000)))]
    lines, end, _ = ask(t, truncated, "TXT:a.test", tcp=tcp)
    expect(lines[0], status="BAD")
    assert end["us"] < 3_000_000, end


def check_large_text_is_read(t):
    strings = [bytes([255]) + bytes([97 + i % 26]) * 255 for i in range(200)]
    lines, end, _ = ask(t, truncated, "TXT:a.test", "TXT:a.test", tcp=lambda q: [framed(q.answer(record(q.name, TXT, b"".join(strings))))])
    expect(lines[0], status="OK", records=["".join(chr(97 + i % 26) * 255 for i in range(200))])
    expect(end, hits=0)  # too large to be kept


def check_a_server_without_edns_is_asked_without(t):
    def udp(q):
        if q.arcount:
            return [q.answer(rcode=1)]
        return [q.answer(address(q.name))]
    lines, end, h = ask(t, udp, "A:a.test")
    expect(lines[0], status="OK")
    assert [q.arcount for q in h.queries] == [1, 0]
    lines, end, h = ask(t, lambda q: [q.packet[:2] + b"\x81\x81" + b"\0" * 8], "A:a.test")
    expect(lines[0], status="TEMPORARY")
    assert lines[0]["text"].startswith("FORMERR from"), lines
    assert [q.arcount for q in h.queries] == [1, 0]


def check_refusals_are_temporary_and_final(t):
    for rcode, text in (2, "SERVFAIL"), (5, "REFUSED"), (4, "NOTIMP"), (9, "response code 9"), (1, "FORMERR"):
        lines, end, h = ask(t, lambda q: [q.answer(rcode=rcode, additional=[opt()])], "A:a.test", "-n", 3)
        expect(lines[0], status="TEMPORARY")
        assert lines[0]["text"].startswith(text), lines
        assert len(h.queries) == 1, "asking again changes nothing"
    lines, _, _ = ask(t, lambda q: [q.answer(address(q.name), additional=[opt(ext=1)])], "A:a.test")
    assert lines[0]["text"].startswith("response code 16 from "), lines


def check_what_a_server_said_outweighs_the_silence_of_another(t):
    with Hostile(lambda q: [q.answer(rcode=2)]) as said, Hostile(lambda q: []) as silent:
        for order in (said, silent), (silent, said):
            lines, end = t.run("-s", order[0].address, "-s", order[1].address, "-t", 300, "-n", 2, "A:a.test")
            expect(lines[0], status="TEMPORARY", text="SERVFAIL from " + said.address)
            expect(end, queries=3)  # the silent one is asked again


def check_extended_errors_are_told(t):
    for code, text in (6, "DNSSEC Bogus"), (22, "No Reachable Authority"), (49152, "Unknown Error"):
        data = struct.pack(">2HI", 10, 4, 0) + struct.pack(">3H", 15, 6, code) + b"evil"
        lines, _, h = ask(t, lambda q: [q.answer(rcode=2, additional=[opt(data)])], "A:a.test")
        expect(lines[0], status="TEMPORARY", ede=code, text="SERVFAIL from %s (%s)" % (h.address, text))


def check_a_referral_is_no_answer(t):
    ns = record("test", 2, encode_name("ns.test"))
    lines, _, h = ask(t, lambda q: [q.answer(authority=[ns], flags=0x8000)], "A:a.test")
    expect(lines[0], status="TEMPORARY", text=h.address + " does not recurse")


def step(q, limit):
    number = int(q.name.split(".")[0][1:])
    if number == limit:
        return [q.answer(address(q.name))]
    return [q.answer(record(q.name, CNAME, encode_name("c%d.test" % (number + 1))))]


def check_an_answer_that_stops_at_an_alias_is_pursued(t):
    lines, end, h = ask(t, lambda q: step(q, 10), "A:c0.test")
    expect(lines[0], status="OK", aliases=10, name="c10.test")
    assert [q.name for q in h.queries] == ["c%d.test" % i for i in range(11)]
    lines, end, h = ask(t, lambda q: step(q, 99), "A:c0.test")
    expect(lines[0], status="BAD", text="more than 10 aliases in a row")
    assert len(h.queries) == 11


def check_slow_aliases_are_not_followed_for_ever(t):
    def udp(q):
        time.sleep(0.4)
        return step(q, 10)
    lines, end, h = ask(t, udp, "-t", 1000, "-n", 1, "A:c0.test")
    expect(lines[0], status="TEMPORARY", text="following the aliases took too long")
    assert 2 <= len(h.queries) <= 3, [q.name for q in h.queries]


def check_authentic_means_every_step(t):
    def udp(last):
        return lambda q: [bytes(b) for b in step(q, 2)] if q.name == last else \
            [p[:3] + bytes([p[3] | 0x20]) + p[4:] for p in step(q, 2)]
    expect(ask(t, udp(""), "A:c0.test")[0][0], status="OK", aliases=2, authentic=True)
    for last in "c0.test", "c1.test", "c2.test":
        expect(ask(t, udp(last), "A:c0.test")[0][0], status="OK", aliases=2, authentic=False)


def check_circles_of_aliases_are_refused(t):
    def one_by_one(q):
        return [q.answer(record(q.name, CNAME, encode_name("b.test" if q.name == "a.test" else "a.test")))]

    def at_once(q):
        return [q.answer(*one_by_one(q)[0:0], record("a.test", CNAME, encode_name("b.test")),
                         record("b.test", CNAME, encode_name("A.Test")))]

    def itself(q):
        return [q.answer(record("a.test", CNAME, encode_name("a.test")))]
    for udp in one_by_one, at_once, itself:
        expect(ask(t, udp, "A:a.test")[0][0], status="BAD", text="the aliases run in a circle")


def check_records_of_others_are_not_taken(t):
    def udp(q):
        return [q.answer(address("b.test", 66), record(q.name, A, bytes([192, 0, 2, 67]), klass=3), record(q.name, AAAA, bytes(16)),
                         address(q.name.upper(), 1))]
    expect(ask(t, udp, "A:a.test")[0][0], status="OK", records=["192.0.2.1"], dropped=0)


def check_lifetimes(t):
    def udp(q):
        kind = q.name.split(".")[0]
        if kind == "capped":
            return [q.answer(address(q.name, ttl=100000))]
        if kind == "zero":
            return [q.answer(address(q.name, ttl=0))]
        if kind == "negative":
            return [q.answer(address(q.name, ttl=0x80000001))]
        if kind == "least":
            return [q.answer(record(q.name, CNAME, encode_name("b.test"), ttl=50), address("b.test", 1, 40), address("b.test", 2, 30))]
        if kind == "gone":
            return [q.answer(authority=[soa("test", 100000)], rcode=3)]
        if kind == "empty":
            return [q.answer(authority=[soa("test", 20)])]
        return [q.answer(rcode=3)]
    kinds = ["capped", "zero", "negative", "least", "gone", "empty", "bare"]
    lines, end, h = ask(t, udp, *["A:%s.test" % k for k in kinds * 2])
    for line, most in zip(lines, (3600, 0, 0, 30, 60, 20, 0)):
        assert line["ttl"] in (most, max(0, most - 1)), line
    expect(end, hits=4, queries=7 + 3)


def check_a_second_lookup_asks_nobody(t):
    lines, end, h = ask(t, lambda q: [q.answer(address(q.name))], "-R", 5, "A:a.test", "A:A.TEST.")
    assert len(h.queries) == 1 and len(lines) == 10
    lines, end, h = ask(t, lambda q: [q.answer(address(q.name))], "-R", 50, "-p", 50, "A:a.test")
    assert len(h.queries) == 1 and len(lines) == 50, "equal lookups at once are one query"


def check_lost_packets_are_sent_again(t):
    seen = {}

    def udp(q):
        seen[q.name] = seen.get(q.name, 0) + 1
        return [q.answer(address(q.name))] if seen[q.name] == 3 else []
    lines, end, h = ask(t, udp, "-t", 600, "-n", 3, "A:a.test")
    expect(lines[0], status="OK")
    expect(end, queries=3, timeouts=2)
    assert len({q.id for q in h.queries}) > 1, "each try has its own id"


def check_more_lookups_than_sockets_wait_for_their_turn(t):
    lines, end, h = ask(t, lambda q: [q.answer(address(q.name))], "-q", "-p", 1500, "-R", 1500, "-t", 3000, "A:n%d.test")
    expect(end, OK=1500, TEMPORARY=0)


def main():
    return servers.Checks(sys.modules["__main__"]).run(servers.Lookups(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())

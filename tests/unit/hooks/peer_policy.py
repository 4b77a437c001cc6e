"""Policies fetched from a web server of Python's, over real TLS. Usage: peer_policy.py HELPER"""

import http.server
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: *.example\r\nmax_age: 86400\r\n"
seen = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers["Host"].split(":")[0]
        name = host.split(".")[1]
        seen.append((self.path, host, self.headers.get("User-Agent", ""), self.headers.get("Accept", "")))
        status, kind, body = ANSWERS.get(name, (200, "text/plain", POLICY))
        if name == "slow":
            ended.wait(20)
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the other side had enough

    def log_message(self, *_):
        pass


ANSWERS = {
    "charset": (200, "Text/Plain; charset=utf-8", POLICY),
    "html": (200, "text/html", POLICY),
    "untyped": (200, None, POLICY),
    "absent": (404, "text/plain", b""),
    "moved": (302, "text/plain", POLICY),
    "broken": (500, "text/plain", POLICY),
    "nopolicy": (200, "text/plain", b"version: STSv2\n"),
    "edge": (200, "text/plain", POLICY + b"\n" * (65536 - len(POLICY))),
    "large": (200, "text/plain", POLICY + b"\n" * (65537 - len(POLICY))),
    "huge": (200, "text/plain", POLICY + b"\n" * 2000000),
}
ended = threading.Event()


def serve_dns(sock):
    """Every name has the address 127.0.0.1."""
    while True:
        packet, peer = sock.recvfrom(4096)
        if not packet:
            return
        end = packet.index(b"\0", 12) + 5
        is_a = packet[end - 4:end - 2] == b"\0\1"
        head = packet[:2] + struct.pack(">5H", 0x8180, 1, int(is_a), 0, 0)
        answer = b"\xc0\x0c" + struct.pack(">HHIH4B", 1, 1, 60, 4, 127, 0, 0, 1) if is_a else b""
        sock.sendto(head + packet[12:end] + answer, peer)


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def certificate(folder, name, names, days):
    key, request, cert = (os.path.join(folder, name + end) for end in (".key", ".csr", ".crt"))
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=" + name)
    extensions = os.path.join(folder, name + ".ext")
    with open(extensions, "w") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n")
    openssl("x509", "-req", "-in", request, "-CA", os.path.join(folder, "ca.crt"), "-CAkey", os.path.join(folder, "ca.key"),
            "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", cert)
    return cert, key


def serve(folder, names, days="30"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, names[0].replace("*", "x"), names, days))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    with tempfile.TemporaryDirectory() as folder:
        ca, key = os.path.join(folder, "ca.crt"), os.path.join(folder, "ca.key")
        for name in ("other", "ca"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.path.join(folder, name + ".key"),
                    "-out", os.path.join(folder, name + ".crt"), "-days", "30", "-subj", "/CN=" + name)
        dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        dns.bind(("127.0.0.1", 0))
        threading.Thread(target=serve_dns, args=(dns,), daemon=True).start()
        hosts = ["good", "slow", *ANSWERS]
        good = serve(folder, ["mta-sts." + h + ".test" for h in hosts])
        stranger = serve(folder, ["mta-sts.other.test"])
        expired = serve(folder, ["mta-sts.late.test"], "-1")

        def fetch(port, *domains, ca=ca, rule="private", timeout=1500):
            done = subprocess.run([sys.argv[1], "127.0.0.1:%d" % dns.getsockname()[1], str(port), str(timeout), rule, *domains],
                                  env={**os.environ, "SSL_CERT_FILE": ca, "SSL_CERT_DIR": folder}, capture_output=True,
                                  text=True, check=True, timeout=60)
            return {line.split(" ", 5)[0]: line.split(" ", 5)[1:] for line in done.stdout.splitlines()}

        def expect(got, domain, *words, why=""):
            assert tuple(got[domain][:len(words)]) == words and why in got[domain][-1], (domain, got[domain], words, why)

        def counted(got, results, looked_up):
            """How many fetches ended with each result, and how many lookups of names with an address."""
            prefix = "+policy_fetch_duration_seconds_count,result="
            found = {key[len(prefix):]: int(value[0]) for key, value in got.items() if key.startswith(prefix)}
            assert found == results, found
            lookups = "+dns:lookup_duration_seconds_count,type=A,result=ok"
            assert int(got[lookups][0]) == looked_up, got[lookups]
            return {result: int(got[prefix.replace("count", "sum") + result][0]) / 1e6 for result in results
                    if prefix.replace("count", "sum") + result in got}

        port = good.server_address[1]
        got = fetch(port, "good.test", "charset.test", "html.test", "untyped.test", "absent.test", "moved.test", "broken.test",
                    "nopolicy.test")
        expect(got, "good.test", "good", "200", "enforce", "86400")
        expect(got, "charset.test", "good", "200", "enforce")
        expect(got, "html.test", "failed", "200", why='content type "text/html" and not text/plain')
        expect(got, "untyped.test", "failed", "200", why="content type")
        expect(got, "absent.test", "failed", "404", why="http-status-404")
        expect(got, "moved.test", "failed", "302", why="redirects are not followed")
        expect(got, "broken.test", "failed", "500", why="http-status-500")
        expect(got, "nopolicy.test", "invalid", "200", why="the version is not STSv1")
        counted(got, {"ok": 2, "notfound": 1, "error": 4, "invalid": 1}, 8)
        got = {domain: end for domain, end in got.items() if domain[0] != "+"}
        assert all(path == "/.well-known/mta-sts.txt" for path, *_ in seen), seen
        assert {host for _, host, *_ in seen} == {"mta-sts.%s.test" % d.split(".")[0] for d in got}, seen
        assert all("quartermaster" in agent and accept == "text/plain" for *_, agent, accept in seen), seen
        got = fetch(port, "edge.test", "large.test", "huge.test", "slow.test")
        expect(got, "edge.test", "good")
        expect(got, "large.test", "invalid", why="more than 65536 octets")
        expect(got, "huge.test", "invalid", why="more than 65536 octets")
        expect(got, "slow.test", "failed", "0")
        took = counted(got, {"ok": 1, "invalid": 2, "error": 1}, 4)
        assert 1.4 < took["error"] < 10, took
        ended.set()
        # No certificate but a good one for the host.
        got = fetch(stranger.server_address[1], "good.test")
        expect(got, "good.test", "untrusted", "0")
        counted(got, {"untrusted": 1}, 1)
        expect(fetch(expired.server_address[1], "late.test"), "late.test", "untrusted", "0")
        expect(fetch(port, "good.test", ca=os.path.join(folder, "other.crt")), "good.test", "untrusted", "0")
        # Nor an address that only this machine can reach, unless the operator says so.
        expect(fetch(port, "good.test", rule="public"), "good.test", "failed", "0", why="not a public one")
        # More at a time than may be wait for their turn, also behind hosts that do not answer, but not for ever.
        got = fetch(port, *("good.test",) * 19, "charset.test", "broken.test")
        expect(got, "charset.test", "good", "200")
        expect(got, "broken.test", "failed", "500")
        ended.clear()
        expect(fetch(port, *("slow.test",) * 8, "good.test"), "good.test", "good", "200")
        expect(fetch(port, *("slow.test",) * 40, "good.test", timeout=500), "good.test", "failed", "0", why="no turn came")
        ended.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", dns.getsockname())
        print("policies of", len(seen), "requests")


main()

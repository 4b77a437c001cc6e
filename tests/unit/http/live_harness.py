"""What the tests against live_server.c share: a running server and a client on a bare socket."""
import shutil
import socket
import struct
import subprocess
import sys
import time
import unittest
import zlib

SERVER = None
PATIENCE = 20  # seconds; only ever waited for when something is broken


class Server:
    """A running server; settings as live_server.c takes them."""

    def __init__(self, **settings):
        self.process = subprocess.Popen(
            [SERVER] + [f"{k}={v}" for k, v in settings.items()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port, self.second_port = map(int, self.process.stdout.readline().split())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.stdout.close()
        assert code == 0, f"the server ended with {code}"

    def connect(self, port=None):
        return Client(self.port if port is None else port)

    def ask(self, request):
        with self.connect() as c:
            c.send(request)
            return c.response()

    def get(self, path):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")

    def stats(self):
        return dict((k, int(v)) for k, v in
                    (kv.split("=") for kv in self.get("/stats").body.decode().split()))

    def wait_for(self, condition):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            stats = self.stats()
            if condition(stats):
                return stats
        raise AssertionError(f"never came true; last: {stats}")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        found = [v for k, v in self.headers if k.lower() == name.lower()]
        assert len(found) <= 1, (name, found)
        return found[0] if found else None


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets.encode("latin-1") if isinstance(octets, str) else octets)

    def more(self):
        octets = self.socket.recv(65536)
        if not octets:
            raise EOFError(self.pending)
        self.pending += octets

    def response(self, head=False):
        while b"\r\n\r\n" not in self.pending:
            self.more()
        text, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = text.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1", lines[0]
        response = Response(int(status), [line.split(": ", 1) for line in lines[1:]], b"")
        length = response.header("Content-Length")
        if int(status) >= 200 and not head and length is not None:
            while len(self.pending) < int(length):
                self.more()
            response.body = self.pending[:int(length)]
            self.pending = self.pending[int(length):]
        return response

    def closed(self):
        """Whether the server has closed, nothing more having come. A reset counts as False."""
        try:
            return self.pending == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return False

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def request(method, path, body=b"", **fields):
    text = f"{method} {path} HTTP/1.1\r\nHost: a\r\n"
    for name, value in fields.items():
        text += f"{name.replace('_', '-')}: {value}\r\n"
    if body and "Transfer_Encoding" not in fields:
        text += f"Content-Length: {len(body)}\r\n"
    return text.encode("latin-1") + b"\r\n" + body


def chunked(body, size):
    out = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
                   for i in range(0, len(body), size))
    return out + b"0\r\n\r\n"


def crc(octets):
    return "%08x" % (zlib.crc32(octets) & 0xffffffff)


def curl(*args):
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE * 3)] + list(args),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr.decode()


class Live(unittest.TestCase):
    maxDiff = None


def main():
    """python3 live_x.py SERVER [unittest arguments]"""
    global SERVER
    SERVER = sys.argv.pop(1)
    if shutil.which("curl") is None:
        sys.exit("curl is missing")
    unittest.main("__main__")

r"""Runs SMTP dialogues written down as text files.

    python3 -m harness.dialogue FILE...                      against the suite from the build folder
    python3 -m harness.dialogue --connect HOST:PORT FILE...  against whoever listens there

A file has one step a line; empty lines and lines that begin with # are passed over. Before the first
step may stand, for the suite only:

    with: localserve              start it by `quartermaster localserve`
    with: FILE.conf               start it with this configuration (beside the dialogue); the default is
                                  default.conf there, or localserve without such a file
    config: TEXT                  a line put behind that configuration, for localserve into its folder local.d;
                                  may come several times

Steps:

    connect LISTENER [as NAME]    a new connection to ${port:LISTENER} of the configuration. The first
                                  one, to smtp, is made by itself unless the first step is a connect
    use NAME                      go on with another of the connections
    C: TEXT                       send TEXT and CRLF
    C raw: TEXT                   send TEXT alone, in which \r \n \t \0 \\ and \xNN are octets
    C repeat N: TEXT              send TEXT (as in raw) N times
    C base64: TEXT                send TEXT (as in raw) in base64, and CRLF
    S: CODE TEXT                  one whole reply comes: CODE (an x stands for any digit), and TEXT
                                  matches the text of its last line
    S has: TEXT                   some line of the last reply matches, code not counted
    S lacks: TEXT                 no line of the last reply matches
    S lines: N                    the last reply had N lines
    starttls                      send STARTTLS, get 220, shake hands
    tls                           shake hands now
    auth plain USER PASSWORD      send AUTH PLAIN with an initial response; its reply is the next S:
    auth login USER PASSWORD      send AUTH LOGIN, answer its two challenges; likewise
    auth cram-md5 USER PASSWORD   likewise with one challenge
    nothing SECONDS               nothing comes for so long
    close                         the client closes
    half-close                    the client will send no more
    wait-close                    the server closes, sending nothing before
    timeout SECONDS               how long every later step waits; 10 at first
    log: KEY=VALUE ...            wait until the suite logs a line with all these

TEXT to match may be a pattern with * and ?, as in shells but without [], or a regular expression
between slashes; letters count as they are. A reply must come in lines of at most 512 octets that end
in CRLF, all with the same code (RFC 5321 section 4.2), or the dialogue fails.
"""

import argparse
import base64
import hashlib
import hmac
import os
import pathlib
import re
import select
import socket
import ssl
import sys
import time

if __package__ is None:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import sandbox, suite as suites

LINE_MAX = 512  # octets of a reply line with its CRLF, RFC 5321 section 4.5.3.1.5


class Mismatch(Exception):
    """The server did something else than the dialogue says."""


class BadScript(Exception):
    """The dialogue itself is wrong; the text begins with file:line."""


# ---- the script

_STEPS = [  # (pattern of the whole line, name of the _Runner method that gets its groups)
    (r"C: ?(.*)", "send_line"),
    (r"C raw: ?(.*)", "send_raw"),
    (r"C repeat ([0-9]+): ?(.*)", "send_repeated"),
    (r"C base64: ?(.*)", "send_base64"),
    (r"S: ([0-9x]{3})(?: (.*))?", "expect_reply"),
    (r"S has: (.*)", "reply_has"),
    (r"S lacks: (.*)", "reply_lacks"),
    (r"S lines: ([0-9]+)", "reply_lines"),
    (r"connect (\S+)(?: as (\S+))?", "connect"),
    (r"use (\S+)", "use"),
    (r"starttls", "starttls"),
    (r"tls", "tls"),
    (r"auth (plain|login|cram-md5) (\S+) (.*)", "auth"),
    (r"nothing ([0-9.]+)", "nothing"),
    (r"close", "close"),
    (r"half-close", "half_close"),
    (r"wait-close", "wait_close"),
    (r"timeout ([0-9.]+)", "set_timeout"),
    (r"log: (.+)", "wait_log"),
]


class Script:
    """A dialogue read from a file: head (list of (key, value)), steps (line number, line, method, groups)."""

    def __init__(self, path):
        self.path, self.head, self.steps = pathlib.Path(path), [], []
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                self._add(number, line)
        if not self.steps:
            raise BadScript(f"{self.path}: no step in it")
        if self.steps[0][2] != "connect":
            self.steps.insert(0, (0, "connect smtp", "connect", ("smtp", None)))

    def _add(self, number, line):
        head = re.fullmatch(r"(with|config): ?(.*)", line)
        if head and not self.steps:
            self.head.append(head.groups())
            return
        for pattern, method in _STEPS:
            match = re.fullmatch(pattern, line)
            if match:
                self.steps.append((number, line, method, match.groups()))
                return
        raise BadScript(f"{self.path}:{number}: not a step: {line}")

    def configuration(self):
        """Text of the suite's configuration, or None for localserve."""
        names = [value for key, value in self.head if key == "with"] or ["default.conf"]
        path = self.path.with_name(names[-1])
        if names[-1] == "localserve" or (names == ["default.conf"] and not path.exists()):
            return None
        return path.read_text() + self.more()

    def more(self):
        """What is put behind it."""
        return "".join(value + "\n" for key, value in self.head if key == "config")


def octets(text):
    r"""Undoes \r \n \t \0 \\ \xNN."""
    def one(match):
        body = match.group(1)
        simple = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
        return bytes([int(body[1:], 16)]) if body[:1] == b"x" else simple[body]
    return re.sub(rb"\\(x[0-9A-Fa-f]{2}|[rnt0\\])", one, text.encode("utf-8", "surrogateescape"))


def text_matches(pattern, text):
    """Whether `text` is what `pattern` (see the head) describes."""
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return re.search(pattern[1:-1], text) is not None
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text, re.DOTALL) is not None


# ---- one connection

class _Connection:
    def __init__(self, address, timeout):
        self.sock = socket.create_connection(address, timeout)
        self.unread, self.reply = b"", []

    def _fill(self, timeout, end):
        self.sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            more = self.sock.recv(65536)
        except TimeoutError:
            raise Mismatch(f"nothing within {timeout:g} s{self._pending()}") from None
        except ConnectionResetError:
            raise Mismatch(f"the connection was reset{self._pending()}") from None
        if not more:
            raise Mismatch(f"the server closed the connection{self._pending()}")
        self.unread += more

    def _pending(self):
        return f", after {self.unread!r}" if self.unread else ""

    def read_reply(self, timeout):
        """Reads one reply; returns its code and keeps the lines' texts in self.reply."""
        self.reply, codes, end = [], set(), time.monotonic() + timeout
        while True:
            while b"\r\n" not in self.unread:
                if len(self.unread) >= LINE_MAX:
                    raise Mismatch(f"a reply line of more than {LINE_MAX} octets")
                self._fill(timeout, end)
            line, _, self.unread = self.unread.partition(b"\r\n")
            print(f"        S: {line.decode(errors='backslashreplace')}")
            match = re.fullmatch(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?", line)
            if len(line) + 2 > LINE_MAX:
                raise Mismatch(f"a reply line of more than {LINE_MAX} octets")
            if not match:
                raise Mismatch(f"no well-formed reply line: {line!r}")
            codes.add(match[1].decode())
            self.reply.append((match[3] or b"").decode("utf-8", "surrogateescape"))
            if match[2] != b"-":
                break
        if len(codes) != 1:
            raise Mismatch(f"one reply with several codes: {', '.join(sorted(codes))}")
        return codes.pop()

    def send(self, data):
        shown = data if len(data) <= 200 else data[:200] + b"..."
        print(f"        C: {shown.decode(errors='backslashreplace').encode('unicode_escape').decode()}")
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Mismatch("the server closed the connection before it had read all") from None


# ---- the runner

class _Runner:
    """Runs one script. find: function from a listener's name to (address, port). suite: or None."""

    def __init__(self, script, find, suite=None):
        self.script, self.find, self.suite = script, find, suite
        self.timeout, self.connections, self.now = 10.0, {}, None

    def run(self):
        """Raises Mismatch with a full sentence, or returns."""
        try:
            for number, line, method, groups in self.script.steps:
                try:
                    getattr(self, method)(*groups)
                except (Mismatch, OSError) as error:
                    raise Mismatch(f"{self.script.path}:{number}: expected: {line}\n"
                                   f"{' ' * len(str(self.script.path))}      got: {error}") from None
        finally:
            for connection in self.connections.values():
                connection.sock.close()

    def connect(self, listener, name):
        key = name or listener
        if key in self.connections:
            self.connections[key].sock.close()
        self.now = self.connections[key] = _Connection(self.find(listener), self.timeout)

    def use(self, name):
        if name not in self.connections:
            raise Mismatch("no connection of that name")
        self.now = self.connections[name]

    def send_line(self, text):
        self.now.send(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def send_raw(self, text):
        self.now.send(octets(text))

    def send_repeated(self, count, text):
        self.now.send(octets(text) * int(count))

    def send_base64(self, text):
        self.now.send(base64.b64encode(octets(text)) + b"\r\n")

    def expect_reply(self, code, text=None):
        got = self.now.read_reply(self.timeout)
        shown = "\n".join(f"{got} {line}" for line in self.now.reply)
        if not re.fullmatch(code.replace("x", "[0-9]"), got):
            raise Mismatch(shown)
        if text is not None and not text_matches(text, self.now.reply[-1]):
            raise Mismatch(shown)

    def reply_has(self, pattern):
        if not any(text_matches(pattern, line) for line in self.now.reply):
            raise Mismatch("only " + " | ".join(self.now.reply))

    def reply_lacks(self, pattern):
        for line in self.now.reply:
            if text_matches(pattern, line):
                raise Mismatch(line)

    def reply_lines(self, count):
        if len(self.now.reply) != int(count):
            raise Mismatch(f"{len(self.now.reply)} lines")

    def starttls(self):
        self.send_line("STARTTLS")
        self.expect_reply("220")
        self.tls()

    def tls(self):
        if self.now.unread:
            raise Mismatch(f"octets before the handshake: {self.now.unread!r}")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.now.sock.settimeout(self.timeout)
        self.now.sock = context.wrap_socket(self.now.sock)
        print(f"        ({self.now.sock.version()}, {self.now.sock.cipher()[0]})")

    def auth(self, mechanism, user, password):
        if mechanism == "plain":
            secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            self.send_line(f"AUTH PLAIN {secret}")
            return
        self.send_line(f"AUTH {mechanism.upper()}")
        self.expect_reply("334")
        if mechanism == "login":
            self.now.send(base64.b64encode(user.encode()) + b"\r\n")
            self.expect_reply("334")
            self.now.send(base64.b64encode(password.encode()) + b"\r\n")
        else:
            challenge = base64.b64decode(self.now.reply[-1])
            digest = hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()
            self.now.send(base64.b64encode(f"{user} {digest}".encode()) + b"\r\n")

    def nothing(self, seconds):
        sock = self.now.sock
        pending = getattr(sock, "pending", lambda: 0)()
        if self.now.unread or pending or select.select([sock], [], [], float(seconds))[0]:
            if not self.now.unread:
                self.now._fill(1, time.monotonic() + 1)
            raise Mismatch(repr(self.now.unread))

    def close(self):
        self.now.sock.close()

    def half_close(self):
        self.now.sock.shutdown(socket.SHUT_WR)

    def wait_close(self):
        self.now.sock.settimeout(self.timeout)
        try:
            more = self.now.unread or self.now.sock.recv(65536)
        except ConnectionResetError:
            return
        except TimeoutError:
            raise Mismatch(f"still open after {self.timeout:g} s") from None
        if more:
            raise Mismatch(repr(more))

    def set_timeout(self, seconds):
        self.timeout = float(seconds)

    def wait_log(self, text):
        if self.suite is None:
            raise Mismatch("no log to look at: this is not the suite")
        wanted = dict(pair.split("=", 1) for pair in re.findall(r'[^\s=]+="[^"]*"|[^\s=]+=\S*', text))
        try:
            self.suite.wait_log(timeout=self.timeout, **{key: value.strip('"') for key, value in wanted.items()})
        except TimeoutError as error:
            raise Mismatch(str(error)) from None


def run_against(path, address, port):
    """Runs the dialogue at `path` with every connect going to address:port. Raises Mismatch, BadScript."""
    _Runner(Script(path), lambda listener: (address, port)).run()


def run_against_suite(path):
    """Starts the suite as the dialogue says, runs it, stops the suite. Raises Mismatch, BadScript, SuiteError."""
    script = Script(path)
    suite = suites.Suite(script.configuration())
    if script.configuration() is None and script.more():
        suite.add_file("state/local.d/dialogue.conf", script.more())
    with suite:
        _Runner(script, lambda listener: ("127.0.0.1", suite.port(listener)), suite).run()


def main(arguments):
    parser = argparse.ArgumentParser(description="Runs SMTP dialogues; the head of this file has the language.")
    parser.add_argument("--connect", metavar="HOST:PORT", help="talk to this server instead of the suite")
    parser.add_argument("--check", action="store_true", help="only read the files")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args(arguments)
    if os.geteuid() == 0 and not (options.connect or options.check):
        sandbox.enter("dialogue." + pathlib.Path(options.files[0]).stem)
    failed = 0
    for path in options.files:
        print(path)
        try:
            if options.check:
                Script(path)
            elif options.connect:
                address, _, port = options.connect.rpartition(":")
                run_against(path, address.strip("[]"), int(port))
            else:
                run_against_suite(path)
        except (Mismatch, BadScript, suites.SuiteError) as error:
            failed += 1
            print(f"{error}\nnot ok {path}")
        else:
            print(f"ok {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

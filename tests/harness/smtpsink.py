"""An SMTP server that follows a script, for faults that no honest server makes on demand.

    sink = SmtpSink(peer, script={"RCPT": ["250 ok", "452 4.5.3 too many"]})
    sink.script("DATA-END", drop=True)        # after the final dot: no answer, connection closed

A step is a point at which the server speaks: CONNECT (greeting), EHLO, LHLO, HELO, STARTTLS, AUTH, MAIL,
RCPT, DATA, DATA-END (the reply to the final dot), BDAT, RSET, NOOP, VRFY, QUIT, or OTHER. For each
step there is a row of replies: one is used for each time that step comes, over all connections; the
last one stays for good. Steps that no script names answer as a plain, willing server would.
"""

import socket
import threading
import time

from . import net, wait

_PLAIN = {
    "CONNECT": "220 sink.test ESMTP", "HELO": "250 sink.test", "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok", "DATA": "354 go ahead", "DATA-END": "250 2.0.0 Ok: queued as SINK",
    "BDAT": "250 2.0.0 Ok", "RSET": "250 2.0.0 Ok", "NOOP": "250 2.0.0 Ok", "VRFY": "252 2.0.0 perhaps",
    "QUIT": "221 2.0.0 Bye", "STARTTLS": "220 2.0.0 go ahead", "AUTH": "235 2.7.0 Ok",
    "OTHER": "502 5.5.2 unknown command",
}
_HELLO = ("EHLO", "LHLO")
_LINE_MAX, _DATA_MAX = 65536, 64 << 20


class Reply:
    """text: lines joined by \\n, each with its code, or without one as a single reply "250-a\\n250 b".
    delay: seconds before it is sent, by pieces of `trickle` octets per 0.1 s if that is not 0.
    drop: the connection is closed instead of (text None) or after the reply; reset: with RST."""

    def __init__(self, text=None, delay=0.0, drop=False, reset=False, trickle=0):
        self.text, self.delay, self.drop, self.reset, self.trickle = text, delay, drop, reset, trickle


class Session:
    """One connection as the server saw it: lines (every command, as text), mails, peer address, times."""

    def __init__(self, peer):
        self.peer, self.lines, self.mails, self.tls = peer, [], [], None
        self.began, self.ended = time.monotonic(), None
        self.sender, self.recipients = None, []


class Mail:
    """sender and recipients: the text after FROM: and TO:, parameters included. data: octets with dots undone.
    at: when it had come whole, time.time(). accepted: whether the reply to the final dot was 2xx."""

    def __init__(self, sender, recipients, data, tls):
        self.sender, self.recipients, self.data, self.tls = sender, recipients, data, tls
        self.at, self.accepted = time.time(), None


class SmtpSink:
    """Listens at once. host: a net.Host or None for loopback. port: 0 picks one.

    extensions: EHLO keywords after the name. tls: an ssl.SSLContext that STARTTLS uses (announce it in
    extensions), or from the first octet with implicit_tls. script: step -> Reply, text, or a list."""

    def __init__(self, host=None, port=0, address=None, extensions=("PIPELINING", "8BITMIME", "SIZE 50000000",
                 "ENHANCEDSTATUSCODES"), tls=None, implicit_tls=False, script=None):
        self.extensions, self._tls, self._implicit = list(extensions), tls, implicit_tls
        self.sessions, self._script, self._lock = [], {}, threading.Lock()
        self._stopping = threading.Event()
        for step, replies in (script or {}).items():
            self.script(step, *(replies if isinstance(replies, list) else [replies]))
        address = address or (host.v4 if host else "127.0.0.1")
        if host:
            with host.inside():
                self._listener = socket.create_server((address, port), family=net.family(address), backlog=256)
        else:
            self._listener = socket.create_server((address, port), family=net.family(address), backlog=256)
        self.address, self.port = self._listener.getsockname()[:2]
        self._listener.settimeout(wait.STEP)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    # ---- for the test

    def script(self, step, *replies, **reply):
        """Sets the row of replies of a step: texts or Reply objects, or one Reply's keywords; none: the plain one."""
        row = [one if isinstance(one, Reply) else Reply(one) for one in replies]
        with self._lock:
            self._script[step] = row + ([Reply(**reply)] if reply else [])

    @property
    def conversation(self):
        """The class of a connection; others may put a subclass in its place."""
        return Conversation

    @property
    def mails(self):
        """Every message whose data came whole, in order of the sessions."""
        with self._lock:
            return [mail for session in self.sessions for mail in session.mails]

    def wait(self, count=1, timeout=15.0):
        """Waits for at least `count` whole messages; returns mails."""
        wait.until(lambda: len(self.mails) >= count, timeout,
                   lambda: f"{count} messages at port {self.port}; there were {len(self.mails)}")
        return self.mails

    def wait_sessions(self, count=1, timeout=15.0, ended=False):
        """Waits for `count` connections (ended ones with ended=True); returns the sessions."""
        def there():
            return [one for one in self.sessions if one.ended or not ended]
        wait.until(lambda: len(there()) >= count, timeout, lambda: f"{count} connections to port {self.port}")
        return there()

    def close(self):
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    # ---- for a connection

    def next_reply(self, step):
        with self._lock:
            row = self._script.get(step)
            if row:
                return row.pop(0) if len(row) > 1 else row[0]
        if step in _HELLO:
            lines = ["sink.test", *self.extensions]
            return Reply("\n".join(f"250{'-' if i + 1 < len(lines) else ' '}{line}"
                                   for i, line in enumerate(lines)))
        return Reply(_PLAIN[step])

    def _accept(self):
        while not self._stopping.is_set():
            try:
                sock, peer = self._listener.accept()
            except TimeoutError:
                continue
            session = Session(peer[0])
            with self._lock:
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(sock, session), daemon=True).start()

    def _serve(self, sock, session):
        sock.settimeout(300)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a reply is not held back, to be lost in a reset
        talk = self.conversation(self, sock, session, self._tls, self._stopping)
        try:
            if self._implicit:
                talk.shake_hands()
            talk.run()
        except (OSError, _Gone):
            pass  # the client went, or a script said so
        finally:
            session.ended = time.monotonic()
            talk.sock.close()


class _Gone(Exception):
    """The conversation is over."""


class Conversation:
    """One connection, from the greeting to its end. on_VERB answers a command; without one, the script does."""

    def __init__(self, sink, sock, session, tls, stopping):
        self.sink, self.sock, self.session, self.tls, self.stopping = sink, sock, session, tls, stopping
        self.unread = b""

    def run(self):
        self.say("CONNECT")
        while True:
            line = self.read_line()
            self.session.lines.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler:
                handler(line)
            else:
                self.say(verb if verb in _PLAIN or verb in _HELLO else "OTHER")

    def on_mail(self, line):
        if self.say("MAIL"):
            self.session.sender, self.session.recipients = line[10:].strip(), []

    def on_rcpt(self, line):
        if self.say("RCPT"):
            self.session.recipients.append(line[8:].strip())

    def on_rset(self, line):
        self.session.sender, self.session.recipients = None, []
        self.say("RSET")

    def on_data(self, line):
        if self.say("DATA") != 354:
            return
        data = self.read_to_dot()
        self.finish("DATA-END", data)

    def on_bdat(self, line):
        words = line.split()
        self.chunks = getattr(self, "chunks", b"") + self.read_octets(int(words[1]))
        if len(words) > 2:
            data, self.chunks = self.chunks, b""
            self.finish("BDAT", data)
        else:
            self.say("BDAT")

    def on_starttls(self, line):
        if self.say("STARTTLS") == 220 and self.tls:
            self.shake_hands()

    def shake_hands(self):
        self.sock = self.tls.wrap_socket(self.sock, server_side=True)
        self.session.tls, self.unread = self.sock.version(), b""

    def on_quit(self, line):
        self.say("QUIT")
        raise _Gone

    def finish(self, step, data):
        mail = Mail(self.session.sender, list(self.session.recipients), data, self.session.tls)
        with self.sink._lock:
            self.session.mails.append(mail)
        mail.accepted = False
        mail.accepted = 200 <= (self.say(step) or 0) < 300

    def say(self, step):
        """Sends the step's reply; returns its code if that is a good one (2xx or 354), else None."""
        reply = self.sink.next_reply(step)
        if self.stopping.wait(reply.delay):
            raise _Gone
        if reply.text is not None:
            self.send(reply.text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n", reply.trickle)
        if reply.reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if reply.drop or reply.reset or reply.text is None:
            raise _Gone
        code = int(reply.text.split("\n")[-1][:3]) if reply.text[:3].isdigit() else 0
        return code if 200 <= code < 400 else None

    def send(self, octets, trickle):
        step = trickle or len(octets)
        for at in range(0, len(octets), step):
            self.sock.sendall(octets[at:at + step])
            if trickle and self.stopping.wait(0.1):
                raise _Gone

    def fill(self):
        more = self.sock.recv(65536)
        if not more:
            raise _Gone
        self.unread += more

    def read_line(self):
        while b"\n" not in self.unread:
            if len(self.unread) > _LINE_MAX:
                raise _Gone
            self.fill()
        line, _, self.unread = self.unread.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def read_octets(self, count):
        while len(self.unread) < count:
            self.fill()
        octets, self.unread = self.unread[:count], self.unread[count:]
        return octets

    def read_to_dot(self):
        """The message up to CRLF . CRLF only, as RFC 5321 section 4.1.1.4 has it, dots undone."""
        lines = []
        size = 0
        while True:
            while b"\r\n" not in self.unread:
                self.fill()
            line, _, self.unread = self.unread.partition(b"\r\n")
            if line == b".":
                return b"".join(lines)
            size += len(line)
            if size > _DATA_MAX:
                raise _Gone
            lines.append((line[1:] if line.startswith(b".") else line) + b"\r\n")

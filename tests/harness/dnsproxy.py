"""A name server in front of another that can be told to fail.

    proxy = dnsproxy.DnsProxy(lan.host("res", 54), dns.host.v4)
    proxy.mode = "servfail"         # or "silent", or "pass" as at first
"""

import socket
import threading

from . import net, wait

_SERVFAIL = 2


class DnsProxy:
    """Listens on UDP port 53 of a host at once; asks the server at `upstream`, an address literal.

    questions: how many have come so far."""

    def __init__(self, host, upstream):
        self.host, self.mode, self.questions, self._upstream = host, "pass", 0, upstream
        self._stopping = threading.Event()
        with host.inside():
            self._sock = socket.socket(net.family(host.v4), socket.SOCK_DGRAM)
            self._sock.bind((host.v4, 53))
        self._sock.settimeout(wait.STEP)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._stopping.is_set():
            try:
                question, client = self._sock.recvfrom(4096)
            except TimeoutError:
                continue
            self.questions += 1
            answer = self._answer(question)
            if answer:
                self._sock.sendto(answer, client)

    def _answer(self, question):
        if self.mode == "silent":
            return None
        if self.mode == "servfail":
            # The question again, as an answer without records (RFC 1035 section 4.1.1).
            return question[:2] + bytes([question[2] | 0x80, 0x80 | _SERVFAIL]) + question[4:]
        with socket.socket(net.family(self._upstream), socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.sendto(question, (self._upstream, 53))
            try:
                return sock.recv(4096)
            except TimeoutError:
                return None

    def close(self):
        self._stopping.set()
        self._thread.join()
        self._sock.close()

"""The HTTP API when something gives way: clients that leave, peers that die, limits, reload, stop."""

import os
import signal
import socket
import threading

from harness import api, case, smtpsink, suite, wait

CONFIG = """
hostname mail.example.org
listen web {{
    address {us}
    http 80  webapi yes  metrics yes
}}
domain mox.example {{ dkim test {{ key-file "${{dir}}/dkim.pem" }} }}
account mjl {{ address mjl@mox.example }}
transport sink {{ smtp {{ host {sink}  port 25  tls none }} }}
route {{ transport sink }}
"""
DKIM_KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""
HELLO = {"To": [{"Address": "a@example.net"}], "Text": "hi"}


class FaultCase(case.LanCase):
    extra = ""

    def setUp(self):
        super().setUp()
        us, sink = self.lan.host("us"), self.lan.host("sink")
        self.us, self.sink = us, smtpsink.SmtpSink(sink, 25)
        self.addCleanup(self.sink.close)
        self.config = CONFIG.format(us=us.v4, sink=sink.v4)
        self.suite = suite.Suite(self.config + self.extra, host=us)
        self.suite.add_file("dkim.pem", DKIM_KEY)
        self.suite.add_file("state/credentials", api.credentials({"mjl": "secret"}))
        self.enterContext(self.suite)
        self.web = api.Api(us.v4, 80)
        self.mjl = api.Api(us.v4, 80, "mjl@mox.example", "secret")

    def pid(self, name):
        """The process of that name, such as qmgr or webapi/0."""
        pid, = [pid for pid, line in self.suite.processes().items() if f"--name={name} " in line]
        return pid

    def raw(self, octets=b""):
        """A connection that has sent these octets."""
        sock = socket.create_connection((self.us.v4, 80), timeout=20)
        self.addCleanup(sock.close)
        sock.sendall(octets)
        return sock

    def head(self, length, path="/webapi/v0/Send", content_type="application/x-www-form-urlencoded"):
        return (f"POST {path} HTTP/1.1\r\nHost: {self.us.v4}\r\nAuthorization: {self.mjl.headers['Authorization']}\r\n"
                f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n").encode()

    def form(self):
        return b"request=%7B%22To%22%3A%5B%7B%22Address%22%3A%22a%40example.net%22%7D%5D%2C%22Text%22%3A%22hi%22%7D"

    def still_fine(self, count=1):
        """A message goes through, and is number `count` at the sink."""
        answer = self.mjl.call("Send", HELLO)
        self.assertEqual(answer.status, 200, answer.text)
        self.sink.wait(count)
        self.assertEqual(self.suite.find_log(m="process ended"), [])

    def in_background(self, action):
        """Starts action(); a function that waits for what it returns."""
        result = []
        thread = threading.Thread(target=lambda: result.append(action()), daemon=True)
        thread.start()

        def outcome():
            thread.join(20)
            return result[0]
        return outcome


class Clients(FaultCase):
    def test_a_they_leave_at_any_point(self):
        form = self.form()
        whole = self.head(len(form)) + form
        for end in [0, 5, 40, len(whole) - len(form), len(whole) - len(form) + 3, len(whole) - 1]:
            self.raw(whole[:end]).close()
        self.still_fine()
        self.assertEqual(len(self.suite.find_log(m="mail accepted")), 1)

    def test_b_they_leave_while_the_vault_is_busy(self):
        vault = self.pid("vault/0")
        os.kill(vault, signal.SIGSTOP)
        socks = [self.raw(self.head(len(self.form())) + self.form()) for _ in range(15)]
        for sock in socks[:14]:
            sock.close()
        wait.until(lambda: len(self.suite.find_log(m="request", end="cut off")) >= 14, what="14 requests given up")
        os.kill(vault, signal.SIGCONT)
        self.assertIn(b" 200 OK", socks[14].recv(100))
        self.still_fine(2)

    def test_c_they_leave_while_the_queue_is_busy(self):
        qmgr = self.pid("qmgr")
        os.kill(qmgr, signal.SIGSTOP)
        socks = [self.raw(self.head(len(self.form())) + self.form()) for _ in range(3)]
        # What the vault is asked is answered in turn: behind these, the three are with the queue.
        for _ in range(3):
            self.assertEqual(self.mjl.post("Send", "").status, 400)
        for sock in socks[:2]:
            sock.close()
        wait.until(lambda: len(self.suite.find_log(m="request", end="cut off")) >= 2, what="2 requests given up")
        os.kill(qmgr, signal.SIGCONT)
        self.assertIn(b" 200 OK", socks[2].recv(100))
        self.still_fine(2)

    def test_d_what_could_be_smuggled_is_refused(self):
        host = f"Host: {self.us.v4}\r\n".encode()
        for request in [b"POST /webapi/v0/Send HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                        b"POST /webapi/v0/Send HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
                        b"GET /webapi/v0/ HTTP/1.1\r\n" + host + b"Host: localhost\r\n\r\n",
                        b"GET /webapi/v0/%00 HTTP/1.1\r\n" + host + b"\r\n"]:
            sock = self.raw(request)
            self.assertIn(b" 400 ", sock.recv(100), request)


class Peers(FaultCase):
    def test_a_the_queue_dies_and_comes_back(self):
        qmgr = self.pid("qmgr")
        os.kill(qmgr, signal.SIGSTOP)
        outcome = self.in_background(lambda: self.mjl.call("Send", HELLO))
        wait.until(lambda: self.web.get("/healthz").status == 200)
        for _ in range(3):
            self.assertEqual(self.mjl.post("Send", "").status, 400)
        self.suite.allow_error("process ended|killed|signal")
        os.kill(qmgr, signal.SIGKILL)
        answer = outcome()
        self.assertEqual((answer.status, answer.code), (400, "server"), answer.text)
        self.assertIn("try again", answer.json["Message"])
        wait.until(lambda: self.web.get("/healthz").status == 200, what="the queue's return")
        self.assertEqual(self.mjl.call("Send", HELLO).status, 200)
        self.sink.wait(1)
        counters = 'quartermaster_webapi_errors_total{error="submit",process="webapi/0"} 1\n'
        self.assertIn(counters, self.web.get("/metrics").text)

    def test_b_without_the_queue_nothing_is_taken(self):
        # Killed again whenever it comes back, it is soon held back for a while.
        self.suite.allow_error("process ended|killed|signal")

        def is_down():
            for pid, line in self.suite.processes().items():
                if "--name=qmgr " in line:
                    os.kill(pid, signal.SIGKILL)
            answer = self.web.get("/healthz")
            return answer if answer.status == 503 else None
        answer = wait.until(is_down, what="no queue")
        self.assertEqual(answer.text, "no connection to: queue\n")
        answer = self.mjl.call("Send", HELLO)
        if answer.status != 200:  # it may have come back meanwhile
            self.assertEqual((answer.status, answer.code), (400, "server"), answer.text)
        wait.until(lambda: self.mjl.call("Send", HELLO).status == 200, 60, "the queue's return")

    def test_c_the_vault_dies_and_comes_back(self):
        vault = self.pid("vault/0")
        os.kill(vault, signal.SIGSTOP)
        outcome = self.in_background(lambda: self.mjl.call("Send", HELLO))
        wait.until(lambda: self.web.get("/healthz").status == 200)
        self.suite.allow_error("process ended|killed|signal")
        os.kill(vault, signal.SIGKILL)
        answer = outcome()
        self.assertEqual((answer.status, answer.code), (400, "server"), answer.text)
        wait.until(lambda: self.mjl.call("Send", HELLO).status == 200, what="the vault's return")
        mail, = self.sink.wait(1)
        self.assertIn(b"DKIM-Signature:", mail.data)


class Limits(FaultCase):
    extra = "webapi { memory 1M  request-size 64K  upload-size 960K  connections-per-address 12  requests-minute 200 }\n"

    def test_a_bodies_held_at_once(self):
        boundary = b"--b\r\nContent-Disposition: form-data; name=\"attachedfile\"; filename=\"a\"\r\n\r\n"
        waiting = self.raw(self.head(910000, content_type="multipart/form-data; boundary=b") + boundary + bytes(900000))
        files = [("attachedfile", "a", None, None, bytes(300000))]

        def taken():
            """All that was sent so far is with the process, and not with the kernel any more."""
            port = waiting.getsockname()[1]
            rows = [line.split() for line in self.us.run(["cat", "/proc/net/tcp"]).stdout.splitlines()[1:]]
            return ["00000000"] == [row[4].split(":")[1] for row in rows if int(row[2].split(":")[1], 16) == port]
        wait.until(taken, what="the first body to be read")

        def refused():
            answer = self.mjl.upload("Send", HELLO, *files)
            return answer if answer.status == 400 else None
        answer = wait.until(refused, what="a refusal because of the other body")
        self.assertEqual(answer.code, "server")
        self.assertIn("busy", answer.json["Message"])
        self.assertEqual(self.mjl.call("Send", HELLO).status, 200)
        waiting.close()
        wait.until(lambda: self.mjl.upload("Send", HELLO, *files).status == 200, what="room again")

    def test_b_connections_of_one_address(self):
        socks = [self.raw() for _ in range(12)]
        for sock in socks:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 200 OK", sock.recv(1000))
        more = self.raw()
        self.assertEqual(more.recv(100), b"")
        socks[0].close()

        def answers():
            try:
                return self.web.get("/healthz").status == 200
            except OSError:
                return False
        wait.until(answers, what="a connection in place of the closed one")

    def test_c_requests_of_one_address(self):
        api.within_a_minute()
        for _ in range(200):
            self.assertEqual(self.web.get("/healthz").status, 200)
        answer = self.web.get("/healthz")
        self.assertEqual((answer.status, answer.text), (429, "too many requests; try again later\n"))


class Many(FaultCase):
    def test_a_at_the_same_time(self):
        answers, lock = [], threading.Lock()

        def client():
            for _ in range(10):
                answer = self.mjl.call("Send", HELLO)
                with lock:
                    answers.append(answer)
        threads = [threading.Thread(target=client) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # More at once than may fail in a minute: those with the right password are none of these.
        self.assertEqual({answer.status for answer in answers}, {200})
        ids = {answer.json["Submissions"][0]["QueueMsgID"] for answer in answers}
        self.assertEqual(len(ids), 300)
        self.sink.wait(300, 60)

    def test_b_wrong_ones_at_the_same_time(self):
        api.within_a_minute()
        answers = []
        wrong = api.Api(self.us.v4, 80, "mjl@mox.example", "wrong")
        threads = [threading.Thread(target=lambda: answers.append(wrong.post("Send", "").status)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers.count(401), 10)
        self.assertEqual(answers.count(401) + answers.count(429), 40)


class Changes(FaultCase):
    def test_a_reload_while_requests_are_under_way(self):
        form = self.form()
        half = self.raw(self.head(len(form)) + form[:10])
        idle = self.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 200 OK", idle.recv(1000))
        self.assertEqual(self.web.get("/webapi/v0/", Host="new.example").status, 404)
        self.suite.write_config(self.config.replace("metrics yes", "metrics yes  http-host new.example"))
        self.suite.process.send_signal(signal.SIGHUP)
        self.suite.wait_log(m="configuration reloaded")
        wait.until(lambda: self.web.get("/webapi/v0/", Host="new.example").status == 200, what="the new name")
        self.assertEqual(idle.recv(100), b"")
        half.sendall(form[10:])
        self.assertIn(b" 200 OK", half.recv(100))
        self.still_fine(2)

    def test_b_what_has_begun_is_finished_at_the_end(self):
        form = self.form()
        half = self.raw(self.head(len(form)) + form[:10])
        never = self.raw(self.head(len(form)) + form[:10])
        wait.until(lambda: self.web.get("/healthz").status == 200)
        self.suite.process.send_signal(signal.SIGTERM)
        self.suite.wait_log(m="stopping")
        half.sendall(form[10:])
        self.assertIn(b" 200 OK", half.recv(100))
        self.suite.stop()
        self.assertEqual(never.recv(100), b"")
        self.assertEqual(len(self.suite.find_log(m="queued")), 1)
        self.suite.start()
        self.sink.wait(1)


if __name__ == "__main__":
    case.main()

"""Waiting, time limits, connection limits, the end, the log: python3 live_times.py SERVER"""
import select
import socket
import time

from live_harness import PATIENCE, Live, Server, chunked, main, request


class Waiting(Live):
    def test_a_thousand_requests_wait_at_once(self):
        with Server(connections=1200) as s:
            clients = [s.connect() for _ in range(1000)]
            for c in clients:
                c.send(request("GET", "/hold"))
            s.wait_for(lambda stats: stats["held"] == 1000)
            self.assertEqual(s.get("/hello").body, b"hello\n")  # others are served meanwhile
            self.assertEqual(s.get("/release").body, b"1000\n")
            for c in clients:
                self.assertEqual(c.response().body, b"released\n")
            for c in clients[:10]:  # the connections go on
                c.send(request("GET", "/hello"))
                self.assertEqual(c.response().body, b"hello\n")
            for c in clients:
                c.socket.close()
            self.assertEqual(s.stats()["cancelled"], 0)

    def test_a_client_that_goes_away_cancels_its_request(self):
        with Server() as s:
            for leave in [lambda c: c.socket.close(), lambda c: c.reset(),
                          lambda c: c.socket.shutdown(socket.SHUT_WR)]:
                before = s.stats()["cancelled"]
                clients = [s.connect() for _ in range(20)]
                for i, c in enumerate(clients):
                    c.send(request("GET", "/hold") if i % 2 else
                           request("POST", "/hold", b"x" * 5000))
                s.wait_for(lambda stats: stats["held"] == 20)
                for c in clients[:15]:
                    leave(c)
                s.wait_for(lambda stats: stats["held"] == 5 and stats["cancelled"] == before + 15)
                self.assertEqual(s.get("/release").body, b"5\n")
                for c in clients[15:]:
                    self.assertEqual(c.response().body, b"released\n")
                    c.socket.close()
                s.wait_for(lambda stats: stats["connections"] == 1)

    def test_a_client_that_goes_away_in_its_body_is_forgotten(self):
        with Server() as s:
            for leave in [lambda c: c.socket.close(), lambda c: c.reset()]:
                with s.connect() as c:
                    c.send(request("POST", "/raw", b"x" * 100000)[:-50000])
                    s.wait_for(lambda stats: stats["connections"] == 2)
                    leave(c)
                    s.wait_for(lambda stats: stats["connections"] == 1)

    def test_a_client_that_only_stops_sending_is_answered_and_let_go(self):
        # Its last octets and the end of its side arrive in one go.
        with Server() as s:
            for _ in range(100):
                with s.connect() as c:
                    c.send(request("POST", "/raw", b"12345"))
                    c.socket.shutdown(socket.SHUT_WR)
                    self.assertEqual(c.response().status, 200)
                    self.assertTrue(c.closed())
                with s.connect() as c:
                    c.send(request("POST", "/raw", b"12345")[:-1])
                    c.socket.shutdown(socket.SHUT_WR)
                    self.assertTrue(c.closed())
            self.assertEqual(s.stats()["connections"], 1)

    def test_a_request_behind_one_that_waits_is_not_lost(self):
        with Server() as s, s.connect() as c:
            c.send(request("GET", "/hold") + request("GET", "/hello"))
            s.wait_for(lambda stats: stats["held"] == 1)
            s.get("/release")
            self.assertEqual(c.response().body, b"released\n")
            self.assertEqual(c.response().body, b"hello\n")

    def test_waiting_requests_end_with_the_server(self):
        with Server() as s:
            clients = [s.connect() for _ in range(5)]
            for c in clients:
                c.send(request("GET", "/hold"))
            s.wait_for(lambda stats: stats["held"] == 5)
        # Leaving the block checks that none was forgotten.
        for c in clients:
            with self.assertRaises((EOFError, ConnectionResetError)):
                c.response()
            c.socket.close()


class Limits(Live):
    def closed_after(self, c, drip):
        """Sends drip every 20 ms until the server closes; returns how long that took."""
        began = time.monotonic()
        while time.monotonic() < began + PATIENCE:
            readable, _, _ = select.select([c.socket], [], [], 0.02)
            if readable:
                try:
                    if c.socket.recv(65536) == b"":
                        return time.monotonic() - began
                except ConnectionResetError:
                    return time.monotonic() - began
            try:
                c.send(drip)
            except (BrokenPipeError, ConnectionResetError):
                return time.monotonic() - began
        raise AssertionError("never closed")

    def test_a_slow_header_is_cut_off(self):
        with Server(header=400) as s:
            for first in [b"", b"GET /hello HTTP/1.1\r\nHost: a\r\nX: "]:
                with s.connect() as c:
                    c.send(first)
                    self.assertGreater(self.closed_after(c, b"x"), 0.3)
            with s.connect() as c:  # and one that says nothing at all
                self.assertTrue(c.closed())
            s.wait_for(lambda stats: stats["connections"] == 1)

    def test_a_slow_header_after_a_request_is_cut_off_too(self):
        with Server(header=400, idle=1000) as s, s.connect() as c:
            c.send(request("GET", "/hello"))
            c.response()
            c.send(b"GET /hello HTTP/1.1\r\nX: ")
            self.assertGreater(self.closed_after(c, b"x"), 0.3)

    def test_an_idle_connection_is_closed(self):
        with Server(idle=500) as s, s.connect() as c:
            began = time.monotonic()
            c.send(request("GET", "/hello"))
            c.response()
            self.assertTrue(c.closed())
            self.assertGreater(time.monotonic() - began, 0.4)

    def test_a_slow_body_is_cut_off(self):
        with Server(transfer=500) as s, s.connect() as c:
            c.send(b"POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            self.assertGreater(self.closed_after(c, b"x"), 0.4)
            self.assertEqual(s.wait_for(lambda stats: stats["connections"] == 1)["held"], 0)

    def test_a_response_that_is_not_taken_is_cut_off(self):
        with Server(transfer=500) as s:
            c = socket.socket()
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.connect(("127.0.0.1", s.port))
            c.sendall(request("GET", "/text?n=20000000"))
            s.wait_for(lambda stats: stats["connections"] == 2)
            s.wait_for(lambda stats: stats["connections"] == 1)
            c.close()

    def test_waiting_for_the_handler_has_no_limit(self):
        with Server(header=100, idle=1000, transfer=100) as s, s.connect() as c:
            c.send(request("GET", "/later?ms=2500"))
            self.assertEqual(c.response().body, b"later\n")

    def test_connections_beyond_the_limit_wait_their_turn(self):
        with Server(connections=5) as s:
            clients = [s.connect() for _ in range(20)]
            for c in clients:
                c.send(request("GET", "/hello", Connection="close"))
            for c in clients:
                self.assertEqual(c.response().body, b"hello\n")
                self.assertTrue(c.closed())
                c.socket.close()
            idle = [s.connect() for _ in range(5)]
            for c in idle:
                c.send(request("GET", "/hello"))
                c.response()
            with s.connect() as late:
                late.send(request("GET", "/hello"))
                self.assertEqual(select.select([late.socket], [], [], 0.1)[0], [])
                idle.pop().socket.close()
                self.assertEqual(late.response().body, b"hello\n")
            for c in idle:
                c.socket.close()

    def test_connections_of_one_address_are_limited(self):
        with Server(per_ip=3) as s:
            kept = [s.connect() for _ in range(3)]
            for c in kept:
                c.send(request("GET", "/hello"))
                c.response()
            with s.connect() as c:
                self.assertTrue(c.closed())
            kept.pop().socket.close()
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    self.assertEqual(s.get("/hello").status, 200)
                    break
                except (EOFError, ConnectionResetError, BrokenPipeError):
                    self.assertLess(time.monotonic(), until)
            for c in kept:
                c.socket.close()


class Ending(Live):
    def test_draining_finishes_what_has_begun(self):
        with Server() as s:
            idle, waiting, sending = s.connect(), s.connect(), s.connect()
            idle.send(request("GET", "/hello"))
            idle.response()
            waiting.send(request("GET", "/later?ms=300"))
            body = b"x" * 100000
            sending.send(request("POST", "/raw", body)[:-10])
            fresh = s.connect()
            s.wait_for(lambda stats: stats["held"] == 1 and stats["connections"] == 5)
            self.assertEqual(s.get("/drain").header("Connection"), "close")
            self.assertTrue(idle.closed())
            with self.assertRaises(OSError):
                s.connect().response()
            sending.send(body[-10:])
            r = sending.response()
            self.assertEqual((r.status, r.header("Connection")), (200, "close"))
            r = waiting.response()
            self.assertEqual((r.body, r.header("Connection")), (b"later\n", "close"))
            fresh.send(request("GET", "/hello"))
            r = fresh.response()
            self.assertEqual((r.body, r.header("Connection")), (b"hello\n", "close"))
            for c in [idle, waiting, sending, fresh]:
                c.socket.close()
            self.assertEqual(s.process.wait(PATIENCE), 0)

    def test_a_response_under_way_is_finished_and_the_connection_closed(self):
        with Server() as s, s.connect() as c:
            c.send(request("GET", "/text?n=20000000"))
            while len(c.pending) < 1000:
                c.more()
            self.assertNotIn(b"Connection: close", c.pending)  # drained only after it was begun
            s.get("/drain")
            self.assertEqual(len(c.response().body), 20000000)
            self.assertTrue(c.closed())
            self.assertEqual(s.process.wait(PATIENCE), 0)

    def test_a_silent_connection_does_not_hold_up_the_end(self):
        with Server() as s:
            with s.connect() as silent:
                s.wait_for(lambda stats: stats["connections"] == 2)
                s.get("/drain")
                self.assertTrue(silent.closed())
            self.assertEqual(s.process.wait(PATIENCE), 0)


class Log(Live):
    def test_every_request_leaves_a_line(self):
        with Server() as s:
            s.get("/hello?secret=1")
            s.ask(request("POST", "/noread", b"x"))
            s.ask("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n")
            s.ask("POST /a HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n")
            with s.connect() as c:
                c.send(request("POST", "/raw?max=9", chunked(b"x" * 600000, 9000),
                               Transfer_Encoding="chunked"))
                c.response()
            with s.connect() as c:
                c.send(request("GET", "/hold"))
                s.wait_for(lambda stats: stats["held"] == 1)
            s.wait_for(lambda stats: stats["held"] == 0 and stats["connections"] == 1)
            lines = [line for line in s.get("/log").body.decode().splitlines()
                     if "/stats" not in line]
            self.assertEqual(lines, [
                "GET /hello 200 6 127.0.0.1 complete",
                "POST /noread 401 9 127.0.0.1 complete",
                "GET - 400 35 127.0.0.1 complete",
                "- - 400 0 127.0.0.1 cut",
                "POST /raw 413 22 127.0.0.1 complete",
                "GET /hold 0 0 127.0.0.1 cut",
            ])


if __name__ == "__main__":
    main()

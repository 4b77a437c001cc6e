"""An SMTP server that takes whole messages and keeps their senders waiting for the last reply.

    hosts = [f"192.0.2.{n}/24" for n in range(100, 150)]
    sink = HoldSink(lan.host("sink", more=hosts))
    sink.wait_held(1000)       # so many connections wait for the reply to their message
    sink.release()             # all are answered, and so is whatever comes from now on

One thread serves all connections, thousands of them. It listens on every IPv4 address of its host.
"""

import asyncio
import re
import socket
import threading

from . import wait

_REPLIES = {"EHLO": b"250-sink.test\r\n250-PIPELINING\r\n250 SIZE\r\n", "DATA": b"354 go ahead\r\n", "QUIT": b"221 bye\r\n"}


class HoldSink:
    """taken: the Subject of every message that came whole, in the order of their ends. open, most: connections now, and at
    most. held: those that wait for the reply to a message."""

    def __init__(self, host, port=25):
        with host.inside():
            self._listener = socket.create_server(("0.0.0.0", port), backlog=4096)
        self.taken, self.open, self.most, self.held = [], 0, 0, 0
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_held(self, count, timeout=60.0):
        wait.until(lambda: self.held >= count, timeout, lambda: f"{count} held messages; there are {self.held}")

    def release(self):
        self._loop.call_soon_threadsafe(self._free.set)

    def hold(self):
        self._loop.call_soon_threadsafe(self._free.clear)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._listener.close()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener, limit=1 << 20, backlog=4096))
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _serve(self, reader, writer):
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or close() came
        finally:
            self.open -= 1
            writer.close()

    async def _talk(self, reader, writer):
        writer.write(b"220 sink.test ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].decode("ascii", "replace").upper().strip()
            writer.write(_REPLIES.get(verb, b"250 2.0.0 Ok\r\n"))
            if verb == "DATA":
                await writer.drain()
                await self._take(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 2.0.0 taken\r\n")
            await writer.drain()
            if verb == "QUIT":
                return

    async def _take(self, message):
        subject = re.search(rb"\r\nSubject: (.*)\r\n", message)
        self.taken.append(subject[1].decode() if subject else "")
        self.held += 1
        await self._free.wait()
        self.held -= 1

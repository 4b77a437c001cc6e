"""Loopback ports that no other test takes at the same time."""

import fcntl
import os
import pathlib
import random
import socket

FIRST, LAST = 20000, 29999  # below the range the kernel hands out by itself

_held = {}


def _folder():
    folder = pathlib.Path(f"/tmp/qm-test-ports.{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _lock(port):
    """An open, locked file, or None when another process has the port."""
    handle = open(_folder() / str(port), "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    except BlockingIOError:
        handle.close()
        return None


def _is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((address, port))
            except OSError:
                return False
    return True


def take(count=1):
    """A list of ports, free on 127.0.0.1 and ::1, this process's until it ends or gives them back."""
    taken = []
    for port in random.sample(range(FIRST, LAST + 1), LAST - FIRST + 1):
        if len(taken) == count:
            return taken
        handle = _lock(port) if port not in _held else None
        if handle is None:
            continue
        if _is_free(port):
            _held[port] = handle
            taken.append(port)
        else:
            handle.close()
    raise RuntimeError("no free port left")


def take_offset(standard, lowest=20000):
    """A number N such that N + every port in `standard` is free: for localserve --port-offset."""
    for offset in random.sample(range(lowest, LAST - max(standard)), 500):
        handles = [_lock(offset + port) for port in standard]
        if all(handles) and all(_is_free(offset + port) for port in standard):
            _held.update({offset + port: handle for port, handle in zip(standard, handles)})
            return offset
        for handle in filter(None, handles):
            handle.close()
    raise RuntimeError("no free run of ports left")


def give_back(ports):
    for port in ports:
        _held.pop(port).close()

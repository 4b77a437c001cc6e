"""Waiting for a condition, never for a time."""

import socket
import time

STEP = 0.02  # seconds between two looks


def until(condition, timeout=10.0, what="the condition"):
    """Calls condition() until it returns something true, and returns that.

    timeout is in seconds. Raises TimeoutError naming `what`, which may be a text or a function that
    returns one (asked only on failure, so it can show the last state seen).
    """
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            text = what() if callable(what) else what
            raise TimeoutError(f"after {timeout:g} s still waiting for {text}")
        time.sleep(STEP)


def port_open(address, port, timeout=0.3):
    """Whether a TCP connection to address (v4 or v6 literal) and port is taken within timeout seconds."""
    try:
        socket.create_connection((address, port), timeout=timeout).close()
        return True
    except OSError:
        return False

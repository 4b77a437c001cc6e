"""The HTTP API as requests and answers, whatever these are; client.Api is for who wants results alone.

    suite.add_file("state/credentials", credentials({"billing": "secret password"}))
    api = Api("192.0.2.1", 80, "billing@example.org", "secret password")
    answer = api.call("Send", {"To": [{"Address": "a@example.net"}], "Text": "hi"})
    answer.status, answer.json["MessageID"]
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import time
import unicodedata
import urllib.parse

from . import wait

_ITERATIONS = 4096


def verifier(password):
    """The line of SCRAM-SHA-256 that the credentials file keeps of a password."""
    text = unicodedata.normalize("NFC", "".join(" " if c.isspace() else c for c in password))
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(octets).decode() for octets in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{words[0]}${words[1]}:{words[2]}"


def credentials(passwords):
    """A credentials file: account -> password."""
    return "".join(f"{account} {verifier(password)}\n" for account, password in passwords.items())


def within_a_minute(seconds=10):
    """Waits until the minute by the clock has so much left: what is limited by the minute begins anew with it."""
    wait.until(lambda: time.time() % 60 < 60 - seconds, seconds + 5, "the next minute")


class Answer:
    """status, headers (an email.message.Message), body (octets)."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of a refused call."""
        return self.json["Code"]


class Api:
    """One client. login None: without credentials. headers: sent with every request."""

    def __init__(self, address, port=80, login=None, password=None, headers=None, timeout=30):
        self.address, self.port, self.timeout = address, port, timeout
        self.headers = dict(headers or {})
        if login is not None:
            self.headers["Authorization"] = basic(login, password)

    def connect(self):
        """A connection of its own, for what request() does not do."""
        return http.client.HTTPConnection(self.address, self.port, timeout=self.timeout)

    def request(self, method, path, body=None, headers=None):
        """One request over a connection of its own. body: text or octets."""
        connection = self.connect()
        try:
            body = body.encode() if isinstance(body, str) else body
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})

    def post(self, method, body, content_type="application/x-www-form-urlencoded"):
        """Calls a method with a body as it is."""
        return self.request("POST", f"/webapi/v0/{method}", body, {"Content-Type": content_type} if content_type else {})

    def call(self, method, request):
        """Calls a method: request is a value for JSON, or the JSON itself as text."""
        text = request if isinstance(request, str) else json.dumps(request)
        return self.post(method, urllib.parse.urlencode({"request": text}))

    def upload(self, method, request, *files):
        """Calls a method with a multipart form. Each file: (field, filename, content type, content id, octets), any of
        the middle three None."""
        body, content_type = multipart({"request": json.dumps(request, ensure_ascii=False)}, files)
        return self.post(method, body, content_type)


def basic(login, password):
    """The value of an Authorization field."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def multipart(fields, files=()):
    """(body, content type) of a form."""
    boundary = "b" + os.urandom(12).hex()
    out = b""
    for name, value in fields.items():
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, filename, content_type, content_id, octets in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        head += f'; filename="{filename}"\r\n' if filename is not None else "\r\n"
        head += f"Content-Type: {content_type}\r\n" if content_type else ""
        head += f"Content-ID: {content_id}\r\n" if content_id else ""
        out += head.encode() + b"\r\n" + octets + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"

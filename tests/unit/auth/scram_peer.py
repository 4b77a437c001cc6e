"""A client for SCRAM-SHA-256 (RFC 5802, RFC 7677) on Python's own hash functions.

scram_peer.py LOGIN PASSWORD [HEADER [BINDING]]

LOGIN, PASSWORD and HEADER (the gs2-header, "n,," unless given) are UTF-8, BINDING is hexadecimal.
Messages go out and come in as lines of base64. Ends with 0 when the server has proved that it knows
the password too, with 1 when the server gave up, with 2 when its proof is wrong.
"""

import base64
import hashlib
import hmac
import os
import sys


def send(message):
    print(base64.b64encode(message).decode(), flush=True)


def receive():
    line = sys.stdin.readline()
    if not line:
        sys.exit(1)
    return base64.b64decode(line)


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def fields(message):
    return dict(part.split(b"=", 1) for part in message.split(b","))


login, password = (os.fsencode(argument) for argument in sys.argv[1:3])
header = os.fsencode(sys.argv[3]) if len(sys.argv) > 3 else b"n,,"
binding = bytes.fromhex(sys.argv[4]) if len(sys.argv) > 4 else b""

nonce = base64.b64encode(os.urandom(18))
first_bare = b"n=" + login.replace(b"=", b"=3D").replace(b",", b"=2C") + b",r=" + nonce
send(header + first_bare)

server_first = receive()
said = fields(server_first)
if not said[b"r"].startswith(nonce) or said[b"r"] == nonce:
    sys.exit(2)
salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(said[b"s"]), int(said[b"i"]))
client_key = mac(salted, b"Client Key")
final_bare = b"c=" + base64.b64encode(header + binding) + b",r=" + said[b"r"]
auth_message = first_bare + b"," + server_first + b"," + final_bare
signature = mac(hashlib.sha256(client_key).digest(), auth_message)
proof = bytes(a ^ b for a, b in zip(client_key, signature))
send(final_bare + b",p=" + base64.b64encode(proof))

server_final = receive()
expected = mac(mac(salted, b"Server Key"), auth_message)
if fields(server_final) != {b"v": base64.b64encode(expected)}:
    sys.exit(2)
send(b"")

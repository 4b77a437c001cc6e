"""Python's email package makes messages and reads them; what lib/mailjson says of them has to agree.
Usage: peer_email.py HELPER"""

import email
import email.header
import json
import random
import subprocess
import sys
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

MESSAGES = 150
TEXTS = {"utf-8": "héllo €", "iso-8859-1": "héllo", "koi8-r": "Привет", "iso-2022-jp": "テスト", "gb2312": "你好",
         "euc-kr": "가나", "shift_jis": "テスト", "windows-1251": "Привет", "big5": "你好", "iso-8859-15": "€"}


def leaf(rand):
    charset = rand.choice(list(TEXTS))
    if rand.random() < 0.5:
        lines = [rand.choice([TEXTS[charset], "plain", "", "=.", "From x", "x" * rand.randrange(200)])
                 for _ in range(rand.randrange(6))]
        return MIMEText("\n".join(lines), rand.choice(["plain", "html", "csv"]), charset)
    part = MIMEApplication(bytes(rand.randrange(256) for _ in range(rand.randrange(300))), "pdf")
    name = rand.choice(["plain name.pdf", (charset, "en", TEXTS[charset] + ".x"), 'a"b\\c.txt', "x" * 150])
    part.add_header("Content-Disposition", "attachment", filename=name)
    return part


def node(rand, depth):
    if depth == 0 or rand.random() < 0.4:
        return leaf(rand)
    part = MIMEMultipart(rand.choice(["mixed", "alternative", "related"]))
    for _ in range(rand.randrange(1, 4)):
        part.attach(node(rand, depth - 1))
    return part


def message(rand):
    made, charset = node(rand, 3), rand.choice(list(TEXTS))
    made["Subject"] = Header(TEXTS[charset] + " " + TEXTS[charset] * rand.randrange(20), charset)
    made["From"] = f"{Header(TEXTS[charset], charset).encode()} <a@b.example>"
    octets = made.as_bytes()
    return octets.replace(b"\n", b"\r\n") if rand.random() < 0.5 else octets


def size(part):
    octets = part.get_payload(decode=True)
    if part.get_content_maintype() == "text":
        octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return len(octets)


def theirs(part):
    if part.is_multipart():
        return [part.get_content_type(), [theirs(child) for child in part.get_payload()]]
    return [part.get_content_type(), part.get_filename() or "", size(part)]


def ours(part):
    if part["Parts"]:
        return [part["ContentType"], [ours(child) for child in part["Parts"]]]
    return [part["ContentType"], part["Filename"], part["DecodedSize"]]


def decoded(value):
    text = str(email.header.make_header(email.header.decode_header(value)))
    return text.replace("\r", "").replace("\n", "").strip()


def main():
    rand = random.Random(1)
    for i in range(MESSAGES):
        octets = message(rand)
        done = subprocess.run([sys.argv[1]], input=octets, capture_output=True, timeout=30, check=True)
        shown, peer = json.loads(done.stdout), email.message_from_bytes(octets)
        assert ours(shown["Structure"]) == theirs(peer), (i, shown["Structure"], theirs(peer), octets)
        assert shown["Subject"].strip() == decoded(peer["Subject"]), (i, shown["Subject"], octets)
        name = decoded(peer["From"]).partition(" <")[0]
        assert shown["From"] == [{"Name": name, "Address": "a@b.example"}], (i, shown["From"], octets)
    print(f"{MESSAGES} messages agree")


main()

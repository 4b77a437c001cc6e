"""Python's email package reads what lib/mail composes. Usage: peer_email.py HELPER"""
import email
import email.header
import email.policy
import email.utils
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
from harness import dsn  # noqa: E402

HELPER = sys.argv[1]
failures = 0


def equal(what, got, want):
    global failures
    if got != want:
        failures += 1
        print(f"FAILED: {what}\n   got  {got!r}\n   want {want!r}")


def octets(value):
    return value.encode() if isinstance(value, str) else value


def run(command, values):
    """The message, parsed; its octets; what the helper says about it."""
    stdin = b""
    for name, value in values:
        value = b"\0".join(map(octets, value)) if isinstance(value, tuple) else octets(value)
        stdin += b"%s %d\n%s\n" % (name.encode(), len(value), value)
    done = subprocess.run([HELPER, command], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=True)
    said = dict(word.split("=", 1) for word in done.stderr.decode().split())
    check_lines(done.stdout, said["8bit"] == "1")
    message = email.message_from_bytes(done.stdout, policy=email.policy.default)
    equal("defects", dsn.defects(message), [])
    return message, done.stdout, said


def check_lines(raw, has_8bit):
    equal("bare CR or LF", raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"), 0)
    equal("line over 998", max(map(len, raw.split(b"\r\n"))) <= 998, True)
    if not has_8bit:
        equal("ASCII", raw.isascii(), True)


def crlf(text):
    """What a text part holds: every line ended by CRLF."""
    text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return text if text.endswith("\r\n") else text + "\r\n"


def text_of(part):
    return part.get_payload(decode=True).decode(part.get_content_charset())


def addresses(message, field):
    """[(name, address)]. Not by message[field].addresses: that keeps the space between encoded words."""
    raw = [v for k, v in message.raw_items() if k.lower() == field.lower()]
    return [(str(email.header.make_header(email.header.decode_header(name))), address)
            for name, address in email.utils.getaddresses([v.replace("\r\n", "") for v in raw])]


TEXTS = {
    "short": "Hello\n",
    "CRLF already": "one\r\ntwo\r\n",
    "no line end": "no line end",
    "UTF-8": "Gr\xfc\xdfe aus \u65e5\u672c\n",
    "long line": "word " * 100 + "\n",
    "long UTF-8 line": "\u65e5\u672c\u8a9e" * 100 + "\n",
    "white space at ends": "a \nb\t\n \n\n",
    "looks encoded": "=41 =\n=?utf-8?q?x?=\n",
    "dots and From": ".\n..\nFrom x\n",
    "looks like a delimiter": "--=_x\n--\n",
    "control characters": "a\x00b\x1b[2J\x7f\n",
}

SUBJECTS = [
    "hi",
    "  two  spaces  inside ".strip(),
    "Gr\xfc\xdfe aus \u65e5\u672c und zur\xfcck",
    "\xe9 \xe9 \xe9  \xe9",
    "=?utf-8?q?not_encoded?=",
    "long " * 60 + "end",
    "\u65e5\u672c\u8a9e" * 60,
    "x" * 1200,
    "a, b; <c@d> \"e\" (f) \\g",
]

NAMES = ["", "Alice", "Alice B. Example", "Gr\xfc\xdfe, J\xf8rn", "\u65e5\u672c\u8a9e " * 12 + "x",
         "a \"quoted\" \\ name", "comma, semicolon; <angle>", "=?utf-8?q?x?=", "name " * 30 + "end"]

FILES = [
    ("plain.txt", "text/csv", "", b"a,b\r\n1,2\n"),
    ("r\xe9sum\xe9 \u65e5\u672c.pdf", "", "<c1@x>", b"%PDF-1.4\x00\xff"),
    ("long " * 30 + "name.bin", "application/x-thing; a=b", "", bytes(range(256)) * 20),
    ("quote\"back\\slash.txt", "", "", b"plain"),
    ("\u65e5\u672c\u8a9e" * 40, "image/png", "<c2@x>", b""),
]


def simple(*more, text="Hello\n"):
    return [("from", ("", "a@example.org")), ("to", ("", "b@example.net")), ("text", text), *more]


def check_texts():
    for name, text in TEXTS.items():
        for kind in "text", "html":
            values = simple()[:2] + [(kind, text)]
            message, _, said = run("compose", values)
            equal(f"{kind}: {name}", text_of(message), crlf(text))
            equal(f"{kind}: {name}: type", message.get_content_type(),
                  "text/plain" if kind == "text" else "text/html")
            equal("id", message["Message-ID"], said["id"])


def check_subjects():
    for subject in SUBJECTS:
        message, _, _ = run("compose", simple(("subject", subject)))
        equal("subject", message["Subject"], subject)
    message, raw, said = run("compose", simple(("cc", ("\xc9ve", "\xe9@\xfc.example")), ("subject", "gr\xfc\xdf")))
    equal("SMTPUTF8", said["smtputf8"], "1")
    equal("SMTPUTF8 subject", message["Subject"], "gr\xfc\xdf")
    equal("SMTPUTF8 Cc", '\r\nCc: "\xc9ve" <\xe9@\xfc.example>\r\n'.encode() in raw, True)


def check_names():
    people = [(name, f"u{i}@example.net") for i, name in enumerate(NAMES)] + [("q", '"a b"@example.net')]
    message, _, _ = run("compose", simple(*[("cc", p) for p in people], *[("reply-to", p) for p in people]))
    for field in "Cc", "Reply-To":
        equal(field, addresses(message, field), people)
        equal(field, [a.addr_spec for a in message[field].addresses], [p[1] for p in people])


def check_headers():
    message, raw, _ = run("compose", simple(
        ("message-id", "<my@id>"), ("reference", "<r1@x>"), ("reference", "<r2@x>"),
        ("field", ("X-One", "1, 2;  3")), ("field", ("X-Two", "gr\xfc\xdf")), ("field", ("X-Mailer", "m/1"))))
    equal("date", str(message["Date"].datetime), "2006-01-02 15:04:05-07:00")
    equal("id", message["Message-ID"], "<my@id>")
    equal("references", message["References"].split(), ["<r1@x>", "<r2@x>"])
    equal("in-reply-to", message["In-Reply-To"], "<r2@x>")
    equal("X-One", message["X-One"], "1, 2;  3")
    equal("X-Two", message["X-Two"], "gr\xfc\xdf")
    equal("no User-Agent", message["User-Agent"], None)


def check_file(part, file, disposition):
    name, content_type, content_id, data = file
    equal("file name", part.get_filename(), name)
    equal("file data", part.get_payload(decode=True), data)
    equal("disposition", part.get_content_disposition(), disposition)
    equal("content id", part["Content-ID"], content_id or None)
    if content_type:
        equal("content type", part.get_content_type(), content_type.split(";")[0])
    elif data.startswith(b"%PDF-"):
        equal("sniffed", part.get_content_type(), "application/pdf")


def children(part, subtype, n):
    equal("multipart", part.get_content_type(), "multipart/" + subtype)
    equal(f"parts of {subtype}", len(part.get_payload()), n)
    return part.get_payload()


def check_structure():
    values = simple(("html", "<p>h\xe9</p>"), *[(kind, f) for kind in ("alternative", "inline", "attached")
                                               for f in FILES])
    message, _, said = run("compose", values)
    equal("8bit", said["8bit"], "1")
    mixed = children(message, "mixed", 1 + len(FILES))
    related = children(mixed[0], "related", 1 + len(FILES))
    alternative = children(related[0], "alternative", 2 + len(FILES))
    equal("text", text_of(alternative[0]), "Hello\r\n")
    equal("html", text_of(alternative[1]), "<p>h\xe9</p>\r\n")
    for parts, disposition in (alternative[1:], "inline"), (related, "inline"), (mixed, "attachment"):
        for part, file in zip(parts[1:], FILES):
            check_file(part, file, disposition)
    message, _, _ = run("compose", simple(("attached", FILES[0])))
    check_file(children(message, "mixed", 2)[1], FILES[0], "attachment")
    equal("body found", message.get_body().get_content(), "Hello\r\n")


def check_random():
    rng = random.Random(11)
    letters = "ab \u00e9\u65e5=?_\"\\,.;<>()@"
    word = lambda n: "".join(rng.choice(letters) for _ in range(rng.randrange(n)))
    for _ in range(60):
        subject, text = word(200).strip(), word(300) or "x"
        names = [" ".join(word(40).split()) for _ in range(3)]
        message, _, _ = run("compose", simple(*[("cc", (n, f"u{i}@example.net")) for i, n in enumerate(names)],
                                              ("subject", subject), text=text))
        equal("random subject", message["Subject"] or "", subject)
        equal("random names", [a[0] for a in addresses(message, "Cc")], names)
        equal("random text", text_of(message), crlf(text))


HEADER = b"From: <a@example.org>\r\nMessage-ID: <orig@example.org>\r\nSubject: hi\r\n"


def reply(*lines):
    return [("reply", line) for line in lines]


def recipient(address, action="failed", status="5.1.1", reason="", host="mx.example.net", ip="192.0.2.1",
              original=""):
    return "recipient", (address, action, status, reason, host, ip, original)


def check_report():
    lines = ["550-5.1.1 The user does not exist.", "550-5.1.1 Please check",
             "550 5.1.1 the address (or not) - and more words to make a line that must be folded"]
    message, _, said = run("dsn", [
        ("to", "a@example.org"), ("header", HEADER), ("envelope-id", "QQ314159"),
        recipient("bob@example.net", reason="no such user (permanent)", original="rfc822;Bob@example.net"),
        *reply(*lines), recipient("eve@example.net", "delayed", "4.4.1", "timed out"),
        recipient('"x y"@example.net', "relayed", "")])
    equal("report type", message["Content-Type"].params["report-type"], "delivery-status")
    equal("auto-submitted", message["Auto-Submitted"], "auto-replied")
    equal("in-reply-to", message["In-Reply-To"], "<orig@example.org>")
    equal("From", message["From"].addresses[0].addr_spec, "postmaster@mail.example.org")
    text, status, header = children(message, "report", 3)
    for line in lines:
        equal("reply quoted", f"\r\n\t{line}\r\n" in text.get_content(), True)
    equal("status type", status.get_content_type(), "message/delivery-status")
    whole, *groups = [{k.lower(): str(v) for k, v in g.items()} for g in status.get_payload() if g.items()]
    equal("message fields", whole, {
        "original-envelope-id": "QQ314159", "reporting-mta": "dns; mail.example.org",
        "arrival-date": "Mon, 2 Jan 2006 21:04:05 +0000"})
    equal("groups", [(g["final-recipient"], g["action"], g["status"]) for g in groups], [
        ("rfc822; bob@example.net", "failed", "5.1.1 (no such user [permanent])"),
        ("rfc822; eve@example.net", "delayed", "4.4.1 (timed out)"),
        ('rfc822; "x y"@example.net', "relayed", "2.0.0")])
    equal("original recipient", groups[0]["original-recipient"], "rfc822; Bob@example.net")
    equal("diagnostic", groups[0]["diagnostic-code"], "smtp; " + " ".join(lines))
    equal("no diagnostic", "diagnostic-code" in groups[1], False)
    equal("retry", groups[1]["will-retry-until"], "Mon, 2 Jan 2006 23:04:05 +0000")
    equal("no retry", "will-retry-until" in groups[0], False)
    equal("remote", groups[0]["remote-mta"], "dns; mx.example.net (192.0.2.1)")
    equal("header type", header.get_content_type(), "text/rfc822-headers")
    equal("header", header.get_payload(decode=True), HEADER)


def check_hostile_report():
    nasty = ["550 (unbalanced", "550 a\0b \x1b[2J \x7f", "550 " + "x" * 3000, "550 \u65e5\u672c \xff",
             "550 a\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; x@y"]
    for smtputf8 in False, True:
        values = [("to", "a@example.org"), ("header", HEADER + "X: \u65e5\r\n".encode())]
        values += [("smtputf8", "")] if smtputf8 else []
        values += [recipient("bob@example.net", reason=nasty[4], host="mx\r\nX: y"), *reply(*nasty)]
        message, raw, said = run("dsn", values)
        equal("smtputf8", said["smtputf8"], "1" if smtputf8 else "0")
        text, status, header = children(message, "report", 3)
        equal("no field got in", raw.count(b"\r\nAction:"), 1)
        equal("utf-8 kept", "\u65e5\u672c" in text_of(text), smtputf8)
        body = "message/global-headers" if smtputf8 else "text/rfc822-headers"
        equal("header type", header.get_content_type(), body)
        kind = "message/global-delivery-status" if smtputf8 else "message/delivery-status"
        equal("status type", status.get_content_type(), kind)
        if not smtputf8:
            equal("header", header.get_payload(decode=True), HEADER + "X: \u65e5\r\n".encode())


def strict(values):
    """The notification by the grammar of RFC 3464, after Python's email package and our own reader agreed with it."""
    message, raw, said = run("dsn", values)
    notice = dsn.parse(raw)
    done = subprocess.run([HELPER, "read-dsn"], input=raw, stdout=subprocess.PIPE, check=True)
    words = done.stdout.decode().split("\0")[:-1]
    equal("read: message fields", words[:2],
          [notice.fields["reporting-mta"].removeprefix("dns; "), notice.fields.get("original-envelope-id", "")])
    equal("read: recipients", len(words), 2 + 5 * len(notice.recipients))
    for at, one in enumerate(notice.recipients):
        final, original, action, enhanced, diagnostic = words[2 + 5 * at:7 + 5 * at]
        equal("read: action", action, one["action"])
        if "\\x{" not in one["final-recipient"]:
            equal("read: final", final, one["final-recipient"].partition("; ")[2])
        equal("read: original", bool(original), "original-recipient" in one)
        equal("read: code", bool(enhanced), True)
        said_there = one.get("diagnostic-code", "smtp; ").removeprefix("smtp; ")
        equal("read: diagnostic", diagnostic[:500], " ".join(said_there.split())[:500])
    return notice


HOSTILE = {
    "unbalanced": b"550 (unbalanced ((( and \\",
    "closing": b"550 ) Action: delivered (",
    "NUL, ESC and DEL": b"550 a\x00b \x1b[2J \x7f",
    "line ends": b"550 a\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; x@y\r\nStatus: 2.0.0",
    "bare LF": b"550 a\nAction: delivered\n\nReporting-MTA: dns; x",
    "bare CR": b"550 a\rAction: delivered",
    "a delimiter": b"550 x\r\n--=_\r\nContent-Type: text/html\r\n\r\n<b>",
    "a long line": b"550 " + b"x" * 2_000_000,
    "long, of words": b"550 " + b"word " * 400_000,
    "long, UTF-8": "550 \u65e5\u672c\u8a9e".encode() * 3000,
    "UTF-8": "550 5.1.1 \u30e6\u30fc\u30b6\u30fc\u304c\u3044\u307e\u305b\u3093".encode(),
    "invalid UTF-8": b"550 \xff\xfe \xc3( \xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf",
    "C1 controls": "550 \u0085\u009b31m\u2028x\u202e\u2066y".encode(),
    "white space": b"550 \t  \t a  \t b   ",
    "every octet": b"550 " + bytes(range(256)),
    "folded into a field": b"550 a\r\n\tb\r\nX-Y: z",
    "encoded word": b"550 =?utf-8?q?a=0D=0AAction:_delivered?=",
    "nothing": b"550",
}


def check_strictly():
    """What a stranger says, in each place where it goes, in each form: no field, line or part is added."""
    for smtputf8 in False, True:
        form = [("smtputf8", "")] if smtputf8 else []
        for name, text in HOSTILE.items():
            notice = strict([
                ("to", "a@example.org"), ("header", HEADER + b"X-Said: " + text[:5000] + b"\r\n"), *form,
                recipient("bob@example.net", reason=text[:100_000].replace(b"\0", b"0"), original="rfc822;Bob@example.net"),
                *reply(text, b"550 the last line"), recipient("eve@example.net", "delayed", "4.4.1", "timed out")])
            equal(f"{name}: recipients", [(one["final-recipient"], one["action"]) for one in notice.recipients],
                  [("rfc822; bob@example.net", "failed"), ("rfc822; eve@example.net", "delayed")])
            equal(f"{name}: code", notice.recipients[0]["status"].split()[0], "5.1.1")
            equal(f"{name}: the text for people has it", "550 the last line" in notice.text, len(text) < 65000)
            equal(f"{name}: nothing that ends or turns a line", set("\u2028\u202e\u2066") & set(notice.text), set())
            equal(f"{name}: kind", notice.message.get_content_type(), "multipart/report")
        for lines in (40, 500):
            said = [b"550-%d %s" % (number, b"y" * 490) for number in range(lines)]
            notice = strict([("to", "a@example.org"), ("header", HEADER), *form, recipient("bob@example.net"),
                             *reply(*said[:64])])
            equal("many lines", notice.recipients[0]["diagnostic-code"].count(" y"), min(lines, 64))


def check_addresses_strictly():
    """Every action, ENVID and ORCPT, in both forms, with addresses that need quoting or are UTF-8."""
    some = ["bob@example.net", '"x y"@example.net', "gr\xfc\xdf@example.net", "\u65e5\u672c@example.net"]
    originals = ["", "rfc822;Bob+x@example.net", "utf-8;gr\xfc\xdf@example.net", "x400;/C=de/ O=\\/",
                 "a-type-of-some-length;who"]
    for smtputf8 in False, True:
        form = [("smtputf8", "")] if smtputf8 else []
        for action in "failed", "delayed", "delivered", "relayed", "expanded":
            for to in "a@example.org", "\xe9@example.org":
                notice = strict([("to", to), ("header", HEADER), ("envelope-id", "QQ+=;x y"), *form] + [
                    recipient(address, action, "5.1.1", original=original)
                    for address in some for original in originals])
                equal("originals", [one.get("original-recipient", "").partition(";")[0] for one in notice.recipients],
                      [original.partition(";")[0] for _ in some for original in originals])
                equal("envelope id", notice.fields["original-envelope-id"], "QQ+=;x y")


def check_full_return():
    original = HEADER + b"\r\nbody\r\n"
    message, _, _ = run("dsn", [("to", "a@example.org"), ("header", HEADER), ("message", original),
                                recipient("bob@example.net")])
    part = children(message, "report", 3)[2]
    equal("returned type", part.get_content_type(), "message/rfc822")
    equal("returned", part.get_payload()[0]["Message-ID"], "<orig@example.org>")
    equal("returned body", part.get_payload()[0].get_payload(), "body\r\n")


for check in (check_texts, check_subjects, check_names, check_headers, check_structure, check_random,
              check_report, check_hostile_report, check_strictly, check_addresses_strictly, check_full_return):
    check()
print(f"{failures} failed")
sys.exit(failures > 0)

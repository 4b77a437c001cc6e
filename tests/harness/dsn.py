"""A strict reader of delivery status notifications: what deviates from RFC 3464 (RFC 3461, RFC 6533) raises.

    notice = dsn.parse(octets)
    notice.fields["reporting-mta"]; notice.recipients[0]["status"]; notice.text; notice.returned

The grammar is written out here, field by field, so that a field that a stranger's text has added, or a line it has
broken, cannot pass; Python's email package reads the same octets, and both have to agree.
"""

import email
import email.policy
import re

_DATE = (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [ 0-9]?[0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
         r" [0-2][0-9]:[0-5][0-9]:[0-6][0-9] [+-][0-9]{4}")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[A-Za-z0-9:.]+\])"
_LOCAL = rf'({_ATEXT}(\.{_ATEXT})*|"([^"\\]|\\.)*")'
_UTF8 = r"([!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\}|[^\x00-\x7f])+"
_ADDRESS = rf"(rfc822; {_LOCAL}@{_DOMAIN}|utf-8; {_UTF8})"
_ORIGINAL = r"[a-z0-9-]+; [^\x00-\x1f\x7f]+"
_TEXT = r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+"
_MTA = rf"dns; {_TEXT}"

# name -> (whether it must be there, what stands in it once unfolded); none may be there twice
_MESSAGE = {
    "original-envelope-id": (False, r"[ -~]+"),
    "reporting-mta": (True, _MTA),
    "received-from-mta": (False, _MTA),
    "arrival-date": (False, _DATE),
    "future-release-request": (False, r"(for;[0-9]+|until;[0-9TZ:.+-]+)"),
}
_RECIPIENT = {
    "original-recipient": (False, _ORIGINAL),
    "final-recipient": (True, _ADDRESS),
    "action": (True, r"failed|delayed|delivered|relayed|expanded"),
    "status": (True, r"[245]\.[0-9]{1,3}\.[0-9]{1,3}( \(.*\))?"),
    "remote-mta": (False, _MTA),
    "diagnostic-code": (False, r"smtp; [2-5][0-9]{2}([ -].*)?"),
    "last-attempt-date": (False, _DATE),
    "will-retry-until": (False, _DATE),
}
_CLASS = {"failed": "5", "delayed": "4", "delivered": "2", "relayed": "2", "expanded": "2"}


class Bad(AssertionError):
    """It is not as the RFC has it."""


def _check(condition, *what):
    if not condition:
        raise Bad(*what)


class Notice:
    """message: as the email package has it; text: part 1; fields and recipients: names in lower case -> value;
    returned: part 3 as a Message."""

    def __init__(self, message, text, fields, recipients, returned):
        self.message, self.text, self.fields = message, text, fields
        self.recipients, self.returned = recipients, returned


def parse(octets):
    """octets: the whole message, lines ended by CRLF, or all by LF as in a mailbox."""
    if b"\r\n" not in octets:
        octets = octets.replace(b"\n", b"\r\n")
    _check_lines(octets)
    message = email.message_from_bytes(octets, policy=email.policy.default)
    _check(not defects(message), "defects", defects(message))
    _check(message.get_content_type() == "multipart/report", message.get_content_type())
    _check(message.get_param("report-type") == "delivery-status", "report-type")
    _check(message["Auto-Submitted"] == "auto-replied", "Auto-Submitted", message["Auto-Submitted"])
    for name in ("From", "To", "Subject", "Date", "Message-Id", "MIME-Version"):
        _check(len(message.get_all(name, [])) == 1, "header", name)
    parts = list(message.iter_parts())
    _check(len(parts) == 3, "parts", len(parts))
    raw = _raw_parts(octets, message.get_boundary())
    fields, recipients = _status(raw[1], parts[1])
    return Notice(message, _text(parts[0], raw[0]), fields, recipients, parts[2])


def defects(message):
    """What the email package finds wrong. It takes fields in UTF-8 for a message, encoded ones too: there its word counts
    for nothing."""
    found = [str(defect) or type(defect).__name__ for defect in message.defects]
    if message.get_content_type() in ("message/global-headers", "message/global-delivery-status"):
        return found
    for part in message.get_payload() if message.is_multipart() else []:
        found += defects(part)
    return found


def _check_lines(octets):
    for line in octets.split(b"\r\n"):
        _check(len(line) <= 998, "line too long", len(line))
        _check(not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\n", line), "control character", line)


def _raw_parts(octets, boundary):
    parts = octets.split(b"\r\n--" + boundary.encode())
    _check(len(parts) == 5 and parts[4].startswith(b"--"), "boundaries", len(parts) - 1)
    return [part.partition(b"\r\n")[2] for part in parts[1:4]]


def _content(raw, part, encoding):
    """The octets of a part behind its header, in which 8-bit octets are as its encoding says."""
    head, _, body = raw.partition(b"\r\n\r\n")
    wanted = "8bit" if encoding else "7bit"
    _check(part["Content-Transfer-Encoding"] == wanted, "encoding", part["Content-Transfer-Encoding"])
    _check(encoding or body.isascii(), "octets above 127 in 7bit", body)
    return body.decode("utf-8")


def _text(part, raw):
    _check(part.get_content_type() == "text/plain", part.get_content_type())
    charset = part.get_content_charset()
    _check(charset in ("us-ascii", "utf-8"), charset)
    return _content(raw, part, charset == "utf-8")


def _status(raw, part):
    kind = part.get_content_type()
    _check(kind in ("message/delivery-status", "message/global-delivery-status"), kind)
    body = _content(raw, part, kind != "message/delivery-status")
    groups = (body + "\r\n").replace("\r\n\r\n\r\n", "\r\n\r\n").split("\r\n\r\n")
    groups = [group.removesuffix("\r\n") for group in groups if group.strip("\r\n")]
    _check(len(groups) >= 2, "groups", groups)
    fields = _fields(groups[0], _MESSAGE)
    recipients = [_fields(group, _RECIPIENT) for group in groups[1:]]
    for one in recipients:
        _check_recipient(one)
    return fields, recipients


def _fields(group, grammar):
    found = {}
    for line in group.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
        name, colon, value = line.partition(":")
        name = name.lower()
        _check(colon and name in grammar, "unknown field", line)
        _check(name not in found, "twice", line)
        value = value.strip(" ")
        _check(re.fullmatch(grammar[name][1], value), "value", line)
        found[name] = value
    for name, (needed, _) in grammar.items():
        _check(name in found or not needed, "missing", name, group)
    return found


def _check_recipient(one):
    action = one["action"]
    code, _, comment = one["status"].partition(" ")
    _check(code[0] == _CLASS[action], "class", one)
    _check(not comment or _is_comment(comment), "comment", comment)
    _check("will-retry-until" not in one or action == "delayed", "will-retry-until", one)


def _is_comment(text):
    """RFC 5322 section 3.2.2, without comments inside."""
    return re.fullmatch(r"\(([^()\\\x00-\x1f\x7f]|\\[ -~])*\)", text) is not None

"""What has to become of a message, for every cell of: the domain's MTA-STS policy x the TLSA records of its host x what
that host does x what the message asks for.

The three tables are data, from RFC 7672 section 2.2, RFC 8461 section 5 and RFC 8689 section 4; judge() reads them. Nothing here
comes from the suite.

    python3 tests/system/policy_cells.py         every cell with its outcome
"""

import collections
import itertools

Cell = collections.namedtuple("Cell", "sts tlsa server asks")

# enforce: the host is listed; mismatch: enforce, and it is not.
STS = ("none", "testing", "enforce", "mismatch")
# wrong: usable, for another key. servfail: that cannot be looked up.
TLSA = ("none", "ok", "wrong", "unusable", "servfail")
# good: a certificate of a known authority, and REQUIRETLS. selfsigned: the right name on it, and REQUIRETLS. hidden: no
# STARTTLS. broken: a handshake that fails. drop: the connection ends behind the reply 220 to STARTTLS.
SERVERS = ("good", "selfsigned", "hidden", "454", "502", "broken", "drop")
# The first two once more, without REQUIRETLS.
PLAIN = {"goodplain": "good", "selfplain": "selfsigned"}
ASKS = ("unset", "yes", "no")

# What may be the outcome of a cell. CLEAR is the only one in which anything of the message is seen on the way.
VERIFIED, ENCRYPTED, CLEAR, DEFERRED, REFUSED = "over TLS, verified", "over TLS", "in clear", "deferred", "failed 5.7.30"

# A. What the connection must be like. SKIP: it is not even tried, for now. Columns by what the records amount to.
SKIP = "skip"
COLUMN = {"ok": "usable", "wrong": "usable", "unusable": "unusable", "servfail": "error", "none": "none"}
NEEDS = {
    "none":     {"usable": {"tls", "dane"}, "unusable": {"tls"}, "error": SKIP, "none": set()},
    "testing":  {"usable": {"tls", "dane"}, "unusable": {"tls"}, "error": SKIP, "none": set()},
    "enforce":  {"usable": {"tls", "dane", "pkix"}, "unusable": {"tls", "pkix"}, "error": SKIP, "none": {"tls", "pkix"}},
    "mismatch": {"usable": SKIP, "unusable": SKIP, "error": SKIP, "none": SKIP},
}

# B. What the message makes of that. counts: whether what was published does. proof: whether one of these there must be,
# and the host must announce REQUIRETLS.
MESSAGE = {
    "unset": {"counts": True, "proof": None},
    "yes":   {"counts": True, "proof": {"dane", "pkix"}},
    "no":    {"counts": False, "proof": None},
}

# C. Whether TLS that failed, or that was not offered, may be done without: (enforced by MTA-STS, TLSA records there or not to be
# looked up, asks). What is not here may not.
IN_CLEAR = {(False, False, "unset")} | set(itertools.product((False, True), (False, True), ("no",)))

SPEAKS_TLS = {"good": {"authority"}, "selfsigned": set()}


def every():
    """The cells, those of PLAIN behind the others."""
    return ([Cell(*one) for one in itertools.product(STS, TLSA, SERVERS, ASKS)]
            + [Cell(*one) for one in itertools.product(STS, TLSA, PLAIN, ASKS)])


def may_go_in_clear(cell):
    """Whether table C lets this message go without TLS, whatever the server does."""
    return (cell.sts in ("enforce", "mismatch"), cell.tlsa != "none", cell.asks) in IN_CLEAR


def is_tried(cell):
    """Whether there is to be a connection at all."""
    return judge(cell)[1]


def outcome(cell):
    """One of the five."""
    return judge(cell)[0]


def judge(cell):
    """(outcome, whether there is to be a connection)."""
    message = MESSAGE[cell.asks]
    needs = NEEDS[cell.sts][COLUMN[cell.tlsa]] if message["counts"] else set()
    if needs == SKIP:
        return DEFERRED, False
    if message["proof"] and not needs & message["proof"]:
        return REFUSED, False
    server = PLAIN.get(cell.server, cell.server)
    if server in SPEAKS_TLS:
        matches = "dane" not in needs or cell.tlsa == "ok"
        trusted = "pkix" not in needs or "authority" in SPEAKS_TLS[server]
        if matches and trusted:
            if message["proof"] and cell.server in PLAIN:
                return REFUSED, True
            return VERIFIED if needs & {"dane", "pkix"} else ENCRYPTED, True
    return CLEAR if may_go_in_clear(cell) else DEFERRED, True


def main():
    for cell in every():
        print(f"{' '.join(f'{word:10}' for word in cell)} {outcome(cell)}{'' if is_tried(cell) else ', not tried'}")


if __name__ == "__main__":
    main()

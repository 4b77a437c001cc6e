"""The tables of delivery/DESIGN.md once more, from what they say, for every cell there is; what the library
makes of each has to agree. And whatever either says: where TLS is demanded nothing goes out in clear.
Usage: peer_tables.py HELPER"""

import itertools
import subprocess
import sys

STS = ["none", "testing", "enforce", "mismatch"]
TLSA = ["none", "ok", "wrong", "unusable", "servfail", "off"]
WISH = ["unset", "yes", "no"]
SERVER = ["ok", "selfsigned", "nostarttls", "454", "502", "oldtls", "drop"]
LEVEL = ["published", "none", "may", "encrypt", "verify", "dane-only", "fingerprint"]
YN = ["no", "yes"]


def table_a(sts, tlsa):
    """What the host must satisfy: 'skip', or a set of demands; empty is opportunistic."""
    if tlsa == "servfail" or sts == "mismatch":
        return "skip"
    needs = set()
    if tlsa in ("ok", "wrong"):
        needs |= {"tls", "dane"}
    if tlsa == "unusable":
        needs |= {"tls"}
    if sts == "enforce":
        needs |= {"tls", "pkix"}
    return needs


def operator(level, tlsa):
    if level == "dane-only":
        return {"tls", "dane"} if tlsa in ("ok", "wrong") else "skip"
    return {"none": {"clear"}, "may": set(), "encrypt": {"tls"}, "verify": {"tls", "pkix"},
            "fingerprint": {"tls"}}[level]


def demands(sts, tlsa, wish, level, always, dnssec):
    weak = level in ("may", "encrypt")
    if level != "published" and not (weak and wish == "yes"):
        needs = operator(level, tlsa)
        if wish == "yes":
            return "refuse" if level == "none" else needs
        return needs
    if wish == "no":  # table B: nothing that the receiver published counts
        needs = set()
    else:
        needs = table_a(sts, tlsa)
        if wish == "yes" and needs != "skip" and not needs & {"dane", "pkix"}:
            if dnssec == "no" or tlsa == "off":
                return "refuse"
            needs = {"tls", "pkix"}
    if needs == set() and always == "yes" and level == "published":
        needs = {"tls"}
    return needs


def good(server, tlsa, level, needs):
    if server in ("oldtls", "drop"):
        return False
    if "dane" in needs and tlsa != "ok" and level != "fingerprint":
        return False
    return not ("pkix" in needs and server != "ok")


def expected(sts, tlsa, wish, server, requiretls, level, always, dnssec):
    needs = demands(sts, tlsa, wish, level, always, dnssec)
    if needs in ("skip", "refuse"):
        return needs
    if "clear" in needs:
        return "clear"
    must = "tls" in needs
    if server == "nostarttls":
        return "skip" if must else "clear"
    if server not in ("454", "502") and good(server, tlsa, level, needs):
        return "refuse" if wish == "yes" and requiretls == "no" else "tls"
    # table C: a failure of TLS. A retry in clear only where nothing was demanded.
    return "skip" if must else "retried"


def main():
    cells = list(itertools.product(STS, TLSA, WISH, SERVER, YN, LEVEL, YN, YN))
    text = "".join(" ".join(cell) + "\n" for cell in cells)
    done = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
    said = done.stdout.split()
    assert len(said) == len(cells), (len(said), len(cells), done.stderr)
    wrong, seen = 0, {}
    for cell, got in zip(cells, said):
        seen[got] = seen.get(got, 0) + 1
        sts, tlsa, wish, server, _, level = cell[:6]
        if got in ("clear", "retried") and level == "published" and wish == "unset":
            assert sts in ("none", "testing") and tlsa in ("none", "off"), cell
        assert not (got in ("clear", "retried") and wish == "yes"), cell
        if got != expected(*cell):
            wrong += 1
            if wrong <= 10:
                print(" ".join(cell), "is", got, "expected", expected(*cell))
    print(len(cells), "cells", seen)
    assert wrong == 0 and len(seen) == 5, f"{wrong} cells differ"


main()

"""The resolver against NSD and unbound. Usage: check_resolvers.py PROGRAM"""

import resource
import socket
import sys
import time

import servers
from servers import expect

SOA = "@ 3600 IN SOA ns hostmaster 1 7200 3600 1209600 %d\n@ 3600 IN NS ns\nns 3600 IN A 127.0.0.1\n"

LONG = "".join('"%s" ' % (chr(97 + i) * 250) for i in range(16))

EXAMPLE = "$ORIGIN example.test.\n$TTL 300\n" + SOA % 120 + """
@           MX 20 mx2
@           MX 10 MX1
@           MX 30 mx3
mx1         A 192.0.2.11
mx2         A 192.0.2.12
mx3         A 192.0.2.13
host        A 192.0.2.1
host        A 192.0.2.2
host        AAAA 2001:db8::1
host        AAAA 2001:db8::2
host        AAAA 2001:db8::3
host        TXT "v=spf1 " "-all"
only4       A 192.0.2.4
only6       AAAA 2001:db8::6
loop1       CNAME loop2
loop2       CNAME loop1
www         CNAME host
dangling    CNAME nowhere
tosecure    CNAME host.signed.test.
c0          CNAME c1
c1          CNAME c2
c2          CNAME c3
c3          CNAME c4
c4          CNAME host
alias       CNAME real
real        MX 10 mx1
nomail      MX 0 .
nullplus    MX 0 .
nullplus    MX 10 mx1
self        MX 10 mx1
self        MX 20 OWN
self        MX 20 mx2
self        MX 30 mx3
selfbest    MX 10 own
selfbest    MX 20 mx3
own         A 192.0.2.99
ipmx        MX 10 192.0.2.1.
ipmx        MX 20 mx1
badmx       MX 10 a\\032b
badmx       MX 20 mx_2
onlybad     MX 10 a\\032b
nullbad     MX 0 .
nullbad     MX 10 a\\032b
twice       MX 10 mx1
twice       MX 20 mx1
twice       MX 20 mx2
onlyip      MX 10 192.0.2.1.
localmx     A 127.0.0.1
localmx     A 0.0.0.0
localmx     A 224.0.0.1
localmx     A 192.0.2.5
localmx     AAAA ::1
localmx     AAAA ::ffff:127.0.0.1
onlylocal   A 127.0.0.1
onlyprivate A 10.0.0.1
onlyprivate AAAA fd00::1
odd         CNAME o\\032dd
o\\032dd     TXT "not a name to connect to"
long        TXT """ + LONG + """
binary      TXT "a\\000b\\255" ""
_25._tcp.host TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff
short       1 A 192.0.2.7
""" + "".join("many MX 10 m%d\n" % i for i in range(60)) \
    + "".join("equal MX 10 e%d\n" % i for i in range(4)) \
    + "".join('big TXT "%s"\n' % (("%02d" % i) * 60) for i in range(30)) \
    + "".join("n%d A 10.0.%d.%d\n" % (i, i >> 8, i & 255) for i in range(1000))

SIGNED = "$ORIGIN signed.test.\n$TTL 300\n" + SOA % 3600 + """
@           MX 10 mx1
mx1         A 192.0.2.21
mx1         AAAA 2001:db8::21
host        A 192.0.2.22
half        A 192.0.2.23
half        AAAA 2001:db8::bad
bogus       A 192.0.2.24
www         CNAME host
away        CNAME host.example.test.
_25._tcp.mx1 TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff
; hosts of mail and their aliases
notlsa      MX 10 host
toplain     MX 10 mx1.example.test.
byalias     MX 10 cmx
cmx         CNAME mx1
owntlsa     MX 10 cown
cown        CNAME host
_25._tcp.cown TLSA 2 0 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e01
awaytlsa    MX 10 caway
caway       CNAME host.example.test.
_25._tcp.caway TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e02
implicit    CNAME mx1
impown      CNAME host
_25._tcp.impown TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e03
shared      MX 10 cshared
cshared     A 192.0.2.25
_25._tcp.cshared CNAME ee
ee          TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e04
ee          TLSA 0 0 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e05
plaincname  MX 10 cplain
cplain      A 192.0.2.26
_25._tcp.cplain CNAME _25._tcp.host.example.test.
broken      MX 10 cbroken
cbroken     A 192.0.2.27
_25._tcp.cbroken TLSA 3 1 1 00badbad00badbad00badbad00badbad00badbad00badbad00badbad00badbad
wild        MX 10 in.wild
*.wild      A 192.0.2.28
halfmx      MX 10 half
"""

EXPIRED = "$ORIGIN expired.test.\n$TTL 300\n" + SOA % 3600 + "host A 192.0.2.30\n@ MX 10 host\n"

REVERSE = "$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 300\n" + SOA % 60 + """
1           PTR Host.Example.Test.
2           PTR host.example.test.
2           PTR we\\032ird.example.test.
3           CNAME 3.0/25
3.0/25      PTR delegated.example.test.
"""


class Setting(servers.Servers):
    def _start_nsd(self, zones):
        self.tamper("signed.test", "2001:db8::bad", "2001:db8::dead")
        self.tamper("signed.test", "192.0.2.24", "192.0.2.66")
        self.tamper("signed.test", "00badbad" * 8, "00badbee" * 8)
        super()._start_nsd(zones)


def nsd(s):
    return "127.0.0.1:%d" % s.nsd_port


def unbound(s):
    return "127.0.0.1:%d" % s.port


class Silent:
    """An address where packets go in and nothing comes out."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def __exit__(self, *_):
        self.socket.close()


def check_records_of_every_type(s, t):
    lines, _ = t.run("-s", unbound(s), "A:host.example.test", "AAAA:host.example.test.", "MX:EXAMPLE.test",
                     "TXT:host.example.test", "TLSA:_25._tcp.host.example.test", "PTR:1.2.0.192.in-addr.arpa",
                     "CNAME:www.example.test", "TXT:binary.example.test")
    a, aaaa, mx, txt, tlsa, ptr, cname, binary = lines
    expect(a, status="OK", name="host.example.test", aliases=0, authentic=False, ede=-1)
    assert sorted(a["records"]) == ["192.0.2.1", "192.0.2.2"]
    assert 0 < a["ttl"] <= 300
    assert sorted(aaaa["records"]) == ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
    assert sorted(mx["records"]) == [[10, "mx1.example.test"], [20, "mx2.example.test"], [30, "mx3.example.test"]]
    expect(txt, records=["v=spf1 -all"])
    expect(tlsa, records=[[3, 1, 1, "".join(map(chr, range(31))) + "\xff"]])
    expect(ptr, records=["host.example.test"])
    expect(cname, records=["host.example.test"], name="www.example.test", aliases=0)
    expect(binary, records=["a\0b\xff"])


def check_absent_records_and_absent_names_differ(s, t):
    lines, _ = t.run("-s", unbound(s), "MX:host.example.test", "A:nowhere.example.test", "A:dangling.example.test",
                     "MX:www.example.test")
    expect(lines[0], status="NODATA", text="host.example.test has no MX record")
    assert 0 < lines[0]["ttl"] <= 120, "the SOA record's minimum"
    expect(lines[1], status="NXDOMAIN", text="nowhere.example.test does not exist")
    expect(lines[2], status="NXDOMAIN", text="nowhere.example.test does not exist", aliases=1)
    expect(lines[3], status="NODATA", text="host.example.test has no MX record", aliases=1)


def check_aliases_are_followed(s, t):
    expect(t.one("-s", unbound(s), "A:c0.example.test"), status="OK", aliases=5, name="host.example.test")
    expect(t.one("-s", nsd(s), "A:c0.example.test"), status="OK", aliases=5, name="host.example.test")


def check_a_circle_of_aliases_ends(s, t):
    for server in nsd(s), unbound(s):
        r = t.one("-s", server, "-t", 2000, "A:loop1.example.test")
        assert r["status"] in ("BAD", "TEMPORARY"), r
    expect(t.one("-s", nsd(s), "A:loop1.example.test"), status="BAD", text="the aliases run in a circle")


def check_malformed_names_are_refused(s, t):
    lines, end = t.run("-s", unbound(s), "A:", "A:.", "A:a..b", "A:" + "x" * 64 + ".test", "A:sp ace.test", "A:\xfc.test")
    for line in lines:
        expect(line, status="BAD", text="malformed name")
    expect(end, queries=0, lookups=6)


def check_unclean_names_are_dropped(s, t):
    r = t.one("-s", unbound(s), "PTR:2.2.0.192.in-addr.arpa")
    expect(r, status="OK", records=["host.example.test"], dropped=1)
    expect(t.one("-s", unbound(s), "MX:onlybad.example.test"), status="BAD", dropped=1)


def check_a_classless_reverse_delegation_is_followed(s, t):
    expect(t.one("-s", unbound(s), "PTR:3.2.0.192.in-addr.arpa"), status="OK", aliases=1, name="",
           records=["delegated.example.test"])


def check_a_large_answer_comes_over_tcp(s, t):
    for server in nsd(s), unbound(s):
        lines, end = t.run("-s", server, "TXT:big.example.test", "TXT:long.example.test")
        assert sorted(lines[0]["records"]) == [("%02d" % i) * 60 for i in range(30)]
        expect(lines[1], records=["".join(chr(97 + i) * 250 for i in range(16))])
        expect(end, tcp=2, queries=2)


def check_a_validated_answer_is_authentic(s, t):
    lines, end = t.run("-s", unbound(s), "MX:signed.test", "TLSA:_25._tcp.mx1.signed.test", "A:www.signed.test",
                       "A:none.signed.test", "MX:host.signed.test", "A:host.example.test", "A:away.signed.test",
                       "A:tosecure.example.test")
    for line, status in zip(lines, ["OK", "OK", "OK", "NXDOMAIN", "NODATA"]):
        expect(line, status=status, authentic=True)
    for line in lines[5:]:
        expect(line, status="OK", authentic=False)
    expect(end, trusted=True)


def check_ad_of_a_server_elsewhere_is_not_believed(s, t):
    away = "192.0.2.53"  # never asked: the first server answers
    lines, end = t.run("-s", unbound(s), "-s", away, "MX:signed.test")
    expect(lines[0], status="OK", authentic=False)
    expect(end, trusted=False)
    lines, end = t.run("-A", "-s", unbound(s), "-s", away, "MX:signed.test")
    expect(lines[0], status="OK", authentic=True)
    expect(end, trusted=True)


def check_a_forged_answer_is_a_failure(s, t):
    r = t.one("-s", unbound(s), "A:bogus.signed.test")
    expect(r, status="TEMPORARY", authentic=False, records=[])
    assert r["ede"] in (6, 7, 9, 10), r
    assert r["text"].startswith("SERVFAIL from " + unbound(s) + " (DNSSEC Bogus"), r
    assert t.one("-s", unbound(s), "A:host.expired.test")["status"] == "TEMPORARY"


def check_a_failed_family_does_not_hide_the_other(s, t):
    lines, _ = t.run("-s", unbound(s), "AAAA:half.signed.test", "A:half.signed.test", "addr:half.signed.test")
    expect(lines[0], status="TEMPORARY")
    expect(lines[1], status="OK", authentic=True)
    expect(lines[2], status="OK", authentic=True, partial=True, addresses=["192.0.2.23"])
    assert lines[2]["text"].startswith("AAAA record of half.signed.test: SERVFAIL"), lines[2]
    expect(t.one("-s", unbound(s), "-F", "6", "addr:half.signed.test"), status="TEMPORARY", addresses=[])


def check_addresses_alternate_between_families(s, t):
    def families(*options):
        return ["6" if ":" in a else "4" for a in t.one("-s", unbound(s), *options, "addr:host.example.test")["addresses"]]
    assert families() == list("64646")
    assert families("-F", "4first") == list("46466")
    assert families("-F", "4") == list("44")
    assert families("-F", "6") == list("666")
    assert families("-m", "2") == list("64")


def check_missing_addresses_are_told_apart(s, t):
    lines, _ = t.run("-s", unbound(s), "-F", "6", "addr:only4.example.test", "addr:nowhere.example.test",
                     "addr:host.refused.test", "addr:192.0.2.1", "addr:a..b")
    expect(lines[0], status="NONE", nxdomain=False, text="only4.example.test has no IPv6 address")
    expect(lines[1], status="NONE", nxdomain=True, text="nowhere.example.test does not exist")
    expect(lines[2], status="TEMPORARY")
    expect(lines[3], status="NONE", text="not the name of a host")
    expect(lines[4], status="NONE", text="not the name of a host")


def check_addresses_that_lead_back_are_left_out(s, t):
    expect(t.one("-s", unbound(s), "addr:localmx.example.test"), status="OK", addresses=["192.0.2.5"], dropped=5)
    expect(t.one("-s", unbound(s), "addr:onlylocal.example.test"), status="UNUSABLE", addresses=[])
    expect(t.one("-s", unbound(s), "-a", "addr:onlylocal.example.test"), status="OK", addresses=["127.0.0.1"])
    expect(t.one("-s", unbound(s), "addr:onlyprivate.example.test"), status="UNUSABLE", addresses=[],
           text="onlyprivate.example.test has only private addresses")
    expect(t.one("-s", unbound(s), "-a", "addr:onlyprivate.example.test"), status="OK", addresses=["fd00::1", "10.0.0.1"])


def check_the_alias_step_of_a_host_is_judged_alone(s, t):
    lines, _ = t.run("-s", unbound(s), "addr:www.signed.test", "addr:away.signed.test", "addr:tosecure.example.test",
                     "addr:host.example.test")
    expect(lines[0], authentic=True, alias_authentic=True, name="host.signed.test")
    expect(lines[1], authentic=False, alias_authentic=True, name="host.example.test")
    expect(lines[2], authentic=False, alias_authentic=False, name="host.signed.test")
    expect(lines[3], authentic=False, alias_authentic=False)


DIGEST = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"


def check_tlsa_records_are_found_where_dnssec_leads(s, t):
    def found(ask, base, *records):
        expect(t.one("-s", unbound(s), ask), status="FOUND", base=base, text="", ede=-1)
        assert sorted(t.one("-s", unbound(s), ask)["records"]) == [r % DIGEST for r in records], ask
    found("mx:signed.test", "mx1.signed.test", "3 1 1 %sff")
    found("named:mx1.signed.test", "mx1.signed.test", "3 1 1 %sff")
    # A host that is an alias: where it leads to goes first, its own name is next (RFC 7672 section 2.2.2).
    found("mx:byalias.signed.test", "mx1.signed.test", "3 1 1 %sff")
    found("mx:owntlsa.signed.test", "cown.signed.test", "2 0 1 %s01")
    # Out of the signed zone only its own name counts.
    found("mx:awaytlsa.signed.test", "caway.signed.test", "3 1 1 %s02")
    found("named:caway.signed.test", "caway.signed.test", "3 1 1 %s02")
    # No MX records, the domain itself an alias.
    found("mx:implicit.signed.test", "mx1.signed.test", "3 1 1 %sff")
    found("mx:impown.signed.test", "impown.signed.test", "3 1 1 %s03")
    # The records' own name may be an alias as well; those of no use are not left out here.
    found("mx:shared.signed.test", "cshared.signed.test", "0 0 1 %s05", "3 1 1 %s04")


def check_no_tlsa_record_where_dnssec_does_not_lead(s, t):
    lines, end = t.run("-s", unbound(s), "mx:example.test", "mx:toplain.signed.test", "named:host.example.test",
                       "named:tosecure.example.test")
    for line in lines:
        expect(line, status="NONE", base="", text="the host is not secured by DNSSEC", records=[])
    assert end["queries"] == 2 + 3 * 2 + 1, end  # MX, A and AAAA of three hosts, the alias step; no TLSA
    lines, _ = t.run("-s", unbound(s), "mx:notlsa.signed.test", "mx:plaincname.signed.test", "mx:wild.signed.test")
    for line in lines:
        expect(line, status="NONE", text="no TLSA records that DNSSEC secures", records=[])


def check_tlsa_records_that_cannot_be_had_are_no_absence(s, t):
    r = t.one("-s", unbound(s), "mx:broken.signed.test")
    expect(r, status="FAILED", base="cbroken.signed.test", records=[])
    assert r["ede"] in (6, 7, 9, 10), r
    assert r["text"].startswith("TLSA records of cbroken.signed.test: SERVFAIL"), r


def check_a_failed_family_does_not_switch_dane_off(s, t):
    expect(t.one("-s", unbound(s), "mx:halfmx.signed.test"), status="NONE", text="no TLSA records that DNSSEC secures")


def check_dane_is_off_without_a_trusted_resolver(s, t):
    lines, end = t.run("-s", unbound(s), "-s", "192.0.2.53", "mx:signed.test", "named:mx1.signed.test")
    for line in lines:
        expect(line, status="OFF", records=[])
        assert line["text"].startswith("DANE off: "), line
    assert end["queries"] == 3, "no TLSA"


def check_hosts_come_by_preference(s, t):
    r = t.one("-s", unbound(s), "hosts:Example.Test.")
    expect(r, status="OK", implicit=False, domain="example.test", target="example.test", enhanced="2.0.0",
           hosts=[[10, "mx1.example.test"], [20, "mx2.example.test"], [30, "mx3.example.test"]])


def check_equal_hosts_come_in_random_order(s, t):
    lines, _ = t.run("-s", unbound(s), "-R", 200, "hosts:equal.example.test")
    orders = {tuple(h[1] for h in line["hosts"]) for line in lines}
    assert all(len(set(o)) == 4 for o in orders)
    assert len(orders) >= 20, "%d of 24 orders in 200 draws" % len(orders)


def check_domains_that_cannot_have_mail(s, t):
    lines, _ = t.run("-s", unbound(s), "hosts:nomail.example.test", "hosts:nowhere.example.test", "hosts:onlybad.example.test",
                     "hosts:onlyip.example.test", "hosts:a..b", "hosts:192.0.2.1", "hosts:dangling.example.test")
    for line, status, enhanced in zip(lines,
            ["NULL_MX", "NO_DOMAIN", "NO_HOST", "NO_HOST", "NO_DOMAIN", "NO_DOMAIN", "NO_DOMAIN"],
            ["5.1.10", "5.1.2", "5.4.4", "5.4.4", "5.1.2", "5.1.2", "5.1.2"]):
        expect(line, status=status, enhanced=enhanced, hosts=[])
        assert line["text"] != ""


def check_a_domain_without_mx_is_its_own_host(s, t):
    lines, _ = t.run("-s", unbound(s), "hosts:host.example.test", "hosts:alias.example.test", "hosts:www.example.test",
                     "hosts:host.signed.test")
    expect(lines[0], status="OK", implicit=True, hosts=[[0, "host.example.test"]], authentic=False)
    expect(lines[1], status="OK", implicit=False, target="real.example.test", hosts=[[10, "mx1.example.test"]])
    expect(lines[2], status="OK", implicit=True, target="host.example.test", hosts=[[0, "host.example.test"]])
    expect(lines[3], status="OK", implicit=True, authentic=True)


def check_a_domain_that_is_no_name_in_the_end_has_no_host(s, t):
    expect(t.one("-s", unbound(s), "hosts:odd.example.test"), status="NO_HOST", hosts=[], target="", implicit=True)


def check_invalid_targets_are_dropped(s, t):
    lines, _ = t.run("-s", unbound(s), "hosts:ipmx.example.test", "hosts:badmx.example.test", "hosts:nullplus.example.test",
                     "hosts:twice.example.test", "hosts:nullbad.example.test")
    expect(lines[0], status="OK", dropped=1, hosts=[[20, "mx1.example.test"]])
    expect(lines[1], status="OK", dropped=1, hosts=[[20, "mx_2.example.test"]])
    expect(lines[2], status="OK", dropped=1, hosts=[[10, "mx1.example.test"]])
    expect(lines[3], status="OK", dropped=1, hosts=[[10, "mx1.example.test"], [20, "mx2.example.test"]])
    expect(lines[4], status="NO_HOST", dropped=2, hosts=[])


def check_own_host_and_worse_ones_are_pruned(s, t):
    own = ["-s", unbound(s), "-o", "elsewhere.test", "-o", "Own.Example.Test."]
    expect(t.one(*own, "hosts:self.example.test"), status="OK", pruned=3, hosts=[[10, "mx1.example.test"]])
    expect(t.one(*own, "hosts:selfbest.example.test"), status="SELF", pruned=2, hosts=[], enhanced="5.4.6")
    expect(t.one(*own, "hosts:own.example.test"), status="SELF", hosts=[])
    expect(t.one(*own, "hosts:example.test"), status="OK", pruned=0)


def check_the_number_of_hosts_is_bounded(s, t):
    r = t.one("-s", unbound(s), "-m", 7, "hosts:many.example.test")
    assert len(r["hosts"]) == 7 and r["dropped"] == 53, r
    assert len(t.one("-s", unbound(s), "hosts:many.example.test")["hosts"]) == 20


def check_a_failing_mx_lookup_is_temporary(s, t):
    for domain in "expired.test", "refused.test":
        expect(t.one("-s", unbound(s), "hosts:" + domain), status="TEMPORARY", hosts=[],
               enhanced="4.4.3")
    expect(t.one("-s", nsd(s), "hosts:loop1.example.test"), status="TEMPORARY", hosts=[])


def check_the_next_server_answers_for_a_lame_one(s, t):
    lines, end = t.run("-s", nsd(s), "-s", unbound(s), "A:host.refused.test")
    expect(lines[0], status="TEMPORARY")
    other = Setting({"other.test": EXAMPLE.replace("example.test", "other.test"), "signed.test": SIGNED}, signed=["signed.test"])
    try:
        lines, end = t.run("-s", nsd(s), "-s", unbound(other), "A:host.other.test")
        expect(lines[0], status="OK")
        expect(end, queries=2, timeouts=0)
    finally:
        other.stop()


def check_the_next_server_answers_for_a_silent_one(s, t):
    with Silent() as silent:
        lines, end = t.run("-s", silent, "-s", unbound(s), "-t", 500, "A:host.example.test", "A:mx1.example.test",
                           "A:mx2.example.test")
        for line in lines:
            expect(line, status="OK")
        expect(end, timeouts=1, queries=4)  # once silent, a server is asked last
        assert 490_000 <= end["us"] < 3_000_000, end


def check_the_next_server_answers_for_one_out_of_reach(s, t):
    lines, end = t.run("-s", "255.255.255.255", "-s", unbound(s), "A:host.example.test")
    expect(lines[0], status="OK")  # a broadcast address is refused before anything is sent
    expect(end, queries=1, timeouts=0)


def check_too_few_descriptors_are_a_temporary_failure(s, t):
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, usual[1]))
    try:
        lines, end = t.run("-s", unbound(s), "-n", 1, "-p", 200, "-R", 200, "-t", 3000, "A:n%d.example.test")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert end["OK"] > 0 and end["TEMPORARY"] > 0 and end["OK"] + end["TEMPORARY"] == 200, end
    assert any("Too many open files" in line["text"] for line in lines)


def check_no_server_at_all_takes_the_set_time(s, t):
    closed = "127.0.0.1:%d" % servers.free_port()
    with Silent() as silent:
        lines, end = t.run("-s", silent, "-t", 200, "-n", 3, "A:host.example.test")
        expect(lines[0], status="TEMPORARY", text=silent + ": no answer in time")
        expect(end, queries=3, timeouts=3)
        assert 590_000 <= end["us"] < 3_000_000, end
    lines, end = t.run("-s", closed, "-t", 200, "-n", 3, "A:host.example.test")
    expect(lines[0], status="TEMPORARY", text=closed + ": Connection refused")
    assert 390_000 <= end["us"] < 3_000_000, end  # a server being restarted gets its chance


def check_a_second_lookup_is_answered_from_the_cache(s, t):
    names = ["MX:example.test", "A:nowhere.example.test", "TXT:host.example.test", "MX:host.example.test"]
    lines, end = t.run("-s", unbound(s), *names, *[n.upper().replace("TEST", "test.") for n in names])
    expect(end, queries=4, hits=4)
    for first, second in zip(lines[:4], lines[4:]):
        expect(second, status=first["status"], records=first["records"])
    _, end = t.run("-s", unbound(s), "-c", 0, "-R", 3, "MX:example.test")
    expect(end, queries=3, hits=0)
    _, end = t.run("-s", unbound(s), "-c", 2, "-R", 2, "A:n1.example.test", "A:n2.example.test", "A:n3.example.test")
    expect(end, queries=6, hits=0)  # two places, three names in turn


def check_failures_are_not_cached(s, t):
    lines, end = t.run("-s", unbound(s), "-R", 2, "A:bogus.signed.test")
    expect(end, TEMPORARY=2, hits=0, queries=2)


def check_equal_lookups_are_merged(s, t):
    lines, end = t.run("-s", unbound(s), "-p", 30, "-R", 30, "MX:example.test")
    expect(end, OK=30, queries=1, merged=29, hits=0)


def check_thousands_of_lookups_at_once(s, t):
    _, end = t.run("-s", unbound(s), "-q", "-p", 2000, "-R", 1000, "A:n%d.example.test", "MX:n%d.example.test")
    expect(end, OK=500, NODATA=500, TEMPORARY=0, BAD=0, NXDOMAIN=1000)


def check_no_file_is_opened_and_no_thread_started(s, t):
    lines, end = t.run("-l", "-s", nsd(s), "-s", unbound(s), "-t", 1000, "MX:signed.test", "TXT:big.example.test", "A:bogus.signed.test",
                       "A:a..b", "addr:host.example.test", "hosts:many.example.test", "A:c0.example.test")
    assert len(lines) == 7


def check_a_resolv_conf_is_followed(s, t):
    path = s.path("resolv.conf")
    with open(path, "w") as f:
        f.write("# comment\nsearch example.test\nnameserver 127.0.0.1:%d\noptions ndots:5 timeout:1 attempts:1\n" % s.port)
    lines, end = t.run("-f", path, "MX:signed.test", "A:host")
    expect(lines[0], status="OK", authentic=True)
    assert lines[1]["status"] != "OK", "the search list is not for mail"


def main():
    zones = {"example.test": EXAMPLE, "signed.test": SIGNED, "expired.test": EXPIRED, "2.0.192.in-addr.arpa": REVERSE}
    s = Setting(zones, signed=["signed.test"], expired=["expired.test"], refused=["refused.test"])
    try:
        return servers.Checks(sys.modules["__main__"]).run(s, servers.Lookups(sys.argv[1]))
    finally:
        s.stop()


if __name__ == "__main__":
    sys.exit(main())

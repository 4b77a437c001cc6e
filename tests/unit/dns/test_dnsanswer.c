#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include <ldns/ldns.h>

#include "dnsanswer.h"
#include "mem.h"

/* A packet with these records, one a line as in a zone file; those behind a line "--" are in the
 * authority section. */
static ldns_pkt *packet_of(ldns_pkt_rcode rcode, const char *text)
{
    ldns_pkt *packet = ldns_pkt_new();
    ldns_pkt_section section = LDNS_SECTION_ANSWER;
    ldns_pkt_set_rcode(packet, rcode);
    char *copy = mem_text(text), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        ldns_rr *rr = NULL;
        if (strcmp(line, "--") == 0) {
            section = LDNS_SECTION_AUTHORITY;
            continue;
        }
        assert_int_equal(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
        assert_true(ldns_pkt_push_rr(packet, section, rr));
    }
    mem_free(&copy);
    return packet;
}

#define SOA "example. 600 IN SOA ns.example. h.example. 1 2 3 4 200\n"

struct reading {
    struct dnschain chain;
    struct dns_result *result;
    enum dnsanswer step;
};

static struct reading begin(const char *name, enum dns_type type)
{
    struct reading r = {.chain.n = 1, .result = dnsresult_new(type)};
    assert_int_equal(dnsname_parse(name, &r.chain.names[0]), 0);
    return r;
}

static void read_more(struct reading *r, bool authentic, ldns_pkt_rcode rcode, const char *text)
{
    ldns_pkt *packet = packet_of(rcode, text);
    r->step = dnsanswer_read(packet, authentic, &r->chain, r->result);
    ldns_pkt_free(packet);
}

static void end(struct reading *r)
{
    dnsresult_release((const struct dns_result **)&r->result);
}

static void test_records_are_read_by_type(void **state)
{
    struct reading r = begin("a.example", DNS_MX);
    read_more(&r, true, LDNS_RCODE_NOERROR,
              "A.Example. 300 IN MX 20 MX2.example.\na.example. 200 IN MX 10 mx1.example.\n"
              "b.example. 100 IN MX 5 mx5.example.\na.example. 50 IN A 192.0.2.1\n");
    assert_int_equal(r.step, DNSANSWER_DONE);
    assert_int_equal(r.result->status, DNS_OK);
    assert_int_equal(r.result->n, 2);
    assert_int_equal(r.result->records[0].mx.preference, 20);
    assert_string_equal(r.result->records[0].mx.name, "mx2.example");
    assert_int_equal(r.result->ttl_seconds, 200);
    assert_true(r.result->authentic);
    assert_string_equal(r.result->name, "a.example");
    end(&r);
    r = begin("a.example", DNS_TXT);
    read_more(&r, false, LDNS_RCODE_NOERROR, "a.example. 300 IN TXT \"one \" \"\" \"two\"\n");
    assert_int_equal(r.result->records[0].text.n, 7);
    assert_memory_equal(r.result->records[0].text.p, "one two", 7);
    assert_false(r.result->authentic);
    end(&r);
    r = begin("a.example", DNS_TLSA);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 300 IN TLSA 3 1 2 00ff10\n");
    assert_int_equal(r.result->records[0].tlsa.usage, 3);
    assert_int_equal(r.result->records[0].tlsa.selector, 1);
    assert_int_equal(r.result->records[0].tlsa.matching, 2);
    assert_int_equal(r.result->records[0].tlsa.data.n, 3);
    assert_memory_equal(r.result->records[0].tlsa.data.p, "\x00\xff\x10", 3);
    end(&r);
    r = begin("a.example", DNS_AAAA);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 300 IN AAAA 2001:db8::1\n");
    assert_memory_equal(r.result->records[0].address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
                        16);
    end(&r);
}

static void test_the_root_is_a_target_of_mx_alone(void **state)
{
    struct reading r = begin("a.example", DNS_MX);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 300 IN MX 0 .\n");
    assert_int_equal(r.result->n, 1);
    assert_string_equal(r.result->records[0].mx.name, "");
    end(&r);
    r = begin("a.example", DNS_PTR);
    read_more(&r, true, LDNS_RCODE_NOERROR,
              "a.example. 300 IN PTR .\na.example. 300 IN PTR b.example.\n");
    assert_int_equal(r.result->n, 1);
    assert_int_equal(r.result->dropped, 1);
    end(&r);
}

static void test_records_with_unclean_names_are_dropped(void **state)
{
    struct reading r = begin("a.example", DNS_PTR);
    read_more(&r, true, LDNS_RCODE_NOERROR,
              "a.example. 300 IN PTR a\\032b.example.\na.example. 300 IN PTR good.example.\n"
              "a.example. 300 IN PTR \\195\\188.example.\na.example. 300 IN PTR a\\.b.example.\n");
    assert_int_equal(r.result->status, DNS_OK);
    assert_int_equal(r.result->n, 1);
    assert_int_equal(r.result->dropped, 3);
    end(&r);
    r = begin("a.example", DNS_PTR);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 300 IN PTR a\\032b.example.\n");
    assert_int_equal(r.result->status, DNS_BAD);
    assert_int_equal(r.result->dropped, 1);
    assert_false(r.result->authentic);
    assert_int_equal(r.result->ttl_seconds, 0);
    end(&r);
}

static void test_aliases_are_followed_in_any_order(void **state)
{
    struct reading r = begin("a.example", DNS_A);
    read_more(&r, true, LDNS_RCODE_NOERROR,
              "c.example. 300 IN A 192.0.2.1\nb.example. 30 IN CNAME C.example.\n"
              "a.example. 60 IN CNAME b.example.\n");
    assert_int_equal(r.result->status, DNS_OK);
    assert_string_equal(r.result->name, "c.example");
    assert_int_equal(r.result->aliases, 2);
    assert_int_equal(r.result->ttl_seconds, 30);
    end(&r);
    r = begin("a.example", DNS_CNAME); /* asked for as such, it is the answer */
    read_more(&r, true, LDNS_RCODE_NOERROR,
              "a.example. 60 IN CNAME b.example.\nb.example. 30 IN CNAME c.example.\n");
    assert_int_equal(r.result->n, 1);
    assert_string_equal(r.result->records[0].name, "b.example");
    assert_int_equal(r.result->aliases, 0);
    end(&r);
}

static void test_negative_answers(void **state)
{
    static const struct {
        ldns_pkt_rcode rcode;
        const char *text;
        enum dns_status status;
        uint32_t ttl;
        const char *sentence;
    } cases[] = {
        {LDNS_RCODE_NXDOMAIN, "--\n" SOA, DNS_NXDOMAIN, 200, "a.example does not exist"},
        {LDNS_RCODE_NOERROR, "--\n" SOA, DNS_NODATA, 200, "a.example has no A record"},
        {LDNS_RCODE_NOERROR, "--\nexample. 100 IN SOA ns.example. h.example. 1 2 3 4 200\n",
         DNS_NODATA, 100, "a.example has no A record"},
        {LDNS_RCODE_NOERROR, "", DNS_NODATA, 0, "a.example has no A record"},
        {LDNS_RCODE_NXDOMAIN, "", DNS_NXDOMAIN, 0, "a.example does not exist"},
        {LDNS_RCODE_NXDOMAIN, "a.example. 50 IN CNAME b.example.\n--\n" SOA, DNS_NXDOMAIN, 50,
         "b.example does not exist"},
        {LDNS_RCODE_NOERROR, "a.example. 500 IN CNAME b.example.\n--\n" SOA, DNS_NODATA, 200,
         "b.example has no A record"},
        {LDNS_RCODE_NXDOMAIN, "a.example. 50 IN CNAME b\\032c.example.\n--\n" SOA, DNS_NXDOMAIN, 50,
         "the name does not exist"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading r = begin("a.example", DNS_A);
        read_more(&r, true, cases[i].rcode, cases[i].text);
        assert_int_equal(r.step, DNSANSWER_DONE);
        assert_int_equal(r.result->status, cases[i].status);
        assert_int_equal(r.result->ttl_seconds, cases[i].ttl);
        assert_string_equal(r.result->text, cases[i].sentence);
        assert_true(r.result->authentic);
        end(&r);
    }
}

static void test_an_answer_that_stops_short_goes_on(void **state)
{
    struct reading r = begin("a.example", DNS_A);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 300 IN CNAME b.example.\n");
    assert_int_equal(r.step, DNSANSWER_GOES_ON);
    assert_int_equal(r.chain.n, 2);
    read_more(&r, false, LDNS_RCODE_NOERROR, "b.example. 40 IN CNAME c.example.\n");
    assert_int_equal(r.step, DNSANSWER_GOES_ON);
    read_more(&r, true, LDNS_RCODE_NOERROR, "c.example. 300 IN A 192.0.2.1\n");
    assert_int_equal(r.step, DNSANSWER_DONE);
    assert_int_equal(r.result->status, DNS_OK);
    assert_int_equal(r.result->aliases, 2);
    assert_int_equal(r.result->ttl_seconds, 40);
    assert_false(r.result->authentic); /* for the second step was not */
    end(&r);
    r = begin("a.example", DNS_A);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 300 IN CNAME b.example.\n");
    read_more(&r, true, LDNS_RCODE_NOERROR, "");
    assert_int_equal(r.step, DNSANSWER_DONE);
    assert_int_equal(r.result->status, DNS_NODATA);
    end(&r);
}

static void test_ten_aliases_are_enough(void **state)
{
    for (int aliases = 10; aliases <= 11; aliases++) {
        struct reading r = begin("c0.example", DNS_A);
        struct buf text = {0};
        for (int i = 0; i < aliases; i++)
            buf_putf(&text, "c%d.example. 300 IN CNAME c%d.example.\n", i, i + 1);
        buf_putf(&text, "c%d.example. 300 IN A 192.0.2.1\n", aliases);
        read_more(&r, true, LDNS_RCODE_NOERROR, buf_text(&text));
        assert_int_equal(r.step, DNSANSWER_DONE);
        assert_int_equal(r.result->status, aliases == 10 ? DNS_OK : DNS_BAD);
        buf_free(&text);
        end(&r);
    }
}

static void test_circles_are_refused(void **state)
{
    static const char *const circles[] = {
        "a.example. 300 IN CNAME a.example.\n",
        "a.example. 300 IN CNAME b.example.\nb.example. 300 IN CNAME A.EXAMPLE.\n",
        "a.example. 300 IN CNAME b.example.\nb.example. 300 IN CNAME c.example.\nc.example. 300 IN "
        "CNAME b.example.\n",
    };
    for (size_t i = 0; i < sizeof circles / sizeof circles[0]; i++) {
        struct reading r = begin("a.example", DNS_A);
        read_more(&r, true, LDNS_RCODE_NOERROR, circles[i]);
        assert_int_equal(r.step, DNSANSWER_DONE);
        assert_int_equal(r.result->status, DNS_BAD);
        assert_string_equal(r.result->text, "the aliases run in a circle");
        end(&r);
    }
}

static void test_a_lifetime_with_the_highest_bit_is_none(void **state)
{
    struct reading r = begin("a.example", DNS_A);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 2147483648 IN A 192.0.2.1\n");
    assert_int_equal(r.result->ttl_seconds, 0);
    end(&r);
    r = begin("a.example", DNS_A);
    read_more(&r, true, LDNS_RCODE_NOERROR, "a.example. 2147483647 IN A 192.0.2.1\n");
    assert_int_equal(r.result->ttl_seconds, INT32_MAX);
    end(&r);
}

static void test_what_records_hold_on_to_is_counted(void **state)
{
    struct reading r = begin("a.example", DNS_TXT);
    read_more(&r, true, LDNS_RCODE_NOERROR,
              "a.example. 1 IN TXT 0123456789\na.example. 1 IN TXT 01234\n");
    assert_int_equal(r.result->octets, 15 + 2 * sizeof(struct dns_record));
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_read_by_type),
        cmocka_unit_test(test_the_root_is_a_target_of_mx_alone),
        cmocka_unit_test(test_records_with_unclean_names_are_dropped),
        cmocka_unit_test(test_aliases_are_followed_in_any_order),
        cmocka_unit_test(test_negative_answers),
        cmocka_unit_test(test_an_answer_that_stops_short_goes_on),
        cmocka_unit_test(test_ten_aliases_are_enough),
        cmocka_unit_test(test_circles_are_refused),
        cmocka_unit_test(test_a_lifetime_with_the_highest_bit_is_none),
        cmocka_unit_test(test_what_records_hold_on_to_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

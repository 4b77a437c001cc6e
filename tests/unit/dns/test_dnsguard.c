#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <ldns/ldns.h>

#include "dnsguard.h"
#include "mem.h"

/* Where the first record begins: behind the header and the question "a. IN A". */
#define RECORDS_AT 19

static void put_u16(struct buf *b, unsigned v)
{
    buf_putc(b, (int)(v >> 8));
    buf_putc(b, (int)(v & 0xff));
}

static void put_counts(struct buf *b, unsigned answer, unsigned authority, unsigned additional)
{
    buf_put(b, "\x12\x34\x81\x80\0\1", 6);
    put_u16(b, answer);
    put_u16(b, authority);
    put_u16(b, additional);
    buf_put(b, "\1a\0\0\1\0\1", 7);
}

static void put_record(struct buf *b, struct span owner, unsigned type, struct span data)
{
    buf_put_span(b, owner);
    put_u16(b, type);
    buf_put(b, "\0\1\0\0\0\x3c", 6);
    put_u16(b, (unsigned)data.n);
    buf_put_span(b, data);
}

#define S(literal) span_of(literal, sizeof(literal) - 1)

/* The guard's verdict on the content of b, which is emptied. What passes must be read by ldns, to
 * its end. The octets are moved to an allocation of just their size, so that a read beyond is seen.
 */
static bool passes(struct buf *b)
{
    struct span s = buf_span(b);
    unsigned char *exact = mem_copy(s.p, s.n);
    struct fail f = {""};
    int verdict = dnsguard_check(span_of(exact, s.n), &f);
    assert_int_equal(verdict == 0, f.text[0] == '\0');
    if (verdict == 0) {
        ldns_pkt *packet = NULL;
        assert_int_equal(ldns_wire2pkt(&packet, exact, s.n), LDNS_STATUS_OK);
        ldns_pkt_free(packet);
    }
    mem_free(&exact);
    buf_free(b);
    return verdict == 0;
}

static bool record_passes(unsigned type, struct span data)
{
    struct buf b = {0};
    put_counts(&b, 1, 0, 0);
    put_record(&b, S("\300\014"), type, data);
    return passes(&b);
}

static void test_ordinary_answers_pass(void **state)
{
    struct buf b = {0};
    put_counts(&b, 0, 0, 0);
    assert_true(passes(&b));
    put_counts(&b, 2, 1, 2);
    put_record(&b, S("\300\014"), LDNS_RR_TYPE_MX, S("\0\5\2mx\300\014"));
    put_record(&b, S("\1A\0"), LDNS_RR_TYPE_TXT, S("\3abc\0\1x"));
    put_record(&b, S("\0"), LDNS_RR_TYPE_SOA, S("\0\1x\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"));
    put_record(&b, S("\0"), LDNS_RR_TYPE_OPT, S("\0\x0f\0\2\0\6\0\x0a\0\0"));
    put_record(&b, S("\2mx\1a\0"), LDNS_RR_TYPE_AAAA, S("0123456789abcdef"));
    assert_true(passes(&b));
}

static void test_a_packet_is_a_header_and_one_question_at_least(void **state)
{
    for (size_t n = 0; n < RECORDS_AT; n++) {
        struct buf b = {0};
        put_counts(&b, 0, 0, 0);
        buf_cut(&b, n);
        assert_false(passes(&b));
    }
    struct buf b = {0};
    put_counts(&b, 0, 0, 0);
    buf_room(&b, 0)[0] = 0;
    b.p[5] = 0;
    assert_false(passes(&b));
    put_counts(&b, 0, 0, 0);
    buf_put(&b, "\1b\0\0\1\0\1", 7);
    b.p[5] = 2;
    assert_false(passes(&b));
}

static void test_records_are_counted(void **state)
{
    for (unsigned n = 511; n <= 513; n++) {
        struct buf b = {0};
        put_counts(&b, 200, 200, n - 400);
        for (unsigned i = 0; i < n; i++)
            put_record(&b, S("\0"), LDNS_RR_TYPE_A, S("1234"));
        assert_int_equal(passes(&b), n <= DNSGUARD_RECORDS_MAX);
    }
    struct buf b = {0};
    put_counts(&b, 2, 0, 0);
    put_record(&b, S("\0"), LDNS_RR_TYPE_A, S("1234"));
    assert_false(passes(&b)); /* one is missing */
    put_counts(&b, 1, 0, 0);
    put_record(&b, S("\0"), LDNS_RR_TYPE_A, S("1234"));
    buf_putc(&b, 0);
    assert_false(passes(&b)); /* something is left */
}

/* A name that is n pointers, each to the one before it and the first to the question. */
static bool chain_passes(size_t n)
{
    struct buf b = {0}, chain = {0};
    size_t data_at = RECORDS_AT + 1 + 10;
    for (size_t i = 0; i < n; i++)
        put_u16(&chain, 0xc000 | (unsigned)(i == 0 ? 12 : data_at + 2 * (i - 1)));
    put_counts(&b, 2, 0, 0);
    put_record(&b, S("\0"), LDNS_RR_TYPE_NULL, buf_span(&chain));
    buf_cut(&chain, 0);
    put_u16(&chain, 0xc000 | (unsigned)(data_at + 2 * (n - 1)));
    put_record(&b, buf_span(&chain), LDNS_RR_TYPE_A, S("1234"));
    buf_free(&chain);
    return passes(&b);
}

static void test_pointers_are_counted(void **state)
{
    assert_true(chain_passes(1));
    assert_true(chain_passes(DNSGUARD_HOPS_MAX - 1)); /* and one leads to the chain */
    assert_false(chain_passes(DNSGUARD_HOPS_MAX));
}

static void test_pointers_lead_back(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        bool good;
    } owners[] = {
        {"\300\014", 2, true},                             /* the question's name */
        {"\300\016", 2, true},                             /* the root at its end */
        {"\1x\300\014", 4, true},  {"\300\023", 2, false}, /* itself */
        {"\1x\300\023", 4, false},                         /* the label before it */
        {"\300\024", 2, false},                            /* into itself */
        {"\300\040", 2, false},                            /* ahead */
        {"\300\013", 2, false},                            /* into the header */
        {"\300\000", 2, false},    {"\377\377", 2, false}, /* beyond the packet */
        {"\100x\0", 3, false},                             /* label types nobody uses */
        {"\200x\0", 3, false},
    };
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        struct buf b = {0};
        put_counts(&b, 1, 0, 0);
        put_record(&b, span_of(owners[i].p, owners[i].n), LDNS_RR_TYPE_A, S("1234"));
        assert_int_equal(passes(&b), owners[i].good);
    }
}

static void test_names_are_measured(void **state)
{
    for (size_t last = 60; last <= 62; last++) { /* 193 octets before, the label, the root */
        struct buf name = {0}, b = {0};
        for (int i = 0; i < 3; i++)
            buf_putf(&name, "%c%063d", 63, 0);
        buf_putf(&name, "%c%0*d", (int)last, (int)last, 0);
        buf_putc(&name, 0);
        put_counts(&b, 1, 0, 0);
        put_record(&b, buf_span(&name), LDNS_RR_TYPE_A, S("1234"));
        assert_int_equal(passes(&b), last <= 61);
        buf_free(&name);
    }
    struct buf b = {0};
    put_counts(&b, 1, 0, 0);
    buf_put(&b, "\1x", 2);
    assert_false(passes(&b));
}

static void test_fields_fill_their_record(void **state)
{
    static const struct {
        unsigned type;
        const char *p;
        size_t n;
        bool good;
    } cases[] = {
        {LDNS_RR_TYPE_A, "1234", 4, true},
        {LDNS_RR_TYPE_A, "123", 3, false},
        {LDNS_RR_TYPE_A, "12345", 5, false},
        {LDNS_RR_TYPE_AAAA, "0123456789abcdef", 16, true},
        {LDNS_RR_TYPE_AAAA, "0123456789abcde", 15, false},
        {LDNS_RR_TYPE_MX, "\0\5\0", 3, true},
        {LDNS_RR_TYPE_MX, "\0\5", 2, true}, /* ldns makes it a record of one field */
        {LDNS_RR_TYPE_MX, "\0", 1, false},
        {LDNS_RR_TYPE_MX, "\0\5\1x", 4, false},
        {LDNS_RR_TYPE_MX, "\0\5\300", 3, false},
        {LDNS_RR_TYPE_MX, "\0\5\300\014x", 5, false},
        {LDNS_RR_TYPE_TXT, "\3abc\2de", 7, true},
        {LDNS_RR_TYPE_TXT, "\4abc", 4, false},
        {LDNS_RR_TYPE_CNAME, "\1x\0", 3, true},
        {LDNS_RR_TYPE_CNAME, "\1x\0\0", 4, false},
        {LDNS_RR_TYPE_TLSA, "\3\1\1abc", 6, true},
        {LDNS_RR_TYPE_HIP, "\4\2\0\3abcdxyz\1x\0", 14, true},
        {LDNS_RR_TYPE_HIP, "\4\2\0\3abcd", 8, false},
        {LDNS_RR_TYPE_HIP, "\4\2\0", 3, false},
        {LDNS_RR_TYPE_TKEY, "\0\0\0\0\1\0\0\0\2\0\0\0\0\0\2ab\0\0", 19, true},
        {LDNS_RR_TYPE_TKEY, "\0\0\0\0\1\0\0\0\2\0\0\0\0\0", 14, false},
        {65280, "anything", 8, true},
        {LDNS_RR_TYPE_A, "", 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(record_passes(cases[i].type, span_of(cases[i].p, cases[i].n)),
                         cases[i].good);
}

static void test_no_record_hides_in_another(void **state)
{
    struct buf hidden = {0}, b = {0};
    buf_puts(&hidden, "1234"); /* where ldns would end the first record and look for the second */
    put_record(&hidden, S("\0"), LDNS_RR_TYPE_A, S("5678"));
    put_counts(&b, 2, 0, 0);
    put_record(&b, S("\0"), LDNS_RR_TYPE_A, buf_span(&hidden));
    assert_false(passes(&b));
    buf_free(&hidden);
}

static void test_a_record_ends_within_the_packet(void **state)
{
    struct buf b = {0};
    put_counts(&b, 1, 0, 0);
    put_record(&b, S("\300\014"), LDNS_RR_TYPE_NULL, S("1234"));
    for (size_t n = RECORDS_AT; n < 35; n++) {
        struct buf cut = {0};
        buf_put(&cut, b.p, n);
        assert_false(passes(&cut));
    }
    assert_true(passes(&b));
}

static void test_many_fields_are_refused(void **state)
{
    struct buf strings = {0};
    memset(buf_room(&strings, 60000), 0, 60000);
    buf_grew(&strings, DNSGUARD_FIELDS_MAX);
    assert_true(record_passes(LDNS_RR_TYPE_TXT, buf_span(&strings)));
    buf_grew(&strings, 1);
    assert_false(record_passes(LDNS_RR_TYPE_TXT, buf_span(&strings)));
    buf_grew(&strings, 60000 - DNSGUARD_FIELDS_MAX - 1);
    assert_false(record_passes(LDNS_RR_TYPE_TXT, buf_span(&strings)));
    buf_free(&strings);
}

static void test_a_tsig_is_refused_anywhere(void **state)
{
    static const unsigned counts[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int i = 0; i < 3; i++) {
        struct buf b = {0};
        put_counts(&b, counts[i][0], counts[i][1], counts[i][2]);
        put_record(&b, S("\1k\0"), LDNS_RR_TYPE_TSIG, S("\0\0\0\0\0\0\1\0\5\0\0\0\0\0\0\0\0"));
        assert_false(passes(&b));
    }
}

static void test_one_opt_with_whole_options(void **state)
{
    static const struct {
        unsigned counts[3];
        const char *p;
        size_t n;
        bool good;
    } cases[] = {
        {{0, 0, 1}, "", 0, true},
        {{0, 0, 1}, "\0\x0f\0\2\0\6", 6, true},
        {{0, 0, 1}, "\0\x0f\0\3\0\6", 6, false},
        {{0, 0, 1}, "\0\x0f\0", 3, false},
        {{0, 0, 1}, "\0\x0f\0\2\0\6\0", 7, false},
        {{1, 0, 0}, "", 0, false},
        {{0, 1, 0}, "", 0, false},
        {{0, 0, 2}, "", 0, false},
        {{1, 0, 1}, "", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const unsigned *n = cases[i].counts;
        struct buf b = {0};
        put_counts(&b, n[0], n[1], n[2]);
        for (unsigned k = 0; k < n[0] + n[1] + n[2]; k++)
            put_record(&b, S("\0"), LDNS_RR_TYPE_OPT, span_of(cases[i].p, cases[i].n));
        assert_int_equal(passes(&b), cases[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_answers_pass),
        cmocka_unit_test(test_a_packet_is_a_header_and_one_question_at_least),
        cmocka_unit_test(test_records_are_counted),
        cmocka_unit_test(test_pointers_are_counted),
        cmocka_unit_test(test_pointers_lead_back),
        cmocka_unit_test(test_names_are_measured),
        cmocka_unit_test(test_fields_fill_their_record),
        cmocka_unit_test(test_no_record_hides_in_another),
        cmocka_unit_test(test_a_record_ends_within_the_packet),
        cmocka_unit_test(test_many_fields_are_refused),
        cmocka_unit_test(test_a_tsig_is_refused_anywhere),
        cmocka_unit_test(test_one_opt_with_whole_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

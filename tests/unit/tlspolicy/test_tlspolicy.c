#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tlspolicy.h"

static unsigned char digest[TLSPOLICY_DIGEST] = "a key";
static const struct tlsa record = {TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, {digest, sizeof digest}};
static char *listed[] = {(char *)"*.example.com"};
static const struct mtasts_policy enforce = {MTASTS_ENFORCE, 86400, 1, listed};
static const struct mtasts_policy testing = {MTASTS_TESTING, 86400, 1, listed};

static struct tlspolicy_facts facts_of_mx(void)
{
    return (struct tlspolicy_facts){.next_hop = "example.com",
                                    .host = "mx.example.com",
                                    .is_mx = true,
                                    .route_secure = true,
                                    .tlsa = TLSPOLICY_TLSA_NONE};
}

static void add_dane(struct tlspolicy_facts *f, const char *base)
{
    f->tlsa = TLSPOLICY_TLSA_FOUND;
    f->tlsa_base = base;
    f->usable = &record;
    f->usable_n = 1;
}

static void assert_names(const struct tlspolicy *p, const char *expected)
{
    struct buf names = {0};
    for (size_t i = 0; i < p->names_n; i++)
        buf_putf(&names, "%s%s", i == 0 ? "" : " ", p->names[i]);
    assert_string_equal(buf_text(&names), expected);
    buf_free(&names);
}

static void test_names_for_a_trust_anchor_are_base_host_and_next_hop(void **state)
{
    static const struct {
        const char *next_hop, *expanded, *host, *base, *names;
        bool is_mx;
    } cases[] = {
        /* no MX records, no alias */
        {"a.example", NULL, "a.example", "a.example", "a.example", false},
        /* no MX records, an alias that is secure; the records at either end */
        {"a.example", "b.example", "b.example", "b.example", "b.example a.example", false},
        {"a.example", "b.example", "b.example", "a.example", "a.example b.example", false},
        /* MX records; the host is no alias */
        {"a.example", NULL, "mx.example", "mx.example", "mx.example a.example", true},
        /* the host is an alias, and the records are where it leads */
        {"a.example", NULL, "mx.example", "h.example", "h.example mx.example a.example", true},
        /* and the next hop too */
        {"a.example", "b.example", "mx.example", "h.example",
         "h.example mx.example a.example b.example", true},
        /* the host is an alias, with the records at its own name */
        {"a.example", "b.example", "mx.example", "mx.example", "mx.example a.example b.example",
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tlspolicy_facts f = facts_of_mx();
        f.next_hop = cases[i].next_hop;
        f.expanded = cases[i].expanded;
        f.host = cases[i].host;
        f.is_mx = cases[i].is_mx;
        add_dane(&f, cases[i].base);
        const struct tlspolicy *p = tlspolicy_new(&f);
        assert_names(p, cases[i].names);
        assert_string_equal(p->sni, cases[i].base);
        assert_true(p->dane);
        assert_false(p->pkix);
        tlspolicy_drop(&p);
        assert_null(p);
    }
}

static void test_with_both_policies_the_authority_vouches_for_the_hosts_own_name(void **state)
{
    struct tlspolicy_facts f = facts_of_mx();
    add_dane(&f, "expanded.example.net");
    f.sts = &enforce;
    const struct tlspolicy *p = tlspolicy_new(&f);
    assert_true(p->dane && p->pkix);
    assert_string_equal(p->sni, "expanded.example.net");
    assert_string_equal(p->pkix_name, "mx.example.com");
    assert_string_equal(p->label, "dane+sts");
    tlspolicy_drop(&p);
}

static void test_labels_say_what_it_rests_on(void **state)
{
    static const unsigned char prints[2][TLSPOLICY_DIGEST] = {{1}, {2}};
    static const struct {
        enum tlspolicy_wish wish;
        enum tlspolicy_level level;
        enum tlspolicy_tlsa tlsa;
        bool usable;
        const struct mtasts_policy *sts;
        const char *label;
        enum tlspolicy_verdict verdict;
        enum tlspolicy_tls tls;
    } cases[] = {
        {.label = "may", .tlsa = TLSPOLICY_TLSA_NONE, .tls = TLSPOLICY_WHEN_OFFERED},
        {.label = "may", .sts = &testing, .tls = TLSPOLICY_WHEN_OFFERED},
        {.label = "sts", .sts = &enforce, .tls = TLSPOLICY_ALWAYS},
        {.label = "dane", .tlsa = TLSPOLICY_TLSA_FOUND, .usable = true, .tls = TLSPOLICY_ALWAYS},
        {.label = "dane-unusable", .tlsa = TLSPOLICY_TLSA_FOUND, .tls = TLSPOLICY_ALWAYS},
        {.label = "dane-failed",
         .tlsa = TLSPOLICY_TLSA_FAILED,
         .verdict = TLSPOLICY_SKIP,
         .tls = TLSPOLICY_ALWAYS},
        {.label = "dane-missing",
         .level = TLSPOLICY_DANE_ONLY,
         .verdict = TLSPOLICY_SKIP,
         .tls = TLSPOLICY_ALWAYS},
        {.label = "none", .level = TLSPOLICY_NONE, .tls = TLSPOLICY_CLEAR},
        {.label = "may", .level = TLSPOLICY_MAY, .sts = &enforce, .tls = TLSPOLICY_WHEN_OFFERED},
        {.label = "encrypt", .level = TLSPOLICY_ENCRYPT, .tls = TLSPOLICY_ALWAYS},
        {.label = "verify", .level = TLSPOLICY_VERIFY, .tls = TLSPOLICY_ALWAYS},
        {.label = "fingerprint", .level = TLSPOLICY_FINGERPRINT, .tls = TLSPOLICY_ALWAYS},
        {.label = "optional may",
         .wish = TLSPOLICY_OPTIONAL,
         .tlsa = TLSPOLICY_TLSA_FAILED,
         .sts = &enforce,
         .tls = TLSPOLICY_WHEN_OFFERED},
        {.label = "requiretls no-policy",
         .wish = TLSPOLICY_REQUIRE,
         .sts = &testing,
         .verdict = TLSPOLICY_REFUSE,
         .tls = TLSPOLICY_ALWAYS},
        {.label = "requiretls none",
         .wish = TLSPOLICY_REQUIRE,
         .level = TLSPOLICY_NONE,
         .verdict = TLSPOLICY_REFUSE,
         .tls = TLSPOLICY_ALWAYS},
        {.label = "requiretls sts",
         .wish = TLSPOLICY_REQUIRE,
         .sts = &enforce,
         .tls = TLSPOLICY_ALWAYS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tlspolicy_facts f = facts_of_mx();
        f.wish = cases[i].wish;
        f.level = cases[i].level;
        f.tlsa = cases[i].tlsa;
        f.tlsa_base = "mx.example.com";
        f.usable = &record;
        f.usable_n = cases[i].usable ? 1 : 0;
        f.sts = cases[i].sts;
        f.fingerprints = prints;
        f.fingerprints_n = 2;
        const struct tlspolicy *p = tlspolicy_new(&f);
        assert_string_equal(p->label, cases[i].label);
        assert_int_equal(p->verdict, cases[i].verdict);
        assert_int_equal(p->tls, cases[i].tls);
        assert_int_equal(p->why[0] != '\0', p->verdict != TLSPOLICY_TRY);
        tlspolicy_drop(&p);
    }
}

static void test_a_fingerprint_is_of_the_certificate_or_of_its_key(void **state)
{
    static const unsigned char prints[2][TLSPOLICY_DIGEST] = {{1}, {2}};
    struct tlspolicy_facts f = facts_of_mx();
    struct buf text = {0};
    f.level = TLSPOLICY_FINGERPRINT;
    f.fingerprints = prints;
    f.fingerprints_n = 2;
    const struct tlspolicy *p = tlspolicy_new(&f);
    assert_int_equal(p->tlsa.n, 4);
    for (size_t i = 0; i < p->tlsa.n; i++) {
        tlsa_text(&p->tlsa.list[i], &text);
        buf_putc(&text, '\n');
    }
    assert_string_equal(buf_text(&text),
                        "3 0 1 0100000000000000000000000000000000000000000000000000000000000000\n"
                        "3 1 1 0100000000000000000000000000000000000000000000000000000000000000\n"
                        "3 0 1 0200000000000000000000000000000000000000000000000000000000000000\n"
                        "3 1 1 0200000000000000000000000000000000000000000000000000000000000000\n");
    buf_free(&text);
    tlspolicy_drop(&p);
}

static void test_requiretls_waits_while_the_policy_cannot_be_found(void **state)
{
    struct tlspolicy_facts f = facts_of_mx();
    f.wish = TLSPOLICY_REQUIRE;
    f.sts_unknown = true;
    const struct tlspolicy *p = tlspolicy_new(&f);
    assert_int_equal(p->verdict, TLSPOLICY_SKIP);
    assert_string_equal(p->label, "requiretls sts-unknown");
    tlspolicy_drop(&p);
    f.wish = TLSPOLICY_UNSET; /* RFC 8461 section 3.3: nothing known, nothing demanded */
    p = tlspolicy_new(&f);
    assert_int_equal(p->verdict, TLSPOLICY_TRY);
    tlspolicy_drop(&p);
}

static void test_an_address_gets_no_sni_and_no_name(void **state)
{
    struct tlspolicy_facts f = facts_of_mx();
    f.next_hop = f.host = "192.0.2.1";
    f.is_mx = f.route_secure = false;
    f.is_address = true;
    const struct tlspolicy *p = tlspolicy_new(&f);
    assert_null(p->sni);
    assert_int_equal(p->tls, TLSPOLICY_WHEN_OFFERED);
    tlspolicy_drop(&p);
    f.wish = TLSPOLICY_REQUIRE;
    f.require_by_dnssec = true;
    p = tlspolicy_new(&f);
    assert_int_equal(p->verdict, TLSPOLICY_REFUSE);
    tlspolicy_drop(&p);
}

static void test_connections_are_shared_only_under_the_same_demands(void **state)
{
    unsigned char other_digest[TLSPOLICY_DIGEST] = "another";
    struct tlsa other = record;
    other.data.p = other_digest;
    struct tlspolicy_facts f[6];
    for (size_t i = 0; i < 6; i++)
        f[i] = facts_of_mx();
    add_dane(&f[1], "mx.example.com");
    add_dane(&f[2], "mx.example.com");
    f[2].usable = &other;
    f[3].sts = &enforce;
    f[4].level = TLSPOLICY_ENCRYPT;
    f[5].host = "mx2.example.com";
    f[5].sts = &enforce;
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            const struct tlspolicy *a = tlspolicy_new(&f[i]), *b = tlspolicy_new(&f[k]);
            assert_int_equal(tlspolicy_same_connection(a, b), i == k);
            tlspolicy_drop(&a);
            tlspolicy_drop(&b);
        }
    }
    f[0].sts = &enforce;
    f[0].wish = TLSPOLICY_REQUIRE;
    const struct tlspolicy *a = tlspolicy_new(&f[0]), *b = tlspolicy_new(&f[3]);
    assert_true(tlspolicy_same_connection(a, b));
    assert_true(a->requiretls && !b->requiretls);
    tlspolicy_drop(&a);
    tlspolicy_drop(&b);
}

static void test_the_last_reference_frees_it(void **state)
{
    struct tlspolicy_facts f = facts_of_mx();
    const struct tlspolicy *p = tlspolicy_new(&f), *more = tlspolicy_hold(p), *none = NULL;
    tlspolicy_drop(&p);
    assert_string_equal(more->label, "may");
    tlspolicy_drop(&more);
    tlspolicy_drop(&none);
}

static void test_requiretls_is_given_up_only_when_no_host_can_have_it(void **state)
{
    struct tlspolicy_tally t = {0};
    assert_false(tlspolicy_tally_is_final(&t));
    tlspolicy_tally_add(&t, true);
    tlspolicy_tally_add(&t, true);
    assert_true(tlspolicy_tally_is_final(&t));
    tlspolicy_tally_add(&t, false);
    assert_false(tlspolicy_tally_is_final(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_for_a_trust_anchor_are_base_host_and_next_hop),
        cmocka_unit_test(test_with_both_policies_the_authority_vouches_for_the_hosts_own_name),
        cmocka_unit_test(test_labels_say_what_it_rests_on),
        cmocka_unit_test(test_a_fingerprint_is_of_the_certificate_or_of_its_key),
        cmocka_unit_test(test_requiretls_waits_while_the_policy_cannot_be_found),
        cmocka_unit_test(test_an_address_gets_no_sni_and_no_name),
        cmocka_unit_test(test_connections_are_shared_only_under_the_same_demands),
        cmocka_unit_test(test_the_last_reference_frees_it),
        cmocka_unit_test(test_requiretls_is_given_up_only_when_no_host_can_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

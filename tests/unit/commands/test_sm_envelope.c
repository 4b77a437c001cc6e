#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_envelope.h"

static void a_sender_is_one_address_or_none(void **state)
{
    static const struct {
        const char *text, *sender; /* "" for the null sender, NULL when refused */
    } cases[] = {
        {"root", "root@here.example"},
        {"<root>", "root@here.example"},
        {"a@B.example", "a@b.example"},
        {"<a@b.example>", "a@b.example"},
        {" a@b.example ", "a@b.example"},
        {"Jane Doe <a@b.example>", "a@b.example"},
        {"", ""},
        {"<>", ""},
        {" <> ", ""},
        {"a@b.example, c@d.example", NULL},
        {"two words", NULL},
        {"friends:;", NULL},
        {"a@", NULL},
        {"<a@b.example", NULL},
        {"-t", "-t@here.example"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a;
        struct fail f = {{0}};
        bool null;
        int rc = sm_envelope_sender(cases[i].text, "here.example", &a, &null, &f);
        assert_int_equal(rc, cases[i].sender == NULL ? -1 : 0);
        if (rc != 0) {
            assert_non_null(strstr(f.text, cases[i].text));
            assert_null(a.local);
            continue;
        }
        assert_int_equal(null, cases[i].sender[0] == '\0');
        char *text = null ? mem_text("") : address_text(&a);
        assert_string_equal(text, cases[i].sender);
        mem_free(&text);
        address_clear(&a);
    }
}

static void a_mistaken_operand_is_named(void **state)
{
    struct addrlist list = {0};
    struct fail f;
    assert_int_equal(sm_envelope_operand("a, two words", "here.example", &list, &f), -1);
    assert_string_equal(f.text,
                        "the recipient a, two words: words stand where an address was expected");
    assert_int_equal(list.n, 0);
    addrlist_clear(&list);
}

static void each_recipient_is_in_the_envelope_once_and_in_order(void **state)
{
    struct addrlist list = {0};
    struct sm_envelope e;
    struct fail f;
    assert_int_equal(sm_envelope_operand("z@b.example, a@b.example", "here.example", &list, &f), 0);
    assert_int_equal(sm_envelope_operand("Z@b.example", "here.example", &list, &f), 0);
    assert_int_equal(
        sm_envelope_operand("z@B.EXAMPLE,\"z\"@b.example,m", "here.example", &list, &f), 0);
    assert_int_equal(sm_envelope_operand("a@b.example", "here.example", &list, &f), 0);
    sm_envelope_make(&e, NULL, &list);
    assert_int_equal(e.recipients_n, 4);
    assert_string_equal(e.recipients[0], "z@b.example");
    assert_string_equal(e.recipients[1], "a@b.example");
    assert_string_equal(e.recipients[2], "Z@b.example");
    assert_string_equal(e.recipients[3], "m@here.example");
    assert_string_equal(e.sender, "");
    assert_false(e.utf8);
    sm_envelope_clear(&e);
    addrlist_clear(&list);
}

static void an_address_that_is_not_ascii_is_noticed(void **state)
{
    static const struct {
        const char *sender, *recipient;
        bool utf8;
    } cases[] = {
        {"a", "b@d.example", false},
        {"a", "b@b\xc3\xbc.example", false}, /* the domain goes as A-labels */
        {"a", "\xc3\xbc@d.example", true},
        {"\xc3\xbc", "b@d.example", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct addrlist list = {0};
        struct address sender;
        struct sm_envelope e;
        struct fail f;
        bool null;
        assert_int_equal(sm_envelope_sender(cases[i].sender, "x.example", &sender, &null, &f), 0);
        assert_int_equal(sm_envelope_operand(cases[i].recipient, "x.example", &list, &f), 0);
        sm_envelope_make(&e, &sender, &list);
        assert_int_equal(e.utf8, cases[i].utf8);
        assert_null(strstr(e.recipients[0], "b\xc3\xbc"));
        sm_envelope_clear(&e);
        addrlist_clear(&list);
        address_clear(&sender);
    }
}

static void an_envelope_without_recipients_can_be_cleared(void **state)
{
    const struct addrlist list = {0};
    struct sm_envelope e;
    sm_envelope_make(&e, NULL, &list);
    assert_int_equal(e.recipients_n, 0);
    sm_envelope_clear(&e);
    sm_envelope_clear(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sender_is_one_address_or_none),
        cmocka_unit_test(a_mistaken_operand_is_named),
        cmocka_unit_test(each_recipient_is_in_the_envelope_once_and_in_order),
        cmocka_unit_test(an_address_that_is_not_ascii_is_noticed),
        cmocka_unit_test(an_envelope_without_recipients_can_be_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

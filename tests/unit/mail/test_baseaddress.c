#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "baseaddress.h"
#include "mem.h"

static void expect(const char *given, const char *wanted)
{
    struct address a;
    struct fail f;
    struct buf b = {0};
    assert_int_equal(address_parse(span_text(given), &a, &f), 0);
    baseaddress_write(&b, &a);
    assert_string_equal(buf_text(&b), wanted);
    buf_free(&b);
    address_clear(&a);
}

static void variants_have_one_base(void **state)
{
    expect("remotelast@x.example", "remotelast@x.example");
    expect("Remote.Last-catchall@X.example", "remotelast@x.example");
    expect("remote.last+a-b+c@x.example", "remotelast@x.example");
    expect("a-b+c@x.example", "a@x.example");
    expect("a-b@b\xc3\xbc"
           "cher.example",
           "a@xn--bcher-kva.example");
}

static void accents_and_case_do_not_matter(void **state)
{
    expect("\xc3\x89mile@x.example", "\xc3\xa9mile@x.example");
    expect("E\xcc\x81mile@x.example", "\xc3\xa9mile@x.example");
}

static void a_local_part_never_becomes_empty(void **state)
{
    expect("+tag@x.example", "+tag@x.example");
    expect("-@x.example", "-@x.example");
    expect("\"..\"@x.example", "\"..\"@x.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_have_one_base),
        cmocka_unit_test(accents_and_case_do_not_matter),
        cmocka_unit_test(a_local_part_never_becomes_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

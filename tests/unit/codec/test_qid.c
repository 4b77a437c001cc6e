#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "qid.h"
#include "rand.h"

static const struct {
    uint64_t id;
    const char *text;
} known[] = {
    {0, "0"},
    {1, "1"},
    {9, "9"},
    {10, "A"},
    {17, "H"},
    {18, "J"}, /* no I */
    {20, "M"}, /* no L */
    {22, "P"}, /* no O */
    {27, "V"}, /* no U */
    {31, "Z"},
    {32, "10"},
    {1023, "ZZ"},
    {1024, "100"},
    {0x0006400000000001, "1J000000001"},
    {INT64_MAX, "7ZZZZZZZZZZZZ"},
};

static void test_known_numbers_have_their_text(void **state)
{
    char text[QID_SIZE];
    uint64_t id;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_ptr_equal(qid_text(known[i].id, text), text);
        assert_string_equal(text, known[i].text);
        assert_int_equal(qid_parse(span_text(known[i].text), &id), 0);
        assert_true(id == known[i].id);
    }
    (void)qid_text(UINT64_MAX, text); /* the longest there is fits */
    assert_string_equal(text, "FZZZZZZZZZZZZ");
}

static void test_what_is_written_is_read(void **state)
{
    char text[QID_SIZE];
    for (int i = 0; i < 10000; i++) {
        uint64_t id = rand_u64() >> (1 + rand_below(63)), got = 0;
        (void)qid_text(id, text);
        assert_int_equal(qid_parse(span_text(text), &got), 0);
        assert_true(got == id);
    }
}

static void test_texts_are_longer_or_greater_as_their_numbers_are(void **state)
{
    char a[QID_SIZE], b[QID_SIZE];
    for (int i = 0; i < 1000; i++) {
        uint64_t x = rand_u64() >> 1, y = rand_u64() >> 1;
        (void)qid_text(x, a);
        (void)qid_text(y, b);
        if (strlen(a) == strlen(b))
            assert_int_equal(strcmp(a, b) < 0, x < y);
        else
            assert_int_equal(strlen(a) < strlen(b), x < y);
    }
}

static void test_it_can_be_read_out_on_the_telephone(void **state)
{
    static const char *const same[][2] = {
        {"1j000000001", "1J000000001"}, {"IJ00000000l", "1J000000001"},
        {"LJooOO0000i", "1J000000001"}, {"abc", "ABC"},
        {"000000000000z", "Z"},
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        uint64_t a = 1, b = 2;
        assert_int_equal(qid_parse(span_text(same[i][0]), &a), 0);
        assert_int_equal(qid_parse(span_text(same[i][1]), &b), 0);
        assert_true(a == b);
    }
}

static void test_a_decimal_number_is_marked_or_long(void **state)
{
    uint64_t id = 0;
    assert_int_equal(qid_parse(span_text("1759218604441601"), &id), 0);
    assert_true(id == 1759218604441601);
    assert_int_equal(qid_parse(span_text("10000000000000"), &id), 0);
    assert_true(id == 10000000000000);
    assert_int_equal(qid_parse(span_text("1000000000000"), &id), 0);
    assert_true(id == (uint64_t)1 << 60); /* not long enough */
    assert_int_equal(qid_parse(span_text("#1759218604441601"), &id), 0);
    assert_true(id == 1759218604441601);
    assert_int_equal(qid_parse(span_text("#9223372036854775807"), &id), 0);
    assert_true(id == INT64_MAX);
    assert_int_equal(qid_parse(span_text("#0"), &id), 0);
    assert_true(id == 0);
}

static void test_nothing_else_is_an_id(void **state)
{
    static const char *const bad[] = {
        "",
        "#",
        "#9223372036854775808",
        "#18446744073709551617",
        "#-1",
        "# 1",
        "#1x",
        "U",
        "1U",
        "8000000000000",
        "ZZZZZZZZZZZZZ",
        "00000000000001",
        "1759218604441601x",
        "175921860444160A",
        "9223372036854775808",
        "1 ",
        " 1",
        "1-2",
        "\xc3\xa4",
        "1\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t id = 77;
        if (qid_parse(span_text(bad[i]), &id) == 0)
            fail_msg("\"%s\" is read as %llu", bad[i], (unsigned long long)id);
        assert_true(id == 77);
    }
    uint64_t id;
    assert_int_equal(qid_parse(span_of("1\0", 2), &id), -1);
    for (int c = 1; c < 256; c++) {
        char text[2] = {(char)c, '\0'};
        bool digit =
            strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZILOabcdefghjkmnpqrstvwxyzilo", c) != NULL;
        assert_int_equal(qid_parse(span_text(text), &id) == 0, digit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_numbers_have_their_text),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_texts_are_longer_or_greater_as_their_numbers_are),
        cmocka_unit_test(test_it_can_be_read_out_on_the_telephone),
        cmocka_unit_test(test_a_decimal_number_is_marked_or_long),
        cmocka_unit_test(test_nothing_else_is_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rand.h"
#include "tables.h"

static int order(struct key a, struct key b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c != 0 ? (c < 0 ? -1 : 1) : a.n < b.n ? -1 : a.n > b.n;
}

static int sign(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static void test_keys_are_the_documented_octets(void **state)
{
    struct key k = key_id(0x0006400000000001);
    assert_int_equal(k.n, 8);
    assert_memory_equal(k.p, "\x00\x06\x40\x00\x00\x00\x00\x01", 8);
    const struct stream_id stream = {0x1122334455667788, 0x99aabbccddeeff00};
    k = key_due((struct due){DUE_AGAIN, 0x01936f1a2b3c, 0x0006400000000001});
    assert_int_equal(k.n, 17);
    assert_memory_equal(k.p, "\x01\x00\x00\x01\x93\x6f\x1a\x2b\x3c\x00\x06\x40\x00\x00\x00\x00\x01",
                        17);
    k = due_value(stream);
    assert_int_equal(k.n, 16);
    assert_memory_equal(k.p, "\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x00",
                        16);
    k = key_dest(stream, (struct due){DUE_FIRST, 0x01936f1a2b3c, 0x0006400000000001});
    assert_int_equal(k.n, 33);
    assert_memory_equal(k.p,
                        "\x11\x22\x33\x44\x55\x66\x77\x88\x00\x99\xaa\xbb\xcc\xdd\xee\xff\x00"
                        "\x00\x00\x01\x93\x6f\x1a\x2b\x3c\x00\x06\x40\x00\x00\x00\x00\x01",
                        33);
    k = key_body(5, 0x01020304);
    assert_int_equal(k.n, 12);
    assert_memory_equal(k.p, "\x00\x00\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04", 12);
}

static struct key due(enum due_class class, int64_t next_ms, uint64_t id)
{
    return key_due((struct due){class, next_ms, id});
}

static struct key dest(uint64_t destination, enum due_class class, uint64_t account,
                       int64_t next_ms, uint64_t id)
{
    return key_dest((struct stream_id){destination, account}, (struct due){class, next_ms, id});
}

static const uint64_t numbers[] = {0,          1,          2,           127,          128,
                                   255,        256,        65535,       65536,        0x7fffffff,
                                   0x80000000, 0xffffffff, 0x100000000, (1ull << 53), INT64_MAX};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static void test_keys_sort_as_their_numbers(void **state)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        for (size_t k = 0; k < NUMBERS; k++) {
            int expected = sign(numbers[i], numbers[k]);
            assert_int_equal(order(key_id(numbers[i]), key_id(numbers[k])), expected);
            int64_t a = (int64_t)numbers[i], b = (int64_t)numbers[k];
            assert_int_equal(order(due(0, a, 7), due(0, b, 7)), expected);
            assert_int_equal(order(due(1, 7, numbers[i]), due(1, 7, numbers[k])), expected);
            assert_int_equal(order(dest(7, 1, 7, a, 0), dest(7, 1, 7, b, 0)), expected);
            assert_int_equal(order(dest(7, 1, numbers[i], 7, 0), dest(7, 1, numbers[k], 7, 0)),
                             expected);
        }
    }
    /* The class comes before the time, the time before the id; the destination before the class,
     * that before the account; the message before the chunk. */
    assert_int_equal(order(due(0, INT64_MAX, UINT64_MAX), due(1, 0, 0)), -1);
    assert_int_equal(order(due(0, 1, UINT64_MAX), due(0, 2, 0)), -1);
    assert_int_equal(order(dest(1, 1, 0, 0, 0), dest(2, 0, 0, 0, 0)), -1);
    assert_int_equal(order(dest(1, 0, UINT64_MAX, 0, 0), dest(1, 1, 0, 0, 0)), -1);
    assert_int_equal(order(dest(1, 0, 1, INT64_MAX, UINT64_MAX), dest(1, 0, 2, 0, 0)), -1);
    assert_int_equal(order(key_body(1, UINT32_MAX), key_body(2, 0)), -1);
    assert_int_equal(order(key_body(2, 9), key_body(2, 10)), -1);
}

static void test_keys_are_taken_apart_again(void **state)
{
    for (int i = 0; i < 10000; i++) {
        struct due d = {(enum due_class)rand_below(DUE_CLASSES),
                        (int64_t)(rand_u64() >> (1 + rand_below(63))),
                        rand_u64() >> rand_below(64)},
                   got;
        struct stream_id stream = {rand_u64(), rand_u64()}, got_stream;
        uint64_t got_id;
        struct key k = key_id(d.id);
        assert_int_equal(key_read_id(key_span(&k), &got_id), 0);
        assert_true(got_id == d.id);
        k = key_due(d);
        assert_int_equal(key_read_due(key_span(&k), &got), 0);
        assert_true(got.class == d.class && got.next_ms == d.next_ms && got.id == d.id);
        k = due_value(stream);
        assert_int_equal(due_value_read(key_span(&k), &got_stream), 0);
        assert_memory_equal(&got_stream, &stream, sizeof stream);
        k = key_dest(stream, d);
        memset(&got_stream, 0, sizeof got_stream);
        assert_int_equal(key_read_dest(key_span(&k), &got_stream, &got), 0);
        assert_true(got.class == d.class && got.next_ms == d.next_ms && got.id == d.id);
        assert_memory_equal(&got_stream, &stream, sizeof stream);
    }
}

static void test_keys_of_another_length_class_or_time_are_none(void **state)
{
    static const unsigned char octets[40] = {0};
    unsigned char bad[40] = {0};
    struct stream_id stream;
    struct due d;
    uint64_t id;
    for (size_t n = 0; n <= sizeof octets; n++) {
        struct span s = span_of(octets, n);
        assert_int_equal(key_read_id(s, &id), n == 8 ? 0 : -1);
        assert_int_equal(key_read_due(s, &d), n == 17 ? 0 : -1);
        assert_int_equal(due_value_read(s, &stream), n == 16 ? 0 : -1);
        assert_int_equal(key_read_dest(s, &stream, &d), n == 33 ? 0 : -1);
    }
    bad[0] = 0x80;
    assert_int_equal(key_read_dest(span_of(bad, 33), &stream, &d), 0); /* there it is the hash */
    for (size_t at = 0; at < 33; at++) {
        memset(bad, 0, sizeof bad);
        bad[at] = 0x80;
        /* The class, and the sign of the time. */
        assert_int_equal(key_read_due(span_of(bad, 17), &d), at <= 1 ? -1 : 0);
        assert_int_equal(key_read_dest(span_of(bad, 33), &stream, &d),
                         at == 8 || at == 17 ? -1 : 0);
    }
    /* A time before 1970 is the beginning. */
    assert_int_equal(order(due(0, -5, 1), due(0, 0, 1)), 0);
    assert_int_equal(order(dest(1, 0, 0, INT64_MIN, 1), dest(1, 0, 0, 0, 1)), 0);
}

/* The key of the reference's vectors, 0, 1, ... 15, and the texts of the octets 1, 2, ... n, since
 * a text holds no NUL: as OpenSSL's SIPHASH has them. The first, of no octets, is the reference's
 * first vector. */
static void test_the_hash_is_siphash_2_4(void **state)
{
    static const uint64_t vectors[] = {
        0x726fdb47dd0e0e31, 0x6e534dc3c9ab17a2, 0x8f9e8bb8a7d87023, 0x3cb62f04f19f76e7,
        0x37c3608c4c3344e0, 0x494c5d77ff0a7b6b, 0xb6345bcecaaaaa7b, 0x15dd418547d24915,
        0x95d2f9f9731548e1, 0xfdbb8a81b0238000, 0xf0048e3226151a49, 0xfb8fc6510c179e2e,
        0x929e6b3cf7a4661f, 0x2d29173c4ecbf81e, 0xaf5caad3bf872090, 0x9ce838c68b5d93ae,
        0x032b06ab2dd80e05, 0x33c10e9c7364e17f,
    };
    unsigned char key[16];
    char text[sizeof vectors / sizeof vectors[0] + 1] = "";
    for (int i = 0; i < 16; i++)
        key[i] = (unsigned char)i;
    for (size_t n = 0; n < sizeof vectors / sizeof vectors[0]; n++) {
        assert_true(name_hash(key, text) == vectors[n]);
        text[n] = (char)(n + 1);
    }
}

static void test_the_hash_depends_on_every_octet_and_on_the_key(void **state)
{
    unsigned char key[16] = {0};
    char text[40];
    memset(text, 'a', sizeof text);
    for (size_t n = 0; n < 33; n++) {
        text[n] = '\0';
        uint64_t whole = name_hash(key, text);
        for (size_t i = 0; i < n; i++) {
            text[i] = 'b';
            assert_true(name_hash(key, text) != whole);
            text[i] = 'a';
        }
        for (int i = 0; i < 16; i++) {
            key[i] ^= 1;
            assert_true(name_hash(key, text) != whole);
            key[i] ^= 1;
        }
        text[n] = 'a';
    }
}

static void test_every_table_has_a_name_of_its_own(void **state)
{
    for (int i = 0; i < TABLES; i++) {
        assert_non_null(table_names[i]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(table_names[i], table_names[k]);
    }
    assert_string_equal(table_names[TABLE_SYS], "sys");
    assert_string_equal(table_names[TABLE_IDEM], "idem");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_the_documented_octets),
        cmocka_unit_test(test_keys_sort_as_their_numbers),
        cmocka_unit_test(test_keys_are_taken_apart_again),
        cmocka_unit_test(test_keys_of_another_length_class_or_time_are_none),
        cmocka_unit_test(test_the_hash_is_siphash_2_4),
        cmocka_unit_test(test_the_hash_depends_on_every_octet_and_on_the_key),
        cmocka_unit_test(test_every_table_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

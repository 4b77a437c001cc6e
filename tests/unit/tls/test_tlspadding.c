/* OpenSSL's own encoder of PSS blocks is of before 3.0. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "rand.h"
#include "tlspadding.h"

/* Keys of sizes around a whole octet: the block is a number of one bit less than the modulus. */
static const int sizes[] = {2048, 2049, 2050, 2055, 3072};

static RSA *make_modulus(int bits)
{
    /* Only the length of the modulus matters to the encoder. */
    RSA *rsa = RSA_new();
    BIGNUM *n = BN_new(), *e = BN_new();
    assert_int_equal(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    assert_int_equal(BN_set_word(e, 65537), 1);
    assert_int_equal(RSA_set0_key(rsa, n, e, NULL), 1);
    return rsa;
}

static void encode(RSA *rsa, const EVP_MD *md, const EVP_MD *mask, int salt, unsigned char *block)
{
    unsigned char digest[64];
    rand_bytes(digest, sizeof digest);
    assert_int_equal(RSA_padding_add_PKCS1_PSS_mgf1(rsa, block, digest, md, mask, salt), 1);
}

static void test_what_openssl_encodes_is_taken_for_every_hash_and_size(void **state)
{
    const EVP_MD *mds[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        RSA *rsa = make_modulus(sizes[i]);
        size_t bits = (size_t)sizes[i], n = (bits + 7) / 8;
        for (size_t k = 0; k < 3; k++) {
            for (int round = 0; round < 20; round++) {
                unsigned char block[512];
                encode(rsa, mds[k], mds[k], RSA_PSS_SALTLEN_DIGEST, block);
                assert_true(tlspadding_is_pss(span_of(block, n), bits));
                assert_false(tlspadding_is_pss(span_of(block, n - 1), bits));
                assert_false(tlspadding_is_pss(span_of(block, n + 1), bits));
                assert_false(tlspadding_is_pss(span_of(block, n), bits + 8));
            }
        }
        RSA_free(rsa);
    }
}

static void test_any_turned_bit_makes_a_block_unacceptable(void **state)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char block[512];
        RSA *rsa = make_modulus(sizes[i]);
        size_t bits = (size_t)sizes[i], n = (bits + 7) / 8;
        encode(rsa, EVP_sha256(), EVP_sha256(), RSA_PSS_SALTLEN_DIGEST, block);
        /* All but the salt, which may be anything: it is the last 32 octets before the hash. */
        for (size_t bit = 0; bit < 8 * n; bit++) {
            if (bit / 8 >= n - 65 && bit / 8 < n - 33)
                continue;
            block[bit / 8] ^= (unsigned char)(0x80 >> bit % 8);
            if (tlspadding_is_pss(span_of(block, n), bits))
                fail_msg("%d bits: bit %zu may be turned", sizes[i], bit);
            block[bit / 8] ^= (unsigned char)(0x80 >> bit % 8);
        }
        RSA_free(rsa);
    }
}

static void test_other_hashes_masks_and_salts_are_refused(void **state)
{
    unsigned char block[256];
    RSA *rsa = make_modulus(2048);
    struct span s = span_of(block, sizeof block);
    encode(rsa, EVP_sha1(), EVP_sha1(), 20, block);
    assert_false(tlspadding_is_pss(s, 2048));
    encode(rsa, EVP_sha256(), EVP_sha1(), 32, block);
    assert_false(tlspadding_is_pss(s, 2048));
    encode(rsa, EVP_sha256(), EVP_sha384(), 32, block);
    assert_false(tlspadding_is_pss(s, 2048));
    encode(rsa, EVP_sha256(), EVP_sha256(), 20, block);
    assert_false(tlspadding_is_pss(s, 2048));
    encode(rsa, EVP_sha256(), EVP_sha256(), 0, block);
    assert_false(tlspadding_is_pss(s, 2048));
    RSA_free(rsa);
}

static void test_lengths_that_fit_no_key_are_refused(void **state)
{
    static const unsigned char block[2048] = {
        [15] = 0xbc, [31] = 0xbc, [1024] = 0xbc, [2047] = 0xbc};
    assert_false(tlspadding_is_pss(span_of(NULL, 0), 0));
    assert_false(tlspadding_is_pss(span_of(block, 1), 8));
    assert_false(tlspadding_is_pss(span_of(block, 16), 128));
    assert_false(tlspadding_is_pss(span_of(block, 32), 256));
    assert_false(tlspadding_is_pss(span_of(block, 1025), 8193));
    assert_false(tlspadding_is_pss(span_of(block, 2048), 16384));
}

/* RFC 8017 section 9.2, note 1. */
static void test_a_digest_info_is_one_of_three_prefixes_and_a_digest_of_its_length(void **state)
{
    static const struct {
        size_t n;
        bool good;
        unsigned char head[19];
    } cases[] = {
        {51,
         true,
         {0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20}},
        {67,
         true,
         {0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30}},
        {83,
         true,
         {0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40}},
        /* SHA-224, and SHA-512 with the length of SHA-256 */
        {47,
         false,
         {0x30, 0x2d, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 4, 5, 0, 4, 0x1c}},
        {51,
         false,
         {0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x20}},
        /* SHA-1, and SHA-256 without parameters */
        {35, false, {0x30, 0x21, 0x30, 0x09, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14}},
        {49, false, {0x30, 0x2f, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char info[128] = {0};
        memcpy(info, cases[i].head, sizeof cases[i].head);
        assert_int_equal(tlspadding_is_digest_info(span_of(info, cases[i].n)), cases[i].good);
        assert_false(tlspadding_is_digest_info(span_of(info, cases[i].n - 1)));
        assert_false(tlspadding_is_digest_info(span_of(info, cases[i].n + 1)));
    }
    unsigned char info[TLSPADDING_INFO_MAX], digest[32] = {7};
    size_t n = tlspadding_put_sha256(info, digest);
    assert_int_equal(n, 51);
    assert_true(tlspadding_is_digest_info(span_of(info, n)));
    assert_memory_equal(info + 19, digest, 32);
    assert_false(tlspadding_is_digest_info(span_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_openssl_encodes_is_taken_for_every_hash_and_size),
        cmocka_unit_test(test_any_turned_bit_makes_a_block_unacceptable),
        cmocka_unit_test(test_other_hashes_masks_and_salts_are_refused),
        cmocka_unit_test(test_lengths_that_fit_no_key_are_refused),
        cmocka_unit_test(test_a_digest_info_is_one_of_three_prefixes_and_a_digest_of_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

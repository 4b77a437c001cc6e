/* themes: auth codec base */

/* A client that sends what it likes: the first octet chooses the mechanism and whether there is a
 * channel binding, the rest are up to five messages, each with its length (two octets) before it.
 * It knows no password, so it must never get in. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "saslserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lookup(void *arg, struct span login, struct scram_verifier *v, struct buf *canonical)
{
    const struct scram_verifier *user = arg;
    assert(login.n >= 1 && login.n <= SASLSERVER_LOGIN_MAX);
    for (size_t i = 0; i < login.n; i++)
        assert(login.p[i] >= ' ' && login.p[i] != 0x7f);
    if (!span_is(login, "user"))
        return false;
    *v = *user;
    return true;
}

/* A copy of its own, so that reading past a message's end is seen. */
static enum saslserver_result step(struct saslserver_exchange *x, const uint8_t *p, size_t n,
                                   struct buf *reply)
{
    struct fail f = {""};
    unsigned char *copy = n == 0 ? NULL : malloc(n);
    if (copy != NULL)
        memcpy(copy, p, n);
    enum saslserver_result result = saslserver_step(x, span_of(copy, n), reply, &f);
    assert(result != SASLSERVER_OK);
    assert((result == SASLSERVER_FAIL) == (f.text[0] != '\0'));
    assert(result == SASLSERVER_CONTINUE || reply->n == 0);
    assert(strlen(saslserver_login(x)) <= SASLSERVER_LOGIN_MAX);
    free(copy);
    return result;
}

static void talk(struct saslserver_exchange *x, const uint8_t *data, size_t size)
{
    struct buf reply = {0};
    bool over = false;
    for (int i = 0; i < 5 && size >= 2; i++) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        bool fails = step(x, data, n, &reply) == SASLSERVER_FAIL;
        assert(fails || !over);
        over = fails;
        data += n;
        size -= n;
    }
    buf_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "LOGIN"};
    static const unsigned char octets[32] = {1};
    static struct scram_verifier user;
    static struct saslserver *server;
    if (server == NULL) {
        struct saslserver_options options = {
            .lookup = lookup, .arg = &user, .fake_iterations = SCRAM_ITERATIONS_MIN};
        /* Keys that no password leads to, so that no guess of the fuzzer's is right. */
        scram_fake(&user, span_text("key"), span_text("user"), SCRAM_ITERATIONS_MIN);
        server = saslserver_new(&options, NULL);
        assert(server != NULL);
    }
    if (size == 0)
        return 0;
    struct fail f = {""};
    struct span bound = span_of(octets, (data[0] & 4) != 0 ? sizeof octets : 0);
    struct saslserver_exchange *x =
        saslserver_begin(server, span_text(names[data[0] & 3]), bound, &f);
    if (x == NULL)
        assert(f.text[0] != '\0');
    else
        talk(x, data + 1, size - 1);
    saslserver_end(&x);
    return 0;
}

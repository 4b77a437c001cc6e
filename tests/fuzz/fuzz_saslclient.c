/* themes: auth codec base */

/* A server that says what it likes: the first octet chooses the mechanism, the rest are up to five
 * challenges, each with its length (two octets) before it. It knows no password: with SCRAM nothing
 * of that may count as proof, and the password may go out with PLAIN and LOGIN alone. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "saslclient.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PASSWORD "a password that nobody guesses"

static const char *const names[] = {"SCRAM-SHA-256-PLUS",
                                    "SCRAM-SHA-256",
                                    "SCRAM-SHA-1-PLUS",
                                    "SCRAM-SHA-1",
                                    "CRAM-MD5",
                                    "PLAIN",
                                    "LOGIN",
                                    "OAUTHBEARER",
                                    "XOAUTH2"};
#define NAMES (sizeof names / sizeof names[0])

static bool holds_password(const struct buf *out)
{
    return out->n > 0 && memmem(buf_span(out).p, out->n, PASSWORD, strlen(PASSWORD)) != NULL;
}

/* A copy of its own, so that reading past a challenge's end is seen. */
static int step(struct saslclient *x, const uint8_t *p, size_t n, bool shows)
{
    struct fail f = {""};
    struct buf out = {0};
    unsigned char *copy = n == 0 ? NULL : malloc(n);
    if (copy != NULL)
        memcpy(copy, p, n);
    int rc = saslclient_step(x, span_of(copy, n), &out, &f);
    assert((rc == 0) == (f.text[0] == '\0'));
    assert(rc == 0 || out.n == 0);
    assert(shows || !holds_password(&out));
    free(copy);
    buf_wipe(&out);
    return rc;
}

static void talk(struct saslclient *x, const uint8_t *data, size_t size, bool shows, bool proves)
{
    for (int i = 0; i < 5 && size >= 2; i++) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        int rc = step(x, data, n, shows);
        assert(!proves || !saslclient_is_complete(x));
        if (rc != 0)
            break;
        data += n;
        size -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *name = names[data[0] % NAMES];
    enum saslclient_mechanism m = (enum saslclient_mechanism)saslclient_find(span_text(name));
    /* The nonce is known, so that more than its refusal is reached. */
    struct saslclient_identity identity = {.user = "user",
                                           .password = span_text(PASSWORD),
                                           .token = span_text("token"),
                                           .order = &m,
                                           .order_n = 1,
                                           .iterations = 5000,
                                           .nonce = "rOprNGfwEbeRWgbNEkqO"};
    struct saslclient_server server = {.host = "mx.example.org",
                                       .port = 587,
                                       .offered = &name,
                                       .offered_n = 1,
                                       .verified = true,
                                       .exporter_first = true,
                                       .exporter = span_text("exporter")};
    struct buf out = {0};
    bool proves = strncmp(name, "SCRAM", 5) == 0;
    bool shows = m == SASLCLIENT_PLAIN || m == SASLCLIENT_LOGIN;
    struct saslclient *x = saslclient_begin(&identity, &server, NULL);
    assert(x != NULL);
    (void)saslclient_initial(x, &out);
    assert(shows || !holds_password(&out));
    buf_wipe(&out);
    talk(x, data + 1, size - 1, shows, proves);
    saslclient_free(&x);
    return 0;
}

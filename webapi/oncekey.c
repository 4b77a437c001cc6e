#include "oncekey.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "ascii.h"
#include "mem.h"
#include "utf8.h"
#include "wire.h"

#define PIECE 65536

/* Each octet string with its length before it, so that no two requests look alike. */
static void add(EVP_MD_CTX *md, struct span s)
{
    struct buf n = {0};
    wire_put_u64(&n, s.n);
    int ok = EVP_DigestUpdate(md, buf_span(&n).p, n.n) == 1 && EVP_DigestUpdate(md, s.p, s.n) == 1;
    assert(ok);
    buf_free(&n);
}

static void add_text(EVP_MD_CTX *md, const char *text)
{
    add(md, span_text(text == NULL ? "" : text));
}

/* Octets of an upload that is in a memory file. */
static void add_spilled(EVP_MD_CTX *md, int fd, uint64_t at, uint64_t n)
{
    unsigned char *octets = mem_alloc(PIECE);
    struct buf length = {0};
    wire_put_u64(&length, n);
    int ok = EVP_DigestUpdate(md, buf_span(&length).p, length.n) == 1;
    while (ok && n > 0) {
        ssize_t got = pread(fd, octets, n < PIECE ? (size_t)n : PIECE, (off_t)at);
        assert(got > 0); /* it is memory, and as long as was written */
        ok = EVP_DigestUpdate(md, octets, (size_t)got) == 1;
        at += (uint64_t)got;
        n -= (uint64_t)got;
    }
    assert(ok);
    buf_free(&length);
    mem_free(&octets);
}

static void digest(struct call *c, struct httpform *form)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned n = 0;
    assert(md != NULL);
    int ok = EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    char *login = mem_text(c->login); /* whose spelling is no matter of the request */
    ascii_lower_text(login);
    add_text(md, login);
    mem_free(&login);
    add_text(md, c->method->name);
    for (size_t i = 0; i < httpform_count(form); i++) {
        const struct httpform_part *p = httpform_part(form, i);
        if (p->filename == NULL && strcmp(p->name, "request") != 0)
            continue;
        add_text(md, p->name);
        add_text(md, p->filename);
        add_text(md, p->type);
        add_text(md, p->content_id);
        if (p->spilled)
            add_spilled(md, httpform_spill(form), p->at, p->n);
        else
            add(md, buf_span(&p->value));
    }
    ok = ok && EVP_DigestFinal_ex(md, c->once_digest, &n) == 1 && n == SUBMIT_DIGEST;
    assert(ok);
    EVP_MD_CTX_free(md);
}

/* Characters of a text whose every character can be seen, or is a space; -1 for any other. */
static ssize_t count_printable(struct span s)
{
    ssize_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return -1;
        n += (s.p[i] & 0xc0) != 0x80;
    }
    return utf8_valid(s) ? n : -1;
}

int oncekey_read(struct call *c, struct httpform *form)
{
    struct span key;
    mem_free(&c->once_key);
    bool given = httprequest_header(c->request, "Idempotency-Key", &key);
    ssize_t n = count_printable(key);
    c->once_key = span_dup(key);
    if (!given)
        return 0;
    if (n < 1 || n > ONCEKEY_CHARACTERS)
        return refuse(&c->refusal, CODE_USER,
                      "Idempotency-Key must be 1 to %d printable characters", ONCEKEY_CHARACTERS);
    digest(c, form);
    return 0;
}

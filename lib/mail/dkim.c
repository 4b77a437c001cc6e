#include "dkim.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "base64.h"
#include "fold.h"
#include "header.h"
#include "mem.h"

enum { COLUMNS = 76 };

static const char *const signed_names[] = {
    "From",        "To",           "Cc",           "Subject",
    "Date",        "Message-ID",   "Reply-To",     "References",
    "In-Reply-To", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
};

/* The digest is fetched once: looking it up anew takes thrice the time of hashing a short field. */
struct dkim {
    EVP_MD *sha256;
    EVP_MD_CTX *hash; /* for headers */
};

struct dkim_body {
    EVP_MD_CTX *hash;
    struct dkimcanon_body canon;
};

const char *dkim_algorithm_name(enum dkim_algorithm algorithm)
{
    return algorithm == DKIM_RSA_SHA256 ? "rsa-sha256" : "ed25519-sha256";
}

/* OpenSSL fails here only for want of memory, or when it was built or set up without SHA-256. */
static void must(int ok)
{
    assert(ok == 1);
}

static EVP_MD_CTX *new_hash(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    assert(hash != NULL);
    return hash;
}

static void put_hash(void *hash, struct span octets)
{
    must(EVP_DigestUpdate(hash, octets.p, octets.n));
}

struct dkim *dkim_new(void)
{
    struct dkim *dkim = mem_zero(sizeof *dkim);
    dkim->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(dkim->sha256 != NULL);
    dkim->hash = new_hash();
    return dkim;
}

void dkim_free(struct dkim **dkim)
{
    if (*dkim == NULL)
        return;
    EVP_MD_CTX_free((*dkim)->hash);
    EVP_MD_free((*dkim)->sha256);
    mem_free(dkim);
}

struct dkim_body *dkim_body_new(struct dkim *dkim, enum dkimcanon how)
{
    struct dkim_body *body = mem_zero(sizeof *body);
    body->hash = new_hash();
    must(EVP_DigestInit_ex2(body->hash, dkim->sha256, NULL));
    dkimcanon_body_begin(&body->canon, how, put_hash, body->hash);
    return body;
}

void dkim_body_update(struct dkim_body *body, struct span octets)
{
    dkimcanon_body_update(&body->canon, octets);
}

void dkim_body_final(struct dkim_body *body, unsigned char digest[DKIM_DIGEST])
{
    dkimcanon_body_end(&body->canon);
    must(EVP_DigestFinal_ex(body->hash, digest, NULL));
}

void dkim_body_free(struct dkim_body **body)
{
    if (*body == NULL)
        return;
    EVP_MD_CTX_free((*body)->hash);
    mem_free(body);
}

/* A header's fields, and which of them a signature has taken already. */
struct fields {
    struct header_field *list;
    bool *taken;
    size_t n;
};

static int list_fields(struct span header, struct fields *fields, struct fail *f)
{
    struct header_field field;
    struct span rest = header;
    size_t n = 0;
    *fields = (struct fields){0};
    while (header_next(&rest, &field)) {
        if (++n > DKIM_FIELDS_MAX)
            return fail_set(f, "header has more than %d fields", DKIM_FIELDS_MAX);
    }
    fields->list = mem_array(n, sizeof field);
    fields->taken = mem_array(n, sizeof fields->taken[0]);
    while (header_next(&header, &field))
        fields->list[fields->n++] = field;
    return 0;
}

static void free_fields(struct fields *fields)
{
    mem_free(&fields->list);
    mem_free(&fields->taken);
}

static bool same_name(struct span a, struct span b)
{
    return a.n == b.n && a.n > 0 && strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0;
}

/* The lowest field of that name that has not been taken yet, or NULL. */
static const struct header_field *take_field(struct fields *fields, struct span name)
{
    for (size_t i = fields->n; i-- > 0;) {
        if (!fields->taken[i] && same_name(fields->list[i].name, name)) {
            fields->taken[i] = true;
            return &fields->list[i];
        }
    }
    return NULL;
}

static void hash_signature_field(struct dkim *dkim, enum dkimcanon how, struct span whole)
{
    struct buf out = {0};
    struct header_field field;
    bool is_field = header_next(&whole, &field);
    assert(is_field && field.name.n > 0 && whole.n == 0);
    dkimcanon_field(&out, how, &field);
    put_hash(dkim->hash, span_of(buf_span(&out).p, out.n - 2)); /* without its CRLF */
    buf_free(&out);
}

int dkim_header_digest(struct dkim *dkim, enum dkimcanon how, struct span header,
                       const struct span *names, size_t n, struct span signature_field,
                       unsigned char digest[DKIM_DIGEST], struct fail *f)
{
    struct fields fields;
    struct buf out = {0};
    int rc = list_fields(header, &fields, f);
    if (rc == 0) {
        must(EVP_DigestInit_ex2(dkim->hash, dkim->sha256, NULL));
        for (size_t i = 0; i < n; i++) {
            const struct header_field *field = take_field(&fields, names[i]);
            buf_clear(&out);
            if (field != NULL)
                dkimcanon_field(&out, how, field);
            put_hash(dkim->hash, buf_span(&out));
        }
        hash_signature_field(dkim, how, signature_field);
        must(EVP_DigestFinal_ex(dkim->hash, digest, NULL));
    }
    buf_free(&out);
    free_fields(&fields);
    return rc;
}

struct names {
    struct span list[sizeof signed_names / sizeof signed_names[0] * (DKIM_SAME_MAX + 1)];
    size_t n;
};

/* Each name once more than the header has it. */
static int choose_names(struct span header, struct names *names, struct fail *f)
{
    names->n = 0;
    for (size_t i = 0; i < sizeof signed_names / sizeof signed_names[0]; i++) {
        size_t count = header_count(header, signed_names[i]);
        if (i == 0 && count == 0)
            return fail_set(f, "header has no From field to sign");
        if (count > DKIM_SAME_MAX)
            return fail_set(f, "header has more than %d %s fields", DKIM_SAME_MAX, signed_names[i]);
        for (size_t k = 0; k <= count; k++)
            names->list[names->n++] = span_text(signed_names[i]);
    }
    return 0;
}

static void put_tag(struct fold *fold, const char *name, const char *value)
{
    struct buf word = {0};
    buf_putf(&word, "%s=%s;", name, value);
    fold_word(fold, buf_span(&word));
    buf_free(&word);
}

static void put_time(struct fold *fold, const char *name, int64_t time)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, time);
    put_tag(fold, name, digits);
}

static void put_names(struct fold *fold, const struct names *names)
{
    struct buf word = {0};
    buf_puts(&word, "h=");
    for (size_t i = 0; i < names->n; i++) {
        buf_put_span(&word, names->list[i]);
        buf_putc(&word, i + 1 == names->n ? ';' : ':');
        /* White space is allowed behind a colon, and so is a new line. */
        if (i + 1 == names->n || word.n > 40) {
            fold_word(fold, buf_span(&word));
            buf_clear(&word);
        }
    }
    buf_free(&word);
}

static void begin_field(struct buf *out, const struct dkim_signer *signer,
                        const struct names *names, const unsigned char body_hash[DKIM_DIGEST])
{
    struct fold fold;
    struct buf hash = {0};
    base64_encode(&hash, span_of(body_hash, DKIM_DIGEST));
    fold_begin(&fold, out, "DKIM-Signature", "\t");
    put_tag(&fold, "v", "1");
    put_tag(&fold, "a", dkim_algorithm_name(signer->algorithm));
    put_tag(&fold, "c", "relaxed/relaxed");
    put_tag(&fold, "d", signer->domain);
    put_tag(&fold, "s", signer->selector);
    put_time(&fold, "t", signer->time);
    if (signer->expires > 0)
        put_time(&fold, "x", signer->expires);
    put_names(&fold, names);
    put_tag(&fold, "bh", buf_text(&hash));
    fold_words(&fold, "b=");
    buf_free(&hash);
}

int dkim_prepare(struct dkim *dkim, const struct dkim_signer *signer, struct span header,
                 const unsigned char body_hash[DKIM_DIGEST], struct dkim_pending *p, struct fail *f)
{
    struct names names;
    *p = (struct dkim_pending){0};
    if (choose_names(header, &names, f) < 0)
        return -1;
    begin_field(&p->field, signer, &names, body_hash);
    if (dkim_header_digest(dkim, DKIMCANON_RELAXED, header, names.list, names.n,
                           buf_span(&p->field), p->digest, f) < 0) {
        dkim_pending_clear(p);
        return -1;
    }
    return 0;
}

void dkim_finish(const struct dkim_pending *p, struct span signature, struct buf *out)
{
    struct span field = buf_span(&p->field);
    struct buf text = {0};
    size_t column = 0;
    while (column < field.n && field.p[field.n - 1 - column] != '\n')
        column++;
    base64_encode(&text, signature);
    buf_put_span(out, field);
    while (text.n > 0) {
        size_t room = column < COLUMNS ? COLUMNS - column : 0;
        room = room > text.n ? text.n : room;
        buf_put(out, buf_span(&text).p, room);
        buf_drop(&text, room);
        if (text.n > 0)
            buf_puts(out, "\r\n\t");
        column = 1;
    }
    buf_puts(out, "\r\n");
    buf_free(&text);
}

void dkim_pending_clear(struct dkim_pending *p)
{
    if (p == NULL)
        return;
    buf_free(&p->field);
    *p = (struct dkim_pending){0};
}

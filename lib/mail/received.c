#include "received.h"

#include <string.h>

#include "ascii.h"
#include "fold.h"
#include "header.h"
#include "maildate.h"

enum { STRANGER_MAX = 255 };

const char *received_protocol(const struct received *r)
{
    /* By the bits authenticated, tls. There are no UTF8 names for plain SMTP: SMTPUTF8 needs EHLO.
     */
    static const char *const esmtp[] = {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"};
    static const char *const utf8smtp[] = {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
    static const char *const lmtp[] = {"LMTP", "LMTPA", "LMTPS", "LMTPSA"};
    static const char *const utf8lmtp[] = {"UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"};
    int i = (r->authenticated ? 1 : 0) | (r->tls ? 2 : 0);
    switch (r->via) {
    case RECEIVED_SMTP:
        return "SMTP";
    case RECEIVED_ESMTP:
        return r->smtputf8 ? utf8smtp[i] : esmtp[i];
    case RECEIVED_LMTP:
        return r->smtputf8 ? utf8lmtp[i] : lmtp[i];
    case RECEIVED_HTTP:
        return "HTTP";
    case RECEIVED_LOCAL:
        break;
    }
    return "local";
}

void received_put_name(struct buf *word, const char *text)
{
    if (text[0] == '\0')
        buf_putc(word, '?');
    for (size_t i = 0; i < STRANGER_MAX && text[i] != '\0'; i++) {
        int c = (unsigned char)text[i];
        buf_putc(word, ascii_is_alnum(c) || strchr("-._:[]", c) != NULL ? c : '?');
    }
}

static void put_word(struct fold *fold, struct buf *word)
{
    fold_word(fold, buf_span(word));
    buf_clear(word);
}

static void put_from(struct fold *fold, const struct received *r, struct buf *word)
{
    if (r->ehlo == NULL)
        return;
    fold_words(fold, "from");
    received_put_name(word, r->ehlo);
    put_word(fold, word);
    if (r->client_ip == NULL)
        return;
    buf_putf(word, "([%s%s])", strchr(r->client_ip, ':') != NULL ? "IPv6:" : "", r->client_ip);
    put_word(fold, word);
}

static void put_tls(struct fold *fold, const struct received *r, struct buf *word)
{
    if (r->tls_version == NULL)
        return;
    buf_putc(word, '(');
    received_put_name(word, r->tls_version);
    if (r->tls_cipher != NULL) {
        put_word(fold, word);
        received_put_name(word, r->tls_cipher);
    }
    buf_putc(word, ')');
    put_word(fold, word);
}

static void put_recipient(struct fold *fold, const struct received *r, struct buf *word)
{
    if (r->recipient == NULL)
        return;
    fold_words(fold, "for");
    buf_putc(word, '<');
    address_write(word, r->recipient);
    buf_putc(word, '>');
}

void received_write(struct buf *out, const struct received *r)
{
    struct buf word = {0};
    struct fold fold;
    fold_begin(&fold, out, "Received", "\t");
    put_from(&fold, r, &word);
    fold_words(&fold, "by");
    fold_words(&fold, r->by);
    fold_words(&fold, "with");
    fold_words(&fold, received_protocol(r));
    if (r->requiretls)
        fold_words(&fold, "(requiretls)");
    put_tls(&fold, r, &word);
    fold_words(&fold, "id");
    buf_puts(&word, r->id);
    if (r->recipient != NULL)
        put_word(&fold, &word);
    put_recipient(&fold, r, &word);
    buf_putc(&word, ';');
    put_word(&fold, &word);
    maildate_write(&word, r->date_ms, r->zone_min);
    put_word(&fold, &word);
    fold_end(&fold);
    buf_free(&word);
}

size_t received_count(struct span header)
{
    return header_count(header, "Received");
}

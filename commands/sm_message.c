#include "sm_message.h"

#include <string.h>

#include "ascii.h"
#include "encword.h"
#include "fold.h"
#include "header.h"
#include "maildate.h"
#include "mem.h"
#include "utf8.h"

size_t sm_message_from_lines(struct span text)
{
    size_t at = 0;
    while (at < text.n) {
        struct span rest = span_of(text.p + at, text.n - at);
        if (rest.p[0] == '>')
            rest = span_of(rest.p + 1, rest.n - 1);
        if (rest.n < 5 || memcmp(rest.p, "From ", 5) != 0)
            return at;
        ssize_t end = span_find(rest, '\n');
        at = end < 0 ? text.n : (size_t)(rest.p - text.p) + (size_t)end + 1;
    }
    return at;
}

static bool is_null_sender(struct span word)
{
    return span_is(word, "<>") || span_is_nocase(word, "MAILER-DAEMON");
}

char *sm_message_rmail_sender(struct span line)
{
    struct span word, sender = {0}, last[3] = {{0}, {0}, {0}};
    for (size_t i = 0; ascii_token(&line, " \t\r\n", &word); i++) {
        if (i == 1)
            sender = word;
        last[0] = last[1];
        last[1] = last[2];
        last[2] = word;
    }
    ssize_t bang = span_find(sender, '!');
    if (sender.n == 0)
        return NULL;
    if (is_null_sender(sender))
        return mem_text("");
    if (bang > 0)
        return mem_format("%.*s@%.*s", (int)(sender.n - (size_t)bang - 1), sender.p + bang + 1,
                          (int)bang, sender.p);
    if (span_is(last[0], "remote") && span_is(last[1], "from") && span_find(sender, '@') < 0)
        return mem_format("%.*s@%.*s", (int)sender.n, sender.p, (int)last[2].n, last[2].p);
    return span_dup(sender);
}

struct sm_parts sm_message_split(struct span text)
{
    struct span rest = text;
    struct header_field field;
    while (header_next(&rest, &field)) {
        if (field.name.n == 0) {
            rest = span_of(field.whole.p, text.n - (size_t)(field.whole.p - text.p));
            return (struct sm_parts){span_of(text.p, text.n - rest.n), rest};
        }
    }
    struct sm_parts parts = {span_of(text.p, text.n - rest.n), rest};
    if (rest.n > 0)
        parts.body = span_of(rest.p + 2, rest.n - 2);
    return parts;
}

static bool is_one_of(struct span name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (span_is_nocase(name, *names))
            return true;
    }
    return false;
}

static bool has_one_of(struct span header, const char *const *names)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        if (is_one_of(field.name, names))
            return true;
    }
    return false;
}

int sm_message_recipients(struct span header, const char *default_domain, struct addrlist *list,
                          struct fail *f)
{
    static const char *const plain[] = {"To", "Cc", "Bcc", NULL};
    static const char *const resent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
    const char *const *names = has_one_of(header, resent) ? resent : plain;
    struct header_field field;
    while (header_next(&header, &field)) {
        if (!is_one_of(field.name, names) ||
            addrlist_parse(field.value, default_domain, ADDRLIST_STRICT, list, f) == 0)
            continue;
        return fail_prefix(f, "the header's %.*s field", (int)field.name.n, field.name.p);
    }
    return 0;
}

/* A header is UTF-8 or the server refuses it; one octet of another charset, from a script of long
 * ago, is no reason to lose the mail of a cron job. */
static void put_mended(struct buf *out, struct span header)
{
    while (header.n > 0) {
        size_t n = utf8_sequence(header.p, header.n);
        if (n > 0)
            buf_put(out, header.p, n);
        else
            buf_puts(out, "\xef\xbf\xbd");
        n = n > 0 ? n : 1;
        header = span_of(header.p + n, header.n - n);
    }
}

static void put_list(struct buf *out, struct span name, const struct addrlist *list)
{
    char *field = span_dup(name);
    struct buf text = {0};
    struct fold fold;
    fold_begin(&fold, out, field, " ");
    for (size_t i = 0; i < list->n; i++) {
        buf_clear(&text);
        encword_decode(&text, span_text(list->items[i].name));
        fold_mailbox(&fold, buf_span(&text), &list->items[i].address, false, i + 1 == list->n);
    }
    fold_end(&fold);
    buf_free(&text);
    mem_free(&field);
}

/* "From: root (Cron Daemon)" would tell another machine nothing. Whether it is such a field that
 * has been written; one that reads well without our help, or not even with it, stays as it is. */
static bool put_qualified(struct buf *out, const struct header_field *field, const char *domain)
{
    static const char *const names[] = {"From",      "Sender",      "Reply-To",      "To",
                                        "Cc",        "Resent-From", "Resent-Sender", "Resent-To",
                                        "Resent-Cc", NULL};
    struct addrlist list = {0};
    if (!is_one_of(field->name, names))
        return false;
    bool needed = addrlist_parse(field->value, NULL, ADDRLIST_STRICT, &list, NULL) != 0 &&
                  addrlist_parse(field->value, domain, ADDRLIST_STRICT, &list, NULL) == 0;
    if (needed)
        put_list(out, field->name, &list);
    addrlist_clear(&list);
    return needed;
}

static void put_author(struct buf *out, const char *field, const struct sm_author *author)
{
    struct fold fold;
    fold_begin(&fold, out, field, " ");
    fold_mailbox(&fold, author->name, author->address, false, true);
    fold_end(&fold);
}

/* The fields themselves. Returns whether one of them says that the message was sent on. */
static bool put_fields(struct buf *out, struct span header, const struct sm_author *author)
{
    static const char *const dropped[] = {"Bcc", "Resent-Bcc", NULL};
    struct header_field field;
    bool resent = false;
    while (header_next(&header, &field)) {
        resent = resent || span_starts_nocase(field.name, "Resent-");
        if (is_one_of(field.name, dropped))
            continue;
        if (author == NULL || !put_qualified(out, &field, author->domain))
            buf_put_span(out, field.whole);
    }
    return resent;
}

static void put_missing(struct buf *out, struct span header, bool resent,
                        const struct sm_author *author)
{
    if (header_count(header, "From") == 0)
        put_author(out, "From", author);
    if (resent && header_count(header, "Resent-From") == 0)
        put_author(out, "Resent-From", author);
    if (resent && header_count(header, "Resent-Date") == 0) {
        buf_puts(out, "Resent-Date: ");
        maildate_write(out, author->date_ms, author->zone_min);
        buf_puts(out, "\r\n");
    }
}

void sm_message_header(struct buf *out, struct span header, const struct sm_author *author)
{
    struct buf mended = {0};
    if (author == NULL) {
        (void)put_fields(out, header, NULL);
        return;
    }
    put_mended(&mended, header);
    bool resent = put_fields(out, buf_span(&mended), author);
    put_missing(out, header, resent, author);
    buf_free(&mended);
}

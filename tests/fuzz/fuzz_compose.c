/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base64.h"
#include "compose.h"
#include "header.h"
#include "utf8.h"

enum { MANY = 3 };

/* The input, cut into values at octets of 0xff: a stranger's values are the octets between. */
struct source {
    struct span rest;
};

static struct span next_value(struct source *s)
{
    ssize_t at = span_find(s->rest, 0xff);
    size_t n = at < 0 ? s->rest.n : (size_t)at;
    struct span value = span_of(s->rest.p, n);
    size_t used = at < 0 ? n : n + 1;
    s->rest = span_of(s->rest.p + used, s->rest.n - used);
    return value;
}

static size_t next_count(struct source *s)
{
    struct span value = next_value(s);
    return value.n == 0 ? 0 : value.p[0] % (MANY + 1);
}

struct lists {
    struct compose_mailbox mailboxes[4][MANY];
    struct address addresses[4][MANY];
    struct mimepart_file files[3][MANY];
    struct compose_field fields[MANY];
    struct span references[MANY];
};

static struct compose_mailboxes next_mailboxes(struct source *s, struct lists *l, int which,
                                               size_t least)
{
    size_t n = next_count(s);
    n = n < least ? least : n;
    for (size_t i = 0; i < n; i++) {
        struct address *a = &l->addresses[which][i];
        struct span text = next_value(s);
        if (address_parse(text, a, NULL) < 0)
            assert(address_parse(span_text("a@b.example"), a, NULL) == 0);
        l->mailboxes[which][i] = (struct compose_mailbox){next_value(s), a};
    }
    return (struct compose_mailboxes){l->mailboxes[which], n};
}

/* Content that is base64 already is taken as it is. */
static void base64_sometimes(struct mimepart_file *file)
{
    if (file->data.n > 1 && base64_check_loose(file->data) == 0)
        file->form = MIMEPART_BASE64;
}

static struct compose_files next_files(struct source *s, struct lists *l, int which)
{
    size_t n = next_count(s);
    for (size_t i = 0; i < n; i++) {
        struct span name = next_value(s), type = next_value(s), id = next_value(s);
        l->files[which][i] = (struct mimepart_file){
            .name = name, .content_type = type, .content_id = id, .data = next_value(s)};
        base64_sometimes(&l->files[which][i]);
    }
    return (struct compose_files){l->files[which], n};
}

/* No bare CR or LF, no long line; ASCII where it is said to be. */
static void check_lines(struct span m, bool has_8bit)
{
    size_t column = 0;
    for (size_t i = 0; i < m.n; i++) {
        assert(has_8bit || m.p[i] < 0x80);
        if (m.p[i] == '\r') {
            assert(i + 1 < m.n && m.p[i + 1] == '\n');
            i++;
            column = 0;
        } else {
            assert(m.p[i] != '\n' && m.p[i] != '\0');
            assert(++column <= 998);
        }
    }
    assert(column == 0);
}

static bool is_line(struct span s, size_t at, struct span boundary, const char *tail)
{
    size_t n = strlen(tail);
    return s.n - at >= 2 + boundary.n + n && memcmp(s.p + at, "--", 2) == 0 &&
           memcmp(s.p + at + 2, boundary.p, boundary.n) == 0 &&
           memcmp(s.p + at + 2 + boundary.n, tail, n) == 0;
}

static size_t check_part(struct span part, int depth);

/* Each delimiter begins a part, and the closing one is the last thing there. Returns the leaves. */
static size_t check_multipart(struct span body, struct span boundary, int depth)
{
    size_t leaves = 0, start = 0;
    assert(is_line(body, 0, boundary, "\r\n"));
    start = 2 + boundary.n + 2;
    for (size_t at = start; at < body.n; at++) {
        bool begins = body.p[at - 1] == '\n';
        if (begins && is_line(body, at, boundary, "--\r\n")) {
            leaves += check_part(span_of(body.p + start, at - 2 - start), depth + 1);
            assert(at + boundary.n + 6 == body.n);
            return leaves;
        }
        if (begins && is_line(body, at, boundary, "\r\n")) {
            leaves += check_part(span_of(body.p + start, at - 2 - start), depth + 1);
            start = at + boundary.n + 4;
        }
    }
    assert(!"a multipart has no end");
    return 0;
}

static size_t check_part(struct span part, int depth)
{
    struct header_field field;
    size_t end = header_end(part);
    struct span rest = span_of(part.p, end);
    struct buf type = {0};
    size_t leaves = 1;
    assert(depth <= 3 && end >= 2 && part.p[end - 1] == '\n');
    while (header_next(&rest, &field))
        assert(field.name.n > 0);
    assert(rest.n == 2);
    assert(header_count(span_of(part.p, end), "Content-Type") == 1);
    assert(header_value(span_of(part.p, end), "Content-Type", 2000, &type));
    if (span_starts_nocase(buf_span(&type), "multipart/")) {
        const char *at = strstr(buf_text(&type), "boundary=\"");
        assert(at != NULL);
        struct span boundary = span_of(at + 10, 24);
        leaves = check_multipart(span_of(part.p + end, part.n - end), boundary, depth);
    }
    buf_free(&type);
    return leaves;
}

static void check(const struct compose *in, const struct composed *out)
{
    struct buf whole = {0};
    assert(composed_write(out, &whole, NULL) == 0 && whole.n == out->size);
    struct span m = buf_span(&whole), header = span_of(m.p, header_end(m));
    assert(header_end(buf_span(&out->frame)) == header.n);
    static const char *const once[] = {"From", "Date", "Message-Id", "MIME-Version"};
    check_lines(m, out->has_8bit);
    assert(utf8_valid(m) && (out->needs_smtputf8 || utf8_is_ascii(header)));
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        assert(header_count(header, once[i]) == 1);
    assert(header_count(header, "Bcc") == 0 && header_count(header, "Subject") <= 1);
    assert(check_part(m, 0) == (in->text.n > 0) + (size_t)(in->html.n > 0) + in->alternative.n +
                                   in->inlined.n + in->attached.n);
    buf_free(&whole);
}

static struct compose next_compose(struct source *s, struct lists *l)
{
    struct compose in = {.zone_min = 60, .hostname = "h.example"};
    in.text = next_value(s);
    in.html = next_value(s);
    in.subject = next_value(s);
    in.from = next_mailboxes(s, l, 0, 1);
    in.to = next_mailboxes(s, l, 1, 0);
    in.cc = next_mailboxes(s, l, 2, 0);
    in.reply_to = next_mailboxes(s, l, 3, 0);
    in.message_id = next_value(s);
    in.n_references = next_count(s);
    for (size_t i = 0; i < in.n_references; i++)
        l->references[i] = next_value(s);
    in.references = l->references;
    in.n_fields = next_count(s);
    for (size_t i = 0; i < in.n_fields; i++) {
        struct span name = next_value(s);
        l->fields[i] = (struct compose_field){name, next_value(s)};
    }
    in.fields = l->fields;
    in.alternative = next_files(s, l, 0);
    in.inlined = next_files(s, l, 1);
    in.attached = next_files(s, l, 2);
    in.user_agent = next_value(s);
    return in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {span_of(data, size)};
    struct lists lists = {0};
    struct composed out;
    enum compose_refusal why;
    struct fail f;
    struct compose in = next_compose(&source, &lists);
    if (compose_message(&in, &out, &why, &f) == 0) {
        check(&in, &out);
        composed_clear(&out);
    } else {
        assert(out.frame.n == 0 && why <= COMPOSE_TOO_LARGE);
    }
    for (size_t i = 0; i < 4 * MANY; i++)
        address_clear(&lists.addresses[i / MANY][i % MANY]);
    return 0;
}

/* themes: core:webapi base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "draft.h"
#include "header.h"
#include "utf8.h"

#define MAX_SIZE 60000

static const char config[] =
    "hostname mail.example.org\n"
    "domain example.org { }\n"
    "domain off.example { disabled yes }\n"
    "account a { address me@example.org *@off.example full-name \"M\u00e9\" }\n";

static struct draft_context context;

static void open_context(void)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse("f", span_text(config), &errors);
    assert(conf != NULL);
    conf_errors_free(&errors);
    context = (struct draft_context){.conf = conf,
                                     .account = conf_find(conf_root(conf), "account", "a"),
                                     .login = "me+x@example.org",
                                     .hostname = "mail.example.org",
                                     .client = "192.0.2.1 HTTP",
                                     .max_size = MAX_SIZE,
                                     .max_recipients = 20,
                                     .now_ms = 1700000000000,
                                     .zone_min = -90};
}

/* The queue takes the envelope: it ends the connection of whoever sends another. */
static void check_envelope(const struct submit_envelope *e)
{
    struct buf octets = {0}, again = {0};
    submit_envelope_put(&octets, e);
    struct wire w = wire_open(buf_span(&octets));
    struct submit_envelope *got = submit_envelope_get(&w);
    assert(wire_end(&w) == 0);
    submit_envelope_put(&again, got);
    assert(span_equal(buf_span(&octets), buf_span(&again)));
    assert(got->recipients_n > 0 && got->recipients_n <= context.max_recipients);
    assert(utf8_valid(span_text(got->subject)));
    assert(strstr(got->sender, "@example.org") != NULL);
    submit_envelope_free(&got);
    buf_free(&octets);
    buf_free(&again);
}

static void check_message(const struct draft *d)
{
    struct buf whole = {0};
    assert(composed_write(&d->composed, &whole, NULL) == 0 && whole.n == d->composed.size);
    struct span message = buf_span(&whole), header, rest;
    struct header_field field;
    assert(message.n > 0 && message.n <= MAX_SIZE);
    for (size_t i = 0; i < message.n; i++) {
        assert(message.p[i] != '\n' || (i > 0 && message.p[i - 1] == '\r'));
        assert(message.p[i] != '\r' || (i + 1 < message.n && message.p[i + 1] == '\n'));
    }
    header = span_of(message.p, header_end(message));
    assert(header.n < message.n);
    rest = header;
    while (header_next(&rest, &field))
        assert(field.name.n > 0 && !span_is_nocase(field.name, "Bcc"));
    assert(header_count(header, "From") == 1 && header_count(header, "Date") == 1);
    assert(header_count(header, "Message-Id") == 1 && header_count(header, "Subject") <= 1);
    assert(span_starts_nocase(header, "From: "));
    buf_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct draft_request request = {0};
    struct draft draft;
    struct refusal why = {.code = CODES};
    if (context.conf == NULL)
        open_context();
    struct json_doc *doc = jsonbind_parse(span_of(data, size), NULL, draft_fields, &request, NULL);
    if (doc == NULL)
        return 0;
    if (draft_make(&request, &context, &draft, &why) == 0) {
        check_envelope(draft.envelope);
        check_message(&draft);
        draft_clear(&draft);
    } else {
        assert(why.code < CODES && why.fail.text[0] != '\0');
        assert(draft.envelope == NULL && draft.composed.frame.n == 0 && draft.domain == NULL);
    }
    jsonread_free(&doc);
    return 0;
}

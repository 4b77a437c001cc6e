/* themes: core:sendmail mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "header.h"
#include "mem.h"
#include "sm_envelope.h"
#include "sm_input.h"
#include "sm_message.h"
#include "utf8.h"

#define MAX 65536

static int take(struct sm_input *in, struct span text, size_t cut)
{
    int code = sm_input_take(in, span_of(text.p, cut), NULL);
    if (code == 0)
        code = sm_input_take(in, span_of(text.p + cut, text.n - cut), NULL);
    if (code == 0)
        sm_input_end(in);
    return code;
}

/* Lines that end in CR LF, with neither of the two elsewhere, and no NUL. */
static void check_lines(struct span text)
{
    assert(text.n == 0 || (text.n >= 2 && text.p[text.n - 1] == '\n'));
    for (size_t i = 0; i < text.n; i++) {
        assert(text.p[i] != '\0');
        assert(text.p[i] != '\n' || (i > 0 && text.p[i - 1] == '\r'));
        assert(text.p[i] != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'));
    }
}

static void check_header(struct span header, bool with_author)
{
    struct header_field field;
    check_lines(header);
    while (header_next(&header, &field)) {
        assert(field.name.n > 0);
        assert(!span_is_nocase(field.name, "Bcc") && !span_is_nocase(field.name, "Resent-Bcc"));
        with_author = with_author && !span_is_nocase(field.name, "From");
    }
    assert(header.n == 0 && !with_author);
}

static void check_recipients(struct span header)
{
    struct addrlist list = {0};
    struct sm_envelope e;
    struct fail f = {{0}};
    if (sm_message_recipients(header, "here.example", &list, &f) == 0) {
        sm_envelope_make(&e, NULL, &list);
        assert(e.recipients_n <= list.n && (e.recipients_n > 0) == (list.n > 0));
        for (size_t i = 0; i < e.recipients_n; i++)
            assert(strpbrk(e.recipients[i], "\r\n") == NULL);
        sm_envelope_clear(&e);
    } else {
        assert(f.text[0] != '\0');
    }
    addrlist_clear(&list);
}

/* The header without help, and with it: then a second time nothing more is done. */
static void check_headers(struct span header, struct span name)
{
    struct address a;
    struct buf out = {0}, again = {0};
    assert(address_parse(span_text("a@b.example"), &a, NULL) == 0);
    const struct sm_author author = {&a, name, "here.example", 0, 0};
    sm_message_header(&out, header, NULL);
    check_header(buf_span(&out), false);
    buf_clear(&out);
    sm_message_header(&out, header, &author);
    check_header(buf_span(&out), true);
    assert(utf8_valid(buf_span(&out)));
    sm_message_header(&again, buf_span(&out), &author);
    assert(span_equal(buf_span(&out), buf_span(&again)));
    buf_free(&out);
    buf_free(&again);
    address_clear(&a);
}

static void check_message(struct buf *message)
{
    check_lines(buf_span(message));
    buf_drop(message, sm_message_from_lines(buf_span(message)));
    struct span text = buf_span(message);
    struct sm_parts parts = sm_message_split(text);
    check_recipients(parts.header);
    check_headers(parts.header, span_of(text.p, text.n < 50 ? text.n : 50));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct span text = span_of(data + 2, size - 2);
    bool dots = (data[0] & 1) != 0;
    struct sm_input whole = {.ignore_dots = dots, .max = MAX};
    struct sm_input cut = {.ignore_dots = dots, .max = MAX};
    int code = take(&whole, text, 0);
    assert(take(&cut, text, data[1] < text.n ? data[1] : text.n) == code);
    assert(span_equal(buf_span(&whole.text), buf_span(&cut.text)));
    if (code == 0)
        check_message(&whole.text);
    char *sender = sm_message_rmail_sender(text);
    mem_free(&sender);
    buf_free(&whole.text);
    buf_free(&cut.text);
    return 0;
}

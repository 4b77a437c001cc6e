/* themes: smtp codec base */
/* The arguments of MAIL and RCPT: spans inside the input, refusals that can be sent, and parameters
 * that are read again as the same when they are written. */
#include <assert.h>
#include <string.h>

#include "esmtp.h"
#include "reply.h"
#include "utf8.h"
#include "xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct span outer, struct span s)
{
    assert(s.n == 0 || (s.p >= outer.p && s.p + s.n <= outer.p + outer.n));
}

static void check_refusal(const struct path_refusal *why)
{
    struct buf out = {0};
    reply_write(&out, why->code, why->enhanced, span_text(why->text));
    assert(out.n > 14);
    buf_free(&out);
}

static void check_path(struct span argument, const struct path *p)
{
    check_inside(argument, p->mailbox);
    assert(p->mailbox.n <= PATH_MAILBOX_MAX && p->count <= PATH_PARAMS);
    assert(p->null == (p->mailbox.n == 0) && p->eight_bit == !utf8_is_ascii(p->mailbox));
    for (size_t i = 0; i < p->mailbox.n; i++)
        assert(p->mailbox.p[i] >= ' ' && p->mailbox.p[i] != 0x7f);
    for (size_t i = 0; i < p->count; i++) {
        check_inside(argument, p->params[i].keyword);
        check_inside(argument, p->params[i].value);
        assert(p->params[i].keyword.n > 0);
        assert(p->params[i].has_value == (p->params[i].value.n > 0));
    }
}

static void check_text(const char *text)
{
    assert(utf8_valid(span_text(text)));
    for (size_t i = 0; text[i] != '\0'; i++)
        assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void check_mail(const struct path *path, const struct ehlo *offered)
{
    struct esmtp_mail mail, back;
    struct path_refusal why;
    struct path again;
    struct buf out = {0}, twice = {0};
    if (esmtp_mail(path, offered, &mail, &why) != 0) {
        check_refusal(&why);
        return;
    }
    check_text(mail.envid);
    check_text(mail.auth);
    buf_puts(&out, "FROM:<>");
    esmtp_mail_write(&out, &mail, offered);
    assert(path_parse(PATH_MAIL, buf_span(&out), &again, &why) == 0);
    if (esmtp_mail(&again, offered, &back, &why) == 0) {
        buf_puts(&twice, "FROM:<>");
        esmtp_mail_write(&twice, &back, offered);
        assert(span_equal(buf_span(&out), buf_span(&twice)));
    } else {
        /* A value may have grown beyond its limit where the sender had left octets bare. */
        assert(why.code == 501);
    }
    buf_free(&out);
    buf_free(&twice);
}

static void check_rcpt(const struct path *path, const struct ehlo *offered)
{
    struct esmtp_rcpt rcpt, back;
    struct path_refusal why;
    struct path again;
    struct buf out = {0}, twice = {0};
    if (esmtp_rcpt(path, offered, &rcpt, &why) != 0) {
        check_refusal(&why);
        return;
    }
    check_text(rcpt.orcpt);
    buf_puts(&out, "TO:<a>");
    esmtp_rcpt_write(&out, &rcpt, offered);
    assert(path_parse(PATH_RCPT, buf_span(&out), &again, &why) == 0);
    if (esmtp_rcpt(&again, offered, &back, &why) == 0) {
        assert(back.notify == rcpt.notify && strcmp(back.orcpt, rcpt.orcpt) == 0);
        buf_puts(&twice, "TO:<a>");
        esmtp_rcpt_write(&twice, &back, offered);
        assert(span_equal(buf_span(&out), buf_span(&twice)));
    } else {
        assert(why.code == 501);
    }
    buf_free(&out);
    buf_free(&twice);
}

static void check_xtext(struct span in)
{
    struct buf value = {0}, back = {0};
    xtext_encode(&value, in);
    assert(xtext_decode(&back, buf_span(&value)) == 0 && span_equal(buf_span(&back), in));
    buf_clear(&back);
    if (xtext_decode_utf8(&back, in) == 0) {
        struct buf again = {0};
        assert(utf8_valid(buf_span(&back)));
        buf_clear(&value);
        xtext_encode_utf8(&value, buf_span(&back), in.n % 2 == 0);
        assert(xtext_decode_utf8(&again, buf_span(&value)) == 0);
        assert(span_equal(buf_span(&again), buf_span(&back)));
        buf_free(&again);
    }
    buf_free(&value);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct path path;
    struct path_refusal why;
    if (size < 1)
        return 0;
    struct ehlo offered = {.size = true, .size_max = data[0], .auth = true, .dsn = true};
    offered.eightbitmime = offered.chunking = offered.binarymime = true;
    offered.futurerelease = offered.requiretls = true;
    offered.smtputf8 = data[0] % 2 == 1;
    struct span in = span_of(data + 1, size - 1);
    for (int kind = PATH_MAIL; kind <= PATH_RCPT; kind++) {
        if (path_parse((enum path_kind)kind, in, &path, &why) != 0) {
            check_refusal(&why);
            continue;
        }
        check_path(in, &path);
        if (path_check_eight_bit((enum path_kind)kind, &path, offered.smtputf8, &why) != 0)
            check_refusal(&why);
        if (kind == PATH_MAIL)
            check_mail(&path, &offered);
        else
            check_rcpt(&path, &offered);
    }
    check_xtext(in);
    return 0;
}

/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dsn.h"
#include "header.h"
#include "utf8.h"

enum { MANY = 3 };

/* The input, cut into values at octets of 0xfe. */
static struct span next_value(struct span *rest)
{
    ssize_t at = span_find(*rest, 0xfe);
    size_t n = at < 0 ? rest->n : (size_t)at, used = at < 0 ? n : n + 1;
    struct span value = span_of(rest->p, n);
    *rest = span_of(rest->p + used, rest->n - used);
    return value;
}

static void next_address(struct span *rest, struct address *a)
{
    if (address_parse(next_value(rest), a, NULL) < 0)
        assert(address_parse(span_text("a@b.example"), a, NULL) == 0);
}

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
            assert(m.p[i] != '\n' && m.p[i] != '\0' && ++column <= 998);
        }
    }
    assert(column == 0);
}

/* The groups of fields in the part for programs: as many as there are recipients, none with a field
 * that it should not have. */
static void check_status(struct span m, size_t recipients)
{
    static const char *const per_recipient[] = {"Final-Recipient", "Action", "Status"};
    const unsigned char *type =
        memmem(m.p, m.n, "delivery-status\r\nContent-Transfer-Encoding", 42);
    assert(type != NULL);
    struct span rest = span_of(type, m.n - (size_t)(type - m.p));
    rest = span_of(rest.p + header_end(rest), rest.n - header_end(rest));
    size_t end = header_end(rest);
    assert(header_count(span_of(rest.p, end), "Reporting-MTA") == 1);
    for (size_t i = 0; i < recipients; i++) {
        rest = span_of(rest.p + end, rest.n - end);
        end = header_end(rest);
        for (size_t k = 0; k < 3; k++)
            assert(header_count(span_of(rest.p, end), per_recipient[k]) == 1);
        assert(header_count(span_of(rest.p, end), "Diagnostic-Code") <= 1);
    }
    rest = span_of(rest.p + end, rest.n - end);
    assert(rest.n > 4 && memcmp(rest.p, "--=_", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size), how = next_value(&rest);
    struct address to, addresses[MANY];
    struct dsn_recipient recipients[MANY];
    struct span replies[MANY][2];
    struct dsn_message out;
    struct dsn in = {.hostname = "h.example", .recipients = recipients, .from = &to, .to = &to};
    unsigned bits = how.n > 0 ? how.p[0] : 0;
    next_address(&rest, &to);
    in.n_recipients = 1 + bits % MANY;
    in.smtputf8 = bits & 0x80;
    in.header = next_value(&rest);
    in.message = next_value(&rest);
    in.envelope_id = next_value(&rest);
    in.received_from = next_value(&rest);
    in.future_release = next_value(&rest);
    for (size_t i = 0; i < in.n_recipients; i++) {
        next_address(&rest, &addresses[i]);
        replies[i][0] = next_value(&rest);
        replies[i][1] = next_value(&rest);
        struct span original = next_value(&rest), status = next_value(&rest);
        recipients[i] = (struct dsn_recipient){.address = &addresses[i],
                                               .original = original,
                                               .action = (bits >> 2) % 5,
                                               .status = status,
                                               .reason = next_value(&rest),
                                               .reply = replies[i],
                                               .n_reply = bits % 3,
                                               .last_attempt_ms = bits,
                                               .retry_until_ms = bits};
        recipients[i].remote_host = next_value(&rest);
        recipients[i].remote_ip = next_value(&rest);
    }
    in.received_ip = next_value(&rest);
    dsn_compose(&in, &out);
    check_lines(buf_span(&out.message), out.has_8bit);
    check_status(buf_span(&out.message), in.n_recipients);
    dsn_clear(&out);
    address_clear(&to);
    for (size_t i = 0; i < in.n_recipients; i++)
        address_clear(&addresses[i]);
    return 0;
}

#include <endian.h>
#include <string.h>

#include "mem.h"
#include "rows.h"
#include "wire.h"

#define VERSION 1
#define RCPT_VERSION 4
#define RETIRED_VERSION 3
#define TLS_SHIFT 4 /* of enum admin_tls in a recipient's flags */
#define RCPT_FLAGS (ADMIN_TLSES << TLS_SHIFT)
#define RESULTS_MAX 1000
#define TEXT_KEPT 160 /* of an old attempt's reply, where room is short */

/* msg row: version u8 | envelope (proto_submit.c; its recipients are empty) | recipients u32 | open
 * u32 | size u64 | kind u8 | file u64. e.g. for one recipient, 812 octets in chunks, from
 * a@b.example:
 *   "\x01" "\x01\x00\x00\x00\x00 ... \x00\x00\x00\x0ba@b.example ..." "\x00\x00\x00\x01"
 * "\x00\x00\x00\x01"
 *   "\x00\x00\x00\x00\x00\x00\x03\x2c" "\x00" "\x00\x00\x00\x00\x00\x00\x00\x00" */
void msg_row_put(struct buf *b, const struct msg_row *r)
{
    struct submit_envelope bare = *r->envelope;
    bare.recipients = NULL;
    bare.recipients_n = 0;
    wire_put_u8(b, VERSION);
    submit_envelope_put(b, &bare);
    wire_put_u32(b, r->recipients);
    wire_put_u32(b, r->open);
    wire_put_u64(b, r->size);
    wire_put_u8(b, (uint8_t)r->kind);
    wire_put_u64(b, r->file);
}

int msg_row_read(struct span s, struct msg_row *r)
{
    struct wire w = wire_open(s);
    *r = (struct msg_row){0};
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    r->envelope = submit_envelope_get(&w);
    r->recipients = wire_u32(&w);
    r->open = wire_u32(&w);
    r->size = wire_u64(&w);
    r->kind = (enum body_kind)wire_enum(&w, BODY_KINDS);
    r->file = wire_u64(&w);
    if (r->recipients == 0 || r->recipients > PROTO_RECIPIENTS_MAX || r->open > r->recipients ||
        r->envelope->recipients_n != 0)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    msg_row_clear(r);
    return -1;
}

int msg_row_peek(struct span s, struct submit_peek *p)
{
    struct wire w = wire_open(s);
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    submit_envelope_peek(&w, p);
    return w.bad ? -1 : 0;
}

bool msg_row_names_file(struct span s, uint64_t *file)
{
    const size_t tail = 9; /* kind and file are the last of a row */
    if (s.n < tail)
        return false;
    struct wire w = wire_open(span_of(s.p + s.n - tail, tail));
    bool is_file = wire_u8(&w) == BODY_FILE;
    *file = wire_u64(&w);
    return is_file;
}

void msg_row_clear(struct msg_row *r)
{
    submit_envelope_free(&r->envelope);
}

/* rcpt row: version u8 (4) | message u64 | flags u8 (1 held, 2 delay told, 4 put off before, 8
 * ordinary; 16 the operator wants TLS, 32 can do without: not both) | account hash u64 | notify u8
 * | attempts u16 | next_ms i64 | address, orcpt, from_id, transport (texts) | count u32 of results
 * (proto_deliver.c). e.g. "\x04"
 * "\x00\x06\x40\x00\x00\x00\x00\x01" "\x00" "\x99\xaa\xbb\xcc\xdd\xee\xff\x00" "\x00" "\x00\x00"
 * "\x00\x00\x01\x93\x6f\x1a\x2b\x3c"
 *      "\x00\x00\x00\x0bc@d.example" "\x00\x00\x00\x00" "\x00\x00\x00\x00" "\x00\x00\x00\x00"
 * "\x00\x00\x00\x00" */
static void put_rcpt(struct buf *b, const struct rcpt_row *r, const struct deliver_result *results)
{
    wire_put_u8(b, RCPT_VERSION);
    wire_put_u64(b, r->message);
    wire_put_u8(b,
                (uint8_t)((r->held ? 1u : 0u) | (r->delay_told ? 2u : 0u) | (r->again ? 4u : 0u) |
                          (r->is_ordinary ? 8u : 0u) | (unsigned)r->tls << TLS_SHIFT));
    wire_put_u64(b, r->account);
    wire_put_u8(b, r->notify);
    wire_put_u16(b, r->attempts);
    wire_put_i64(b, r->next_ms);
    wire_put_text(b, r->address);
    wire_put_text(b, r->orcpt);
    wire_put_text(b, r->from_id);
    wire_put_text(b, r->transport);
    wire_put_u32(b, r->results_n);
    for (uint32_t i = 0; i < r->results_n; i++)
        deliver_result_put(b, &results[i]);
}

/* Cuts a text, at no place within a character, and says so where there is room; returns how many
 * octets that saves. */
static size_t cut_text(char *text, size_t keep)
{
    static const char mark[] = " [...]";
    size_t n = strnlen(text, PROTO_TEXT_MAX), marked = keep > 20 ? strlen(mark) : 0;
    if (n <= keep)
        return 0;
    size_t at = keep - marked;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    memcpy(text + at, mark, marked);
    text[at + marked] = '\0';
    return n - at - marked;
}

/* Of all but the last attempt, leaves out what TLS was like in detail, until the row fits. Returns
 * how much too long it still is. */
static size_t leave_out_details(struct deliver_result *results, uint32_t n, size_t too_long)
{
    for (uint32_t i = 0; i + 1 < n && too_long > 0; i++) {
        size_t saved = cut_text(results[i].tls_peer, 0) + cut_text(results[i].tls_record, 0) +
                       cut_text(results[i].tls_name, 0);
        too_long -= saved < too_long ? saved : too_long;
    }
    return too_long;
}

/* Cuts reply, error and rcpt_reply, the oldest results first, until the row, too long by that much,
 * fits or nothing is left to cut. The last attempt is what people ask for: it keeps eight times as
 * much as those before it. */
static void shorten(struct deliver_result *results, uint32_t n, size_t too_long)
{
    too_long = leave_out_details(results, n, too_long);
    for (size_t keep = TEXT_KEPT;; keep /= 2) {
        for (uint32_t i = 0; i < n && too_long > 0; i++) {
            size_t most = i + 1 == n ? 8 * keep : keep;
            size_t saved = cut_text(results[i].reply, most) + cut_text(results[i].error, most) +
                           cut_text(results[i].rcpt_reply, keep);
            too_long -= saved < too_long ? saved : too_long;
        }
        if (too_long == 0 || keep == 0)
            return;
    }
}

void rcpt_row_put(struct buf *b, const struct rcpt_row *r)
{
    size_t before = b->n;
    put_rcpt(b, r, r->results);
    size_t size = b->n - before;
    if (size <= ROW_MAX || r->results_n == 0)
        return;
    struct deliver_result *cut = mem_array(r->results_n, sizeof *cut);
    for (uint32_t i = 0; i < r->results_n; i++)
        deliver_result_copy(&cut[i], &r->results[i]);
    shorten(cut, r->results_n, size - ROW_MAX);
    buf_cut(b, before);
    put_rcpt(b, r, cut);
    for (uint32_t i = 0; i < r->results_n; i++)
        deliver_result_clear(&cut[i]);
    mem_free(&cut);
}

static void get_results(struct wire *w, struct deliver_result **results, uint32_t *n)
{
    *n = wire_count(w, RESULTS_MAX, 79);
    *results = mem_array(*n, sizeof **results);
    for (uint32_t i = 0; i < *n; i++)
        deliver_result_get(w, &(*results)[i]);
}

int rcpt_row_read(struct span s, struct rcpt_row *r)
{
    struct wire w = wire_open(s);
    *r = (struct rcpt_row){0};
    if (wire_u8(&w) != RCPT_VERSION)
        wire_fail(&w);
    r->message = wire_u64(&w);
    uint8_t flags = wire_enum(&w, RCPT_FLAGS);
    r->held = (flags & 1) != 0;
    r->delay_told = (flags & 2) != 0;
    r->again = (flags & 4) != 0;
    r->is_ordinary = (flags & 8) != 0;
    r->tls = (enum admin_tls)(flags >> TLS_SHIFT);
    r->account = wire_u64(&w);
    r->notify = wire_enum(&w, 16);
    r->attempts = wire_u16(&w);
    r->next_ms = wire_i64(&w);
    r->address = wire_text(&w, PROTO_ADDRESS_MAX);
    r->orcpt = wire_text(&w, PROTO_ADDRESS_MAX);
    r->from_id = wire_text(&w, PROTO_NAME_MAX);
    r->transport = wire_text(&w, PROTO_NAME_MAX);
    get_results(&w, &r->results, &r->results_n);
    if (r->next_ms < 0 || strlen(address_domain(r->address)) > PROTO_NAME_MAX)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    rcpt_row_clear(r);
    return -1;
}

static uint64_t number_at(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* Not with a wire cursor, number by number: this is what a list does a million times. */
int rcpt_row_peek(struct span s, struct rcpt_peek *r)
{
    enum { MESSAGE = 1, FLAGS = 9, ACCOUNT = 10, ATTEMPTS = 19, NEXT = 21, TEXTS = 29 };
    if (s.n < TEXTS || s.p[0] != RCPT_VERSION || s.p[FLAGS] >= RCPT_FLAGS)
        return -1;
    r->message = number_at(s.p + MESSAGE);
    r->held = (s.p[FLAGS] & 1) != 0;
    r->account = number_at(s.p + ACCOUNT);
    r->attempts = (uint16_t)(s.p[ATTEMPTS] << 8 | s.p[ATTEMPTS + 1]);
    r->next_ms = (int64_t)number_at(s.p + NEXT);
    struct wire w = wire_open(span_of(s.p + TEXTS, s.n - TEXTS));
    r->address = wire_span(&w, PROTO_ADDRESS_MAX);
    (void)wire_span(&w, PROTO_ADDRESS_MAX); /* orcpt, from_id */
    (void)wire_span(&w, PROTO_NAME_MAX);
    r->transport = wire_span(&w, PROTO_NAME_MAX);
    return w.bad ? -1 : 0;
}

void rcpt_row_clear(struct rcpt_row *r)
{
    for (uint32_t i = 0; i < r->results_n; i++)
        deliver_result_clear(&r->results[i]);
    mem_free(&r->results);
    mem_free(&r->address);
    mem_free(&r->orcpt);
    mem_free(&r->from_id);
    mem_free(&r->transport);
    r->results_n = 0;
}

void rcpt_row_add_result(struct rcpt_row *r, const struct deliver_result *result)
{
    r->results = mem_resize(r->results, (r->results_n + 1) * sizeof *r->results);
    deliver_result_copy(&r->results[r->results_n++], result);
}

uint32_t rcpt_row_flags(const struct rcpt_row *r, uint32_t flags)
{
    static const uint32_t word[ADMIN_TLSES] = {
        [ADMIN_TLS_REQUIRED] = SUBMIT_REQUIRE_TLS, [ADMIN_TLS_OPTIONAL] = SUBMIT_TLS_OPTIONAL};
    if (r->tls == ADMIN_TLS_DEFAULT)
        return flags;
    return (flags & ~(uint32_t)(SUBMIT_REQUIRE_TLS | SUBMIT_TLS_OPTIONAL)) | word[r->tls];
}

char *result_line(const struct deliver_result *r)
{
    const char *text = r->reply[0] != '\0' ? r->reply : r->error;
    return mem_textn(text, strcspn(text, "\n"));
}

const char *result_said(const struct deliver_result *r, char out[ENHANCED_SIZE])
{
    struct enhanced e = {0};
    unsigned class = r->code / 100u;
    bool whole = strcmp(r->stage, RESULT_OF_REPORT) == 0 || r->reply[0] == '\0';
    if (!whole)
        e = enhanced_in_reply(r->reply, class);
    else if (class >= 2 && class <= 5 && enhanced_parse(span_text(r->enhanced), &e) == 0)
        e.class = (unsigned char)class;
    return enhanced_format(e, out);
}

char *rcpt_row_last_line(const struct rcpt_row *r)
{
    return r->results_n == 0 ? mem_text("") : result_line(&r->results[r->results_n - 1]);
}

const char *address_domain(const char *address)
{
    const char *at = strrchr(address, '@');
    return at == NULL ? "" : at + 1;
}

/* retired row: version u8 (3) | keep_until i64 | item (proto_admin.c). e.g. "\x03"
 * "\x00\x00\x01\x93\x7f\x00\x00\x00" "..." */
void retired_row_put(struct buf *b, const struct retired_row *r)
{
    wire_put_u8(b, RETIRED_VERSION);
    wire_put_i64(b, r->keep_until_ms);
    admin_item_put(b, &r->item);
}

int retired_row_read(struct span s, struct retired_row *r)
{
    struct wire w = wire_open(s);
    *r = (struct retired_row){0};
    if (wire_u8(&w) != RETIRED_VERSION)
        wire_fail(&w);
    r->keep_until_ms = wire_i64(&w);
    admin_item_get(&w, &r->item);
    if (wire_end(&w) == 0)
        return 0;
    retired_row_clear(r);
    return -1;
}

int retired_row_peek(struct span s, struct admin_peek *r)
{
    struct wire w = wire_open(s);
    if (wire_u8(&w) != RETIRED_VERSION)
        wire_fail(&w);
    (void)wire_i64(&w);
    admin_row_peek(&w, r);
    return w.bad ? -1 : 0;
}

void retired_row_clear(struct retired_row *r)
{
    admin_item_clear(&r->item);
}

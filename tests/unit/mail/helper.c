/* Lets scripts use lib/mail: what peers written by others are compared with.
 *
 *     helper key ALGORITHM                                  a new private key in PEM
 *     helper record KEYFILE                                 its DNS record
 *     helper sign KEYFILE DOMAIN SELECTOR CHUNK < message   the message signed, hashed in pieces
 *     helper compose < values                               a message
 *     helper dsn < values                                   a notification
 *     helper read-dsn < notification                        what our reader makes of it: strings,
 * NUL behind each
 *
 * Values come as "name length\n", so many octets, "\n". A value of several strings has NULs
 * between. What there is to say about a message besides its octets goes to standard error. */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ascii.h"
#include "compose.h"
#include "dkimkey.h"
#include "dsn.h"
#include "dsnread.h"
#include "file.h"
#include "header.h"
#include "mem.h"

enum { INPUT_MAX = 64 << 20, MANY = 64 };

_Noreturn static void die(const char *why)
{
    fprintf(stderr, "helper: %s\n", why);
    exit(1);
}

static void write_out(struct buf *b)
{
    if (file_write_all(STDOUT_FILENO, buf_span(b).p, b->n) < 0)
        die("cannot write");
    buf_free(b);
}

static struct buf read_input(void)
{
    struct buf in = {0};
    ssize_t n;
    while ((n = read(STDIN_FILENO, buf_room(&in, 65536), 65536)) > 0) {
        buf_grew(&in, (size_t)n);
        if (in.n > INPUT_MAX)
            die("input is too long");
    }
    return in;
}

static EVP_PKEY *read_key(const char *path)
{
    struct buf pem = {0};
    struct fail f;
    EVP_PKEY *key = NULL;
    if (file_read(AT_FDCWD, path, 65536, &pem, &f) == 0)
        key = dkimkey_read_pem(buf_span(&pem), &f);
    if (key == NULL)
        die(f.text);
    buf_wipe(&pem);
    return key;
}

static void make_key(const char *algorithm)
{
    struct fail f;
    struct buf pem = {0};
    bool rsa = strcmp(algorithm, "rsa-sha256") == 0;
    EVP_PKEY *key = dkimkey_generate(rsa ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256, &f);
    if (key == NULL)
        die(f.text);
    dkimkey_write_pem(key, &pem);
    EVP_PKEY_free(key);
    write_out(&pem);
}

static void show_record(const char *path)
{
    struct buf out = {0};
    EVP_PKEY *key = read_key(path);
    dkimkey_record(key, &out);
    EVP_PKEY_free(key);
    write_out(&out);
}

static void hash_body(struct dkim *dkim, struct span body, size_t chunk, unsigned char *digest)
{
    struct dkim_body *hash = dkim_body_new(dkim, DKIMCANON_RELAXED);
    while (body.n > 0) {
        size_t n = body.n < chunk ? body.n : chunk;
        dkim_body_update(hash, span_of(body.p, n));
        body = span_of(body.p + n, body.n - n);
    }
    dkim_body_final(hash, digest);
    dkim_body_free(&hash);
}

static void sign(char **argv)
{
    struct buf message = read_input(), signature = {0}, out = {0};
    struct span m = buf_span(&message);
    EVP_PKEY *key = read_key(argv[0]);
    struct dkim *dkim = dkim_new();
    struct dkim_signer signer = {.domain = argv[1],
                                 .selector = argv[2],
                                 .algorithm = dkimkey_algorithm(key),
                                 .time = 1528637909};
    unsigned char digest[DKIM_DIGEST];
    struct dkim_pending pending;
    struct fail f;
    size_t end = header_end(m);
    hash_body(dkim, span_of(m.p + end, m.n - end), strtoul(argv[3], NULL, 10), digest);
    if (dkim_prepare(dkim, &signer, span_of(m.p, end), digest, &pending, &f) < 0 ||
        dkimkey_sign(key, signer.algorithm, pending.digest, &signature, &f) < 0)
        die(f.text);
    dkim_finish(&pending, buf_span(&signature), &out);
    buf_put_span(&out, m);
    write_out(&out);
    dkim_pending_clear(&pending);
    dkim_free(&dkim);
    EVP_PKEY_free(key);
    buf_free(&signature);
    buf_free(&message);
}

/* The next value off *rest. */
static bool next_value(struct span *rest, struct span *name, struct span *value)
{
    uint64_t n;
    ssize_t space = span_find(*rest, ' '), lf = span_find(*rest, '\n');
    if (rest->n == 0)
        return false;
    if (space < 0 || lf < space ||
        ascii_u64(span_of(rest->p + space + 1, (size_t)(lf - space - 1)), rest->n, &n) < 0 ||
        (size_t)lf + 1 + n + 1 > rest->n)
        die("malformed input");
    *name = span_of(rest->p, (size_t)space);
    *value = span_of(rest->p + lf + 1, (size_t)n);
    *rest = span_of(rest->p + lf + 1 + n + 1, rest->n - (size_t)lf - 1 - (size_t)n - 1);
    return true;
}

/* The strings of a value. */
static void strings(struct span value, struct span *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ssize_t at = i + 1 < n ? span_find(value, '\0') : (ssize_t)value.n;
        if (at < 0)
            die("a value has too few strings");
        out[i] = span_of(value.p, (size_t)at);
        size_t used = (size_t)at + (i + 1 < n);
        value = span_of(value.p + used, value.n - used);
    }
}

static struct address addresses[4 * MANY];
static size_t n_addresses;

static const struct address *make_address(struct span text)
{
    struct address *a = &addresses[n_addresses++];
    struct fail f;
    assert(n_addresses < 4 * MANY);
    if (address_parse(text, a, &f) < 0)
        die(f.text);
    return a;
}

static void clear_addresses(void)
{
    while (n_addresses > 0)
        address_clear(&addresses[--n_addresses]);
}

struct composing {
    struct compose in;
    struct compose_mailbox mailboxes[4][MANY];
    struct mimepart_file files[3][MANY];
    struct compose_field fields[MANY];
    struct span references[MANY];
};

static bool add_mailbox(struct composing *c, struct span name, struct span value)
{
    static const char *const names[] = {"from", "to", "cc", "reply-to"};
    struct compose_mailboxes *lists[] = {&c->in.from, &c->in.to, &c->in.cc, &c->in.reply_to};
    struct span s[2];
    for (size_t i = 0; i < 4; i++) {
        if (!span_is(name, names[i]))
            continue;
        strings(value, s, 2);
        assert(lists[i]->n < MANY);
        c->mailboxes[i][lists[i]->n++] = (struct compose_mailbox){s[0], make_address(s[1])};
        lists[i]->list = c->mailboxes[i];
        return true;
    }
    return false;
}

static bool add_file(struct composing *c, struct span name, struct span value)
{
    static const char *const names[] = {"alternative", "inline", "attached"};
    struct compose_files *lists[] = {&c->in.alternative, &c->in.inlined, &c->in.attached};
    struct span s[4];
    for (size_t i = 0; i < 3; i++) {
        if (!span_is(name, names[i]))
            continue;
        strings(value, s, 4);
        assert(lists[i]->n < MANY);
        c->files[i][lists[i]->n++] = (struct mimepart_file){
            .name = s[0], .content_type = s[1], .content_id = s[2], .data = s[3]};
        lists[i]->list = c->files[i];
        return true;
    }
    return false;
}

static void add_value(struct composing *c, struct span name, struct span value)
{
    struct compose *in = &c->in;
    struct span s[2];
    if (span_is(name, "subject"))
        in->subject = value;
    else if (span_is(name, "text"))
        in->text = value;
    else if (span_is(name, "html"))
        in->html = value;
    else if (span_is(name, "message-id"))
        in->message_id = value;
    else if (span_is(name, "reference"))
        c->references[in->n_references++] = value;
    else if (span_is(name, "field"))
        strings(value, s, 2), c->fields[in->n_fields++] = (struct compose_field){s[0], s[1]};
    else if (!add_mailbox(c, name, value) && !add_file(c, name, value))
        die("unknown value");
}

static void make_message(void)
{
    struct buf input = read_input();
    struct span rest = buf_span(&input), name, value;
    struct composing *c = mem_zero(sizeof *c);
    struct composed out;
    enum compose_refusal why;
    struct fail f;
    while (next_value(&rest, &name, &value))
        add_value(c, name, value);
    c->in.hostname = "mail.example.org";
    c->in.date_ms = INT64_C(1136239445000);
    c->in.zone_min = -420;
    c->in.references = c->references;
    c->in.fields = c->fields;
    if (compose_message(&c->in, &out, &why, &f) < 0)
        die(f.text);
    fprintf(stderr, "8bit=%d smtputf8=%d id=%s\n", out.has_8bit, out.needs_smtputf8,
            out.message_id);
    struct buf whole = {0};
    if (composed_write(&out, &whole, &f) < 0)
        die(f.text);
    write_out(&whole);
    composed_clear(&out);
    clear_addresses();
    mem_free(&c);
    buf_free(&input);
}

struct reporting {
    struct dsn in;
    struct dsn_recipient recipients[MANY];
    struct span replies[MANY][MANY];
};

static enum dsn_action action_named(struct span name)
{
    static const char *const names[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
    for (size_t i = 0; i < 5; i++) {
        if (span_is(name, names[i]))
            return (enum dsn_action)i;
    }
    die("unknown action");
}

/* address, action, status, reason, host, address of the host, original recipient */
static void add_recipient(struct reporting *r, struct span value)
{
    struct span s[7];
    strings(value, s, 7);
    assert(r->in.n_recipients < MANY);
    size_t i = r->in.n_recipients++;
    r->recipients[i] = (struct dsn_recipient){
        .address = make_address(s[0]),
        .action = action_named(s[1]),
        .status = s[2],
        .reason = s[3],
        .remote_host = s[4],
        .remote_ip = s[5],
        .original = s[6],
        .reply = r->replies[i],
        .last_attempt_ms = INT64_C(1136239445000),
        .retry_until_ms = INT64_C(1136243045000),
    };
}

static void add_report_value(struct reporting *r, struct span name, struct span value)
{
    if (span_is(name, "to"))
        r->in.to = make_address(value);
    else if (span_is(name, "header"))
        r->in.header = value;
    else if (span_is(name, "message"))
        r->in.message = value;
    else if (span_is(name, "envelope-id"))
        r->in.envelope_id = value;
    else if (span_is(name, "smtputf8"))
        r->in.smtputf8 = true;
    else if (span_is(name, "recipient"))
        add_recipient(r, value);
    else if (span_is(name, "reply")) /* one line, of the last recipient */
        r->replies[r->in.n_recipients - 1][r->recipients[r->in.n_recipients - 1].n_reply++] = value;
    else
        die("unknown value");
}

static void make_report(void)
{
    struct buf input = read_input();
    struct span rest = buf_span(&input), name, value;
    struct reporting *r = mem_zero(sizeof *r);
    struct dsn_message out;
    while (next_value(&rest, &name, &value))
        add_report_value(r, name, value);
    r->in.hostname = "mail.example.org";
    r->in.from = make_address(span_text("postmaster@mail.example.org"));
    r->in.recipients = r->recipients;
    r->in.arrival_ms = INT64_C(1136235845000);
    r->in.now_ms = INT64_C(1136239445000);
    dsn_compose(&r->in, &out);
    fprintf(stderr, "8bit=%d smtputf8=%d id=%s\n", out.has_8bit, out.needs_smtputf8,
            out.message_id);
    write_out(&out.message);
    dsn_clear(&out);
    clear_addresses();
    mem_free(&r);
    buf_free(&input);
}

/* Reporting-MTA, ENVID; of each recipient: final, original, action, enhanced code, diagnostic. */
static void read_report(void)
{
    struct buf input = read_input(), out = {0};
    struct mimeread m;
    struct dsnread d;
    mimeread_parse(&m, buf_span(&input), NULL);
    dsnread_parse(&d, &m, NULL);
    if (d.kind != DSNREAD_REPORT)
        die("no report");
    buf_putf(&out, "%s%c%s%c", d.reporting_mta, 0, d.envelope_id, 0);
    for (size_t i = 0; i < d.n; i++) {
        const struct dsnread_recipient *r = &d.recipients[i];
        buf_putf(&out, "%s%c%s%c%s%c%s%c%s%c", r->final, 0, r->original, 0,
                 dsnread_action_name(r->action), 0, r->code.enhanced, 0, r->diagnostic, 0);
    }
    write_out(&out);
    dsnread_clear(&d);
    mimeread_clear(&m);
    buf_free(&input);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "key") == 0 && argc == 3)
        make_key(argv[2]);
    else if (strcmp(what, "record") == 0 && argc == 3)
        show_record(argv[2]);
    else if (strcmp(what, "sign") == 0 && argc == 6)
        sign(argv + 2);
    else if (strcmp(what, "compose") == 0 && argc == 2)
        make_message();
    else if (strcmp(what, "dsn") == 0 && argc == 2)
        make_report();
    else if (strcmp(what, "read-dsn") == 0 && argc == 2)
        read_report();
    else
        die("usage: see the top of helper.c");
    return 0;
}

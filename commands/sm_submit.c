#include "sm_submit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"
#include "sm_envelope.h"
#include "sm_exit.h"
#include "sm_input.h"
#include "sm_message.h"
#include "sm_say.h"
#include "sm_session.h"

#define CONNECT_MS 30000

enum {
    BUSY_MS = 60000, /* how long a server may turn us away */
    PAUSE_MS = 50,   /* before it is asked again; doubled each time, up to */
    PAUSE_MAX_MS = 1600,
};

struct submission {
    const struct sm_options *o;
    const struct sm_site *site;
    struct addrlist recipients;
    struct address sender, login; /* login: the caller's own address */
    bool null_sender, own_sender; /* own: nobody said another */
    struct sm_input input;
    struct sm_parts parts;
    struct buf header;
    struct sm_envelope envelope;
    struct fail fail;
};

static int read_operands(struct submission *s)
{
    for (size_t i = 0; i < s->o->operands_n; i++) {
        if (sm_envelope_operand(s->o->operands[i], s->site->mailname, &s->recipients, &s->fail) !=
            0)
            return EX_USAGE;
    }
    if (s->recipients.n > 0 || s->o->from_header)
        return 0;
    (void)fail_set(&s->fail, "no recipients: name them, or give -t if they are in the header");
    return EX_USAGE;
}

static int read_sender(struct submission *s, const char *text)
{
    if (sm_envelope_sender(text, s->site->mailname, &s->sender, &s->null_sender, &s->fail) != 0)
        return EX_USAGE;
    s->own_sender = !s->null_sender && address_equal(&s->sender, &s->login);
    return 0;
}

static int find_sender(struct submission *s)
{
    const struct sm_site *site = s->site;
    if (address_make(span_text(site->login), span_text(site->mailname), &s->login, &s->fail) != 0)
        return EX_OSFILE;
    if (s->o->sender != NULL)
        return read_sender(s, s->o->sender);
    address_copy(&s->sender, &s->login);
    s->own_sender = true;
    return 0;
}

/* The lines before the header, which tell rmail who the sender is. */
static int take_from_lines(struct submission *s)
{
    struct span text = buf_span(&s->input.text);
    size_t n = sm_message_from_lines(text);
    char *sender = NULL;
    int code = 0;
    if (s->o->rmail && s->o->sender == NULL && n > 0) {
        ssize_t end = span_find(text, '\n');
        sender = sm_message_rmail_sender(span_of(text.p, (size_t)end));
    }
    if (sender != NULL) {
        address_clear(&s->sender);
        code = read_sender(s, sender);
        mem_free(&sender);
    }
    buf_drop(&s->input.text, n);
    return code;
}

static int read_message(struct submission *s, int fd)
{
    s->input = (struct sm_input){.ignore_dots = s->o->ignore_dots, .max = SM_INPUT_MAX};
    int code = sm_input_read(&s->input, fd, &s->fail);
    if (code == 0)
        code = take_from_lines(s);
    if (code != 0)
        return code;
    s->parts = sm_message_split(buf_span(&s->input.text));
    if (s->o->from_header &&
        sm_message_recipients(s->parts.header, s->site->mailname, &s->recipients, &s->fail) != 0)
        return EX_DATAERR;
    if (s->recipients.n > 0)
        return 0;
    (void)fail_set(&s->fail, "no recipients: there are none in the header");
    return EX_USAGE;
}

static int local_zone_min(int64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    return localtime_r(&t, &tm) != NULL ? (int)(tm.tm_gmtoff / 60) : 0;
}

/* A caller's own name does not go beside somebody else's address. */
static void write_header(struct submission *s)
{
    struct sm_author author = {
        .address = s->null_sender ? &s->login : &s->sender,
        .domain = s->site->mailname,
        .date_ms = clock_wall_ms(),
    };
    author.zone_min = local_zone_min(author.date_ms);
    if (s->o->name != NULL)
        author.name = span_text(s->o->name);
    else if (s->own_sender)
        author.name = span_text(s->site->name);
    sm_message_header(&s->header, s->parts.header, s->o->gateway ? NULL : &author);
}

static void show_line(bool sent, struct span line)
{
    sm_say(sent ? "<" : ">", line);
}

/* One attempt; *busy as for sm_session_run. */
static int hand_over_once(struct submission *s, const struct sm_job *job, const char *path,
                          struct buf *complaints, bool *busy)
{
    struct sm_link link;
    *busy = false;
    if (sm_link_open(&link, path, CONNECT_MS, s->o->verbose ? show_line : NULL, &s->fail) != 0) {
        int code = sm_exit_unreachable(errno);
        if (code == EX_TEMPFAIL)
            (void)fail_prefix(&s->fail,
                              "the message was not queued, the mail system does not answer");
        return code;
    }
    int code = sm_session_run(&link, job, complaints, busy);
    sm_link_close(&link);
    return code;
}

/* A server that has no place for one more of this user's connections has one soon, and one that
 * went away is started again. To give up at once would lose mail: few callers try again, and some
 * take EX_TEMPFAIL for success. */
static int hand_over_patiently(struct submission *s, const struct sm_job *job, const char *path,
                               struct buf *complaints)
{
    int64_t until = clock_mono_ms() + BUSY_MS;
    size_t before = complaints->n;
    bool busy;
    for (int pause = PAUSE_MS;; pause = pause < PAUSE_MAX_MS ? 2 * pause : pause) {
        int code = hand_over_once(s, job, path, complaints, &busy);
        if (!busy || clock_mono_ms() + pause > until)
            return code;
        buf_cut(complaints, before);
        /* Those who were turned away together do not come back together. */
        (void)poll(NULL, 0, pause + getpid() % PAUSE_MS);
    }
}

static int hand_over(struct submission *s, struct buf *complaints)
{
    char *path = mem_format("%s/submit.sock", s->site->run_dir);
    struct sm_job job = {
        .own_name = s->site->mailname,
        .envelope = &s->envelope,
        .mail = &s->o->mail,
        .rcpt = &s->o->rcpt,
        .eight_bit = s->input.eight_bit,
        .smtputf8_off = s->o->smtputf8_off,
        .header = buf_span(&s->header),
        .between = span_text("\r\n"),
        .body = s->parts.body,
    };
    int code = hand_over_patiently(s, &job, path, complaints);
    mem_free(&path);
    return code;
}

static void clear(struct submission *s)
{
    addrlist_clear(&s->recipients);
    address_clear(&s->sender);
    address_clear(&s->login);
    buf_free(&s->input.text);
    buf_free(&s->header);
    sm_envelope_clear(&s->envelope);
}

int sm_submit(const struct sm_options *o, const struct sm_site *site, int fd,
              struct buf *complaints)
{
    struct submission s = {.o = o, .site = site};
    int code = read_operands(&s);
    if (code == 0)
        code = find_sender(&s);
    if (code == 0)
        code = read_message(&s, fd);
    if (code == 0) {
        sm_envelope_make(&s.envelope, s.null_sender ? NULL : &s.sender, &s.recipients);
        write_header(&s);
        code = hand_over(&s, complaints);
    }
    if (s.fail.text[0] != '\0')
        buf_putf(complaints, "%s\n", s.fail.text);
    clear(&s);
    return code;
}

static void print_recipients(const struct addrlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct address *a = &list->items[i].address;
        char *text = address_text(a);
        (void)printf("%s: a recipient%s\n", text, a->utf8 ? ", needs SMTPUTF8" : "");
        mem_free(&text);
    }
}

int sm_submit_verify(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    int code = EX_OK;
    for (size_t i = 0; i < o->operands_n; i++) {
        struct addrlist list = {0};
        struct fail f;
        if (sm_envelope_operand(o->operands[i], site->mailname, &list, &f) == 0) {
            print_recipients(&list);
        } else {
            buf_putf(complaints, "%s\n", f.text);
            code = EX_DATAERR;
        }
        addrlist_clear(&list);
    }
    return code;
}

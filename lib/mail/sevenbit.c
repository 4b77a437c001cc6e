#include "sevenbit.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "ascii.h"
#include "base64.h"
#include "header.h"
#include "mem.h"
#include "mimefield.h"
#include "quotedprintable.h"

#define LINE_OF_7BIT 998 /* RFC 2045 section 2.7, octets */

/* How a part is written. */
enum form {
    FORM_KEEP,
    FORM_RELABEL, /* it is said to have octets above 127 and has none */
    FORM_QUOTED,
    FORM_BASE64,
};

/* What a part's header says of it. */
enum label { LABEL_7BIT, LABEL_8BIT, LABEL_ENCODED };

struct part {
    bool text, fixed; /* fixed: it cannot be encoded */
    bool odd;         /* it has NULs, or longer lines than 7bit and 8bit have */
    enum label label;
    enum form form;
    uint64_t octets, high, quoted, pieces; /* of its content; quoted: that would be written "=XX" */
};

struct sevenbit_plan {
    struct part *parts;
    size_t n, room;
    uint64_t octets; /* of the message, line ends as CR LF */
};

/* A multipart whose delimiters are looked for. */
struct level {
    char *boundary;
    size_t n;
    bool digest, sealed; /* sealed: its parts are to stay as they are */
    bool open;           /* a delimiter was seen */
    bool high;           /* octets above 127 before the first one */
};

enum field { FIELD_OTHER, FIELD_TYPE, FIELD_ENCODING, FIELD_VERSION };

struct sevenbit {
    struct sevenbit_plan *plan; /* its own, the first time */
    const struct sevenbit_plan *given;
    sevenbit_sink *sink;
    void *arg;
    struct buf out, line;
    bool inside; /* of a line: some of it was taken */
    bool finished;
    bool unended; /* of a line some was written, and not its end */
    const char *why;
    struct level levels[SEVENBIT_DEPTH_MAX];
    size_t depth;
    /* the part at hand */
    size_t part, parts; /* its number; how many there were */
    bool in_header, message, sealed;
    bool digest; /* in such a multipart */
    bool aside;  /* not in the part, but before its own parts or behind them */
    enum field field;
    bool again; /* the field came before */
    bool seen[FIELD_VERSION + 1];
    struct buf type, encoding;
    struct buf content; /* FORM_BASE64: what makes no whole line yet */
    bool line_end;      /* FORM_BASE64: and a line end, unless it is the delimiter's */
};

static void refuse(struct sevenbit *s, const char *why)
{
    if (s->why == NULL)
        s->why = why;
}

static struct part *part_looked_at(struct sevenbit *s)
{
    return s->plan == NULL ? NULL : &s->plan->parts[s->part];
}

static enum form form(const struct sevenbit *s)
{
    return s->given == NULL ? FORM_KEEP : s->given->parts[s->part].form;
}

static size_t count_high(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] >> 7;
    return n;
}

static void put_line(struct sevenbit *s, struct span text, bool ends)
{
    if (s->given == NULL)
        return;
    buf_put_span(&s->out, text);
    if (ends)
        buf_puts(&s->out, "\r\n");
    s->unended = !ends;
}

/* ---- the content of a part ---- */

static size_t count_quoted(struct span s)
{
    size_t n = s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t') ? 1 : 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] > 0x7e || s.p[i] == '=' || (s.p[i] < ' ' && s.p[i] != '\t') ? 1 : 0;
    return n;
}

static void look_at(struct sevenbit *s, struct span text, bool ends)
{
    struct part *p = part_looked_at(s);
    size_t high = count_high(text);
    p->octets += text.n + (ends ? 2 : 0);
    p->high += high;
    p->quoted += count_quoted(text);
    p->odd = p->odd || s->inside || text.n > LINE_OF_7BIT || span_find(text, '\0') >= 0;
    p->pieces++;
    if (high == 0)
        return;
    if (s->sealed)
        refuse(s, "8-bit octets in a part that is signed or encrypted as it stands");
    else if (p->fixed)
        refuse(s, "8-bit octets in a part that cannot be encoded");
    else if (p->label == LABEL_ENCODED)
        refuse(s, "8-bit octets in a part that is said to be encoded");
}

/* Whole lines of 76 columns, or all there is. */
static void put_base64(struct sevenbit *s, bool all)
{
    struct span have = buf_span(&s->content);
    size_t n = all ? have.n : have.n / 57 * 57;
    base64_encode_lines(&s->out, span_of(have.p, n));
    buf_drop(&s->content, n);
}

static void take_content(struct sevenbit *s, struct span text, bool ends)
{
    if (s->plan != NULL) {
        look_at(s, text, ends);
        return;
    }
    switch (form(s)) {
    case FORM_QUOTED:
        if (s->inside)
            quotedprintable_go_on(&s->out, text);
        else
            quotedprintable_encode(&s->out, text);
        buf_puts(&s->out, ends ? "\r\n" : "=\r\n");
        break;
    case FORM_BASE64:
        if (s->line_end)
            buf_puts(&s->content, "\r\n");
        buf_put_span(&s->content, text);
        s->line_end = ends;
        put_base64(s, false);
        break;
    default:
        put_line(s, text, ends);
    }
}

/* at_delimiter: the last line end is not the content's. */
static void end_content(struct sevenbit *s, bool at_delimiter)
{
    if (form(s) != FORM_BASE64 || s->aside || s->in_header)
        return;
    if (s->line_end && !at_delimiter)
        buf_puts(&s->content, "\r\n");
    put_base64(s, true);
    s->line_end = false;
}

static void take_aside(struct sevenbit *s, struct span text, bool ends)
{
    size_t high = count_high(text);
    if (high > 0 && s->sealed)
        refuse(s, "8-bit octets in a part that is signed or encrypted as it stands");
    if (high > 0 && s->depth > 0 && !s->levels[s->depth - 1].open)
        s->levels[s->depth - 1].high = true;
    if (s->given == NULL)
        return;
    for (size_t i = 0; i < text.n; i++)
        buf_putc(&s->out, text.p[i] < 0x80 ? text.p[i] : '?');
    if (ends)
        buf_puts(&s->out, "\r\n");
}

/* ---- headers ---- */

/* message: of a message, and not of a part of one. */
static void begin_part(struct sevenbit *s, bool message)
{
    struct sevenbit_plan *p = s->plan;
    s->in_header = true;
    s->aside = false;
    s->message = message;
    s->field = FIELD_OTHER;
    memset(s->seen, 0, sizeof s->seen);
    buf_clear(&s->type);
    buf_clear(&s->encoding);
    if (s->parts == SEVENBIT_PARTS_MAX) {
        refuse(s, "too many parts");
        return;
    }
    s->part = s->parts++;
    if (p == NULL) {
        assert(s->part < s->given->n);
        return;
    }
    if (p->parts == NULL || p->n == p->room) {
        p->room = p->room == 0 ? 8 : p->room * 2;
        p->parts = mem_resize(p->parts, p->room * sizeof p->parts[0]);
    }
    p->parts[p->n++] = (struct part){0};
}

static enum field field_of(struct span line)
{
    static const char *const names[] = {NULL, "Content-Type", "Content-Transfer-Encoding",
                                        "MIME-Version"};
    ssize_t colon = span_find(line, ':');
    struct span name = ascii_trim(span_of(line.p, colon < 0 ? 0 : (size_t)colon));
    for (int i = FIELD_TYPE; i <= FIELD_VERSION; i++) {
        if (span_is_nocase(name, names[i]))
            return (enum field)i;
    }
    return FIELD_OTHER;
}

static void keep_value(struct buf *value, struct span text)
{
    size_t room = MIMEFIELD_MAX - value->n;
    buf_put(value, text.p, text.n < room ? text.n : room);
}

static void take_header(struct sevenbit *s, struct span text, bool begins, bool ends)
{
    struct span value = text;
    if (count_high(text) > 0)
        refuse(s, "8-bit octets in a header");
    if (begins && text.n > 0 && text.p[0] != ' ' && text.p[0] != '\t') {
        s->field = field_of(text);
        s->again = s->seen[s->field];
        s->seen[s->field] = true;
        size_t skip = s->field == FIELD_OTHER ? 0 : (size_t)span_find(text, ':') + 1;
        value = span_of(text.p + skip, text.n - skip);
    }
    /* Of a field that comes twice the first one counts. */
    if (s->field == FIELD_TYPE && !s->again)
        keep_value(&s->type, value);
    else if (s->field == FIELD_ENCODING && !s->again)
        keep_value(&s->encoding, value);
    if (s->field != FIELD_ENCODING || form(s) == FORM_KEEP)
        put_line(s, text, ends);
}

static enum label label_of(const struct buf *encoding)
{
    static const struct {
        const char *word;
        enum label label;
    } known[] = {
        {"", LABEL_7BIT}, {"7bit", LABEL_7BIT}, {"8bit", LABEL_8BIT}, {"binary", LABEL_8BIT}};
    enum label label = LABEL_ENCODED;
    struct mimefield field;
    mimefield_parse(&field, buf_span(encoding), NULL);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(field.word, known[i].word) == 0)
            label = known[i].label;
    }
    mimefield_clear(&field);
    return label;
}

/* RFC 6532 section 3.5 lets those of message/global be encoded, RFC 2046 section 5.2 no other. */
static bool is_fixed(const char *type)
{
    return strncmp(type, "multipart/", 10) == 0 ||
           (strncmp(type, "message/", 8) == 0 && strncmp(type, "message/global", 14) != 0);
}

static void push_level(struct sevenbit *s, const char *type, struct span boundary)
{
    bool sealed = strcmp(type, "multipart/signed") == 0 || strcmp(type, "multipart/encrypted") == 0;
    s->levels[s->depth++] = (struct level){.boundary = span_dup(boundary),
                                           .n = boundary.n,
                                           .digest = strcmp(type, "multipart/digest") == 0,
                                           .sealed = s->sealed || sealed};
    s->aside = true;
}

static void put_fields(struct sevenbit *s)
{
    static const char *const words[] = {
        [FORM_RELABEL] = "7bit", [FORM_QUOTED] = "quoted-printable", [FORM_BASE64] = "base64"};
    if (form(s) == FORM_KEEP)
        return;
    if (s->unended) /* the header's last line, and the message's */
        buf_puts(&s->out, "\r\n");
    if (s->message && !s->seen[FIELD_VERSION])
        buf_puts(&s->out, "MIME-Version: 1.0\r\n");
    /* RFC 1428: nobody has said which characters these are. */
    if (!s->seen[FIELD_TYPE] && form(s) != FORM_RELABEL)
        buf_puts(&s->out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
    buf_putf(&s->out, "Content-Transfer-Encoding: %s\r\n", words[form(s)]);
}

/* As mimeread.h has it, but for a digest (RFC 2046 section 5.1.5). */
static const char *type_of(const struct sevenbit *s, const struct mimefield *type)
{
    bool none = ascii_trim(buf_span(&s->type)).n == 0;
    if (mimefield_is_media_type(type->word))
        return type->word;
    if (none && s->digest && !s->message)
        return "message/rfc822";
    return none || strcmp(type->word, "text") == 0 ? "text/plain" : "application/octet-stream";
}

/* What follows the header of the part, whose type is known now. */
static void begin_body(struct sevenbit *s, const struct mimefield *type)
{
    const char *word = type_of(s, type);
    enum label label = label_of(&s->encoding);
    struct span boundary = ascii_trim(span_text(mimefield_get(type, "boundary")));
    struct part *p = part_looked_at(s);
    if (p != NULL) {
        p->text = strncmp(word, "text/", 5) == 0;
        p->fixed = is_fixed(word);
        p->label = label;
        p->form = label == LABEL_8BIT && !s->sealed ? FORM_RELABEL : FORM_KEEP;
    }
    if (label == LABEL_ENCODED)
        return;
    if (strcmp(word, "message/rfc822") == 0)
        begin_part(s, true);
    else if (strncmp(word, "multipart/", 10) == 0 && boundary.n > 0 &&
             boundary.n <= SEVENBIT_BOUNDARY_MAX && s->depth < SEVENBIT_DEPTH_MAX)
        push_level(s, word, boundary);
}

/* blank: by an empty line; else what it is in ends here, and there is no body. */
static void end_header(struct sevenbit *s, bool blank)
{
    struct mimefield type;
    mimefield_parse(&type, buf_span(&s->type), NULL);
    if (s->given != NULL)
        put_fields(s);
    if (blank)
        put_line(s, span_of(NULL, 0), true);
    s->in_header = false;
    begin_body(s, &type);
    mimefield_clear(&type);
}

/* ---- lines ---- */

static void drop_levels(struct sevenbit *s, size_t depth)
{
    while (s->depth > depth) {
        struct level *l = &s->levels[--s->depth];
        if (l->high && !l->open)
            refuse(s, "8-bit octets in a multipart without parts");
        mem_free(&l->boundary);
    }
}

/* RFC 2046 section 5.1.1: the boundary and, for the last one, "--"; then nothing but white space.
 */
static bool is_delimiter(const struct level *l, struct span line, bool *last)
{
    struct span rest = span_of(line.p + 2, line.n - 2);
    if (rest.n < l->n || memcmp(rest.p, l->boundary, l->n) != 0)
        return false;
    rest = span_of(rest.p + l->n, rest.n - l->n);
    *last = rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-';
    if (*last)
        rest = span_of(rest.p + 2, rest.n - 2);
    return ascii_trim(rest).n == 0;
}

/* How deep the multipart is whose delimiter the line is, the innermost first; 0: of none. */
static size_t delimited(const struct sevenbit *s, struct span line, bool *last)
{
    size_t k = s->depth;
    if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
        return 0;
    while (k > 0 && !is_delimiter(&s->levels[k - 1], line, last))
        k--;
    return k;
}

/* A delimiter of an outer multipart ends those within. */
static bool take_delimiter(struct sevenbit *s, struct span line, bool ends)
{
    bool last = false;
    size_t k = delimited(s, line, &last);
    if (k == 0)
        return false;
    end_content(s, true);
    while (s->in_header)
        end_header(s, false);
    s->levels[k - 1].open = true;
    drop_levels(s, k);
    put_line(s, line, ends);
    s->sealed = s->levels[k - 1].sealed;
    s->digest = s->levels[k - 1].digest;
    if (last) {
        drop_levels(s, k - 1);
        s->aside = true;
        s->sealed = s->depth > 0 && s->levels[s->depth - 1].sealed;
    } else {
        begin_part(s, false);
    }
    return true;
}

/* A line, or a piece of a long one. begins, ends: it is the line's first, has its line end. */
static void take_line(struct sevenbit *s, struct span text, bool begins, bool ends)
{
    if (s->plan != NULL)
        s->plan->octets += text.n + 2;
    if (s->why != NULL || (begins && (ends || s->finished) && take_delimiter(s, text, ends)))
        return;
    /* White space without end, perhaps. */
    bool last;
    if (begins && !ends && delimited(s, text, &last) > 0) {
        refuse(s, "a delimiter that is too long");
        return;
    }
    if (s->in_header && begins && ends && text.n == 0)
        end_header(s, true);
    else if (s->in_header)
        take_header(s, text, begins, ends);
    else if (s->aside)
        take_aside(s, text, ends);
    else
        take_content(s, text, ends);
}

/* So much of a line is together: what it has is taken, but for a CR that may be of its end. */
static void take_piece(struct sevenbit *s)
{
    struct span have = buf_span(&s->line);
    size_t n = have.p[have.n - 1] == '\r' ? have.n - 1 : have.n;
    take_line(s, span_of(have.p, n), !s->inside, false);
    buf_drop(&s->line, n);
    s->inside = true;
}

static void take_end(struct sevenbit *s, struct span rest)
{
    struct span text = rest;
    if (s->line.n > 0) {
        buf_put_span(&s->line, rest);
        text = buf_span(&s->line);
    }
    if (text.n > 0 && text.p[text.n - 1] == '\r')
        text.n--;
    take_line(s, text, !s->inside, true);
    buf_clear(&s->line);
    s->inside = false;
}

static void pass_on(struct sevenbit *s)
{
    if (s->out.n > 0)
        s->sink(s->arg, buf_span(&s->out));
    buf_clear(&s->out);
}

void sevenbit_feed(struct sevenbit *s, struct span piece)
{
    while (piece.n > 0) {
        size_t room = SEVENBIT_LINE - s->line.n;
        struct span near = span_of(piece.p, piece.n < room ? piece.n : room);
        ssize_t lf = span_find(near, '\n');
        if (lf >= 0) {
            near.n = (size_t)lf;
            take_end(s, near);
            near.n++;
        } else {
            buf_put_span(&s->line, near);
            if (s->line.n == SEVENBIT_LINE)
                take_piece(s);
        }
        piece = span_of(piece.p + near.n, piece.n - near.n);
    }
    pass_on(s);
}

static void finish(struct sevenbit *s)
{
    s->finished = true;
    if (s->line.n > 0)
        take_line(s, buf_span(&s->line), !s->inside, false);
    if (s->why == NULL)
        end_content(s, false);
    while (s->in_header && s->why == NULL)
        end_header(s, false);
    drop_levels(s, 0);
    pass_on(s);
}

/* ---- from outside ---- */

struct sevenbit *sevenbit_look(void)
{
    struct sevenbit *s = mem_zero(sizeof *s);
    s->plan = mem_zero(sizeof *s->plan);
    begin_part(s, true);
    return s;
}

struct sevenbit *sevenbit_convert(const struct sevenbit_plan *plan, sevenbit_sink *sink, void *arg)
{
    struct sevenbit *s = mem_zero(sizeof *s);
    s->given = plan;
    s->sink = sink;
    s->arg = arg;
    begin_part(s, true);
    return s;
}

/* What is mostly ASCII can be read by people in quoted-printable; of the rest base64 makes less.
 * What is said to be binary, and is odd, is no 7bit either. */
static void choose_form(struct part *p)
{
    if (p->high > 0 || (p->form == FORM_RELABEL && p->odd && !p->fixed))
        p->form = p->text && p->quoted <= p->octets / 3 ? FORM_QUOTED : FORM_BASE64;
}

struct sevenbit_plan *sevenbit_looked(struct sevenbit **s, struct fail *f)
{
    struct sevenbit_plan *plan;
    finish(*s);
    for (size_t i = 0; i < (*s)->plan->n; i++)
        choose_form(&(*s)->plan->parts[i]);
    plan = (*s)->plan;
    (*s)->plan = NULL;
    if ((*s)->why != NULL) {
        fail_set(f, "%s", (*s)->why);
        sevenbit_plan_free(&plan);
    }
    sevenbit_free(s);
    return plan;
}

void sevenbit_end(struct sevenbit **s)
{
    finish(*s);
    sevenbit_free(s);
}

void sevenbit_free(struct sevenbit **s)
{
    if (*s == NULL)
        return;
    drop_levels(*s, 0);
    buf_free(&(*s)->out);
    buf_free(&(*s)->line);
    buf_free(&(*s)->type);
    buf_free(&(*s)->encoding);
    buf_free(&(*s)->content);
    sevenbit_plan_free(&(*s)->plan);
    mem_free(s);
}

/* The fields that are added, too. */
static uint64_t growth(const struct part *p)
{
    enum { FIELDS = 160, SOFT = 72, BREAK = 5 }; /* a break: "=", CR LF, and a "-" quoted */
    uint64_t written = p->octets + 2 * p->quoted;
    switch (p->form) {
    case FORM_QUOTED:
        return FIELDS + 2 * p->quoted + BREAK * (p->pieces + written / SOFT);
    case FORM_BASE64:
        return FIELDS + (p->octets / 57 + 1) * 78 - p->octets;
    default:
        return p->form == FORM_RELABEL ? FIELDS : 0;
    }
}

uint64_t sevenbit_size(const struct sevenbit_plan *plan)
{
    uint64_t size = plan->octets;
    for (size_t i = 0; i < plan->n; i++)
        size += growth(&plan->parts[i]);
    return size;
}

void sevenbit_plan_free(struct sevenbit_plan **plan)
{
    if (*plan == NULL)
        return;
    mem_free(&(*plan)->parts);
    mem_free(plan);
}

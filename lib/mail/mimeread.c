#include "mimeread.h"

#include <assert.h>
#include <string.h>

#include "ascii.h"
#include "encword.h"
#include "header.h"
#include "mem.h"

/* A multipart whose delimiters are looked for. */
struct level {
    size_t part;
    char *boundary;
    size_t boundary_n;
    uint64_t head, mask; /* its first eight octets, or fewer; which of them there are */
};

struct reader {
    struct mimeread *m;
    struct span message;
    const struct mailcharset *charsets;
    struct level levels[MIMEREAD_DEPTH_MAX];
    size_t depth;
    size_t current; /* the innermost part whose body has not ended */
    bool in_header; /* of that part */
    size_t texts;   /* octets kept so far */
};

static struct mimeread_part *current(struct reader *r)
{
    return &r->m->parts[r->current];
}

/* Begins a part at octet at; its spans are empty until it is known where they end. */
static void begin_part(struct reader *r, size_t parent, size_t at)
{
    struct mimeread *m = r->m;
    if (m->n == m->room) {
        m->room = m->room == 0 ? 8 : m->room * 2;
        m->parts = mem_resize(m->parts, m->room * sizeof m->parts[0]);
    }
    size_t index = m->n++;
    m->parts[index] = (struct mimeread_part){.parent = parent,
                                             .header = span_of(r->message.p + at, 0),
                                             .body = span_of(r->message.p + at, 0)};
    if (index > 0) {
        struct mimeread_part *p = &m->parts[parent];
        if (p->children++ == 0)
            p->first = index;
        else
            m->parts[p->last].next = index;
        p->last = index;
    }
    r->current = index;
    r->in_header = true;
}

static void field_of(struct span header, const char *name, const struct mailcharset *charsets,
                     struct mimefield *out)
{
    struct header_field field = {0};
    if (!header_find(header, name, 0, &field))
        field.value = span_of(NULL, 0);
    mimefield_parse(out, field.value, charsets);
}

static void set_type(struct mimeread_part *part, struct span header,
                     const struct mailcharset *charsets)
{
    struct header_field field;
    field_of(header, "Content-Type", charsets, &part->type);
    if (mimefield_is_media_type(part->type.word))
        return;
    const char *type = "application/octet-stream";
    if (!header_find(header, "Content-Type", 0, &field) || ascii_trim(field.value).n == 0)
        type = "/";
    else if (strcmp(part->type.word, "text") == 0)
        type = "text/plain";
    mem_free(&part->type.word);
    part->type.word = mem_text(type);
}

/* What some writers do although RFC 2047 section 5 forbids it: encoded words in a parameter. */
static char *decode_name(const char *name, const struct mailcharset *charsets)
{
    struct buf out = {0};
    encword_decode_in(charsets, &out, span_text(name));
    return buf_take_text(&out);
}

static void set_disposition(struct mimeread_part *part, struct span header,
                            const struct mailcharset *charsets)
{
    struct mimefield field;
    field_of(header, "Content-Disposition", charsets, &field);
    const char *name = mimefield_get(&field, "filename");
    if (name == NULL)
        name = mimefield_get(&part->type, "name");
    part->filename = name == NULL ? mem_text("") : decode_name(name, charsets);
    bool good = mimefield_is_token(span_text(field.word));
    part->disposition = mem_text(good ? field.word : "");
    mimefield_clear(&field);
}

static void set_encoding(struct mimeread_part *part, struct span header)
{
    static const struct {
        const char *name;
        enum mimeread_encoding encoding;
    } known[] = {{"base64", MIMEREAD_BASE64}, {"quoted-printable", MIMEREAD_QUOTED_PRINTABLE}};
    struct mimefield field;
    field_of(header, "Content-Transfer-Encoding", NULL, &field);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(field.word, known[i].name) == 0)
            part->encoding = known[i].encoding;
    }
    mimefield_clear(&field);
}

/* Takes the part's texts out again when all together would be too many. */
static void count_texts(struct reader *r, struct mimeread_part *part)
{
    size_t n = strlen(part->content_id) + strlen(part->filename) + strlen(part->type.word) +
               strlen(part->disposition);
    for (size_t i = 0; i < part->type.n; i++)
        n += strlen(part->type.params[i].name) + strlen(part->type.params[i].value);
    r->texts += n;
    if (r->texts <= MIMEREAD_TEXTS_MAX)
        return;
    r->texts -= n;
    r->m->cut = true;
    char *word = part->type.word;
    part->type.word = NULL;
    mimefield_clear(&part->type);
    part->type.word = word;
    part->content_id[0] = part->filename[0] = part->disposition[0] = '\0';
}

/* The first eight octets, as many as there are. */
static uint64_t head_of(struct span s)
{
    uint64_t head = 0;
    if (s.n >= sizeof head)
        memcpy(&head, s.p, sizeof head);
    else
        memcpy(&head, s.p, s.n);
    return head;
}

/* A multipart with a boundary gets a level of its own. */
static void look_for_parts(struct reader *r, const struct mimeread_part *part)
{
    const char *boundary = mimefield_get(&part->type, "boundary");
    struct span s = ascii_trim(span_text(boundary));
    if (!mimeread_is_multipart(part) || s.n == 0)
        return;
    if (r->depth == MIMEREAD_DEPTH_MAX) {
        r->m->cut = true;
        return;
    }
    static const unsigned char ones[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint64_t mask = head_of(span_of(ones, s.n < sizeof ones ? s.n : sizeof ones));
    r->levels[r->depth++] =
        (struct level){r->current, span_dup(s), s.n, .head = head_of(s), .mask = mask};
}

/* The header of the current part ends in front of octet at. */
static void end_header(struct reader *r, size_t at)
{
    struct mimeread_part *part = current(r);
    struct buf id = {0};
    size_t start = (size_t)(part->header.p - r->message.p);
    part->header.n = at - start;
    part->body = span_of(r->message.p + at, 0);
    r->in_header = false;
    struct span header = mimeread_header(part);
    r->m->cut |= header.n < part->header.n;
    set_type(part, header, r->charsets);
    set_disposition(part, header, r->charsets);
    set_encoding(part, header);
    if (!header_value(header, "Content-ID", MIMEREAD_CONTENT_ID_MAX, &id))
        buf_clear(&id);
    part->content_id = buf_take_text(&id);
    look_for_parts(r, part);
    count_texts(r, part);
}

/* The current part ends in front of octet at, and so do those around it that are within stop. */
static void end_parts(struct reader *r, size_t at, size_t stop)
{
    if (r->in_header)
        end_header(r, at);
    for (;;) {
        struct mimeread_part *part = current(r);
        if (r->current == stop)
            return;
        size_t start = (size_t)(part->body.p - r->message.p);
        /* What ends with its header has no line end to give to the delimiter. */
        at = at > start ? at : start;
        part->body.n = at - start;
        if (r->current == 0)
            return;
        r->current = part->parent;
    }
}

static void drop_levels(struct reader *r, size_t depth)
{
    while (r->depth > depth)
        mem_free(&r->levels[--r->depth].boundary);
}

/* Whether line, which begins with "--", is a delimiter of that level (RFC 2046 5.1.1): the boundary
 * and, for the last one, "--"; then nothing but white space. */
static bool is_delimiter(const struct level *level, struct span line, bool *last)
{
    struct span rest = span_of(line.p + 2, line.n - 2);
    if (rest.n < level->boundary_n || memcmp(rest.p, level->boundary, level->boundary_n) != 0)
        return false;
    rest = span_of(rest.p + level->boundary_n, rest.n - level->boundary_n);
    *last = rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-';
    if (*last)
        rest = span_of(rest.p + 2, rest.n - 2);
    return ascii_trim(rest).n == 0;
}

/* Where what stands before a delimiter at octet at ends: the line end there is the delimiter's. */
static size_t before_line_end(struct span message, size_t at)
{
    if (at > 0 && message.p[at - 1] == '\n')
        at--;
    if (at > 0 && message.p[at - 1] == '\r')
        at--;
    return at;
}

/* A line that begins with "--", at octet at: perhaps a delimiter. Returns whether it is one. */
static bool take_delimiter(struct reader *r, struct span line, size_t at)
{
    bool last = false;
    size_t k = r->depth;
    /* A message may have millions of lines that begin so, and many levels: most are told apart by
     * one comparison. */
    uint64_t head = head_of(span_of(line.p + 2, r->message.n - at - 2));
    while (k > 0 && (((head ^ r->levels[k - 1].head) & r->levels[k - 1].mask) != 0 ||
                     !is_delimiter(&r->levels[k - 1], line, &last)))
        k--;
    if (k == 0)
        return false;
    if (!last && r->m->n == MIMEREAD_PARTS_MAX) {
        r->m->cut = true;
        return false;
    }
    size_t part = r->levels[k - 1].part;
    /* A header that this ends has its line ends for itself. */
    end_parts(r, r->in_header ? at : before_line_end(r->message, at), part);
    drop_levels(r, last ? k - 1 : k);
    if (!last)
        begin_part(r, part, at + line.n);
    return true;
}

static bool is_empty_line(struct span line)
{
    return line.p[line.n - 1] == '\n' && (line.n == 1 || (line.n == 2 && line.p[0] == '\r'));
}

void mimeread_parse(struct mimeread *m, struct span message, const struct mailcharset *charsets)
{
    struct reader r = {.m = m, .charsets = charsets};
    r.message = message.n == 0 ? span_text("") : message;
    message = r.message;
    *m = (struct mimeread){0};
    begin_part(&r, 0, 0);
    /* Behind the header of a message without parts there is nothing to be found. */
    for (size_t at = 0; at < message.n && (r.in_header || r.depth > 0);) {
        struct span rest = span_of(message.p + at, message.n - at);
        ssize_t lf = span_find(rest, '\n');
        struct span line = span_of(rest.p, lf < 0 ? rest.n : (size_t)lf + 1);
        if (line.n > 2 && line.p[0] == '-' && line.p[1] == '-' && take_delimiter(&r, line, at)) {
            at += line.n;
            continue;
        }
        at += line.n;
        if (r.in_header && is_empty_line(line))
            end_header(&r, at);
    }
    end_parts(&r, message.n, SIZE_MAX);
    drop_levels(&r, 0);
}

void mimeread_clear(struct mimeread *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n; i++) {
        mimefield_clear(&m->parts[i].type);
        mem_free(&m->parts[i].content_id);
        mem_free(&m->parts[i].disposition);
        mem_free(&m->parts[i].filename);
    }
    mem_free(&m->parts);
    *m = (struct mimeread){0};
}

struct span mimeread_header(const struct mimeread_part *part)
{
    size_t n = part->header.n;
    return span_of(part->header.p, n > MIMEREAD_HEADER_MAX ? MIMEREAD_HEADER_MAX : n);
}

const struct mimeread_part *mimeread_first(const struct mimeread *m,
                                           const struct mimeread_part *part)
{
    return part->first == 0 ? NULL : &m->parts[part->first];
}

const struct mimeread_part *mimeread_next(const struct mimeread *m,
                                          const struct mimeread_part *part)
{
    return part->next == 0 ? NULL : &m->parts[part->next];
}

const struct mimeread_part *mimeread_at(const struct mimeread *m, const int64_t *path, size_t n)
{
    const struct mimeread_part *part = &m->parts[0];
    for (size_t i = 0; i < n && part != NULL; i++) {
        int64_t left = path[i];
        part = left < 0 ? NULL : mimeread_first(m, part);
        for (; left > 0 && part != NULL; left--)
            part = mimeread_next(m, part);
    }
    return part;
}

bool mimeread_is(const struct mimeread_part *part, const char *type)
{
    const char *word = part->type.word;
    return strcmp(strcmp(word, "/") == 0 ? "text/plain" : word, type) == 0;
}

bool mimeread_is_text(const struct mimeread_part *part)
{
    return strcmp(part->type.word, "/") == 0 || strncmp(part->type.word, "text/", 5) == 0;
}

bool mimeread_is_multipart(const struct mimeread_part *part)
{
    return strncmp(part->type.word, "multipart/", 10) == 0;
}

/* Takes the part if it is text or HTML that is still looked for. */
static bool take_text(const struct mimeread_part *part, const struct mimeread_part **text,
                      const struct mimeread_part **html)
{
    const struct mimeread_part **to = mimeread_is(part, "text/plain")  ? text
                                      : mimeread_is(part, "text/html") ? html
                                                                       : NULL;
    if (to == NULL || *to != NULL)
        return false;
    *to = part;
    return true;
}

static bool scan_children(const struct mimeread *m, const struct mimeread_part *part,
                          const struct mimeread_part **text, const struct mimeread_part **html)
{
    bool found = false, both = mimeread_is(part, "multipart/alternative");
    const struct mimeread_part *child;
    for (child = mimeread_first(m, part); child != NULL && (both || !found);
         child = mimeread_next(m, child))
        found |= take_text(child, text, html);
    for (child = mimeread_first(m, part);
         child != NULL && (!found || (both && (*text == NULL || *html == NULL)));
         child = mimeread_next(m, child))
        found |= scan_children(m, child, text, html);
    return found;
}

void mimeread_texts(const struct mimeread *m, const struct mimeread_part **text,
                    const struct mimeread_part **html)
{
    *text = *html = NULL;
    if (!take_text(&m->parts[0], text, html))
        (void)scan_children(m, &m->parts[0], text, html);
}

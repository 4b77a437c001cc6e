#include "httpmultipart.h"

#include <assert.h>
#include <string.h>

#include "ascii.h"
#include "httpheader.h"
#include "httpurl.h"
#include "mem.h"

#define BOUNDARY_MAX 70
#define PADDING_MAX 100 /* spaces and tabs between a delimiter and the end of its line */

/* The pending octets always begin with the line end that what is looked for would begin with: a
 * delimiter is CR LF "--" boundary, a header block ends in CR LF CR LF. So the very first line and
 * the line after a header need no rule of their own. */
enum state { PREAMBLE, HEAD, BODY, EPILOGUE };

struct httpmultipart {
    enum state state;
    struct httpmultipart_sink sink;
    struct buf delimiter;
    struct buf pending;
    size_t unsaid; /* how many of the pending octets of a body belong to the line before it */
};

struct httpmultipart *httpmultipart_new(struct span boundary, const struct httpmultipart_sink *sink,
                                        struct fail *f)
{
    bool fine = boundary.n >= 1 && boundary.n <= BOUNDARY_MAX && boundary.p[boundary.n - 1] != ' ';
    for (size_t i = 0; i < boundary.n && fine; i++)
        fine = boundary.p[i] >= ' ' && boundary.p[i] < 0x7f;
    if (!fine) {
        fail_set(f, "the multipart boundary is missing or not one");
        return NULL;
    }
    struct httpmultipart *m = mem_zero(sizeof *m);
    m->sink = *sink;
    buf_puts(&m->delimiter, "\r\n--");
    buf_put_span(&m->delimiter, boundary);
    buf_puts(&m->pending, "\r\n");
    return m;
}

void httpmultipart_free(struct httpmultipart **m)
{
    if (*m == NULL)
        return;
    buf_free(&(*m)->delimiter);
    buf_free(&(*m)->pending);
    mem_free(m);
}

/* --- the header of a part --- */

/* "UTF-8''%e2%82%ac%20rates" (RFC 8187 section 3.2); other character sets are left alone. */
static void take_extended(struct buf *filename, struct span value)
{
    struct buf decoded = {0};
    ssize_t quote = span_starts_nocase(value, "utf-8'")
                        ? span_find(span_of(value.p + 6, value.n - 6), '\'')
                        : -1;
    if (quote < 0)
        return;
    size_t skip = 6 + (size_t)quote + 1;
    if (httpurl_decode(&decoded, span_of(value.p + skip, value.n - skip), false) == 0) {
        buf_clear(filename);
        buf_put_span(filename, buf_span(&decoded));
    }
    buf_free(&decoded);
}

/* Leaves only what stands behind the last slash. */
static void drop_folders(struct buf *filename)
{
    while (filename->n > 0 && buf_span(filename).p[filename->n - 1] == '/')
        buf_cut(filename, filename->n - 1);
    for (ssize_t slash; (slash = span_find(buf_span(filename), '/')) >= 0;)
        buf_drop(filename, (size_t)slash + 1);
}

static bool has_line_octet(struct span s)
{
    return span_find(s, '\0') >= 0 || span_find(s, '\r') >= 0 || span_find(s, '\n') >= 0;
}

static int take_disposition(struct httpmultipart_head *head, struct span value, struct fail *f)
{
    struct span word, name;
    struct buf param = {0};
    bool extended = false;
    int more = httpheader_word(&value, &word);
    if (more < 0 || !span_is_nocase(word, "form-data"))
        return fail_set(f, "a part's Content-Disposition is not form-data");
    while ((more = httpheader_param(&value, &name, &param)) > 0) {
        if (span_is_nocase(name, "name") && head->name.n == 0)
            buf_put_span(&head->name, buf_span(&param));
        if (span_is_nocase(name, "filename") && head->filename.n == 0)
            buf_put_span(&head->filename, buf_span(&param));
        if (span_is_nocase(name, "filename*") && !extended) {
            take_extended(&head->filename, buf_span(&param));
            extended = true;
        }
    }
    buf_free(&param);
    drop_folders(&head->filename);
    if (more < 0)
        return fail_set(f, "a part's Content-Disposition is malformed");
    if (has_line_octet(buf_span(&head->name)) || has_line_octet(buf_span(&head->filename)))
        return fail_set(f, "a part's name holds a line end or a NUL");
    return 0;
}

static int take_type(struct httpmultipart_head *head, struct span value, struct fail *f)
{
    buf_put_span(&head->type, value);
    return 0;
}

static int take_content_id(struct httpmultipart_head *head, struct span value, struct fail *f)
{
    buf_put_span(&head->content_id, value);
    return 0;
}

/* RFC 7578 section 4.7 deprecates it; passing encoded octets on as if they were plain would corrupt
 * them. */
static int take_encoding(struct httpmultipart_head *head, struct span value, struct fail *f)
{
    if (span_is_nocase(value, "7bit") || span_is_nocase(value, "8bit") ||
        span_is_nocase(value, "binary"))
        return 0;
    return fail_set(f, "a part has a Content-Transfer-Encoding");
}

static const struct {
    const char *name;
    int (*take)(struct httpmultipart_head *head, struct span value, struct fail *f);
} head_fields[] = {
    {"Content-Disposition", take_disposition},
    {"Content-Type", take_type},
    {"Content-ID", take_content_id},
    {"Content-Transfer-Encoding", take_encoding},
};
#define HEAD_FIELDS (sizeof head_fields / sizeof head_fields[0])

static int take_field(struct httpmultipart_head *head, bool *seen, struct span name,
                      struct span value, struct fail *f)
{
    for (size_t i = 0; i < HEAD_FIELDS; i++) {
        if (!span_is_nocase(name, head_fields[i].name))
            continue;
        if (seen[i])
            return fail_set(f, "a part has two %s fields", head_fields[i].name);
        seen[i] = true;
        return head_fields[i].take(head, value, f);
    }
    return 0;
}

/* One field, its continuation lines already joined to it. */
static int take_line(struct httpmultipart_head *head, bool *seen, struct span line, struct fail *f)
{
    ssize_t colon = span_find(line, ':');
    if (colon < 0 || !httpheader_is_token(span_of(line.p, (size_t)colon)))
        return fail_set(f, "a part's header holds a line that is no field");
    if (has_line_octet(line))
        return fail_set(f, "a part's header holds a stray line end or a NUL");
    struct span value = ascii_trim(span_of(line.p + colon + 1, line.n - (size_t)colon - 1));
    return take_field(head, seen, span_of(line.p, (size_t)colon), value, f);
}

/* Takes a line off the front of *text, which ends in CR LF, with the lines that continue it (RFC
 * 5322 section 2.2.3) joined. */
static void next_field(struct span *text, struct buf *line)
{
    buf_clear(line);
    do {
        const unsigned char *end = memmem(text->p, text->n, "\r\n", 2);
        assert(end != NULL);
        buf_put(line, text->p, (size_t)(end - text->p));
        text->n -= (size_t)(end - text->p) + 2;
        text->p = end + 2;
    } while (text->n > 0 && (text->p[0] == ' ' || text->p[0] == '\t'));
}

static int take_head(struct httpmultipart *m, struct span text, struct fail *f)
{
    struct httpmultipart_head head = {{0}};
    bool seen[HEAD_FIELDS] = {0};
    struct buf line = {0};
    int rc = 0;
    while (text.n > 0 && rc == 0) {
        next_field(&text, &line);
        rc = take_line(&head, seen, buf_span(&line), f);
    }
    if (rc == 0 && head.name.n == 0)
        rc = fail_set(f, "a part of the form has no name");
    if (rc == 0)
        rc = m->sink.begin(m->sink.arg, &head, f);
    buf_free(&line);
    buf_free(&head.name);
    buf_free(&head.filename);
    buf_free(&head.type);
    buf_free(&head.content_id);
    return rc;
}

/* --- the steps --- */

/* Each returns 1 when there is more to do with what is pending, 0 when more has to come first, -1
 * when it failed. */
typedef int step_fn(struct httpmultipart *m, struct fail *f);

static int step_head(struct httpmultipart *m, struct fail *f)
{
    struct span in = buf_span(&m->pending);
    const unsigned char *end = memmem(in.p, in.n, "\r\n\r\n", 4);
    /* Without an end yet, the last three octets may be the beginning of it. */
    size_t n = end != NULL ? (size_t)(end - in.p) : in.n < 3 ? 0 : in.n - 3;
    if (n > HTTPMULTIPART_HEAD_MAX)
        return fail_set(f, "a part's header is longer than %d octets", HTTPMULTIPART_HEAD_MAX);
    if (end == NULL)
        return 0;
    if (take_head(m, n == 0 ? (struct span){0} : span_of(in.p + 2, n), f) < 0)
        return -1;
    buf_drop(&m->pending, n + 2);
    m->unsaid = 2;
    m->state = BODY;
    return 1;
}

/* Passes on the first n pending octets, if a body is being read, and drops them. */
static int say(struct httpmultipart *m, size_t n, struct fail *f)
{
    size_t held = n < m->unsaid ? n : m->unsaid;
    struct span octets = span_of(buf_span(&m->pending).p + held, n - held);
    int rc = 0;
    if (m->state == BODY && octets.n > 0)
        rc = m->sink.data(m->sink.arg, octets, f);
    m->unsaid -= held;
    buf_drop(&m->pending, n);
    return rc;
}

enum after { AFTER_UNKNOWN, AFTER_PART, AFTER_LAST, AFTER_TEXT };

/* What follows the delimiter's letters: the end of its line, the two hyphens of the last one, other
 * text (then it was no delimiter), or too little to say. *blanks is what pads the line. */
static enum after look_after(struct span rest, size_t *blanks)
{
    size_t i = 0;
    if (rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-')
        return AFTER_LAST;
    if (rest.n == 0 || (rest.n == 1 && rest.p[0] == '-'))
        return AFTER_UNKNOWN;
    while (i < rest.n && i <= PADDING_MAX && (rest.p[i] == ' ' || rest.p[i] == '\t'))
        i++;
    *blanks = i;
    if (i > PADDING_MAX || (i < rest.n && rest.p[i] != '\r'))
        return AFTER_TEXT;
    if (i + 1 >= rest.n)
        return AFTER_UNKNOWN;
    return rest.p[i + 1] == '\n' ? AFTER_PART : AFTER_TEXT;
}

static void end_part(struct httpmultipart *m)
{
    if (m->state == BODY)
        m->sink.end(m->sink.arg);
    m->unsaid = 0;
}

static int step_text(struct httpmultipart *m, struct fail *f)
{
    struct span in = buf_span(&m->pending), delimiter = buf_span(&m->delimiter);
    const unsigned char *found = memmem(in.p, in.n, delimiter.p, delimiter.n);
    if (found == NULL) {
        size_t keep = delimiter.n - 1;
        return in.n > keep ? say(m, in.n - keep, f) : 0;
    }
    size_t at = (size_t)(found - in.p), behind = at + delimiter.n, blanks = 0;
    enum after after = look_after(span_of(in.p + behind, in.n - behind), &blanks);
    if (say(m, at, f) < 0)
        return -1;
    if (after == AFTER_UNKNOWN)
        return 0;
    if (after == AFTER_TEXT)
        return say(m, 2, f) < 0 ? -1 : 1;
    end_part(m);
    buf_drop(&m->pending, delimiter.n + blanks);
    m->state = after == AFTER_LAST ? EPILOGUE : HEAD;
    return 1;
}

static int step_epilogue(struct httpmultipart *m, struct fail *f)
{
    buf_clear(&m->pending);
    return 0;
}

int httpmultipart_feed(struct httpmultipart *m, struct span octets, struct fail *f)
{
    static step_fn *const steps[] = {
        [PREAMBLE] = step_text, [HEAD] = step_head, [BODY] = step_text, [EPILOGUE] = step_epilogue};
    int rc;
    buf_put_span(&m->pending, octets);
    do {
        rc = steps[m->state](m, f);
    } while (rc > 0);
    return rc;
}

int httpmultipart_end(struct httpmultipart *m, struct fail *f)
{
    if (m->state != EPILOGUE)
        return fail_set(f, "the form ends before its closing delimiter");
    return 0;
}

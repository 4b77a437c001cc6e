#include "httpform.h"

#include <assert.h>
#include <string.h>

#include "file.h"
#include "httpheader.h"
#include "httpmultipart.h"
#include "httpurl.h"
#include "mem.h"

struct httpform {
    struct httpform_limits limits;
    enum httpform_error error;
    struct fail why;
    struct httpform_part *parts;
    size_t n, cap;
    size_t fields, files; /* octets counted so far */
    size_t in_memory;     /* of files */
    int spill;            /* the memory file, or -1 */
    uint64_t spilled;     /* octets in it */
    struct httpmultipart *multipart;
    bool urlencoded;
    struct buf pair; /* urlencoded: what came since the last "&" */
};

static int refuse(struct httpform *form, enum httpform_error error, const char *why)
{
    form->error = error;
    return fail_set(&form->why, "%s", why);
}

/* Counts n octets against a limit. */
static int count(struct httpform *form, size_t *sum, size_t n, size_t limit, const char *why)
{
    if (n > limit - *sum)
        return refuse(form, HTTPFORM_TOO_LARGE, why);
    *sum += n;
    return 0;
}

static int count_fields(struct httpform *form, size_t n)
{
    return count(form, &form->fields, n, form->limits.fields, "the form's fields are too large");
}

/* Returns a new part, or NULL when there are too many. */
static struct httpform_part *add_part(struct httpform *form)
{
    if (form->n == form->limits.parts) {
        (void)refuse(form, HTTPFORM_TOO_LARGE, "the form has too many parts");
        return NULL;
    }
    if (form->n == form->cap) {
        form->cap = form->cap == 0 ? 8 : form->cap * 2;
        form->parts = mem_resize(form->parts, form->cap * sizeof *form->parts);
    }
    form->parts[form->n] = (struct httpform_part){0};
    return &form->parts[form->n++];
}

/* --- multipart --- */

static char *text_or_null(const struct buf *b)
{
    return b->n == 0 ? NULL : span_dup(buf_span(b));
}

static int begin_part(void *arg, const struct httpmultipart_head *head, struct fail *f)
{
    struct httpform *form = arg;
    if (count_fields(form, head->name.n + head->filename.n + head->type.n + head->content_id.n) < 0)
        return -1;
    struct httpform_part *part = add_part(form);
    if (part == NULL)
        return -1;
    part->name = span_dup(buf_span(&head->name));
    part->filename = text_or_null(&head->filename);
    part->type = text_or_null(&head->type);
    part->content_id = text_or_null(&head->content_id);
    return 0;
}

static int append_spill(struct httpform *form, struct span octets)
{
    struct fail f;
    if (form->spill < 0)
        form->spill = file_memory("upload", &f);
    if (form->spill < 0 || file_write_all(form->spill, octets.p, octets.n) != 0)
        return refuse(form, HTTPFORM_BUSY, "there is no room for the form's files at the moment");
    form->spilled += octets.n;
    return 0;
}

/* The part being read goes on in the memory file. */
static int begin_spill(struct httpform *form, struct httpform_part *part)
{
    part->spilled = true;
    part->at = form->spilled;
    form->in_memory -= part->value.n;
    int rc = append_spill(form, buf_span(&part->value));
    buf_free(&part->value);
    return rc;
}

static int file_data(struct httpform *form, struct httpform_part *part, struct span octets)
{
    part->n += octets.n;
    if (!part->spilled && octets.n > form->limits.memory - form->in_memory &&
        begin_spill(form, part) != 0)
        return -1;
    if (part->spilled)
        return append_spill(form, octets);
    form->in_memory += octets.n;
    buf_put_span(&part->value, octets);
    return 0;
}

static int part_data(void *arg, struct span octets, struct fail *f)
{
    struct httpform *form = arg;
    struct httpform_part *part = &form->parts[form->n - 1];
    int rc = part->filename == NULL ? count_fields(form, octets.n)
                                    : count(form, &form->files, octets.n, form->limits.files,
                                            "the form's files are too large");
    if (rc != 0 || part->filename != NULL)
        return rc != 0 ? rc : file_data(form, part, octets);
    part->n += octets.n;
    buf_put_span(&part->value, octets);
    return 0;
}

static void end_part(void *arg)
{
}

/* --- urlencoded --- */

/* The pair is complete: "name=value", each percent-encoded. */
static int take_pair(struct httpform *form)
{
    struct span pair = buf_span(&form->pair);
    struct buf name = {0}, value = {0};
    int rc = 0;
    if (pair.n == 0)
        return 0;
    ssize_t equals = span_find(pair, '=');
    size_t n = equals < 0 ? pair.n : (size_t)equals;
    struct span behind = equals < 0 ? (struct span){0} : span_of(pair.p + n + 1, pair.n - n - 1);
    if (span_find(pair, ';') >= 0)
        rc = refuse(form, HTTPFORM_MALFORMED, "the form holds a semicolon that is not encoded");
    else if (httpurl_decode(&name, span_of(pair.p, n), true) < 0 ||
             httpurl_decode(&value, behind, true) < 0)
        rc = refuse(form, HTTPFORM_MALFORMED, "the form holds a bad escape");
    else if (span_find(buf_span(&name), '\0') >= 0)
        rc = refuse(form, HTTPFORM_MALFORMED, "a field's name holds a NUL");
    struct httpform_part *part = rc == 0 ? add_part(form) : NULL;
    if (part != NULL) {
        part->name = span_dup(buf_span(&name));
        part->value = value;
        part->n = value.n;
        value = (struct buf){0};
    }
    buf_free(&name);
    buf_free(&value);
    buf_free(&form->pair);
    return part != NULL ? 0 : -1;
}

static void feed_urlencoded(struct httpform *form, struct span octets)
{
    if (count_fields(form, octets.n) < 0)
        return;
    while (octets.n > 0) {
        ssize_t mark = span_find(octets, '&');
        size_t n = mark < 0 ? octets.n : (size_t)mark;
        buf_put(&form->pair, octets.p, n);
        if (mark < 0 || take_pair(form) < 0)
            return;
        octets.p += n + 1;
        octets.n -= n + 1;
    }
}

/* --- both --- */

static int choose(struct httpform *form, struct span content_type, struct fail *f)
{
    struct httpmultipart_sink sink = {
        .begin = begin_part, .data = part_data, .end = end_part, .arg = form};
    struct span type, rest = content_type;
    struct buf boundary = {0};
    int found = httpheader_find_param(content_type, "boundary", &boundary);
    int rc = 0;
    if (found < 0 || httpheader_word(&rest, &type) < 0 || span_find(type, '/') < 0)
        rc = fail_set(f, "the Content-Type is missing or malformed");
    else if (span_is_nocase(type, "application/x-www-form-urlencoded"))
        form->urlencoded = true;
    else if (span_is_nocase(type, "multipart/form-data"))
        form->multipart = httpmultipart_new(buf_span(&boundary), &sink, f);
    if (rc == 0 && span_is_nocase(type, "multipart/form-data") && form->multipart == NULL)
        rc = -1;
    buf_free(&boundary);
    return rc;
}

static size_t or_default(size_t given, size_t standard)
{
    return given > 0 ? given : standard;
}

struct httpform *httpform_new(struct span content_type, const struct httpform_limits *limits,
                              struct fail *f)
{
    static const struct httpform_limits standard;
    struct httpform *form = mem_zero(sizeof *form);
    if (limits == NULL)
        limits = &standard;
    form->limits = (struct httpform_limits){.parts = or_default(limits->parts, 1000),
                                            .fields = or_default(limits->fields, 10 << 20),
                                            .files = or_default(limits->files, 100 << 20),
                                            .memory = or_default(limits->memory, 200 << 10)};
    form->spill = -1;
    if (choose(form, content_type, f) < 0)
        httpform_free(&form);
    return form;
}

void httpform_free(struct httpform **form)
{
    if (*form == NULL)
        return;
    for (size_t i = 0; i < (*form)->n; i++) {
        struct httpform_part *part = &(*form)->parts[i];
        mem_release(part->name);
        mem_release(part->filename);
        mem_release(part->type);
        mem_release(part->content_id);
        buf_free(&part->value);
    }
    mem_release((*form)->parts);
    httpmultipart_free(&(*form)->multipart);
    buf_free(&(*form)->pair);
    file_close(&(*form)->spill);
    mem_free(form);
}

static enum httpform_error result(struct httpform *form, struct fail *f)
{
    if (form->error != HTTPFORM_FINE)
        (void)fail_set(f, "%s", form->why.text);
    return form->error;
}

/* What the multipart parser refuses is malformed, unless one of our limits stopped it. */
static void note_multipart(struct httpform *form, int rc, const struct fail *why)
{
    if (rc < 0 && form->error == HTTPFORM_FINE)
        (void)refuse(form, HTTPFORM_MALFORMED, why->text);
}

enum httpform_error httpform_feed(struct httpform *form, struct span octets, struct fail *f)
{
    struct fail why = {0};
    if (form->error == HTTPFORM_FINE && form->urlencoded)
        feed_urlencoded(form, octets);
    else if (form->error == HTTPFORM_FINE && form->multipart != NULL)
        note_multipart(form, httpmultipart_feed(form->multipart, octets, &why), &why);
    return result(form, f);
}

enum httpform_error httpform_end(struct httpform *form, struct fail *f)
{
    struct fail why = {0};
    if (form->error == HTTPFORM_FINE && form->urlencoded)
        (void)take_pair(form);
    else if (form->error == HTTPFORM_FINE && form->multipart != NULL)
        note_multipart(form, httpmultipart_end(form->multipart, &why), &why);
    return result(form, f);
}

size_t httpform_held(const struct httpform *form)
{
    return form->fields + form->files;
}

int httpform_spill(const struct httpform *form)
{
    return form->spill;
}

size_t httpform_count(const struct httpform *form)
{
    return form->n;
}

struct httpform_part *httpform_part(struct httpform *form, size_t i)
{
    assert(i < form->n);
    return &form->parts[i];
}

struct httpform_part *httpform_field(struct httpform *form, const char *name)
{
    for (size_t i = 0; i < form->n; i++) {
        if (form->parts[i].filename == NULL && strcmp(form->parts[i].name, name) == 0)
            return &form->parts[i];
    }
    return NULL;
}

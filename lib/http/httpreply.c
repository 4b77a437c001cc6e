#include "httpreply.h"

#include <assert.h>
#include <string.h>
#include <microhttpd.h>
#include <zlib.h>

#include "ascii.h"
#include "file.h"
#include "httpheader.h"
#include "mem.h"

/* Every response has these, whatever it is. */
static const struct httpreply_field common[] = {
    {"X-Frame-Options", "deny"},
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'self' 'unsafe-inline' data:"},
    {"Referrer-Policy", "same-origin"},
};
#define COMMON (sizeof common / sizeof common[0])

/* Below it the field that announces compression costs more than is saved; above it the loop would
 * stand still for too long. */
#define GZIP_LEAST 512
#define GZIP_MOST (4 << 20)

static bool is_field_value(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if (*p < ' ' || *p == 0x7f)
            return false;
    }
    return true;
}

static void add_field(struct httpreply *reply, const char *name, const char *value)
{
    assert(httpheader_is_token(span_text(name)));
    if (!is_field_value(value))
        return;
    reply->fields = mem_resize(reply->fields, (reply->n + 1) * sizeof *reply->fields);
    reply->fields[reply->n].name = mem_text(name);
    reply->fields[reply->n].value = mem_text(value);
    reply->n++;
}

static void set_head(struct httpreply *reply, unsigned status, const char *type,
                     const struct httpreply_field *extra)
{
    assert(status >= 200 && status <= 599);
    *reply = (struct httpreply){.status = status, .fd = -1};
    if (type != NULL && is_field_value(type))
        reply->type = mem_text(type);
    for (; extra != NULL && extra->name != NULL; extra++)
        add_field(reply, extra->name, extra->value);
}

void httpreply_set(struct httpreply *reply, unsigned status, const char *type, struct buf *body,
                   const struct httpreply_field *extra)
{
    set_head(reply, status, type, extra);
    if (body != NULL) {
        reply->body = *body;
        *body = (struct buf){0};
    }
    reply->size = reply->body.n;
}

void httpreply_set_fd(struct httpreply *reply, unsigned status, const char *type, int fd,
                      uint64_t size, const struct httpreply_field *extra)
{
    assert(fd >= 0);
    set_head(reply, status, type, extra);
    reply->fd = fd;
    reply->size = size;
}

void httpreply_free(struct httpreply *reply)
{
    if (reply->status != 0)
        file_close(&reply->fd);
    mem_release(reply->type);
    buf_free(&reply->body);
    for (size_t i = 0; i < reply->n; i++) {
        mem_release(reply->fields[i].name);
        mem_release(reply->fields[i].value);
    }
    mem_release(reply->fields);
    *reply = (struct httpreply){0};
}

static bool ends_nocase(struct span s, const char *text)
{
    size_t n = strlen(text);
    return s.n >= n && span_is_nocase(span_of(s.p + s.n - n, n), text);
}

bool httpreply_is_compressible(const char *type)
{
    static const char *const whole[] = {"application/json", "application/xml",
                                        "application/javascript"};
    struct span value = span_text(type), word;
    if (type == NULL || httpheader_word(&value, &word) < 0)
        return false;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        if (span_is_nocase(word, whole[i]))
            return true;
    }
    return span_starts_nocase(word, "text/") || ends_nocase(word, "+json") ||
           ends_nocase(word, "+xml");
}

static bool has_field(const struct httpreply *reply, const char *name)
{
    for (size_t i = 0; i < reply->n; i++) {
        if (span_is_nocase(span_text(reply->fields[i].name), name))
            return true;
    }
    return false;
}

/* RFC 1952, at the fastest level. Returns 0, or -1 if it came out no smaller. */
static int deflate_body(struct span in, struct buf *out)
{
    z_stream z = {0};
    int rc = deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = buf_room(out, in.n);
    z.avail_out = (uInt)in.n;
    rc = deflate(&z, Z_FINISH);
    if (rc == Z_STREAM_END)
        buf_grew(out, in.n - z.avail_out);
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : -1;
}

void httpreply_compress(struct httpreply *reply, struct span accept_encoding)
{
    struct buf small = {0};
    if (reply->status != 200 || reply->fd >= 0 || has_field(reply, "Content-Encoding") ||
        !httpreply_is_compressible(reply->type))
        return;
    /* What is sent depends on it from here on, whether or not this client takes it. */
    if (!has_field(reply, "Vary"))
        add_field(reply, "Vary", "Accept-Encoding");
    if (reply->body.n < GZIP_LEAST || reply->body.n > GZIP_MOST ||
        !httpheader_accepts(accept_encoding, "gzip"))
        return;
    if (deflate_body(buf_span(&reply->body), &small) == 0) {
        buf_free(&reply->body);
        reply->body = small;
        reply->size = small.n;
        reply->gzip = true;
        add_field(reply, "Content-Encoding", "gzip");
        return;
    }
    buf_free(&small);
}

static void free_body(void *arg)
{
    struct buf *body = arg;
    buf_free(body);
    mem_release(body);
}

static struct MHD_Response *make_response(struct httpreply *reply)
{
    struct MHD_Response *response;
    if (reply->fd >= 0) {
        response = MHD_create_response_from_fd64(reply->size, reply->fd);
        reply->fd = -1;
    } else {
        struct buf *body = mem_copy(&reply->body, sizeof reply->body);
        struct span octets = buf_span(body);
        reply->body = (struct buf){0};
        response = MHD_create_response_from_buffer_with_free_callback_cls(
            octets.n, octets.n == 0 ? (void *)(uintptr_t) "" : (void *)(uintptr_t)octets.p,
            free_body, body);
    }
    assert(response != NULL);
    return response;
}

static void put_field(struct MHD_Response *response, const char *name, const char *value)
{
    enum MHD_Result rc = MHD_add_response_header(response, name, value);
    assert(rc == MHD_YES);
}

struct MHD_Response *httpreply_response(struct httpreply *reply)
{
    struct MHD_Response *response = make_response(reply);
    for (size_t i = 0; i < COMMON; i++)
        put_field(response, common[i].name, common[i].value);
    if (reply->type != NULL)
        put_field(response, "Content-Type", reply->type);
    for (size_t i = 0; i < reply->n; i++)
        put_field(response, reply->fields[i].name, reply->fields[i].value);
    if (reply->close)
        put_field(response, "Connection", "close");
    return response;
}

void httpreply_write(const struct httpreply *reply, struct buf *out)
{
    assert(reply->fd < 0);
    buf_putf(out, "HTTP/1.1 %u %s\r\n", reply->status, MHD_get_reason_phrase_for(reply->status));
    for (size_t i = 0; i < COMMON; i++)
        buf_putf(out, "%s: %s\r\n", common[i].name, common[i].value);
    if (reply->type != NULL)
        buf_putf(out, "Content-Type: %s\r\n", reply->type);
    for (size_t i = 0; i < reply->n; i++)
        buf_putf(out, "%s: %s\r\n", reply->fields[i].name, reply->fields[i].value);
    buf_putf(out, "Connection: close\r\nContent-Length: %zu\r\n\r\n", reply->body.n);
    buf_put_span(out, buf_span(&reply->body));
}

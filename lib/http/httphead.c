#include "httphead.h"

#include <string.h>
#include <microhttpd.h>

#include "ascii.h"
#include "httpheader.h"

/* Fields of which a second one is refused, because it would be anyone's choice which of them
 * counts. */
enum single {
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONTENT_TYPE,
    AUTHORIZATION,
    EXPECT,
    SINGLES
};

static const char *const single_names[SINGLES] = {
    [HOST] = "Host",
    [CONTENT_LENGTH] = "Content-Length",
    [TRANSFER_ENCODING] = "Transfer-Encoding",
    [CONTENT_TYPE] = "Content-Type",
    [AUTHORIZATION] = "Authorization",
    [EXPECT] = "Expect",
};

struct walk {
    const char *at, *end; /* what has not been accounted for yet */
    struct fail *f;
    bool bad;
    bool seen[SINGLES];
    struct span value[SINGLES];
};

static int refuse(struct walk *w, const char *why)
{
    if (!w->bad)
        fail_set(w->f, "%s", why);
    w->bad = true;
    return -1;
}

static bool take_nuls(struct walk *w, size_t n)
{
    for (; n > 0; n--, w->at++) {
        if (w->at >= w->end || *w->at != '\0')
            return false;
    }
    return true;
}

/* p[n] must be exactly what comes next. */
static bool take_here(struct walk *w, const char *p, size_t n)
{
    if (p != w->at || n > (size_t)(w->end - w->at))
        return false;
    w->at += n;
    return true;
}

static bool is_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    }
    return true;
}

static int note_single(struct walk *w, struct span name, struct span value)
{
    for (size_t i = 0; i < SINGLES; i++) {
        if (!span_is_nocase(name, single_names[i]))
            continue;
        if (w->seen[i])
            return refuse(w, "a header field that must be single is given twice");
        w->seen[i] = true;
        w->value[i] = value;
    }
    return 0;
}

static enum MHD_Result walk_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                  size_t name_n, const char *value, size_t value_n)
{
    struct walk *w = cls;
    struct span field_name = span_of(name, name_n), field_value = span_of(value, value_n);
    if (!take_here(w, name, name_n) || !take_nuls(w, 1)) {
        (void)refuse(w, "the header has a folded field or a line that does not end in CR LF");
        return MHD_NO;
    }
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t'))
        w->at++;
    if (!take_here(w, value, value_n) || !take_nuls(w, 2)) {
        (void)refuse(w, "the header has a folded field or a line that does not end in CR LF");
        return MHD_NO;
    }
    if (!httpheader_is_token(field_name) || !is_value(field_value)) {
        (void)refuse(w, "a header field has a name or value that may not be");
        return MHD_NO;
    }
    return note_single(w, field_name, field_value) < 0 ? MHD_NO : MHD_YES;
}

/* Up to the first field: "method target HTTP/1.x". */
static int walk_request_line(struct walk *w, const char *method, const char *url, size_t url_n,
                             const char *version)
{
    size_t method_n = strlen(method);
    if (!httpheader_is_token(span_of(method, method_n)))
        return refuse(w, "the method is not a token");
    if (!take_here(w, method, method_n) || !take_nuls(w, 1) || !take_here(w, url, url_n) ||
        !take_nuls(w, 1) || !take_here(w, version, strlen("HTTP/1.1")) || !take_nuls(w, 2))
        return refuse(w, "the request line is malformed");
    return 0;
}

static bool is_host(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alnum(s.p[i]) && strchr("-._~:[]%", s.p[i]) == NULL)
            return false;
    }
    return span_find(s, '\0') < 0;
}

/* RFC 9112 sections 3.2 and 6. */
static int check_framing(struct walk *w, const char *version, struct httphead *head)
{
    struct span coding = w->value[TRANSFER_ENCODING];
    head->http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if (!head->http_1_0 && strcmp(version, "HTTP/1.1") != 0)
        return refuse(w, "the HTTP version is not 1.0 or 1.1");
    if (!head->http_1_0 && !w->seen[HOST])
        return refuse(w, "the Host field is missing");
    if (w->seen[HOST] && !is_host(w->value[HOST]))
        return refuse(w, "the Host field is malformed");
    if (w->seen[TRANSFER_ENCODING]) {
        if (w->seen[CONTENT_LENGTH])
            return refuse(w, "there are both Content-Length and Transfer-Encoding");
        if (head->http_1_0 || !span_is_nocase(coding, "chunked"))
            return refuse(w, "the Transfer-Encoding is not supported");
        head->chunked = true;
    }
    if (w->seen[CONTENT_LENGTH] &&
        ascii_u64(w->value[CONTENT_LENGTH], INT64_MAX, &head->content_length) < 0)
        return refuse(w, "the Content-Length is malformed");
    head->expects_continue =
        !head->http_1_0 && w->seen[EXPECT] && span_is_nocase(w->value[EXPECT], "100-continue");
    return 0;
}

int httphead_check(struct MHD_Connection *mhd, const char *method, const char *url, size_t url_n,
                   const char *version, struct httphead *head, struct fail *f)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct walk w = {.f = f};
    *head = (struct httphead){0};
    if (size == NULL || strlen(version) != strlen("HTTP/1.1"))
        return refuse(&w, "the request line is malformed");
    w.at = method;
    w.end = method + size->header_size;
    if (walk_request_line(&w, method, url, url_n, version) < 0)
        return -1;
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, walk_field, &w);
    if (w.bad)
        return -1;
    if (!take_nuls(&w, 2) || w.at != w.end)
        return refuse(&w, "the header has a folded field or a line that does not end in CR LF");
    return check_framing(&w, version, head);
}

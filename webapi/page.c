#include "page.h"

#include "routing.h"
#include "types.h"

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1b1f24;--soft:#57606a;--line:#d5dae0;--back:#fff;--box:#f4f6f8;--link:#0b5fae}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e2e6ea;--soft:#9aa4af;--line:#3a424b;--back:#"
    "15181c;--box:#1e2328;"
    "--link:#7ab8f5}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.5rem 1.25rem "
    "4rem;max-width:54rem;color:var(--ink);background:var(--back);"
    "font:16px/1.55 system-ui,sans-serif}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.4em 0 .3em}h2{font-size:1.15rem;margin:2.2em 0 "
    ".5em}h3{font-size:1rem;margin:1.6em 0 .3em}"
    "p{margin:.6em 0}a{color:var(--link)}nav{font-size:.9rem;color:var(--soft)}"
    "code,pre,textarea{font:13.5px/1.5 ui-monospace,monospace}p "
    "code{overflow-wrap:anywhere}td:first-child code{white-space:nowrap}"
    "pre,textarea{display:block;width:100%;margin:.5em 0;padding:.75em "
    ".9em;color:inherit;background:var(--box);"
    "border:1px solid var(--line);border-radius:6px}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}"
    "table{width:100%;border-collapse:collapse;font-size:.94rem}"
    "th{text-align:left;font-weight:600;color:var(--soft);font-size:.85rem}"
    "th,td{padding:.4em .9em .4em 0;border-bottom:1px solid var(--line);vertical-align:top}"
    "td:last-child,th:last-child{padding-right:0}td.type{color:var(--soft)}"
    "label{display:block;margin:.7em 0 .2em;font-size:.9rem;color:var(--soft)}"
    "button{margin:1em 0 0;padding:.5em "
    "1.3em;font:inherit;color:#fff;background:#0b5fae;border:0;border-radius:6px;"
    "cursor:pointer}"
    "@media(max-width:36rem){.type{display:none}}";

void page_text(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        case '\'':
            buf_puts(out, "&#39;");
            break;
        default:
            buf_putc(out, text.p[i]);
        }
    }
}

static void put_text(struct buf *out, const char *text)
{
    page_text(out, span_text(text));
}

/* <tag>text</tag> and a line end. */
static void put_element(struct buf *out, const char *tag, const char *text)
{
    buf_putf(out, "<%s>", tag);
    put_text(out, text);
    buf_putf(out, "</%s>\n", tag);
}

static void begin(struct buf *out, const char *title)
{
    buf_puts(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"robots\" content=\"noindex,nofollow\">\n<link rel=\"icon\" "
                  "href=\"data:,\">\n");
    put_element(out, "title", title);
    buf_putf(out, "<style>%s</style>\n</head>\n<body>\n", style);
}

static void end(struct buf *out)
{
    buf_puts(out, "</body>\n</html>\n");
}

static void put_url(struct buf *out, const struct page_site *site, const char *method)
{
    page_text(out, site->base);
    put_text(out, site->path);
    buf_puts(out, ROUTING_CALLS);
    put_text(out, method);
}

/* option: of curl, for the field. file: the name of a field for a file, or NULL. */
static void put_curl(struct buf *out, const struct page_site *site, const struct method *m,
                     const char *option, const char *file)
{
    buf_puts(out, "<pre>curl --user ");
    put_text(out, site->login);
    buf_putc(out, ':');
    put_text(out, site->password);
    buf_putf(out, " \\\n  --%s 'request=", option);
    put_text(out, m->example_short);
    buf_puts(out, "' \\\n  ");
    if (file != NULL)
        buf_putf(out, "--form %s=@report.pdf \\\n  ", file);
    put_url(out, site, m->name);
    buf_puts(out, "</pre>\n");
}

static void put_command(struct buf *out, const struct page_site *site, const struct method *m)
{
    put_curl(out, site, m, "data-urlencode", NULL);
}

void page_fields(struct buf *out, const struct method_field *f)
{
    buf_puts(out, "<table>\n<tr><th>Field</th><th class=\"type\">Type</th><th>Meaning</th></tr>\n");
    for (; f->name != NULL; f++) {
        buf_puts(out, "<tr><td><code>");
        put_text(out, f->name);
        buf_puts(out, "</code></td><td class=\"type\">");
        put_text(out, f->type);
        buf_puts(out, "</td><td>");
        put_text(out, f->text);
        buf_puts(out, "</td></tr>\n");
    }
    buf_puts(out, "</table>\n");
}

/* ---- the index ---- */

static void put_methods(struct buf *out)
{
    buf_puts(out, "<table>\n<tr><th>Method</th><th>What it does</th></tr>\n");
    for (size_t i = 0; methods[i] != NULL; i++) {
        buf_puts(out, "<tr><td><a href=\"");
        put_text(out, methods[i]->name);
        buf_puts(out, "\"><code>");
        put_text(out, methods[i]->name);
        buf_puts(out, "</code></a></td><td>");
        put_text(out, methods[i]->summary);
        buf_puts(out, "</td></tr>\n");
    }
    buf_puts(out, "</table>\n");
}

static void put_codes(struct buf *out, const enum code *codes)
{
    for (; *codes != CODES; codes++) {
        buf_putf(out, "<tr><td><code>%s</code></td><td>", code_name(*codes));
        put_text(out, code_meaning(*codes));
        buf_puts(out, "</td></tr>\n");
    }
}

static const char codes_head[] = "<table>\n<tr><th>Code</th><th>When</th></tr>\n";

static void put_health(struct buf *out, const struct page_site *site)
{
    buf_puts(out, "<h2>Watching it</h2>\n<p><a href=\"/healthz\"><code>/healthz</code></a> answers "
                  "200 while messages can be "
                  "taken, else 503 with what is missing.");
    if (site->metrics)
        buf_puts(out, " <a href=\"/metrics\"><code>/metrics</code></a> has the counters of all "
                      "processes for Prometheus.");
    buf_puts(out, "</p>\n");
}

/* What is stricter is what would be somebody's mistake. */
static const char *const differences[] = {
    "A request with a key given twice, or with something behind its JSON object, is "
    "refused with <code>protocol</code>.",
    "<code>Headers</code> of Send is refused with <code>user</code> for fields that the "
    "message has already and may have only once: From, Date, Message-ID, MIME-Version, "
    "Bcc, those that describe its content, and others that the request gives in fields of "
    "its own; and for names that are not 1 to 90 visible ASCII characters.",
    "Send refuses, too: a <code>MessageID</code> that is not one (spaces, brackets "
    "within, characters beyond ASCII), a <code>ContentType</code> without a slash, a "
    "<code>ContentID</code> that is not visible ASCII, keys and values of "
    "<code>Extra</code> beyond 8192 octets, more than 1000 <code>Headers</code>, pairs of "
    "<code>Extra</code> or files of a kind, and the control character DEL.",
    "From addresses are those of the account; there are no aliases.",
    "Between an address and what catches all of them there is one separator for a domain.",
    "Extra data in the header of a message that is submitted: names beyond ASCII are no "
    "names of header fields and are refused, as anywhere in a header.",
    "Failed logins are counted by network for HTTP alone. A submission has <code>auth- "
    "failures</code> for each connection.",
    "A POST that a browser sends for a page of another site, as its <code>Origin</code> "
    "says, is refused with 403.",
    "Answers from 512 octets to 4 MiB are compressed where a client takes gzip; what "
    "MessageRawGet and MessagePartGet give is not.",
    "The limits of an account, of messages and new recipients in a day and of requests, "
    "are none unless they are configured. They count what comes by this interface, too; "
    "what programs of this machine hand to sendmail is no account's.",
    "There is no filter of junk, so MessageMove sets no flags by the folder.",
    "TLS is the business of a proxy in front.",
    "A webhook may be answered with any 2xx, unless <code>webhooks success "
    "200-only</code> is configured; redirects are not followed, 410 ends it, Retry-After "
    "is heeded, private addresses are not called, and no call gives way to a later one "
    "unless the account wants it. What went wrong with a call is told by its code, "
    "without the words beside that; what went wrong with a delivery by the reply, without "
    "words of ours in front.",
    "Of mail that came by SMTP a webhook has the Subject decoded, and no Message-ID where "
    "the header has none in brackets.",
    "An envelope sender with the separator and nothing behind it gets an id of ours.",
    "Beside it there are MessageList, events, Idempotency-Key, signed webhooks, the "
    "fields of webhooks from <code>Recipient</code> on, and pages of SuppressionList.",
    "Metrics of this interface and of webhooks have the names that they have there, with "
    "<code>quartermaster_</code> in front; those of SMTP and the queue begin with the "
    "name of the process that counts, and logins that failed here are "
    "<code>webapi_auth_failed_total</code>.",
    "Where mail is only acted out (localserve), a recipient whose local part ends in 600, "
    "which is no reply code, gets 451; the login is <code>qm@localhost</code>, and "
    "metrics are at the port of this interface. An address is put on the suppression list "
    "as it is, tag and all, since tags are what tells the failures apart.",
};

/* For those who come with programs. */
static void put_differences(struct buf *out)
{
    buf_puts(out, "<h2>Differences</h2>\n<p>Clients of mox's webapi v0 and receivers of its "
                  "webhooks work here unmodified. What is not as there:</p>\n<ul>\n");
    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++)
        buf_putf(out, "<li>%s</li>\n", differences[i]);
    buf_puts(out, "</ul>\n");
}

void page_index(struct buf *out, const struct page_site *site)
{
    static const enum code general[] = {CODE_PROTOCOL, CODE_USER, CODE_SERVER, CODES};
    begin(out, "Quartermaster HTTP API");
    buf_puts(out, "<nav>Quartermaster " QM_VERSION "</nav>\n<h1>HTTP API</h1>\n"
                  "<p>Applications send mail with it.</p>\n"
                  "<h2>Methods</h2>\n");
    put_methods(out);
    buf_puts(out, "<h2>Calling a method</h2>\n<p>A call is a POST to <code>");
    page_text(out, site->base);
    put_text(out, site->path);
    buf_puts(out, ROUTING_CALLS "<em>Method</em></code>. Its body is a form "
                                "(<code>application/x-www-form-urlencoded</code> or "
                                "<code>multipart/form-data</code>) with one field, "
                                "<code>request</code>, that holds a JSON object. Fields "
                                "that a method does not know are refused; those that are left out "
                                "have their defaults.</p>\n"
                                "<p>Who calls is told by HTTP Basic authentication: an email "
                                "address of the account, and the account's "
                                "password.</p>\n");
    put_command(out, site, methods[0]);
    buf_puts(out, "<p>For programs that write clients there is a description of all methods in "
                  "OpenAPI 3.1: <a href=\"");
    put_text(out, site->path);
    buf_puts(out, ROUTING_OPENAPI "\"><code>");
    put_text(out, site->path);
    buf_puts(out, ROUTING_OPENAPI "</code></a>.</p>\n");
    buf_puts(out, "<h2>Answers</h2>\n<p>Status 200 comes with the method's response as JSON, "
                  "<code>{}</code> when there is "
                  "nothing to tell. A call that failed is answered with status 400 (409 for "
                  "<code>idempotencyConflict</code>) and an object "
                  "of two strings: "
                  "<code>Code</code>, which programs may rely on, and <code>Message</code>, for "
                  "people. 401 means the address "
                  "or password is wrong, 429 that too many were, or too many requests came: wait a "
                  "minute.</p>\n");
    buf_puts(out, codes_head);
    put_codes(out, general);
    buf_puts(out, "</table>\n");
    page_webhooks(out);
    put_differences(out);
    put_health(out, site);
    end(out);
}

/* ---- the page of a method ---- */

static void put_type(const struct type *type, void *arg)
{
    struct buf *out = arg;
    buf_puts(out, "<h3><code>");
    put_text(out, type->name);
    buf_puts(out, "</code></h3>\n");
    put_element(out, "p", type->text);
    page_fields(out, type->fields);
}

/* The fields, and those of the objects in them. */
static void put_fields(struct buf *out, const struct method_field *fields)
{
    if (fields->name == NULL)
        return;
    page_fields(out, fields);
    types_visit(fields, put_type, out);
}

static void put_response(struct buf *out, const struct method *m)
{
    buf_puts(out, "<h2>Response</h2>\n");
    if (m->response == NULL) {
        buf_puts(out, "<p>The octets themselves, not JSON.</p>\n");
        return;
    }
    put_element(out, "pre", m->example_response);
    put_fields(out, m->response);
}

static size_t count_lines(const char *text)
{
    size_t n = 1;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

/* A form that the browser sends as it is; it asks for the password by itself. */
static void put_form(struct buf *out, const struct method *m)
{
    buf_puts(out,
             "<h2>Try it</h2>\n<form method=\"post\" enctype=\"multipart/form-data\" action=\"\">\n"
             "<label for=\"request\">request</label>\n");
    buf_putf(out, "<textarea id=\"request\" name=\"request\" spellcheck=\"false\" rows=\"%zu\">\n",
             count_lines(m->example_request) + 1);
    put_text(out, m->example_request);
    buf_puts(out, "</textarea>\n");
    for (const struct method_field *f = m->files; f != NULL && f->name != NULL; f++) {
        buf_putf(
            out,
            "<label for=\"%s\">%s</label>\n<input type=\"file\" multiple id=\"%s\" name=\"%s\">\n",
            f->name, f->name, f->name, f->name);
    }
    buf_puts(out, "<button>Call ");
    put_text(out, m->name);
    buf_puts(out, "</button>\n</form>\n");
}

void page_method(struct buf *out, const struct page_site *site, const struct method *m)
{
    static const enum code always[] = {CODE_PROTOCOL, CODE_SERVER, CODES};
    begin(out, m->name);
    buf_puts(out, "<nav><a href=\"");
    put_text(out, site->path);
    buf_puts(out, ROUTING_CALLS "\">HTTP API</a></nav>\n");
    put_element(out, "h1", m->name);
    put_element(out, "p", m->summary);
    for (const char *const *text = m->text; text != NULL && *text != NULL; text++)
        put_element(out, "p", *text);
    put_command(out, site, m);
    buf_puts(out, "<h2>Request</h2>\n");
    put_element(out, "pre", m->example_request);
    put_fields(out, m->request);
    if (m->files != NULL) {
        buf_puts(out, "<h2>Uploads</h2>\n<p>As <code>multipart/form-data</code> the form may carry "
                      "files beside "
                      "<code>request</code>. File name, Content-Type and Content-ID are those of "
                      "the part.</p>\n");
        page_fields(out, m->files);
        put_curl(out, site, m, "form-string", m->files->name);
    }
    put_response(out, m);
    buf_puts(out, "<h2>Errors</h2>\n");
    buf_puts(out, codes_head);
    put_codes(out, m->codes);
    put_codes(out, always);
    buf_puts(out, "</table>\n");
    put_form(out, m);
    end(out);
}

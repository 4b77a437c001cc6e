/* themes: mailjson mail json codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "jsonread.h"
#include "mailjson.h"

static const char *const lists[] = {"From", "To", "CC", "BCC", "ReplyTo", "References"};

/* What was written reads as JSON, and its lists are lists. */
static void check(struct buf *json)
{
    struct fail f = {{0}};
    const struct json_limits limits = {.octets = SIZE_MAX / 2, .values = 1000000};
    struct json_doc *doc = jsonread_parse(buf_span(json), &limits, &f);
    assert(doc != NULL);
    const struct json_value *root = jsonread_root(doc);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        assert(jsonread_kind(jsonread_member(root, lists[i])) == JSON_ARRAY);
    assert(jsonread_kind(jsonread_member(root, "Subject")) == JSON_TEXT);
    assert(jsonread_kind(jsonread_member(root, "Text")) == JSON_TEXT);
    jsonread_free(&doc);
    buf_clear(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mailcharset *charsets; /* a converter is opened once */
    struct mimeread m;
    struct mailfields fields;
    struct jsonwrite w;
    struct buf json = {0};
    if (charsets == NULL)
        charsets = mailcharset_open();
    mimeread_parse(&m, span_of(data, size), charsets);
    mailfields_read(&fields, &m, charsets);
    for (unsigned flags = 0; flags <= JSONWRITE_HTML; flags++) {
        jsonwrite_open(&w, &json, flags);
        jsonwrite_object(&w);
        if (flags == 0)
            mailjson_message(&w, &m, &fields, charsets);
        else
            mailjson_incoming(&w, &m, &fields, charsets);
        jsonwrite_object_end(&w);
        jsonwrite_close(&w);
        check(&json);
    }
    (void)mailfields_automated(&m, false);
    mailfields_clear(&fields);
    mimeread_clear(&m);
    buf_free(&json);
    return 0;
}

#include "incoming.h"

#include "mailjson.h"

void incoming_describe(struct span message, bool null_sender, const struct mailcharset *charsets,
                       struct buf *members, bool *automated, struct dsnread *report)
{
    struct mimeread m;
    struct mailfields fields;
    struct jsonwrite w;
    struct buf object = {0};
    mimeread_parse(&m, message, charsets);
    mailfields_read(&fields, &m, charsets);
    jsonwrite_open(&w, &object, JSONWRITE_HTML);
    jsonwrite_object(&w);
    mailjson_incoming(&w, &m, &fields, charsets);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    buf_put(members, buf_span(&object).p + 1, object.n - 2);
    *automated = mailfields_automated(&m, null_sender);
    dsnread_parse(report, &m, charsets);
    buf_free(&object);
    mailfields_clear(&fields);
    mimeread_clear(&m);
}

/* Writes what the incoming webhook shows of the message on standard input. */
#include <stdio.h>

#include "file.h"
#include "mailjson.h"

int main(void)
{
    struct mailcharset *charsets = mailcharset_open();
    struct mimeread m;
    struct mailfields fields;
    struct jsonwrite w;
    struct buf message = {0}, json = {0};
    size_t n;
    while ((n = fread(buf_room(&message, 65536), 1, 65536, stdin)) > 0)
        buf_grew(&message, n);
    mimeread_parse(&m, buf_span(&message), charsets);
    mailfields_read(&fields, &m, charsets);
    jsonwrite_open(&w, &json, 0);
    jsonwrite_object(&w);
    mailjson_incoming(&w, &m, &fields, charsets);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    int rc = file_write_all(1, buf_span(&json).p, json.n);
    mailfields_clear(&fields);
    mimeread_clear(&m);
    mailcharset_close(&charsets);
    buf_free(&message);
    buf_free(&json);
    return rc == 0 ? 0 : 1;
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "jsonread.h"
#include "mailjson.h"
#include "mem.h"

enum form { MESSAGE, INCOMING, STRUCTURE };

static char *written(struct span message, enum form form)
{
    struct mailcharset *charsets = mailcharset_open();
    struct mimeread m;
    struct mailfields fields;
    struct jsonwrite w;
    struct buf out = {0};
    mimeread_parse(&m, message, charsets);
    mailfields_read(&fields, &m, charsets);
    jsonwrite_open(&w, &out, form == INCOMING ? JSONWRITE_HTML : 0);
    if (form == STRUCTURE) {
        mailjson_structure(&w, &m, &m.parts[0]);
    } else {
        jsonwrite_object(&w);
        if (form == MESSAGE)
            mailjson_message(&w, &m, &fields, charsets);
        else
            mailjson_incoming(&w, &m, &fields, charsets);
        jsonwrite_object_end(&w);
    }
    jsonwrite_close(&w);
    mailfields_clear(&fields);
    mimeread_clear(&m);
    mailcharset_close(&charsets);
    return buf_take_text(&out);
}

static const char full[] =
    "From: =?utf-8?Q?J=C3=BCrgen?= <j@xn--bcher-kva.example>\r\n"
    "To: a@b.example, \"B\" <b@b.example>\r\n"
    "Cc: c@c.example\r\nBcc: d@d.example\r\nReply-To: broken@\r\n"
    "Subject: <Hi> & =?iso-8859-1?Q?=E9?=\r\nDate: Mon, 2 Jan 2006 15:04:05 +0100\r\n"
    "Message-ID: <Id@X>\r\nIn-Reply-To: <In@X>\r\nReferences: <One@X> <Two@X>\r\n"
    "Content-Type: multipart/mixed; BOUNDARY=\"b\"\r\n\r\n"
    "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n\r\n"
    "--c\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<p>\r\n\r\n--c--\r\n"
    "--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-ID: <part@X>\r\n"
    "Content-Disposition: ATTACHMENT; filename*=utf-8''%e2%82%ac.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n";

static void test_a_message_is_written_as_message_get_shows_it(void **state)
{
    char *json = written(span_text(full), MESSAGE);
    assert_string_equal(
        json, "{\"From\":[{\"Name\":\"Jürgen\",\"Address\":\"j@bücher.example\"}],"
              "\"To\":[{\"Name\":\"\",\"Address\":\"a@b.example\"},"
              "{\"Name\":\"B\",\"Address\":\"b@b.example\"}],"
              "\"CC\":[{\"Name\":\"\",\"Address\":\"c@c.example\"}],"
              "\"BCC\":[{\"Name\":\"\",\"Address\":\"d@d.example\"}],"
              "\"ReplyTo\":[{\"Name\":\"\",\"Address\":\"broken@\"}],"
              "\"MessageID\":\"<Id@X>\",\"References\":[\"<In@X>\",\"<One@X>\",\"<Two@X>\"],"
              "\"Date\":\"2006-01-02T15:04:05+01:00\",\"Subject\":\"<Hi> & é\","
              "\"Text\":\"café\\n\",\"HTML\":\"<p>\\n\"}");
    mem_free(&json);
}

#define STRUCTURE_OF_FULL(id)                                                                      \
    "{\"ContentType\":\"multipart/mixed\",\"ContentTypeParams\":{\"boundary\":\"b\"},"             \
    "\"ContentID\":\"\",\"ContentDisposition\":\"\",\"Filename\":\"\",\"DecodedSize\":0,"          \
    "\"Parts\":[{\"ContentType\":\"multipart/alternative\","                                       \
    "\"ContentTypeParams\":{\"boundary\":\"c\"},\"ContentID\":\"\",\"ContentDisposition\":\"\","   \
    "\"Filename\":\"\",\"DecodedSize\":0,\"Parts\":["                                              \
    "{\"ContentType\":\"text/plain\",\"ContentTypeParams\":{\"charset\":\"iso-8859-1\"},"          \
    "\"ContentID\":\"\",\"ContentDisposition\":\"\",\"Filename\":\"\",\"DecodedSize\":6,"          \
    "\"Parts\":[]},"                                                                               \
    "{\"ContentType\":\"text/html\",\"ContentTypeParams\":{\"charset\":\"UTF-8\"},"                \
    "\"ContentID\":\"\",\"ContentDisposition\":\"\",\"Filename\":\"\",\"DecodedSize\":5,"          \
    "\"Parts\":[]}]},"                                                                             \
    "{\"ContentType\":\"application/pdf\",\"ContentTypeParams\":{\"name\":\"x.pdf\"},"             \
    "\"ContentID\":\"" id "\",\"ContentDisposition\":\"attachment\",\"Filename\":\"€.pdf\","     \
    "\"DecodedSize\":5,\"Parts\":[]}]}"

static void test_a_message_is_written_as_the_incoming_webhook_shows_it(void **state)
{
    char *json = written(span_text(full), INCOMING);
    assert_string_equal(
        json,
        "{\"From\":[{\"Name\":\"Jürgen\",\"Address\":\"j@bücher.example\"}],"
        "\"To\":[{\"Name\":\"\",\"Address\":\"a@b.example\"},"
        "{\"Name\":\"B\",\"Address\":\"b@b.example\"}],"
        "\"CC\":[{\"Name\":\"\",\"Address\":\"c@c.example\"}],"
        "\"BCC\":[{\"Name\":\"\",\"Address\":\"d@d.example\"}],"
        "\"ReplyTo\":[{\"Name\":\"\",\"Address\":\"broken@\"}],"
        "\"Subject\":\"\\u003cHi\\u003e \\u0026 é\",\"MessageID\":\"\\u003cId@X\\u003e\","
        "\"InReplyTo\":\"\\u003cIn@X\\u003e\","
        "\"References\":[\"\\u003cone@x\\u003e\",\"\\u003ctwo@x\\u003e\"],"
        "\"Date\":\"2006-01-02T15:04:05+01:00\","
        "\"Text\":\"café\\n\",\"HTML\":\"\\u003cp\\u003e\\n\",\"Structure\":" STRUCTURE_OF_FULL(
            "\\u003cpart@X\\u003e") "}");
    mem_free(&json);
}

static void test_nothing_is_null_in_an_empty_message_but_the_date(void **state)
{
    char *json = written(span_text(""), MESSAGE);
    assert_string_equal(json, "{\"From\":[],\"To\":[],\"CC\":[],\"BCC\":[],\"ReplyTo\":[],"
                              "\"MessageID\":\"\",\"References\":[],\"Date\":null,\"Subject\":\"\","
                              "\"Text\":\"\",\"HTML\":\"\"}");
    mem_free(&json);
    json = written(span_text(""), INCOMING);
    assert_string_equal(json, "{\"From\":[],\"To\":[],\"CC\":[],\"BCC\":[],\"ReplyTo\":[],"
                              "\"Subject\":\"\",\"MessageID\":\"\",\"InReplyTo\":\"\","
                              "\"References\":[],\"Date\":null,\"Text\":\"\",\"HTML\":\"\","
                              "\"Structure\":{\"ContentType\":\"/\",\"ContentTypeParams\":{},"
                              "\"ContentID\":\"\",\"ContentDisposition\":\"\",\"Filename\":\"\","
                              "\"DecodedSize\":0,\"Parts\":[]}}");
    mem_free(&json);
}

static void test_the_structure_is_that_of_the_parts(void **state)
{
    char *json = written(span_text(full), STRUCTURE);
    assert_string_equal(json, STRUCTURE_OF_FULL("<part@X>"));
    mem_free(&json);
}

static void test_a_nul_in_a_text_is_shown_as_a_replacement(void **state)
{
    static const char message[] = "\r\na\0b\r\n";
    char *json = written(span_of(message, sizeof message - 1), MESSAGE);
    assert_non_null(strstr(json, "\"Text\":\"a\xef\xbf\xbd"
                                 "b\\n\""));
    mem_free(&json);
}

static void test_the_deepest_tree_can_be_written_within_an_object(void **state)
{
    struct buf message = {0};
    for (int i = 0; i < 50; i++)
        buf_putf(&message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    char *json = written(buf_span(&message), INCOMING);
    struct json_doc *doc = jsonread_parse(span_text(json), NULL, NULL);
    assert_non_null(doc);
    jsonread_free(&doc);
    mem_free(&json);
    buf_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_is_written_as_message_get_shows_it),
        cmocka_unit_test(test_a_message_is_written_as_the_incoming_webhook_shows_it),
        cmocka_unit_test(test_nothing_is_null_in_an_empty_message_but_the_date),
        cmocka_unit_test(test_the_structure_is_that_of_the_parts),
        cmocka_unit_test(test_a_nul_in_a_text_is_shown_as_a_replacement),
        cmocka_unit_test(test_the_deepest_tree_can_be_written_within_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

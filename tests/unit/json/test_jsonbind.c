#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "jsonbind.h"

struct address {
    struct span name, address;
};

struct request {
    bool save;
    bool *require_tls;
    int64_t id;
    int64_t *release;
    struct span subject;
    struct span data;
    int64_t date;
    struct address sender;
    struct address *reply;
    struct jsonbind_array to;      /* struct address */
    struct jsonbind_array path;    /* int64_t */
    struct jsonbind_array headers; /* struct span[2] */
    struct jsonbind_array extra;   /* struct jsonbind_pair */
    int color;
    struct span pair[2];
};

static int bind_color(struct json_doc *doc, const struct json_value *v, void *field, struct fail *f)
{
    static const char *const colors[] = {"red", "green"};
    for (int i = 0; i < 2; i++) {
        if (span_is(jsonread_text(v), colors[i])) {
            *(int *)field = i + 1;
            return 0;
        }
    }
    return fail_set(f, "must be red or green");
}

static const struct jsonbind_field address_fields[] = {
    {"Name", JSONBIND_TEXT, offsetof(struct address, name)},
    {"Address", JSONBIND_TEXT, offsetof(struct address, address), .required = true},
    {0},
};
static const struct jsonbind_field an_address = {
    .type = JSONBIND_OBJECT, .of = address_fields, .size = sizeof(struct address)};
static const struct jsonbind_field a_step = {.type = JSONBIND_INT64};
static const struct jsonbind_field a_header = {.type = JSONBIND_TEXTS, .count = 2};

static const struct jsonbind_field fields[] = {
    {"Save", JSONBIND_BOOL, offsetof(struct request, save)},
    {"RequireTLS", JSONBIND_BOOL, offsetof(struct request, require_tls), .pointer = true},
    {"ID", JSONBIND_INT64, offsetof(struct request, id)},
    {"Release", JSONBIND_TIME, offsetof(struct request, release), .pointer = true},
    {"Subject", JSONBIND_TEXT, offsetof(struct request, subject)},
    {"Data", JSONBIND_BYTES, offsetof(struct request, data)},
    {"Date", JSONBIND_TIME, offsetof(struct request, date)},
    {"Sender", JSONBIND_OBJECT, offsetof(struct request, sender), .of = address_fields,
     .size = sizeof(struct address)},
    {"Reply", JSONBIND_OBJECT, offsetof(struct request, reply), .of = address_fields,
     .size = sizeof(struct address), .pointer = true},
    {"To", JSONBIND_ARRAY, offsetof(struct request, to), .of = &an_address, .max = 3},
    {"Path", JSONBIND_ARRAY, offsetof(struct request, path), .of = &a_step},
    {"Headers", JSONBIND_ARRAY, offsetof(struct request, headers), .of = &a_header},
    {"Extra", JSONBIND_MAP, offsetof(struct request, extra), .max = 2},
    {"Color", JSONBIND_CALL, offsetof(struct request, color), .call = bind_color,
     .size = sizeof(int)},
    {"Pair", JSONBIND_TEXTS, offsetof(struct request, pair), .count = 2},
    {0},
};

static struct json_doc *bind(const char *text, struct request *r)
{
    struct fail f = {0};
    *r = (struct request){0};
    struct json_doc *doc = jsonbind_parse(span_text(text), NULL, fields, r, &f);
    if (doc == NULL)
        fail_msg("%s: %s", text, f.text);
    return doc;
}

static void test_a_whole_request_is_bound(void **state)
{
    struct request r;
    struct json_doc *doc = bind(
        "{\"Save\":true,\"RequireTLS\":false,\"ID\":9007199254740993,"
        "\"Release\":\"1970-01-01T00:00:01Z\",\"Subject\":\"h\\u00e9\",\"Data\":\"Zm9v\\nYmFy\","
        "\"Date\":\"1969-12-31T23:59:59Z\",\"Sender\":{\"Address\":\"a@b\"},"
        "\"Reply\":{\"Name\":\"R\",\"Address\":\"r@b\"},"
        "\"To\":[{\"Name\":\"X\",\"Address\":\"x@y\"},{\"Address\":\"z@y\"}],"
        "\"Path\":[0,5,-1],\"Headers\":[[\"X-A\",\"1\"],[\"X-B\"],[\"c\",\"d\",\"e\"],[]],"
        "\"Extra\":{\"k\":\"v\",\"K\":\"\"},\"Color\":\"green\"}",
        &r);
    assert_true(r.save);
    assert_non_null(r.require_tls);
    assert_false(*r.require_tls);
    assert_int_equal(r.id, 9007199254740993);
    assert_int_equal(*r.release, 1000);
    assert_true(span_is(r.subject, "h\xc3\xa9"));
    assert_true(span_is(r.data, "foobar"));
    assert_int_equal(r.date, -1000);
    assert_true(span_is(r.sender.address, "a@b"));
    assert_true(span_is(r.reply->name, "R"));
    const struct address *to = r.to.p;
    assert_int_equal(r.to.n, 2);
    assert_true(span_is(to[0].name, "X"));
    assert_true(span_is(to[1].address, "z@y"));
    assert_int_equal(to[1].name.n, 0);
    const int64_t *path = r.path.p;
    assert_int_equal(r.path.n, 3);
    assert_int_equal(path[1], 5);
    assert_int_equal(path[2], -1);
    const struct span(*headers)[2] = r.headers.p;
    assert_int_equal(r.headers.n, 4);
    assert_true(span_is(headers[0][1], "1"));
    assert_true(span_is(headers[1][0], "X-B"));
    assert_int_equal(headers[1][1].n, 0);
    assert_true(span_is(headers[2][1], "d"));
    assert_int_equal(headers[3][0].n, 0);
    const struct jsonbind_pair *extra = r.extra.p;
    assert_int_equal(r.extra.n, 2);
    assert_true(span_is(extra[0].key, "k"));
    assert_true(span_is(extra[0].value, "v"));
    assert_true(span_is(extra[1].key, "K"));
    assert_int_equal(r.color, 2);
    jsonread_free(&doc);
}

static void test_names_match_in_any_case(void **state)
{
    struct request r;
    struct json_doc *doc = bind("{\"id\":1,\"SUBJECT\":\"s\",\"tO\":[{\"ADDRESS\":\"a\"}]}", &r);
    assert_int_equal(r.id, 1);
    assert_true(span_is(r.subject, "s"));
    assert_int_equal(r.to.n, 1);
    jsonread_free(&doc);
}

static void test_an_absent_field_keeps_its_default(void **state)
{
    struct request r = {.id = 5, .save = true};
    struct json_doc *doc = jsonbind_parse(span_text("{}"), NULL, fields, &r, NULL);
    assert_int_equal(r.id, 5);
    assert_true(r.save);
    jsonread_free(&doc);
}

static void test_a_short_row_of_texts_leaves_no_default_behind(void **state)
{
    struct request r = {.pair = {{(const unsigned char *)"x", 1}, {(const unsigned char *)"y", 1}}};
    struct json_doc *doc = jsonbind_parse(span_text("{\"Pair\":[\"a\"]}"), NULL, fields, &r, NULL);
    assert_true(span_is(r.pair[0], "a"));
    assert_int_equal(r.pair[1].n, 0);
    jsonread_free(&doc);
}

static void test_null_is_the_zero_value_of_every_type(void **state)
{
    struct request r;
    memset(&r, 0x55, sizeof r);
    struct json_doc *doc = jsonbind_parse(
        span_text(
            "{\"Save\":null,\"RequireTLS\":null,\"ID\":null,\"Release\":null,\"Subject\":null,"
            "\"Data\":null,\"Date\":null,\"Sender\":null,\"Reply\":null,\"To\":null,"
            "\"Path\":null,\"Headers\":null,\"Extra\":null,\"Color\":null}"),
        NULL, fields, &r, NULL);
    assert_non_null(doc);
    assert_false(r.save);
    assert_null(r.require_tls);
    assert_int_equal(r.id, 0);
    assert_null(r.release);
    assert_null(r.subject.p);
    assert_int_equal(r.subject.n, 0);
    assert_int_equal(r.data.n, 0);
    assert_int_equal(r.date, 0);
    assert_int_equal(r.sender.address.n, 0);
    assert_null(r.reply);
    assert_int_equal(r.to.n, 0);
    assert_null(r.path.p);
    assert_int_equal(r.headers.n, 0);
    assert_int_equal(r.extra.n, 0);
    assert_int_equal(r.color, 0);
    jsonread_free(&doc);
}

static void test_null_elements_are_zero_too(void **state)
{
    struct request r;
    struct json_doc *doc = bind("{\"To\":[null],\"Path\":[1,null],\"Headers\":[null,[null,\"b\"]],"
                                "\"Extra\":{\"a\":null}}",
                                &r);
    assert_int_equal(r.to.n, 1);
    assert_int_equal(((const struct address *)r.to.p)->address.n, 0);
    assert_int_equal(((const int64_t *)r.path.p)[1], 0);
    const struct span(*headers)[2] = r.headers.p;
    assert_int_equal(headers[0][0].n, 0);
    assert_true(span_is(headers[1][1], "b"));
    assert_int_equal(r.extra.n, 1);
    jsonread_free(&doc);
}

static void test_a_null_request_is_an_empty_one(void **state)
{
    struct request r;
    struct json_doc *doc = bind("null", &r);
    assert_int_equal(r.id, 0);
    jsonread_free(&doc);
    struct address a = {0};
    struct fail f = {0};
    assert_null(jsonbind_parse(span_text("null"), NULL, address_fields, &a, &f));
    assert_string_equal(f.text, "field \"Address\" is missing");
}

static void test_what_does_not_fit_is_refused_by_name(void **state)
{
    static const char *const cases[][2] = {
        {"{\"Nope\":1}", "field \"Nope\" is unknown"},
        {"{\"To\":[{\"Address\":\"a\"},{\"Adress\":\"b\"}]}", "field \"To[1].Adress\" is unknown"},
        {"{\"ID\":1,\"id\":2}", "field \"id\" is given twice"},
        {"{\"ID\":1,\"ID\":1}", "field \"ID\" is given twice"},
        {"{\"ID\":\"1\"}", "field \"ID\" must be a number, not string"},
        {"{\"id\":true}", "field \"id\" must be a number, not bool"},
        {"{\"ID\":1.0}", "field \"ID\" must be a 64-bit integer: not written as a whole number"},
        {"{\"ID\":9223372036854775808}", "field \"ID\" must be a 64-bit integer: out of range"},
        {"{\"Save\":0}", "field \"Save\" must be a bool, not number"},
        {"{\"RequireTLS\":\"yes\"}", "field \"RequireTLS\" must be a bool, not string"},
        {"{\"Subject\":[]}", "field \"Subject\" must be a string, not array"},
        {"{\"Data\":\"Zm9\"}", "field \"Data\" must be a string of base64"},
        {"{\"Data\":7}", "field \"Data\" must be a string, not number"},
        {"{\"Date\":\"yesterday\"}",
         "field \"Date\" must be a time like 2006-01-02T15:04:05Z (RFC 3339)"},
        {"{\"Release\":5}", "field \"Release\" must be a string, not number"},
        {"{\"Sender\":[]}", "field \"Sender\" must be an object, not array"},
        {"{\"Sender\":{}}", "field \"Sender.Address\" is missing"},
        {"{\"To\":{}}", "field \"To\" must be an array, not object"},
        {"{\"To\":[5]}", "field \"To[0]\" must be an object, not number"},
        {"{\"To\":[null,null,null,null]}", "field \"To\" may hold at most 3 values"},
        {"{\"Path\":[1,\"2\"]}", "field \"Path[1]\" must be a number, not string"},
        {"{\"Headers\":[\"x\"]}", "field \"Headers[0]\" must be an array, not string"},
        {"{\"Headers\":[[\"a\",\"b\",3]]}", "field \"Headers[0][2]\" must be a string, not number"},
        {"{\"Extra\":{\"k\":1}}", "field \"Extra.k\" must be a string, not number"},
        {"{\"Extra\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}",
         "field \"Extra\" may hold at most 2 values"},
        {"{\"Extra\":[]}", "field \"Extra\" must be an object, not array"},
        {"{\"Color\":\"blue\"}", "field \"Color\" must be red or green"},
        {"[]", "the JSON value must be an object, not array"},
        {"5", "the JSON value must be an object, not number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request r = {0};
        struct fail f = {0};
        assert_null(jsonbind_parse(span_text(cases[i][0]), NULL, fields, &r, &f));
        assert_string_equal(f.text, cases[i][1]);
    }
}

static void test_a_long_name_is_cut_in_the_sentence(void **state)
{
    struct buf text = {0};
    struct fail f = {0};
    struct request r = {0};
    buf_puts(&text, "{\"");
    for (int i = 0; i < 1000; i++)
        buf_putc(&text, 'n');
    buf_puts(&text, "\":1}");
    assert_null(jsonbind_parse(buf_span(&text), NULL, fields, &r, &f));
    assert_int_equal(strlen(f.text), strlen("field \"\" is unknown") + 64);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_request_is_bound),
        cmocka_unit_test(test_names_match_in_any_case),
        cmocka_unit_test(test_an_absent_field_keeps_its_default),
        cmocka_unit_test(test_a_short_row_of_texts_leaves_no_default_behind),
        cmocka_unit_test(test_null_is_the_zero_value_of_every_type),
        cmocka_unit_test(test_null_elements_are_zero_too),
        cmocka_unit_test(test_a_null_request_is_an_empty_one),
        cmocka_unit_test(test_what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(test_a_long_name_is_cut_in_the_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

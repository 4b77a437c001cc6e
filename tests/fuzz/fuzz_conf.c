/* themes: conf codec base */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "conf.h"

/* A configuration: what is wrong has a place inside the text, and what is right is shown, parsed
 * again and shared without a change of meaning. */

static const unsigned readers[] = {CONF_MASTER, CONF_SMTPD, CONF_QMGR, CONF_DELIVERY,
                                   CONF_WEBAPI, CONF_HOOKS, CONF_VAULT};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_errors(const struct conf_errors *errors, size_t size)
{
    struct buf out = {0};
    assert(errors->n <= CONF_MAX_ERRORS);
    for (size_t i = 0; i < errors->n; i++) {
        assert(errors->v[i].offset <= size && errors->v[i].sentence[0] != '\0');
        assert(i == 0 || errors->v[i - 1].offset <= errors->v[i].offset);
    }
    conf_errors_print(errors, &out);
    buf_free(&out);
}

static void check_show(const struct conf *conf)
{
    struct buf one = {0}, two = {0}, three = {0};
    struct conf_errors errors;
    conf_show(conf, true, &one);
    struct conf *again = conf_parse("f", buf_span(&one), &errors);
    assert(again != NULL && errors.failures == 0);
    conf_show(again, true, &two);
    struct conf_errors ignored;
    struct conf *third = conf_parse("f", buf_span(&two), &ignored);
    assert(third != NULL);
    conf_show(third, true, &three);
    assert(span_equal(buf_span(&two), buf_span(&three)));
    conf_errors_free(&errors);
    conf_errors_free(&ignored);
    conf_free(&again);
    conf_free(&third);
    buf_free(&one);
    buf_free(&two);
    buf_free(&three);
}

static void check_share(const struct conf *conf, unsigned reader)
{
    struct buf share = {0}, again = {0};
    conf_encode(conf, reader, &share);
    struct conf *decoded = conf_decode(buf_span(&share), reader, NULL);
    assert(decoded != NULL);
    conf_encode(decoded, reader, &again);
    assert(span_equal(buf_span(&share), buf_span(&again)));
    conf_free(&decoded);
    buf_free(&share);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse("f", span_of(data, size), &errors);
    assert((conf == NULL) == (errors.failures > 0));
    check_errors(&errors, size);
    conf_errors_free(&errors);
    if (conf != NULL) {
        check_show(conf);
        for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
            check_share(conf, readers[i]);
    }
    conf_free(&conf);
    return 0;
}

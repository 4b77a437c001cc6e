#include "conf_help.h"

#include <string.h>

#include "conftables.h"
#include "conftree.h"
#include "log.h"

/* Calls check for every block type of the tables, one inside another. */
static void each_type(const struct conf_block_type *type,
                      void (*check)(const struct conf_block_type *type))
{
    check(type);
    for (size_t i = 0; type->blocks != NULL && type->blocks[i] != NULL; i++)
        each_type(type->blocks[i], check);
}

static void check_sentence(const char *name, const char *doc)
{
    size_t n = strlen(doc);
    if (n < 10 || doc[n - 1] != '.' || strstr(doc, "  ") != NULL || strchr(doc, '\t') != NULL)
        fail_msg("%s is documented as \"%s\"", name, doc);
}

static void check_docs(const struct conf_block_type *type)
{
    check_sentence(type->name, type->doc);
    assert_true((type->label == CONF_LABEL_NONE) == (type->label_doc == NULL));
    for (size_t i = 0; i < type->n_settings; i++)
        check_sentence(type->settings[i].name, type->settings[i].doc);
}

static void test_every_block_and_setting_is_documented(void **state)
{
    each_type(&conftables_root, check_docs);
}

static void check_bounds(const struct conf_block_type *type)
{
    for (size_t i = 0; i < type->n_settings; i++) {
        const struct conf_setting *def = &type->settings[i];
        bool number = def->type == CONF_INT || def->type == CONF_SIZE ||
                      def->type == CONF_DURATION || def->type == CONF_TEXT;
        if (number && (def->min == NULL || def->max == NULL) && (def->flags & CONF_ASCII) == 0)
            fail_msg("%s %s has no bounds", type->name, def->name);
    }
}

static void test_every_number_and_text_has_bounds(void **state)
{
    each_type(&conftables_root, check_bounds);
}

static void check_secrets(const struct conf_block_type *type)
{
    for (size_t i = 0; i < type->n_settings; i++) {
        const struct conf_setting *def = &type->settings[i];
        /* hooks has to know that there is one; it cannot open it. */
        if ((def->flags & CONF_SECRET_FILE) != 0)
            assert_int_equal(def->readers & ~CONF_HOOKS, CONF_VAULT);
        if ((def->flags & CONF_SECRET) != 0)
            assert_int_equal(def->readers & (CONF_SMTPD | CONF_WEBAPI | CONF_DELIVERY), 0);
    }
}

static void test_secrets_are_seen_by_few(void **state)
{
    each_type(&conftables_root, check_secrets);
}

static const char *words_of(const struct conf_block_type *type, const char *name)
{
    for (size_t i = 0; i < type->n_settings; i++) {
        if (strcmp(type->settings[i].name, name) == 0)
            return type->settings[i].words;
    }
    fail_msg("no %s", name);
    return NULL;
}

static const struct conf_block_type *block_of(const struct conf_block_type *type, const char *name)
{
    for (size_t i = 0; type->blocks[i] != NULL; i++) {
        if (strcmp(type->blocks[i]->name, name) == 0)
            return type->blocks[i];
    }
    fail_msg("no %s", name);
    return NULL;
}

static void expect_word(const struct conf_block_type *type, const char *name, const char *word,
                        int index)
{
    assert_int_equal(conftype_word_index(words_of(type, name), span_text(word)), index);
}

static void test_words_are_in_the_order_of_their_enums(void **state)
{
    const struct conf_block_type *root = &conftables_root;
    const struct conf_block_type *webhook = block_of(block_of(root, "account"), "webhook");
    enum log_level level;
    for (size_t i = 0; i < 4; i++) {
        static const char *const levels[] = {"debug", "info", "warn", "error"};
        assert_int_equal(log_level_parse(levels[i], &level), 0);
        expect_word(root, "log-level", levels[i], (int)level);
    }
    expect_word(root, "seccomp", "kill", CONF_SECCOMP_KILL);
    expect_word(root, "seccomp", "errno", CONF_SECCOMP_ERRNO);
    expect_word(root, "seccomp", "off", CONF_SECCOMP_OFF);
    expect_word(block_of(root, "deliver"), "tls", "none", CONF_TLS_NONE);
    expect_word(block_of(root, "deliver"), "tls", "opportunistic", CONF_TLS_OPPORTUNISTIC);
    expect_word(block_of(root, "deliver"), "tls", "required", CONF_TLS_REQUIRED);
    expect_word(block_of(root, "deliver"), "ip-family", "any", CONF_FAMILY_ANY);
    expect_word(block_of(root, "deliver"), "ip-family", "4", CONF_FAMILY_4);
    expect_word(block_of(root, "deliver"), "ip-family", "6", CONF_FAMILY_6);
    expect_word(block_of(root, "webhooks"), "success", "any-2xx", CONF_SUCCESS_ANY_2XX);
    expect_word(block_of(root, "webhooks"), "success", "200-only", CONF_SUCCESS_200_ONLY);
    expect_word(block_of(root, "tls-policy"), "level", "published", CONF_TLS_LEVEL_PUBLISHED);
    expect_word(block_of(root, "tls-policy"), "level", "none", CONF_TLS_LEVEL_NONE);
    expect_word(block_of(root, "tls-policy"), "level", "may", CONF_TLS_LEVEL_MAY);
    expect_word(block_of(root, "tls-policy"), "level", "encrypt", CONF_TLS_LEVEL_ENCRYPT);
    expect_word(block_of(root, "tls-policy"), "level", "verify", CONF_TLS_LEVEL_VERIFY);
    expect_word(block_of(root, "tls-policy"), "level", "dane-only", CONF_TLS_LEVEL_DANE_ONLY);
    expect_word(block_of(root, "tls-policy"), "level", "fingerprint", CONF_TLS_LEVEL_FINGERPRINT);
    expect_word(webhook, "events", "delivered", CONF_EVENT_DELIVERED);
    expect_word(webhook, "events", "suppressed", CONF_EVENT_SUPPRESSED);
    expect_word(webhook, "events", "delayed", CONF_EVENT_DELAYED);
    expect_word(webhook, "events", "failed", CONF_EVENT_FAILED);
    expect_word(webhook, "events", "relayed", CONF_EVENT_RELAYED);
    expect_word(webhook, "events", "expanded", CONF_EVENT_EXPANDED);
    expect_word(webhook, "events", "canceled", CONF_EVENT_CANCELED);
    expect_word(webhook, "events", "unrecognized", CONF_EVENT_UNRECOGNIZED);
}

/* What stands at the head of one list stands at the head of all, in the order of enum conf_tls. */
static void test_tls_of_every_transport_has_the_same_words(void **state)
{
    const struct conf_block_type *transport = block_of(&conftables_root, "transport");
    const char *words = words_of(block_of(&conftables_root, "deliver"), "tls");
    static const char *const kinds[] = {"direct", "smtp", "submission", "socks", "lmtp"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        assert_memory_equal(words_of(block_of(transport, kinds[i]), "tls"), words, strlen(words));
    for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i], "socks") != 0) /* which has no servers that somebody named */
            expect_word(block_of(transport, kinds[i]), "tls", "dane-only", CONF_TLS_DANE_ONLY);
    }
}

/* Tables that are wrong, each in one way. */
static const struct conf_setting two_names[] = {{"a", CONF_INT, 0, 1, .doc = "A."},
                                                {"a", CONF_INT, 0, 1, .doc = "A."}};
static const struct conf_setting bad_default[] = {
    {"a", CONF_INT, 0, 1, "11", .max = "10", .doc = "A."}};
static const struct conf_setting two_defaults[] = {
    {"a", CONF_INT, CONF_REQUIRED, 1, "1", .doc = "A."}};
static const struct conf_setting no_reader[] = {{"a", CONF_INT, 0, 0, .doc = "A."}};
static const struct conf_setting hidden[] = {{"a", CONF_INT, 0, CONF_VAULT, .doc = "A."}};
static const struct conf_setting reserved[] = {{"include", CONF_INT, 0, 1, .doc = "A."}};
static const struct conf_setting from_nothing[] = {{"a", CONF_INT, 0, 1, .from = "b", .doc = "A."}};
static const struct conf_setting from_other[] = {{"a", CONF_INT, 0, 1, .from = "b", .doc = "A."},
                                                 {"b", CONF_SIZE, 0, 1, .doc = "B."}};
static const struct conf_setting undocumented[] = {{"a", CONF_INT, 0, 1}};
static const struct conf_setting good[] = {{"a", CONF_INT, 0, 1, .from = "b", .doc = "A."},
                                           {"b", CONF_INT, 0, 1, "5", .doc = "B."}};

static void make_tree(void *root)
{
    struct conf *conf = conftree_new(root, CONF_MASTER);
    conf_free(&conf);
}

static void test_a_table_that_is_wrong_is_our_mistake(void **state)
{
    static const struct conf_block_type tables[] = {
        {.doc = "X.", .readers = 1, CONF_TABLE(two_names)},
        {.doc = "X.", .readers = 1, CONF_TABLE(bad_default)},
        {.doc = "X.", .readers = 1, CONF_TABLE(two_defaults)},
        {.doc = "X.", .readers = 1, CONF_TABLE(no_reader)},
        {.doc = "X.", .readers = 1, CONF_TABLE(hidden)},
        {.doc = "X.", .readers = 1, CONF_TABLE(reserved)},
        {.doc = "X.", .readers = 1, CONF_TABLE(from_nothing)},
        {.doc = "X.", .readers = 1, CONF_TABLE(from_other)},
        {.doc = "X.", .readers = 1, CONF_TABLE(undocumented)},
        {.doc = "X.", .readers = 1, CONF_TABLE(good)},
    };
    size_t last = sizeof tables / sizeof tables[0] - 1;
    for (size_t i = 0; i < last; i++)
        assert_true(asserts(make_tree, (void *)&tables[i]));
    assert_false(asserts(make_tree, (void *)&tables[last]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_block_and_setting_is_documented),
        cmocka_unit_test(test_every_number_and_text_has_bounds),
        cmocka_unit_test(test_secrets_are_seen_by_few),
        cmocka_unit_test(test_words_are_in_the_order_of_their_enums),
        cmocka_unit_test(test_tls_of_every_transport_has_the_same_words),
        cmocka_unit_test(test_a_table_that_is_wrong_is_our_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "conf_help.h"

#include <string.h>

#include "conftables.h"

/* Every setting of the block, by its name or among those of deliver. */
static void check_block(const struct conf_block_type *type, const char *page)
{
    for (size_t i = 0; i < type->n_settings; i++) {
        struct buf name = {0};
        buf_puts(&name, ".Ic \"");
        for (const char *p = type->settings[i].name; *p != '\0'; p++)
            buf_puts(&name, *p == '-' ? "\\-" : (char[]){*p, '\0'});
        buf_puts(&name, "\"");
        const char *line = buf_text(&name) + 1; /* .Ic "x" or .It Ic "x" */
        if (strstr(page, line) == NULL)
            fail_msg("%s of %s is not in the page", type->settings[i].name, type->name);
        buf_free(&name);
    }
    for (size_t i = 0; type->blocks != NULL && type->blocks[i] != NULL; i++)
        check_block(type->blocks[i], page);
}

static void test_every_setting_is_in_the_page(void **state)
{
    struct buf out = {0};
    conf_document(&out);
    check_block(&conftables_root, buf_text(&out));
    buf_free(&out);
}

static void test_a_setting_is_documented_with_type_bounds_and_default(void **state)
{
    static const char *const parts[] = {
        ".Sh VALUES\n",
        "\n.Sh SETTINGS\n.Ss \"At the top level\"\n",
        "\n.It Ic \"first\\-retry\" Ar \"duration\"\nWait after the first failed attempt; it "
        "doubles "
        "with each further\none.\nFrom 1s to 1d.\nThe default is\n.Ql \"450s\" .\n",
        "\n.It Ic \"hostname\" Ar \"host\"\n",
        "\nHas to be given.\n",
        "\n.It Ic \"server\" Ar \"address:port\" ...\n",
        "\nOne of\n.Cm \"none\" ,\n.Cm \"opportunistic\" ,\n.Cm \"required\" .\n",
        "\nThe default is what\n.Ic \"keep\\-retired\\-messages\"\nin\n.Ic queue\nsays.\n",
        "\nThe default is what\n.Ic \"hostname\"\nsays.\n",
        "\n.Ss \"account NAME\"\n",
        "\n.Ss \"account / webhook outgoing | incoming\"\n",
        "\n.Ss \"transport / submission / auth\"\n",
        "\nThese settings of\n.Ic deliver\n",
        "\n.Sh LIMITS\nA file is at most 4 MiB long.\n",
        "hold at most 100000 statements.\n",
    };
    struct buf out = {0};
    conf_document(&out);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(buf_text(&out), parts[i]) == NULL)
            fail_msg("no \"%s\"", parts[i]);
    }
    assert_null(strstr(buf_text(&out), "2001:db8::/32")); /* a type that no setting has */
    buf_free(&out);
}

/* roff acts on a dot or quote at the start of a line, and on a backslash anywhere. */
static void test_no_text_is_taken_for_a_request(void **state)
{
    static const char *const macros[] = {".Sh ", ".Ss ", ".Bl ", ".El", ".It ",
                                         ".Ic ", ".Ql ", ".Cm ", ".Pp"};
    struct buf out = {0};
    conf_document(&out);
    char *page = buf_take_text(&out), *rest = page, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        bool known = line[0] != '.';
        for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++)
            known = known || strncmp(line, macros[i], strlen(macros[i])) == 0;
        if (!known || line[0] == '\'')
            fail_msg("a line begins with %s", line);
        for (const char *p = line; (p = strchr(p, '\\')) != NULL; p += 2)
            assert_non_null(strchr("-&e(", p[1]));
        assert_true(strlen(line) <= 80);
    }
    mem_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_setting_is_in_the_page),
        cmocka_unit_test(test_a_setting_is_documented_with_type_bounds_and_default),
        cmocka_unit_test(test_no_text_is_taken_for_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

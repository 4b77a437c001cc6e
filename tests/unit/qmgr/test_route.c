#include "world.h"

#include <string.h>

#include "mem.h"
#include "route.h"

static const char routes[] =
    "domain routed.example {\n  route { to .dom.example  transport dom }\n}\n"
    "account app {\n  address app@example.org\n"
    "  route { to .acc.example  transport acc }\n"
    "  route { to .both.example  min-attempts 2  transport late }\n"
    "}\n"
    "account nobox { address nobox@example.org  mailbox no }\n"
    "account all { address *@catch.example }\n"
    "domain catch.example { }\n"
    "route { from special.example  to .x.example  transport special }\n"
    "route { to .both.example  transport whole }\n"
    "route { to exact.example  transport exact }\n"
    "transport dom { submission { host a.example } }\n"
    "transport acc { submission { host a.example } }\n"
    "transport late { submission { host a.example } }\n"
    "transport special { submission { host a.example } }\n"
    "transport whole { submission { host a.example } }\n"
    "transport exact { submission { host a.example } }\n";

static const struct {
    const char *account, *sender, *to;
    unsigned attempts;
    const char *pinned;
    const char *transport, *destination;
} cases[] = {
    {"", "a@b.example", "c@d.example", 0, "", "direct", "d.example"},
    {"", "", "c@d.example", 0, "", "direct", "d.example"},
    /* the account's routes come first, then those of the sender's domain, then those for all */
    {"app", "a@b.example", "c@acc.example", 0, "", "acc", "acc.example"},
    {"app", "a@b.example", "c@sub.acc.example", 0, "", "acc", "sub.acc.example"},
    {"app", "a@b.example", "c@notacc.example", 0, "", "direct", "notacc.example"},
    {"", "a@b.example", "c@acc.example", 0, "", "direct", "acc.example"},
    {"gone", "a@b.example", "c@acc.example", 0, "", "direct", "acc.example"},
    {"", "a@routed.example", "c@dom.example", 0, "", "dom", "dom.example"},
    {"", "a@ROUTED.example", "c@dom.example", 0, "", "dom", "dom.example"},
    {"", "a@b.example", "c@dom.example", 0, "", "direct", "dom.example"},
    {"app", "a@routed.example", "c@dom.example", 0, "", "dom", "dom.example"},
    {"", "a@b.example", "c@both.example", 0, "", "whole", "both.example"},
    /* after so many attempts */
    {"app", "a@b.example", "c@both.example", 0, "", "whole", "both.example"},
    {"app", "a@b.example", "c@both.example", 1, "", "whole", "both.example"},
    {"app", "a@b.example", "c@both.example", 2, "", "late", "both.example"},
    {"app", "a@b.example", "c@both.example", 9, "", "late", "both.example"},
    /* both patterns must fit */
    {"", "a@special.example", "c@x.example", 0, "", "special", "x.example"},
    {"", "a@b.example", "c@x.example", 0, "", "direct", "x.example"},
    {"", "a@special.example", "c@y.example", 0, "", "direct", "y.example"},
    {"", "", "c@x.example", 0, "", "direct", "x.example"},
    {"", "a@b.example", "c@exact.example", 0, "", "exact", "exact.example"},
    {"", "a@b.example", "c@sub.exact.example", 0, "", "direct", "sub.exact.example"},
    /* what the operator chose comes before all */
    {"app", "a@b.example", "c@acc.example", 0, "relay", "relay", "acc.example"},
    {"", "a@b.example", "box@example.org", 0, "relay", "relay", "example.org"},
    /* mailboxes of ours */
    {"", "a@b.example", "box@example.org", 0, "", "local", "box"},
    {"", "a@b.example", "BOX@example.org", 0, "", "local", "box"},
    {"", "a@b.example", "box+list@example.org", 0, "", "local", "box"},
    {"app", "a@b.example", "app@example.org", 0, "", "local", "app"},
    {"", "a@b.example", "nobox@example.org", 0, "", "direct", "example.org"},
    {"", "a@b.example", "unknown@example.org", 0, "", "direct", "example.org"},
    {"", "a@b.example", "anybody@catch.example", 0, "", "local", "all"},
    {"", "a@b.example", "nodomain", 0, "", "direct", ""},
};

static struct route choose(const struct settings *s, enum submit_origin origin, const char *account,
                           const char *sender, const char *to, unsigned attempts,
                           const char *pinned)
{
    struct submit_envelope e = {
        .origin = origin, .account = (char *)account, .sender = (char *)sender};
    struct rcpt_row r = {
        .address = (char *)to, .transport = (char *)pinned, .attempts = (uint16_t)attempts};
    return route_choose(s, &e, &r);
}

static void test_the_first_route_that_fits_is_taken(void **state)
{
    struct settings *s = world_settings(routes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route r = choose(s, SUBMIT_SUBMISSION, cases[i].account, cases[i].sender,
                                cases[i].to, cases[i].attempts, cases[i].pinned);
        if (strcmp(r.transport, cases[i].transport) != 0 ||
            strcmp(r.destination, cases[i].destination) != 0)
            fail_msg("case %zu: %s for %s instead of %s for %s", i, r.transport, r.destination,
                     cases[i].transport, cases[i].destination);
    }
    settings_drop(&s);
}

static void test_localserve_takes_what_was_submitted_once_around(void **state)
{
    static const struct {
        enum submit_origin origin;
        const char *to, *transport, *destination;
    } local[] = {
        {SUBMIT_SUBMISSION, "c@d.example", "itself", "d.example"},
        {SUBMIT_WEBAPI, "box@example.org", "itself", "example.org"},
        {SUBMIT_LOCAL, "box@example.org", "itself", "example.org"},
        /* what came in by SMTP is for the first account, whoever it names */
        {SUBMIT_SMTP, "c@d.example", "local", "box"},
        {SUBMIT_SMTP, "other@example.org", "local", "other"},
        {SUBMIT_DSN, "c@d.example", "local", "box"},
    };
    struct settings *s =
        world_settings("localserve yes\naccount other { address other@example.org }\n"
                       "transport itself { submission { host localhost } }\n"
                       "route { to *  transport itself }\n");
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        struct route r = choose(s, local[i].origin, "box", "a@b.example", local[i].to, 0, "");
        assert_string_equal(r.transport, local[i].transport);
        assert_string_equal(r.destination, local[i].destination);
    }
    settings_drop(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_route_that_fits_is_taken),
        cmocka_unit_test(test_localserve_takes_what_was_submitted_once_around),
    };
    return WORLD_MAIN(argc, argv, tests);
}

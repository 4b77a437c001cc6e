#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_options.h"

#define WORDS 16

/* All that was understood, in words. */
static char *describe(const struct sm_options *o)
{
    static const char *const modes[] = {"submit", "list", "aliases", "verify",
                                        "flush",  "help", "version"};
    static const char *const flushes[] = {"all", "id", "recipient", "sender"};
    static const char *const bodies[] = {"", " 7bit", " 8bit", " binary"};
    struct buf b = {0};
    buf_puts(&b, modes[o->mode]);
    if (o->mode == SM_MODE_FLUSH)
        buf_putf(&b, " %s:%s", flushes[o->flush], o->flush_text);
    buf_puts(&b, o->rmail ? " rmail" : "");
    buf_puts(&b, o->from_header ? " t" : "");
    buf_puts(&b, o->ignore_dots ? " i" : "");
    buf_puts(&b, o->gateway ? " G" : "");
    buf_puts(&b, o->quiet ? " quiet" : "");
    buf_puts(&b, o->verbose ? " v" : "");
    buf_puts(&b, o->json ? " j" : "");
    if (o->sender != NULL)
        buf_putf(&b, " f=%s", o->sender);
    if (o->name != NULL)
        buf_putf(&b, " F=%s", o->name);
    if (o->config != NULL)
        buf_putf(&b, " C=%s", o->config);
    buf_puts(&b, bodies[o->mail.body]);
    if (o->rcpt.notify != 0)
        buf_putf(&b, " notify=%u", o->rcpt.notify);
    if (o->mail.ret != ESMTP_RET_NONE)
        buf_puts(&b, o->mail.ret == ESMTP_RET_FULL ? " full" : " hdrs");
    if (o->mail.has_envid)
        buf_putf(&b, " envid=%s", o->mail.envid);
    buf_puts(&b, o->mail.requiretls ? " requiretls" : "");
    buf_puts(&b, o->mail.smtputf8 ? " smtputf8" : "");
    buf_puts(&b, o->smtputf8_off ? " no-smtputf8" : "");
    if (o->mail.has_hold_until)
        buf_putf(&b, " hold=%lld", (long long)o->mail.hold_until_s);
    buf_puts(&b, " |");
    for (size_t i = 0; i < o->operands_n; i++)
        buf_putf(&b, " %s", o->operands[i]);
    return buf_take_text(&b);
}

static int count(char *const *argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    return argc;
}

struct example {
    const char *argv[WORDS];
    const char *understood; /* NULL: refused */
    const char *said;       /* in the warnings or the refusal; NULL for nothing */
};

static void try(const struct example *e)
{
    char *argv[WORDS + 1] = {NULL};
    struct sm_options o;
    struct fail f = {{0}};
    for (size_t i = 0; i < WORDS && e->argv[i] != NULL; i++)
        argv[i] = mem_text(e->argv[i]);
    int rc = sm_options_read(&o, count(argv), argv, &f);
    const char *said = rc == 0 ? buf_text(&o.warnings) : f.text;
    if (e->said == NULL)
        assert_string_equal(said, "");
    else if (strstr(said, e->said) == NULL)
        fail_msg("'%s' is not in '%s'", e->said, said);
    assert_int_equal(rc, e->understood == NULL ? -1 : 0);
    if (e->understood != NULL) {
        char *text = describe(&o);
        assert_string_equal(text, e->understood);
        mem_free(&text);
    }
    sm_options_clear(&o);
    for (size_t i = 0; i < WORDS; i++)
        mem_free(&argv[i]);
}

#define TRY_ALL(examples)                                                                          \
    for (size_t i = 0; i < sizeof(examples) / sizeof((examples)[0]); i++)                          \
    try(&(examples)[i])

static void the_command_lines_of_known_callers_are_understood(void **state)
{
    static const struct example examples[] = {
        /* Debian's cron */
        {{"sendmail", "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"},
         "submit i F=CronDaemon 8bit | root"},
        /* cronie */
        {{"sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"},
         "submit t i f=root F=CronDaemon |"},
        {{"sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "<>"},
         "submit t i f=<> F=CronDaemon |"},
        /* vixie-cron and the BSDs */
        {{"sendmail", "-FCronDaemon", "-odi", "-oem", "-oi", "-t"}, "submit t i F=CronDaemon |"},
        /* systemd-cron */
        {{"/usr/lib/sendmail", "-i", "-B", "8BITMIME", "user"}, "submit i 8bit | user"},
        /* anacron */
        {{"/usr/sbin/sendmail", "-FAnacron", "-odi", "root"}, "submit F=Anacron | root"},
        /* atd */
        {{"/usr/sbin/sendmail", "-i", "user"}, "submit i | user"},
        /* mutt, NeoMutt */
        {{"/usr/sbin/sendmail", "-oem", "-oi", "-B8BITMIME", "-f", "me@a.example", "-N",
          "success,delay", "-R", "hdrs", "--", "b@c.example", "d@e.example"},
         "submit i f=me@a.example 8bit notify=10 hdrs | b@c.example d@e.example"},
        {{"/usr/sbin/sendmail", "-oem", "-oi", "--", "b@c.example"}, "submit i | b@c.example"},
        /* s-nail */
        {{"/usr/sbin/sendmail", "-i", "--", "b@c.example"}, "submit i | b@c.example"},
        /* PHP */
        {{"/usr/sbin/sendmail", "-t", "-i"}, "submit t i |"},
        {{"/usr/sbin/sendmail", "-t", "-i", "-fwww@a.example"}, "submit t i f=www@a.example |"},
        /* mdadm */
        {{"/usr/sbin/sendmail", "-t", "-froot"}, "submit t f=root |"},
        /* Ruby's mail */
        {{"/usr/sbin/sendmail", "-i", "-f", "a@b.example", "--", "c@d.example"},
         "submit i f=a@b.example | c@d.example"},
        /* Nodemailer */
        {{"sendmail", "-i", "-f", "a@b.example", "c@d.example", "e@f.example"},
         "submit i f=a@b.example | c@d.example e@f.example"},
        /* Symfony Mailer */
        {{"/usr/sbin/sendmail", "-t", "-fa@b.example"}, "submit t f=a@b.example |"},
        {{"/usr/sbin/sendmail", "-bs"}, NULL, "-bs: SMTP on standard input is not offered"},
        /* Alpine */
        {{"/usr/sbin/sendmail", "-bs", "-odb", "-oem"}, NULL, "-bs"},
        /* git send-email */
        {{"/usr/sbin/sendmail", "-f", "me@a.example", "-i", "b@c.example"},
         "submit i f=me@a.example | b@c.example"},
        /* busybox */
        {{"sendmail", "-ti"}, "submit t i |"},
        /* LSF */
        {{"sendmail", "-oi", "-FLSF", "-fLSF", "user"}, "submit i f=LSF F=LSF | user"},
        /* the list of the queue, and the cron jobs that run it */
        {{"mailq"}, "list |"},
        {{"/usr/bin/mailq", "-v"}, "list v |"},
        {{"/usr/sbin/sendmail", "-bp"}, "list |"},
        {{"/usr/sbin/sendmail", "-bp", "-j"}, "list j |"},
        {{"/usr/sbin/sendmail", "-q"}, "flush all: |"},
        {{"newaliases"}, "aliases |"},
        {{"/usr/sbin/sendmail", "-bi"}, "aliases |"},
        {{"/usr/sbin/sendmail", "-I"}, "aliases |"},
    };
    TRY_ALL(examples);
}

static void options_end_at_the_first_operand(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "a@b.example", "-t"},
         "submit | a@b.example -t",
         "-t stands behind an operand"},
        {{"sendmail", "--", "-t"}, "submit | -t"},
        {{"sendmail", "-i", "--", "a", "-t"}, "submit i | a -t"},
        {{"sendmail", "--", "--"}, "submit | --"},
        {{"sendmail", "-", "-t"}, "submit | - -t", "-t stands behind an operand"},
        {{"sendmail", "", "-t"}, "submit |  -t", "-t stands behind an operand"},
        {{"sendmail"}, "submit |"},
    };
    TRY_ALL(examples);
}

static void the_value_of_an_option_is_never_an_option(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-f", "-t", "x"}, "submit f=-t | x"},
        {{"sendmail", "-f", "--", "x"}, "submit f=-- | x"},
        {{"sendmail", "-ft", "x"}, "submit f=t | x"},
        {{"sendmail", "-tf", "x"}, "submit t f=x |"},
        {{"sendmail", "-if", "", "x"}, "submit i f= | x"},
        {{"sendmail", "-L", "-t", "x"}, "submit | x"},
        {{"sendmail", "-X-t", "x"}, "submit | x"},
        {{"sendmail", "-Eti", "x"}, "submit | x"},
        {{"sendmail", "-f"}, NULL, "-f needs a value"},
        {{"sendmail", "-iF"}, NULL, "-F needs a value"},
        {{"sendmail", "-b"}, NULL, "-b needs a value"},
    };
    TRY_ALL(examples);
}

static void q_never_takes_the_next_word(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-q", "x"}, "flush all: | x"},
        {{"sendmail", "-q30m"}, "flush all: |"},
        {{"sendmail", "-qIC1S"}, "flush id:C1S |"},
        {{"sendmail", "-qI", "C1S"}, "flush id: | C1S"},
        {{"sendmail", "-qRexample.net"}, "flush recipient:example.net |"},
        {{"sendmail", "-qS", "-v"}, "flush sender: v |"},
        {{"sendmail", "-qRa", "-q"}, "flush all: |"},
    };
    TRY_ALL(examples);
}

static void d_and_e_take_the_next_word_unless_it_is_an_option(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-d", "0.1", "x"}, "submit | x"},
        {{"sendmail", "-d0-99.1", "x"}, "submit | x"},
        {{"sendmail", "-d", "-t"}, "submit t |"},
        {{"sendmail", "-e", "-t"}, "submit t |"},
        {{"sendmail", "-eq", "x"}, "submit quiet | x"},
        {{"sendmail", "-e", "q", "x"}, "submit quiet | x"},
        {{"sendmail", "-d"}, "submit |"},
    };
    TRY_ALL(examples);
}

static void settings_that_say_nothing_here_are_accepted(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-odb", "-odi", "-odf", "-odq", "-odd", "x"}, "submit | x"},
        {{"sendmail", "-oem", "-oep", "-oew", "-oee", "x"}, "submit | x"},
        {{"sendmail", "-om", "-o7", "-o8", "-oA/x", "-oMrsmtp", "-or1h", "-o", "T3d", "x"},
         "submit | x"},
        {{"sendmail", "-U", "-m", "-n", "-c", "-x", "-k", "-Am", "-Ac", "-pP:h", "-h", "3", "x"},
         "submit | x"},
        {{"sendmail", "-Unmcx", "-J", "-L", "tag", "-X", "/tmp/x", "-D", "/tmp/y", "x"},
         "submit | x"},
        {{"sendmail", "-O", "QueueDirectory=/x", "-OTimeout.ident=0", "x"}, "submit | x"},
    };
    TRY_ALL(examples);
}

static void dots_and_errors_can_be_set_in_all_spellings(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-oi", "x"}, "submit i | x"},
        {{"sendmail", "-oitrue", "x"}, "submit i | x"},
        {{"sendmail", "-oiTrue", "x"}, "submit i | x"},
        {{"sendmail", "-o", "i", "x"}, "submit i | x"},
        {{"sendmail", "-i", "-oifalse", "x"}, "submit | x"},
        {{"sendmail", "-O", "IgnoreDots", "x"}, "submit i | x"},
        {{"sendmail", "-OIgnoreDots=False", "x"}, "submit | x"},
        {{"sendmail", "-oeq", "x"}, "submit quiet | x"},
        {{"sendmail", "-oeq", "-oem", "x"}, "submit | x"},
        {{"rmail", "x"}, "submit rmail i | x"},
        {{"/usr/sbin/send-mail", "-v", "x"}, "submit v | x"},
        {{"/opt/whatever", "x"}, "submit | x"},
    };
    TRY_ALL(examples);
}

static void what_is_unknown_is_passed_over_with_the_rest_of_its_word(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-zt", "-i", "x"}, "submit i | x", "-zt: unknown"},
        {{"sendmail", "-tz", "x"}, "submit t | x", "-z: unknown"},
        {{"sendmail", "--read-envelope-from", "x"}, "submit | x", "--read-envelope-from: unknown"},
        {{"sendmail", "-\033[2J", "x"}, "submit | x", "-?[2J: unknown"},
        {{"sendmail", "-j", "x"}, "submit j | x", "only a list of the queue can be JSON"},
        {{"sendmail", "-XV+=", "x"}, "submit | x", "-XV: the sender stays as it is"},
        {{"sendmail", "-B", "9BIT", "x"}, "submit | x", "neither 7BIT nor 8BITMIME"},
        {{"sendmail", "-Rsome", "x"}, "submit | x", "neither full nor hdrs"},
        {{"sendmail", "-V", "a b", "x"}, "submit | x", "not 1 to 100 printable characters"},
        {{"sendmail", "--help"}, "help |"},
        {{"mailq", "--version"}, "version |"},
    };
    TRY_ALL(examples);
}

static void what_is_not_offered_is_refused(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-bS"}, NULL, "-bS: batched SMTP is not offered"},
        {{"sendmail", "-bd", "-q30m"},
         NULL,
         "-bd: the mail system is started by the service manager"},
        {{"sendmail", "-bD"}, NULL, "-bD: "},
        {{"sendmail", "-bl"}, NULL, "-bl: "},
        {{"sendmail", "-bh"}, NULL, "-bh: "},
        {{"sendmail", "-bH"}, NULL, "-bH: "},
        {{"sendmail", "-bt"}, NULL, "-bt: "},
        {{"sendmail", "-bpc"}, NULL, "-bpc: no such mode"},
        {{"sendmail", "-bmsg"}, NULL, "-bmsg: no such mode"},
        {{"sendmail", "-Mrm", "C1S"}, NULL, "-M: "},
        {{"sendmail", "-bv", "x"}, "verify | x"},
        {{"sendmail", "-bm", "x"}, "submit | x"},
        {{"sendmail", "-b", "p"}, "list |"},
    };
    TRY_ALL(examples);
}

static int refusal(const char *word)
{
    char *argv[] = {(char *)"sendmail", (char *)word, NULL};
    struct sm_options o;
    struct fail f;
    int code = sm_options_read(&o, 2, argv, &f) == 0 ? 0 : o.refusal;
    sm_options_clear(&o);
    return code;
}

static void what_is_not_offered_differs_from_a_mistake(void **state)
{
    static const char *const words[] = {"-bs", "-bS", "-bd", "-bD", "-bl", "-bh", "-bH", "-bt"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_int_equal(refusal(words[i]), EX_UNAVAILABLE);
    assert_int_equal(refusal("-Mrm"), EX_UNAVAILABLE);
    assert_int_equal(refusal("-bpc"), EX_USAGE);
    assert_int_equal(refusal("-f"), EX_USAGE);
    assert_int_equal(refusal("-bp"), 0);
}

static void dsn_options_are_read(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-N", "never", "x"}, "submit notify=1 | x"},
        {{"sendmail", "-Nsuccess,FAILURE,delay", "x"}, "submit notify=14 | x"},
        {{"sendmail", "-N", "never,delay", "x"}, "submit | x", "neither never nor a list"},
        {{"sendmail", "-Nnow", "x"}, "submit | x", "neither never nor a list"},
        {{"sendmail", "-N", "", "x"}, "submit | x", "neither never nor a list"},
        {{"sendmail", "-Rfull", "-VQQ314159", "x"}, "submit full envid=QQ314159 | x"},
    };
    TRY_ALL(examples);
}

static void an_envelope_id_has_100_characters_when_encoded(void **state)
{
    char id[105] = {0}, encoded[40] = {0};
    char *argv[] = {"sendmail", "-V", id, "x", NULL};
    char *argv_encoded[] = {"sendmail", "-V", encoded, "x", NULL};
    struct sm_options o;
    struct fail f;
    memset(id, 'a', 101);
    assert_int_equal(sm_options_read(&o, 4, argv, &f), 0);
    assert_false(o.mail.has_envid);
    sm_options_clear(&o);
    id[100] = '\0';
    assert_int_equal(sm_options_read(&o, 4, argv, &f), 0);
    assert_true(o.mail.has_envid);
    assert_string_equal(o.mail.envid, id);
    sm_options_clear(&o);
    memset(encoded, '+', 34); /* 102 when encoded */
    assert_int_equal(sm_options_read(&o, 4, argv_encoded, &f), 0);
    assert_false(o.mail.has_envid);
    sm_options_clear(&o);
}

static void settings_of_our_own_are_read(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-O", "requiretls=yes", "x"}, "submit requiretls | x"},
        {{"sendmail", "-OREQUIRETLS", "x"}, "submit requiretls | x"},
        {{"sendmail", "-Orequiretls=no", "x"}, "submit | x"},
        {{"sendmail", "-Orequiretls=perhaps", "x"}, NULL, "say yes or no"},
        {{"sendmail", "-Osmtputf8=yes", "x"}, "submit smtputf8 | x"},
        {{"sendmail", "-Osmtputf8=no", "x"}, "submit no-smtputf8 | x"},
        {{"sendmail", "-Osmtputf8=?", "x"}, NULL, "say yes or no"},
        {{"sendmail", "-Ohold-until=1970-01-02T00:00:00Z", "x"}, "submit hold=86400 | x"},
        {{"sendmail", "-Ohold-until=tomorrow", "x"}, NULL, "not a time"},
    };
    TRY_ALL(examples);
}

static void line_breaks_cannot_come_in_by_the_command_line(void **state)
{
    static const struct example examples[] = {
        {{"sendmail", "-f", "a@b.example\nRCPT TO:<x>", "x"}, NULL, "the sender must not"},
        {{"sendmail", "-r\ra", "x"}, NULL, "the sender must not"},
        {{"sendmail", "-F", "A\r\nBcc: x", "x"}, NULL, "the full name must not"},
        {{"sendmail", "x", "y\nz"}, NULL, "a recipient must not"},
    };
    TRY_ALL(examples);
}

static void warnings_are_bounded(void **state)
{
    enum { MANY = 5000 };
    char **argv = mem_array(MANY + 1, sizeof *argv);
    struct sm_options o;
    struct fail f;
    for (size_t i = 0; i < MANY; i++)
        argv[i] = i == 0 ? "sendmail" : "-zzzz";
    assert_int_equal(sm_options_read(&o, MANY, argv, &f), 0);
    assert_in_range(o.warnings.n, 1000, 10000);
    sm_options_clear(&o);
    mem_free(&argv);
}

static void no_words_at_all_are_a_message_without_recipients(void **state)
{
    char *argv[] = {NULL};
    struct sm_options o;
    struct fail f;
    assert_int_equal(sm_options_read(&o, 0, argv, &f), 0);
    assert_int_equal(o.mode, SM_MODE_SUBMIT);
    assert_int_equal(o.operands_n, 0);
    sm_options_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_lines_of_known_callers_are_understood),
        cmocka_unit_test(options_end_at_the_first_operand),
        cmocka_unit_test(the_value_of_an_option_is_never_an_option),
        cmocka_unit_test(q_never_takes_the_next_word),
        cmocka_unit_test(d_and_e_take_the_next_word_unless_it_is_an_option),
        cmocka_unit_test(settings_that_say_nothing_here_are_accepted),
        cmocka_unit_test(dots_and_errors_can_be_set_in_all_spellings),
        cmocka_unit_test(what_is_unknown_is_passed_over_with_the_rest_of_its_word),
        cmocka_unit_test(what_is_not_offered_is_refused),
        cmocka_unit_test(what_is_not_offered_differs_from_a_mistake),
        cmocka_unit_test(dsn_options_are_read),
        cmocka_unit_test(an_envelope_id_has_100_characters_when_encoded),
        cmocka_unit_test(settings_of_our_own_are_read),
        cmocka_unit_test(line_breaks_cannot_come_in_by_the_command_line),
        cmocka_unit_test(warnings_are_bounded),
        cmocka_unit_test(no_words_at_all_are_a_message_without_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "ctl_filter.h"
#include "ctl_when.h"

/* Reads an action's argument into what it sets: 0, or an exit code after having said what is wrong.
 */
typedef int read_terms(const char *text, enum admin_action *action, struct admin_terms *terms);

static int read_time(const char *text, enum admin_action *action, struct admin_terms *terms)
{
    struct fail f;
    struct ctl_time t;
    if (ctl_time_read(text, clock_wall_ms(), &t, &f) != 0)
        return ctl_fail(EX_USAGE, "%s", f.text);
    *action = t.add ? ADMIN_DELAY : ADMIN_SCHEDULE;
    terms->ms = t.ms;
    return 0;
}

static int read_transport(const char *text, enum admin_action *action, struct admin_terms *terms)
{
    terms->transport = (char *)text;
    return 0;
}

static int read_tls(const char *text, enum admin_action *action, struct admin_terms *terms)
{
    static const char *const words[ADMIN_TLSES] = {
        [ADMIN_TLS_DEFAULT] = "default", [ADMIN_TLS_REQUIRED] = "yes", [ADMIN_TLS_OPTIONAL] = "no"};
    for (int i = 0; i < ADMIN_TLSES; i++) {
        if (strcmp(text, words[i]) == 0) {
            terms->tls = (enum admin_tls)i;
            return 0;
        }
    }
    return ctl_fail(EX_USAGE, "requiretls is yes, no or default: %s", text);
}

static const struct action {
    const char *name;
    enum admin_action action;
    const char *done, *argument;
    read_terms *read; /* NULL: it has none */
} actions[] = {
    {"kick", ADMIN_KICK, "due now", NULL, NULL},
    {"hold", ADMIN_HOLD, "held", NULL, NULL},
    {"release", ADMIN_RELEASE, "released", NULL, NULL},
    {"drop", ADMIN_DROP, "dropped", NULL, NULL},
    {"fail", ADMIN_FAIL, "failed", NULL, NULL},
    {"schedule", ADMIN_SCHEDULE, "scheduled", "when", read_time},
    {"transport", ADMIN_TRANSPORT, "routed anew", "a transport", read_transport},
    {"requiretls", ADMIN_REQUIRE_TLS, "changed", "yes, no or default", read_tls},
};
#define ACTIONS (sizeof actions / sizeof actions[0])

void ctl_queue_help(FILE *out)
{
    (void)fputs("usage: qmctl queue list [WHO]\n"
                "       qmctl queue show ID\n"
                "       qmctl queue kick|hold|release|drop|fail [-n] WHO\n"
                "       qmctl queue schedule [-n] TIME WHO\n"
                "       qmctl queue transport [-n] NAME WHO\n"
                "       qmctl queue requiretls [-n] yes|no|default WHO\n"
                "\n"
                "  kick        next attempt now\n"
                "  hold        no attempt until released\n"
                "  release     end that\n"
                "  drop        remove, without telling the sender\n"
                "  fail        give up, and tell the sender\n"
                "  schedule    next attempt at a time: now, now+1h, '2026-11-27 16:30';\n"
                "              or so much later than it would be: +1h\n"
                "  transport   deliver by this transport; '': as the routes say\n"
                "  requiretls  only over verified TLS; or as it comes; or as the message asks\n"
                "\nWHO, all of which must hold:\n",
                out);
    ctl_filter_usage(out, CTL_QUEUE | CTL_ACTION);
}

void ctl_retired_help(FILE *out)
{
    (void)fputs("usage: qmctl retired list [WHO]\n"
                "       qmctl retired show ID\n"
                "\nWHO, all of which must hold:\n",
                out);
    ctl_filter_usage(out, CTL_RETIRED);
}

static int say(const struct ctl *c, const struct action *which, uint64_t count, bool dry)
{
    if (c->json)
        (void)printf("{\"recipients\":%llu,\"dry_run\":%s}\n", (unsigned long long)count,
                     dry ? "true" : "false");
    else
        (void)printf("%llu recipient%s %s%s\n", (unsigned long long)count, count == 1 ? "" : "s",
                     dry ? "would be " : "", which->done);
    return count > 0 || dry ? EX_OK : EX_DATAERR;
}

static int act(struct ctl *c, const struct action *which, const struct ctl_filter *f)
{
    struct fail fail;
    uint64_t count;
    enum admin_action action = which->action;
    struct admin_terms terms = {0};
    int code = 0;
    if (which->read != NULL)
        code = f->argument == NULL ? ctl_fail(EX_USAGE, "say %s", which->argument)
                                   : which->read(f->argument, &action, &terms);
    if (code != 0)
        return code;
    if (f->empty && !f->all)
        return ctl_fail(EX_USAGE, "say whom: ids, a filter, or --all");
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = admin_ask_act(fd, action, &terms, &f->query.filter, f->dry, &count, &fail);
    (void)close(fd);
    if (rc != 0)
        return ctl_fail(ctl_code(fail.text, EX_TEMPFAIL), "%s", fail.text);
    return say(c, which, count, f->dry);
}

static int with_filter(struct ctl *c, const struct action *which, int argc, char **argv)
{
    struct ctl_filter f;
    unsigned where = which == NULL         ? CTL_QUEUE
                     : which->read == NULL ? CTL_ACTION
                                           : CTL_ACTION | CTL_ARGUMENT;
    int code = ctl_filter_read(&f, where, argc, argv);
    if (code != 0)
        return code;
    code = which == NULL ? ctl_print_list(c, false, &f) : act(c, which, &f);
    ctl_filter_clear(&f);
    return code;
}

int ctl_queue(struct ctl *c, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return ctl_print_item(c, false, argv[2]);
    for (size_t i = 0; argc >= 2 && i < ACTIONS; i++) {
        if (strcmp(argv[1], actions[i].name) == 0)
            return with_filter(c, &actions[i], argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "list") == 0)
        return with_filter(c, NULL, argc - 1, argv + 1);
    ctl_queue_help(stderr);
    return EX_USAGE;
}

int ctl_retired(struct ctl *c, int argc, char **argv)
{
    struct ctl_filter f;
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return ctl_print_item(c, true, argv[2]);
    if (argc < 2 || strcmp(argv[1], "list") != 0) {
        ctl_retired_help(stderr);
        return EX_USAGE;
    }
    int code = ctl_filter_read(&f, CTL_RETIRED, argc - 1, argv + 1);
    if (code != 0)
        return code;
    code = ctl_print_list(c, true, &f);
    ctl_filter_clear(&f);
    return code;
}

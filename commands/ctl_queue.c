#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl_filter.h"

static const struct {
    const char *name;
    enum admin_action action;
    const char *done;
} actions[] = {
    {"kick", ADMIN_KICK, "due now"},        {"hold", ADMIN_HOLD, "held"},
    {"release", ADMIN_RELEASE, "released"}, {"drop", ADMIN_DROP, "dropped"},
    {"fail", ADMIN_FAIL, "failed"},
};

void ctl_queue_help(FILE *out)
{
    (void)fputs("usage: qmctl queue list [WHO]\n"
                "       qmctl queue show ID\n"
                "       qmctl queue kick|hold|release|drop|fail [-n] WHO\n"
                "\n"
                "  kick      next attempt now\n"
                "  hold      no attempt until released\n"
                "  release   end that\n"
                "  drop      remove, without telling the sender\n"
                "  fail      give up, and tell the sender\n"
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

static int act(struct ctl *c, size_t which, const struct ctl_filter *f)
{
    struct fail fail;
    uint64_t count;
    if (f->empty && !f->all)
        return ctl_fail(EX_USAGE, "say whom: ids, a filter, or --all");
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = admin_ask_act(fd, actions[which].action, &f->query.filter, f->dry, &count, &fail);
    (void)close(fd);
    if (rc != 0)
        return ctl_fail(ctl_code(fail.text, EX_TEMPFAIL), "%s", fail.text);
    if (c->json)
        (void)printf("{\"recipients\":%llu,\"dry_run\":%s}\n", (unsigned long long)count,
                     f->dry ? "true" : "false");
    else
        (void)printf("%llu recipient%s %s%s\n", (unsigned long long)count, count == 1 ? "" : "s",
                     f->dry ? "would be " : "", actions[which].done);
    return count > 0 || f->dry ? EX_OK : EX_DATAERR;
}

static int with_filter(struct ctl *c, int argc, char **argv)
{
    struct ctl_filter f;
    bool lists = strcmp(argv[0], "list") == 0;
    int code = ctl_filter_read(&f, lists ? CTL_QUEUE : CTL_ACTION, argc, argv);
    if (code != 0)
        return code;
    code = EX_USAGE;
    if (lists)
        code = ctl_print_list(c, false, &f);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argv[0], actions[i].name) == 0)
            code = act(c, i, &f);
    }
    ctl_filter_clear(&f);
    return code;
}

int ctl_queue(struct ctl *c, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return ctl_print_item(c, false, argv[2]);
    for (size_t i = 0; argc >= 2 && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argv[1], actions[i].name) == 0)
            return with_filter(c, argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "list") == 0)
        return with_filter(c, argc - 1, argv + 1);
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

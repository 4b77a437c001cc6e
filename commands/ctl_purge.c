#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl.h"
#include "jsonwrite.h"
#include "proto_admin.h"

/* qmctl account purge: first the mail in the queue, whose events and webhooks come with it, then
 * webhooks, then all the rest. Each step can be done again. */

static const char *const names[ADMIN_KEPTS] = {
    "suppressions", "events", "from_ids", "mailbox_index", "keys", "limits", "failures"};
static const char *const words[ADMIN_KEPTS] = {
    "addresses on its suppression list",    "events",           "from ids",
    "messages in the index of its mailbox", "idempotency keys", "rows of its sending limits",
    "addresses that failed lately",
};

struct tally {
    uint64_t recipients, webhooks;
    struct admin_purged purged;
};

/* An account of the configuration is refused at each of these, so that none is failed, either. */
static int check(int fd, const char *account, struct fail *f)
{
    struct admin_purged purged;
    return admin_ask_purge(fd, account, true, &purged, f);
}

static int purge(int fd, const char *account, bool dry, struct tally *n, struct fail *f)
{
    const struct admin_filter of = {.account = (char *)account};
    if (check(fd, account, f) != 0 ||
        admin_ask_act(fd, ADMIN_FAIL, NULL, &of, dry, &n->recipients, f) != 0 ||
        (!dry && check(fd, account, f) != 0) ||
        admin_ask_hook_act(fd, ADMIN_HOOK_CANCEL, 0, &of, dry, &n->webhooks, f) != 0)
        return -1;
    return admin_ask_purge(fd, account, dry, &n->purged, f);
}

static uint64_t total(const struct tally *n)
{
    uint64_t all = n->recipients + n->webhooks;
    for (size_t i = 0; i < ADMIN_KEPTS; i++)
        all += n->purged.kept[i];
    return all;
}

static void print_json(const char *account, bool dry, const struct tally *n)
{
    struct buf b = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &b, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "account");
    jsonwrite_text(&w, account);
    jsonwrite_key(&w, "dry_run");
    jsonwrite_bool(&w, dry);
    jsonwrite_key(&w, "recipients");
    jsonwrite_uint64(&w, n->recipients);
    jsonwrite_key(&w, "webhooks");
    jsonwrite_uint64(&w, n->webhooks);
    for (size_t i = 0; i < ADMIN_KEPTS; i++) {
        jsonwrite_key(&w, names[i]);
        jsonwrite_uint64(&w, n->purged.kept[i]);
    }
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    ctl_print(&b);
}

static void print_text(bool dry, const struct tally *n)
{
    (void)printf("%8llu  recipients in the queue%s\n", (unsigned long long)n->recipients,
                 dry ? ", to be failed" : ", failed");
    (void)printf("%8llu  webhooks in the queue%s\n", (unsigned long long)n->webhooks,
                 dry ? ", to be canceled" : ", canceled");
    for (size_t i = 0; i < ADMIN_KEPTS; i++)
        (void)printf("%8llu  %s%s\n", (unsigned long long)n->purged.kept[i], words[i],
                     dry ? "" : ", removed");
    if (dry)
        (void)puts("Nothing was done: with --yes it is.");
}

int ctl_account_purge(struct ctl *c, int argc, char **argv)
{
    struct tally n = {0};
    struct fail f;
    bool yes = argc == 3 && strcmp(argv[1], "--yes") == 0;
    if (!yes && (argc != 2 || argv[1][0] == '-'))
        return ctl_fail(EX_USAGE, "usage: qmctl account purge [--yes] NAME");
    const char *account = argv[argc - 1];
    if (conf_find(conf_root(c->conf), "account", account) != NULL)
        return ctl_fail(EX_DATAERR, "account %s is in the configuration", account);
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = purge(fd, account, !yes, &n, &f);
    (void)close(fd);
    if (rc != 0)
        return ctl_fail(ctl_code(f.text, EX_TEMPFAIL), "%s: %s", account, f.text);
    if (!yes && total(&n) == 0)
        return ctl_fail(EX_DATAERR, "nothing is kept of an account %s", account);
    if (c->json)
        print_json(account, !yes, &n);
    else
        print_text(!yes, &n);
    return EX_OK;
}

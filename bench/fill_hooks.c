/* bench-fill-hooks FOLDER WEBHOOKS ACCOUNTS URL SECONDS: puts so many webhooks into the queue in
 * this folder of a suite that has stopped, as deliveries of so many accounts do, h0, h1 and so on:
 * each with its event, 250 in a transaction, on stable storage. The URL of an account is URL and
 * its name. They are due in so many seconds. Says how many it wrote in a second. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "ledger.h"
#include "mem.h"
#include "news.h"
#include "tables.h"

#define A_TRANSACTION 250

struct plan {
    long webhooks, accounts, seconds;
    const char *url;
};

static struct settings *settings_of(const struct plan *p)
{
    struct conf_errors errors;
    struct buf text = {0}, share = {0};
    struct fail f;
    buf_puts(&text, "hostname us.test\ndomain us.test { }\n");
    for (long i = 0; i < p->accounts; i++)
        buf_putf(&text,
                 "account h%ld { address h%ld@us.test  webhook outgoing { url \"%sh%ld\" } }\n", i,
                 i, p->url, i);
    struct conf *conf = conf_parse("bench", buf_span(&text), &errors);
    buf_free(&text);
    if (conf == NULL)
        return NULL;
    conf_encode(conf, CONF_QMGR, &share);
    struct conf *ours = conf_decode(buf_span(&share), CONF_QMGR, &f);
    conf_free(&conf);
    conf_errors_free(&errors);
    buf_free(&share);
    return ours == NULL ? NULL : settings_new(ours);
}

static void deliver(struct ledger *l, struct store_txn *t, const struct plan *p,
                    const struct settings *s, long n)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_WEBAPI);
    struct deliver_result result = deliver_result_new(1, DELIVER_DONE);
    char account[32], address[64];
    (void)snprintf(account, sizeof account, "h%ld", n % p->accounts);
    (void)snprintf(address, sizeof address, "r%ld@d.test", n);
    submit_set(&e->account, account);
    submit_set(&e->subject, "Your order is on its way");
    submit_set(&e->message_id, "<kVTha0Q-a5Zh1MuTh5rUjg@us.test>");
    submit_set(&result.reply, "250 2.0.0 Ok: queued as 4Wz1");
    result.code = 250;
    const struct news news = {.type = EVENT_DELIVERED,
                              .envelope = e,
                              .recipient = ledger_take_id(l, t),
                              .address = address,
                              .from_id = "",
                              .account = name_hash(l->secret, account),
                              .attempts = 1,
                              .last = &result};
    ledger_tell(l, t, s, news.recipient, &news, clock_wall_ms() + p->seconds * 1000);
    deliver_result_clear(&result);
    submit_envelope_free(&e);
}

static int fill(struct ledger *l, const struct plan *p, const struct settings *s, struct fail *f)
{
    for (long n = 0; n < p->webhooks;) {
        struct store_txn *t = store_begin(l->store, true);
        for (int i = 0; i < A_TRANSACTION && n < p->webhooks; i++, n++)
            deliver(l, t, p, s, n);
        if (store_commit(&t, f) != 0)
            return -1;
    }
    return 0;
}

static int run(const char *folder, const struct plan *p, struct fail *f)
{
    struct ledger l;
    struct settings *s = settings_of(p);
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s == NULL)
        return fail_set(f, "not a URL: %s", p->url);
    if (dirfd < 0 || fchdir(dirfd) != 0)
        return fail_errno(f, "%s", folder);
    struct store *store = store_open("store", table_names, TABLES, 1ull << 40, f);
    int rc = store == NULL || ledger_open(&l, store, dirfd, f) != 0 ? -1 : 0;
    int64_t began_us = clock_mono_us();
    if (rc == 0)
        rc = fill(&l, p, s, f);
    if (rc == 0)
        (void)printf("%.0f\n", (double)p->webhooks * 1e6 / (double)(clock_mono_us() - began_us));
    store_close(&store);
    settings_drop(&s);
    (void)close(dirfd);
    return rc;
}

int main(int argc, char **argv)
{
    struct fail f = {{0}};
    struct plan p = {0};
    if (argc == 6)
        p = (struct plan){atol(argv[2]), atol(argv[3]), atol(argv[5]), argv[4]};
    if (p.webhooks < 1 || p.accounts < 1 || p.seconds < 0) {
        (void)fprintf(stderr, "usage: bench-fill-hooks FOLDER WEBHOOKS ACCOUNTS URL SECONDS\n");
        return 64;
    }
    if (run(argv[1], &p, &f) != 0) {
        (void)fprintf(stderr, "bench-fill-hooks: %s\n", f.text);
        return 74;
    }
    return 0;
}

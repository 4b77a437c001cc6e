/* bench-fill-queue FOLDER MESSAGES RECIPIENTS DOMAINS SECONDS: puts so many messages with so many
 * recipients each into the queue in this folder of a suite that has stopped, as though they had
 * come in by SMTP and been put off once. Their recipients are at d0.dead.test, d1.dead.test ...;
 * the next attempt is in so many seconds. Each message is 1 KiB. For looking at a large queue
 * without waiting for it to fill. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "ledger.h"
#include "mem.h"
#include "tables.h"

#define RECIPIENTS_A_TRANSACTION 100000

struct plan {
    long messages, recipients, domains, seconds;
};

static struct submit_envelope *make(const struct plan *p, long n)
{
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SMTP);
    char text[80];
    (void)snprintf(text, sizeof text, "s%ld@load.test", n % 100);
    submit_set(&e->sender, text);
    submit_set(&e->account, "shop");
    (void)snprintf(text, sizeof text, "<%ld@load.test>", n);
    submit_set(&e->message_id, text);
    submit_set(&e->subject, "a message that waits");
    submit_set(&e->client, "192.0.2.1 ESMTP");
    for (long i = 0; i < p->recipients; i++) {
        (void)snprintf(text, sizeof text, "r%ld@d%ld.dead.test", i,
                       (n * p->recipients + i) % p->domains);
        (void)submit_add_recipient(e, text);
    }
    return e;
}

/* What an attempt that found nobody leaves behind. */
static void put_off(struct ledger *l, struct store_txn *t, uint64_t id, int64_t next_ms)
{
    struct rcpt_row r, was;
    struct deliver_result result = deliver_result_new(id, DELIVER_DEFERRED);
    submit_set(&result.stage, "connect");
    submit_set(&result.error, "timed out");
    if (ledger_recipient(t, id, &r) == 0) {
        was = r;
        r.attempts = 1;
        r.again = true;
        r.next_ms = next_ms;
        rcpt_row_add_result(&r, &result);
        ledger_reschedule(l, t, id, &was, &r);
        rcpt_row_clear(&r);
    }
    deliver_result_clear(&result);
}

static void stage(struct ledger *l, struct store_txn *t, const struct plan *p, long n)
{
    static const char head[] = "Subject: a message that waits\r\n\r\n";
    char octets[1024];
    memset(octets, 'x', sizeof octets);
    memcpy(octets, head, sizeof head - 1);
    memcpy(octets + sizeof octets - 2, "\r\n", 2);
    struct body_source body = {
        .type = SOURCE_OCTETS, .octets = span_of(octets, sizeof octets), .size = sizeof octets};
    struct submit_envelope *e = make(p, n);
    uint64_t id = ledger_stage(l, t, e, &body, NULL, NULL);
    for (long i = 0; i < p->recipients; i++)
        put_off(l, t, id + (uint64_t)i, e->received_ms + p->seconds * 1000);
    submit_envelope_free(&e);
}

static int fill(struct ledger *l, const struct plan *p, struct fail *f)
{
    for (long n = 0; n < p->messages;) {
        struct store_txn *t = store_begin(l->store, true);
        for (long done = 0; done < RECIPIENTS_A_TRANSACTION && n < p->messages;
             done += p->recipients, n++)
            stage(l, t, p, n);
        if (store_commit(&t, f) != 0)
            return -1;
    }
    return 0;
}

static int run(const char *folder, const struct plan *p, struct fail *f)
{
    struct ledger l;
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0 || fchdir(dirfd) != 0)
        return fail_errno(f, "%s", folder);
    struct store *store = store_open("store", table_names, TABLES, 1ull << 40, f);
    int rc = store == NULL || ledger_open(&l, store, dirfd, f) != 0 ? -1 : fill(&l, p, f);
    store_close(&store);
    (void)close(dirfd);
    return rc;
}

int main(int argc, char **argv)
{
    struct fail f = {{0}};
    struct plan p = {0};
    if (argc == 6)
        p = (struct plan){atol(argv[2]), atol(argv[3]), atol(argv[4]), atol(argv[5])};
    if (p.messages < 1 || p.recipients < 1 || p.domains < 1 || p.seconds < 0) {
        (void)fprintf(stderr,
                      "usage: bench-fill-queue FOLDER MESSAGES RECIPIENTS DOMAINS SECONDS\n");
        return 64;
    }
    if (run(argv[1], &p, &f) != 0) {
        (void)fprintf(stderr, "bench-fill-queue: %s\n", f.text);
        return 74;
    }
    return 0;
}

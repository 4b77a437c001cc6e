#include "hooktest.h"

#include <string.h>

#include "arrival.h"
#include "clock.h"
#include "hookq.h"
#include "hookrow.h"
#include "log.h"
#include "match.h"
#include "mem.h"
#include "proto_events.h"
#include "proto_hook.h"

struct hooktest {
    hooktest_done *done;
    void *arg;
    int64_t start_ms;
    struct hook_row row;
};

static void end(struct hooktest *k, const struct hook_result *r)
{
    hookrow_add_attempt(&k->row, &(struct admin_hook_attempt){k->start_ms, r->duration_ms, r->code,
                                                              r->error, r->response});
    k->row.success = r->success;
    k->row.next_ms = clock_wall_ms();
    struct admin_hook_item item = {.row = match_hook_row(1, &k->row),
                                   .authorization = k->row.authorization[0] != '\0',
                                   .payload = k->row.payload,
                                   .attempts = k->row.results,
                                   .attempts_n = k->row.results_n};
    log_info(NULL, "webhook tested", LS("account", k->row.account), LS("event", k->row.event),
             LU("code", r->code), LU("ms", r->duration_ms), LS("why", r->error));
    k->done(k->arg, &item, NULL);
    admin_hook_row_clear(&item.row);
}

static void on_result(void *arg, const struct hook_result *r)
{
    struct hooktest *k = arg;
    if (r == NULL)
        k->done(k->arg, NULL, "the process for webhooks ended before it said what became of this");
    else
        end(k, r);
    hook_row_clear(&k->row);
    mem_free(&k);
}

/* The first address that the account has, for a message that came to it. */
static const char *address_of(const struct settings *s, const char *account)
{
    size_t n = 0;
    const struct conf_value *list = conf_list(settings_account(s, account), "address", &n);
    return n == 0 ? "" : list[0].text;
}

static bool make(const struct settings *s, const char *account, bool incoming, const char *event,
                 struct hook_row *row)
{
    int64_t now = clock_wall_ms();
    if (!incoming)
        return hookrow_make_example(s, account, event, now, row);
    char *text = arrival_example(account, address_of(s, account), now);
    bool made = hookrow_make_incoming(s, account, text, now, row);
    mem_free(&text);
    return made;
}

static void refuse_event(hooktest_done *done, void *arg)
{
    struct buf why = {0};
    buf_puts(&why, "no such event; there are: ");
    event_put_hook_names(&why);
    done(arg, NULL, buf_text(&why));
    buf_free(&why);
}

void hooktest_start(struct queue *q, const char *account, bool incoming, const char *event,
                    hooktest_done *done, void *arg)
{
    struct ipc *hooks = hookq_channel(q->hookq);
    struct hook_row row;
    if (settings_account(q->settings, account) == NULL) {
        done(arg, NULL, "no such account");
        return;
    }
    if (hooks == NULL) {
        done(arg, NULL, "the process for webhooks is not there; try again");
        return;
    }
    if (!incoming && event_of_hook(event) == EVENT_TYPES) {
        refuse_event(done, arg);
        return;
    }
    if (!make(q->settings, account, incoming, event, &row)) {
        done(arg, NULL, "no such webhook of this account");
        return;
    }
    struct hooktest *k = mem_zero(sizeof *k);
    *k = (struct hooktest){done, arg, clock_wall_ms(), row};
    const struct hook_call call = {.id = 1,
                                   .attempt = 1,
                                   .incoming = incoming,
                                   .account = k->row.account,
                                   .url = k->row.url,
                                   .authorization = k->row.authorization,
                                   .payload = span_text(k->row.payload)};
    hook_ask(hooks, &call, on_result, k);
}

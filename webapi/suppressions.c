#include "suppressions.h"

#include <stdio.h>

#include "address.h"
#include "base64.h"
#include "conf.h"
#include "mem.h"

#define CHARGED_AT_ONCE (1u << 20)

struct work {
    uint64_t asked;
    suppressions_then *then;
    bool list;
    uint32_t limit; /* of a list: 0 for all of it */
    uint64_t next;  /* of one that was limited: where to go on; 0 at its end */
    uint64_t held;  /* octets of what is written that the request has been charged for */
    struct buf out;
    struct jsonwrite json;
};

static void end_work(struct call *c)
{
    struct work *w = c->work;
    c->work = NULL;
    buf_free(&w->out);
    mem_free(&w);
}

static void on_leave(struct call *c)
{
    struct work *w = c->work;
    struct ipc *ch = peers_accounts(c->webapi->peers);
    if (ch != NULL)
        suppress_forget(ch, w->asked);
    end_work(c);
}

static void give_up(struct call *c)
{
    if (c->work != NULL)
        end_work(c);
    call_refuse(c, &c->refusal);
}

static void end_list(struct work *w)
{
    char next[24] = "";
    if (w->next != 0)
        (void)snprintf(next, sizeof next, "%016llx", (unsigned long long)w->next);
    jsonwrite_array_end(&w->json);
    jsonwrite_key(&w->json, "Next");
    jsonwrite_text(&w->json, next);
}

static void answer_call(struct call *c)
{
    struct work *w = c->work;
    struct buf out;
    if (w->list)
        end_list(w);
    jsonwrite_object_end(&w->json);
    jsonwrite_close(&w->json);
    out = w->out;
    w->out = (struct buf){0};
    end_work(c);
    call_answer(c, &out);
}

static void ask_page(struct call *c, uint64_t after);

/* A list has as many rows as it has: they count as what else is in memory for requests. */
static int charge(struct call *c)
{
    struct work *w = c->work;
    if (!w->list || w->out.n - w->held < CHARGED_AT_ONCE)
        return 0;
    if (httprequest_hold(c->request, w->out.n - w->held) != 0)
        return refuse(&c->refusal, CODE_SERVER,
                      "the server is busy with other requests; try again");
    w->held = w->out.n;
    return 0;
}

static void on_answer(void *arg, const struct suppress_answer *answer)
{
    struct call *c = arg;
    struct work *w = c->work;
    if (answer->result == SUPPRESS_UNAVAILABLE) {
        (void)refuse(&c->refusal, CODE_SERVER, "the queue cannot be asked now; try again");
        give_up(c);
    } else if (w->then(c, answer, &w->json) != 0 || charge(c) != 0) {
        give_up(c);
    } else if (w->list && w->limit == 0 && answer->next != 0) {
        ask_page(c, answer->next);
    } else {
        w->next = answer->next;
        answer_call(c);
    }
}

static struct work *begin(struct call *c, suppressions_then *then)
{
    struct work *w;
    if (peers_accounts(c->webapi->peers) == NULL) {
        (void)refuse(&c->refusal, CODE_SERVER, "the queue is not there at the moment; try again");
        give_up(c);
        return NULL;
    }
    w = mem_zero(sizeof *w);
    w->then = then;
    jsonwrite_open(&w->json, &w->out, 0);
    jsonwrite_object(&w->json);
    c->work = w;
    c->cancel = on_leave;
    return w;
}

void suppressions_run(struct call *c, struct span text, suppressions_ask *ask,
                      suppressions_then *then)
{
    struct address a;
    struct fail f;
    struct work *w;
    if (address_parse(text, &a, &f) != 0) {
        (void)refuse(&c->refusal, CODE_BAD_ADDRESS, "EmailAddress: %s", f.text);
        give_up(c);
        return;
    }
    if ((w = begin(c, then)) != NULL) {
        char *address = address_text(&a);
        w->asked = ask(c, peers_accounts(c->webapi->peers), address, on_answer, c);
        mem_free(&address);
    }
    address_clear(&a);
}

static void ask_page(struct call *c, uint64_t after)
{
    struct work *w = c->work;
    struct ipc *ch = peers_accounts(c->webapi->peers);
    if (ch == NULL) {
        (void)refuse(&c->refusal, CODE_SERVER, "the queue went away; try again");
        give_up(c);
        return;
    }
    w->asked = suppress_list(ch, c->visit->account, after,
                             w->limit == 0 ? SUPPRESS_PAGE_MAX : w->limit, on_answer, c);
}

/* Whether it is what Next was; then *place is that, 0 for an empty one. */
static bool read_place(struct span after, uint64_t *place)
{
    struct buf octets = {0};
    bool good = hex_decode(&octets, after) == 0 && (octets.n == 0 || octets.n == 8);
    *place = 0;
    for (size_t i = 0; good && i < octets.n; i++)
        *place = *place << 8 | buf_span(&octets).p[i];
    buf_free(&octets);
    return good;
}

void suppressions_run_list(struct call *c, const char *name, struct span after, uint32_t limit,
                           suppressions_then *then)
{
    uint64_t place;
    struct work *w;
    if (!read_place(after, &place)) {
        (void)refuse(&c->refusal, CODE_USER, "After is not from a page before");
        give_up(c);
        return;
    }
    if ((w = begin(c, then)) == NULL)
        return;
    w->list = true;
    w->limit = limit;
    jsonwrite_key(&w->json, name);
    jsonwrite_array(&w->json);
    ask_page(c, place);
}

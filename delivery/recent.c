#include "recent.h"

#include <bsd/sys/queue.h>
#include <string.h>

#include "mem.h"
#include "trees.h"

struct entry {
    RB_ENTRY(entry) by_attempt;
    TAILQ_ENTRY(entry) age;
    uint16_t attempt;
    size_t octets;
    struct deliver_result result;
};

static int by_attempt(struct entry *a, struct entry *b)
{
    if (a->result.id != b->result.id)
        return a->result.id < b->result.id ? -1 : 1;
    return a->attempt < b->attempt ? -1 : a->attempt > b->attempt;
}

RB_HEAD(entry_tree, entry);
RB_GENERATE_STATIC(entry_tree, entry, by_attempt, by_attempt)

struct recent {
    struct entry_tree tree;
    TAILQ_HEAD(, entry) entries; /* oldest first */
    size_t octets, octets_max;
};

struct recent *recent_new(size_t octets_max)
{
    struct recent *r = mem_zero(sizeof *r);
    RB_INIT(&r->tree);
    TAILQ_INIT(&r->entries);
    r->octets_max = octets_max;
    return r;
}

static void forget(struct recent *r, struct entry *e)
{
    RB_REMOVE(entry_tree, &r->tree, e);
    TAILQ_REMOVE(&r->entries, e, age);
    r->octets -= e->octets;
    deliver_result_clear(&e->result);
    mem_free(&e);
}

void recent_free(struct recent **rp)
{
    struct entry *e;
    if (*rp == NULL)
        return;
    while ((e = TAILQ_FIRST(&(*rp)->entries)) != NULL)
        forget(*rp, e);
    mem_free(rp);
}

static size_t size_of(const struct deliver_result *r)
{
    return sizeof(struct entry) + strlen(r->enhanced) + strlen(r->reply) + strlen(r->error) +
           strlen(r->remote_host) + strlen(r->remote_address) + strlen(r->tls) + strlen(r->stage) +
           strlen(r->stored_folder) + strlen(r->stored_name) + strlen(r->rcpt_reply) +
           strlen(r->tls_name) + strlen(r->tls_peer) + strlen(r->tls_record);
}

void recent_note(struct recent *r, uint16_t attempt, const struct deliver_result *result)
{
    struct entry *e = mem_zero(sizeof *e);
    e->attempt = attempt;
    e->result.id = result->id;
    if (RB_INSERT(entry_tree, &r->tree, e) != NULL) {
        mem_free(&e);
        return;
    }
    deliver_result_copy(&e->result, result);
    e->octets = size_of(result);
    TAILQ_INSERT_TAIL(&r->entries, e, age);
    r->octets += e->octets;
    while (r->octets > r->octets_max)
        forget(r, TAILQ_FIRST(&r->entries));
}

bool recent_recall(const struct recent *r, uint64_t recipient, uint16_t attempt,
                   struct deliver_result *result)
{
    struct entry like = {.attempt = attempt, .result = {.id = recipient}};
    struct entry *e = RB_FIND(entry_tree, (struct entry_tree *)&r->tree, &like);
    if (e == NULL)
        return false;
    deliver_result_clear(result);
    deliver_result_copy(result, &e->result);
    return true;
}

#include "tlsa.h"

#include "base64.h"
#include "mem.h"

void tlsa_set_add(struct tlsa_set *set, const struct tlsa *record)
{
    set->list = mem_resize(set->list, (set->n + 1) * sizeof *set->list);
    set->list[set->n] = *record;
    set->list[set->n++].data = span_of(mem_copy(record->data.p, record->data.n), record->data.n);
}

void tlsa_set_copy(struct tlsa_set *to, const struct tlsa *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tlsa_set_add(to, &list[i]);
}

void tlsa_set_clear(struct tlsa_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        mem_release((void *)set->list[i].data.p);
    mem_free(&set->list);
    set->n = 0;
}

static bool is_same(const struct tlsa *a, const struct tlsa *b)
{
    return a->usage == b->usage && a->selector == b->selector && a->matching == b->matching &&
           span_equal(a->data, b->data);
}

static size_t count(const struct tlsa_set *set, const struct tlsa *record)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        n += is_same(&set->list[i], record);
    return n;
}

bool tlsa_set_equal(const struct tlsa_set *a, const struct tlsa_set *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (count(a, &a->list[i]) != count(b, &a->list[i]))
            return false;
    }
    return true;
}

void tlsa_text(const struct tlsa *record, struct buf *out)
{
    buf_putf(out, "%u %u %u ", record->usage, record->selector, record->matching);
    hex_encode(out, record->data);
}

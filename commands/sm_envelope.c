#include "sm_envelope.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"

int sm_envelope_sender(const char *text, const char *default_domain, struct address *a, bool *null,
                       struct fail *f)
{
    struct addrlist list = {0};
    struct span trimmed = ascii_trim(span_text(text));
    *a = (struct address){0};
    *null = trimmed.n == 0 || span_is(trimmed, "<>");
    if (*null)
        return 0;
    int rc = addrlist_parse(trimmed, default_domain, ADDRLIST_STRICT, &list, f);
    if (rc == 0 && list.n != 1)
        rc = fail_set(f, "one address was expected");
    if (rc == 0)
        address_copy(a, &list.items[0].address);
    else
        (void)fail_prefix(f, "the sender %s", text);
    addrlist_clear(&list);
    return rc;
}

int sm_envelope_operand(const char *text, const char *default_domain, struct addrlist *list,
                        struct fail *f)
{
    if (addrlist_parse(span_text(text), default_domain, ADDRLIST_STRICT, list, f) == 0)
        return 0;
    return fail_prefix(f, "the recipient %s", text);
}

struct place {
    char *text;
    size_t at;
};

static int by_text(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Leaves the first of those that are the same. Returns how many are left. */
static size_t drop_doubles(struct place *v, size_t n)
{
    size_t kept = 0;
    qsort(v, n, sizeof *v, by_text);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && strcmp(v[kept - 1].text, v[i].text) == 0)
            mem_free(&v[i].text);
        else
            v[kept++] = v[i];
    }
    qsort(v, kept, sizeof *v, by_place);
    return kept;
}

void sm_envelope_make(struct sm_envelope *e, const struct address *sender,
                      const struct addrlist *recipients)
{
    struct place *v = mem_array(recipients->n, sizeof *v);
    *e = (struct sm_envelope){.utf8 = sender != NULL && sender->utf8};
    e->sender = sender != NULL ? address_text(sender) : mem_text("");
    for (size_t i = 0; i < recipients->n; i++) {
        v[i] = (struct place){address_text(&recipients->items[i].address), i};
        e->utf8 = e->utf8 || recipients->items[i].address.utf8;
    }
    e->recipients_n = recipients->n == 0 ? 0 : drop_doubles(v, recipients->n);
    e->recipients = mem_array(e->recipients_n, sizeof *e->recipients);
    for (size_t i = 0; i < e->recipients_n; i++)
        e->recipients[i] = v[i].text;
    mem_free(&v);
}

void sm_envelope_clear(struct sm_envelope *e)
{
    for (size_t i = 0; i < e->recipients_n; i++)
        mem_free(&e->recipients[i]);
    mem_free(&e->recipients);
    mem_free(&e->sender);
    *e = (struct sm_envelope){0};
}

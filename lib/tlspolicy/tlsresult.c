#include "tlsresult.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define DAY_MS 86400000
#define DETAIL_TEXTS 6

static const char *const type_names[TLSRESULT_TYPES] = {
    [TLSRESULT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [TLSRESULT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLSRESULT_CERTIFICATE_EXPIRED] = "certificate-expired",
    [TLSRESULT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [TLSRESULT_VALIDATION_FAILURE] = "validation-failure",
    [TLSRESULT_TLSA_INVALID] = "tlsa-invalid",
    [TLSRESULT_DNSSEC_INVALID] = "dnssec-invalid",
    [TLSRESULT_DANE_REQUIRED] = "dane-required",
    [TLSRESULT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLSRESULT_STS_POLICY_INVALID] = "sts-policy-invalid",
    [TLSRESULT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

static const char *const policy_names[TLSRESULT_POLICIES] = {"no-policy-found", "sts", "tlsa"};

const char *tlsresult_type_name(enum tlsresult_type type)
{
    return type_names[type];
}

const char *tlsresult_policy_name(enum tlsresult_policy policy)
{
    return policy_names[policy];
}

uint32_t tlsresult_day(int64_t wall_ms)
{
    return wall_ms < 0 ? 0 : (uint32_t)(wall_ms / DAY_MS);
}

static void texts_of(struct tlsresult_detail *d, char **texts[DETAIL_TEXTS])
{
    texts[0] = &d->sending_ip;
    texts[1] = &d->receiving_ip;
    texts[2] = &d->mx;
    texts[3] = &d->helo;
    texts[4] = &d->info;
    texts[5] = &d->reason;
}

static void clear_detail(struct tlsresult_detail *d)
{
    char **texts[DETAIL_TEXTS];
    texts_of(d, texts);
    for (int i = 0; i < DETAIL_TEXTS; i++)
        mem_free(texts[i]);
}

static void clear_entry(struct tlsresult_entry *e)
{
    for (size_t i = 0; i < e->strings_n; i++)
        mem_free(&e->strings[i]);
    for (size_t i = 0; i < e->details_n; i++)
        clear_detail(&e->details[i]);
    mem_free(&e->strings);
    mem_free(&e->details);
}

/* Strangers' text as a report may hold it: cut, and '?' for what is not printable ASCII. */
static char *clean(const char *text)
{
    text = text == NULL ? "" : text;
    char *copy = mem_textn(text, strnlen(text, TLSRESULT_TEXT_MAX));
    for (char *p = copy; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
    return copy;
}

static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

struct tlsresult *tlsresult_new(uint32_t day, const char *policy_domain,
                                const char *recipient_domain, bool is_host)
{
    struct tlsresult *r = mem_zero(sizeof *r);
    r->day = day;
    r->policy_domain = clean(policy_domain);
    r->recipient_domain = clean(recipient_domain);
    r->is_host = is_host;
    return r;
}

void tlsresult_free(struct tlsresult **r)
{
    if (*r == NULL)
        return;
    for (size_t i = 0; i < (*r)->entries_n; i++)
        clear_entry(&(*r)->entries[i]);
    mem_free(&(*r)->entries);
    mem_free(&(*r)->policy_domain);
    mem_free(&(*r)->recipient_domain);
    mem_free(r);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void set_strings(struct tlsresult_entry *e, const char *const *strings, size_t n)
{
    e->strings_n = n < TLSRESULT_STRINGS_MAX ? n : TLSRESULT_STRINGS_MAX;
    e->strings = mem_array(e->strings_n, sizeof *e->strings);
    for (size_t i = 0; i < e->strings_n; i++)
        e->strings[i] = clean(strings[i]);
    /* A policy's lines have an order of their own; that of records is of no account. */
    if (e->policy == TLSRESULT_TLSA && e->strings_n > 0)
        qsort(e->strings, e->strings_n, sizeof *e->strings, compare_texts);
}

static bool is_same_entry(const struct tlsresult_entry *a, const struct tlsresult_entry *b)
{
    if (a->policy != b->policy || a->strings_n != b->strings_n)
        return false;
    for (size_t i = 0; i < a->strings_n; i++) {
        if (strcmp(a->strings[i], b->strings[i]) != 0)
            return false;
    }
    return true;
}

/* Takes over the strings of made. */
static struct tlsresult_entry *find_or_add(struct tlsresult *r, struct tlsresult_entry *made)
{
    for (size_t i = 0; i < r->entries_n; i++) {
        bool last = i == TLSRESULT_ENTRIES_MAX - 1;
        if (is_same_entry(&r->entries[i], made) || last) {
            clear_entry(made);
            return &r->entries[i];
        }
    }
    r->entries = mem_resize(r->entries, (r->entries_n + 1) * sizeof *r->entries);
    r->entries[r->entries_n] = *made;
    return &r->entries[r->entries_n++];
}

struct tlsresult_entry *tlsresult_entry(struct tlsresult *r, enum tlsresult_policy policy,
                                        const char *const *strings, size_t n)
{
    struct tlsresult_entry made = {.policy = policy};
    set_strings(&made, strings, n);
    return find_or_add(r, &made);
}

static void count(uint64_t *counter, uint64_t more)
{
    uint64_t room = TLSRESULT_COUNT_MAX - *counter;
    *counter += more < room ? more : room;
}

static bool is_same_detail(struct tlsresult_detail *a, struct tlsresult_detail *b)
{
    char **x[DETAIL_TEXTS], **y[DETAIL_TEXTS];
    bool same = a->type == b->type;
    texts_of(a, x);
    texts_of(b, y);
    for (int i = 0; i < DETAIL_TEXTS; i++)
        same = same && strcmp(*x[i], *y[i]) == 0;
    return same;
}

/* When an entry has its fill of details, the last of them stands for all others: of any host. */
static void make_general(struct tlsresult_detail *d)
{
    char **texts[DETAIL_TEXTS];
    texts_of(d, texts);
    for (int i = 0; i < DETAIL_TEXTS; i++) {
        mem_free(texts[i]);
        *texts[i] = mem_text("");
    }
    d->type = TLSRESULT_VALIDATION_FAILURE;
    mem_free(&d->reason);
    d->reason = mem_text("too-many-kinds-of-failure");
}

void tlsresult_detail_add(struct tlsresult_entry *e, const struct tlsresult_detail *detail)
{
    struct tlsresult_detail made = *detail;
    char **texts[DETAIL_TEXTS];
    texts_of(&made, texts);
    for (int i = 0; i < DETAIL_TEXTS; i++)
        *texts[i] = clean(*texts[i]);
    for (size_t i = 0; i < e->details_n; i++) {
        bool last = i == TLSRESULT_DETAILS_MAX - 1;
        if (is_same_detail(&e->details[i], &made) || last) {
            count(&e->details[i].sessions, made.sessions);
            clear_detail(&made);
            return;
        }
    }
    if (e->details_n == TLSRESULT_DETAILS_MAX - 1)
        make_general(&made);
    made.sessions = 0;
    count(&made.sessions, detail->sessions);
    e->details = mem_resize(e->details, (e->details_n + 1) * sizeof *e->details);
    e->details[e->details_n++] = made;
}

void tlsresult_add(struct tlsresult *to, const struct tlsresult *from)
{
    for (size_t i = 0; i < from->entries_n; i++) {
        const struct tlsresult_entry *f = &from->entries[i];
        struct tlsresult_entry *t =
            tlsresult_entry(to, f->policy, (const char *const *)f->strings, f->strings_n);
        count(&t->success, f->success);
        count(&t->failure, f->failure);
        for (size_t k = 0; k < f->details_n; k++)
            tlsresult_detail_add(t, &f->details[k]);
    }
    to->is_wanted = to->is_wanted || from->is_wanted;
}

/* ---- octets ---- */

static void put_entry(struct buf *b, const struct tlsresult_entry *e)
{
    wire_put_u8(b, (uint8_t)e->policy);
    wire_put_u32(b, (uint32_t)e->strings_n);
    for (size_t i = 0; i < e->strings_n; i++)
        wire_put_text(b, e->strings[i]);
    wire_put_u64(b, e->success);
    wire_put_u64(b, e->failure);
    wire_put_u32(b, (uint32_t)e->details_n);
    for (size_t i = 0; i < e->details_n; i++) {
        struct tlsresult_detail d = e->details[i];
        char **texts[DETAIL_TEXTS];
        texts_of(&d, texts);
        wire_put_u8(b, (uint8_t)d.type);
        wire_put_u64(b, d.sessions);
        for (int k = 0; k < DETAIL_TEXTS; k++)
            wire_put_text(b, *texts[k]);
    }
}

void tlsresult_put(struct buf *b, const struct tlsresult *r)
{
    wire_put_u32(b, r->day);
    wire_put_text(b, r->policy_domain);
    wire_put_text(b, r->recipient_domain);
    wire_put_bool(b, r->is_host);
    wire_put_bool(b, r->is_wanted);
    wire_put_u32(b, (uint32_t)r->entries_n);
    for (size_t i = 0; i < r->entries_n; i++)
        put_entry(b, &r->entries[i]);
}

static char *get_text(struct wire *w)
{
    char *text = wire_text(w, TLSRESULT_TEXT_MAX);
    if (!is_clean(text))
        wire_fail(w);
    return text;
}

static uint64_t get_count(struct wire *w)
{
    uint64_t n = wire_u64(w);
    if (n > TLSRESULT_COUNT_MAX)
        wire_fail(w);
    return n;
}

static void get_detail(struct wire *w, struct tlsresult_detail *d)
{
    char **texts[DETAIL_TEXTS];
    texts_of(d, texts);
    d->type = (enum tlsresult_type)wire_enum(w, TLSRESULT_TYPES);
    d->sessions = get_count(w);
    for (int i = 0; i < DETAIL_TEXTS; i++)
        *texts[i] = get_text(w);
}

static void get_entry(struct wire *w, struct tlsresult_entry *e)
{
    e->policy = (enum tlsresult_policy)wire_enum(w, TLSRESULT_POLICIES);
    uint32_t n = wire_count(w, TLSRESULT_STRINGS_MAX, 4);
    e->strings = mem_array(n, sizeof *e->strings);
    while (e->strings_n < n)
        e->strings[e->strings_n++] = get_text(w);
    e->success = get_count(w);
    e->failure = get_count(w);
    n = wire_count(w, TLSRESULT_DETAILS_MAX, 33);
    e->details = mem_array(n, sizeof *e->details);
    while (e->details_n < n)
        get_detail(w, &e->details[e->details_n++]);
}

struct tlsresult *tlsresult_get(struct wire *w)
{
    struct tlsresult *r = mem_zero(sizeof *r);
    r->day = wire_u32(w);
    r->policy_domain = get_text(w);
    r->recipient_domain = get_text(w);
    r->is_host = wire_bool(w);
    r->is_wanted = wire_bool(w);
    uint32_t n = wire_count(w, TLSRESULT_ENTRIES_MAX, 25);
    r->entries = mem_array(n, sizeof *r->entries);
    while (r->entries_n < n)
        get_entry(w, &r->entries[r->entries_n++]);
    return r;
}

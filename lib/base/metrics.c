#include "metrics.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

struct metrics {
    const struct metrics_family *families;
    size_t n;
    size_t *first; /* n + 1 of them: where a family's slots begin */
    uint64_t *slots;
    uint64_t fingerprint;
};

static size_t count_values(const struct metrics_label *label)
{
    size_t n = 0;
    while (label->values[n] != NULL)
        n++;
    return n;
}

static size_t count_series(const struct metrics_family *family)
{
    size_t n = 1;
    for (size_t i = 0; i < METRICS_LABELS_MAX && family->labels[i].name != NULL; i++)
        n *= count_values(&family->labels[i]);
    return n;
}

static size_t slots_each(const struct metrics_family *family)
{
    return family->type == METRICS_HISTOGRAM ? family->n_bounds + 2 : 1;
}

/* FNV-1a: both ends have the table from the same program, so this tells mistakes apart, not
 * enemies. */
static uint64_t mix(uint64_t hash, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)p)[i]) * 1099511628211u;
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return mix(hash, text, strlen(text) + 1);
}

static uint64_t mix_family(uint64_t hash, const struct metrics_family *family)
{
    hash = mix_text(hash, family->name);
    hash = mix(hash, &family->type, sizeof family->type);
    for (size_t i = 0; i < METRICS_LABELS_MAX && family->labels[i].name != NULL; i++) {
        hash = mix_text(hash, family->labels[i].name);
        for (const char *const *v = family->labels[i].values; *v != NULL; v++)
            hash = mix_text(hash, *v);
        hash = mix(hash, "\n", 1);
    }
    for (size_t i = 0; i < family->n_bounds; i++)
        hash = mix(hash, &family->bounds[i], sizeof family->bounds[i]);
    return hash;
}

struct metrics *metrics_new(const struct metrics_family *families, size_t n)
{
    struct metrics *m = mem_zero(sizeof *m);
    m->families = families;
    m->n = n;
    m->first = mem_array(n + 1, sizeof *m->first);
    m->fingerprint = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) {
        m->first[i + 1] = m->first[i] + count_series(&families[i]) * slots_each(&families[i]);
        m->fingerprint = mix_family(m->fingerprint, &families[i]);
    }
    assert(m->first[n] < UINT32_MAX);
    m->slots = mem_array(m->first[n], sizeof *m->slots);
    return m;
}

void metrics_free(struct metrics **m)
{
    if (*m == NULL)
        return;
    mem_release((*m)->first);
    mem_release((*m)->slots);
    mem_free(m);
}

static uint64_t *slots_at(struct metrics *m, size_t family, struct metrics_at at)
{
    assert(family < m->n);
    const struct metrics_family *known = &m->families[family];
    size_t series = 0;
    for (size_t i = 0; i < METRICS_LABELS_MAX; i++) {
        size_t values = known->labels[i].name == NULL ? 1 : count_values(&known->labels[i]);
        assert(at.label[i] < values);
        series = series * values + at.label[i];
        if (known->labels[i].name == NULL)
            break;
    }
    return m->slots + m->first[family] + series * slots_each(known);
}

void metrics_add(struct metrics *m, size_t family, struct metrics_at at, uint64_t n)
{
    uint64_t *slot = slots_at(m, family, at);
    assert(m->families[family].type != METRICS_HISTOGRAM);
    *slot += n;
}

void metrics_sub(struct metrics *m, size_t family, struct metrics_at at, uint64_t n)
{
    uint64_t *slot = slots_at(m, family, at);
    assert(m->families[family].type == METRICS_GAUGE);
    *slot -= n;
}

void metrics_set(struct metrics *m, size_t family, struct metrics_at at, int64_t v)
{
    uint64_t *slot = slots_at(m, family, at);
    assert(m->families[family].type == METRICS_GAUGE);
    *slot = (uint64_t)v;
}

void metrics_observe(struct metrics *m, size_t family, struct metrics_at at, uint64_t v)
{
    uint64_t *slots = slots_at(m, family, at);
    const struct metrics_family *known = &m->families[family];
    size_t bucket = 0;
    assert(known->type == METRICS_HISTOGRAM);
    while (bucket < known->n_bounds && v > known->bounds[bucket])
        bucket++;
    slots[bucket]++;
    slots[known->n_bounds + 1] += v;
}

size_t metrics_families(const struct metrics *m)
{
    return m->n;
}

const struct metrics_family *metrics_family(const struct metrics *m, size_t family)
{
    assert(family < m->n);
    return &m->families[family];
}

size_t metrics_series(const struct metrics *m, size_t family)
{
    assert(family < m->n);
    return (m->first[family + 1] - m->first[family]) / slots_each(&m->families[family]);
}

struct metrics_at metrics_series_at(const struct metrics *m, size_t family, size_t i)
{
    const struct metrics_family *known = metrics_family(m, family);
    struct metrics_at at = {{0}};
    assert(i < metrics_series(m, family));
    for (size_t l = METRICS_LABELS_MAX; l-- > 0;) {
        if (known->labels[l].name != NULL) {
            size_t values = count_values(&known->labels[l]);
            assert(values > 0);
            at.label[l] = i % values;
            i /= values;
        }
    }
    return at;
}

const uint64_t *metrics_slots(const struct metrics *m, size_t family, size_t i)
{
    assert(family < m->n && i < metrics_series(m, family));
    return m->slots + m->first[family] + i * slots_each(&m->families[family]);
}

static void put_number(struct buf *out, uint64_t v, size_t octets)
{
    while (octets-- > 0)
        buf_putc(out, (int)(v >> (8 * octets) & 0xff));
}

static uint64_t take_number(struct span *in, size_t octets)
{
    uint64_t v = 0;
    assert(in->n >= octets);
    for (size_t i = 0; i < octets; i++)
        v = v << 8 | in->p[i];
    in->p += octets;
    in->n -= octets;
    return v;
}

void metrics_save(const struct metrics *m, struct buf *out)
{
    put_number(out, m->fingerprint, 8);
    for (size_t i = 0; i < m->first[m->n]; i++) {
        if (m->slots[i] != 0) {
            put_number(out, i, 4);
            put_number(out, m->slots[i], 8);
        }
    }
}

/* Into a row of zeroes as long as m's slots. */
static int load(const struct metrics *m, uint64_t *row, struct span saved, struct fail *f)
{
    if (saved.n < 8 || (saved.n - 8) % 12 != 0)
        return fail_set(f, "a report of counters has a wrong length");
    if (take_number(&saved, 8) != m->fingerprint)
        return fail_set(f, "a report of counters is made of another table");
    while (saved.n > 0) {
        uint64_t i = take_number(&saved, 4), v = take_number(&saved, 8);
        if (i >= m->first[m->n])
            return fail_set(f, "a report of counters names slot %llu", (unsigned long long)i);
        row[i] = v;
    }
    return 0;
}

int metrics_fold(struct metrics *total, struct metrics *last, struct span saved, struct fail *f)
{
    assert(total->fingerprint == last->fingerprint);
    size_t n = last->first[last->n];
    uint64_t *now = mem_array(n, sizeof *now);
    int rc = load(last, now, saved, f);
    if (rc == 0) {
        /* Unsigned, so that a gauge that went down is a difference like any other. */
        for (size_t i = 0; i < n; i++)
            total->slots[i] += now[i] - last->slots[i];
        if (n > 0)
            memcpy(last->slots, now, n * sizeof *now);
    }
    mem_release(now);
    return rc;
}

void metrics_gone(struct metrics *total, struct metrics *last)
{
    assert(total->fingerprint == last->fingerprint);
    for (size_t family = 0; family < last->n; family++) {
        if (last->families[family].type != METRICS_GAUGE)
            continue;
        for (size_t i = last->first[family]; i < last->first[family + 1]; i++)
            total->slots[i] -= last->slots[i];
    }
    memset(last->slots, 0, last->first[last->n] * sizeof *last->slots);
}

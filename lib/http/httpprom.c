#include "httpprom.h"

#include <assert.h>
#include <stdbool.h>

#include "utf8.h"

static void put_escaped(struct buf *out, const char *text, bool quotes)
{
    struct span s = span_text(text);
    for (size_t i = 0, len; i < s.n; i += len) {
        len = utf8_sequence(s.p + i, s.n - i);
        if (len == 0) {
            buf_puts(out, "\xef\xbf\xbd");
            len = 1;
        } else if (s.p[i] == '\n') {
            buf_puts(out, "\\n");
        } else if (s.p[i] == '\\' || (quotes && s.p[i] == '"')) {
            buf_putf(out, "\\%c", s.p[i]);
        } else {
            buf_put(out, s.p + i, len);
        }
    }
}

void httpprom_family(struct buf *out, const char *name, const char *help, enum metrics_type type)
{
    static const char *const types[] = {[METRICS_COUNTER] = "counter",
                                        [METRICS_GAUGE] = "gauge",
                                        [METRICS_HISTOGRAM] = "histogram"};
    buf_putf(out, "# HELP %s ", name);
    put_escaped(out, help, false);
    buf_putf(out, "\n# TYPE %s %s\n", name, types[type]);
}

/* Puts a comma or the opening brace before a label. */
static void put_label(struct buf *out, bool *any, const char *name, const char *value)
{
    buf_putf(out, "%c%s=\"", *any ? ',' : '{', name);
    put_escaped(out, value, true);
    buf_putc(out, '"');
    *any = true;
}

void httpprom_sample(struct buf *out, const char *name, const struct httpprom_label *labels,
                     int64_t v)
{
    bool any = false;
    buf_puts(out, name);
    for (; labels != NULL && labels->name != NULL; labels++)
        put_label(out, &any, labels->name, labels->value);
    buf_putf(out, "%s %lld\n", any ? "}" : "", (long long)v);
}

/* v / scale with no digit lost and no zero at the end. */
static void put_scaled(struct buf *out, uint64_t v, uint64_t scale)
{
    scale = scale == 0 ? 1 : scale;
    buf_putf(out, "%llu", (unsigned long long)(v / scale));
    if (v % scale == 0)
        return;
    buf_putc(out, '.');
    for (v %= scale; v != 0; v %= scale) {
        assert(scale % 10 == 0);
        scale /= 10;
        buf_putc(out, '0' + (int)(v / scale));
    }
}

/* "name_suffix{labels" and, for a bucket, its bound; up to the space before the value. */
static void put_series(struct buf *out, const struct metrics_family *family, const char *suffix,
                       struct metrics_at at, const char *le)
{
    bool any = false;
    buf_putf(out, "%s%s", family->name, suffix);
    for (size_t i = 0; i < METRICS_LABELS_MAX && family->labels[i].name != NULL; i++)
        put_label(out, &any, family->labels[i].name, family->labels[i].values[at.label[i]]);
    if (le != NULL)
        put_label(out, &any, "le", le);
    buf_puts(out, any ? "} " : " ");
}

static void put_value(struct buf *out, const struct metrics_family *family, struct metrics_at at,
                      uint64_t v)
{
    int64_t signed_v = (int64_t)v;
    bool negative = family->type == METRICS_GAUGE && signed_v < 0;
    put_series(out, family, "", at, NULL);
    if (negative)
        buf_putc(out, '-');
    put_scaled(out, negative ? -v : v, family->scale);
    buf_putc(out, '\n');
}

static void put_histogram(struct buf *out, const struct metrics_family *family,
                          struct metrics_at at, const uint64_t *slots)
{
    struct buf le = {0};
    uint64_t count = 0;
    for (size_t i = 0; i <= family->n_bounds; i++) {
        buf_clear(&le);
        if (i < family->n_bounds)
            put_scaled(&le, family->bounds[i], family->scale);
        else
            buf_puts(&le, "+Inf");
        count += slots[i];
        put_series(out, family, "_bucket", at, buf_text(&le));
        buf_putf(out, "%llu\n", (unsigned long long)count);
    }
    put_series(out, family, "_sum", at, NULL);
    put_scaled(out, slots[family->n_bounds + 1], family->scale);
    buf_putc(out, '\n');
    put_series(out, family, "_count", at, NULL);
    buf_putf(out, "%llu\n", (unsigned long long)count);
    buf_free(&le);
}

static bool is_shown(const struct metrics_family *family, const uint64_t *slots)
{
    size_t n = family->type == METRICS_HISTOGRAM ? family->n_bounds + 1 : 1;
    if (family->preset || family->labels[0].name == NULL)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (slots[i] != 0)
            return true;
    }
    return false;
}

void httpprom_metrics(struct buf *out, const struct metrics *m)
{
    for (size_t i = 0; i < metrics_families(m); i++) {
        const struct metrics_family *family = metrics_family(m, i);
        httpprom_family(out, family->name, family->help, family->type);
        for (size_t s = 0; s < metrics_series(m, i); s++) {
            const uint64_t *slots = metrics_slots(m, i, s);
            struct metrics_at at = metrics_series_at(m, i, s);
            if (!is_shown(family, slots))
                continue;
            if (family->type == METRICS_HISTOGRAM)
                put_histogram(out, family, at, slots);
            else
                put_value(out, family, at, slots[0]);
        }
    }
}

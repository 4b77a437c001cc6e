#include "mtasts.h"

#include <string.h>

#include "ascii.h"
#include "mem.h"

#define VERSION "STSv1"
#define LABEL_MAX 63

static const char *const mode_names[MTASTS_MODES] = {"none", "testing", "enforce"};

const char *mtasts_mode_name(enum mtasts_mode mode)
{
    return mode_names[mode];
}

bool mtasts_is_domain(struct span s)
{
    size_t label = 0;
    for (size_t i = 0; i < s.n; i++) {
        int c = s.p[i];
        if (c == '.' ? label == 0 : !ascii_is_alnum(c) && c != '-' && c != '_')
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0 && s.n < MTASTS_DOMAIN_TEXT;
}

/* ---- the TXT record ---- */

static bool is_blank(int c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the next field off, up to ';', without blanks around it. */
static struct span next_field(struct span *rest)
{
    ssize_t end = span_find(*rest, ';');
    struct span field = span_of(rest->p, end < 0 ? rest->n : (size_t)end);
    size_t used = field.n + (end < 0 ? 0 : 1);
    *rest = span_of(rest->p + used, rest->n - used);
    while (field.n > 0 && is_blank(field.p[0]))
        field = span_of(field.p + 1, field.n - 1);
    while (field.n > 0 && is_blank(field.p[field.n - 1]))
        field.n--;
    return field;
}

static bool is_id(struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (!ascii_is_alnum(value.p[i]))
            return false;
    }
    return value.n >= 1 && value.n <= MTASTS_ID_MAX;
}

/* sts-ext-name "=" sts-ext-value */
static bool is_extension(struct span name, struct span value)
{
    for (size_t i = 0; i < name.n; i++) {
        int c = name.p[i];
        if (!ascii_is_alnum(c) && (i == 0 || (c != '_' && c != '-' && c != '.')))
            return false;
    }
    for (size_t i = 0; i < value.n; i++) {
        int c = value.p[i];
        if (c < 0x21 || c > 0x7e || c == '=')
            return false;
    }
    return name.n >= 1 && name.n <= 32 && value.n >= 1;
}

static int read_field(struct span field, char *id, struct fail *f)
{
    ssize_t equal = span_find(field, '=');
    if (equal < 0)
        return fail_set(f, "a field without \"=\"");
    struct span name = span_of(field.p, (size_t)equal);
    struct span value = span_of(field.p + equal + 1, field.n - (size_t)equal - 1);
    if (!span_is(name, "id"))
        return is_extension(name, value) ? 0 : fail_set(f, "a malformed field");
    if (id[0] != '\0')
        return fail_set(f, "more than one id");
    if (!is_id(value))
        return fail_set(f, "an id that is not 1 to %d letters and digits", MTASTS_ID_MAX);
    return span_copy(value, id, MTASTS_ID_MAX + 1);
}

/* What stands behind the version. */
static int read_fields(struct span rest, char *id, struct fail *f)
{
    while (rest.n > 0) {
        struct span field = next_field(&rest);
        if (field.n == 0 && rest.n == 0)
            break;
        if (read_field(field, id, f) != 0)
            return -1;
    }
    return id[0] != '\0' ? 0 : fail_set(f, "no id");
}

static bool has_version(struct span *rest)
{
    const unsigned char *begin = rest->p;
    struct span field = next_field(rest);
    return field.p == begin && span_is(field, "v=" VERSION);
}

enum mtasts_record mtasts_record_find(const struct span *texts, size_t n,
                                      char id[static MTASTS_ID_MAX + 1], struct fail *f)
{
    enum mtasts_record found = MTASTS_RECORD_NONE;
    id[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        struct span rest = texts[i];
        if (!has_version(&rest))
            continue;
        if (found != MTASTS_RECORD_NONE) {
            (void)fail_set(f, "more than one MTA-STS record");
            goto broken;
        }
        found = MTASTS_RECORD_GOOD;
        if (read_fields(rest, id, f) != 0) {
            (void)fail_prefix(f, "MTA-STS record");
            goto broken;
        }
    }
    return found;
broken:
    id[0] = '\0';
    return MTASTS_RECORD_BROKEN;
}

/* ---- the policy ---- */

enum key { KEY_VERSION, KEY_MODE, KEY_MAX_AGE, KEY_MX, KEYS };

struct reading {
    struct mtasts_policy *policy;
    bool seen[KEYS];
};

typedef int read_value(struct reading *r, struct span value, struct fail *f);

static int read_version(struct reading *r, struct span value, struct fail *f)
{
    return span_is(value, VERSION) ? 0 : fail_set(f, "the version is not " VERSION);
}

static int read_mode(struct reading *r, struct span value, struct fail *f)
{
    for (int i = 0; i < MTASTS_MODES; i++) {
        if (span_is(value, mode_names[i])) {
            r->policy->mode = (enum mtasts_mode)i;
            return 0;
        }
    }
    return fail_set(f, "the mode is not none, testing or enforce");
}

static int read_max_age(struct reading *r, struct span value, struct fail *f)
{
    uint64_t age;
    if (value.n > 10 || ascii_u64(value, UINT64_MAX, &age) != 0)
        return fail_set(f, "max_age is not a number of 1 to 10 digits");
    r->policy->max_age_s = age > MTASTS_AGE_MAX ? MTASTS_AGE_MAX : (uint32_t)age;
    return 0;
}

static bool is_pattern(struct span s)
{
    if (s.n > 2 && s.p[0] == '*' && s.p[1] == '.')
        s = span_of(s.p + 2, s.n - 2);
    return mtasts_is_domain(s);
}

static void add_mx(struct mtasts_policy *p, struct span pattern)
{
    p->mx = mem_resize(p->mx, (p->mx_n + 1) * sizeof *p->mx);
    p->mx[p->mx_n] = span_dup(pattern);
    ascii_lower_text(p->mx[p->mx_n++]);
}

static int read_mx(struct reading *r, struct span value, struct fail *f)
{
    if (value.n > 1 && value.p[value.n - 1] == '.')
        value.n--;
    if (!is_pattern(value))
        return fail_set(f, "an mx that is no domain, nor \"*.\" and one");
    if (r->policy->mx_n == MTASTS_MX_MAX)
        return fail_set(f, "more than %d mx", MTASTS_MX_MAX);
    add_mx(r->policy, value);
    return 0;
}

static const struct {
    const char *name;
    read_value *read;
} keys[KEYS] = {
    [KEY_VERSION] = {"version", read_version},
    [KEY_MODE] = {"mode", read_mode},
    [KEY_MAX_AGE] = {"max_age", read_max_age},
    [KEY_MX] = {"mx", read_mx},
};

static int read_line(struct reading *r, struct span line, struct fail *f)
{
    ssize_t colon = span_find(line, ':');
    if (colon < 0)
        return fail_set(f, "a line without a colon");
    struct span name = ascii_trim(span_of(line.p, (size_t)colon));
    struct span value = ascii_trim(span_of(line.p + colon + 1, line.n - (size_t)colon - 1));
    for (int i = 0; i < KEYS; i++) {
        if (!span_is(name, keys[i].name))
            continue;
        if (r->seen[i] && i != KEY_MX)
            return 0;
        r->seen[i] = true;
        return keys[i].read(r, value, f);
    }
    return 0;
}

static int read_lines(struct reading *r, struct span rest, struct fail *f)
{
    while (rest.n > 0) {
        ssize_t end = span_find(rest, '\n');
        struct span line = span_of(rest.p, end < 0 ? rest.n : (size_t)end);
        size_t used = line.n + (end < 0 ? 0 : 1);
        rest = span_of(rest.p + used, rest.n - used);
        line = ascii_trim(line);
        if (line.n > 0 && read_line(r, line, f) != 0)
            return -1;
    }
    return 0;
}

static int check_whole(const struct reading *r, struct fail *f)
{
    for (int i = 0; i < KEYS; i++) {
        if (!r->seen[i] && (i != KEY_MX || r->policy->mode != MTASTS_NONE))
            return fail_set(f, "no %s", keys[i].name);
    }
    return 0;
}

struct mtasts_policy *mtasts_policy_parse(struct span text, struct fail *f)
{
    struct reading r = {.policy = mem_zero(sizeof *r.policy)};
    int rc = text.n > MTASTS_POLICY_MAX ? fail_set(f, "more than %d octets", MTASTS_POLICY_MAX)
                                        : read_lines(&r, text, f);
    if (rc == 0 && check_whole(&r, f) == 0)
        return r.policy;
    (void)fail_prefix(f, "MTA-STS policy");
    mtasts_policy_free(&r.policy);
    return NULL;
}

void mtasts_policy_free(struct mtasts_policy **p)
{
    if (*p == NULL)
        return;
    for (size_t i = 0; i < (*p)->mx_n; i++)
        mem_free(&(*p)->mx[i]);
    mem_free(&(*p)->mx);
    mem_free(p);
}

struct mtasts_policy *mtasts_policy_copy(const struct mtasts_policy *p)
{
    if (p == NULL)
        return NULL;
    struct mtasts_policy *copy = mem_zero(sizeof *copy);
    copy->mode = p->mode;
    copy->max_age_s = p->max_age_s;
    for (size_t i = 0; i < p->mx_n; i++)
        add_mx(copy, span_text(p->mx[i]));
    return copy;
}

bool mtasts_policy_equal(const struct mtasts_policy *a, const struct mtasts_policy *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->mode != b->mode || a->max_age_s != b->max_age_s || a->mx_n != b->mx_n)
        return false;
    for (size_t i = 0; i < a->mx_n; i++) {
        if (strcmp(a->mx[i], b->mx[i]) != 0)
            return false;
    }
    return true;
}

static bool is_match(const char *pattern, struct span host)
{
    if (pattern[0] != '*')
        return span_is_nocase(host, pattern);
    ssize_t dot = span_find(host, '.');
    return dot > 0 &&
           span_is_nocase(span_of(host.p + dot + 1, host.n - (size_t)dot - 1), pattern + 2);
}

bool mtasts_policy_has(const struct mtasts_policy *p, const char *host)
{
    struct span name = span_text(host);
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    for (size_t i = 0; i < p->mx_n; i++) {
        if (is_match(p->mx[i], name))
            return true;
    }
    return false;
}

void mtasts_policy_put(struct buf *b, const struct mtasts_policy *p)
{
    wire_put_u8(b, (uint8_t)p->mode);
    wire_put_u32(b, p->max_age_s);
    wire_put_u32(b, (uint32_t)p->mx_n);
    for (size_t i = 0; i < p->mx_n; i++)
        wire_put_text(b, p->mx[i]);
}

static bool is_written_so(const char *pattern)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        if (ascii_lower(*p) != *p)
            return false;
    }
    return is_pattern(span_text(pattern));
}

struct mtasts_policy *mtasts_policy_get(struct wire *w)
{
    struct mtasts_policy *p = mem_zero(sizeof *p);
    p->mode = (enum mtasts_mode)wire_enum(w, MTASTS_MODES);
    p->max_age_s = wire_u32(w);
    uint32_t n = wire_count(w, MTASTS_MX_MAX, 5);
    if (p->max_age_s > MTASTS_AGE_MAX || (n == 0 && p->mode != MTASTS_NONE))
        wire_fail(w);
    p->mx = mem_array(n, sizeof *p->mx);
    for (uint32_t i = 0; i < n; i++) {
        p->mx[p->mx_n++] = wire_text(w, MTASTS_DOMAIN_TEXT + 1);
        if (!is_written_so(p->mx[i]))
            wire_fail(w);
    }
    return p;
}

#include "conftype.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "ascii.h"
#include "confname.h"
#include "conferror.h"
#include "confsource.h"
#include "mem.h"
#include "utf8.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define DURATION_MAX (100000 * DAY_MS)
#define SIZE_MAX_ ((int64_t)1 << 60)
#define TEXT_MAX 4096

static const struct unit {
    const char *name;
    int64_t factor;
} durations[] = {{"d", DAY_MS}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}},
  sizes[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}};

#define DURATIONS (sizeof durations / sizeof durations[0])
#define SIZES (sizeof sizes / sizeof sizes[0])

/* Cuts "<digits><letters>" off the start of s. */
static int take_amount(struct span *s, uint64_t *amount, struct span *unit)
{
    size_t digits = 0, end;
    while (digits < s->n && ascii_is_digit(s->p[digits]))
        digits++;
    for (end = digits; end < s->n && ascii_is_alpha(s->p[end]);)
        end++;
    if (ascii_u64(span_of(s->p, digits), INT64_MAX, amount) != 0)
        return -1;
    *unit = span_of(s->p + digits, end - digits);
    *s = span_of(s->p + end, s->n - end);
    return 0;
}

/* The unit of this name from `from` on, or -1. */
static int unit_index(const struct unit *units, size_t n, size_t from, struct span name)
{
    for (size_t i = from; i < n; i++) {
        if (span_is(name, units[i].name))
            return (int)i;
    }
    return -1;
}

static int parse_size(struct span s, int64_t *octets)
{
    uint64_t amount;
    struct span unit;
    if (take_amount(&s, &amount, &unit) != 0 || s.n > 0)
        return -1;
    int i = unit_index(sizes, SIZES, 0, unit);
    return i < 0 || __builtin_mul_overflow((int64_t)amount, sizes[i].factor, octets) ? -1 : 0;
}

/* Amounts with units, the larger unit first, none twice: 1h30m. A lone 0 needs none. */
static int parse_duration(struct span s, int64_t *ms)
{
    uint64_t amount;
    struct span unit;
    size_t from = 0;
    *ms = 0;
    if (span_is(s, "0"))
        return 0;
    if (s.n == 0)
        return -1;
    while (s.n > 0) {
        int64_t part;
        int i = take_amount(&s, &amount, &unit) != 0 ? -1
                                                     : unit_index(durations, DURATIONS, from, unit);
        if (i < 0 || __builtin_mul_overflow((int64_t)amount, durations[i].factor, &part) ||
            __builtin_add_overflow(*ms, part, ms))
            return -1;
        from = (size_t)i + 1;
    }
    return 0;
}

static char *size_text(int64_t octets)
{
    size_t i = 0;
    while (octets == 0 ? i + 1 < SIZES : octets % sizes[i].factor != 0)
        i++;
    return mem_format("%lld%s", (long long)(octets / sizes[i].factor), sizes[i].name);
}

static char *duration_text(int64_t ms)
{
    struct buf out = {0};
    if (ms == 0)
        return mem_text("0");
    for (size_t i = 0; i < DURATIONS; i++) {
        if (ms >= durations[i].factor)
            buf_putf(&out, "%lld%s", (long long)(ms / durations[i].factor), durations[i].name);
        ms %= durations[i].factor;
    }
    return buf_take_text(&out);
}

static bool in_range(const struct conftype_rule *rule, int64_t n)
{
    return n >= rule->min && n <= rule->max;
}

typedef int parse_fn(const struct conftype_rule *rule, const char *text, const char *folder,
                     struct conf_value *value, struct fail *f);

static int parse_bool(const struct conftype_rule *rule, const char *text, const char *folder,
                      struct conf_value *value, struct fail *f)
{
    value->number = strcmp(text, "yes") == 0;
    if (value->number == 0 && strcmp(text, "no") != 0)
        return fail_set(f, "must be yes or no");
    value->text = mem_text(text);
    return 0;
}

static int parse_int(const struct conftype_rule *rule, const char *text, const char *folder,
                     struct conf_value *value, struct fail *f)
{
    uint64_t n;
    if (ascii_u64(span_text(text), INT_MAX, &n) != 0 || !in_range(rule, (int64_t)n))
        return fail_set(f, "must be a whole number from %lld to %lld", (long long)rule->min,
                        (long long)rule->max);
    value->number = (int64_t)n;
    value->text = mem_format("%llu", (unsigned long long)n);
    return 0;
}

/* The sentence for a number with a unit that is out of its range or not one. */
static int bad_amount(const struct conftype_rule *rule, const char *what, char *(*text_of)(int64_t),
                      const char *hint, struct fail *f)
{
    char *min = text_of(rule->min), *max = text_of(rule->max);
    (void)fail_set(f, "must be a %s from %s to %s%s", what, min, max, hint);
    mem_free(&min);
    mem_free(&max);
    return -1;
}

static int parse_size_value(const struct conftype_rule *rule, const char *text, const char *folder,
                            struct conf_value *value, struct fail *f)
{
    if (parse_size(span_text(text), &value->number) != 0)
        return bad_amount(rule, "size", size_text, ", in octets or with K, M or G behind it", f);
    if (!in_range(rule, value->number))
        return bad_amount(rule, "size", size_text, "", f);
    value->text = size_text(value->number);
    return 0;
}

static int parse_duration_value(const struct conftype_rule *rule, const char *text,
                                const char *folder, struct conf_value *value, struct fail *f)
{
    if (parse_duration(span_text(text), &value->number) != 0)
        return bad_amount(rule, "duration", duration_text,
                          ", with units: d, h, m, s, ms, as in 7m30s", f);
    if (!in_range(rule, value->number))
        return bad_amount(rule, "duration", duration_text, "", f);
    value->text = duration_text(value->number);
    return 0;
}

static int parse_text(const struct conftype_rule *rule, const char *text, const char *folder,
                      struct conf_value *value, struct fail *f)
{
    if (!in_range(rule, (int64_t)strlen(text)))
        return fail_set(f, "must be %lld to %lld octets long", (long long)rule->min,
                        (long long)rule->max);
    if ((rule->flags & CONF_ASCII) != 0 && !utf8_is_ascii(span_text(text)))
        return fail_set(f, "must be ASCII");
    value->text = mem_text(text);
    return 0;
}

static int parse_word(const struct conftype_rule *rule, const char *text, const char *folder,
                      struct conf_value *value, struct fail *f)
{
    int index = conftype_word_index(rule->words, span_text(text));
    if (index < 0) {
        (void)fail_set(f, "must be one of: %s", rule->words);
        struct span word;
        for (size_t i = 0; (word = conftype_word_at(rule->words, i)).n > 0; i++) {
            if (conferror_distance(word, span_text(text)) <= 2 && word.n > 2)
                return fail_set(f, "must be one of: %s (did you mean \"%.*s\"?)", rule->words,
                                (int)word.n, word.p);
        }
        return -1;
    }
    value->number = index;
    value->text = mem_text(text);
    return 0;
}

static int parse_path(const struct conftype_rule *rule, const char *text, const char *folder,
                      struct conf_value *value, struct fail *f)
{
    if (text[0] == '\0')
        return fail_set(f, "must be a path, not empty");
    value->text = confsource_path(folder, text);
    if (strlen(value->text) < PATH_MAX)
        return 0;
    mem_free(&value->text);
    return fail_set(f, "must be a path of less than %d octets, its folder counted", PATH_MAX);
}

static int parse_mailbox(const struct conftype_rule *rule, const char *text, const char *folder,
                         struct conf_value *value, struct fail *f)
{
    return confname_mailbox(text, (rule->flags & CONF_WILD) != 0, value, f);
}

/* The types that need nothing but the text. */
#define PLAIN(name)                                                                                \
    static int parse_##name(const struct conftype_rule *rule, const char *text,                    \
                            const char *folder, struct conf_value *value, struct fail *f)          \
    {                                                                                              \
        return confname_##name(text, value, f);                                                    \
    }
PLAIN(host)
PLAIN(peer)
PLAIN(address)
PLAIN(endpoint)
PLAIN(url)
PLAIN(user)
PLAIN(network)
PLAIN(pattern)

static const struct type {
    const char *name;
    bool is_text;
    parse_fn *parse;
    int64_t min, max; /* what min and max of a row may be at all */
    const char *doc;
} types[CONF_TYPES] = {
    [CONF_BOOL] = {"yes/no", false, parse_bool, 0, 1, "One of the two words."},
    [CONF_INT] = {"number", false, parse_int, 0, INT_MAX, "A whole number in decimal digits."},
    [CONF_SIZE] = {"size", false, parse_size_value, 0, SIZE_MAX_,
                   "A number of octets; with K, M or G directly behind it, times 1024, 1024 "
                   "squared, 1024 cubed."},
    [CONF_DURATION] = {"duration", false, parse_duration_value, 0, DURATION_MAX,
                       "Amounts with their units, the larger unit first: d (24 hours), h, m "
                       "(minutes), s, ms; as in 450s, 7m30s, 168h, 500ms. 0 needs no unit."},
    [CONF_TEXT] = {"text", true, parse_text, 0, TEXT_MAX,
                   "Any characters, in UTF-8; bounds count octets. Quote it when it has blanks."},
    [CONF_WORD] = {"word", false, parse_word, 0, 0, "One of the words listed."},
    [CONF_PATH] = {"path", true, parse_path, 0, 0,
                   "A file or folder. A relative one starts at the folder of the file that it is "
                   "written in."},
    [CONF_HOST] = {"host", true, parse_host, 0, 0,
                   "A host name of letters, digits and hyphens in labels of at most 63 characters "
                   "with dots between, at most 253 in all. Internationalised names are written in "
                   "their A-label form (xn--...)."},
    [CONF_PEER] = {"host-or-address", true, parse_peer, 0, 0, "A host name or an IP address."},
    [CONF_ADDRESS] = {"address", true, parse_address, 0, 0, "An IPv4 or IPv6 address."},
    [CONF_ENDPOINT] = {"address:port", true, parse_endpoint, 0, 0,
                       "An IP address and a port, as 192.0.2.1:53 or [2001:db8::1]:53."},
    [CONF_URL] =
        {"url", true, parse_url, 0, 0,
         "An absolute http or https URL of at most 2048 octets, without user, password and "
         "fragment."},
    [CONF_MAILBOX] = {"mailbox", true, parse_mailbox, 0, 0,
                      "A mail address, local@domain. The local part is not quoted and at most 64 "
                      "octets long."},
    [CONF_USER] = {"user", true, parse_user, 0, 0, "A user (or group) by name or numeric id."},
    [CONF_NETWORK] = {"network", true, parse_network, 0, 0,
                      "A network, as 192.0.2.0/24 or 2001:db8::/32, or one address."},
    [CONF_PATTERN] = {"domain-pattern", true, parse_pattern, 0, 0,
                      "A domain for itself, .domain for it and all domains below it, * for any."},
};

/* A bound as the row has it, or the type's own. */
static int64_t bound(enum conf_type type, const char *text, int64_t otherwise)
{
    int64_t n = 0;
    uint64_t u = 0;
    if (text == NULL)
        return otherwise;
    int rc = type == CONF_SIZE       ? parse_size(span_text(text), &n)
             : type == CONF_DURATION ? parse_duration(span_text(text), &n)
                                     : ascii_u64(span_text(text), INT_MAX, &u);
    assert(rc == 0);
    if (type != CONF_SIZE && type != CONF_DURATION)
        n = (int64_t)u;
    return n;
}

struct conftype_rule conftype_rule(const struct conf_setting *setting)
{
    const struct type *type = &types[setting->type];
    assert(setting->type < CONF_TYPES);
    assert((setting->words != NULL) == (setting->type == CONF_WORD));
    struct conftype_rule rule = {setting->type, setting->flags, setting->words,
                                 bound(setting->type, setting->min, type->min),
                                 bound(setting->type, setting->max, type->max)};
    assert(rule.min >= type->min && rule.min <= rule.max && rule.max <= type->max);
    return rule;
}

int conftype_parse(const struct conftype_rule *rule, const char *text, const char *folder,
                   struct conf_value *value, struct fail *f)
{
    *value = (struct conf_value){0};
    int rc = types[rule->type].parse(rule, text, folder, value, f);
    assert((rc == 0) == (value->text != NULL));
    return rc;
}

void conftype_free(const struct conftype_rule *rule, struct conf_value *value)
{
    if (value->text != NULL && (rule->flags & CONF_SECRET) != 0)
        mem_wipe(value->text, strlen(value->text));
    mem_free(&value->text);
}

bool conftype_is_text(enum conf_type type)
{
    return types[type].is_text;
}

struct span conftype_word_at(const char *words, size_t index)
{
    struct span rest = span_text(words), word = {0};
    for (size_t i = 0; i <= index; i++) {
        if (!ascii_token(&rest, " ", &word))
            return (struct span){0};
    }
    return word;
}

int conftype_word_index(const char *words, struct span word)
{
    struct span each;
    for (size_t i = 0; (each = conftype_word_at(words, i)).n > 0; i++) {
        if (span_equal(each, word))
            return (int)i;
    }
    return -1;
}

const char *conftype_name(enum conf_type type)
{
    return types[type].name;
}

const char *conftype_doc(enum conf_type type)
{
    return types[type].doc;
}

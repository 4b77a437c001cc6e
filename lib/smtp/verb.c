#include "verb.h"

#include <assert.h>

#include "ascii.h"

#define NONE VERB_ARGUMENT_NONE
#define OPTIONAL VERB_ARGUMENT_OPTIONAL
#define NEEDED VERB_ARGUMENT_NEEDED

static const struct verb_rule rules[] = {
    [VERB_UNKNOWN] = {"", OPTIONAL, false},     [VERB_EHLO] = {"EHLO", NEEDED, true},
    [VERB_HELO] = {"HELO", NEEDED, true},       [VERB_LHLO] = {"LHLO", NEEDED, true},
    [VERB_MAIL] = {"MAIL", NEEDED, false},      [VERB_RCPT] = {"RCPT", NEEDED, false},
    [VERB_DATA] = {"DATA", NONE, true},         [VERB_BDAT] = {"BDAT", NEEDED, false},
    [VERB_RSET] = {"RSET", NONE, false},        [VERB_NOOP] = {"NOOP", OPTIONAL, true},
    [VERB_QUIT] = {"QUIT", NONE, true},         [VERB_VRFY] = {"VRFY", NEEDED, true},
    [VERB_EXPN] = {"EXPN", NEEDED, true},       [VERB_HELP] = {"HELP", OPTIONAL, false},
    [VERB_STARTTLS] = {"STARTTLS", NONE, true}, [VERB_AUTH] = {"AUTH", NEEDED, true},
};

enum { RULES = sizeof rules / sizeof rules[0] };

const struct verb_rule *verb_rule(enum verb verb)
{
    assert((unsigned)verb < RULES);
    return &rules[verb];
}

static enum verb named(struct span name)
{
    for (size_t i = VERB_UNKNOWN + 1; i < RULES; i++) {
        if (span_is_nocase(name, rules[i].name))
            return (enum verb)i;
    }
    return VERB_UNKNOWN;
}

static struct span trim_end(struct span s)
{
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Cuts s at its first space: returns what is before, leaves what comes after the run of spaces. */
static struct span word(struct span *s)
{
    ssize_t at = span_find(*s, ' ');
    struct span first = span_of(s->p, at < 0 ? s->n : (size_t)at);
    size_t i = first.n;
    while (i < s->n && s->p[i] == ' ')
        i++;
    *s = span_of(i == 0 ? s->p : s->p + i, s->n - i);
    return first;
}

void verb_parse(struct span line, struct verb_line *out)
{
    *out = (struct verb_line){0};
    line = trim_end(line);
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] < ' ' || line.p[i] == 0x7f)
            out->control = true;
        if (line.p[i] >= 0x80)
            out->eight_bit = true;
    }
    out->argument = line;
    out->name = word(&out->argument);
    out->verb = named(out->name);
}

bool verb_argument_fits(const struct verb_line *line)
{
    enum verb_argument rule = verb_rule(line->verb)->argument;
    return rule == OPTIONAL || (rule == NEEDED) == (line->argument.n > 0);
}

int verb_bdat(struct span argument, uint64_t *octets, bool *last)
{
    struct span size = word(&argument);
    if (ascii_u64(size, INT64_MAX, octets) != 0)
        return -1;
    *last = span_is_nocase(argument, "LAST");
    return argument.n == 0 || *last ? 0 : -1;
}

int verb_auth(struct span argument, struct span *mechanism, struct span *initial, bool *has_initial)
{
    *mechanism = word(&argument);
    *has_initial = argument.n > 0;
    *initial = span_is(argument, "=") ? (struct span){0} : argument;
    if (mechanism->n == 0 || mechanism->n > 20 || span_find(argument, ' ') >= 0)
        return -1;
    for (size_t i = 0; i < mechanism->n; i++) {
        int c = mechanism->p[i];
        if (!ascii_is_alnum(c) && c != '-' && c != '_')
            return -1;
    }
    return 0;
}

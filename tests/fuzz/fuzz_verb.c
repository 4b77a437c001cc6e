/* themes: smtp codec base */
/* Command lines: spans inside the line, flags that say what is in it; and the small grammars beside
 * them: BDAT, AUTH, enhanced codes, simulated failures. */
#include <assert.h>
#include <string.h>

#include "enhanced.h"
#include "simulate.h"
#include "verb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(struct span s, int from, int to)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= from && s.p[i] <= to)
            return true;
    }
    return false;
}

static void check_verb(struct span line)
{
    struct verb_line got;
    verb_parse(line, &got);
    assert(got.name.n + got.argument.n <= line.n);
    assert(span_find(got.name, ' ') < 0);
    assert(got.argument.n == 0 ||
           (got.argument.p[0] != ' ' && got.argument.p + got.argument.n <= line.p + line.n));
    assert(got.verb == VERB_UNKNOWN || span_is_nocase(got.name, verb_rule(got.verb)->name));
    assert(got.eight_bit == has(line, 0x80, 0xff));
    assert(!got.control || has(line, 0, 31) || has(line, 127, 127));
    (void)verb_argument_fits(&got);
}

static void check_arguments(struct span in)
{
    uint64_t octets;
    bool last, has_initial;
    struct span mechanism, initial;
    if (verb_bdat(in, &octets, &last) == 0)
        assert(octets <= INT64_MAX);
    if (verb_auth(in, &mechanism, &initial, &has_initial) == 0)
        assert(mechanism.n >= 1 && mechanism.n <= 20 && (has_initial || initial.n == 0));
}

static void check_enhanced(struct span in)
{
    struct enhanced e, back;
    char text[ENHANCED_SIZE], again[ENHANCED_SIZE];
    size_t n = enhanced_scan(in, &e);
    assert(n <= in.n && (n > 0) == (e.class != 0));
    assert(e.subject <= 999 && e.detail <= 999 && enhanced_text(e)[0] != '\0');
    if (n > 0) {
        assert(enhanced_parse(span_text(enhanced_format(e, text)), &back) == 0);
        assert(strcmp(enhanced_format(back, again), text) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    check_verb(in);
    check_arguments(in);
    check_enhanced(in);
    for (int stage = 0; stage < SIMULATE_STAGES; stage++) {
        struct simulate s = simulate_at((enum simulate_stage)stage, in);
        bool replies = s.kind == SIMULATE_REPLY || s.kind == SIMULATE_DEFER;
        assert(replies == (s.code >= 400 && s.code <= 599));
        assert(replies || s.code == 0);
        assert(s.enhanced.class == s.code / 100);
        assert((s.kind == SIMULATE_DEFER) == (s.times >= 1 && s.times <= 9));
        assert(stage == SIMULATE_DATA || s.kind <= SIMULATE_TIMEOUT);
    }
    return 0;
}

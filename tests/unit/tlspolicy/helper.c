/* Plays conversations with hosts by what the policy says. Reads cells from standard input, one a
 * line, words as in peer_tables.py, and writes for each what became of it:
 *
 *     tls clear retried skip refuse      the message went out under TLS, in clear, in clear over a
 *                                        second connection; the host was passed over for now, or
 *                                        cannot have what REQUIRETLS asks for
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tlspolicy.h"

struct cell {
    char sts[16], tlsa[16], wish[16], server[16], requiretls[8], level[16], always[8], dnssec[8];
};

static unsigned find(const char *word, const char *const *words)
{
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    assert(!"a known word");
    return 0;
}

static const struct tlspolicy *policy_of(const struct cell *c)
{
    static const char *const wishes[] = {"unset", "yes", "no", NULL};
    static const char *const levels[] = {"published", "none",      "may",         "encrypt",
                                         "verify",    "dane-only", "fingerprint", NULL};
    static const char *const stss[] = {"none", "testing", "enforce", "mismatch", NULL};
    static const char *const tlsas[] = {"none", "ok", "wrong", "unusable", "servfail", "off", NULL};
    static const enum tlspolicy_tlsa found[] = {TLSPOLICY_TLSA_NONE,   TLSPOLICY_TLSA_FOUND,
                                                TLSPOLICY_TLSA_FOUND,  TLSPOLICY_TLSA_FOUND,
                                                TLSPOLICY_TLSA_FAILED, TLSPOLICY_TLSA_OFF};
    static unsigned char digest[1][TLSPOLICY_DIGEST];
    static const struct tlsa record = {
        TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA2_256, {digest[0], TLSPOLICY_DIGEST}};
    char *mx[] = {(char *)"mx.example.com", (char *)"other.example.com"};
    unsigned sts = find(c->sts, stss), tlsa = find(c->tlsa, tlsas);
    struct mtasts_policy policy = {.mode = sts == 1 ? MTASTS_TESTING : MTASTS_ENFORCE,
                                   .max_age_s = 86400,
                                   .mx_n = 1,
                                   .mx = sts == 3 ? mx + 1 : mx};
    struct tlspolicy_facts facts = {
        .wish = (enum tlspolicy_wish)find(c->wish, wishes),
        .level = (enum tlspolicy_level)find(c->level, levels),
        .always_encrypt = strcmp(c->always, "yes") == 0,
        .fingerprints = (const unsigned char(*)[TLSPOLICY_DIGEST])digest,
        .fingerprints_n = 1,
        .require_by_dnssec = strcmp(c->dnssec, "yes") == 0,
        .next_hop = "example.com",
        .host = "mx.example.com",
        .is_mx = true,
        .route_secure = tlsa != 5,
        .tlsa = found[tlsa],
        .tlsa_base = "mx.example.com",
        .usable = &record,
        .usable_n = tlsa == 1 || tlsa == 2,
        .sts = sts == 0 ? NULL : &policy,
    };
    return tlspolicy_new(&facts);
}

/* Whether the handshake comes to an end that the client is content with. */
static bool shake(const struct cell *c, const struct tlspolicy *p)
{
    bool matches = strcmp(c->level, "fingerprint") == 0 || strcmp(c->tlsa, "ok") == 0;
    if (strcmp(c->server, "oldtls") == 0 || strcmp(c->server, "drop") == 0)
        return false;
    return (!p->dane || matches) && (!p->pkix || strcmp(c->server, "ok") == 0);
}

static enum tlspolicy_event start_tls(const struct cell *c, const struct tlspolicy *p)
{
    if (strcmp(c->server, "nostarttls") == 0 || strcmp(c->server, "454") == 0 ||
        strcmp(c->server, "502") == 0)
        return TLSPOLICY_STARTTLS_REFUSED;
    if (!shake(c, p))
        return TLSPOLICY_HANDSHAKE_FAILED;
    return strcmp(c->requiretls, "yes") == 0 ? TLSPOLICY_SECURE : TLSPOLICY_SECURE_PLAIN;
}

static const char *converse(const struct cell *c, const struct tlspolicy *p)
{
    bool offers = strcmp(c->server, "nostarttls") != 0, retrying = false;
    enum tlspolicy_event hello = offers ? TLSPOLICY_GREETED : TLSPOLICY_NOT_OFFERED, event = hello;
    for (;;) {
        switch (tlspolicy_after(p, retrying, event)) {
        case TLSPOLICY_START_TLS:
            event = start_tls(c, p);
            break;
        case TLSPOLICY_RETRY_IN_CLEAR:
            assert(!retrying);
            retrying = true;
            event = hello;
            break;
        case TLSPOLICY_SEND_IN_CLEAR:
            return retrying ? "retried" : "clear";
        case TLSPOLICY_SEND:
            return "tls";
        case TLSPOLICY_NEXT_HOST:
            return "skip";
        case TLSPOLICY_NO_REQUIRETLS:
            return "refuse";
        }
    }
}

int main(void)
{
    struct cell c;
    while (scanf("%15s %15s %15s %15s %7s %15s %7s %7s", c.sts, c.tlsa, c.wish, c.server,
                 c.requiretls, c.level, c.always, c.dnssec) == 8) {
        const struct tlspolicy *p = policy_of(&c);
        const char *end = p->verdict == TLSPOLICY_SKIP     ? "skip"
                          : p->verdict == TLSPOLICY_REFUSE ? "refuse"
                                                           : converse(&c, p);
        (void)printf("%s\n", end);
        tlspolicy_drop(&p);
    }
    return 0;
}

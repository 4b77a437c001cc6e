#include "dnsede.h"

#include <stddef.h>

#define OPTION_EDE 15

/* RFC 8914 section 5.2 and what was registered since. */
static const struct {
    const char *name;
    bool authentication;
} codes[] = {
    [0] = {"Other Error", false},
    [1] = {"Unsupported DNSKEY Algorithm", true},
    [2] = {"Unsupported DS Digest Type", true},
    [3] = {"Stale Answer", false},
    [4] = {"Forged Answer", false},
    [5] = {"DNSSEC Indeterminate", true},
    [6] = {"DNSSEC Bogus", true},
    [7] = {"Signature Expired", true},
    [8] = {"Signature Not Yet Valid", true},
    [9] = {"DNSKEY Missing", true},
    [10] = {"RRSIGs Missing", true},
    [11] = {"No Zone Key Bit Set", true},
    [12] = {"NSEC Missing", true},
    [13] = {"Cached Error", false},
    [14] = {"Not Ready", false},
    [15] = {"Blocked", false},
    [16] = {"Censored", false},
    [17] = {"Filtered", false},
    [18] = {"Prohibited", false},
    [19] = {"Stale NXDOMAIN Answer", false},
    [20] = {"Not Authoritative", false},
    [21] = {"Not Supported", false},
    [22] = {"No Reachable Authority", false},
    [23] = {"Network Error", false},
    [24] = {"Invalid Data", false},
    [25] = {"Signature Expired before Valid", true},
    [26] = {"Too Early", false},
    [27] = {"Unsupported NSEC3 Iterations Value", true},
    [28] = {"Unable to conform to policy", false},
    [29] = {"Synthesized", false},
};

int dnsede_find(struct span options)
{
    size_t at = 0;
    while (options.n - at >= 4) {
        const unsigned char *p = options.p + at;
        unsigned code = (unsigned)p[0] << 8 | p[1], length = (unsigned)p[2] << 8 | p[3];
        at += 4;
        if (length > options.n - at)
            break;
        if (code == OPTION_EDE && length >= 2)
            return p[4] << 8 | p[5];
        at += length;
    }
    return DNSEDE_NONE;
}

static bool is_known(int code)
{
    return code >= 0 && (size_t)code < sizeof codes / sizeof codes[0];
}

const char *dnsede_name(int code)
{
    return is_known(code) ? codes[code].name : "Unknown Error";
}

bool dnsede_is_authentication(int code)
{
    return is_known(code) && codes[code].authentication;
}

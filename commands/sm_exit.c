#include "sm_exit.h"

#include <errno.h>
#include <sysexits.h>

#define ANY 0xffff
#define AT(stage) (1u << (stage))
#define EVERYWHERE (AT(SM_STAGES) - 1)

struct rule {
    unsigned stages;
    int from, to;                   /* codes of SMTP */
    unsigned short subject, detail; /* of the enhanced code, RFC 3463; ANY */
    int exit;
};

/* The first that fits counts. */
static const struct rule rules[] = {
    {EVERYWHERE, 400, 499, ANY, ANY, EX_TEMPFAIL},
    {EVERYWHERE, 500, 599, 7, ANY, EX_NOPERM},      /* security or policy */
    {EVERYWHERE, 500, 599, 6, ANY, EX_DATAERR},     /* content, or SMTPUTF8 missing */
    {AT(SM_STAGE_RCPT), 500, 599, 1, 2, EX_NOHOST}, /* bad destination system */
    {AT(SM_STAGE_RCPT), 500, 599, 1, ANY, EX_NOUSER},
    {AT(SM_STAGE_RCPT), 550, 551, 0, 0, EX_NOUSER},
    {AT(SM_STAGE_RCPT), 553, 553, 0, 0, EX_NOUSER},
    {AT(SM_STAGE_MAIL), 500, 599, 1, ANY, EX_DATAERR}, /* a sender that cannot be */
    {EVERYWHERE, 501, 501, ANY, ANY, EX_DATAERR},
    {EVERYWHERE, 500, 599, ANY, ANY, EX_UNAVAILABLE}, /* too large, disabled, ... */
};

int sm_exit_refused(enum sm_stage stage, int code, struct enhanced enhanced)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *r = &rules[i];
        if ((r->stages & AT(stage)) != 0 && code >= r->from && code <= r->to &&
            (r->subject == ANY || r->subject == enhanced.subject) &&
            (r->detail == ANY || r->detail == enhanced.detail))
            return r->exit;
    }
    return EX_PROTOCOL;
}

int sm_exit_unreachable(int error)
{
    static const struct {
        int error, exit;
    } codes[] = {
        {EACCES, EX_NOPERM},
        {EPERM, EX_NOPERM},
        {ENAMETOOLONG, EX_CONFIG},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].error == error)
            return codes[i].exit;
    }
    return EX_TEMPFAIL;
}

#include "world.h"

const char *const role_names[ROLES] = {"vault", "delivery", "hooks", "qmgr", "smtpd", "webapi"};

unsigned role_reader(enum role r)
{
    static const unsigned readers[ROLES] = {CONF_VAULT, CONF_DELIVERY, CONF_HOOKS,
                                            CONF_QMGR,  CONF_SMTPD,    CONF_WEBAPI};
    return readers[r];
}

const char *role_program(enum role r)
{
    static const char *const programs[ROLES] = {"qm-vault", "qm-delivery", "qm-hooks",
                                                "qm-qmgr",  "qm-smtpd",    "qm-webapi"};
    return programs[r];
}

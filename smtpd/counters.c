#include "counters.h"

#include <stddef.h>

const char *const counter_names[COUNTERS + 1] = {
    [COUNT_CONNECTIONS_TOTAL] = "connections_total",
    [COUNT_CONNECTIONS_REFUSED] = "connections_refused_total",
    [COUNT_CONNECTIONS] = "connections",
    [COUNT_MESSAGES_ACCEPTED] = "messages_accepted_total",
    [COUNT_MESSAGES_REFUSED] = "messages_refused_total",
    [COUNT_RECIPIENTS_ACCEPTED] = "recipients_accepted_total",
    [COUNT_RECIPIENTS_REFUSED] = "recipients_refused_total",
    [COUNT_AUTH_OK] = "auth_ok_total",
    [COUNT_AUTH_FAILED] = "auth_failed_total",
    [COUNT_TLS] = "tls_total",
    [COUNT_TLS_FAILED] = "tls_failed_total",
    [COUNT_ERRORS] = "errors_total",
    [COUNT_TIMEOUTS] = "timeouts_total",
    [COUNT_MEMORY] = "message_octets",
    [COUNT_OUTSTANDING] = "outstanding_messages",
    [COUNTERS] = NULL,
};

#ifndef QM_SMTPD_COUNTERS_H
#define QM_SMTPD_COUNTERS_H

/* What the process counts, for service_count and service_gauge. */
enum counter {
    COUNT_CONNECTIONS_TOTAL,
    COUNT_CONNECTIONS_REFUSED, /* by a limit on connections */
    COUNT_CONNECTIONS,         /* open now */
    COUNT_MESSAGES_ACCEPTED,
    COUNT_MESSAGES_REFUSED, /* at the end of DATA, for now or for good */
    COUNT_RECIPIENTS_ACCEPTED,
    COUNT_RECIPIENTS_REFUSED,
    COUNT_AUTH_OK,
    COUNT_AUTH_FAILED,
    COUNT_TLS,
    COUNT_TLS_FAILED,
    COUNT_ERRORS,      /* bad commands */
    COUNT_TIMEOUTS,    /* clients that took too long */
    COUNT_MEMORY,      /* octets of messages in memory now */
    COUNT_OUTSTANDING, /* messages that the queue has not answered for */
    COUNTERS,
};

/* Their names, in this order, ended by NULL. */
extern const char *const counter_names[COUNTERS + 1];

#endif

#ifndef QM_TEST_DELIVERY_NAMES_H
#define QM_TEST_DELIVERY_NAMES_H

#include <stdbool.h>

#include <event2/event.h>

/* A name server in the event loop of the test itself. */

#define NAMES_MAX 64

struct name_row {
    const char *name, *type, *value;
};

struct names {
    int fd, port;
    struct event *readable;
    struct name_row rows[NAMES_MAX];
    unsigned n;
    unsigned queries;
    bool authentic;       /* sets AD in its answers */
    const char *insecure; /* not in those about this name */
    const char *late;     /* names under this one it says nothing about before names_catch_up, */
    bool late_but_mx;     /* but at once that they have no MX records */
    struct names_late *waiting;
};

void names_open(struct names *n, struct event_base *base); /* on 127.0.0.1 */
void names_close(struct names *n);
/* Answers what it has said nothing to, and is late no more. */
void names_catch_up(struct names *n);
/* type: "A", "AAAA", "CNAME", "TXT", "TLSA" with value "3 1 1 0b9f...", "MX" with value "10
 * mx.test" ("0 ." for a null MX); or "FAIL" with the type that fails as value; or "FORGED" with one
 * that fails because DNSSEC says so (extended error 6). A name without rows does not exist. The
 * texts are not copied. */
void names_add(struct names *n, const char *name, const char *type, const char *value);

#endif

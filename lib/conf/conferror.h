#ifndef QM_CONFERROR_H
#define QM_CONFERROR_H

#include "conf.h"
#include "conftables.h"
#include "confsource.h"

/* Collects what is wrong while a configuration is read, with the lines to show. */

struct conferror {
    const struct confsource_list *sources;
    struct conf_errors *out;
    const char *const
        *secrets; /* names of settings whose values are masked in lines shown; NULL ends */
};

/* Adds an error, or a warning, at this place; pos.line 0: without a place. The sentence has no
 * trailing period. */
void conferror_add(struct conferror *e, struct confsource_pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conferror_warn(struct conferror *e, struct confsource_pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Brings the errors into the order of the files and lines. */
void conferror_sort(struct conferror *e);

/* Damerau's distance, swaps of neighbours counted as one, of two names; 3 stands for more than 2.
 */
unsigned conferror_distance(struct span a, struct span b);

#endif

#include "tide.h"

#include <assert.h>
#include <malloc.h>
#include <stdbool.h>

#define LEFT 4 /* a fourth of them */

void tide_rise(struct tide *t)
{
    if (++t->n > t->high)
        t->high = t->n;
}

bool tide_fall(struct tide *t)
{
    assert(t->n > 0);
    t->n--;
    if (t->high < TIDE_CROWD || t->n > t->high / LEFT)
        return false;
    t->high = t->n;
    (void)malloc_trim(0);
    return true;
}

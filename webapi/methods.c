#include "methods.h"

#include <assert.h>
#include <string.h>

#include "method_events.h"
#include "method_messagedelete.h"
#include "method_messageflagsadd.h"
#include "method_messageflagsremove.h"
#include "method_messageget.h"
#include "method_messagelist.h"
#include "method_messagemove.h"
#include "method_messagepartget.h"
#include "method_messagerawget.h"
#include "method_send.h"
#include "method_suppressionadd.h"
#include "method_suppressionlist.h"
#include "method_suppressionpresent.h"
#include "method_suppressionremove.h"

const struct method *const methods[] = {
    &method_send,
    &method_suppressionlist,
    &method_suppressionadd,
    &method_suppressionremove,
    &method_suppressionpresent,
    &method_events,
    &method_messageget,
    &method_messagerawget,
    &method_messagepartget,
    &method_messagedelete,
    &method_messageflagsadd,
    &method_messageflagsremove,
    &method_messagemove,
    &method_messagelist,
    NULL,
};

static_assert(sizeof methods / sizeof methods[0] - 1 <= METHODS_MAX, "METHODS_MAX is too small");

const struct method *methods_find(const char *name)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        if (strcmp(methods[i]->name, name) == 0)
            return methods[i];
    }
    return NULL;
}

size_t methods_index(const struct method *m)
{
    size_t i = 0;
    while (methods[i] != m) {
        assert(methods[i] != NULL);
        i++;
    }
    return i;
}

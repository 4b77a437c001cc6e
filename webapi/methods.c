#include "methods.h"

#include <assert.h>
#include <string.h>

#include "method_send.h"

const struct method *const methods[] = {
    &method_send,
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

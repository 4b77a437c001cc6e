#include "conftransport.h"

#include <string.h>

/* The kinds that can have credentials. */
static const char *const kinds[] = {"submission", "submissions", "socks"};

const struct conf_block *conftransport_auth(const struct conf *conf, const char *transport)
{
    const struct conf_block *block = conf_find(conf_root(conf), "transport", transport), *kind;
    for (size_t i = 0; block != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((kind = conf_child(block, kinds[i])) != NULL)
            return conf_child(kind, "auth");
    }
    return NULL;
}

bool conftransport_has_certificate(const struct conf *conf, const char *transport)
{
    const struct conf_block *block = conf_find(conf_root(conf), "transport", transport);
    const struct conf_block *auth = conftransport_auth(conf, transport);
    /* At a proxy there is none. */
    return auth != NULL && conf_child(block, "socks") == NULL &&
           conf_is_set(auth, "certificate-file");
}

bool conftransport_finds_mx(const struct conf *conf, const char *transport)
{
    const struct conf_block *block = conf_find(conf_root(conf), "transport", transport);
    if (block == NULL)
        return strcmp(transport, "direct") == 0;
    return conf_child(block, "direct") != NULL || conf_child(block, "socks") != NULL;
}

const char *conftransport_socket(const struct conf *conf, const char *transport)
{
    const struct conf_block *block = conf_find(conf_root(conf), "transport", transport);
    const struct conf_block *lmtp = block == NULL ? NULL : conf_child(block, "lmtp");
    return lmtp == NULL ? NULL : conf_text(lmtp, "socket");
}

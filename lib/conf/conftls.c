#include "conftls.h"

#include <string.h>

#include "confaddr.h"

const struct conf_block *conftls_policy(const struct conf *conf, const char *name)
{
    const struct conf_block *root = conf_root(conf), *block = NULL;
    struct span domain = span_text(name);
    while ((block = conf_next(root, "tls-policy", block)) != NULL) {
        size_t n;
        const struct conf_value *to = conf_list(block, "to", &n);
        for (size_t i = 0; i < n; i++) {
            if (confaddr_fits(to[i].text, domain))
                return block;
        }
    }
    return NULL;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return at == NULL ? -1 : (int)(at - digits);
}

int conftls_fingerprint(const char *text, unsigned char out[static CONFTLS_FINGERPRINT])
{
    size_t colon = strlen(text) == CONFTLS_FINGERPRINT * 3 - 1 ? 1 : 0;
    if (colon == 0 && strlen(text) != (size_t)CONFTLS_FINGERPRINT * 2)
        return -1;
    for (size_t i = 0; i < CONFTLS_FINGERPRINT; i++, text += 2) {
        if (i > 0 && colon == 1 && *text++ != ':')
            return -1;
        int high = digit(text[0]), low = digit(text[1]);
        if (high < 0 || low < 0)
            return -1;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

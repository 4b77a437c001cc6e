#ifndef QM_CONFTABLES_H
#define QM_CONFTABLES_H

#include <stddef.h>

#include "conf.h"

/* The tables that say what may stand in the configuration. They drive the parser, the shares, the
 * output of conf_show and the man page, so none of these can say something else than another. */

enum conf_type {
    CONF_BOOL,     /* yes, no */
    CONF_INT,      /* whole number */
    CONF_SIZE,     /* octets; K, M, G are powers of 1024 */
    CONF_DURATION, /* milliseconds inside; d, h, m, s, ms outside */
    CONF_TEXT,     /* any characters; min and max count octets */
    CONF_WORD,     /* one of a set */
    CONF_PATH,     /* a relative one starts at the folder of the file it stands in */
    CONF_HOST,     /* DNS name, lower-cased */
    CONF_PEER,     /* DNS name or IP address */
    CONF_ADDRESS,  /* IP address */
    CONF_ENDPOINT, /* IP address and port */
    CONF_URL,      /* http or https */
    CONF_MAILBOX,  /* local@domain */
    CONF_USER,     /* name or numeric id of a user (or group) */
    CONF_NETWORK,  /* address/prefix */
    CONF_PATTERN,  /* domain, .domain or * */
    CONF_TYPES
};

enum {
    CONF_REQUIRED = 1,    /* setting: the block is wrong without it */
    CONF_LIST = 2,        /* setting: any number of values, of several statements together */
    CONF_SECRET = 4,      /* setting: the value is never logged or shown */
    CONF_SECRET_FILE = 8, /* setting: the file it names holds a secret */
    CONF_WILD = 16,       /* mailbox: *@domain is taken too */
    CONF_ASCII = 32,      /* text: ASCII only */
    CONF_REPEATABLE = 64, /* block without label: may be given again */
    CONF_ALWAYS =
        128, /* block of the root without label: exists, with its defaults, when not given */
};

struct conf_setting {
    const char *name;
    enum conf_type type;
    unsigned flags;
    unsigned readers;    /* master is implied */
    const char *initial; /* the default, as a user would write it (a list: with blanks between);
                            NULL: none */
    const char
        *from; /* or where the default is taken from: "block/setting" or "setting" of the root */
    const char *min,
        *max;          /* as a user would write them; for a text, its length; NULL: of the type */
    const char *words; /* the set of a CONF_WORD, with blanks between */
    const char *doc;   /* one or two sentences, with units */
};

enum conf_label_kind {
    CONF_LABEL_NONE,
    CONF_LABEL_NAME, /* [a-z0-9._-]{1,64} */
    CONF_LABEL_HOST, /* a host name */
    CONF_LABEL_DNS,  /* DNS labels, all digits allowed: a DKIM selector */
    CONF_LABEL_SET,  /* one of `words` */
};

struct conf_block_type {
    const char *name;
    enum conf_label_kind label;
    const char *words;     /* the set of a CONF_LABEL_SET */
    const char *label_doc; /* what stands for the label in the man page: NAME */
    unsigned flags;
    unsigned readers; /* at least those of its settings and blocks */
    const struct conf_setting *settings;
    size_t n_settings;
    const struct conf_block_type *const *blocks; /* NULL at the end; may be NULL */
    const char *doc;
};

extern const struct conf_block_type conftables_root;

/* Parts of it, one file each. */
extern const struct conf_block_type conftables_domain;
extern const struct conf_block_type conftables_account;
extern const struct conf_block_type conftables_route;
extern const struct conf_block_type conftables_deliver;
extern const struct conf_block_type conftables_transport;
extern const struct conf_block_type conftables_tls_policy;

#define CONF_TABLE(array) .settings = (array), .n_settings = sizeof(array) / sizeof((array)[0])

#endif

#ifndef QM_CONF_H
#define QM_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The configuration: statements `name value...` and blocks `name [label] { ... }` in a file, read
 * into a tree whose every setting has a type, a default and a list of the processes that may see it
 * (conftables.h). master loads the file; every other process decodes the share that master encoded
 * for it and asks with the same functions. A tree never changes once it is made. */

struct conf;
struct conf_block;

/* Who may see a setting. master sees all of them. */
enum {
    CONF_MASTER = 1,
    CONF_SMTPD = 2,
    CONF_QMGR = 4,
    CONF_DELIVERY = 8,
    CONF_WEBAPI = 16,
    CONF_HOOKS = 32,
    CONF_VAULT = 64,
};

/* What one load may cost. All of them are errors with a place, never a cut. */
enum {
    CONF_MAX_FILE = 4 << 20,      /* octets in one file */
    CONF_MAX_TOTAL = 64 << 20,    /* octets in all files together, and in a share */
    CONF_MAX_STATEMENTS = 100000, /* in all files together, blocks and includes counted */
    CONF_MAX_NESTING = 8,         /* blocks in blocks */
    CONF_MAX_INCLUDES = 8,        /* includes in included files */
    CONF_MAX_ERRORS = 100,        /* kept and shown; the others are counted */
    CONF_MAX_FILES = 4000,        /* named by settings of blocks: keys, certificates, passwords */
    CONF_MAX_SOCKETS = 1000,      /* addresses and ports to listen on */
};

/* The words of settings that take one of a set, as conf_word and the number of a value give them.
 * log-level gives enum log_level (lib/base/log.h). */
enum conf_seccomp { CONF_SECCOMP_KILL, CONF_SECCOMP_ERRNO, CONF_SECCOMP_OFF };
enum conf_tls {
    CONF_TLS_NONE,
    CONF_TLS_OPPORTUNISTIC,
    CONF_TLS_REQUIRED,
    CONF_TLS_DANE_ONLY, /* of servers that the operator named */
};
enum conf_tls_level {
    CONF_TLS_LEVEL_PUBLISHED,
    CONF_TLS_LEVEL_NONE,
    CONF_TLS_LEVEL_MAY,
    CONF_TLS_LEVEL_ENCRYPT,
    CONF_TLS_LEVEL_VERIFY,
    CONF_TLS_LEVEL_DANE_ONLY,
    CONF_TLS_LEVEL_FINGERPRINT,
};
enum conf_family {
    CONF_FAMILY_ANY,
    CONF_FAMILY_4,
    CONF_FAMILY_6,
    CONF_FAMILY_PREFER_4,
    CONF_FAMILY_PREFER_6,
};
enum conf_success { CONF_SUCCESS_ANY_2XX, CONF_SUCCESS_200_ONLY };
enum conf_from_id { CONF_FROM_ID_AUTHENTICATED, CONF_FROM_ID_PLAIN };
enum conf_event {
    CONF_EVENT_DELIVERED,
    CONF_EVENT_SUPPRESSED,
    CONF_EVENT_DELAYED,
    CONF_EVENT_FAILED,
    CONF_EVENT_RELAYED,
    CONF_EVENT_EXPANDED,
    CONF_EVENT_CANCELED,
    CONF_EVENT_UNRECOGNIZED,
};

struct conf_value {
    char *text;     /* in its one canonical spelling; never NULL */
    int64_t number; /* yes 1, no 0; integer; octets; milliseconds; index of a word; numeric user or
                       group id, -1 for a name */
    unsigned char ip[16]; /* network order; the first 4 octets for IPv4 */
    uint8_t family;       /* 4 or 6; 0 when the value is no address */
    uint8_t prefix;       /* of a network, in bits */
    uint16_t port;        /* of an address with a port */
};

/* One thing that is wrong, or (warning) that works but is hardly meant. */
struct conf_error {
    char *place;    /* "file:line:column", the column in characters from 1; or "file" */
    char *sentence; /* no trailing period */
    char *excerpt;  /* the source line and a caret below it, "" when there is no line */
    bool warning;
    uint32_t file, offset, order; /* where it sorts */
};

struct conf_errors {
    struct conf_error *v; /* in the order of the files and lines */
    size_t n;             /* kept, at most CONF_MAX_ERRORS */
    size_t more;          /* found but not kept */
    size_t failures;      /* kept or not, how many are no warnings */
};

/* Reads the file, all it includes, and checks the whole. Returns the tree (conf_free), or NULL when
 * anything is wrong. *errors is written over, and holds every error and warning, also when a tree
 * is returned (warnings); conf_errors_free in any case. Values of settings flagged secret are not
 * in it. */
struct conf *conf_load(const char *path, struct conf_errors *errors);

/* As conf_load, from memory, and the language alone: what this version does not serve is taken too.
 * name stands for the file in errors; relative paths are taken from the folder in it. `include` is
 * an error here. */
struct conf *conf_parse(const char *name, struct span text, struct conf_errors *errors);

/* The value of a setting that stands at the top level of the file itself, whatever else is wrong
 * with that file: so that a tool finds a running suite whose new configuration is no good. Returns
 * a copy (mem_free), or NULL when the file cannot be read or does not give the setting. */
char *conf_peek(const char *path, const char *setting);

/* Wipes what is secret, frees the tree and sets *conf to NULL; *conf may be NULL. */
void conf_free(struct conf **conf);

/* Appends every error: "place: sentence", the line, the caret; "and N more" at the end. */
void conf_errors_print(const struct conf_errors *errors, struct buf *out);
void conf_errors_free(struct conf_errors *errors); /* all-zero again */

/* Blocks. A block lives as long as its tree. A name that the table of the parent does not have is
 * an assertion. */
const struct conf_block *conf_root(const struct conf *conf);
/* The block of this name after prev (NULL: the first), in the order of the file; NULL at the end.
 */
const struct conf_block *conf_next(const struct conf_block *parent, const char *name,
                                   const struct conf_block *prev);
/* The first block of this name, or NULL. Never NULL for the blocks that hold the settings of a
 * service (users, workers, smtp, queue, dns, deliver, webapi, webhooks): those exist with their
 * defaults. */
const struct conf_block *conf_child(const struct conf_block *parent, const char *name);
/* The block with this name and label (exact), or NULL. Takes time logarithmic in their number. */
const struct conf_block *conf_find(const struct conf_block *parent, const char *name,
                                   const char *label);
const char *conf_label(const struct conf_block *block); /* "" when it has none */
const char *conf_name(const struct conf_block *block);  /* "transport"; "" for the root */

/* Settings. name is one that the table of the block has, of the type that the getter says, and
 * visible to the process whose share this is: anything else is an assertion. A setting that was not
 * given has its default; without a default a text is NULL and a number 0. */
bool conf_is_set(const struct conf_block *block, const char *name); /* given in the file, here */
bool conf_bool(const struct conf_block *block, const char *name);
int conf_int(const struct conf_block *block, const char *name);
int64_t conf_ms(const struct conf_block *block, const char *name);    /* a duration, milliseconds */
uint64_t conf_size(const struct conf_block *block, const char *name); /* octets */
int conf_word(const struct conf_block *block, const char *name);      /* index in its set */
/* text, path, host, URL, mailbox, user, address, address with port, network, domain pattern. */
const char *conf_text(const struct conf_block *block, const char *name);
/* The one value with all its fields, or NULL when there is none. Any type, not a list. */
const struct conf_value *conf_value(const struct conf_block *block, const char *name);
/* All values of a list setting; *count may be 0, and NULL may be returned then. */
const struct conf_value *conf_list(const struct conf_block *block, const char *name, size_t *count);

/* Appends "file:line" of the setting, or of the block when name is NULL or the setting was not
 * given. A decoded share knows no places and gives "share". */
void conf_where(const struct conf_block *block, const char *name, struct buf *out);

/* Calls each for every setting, given or by default, that names a file holding a secret: master has
 * to open them for vault. */
typedef void conf_file_fn(const struct conf_block *block, const char *name, const char *path,
                          void *arg);
void conf_each_secret_file(const struct conf *conf, conf_file_fn *each, void *arg);

/* Appends what the process `reader` (one bit) may see. Wipe it when done: it can hold secrets. */
void conf_encode(const struct conf *conf, unsigned reader, struct buf *out);

/* Reads such a share for this same reader. Returns the tree (conf_free), or NULL with a sentence: a
 * name that the tables do not have, a setting this reader may not see, a value that is not in its
 * canonical spelling or out of range, something required missing, octets left over. What decodes
 * encodes to the same octets again. */
struct conf *conf_decode(struct span share, unsigned reader, struct fail *f);

/* Appends the settings in effect, in the language itself: what was not given is marked `# default`.
 * Parsed again it has the same effect. Values of settings flagged secret are written as "********"
 * unless secrets is true. */
void conf_show(const struct conf *conf, bool secrets, struct buf *out);

/* Appends the generated sections of quartermaster.conf(5), in mdoc: the types of values, every
 * block and setting of the tables, and the limits. */
void conf_document(struct buf *out);

#endif

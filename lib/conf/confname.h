#ifndef QM_CONFNAME_H
#define QM_CONFNAME_H

#include <stdbool.h>

#include "buf.h"
#include "conf.h"
#include "conftables.h"

/* The types of settings that name things on a network. Each parser takes the text as the user wrote
 * it and fills value: text (owned, canonical) and whatever else belongs to the type; value is
 * all-zero before. It returns 0, or -1 with a sentence that does not repeat the text and reads on
 * from "setting ". */

int confname_host(const char *text, struct conf_value *value, struct fail *f);
int confname_peer(const char *text, struct conf_value *value, struct fail *f);
int confname_address(const char *text, struct conf_value *value, struct fail *f);
int confname_endpoint(const char *text, struct conf_value *value, struct fail *f);
int confname_network(const char *text, struct conf_value *value, struct fail *f);
int confname_pattern(const char *text, struct conf_value *value, struct fail *f);
int confname_url(const char *text, struct conf_value *value, struct fail *f);
int confname_user(const char *text, struct conf_value *value, struct fail *f);
/* With wild, `*` is taken for the local part. The domain is lower-cased, the local part kept:
 * dot-string of RFC 5321 4.1.2 with the non-ASCII characters of RFC 6531, at most 64 octets. */
int confname_mailbox(const char *text, bool wild, struct conf_value *value, struct fail *f);

/* The label of a block, in the spelling of the tree (lower-cased for hosts). Returns a text that
 * the caller frees, or NULL with a sentence that reads on from "the name of block ". */
char *confname_label(const struct conf_block_type *type, const char *text, struct fail *f);

#endif

#ifndef QM_CONFTYPE_H
#define QM_CONFTYPE_H

#include <stdbool.h>

#include "buf.h"
#include "conf.h"
#include "conftables.h"

/* Values: from what a user writes to what a program asks for, and back. */

/* What a value of one setting may be, made once from its row of the table. */
struct conftype_rule {
    enum conf_type type;
    unsigned flags;
    const char *words;
    int64_t min, max; /* numbers: of the number; texts: octets */
};

/* A row of the table that contradicts itself is an assertion. */
struct conftype_rule conftype_rule(const struct conf_setting *setting);

/* Reads one value. folder is where a relative path starts (NULL: it stays as it is). value is
 * filled, its text owned (conftype_free). Returns 0, or -1 with a sentence that does not repeat the
 * text and reads on from "setting ". What was read from a canonical text gives that text. */
int conftype_parse(const struct conftype_rule *rule, const char *text, const char *folder,
                   struct conf_value *value, struct fail *f);
void conftype_free(const struct conftype_rule *rule, struct conf_value *value); /* wipes secrets */

/* Whether conf_text may be asked for it. */
bool conftype_is_text(enum conf_type type);

/* The word of this index in a set (empty when there is none), and back (-1 when there is none). */
struct span conftype_word_at(const char *words, size_t index);
int conftype_word_index(const char *words, struct span word);

/* The name of a type in the man page, and its explanation in plain sentences. */
const char *conftype_name(enum conf_type type);
const char *conftype_doc(enum conf_type type);

#endif

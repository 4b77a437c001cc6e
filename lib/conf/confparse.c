#include "confparse.h"

#include <string.h>

#include "confaddr.h"
#include "confcheck.h"
#include "confinclude.h"
#include "confname.h"
#include "mem.h"
#include "utf8.h"

/* The grammar, after the words of conflex:
 *
 *     body    = *( line end / setting / list / block / include )
 *     setting = name word                            all of a statement on one line
 *     list    = name 1*word                          up to the line's end, a brace, or a bare word
 * that is a name in this block block   = name [ label ] "{" body "}" include = "include" word
 *
 * After an error the rest of its statement is passed over: to the end of the line or the next bare
 * word that is a name here, and a block with all that is in it. */

#define SHOWN_MAX 60 /* octets of a word that are shown */

/* Where in the text a body stands. */
struct place {
    struct confparse *p;
    struct conflex *lex;
    struct conf_block *block;
    unsigned nesting;
    const char *single; /* the setting with one value that ends just here, on this line; or NULL */
    const char *list;   /* the list that was the last statement; or NULL */
};

int confparse_shown(struct span word)
{
    size_t n = 0;
    while (n < word.n) {
        size_t step = utf8_sequence(word.p + n, word.n - n);
        if (n + step > SHOWN_MAX || step == 0)
            break;
        n += step;
    }
    return (int)n;
}

static bool parse_body(struct place *at, bool braces);

static bool is_name(const struct place *at, const struct conflex_token *token)
{
    return token->kind == CONFLEX_WORD && !token->quoted && !token->bad &&
           conftree_is_name(at->block->kind, token->text);
}

/* The kind of block a sentence is about: "in listen", "at the top level". */
#define WHERE(at) (at)->block->parent == NULL ? "at the top level" : "in ", conf_name((at)->block)

static void never_closed(struct confparse *p, struct confsource_pos begin)
{
    if (!p->stopped)
        conferror_add(&p->errors, begin, "the block that begins here is never closed");
    p->incomplete = true;
}

/* Passes over a block that began there, from behind its opening brace. */
static void skip_block(struct place *at, struct confsource_pos begin)
{
    unsigned depth = 1;
    while (depth > 0) {
        struct conflex_token token = conflex_take(at->lex);
        if (token.kind == CONFLEX_END) {
            never_closed(at->p, begin);
            return;
        }
        if (token.kind == CONFLEX_OPEN && at->nesting + ++depth == CONF_MAX_NESTING + 1)
            conferror_add(&at->p->errors, token.at, "blocks are nested more than %d deep",
                          CONF_MAX_NESTING);
        if (token.kind == CONFLEX_CLOSE)
            depth--;
    }
}

/* Passes over the rest of a statement that began there and is not understood. */
static void skip_statement(struct place *at, struct confsource_pos begin)
{
    for (;;) {
        struct conflex_token token = conflex_peek(at->lex);
        if (token.kind == CONFLEX_OPEN) {
            (void)conflex_take(at->lex);
            skip_block(at, begin);
            return;
        }
        if (token.kind != CONFLEX_WORD || is_name(at, &token))
            return;
        (void)conflex_take(at->lex);
    }
}

bool confparse_count(struct confparse *p, struct confsource_pos at)
{
    if (p->stopped)
        return false;
    if (p->statements == CONF_MAX_STATEMENTS) {
        conferror_add(&p->errors, at, "there are more than %d statements; nothing more is read",
                      CONF_MAX_STATEMENTS);
        p->stopped = p->incomplete = true;
        return false;
    }
    p->statements++;
    return true;
}

static void put_first(const struct confparse *p, struct confsource_pos at, struct buf *out)
{
    buf_putf(out, "%s:%u", p->conf->sources.v[at.file]->name, at.line);
}

static void given_twice(struct place *at, struct conflex_token name, struct confsource_pos first)
{
    struct buf place = {0};
    put_first(at->p, first, &place);
    conferror_add(&at->p->errors, name.at, "%.*s is given twice, first in %s",
                  CONFPARSE_SHOW(name.text), buf_text(&place));
    buf_free(&place);
}

/* The name in this table that is closest to the text, at most two slips away; NULL if none is. */
static const char *nearest(const struct conftree_kind *kind, struct span text)
{
    const char *best = NULL;
    unsigned least = 3;
    for (size_t i = 0; i < kind->n_settings + kind->n_blocks; i++) {
        const char *name = i < kind->n_settings ? kind->settings[i].def->name
                                                : kind->blocks[i - kind->n_settings]->type->name;
        unsigned distance = conferror_distance(text, span_text(name));
        if (distance < least && distance < strlen(name)) {
            least = distance;
            best = name;
        }
    }
    return best;
}

static void unknown(struct place *at, const struct conflex_token *name)
{
    struct conferror *errors = &at->p->errors;
    const char *near = nearest(at->block->kind, name->text);
    bool outside = conftree_is_name(at->block->conf->kinds[0], name->text);
    bool block = conflex_peek(at->lex).kind == CONFLEX_OPEN;
    struct buf hint = {0};
    if (near != NULL)
        buf_putf(&hint, "; did you mean \"%s\"?", near);
    else if (at->single != NULL && !block)
        buf_putf(&hint, "; %s takes one value, quoted if it has blanks", at->single);
    else if (at->list != NULL && !block)
        buf_putf(&hint, "; the values of %s end with the line, and another %s adds more", at->list,
                 at->list);
    else if (outside)
        buf_puts(&hint, "; it belongs to the top level, is a } missing?");
    if (name->quoted)
        conferror_add(errors, name->at, "a statement begins with a name without quotes");
    else
        conferror_add(errors, name->at, "unknown %s \"%.*s\" %s%s%s", block ? "block" : "setting",
                      CONFPARSE_SHOW(name->text), WHERE(at), buf_text(&hint));
    buf_free(&hint);
}

/* Reads one value into the setting. Returns false, having said nothing, when `missing` and the word
 * is wrong but would do as the next statement's name: the value was forgotten. */
static bool take_value(struct place *at, size_t setting, bool missing)
{
    struct conflex_token token = conflex_peek(at->lex);
    const struct conftree_setting *row = &at->block->kind->settings[setting];
    struct conf_value value;
    struct fail f;
    at->block->slots[setting].given = true;
    if (token.bad) {
        (void)conflex_take(at->lex);
        return true;
    }
    char *word = conflex_word(&token);
    const char *folder = at->p->conf->sources.v[token.at.file]->folder;
    int rc = conftype_parse(&row->rule, word, folder, &value, &f);
    mem_wipe(word, strlen(word));
    mem_free(&word);
    if (rc != 0 && missing && is_name(at, &token))
        return false;
    (void)conflex_take(at->lex);
    if (rc == 0)
        conftree_add_value(at->block, setting, &value, token.at);
    else
        conferror_add(&at->p->errors, token.at, "%s %s", row->def->name, f.text);
    return true;
}

static void list_statement(struct place *at, struct conflex_token name, size_t setting)
{
    size_t n = 0;
    for (;; n++) {
        struct conflex_token token = conflex_peek(at->lex);
        if (token.kind != CONFLEX_WORD || is_name(at, &token))
            break;
        (void)take_value(at, setting, false);
    }
    at->list = at->block->kind->settings[setting].def->name;
    if (n == 0)
        conferror_add(&at->p->errors, name.at, "%s needs at least one value", at->list);
}

/* Reads the value of a setting that is there already, and forgets it. */
static void take_again(struct place *at, size_t setting)
{
    struct place spare = *at;
    spare.block = conftree_spare_block(at->block, at->block->kind, NULL);
    (void)take_value(&spare, setting, false);
    conftree_free_block(&spare.block);
}

static void setting_statement(struct place *at, struct conflex_token name, size_t setting)
{
    struct conftree_slot *slot = &at->block->slots[setting];
    const struct conf_setting *def = at->block->kind->settings[setting].def;
    bool again = slot->given, list = (def->flags & CONF_LIST) != 0;
    slot->given = true;
    if (!again)
        slot->at = name.at;
    if (list) {
        list_statement(at, name, setting);
        return;
    }
    if (again)
        given_twice(at, name, slot->at);
    if (conflex_peek(at->lex).kind != CONFLEX_WORD)
        conferror_add(&at->p->errors, name.at, "%s needs a value", def->name);
    else if (again)
        take_again(at, setting);
    else if (!take_value(at, setting, true))
        conferror_add(&at->p->errors, name.at, "%s needs a value", def->name);
    at->single = def->name;
}

/* Takes the label of a block, if there is one. It stays in the tree also when it is wrong, so that
 * what refers to it is not wrong too. */
static char *take_label(struct place *at, struct conflex_token name,
                        const struct conf_block_type *type, struct confsource_pos *label_at)
{
    struct fail f;
    struct conflex_token token = conflex_peek(at->lex);
    *label_at = token.at;
    if (token.kind != CONFLEX_WORD) {
        if (type->label != CONF_LABEL_NONE)
            conferror_add(&at->p->errors, name.at, "%s needs a name: %s %s { ... }", type->name,
                          type->name, type->label_doc);
        return NULL;
    }
    (void)conflex_take(at->lex);
    if (token.bad)
        return NULL;
    char *word = conflex_word(&token);
    char *label = confname_label(type, word, &f);
    if (label == NULL) {
        conferror_add(&at->p->errors, token.at,
                      type->label == CONF_LABEL_NONE ? "%s takes no name" : "the name of %s %s",
                      type->name, f.text);
        return word;
    }
    mem_free(&word);
    return label;
}

/* The block of this kind without a label that is there already, or NULL. */
static struct conf_block *same_block(const struct place *at, const struct conftree_kind *kind)
{
    return kind->type->label == CONF_LABEL_NONE ? conftree_chain(at->block, kind)->first : NULL;
}

/* Reads the inside of a block, and where it ends. */
static void read_block(struct place *at, struct conflex_token name, struct conf_block *block)
{
    struct place inside = {at->p, at->lex, block, at->nesting + 1, NULL, NULL};
    if (!parse_body(&inside, true))
        never_closed(at->p, name.at);
}

static void block_statement(struct place *at, struct conflex_token name,
                            const struct conftree_kind *kind)
{
    struct confsource_pos label_at;
    char *label = take_label(at, name, kind->type, &label_at);
    struct conflex_token open = conflex_peek(at->lex);
    if (open.kind != CONFLEX_OPEN) {
        conferror_add(&at->p->errors, open.kind == CONFLEX_WORD ? open.at : name.at,
                      "%s needs its { on the same line, right after its name", kind->type->name);
        mem_free(&label);
        skip_statement(at, name.at);
        return;
    }
    (void)conflex_take(at->lex);
    struct conf_block *same = same_block(at, kind), *spare = NULL, *block = same;
    if (same != NULL && same->given && (kind->type->flags & CONF_REPEATABLE) == 0) {
        given_twice(at, name, same->at);
        block = spare = conftree_spare_block(at->block, kind, label);
    } else if (same == NULL || same->given) {
        block = conftree_add_block(at->block, kind, label);
    } else {
        mem_free(&label);
    }
    block->given = true;
    block->at = name.at;
    block->label_at = label_at;
    read_block(at, name, block);
    conftree_free_block(&spare);
}

static void include_statement(struct place *at, struct conflex_token name)
{
    struct conflex_token token = conflex_peek(at->lex);
    at->single = "include";
    if (token.kind != CONFLEX_WORD) {
        conferror_add(&at->p->errors, name.at, "include needs a path");
        return;
    }
    (void)conflex_take(at->lex);
    if (token.bad)
        return;
    char *path = conflex_word(&token);
    confinclude_path(at->p, token.at, path, at->block, at->nesting);
    mem_free(&path);
}

static void statement(struct place *at)
{
    struct conflex_token name = conflex_take(at->lex);
    const struct conftree_kind *kind = at->block->kind;
    if (!confparse_count(at->p, name.at))
        return;
    if (!is_name(at, &name)) {
        if (!name.bad)
            unknown(at, &name);
        skip_statement(at, name.at);
        return;
    }
    at->single = at->list = NULL;
    ssize_t setting = conftree_setting(kind, name.text);
    if (setting >= 0)
        setting_statement(at, name, (size_t)setting);
    else if (span_is(name.text, "include"))
        include_statement(at, name);
    else
        block_statement(at, name, conftree_block_kind(kind, name.text));
}

/* Reads statements up to the closing brace, or with braces false up to the end of the file. Returns
 * whether that was found. */
static bool parse_body(struct place *at, bool braces)
{
    while (!at->p->stopped) {
        struct conflex_token token = conflex_peek(at->lex);
        if (token.kind == CONFLEX_WORD) {
            statement(at);
            continue;
        }
        (void)conflex_take(at->lex);
        at->single = NULL;
        if (token.kind == CONFLEX_END)
            return !braces;
        if (token.kind == CONFLEX_CLOSE && braces)
            return true;
        if (token.kind == CONFLEX_CLOSE)
            conferror_add(&at->p->errors, token.at, "there is no block that this } could close");
        if (token.kind == CONFLEX_OPEN) {
            conferror_add(&at->p->errors, token.at, "the name of a block is missing before this {");
            skip_block(at, token.at);
        }
    }
    return !braces;
}

void confparse_file(struct confparse *p, uint32_t file, struct conf_block *block, unsigned nesting)
{
    struct conflex lex = conflex_open(&p->errors, file);
    struct place at = {p, &lex, block, nesting, NULL, NULL};
    (void)parse_body(&at, false);
}

static struct confparse start(const struct conf_block_type *root, struct conf_errors *errors)
{
    struct confparse p = {.conf = conftree_new(root, CONF_MASTER)};
    *errors = (struct conf_errors){0};
    p.errors = (struct conferror){&p.conf->sources, errors, p.conf->secrets};
    return p;
}

/* Checks the whole. Returns the tree, or NULL when anything is wrong. */
static struct conf *finish(struct confparse *p)
{
    conftree_seal(p->conf);
    confaddr_index(p->conf);
    if (!p->incomplete) {
        confcheck_blocks(p->conf, &p->errors);
        if (p->conf->kinds[0]->type == &conftables_root)
            confcheck_suite(p->conf, &p->errors);
        if (p->with_files)
            confcheck_local(p->conf, &p->errors);
    }
    conferror_sort(&p->errors);
    confsource_forget_texts(&p->conf->sources);
    if (p->errors.out->failures > 0)
        conf_free(&p->conf);
    return p->conf;
}

struct conf *confparse_text(const struct conf_block_type *root, const char *name, struct span text,
                            struct conf_errors *errors)
{
    struct confparse p = start(root, errors);
    struct buf copy = {0};
    char *folder = confsource_folder(name);
    buf_put_span(&copy, text);
    uint32_t file = confsource_add(&p.conf->sources, name, folder, &copy);
    mem_free(&folder);
    if (text.n > CONF_MAX_FILE) {
        conferror_add(&p.errors, (struct confsource_pos){file, 0, 0}, "longer than %d octets",
                      CONF_MAX_FILE);
        p.incomplete = true;
    } else {
        confparse_file(&p, file, p.conf->root, 0);
    }
    return finish(&p);
}

struct conf *conf_parse(const char *name, struct span text, struct conf_errors *errors)
{
    return confparse_text(&conftables_root, name, text, errors);
}

struct conf *conf_load(const char *path, struct conf_errors *errors)
{
    struct confparse p = start(&conftables_root, errors);
    p.with_files = true;
    confinclude_main(&p, path);
    return finish(&p);
}

#include <string.h>

#include "conf.h"
#include "conftables.h"
#include "conftype.h"

/* The tables as a part of quartermaster.conf(5), in mdoc(7). */

#define LINE_WIDTH 62 /* octets after which a line of running text breaks at the next blank */

/* Appends running text, each sentence on lines of its own; what roff would act on is escaped. */
static void put_text(struct buf *out, const char *text)
{
    bool starts = true;
    size_t line = out->n;
    for (const char *p = text; *p != '\0'; p++) {
        bool ends = *p == ' ' && ((p > text && p[-1] == '.') || out->n - line > LINE_WIDTH);
        if (*p == '\\')
            buf_puts(out, "\\e");
        else if (*p == '-')
            buf_puts(out, "\\-");
        else if (starts && (*p == '.' || *p == '\''))
            buf_putf(out, "\\&%c", *p);
        else
            buf_putc(out, ends ? '\n' : *p);
        starts = ends;
        line = ends ? out->n : line;
    }
}

/* Appends one argument of a macro: quoted, so that no word in it is taken for a macro itself. */
static void put_argument(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"')
            buf_puts(out, "\\(dq");
        else if (*p == '\\')
            buf_puts(out, "\\e");
        else if (*p == '-')
            buf_puts(out, "\\-");
        else
            buf_putc(out, *p);
    }
    buf_putc(out, '"');
}

/* A line `.macro "text"`. */
static void put_line(struct buf *out, const char *macro, const char *text)
{
    buf_putf(out, ".%s ", macro);
    put_argument(out, text);
    buf_putc(out, '\n');
}

static void put_sentence(struct buf *out, const char *text)
{
    put_text(out, text);
    buf_putc(out, '\n');
}

/* "One of: none, opportunistic, required." */
static void document_words(const struct conf_setting *def, struct buf *out)
{
    struct span word;
    buf_puts(out, "One of\n");
    for (size_t i = 0; (word = conftype_word_at(def->words, i)).n > 0; i++) {
        bool last = conftype_word_at(def->words, i + 1).n == 0;
        char text[64];
        (void)span_copy(word, text, sizeof text);
        buf_puts(out, ".Cm ");
        put_argument(out, text);
        buf_puts(out, last ? " .\n" : " ,\n");
    }
}

static void document_bounds(const struct conf_setting *def, struct buf *out)
{
    const char *what = def->type == CONF_TEXT ? " octets" : "";
    if (def->min == NULL && def->max == NULL)
        return;
    buf_putf(out, "From %s to %s%s.\n", def->min, def->max, what);
}

static void document_default(const struct conf_setting *def, struct buf *out)
{
    if (def->initial != NULL) {
        buf_puts(out, "The default is\n.Ql ");
        put_argument(out, def->initial);
        buf_puts(out, " .\n");
    } else if (def->from != NULL) {
        const char *slash = strchr(def->from, '/');
        buf_puts(out, "The default is what\n.Ic ");
        put_argument(out, slash == NULL ? def->from : slash + 1);
        if (slash != NULL)
            buf_putf(out, "\nin\n.Ic %.*s", (int)(slash - def->from), def->from);
        buf_puts(out, "\nsays.\n");
    } else if ((def->flags & CONF_REQUIRED) != 0) {
        buf_puts(out, "Has to be given.\n");
    }
}

static void document_setting(const struct conf_setting *def, struct buf *out)
{
    buf_puts(out, ".It Ic ");
    put_argument(out, def->name);
    buf_puts(out, " Ar ");
    put_argument(out, conftype_name(def->type));
    buf_puts(out, (def->flags & CONF_LIST) != 0 ? " ...\n" : "\n");
    put_sentence(out, def->doc);
    if (def->type == CONF_WORD)
        document_words(def, out);
    document_bounds(def, out);
    document_default(def, out);
    if ((def->flags & CONF_SECRET_FILE) != 0)
        buf_puts(out, "The file holds a secret: only root should be able to read it.\n");
    if ((def->flags & CONF_SECRET) != 0)
        buf_puts(out, "The value is a secret: it is never logged.\n");
}

static bool is_of_deliver(const struct conf_setting *def)
{
    return def->from != NULL && strncmp(def->from, "deliver/", 8) == 0 &&
           strcmp(def->from + 8, def->name) == 0;
}

static void document_settings(const struct conf_block_type *type, struct buf *out)
{
    size_t of_deliver = 0, own = 0;
    for (size_t i = 0; i < type->n_settings; i++) {
        if (is_of_deliver(&type->settings[i]))
            of_deliver++;
        else
            own++;
    }
    if (own > 0) {
        buf_puts(out, ".Bl -tag -width Ds\n");
        for (size_t i = 0; i < type->n_settings; i++) {
            if (!is_of_deliver(&type->settings[i]))
                document_setting(&type->settings[i], out);
        }
        buf_puts(out, ".El\n");
    }
    if (of_deliver == 0)
        return;
    buf_puts(out, ".Pp\nThese settings of\n.Ic deliver\ncan be given here too, for this transport "
                  "alone:\n");
    for (size_t i = 0; i < type->n_settings; i++) {
        if (!is_of_deliver(&type->settings[i]))
            continue;
        buf_puts(out, ".Ic ");
        put_argument(out, type->settings[i].name);
        buf_puts(out, --of_deliver == 0 ? " .\n" : " ,\n");
    }
}

/* A block that holds others, or stands in one, is written with those around it: account / webhook.
 */
static void document_block(const struct conf_block_type *type, const char *outer, struct buf *out)
{
    struct buf title = {0};
    buf_putf(&title, "%s%s%s%s", outer, type->name, type->label_doc == NULL ? "" : " ",
             type->label_doc == NULL ? "" : type->label_doc);
    buf_puts(out, ".Ss ");
    put_argument(out, type->name[0] == '\0' ? "At the top level" : buf_text(&title));
    buf_putc(out, '\n');
    put_sentence(out, type->doc);
    if ((type->flags & CONF_REPEATABLE) != 0)
        buf_puts(out, "The block can be given any number of times.\n");
    else if (type->label != CONF_LABEL_NONE)
        buf_puts(out, "The block can be given any number of times, each with another name.\n");
    document_settings(type, out);
    buf_clear(&title);
    if (type->name[0] != '\0')
        buf_putf(&title, "%s%s / ", outer, type->name);
    for (size_t i = 0; type->blocks != NULL && type->blocks[i] != NULL; i++)
        document_block(type->blocks[i], buf_text(&title), out);
    buf_free(&title);
}

/* Marks the types that settings of this block, and of those in it, have. */
static void mark_types(const struct conf_block_type *block, bool used[CONF_TYPES])
{
    for (size_t i = 0; i < block->n_settings; i++)
        used[block->settings[i].type] = true;
    for (size_t i = 0; block->blocks != NULL && block->blocks[i] != NULL; i++)
        mark_types(block->blocks[i], used);
}

static void document_types(struct buf *out)
{
    bool used[CONF_TYPES] = {false};
    mark_types(&conftables_root, used);
    buf_puts(out, ".Sh VALUES\n.Bl -tag -width Ds\n");
    for (enum conf_type type = 0; type < CONF_TYPES; type++) {
        if (!used[type])
            continue;
        put_line(out, "It Ar", conftype_name(type));
        put_sentence(out, conftype_doc(type));
    }
    buf_puts(out, ".El\n");
}

static void document_limits(struct buf *out)
{
    buf_puts(out, ".Sh LIMITS\n");
    buf_putf(out,
             "A file is at most %d MiB long.\n"
             "All files together are at most %d MiB long and hold at most %d statements.\n"
             "Blocks are nested at most %d deep, included files at most %d deep.\n"
             "Of the errors found %d are shown, and how many more there are.\n"
             "Settings name at most %d files with keys, certificates and passwords.\n"
             "There are at most %d addresses and ports to listen on.\n",
             CONF_MAX_FILE >> 20, CONF_MAX_TOTAL >> 20, CONF_MAX_STATEMENTS, CONF_MAX_NESTING,
             CONF_MAX_INCLUDES, CONF_MAX_ERRORS, CONF_MAX_FILES, CONF_MAX_SOCKETS);
}

void conf_document(struct buf *out)
{
    document_types(out);
    buf_puts(out, ".Sh SETTINGS\n");
    document_block(&conftables_root, "", out);
    document_limits(out);
}

#ifndef QM_CONFSOURCE_H
#define QM_CONFSOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* The texts that a configuration was read from, and places in them. */

struct confsource_pos {
    uint32_t file;   /* index in the list */
    uint32_t line;   /* from 1; 0: no place */
    uint32_t offset; /* octets from the start of the file */
};

struct confsource {
    char *name;   /* as shown to the user */
    char *folder; /* what relative paths in it start at; NULL: they stay as they are */
    struct buf text;
};

struct confsource_list {
    struct confsource **v;
    size_t n;
};

/* Adds a file, taking over the octets of *text (all-zero afterwards). name and folder are copied.
 * Returns its index. */
uint32_t confsource_add(struct confsource_list *list, const char *name, const char *folder,
                        struct buf *text);

/* Overwrites and frees the texts, keeping the names: places lose their column and line shown. */
void confsource_forget_texts(struct confsource_list *list);
void confsource_free(struct confsource_list *list); /* all-zero again */

/* The line that holds this place, without its end. Points into the text. */
struct span confsource_line(const struct confsource_list *list, struct confsource_pos at);
/* Octets from the start of that line to the place. */
size_t confsource_indent(const struct confsource_list *list, struct confsource_pos at);
/* The column in characters from 1; an octet that is not part of UTF-8 counts as one. */
size_t confsource_column(const struct confsource_list *list, struct confsource_pos at);

/* Characters in s, counted so. */
size_t confsource_characters(struct span s);

/* path itself if it is absolute or folder is NULL, else folder/path. The caller frees it. */
char *confsource_path(const char *folder, const char *path);
/* The part before the last slash, "/" for a file there, "." without one. The caller frees it. */
char *confsource_folder(const char *path);

#endif

#include "conf.h"

#include <fcntl.h>

#include "conflex.h"
#include "file.h"
#include "mem.h"

/* One setting of a file that need not be a good one. */

static char *search(struct conflex *lex, struct span setting)
{
    char *value = NULL;
    int depth = 0;
    for (;;) {
        struct conflex_token token = conflex_take(lex);
        if (token.kind == CONFLEX_END)
            return value;
        if (token.kind == CONFLEX_OPEN)
            depth++;
        else if (token.kind == CONFLEX_CLOSE && depth > 0)
            depth--;
        if (depth > 0 || token.kind != CONFLEX_WORD || token.quoted ||
            !span_equal(token.text, setting))
            continue;
        token = conflex_peek(lex);
        if (token.kind != CONFLEX_WORD || token.bad)
            continue;
        mem_free(&value);
        value = conflex_word(&token);
    }
}

char *conf_peek(const char *path, const char *setting)
{
    struct confsource_list sources = {0};
    struct conf_errors out = {0};
    struct conferror errors = {.sources = &sources, .out = &out};
    struct buf text = {0};
    struct fail f;
    char *value = NULL;
    if (file_read(AT_FDCWD, path, CONF_MAX_FILE, &text, &f) == 0) {
        struct conflex lex = conflex_open(&errors, confsource_add(&sources, path, NULL, &text));
        value = search(&lex, span_text(setting));
    }
    buf_wipe(&text);
    conf_errors_free(&out);
    confsource_free(&sources);
    return value;
}

#include "ctl_safe.h"

#include <stdio.h>

#include "ascii.h"
#include "ctl.h"
#include "mem.h"

void ctl_print_safely(const char *indent, const char *text)
{
    struct span rest = span_text(text), line;
    while (ascii_token(&rest, "\n", &line)) {
        struct buf out = {0};
        char *copy = span_dup(line);
        ctl_put_safe(&out, copy);
        (void)printf("%s%s\n", indent, buf_text(&out));
        buf_free(&out);
        mem_free(&copy);
    }
}

void ctl_print_field(const char *name, const char *text)
{
    if (text[0] != '\0') {
        (void)printf("%-11s", name);
        ctl_print_safely("", text);
    }
}

#include <stdio.h>

#include "conf.h"

/* Prints the sections of quartermaster.conf(5) that come from the tables of settings. */

int main(void)
{
    struct buf out = {0};
    conf_document(&out);
    struct span s = buf_span(&out);
    int ok = fwrite(s.p, 1, s.n, stdout) == s.n && fflush(stdout) == 0;
    buf_free(&out);
    return ok ? 0 : 1;
}

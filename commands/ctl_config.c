#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl.h"
#include "jsonwrite.h"
#include "proto_master.h"

bool ctl_config_errors(const struct ctl *c)
{
    struct conf_errors errors = {0};
    struct buf text = {0};
    struct conf *conf = conf_load(c->config_path, &errors);
    bool bad = conf == NULL;
    conf_errors_print(&errors, &text);
    if (text.n > 0)
        (void)fputs(buf_text(&text), stderr);
    buf_free(&text);
    conf_errors_free(&errors);
    conf_free(&conf);
    return bad;
}

static int check(struct ctl *c)
{
    bool good = !ctl_config_errors(c);
    if (c->json)
        (void)printf("{\"good\":%s}\n", good ? "true" : "false");
    else if (good)
        (void)printf("%s: good\n", c->config_path);
    return good ? EX_OK : EX_CONFIG;
}

/* Of the running suite; of the file when there is none. */
static int show(struct ctl *c)
{
    struct buf text = {0};
    struct fail f;
    int fd = ctl_master(c);
    int rc = fd < 0 ? -1 : master_ask_config(fd, &text, &f);
    if (fd >= 0)
        (void)close(fd);
    if (rc != 0 && c->conf != NULL) {
        (void)fprintf(stderr, "qmctl: these are the settings of %s\n", c->config_path);
        conf_show(c->conf, false, &text);
        rc = 0;
    }
    if (rc == 0 && c->json) {
        struct buf b = {0};
        struct jsonwrite w;
        jsonwrite_open(&w, &b, 0);
        jsonwrite_object(&w);
        jsonwrite_key(&w, "config");
        jsonwrite_span(&w, buf_span(&text));
        jsonwrite_object_end(&w);
        jsonwrite_close(&w);
        ctl_print(&b);
    } else if (rc == 0) {
        (void)fwrite(buf_span(&text).p, 1, text.n, stdout);
    }
    buf_free(&text);
    return rc == 0 ? EX_OK : EX_UNAVAILABLE;
}

int ctl_config(struct ctl *c, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "check") == 0)
        return check(c);
    if (argc == 2 && strcmp(argv[1], "show") == 0)
        return show(c);
    return ctl_fail(EX_USAGE, "usage: qmctl config check|show");
}

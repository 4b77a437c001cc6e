#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl_hook.h"
#include "ctl_safe.h"
#include "jsonwrite.h"

static void print_json(const struct admin_hook_item *i, const struct admin_hook_attempt *a)
{
    struct buf b = {0};
    struct jsonwrite w;
    const char *const texts[][2] = {{"account", i->row.account}, {"event", i->row.event},
                                    {"url", i->row.url},         {"error", a->error},
                                    {"response", a->response},   {"payload", i->payload}};
    jsonwrite_open(&w, &b, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "success");
    jsonwrite_bool(&w, i->row.success);
    jsonwrite_key(&w, "code");
    jsonwrite_int64(&w, a->code);
    jsonwrite_key(&w, "duration_ms");
    jsonwrite_int64(&w, a->duration_ms);
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        jsonwrite_key(&w, texts[n][0]);
        jsonwrite_text(&w, texts[n][1]);
    }
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    ctl_print(&b);
}

static void print_text(const struct admin_hook_item *i, const struct admin_hook_attempt *a)
{
    char text[40];
    ctl_print_field("URL", i->row.url);
    ctl_print_field("Payload", i->payload);
    (void)snprintf(text, sizeof text, "%u after %u ms", a->code, a->duration_ms);
    ctl_print_field("Status", a->code == 0 ? "none" : text);
    ctl_print_field("Outcome", i->row.success ? "delivered" : "failed");
    ctl_print_safely("  ", a->error);
    ctl_print_safely("  ", a->response);
}

static int test(struct ctl *c, const char *account, bool incoming, const char *event)
{
    struct admin_hook_item item;
    struct fail f;
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = admin_ask_hook_test(fd, account, incoming, event, &item, &f);
    (void)close(fd);
    if (rc != 0)
        return ctl_fail(ctl_code(f.text, EX_TEMPFAIL), "%s: %s", account, f.text);
    int code = item.row.success ? EX_OK : EX_UNAVAILABLE;
    if (item.attempts_n == 0)
        code = ctl_fail(EX_PROTOCOL, "malformed answer from qmgr");
    else if (c->json)
        print_json(&item, &item.attempts[0]);
    else
        print_text(&item, &item.attempts[0]);
    admin_hook_item_clear(&item);
    return code;
}

int ctl_hook_test(struct ctl *c, int argc, char **argv)
{
    static const struct option options[] = {
        {"incoming", no_argument, NULL, 'i'}, {"event", required_argument, NULL, 'e'}, {0}};
    bool incoming = false;
    const char *event = NULL;
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'i')
            incoming = true;
        else if (option == 'e')
            event = optarg;
        else
            return EX_USAGE;
    }
    if (optind + 1 != argc || (incoming && event != NULL)) {
        ctl_hook_help(stderr);
        return EX_USAGE;
    }
    return test(c, argv[optind], incoming, incoming ? "" : event == NULL ? "delivered" : event);
}

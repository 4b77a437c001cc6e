#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl_hook.h"
#include "ctl_safe.h"
#include "jsonwrite.h"
#include "qid.h"

static void put_attempt(struct jsonwrite *w, const struct admin_hook_attempt *a)
{
    jsonwrite_object(w);
    jsonwrite_key(w, "start");
    jsonwrite_time(w, a->start_ms);
    jsonwrite_key(w, "duration_ms");
    jsonwrite_int64(w, a->duration_ms);
    jsonwrite_key(w, "code");
    jsonwrite_int64(w, a->code);
    jsonwrite_key(w, "error");
    jsonwrite_text(w, a->error);
    jsonwrite_key(w, "response");
    jsonwrite_text(w, a->response);
    jsonwrite_object_end(w);
}

static void print_json(bool retired, const struct admin_hook_item *i)
{
    char id[QID_SIZE];
    struct buf b = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &b, 0);
    jsonwrite_object(&w);
    ctl_hook_put(&w, retired, &i->row);
    jsonwrite_key(&w, "authorization");
    jsonwrite_bool(&w, i->authorization);
    if (retired) {
        jsonwrite_key(&w, "superseded_by");
        jsonwrite_text(&w, i->superseded_by == 0 ? "" : qid_text(i->superseded_by, id));
        jsonwrite_key(&w, "keep_until");
        jsonwrite_time(&w, i->keep_until_ms);
    }
    jsonwrite_key(&w, "payload");
    jsonwrite_text(&w, i->payload);
    jsonwrite_key(&w, "results");
    jsonwrite_array(&w);
    for (uint32_t k = 0; k < i->attempts_n; k++)
        put_attempt(&w, &i->attempts[k]);
    jsonwrite_array_end(&w);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    ctl_print(&b);
}

static const char *state_of(bool retired, const struct admin_hook_item *i)
{
    if (!retired)
        return "queued";
    return i->superseded_by != 0 ? "superseded" : i->row.success ? "delivered" : "failed";
}

static void print_text(bool retired, const struct admin_hook_item *i)
{
    char id[QID_SIZE], when[40];
    const struct admin_hook_row *r = &i->row;
    (void)printf("Webhook    %s (#%llu)\n", qid_text(r->id, id), (unsigned long long)r->id);
    ctl_print_field("State", state_of(retired, i));
    if (i->superseded_by != 0)
        ctl_print_field("By", qid_text(i->superseded_by, id));
    ctl_print_field("Account", r->account);
    ctl_print_field("Event", r->event);
    if (r->recipient != 0)
        ctl_print_field("Recipient", qid_text(r->recipient, id));
    ctl_print_field("URL", r->url);
    ctl_print_field("Submitted", ctl_time_text(r->submitted_ms, when, sizeof when));
    ctl_print_field(retired ? "Ended" : "Next", ctl_time_text(r->next_ms, when, sizeof when));
    ctl_print_field("Payload", i->payload);
    for (uint32_t k = 0; k < i->attempts_n; k++) {
        const struct admin_hook_attempt *a = &i->attempts[k];
        (void)printf("\nAttempt %u  %s  %u after %u ms\n", k + 1,
                     ctl_time_text(a->start_ms, when, sizeof when), a->code, a->duration_ms);
        ctl_print_safely("  ", a->error);
        ctl_print_safely("  ", a->response);
    }
}

int ctl_print_hook(struct ctl *c, bool retired, const char *id_text)
{
    struct admin_hook_item item;
    struct fail f;
    uint64_t id;
    int code = ctl_id(id_text, &id);
    if (code != 0)
        return code;
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    code = admin_ask_hook(fd, retired, id, &item, &f);
    (void)close(fd);
    if (code != 0)
        return ctl_fail(ctl_code(f.text, EX_TEMPFAIL), "%s: %s", id_text, f.text);
    if (c->json)
        print_json(retired, &item);
    else
        print_text(retired, &item);
    admin_hook_item_clear(&item);
    return EX_OK;
}

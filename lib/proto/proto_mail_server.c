#include "mem.h"
#include "proto_mail.h"
#include "proto_submit.h"

static void get_seen(struct wire *w, struct mail_request *r)
{
    r->once_key = wire_text(w, SUBMIT_ONCE_KEY_MAX);
    uint32_t n = wire_count(w, MAIL_PAGE_MAX, 48);
    r->seen = mem_array(n, sizeof *r->seen);
    while (r->seen_n < n)
        mail_seen_get(w, &r->seen[r->seen_n++]);
    if (n == 0 || (n != 1 && r->once_key[0] != '\0'))
        wire_fail(w);
}

static void get_body(struct wire *w, struct mail_request *r)
{
    if (r->type == MSG_MAIL_NOTE) {
        get_seen(w, r);
        return;
    }
    r->id = wire_u64(w);
    switch (r->type) {
    case MSG_MAIL_GET:
    case MSG_MAIL_DELETED:
        break;
    case MSG_MAIL_KEYWORDS:
        mail_words_get(w, &r->add);
        mail_words_get(w, &r->remove);
        break;
    case MSG_MAIL_MOVED:
        mail_place_get(w, &r->place);
        mail_words_get(w, &r->add);
        if (r->place.name[0] == '\0')
            wire_fail(w);
        break;
    default:
        wire_fail(w);
    }
}

int mail_read(struct ipc_message *m, struct mail_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct mail_request){.type = m->type, .account = wire_text(&w, PROTO_NAME_MAX)};
    get_body(&w, r);
    if (wire_end(&w) == 0)
        return 0;
    mail_request_clear(r);
    return fail_set(f, "malformed request of type 0x%04x", m->type);
}

void mail_request_clear(struct mail_request *r)
{
    for (uint32_t i = 0; i < r->seen_n; i++)
        mail_seen_clear(&r->seen[i]);
    mem_free(&r->seen);
    r->seen_n = 0;
    mail_place_clear(&r->place);
    mail_words_clear(&r->add);
    mail_words_clear(&r->remove);
    mem_free(&r->once_key);
    mem_free(&r->account);
}

void mail_reply(struct ipc *ch, uint64_t request, const struct mail_answer *a)
{
    struct buf b = {0};
    wire_put_u8(&b, (uint8_t)a->result);
    wire_put_u32(&b, a->messages_n);
    for (uint32_t i = 0; i < a->messages_n; i++)
        mail_message_put(&b, &a->messages[i]);
    ipc_reply(ch, MSG_MAIL_ANSWER, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

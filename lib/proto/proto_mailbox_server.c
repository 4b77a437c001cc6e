#include "file.h"
#include "mem.h"
#include "proto_mailbox.h"

static void get_which(struct wire *w, struct mailbox_request *r)
{
    r->id = wire_u64(w);
    mail_place_get(w, &r->place);
}

static void get_find(struct wire *w, struct mailbox_request *r)
{
    get_which(w, r);
    r->octets_max = wire_u64(w);
}

static void get_flags(struct wire *w, struct mailbox_request *r)
{
    get_which(w, r);
    r->set = wire_enum(w, MAILBOX_FLAGS + 1);
    r->clear = wire_enum(w, MAILBOX_FLAGS + 1);
    mail_words_get(w, &r->add);
    mail_words_get(w, &r->remove);
}

static void get_move(struct wire *w, struct mailbox_request *r)
{
    get_which(w, r);
    r->folder = wire_text(w, MAILPLACE_NAME_MAX);
}

static void get_store(struct wire *w, struct mailbox_request *r)
{
    r->folder = wire_text(w, MAILPLACE_NAME_MAX);
    r->make = wire_bool(w);
    r->set = wire_enum(w, MAILBOX_FLAGS + 1);
    mail_words_get(w, &r->add);
    r->number = wire_u64(w);
    r->again = wire_bool(w);
    if (r->again && r->number == 0)
        wire_fail(w);
    r->skip = wire_u64(w);
    buf_put_span(&r->head, wire_span(w, MAILBOX_HEAD_MAX));
}

static void get_list(struct wire *w, struct mailbox_request *r)
{
    r->folder = wire_text(w, MAILPLACE_NAME_MAX);
    r->after = wire_text(w, MAILPLACE_NAME_MAX);
    r->limit = wire_u32(w);
    if (r->limit < 1 || r->limit > MAILBOX_PAGE_MAX)
        wire_fail(w);
}

static void get_check(struct wire *w, struct mailbox_request *r)
{
    uint32_t n = wire_count(w, MAILBOX_CHECK_MAX, 24);
    r->places = mem_array(n, sizeof *r->places);
    while (r->places_n < n)
        mail_place_get(w, &r->places[r->places_n++]);
    if (n == 0)
        wire_fail(w);
}

static void get_nothing(struct wire *w, struct mailbox_request *r)
{
}

static const struct {
    uint16_t type;
    void (*get)(struct wire *w, struct mailbox_request *r);
} types[] = {
    {MSG_MAILBOX_FIND, get_find},       {MSG_MAILBOX_FLAGS, get_flags},
    {MSG_MAILBOX_MOVE, get_move},       {MSG_MAILBOX_DELETE, get_which},
    {MSG_MAILBOX_STORE, get_store},     {MSG_MAILBOX_LIST, get_list},
    {MSG_MAILBOX_FOLDERS, get_nothing}, {MSG_MAILBOX_CHECK, get_check},
};

static void get_body(struct wire *w, struct mailbox_request *r)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == r->type) {
            types[i].get(w, r);
            return;
        }
    }
    wire_fail(w);
}

/* The message that a request brings, and no other descriptor. */
static int take_octets(struct ipc_message *m, struct mailbox_request *r, struct fail *f)
{
    if (m->fds != (r->type == MSG_MAILBOX_STORE ? 1u : 0u))
        return fail_set(f, "request of type 0x%04x with %u descriptors", m->type, m->fds);
    if (m->fds == 0)
        return 0;
    if (file_check_sealed(m->fd[0], UINT64_MAX, &r->size, f) != 0)
        return -1;
    if (r->skip > r->size)
        return fail_set(f, "more octets left out than there are");
    r->fd = m->fd[0];
    m->fd[0] = -1;
    return 0;
}

int mailbox_read(struct ipc_message *m, struct mailbox_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct mailbox_request){
        .type = m->type, .account = wire_text(&w, PROTO_NAME_MAX), .fd = -1};
    get_body(&w, r);
    int rc = wire_end(&w);
    if (rc != 0)
        (void)fail_set(f, "malformed request of type 0x%04x", m->type);
    if (rc == 0 && take_octets(m, r, f) == 0)
        return 0;
    mailbox_request_clear(r);
    return -1;
}

void mailbox_request_clear(struct mailbox_request *r)
{
    mem_free(&r->account);
    mail_place_clear(&r->place);
    mail_words_clear(&r->add);
    mail_words_clear(&r->remove);
    mem_free(&r->folder);
    mem_free(&r->after);
    buf_free(&r->head);
    file_close(&r->fd);
    for (uint32_t i = 0; i < r->places_n; i++)
        mail_place_clear(&r->places[i]);
    mem_free(&r->places);
    r->places_n = 0;
}

void mailbox_reply(struct ipc *ch, uint64_t request, struct mailbox_answer *a)
{
    struct buf b = {0};
    wire_put_u8(&b, (uint8_t)a->result);
    wire_put_u32(&b, a->files_n);
    for (uint32_t i = 0; i < a->files_n; i++)
        mailbox_file_put(&b, &a->files[i]);
    mail_words_put(&b, &a->unplaced);
    wire_put_u32(&b, a->folders_n);
    for (uint32_t i = 0; i < a->folders_n; i++)
        wire_put_text(&b, a->folders[i]);
    wire_put_text(&b, a->next);
    wire_put_u32(&b, a->missing_n);
    for (uint32_t i = 0; i < a->missing_n; i++)
        wire_put_u32(&b, a->missing[i]);
    ipc_reply(ch, MSG_MAILBOX_ANSWER, request, buf_span(&b), &a->fd, a->fd >= 0 ? 1 : 0);
    a->fd = -1;
    buf_free(&b);
}

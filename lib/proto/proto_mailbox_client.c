
#include "file.h"
#include "mem.h"
#include "proto_mailbox.h"

struct asked {
    mailbox_on_answer *on_answer;
    void *arg;
};

static void get_files(struct wire *w, struct mailbox_answer *a)
{
    uint32_t n = wire_count(w, MAILBOX_PAGE_MAX, 57);
    a->files = mem_array(n, sizeof *a->files);
    while (a->files_n < n)
        mailbox_file_get(w, &a->files[a->files_n++]);
}

static void get_folders(struct wire *w, struct mailbox_answer *a)
{
    uint32_t n = wire_count(w, MAILBOX_FOLDERS_MAX, 4);
    a->folders = mem_array(n, sizeof *a->folders);
    while (a->folders_n < n)
        a->folders[a->folders_n++] = wire_text(w, MAILPLACE_NAME_MAX);
}

/* Which of the places that were asked for, in their order. */
static void get_missing(struct wire *w, struct mailbox_answer *a)
{
    uint32_t n = wire_count(w, MAILBOX_CHECK_MAX, 4);
    a->missing = mem_array(n, sizeof *a->missing);
    while (a->missing_n < n) {
        uint32_t at = wire_u32(w);
        if (at >= MAILBOX_CHECK_MAX || (a->missing_n > 0 && at <= a->missing[a->missing_n - 1]))
            wire_fail(w);
        a->missing[a->missing_n++] = at;
    }
}

/* MSG_MAILBOX_ANSWER: result u8, count u32 of files, unplaced (list), count u32 of folders (texts),
 * next (text), count u32 of missing places (u32); with the octets of a message one descriptor. */
static int get_answer(struct ipc_message *m, struct mailbox_answer *a)
{
    struct wire w = wire_open(m->payload);
    uint64_t size;
    *a = (struct mailbox_answer){.fd = -1};
    a->result = (enum mailbox_result)wire_enum(&w, MAILBOX_RESULTS);
    get_files(&w, a);
    mail_words_get(&w, &a->unplaced);
    get_folders(&w, a);
    a->next = wire_text(&w, MAILPLACE_NAME_MAX);
    get_missing(&w, a);
    if (m->type == MSG_MAILBOX_ANSWER && wire_end(&w) == 0 &&
        (m->fds == 0 ||
         (m->fds == 1 && file_check_sealed(m->fd[0], UINT64_MAX, &size, NULL) == 0))) {
        a->fd = m->fds == 1 ? m->fd[0] : -1;
        m->fd[0] = -1;
        return 0;
    }
    mailbox_answer_clear(a);
    *a = mailbox_answer_new(MAILBOX_UNAVAILABLE);
    return -1;
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *asked = arg;
    struct mailbox_answer a;
    int rc = 0;
    if (m == NULL)
        a = mailbox_answer_new(MAILBOX_UNAVAILABLE);
    else
        rc = get_answer(m, &a);
    asked->on_answer(asked->arg, &a);
    mailbox_answer_clear(&a);
    mem_free(&asked);
    return rc == 0 ? 0 : fail_set(f, "malformed answer about a mailbox");
}

/* fds: one, or NULL for none. */
static uint64_t ask(struct ipc *ch, uint16_t type, struct buf *b, const int *fds,
                    mailbox_on_answer *then, void *arg)
{
    struct asked *asked = mem_alloc(sizeof *asked);
    *asked = (struct asked){then, arg};
    uint64_t id = ipc_request(ch, type, buf_span(b), fds, fds == NULL ? 0 : 1, on_answer, asked);
    buf_free(b);
    return id;
}

/* Which octets: account (text), id u64, place. */
static void put_which(struct buf *b, const struct mailbox_which *which)
{
    wire_put_text(b, which->account);
    wire_put_u64(b, which->id);
    mail_place_put(b, which->place);
}

/* MSG_MAILBOX_FIND: which, octets_max u64. */
uint64_t mailbox_find(struct ipc *ch, const struct mailbox_which *which, uint64_t octets_max,
                      mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    put_which(&b, which);
    wire_put_u64(&b, octets_max);
    return ask(ch, MSG_MAILBOX_FIND, &b, NULL, then, arg);
}

/* MSG_MAILBOX_FLAGS: which, set u8, clear u8, add, remove (lists). */
uint64_t mailbox_flags(struct ipc *ch, const struct mailbox_which *which, unsigned set,
                       unsigned clear, const struct mail_words *add,
                       const struct mail_words *remove, mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    put_which(&b, which);
    wire_put_u8(&b, (uint8_t)set);
    wire_put_u8(&b, (uint8_t)clear);
    mail_words_put(&b, add);
    mail_words_put(&b, remove);
    return ask(ch, MSG_MAILBOX_FLAGS, &b, NULL, then, arg);
}

/* MSG_MAILBOX_MOVE: which, folder (text). */
uint64_t mailbox_move(struct ipc *ch, const struct mailbox_which *which, const char *folder,
                      mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    put_which(&b, which);
    wire_put_text(&b, folder);
    return ask(ch, MSG_MAILBOX_MOVE, &b, NULL, then, arg);
}

/* MSG_MAILBOX_DELETE: which. */
uint64_t mailbox_delete(struct ipc *ch, const struct mailbox_which *which, mailbox_on_answer *then,
                        void *arg)
{
    struct buf b = {0};
    put_which(&b, which);
    return ask(ch, MSG_MAILBOX_DELETE, &b, NULL, then, arg);
}

/* MSG_MAILBOX_STORE: account, folder (texts), make bool, flags u8, keywords (list), number u64,
 * again bool, skip u64, head (octets); one descriptor. */
uint64_t mailbox_store(struct ipc *ch, const char *account, const char *folder, bool make,
                       const struct mailbox_copy *copy, mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_text(&b, folder);
    wire_put_bool(&b, make);
    wire_put_u8(&b, (uint8_t)copy->flags);
    mail_words_put(&b, &copy->keywords);
    wire_put_u64(&b, copy->number);
    wire_put_bool(&b, copy->again);
    wire_put_u64(&b, copy->skip);
    wire_put_span(&b, copy->head);
    return ask(ch, MSG_MAILBOX_STORE, &b, &copy->octets, then, arg);
}

/* MSG_MAILBOX_LIST: account, folder, after (texts), limit u32. */
uint64_t mailbox_list(struct ipc *ch, const char *account, const char *folder, const char *after,
                      uint32_t limit, mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_text(&b, folder);
    wire_put_text(&b, after);
    wire_put_u32(&b, limit);
    return ask(ch, MSG_MAILBOX_LIST, &b, NULL, then, arg);
}

/* MSG_MAILBOX_FOLDERS: account (text). */
uint64_t mailbox_folders(struct ipc *ch, const char *account, mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    return ask(ch, MSG_MAILBOX_FOLDERS, &b, NULL, then, arg);
}

/* MSG_MAILBOX_CHECK: account (text), count u32 of places. */
uint64_t mailbox_check(struct ipc *ch, const char *account, const struct mail_place *places,
                       uint32_t n, mailbox_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++)
        mail_place_put(&b, &places[i]);
    return ask(ch, MSG_MAILBOX_CHECK, &b, NULL, then, arg);
}

void mailbox_forget(struct ipc *ch, uint64_t id)
{
    struct asked *asked = ipc_forget(ch, id);
    mem_free(&asked);
}

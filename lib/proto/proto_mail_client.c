#include "mem.h"
#include "proto_mail.h"

struct asked {
    mail_on_answer *on_answer;
    void *arg;
    uint32_t most; /* messages that an answer may have */
};

/* MSG_MAIL_ANSWER: result u8, count u32 of messages. */
static int get_answer(struct ipc_message *m, uint32_t most, struct mail_answer *a)
{
    struct wire w = wire_open(m->payload);
    a->result = (enum mail_result)wire_enum(&w, MAIL_RESULTS);
    uint32_t n = wire_count(&w, most, 70);
    a->messages = mem_array(n, sizeof *a->messages);
    while (a->messages_n < n)
        mail_message_get(&w, &a->messages[a->messages_n++]);
    if (m->type == MSG_MAIL_ANSWER && wire_end(&w) == 0 && n == (a->result == MAIL_DONE ? most : 0))
        return 0;
    mail_answer_clear(a);
    a->result = MAIL_UNAVAILABLE;
    return -1;
}

static int on_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *asked = arg;
    struct mail_answer a = {.result = MAIL_UNAVAILABLE};
    int rc = m == NULL ? 0 : get_answer(m, asked->most, &a);
    asked->on_answer(asked->arg, &a);
    mail_answer_clear(&a);
    mem_free(&asked);
    return rc == 0 ? 0 : fail_set(f, "malformed answer about the messages of a mailbox");
}

static uint64_t ask(struct ipc *ch, uint16_t type, struct buf *b, uint32_t most,
                    mail_on_answer *then, void *arg)
{
    struct asked *asked = mem_alloc(sizeof *asked);
    *asked = (struct asked){then, arg, most};
    uint64_t id = ipc_request(ch, type, buf_span(b), NULL, 0, on_answer, asked);
    buf_free(b);
    return id;
}

/* MSG_MAIL_GET, MSG_MAIL_DELETED: account (text), id u64. */
uint64_t mail_get(struct ipc *ch, const char *account, uint64_t id, mail_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u64(&b, id);
    return ask(ch, MSG_MAIL_GET, &b, 1, then, arg);
}

uint64_t mail_deleted(struct ipc *ch, const char *account, uint64_t id, mail_on_answer *then,
                      void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u64(&b, id);
    return ask(ch, MSG_MAIL_DELETED, &b, 0, then, arg);
}

/* MSG_MAIL_NOTE: account, once key (texts), count u32 of files seen. */
static uint64_t note(struct ipc *ch, const char *account, const char *once_key,
                     const struct mail_seen *seen, uint32_t n, mail_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_text(&b, once_key);
    wire_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++)
        mail_seen_put(&b, &seen[i]);
    return ask(ch, MSG_MAIL_NOTE, &b, n, then, arg);
}

uint64_t mail_note(struct ipc *ch, const char *account, const struct mail_seen *seen, uint32_t n,
                   mail_on_answer *then, void *arg)
{
    return note(ch, account, "", seen, n, then, arg);
}

uint64_t mail_note_copy(struct ipc *ch, const char *account, const struct mail_seen *seen,
                        const char *once_key, mail_on_answer *then, void *arg)
{
    return note(ch, account, once_key, seen, 1, then, arg);
}

/* MSG_MAIL_KEYWORDS: account (text), id u64, add, remove (lists). */
uint64_t mail_keywords(struct ipc *ch, const char *account, uint64_t id,
                       const struct mail_words *add, const struct mail_words *remove,
                       mail_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u64(&b, id);
    mail_words_put(&b, add);
    mail_words_put(&b, remove);
    return ask(ch, MSG_MAIL_KEYWORDS, &b, 0, then, arg);
}

/* MSG_MAIL_MOVED: account (text), id u64, place, add (list). */
uint64_t mail_moved(struct ipc *ch, const char *account, uint64_t id,
                    const struct mail_place *place, const struct mail_words *add,
                    mail_on_answer *then, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, account);
    wire_put_u64(&b, id);
    mail_place_put(&b, place);
    mail_words_put(&b, add);
    return ask(ch, MSG_MAIL_MOVED, &b, 0, then, arg);
}

void mail_forget(struct ipc *ch, uint64_t id)
{
    struct asked *asked = ipc_forget(ch, id);
    mem_free(&asked);
}

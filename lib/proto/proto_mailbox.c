#include "proto_mailbox.h"

#include "file.h"
#include "mem.h"

void mailbox_file_clear(struct mailbox_file *f)
{
    mail_place_clear(&f->place);
    mail_words_clear(&f->keywords);
    mem_free(&f->mail_from);
    mem_free(&f->rcpt_to);
}

/* File octets: place (mailplace.h), line_id u64, links u32, size u64, flags u8, keywords (list),
 * mail_from, rcpt_to (texts). */
void mailbox_file_put(struct buf *b, const struct mailbox_file *f)
{
    mail_place_put(b, &f->place);
    wire_put_u64(b, f->line_id);
    wire_put_u32(b, f->links);
    wire_put_u64(b, f->size);
    wire_put_u8(b, (uint8_t)f->flags);
    mail_words_put(b, &f->keywords);
    wire_put_text(b, f->mail_from);
    wire_put_text(b, f->rcpt_to);
}

void mailbox_file_get(struct wire *w, struct mailbox_file *f)
{
    *f = (struct mailbox_file){0};
    mail_place_get(w, &f->place);
    f->line_id = wire_u64(w);
    f->links = wire_u32(w);
    f->size = wire_u64(w);
    f->flags = wire_enum(w, MAILBOX_FLAGS + 1);
    mail_words_get(w, &f->keywords);
    f->mail_from = wire_text(w, PROTO_ADDRESS_MAX);
    f->rcpt_to = wire_text(w, PROTO_ADDRESS_MAX);
}

struct mailbox_answer mailbox_answer_new(enum mailbox_result result)
{
    return (struct mailbox_answer){.result = result, .next = mem_text(""), .fd = -1};
}

void mailbox_answer_clear(struct mailbox_answer *a)
{
    for (uint32_t i = 0; i < a->files_n; i++)
        mailbox_file_clear(&a->files[i]);
    for (uint32_t i = 0; i < a->folders_n; i++)
        mem_free(&a->folders[i]);
    mem_free(&a->files);
    mem_free(&a->folders);
    mem_free(&a->missing);
    mail_words_clear(&a->unplaced);
    mem_free(&a->next);
    file_close(&a->fd);
    a->files_n = a->folders_n = a->missing_n = 0;
}

#include "proto_mail.h"

#include "mem.h"

struct mail_message mail_message_new(uint64_t id)
{
    struct mail_message m = {
        .id = id, .mail_from = mem_text(""), .rcpt_to = mem_text(""), .remote_ip = mem_text("")};
    mail_place_set(&m.place, "", "", 0, 0);
    return m;
}

void mail_message_clear(struct mail_message *m)
{
    mail_place_clear(&m->place);
    mail_words_clear(&m->keywords);
    mail_words_clear(&m->checks.dkim);
    mem_free(&m->mail_from);
    mem_free(&m->rcpt_to);
    mem_free(&m->remote_ip);
}

/* Message octets: id u64, removed i64, place (mailplace.h), keywords (list), mail_from, rcpt_to,
 * remote_ip (texts), received i64, spf u8, dmarc u8, dkim (list). */
void mail_message_put(struct buf *b, const struct mail_message *m)
{
    wire_put_u64(b, m->id);
    wire_put_i64(b, m->removed_ms);
    mail_place_put(b, &m->place);
    mail_words_put(b, &m->keywords);
    wire_put_text(b, m->mail_from);
    wire_put_text(b, m->rcpt_to);
    wire_put_text(b, m->remote_ip);
    wire_put_i64(b, m->received_ms);
    wire_put_u8(b, (uint8_t)m->checks.spf);
    wire_put_u8(b, (uint8_t)m->checks.dmarc);
    mail_words_put(b, &m->checks.dkim);
}

void mail_message_get(struct wire *w, struct mail_message *m)
{
    *m = (struct mail_message){.id = wire_u64(w)};
    m->removed_ms = wire_i64(w);
    mail_place_get(w, &m->place);
    mail_words_get(w, &m->keywords);
    m->mail_from = wire_text(w, PROTO_ADDRESS_MAX);
    m->rcpt_to = wire_text(w, PROTO_ADDRESS_MAX);
    m->remote_ip = wire_text(w, PROTO_NAME_MAX);
    m->received_ms = wire_i64(w);
    m->checks.spf = (enum mail_check)wire_enum(w, MAIL_CHECKS);
    m->checks.dmarc = (enum mail_check)wire_enum(w, MAIL_CHECKS);
    mail_words_get(w, &m->checks.dkim);
    if (m->id == 0 || m->removed_ms < 0 || m->received_ms < 0)
        wire_fail(w);
}

void mail_seen_clear(struct mail_seen *s)
{
    mail_place_clear(&s->place);
    mail_words_clear(&s->keywords);
    mem_free(&s->mail_from);
    mem_free(&s->rcpt_to);
}

/* Seen octets: place, line_id u64, links u32, mail_from, rcpt_to (texts), keywords (list). */
void mail_seen_put(struct buf *b, const struct mail_seen *s)
{
    mail_place_put(b, &s->place);
    wire_put_u64(b, s->line_id);
    wire_put_u32(b, s->links);
    wire_put_text(b, s->mail_from);
    wire_put_text(b, s->rcpt_to);
    mail_words_put(b, &s->keywords);
}

void mail_seen_get(struct wire *w, struct mail_seen *s)
{
    *s = (struct mail_seen){0};
    mail_place_get(w, &s->place);
    s->line_id = wire_u64(w);
    s->links = wire_u32(w);
    s->mail_from = wire_text(w, PROTO_ADDRESS_MAX);
    s->rcpt_to = wire_text(w, PROTO_ADDRESS_MAX);
    mail_words_get(w, &s->keywords);
    if (s->place.name[0] == '\0')
        wire_fail(w);
}

void mail_answer_clear(struct mail_answer *a)
{
    for (uint32_t i = 0; i < a->messages_n; i++)
        mail_message_clear(&a->messages[i]);
    mem_free(&a->messages);
    a->messages_n = 0;
}

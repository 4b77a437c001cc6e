#include "arrival.h"

#include <arpa/inet.h>
#include <string.h>

#include "address.h"
#include "hookrow.h"
#include "jsonwrite.h"
#include "mem.h"
#include "news.h"
#include "tables.h"

static void put_text(struct jsonwrite *w, const char *key, const char *value)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, value);
}

static void put_bool(struct jsonwrite *w, const char *key, bool value)
{
    jsonwrite_key(w, key);
    jsonwrite_bool(w, value);
}

/* The address that "192.0.2.1 ESMTPS" begins with; "" when it came another way. mem_free. */
static char *address_in(const char *client)
{
    unsigned char octets[16];
    char *ip = mem_textn(client, strcspn(client, " "));
    if (inet_pton(AF_INET, ip, octets) != 1 && inet_pton(AF_INET6, ip, octets) != 1)
        ip[0] = '\0';
    return ip;
}

static void put_meta(struct jsonwrite *w, const struct arrival *a)
{
    char *ip = address_in(a->envelope->client);
    struct buf recipient = {0};
    const char *folder = a->result->stored_folder;
    jsonwrite_object(w);
    jsonwrite_key(w, "MsgID");
    jsonwrite_uint64(w, a->result->id);
    put_text(w, "MailFrom", a->envelope->sender);
    put_bool(w, "MailFromValidated", a->checks->spf == MAIL_PASS);
    put_bool(w, "MsgFromValidated", a->checks->dmarc == MAIL_PASS);
    address_write_shown(&recipient, a->recipient); /* as in the answers to MessageGet */
    put_text(w, "RcptTo", buf_text(&recipient));
    jsonwrite_key(w, "DKIMVerifiedDomains");
    jsonwrite_array(w);
    for (uint32_t i = 0; i < a->checks->dkim.n; i++)
        jsonwrite_text(w, a->checks->dkim.list[i]);
    jsonwrite_array_end(w);
    put_text(w, "RemoteIP", ip);
    jsonwrite_key(w, "Received");
    jsonwrite_time(w, a->envelope->received_ms);
    put_text(w, "MailboxName", folder[0] == '\0' ? "Inbox" : folder);
    put_bool(w, "Automated", a->says->automated);
    jsonwrite_object_end(w);
    mem_free(&ip);
    buf_free(&recipient);
}

/* The members in the middle are as the delivery agent wrote them. */
static char *payload(const struct arrival *a)
{
    struct buf b = {0};
    struct jsonwrite w;
    buf_putf(&b, "{\"Version\":0,%s,\"Meta\":", a->says->members);
    jsonwrite_open(&w, &b, JSONWRITE_HTML);
    put_meta(&w, a);
    jsonwrite_close(&w);
    buf_putc(&b, '}');
    return buf_take_text(&b);
}

char *arrival_example(const char *account, const char *recipient, int64_t now_ms)
{
    static const char members[] =
        "\"From\":[{\"Name\":\"\",\"Address\":\"test@example.org\"}],"
        "\"To\":[],\"CC\":[],\"BCC\":[],\"ReplyTo\":[],"
        "\"Subject\":\"A test of the webhook\",\"MessageID\":\"<test@example.org>\","
        "\"InReplyTo\":\"\",\"References\":[],\"Date\":null,"
        "\"Text\":\"This is a test.\\n\",\"HTML\":\"\",\"Structure\":{"
        "\"ContentType\":\"text/plain\",\"ContentTypeParams\":{},\"ContentID\":\"\","
        "\"ContentDisposition\":\"\",\"Filename\":\"\",\"DecodedSize\":17,\"Parts\":[]}";
    const struct mail_checks unchecked = {0};
    const struct deliver_incoming says = {(char *)members, false};
    struct deliver_result result = deliver_result_new(0, DELIVER_DONE);
    struct submit_envelope *e = submit_envelope_new(SUBMIT_SMTP);
    submit_set(&e->sender, "test@example.org");
    e->received_ms = now_ms;
    const struct arrival a = {account, e, 0, recipient, &result, &says, &unchecked};
    char *text = payload(&a);
    submit_envelope_free(&e);
    deliver_result_clear(&result);
    return text;
}

void arrival_note(struct ledger *l, struct store_txn *t, const struct settings *s,
                  const struct arrival *a, int64_t now_ms)
{
    /* The event is the receiving account's, and none of the sender's secrets are in it. */
    const struct submit_envelope envelope = {.account = (char *)a->account,
                                             .message_id = a->envelope->message_id,
                                             .subject = a->envelope->subject};
    const struct news news = {.type = EVENT_RECEIVED,
                              .envelope = &envelope,
                              .recipient = a->result->id,
                              .address = a->recipient,
                              .from_id = "",
                              .account = name_hash(l->secret, a->account)};
    struct hook_row hook;
    ledger_tell(l, t, s, a->message, &news, now_ms);
    if (a->says == NULL)
        return;
    char *text = payload(a);
    if (hookrow_make_incoming(s, a->account, text, now_ms, &hook)) {
        hookrow_insert(t, ledger_take_id(l, t), &hook);
        hook_row_clear(&hook);
    }
    mem_free(&text);
}

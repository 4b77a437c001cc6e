#include "page.h"

#include <assert.h>

#include "types.h"

/* What qmgr and hooks do, for those whose programs are called. */

static const struct method_field incoming[] = {
    {"Version", "integer", "0."},
    {"From, To, CC, BCC, ReplyTo", "[address]", "The header's, as in MessageGet."},
    {"Subject, MessageID, InReplyTo", "string", "The header's."},
    {"References", "[string]", "Message ids of the conversation, in lower case."},
    {"Date", "time or null", "The header's."},
    {"Text, HTML", "string", "The message's text in either form, in UTF-8."},
    {"Structure", "part", "As in MessageGet."},
    {"Meta", "arrival", "How it came."},
    {NULL, NULL, NULL},
};

static const struct method_field outgoing[] = {
    {"Event", "string",
     "delivered: the next server, or the mailbox, has the message. delayed: an attempt failed, and "
     "there will be another. failed: it was given up. suppressed: it was not tried, since the "
     "address is on the account's suppression list. canceled: an operator removed it. With DSN, "
     "also relayed: it went to where nobody tells more; expanded: it went to the members of a "
     "list; unrecognized: something came back that says nothing."},
    {"QueueMsgID", "integer", "The recipient's number, as Send returned it."},
    {"MessageID", "string", "The message's, as Send returned it."},
    {"Subject", "string", "The message's."},
    {"Extra", "{string: string}", "What was given to Send."},
    {"SMTPCode", "integer",
     "What the other server replied, such as 550. 0 without a reply, as where we found that the "
     "message cannot go, and with delivered and canceled."},
    {"SMTPEnhancedCode", "string",
     "Likewise, such as 5.1.1, or our own, such as 5.1.10 (null MX); empty when there was none."},
    {"Error", "string",
     "For people: what went wrong, with the first line of the other server's reply. Empty with "
     "delivered."},
    {"WebhookQueued", "time", "When it happened, as in RFC 3339."},
    {"Version", "integer", "0."},
    {"FromID", "string", "As Send returned it."},
    {"DSN", "bool",
     "Whether another server told it later, by a notice that came back to the FromID. Only of "
     "recipients that have one."},
    {"Suppressing", "bool",
     "Whether the address came onto the account's suppression list by this, and will get no more "
     "mail."},
    {"Recipient", "string", "The address."},
    {"Attempt", "integer", "Which attempt it was, 1 for the first; 0 when there was none."},
    {"ReplyCode", "integer",
     "What the other server replied to it, also with delivered; 0 for none."},
    {"Reply", "string", "All of that reply, its lines with their codes, ended by \\n."},
    {NULL, NULL, NULL},
};

const struct page_webhook page_webhooks_are[PAGE_WEBHOOKS] = {
    {"outgoing", "WebhookOutgoing", "webhookOutgoing", "What became of a recipient.", outgoing},
    {"incoming", "WebhookIncoming", "webhookIncoming", "Mail that came into the mailbox.",
     incoming},
};

static const struct method_field *arrival(void)
{
    struct type_of of;
    int rc = types_read(span_text("arrival"), &of);
    assert(rc == 0);
    return of.object->fields;
}

void page_webhooks(struct buf *out)
{
    buf_puts(
        out,
        "<h2>Webhooks</h2>\n<p>An account may have a URL, <code>webhook outgoing</code> in the "
        "server's configuration. What becomes of each recipient is POSTed there, one event a "
        "call, as a JSON object:</p>\n");
    page_fields(out, outgoing);
    buf_puts(
        out,
        "<p>With <code>supersede yes</code> in the configuration, a call that waits still gives "
        "way "
        "to later news of its recipient; otherwise all arrive.</p>\n"
        "<p>With <code>webhook incoming</code> mail that comes into the account's mailbox is told, "
        "too, but for notices that come back to a FromID, and those of this server:</p>\n");
    page_fields(out, incoming);
    buf_puts(out, "<p>In Meta stands:</p>\n");
    page_fields(out, arrival());
    buf_puts(
        out,
        "<p>The headers <code>X-Quartermaster-Webhook-ID</code> and "
        "<code>X-Quartermaster-Webhook-Attempt</code> (also as <code>X-Mox-</code>) tell calls "
        "and their attempts apart, <code>Authorization</code> is what the configuration says. With "
        "a <code>signing-key-file</code> in the configuration the call is signed, in "
        "<code>webhook-id</code>, <code>webhook-timestamp</code> and "
        "<code>webhook-signature</code>, as <a href=\"https://www.standardwebhooks.com\">Standard "
        "Webhooks</a> has it, and with two keys while one takes over from the other.</p>\n"
        "<p>Any 2xx is an answer that ends it, and so is 410. After all others, redirects among "
        "them, and when nothing comes for 60 seconds, it is tried again: after 1, 2, 4, 7\302\275, "
        "15 and 30 minutes and 1, 2, 4, 8 and 16 hours, or later if 429 or 503 comes with "
        "<code>Retry-After</code>; 12 times in all, unless the operator has set other limits. So "
        "calls can overtake each other, and one can come twice, with the same ID: so it is when an "
        "answer was lost, be it that this server ended between a call and its answer, and then the "
        "number of the attempt is higher. Only after a power failure it may be the same.</p>\n");
}

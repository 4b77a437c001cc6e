#include "answer.h"
#include "clock.h"
#include "cmd.h"
#include "finish.h"
#include "message.h"
#include "transaction.h"

/* "DATA", then the message and a line with a dot   (RFC 5321 section 4.1.1.4) */

void cmd_data(struct session *s, const struct verb_line *line)
{
    struct transaction *t = s->transaction;
    (void)line;
    if (t->envelope->recipients_n == 0) {
        answer_mistake(s, 503, "5.5.1", "no recipient so far");
        return;
    }
    if (s->server->memory >= s->settings->memory) {
        answer(s, 452, "4.3.1", "no room for the message, try again later");
        transaction_end(s);
        return;
    }
    t->message = message_new(s);
    answer(s, 354, NULL, "send the message, and a line with a dot");
    session_enter(s, STEP_DATA);
}

bool data_take(struct session *s, struct span *in)
{
    struct message *m = s->transaction->message;
    if (message_take(m, in))
        finish_message(s);
    else
        session_expect_data(s, message_until_ms(m));
    return true;
}

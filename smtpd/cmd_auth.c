#include "answer.h"
#include "base64.h"
#include "cmd.h"
#include "exchange.h"
#include "mem.h"
#include "offer.h"

/* "AUTH" SP Mechanism [ SP initial-response ], then challenges and answers in base64   (RFC 4954
 * section 4)
 *
 * What is said goes to the vault and comes from it; nothing of it is kept here. */

enum { ANSWER_MAX = 12288 /* octets of a line, its end not counted (RFC 4954 section 4) */ };

/* Whether AUTH may begin at all; else the reply says why not. */
static bool is_possible(struct session *s)
{
    if (s->port->kind == PORT_SMTP || s->port->kind == PORT_LOCAL)
        answer_mistake(s, 503, "5.5.1", "no authentication on this port");
    else if (s->account != NULL)
        answer_mistake(s, 503, "5.5.1", "you are authenticated already");
    else if (s->transaction != NULL)
        answer_mistake(s, 503, "5.5.1", "AUTH comes before MAIL");
    else if (!offer_auth(s))
        answer_mistake(s, 538, "5.7.11", "AUTH needs TLS: say STARTTLS first");
    else
        return true;
    return false;
}

void cmd_auth(struct session *s, const struct verb_line *line)
{
    struct span mechanism, initial;
    struct buf decoded = {0};
    bool has_initial;
    if (!is_possible(s))
        return;
    if (line->argument.n > ANSWER_MAX)
        answer_mistake(s, 500, "5.5.6", "line too long");
    else if (verb_auth(line->argument, &mechanism, &initial, &has_initial) != 0 ||
             base64_decode(&decoded, initial) != 0)
        answer_mistake(s, 501, "5.5.2", "AUTH needs a mechanism and perhaps a response in base64");
    else
        exchange_begin(s, mechanism, has_initial, buf_span(&decoded));
    buf_wipe(&decoded);
}

static void take_answer(struct session *s, struct span line)
{
    struct buf decoded = {0};
    if (span_is(line, "*")) {
        exchange_drop(s);
        answer_mistake(s, 501, "5.7.0", "authentication cancelled");
    } else if (base64_decode(&decoded, line) != 0) {
        exchange_drop(s);
        answer_mistake(s, 501, "5.5.2", "no base64");
    } else {
        exchange_answer(s, buf_span(&decoded));
    }
    buf_wipe(&decoded);
}

bool auth_take(struct session *s, struct span *in)
{
    ssize_t lf = span_find(*in, '\n');
    struct span line = {in->p, lf > 0 ? (size_t)lf - 1 : 0};
    if (lf < 0 && in->n < ANSWER_MAX + 2)
        return false;
    if (lf < 0 || line.n > ANSWER_MAX) {
        exchange_drop(s);
        answer_last(s, 500, "5.5.6", "line too long");
        *in = span_of(in->p + in->n, 0);
        return true;
    }
    *in = span_of(in->p + lf + 1, in->n - (size_t)lf - 1);
    if (lf == 0 || line.p[line.n] != '\r') {
        exchange_drop(s);
        answer_mistake(s, 500, "5.5.2", "lines end in CR LF");
        return true;
    }
    take_answer(s, line);
    return true;
}

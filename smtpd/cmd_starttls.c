#include "answer.h"
#include "cmd.h"

/* "STARTTLS"   (RFC 3207 section 4)
 *
 * Whatever came along behind the command came in clear, and somebody else may have written it: it
 * must not be read as said under TLS (section 6). Such a client is not talked to any further. */

void cmd_starttls(struct session *s, const struct verb_line *line)
{
    struct fail f = {{0}};
    (void)line;
    if (s->behind > 0) {
        log_warn(&s->log, "octets behind STARTTLS", LU("octets", s->behind));
        answer_last(s, 554, "5.5.0", "no command may follow STARTTLS in clear");
    } else if (s->tls_version != NULL) {
        answer_mistake(s, 503, "5.5.1", "TLS is active already");
    } else if (s->port->site == NULL) {
        answer_mistake(s, 502, "5.5.1", "TLS is not available here");
    } else if (s->account != NULL) {
        answer_mistake(s, 503, "5.5.1", "STARTTLS comes before AUTH");
    } else {
        SSL *ssl = site_accept(s->port->site, &f);
        if (ssl == NULL) {
            answer(s, 454, "4.7.0", "TLS is not available for now");
            return;
        }
        answer(s, 220, "2.0.0", "begin TLS");
        session_start_tls(s, ssl);
    }
}

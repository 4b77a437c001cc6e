#include "command.h"

#include "answer.h"
#include "ascii.h"
#include "cmd.h"
#include "transaction.h"

enum {
    NEEDS_NAME = 1,        /* EHLO or HELO came before */
    NEEDS_TRANSACTION = 2, /* MAIL came before */
    NEEDS_ACCOUNT = 4,     /* on the submission ports: after AUTH */
    IDLE = 8,              /* costs no mistake and brings no message nearer */
};

static const struct command {
    enum verb verb;
    void (*run)(struct session *s, const struct verb_line *line);
    unsigned needs;
} commands[] = {
    {VERB_EHLO, cmd_ehlo, IDLE},
    {VERB_HELO, cmd_helo, IDLE},
    {VERB_MAIL, cmd_mail, NEEDS_NAME | NEEDS_ACCOUNT},
    {VERB_RCPT, cmd_rcpt, NEEDS_NAME | NEEDS_TRANSACTION},
    {VERB_DATA, cmd_data, NEEDS_NAME | NEEDS_TRANSACTION},
    {VERB_RSET, cmd_rset, IDLE},
    {VERB_NOOP, cmd_noop, IDLE},
    {VERB_QUIT, cmd_quit, 0},
    {VERB_VRFY, cmd_vrfy, NEEDS_NAME | NEEDS_ACCOUNT | IDLE},
    {VERB_EXPN, cmd_vrfy, NEEDS_NAME | NEEDS_ACCOUNT | IDLE},
    {VERB_HELP, cmd_help, IDLE},
    {VERB_STARTTLS, cmd_starttls, NEEDS_NAME},
    {VERB_AUTH, cmd_auth, NEEDS_NAME},
};

static const struct command *find(enum verb verb)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (commands[i].verb == verb)
            return &commands[i];
    }
    return NULL;
}

static bool needs_account(const struct session *s)
{
    return (s->port->kind == PORT_SUBMISSION || s->port->kind == PORT_SUBMISSIONS) &&
           s->account == NULL;
}

/* Whether what the command needs is there; else the reply says what is missing. */
static bool is_in_order(struct session *s, const struct command *c)
{
    if ((c->needs & NEEDS_NAME) != 0 && s->name == NULL)
        answer_mistake(s, 503, "5.5.1", "say EHLO first");
    else if ((c->needs & NEEDS_ACCOUNT) != 0 && needs_account(s))
        answer_mistake(s, 530, "5.7.0", "authentication required");
    else if ((c->needs & NEEDS_TRANSACTION) != 0 && s->transaction == NULL)
        answer_mistake(s, 503, "5.5.1", "say MAIL first");
    else
        return true;
    return false;
}

/* Whoever says nothing but that keeps a place that others want, without ever being late. The count
 * begins anew with each recipient taken. */
static bool idles_too_long(struct session *s, const struct command *c)
{
    if ((c->needs & IDLE) == 0 || ++s->idle_commands <= s->settings->idle_commands)
        return false;
    log_info(&s->log, "too many commands without a message", LU("commands", s->idle_commands));
    answer_last(s, 421, "4.7.0", "too many commands without a message");
    return true;
}

/* Whoever does not begin with a command of SMTP speaks another protocol, and would go on with lines
 * somebody else wrote. */
static void refuse_stranger(struct session *s)
{
    log_info(&s->log, "not SMTP");
    server_count(s->server, COUNT_ERRORS, 1);
    answer_last(s, 500, "5.5.2", "this is an SMTP server");
}

static void run(struct session *s, struct span text)
{
    struct verb_line line;
    verb_parse(text, &line);
    const struct command *c = find(line.verb);
    bool first = !s->begun;
    s->begun = true;
    if (line.verb == VERB_UNKNOWN && first)
        refuse_stranger(s);
    else if (line.verb == VERB_UNKNOWN)
        answer_mistake(s, 500, "5.5.1", "command not known");
    else if (c == NULL)
        answer_mistake(s, 502, "5.5.1", "command not implemented");
    else if (line.control)
        answer_mistake(s, 501, "5.5.2", "control character in the command");
    else if (!verb_argument_fits(&line))
        answer_mistake(s, 501, "5.5.4", "%s needs %s argument", verb_rule(line.verb)->name,
                       line.argument.n > 0 ? "no" : "an");
    else if (is_in_order(s, c) && !idles_too_long(s, c))
        c->run(s, &line);
}

static void refuse_line(struct session *s, enum line_kind kind)
{
    static const char *const texts[] = {
        [LINE_TOO_LONG] = "line too long",
        [LINE_BARE_LF] = "lines end in CR LF",
        [LINE_BARE_CR] = "lines end in CR LF",
        [LINE_NUL] = "NUL in the line",
    };
    if (!s->begun)
        refuse_stranger(s);
    else
        answer_mistake(s, 500, kind == LINE_TOO_LONG ? "5.5.6" : "5.5.2", "%s", texts[kind]);
}

/* The first octet is enough to know TLS, and much else that never comes to the end of a line. */
static bool is_strange(const struct session *s, struct span in)
{
    return !s->begun && line_pending(&s->reader) == 0 && !ascii_is_alpha(in.p[0]);
}

bool command_take(struct session *s, struct span *in)
{
    struct span line;
    if (is_strange(s, *in)) {
        refuse_stranger(s);
        return true;
    }
    /* A line stays in the connection's buffer until it is complete, so that nowhere else is a copy
     * of what may be a password; what is longer than a line may be goes to the reader, to be
     * swallowed. */
    if (in->n < s->line_max && span_find(*in, '\n') < 0)
        return false;
    enum line_kind kind = line_next(&s->reader, in, &line);
    if (kind == LINE_MORE)
        return true;
    s->heard = true;
    s->behind = in->n;
    if (kind == LINE_OK)
        run(s, line);
    else
        refuse_line(s, kind);
    return true;
}

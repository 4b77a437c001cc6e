#include "hello.h"

#include "answer.h"
#include "log.h"
#include "mem.h"
#include "transaction.h"

static bool is_word(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return false;
    }
    return name.n > 0 && name.n <= SESSION_NAME_MAX;
}

int hello_take(struct session *s, const struct verb_line *line, bool extended)
{
    if (!is_word(line->argument)) {
        answer_mistake(s, 501, "5.5.4", "a host name or address literal is needed");
        return -1;
    }
    transaction_end(s);
    mem_free(&s->name);
    s->name = span_dup(line->argument);
    s->extended = extended;
    log_debug(&s->log, "hello", LS("name", s->name));
    return 0;
}

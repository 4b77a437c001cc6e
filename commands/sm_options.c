#include "sm_options.h"

#include <string.h>
#include <sysexits.h>

#include "ascii.h"
#include "sm_settings.h"

/* How an option takes its value. */
enum take {
    NONE,  /* a flag */
    VALUE, /* the rest of the word, else the next word */
    GLUED, /* the rest of the word, which may be empty */
    MAYBE, /* the rest of the word, else the next word unless that begins with a dash */
};

struct option {
    char letter;
    enum take take;
    /* Returns -1 to refuse the command line. NULL: accepted and ignored. */
    int (*apply)(struct sm_options *o, const char *value, struct fail *f);
};

static int from_header(struct sm_options *o, const char *value, struct fail *f)
{
    o->from_header = true;
    return 0;
}

static int ignore_dots(struct sm_options *o, const char *value, struct fail *f)
{
    o->ignore_dots = true;
    return 0;
}

static int gateway(struct sm_options *o, const char *value, struct fail *f)
{
    o->gateway = true;
    return 0;
}

static int verbose(struct sm_options *o, const char *value, struct fail *f)
{
    o->verbose = true;
    return 0;
}

static int json(struct sm_options *o, const char *value, struct fail *f)
{
    o->json = true;
    return 0;
}

static int aliases(struct sm_options *o, const char *value, struct fail *f)
{
    o->mode = SM_MODE_ALIASES;
    return 0;
}

static int config(struct sm_options *o, const char *value, struct fail *f)
{
    o->config = value;
    return 0;
}

/* What goes into the envelope or the header must not begin a line there. */
static int one_line(const char *what, const char *value, struct fail *f)
{
    if (strpbrk(value, "\r\n") != NULL)
        return fail_set(f, "%s must not hold a line break", what);
    return 0;
}

static int sender(struct sm_options *o, const char *value, struct fail *f)
{
    o->sender = value;
    return one_line("the sender", value, f);
}

static int name(struct sm_options *o, const char *value, struct fail *f)
{
    o->name = value;
    return one_line("the full name", value, f);
}

static const struct {
    const char *text;
    enum sm_mode mode;
} modes[] = {
    {"m", SM_MODE_SUBMIT},
    {"p", SM_MODE_LIST},
    {"i", SM_MODE_ALIASES},
    {"v", SM_MODE_VERIFY},
};

static const struct {
    const char *text, *why;
} refused_modes[] = {
    {"s", "SMTP on standard input is not offered: give the message itself to sendmail -t"},
    {"S", "batched SMTP is not offered: give each message itself to sendmail -t"},
    {"d", "the mail system is started by the service manager, as quartermaster"},
    {"D", "the mail system is started by the service manager, as quartermaster"},
    {"l", "the mail system is started by the service manager, as quartermaster"},
    {"h", "host status is not kept: qmctl status and qmctl queue list tell what there is"},
    {"H", "host status is not kept: there is none to be removed"},
    {"t", "there are no rewriting rules to be tested; -bv shows how addresses are read"},
};

static int mode(struct sm_options *o, const char *value, struct fail *f)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].text, value) == 0) {
            o->mode = modes[i].mode;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof refused_modes / sizeof refused_modes[0]; i++) {
        if (strcmp(refused_modes[i].text, value) != 0)
            continue;
        o->refusal = EX_UNAVAILABLE;
        return fail_set(f, "-b%s: %s", value, refused_modes[i].why);
    }
    return fail_set(f, "-b%s: no such mode of operation", value);
}

/* A number is the interval of a queue runner, and anything else asks for some way of running the
 * queue that there is not: both are taken as "now, once". */
static int flush(struct sm_options *o, const char *value, struct fail *f)
{
    static const char kinds[] = {
        [SM_FLUSH_ID] = 'I', [SM_FLUSH_RECIPIENT] = 'R', [SM_FLUSH_SENDER] = 'S'};
    o->mode = SM_MODE_FLUSH;
    o->flush = SM_FLUSH_ALL;
    o->flush_text = "";
    for (size_t i = SM_FLUSH_ID; i < sizeof kinds; i++) {
        if (value[0] == kinds[i]) {
            o->flush = (enum sm_flush)i;
            o->flush_text = value + 1;
        }
    }
    return 0;
}

static int queue_action(struct sm_options *o, const char *value, struct fail *f)
{
    o->refusal = EX_UNAVAILABLE;
    return fail_set(f, "-M: actions on queued messages are given to qmctl queue");
}

static int error_mode(struct sm_options *o, const char *value, struct fail *f)
{
    o->quiet = value[0] == 'q';
    return 0;
}

/* -oX, the short names of sendmail's own settings; those that say nothing here are ignored. */
static int short_setting(struct sm_options *o, const char *value, struct fail *f)
{
    if (value[0] == 'i')
        o->ignore_dots = !(value[1] != '\0' && strchr("fFnN0", value[1]) != NULL);
    else if (value[0] == 'e')
        return error_mode(o, value + 1, f);
    return 0;
}

static int trace_file(struct sm_options *o, const char *value, struct fail *f)
{
    if (value[0] == 'V')
        sm_settings_warn(o, "-XV: the sender stays as it is for every recipient");
    return 0;
}

static const struct option options[] = {
    {'A', VALUE, NULL}, /* which of sendmail's own configurations */
    {'B', VALUE, sm_settings_body},
    {'b', VALUE, mode},
    {'C', VALUE, config},
    {'c', NONE, NULL},  /* no connections to expensive mailers now */
    {'D', VALUE, NULL}, /* file for debugging output */
    {'d', MAYBE, NULL}, /* debugging */
    {'E', GLUED, NULL}, /* from Sony NEWS and Exim */
    {'e', MAYBE, error_mode},
    {'F', VALUE, name},
    {'f', VALUE, sender},
    {'G', NONE, gateway},
    {'h', VALUE, NULL}, /* hop count; Received fields are counted instead */
    {'I', NONE, aliases},
    {'i', NONE, ignore_dots},
    {'J', GLUED, NULL}, /* from Sony NEWS */
    {'j', NONE, json},
    {'k', NONE, NULL},
    {'L', VALUE, NULL}, /* tag for the log */
    {'M', GLUED, queue_action},
    {'m', NONE, NULL}, /* me too */
    {'N', VALUE, sm_settings_notify},
    {'n', NONE, NULL}, /* no aliasing */
    {'O', VALUE, sm_settings_long},
    {'o', VALUE, short_setting},
    {'p', VALUE, NULL}, /* protocol and host the message came by */
    {'q', GLUED, flush},
    {'R', VALUE, sm_settings_ret},
    {'r', VALUE, sender},
    {'t', NONE, from_header},
    {'U', NONE, NULL}, /* first submission */
    {'V', VALUE, sm_settings_envid},
    {'v', NONE, verbose},
    {'X', VALUE, trace_file},
    {'x', NONE, NULL}, /* from the mailx of OSF/1 and AIX */
};

static const struct {
    const char *program;
    enum sm_mode mode;
    bool rmail;
} programs[] = {
    {"sendmail", SM_MODE_SUBMIT, false},    {"send-mail", SM_MODE_SUBMIT, false},
    {"rmail", SM_MODE_SUBMIT, true},        {"mailq", SM_MODE_LIST, false},
    {"newaliases", SM_MODE_ALIASES, false},
};

static void start(struct sm_options *o, const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    *o = (struct sm_options){.flush_text = "", .program = "sendmail", .refusal = EX_USAGE};
    if (slash != NULL)
        path = slash + 1;
    for (size_t i = 0; path != NULL && i < sizeof programs / sizeof programs[0]; i++) {
        if (strcmp(path, programs[i].program) == 0) {
            o->program = programs[i].program;
            o->mode = programs[i].mode;
            o->rmail = o->ignore_dots = programs[i].rmail;
        }
    }
}

static const struct option *find(char letter)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (options[i].letter == letter)
            return &options[i];
    }
    return NULL;
}

/* The words not read yet. */
struct words {
    char *const *v;
    size_t n;
};

/* The value of an option behind which rest stands in its word. NULL when there is none. */
static const char *value_of(const struct option *option, const char *rest, struct words *next)
{
    if (option->take == NONE)
        return "";
    if (rest[0] != '\0' || option->take == GLUED)
        return rest;
    if (next->n > 0 && (option->take == VALUE || next->v[0][0] != '-')) {
        next->n--;
        return *next->v++;
    }
    return option->take == MAYBE ? "" : NULL;
}

/* One word of options, behind its dash. */
static int read_word(struct sm_options *o, const char *word, struct words *next, struct fail *f)
{
    for (; *word != '\0'; word++) {
        const struct option *option = find(*word);
        if (option == NULL) {
            sm_settings_warn(o, "-%s: unknown, passed over", word);
            return 0;
        }
        const char *value = value_of(option, word + 1, next);
        if (value == NULL)
            return fail_set(f, "-%c needs a value", *word);
        if (option->apply != NULL && option->apply(o, value, f) != 0)
            return -1;
        if (option->take != NONE)
            return 0;
    }
    return 0;
}

/* Words that begin with two dashes, but for the two dashes alone. */
static void read_long(struct sm_options *o, const char *word)
{
    if (strcmp(word, "--help") == 0)
        o->mode = SM_MODE_HELP;
    else if (strcmp(word, "--version") == 0)
        o->mode = SM_MODE_VERSION;
    else
        sm_settings_warn(o, "%s: unknown, passed over", word);
}

static int read_operands(struct sm_options *o, struct words rest, bool told, struct fail *f)
{
    o->operands = rest.v;
    o->operands_n = rest.n;
    for (size_t i = 0; i < rest.n; i++) {
        if (one_line("a recipient", rest.v[i], f) != 0)
            return -1;
        if (!told && rest.v[i][0] == '-')
            sm_settings_warn(o, "%s stands behind an operand and is taken as one", rest.v[i]);
    }
    return 0;
}

int sm_options_read(struct sm_options *o, int argc, char *const *argv, struct fail *f)
{
    struct words next = {argv + 1, argc > 0 ? (size_t)argc - 1 : 0};
    bool told = false;
    start(o, argc > 0 ? argv[0] : NULL);
    while (next.n > 0 && !told && next.v[0][0] == '-' && next.v[0][1] != '\0') {
        const char *word = *next.v++;
        next.n--;
        if (strcmp(word, "--") == 0)
            told = true;
        else if (word[1] == '-')
            read_long(o, word);
        else if (read_word(o, word + 1, &next, f) != 0)
            return -1;
    }
    if (o->json && o->mode != SM_MODE_LIST)
        sm_settings_warn(o, "-j: only a list of the queue can be JSON");
    return read_operands(o, next, told, f);
}

void sm_options_clear(struct sm_options *o)
{
    buf_free(&o->warnings);
}

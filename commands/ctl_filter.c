#include "ctl_filter.h"

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "ascii.h"
#include "clock.h"
#include "ctl_when.h"
#include "domain.h"
#include "mem.h"
#include "qid.h"

#define PAGE 100
#define ACTIONS (CTL_ACTION | CTL_HOOKS_ACTION)
#define RECIPIENTS (CTL_QUEUE | CTL_RETIRED | CTL_ACTION)

enum {
    ACCOUNT = 256,
    FROM,
    FROM_DOMAIN,
    TO,
    DOMAIN,
    TRANSPORT,
    HELD,
    NOT_HELD,
    ATTEMPTS,
    SUBMITTED,
    NEXT,
    ENDED,
    DELIVERED,
    FAILED,
    EVENT,
    ALL,
    IN,
    LATER,
    SORT,
    ASCENDING,
    DESCENDING,
    LIMIT,
    AFTER
};

static const struct known {
    const char *name, *argument;
    int code;
    unsigned where;
    const char *doc;
} known[] = {
    {"message", NULL, 'm', RECIPIENTS, "the ids are of messages: all their recipients"},
    {"account", "NAME", ACCOUNT, CTL_LISTS | ACTIONS, "of this account"},
    {"from", "TEXT", FROM, RECIPIENTS, "the sender has TEXT in it"},
    {"from-domain", "NAME", FROM_DOMAIN, RECIPIENTS, "the sender's domain is this"},
    {"to", "TEXT", TO, RECIPIENTS, "the recipient has TEXT in it"},
    {"domain", "NAME", DOMAIN, RECIPIENTS, "the recipient's domain is this"},
    {"transport", "NAME", TRANSPORT, RECIPIENTS,
     "the operator chose this transport; '': did not choose"},
    {"held", NULL, HELD, CTL_QUEUE | CTL_ACTION, "it is held"},
    {"not-held", NULL, NOT_HELD, CTL_QUEUE | CTL_ACTION, "it is not"},
    {"event", "NAME", EVENT, CTL_HOOKS | CTL_HOOKS_RETIRED | CTL_HOOKS_ACTION,
     "it tells of this event; incoming: of mail that came"},
    {"attempts", "N", ATTEMPTS, CTL_LISTS | ACTIONS, "at least N attempts were made"},
    {"submitted", "WHEN", SUBMITTED, CTL_LISTS | ACTIONS,
     "it came before or after a time: '<-1h', '>-30m'"},
    {"next", "WHEN", NEXT, CTL_QUEUE | CTL_HOOKS | ACTIONS,
     "the next attempt is before or after: '<now', '>+1h'"},
    {"ended", "WHEN", ENDED, CTL_RETIRED | CTL_HOOKS_RETIRED, "it ended before or after: '>-1d'"},
    {"delivered", NULL, DELIVERED, CTL_RETIRED | CTL_HOOKS_RETIRED, "it was delivered"},
    {"failed", NULL, FAILED, CTL_RETIRED | CTL_HOOKS_RETIRED, "it was not"},
    {"in", "DURATION", IN, CTL_HOOKS_ACTION, "kick: the next attempt is so long from now (0)"},
    {"later", "DURATION", LATER, CTL_HOOKS_ACTION,
     "kick: it is so much later than it would have been"},
    {"all", NULL, ALL, ACTIONS, "everybody: an action wants to be told whom"},
    {"count", NULL, 'n', ACTIONS, "only say how many it would be"},
    {"dry-run", NULL, 'n', ACTIONS, "the same"},
    {"sort", "FIELD", SORT, CTL_LISTS, NULL},
    {"asc", NULL, ASCENDING, CTL_LISTS, "the earliest first"},
    {"desc", NULL, DESCENDING, CTL_LISTS, "the latest first"},
    {"limit", "N", LIMIT, CTL_LISTS, "at most N rows (default all)"},
    {"after", "PLACE", AFTER, CTL_LISTS, "go on where a limited list said it ended"},
};
#define KNOWN (sizeof known / sizeof known[0])

/* The orders of a list, the one it has by itself first. */
static const struct order {
    unsigned where;
    const char *name;
    enum admin_sort sort;
    bool descending; /* by itself */
} orders[] = {
    {CTL_QUEUE | CTL_HOOKS, "next", ADMIN_BY_TIME, false},
    {CTL_RETIRED | CTL_HOOKS_RETIRED, "ended", ADMIN_BY_TIME, true},
    {CTL_LISTS, "submitted", ADMIN_BY_ID, false},
};
#define ORDERS (sizeof orders / sizeof orders[0])

static void explain(FILE *out, const struct known *k, const char *doc)
{
    char words[40];
    if (k->code < 128)
        (void)snprintf(words, sizeof words, "-%c, --%s", k->code, k->name);
    else
        (void)snprintf(words, sizeof words, "    --%s%s%s", k->name, k->argument ? " " : "",
                       k->argument ? k->argument : "");
    (void)fprintf(out, "  %-22s %s\n", words, doc);
}

void ctl_filter_usage(FILE *out, unsigned where)
{
    (void)fprintf(out, "  %-22s %s\n", "ID ...", "by their id (#N: as a decimal number)");
    for (size_t i = 0; i < KNOWN; i++) {
        const struct known *k = &known[i];
        if ((k->where & where) == 0)
            continue;
        const char *doc = k->doc != NULL ? k->doc
                          : (where & (CTL_QUEUE | CTL_HOOKS)) == 0
                              ? "ended (the default, latest first) or submitted"
                          : (where & CTL_HOOKS_RETIRED)
                              ? "next, of retired ones ended, or submitted"
                              : "next (the default) or submitted";
        explain(out, k, doc);
    }
}

static void set(char **field, const char *value)
{
    mem_free(field);
    *field = mem_text(value);
}

static int read_number(const char *text, uint64_t max, const char *option, uint64_t *n)
{
    if (ascii_u64(span_text(text), max, n) == 0)
        return 0;
    return ctl_fail(EX_USAGE, "--%s takes a number", option);
}

static int read_when(const char *text, int64_t *after_ms, int64_t *before_ms)
{
    struct fail f;
    if (ctl_when_read(text, clock_wall_ms(), after_ms, before_ms, &f) == 0)
        return 0;
    return ctl_fail(EX_USAGE, "%s", f.text);
}

static int read_span(const char *text, int64_t *ms)
{
    struct fail f;
    if (ctl_when_span(text, ADMIN_DELAY_MAX_MS, ms, &f) == 0)
        return 0;
    return ctl_fail(EX_USAGE, "%s", f.text);
}

int ctl_domain_read(const char *text, char **domain)
{
    struct fail f;
    struct span s = span_text(text);
    if (s.n > 0 && s.p[0] == '@')
        s = span_of(s.p + 1, s.n - 1);
    mem_free(domain);
    bool literal = s.n > 0 && s.p[0] == '[';
    if ((literal ? domain_parse_literal : domain_parse)(s, domain, &f) == 0)
        return 0;
    return ctl_fail(EX_USAGE, "not a domain: %s", text);
}

/* The options of a filter. Returns -1 for others. */
static int read_criterion(struct admin_filter *a, int o)
{
    uint64_t n;
    switch (o) {
    case ACCOUNT:
        set(&a->account, optarg);
        return 0;
    case FROM:
        set(&a->from, optarg);
        return 0;
    case TO:
        set(&a->to, optarg);
        return 0;
    case FROM_DOMAIN:
        return ctl_domain_read(optarg, &a->from_domain);
    case DOMAIN:
        return ctl_domain_read(optarg, &a->domain);
    case TRANSPORT:
        set(&a->transport, optarg);
        a->unrouted = optarg[0] == '\0';
        return 0;
    case HELD:
    case NOT_HELD:
        a->held = o == HELD ? ADMIN_HELD_YES : ADMIN_HELD_NO;
        return 0;
    case DELIVERED:
    case FAILED:
        a->success = o == DELIVERED ? ADMIN_SUCCESS_YES : ADMIN_SUCCESS_NO;
        return 0;
    case EVENT:
        set(&a->event, optarg);
        return 0;
    case ATTEMPTS:
        if (read_number(optarg, UINT16_MAX, "attempts", &n) != 0)
            return EX_USAGE;
        a->attempts = (uint16_t)n;
        return 0;
    case SUBMITTED:
        return read_when(optarg, &a->submitted_after_ms, &a->submitted_before_ms);
    case NEXT:
    case ENDED:
        return read_when(optarg, &a->next_after_ms, &a->next_before_ms);
    default:
        return -1;
    }
}

static const struct order *find_order(unsigned where, const char *name)
{
    for (size_t i = 0; i < ORDERS; i++) {
        if ((orders[i].where & where) != 0 && (name == NULL || strcmp(orders[i].name, name) == 0))
            return &orders[i];
    }
    return NULL;
}

char *ctl_place_text(struct admin_place p)
{
    char id[QID_SIZE];
    return mem_format("%lld:%s", (long long)p.ms, qid_text(p.id, id));
}

static int read_place(const char *text, struct admin_place *p)
{
    const char *colon = strchr(text, ':');
    uint64_t ms = 0;
    bool held = strncmp(text, "-1:", 3) == 0;
    if (colon == NULL || qid_parse(span_text(colon + 1), &p->id) != 0 ||
        (!held && ascii_u64(span_of(text, (size_t)(colon - text)), INT64_MAX, &ms) != 0))
        return ctl_fail(EX_USAGE, "not a place in a list: %s", text);
    p->ms = held ? -1 : (int64_t)ms;
    return 0;
}

/* What is said of the order, until all of it is known. */
struct ordering {
    const struct order *order;
    int direction; /* ASCENDING, DESCENDING, 0 */
};

static int read_option(struct ctl_filter *f, struct ordering *by, unsigned where, int o)
{
    uint64_t n = 0;
    int rc = read_criterion(&f->query.filter, o);
    if (rc != -1) {
        f->empty = false;
        return rc;
    }
    switch (o) {
    case ALL:
        f->all = true;
        return 0;
    case IN:
    case LATER:
        f->later_set = o == LATER;
        return read_span(optarg, &f->by_ms);
    case 'n':
        f->dry = true;
        return 0;
    case 'm':
        f->query.filter.messages = true;
        return 0;
    case SORT:
        by->order = find_order(where, optarg);
        return by->order != NULL ? 0 : ctl_fail(EX_USAGE, "no such order: %s", optarg);
    case ASCENDING:
    case DESCENDING:
        by->direction = o;
        return 0;
    case LIMIT:
        rc = read_number(optarg, UINT32_MAX, "limit", &n);
        f->limit = (uint32_t)n;
        return rc;
    case AFTER:
        return read_place(optarg, &f->query.after);
    default:
        return EX_USAGE;
    }
}

static int add_id(struct ctl_filter *f, const char *text)
{
    uint64_t id;
    struct admin_filter *a = &f->query.filter;
    int rc = ctl_id(text, &id);
    if (rc != 0)
        return rc;
    if (a->ids_n >= ADMIN_IDS_MAX)
        return ctl_fail(EX_USAGE, "more than %d ids at once", ADMIN_IDS_MAX);
    a->ids = mem_resize(a->ids, (a->ids_n + 1) * sizeof *a->ids);
    a->ids[a->ids_n++] = id;
    f->empty = false;
    return 0;
}

/* What getopt_long wants to know. */
static void fill_options(struct option *options, char *brief)
{
    for (size_t i = 0; i < KNOWN; i++) {
        options[i] = (struct option){known[i].name,
                                     known[i].argument != NULL ? required_argument : no_argument,
                                     NULL, known[i].code};
        if (known[i].code < 128 && strchr(brief, known[i].code) == NULL)
            brief[strlen(brief)] = (char)known[i].code;
    }
}

/* Refuses an option that has no meaning there: it would seem to narrow what it does not. */
static int check_place(const char *word, unsigned where, int code)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (known[i].code == code && (known[i].where & where) == 0)
            return ctl_fail(EX_USAGE, "%s has no --%s", word, known[i].name);
    }
    return 0;
}

int ctl_filter_read(struct ctl_filter *f, unsigned where, int argc, char **argv)
{
    struct option options[KNOWN + 1] = {{0}};
    char brief[8] = "";
    struct ordering by = {find_order(where, NULL), 0};
    int o, rc = 0;
    *f = (struct ctl_filter){.empty = true, .query.limit = PAGE};
    fill_options(options, brief);
    optind = 0;
    while (rc == 0 && (o = getopt_long(argc, argv, brief, options, NULL)) != -1) {
        rc = check_place(argv[0], where, o);
        if (rc == 0)
            rc = read_option(f, &by, where, o);
    }
    if (rc == 0 && (where & CTL_ARGUMENT) != 0 && optind < argc)
        f->argument = argv[optind++];
    for (; rc == 0 && optind < argc; optind++)
        rc = add_id(f, argv[optind]);
    if (by.order != NULL) {
        f->query.sort = by.order->sort;
        f->query.descending = by.direction == 0 ? by.order->descending : by.direction == DESCENDING;
    }
    if (rc != 0)
        ctl_filter_clear(f);
    return rc;
}

void ctl_filter_clear(struct ctl_filter *f)
{
    admin_filter_clear(&f->query.filter);
}

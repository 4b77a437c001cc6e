#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ascii.h"
#include "ctl_filter.h"
#include "jsonwrite.h"
#include "mem.h"

void ctl_hold_help(FILE *out)
{
    (void)fputs("usage: qmctl hold list\n"
                "       qmctl hold add [-n] RULE\n"
                "       qmctl hold remove NUMBER\n"
                "\n"
                "  add      hold what is in the queue and fits the rule, and what comes and does\n"
                "  remove   of what comes, hold no more by this rule; what is held stays held\n"
                "\nRULE, all of which must hold:\n"
                "      --account NAME      of this account\n"
                "      --from-domain NAME  the sender's domain is this; the null sender has none\n"
                "      --domain NAME       the recipient's domain is this\n"
                "      --all               everything: a rule wants to be told\n"
                "  -n, --dry-run           only say how many are in the queue that it fits\n",
                out);
}

/* ---- list ---- */

static void put_text(struct jsonwrite *w, const char *key, const char *text)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, text);
}

static void put_number(struct jsonwrite *w, const char *key, uint64_t v)
{
    jsonwrite_key(w, key);
    jsonwrite_uint64(w, v);
}

static void print_json(const struct admin_hold_rules *rules)
{
    struct buf b = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &b, 0);
    jsonwrite_array(&w);
    for (uint32_t i = 0; i < rules->rules_n; i++) {
        const struct admin_hold_rule *r = &rules->rules[i];
        jsonwrite_object(&w);
        put_number(&w, "rule", r->id);
        jsonwrite_key(&w, "created");
        jsonwrite_time(&w, r->created_ms);
        put_text(&w, "account", r->account);
        put_text(&w, "from_domain", r->from_domain);
        put_text(&w, "domain", r->domain);
        jsonwrite_object_end(&w);
    }
    jsonwrite_array_end(&w);
    jsonwrite_close(&w);
    ctl_print(&b);
}

static const char *or_any(const char *text)
{
    return text[0] == '\0' ? "any" : text;
}

static void print_table(const struct admin_hold_rules *rules)
{
    static const char *const headings[] = {"RULE", "SINCE", "ACCOUNT", "FROM", "TO", NULL};
    struct ctl_table *t = ctl_table_new(headings);
    char when[40];
    for (uint32_t i = 0; i < rules->rules_n; i++) {
        const struct admin_hold_rule *r = &rules->rules[i];
        ctl_table_cell(t, "%llu", (unsigned long long)r->id);
        ctl_table_cell(t, "%s", ctl_time_text(r->created_ms, when, sizeof when));
        ctl_table_cell(t, "%s", or_any(r->account));
        ctl_table_cell(t, "%s", or_any(r->from_domain));
        ctl_table_cell(t, "%s", or_any(r->domain));
    }
    ctl_table_print(&t);
}

static int refused(const struct fail *f)
{
    return ctl_fail(ctl_code(f->text, EX_TEMPFAIL), "%s", f->text);
}

static int list(struct ctl *c)
{
    struct admin_hold_rules rules;
    struct fail f;
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = admin_ask_hold_rules(fd, &rules, &f);
    (void)close(fd);
    if (rc != 0)
        return refused(&f);
    if (c->json)
        print_json(&rules);
    else if (rules.rules_n == 0)
        (void)puts("no rules");
    else
        print_table(&rules);
    admin_hold_rules_clear(&rules);
    return EX_OK;
}

/* ---- add ---- */

struct wanted {
    struct admin_hold_rule rule;
    bool all, dry;
};

static int read_option(struct wanted *w, int o)
{
    switch (o) {
    case 'a':
        mem_free(&w->rule.account);
        w->rule.account = mem_text(optarg);
        return 0;
    case 'f':
        return ctl_domain_read(optarg, &w->rule.from_domain);
    case 'd':
        return ctl_domain_read(optarg, &w->rule.domain);
    case 'A':
        w->all = true;
        return 0;
    case 'n':
        w->dry = true;
        return 0;
    default:
        return EX_USAGE;
    }
}

static bool is_said(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int read_rule(struct wanted *w, int argc, char **argv)
{
    static const struct option options[] = {
        {"account", required_argument, NULL, 'a'}, {"from-domain", required_argument, NULL, 'f'},
        {"domain", required_argument, NULL, 'd'},  {"all", no_argument, NULL, 'A'},
        {"dry-run", no_argument, NULL, 'n'},       {NULL, 0, NULL, 0},
    };
    int o, code = 0;
    optind = 0;
    while (code == 0 && (o = getopt_long(argc, argv, "n", options, NULL)) != -1)
        code = read_option(w, o);
    if (code != 0)
        return code;
    if (optind < argc)
        return ctl_fail(EX_USAGE, "a rule has no '%s': qmctl hold -h", argv[optind]);
    const struct admin_hold_rule *r = &w->rule;
    if (!is_said(r->account) && !is_said(r->from_domain) && !is_said(r->domain) && !w->all)
        return ctl_fail(EX_USAGE, "say what is to be held: an account, a domain, or --all");
    return 0;
}

static int ask(int fd, const struct wanted *w, uint64_t *id, uint64_t *count, struct fail *f)
{
    if (!w->dry)
        return admin_ask_hold_add(fd, &w->rule, id, count, f);
    struct admin_filter filter = admin_hold_filter(&w->rule);
    *id = 0;
    int rc = admin_ask_act(fd, ADMIN_HOLD, NULL, &filter, true, count, f);
    admin_filter_clear(&filter);
    return rc;
}

static void say(const struct ctl *c, const struct wanted *w, uint64_t id, uint64_t count)
{
    unsigned long long n = count;
    const char *s = count == 1 ? "" : "s";
    if (c->json && w->dry)
        (void)printf("{\"recipients\":%llu,\"dry_run\":true}\n", n);
    else if (c->json)
        (void)printf("{\"rule\":%llu,\"recipients\":%llu,\"dry_run\":false}\n",
                     (unsigned long long)id, n);
    else if (w->dry)
        (void)printf("%llu recipient%s would be held\n", n, s);
    else
        (void)printf("rule %llu: %llu recipient%s held, and what comes\n", (unsigned long long)id,
                     n, s);
}

static int add(struct ctl *c, const struct wanted *w)
{
    struct fail f;
    uint64_t id, count;
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = ask(fd, w, &id, &count, &f);
    (void)close(fd);
    if (rc != 0)
        return refused(&f);
    say(c, w, id, count);
    return EX_OK;
}

/* ---- remove ---- */

static int remove_rule(struct ctl *c, const char *number)
{
    struct fail f;
    uint64_t id;
    if (ascii_u64(span_text(number), UINT64_MAX, &id) != 0)
        return ctl_fail(EX_USAGE, "not the number of a rule: %s", number);
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int rc = admin_ask_hold_remove(fd, id, &f);
    (void)close(fd);
    if (rc != 0)
        return refused(&f);
    if (c->json)
        (void)printf("{\"done\":true}\n");
    else
        (void)printf("rule %llu removed; what it held stays held\n", (unsigned long long)id);
    return EX_OK;
}

int ctl_hold(struct ctl *c, int argc, char **argv)
{
    struct wanted w = {0};
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list(c);
    if (argc == 3 && strcmp(argv[1], "remove") == 0)
        return remove_rule(c, argv[2]);
    if (argc < 2 || strcmp(argv[1], "add") != 0) {
        ctl_hold_help(stderr);
        return EX_USAGE;
    }
    int code = read_rule(&w, argc - 1, argv + 1);
    if (code == 0)
        code = add(c, &w);
    admin_hold_rule_clear(&w.rule);
    return code;
}

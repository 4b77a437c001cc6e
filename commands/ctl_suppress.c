#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "ctl.h"
#include "jsonwrite.h"
#include "mem.h"
#include "proto_suppress.h"

#define PAGE 500

static const char *const classes[SUPPRESS_CLASSES] = {"bad address", "full",  "policy",
                                                      "spam",        "other", "manual"};

void ctl_suppress_help(FILE *out)
{
    (void)fputs(
        "usage: qmctl suppress list [ACCOUNT]\n"
        "       qmctl suppress add ACCOUNT ADDRESS [REASON]\n"
        "       qmctl suppress remove|lookup ACCOUNT ADDRESS\n"
        "\n"
        "  list      to which addresses no mail of the account is sent, or of all accounts\n"
        "  add       put one there\n"
        "  remove    take it, in any of its variants, off the list\n"
        "  lookup    whether it, or a variant of it, is there; exit code 65 when it is not\n",
        out);
}

/* ---- what is printed ---- */

static void put_text(struct jsonwrite *w, const char *key, const char *text)
{
    jsonwrite_key(w, key);
    jsonwrite_text(w, text);
}

static void put_row(struct jsonwrite *w, const struct suppression *s)
{
    jsonwrite_object(w);
    jsonwrite_key(w, "id");
    jsonwrite_uint64(w, s->id);
    put_text(w, "account", s->account);
    put_text(w, "address", s->original);
    put_text(w, "base", s->base);
    jsonwrite_key(w, "manual");
    jsonwrite_bool(w, s->manual);
    put_text(w, "class", classes[s->class]);
    put_text(w, "reason", s->reason);
    jsonwrite_key(w, "created");
    jsonwrite_time(w, s->created_ms);
    jsonwrite_key(w, "expires");
    if (s->expires_ms == 0)
        jsonwrite_null(w);
    else
        jsonwrite_time(w, s->expires_ms);
    jsonwrite_object_end(w);
}

static void table_row(struct ctl_table *t, const struct suppression *s)
{
    char time[32];
    ctl_table_cell(t, "%s", s->account);
    ctl_table_cell(t, "%s", s->original);
    ctl_table_cell(t, "%s", ctl_time_text(s->created_ms, time, sizeof time));
    ctl_table_cell(t, "%s",
                   s->expires_ms == 0 ? "-" : ctl_time_text(s->expires_ms, time, sizeof time));
    ctl_table_cell(t, "%s", classes[s->class]);
    ctl_table_cell(t, "%s", s->reason);
}

/* Where rows go: one of the two. */
struct output {
    struct ctl_table *table;
    struct jsonwrite json;
    struct buf text;
};

static void begin(struct output *o, const struct ctl *c, bool array)
{
    static const char *const headings[] = {"ACCOUNT", "ADDRESS", "CREATED", "EXPIRES",
                                           "CLASS",   "REASON",  NULL};
    *o = (struct output){.table = c->json ? NULL : ctl_table_new(headings)};
    jsonwrite_open(&o->json, &o->text, 0);
    if (array)
        jsonwrite_array(&o->json);
}

static void show(struct output *o, const struct suppress_answer *a)
{
    for (uint32_t i = 0; i < a->rows_n; i++) {
        if (o->table == NULL)
            put_row(&o->json, &a->rows[i]);
        else
            table_row(o->table, &a->rows[i]);
    }
}

static void end(struct output *o, bool array, bool good)
{
    if (array)
        jsonwrite_array_end(&o->json);
    jsonwrite_close(&o->json);
    if (o->table == NULL && good)
        ctl_print(&o->text);
    buf_free(&o->text);
    if (o->table != NULL)
        ctl_table_print(&o->table);
}

/* ---- what is asked ---- */

static int failed(const struct fail *f)
{
    return ctl_fail(ctl_code(f->text, EX_TEMPFAIL), "%s", f->text);
}

static int list_account(int fd, const char *account, struct output *o)
{
    uint64_t after = 0;
    do {
        struct suppress_answer a;
        struct fail f;
        if (suppress_ask_list(fd, account, after, PAGE, &a, &f) != 0)
            return failed(&f);
        show(o, &a);
        after = a.next;
        suppress_answer_clear(&a);
    } while (after != 0);
    return EX_OK;
}

static int list(struct ctl *c, int fd, const char *account)
{
    struct output o;
    int code = EX_OK;
    if (account == NULL && c->conf == NULL)
        return ctl_fail(EX_USAGE, "the configuration cannot be read: say of which account");
    begin(&o, c, true);
    if (account != NULL)
        code = list_account(fd, account, &o);
    for (const struct conf_block *a = NULL;
         account == NULL && code == EX_OK &&
         (a = conf_next(conf_root(c->conf), "account", a)) != NULL;)
        code = list_account(fd, conf_label(a), &o);
    end(&o, true, code == EX_OK);
    return code;
}

static int add(int fd, const char *account, const char *address, const char *reason)
{
    const struct suppression s = {.account = (char *)account,
                                  .original = (char *)address,
                                  .manual = true,
                                  .class = SUPPRESS_MANUAL,
                                  .reason =
                                      (char *)(reason == NULL ? "added through qmctl" : reason)};
    struct suppress_answer a;
    struct fail f;
    if (suppress_ask_add(fd, &s, &a, &f) != 0)
        return failed(&f);
    suppress_answer_clear(&a);
    if (a.result == SUPPRESS_NOBODY)
        return ctl_fail(EX_DATAERR, "there is no account %s", account);
    return a.result == SUPPRESS_DONE
               ? EX_OK
               : ctl_fail(EX_DATAERR, "%s, or a variant of it, is on the list already", address);
}

static int is_absent(const char *address)
{
    return ctl_fail(EX_DATAERR, "%s is not on the list", address);
}

static int take_off(int fd, const char *account, const char *address)
{
    struct suppress_answer a;
    struct fail f;
    if (suppress_ask_remove(fd, account, address, &a, &f) != 0)
        return failed(&f);
    suppress_answer_clear(&a);
    return a.result == SUPPRESS_DONE ? EX_OK : is_absent(address);
}

static int look_up(struct ctl *c, int fd, const char *account, const char *address)
{
    struct suppress_answer a;
    struct output o;
    struct fail f;
    if (suppress_ask_find(fd, account, address, &a, &f) != 0)
        return failed(&f);
    bool found = a.rows_n == 1;
    if (found) {
        begin(&o, c, false);
        show(&o, &a);
        end(&o, false, true);
    }
    suppress_answer_clear(&a);
    return found ? EX_OK : is_absent(address);
}

static int with_address(struct ctl *c, int argc, char **argv)
{
    struct address a;
    struct fail f;
    if (address_parse(span_text(argv[3]), &a, &f) != 0)
        return ctl_fail(EX_USAGE, "%s: %s", argv[3], f.text);
    char *address = address_text(&a);
    int fd = ctl_admin(c), code = c->unreached;
    address_clear(&a);
    if (fd >= 0 && strcmp(argv[1], "add") == 0)
        code = add(fd, argv[2], address, argc == 5 ? argv[4] : NULL);
    else if (fd >= 0 && strcmp(argv[1], "remove") == 0)
        code = take_off(fd, argv[2], address);
    else if (fd >= 0)
        code = look_up(c, fd, argv[2], address);
    if (fd >= 0)
        (void)close(fd);
    mem_free(&address);
    return code;
}

static bool is_command(int argc, char **argv)
{
    bool adds = argc >= 2 && strcmp(argv[1], "add") == 0;
    return (adds && (argc == 4 || argc == 5)) ||
           (argc == 4 && (strcmp(argv[1], "remove") == 0 || strcmp(argv[1], "lookup") == 0));
}

int ctl_suppress(struct ctl *c, int argc, char **argv)
{
    if (is_command(argc, argv))
        return with_address(c, argc, argv);
    if (argc < 2 || argc > 3 || strcmp(argv[1], "list") != 0) {
        ctl_suppress_help(stderr);
        return EX_USAGE;
    }
    int fd = ctl_admin(c);
    if (fd < 0)
        return c->unreached;
    int code = list(c, fd, argc == 3 ? argv[2] : NULL);
    (void)close(fd);
    return code;
}

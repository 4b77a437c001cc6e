#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boxop.h"
#include "mem.h"

/* Names of folders that are kept: in their order, and within their bound. */

static const struct boxfolder nowhere = {-1, -1, -1, -1};

static struct boxnames *make(struct boxnames_store *s, int from, int n, bool in_cur)
{
    struct boxnames *names = boxnames_new(s, &nowhere);
    char file[64];
    for (int i = 0; i < n; i++) {
        /* 7919 is prime to any n of these tests: all of them, in no order. */
        (void)snprintf(file, sizeof file, "%d.us:2,S", from + (int)((long)i * 7919 % n));
        if (!boxnames_add(names, file, in_cur)) {
            boxnames_free(&names);
            break;
        }
    }
    return names;
}

static void names_come_in_their_order(void **state)
{
    struct boxnames_store *s = boxnames_store_new(1u << 20);
    struct boxname_entry page[64];
    struct boxnames *n = make(s, 100000, 9000, true);
    boxnames_keep(n, "anna", "");
    char after[16] = "";
    int seen = 0;
    for (size_t found; (found = boxnames_page(n, after, 64, page)) > 0;) {
        for (size_t i = 0; i < found; i++) {
            assert_int_equal(strtol(page[i].file, NULL, 10), 100000 + seen++);
            (void)snprintf(after, sizeof after, "%.9s", page[i].file);
            mem_free(&page[i].file);
        }
    }
    assert_int_equal(seen, 9000);
    assert_ptr_equal(boxnames_find(s, "anna", ""), n);
    assert_null(boxnames_find(s, "anna", "Sent"));
    assert_null(boxnames_find(s, "bob", ""));
    boxnames_store_free(&s);
}

static void what_went_from_new_to_cur_is_there_once(void **state)
{
    struct boxnames_store *s = boxnames_store_new(1u << 20);
    struct boxnames *n = boxnames_new(s, &nowhere);
    struct boxname_entry page[4];
    assert_true(boxnames_add(n, "1.us", false) && boxnames_add(n, "2.us", false) &&
                boxnames_add(n, "2.us:2,S", true));
    boxnames_keep(n, "anna", "");
    /* Where it is the last of the page, too. */
    for (size_t most = 2; most <= 3; most++) {
        assert_int_equal(boxnames_page(n, "", most, page), 2);
        assert_string_equal(page[1].file, "2.us:2,S");
        assert_true(page[1].in_cur && !page[0].in_cur);
        mem_free(&page[0].file);
        mem_free(&page[1].file);
    }
    boxnames_store_free(&s);
}

static void what_was_not_used_for_longest_makes_room(void **state)
{
    struct boxnames_store *s = boxnames_store_new(40000);
    boxnames_keep(make(s, 100000, 1000, true), "anna", "");
    boxnames_keep(make(s, 100000, 1000, true), "bob", "");
    assert_non_null(boxnames_find(s, "anna", ""));
    boxnames_keep(make(s, 100000, 1000, true), "carl", "");
    assert_null(boxnames_find(s, "bob", ""));
    assert_non_null(boxnames_find(s, "anna", ""));
    assert_null(make(s, 100000, 3000, true));
    /* What was given up takes no room. */
    boxnames_keep(make(s, 100000, 2000, true), "carl", "");
    assert_non_null(boxnames_find(s, "carl", ""));
    /* What nobody uses is forgotten after a while. */
    assert_true(boxnames_tidy(s));
    lab.passed_ms += BOXNAMES_AGE_MS;
    assert_false(boxnames_tidy(s));
    assert_null(boxnames_find(s, "carl", ""));
    boxnames_store_free(&s);
}

static void list(struct boxnames_store *s, const char *after, const char *first, const char *next)
{
    struct fail f;
    struct mailbox_request r = {.type = MSG_MAILBOX_LIST,
                                .account = mem_text("anna"),
                                .folder = mem_text(""),
                                .after = mem_text(after),
                                .limit = 5,
                                .fd = -1};
    struct boxop *op = boxop_new(&r, boxfolder_account("anna", &f), boxop_list);
    op->kept = s;
    while (!op->step(op))
        ;
    assert_int_equal(op->a.result, MAILBOX_DONE);
    assert_string_equal(op->a.files[0].place.name, first);
    assert_string_equal(op->a.next, next);
    boxop_free(&op);
}

static void a_folder_too_large_to_be_kept_is_listed_all_the_same(void **state)
{
    char folder[] = "/tmp/boxnames-XXXXXX", path[64];
    struct boxnames_store *s = boxnames_store_new(40000);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("anna", 0700) | mkdir("anna/tmp", 0700) | mkdir("anna/new", 0700) |
                         mkdir("anna/cur", 0700),
                     0);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(path, sizeof path, "anna/%s/%d.us", i % 2 == 0 ? "new" : "cur", 100000 + i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
    }
    list(s, "", "100000.us", "100004.us");
    list(s, "100004.us", "100005.us", "100009.us");
    list(s, "104996.us", "104997.us", "");
    assert_null(boxnames_find(s, "anna", ""));
    boxnames_store_free(&s);
    assert_int_equal(chdir("/"), 0);
    char *command = mem_format("rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    mem_free(&command);
}

static void empty_folders_have_their_bound_as_well(void **state)
{
    struct boxnames_store *s = boxnames_store_new(40000);
    char folder[16];
    unsigned kept = 0;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(folder, sizeof folder, "f%d", i);
        boxnames_keep(boxnames_new(s, &nowhere), "anna", folder);
        assert_non_null(boxnames_find(s, "anna", folder));
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(folder, sizeof folder, "f%d", i);
        kept += boxnames_find(s, "anna", folder) != NULL;
    }
    assert_true(kept > 0 && kept < 100);
    boxnames_store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_in_their_order),
        cmocka_unit_test(what_went_from_new_to_cur_is_there_once),
        cmocka_unit_test(what_was_not_used_for_longest_makes_room),
        cmocka_unit_test(empty_folders_have_their_bound_as_well),
        cmocka_unit_test(a_folder_too_large_to_be_kept_is_listed_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

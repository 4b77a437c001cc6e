/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addrlist.h"
#include "fold.h"
#include "utf8.h"

static void check_item(const struct addrlist_item *item)
{
    struct address again;
    char *text = address_text(&item->address);
    assert(address_parse(span_text(text), &again, NULL) == 0);
    assert(address_equal(&again, &item->address));
    address_clear(&again);
    free(text);
    assert(item->name == NULL || item->name[0] != '\0');
    for (const char *p = item->name; p != NULL && *p != '\0'; p++)
        assert((*p & 0xe0) != 0 || *p == '\t');
}

/* What was read, written into a field by fold_mailbox, reads back as the same addresses. */
static void round_trip(const struct addrlist *list)
{
    struct addrlist again = {0};
    struct buf field = {0};
    struct fold fold;
    fold_begin(&fold, &field, "To", "\t");
    for (size_t i = 0; i < list->n; i++)
        fold_mailbox(&fold, span_text(list->items[i].name), &list->items[i].address, true,
                     i + 1 == list->n);
    struct span value = span_of(buf_span(&field).p + 3, field.n - 3);
    assert(addrlist_parse(value, NULL, ADDRLIST_STRICT, &again, NULL) == 0);
    assert(again.n == list->n);
    for (size_t i = 0; i < list->n; i++)
        assert(address_equal(&again.items[i].address, &list->items[i].address));
    addrlist_clear(&again);
    buf_free(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct addrlist strict = {0}, lenient = {0};
    struct fail f;
    int rc = addrlist_parse(span_of(data, size), "d.example", ADDRLIST_STRICT, &strict, &f);
    assert(rc == 0 || strict.n == 0);
    if (addrlist_parse(span_of(data, size), "d.example", ADDRLIST_LENIENT, &lenient, &f) == 0) {
        for (size_t i = 0; i < lenient.n; i++)
            check_item(&lenient.items[i]);
        round_trip(&lenient);
        assert(rc < 0 || (lenient.skipped == 0 && lenient.n == strict.n));
    }
    addrlist_clear(&strict);
    addrlist_clear(&lenient);
    return 0;
}

/* themes: core:delivery base */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "boxwords.h"
#include "mem.h"
#include "proto_mailbox.h"

/* Names and first lines of files in mailboxes, and lists of keywords: the first octet chooses. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void name(struct span s)
{
    char *text = span_dup(s), again[MAILPLACE_NAME_MAX + 1];
    struct boxname_info info = boxname_info(text);
    size_t base = boxname_base(text);
    assert(base <= strlen(text) && boxname_flags(info.capitals) <= MAILBOX_FLAGS);
    if (boxname_is_folder(text))
        assert(strchr(text, '/') == NULL && strstr(text, "..") == NULL);
    if (boxname_is_file(text))
        assert(strchr(text, '/') == NULL && text[0] != '.');
    if (boxname_write(again, sizeof again, text, base, &info) == 0) {
        struct boxname_info same = boxname_info(again);
        assert(same.capitals == info.capitals && same.keywords == info.keywords);
        assert(boxname_base(again) == base && memcmp(again, text, base) == 0);
    }
    uint64_t number = boxname_number(text);
    char digits[24];
    (void)snprintf(digits, sizeof digits, "C%llu.", (unsigned long long)number);
    assert(number == 0 || strstr(text, digits) != NULL);
    mem_free(&text);
}

static void head(struct span s)
{
    struct boxname_head h = boxname_head(s);
    assert(h.id <= INT64_MAX && h.sender.n <= s.n && h.recipient.n <= s.n);
    assert(h.sender.n == 0 || (h.sender.p >= s.p && h.sender.p + h.sender.n <= s.p + s.n));
    assert(h.id == 0 || h.recipient.p != NULL);
}

static void words(struct span s)
{
    struct boxwords w;
    struct mail_words all = {0};
    boxwords_parse(&w, s);
    boxwords_names(&w, UINT32_MAX, &all);
    assert(all.n <= BOXNAME_KEYWORDS);
    boxwords_clear(&w);
    mail_words_clear(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct span s) = {name, head, words};
    if (size > 0)
        readers[data[0] % 3](span_of(data + 1, size - 1));
    return 0;
}

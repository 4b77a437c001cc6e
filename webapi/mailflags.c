#include "mailflags.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "proto_mailbox.h"

static const struct {
    const char *name;
    unsigned letter; /* 0: a keyword */
} known[] = {
    {"$forwarded", MAILBOX_PASSED},
    {"$junk", 0},
    {"$mdnsent", 0},
    {"$notjunk", 0},
    {"$phishing", 0},
    {"\\answered", MAILBOX_REPLIED},
    {"\\deleted", MAILBOX_TRASHED},
    {"\\draft", MAILBOX_DRAFT},
    {"\\flagged", MAILBOX_FLAGGED},
    {"\\seen", MAILBOX_SEEN},
};
#define KNOWN (sizeof known / sizeof known[0])

/* Its place in the table, or KNOWN. */
static size_t find(const char *name)
{
    size_t i = 0;
    while (i < KNOWN && strcmp(known[i].name, name) != 0)
        i++;
    return i;
}

/* RFC 9051: a keyword is an atom. */
static bool is_keyword(const char *s)
{
    if (s[0] == '\0' || strlen(s) > MAIL_WORD_MAX)
        return false;
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f ||
            strchr("(){%*\"\\]", *s) != NULL)
            return false;
    }
    return true;
}

static int add(struct mailflags *flags, char *name, struct refusal *why)
{
    ascii_lower_text(name);
    size_t i = find(name);
    if (i < KNOWN && known[i].letter != 0)
        flags->letters |= known[i].letter;
    else if (i == KNOWN && !is_keyword(name))
        return refuse(why, CODE_USER,
                      "not a flag: a keyword has 1 to %d printable characters of ASCII, none of "
                      "them a space or one of (){%%*\"\\]",
                      MAIL_WORD_MAX);
    else
        (void)mail_words_add(&flags->words, name);
    return 0;
}

int mailflags_read(struct mailflags *flags, const struct jsonbind_array *names, struct refusal *why)
{
    const struct span *list = names->p;
    int rc = 0;
    *flags = (struct mailflags){0};
    for (size_t i = 0; rc == 0 && i < names->n; i++) {
        char *name = span_dup(list[i]);
        rc = add(flags, name, why);
        mem_free(&name);
    }
    if (rc != 0)
        mailflags_clear(flags);
    return rc;
}

void mailflags_clear(struct mailflags *flags)
{
    mail_words_clear(&flags->words);
}

static void gather(struct mail_words *all, const struct mail_words *words)
{
    for (uint32_t i = 0; i < words->n; i++) {
        char *name = mem_text(words->list[i]);
        ascii_lower_text(name);
        (void)mail_words_add(all, name);
        mem_free(&name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void mailflags_write(struct jsonwrite *w, unsigned letters, const struct mail_words *one,
                     const struct mail_words *other)
{
    struct mail_words all = {0};
    gather(&all, one);
    gather(&all, other);
    if (all.n > 0)
        qsort(all.list, all.n, sizeof *all.list, by_name);
    jsonwrite_array(w);
    for (size_t i = 0; i < KNOWN; i++) {
        if ((letters & known[i].letter) != 0 || mail_words_has(&all, known[i].name))
            jsonwrite_text(w, known[i].name);
    }
    for (uint32_t i = 0; i < all.n; i++) {
        if (find(all.list[i]) == KNOWN)
            jsonwrite_text(w, all.list[i]);
    }
    jsonwrite_array_end(w);
    mail_words_clear(&all);
}

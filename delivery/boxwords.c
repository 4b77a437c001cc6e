#include "boxwords.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ascii.h"
#include "file.h"
#include "mem.h"

#define FILE_MAX 16384

/* What IMAP allows in a keyword (RFC 9051, atom), and no control character by that. */
static bool is_keyword(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("(){%*\"\\]", s.p[i]) != NULL)
            return false;
    }
    return s.n > 0 && s.n <= MAIL_WORD_MAX;
}

void boxwords_parse(struct boxwords *words, struct span octets)
{
    struct span line, number;
    uint64_t i;
    *words = (struct boxwords){{NULL}};
    while (ascii_token(&octets, "\n", &line)) {
        if (!ascii_token(&line, " ", &number) || ascii_u64(number, BOXNAME_KEYWORDS - 1, &i) != 0 ||
            words->names[i] != NULL)
            continue;
        struct span name = ascii_trim(line);
        if (is_keyword(name))
            words->names[i] = span_dup(name);
    }
}

void boxwords_read(struct boxwords *words, int folder)
{
    struct stat st;
    struct buf octets = {0};
    int fd = openat(folder, "dovecot-keywords",
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        file_read_fd(fd, FILE_MAX, &octets, NULL) != 0)
        buf_clear(&octets);
    boxwords_parse(words, buf_span(&octets));
    buf_free(&octets);
    file_close(&fd);
}

void boxwords_clear(struct boxwords *words)
{
    for (int i = 0; i < BOXNAME_KEYWORDS; i++)
        mem_free(&words->names[i]);
}

uint32_t boxwords_letters(const struct boxwords *words, const struct mail_words *keywords,
                          struct mail_words *rest)
{
    uint32_t letters = 0;
    for (uint32_t k = 0; k < keywords->n; k++) {
        int i = 0;
        while (i < BOXNAME_KEYWORDS &&
               (words->names[i] == NULL || strcasecmp(words->names[i], keywords->list[k]) != 0))
            i++;
        if (i < BOXNAME_KEYWORDS)
            letters |= 1u << i;
        else if (rest != NULL)
            (void)mail_words_add(rest, keywords->list[k]);
    }
    return letters;
}

void boxwords_names(const struct boxwords *words, uint32_t letters, struct mail_words *keywords)
{
    for (int i = 0; i < BOXNAME_KEYWORDS; i++) {
        if ((letters & 1u << i) != 0 && words->names[i] != NULL)
            (void)mail_words_add(keywords, words->names[i]);
    }
}

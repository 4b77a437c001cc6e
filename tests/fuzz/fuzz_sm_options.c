/* themes: core:sendmail base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mem.h"
#include "sm_options.h"

#define WORDS 64

/* Words are separated by NULs; each is a copy of its own, so that a read beyond one is seen. */
static int split(const uint8_t *data, size_t size, char **argv)
{
    int argc = 0;
    while (size > 0 && argc < WORDS) {
        const uint8_t *end = memchr(data, '\0', size);
        size_t n = end == NULL ? size : (size_t)(end - data);
        argv[argc++] = mem_textn(data, n);
        data += n < size ? n + 1 : n;
        size -= n < size ? n + 1 : n;
    }
    return argc;
}

static bool is_word(const char *text, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (text >= argv[i] && text <= argv[i] + strlen(argv[i]))
            return true;
    }
    return text[0] == '\0';
}

static void check_line(const char *text)
{
    assert(text == NULL || strpbrk(text, "\r\n") == NULL);
}

/* Operands are the end of argv; the first looks like an option only behind two dashes. */
static void check_operands(const struct sm_options *o, int argc, char **argv)
{
    size_t words = argc > 0 ? (size_t)argc - 1 : 0;
    assert(o->operands_n <= words);
    if (o->operands_n == 0)
        return;
    assert(o->operands == argv + argc - o->operands_n);
    const char *first = o->operands[0];
    assert(first[0] != '-' || first[1] == '\0' || strcmp(o->operands[-1], "--") == 0);
}

static void check(const struct sm_options *o, int argc, char **argv)
{
    check_operands(o, argc, argv);
    for (size_t i = 0; i < o->operands_n; i++)
        check_line(o->operands[i]);
    check_line(o->sender);
    check_line(o->name);
    assert(o->sender == NULL || is_word(o->sender, argc, argv));
    assert(o->name == NULL || is_word(o->name, argc, argv));
    assert(o->config == NULL || is_word(o->config, argc, argv));
    assert(is_word(o->flush_text, argc, argv));
    assert(!o->mail.has_envid || strlen(o->mail.envid) <= 100);
    assert((o->rcpt.notify & ESMTP_NOTIFY_NEVER) == 0 || o->rcpt.notify == ESMTP_NOTIFY_NEVER);
    for (size_t i = 0; i < o->warnings.n; i++) {
        unsigned char c = buf_span(&o->warnings).p[i];
        assert(c == '\n' || (c >= ' ' && c != 0x7f));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[WORDS + 1] = {NULL};
    struct sm_options o;
    struct fail f = {{0}};
    int argc = split(data, size, argv);
    if (sm_options_read(&o, argc, argv, &f) == 0)
        check(&o, argc, argv);
    else
        assert(f.text[0] != '\0');
    sm_options_clear(&o);
    for (int i = 0; i < argc; i++)
        mem_free(&argv[i]);
    return 0;
}

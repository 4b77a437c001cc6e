#include "mailcharset.h"

#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "utf8.h"

enum { STEP = 4096 }; /* octets of output made at a time */

/* How it is decoded, and under which names it comes. Where writers of mail mean a superset by a
 * name, the converter is the superset's: GBK for gb2312, CP932 for shift_jis, UHC for euc-kr.
 * ISO-2022-CN-EXT is left out: nobody writes it, and its converter has had a hole. */
static const struct {
    const char *converter; /* iconv's name; NULL: done here */
    const char *names;
} charsets[] = {
    {NULL, "utf-8 utf8 unicode-1-1-utf-8 x-utf-8 utf-8-mac"},
    {NULL, "us-ascii ascii ansi_x3.4-1968 ansi_x3.4-1986 iso646-us iso_646.irv:1991 us 646"},
    {NULL, "iso-8859-1 iso8859-1 iso88591 8859-1 latin1 l1 latin-1 windows-1252 cp1252 "
           "cp-1252 win-1252 x-cp1252 ansi iso-8859-1-windows-3.1-latin-1"},
    {"ISO-8859-2", "iso-8859-2 iso8859-2 latin2 l2"},
    {"ISO-8859-3", "iso-8859-3 iso8859-3 latin3 l3"},
    {"ISO-8859-4", "iso-8859-4 iso8859-4 latin4 l4"},
    {"ISO-8859-5", "iso-8859-5 iso8859-5 cyrillic"},
    {"ISO-8859-6", "iso-8859-6 iso8859-6 iso-8859-6-i iso-8859-6-e arabic"},
    {"ISO-8859-7", "iso-8859-7 iso8859-7 greek"},
    {"ISO-8859-8", "iso-8859-8 iso8859-8 iso-8859-8-i iso-8859-8-e hebrew"},
    {"ISO-8859-9", "iso-8859-9 iso8859-9 latin5 l5"},
    {"ISO-8859-10", "iso-8859-10 iso8859-10 latin6 l6"},
    {"ISO-8859-11", "iso-8859-11 iso8859-11"},
    {"ISO-8859-13", "iso-8859-13 iso8859-13 latin7"},
    {"ISO-8859-14", "iso-8859-14 iso8859-14 latin8"},
    {"ISO-8859-15", "iso-8859-15 iso8859-15 latin9 latin-9"},
    {"ISO-8859-16", "iso-8859-16 iso8859-16 latin10"},
    {"CP874", "windows-874 cp874 x-windows-874"},
    {"CP1250", "windows-1250 cp1250 cp-1250 win-1250 x-cp1250"},
    {"CP1251", "windows-1251 cp1251 cp-1251 win-1251 x-cp1251"},
    {"CP1253", "windows-1253 cp1253 cp-1253 x-cp1253"},
    {"CP1254", "windows-1254 cp1254 cp-1254 x-cp1254"},
    {"CP1255", "windows-1255 cp1255 cp-1255 x-cp1255"},
    {"CP1256", "windows-1256 cp1256 cp-1256 x-cp1256"},
    {"CP1257", "windows-1257 cp1257 cp-1257 x-cp1257"},
    {"CP1258", "windows-1258 cp1258 cp-1258 x-cp1258"},
    {"KOI8-R", "koi8-r koi8r koi8 cskoi8r"},
    {"KOI8-U", "koi8-u koi8u koi8-ru"},
    {"KOI8-T", "koi8-t"},
    {"IBM437", "ibm437 cp437 437"},
    {"IBM850", "ibm850 cp850 850"},
    {"IBM852", "ibm852 cp852 852"},
    {"IBM855", "ibm855 cp855 855"},
    {"IBM866", "ibm866 cp866 866"},
    {"MACINTOSH", "macintosh mac x-mac-roman macroman"},
    {"TIS-620", "tis-620 tis620"},
    {"GBK", "gbk gb2312 gb_2312-80 euc-cn x-gbk cp936 ms936 windows-936 chinese csgb2312 "
            "eucgb2312-cn"},
    {"GB18030", "gb18030"},
    {"ISO-2022-CN", "iso-2022-cn"},
    {"BIG5-HKSCS", "big5 big-5 big5-hkscs cn-big5 x-x-big5 cp950 csbig5 big5-tw"},
    {"EUC-TW", "euc-tw x-euc-tw"},
    {"EUC-JP-MS", "euc-jp x-euc-jp eucjp euc-jp-ms"},
    {"CP932", "shift_jis sjis x-sjis ms_kanji cp932 windows-31j csshiftjis"},
    {"ISO-2022-JP-3",
     "iso-2022-jp iso2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 csiso2022jp cp50220 "
     "cp50221"},
    {"UHC", "euc-kr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ks_c_5601 korean cp949 uhc windows-949 "
            "cseuckr"},
    {"ISO-2022-KR", "iso-2022-kr csiso2022kr"},
    /* Without a mark of its order it is the first of the two (RFC 2781 4.3). */
    {"UTF-16BE", "utf-16 utf16 utf-16be utf16be"},
    {"UTF-16LE", "utf-16le utf16le"},
    {"UTF-32BE", "utf-32 utf32 utf-32be"},
    {"UTF-32LE", "utf-32le"},
    {"UTF-7", "utf-7 utf7 unicode-1-1-utf-7"},
};

enum { CHARSETS = sizeof charsets / sizeof charsets[0], ASCII = 1, WINDOWS_1252 = 2 };

struct mailcharset {
    iconv_t converters[CHARSETS]; /* NULL for those done here, and those that are missing */
    size_t missing;
};

static const struct span replacement = {(const unsigned char *)"\xef\xbf\xbd", 3}; /* U+FFFD */

struct mailcharset *mailcharset_open(void)
{
    struct mailcharset *set = mem_zero(sizeof *set);
    for (size_t i = 0; i < CHARSETS; i++) {
        if (charsets[i].converter == NULL)
            continue;
        iconv_t converter = iconv_open("UTF-8", charsets[i].converter);
        if (converter == (iconv_t)-1)
            set->missing++;
        else
            set->converters[i] = converter;
    }
    return set;
}

void mailcharset_close(struct mailcharset **set)
{
    if (*set == NULL)
        return;
    for (size_t i = 0; i < CHARSETS; i++) {
        if ((*set)->converters[i] != NULL)
            (void)iconv_close((*set)->converters[i]);
    }
    mem_free(set);
}

size_t mailcharset_missing(const struct mailcharset *set)
{
    return set->missing;
}

/* "shift_jis" and "Shift-JIS" are one name. */
static int folded(int c)
{
    return c == '_' ? '-' : ascii_lower(c);
}

static bool is_named(size_t charset, struct span name)
{
    struct span rest = span_text(charsets[charset].names), one;
    while (ascii_token(&rest, " ", &one)) {
        size_t i = 0;
        while (i < name.n && i < one.n && folded(name.p[i]) == folded(one.p[i]))
            i++;
        if (i == name.n && i == one.n)
            return true;
    }
    return false;
}

static struct span without_quotes(struct span name)
{
    name = ascii_trim(name);
    while (name.n >= 2 && (name.p[0] == '"' || name.p[0] == '\'') &&
           name.p[name.n - 1] == name.p[0])
        name = span_of(name.p + 1, name.n - 2);
    return name;
}

int mailcharset_find(const struct mailcharset *set, struct span name)
{
    name = without_quotes(name);
    for (size_t i = 0; i < CHARSETS; i++) {
        bool usable = charsets[i].converter == NULL || (set != NULL && set->converters[i] != NULL);
        if (usable && is_named(i, name))
            return (int)i;
    }
    return MAILCHARSET_UNKNOWN;
}

bool mailcharset_is_wide(struct span name)
{
    name = without_quotes(name);
    return span_starts_nocase(name, "utf-16") || span_starts_nocase(name, "utf16") ||
           span_starts_nocase(name, "utf-32") || span_starts_nocase(name, "utf32");
}

/* Whether this is the beginning of a character and nothing else. */
static bool is_begun(struct span rest)
{
    int c = rest.p[0];
    size_t n = c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < rest.n; i++) {
        if ((rest.p[i] & 0xc0) != 0x80)
            return false;
    }
    return rest.n < n;
}

static void keep_utf8(struct span octets, bool cut, struct buf *out)
{
    size_t start = 0, i = 0;
    while (i < octets.n) {
        size_t n = utf8_sequence(octets.p + i, octets.n - i);
        if (n > 0) {
            i += n;
            continue;
        }
        buf_put(out, octets.p + start, i - start);
        if (cut && is_begun(span_of(octets.p + i, octets.n - i)))
            return;
        buf_put_span(out, replacement);
        start = ++i;
    }
    buf_put(out, octets.p + start, i - start);
}

static void put_character(struct buf *out, unsigned c)
{
    if (c < 0x80) {
        buf_putc(out, (int)c);
    } else if (c < 0x800) {
        buf_putc(out, (int)(0xc0 | c >> 6));
        buf_putc(out, (int)(0x80 | (c & 0x3f)));
    } else {
        buf_putc(out, (int)(0xe0 | c >> 12));
        buf_putc(out, (int)(0x80 | (c >> 6 & 0x3f)));
        buf_putc(out, (int)(0x80 | (c & 0x3f)));
    }
}

static void put_windows_1252(struct span octets, struct buf *out)
{
    static const unsigned short high[32] = {
        0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd, 0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178};
    for (size_t i = 0; i < octets.n; i++) {
        unsigned c = octets.p[i];
        put_character(out, c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c);
    }
}

/* Octets of a character at least. */
static size_t unit_of(int charset)
{
    struct span name = span_text(charsets[charset].converter);
    return span_starts_nocase(name, "utf-16") ? 2 : span_starts_nocase(name, "utf-32") ? 4 : 1;
}

/* Takes the mark of the octets' order off a text in UTF-16 or UTF-32. It goes before the name. The
 * library's own converters for both orders remember the mark of the text before. */
static int take_order(const struct mailcharset *set, int charset, struct span *octets)
{
    static const unsigned char big[] = {0, 0, 0xfe, 0xff}, little[] = {0xff, 0xfe, 0, 0};
    size_t unit = unit_of(charset);
    if (unit == 1 || octets->n < unit)
        return charset;
    const char *name = charsets[charset].converter;
    bool is_little = name[strlen(name) - 2] == 'L', found = true;
    if (memcmp(octets->p, big + sizeof big - unit, unit) == 0)
        charset -= is_little;
    else if (memcmp(octets->p, little, unit) == 0)
        charset += !is_little;
    else
        found = false;
    if (found)
        *octets = span_of(octets->p + unit, octets->n - unit);
    return set->converters[charset] == NULL ? MAILCHARSET_UNKNOWN : charset;
}

/* What iconv stopped at: something that is no character of the charset, which is passed over, or
 * the beginning of one at the end. Returns whether to go on. */
static bool pass_over(int charset, bool cut, int why, char **in, size_t *left, struct buf *out)
{
    if (why == E2BIG)
        return true;
    if (*left == 0 || (why == EINVAL && cut))
        return false;
    size_t unit = why == EINVAL ? *left : unit_of(charset);
    unit = unit > *left ? *left : unit;
    buf_put_span(out, replacement);
    *in += unit;
    *left -= unit;
    return *left > 0;
}

static void convert(iconv_t converter, int charset, struct span octets, bool cut, struct buf *out)
{
    char *in = (char *)octets.p; /* iconv's prototype lacks the const */
    size_t left = octets.n;
    bool more = left > 0;
    (void)iconv(converter, NULL, NULL, NULL, NULL);
    while (more) {
        size_t room = STEP, before = left;
        char *to = (char *)buf_room(out, STEP);
        size_t done = iconv(converter, &in, &left, &to, &room);
        int why = errno;
        buf_grew(out, STEP - room);
        if (done != (size_t)-1)
            break;
        assert(why != E2BIG || room < STEP || left < before);
        more = pass_over(charset, cut, why, &in, &left, out);
    }
    /* What a converter still holds back, such as the second of two characters that may combine. */
    size_t room = STEP;
    char *to = (char *)buf_room(out, STEP);
    (void)iconv(converter, NULL, NULL, &to, &room);
    buf_grew(out, STEP - room);
}

void mailcharset_decode(const struct mailcharset *set, int charset, struct span octets, bool cut,
                        struct buf *out)
{
    assert(charset >= MAILCHARSET_UNKNOWN && charset < CHARSETS);
    if (octets.n == 0)
        return;
    if (charset > WINDOWS_1252)
        charset = take_order(set, charset, &octets);
    if (charset == WINDOWS_1252)
        put_windows_1252(octets, out);
    else if (charset <= ASCII)
        keep_utf8(octets, cut, out);
    else
        convert(set->converters[charset], charset, octets, cut, out);
}

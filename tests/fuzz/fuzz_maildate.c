/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "maildate.h"

/* What is read and written is read again as the same time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct buf out = {0};
    int64_t ms, again;
    int zone, zone_again;
    struct fail f;
    if (maildate_parse(in, &ms, &zone, &f) == 0) {
        assert(ms % 1000 == 0);
        maildate_write(&out, ms, 0);
        assert(maildate_parse(buf_span(&out), &again, &zone_again, &f) == 0);
        assert(again == ms && zone_again == 0);
        buf_clear(&out);
    }
    if (maildate_parse_rfc3339(in, &ms, &zone, &f) == 0) {
        maildate_write_rfc3339(&out, ms, 0);
        assert(maildate_parse_rfc3339(buf_span(&out), &again, &zone_again, &f) == 0);
        assert(again == ms && zone_again == 0);
        buf_clear(&out);
    }
    if (size >= 10) {
        memcpy(&ms, data, 8);
        zone = (data[8] << 8 | data[9]) % (2 * MAILDATE_ZONE_MAX + 1) - MAILDATE_ZONE_MAX;
        maildate_write(&out, ms, zone);
        buf_putc(&out, ' ');
        maildate_write_rfc3339(&out, ms, zone);
        assert(out.n < 80);
    }
    buf_free(&out);
    return 0;
}

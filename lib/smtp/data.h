#ifndef QM_DATA_H
#define QM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* The message after DATA, in both directions: dot-stuffing (RFC 5321 section 4.5.2) over a stream
 * that arrives in pieces of any size. How it is cut into pieces never changes the outcome. */

/* Takes a run of octets. It points into the caller's own input or at a constant, and is valid
 * during the call only. */
typedef void data_sink(void *arg, struct span run);

/* Why a message must not be accepted: the first line end that is not CR LF (RFC 5321
 * section 2.3.8). Another server might see the end of the message there, and commands in what
 * follows. */
enum data_refusal { DATA_FINE, DATA_BARE_LF, DATA_BARE_CR };

/* Server side. After data_open the fields above the line may be read; everything is private below
 * it. */
struct data_decoder {
    uint64_t octets;  /* of the message so far, dots unstuffed, every line end 2 octets */
    uint64_t longest; /* line among the complete ones, in octets without CR LF */
    uint64_t
        body_at;    /* if has_body: how many octets come before the body, the empty line included */
    bool has_body;  /* the empty line that ends the header was seen */
    bool eight_bit; /* an octet above 127 was seen among those given to the sink */
    bool nul;       /* likewise a NUL */
    bool over;      /* the message has more than max octets; only the first max went to the sink */
    enum data_refusal refused; /* counts and flags stand as they were when it was refused */
    /* ---- */
    data_sink *sink;
    void *arg;
    uint64_t max;
    uint64_t column;
    int state;
};

/* Makes *d ready for the octets behind the line end of the DATA command. sink may be called during
 * data_decode; max is the number of octets that it will be given at most, 0 for no limit. */
void data_open(struct data_decoder *d, data_sink *sink, void *arg, uint64_t max);

/* Takes octets off the front of *in, up to the end of the message at most. The end is a line that
 * is one dot, and nothing but CR LF begins or ends that line. Returns true when it was reached: *in
 * then starts with the command that follows. Returns false when *in is used up. Once the message is
 * refused the sink is called no more, but the true end is still looked for, so that a reply can be
 * given in its place. Must not be called again after true. */
bool data_decode(struct data_decoder *d, struct span *in);

/* Client side. */
struct data_encoder {
    uint64_t octets; /* handed to the sink so far */
    bool mended;     /* the message had line ends other than CR LF; each was sent as CR LF */
    /* ---- */
    data_sink *sink;
    void *arg;
    bool line_start, after_cr, bare;
};

/* Makes *e ready. The sink is called during the two functions below. */
void data_encode_open(struct data_encoder *e, data_sink *sink, void *arg);
/* Likewise for BDAT (RFC 3030): line ends are as sent behind DATA, dots and the end are not. */
void data_encode_open_bare(struct data_encoder *e, data_sink *sink, void *arg);

/* Passes a piece of the message on to the sink, dots stuffed. A bare CR or bare LF is passed on as
 * CR LF: what we send cannot be read in two ways. */
void data_encode(struct data_encoder *e, struct span in);

/* Passes on what ends the message: CR LF if its last line has none, and the line with the dot. */
void data_encode_end(struct data_encoder *e);

#endif

#ifndef QM_PROTO_DELIVER_H
#define QM_PROTO_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "proto_learned.h"
#include "wire.h"

/* The deliver protocol: qmgr hands a delivery agent one message for recipients of one destination,
 * and hears for each recipient what became of it. */

struct deliver_recipient {
    uint64_t id;
    char *address;
    char *orcpt;
    uint8_t notify;
};

/* What qmgr wants of the agent beyond delivery, as bits. Only "local" is asked for it. */
enum deliver_wants {
    DELIVER_WANTS_REPORT = 1,   /* to be told what the message reports of mail sent from here */
    DELIVER_WANTS_CONSUMED = 2, /* and not to have it in any mailbox */
    DELIVER_WANTS_INCOMING = 4  /* to be told what it says, once it is in a mailbox */
};
#define DELIVER_WANTS 7

struct deliver_job {
    uint64_t message;  /* queue id */
    char *transport;   /* label of the transport; "direct" and "local" always exist */
    char *destination; /* the recipients' domain; for local the account's name */
    char *sender;      /* "" for the null reverse path */
    char *envid, *ret;
    uint32_t flags;   /* enum submit_flag */
    uint16_t attempt; /* 1 for the first */
    uint8_t wants;    /* enum deliver_wants */
    uint64_t size;    /* octets of the message */
    struct deliver_recipient *recipients;
    uint32_t recipients_n;
    struct sts_known sts; /* of the destination, where the way leads over its MX hosts */
};

enum deliver_status {
    DELIVER_DONE,     /* the next hop took responsibility, or the mailbox has it on disk */
    DELIVER_DEFERRED, /* try again later */
    DELIVER_FAILED,   /* never */
    DELIVER_STATUSES
};

#define DELIVER_STAGE_SUPPRESSED "suppressed"

/* What one attempt gave for one recipient; kept in the history. Texts are owned, never NULL; what
 * goes over is cut at PROTO_TEXT_MAX octets for reply, error and rcpt_reply, at PROTO_NAME_MAX for
 * the others.
 */
struct deliver_result {
    uint64_t id; /* the recipient's */
    enum deliver_status status;
    uint16_t code;  /* SMTP code of the remote; 0 if no remote said anything, also of what we
                       refuse ourselves */
    char *enhanced; /* "5.1.1", from the remote, or ours by the rules of RFC 3463; "" if none */
    char *reply; /* the remote's whole reply, lines with their codes, joined by "\n"; "" if none */
    char *error; /* our own sentence when it was not plain success; "" */
    char *remote_host;    /* name as MX or configuration gave it; "" */
    char *remote_address; /* "192.0.2.1:25"; "" */
    char *tls;        /* what TLS was like, and the policy: "TLSv1.3 TLS_AES_256_GCM_SHA384 x25519
                         verified; policy dane", "clear, STARTTLS not offered; policy may", "policy
                         sts-mismatch" when nobody was connected to; "" where no policy was made */
    char *tls_name;   /* that was sent as the server's (SNI); "" */
    char *tls_peer;   /* subject of the server's certificate (RFC 2253), also of one that was
                         not good; cut; "" */
    char *tls_record; /* TLSA record, or fingerprint as one, that the certificate matched:
                         "3 1 1 0b9f..."; "" */
    /* Of one that is done: the next hop took the sender's wish to hear of success (NOTIFY, RFC 3461
     * section 5.2.1) along with the message, and is the one to tell it. */
    bool reports;
    /* Of one that is done: the recipient complains of the message. Simulated, in a suite for
     * development (simulate.h). */
    bool complaint;
    char *stage; /* where it ended: "connect" "ehlo" "starttls" "auth" "mail" "rcpt" "data" "dot"
                    "maildir" "dns" "policy"; qmgr's own: DELIVER_STAGE_SUPPRESSED */
    char *rcpt_reply; /* what the remote said when it took the recipient, where reply is what it
                         said later, as of the message; "" where it did not come so far */
    char *transport;  /* the way that was tried; the agent leaves it "", qmgr knows */
    int64_t start_ms; /* wall clock */
    uint32_t duration_ms;
    uint64_t octets; /* of the message that the server was sent, stuffed or converted as they went
                        out; 0 where it did not come to that */
    /* Of one that is done and in a mailbox here: its folder, the base of its file's name and its
     * inode, as in mailplace.h. Elsewhere stored_name is "". They are no part of the octets in a
     * row. */
    char *stored_folder, *stored_name;
    uint64_t stored_inode;
};

enum deliver_said {
    DELIVER_SAID_NOTHING, /* it is no report */
    DELIVER_SAID_UNCLEAR, /* it is one, and cannot be made out, or is not about one recipient */
    DELIVER_SAID_ACTION,
    DELIVER_SAIDS
};
enum deliver_action {
    DELIVER_ACTION_FAILED,
    DELIVER_ACTION_DELAYED,
    DELIVER_ACTION_DELIVERED,
    DELIVER_ACTION_RELAYED,
    DELIVER_ACTION_EXPANDED,
    DELIVER_ACTIONS
};

/* What a message that came in reports of mail sent from here (a DSN, RFC 3464), as a stranger wrote
 * it. Texts are owned, never NULL; what goes over is cut at PROTO_TEXT_MAX octets. */
struct deliver_report {
    enum deliver_said said;
    enum deliver_action action; /* DELIVER_SAID_ACTION; so are all that follow */
    uint16_t code;              /* 0 when it gives none */
    char *enhanced;
    char *final,
        *original;    /* the addresses of Final-Recipient and Original-Recipient; "" for none */
    char *reporter;   /* the host that it is from */
    char *diagnostic; /* on one line */
};
/* What a message that came says, for the application of the account that it came to. */
struct deliver_incoming {
    char *members;  /* of the incoming webhook's payload, From to Structure, as JSON without braces;
                       owned; at most DELIVER_MEMBERS_MAX octets */
    bool automated; /* a program sent it */
};
#define DELIVER_MEMBERS_MAX (20u << 20)

/* One that says nothing; one that frees its texts. */
struct deliver_report deliver_report_new(void);
void deliver_report_clear(struct deliver_report *r);
void deliver_report_copy(struct deliver_report *to, const struct deliver_report *from);
/* Its octets; what get made is to be cleared also after the cursor failed. */
void deliver_report_put(struct buf *b, const struct deliver_report *r);
void deliver_report_get(struct wire *w, struct deliver_report *r);

void deliver_job_free(struct deliver_job **job);
void deliver_result_clear(struct deliver_result *r); /* frees the texts */
/* A result with every text "". */
struct deliver_result deliver_result_new(uint64_t id, enum deliver_status status);
/* False of one that stands for a failure without an attempt: the address is on the suppression
 * list.
 */
bool deliver_was_tried(const struct deliver_result *r);
void deliver_result_copy(struct deliver_result *to, const struct deliver_result *from);

/* A result's octets in rows, and with what was stored behind them on the wire; what get made is to
 * be cleared also after the cursor failed. */
void deliver_result_put(struct buf *b, const struct deliver_result *r);
void deliver_result_get(struct wire *w, struct deliver_result *r);
void deliver_stored_put(struct buf *b, const struct deliver_result *r);
void deliver_stored_get(struct wire *w, struct deliver_result *r);

/* ---- the side that asks: qmgr ---- */

/* results (n of them, in the job's order of recipients) are valid during the call; NULL when the
 * agent went away: what it did is unknown. report, incoming: NULL when it gave none. */
typedef void deliver_on_results(void *arg, const struct deliver_result *results, uint32_t n,
                                const struct deliver_report *report,
                                const struct deliver_incoming *incoming);

/* body: a sealed memory file that stays the caller's. */
void deliver_ask(struct ipc *ch, const struct deliver_job *job, int body,
                 deliver_on_results *on_results, void *arg);

/* ---- the side that answers: a delivery agent ---- */

/* Reads one MSG_DELIVER_JOB; on 0 the job and the body (checked to be sealed, of job->size octets)
 * are the caller's. */
int deliver_read(struct ipc_message *m, struct deliver_job **job, int *body, struct fail *f);
/* Exactly one result for each recipient of the job, in its order. */
void deliver_answer(struct ipc *ch, uint64_t request, const struct deliver_result *results,
                    uint32_t n);
/* The same with what was wanted, each NULL for none. */
void deliver_answer_told(struct ipc *ch, uint64_t request, const struct deliver_result *results,
                         uint32_t n, const struct deliver_report *report,
                         const struct deliver_incoming *incoming);

#endif

#include "conftables.h"

/* How mail leaves: the defaults in `deliver`, and the same settings again inside each kind of
 * transport, where their default is what `deliver` says. */

#define OUT (CONF_DELIVERY)
#define OUT_AND_QUEUE (CONF_DELIVERY | CONF_QMGR)

/* The default of a setting: the text in the block `deliver` itself, a reference to it everywhere
 * else. */
#define DEFAULT_HERE(name, text) .initial = (text)
#define DEFAULT_DELIVER(name, text) .from = "deliver/" name

#define TIMEOUT_SETTINGS(D)                                                                        \
    {"transaction-recipients",                                                                     \
     CONF_INT,                                                                                     \
     0,                                                                                            \
     OUT,                                                                                          \
     D("transaction-recipients", "100"),                                                           \
     .min = "1",                                                                                   \
     .max = "10000",                                                                               \
     .doc = "Recipients of a message in one transaction, where the server does not announce how "  \
            "many it takes (RFC 9422). Further ones follow in transactions of their own over the " \
            "same connection; a lower limit that a server shows is kept to for an hour."},         \
        {"dkim",                                                                                   \
         CONF_BOOL,                                                                                \
         0,                                                                                        \
         OUT,                                                                                      \
         D("dkim", "yes"),                                                                         \
         .doc = "Whether the DKIM signatures that were made here when a message was taken go out " \
                "with it. Without them where a server signs itself, or changes messages so that "  \
                "none holds."},                                                                    \
        {"connect-timeout",                                                                        \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("connect-timeout", "30s"),                                                              \
         .min = "100ms",                                                                           \
         .max = "10m",                                                                             \
         .doc = "How long a TCP connection to one address may take."},                             \
        {"greeting-timeout",                                                                       \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("greeting-timeout", "5m"),                                                              \
         .min = "100ms",                                                                           \
         .max = "1h",                                                                              \
         .doc = "How long a server may take to greet (RFC 5321 4.5.3.2.1)."},                      \
        {"command-timeout",                                                                        \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("command-timeout", "5m"),                                                               \
         .min = "100ms",                                                                           \
         .max = "1h",                                                                              \
         .doc = "How long a server may take to answer a command (RFC 5321 4.5.3.2)."},             \
        {"data-timeout",                                                                           \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("data-timeout", "2m"),                                                                  \
         .min = "100ms",                                                                           \
         .max = "1h",                                                                              \
         .doc = "How long a server may take to answer DATA (RFC 5321 4.5.3.2.4)."},                \
        {"block-timeout",                                                                          \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("block-timeout", "3m"),                                                                 \
         .min = "100ms",                                                                           \
         .max = "1h",                                                                              \
         .doc =                                                                                    \
             "How long a server may take nothing of a message being sent (RFC 5321 4.5.3.2.5)."},  \
        {"final-timeout",                                                                          \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("final-timeout", "10m"),                                                                \
         .min = "100ms",                                                                           \
         .max = "1h",                                                                              \
         .doc =                                                                                    \
             "How long a server may take to answer the end of a message (RFC 5321 4.5.3.2.6)."},   \
        {"quit-timeout",                                                                           \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         OUT,                                                                                      \
         D("quit-timeout", "10s"),                                                                 \
         .min = "100ms",                                                                           \
         .max = "1h",                                                                              \
         .doc = "How long a server may take to answer QUIT."},                                     \
        {"tls-sessions",                                                                           \
         CONF_INT,                                                                                 \
         0,                                                                                        \
         OUT,                                                                                      \
         D("tls-sessions", "256"),                                                                 \
         .min = "0",                                                                               \
         .max = "10000",                                                                           \
         .doc = "Sessions of TLS that are kept, an hour at most, to be resumed: a later "          \
                "connection to the same address of the same host, for the same destination and "   \
                "under the same policy, then needs no certificate. 0: none is."},                  \
    {                                                                                              \
        "idle-timeout", CONF_DURATION, 0, OUT, D("idle-timeout", "5s"),                            \
            .min = "0", .max = "10m",                                                              \
            .doc = "How long a connection is kept for the next message to the same destination; "  \
                   "0 closes "                                                                     \
                   "it at once."                                                                   \
    }

#define FAMILY_SETTING(D)                                                                          \
    {                                                                                              \
        "ip-family", CONF_WORD, 0, OUT, D("ip-family", "any"),                                     \
            .words = "any 4 6 prefer-4 prefer-6",                                                  \
            .doc = "Which addresses of a host are tried: of IPv4 or IPv6 alone, or both in turn, " \
                   "beginning with the preferred; any prefers IPv6. A host that does not want "    \
                   "mail over one family, or puts it off over it twice in a row, is tried over "   \
                   "the other first."                                                              \
    }

#define SOURCE_SETTING(D)                                                                          \
    {                                                                                              \
        "source-address", CONF_ADDRESS, CONF_LIST, OUT, D("source-address", NULL),                 \
            .doc = "Local addresses to connect from; the first of the family that fits is used. "  \
                   "0.0.0.0 and :: leave the choice to the system. So does saying nothing, but "   \
                   "for MX hosts outside of private networks: to them mail goes from the address " \
                   "where mail from other servers is taken, if the listen blocks that serve smtp " \
                   "on the port of MX hosts have just one of the family, loopback not counted, "   \
                   "and that is no private one. Mail waits while the system does not have the "    \
                   "address."                                                                      \
    }

#define CONNECTIONS_SETTING(D)                                                                     \
    {                                                                                              \
        "connections", CONF_INT, 0, OUT_AND_QUEUE, D("connections", "1300"),                       \
            .min = "1", .max = "10000",                                                            \
            .doc = "Connections open at once over one transport that goes to MX hosts."            \
    }

#define MX_SETTINGS(D)                                                                             \
    {"tls",                                                                                        \
     CONF_WORD,                                                                                    \
     0,                                                                                            \
     OUT,                                                                                          \
     D("tls", "opportunistic"),                                                                    \
     .words = "none opportunistic required",                                                       \
     .doc = "What STARTTLS is used for where the recipient's domain says nothing of it: nothing; " \
            "hosts that offer it, with any certificate, and in clear where that fails; or all "    \
            "hosts, mail waiting where it fails. What the domain publishes (DANE, MTA-STS) goes "  \
            "before the last two, a tls-policy before everything."},                               \
        {"requiretls-by-dnssec",                                                                   \
         CONF_BOOL,                                                                                \
         0,                                                                                        \
         OUT,                                                                                      \
         D("requiretls-by-dnssec", "no"),                                                          \
         .doc = "Whether a message with REQUIRETLS may also go to a host that has neither DANE "   \
                "nor MTA-STS, if DNSSEC secures its name and its certificate is of a known "       \
                "authority and for that name (RFC 8689, 4.2.1). Otherwise it is returned."},       \
        {"tls-results",                                                                            \
         CONF_BOOL,                                                                                \
         0,                                                                                        \
         OUT,                                                                                      \
         D("tls-results", "yes"),                                                                  \
         .doc = "Whether it is counted how TLS with each domain's hosts went, for reports to the " \
                "domain (TLSRPT, RFC 8460)."},                                                     \
        {"max-hosts",                                                                              \
         CONF_INT,                                                                                 \
         0,                                                                                        \
         OUT,                                                                                      \
         D("max-hosts", "50"),                                                                     \
         .min = "1",                                                                               \
         .max = "100",                                                                             \
         .doc = "MX hosts that are tried in one attempt, the preferred first."},                   \
        {"allow-loopback",                                                                         \
         CONF_BOOL,                                                                                \
         0,                                                                                        \
         OUT,                                                                                      \
         D("allow-loopback", "no"),                                                                \
         .doc = "Deliver to MX hosts that resolve to loopback or unspecified addresses. Without "  \
                "it, a host that has no other addresses has none."},                               \
        {"allow-private",                                                                          \
         CONF_BOOL,                                                                                \
         0,                                                                                        \
         OUT,                                                                                      \
         D("allow-private", "no"),                                                                 \
         .doc = "Deliver to MX hosts that resolve to private addresses: RFC 1918, 100.64/10, "     \
                "link-local, unique local. For mail inside a site. Without it, a host that has "   \
                "no other addresses has none: the next one is tried, and without any, mail is "    \
                "returned (5.4.4). A host with an address on which this system listens for SMTP "  \
                "is this system: it and those after it are not tried (5.4.6)."},                   \
    {                                                                                              \
        "port", CONF_INT, 0, OUT, D("port", "25"), .min = "1", .max = "65535",                     \
                                                   .doc = "Port of the MX hosts."                  \
    }

/* qmgr's: when mail is tried again that could not be delivered this way. */
#define RETRY_SETTINGS                                                                             \
    {"first-retry",                                                                                \
     CONF_DURATION,                                                                                \
     0,                                                                                            \
     CONF_QMGR,                                                                                    \
     .from = "queue/first-retry",                                                                  \
     .min = "1s",                                                                                  \
     .max = "1d",                                                                                  \
     .doc = "Wait after the first attempt that failed over this transport; it doubles with each "  \
            "further one."},                                                                       \
        {"longest-wait",                                                                           \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         CONF_QMGR,                                                                                \
         .from = "queue/longest-wait",                                                             \
         .min = "1s",                                                                              \
         .max = "30d",                                                                             \
         .doc = "No wait after an attempt over this transport becomes longer than that."},         \
        {"retry-jitter",                                                                           \
         CONF_INT,                                                                                 \
         0,                                                                                        \
         CONF_QMGR,                                                                                \
         .from = "queue/retry-jitter",                                                             \
         .min = "0",                                                                               \
         .max = "50",                                                                              \
         .doc = "Percent by which each such wait is lengthened or shortened at random."},          \
        {"lifetime",                                                                               \
         CONF_DURATION,                                                                            \
         0,                                                                                        \
         CONF_QMGR,                                                                                \
         .from = "queue/lifetime",                                                                 \
         .min = "1m",                                                                              \
         .max = "90d",                                                                             \
         .doc =                                                                                    \
             "Age of a message at which an attempt over this transport that fails is its last."},  \
        {"delay-notice-attempt",                                                                   \
         CONF_INT,                                                                                 \
         0,                                                                                        \
         CONF_QMGR,                                                                                \
         .from = "queue/delay-notice-attempt",                                                     \
         .min = "0",                                                                               \
         .max = "100",                                                                             \
         .doc =                                                                                    \
             "The failed attempt, over whatever transport, after which the sender is told of the " \
             "delay, when that one was over this transport; 0 is never."},                         \
    {                                                                                              \
        "attempts", CONF_INT, 0, CONF_QMGR, .from = "queue/attempts", .min = "1", .max = "100",    \
                                            .doc = "Attempts, over whatever transport, after "     \
                                                   "which a recipient has failed when the last "   \
                                                   "of them was over this one."                    \
    }

#define EHLO_SETTING(origin)                                                                       \
    {                                                                                              \
        "ehlo-name", CONF_HOST, 0, OUT, .from = (origin), .doc = "Name said in EHLO."              \
    }

static const struct conf_setting deliver_settings[] = {
    TIMEOUT_SETTINGS(DEFAULT_HERE), EHLO_SETTING("hostname"),          FAMILY_SETTING(DEFAULT_HERE),
    SOURCE_SETTING(DEFAULT_HERE),   CONNECTIONS_SETTING(DEFAULT_HERE), MX_SETTINGS(DEFAULT_HERE),
};

const struct conf_block_type conftables_deliver = {
    .name = "deliver",
    .flags = CONF_ALWAYS,
    .readers = OUT_AND_QUEUE,
    CONF_TABLE(deliver_settings),
    .doc = "How mail is handed to other servers. These are the defaults of all transports.",
};

/* The settings of `deliver` that any transport which speaks to one given server has too. */
#define SERVER_SETTINGS                                                                            \
    TIMEOUT_SETTINGS(DEFAULT_DELIVER), RETRY_SETTINGS, EHLO_SETTING("deliver/ehlo-name"),          \
        FAMILY_SETTING(DEFAULT_DELIVER), SOURCE_SETTING(DEFAULT_DELIVER)

/* One given server bears less than all the world. */
#define SERVER_CONNECTIONS                                                                         \
    {                                                                                              \
        "connections", CONF_INT, 0, OUT_AND_QUEUE, "100", .min = "1", .max = "10000",              \
                                                          .doc = "Connections open to it at once." \
    }

#define HOST_SETTINGS(flags, number)                                                               \
    {"host", CONF_PEER, (flags), OUT_AND_QUEUE,                                                    \
     .doc = "The server, by name (its A and AAAA records are used, not MX) or IP address."},       \
    {                                                                                              \
        "port", CONF_INT, 0, OUT_AND_QUEUE, (number), .min = "1", .max = "65535",                  \
                                                      .doc = "Port of that server."                \
    }

/* Servers beside `host`. */
#define FALLBACK_SETTING                                                                           \
    {                                                                                              \
        "fallback-host", CONF_PEER, CONF_LIST, OUT,                                                \
            .doc = "Further servers, with the same port and credentials, tried in this order "     \
                   "when those before cannot be reached, turn us away or cannot take the "         \
                   "message."                                                                      \
    }

#define RELAY_TLS_SETTING                                                                          \
    {                                                                                              \
        "tls", CONF_WORD, 0, OUT, "required",                                                      \
            .words = "none opportunistic required dane-only",                                      \
            .doc = "Whether STARTTLS is used: never; when the server offers it, and as its TLSA "  \
                   "records say if it has any that DNSSEC secures; always and with a certificate " \
                   "that is valid for the host; or always and as such records say, which it has "  \
                   "to have. Mail waits where that fails. A tls-policy for the host goes before "  \
                   "it."                                                                           \
    }

static const struct conf_setting direct_settings[] = {
    SERVER_SETTINGS,
    CONNECTIONS_SETTING(DEFAULT_DELIVER),
    MX_SETTINGS(DEFAULT_DELIVER),
};

static const struct conf_block_type direct = {
    .name = "direct",
    .readers = OUT_AND_QUEUE,
    CONF_TABLE(direct_settings),
    .doc = "Straight to the MX hosts of the recipient's domain.",
};

static const struct conf_setting smtp_settings[] = {
    HOST_SETTINGS(CONF_REQUIRED, "25"),
    FALLBACK_SETTING,
    RELAY_TLS_SETTING,
    {"tls-results", CONF_BOOL, 0, OUT, .from = "deliver/tls-results",
     .doc = "Whether it is counted, where tls is opportunistic, how TLS with the host went, for "
            "reports to its owner (TLSRPT, RFC 8460)."},
    SERVER_SETTINGS,
    SERVER_CONNECTIONS,
};

static const struct conf_block_type smtp = {
    .name = "smtp",
    .readers = OUT_AND_QUEUE,
    CONF_TABLE(smtp_settings),
    .doc = "Through a smarthost, without authentication.",
};

/* In the order of enum saslclient_mechanism and enum saslclient_binding (lib/auth/saslclient.h). */
#define MECHANISMS                                                                                 \
    "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN EXTERNAL " \
    "OAUTHBEARER XOAUTH2"
#define BINDINGS "auto tls-exporter tls-server-end-point none"

static const struct conf_setting auth_settings[] = {
    {"user", CONF_TEXT, 0, CONF_VAULT, .min = "1", .max = "255",
     .doc = "The name to authenticate as. Every mechanism but EXTERNAL needs it."},
    {"password-file", CONF_PATH, CONF_SECRET_FILE, CONF_VAULT,
     .doc = "File with the password in its first line. Only the vault process gets to see it; with "
            "PLAIN and LOGIN it passes through the delivery process on its way to the server."},
    {"token-file", CONF_PATH, CONF_SECRET_FILE, CONF_VAULT,
     .doc = "File with an OAuth 2.0 access token in its first line, for OAUTHBEARER (RFC 7628) and "
            "XOAUTH2. It is read anew when it changes or is replaced; whatever renews the token "
            "writes it there."},
    {"certificate-file", CONF_PATH, 0, CONF_DELIVERY | CONF_VAULT,
     .doc =
         "A certificate chain of ours, PEM, our own first. It is shown to a server that asks for "
         "one under TLS. With nothing else in the block that is all there is to it; with "
         "mechanisms EXTERNAL we also log in as who it says we are."},
    {"key-file", CONF_PATH, CONF_SECRET_FILE, CONF_VAULT,
     .doc = "Private key of that certificate, PEM. Only the vault process gets to see it."},
    {"mechanisms", CONF_WORD, CONF_LIST, CONF_VAULT, .words = MECHANISMS,
     .doc = "The SASL mechanisms that may be used: the first of them that the server offers is. "
            "Without any, the strongest that is offered and that the credentials fit, in the order "
            "of the list above; EXTERNAL is used only where it is named here."},
    {"channel-binding", CONF_WORD, 0, CONF_VAULT, "auto", .words = BINDINGS,
     .doc = "What the SCRAM mechanisms with -PLUS bind to: the exporter of the connection (RFC "
            "9266), "
            "the server's certificate (RFC 5929), or nothing, so that they are not used. auto is "
            "tls-exporter under TLS 1.3, and tls-server-end-point before."},
    {"unverified", CONF_BOOL, 0, CONF_VAULT, "no",
     .doc = "Whether a password or token may be shown (PLAIN, LOGIN, OAUTHBEARER, XOAUTH2) to a "
            "server that TLS did not prove to be the host: in clear, or with any certificate."},
    {"iterations", CONF_INT, 0, CONF_VAULT, "100000", .min = "4096", .max = "10000000",
     .doc = "Iterations of the key derivation that a server may ask for with SCRAM; one that asks "
            "for more is refused. 100000 take the vault some 50 ms."},
};

static const struct conf_block_type auth = {
    .name = "auth",
    .readers = CONF_DELIVERY | CONF_VAULT,
    CONF_TABLE(auth_settings),
    .doc = "Credentials for the server (RFC 4954). Without this block none are sent. A server that "
           "refuses them has mail wait, and an error in the log.",
};

static const struct conf_block_type *const auth_blocks[] = {&auth, NULL};

static const struct conf_setting submission_settings[] = {
    HOST_SETTINGS(CONF_REQUIRED, "587"),
    FALLBACK_SETTING,
    RELAY_TLS_SETTING,
    SERVER_SETTINGS,
    SERVER_CONNECTIONS,
};

static const struct conf_block_type submission = {
    .name = "submission",
    .readers = OUT_AND_QUEUE | CONF_VAULT,
    CONF_TABLE(submission_settings),
    .blocks = auth_blocks,
    .doc = "Through the submission port of a mail provider (RFC 6409).",
};

static const struct conf_setting submissions_settings[] = {
    HOST_SETTINGS(CONF_REQUIRED, "465"),
    FALLBACK_SETTING,
    SERVER_SETTINGS,
    SERVER_CONNECTIONS,
};

static const struct conf_block_type submissions = {
    .name = "submissions",
    .readers = OUT_AND_QUEUE | CONF_VAULT,
    CONF_TABLE(submissions_settings),
    .blocks = auth_blocks,
    .doc = "The same with TLS from the first octet (RFC 8314). The certificate has to be valid for "
           "the host.",
};

static const struct conf_setting socks_auth_settings[] = {
    {"user", CONF_TEXT, CONF_REQUIRED, CONF_VAULT, .min = "1", .max = "255",
     .doc = "The user at the proxy."},
    {"password-file", CONF_PATH, CONF_REQUIRED | CONF_SECRET_FILE, CONF_VAULT,
     .doc = "File with the password in its first line. RFC 1929 sends it to the proxy in clear."},
};

static const struct conf_block_type socks_auth = {
    .name = "auth",
    .readers = CONF_DELIVERY | CONF_VAULT,
    CONF_TABLE(socks_auth_settings),
    .doc = "Credentials for the proxy (RFC 1929), for when it asks for them.",
};

static const struct conf_block_type *const socks_blocks[] = {&socks_auth, NULL};

static const struct conf_setting socks_settings[] = {
    {"address", CONF_ENDPOINT, CONF_REQUIRED, OUT,
     .doc = "The SOCKS 5 proxy (RFC 1928), as address:port."},
    {"remote-dns", CONF_BOOL, 0, OUT, "no",
     .doc = "Whether the proxy looks up the addresses of MX hosts. Which hosts a domain has is "
            "looked up here in any case. ip-family, allow-loopback and allow-private are for "
            "addresses that are looked up here."},
    {"remote-ips", CONF_ADDRESS, CONF_LIST, OUT,
     .doc =
         "Addresses that mail sent through the proxy comes from, as SPF records have to name them. "
         "They change nothing of how it is sent. What is counted of TLS for reports names the one "
         "of the family, if there is just one."},
    {"remote-hostname", CONF_HOST, 0, OUT, .from = "deliver/ehlo-name",
     .doc = "Name said in EHLO: that of the proxy's address."},
    TIMEOUT_SETTINGS(DEFAULT_DELIVER),
    RETRY_SETTINGS,
    FAMILY_SETTING(DEFAULT_DELIVER),
    CONNECTIONS_SETTING(DEFAULT_DELIVER),
    MX_SETTINGS(DEFAULT_DELIVER),
};

static const struct conf_block_type socks = {
    .name = "socks",
    .readers = OUT_AND_QUEUE | CONF_VAULT,
    CONF_TABLE(socks_settings),
    .blocks = socks_blocks,
    .doc = "To the MX hosts of the recipient's domain, through a SOCKS proxy.",
};

static const struct conf_setting lmtp_settings[] = {
    HOST_SETTINGS(0, "24"),
    FALLBACK_SETTING,
    {"socket", CONF_PATH, 0, OUT,
     .doc = "Or a local socket instead of host and port. Its folder becomes the root folder of the "
            "process that delivers there, and has to let the user of that process in."},
    {"tls", CONF_WORD, 0, OUT, "opportunistic", .words = "none opportunistic required dane-only",
     .doc = "Whether STARTTLS is used, as for smtp. Never on a local socket."},
    SERVER_SETTINGS,
    SERVER_CONNECTIONS,
};

static const struct conf_block_type lmtp = {
    .name = "lmtp",
    .readers = OUT_AND_QUEUE,
    CONF_TABLE(lmtp_settings),
    .doc = "To a mail store that speaks LMTP (RFC 2033). Either host or socket has to be given.",
};

static const struct conf_setting fail_settings[] = {
    {"code", CONF_INT, 0, OUT_AND_QUEUE, "554", .min = "400", .max = "599",
     .doc = "Reply code to fail with: 5xx at once, 4xx as if the server had asked to come again."},
    {"text", CONF_TEXT, CONF_ASCII, OUT_AND_QUEUE, "delivery is turned off", .min = "1",
     .max = "256", .doc = "What the sender is told."},
};

static const struct conf_block_type fail = {
    .name = "fail",
    .readers = OUT_AND_QUEUE,
    CONF_TABLE(fail_settings),
    .doc = "Nowhere: every delivery fails.",
};

static const struct conf_block_type local = {
    .name = "local",
    .readers = OUT_AND_QUEUE,
    .doc =
        "To the mailboxes on this machine. Mail for an account with a mailbox goes there before "
        "any "
        "route is looked at, so this block is of little use; the transport has to be called local.",
};

static const struct conf_block_type *const transport_blocks[] = {
    &direct, &smtp, &submission, &submissions, &socks, &lmtp, &fail, &local, NULL,
};

const struct conf_block_type conftables_transport = {
    .name = "transport",
    .label = CONF_LABEL_NAME,
    .label_doc = "NAME",
    .readers = OUT_AND_QUEUE | CONF_VAULT,
    .blocks = transport_blocks,
    .doc = "A way for mail to leave, which routes name. It holds exactly one of the blocks below.",
};

static const struct conf_setting tls_policy_settings[] = {
    {"to", CONF_PATTERN, CONF_LIST | CONF_REQUIRED, OUT,
     .doc = "Domains of the recipient that this is for; and servers that a transport names as its "
            "host."},
    {"level", CONF_WORD, CONF_REQUIRED, OUT,
     .words = "published none may encrypt verify dane-only fingerprint",
     .doc =
         "published: what the domain publishes, as without any tls-policy. none: no TLS. may: TLS "
         "when it is offered, with any certificate, else in clear. encrypt: TLS or nothing, with "
         "any certificate. verify: with one of a known authority, for the host's name. dane-only: "
         "as TLSA records say that DNSSEC secures, or nothing. fingerprint: with one of these "
         "certificates or keys."},
    {"fingerprint", CONF_TEXT, CONF_LIST | CONF_ASCII, OUT, .min = "64", .max = "95",
     .doc = "SHA-256 of a certificate, or of its public key (SubjectPublicKeyInfo), in hexadecimal "
            "digits, with or without colons between the octets."},
};

const struct conf_block_type conftables_tls_policy = {
    .name = "tls-policy",
    .flags = CONF_REPEATABLE,
    .readers = OUT,
    CONF_TABLE(tls_policy_settings),
    .doc =
        "What TLS with a destination has to be like, whatever it publishes itself and whatever "
        "the transport says. The first that fits, in the order of the file, holds. What a "
        "message asks for with REQUIRETLS is kept all the same: where none holds it is returned.",
};

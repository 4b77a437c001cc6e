"""Policies of MTA-STS, served by nginx.

    ca = certs.Authority(folder)
    web = mtasts.Server(lan.host("web", software=["nginx"]), ca)
    web.publish(zone, "enforce", ["mx.example.test"])       # the records in the zone too
    web.start()
"""

from . import service


def text(mode, mx=(), max_age=86400):
    """The text of a policy."""
    return "\r\n".join(["version: STSv1", f"mode: {mode}", *(f"mx: {one}" for one in mx), f"max_age: {max_age}", ""])


class Server(service.Service):
    """nginx on port 443 with a host mta-sts.<domain> for each domain."""

    def __init__(self, host, authority):
        super().__init__(host, "nginx")
        self.authority, self._sites = authority, {}
        host.add_user("www-data", 31020)
        host.run(["sh", "-c", "mkdir -p /var/lib/nginx /var/log/nginx /run /srv"])

    def publish(self, zone, mode=None, mx=(), max_age=86400, ident="1", cert=None, answer=None, kind="text/plain",
                below=None, policy=None):
        """A policy for a zone of dnszone.py, with its TXT and address records.

        below: labels of a domain in the zone, when it is not for the zone itself. cert: (certificate, key) instead
        of a good one. answer: what nginx does instead of sending the policy, in its own words ("return 404;").
        kind: content type. max_age: seconds. policy: the text itself, instead of one of mode, mx and max_age."""
        domain, end = (f"{below}.{zone.name}", f".{below}") if below else (zone.name, "")
        name = f"mta-sts.{domain}"
        zone.txt(f"_mta-sts{end}", f"v=STSv1; id={ident};").address(f"mta-sts{end}", self.host.v4)
        cert, key = cert or self.authority.issue(name, name)
        self.host.write(f"/srv/{domain}.txt", policy if policy is not None else text(mode, mx, max_age) if mode else "")
        self._sites[domain] = (cert.read_text(), key.read_text(),
                                  answer or f"default_type {kind}; alias /srv/{domain}.txt;")
        return self

    def start(self):
        sites = ""
        for domain, (cert, key, answer) in self._sites.items():
            self.host.write(f"/etc/nginx/{domain}.pem", cert)
            self.host.write(f"/etc/nginx/{domain}.key", key)
            sites += f"""server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name mta-sts.{domain};
    ssl_certificate /etc/nginx/{domain}.pem;
    ssl_certificate_key /etc/nginx/{domain}.key;
    location = /.well-known/mta-sts.txt {{ {answer} }}
}}
"""
        self.host.write("/etc/nginx/nginx.conf", f"""user www-data;
daemon off;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events {{ }}
http {{
server_names_hash_bucket_size 128;
server_names_hash_max_size 4096;
log_format asked '$host $status "$request"';
access_log {self.host.work}/access.log asked;
{sites}}}
""")
        return self.launch(["nginx", "-e", "stderr", "-c", "/etc/nginx/nginx.conf"], 443)

    def requests(self):
        """The lines of its access log: host, status, request."""
        path = self.host.work / "access.log"
        return path.read_text().splitlines() if path.exists() else []

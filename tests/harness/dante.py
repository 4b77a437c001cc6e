"""Debian's Dante on a host: a SOCKS proxy."""

from . import service

UID, USERS_UID, PORT = 31041, 31050, 1080

_CONFIG = """\
logoutput: {work}/danted.log
internal: {address} port = 1080
external: {address}
socksmethod: {method}
clientmethod: none
user.privileged: root
user.unprivileged: qmproxy
client pass {{ from: 0/0 to: 0/0 log: connect error }}
socks pass {{ from: 0/0 to: 0/0 log: connect error }}
"""


class Dante(service.Service):
    """Port 1080, IPv4. users: name -> password, one of which has to be shown; None for anybody."""

    def __init__(self, host, users=None):
        super().__init__(host, "danted")
        host.add_user("qmproxy", UID)
        host.write("/etc/danted.conf", _CONFIG.format(work=host.work, address=host.v4,
                                                      method="username" if users else "none"))
        shadow = ""
        for number, (name, password) in enumerate((users or {}).items()):
            host.add_user(name, USERS_UID + number)
            crypted = host.run(["openssl", "passwd", "-6", "-stdin"], input=password + "\n").stdout.strip()
            shadow += f"{name}:{crypted}:19000:0:99999:7:::\n"
        host.write("/etc/shadow", shadow, 0o600)

    def start(self):
        return self.launch(["danted", "-f", "/etc/danted.conf"], PORT)

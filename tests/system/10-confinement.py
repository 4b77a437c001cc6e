"""What each process may do, as the kernel tells it."""

import os
import pathlib

from harness import case, client, mailbox, suite

CONFIG = """
hostname mx.us.test
listen public { address %s  smtp ${port:smtp}  http ${port:http}  webapi yes }
domain us.test { }
account ann { address ann@us.test }
transport relay { smtp { host 192.0.2.2  tls none } }
"""
ROLES = {"smtpd": "qm-smtpd", "qmgr": "qm-queue", "delivery": "qm-deliver", "webapi": "qm-web", "hooks": "qm-hooks",
         "vault": "qm-vault"}
NAMES = {"vault/0", "delivery/direct", "delivery/local", "delivery/relay", "hooks", "qmgr", "smtpd/0", "smtpd/1",
         "webapi/0"}


def kernel(pid):
    """The fields of /proc/PID/status."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


class Confinement(case.LanCase):
    def processes(self, running):
        found = {one["name"]: one for one in running.qmctl("status")["processes"]}
        self.assertEqual(set(found), NAMES)
        return found

    def check_common(self, name, pid):
        """What holds with and without root."""
        status = kernel(pid)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), name)
        self.assertEqual([status[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff")], ["", "", ""], name)
        return status

    def check_open_files(self, name, pid, folder):
        """Nothing is open by a name but what the process owns: its folder, and the log."""
        for entry in os.scandir(f"/proc/{pid}/fd"):
            target = os.readlink(entry.path)
            if target.startswith(("socket:", "anon_inode:", "pipe:", "/memfd:")) or target.endswith("/dev/null"):
                continue
            allowed = target.endswith("suite.log") or (folder and folder in target) or \
                target == "/run/bin" or target.endswith("/empty")
            self.assertTrue(allowed, f"{name} has {target} open")

    def test_as_root_each_process_has_a_user_a_root_and_no_way_back(self):
        us = self.lan.host("us", 1)
        with suite.Suite(CONFIG % us.v4, host=us) as running:
            inside, outside = running.folder, str(us.root)
            roots = {"qmgr": inside / "state/queue", "delivery/local": inside / "state/mail"}
            users = set()
            for name, told in self.processes(running).items():
                pid, uid = told["pid"], us.uid(ROLES[name.split("/")[0]])
                status = self.check_common(name, pid)
                self.assertEqual(status["Uid"].split(), [str(uid)] * 4, name)
                self.assertEqual(status["Gid"].split(), [str(uid)] * 4, name)
                self.assertEqual(status["Groups"], "", name)
                self.assertNotEqual(uid, 0)
                root = str(roots.get(name, inside / "run/empty"))
                self.assertTrue(os.path.samefile(f"/proc/{pid}/root", root), name)
                self.assertTrue(os.path.samefile(f"/proc/{pid}/cwd", root), name)
                self.assertEqual((told["uid"], told["seccomp"]), (uid, "filter"), name)
                self.assertTrue(told["root"].endswith(root), told)
                self.check_open_files(name, pid, root if name in roots else None)
                users.add(uid)
            self.assertEqual(len(users), len(ROLES))
            self.assertEqual(list((inside / "run/empty").iterdir()), [])
            self.check_folders(us, running)
            self.check_work(us, running)

    def check_folders(self, us, running):
        owners = {"state/queue": ("qm-queue", 0o700), "state/mail": ("qm-deliver", 0o700), "run/empty": (None, 0o555),
                  "run/master.sock": (None, 0o600), "run/admin.sock": (None, 0o666), "run/submit.sock": (None, 0o666)}
        for name, (user, mode) in owners.items():
            stat = (running.folder / name).stat()
            self.assertEqual((stat.st_uid, stat.st_mode & 0o7777), (us.uid(user) if user else 0, mode), name)

    def check_work(self, us, running):
        """All of it is of use confined like that."""
        client.send(us.v4, running.port("smtp"), "b@example.net", ["ann@us.test"], client.message("ann@us.test", "x"))
        mailbox.Maildir(running.folder / "state/mail/ann").wait()

    def test_without_root_it_says_so_and_keeps_the_rest(self):
        with suite.Suite(CONFIG % "127.0.0.1") as running:
            entry, = running.find_log(p="master", uid=suite.NOBODY)
            self.assertIn("not root", entry["m"])
            self.assertFalse(running.qmctl("status")["privileged"])
            for name, told in self.processes(running).items():
                status = self.check_common(name, told["pid"])
                self.assertEqual(status["Uid"].split(), [str(suite.NOBODY)] * 4, name)
                self.assertEqual(told["root"], "/", name)

    def test_nobody_else_may_give_orders(self):
        us = self.lan.host("us", 1)
        us.add_user("bob", 2000)
        with suite.Suite(CONFIG % us.v4, host=us) as running:
            def qmctl(*words):
                return us.run(["/run/bin/qmctl", "-c", running.config_path, *words], user="bob", check=False)
            self.assertEqual(qmctl("queue", "list").returncode, 0)
            for words in (["reload"], ["stop"], ["status"], ["queue", "drop", "--all"], ["queue", "hold", "--all"],
                          ["hook", "list"], ["queue", "show", "1NGKD280000"], ["retired", "list"],
                          ["retired", "show", "1NGKD280000"]):
                self.assertEqual(qmctl(*words).returncode, 77, words)
            with self.assertRaises(PermissionError):
                self.as_bob(lambda: os.listdir(running.folder / "state/queue"))
            self.assertIsNone(running.process.poll())

    def test_members_of_the_admin_group_may_act(self):
        us = self.lan.host("us", 1)
        us.add_user("bob", 2000)
        us.add_group("ops", 3000)
        with suite.Suite(CONFIG % us.v4 + "users { admin-group ops }\n", host=us) as running:
            def hold(*privileges):
                return us.run(["setpriv", *privileges, "/run/bin/qmctl", "-c", running.config_path, "queue", "hold", "-n",
                               "--all"], check=False).returncode
            bob = ["--reuid", "2000", "--regid", "2000"]
            self.assertEqual(hold(*bob, "--clear-groups"), 77)
            self.assertEqual(hold(*bob, "--groups", "4000"), 77)
            self.assertEqual(hold(*bob, "--groups", "4000,3000"), 0)
            self.assertEqual(hold("--reuid", "2000", "--regid", "3000", "--clear-groups"), 0)

    def as_bob(self, act):
        os.seteuid(2000)
        try:
            return act()
        finally:
            os.seteuid(0)

    def test_the_filter_of_system_calls_is_as_the_configuration_says(self):
        us = self.lan.host("us", 1)
        for mode, wanted in (("kill", "2"), ("errno", "2"), ("off", "0")):
            with suite.Suite(CONFIG % us.v4 + f"seccomp {mode}\n", host=us, folder=us.work / mode) as running:
                status = kernel(self.processes(running)["hooks"]["pid"])
                self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), (wanted, "1"))


if __name__ == "__main__":
    case.main()

# Derived from src/bin/reelect_leader.rs by `firebreak sync`: change that file, or the template.
"""The part on the controller of a call of the role's program; library/reelect_leader_call.py is the part on the host.

One action rather than many tasks: it knows whether it is only a check, however that was asked for; what is removed and kept
depends on nothing that failed before; one call sees nothing of another; and few ways to the host make a quick button.
"""
import base64
import difflib
import json
import os
import re

from ansible import context
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.collection_loader._collection_finder import _get_collection_playbook_path
from ansible.utils.vars import load_extra_vars

ROLE = "reelect_leader"
# What the tests run with. The first two numbers of a version.
OLDEST, NEWEST = (2, 16), (2, 19)
CHECK = "ansible_check_mode"


class Refused(Exception):
    """What was asked for is wrong, and nothing was done."""


class ActionModule(ActionBase):
    """`asks` looks whether a call is right, of the playbook or `by_name`; `command` calls the program; `says` only speaks."""

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        self.vars = task_vars
        asks = self._task.args.get("asks")
        try:
            self.spec = self.specification()
            self.read_tags()
            if asks is None or self.chosen or self.mistyped:
                self.forget_report()
            self.check_version()
            self.check_names()
            if "says" in self._task.args:
                return spoken(self._task.args["says"])
            if asks is None:
                return Call(self).result()
            if asks.get("by_name"):
                self.check_name_alone()
            else:
                self.check_call(asks["found"])
            return {"changed": False}
        except Refused as why:
            return {"changed": False, "failed": True, "msg": str(why)}

    def check_version(self):
        full = self.vars["ansible_version"]["full"]
        numbers = tuple(int(number) for number in re.findall(r"\d+", full)[:2])
        if not OLDEST <= numbers <= NEWEST:
            oldest, newest = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
            raise Refused(
                f"ansible-core {full} was never tried with this role, so nothing was done: it needs {oldest} to {newest}."
            )

    def specification(self):
        """The variables of each command: meta/argument_specs.yml."""
        path = os.path.join(self.vars["role_path"], "meta", "argument_specs.yml")
        specs = self._loader.load_from_file(path)["argument_specs"]
        return {entry: spec["options"] for entry, spec in specs.items() if entry != "main"}

    def check_names(self):
        """A mistyped variable would be left out in silence. One that is like none of the role's may be the playbook's own."""
        known = {name for options in self.spec.values() for name in options}
        roles = os.listdir(os.path.dirname(os.path.realpath(self.vars["role_path"])))
        others = tuple(f"{role}_" for role in roles if role.startswith(f"{ROLE}_"))
        mine = {name for name in self.vars if name.startswith(f"{ROLE}_") and not name.startswith(others)}
        # What another variable's value names is a helper of that one, however it is called.
        used = re.findall(r"\w+", " ".join(value for value in map(self.vars.get, mine) if isinstance(value, str) and "{" in value))
        meant = {name: near(name, known) for name in sorted(mine - known - set(used))}
        mistyped = [f"The role has no variable {name}: did you mean {known}?" for name, known in meant.items() if known]
        if mistyped:
            raise Refused(f"{' '.join(mistyped)} Nothing was done.")
        for name in meant:
            self._display.warning(f"The role has no variable {name}, so it is left out.")

    def read_tags(self):
        """Which commands the tags choose, and which of the tags nobody has."""
        tags = list(self.vars["ansible_run_tags"])
        self.chosen = [entry for entry in self.spec if entry in tags or (entry == "get" and "all" in tags)]
        unknown = [tag for tag in tags if tag not in ("all", *self.spec)]
        self.mistyped = unknown if unknown and "found" in self._task.args.get("asks", {}) and self.is_alone() else []

    def forget_report(self):
        """The report of an earlier call would be taken for that of this one, wherever this one ends."""
        name = self.setting("report")
        self.report = place(self.own(name)) if name else ""
        # A device is none.
        if not os.path.isfile(self.report):
            return
        try:
            os.remove(self.report)
        except OSError:
            try:
                open(self.report, "wb").close()
            except OSError as error:
                raise Refused(
                    f"{self.report} is the report of an earlier call, and can neither be removed nor emptied "
                    f"({error.strerror}). Nothing was done."
                )

    def check_name_alone(self):
        """A play that names the role and no file of its tasks looks: a tag that acts would be left out in silence."""
        play = self._task._role._play
        others = {tag for tasks in play.get_tasks() for task in tasks for tag in task.tags}
        missed = [entry for entry in self.chosen if entry != "get" and entry not in others]
        if not missed:
            return
        why = (
            f"`--tags {missed[0]}` does nothing where a play names the role alone, for that only looks. Call the role's playbook "
            f"with this tag; or have your play include the role by `tasks_from: {missed[0]}`, and call it without tags. "
            "Nothing was changed."
        )
        if self.is_alone():
            raise Refused(why)
        self._display.warning(why)

    def check_call(self, found):
        """Tags, the host and what a command cannot do without, before the role checks its arguments: it would print them."""
        if self.mistyped:
            acts = ", ".join(f"`--tags {entry}`" for entry in self.spec if entry != "get")
            raise Refused(
                f"There is no tag '{', '.join(self.mistyped)}', so nothing was done. Without tags, or with `--tags get`, the "
                f"playbook looks; with {acts} it acts."
            )
        hosts = self.hosts()
        if self.chosen and self.vars["inventory_hostname"] not in hosts:
            raise Refused(
                f"`--limit` leaves no host of the group 'firebreak', so nothing was done. It has: {', '.join(hosts)}."
                if hosts
                else "The inventory has no host in the group 'firebreak', so nothing was done. Name an environment, as in "
                "`-i inventories/dev`."
            )
        for entry in self.chosen:
            for name, option in self.spec[entry].items():
                if type(self.vars.get(name)).__name__ == "AnsibleVaultEncryptedUnicode":
                    raise Refused(
                        f"{name} is encrypted by itself (`!vault`), which a role of ansible-core before 2.19 cannot take: encrypt "
                        "another variable, and name that one as \"{{ … }}\"; or encrypt the whole file. Nothing was done."
                    )
                if option.get("required") and not self.given(name):
                    what = "one of those that the look prints." if name in found else option["description"][0]
                    raise Refused(f"`--tags {entry}` needs {name}: {what} Nothing was changed.")

    def is_alone(self):
        """Whether no other play could have the tags that are not ours: one playbook was called, and it has one play."""
        given = context.CLIARGS.get("args") or ()
        # One of a collection is called by its name: firebreak.repairs.<role>.
        paths = [(_get_collection_playbook_path(path) or ("", path))[1] for path in given]
        plays = [self._loader.load_from_file(os.path.abspath(path)) for path in paths if os.path.isfile(path)]
        return len(paths) == len(plays) == 1 and len(plays[0]) == 1 and "hosts" in plays[0][0]

    def hosts(self):
        """The hosts of which the first acts that `--limit` leaves."""
        return self.vars["groups"].get("firebreak", [])

    def is_check(self, looks):
        """Whether nothing may be changed, however that was asked for; refuses where two answers are given."""
        if self._task.check_mode:
            return True
        if boolean(self.vars.get(CHECK), strict=False) and not looks:
            raise Refused("`--check` is given, and `check_mode: false` takes it back: take one away. Nothing was changed.")
        role = self._task._role
        places = [self._task.get_vars(), role.get_vars(), role._play.get_vars(), load_extra_vars(self._loader), self.told()]
        if any(boolean(self._templar.template(place.get(CHECK, False)), strict=False) for place in places):
            raise Refused(
                f"{CHECK} is set as a variable, which Ansible itself does not look at: say `--check`, or `check_mode: true`. "
                "Nothing was changed."
            )
        return False

    def told(self):
        """All that inventories, files and earlier tasks say: what Ansible says by itself would hide their check mode."""
        manager = self.vars["hostvars"]._variable_manager
        own, manager._options_vars = manager._options_vars, {}
        try:
            host = manager._inventory.get_host(self.vars["inventory_hostname"])
            return manager.get_vars(play=self._task._role._play, host=host, task=self._task, include_hostvars=False)
        finally:
            manager._options_vars = own

    def own(self, path):
        """A file of this host alone, where several hosts are in the play."""
        stem, ending = os.path.splitext(path)
        several = len(self.vars["ansible_play_hosts_all"]) > 1
        return f"{stem}.{self.vars['inventory_hostname'].replace(os.sep, '_')}{ending}" if several else path

    def setting(self, name):
        """What a variable holds that every role has."""
        return text(self.value(f"{ROLE}_{name}"))

    def value(self, name):
        """What a variable holds."""
        try:
            value = self._templar.template(self.vars.get(name))
        except AnsibleError as error:
            # A variable that says `omit` is not given; before 2.19 that is no error, but a text.
            if type(error).__name__ == "AnsibleValueOmittedError":
                return None
            raise Refused(f"{name} cannot be told: {to_text(error)}. Nothing was done.")
        return None if value == self.vars.get("omit") else value

    def given(self, name):
        value = self.value(name)
        return value is not None and (len(value) if isinstance(value, (list, dict)) else len(text(value))) > 0


class Call:
    """One call of the program: everything that is known of it, and nothing of another."""

    def __init__(self, action):
        self.action, self.args, self.vars = action, action._task.args, action.vars
        self.command, self.program = self.args["command"], self.args["program"]
        self.looks = self.command == "get"
        # All that is needed in the end is known before the program is called: what cannot be told then comes too late.
        self.records = action.setting("records")
        self.where = text(action.value(self.args["where"])) if self.args.get("where") else ""
        # The words of the command line, each in parts: what lies in the folder on the host is named there.
        self.words, self.files, self.kept = [], {}, None

    def result(self):
        checks = self.action.is_check(self.looks)
        if checks and not self.looks and "check" not in self.args:
            return spoken("Not run. The program cannot plan without acting, so there is nothing to do under --check.")
        program = os.path.join(self.vars["role_path"], "files", self.program)
        if not os.path.isfile(program):
            raise Refused(self.args["missing"])
        self.begin()
        if checks and not self.looks:
            self.words.append([self.args["check"]])
        for item in self.args["takes"]:
            self.take(**item)
        return self.tell(self.send(program), checks)

    def begin(self):
        """What a command line begins with."""
        launcher, requirements = self.args.get("launcher"), self.args.get("requirements")
        for name in filter(None, (launcher, requirements)):
            with open(os.path.join(self.vars["role_path"], "files", name), "rb") as file:
                self.files[name] = file.read()
        for name in self.args.get("beside", []):
            self.send_beside(name)
        if self.args.get("python"):
            self.words.append([{"inside": ".venv/bin/python"} if requirements else "python3"])
        if launcher:
            self.words.append([{"inside": launcher}])
        self.words += [[{"inside": self.program}], *([word] for word in self.args["words"])]

    def send_beside(self, name):
        """A file or a folder that the program needs beside it."""
        files = os.path.join(self.vars["role_path"], "files")
        path = os.path.join(files, name)
        found = [path] if os.path.isfile(path) else [
            os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names if not name.endswith(".pyc")
        ]
        for path in found:
            with open(path, "rb") as file:
                self.files[os.path.relpath(path, files)] = file.read()

    def take(self, name, word="", kind="text", file="", separate=False, path=False):
        """Puts a variable on the command line: behind its option in one word, or in a word of its own."""
        value, begin = self.action.value(name), len(self.words)
        self.take_value(name, word, kind, file, path, value)
        if separate:
            self.words[begin:] = [part for parts in self.words[begin:] for part in (parts[:1], parts[1:])]

    def take_value(self, name, word, kind, file, path, value):
        if kind == "switch":
            self.words += [[word]] if boolean(value or False, strict=False) else []
        elif kind == "folder":
            self.words.append([word, {"inside": ""}])
            self.kept = (name, file, text(value))
            if not self.looks:
                self.files[file] = self.found()
        elif kind == "secret":
            if isinstance(value, (dict, list)) and value:
                # A document: the program reads JSON.
                value = json.dumps(value, default=text)
            if text(value) and self.args.get("apart"):
                # A secret on a command line is seen by everybody on the host. The files lie apart, so that none takes the
                # place of another.
                self.files[f"secrets/{file}"] = secret(name, text(value))
                self.words.append([word, "@", {"inside": f"secrets/{file}"}])
            elif text(value):
                self.words.append([word, text(value)])
        else:
            self.take_plain(name, word, kind, path, value)

    def take_plain(self, name, word, kind, path, value):
        values = [text(item) for item in value] if isinstance(value, (list, tuple)) else [text(value)]
        # A name in a kubeconfig may look like a user with a password.
        urls = [item for item in values if not item.startswith("kubernetes://")]
        if self.args.get("apart") and any(re.search("://[^@/]*:[^@]*@", item) for item in urls):
            secrets = {name for options in self.action.spec.values() for name in options if options[name].get("no_log")}
            raise Refused(
                f"{name} holds a password in a URL, where everybody on the host could see it. Give it by a variable of its own: "
                f"{', '.join(sorted(secrets))}. Nothing was done."
            )
        if kind in ("list", "arguments"):
            values = [item for item in values if item or kind == "list"] if value not in (None, "") else []
        elif kind == "commas":
            values = [",".join(values)]
        elif len(values) != 1 or isinstance(value, dict):
            raise Refused(f"{name} takes one value, and is given {len(value)}. Nothing was done.")
        if not word:
            dashed = [item for item in values if item.startswith("-")]
            if dashed and not self.args.get("dashes"):
                raise Refused(f"{name} must not begin with `-`. Nothing was changed.")
            values = list(filter(None, values))
            self.words += [["--"]] if self.args.get("dashes") and ["--"] not in self.words else []
        for item in values:
            if item or not word or kind == "list" or self.args.get("empty"):
                self.words.append([word, *(paths(item, kind == "commas") if path else [item])])

    def found(self):
        """What the look found, which lies on the controller."""
        name, file, folder = self.kept
        path = place(os.path.join(folder, self.action.own(file)))
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            raise Refused(
                f"There is no {os.path.basename(path)} in '{folder}' on the controller. Call the playbook without tags first: it "
                f"looks and writes it. Or name the folder with {name}."
            )

    def send(self, program):
        """Has the host call the program, and says what came of it."""
        sent = self.reach(self.action._make_tmp_path)
        try:
            self.reach(self.hand_over, program, sent)
            return self.have_called(sent)
        finally:
            try:
                self.action._remove_tmp_path(sent, force=True)
            except AnsibleError:
                # The host is lost, and the play says so.
                pass

    def reach(self, work, *given):
        """Does what comes before the call; where the host cannot be reached, says who else can act."""
        try:
            return work(*given)
        except AnsibleConnectionFailure as error:
            host = self.vars["inventory_hostname"]
            others = [other for other in self.action.hosts() if other != host]
            ending = [f"{host} could not be reached, so {ROLE} {self.command} was not begun."]
            if others:
                ending.append(f"Another host of the group 'firebreak' can act: `--limit {others[0]}`.")
            else:
                ending.append("The group 'firebreak' of the inventory has no other host that could act.")
            if not self.looks and f"{ROLE}_records" in self.action.spec[self.command]:
                ending.append(f"A run that was begun on {host} can be ended there alone.")
            raise AnsibleConnectionFailure(f"{to_text(error)}\n{' '.join(ending)}")

    def hand_over(self, program, sent):
        """Puts the program, and what it is to be called with, into a folder of the host."""
        order = {
            "program": self.program,
            "requirements": self.args.get("requirements", ""),
            "words": self.words,
            "files": {name: base64.b64encode(content).decode() for name, content in self.files.items()},
            "environment": {"BUILD_URL": self.action.setting("build"), "FIREBREAK_APPROVER": self.action.setting("approver")},
            "temp": self.action.setting("temp"),
            "reports": self.args["reports"],
            "brings": [self.kept[1]] if self.kept and self.looks else [],
        }
        action = self.action
        paths = [action._connection._shell.join_path(sent, name) for name in ("program", "order.json")]
        action._transfer_file(program, paths[0])
        action._transfer_data(paths[1], json.dumps(order))
        action._fixup_perms2([sent, *paths], execute=False)

    def have_called(self, sent):
        """Calls the program, by one way to the host."""
        action = self.action
        try:
            return action._execute_module(module_name=action._task.action, module_args={"sent": sent}, task_vars=self.vars)
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(
                f"{to_text(error)}\nThe host was lost while it was told to call {ROLE} {self.command}: what was begun there goes on. "
                "Look before you act again."
            )

    def tell(self, answer, checks):
        """What people read, and what is kept. What they must know or do stands last."""
        if "left" not in answer:
            why = "\n".join(filter(None, (text(answer.get(name)) for name in ("module_stderr", "module_stdout", "msg"))))
            return spoken(f"{why}\nThe host could not call {ROLE} {self.command}, or could not say what came of it.", failed=True)
        left = answer["left"] and f"{answer['left']} could not be removed from the host, and may hold secrets: remove it."
        if "places" in answer or "refusal" in answer:
            why = answer.get("refusal") or "; ".join(answer["places"])
            mend = "" if "refusal" in answer else f" Set {ROLE}_temp to a folder of the host where programs may be run."
            return spoken(left, f"{self.program} was not called, so nothing was changed: {why}.{mend}", failed=True)
        said, report = self.report(answer)
        code = answer["rc"]
        troubles = [trouble for trouble in (*self.keep(answer, said, report, checks), left) if trouble]
        call = " ".join([ROLE, *self.args["words"][:1]])
        where = f"{self.where}: " if self.where else ""
        talk = [said.get("text"), *(f"warning: {warning}" for warning in said.get("warnings") or [])]
        talk = [self.named(line, answer) for line in talk]
        end = said.get("message")
        if end:
            end = f"{where}{self.named(end, answer)}"
        elif code != 0:
            end = self.named(answer["stderr"].strip(), answer) or f"{call} ended with {code}, and said nothing."
        ending = [end]
        if troubles:
            ending = [*troubles, end] if code != 0 else [end, *troubles, f"{call} itself succeeded: do not repeat it for this."]
        if code != 0:
            ending.append(f"rc: {code}")
        failed, changed = code != 0 or bool(troubles), bool(said.get("changed"))
        result = spoken(*talk, *ending, failed=failed)
        if failed and changed:
            # A task that fails is counted as one without a change: the next one fails, and says all of this.
            result = {"msg": result["msg"], "ended": "failed"}
        result["changed"] = changed
        steps = said.get("steps") or []
        if steps and self.action._task.diff:
            lines = ("".join(f"{step['subject']}: {step[side]}\n" for step in steps) for side in ("before", "after"))
            result["diff"] = dict(zip(("before", "after"), lines))
        return result

    def named(self, line, answer):
        """What the program says is kept lies in the private folder, which is gone: it is named where it is now."""
        return line.replace(answer["folder"], self.kept[2]) if line and self.kept else line

    def report(self, answer):
        """What the program reports, and the same as a text; of one that gives no report, what it printed."""
        stdout, stderr = (answer[name].rstrip("\r\n") for name in ("stdout", "stderr"))
        if self.args["reports"]:
            try:
                said = json.loads(stdout)
            except ValueError:
                return {}, ""
            return (said, stdout) if isinstance(said, dict) else ({}, "")
        done = answer["rc"] == 0
        said = {
            "action": ROLE,
            "command": self.command,
            "changed": done and not self.looks,
            "outcome": "done" if done else "failed",
            "message": f"{' '.join([ROLE, *self.args['words']])} ended with {answer['rc']}",
            "text": "\n".join(filter(None, (stdout, stderr))),
            "warnings": [],
        }
        return said, json.dumps(said, indent=4, sort_keys=True)

    def keep(self, answer, said, report, checks):
        """Keeps on the controller what is to be kept; yields what could not be."""
        lost = answer["lost"]
        if self.kept and self.looks and not checks and answer["rc"] == 0:
            _, file, folder = self.kept
            path = place(os.path.join(folder, self.action.own(file)))
            yield kept(f"What was found ({file})", path, answer["brought"].get(file), lost.get(file))
        if said.get("journal"):
            path = place(os.path.join(self.records, os.path.basename(said["journal"])))
            trouble = kept("The journal of the run", path, answer["brought"].get("journal"), lost.get("journal"))
            yield trouble and f"{trouble} It is on the host as {said['journal']}."
        if self.action.report and report:
            yield kept("The report", self.action.report, base64.b64encode(report.encode()))


def kept(what, path, content, lost=None):
    """Writes a file of the controller; says what went wrong."""
    try:
        if content is None:
            raise OSError(lost)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(content))
    except OSError as error:
        return f"{what} could not be kept as {path}: {error.strerror or error}."
    return ""


def place(path):
    """A path on the controller: a relative one is seen from where Ansible was called."""
    return os.path.realpath(os.path.expanduser(path))


def text(value):
    return "" if value is None else to_text(value)


def secret(name, value):
    """The bytes of a secret: those of a file on the controller where it is `@path`, as on the program's command line."""
    if not value.startswith("@"):
        return to_bytes(value)
    try:
        with open(place(value[1:]), "rb") as file:
            return file.read()
    except OSError as error:
        # What cannot be read may be a password: it is not shown.
        raise Refused(
            f"{name}: the file that it names cannot be read on the controller ({error.strerror}). A value that begins with @ is "
            "the path of a file. Nothing was done."
        )


def spoken(*lines, failed=False):
    """A result that is shown at any verbosity, as that of `debug` is."""
    return {
        "changed": False,
        "failed": failed,
        "msg": "\n".join(line.rstrip() for line in lines if line and line.strip()),
        "_ansible_verbose_always": True,
    }


def paths(value, several):
    """The parts of a word that holds a path, or several with commas between: the host knows where its `~` is."""
    items = value.split(",") if several else [value]
    parts = [[{"path": item} if item.startswith("~") else item] for item in items]
    return [part for place, item in enumerate(parts) for part in ([","] if place else []) + item]


def near(name, known):
    """The known variable that was meant, most likely; none where none is like it."""
    short, shorts = name.removeprefix(f"{ROLE}_"), {name.removeprefix(f"{ROLE}_"): name for name in sorted(known)}
    return next((shorts[other] for like in (is_slip, is_alike) for other in shorts if like(short, other)), None)


def is_alike(one, other):
    """Whether two names differ in one word, and that is much the same or, beside others, short for the other. A name of more
    words is another one: `registry_url` is none of `registry` and `registry_user`."""
    pairs = [pair for pair in zip(one.split("_"), other.split("_")) if pair[0] != pair[1]]
    if one.count("_") != other.count("_") or len(pairs) != 1:
        return False
    short, long = sorted(pairs[0], key=len)
    letters = iter(long)
    is_short = "_" in one and short[0:1] == long[0:1] and len(short) > 2 and all(letter in letters for letter in short)
    return is_short or difflib.SequenceMatcher(None, short, long).ratio() >= 0.8


def is_slip(one, other):
    """Whether one letter too many, too few or wrong keeps two words apart, or two that are swapped."""
    begin = len(os.path.commonprefix([one, other]))
    end = len(os.path.commonprefix([one[begin:][::-1], other[begin:][::-1]]))
    left, right = one[begin:len(one) - end], other[begin:len(other) - end]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])

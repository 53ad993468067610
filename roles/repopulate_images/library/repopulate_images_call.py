# Derived from src/bin/repopulate_images.rs by `firebreak sync`: change that file, or the template.
"""The part on the host of a call of the role's program; action_plugins/repopulate_images_call.py is the part on the controller."""
import base64
import errno
import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import tempfile

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: repopulate_images_call
short_description: Calls the program of the role repopulate_images
description: Called by the role's own tasks alone.
options:
  sent:
    description: The folder with what the controller sent.
    type: path
    required: true
"""

# The processors that an ELF file may be built for, as `uname -m` calls them.
PROCESSORS = {3: "i686", 40: "arm", 62: "x86_64", 183: "aarch64", 22: "s390x", 21: "ppc64le", 243: "riscv64"}


class Unusable(Exception):
    """Nothing was called from this folder: the next may do."""


class Hopeless(Exception):
    """Nothing was called, and no other folder would help."""


def main():
    module = AnsibleModule(argument_spec={"sent": {"type": "path", "required": True}}, supports_check_mode=True)
    # Whatever ends the play ends the program as well, which restores what it changed; then the folder is removed.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: None)
    sent = module.params["sent"]
    with open(os.path.join(sent, "order.json"), encoding="utf-8") as file:
        order = json.load(file)
    try:
        os.remove(os.path.join(sent, "order.json"))
    except OSError:
        # It is another user's: the controller removes it.
        pass
    refusals = []
    for place in places(order["temp"]):
        try:
            folder = tempfile.mkdtemp(prefix="firebreak.", dir=place)
        except OSError as error:
            refusals.append("no folder can be made in %s (%s)" % (place, error.strerror))
            continue
        try:
            result = None
            if is_furnished(folder, sent, order, place, refusals):
                result = call(folder, order)
        except Unusable as why:
            refusals.append(str(why))
        except Hopeless as why:
            result = {"refusal": str(why)}
        finally:
            left = remove(folder)
        if result is not None:
            module.exit_json(changed=False, left=left, **result)
    module.exit_json(changed=False, left="", places=refusals)


def places(temp):
    """The folders that may hold a private one: what was asked for, or the usual ones in turn."""
    if temp:
        return [os.path.expanduser(temp)]
    usual = [tempfile.gettempdir(), "/var/tmp", os.path.expanduser("~")]
    return [place for index, place in enumerate(usual) if place not in usual[:index]]


def is_furnished(folder, sent, order, place, refusals):
    """Whether all lies in the folder; where not, another folder may do. Once the program was called, none is tried again."""
    try:
        furnish(folder, sent, order)
    except OSError as error:
        refusals.append("%s cannot be used (%s)" % (place, error.strerror or error))
        return False
    return True


def furnish(folder, sent, order):
    """Everything that the program needs lies in one private folder: nobody else reads it."""
    for name, content in order["files"].items():
        path = os.path.join(folder, name)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path), 0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64decode(content))
    program = os.path.join(folder, order["program"])
    shutil.copyfile(os.path.join(sent, "program"), program)
    os.chmod(program, 0o700)
    if order["requirements"]:
        for words in (
            ["python3", "-m", "venv", os.path.join(folder, ".venv")],
            [os.path.join(folder, ".venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--requirement", os.path.join(folder, order["requirements"])],
        ):
            try:
                code, stdout, stderr = run(words, {})
            except OSError as error:
                raise Hopeless(cause(error, words[0]))
            if code != 0:
                raise Hopeless("`%s` ended with %d: %s" % (" ".join(words), code, (stderr or stdout).strip()))


def call(folder, order):
    def word(part):
        if not isinstance(part, dict):
            return part
        return os.path.join(folder, part["inside"]).rstrip("/") if "inside" in part else os.path.expanduser(part["path"])

    words = ["".join(word(part) for part in parts) for parts in order["words"]]
    try:
        code, stdout, stderr = run(words, order["environment"])
    except OSError as error:
        if error.errno == errno.EACCES:
            noexec = os.statvfs(folder).f_flag & os.ST_NOEXEC
            where = os.path.dirname(folder)
            raise Unusable("programs may not be run from %s%s" % (where, " (mounted noexec)" if noexec else ""))
        raise Hopeless(cause(error, words[0]))
    brought, lost = {}, {}
    for name in order["brings"]:
        bring(name, os.path.join(folder, name), brought, lost)
    if order["reports"]:
        try:
            journal = json.loads(stdout).get("journal")
        except (ValueError, AttributeError):
            journal = None
        if journal:
            bring("journal", journal, brought, lost)
    return {"rc": code, "stdout": stdout, "stderr": stderr, "folder": folder, "brought": brought, "lost": lost}


def run(words, environment):
    process = subprocess.Popen(words, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        stdout, stderr = process.communicate()
    except OSError as error:
        # It was started: nobody may take this for a program that was not.
        raise RuntimeError("%s was started, and what came of it is not known (%s): look before you act again" % (words[0], error))
    return process.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")


def bring(name, path, brought, lost):
    try:
        with open(path, "rb") as file:
            brought[name] = base64.b64encode(file.read()).decode("ascii")
    except OSError as error:
        lost[name] = str(error)


def cause(error, program):
    """Why the system does not start a program, in words."""
    try:
        with open(program, "rb") as file:
            head = file.read(20)
    except OSError:
        return "the host has no %s" % program
    if error.errno == errno.ENOENT:
        first = head.split(b"\n")[0].decode("utf-8", "replace")
        return "the host lacks what runs it%s" % (" (%s)" % first if first.startswith("#!") else ", a loader of libraries")
    if error.errno == errno.ENOEXEC and head[:4] == b"\x7fELF":
        machine = struct.unpack(">H" if head[5] == 2 else "<H", head[18:20])[0]
        built = PROCESSORS.get(machine, "another processor (ELF machine %d)" % machine)
        return "it is built for %s, and the host is %s" % (built, platform.machine())
    if error.errno == errno.ENOEXEC:
        return "it is no executable for this host (%s), nor a script that names its interpreter" % platform.machine()
    return error.strerror or str(error)


def remove(folder):
    """Removes the folder, the secrets first; what cannot be removed is told."""
    def again(function, path, _):
        os.chmod(os.path.dirname(path), 0o700)
        function(path)

    try:
        shutil.rmtree(os.path.join(folder, "secrets"), ignore_errors=True)
        shutil.rmtree(folder, onerror=again)
    except OSError as error:
        return "%s (%s)" % (folder, error.strerror or error)
    return ""


if __name__ == "__main__":
    main()

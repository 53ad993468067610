#!/usr/bin/env python3
"""Stands in for rollback_service: as strict about its command line, but it only notes what it was given.

STAND_IN_NOTE names the file for the note; STAND_IN_EXIT an exit code to end with, STAND_IN_REPORT what its report says besides (JSON).
"""
import json
import os
import stat
import sys

SHARED = {"--format", "--env", "--registry", "--registry-user", "--registry-pwd", "--cacert"}
SHARED |= {"--journal", "--platform", "--user", "--pwd"}
AGAIN = SHARED | {"--run", "--slack", "--timeout"}
TAKES = {
    "get": SHARED | {"--dump", "--repo", "--keep", "--running"},
    "run": SHARED | {"--dump", "--date", "--by", "--only", "--slack", "--timeout"},
    "undo": AGAIN,
    "resume": AGAIN,
}
ACTS = {"--insecure", "--check", "--yes"}
SWITCHES = {
    "get": {"--insecure", "--immutable-tags"},
    "run": ACTS | {"--allow-partial", "--pin"},
    "undo": ACTS,
    "resume": ACTS,
}
SECRETS = {"--registry-pwd", "--pwd", "--slack"}


def usage(why):
    print(f"stand-in: {why}", file=sys.stderr)
    sys.exit(2)


def mode(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode))


def read(words):
    command = words[0] if words else ""
    if command not in TAKES:
        usage(f"no such command: {command}")
    options, switches, secrets = {}, [], {}
    for word in words[1:]:
        name, given, value = word.partition("=")
        if given and name in TAKES[command] and name not in options:
            options[name] = value
        elif not given and name in SWITCHES[command] and name not in switches:
            switches.append(name)
        else:
            usage(f"{command} does not take {word}")
        if name in SECRETS and value.startswith("@"):
            with open(value[1:], encoding="utf-8") as file:
                secrets[name] = {"value": file.read(), "mode": mode(value[1:]), "folder_mode": mode(os.path.dirname(value[1:]))}
        elif name in SECRETS and value:
            usage(f"{name} is on the command line, for everybody to see")
    return command, options, switches, secrets


def main():
    command, options, switches, secrets = read(sys.argv[1:])
    folder = os.path.dirname(os.path.abspath(__file__))
    dump = os.path.join(options.get("--dump", ""), "rollback.json")
    note = {
        "command": command,
        "options": options,
        "switches": switches,
        "secrets": secrets,
        "folder": folder,
        "folder_mode": mode(folder),
        "files": sorted(os.listdir(folder)),
        "build": os.environ.get("BUILD_URL"),
        "approver": os.environ.get("FIREBREAK_APPROVER"),
    }
    if command == "run":
        with open(dump, encoding="utf-8") as file:
            note["dump"] = json.load(file)
    with open(os.environ["STAND_IN_NOTE"], "a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    code = int(os.environ.get("STAND_IN_EXIT", "0"))
    more = json.loads(os.environ.get("STAND_IN_REPORT", "{}"))
    if code and not more:
        print("error: failed to list the tags of repository 'billing'", file=sys.stderr)
        print("hint: the second line of what the program says", file=sys.stderr)
        sys.exit(code)
    # The text is what a terminal would show.
    report = {"action": "rollback_service", "command": command, "changed": False, "outcome": "done", "message": "Looked."}
    if command == "get":
        with open(dump, "w", encoding="utf-8") as file:
            json.dump({"all": options["--repo"].split(","), "rollbacks": {"2026-11-20": []}, "incomplete": {}}, file)
        report["text"] = "date        billing\n2026-11-20  1.5.0-develop\n2026-11-19  ↑ 1.4.0-develop\n↑ nothing was built that day"
    else:
        unchanged = options.get("--date") == "2026-11-21"
        to = "billing:1.5.0" if unchanged else "billing:1.4.0"
        report["steps"] = [{"subject": "billing", "before": "billing:1.5.0", "after": to, "unchanged": unchanged}]
        report["changed"] = not unchanged
        report["outcome"] = "nothing_to_do" if unchanged else "planned" if "--check" in switches else "done"
        report["message"] = "Went back."
        report["text"] = f"service  from           to\nbilling  billing:1.5.0  {to}"
    print(json.dumps(report | more))
    sys.exit(code)


main()

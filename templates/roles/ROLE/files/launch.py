<% if role.python and role.secrets %>
# Derived from << role.source >> by `firebreak sync`: change that file, or the template.
"""Starts a script with its secrets: each is given as @path, the name of a file that holds it.

What stands on a command line is seen by everybody on the host, so the secrets join it only here, inside the process.
"""
import os
import runpy
import sys

# What stands before the @.
SECRETS = (
<% for variable in role.secrets if not variable.apart %>
    "<< variable.prefix >>",
<% endfor %>
)
# The options whose value is a word of its own.
APART = (
<% for variable in role.secrets if variable.apart %>
    "<< variable.option >>",
<% endfor %>
)
FILES = "@" + os.path.join(os.path.dirname(sys.argv[0]), "secrets", "")


def opened(before, word):
    for prefix in ("",) if before in APART else SECRETS:
        if word.startswith(prefix + FILES):
            with open(word[len(prefix) + 1:], encoding="utf-8", newline="") as file:
                return prefix + file.read()
    return word


script, *words = sys.argv[1:]
# What stands behind `--` is no option, whatever it looks like.
end = words.index("--") if "--" in words else len(words)
sys.argv = [script, *map(opened, [script, *words], words[:end]), *words[end:]]
sys.path[0] = os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
<% endif %>

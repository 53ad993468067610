<% if role.python and role.secrets %>
# Derived from << role.source >> by `firebreak sync`: change that file, or the template.
"""Starts a script with its secrets: each is given as @path, the name of a file that holds it.

What stands on a command line is seen by everybody on the host, so the secrets join it only here, inside the process.
"""
import os
import runpy
import sys

SECRETS = (
<% for variable in role.variables if variable.secret %>
    "<< variable.prefix >>@",
<% endfor %>
)


def opened(word):
    for prefix in SECRETS:
        if word.startswith(prefix):
            with open(word[len(prefix):], encoding="utf-8", newline="") as file:
                return prefix[:-1] + file.read()
    return word


script, *words = sys.argv[1:]
# What stands behind `--` is no option, whatever it looks like.
end = words.index("--") if "--" in words else len(words)
sys.argv = [script, *map(opened, words[:end]), *words[end:]]
sys.path[0] = os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
<% endif %>

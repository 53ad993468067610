#!/usr/bin/env python3
"""Prints what it is given, and what others on the host see of it."""
import json
import os
import sys

if sys.argv[1:] == ["--help"]:
    print("Usage: fix.py fix")
    sys.exit(0)
with open("/proc/self/cmdline", encoding="utf-8") as file:
    seen = file.read()
with open(os.environ["NOTE"], "w", encoding="utf-8") as note:
    json.dump({"given": sys.argv[1:], "seen": seen, "prefix": sys.prefix, "script": sys.argv[0], "files": sorted(os.listdir(os.path.dirname(sys.argv[0])))}, note)
print("labels fixed")
print("a word of warning", file=sys.stderr)
sys.exit(int(os.environ.get("EXIT", "0")))

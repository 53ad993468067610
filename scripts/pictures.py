"""Runs a look, a plan and a run in the drill that the environment leads to, and draws what each prints on a terminal.

Days are told as if the last good one were DAY, and the platform as if it had PORT, so that a picture changes only where the
programs print something else.
"""

import datetime
import fcntl
import html
import io
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

DAY = datetime.date(2026, 11, 20)
PORT = "8080"
# As many as a phone shows in letters that can be read: of 10 pixels, on a screen of 390.
COLUMNS = 62
# Of a letter of 20 in the fonts below.
WIDTH = 12.04
BAR = 30
DARK = TerminalTheme(
    (24, 26, 31),
    (222, 226, 232),
    [(24, 26, 31), (255, 123, 114), (126, 211, 133), (240, 200, 100), (121, 172, 255), (210, 150, 245), (100, 205, 215), (222, 226, 232)],
)
# Only fonts that a reader has; the background is the picture's own.
PICTURE = """\
<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#181a1f"/>
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def printed(words, folder):
    """What a command prints on a terminal; its talk on stderr is left out."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    program = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=its, stderr=subprocess.PIPE, env=environment)
    os.close(its)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # The other end is closed.
            break
        if not part:
            break
        parts.append(part)
    talk = program.stderr.read().decode()
    if program.wait() != 0:
        sys.exit(f"{' '.join(words)} ended with {program.returncode}: {talk}")
    return b"".join(parts).decode().replace("\r\n", "\n")


def settled(text, good):
    """The text with days and ports as they are in each picture."""
    shift = DAY - datetime.date.fromisoformat(good)
    day = lambda found: (datetime.date.fromisoformat(found[0]) + shift).isoformat()
    text = re.sub(r"\b20\d\d-\d\d-\d\d\b", day, text)
    return re.sub(r"(127\.0\.0\.1):\d+", rf"\1:{PORT}", text)


def draw(path, command, text):
    """Draws a command and what it prints, as wide as its longest line; one that a terminal would wrap is wrapped."""
    lines = Text.from_ansi(f"\x1b[1m$ {command}\x1b[0m\n{text}").split()
    width = min(COLUMNS, max(line.cell_len for line in lines))
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False)
    for line in lines:
        console.print(line, highlight=False)
    picture = console.export_svg(theme=DARK, code_format=PICTURE, unique_id=path.stem, font_aspect_ratio=WIDTH / 20)
    # No bar with buttons of a window above, and no text that is but the end of a line.
    height = re.search(r'viewBox="0 0 [0-9.]+ ([0-9.]+)"', picture)[1]
    picture = picture.replace(f'{height}"', f'{float(height) - BAR:g}"').replace(", 41)", f", {41 - BAR})")
    path.write_text(re.sub(r'<text class="([^"]+)" x="([0-9.]+)" (y="[0-9.]+") [^>]*>([^<]*)</text>', columns, picture))


def columns(found):
    """The text in pieces, each at its own column: no font is as wide as another, and a reader has another."""
    style, left, top, text = found.groups()
    text = html.unescape(text).replace("\u00a0", " ")
    pieces = re.finditer(r"\S+(?: \S+)*", text)
    return "".join(
        f'<text class="{style}" x="{float(left) + piece.start() * WIDTH:g}" {top} textLength="{len(piece[0]) * WIDTH:g}">'
        f"{html.escape(piece[0], quote=False)}</text>\n"
        for piece in pieces
    )


def main():
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    good = os.environ["FIREDRILL_DATE"]
    run = f"rollback_service run --date={good} --env=dev"
    commands = {
        # Of two services alone, so that the picture is no wider than a phone.
        "look": "rollback_service get --repo=orders,users --env=develop --running=dev",
        "plan": f"{run} --check",
        "report": f"{run} --yes",
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands.items():
            text = printed(command.split(), folder).rstrip("\n")
            if name == "look":
                # The days; what ran in detail is told below them.
                text = text.split("\n\n")[0] + "\n…\n" + text.splitlines()[-1]
            draw(target / f"{name}.svg", settled(command, good), settled(text, good))
            if name == "look":
                printed(command.replace("orders,users", "billing,orders,users,web").split(), folder)


main()
